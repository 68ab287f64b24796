"""Readings that stand apart: one that the others do not expect, one bath that contradicts itself.

Near a posterior the N readings are linear in the unknowns' prior scores, y = a + B z + noise, with variances linear in
the squares of the scales of noise. Then what the others expect of a reading, and how far readings of one bath may differ, are
normal for each scale of noise, and a sum over a grid of that scale is all: no posterior is sampled again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats
from scipy.special import logsumexp, ndtri

from ..problem.noise import KINDS
from ..problem.parameters import is_noise
from ..problem.problem import Problem
from ..quantities.names import kind

if TYPE_CHECKING:
    import xarray as xr

SHARE, FACTOR = (float(str(q.default)) for q in KINDS["outliers"])  # as they come
_GRID = 160  # scales of noise
_SETTLED = 1e-3  # weight of a case below which it is left out of an answer
_MOST = 2000  # readings beyond which nobody asks after a single one
_FEW = 3  # readings of one bath up to which they are said to contradict each other; more have a scatter of their own


@dataclass(frozen=True)
class Noise:
    """One scale of noise that was inferred.

    Attributes:
        name: of the parameter.
        law: its prior, with `ppf` and `logpdf`.
        median: of its posterior.
    """

    name: str
    law: Any
    median: float


@dataclass(frozen=True)
class Linear:
    """A posterior's readings, linear in prior scores z ~ N(0, 1) about it.

    Attributes:
        value: (N,) what was read.
        level, slope: (N,), (N, D): expected is level + slope · z.
        known, share: (N,), (N, E): the variance is known + share · φ², φ the scales of noise.
        noise: E of them.
    """

    value: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    known: np.ndarray
    share: np.ndarray
    noise: tuple[Noise, ...]

    @classmethod
    def of(
        cls,
        value: np.ndarray,
        *,
        expected: np.ndarray,
        scale: np.ndarray,
        z: np.ndarray,
        scales: np.ndarray,
        noise: Sequence[Noise],
    ) -> "Linear":
        """From posterior draws.

        Args:
            value: (N,) readings.
            expected, scale: (S, N) what each draw expects of them, and the scatter about it.
            z: (S, D) prior scores of what moves the expectations.
            scales: (S, E) of the noise.
            noise: the same E.
        """
        line = np.linalg.lstsq(np.column_stack([np.ones(len(z)), z]), expected)[0]
        squares = np.column_stack([np.ones(len(scales)), scales**2])
        unit = np.maximum(np.median(squares, axis=0), 1e-300)
        spread = np.linalg.lstsq(squares / unit, scale**2)[0] / unit[:, None]
        spread = np.maximum(spread, 0.0)
        floor = 1e-9 * np.median(scale**2, axis=0)
        return cls(value, line[0], line[1:].T, np.maximum(spread[0], floor), spread[1:].T, tuple(noise))

    def variances(self, which: int | None) -> Iterator[tuple[float, np.ndarray]]:
        """ln of the prior weight, and the variances (N,), along the grid of one scale of noise, others at their medians."""
        rest = self.known.copy()
        for e, noise in enumerate(self.noise):
            if e != which:
                rest = rest + self.share[:, e] * noise.median**2
        if which is None:
            yield 0.0, rest
            return
        law = self.noise[which].law
        for x in np.geomspace(law.ppf(1e-4), law.ppf(1 - 1e-7), _GRID):
            yield float(law.logpdf(x) + np.log(x)), rest + self.share[:, which] * x**2

    def drives(self) -> np.ndarray:
        """(N,) which scale of noise moves a reading's variance most; −1: none does."""
        if not self.noise:
            return np.full(len(self.value), -1)
        part = self.share * np.array([n.median**2 for n in self.noise])
        return np.where(part.max(axis=1) > 1e-6 * self.known, part.argmax(axis=1), -1)


