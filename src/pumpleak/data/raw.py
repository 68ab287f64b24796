"""Files as lines of text: CSV of any dialect, read exactly, and XLSX."""

import csv
import io
import math
import re
import warnings
from typing import Any

from ..errors import InputError, InputWarning, unknown

FORMATS = "CSV, TSV, Parquet or XLSX"


def decoded(data: bytes, file: str) -> str:
    """The text of a file.

    Raises:
        InputError: it is none in UTF-8.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("is UTF-16 text", mend="Save it as 'CSV UTF-8'", file=file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"byte 0x{data[error.start]:02x} is not UTF-8 text",
            mend="Save the table as 'CSV UTF-8' (µ and − are the usual culprits)",
            file=file,
            row=row,
        ) from None
    if "\0" in text:
        raise InputError("is not text", mend=f"Give the file the ending of its format ({FORMATS})", file=file)
    return text


def header_line(text: str) -> tuple[int, str]:
    """How many lines stand before the header, and the header; '' where all are comments."""
    for skipped, match in enumerate(re.finditer(r"[^\r\n]*(?:\r\n?|\n|\Z)", text)):
        if not _is_comment(match[0]):
            return skipped, match[0].rstrip("\r\n")
    return 0, ""


def text_lines(text: str, file: str, tabs: bool) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file that are not blank, header first, each with its number.

    Raises:
        InputError: quotes are broken.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    skipped = next((i for i, line in enumerate(lines) if not _is_comment(line)), len(lines))
    if skipped == len(lines):
        return []
    reader = csv.reader(
        (line + "\n" for line in lines[skipped:]),
        delimiter=delimiter_of(lines[skipped], tabs),
        skipinitialspace=True,
        strict=True,
    )
    found, start = [], skipped + 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                found.append((start, fields))
            start = skipped + reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"broken quotes ({error})", mend='Close every "', file=file, row=start) from None
    return found


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().lstrip('"').startswith("#")


def delimiter_of(header: str, tabs: bool) -> str:
    if tabs and "\t" in header:
        return "\t"
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=bare.count)


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


def damaged(kind: str, file: str, error: Exception) -> InputError:
    reason = str(error).split("\n")[0].rstrip(".")[:100]
    return InputError(f"is not a whole {kind} file ({reason})", mend="Save or copy it again", file=file)


def as_text(value: Any) -> str:
    """A stored value as a reader would type it; None, NaN and pandas' NA are blank."""
    if value is None or str(value) in ("<NA>", "NaT") and not isinstance(value, str):
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value)).removesuffix(".0")
    return str(value).strip()
