"""What stands at the top of a table where its header should: titles, units, numbers, quantities in rows."""

import re
from collections.abc import Sequence

from ..errors import InputError
from ..quantities.names import PARTS, base_name, column_unit, kind, split_part
from ..quantities.numbers import NUMBER, plain_digits
from ..quantities.spellings import plain_name
from ..quantities.units import canonical_unit, split_unit, unit_name, with_unit
from ..text import listing

#: How many rows below the first are looked at.
TOP = 12

_UNNAMED = re.compile(r"Unnamed: \d+")  # what pandas calls a column without a name

Row = tuple[int, Sequence[str]]


def check_top(rows: Sequence[Row], file: str) -> None:
    """Refuse a table whose first row is not the names of its columns.

    Args:
        rows: the first of the table, each with its number, the supposed header first.
        file: for messages.

    Raises:
        InputError: saying what stands there.
    """
    for rule in (_title, _no_header, _units, _on_its_side) if rows else ():
        rule([(row, [_UNNAMED.sub("", field.strip()) for field in fields]) for row, fields in rows], file)


def is_column_name(text: str) -> bool:
    """Whether a text is a quantity's or its error's name with its unit, in any spelling, as a table's header has it."""
    stem, unit = split_unit(text)
    part = split_part(stem)[1]
    expected = "1" if part == "n" or stem in PARTS else column_unit(base_name(stem))
    if stem in PARTS and unit is not None:
        return True
    own = expected is not None and (expected == "1" if unit is None else canonical_unit(unit) == expected)
    return own or plain_name(text) is not None


def repeated(name: str, times: int, file: str) -> InputError:
    """What is said of a name that several columns have: each may hold readings of its own."""
    often = "twice" if times == 2 else f"{times} times"
    stem = split_unit(plain_name(name) or name)[0]
    what = kind(base_name(split_part(stem)[0])).what
    if stem in PARTS or what in ("potential", "dye", "volume"):
        mend = (
            "Put them one below the other, a reading in each row, with what tells them apart in a column of its own, "
            "e.g. cell; keep one of them only where both hold the same"
        )
    elif is_column_name(name):
        mend = "Keep one of them where they hold the same, else name each for what it is"
    else:
        mend = (
            f"If they are replicates side by side, write one reading in each row, in a column V_m_mV, with {name} beside it in a "
            "column such as genotype and the replicate's name in another, e.g. cell; else give each a name of its own"
        )
    return InputError(f"stands {often} in the header", mend=mend, file=file, column=name)


def _names(fields: Sequence[str]) -> list[str]:
    return [field for field in fields if is_column_name(field)]


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(plain_digits(text).replace(",", ".")) is not None


def _filled(fields: Sequence[str]) -> list[str]:
    return [field for field in fields if field]


def _title(rows: Sequence[Row], file: str) -> None:
    (first, header), *body = rows
    found = [len(_names(fields)) * (not any(map(_is_number, fields))) for _, fields in rows]
    k = max(range(len(rows)), key=lambda i: found[i])
    if found[k] <= len(_names(header)):
        below = body[0][1] if body else []
        one = len(_filled(header)) == 1 < len(_filled(below)) and not any(map(_is_number, below))
        if not one or _names(header):
            return
        k = 1
    row, names = rows[k]
    above = f"row {first}" if k == 1 else f"rows {first} to {rows[k - 1][0]}"
    raise InputError(
        f"'{(_filled(header) or ['a row'])[0]}' stands above the header, which is row {row}: {listing(_filled(names), 4)}",
        mend=f"Delete {above}, or begin {'it' if k == 1 else 'each'} with #",
        file=file,
        row=first,
    )


def _no_header(rows: Sequence[Row], file: str) -> None:
    (first, header), *_ = rows
    filled = _filled(header)
    if filled and _is_number(header[0]) and 2 * sum(map(_is_number, filled)) >= len(filled):
        raise InputError(
            f"holds the number {header[0]} where the first column's name should stand",
            mend="Write the names of the columns above it, e.g. K_o_mM and V_m_mV",
            file=file,
            row=first,
        )


_NO_UNIT = ("", "-", "1", "unit", "units", "no unit", "none", "dimensionless")


def _unit(text: str) -> str | None:
    """The unit that a cell is, as columns are named by; empty: it says that there is none; None: it is no unit."""
    bare = plain_digits(text.strip("[](){} ")).removeprefix("in ")
    if bare.lower() in _NO_UNIT:
        return ""
    try:
        return unit_name(bare)
    except InputError:
        return None


def _with_unit(name: str, unit: str) -> str:
    """A name with a unit that it did not have: as a table here is headed, where it is plainly a quantity's."""
    return plain_name(f"{name} ({unit})") or with_unit(name, unit)


def _units(rows: Sequence[Row], file: str) -> None:
    if len(rows) < 2:
        return
    (_, header), (row, fields), *_ = rows
    units = [_unit(field) for field in fields]
    if None in units or not any(units):
        return
    names = []
    for name, unit in zip(header, units, strict=False):
        plain = plain_name(name) or name
        stem, own = split_unit(plain)
        both = unit and own and unit_name(own) != unit
        named = _with_unit(plain, unit) if unit and not own else plain
        names += [f"{plain} or {with_unit(stem, unit)} (whichever is right)" if both and unit else named]
    raise InputError(
        f"holds units, not values: {listing(_filled(fields), 4)}",
        mend=f"Name the columns {listing(_filled(names))} and delete the row",
        file=file,
        row=row,
    )


def _on_its_side(rows: Sequence[Row], file: str) -> None:
    (first, header), *body = rows
    width = min(len(fields) for _, fields in rows)
    for j in range(width):
        column = _filled([fields[j] for _, fields in rows])
        names = list(dict.fromkeys(_names(column)))
        if len(names) < 2 or 2 * len(_names(column)) < len(column) or len(names) <= len(_names(header)):
            continue
        raise InputError(
            f"the quantities {listing(names, 4)} stand in rows, one below the other",
            mend="Turn the table, so that each of them is a column and each condition a row "
            "(in a spreadsheet: copy, paste special, transpose)",
            file=file,
            row=first,
            column=header[j] if header[j] and not is_column_name(header[j]) else None,
        )
