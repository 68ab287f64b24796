"""Numbers beside a reading that are no standard errors: each is named, with how to make one of it."""

import numpy as np
import pandas as pd
import pytest

from pumpleak.data.cell_table import CellTable
from pumpleak.data.measurements import read_wanted
from pumpleak.data.wanted import Wanted
from pumpleak.errors import InputError

BASE = {
    "cell": ["a", "a", "b", "b"],
    "K_o_mM": [2.5, 5.0, 10.0, 20.0],
    "Na_o_mM": [147.5, 145.0, 140.0, 130.0],
    "V_m_mV": [-81.3, -71.6, -58.2, -43.0],
}
HALF = "Write its half-width/1.96 (its whole width/3.92) in a column V_m_sem_mV"
ENDS = "Write (high − low)/3.92 in a column V_m_sem_mV"
# header, what is to be written
HEADERS = [
    ("95% CI", HALF),
    ("CI", HALF),
    ("CI95", HALF),
    ("V_m_ci_mV", HALF),
    ("confidence interval (mV)", HALF),
    ("CI_95_half_width_mV", HALF),
    ("99% CI", "Write its half-width/2.58 (its whole width/5.15) in a column V_m_sem_mV"),
    ("CI low", ENDS),
    ("95% UCL", ENDS),
    ("SEM (%)", "Multiply it by |the reading|/100, and name that V_m_sem_mV"),
    ("variance", "Write its square root in a column V_m_sd_mV"),
]


def as_one(table, wanted):
    return read_wanted(table, ("V_m",), wanted=wanted)


def as_cells(table, wanted):
    return CellTable.open(table, by="cell", observables=("V_m",), wanted=wanted)


@pytest.mark.parametrize("part", ["sem_mV", "sd_mV", "V_m_sem_mV"])
@pytest.mark.parametrize("header, mend", HEADERS)
def test_what_is_no_error_is_not_read_as_one(header, mend, part):
    table = pd.DataFrame(BASE | {header: [1.2, 1.1, 1.3, 1.2]})
    for wanted in (Wanted(), Wanted(columns={header: part})):
        for read in (as_one, as_cells):
            with pytest.raises(InputError) as refused:
                read(table, wanted)
            assert mend in str(refused.value) and header in str(refused.value)


@pytest.mark.parametrize("header", ["95% CI", "CI low"])
def test_the_error_made_of_an_interval_is_the_right_one(header):
    half = np.array([1.2, 1.1, 1.3, 1.2])
    made = {"95% CI": half / 1.96, "CI low": 2 * half / 3.92}[header]
    table = pd.DataFrame(BASE | {header: half, "V_m_sem_mV": made})
    as_cells(table, Wanted(ignore=(header,)))
    assert as_one(table, Wanted(ignore=(header,))).sem == pytest.approx(half / 1.959964, rel=1e-3)


@pytest.mark.parametrize("header", ["error bars", "±", "uncertainty", "my error", "standard err."])
def test_an_error_by_another_name_may_be_said_to_be_one(header):
    table = pd.DataFrame(BASE | {header: [1.2, 1.1, 1.3, 1.2]})
    assert as_one(table, Wanted(columns={header: "sem_mV"})).sem[0] == 1.2
