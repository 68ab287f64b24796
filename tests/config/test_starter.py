"""A starter config: in order as it is written, whatever the table."""

import warnings

import pytest
import yaml

from pumpleak import InputWarning, load_problem
from pumpleak.config.starter import starter_config
from pumpleak.data.datasets import export_dataset, list_datasets, template_csv

TABLES = {
    "bare": "K_o_mM,V_m_mV\n5,-80\n20,-50\n",
    "only readings": "label,V_m_mV\na,-80\n",
    "activities": "T_degC,K_o_mM,aK_i_mM,V_m_mV\n37,4,130,-84\n",
    "all known": "T_degC,K_o_mM,K_i_mM,Na_o_mM,Na_i_mM,P_Na_rel,LJP_mV,V_offset_mV,V_m_mV\n37,5,140,145,10,0.05,0,0,-70\n",
    "chloride and calcium": "K_o_mM,Cl_o_mM,Ca_o_mM,V_m_mV\n5,125,2,-80\n",
    "odd names": 'solution,K_o_mM,V_m_mV\n"a: #b, ""c""",5,-80\n{x},20,-50\n',
    "template": template_csv(),
}


@pytest.mark.parametrize("name", TABLES)
def test_it_is_in_order_as_it_is(name, tmp_path):
    table = tmp_path / "my cells: #1.csv"
    table.write_text(TABLES[name])
    text = starter_config(table, relative_to=tmp_path)
    (tmp_path / "c.yaml").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        problem = load_problem(tmp_path / "c.yaml")
    assert problem.n_readings
    config = yaml.safe_load(text)
    assert config["title"] == "my cells: #1" and config["data"] == "my cells: #1.csv"
    assert config["ions"][:2] == ["K", "Na"]


@pytest.mark.parametrize("name", list_datasets())
def test_so_is_that_of_every_dataset(name, tmp_path):
    export_dataset(name, tmp_path / "t.csv")
    (tmp_path / "c.yaml").write_text(starter_config(tmp_path / "t.csv", relative_to=tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        assert load_problem(tmp_path / "c.yaml").n_readings


def test_guesses_are_marked():
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder) / "t.csv"
        table.write_text(TABLES["bare"])
        text = starter_config(table, relative_to=folder)
    for guess in ("T_degC", "K_i_mM", "Na_o_mM", "LJP_mV"):
        line = next(x for x in text.splitlines() if x.strip().startswith(guess))
        assert "EDIT" in line and "#" in line


def test_the_path_is_relative_to_the_config(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv").write_text(TABLES["bare"])
    assert (
        yaml.safe_load(starter_config(tmp_path / "data" / "t.csv", relative_to=tmp_path))["data"]
        == "data/t.csv"
    )
    elsewhere = yaml.safe_load(starter_config(tmp_path / "data" / "t.csv", relative_to="/elsewhere"))["data"]
    assert elsewhere == str(tmp_path / "data" / "t.csv")
