"""What a label column's name says: how fine its units are, what was done to them, or nothing of either."""

import pytest

from pumpleak.quantities.labels import (
    FINEST,
    is_attribute,
    is_condition,
    is_of_readings,
    names_units,
    unit_rank,
)

COARSE_TO_FINE = ["genotype", "Prep date", "animals", "brain slice", "cell_id"]


def test_units_rise_from_genotypes_to_cells():
    assert [unit_rank(c) for c in COARSE_TO_FINE] == list(range(FINEST + 1))
    assert unit_rank("oocyte") == unit_rank("well") == FINEST and unit_rank("CellType") == 0


@pytest.mark.parametrize(
    ("column", "said"),
    [("drug", is_condition), ("ouabain", is_condition), ("Sweep no", is_of_readings), ("age", is_attribute)],
)
def test_what_is_no_unit(column, said):
    assert said(column) and unit_rank(column) is None and not names_units(column)
    assert not said("cell") and not said("shade")


@pytest.mark.parametrize("column", ["shade", "cell age", "x"])
def test_what_says_nothing_of_units(column):
    assert unit_rank(column) is None
