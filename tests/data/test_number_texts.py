"""What stands where a number should: each text is told how to be written, and written so it is read rightly."""

import numpy as np
import pytest

from pumpleak.data.measurements import read_table
from pumpleak.data.number_texts import Place, not_a_number, summary_word
from pumpleak.errors import InputError
from pumpleak.quantities.numbers import DASHES

V_m = Place("V_m", "value", "mV")
K_o = Place("K_o", "value", "mM", reading=False)

# text, where, a part of the problem, the mend
TEXTS = [
    ("-71.4 (1.1)", V_m, "two numbers", "Write -71.4, and 1.1 in a column V_m_sem_mV or V_m_sd_mV"),
    ("-71.4 (6)", V_m, "two numbers", "Write -71.4, and 6 in a column V_m_sem_mV or V_m_sd_mV or V_m_n"),
    ("−71.4±1.1 (n = 8)", V_m, "two numbers", "-71.4, and 1.1 in a column V_m_sem_mV or V_m_sd_mV"),
    ("-71.4 +/- 1.1 mV", V_m, "two numbers", "Write -71.4, and 1.1"),
    ("-71.4 (n=8)", V_m, "two numbers", "Write -71.4, and 8 in a column V_m_n"),
    ("6 (3)", Place("V_m", "n"), "two numbers", "Write 6; what else"),
    (
        "6/3",
        Place("V_m", "n"),
        "two numbers",
        "Write 6, the number of readings behind the value (6 cells of 3 animals?)",
    ),
    ("3:6", Place("V_m", "n"), "two numbers", "Write 6, the number"),
    ("n = 6/3", Place("V_m", "n"), "two numbers", "Write 6, the number"),
    ("6 of 8 fibres", Place("V_m", "n"), "two numbers", "Write 8, the number"),
    ("70/73", V_m, "two numbers", "Write one of them; the other goes into a row of its own"),
    ("-70:-73", V_m, "two numbers", "Write one of them; the other goes into a row of its own"),
    ("140/150", K_o, "two numbers", "Write one of them; the other goes into a row of its own"),
    ("1/2", Place("V_m", "sem", "mV"), "two numbers", "Write the one that is meant"),
    ("3:2", Place("r"), "a ratio", "Write 1.5"),
    ("1/25", Place("P_Na_rel"), "a ratio", "Write 0.04"),
    ("3/4", Place("P_Na_scale"), "a ratio", "Write 0.75"),
    ("-71·6", V_m, "raised point", "Write -71.6"),
    ("−71∙6", V_m, "raised point", "Write -71.6"),
    ("5·103", K_o, "raised point", "Write 5.103 or 5e3, whichever it is"),
    ("5·10³", K_o, "power of ten", "Write 5e3"),
    ("nominal 0", K_o, "among words", "Write 0; what else"),
    ("set to 5", K_o, "among words", "Write 5; what else"),
    ("decided -5", K_o, "among words", "Write -5; what else"),
    ("5-Apr", K_o, "a date", "Turn the cell"),
    ("Sept 4", K_o, "a date", "Turn the cell"),
    ("5 ± 0.1", K_o, "two numbers", "Write 5, and 0.1 in a column K_o_sd_mM"),
    ("4-6", K_o, "range", "the middle, 5, and 0.58 in a column K_o_sd_mM"),
    ("-70 to -60", V_m, "range", "the middle, -65"),
    ("-80 -82", V_m, "two numbers", "Write one of them"),
    ("-80-82", V_m, "two numbers", "a row of its own"),
    ("n=5", Place("V_m", "n"), "says what its column's name does", "Write 5"),
    ("±2.5", Place("V_m", "sem", "mV"), "a sign", "Write 2.5"),
    ("<0.1", K_o, "limit", "the middle, 0.05, and 0.029 in a column K_o_sd_mM"),
    ("> 100", K_o, "limit", "of 100 only the limit"),
    ("~70", K_o, "approximate", "Write 70"),
    ("ca. 5 mM", K_o, "approximate", "Write 5"),
    ("2 500", K_o, "between thousands", "Write 2500"),
    ("2\u2009500", K_o, "between thousands", "Write 2500"),
    ("2\u00a0500", K_o, "between thousands", "Write 2500"),
    ("2'500", K_o, "between thousands", "Write 2500"),
    ("1,234.5", K_o, "between thousands", "Write 1234.5"),
    ("1.234,5", K_o, "between thousands", "Write 1234.5"),
    ("2,500", K_o, "2500 or 2.5", "Write 2500 or 2.5"),
    ("2,125", K_o, "2125 or 2.1250", "Write 2125 or 2.1250"),
    ("2,5", K_o, "decimal comma", "Write 2.5"),
    ("5 mM", K_o, "its unit", "Write 5"),
    ("5000µM", K_o, "its unit", "Write 5:"),
    ("-0.07 V", V_m, "its unit", "Write -70:"),
    ("5 %", Place("P_Na_rel"), "per cent", "Write 0.05"),
    ("'-77", V_m, "text", "Write -77"),
    ('"-77"', V_m, "text", "Write -77"),
    ("=-77", V_m, "text", "Write -77"),
    ("70*", K_o, "a mark", "Write 70"),
    ("70†", K_o, "a mark", "Write 70"),
    ("70²", K_o, "a mark", "Write 70"),
    ("7O", K_o, "letters among", "70 if O is 0"),
    ("- 77", V_m, "space after", "Write -77"),
    ("77-", V_m, "behind it", "Write -77"),
    ("(77)", V_m, "-77 or 77", "Write -77 or 77"),
    ("++77", V_m, "two signs", "Write -77 or 77"),
    ("1.2e", K_o, "no exponent", "Write 1.2"),
    ("1.2×10⁻³", K_o, "power of ten", "Write 1.2e-3"),
    ("1.2 x 10^-3", K_o, "power of ten", "Write 1.2e-3"),
    ("３.５", K_o, "another alphabet", "Write 3.5"),
    ("-70\u200b", V_m, "another alphabet", "Write -70"),
    ("1:25", Place("P_Na_rel"), "ratio", "Write 0.04"),
    ("0x1F", K_o, "decimal", "Write 31"),
    ("Mean", K_o, "summary", "Delete the row"),
    ("n.d.", K_o, "not a number", "`missing: [n.d.]`"),
    ("-", V_m, "not a number", "`missing: ['-']`"),
    ("2024-04-05", K_o, "a date", "5.4"),
    ("5. Apr", K_o, "a date", "5.4"),
]


