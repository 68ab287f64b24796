"""What a batch's figures and pages read from it: readings, tables and names, as a reader wants them."""

import hashlib
import json
import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..batch.results import Batch, CellStatus, Rung, unreadable
from ..inference.answer import Estimate, answer
from ..inference.result import INTERVAL
from ..problem.priors import prior_in
from ..quantities.names import as_read
from ..quantities.symbols import symbol
from ..text import fixed, percent, significant
from .batch_figures import MAX_PANELS, Population, on_log_axis
from .document import Code, Document, Section, law_as_read, prior_as_read
from .panels import FEW
from .provenance import as_yaml, config_blocks, facts_of, reference_of

LEVEL = percent(INTERVAL).replace(" ", "\u00a0")
_OUTLYING = 20  # outlying cells of a parameter in the page
INTERVALS = 200  # cells in a caterpillar plot
_MEDIANS = 20_000  # medians in a histogram
_BLOCK = 1 << 16  # cells whose contraction is read at a time
UNTOUCHED, DETERMINED = 0.1, 0.9


RUNGS = {
    Rung.none: "No engine gave an answer.",
    Rung.importance: "Importance sampling from a heavy-tailed proposal at the mode (or modes).",
    Rung.adapted: "Importance sampling from proposals that were adapted to a skewed posterior.",
    Rung.hmc: "Hamiltonian Monte Carlo of fixed length, many cells side by side.",
    Rung.nuts: "NUTS, the slowest and surest.",
    Rung.laplace: "The normal distribution at the mode (Laplace).",
}


