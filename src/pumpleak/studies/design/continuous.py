"""Designs without a grid: the concentrations of several baths chosen together, by gradient."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ...problem.scatter import information
from ...traced import program
from .candidates import Joint
from .gain import normal_gain

_STEPS, _RATE = 150, 0.1


class Continuous(NamedTuple):
    """Concentrations [mM] (n,), rising, and what they are expected to give: D [nats], A [1]; and that of the start."""

    values: np.ndarray
    D: float
    A: float
    D_start: float


def slopes_at(joint: Joint, u, arrays=None):
    """(R, D) slopes of all readings at u, each times the root of its information about what is expected, traced.

    Of normal noise that is over its standard error; tails, rounding and limits leave less.
    """
    problem = joint.problem
    arrays = problem.arrays if arrays is None else arrays

    def loc(u):
        parts, _ = problem.reading_parts(problem.constrain(u, arrays), arrays)
        return parts["loc"], information(problem.scattered(parts, arrays))["loc", "loc"]

    J, about = problem.model.jacobian(loc, has_aux=True)(u)
    return J * jnp.sqrt(about)[:, None]


def optimise(
    joint: Joint,
    u: np.ndarray,
    S: np.ndarray,
    targets: np.ndarray,
    *,
    of: str,
    swap: str | None,
    low: float,
    high: float,
    criterion: str = "D",
) -> Continuous:
    """Choose one ion's concentrations in all rows of a ladder together, by Adam on ln x between bounds.

    The criterion is `normal_gain`'s D (or A) averaged over the draws, differentiated through the model.

    Args:
        joint: whose candidates are a ladder of n baths that differ; they are the start.
        u: (K, D) draws over which to average.
        S: (D, D) covariance of the present knowledge.
        targets: (p,) indices.
        of, swap: the ion's concentration, and the one that makes room, if any.
        low, high: bounds [mM].
        criterion: ``D`` or ``A``.

    References:
        Kingma & Ba 2015, ICLR, arXiv:1412.6980 (Adam).
    """
    problem = joint.problem
    rows = np.asarray(problem.measurements.row)[joint.reading]
    place = problem.condition[rows]
    known = {k: jnp.asarray(v, float) for k, v in problem.arrays.known.items()}
    start = np.asarray(known[of])[place]
    total = start + np.asarray(known[swap])[place] if swap else None

    def mean_gain(x):
        moved = known | {of: known[of].at[place].set(x)}
        if swap:
            moved[swap] = known[swap].at[place].set(total - x)
        arrays = problem.arrays._replace(known=moved)

        def one(u):
            return normal_gain(S, slopes_at(joint, u, arrays)[joint.reading], targets)

        D, A = jax.vmap(one)(u)
        return jnp.mean(D), jnp.mean(A)

    edge = np.log([low, high])

    def place_of(t):
        return jnp.exp(edge[0] + (edge[1] - edge[0]) * jax.nn.sigmoid(t))

    def loss(t):
        D, A = mean_gain(place_of(t))
        return -D if criterion == "D" else A

    adam = optax.adam(_RATE)

    def run(t):
        def step(state, _):
            t, moments = state
            value, slope = jax.value_and_grad(loss)(t)
            update, moments = adam.update(slope, moments)
            return (optax.apply_updates(t, update), moments), (value, t)

        _, (values, ts) = jax.lax.scan(step, (t, adam.init(t)), None, length=_STEPS)
        best = jnp.nanargmin(values)
        return values[best], ts[best]

    with jax.enable_x64(True):
        share = np.clip((np.log(start) - edge[0]) / (edge[1] - edge[0]), 0.02, 0.98)
        t0 = np.log(share / (1 - share))
        # From the start, and from it drawn towards either end.
        values, ts = program(jax.vmap(run))(np.stack([t0, 0.5 * t0 - 1.5, 0.5 * t0 + 1.5]))
        x = place_of(ts[int(jnp.nanargmin(values))])
        both = program(mean_gain)
        (D, A), (D_start, A_start) = both(x), both(start)
        if (D < D_start) if criterion == "D" else (A > A_start):
            x, D, A = start, D_start, A_start  # it lay at a bound already
    return Continuous(np.sort(np.asarray(x)), float(D), float(A), float(D_start))
