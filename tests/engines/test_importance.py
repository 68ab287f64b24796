"""Mixtures of t's and weights, on both sides of where the road changes with the dimension, against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pumpleak.engines.importance import (
    _COMPONENTS,
    _WRITTEN_OUT,
    NU,
    Mixture,
    _height,
    _kernel,
    _maximise,
    _moments,
    _placed,
    _squares,
    _tempered,
    adapt,
    at_modes,
    point_sets,
    several_modes,
    standard,
    weigh,
)
from pumpleak.engines.modes import Mode

SIZES = (2, _WRITTEN_OUT, _WRITTEN_OUT + 1)


def mixture(d, seed=0):
    """Three t's of other places and shapes, in coordinates that are turned and moved."""
    rng = np.random.default_rng(seed)
    factor = np.tril(0.2 * rng.standard_normal((3, d, d))) + np.eye(d) * rng.uniform(0.7, 1.4, (3, 1, 1))
    axes = np.tril(0.1 * rng.standard_normal((d, d))) + np.diag(rng.uniform(0.5, 2, d))
    share = np.array([0.5, 0.3, 0.2])
    parts = rng.standard_normal(d), axes, share, rng.standard_normal((3, d)), factor
    return Mixture(*map(jnp.asarray, parts))


def scipys(mix):
    """The mixture's parts in u, as SciPy's distributions."""
    return [
        stats.multivariate_t(
            mix.origin + mix.axes @ centre, (mix.axes @ factor) @ (mix.axes @ factor).T, df=NU
        )
        for centre, factor in zip(mix.centre, mix.factor, strict=True)
    ]


