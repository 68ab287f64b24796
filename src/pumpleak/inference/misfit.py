"""Whether the model fits: predictive p, scatter, readings that lean, and what may explain a misfit."""

import json
import math
from typing import TYPE_CHECKING

import numpy as np

from ..engines.gate import heavy
from ..quantities.names import kind as kind_of
from .findings import Finding, Kind
from .loo import loo_of
from .unmodelled import unmodelled_of

if TYPE_CHECKING:
    import xarray as xr

#: What is found where the model does not fit.
_BY_NAME = frozenset(
    {Kind.levels_differ, Kind.order_matters}
)  # misfits that say themselves what they come from
AGAINST = _BY_NAME | {Kind.clearly_fails, Kind.wrong_sign, Kind.leans, Kind.unexplained, Kind.scatters_more}
_ALPHA = 0.05  # of a predictive p below which a reading is named; over their number, below which it counts
_TOGETHER = 0.01  # of the predictive p of all readings together
_PASSIVE = ("ghk", "mullins_noda")  # models whose inside is given and whose permeabilities stay


def predictive_p(tree: "xr.DataTree") -> np.ndarray:
    """Two-sided posterior predictive p-value of each reading: small where the model expects another."""
    return np.asarray(tree["readings"]["predictive_p"])


def misfit_of(tree: "xr.DataTree") -> tuple[bool, list[Finding], dict]:
    """Whether the readings are what the model expects, what was found of it, and the figures behind it."""
    readings, p = tree["readings"].to_dataset(), predictive_p(tree)
    names = [str(n) for n in readings["obs"].values]
    loo = loo_of(tree)
    k_hat = np.asarray(loo.pareto_k, float)
    overall = _overall_p(tree)
    excess = [*_unexplained(tree, readings), *_extra_scatter(tree, readings)]
    named = unmodelled_of(tree)
    out = [*named, *_one_by_one(tree, readings, p), *excess, *_leaning(tree, readings)]
    if not overall > _TOGETHER:
        out.append(Finding(Kind.scatters_more, numbers={"p": overall}))
    fits = not any(f.kind in AGAINST for f in out)
    out += _fitting(tree, p, overall) if fits else [] if named else _rivals(tree)
    for name in tree["posterior"].data_vars:
        if kind_of(str(name)).what == "scatter":
            about = {"median": float(tree["posterior"][name].median())}
            out.append(Finding(Kind.inferred_scatter, (str(name),), about))
    if heavy(k_hat.max()):
        decisive = tuple(names[i] for i in np.argsort(-k_hat) if heavy(k_hat[i]))
        out.append(Finding(Kind.decisive_readings, decisive))
    numbers = {
        "elpd_loo": float(loo.elpd),
        "elpd_loo_se": float(loo.se),
        "pareto_k_max": float(k_hat.max()),
        "predictive_p": dict(zip(names, map(float, p), strict=True)),
        "overall_p": overall,
        "scattered": bool(excess),
        "tested": not any(f.kind == Kind.no_test for f in out),
        "unexplained": any(f.kind == Kind.unexplained for f in excess),
    }
    return fits, out, numbers


def _one_by_one(tree: "xr.DataTree", readings: "xr.Dataset", p: np.ndarray) -> list[Finding]:
    """Readings that the model does not expect, or that go where it cannot, the least expected first."""
    columns = ("value", "expected", "total_scatter")
    value, expected, scatter = (np.asarray(readings[k]) for k in columns)
    out = []
    for i in np.argsort(p):
        if p[i] < _ALPHA:
            kind = Kind.clearly_fails if p[i] < _ALPHA / len(p) else Kind.strains
            about = {"read": value[i], "expected": expected[i], "scatter": scatter[i], "p": p[i]}
            about = {k: float(x) for k, x in about.items()}
            out.append(Finding(kind, (str(readings["obs"].values[i]),), about))
        out += _wrong_sign(readings, i)
    return out


def _wrong_sign(readings: "xr.Dataset", i: int) -> list[Finding]:
    """A paired difference whose sign the model gives nowhere in its prior, whatever its parameters."""
    if int(readings["reference"][i]) < 0:
        return []
    value, se = float(readings["value"][i]), float(readings["standard_error"][i])
    least, most = float(readings["prior_least"][i]), float(readings["prior_most"][i])
    opposite = (value > 0 and most <= 0.05 * value) or (value < 0 and least >= 0.05 * value)
    if abs(value) < 1.96 * se or not opposite:
        return []
    about = {"read": value, "error": se, "least": least, "most": most}
    return [Finding(Kind.wrong_sign, (str(readings["obs"].values[i]),), about)]


