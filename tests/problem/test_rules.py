"""Rules that refuse a number, asked of Python's numbers and of many at once."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import InputError, Quantity, celsius, lognormal, make_problem, normal, read_table
from pumpleak.problem.rules import outside_domain

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


def test_a_models_own_quantity_in_another_unit_is_judged_by_its_own_limits():
    assert not outside_domain(Quantity("T", "1", "a number"), np.array([22.0])).wrong.any()
