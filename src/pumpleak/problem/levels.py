"""Levels of a table's label columns, and levels within levels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..data.measurements import Measurements
from ..quantities.names import unique_names


class Codes(NamedTuple):
    """A label column: (R,) the level of each row, −1 where it has none, and the levels' names."""

    code: np.ndarray
    names: tuple[str, ...]


def codes_of(texts: Sequence[str]) -> Codes:
    """The levels of a text column, counted in order of appearance; a blank is none."""
    number = {x: k for k, x in enumerate(dict.fromkeys(x for x in texts if x))}
    return Codes(np.array([number.get(x, -1) for x in texts], int), tuple(number))


class Levels:
    """The levels of a table's label columns, each counted once.

    Args:
        m: the table.
    """

    def __init__(self, m: Measurements):
        self._m = m
        self._codes: dict[str, Codes] = {}

    def texts(self, column: str) -> tuple[str, ...] | None:
        """(R,) a label column; None: there is none. Rows without a label are called after their number."""
        numbered = (f"row {row}" for row in self._m.file_rows)
        if column == "label" and any(x != n for x, n in zip(self._m.labels, numbered, strict=True)):
            return self._m.labels
        return self._m.groups.get(column)

    def codes(self, column: str) -> Codes:
        """The levels of a column; without such a column no row has one."""
        if column not in self._codes:
            self._codes[column] = codes_of(self.texts(column) or ("",) * len(self._m.labels))
        return self._codes[column]

    def of(self, columns: tuple[str, ...], reference: str | None = None) -> tuple[Codes, tuple[int, ...]]:
        """The levels of the last of some columns, and in which level of the ones before each of them lies.

        A name that occurs in several of them is a level of each, and is called after both.

        Args:
            columns: from the outermost to the innermost.
            reference: a level of the outermost, whose rows have no level here.
        """
        own = self.codes(columns[-1])
        if len(columns) == 1:
            if reference is None:
                return own, ()
            gone = own.names.index(reference)
            code = np.where(own.code == gone, -1, own.code - (own.code > gone))
            return Codes(code, tuple(x for x in own.names if x != reference)), ()
        around = self.of(columns[:-1], reference)[0]
        there = np.flatnonzero((own.code >= 0) & (around.code >= 0))
        inner, outer = own.code[there], around.code[there]
        pairs, first, at = np.unique(np.stack([inner, outer]), axis=1, return_index=True, return_inverse=True)
        code, at = np.full(len(own.code), -1), at.ravel()
        if np.array_equal(pairs[0], np.arange(len(own.names))):  # each name lies in one level
            code[there] = inner
            return Codes(code, own.names), tuple(pairs[1].tolist())
        order = np.argsort(first)
        code[there] = np.argsort(order)[at]
        names = [f"{around.names[pairs[1, k]]}-{own.names[pairs[0, k]]}" for k in order]
        return Codes(code, tuple(unique_names(names))), tuple(pairs[1, order].tolist())
