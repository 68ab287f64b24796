"""Tables: what is read, what comes out, and what each wrong table is told."""

import hashlib
import subprocess
import sys

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import refused, same, write

from pumpleak.data.measurements import read_table
from pumpleak.errors import InputError, InputWarning

TITRATION = """\
# potassium titration
# two comment lines
label,cell,T_degC,K_o_mM,K_o_sd_mM,P_Cl_scale,V_m_mV,V_m_sd_mV,V_m_n
low,1,22,2.5,0.1,1,-80.5,2,4
rest,1,22,5,,1,-70.25,,
blocked,2,37,5,0.2,0,,,
"""


# What comes out.


def test_titration(tmp_path):
    path = write(tmp_path, TITRATION)
    m = read_table(path)
    nan = np.nan
    assert m.labels == ("low", "rest", "blocked")
    assert m.groups == {"cell": ("1", "1", "2")}
    assert m.units == {"T": "K", "K_o": "mM", "P_Cl_scale": "1", "V_m": "mV"}
    np.testing.assert_allclose(m.quantities["T"], [295.15, 295.15, 310.15], rtol=1e-15)
    np.testing.assert_array_equal(m.quantities["K_o"], [2.5, 5, 5])
    np.testing.assert_array_equal(m.quantity_sd["K_o"], [0.1, nan, 0.2])
    np.testing.assert_array_equal(m.quantities["P_Cl_scale"], [1, 1, 0])
    assert m.observable == ("V_m", "V_m")
    np.testing.assert_array_equal(m.row, [0, 1])
    np.testing.assert_array_equal(m.reference, [-1, -1])
    np.testing.assert_array_equal(m.value, [-80.5, -70.25])
    np.testing.assert_array_equal(m.sd, [2, nan])
    np.testing.assert_array_equal(m.sem, [nan, nan])
    np.testing.assert_array_equal(m.n, [4, nan])
    np.testing.assert_array_equal(m.file_rows, [4, 5, 6])
    assert m.file == str(path)
    assert m.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "3 rows, 2 readings of V_m; inputs T, K_o, P_Cl_scale" in repr(m)


def test_units_are_converted(tmp_path):
    text = "K_o_µM,T_K,LJP_V,V_m_V,sd_V,sem_mV,n\n5400,310,0.004,-0.07,0.004,2,4\n"
    m = read_table(write(tmp_path, text))
    assert m.quantities["K_o"][0] == 5.4 and m.quantities["T"][0] == 310.0
    assert m.quantities["LJP"][0] == 4.0
    np.testing.assert_allclose([m.value[0], m.sd[0], m.sem[0], m.n[0]], [-70, 4, 2, 4], rtol=1e-15)


def test_differences_point_to_their_reference(tmp_path):
    text = (
        "label,reference,K_o_mM,V_m_mV,V_m_sem_mV,dV_m_V,dV_m_sem_mV\n"
        "control,,5.4,-56.7,0.7,,\nhigh,control,20,,,0.0184,0.5\n"
    )
    m = read_table(write(tmp_path, text))
    np.testing.assert_array_equal(m.row, [0, 1])
    np.testing.assert_array_equal(m.reference, [-1, 0])
    np.testing.assert_allclose(m.value, [-56.7, 18.4], rtol=1e-14)
    np.testing.assert_array_equal(m.sem, [0.7, 0.5])


def test_a_row_may_hold_a_reading_and_a_difference(tmp_path):
    text = "label,reference,V_m_mV,dV_m_mV\na,,-60,\nb,a,-50,9\n"
    m = read_table(write(tmp_path, text))
    np.testing.assert_array_equal(m.row, [0, 1, 1])
    np.testing.assert_array_equal(m.reference, [-1, -1, 0])


def test_rows_without_label_are_called_after_the_file(tmp_path):
    m = read_table(write(tmp_path, "# c\nV_m_mV,dV_m_mV,reference\n-60,,\n,5,row 3\n"))
    assert m.labels == ("row 3", "row 4")
    assert list(m.reference) == [-1, 0]