@dataclass(frozen=True)
class Case:
    """All readings at one scale of noise.

    Attributes:
        log_weight: ln of prior weight times their density.
        distance: (y − a)ᵀ Q (y − a), χ² over N.
        variance: (N,) of the noise.
        miss, spread: (N,) a reading less what the others expect of it, and the variance of that, noise included.
    """

    log_weight: float
    distance: float
    variance: np.ndarray
    miss: np.ndarray
    spread: np.ndarray


def _cases(model: Linear, which: int | None) -> list[Case]:
    out = []
    for log_prior, v in model.variances(which):
        root = np.sqrt(v)
        r, B = (model.value - model.level) / root, model.slope / root[:, None]
        inner = np.linalg.cholesky(np.eye(B.shape[1]) + B.T @ B)
        half = np.linalg.solve(inner, B.T)
        q = r - half.T @ (half @ r)
        diagonal = np.maximum(1 - (half**2).sum(axis=0), 1e-12)
        distance = float(r @ q)
        density = -0.5 * (distance + np.log(v).sum()) - np.log(np.diag(inner)).sum()
        out.append(Case(log_prior + density, distance, v, root * q / diagonal, v / diagonal))
    return out


@dataclass(frozen=True)
class Apart:
    """What stands apart: one reading of many, or the few readings of one bath.

    Attributes:
        places: of the readings.
        p: how often calibrated readings would be so far off; NaN where the others are too few to tell without the priors.
        rest_p: of the others, in χ²: small where these do not fit either.
        expected, sd: what the others expect of it, noise included; of a bath the mean of its readings, and the scatter.
        probability: of one reading, that it is an outlier under `noise: outliers`.
    """

    places: tuple[int, ...]
    p: float
    rest_p: float
    expected: float
    sd: float
    probability: float = float("nan")


def one_reading(model: Linear) -> Apart | None:
    """The reading that the others expect least, with its p; None of two.

    p is exact where the model is linear, however wide the noise's prior: that of the reading given all the others.
    """
    n, found = len(model.value), []
    if n < 3:
        return None
    drives = model.drives()
    odds, none = {}, {}
    for which in np.unique(drives):
        cases = _cases(model, None if which < 0 else int(which))
        log_w = np.array([c.log_weight for c in cases])
        miss, spread = np.array([c.miss for c in cases]), np.array([c.spread for c in cases])
        own = stats.norm.logpdf(miss, scale=np.sqrt(spread))
        w = log_w[:, None] - own
        w = np.exp(w - logsumexp(w, axis=0))
        p = (w * 2 * stats.norm.sf(np.abs(miss) / np.sqrt(spread))).sum(axis=0)
        wide = np.sqrt(spread + (FACTOR**2 - 1) * np.array([c.variance for c in cases]))
        gain = log_w[:, None] - own + stats.norm.logpdf(miss, scale=wide)
        for i in np.flatnonzero(drives == which):
            rest = [c.distance - c.miss[i] ** 2 / c.spread[i] for c in cases]
            left = float((w[:, i] * stats.chi2.sf(rest, n - 1)).sum())
            expected = float(model.value[i] - w[:, i] @ miss[:, i])
            sd = float(np.sqrt(w[:, i] @ spread[:, i]))
            found.append(Apart((int(i),), float(p[i]), left, expected, sd))
            odds[int(i)] = float(logsumexp(gain[:, i])) + np.log(SHARE / (1 - SHARE))
            none[int(i)] = float(logsumexp(log_w))
    worst = min(found, key=lambda a: a.p)
    (i,) = worst.places
    log_any = float(logsumexp([none[i], *odds.values()]))
    p = worst.p if n >= model.slope.shape[1] + len(model.noise) + 2 else float("nan")
    return replace(worst, p=p, probability=float(np.exp(odds[i] - log_any)))


