import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import InputError, chord_voltage

pytestmark = pytest.mark.usefixtures("strict_promotion")


def test_textbook_minus_73(reference_cases):
    case = reference_cases["textbook-resting-minus73"]
    value = {key: float(entry["value"]) for key, entry in case["parameters"].items()}
    g = [1.0, case["expected"]["gNa_over_gK_chord"]["value"]]
    assert chord_voltage(g, [value["E_K"], value["E_Na"]]) == pytest.approx(value["Vm"], rel=1e-10)


def test_measured_reversal_potentials(reference_cases):
    case = reference_cases["chord-conductance-INab-2021"]
    rows = case["parameters"]["rows"]
    E = np.array([[row["E_K_mV"], row["E_Na_mV"]] for row in rows], float)
    want = [row["E_rev_mV"] for row in rows]
    for kind, atol in (("recomputed", 1e-9), ("published", 0.3)):  # published ratios have two or three digits
        ratio = np.array(case["expected"][f"gNa_over_gK_{kind}"]["value"])
        V_m = chord_voltage(np.stack([np.ones_like(ratio), ratio], axis=-1), E)
        np.testing.assert_allclose(V_m, want, rtol=0, atol=atol)


@given(
    st.lists(st.tuples(st.floats(1e-6, 10.0), st.floats(-120.0, 150.0)), min_size=1, max_size=5),
    st.floats(-5, 5),
)
def test_currents_balance(ions, I_pump):
    g, E = np.array(ions).T
    V_m = chord_voltage(g, E, I_pump)
    assert abs(np.sum(g * (V_m - E)) + I_pump) < 1e-11 * (1 + np.sum(g) * (1 + abs(V_m)))


def test_awkward_lanes_and_their_neighbours():
    g = jnp.array([[1.0, 0.5], [1.0, 0.0], [1.0, 0.5], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    E = jnp.array(
        [[-90.0, 60.0], [-90.0, np.inf], [-90.0, np.inf], [-90.0, 60.0], [1.0, 1.0], [np.inf, -np.inf]]
    )
    I_pump = jnp.array([0.5, 0.5, 0.5, 0.5, 0.0, 0.0])
    V_m = chord_voltage(g, E, I_pump)
    np.testing.assert_array_equal(V_m[1:], [-90.5, np.inf, -np.inf, np.nan, np.nan])
    gradient = jax.jit(jax.grad(lambda *a: jnp.sum(chord_voltage(*a)), (0, 1, 2)))(g, E, I_pump)
    alone = jax.jit(jax.grad(chord_voltage, (0, 1, 2)))(g[0], E[0], I_pump[0])
    for got, want in zip(gradient, alone, strict=True):
        np.testing.assert_array_equal(got[0], want)
        np.testing.assert_array_equal(got[2:], 0)
        assert np.all(np.isfinite(got[1]))


def test_batches_derivatives_and_single_precision(assert_close):
    rng = np.random.default_rng(0)
    g, E = jnp.asarray(rng.uniform(0.1, 1, (5, 3))), jnp.asarray(rng.uniform(-90, 60, (5, 3)))
    V_m = chord_voltage(g, E, 0.3)
    assert_close(jax.jit(jax.vmap(lambda g, E: chord_voltage(g, E, 0.3)))(g, E), V_m)
    assert_close(jax.jit(chord_voltage)(g, E, 0.3), V_m)
    exact = (E[0] - V_m[0]) / jnp.sum(g[0])
    for derivative in (jax.jacfwd, jax.jacrev):
        assert_close(jax.jit(derivative(chord_voltage))(g[0], E[0], 0.3), exact)
    assert_close(jax.jit(chord_voltage)(g.astype(jnp.float32), E.astype(jnp.float32), 0.3), V_m)


@pytest.mark.parametrize("size", [1e-3, 0.3, 1.0, 7.0])
def test_only_ratios_of_conductances_decide_where_no_pump_runs(size):
    """Also where a reversal potential is infinite, of an ion that conducts and of one that does not."""
    g = size * jnp.array([[0.5, 0.2], [0.5, 0.2], [0.5, 0.0], [0.0, 0.2]])
    E = jnp.array([[-90.0, 60.0], [-90.0, -np.inf], [-90.0, np.inf], [np.nan, 60.0]])
    np.testing.assert_allclose(chord_voltage(g, E), [-330 / 7, -np.inf, -90.0, 60.0], rtol=1e-14)


def test_a_pump_alone_drives_the_potential_without_end():
    found = chord_voltage(jnp.zeros((3, 2)), jnp.array([-90.0, 60.0]), jnp.array([0.2, -0.2, 0.0]))
    np.testing.assert_array_equal(found, [-np.inf, np.inf, np.nan])


@pytest.mark.parametrize(("g", "E"), [(1.0, [-90.0, 60.0]), ([1.0, 0.1], -90.0), (1.0, -90.0)])
def test_a_conductance_without_an_ion_axis_is_refused(g, E):
    with pytest.raises(InputError, match="Put the same ions on both last axes"):
        chord_voltage(g, E)
    assert chord_voltage([1.0], [-90.0]) == -90.0  # the mend


def test_wrong_structure_is_refused():
    with pytest.raises(ValueError, match=r"g has shape \(2,\) and E \(3,\)"):
        chord_voltage(np.ones(2), np.ones(3))
