"""Batch report: one self-contained HTML page of all cells of a batch run, or of one of them.

A page of a million cells is made a column at a time; figures show a sample of the cells.
"""

import csv
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..batch.results import Batch, CellStatus, Rung, load_batch, unreadable
from ..engines.gate import ESS, PARETO_K, count
from ..errors import InputError
from ..files.whole import whole_file
from ..text import decimals_of, fixed, listing, minus
from . import batch_figures
from .batch_figures import FEW, MAX_PANELS, Population
from .batch_reading import (
    INTERVALS,
    RUNGS,
    Columns,
    capped,
    common,
    contractions,
    count_cells,
    file_name,
    population,
    provenance,
    share,
    share_of,
    time,
)
from .cell_page import render_cell
from .html import as_image, fill_template, number

_FLAGGED = 50  # flagged cells in the page
_SCATTER = 4_000  # cells in a scatter plot
_PAIRS = 4
_LONGEST = 400  # signs of a note


def report_batch(
    batch: Batch | str | Path,
    out: str | Path | None = None,
    *,
    cell: str | None = None,
    force: bool = False,
) -> Path:
    """Write the report of a batch run, or of one of its cells: one HTML file that needs nothing else.

    Args:
        batch: a `Batch`, or the folder of a finished run.
        out: the file to write, or a folder for it; by default ``report.html`` in the run's folder, and
            ``cells/A7.html`` there for the cell A7 (an id that makes no good file name gets another).
        cell: the id of a cell; without it the report is of all of them.
        force: replace an existing file.

    Returns:
        The path of the file.

    Raises:
        InputError: there is no such run or cell, the run is not complete, the file exists, or it cannot be
            written.
    """
    if not isinstance(batch, Batch):
        batch = load_batch(batch)
    name = "report.html" if cell is None else f"{file_name(str(cell))}.html"
    if out is not None:
        out = Path(out)
        if out.suffix.lower() not in (".html", ".htm"):
            out = out / name
    elif batch.path is None:
        raise InputError(
            "a batch in memory has no folder of its own", mend="Say where to: report_batch(batch, out)"
        )
    else:
        out = batch.path / name if cell is None else batch.path / "cells" / name
    if out.exists() and not force:  # before the work, not after
        raise InputError("exists already", mend="Give --force to replace it, or another name", file=out)
    page = render_batch(batch) if cell is None else render_cell(batch, str(cell))
    # An id from a damaged file may hold half a surrogate pair.
    text = page.encode("utf-8", "replace")
    return whole_file(out, lambda path: path.write_bytes(text), force=force)


def render_batch(batch: Batch) -> str:
    """The page of all cells as text."""
    return fill_template("batch_report.html.j2", common(batch) | _population_page(batch))


# -- all cells ----------------------------------------------------------------------------------------


def _population_page(batch: Batch) -> dict[str, Any]:
    columns = Columns(batch)
    status, rung = columns.codes("status", CellStatus), columns.codes("rung", Rung)
    usable = status == CellStatus.usable
    contraction = contractions(batch, usable)
    # By chance, not every so many cells: these would be the same wells of each plate.
    chosen = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(usable))[:_SCATTER])
    populations, scatter, ess = [], [], np.full(batch.n_cells, np.inf)
    absent = []
    for p, told in zip(batch.manifest["parameters"], contraction, strict=True):
        low, median, high = (columns[f"{p['name']}_{k}"] for k in ("low", "median", "high"))
        ess = np.fmin(ess, columns[f"{p['name']}_ess"])
        found = population(batch, p, usable, low, median, high, told)
        if found is None:
            absent.append(p["name"])
            continue
        populations.append(found)
        if len(scatter) < _PAIRS and len(found.medians) > 1 and found.medians[-1] > found.medians[0]:
            scatter.append((found, median[chosen]))
    ess[np.isinf(ess)] = np.nan
    counts = count(status[usable | (status >= 0)], CellStatus)
    return {
        "kind": "population",
        "verdict": _population_verdict(batch, populations, int((columns["prior_dominated"] & usable).sum())),
        "statuses": [
            {
                "name": s.name,
                "cells": f"{counts[s.name]:,}",
                "share": share(counts[s.name], batch.n_cells),
                "words": CellStatus.words[s],
                "bad": s != CellStatus.usable,
            }
            for s in CellStatus
            if counts.get(s.name)
        ],
        "rungs": [
            {
                "name": r.name,
                "cells": f"{int((rung == r).sum()):,}",
                "share": share(int((rung == r).sum()), batch.n_cells),
                "usable": share(int((usable & (rung == r)).sum()), int((rung == r).sum())),
                "words": RUNGS[r],
            }
            for r in Rung
            if (rung == r).any()
        ],
        "time": time(batch, int(usable.sum())),
        "parameters": [_population_row(p) for p in populations],
        "absent": absent,
        "capped": capped(len(populations)),
        "populations": _populations_figure(populations),
        "caterpillars": _caterpillars_figure(populations),
        "outlying": _outlying(populations, columns),
        "few": FEW,
        "few_cells": usable.sum() < FEW,
        "diagnostics": _diagnostics_figure(columns["k_hat"], ess, usable),
        "pairs": _pairs_figure(scatter, len(chosen), int(usable.sum())),
        "flagged": _flagged(batch),
        "provenance": provenance(batch),
    }


