"""The seed of a problem that is given none."""

import hashlib
from typing import Any

import numpy as np

from ..lazy import jax


def own_seed(structure: Any, numbers: Any) -> int:
    """A seed that follows from a density alone, so that no two problems share their chance.

    What a file or a title is called does not change it.

    Args:
        structure: what has a `repr` that is the same each time: the model and its ions, the observables, the noise, the
            unknowns with the kinds of their priors and how many levels each has.
        numbers: a tree of arrays: of the priors, the known numbers, the readings and their errors.

    Returns:
        31 bits: short enough to be typed.
    """
    digest = hashlib.blake2b(repr(structure).encode("utf-8", "surrogatepass"), digest_size=4)
    for place, leaf in jax.tree.leaves_with_path(numbers):
        digest.update(jax.tree_util.keystr(place).encode("utf-8", "surrogatepass"))
        digest.update(np.asarray(leaf, float).tobytes())
    return int.from_bytes(digest.digest(), "little") >> 1
