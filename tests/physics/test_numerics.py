import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from pumpleak.physics.ghk import ion_sum
from pumpleak.physics.numerics import (
    atanh_ratio,
    bernoulli,
    bernoulli_pair,
    log_ratio,
    monotone_root,
)

pytestmark = pytest.mark.usefixtures("strict_promotion")
mpmath.mp.dps = 40
POINTS = [0.0, 1e-300, 1e-8, -1e-3, 0.3, 0.999, 1.0, -1.001, 3.0, -20.0, 87.0, -500.0, 800.0, -1e5, 1e5]


def exact_bernoulli(x, order):
    """Value or derivative of x/(1 - e^-x) in 40 digits."""
    if x == 0:
        return [1.0, 0.5, 1 / 6][order]
    x = mpmath.mpf(x)
    if abs(x) > 400:  # mpmath's finite differences overflow nowhere, but are not needed either
        return [max(x, 0), 1 if x > 0 else 0, 0][order]
    with mpmath.workdps(80):
        return mpmath.diff(lambda t: t / -mpmath.expm1(-t), x, order) if order else x / -mpmath.expm1(-x)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_bernoulli_and_its_derivatives(order, dtype):
    f = bernoulli
    for _ in range(order):
        f = jax.grad(f)
    f = jax.jit(f)
    got = np.array([f(jnp.asarray(x, dtype)) for x in POINTS])
    want = np.array([float(exact_bernoulli(x, order)) for x in np.asarray(POINTS, dtype).tolist()])
    assert got.dtype == dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(got, want, rtol=20 * eps, atol=20 * eps)


def test_second_derivative_holds_its_digits_across_the_series_end():
    x = np.linspace(0.8, 1.2, 41)
    got = jax.jit(jax.vmap(jax.grad(jax.grad(bernoulli))))(x)
    want = np.array([float(exact_bernoulli(t, 2)) for t in x])
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_small_side_keeps_its_digits():
    _, minus = bernoulli_pair(jnp.asarray(300.0))
    want = float(mpmath.mpf(300) * mpmath.exp(-300) / -mpmath.expm1(-300))
    np.testing.assert_allclose(minus, want, rtol=1e-13)


def test_forward_over_reverse_agrees_with_reverse_over_forward():
    one = jax.jit(jax.jacfwd(jax.grad(bernoulli)))
    other = jax.jit(jax.grad(lambda t: jax.jvp(bernoulli, (t,), (jnp.ones_like(t),))[1]))
    for x in (0.0, 0.5, -7.0):
        np.testing.assert_allclose(one(x), other(x), rtol=1e-13)


ATANH_RATIO = [jax.jit(f) for f in (atanh_ratio, jax.grad(atanh_ratio), jax.grad(jax.grad(atanh_ratio)))]


@pytest.mark.parametrize("y", [0.0, 1e-9, 0.1, -0.199, 0.2, 0.7, -0.999])
def test_atanh_ratio(y):
    def exact(t):
        return mpmath.atanh(t) / t if t else mpmath.mpf(1)

    with mpmath.workdps(80):
        want = [exact(mpmath.mpf(y))]
        want += [mpmath.diff(exact, mpmath.mpf(y), n) for n in (1, 2)] if y else [0, mpmath.mpf(2) / 3]
    got = [f(jnp.asarray(y)) for f in ATANH_RATIO]
    np.testing.assert_allclose(got, [float(w) for w in want], rtol=1e-11, atol=1e-15)


