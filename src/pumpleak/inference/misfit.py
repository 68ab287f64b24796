"""Whether the model fits: predictive p, scatter, readings that lean, and what may explain a misfit."""

import json
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ..engines.gate import heavy
from ..problem.electrode import ON_ELECTRODES
from ..quantities.names import kind as kind_of
from ..quantities.names import observable_unit
from .findings import Finding, Kind
from .loo import loo_of
from .unmodelled import unmodelled_of

if TYPE_CHECKING:
    import xarray as xr

#: What is found where the model does not fit.
_BY_NAME = frozenset(
    {Kind.levels_differ, Kind.order_matters}
)  # misfits that say themselves what they come from
AGAINST = _BY_NAME | {
    Kind.clearly_fails,
    Kind.wrong_sign,
    Kind.leans,
    Kind.unexplained,
    Kind.scatters_more,
    Kind.one_reading,
    Kind.one_bath,
}
_ALPHA = 0.05  # of a predictive p below which a reading is named; over their number, below which it counts
_TOGETHER = 0.01  # of the predictive p of all readings together
_APART = 0.005  # p, adjusted for how many were looked at, of one reading that the others do not expect; of one bath
# The next two are our choice, borne out by what is printed of cells in one bath (a test reads it from the shipped tables).
# Control groups of rabbit ventricular cells scatter by 1.6 to 4.6 mV (s.e.m. times √n), and their means lie 0.9 mV (sd)
# farther apart than their errors explain: Akuzawa-Tateyama, Tateyama & Ochi 1998, J. Physiol. 513:775-786, Table 1. Fibres
# that are impaled may scatter more (6.6 to 12.7 mV in `crayfish_muscle`): more than USUAL is said, and no misfit.
FINE = 1.0  # mV: within this, electrodes differ, and a standard error below it is easily too small
USUAL = 5.0  # mV by which single readings of cells of one kind in one bath scatter, at most, as a rule
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
    aside = _aside(tree, readings)
    overall = _overall_p(tree, ~aside)
    out = _against(tree, readings, p, overall, aside)
    fits = not any(f.kind in AGAINST or f.numbers.get("held") for f in out)
    taken = [
        Finding(Kind.taken_as_outlier, (names[i],), {"p": float(readings["outlier_probability"][i])})
        for i in np.flatnonzero(aside)
    ]
    kinds = {f.kind for f in out}
    explained = bool(kinds & (_BY_NAME | {Kind.errors_too_small}))
    explained |= any(f.numbers.get("rest_fits", False) for f in out)
    if fits:
        out += _fitting(tree, p[~aside], overall)
    if (not fits or Kind.extra_scatter in kinds) and not explained:
        out += _rivals(tree, readings)
    out += taken
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
        "scattered": bool(kinds & {Kind.unexplained, Kind.extra_scatter, Kind.errors_too_small}),
        "tested": not any(f.kind == Kind.no_test for f in out),
        "unexplained": Kind.unexplained in kinds,
    }
    return fits, out, numbers


def _against(
    tree: "xr.DataTree", readings: "xr.Dataset", p: np.ndarray, overall: float, aside: np.ndarray
) -> list[Finding]:
    """What speaks against the model, or against its errors; what explains the rest stands alone."""
    unlike = [*_unexplained(tree, readings), *_wide_scatter(tree, readings)]
    if small := _errors_too_small(tree, readings, overall):
        return [*small, *unlike]
    named = unmodelled_of(tree)
    # Readings of one bath may well differ by a label; one reading far off makes no order of rows.
    by_level = any(f.kind == Kind.levels_differ for f in named)
    apart, beyond = [] if by_level else _apart(tree, readings), _extra_scatter(tree, readings)
    if aside.any() and not _rest_scatters(readings, ~aside):
        beyond = []  # of scatter that is there for what was put aside
    if any(f.numbers["rest_fits"] for f in apart):
        return apart
    out = [*named, *apart, *_one_by_one(tree, readings, p, aside), *unlike, *beyond]
    out += _leaning(tree, readings)
    if not overall > _TOGETHER:
        out.append(Finding(Kind.scatters_more, numbers={"p": overall}))
    return out


def _aside(tree: "xr.DataTree", readings: "xr.Dataset") -> np.ndarray:
    """(N,) readings that the noise itself takes for outliers; none where these are more than it allows for."""
    if "outlier_probability" not in readings:
        return np.zeros(readings.sizes["obs"], bool)
    aside = np.asarray(readings["outlier_probability"]) > 0.5
    share = float(readings.attrs.get("outlier_share", 0.05))
    allowed = stats.binom.sf(aside.sum() - 1, aside.size, share) >= _TOGETHER
    return aside & allowed


