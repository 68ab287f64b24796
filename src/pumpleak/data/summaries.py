"""Rows that are no measurements: ``Mean``, ``SEM``, ``n``, the mean of all rows above, unnamed, and names of groups of rows."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..quantities.labels import is_of_readings
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
