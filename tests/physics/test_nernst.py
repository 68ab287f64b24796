import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pumpleak
from pumpleak import celsius, driving_force, nernst_potential, thermal_voltage
from pumpleak.physics.constants import F, R

pytestmark = pytest.mark.usefixtures("strict_promotion")
concentration = st.floats(1e-5, 600.0)
temperature = st.floats(273.0, 315.0)


def test_constants_are_codata():
    assert R == pytest.approx(8.31446261815324, rel=1e-15)
    assert F == pytest.approx(96485.3321233100184, rel=1e-15)


def test_celsius_keeps_python_numbers_and_dtypes():
    assert celsius(37) == 310.15 and isinstance(celsius(37), float)
    assert celsius(jnp.float32(20)).dtype == jnp.float32


def test_textbook_slope(reference_cases):
    case = reference_cases["textbook-nernst-slope-37C"]
    T = celsius(case["parameters"]["T"]["value"])
    expected = case["expected"]
    assert abs(thermal_voltage(T) - expected["RT_over_F"]["value"]) < case["tolerance"]["abs"]
    slope = nernst_potential(c_o=10.0, c_i=1.0, z=1, T=T)
    assert abs(slope - expected["slope"]["value"]) < case["tolerance"]["abs"]


@pytest.mark.parametrize("t", ["6.3", "20", "25", "37"])
def test_neuron_nernst(reference_cases, t):
    case = reference_cases[f"neuron-nernst-{t}C"]
    value = {name: entry["value"] for name, entry in case["parameters"].items()}
    names = ["K", "Na", "Cl", "Ca"]
    E = nernst_potential(
        c_o=[value[f"{n}_out"] for n in names],
        c_i=[value[f"{n}_in"] for n in names],
        z=[pumpleak.valence(n) for n in names],
        T=celsius(value["T"]),
    )
    np.testing.assert_allclose(E, [case["expected"][f"E_{n}"]["value"] for n in names], rtol=0, atol=1e-7)


def test_exchanger_case_nernst_potentials(reference_cases):
    case = reference_cases["ncx-reversal-3-1"]
    value = {name: entry["value"] for name, entry in case["parameters"].items()}
    E = nernst_potential(
        [value["Na_out"], value["Ca_out"]], [value["Na_in"], value["Ca_in"]], [1, 2], celsius(value["T"])
    )
    # The case rounds R and F to ten digits.
    E = E * (8.314462618 / 96485.33212) / (R / F)
    expected = case["expected"]
    np.testing.assert_allclose(E, [expected["E_Na"]["value"], expected["E_Ca"]["value"]], rtol=0, atol=1e-9)
    assert abs(3 * E[0] - 2 * E[1] - expected["E_NCX"]["value"]) < 1e-9


@given(c_o=concentration, c_i=concentration, z=st.sampled_from([-2, -1, 1, 2, 3]), T=temperature)
def test_against_mpmath(c_o, c_i, z, T):
    want = mpmath.mpf(R) * T / (z * mpmath.mpf(F)) * 1000 * mpmath.log(mpmath.mpf(c_o) / mpmath.mpf(c_i))
    np.testing.assert_allclose(nernst_potential(c_o, c_i, z, T), float(want), rtol=1e-12, atol=1e-12)


def test_gradients(assert_close):
    args = (5.0, 140.0, -2, 300.0)
    E = nernst_potential(*args)
    kT = thermal_voltage(300.0)
    for derivative in (jax.grad, jax.jacfwd):
        got = derivative(nernst_potential, argnums=(0, 1, 3))(*args)
        assert_close(jnp.stack(got), jnp.stack([kT / -2 / 5.0, kT / 2 / 140.0, E / 300.0]))
    assert_close(jax.grad(jax.grad(nernst_potential))(*args), kT / 2 / 25.0)


def test_batches_of_ions_and_temperatures(assert_close):
    rng = np.random.default_rng(1)
    c_o, c_i = jnp.asarray(rng.uniform(1, 150, (6, 3))), jnp.asarray(rng.uniform(1, 150, (6, 3)))
    T, z = jnp.asarray(rng.uniform(280, 310, 6)), [1, -1, 2]
    batched = nernst_potential(c_o, c_i, z, T)
    one_by_one = jnp.stack(
        [jnp.stack([nernst_potential(c_o[a, j], c_i[a, j], z[j], T[a]) for j in range(3)]) for a in range(6)]
    )
    assert_close(batched, one_by_one)
    assert_close(jax.vmap(lambda o, i, T: nernst_potential(o, i, z, T))(c_o, c_i, T), batched)
    assert_close(jax.jit(lambda o, i, z, T: nernst_potential(o, i, z, T))(c_o, c_i, jnp.array(z), T), batched)


def test_single_precision(assert_close):
    E = nernst_potential(jnp.float32(5), jnp.float32(140), 1, celsius(37))
    assert E.dtype == jnp.float32
    assert_close(E, np.float64(nernst_potential(5.0, 140.0, 1, celsius(37))))


def test_an_empty_side_is_infinite_and_harms_no_neighbour():
    c_o, c_i = jnp.array([5.0, 0.0, 0.0, 5.0]), jnp.array([140.0, 140.0, 0.0, 0.0])
    E = nernst_potential(c_o, c_i, 1, 310.0)
    np.testing.assert_array_equal(E[1:], [-np.inf, np.nan, np.inf])
    assert nernst_potential(5.0, 0.0, -1, 310.0) == -np.inf
    gradient = jax.grad(lambda a, b, T: jnp.sum(nernst_potential(a, b, 1, T)), argnums=(0, 1))(
        c_o, c_i, 310.0
    )
    np.testing.assert_array_equal(np.stack(gradient)[:, 1:], 0)
    assert gradient[0][0] == jax.grad(nernst_potential)(5.0, 140.0, 1, 310.0)


def test_driving_force_on_calcium():
    assert driving_force(-65.0, 2.0, 1e-4, 2, celsius(37)) == pytest.approx(-65 - 132.3435679, abs=1e-6)
    both = driving_force(jnp.array([-65.0, 0.0]), [2.0, 5.0], [1e-4, 140.0], [2, 1], celsius(37))
    assert both.shape == (2, 2)
    assert both[1, 1] == pytest.approx(89.0586940, abs=1e-6)


@pytest.mark.parametrize("z", [0, [1, 0], np.nan, "K"])
def test_an_impossible_valence_says_so(z):
    with pytest.raises(ValueError, match="valences z"):
        nernst_potential(5.0, 140.0, z, 310.0)
