"""Rows of a table that are alike, however many there are."""

from collections.abc import Iterable

import numpy as np


def alike(n: int, columns: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Which of n rows are alike in every column, each (n,); NaN is like NaN.

    Returns:
        (n,) a number for each row, from 0 on in the order of first rows, and those first rows.
    """
    code = np.zeros(n, int)
    for column in columns:
        if n and not (column == column[0]).all():
            own = np.unique(column, return_inverse=True)[1]
            code = np.unique(code * (own.max() + 1) + own, return_inverse=True)[1]
    _, first, code = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[code], first[order]


def alike_rows(n: int, columns: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The rows of each such group, in the order of first rows."""
    code, first = alike(n, columns)
    return np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1]) if len(first) else []


def in_blocks(blank: np.ndarray, row: int) -> bool:
    """Whether a blank row may share the value of the last filled one above it, where blocks have theirs in the first row.

    Args:
        blank: (n,) the rows without a value; half of them at least, and not the first, or it may not.
        row: one of them.
    """
    return bool((~blank[:row]).any() and not blank[0] and 2 * blank.sum() >= len(blank))
