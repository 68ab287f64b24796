"""Problems of many cells: cells of one structure share a template, and differ in its arrays alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..data.cell_rows import BadCell, CellRows
from ..data.cell_table import TableInfo
from ..errors import InputError
from ..problem.problem import Problem
from ..problem.rules import Breach, all_below, breaches, floors, is_cut, negative_swaps
from .alike import alike_rows
from .block import SIZES, Block, make_block, signature
from .levels import LevelCodes
from .numbers import Bucket, Floors, Known, arrays_of, finished, known_numbers
from .scheme import Scheme
from .template import make_template


class CellProblems:
    """Turns rows of cells into templates and arrays; templates are made once for each structure.

    Args:
        recipe: the arguments of `make_problem`, without the measurements: `Problem.recipe`.
        table: what the cells' table is: `CellTable.info`.
        shared: ``refuse`` latents that cells share, or give each cell its ``own``.

    Raises:
        InputError: cells share a latent, or the recipe is wrong for every cell of such a table.
    """

    def __init__(self, recipe: Mapping[str, Any], table: TableInfo, *, shared: str = "refuse"):
        self.scheme = Scheme.of(recipe, table, shared)
        self._levels = LevelCodes(self.scheme)
        self._templates: dict[bytes, Problem | InputError] = {}
        self._finished: dict[bytes, Problem] = {}

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe as it reads for one cell."""
        return self.scheme.recipe

    @property
    def structures(self) -> list[Problem]:
        """One problem for each structure met so far, in the order in which they were."""
        return [t for t in self._templates.values() if isinstance(t, Problem)]

    def split(self, rows: CellRows) -> tuple[list[Bucket], list[BadCell]]:
        """The cells of a chunk, by structure, and those that cannot be used, each with its message."""
        refused = _Refused(rows, self.scheme.table)
        good = np.ones(len(rows.ids), bool)
        good[[b.cell for b in rows.bad]] = False
        sizes = np.array(SIZES)[np.searchsorted(SIZES, np.diff(rows.start))]
        codes = self._levels.of(rows)
        buckets: list[Bucket] = []
        for size in np.unique(sizes[good]):
            cells = np.flatnonzero(good & (sizes == size))
            block = make_block(rows, cells, int(size), codes, self._levels, self.scheme)
            block = self._usable(block, refused)
            if len(block.cells):
                marks = signature(block, self.scheme, len(rows.ids))
                for chosen in alike_rows(marks):
                    merged = bool(marks[chosen[0], -1] >= 0)
                    key = np.int64(size).tobytes() + marks[chosen[0]].tobytes()
                    buckets += self._buckets(block.pick(chosen), key, merged, refused)
        return buckets, sorted(refused.cells, key=lambda b: b.cell)

    def _usable(self, block: Block, refused: "_Refused") -> Block:
        """The block without cells whose numbers cannot be."""
        good = np.ones(len(block.cells), bool)
        for breach in breaches(
            self.scheme.quantities.values(),
            block.quantities,
            block.readings,
            block.differences,
            self.scheme.recording,
        ):
            refused.rows_of(block, breach, good)
        return block if good.all() else block.pick(np.flatnonzero(good))

    def _buckets(self, block: Block, key: bytes, merged: bool, refused: "_Refused") -> Iterator[Bucket]:
        """Cells of one structure, apart where their priors are cut and where not."""
        if key not in self._templates:
            try:
                self._templates[key] = make_template(block, merged, self._levels, self.scheme)
            except InputError as error:
                self._templates[key] = error
        template = self._templates[key]
        if isinstance(template, InputError):
            refused.structure(block, template)
            return
        known = known_numbers(template, block)
        good = np.ones(len(block.cells), bool)
        for k, breach in negative_swaps(template.slots, known, lead=1):
            refused.cells_of(block, breach, good, int(template.first_row[k]))
        least = floors(template.parameters, template.slots, known, lead=1)
        for i, floor in least.items():
            p = template.parameters[i]
            refused.cells_of(block, all_below(p.prior, floor, p.source), good, None)
        if not good.any():
            return
        cut = [good & is_cut(template.parameters[i].prior, floor) for i, floor in least.items()]
        for chosen in alike_rows(np.stack([good, *cut], axis=1)):
            if good[chosen[0]]:
                own = {i: least[i][chosen] for i, c in zip(least, cut, strict=True) if c[chosen[0]]}
                part = {q: v[chosen] for q, v in known.items()}
                yield self._bucket(template, block.pick(chosen), key, part, own)

    def _bucket(self, template: Problem, block: Block, key: bytes, known: Known, least: Floors) -> Bucket:
        key += np.array(list(least), int).tobytes()
        if key not in self._finished:
            self._finished[key] = finished(template, block, known, least)
        template = self._finished[key]
        return Bucket(template, block.cells, arrays_of(template, block, known, least))


class _Refused:
    """The cells of a chunk that cannot be used.

    Attributes:
        cells: those so far, each with its first fault.
    """

    def __init__(self, rows: CellRows, table: TableInfo):
        self._rows, self._table = rows, table
        self.cells = list(rows.bad)

    def rows_of(self, block: Block, breach: Breach, good: np.ndarray) -> None:
        """Add the cells, of those still `good`, that break a rule in any row, (M, S); they are good no more."""
        column = self._table.columns.get(breach.column, breach.column)
        for c in np.flatnonzero(breach.wrong.any(1) & good):
            k = int(np.argmax(breach.wrong[c]))
            self._add(block, c, k, column, *breach.words((c, k)))
        good &= ~breach.wrong.any(1)

    def cells_of(self, block: Block, breach: Breach, good: np.ndarray, row: int | None) -> None:
        """Add the cells, of those still `good`, that break a rule, (M,), about a row of theirs."""
        for c in np.flatnonzero(breach.wrong & good):
            self._add(block, c, row, breach.column, *breach.words(c))
        good &= ~breach.wrong

    def structure(self, block: Block, error: InputError) -> None:
        """Add all cells of a block, whose structure makes no problem."""
        k = None if error.row is None else error.row - 1
        for c in range(len(block.cells)):
            problem = error.problem
            if k is not None and self._rows.labels is not None:
                problem = problem.replace(f"'row {k + 1}'", f"'{self._rows.labels[block.at[c, k]]}'")
            self._add(block, c, k, error.column or error.key, problem, error.mend)

    def _add(
        self, block: Block, c: int, k: int | None, column: str | None, problem: str, mend: str | None
    ) -> None:
        row = None if k is None else int(self._rows.row[block.at[c, k]])
        error = InputError(problem, mend=mend, file=self._table.file, row=row, column=column)
        self.cells.append(BadCell(int(block.cells[c]), row, column, str(error)))
