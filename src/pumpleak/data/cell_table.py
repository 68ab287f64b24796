"""Tables of many cells, read a chunk of whole cells at a time: checked, in canonical units, never all at once.

Columns mean what they mean in `data`. A file is wrong as a whole where a column is; a value that cannot be
flags its cell, and the others go on.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, nearest
from ..quantities.units import canonical_unit, spread_to_canonical, to_canonical
from .arrow import (
    Frame,
    ParquetFile,
    changes,
    frame,
    is_nested,
    numbers,
    open_source,
    text_array,
    texts,
)
from .measurements import Columns, Fault, not_a_number, reference_fault
from .raw import _as_text, read_raw

_SAMPLE = 65_536  # rows that are looked at to tell what a column of an unknown name is
_MOST_SORTED = 5_000_000  # rows of a table that is sorted here where its cells are interleaved
_MOST_LEVELS = 16


class Reading(NamedTuple):
    """Readings of one kind, by row [its canonical unit]; NaN where there is none."""

    value: np.ndarray
    sd: np.ndarray
    sem: np.ndarray
    n: np.ndarray


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


class Levels(NamedTuple):
    """What a text column holds.

    Attributes:
        names: its levels (blank apart) in order of appearance, where there are at most 16; else None.
        blank: whether any row has none.
        nested: whether it varies within a cell, so that each cell has levels of its own.
        shared: whether a level belongs to more than one cell.
    """

    names: tuple[str, ...] | None
    blank: bool
    nested: bool
    shared: bool


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


class _Names(Columns):
    """Columns of a source, told from their names and a sample of their values."""

    def __init__(self, source: Frame | ParquetFile, by: str, observables, quantities):
        header = [name for name in source.names if name != by]
        super().__init__(source.file, header, tuple(observables), frozenset(quantities))
        self.source = source
        self.nested = [n for n in header if is_nested(source.type_of(n))]
        self.classify()
        for name in set(self.nested) & set(self.grouping):
            del self.grouping[name]
            self.ignored.append(name)
        self._check_types()

    def texts(self, j: int) -> list[str]:
        if self.header[j] in self.nested:
            return []
        return [_as_text(v) for v in self._sample(self.header[j]).to_pylist()]

    def _sample(self, name: str):
        return next(self.source.slices([(0, min(_SAMPLE, self.source.n_rows))], [name]))[0].column(name)

    def _check_types(self) -> None:
        for column in self.columns.values():
            values = self._sample(column.name)
            found, wrong = numbers(values) if column.name not in self.nested else (np.array([]), None)
            if wrong is None:
                raise self.error(
                    f"holds {self.source.type_of(column.name)}, not numbers",
                    "Write numbers, one in each row",
                    column.name,
                )
            if wrong.any() and np.isnan(found).all():
                text = _as_text(values[int(np.argmax(wrong))].as_py())
                problem, mend = not_a_number(text, text, column)
                raise self.error(f"not one value is a number: {problem}", mend, column.name)
        if any(self.kind(of) == "difference" for of, _ in self.columns) and "reference" not in self.header:
            first = next(c for (of, _), c in self.columns.items() if self.kind(of) == "difference")
            raise self.error(
                "a difference needs to say from which row",
                "Add a column reference with the label of that row",
                first.name,
            )


class _Plan(NamedTuple):
    start: np.ndarray
    hashes: np.ndarray
    id_width: int
    groups: dict[str, Levels]


class CellTable:
    """A table of many cells: where each begins, and its rows on demand. Made by `CellTable.open`.

    Attributes:
        info: what its columns are.
        n_cells, n_rows: its cells and rows.
        id_width: letters of the longest cell id.
        came_back: the first cell whose rows were not together, and how many such cells there are; None: none.
    """

    def __init__(self, source: Frame | ParquetFile, names: _Names, info: TableInfo, plan: _Plan):
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
        by = _by(opened, by, observables, quantities)
        names = _Names(opened, by, observables, quantities)
        plan = _plan(opened, by, list(names.grouping))
        again, came_back = _first_again(plan.hashes), None
        if again is not None:
            if opened.n_rows > _MOST_SORTED:
                raise _interleaved(opened, by, int(plan.start[again]))
            came_back = _cell_at(opened, by, int(plan.start[again]))[0], _came_back(plan.hashes)
            opened = _grouped(opened, by)
            names.source = opened
            plan = _plan(opened, by, list(names.grouping))
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
                text = _as_text(table.column(column.name)[int(i)].as_py())
                faults.append(Fault(int(i), column.name, *not_a_number(text, text, column)))

        def quote(column, i) -> str:
            text = _as_text(table.column(column.name)[int(i)].as_py())
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


def _by(source: Frame | ParquetFile, by: str | None, observables, quantities) -> str:
    """The column whose levels are cells, there or refused."""
    name = by or "cell"
    if name in source.names and not is_nested(source.type_of(name)):
        return name
    found = [*_Names(source, "", observables, quantities).grouping]
    raise InputError(
        f"there is no column '{name}' that says which rows are one cell{nearest(name, found)}",
        mend="Name it: `batch: {by: COLUMN}` in the config or --by COLUMN. "
        f"Text and whole numbers are in {', '.join(found) or 'no column'}",
        file=source.file,
        column=name,
    )


def _digest(source: Any) -> str:
    if not isinstance(source, str | Path):
        return read_raw(source).sha256
    with open(source, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _info(names: _Names, by: str, sha256: str, plan: _Plan) -> TableInfo:
    found = {of: c for (of, part), c in names.columns.items() if part == "value"}
    kinds = {of: names.kind(of) for of in found}
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


class _Scan:
    """One text column, read through once to learn its `Levels`."""

    def __init__(self):
        self.names: dict[str, None] | None = {}
        self.blank = self.nested = False
        self.last: str | None = None
        self.heads: list[np.ndarray] = []

    def add(self, column, new: np.ndarray) -> None:
        """The next rows; `new` (n,) marks those that begin a cell."""
        import pyarrow.compute as pc

        if self.nested and self.names is None and self.blank:
            return
        array = text_array(column)
        if self.names is not None:
            self.names |= dict.fromkeys(pc.unique(array).to_pylist())
            self.blank |= "" in self.names
            self.names.pop("", None)
            self.names = self.names if len(self.names) <= _MOST_LEVELS else None
        self.blank = self.blank or bool(pc.any(pc.equal(array, "")).as_py())
        if not self.nested:
            self.nested = bool((changes(array, self.last) & ~new).any())
            self.heads.append(_hashes(array.take(np.flatnonzero(new))))
            self.last = array[-1].as_py()

    def levels(self, n_cells: int) -> Levels:
        names = None if self.names is None else tuple(self.names)
        if self.nested:
            shared = names is not None and n_cells > len(names)
        else:
            filled = np.concatenate(self.heads)
            filled = filled[filled != hash("")]
            shared = len(np.unique(filled)) < len(filled)
        return Levels(names, self.blank, self.nested, shared)


def _plan(source: Frame | ParquetFile, by: str, groups: list[str]) -> _Plan:
    """Reads the ids (and the text columns) once through: 16 bytes a cell are kept."""
    import pyarrow.compute as pc

    starts, hashes, width, last = [], [], 0, None
    scans = {name: _Scan() for name in groups}
    at = 0
    for table, row in source.blocks([by, *groups]):
        ids = text_array(table.column(by))
        blank = pc.index(ids, "").as_py()
        if blank >= 0:
            raise InputError(
                "a row without a cell's name",
                mend="Say of every row which cell it is of",
                file=source.file,
                row=int(row[blank]),
                column=by,
            )
        new = changes(ids, last)
        last, heads = ids[-1].as_py(), ids.take(np.flatnonzero(new))
        starts.append(at + np.flatnonzero(new))
        hashes.append(_hashes(heads))
        width = max(width, pc.max(pc.utf8_length(heads)).as_py() or 0)
        for name, scan in scans.items():
            scan.add(table.column(name), new)
        at += len(ids)
    start = np.concatenate([*starts, [at]])
    found = {name: scan.levels(len(start) - 1) for name, scan in scans.items()}
    return _Plan(start, np.concatenate(hashes), width, found)


def _hashes(array) -> np.ndarray:
    return np.fromiter(map(hash, array.to_pylist()), np.int64, len(array))


def _first_again(hashes: np.ndarray) -> int | None:
    """The first run of rows whose cell had a run before."""
    order = np.argsort(hashes, kind="stable")
    again = order[1:][hashes[order][1:] == hashes[order][:-1]]
    return int(again.min()) if len(again) else None


def _came_back(hashes: np.ndarray) -> int:
    """How many cells have more than one run of rows."""
    return int((np.unique(hashes, return_counts=True)[1] > 1).sum())


def _cell_at(source: Frame | ParquetFile, by: str, at: int) -> tuple[str, int]:
    """The name of a row's cell, and the row's number in the file."""
    table, row = next(source.slices([(at, at + 1)], [by]))
    return texts(table.column(by))[0], int(row[0])


def _interleaved(source: Frame | ParquetFile, by: str, at: int) -> InputError:
    name, row = _cell_at(source, by, at)
    return InputError(
        f"cell {name} appears again, after other cells",
        mend=f"Sort the table by {by}",
        file=source.file,
        row=row,
        column=by,
    )


def _grouped(source: Frame | ParquetFile, by: str) -> Frame:
    """The table in memory, rows of one cell together, cells in the order of their first rows."""
    import pandas

    table, row = next(source.slices([(0, source.n_rows)], source.names))
    order = np.argsort(pandas.factorize(texts(table.column(by)))[0], kind="stable")
    return frame(table.take(order), row[order], source.file)
