"""Files as lines of text: CSV of any dialect, read exactly, judged from all its rows."""

import csv
import math
import re
from collections.abc import Iterable, Sequence
from itertools import combinations, islice
from typing import Any, NamedTuple

from ..errors import InputError

FORMATS = "CSV, TSV, Parquet or XLSX"

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_WHOLE = re.compile(r"[+-]?[0-9]+")

Line = tuple[int, list[str]]


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


class Top(NamedTuple):
    """Where a text file's table begins.

    Attributes:
        skipped: lines before the header.
        header: its line; '' where all are comments.
        separator: between columns.
    """

    skipped: int
    header: str
    separator: str


def top_of(text: str, file: str, tabs: bool) -> Top:
    """Where the table begins, and what separates its columns: what splits every row as it does the header.

    Raises:
        InputError: two characters would, or columns are separated otherwise.
    """
    skipped, header, said = 0, "", None
    lines = re.finditer(r"[^\r\n]*(?:\r\n?|\n|\Z)", text)
    for at, match in enumerate(lines):
        line = match[0].rstrip("\r\n")
        if said is None and (named := re.fullmatch(r'"?sep=(.)"?[,;\t]*', line, re.IGNORECASE)):
            said = named[1]
        elif not _is_comment(line):
            skipped, header = at, line
            break
    if said is not None or tabs and "\t" in header:
        return Top(skipped, header, said or "\t")
    bare = _bare(header)
    found = [mark for mark in _SEPARATORS if mark in bare]
    body = (match[0].rstrip("\r\n") for match in lines)
    if not found:
        _other_separator(
            header, next((line for line in body if not _is_comment(line)), ""), file, skipped + 1
        )
    if len(found) < 2:
        return Top(skipped, header, found[0] if found else ",")
    return Top(skipped, header, _judged(found, bare, body, file, skipped + 1))


def _bare(line: str) -> str:
    """A line without what is quoted."""
    return re.sub(r'"[^"]*"', "", line) if '"' in line else line


def _judged(found: Sequence[str], header: str, body: Iterable[str], file: str, row: int) -> str:
    """The separator, of several that the header holds, by which every row has as many columns."""
    wanted = {mark: header.count(mark) for mark in found}
    like = dict.fromkeys(found, 0)
    rows = 0
    for line in body:
        if not _is_comment(line):
            rows += 1
            bare = _bare(line)
            for mark in found:
                like[mark] += bare.count(mark) == wanted[mark]
    whole = [mark for mark in found if like[mark] == rows]
    if rows and len(whole) > 1:
        both = " or ".join(f"{_SEPARATORS[mark]} ({wanted[mark] + 1} columns)" for mark in whole)
        raise InputError(
            f"columns may be separated by {both}",
            mend=f"Quote names that hold {' or '.join(repr(mark) for mark in whole)}, or write sep=; as the first line",
            file=file,
            row=row,
        )
    return max(found, key=lambda mark: (like[mark], wanted[mark]))


def _other_separator(header: str, line: str, file: str, row: int) -> None:
    """Refuse a table of Markdown, and columns that are separated by bars or spaces."""
    if "|" in header and re.fullmatch(r"[\s|:+=-]*-[\s|:+=-]*", line):
        raise InputError(
            "it is a table as Markdown writes it, with bars between columns and a line of dashes below the header",
            mend="Delete the line of dashes and the bars at both ends of each line, and write a semicolon for each bar between",
            file=file,
            row=row,
        )
    for what, split in (("bars", re.compile(r"\s*\|\s*")), ("spaces", re.compile(r"\s+"))):
        names, fields = (split.split(part.strip(" |")) for part in (header, line))
        if (
            len(names) == len(fields) > 1
            and any(map(_WHOLE.match, fields))
            and not any(map(_WHOLE.match, names))
        ):
            raise InputError(
                f"columns are separated by {what}: {', '.join(names[:3])}",
                mend="Save the table as CSV, with commas, semicolons or tabs between columns",
                file=file,
                row=row,
            )


