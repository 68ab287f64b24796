"""Hamiltonian Monte Carlo with trajectories of one length for all lanes, traced: what `vmap` does well.

NUTS under `vmap` waits at every step for the longest trajectory of the batch. Here every iteration's number of
leapfrog steps is drawn once, for all cells and chains; jitter breaks the periodic orbits that a fixed one meets.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_LONGEST = 12  # leapfrog steps, at most
_TARGET = 0.85
_WILD = 1000.0  # energy error that counts as a divergence


class Chain(NamedTuple):
    """Positions x (draws, D), how often the energy was lost within the domain, the step size, and acceptance."""

    x: Any
    divergences: Any
    step_size: Any
    acceptance: Any


def step_counts(n: int, seed: int) -> np.ndarray:
    """Leapfrog steps of each iteration, jittered, the same for every lane."""
    return np.random.default_rng(seed).integers(3, _LONGEST + 1, n)


def run_chain(potential: Callable, start, key, counts, warmup: int) -> Chain:
    """One chain with unit mass: the coordinates are expected to be whitened.

    Args:
        potential: −log density of x (D,).
        start: (D,) with a finite density.
        key: a PRNG key.
        counts: (warmup + draws,) leapfrog steps of each iteration.
        warmup: iterations in which the step size is adapted by dual averaging.

    References:
        Neal 2011, Handbook of MCMC, ch. 5 (arXiv:1206.1901); Hoffman & Gelman 2014, J. Mach. Learn. Res.
        15:1593, section 3.2 (dual averaging).
    """
    look = jax.value_and_grad(potential)

    def leap(state, eps):
        x, p, _, slope = state
        p = p - 0.5 * eps * slope
        x = x + eps * p
        value, slope = look(x)
        slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
        return x, p - 0.5 * eps * slope, value, slope

    def iterate(state, given):
        x, value, slope, log_eps, mean_eps, error = state
        i, count, key = given
        k1, k2 = jax.random.split(key)
        p = jax.random.normal(k1, x.shape, x.dtype)
        eps = jnp.exp(jnp.where(i < warmup, log_eps, mean_eps))
        end = jax.lax.fori_loop(0, count, lambda _, s: leap(s, eps), (x, p, value, slope))
        change = end[2] + 0.5 * jnp.sum(end[1] ** 2) - value - 0.5 * jnp.sum(p**2)
        outside = jnp.isposinf(end[2])
        wild = ~outside & ~(change < _WILD)
        accept = jnp.where(jnp.isfinite(change), jnp.minimum(1.0, jnp.exp(-change)), 0.0)
        taken = jax.random.uniform(k2, dtype=x.dtype) < accept
        x, value, slope = jax.tree.map(
            lambda a, b: jnp.where(taken, a, b), (end[0], end[2], end[3]), (x, value, slope)
        )
        # Dual averaging, with the constants of Hoffman & Gelman (2014).
        m = i + 1.0
        error = error + (_TARGET - accept)
        new = np.log(10 * _FIRST) - jnp.sqrt(m) / 0.05 / (m + 10.0) * error
        log_eps = jnp.where(i < warmup, jnp.clip(new, -8.0, 0.5), log_eps)
        mean_eps = jnp.where(i < warmup, mean_eps + m**-0.75 * (log_eps - mean_eps), mean_eps)
        return (x, value, slope, log_eps, mean_eps, error), (x, wild & (i >= warmup), accept)

    n = len(counts)
    value, slope = look(start)
    first = jnp.asarray(np.log(_FIRST), start.dtype)
    state = (start, value, jnp.where(jnp.isfinite(slope), slope, 0.0), first, first, jnp.zeros_like(first))
    given = (jnp.arange(n), jnp.asarray(counts), jax.random.split(key, n))
    state, (x, wild, accept) = jax.lax.scan(iterate, state, given)
    return Chain(x[warmup:], jnp.sum(wild), jnp.exp(state[4]), jnp.mean(accept[warmup:]))


_FIRST = 0.35
