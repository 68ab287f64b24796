"""Batch: the run around the engine. What is computed does not hang on chunks, order, shards or kills."""

import errno
import gc
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_ladder
import numpy as np
import pandas as pd
import pytest
from plates import CONFIG, FAKE, KILLED, N, fingerprint, same, table, write

from pumpleak import InputError, infer_batch, load_batch, load_problem
from pumpleak.batch.infer import BatchStopped, collect_batch
from pumpleak.batch.plan import check_device, chunk_size, plan_batch
from pumpleak.batch.store import FIELDS
from pumpleak.engines.gate import PROBABILITIES

# -- what comes out ----------------------------------------------------------------------------------


def test_in_memory_and_in_a_folder_it_is_the_same(plate):
    heard = []
    held = infer_batch("plate.yaml", progress=lambda *a: heard.append(a), chunk=16)
    kept = infer_batch("plate.yaml", out="run", chunk=16)
    same(held, kept)
    assert kept.headline == held.headline and kept.rungs == held.rungs and kept.counts == held.counts
    assert heard[-1][:2] == (N, N) and heard[-1][2] == kept.counts["usable"] == N - heard[-1][3]
    assert kept.counts["bad_input"] == 1 and dict(kept.flagged().values[:, :2])["c007"] == "bad_input"
    detail = kept.flagged().set_index("cell").loc["c007", "detail"]
    assert "cells.csv, row" in detail and "looks like volts" in detail
    pd.testing.assert_frame_equal(kept.population, held.population)


def test_every_field_is_stored_and_tabulated_as_itself(plate, monkeypatch):
    """The engine's numbers differ from field to field: one stored under another's name would show."""
    solved = {}
    solve = fake_ladder.FakeLadder.solve

    def kept(self, template, arrays, ids, *progress):
        out = solve(self, template, arrays, ids, *progress)
        names = template.layout.element_names  # a structure may have fewer than the run
        solved.update({cell: (names, {f: x[k] for f, x in out.items()}) for k, cell in enumerate(ids)})
        return out

    monkeypatch.setattr(fake_ladder.FakeLadder, "solve", kept)
    batch = infer_batch("plate.yaml", out="run", chunk=16)
    summary, rows = load_batch("run").tree["summary"], batch.table.set_index("cell")
    assert len(solved) > 80
    for k, cell in enumerate(summary["cell"].values):
        if cell not in solved:
            continue
        (names, own), row = solved[cell], rows.loc[cell]
        there = [batch.parameters.index(name) for name in names]
        for name, (_, dims) in FIELDS.items():
            stored = summary[name].values[k]
            stored = stored[there] if "parameter" in dims else stored
            np.testing.assert_array_equal(stored, own[name], err_msg=f"{cell} {name}")
        for name in ("k_hat", "log_evidence", "n_readings", "prior_dominated"):
            assert row[name] == own[name], (cell, name)
        at = [PROBABILITIES.index(q) for q in (0.025, 0.5, 0.975)]
        for j, p in enumerate(names):
            expected = dict(zip(("low", "median", "high"), own["quantile"][j][at], strict=True))
            expected |= {"mean": own["mean"][j], "sd": own["sd"][j]}
            expected["ess"] = min(own["ess_bulk"][j], own["ess_tail"][j])
            assert {name: row[f"{p}_{name}"] for name in expected} == expected, cell


def test_cells_keep_to_the_runs_parameters(plate):
    batch = infer_batch("plate.yaml", chunk=16)
    assert batch.parameters == ("P_Na_rel", "K_i", "sigma_V_m", "extra_V_m")
    t = batch.table.set_index("cell")
    some, errors = t.loc["c001"], t.loc["c003"]  # without and with standard errors
    assert np.isfinite(some["sigma_V_m_mean"]) and np.isnan(some["extra_V_m_mean"])
    assert np.isfinite(errors["extra_V_m_mean"]) and np.isnan(errors["sigma_V_m_mean"])
    assert np.isnan(t.loc["c007"].drop(["status", "rung"]).filter(like="_mean").astype(float)).all()
    assert t.loc["c007", "rung"] == "none"
    draws = batch.arviz()["posterior"]["sigma_V_m"].sel(cell=["c001", "c003"]).values
    assert np.isfinite(draws[..., 0]).all() and np.isnan(draws[..., 1]).all()
    assert batch.population.loc["sigma_V_m", "cells"] < batch.population.loc["P_Na_rel", "cells"]


