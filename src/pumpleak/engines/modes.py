"""The posterior's modes: Levenberg-Marquardt from several starts, traced, for many cells under `vmap`."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc

from ..problem.parameters import Parameter, Site, is_noise_scale
from ..problem.problem import Arrays, Problem
from ..problem.scatter import information
from .arrays import solve_spd

_STARTS = 4  # the prior's middle, and likely ones among its draws
_TRIALS = 64
_MAX_STEPS = 32


class Mode(NamedTuple):
    """Where a search ended: `u` (D,), its potential, and the curvature `H` (D, D)."""

    u: Any
    potential: Any
    H: Any


def trial_points(problem: Problem, seed: int) -> np.ndarray:
    """Quasi-random draws of the prior to start from, (trials, D), the same for every cell."""
    sobol = qmc.Sobol(problem.dimension, rng=np.random.default_rng(seed))
    q = sobol.random(_TRIALS)
    out = {}
    for s in problem.sites:
        part = q[:, problem.layout.of_sites[s.name]].reshape(len(q), *s.shape)
        out[s.name] = s.prior.quantile(np.clip(part, 1e-6, 1 - 1e-6))
    return problem.unconstrain(out)


def find_modes(problem: Problem, arrays: Arrays, trials, free=None) -> Mode:
    """Where each start ends, as a `Mode` with a leading axis of starts, best first.

    Args:
        problem: the structure.
        arrays: one cell's numbers.
        trials: from `trial_points`.
        free: (D,) 1 where a coordinate may move, 0 where it is held; None: all may.
    """

    def potential(u):
        value = problem.potential(u, arrays)
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    trials = jnp.asarray(trials)
    heights = jax.vmap(potential)(trials)
    starts = [jnp.zeros_like(trials[0])]
    for _ in range(_STARTS - 1):
        # The likeliest that is not near a chosen one: likely draws flock about one mode.
        near = sum(jnp.sum((trials - u) ** 2, axis=1) < 1.0 for u in starts[1:]) if len(starts) > 1 else False
        starts.append(trials[jnp.argmin(jnp.where(near, jnp.inf, heights))])
    starts = jnp.stack(starts)
    found = jax.vmap(lambda u: climb(problem, arrays, u, free))(starts)
    order = jnp.argsort(found.potential)
    return jax.tree.map(lambda a: a[order], found)


class Look(NamedTuple):
    """A point's potential, its slope (D,), its expected curvature (D, D), and what these were made of."""

    potential: Any
    slope: Any
    H: Any
    loc: Any
    d_loc: Any


def look(problem: Problem, arrays: Arrays, u) -> Look:
    """Potential at u with its derivatives, from first derivatives of the model alone, forward.

    The curvature is the Fisher information of the readings plus the prior's own. It has full rank wherever
    the prior's has, also where readings are few or all alike, and unlike the exact Hessian is never indefinite.
    """

    def parts(u):
        out, ok = problem.reading_parts(problem.constrain(u, arrays), arrays)
        out["log_scale"] = jnp.log(out.pop("scale"))
        return out, (out, ok)

    J, (at, ok) = problem.model.jacobian(parts, has_aux=True)(u)

    def scattered(at):
        return problem.scattered({**at, "scale": jnp.exp(at["log_scale"])}, arrays)

    def misfit(at):
        d = scattered(at)
        value = jnp.where(arrays.mask, arrays.value, at["loc"])
        return -jnp.sum(jnp.where(arrays.mask, d.log_prob(value), 0.0))

    height, pull = jax.value_and_grad(misfit)(at)
    J = {k: jnp.where(arrays.mask[:, None], v, 0.0) for k, v in J.items()}
    about = information(scattered(at))
    H = J["loc"].T @ (about["loc", "loc"][:, None] * J["loc"])
    H = H + J["log_scale"].T @ (about["log_scale", "log_scale"][:, None] * J["log_scale"])

    def prior(u):
        return problem.prior_potential(u, arrays)

    # The prior's terms are one element each: its Hessian is diagonal, and one product reads it off.
    own, own_curve = jax.jvp(jax.grad(prior), (u,), (jnp.ones_like(u),))
    value = height + prior(u)
    slope = own + sum(pull[k] @ J[k] for k in J)
    good = ok & jnp.isfinite(value) & jnp.all(jnp.isfinite(slope)) & jnp.all(jnp.isfinite(H))
    H = jnp.where(good, H, 0.0) + jnp.diag(jnp.clip(own_curve, 0.05, 1e6))
    return Look(
        jnp.where(good, value, jnp.inf),
        jnp.where(good, slope, 0.0),
        H,
        at["loc"],
        jnp.where(good, J["loc"], 0.0),
    )


