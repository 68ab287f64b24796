"""Report: one self-contained HTML page of a result, made from its tree alone."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.gate import ESS, PARETO_K, R_HAT, apart, too_few
from ..errors import InputError
from ..files.whole import whole_file
from ..inference.loo import loo_of, loo_pit_of
from ..inference.result import INTERVAL, Result, load_result
from ..inference.trust import divergences, is_weighted
from ..quantities.names import kind as kind_of
from ..quantities.names import observable_unit
from ..text import decimals_of, fixed, minus, percent, significant
from . import posterior_figures as figures
from .data_figure import electrode_shift, plot_data
from .html import (
    as_image,
    as_read,
    capped,
    fill_template,
    ion_markup,
    name_markup,
    number,
    prose,
    sub,
)
from .posterior_figures import MAX_PANELS
from .reading import has, readings_of, reference_ion, series_and_x

if TYPE_CHECKING:
    from .study import Study

_MAX_ROWS = 200  # rows of a table in the page
_NOISE = {
    "normal": "Normal noise: each reading scatters about the predicted one with its standard error and, "
    "where one is inferred, the extra scatter (added as squares).",
    "student_t": "Student-t noise: as normal noise, with tails that forgive single outliers; the degrees of "
    "freedom are ν.",
    "outliers": "Normal noise with outliers: a share of the readings scatters several times as widely.",
}


def report(
    result: Result | str | Path,
    out: str | Path | None = None,
    *,
    studies: Sequence["Study"] = (),
    force: bool = False,
) -> Path:
    """Write a result's report: one HTML file that needs nothing else, to open, mail or print.

    Args:
        result: a `Result`, the folder that `infer` wrote, or its ``posterior.nc``.
        out: the file to write, or a folder for ``report.html``; beside the result by default.
        studies: of the same problem, each a section of the page.
        force: replace an existing file.

    Returns:
        The path of the file.

    Raises:
        InputError: there is no such result, the file exists, or it cannot be written.

    Example:
        >>> from pumpleak import infer, load_dataset, lognormal, make_problem, report
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> import tempfile
        >>> print(report(infer(problem, engine="importance", seed=1), tempfile.mkdtemp()).name)
        report.html
    """
    if not isinstance(result, Result):
        path = Path(result)
        out = (path if path.is_dir() else path.parent) if out is None else out
        result = load_result(path)
    if out is None:
        raise InputError(
            "a result in memory has no folder of its own", mend="Say where to: report(result, out)"
        )
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        out = out / "report.html"
    if out.exists() and not force:  # before the work, not after
        raise InputError("exists already", mend="Give --force to replace it, or another name", file=out)
    page = render(result, studies)
    return whole_file(out, lambda path: path.write_text(page, encoding="utf-8"), force=force)


def render(result: Result, studies: Sequence["Study"] = ()) -> str:
    """The page as text."""
    return fill_template("report.html.j2", _page(result) | {"studies": studies})


def _page(result: Result) -> dict[str, Any]:
    """Everything the template shows, section by section."""
    tree, attrs = result.tree, result.attrs
    config = json.loads(str(attrs.get("config", "{}")))
    return {
        "title": str(attrs.get("title", "untitled")),
        "attrs": attrs,
        "ions": [ion_markup(i) for i in str(attrs.get("ions", "")).split(", ") if i],
        "n_readings": int(tree["readings"].sizes["obs"]),
        "verdict": _verdict(result),
        "data": _data(result),
        "table": _table(result),
        "prior_posterior": _prior_posterior(result),
        "pairs": _pairs(result),
        "weighted": is_weighted(tree),
        "chains": [] if is_weighted(tree) else _chains(result),
        "information": _information(result),
        "misfit": _misfit(result),
        "assumptions": json.loads(str(attrs.get("assumptions", "[]"))),
        "noise": _NOISE.get(str(attrs.get("noise")), str(attrs.get("noise", "not recorded"))),
        "membrane": _membrane(result),
        "protocols": _protocols(result),
        "reproduce": _reproduce(attrs, config),
        "level": percent(INTERVAL).replace(" ", "\u00a0"),
        "limits": {"r_hat": R_HAT, "ess": fixed(ESS, 0), "k": PARETO_K},
        "sub": sub,
        "name": lambda n: name_markup(str(n), reference_ion(tree)),
        "prose": prose(result),
    }


# -- text -----------------------------------------------------------------------------------------


def _interval(values, observable: str) -> dict[str, Any]:
    """Median and 95 % equal-tailed interval of draws."""
    values = np.asarray(values)
    if not np.isfinite(values).all():
        return {"median": "—", "low": None, "high": None}
    tail = (1 - INTERVAL) / 2
    low, median, high = np.quantile(values, [tail, 0.5, 1 - tail])
    return {k: as_read(x, observable) for k, x in (("median", median), ("low", low), ("high", high))}


# -- sections -------------------------------------------------------------------------------------


def _verdict(result: Result) -> dict[str, Any] | None:
    text = result.attrs.get("verdict")
    if not text:
        return None
    verdict = json.loads(str(text))
    usable, fits = verdict["usable"], verdict["fits"]
    kind = "good" if usable and fits else "warn" if usable else "bad"
    label = {
        "good": "Usable, and the model fits"
        + (" with extra scatter" if verdict["numbers"]["scattered"] else ""),
        "warn": "Usable, but the model does not fit",
        "bad": "Do not use",
    }
    return verdict | {"kind": kind, "label": label[kind]}


def _data(result: Result) -> dict[str, Any]:
    tree = result.tree
    r = readings_of(tree)
    curve = tree["curve"].to_dataset() if has(tree, "curve") else None
    caption = []
    if curve is not None:
        caption.append(
            "Lines and bands: what the model expects of the membrane potential (median, 50 % and 95 % of the "
            "posterior), a colour for each series. Points: readings; thick bar, ± standard error; thin bar, ± total "
            "scatter (standard error and extra scatter together). Below: reading less expected reading."
        )
        series, x = series_and_x(tree)
        if {series[i] for i in r.row[~r.paired]} - set(map(str, curve["series"].values)):
            caption.append(
                "A series measured in one condition has, in place of bands, bars behind its point: the 50 % and 95 % "
                "interval of a predicted reading."
            )
        if float(curve["x"].min()) == 0:
            caption.append("0 stands apart at the left, where the axis is broken: it has no logarithm.")
        if len(np.unique(x[r.row[~r.paired]])) < (~r.paired).sum():
            caption.append("Readings at the same place are drawn side by side.")
        shift = electrode_shift(result)
        if shift > 0.05:
            caption.append(
                f"Above, readings are shown less what the electrode adds (offset and junction potential, by the "
                f"posterior mean; up to {fixed(shift, 1)} mV)."
            )
    if curve is None or r.paired.any():
        what = "Changes from the reference row" if curve is not None else "Readings by name"
        caption.append(
            f"{what}: bars, 50 % and 95 % interval of a predicted reading, with its median; points, "
            "measured, ± standard error (thick) and ± total scatter (thin)."
        )
    worst = int(np.argmax(np.abs(r.value - r.expected) / r.scatter))
    alt = (
        f"{len(r.value)} readings of {', '.join(dict.fromkeys(r.observable.tolist()))} with the model's 50 % and 95 % bands"
        + (f" against {curve.attrs['x_name']}" if curve is not None else "")
        + f". Farthest from what is expected: {r.names[worst]}, read {significant(r.value[worst], 4)}, expected {significant(r.expected[worst], 4)}."
    )
    return {"figure": as_image(plot_data(result), alt, " ".join(caption))}


def _table(result: Result) -> list[dict[str, Any]]:
    rows, weighted = [], is_weighted(result.tree)
    for name, row in result.table.iterrows():
        decimals = decimals_of(row["sd"])
        celsius = None
        k = kind_of(str(name))
        if k.what == "temperature" and k.tail in ("", "mean"):
            celsius = {k: number(row[k] - 273.15, decimals) for k in ("median", "low", "high")}
        contraction = float(row["contraction"])
        rows.append(
            {
                "name": str(name),
                "unit": "" if row["unit"] == "1" else row["unit"],
                "celsius": celsius,
                "prior": minus(row["prior"]),
                "contraction": number(contraction, 2),
                "share": fixed(100 * min(max(contraction, 0.0), 1.0), 0),
                "r_hat": number(row["r_hat"], 3),
                "ess_bulk": number(row["ess_bulk"], 0),
                "ess_tail": number(row["ess_tail"], 0),
                "bad_r_hat": not weighted and bool(apart(row["r_hat"])),
                # Of weighted points a population's own mean and spread have none: its levels are judged.
                **{f"bad_{k}": _few(row[f"ess_{k}"], blank=weighted) for k in ("bulk", "tail")},
                **{k: number(row[k], decimals) for k in ("median", "low", "high")},
            }
        )
    return rows


def _few(ess: float, *, blank: bool) -> bool:
    return bool(too_few(ess)) and not (blank and math.isnan(ess))


def _prior_posterior(result: Result) -> dict[str, Any] | None:
    if not has(result.tree, "prior"):
        return None
    caption = (
        "Grey: what was believed before the readings. Blue: what is believed after them, with its median. Where blue "
        "lies on grey, the readings said nothing; where it is far narrower, only the near part of the grey is shown."
        + capped(result)
    )
    alt = "Histograms of prior and posterior draws of every parameter; the numbers are in the table above."
    return as_image(figures.plot_prior_posterior(result), alt, caption)


def _pairs(result: Result) -> dict[str, Any] | None:
    if result.tree["table"].sizes["parameter"] < 2:
        return None
    divergent, told = divergences(result.tree), ""
    if not is_weighted(result.tree):
        told = f"Red: {divergent} divergent draws." if divergent else "No draw diverged."
        if divergent and "diverging" not in result.tree["sample_stats"]:
            told = f"{divergent} draws diverged; which ones was not kept."
    caption = (
        "Posterior draws of the parameters that the readings determined most or that depend most on one another (at "
        "most 5); on the diagonal, each alone; above it, rank correlations. A narrow oblique cloud is a trade-off: the "
        "readings know a combination, not each one. " + told
    )
    alt = "Scatter plots of posterior draws, two parameters at a time, with their rank correlations."
    return as_image(figures.plot_pairs(result), alt, caption)


def _chains(result: Result) -> list[dict[str, str]]:
    ranks = (
        "Ranks of each chain's draws (a colour for each chain) among all draws. Chains that found the same "
        "distribution give flat lines near 1; the grey band holds 99 % of the heights that chance gives independent "
        "draws, and draws that depend on one another stray somewhat farther." + capped(result)
    )
    traces = (
        "Draws in the order they were made, for the parameters with the fewest effective draws. The chains should "
        "overlap and look like noise."
    )
    return [
        as_image(
            figures.plot_ranks(result), "Rank histograms of every chain, parameter by parameter.", ranks
        ),
        as_image(figures.plot_traces(result), "Traces of the slowest-mixing parameters, all chains.", traces),
    ]


def _information(result: Result) -> dict[str, Any] | None:
    if not has(result.tree, "information"):
        return None
    from ..inference.determined import information_of

    info = information_of(result.tree)
    above, n = int((info.eigenvalues >= 1).sum()), len(info.eigenvalues)
    caption = (
        "Each bar is one independent direction in the space of the parameters, labelled with those it moves most; its "
        "length, how much the readings say about it, as a multiple of what the prior says. Right of the line at 1 "
        "(blue) the readings decide, left of it (grey) the prior."
        + (f" The {MAX_PANELS} largest of {n}." if n > MAX_PANELS else "")
    )
    alt = f"Bar chart of {n} eigenvalues of the Fisher information in prior widths; {above} of them are at least 1."
    summary = (
        f"The readings outweigh the prior in {above} of {n} independent directions."
        if above
        else f"In none of the {n} independent directions do the readings outweigh the prior."
    )
    return {
        "summary": summary,
        "words": info.words(),
        "figure": as_image(figures.plot_spectrum(result), alt, caption),
    }


def _misfit(result: Result) -> dict[str, Any]:
    tree = result.tree
    r = readings_of(tree)
    p = pit = k = np.full(len(r.value), np.nan)
    missing = []
    if has(tree, "posterior_predictive", "observed_data"):
        from ..inference.misfit import predictive_p

        p = predictive_p(tree)
    else:
        missing.append("Predictive draws were not kept: there is no predictive p.")
    if has(tree, "log_likelihood"):
        pit, k = loo_pit_of(tree), np.asarray(loo_of(tree).pareto_k, float)
        if np.isnan(pit).all():
            missing.append("LOO-PIT cannot be computed from these draws.")
    else:
        missing.append("The log-likelihood was not kept: there is no LOO-PIT and no Pareto k.")
    order = (
        np.argsort(np.where(np.isfinite(p), p, 1.0), kind="stable")
        if len(p) > _MAX_ROWS
        else np.arange(len(p))
    )
    rows = [
        {
            "name": r.names[i],
            "unit": observable_unit(r.observable[i]).replace("1", ""),
            "value": as_read(r.value[i], r.observable[i]),
            "error": as_read(r.error[i], r.observable[i]),
            "expected": as_read(r.expected[i], r.observable[i]),
            "low": as_read(r.bands[0, i], r.observable[i]),
            "high": as_read(r.bands[-1, i], r.observable[i]),
            "off": number((r.value[i] - r.expected[i]) / r.scatter[i], 1),
            "p": number(p[i]),
            "pit": number(pit[i], 2),
            "k": number(k[i], 2),
            "bad_p": bool(p[i] < 0.05),
            "bad_k": bool(k[i] > PARETO_K),
        }
        for i in order[:_MAX_ROWS]
    ]
    numbers = json.loads(str(result.attrs.get("verdict") or "{}")).get("numbers", {})
    elpd, se = numbers.get("elpd_loo"), numbers.get("elpd_loo_se")
    return {
        "rows": rows,
        "note": f"The {_MAX_ROWS} with the smallest p of {len(p)}." if len(p) > _MAX_ROWS else "",
        "missing": missing,
        "overall": number(numbers["overall_p"]) if "overall_p" in numbers else None,
        "elpd": number(elpd, 1) if elpd is not None and math.isfinite(elpd) else None,
        "elpd_se": number(se, 1) if se is not None and math.isfinite(se) else None,
    }


def _membrane(result: Result) -> dict[str, Any] | None:
    tree = result.tree
    if not has(tree, "membrane"):
        return None
    group = tree["membrane"].to_dataset()
    names = [str(v) for v in group.data_vars]
    ions = str(tree.attrs.get("ions", "")).split(", ")
    order = ["V_m", *(f"E_{ion}" for ion in ions), *(f"{ion}_i" for ion in ions)]
    names.sort(key=lambda v: (order.index(v) if v in order else len(order), v))
    conditions = [str(c) for c in group["condition"].values]
    draws = {v: np.broadcast_to(group[v].transpose(..., "condition") if "condition" in group[v].dims
                                else group[v].expand_dims("condition", -1),
                                (*group[v].shape[:2], len(conditions))) for v in names}  # fmt: skip
    tables = []
    for in_mV in (True, False):
        columns = [v for v in names if (observable_unit(v) == "mV") == in_mV]
        rows = [
            {"name": c, "cells": [_interval(draws[v][..., i], v) for v in columns]}
            for i, c in enumerate(conditions[:_MAX_ROWS])
        ]
        columns = [{"name": v, "unit": observable_unit(v).replace("1", "")} for v in columns]
        tables += [{"columns": columns, "rows": rows}] if columns else []
    none = any(not np.isfinite(d).all() for d in draws.values())
    return {
        "tables": tables,
        "note": f"The first {_MAX_ROWS} of {len(conditions)} conditions."
        if len(conditions) > _MAX_ROWS
        else "",
        "none": none,
    }


def _protocols(result: Result) -> list[dict[str, Any]]:
    """What was assumed to have settled in each condition, and what the other assumption would have given."""
    if not has(result.tree, "protocols"):
        return []
    group = result.tree["protocols"].to_dataset()
    rows = []
    for c in group["condition"].values[:_MAX_ROWS]:
        row = group.sel(condition=c)
        here, other = (
            dict(zip(("low", "median", "high"), (number(float(x), 1) for x in row[v].values), strict=True))
            for v in ("V_m", "V_m_other")
        )
        kind, baseline = str(row["kind"].item()), str(row["baseline"].item())
        after = "the baseline itself" if baseline == str(c) else f"after {baseline}"
        rows.append(
            {
                "name": str(c),
                "kind": kind if kind == "steady" else f"{kind}, {after}",
                "V_m": here,
                "other_kind": str(row["other_kind"].item()),
                "V_m_other": other,
                "unanswered": number(100 * float(row["unanswered"]), 0) if float(row["unanswered"]) else "",
            }
        )
    return rows


def _reproduce(attrs: dict[str, Any], config: dict) -> dict[str, Any]:
    import yaml

    sampler = json.loads(str(attrs.get("sampler", "{}")))
    versions = json.loads(str(attrs.get("versions", "{}")))
    facts = [
        ("Created", attrs.get("created")),
        ("Data", attrs.get("data_file")),
        ("SHA-256 of the data", attrs.get("data_sha256")),
        ("Seed", attrs.get("seed")),
        ("Sampler", ", ".join(f"{k} {v}" for k, v in sampler.items() if k != "seed")),
        ("Device", attrs.get("device")),
        ("Precision", attrs.get("dtype")),
        ("pumpleak", attrs.get("pumpleak_version")),
        ("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
    ]
    return {
        "yaml": yaml.safe_dump(config, sort_keys=False, allow_unicode=True) if config else None,
        "facts": [(k, str(v)) for k, v in facts if v not in (None, "")],
        "csv": str(attrs.get("data_csv", "")),
    }
