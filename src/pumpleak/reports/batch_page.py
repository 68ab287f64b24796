"""Batch report: one self-contained HTML page of all cells of a batch run, or of one of them.

A page of a million cells is made a column at a time; figures show a sample of the cells.
"""

import csv
import hashlib
import itertools
import json
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..batch.results import Batch, CellStatus, Rung, load_batch, unreadable
from ..engines.gate import ESS, PARETO_K, PROBABILITIES, R_HAT, count
from ..errors import InputError
from ..files.whole import whole_file
from ..inference.result import INTERVAL, safe_name
from ..text import listing
from . import batch_figures
from . import posterior_figures as figures
from . import result_page as reporting
from .batch_figures import FEW, MAX_PANELS, Marginal, Population, on_log_axis, prior_of
from .posterior_figures import symbol
from .result_page import _decimals, _minus, _name, _sub, fill_template, number, prose_of

_FLAGGED = 50  # flagged cells in the page
_OUTLYING = 20  # outlying cells of a parameter in the page
_INTERVALS = 200  # cells in a caterpillar plot
_MEDIANS = 20_000  # medians in a histogram
_SCATTER = 4_000  # cells in a scatter plot
_PAIRS = 4
_BLOCK = 1 << 16  # cells whose contraction is read at a time
_UNTOUCHED, _DETERMINED = 0.1, 0.9
_LONGEST = 400  # signs of a note
_RUNGS = {
    Rung.none: "No engine gave an answer.",
    Rung.importance: "Importance sampling from a heavy-tailed proposal at the mode (or modes).",
    Rung.adapted: "Importance sampling from proposals that were adapted to a skewed posterior.",
    Rung.hmc: "Hamiltonian Monte Carlo of fixed length, many cells side by side.",
    Rung.nuts: "NUTS, the slowest and surest.",
    Rung.laplace: "The normal distribution at the mode (Laplace).",
}


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


