"""Optima by L-BFGS from many starts."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..problem.problem import Problem
from ..traced import program
from .arrays import cores


@dataclass(frozen=True)
class Optimum:
    """One distinct optimum: its objective, how many starts found it, and the values there."""

    objective: float
    starts: int
    values: dict[str, Any]


def objective_of(problem: Problem, method: str):
    if method == "map":
        return problem.potential

    def negative_log_likelihood(u):
        sites = problem.constrain(u)
        value = -jnp.sum(problem.log_likelihood(sites)) - problem.log_prior(sites, measured_only=True)
        return value

    return negative_log_likelihood


def minimise(objective, u, max_steps):
    """L-BFGS until the gradient is nothing; steps that leave the model's domain are cut back."""
    solver = optax.lbfgs(
        linesearch=optax.scale_by_backtracking_linesearch(max_backtracking_steps=30, store_grad=True)
    )
    value_and_grad = optax.value_and_grad_from_state(objective)

    def step(carry):
        u, state, i, _ = carry
        value, grad = value_and_grad(u, state=state)
        updates, state = solver.update(grad, state, u, value=value, grad=grad, value_fn=objective)
        new = optax.apply_updates(u, updates)
        stuck = jnp.all(new == u) & (i > 0)
        return (
            jnp.where(jnp.isfinite(new), new, u),
            state,
            i + 1,
            jnp.where(stuck, 0.0, optax.tree.norm(grad)),
        )

    def running(carry):
        _, _, i, norm = carry
        return (i < max_steps) & (norm > 1e-8)

    start = (u, solver.init(u), 0, jnp.asarray(jnp.inf, u.dtype))
    u, _, _, _ = jax.lax.while_loop(running, step, start)
    value, grad = jax.value_and_grad(objective)(u)
    return u, value, optax.tree.norm(grad)


def from_starts(
    objective, u0, max_steps: int, *, apart: bool, progress: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each start ends, its value and the norm of its gradient: (starts, D), (starts,), (starts,).

    Args:
        objective: of a point (D,).
        u0: (starts, D).
        max_steps: of each start.
        apart: each start by itself, as many at once as there are cores; else all in one program. Where a value takes
            an integration, whose steps differ a hundredfold between points, all would wait for the slowest.
        progress: called with the number of starts that have ended.
    """

    def one(u):
        return minimise(objective, u, max_steps)

    if not apart:
        u, value, gradient = map(np.asarray, program(jax.vmap(one))(u0))
        progress(len(u0))
        return u, value, gradient
    compiled, stop = program(one).lower(u0[0]).compile(), threading.Event()

    def run(u):
        return None if stop.is_set() else [np.asarray(x) for x in compiled(u)]

    with ThreadPoolExecutor(cores()) as pool:
        futures = [pool.submit(run, u) for u in u0]
        try:
            for done, _ in enumerate(as_completed(futures), 1):
                progress(done)
            u, value, gradient = zip(*(f.result() for f in futures), strict=True)
        finally:
            stop.set()
    return np.stack(u), np.stack(value), np.stack(gradient)


def distinct_optima(
    objective, u: np.ndarray, value: np.ndarray, full_rank: bool
) -> tuple[list[list[int]], bool]:
    """Groups of starts that ended in one optimum, best first, and whether the best is a flat valley.

    Two ends of one height with no rise between them are two points of one valley; so are any two of one
    height where the data leave a direction open, since such a valley may be curved.
    """
    groups: list[list[int]] = []
    flat = False
    along = program(jax.vmap(objective))
    for i in range(len(u)):
        for g in groups:
            j = g[0]
            if abs(value[i] - value[j]) > 1e-4:
                continue
            if np.abs(u[i] - u[j]).max() > 0.01:
                chord = u[j] + np.linspace(0.1, 0.9, 9)[:, None] * (u[i] - u[j])
                if full_rank and not np.asarray(along(jnp.asarray(chord))).max() < value[j] + 0.01:
                    continue
                flat |= g is groups[0]
            g.append(i)
            break
        else:
            groups.append([i])
    return groups, flat
