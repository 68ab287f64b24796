"""Readings left out one at a time."""

import warnings

import numpy as np


def loo_of(tree) -> tuple[dict, np.ndarray]:
    from arviz_stats import loo

    n = tree["log_likelihood"]["reading"].shape[-1]
    with warnings.catch_warnings(action="ignore"):
        try:
            found = loo(tree, pointwise=True, var_name="reading")
        except Exception:  # noqa: BLE001 - any failure of LOO is a fact about these draws, told as one
            return {"elpd": float("nan"), "se": float("nan")}, np.full(n, np.inf)
    k = np.asarray(found.pareto_k, float)
    return {"elpd": float(found.elpd), "se": float(found.se)}, np.where(np.isfinite(k), k, np.inf)
