"""What stands at the top of a table is named; mended as it says, the table is read."""

import openpyxl
import pandas as pd
import pytest

from pumpleak.data.header import is_column_name
from pumpleak.data.measurements import read_table
from pumpleak.errors import InputError

GOOD = [["K_o_mM", "V_m_mV", "n"], ["5", "-77", "6"], ["10", "-63", "6"]]

# rows, parts of the message
TOPS = {
    "a title": (
        [["Table 1. Resting potentials", "", ""], *GOOD],
        ["row 1", "'Table 1. Resting potentials'", "row 2", "Delete row 1"],
    ),
    "two titles": (
        [["Table 1", "", ""], ["Rats, 2024", "", ""], *GOOD],
        ["row 1", "'Table 1' stands above the header, which is row 3", "Delete rows 1 to 2"],
    ),
    "a title of names unknown": (
        [["Table 1", "", ""], ["cell", "dose", "V"], ["a", "1", "5"]],
        ["row 1", "the header, which is row 2"],
    ),
    "two header rows": (
        [["Bath", "Reading", ""], *GOOD],
        ["row 1", "'Bath' stands above the header, which is row 2"],
    ),
    "units": (
        [["K_o", "V_m", "n"], ["mM", "mV", ""], *GOOD[1:]],
        ["row 2", "holds units", "Name the columns K_o_mM, V_m_mV and n"],
    ),
    "units in brackets": (
        [GOOD[0], ["[mM]", "[mV]", "[-]"], *GOOD[1:]],
        ["row 2", "holds units", "Name the columns K_o_mM, V_m_mV and n"],
    ),
    "other units": (
        [GOOD[0], ["(M)", "mV", ""], *GOOD[1:]],
        ["row 2", "K_o_mM or K_o_M (whichever is right)"],
    ),
    "on its side": (
        [["quantity", "A", "B"], ["K_o_mM", "5", "10"], ["V_m_mV", "-77", "-63"]],
        ["column quantity", "K_o_mM and V_m_mV stand in rows", "Turn the table"],
    ),
    "on its side, without a header": (
        [["K_o_mM", "5", "10"], ["V_m_mV", "-77", "-63"]],
        ["stand in rows", "Turn the table"],
    ),
    "long": (
        [["cell", "what", "value"], ["a", "K_o_mM", "5"], ["a", "V_m_mV", "-77"], ["b", "K_o_mM", "6"]],
        ["column what", "stand in rows"],
    ),
    "no header": (GOOD[1:], ["row 1", "holds the number 5 where", "Write the names"]),
}


def stored(folder, rows, kind):
    path = folder / f"t.{kind}"
    if kind == "frame":
        return pd.DataFrame(rows[1:], columns=rows[0])
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([float(x) if x.lstrip("-").isdigit() else x or None for x in row])
        book.save(path)
    elif kind == "parquet":
        pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(path)
    else:
        mark = "," if kind == "csv" else "\t"
        path.write_text("".join(mark.join(f'"{x}"' if "," in x else x for x in row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "frame", "parquet"])
@pytest.mark.parametrize("case", TOPS)
def test_the_top_is_named(tmp_path, case, kind):
    rows, parts = TOPS[case]
    if kind in ("frame", "parquet"):
        rows = [[name or f"Unnamed: {j}" for j, name in enumerate(rows[0])], *rows[1:]]
    with pytest.raises(InputError) as caught:
        read_table(stored(tmp_path, rows, kind))
    missing = [part for part in parts if part not in str(caught.value)]
    assert not missing, f"{missing} not in {caught.value}"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_mended_as_said_it_is_read(tmp_path, kind):
    commented = [["# Table 1", "", ""], *GOOD]
    for rows in (GOOD, commented):
        m = read_table(stored(tmp_path, rows, kind))
        assert list(m.value) == [-77, -63] and list(m.quantities["K_o"]) == [5, 10]


def test_a_title_of_one_field(tmp_path):
    (tmp_path / "t.csv").write_text("Table 1. Resting potentials\nK_o_mM,V_m_mV\n5,-77\n")
    with pytest.raises(
        InputError, match="'Table 1. Resting potentials' stands above the header, which is row 2"
    ):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "name, known",
    [
        ("K_o_mM", 1),
        ("V_m_sem_mV", 1),
        ("dV_m_mV", 1),
        ("n", 1),
        ("pump", 1),
        ("T_degC", 1),
        ("K_o", 0),
        ("cell", 0),
        ("Fig. 1", 0),
        ("K_o_mV", 0),
    ],
)
def test_names_of_columns(name, known):
    assert is_column_name(name) == bool(known)
