"""Rows below the measurements that sum them up: ``Mean``, ``SEM``, ``n``, or the mean of all rows above, unnamed."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..text import listing
from .arrow import is_nested, matching, numbers, text_array
from .number_texts import SUMMARY, also_a_name

if TYPE_CHECKING:
    from .columns import Columns

_LAST = 4  # rows at the end that may be the mean of those above
_MOST = 10_000  # rows of a table that people make


def check_summaries(columns: "Columns") -> None:
    """Refuse a table some rows of which are statistics of the others.

    Raises:
        InputError: naming them.
    """
    names = [name for name in columns.texts if not is_nested(columns.source.type_of(name))]
    for name in names:
        found = list(_words(columns, name))
        if not found:
            continue
        at = np.array([i for i, _, _ in found])
        tail = at >= columns.source.n_rows - len(at)
        strong = np.array([not also_a_name(text) for _, _, text in found])
        if len(at) == columns.source.n_rows or not (
            strong.any() or len({t for _, _, t in found}) > 1 and tail.all()
        ):
            continue
        counted = [
            f for f, s, t in zip(found, strong, tail, strict=True) if s or t or _beside(f[0], at[strong])
        ]
        (_, row, text), *more = counted
        rest = [f"row {r} ('{t}')" for _, r, t in more]
        also = f", as {'is' if len(rest) == 1 else 'are'} {listing(rest, 4)}" if rest else ""
        raise columns.error(
            f"'{text}' is a summary of other rows, not a measurement{also}",
            f"Delete {'the row' if not rest else 'these rows'}, or call a measurement otherwise",
            name,
            row,
        )
    _check_unnamed(columns, names)


def _words(columns: "Columns", name: str) -> Iterator[tuple[int, int, str]]:
    """Position, row and text of every summary word in a column."""
    at = 0
    for table, row in columns.source.blocks([name]):
        text = text_array(table.column(name))
        for i in np.flatnonzero(matching(text, f"(?i)^(?:{SUMMARY})$")):
            yield at + int(i), int(row[i]), text[int(i)].as_py()
        at += len(text)


def _beside(i: int, others: np.ndarray) -> bool:
    return bool((np.abs(others - i) == 1).any())


def _check_unnamed(columns: "Columns", names: list[str]) -> None:
    """Refuse one of the last rows that is the mean of all above in every column that varies, and is not named as they are."""
    source = columns.source
    if source.separator is None or not 4 <= source.n_rows <= _MOST:
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
