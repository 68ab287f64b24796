"""Profile likelihoods: how far each unknown can move before the readings object, all others re-optimised."""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...engines.frame import noise_coordinates
from ...engines.modes import Mode, climb, find_modes, trial_points
from ...problem.populations import Marginal
from ...problem.problem import Problem
from ...traced import program

#: ½ χ²₁ at 95 %: what the log-likelihood may fall by [nats].
DROP = 1.9207294103470622
RANGE = 4.0  # prior widths that are scanned to either side
_WALL = 25.0  # nats per squared prior width beyond
_REFINE = 5  # evaluations by which a crossing between two points is found
_STEPS = 100  # of a search: curved valleys take many
_FIRST = 0.3  # of the local width: a scan's first step


class Profile(NamedTuple):
    """Profiles of P unknowns in unconstrained coordinates (prior widths from the prior's middle).

    Attributes:
        index: (P,) the profiled coordinates.
        best: (D,) the optimum; `height`, −ln density there.
        value: (P, G) where each was held, rising; the optimum among them.
        drop: (P, G) how much the log density is below its best there [nats], all others re-optimised; inf: no answer.
        path: (P, G, D) where the others went.
        low, high: (P,) where the drop passes `DROP`; ∓inf where it does not within the scanned range.
        islands: (P,) bool: beyond an end there is another region that the readings allow.
    """

    index: np.ndarray
    best: np.ndarray
    height: float
    value: np.ndarray
    drop: np.ndarray
    path: np.ndarray
    low: np.ndarray
    high: np.ndarray
    islands: np.ndarray


@dataclass(frozen=True)
class _Likelihood(Marginal):
    """A problem without the priors that are mere belief: measured inputs are data, populations are the model.

    Attributes:
        ends: (2, D) where soft walls begin. Without them an unknown that nothing holds would run out of the model's
            domain, or to where its number is 0 or without bound.
    """

    ends: Any = None

    def prior_potential(self, u, arrays=None):
        arrays = self.arrays if arrays is None else arrays
        sites = self.constrain(u, arrays)
        kept = [s for s in self.sites if s.prior.measured]
        terms = [jnp.sum(s.prior.numpyro(arrays.prior[s.name]).log_prob(sites[s.name])) for s in kept]
        beyond = jnp.maximum(self.ends[0] - u, 0.0) + jnp.maximum(u - self.ends[1], 0.0)
        return 0.5 * _WALL * jnp.sum(beyond**2) - sum(terms, jnp.zeros(()))


def scanned(mode: np.ndarray) -> np.ndarray:
    """(2, D) the ends of what is scanned: 4 prior widths beyond the prior's middle and the posterior's mode."""
    return np.stack([np.minimum(mode, 0.0) - RANGE, np.maximum(mode, 0.0) + RANGE])


def likelihood_of(problem: Problem, mode: np.ndarray) -> Problem:
    """The problem whose `potential` is −ln likelihood: of readings and of inputs given as number ± sd.

    Args:
        problem: the problem, its pooled levels integrated out (`marginal`).
        mode: (D,) its posterior's; 4 prior widths beyond, the likelihood is walled in.
    """
    return _Likelihood(**{f.name: getattr(problem, f.name) for f in fields(problem)}, ends=scanned(mode))


def held_noise(problem: Problem) -> np.ndarray:
    """(D,) bool: noise coordinates that so few readings cannot tell, to be held at their prior's middle.

    With no more readings than other unknowns the model can pass through every one of them, and the likelihood
    grows without bound as the scatter goes to 0.
    """
    noise = noise_coordinates(problem)
    unknown = bool(np.isnan(problem.arrays.variance[problem.arrays.mask]).any())
    few = problem.n_readings <= (~noise).sum()
    return noise & (unknown and few)


