"""Rows of a CSV file in which a decimal comma was taken for the end of a column: what follows stands one too far right."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..errors import InputError
from ..quantities.numbers import NUMBER, plain_digits
from .arrow import matching
from .header import is_column_name
from .raw import joined_commas

_SAMPLE = 1000
_SHOWN = 20


def check_shifts(names: Sequence[str], columns: Sequence[Any], row: np.ndarray, file: str) -> None:
    """Refuse a row that reads as well, and like the others, with a decimal comma: ``2,5,-84,`` under K_o, V_m and a note.

    Args:
        names: of the columns.
        columns: texts of each, Arrow arrays.
        row: (n,) numbers of the rows.
        file: for messages.

    Raises:
        InputError: naming both readings.
    """
    for c, name in enumerate(names):
        if c < 2 or is_column_name(name):
            continue
        if 2 * _holds_number(columns[c][:_SAMPLE]).sum() > min(_SAMPLE, len(row)):
            continue  # a column of numbers
        holds = _holds_number(columns[c])
        if not holds.any() or holds.all():
            continue
        rest = np.flatnonzero(~holds)[:_SAMPLE]
        usual = [{_kind(text) for text in column.take(rest).to_pylist()} for column in columns[: c + 1]]
        for i in islice(np.flatnonzero(holds), _SHOWN):
            fields = [column[int(i)].as_py() for column in columns[: c + 1]]
            if all(_kind(text) in kinds for text, kinds in zip(fields[:-1], usual, strict=False)):
                break
            for joined, pairs in joined_commas(fields, c):
                likely = [_kind(text) for text in (*joined, "")]
                if all(k in kinds for k, kinds in zip(likely, usual, strict=True)):
                    raise _two_readings(names, fields, joined, pairs, file, int(row[i]))


def _holds_number(column: Any) -> np.ndarray:
    return matching(column, rf"^[\s\pZ]*{NUMBER.pattern}[\s\pZ]*$")


def _kind(text: str) -> str:
    plain = plain_digits(text)
    if NUMBER.fullmatch(plain):
        return "negative" if plain.startswith("-") else "number"
    return "text" if plain else "blank"


def _two_readings(names, fields, joined, pairs, file: str, row: int) -> InputError:
    a, b = (
        ", ".join(f"{n} {t}" for n, t in zip(names, cells, strict=False) if t) for cells in (fields, joined)
    )
    write = " and ".join(f"{x}.{y}" for x, y in pairs)
    comma = " and ".join(f"{x},{y}" for x, y in pairs)
    two = " and ".join(f"{x}.0,{y}.0" for x, y in pairs)
    return InputError(
        f"reads as {a}, or with a decimal comma as {b}",
        mend=f"If {comma} is one number, write {write}; if two, write {two}",
        file=file,
        row=row,
    )
