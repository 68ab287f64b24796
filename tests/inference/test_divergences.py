"""Divergences: a ban where many or where the answer hangs on them, a remark where neither."""

import numpy as np
import pytest
import xarray as xr

from pumpleak.inference.divergences import harmless, moved


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def counted_twice(x, k):
    """What `moved` asks, by writing the nearest draws down once more."""
    near = np.argsort(np.abs(np.argsort(np.argsort(x)) - np.argsort(np.argsort(x))[k]), kind="stable")[
        : len(x) // 100
    ]
    q = (0.025, 0.5, 0.975)
    was, now = (np.quantile(a, q, method="hazen") for a in (x, np.append(x, x[near])))
    return np.max(np.abs(now - was)) / (was[2] - was[0])


@pytest.mark.parametrize("rank", [0, 2000, 3999])
def test_it_is_what_more_draws_there_would_move(rng, rank):
    x = np.exp(rng.normal(size=4000))
    k = int(np.argsort(x)[rank])
    diverging = np.arange(4000) == k
    assert moved(x[:, None], diverging) == pytest.approx(counted_twice(x, k), rel=0.05, abs=1e-4)
    assert moved(x[:, None], np.zeros(4000, bool)) < 1e-12
    # A number that was never drawn otherwise has no interval to move.
    assert moved(np.ones((4000, 1)), diverging) == 0


def tree(x, diverging):
    """A result's draws (4 chains), and which of them diverged."""
    chains = {"chain": 4, "draw": len(x) // 4}
    shaped = x.reshape(4, -1, x.shape[1])
    posterior = xr.Dataset(
        {"a": (("chain", "draw"), shaped[..., 0]), "b": (("chain", "draw", "cell"), shaped[..., 1:])}
    )
    stats = xr.Dataset({"diverging": (tuple(chains), diverging.reshape(4, -1))})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


def test_scattered_ones_are_a_remark_and_those_in_a_corner_a_ban(rng):
    x = rng.normal(size=(8000, 3))
    none, one, scattered, corner, many = (np.zeros(8000, bool) for _ in range(5))
    one[17] = scattered[[17, 4011, 7003]] = True
    corner[np.argsort(x[:, 2])[[0, 3, 5]]] = True
    many[::800] = True
    assert harmless(tree(x, none)) is None
    assert 0 <= harmless(tree(x, one)) < 0.05 and 0 <= harmless(tree(x, scattered)) < 0.05
    assert harmless(tree(x, corner)) is None
    assert harmless(tree(x, many)) is None  # 10 of 8,000 are more than 1 in 1,000


def test_chains_whose_divergences_nobody_placed_are_not_let_off(rng):
    found = tree(rng.normal(size=(4000, 3)), np.zeros(4000, bool))
    found["sample_stats"] = xr.DataTree(xr.Dataset({"divergences": 1}))
    assert harmless(found) is None