def file_name(cell: str) -> str:
    """A file name for a cell, without ending: its id where that is one, else what is left of it and a digest."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", cell) and not re.search(r"-[0-9a-f]{12}$", cell):
        return cell
    digest = hashlib.blake2b(cell.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', cell).strip('-')[:40] or 'cell'}-{digest}"


def render_batch(batch: Batch) -> str:
    """The page of all cells as text."""
    return fill_template("batch_report.html.j2", _common(batch) | _population_page(batch))


def render_cell(batch: Batch, cell: str) -> str:
    """The page of one cell as text.

    Raises:
        InputError: there is no such cell.
    """
    return fill_template("batch_report.html.j2", _common(batch) | _cell_page(batch, cell))


def _common(batch: Batch) -> dict[str, Any]:
    reference = _reference(batch)
    return {
        "title": batch.title or (batch.path.resolve().name if batch.path else "") or "Batch",
        "cells": _cells(batch.n_cells),
        "data_file": batch.manifest["data_file"],
        "level": f"{INTERVAL:.0%}".replace("%", "\u00a0%"),
        "limits": {"r_hat": R_HAT, "ess": f"{ESS:.0f}", "k": PARETO_K},
        "sub": _sub,
        "name": lambda n: _name(str(n), reference),
        "prose": prose_of(["V_m", *batch.parameters], reference),
    }


def _reference(batch: Batch) -> str:
    """The ion whose permeability is 1."""
    config = batch.manifest["config"]
    ions = config.get("ions")
    first = ions[0] if isinstance(ions, list) and ions else "K"
    return str(config.get("reference") or first)


def share(part: int, whole: int) -> str:
    """A share in per cent: never 100 % of what is not all, nor 0 % of what is not none."""
    if not whole:
        return "—"
    percent = 100 * part / whole
    if part in (0, whole):
        text = f"{percent:.0f}"
    elif percent > 99.9:
        text = ">\u00a099.9"
    elif percent < 0.1:
        text = "<\u00a00.1"
    elif percent > 99:
        text = f"{math.floor(10 * percent) / 10:.1f}"  # as `headline` rounds
    else:
        text = f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"
    return f"{text}\u00a0%"


def _cells(n: int) -> str:
    return f"{n:,} cell{'' if n == 1 else 's'}"


# -- all cells ----------------------------------------------------------------------------------------


class _Columns:
    """The table of cells, a column at a time, so that a million of them do not lie in memory at once."""

    def __init__(self, batch: Batch):
        self._batch, self._file = batch, None
        if batch.path is not None:
            import pyarrow
            import pyarrow.parquet

            self._path = batch.path / "cells.parquet"
            self._errors = (pyarrow.ArrowException, OSError, ValueError, KeyError)
            try:
                self._file = pyarrow.parquet.ParquetFile(self._path)
                if self._file.metadata.num_rows != batch.n_cells:
                    raise ValueError(f"it has {self._file.metadata.num_rows:,} rows")
            except self._errors as error:
                raise unreadable(self._path, error) from None

    def __getitem__(self, name: str) -> np.ndarray:
        if self._file is None:
            return self._batch.table[name].to_numpy()
        return self._read(name).to_numpy()

    def codes(self, name: str, kind: type[CellStatus] | type[Rung]) -> np.ndarray:
        """A column of words as the numbers that stand for them; −1 for another word."""
        if self._file is None:
            words = self._batch.table[name]
        else:
            words = self._read(name).unify_dictionaries().to_pandas()
        words = words.astype("category")
        code = {x.name: int(x) for x in kind}
        of = np.array([code.get(str(w), -1) for w in words.cat.categories] + [-1], np.int8)
        return of[words.cat.codes.to_numpy()]

    def ids(self, at: Sequence[int]) -> list[str]:
        """The ids of the cells at these positions."""
        if self._file is None:
            return [str(self._batch.table["cell"].iloc[i]) for i in at]
        return [str(x) for x in self._read("cell").take(np.asarray(at, dtype=np.int64)).to_pylist()]

    def _read(self, name: str) -> Any:
        assert self._file is not None
        try:
            table = self._file.read(columns=[name])
            return table.column(table.schema.names.index(name))
        except self._errors as error:
            raise unreadable(self._path, error) from None


def _population_page(batch: Batch) -> dict[str, Any]:
    columns = _Columns(batch)
    status, rung = columns.codes("status", CellStatus), columns.codes("rung", Rung)
    usable = status == CellStatus.usable
    contraction = _contraction(batch, usable)
    # By chance, not every so many cells: these would be the same wells of each plate.
    chosen = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(usable))[:_SCATTER])
    populations, scatter, ess = [], [], np.full(batch.n_cells, np.inf)
    absent = []
    for p, told in zip(batch.manifest["parameters"], contraction, strict=True):
        low, median, high = (columns[f"{p['name']}_{k}"] for k in ("low", "median", "high"))
        ess = np.fmin(ess, columns[f"{p['name']}_ess"])
        found = _population(batch, p, usable, low, median, high, told)
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
                "words": _RUNGS[r],
            }
            for r in Rung
            if (rung == r).any()
        ],
        "time": _time(batch, int(usable.sum())),
        "parameters": [_population_row(p) for p in populations],
        "absent": absent,
        "capped": _capped(len(populations)),
        "populations": _populations_figure(populations),
        "caterpillars": _caterpillars_figure(populations),
        "outlying": _outlying(populations, columns),
        "few": FEW,
        "few_cells": usable.sum() < FEW,
        "diagnostics": _diagnostics_figure(columns["k_hat"], ess, usable),
        "pairs": _pairs_figure(scatter, len(chosen), int(usable.sum())),
        "flagged": _flagged(batch),
        "provenance": _provenance(batch),
    }


def _contraction(batch: Batch, usable: np.ndarray) -> np.ndarray:
    """(P, 3) how many usable cells have each parameter's contraction, below 0.1, and at least 0.9."""
    stored = batch.tree["summary"]["contraction"]
    size = batch.manifest["chunk"]
    step = max(1, _BLOCK // size) * size  # whole chunks: each is unpacked once
    told = np.zeros((len(batch.parameters), 3), int)
    for first in range(0, batch.n_cells, step):
        where = slice(first, first + step)
        block = np.asarray(stored.isel(cell=where))[usable[where]]
        told += np.stack(
            [np.isfinite(block).sum(0), (block < _UNTOUCHED).sum(0), (block >= _DETERMINED).sum(0)], axis=-1
        )
    return told


def _population(
    batch: Batch, row: dict, usable: np.ndarray, low, median, high, told: np.ndarray
) -> Population | None:
    """One parameter across the usable cells; None where none has it."""
    there = np.flatnonzero(usable & np.isfinite(low) & np.isfinite(median) & np.isfinite(high))
    if not there.size:
        return None
    low, median, high = low[there], median[there], high[there]
    order = np.argsort(median, kind="stable")
    law = prior_of(row["prior"])
    log = on_log_axis(row["name"], law, float(median[order[0]]), float(np.quantile(median, 0.975)))
    log = log and float(low.min()) > 0
    band = tuple(map(float, np.quantile(median, [0.05, 0.95])))

    def spaced(most: int) -> np.ndarray:
        n = len(order)
        return order[np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))]

    outlying, clear = [], 0
    if len(there) >= FEW:
        if log:
            gap = np.maximum(np.log(low / band[1]), np.log(band[0] / high))
            own = np.log(high / low)
        else:
            gap, own = np.maximum(low - band[1], band[0] - high), high - low
        clear = int((gap > 0).sum())
        far = gap / np.maximum(own, 1e-300)
        first = np.argsort(-far, kind="stable")[: min(clear, _OUTLYING)]
        outlying = [(int(there[i]), float(low[i]), float(median[i]), float(high[i])) for i in first]
    picks = spaced(_INTERVALS)
    known, untouched, determined = map(int, told)
    return Population(
        name=row["name"],
        symbol=symbol(row["name"], _reference(batch)),
        unit=row["unit"],
        prior=row["prior"],
        law=law,
        log=log,
        cells=len(there),
        median=float(np.median(median)),
        band=(band[0], band[1]),
        width=float(np.median(high - low)),
        factor=float(np.median(high / low)) if log else math.nan,
        untouched=untouched / known if known else math.nan,
        determined=determined / known if known else math.nan,
        medians=median[spaced(_MEDIANS)],
        intervals=np.stack([low[picks], median[picks], high[picks]], axis=-1),
        clear=clear,
        outlying=outlying,
    )


