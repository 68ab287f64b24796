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


def failed(ess, *, r_hat=None, k_hat=None, divergences: int = 0) -> "tuple[CellStatus, ...]":
    """What keeps one posterior's draws from being used, in the order in which it is told; empty where nothing does.

    Args:
        ess: effective draws of everything that was estimated, any shape.
        r_hat: of chains, any shape.
        k_hat: of weighted points.
        divergences: how many transitions diverged.
    """
    found = {
        CellStatus.r_hat: r_hat is not None and bool(np.any(apart(r_hat))),
        CellStatus.k_hat: k_hat is not None and bool(np.any(heavy(k_hat))),
        CellStatus.ess: bool(np.any(too_few(ess))),
        CellStatus.divergent: divergences > 0,
    }
    return tuple(status for status, so in found.items() if so)


def gate(out: dict) -> np.ndarray:
    """The status of each cell by its own engine's gate: `failed`, cell by cell, the gravest alone."""
    status = np.zeros(len(out["k_hat"]), np.int8)
    ess = np.fmin(out["ess_bulk"], out["ess_tail"]).min(axis=1)
    chains = ~np.isnan(out["r_hat"]).all(axis=1)
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
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
    from scipy.special import ndtri
    from scipy.stats import rankdata

    c, chains, draws, p = x.shape
    flat = np.moveaxis(x, 0, 2).reshape(chains * draws, c * p)
    half = draws // 2

    def halves(a):  # (chains · draws, n) -> (2 chains, half, n)
        a = a.reshape(chains, draws, -1)
        return np.concatenate([a[:, :half], a[:, -half:]])

    def normal_scores(a):
        return ndtri((rankdata(a, axis=0) - 0.375) / (len(a) + 0.25))

    z = normal_scores(flat)
    folded = normal_scores(np.abs(flat - np.median(flat, axis=0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        r_hat = np.maximum(*(split_gelman_rubin(s.reshape(chains, draws, -1)) for s in (z, folded)))
        bulk = effective_sample_size(halves(z))
        tails = [
            effective_sample_size(halves((flat <= np.quantile(flat, q, axis=0)).astype(float)))
            for q in (0.05, 0.95)
        ]
    # A chain that never moved has no variance: neither measure is a number, and it is not usable.
    still = flat.std(axis=0) == 0
    r_hat = np.where(still | ~np.isfinite(r_hat), np.inf, r_hat)
    bulk, tail = (np.where(still | ~np.isfinite(e), 0.0, e) for e in (bulk, np.minimum(*tails)))
    return r_hat.reshape(c, p), np.reshape(bulk, (c, p)), np.reshape(tail, (c, p))


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
