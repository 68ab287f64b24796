"""Safe kernels, right in value and derivatives where textbook formulas divide 0 by 0; a root solver; many points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..lazy import arrays_in, is_traced, jax, jnp

if TYPE_CHECKING:
    from jax.typing import ArrayLike

# x²ᵏ coefficients of B(x) - x/2 = Σ B₂ₖ x²ᵏ/(2k)!, k = 0, 1, … (Bernoulli numbers B₂ₖ; DLMF 24.2.1).
_BERNOULLI = [
    float(numerator / denominator / math.factorial(2 * k))
    for k, (numerator, denominator) in enumerate(
        [(1, 1), (1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510)]
        + [(43867, 798), (-174611, 330), (854513, 138), (-236364091, 2730)]
    )
]


def as_floats(*values: ArrayLike) -> list[jax.Array]:
    """The values as arrays of one floating dtype: the arrays' common one, or JAX's default without any.

    Python numbers follow the arrays, also in lists, so that z=[1, -1] or T=310.15 keeps single precision.
    """
    floating = [a for a in arrays_in(values) if jnp.issubdtype(a.dtype, jnp.floating)]
    dtype = jnp.result_type(*floating) if floating else jnp.result_type(float)
    return [jnp.asarray(value, dtype) for value in values]


def checked_valences(z: ArrayLike | Sequence[float]) -> np.ndarray | jax.Array:
    """Valences as a NumPy array where their values are known while tracing, else as the traced array."""
    if is_traced(z):
        z = jnp.asarray(z)
    else:
        z = np.asarray(z)
        if z.dtype.kind not in "iuf" or not np.all(np.isfinite(z)) or np.any(z == 0):
            raise InputError(
                f"valences z = {z.tolist()!r}: each must be a non-zero number", mend="Leave out z = 0"
            )
    if z.ndim > 1:
        raise InputError(f"valences z have shape {z.shape}", mend="Give one number, or one per ion")
    return z


def check_ion_axis(z: np.ndarray | jax.Array, **arrays: jax.Array) -> None:
    """Raises unless the last axis of every array counts the same ions as `z` of shape (n,)."""
    for name, array in arrays.items():
        if array.ndim == 0 or array.shape[-1] != z.shape[0]:
            raise InputError(
                f"{name} has shape {array.shape}, but z has {z.shape[0]} ions",
                mend="Put ions on the last axis",
            )
    try:
        jnp.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise InputError(
            f"shapes do not broadcast: {shapes}", mend="Give equal or broadcastable shapes"
        ) from None


def over_ions(x: jax.Array, z: np.ndarray | jax.Array) -> jax.Array:
    """`x` (...) with a trailing axis for the ions where `z` has one, so that it broadcasts with (..., n)."""
    return x[..., None] if z.ndim else x


def bernoulli_pair(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """B(x) and B(-x) of B(x) = x / (1 - e⁻ˣ), with right derivatives everywhere.

    The quotient's second derivative loses eps/x² to cancellation, so the series holds up to |x| = 1. Beyond
    it B(±x) = max(±x, 0) + |x| e^-|x| / (1 - e^-|x|), in which nothing overflows and B(-x) keeps its digits.
    """
    single = x.dtype.itemsize <= 4
    near = jnp.abs(x) < 1
    # Guarded twice: each branch sees only arguments at which its derivatives are finite.
    squared = jnp.square(jnp.where(near, x, 0))
    even = jnp.zeros_like(x)
    for coefficient in reversed(_BERNOULLI[:7] if single else _BERNOULLI):
        even = even * squared + coefficient
    far = jnp.where(near, 1, x)
    size = jnp.minimum(jnp.abs(far), 80 if single else 700)  # e^-size stays a normal number
    decay = size * jnp.exp(-size) / -jnp.expm1(-size)
    half = jnp.where(near, x, 0) / 2
    plus = jnp.where(near, even + half, jnp.maximum(far, 0) + decay)
    minus = jnp.where(near, even - half, jnp.maximum(-far, 0) + decay)
    return plus, minus


def bernoulli(x: jax.Array) -> jax.Array:
    """B(x) = x / (1 - e⁻ˣ), B(0) = 1, with right first and second derivatives everywhere."""
    return bernoulli_pair(x)[0]


def atanh_ratio(y: jax.Array) -> jax.Array:
    """atanh(y) / y for |y| < 1, 1 at 0, with right first and second derivatives."""
    near = jnp.abs(y) < 0.2
    squared = jnp.square(jnp.where(near, y, 0))
    series = jnp.zeros_like(y)
    for k in range(6 if y.dtype.itemsize <= 4 else 13, -1, -1):
        series = series * squared + 1 / (2 * k + 1)
    far = jnp.where(near, 0.5, y)
    return jnp.where(near, series, jnp.arctanh(far) / far)


def log_ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """ln(numerator / denominator), with an answer for a side that is 0.

    -inf or +inf where one of them is 0, NaN where both are or one is negative.

    Derivatives are 0 where the value is not finite, so that such a lane never spoils a sum of gradients.
    One logarithm of the quotient is both faster and, near 1, more exact than a difference of two.
    """
    good = (numerator > 0) & (denominator > 0)
    value = jnp.log(jnp.where(good, numerator, 1) / jnp.where(good, denominator, 1))
    low = (numerator == 0) & (denominator > 0)
    high = (denominator == 0) & (numerator > 0)
    return jnp.where(good, value, jnp.where(low, -jnp.inf, jnp.where(high, jnp.inf, jnp.nan)))


def monotone_root(
    f: Callable[[jax.Array], jax.Array],
    low: jax.Array,
    high: jax.Array,
    start: jax.Array,
    max_steps: int = 100,
) -> jax.Array:
    """The root of an increasing function in [low, high], elementwise, with the implicit derivative.

    Newton's method that falls back on bisection where a step leaves the bracket or does not halve the last
    one. No callbacks; lanes that are done are frozen, so a lane's digits do not depend on its neighbours'.
    `f` must be finite with a positive slope in every lane: replace lanes without a root before the call.
    """
    low, high, start = (jax.lax.stop_gradient(a) for a in (low, high, start))
    eps = float(jnp.finfo(start.dtype).eps)

    def solve(f, start):
        def step(state):
            u, low, high, last, done, count = state
            value, slope = jax.jvp(f, (u,), (jnp.ones_like(u),))
            low = jnp.where(value < 0, u, low)
            high = jnp.where(value > 0, u, high)
            newton = u - value / slope
            good = (newton >= low) & (newton <= high) & (2 * jnp.abs(newton - u) <= last)
            new = jnp.where(good, newton, 0.5 * (low + high))
            move = jnp.abs(new - u)
            # Newton squares the error: after a step below √eps/8 what is left is rounding.
            small = good & (move <= 0.125 * math.sqrt(eps) * (1 + jnp.abs(new)))
            stop = small | (value == 0) | (high - low <= 2 * eps * (1 + jnp.abs(new))) | jnp.isnan(value)
            u_next = jnp.where(done | (value == 0), u, new)
            return u_next, low, high, move, done | stop, count + 1

        def unfinished(state):
            return jnp.any(~state[4]) & (state[5] < max_steps)

        done = jnp.zeros(start.shape, bool)
        return jax.lax.while_loop(unfinished, step, (start, low, high, high - low, done, 0))[0]

    def tangent_solve(g, y):
        return y / g(jnp.ones_like(y))

    return jax.lax.custom_root(f, start, solve, tangent_solve)
