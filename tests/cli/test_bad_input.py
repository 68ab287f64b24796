"""What is wrong with the input is said in one message that names place, value and mend; nothing is written."""

import contextlib
import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

TABLE = """\
label,solution,T_degC,K_o_mM,Na_o_mM,V_m_mV,V_m_sem_mV
low,A,22,2.5,147.5,-86.2,1
rest,A,22,5,145,-75.3,1
high,B,22,20,130,-46.4,1
"""
CONFIG = """\
model: ghk
ions: [K, Na]
data: cells.csv
quantities:
  P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}
  K_i_mM: 140
  Na_i_mM: 10
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with cells.csv and cells.yaml that are in order, and into which one goes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.csv").write_text(TABLE)
    (tmp_path / "cells.yaml").write_text(CONFIG)
    return tmp_path


#: What would clear the screen, colour it, hide a link, set the window's title, turn writing round, break a line.
HOSTILE = "A\x1b[2J\x1b[32m\x1b]8;;http://evil.example\x07\x9b8m\u202e\x7f\x85B"


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["check", "--json"],
        ["predict"],
        pytest.param(["fit", "--starts", "32"], marks=pytest.mark.thorough),
    ],
)
def test_nothing_of_a_file_steers_the_terminal(cli, here, command):
    (here / "cells.csv").write_text(TABLE.replace("rest,A", f"{HOSTILE},{HOSTILE}"), encoding="utf-8")
    escaped = HOSTILE.encode("unicode_escape").decode()
    (here / "cells.yaml").write_text(f'title: "{escaped}"\n{CONFIG}', encoding="utf-8")
    ran = cli(command[0], "cells.yaml", *command[1:])
    assert ran.code == 0, ran.err
    assert not set("\x1b\x07\x9b\u202e\x7f\x85") & set(ran.out + ran.err)
    assert "evil.example" in ran.out and ("\\x1b[2J" in ran.out or "\\u001b[2J" in ran.out)
    if "--json" in command:
        assert json.loads(ran.out)["title"] == HOSTILE


def test_a_message_is_one_line_that_can_be_read(cli, here):
    for name, value in (
        (HOSTILE, "5"),
        ("K_o_mM", "x" * 100_000),
        ("K_o_mM", f"1{HOSTILE}"),
        ("Q" * 100_000, "5"),
    ):
        escaped = name.encode("unicode_escape").decode()
        text = value.encode("unicode_escape").decode()
        (here / "cells.yaml").write_text(f'{CONFIG}  "{escaped}": "{text}"\n', encoding="utf-8")
        ran = cli("check", "cells.yaml")
        assert ran.code == 2 and ran.err.count("\n") == 1 and len(ran.err) <= 1204, ran.err[:300]
        assert ran.err.startswith("cells.yaml, line 8") and not set("\x1b\x07\x9b\u202e") & set(ran.err)
        assert ran.err.rstrip().endswith(".")


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        ("> /dev/full", 1, "The output cannot be written: No space left on device."),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("| true", None, ""),
    ],
)
def test_a_stream_that_takes_nothing_is_no_traceback(redirected, code, said):
    program = "import sys; sys.argv[1:] = ['datasets', 'list']; from pumpleak.cli.main import main; main()"
    command = f'"{sys.executable}" -c "{program}" {redirected}'
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert code is None or ran.returncode == code, ran
    assert ran.stderr.strip() == said and "Traceback" not in ran.stdout


def test_a_terminal_without_the_signs_gets_their_escapes(here):
    program = "import sys; sys.argv[1:] = ['check', 'cells.yaml']; from pumpleak.cli.main import main; main()"
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    plain.pop("PYTHONIOENCODING", None)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=plain, cwd=here
    )
    assert ran.returncode == 0, ran.stderr
    assert "\\u2022" in ran.stdout and "Traceback" not in ran.stderr


@pytest.mark.parametrize("what", ["fifo", "/dev/zero", "folder.csv"])
def test_what_is_no_file_is_not_read(refuses, here, what):
    os.mkfifo(here / "fifo")
    (here / "folder.csv").mkdir()
    (here / "cells.yaml").write_text(CONFIG.replace("cells.csv", what))
    refuses([what, "not a table"], "check", "cells.yaml")
    refuses([what, "not a config"], "check", what)
    refuses([what, "not a table"], "init", what)


@pytest.mark.parametrize(
    ("option", "value", "section"),
    [
        ("--draws", 10**12, "sampler"),
        ("--warmup", 10**9, "sampler"),
        ("--seed", 2**63, "sampler"),
        ("--seed", 10**26, "sampler"),
        ("--starts", 10**9, "fit"),
    ],
)
def test_what_would_never_end_is_refused_at_once(cli, here, option, value, section):
    command = "fit" if section == "fit" else "infer"
    ran = cli(command, "cells.yaml", option, str(value))
    assert ran.code == 2 and str(value) in ran.err and "Traceback" not in ran.err, ran
    (here / "cells.yaml").write_text(f"{CONFIG}{section}: {{{option[2:]}: {value}}}\n")
    ran = cli("check", "cells.yaml")
    assert ran.code == 2 and f"{section}.{option[2:]}" in ran.err, ran


def check_refusal(ran, parts):
    assert ran.code == 2, ran
    message = ran.err
    assert "Traceback" not in message and "Traceback" not in ran.out
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in: {message}"
    assert message.rstrip().endswith(".") and ".." not in message.replace("...", ""), message
    assert not re.search(r"pydantic|errors\.py|<class|object at 0x", message), message


@pytest.fixture
def refuses(cli, here, folder_listing):
    """Runs a command that must be refused, with every one of `parts` in the message and nothing written."""

    def run(parts, *arguments):
        before = folder_listing(here)
        ran = cli(*arguments)
        check_refusal(ran, parts)
        assert folder_listing(here) == before
        return ran.err

    return run


def test_what_they_start_from_is_in_order(cli, here):
    assert cli("check", "cells.yaml").code == 0


def line_of(text, needle):
    return text[: text.index(needle)].count("\n") + 1


# -- the table: (what replaces what, parts of the message) ----------------------------------------

TABLES = {
    "text in a number column": ("5,145,-75.3", "five,145,-75.3", ["row 3", "K_o_mM", "'five' is not a number"]),
    "nan": ("5,145,-75.3", "nan,145,-75.3", ["row 3", "K_o_mM", "'nan' is not a number", "blank"]),
    "infinity": ("-75.3", "-inf", ["row 3", "V_m_mV", "'-inf' is not a number"]),
    "decimal comma": ("-75.3,1", '"-75,3",1', ["row 3", "V_m_mV", "'-75,3'", "-75.3"]),
    "volts": (
        "-86.2,1\nrest,A,22,5,145,-75.3,1\nhigh,B,22,20,130,-46.4,1",
        "-0.0862,1\nrest,A,22,5,145,-0.0753,1\nhigh,B,22,20,130,-0.0464,1",
        ["row 2", "V_m_mV", "-0.0862 mV looks like volts", "V_m_V"],
    ),
    "negative concentration": ("22,5,145", "22,-5,145", ["row 3", "K_o_mM", "-5 mM is negative", ">= 0"]),
    "duplicate column": ("Na_o_mM", "K_o_mM", ["K_o_mM", "twice", "Keep one"]),
    "one quantity in two units": ("Na_o_mM", "K_o_M", ["K_o_M", "same as column K_o_mM"]),
    "degrees Celsius in a kelvin column": ("T_degC", "T_K", ["row 2", "T_K", "22 K looks like degrees Celsius", "T_degC"]),
    "kelvin in a Celsius column": ("A,22,5", "A,310,5", ["row 3", "T_degC", "310 degC", "kelvin", "T_K"]),
    "sem of 0": ("-75.3,1", "-75.3,0", ["row 3", "V_m_sem_mV", "0 mV is not above 0", "blank"]),
    "mistyped column": ("K_o_mM", "K_0_mM", ["K_0_mM", "did you mean", "columns: {K_0_mM: K_o_mM}"]),
    "ragged row": ("rest,A,22", "rest,A,22,7", ["row 3", "8 fields", "header of 7"]),
    "unit of another kind": ("K_o_mM", "K_o_mV", ["K_o_mV", "mV is not a unit of K_o", "K_o_mM"]),
    "column without a unit": ("K_o_mM", "K_o", ["K_o", "has no unit", "K_o_mM"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_wrong_table_is_refused(case, here, refuses):
    old, new, parts = TABLES[case]
    assert old in TABLE
    (here / "cells.csv").write_text(TABLE.replace(old, new, 1))
    refuses(["cells.csv", *parts], "check", "cells.yaml")


@pytest.mark.parametrize("text", ["", TABLE.split("\n")[0], "\n\n", "# only a comment\n"])
def test_an_empty_table_is_refused(text, here, refuses):
    (here / "cells.csv").write_text(text)
    refuses(["cells.csv", "empty", "at least one row"], "check", "cells.yaml")


def test_a_table_of_another_format_is_refused(here, refuses):
    (here / "cells.yaml").write_text(CONFIG.replace("cells.csv", "cells.mat"))
    (here / "cells.mat").write_bytes(b"MATLAB 5.0")
    refuses(["cells.mat", "CSV, TSV, Parquet or XLSX"], "infer", "cells.yaml", "--out", "out")


# -- the config ------------------------------------------------------------------------------------

_P = "P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}"
CONFIGS = {
    "unknown key": ("quantities:", "quantites:", ["quantites", "did you mean 'quantities'", "Known here"]),
    "unknown key of the sampler": ("model: ghk", "model: ghk\nsampler: {drwas: 5}", ["drwas", "did you mean 'draws'"]),
    "unknown key of data": ("cells.csv", "{fiel: cells.csv}", ["data", "fiel", "did you mean 'file'"]),
    "neither file nor dataset": ("data: cells.csv", "data: {}", ["data", "either a file or a dataset"]),
    "file and dataset": ("data: cells.csv", "data: {file: cells.csv, dataset: inab_2021}", ["data", "file or a dataset"]),
    "no data at all": ("data: cells.csv\n", "", ["'data' is missing", "`data:`"]),
    "unknown dataset": ("cells.csv", "{dataset: purkinje}", ["data.dataset", "'purkinje'", "purkinje_miura1977"]),
    "number of the wrong kind": ("model: ghk", "model: ghk\nsampler: {draws: many}", ["sampler.draws", "'many'", "is not a number"]),
    "too few draws": ("model: ghk", "model: ghk\nsampler: {draws: 5}", ["sampler.draws", "5", "50"]),
    "ions not a list": ("[K, Na]", "{K, Na}", ["ions", "a list belongs here", "Write `ions: [K, Na]`"]),
    "unknown model": ("model: ghk", "model: gkh", ["model", "'gkh'", "did you mean 'ghk'", "mullins_noda"]),
    "unknown ion": ("[K, Na]", "[K, Nq]", ["ions", "Nq"]),
    "ion twice": ("[K, Na]", "[K, K]", ["ions", "once each"]),
    "model with the wrong ions": ("model: ghk\nions: [K, Na]", "model: mullins_noda\nions: [K, Na, Cl]", ["mullins_noda", "Cl", "ghk"]),
    "reference not an ion": ("[K, Na]", "[K, Na]\nreference: Cl", ["reference", "Cl", "K, Na"]),
    "ion with no permeability": (f"  {_P}\n", "", ["P_Na_rel", "ion Na has no permeability", "take Na out of `ions`"]),
    "permeability of an ion not there": (_P, f"{_P}\n  P_Cl_rel: 0.3", ["P_Cl_rel", "K, Na", "Add Cl to `ions`"]),
    "column the table lacks": ("  Na_i_mM: 10\n", "", ["Na_i", "neither a column", "Na_i_mM"]),
    "given in the table and here": ("K_i_mM: 140", "K_i_mM: 140\n  K_o_mM: 5", ["row 2", "K_o", "2.5 mM", "quantities", "Keep one"]),
    "given twice here": ("K_i_mM: 140", "K_i_mM: 140\n  K_i_M: 0.14", ["quantities.K_i_M", "K_i is given twice", "Keep one"]),
    "no unit": ("K_i_mM: 140", "K_i: 140", ["quantities.K_i", "needs a unit", "K_i_mM"]),
    "wrong unit in the key": ("K_i_mM: 140", "K_i_mV: 140", ["quantities.K_i_mV", "cannot be in mV", "mM"]),
    "wrong unit in the value": ("K_i_mM: 140", "K_i: 140 mV", ["quantities.K_i", "cannot be in mV", "mM"]),
    "two units": ("K_i_mM: 140", "K_i_mM: 0.14 M", ["quantities.K_i_mM", "two units", "mM and M"]),
    "unit nobody knows": ("K_i_mM: 140", "K_i: 140 mmm", ["quantities.K_i", "mmm"]),
    "unit of a prior nobody knows": ("K_i_mM: 140", "K_i: {prior: normal, mean: 1, sd: 1, unit: mmm}", ["quantities.K_i", "mmm"]),
    "unit of a prior not a text": ("K_i_mM: 140", "K_i: {prior: normal, mean: 1, sd: 1, unit: 5}", ["quantities.K_i", "5"]),
    "negative concentration": ("K_i_mM: 140", "K_i_mM: -140", ["quantities.K_i_mM", "-140 mM", "negative"]),
    "negative mean of a concentration": ("K_i_mM: 140", "K_i_mM: {prior: normal, mean: -140, sd: 3}", ["quantities.K_i_mM", "-140"]),
    "negative ratio": (_P, "P_Na_rel: -0.05", ["P_Na_rel", "-0.05", "at least 0"]),
    "not a number": ("K_i_mM: 140", "K_i_mM: .nan", ["quantities.K_i_mM", "nan", "finite"]),
    "infinite": ("K_i_mM: 140", "K_i_mM: .inf", ["quantities.K_i_mM", "inf", "finite"]),
    "text for a number": ("K_i_mM: 140", "K_i_mM: high", ["quantities.K_i_mM", "'high' is not a quantity", "120 ± 10 mM"]),
    "a list for a number": ("K_i_mM: 140", "K_i_mM: [140, 3]", ["quantities.K_i_mM", "[140, 3]", "120 ± 10 mM"]),
    "a date for a number": ("K_i_mM: 140", "K_i_mM: 2020-01-14", ["quantities.K_i_mM", "2020"]),
    "yes for a number": ("K_i_mM: 140", "K_i_mM: yes", ["quantities.K_i_mM", "'yes'", "Write a number"]),
    "nothing for a number": ("K_i_mM: 140", "K_i_mM:", ["quantities.K_i_mM", "None", "number"]),
    "spread of 0": ("K_i_mM: 140", "K_i: 140 ± 0 mM", ["quantities.K_i", "140 ± 0 mM", "not above 0"]),
    "sd of 0": ("K_i_mM: 140", "K_i_mM: {prior: normal, mean: 140, sd: 0}", ["quantities.K_i_mM.sd", "0", "greater than 0"]),
    "factor below 1": ("factor: 3", "factor: 0.5", ["quantities.P_Na_rel.factor", "0.5", "greater than 1"]),
    "mean not a number": ("K_i_mM: 140", "K_i_mM: {prior: normal, mean: .nan, sd: 1}", ["quantities.K_i_mM", "nan"]),
    "endless uniform": ("K_i_mM: 140", "K_i_mM: {prior: uniform, lower: 0, upper: .inf}", ["quantities.K_i_mM", "inf"]),
    "swapped bounds": ("K_i_mM: 140", "K_i_mM: {prior: uniform, lower: 160, upper: 120}", ["quantities.K_i_mM", "swapped", "160", "120"]),
    "swapped bounds of a normal": ("K_i_mM: 140", "K_i_mM: {prior: normal, mean: 140, sd: 9, lower: 160, upper: 120}", ["quantities.K_i_mM", "swapped"]),
    "unknown prior": ("lognormal", "lognorml", ["quantities.P_Na_rel", "no prior 'lognorml'", "did you mean 'lognormal'"]),
    "prior lacks a number": (", factor: 3", "", ["quantities.P_Na_rel", "'factor' is missing in a lognormal prior", "`factor:`"]),
    "prior with another's number": ("factor: 3", "factor: 3, sd: 2", ["quantities.P_Na_rel.sd", "no key 'sd'", "median"]),
    "prior not named": ("prior: lognormal, ", "", ["quantities.P_Na_rel", "which prior", "prior: lognormal"]),
    "by an absent column": ("factor: 3}", "factor: 3, by: cel}", ["cells.csv", "quantities.P_Na_rel", "no text column 'cel'", "solution"]),
    "pooled without by": ("factor: 3}", "factor: 3, pooled: true}", ["quantities.P_Na_rel", "by:"]),
    "kelvin that is degC": ("K_i_mM: 140", "K_i_mM: 140\n  T_K: 37", ["quantities.T_K", "37", "T_degC: 37"]),
    "degC that is kelvin": ("K_i_mM: 140", "K_i_mM: 140\n  T_degC: 310", ["quantities.T_degC", "310 degC", "T_K: 310"]),
    "prior in kelvin that is degC": ("K_i_mM: 140", "K_i_mM: 140\n  T_K: {prior: normal, mean: 37, sd: 1}", ["quantities.T_K", "37", "T_degC"]),
    "temperature without a unit": ("K_i_mM: 140", "K_i_mM: 140\n  T: 37", ["quantities.T", "needs a unit", "T_degC"]),
    "unknown quantity": ("K_i_mM: 140", "K_i_mM: 140\n  V_ofset_mV: 2", ["quantities.V_ofset", "did you mean 'V_offset'"]),
    "unknown solution": ("K_i_mM: 140\n  Na_i_mM: 10", "K_i_mM: 140\n  Na_i_mM: 10\nsolutions: {C: {LJP_mV: 2}}", ["solutions.C", "no solution 'C'", "A, B"]),
    "given for a solution and in the table": ("  Na_i_mM: 10\n", "  Na_i_mM: 10\nsolutions: {B: {K_o_mM: 5}}\n", ["row 4", "K_o", "20 mM", "solutions.B", "Keep one"]),
    "swapped for itself": ("K_i_mM: 140", "K_i_mM: {swap_for: K_i, total: 150}", ["K_i", "swapped"]),
    "swapped for an inside ion": ("Na_i_mM: 10", "Na_i_mM: {swap_for: K_i, total: 150}", ["'K_i'", "no bath concentration", "Na_i could be swapped for"]),
    "swapped for nothing": ("K_i_mM: 140", "K_i_mM: {swap_for: Ka_o, total: 150}", ["'Ka_o'", "did you mean 'K_o'"]),
    "swap without a total": ("K_i_mM: 140", "K_i_mM: {swap_for: K_o}", ["quantities.K_i_mM", "'total'"]),
    "swap that leaves less than nothing": ("K_i_mM: 140", "K_i_mM: {swap_for: Na_o, total: 140}", ["row 2", "K_i", "-7.5 mM is negative", "Raise the total"]),
    "unknown noise": ("model: ghk", "model: ghk\nnoise: cauchy", ["noise", "'cauchy'", "student_t"]),
    "unknown observable": ("model: ghk", "model: ghk\nobservables: [V_n]", ["V_n"]),
    "an observable the model has not": ("model: ghk", "model: ghk\nobservables: [Cl_i]", ["Cl_i"]),
    "no observable": ("model: ghk", "model: ghk\nobservables: []", ["observables"]),
    "broken YAML": ("[K, Na]", "[K, Na", ["line 3", "not valid YAML", "Check"]),
    "key twice": ("  K_i_mM: 140\n", "  K_i_mM: 140\n  K_i_mM: 120\n", ["line 7", "quantities.K_i_mM", "twice", "Keep one"]),
    "YAML that calls Python": ("model: ghk", "model: !!python/object/apply:os.system ['touch gotcha']", ["line 1", "python/object/apply", "is not read. Leave it out"]),
    "a key that is a number": ("model: ghk", "model: ghk\n5: 6", ["5"]),
    "a YAML alias of itself": ("quantities:", "quantities: &all\n  x: *all", ["cells.yaml"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_a_wrong_config_is_refused(case, here, refuses):
    old, new, parts = CONFIGS[case]
    assert old in CONFIG
    (here / "cells.yaml").write_text(CONFIG.replace(old, new, 1))
    message = refuses(parts, "check", "cells.yaml")
    assert message.startswith(("cells.yaml", "cells.csv")), message


@pytest.mark.parametrize(
    "case, line",
    [
        ("unknown model", 1),
        ("unknown ion", 2),
        ("no unit", 6),
        ("swapped bounds", 6),
        ("negative ratio", 5),
        ("unknown solution", 8),
        ("by an absent column", 5),
        ("unknown dataset", 3),
        ("unknown quantity", 7),
    ],
)
def test_a_wrong_config_is_refused_with_its_line(case, line, here, refuses):
    old, new, _ = CONFIGS[case]
    (here / "cells.yaml").write_text(CONFIG.replace(old, new, 1))
    refuses([f"cells.yaml, line {line}"], "check", "cells.yaml")


CELLS = {
    "a mechanism it has not": ("cell: {mechanisms: {pmup: null}}", ["line 2, cell.mechanisms.pmup", "'pmup' in the preset to leave out", "'pump'"]),
    "an ion that does not move": ("cell: {mechanisms: {x: {kind: cotransporter, ions: {K: 0}, g_mS_cm2: 1}}}", ["line 2", "x.ions.K", "0 of an ion moves nothing"]),
    "the source of nothing": ("sources: {cell.zX: me}", ["line 2", "no number 'cell.zX'", "did you mean 'cell.z_X'"]),
    "measured without its unit": ("measured: {V_m: {value: -70}}", ["line 2", "measured.V_m", "did you mean 'V_m_mV'"]),
    "a reversed range": ("measured: {V_m_mV: {value: -70, range: [-60, -80]}}", ["line 2", "-60 to -80 is reversed", "[-80, -60]"]),
    "a mistyped key": ("baht: {K_o_mM: 4}", ["line 2, key baht", "did you mean 'bath'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CELLS)
def test_a_wrong_cell_is_refused(case, here, refuses):
    text, parts = CELLS[case]
    (here / "cell.yaml").write_text(f"preset: neuron\n{text}\n")
    refuses(["cell.yaml", *parts], "steady-state", "cell.yaml")


def test_a_time_nobody_gives_is_refused(here, refuses):
    (here / "cells.csv").write_text(TABLE.replace("sem_mV", "sem_mV,Cl_o_mM").replace(",1\n", ",1,150\n"))
    config = "model: pump_leak\ncell: {preset: frog_muscle}\nprotocol: at\nbaseline: rest\ndata: cells.csv\n"
    (here / "cells.yaml").write_text(config)
    refuses(["cells.yaml, line 3, key protocol", "'low' is at", "Give t_s"], "check", "cells.yaml")


@pytest.mark.parametrize(
    "content", [b"", b"   \n", b"just words", b"- a\n- b\n", b"\x89HDF\r\n\x1a\n\x00\xff", bytes(range(256))]
)
def test_what_is_no_config_is_refused(content, here, refuses):
    (here / "cells.yaml").write_bytes(content)
    refuses(["cells.yaml"], "check", "cells.yaml")


@pytest.mark.parametrize("command", ["check", "predict", "fit", "infer"])
def test_a_missing_config_is_refused(command, refuses):
    refuses(["cell.yaml", "no such file", "did you mean 'cells.yaml'"], command, "cell.yaml")


def test_a_folder_as_config_is_refused(here, refuses):
    refuses(["is a folder, not a config", "e.g.", "cells.yaml"], "check", str(here))


@pytest.mark.parametrize("command", ["check", "predict", "fit", "infer"])
def test_a_missing_table_is_refused(command, here, refuses):
    (here / "cells.csv").unlink()
    refuses(["cells.csv", "no such file", "Check the path"], command, "cells.yaml")


def test_init_of_a_missing_table_is_refused(refuses):
    refuses(["nothing.csv", "no such file"], "init", "nothing.csv")


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["fit", "cells.yaml", "--method", "bayes"], ["bayes", "map, ml"]),
        (["predict", "cells.yaml", "--set", "P_Na_rel"], ["P_Na_rel", "NAME=NUMBER"]),
        (["predict", "cells.yaml", "--set", "P_Na_rel=low"], ["P_Na_rel=low", "NAME=NUMBER"]),
        (["predict", "cells.yaml", "--set", "P_Na=0.1"], ["'P_Na'", "did you mean 'P_Na_rel'"]),
        (["predict", "cells.yaml", "--set", "K_o_mM=10"], ["K_o is known in these rows", "a table of them"]),
        (
            ["predict", "cells.yaml", "--set", "K_o=10 mM"],
            ["K_o=10 mM", "its unit in the name", "K_i_mM=140"],
        ),
        (["infer", "cells.csv"], ["cells.csv: is a table, not a config", "pumpleak init cells.csv"]),
        (["predict", "cells.yaml", "--set", "P_Na_rel=nan"], ["P_Na_rel", "nan"]),
        (["predict", "cells.yaml", "--set", "P_Na_rel=-1"], ["P_Na_rel", "-1", "0"]),
        (["predict", "cells.yaml", "--from", "nowhere"], ["nowhere", "no such result"]),
        (["report", "nowhere"], ["nowhere", "no such result"]),
        (["init", "cells.csv", "--plugin", "mine.py"], ["mine.py", "no such plugin"]),
        (["steady-state", "--preset", "neuron", "--plugin", "mine.py"], ["mine.py", "no such plugin"]),
        (["simulate", "--preset", "neuron", "--plugin", "mine.py"], ["mine.py", "no such plugin"]),
        (["check", "cells.yaml", "--plugin", "mine.py"], ["mine.py", "no such plugin"]),
        (["datasets", "show", "purkinje"], ["'purkinje'", "did you mean", "purkinje_miura1977"]),
        (["datasets", "export", "nothing", "x.csv"], ["'nothing'"]),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) and "/" not in x[0] and len(x[0]) < 9 else None,
)
def test_a_wrong_option_is_refused(arguments, parts, refuses):
    refuses(parts, *arguments)


def test_a_plugin_that_fails_is_refused(here, refuses):
    (here / "mine.py").write_text("x = 1\nthis_is_not_defined\n")
    refuses(["mine.py", "this_is_not_defined"], "check", "cells.yaml", "--plugin", "mine.py")
    (here / "mine.py").write_text("x = = 1\n")
    refuses(["mine.py", "line 1"], "check", "cells.yaml", "--plugin", "mine.py")


@pytest.mark.parametrize(
    "written, mend",
    [("1_000", "Write 1000"), ("１０００", "Write 1000"), ("0100", "Write 100"), ("1.5", "whole")],
)
@pytest.mark.parametrize(
    "command, option", [("infer", "--draws"), ("batch", "--chunk"), ("identify", "--points")]
)
def test_numbers_of_options_are_decimal(command, option, written, mend, cli, here, folder_listing):
    before = folder_listing(here)
    ran = cli(command, "cells.yaml", option, written)
    assert ran.code == 2 and option in ran.err and mend in ran.err and folder_listing(here) == before


@pytest.mark.parametrize("option", [["--draws", "3"], ["--chains", "0"], ["--seed", "-1"], ["--nonsense"]])
def test_options_out_of_range_are_refused_before_anything_runs(option, cli, here, folder_listing):
    before = folder_listing(here)
    ran = cli("infer", "cells.yaml", *option)
    assert ran.code == 2 and option[0] in ran.err and "Traceback" not in ran.err
    assert folder_listing(here) == before


# -- results that are none -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(inferred, tmp_path_factory):
    """The bytes of a result that is in order."""
    return (inferred.save(tmp_path_factory.mktemp("whole") / "good") / "posterior.nc").read_bytes()


@pytest.fixture
def broken(here, whole):
    """Results that cannot be used: cut short, written by another program, text."""
    (here / "cut.nc").write_bytes(whole[: len(whole) // 2])
    (here / "text.nc").write_text("not a netCDF file")
    xr.Dataset({"x": 1.0}).to_netcdf(here / "foreign.nc", engine="h5netcdf")
    (here / "empty").mkdir()
    return here


@pytest.mark.parametrize("name", ["cut.nc", "text.nc", "foreign.nc", "empty"])
@pytest.mark.parametrize("command", [["report"], ["predict", "cells.yaml", "--from"]], ids=lambda c: c[0])
def test_what_is_no_result_is_refused(command, name, broken, refuses):
    refuses([name, "infer"], *command, name)


# -- output ----------------------------------------------------------------------------------------

SHORT = ("--chains", "2", "--warmup", "50", "--draws", "50")


def test_existing_output_is_kept_without_force(here, refuses, cli):
    (here / "out").mkdir()
    (here / "out" / "notes.txt").write_text("mine")
    refuses(["out", "notes.txt", "another --out"], "infer", "cells.yaml", "--out", "out", *SHORT)
    for verb in ("infer", "identify", "calibrate", "sensitivity", "design"):
        # Before anything is computed: the message stands alone, without a progress bar.
        said = refuses(["is a file, not a folder"], verb, "cells.yaml", "--out", "cells.csv/sub")
        assert "0:00" not in said
        refuses(["notes.txt", "not replaced"], verb, "cells.yaml", "--out", "out", "--force")
    (here / "taken.yaml").write_text("mine")
    refuses(["taken.yaml", "exists already"], "init", "cells.csv", "--out", "taken.yaml")
    refuses(["cells.csv", "exists"], "datasets", "export", "inab_2021", "cells.csv")
    refuses(["cells.csv", "exists"], "datasets", "template", "cells.csv")


def test_force_does_not_delete_a_folder_that_is_no_result(here, refuses, monkeypatch):
    monkeypatch.setattr("pumpleak.inference.infer.infer", never)
    (here / "papers").mkdir()
    (here / "papers" / "thesis.docx").write_text("mine")
    refuses(["papers", "thesis.docx", "--out"], "infer", "cells.yaml", "--out", "papers", "--force", *SHORT)


def never(*_, **__):
    pytest.fail("sampling began although the output could never be written")


def test_unwritable_output_is_refused_before_sampling(here, refuses, monkeypatch):
    monkeypatch.setattr("pumpleak.inference.infer.infer", never)
    refuses(["cells.csv", "--out"], "infer", "cells.yaml", "--out", "cells.csv/out", *SHORT)
    refuses(["cells.csv", "--out"], "infer", "cells.yaml", "--out", "cells.csv", "--force", *SHORT)


def test_unwritable_config_and_table_are_refused(refuses):
    refuses(["cells.csv/x.yaml", "cannot be written"], "init", "cells.csv", "--out", "cells.csv/x.yaml")
    refuses(["cells.csv/x.csv", "cannot be written"], "datasets", "template", "cells.csv/x.csv")


def test_a_full_disk_leaves_nothing(here, refuses, monkeypatch, inferred):
    monkeypatch.setattr("pumpleak.inference.infer.infer", lambda *_, **__: inferred)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full)
    refuses(["deep/out", "No space left", "--out"], "infer", "cells.yaml", "--out", "deep/out")
    (here / "old").mkdir()
    (here / "old" / "summary.csv").write_text("mine")
    refuses(["old", "No space left"], "infer", "cells.yaml", "--out", "old", "--force")


def test_a_file_system_that_takes_no_more_leaves_nothing(here, refuses, monkeypatch, inferred):
    """A real refusal of the operating system in the middle of the netCDF file."""
    monkeypatch.setattr("pumpleak.inference.infer.infer", lambda *_, **__: inferred)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        refuses(["out", "cannot be written"], "infer", "cells.yaml", "--out", "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# -- Ctrl-C ----------------------------------------------------------------------------------------


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.thorough
def test_ctrl_c_while_sampling_leaves_nothing(cli, here, folder_listing, monkeypatch):
    from pumpleak.inference import infer as inference

    real = inference.infer
    calls = []

    def stopping(problem, *, progress, **settings):
        def stop(done, total):
            calls.append(done)
            if done:
                raise KeyboardInterrupt

        return real(problem, progress=stop, **settings)

    monkeypatch.setattr(inference, "infer", stopping)
    before = folder_listing(here)
    # As the console script below, which need not compile it again.
    ran = cli("infer", "cells.yaml", "--chains", "2", "--draws", "100000")
    assert ran.code == 130 and "Stopped. Nothing was written." in ran.err and "Traceback" not in ran.err
    assert 0 < calls[-1] < 200_200
    assert folder_listing(here) == before


def test_ctrl_c_while_writing_leaves_nothing(cli, here, folder_listing, monkeypatch, inferred):
    monkeypatch.setattr("pumpleak.inference.infer.infer", lambda *_, **__: inferred)
    monkeypatch.setattr("pumpleak.reports.html.render", interrupted)
    before = folder_listing(here)
    ran = cli("infer", "cells.yaml", "--out", "deep/out")
    assert ran.code == 130 and "Stopped" in ran.err and "Traceback" not in ran.err
    assert folder_listing(here) == before


SIGNALS = """\
import pathlib
from pumpleak.inference import infer as inference

