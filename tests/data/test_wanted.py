"""What is said of a table beside it: columns under other names, left out, and what stands for a blank."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from tables import refused, same, write

from pumpleak import load_problem, read_table
from pumpleak.batch.manifest import changes
from pumpleak.data.cell_table import CellTable
from pumpleak.data.wanted import Wanted
from pumpleak.inference.result import saved_config

TABLE = "fibre,kalium,V_m_mV,kcal\na,2.5,-84,3.5\nb,20,-50,4.5\n"
PLAIN = "cell,K_o_mM,V_m_mV\na,2.5,-84\nb,20,-50\n"
SAID = {"columns": {"kalium": "K_o_mM", "fibre": "cell"}, "ignore": ["kcal"]}


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "xlsx", "frame"])
def test_columns_are_read_by_the_names_that_are_given_them(tmp_path, ending):
    frame = pd.read_csv(write(tmp_path, TABLE))
    path = tmp_path / f"t.{ending}"
    if ending in ("csv", "tsv"):
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    elif ending in ("parquet", "xlsx"):
        getattr(frame, {"parquet": "to_parquet", "xlsx": "to_excel"}[ending])(path, index=False)
    m = read_table(frame if ending == "frame" else path, **SAID)
    same(m, read_table(write(tmp_path, PLAIN)))
    assert m.ignored == ("kcal",)
    cells = CellTable.open(frame if ending == "frame" else path, observables=["V_m"], wanted=Wanted.of(SAID))
    (rows,) = cells.chunks(9)
    assert rows.ids.tolist() == ["a", "b"] and rows.quantities["K_o"].tolist() == [2.5, 20]
    assert cells.info.ignored == ("kcal",)


def test_two_columns_may_change_names():
    table = pd.DataFrame({"K_o_mM": [150.0], "K_i_mM": [5.0], "V_m_mV": [-80.0]})
    m = read_table(table, columns={"K_o_mM": "K_i_mM", "K_i_mM": "K_o_mM"})
    assert m.quantities["K_o"] == [5] and m.quantities["K_i"] == [150]


@pytest.mark.parametrize(
    "said, parts",
    [
        ({"columns": {"kalum": "K_o_mM"}}, ["key columns", "no column 'kalum'", "'kalium'"]),
        ({"ignore": ["kcla"]}, ["key ignore", "no column 'kcla'", "'kcal'"]),
        ({"columns": {"kalium": "V_m_mV"}}, ["V_m_mV and kalium", "ignore: [V_m_mV]"]),
        ({"columns": {"kalium": "K_o_mM", "kcal": "K_o_mM"}}, ["kalium and kcal", "K_o_mM"]),
        ({"columns": {"kalium": "K_o_mM"}, "ignore": ["kalium"]}, ["kalium", "left out", "one of"]),
    ],
)
def test_what_is_said_of_columns_must_be_so(tmp_path, said, parts):
    path = write(tmp_path, TABLE)
    refused(path, *parts, **said)
    config = {"data": str(path), "quantities": {"T_degC": 22}} | said
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.raises(ValueError, match=rf"c.yaml, line \d+, key {parts[0].split()[-1]}|c.yaml, line \d"):
        load_problem(tmp_path / "c.yaml")


def test_faults_name_the_column_of_the_file(tmp_path):
    path = write(tmp_path, TABLE.replace("2.5", "-2.5"))
    refused(path, "row 2", "column kalium", "-2.5 mM", **SAID)


def known(path, **said):
    quantities = {"T_degC": 22, "Na_o_mM": 145, "Na_i_mM": 12, "K_i_mM": 140, "P_Na_rel": 0.05}
    return load_problem({"data": str(path), "quantities": quantities} | said)


def test_a_config_keeps_what_it_says(tmp_path):
    path = write(tmp_path, TABLE)
    problem = known(path, **SAID)
    assert problem.config["columns"] == SAID["columns"] and problem.config["ignore"] == ["kcal"]
    np.testing.assert_array_equal(problem.measurements.quantities["K_o"], [2.5, 20])


def test_a_saved_table_is_read_again_by_its_own_config(tmp_path):
    problem = known(write(tmp_path, TABLE), **SAID)
    csv = problem.measurements.to_frame().to_csv(index=False)
    config = saved_config({"config": json.dumps(problem.config), "data_csv": csv})
    (tmp_path / "data.csv").write_text(csv)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    same(problem.measurements, load_problem(tmp_path / "config.yaml").measurements)


def test_manifests_of_before_go_on():
    old = {"data_sha256": "0", "parameters": [], "config": {"model": "ghk"}}
    new = {**old, "config": {"model": "ghk", "columns": {}, "ignore": [], "missing": []}}
    assert changes(old, new) == changes(new, old) == []
    other = {**old, "config": {"model": "ghk", "columns": {"kalium": "K_o_mM"}}}
    assert changes(old, other) == ['columns.kalium: absent -> "K_o_mM"']
