import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cells import KCC2, Z, built, laws
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import (
    NCX,
    ChordLeak,
    ConstantPump,
    Cotransporter,
    CubicPump,
    CustomMechanism,
    GHKLeak,
    HillPump,
    InputError,
    Membrane,
    VoltagePump,
    ghk_flux,
    ncx_four_state,
    nernst_potential,
    thermal_voltage,
)
from pumpleak.physics.constants import F

T = 310.15
OUTSIDE = {"Na": 145.0, "K": 4.0, "Cl": 119.0, "Ca": 1.8, "HCO3": 24.0}
INSIDE = {"Na": 12.0, "K": 139.0, "Cl": 6.0, "Ca": 1e-4, "HCO3": 14.0}
kT = float(thermal_voltage(T))


def membrane(V_m=-70.0, inside=INSIDE, outside=OUTSIDE):
    as_arrays = {ion: jnp.asarray(c) for ion, c in inside.items()}
    return Membrane(jnp.asarray(V_m / kT), T, outside, c_i=as_arrays)


ALL = {
    "GHK": {"Na": 1e-7, "Cl": 1e-7, "Ca": 1e-8},
    "chord": {"K": 0.02, "Ca": 0.001},
    "Kir": 0.05,
    "constant": 1e-6,
    "cubic": 1e-2,
    "Hill": 1e-5,
    "voltage": 1e-5,
    "KCC2": 0.01,
    "NKCC1": 1e-11,
    "AE": 1e-9,
    "NBC": 1e-9,
    "NCX": 1e-4,
    "PMCA": 1e-6,
}


@pytest.mark.parametrize("V_m", [-91.3, -70.0, 12.5, 60.0])
def test_rates_by_hand(V_m, assert_close):
    expected, m = laws(ALL, V_m / kT, INSIDE, OUTSIDE, T), membrane(V_m)
    mechanisms = built(ALL)
    assert mechanisms.keys() == expected.keys()
    for name, (rate, n) in expected.items():
        assert_close(mechanisms[name].rate(m), np.float64(rate), rtol=1e-11, atol=0)
        assert mechanisms[name].stoichiometry == n


@pytest.mark.parametrize("name", ["GHK_Na", "chord_K", "Kir", "KCC2", "NKCC1", "AE", "NBC", "NCX"])
@given(V_m=st.floats(-120, 80), scale=st.floats(0.1, 10))
def test_passive_mechanisms_stop_and_turn_at_equilibrium(name, V_m, scale):
    """Σ n (z V + kT ln c_i/c_o) of a cycle gives the rate's sign, and 0 where it is 0."""
    mechanism = built(ALL)[name]
    n = mechanism.stoichiometry
    ion = next(iter(n))
    others = sum(k * (Z[j] * V_m / kT + math.log(INSIDE[j] / OUTSIDE[j])) for j, k in n.items() if j != ion)
    balanced = OUTSIDE[ion] * math.exp(-Z[ion] * V_m / kT - others / n[ion])

    def rate(c):
        return float(mechanism.rate(membrane(V_m, {**INSIDE, ion: c})))

    size = abs(rate(2 * balanced)) + abs(rate(0.5 * balanced))
    assert abs(rate(balanced)) < 1e-11 * size
    if abs(math.log(scale)) > 1e-3:
        assert np.sign(rate(balanced * scale)) == np.sign(math.log(scale) * n[ion])


def test_ghk_leak_is_the_flux_of_ghk(assert_close):
    for ion, z in (("Na", 1), ("Cl", -1), ("Ca", 2)):
        expected = ghk_flux(-55.0, 2e-7, OUTSIDE[ion], INSIDE[ion], z, T)
        assert_close(GHKLeak(ion, 2e-7).rate(membrane(-55.0)), expected)


def test_na_ca_exchange_reverses_where_thermodynamics_says(reference_cases):
    case = reference_cases["ncx-reversal-3-1"]
    p = {k: v["value"] for k, v in case["parameters"].items()}
    outside, inside = {"Na": p["Na_out"], "Ca": p["Ca_out"]}, {"Na": p["Na_in"], "Ca": p["Ca_in"]}
    E = case["expected"]["E_NCX"]["value"]
    above, below = (float(NCX(1e-4).rate(membrane(E + d, inside, outside))) for d in (1e-6, -1e-6))
    assert above > 0 > below
    m = membrane(E, inside, outside)
    assert 3 * m.E("Na") - 2 * m.E("Ca") == pytest.approx(E, abs=1e-7)


def test_four_state_exchanger(reference_cases, assert_close):
    case = reference_cases["ks-ncx-flux"]
    points = [
        {},
        {"Na_o": 2.0},
        {"Na_i": 2.0},
        {"Ca_i": 2.0},
        {
            "Na_i": 0.1,
            "Na_o": 1.5,
            "Ca_i": 0.2,
            "Ca_o": 2.0,
            "forward": (2, 3, 5, 7),
            "backward": (1, 2, 3, 4),
        },
    ]
    ones = dict(Na_i=1.0, Na_o=1.0, Ca_i=1.0, Ca_o=1.0)
    J = [float(ncx_four_state(**ones | point)) for point in points]
    assert_close(J, case["expected"]["J"]["value"], rtol=case["tolerance"]["rel"])


