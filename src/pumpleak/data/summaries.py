"""Rows that are no measurements: ``Mean``, ``SEM``, ``n``, the mean of all rows above, unnamed, and names of groups of rows."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..quantities.labels import is_bath_label, is_of_readings
from ..quantities.numbers import decimal_number
from ..text import listing
from .arrow import is_nested, matching, numbers, text_array
from .near_names import MOST
from .number_texts import SUMMARY, also_a_name, summary_word, summed_up

if TYPE_CHECKING:
    from .columns import Columns

_LAST = 4  # rows at the end that may be the mean of those above
_HINT = rf"(?i)(?:^|[ _:,/-])(?:{SUMMARY})(?:$|[ _:,/-])"


class Found(NamedTuple):
    """A row that is called like a statistic.

    Attributes:
        at, row: its position and number.
        text: what it is called.
        strong: whether nothing else is called so; None: only where it stands at the end.
    """

    at: int
    row: int
    text: str
    strong: bool | None


def check_summaries(columns: "Columns") -> None:
    """Refuse a table some rows of which are statistics of the others, or titles of those below them.

    Raises:
        InputError: naming them.
    """
    names = [name for name in columns.texts if not is_nested(columns.source.type_of(name))]
    levels = _levels(columns, names) if columns.source.n_rows <= MOST else frozenset()
    for name in names:
        known = frozenset() if is_of_readings(name) else levels
        found = _settled(list(_words(columns, name, known)), columns.source.n_rows)
        if not found:
            continue
        found = _not_names(columns, name, found)
        at = np.array([f.at for f in found])
        tail = at >= columns.source.n_rows - len(at)
        strong = np.array([f.strong for f in found])
        if len(at) == columns.source.n_rows or not (
            strong.any() or len({f.text for f in found}) > 1 and tail.all()
        ):
            continue
        counted = [
            f for f, s, t in zip(found, strong, tail, strict=True) if s or t or _beside(f.at, at[strong])
        ]
        first, *more = counted
        rest = [f"row {f.row} ('{f.text}')" for f in more]
        also = f", as {'is' if len(rest) == 1 else 'are'} {listing(rest, 4)}" if rest else ""
        raise columns.error(
            f"'{first.text}' is a summary of other rows, not a measurement{also}",
            f"Delete {'the row' if not rest else 'these rows'}, or call a measurement otherwise",
            name,
            first.row,
        )
    _check_unnamed(columns, names)
    _check_titles(columns)
    _check_inputless(columns)


def _not_names(columns: "Columns", name: str, found: list[Found]) -> list[Found]:
    """The rows found, each strong that is called so and cannot be a measurement: inputs are blank that all other rows have,
    or at the end the reading is of another sign or a fifth of every other's size."""
    if columns.source.n_rows > MOST or all(f.strong for f in found) or len(found) == columns.source.n_rows:
        return found
    ((table, _),) = columns.source.slices([(0, columns.source.n_rows)], columns.source.names)
    at = np.array([f.at for f in found])
    others = np.setdiff1d(np.arange(columns.source.n_rows), at)
    blank = np.array([x[at] for x in _blanks(columns, table) if not x[others].any()]).reshape(-1, len(at))
    labels = np.array(text_array(table.column(name)).to_pylist(), object)[others]
    odd = _odd_readings(columns, table, others)[at] & (at >= columns.source.n_rows - len(at))
    odd &= np.array([not any(_alike(f.text, label) for label in labels) for f in found])
    return [
        f._replace(strong=bool(f.strong or lacks or unlike))
        for f, lacks, unlike in zip(found, blank.any(axis=0), odd, strict=True)
    ]


def _blanks(columns: "Columns", table) -> list[np.ndarray]:
    """Which rows of each input are blank."""
    inputs = [
        c.name
        for (of, part), c in columns.columns.items()
        if part == "value" and columns.role(of) == "quantity"
    ]
    return [np.array(text_array(table.column(name)).to_pylist(), object) == "" for name in inputs]


def _odd_readings(columns: "Columns", table, others: np.ndarray) -> np.ndarray:
    """Which rows have a reading whose sign no other's has, or that is less than a fifth of the least of the others."""
    odd = np.zeros(len(table), bool)
    for (of, part), column in columns.columns.items():
        if part != "value" or columns.role(of) != "reading":
            continue
        values = numbers(table.column(column.name), columns.marks)[0]
        rest = values[others]
        rest = rest[~np.isnan(rest)]
        if len(rest) > 1 and len(set(np.sign(rest))) == 1:
            odd |= (np.sign(values) == -np.sign(rest[0])) | (np.abs(values) < np.abs(rest).min() / 5)
    return odd


def _alike(text: str, label: str) -> bool:
    """Whether both are a letter or two, in the same case: cells may be called a, b, n."""
    return len(text) == len(label) and label.isalpha() and text.isupper() == label.isupper()


def _check_inputless(columns: "Columns") -> None:
    """Refuse last rows with a reading and none of several inputs that all rows above have."""
    source = columns.source
    if not 3 <= source.n_rows <= MOST:
        return
    ((table, row),) = source.slices([(0, source.n_rows)], source.names)
    blanks = _blanks(columns, table)
    if len(blanks) < 2:
        return
    known = [c for c in source.names if is_bath_label(c)]
    said = np.zeros(source.n_rows, bool)
    for name in known:  # the config may say what is in this bath
        said |= np.array(text_array(table.column(name)).to_pylist(), object) != ""
    none = np.all(blanks, axis=0) & ~said
    first = source.n_rows - int(np.argmin(none[::-1])) if not none.all() else 0
    if first < 2 or first == source.n_rows or np.any([x[:first].any() for x in blanks]):
        return
    for (of, part), column in columns.columns.items():
        cells = text_array(table.column(column.name)).to_pylist()[first:]
        if part == "value" and columns.role(of) in ("reading", "difference") and any(cells):
            raise columns.error(
                f"'{next(filter(None, cells))}' stands in a row without any of the inputs that all rows above have, as a "
                "footer would",
                "Delete the row where it is no measurement, else fill the inputs in",
                column.name,
                int(row[first + next(i for i, x in enumerate(cells) if x)]),
            )