def test_two_observables(tmp_path):
    path = write(tmp_path, "K_o_mM,V_m_mV,E_K_mV,E_K_sem_mV,K_i_mM,K_i_sd_mM\n4,-84,-100,0.5,130,2\n")
    m = read_table(path, observables=("V_m", "E_K", "K_i"))
    assert m.observable == ("V_m", "E_K", "K_i") and list(m.value) == [-84, -100, 130]
    assert list(m.quantities) == ["K_o"] and m.units["K_i"] == "mM"
    only = read_table(path)
    assert only.ignored == ("E_K_mV", "E_K_sem_mV") and list(only.quantities) == ["K_o", "K_i"]


def test_labels_and_what_is_ignored(tmp_path):
    header = "solution,cell,n_fibre,plate,day,age,R_in,rise_min,drug,V_m_mV"
    text = header + "\n1.5,a,3.0,7,2024-01-02,0.5,4.25,2.5,,-60\n"
    m = read_table(write(tmp_path, text))
    assert m.groups == {
        "solution": ("1.5",),
        "cell": ("a",),
        "n_fibre": ("3.0",),
        "plate": ("7",),
        "day": ("2024-01-02",),
        "drug": ("",),
    }
    assert m.ignored == ("age", "R_in", "rise_min")


def test_a_column_of_lists_is_no_label():
    frame = pd.DataFrame({"V_m_mV": [-60.0], "trace": [[1.0, 2.0]], "day": [pd.Timestamp("2024-01-02")]})
    m = read_table(frame)
    assert m.ignored == ("trace",) and m.groups == {"day": ("2024-01-02 00:00:00",)}
    refused(frame.assign(K_o_mM=[[5.0]]), "column K_o_mM", "holds list<", "Write numbers, one in each row")


def test_every_wrong_reference_is_told_by_its_first_row(tmp_path):
    rows = "".join(f"s{i},t,,5\n" for i in range(3000))
    path = write(tmp_path, "label,reference,V_m_mV,dV_m_mV\na,,-60,\n" + rows)
    refused(path, "row 3, column reference", "'t'")


def test_further_quantities_are_declared(tmp_path):
    path = write(tmp_path, "ouabain_uM,V_m_mV\n100,-60\n")
    assert read_table(path).groups["ouabain_uM"] == ("100",) and not read_table(path).quantities
    m = read_table(path, quantities=["ouabain"])
    assert m.quantities["ouabain"][0] == 0.1 and m.units["ouabain"] == "mM"


def test_zero_potassium_and_unicode_minus(tmp_path):
    m = read_table(write(tmp_path, "K_o_mM,V_m_mV\n0,−154.7\n"))
    assert m.quantities["K_o"][0] == 0 and m.value[0] == -154.7


def test_small_potentials_are_fine_beside_large_ones(tmp_path):
    m = read_table(write(tmp_path, "V_m_mV\n0.1\n-60\n0\n"))
    assert list(m.value) == [0.1, -60, 0]


@pytest.mark.parametrize(
    ("sd", "sem", "n", "agrees"),
    [
        ("2.0", "1.1", "4", True),  # within 3 % and half a digit of each: 0.033 + 0.05 + 0.05 / 2
        ("2.0", "1.2", "4", False),
        ("2.00", "1.1", "4", False),
        ("2.0", "0.9", "4", True),
        ("2.0", "0.8", "4", False),
        ("2.0", "2.1", "", True),  # without n: no more than the sd, but for their digits
        ("2.0", "2.2", "", False),
        ("2.0", "2", "1", True),
    ],
)
def test_sem_agrees_with_the_sd_within_its_digits(tmp_path, sd, sem, n, agrees):
    path = write(tmp_path, f"V_m_mV,sd_mV,sem_mV,n\n-76.1,{sd},{sem},{n}\n-60,1,1,1\n")
    if agrees:
        assert read_table(path).sem[0] == float(sem)
    else:
        with pytest.raises(
            InputError,
            match=f"row 2, column sem_mV: {sem} mV is (not {sd} mV / √4 = 1|more than the sd, {sd} mV)\\.",
        ):
            read_table(path)


def test_rounded_sem_agrees(tmp_path):
    m = read_table(write(tmp_path, "V_m_mV,sd_mV,sem_mV,n\n-76.1,2.6,0.3,99\n"))
    assert m.sem[0] == 0.3


