"""Time courses against conservation laws, steady states, SciPy's integrator and published numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cells import Z, duesterwald, kelvin, values
from scipy.integrate import simpson, solve_ivp

from pumpleak import (
    Bath,
    Cell,
    ConstantPump,
    Cotransporter,
    Event,
    GHKLeak,
    HillPump,
    InputError,
    change,
    donnan_equilibrium,
    list_presets,
    load_preset,
    simulate,
    steady_state,
    steady_states,
)
from pumpleak.cell.evolve import evolve
from pumpleak.cell.simulate import _given
from pumpleak.physics.constants import F, R

PUBLISHED = {"g_Na": 2e-3, "g_K": 7e-3, "g_Cl": 2e-3, "g_KCC2": 2e-3, "p_pump": 0.1, "z_X": -0.85}
PUBLISHED |= {"Na_out": 145.0, "K_out": 3.5, "Cl_out": 119.0, "osm_out": 297.0, "RT_over_F": 26.725}
T = kelvin(26.725)
BATH = Bath(T=T, Na_o=145.0, K_o=3.5, Cl_o=119.0, X_o=29.5)
PLAIN = Bath(T=T, Na_o=145.0, K_o=3.5, Cl_o=148.5)  # nothing in it that stays outside
START = {"K": 110.0, "Na": 25.0, "Cl": 12.0}


def neuron(**settings):
    """The published cell with what sets its time course: 2e-4 F/dm² are 2 µF/cm²."""
    return duesterwald(PUBLISHED, **{"X_i": 154.962, "volume_to_area": 2.5e-4, "C_m": 2.0} | settings)[0]


def amounts(course, cell):
    """µmol cm⁻² of every ion."""
    return {ion: c * course.volume * cell.volume_to_area for ion, c in course.c_i.items()}


def charge(course, cell):
    """mM inside."""
    return sum(Z[ion] * c for ion, c in course.c_i.items()) + cell.z_X * course.X


# -- where it ends ---------------------------------------------------------------------------------


@pytest.mark.thorough
def test_capacitive_charge_ends_where_the_published_integration_does(reference_cases):
    case = reference_cases["dus-default-ode"]
    course = simulate(neuron(), BATH, 20_000.0, start=START, charge="capacitive", n=30)
    expected = values(case["expected"])
    assert abs(course.V_m[-1] - expected["Vm"]) < case["tolerance"]["abs_mV"]
    for ion in ("Na", "K", "Cl"):
        assert course.c_i[ion][-1] == pytest.approx(expected[f"{ion}_in"], rel=case["tolerance"]["rel_conc"])
    # An independent root with the same charge, as the case tells it, and the neutral state 6e-4 mV away.
    assert course.V_m[-1] == pytest.approx(-72.58810581, abs=2e-8)
    neutral = simulate(neuron(), BATH, 20_000.0, start=START, n=30)
    exact = values(reference_cases["dus-default-exact"]["expected"])
    assert neutral.V_m[-1] == pytest.approx(exact["Vm"], rel=1e-9)


@pytest.mark.thorough
def test_the_separated_charge_is_all_that_differs():
    cell = neuron()
    event = [Event(60.0, {"K_o": 10.0})]
    times = np.linspace(0, 3000, 50)
    both = [
        simulate(cell, BATH, 3000.0, events=event, charge=c, times=times) for c in ("capacitive", "neutral")
    ]
    assert charge(both[1], cell) == pytest.approx(0, abs=1e-11)
    separated = 1e-3 * both[0].V_m * cell.C_m / (F * cell.volume_to_area * both[0].volume)  # mM
    np.testing.assert_allclose(charge(both[0], cell), separated, rtol=1e-7)
    assert 1e-4 < np.abs(both[0].V_m - both[1].V_m)[20:].max() < 2e-2
    np.testing.assert_allclose(both[0].volume, both[1].volume, rtol=1e-4)


@pytest.mark.thorough
def test_pump_off_ends_at_donnan_where_the_bath_holds_impermeants(reference_cases):
    expected = values(reference_cases["dus-pump-off-donnan"]["expected"])
    cell = neuron()
    course = simulate(cell, BATH, 6e6, events=[Event(0.0, {"pump": 0})], n=30)
    got = {f"{ion}_in": c[-1] for ion, c in course.c_i.items()} | {"Vm": course.V_m[-1], "X_in": course.X[-1]}
    got["volume_relative_to_running_pump"] = course.volume[-1] / course.volume[0]
    for name, value in got.items():
        assert value == pytest.approx(expected[name], rel=2e-9), name
    assert course.ended == "duration" and course.end == 6e6
    for E in course.E.values():
        assert E[-1] == pytest.approx(course.V_m[-1], abs=1e-8)


@pytest.mark.slow
def test_pump_off_at_fixed_volume_ends_at_donnan():
    cell = neuron(volume="fixed")
    start = {"K": 115.0, "Na": 25.0, "Cl": 140.0 - 0.85 * 154.962}
    course = simulate(cell, PLAIN, 2e5, start=start, events=[Event(0.0, {"pump": 0})], n=50)
    z, outside = np.array([1, 1, -1]), np.array([3.5, 145.0, 148.5])
    donnan = donnan_equilibrium(outside, z, A_i=154.962, z_A=-0.85, T=T)
    assert course.V_m[-1] == pytest.approx(float(donnan.V_m), abs=1e-7)
    np.testing.assert_allclose([course.c_i[i][-1] for i in ("K", "Na", "Cl")], donnan.c_i, rtol=1e-8)
    assert np.all(course.volume == 1)


@pytest.mark.thorough
def test_unbounded_swelling_is_lysis_at_its_time():
    events = [Event(60.0, {"pump": 0})]
    course = simulate(neuron(), PLAIN, 1e6, events=events, max_volume_ratio=4.0, n=60)
    assert course.ended == "lysis" and course.t[-1] == course.end < 1e6
    assert course.volume[-1] == pytest.approx(4, rel=1e-8) and np.all(np.diff(course.volume) > -1e-9)
    later = simulate(
        neuron(),
        PLAIN,
        2 * course.end,
        events=events,
        max_volume_ratio=None,
        times=[course.end, 2 * course.end],
    )
    assert later.ended == "duration" and later.volume[0] == pytest.approx(4, rel=1e-6)
    assert later.volume[1] > 4.5


@pytest.mark.slow
def test_a_pump_that_empties_the_cell_of_an_ion_is_told():
    leaks = {"leak_Na": GHKLeak("Na", 1e-9), "leak_K": GHKLeak("K", 1e-7), "leak_Cl": GHKLeak("Cl", 1e-7)}
    cell = Cell(leaks | {"pump": ConstantPump(1e-6)}, z_X=-1.0, X_i=150.0)
    course = simulate(cell, BATH, 1e6, start={"K": 120.0, "Na": 20.0, "Cl": 10.0}, n=30)
    assert course.ended == "emptied" and course.end < 1e6
    assert 0 <= course.c_i["Na"][-1] < 1e-6 < course.c_i["Na"][-2] and np.all(np.isfinite(course.V_m))


@pytest.mark.slow
def test_several_resting_levels_remember_what_was_done():
    cell, bath = load_preset("mammalian_muscle")
    _, bath = change(cell, bath, {"K_o": 2.5})
    low, _, high = steady_states(cell, bath)
    bathed = [Event(10.0, {"K_o": 10.0}), Event(610.0, {"K_o": 2.5})]
    course = simulate(cell, bath, 2e6, events=bathed, start=low)
    assert course.V_m[0] == pytest.approx(float(low.V_m), abs=1e-6)
    assert course.V_m[-1] == pytest.approx(float(high.V_m), abs=1e-6)
    stays = simulate(cell, bath, 5e5, start=low, n=20)
    np.testing.assert_allclose(stays.V_m, float(low.V_m), atol=1e-6)


def perturbed(name, charge):
    cell, bath = load_preset(name)
    done = {"K_o": 1.5 * bath.c["K"], "pump": 0.8}
    end = steady_state(*change(cell, bath, done))
    course = simulate(cell, bath, 60 * float(end.time_constants[0]), events=[Event(0.0, done)], charge=charge)
    return course, end


@pytest.mark.slow
@pytest.mark.parametrize("name", list_presets())
def test_presets_end_in_their_steady_state(name):
    course, end = perturbed(name, "neutral")
    assert abs(course.V_m[-1] - end.V_m) < 1e-10
    for ion, c in end.c_i.items():
        assert course.c_i[ion][-1] == pytest.approx(float(c), rel=1e-11)
    assert course.volume[-1] == pytest.approx(float(end.volume), rel=1e-11)
    capacitive, _ = perturbed(name, "capacitive")
    assert 1e-9 < abs(capacitive.V_m[-1] - end.V_m) < 0.01  # their smallest has 0.1 µm of volume to area


@pytest.mark.slow
def test_random_cells_end_in_their_steady_state():
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(140):
        P = dict(zip(("Na", "K", "Cl"), 10 ** rng.uniform([-8.5, -7, -7], [-7, -5.5, -5.5]), strict=True))
        parts = {f"leak_{ion}": GHKLeak(ion, p) for ion, p in P.items()}
        parts["pump"] = HillPump(P["Na"] * 10 ** rng.uniform(1.3, 3))
        parts["KCC2"] = Cotransporter({"K": 1, "Cl": 1}, 10 ** rng.uniform(-4, -2))
        cell = Cell(parts, z_X=rng.uniform(-2, -0.3), X_i=rng.uniform(60, 180))
        Cl, X = rng.uniform(90, 130), 0.0
        K = rng.uniform(2, 8)
        X = 150 + K - Cl
        bath = Bath(T=310.15, Na_o=150.0, K_o=K, Cl_o=Cl, X_o=X * rng.uniform(0.6, 1.4))
        end = steady_state(cell, bath)
        if not bool(end.ok) or not bool(end.stable):
            continue
        found += 1
        start = {"K": 0.8 * 150, "Na": 0.2 * 150, "Cl": 10.0}
        course = simulate(
            cell, bath, 60 * float(end.time_constants[0]), start=start, n=10, max_volume_ratio=None
        )
        assert abs(course.V_m[-1] - end.V_m) < 1e-8
        assert course.volume[-1] == pytest.approx(float(end.volume), rel=1e-10)
    assert found >= 100


# -- on the way ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_what_left_is_the_flux_over_time():
    cell = neuron()
    t = np.linspace(0, 400, 1601)
    course = simulate(cell, BATH, 400.0, start=START, times=t)
    for ion, n in amounts(course, cell).items():
        left = simpson(course.fluxes[ion], x=t)
        assert n[0] - n[-1] == pytest.approx(left, rel=1e-7, abs=1e-9 * n[0])
        assert abs(left) > 1e-3 * n[0]
    impermeant = course.X * course.volume
    np.testing.assert_allclose(impermeant, 154.962, rtol=1e-13)
    osmolarity = sum(course.c_i.values()) + course.X
    np.testing.assert_allclose(osmolarity, 297.0, rtol=1e-13)
    assert charge(course, cell) == pytest.approx(0, abs=1e-11)
    net = sum(course.currents.values())
    assert np.max(np.abs(net)) < 1e-6 * np.max(np.abs(course.currents["leak_Na"]))


def scipy_course(cell, bath, start, t, capacitive, L_p=None):
    """The same by SciPy: ohm's law, the cubic pump and KCC2 written out, in mol, litre and volt."""
    RT_F = R * bath.T / F
    g = {ion: 1e-3 * cell.mechanisms[f"leak_{ion}"].g for ion in ("Na", "K", "Cl")}  # S/cm²
    kcc2, p = 1e-3 * cell.mechanisms["KCC2"].rate_constant, F * cell.mechanisms["pump"].J * 1e-6  # A/cm²
    depth, out = cell.volume_to_area, bath.c
    nX = 1e-6 * cell.X_i * depth
    z = {"Na": 1, "K": 1, "Cl": -1}

    def look(y):
        n = dict(zip(("Na", "K", "Cl"), y[:3], strict=True))  # mol/cm²
        w = y[3] if L_p else (sum(n.values()) + nX) / (1e-6 * bath.osmolarity)  # cm
        E = {ion: RT_F / z[ion] * np.log(out[ion] / (1e6 * n[ion] / w)) for ion in n}
        pump = p * (1e6 * n["Na"] / w / out["Na"]) ** 3
        if capacitive:
            V = F * (sum(z[i] * n[i] for i in n) + cell.z_X * nX) / (1e-6 * cell.C_m)
        else:
            V = (sum(g[i] * E[i] for i in n) - pump) / sum(g.values())
        return n, w, E, pump, V

    def slope(_, y):
        n, w, E, pump, V = look(y)
        cotransport = kcc2 * (E["K"] - E["Cl"])  # outward where E_Cl lies above E_K
        dNa = -(g["Na"] * (V - E["Na"]) + 3 * pump) / F
        dK = -(g["K"] * (V - E["K"]) - 2 * pump - cotransport) / F
        dCl = (g["Cl"] * (V - E["Cl"]) + cotransport) / F
        extra = [1e0 * L_p * ((1e6 * (sum(n.values()) + nX) / w) - bath.osmolarity)] if L_p else []
        return [dNa, dK, dCl, *extra]

    y0 = [1e-6 * start[i] * depth for i in ("Na", "K", "Cl")] + ([depth] if L_p else [])
    found = solve_ivp(slope, (0, t[-1]), y0, "BDF", t, rtol=1e-10, atol=1e-20)
    assert found.success
    seen = [look(y) for y in found.y.T]
    return np.array([1e3 * s[4] for s in seen]), np.array([s[1] / depth for s in seen])


