"""Whether the transitions that diverged can have cost anything: few of them, where little hangs on."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from ..engines.gate import END

if TYPE_CHECKING:
    import xarray as xr

#: Of all transitions, the share that may diverge and still be a remark.
FEW = 1e-3
_NEAR = 0.01  # of the draws: the neighbourhood of one that diverged
_PRINTED = (0.025, 0.5, 0.975)


def moved(x: np.ndarray, diverging: np.ndarray) -> float:
    """How far medians and interval's ends move, over the interval's width, were more draws due where transitions diverged.

    A transition diverges where the density bends too sharply to be followed, and the chain goes there too seldom. The
    hundredth of the draws that is nearest to each, by normal scores of all parameters, is counted once more: divergences
    in one corner add up there, scattered ones do not.

    Args:
        x: draws (N, P).
        diverging: (N,) bool.

    Returns:
        The largest move of a 2.5, 50 or 97.5 % point of any parameter.
    """
    n = len(x)
    scores = ndtri((rankdata(x, axis=0) - 0.375) / (n + 0.25))
    weight, near = np.ones(n), max(1, round(_NEAR * n))
    for k in np.flatnonzero(diverging):
        weight[np.argpartition(np.sum((scores - scores[k]) ** 2, axis=1), near - 1)[:near]] += 1
    order = np.argsort(x, axis=0)
    mass = np.cumsum(weight[order], axis=0)
    middle = (mass - 0.5 * weight[order]) / mass[-1]
    worst = 0.0
    for p in range(x.shape[1]):
        ranked = x[order[:, p], p]
        new, old = np.interp(_PRINTED, middle[:, p], ranked), np.quantile(ranked, _PRINTED, method="hazen")
        width = old[-1] - old[0]
        worst = max(worst, float(np.max(np.abs(new - old)) / width) if width > 0 else 0.0)
    return worst


def harmless(tree: "xr.DataTree") -> float | None:
    """`moved`, where the divergences of a result's chains are few and move nothing that is printed; else None."""
    stats = tree["sample_stats"]
    if "diverging" not in stats:
        return None
    diverging = np.asarray(stats["diverging"], bool)
    if not 0 < diverging.sum() < FEW * diverging.size:
        return None
    posterior = tree["posterior"].to_dataset().transpose("chain", "draw", ...)
    x = np.concatenate(
        [np.asarray(v).reshape(diverging.size, -1) for v in posterior.data_vars.values()], axis=1
    )
    move = moved(x, diverging.ravel())
    return move if move <= END else None
