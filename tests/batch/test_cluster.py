"""Chunks on Dask workers: the same run, whoever computes it and whoever dies on the way."""

import os
import signal
import socket

import psutil
import pytest
from plates import FAKE, N, fingerprint, same

from pumpleak import InputError, infer_batch
from pumpleak.batch.cluster import execute

pytestmark = pytest.mark.filterwarnings("default")  # Dask's own, at shutting down


def processes():
    children = psutil.Process().children(recursive=True)
    return [p for p in children if any("spawn_main" in word for word in p.cmdline())]


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_is_replaced(plate, monkeypatch):
    calm = infer_batch("plate.yaml", out="calm", chunk=4)
    monkeypatch.setenv("FAKE_SECONDS", "0.05")
    monkeypatch.setenv("FAKE_LOG", str(plate / "log"))
    killed, said = [], []

    def progress(done, total, usable, flagged):
        if done > 20 and not killed:
            killed.append(processes()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    run = infer_batch(
        "plate.yaml", out="run", chunk=4, workers=2, plugins=[FAKE], progress=progress, say=said.append
    )
    assert killed and "2 workers" in said[0]
    assert fingerprint("run") == fingerprint("calm")
    same(run, calm)
    assert len(set((plate / "log").read_text().split())) == N - 1
    assert processes() == []


@pytest.mark.thorough
def test_an_existing_cluster(plate):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as there:
        infer_batch("plate.yaml", out="run", chunk=16, scheduler=there.scheduler_address, plugins=[FAKE])
        held = infer_batch("plate.yaml", chunk=16, scheduler=there.scheduler_address, plugins=[FAKE])
    same(held, infer_batch("plate.yaml", out="calm", chunk=16))
    assert fingerprint("run") == fingerprint("calm")


def test_a_scheduler_that_does_not_answer(plate, monkeypatch, cli):
    monkeypatch.setattr("pumpleak.batch.cluster._ANSWER", 1.0)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]  # nobody listens
    for address in (f"tcp://127.0.0.1:{port}", "nonsense://x"):
        ran = cli("batch", "plate.yaml", "--out", "run", "--scheduler", address)
        assert ran.code == 2 and f"the scheduler {address} does not answer" in ran.err, ran.err
        assert "Traceback" not in ran.err and not (plate / "run").exists()
    with pytest.raises(InputError, match="not both"):
        infer_batch("plate.yaml", workers=2, scheduler="tcp://x:1")


def test_a_plugin_that_is_elsewhere_travels_as_text(tmp_path):
    mark = tmp_path / "mark"
    execute("/nowhere/plugin.py", f"from pathlib import Path; Path({str(mark)!r}).write_text(__file__)")
    assert mark.read_text().endswith("plugin.py")
