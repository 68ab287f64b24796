"""Batch report: one self-contained HTML page of all cells of a batch run, or of one of them.

A page of a million cells is made a column at a time; figures show a sample of the cells.
"""

import csv
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..batch.results import Batch, CellStatus, Rung, load_batch, unreadable
from ..engines.gate import ESS, PARETO_K, count
from ..errors import InputError
from ..files.whole import check_taken, whole_file
from ..quantities.names import as_read
from ..text import decimals_of, fixed, listing, tabulated, unguarded
from . import batch_figures, html
from .batch_figures import MAX_PANELS, Population
from .batch_reading import (
    INTERVALS,
    LEVEL,
    RUNGS,
    Columns,
    batch_document,
    capped,
    commands,
    contractions,
    count_cells,
    file_name,
    headline_of,
    population,
    provenance,
    share,
    share_of,
    time,
    title_of,
)
from .cell_page import render_cell
from .document import (
    Block,
    Document,
    Label,
    Lines,
    Marked,
    Name,
    Note,
    Number,
    Picture,
    Section,
    Span,
    Table,
    detail,
    lines,
    prior_as_read,
    unit_label,
)
from .panels import FEW

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
    check_taken(out, force)  # before the work, not after
    page = render_batch(batch) if cell is None else render_cell(batch, str(cell))
    # An id from a damaged file may hold half a surrogate pair.
    text = page.encode("utf-8", "replace")
    return whole_file(out, lambda path: path.write_bytes(text), force=force)


def render_batch(batch: Batch) -> str:
    """The page of all cells as text."""
    return html.render(population_document(batch))


def brief_document(batch: Batch, out: Path) -> Document:
    """What `batch` says when it is done: the verdict, the cells by status and rung, the parameters across cells."""
    look = batch.manifest["engine"].get("engine") == "laplace"
    usable = batch.counts.get("usable", 0)
    rows = [
        (
            Name(name),
            unit_label(unit),
            r["median"] + shift,
            Span(r["low"] + shift, r["high"] + shift),
            r["width"],
            prior_as_read(str(name), r["prior"]),
        )
        for name, r in batch.population.iterrows()
        for unit, shift in [as_read(str(name), r["unit"])]
    ]
    columns = ["parameter", "unit", "median cell", "5–95 % of cells", f"{LEVEL} interval's width", "prior"]
    parameters = Table.of(f"{batch.title}: usable cells, by their medians", columns, rows)
    said = ("Laplace's approximation was asked for: a look, not a result.",) if look else ()
    data = {
        "out": str(out),
        "cells": batch.n_cells,
        "usable": usable,
        "flagged": {k: v for k, v in batch.counts.items() if k != "usable"},
        "rungs": batch.rungs,
        "engine": batch.manifest["engine"] | {"chunk": batch.manifest["chunk"]},
        "device": batch.manifest["device"],
        "parameters": json.loads(
            batch.population.reset_index().to_json(orient="records", double_precision=15)
        ),
    }
    return batch_document(
        batch,
        "batch",
        title_of(batch),
        "",
        headline=headline_of(batch),
        status=_status(batch),
        findings=lines(*said),
        sections=(
            _status_section(batch.counts, batch.rungs, batch.n_cells, tenths=True),
            Section("parameters", "Parameters across cells", (parameters,)),
        ),
        data=data,
    )


# -- all cells ----------------------------------------------------------------------------------------


def population_document(batch: Batch) -> Document:
    """All that is to be said of a batch."""
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
    made = {r: int((rung == r).sum()) for r in Rung}
    right = {r: int((usable & (rung == r)).sum()) for r in Rung}
    return batch_document(
        batch,
        "batch report",
        title_of(batch),
        f"A posterior for each of {count_cells(batch.n_cells)}; readings from `{batch.manifest['data_file']}`.",
        headline=headline_of(batch),
        status=_status(batch),
        label=_label(batch),
        findings=_population_findings(batch, populations, int((columns["prior_dominated"] & usable).sum())),
        sections=(
            _status_section(
                counts,
                {r.name: n for r, n in made.items()},
                batch.n_cells,
                {r.name: n for r, n in right.items()},
                time(batch, int(usable.sum())),
            ),
            _parameters(populations, absent),
            detail("cells", "Cell by cell", *_caterpillars_figure(populations), short="Cells"),
            _outlying(populations, columns, int(usable.sum())),
            detail(
                "pairs",
                "Pairs of parameters across cells",
                *_pairs_figure(scatter, len(chosen), int(usable.sum())),
                short="Pairs",
            ),
            detail("diagnostics", "Diagnostics", _diagnostics_figure(columns["k_hat"], ess, usable)),
            _flagged(batch),
            provenance(batch, *commands(batch)),
        ),
    )


