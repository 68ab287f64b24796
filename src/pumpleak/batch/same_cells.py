"""Cells of one name in two groups, such as wells A01 of two plates, however the table is sorted."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.cell_rows import CellRows
from ..data.cell_table import CellTable
from ..errors import InputError
from ..problem.alike import alike
from ..problem.levels import Codes, codes_of
from ..problem.same_names import Reuse, apart, baths_of, listed, refusal, reused_name, said_same
from ..quantities.labels import is_condition
from .latents import entries, latent_of


def check_same_cells(table: CellTable, recipe: Mapping[str, Any], size: int) -> None:
    """Refuse cells whose name occurs in two groups, where nobody says whether that is one cell.

    Only columns that vary within a cell are looked at; without one the rows are not read.

    Args:
        table: the cells.
        recipe: the arguments of `make_problem`, without the measurements.
        size: cells that are read at a time.

    Raises:
        InputError: names the cell, both groups, and what to write.
    """
    info = table.info
    same = said_same(recipe.get("same_cells"), [*info.groups])
    varying = [g for g, levels in info.groups.items() if levels.nested and g not in {*same, *info.told_by}]
    used = {"protocol", "baseline"}
    for _, _, spec in entries(recipe):
        latent = latent_of(spec)
        used |= set() if latent is None else {*latent.columns}
    for rows in table.chunks(size) if varying else ():
        found = _reused(rows, varying, used, info.told_by[-1])
        if found is not None:
            raise _refusal(found, info.told_by, info.file, int(rows.row[found.row]))


def _reused(rows: CellRows, varying: list[str], used: set[str], of: str) -> Reuse | None:
    cell = np.repeat(np.arange(len(rows.ids)), np.diff(rows.start))
    units = Codes(cell, tuple(map(str, rows.ids)))
    others = {g: codes_of(rows.groups[g].tolist()) for g in varying}
    solution = codes_of(rows.groups["solution"].tolist()).code if "solution" in rows.groups else cell * 0
    baths = alike(len(cell), [*baths_of(rows.quantities), solution])[0]
    return reused_name(of, units, others, baths, used=used, always=True)


def _refusal(found: Reuse, told_by: tuple[str, ...], file: str, row: int) -> InputError:
    by = apart(told_by, found.column)
    two = f"If they are two, write `batch: {{by: {listed(by)}}}`, or --by {','.join(by)}"
    one = f"If it is one, `same_cells: {listed([found.column])}`"
    mends = [one, two] if is_condition(found.column) else [two, one]
    return refusal(found, told_by[-1], mends, file=file, row=row)