def _share_of(fraction: float, cells: int) -> str:
    return "—" if math.isnan(fraction) else share(round(fraction * cells), cells)


def _population_row(p: Population) -> dict[str, Any]:
    apart = [x for x in ((p.band[1] - p.band[0]) / 3, p.width / 4) if x > 0]
    decimals = _decimals(min(apart)) if apart else None
    return {
        "name": p.name,
        "unit": "" if p.unit == "1" else p.unit,
        "cells": f"{p.cells:,}",
        "median": number(p.median, decimals),
        "low": number(p.band[0], decimals),
        "high": number(p.band[1], decimals),
        "width": number(p.width),
        "factor": None if math.isnan(p.factor) else number(p.factor),
        "prior": _minus(p.prior),
        "untouched": _share_of(p.untouched, p.cells),
        "determined": _share_of(p.determined, p.cells),
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
                of = "all cells" if fraction == 1 else f"{_share_of(fraction, p.cells)} of the cells"
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
                f"{_cells(p.clear)} {'has' if p.clear == 1 else 'have'} a 95 % interval of {p.name} clear of where "
                f"the middle 90 % of the medians lie ({share(p.clear, p.cells)} of {p.cells:,})."
            )
    return {
        "kind": kind,
        "label": label[kind],
        "headline": f"{batch.headline}.",
        "lines": lines,
    }


def _summary(batch: Batch) -> dict:
    if batch.path is None:
        return {"seconds": sum(batch._seconds)}
    try:
        found = json.loads((batch.path / "summary.json").read_text(encoding="utf-8"))
        return {"seconds": float(found["seconds"]), "fingerprint": str(found.get("fingerprint", ""))}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(batch.path / "summary.json", error) from None


def _time(batch: Batch, usable: int) -> str:
    seconds = _summary(batch)["seconds"]
    if not seconds > 0:
        return "How long it took was not recorded."
    a_cell = seconds / batch.n_cells
    each = f"{1e3 * a_cell:.3g} ms" if a_cell < 1 else f"{a_cell:.3g} s"
    text = f"All chunks together took {_duration(seconds)} to compute, {each} a cell on average"
    if usable:
        rate = usable / seconds
        text += f"; that is {rate:,.0f} usable posteriors a second" if rate >= 10 else ""
    return f"{text}. (Chunks computed side by side count each their own time, compilation included.)"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def _capped(n: int) -> str:
    return (
        f" The first {MAX_PANELS} of {n} parameters are drawn; all are in the table."
        if n > MAX_PANELS
        else ""
    )


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
        + _capped(len(rows))
    )
    alt = "Histograms of the cells' posterior medians over each parameter's prior; the numbers are in the table above."
    return reporting._figure(batch_figures.plot_populations(rows), alt, caption)


