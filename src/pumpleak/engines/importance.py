"""Importance sampling of one cell's posterior, traced: shared quasi-random points, mixtures of t's, weights.

Points stand in columns, (D, S): what is done to each is then one vector operation over all of them.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special
from scipy.stats import qmc

from .arrays import cholesky, inverse_lower
from .modes import Mode
from .psis import psis

NU = 6  # degrees of freedom of every proposal
_SETS = 64  # different point sets; a cell's id picks one, and a rotation of it
_COMPONENTS = 6
_EM_STEPS = 4
_WRITTEN_OUT = 8  # dimension up to which distances are sums of vectors, not matrix products
_FIT = 1024  # points that a mixture is fitted to, at most
_WIDE, _WIDER = 1.15, 1.3  # than the mode's curvature, than the fit: the ends of an interval need points too


class Cloud(NamedTuple):
    """Weighted points of one posterior.

    Attributes:
        u: (D, S) points.
        weight: (S,) Pareto-smoothed weights, which sum to 1.
        k_hat: Pareto shape of the raw weights' tail.
        log_evidence, log_evidence_se: ln of the mean likelihood over the prior, and its standard error.
    """

    u: Any
    weight: Any
    k_hat: Any
    log_evidence: Any
    log_evidence_se: Any


class Mixture(NamedTuple):
    """K multivariate t's in x, with u = origin + axes · x.

    Attributes:
        origin, axes: (D,) and (D, D) lower triangular: where x = 0 lies, and its unit steps.
        share: (K,) of the points.
        centre, factor: (K, D) and (K, D, D) lower triangular, in x.
    """

    origin: Any
    axes: Any
    share: Any
    centre: Any
    factor: Any


def point_sets(dimension: int, size: int, seed: int, sets: int = _SETS) -> np.ndarray:
    """Quasi-random points of the standard multivariate t, (sets, D, size).

    Scrambled Sobol points through the normal quantile, over √(χ²/ν) from one dimension more.
    """
    z = np.empty((sets, dimension, size))
    for i in range(sets):
        sobol = qmc.Sobol(dimension + 1, rng=np.random.default_rng([seed, i]))
        q = sobol.random_base2(math.ceil(math.log2(size)))[:size]
        q = np.clip(q, 1e-12, 1 - 1e-12).T
        chi2 = 2 * special.gammaincinv(NU / 2, q[-1])
        z[i] = special.ndtri(q[:-1]) * np.sqrt(NU / chi2)
    return z


def turned(sets, key):
    """One of the point sets (sets, D, S) turned by a rotation, both from the key: cells' errors are independent."""
    which, turn = jax.random.split(key)
    d = sets.shape[1]
    q, r = jnp.linalg.qr(jax.random.normal(turn, (d, d), sets.dtype))
    return (q * jnp.sign(jnp.diag(r))) @ sets[jax.random.randint(which, (), 0, sets.shape[0])]


# -- proposals ------------------------------------------------------------------------------------


def standard(dimension: int, dtype: Any) -> Mixture:
    """One t a little wider than unit scale, at 0: in a frame's coordinates, the t at its mode."""
    eye = jnp.eye(dimension, dtype=dtype)
    return Mixture(0 * eye[0], eye, jnp.ones_like(eye[0, :1]), 0 * eye[:1], _WIDE * eye[None])


def at_modes(modes: Mode, *, spread: float) -> Mixture:
    """A t at every distinct mode, shared out by their mass; as many components as `adapt` gives."""
    distinct, mass = _distinct(modes)
    share = jnp.where(distinct, jax.nn.softmax(jnp.where(distinct, mass, -jnp.inf)) + 0.05, 0.0)
    inverse = jax.vmap(lambda H: inverse_lower(cholesky(H)))(modes.H)
    factor = spread * jnp.linalg.cholesky(jnp.swapaxes(inverse, 1, 2) @ inverse)
    spare = _COMPONENTS + 1 - len(share)
    own = standard(modes.u.shape[1], modes.u.dtype)
    return own._replace(
        share=jnp.pad(share / jnp.sum(share), (0, spare)),
        centre=jnp.pad(modes.u, ((0, spare), (0, 0))),
        factor=jnp.concatenate([factor, jnp.repeat(factor[:1], spare, axis=0)]),
    )


def several_modes(modes: Mode):
    """True where a second mode is worth a look: apart from the best, and not e¹⁰ times lighter."""
    distinct, mass = _distinct(modes)
    return jnp.sum(distinct & (mass > jnp.max(mass) - 10.0)) > 1