def _check_titles(columns: "Columns") -> None:
    """Refuse a row that holds one text where others have numbers: the name of the group of rows below it."""
    source = columns.source
    inputs = [c.name for (of, _), c in columns.columns.items() if columns.role(of) == "quantity"]
    if source.separator is None or not 2 <= source.n_rows <= MOST or not inputs or len(source.names) < 2:
        return
    ((table, row),) = source.slices([(0, source.n_rows)], source.names)
    cells = np.array([text_array(table.column(name)).to_pylist() for name in source.names], object)
    filled = cells != ""
    given = [source.names.index(name) for name in inputs]
    for i in np.flatnonzero(filled[:, :-1].sum(axis=0) == 1):
        j = int(np.argmax(filled[:, i]))
        if is_of_readings(source.names[j]):
            continue
        text = cells[j, i]
        others = [k for k in given if k != j]
        bare = all((filled[k, i + 1 :].any() and not filled[k, i]) for k in others) and others or j in given
        if bare and filled[:, i + 1].sum() > 1 and decimal_number(text.replace(",", ".")) is None:
            raise columns.error(
                f"'{text}' stands alone in its row, as the name of the rows below it",
                "Write it in each of these rows, in a column of its own such as genotype, and delete this row",
                source.names[j],
                int(row[i]),
            )


def _levels(columns: "Columns", names: list[str]) -> frozenset[str]:
    """What stands in the columns of text, in small letters."""
    blocks = [table for table, _ in columns.source.blocks(names)] if names else []
    return frozenset(
        x.lower()
        for table in blocks
        for column in table.columns
        for x in text_array(column).unique().to_pylist()
    )


def _words(columns: "Columns", name: str, levels: frozenset[str]) -> Iterator[Found]:
    """Every summary word in a column, also with the name of what is summed up; `levels` may be such."""
    at = 0
    for table, row in columns.source.blocks([name]):
        text = text_array(table.column(name))
        for i in np.flatnonzero(matching(text, _HINT)):
            written = text[int(i)].as_py()
            if summary_word(written):
                yield Found(at + int(i), int(row[i]), written, not also_a_name(written))
            elif levels and (found := list(summed_up(written))):
                known = any(of.lower() in levels for of, _, _ in found)
                sure = any(not also_a_name(word) and (first or known) for of, word, first in found)
                if known or sure:
                    yield Found(at + int(i), int(row[i]), written, known and sure if known else None)
        at += len(text)


def _settled(found: list[Found], n_rows: int) -> list[Found]:
    """Those that are called after no level only where nothing but such rows follows."""
    out: list[Found] = []
    end = n_rows
    for f in reversed(found):
        last = f.at == end - 1
        if f.strong is None and not last:
            continue
        end = f.at if last else end
        out.append(f._replace(strong=f.strong is None or f.strong))
    return out[::-1]


def _beside(i: int, others: np.ndarray) -> bool:
    return bool((np.abs(others - i) == 1).any())


def _check_unnamed(columns: "Columns", names: list[str]) -> None:
    """Refuse one of the last rows that is the mean of all above in every column that varies, and is not named as they are."""
    source = columns.source
    if source.separator is None or not 4 <= source.n_rows <= MOST:
        return
    ((table, row),) = source.slices([(0, source.n_rows)], source.names)
    read = {}
    for (of, part), column in columns.columns.items():
        if part == "value":
            text = text_array(table.column(column.name)).to_pylist()
            read[of] = (column, text, numbers(table.column(column.name), columns.marks)[0])
    label = [text_array(table.column(name)).to_pylist() for name in names]
    for i in range(max(3, source.n_rows - _LAST), source.n_rows):
        found = [_is_mean(text, values, i) for _, text, values in read.values()]
        if None in found or not all(found):
            continue
        nameless = any(not texts[i] and all(texts[:i]) for texts in label)
        finer = any(_decimals(text[i]) > max(map(_decimals, text[:i])) for _, text, _ in read.values())
        varying = sum(len(set(values[:i])) > 1 for _, _, values in read.values())
        if varying and (nameless or finer or varying > 1):
            column, text, _ = next(r for of, r in read.items() if columns.role(of) == "reading")
            raise columns.error(
                f"{text[i]} is the mean of all rows above, as is all else in its row",
                "Delete the row, and what follows it, where it is no measurement",
                column.name,
                int(row[i]),
            )


def _is_mean(text: list[str], values: np.ndarray, i: int) -> bool | None:
    """Whether a row's number is the mean of those above, as far as its digits go; None: it, or one above, is blank."""
    above = values[:i]
    if math.isnan(values[i]) or np.isnan(above).any():
        return None
    return abs(above.mean() - values[i]) <= 0.5001 * 10.0 ** -_decimals(text[i])


def _decimals(text: str) -> int:
    return len(text.replace(",", ".").lower().partition("e")[0].partition(".")[2])