def _rest_scatters(readings: "xr.Dataset", which: np.ndarray) -> bool:
    """Whether these readings scatter about what is expected more than their standard errors say."""
    z = np.asarray((readings["value"] - readings["expected"]) / readings["standard_error"])[which]
    z = z[np.isfinite(z)]
    return bool(stats.chi2.sf((z**2).sum(), max(len(z), 1)) < _TOGETHER)


def _apart(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """One reading that the others do not expect, or one bath whose readings contradict each other: the less likely."""
    if "apart" not in tree.children:
        return []
    apart = tree["apart"].to_dataset()
    p = np.asarray(apart["p"])
    if not (p < _APART).any():
        return []
    k = int(np.nanargmin(p))
    places = np.flatnonzero(np.asarray(apart["member"][k]))
    names = tuple(str(readings["obs"].values[i]) for i in places)
    about = {key: float(apart[key][k]) for key in ("p", "rest_p", "expected", "sd", "probability")}
    about |= {
        "read": [float(readings["value"][i]) for i in places],
        "error": float(np.median(np.asarray(readings["standard_error"])[places])),
        "unit": observable_unit(str(readings["observable"].values[places[0]])),
        "rest_fits": about["rest_p"] > _TOGETHER,
        "answers": _answers(apart),
    }
    return [Finding(Kind.one_reading if len(places) == 1 else Kind.one_bath, names, about)]


def _answers(apart: "xr.Dataset") -> dict[str, tuple[float, ...]]:
    """Ratio -> median and interval's ends, were one reading at most an outlier."""
    return {
        str(n): tuple(float(apart[q].sel(ratio=n)) for q in ("median", "low", "high"))
        for n in apart["ratio"].values
    }


def _one_by_one(
    tree: "xr.DataTree", readings: "xr.Dataset", p: np.ndarray, aside: np.ndarray
) -> list[Finding]:
    """Readings that the model does not expect, or that go where it cannot, the least expected first; not those `aside`."""
    columns = ("value", "expected", "total_scatter")
    value, expected, scatter = (np.asarray(readings[k]) for k in columns)
    out = []
    for i in np.argsort(p):
        if p[i] < _ALPHA and not aside[i]:
            kind = Kind.clearly_fails if p[i] < _ALPHA / len(p) else Kind.strains
            about = {"read": value[i], "expected": expected[i], "scatter": scatter[i], "p": p[i]}
            about = {k: float(x) for k, x in about.items()}
            about["unit"] = observable_unit(str(readings["observable"].values[i]))
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
    unit = observable_unit(str(readings["observable"].values[i]))
    about = {"read": value, "error": se, "least": least, "most": most, "unit": unit}
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
            about["unit"] = observable_unit(str(readings["observable"].values[g[0]]))
            out.append(Finding(Kind.leans, (str(readings["obs"].values[g[0]]),), about))
    return out


def _unexplained(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """Observables whose scatter of single readings was inferred, and took most of what differs between them."""
    value, expected, condition = (np.asarray(readings[k]) for k in ("value", "expected", "condition"))
    plain = np.asarray(readings["reference"]) < 0
    observable = np.asarray(readings["observable"]).astype(str)
    several, out = len(np.unique(observable)) > 1, []
    for k in (kind_of(str(n)) for n in tree["posterior"].data_vars):
        mine = plain & (observable == k.of)
        if k.what != "scatter" or len(np.unique(condition[mine])) <= 2:
            continue
        unexplained = float(np.var((value - expected)[mine]) / max(np.var(value[mine]), 1e-12))
        if unexplained > 0.5:
            explained = {"explained": max(0.0, 1 - unexplained)}
            out.append(Finding(Kind.unexplained, (k.of,) if several else (), explained))
    return out


def _beyond(tree: "xr.DataTree", readings: "xr.Dataset") -> list[tuple[str, float, float]]:
    """Extra scatters that surely outgrow the standard errors: name, median, and a typical error.

    Surely: scatter of less than half an error has lost 99 % of the odds that it had before, which happens to one in a
    hundred data sets without any, at most.
    """
    out = []
    for name in tree["posterior"].data_vars:
        k = kind_of(str(name))
        mine = np.asarray(readings["observable"]).astype(str) == k.of
        known = np.asarray(readings["standard_error"])[mine]
        if k.what != "extra scatter" or not np.isfinite(known).any():
            continue
        x, typical = np.asarray(tree["posterior"][name]), float(np.nanmedian(known))
        before = np.mean(np.asarray(tree["prior"][name]) < typical / 2) if "prior" in tree.children else 1.0
        if np.median(x) > 1.5 * typical and np.mean(x < typical / 2) <= 0.01 * before:
            out.append((str(name), float(np.median(x)), typical))
    return out


def _extra_scatter(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """Extra scatter that outgrows the standard errors is misfit under another name."""
    return [
        Finding(
            Kind.extra_scatter,
            (name,),
            {"extra": extra, "error": error, "unit": observable_unit(kind_of(name).of)},
        )
        for name, extra, error in _beyond(tree, readings)
    ]


def _errors_too_small(tree: "xr.DataTree", readings: "xr.Dataset", overall: float) -> list[Finding]:
    """Standard errors so fine that scatter within what electrodes differ by is misfit, or that are not a hundredth of what
    cells of one kind scatter by; `held`: no scatter beyond them was allowed for."""
    volts = np.char.startswith(np.asarray(readings["observable"]).astype(str), "V_")
    error = np.asarray(readings["standard_error"])
    known = volts & np.isfinite(error)
    if not known.any() or not volts.all():
        return []
    beyond = [(extra, typical) for _, extra, typical in _beyond(tree, readings)]
    held = not beyond and not overall > _TOGETHER
    if held:
        miss = np.asarray(readings["value"] - readings["expected"])[known]
        free = max(known.sum() - len(tree["table"]["parameter"]), 1)
        beyond = [(float(np.sqrt((miss**2).sum() / free)), float(np.median(error[known])))]
    if not beyond:
        return []
    needed, typical = beyond[0]
    # An electrode is never so good: what cells of one kind scatter by was left out, or the errors' unit is wrong.
    absurd = needed <= USUAL and typical < 0.01 * needed
    if not absurd and (needed > FINE or needed < 2 * typical):
        return []
    return [Finding(Kind.errors_too_small, numbers={"error": typical, "needed": needed, "held": held})]


def _wide_scatter(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """Single readings of V_m that surely scatter more than those of cells of one kind do, and the one that makes most of it."""
    if "sigma_V_m" not in tree["posterior"].data_vars:
        return []
    sigma = np.asarray(tree["posterior"]["sigma_V_m"])
    if sigma.ndim != 2 or np.quantile(sigma, 0.01) < USUAL:
        return []
    about, names = {"median": float(np.median(sigma)), "usual": USUAL}, ()
    if "apart" in tree.children:
        apart = tree["apart"].to_dataset()
        member, volts = np.asarray(apart["member"]), np.asarray(readings["observable"]) == "V_m"
        single = (member.sum(axis=1) == 1) & (member @ volts == 1)
        for k in np.flatnonzero(single & (np.asarray(apart["sd"]) < 0.6 * about["median"])):
            i = int(np.asarray(apart["member"][k]).argmax())
            names, about["without"] = (str(readings["obs"].values[i]),), float(apart["sd"][k])
            about |= {"probability": float(apart["probability"][k]), "answers": _answers(apart)}
    return [Finding(Kind.wide_scatter, names, about)]


def _fitting(tree: "xr.DataTree", p: np.ndarray, overall: float) -> list[Finding]:
    """That it fits, and whether it could have failed to."""
    out = [Finding(Kind.as_expected, numbers={"least_p": float(p.min()), "overall_p": overall})]
    unknowns = len(tree["table"]["parameter"])
    if unknowns >= len(p):
        out.append(Finding(Kind.no_test, numbers={"unknowns": unknowns, "readings": len(p)}))
    return out


def _rivals(tree: "xr.DataTree", readings: "xr.Dataset") -> list[Finding]:
    """Explanations other than the membrane, where the problem assumed them away."""
    out = []
    electrode = np.isin(np.asarray(readings["observable"]).astype(str), ON_ELECTRODES).any()
    if electrode and "LJP" in json.loads(str(tree.attrs["defaulted"])):
        out.append(Finding(Kind.rival_junction, ("LJP",)))
    if str(tree.attrs["model"]) in _PASSIVE:
        out.append(Finding(Kind.rival_others))
    return out


def _overall_p(tree: "xr.DataTree", which: np.ndarray) -> float:
    """Predictive p of the squared standardised residuals' sum over `which` readings, replicated at each draw."""
    replicate = _replicate(tree)[:, which]
    centre = replicate.mean(axis=0)
    spread = np.maximum(replicate.std(axis=0), 1e-12)
    value = np.asarray(tree["observed_data"]["reading"])[which]
    measured = (((value - centre) / spread) ** 2).sum()
    return float(((((replicate - centre) / spread) ** 2).sum(axis=1) >= measured).mean())


def _replicate(tree: "xr.DataTree") -> np.ndarray:
    """(draws, N) readings as the posterior would have them again."""
    replicate = np.asarray(tree["posterior_predictive"]["reading"])
    return replicate.reshape(-1, replicate.shape[-1])