def test_pump_moves_three_for_two_and_a_charge():
    for pump in (ConstantPump(1.0), CubicPump(1.0), HillPump(1.0), VoltagePump(1.0)):
        assert pump.stoichiometry == {"Na": 3.0, "K": -2.0}
        assert pump.atp == 1
    assert HillPump(1.0, r=1.0).stoichiometry["K"] == -3.0


def test_a_function_is_a_mechanism(assert_close):
    def leak(V_m, c_i, c_o, T):
        return 0.02 / F * (V_m - nernst_potential(c_o["K"], c_i["K"], 1, T))

    custom = CustomMechanism(leak, {"K": 1}, scale=2.0)
    for V_m in (-95.0, -20.0):
        assert_close(custom.rate(membrane(V_m)), ChordLeak("K", 0.04).rate(membrane(V_m)))
    assert custom.stoichiometry == {"K": 1}


def test_quantities_have_units():
    for mechanism in built(ALL).values():
        quantities = mechanism.quantities()
        assert mechanism.rate_field in quantities
        assert all(q["meaning"] for q in quantities.values())
        assert set(quantities) == {
            f for f in vars(mechanism) if f not in ("ion", "ions", "law", "n_Na", "n_K", "function")
        } | ({"n_Na"} if isinstance(mechanism, VoltagePump) else set())


def test_derivatives_are_finite_at_awkward_points():
    for V_m in (0.0, -90.0, 1500.0, -1500.0):
        for name, mechanism in built(ALL).items():
            values = jax.jvp(
                lambda u, m=mechanism: m.rate(Membrane(u, T, OUTSIDE, c_i=INSIDE)), (V_m / kT,), (1.0,)
            )
            assert np.isfinite(values).all(), (name, V_m)


def test_bad_input():
    with pytest.raises(InputError, match="no law 'thermal'"):
        Cotransporter(KCC2, 1.0, "thermal")
    with pytest.raises(InputError, match="Clx"):
        Cotransporter({"Clx": 1}, 1.0)
    with pytest.raises(InputError, match="Pot"):
        CustomMechanism(lambda V_m, c_i, c_o, T: 0.0, {"Pot": 1})


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda V_m, c_i, c_o, T: c_i["Q"], "asks for 'Q'.*Inside are K"),
        (lambda V_m, c_i, c_o: 0.0, "custom mechanism <lambda> failed.*positional"),
        (lambda V_m, c_i, c_o, T: None, "failed"),
        (lambda V_m, c_i, c_o, T: math.exp(V_m), "failed.*jax.numpy"),
        (lambda V_m, c_i, c_o, T: jnp.ones(3), "1 dimensions too many"),
    ],
)
def test_a_users_function_that_fails_is_named(function, message):
    mechanism = CustomMechanism(function, {"K": 1})
    with pytest.raises(InputError, match=message):
        jax.jit(lambda u: mechanism.rate(Membrane(u, 310.0, {"K": 4.0}, c_i={"K": 140.0})))(-3.0)


@pytest.mark.parametrize("ions", [{}, ["K", "Cl"], {"K": "1"}, {"K": 0}, {"K": math.nan}])
def test_what_a_cycle_moves_is_checked(ions):
    with pytest.raises(InputError, match="ions moved|number of ions"):
        Cotransporter(ions, 1e-3)


@pytest.mark.parametrize("law", ["thermodynamic", "mass_action"])
@pytest.mark.parametrize("ions", [{"Na": -1, "HCO3": -2}, {"Na": -3, "Ca": 1}, {"K": 1, "Cl": 1}], ids=str)
def test_a_cotransporter_rests_where_its_ions_and_the_voltage_balance(ions, law):
    """Σ n ln(c_i/c_o) + charge·u = 0, by hand; what lies above it drives the cycle outward."""
    carrier = Cotransporter(ions, 1e-6, law=law)
    ln_o = {
        "Na": np.log(145.0),
        "HCO3": np.log(24.0),
        "Ca": np.log(1.8),
        "K": np.log(4.0),
        "Cl": np.log(110.0),
    }
    ln_i = {
        "Na": np.log(12.0),
        "HCO3": np.log(15.0),
        "Ca": np.log(1e-4),
        "K": np.log(140.0),
        "Cl": np.log(20.0),
    }
    first, *_ = ions
    for u in (-2.7, 0.0, 1.3):
        others = (
            sum(n * (ln_i[x] - ln_o[x]) for x, n in ions.items() if x != first) + float(carrier.charge) * u
        )
        at = ln_i | {first: ln_o[first] - others / ions[first]}
        rates = [
            float(carrier.rate(SimpleNamespace(ln_i=at | {first: at[first] + d}, ln_o=ln_o, u=u, T=310.0)))
            for d in (-0.1, 0.0, 0.1)
        ]
        scale = max(abs(rates[0]), abs(rates[2]))
        assert abs(rates[1]) < 1e-9 * scale and (np.sign(rates) * np.sign(ions[first]))[[0, 2]].tolist() == [
            -1,
            1,
        ]