@pytest.mark.parametrize("text, place, problem, mend", TEXTS)
def test_the_mend_keeps_the_number(text, place, problem, mend):
    said = not_a_number(text, place)
    assert f"'{text}'" in said[0] and problem in said[0] and mend in said[1], said
    assert "blank" not in said[1] or not any(c.isdigit() for c in text), said


@pytest.mark.parametrize("dash", DASHES)
def test_every_dash_is_a_minus(tmp_path, dash):
    path = tmp_path / "t.csv"
    path.write_text(f"K_o_mM,V_m_mV\n5,{dash}77\n10,{dash}6.3e{dash}1\n20, {dash}50.5\n", encoding="utf-8")
    np.testing.assert_array_equal(read_table(path).value, [-77, -0.63, -50.5])


@pytest.mark.parametrize(
    "word",
    [
        "Mean",
        "average",
        "S.E.M.",
        "sem",
        "SD",
        "n",
        "N =",
        "Total",
        "± SEM",
        "p-value",
        "Durchschnitt",
        "Mittelwert",
        "Stabw.",
        "Standardfehler",
        "moyenne",
        "Écart-type",
        "promedio",
        "média",
        "X̄",
    ],
)
def test_summary_words(word):
    assert summary_word(word)
    assert not summary_word(f"cell {word}")


# How a file writes numbers.

MARKS = {
    "semicolons and decimal commas": ("K_o_uM;V_m_mV\n2,5;-84,1\n1250;-77\n", [0.0025, 1.25], [-84.1, -77]),
    "one comma tells of all": ("K_o_uM;V_m_mV\n2,500;-84,1\n", [0.0025], [-84.1]),
    "one point tells of all": ("K_o_uM;V_m_mV\n2.500;-84.1\n", [0.0025], [-84.1]),
    "thousands could not be": ("K_o_mM;V_m_mV\n2.500;-84.125\n", [2.5], [-84.125]),
    "a zero first": ("K_o_mM;P_Na_rel;V_m_mV\n3;0,025;-84\n", [3], [-84]),
    "quoted decimal commas": ('K_o_mM,V_m_mV\n"2,5","-84,1"\n', [2.5], [-84.1]),
    "tabs": ("K_o_mM\tV_m_mV\n2,5\t-84,1\n", [2.5], [-84.1]),
    "points with commas between columns": ("K_o_uM,V_m_mV\n2.500,-84\n", [0.0025], [-84]),
    "said in the first line": ("sep=;\nK_o_mM;V_m_mV\n2,5;-84,1\n", [2.5], [-84.1]),
    "a comma in a name": ("K_o_mM;V_m_mV;note, free\n5;-77;a\n6;-70;b, c\n", [5, 6], [-77, -70]),
}


@pytest.mark.parametrize("case", MARKS)
def test_decimal_marks_are_judged_from_all_rows(tmp_path, case):
    text, K_o, V_m = MARKS[case]
    (tmp_path / "t.csv").write_text(text)
    m = read_table(tmp_path / "t.csv")
    np.testing.assert_allclose(m.quantities["K_o"], K_o, rtol=1e-14)
    np.testing.assert_array_equal(m.value, V_m)


