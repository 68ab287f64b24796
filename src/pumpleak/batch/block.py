"""Cells of one size, padded to one shape, and what tells their structures apart."""

import itertools
from typing import Any, NamedTuple

import numpy as np

from ..data.cell_rows import CellRows
from ..data.measurements import Reading
from ..problem.rules import far_above, lacks_error, shows_scatter
from .alike import alike_rows, bit_patterns, first_of, mixed
from .levels import LevelCodes, RowCodes
from .scheme import Scheme

#: Rows to which cells are padded: at most half as many again as they have.
SIZES = [1, 2, 3] + sorted(itertools.chain(*((2**k, 3 * 2 ** (k - 1)) for k in range(2, 24))))
_COMMON = 0.05  # of a chunk's cells that must merge rows alike
_MOST_PATTERNS = 8  # of merged rows in a block


class Block(NamedTuple):
    """M cells of S rows each, padded with copies of their first row in which nothing is read.

    Attributes:
        cells: (M,) their positions in the chunk.
        at: (M, S) positions of their rows in the chunk.
        real: (M, S) bool; False: padding.
        quantities, quantity_sd: the table's numbers and their sd, each (M, S), NaN where unknown.
        readings, differences: by observable, each (M, S), NaN where there is none.
        reference: (M, S) the row of the cell that a difference is taken from; −1 without one.
        levels: text column -> (M, S) numbers, alike for cells of one structure: `LevelCodes.within`.
        present: (M, observables) whether a cell has any reading of each; the first stands in where it has none.
        baseline: (M, S) the row that each row's baseline names; −1: none so called; −2: it names none. None: there
            are no baselines.
    """

    cells: np.ndarray
    at: np.ndarray
    real: np.ndarray
    quantities: dict[str, np.ndarray]
    quantity_sd: dict[str, np.ndarray]
    readings: dict[str, Reading]
    differences: dict[str, Reading]
    reference: np.ndarray
    levels: dict[str, np.ndarray]
    present: np.ndarray
    baseline: np.ndarray | None

    def pick(self, chosen: np.ndarray) -> "Block":
        """Some of the cells."""

        def of(x: Any) -> Any:
            if isinstance(x, dict):
                return {k: of(v) for k, v in x.items()}
            return Reading(*(v[chosen] for v in x)) if isinstance(x, Reading) else x[chosen]

        return Block(*(None if x is None else of(x) for x in self))


def make_block(
    rows: CellRows, cells: np.ndarray, size: int, codes: RowCodes, levels: LevelCodes, scheme: Scheme
) -> Block:
    """Cells of a chunk as a block.

    Args:
        rows: the chunk.
        cells: (M,) positions of the cells; none has more than `size` rows.
        size: rows to which they are padded.
        codes: of the chunk's text columns.
        levels: what the codes stand for.
        scheme: what all cells have in common.
    """
    start, count = rows.start[cells], np.diff(rows.start)[cells]
    place = np.arange(size)
    real = place < count[:, None]
    at = start[:, None] + np.where(real, place, 0)

    def read(r: Reading) -> Reading:
        return Reading(*(np.where(real, part[at], np.nan) for part in r))

    quantities = {q: v[at] for q, v in rows.quantities.items()}
    for q, default in scheme.defaults.items():
        quantities[q] = np.where(np.isnan(quantities[q]), default, quantities[q])
    readings = {o: read(r) for o, r in rows.readings.items()}
    differences = {o: read(r) for o, r in rows.differences.items()}
    groups = {g: v[at] for g, v in codes.groups.items()}
    return Block(
        cells=cells,
        at=at,
        real=real,
        quantities=quantities,
        quantity_sd={q: v[at] for q, v in rows.quantity_sd.items()},
        readings=readings,
        differences=differences,
        reference=np.where(real & (rows.reference[at] >= 0), rows.reference[at] - start[:, None], -1),
        levels={g: levels.within(g, code) for g, code in groups.items()},
        present=_present(scheme.table.observables, len(cells), readings, differences),
        baseline=_baseline(codes, at, real, levels.steady(groups.get("protocol"), at.shape)),
    )


def _present(observables: tuple[str, ...], cells: int, *kinds: dict[str, Reading]) -> np.ndarray:
    out = np.zeros((cells, len(observables)), bool)
    for k, o in enumerate(observables):
        for r in kinds:
            out[:, k] |= np.isfinite(r[o].value).any(1) if o in r else False
    there = [o in kinds[0] for o in observables]
    if any(there):
        out[~out.any(1), there.index(True)] = True
    return out


def _baseline(codes: RowCodes, at: np.ndarray, real: np.ndarray, steady: np.ndarray) -> np.ndarray | None:
    if codes.baseline is None or codes.label is None or codes.solution is None:
        return None
    base, label, solution = (x[at] for x in (codes.baseline, codes.label, codes.solution))
    out = np.empty_like(base)
    for i in range(base.shape[1]):
        name = base[:, i : i + 1]
        found = real & (name >= 0) & ((label == name) | (solution == name))
        best = np.where((found & steady).any(1), (found & steady).argmax(1), found.argmax(1))
        out[:, i] = np.where(found.any(1), best, np.where(name[:, 0] >= 0, -1, -2))
    return out


def signature(block: Block, scheme: Scheme, of_chunk: int) -> np.ndarray:
    """(M, K) integers that are alike for cells of one structure; the last is −1 where no rows merge.

    Args:
        block: the cells.
        scheme: what all cells have in common.
        of_chunk: how many cells the chunk has.
    """
    parts = [block.present, *_asked_noise(block, scheme)]
    parts += [np.where(np.isfinite(d.value), block.reference + 1, 0) for d in block.differences.values()]
    for q, values in block.quantities.items():
        if q in scheme.quantities and q not in scheme.defaults:
            parts.append(np.isnan(values))
    for q, sd in block.quantity_sd.items():
        if q in scheme.quantities:
            values = block.quantities[q]
            parts += [np.isnan(sd), first_of(bit_patterns(values)), first_of(bit_patterns(sd))]
            parts.append(far_above("normal", values, sd, scheme.quantities[q].lower))
    parts += block.levels.values()
    if block.baseline is not None:
        parts.append(block.baseline)
    parts.append(_merged(block, scheme, _COMMON * of_chunk))
    return np.concatenate([p.reshape(len(block.cells), -1).astype(np.int64) for p in parts], axis=1)


def _asked_noise(block: Block, scheme: Scheme) -> list[np.ndarray]:
    """For noise that nobody specified: is there a reading without an error, and do enough have one."""
    out = []
    for o in scheme.table.observables:
        found = [r[o] for r in (block.readings, block.differences) if o in r]
        if found and f"sigma_{o}" not in scheme.recipe["quantities"]:
            out.append(lacks_error(found))
        if found and f"extra_{o}" not in scheme.recipe["quantities"]:
            out.append(shows_scatter(found))
    return out


def _merged(block: Block, scheme: Scheme, common: float) -> np.ndarray:
    """(M, S) the first row alike in the table's numbers; −1 throughout where each row stays its own.

    To merge saves work but makes structures: only what at least `common` cells have alike is worth one.
    """
    columns = [v for x in (block.quantities, block.quantity_sd) for q, v in x.items() if q in scheme.of_model]
    first = first_of(mixed(columns, block.at.shape))
    repeats = ((first < np.arange(first.shape[1])) & block.real).any(1)
    out = np.full(first.shape, -1)
    alike = [g for g in alike_rows(first) if repeats[g[0]] and len(g) >= common]
    if len(alike) <= _MOST_PATTERNS:
        for g in alike:
            out[g] = first[g]
    return out
