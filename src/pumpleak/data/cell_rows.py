"""Rows of whole cells in canonical units, and what of them cannot be: one table is read as one cell of a million is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from ..quantities.units import spread_to_canonical, to_canonical
from .arrow import numbers, spreadsheet_errors, text_array
from .columns import Column, Columns, named
from .differences import Shared, shared_by, squared_error
from .number_texts import spreadsheet_error
from .raw import as_text
from .value_faults import Fault, idle_reference, reference_fault, value_faults

if TYPE_CHECKING:
    import pyarrow


class Reading(NamedTuple):
    """Readings of one kind [its canonical unit], each (...); NaN where there is none."""

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


class RowReader:
    """Reads n rows of C whole cells.

    Args:
        columns: what the table's columns are.
        table: the rows, with the columns that are wanted.
        row: (n,) their numbers in the file.
        start: (C + 1,) where each cell's rows begin, and the last's end.
    """

    def __init__(self, columns: Columns, table: "pyarrow.Table", row: np.ndarray, start: np.ndarray):
        self.columns, self._table, self._row, self._start = columns, table, row, start
        read = {key: numbers(table.column(c.name), columns.marks) for key, c in columns.columns.items()}
        self._values = {key: values for key, (values, _) in read.items()}
        self._wrong = {key: wrong for key, (_, wrong) in read.items()}
        named = [name for name in ("label", "reference") if name in table.column_names]
        text = {name: text_array(table.column(name)) for name in (*columns.grouping, *named)}
        self._text = {name: array.to_numpy(zero_copy_only=False) for name, array in text.items()}
        self._failed = {name: spreadsheet_errors(array) for name, array in text.items()}
        observables = columns.observables
        self._readings = {o: self._reading(o) for o in observables if (o, "value") in columns.columns}
        self._differences = {
            o: self._reading(f"d{o}") for o in observables if (f"d{o}", "value") in columns.columns
        }
        self._differs = np.zeros(len(row), bool)
        for d in self._differences.values():
            self._differs |= ~np.isnan(d.value)
        self._labels = self._named_rows()
        self._reference = self._references()

    def rows(self, ids: np.ndarray, bad: list[BadCell]) -> CellRows:
        """What was read, under the names of its cells."""
        if self.columns.wanted.references == "shared":
            self._as_readings()
        return CellRows(
            ids=ids,
            start=self._start,
            row=self._row,
            labels=self._labels,
            quantities=self._inputs("value"),
            quantity_sd=self._inputs("sd"),
            groups={
                g: np.array([x.removesuffix(".0") for x in self._text[g]], object) if whole else self._text[g]
                for g, whole in self.columns.grouping.items()
            },
            readings=self._readings,
            differences=self._differences,
            reference=self._reference,
            bad=bad,
        )

    def faults(self) -> Iterator[Fault]:
        """Every value that cannot be; of references, the first of each cell."""
        for key, column in self.columns.columns.items():
            for i in np.flatnonzero(self._wrong[key]):
                yield Fault(int(i), column.name, *self.columns.not_a_number(self._shown(column, i), column))
        for name, rows in self._failed.items():
            for i in rows:
                yield Fault(int(i), name, *spreadsheet_error(self._text[name][i]))
        yield from value_faults(self.columns, self._values, self.quote, self._start)
        yield from self._reference_faults()
        if self.columns.wanted.asks:
            yield from self._shared_faults()

    def bad_cells(self) -> list[BadCell]:
        """The first fault of each cell, in the order of the cells."""
        first: dict[int, Fault] = {}
        for fault in self.faults():
            first.setdefault(int(np.searchsorted(self._start, fault.row, "right")) - 1, fault)
        return [
            BadCell(cell, int(self._row[fault.row]), fault.column, str(self.error(fault)))
            for cell, fault in sorted(first.items())
        ]

    def error(self, fault: Fault) -> InputError:
        return self.columns.error(fault.problem, fault.mend, fault.column, int(self._row[fault.row]))

    def quote(self, column: Column, i: int) -> str:
        """A value as it is written, with its unit."""
        text = self._shown(column, i)
        return text if column.unit == "1" else f"{text} {column.unit}"

    def numbers_of(self, of: str) -> np.ndarray:
        """(n,) the numbers of a quantity's or reading's column, as they are written."""
        return self._values[of, "value"]

    def _shown(self, column: Column, i: int) -> str:
        return as_text(self._table.column(column.name)[int(i)].as_py())

    def _inputs(self, part: str) -> dict[str, np.ndarray]:
        return {
            of: _canonical(self._values[of, p], column)
            for (of, p), column in self.columns.columns.items()
            if p == part and self.columns.role(of) == "quantity"
        }

    def _reading(self, of: str) -> Reading:
        return Reading(
            *(
                _canonical(self._values[of, part], self.columns.columns[of, part], difference=of[0] == "d")
                if (of, part) in self._values
                else np.full(len(self._row), np.nan)
                for part in Reading._fields
            )
        )

    def _named_rows(self) -> np.ndarray | None:
        labels = self._text.get("label")
        refers = "reference" in self._text or "baseline" in self.columns.grouping or self.columns.by is None
        if labels is None and not refers:
            return None
        labels = np.full(len(self._row), "", object) if labels is None else labels.copy()
        blank = np.flatnonzero(labels == "")
        labels[blank] = [f"row {k}" for k in self._row[blank]]
        return labels

    def _cell(self) -> np.ndarray:
        """(n,) the cell of each row."""
        return np.repeat(np.arange(len(self._start) - 1), np.diff(self._start))

    def _references(self) -> np.ndarray:
        """Position of the row that each difference is taken from: the one of that label in its cell; −1 without one."""
        import pandas

        n, given = len(self._row), self._text.get("reference")
        if given is None or self._labels is None or not self._differs.any():
            return np.full(n, -1)
        code, found = pandas.factorize(np.concatenate([self._labels, given]))
        key, wanted = (self._cell() * len(found) + part for part in (code[:n], code[n:]))
        order = np.argsort(key, kind="stable")
        low, high = (np.searchsorted(key[order], wanted, side) for side in ("left", "right"))
        position = order[np.minimum(low, n - 1)]
        right = (given != "") & (high - low == 1) & (position != np.arange(n))
        return np.where(self._differs & right, position, -1)

    def _reference_faults(self) -> Iterator[Fault]:
        given = self._text.get("reference")
        lost = np.flatnonzero(self._differs & (self._reference < 0))
        for i in lost[np.unique(self._cell()[lost], return_index=True)[1]]:
            if given is None or self._labels is None:
                stem = next(f"d{o}" for o, d in self._differences.items() if not np.isnan(d.value[i]))
                problem = "a difference needs to say from which row"
                mend = "Add a column reference with the label of that row"
                yield Fault(int(i), self.columns.columns[stem, "value"].name, problem, mend)
                continue
            a, b = self._start[np.searchsorted(self._start, i, "right") - 1 :][:2]
            fault = reference_fault(given[i], self._labels[a:b], self._row[a:b], int(i - a))
            assert fault is not None
            yield Fault(int(i), "reference", *fault)
        if given is not None:
            for i in np.flatnonzero(~self._differs & (given != "")):
                yield Fault(int(i), "reference", *idle_reference(self.columns, given[i]))

    def _shared(self, o: str, least: int) -> Iterator[Shared]:
        """The differences of an observable that are taken from one row."""
        d, r = self._differences[o], self._readings.get(o)
        known = np.full(len(self._row), np.nan) if r is None else squared_error(r.sd, r.sem, r.n)
        return shared_by(d.value, squared_error(d.sd, d.sem, d.n), self._reference, known, least)

    def _shared_faults(self) -> Iterator[Fault]:
        """Differences from one row, which may have its reading's error in common, or are said to and cannot."""
        said = self.columns.wanted.references
        for o in self._differences if said != "own" else ():
            for found in self._shared(o, 1 if said else 2):
                if said and not self._is_part(o, found):
                    problem = "`references: shared` wants a smaller error of the row that a difference is taken from"
                    mend = f"Give {named(o)} and its error there and not beside a difference, or write `references: own`"
                    yield Fault(int(found.rows[0]), "reference", problem, mend)
                elif not said and found.can_share:
                    name = "" if self._labels is None else f" '{self._labels[found.reference]}'"
                    row = f"row {self._row[found.reference]}{name}"
                    problem = f"{len(found.rows)} differences are taken from {row}: if from one reading of it, they share its error"
                    read = np.isfinite(found.of_reference)
                    one = (
                        "`references: shared`"
                        if read
                        else f"give the potentials themselves, {named(o)} with their errors"
                    )
                    mend = f"If each had a reading of its own there, write `references: own` in the config; if not, {one}"
                    yield Fault(int(found.rows[1]), "reference", problem, mend)

    def _is_part(self, o: str, found: Shared) -> bool:
        """Whether the error of a reading can be part of those of the differences that were taken from it."""
        above, r = found.variance > found.of_reference, self._readings.get(o)
        return r is not None and bool(above.all()) and not np.isfinite(r.value[found.rows]).any()

    def _as_readings(self) -> None:
        """Differences from one reading as readings: y + d has the error that d has beyond that of y.

        With the variance s² of a difference d and s_r² of the reading y that it was taken from, y and y + d are independent
        with variances s_r² and s² − s_r², which is d's covariance of s_r² with its sisters, and of −s_r² with y.
        """
        for o, d in self._differences.items():
            for found in self._shared(o, 1):
                r = self._readings.get(o)
                if r is None or not self._is_part(o, found):
                    continue  # a fault
                r.value[found.rows] = r.value[found.reference] + d.value[found.rows]
                r.sem[found.rows] = np.sqrt(found.variance - found.of_reference)
                r.sd[found.rows], r.n[found.rows] = np.nan, np.nan
                self._reference[found.rows] = -1
                for part in d:
                    part[found.rows] = np.nan


def _canonical(values: np.ndarray, column: Column, *, difference: bool = False) -> np.ndarray:
    convert = to_canonical if column.part == "value" and not difference else spread_to_canonical
    return convert(values, column.unit)[0]
