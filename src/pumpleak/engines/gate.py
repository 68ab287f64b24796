"""When an answer may be trusted: statuses of a cell, rungs of the ladder, thresholds."""

import math
from collections.abc import Mapping
from enum import IntEnum, nonmember

import numpy as np

from ..text import significant

#: Rank-normalised split R-hat up to which chains agree (Vehtari et al. 2021, Bayesian Anal. 16:667).
R_HAT = 1.01
#: Effective draws, of the bulk and of the tails, from which quantiles are known well enough (the same).
ESS = 400.0
#: Monte Carlo error of an interval's ends, and of the median, that is allowed, as a share of the interval's width.
END = 0.05
#: What is printed of a posterior: its ends are the first and the last.
PRINTED = (0.025, 0.5, 0.975)
#: Pareto k̂ up to which importance estimates can be trusted (Vehtari et al. 2024, J. Mach. Learn. Res. 25:72).
PARETO_K = 0.7


def apart(r_hat):
    """Whether chains disagree, by R-hat; NaN, of chains that never moved, is not agreement."""
    return ~(np.asarray(r_hat) <= R_HAT)


def too_few(ess):
    """Whether these are too few effective draws; NaN is too few."""
    return ~(np.asarray(ess) >= ESS)


def heavy(k_hat):
    """Whether importance weights have too heavy a tail, by Pareto k̂."""
    return ~(np.asarray(k_hat) <= PARETO_K)


def loose(end_error):
    """Whether an end of an interval, or its median, is not known well enough (`end_error`); NaN is not."""
    return ~(np.asarray(end_error) <= END)


def failed(ess, *, end_error=0.0, r_hat=None, k_hat=None, divergences: int = 0) -> "tuple[CellStatus, ...]":
    """What keeps one posterior's draws from being used, in the order in which it is told; empty where nothing does.

    Args:
        ess: effective draws of everything that was estimated, any shape.
        end_error: of the same, Monte Carlo errors as `end_errors` gives them.
        r_hat: of chains, any shape.
        k_hat: of weighted points.
        divergences: how many transitions diverged.
    """
    found = {
        CellStatus.r_hat: r_hat is not None and bool(np.any(apart(r_hat))),
        CellStatus.k_hat: k_hat is not None and bool(np.any(heavy(k_hat))),
        CellStatus.ess: bool(np.any(too_few(ess))),
        CellStatus.ends: bool(np.any(loose(end_error))),
        CellStatus.divergent: divergences > 0,
    }
    return tuple(status for status, so in found.items() if so)


def gate(out: dict) -> np.ndarray:
    """The status of each cell by its own engine's gate: `failed`, cell by cell, the gravest alone."""
    status = np.zeros(len(out["k_hat"]), np.int8)
    ess = np.fmin(out["ess_bulk"], out["ess_tail"]).min(axis=1)
    chains = ~np.isnan(out["r_hat"]).all(axis=1)
    status[loose(out["end_error"].max(axis=1))] = CellStatus.ends
    status[too_few(ess)] = CellStatus.ess
    status[~chains & heavy(out["k_hat"])] = CellStatus.k_hat
    status[chains & apart(out["r_hat"].max(axis=1))] = CellStatus.r_hat
    status[out["divergences"] > 0] = CellStatus.divergent
    return status


