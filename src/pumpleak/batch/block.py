"""Cells of one size, padded to one shape, and what tells their structures apart."""

import itertools
from typing import NamedTuple

import numpy as np

from ..data.measurements import Reading

MOST_PATTERNS = 8


COMMON = 0.05


SIZES = [1, 2, 3] + sorted(itertools.chain(*((2**k, 3 * 2 ** (k - 1)) for k in range(2, 24))))


class Block(NamedTuple):
    """M cells of S rows each, padded with copies of their first row in which nothing is read."""

    cells: np.ndarray
    at: np.ndarray
    real: np.ndarray
    quantities: dict[str, np.ndarray]
    quantity_sd: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]
    readings: dict[str, Reading]
    differences: dict[str, Reading]
    reference: np.ndarray

    def pick(self, chosen: np.ndarray) -> "Block":
        def of(x):
            if isinstance(x, dict):
                return {k: of(v) for k, v in x.items()}
            return Reading(*(v[chosen] for v in x)) if isinstance(x, Reading) else x[chosen]

        return Block(*(of(x) for x in self))


def first_of(codes: np.ndarray) -> np.ndarray:
    """(M, S) the first column in which each row of `codes` (M, S) holds the same."""
    return np.stack(
        [(codes[:, : i + 1] == codes[:, i : i + 1]).argmax(1) for i in range(codes.shape[1])], axis=1
    )


def bit_patterns(values: np.ndarray) -> np.ndarray:
    """Floats as integers that are equal where they are; all NaN are."""
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.int64)


def weights(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 2**63, n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def alike_rows(signature: np.ndarray) -> list[np.ndarray]:
    """Positions of the rows of `signature` (M, K) that are alike, group by group."""
    if (signature == signature[:1]).all():
        return [np.arange(len(signature))]
    mixed = (signature.astype(np.uint64) * weights(signature.shape[1])).sum(1)
    mixed ^= mixed >> np.uint64(29)
    _, inverse = np.unique(mixed, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