def _distinct(modes: Mode):
    """(M,) bool, false where an earlier start ended within a unit of the same curvature; ln of the masses."""
    size = jax.vmap(lambda H: jnp.sum(jnp.log(jnp.diag(cholesky(H)))))(modes.H)
    mass = -modes.potential - size
    apart = modes.u[:, None] - modes.u[None]
    near = jnp.einsum("mni,mij,mnj->mn", apart, modes.H, apart) < 1.0
    earlier = jnp.tril(jnp.ones_like(near), -1)
    return ~jnp.any(near & earlier, axis=1) & jnp.isfinite(mass), mass


def adapt(cloud: Cloud) -> Mixture:
    """A mixture fitted to a cloud by weighted EM, and a wide component for what the cloud has not seen.

    References:
        Cappé, Douc, Guillin, Marin & Robert 2008, Stat. Comput. 18:447, doi 10.1007/s11222-008-9059-x
        (population Monte Carlo with mixtures of t); Owen & Zhou 2000, J. Am. Stat. Assoc. 95:135
        (the defensive component).
    """
    u, w = cloud.u, cloud.weight
    if len(w) > _FIT:
        # Drawn at random: every 2ᵏ-th point of a Sobol sequence covers a part of the space only.
        some = np.sort(np.random.default_rng(0).permutation(len(w))[:_FIT])
        u, w = u[:, some], w[some]
    w = _tempered(w)
    origin = u @ w
    centred = u - origin[:, None]
    d = len(origin)
    eye = jnp.eye(d, dtype=w.dtype)
    cov = (centred * w) @ centred.T
    axes = cholesky(cov + 1e-10 * jnp.diag(jnp.diag(cov)) + 1e-14 * eye)
    x = inverse_lower(axes) @ centred
    moments = _moments(x)
    # Fitted to the tails more than to the middle: the ends of an interval must be as sure as the mean.
    w = w * (0.5 + jnp.mean(centred**2 / jnp.maximum(jnp.diag(cov), 1e-300)[:, None], axis=0))
    w = w / jnp.sum(w)
    # The first guess: equal segments along the axis on which the weights are most skewed or spread out.
    third = (x**3) @ w
    fourth = jnp.abs((x**4) @ w - 3.0)
    along = x[jnp.argmax(jnp.abs(third) + fourth)]
    ends = special.ndtri(np.arange(1, _COMPONENTS) / _COMPONENTS)
    segment = jnp.sum(along > ends[:, None], axis=0)
    belongs = (segment[None] == jnp.arange(_COMPONENTS)[:, None]).astype(w.dtype)
    parts = _maximise(moments, belongs * w, belongs * w)

    def step(parts, _):
        share, centre, factor = parts
        square, whiten = _squares(centre, factor, x)
        density = (share * _height(whiten))[:, None] * _kernel(square, d)
        belongs = density * (w / jnp.maximum(jnp.sum(density, axis=0), 1e-300))
        return _maximise(moments, belongs, belongs * ((NU + d) / (NU + square))), None

    (share, centre, factor), _ = jax.lax.scan(step, parts, None, length=_EM_STEPS)
    return Mixture(
        origin,
        axes,
        jnp.append(0.9 * share, 0.1),
        jnp.concatenate([centre, 0 * eye[:1]]),
        _WIDER * jnp.concatenate([factor, np.sqrt(2.0) * eye[None]]),
    )


def _moments(x):
    """1, x and the products x_i x_j, i ≥ j, of points (D, S)."""
    i, j = np.tril_indices(len(x))
    return jnp.concatenate([jnp.ones_like(x[:1]), x, x[i] * x[j]])


def _maximise(moments, belongs, pull):
    """The M step: shares above 2 %, scale matrices drawn towards a tenth of the whole's."""
    k = len(belongs)
    share = jnp.sum(belongs, axis=1)
    total = pull @ moments.T
    d = round((-3 + (1 + 8 * moments.shape[0]) ** 0.5) / 2)
    i, j = np.tril_indices(d)
    full = np.zeros((d, d), int)
    full[i, j] = full[j, i] = np.arange(len(i))
    weight = jnp.maximum(total[:, :1], 1e-300)
    seen = share > 1e-6
    centre = jnp.where(seen[:, None], total[:, 1 : 1 + d] / weight, 0.0)
    eye = jnp.eye(d, dtype=moments.dtype)
    second = total[:, 1 + d :][:, full.ravel()].reshape(k, d, d)
    second = second - weight[:, :, None] * centre[:, :, None] * centre[:, None]
    prior = 0.02
    scatter = jnp.where(seen[:, None, None], second, 0.0) + 0.1 * prior * eye
    scatter = scatter / (share + prior)[:, None, None]
    share = jnp.maximum(share, 0.02)
    return share / jnp.sum(share), centre, jax.vmap(cholesky)(scatter)


