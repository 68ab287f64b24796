"""Workbooks: the lines of a sheet, and what a sheet shows that its cells do not say."""

import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, InputWarning, unknown
from ..text import listing
from .header import TOP, check_top, is_column_name
from .raw import Line, as_text, damaged


def named_sheet(source: str | Path) -> tuple[Path, str | None]:
    """A table's path, and the sheet that is named behind it: ``book.xlsx#Neurons``; None: none is.

    Example:
        >>> path, sheet = named_sheet("data/book.xlsx#2nd day")
        >>> path.name, sheet
        ('book.xlsx', '2nd day')
    """
    found = re.fullmatch(r"(.+\.xls[xm])#(.+)", str(source), re.IGNORECASE | re.DOTALL)
    if found is None or os.path.lexists(source):
        return Path(source), None
    return Path(found[1]), found[2]


def xlsx_lines(data: bytes, file: str, sheet: str | None) -> list[Line]:
    """The lines of a sheet that are not blank, header first, each with its number; of the first table by default.

    Raises:
        InputError: the file is damaged, there is no such sheet, a formula has no stored value, or the header, hidden
            rows, lines through cells or merged cells leave open what is read.
        InputWarning: other tables are not read; hidden columns are.
    """
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl's, on drop-down lists and styles it does not keep
            stored = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
            formulas = openpyxl.load_workbook(io.BytesIO(data))
    except Exception as error:  # openpyxl lets zipfile's, XML's and its own errors through
        raise damaged("XLSX", file, error) from None
    name = _pick_sheet(stored, sheet, file)
    values = _values(stored[name])
    _check_formulas(values, formulas[name], file)
    lines = [(i, row) for i, row in enumerate(values, 1) if any(row)]
    header = next((k for k, (_, row) in enumerate(lines) if not row[0].startswith("#")), len(lines))
    lines = lines[header:]
    check_top(lines[:TOP], file)
    for check in (_check_merged, _check_hidden, _check_struck):
        check(stored[name], lines, file)
    return lines


def _values(sheet: Any) -> list[list[str]]:
    return [[as_text(v) for v in row] for row in sheet.iter_rows(values_only=True)]


def _pick_sheet(book: Any, sheet: str | None, file: str) -> str:
    full = [s.title for s in book.worksheets if any(any(r) for r in s.iter_rows(values_only=True))]
    if sheet is not None and sheet not in full:
        raise unknown("sheet", sheet, full, within="with a table", file=file)
    if not full:
        raise InputError("the table is empty", mend="Give a header and at least one row", file=file)
    if sheet is not None:
        return sheet
    shown = [name for name in full if book[name].sheet_state == "visible"] or full
    tables = [name for name in shown if _is_table(_values(book[name]))] or shown
    others = [name for name in full if name in tables[1:] or name not in shown]
    if others:
        message = f"{file}: read sheet '{tables[0]}' only, not {', '.join(others)}. Name one behind the file: {file}#{others[0]}."
        warnings.warn(message, InputWarning, stacklevel=6)
    return tables[0]


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a sheet has quantities' names at its top, or at least rows and columns."""
    filled = [row for row in rows if any(row)]
    named = any(map(is_column_name, (text for row in filled[:TOP] for text in row)))
    return len(filled) > 1 and (named or sum(map(bool, filled[1])) > 1)


def _check_formulas(values: list[list[str]], sheet: Any, file: str) -> None:
    for i, row in enumerate(sheet.iter_rows()):
        for j, cell in enumerate(row):
            if cell.data_type == "f" and not values[i][j]:
                raise InputError(
                    f"the formula in cell {cell.coordinate} has no stored value",
                    mend="Open and save the file in a spreadsheet program, or paste values",
                    file=file,
                    row=i + 1,
                )


def _check_merged(sheet: Any, lines: Sequence[Line], file: str) -> None:
    """Refuse cells that are merged into one: the value may be of all their rows, or one reading of all."""
    for cells in sorted(sheet.merged_cells.ranges, key=lambda r: (r.min_row, r.min_col)):
        value = as_text(sheet.cell(cells.min_row, cells.min_col).value)
        if not lines or cells.max_row < lines[0][0] or not value:
            continue
        down = cells.max_row > cells.min_row
        mend = f"write {value} in each of their rows" if down else "give each column its own"
        raise InputError(
            f"cells {cells.coord} are merged and hold '{value}'",
            mend=f"Unmerge them and {mend}",
            file=file,
            row=cells.min_row,
        )


def _check_hidden(sheet: Any, lines: Sequence[Line], file: str) -> None:
    """Refuse rows that a reader of the sheet does not see; tell of such columns."""
    hidden = {row for row, d in sheet.row_dimensions.items() if d.hidden}
    unseen = [row for row, _ in lines if row in hidden]
    if unseen:
        several = len(unseen) > 1
        how = "by a filter" if sheet.auto_filter.filterColumn else "in the sheet"
        rows = f"rows {listing([str(row) for row in unseen], 6)} are" if several else "the row is"
        raise InputError(
            f"{rows} hidden {how}",
            mend="Show what is to be read, delete what is not"
            if several
            else "Show it if it is to be read, else delete it",
            file=file,
            row=unseen[0],
        )
    columns = [
        j
        for d in sheet.column_dimensions.values()
        if d.hidden
        for j in range(d.min or 1, (d.max or d.min or 1) + 1)
    ]
    names = [lines[0][1][j - 1] for j in columns if lines and j <= len(lines[0][1]) and lines[0][1][j - 1]]
    if names:
        be = "column is" if len(names) == 1 else "columns are"
        message = (
            f"{file}: hidden {be} read as any other: {listing(names, 6)}. Delete what is not to be read."
        )
        warnings.warn(message, InputWarning, stacklevel=6)


def _check_struck(sheet: Any, lines: Sequence[Line], file: str) -> None:
    """Refuse cells with a line through them: struck out, or only marked."""
    struck = list(_struck(sheet, {row for row, _ in lines}))
    if struck:
        cells = listing([cell.coordinate for cell in struck], 6)
        raise InputError(
            f"{'a line goes' if len(struck) == 1 else 'lines go'} through {cells}, as if struck out",
            mend="Delete what does not count, and take the line off what does",
            file=file,
            row=struck[0].row,
        )


def _struck(sheet: Any, rows: set[int]) -> Iterator[Any]:
    known: dict[int, bool] = {}
    for row in sheet.iter_rows():
        for cell in row:
            if cell.row in rows and cell.value is not None and cell.has_style:
                if cell.style_id not in known:
                    known[cell.style_id] = bool(cell.font.strike)
                if known[cell.style_id]:
                    yield cell