# Formats.


def test_delimiters_bom_and_line_ends(tmp_path):
    comma = read_table(write(tmp_path, TITRATION))
    same(comma, read_table(write(tmp_path, TITRATION.replace(",", ";"), "a.csv")))
    same(comma, read_table(write(tmp_path, TITRATION.replace(",", "\t"), "a.tsv")))
    same(comma, read_table(write(tmp_path, TITRATION.replace(",", "\t"), "a.txt")))
    crlf = b"\xef\xbb\xbf" + TITRATION.replace("\n", "\r\n").encode()
    same(comma, read_table(write(tmp_path, crlf, "b.csv")))


def test_quoted_text_and_blank_lines_keep_the_row_numbers(tmp_path):
    text = '\n# c\nsolution,V_m_mV\n"low, ""Cl""",-60\n\n,,\n"two\nlines",-50\nlast,x\n'
    refused(write(tmp_path, text.replace(",,\n", ",\n")), "row 9", "column V_m_mV", "'x'")
    m = read_table(write(tmp_path, text.replace(",,\n", ",\n").replace("x", "-1")))
    assert m.groups["solution"] == ('low, "Cl"', "two\nlines", "last")
    assert list(m.file_rows) == [4, 7, 9]


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "xlsx"])
def test_every_format_holds_the_same(tmp_path, ending):
    m = read_table(write(tmp_path, TITRATION))
    path = tmp_path / f"out.{ending}"
    frame = m.to_frame()
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    again = read_table(path)
    same(m, again)
    assert list(again.file_rows) == [2, 3, 4]
    same(m, read_table(frame))


def test_frame(tmp_path):
    frame = pd.DataFrame({"cell": [1, None], "K_o_mM": [5.0, np.nan], "V_m_mV": [-70, -60]})
    m = read_table(frame, file_label="mine")
    assert m.file == "mine" and m.groups["cell"] == ("1", "")
    assert m.sha256 == read_table(frame.copy()).sha256 != read_table(frame.assign(V_m_mV=1.0)).sha256
    frame.loc[0, "K_o_mM"] = np.inf
    refused(frame, "<DataFrame>, row 2, column K_o_mM", "'inf'")


readings = st.floats(-250, 250, allow_subnormal=False).filter(lambda v: abs(v) >= 0.2)
positive = st.floats(1e-6, 250)  # mV and mM, as a spread of either can be
word = st.text("abcxyzµ ,;\"'-", max_size=5).map(str.strip)
maybe = lambda values: st.one_of(st.just(np.nan), values)  # noqa: E731


@st.composite
def frames(draw):
    size = draw(st.integers(1, 5))

    def column(values):
        return draw(st.lists(values, min_size=size, max_size=size))

    frame = pd.DataFrame({"label": [f"r{i}" for i in range(size)], "V_m_mV": column(readings)})
    frame["solution"] = column(word)
    frame["K_o_mM"], frame["K_o_sd_mM"] = column(maybe(st.floats(0.2, 1500))), column(maybe(positive))
    frame["K_o_sd_mM"] = frame["K_o_sd_mM"].where(frame["K_o_mM"].notna())
    frame["T_degC"] = column(st.floats(-4.9, 59.9))
    frame["V_m_sem_mV"], frame["V_m_n"] = column(maybe(positive)), column(maybe(st.integers(1, 99)))
    if size > 1 and draw(st.booleans()):
        frame["dV_m_mV"] = [np.nan] + [draw(readings) for _ in range(size - 1)]
        frame["reference"] = [""] + ["r0"] * (size - 1)
        frame["dV_m_sd_mV"] = frame["dV_m_mV"].abs()
    return frame


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames())
def test_frame_and_csv_round_trip(tmp_path_factory, frame):
    m = read_table(frame, references="own", missing=[])
    same(m, read_table(m.to_frame(), references="own", missing=[]))
    path = tmp_path_factory.mktemp("round") / "trip.csv"
    m.to_frame().to_csv(path, index=False)
    same(m, read_table(path, references="own", missing=[]))


# Choosing rows and readings.


