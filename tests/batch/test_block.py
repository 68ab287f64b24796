"""Cells padded to one shape: which row is each row's baseline and reference, and which rows are alike."""

from types import SimpleNamespace

import numpy as np
import pytest

from pumpleak.batch.block import _asked_noise, _baseline, _merged, make_block
from pumpleak.batch.levels import RowCodes
from pumpleak.data.measurements import Reading


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


def test_a_reference_is_a_row_of_its_own_cell():
    """Cells of two and of three rows; padding, and a row without a reference, have −1."""
    rows = SimpleNamespace(
        start=np.array([0, 2, 5]), quantities={}, quantity_sd={}, readings={}, differences={},
        reference=np.array([-1, 0, -1, 2, -1]),
    )  # fmt: skip
    scheme = SimpleNamespace(defaults={}, table=SimpleNamespace(observables=()))
    levels = SimpleNamespace(steady=lambda *_: None)
    block = make_block(rows, np.arange(2), 3, RowCodes({}), levels, scheme)
    assert block.reference.tolist() == [[-1, 0, -1], [-1, 0, -1]]


def block_of(K_o, sem=None):
    """Cells of as many rows, of which K_o and V_m stand in the table."""
    K_o = np.array(K_o, float)
    blank = np.full(K_o.shape, np.nan)
    parts = {"value": np.full(K_o.shape, -70.0), "sem": blank if sem is None else np.array(sem, float)}
    return SimpleNamespace(
        at=np.zeros(K_o.shape, int), real=np.ones(K_o.shape, bool), quantities={"K_o": K_o}, quantity_sd={},
        readings={"V_m": Reading(**{f: parts.get(f, blank) for f in Reading._fields})}, differences={},
    )  # fmt: skip


def test_rows_alike_are_merged_where_enough_cells_have_them():
    scheme = SimpleNamespace(of_model={"K_o"})
    block = block_of([[5, 5, 9], [5, 9, 20], [2, 2, 3], [1, 2, 3]])
    assert _merged(block, scheme, 2).tolist() == [[0, 0, 2], [-1] * 3, [0, 0, 2], [-1] * 3]
    assert (_merged(block, scheme, 3) == -1).all()


def test_cells_that_show_scatter_are_told_from_those_that_do_not():
    """Where nobody specified the noise; a specified one is alike for all."""
    scheme = SimpleNamespace(table=SimpleNamespace(observables=("V_m",)), recipe={"quantities": {}})
    block = block_of(np.ones((2, 6)), sem=[[1.0] * 6, [1.0] + [np.nan] * 5])
    lacks, shows = _asked_noise(block, scheme)
    assert lacks.tolist() == [False, True] and shows.tolist() == [True, False]
    scheme.recipe["quantities"] = {"extra_V_m": 1.0, "sigma_V_m": 1.0}
    assert _asked_noise(block, scheme) == []
