"""The tables of a result's document: parameters, misfit, membrane, protocols."""

import math
from typing import Any

import numpy as np

from ..engines.gate import ESS, PARETO_K, R_HAT, apart, too_few
from ..inference.loo import loo_of, loo_pit_of
from ..inference.result import INTERVAL, Result
from ..inference.trust import is_weighted
from ..quantities.names import as_read, observable_unit
from ..text import decimals_of, fixed, percent, tabulated
from .document import (
    Label,
    Name,
    Note,
    Number,
    Section,
    Share,
    Span,
    Table,
    detail,
    prior_as_read,
    unit_label,
)
from .reading import has, readings_of

_MAX_ROWS = 200  # rows of a table in the page
_LEVEL = percent(INTERVAL).replace(" ", "\u00a0")


def parameters_section(result: Result) -> Section:
    rows, brief, weighted = [], [], is_weighted(result.tree)
    for name, row in result.table.iterrows():
        decimals = decimals_of(row["sd"])
        unit, shift = as_read(str(name), row["unit"])
        median, low, high = (row[q] + shift for q in ("median", "low", "high"))

        def few(ess: float) -> Number:
            # Of weighted points a population's own mean and spread have none: its levels are judged.
            return Number(ess, 0, marked=bool(too_few(ess)) and not (weighted and math.isnan(ess)))

        cells = (
            Name(name),
            unit_label(unit),
            Number(median, decimals),
            Span(low, high, decimals),
            prior_as_read(str(name), row["prior"]),
            Share(row["contraction"]),
            *([] if weighted else [Number(row["r_hat"], 3, marked=bool(apart(row["r_hat"])))]),
        )
        bulk, tail = row["ess_bulk"], row["ess_tail"]
        rows.append((*cells, few(bulk), few(tail)))
        brief.append((*cells, few(float(np.minimum(bulk, tail)))))
    columns = [
        "parameter",
        "unit",
        "median",
        f"{_LEVEL} interval",
        "prior",
        "contraction",
        *([] if weighted else ["R-hat"]),
    ]
    gate = f"{'' if weighted else f'R-hat above {R_HAT} or '}fewer than {fixed(ESS, 0)} effective draws"
    lead = (
        f"Posterior median and {_LEVEL} equal-tailed interval. Contraction: the share of the prior's variance that the "
        "readings removed (0 %, they said nothing, and below that the posterior is the wider; 100 %, they decided). "
        f"Marked rows have {gate}."
    )
    title = "Parameters"
    short = Table.of(title, [*columns, "ESS"], brief)
    table = Table.of(title, [*columns, "ESS bulk", "ESS tail"], rows, lead=lead, brief=short)
    return Section("parameters", title, (table,))


def misfit_section(result: Result, numbers: dict[str, Any]) -> Section:
    tree = result.tree
    r = readings_of(tree)
    p = pit = k = np.full(len(r.value), np.nan)
    below = []
    if "overall_p" in numbers:
        below.append(f"All readings together: predictive p = {tabulated(numbers['overall_p'])}.")
    elpd, se = (numbers.get(key, math.nan) for key in ("elpd_loo", "elpd_loo_se"))
    if elpd is not None and math.isfinite(elpd):
        below.append(
            f"Expected log predictive density by PSIS-LOO: {tabulated(elpd, 1)} ± {tabulated(se, 1)}."
        )
    if has(tree, "posterior_predictive", "observed_data"):
        from ..inference.misfit import predictive_p

        p = predictive_p(tree)
    else:
        below.append("Predictive draws were not kept: there is no predictive p.")
    if has(tree, "log_likelihood"):
        pit, k = loo_pit_of(tree), np.asarray(loo_of(tree).pareto_k, float)
        if np.isnan(pit).all():
            below.append("LOO-PIT cannot be computed from these draws.")
    else:
        below.append("The log-likelihood was not kept: there is no LOO-PIT and no Pareto k.")
    order, lead = np.arange(len(p)), ""
    if len(p) > _MAX_ROWS:
        order = np.argsort(np.where(np.isfinite(p), p, 1.0), kind="stable")
        lead = f" The {_MAX_ROWS} with the smallest p of {len(p)}."
    rows = []
    for i in order[:_MAX_ROWS]:
        unit = observable_unit(r.observable[i])
        to = _decimals(unit)
        rows.append(
            (
                Label(r.names[i]),
                Number(r.value[i], to),
                Number(r.error[i], to),
                Number(r.expected[i], to),
                Span(r.bands[0, i], r.bands[-1, i], to),
                unit_label(unit),
                Number((r.value[i] - r.expected[i]) / r.scatter[i], 1),
                Number(p[i], marked=bool(p[i] < 0.05)),
                Number(pit[i], 2),
                Number(k[i], 2, marked=bool(k[i] > PARETO_K)),
            )
        )
    columns = [
        "reading",
        "measured",
        "± s.e.",
        "expected",
        f"{_LEVEL} interval",
        "unit",
        "off by",
        "p",
        "LOO-PIT",
        "Pareto k",
    ]
    lead = (
        f"Expected: posterior mean, and {_LEVEL} equal-tailed interval of a new reading. Off by: reading less expected, in "
        "total scatters. p: two-sided posterior predictive p-value. LOO-PIT: the share of predictions from the other "
        f"readings that lie below this one; values near 0 or 1 are misfits. Pareto k above {PARETO_K}: the reading decides "
        f"so much that its LOO-PIT cannot be relied on.{lead}"
    )
    title = "Misfit, reading by reading"
    return detail("misfit", title, Table.of(title, columns, rows, " ".join(below), lead=lead), short="Misfit")


