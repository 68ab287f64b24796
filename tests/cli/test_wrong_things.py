"""What is given to a verb and is another's: which thing it is, and the way that works, which is then accepted."""

import pytest

TABLE = "label,T_degC,K_o_mM,Na_o_mM,V_m_mV,V_m_sem_mV\nlow,22,2.5,147.5,-86.2,1\nhigh,22,20,130,-46.4,1\n"
CONFIG = """\
data: cells.csv
quantities: {P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}, K_i_mM: 140, Na_i_mM: 10}
"""
OWN = """\
from pumpleak import Quantity, list_models, register_model
if "of_my_own" not in list_models():
    @register_model("of_my_own", quantities=[Quantity("E_rest", "mV", "rest", None, -200.0)])
    def mine(values, setting):
        return values["E_rest"]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a table, a config, and folders that look like a result, a batch run and a study."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.csv").write_text(TABLE)
    (tmp_path / "cells.yaml").write_text(CONFIG)
    for name, file in (("result", "posterior.nc"), ("run", "manifest.json"), ("study", "study.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
        (tmp_path / name / "config.yaml").write_text(CONFIG.replace("cells.csv", "../cells.csv"))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("contrast run --parameter P_Na_rel", "run: is the folder of a batch run, not a result"),
        ("predict cells.yaml --from run", "run: is the folder of a batch run, not a result"),
        ("design cells.yaml --from cells.yaml", "pumpleak infer cells.yaml"),
        ("sensitivity cells.yaml --from study", "study/report.html"),
        ("report cells.csv", "pumpleak init cells.csv"),
        ("report study", "pumpleak report RESULT --study study"),
        ("report result --study run", "not the folder of a study"),
        ("report run --study study", "--study is for a result of infer"),
        ("identify result", "result/config.yaml"),
        ("compare run cells.yaml", "run/config.yaml"),
        ("calibrate study", "Give the config that it is a study of"),
        ("batch result", "result/config.yaml"),
        ("batch cells.yaml --data result", "result/data.csv"),
        ("steady-state cells.csv", "`cell:` and `bath:`"),
        ("simulate run", "not a cell's file"),
        ("init cells.yaml", "pumpleak check cells.yaml"),
        ("check cells.yaml --plugin cells.csv", "cells.csv: is a table, not a Python file"),
        ("infer cells.yaml --out cells.csv/x", "cells.csv is a file, not a folder. Give another --out"),
        ("batch cells.yaml --by label --out cells.csv/x", "cells.csv is a file, not a folder. Give another --out"),
        ("identify cells.yaml --out run", "holds config.yaml, which is not of a result"),
        ("init cells.csv --out run --force", "run: is a folder, not a file. Give another name"),
        ("datasets export textbook_resting run", "run: is a folder, not a file"),
        ("datasets template cells.csv/x.csv", "cells.csv is a file, not a folder"),
    ],
)  # fmt: skip
def test_the_way_that_works_is_named(cli, here, folder_listing, line, said):
    before = folder_listing(here)
    ran = cli(*line.split())
    assert ran.code == 2 and len(ran.err.strip().splitlines()) == 1 and said in ran.err, ran
    assert folder_listing(here) == before


@pytest.mark.parametrize("name", ["result", "run"])
def test_the_config_that_is_named_is_accepted(cli, here, name):
    refused = cli("check", name)
    named = refused.err.rstrip().removesuffix(".").rpartition(" ")[2]
    assert refused.code == 2 and named == f"{name}/config.yaml"
    assert cli("check", named).code == 0


def test_a_plugin_that_was_left_out_is_named(cli, here):
    (here / "own.py").write_text(OWN)
    (here / "own.yaml").write_text(
        "model: of_my_own\ndata: t.csv\nquantities: {E_rest_mV: {prior: normal, mean: -50, sd: 20}}\n"
    )
    (here / "t.csv").write_text("label,V_m_mV,V_m_sem_mV\na,-60,1\n")
    for line in (
        "check own.yaml",
        "predict own.yaml --from result",
        "design own.yaml --from result",
    ):
        ran = cli(*line.split())
        assert ran.code == 2 and ran.err.count("\n") == 1, ran
        assert "no model 'of_my_own'" in ran.err and "--plugin FILE" in ran.err
    ran = cli("check", "own.yaml", "--plugin", "own.py")
    assert ran.code == 0 and "E_rest" in ran.out, ran.err


def test_a_mechanism_of_a_plugin_that_was_left_out_is_named(cli, here):
    (here / "cell.yaml").write_text("preset: neuron\ncell: {mechanisms: {odd: {kind: of_my_own, ion: K}}}\n")
    ran = cli("steady-state", "cell.yaml")
    assert ran.code == 2 and "no kind 'of_my_own'" in ran.err and "--plugin FILE" in ran.err, ran
