import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak import (
    InputError,
    InputWarning,
    activity_coefficient,
    celsius,
    henderson_voltage,
    ionic_strength,
    junction_potential,
    nernst_potential,
    valence,
)
from pumpleak.physics.constants import F, R

pytestmark = pytest.mark.usefixtures("strict_promotion")


def parse(text):
    """'Na 10/145; Cl 10/145' as two dicts: pipette and bath."""
    pipette, bath = {}, {}
    for part in text.split("; "):
        name, pair = part.split(" ")
        pipette[name], bath[name] = map(float, pair.split("/"))
    return pipette, bath


@pytest.mark.parametrize("k", range(8))
def test_published_junction_potentials(reference_cases, k):
    case = reference_cases["ljp-henderson-sets"]
    one = case["parameters"]["sets"][k]
    pipette, bath = parse(one["ions_first_over_second_mM"])
    T = celsius(float(one["T_degC"]))
    LJP = junction_potential(pipette=pipette, bath=bath, T=T)
    assert abs(LJP - case["expected"]["henderson_mV"]["value"][k]) < case["tolerance"]["abs_vs_henderson"]
    assert abs(LJP - case["expected"]["published_mV"]["value"][k]) < case["tolerance"]["abs_vs_published"]
    assert junction_potential(pipette=bath, bath=pipette, T=T) == pytest.approx(-float(LJP), rel=1e-13)
    # By the textbook's formula, which has a 0/0 that these sets avoid.
    names = list(pipette)
    p, b = (np.array([side[n] for n in names]) for side in (pipette, bath))
    z, u = (
        np.array([valence(n) for n in names]),
        np.array([case["parameters"]["mobility_rel_K"][n] for n in names]),
    )
    s_p, s_b = np.sum(z**2 * u * p), np.sum(z**2 * u * b)
    want = 1e3 * R * T / F * np.sum(z * u * (b - p)) / (s_b - s_p) * np.log(s_p / s_b)
    assert LJP == pytest.approx(want, rel=1e-12)


def test_equal_solutions_and_equal_conductivities():
    assert junction_potential(pipette={"K": 140, "Cl": 140}, bath={"K": 140, "Cl": 140}, T=298.0) == 0
    # Equal mobilities on both sides: the limit is (RT/F) Σ z u (p - b) / S.
    f = jax.jit(lambda c: henderson_voltage([100.0, 0.0, 100.0], c, [1, 1, -1], [1.0, 1.0, 1.0], 298.0))
    c = jnp.array([0.0, 100.0, 100.0])
    assert f(c) == 0
    step = 1e-3 * jnp.array([0.0, 1.0, 0.0])
    assert jax.jit(jax.grad(f))(c)[1] == pytest.approx(float((f(c + step) - f(c - step)) / 2e-3), rel=1e-8)
    hessian = jax.jit(jax.hessian(f))(c)
    assert np.all(np.isfinite(hessian))
    difference = (f(c + 10 * step) - 2 * f(c) + f(c - 10 * step)) / 1e-4
    assert hessian[1, 1] == pytest.approx(float(difference), rel=1e-3)


def test_an_empty_solution_is_nan_and_harms_no_neighbour():
    bath = jnp.array([[100.0, 100.0], [0.0, 0.0]])
    f = jax.jit(lambda bath: henderson_voltage([50.0, 50.0], bath, [1, -1], [0.7, 1.0], 298.0))
    assert np.isnan(f(bath)[1])
    gradient = jax.jit(jax.grad(lambda bath: jnp.sum(f(bath))))(bath)
    np.testing.assert_array_equal(gradient[1], 0)
    np.testing.assert_array_equal(gradient[0], jax.jit(jax.grad(f))(bath[0]))