def diagnose(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank-normalised split R-hat, bulk ESS and tail (5 and 95 %) ESS of draws (C, chains, draws, P): (C, P) each.

    References:
        Vehtari et al. 2021, Bayesian Anal. 16:667, doi 10.1214/20-BA1221.
    """
    from numpyro.diagnostics import split_gelman_rubin
    from scipy.special import ndtri
    from scipy.stats import rankdata

    c, chains, draws, p = x.shape
    flat = np.moveaxis(x, 0, 2).reshape(chains * draws, c * p)

    def normal_scores(a):
        return ndtri((rankdata(a, axis=0) - 0.375) / (len(a) + 0.25))

    z = normal_scores(flat)
    folded = normal_scores(np.abs(flat - np.median(flat, axis=0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        r_hat = np.maximum(*(split_gelman_rubin(s.reshape(chains, draws, -1)) for s in (z, folded)))
        bulk = _split_ess(z, chains)
    tails = [_ess_of_quantile(flat, q, chains) for q in (0.05, 0.95)]
    # A chain that never moved has no variance: neither measure is a number, and it is not usable.
    still = flat.std(axis=0) == 0
    r_hat = np.where(still | ~np.isfinite(r_hat), np.inf, r_hat)
    bulk, tail = (np.where(still | ~np.isfinite(e), 0.0, e) for e in (bulk, np.minimum(*tails)))
    return r_hat.reshape(c, p), np.reshape(bulk, (c, p)), np.reshape(tail, (c, p))


def _split_ess(flat: np.ndarray, chains: int) -> np.ndarray:
    """Effective draws (n,) of chains in a row, (chains · draws, n), each cut in two halves."""
    from numpyro.diagnostics import effective_sample_size

    x = flat.reshape(chains, -1, flat.shape[-1])
    half = x.shape[1] // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return effective_sample_size(np.concatenate([x[:, :half], x[:, -half:]]))


def _ess_of_quantile(flat: np.ndarray, q: float, chains: int) -> np.ndarray:
    return _split_ess((flat <= np.quantile(flat, q, axis=0)).astype(float), chains)


def end_errors(printed: np.ndarray, sampled: np.ndarray, independent: bool = False) -> np.ndarray:
    """Largest Monte Carlo error of the interval's ends and the median, as a share of its width, of (…, chains, draws, P).

    With n effective draws of the quantile at p, its error is half of what lies between the quantiles at
    p ± √(p(1−p)/n). It is taken in the unit that is printed and in the one that is sampled, in which what is positive
    is a logarithm, and the lesser counts, point by point. By the first alone, the upper end of a wide prior would need
    ten thousand draws; by the second, the lower end of a scatter that may be 0.

    Args:
        printed: draws in the unit in which they are printed.
        sampled: the same in a coordinate that rises with them.
        independent: whether each draw was made without the others.

    Returns:
        (…, P); inf where the draws have no width.

    References:
        Vehtari et al. 2021, Bayesian Anal. 16:667, doi 10.1214/20-BA1221, section 4 (by order statistics).
    """
    *lead, chains, draws, p = printed.shape
    x, y = (
        np.moveaxis(v.reshape(-1, chains * draws, p), 1, 0).reshape(chains * draws, -1)
        for v in (printed, sampled)
    )
    if independent:
        ess = np.full((len(PRINTED), x.shape[1]), float(len(x)))
    else:
        ess = np.stack([_ess_of_quantile(x, q, chains) for q in PRINTED])
    order = np.argsort(x, axis=0)
    share = [
        end_share(*(_at(np.take_along_axis(v, order, axis=0), q) for q in around(spread_of(ess))))
        for v in (x, y)
    ]
    worst = np.fmin(*share).max(axis=0).reshape(*lead, p)
    return np.where(np.isfinite(worst), worst, np.inf)


def spread_of(ess):
    """How far off, as probabilities, the points `PRINTED` (3, …) are by so many effective draws of each."""
    p = np.reshape(PRINTED, (3,) + (1,) * (np.ndim(ess) - 1))
    return (p * (1 - p) / ess) ** 0.5


def around(spread):
    """The probabilities `PRINTED`, and those that lie a spread below and above each: (3, …) each."""
    p = np.reshape(PRINTED, (3,) + (1,) * (np.ndim(spread) - 1))
    return p + 0 * spread, (p - spread).clip(0, 1), (p + spread).clip(0, 1)


def end_share(ends, below, above):
    """Errors (3, …) of the quantiles `ends` at `PRINTED`, from those a spread below and above, as shares of the width."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return abs(above - below) / (2 * abs(ends[-1] - ends[0]))


def _at(rising: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Quantiles at q (3, n) of columns in order, (S, n)."""
    place = np.nan_to_num(q) * (len(rising) - 1)
    low = place.astype(int)
    high = np.minimum(low + 1, len(rising) - 1)
    below, above = (np.take_along_axis(rising, k, axis=0) for k in (low, high))
    return below + (place - low) * (above - below)


ENGINES = ("nuts", "auto", "importance", "hmc", "laplace")
PROBABILITIES = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)


class CellStatus(IntEnum):
    """Whether a cell's posterior can be used, and if not, why; `words` says it in a sentence."""

    usable = 0
    k_hat = 1
    ess = 2
    r_hat = 3
    divergent = 4
    no_answer = 5
    no_data = 6
    bad_input = 7
    failed = 8
    approximate = 9
    ends = 10

    words = nonmember(dict[int, str]())


_FLAGGED_FOR = {
    CellStatus.k_hat: "importance weights with too heavy a tail (k-hat)",
    CellStatus.ess: "too few effective draws",
    CellStatus.r_hat: "chains that disagree (R-hat)",
    CellStatus.divergent: "divergences",
    CellStatus.no_answer: "a model without an answer",
    CellStatus.no_data: "having no readings",
    CellStatus.bad_input: "rows that cannot be used",
    CellStatus.failed: "a failed computation",
    CellStatus.ends: "interval ends that are not settled",
    CellStatus.approximate: "being Laplace's approximation only",
}


class Rung(IntEnum):
    """What made a cell's posterior: each cell climbs from cheap to dear until it can be used."""

    none = 0
    importance = 1
    adapted = 2
    hmc = 3
    nuts = 4
    laplace = 5


def headline(counts: Mapping[str, int]) -> str:
    """The verdict on a batch in a sentence, from its counts by status name."""
    n, usable = sum(counts.values()), counts.get("usable", 0)
    share = math.floor(1000 * usable / n) / 10 if n else 0.0  # 9,999 of 10,000 are not 100 %
    text = f"{usable:,} of {n:,} posteriors are usable ({significant(share, 4)} %)"
    flagged = sorted((s for s in _FLAGGED_FOR if counts.get(s.name)), key=lambda s: -counts[s.name])
    parts = [f"{counts[s.name]:,} for {_FLAGGED_FOR[s]}" for s in flagged]
    if parts:
        first, *rest = parts
        number, _, reason = first.partition(" ")
        was = "was" if number == "1" else "were"
        text += f"; {', '.join([f'{number} {was} flagged {reason}', *rest])}"
    return text


def count(codes: np.ndarray, kind: type[CellStatus] | type[Rung]) -> dict[str, int]:
    """How many cells have each code, by name; codes that none has are left out."""
    return {kind(c).name: int(n) for c, n in zip(*np.unique(codes, return_counts=True), strict=True)}
