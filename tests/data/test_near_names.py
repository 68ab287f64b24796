"""Levels that people may have meant to be one are named wherever a table is read; others are not."""

import warnings

import pandas as pd
import pytest

from pumpleak import InputWarning, load_problem, read_table
from pumpleak.config.starter import starter_config
from pumpleak.data.cell_table import CellTable

PAIRS = [
    ("WT", "wt"),
    ("WT", "W T"),
    ("c1", "C1"),
    ("c1", "c 1"),
    ("c1", "c_1"),
    ("c1", "c01"),
    ("1", "01"),
    ("1", "1.0"),
    ("A1", "A01"),
    ("КO", "KO"),  # Cyrillic
    ("Ｗild", "Wild"),  # full width
    ("KO\u200b", "KO"),  # of no width
    ("wild type", "wild-type"),
]


def frame(*levels, column="genotype"):
    n = 2 * len(levels)
    return pd.DataFrame({column: [*levels] * 2, "K_o_mM": 5.0, "V_m_mV": [-70.0 - k for k in range(n)]})


@pytest.mark.parametrize("a, b", PAIRS)
def test_near_names_are_told(a, b):
    with pytest.warns(InputWarning, match="Column genotype holds .* and .*taken for different levels"):
        m = read_table(frame(a, b, "other"))
    assert m.groups["genotype"][:2] == (a, b) and "other" not in m.notes[0]
    with pytest.warns(InputWarning, match="Column genotype"):
        table = CellTable.open(frame(a, b, "other"), observables=("V_m",), by="genotype")
    assert table.info.notes == m.notes


@pytest.mark.parametrize(
    "levels",
    [
        *(("WT", "KO"), ("c1", "c11"), ("1", "11", "1-1"), ("+/+", "+/-", "-/-"), ("1.1", "11")),
        *(("2", "-2"), ("a-b", "a+b"), ("10 mM", "100 mM"), ("α1", "α2"), ("c1", "c10")),
    ],
)
def test_others_are_not(levels):
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert not read_table(frame(*levels)).notes


def test_blanks_around_a_name_are_no_part_of_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert set(read_table(frame("WT ", "\u00a0WT")).groups["genotype"]) == {"WT"}


def test_they_stand_in_a_starter_and_among_the_assumptions(tmp_path):
    frame("WT", "wt").to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(InputWarning):
        text = starter_config(tmp_path / "t.csv", relative_to=tmp_path)
    assert "# Column genotype holds 'WT' and 'wt', which" in text
    known = {"T_degC": 22, "Na_o_mM": 145, "Na_i_mM": 10, "K_i_mM": 140, "P_Na_rel": 0.05}
    with pytest.warns(InputWarning):
        problem = load_problem({"data": str(tmp_path / "t.csv"), "quantities": known})
    assert any("'WT' and 'wt'" in text for text in problem.assumptions)
