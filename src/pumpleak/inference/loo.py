"""Readings left out one at a time, by Pareto-smoothed importance sampling."""

import warnings
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy.special import logsumexp

from ..engines.gate import PARETO_K

if TYPE_CHECKING:
    import xarray as xr
    from arviz_stats import ELPDData


def loo_of(tree: "xr.DataTree") -> "ELPDData":
    """ArviZ's PSIS-LOO of a result's tree, reading by reading.

    Where ArviZ has none, because the weights of a reading that no parameter moves are all alike or the draws are
    too few, no reading can be trusted: k̂ is infinite everywhere, elpd NaN, each reading's own 0, to be filled in by
    exact ones, and p_loo is ln of the readings' density with all of them, Σ ln p(y_i | y).

    Args:
        tree: with the group ``log_likelihood``.

    Returns:
        elpd and its standard error [nats], those of each reading, and Pareto k̂, infinite where it is not a number.

    References:
        Vehtari, Gelman & Gabry 2017, Stat. Comput. 27:1413, doi 10.1007/s11222-016-9696-4.
    """
    from arviz_stats import loo
    from arviz_stats.utils import ELPDDataLOO

    with warnings.catch_warnings(action="ignore"):
        try:
            found = cast("ELPDData", loo(tree, pointwise=True, var_name="reading"))
        except Exception:  # noqa: BLE001 - any failure of LOO is a fact about these draws, told as one
            density = tree["log_likelihood"]["reading"].stack(sample=("chain", "draw"))
            n, draws = density.sizes["obs"], density.sizes["sample"]
            blank = density.isel(sample=0, drop=True) * 0.0
            lppd = float((logsumexp(density.values, axis=density.dims.index("sample")) - np.log(draws)).sum())
            return ELPDDataLOO(
                elpd=np.nan,
                se=np.nan,
                p=lppd,
                n_samples=draws,
                n_data_points=n,
                scale="log",
                warning=True,
                good_k=PARETO_K,
                elpd_i=blank,
                pareto_k=blank + np.inf,
            )
    assert found.pareto_k is not None
    found.pareto_k = found.pareto_k.where(np.isfinite(found.pareto_k), np.inf)
    found.se = elpd_se(np.asarray(found.elpd_i))
    return found


def elpd_se(elpd_i: np.ndarray) -> float:
    """Standard error [nats] of a sum over n readings, of an elpd and of a difference of two alike: √(n s²), s² over n − 1.

    NaN where one reading has no spread to tell it by.
    """
    n = np.size(elpd_i)
    return float(np.sqrt(n * np.var(elpd_i, ddof=1))) if n > 1 else float("nan")


def loo_pit_of(tree: "xr.DataTree") -> np.ndarray:
    """(N,) where each reading lies among its predictions from the others, 0 to 1; NaN where ArviZ cannot tell."""
    from arviz_stats import loo_pit

    with warnings.catch_warnings(action="ignore"):
        try:
            return np.asarray(loo_pit(tree, var_names="reading")["reading"], float)
        except Exception:  # noqa: BLE001 - a gap in a table, not the end of a report
            return np.full(tree["readings"].sizes["obs"], np.nan)