def one_bath(model: Linear, baths: Sequence[np.ndarray]) -> tuple[Apart | None, int]:
    """The bath whose few readings differ most for what the others scatter, with its p; and how many were looked at.

    Args:
        model: of the readings.
        baths: places of the readings of each.
    """
    n, found, drives = len(model.value), [], model.drives()
    few = [b for b in baths if 1 < len(b) <= _FEW]
    for bath in few:
        which = drives[bath[0]]
        log_w, tails, rests, scatter = [], [], [], []
        for c in _cases(model, None if which < 0 else int(which)):
            y, v = model.value[bath], c.variance[bath]
            mean = np.average(y, weights=1 / v)
            square = float(((y - mean) ** 2 / v).sum())
            # The density of what differs within the bath, which the others and its mean do not touch.
            own = -0.5 * (square + np.log(v).sum() + np.log((1 / v).sum()))
            log_w.append(c.log_weight - own)
            tails.append(stats.chi2.sf(square, len(bath) - 1))
            rests.append(stats.chi2.sf(c.distance - square, n - len(bath) + 1))
            scatter.append(np.sqrt(v.mean()))
        w = np.exp(np.array(log_w) - logsumexp(log_w))
        mean = float(model.value[bath].mean())
        found.append(
            Apart(tuple(map(int, bath)), float(w @ tails), float(w @ rests), mean, float(w @ scatter))
        )
    return min(found, key=lambda a: a.p, default=None), len(few)


def under_outliers(model: Linear, natural: Mapping[int, Callable]) -> dict[int, tuple[float, float, float]]:
    """Median and 95 % interval of some unknowns if each reading may be an outlier, one at most.

    Args:
        model: of the readings.
        natural: place in z -> what makes natural values of scores.

    Returns:
        The same places -> median, low, high.
    """
    drives = model.drives()
    which = int(np.bincount(drives[drives >= 0]).argmax()) if (drives >= 0).any() else None
    grid = list(model.variances(which))
    cases = _cases(model, which)
    log_w = {(g, -1): c.log_weight for g, c in enumerate(cases)}
    for g, c in enumerate(cases):
        wide = np.sqrt(c.spread + (FACTOR**2 - 1) * c.variance)
        gain = stats.norm.logpdf(c.miss, scale=wide) - stats.norm.logpdf(c.miss, scale=np.sqrt(c.spread))
        for i, x in enumerate(gain):
            log_w[g, i] = c.log_weight + x + np.log(SHARE / (1 - SHARE))
    total = float(logsumexp(list(log_w.values())))
    parts = []
    for (g, i), x in log_w.items():
        if np.exp(x - total) < _SETTLED / 10:
            continue
        v = grid[g][1].copy()
        if i >= 0:
            v[i] *= FACTOR**2
        covariance = np.linalg.inv(np.eye(model.slope.shape[1]) + (model.slope.T / v) @ model.slope)
        mean = covariance @ (model.slope.T @ ((model.value - model.level) / v))
        parts.append((np.exp(x - total), mean, np.sqrt(np.diag(covariance))))
    w = np.array([part[0] for part in parts])
    mean, sd = (np.array([part[k] for part in parts]) for k in (1, 2))
    w = w / w.sum()
    out = {}
    for j, to_natural in natural.items():
        x = np.linspace((mean[:, j] - 6 * sd[:, j]).min(), (mean[:, j] + 6 * sd[:, j]).max(), 4001)
        below = w @ stats.norm.cdf((x - mean[:, [j]]) / sd[:, [j]])
        low, middle, high = np.interp([0.025, 0.5, 0.975], below, x)
        ends = sorted(float(to_natural(q)) for q in (low, high))
        out[j] = (float(to_natural(middle)), *ends)
    return out


def outlier_probability(parts: Mapping[str, np.ndarray], value: np.ndarray) -> np.ndarray:
    """(N,) probability that each reading is an outlier, under `noise: outliers`.

    Args:
        parts: (S, N) of posterior draws: loc, scale, outlier_share, outlier_factor.
        value: (N,) readings.
    """
    z, share, factor = (
        (value - parts["loc"]) / parts["scale"],
        parts["outlier_share"],
        parts["outlier_factor"],
    )
    good = np.log1p(-share) + stats.norm.logpdf(z)
    wide = np.log(share) + stats.norm.logpdf(z / factor) - np.log(factor)
    return np.exp(wide - np.logaddexp(good, wide)).mean(axis=0)


