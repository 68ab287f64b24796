"""What is said of a quantity that a table has as text, and of keys that a table would know."""

import pandas as pd
import pytest

from pumpleak import lognormal, make_problem, read_table
from pumpleak.errors import InputError

TABLE = {"K_o_mM": [2.5, 20.0], "Na_o_mM": [147.5, 130.0], "V_m_mV": [-81.3, -43.0]}
KNOWN = {"K_i": 140.0, "Na_i": 10.0, "P_Na_rel": lognormal(0.05, 3)}


@pytest.mark.parametrize("name", ["Temp", "temperature", "bath temp"])
def test_a_temperature_in_words_is_named(name):
    with pytest.raises(InputError, match=f"column {name} holds text, such as '22C'.* in a column T_degC"):
        make_problem(read_table(pd.DataFrame(TABLE | {name: ["22C", "RT"]})), KNOWN)
    assert make_problem(read_table(pd.DataFrame(TABLE | {"T_degC": [22.0, 22.0]})), KNOWN).n_readings == 2


@pytest.mark.parametrize(
    "name, said",
    [
        ("P_Li_rel", "Add Li to `ions`"),
        ("P_Cl_rel", "Add Cl to `ions`"),
        ("ouabain", "A drug is a condition"),
        ("4AP_o", "A drug is a condition"),
        ("TTX", "A drug is a condition"),
        ("E_K", "observables: .V_m, E_K."),
        ("temp_C", "Write T_degC"),
        ("k_i_m_m", "Write K_i_mM"),
        ("K_pipette_mM", "If it is K_i, write K_i_mM"),
        ("aspartate_i_mM", "Leave it out: aspartate inside counts for nothing"),
        ("Asp_i_mM", "Leave it out"),
    ],
)
def test_a_key_is_told_what_it_is(name, said):
    with pytest.raises(InputError, match=said):
        make_problem(read_table(pd.DataFrame(TABLE)), KNOWN | {"T": 295.15, name: 1.0})