def best_points(problem: Problem, seed: int = 1) -> np.ndarray:
    """Where the searches from several starts ended, (starts, D), best first; empty where none has an answer."""
    with jax.enable_x64(True):
        held = held_noise(problem)
        trials = np.where(held, 0.0, trial_points(problem, seed))
        run = program(lambda trials, free: find_modes(problem, problem.arrays, trials, free), Mode)
        found = jax.tree.map(np.asarray, run(jnp.asarray(trials), jnp.asarray(~held, float)))
    return found.u[np.isfinite(found.potential)]


def profile(problem: Problem, starts: np.ndarray, *, index=None, points: int = 40) -> Profile:
    """Profile `problem.potential` over single coordinates, outwards from its optimum, all of them at once.

    ``pl_k(v) = min over u with u_k = v of −ln density(u)``; the 95 % interval is where it stays within 1.92 nats
    of its minimum (χ²₁), which linear problems and large samples have exactly. Each point starts at the one
    before, or where the line through the last two leads if that is better.

    Args:
        problem: whose density; `likelihood_of` makes that the likelihood.
        starts: (S, D) points from which the optimum is searched, the posterior's mode first: from `best_points`.
        index: coordinates to profile; all by default.
        points: points of each profile, the optimum apart; half to either side, denser near the optimum.

    Returns:
        The `Profile`.

    References:
        Venzon & Moolgavkar 1988, Appl. Stat. 37:87, doi 10.2307/2347496; Raue et al. 2009, Bioinformatics
        25:1923, doi 10.1093/bioinformatics/btp358 (identifiability by profiles).
    """
    with jax.enable_x64(True):
        profiler = Profiler(problem, scanned(starts[0]), points)
        best = profiler.optimum(starts)
        index = np.arange(problem.dimension) if index is None else np.asarray(index)
        found = profiler(best, index)
        lower = found.path.reshape(-1, problem.dimension)[np.argmin(found.drop)]
        if found.drop.min() < -0.01:  # a profile came upon something better than where it began
            found = profiler(profiler.optimum(lower[None]), index)
    return found