@pytest.mark.parametrize(
    "L_p", [None, pytest.param(2e-8, marks=pytest.mark.slow)], ids=["water at once", "water in its time"]
)
@pytest.mark.thorough
def test_agrees_with_scipy(L_p):
    cell = neuron(X_i=(110 + 25 - 12) / 0.85, L_p=L_p)  # neutral at the reference volume
    t = np.geomspace(1, 5000, 30)
    V, volume = scipy_course(cell, BATH, START, t, False, L_p)
    course = simulate(cell, BATH, 5000.0, start=START, times=t)
    np.testing.assert_allclose(course.V_m, V, atol=2e-5)
    np.testing.assert_allclose(course.volume, volume, rtol=1e-6)
    assert np.ptp(volume) > 0.02


def test_capacitive_charge_agrees_with_scipy():
    cell = neuron(X_i=(110 + 25 - 12) / 0.85)
    t = np.geomspace(1e-3, 50, 30)  # from a charge of nought: the membrane charges first
    inside = simulate(cell, BATH, 50.0, start=START, times=[0.0], charge="capacitive")
    start = {ion: float(n[0] / cell.volume_to_area) for ion, n in amounts(inside, cell).items()}
    V, volume = scipy_course(cell, BATH, start, t, True)
    course = simulate(cell, BATH, 50.0, start=START, times=t, charge="capacitive")
    np.testing.assert_allclose(course.V_m, V, atol=2e-4)
    np.testing.assert_allclose(course.volume, volume, rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"wall": 20.0}, {"L_p": 1e-8, "wall": 5.0}, {"held": {"HCO3": 12.0}}])