def test_log_ratio_of_nothing():
    a, b = jnp.array([0.0, 1.0, 0.0, -1.0, jnp.nan, 2.0]), jnp.array([1.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    np.testing.assert_array_equal(log_ratio(a, b)[:5], [-np.inf, np.inf, np.nan, np.nan, np.nan])
    gradient = jax.grad(lambda a, b: jnp.sum(log_ratio(a, b)), argnums=(0, 1))(a, b)
    np.testing.assert_array_equal(gradient, [[0, 0, 0, 0, 0, 0.5], [0, 0, 0, 0, 0, -1.0]])


def test_ion_sum_is_a_dot_product_with_all_derivatives(assert_close):
    rng = np.random.default_rng(0)
    w, x = jnp.asarray(rng.normal(size=(4, 3))), jnp.asarray(rng.normal(size=3))
    assert_close(ion_sum(w, x), w @ x)
    for derivative in (jax.jacrev, jax.jacfwd):
        got = jax.jit(derivative(ion_sum, argnums=(0, 1)))(w, x)
        want = jax.jit(derivative(lambda w, x: jnp.sum(w * x, axis=-1), argnums=(0, 1)))(w, x)
        jax.tree.map(assert_close, got, want)
    assert_close(
        jax.jit(jax.jacfwd(jax.jacrev(ion_sum), argnums=1))(w, x),
        jax.jit(jax.jacfwd(lambda w, x: jax.jacrev(ion_sum)(w, x), 1))(w, x),
    )


class TestMonotoneRoot:
    low, high = jnp.full(5, -10.0), jnp.full(5, 10.0)
    targets = jnp.array([-900.0, -1.0, 0.0, 2.0, 500.0])

    def cube(self, targets):
        f = lambda u: u**3 + u - targets  # noqa: E731
        return monotone_root(f, self.low, self.high, jnp.full(5, 9.0))

    def test_finds_every_root(self):
        u = self.cube(self.targets)
        np.testing.assert_allclose(u**3 + u, self.targets, rtol=1e-14, atol=1e-14)

    def test_implicit_derivatives(self):
        u = self.cube(self.targets)
        slope = 1 / (3 * u**2 + 1)
        curve = -6 * u * slope**3
        for first in (jax.jacfwd, jax.jacrev):
            got = jax.jit(first(self.cube))(self.targets)
            np.testing.assert_allclose(got, np.diag(slope), rtol=1e-12, atol=1e-14)
            for second in (jax.jacfwd, jax.jacrev):
                got = jax.jit(second(first(self.cube)))(self.targets)
                np.testing.assert_allclose(np.einsum("iii->i", got), curve, rtol=1e-11, atol=1e-13)

    def test_bisects_where_newton_leaves_the_bracket(self):
        # From u = 8 Newton's step on arctan overshoots further each time.
        f = lambda u: jnp.arctan(5 * (u - 1.5))  # noqa: E731
        u = monotone_root(f, jnp.asarray(-50.0), jnp.asarray(100.0), jnp.asarray(90.0))
        np.testing.assert_allclose(u, 1.5, rtol=1e-14)

    def test_a_lane_does_not_depend_on_its_neighbours(self):
        targets = jnp.asarray(
            np.random.default_rng(1).uniform(-1000, 1000, 400)
        )  # some end between two numbers

        def cube(targets):
            f = lambda u: u**3 + u - targets  # noqa: E731
            return monotone_root(f, jnp.full(400, -10.0), jnp.full(400, 10.0), jnp.full(400, 9.0))

        other = cube(targets.at[2].set(-1010.0))  # root at the bracket's end: many more steps
        np.testing.assert_array_equal(np.delete(cube(targets), 2), np.delete(other, 2))

    @pytest.mark.parametrize(
        ("f", "most"),
        [
            (lambda u: jnp.where(u < 1.3, u - 2.0, u), 70),  # a jump: halved until nothing lies between
            (lambda u: u - 3.0, 4),  # a straight line: met at once
            (lambda u: u * jnp.nan, 4),  # no answer
        ],
        ids=["jump", "line", "nan"],
    )
    def test_stops_where_nothing_is_left_to_find(self, f, most):
        calls = []

        def counted(u):
            jax.debug.callback(lambda _: calls.append(1), u)
            return f(u)

        monotone_root(counted, jnp.asarray(-10.0), jnp.asarray(10.0), jnp.asarray(9.0), max_steps=1000)
        jax.effects_barrier()
        assert 0 < len(calls) <= most
