"""A run that is stopped, or whose folder is taken away: one line, true to what is there, and the way on."""

import multiprocessing
import shutil
import signal
import time
from pathlib import Path

import pytest
from plates import fingerprint

from pumpleak import infer_batch
from pumpleak.batch import cluster
from pumpleak.batch.folder import Run
from pumpleak.files import whole

GO_ON = "The same command goes on from there."


def stops_in(monkeypatch, name, after=0):
    """Ctrl-C as a method of a run is called for the time `after`, counted from 0."""
    real, left = getattr(Run, name), [after]

    def stopped(*arguments, **more):
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        return real(*arguments, **more)

    monkeypatch.setattr(Run, name, stopped)


@pytest.mark.parametrize(
    "where, after, done",
    [("todo", 0, 0), ("collect", 0, 90), ("_gather", 0, 90), ("write", 2, None)],
)
def test_ctrl_c_anywhere_says_what_is_kept(plate, cli, monkeypatch, where, after, done):
    with monkeypatch.context() as m:
        stops_in(m, where, after)
        ran = cli("batch", "plate.yaml", "--out", "run", "--chunk", 16)
    last = ran.err.splitlines()[-1]
    assert ran.code == 130 and "Traceback" not in ran.err
    kept = sum(1 for _ in Path("run/chunks").glob("*.json"))
    cells = min(90, 16 * kept)
    assert last == f"Stopped: {cells} of 90 cells are done and kept in run. {GO_ON}", ran.err
    assert cells == (32 if done is None else done)
    assert not list(Path("run").glob(".*.part"))
    assert cli("batch", "plate.yaml", "--out", "run", "--chunk", 16).code == 0
    infer_batch("plate.yaml", out="calm", chunk=16)
    assert fingerprint("run") == fingerprint("calm")


def test_ctrl_c_before_a_run_goes_on_leaves_what_was_there(plate, cli, monkeypatch):
    infer_batch("plate.yaml", out="run", chunk=16)
    with monkeypatch.context() as m:
        m.setattr("pumpleak.batch.infer.start_run", interrupted)
        m.setattr("pumpleak.batch.plan.make_plan", interrupted)
        ran = cli("batch", "plate.yaml", "--out", "run")
        assert ran.code == 130
        assert ran.err.splitlines()[-1] == "Stopped. What an earlier run left in run is as it was."
        fresh = cli("batch", "plate.yaml", "--out", "new")
        assert fresh.err.splitlines()[-1] == "Stopped. Nothing was written." and not Path("new").exists()


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_ctrl_c_while_gathering_by_collect_and_while_printing(plate, cli, monkeypatch):
    infer_batch("plate.yaml", out="run", chunk=16)
    Path("run/summary.json").unlink()
    with monkeypatch.context() as m:
        m.setattr(Run, "_gather", interrupted)
        ran = cli("batch", "plate.yaml", "--out", "run", "--collect")
        assert ran.code == 130
        assert ran.err.strip() == f"Stopped: 90 of 90 cells are done and kept in run. {GO_ON}"
    with monkeypatch.context() as m:
        m.setattr("pumpleak.cli.batch._show_batch", interrupted)
        ran = cli("batch", "plate.yaml", "--out", "run", "--collect")
        assert ran.code == 130 and ran.err.strip() == "Stopped. Written by then: run."


