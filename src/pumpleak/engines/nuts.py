"""NUTS on a potential: one compiled program, one thread a chain, an eye on Ctrl-C."""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import NUTS
from numpyro.infer.hmc import HMCState
from numpyro.infer.hmc_util import HMCAdaptState

from ..problem.causes import no_answer
from ..problem.problem import Problem
from ..traced import program
from .arrays import cores

_MOST_REPEATS = 20_000  # of diverging transitions, looked at again
_DENSE = 100  # coordinates up to which the mass matrix is dense
_BLOCK = 100  # iterations between looks at the progress bar and at Ctrl-C


class Draws(NamedTuple):
    """What the chains returned, warm-up apart.

    Attributes:
        u: (chains, draws, D) unconstrained positions.
        stats: name -> (chains, draws): diverging, left_domain, energy, lp, n_steps, acceptance_rate,
            step_size. A transition that stopped where the density is 0 has left the domain, and is not
            counted as diverging.
        engine: of draws that the ladder of engines made, not `run_nuts`: how it judged them, as `quick` says.
    """

    u: np.ndarray
    stats: dict[str, np.ndarray]
    engine: dict[str, Any] | None = None


def run_nuts(
    potential: Callable,
    starts: jax.Array,
    *,
    warmup: int,
    draws: int,
    target_accept: float,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Draws:
    """Run NUTS from each start, with a mass matrix adapted in warm-up: dense up to 100 coordinates, then diagonal.

    Chains run in threads, each in its own pace. Lockstep chains under `vmap` wait at every step for the
    longest trajectory and compile three times as slowly; for a potential this small the threads were
    four times as fast on two cores.

    Args:
        potential: −log density of a point (D,), JAX-traceable.
        starts: (chains, D) where each chain begins.
        warmup, draws: iterations a chain.
        target_accept: acceptance the step size is adapted to.
        seed: the same seed and shapes give the same draws.
        progress: called with the number of iterations done over all chains.

    Returns:
        The `Draws`.

    References:
        Hoffman & Gelman 2014, J. Mach. Learn. Res. 15:1593 (NUTS).
    """
    make = functools.partial(NUTS, dense_mass=starts.shape[1] <= _DENSE, target_accept_prob=target_accept)
    total = warmup + draws
    keys = jax.random.split(jax.random.key(seed), len(starts))
    begin, block = _programs(make, potential, warmup, keys[0], starts[0])
    states = [begin(key, start) for key, start in zip(keys, starts, strict=True)]
    results = _in_threads(states, block, warmup, total, progress)
    progress(total * len(starts))
    stacked = {k: np.stack([r[k] for r, _ in results]) for k in results[0][0]}
    keys, before = stacked.pop("key"), stacked.pop("before")
    stacked["left_domain"] = np.zeros_like(stacked["diverging"])
    if stacked["diverging"].any():
        left_domain = _left_domain(
            potential, make, [s for _, s in results], stacked["diverging"], before, keys
        )
        stacked["left_domain"] |= left_domain
        stacked["diverging"] &= ~left_domain
    return Draws(stacked.pop("u"), stacked)


def _programs(make: Callable[..., NUTS], potential: Callable, warmup: int, key, start) -> list[Callable]:
    """What begins a chain, from (key, start), and what moves it on by a block, from its state; both compiled."""

    def begin(key, start):
        return make(potential_fn=potential).init(key, warmup, start, (), {})

    def block(state):
        kernel = make(potential_fn=potential)
        jax.eval_shape(lambda: kernel.init(state.rng_key, warmup, state.z, (), {}))  # sets it up

        def step(state, _):
            key = jax.random.key_data(state.rng_key)
            state = kernel.sample(state, (), {})
            kept = {
                "key": key,
                "u": state.z,
                "diverging": state.diverging,
                "energy": state.energy,
                "lp": -state.potential_energy,
                "n_steps": state.num_steps,
                "acceptance_rate": state.accept_prob,
                "step_size": state.adapt_state.step_size,
            }
            return state, kept

        return jax.lax.scan(step, state, None, length=_BLOCK)

    # XLA compiles outside the GIL: both programs at once.
    begins, moves = (program(f, HMCState, HMCAdaptState) for f in (begin, block))
    lowered = [begins.lower(key, start), moves.lower(begins.shapes(key, start))]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda program: program.compile(), lowered))


