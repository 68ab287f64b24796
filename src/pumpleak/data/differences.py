"""Differences from one and the same row: whether they have its reading's error in common."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Shared(NamedTuple):
    """Differences of one kind that are taken from one row.

    Attributes:
        rows: (k,) the rows that hold them.
        reference: the row that they are taken from.
        variance: (k,) their squared standard errors; NaN where none is known.
        of_reference: that of the reference's own reading; NaN where there is none.
    """

    rows: np.ndarray
    reference: int
    variance: np.ndarray
    of_reference: float

    @property
    def can_share(self) -> bool:
        """Whether their errors may hold the reference's: it is in none of a smaller one."""
        return not (self.variance < self.of_reference).any()


def squared_error(sd: np.ndarray, sem: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Known squared standard error of each reading; NaN where there is none."""
    return np.where(np.isfinite(sem), sem, sd / np.sqrt(np.where(n > 0, n, 1.0))) ** 2


def shared_by(
    value: np.ndarray, variance: np.ndarray, reference: np.ndarray, readings: np.ndarray, least: int = 2
) -> Iterator[Shared]:
    """Groups of differences that are taken from one row.

    Args:
        value, variance: (n,) differences and their squared standard errors; NaN where there is none.
        reference: (n,) the row that each is taken from; −1: none.
        readings: (n,) squared standard errors of the rows' own readings; NaN where there is none.
        least: differences of a group.
    """
    there = np.flatnonzero(np.isfinite(value) & (reference >= 0))
    there = there[np.argsort(reference[there], kind="stable")]
    taken, begin, size = np.unique(reference[there], return_index=True, return_counts=True)
    for k in np.flatnonzero(size >= least):
        rows = there[begin[k] : begin[k] + size[k]]
        yield Shared(rows, int(taken[k]), variance[rows], float(readings[taken[k]]))