def test_ctrl_c_between_two_files_names_the_first(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pumpleak.cli.main.tell", interrupted)
    Path("cells.csv").write_text("K_o_mM,V_m_mV,T_degC\n4,-70,37\n")
    ran = cli("init", "cells.csv")
    assert ran.code == 130 and ran.err.strip() == "Stopped. Written by then: cells.yaml."
    again = cli("init", "cells.csv")
    assert again.code == 2 and "exists already" in again.err


@pytest.mark.parametrize("how", ["move", "remove", "file"])
def test_a_folder_that_goes_while_the_run_works(plate, cli, monkeypatch, how):
    write, calls = Run.write, []

    def taken(self, i, *arguments, **more):
        calls.append(i)
        if len(calls) == 3:
            Path("run").rename("elsewhere") if how != "remove" else shutil.rmtree("run")
            if how == "file":
                Path("run").touch()
        return write(self, i, *arguments, **more)

    with monkeypatch.context() as m:
        m.setattr(Run, "write", taken)
        ran = cli("batch", "plate.yaml", "--out", "run", "--chunk", 16)
    assert ran.code == 2 and "Traceback" not in ran.err
    last = ran.err.splitlines()[-1]
    assert last.startswith("run: was moved, renamed or removed while the run worked. "), last
    assert "--out" in last and "Free some space" not in last
    home = "run" if how == "remove" else "elsewhere"  # the mend
    assert cli("batch", "plate.yaml", "--out", home, "--chunk", 16).code == 0
    infer_batch("plate.yaml", out="calm", chunk=16)
    assert fingerprint(home) == fingerprint("calm")


def test_a_part_of_a_folder_that_goes(plate, cli, monkeypatch):
    write, calls = Run.write, []

    def taken(self, i, *arguments, **more):
        calls.append(i)
        if len(calls) == 3:
            shutil.rmtree("run/posterior.zarr/summary/mean")
        return write(self, i, *arguments, **more)

    with monkeypatch.context() as m:
        m.setattr(Run, "write", taken)
        ran = cli("batch", "plate.yaml", "--out", "run", "--chunk", 16)
    assert ran.code == 2 and "moved or removed while the run worked" in ran.err
    assert "The same command computes again what went with it" in ran.err
    assert cli("batch", "plate.yaml", "--out", "run", "--chunk", 16).code == 0
    infer_batch("plate.yaml", out="calm", chunk=16)
    assert fingerprint("run") == fingerprint("calm")


def test_ctrl_c_after_the_folder_was_moved(plate, cli, monkeypatch):
    def moved(*_):
        Path("run").rename("elsewhere")
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "collect", moved)
    ran = cli("batch", "plate.yaml", "--out", "run", "--chunk", 16)
    assert ran.code == 130 and "run was moved, renamed or removed meanwhile" in ran.err.splitlines()[-1]
    monkeypatch.undo()


def test_a_disk_that_is_full_is_still_told_so(tmp_path):
    from pumpleak import InputError
    from pumpleak.batch.store import storing

    with pytest.raises(InputError, match="Free some space or mend the permissions"), storing(tmp_path):
        raise OSError(28, "No space left on device")


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="only Linux shows, in /proc, which signals another process has blocked",
)
def test_what_is_begun_for_workers_does_not_hear_the_keyboard():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    spawn = multiprocessing.get_context("spawn")
    with cluster._deaf_to_the_keyboard():
        begun = [spawn.Process(target=time.sleep, args=(60,)) for _ in range(2)]
        for process in begun:
            process.start()
    try:
        for process in begun:
            status = Path(f"/proc/{process.pid}/status").read_text()
            blocked = int(status.split("SigBlk:")[1].split()[0], 16)
            assert blocked >> (signal.SIGINT - 1) & 1
    finally:
        for process in begun:
            process.terminate()
            process.join()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.thorough
def test_ctrl_c_where_no_exception_can_leave_comes_again(cli, monkeypatch):
    """As in a callback of the collector: Python prints such an exception and goes on."""

    class Falls:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def loading(*_):
        Falls()
        time.sleep(5)

    monkeypatch.setattr("pumpleak.config.load.load_problem", loading)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        ran = cli("check", "x.yaml")
    finally:
        signal.signal(signal.SIGINT, before)
    assert ran.code == 130 and ran.err.strip() == "Stopped. Nothing was written."


def test_what_was_written_is_forgotten_by_the_next_command(tmp_path):
    whole.forget_written()
    whole.whole_file(tmp_path / "a", lambda path: path.write_text("x"))
    assert whole.written() == [tmp_path / "a"]
    whole.forget_written()
    assert whole.written() == []