def _in_threads(states: list, block: Callable, warmup: int, total: int, progress: Callable[[int], None]):
    """Every chain's kept numbers after warm-up, with the point `before` each transition, and its last state."""
    stop = threading.Event()
    done = [0] * len(states)

    def run(chain: int):
        out = []
        with jax.enable_x64(True):
            state = states[chain]
            for i in range(-(-total // _BLOCK)):
                if stop.is_set():
                    raise KeyboardInterrupt
                state, kept = block(state)
                out.append(jax.tree.map(np.asarray, kept))
                done[chain] = min((i + 1) * _BLOCK, total)
        kept = {k: np.concatenate([b[k] for b in out]) for k in out[0]}
        kept["before"] = np.concatenate([kept["u"][:1], kept["u"][:-1]])
        return {k: v[warmup:total] for k, v in kept.items()}, state

    with ThreadPoolExecutor(min(len(states), jax.local_device_count() * cores())) as pool:
        futures = [pool.submit(run, c) for c in range(len(states))]
        try:
            while wait(futures, timeout=0.05).not_done:
                progress(sum(done))
            return [f.result() for f in futures]
        except BaseException:
            stop.set()
            raise


def _left_domain(potential, make, states, diverging, before, keys) -> np.ndarray:
    """Which diverging transitions met a density of 0: each is run again, with the same numbers, and watched.

    NUTS itself cannot tell: to it a potential of +inf is one more large error of energy.
    """
    seen = []

    def watched(u):
        value = potential(u)
        jax.debug.callback(lambda v: seen.append(np.isposinf(v)), value)
        return value

    kernel = make(potential_fn=watched)
    jax.eval_shape(lambda k, u: kernel.init(k, 1, u, (), {}), jax.random.key(0), before[0, 0])

    @jax.jit
    def again(state, u, key):
        value, slope = jax.value_and_grad(potential)(u)
        key = jax.random.wrap_key_data(key)
        return kernel.sample(
            state._replace(z=u, potential_energy=value, z_grad=slope, rng_key=key), (), {}
        ).num_steps

    out = np.zeros_like(diverging)
    for chain, draw in np.argwhere(diverging)[:_MOST_REPEATS]:
        seen.clear()
        again(states[chain], before[chain, draw], keys[chain, draw]).block_until_ready()
        jax.effects_barrier()
        out[chain, draw] = any(seen)
    return out


def traced_chain(potential: Callable, key, start, *, warmup: int, draws: int, target_accept: float):
    """One whole chain within a traced program, as `run_nuts` runs it. Not for `vmap`, whose lanes wait.

    Args:
        potential: −log density of a point (D,).
        key: a PRNG key.
        start: (D,) with a finite density.
        warmup, draws: iterations.
        target_accept: acceptance the step size is adapted to.

    Returns:
        Positions (draws, D), and whether each of these transitions diverged, bool (draws,).
    """
    kernel = NUTS(potential_fn=potential, dense_mass=len(start) <= _DENSE, target_accept_prob=target_accept)
    state = kernel.init(key, warmup, start, (), {})

    def step(state, _):
        state = kernel.sample(state, (), {})
        return state, (state.z, state.diverging)

    state, _ = jax.lax.scan(lambda state, _: (step(state, _)[0], None), state, length=warmup)
    return jax.lax.scan(step, state, length=draws)[1]


def chain_starts(problem: Problem, candidates: jax.Array, chains: int) -> jax.Array:
    """One start a chain: the likeliest of that chain's share of prior draws.

    Args:
        problem: the problem.
        candidates: (n, D) draws from the prior, n a multiple of `chains`.
        chains: how many starts.

    Raises:
        InputError: no candidate of some chain has a finite density.
    """
    heights = program(jax.vmap(problem.potential))(candidates).reshape(chains, -1)
    heights = jnp.where(jnp.isfinite(heights), heights, jnp.inf)
    if not bool(jnp.isfinite(heights.min(axis=1)).all()):
        raise no_answer(problem)
    best = jnp.argmin(heights, axis=1)
    return candidates.reshape(chains, -1, candidates.shape[-1])[jnp.arange(chains), best]