def _population_row(p: Population) -> dict[str, Any]:
    apart = [x for x in ((p.band[1] - p.band[0]) / 3, p.width / 4) if x > 0]
    decimals = decimals_of(min(apart)) if apart else None
    return {
        "name": p.name,
        "unit": "" if p.unit == "1" else p.unit,
        "cells": f"{p.cells:,}",
        "median": number(p.median, decimals),
        "low": number(p.band[0], decimals),
        "high": number(p.band[1], decimals),
        "width": number(p.width),
        "factor": None if math.isnan(p.factor) else number(p.factor),
        "prior": minus(p.prior),
        "untouched": share_of(p.untouched, p.cells),
        "determined": share_of(p.determined, p.cells),
        "bad": p.untouched >= 0.5,
    }


def _population_verdict(batch: Batch, rows: list[Population], prior_dominated: int) -> dict[str, Any]:
    usable = batch.counts.get("usable", 0)
    kind = "good" if batch.usable >= 0.95 else "warn" if batch.usable >= 0.5 else "bad"
    label = {
        "good": "Usable" if usable == batch.n_cells else "Usable, but for a few cells",
        "warn": "Usable in part",
        "bad": "Mostly not usable" if usable else "Nothing here is usable",
    }
    lines = []
    if usable < batch.n_cells and usable:
        lines.append(
            "What is said of parameters below is of the usable cells alone. Flagged cells are counted and listed, "
            "and left out of everything else: where they are many, those that remain need not be typical."
        )
    for least, said, after in (
        ("determined", "The data determine", ""),
        ("untouched", "The data say next to nothing about", ": what is reported there is the prior"),
    ):
        alike: dict[str, list[str]] = {}
        for p in rows:
            fraction = getattr(p, least)
            if fraction >= 0.5:
                of = "all cells" if fraction == 1 else f"{share_of(fraction, p.cells)} of the cells"
                alike.setdefault(of, []).append(p.name)
        lines += [f"{said} {listing(names, 8)} in {of}{after}." for of, names in alike.items()]
    if prior_dominated:
        lines.append(
            f"{prior_dominated:,} usable {'cell is' if prior_dominated == 1 else 'cells are'} marked as dominated by "
            f"the prior ({share(prior_dominated, usable)}): what is reported there is sound, but it is the prior's."
        )
    for p in rows[:MAX_PANELS]:
        if p.clear:
            lines.append(
                f"{count_cells(p.clear)} {'has' if p.clear == 1 else 'have'} a 95 % interval of {p.name} clear of where "
                f"the middle 90 % of the medians lie ({share(p.clear, p.cells)} of {p.cells:,})."
            )
    return {
        "kind": kind,
        "label": label[kind],
        "headline": f"{batch.headline}.",
        "lines": lines,
    }


def _populations_figure(rows: list[Population]) -> dict[str, str] | None:
    if not rows:
        return None
    undrawn = [p.name for p in rows[:MAX_PANELS] if p.law is None]
    caption = (
        "Blue: how the cells' posterior medians are distributed"
        + (" (fewer than 20 cells: a stroke each). " if rows[0].cells < FEW else ". ")
        + "Grey: the prior, which all cells share; where it is far wider, only its near part is drawn. Black: the "
        "length of a typical cell's 95 % interval. Where blue is no wider than black, the cells may well be all alike; "
        "medians crowded at the prior's centre under a long bar are the prior's, not the cells'."
        + (
            f" No prior is drawn of {', '.join(undrawn)}: it is not the same for all cells."
            if undrawn
            else ""
        )
        + capped(len(rows))
    )
    alt = "Histograms of the cells' posterior medians over each parameter's prior; the numbers are in the table above."
    return as_image(batch_figures.plot_populations(rows), alt, caption)


