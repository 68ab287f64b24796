"""What no equation takes in silence: °C for kelvin, negative concentrations, volts and microvolts, bad sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import (
    InputError,
    activity_coefficient,
    celsius,
    charge_moved,
    chord_voltage,
    donnan_equilibrium,
    driving_force,
    ghk_current,
    ghk_flux,
    ghk_voltage,
    henderson_voltage,
    ionic_strength,
    junction_potential,
    mullins_noda_voltage,
    nernst_potential,
    slope_conductance,
    thermal_voltage,
    transference_numbers,
)
from pumpleak.physics.arguments import computed

T = 310.15
ONE = {"V_m": -70.0, "P": 1e-6, "c_o": 5.0, "c_i": 140.0, "z": 1, "T": T}
SEVERAL = {"P": [1.0, 0.04], "c_o": [5.0, 145.0], "c_i": [140.0, 12.0], "z": [1, 1], "T": T}
CALLS = {
    thermal_voltage: {"T": T},
    nernst_potential: {k: ONE[k] for k in ("c_o", "c_i", "z", "T")},
    driving_force: {k: ONE[k] for k in ("V_m", "c_o", "c_i", "z", "T")},
    ghk_flux: ONE,
    ghk_current: ONE,
    slope_conductance: ONE,
    transference_numbers: {"V_m": -70.0, **SEVERAL},
    ghk_voltage: SEVERAL,
    mullins_noda_voltage: {
        "P_K": 1.0, "P_Na": 0.04, "K_o": 5.0, "K_i": 140.0, "Na_o": 145.0, "Na_i": 12.0, "T": T, "r": 1.5,
    },
    chord_voltage: {"g": [1.0, 0.1], "E": [-90.0, 60.0]},
    donnan_equilibrium: {"c_o": [150.0, 150.0], "z": [1, -1], "A_i": 100.0, "z_A": -1.0, "T": T},
    henderson_voltage: {
        "c_p": [50.0, 0.0, 50.0], "c_b": [0.0, 50.0, 50.0], "z": [1, 1, -1], "u": [0.7, 1.0, 1.04], "T": T,
    },
    ionic_strength: {"c": [100.0, 200.0], "z": [2, -1]},
    activity_coefficient: {"ionic_strength": 150.0, "z": 1, "T": T},
    charge_moved: {"C_m": 1.0, "dV": -70.0, "r_um": 10.0, "c": 140.0},
}  # fmt: skip
TEMPERED = [f for f, arguments in CALLS.items() if "T" in arguments]
CONCENTRATIONS = ["c_o", "c_i", "c_p", "c_b", "c", "A_i", "K_o", "K_i", "Na_o", "Na_i", "ionic_strength"]
AT_LEAST_0 = ["P", "P_K", "P_Na", "g", "u"]


def called(x):
    """A parameter's name in a test's: functions by theirs, the same in every process."""
    return getattr(x, "__name__", x)


def with_first(value, x):
    """The argument with its first number replaced."""
    return x if np.ndim(value) == 0 else [x, *value[1:]]


def ends(f, name, value):
    arguments = CALLS[f] | {name: with_first(CALLS[f][name], value)}
    return f(**arguments)


@pytest.mark.parametrize("f", TEMPERED, ids=called)
@given(t=st.floats(-5, 60))
def test_degrees_celsius_are_refused_and_the_mend_gives_the_right_value(f, t):
    with pytest.raises(InputError, match="looks like degrees Celsius. Give celsius") as refused:
        f(**CALLS[f] | {"T": t})
    mended = eval(refused.value.mend.removeprefix("Give "), {"celsius": celsius})
    assert mended == pytest.approx(273.15 + t, rel=1e-5)
    right = f(**CALLS[f] | {"T": mended})
    assert np.isfinite(np.concatenate([np.ravel(x) for x in jax.tree.leaves(right)])).all()


@pytest.mark.parametrize(
    ("f", "name"), [(f, n) for f in CALLS for n in CALLS[f] if n in CONCENTRATIONS], ids=called
)
def test_a_concentration_is_neither_negative_nor_beyond_what_dissolves(f, name):
    for value, words in ((-5.0, "= -5 mM is negative"), (140_000.0, "more than water dissolves")):
        with pytest.raises(InputError, match=words):
            ends(f, name, value)


@pytest.mark.parametrize(
    ("f", "name"), [(f, n) for f in CALLS for n in CALLS[f] if n in AT_LEAST_0], ids=called
)
def test_a_permeability_conductance_or_mobility_is_not_negative(f, name):
    with pytest.raises(InputError, match=r"= -0.1 is negative. Give a number of at least 0"):
        ends(f, name, -0.1)
    ends(f, name, 0.0)


@pytest.mark.parametrize(
    ("f", "name"), [(f, n) for f in CALLS for n in CALLS[f] if n in ("V_m", "E", "dV")], ids=called
)
def test_microvolts_are_no_millivolts(f, name):
    with pytest.raises(InputError, match=r"= -70000 mV is more than any membrane bears"):
        ends(f, name, -70_000.0)


@pytest.mark.parametrize("name", ["C_m", "r_um"])
def test_a_size_is_above_0(name):
    with pytest.raises(InputError, match="is (not above 0|negative)"):
        ends(charge_moved, name, 0.0)


def test_a_coupling_ratio_is_above_0():
    with pytest.raises(InputError, match="r = 0 is not above 0"):
        ends(mullins_noda_voltage, "r", 0.0)


def test_a_junction_names_the_solution():
    with pytest.raises(InputError, match="K in the bath = -5 mM is negative"):
        junction_potential({"K": 140, "Cl": 140}, {"K": -5, "Cl": 5}, T)
    with pytest.raises(InputError, match="looks like degrees Celsius"):
        junction_potential({"K": 140, "Cl": 140}, {"Na": 140, "Cl": 140}, 20)
    with pytest.raises(InputError, match="mobility of K = -1 is negative"):
        junction_potential({"K": 140, "Cl": 140}, {"Na": 140, "Cl": 140}, T, mobility={"K": -1})


def test_of_several_the_wrong_one_is_named():
    with pytest.raises(InputError, match=r"c_i\[1, 0\] = -3 mM"):
        nernst_potential(5.0, np.array([[140.0, 12.0], [-3.0, 1.0]]), 1, T)


def test_what_is_unknown_while_tracing_passes():
    traced = jax.jit(lambda c, T: nernst_potential(c, 140.0, 1, T))
    assert jnp.isfinite(traced(5.0, 37.0)) and jnp.isnan(traced(-5.0, T))
    jax.vmap(lambda T: nernst_potential(5.0, 140.0, 1, T))(jnp.array([37.0, 310.15]))


@pytest.mark.parametrize("f", CALLS, ids=called)
def test_no_number_gives_no_number_and_no_refusal(f):
    for name in CALLS[f]:
        if name not in ("z", "z_A"):
            ends(f, name, float("nan"))


def test_a_programs_own_numbers_may_be_anything():
    with computed():
        assert np.isnan(nernst_potential(-5.0, 140.0, 1, T)) and np.isfinite(thermal_voltage(37.0))
    with pytest.raises(InputError):
        thermal_voltage(37.0)