def text_lines(text: str, file: str, top: Top) -> list[Line]:
    """The lines of a CSV file that are not blank, header first, each with its number.

    Raises:
        InputError: quotes are broken.
    """
    if not top.header:
        return []
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return list(_fields(lines[top.skipped :], file, top))


def first_lines(text: str, file: str, top: Top, most: int) -> list[Line]:
    """The first of the same, without a look at the others."""
    lines = islice(re.finditer(r"[^\r\n]*(?:\r\n?|\n|\Z)", text), top.skipped, None)
    return list(islice(_fields((match[0].rstrip("\r\n") for match in lines), file, top), most))


def _fields(lines: Iterable[str], file: str, top: Top) -> Iterable[Line]:
    reader = csv.reader(
        (line + "\n" for line in lines), delimiter=top.separator, skipinitialspace=True, strict=True
    )
    start = top.skipped + 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield start, fields
            start = top.skipped + reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"broken quotes ({error})", mend='Close every "', file=file, row=start) from None


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().lstrip('"').startswith("#")


def check_widths(lines: Sequence[Line], file: str, separator: str) -> None:
    """Refuse a row that has more or fewer columns than the header."""
    (_, header), *body = lines
    for row, fields in body:
        if len(fields) != len(header):
            mend = _unquoted(header, len(fields), separator) or _width_mend(fields, len(header), separator)
            raise InputError(
                f"{len(fields)} fields under a header of {len(header)}", mend=mend, file=file, row=row
            )


def _unquoted(header: Sequence[str], wanted: int, separator: str) -> str:
    """The mend where the header's own separator stands between its names and their units; '' where it does not."""
    names: list[str] = []
    for field in map(str.strip, header):
        if names and field in ("mM", "µM", "uM", "nM", "M", "mV", "V", "°C", "degC", "s", "min", "ms"):
            names[-1] += f"{separator} {field}"
        else:
            names.append(field)
    split = [f'"{name}"' for name in names if separator in name]
    return f"Quote the names in the header: {', '.join(split[:3])}" if split and len(names) == wanted else ""


def _width_mend(fields: Sequence[str], wanted: int, separator: str) -> str:
    marks = _SEPARATORS.get(separator, f"'{separator}'")
    if fields[0].lstrip().startswith("#"):
        return "Keep comment lines above the header"
    if len(fields) < wanted:
        other = next(
            (mark for mark in _SEPARATORS if mark != separator and len(fields[0].split(mark)) == wanted), ""
        )
        if other:
            return f"The header has {marks} between columns, this row {_SEPARATORS[other]}: write one of them in both"
        return f"Give it as many {marks} as the header has, also beside blank cells"
    if not any(field.strip() for field in fields[wanted:]):
        return f"Delete the {marks} at its end"
    joined = joined_commas(fields, wanted) if separator == "," else []
    if len(joined) == 1:
        pairs = " and ".join(f"{a}.{b} for {a},{b}" for a, b in joined[0][1])
        return (
            f"If a comma is a decimal mark, write {pairs}, with a point; else quote text that holds a comma"
        )
    return f"Quote text that holds {marks}, and write decimals with a point"


def joined_commas(fields: Sequence[str], wanted: int) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Every way to read so many columns from a row by taking commas for decimal marks, and which pairs are joined."""
    stripped = [field.strip() for field in fields]
    at = [
        j
        for j in range(len(fields) - 1)
        if _WHOLE.fullmatch(stripped[j]) and re.fullmatch("[0-9]+", stripped[j + 1])
    ]
    found = []
    for chosen in islice(combinations(at, len(fields) - wanted), 200):
        if all(b - a > 1 for a, b in zip(chosen, chosen[1:], strict=False)):
            row, pairs = [], []
            for j, field in enumerate(stripped):
                if j - 1 in chosen:
                    pairs.append((stripped[j - 1], field))
                    row[-1] += f".{field}"
                else:
                    row.append(field)
            found.append((row, pairs))
    return found


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
