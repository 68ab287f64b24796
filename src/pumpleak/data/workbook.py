"""Workbooks: the lines of a sheet, and what a sheet shows that its cells do not say."""

import io
import warnings
from typing import Any

from ..errors import InputError, InputWarning, unknown
from .raw import as_text, damaged


def xlsx_lines(data: bytes, file: str, sheet: str | None) -> list[tuple[int, list[str]]]:
    """The lines of a sheet that are not blank, header first, each with its number; of the first full one by default.

    Raises:
        InputError: the file is damaged, there is no such sheet, or a formula has no stored value.
        InputWarning: other sheets are not read.
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
    values = [[as_text(v) for v in row] for row in stored[name].iter_rows(values_only=True)]
    _check_formulas(values, formulas[name], file)
    lines = [(i, row) for i, row in enumerate(values, 1) if any(row)]
    header = next((k for k, (_, row) in enumerate(lines) if not row[0].startswith("#")), len(lines))
    return lines[header:]


def _pick_sheet(book: Any, sheet: str | None, file: str) -> str:
    full = [s.title for s in book.worksheets if any(any(r) for r in s.iter_rows(values_only=True))]
    if sheet is not None and sheet not in full:
        raise unknown("sheet", sheet, full, within="with a table", file=file)
    if not full:
        raise InputError("the table is empty", mend="Give a header and at least one row", file=file)
    if sheet is None and len(full) > 1:
        message = f"{file}: read sheet '{full[0]}' only, not {', '.join(full[1:])}. Name one with sheet=."
        warnings.warn(message, InputWarning, stacklevel=5)
    return sheet or full[0]


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
