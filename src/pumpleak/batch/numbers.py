"""The numbers of many cells in the order of their template."""

from typing import Any, NamedTuple

import numpy as np

from ..problem.problem import Arrays, Problem


class Bucket(NamedTuple):
    """Cells of one structure.

    Attributes:
        template: their common problem; the same object for the same structure in every chunk.
        members: (M,) their positions in the chunk.
        arrays: its numbers for each, with a leading axis of length M.
    """

    template: Problem
    members: np.ndarray
    arrays: Arrays


def row_of(x: Any, k: int) -> Any:
    return {name: v[k] for name, v in x.items()} if isinstance(x, dict) else x[k]