def file_name(cell: str) -> str:
    """A file name for a cell, without ending: its id where that is one, else what is left of it and a digest."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", cell) and not re.search(r"-[0-9a-f]{12}$", cell):
        return cell
    digest = hashlib.blake2b(cell.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', cell).strip('-')[:40] or 'cell'}-{digest}"


def batch_document(batch: Batch, kind: str, title: str, lead: str, **more: Any) -> Document:
    """A document of a batch or of one of its cells, its names and symbols known."""
    names = ("V_m", *batch.parameters)
    reference = reference_of(batch.manifest["config"])
    return Document(title, kind=kind, lead=lead, names=names, reference=reference, **more)


def title_of(batch: Batch) -> str:
    return batch.title or (batch.path.resolve().name if batch.path else "") or "Batch"


def headline_of(batch: Batch) -> str:
    """The answer across the usable cells, ratios before all else; then how many cells are usable."""
    found = [
        Estimate(str(name), r["unit"], r["median"], r["low"], r["high"], None, 0.0)
        for name, r in batch.population.iterrows()
        if math.isfinite(r["median"])
    ]
    said = answer(found, reference_of(batch.manifest["config"]))
    verdict = f"{batch.headline}."
    return f"{said}: the median usable cell, and 5 to 95 % of the cells. {verdict}" if said else verdict


def share(part: int, whole: int, *, tenths: bool = False) -> str:
    """A share in per cent: never 100 % of what is not all, nor 0 % of what is not none; `tenths`: as `headline` has it."""
    if not whole:
        return "—"
    x = 100 * part / whole
    if part in (0, whole):
        text = fixed(x, 0)
    elif x > 99.9:
        text = ">\u00a099.9"
    elif x < 0.1:
        text = "<\u00a00.1"
    elif tenths or x > 99:
        text = fixed(math.floor(1000 * part / whole) / 10, 1)  # as `headline` rounds
    else:
        text = fixed(x, 1 if x < 9.95 else 0)
    return f"{text}\u00a0%"


def count_cells(n: int) -> str:
    return f"{n:,} cell{'' if n == 1 else 's'}"


class Columns:
    """The table of cells, a column at a time, so that a million of them do not lie in memory at once."""

    def __init__(self, batch: Batch):
        import pyarrow
        import pyarrow.parquet

        self._path = batch.folder / "cells.parquet"
        self._errors = (pyarrow.ArrowException, OSError, ValueError, KeyError)
        try:
            self._file = pyarrow.parquet.ParquetFile(self._path)
            if self._file.metadata.num_rows != batch.n_cells:
                raise ValueError(f"it has {self._file.metadata.num_rows:,} rows")
        except self._errors as error:
            raise unreadable(self._path, error) from None

    def __getitem__(self, name: str) -> np.ndarray:
        return self._read(name).to_numpy()

    def codes(self, name: str, kind: type[CellStatus] | type[Rung]) -> np.ndarray:
        """A column of words as the numbers that stand for them; −1 for another word."""
        words = self._read(name).unify_dictionaries().to_pandas().astype("category")
        code = {x.name: int(x) for x in kind}
        codes = np.array([code.get(str(w), -1) for w in words.cat.categories] + [-1], np.int8)
        return codes[words.cat.codes.to_numpy()]

    def ids(self, at: Sequence[int]) -> list[str]:
        """The ids of the cells at these positions."""
        return [str(x) for x in self._read("cell").take(np.asarray(at, dtype=np.int64)).to_pylist()]

    def _read(self, name: str) -> Any:
        try:
            table = self._file.read(columns=[name])
            return table.column(table.schema.names.index(name))
        except self._errors as error:
            raise unreadable(self._path, error) from None


def contractions(batch: Batch, usable: np.ndarray) -> np.ndarray:
    """(P, 3) how many usable cells have each parameter's contraction, below 0.1, and at least 0.9."""
    stored = batch.tree["summary"]["contraction"]
    size = batch.manifest["chunk"]
    step = max(1, _BLOCK // size) * size  # whole chunks: each is unpacked once
    counts = np.zeros((len(batch.parameters), 3), int)
    for first in range(0, batch.n_cells, step):
        where = slice(first, first + step)
        block = np.asarray(stored.isel(cell=where))[usable[where]]
        counts += np.stack(
            [np.isfinite(block).sum(0), (block < UNTOUCHED).sum(0), (block >= DETERMINED).sum(0)], axis=-1
        )
    return counts


def population(
    batch: Batch, row: dict, usable: np.ndarray, low, median, high, told: np.ndarray
) -> Population | None:
    """One parameter across the usable cells; None where none has it."""
    there = np.flatnonzero(usable & np.isfinite(low) & np.isfinite(median) & np.isfinite(high))
    if not there.size:
        return None
    unit, shift = as_read(row["name"], row["unit"])
    low, median, high = low[there] + shift, median[there] + shift, high[there] + shift
    order = np.argsort(median, kind="stable")
    law = law_as_read(row["name"], prior_in(row))
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
    picks = spaced(INTERVALS)
    known, untouched, determined = map(int, told)
    return Population(
        name=row["name"],
        symbol=symbol(row["name"], reference_of(batch.manifest["config"])),
        unit=unit,
        prior=prior_as_read(row["name"], row["prior"]),
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


def share_of(fraction: float, cells: int) -> str:
    return "—" if math.isnan(fraction) else share(round(fraction * cells), cells)


def summary_json(batch: Batch) -> dict:
    try:
        found = json.loads((batch.folder / "summary.json").read_text(encoding="utf-8"))
        return {"seconds": float(found["seconds"]), "fingerprint": str(found.get("fingerprint", ""))}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(batch.folder / "summary.json", error) from None


def time(batch: Batch, usable: int) -> str:
    seconds = summary_json(batch)["seconds"]
    if not seconds > 0:
        return "How long it took was not recorded."
    a_cell = seconds / batch.n_cells
    each = f"{significant(1e3 * a_cell)} ms" if a_cell < 1 else f"{significant(a_cell)} s"
    text = f"All chunks together took {_duration(seconds)} to compute, {each} a cell on average"
    if usable:
        rate = usable / seconds
        text += f"; that is {rate:,.0f} usable posteriors a second" if rate >= 10 else ""
    return f"{text}. (Chunks computed side by side count each their own time, compilation included.)"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{significant(seconds)} s"
    if seconds < 7200:
        return f"{fixed(seconds / 60, 1)} min"
    return f"{fixed(seconds / 3600, 1)} h"


def capped(n: int) -> str:
    return (
        f" The first {MAX_PANELS} of {n} parameters are drawn; all are in the table."
        if n > MAX_PANELS
        else ""
    )


def provenance(batch: Batch, *commands: str) -> Section:
    """The last section of a page."""
    m, summary = batch.manifest, summary_json(batch)
    facts = facts_of(
        m | {"folder": batch.path},
        ("Chunk", count_cells(m["chunk"])),
        ("Draws", f"{m['draws']} a cell, of equal weight" if m["draws"] else "none kept"),
        ("Fingerprint of the results", summary.get("fingerprint")),
    )
    engine = (Code(as_yaml(m["engine"]), "Engine"),) if m["engine"] else ()
    again = ("To repeat it, and to look at one cell:", Code("\n".join(commands))) if commands else ()
    blocks = (facts, *engine, *again, *config_blocks(m["config"]))
    return Section("provenance", "Provenance", blocks, detail=True)


def commands(batch: Batch) -> list[str]:
    """What repeats a batch, as far as it has a config, and shows one cell of it."""
    folder = batch.path or Path("RUN")
    config = shlex.quote(str(folder / "config.yaml"))
    again = f"pumpleak batch {config} --data {shlex.quote(table_file(batch))} --out NEW_FOLDER"
    one = f"pumpleak report {shlex.quote(str(folder))} --cell ID"
    return [again, one] if batch.manifest["config"].get("quantities") else [one]


def table_file(batch: Batch) -> str:
    """Where the cells' table lay, as far as that is known."""
    data = batch.manifest["config"].get("data")
    data = data.get("file") if isinstance(data, dict) else data
    return str(data or batch.manifest["data_file"])