def test_chunks_and_order_change_nothing(plate):
    one = infer_batch("plate.yaml", chunk=N)
    same(one, infer_batch("plate.yaml", chunk=7))
    frame = table()
    order = np.random.default_rng(1).permutation(frame["cell"].unique())
    mixed = pd.concat([frame[frame["cell"] == c] for c in order])
    same(one, infer_batch("plate.yaml", mixed, chunk=16))
    same(one, infer_batch("plate.yaml", frame.sample(frac=1, random_state=2), chunk=16))  # interleaved


@pytest.mark.thorough
def test_a_problem_from_python_a_dict_and_a_config_agree(plate):
    frame = table().query("cell != 'c007'")
    write(plate, frame)
    problem = load_problem("plate.yaml")
    one = infer_batch("plate.yaml")
    same(one, infer_batch(problem, draws=4))
    same(one, infer_batch(CONFIG))
    same(one, infer_batch(CONFIG, frame))
    assert infer_batch(problem, "cells.csv", draws=0).manifest["data_sha256"] == one.manifest["data_sha256"]


def test_the_saved_config_repeats_the_run(plate):
    first = infer_batch("plate.yaml", out="run", chunk=16, seed=3, draws=2)
    again = infer_batch("run/config.yaml", out="again")
    assert again.manifest["chunk"] == 16 and again.manifest["seed"] == 3
    same(first, again)
    assert fingerprint("run") == fingerprint("again")


def test_a_large_table_is_timed(plate):
    said = []
    write(plate, table(1100))
    batch = infer_batch("plate.yaml", draws=0, say=said.append)
    assert "Blocks of 32" in said[0] and batch.manifest["engine"]["width"] == 32
    assert batch.manifest["chunk"] == 1024
    assert [chunk_size(*x) for x in ((10**6, 1e-4), (10**6, 5e-3), (10**6, 1.0), (20_000, 1e-4))] == [
        8192, 2048, 256, 2048,
    ]  # fmt: skip


# -- going on ----------------------------------------------------------------------------------------


def test_a_run_goes_on_and_a_finished_one_says_so(plate, monkeypatch):
    solve, left = fake_ladder.FakeLadder.solve, [20]

    def dies(*args, **options):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return solve(*args, **options)

    monkeypatch.setattr(fake_ladder.FakeLadder, "solve", dies)
    with pytest.raises(BatchStopped, match=r"Stopped: \d+ of 90 cells are done and kept in run"):
        infer_batch("plate.yaml", out="run", chunk=16)
    monkeypatch.undo()
    monkeypatch.chdir(plate)
    fake_ladder.install(monkeypatch.setattr)
    said = []
    monkeypatch.setattr("pumpleak.batch.plan.survey", None)  # is not done again
    going = infer_batch("plate.yaml", out="run", say=said.append)
    assert "Going on" in said[0]
    done = infer_batch("plate.yaml", out="run", say=said.append)
    assert "finished already" in said[-1]
    same(going, done)
    monkeypatch.undo()
    monkeypatch.chdir(plate)
    fake_ladder.install(monkeypatch.setattr)
    infer_batch("plate.yaml", out="calm", chunk=16)
    assert fingerprint("calm") == fingerprint("run")


