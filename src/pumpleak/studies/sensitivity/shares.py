"""Shares of a variance: Shapley values of correlated inputs, what one input explains, Sobol indices."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

_REPLICATES = 8  # of Sobol indices, from whose spread their error is read


def explained(covariance: np.ndarray, members: Sequence[int]) -> float:
    """Share of the first variable's variance that others explain linearly: cᵀ Σ⁻¹ c / var(y).

    Args:
        covariance: (1 + m, 1 + m) of the target and m inputs.
        members: which inputs, counted from 0.

    Returns:
        R², 0 to 1; for a normal distribution what knowing these inputs exactly removes of the variance.
    """
    if not len(members) or covariance[0, 0] <= 0:
        return 0.0
    rows = 1 + np.asarray(members)
    # Of correlations, not covariances: what varies by 1e-8 mM beside 1 K must not be taken for a constant.
    size = np.sqrt(np.diag(covariance)[rows])
    size = np.where(size > 0, size, 1.0)
    c, among = covariance[0, rows] / size, covariance[np.ix_(rows, rows)] / np.outer(size, size)
    share = c @ np.linalg.pinv(among, rcond=1e-12, hermitian=True) @ c / covariance[0, 0]
    return float(np.clip(share, 0.0, 1.0))


def shapley_shares(covariance: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Shapley shares of groups of inputs in the variance of a target, correlated or not.

    The value of a set S of groups is `explained`: what knowing all in S exactly removes. A group's share is what
    it adds on average over all orders in which the groups become known, so the shares sum to what all explain
    together; the rest is what remains when every input is known.

    Args:
        covariance: (1 + m, 1 + m) of the target and m inputs.
        groups: the inputs of each group, counted from 0.

    Returns:
        (len(groups),) shares [1], each >= 0.

    Raises:
        ValueError: more than 12 groups (2ᵏ regressions).

    References:
        Owen & Prieur 2017, SIAM/ASA J. Uncertainty Quantif. 5:986, doi 10.1137/16M1097717.

    Example:
        >>> import numpy as np
        >>> print(shapley_shares(np.array([[4.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]), [[0], [1]]))
        [0.25 0.25]
    """
    k = len(groups)
    if k > 12:
        raise ValueError(f"{k} groups are too many for exact Shapley shares: join some")
    value = {
        s: explained(covariance, [i for g in s for i in groups[g]])
        for size in range(k + 1)
        for s in combinations(range(k), size)
    }
    out = np.zeros(k)
    for s, worth in value.items():
        weight = 1 / (k * math.comb(k - 1, len(s))) if len(s) < k else 0.0
        for g in set(range(k)) - set(s):
            out[g] += weight * (value[tuple(sorted((*s, g)))] - worth)
    return np.maximum(out, 0.0)


def expected_given(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """E[y | x] at each draw by regression on Hermite polynomials of the inputs' normal scores, to degree 3.

    Args:
        y: (n,) draws of the target.
        x: (n, m) draws of the inputs.

    Returns:
        (n,) fitted values, shrunk so that their variance is an unbiased share of var(y).
    """
    from scipy.stats import norm, rankdata

    z = norm.ppf((rankdata(x, axis=0) - 0.5) / len(x))
    features = np.concatenate([z, z**2 - 1, z**3 - 3 * z], axis=1)
    features = features - features.mean(axis=0)
    centred = y - y.mean()
    fitted = features @ np.linalg.lstsq(features, centred, rcond=1e-10)[0]
    total = centred @ centred
    share = fitted @ fitted / total if total > 0 else 0.0
    freedom = len(y) - 1 - features.shape[1]
    adjusted = max(0.0, 1 - (1 - share) * (len(y) - 1) / freedom) if freedom > 0 else 0.0
    return y.mean() + fitted * math.sqrt(adjusted / share if share > 0 else 0.0)


class Sobol(NamedTuple):
    """Sobol indices of S outputs to D inputs.

    Attributes:
        first, total: (S, D) [1]: the share of the variance that input d explains alone, and that with its
            interactions.
        first_error, total_error: (S, D) half-widths of 95 % intervals, by Student's t over replicates.
        sd: (S,) of each output over the inputs' distributions.
        lost: (S,) share of points without an answer; they are taken at the mean of the others.
    """

    first: np.ndarray
    total: np.ndarray
    first_error: np.ndarray
    total_error: np.ndarray
    sd: np.ndarray
    lost: np.ndarray


def bytes_of_a_point(inputs: int, outputs: int) -> float:
    """What each of the n points of `sobol_shares` takes of memory, of which one replicate is there at a time."""
    return 8 / _REPLICATES * 8 * (inputs + 2) * (inputs + outputs)


def sobol_shares(
    function: Callable[[np.ndarray], np.ndarray], dists: Sequence[Any], *, n: int, seed: int
) -> Sobol:
    """First and total order Sobol indices of a function of independent inputs: SciPy's, replicated.

    Args:
        function: (D, n) inputs -> (S, n) outputs; NaN where it has no answer.
        dists: one frozen distribution (with ``ppf``) an input.
        n: points in all, a power of 2 from 64; the function is called at n (D + 2), in 8 scrambled replicates.
        seed: of the points.

    Returns:
        The `Sobol` indices.

    Raises:
        ValueError: `n` is no power of 2, or below 64.

    References:
        Saltelli et al. 2010, Comput. Phys. Commun. 181:259, doi 10.1016/j.cpc.2009.09.018.
    """
    from scipy.stats import sobol_indices, t

    if n < 64 or n & (n - 1):
        raise ValueError(f"n must be a power of 2 from 64, not {n}")
    moments = []

    def whole(x):
        y = np.asarray(function(x), float).reshape(-1, x.shape[1])
        there = np.isfinite(y)
        count = np.maximum(there.sum(axis=1), 1)
        mean = np.where(there, y, 0.0).sum(axis=1) / count
        y = np.where(there, y, mean[:, None])
        moments.append((y.std(axis=1), 1 - there.mean(axis=1)))
        return np.concatenate(
            [y, y[:1]]
        )  # one more: of one output of one input SciPy makes a number, and fails

    rng = np.random.default_rng(seed)
    found = [
        sobol_indices(func=whole, n=n // _REPLICATES, dists=list(dists), rng=rng) for _ in range(_REPLICATES)
    ]
    out = []
    for order in ("first_order", "total_order"):
        # An output that nothing moves has no shares.
        each = np.array([np.nan_to_num(getattr(f, order)).reshape(-1, len(dists))[:-1] for f in found])
        wide = t.ppf(0.975, _REPLICATES - 1) / math.sqrt(_REPLICATES)
        out += [(each.mean(axis=0), wide * each.std(axis=0, ddof=1))]
    sd, lost = (np.mean(m, axis=0) for m in zip(*moments, strict=True))
    return Sobol(out[0][0], out[1][0], out[0][1], out[1][1], sd, lost)