@pytest.mark.parametrize("d", SIZES)
def test_a_mixtures_density_is_scipys(d):
    mix = mixture(d)
    x = np.random.default_rng(1).standard_normal((d, 7))

    @jax.jit
    def density(mix, x):
        square, whiten = _squares(mix.centre, mix.factor, x)
        return (mix.share * _height(whiten)) @ _kernel(square, d) / jnp.prod(jnp.diag(mix.axes))

    found = density(mix, x)
    u = np.asarray(mix.origin) + (np.asarray(mix.axes) @ x).T
    expected = sum(
        w * np.atleast_1d(t.pdf(u)) for w, t in zip(np.asarray(mix.share), scipys(mix), strict=True)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("d", SIZES)
def test_points_are_put_where_their_component_lies(d):
    mix = mixture(d)
    z, index = np.random.default_rng(2).standard_normal((d, 6)), np.array([0, 0, 1, 1, 2, 2])
    found = jax.jit(_placed)(mix, index, z)
    centre, factor = np.asarray(mix.centre), np.asarray(mix.factor)
    expected = [centre[k] + factor[k] @ z[:, s] for s, k in enumerate(index)]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-12, atol=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize("d", [3, _WRITTEN_OUT + 2])
def test_a_normal_posterior_is_weighed_right(d):
    """Mean, covariance and evidence of a correlated normal, by a proposal that is off; and of a fit to that."""
    rng = np.random.default_rng(4)
    A = 0.3 * rng.standard_normal((d, d)) + np.eye(d)
    mean, S = 0.3 * rng.standard_normal(d), A @ A.T
    P = np.linalg.inv(S)

    def potential(u):
        return 0.5 * (u - mean) @ P @ (u - mean)

    exact = 0.5 * (d * np.log(2 * np.pi) + np.linalg.slogdet(S)[1])
    proposal = standard(d, float)
    proposal = proposal._replace(axes=jnp.asarray(np.linalg.cholesky(S)), origin=jnp.asarray(mean + 0.1))
    z = jnp.asarray(point_sets(d, 4096, 5, sets=1)[0])
    first = jax.jit(lambda mix, z: weigh(potential, mix, z))(proposal, z)
    for cloud in (first, jax.jit(lambda cloud, z: weigh(potential, adapt(cloud), z))(first, z)):
        u, w = np.asarray(cloud.u), np.asarray(cloud.weight)
        assert float(cloud.k_hat) < 0.5 and w.sum() == pytest.approx(1)
        assert float(cloud.log_evidence) == pytest.approx(exact, abs=5 * float(cloud.log_evidence_se) + 0.02)
        assert float(cloud.log_evidence_se) < 0.05
        sd = np.sqrt(np.diag(S))
        assert (np.abs(u @ w - mean) < 0.1 * sd).all()
        found = (u - mean[:, None]) * w @ (u - mean[:, None]).T
        np.testing.assert_allclose(found / np.outer(sd, sd), S / np.outer(sd, sd), atol=0.12)


@pytest.mark.thorough
@pytest.mark.parametrize("d", [2, _WRITTEN_OUT + 1])
def test_two_heaps_are_covered_by_a_fit_to_points_of_both(d):
    """A quarter of the mass at +2, the rest at −2: evidence, mean and shares after two fits, from one wide t."""
    place = jnp.zeros(d).at[0].set(2.0)

    def potential(u):
        heaps = jnp.stack([-2 * jnp.sum((u - place) ** 2), jnp.log(3.0) - 2 * jnp.sum((u + place) ** 2)])
        return -jax.nn.logsumexp(heaps)

    z = jnp.asarray(point_sets(d, 8192, 5, sets=1)[0])
    wide = standard(d, float)
    wide = wide._replace(axes=0.6 * wide.axes.at[0, 0].set(4.0))
    again = jax.jit(lambda cloud, z: weigh(potential, adapt(cloud), z))
    cloud = again(again(jax.jit(lambda mix, z: weigh(potential, mix, z))(wide, z), z), z)
    u, w = np.asarray(cloud.u), np.asarray(cloud.weight)
    exact = np.log(4) + d / 2 * np.log(np.pi / 2)
    assert float(cloud.k_hat) < 0.7
    assert float(cloud.log_evidence) == pytest.approx(exact, abs=5 * float(cloud.log_evidence_se) + 0.01)
    assert w[u[0] > 0].sum() == pytest.approx(0.25, abs=0.03)
    assert (w[u[0] > 0] @ u[0, u[0] > 0]) / w[u[0] > 0].sum() == pytest.approx(2.0, abs=0.05)
    assert np.sqrt((u[1:] ** 2) @ w) == pytest.approx(0.5, rel=0.1)


def test_weights_are_tempered_only_as_far_as_they_must_be():
    even, tempered = jnp.full(1000, 1e-3), jax.jit(_tempered)
    np.testing.assert_allclose(tempered(even), even)
    rng = np.random.default_rng(7)
    heavy = jnp.exp(3.0 * rng.standard_normal(1000))
    found = tempered(heavy / heavy.sum())
    size = 1 / float((found**2).sum())
    assert size >= 100 and float(found.sum()) == pytest.approx(1)
    np.testing.assert_allclose(found[:5] / found[0], jnp.sqrt(heavy[:5] / heavy[0]), rtol=1e-9)
    one = jnp.zeros(1000).at[3].set(1.0)
    np.testing.assert_allclose(tempered(one), even, err_msg="of one point nothing can be said")


def test_modes_are_told_apart_and_shared_out_by_their_mass():
    """The same mode twice, another twice as massive (a curvature four times less), one that was lost."""
    u = jnp.asarray([[0.0, 0.0], [0.05, 0.0], [5.0, 1.0], [9.0, 9.0]])
    H = jnp.stack([jnp.eye(2), jnp.eye(2), 0.5 * jnp.eye(2), jnp.eye(2)])
    modes = Mode(u, jnp.asarray([1.0, 1.0, 1.0, jnp.inf]), H)
    mix = jax.jit(lambda modes: at_modes(modes, spread=1.3))(modes)
    share = np.array([1 / 3 + 0.05, 0.0, 2 / 3 + 0.05, 0.0])
    np.testing.assert_allclose(mix.share[:4], share / share.sum(), rtol=1e-12)
    np.testing.assert_allclose(mix.share[4:], 0)
    np.testing.assert_allclose(mix.centre[:4], u)
    np.testing.assert_allclose(mix.factor[2], 1.3 * np.sqrt(2) * np.eye(2), rtol=1e-12)
    several = jax.jit(several_modes)
    assert bool(several(modes))
    alone = modes._replace(potential=jnp.asarray([1.0, 1.0, 12.0, jnp.inf]))  # e¹⁰ times lighter and more
    assert not bool(several(alone))
    assert mix.share.shape == (_COMPONENTS + 1,)  # as many as `adapt` gives


def test_a_component_keeps_a_share_where_it_lost_its_points():
    """One of two holds a thousandth of the points."""
    points = jnp.asarray(np.random.default_rng(0).standard_normal((2, 500)))
    belongs = jnp.stack([jnp.full(500, 0.999), jnp.full(500, 0.001)]) / 500
    share = jax.jit(lambda: _maximise(_moments(points), belongs, belongs)[0])()
    np.testing.assert_allclose(share, np.array([0.999, 0.02]) / 1.019, rtol=1e-6)