def test_walls_and_held_ions_keep_neutrality_and_end_right(settings):
    bath = Bath(T=T, Na_o=145.0, K_o=3.5, Cl_o=119.0, HCO3_o=24.0, X_o=8.0)
    cell = neuron(**settings)
    if "held" in settings:
        parts = dict(cell.mechanisms) | {"AE": Cotransporter({"Cl": 1, "HCO3": -1}, 1e-3)}
        cell = neuron(**settings)
        cell = Cell(parts, z_X=-0.85, X_i=154.962, volume_to_area=2.5e-4, held=settings["held"])
    for charges in ("neutral", "capacitive"):
        done = {"pump": 0.02} if "wall" in settings else {"K_o": 8.0}
        end = steady_state(*change(cell, bath, done))
        course = simulate(cell, bath, 1e6, events=[Event(5.0, done)], charge=charges)
        assert course.V_m[-1] == pytest.approx(float(end.V_m), abs=1e-7 if charges == "neutral" else 0.02)
        assert course.volume[-1] == pytest.approx(
            float(end.volume), rel=1e-8 if charges == "neutral" else 1e-3
        )
        separated = 1e-3 * course.V_m * cell.C_m / (F * cell.volume_to_area * course.volume)
        expected = 0 if charges == "neutral" else separated
        np.testing.assert_allclose(charge(course, cell), expected, atol=2e-7)