def _status_section(
    counts: Mapping[str, int],
    made: Mapping[str, int],
    n: int,
    right: Mapping[str, int] | None = None,
    *more: str,
    tenths: bool = False,
) -> Section:
    """How many cells are usable or flagged, and which rung made them; `right`: usable ones of each rung."""
    cells = [
        (
            Label(s.name),
            f"{counts[s.name]:,}" if s == CellStatus.usable else Marked(f"{counts[s.name]:,}"),
            share(counts[s.name], n, tenths=tenths),
            CellStatus.words[s],
        )
        for s in CellStatus
        if counts.get(s.name)
    ]
    rungs = [
        (
            Label(r.name),
            f"{made[r.name]:,}",
            share(made[r.name], n, tenths=tenths),
            *([] if right is None else [share(right[r.name], made[r.name])]),
            RUNGS[r],
        )
        for r in Rung
        if made.get(r.name)
    ]
    columns = ["rung", "cells", "share", *["usable of these"] * (right is not None), "what it is"]
    note = "Each cell climbs from the cheapest rung to dearer ones until its posterior can be used."
    tables = (
        Table.of("Usable and flagged", ["status", "cells", "share", "what it means"], cells),
        Table.of("Which engine answered", columns, rungs, lead=note),
    )
    return Section("status", "Usable and flagged", (*tables, *map(Note, more)))


def _parameters(rows: list[Population], absent: list[str]) -> Section:
    title = "Parameters across cells"
    if not rows:
        nothing = "No cell is usable, and so there is nothing to say of the parameters."
        return detail("parameters", title, nothing, short="Parameters")
    columns = [
        "parameter",
        "unit",
        "cells",
        "median of medians",
        "5–95\u00a0% of medians",
        "typical width",
        "ratio of ends",
        "prior",
        "prior-dominated",
        "determined",
    ]
    lead = (
        "Of the usable cells that have the parameter: the median of their posterior medians, and between which values "
        f"90 % of these lie (5 to 95 %); the width of a typical (median) cell's {LEVEL} equal-tailed interval, and for what "
        "is best seen on a log axis the ratio of its ends. Prior-dominated: share of cells in which the readings removed "
        "less than a tenth of the prior's variance. Determined: at least nine tenths. Marked rows are prior-dominated in "
        "at least half of the cells."
    )
    note = f"In no usable cell: {', '.join(absent)}." if absent else ""
    table = Table.of(title, columns, map(_population_row, rows), note, lead=lead)
    return detail("parameters", title, table, *_populations_figure(rows), short="Parameters")


def _population_row(p: Population) -> tuple[Any, ...]:
    apart = [x for x in ((p.band[1] - p.band[0]) / 3, p.width / 4) if x > 0]
    decimals = decimals_of(min(apart)) if apart else None
    untouched = share_of(p.untouched, p.cells)
    return (
        Name(p.name),
        unit_label(p.unit),
        p.cells,
        Number(p.median, decimals),
        Span(*p.band, decimals),
        p.width,
        "" if math.isnan(p.factor) else p.factor,
        p.prior,
        Marked(untouched) if p.untouched >= 0.5 else untouched,
        share_of(p.determined, p.cells),
    )


def _status(batch: Batch) -> str:
    return "good" if batch.usable >= 0.95 else "warn" if batch.usable >= 0.5 else "bad"


def _label(batch: Batch) -> str:
    usable = batch.counts.get("usable", 0)
    return {
        "good": "Usable" if usable == batch.n_cells else "Usable, but for a few cells",
        "warn": "Usable in part",
        "bad": "Mostly not usable" if usable else "Nothing here is usable",
    }[_status(batch)]


def _population_findings(batch: Batch, rows: list[Population], prior_dominated: int) -> tuple[Lines, ...]:
    usable = batch.counts.get("usable", 0)
    said = []
    if usable < batch.n_cells and usable:
        said.append(
            "What is said of parameters below is of the usable cells alone. Flagged cells are counted and listed, "
            "and left out of everything else: where they are many, those that remain need not be typical."
        )
    for least, words, after in (
        ("determined", "The data determine", ""),
        ("untouched", "The data say next to nothing about", ": what is reported there is the prior"),
    ):
        alike: dict[str, list[str]] = {}
        for p in rows:
            fraction = getattr(p, least)
            if fraction >= 0.5:
                of = "all cells" if fraction == 1 else f"{share_of(fraction, p.cells)} of the cells"
                alike.setdefault(of, []).append(p.name)
        said += [f"{words} {listing(names, 8)} in {of}{after}." for of, names in alike.items()]
    if prior_dominated:
        said.append(
            f"{prior_dominated:,} usable {'cell is' if prior_dominated == 1 else 'cells are'} marked as dominated by "
            f"the prior ({share(prior_dominated, usable)}): what is reported there is sound, but it is the prior's."
        )
    for p in rows[:MAX_PANELS]:
        if p.clear:
            said.append(
                f"{count_cells(p.clear)} {'has' if p.clear == 1 else 'have'} a 95 % interval of {p.name} clear of where "
                f"the middle 90 % of the medians lie ({share(p.clear, p.cells)} of {p.cells:,})."
            )
    return lines(*said)