def test_names_become_columns(assert_close):
    pipette, bath = {"K": jnp.array([100.0, 140.0]), "Cl": 140.0}, {"Na": 145.0, "Cl": jnp.float64(145)}
    got = junction_potential(pipette, bath, 295.0)
    one = [
        junction_potential({"K": k, "Cl": 140.0}, {"Na": 145.0, "Cl": 145.0}, 295.0) for k in (100.0, 140.0)
    ]
    assert_close(got, jnp.stack(one))
    grown = jax.jit(lambda k: junction_potential({"K": k, "Cl": 140.0}, bath, 295.0))
    assert_close(grown(jnp.asarray(140.0)), one[1])
    single = junction_potential({"K": jnp.float32(140), "Cl": 140.0}, {"Na": 145.0, "Cl": 145.0}, 295.0)
    assert single.dtype == jnp.float32
    assert_close(single, one[1])


def test_mobility_can_be_given():
    kwargs = dict(pipette={"K": 140, "gluconate": 140}, bath={"Na": 145, "Cl": 145}, T=295.0)
    slower = junction_potential(**kwargs, mobility={"gluconate": 0.1})
    assert slower > junction_potential(**kwargs) > 10
    with pytest.raises(InputError, match="'glucose', which is in neither"):
        junction_potential(**kwargs, mobility={"glucose": 0.1})
    with pytest.raises(InputError, match="did you mean 'gluconate'"):
        junction_potential(pipette={"gluconat": 1.0}, bath={"K": 1.0}, T=295.0)
    with pytest.raises(InputError, match="names an ion"):
        junction_potential(pipette={}, bath={}, T=295.0)


def test_ionic_strength():
    assert ionic_strength([145.0, 5.0, 154.0, 2.0], [1, 1, -1, 2]) == 156.0
    with pytest.raises(ValueError, match="c has shape"):
        ionic_strength([1.0], [1, -1])


def test_purkinje_fibre_potassium_potentials(reference_cases):
    case = reference_cases["purkinje-EK-activity"]
    aK_i, K_o = case["parameters"]["aK_in"]["value"], np.array(case["parameters"]["K_out"], float)
    T = celsius(case["parameters"]["T"]["value"])
    gamma = activity_coefficient(150.0, 1, T)
    np.testing.assert_allclose(gamma, case["expected"]["implied_gamma_out"]["value"], atol=0.005)
    E_K = nernst_potential(gamma * K_o, aK_i, 1, T)
    np.testing.assert_allclose(
        E_K, case["expected"]["E_K_published"]["value"], atol=case["tolerance"]["abs_mV"]
    )


def test_activity_coefficient_limits(assert_close):
    # The limiting law at 25 °C: -log10 γ = 0.51 z² √I, in mol/L.
    for z in (1, -2, 3):
        got = -np.log10(activity_coefficient(1e-6, z, 298.15)) / np.sqrt(1e-9) / z**2
        assert got == pytest.approx(0.5115, abs=0.001)
    # Measured mean activity coefficient of 100 mM NaCl and KCl at 25 °C: 0.778 and 0.770 (Robinson & Stokes
    # 1959).
    assert activity_coefficient(100.0, 1, 298.15) == pytest.approx(0.774, abs=0.01)
    assert activity_coefficient(0.0, 2, 298.15) == 1
    assert jax.grad(activity_coefficient)(0.0, 2.0, 298.15) == pytest.approx(0.0, abs=0.01)
    h = 1e-3
    difference = (activity_coefficient(50.0 + h, 1, 300.0) - activity_coefficient(50.0 - h, 1, 300.0)) / (
        2 * h
    )
    assert_close(jax.grad(activity_coefficient)(50.0, 1.0, 300.0), difference, rtol=1e-8)
    single = activity_coefficient(jnp.float32(150), 1, 310.15)
    assert single.dtype == jnp.float32
    assert_close(single, activity_coefficient(150.0, 1, 310.15))


def test_concentrated_solutions_warn():
    with pytest.warns(InputWarning, match="600 mM is beyond"):
        activity_coefficient(600.0, 1, 298.15)
    assert np.isfinite(jax.jit(activity_coefficient)(600.0, 1, 298.15))
