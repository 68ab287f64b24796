import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak import celsius, ghk_flux, ghk_voltage, mullins_noda_voltage
from pumpleak.physics.constants import F, R

pytestmark = pytest.mark.usefixtures("strict_promotion")
CELL = dict(P_K=1.0, P_Na=0.04, K_o=4.0, K_i=140.0, Na_o=145.0, Na_i=12.0, T=celsius(37))


@pytest.mark.parametrize("name", ["mullins-noda-r1", "mullins-noda-r1.5"])
def test_published_voltages(reference_cases, name):
    case = reference_cases[name]
    value = {key: float(entry["value"]) for key, entry in case["parameters"].items()}
    V_m = mullins_noda_voltage(
        value["P_K"], value["P_Na"], value["K_out"], value["K_in"], value["Na_out"], value["Na_in"],
        celsius(value["T"]), value["r"],
    )  # fmt: skip
    rounded = V_m * (8.314462618 / 96485.33212) / (R / F)  # the case rounds R and F to ten digits
    assert abs(rounded - case["expected"]["Vm"]["value"]) < case["tolerance"]["abs"]
    J_K = ghk_flux(V_m, value["P_K"], value["K_out"], value["K_in"], 1, celsius(value["T"]))
    J_Na = ghk_flux(V_m, value["P_Na"], value["Na_out"], value["Na_in"], 1, celsius(value["T"]))
    assert abs(value["r"] * J_K + J_Na) < 1e-12


def test_textbook_minus_73(reference_cases):
    case = reference_cases["textbook-resting-minus73"]
    value = {key: float(entry["value"]) for key, entry in case["parameters"].items()}
    T = value["slope"] * 1e-3 * F / (R * np.log(10))
    ratio = case["expected"]["PNa_over_PK_MullinsNoda_r1.5"]["value"]
    V_m = mullins_noda_voltage(1.0, ratio, value["K_out"], value["K_in"], value["Na_out"], value["Na_in"], T)
    assert V_m == pytest.approx(value["Vm"], rel=case["tolerance"]["rel"])


def test_an_electroneutral_pump_gives_the_ghk_voltage(assert_close):
    want = ghk_voltage([1.0, 0.04], [4.0, 145.0], [140.0, 12.0], [1, 1], CELL["T"])
    assert_close(mullins_noda_voltage(**CELL, r=1.0), want)


def test_batches_derivatives_and_single_precision(assert_close):
    P_Na = jnp.array([0.01, 0.04, 0.5])
    f = lambda P_Na: mullins_noda_voltage(**CELL | {"P_Na": P_Na})  # noqa: E731
    assert_close(jax.jit(jax.vmap(f))(P_Na), f(P_Na))
    assert_close(jax.jit(f)(P_Na), f(P_Na))
    difference = (f(P_Na + 1e-6) - f(P_Na - 1e-6)) / 2e-6
    for derivative in (jax.jacfwd, jax.jacrev):
        assert_close(np.diag(jax.jit(derivative(f))(P_Na)), difference, rtol=1e-7)
    single = jax.jit(f)(P_Na.astype(jnp.float32))
    assert_close(single, f(P_Na))
    assert single.dtype == jnp.float32


def test_no_permeability_is_nan_and_harms_no_neighbour():
    f = lambda P_K, P_Na: mullins_noda_voltage(**CELL | {"P_K": P_K, "P_Na": P_Na})  # noqa: E731
    P_K, P_Na = jnp.array([1.0, 0.0]), jnp.array([0.04, 0.0])
    assert np.isnan(f(P_K, P_Na)[1])
    slope = jax.jit(jax.grad(lambda *a: jnp.sum(f(*a)), (0, 1)))
    gradient = slope(P_K, P_Na)
    np.testing.assert_array_equal(np.stack(gradient)[:, 1], 0)
    assert gradient[1][0] == slope(1.0, 0.04)[1]