def test_select_keeps_a_reference_as_a_condition(tmp_path):
    text = "label,reference,K_o_mM,V_m_mV,dV_m_mV\na,,1,-60,\nb,,2,-50,\nc,b,3,,9\n"
    m = read_table(write(tmp_path, text))
    s = m.select([False, False, True])
    assert s.labels == ("b", "c") and list(s.row) == [1] and list(s.reference) == [0]
    assert list(s.quantities["K_o"]) == [2, 3] and list(s.value) == [9] and list(s.file_rows) == [3, 4]
    left = m.select(readings=[True, False, True])
    assert left.labels == m.labels and list(left.value) == [-60, 9]
    same(m, m.select([True] * 3))
    with pytest.raises(InputError, match="Give 3 booleans"):
        m.select([True])
    with pytest.raises(InputError, match="Give 3 booleans"):
        m.select([0, 1, 2])


# What each wrong table is told: file, row, column, value, unit and mend.

WRONG = {
    "text in a number column": ("K_o_mM,V_m_mV\n5,-60\nlow,-50\n", "row 3, column K_o_mM", "'low'", "blank"),
    "nan": (
        "K_o_mM,V_m_mV\nnan,-60\n",
        "row 2, column K_o_mM",
        "'nan' is not a number",
        "Leave the cell blank",
    ),
    "inf": ("K_o_mM,V_m_mV\n5,-inf\n", "row 2, column V_m_mV", "'-inf'", "Leave the cell blank"),
    "NA": ("K_o_mM,V_m_mV\nN/A,-60\n", "row 2, column K_o_mM", "'N/A'", "Leave the cell blank"),
    "huge": ("K_o_mM,V_m_mV\n1e999,-60\n", "row 2, column K_o_mM", "'1e999' is too large"),
    "decimal comma": (
        "K_o_mM;V_m_mV\n2.5;-56,7\n",
        "row 2, column V_m_mV",
        "'-56,7' has a decimal comma",
        "Write -56.7",
    ),
    "decimal comma unquoted": (
        "K_o_mM,V_m_mV\n5,-56,7\n",
        "row 2",
        "3 fields",
        "header of 2",
        "write -56.7 for -56,7, with a point",
    ),
    "unit in cell": ("K_o_mM,V_m_mV\n5 mM,-60\n", "row 2, column K_o_mM", "'5 mM'", "Write 5:"),
    "spread in cell": ("V_m_mV\n-60 ± 2\n", "row 2, column V_m_mV", "'-60 ± 2'", "V_m_sem_mV or V_m_sd_mV"),
    "date": ("K_o_mM,V_m_mV\n2024-04-05,-60\n", "row 2, column K_o_mM", "is a date"),
    "pump in words": ("pump,V_m_mV\non,-60\n", "row 2, column pump", "'on'", "0 for a blocked pump"),
    "volts": (
        "V_m_mV\n-0.07\n-0.06\n0\n",
        "row 2, column V_m_mV",
        "-0.07 mV looks like volts",
        "column V_m_V",
    ),
    "millivolts": (
        "V_m_uV\n-81.3\n-43\n",
        "row 2, column V_m_uV",
        "-81.3 uV looks like millivolts, as does every value of the column",
        "Name the column V_m_mV",
    ),
    "too large": ("V_m_mV\n-60\n-700\n", "row 3, column V_m_mV", "-700 mV is too large", "±300 mV"),
    "mV called V": ("V_m_V\n-60\n", "row 2, column V_m_V", "-60 V is too large", "name the column V_m_mV"),
    "negative": (
        "K_o_mM,V_m_mV\n-5,-60\n",
        "row 2, column K_o_mM",
        "-5 mM is negative",
        "concentration >= 0",
    ),
    "negative in uM": ("Ca_o_uM,V_m_mV\n-5,-60\n", "row 2, column Ca_o_uM", "-5 uM is negative"),
    "M of mM": ("K_o_M,V_m_mV\n5.4,-60\n", "row 2, column K_o_M", "5.4 M", "unit of its values"),
    "negative ratio": ("P_Na_rel,V_m_mV\n-1,-60\n", "row 2, column P_Na_rel", "-1 is negative"),
    "r of zero": ("r,V_m_mV\n0,-60\n", "row 2, column r", "0 is not above 0"),
    "degC in K": (
        "T_K,V_m_mV\n37,-60\n",
        "row 2, column T_K",
        "37 K looks like degrees Celsius",
        "column T_degC",
    ),
    "K in degC": ("T_degC,V_m_mV\n310,-60\n", "row 2, column T_degC", "310 degC looks like kelvin", "T_K"),
    "hot": ("T_degC,V_m_mV\n99,-60\n", "row 2, column T_degC", "99 degC", "from -5 to 60 degC"),
    "frozen": ("T_K,V_m_mV\n250,-60\n", "row 2, column T_K", "250 K", "from -5 to 60 degC"),
    "sd zero": (
        "V_m_mV,V_m_sd_mV\n-60,0\n",
        "row 2, column V_m_sd_mV",
        "0 mV is not above 0",
        "Give a sd > 0",
    ),
    "sem negative": ("V_m_mV,sem_mV\n-60,-2\n", "row 2, column sem_mV", "-2 mV is not above 0"),
    "sem beyond any potential": (
        "V_m_mV,sem_mV\n-60,1e308\n-50,1\n",
        "row 2, column sem_mV",
        "1e308 mV is more than V_m itself can be",
    ),
    "quantity sd": ("K_o_mM,K_o_sd_mM,V_m_mV\n5,0,-60\n", "row 2, column K_o_sd_mM", "0 mM is not above 0"),
    "sem of sd": (
        "V_m_mV,sd_mV,sem_mV,n\n-60,4.0,2.0,4\n-60,4.0,3.0,4\n",
        "row 3, column sem_mV",
        "3.0 mV is not 4.0 mV / √4 = 2",
        "Leave out the one",
    ),
    "sem above sd": (
        "V_m_mV,sd_mV,sem_mV\n-60,4.0,5.0\n",
        "column sem_mV",
        "5.0 mV is more than the sd, 4.0 mV",
    ),
    "n of zero": ("V_m_mV,n\n-60,0\n", "row 2, column n", "0 is not a whole number >= 1"),
    "n of half": ("V_m_mV,V_m_n\n-60,2.5\n", "row 2, column V_m_n", "2.5 is not a whole number"),
    "lonely sd": (
        "V_m_mV,sd_mV\n-60,2\n,3\n",
        "row 3, column sd_mV",
        "3 mV",
        "V_m_mV is blank",
        "both or neither",
    ),
    "sd without column": ("V_m_mV,K_o_sd_mM\n-60,2\n", "column K_o_sd_mM", "no column K_o_mM", "Add K_o_mM"),
    "dsd without column": ("V_m_mV,dV_m_sd_mV\n-60,2\n", "column dV_m_sd_mV", "no column dV_m_mV"),
    "bare sd of two": (
        "label,reference,V_m_mV,dV_m_mV,sd_mV\na,,-60,,2\nb,a,,5,2\n",
        "column sd_mV",
        "Name it V_m_sd_mV or dV_m_sd_mV",
    ),
    "sem of an input": (
        "K_o_mM,K_o_sem_mM,V_m_mV\n5,1,-60\n",
        "column K_o_sem_mM",
        "whose sd is the error of its value",
        "K_o_sd_mM",
    ),
    "unknown reference": (
        "label,reference,V_m_mV,dV_m_mV\ncontrol,,-60,\nb,contrl,,5\n",
        "row 3, column reference",
        "there is no row labelled 'contrl' (did you mean 'control'?)",
    ),
    "own reference": ("label,reference,dV_m_mV\na,a,5\n", "row 2, column reference", "'a' is the row itself"),
    "blank reference": ("label,reference,dV_m_mV\na,,5\n", "row 2, column reference", "is blank"),
    "no reference column": ("label,dV_m_mV\na,5\n", "row 2, column dV_m_mV", "Add a column reference"),
    "shared label": (
        "label,reference,V_m_mV,dV_m_mV\na,,-60,\na,,-61,\nb,a,,5\n",
        "row 4, column reference",
        "rows 2 and 3 share the label 'a'",
    ),
    "idle reference": (
        "label,reference,V_m_mV\na,,-60\nb,a,-50\n",
        "row 3, column reference",
        "no difference",
    ),
    "ragged, fewer": ("K_o_mM,V_m_mV\n5,-60\n5\n", "row 3", "1 fields under a header of 2"),
    "ragged, more": ("K_o_mM,V_m_mV\n5,-60,7,8\n", "row 2", "4 fields under a header of 2"),
    "comment below header": ("K_o_mM,V_m_mV\n# c\n5,-60\n", "row 2", "comment lines above the header"),
    "no readings": ("K_o_mM\n5\n", "holds no reading", "Add a column V_m_mV"),
    "only blank readings": ("K_o_mM,V_m_mV\n5,\n", "holds no reading"),
    "duplicate column": ("V_m_mV,K_o_mM,V_m_mV\n-60,5,-60\n", "column V_m_mV", "stands twice"),
    "same in two units": ("K_o_mM,K_o_uM,V_m_mV\n5,5,-60\n", "column K_o_uM", "same as column K_o_mM"),
    "column without name": (",V_m_mV\n0,-60\n", "column 1 has no name", "row index"),
    "mistyped zero": ("K_0_mM,V_m_mV\n5,-60\n", "column K_0_mM", "did you mean 'K_o_mM'?"),
    "mistyped without unit": ("P_Na_rell,V_m_mV\n0.1,-60\n", "column P_Na_rell", "did you mean 'P_Na_rel'?"),
    "bare ion": ("Na,V_m_mV\n145,-60\n", "column Na", "may be an ion's concentration", "{Na: Na_o_mM}"),
    "unknown ion": ("Qq_o_mM,V_m_mV\n5,-60\n", "column Qq_o_mM", "is not a known quantity"),
    "no unit": ("K_o,V_m_mV\n5,-60\n", "column K_o", "has no unit", "Write `columns: {K_o: K_o_mM}`"),
    "wrong unit": ("K_o_mV,V_m_mV\n5,-60\n", "column K_o_mV", "mV is not a unit of K_o", "Name it K_o_mM"),
    "unit of a ratio": ("P_Na_rel_mM,V_m_mV\n5,-60\n", "column P_Na_rel_mM", "mM is not a unit", "P_Na_rel"),
    "spreadsheet error": ("K_o_mM,V_m_mV\n#REF!,-60\n", "row 2, column K_o_mM", "#REF!", "Mend the formula"),
    "spreadsheet error in text": ("cell,V_m_mV\n#N/A,-60\n", "row 2, column cell", "#N/A"),
    "broken quote": ('cell,V_m_mV\n"a,-60\n', "broken quotes", 'Close every "'),
    "header only": ("K_o_mM,V_m_mV\n", "the table is empty", "at least one row"),
    "nothing": ("", "the table is empty"),
    "comments only": ("# a\n# b\n", "the table is empty"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_table(tmp_path, case):
    text, *parts = WRONG[case]
    refused(write(tmp_path, text), "cells.csv", *parts)


def test_readings_are_optional(tmp_path):
    m = read_table(write(tmp_path, "label,K_o_mM,n\nlow,5,3\n"), require_readings=False)
    assert m.observable == () and m.value.shape == (0,) and list(m.quantities["K_o"]) == [5]
    assert m.to_frame().shape == (1, 2)


def test_files_that_are_no_tables(tmp_path):
    refused(tmp_path / "none.csv", "none.csv: there is no such file", "Check the path")
    refused(tmp_path, "cannot be read" if tmp_path.suffix else str(tmp_path))
    refused(write(tmp_path, "a", "a.json"), "a.json", "'.json'", "CSV, TSV, Parquet or XLSX")
    refused(write(tmp_path, "a", "table"), "no ending", "Save the table as")
    refused(write(tmp_path, b"V_m_mV\n\x00\x01\n"), "is not text")
    refused(5, "cannot be read from int", "Give a path")


def test_encodings(tmp_path):
    refused(write(tmp_path, "K_o_µM,V_m_mV\n".encode("latin-1")), "row 1", "0xb5", "CSV UTF-8")
    refused(write(tmp_path, "K_o_mM,V_m_mV\n5,−6\n".encode("utf-16")), "UTF-16", "CSV UTF-8")


def test_damaged_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"V_m_mV": [-60.0]}).to_parquet(path)
    write(tmp_path, path.read_bytes()[:-20], "cut.parquet")
    refused(tmp_path / "cut.parquet", "cut.parquet", "not a whole Parquet file", "Save or copy it again")
    pq.write_table(pa.table({"V_m_mV": [-60.0, -61.0], "K_o_mM": [5.0, -5.0]}), path)
    refused(path, "t.parquet, row 3, column K_o_mM", "-5 mM is negative")


