"""Rules that refuse a number, asked of Python's numbers and of many at once."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import InputError, Quantity, celsius, lognormal, make_problem, normal, read_table
from pumpleak.problem.problem import Slot
from pumpleak.problem.rules import negative_swaps, outside_domain, swapped

GIVEN = {
    "T": celsius(22),
    "P_Na_rel": lognormal(0.05, 3),
    "K_i": 140.0,
    "Na_i": 10.0,
    "K_o": 5.0,
    "Na_o": 145.0,
}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"T": 22.0}, "quantities.T: T = 22 K looks like degrees Celsius. Give celsius(22)."),
        ({"T": normal(22, 1)}, "quantities.T: T = 22 K looks like degrees Celsius. Give celsius(22)."),
        (
            {"K_i": 6000.0},
            "K_i = 6000 mM is more than water dissolves of a salt. Give one of at most 5000 mM.",
        ),
        ({"K_i": normal(9000, 10)}, "K_i = 9000 mM is more than water dissolves of a salt"),
        ({"V_offset": 400.0}, "V_offset = 400 mV is too large. A membrane potential lies within ±300 mV."),
        ({"gamma_o": 0.0}, "gamma_o = 0 is not above 0"),
        ({"extra_V_m": -2.0}, "extra_V_m = -2 mV is not possible. Give a number of at least 0 mV."),
    ],
    ids=lambda x: str(x)[:20],
)
def test_numbers_of_python_obey_what_configs_and_tables_do(changed, words):
    table = read_table(pd.DataFrame({"V_m_mV": [-70.0]}))
    make_problem(table, GIVEN)
    with pytest.raises(InputError) as refused:
        make_problem(table, GIVEN | changed)
    assert words in str(refused.value)


def test_a_block_of_cells_is_told_where():
    value = np.array([[5.0, np.nan, -1.0], [5001.0, 0.0, 5000.0]])
    breach = outside_domain(Quantity("K_o", "mM", "outside"), value, blanks=True)
    assert breach.wrong.tolist() == [[False, False, True], [True, False, False]]
    assert breach.words((0, 2)) == ("K_o = -1 mM is not possible", "Give a number of at least 0 mM")
    assert breach.words((1, 0))[0] == "K_o = 5001 mM is more than water dissolves of a salt"


@pytest.mark.parametrize("total", [None, [-1, -1], [0, 0], [3, 3], [0, -1]])
@pytest.mark.parametrize("other", [None, [-1, -1], [0, 0], [2, 2], [-1, 0]])
def test_a_swap_is_told_by_what_is_known_of_either_side(total, other):
    """The first of all unknowns is one as well: a latent at place 0."""
    slots = {
        "K_o": Slot(None if other is None else np.array(other)),
        "Na_o": Slot(None if total is None else np.array(total), "K_o", np.array([True, True])),
        "Cl_o": Slot(None, "K_o", np.array([False, False])),
        "T": Slot(),
    }
    known = [other is None or other[k] < 0 for k in (0, 1)]
    latent = [total is not None and total[k] >= 0 for k in (0, 1)]
    for asked in (True, False):
        expected = [k for k in (0, 1) if known[k] and latent[k] == asked]
        assert swapped(slots, slots["Na_o"], latent=asked).tolist() == expected
        assert not len(swapped(slots, slots["Cl_o"], latent=asked))
        assert not len(swapped(slots, slots["T"], latent=asked))


def test_what_is_left_of_a_swap_may_be_nothing_and_no_less():
    slots = {"K_o": Slot(), "Na_o": Slot(None, "K_o", np.array([True, True, False]))}
    known = {"K_o": np.array([[150.0, 20, 200], [151.0, 160, 10]]), "Na_o": np.array([150.0, 155.0])}
    found = dict(negative_swaps(slots, known, lead=1))
    assert {k: b.wrong.tolist() for k, b in found.items()} == {0: [False, False], 1: [False, True]}
    assert found[1].words(1) == (
        "Na_o = 155 − K_o = -5 mM is negative",
        "Raise the total, or give the concentration itself",
    )
    one = dict(negative_swaps(slots, {"K_o": np.array([160.0, 1, 1]), "Na_o": 155.0}))
    assert {k: bool(b.wrong) for k, b in one.items()} == {0: True, 1: False}


def test_a_models_own_quantity_in_another_unit_is_judged_by_its_own_limits():
    assert not outside_domain(Quantity("T", "1", "a number"), np.array([22.0])).wrong.any()