def climb(problem: Problem, arrays: Arrays, start, free=None, steps: int = _MAX_STEPS) -> Mode:
    """Levenberg-Marquardt from one start: steps that do not descend are damped, lanes that are done wait.

    Args:
        problem, arrays: the structure, and one cell's numbers.
        start: (D,) where to begin.
        free: (D,) 1 where a coordinate may move, 0 where it is held at the start's value; None: all may.
        steps: at most.
    """

    def step(state):
        trial, u, value, slope, H, damping, expected, count, _ = state
        new = look(problem, arrays, trial)
        if free is not None:
            H_free = new.H * free * free[:, None] + jnp.diag(1 - free)
            new = new._replace(slope=new.slope * free, H=H_free)
        better = new.potential <= value
        u, value, slope, H = jax.tree.map(
            lambda a, b: jnp.where(better, a, b),
            (trial, new.potential, new.slope, new.H),
            (u, value, slope, H),
        )
        damping = jnp.where(better, damping * 0.2, jnp.maximum(damping, 1e-3) * 5.0)
        # What was to be gained is nothing, by a step that was hardly shortened: this is the mode.
        done = (expected < 1e-4) | (damping > 1e8) | ~jnp.isfinite(value)
        move = _to_the_scale(-solve_spd(H + damping * jnp.diag(jnp.diag(H)), slope), unit)
        short = jnp.minimum(1.0, 5.0 / jnp.maximum(jnp.max(jnp.abs(move)), 1e-300))
        expected = jnp.where(damping < 1.0, -(slope @ move), jnp.inf)
        return u + short * move, u, value, slope, H, damping, expected, count + 1, done

    def running(state):
        return ~state[-1] & (state[-2] < steps)

    unit = _log_units(problem, arrays)
    infinite = jnp.asarray(jnp.inf, start.dtype)
    state = (start, start, infinite, jnp.zeros_like(start), jnp.eye(len(start), dtype=start.dtype))
    state = (*state, jnp.asarray(0.05, start.dtype), infinite, 0, jnp.asarray(False))
    _, u, value, _, H, *_ = jax.lax.while_loop(running, step, state)
    return Mode(u, value, H)


def _log_units(problem: Problem, arrays: Arrays):
    """(D,) what a unit of each coordinate is in ln of a noise scale; 0 for all others."""

    def unit(p: Parameter, s: Site):
        log = p.spread is None and p.prior.lower == 0 and math.isinf(p.prior.upper)
        scale = arrays.standard[s.name][1] if log and is_noise_scale(p) else 0.0
        return jnp.full(s.size, scale)

    return jnp.concatenate([unit(p, s) for p in problem.parameters for s in p.sites])


def _to_the_scale(move, unit):
    """A step of Fisher's scoring, with the steps in ln σ drawn out to where the misfit would be explained.

    Scoring moves ln σ by m = (r²/σ² − 1)/2, r² the mean square of what is left over: never by less than −1/2, so that the
    mode of readings without noise is 30 steps off. ln r is at ½ ln(1 + 2m).
    """
    there = 0.5 * jnp.log(jnp.maximum(1.0 + 2.0 * unit * move, 1e-4))
    return jnp.where(unit > 0, there / jnp.where(unit > 0, unit, 1.0), move)