run_nuts = inference.run_nuts

def watched(*arguments, progress, **settings):
    def seen(done):
        if done:
            pathlib.Path({started!r}).touch()
        progress(done)
    return run_nuts(*arguments, progress=seen, **settings)

inference.run_nuts = watched
"""


def test_ctrl_c_from_the_keyboard(here, folder_listing, tmp_path_factory):
    """The console script, a real signal, in the midst of a sampling that would take many minutes."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "watch.py").write_text(SIGNALS.format(started=str(outside / "started")))
    before = folder_listing(here)
    script = Path(sys.executable).with_name("pumpleak")
    process = subprocess.Popen(
        [script, "infer", "cells.yaml", "--draws", "1000000", "--chains", "2", "--plugin", outside / "watch.py"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(600):
        time.sleep(0.1)
        if (outside / "started").exists() or process.poll() is not None:
            break
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Stopped. Nothing was written." in err and "Traceback" not in err + out
    assert folder_listing(here) == before


def test_ctrl_c_that_an_import_turns_into_its_own_error(cli, monkeypatch, folder_listing, here):
    """As JAX's does: KeyboardInterrupt in the midst of its modules comes out as ImportError."""

    def importing(*_):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ImportError("cannot import name 'jit'")

    monkeypatch.setattr("pumpleak.config.load.load_problem", importing)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    try:
        ran = cli("check", "cells.yaml")
        assert ran.code == 130 and "Stopped" in ran.err and "Traceback" not in ran.err
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_closed_pipe_is_no_error(here):
    script = Path(sys.executable).with_name("pumpleak")
    process = subprocess.run(
        f"'{script}' datasets show inab_2021 | true", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in process.stderr and "Error" not in process.stderr