# -- events, starts, tables ------------------------------------------------------------------------


def test_an_event_stands_twice_before_and_after():
    course = simulate(
        neuron(), BATH, 600.0, events=[Event(60.0, {"K_o": 10.0}), Event(0.0, {"leak_K": 1.0})], n=30
    )
    assert [e.t for e in course.events] == [0.0, 60.0]
    before, after = np.flatnonzero(course.t == 60.0)
    assert after == before + 1 and course.V_m[after] - course.V_m[before] > 10
    for c in course.c_i.values():
        assert c[after] == c[before]
    assert np.all(np.diff(course.t) >= 0) and course.t[0] == 0 and course.t[-1] == 600
    assert course.E["K"][after] == pytest.approx(26.725 * np.log(10 / course.c_i["K"][after]), rel=1e-12)
    table = course.table()
    assert list(table.columns[:4]) == ["t_s", "V_m_mV", "K_i_mM", "Na_i_mM"]
    assert {"Cl_i_mM", "X_mM", "volume_rel", "E_K_mV", "I_pump_uA_cm2"} <= set(table.columns)
    assert len(table) == len(course.t) and not table.isna().to_numpy().any()


@pytest.mark.thorough
def test_progress_is_told():
    seen = []
    simulate(neuron(), BATH, 600.0, n=100, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) >= 3 and seen == sorted(seen) and seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"events": [Event(-1.0, {"pump": 0})]}, "event at t = -1 s is outside"),
        ({"events": [Event(100.0, {"pump": 0})]}, "outside of the simulation, 0 to 100 s"),
        ({"events": [Event(np.nan, {"pump": 0})]}, "outside"),
        ({"events": [Event(1.0, {})]}, "changes nothing"),
        ({"events": [Event(1.0, {"pmp": 0})]}, "t = 1 s: .*no number 'pmp' .*did you mean 'pump'"),
        ({"events": [Event(1.0, {"pump": np.inf})]}, "pump = inf is not a number"),
        ({"events": [Event(1.0, {"z_X": -1.0})]}, "z_X cannot change"),
        ({"events": [Event(1.0, {"K_o": 400.0})]}, "t = 1 s: .*leaves Na_o"),
        ({"events": [Event(1.0, {"K_o": 0.0})]}, "K_o = 0 mM"),
        ({"events": [Event(1.0, {"K_o": 5.0}, compensation="sugar")]}, "sugar"),
        ({"charge": "both"}, "no treatment of charge 'both'"),
        ({"n": 1}, "too few"),
        ({"times": [3.0, 2.0]}, "not rising"),
        ({"times": [3.0, 200.0]}, "not rising within"),
        ({"start": {"K": 120.0, "Na": 12.0}}, "start has no Cl"),
        ({"start": START | {"Ca": 1.0}}, "no ion 'Ca' that this cell settles, as start has it"),
        ({"start": START | {"Cl": 200.0}}, "start is charged"),
        ({"start": START | {"Cl": -2.0}}, "Cl = -2.0"),
    ],
)
def test_bad_input_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        simulate(neuron(), BATH, 100.0, **settings)