def _tempered(weight, least: float = 100.0):
    """Weights, or the first of their square, fourth, … roots that has an effective size of `least` points."""
    powers = [weight]
    for _ in range(3):
        powers.append(jnp.sqrt(powers[-1]))
    w = jnp.stack([*powers, jnp.ones_like(weight)])
    w = w / jnp.sum(w, axis=1, keepdims=True)
    enough = 1 / jnp.sum(w * w, axis=1) >= least
    return w[jnp.argmax(enough)]


# -- points and weights ---------------------------------------------------------------------------


def weigh(potential: Callable, mixture: Mixture, z, *, to_u: Callable | None = None) -> Cloud:
    """Draw from a mixture by standard t points z (D, S), and weigh by the density e^−potential.

    Args:
        potential: −log density of u (D,).
        mixture: where to draw.
        z: points, from `turned`.
        to_u: the map from the mixture's coordinates to u, and ln of its Jacobian, where they differ.

    References:
        Owen & Zhou 2000, as in `adapt` (the mixture's density in the denominator, shares fixed).
    """
    n = z.shape[1]
    ends = jnp.cumsum(mixture.share)
    index = jnp.sum((jnp.arange(n) + 0.5) / n > ends[:-1, None], axis=0)
    x = _placed(mixture, index, z)
    share = jnp.mean(index[None] == jnp.arange(len(ends))[:, None], axis=1)  # in fact, in whole points
    square, whiten = _squares(mixture.centre, mixture.factor, x)
    log_q = jnp.log((share * _height(whiten)) @ _kernel(square, len(x)))
    v = mixture.origin[:, None] + mixture.axes @ x
    u, size = (v, 0.0) if to_u is None else to_u(v)
    log_q = log_q - jnp.sum(jnp.log(jnp.diag(mixture.axes))) - size
    log_weight = -jax.vmap(potential, in_axes=1)(u) - log_q
    log_weight = jnp.where(jnp.isfinite(log_weight), log_weight, -jnp.inf)
    smooth, k_hat = psis(log_weight)
    top = jnp.max(log_weight)
    raw = jnp.exp(log_weight - jnp.where(jnp.isfinite(top), top, 0.0))
    mean = jnp.mean(raw)
    return Cloud(u, jnp.exp(smooth), k_hat, top + jnp.log(mean), jnp.std(raw) / (mean * np.sqrt(n)))


def _placed(mixture: Mixture, index, z):
    """Points of the component that each belongs to, (D, S), from standard ones."""

    def own(values):  # (K, ...) -> of each point
        out = values[0]
        for k in range(1, len(values)):
            out = jnp.where(index >= k, values[k], out)
        return out

    d = len(z)
    centre, factor = mixture.centre, mixture.factor
    if d > _WRITTEN_OUT:
        return own(jnp.einsum("kij,js->kis", factor, z) + centre[:, :, None])
    # One pass over the points, without the K · D · S numbers between.
    rows = [sum((own(factor[:, i, j]) * z[j] for j in range(i + 1)), own(centre[:, i])) for i in range(d)]
    return jnp.stack(rows)


# The t's density, in powers: a logarithm costs as much as five multiplications.


def _squares(centre, factor, x):
    """Squared distances (K, S) of points from each t, and the inverse factors (K, D, D)."""
    whiten = jax.vmap(inverse_lower)(factor)
    d = len(x)
    if d > _WRITTEN_OUT:
        y = jnp.einsum("kij,js->kis", whiten, x) - jnp.einsum("kij,kj->ki", whiten, centre)[:, :, None]
        return jnp.sum(y * y, axis=1), whiten
    apart = [x[j] - centre[:, j, None] for j in range(d)]
    rows = [sum(whiten[:, i, j, None] * apart[j] for j in range(i + 1)) for i in range(d)]
    return sum(y * y for y in rows), whiten


def _height(whiten):
    """Density at the centre, (K,)."""
    d = whiten.shape[-1]
    gauge = special.gammaln((NU + d) / 2) - special.gammaln(NU / 2) - d / 2 * np.log(NU * np.pi)
    return np.exp(gauge) * jnp.prod(jax.vmap(jnp.diag)(whiten), axis=1)


def _kernel(square, d: int):
    """(1 + square/ν)^−(ν+d)/2: the density over that at the centre."""
    near = 1 / (1 + square / NU)
    half, odd = divmod(NU + d, 2)
    return jax.lax.integer_pow(near, half) * (jnp.sqrt(near) if odd else 1.0)