def test_without_a_folder_nothing_is_left_of_what_was_stopped(plate, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(plate / "tmp"))
    (plate / "tmp").mkdir()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr("pumpleak.batch.folder.put_chunk", full)
        with pytest.raises(
            InputError, match="pumpleak-.*cannot be written: No space left.*TMPDIR.*or give out"
        ):
            infer_batch("plate.yaml", chunk=16)
    with pytest.raises(InputError, match="engine"):
        infer_batch("plate.yaml", engine="magic")
    with monkeypatch.context() as m:
        m.setattr(fake_ladder.FakeLadder, "solve", interrupt)
        with pytest.raises(KeyboardInterrupt) as stopped:
            infer_batch("plate.yaml", chunk=16)
    assert stopped.type is KeyboardInterrupt  # nothing is kept to go on with
    del stopped
    gc.collect()
    assert os.listdir("tmp") == []
    monkeypatch.setattr("tempfile.tempdir", str(plate / "nowhere"))
    with pytest.raises(InputError, match="temporary one, which cannot be made: No such file.*Set TMPDIR"):
        infer_batch("plate.yaml")


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_shards_make_the_same_run(plate):
    infer_batch("plate.yaml", out="whole", chunk=8)
    manifest = plan_batch("plate.yaml", out="parts", chunk=8)
    assert manifest["n_cells"] == N
    for i in (3, 1):
        assert infer_batch("plate.yaml", out="parts", shard=(i, 3)) is None
    with pytest.raises(InputError, match=r"4 of 12 chunks are missing: 1, 4, 7, 10.*1 of 2/16"):
        collect_batch("parts")
    infer_batch("plate.yaml", out="parts", shard=(2, 3))
    same(collect_batch("parts"), load_batch("whole"))
    assert fingerprint("parts") == fingerprint("whole")


def test_a_changed_config_or_table_is_another_run(plate):
    infer_batch("plate.yaml", out="run")
    for changed, says in (
        ({"seed": 2}, "seed: 1 -> 2"),
        ({"draws": 5}, "draws: 4 -> 5"),
        ({"chunk": 8}, "chunk: 90 -> 8"),
        ({"engine": "hmc"}, 'engine.engine: "auto" -> "hmc"'),
        ({"data": table(seed=5)}, "the table has changed"),
    ):
        with pytest.raises(InputError, match=f"holds another run: {says}[^;]*--force"):
            infer_batch("plate.yaml", out="run", **changed)
    write(plate, noise="student_t")
    with pytest.raises(InputError, match='noise: "normal" -> "student_t"'):
        infer_batch("plate.yaml", out="run")
    assert infer_batch("plate.yaml", out="run", force=True).manifest["config"]["noise"] == "student_t"


def test_a_changed_plugin_is_another_run(plate):
    (plate / "mine.py").write_text("")
    infer_batch("plate.yaml", out="run", plugins=["mine.py"])
    infer_batch("plate.yaml", out="run", plugins=["mine.py"])
    (plate / "mine.py").write_text("# other")
    with pytest.raises(InputError, match="holds another run: engine.plugins.mine.py"):
        infer_batch("plate.yaml", out="run", plugins=["mine.py"])


def test_a_damaged_chunk_is_computed_again(plate):
    infer_batch("plate.yaml", out="run", chunk=16)
    before = fingerprint("run")
    (plate / "run/posterior.zarr/summary/mean/2.0").write_bytes(b"nonsense")
    said = []
    infer_batch("plate.yaml", out="run", say=said.append)
    assert "Chunk 2 is computed again: summary/mean/2.0" in said[0] and fingerprint("run") == before


