"""Tables of many cells, read a chunk of whole cells at a time: checked, in canonical units, never all at once.

Columns mean what they mean in `data.measurements`. A file is wrong as a whole where a column is; a value that cannot be
flags its cell, and the others go on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .arrow import text_array, texts
from .cell_ids import Joined
from .cell_rows import CellRows, RowReader
from .cell_scan import (
    MOST_SORTED,
    Levels,
    NamelessRow,
    Plan,
    Table,
    cell_at,
    cell_columns,
    count_come_back,
    first_again,
    grouped,
    interleaved,
    plan_scan,
)
from .columns import Columns
from .near_names import MOST, near_names
from .summaries import check_summaries
from .wanted import AS_IT_STANDS, Wanted


@dataclass(frozen=True)
class TableInfo:
    """What a table of cells is, apart from its rows.

    Attributes:
        file, sha256: of the table.
        by: the column whose levels are cells, or the names of several that tell them apart.
        observables: what counts as a reading.
        units: canonical unit of every quantity and observable.
        quantities, quantity_sd: inputs that have a column, and those with one for their sd.
        groups: text columns.
        readings, differences: observables that have a column.
        ignored: columns that are not read.
        columns: a quantity's or reading's (``dV_m`` for a difference) column in the file.
        told_by: the columns in `by`.
        notes: how numbers were read, where that needs to be said.
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
    told_by: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class CellTable:
    """A table of many cells: where each begins, and its rows on demand. Made by `CellTable.open`.

    Attributes:
        info: what its columns are.
        n_cells, n_rows: its cells and rows.
        id_width: letters of the longest cell id.
        came_back: the first cell whose rows were not together, and how many such cells there are; None: none.
    """

    def __init__(self, columns: Columns, info: TableInfo, plan: Plan):
        self._columns, self._start = columns, plan.start
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
        cls,
        source: Any,
        *,
        observables: Sequence[str],
        quantities: Iterable[str] = (),
        by: str | Sequence[str] | None = None,
        wanted: Wanted = AS_IT_STANDS,
    ) -> "CellTable":
        """Reads what a table's columns are and where its cells begin.

        Args:
            source: path of a Parquet file, which is streamed, or of a CSV, TSV or XLSX file, or a DataFrame.
            observables: what counts as a reading.
            quantities: names of further inputs, as for `read_table`.
            by: the column whose levels are cells, or several: those of a plate's wells; default ``cell``.
            wanted: what is said of the table beside it.

        Raises:
            InputError: there is no such column, a cell's id is blank or comes back after other cells in a
                table too large to be sorted here, a column is not what its name says, the file is damaged.
        """
        opened = wanted.open(source)
        told = cell_columns(opened, by, observables, quantities)
        opened = opened if len(told) == 1 else Joined(opened, told)
        by = told[0] if len(told) == 1 else opened.names[-1]
        columns = Columns(opened, tuple(observables), frozenset(quantities), by, wanted)
        check_summaries(columns)
        opened = columns.source
        few = opened.n_rows <= MOST_SORTED
        try:
            plan = plan_scan(opened, by, list(columns.grouping))
        except NamelessRow:
            if not few:
                raise
            columns.source = opened = opened.whole()
            plan = plan_scan(opened, by, list(columns.grouping))
        again, came_back = first_again(plan.hashes), None
        if again is not None:
            if not few:
                raise interleaved(opened, by, int(plan.start[again]))
            came_back = cell_at(opened, by, int(plan.start[again]))[0], count_come_back(plan.hashes)
            columns.source = opened = grouped(opened, by)
            plan = plan_scan(opened, by, list(columns.grouping))
        names = dict.fromkeys([*told, *columns.grouping]) if opened.n_rows <= MOST else ()
        near = near_names({name: _all_texts(opened, name) for name in names}, opened.file)
        table = cls(columns, replace(_info(columns, by, plan, told), notes=(*columns.notes, *near)), plan)
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
        slices = self._columns.source.slices(rows, self._columns.needed)
        for (a, b), (table, number) in zip(edges, slices, strict=True):
            yield self._cells(table, number, self._start[a : b + 1] - self._start[a])

    def _cells(self, table, row: np.ndarray, start: np.ndarray) -> CellRows:
        ids = texts(text_array(table.column(self.info.by)).take(start[:-1])).astype(
            f"U{max(1, self.id_width)}"
        )
        reader = RowReader(self._columns, table, row, start)
        return reader.rows(ids, reader.bad_cells())


def _all_texts(source: Table, name: str) -> list[str]:
    return [x for table, _ in source.blocks([name]) for x in texts(table.column(name)).tolist()]


def _info(columns: Columns, by: str, plan: Plan, told: tuple[str, ...]) -> TableInfo:
    found = {of: c for (of, part), c in columns.columns.items() if part == "value"}
    kinds = {of: columns.role(of) for of in found}
    return TableInfo(
        file=columns.source.file,
        sha256=columns.source.sha256,
        by=by,
        observables=columns.observables,
        units=columns.units,
        quantities=tuple(q for q, kind in kinds.items() if kind == "quantity"),
        quantity_sd=tuple(q for q, part in columns.columns if part == "sd" and kinds[q] == "quantity"),
        groups=plan.groups,
        readings=tuple(o for o in columns.observables if kinds.get(o) == "reading"),
        differences=tuple(o for o in columns.observables if f"d{o}" in kinds),
        ignored=columns.unread,
        columns={of: c.name for of, c in found.items()},
        told_by=told,
    )