# file, parts of the message, the file mended
TWO_WAYS = {
    "points in a semicolon file": (
        "K_o_uM;V_m_mV\n2.500;-84\n5.000;-77\n",
        ["row 2, column K_o_uM", "'2.500' has a point", "Write 2500 or 2.5"],
        "K_o_uM;V_m_mV\n2.5;-84\n5;-77\n",
    ),
    "quoted commas": (
        'K_o_uM,V_m_mV\n"2,500",-84\n',
        ["row 2, column K_o_uM", "'2,500' has a comma", "Write 2500 or 2.5"],
        "K_o_uM,V_m_mV\n2500,-84\n",
    ),
    "points among decimal commas": (
        "K_o_uM;V_m_mV\n2.500;-84,1\n",
        ["row 2, column K_o_uM", "'2.500' has a point", "Write 2500 or 2,5"],
        "K_o_uM;V_m_mV\n2500;-84,1\n",
    ),
    "both marks": (
        "K_o_mM;V_m_mV\n2,5;-84,1\n1.2;-77\n",
        ["row 2, column K_o_mM", "decimal comma", "Write 2.5"],
        "K_o_mM;V_m_mV\n2.5;-84.1\n1.2;-77\n",
    ),
    "a shifted row": (
        "K_o_mM,V_m_mV,note\n2,5,-84\n5,-77,\n10,-63,\n",
        [
            "row 2",
            "K_o_mM 2, V_m_mV 5, note -84",
            "K_o_mM 2.5, V_m_mV -84",
            "write 2.5; if two, write 2.0,5.0",
        ],
        "K_o_mM,V_m_mV,note\n2.5,-84,\n5,-77,\n10,-63,\n",
    ),
    "two shifts": (
        "K_o_mM,V_m_mV,K_i_mM,note\n2,5,-84,140\n5,-77,140,\n7.5,-70,140,\n",
        ["row 2", "V_m_mV 5", "K_o_mM 2.5, V_m_mV -84, K_i_mM 140", "write 2.5"],
        "K_o_mM,V_m_mV,K_i_mM,note\n2.5,-84,140,\n5,-77,140,\n7.5,-70,140,\n",
    ),
    "more fields than names": (
        "K_o_mM,V_m_mV\n5,-56,7\n",
        ["row 2: 3 fields under a header of 2", "write -56.7 for -56,7"],
        "K_o_mM,V_m_mV\n5,-56.7\n",
    ),
    "a comma at its end": (
        "K_o_mM,V_m_mV\n5,-56\n6,-50,\n",
        ["row 3: 3 fields", "Delete the commas at its end"],
        "K_o_mM,V_m_mV\n5,-56\n6,-50\n",
    ),
    "too few": (
        "K_o_mM,V_m_mV,note\n5,-56,a\n6,-50\n",
        ["row 3: 2 fields", "as many commas as the header"],
        "K_o_mM,V_m_mV,note\n5,-56,a\n6,-50,\n",
    ),
    "another separator in the header": (
        "K_o_mM,V_m_mV\n5;-56\n",
        ["row 2: 1 fields", "The header has commas between columns, this row semicolons"],
        "K_o_mM;V_m_mV\n5;-56\n",
    ),
    "spaces between columns": (
        "K_o_mM V_m_mV\n5 -56\n",
        ["row 1", "separated by spaces", "Save the table as CSV"],
        "K_o_mM,V_m_mV\n5,-56\n",
    ),
    "bars between columns": (
        "| K_o_mM | V_m_mV |\n| 5 | -56 |\n",
        ["row 1", "separated by bars"],
        "K_o_mM,V_m_mV\n5,-56\n",
    ),
    "two separators": (
        "K_o_mM,V_m_mV;note\n5,-56;7\n",
        ["row 1", "separated by commas (2 columns) or semicolons (2 columns)"],
        "K_o_mM,V_m_mV,note\n5,-56,7\n",
    ),
}


@pytest.mark.parametrize("case", TWO_WAYS)
def test_what_reads_two_ways_is_refused_and_mended(tmp_path, case):
    text, parts, mended = TWO_WAYS[case]
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_table(path)
    missing = [part for part in parts if part not in str(caught.value)]
    assert not missing, f"{missing} not in {caught.value}"
    path.write_text(mended)
    assert len(read_table(path).value)


def test_a_row_that_is_no_shift_is_read_as_told(tmp_path):
    (tmp_path / "t.csv").write_text("K_o_mM,V_m_mV,note\n2.0,5.0,-84\n5,-77,\n10,-63,\n")
    assert list(read_table(tmp_path / "t.csv").value) == [5, -77, -63]


@pytest.mark.parametrize(
    "text",
    [
        "K_o_mM,V_m_mV,n\n5,-77,8\n10,-63,\n20,-47,\n",  # whole numbers and a blank count
        "K_o_mM,Na_o_mM,V_m_mV,cell\n5,140,-77,1\n10,135,-63,\n",
        "label,V_m_mV,age\n5,-77,12\n6,-70,\n",
    ],
)
def test_whole_numbers_beside_blanks_are_no_shift(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    assert read_table(tmp_path / "t.csv").value[0] == -77
