"""One pass over a table of many cells, before any is read: which rows are whose, and in what order they come."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import InputError, unknown
from .arrow import changes, is_nested, spreadsheet_errors, text_array, texts
from .cell_ids import Joined
from .columns import Columns
from .number_texts import spreadsheet_error
from .sources import Frame, ParquetFile

Table = Frame | ParquetFile | Joined
MOST_SORTED = 5_000_000  # rows of a table that is sorted here where its cells are interleaved
_MOST_LEVELS = 16


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


class Plan(NamedTuple):
    """Where the runs of rows of one cell begin (the last entry: where the table ends), and what each cell is called, hashed."""

    start: np.ndarray
    hashes: np.ndarray
    id_width: int
    groups: dict[str, Levels]


def cell_columns(
    source: Frame | ParquetFile, by: str | Sequence[str] | None, observables, quantities
) -> tuple[str, ...]:
    """The columns that tell cells apart, there or refused: mostly one; several in a list, or with commas between them."""
    if isinstance(by, str) and by not in source.names and "," in by:
        by = [x.strip() for x in by.split(",")]
    names = (by or "cell",) if by is None or isinstance(by, str) else tuple(dict.fromkeys(by))
    for name in names:
        _check_there(source, name, observables, quantities)
    return names


def _check_there(source: Frame | ParquetFile, name: str, observables, quantities) -> None:
    if name in source.names and not is_nested(source.type_of(name)):
        return
    found = [*Columns(source, tuple(observables), frozenset(quantities)).grouping]
    raise unknown(
        "column",
        name,
        found,
        within="that says which rows are one cell",
        mend="Name it: `batch: {by: COLUMN}` in the config or --by COLUMN. "
        f"Text and whole numbers are in {', '.join(found) or 'no column'}",
        file=source.file,
        column=name,
    )


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


def plan_scan(source: Table, by: str, groups: list[str]) -> Plan:
    """Reads the ids (and the text columns) once through: 16 bytes a cell are kept."""
    import pyarrow.compute as pc

    starts, hashes, width, last = [], [], 0, None
    scans = {name: _Scan() for name in groups}
    at = 0
    for table, row in source.blocks([by, *groups]):
        ids = text_array(table.column(by))
        _check_ids(ids, row, source.file, by)
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
    return Plan(start, np.concatenate(hashes), width, found)


class NamelessRow(InputError):
    """A row without a cell's name, which may be blank as a whole."""


def _check_ids(ids, row: np.ndarray, file: str, by: str) -> None:
    import pyarrow.compute as pc

    for i in spreadsheet_errors(ids)[:1]:
        problem, mend = spreadsheet_error(ids[int(i)].as_py())
        raise InputError(problem, mend=mend, file=file, row=int(row[i]), column=by)
    blank = pc.index(ids, "").as_py()
    if blank >= 0:
        mend = "Say of every row which cell it is of"
        raise NamelessRow("a row without a cell's name", mend=mend, file=file, row=int(row[blank]), column=by)


def _hashes(array) -> np.ndarray:
    return np.fromiter(map(hash, array.to_pylist()), np.int64, len(array))


def first_again(hashes: np.ndarray) -> int | None:
    """The first run of rows whose cell had a run before."""
    order = np.argsort(hashes, kind="stable")
    again = order[1:][hashes[order][1:] == hashes[order][:-1]]
    return int(again.min()) if len(again) else None


def count_come_back(hashes: np.ndarray) -> int:
    """How many cells have more than one run of rows."""
    return int((np.unique(hashes, return_counts=True)[1] > 1).sum())


def cell_at(source: Table, by: str, at: int) -> tuple[str, int]:
    """The name of a row's cell, and the row's number in the file."""
    table, row = next(source.slices([(at, at + 1)], [by]))
    return texts(table.column(by))[0], int(row[0])


def interleaved(source: Table, by: str, at: int) -> InputError:
    name, row = cell_at(source, by, at)
    return InputError(
        f"cell {name} appears again, after other cells",
        mend=f"Sort the table by {by}",
        file=source.file,
        row=row,
        column=by,
    )


def grouped(source: Table, by: str) -> Frame | Joined:
    """The table in memory, rows of one cell together, cells in the order of their first rows."""
    import pandas

    whole = source.whole()
    ids = np.concatenate([texts(table.column(by)) for table, _ in whole.blocks([by])])
    return whole.reordered(np.argsort(pandas.factorize(ids)[0], kind="stable"))
