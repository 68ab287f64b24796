import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import (
    NCX,
    PMCA,
    ChordLeak,
    ConstantPump,
    Cotransporter,
    CubicPump,
    CustomMechanism,
    GHKLeak,
    HillPump,
    InputError,
    InwardRectifier,
    Membrane,
    VoltagePump,
    ghk_flux,
    ncx_four_state,
    nernst_potential,
    thermal_voltage,
)
from pumpleak.constants import F

T = 310.15
OUTSIDE = {"Na": 145.0, "K": 4.0, "Cl": 119.0, "Ca": 1.8, "HCO3": 24.0}
INSIDE = {"Na": 12.0, "K": 139.0, "Cl": 6.0, "Ca": 1e-4, "HCO3": 14.0}
KCC2, NKCC1 = {"K": 1, "Cl": 1}, {"Na": 1, "K": 1, "Cl": 2}
kT = float(thermal_voltage(T))


def membrane(V_m=-70.0, inside=INSIDE, outside=OUTSIDE):
    as_arrays = {ion: jnp.asarray(c) for ion, c in inside.items()}
    return Membrane(jnp.asarray(V_m / kT), T, outside, c_i=as_arrays)


def everything():
    return {
        "GHK Na": GHKLeak("Na", 1e-7),
        "GHK Cl": GHKLeak("Cl", 1e-7),
        "GHK Ca": GHKLeak("Ca", 1e-8),
        "chord K": ChordLeak("K", 0.02),
        "chord Ca": ChordLeak("Ca", 0.001),
        "Kir": InwardRectifier(0.05),
        "constant": ConstantPump(1e-6),
        "cubic": CubicPump(1e-2),
        "Hill": HillPump(1e-5),
        "voltage": VoltagePump(1e-5),
        "KCC2": Cotransporter(KCC2, 0.01),
        "NKCC1": Cotransporter(NKCC1, 1e-11, "mass_action"),
        "AE": Cotransporter({"Cl": 1, "HCO3": -1}, 1e-9, "mass_action"),
        "NBC": Cotransporter({"Na": 1, "HCO3": 2}, 1e-9, "mass_action"),
        "NCX": NCX(1e-4),
        "PMCA": PMCA(1e-6),
    }


def by_hand(V):
    """The rate laws again, in plain floats, from their publications."""
    u, i, o = V / kT, INSIDE, OUTSIDE
    E = {ion: kT / z * math.log(o[ion] / i[ion]) for ion, z in dict(Na=1, K=1, Cl=-1, Ca=2, HCO3=-1).items()}

    def ghk(P, z, ion):
        return P * z * u * (i[ion] - o[ion] * math.exp(-z * u)) / (1 - math.exp(-z * u))

    sigma = (math.exp(o["Na"] / 67.3) - 1) / 7
    f = 1 / (1 + 0.1245 * math.exp(-0.1 * u) + 0.0365 * sigma * math.exp(-u))
    eta = 0.35
    ncx_over = (87.5**3 + o["Na"] ** 3) * (1.38 + o["Ca"]) * (1 + 0.1 * math.exp((eta - 1) * u))
    ncx = math.exp(eta * u) * i["Na"] ** 3 * o["Ca"] - math.exp((eta - 1) * u) * o["Na"] ** 3 * i["Ca"]
    return {
        "GHK Na": ghk(1e-7, 1, "Na"),
        "GHK Cl": ghk(1e-7, -1, "Cl"),
        "GHK Ca": ghk(1e-8, 2, "Ca"),
        "chord K": 0.02 * (V - E["K"]) / F,
        "chord Ca": 0.001 * (V - E["Ca"]) / (2 * F),
        "Kir": 0.05 * math.sqrt(o["K"]) * (V - E["K"]) / F / (1 + math.exp((V - E["K"] + 15) / 10)),
        "constant": 1e-6,
        "cubic": 1e-2 * (i["Na"] / o["Na"]) ** 3,
        "Hill": 1e-5 * (i["Na"] / (i["Na"] + 10)) ** 3 * (o["K"] / (o["K"] + 1)) ** 2,
        "voltage": 1e-5 * f / (1 + (10 / i["Na"]) ** 1.5) * o["K"] / (o["K"] + 1.5),
        "KCC2": 0.01 * (E["Cl"] - E["K"]) / F,
        "NKCC1": 1e-11 * (i["Na"] * i["K"] * i["Cl"] ** 2 - o["Na"] * o["K"] * o["Cl"] ** 2),
        "AE": 1e-9 * (i["Cl"] * o["HCO3"] - o["Cl"] * i["HCO3"]),
        "NBC": 1e-9
        * (math.exp(-u / 2) * i["Na"] * i["HCO3"] ** 2 - math.exp(u / 2) * o["Na"] * o["HCO3"] ** 2),
        "NCX": 1e-4 * ncx / ncx_over,
        "PMCA": 1e-6 * i["Ca"] / (i["Ca"] + 5e-4),
    }


@pytest.mark.parametrize("V_m", [-91.3, -70.0, 12.5, 60.0])
def test_rates_by_hand(V_m, assert_close):
    expected = by_hand(V_m)
    for name, mechanism in everything().items():
        assert_close(mechanism.rate(membrane(V_m)), np.float64(expected[name]), rtol=1e-11, atol=0)


@pytest.mark.parametrize("name", ["GHK Na", "chord K", "Kir", "KCC2", "NKCC1", "AE", "NBC", "NCX"])
@given(V_m=st.floats(-120, 80), scale=st.floats(0.1, 10))
def test_passive_mechanisms_stop_and_turn_at_equilibrium(name, V_m, scale):
    """Σ n (z V + kT ln c_i/c_o) of a cycle gives the rate's sign, and 0 where it is 0."""
    mechanism = everything()[name]
    n = mechanism.stoichiometry
    z = dict(Na=1, K=1, Cl=-1, Ca=2, HCO3=-1)
    ion = next(iter(n))
    others = sum(k * (z[j] * V_m / kT + math.log(INSIDE[j] / OUTSIDE[j])) for j, k in n.items() if j != ion)
    balanced = OUTSIDE[ion] * math.exp(-z[ion] * V_m / kT - others / n[ion])

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
    for mechanism in everything().values():
        quantities = mechanism.quantities()
        assert mechanism.rate_field in quantities
        assert all(q["meaning"] for q in quantities.values())
        assert set(quantities) == {
            f for f in vars(mechanism) if f not in ("ion", "ions", "law", "n_Na", "n_K", "function")
        } | ({"n_Na"} if isinstance(mechanism, VoltagePump) else set())


def test_derivatives_are_finite_at_awkward_points():
    for V_m in (0.0, -90.0, 1500.0, -1500.0):
        for name, mechanism in everything().items():
            values = jax.jvp(
                lambda u, m=mechanism: m.rate(Membrane(u, T, OUTSIDE, c_i=INSIDE)), (V_m / kT,), (1.0,)
            )
            assert np.isfinite(values).all(), (name, V_m)


def test_bad_input():
    with pytest.raises(InputError, match="law is 'thermal'"):
        Cotransporter(KCC2, 1.0, "thermal")
    with pytest.raises(InputError, match="Clx"):
        Cotransporter({"Clx": 1}, 1.0)
    with pytest.raises(InputError, match="Pot"):
        CustomMechanism(lambda V_m, c_i, c_o, T: 0.0, {"Pot": 1})
