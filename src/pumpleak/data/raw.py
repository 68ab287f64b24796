"""Tables of any format as rows of text, so that every later message can quote what the file holds."""

import csv
import hashlib
import io
import math
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, InputWarning, unknown

_FORMATS = "CSV, TSV, Parquet or XLSX"
_SPREADSHEET_ERRORS = (
    "#REF!",
    "#DIV/0!",
    "#N/A",
    "#NAME?",
    "#NULL!",
    "#NUM!",
    "#VALUE!",
    "#SPILL!",
    "#CALC!",
)


class RawTable(NamedTuple):
    """A table as text: `cells[i][j]` stands in row `rows[i]` of `file`, under `header[j]`; blank is ''."""

    file: str
    sha256: str
    header: list[str]
    rows: list[int]
    cells: list[list[str]]


def read_raw(source: Any, file_label: str | None = None, sheet: str | None = None) -> RawTable:
    """The cells of a file or a pandas DataFrame as stripped text; wholly blank rows are left out.

    Args:
        source: path of a .csv, .tsv, .txt, .parquet or .xlsx file, or a DataFrame (its index is ignored).
        file_label: what to call the table in messages; default the path, or ``<DataFrame>``.
        sheet: sheet of an XLSX file; default the first that is not empty.

    Raises:
        InputError: the file is missing, damaged, empty, ragged, not UTF-8 or of another format; a column
            has no name or the name of another; a cell holds a spreadsheet's error.
        InputWarning: an XLSX file holds other sheets, which were not read.
    """
    if hasattr(source, "columns") and hasattr(source, "iloc"):
        file = file_label or "<DataFrame>"
        lines = _frame_lines(source)
        text = io.StringIO()
        csv.writer(text).writerows(fields for _, fields in lines)
        return _tidy(file, text.getvalue().encode(), lines)
    if not isinstance(source, str | Path):
        raise InputError(
            f"a table cannot be read from {type(source).__name__}", mend="Give a path or a pandas DataFrame"
        )
    path, file = Path(source), file_label or str(source)
    data = _bytes(path, file)
    readers = {
        ".csv": lambda: _text_lines(data, file, False),
        ".txt": lambda: _text_lines(data, file, False),
        ".tsv": lambda: _text_lines(data, file, True),
        ".tab": lambda: _text_lines(data, file, True),
        ".parquet": lambda: _parquet_lines(data, file),
        ".pq": lambda: _parquet_lines(data, file),
        ".xlsx": lambda: _xlsx_lines(data, file, sheet),
        ".xlsm": lambda: _xlsx_lines(data, file, sheet),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        what = (
            f"'{path.suffix}' is not a table format that is read" if path.suffix else "the name has no ending"
        )
        raise InputError(f"{what} ({_FORMATS})", mend=f"Save the table as {_FORMATS}", file=file)
    return _tidy(file, data, reader())


def _bytes(path: Path, file: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError("there is no such file", mend="Check the path", file=file) from None
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", mend="Give a readable file", file=file
        ) from None


# Each reader returns (row number, fields) pairs, the header first.


def _text_lines(data: bytes, file: str, tabs: bool) -> list[tuple[int, list[str]]]:
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
        raise InputError(
            "is not text", mend=f"Give the file the ending of its format ({_FORMATS})", file=file
        )
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    skipped = next((i for i, line in enumerate(lines) if not _is_comment(line)), len(lines))
    if skipped == len(lines):
        return []
    reader = csv.reader(
        (line + "\n" for line in lines[skipped:]),
        delimiter=_delimiter(lines[skipped], tabs),
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


def _delimiter(header: str, tabs: bool) -> str:
    if tabs and "\t" in header:
        return "\t"
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=bare.count)


def _parquet_lines(data: bytes, file: str) -> list[tuple[int, list[str]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(data))
        columns = [column.to_pylist() for column in table.columns]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _damaged("Parquet", file, error) from None
    rows = [[as_text(value) for value in row] for row in zip(*columns, strict=True)]
    return list(enumerate([list(table.column_names), *rows], 1))


def _frame_lines(frame: Any) -> list[tuple[int, list[str]]]:
    columns = [frame.iloc[:, j].tolist() for j in range(frame.shape[1])]
    rows = [[as_text(value) for value in row] for row in zip(*columns, strict=True)]
    return list(enumerate([[str(name) for name in frame.columns], *rows], 1))


def _xlsx_lines(data: bytes, file: str, sheet: str | None) -> list[tuple[int, list[str]]]:
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl's, on drop-down lists and styles it does not keep
            stored = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
            formulas = openpyxl.load_workbook(io.BytesIO(data))
    except Exception as error:  # openpyxl lets zipfile's, XML's and its own errors through
        raise _damaged("XLSX", file, error) from None
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


def _damaged(kind: str, file: str, error: Exception) -> InputError:
    reason = str(error).split("\n")[0].rstrip(".")[:100]
    return InputError(f"is not a whole {kind} file ({reason})", mend="Save or copy it again", file=file)


def as_text(value: Any) -> str:
    """A stored value as a reader would type it; None, NaN and pandas' NA are blank."""
    if value is None or str(value) in ("<NA>", "NaT") and not isinstance(value, str):
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value)).removesuffix(".0")
    return str(value).strip()


def _tidy(file: str, data: bytes, lines: list[tuple[int, list[str]]]) -> RawTable:
    """Checks what every format shares, and drops columns and rows without any content."""
    if len(lines) < 2:
        raise InputError("the table is empty", mend="Give a header and at least one row", file=file)
    (_, header), *body = lines
    for row, fields in body:
        if len(fields) != len(header):
            raise InputError(
                f"{len(fields)} fields under a header of {len(header)}",
                mend="Quote text that holds the separator, write decimals with a point, "
                "and keep comment lines above the header",
                file=file,
                row=row,
            )
    cells = [[field.strip() for field in fields] for _, fields in body]
    kept = [j for j, name in enumerate(header) if name.strip() or any(row[j] for row in cells)]
    names = [header[j].strip() for j in kept]
    table = [(row, [line[j] for j in kept]) for (row, _), line in zip(body, cells, strict=True)]
    table = [(row, line) for row, line in table if any(line)]
    _check_header(names, file)
    _check_spreadsheet_errors(names, table, file)
    if not table:
        raise InputError("the table is empty", mend="Give at least one row that is not blank", file=file)
    digest = hashlib.sha256(data).hexdigest()
    return RawTable(file, digest, names, [row for row, _ in table], [line for _, line in table])


def _check_header(names: list[str], file: str) -> None:
    for j, name in enumerate(names):
        if not name:
            raise InputError(
                f"column {j + 1} has no name", mend="Name it, or drop it if it is a row index", file=file
            )
        if name in names[:j]:
            raise InputError("stands twice in the header", mend="Keep one of them", file=file, column=name)


def _check_spreadsheet_errors(names: list[str], table: list[tuple[int, list[str]]], file: str) -> None:
    for row, line in table:
        for name, text in zip(names, line, strict=True):
            if text in _SPREADSHEET_ERRORS:
                raise InputError(
                    f"{text} is a spreadsheet's error",
                    mend="Mend the formula in the spreadsheet and save again",
                    file=file,
                    row=row,
                    column=name,
                )
