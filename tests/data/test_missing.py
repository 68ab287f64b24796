"""Numbers and texts that stand for a missing value: asked about, said once, and blank from then on."""

import math

import numpy as np
import pandas as pd
import pytest

from pumpleak.data.cell_table import CellTable
from pumpleak.data.measurements import read_table
from pumpleak.data.wanted import Wanted
from pumpleak.errors import InputError, InputWarning

V = [-84.0, -77.0, -63.0, -47.0]


def table(column, value, at=1, **more):
    frame = pd.DataFrame(
        {"K_o_mM": [2.5, 5.0, 10.0, 20.0], "T_degC": 22.0, "V_m_mV": V, "V_m_sem_mV": 1.2, **more}
    )
    frame[column] = frame[column].astype(float)
    frame.loc[at, column] = value
    if column == "V_m_mV":
        frame.loc[at, "V_m_sem_mV"] = np.nan
    return frame


DOUBTFUL = [
    ("V_m_mV", -99, "-99"),
    ("V_m_mV", -999, "-999"),
    ("V_m_mV", 9999, "9999"),
    ("V_m_mV", 99, "99"),
    ("V_m_mV", 99.9, "99.9"),
    ("V_m_mV", -99.99, "-99.99"),
    ("K_o_mM", 999.9, "999.9"),
    ("V_m_sem_mV", 99, "99"),
    ("V_m_mV", 0, "0"),
    ("K_o_mM", -99, "-99"),
    ("K_o_mM", 999, "999"),
    ("K_o_mM", 9999, "9999"),
    ("T_degC", -99, "-99"),
    ("T_degC", 999, "999"),
    ("V_m_sem_mV", -99, "-99"),
    ("V_m_sem_mV", 9999, "9999"),
]


@pytest.mark.parametrize("column, value, text", DOUBTFUL)
def test_a_doubtful_number_is_asked_about_and_blank_when_said(column, value, text):
    frame = table(column, value)
    with pytest.raises(InputError) as caught:
        read_table(frame)
    message = str(caught.value)
    assert f"row 3, column {column}: {text}" in message and f"`missing: [{text}]`" in message
    m = read_table(frame, missing=[value])
    blank = frame.copy()
    blank.loc[1, column] = np.nan
    want = read_table(blank)
    np.testing.assert_array_equal(m.value, want.value)
    np.testing.assert_array_equal(m.sem, want.sem)
    for q, values in want.quantities.items():
        np.testing.assert_array_equal(m.quantities[q], values)


def test_two_zeros_among_few_are_asked_about():
    frame = pd.DataFrame({"V_m_mV": [-70.0, 0.0, -65.0, 0.0]})
    with pytest.raises(InputError, match="row 3, column V_m_mV: 0 mV may stand .*`missing: .0.`"):
        read_table(frame)
    assert read_table(frame, missing=[0]).value.tolist() == [-70, -65]
    assert len(read_table(frame, missing=[]).value) == 4
    assert (
        len(read_table(frame.iloc[:3]).value) == 3
        and len(read_table(frame.assign(V_m_mV=[-70.0, 0, 12, 0])).value) == 4
    )


def test_what_was_read_stays_when_said():
    assert read_table(table("V_m_mV", 0), missing=[]).value[1] == 0
    assert read_table(table("V_m_mV", -99), missing=()).value[1] == -99


@pytest.mark.parametrize(
    "column, value",
    [("V_m_mV", -89), ("V_m_mV", -90.0), ("K_o_mM", 0), ("K_o_mM", 99), ("V_m_n", 99)],
)
def test_plain_numbers_are_not_asked_about(column, value):
    frame = table(column, value, at=0, V_m_n=6.0)
    frame.loc[0, "V_m_sem_mV"] = 1.0
    read_table(frame)


def test_readings_around_zero_and_potentials_near_minus_99():
    read_table(pd.DataFrame({"V_m_mV": [-20.0, -5.0, 0.0, 10.0]}))
    read_table(pd.DataFrame({"V_m_mV": [-99.0, -95.0, -90.0]}))


@pytest.mark.parametrize("mark", ["NA", "n.d.", "-", "?", -99, "-99", 9.99e2])
@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "parquet", "frame"])
def test_missing_in_every_format_and_in_a_batch(tmp_path, mark, kind):
    shown = f"{mark:g}" if isinstance(mark, float) else str(mark)
    frame = pd.DataFrame(
        {
            "cell": ["a", "a", shown, "b"],
            "K_o_mM": ["5", shown, "10", f" {shown} "],
            "V_m_mV": ["-77", "-70.5", "-60", "-50"],
        }
    )
    frame.loc[2, "cell"] = "b"
    source = frame
    if kind != "frame":
        source = tmp_path / f"t.{kind}"
    if kind == "parquet":
        frame.to_parquet(source)
    elif kind == "xlsx":
        frame.to_excel(source, index=False)
    elif kind != "frame":
        frame.to_csv(source, index=False, sep="," if kind == "csv" else "\t")
    m = read_table(source, missing=[mark])
    np.testing.assert_array_equal(m.quantities["K_o"], [5, np.nan, 10, np.nan])
    np.testing.assert_array_equal(m.value, [-77, -70.5, -60, -50])
    (chunk,) = CellTable.open(source, observables=("V_m",), wanted=Wanted(missing=(mark,))).chunks(9)
    np.testing.assert_array_equal(chunk.quantities["K_o"], m.quantities["K_o"])
    assert not chunk.bad


def test_labels_may_be_missing_too():
    frame = pd.DataFrame({"drug": ["none", "n.d.", "oua"], "V_m_mV": [-77, -70, -60]})
    assert read_table(frame, missing=["n.d."]).groups["drug"] == ("none", "", "oua")


def test_what_stands_nowhere_is_said():
    frame = pd.DataFrame({"V_m_mV": [-77.0, -70.0, math.nan]})
    with pytest.warns(InputWarning, match="`missing` names -98, which stands in no cell"):
        read_table(frame, missing=[-98])


def test_a_row_of_blanks_is_none():
    frame = pd.DataFrame({"cell": ["a", "NA"], "V_m_mV": ["-77", "NA"]})
    m = read_table(frame, missing=["NA"])
    assert list(m.value) == [-77] and m.groups["cell"] == ("a",)


def test_one_cell_s_zero_is_flagged_in_a_batch():
    frame = pd.DataFrame({"cell": ["a"] * 4 + ["b"] * 4, "K_o_mM": 5.0, "V_m_mV": [*V, -70, -60, 0, -65]})
    (chunk,) = CellTable.open(frame, observables=("V_m",)).chunks(9)
    assert [b.cell for b in chunk.bad] == [1] and "0 mV may stand for a missing value" in chunk.bad[0].message
    (chunk,) = CellTable.open(frame, observables=("V_m",), wanted=Wanted(missing=())).chunks(9)
    assert not chunk.bad


def test_no_reading_but_another_is_named():
    with pytest.raises(InputError, match=r"no reading of V_m, but dye and E_K.*`observables: \[dye, E_K\]`"):
        read_table(pd.DataFrame({"K_o_mM": [5.0, 6.0], "dye": [0.5, 0.75], "E_K_mV": [-80.5, -76.25]}))


def test_a_citation_is_no_reference():
    frame = pd.DataFrame({"V_m_mV": [-77.0, -70.0], "reference": ["Smith 1990", "Jones 2001"]})
    with pytest.raises(
        InputError, match="'Smith 1990' is given, but the table holds no difference.*name the column source"
    ):
        read_table(frame)
    assert read_table(frame.rename(columns={"reference": "source"})).groups["source"][0] == "Smith 1990"