def _caterpillars_figure(rows: list[Population]) -> dict[str, str] | None:
    if not rows:
        return None
    n = max(p.cells for p in rows)
    which = (
        f"{_INTERVALS} of {n:,} cells, evenly chosen by the rank of their medians"
        if n > _INTERVALS
        else "Each cell"
    )
    caption = (
        f"{which}: median and 95 % interval."
        + (
            " Grey: between the 5 and 95 % quantiles of all medians. Orange: intervals clear of that band."
            if n >= FEW
            else ""
        )
        + _capped(len(rows))
    )
    alt = "Intervals of single cells sorted by their medians, a panel for each parameter."
    return reporting._figure(batch_figures.plot_caterpillars(rows), alt, caption)


def _diagnostics_figure(k_hat: np.ndarray, ess: np.ndarray, usable: np.ndarray) -> dict[str, str]:
    no_k = int(np.isnan(k_hat).sum())
    caption = (
        f"Left: Pareto k-hat of the importance weights, at most {PARETO_K} to be usable; infinite and beyond 2 stand at 2. "
        f"Right: the least effective sample size among a cell's parameters, at least {ESS:.0f}. "
        "Where there are many cells, heights are on a log scale, so that the few that were flagged are seen."
        + (
            f" {no_k:,} of {len(k_hat):,} cells {'has' if no_k == 1 else 'have'} no k-hat: chains made them, or nothing did."
            if no_k
            else ""
        )
    )
    alt = (
        f"Histograms over all cells: {share(int((k_hat > PARETO_K).sum()), len(k_hat))} have k-hat above {PARETO_K}, "
        f"{share(int((ess < ESS).sum()), len(ess))} fewer than {ESS:.0f} effective draws."
    )
    figure = batch_figures.plot_diagnostics(k_hat, ess, usable, k_limit=PARETO_K, ess_limit=ESS)
    return reporting._figure(figure, alt, caption)


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
    return reporting._figure(batch_figures.plot_pairs(rows, medians), alt, caption)


def _outlying(rows: list[Population], columns: _Columns) -> list[dict[str, Any]]:
    rows = [p for p in rows if p.outlying][:MAX_PANELS]
    at = [row[0] for p in rows for row in p.outlying]
    ids = iter(columns.ids(at) if at else [])
    out = []
    for p in rows:
        cells = []
        for _, low, median, high in p.outlying:
            decimals = _decimals((high - low) / 4)
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
                "total": _cells(p.clear),
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
    if batch.path is None:
        yield from batch.flagged().head(_FLAGGED).itertuples(index=False, name=None)
        return
    file = batch.path / "flagged.csv"
    try:
        with file.open(encoding="utf-8", newline="") as f:
            for row in csv.DictReader(f):
                yield row["cell"], row["status"], row["detail"] or ""
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise unreadable(file, error) from None


def _provenance(batch: Batch) -> dict[str, Any]:
    import yaml

    m, summary, folder = batch.manifest, _summary(batch), batch.path or Path("RUN")
    config = shlex.quote(str(folder / "config.yaml"))
    draws = f"{m['draws']} a cell, of equal weight" if m["draws"] else "none kept"
    facts = [
        ("Created", m.get("created")),
        ("Folder", batch.path),
        ("Data", m["data_file"]),
        ("SHA-256 of the data", m["data_sha256"]),
        ("Seed", m["seed"]),
        ("Device", m["device"]),
        ("Precision", m["dtype"]),
        ("Chunk", _cells(m["chunk"])),
        ("Draws", draws),
        ("Versions", ", ".join(f"{k} {v}" for k, v in m["versions"].items())),
        ("Fingerprint of the results", summary.get("fingerprint")),
    ]

    def text(tree: dict) -> str:
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).rstrip() if tree else ""

    return {
        "facts": [(k, str(v)) for k, v in facts if v not in (None, "")],
        "engine": text(m["engine"]),
        "command": "\n".join(
            [f"pumpleak batch {config} --data {shlex.quote(_table(batch))} --out NEW_FOLDER"]
            * bool(m["config"].get("quantities"))
            + [f"pumpleak report {shlex.quote(str(folder))} --cell ID"]
        ),
        "yaml": text(m["config"]),
    }


