"""Rows of integers that are alike: which they are, fast, for very many of them."""

import numpy as np


def first_of(codes: np.ndarray) -> np.ndarray:
    """(M, S) the first column in which each row of `codes` (M, S) holds the same."""
    return np.stack(
        [(codes[:, : i + 1] == codes[:, i : i + 1]).argmax(1) for i in range(codes.shape[1])], axis=1
    )


def bit_patterns(values: np.ndarray) -> np.ndarray:
    """Floats as integers that are equal where they are; all NaN are."""
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.int64)


def mixed(columns: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Floats of several columns, each of this shape, as one integer that is (almost surely) equal where all of them are."""
    out = np.zeros(shape, np.uint64)
    for values, weight in zip(columns, _weights(len(columns)), strict=True):
        bits = bit_patterns(values).view(np.uint64)
        out += (bits ^ (bits >> np.uint64(31))) * weight
    return out


def alike_rows(signature: np.ndarray) -> list[np.ndarray]:
    """Positions of the rows of `signature` (M, K) that are alike, group by group."""
    if (signature == signature[:1]).all():
        return [np.arange(len(signature))]
    sums = (signature.astype(np.uint64) * _weights(signature.shape[1])).sum(1)
    sums ^= sums >> np.uint64(29)
    _, inverse = np.unique(sums, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)


def _weights(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 2**63, n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
