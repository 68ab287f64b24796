"""Rows that are no measurements are named; without them the table is read."""

import pandas as pd
import pytest

from pumpleak.data.cell_table import CellTable
from pumpleak.data.measurements import read_table
from pumpleak.errors import InputError

CELLS = [["1", "5", "-71.3"], ["2", "5", "-68.9"], ["3", "5", "-74.2"], ["4", "5", "-70.4"]]

# the rows below, parts of the message
FOOTERS = {
    "three words": (
        [["Mean", "5", "-71.2"], ["SEM", "5", "1.1"], ["n", "5", "4"]],
        ["row 6", "'Mean' is a summary", "row 7 ('SEM') and row 8 ('n')"],
    ),
    "average": ([["average", "5", "-71.2"]], ["row 6", "'average'", "Delete the row"]),
    "median": ([["Median:", "", "-71.2"]], ["row 6", "'Median:'"]),
    "in German": ([["Durchschnitt", "5", "-71.2"]], ["row 6", "'Durchschnitt'"]),
    "a bar over it": ([["x\u0304", "5", "-71.2"]], ["row 6", "is a summary"]),
    "total": ([["Total", "", "4"]], ["row 6", "'Total'"]),
    "a word with its number": ([["mean (n = 4)", "5", "-71.2"]], ["row 6", "'mean (n = 4)'"]),
    "both in one": ([["Mean ± SEM", "5", "-71.2"]], ["row 6", "'Mean ± SEM'"]),
    "two short ones": ([["SD", "5", "2.2"], ["n", "5", "4"]], ["row 6", "'SD'", "row 7 ('n')"]),
    "of a group that is there": ([["1 mean", "5", "-71.3"], ["7", "5", "-70"]], ["row 6", "'1 mean'"]),
    "of groups that are not": (
        [["WT mean", "5", "-71"], ["KO average", "5", "-72"]],
        ["row 6", "'WT mean'", "row 7 ('KO average')"],
    ),
    "of a group, with a sign": ([["WT: mean ± SEM", "5", "-71"]], ["row 6", "'WT: mean ± SEM'"]),
    "of a group, before it": ([["average of 1", "5", "-71"]], ["row 6", "'average of 1'"]),
    "of a group, in one word": ([["WT_mean", "5", "-71"]], ["row 6", "'WT_mean'"]),
    "a count of a group": (
        [["1 mean", "5", "-71"], ["1 n", "5", "3"]],
        ["row 6", "'1 mean'", "row 7 ('1 n')"],
    ),
    "between groups": ([["Mean", "5", "-71.2"], ["5", "10", "-60"]], ["row 6", "'Mean'"]),
    "nameless": ([["", "5", "-71.2"]], ["row 6, column V_m_mV", "-71.2 is the mean of all rows above"]),
    "with more digits": ([["all", "5", "-71.20"]], ["row 6", "is the mean of all rows above"]),
}


def frame(more):
    return pd.DataFrame([*CELLS, *more], columns=["cell", "K_o_mM", "V_m_mV"])


@pytest.mark.parametrize("kind", ["csv", "frame", "parquet"])
@pytest.mark.parametrize("case", FOOTERS)
def test_footers_are_refused_by_name(tmp_path, case, kind):
    more, parts = FOOTERS[case]
    table = frame(more)
    if kind == "parquet" and case in ("nameless", "with more digits"):
        return  # a program's file has no such row, and is not looked through for one
    if kind != "frame":
        path = tmp_path / f"t.{kind}"
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
        table = path
    for read in (read_table, lambda source: CellTable.open(source, observables=("V_m",))):
        with pytest.raises(InputError) as caught:
            read(table)
        missing = [part for part in parts if part not in str(caught.value)]
        assert not missing, f"{missing} not in {caught.value}"
    assert len(read_table(frame([])).value) == 4


@pytest.mark.parametrize(
    "rows, at",
    [
        ([["WT", "", ""], *CELLS, ["KO", "", ""], ["5", "10", "-60"]], "row 2, column cell: 'WT'"),
        ([*CELLS, ["high K", "", ""], ["5", "10", "-60"]], "row 6, column cell: 'high K'"),
        ([["1", "WT", ""], *CELLS], None),
    ],
)
def test_names_of_groups_of_rows_are_told_to_stand_in_each(tmp_path, rows, at):
    path = tmp_path / "t.csv"
    pd.DataFrame(rows, columns=["cell", "K_o_mM", "V_m_mV"]).to_csv(path, index=False)
    for read in (read_table, lambda source: CellTable.open(source, observables=("V_m",))):
        if at:
            with pytest.raises(InputError, match=f"{at} stands alone in its row.*delete this row"):
                read(path)
    path.write_text("K_o_mM,V_m_mV\nWT,\n5,-80\n20,-50\n")
    with pytest.raises(InputError, match="row 2, column K_o_mM: 'WT' stands alone"):
        read_table(path)
    path.write_text("genotype,K_o_mM,V_m_mV\nWT,5,-80\nWT,20,-50\n")  # as it says
    assert read_table(path).groups["genotype"] == ("WT", "WT")