def test_other_bad_input_is_refused():
    for duration in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="duration"):
            simulate(neuron(), BATH, duration)
    with pytest.raises(InputError, match="no steady state to start from .no_steady_state"):
        simulate(*change(neuron(), PLAIN, {"pump": 0.0}), 10.0)
    with pytest.raises(InputError, match="one cell in one bath"):
        simulate(neuron(z_X=np.array([-1.0, -0.9])), BATH, 10.0)
    with pytest.raises(InputError, match="start is charged"):
        simulate(neuron(z_X=-1.0), BATH, 10.0, start=steady_state(neuron(), BATH))
    with pytest.raises(InputError, match="which the bath does not have"):
        simulate(neuron(), Bath(T=T, Na_o=145.0, K_o=3.5, X_o=148.5), 10.0)


@pytest.mark.filterwarnings("ignore:z_X = 0.4")
@pytest.mark.parametrize("z_X", [-0.85, 0.4])
def test_trapped_charge_sets_the_volume_of_what_is_given(z_X):
    """Ions that are neutral among themselves, or of the same sign, balance no trapped charge at any volume."""
    cell = neuron(z_X=z_X)
    trapped, other = z_X * float(cell.X_i), {"K": 110.0, "Na": 25.0}
    for mobile in (-123.0, -1e-6, 0.0, 1e-6, 123.0):
        start = other | {"Cl": 135.0 - mobile}
        if mobile * trapped < 0:
            assert _given(cell, start) == (start, pytest.approx(-trapped / mobile, rel=1e-6))
        else:
            with pytest.raises(InputError, match="start is charged: .* cannot balance") as refused:
                _given(cell, start)
            assert f"sum to {mobile:+.4g} mM" in str(refused.value) or abs(mobile) == 1e-6
            assert f"of {trapped:+.4g} mM" in str(refused.value)


