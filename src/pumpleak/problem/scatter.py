"""How readings scatter about what is expected of them: densities, and Fisher information of them."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import log_ndtr, polygamma
from numpyro.distributions import constraints

from .noise import FAR, Recording

_NEGLIGIBLE = 40.0  # nats
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


class Outliers(dist.Distribution):
    """(1 − ε) N(μ, s²) + ε N(μ, (k s)²): most readings are good, and some are k times as wide.

    References:
        Box & Tiao 1968, Biometrika 55:119-129, doi 10.1093/biomet/55.1.119.
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "share": constraints.unit_interval,
        "factor": constraints.greater_than_eq(1.0),
    }
    reparametrized_params = ["loc", "scale"]
    pytree_data_fields = ("loc", "scale", "share", "factor")

    def __init__(self, loc, scale, share, factor, *, validate_args=None):
        self.loc, self.scale, self.share, self.factor = jnp.broadcast_arrays(loc, scale, share, factor)
        super().__init__(jnp.shape(self.loc), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.real

    def sample(self, key, sample_shape=()):
        which, z = jax.random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        wide = jax.random.bernoulli(which, self.share, shape)
        z = jax.random.normal(z, shape, jnp.result_type(self.loc))
        return self.loc + self.scale * jnp.where(wide, self.factor, 1.0) * z

    def log_prob(self, value):
        good = dist.Normal(self.loc, self.scale).log_prob(value)
        wide = dist.Normal(self.loc, self.scale * self.factor).log_prob(value)
        return jnp.logaddexp(jnp.log1p(-self.share) + good, jnp.log(self.share) + wide)


class Recorded(dist.Distribution):
    """Readings that were rounded, or cut off at a limit, where `where`; the rest as `base` has them.

    The log-density is ln[(F(high) − F(low)) / step] of the interval that the written value stands for: per mV as that
    of a reading with all its digits, which is its limit at a step of 0. At a floor or a ceiling it is the logarithm of
    the probability of what would be written so: of lying beyond, or of being rounded to it.

    References:
        Heitjan 1989, Stat. Sci. 4:164-183, doi 10.1214/ss/1177012601 (rounded); Tobin 1958, Econometrica
        26:24-36, doi 10.2307/1907382 (cut off).
    """

    pytree_data_fields = ("base", "where")
    pytree_aux_fields = ("recording",)

    def __init__(self, base, where, recording: Recording, *, validate_args=None):
        self.base, self.where, self.recording = base, where, recording
        super().__init__(base.batch_shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.real

    @property
    def loc(self):
        return self.base.loc

    @property
    def scale(self):
        return self.base.scale

    def sample(self, key, sample_shape=()):
        value = self.base.sample(key, sample_shape)
        return jnp.where(self.where, self.recording.written(value), value)

    def log_prob(self, value):
        low, high = self.recording.edges(value)
        interval = self.where & (high > low)
        inside = _log_between(self.base, low, jnp.where(interval, high, low + 1.0))
        open_ended = (low <= -FAR) | (high >= FAR)
        inside = inside - jnp.where(open_ended, 0.0, math.log(self.recording.rounding or 1.0))
        return jnp.where(interval, inside, self.base.log_prob(value))


def scatter(kind: str, loc, scale, shape: Mapping[str, Any]) -> dist.Distribution:
    """The distribution of readings of one kind of noise.

    Args:
        kind: one of `KINDS`.
        loc, scale: (N,) what is expected, and its scatter.
        shape: the quantities of `KINDS`, each () or (N,).
    """
    if kind == "student_t":
        return dist.StudentT(shape["nu"], loc, scale)
    if kind == "outliers":
        return Outliers(loc, scale, shape["outlier_share"], shape["outlier_factor"])
    return dist.Normal(loc, scale)


def information(d: dist.Distribution) -> dict[tuple[str, str], Any]:
    """Fisher information of a reading about its location [1/unit²], ln of its scale, and its noise's shape.

    Of rounded and cut-off readings the factors hold to first order, and for normal noise: they steer proposals.

    References:
        Lehmann & Casella, *Theory of Point Estimation*, 2nd ed., section 2.5; Lange, Little & Taylor 1989,
        J. Am. Stat. Assoc. 84:881 (Student-t); Sheppard 1898 (rounding: step²/12 joins the variance).
    """
    if isinstance(d, Recorded):
        kept = jnp.where(d.where, _share_kept(d), 1.0)
        # Of the variance σ² + step²/12 a share moves with σ: what is left of ln σ is the square of that.
        return {k: v * (kept**2 if "log_scale" in k else kept) for k, v in information(d.base).items()}
    if isinstance(d, dist.StudentT):
        nu, scale = jnp.asarray(d.df), jnp.asarray(d.scale)
        about_nu = (polygamma(1, nu / 2) - polygamma(1, (nu + 1) / 2)) / 4
        return {
            ("loc", "loc"): (nu + 1) / (nu + 3) / scale**2,
            ("log_scale", "log_scale"): 2 * nu / (nu + 3),
            ("nu", "nu"): about_nu - (nu + 5) / (2 * nu * (nu + 1) * (nu + 3)),
            ("nu", "log_scale"): -2 / ((nu + 1) * (nu + 3)),
        }
    if isinstance(d, Outliers):
        return _outlier_information(d)
    return {("loc", "loc"): 1 / d.scale**2, ("log_scale", "log_scale"): jnp.full_like(d.scale, 2.0)}


def location_information(d: dist.Distribution, of_unit):
    """The entry of `information` about the location alone, of noise that has `of_unit` of it at scale 1."""
    if isinstance(d, Recorded):
        return jnp.where(d.where, _share_kept(d), 1.0) * of_unit / d.scale**2
    return of_unit / d.scale**2


def _log_between(d, low, high):
    """ln of the probability between two edges."""
    a, b = (low - d.loc) / d.scale, (high - d.loc) / d.scale
    if isinstance(d, dist.StudentT):
        return _log_between_t(a, b, d.df)
    if isinstance(d, Outliers):
        good, wide = _log_between_normal(a, b), _log_between_normal(a / d.factor, b / d.factor)
        return jnp.logaddexp(jnp.log1p(-d.share) + good, jnp.log(d.share) + wide)
    return _log_between_normal(a, b)


def _log_between_normal(a, b):
    """ln[Φ(b) − Φ(a)], in the lower tail, where Φ keeps its digits."""
    upper = a + b > 0
    a, b = jnp.where(upper, -b, a), jnp.where(upper, -a, b)
    at_b = log_ndtr(b)
    return at_b + jnp.log(-jnp.expm1(log_ndtr(a) - at_b))


def _log_between_t(a, b, nu):
    """ln of Student's t between a and b: with x = √ν tan θ its density is cos^(ν−1) θ, smooth and without a tail.

    Gauss-Legendre on it, as far as it is more than e⁻⁴⁰ of its height, has a derivative in ν, which the incomplete
    beta function lacks.
    """
    root = jnp.sqrt(nu)
    start, end = jnp.arctan(a / root), jnp.arctan(b / root)
    inner = jnp.where(start * end < 0, 0.0, jnp.minimum(jnp.abs(start), jnp.abs(end)))
    edge = jnp.arccos(jnp.cos(inner) * jnp.exp(-_NEGLIGIBLE / jnp.maximum(nu - 1, 1e-3)))
    start, end = jnp.maximum(start, -edge), jnp.minimum(end, edge)
    half = (end - start) / 2
    theta = (start + half)[..., None] + half[..., None] * _NODES
    power = (jnp.asarray(nu)[..., None] - 1) * jnp.log(jnp.cos(theta))
    norm = (
        jax.scipy.special.gammaln((nu + 1) / 2) - jax.scipy.special.gammaln(nu / 2) - 0.5 * math.log(math.pi)
    )
    return norm + jnp.log(half) + jax.scipy.special.logsumexp(power, b=_WEIGHTS, axis=-1)


def _share_kept(d: Recorded):
    """The part of a reading's information about its location that rounding and limits leave."""
    kept = 1.0
    for limit, sign in ((d.recording.floor, 1.0), (d.recording.ceiling, -1.0)):
        if math.isfinite(limit):
            z = sign * (limit - d.loc) / d.scale
            beyond = jnp.exp(-0.5 * z**2 - log_ndtr(z)) / math.sqrt(2 * math.pi)  # φ/Φ
            kept = kept - jnp.exp(log_ndtr(z)) * jnp.clip(1 - beyond * (beyond + z), 0.0, 1.0)
    return jnp.maximum(kept, 1e-3) / (1 + (d.recording.rounding / d.scale) ** 2 / 12)


def _outlier_information(d: Outliers) -> dict[tuple[str, str], Any]:
    """E[score scoreᵀ] by the trapezium rule in z = sinh t, which is exact to many digits for smooth tails."""
    t = jnp.linspace(-7.0, 7.0, 141)
    z, weight = jnp.sinh(t), jnp.cosh(t) * (t[1] - t[0])
    eps, k = jnp.asarray(d.share)[..., None], jnp.asarray(d.factor)[..., None]
    good = jnp.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    wide = jnp.exp(-0.5 * (z / k) ** 2) / (k * math.sqrt(2 * math.pi))
    p = (1 - eps) * good + eps * wide
    p = jnp.maximum(p, 1e-300)
    pull = ((1 - eps) * good * z + eps * wide * z / k**2) / p
    scores = {
        "log_scale": z * pull - 1,
        "outlier_share": (wide - good) / p,
        "outlier_factor": eps * wide * (z**2 / k**2 - 1) / k / p,
    }
    names = list(scores)
    out = {("loc", "loc"): jnp.sum(weight * p * pull**2, axis=-1) / d.scale**2}
    for i, a in enumerate(names):
        for b in names[: i + 1]:
            out[a, b] = jnp.sum(weight * p * scores[a] * scores[b], axis=-1)
    return out
