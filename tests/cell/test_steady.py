import math
import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cells import KCC2, Z, built, duesterwald, ghk_neuron, keener_sneyd, laws, muscle, values
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, root

from pumpleak import (
    Bath,
    Cell,
    ConstantPump,
    Cotransporter,
    CustomMechanism,
    GHKLeak,
    InputError,
    Status,
    cell_parameters,
    change,
    donnan_equilibrium,
    mullins_noda_voltage,
    steady_state,
    steady_states,
    thermal_voltage,
)
from pumpleak.cell.steady import resting_state
from pumpleak.physics.constants import F

T = 310.15
BATH = dict(T=T, K_o=4.0, Na_o=145.0, Cl_o=119.0, X_o=30.0)


# -- published and stored numbers --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dus-default-exact", "dus-constJp-analytic", "dus-pump-off-donnan"])
def test_duesterwald(name, reference_cases):
    case = reference_cases[name]
    p = values(case["parameters"])
    state = steady_state(*duesterwald(p, ConstantPump(p["J_p"] * 1e4 / F) if "J_p" in p else None))
    found = {"Vm": state.V_m, "X_in": state.X, "volume_relative_to_running_pump": state.volume}
    for ion in ("Na", "K", "Cl"):
        found |= {f"{ion}_in": state.c_i[ion], f"E_{ion}": state.E[ion]}
    for key, value in values(case["expected"]).items():
        if key != "log10_p_equivalent":
            assert found[key] == pytest.approx(value, rel=case["tolerance"]["rel"]), key


@pytest.mark.thorough
def test_duesterwald_sensitivities(reference_cases):
    case = reference_cases["dus-sensitivities"]
    p = {k: jnp.asarray(float(v)) for k, v in values(case["parameters"]).items()}
    places = {
        "p": "p_pump",
        "Na_out (osm_out fixed at 297 mOsm)": "Na_out",
        "K_out (osm_out fixed at 297 mOsm)": "K_out",
    }

    def answers(p):
        state = steady_state(*duesterwald(p))
        return {"Vm": state.V_m, **{f"{i}_in": c for i, c in state.c_i.items()}}

    slopes = jax.jacfwd(answers)(p)
    for key, value in values(case["expected"]).items():
        what, _, of = key.removeprefix("d(").partition(")/d ")
        name = of.removeprefix("ln ")
        name = places.get(name, name)
        slope = slopes[what][name] * (p[name] if of.startswith("ln ") else 1.0)
        assert slope == pytest.approx(value, rel=case["tolerance"]["rel"]), key


def test_keener_sneyd_grid(reference_cases, assert_close):
    case = reference_cases["ks-pump-leak-grid"]
    p, rtol = values(case["parameters"]), case["tolerance"]["rel"]
    states = [steady_state(*keener_sneyd(p, P)) for P in p["P"]]
    expected = values(case["expected"])
    for k, state in enumerate(states):
        found = {"mu": state.volume, "V": state.V_m, "V_Na": state.E["Na"], "V_K": state.E["K"]}
        for key, value in found.items():
            assert_close(value, np.float64(expected[key][k]), rtol=rtol, atol=0)


def test_existence_has_the_published_limits(reference_cases):
    case = reference_cases["ks-existence-limits"]
    p, expected = values(case["parameters"]), values(case["expected"])
    edge, tolerance = expected["P_max"], case["tolerance"]["rel"]
    P = [0.0, 1e-9, 1e-6, edge * (1 - tolerance), edge * (1 + tolerance), 15.0, 100.0]
    exists, none = Status.converged, Status.no_steady_state
    *states, least = (steady_state(*keener_sneyd(p, x)) for x in [*P, expected["P_at_min_volume"]])
    assert [int(state.status) for state in states] == [none, exists, exists, exists, none, none, none]
    assert least.volume == pytest.approx(expected["mu_min"], rel=tolerance)
    assert not np.isfinite(states[5].V_m)


def closed_form(log_P, log_gamma, zx, Ne=437.0, Ke=20.0, kT=25.8):
    """V and ln volume of the Keener-Sneyd cell (Mathematical Physiology, ch. 2)."""
    P, gamma = jnp.exp(log_P), jnp.exp(log_gamma)
    alpha = (Ne * jnp.exp(-3 * P) + Ke * jnp.exp(2 * P * gamma)) / (Ne + Ke)
    mu = (1 + jnp.sqrt(zx**2 - alpha * zx**2 + alpha)) / (2 * (1 - alpha))
    y = (-zx + jnp.sqrt(zx**2 + 4 * alpha * mu**2)) / (2 * alpha * mu)
    return jnp.stack([-kT * jnp.log(y), jnp.log(mu)])


