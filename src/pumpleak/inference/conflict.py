"""Conflict between priors and data: whether readings put parameters where their priors hardly let them be."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ..quantities.names import kind as kind_of
from .findings import Finding, Kind

if TYPE_CHECKING:
    import xarray as xr

_ALPHA = (
    0.005  # of all parameters together, and of the worst one times their number: 1 % of calibrated data sets
)
_NAMED = 0.05  # a parameter's own p below which it has a part in the conflict
_INFORMED = 0.1  # share of a prior variance that must be gone before a direction can be said to be where the data put it


def conflict_p(z: np.ndarray) -> tuple[np.ndarray, float]:
    """How surprising the posterior's place is to the prior, of each parameter and of all together.

    In coordinates in which the prior is standard normal, a posterior mean m varies over data sets that the prior
    predicts with covariance I − C, C the posterior's: exactly, where the model is linear in them. Then

        p = P(χ²_k > mᵀ (I − C)⁻¹ m),  p_j = 2 Φ(−|m_j|)

    with the inverse over the k directions in which data took more than a tenth of the prior variance. p_j leaves out what
    the data left open: it is exact of what they determine, and too large, never too small, of the rest, whose own share
    1 − C_jj hangs on the readings where their scatter is inferred.

    Args:
        z: posterior draws (S, k) in coordinates of independent standard normal priors.

    Returns:
        Two-sided p of each parameter (k,), and p of all together; small where data and prior contradict each other.

    References:
        Evans & Moshonov 2006, Bayesian Anal. 1:893-914, doi 10.1214/06-BA129 (prior-data conflict by the prior
        predictive distribution of a sufficient statistic).
    """
    mean, covariance = z.mean(axis=0), np.atleast_2d(np.cov(z, rowvar=False))
    gone, directions = np.linalg.eigh(np.eye(len(mean)) - covariance)
    informed = gone > _INFORMED
    distance = np.sum((directions.T @ mean)[informed] ** 2 / gone[informed])
    each = 2 * stats.norm.sf(np.abs(mean))
    return each, float(stats.chi2.sf(distance, informed.sum())) if informed.any() else 1.0


def conflict_of(tree: "xr.DataTree") -> list[Finding]:
    """The parameters that the data put where their priors hardly let them be, the most surprising first; or nothing.

    Noise is judged together with the rest alone: what readings scatter is far from normal in its prior's coordinates.
    """
    table = tree["table"].to_dataset()
    if "prior_p" not in table:  # a result of an earlier version
        return []
    names, p = table["parameter"].values.astype(str), np.asarray(table["prior_p"])
    known = np.isfinite(p)
    alone = known & [not kind_of(n).is_noise for n in names]
    together = float(table.attrs["prior_p"])
    worst = float(p[alone].min() * alone.sum()) if alone.any() else 1.0
    if min(together, worst) >= _ALPHA:
        return []
    order = np.argsort(np.where(known, p, np.inf))[: known.sum()]
    part = [i for i in order if p[i] < _NAMED] or [order[0]]
    columns = table[["median", "unit", "shift"]].isel(parameter=part)
    about = [
        {"median": float(m), "unit": str(u), "prior_tail": float(stats.norm.sf(abs(x)))}
        for m, u, x in zip(*(columns[k].values for k in columns), strict=True)
    ]
    numbers = {"p": min(together, worst, 1.0), "places": about}
    return [Finding(Kind.prior_conflict, tuple(names[part]), numbers)]
