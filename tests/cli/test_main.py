"""The command line: every command on good input, tables and JSON, results from end to end."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import pumpleak
from pumpleak.inference.fit import Estimate
from pumpleak.reports.problem_documents import fit_document


@pytest.fixture
def config(titration):
    return titration / "cells.yaml"


def from_json(ran):
    assert ran.code == 0, ran.err

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(ran.out, parse_constant=refuse)


def test_check_shows_what_was_understood(cli, config):
    ran = cli("check", config)
    assert ran.code == 0 and ran.err == ""
    for part in ("A titration", "4 readings in 4 rows", "P_Na_rel", "median 0.05, factor 3", "in order"):
        assert part in ran.out
    d = from_json(cli("check", config, "--json"))
    assert d["model"] == "ghk" and [p["name"] for p in d["parameters"]] == ["P_Na_rel", "V_offset"]


def test_predict(cli, config, inferred, tmp_path):
    rows = from_json(cli("predict", config, "--set", "P_Na_rel=0.03", "--set", "V_offset=0", "--json"))[
        "rows"
    ]
    direct = pumpleak.ghk_voltage([1.0, 0.03], [2.5, 147.5], [140.0, 10.0], [1, 1], 295.15)
    assert rows[0]["V_m_mV"] == pytest.approx(float(direct), rel=1e-12)
    assert rows[0]["V_m_read_mV"] == -86.2
    ran = cli("predict", config)
    assert ran.code == 0 and "readings expected from the prior" in ran.out and "95 % interval" in ran.out
    inferred.save(tmp_path / "out")
    after = from_json(cli("predict", config, "--from", tmp_path / "out", "--json"))["rows"]
    before = from_json(cli("predict", config, "--json"))["rows"]
    for one, two in zip(before, after, strict=True):
        assert two["V_m_high_mV"] - two["V_m_low_mV"] < one["V_m_high_mV"] - one["V_m_low_mV"]


def test_fit(cli, config, monkeypatch):
    from pumpleak.inference import fit as fitting

    real, found = fitting.fit, []
    monkeypatch.setattr(fitting, "fit", lambda *a, **k: found.append(real(*a, **k)) or found[-1])
    d = from_json(cli("fit", config, "--json", "--starts", "32"))
    by_name = {e["name"]: e for e in d["estimates"]}
    assert 0.005 < by_name["P_Na_rel"]["value"] < 0.05 and by_name["P_Na_rel"]["se"] > 0
    assert d["starts"] == 32 and d["failed"] == 0 and d["words"]
    monkeypatch.setattr(fitting, "fit", lambda problem, method, **_: replace(found[0], method=method))
    ran = cli("fit", config, "--method", "ml")
    assert ran.code == 0 and "maximum likelihood" in ran.out and "P_Na_rel" in ran.out


def test_what_the_data_do_not_determine_is_no_answer():
    nan = float("nan")
    known = Estimate("T", "K", 294.0, 1.0, 292.0, 296.0, 0.9, "")
    open_ = Estimate("P_Na_rel", "1", 0.0298, nan, nan, nan, 0.5, "")

    def answered(*estimates):
        found = SimpleNamespace(
            estimates=estimates,
            words=lambda: ["Found."],
            method="ml",
            optima=(),
            as_dict=dict,
            problem=SimpleNamespace(model=SimpleNamespace(setting=SimpleNamespace(reference="K"))),
        )
        return fit_document(found, "A cell")

    assert answered(open_).headline == "Found."
    both = answered(open_, known)
    assert both.headline == "T 20.9 °C (18.9 … 22.9). Found."
    assert [str(r[0]) for r in both.sections[0].blocks[0].rows] == ["P_Na_rel", "T"]


def test_infer_from_end_to_end(cli, config, tmp_path, request):
    out = tmp_path / "deep" / "out"
    # As `inferred`, whose programs are compiled already.
    arguments = ("infer", config, "--draws", "300", "--warmup", "200", "--chains", "2", "--seed", "3")
    d = from_json(cli(*arguments, "--out", out, "--json"))
    assert d["out"] == str(out) and {p["parameter"] for p in d["parameters"]} == {"P_Na_rel", "V_offset"}
    assert d["verdict"]["headline"]
    assert {"posterior.nc", "summary.csv", "report.html", "config.yaml", "data.csv"} <= {
        p.name for p in out.iterdir()
    }
    assert out.stat().st_mode & 0o777 == 0o755
    drawn = (out / "report.html").read_text()
    assert drawn.count('src="data:image/svg') >= 5
    request.getfixturevalue("undrawn")
    again = cli("report", out)
    assert again.code == 2 and "exists already" in again.err
    assert cli("report", out, "--force").code == 0
    assert (out / "report.html").read_text() != drawn
    assert cli("report", out / "posterior.nc", "--out", tmp_path / "other.html").code == 0
    assert (tmp_path / "other.html").read_text().startswith("<!")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out"]


def test_results_go_to_a_folder_of_the_configs_name(cli, config, inferred, tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pumpleak.inference.infer.infer", lambda *_, **__: inferred)
    for force in ([], ["--force"]):
        ran = cli("infer", config, *force)
        assert ran.code == 0 and "Written to" in ran.out and "contraction" in ran.out
    assert (tmp_path / "results" / "cells" / "report.html").is_file()
    assert [p.name for p in (tmp_path / "results").iterdir()] == ["cells"]


def test_init_writes_a_config_that_checks(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("datasets", "template", "mine.csv").code == 0
    ran = cli("init", "mine.csv")
    assert ran.code == 0 and "Written: mine.yaml" in ran.out
    assert cli("check", "mine.yaml").code == 0
    assert cli("init", "mine.csv").code == 2
    assert cli("init", "mine.csv", "--force").code == 0
    assert cli("init", "mine.csv", "--out", "configs/mine.yaml").code == 0
    assert cli("check", "configs/mine.yaml").code == 0


def test_datasets(cli, tmp_path):
    found = from_json(cli("datasets", "list", "--json"))
    assert found == pumpleak.list_datasets()
    assert "textbook_resting" in cli("datasets", "list").out
    shown = cli("datasets", "show", "inab_2021").out
    assert "Licence" in shown and "Caveats" in shown
    assert cli("datasets", "export", "inab_2021", tmp_path / "t.csv").code == 0
    again = pumpleak.read_table(tmp_path / "t.csv")
    assert list(again.value) == list(pumpleak.load_dataset("inab_2021").value)


def test_a_warning_is_printed_once_and_plainly(cli):
    config = Path(__file__).parents[2] / "configs" / "ehrlich_ascites.yaml"
    ran = cli("check", config)
    assert ran.code == 0 and ran.err.count("Warning:") == 1 and "do not balance" in ran.err
    assert ".py" not in ran.err


def test_a_plugin_brings_a_model(cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pumpleak import Quantity, register_model\n"
        "@register_model('plugged', quantities=[Quantity('E_rest', 'mV', 'rest', None, -200.0)])\n"
        "def plugged(values, setting):\n    return values['E_rest']\n"
    )
    (tmp_path / "t.csv").write_text("label,V_m_mV,V_m_sem_mV\na,-60,1\n")
    (tmp_path / "c.yaml").write_text(
        "model: plugged\ndata: t.csv\nquantities:\n  E_rest_mV: {prior: normal, mean: -50, sd: 20}\n"
    )
    ran = cli("check", tmp_path / "c.yaml", "--plugin", tmp_path / "mine.py")
    assert ran.code == 0, ran.err
    assert "E_rest" in ran.out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["infer", "--help"], ["datasets"]])
def test_help(cli, arguments):
    ran = cli(*arguments)
    assert "Usage" in ran.out + ran.err and ran.code == (0 if "--help" in arguments else 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc"], "pumpleak: No such command 'chekc'. Did you mean 'check'? See: pumpleak --help."),
        (["check"], "pumpleak check: Missing argument 'CONFIG'. See: pumpleak check --help."),
        (["check", "--jsn", "x"], "pumpleak check: No such option: --jsn (Possible options: --json). See"),
        (["check", "x", "y"], "pumpleak check: Got unexpected extra argument(s) (y). See"),
        (["predict", "x", "--seed"], "Option '--seed' requires an argument. See"),
        (
            ["infer", "x", "--seed", "q"],
            "pumpleak infer: Invalid value for '--seed': 'q' is not a number. Give a number",
        ),
        (
            ["batch", "x", "--chunk", "0"],
            "Invalid value for '--chunk': 0 is less than 1",
        ),
        (["datasets", "sho"], "pumpleak datasets: No such command 'sho'. Did you mean 'show'?"),
        (["check", "x", "--\x1b[2J\n"], "No such option: --"),
    ],
)
def test_a_command_line_that_is_not_understood_is_told_so_in_a_line(cli, arguments, said):
    ran = cli(*arguments)
    assert ran.code == 2 and not ran.out and ran.err.count("\n") == 1 and said in ran.err, ran
    assert ran.err.endswith(" --help.\n") and "\x1b" not in ran.err and ".." not in ran.err


def test_version(cli):
    assert cli("--version").out.strip() == f"pumpleak {pumpleak.__version__}"


def test_the_console_script():
    script = Path(sys.executable).with_name("pumpleak")
    bad = subprocess.run([script, "datasets", "show", "nothing"], capture_output=True, text=True)
    assert bad.returncode == 2 and "no dataset 'nothing'" in bad.stderr and "Traceback" not in bad.stderr
