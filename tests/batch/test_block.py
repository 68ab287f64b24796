"""Which row of a cell is each row's baseline."""

from types import SimpleNamespace

import numpy as np
import pytest

from pumpleak.batch.block import _baseline


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ([-1, 10, 10, -1], [-2, 0, 0, -2]),  # by its label; −2 where none is named
        ([-1, 7, 7, 7], [-2, 1, 1, 1]),  # by its solution, the first steady row of it
        ([10, 11, 12, 13], [0, 1, 2, 3]),
        ([-1, 99, 8, 10], [-2, -1, 3, 0]),  # −1 where there is no such row; no steady one: the first
    ],
)
def test_a_baseline_is_found_by_label_or_solution_steady_rows_first(baseline, expected):
    codes = SimpleNamespace(
        baseline=np.array(baseline), label=np.array([10, 11, 12, 13]), solution=np.array([7, 7, 7, 8])
    )
    at, steady = np.arange(4)[None], np.array([[False, True, True, False]])
    assert _baseline(codes, at, np.ones((1, 4), bool), steady).tolist() == [expected]
    absent = np.array([[False, True, True, True]])  # a cell of fewer rows
    assert _baseline(codes, at, absent, steady)[0, 1] == (expected[1] if expected[1] != 0 else -1)


@pytest.mark.parametrize("missing", ["baseline", "label", "solution"])
def test_without_a_column_there_is_none(missing):
    codes = {name: np.arange(2) for name in ("baseline", "label", "solution")} | {missing: None}
    assert (
        _baseline(SimpleNamespace(**codes), np.arange(2)[None], np.ones((1, 2), bool), np.ones((1, 2), bool))
        is None
    )
