"""Small matrices written out and large ones by LAPACK: on both sides of where the road changes, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak.engines.arrays import _WRITTEN_OUT, cholesky, in_chunks, inverse_lower, solve_spd

SIZES = (1, _WRITTEN_OUT, _WRITTEN_OUT + 1, 12)


def positive(n, seed=0):
    A = np.random.default_rng(seed).standard_normal((n, n + 2))
    return A @ A.T


@pytest.mark.parametrize("n", SIZES)
def test_factor_inverse_and_solution_are_numpys(n):
    A, b = positive(n), np.arange(1.0, n + 1)
    L, inverse, x = jax.jit(lambda A, b: (cholesky(A), inverse_lower(cholesky(A)), solve_spd(A, b)))(A, b)
    np.testing.assert_allclose(L, np.linalg.cholesky(A), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(inverse @ L, np.eye(n), atol=1e-11)
    np.testing.assert_array_equal(np.triu(np.asarray(inverse), 1), 0)
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-8)


@pytest.mark.parametrize("n", SIZES[1:])
def test_a_matrix_that_rounding_made_indefinite_has_a_finite_factor(n):
    """Twice the same unknown: a pivot of 0. Its neighbour in a batch keeps its digits."""
    A = positive(n)
    A[-1], A[:, -1] = A[0], A[:, 0]
    A[-1, -1] = A[0, 0] - 1e-9
    both = jax.jit(jax.vmap(cholesky))(jnp.stack([A, positive(n, 1)]))
    assert np.isfinite(both).all() and (np.diagonal(both[0]) > 0).all()
    np.testing.assert_allclose(both[1], np.linalg.cholesky(positive(n, 1)), rtol=1e-12, atol=1e-13)
    step = jax.jit(solve_spd)(A, np.ones(n))
    assert np.isfinite(step).all() and step @ np.ones(n) > 0  # downhill still


@pytest.mark.parametrize("points", [1, 4, 5, 9])
def test_many_points_in_blocks_are_each_by_itself(points):
    x = np.random.default_rng(1).standard_normal((2, points, 3))
    found = in_chunks(lambda u: {"sum": u.sum(), "square": u**2}, x, size=4)
    np.testing.assert_allclose(found["sum"], x.sum(axis=-1), rtol=1e-14)
    np.testing.assert_allclose(found["square"], x**2, rtol=1e-14)