class Profiler:
    """The compiled programs of `profile`: made once where many optima of one problem are looked at.

    Args:
        problem: whose `potential` is profiled.
        ends: (2, D) ends of the scan, from `scanned`.
        points: of each profile, half to either side.

    Calling it with an optimum and the (P,) coordinates to profile gives the `Profile`.
    """

    def __init__(self, problem: Problem, ends: np.ndarray, points: int = 40):
        self.problem, self.ends, self.steps = problem, ends, points // 2
        self.noise = noise_coordinates(problem)
        self.free = jnp.asarray(~held_noise(problem), float)
        self.climb = program(jax.vmap(lambda u: climb(problem, problem.arrays, u, self.free, _STEPS)), Mode)
        self.scan = program(jax.vmap(self._scan, in_axes=(None, None, 0, 0)))

    def optimum(self, starts) -> Mode:
        """The best of the optima reached from starts (S, D)."""
        found = jax.tree.map(np.asarray, self.climb(jnp.asarray(starts)))
        return jax.tree.map(lambda a: a[int(np.argmin(found.potential))], found)

    def __call__(self, mode: Mode, index: np.ndarray) -> Profile:
        best, height = mode.u, mode.potential
        width = np.sqrt(np.diag(np.linalg.inv(mode.H)))
        ends = self.ends[:, index]
        grid = np.concatenate([_grid(best[index], width[index], end, self.steps) for end in ends])
        lanes = np.concatenate([index, index])
        found = self.scan(jnp.asarray(best), jnp.asarray(height), jnp.asarray(lanes), jnp.asarray(grid))
        path, drop, edge, islands = (np.asarray(a) for a in found)
        P = len(index)
        # Left half outwards, the optimum, right half outwards: one rising grid.
        join = lambda left, middle, right: np.concatenate([left[:, ::-1], middle, right], axis=1)  # noqa: E731
        middle = np.repeat(best[None, None], P, axis=0)
        return Profile(
            index=index,
            best=best,
            height=float(height),
            value=join(grid[:P], best[index][:, None], grid[P:]),
            drop=join(drop[:P], np.zeros((P, 1)), drop[P:]),
            path=join(path[:P], middle, path[P:]),
            low=np.where(np.isfinite(edge[:P]), edge[:P], -np.inf),
            high=np.where(np.isfinite(edge[P:]), edge[P:], np.inf),
            islands=islands[:P] | islands[P:],
        )

    def _scan(self, best, height, k, grid):
        """One coordinate to one side: the grid, then a few points between the two that bracket the crossing."""
        problem = self.problem
        hold = jnp.arange(len(best)) == k
        free = self.free * ~hold
        limit = np.sqrt(2 * DROP)

        def potential(u):
            value = problem.potential(u, problem.arrays)
            return jnp.where(jnp.isfinite(value), value, jnp.inf)

        def step(carry, given):
            (u, slope), (inside, low), (outside, high) = carry
            on_grid, value = given
            crossed = jnp.isfinite(outside)
            share = jnp.where(jnp.isfinite(high), (limit - low) / (high - low), 0.5)
            between = inside[k] + share * (jnp.where(crossed, outside, inside[k]) - inside[k])
            value = jnp.where(on_grid, value, between)
            u = jnp.where(on_grid, u, inside)
            near = jnp.where(hold, value, jnp.stack([u, u + slope * (value - u[k])]))
            # Where the scatter is next to nothing the density is flat in its logarithm: no way back from there.
            tries = jnp.concatenate([near, jnp.where(self.noise & ~hold, 0.0, near)])
            start = tries[jnp.argmin(jax.vmap(potential)(tries))]
            found = climb(problem, problem.arrays, start, free, _STEPS)
            drop = found.potential - height
            # The root of twice the drop is nearly straight, where the drop is nearly a parabola.
            root = jnp.sqrt(2 * jnp.maximum(drop, 0.0))
            accepted = jnp.isfinite(drop)
            slope = jnp.where(accepted, (found.u - u) / jnp.where(value == u[k], 1.0, value - u[k]), slope)
            u = jnp.where(accepted, found.u, u)
            within, bracketing = root < limit, ~on_grid | ~crossed
            inside = jnp.where(bracketing & within, u, inside)
            low = jnp.where(bracketing & within, root, low)
            outside = jnp.where(bracketing & ~within, value, outside)
            high = jnp.where(bracketing & ~within, root, high)
            island = on_grid & crossed & within
            return ((u, slope), (inside, low), (outside, high)), (found.u, drop, island)

        zero, none = jnp.zeros(()), jnp.asarray(jnp.inf)
        start = ((best, jnp.zeros_like(best)), (best, zero), (none, none))
        values = jnp.concatenate([grid, jnp.zeros(_REFINE)])
        on_grid = np.arange(len(values)) < len(grid)
        carry, (path, drop, island) = jax.lax.scan(step, start, (jnp.asarray(on_grid), values))
        _, (inside, low), (outside, high) = carry
        share = jnp.where(jnp.isfinite(high), (limit - low) / (high - low), 0.0)
        edge = jnp.where(jnp.isfinite(outside), inside[k] + share * (outside - inside[k]), jnp.inf)
        n = len(grid)
        return path[:n], drop[:n], edge, jnp.any(island)


def _grid(best: np.ndarray, width: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """(P, steps) values outwards from the optimum to the scan's end, even in asinh: fine steps first."""
    reach = np.abs(end - best)
    j = np.arange(1, steps + 1)
    first = np.minimum(_FIRST * width / np.maximum(reach, 1e-9), 1 / steps)
    low, high = np.full(len(best), 1e-6), np.full(len(best), 50.0 / steps)
    for _ in range(60):  # sinh(c) / sinh(c·steps) falls with c
        c = (low + high) / 2
        fine = np.sinh(c) / np.sinh(c * steps) < first
        low, high = np.where(fine, low, c), np.where(fine, c, high)
    shape = np.sinh(low[:, None] * j) / np.sinh(low[:, None] * steps)
    return best[:, None] + (end - best)[:, None] * shape