@pytest.mark.parametrize(
    "text",
    [
        "label,V_m_mV\na,-80\nb,\nc,-70\n",
        "cell,V_m_mV,V_m_sem_mV\na,-80,1\nb,,\nc,-70,1\n",
        "cell,K_o_mM,V_m_mV\na,5,-80\nb,,-70\n",
        "K_o_mM,V_m_mV,note\n5,-80,\n,,moved\n20,-50,\n",
    ],
)
def test_rows_without_a_reading_stay(text, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    assert len(read_table(tmp_path / "t.csv").value) == 2


@pytest.mark.parametrize(
    "more",
    [
        [["5", "5", "-70"], ["n", "5", "-72"]],  # a cell called n
        [["SD", "5", "-71"]],  # a strain
        [["", "20", "-40"]],  # no name, no mean
        [["mean street", "5", "-71.9"]],
        [["control mean", "5", "-70"], ["5", "5", "-72"]],  # not at the end, and no group is called so
        [["high n", "5", "-70"]],
        [["of 1 n", "5", "-72"]],
    ],
)
def test_measurements_stay(more):
    assert len(read_table(frame(more)).value) == 4 + len(more)


def test_a_table_of_means_alone_stays():
    table = frame([]).assign(statistic="mean")
    assert len(read_table(table).value) == 4


def test_in_a_column_of_numbers():
    table = frame([]).astype({"K_o_mM": object})
    table.loc[3, "K_o_mM"] = "Mean"
    with pytest.raises(
        InputError, match="row 5, column K_o_mM: 'Mean' marks a summary of other rows.*Delete the row"
    ):
        read_table(table)


BATHS = [["a", "2.5", "147.5", "-81.3"], ["b", "5", "145", "-71.6"], ["c", "10", "140", "-58.2"]]


@pytest.mark.parametrize(
    "footer, at",
    [
        (["CV", "5", "145", "0.02"], "'CV' is a summary"),
        (["SD", "5", "145", "16"], "'SD' is a summary"),
        (["N", "", "", "3"], "'N' is a summary"),
        (["n", "", "", "3"], "'n' is a summary"),
        (["var", "", "", "2.1"], "'var' is a summary"),
        (["range", "", "", "38"], "'range' is a summary"),
        (["p", "", "", "0.03"], "'p' is a summary"),
        (["max", "", "", "-58.2"], "'max' is a summary"),
        (["t-test", "5", "145", "0.03"], "'t-test' is a summary"),
        (["two-way ANOVA", "5", "145", "0.1"], "is a summary"),
        (["p < 0.05", "", "", "0.03"], "is a summary"),
        (["F(1, 5)", "", "", "7"], "'7' stands in a row without any of the inputs .* Delete the row"),
        (["", "", "", "-70.4"], "stands in a row without any of the inputs"),
    ],
)
def test_footers_that_are_called_as_cells_may_be(footer, at):
    columns = ["cell", "K_o_mM", "Na_o_mM", "V_m_mV"]
    for read in (read_table, lambda source: CellTable.open(source, observables=("V_m",))):
        with pytest.raises(InputError, match=f"row 5, .*{at}"):
            read(pd.DataFrame([*BATHS, footer], columns=columns))
    assert read_table(pd.DataFrame(BATHS, columns=columns)).value.tolist() == [-81.3, -71.6, -58.2]


@pytest.mark.parametrize(
    "rows",
    [
        [*BATHS, ["n", "140", "10", "2.0"]],  # the last of cells a, b, c …
        [*BATHS, ["N", "20", "130", "-43"]],
        [*BATHS, ["c9", "140", "10", "2.0"]],
        [["n", "5", "", "-71"], ["b", "5", "145", "-71"]],
    ],
)
def test_measurements_called_so_stay(rows):
    table = pd.DataFrame(rows, columns=["cell", "K_o_mM", "Na_o_mM", "V_m_mV"])
    assert len(read_table(table.iloc[:, [0, 1, 3]]).value) == len(rows)


def test_a_bath_of_the_config_may_be_in_the_last_row():
    table = pd.DataFrame(BATHS, columns=["cell", "K_o_mM", "Na_o_mM", "V_m_mV"]).assign(solution="")
    table.loc[3] = ["d", "", "", "-43", "high K"]
    assert len(read_table(table).value) == 4


def test_a_cell_t_in_its_test_bath_is_no_t_test():
    rows = [
        ("S control", 5.4, -73.0),
        ("S test", 0.1, -134.2),
        ("T control", 5.4, -74.4),
        ("T test", 0.1, -144.0),
    ]
    m = read_table(pd.DataFrame(rows, columns=["label", "K_o_mM", "V_m_mV"]))
    assert m.value.tolist() == [-73.0, -134.2, -74.4, -144.0]
