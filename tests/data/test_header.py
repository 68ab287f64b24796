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
    "two header rows, as people head columns": (
        [["Bath", "Reading", ""], ["[K+]o (mM)", "Vm (mV)", "SEM"], *GOOD[1:]],
        ["row 1", "the header, which is row 2: [K+]o (mM), Vm (mV) and SEM"],
    ),
    "units below what people write": (
        [["[K+]o", "Vm", "SEM", "Temp"], ["mM", "mV", "mV", "°C"], ["5", "-77", "1", "22"]],
        ["row 2", "holds units", "Name the columns K_o_mM, V_m_mV, sem_mV and T_degC"],
    ),
    "on its side, as people write": (
        [
            ["what", "A", "B"],
            ["[K⁺]ₒ / mM", "5", "10"],
            ["Temp (°C)", "22", "22"],
            ["V_m [mV]", "-77", "-63"],
        ],
        ["column what", "[K⁺]ₒ / mM, Temp (°C) and V_m [mV] stand in rows"],
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


@pytest.mark.parametrize(
    "header, often, right",
    [
        (["K_o_mM", "V_m_mV", "V_m_mV"], "V_m_mV: stands twice", ["K_o_mM", "V_m_mV", "cell"]),
        (["[K+]o (mM)", *["Vm (mV)"] * 3], "Vm (mV): stands 3 times", ["K_o_mM", "Vm (mV)", "cell"]),
        (
            ["[K+]o (mM)", "WT", "WT", "KO", "KO"],
            "WT: stands twice",
            ["K_o_mM", "V_m_mV", "genotype", "cell"],
        ),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "xlsx", "frame"])
def test_replicates_side_by_side_are_put_one_below_the_other(tmp_path, header, often, right, kind):
    rows = [["5", "-77", "-76", "-75", "-74"], ["10", "-63", "-62", "-61", "-60"]]
    with pytest.raises(InputError) as caught:
        read_table(stored(tmp_path, [header, *(row[: len(header)] for row in rows)], kind))
    said = str(caught.value)
    assert f"column {often} in the header" in said
    assert ("one below the other" in said or "side by side" in said) and all(
        name in said for name in right[1:]
    )
    below = [
        [x, v, name, f"c{j}"]
        for x, *vs in rows
        for j, (name, v) in enumerate(zip(header[1:], vs, strict=False))
    ]
    order = ["K_o_mM", "Vm (mV)" if "Vm (mV)" in right else "V_m_mV", "genotype", "cell"]
    kept = [[row[order.index(name)] for name in right] for row in below]
    m = read_table(stored(tmp_path, [right, *kept], kind))
    assert list(m.value) == [float(v) for _, v, *_ in below]
    assert [float(k) for k, *_ in below] == list(m.quantities["K_o"])


def test_an_input_that_stands_twice_is_kept_once(tmp_path):
    for name in ("K_o_mM", "Na_o (mM)", "T_degC", "P_Na_rel"):
        (tmp_path / "t.csv").write_text(f"{name},{name},V_m_mV\n5,5,-60\n")
        with pytest.raises(
            InputError, match="stands twice in the header. Keep one of them where they hold the same"
        ):
            read_table(tmp_path / "t.csv")


def test_a_data_frame_of_which_the_index_or_a_second_row_of_names_would_be_lost():
    frame = pd.DataFrame({"K_o_mM": [5.0, 10.0], "V_m_mV": [-77.0, -63.0], "cell": ["a", "b"]})
    for index in ("cell", ["cell", "K_o_mM"]):
        with pytest.raises(
            InputError, match=r"the index holds cell( and K_o_mM)?, and an index is not read"
        ) as caught:
            read_table(frame.set_index(index))
        assert "frame.reset_index()" in str(caught.value)
        m = read_table(frame.set_index(index).reset_index())
        assert list(m.groups["cell"]) == ["a", "b"] and list(m.quantities["K_o"]) == [5, 10]
    levels = frame.set_axis(
        pd.MultiIndex.from_tuples([("bath", "K_o_mM"), ("read", "V_m_mV"), ("", "cell")]), axis=1
    )
    with pytest.raises(InputError, match="the columns have names of several levels") as caught:
        read_table(levels)
    assert "frame.columns = frame.columns.get_level_values(-1)" in str(caught.value)
    levels.columns = levels.columns.get_level_values(-1)
    assert list(read_table(levels).value) == [-77, -63]
    assert list(read_table(frame[::-1]).value) == [-63, -77]  # an index without a name is none


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
        ("[K+]o (mM)", 1),
        ("Vm / mV", 1),
        ("S.E.M.", 1),
        ("Ko", 0),
    ],
)
def test_names_of_columns(name, known):
    assert is_column_name(name) == bool(known)


@pytest.mark.parametrize("second", ["cell,K_o_mM,V_m_mV", "cell,Na_o_mM,V_m_mV", "cell,K+ out (mM),Vm / mV"])
def test_a_second_header_is_told_and_without_it_the_table_is_read(tmp_path, second):
    top, below = "cell,K_o_mM,V_m_mV\na,5,-80\n", "b,20,-50\n"
    (tmp_path / "t.csv").write_text(f"{top}{second}\n{below}", encoding="utf-8")
    with pytest.raises(
        InputError, match="row 3, column K_o_mM.*second header: two tables .* delete this row"
    ):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(top + below)
    assert read_table(tmp_path / "t.csv").value.tolist() == [-80, -50]


def test_a_comma_before_the_unit_is_quoted(tmp_path):
    names, rows = ["K+ out, mM", "Na+ out, mM", "Vm, mV"], "5,145,-80\n20,130,-50\n"
    (tmp_path / "t.csv").write_text(f"{','.join(names)}\n{rows}")
    with pytest.raises(
        InputError, match='row 2: 3 fields .* Quote the names in the header: "K. out, mM", "Na'
    ):
        read_table(tmp_path / "t.csv")
    quoted = ",".join(f'"{name}"' for name in names)
    (tmp_path / "t.csv").write_text(f"{quoted}\n{rows}")
    assert read_table(tmp_path / "t.csv").value.tolist() == [-80, -50]
