"""Equivalence: two models that say the same of all readings under other names for their parameters."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from ...problem.problem import Problem
from ...quantities.names import kind
from ...text import significant
from ...traced import program

SAME_MV = 1e-6  # apart by less, two predictions are one
_POINTS = 4  # of the prior at which each model must find the other's predictions
_TRIES = 40  # draws among which so many must have an answer


@dataclass(frozen=True)
class Equivalence:
    """That two models are one.

    Attributes:
        first, second: their names.
        ratios: parameter -> its value in `second` over its value in `first`, where that is the same everywhere.
    """

    first: str
    second: str
    ratios: dict[str, float]

    def words(self) -> str:
        """The finding in a sentence."""
        if self.ratios and all(abs(r - 1) < 1e-6 for r in self.ratios.values()):
            return (
                f"{self.first} and {self.second} are the same model: they differ in their priors alone, so no reading "
                "of this kind tells them apart, and they are not ranked."
            )
        map_ = [
            f"{n} of {self.second} = {significant(r, 4)} × {n} of {self.first}"
            for n, r in self.ratios.items()
        ]
        return (
            f"{self.first} and {self.second} say the same under different names"
            + (f" ({', '.join(map_)})" if map_ else "")
            + ": with the same concentrations each gives every potential that the other gives. Whatever differs between "
            "their evidences or predictions comes from the priors, and they are not ranked."
        )


def equivalence(
    names: tuple[str, str], pair: tuple[Problem, Problem], *, seed: int = 1
) -> Equivalence | None:
    """Whether two problems with the same readings have the same predictions, parameter for parameter.

    At random points of one model's prior the other, at the same concentrations, temperature, offsets and noise,
    must find membrane parameters of its own with which it predicts every reading and its noise to 1e-6 mV; and the
    other way round. Fits to the data would not do: any two models that can fit five readings exactly agree there.

    Args:
        names: of the two models.
        pair: the two problems.
        seed: of the random points.

    Returns:
        The `Equivalence`, or None: they differ, in dimension or in what they can predict, or have so many membrane
        parameters that these conditions cannot tell.
    """
    a, b = pair
    free = [_free(p) for p in pair]
    shared = [{n: s for n, s in _shapes(p).items() if n not in f} for p, f in zip(pair, free, strict=True)]
    k = a.dimension - sum(int(np.prod(s)) for s in shared[0].values())
    comparable = a.dimension == b.dimension and shared[0] == shared[1]
    comparable &= (a.noise, a.recording) == (b.noise, b.recording)
    conditions = len(np.unique(a.condition[np.asarray(a.measurements.row)[a.arrays.mask]]))
    if not comparable or k >= conditions:
        return None
    with jax.enable_x64(True):
        sides = [_Side(p, f) for p, f in zip(pair, free, strict=True)]
        there = _found(sides[0], sides[1], seed)
        back = _found(sides[1], sides[0], seed + 1) if there is not None else None
    if there is None or back is None:
        return None
    ratios = {}
    for name in sorted(free[0] & free[1]):
        r = np.array([y[name] / x[name] for x, y in there] + [x[name] / y[name] for x, y in back])
        if np.ptp(r) < 1e-4 * abs(r.mean()):
            ratios[name] = float(r.mean())
    return Equivalence(*names, ratios)


def _shapes(problem: Problem) -> dict[str, tuple[int, ...]]:
    return {s.name: s.shape for s in problem.sites}


def _free(problem: Problem) -> set[str]:
    """Sites of the membrane's own parameters: what a model may call as it likes."""
    own = {q.name for q in problem.model.quantities if kind(q.name).place not in ("bath", "inside")}
    return {s.name for p in problem.parameters if p.quantity in own for s in p.sites}


class _Side:
    """One model: its predictions from a point (D,), and which coordinates are the membrane's."""

    def __init__(self, problem: Problem, free: set[str]):
        self.problem, self.own = problem, free
        self.free = np.array([c.site.name in free for c in problem.layout.coordinates])
        there = problem.arrays.mask

        def says(u):
            parts, ok = problem.reading_parts(problem.constrain(u))
            return jnp.where(ok, jnp.concatenate([parts[k][there] for k in sorted(parts)]), jnp.nan)

        self.says: Callable = program(says)
        self.slope: Callable = program(problem.model.jacobian(says))


def _found(source: _Side, seeker: _Side, seed: int) -> list[tuple[dict, dict]] | None:
    """Points of the source's prior and the seeker's with the same predictions; None where it has no such point."""
    draws = source.problem.prior_draws(np.random.default_rng(seed), _TRIES)
    out = []
    for i in range(_TRIES):
        sites = {k: v[i] for k, v in draws.items()}
        target = np.asarray(
            source.says(source.problem.unconstrain({k: v[None] for k, v in sites.items()})[0])
        )
        if not np.isfinite(target).all():
            continue
        found = _seek(seeker, sites, target)
        if found is None:
            return None
        out.append((sites, found))
        if len(out) == _POINTS:
            return out
    return None


def _seek(seeker: _Side, sites: dict, target: np.ndarray) -> dict | None:
    """The seeker's sites with these predictions, at the given surroundings; None where there are none."""
    problem = seeker.problem
    middle = {s.name: np.full(s.shape, s.prior.quantile(0.5)) for s in problem.sites if s.name in seeker.own}
    # Its own parameters are looked for from the other's values of that name, then from its prior's middle.
    for start in (middle | sites, sites | middle):
        u = problem.unconstrain({s.name: np.asarray(start[s.name])[None] for s in problem.sites})[0]
        if not np.isfinite(u).all():
            continue

        def whole(x, u=u):
            return np.where(seeker.free, _spread(seeker.free, x), u)

        def miss(x, whole=whole):
            m = np.asarray(seeker.says(whole(x))) - target
            return np.where(np.isfinite(m), m, 1e3)

        def slope(x, whole=whole):
            return np.nan_to_num(np.asarray(seeker.slope(whole(x)))[:, seeker.free])

        if seeker.free.any():
            best = least_squares(
                miss, u[seeker.free], slope, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=100
            )
            x, off = best.x, np.abs(best.fun).max()
        else:
            x, off = u[:0], np.abs(miss(u[:0])).max()
        if off < SAME_MV:
            return {k: np.asarray(v) for k, v in problem.constrain(jnp.asarray(whole(x))).items()}
    return None


def _spread(free: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x (k,) at the places that are free, among D."""
    out = np.zeros(len(free))
    out[free] = x
    return out
