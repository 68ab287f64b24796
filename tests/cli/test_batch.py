"""The command batch, as the console script would run it: what is printed, exit codes, bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plates import FAKE, KILLED, N, fingerprint, table, write

from pumpleak import load_batch


def test_it_prints_the_verdict_first_and_writes_the_folder(plate, cli):
    ran = cli("batch", "plate.yaml")
    assert ran.code == 0, ran.err
    batch = load_batch("results/plate")
    first, *rest = ran.out.splitlines()
    assert first.startswith("P_Na/P_K ") and first.endswith(f"5 to 95 % of the cells. {batch.headline}.")
    for word in ("bad_input", "importance", "P_Na_rel", "5–95 % of cells", "results/plate/", "flagged.csv"):
        assert any(word in line for line in rest), word
    again = cli("batch", "plate.yaml", "--resume")
    assert again.code == 0 and "finished already" in again.err and first in again.out


def test_json_and_overrides(plate, cli):
    table().rename(columns={"cell": "well"}).to_parquet("other.parquet")
    ran = cli(
        "batch", "plate.yaml", "--data", "other.parquet", "--by", "well", "--out", "run", "--engine", "importance",
        "--draws", 0, "--seed", 5, "--chunk", 32, "--json",
    )  # fmt: skip
    found = json.loads(ran.out)
    assert found["cells"] == N and found["usable"] + sum(found["flagged"].values()) == N
    engine = {"engine": "importance", "loo": False, "width": 64, "chunk": 32}
    assert found["engine"] == engine | {"end_error": 0.05}
    assert found["rungs"]["importance"] == N - 1 and found["parameters"][0]["parameter"] == "P_Na_rel"
    manifest = load_batch("run").manifest
    assert (manifest["draws"], manifest["seed"], manifest["config"]["batch"]["by"]) == (0, 5, "well")


def test_a_job_array(plate, cli):
    planned = cli("batch", "plate.yaml", "--out", "run", "--chunk", 16, "--seed", 0, "--plan")
    assert planned.code == 0 and "90 cells in 6 chunks of 16" in planned.out
    assert "plate.yaml --seed 0 --chunk 16 --out run --shard $SLURM_ARRAY_TASK_ID/6" in planned.out
    assert "plate.yaml --out run --collect" in planned.out
    assert cli("batch", "plate.yaml", "--out", "run", "--seed", 0, "--shard", "1/2").code == 0
    missing = cli("batch", "plate.yaml", "--out", "run", "--collect")
    assert missing.code == 2 and "3 of 6 chunks are missing: 1, 3, 5" in missing.err
    assert (
        "Shard 2/2 is done" in cli("batch", "plate.yaml", "--out", "run", "--seed", 0, "--shard", "2/2").out
    )
    assert "usable" in cli("batch", "plate.yaml", "--out", "run", "--collect").out
    assert cli("batch", "plate.yaml", "--out", "whole", "--seed", 0, "--chunk", 16).code == 0
    assert fingerprint("run") == fingerprint("whole")


@pytest.mark.parametrize(
    "options, says",
    [
        (["--resume"], "there is no earlier run to go on with"),
        (["--collect"], "there is no run to collect"),
        (["--shard", "3"], "--shard 3 is not I/N"),
        (["--shard", "4/3"], "--shard 4/3 is not I/N"),
        (["--plan", "--shard", "1/2"], "--plan and --shard do not go together"),
        (["--resume", "--force"], "--resume and --force do not go together"),
        (["--workers", "2", "--scheduler", "tcp://x:1"], "do not go together"),
        (["--engine", "magic"], "'magic' will not do"),
        (["--device", "gpu"], "a gpu is asked for"),
        (["--data", "nowhere.csv"], "nowhere.csv: there is no such file"),
        (["--by", "wel"], "there is no column 'wel'"),
        (["--strict"], "looks like volts"),
        (["--plugin", "nothing.py"], "there is no such plugin"),
    ],
)
def test_bad_input_is_one_message_and_code_2(plate, cli, options, says):
    ran = cli("batch", "plate.yaml", "--out", "run", *options)
    assert ran.code == 2 and says in ran.err and "Traceback" not in ran.err
    assert not (plate / "run").exists()


def test_another_runs_folder(plate, cli):
    assert cli("batch", "plate.yaml", "--out", "run").code == 0
    ran = cli("batch", "plate.yaml", "--out", "run", "--seed", 9)
    assert ran.code == 2 and "holds another run: seed: 1 -> 9" in ran.err
    assert cli("batch", "plate.yaml", "--out", "run", "--seed", 9, "--force").code == 0


def test_report_knows_a_batch(plate, cli, monkeypatch):
    assert cli("batch", "plate.yaml", "--out", "run").code == 0
    asked = []
    monkeypatch.setattr(
        "pumpleak.reports.batch_page.report_batch",
        lambda path, out=None, cell=None, force=False: asked.append((path, cell)) or Path("page.html"),
    )
    ran = cli("report", "run", "--cell", "c001")
    assert "Written: page.html" in ran.out and asked == [(Path("run"), "c001")]
    assert cli("report", "plate.yaml", "--cell", "c001").code == 2


@pytest.mark.thorough
def test_ctrl_c_says_how_much_is_done_and_exits_130(tmp_path):
    write(tmp_path)
    log = tmp_path / "log"
    env = {"FAKE_SECONDS": "0.1", "FAKE_LOG": str(log)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(fake=str(FAKE)), "run"], cwd=tmp_path, text=True,
        env=os.environ | env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") > 12):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130, said
    assert "Stopped: " in said and "The same command goes on" in said and "Traceback" not in said
    assert "Nothing was written" not in said