def killed(folder, kills, seed):
    """Kill a real `pumpleak batch` at random moments of its computing, then let it end."""
    log = folder / "log"
    command = [sys.executable, "-c", KILLED.format(fake=str(FAKE))]
    env = os.environ | {"FAKE_SECONDS": "0.02", "FAKE_LOG": str(log)}
    rng, ends = random.Random(seed), []
    for _ in range(kills):
        done = log.read_text().count("\n") if log.exists() else 0
        process = subprocess.Popen(command + ["run"], cwd=folder, env=env, stderr=subprocess.DEVNULL)
        goal, began = done + rng.randint(1, max(2, 70 // kills)), time.time()
        while process.poll() is None and time.time() - began < 60:
            if log.exists() and log.read_text().count("\n") >= goal:
                time.sleep(rng.uniform(0, 0.05))
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        ends.append(process.wait())
    last = subprocess.run(command + ["run"], cwd=folder, env=env, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    infer_batch(folder / "plate.yaml", out=folder / "calm", chunk=4)
    assert ends.count(-9) >= 0.7 * kills
    assert fingerprint(folder / "run") == fingerprint(folder / "calm")
    times = pd.Series(log.read_text().split()).value_counts()
    assert set(times.index) == {f"c{c:03d}" for c in range(N)} - {"c007"}
    assert times.sum() - len(times) <= 3 * 4 * ends.count(-9)  # chunks at hand and being written


@pytest.mark.thorough
def test_killed_in_the_middle_it_goes_on(plate):
    killed(plate, 3, 1)


@pytest.mark.slow
def test_killed_twenty_times_it_goes_on(plate):
    killed(plate, 20, 2)


# -- bad input ---------------------------------------------------------------------------------------


def test_strict_stops_before_anything_is_written(plate):
    with pytest.raises(InputError, match=r"cells.csv, row .*looks like volts.*Mend cell c007"):
        infer_batch("plate.yaml", out="run", strict=True)
    assert not (plate / "run").exists()


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda t: t.assign(cell=""), "a row without a cell's name"),
        (lambda t: t.drop(columns="cell"), "no column 'cell'.*--by COLUMN"),
        (lambda t: t.assign(V_m_mV="high"), "not one value is a number"),
        (lambda t: t.assign(V_m_V=-0.07), "V_m"),
        (lambda t: t.iloc[:0], "the table is empty"),
        (lambda t: t[t["cell"] == "c007"], "not one of 1 cells can be used; the first: .*looks like volts"),
        (lambda t: t.assign(Q_x_mM=1.0), "Q_x_mM: is not a known quantity"),
        (lambda t: t.assign(Na_o_mM=140.0), "Na_o"),
    ],
)
def test_wrong_tables_are_refused(plate, change, says):
    change(table()).to_csv("cells.csv", index=False)
    with pytest.raises(InputError, match=says):
        infer_batch("plate.yaml", out="run")
    assert not (plate / "run").exists()


def test_parquet_of_the_wrong_types_is_refused(plate):
    table().assign(V_m_mV=[[1.0]] * len(table())).to_parquet("cells.parquet")
    with pytest.raises(InputError, match="holds list.* not numbers"):
        infer_batch("plate.yaml", "cells.parquet")


def test_cells_that_are_not_independent_are_refused(plate):
    shared = CONFIG["quantities"] | {"T": "25 ± 1 degC"}
    del shared["T_degC"]
    write(plate, quantities=shared)
    with pytest.raises(
        InputError, match="plate.yaml, line.*T is shared by cells.*Infer the whole table jointly"
    ):
        infer_batch("plate.yaml")
    assert infer_batch("plate.yaml", shared="own").n_cells == N
    pooled = CONFIG["quantities"]["P_Na_rel"] | {"by": "cell", "pooled": True}
    write(plate, quantities=CONFIG["quantities"] | {"P_Na_rel": pooled})
    with pytest.raises(InputError, match="plate.yaml, line.*pooled over the cells.*leave `pooled`"):
        infer_batch("plate.yaml")