def derivatives(f):
    """The value, the Jacobian by reverse mode and the Jacobian of that by forward mode, in one program."""

    def first(x):
        value, back = jax.vjp(f, x)
        jacobian = jax.vmap(back)(jnp.eye(len(value)))[0]
        return jacobian, (value, jacobian)

    @jax.jit
    def run(x):
        second, (value, jacobian) = jax.jacfwd(first, has_aux=True)(x)
        return value, jacobian, second

    return run


@pytest.mark.thorough
def test_derivatives_equal_the_closed_form(assert_close):
    def solved(log_P, log_gamma, zx):
        p = {"Ne": 437.0, "Ke": 20.0, "zx": zx}
        state = steady_state(*keener_sneyd(p, jnp.exp(log_P), jnp.exp(log_gamma)))
        return jnp.stack([state.V_m, jnp.log(state.volume)])

    at = jnp.array([math.log(1.6), math.log(0.11), -1.2])
    found, expected = (derivatives(lambda x, f=f: f(*x))(at) for f in (solved, closed_form))
    for a, b, rtol, atol in zip(found, expected, (1e-10, 1e-9, 1e-9), (1e-12, 1e-9, 1e-8), strict=True):
        assert_close(a, b, rtol=rtol, atol=atol)


def test_neuron_meets_mullins_and_noda(reference_cases):
    case = reference_cases["ghk-pumpleak-neuron"]
    p, expected, rel = values(case["parameters"]), values(case["expected"]), case["tolerance"]["rel"]
    cell = ghk_neuron(p["P_Na"], p["P_K"], p["P_Cl"], p["p_max"], z_X=p["z_X"])
    bath = Bath(T=273.15 + p["T"], K_o=p["K_out"], Na_o=p["Na_out"], Cl_o=p["Cl_out"], X_o=p["X_out"])
    state = steady_state(cell, bath)
    assert state.V_m == pytest.approx(expected["Vm"], rel=rel)
    assert state.X == pytest.approx(expected["X_in"], rel=rel)
    for ion, c in state.c_i.items():
        assert c == pytest.approx(expected[f"{ion}_in"], rel=rel)
    inside = {k: float(c) for k, c in state.c_i.items()}
    V = mullins_noda_voltage(p["P_K"], p["P_Na"], 4.0, inside["K"], 145.0, inside["Na"], bath.T)
    assert V == pytest.approx(float(state.V_m), rel=1e-12)  # Cl⁻ is passive, so it adds no current


# -- against SciPy -----------------------------------------------------------------------------------

