"""Chunks on Dask workers: the same run, whoever computes it and whoever dies on the way."""

import asyncio
import os
import signal
import socket

import psutil
import pytest
from plates import FAKE, N, fingerprint, same

from pumpleak import InputError, infer_batch, load_batch
from pumpleak.batch.cluster import cluster, execute

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
def test_workers_of_a_run_take_no_work_from_others(plate):
    from distributed.comm import connect
    from distributed.security import Security

    (plate / "run").mkdir()
    seen = []

    def progress(done, total, usable, flagged):
        if seen or not done:
            return
        folders = list((plate / "run").glob(".workers-*.part"))
        seen.append([oct(p.stat().st_mode & 0o777) for p in folders])
        ports = {
            c.laddr.port
            for p in [psutil.Process(), *processes()]
            for c in p.net_connections("tcp")
            if c.status == "LISTEN"
        }
        stranger = Security.temporary().get_connection_args("client")
        for port in ports:
            for address, keys in ((f"tcp://127.0.0.1:{port}", {}), (f"tls://127.0.0.1:{port}", stranger)):
                with pytest.raises((OSError, TimeoutError)):
                    asyncio.run(asyncio.wait_for(connect(address, timeout=2, **keys), 5))
        seen.append(len(ports))

    infer_batch("plate.yaml", out="run", chunk=16, workers=1, plugins=[FAKE], progress=progress)
    assert seen[0] == ["0o700"] and seen[1] >= 2, seen
    assert list((plate / "run").glob(".workers*")) == []


@pytest.mark.thorough
def test_a_cluster_with_certificates(plate, tmp_path, monkeypatch):
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    keys = Security.temporary()
    files = {}
    for name in ("tls_ca_file", "tls_client_cert", "tls_client_key"):
        files[name] = tmp_path / name
        files[name].write_text(getattr(keys, name))
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        security=keys,
        protocol="tls",
    ) as there:
        address = there.scheduler_address
        assert address.startswith("tls://")
        config = {
            "distributed.comm.tls.ca-file": str(files["tls_ca_file"]),
            "distributed.comm.tls.client.cert": str(files["tls_client_cert"]),
            "distributed.comm.tls.client.key": str(files["tls_client_key"]),
        }
        with dask.config.set(config):
            infer_batch("plate.yaml", out="run", chunk=16, scheduler=address, plugins=[FAKE])
        monkeypatch.setattr("pumpleak.batch.cluster._ANSWER", 2.0)
        with pytest.raises(InputError, match="does not answer.*certificates"):
            infer_batch("plate.yaml", out="again", chunk=16, scheduler=address, plugins=[FAKE])
    assert load_batch("run").n_cells == N


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


def test_workers_that_do_not_start_in_time_are_one_line(monkeypatch, tmp_path):
    import distributed

    (tmp_path / "chunks").mkdir()

    def late(*arguments, **more):
        raise TimeoutError

    monkeypatch.setattr(distributed, "LocalCluster", late)
    with pytest.raises(InputError, match="did not start in time.*same command again"):
        with cluster(1, None, tmp_path):
            pass