@pytest.mark.filterwarnings("ignore:z_X = 0.4")
@pytest.mark.parametrize("settings", [{"volume": "fixed"}, {"volume": "fixed", "z_X": 0.4}, {"z_X": 0.0}])
@pytest.mark.parametrize("side", [1, -1])
def test_where_no_volume_can_balance_it_a_start_may_be_charged_by_rounding_alone(settings, side):
    """Up to 1e-4 of its ions, of either sign; as it stands, not scaled."""
    cell = neuron(**settings)
    trapped = float(cell.z_X) * float(cell.X_i)
    for share, fine in ((0.0, True), (0.9e-4, True), (1.1e-4, False)):
        K, Na = 210.0, 25.0
        Cl = (K + Na + trapped - side * share * (K + Na)) / (1 + side * share)
        start = {"K": K, "Na": Na, "Cl": Cl}
        assert abs(K + Na - Cl + trapped) / (K + Na + Cl) == pytest.approx(share, abs=1e-12)
        if fine:
            assert _given(cell, start) == (start, 1.0)
        else:
            with pytest.raises(InputError, match="start is charged"):
                _given(cell, start)


# -- evolve ----------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_evolve_is_simulate_and_differentiable():
    cell = neuron()
    rest = steady_state(cell, BATH)

    def after(pump, K_o, t):
        changed, bath = change(cell, BATH, {"pump": pump, "K_o": K_o})
        V, c, volume, ok = evolve(changed, bath, rest.c_i, rest.volume, t, rtol=1e-9, atol=1e-11)
        return V, (c, volume, ok)

    run = jax.jit(jax.vmap(jax.value_and_grad(after, argnums=(0, 1, 2), has_aux=True)))
    h, step = 1e-4, np.array([0, 1, -1, 0, 0, 0, 0, 0, 0])
    lanes = [
        np.array(x) for x in (0.2 + h * step, 10 + 1e-3 * np.roll(step, 2), 300 + 1e-2 * np.roll(step, 4))
    ]
    lanes[2][-2], lanes[1][-1] = 0, np.nan  # one at once, and one that fails
    (V, (c, volume, ok)), slopes = jax.tree.map(np.asarray, run(*lanes))
    assert ok.tolist() == [True] * 8 + [False] and np.all(np.isfinite(slopes))
    assert np.all(np.isfinite(V)) and np.isfinite(volume[-1])
    # At once nothing has moved, and V_m is that of no current: Ohm's law.
    _, bath = change(cell, BATH, {"K_o": 10.0})
    g = {"Na": 0.02, "K": 0.07, "Cl": -0.02}
    driven = sum(g[ion] * 26.725 * np.log(bath.c[ion] / rest.c_i[ion]) for ion in g)
    pump = 0.2 * 1e3 * (rest.c_i["Na"] / bath.c["Na"]) ** 3
    assert V[-2] == pytest.approx(float((driven - pump) / 0.11), rel=1e-10)
    assert volume[-2] == pytest.approx(float(rest.volume), rel=1e-14)
    course = simulate(cell, BATH, 300.0, events=[Event(0.0, {"pump": 0.2, "K_o": 10.0})], n=5)
    assert V[0] == pytest.approx(course.V_m[-1], abs=1e-6)
    assert volume[0] == pytest.approx(course.volume[-1], rel=1e-8)
    assert c["Cl"][0] == pytest.approx(course.c_i["Cl"][-1], rel=1e-7)
    assert slopes[0][0] == pytest.approx((V[1] - V[2]) / (2 * h), rel=1e-4)
    assert slopes[1][0] == pytest.approx((V[3] - V[4]) / 2e-3, rel=1e-4)
    back, forth = (float(course_at(cell, t)) for t in (299.9, 300.1))
    assert slopes[2][0] == pytest.approx((forth - back) / 0.2, rel=1e-4)


def course_at(cell, t):
    return simulate(cell, BATH, t, events=[Event(0.0, {"pump": 0.2, "K_o": 10.0})], n=5).V_m[-1]


@pytest.mark.thorough
def test_evolve_takes_and_returns_single_precision():
    cell = neuron()
    rest = steady_state(cell, BATH)
    changed, bath = change(cell, BATH, {"pump": 0.2, "K_o": 10.0})
    start = rest.c_i, rest.volume, 300.0
    V, *_, ok = evolve(changed, bath, *start)
    given = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (changed, bath, *start))
    single = evolve(*given)
    assert bool(ok) and bool(single[3])
    assert {a.dtype for a in jax.tree.leaves(single[:3])} == {jnp.dtype("float32")}
    assert float(single[0]) == pytest.approx(float(V), rel=2e-5)
    with jax.enable_x64(False), pytest.raises(InputError, match="jax_enable_x64"):
        evolve(changed, bath, *start)