GHK, CHORD = {"Na": 5e-8, "K": 9e-7, "Cl": 3e-7}, {"Na": 0.01, "K": 0.08, "Cl": 0.03}
FAMILIES = {
    "constant, chord": {"chord": CHORD, "constant": 1.1e-6},
    "cubic, GHK, KCC2": {"GHK": GHK, "cubic": 0.006, "KCC2": 0.004},
    "Hill, GHK, NKCC1": {"GHK": GHK, "Hill": 3e-5, "NKCC1": 2e-13},
    "voltage, chord, KCC2": {"chord": CHORD, "voltage": 3e-5, "KCC2": 0.01},
    "Hill, chord, Kir": {"chord": CHORD, "Hill": 2e-5, "Kir": 0.03},
    "Ca": {"GHK": GHK | {"Ca": 1e-9}, "Hill": 3e-5, "NCX": 2e-5, "PMCA": 3e-7},
    "HCO3 held": {"GHK": GHK | {"HCO3": 1e-8}, "Hill": 3e-5, "AE": 1e-10, "held": {"HCO3": 14.0}},
    "wall": {"GHK": GHK, "Hill": 3e-5, "wall": 40.0, "X_o": 0.0},
    "fixed volume": {"GHK": GHK, "Hill": 3e-5, "volume": "fixed"},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_against_scipy(name):
    p = FAMILIES[name]
    o = {"Na": 140.0, "K": 5.0, "Cl": 145.0 - p.get("X_o", 28.0)}
    o |= {"Ca": 1.5} if name == "Ca" else {"HCO3": 24.0} if name == "HCO3 held" else {}
    X_o = p.get("X_o", sum(Z[i] * c for i, c in o.items()))
    z_X, X_i, held, wall = -0.9, 130.0, p.get("held", {}), p.get("wall", 0.0)
    cell = Cell(built(p), z_X=z_X, X_i=X_i, held=held, wall=wall or None, volume=p.get("volume", "osmotic"))
    state = steady_state(cell, Bath(T=T, X_o=X_o, **{f"{i}_o": c for i, c in o.items()}))
    assert state.status == Status.converged and state.residual < 1e-12

    fixed = cell.volume == "fixed"

    def residual(x):
        u, w = x[0], 0.0 if fixed else x[-1]
        i = dict(zip(cell.ions, np.exp(x[1 : len(cell.ions) + 1]), strict=True)) | held
        X = X_i * math.exp(-w)
        net = dict.fromkeys(cell.ions, 0.0)
        for rate, n in laws(p, u, i, o, T).values():
            for ion, k in n.items():
                if ion in net:
                    net[ion] += k * rate * 1e7
        rows = [sum(Z[ion] * c for ion, c in i.items()) + z_X * X, *net.values()]
        pressure = wall * max(math.exp(w) - 1, 0)
        return rows if fixed else [*rows, sum(i.values()) + X - sum(o.values()) - X_o - pressure]

    kT = float(thermal_voltage(T))
    at = [float(state.V_m) / kT, *(math.log(state.c_i[i]) for i in cell.ions)]
    at += [] if fixed else [math.log(state.volume)]
    beside = np.array(at) + 0.05 * np.cos(np.arange(len(at)))
    found = root(residual, beside, method="hybr", options={"xtol": 1e-13})
    np.testing.assert_allclose(found.x, at, rtol=1e-7, atol=1e-7)
    assert np.abs(residual(at)).max() < 1e-9


def test_time_constants_are_those_of_amounts_in_time():
    """The two rates of return, from finite differences of dn/dt with u at zero current."""
    p = FAMILIES["cubic, GHK, KCC2"]
    o, X_o, z_X, X_i, width = {"Na": 140.0, "K": 5.0, "Cl": 117.0}, 28.0, -0.9, 130.0, 2e-4
    cell = Cell(built(p), z_X=z_X, X_i=X_i, volume_to_area=width)
    state = steady_state(cell, Bath(T=T, X_o=X_o, **{f"{i}_o": c for i, c in o.items()}))

    def rates(n):
        """d ln(amount)/dt of Na and K; Cl from neutrality, volume from osmotic balance."""
        amount = {"Na": n[0], "K": n[1], "Cl": n[0] + n[1] + z_X * X_i}
        volume = (sum(amount.values()) + X_i) / (sum(o.values()) + X_o)
        i = {ion: a / volume for ion, a in amount.items()}

        def net(u):
            out = dict.fromkeys(o, 0.0)
            for rate, k in laws(p, u, i, o, T).values():
                for ion, moved in k.items():
                    out[ion] += moved * rate
            return out

        u = brentq(lambda u: sum(Z[i] * j for i, j in net(u).items()), -8, -0.1, xtol=1e-14)
        return -np.array([net(u)[ion] for ion in ("Na", "K")]) / width

    n = np.array([state.c_i["Na"], state.c_i["K"]]) * float(state.volume)
    columns = []
    for h in 1e-4 * np.diag(n):
        columns.append((rates(n + h) - rates(n - h)) / (2 * h.max()))
    expected = np.sort(np.linalg.eigvals(np.stack(columns, 1)).real)[::-1]
    np.testing.assert_allclose(state.eigenvalues.real, expected, rtol=1e-6)
    np.testing.assert_allclose(state.time_constants, -1 / expected, rtol=1e-6)
    assert state.stable


# -- derivatives -------------------------------------------------------------------------------------

LOGS = jnp.log(jnp.array([4e-8, 1e-6, 1e-6, 0.008, 0.004]))


def observed(x):
    """V_m and ln volume from log rates (5), z_X, ln K_o and T/100."""
    bath = Bath(T=100 * x[7], K_o=jnp.exp(x[6]), Na_o=145.0, Cl_o=115 + jnp.exp(x[6]), X_o=30.0)
    state = steady_state(ghk_neuron(*jnp.exp(x[:5]), z_X=x[5]), bath)
    return jnp.stack([state.V_m, jnp.log(state.volume)])


POINT = jnp.concatenate([LOGS, jnp.array([-0.9, math.log(5.0), 3.1])])


def differences(f, x, h=1e-4):
    """Central differences of fourth order."""
    steps = h * jnp.eye(len(x))
    return jnp.stack(
        [(8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h) for e in steps], -1
    )


forward = jax.jit(jax.jacfwd(observed))


@pytest.mark.thorough
def test_derivatives_equal_finite_differences(assert_close):
    """Value, first and second derivatives, each against differences of what comes before it."""
    run = derivatives(observed)
    _, first, second = run(POINT)
    assert_close(first, differences(lambda x: run(x)[0], POINT), rtol=1e-6, atol=1e-7)
    assert_close(first, forward(POINT), rtol=1e-9, atol=1e-10)
    assert_close(second, differences(lambda x: run(x)[1], POINT), rtol=1e-6, atol=1e-6)
    assert_close(second, jnp.swapaxes(second, -1, -2), rtol=1e-8, atol=1e-8)


decade = st.floats(-1, 1)


@given(
    rates=st.tuples(decade, decade, decade, decade, decade), z_X=st.floats(-1.8, -0.3), K_o=st.floats(1.5, 12)
)
@settings(max_examples=60)
def test_scaling_all_rates_changes_nothing(rates, z_X, K_o):
    log_rates = LOGS + 0.5 * math.log(10) * jnp.array(rates)
    slopes = forward(jnp.concatenate([log_rates, jnp.array([z_X, math.log(K_o), 3.1])]))[:, :5]
    assert np.all(np.isfinite(slopes))
    assert np.abs(slopes.sum(-1)).max() < 1e-9 * max(1, np.abs(slopes).max())


# -- lanes -------------------------------------------------------------------------------------------


def lanes(n):
    """A spread of cells of which some have no steady state (no pump and no impermeants outside)."""
    rng = np.random.default_rng(4)
    X_o = np.where(rng.random(n) < 0.5, 0.0, 30.0)
    J = np.where(rng.random(n) < 0.1, 0.0, 0.008 * 10 ** rng.uniform(-1, 1, n))
    P_Na = 4e-8 * 10 ** rng.uniform(-1, 1, n)
    return {"P_Na": P_Na, "J": J, "X_o": X_o, "z_X": rng.uniform(-1.5, -0.4, n)}


def solve_lanes(p):
    state = steady_state(
        ghk_neuron(p["P_Na"], J=p["J"], z_X=p["z_X"]),
        Bath(**BATH | {"X_o": p["X_o"], "Cl_o": 149 - p["X_o"]}),
    )
    return jnp.where(state.ok, state.V_m, 0), state


@jax.jit
def run_lanes(p):
    """States and the gradient of Σ V_m over the lanes that have one."""
    _, back, state = jax.vjp(solve_lanes, p, has_aux=True)
    return state, back(jnp.ones(p["J"].shape))[0]


@pytest.mark.thorough
def test_a_failing_lane_leaves_its_neighbours_alone():
    """Bit for bit, in values and gradients."""
    n = 1200
    good = lanes(n)
    for key, value in (("J", 0.008), ("X_o", 30.0)):
        good[key][[0, n // 2]] = value
    bad = {k: v.copy() for k, v in good.items()}
    bad["P_Na"][0] = np.nan
    bad["J"][n // 2] = bad["X_o"][n // 2] = 0.0

    (state, slopes), (spoilt, spoilt_slopes) = run_lanes(good), run_lanes(bad)
    assert spoilt.status[0] == Status.invalid and spoilt.status[n // 2] == Status.no_steady_state
    others = np.delete(np.arange(n), np.array([0, n // 2]))
    assert np.asarray(state.ok)[others].sum() >= 4
    for a, b in zip(jax.tree.leaves((state, slopes)), jax.tree.leaves((spoilt, spoilt_slopes)), strict=True):
        np.testing.assert_array_equal(np.asarray(a)[others], np.asarray(b)[others])
    for slope in spoilt_slopes.values():
        assert np.isfinite(slope).all()
        assert slope[0] == slope[n // 2] == 0
    assert np.isnan(np.asarray(spoilt.V_m)[[0, n // 2]]).all() and np.isnan(spoilt.volume[0])


@pytest.mark.thorough
def test_many_lanes_are_the_same_as_few(assert_close):
    """Blocks and stragglers against one call each: jit = eager, vmap = loop = a call of arrays."""
    p = lanes(1200)
    many, _ = run_lanes(p)
    assert set(np.asarray(many.status).tolist()) == {Status.converged, Status.no_steady_state}
    assert np.array_equal(many.ok, np.isfinite(many.V_m))
    assert float(jnp.max(jnp.where(many.ok, many.residual, 0))) < 1e-12
    assert float(jnp.max(many.iterations)) > 10  # some were gathered for a second sweep
    picked = [*range(5), int(np.argmax(many.iterations)), int(np.argmax(many.status == 1)), 1199]
    few = {k: v[np.array(picked)] for k, v in p.items()}
    mapped = jax.vmap(solve_lanes)(p)[1]
    assert np.array_equal(mapped.V_m, many.V_m, equal_nan=True)
    for k, lane in enumerate(picked):
        _, one = solve_lanes({key: float(v[k]) for key, v in few.items()})
        for other in jax.tree.map(lambda a, i=lane: a[i], [many, mapped]):
            assert int(other.status) == int(one.status)
            assert_close(other.V_m, one.V_m, rtol=1e-10)
            assert_close(other.c_i["Cl"], one.c_i["Cl"], rtol=1e-10)


@pytest.mark.thorough
def test_what_was_traced_is_checked_too():
    """A charged bath, or a number of the wrong sign, is refused where it is known and invalid where it is not."""
    n = 8
    numbers = {"P_Na": 4e-8, "J": 0.008, "X_o": 30.0, "K_o": 4.0, "z_X": -1.0, "T": T, "X_i": 140.0}
    wrong = {"P_Na": -4e-8, "J": -0.008, "X_o": -30.0, "K_o": 200.0, "z_X": np.nan, "T": 0.0, "X_i": -140.0}
    lanes = {k: np.full(n, v) for k, v in numbers.items()}
    for lane, (name, value) in enumerate(wrong.items()):
        lanes[name][lane] = value

    def solve(p):
        cell = ghk_neuron(p["P_Na"], J=p["J"], z_X=p["z_X"])
        cell = eqx.tree_at(lambda c: c.X_i, cell, p["X_i"])
        bath = Bath(T=p["T"], K_o=p["K_o"], Na_o=145.0, Cl_o=119.0, X_o=p["X_o"])
        return steady_state(cell, bath)

    state = jax.jit(jax.vmap(solve))(lanes)
    assert state.status.tolist() == [Status.invalid] * 7 + [Status.converged]
    assert np.isnan(state.V_m[:7]).all()


@pytest.mark.thorough
def test_shapes_broadcast(assert_close):
    J, K_o = np.array([[0.004], [0.008]]), np.array([3.0, 4.0, 6.0])
    bath = Bath(**BATH).change(K_o=K_o)
    state = steady_state(ghk_neuron(J=J), bath)
    assert state.V_m.shape == state.c_i["Na"].shape == state.status.shape == (2, 3)
    assert state.rate_matrix.shape == (2, 3, 3, 3) and state.eigenvalues.shape == (2, 3, 2)
    one = steady_state(ghk_neuron(J=0.008), Bath(**BATH).change(K_o=6.0))
    assert_close(state.V_m[1, 2], one.V_m, rtol=1e-11)


def test_single_precision_stays_single():
    cell, bath = ghk_neuron(), Bath(**BATH)
    single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (cell, bath))
    state, exact = steady_state(*single), steady_state(cell, bath)
    floats = [a for a in jax.tree.leaves(state) if jnp.issubdtype(a.dtype, jnp.floating)]
    assert {a.dtype for a in floats} == {jnp.dtype(jnp.float32)}
    assert state.status == Status.converged
    assert state.V_m == pytest.approx(float(exact.V_m), rel=2e-5)
    assert state.volume == pytest.approx(float(exact.volume), rel=2e-5)
    off = jax.tree.map(
        lambda a: jnp.asarray(a, jnp.float32), (ghk_neuron(J=0.0), Bath(**BATH | {"X_o": 0.0, "Cl_o": 149.0}))
    )
    assert steady_state(*off).status == Status.no_steady_state


# -- water -------------------------------------------------------------------------------------------


def test_fixed_volume_without_a_pump_is_donnan(assert_close):
    cell = Cell(
        {"leak_K": GHKLeak("K", 1e-6), "leak_Cl": GHKLeak("Cl", 2e-6)}, z_X=-1.0, X_i=100.0, volume="fixed"
    )
    state = steady_state(cell, Bath(T=T, K_o=150.0, Cl_o=150.0))
    donnan = donnan_equilibrium([150.0, 150.0], [1, -1], 100.0, -1.0, T)
    assert_close(state.V_m, donnan.V_m, rtol=1e-11)
    assert_close(jnp.stack([state.c_i["K"], state.c_i["Cl"]]), donnan.c_i, rtol=1e-11)
    assert state.volume == 1.0 and state.X == 100.0


def test_a_wall_holds_what_would_burst():
    bath = Bath(**BATH | {"X_o": 0.0, "Cl_o": 149.0})
    assert steady_state(ghk_neuron(J=0.0), bath).status == Status.no_steady_state
    without = steady_state(ghk_neuron(), bath)
    volumes = []
    for J, wall in ((0.0, 1.0), (0.0, 50.0), (0.0, 1e4), (0.008, 1e-9)):
        walled = steady_state(ghk_neuron(J=J, wall=wall), bath)
        volumes.append(float(walled.volume))
        excess = float(sum(walled.c_i.values()) + walled.X - bath.osmolarity)
        assert walled.ok and excess == pytest.approx(wall * max(volumes[-1] - 1, 0), rel=1e-9, abs=1e-9)
    assert volumes[0] > volumes[1] > volumes[2]
    assert walled.V_m == pytest.approx(float(without.V_m), rel=1e-9)


def test_lysis_is_marked():
    """A bound on the volume marks the state and leaves it as it was."""
    for J, bursts in ((0.008, False), (1e-7, True)):
        cell, bath = ghk_neuron(J=J), Bath(**BATH)
        bounded, free = (steady_state(cell, bath, max_volume_ratio=bound) for bound in (2.0, None))
        assert bounded.ok and bounded.lysis == bursts and not free.lysis
        assert free.volume == bounded.volume


def test_balances_hold():
    """Currents sum to 0, every ion's fluxes too, and ATP is the pump's rate."""
    cell = Cell(
        built(FAMILIES["Hill, GHK, NKCC1"]) | {"KCC2": Cotransporter(KCC2, 0.01)}, z_X=-0.9, X_i=130.0
    )
    state = steady_state(cell, Bath(**BATH))
    size = sum(abs(I) for I in state.currents.values())
    assert abs(sum(state.currents.values())) < 1e-11 * size
    for ion in ("Na", "K", "Cl"):
        fluxes = [n[ion] for n in state.fluxes.values() if ion in n]
        assert abs(sum(fluxes)) < 1e-11 * sum(map(abs, fluxes))
    assert state.atp == state.rates["Hill"]
    charge = state.c_i["K"] + state.c_i["Na"] - state.c_i["Cl"] - 0.9 * state.X
    assert abs(charge) < 1e-10
    assert sum(state.c_i.values()) + state.X == pytest.approx(298.0, rel=1e-12)


# -- several states, verdicts, inputs ----------------------------------------------------------------


@pytest.mark.thorough
def test_muscle_has_two_resting_levels_in_low_potassium():
    cell, bath = muscle()
    assert [bool(s.stable) for s in steady_states(cell, bath)] == [True]
    low = steady_states(*change(cell, bath, {"K_o": 2.0}))
    assert [bool(s.stable) for s in low] == [True, False, True]
    assert low[0].V_m < low[1].V_m < low[2].V_m
    assert low[2].V_m - low[0].V_m > 30
    assert all(s.residual < 1e-12 for s in low)
    for state in (low[0], low[2]):  # and a start chooses between the stable ones
        again = steady_state(*change(cell, bath, {"K_o": 2.0}), start=state)
        assert again.V_m == pytest.approx(float(state.V_m), rel=1e-9)
    bursting = Bath(**BATH | {"X_o": 0.0, "Cl_o": 149.0})
    assert steady_states(change(cell, bath, {"pump": 0.0})[0], bursting) == []


@pytest.mark.thorough
def test_the_resting_state_is_the_common_starts_own_where_that_is_the_nearest():
    cell, bath = muscle()
    state, others = resting_state(cell, bath)
    assert others == [] and state.iterations == steady_state(cell, bath).iterations
    low = change(cell, bath, {"K_o": 2.0})
    lower, _, upper = steady_states(*low)
    for near in (lower, upper):
        state, (other,) = resting_state(*low, near=float(near.V_m))
        assert state.V_m == pytest.approx(float(near.V_m), rel=1e-9)
        assert {float(other.V_m), float(near.V_m)} == {float(lower.V_m), float(upper.V_m)}


def test_the_compiled_program_is_the_same_in_every_process():
    """Or none would find in JAX's cache what another has compiled; Python's sets differ in order between them."""
    code = (
        "from pumpleak import load_preset\nfrom pumpleak.cell.steady import _solve\n"
        "from pumpleak.cell.equations import floats\n"
        "print(_solve.lower(*floats(tuple(load_preset('neuron'))), None, 2.0).as_text())"
    )
    programs = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(programs) == 1 and "stablehlo" in programs.pop()


def test_a_pump_that_empties_the_cell_has_no_steady_state():
    leaks = {f"leak_{i}": GHKLeak(i, P) for i, P in (("Na", 1e-8), ("K", 1e-6), ("Cl", 1e-6))}
    for J, status in ((1e-7, Status.converged), (1e-4, Status.no_steady_state)):
        cell = Cell({**leaks, "pump": ConstantPump(J)}, z_X=-1.0, X_i=140.0)
        assert steady_state(cell, Bath(**BATH)).status == status


def test_invalid_numbers_are_said_to_be():
    some = [(0.008, 4.0), (np.nan, 4.0), (np.inf, 4.0), (0.008, 0.0)]
    found = [steady_state(ghk_neuron(J=J), Bath(**BATH).change(K_o=K_o)) for J, K_o in some]
    assert [int(state.status) for state in found] == [0, 3, 3, 3]


def test_a_function_of_ones_own(assert_close):
    """The example of the documentation: a rectifier written by the user equals the built-in one."""

    def kir(V_m, c_i, c_o, T):
        E_K = thermal_voltage(T) * jnp.log(c_o["K"] / c_i["K"])
        return 0.03 * jnp.sqrt(c_o["K"]) / F * (V_m - E_K) / (1 + jnp.exp((V_m - E_K + 15) / 10))

    p = FAMILIES["Hill, chord, Kir"]
    ours = Cell(built(p), z_X=-0.9, X_i=130.0)
    theirs = Cell(built(p) | {"Kir": CustomMechanism(kir, {"K": 1})}, z_X=-0.9, X_i=130.0)
    a, b = steady_state(ours, Bath(**BATH)), steady_state(theirs, Bath(**BATH))
    assert_close(a.V_m, b.V_m, rtol=1e-11)
    assert_close(a.rates["Kir"], b.rates["Kir"], rtol=1e-9)


def test_factors_scale_rates(assert_close):
    a, b = ghk_neuron(J=0.008, factors={"pump": 0.3}), ghk_neuron(J=0.0024)
    a, b = (steady_state(cell, Bath(**BATH)) for cell in (a, b))
    assert_close(a.V_m, b.V_m, rtol=1e-11)


def test_steady_states_takes_one_cell():
    with pytest.raises(InputError, match="one cell in one bath"):
        steady_states(ghk_neuron(J=np.array([0.008, 0.01])), Bath(**BATH))


@pytest.mark.thorough
def test_every_number_but_those_of_time_matters_or_is_zero():
    """dV/d(number) is finite for all, and 0 for those that only set how fast things go."""
    cell, bath = ghk_neuron(KCC2_g=0.004), Bath(**BATH)
    names = [n for n in cell_parameters(cell, bath) if not n.endswith("_o")]

    def V(x):
        return steady_state(*change(cell, bath, dict(zip(names, x, strict=True)))).V_m

    at = jnp.array([cell_parameters(cell, bath)[n].value for n in names])
    slopes = dict(zip(names, np.asarray(jax.jit(jax.grad(V))(at)), strict=True))
    assert np.isfinite(list(slopes.values())).all()
    for name in ("X_i", "volume_to_area", "C_m"):
        assert abs(slopes[name]) < 1e-9, name
    for name in ("pump", "P_Na", "P_K", "KCC2", "z_X", "T"):
        assert abs(slopes[name]) > 1e-6, name
