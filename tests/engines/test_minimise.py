"""Ends of a search are one optimum, several, or points of one valley."""

import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak.engines.minimise import distinct_optima


def wells(u):
    return jnp.minimum((u[0] - 1) ** 2, (u[0] + 1) ** 2) + u[1] ** 2


def valley(u):
    return (u[0] - u[1]) ** 2


@pytest.mark.parametrize(
    ("objective", "ends", "full_rank", "expected"),
    [
        (wells, [[1.0, 0.0], [1.001, 0.0], [1.0, 0.002]], True, ([[0, 1, 2]], False)),
        (wells, [[1.0, 0.0], [-1.0, 0.0], [1.0, 0.001], [-1.0, 0.001]], True, ([[0, 2], [1, 3]], False)),
        (wells, [[1.0, 0.0], [-1.0, 0.0]], False, ([[0, 1]], True)),  # a valley may be curved
        (wells, [[1.0, 0.0], [1.0, 0.3]], True, ([[0], [1]], False)),  # not as low
        (valley, [[0.0, 0.0], [2.0, 2.0], [-3.0, -3.0]], True, ([[0, 1, 2]], True)),
        (
            valley,
            [[0.0, 0.1], [0.5, 0.5], [2.0, 2.0]],
            True,
            ([[0], [1, 2]], False),
        ),  # flat, and not the best
    ],
)
def test_ends_of_one_optimum_go_together(objective, ends, full_rank, expected):
    u = np.array(ends)
    assert distinct_optima(objective, u, np.array([float(objective(x)) for x in u]), full_rank) == expected
