"""The page of one cell of a batch: its verdict, readings, parameters and marginals."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..batch.results import Batch, CellStatus, Rung
from ..engines.gate import ESS, PARETO_K, PROBABILITIES, R_HAT, too_few
from ..problem.priors import prior_in
from ..quantities.names import safe_name
from ..quantities.symbols import symbol
from ..text import decimals_of, fixed, listing, minus, significant
from . import batch_figures
from .batch_figures import Marginal, on_log_axis
from .batch_reading import (
    DETERMINED,
    RUNGS,
    UNTOUCHED,
    capped,
    common,
    file_name,
    provenance,
    reference_of,
    table_file,
)
from .html import as_image, fill_template, number
from .reading import pair_choice


def render_cell(batch: Batch, cell: str) -> str:
    """The page of one cell as text.

    Raises:
        InputError: there is no such cell.
    """
    return fill_template("batch_report.html.j2", common(batch) | _cell_page(batch, cell))


def _cell_page(batch: Batch, cell: str) -> dict[str, Any]:
    tree = batch.cell(cell)
    summary = tree["summary"].to_dataset()
    status, rung = CellStatus[tree.attrs["status"]], Rung[tree.attrs["rung"]]
    rows = batch.manifest["parameters"]
    quantile = np.asarray(summary["quantile"])
    has = np.isfinite(quantile).all(axis=1)
    table = [_cell_row(p, summary, i) for i, p in enumerate(rows) if has[i]]
    marginals = [_marginal(batch, p, tree, quantile[i]) for i, p in enumerate(rows) if has[i]]
    n_draws = max((m.draws.size for m in marginals), default=0)
    return {
        "kind": "cell",
        "cell": cell,
        "verdict": _cell_verdict(tree, summary, status, rows, has),
        "numbers": _cell_numbers(summary, rung),
        "table": table,
        "absent": [p["name"] for p, there in zip(rows, has, strict=True) if not there],
        "marginals": _marginals_figure(marginals, n_draws, len(table)),
        "pairs": _cell_pairs_figure(marginals, summary),
        "n_draws": n_draws,
        "provenance": provenance(batch),
        "code": _as_infer(batch, cell),
    }


def _cell_verdict(
    tree: xr.DataTree, summary: xr.Dataset, status: CellStatus, rows: list, has: np.ndarray
) -> dict[str, Any]:
    usable = status == CellStatus.usable
    contraction = np.asarray(summary["contraction"])
    names = [p["name"] for p in rows]
    lines = []
    detail = str(tree.attrs["detail"])
    if detail != CellStatus.words[status]:
        lines.append(detail)
    if usable:
        for chosen, said, after in (
            (contraction >= DETERMINED, "The data determine", ""),
            (
                (contraction >= 0.5) & (contraction < DETERMINED),
                "The data narrow",
                ", but the prior still matters",
            ),
            (
                contraction < UNTOUCHED,
                "The data say next to nothing about",
                ": what is reported is the prior",
            ),
        ):
            these = [n for n, there, c in zip(names, has, chosen, strict=True) if there and c]
            if these:
                lines.append(f"{said} {listing(these, 8)}{after}.")
        if bool(summary["prior_dominated"]):
            lines.append(
                "The cell is marked as dominated by the prior: a sound posterior that tells of the prior."
            )
    return {
        "kind": "good" if usable else "bad",
        "label": "Usable" if usable else f"Do not use ({status.name})",
        "headline": CellStatus.words[status],
        "lines": lines,
    }


def _cell_numbers(summary: xr.Dataset, rung: Rung) -> list[tuple[str, Any]]:
    def value(name: str) -> float:
        return float(summary[name])

    out: list[tuple[str, Any]] = [
        ("Rung", f"{rung.name}: {RUNGS[rung]}"),
        ("Readings", f"{int(summary['n_readings']):,}"),
    ]
    if not math.isnan(value("k_hat")):
        out.append(("Pareto k-hat", f"{_said(value('k_hat'), 2)} (usable: at most {PARETO_K})"))
    ess = np.fmin(np.asarray(summary["ess_bulk"]), np.asarray(summary["ess_tail"]))
    if np.isfinite(ess).any():
        out.append(("Least effective draws", f"{np.nanmin(ess):,.0f} (usable: at least {fixed(ESS, 0)})"))
    r_hat = np.asarray(summary["r_hat"])
    if np.isfinite(r_hat).any():
        out.append(("Largest R-hat", f"{fixed(np.nanmax(r_hat), 3)} (usable: at most {R_HAT})"))
    if math.isfinite(value("log_evidence")):
        se = value("log_evidence_se")
        said = _said(value("log_evidence"), 2) + (f" ± {_said(se, 2)}" if math.isfinite(se) else "")
        out.append(("Log evidence", said))
    if math.isfinite(value("elpd_loo")):
        k = value("loo_k")
        said = _said(value("elpd_loo"), 2) + (
            f" (largest Pareto k {_said(k, 2)})" if not math.isnan(k) else ""
        )
        out.append(("Expected log predictive density (PSIS-LOO)", said))
    return out


def _said(x: float, decimals: int) -> str:
    return str(number(x, decimals)) if math.isinf(x) or abs(x) < 1e5 else minus(significant(x, 4))


def _cell_row(p: dict, summary: xr.Dataset, i: int) -> dict[str, Any]:
    def value(name: str) -> float:
        return float(summary[name][i])

    low, median, high = (float(summary["quantile"][i, PROBABILITIES.index(q)]) for q in (0.025, 0.5, 0.975))
    decimals = decimals_of(value("sd"))
    contraction = value("contraction")
    return {
        "name": p["name"],
        "unit": "" if p["unit"] == "1" else p["unit"],
        "prior": minus(p["prior"]),
        "mean": number(value("mean"), decimals),
        "sd": number(value("sd"), decimals),
        "contraction": number(contraction, 2),
        "share": fixed(100 * min(max(contraction, 0.0), 1.0), 0) if math.isfinite(contraction) else "0",
        "ess_bulk": number(value("ess_bulk"), 0),
        "ess_tail": number(value("ess_tail"), 0),
        "bad_bulk": bool(too_few(value("ess_bulk"))),
        "bad_tail": bool(too_few(value("ess_tail"))),
        **{k: number(x, decimals) for k, x in (("median", median), ("low", low), ("high", high))},
    }


def _marginal(batch: Batch, p: dict, tree: xr.DataTree, quantile: np.ndarray) -> Marginal:
    draws = np.empty(0)
    if safe_name(p["name"]) in tree["posterior"].data_vars:
        draws = np.asarray(tree["posterior"][safe_name(p["name"])], float).ravel()
        draws = draws if np.isfinite(draws).all() else np.empty(0)
    five = quantile[[PROBABILITIES.index(q) for q in (0.025, 0.25, 0.5, 0.75, 0.975)]]
    law = prior_in(p)
    log = on_log_axis(p["name"], law, float(five[0]), float(five[-1])) and not (draws <= 0).any()
    return Marginal(p["name"], symbol(p["name"], reference_of(batch)), p["unit"], law, log, five, draws)


def _marginals_figure(rows: list[Marginal], n_draws: int, n: int) -> dict[str, str] | None:
    if not rows:
        return None
    caption = (
        (
            f"Blue: {n_draws} thinned draws of the posterior. "
            if n_draws
            else "No draws of this cell were kept. "
        )
        + "Grey: the prior; where it is far wider, only its near part is drawn. Black: median, 50 % and 95 % interval, "
        "which come from all weighted points." + capped(n)
    )
    alt = "Histograms of the posterior draws of every parameter over its prior; the numbers are in the table above."
    return as_image(batch_figures.plot_marginals(rows), alt, caption)


def _cell_pairs_figure(rows: list[Marginal], summary: xr.Dataset) -> dict[str, str] | None:
    rows = [m for m in rows if m.draws.size > 2 and np.ptp(m.draws) > 0]
    if len(rows) < 2:
        return None
    contraction = dict(
        zip(map(str, summary["parameter"].values), np.asarray(summary["contraction"]), strict=True)
    )
    told = {m.name: float(np.nan_to_num(contraction[m.name])) for m in rows}
    kept = {e.name for e in pair_choice(rows, told)}
    rows = [m for m in rows if m.name in kept]
    caption = (
        "Draws of the parameters that the readings determined most or that depend most on one another (at most 5); on "
        "the diagonal, each alone; above it, rank correlations. A narrow oblique cloud is a trade-off: the readings "
        "know a combination, not each one."
    )
    alt = "Scatter plots of posterior draws, two parameters at a time, with their rank correlations."
    return as_image(batch_figures.plot_pairs(rows, np.stack([m.draws for m in rows])), alt, caption)


def _as_infer(batch: Batch, cell: str) -> dict[str, str]:
    """Python that takes one cell out of the table, and a command that infers it by NUTS.

    Of a problem made in Python there is no config, and so no command.
    """
    table, name = table_file(batch), file_name(cell)
    settings = batch.manifest["config"].get("batch")
    by = str(settings.get("by") or "cell") if isinstance(settings, dict) else "cell"
    ending = Path(table).suffix.lower()
    read = {".parquet": "parquet", ".pq": "parquet", ".xlsx": "excel"}.get(ending, "csv")
    options = ", sep='\\t'" if ending in (".tsv", ".tab") else ""
    options += "" if read == "parquet" else f", dtype={{{by!r}: str}}"
    python = [
        "import pandas as pd, yaml",
        "",
        f"table = pd.read_{read}({table!r}{options})",
        f"table[table[{by!r}].astype(str) == {cell!r}].to_csv({f'{name}.csv'!r}, index=False)",
    ]
    if not batch.manifest["config"].get("quantities"):
        return {"python": "\n".join(python).replace(", yaml", ""), "command": ""}
    folder = str((batch.path or Path("RUN")) / "config.yaml")
    python += [
        f"config = yaml.safe_load(open({folder!r}, encoding='utf-8')) | {{'data': {f'{name}.csv'!r}}}",
        "config.pop('batch', None)",
        f"yaml.safe_dump(config, open({f'{name}.yaml'!r}, 'w', encoding='utf-8'), sort_keys=False)",
    ]
    return {"python": "\n".join(python), "command": f"pumpleak infer {name}.yaml"}
