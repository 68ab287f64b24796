import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import celsius, donnan_equilibrium, nernst_potential, thermal_voltage

pytestmark = pytest.mark.usefixtures("strict_promotion")
MIXES = {"monovalent": [1, 1, -1], "divalent": [2, -2], "mixed": [1, 2, -1], "trivalent": [1, 3, -1, -2]}


@st.composite
def baths(draw):
    z = MIXES[draw(st.sampled_from(sorted(MIXES)))]
    c_o = np.array([draw(st.floats(0.1, 200.0)) for _ in z])
    # A charge below the precision of the reference has its root at the reference's starting point.
    return c_o, z, round(draw(st.floats(0.0, 300.0)), 6), round(draw(st.floats(-4.0, 4.0)), 6)


def test_published_case(reference_cases):
    case = reference_cases["donnan-150-z-1"]
    value = {key: float(entry["value"]) for key, entry in case["parameters"].items()}
    state = donnan_equilibrium(
        [value["C_out"]] * 2, [1, -1], value["A_in"], value["z_A"], celsius(value["T"])
    )
    expected = {key: entry["value"] for key, entry in case["expected"].items()}
    assert state.c_i[0] == pytest.approx(expected["K_in"], rel=1e-12)
    assert state.c_i[1] == pytest.approx(expected["Cl_in"], rel=1e-12)
    assert state.osmotic_excess == pytest.approx(expected["osm_excess_in"], rel=1e-12)
    assert state.c_i[0] / value["C_out"] == pytest.approx(expected["donnan_ratio"], rel=1e-12)
    assert state.V_m == pytest.approx(expected["Vm"], rel=2e-11)  # the case rounds R and F to ten digits


@given(baths())
def test_against_mpmath(bath):
    c_o, z, A_i, z_A = bath
    T = 310.0
    state = donnan_equilibrium(c_o, z, A_i, z_A, T)
    u = float(state.V_m / thermal_voltage(T))
    with mpmath.workdps(40):

        def charge(u):
            return sum(n * mpmath.mpf(float(c)) * mpmath.exp(-n * u) for n, c in zip(z, c_o, strict=True)) + (
                mpmath.mpf(z_A) * mpmath.mpf(A_i)
            )

        assert charge(u - 1e-6) > 0 > charge(u + 1e-6)
        want = mpmath.findroot(charge, (u - 1e-6, u + 1e-6), solver="anderson", tol=1e-60, verify=False)
    np.testing.assert_allclose(u, float(want), rtol=1e-12, atol=1e-13)
    z, c_i = np.array(z), np.array(state.c_i)
    assert abs(np.sum(z * c_i) + z_A * A_i) < 1e-12 * (np.sum(np.abs(z) * c_i) + abs(z_A * A_i))
    for j, n in enumerate(z):
        np.testing.assert_allclose(
            nernst_potential(c_o[j], state.c_i[j], n, T), state.V_m, rtol=1e-11, atol=1e-11
        )


@given(st.floats(1.0, 300.0), st.floats(0.1, 300.0), st.floats(-4.0, 4.0))
def test_a_neutral_bath_always_leaves_an_osmotic_excess(C, A_i, z_A):
    assert donnan_equilibrium([C, C], [1, -1], A_i, z_A, 310.0).osmotic_excess > 0


@pytest.mark.parametrize("mix", ["monovalent", "mixed"])
@pytest.mark.thorough
def test_derivatives(mix, assert_close):
    z = MIXES[mix]

    def f(x):
        state = donnan_equilibrium(jnp.exp(x[:-2]), z, 100 * x[-2], x[-1], 310.0)
        return jnp.concatenate([state.V_m[None], state.c_i, state.osmotic_excess[None]])

    value, forward = jax.jit(f), jax.jit(jax.jacfwd(f))
    # The program of the second derivatives computes the first ones on its way.
    program = jax.jit(jax.jacfwd(lambda x: (jax.jacrev(f)(x),) * 2, has_aux=True))
    for z_A in (-1.2, 0.0, 0.7):  # at 0 the two closed forms meet
        x = np.array([4.5, 1.0, 4.6, 1.3, z_A])
        hessian, reverse = program(x)
        steps = 1e-4 * np.eye(x.size)
        difference = np.stack([(value(x + h) - value(x - h)) / 2e-4 for h in steps], axis=-1)
        assert_close(reverse, difference, rtol=1e-6, atol=1e-5)
        assert_close(forward(x), reverse, rtol=1e-11, atol=1e-10)
        second = np.stack([(program(x + h)[1] - program(x - h)[1]) / 2e-4 for h in steps], axis=-1)
        assert_close(hessian, second, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("mix", MIXES)
def test_batches_jit_and_single_precision(mix, assert_close):
    z = MIXES[mix]
    rng = np.random.default_rng(0)
    c_o, A_i = jnp.asarray(rng.uniform(1, 150, (6, len(z)))), jnp.asarray(rng.uniform(0, 150, 6))
    f = lambda c_o, A_i: donnan_equilibrium(c_o, z, A_i, -1.3, 310.0)  # noqa: E731
    state = f(c_o, A_i)
    assert state.c_i.shape == (6, len(z)) and state.V_m.shape == (6,)
    for other in (jax.jit(jax.vmap(f))(c_o, A_i), jax.jit(f)(c_o, A_i)):
        jax.tree.map(assert_close, other, state)
    single = jax.jit(f)(c_o.astype(jnp.float32), A_i.astype(jnp.float32))
    assert {a.dtype for a in single} == {np.dtype("float32")}
    assert_close(single.V_m, state.V_m, atol=1e-4)


@pytest.mark.parametrize("z", [[1, 1, -1], [1, 2, -1]])
def test_no_ion_to_balance_with(z):
    c_o = jnp.array(
        [[100.0, 5.0, 105.0], [0.0, 0.0, 100.0], [50.0, 50.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 9.0]]
    )
    charge = jnp.array([-1.0, -1.0, 1.0, -1.0, 1.0])
    f = jax.jit(lambda c_o, charge: donnan_equilibrium(c_o, z, 100.0, charge, 310.0))
    state = f(c_o, charge)
    np.testing.assert_array_equal(np.isnan(state.V_m), [False, True, True, True, False])
    assert state.c_i[4, 2] == pytest.approx(100.0, rel=1e-12)  # anions alone carry the positive charge
    slope = jax.jit(jax.grad(lambda *a: sum(jnp.sum(x) for x in f(*a)), (0, 1)))
    gradient, alone = slope(c_o, charge), slope(c_o[:1], charge[:1])
    for got, want in zip(gradient, alone, strict=True):
        np.testing.assert_allclose(got[0], want[0], rtol=1e-13)
        assert np.all(np.isfinite(got))
        np.testing.assert_array_equal(got[1:4], 0)


def test_wrong_structure_is_refused():
    with pytest.raises(ValueError, match="c_o has shape"):
        donnan_equilibrium([150.0], [1, -1], 100.0, -1.0, 310.0)
    with pytest.raises(ValueError, match="valences z"):
        donnan_equilibrium([150.0, 1.0], [1, 0], 100.0, -1.0, 310.0)