def _leaning(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """Conditions read several times whose mean reading the model does not expect: single readings hide it."""
    replicate = _replicate(tree)
    value = np.asarray(readings["value"])
    plain = np.asarray(readings["reference"]) < 0
    key = [
        f"{o}{c}" for o, c in zip(readings["observable"].values, readings["condition"].values, strict=True)
    ]
    groups = [np.flatnonzero((np.array(key) == k) & plain) for k in dict.fromkeys(key)]
    groups = [g for g in groups if len(g) > 1]
    out = []
    for g in groups:
        mean, expected = value[g].mean(), replicate[:, g].mean(axis=1)
        # The mean of several readings is nearly normal, and a normal tail has no floor at 1/draws.
        p = math.erfc(abs(mean - expected.mean()) / expected.std() / math.sqrt(2))
        if p < _ALPHA / len(groups):
            about = {"readings": len(g), "read": float(mean), "expected": float(expected.mean()), "p": p}
            out.append(Finding(Kind.leans, (str(readings["obs"].values[g[0]]),), about))
    return out


def _unexplained(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """A scatter of single readings that was inferred, and took most of what differs between them."""
    value, expected = np.asarray(readings["value"]), np.asarray(readings["expected"])
    plain = np.asarray(readings["reference"]) < 0
    inferred = any(kind_of(str(n)).what == "scatter" for n in tree["posterior"].data_vars)
    if not inferred or len(np.unique(np.asarray(readings["condition"])[plain])) <= 2:
        return []
    unexplained = float(np.var((value - expected)[plain]) / max(np.var(value[plain]), 1e-12))
    return (
        [Finding(Kind.unexplained, numbers={"explained": max(0.0, 1 - unexplained)})]
        if unexplained > 0.5
        else []
    )


def _extra_scatter(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """Extra scatter that outgrows the standard errors is misfit under another name."""
    known, out = np.asarray(readings["standard_error"]), []
    for name in tree["posterior"].data_vars:
        if kind_of(str(name)).what != "extra scatter" or not np.isfinite(known).any():
            continue
        extra, typical = float(tree["posterior"][name].median()), float(np.nanmedian(known))
        if extra > 1.5 * typical:
            out.append(Finding(Kind.extra_scatter, (str(name),), {"extra": extra, "error": typical}))
    return out


def _fitting(tree: "xr.DataTree", p: np.ndarray, overall: float) -> list[Finding]:
    """That it fits, and whether it could have failed to."""
    out = [Finding(Kind.as_expected, numbers={"least_p": float(p.min()), "overall_p": overall})]
    unknowns = len(tree["table"]["parameter"])
    if unknowns >= len(p):
        out.append(Finding(Kind.no_test, numbers={"unknowns": unknowns, "readings": len(p)}))
    return out


def _rivals(tree: "xr.DataTree") -> list[Finding]:
    """Explanations other than the membrane, where the problem assumed them away."""
    out = []
    if "LJP" in json.loads(str(tree.attrs["defaulted"])):
        out.append(Finding(Kind.rival_junction, ("LJP",)))
    if str(tree.attrs["model"]) in _PASSIVE:
        out.append(Finding(Kind.rival_others))
    return out


def _overall_p(tree: "xr.DataTree") -> float:
    """Predictive p of the squared standardised residuals' sum, replicated at each draw."""
    replicate = _replicate(tree)
    centre = replicate.mean(axis=0)
    spread = np.maximum(replicate.std(axis=0), 1e-12)
    value = np.asarray(tree["observed_data"]["reading"])
    measured = (((value - centre) / spread) ** 2).sum()
    return float(((((replicate - centre) / spread) ** 2).sum(axis=1) >= measured).mean())


def _replicate(tree: "xr.DataTree") -> np.ndarray:
    """(draws, N) readings as the posterior would have them again."""
    replicate = np.asarray(tree["posterior_predictive"]["reading"])
    return replicate.reshape(-1, replicate.shape[-1])