def _decimals(unit: str) -> int | None:
    """What can be read of a cell: potentials to 0.1 mV, the rest to three digits."""
    return 1 if unit == "mV" else None


def membrane_section(result: Result) -> Section:
    tree, title = result.tree, "The membrane, condition by condition"
    if not has(tree, "membrane"):
        return detail("membrane", title, "This result holds no membrane potentials.", short="Membrane")
    group = tree["membrane"].to_dataset()
    names = [str(v) for v in group.data_vars]
    ions = str(tree.attrs.get("ions", "")).split(", ")
    order = ["V_m", *(f"E_{ion}" for ion in ions), *(f"{ion}_i" for ion in ions)]
    names.sort(key=lambda v: (order.index(v) if v in order else len(order), v))
    conditions = [str(c) for c in group["condition"].values]
    draws = {
        v: np.broadcast_to(
            group[v].transpose(..., "condition")
            if "condition" in group[v].dims
            else group[v].expand_dims("condition", -1),
            (*group[v].shape[:2], len(conditions)),
        )
        for v in names
    }
    lead = (
        f"Posterior median and {_LEVEL} equal-tailed interval of the membrane itself, without electrode offset, junction "
        "potential or noise."
    )
    if any(not np.isfinite(d).all() for d in draws.values()):
        lead += " —: there is no such potential, since the concentration on one side is 0."
    if len(conditions) > _MAX_ROWS:
        lead += f" The first {_MAX_ROWS} of {len(conditions)} conditions."
    tables = []
    for in_mV in (True, False):
        chosen = [v for v in names if (observable_unit(v) == "mV") == in_mV]
        columns = [c for v in chosen for c in ((v, observable_unit(v)), _LEVEL)]
        rows = [
            (Label(c), *(cell for v in chosen for cell in _quantiles(draws[v][..., i], v)))
            for i, c in enumerate(conditions[:_MAX_ROWS])
        ]
        tables += [Table.of(title, ["condition", *columns], rows)] if chosen else []
    return detail("membrane", title, Note(lead), *tables, short="Membrane")


def _quantiles(values: Any, observable: str) -> tuple[Number, Span]:
    """Median and 95 % equal-tailed interval of draws; of none where any is not finite."""
    to, values = _decimals(observable_unit(observable)), np.asarray(values)
    tail = (1 - INTERVAL) / 2
    there = np.isfinite(values).all()
    low, median, high = np.quantile(values, [tail, 0.5, 1 - tail]) if there else [math.nan] * 3
    return Number(median, to), Span(low, high, to)


def protocols_sections(result: Result) -> list[Section]:
    """What was assumed to have settled in each condition, and what the other assumption would have given."""
    if not has(result.tree, "protocols"):
        return []
    group = result.tree["protocols"].to_dataset()
    lost = np.asarray(group["unanswered"], float)
    rows = []
    for c, unanswered in zip(group["condition"].values[:_MAX_ROWS], lost, strict=False):
        row = group.sel(condition=c)
        here, other = (
            (Number(median, 1), Span(low, high, 1))
            for low, median, high in (row[v].values.tolist() for v in ("V_m", "V_m_other"))
        )
        kind, baseline = str(row["kind"].item()), str(row["baseline"].item())
        after = "the baseline itself" if baseline == str(c) else f"after {baseline}"
        assumed = Label(kind if kind == "steady" else f"{kind}, {after}")
        last = [Number(100 * unanswered, 0) if unanswered else ""] if lost.any() else []
        rows.append((Label(c), assumed, *here, Label(row["other_kind"].item()), *other, *last))
    columns = [
        "condition",
        "assumed",
        "V_m",
        _LEVEL,
        "otherwise",
        "V_m",
        _LEVEL,
        *["no answer (% of draws)"] * bool(lost.any()),
    ]
    lead = (
        "V_m of the membrane (mV) as assumed, and what the other assumption would have given with the same parameters; "
        f"posterior median and {_LEVEL} interval of a sample of the draws. Where the two differ, the answer hangs on the "
        "protocol."
    )
    title = "Protocols: what had time to settle"
    return [detail("protocols", title, Table.of(title, columns, rows, lead=lead), short="Protocols")]