def _populations_figure(rows: list[Population]) -> tuple[Block, ...]:
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
    return (Picture.of("populations", caption, lambda: batch_figures.plot_populations(rows), alt),)


def _caterpillars_figure(rows: list[Population]) -> tuple[Block, ...]:
    if not rows:
        return ("No cell is usable.",)
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
    return (Picture.of("cells", caption, lambda: batch_figures.plot_caterpillars(rows), alt),)


def _diagnostics_figure(k_hat: np.ndarray, ess: np.ndarray, usable: np.ndarray) -> Picture:
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
    return Picture.of(
        "diagnostics",
        caption,
        lambda: batch_figures.plot_diagnostics(k_hat, ess, usable, k_limit=PARETO_K, ess_limit=ESS),
        alt,
    )


def _pairs_figure(scatter: list[tuple[Population, np.ndarray]], n: int, usable: int) -> tuple[Block, ...]:
    if len(scatter) < 2 or n < 3:
        return ("It takes two parameters that differ between cells, and three usable cells, to draw pairs.",)
    rows, medians = [p for p, _ in scatter], np.stack([m for _, m in scatter])
    caption = (
        f"Posterior medians of {f'{n:,} of {usable:,} usable cells, chosen by chance' if n < usable else 'the usable cells'}; "
        "on the diagonal, each parameter alone; above it, rank correlations across cells. A correlation may be "
        "the cells' own, or a trade-off that every cell's data leave open: one cell's report shows the latter."
    )
    alt = "Scatter plots of the cells' medians, two parameters at a time, with rank correlations."
    return (Picture.of("pairs", caption, lambda: batch_figures.plot_pairs(rows, medians), alt),)


def _outlying(rows: list[Population], columns: Columns, usable: int) -> Section:
    title = "Outlying cells"
    rows = [p for p in rows if p.outlying][:MAX_PANELS]
    if not rows:
        why = (
            f"With fewer than {FEW} usable cells there is no population to be outside of."
            if usable < FEW
            else "No cell's interval is clear of where the middle 90 % of the medians lie."
        )
        return detail("outlying", title, why)
    ids = iter(columns.ids([row[0] for p in rows for row in p.outlying]))
    lead = (
        f"Cells whose {LEVEL} interval lies wholly outside the band that holds the middle 90 % of all cells' medians, the "
        "farthest first (measured in lengths of their own interval). This is a list of where to look and no test: among "
        "cells that are all well determined and truly differ, a tenth would be here."
    )
    tables = []
    for p in rows:
        unit = "" if p.unit == "1" else f" {p.unit}"
        cells = []
        for _, low, median, high in p.outlying:
            decimals, side = decimals_of((high - low) / 4), "above" if low > p.band[1] else "below"
            cells.append((Label(next(ids)), Number(median, decimals), Span(low, high, decimals), side))
        head = (
            f"{p.name}: {count_cells(p.clear)} ({share(p.clear, p.cells)}) clear of {tabulated(p.band[0])} to "
            f"{tabulated(p.band[1])}{unit}"
        )
        header = ["cell", ("median", p.unit), f"{LEVEL} interval", "lies"]
        tables.append(Table.of(head, header, cells, shut=bool(tables)))
    return detail("outlying", title, Note(lead), *tables)


def _flagged(batch: Batch) -> Section:
    title, total = "Flagged cells", batch.n_cells - batch.counts.get("usable", 0)
    rows = list(itertools.islice(_flagged_rows(batch), _FLAGGED)) if total else []
    if not rows:
        return detail("flagged", title, "No cell was flagged.")
    cells = [
        (Label(c), Label(s), Label(d if len(d) <= _LONGEST else f"{d[: _LONGEST - 1]}…")) for c, s, d in rows
    ]
    where = "flagged.csv in the run's folder" if batch.path is not None else "Batch.flagged()"
    lead = f"The whole list, which is also {where}."
    if total > len(cells):
        lead = f"The first {len(cells)} of {total:,}; the other {total - len(cells):,} are in {where}, which lists them all."
    table = Table.of(title, ["cell", "status", "what happened"], cells, lead=lead)
    return detail("flagged", title, table)


def _flagged_rows(batch: Batch) -> Iterator[tuple[str, str, str]]:
    file = batch.folder / "flagged.csv"
    try:
        with file.open(encoding="utf-8", newline="") as f:
            for row in csv.DictReader(f):
                yield unguarded(row["cell"]), row["status"], unguarded(row["detail"] or "")
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise unreadable(file, error) from None
