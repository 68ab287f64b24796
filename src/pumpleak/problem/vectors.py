"""What XLA does quickest with short vectors: sums of logarithms, and picks without a gather."""

from __future__ import annotations

import numpy as np

from ..lazy import jnp

_MOST_SELECTS = 16


def sum_log(x):
    """Σ ln x of a vector, four at a time: one logarithm costs as much as ten products."""
    x = jnp.concatenate([x, jnp.ones(-len(x) % 4, x.dtype)]).reshape(-1, 4)
    return jnp.sum(jnp.log(jnp.prod(x, axis=1)))


def take(values, index: np.ndarray, missing=0.0):
    """values[index], and `missing` where the index is −1; without a gather where that can be helped.

    A gather's transpose is a slow loop on a CPU: for ten readings, selects made the gradient ten times as
    fast, and the whole of NUTS three times.
    """
    if np.array_equal(index, np.arange(len(values))):
        return values
    used = np.unique(index[index >= 0])
    if len(used) > _MOST_SELECTS:
        taken = values[np.maximum(index, 0)]
        return jnp.where(index >= 0, taken, missing) if (index < 0).any() else taken
    out = jnp.broadcast_to(jnp.asarray(missing, values.dtype), index.shape)
    for k in used:
        out = jnp.where(index == k, values[int(k)], out)
    return out