def look_apart(problem: Problem, natural: Mapping[str, np.ndarray], parts: Mapping[str, np.ndarray]):
    """What stands apart among a posterior's readings, as the group ``apart`` of a result's tree; None where nobody can tell.

    Nobody can tell where levels are pooled, where the noise forgives outliers anyway, or where readings are cut off.

    Args:
        problem: what was sampled.
        natural: parameter -> (S,) or (S, levels) posterior draws.
        parts: (S, N) loc and scale of its readings.
    """
    there, m = problem.arrays.mask, problem.measurements
    pooled = any(p.spread is not None for p in problem.parameters)
    n = int(there.sum())
    if pooled or problem.noise != "normal" or not 1 < n <= _MOST or _cut_off(problem):
        return None
    scores, scales, noise, laws = [], [], [], {}
    for p in problem.parameters:
        law = p.prior.scipy()
        for name, x in zip(p.element_names, natural[p.name].reshape(len(parts["loc"]), -1).T, strict=True):
            if is_noise(p):
                scales.append(x)
                noise.append(Noise(name, law, float(np.median(x))))
            else:
                laws[name] = p.prior
                scores.append(ndtri(np.clip(law.cdf(x), 1e-16, 1 - 1e-16)))
    draws = len(parts["loc"])
    model = Linear.of(
        np.asarray(problem.arrays.value)[there],
        expected=parts["loc"],
        scale=parts["scale"],
        z=np.column_stack(scores) if scores else np.zeros((draws, 0)),
        scales=np.column_stack(scales) if scales else np.zeros((draws, 0)),
        noise=noise,
    )
    condition = problem.condition[np.asarray(m.row)[there]]
    kinds = np.array(m.observable, dtype=object)[there]
    plain = np.asarray(m.reference)[there] < 0
    baths = [
        np.flatnonzero(plain & (condition == c) & (kinds == k))
        for c in np.unique(condition)
        for k in set(kinds)
    ]
    # Readings of one condition may differ all the same, by the electrode.
    baths = [b for b in baths if np.allclose(parts["loc"][:, b], parts["loc"][:, b[:1]])]
    bath, looked = one_bath(model, baths)
    found = [(one_reading(model), n), (bath, looked)]
    asked = {j: _to_natural(laws[name]) for j, name in enumerate(laws) if kind(name).is_ratio}
    return _dataset(found, n, under_outliers(model, asked), list(laws))


def _to_natural(law) -> Callable[[float], float]:
    return lambda z: float(law.quantile(stats.norm.cdf(z)))


def _cut_off(problem: Problem) -> bool:
    """Whether a reading lies at the amplifier's limit, and says no more than that it is beyond."""
    value = np.asarray(problem.arrays.value)[problem.arrays.mask]
    return bool(((value <= problem.recording.floor) | (value >= problem.recording.ceiling)).any())


def _dataset(
    found: Sequence[tuple[Apart | None, int]],
    n: int,
    answers: Mapping[int, tuple[float, float, float]],
    names: Sequence[str],
) -> "xr.Dataset":
    """One case a kind: a reading, a bath; `p` is adjusted for how many were looked at."""
    import xarray as xr

    cases = [(a, looked) for a, looked in found if a is not None]
    members = np.zeros((len(cases), n), np.int8)
    for k, (a, _) in enumerate(cases):
        members[k, list(a.places)] = 1
    of = {
        "p": [float(np.minimum(1.0, a.p * looked)) for a, looked in cases],
        **{key: [getattr(a, key) for a, _ in cases] for key in ("rest_p", "expected", "sd", "probability")},
    }
    quantiles = np.array(list(answers.values())).reshape(-1, 3)
    return xr.Dataset(
        {
            "member": (("case", "obs"), members),
            **{key: ("case", np.array(values, float)) for key, values in of.items()},
            **{key: ("ratio", quantiles[:, j]) for j, key in enumerate(("median", "low", "high"))},
        },
        coords={"ratio": [names[j] for j in answers]},
    )
