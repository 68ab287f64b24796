"""Tables of many cells, read a chunk of whole cells at a time: checked, in canonical units, never all at once.

Columns mean what they mean in `data.measurements`. A file is wrong as a whole where a column is; a value that cannot be
flags its cell, and the others go on.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..quantities.units import canonical_unit, spread_to_canonical, to_canonical
from .arrow import Frame, ParquetFile, numbers, open_source, texts
from .cell_scan import (
    MOST_SORTED,
    Levels,
    Names,
    Plan,
    cell_at,
    cell_column,
    count_come_back,
    first_again,
    grouped,
    interleaved,
    plan_scan,
)
from .columns import Fault, not_a_number, reference_fault
from .measurements import Reading
from .raw import as_text, read_raw


class BadCell(NamedTuple):
    """A cell that cannot be used, by its position in the chunk, and the whole message."""

    cell: int
    row: int | None
    column: str | None
    message: str


class CellRows(NamedTuple):
    """Some whole cells of a table: C cells of n rows together, in canonical units, NaN where unknown.

    Attributes:
        ids: (C,) names of the cells.
        start: (C + 1,) where each cell's rows begin.
        row: (n,) row numbers in the file.
        labels: (n,) names of the rows; None where nothing refers to them.
        quantities, quantity_sd: inputs by name and their sd, each (n,).
        groups: text columns by name, each (n,); blank is ''.
        readings, differences: by observable.
        reference: (n,) the row (from 0, in this chunk) that a difference is taken from; −1 without one.
        bad: cells with a value that cannot be, the first fault of each.
    """

    ids: np.ndarray
    start: np.ndarray
    row: np.ndarray
    labels: np.ndarray | None
    quantities: dict[str, np.ndarray]
    quantity_sd: dict[str, np.ndarray]
    groups: dict[str, np.ndarray]
    readings: dict[str, Reading]
    differences: dict[str, Reading]
    reference: np.ndarray
    bad: list[BadCell]


@dataclass(frozen=True)
class TableInfo:
    """What a table of cells is, apart from its rows.

    Attributes:
        file, sha256: of the table.
        by: the column whose levels are cells.
        observables: what counts as a reading.
        units: canonical unit of every quantity and observable.
        quantities, quantity_sd: inputs that have a column, and those with one for their sd.
        groups: text columns.
        readings, differences: observables that have a column.
        ignored: columns that are not read.
        columns: a quantity's or reading's (``dV_m`` for a difference) column in the file.
    """

    file: str
    sha256: str
    by: str
    observables: tuple[str, ...]
    units: dict[str, str]
    quantities: tuple[str, ...]
    quantity_sd: tuple[str, ...]
    groups: dict[str, Levels]
    readings: tuple[str, ...]
    differences: tuple[str, ...]
    ignored: tuple[str, ...]
    columns: dict[str, str] = field(default_factory=dict)


class CellTable:
    """A table of many cells: where each begins, and its rows on demand. Made by `CellTable.open`.

    Attributes:
        info: what its columns are.
        n_cells, n_rows: its cells and rows.
        id_width: letters of the longest cell id.
        came_back: the first cell whose rows were not together, and how many such cells there are; None: none.
    """

    def __init__(self, source: Frame | ParquetFile, names: Names, info: TableInfo, plan: Plan):
        self._source, self._names, self._start = source, names, plan.start
        self.info, self.id_width = info, plan.id_width
        self.n_cells, self.n_rows = len(plan.start) - 1, int(plan.start[-1])
        self.came_back: tuple[str, int] | None = None

    @property
    def file(self) -> str:
        return self.info.file

    @property
    def sha256(self) -> str:
        return self.info.sha256

    @classmethod
    def open(
        cls, source: Any, *, observables: Sequence[str], quantities: Iterable[str] = (), by: str | None = None
    ) -> "CellTable":
        """Reads what a table's columns are and where its cells begin.

        Args:
            source: path of a Parquet file, which is streamed, or of a CSV, TSV or XLSX file, or a DataFrame.
            observables: what counts as a reading.
            quantities: names of further inputs, as for `read_table`.
            by: the column whose levels are cells; default ``cell``.

        Raises:
            InputError: there is no such column, a cell's id is blank or comes back after other cells in a
                table too large to be sorted here, a column is not what its name says, the file is damaged.
        """
        opened = open_source(source)
        by = cell_column(opened, by, observables, quantities)
        names = Names(opened, by, observables, quantities)
        plan = plan_scan(opened, by, list(names.grouping))
        again, came_back = first_again(plan.hashes), None
        if again is not None:
            if opened.n_rows > MOST_SORTED:
                raise interleaved(opened, by, int(plan.start[again]))
            came_back = cell_at(opened, by, int(plan.start[again]))[0], count_come_back(plan.hashes)
            opened = grouped(opened, by)
            names.source = opened
            plan = plan_scan(opened, by, list(names.grouping))
        table = cls(opened, names, _info(names, by, _digest(source), plan), plan)
        table.came_back = came_back
        return table

    def chunks(self, size: int, first: int = 0) -> Iterator[CellRows]:
        """Chunks of `size` whole consecutive cells from chunk `first` on; the last may be shorter."""
        return self.pick(range(first, -(-self.n_cells // size)), size)

    def chunk(self, i: int, size: int) -> CellRows:
        """The i-th of `chunks(size)`, without the others."""
        return next(self.pick([i], size))

    def pick(self, chosen: Iterable[int], size: int) -> Iterator[CellRows]:
        """Those of `chunks(size)`, in ascending order: the table is read through once."""
        edges = [(i * size, min((i + 1) * size, self.n_cells)) for i in chosen]
        rows = [(int(self._start[a]), int(self._start[b])) for a, b in edges]
        wanted = [n for n in self._source.names if n not in self.info.ignored]
        for (a, b), (table, number) in zip(edges, self._source.slices(rows, wanted), strict=True):
            yield self._cells(table, number, self._start[a : b + 1] - self._start[a])

    def _cells(self, table, row: np.ndarray, start: np.ndarray) -> CellRows:
        names, info = self._names, self.info
        values, faults = {}, []
        for key, column in names.columns.items():
            values[key], wrong = numbers(table.column(column.name))
            for i in np.flatnonzero(wrong):
                text = as_text(table.column(column.name)[int(i)].as_py())
                faults.append(Fault(int(i), column.name, *not_a_number(text, text, column)))

        def quote(column, i) -> str:
            text = as_text(table.column(column.name)[int(i)].as_py())
            return text if column.unit == "1" else f"{text} {column.unit}"

        faults += names.faults(values, quote, start, "cell")
        text = {n: texts(table.column(n)) for n in table.column_names if n in ("label", "reference")}
        labels = text.get("label")
        if labels is not None or "reference" in text or "baseline" in info.groups:
            labels = np.full(len(row), "", object) if labels is None else labels
            blank = np.flatnonzero(labels == "")
            labels[blank] = [f"row {k}" for k in row[blank]]
        differences = {o: self._reading(values, f"d{o}") for o in info.differences}
        reference = np.full(len(row), -1)
        if "reference" in text:
            differs = np.zeros(len(row), bool)
            for d in differences.values():
                differs |= ~np.isnan(d.value)
            reference = self._references(text["reference"], labels, row, start, differs, faults)
        return CellRows(
            ids=texts(table.column(info.by).take(start[:-1])).astype(f"U{max(1, self.id_width)}"),
            start=start,
            row=row,
            labels=labels,
            quantities={
                q: _canonical(values[q, "value"], names.columns[q, "value"]) for q in info.quantities
            },
            quantity_sd={q: _canonical(values[q, "sd"], names.columns[q, "sd"]) for q in info.quantity_sd},
            groups={g: _levels_of(table.column(g), names.grouping[g]) for g in info.groups},
            readings={o: self._reading(values, o) for o in info.readings},
            differences=differences,
            reference=reference,
            bad=_first_faults(faults, row, start, self.file),
        )

    def _reading(self, values: dict, of: str) -> Reading:
        blank = np.full(len(values[of, "value"]), np.nan)
        return Reading(
            *(
                _canonical(values[of, part], self._names.columns[of, part], difference=of[0] == "d")
                if (of, part) in values
                else blank
                for part in Reading._fields
            )
        )

    def _references(self, given, labels, row, start, differs, faults: list[Fault]) -> np.ndarray:
        """Position of the row that each difference is taken from: the one of that label in its cell."""
        import pandas

        n, cell = len(row), np.repeat(np.arange(len(start) - 1), np.diff(start))
        code, found = pandas.factorize(np.concatenate([labels, given]))
        key, wanted = (cell * len(found) + part for part in (code[:n], code[n:]))
        order = np.argsort(key, kind="stable")
        low, high = (np.searchsorted(key[order], wanted, side) for side in ("left", "right"))
        position = order[np.minimum(low, n - 1)]
        right = (given != "") & (high - low == 1) & (position != np.arange(n))
        for i in np.flatnonzero(differs & ~right):
            a, b = start[cell[i]], start[cell[i] + 1]
            fault = reference_fault(given[i], list(labels[a:b]), list(row[a:b]), int(i - a))
            assert fault is not None
            faults.append(Fault(int(i), "reference", *fault))
        for i in np.flatnonzero(~differs & (given != "")):
            faults.append(Fault(int(i), "reference", *self._names.idle_reference(given[i])))
        return np.where(differs & right, position, -1)


def _canonical(values: np.ndarray, column, *, difference: bool = False) -> np.ndarray:
    convert = to_canonical if column.part == "value" and not difference else spread_to_canonical
    return convert(values, column.unit)[0]


def _levels_of(column, whole: bool) -> np.ndarray:
    found = texts(column)
    return np.array([x.removesuffix(".0") for x in found], object) if whole else found


def _first_faults(faults: list[Fault], row, start, file: str) -> list[BadCell]:
    """The first fault of each cell, in the order of the cells."""
    first: dict[int, Fault] = {}
    for fault in faults:
        first.setdefault(int(np.searchsorted(start, fault.row, "right")) - 1, fault)
    out = []
    for cell, fault in sorted(first.items()):
        number = int(row[fault.row])
        error = InputError(fault.problem, mend=fault.mend, file=file, row=number, column=fault.column)
        out.append(BadCell(cell, number, fault.column, str(error)))
    return out


def _digest(source: Any) -> str:
    if not isinstance(source, str | Path):
        return read_raw(source).sha256
    with open(source, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _info(names: Names, by: str, sha256: str, plan: Plan) -> TableInfo:
    found = {of: c for (of, part), c in names.columns.items() if part == "value"}
    kinds = {of: names.role(of) for of in found}
    return TableInfo(
        file=names.file,
        sha256=sha256,
        by=by,
        observables=names.observables,
        units={names.name(of): canonical_unit(c.unit) for of, c in found.items()},
        quantities=tuple(q for q, kind in kinds.items() if kind == "quantity"),
        quantity_sd=tuple(q for q, part in names.columns if part == "sd" and kinds[q] == "quantity"),
        groups=plan.groups,
        readings=tuple(o for o in names.observables if kinds.get(o) == "reading"),
        differences=tuple(o for o in names.observables if f"d{o}" in kinds),
        ignored=tuple(names.ignored),
        columns={of: c.name for of, c in found.items()},
    )


# Where cells begin.
