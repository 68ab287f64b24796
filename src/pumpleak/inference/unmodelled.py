"""What residuals show that nothing in the problem says: levels of a label that differ, and an order of rows that matters."""

import json
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ..problem.electrode import ON_ELECTRODES
from ..quantities.labels import unit_rank
from ..quantities.names import observable_unit
from .findings import Finding, Kind

if TYPE_CHECKING:
    import xarray as xr

_ALPHA = 0.005  # of all these tests together
_OWN = 0.05  # share of the order of rows that must be left beside what the model expects, or nothing can be said of it


def labels_of(tree: "xr.DataTree") -> dict[str, np.ndarray]:
    """Label columns that nothing is given by, each (N,): the level of each reading; none of an earlier version's result."""
    row = np.asarray(tree["readings"]["row"])
    return {c: np.array(x)[row] for c, x in json.loads(str(tree.attrs.get("unused", "{}"))).items()}


def levels_p(z: np.ndarray, level: np.ndarray, fitted: float) -> float:
    """p of a one-way analysis of variance of residuals by level: small where levels differ by more than their scatter.

    Args:
        z: (N,) residuals in units of their scatter.
        level: (N,) of each.
        fitted: the number of parameters that the readings took up, of which the scatter within levels is short.
    """
    names, code = np.unique(level, return_inverse=True)
    count = np.bincount(code)
    free = len(z) - len(names) - fitted
    if len(names) < 2 or free < 1:
        return 1.0
    means = np.bincount(code, z) / count
    between = float(count @ (means - z.mean()) ** 2) / (len(names) - 1)
    within = float(((z - means[code]) ** 2).sum()) / free
    return float(stats.f.sf(between / within, len(names) - 1, free)) if within > 0 else 1.0


def order_p(z: np.ndarray, order: np.ndarray, expected: np.ndarray, fitted: float) -> tuple[float, float]:
    """p of a trend of residuals with the order of rows, and by how much they move from the first to the last.

    What the order shares with the expected readings (a ladder measured upwards) is left to them.

    Args:
        z: (N,) residuals in units of their scatter.
        order: (N,) of the rows.
        expected: (N,) readings.
        fitted: the number of parameters that the readings took up.
    """
    spread = expected.std()
    e = (expected - expected.mean()) / spread if spread > 0 else 0 * expected
    known = np.stack([np.ones(len(z)), e, e**2], axis=1)
    free = len(z) - 1 - max(fitted, float(np.linalg.matrix_rank(known)))
    place = (order - order.mean()) / max(order.std(), 1e-12)
    own = place - known @ np.linalg.lstsq(known, place, rcond=None)[0]
    if free < 1 or own @ own < _OWN * len(z):
        return 1.0, 0.0
    rest = z - known @ np.linalg.lstsq(known, z, rcond=None)[0]
    slope = float(own @ rest / (own @ own))
    left = float(((rest - slope * own) ** 2).sum()) / free
    t = slope * np.sqrt(own @ own / left) if left > 0 else 0.0
    return float(2 * stats.t.sf(abs(t), free)), slope * float(np.ptp(place))


def unmodelled_of(tree: "xr.DataTree") -> list[Finding]:
    """Labels whose levels differ, the surest first; without any, an order of rows that matters.

    The threshold is shared by all that is tested, so that one data set in a hundred at most is called out where nothing is.
    """
    r = tree["readings"].to_dataset()
    plain = np.flatnonzero(np.asarray(r["reference"]) < 0)
    observable = np.asarray(r["observable"]).astype(str)[plain]
    if len(plain) < 4:
        return []
    value, expected, scatter, low, high = (
        np.asarray(r[k])[plain]
        for k in ("value", "expected", "total_scatter", "expected_low", "expected_high")
    )
    z = (value - expected) / scatter
    if len(kinds := np.unique(observable)) == 1:
        off_by, unit, size = value - expected, observable_unit(str(kinds[0])), float(np.median(scatter))
    else:  # what has no unit in common is told in its scatter
        off_by, unit, size = z, "times their scatter", 1.0
        expected = _within(expected, observable)
    fitted = float((((high - low) / (2 * 1.96 * scatter)) ** 2).sum())
    labels = {c: x[plain] for c, x in labels_of(tree).items()}
    threshold = _ALPHA / (len(labels) + 1)
    found = []
    for column, level in labels.items():
        p = levels_p(z, level, fitted)
        if p < threshold:
            off = {str(x): float(off_by[level == x].mean()) for x in dict.fromkeys(level)}
            about = {"p": p, "off": dict(sorted(off.items(), key=lambda item: item[1])), "unit": unit}
            found.append(Finding(Kind.levels_differ, (column,), about))
    if found:
        return sorted(found, key=lambda f: (f.numbers["p"], -(unit_rank(f.parameters[0]) or 0)))
    p, moved = order_p(z, np.asarray(r["row"])[plain].astype(float), expected, fitted)
    if p < threshold:
        electrode = bool(np.isin(observable, ON_ELECTRODES).any())
        about = {"p": p, "moved": moved * size, "unit": unit, "electrode": electrode}
        return [Finding(Kind.order_matters, (), about)]
    return []


def _within(expected: np.ndarray, observable: np.ndarray) -> np.ndarray:
    """(N,) expectations of several observables as one: each in sd about its own mean."""
    out = np.zeros(len(expected))
    for kind in np.unique(observable):
        own = expected[observable == kind]
        out[observable == kind] = (own - own.mean()) / (own.std() or 1.0)
    return out