def _caterpillars_figure(rows: list[Population]) -> dict[str, str] | None:
    if not rows:
        return None
    n = max(p.cells for p in rows)
    which = (
        f"{INTERVALS} of {n:,} cells, evenly chosen by the rank of their medians"
        if n > INTERVALS
        else "Each cell"
    )
    caption = (
        f"{which}: median and 95 % interval."
        + (
            " Grey: between the 5 and 95 % quantiles of all medians. Orange: intervals clear of that band."
            if n >= FEW
            else ""
        )
        + capped(len(rows))
    )
    alt = "Intervals of single cells sorted by their medians, a panel for each parameter."
    return as_image(batch_figures.plot_caterpillars(rows), alt, caption)


def _diagnostics_figure(k_hat: np.ndarray, ess: np.ndarray, usable: np.ndarray) -> dict[str, str]:
    no_k = int(np.isnan(k_hat).sum())
    caption = (
        f"Left: Pareto k-hat of the importance weights, at most {PARETO_K} to be usable; infinite and beyond 2 stand at 2. "
        f"Right: the least effective sample size among a cell's parameters, at least {fixed(ESS, 0)}. "
        "Where there are many cells, heights are on a log scale, so that the few that were flagged are seen."
        + (
            f" {no_k:,} of {len(k_hat):,} cells {'has' if no_k == 1 else 'have'} no k-hat: chains made them, or nothing did."
            if no_k
            else ""
        )
    )
    alt = (
        f"Histograms over all cells: {share(int((k_hat > PARETO_K).sum()), len(k_hat))} have k-hat above {PARETO_K}, "
        f"{share(int((ess < ESS).sum()), len(ess))} fewer than {fixed(ESS, 0)} effective draws."
    )
    figure = batch_figures.plot_diagnostics(k_hat, ess, usable, k_limit=PARETO_K, ess_limit=ESS)
    return as_image(figure, alt, caption)


def _pairs_figure(scatter: list[tuple[Population, np.ndarray]], n: int, usable: int) -> dict[str, str] | None:
    if len(scatter) < 2 or n < 3:
        return None
    rows, medians = [p for p, _ in scatter], np.stack([m for _, m in scatter])
    caption = (
        f"Posterior medians of {f'{n:,} of {usable:,} usable cells, chosen by chance' if n < usable else 'the usable cells'}; "
        "on the diagonal, each parameter alone; above it, rank correlations across cells. A correlation may be "
        "the cells' own, or a trade-off that every cell's data leave open: one cell's report shows the latter."
    )
    alt = "Scatter plots of the cells' medians, two parameters at a time, with rank correlations."
    return as_image(batch_figures.plot_pairs(rows, medians), alt, caption)


def _outlying(rows: list[Population], columns: Columns) -> list[dict[str, Any]]:
    rows = [p for p in rows if p.outlying][:MAX_PANELS]
    at = [row[0] for p in rows for row in p.outlying]
    ids = iter(columns.ids(at) if at else [])
    out = []
    for p in rows:
        cells = []
        for _, low, median, high in p.outlying:
            decimals = decimals_of((high - low) / 4)
            cells.append(
                {
                    "cell": next(ids),
                    "side": "above" if low > p.band[1] else "below",
                    **{k: number(x, decimals) for k, x in (("median", median), ("low", low), ("high", high))},
                }
            )
        out.append(
            {
                "name": p.name,
                "unit": "" if p.unit == "1" else p.unit,
                "total": count_cells(p.clear),
                "share": share(p.clear, p.cells),
                "low": number(p.band[0]),
                "high": number(p.band[1]),
                "cells": cells,
            }
        )
    return out


def _flagged(batch: Batch) -> dict[str, Any]:
    total = batch.n_cells - batch.counts.get("usable", 0)
    rows = list(itertools.islice(_flagged_rows(batch), _FLAGGED)) if total else []
    cells = [
        {"cell": c, "status": s, "detail": d if len(d) <= _LONGEST else f"{d[: _LONGEST - 1]}…"}
        for c, s, d in rows
    ]
    rest = total - len(cells)
    return {
        "cells": cells,
        "total": f"{total:,}",
        "rest": f"{rest:,}" if rest > 0 else None,
        "where": "flagged.csv in the run's folder" if batch.path is not None else "Batch.flagged()",
    }


def _flagged_rows(batch: Batch) -> Iterator[tuple[str, str, str]]:
    file = batch.folder / "flagged.csv"
    try:
        with file.open(encoding="utf-8", newline="") as f:
            for row in csv.DictReader(f):
                yield row["cell"], row["status"], row["detail"] or ""
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise unreadable(file, error) from None