def test_damaged_xlsx(tmp_path):
    path = tmp_path / "t.xlsx"
    pd.DataFrame({"V_m_mV": [-60.0]}).to_excel(path, index=False)
    write(tmp_path, path.read_bytes()[:-200], "cut.xlsx")
    refused(tmp_path / "cut.xlsx", "cut.xlsx", "not a whole XLSX file", "Save or copy it again")
    refused(write(tmp_path, TITRATION, "text.xlsx"), "not a whole XLSX file")


def workbook(path, *sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for k, rows in enumerate(sheets):
        sheet = book.create_sheet(f"s{k + 1}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_xlsx_counts_the_sheet_s_rows(tmp_path):
    rows = [["# my cells", None], [], ["K_o_mM", "V_m_mV"], [5, -60], [-5, -50]]
    refused(workbook(tmp_path / "t.xlsx", rows), "t.xlsx, row 5, column K_o_mM", "-5 mM is negative")


def test_xlsx_formula_without_value(tmp_path):
    rows = [["K_o_mM", "V_m_mV"], [5, "=-6*10"]]
    refused(workbook(tmp_path / "t.xlsx", rows), "row 2", "cell B2 has no stored value", "paste values")


def test_xlsx_errors_and_empty_sheets(tmp_path):
    refused(workbook(tmp_path / "a.xlsx", [["V_m_mV"], ["#DIV/0!"]]), "row 2, column V_m_mV", "#DIV/0!")
    refused(workbook(tmp_path / "b.xlsx", []), "the table is empty")


def test_xlsx_with_several_sheets(tmp_path):
    path = workbook(tmp_path / "t.xlsx", [["V_m_mV"], [-60]], [["V_m_mV"], [-50]], [])
    with pytest.warns(InputWarning, match="read sheet 's1' only, not s2"):
        assert read_table(path).value[0] == -60
    assert read_table(path, sheet="s2").value[0] == -50
    refused(path, "no sheet 's9' with a table", "s1", sheet="s9")


def test_importing_loads_no_table_library():
    code = (
        "import sys, pumpleak.data.measurements; print({'pandas', 'pyarrow', 'openpyxl'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "more, part, mended",
    [
        (
            {"K_i_sd_mM": 10.0, "K_i_n": 12},
            "10 by √12 to 2.89; then write `ignore: \\[K_i_n\\]`",
            {"K_i_sd_mM": 2.89},
        ),
        ({"K_i_sem_mM": 2.9}, "Name it K_i_sd_mM, which an s.e. of the mean is", {"K_i_sd_mM": 2.9}),
        ({"K_i_n": 12}, "a count alone gives none. Write `ignore: \\[K_i_n\\]`", {}),
        ({"gamma_o": 0.75, "gamma_o_sem": 0.01}, "Name it gamma_o_sd", {"gamma_o": 0.75, "gamma_o_sd": 0.01}),
    ],
)
def test_the_error_of_an_input_is_that_of_its_value(more, part, mended):
    frame = pd.DataFrame({"K_i_mM": [148.0, 148.0], "V_m_mV": [-85.0, -62.0]})
    with pytest.raises(InputError, match=part):
        read_table(frame.assign(**more))
    read = read_table(
        frame.assign(**(mended | {k: v for k, v in more.items() if k == "K_i_n"})),
        ignore=["K_i_n"] if "K_i_n" in more else (),
    )
    assert set(read.quantity_sd) == {k.rpartition("_sd")[0] for k in mended if "_sd" in k}