def test_two_runs_in_one_folder(plate):
    infer_batch("plate.yaml", out="run", chunk=16)
    code = "import sys, time\nfrom pumpleak.batch.folder import Run\nwith Run.open('run'):\n    print(flush=True)\n    time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=plate)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(InputError, match=f"is being written by process {other.pid}"):
            infer_batch("plate.yaml", out="run")
    finally:
        other.kill()
        other.communicate()
    (plate / "other").mkdir()
    (plate / "other/thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds thesis.tex and no batch run"):
        infer_batch("plate.yaml", out="other", force=True)


def test_settings_that_will_not_do(plate):
    for options, says in (
        ({"engine": "magic"}, "engine"),
        ({"draws": -1}, "draws"),
        ({"chunk": 0}, "chunk"),
        ({"device": "gpu"}, "a gpu is asked for, but JAX computes on cpu"),
        ({"device": "tpu"}, "device must be cpu or gpu"),
        ({"shard": (1, 2)}, "a shard needs a folder"),
        ({"out": "run", "shard": (1, 2)}, "no run here whose shards.*--plan"),
    ):
        with pytest.raises(InputError, match=says):
            infer_batch("plate.yaml", **options)
    check_device("cpu")
    write(plate, batch={"drawz": 3})
    with pytest.raises(InputError, match="plate.yaml, line.*no key 'drawz'.*did you mean 'draws'"):
        infer_batch("plate.yaml")


# -- the real engine ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("width", [4, 8])
def test_numbers_do_not_hang_on_chunks_order_width_or_shards(tmp_path, monkeypatch, width):
    """Importance sampling: alike to rounding whatever the blocks, to the bit where the chunks are the same."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [
        (f"c{c}", k, round(-70 + 30 * np.log10(k) + rng.normal(0, 2), 1), 2.0, 120.0 + c, 10.0)
        for c in range(12)
        for k in (2.5, 5, 10, 20)
    ]
    columns = ["cell", "K_o_mM", "V_m_mV", "V_m_sem_mV", "K_i_mM", "K_i_sd_mM"]
    frame = pd.DataFrame(rows, columns=columns)
    known = {k: v for k, v in CONFIG["quantities"].items() if not k.startswith("K_i")} | {"extra_V_m_mV": 0}
    config = CONFIG | {"quantities": known, "batch": {"draws": 3, "engine": "importance"}}
    one = infer_batch(config, frame, out="whole", chunk=4, width=4)
    assert one.usable == 1.0 and one.rungs == {"importance": 12}
    mixed = pd.concat([frame[frame["cell"] == f"c{c}"] for c in rng.permutation(12)])
    same(one, infer_batch(config, mixed, chunk=8, width=width), rtol=1e-8)
    plan_batch(config, frame, out="parts", chunk=4, width=4)
    for i in (2, 1):  # a structure is met first in another cell
        infer_batch(config, frame, out="parts", shard=(i, 2))
    collect_batch("parts")
    assert fingerprint("whole") == fingerprint("parts")


# -- what a reader would stumble over --------------------------------------------------------------------


def test_cells_whose_rows_are_apart_are_named(plate):
    twice = pd.concat([table(6), table(6)])
    said = []
    assert infer_batch("plate.yaml", twice, say=said.append).n_cells == 6
    assert any("cell c000 and 5 others are not together" in line for line in said)
    said.clear()
    infer_batch("plate.yaml", table(6), say=said.append)
    assert not any("not together" in line for line in said)


def test_a_table_that_is_given_need_not_be_named(plate):
    bare = {k: v for k, v in CONFIG.items() if k != "data"}
    assert infer_batch(bare, table(6)).n_cells == 6
    with pytest.raises(InputError, match="data"):
        infer_batch(bare)


def test_a_run_begun_on_a_gpu_is_not_continued_without_one(plate):
    plan_batch("plate.yaml", out="run")
    manifest = Path("run/manifest.json")
    text = manifest.read_text()
    assert '"device": "cpu' in text
    manifest.write_text(text.replace('"device": "cpu', '"device": "gpu'))
    with pytest.raises(InputError, match="a gpu is asked for"):
        infer_batch("plate.yaml", out="run")
