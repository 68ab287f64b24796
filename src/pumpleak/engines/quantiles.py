"""Quantiles of weighted points, traced."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_BINS = 512


class Bins(NamedTuple):
    """The distribution of weighted points over 512 equal bins.

    Attributes:
        low, width: where the first begins, and how wide each is.
        below: (512,) the weight up to each one's end.
    """

    low: Any
    width: Any
    below: Any


def binned(y, w) -> Bins:
    """The distribution of weighted points (S,).

    Between a bin's ends the distribution runs straight, which for a thousand points is closer than they
    themselves are. Sorting costs ten times as much.
    """
    there = w > 1e-2 / len(w)  # a point far off that weighs nothing must not stretch the bins
    low, high = jnp.min(jnp.where(there, y, jnp.inf)), jnp.max(jnp.where(there, y, -jnp.inf))
    width = jnp.maximum(high - low, 1e-300) / _BINS
    place = jnp.clip((y - low) / width, 0, _BINS - 1)
    place = jnp.where(jnp.isfinite(place), place, 0).astype(jnp.int32)
    return Bins(low, width, jnp.cumsum(jnp.zeros(_BINS, w.dtype).at[place].add(w)))


def _read_bins(bins: Bins, p):
    """Quantiles at p (Q,)."""
    low, width, below = bins
    p = p * below[-1]
    k = jnp.clip(jnp.searchsorted(below, p), 0, _BINS - 1)
    before = jnp.where(k > 0, below[k - 1], 0.0)
    inside = jnp.clip((p - before) / jnp.maximum(below[k] - before, 1e-300), 0.0, 1.0)
    return low + (k + inside) * width


def quantiles_of(bins: Bins, p):
    """Quantiles (P, Q) of P distributions at p, (Q,) or (P, Q)."""
    return jax.vmap(_read_bins)(bins, jnp.broadcast_to(p, (len(bins.low), p.shape[-1])))