# -- one cell -----------------------------------------------------------------------------------------


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
        "provenance": _provenance(batch),
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
            (contraction >= _DETERMINED, "The data determine", ""),
            (
                (contraction >= 0.5) & (contraction < _DETERMINED),
                "The data narrow",
                ", but the prior still matters",
            ),
            (
                contraction < _UNTOUCHED,
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
        ("Rung", f"{rung.name}: {_RUNGS[rung]}"),
        ("Readings", f"{int(summary['n_readings']):,}"),
    ]
    if not math.isnan(value("k_hat")):
        out.append(("Pareto k-hat", f"{_said(value('k_hat'), 2)} (usable: at most {PARETO_K})"))
    ess = np.fmin(np.asarray(summary["ess_bulk"]), np.asarray(summary["ess_tail"]))
    if np.isfinite(ess).any():
        out.append(("Least effective draws", f"{np.nanmin(ess):,.0f} (usable: at least {ESS:.0f})"))
    r_hat = np.asarray(summary["r_hat"])
    if np.isfinite(r_hat).any():
        out.append(("Largest R-hat", f"{np.nanmax(r_hat):.3f} (usable: at most {R_HAT})"))
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
    return str(number(x, decimals)) if math.isinf(x) or abs(x) < 1e5 else f"{x:.4g}".replace("-", "−")


def _cell_row(p: dict, summary: xr.Dataset, i: int) -> dict[str, Any]:
    def value(name: str) -> float:
        return float(summary[name][i])

    low, median, high = (float(summary["quantile"][i, PROBABILITIES.index(q)]) for q in (0.025, 0.5, 0.975))
    decimals = _decimals(value("sd"))
    contraction = value("contraction")
    return {
        "name": p["name"],
        "unit": "" if p["unit"] == "1" else p["unit"],
        "prior": _minus(p["prior"]),
        "mean": number(value("mean"), decimals),
        "sd": number(value("sd"), decimals),
        "contraction": number(contraction, 2),
        "share": f"{100 * min(max(contraction, 0.0), 1.0):.0f}" if math.isfinite(contraction) else "0",
        "ess_bulk": number(value("ess_bulk"), 0),
        "ess_tail": number(value("ess_tail"), 0),
        "bad_bulk": not value("ess_bulk") >= ESS,
        "bad_tail": not value("ess_tail") >= ESS,
        **{k: number(x, decimals) for k, x in (("median", median), ("low", low), ("high", high))},
    }


def _marginal(batch: Batch, p: dict, tree: xr.DataTree, quantile: np.ndarray) -> Marginal:
    draws = np.empty(0)
    if safe_name(p["name"]) in tree["posterior"].data_vars:
        draws = np.asarray(tree["posterior"][safe_name(p["name"])], float).ravel()
        draws = draws if np.isfinite(draws).all() else np.empty(0)
    five = quantile[[PROBABILITIES.index(q) for q in (0.025, 0.25, 0.5, 0.75, 0.975)]]
    law = prior_of(p["prior"])
    log = on_log_axis(p["name"], law, float(five[0]), float(five[-1])) and not (draws <= 0).any()
    return Marginal(p["name"], symbol(p["name"], _reference(batch)), p["unit"], law, log, five, draws)


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
        "which come from all weighted points." + _capped(n)
    )
    alt = "Histograms of the posterior draws of every parameter over its prior; the numbers are in the table above."
    return reporting._figure(batch_figures.plot_marginals(rows), alt, caption)


def _cell_pairs_figure(rows: list[Marginal], summary: xr.Dataset) -> dict[str, str] | None:
    rows = [m for m in rows if m.draws.size > 2 and np.ptp(m.draws) > 0]
    if len(rows) < 2:
        return None
    contraction = dict(
        zip(map(str, summary["parameter"].values), np.asarray(summary["contraction"]), strict=True)
    )
    told = {m.name: float(np.nan_to_num(contraction[m.name])) for m in rows}
    kept = {e.name for e in figures._pair_choice(rows, told)}
    rows = [m for m in rows if m.name in kept]
    caption = (
        "Draws of the parameters that the readings determined most or that depend most on one another (at most 5); on "
        "the diagonal, each alone; above it, rank correlations. A narrow oblique cloud is a trade-off: the readings "
        "know a combination, not each one."
    )
    alt = "Scatter plots of posterior draws, two parameters at a time, with their rank correlations."
    return reporting._figure(batch_figures.plot_pairs(rows, np.stack([m.draws for m in rows])), alt, caption)


def _table(batch: Batch) -> str:
    """Where the cells' table lay, as far as that is known."""
    data = batch.manifest["config"].get("data")
    data = data.get("file") if isinstance(data, dict) else data
    return str(data or batch.manifest["data_file"])


def _as_infer(batch: Batch, cell: str) -> dict[str, str]:
    """Python that takes one cell out of the table, and a command that infers it by NUTS.

    Of a problem made in Python there is no config, and so no command.
    """
    table, name = _table(batch), file_name(cell)
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
