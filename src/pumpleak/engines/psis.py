"""Pareto-smoothed importance sampling, traced: what `arviz_stats` does to one array, under `vmap` and on any device."""

import math

import jax
import jax.numpy as jnp


def psis(log_weights) -> tuple[jax.Array, jax.Array]:
    """Smoothed log weights, normalised to sum to 1, and the Pareto shape k̂ of their tail.

    The largest M = min(S/5, 3√S) weights are replaced by expected order statistics of a generalised
    Pareto distribution fitted to them; none ends above the largest raw weight.

    Args:
        log_weights: (S,) log importance ratios; −inf where the target's density is 0.

    Returns:
        (S,) log weights and k̂. A tail without spread has k̂ = −inf, one that is not finite +inf.

    References:
        Vehtari, Simpson, Gelman, Yao & Gabry 2024, J. Mach. Learn. Res. 25(72); Zhang & Stephens 2009,
        Technometrics 51:316, doi 10.1198/tech.2009.08017 (the fit).
    """
    lw = jnp.asarray(log_weights, jnp.result_type(log_weights, float))
    n = lw.shape[0]
    m = int(math.ceil(min(n / 5, 3 * math.sqrt(n))))
    top = jnp.max(lw)
    there = jnp.isfinite(top)
    lw = jnp.where(there, lw - jnp.where(there, top, 0.0), 0.0)
    # Ranked in single precision, for which XLA has a partial sort: ten times as fast as sorting all.
    where = jax.lax.top_k(lw.astype(jnp.float32), m + 1)[1]
    where = where[jnp.argsort(lw[where])]  # rising
    cutoff = jnp.maximum(lw[where[0]], math.log(jnp.finfo(lw.dtype).tiny))
    where = where[1:]
    tail = lw[where]
    excess = jnp.exp(tail) - jnp.exp(cutoff)
    spread = excess[-1] > 1e-12
    k, sigma = _pareto(jnp.where(spread, jnp.maximum(excess, 0.0), jnp.linspace(0.1, 1.0, m)))
    smooth = jnp.log(_pareto_quantile((jnp.arange(m) + 0.5) / m, k, sigma) + jnp.exp(cutoff))
    usable = spread & jnp.isfinite(k)
    lw = lw.at[where].set(jnp.where(usable, jnp.minimum(smooth, 0.0), tail))
    k = jnp.where(spread, k, -jnp.inf)
    return lw - jax.nn.logsumexp(lw), jnp.where(there, k, jnp.inf)


def _pareto(x) -> tuple[jax.Array, jax.Array]:
    """Shape and scale of a generalised Pareto distribution fitted to rising x > 0, (m,)."""
    m = x.shape[0]
    grid = 30 + int(math.sqrt(m))
    j = jnp.arange(1, grid + 1, dtype=x.dtype)
    quarter = jnp.maximum(x[int(m / 4 + 0.5) - 1], 1e-300)
    b = (1 - jnp.sqrt(grid / (j - 0.5))) / (3 * quarter) + 1 / x[-1]
    # ln of products of four: as sure as four logarithms, at a quarter of what they cost.
    factors = jnp.concatenate([1 - b[:, None] * x, jnp.ones((grid, -m % 4), x.dtype)], axis=1)
    k = jnp.sum(jnp.log(jnp.prod(factors.reshape(grid, -1, 4), axis=2)), axis=1) / m
    height = m * (jnp.log(-b / k) - k - 1)
    weight = jax.nn.softmax(jnp.where(jnp.isfinite(height), height, -jnp.inf))
    # ArviZ drops grid points of negligible weight, so as not to sum rounding.
    weight = jnp.where(weight >= 10 * jnp.finfo(x.dtype).eps, weight, 0.0)
    b = jnp.sum(b * weight) / jnp.sum(weight)
    k = jnp.mean(jnp.log1p(-b * x))
    sigma = -k / b
    return (m * k + 5) / (m + 10), sigma  # a weak prior towards 1/2 (its appendix C)


def _pareto_quantile(p, k, sigma):
    near = jnp.abs(k) < 1e-8
    shape = jnp.where(near, 1.0, k)
    return sigma * jnp.where(near, -jnp.log1p(-p), jnp.expm1(-shape * jnp.log1p(-p)) / shape)
