"""The folder of a batch run: goes on after any kill, recomputes what is damaged, and is never read half."""

import copy
import errno
import gc
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import arviz_base
import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
import zarr

from pumpleak import InputError, lognormal
from pumpleak.batch.folder import Run, start_run
from pumpleak.batch.manifest import changes, new_manifest, read_manifest
from pumpleak.batch.results import Batch, CellStatus, Rung, load_batch
from pumpleak.batch.store import FIELDS
from pumpleak.engines.gate import PROBABILITIES, headline
from pumpleak.problem.priors import prior_in

CELLS, CHUNK, DRAWS = 22, 5, 30
NAMES = ("P_Na_rel", "P_Na/P_K")


def a_manifest(**changed):
    given = {
        "title": "A screen",
        "config": {"model": "ghk", "data": "screen.csv", "quantities": {"P_Na_rel": {"median": 0.05}}},
        "data_file": "screen.csv",
        "data_sha256": "a" * 64,
        "n_cells": CELLS,
        "id_width": 8,
        "parameters": [{"name": n, "unit": "1", "prior": "lognormal(0.05, 3)"} for n in NAMES],
        "chunk": CHUNK,
        "draws": DRAWS,
        "seed": 1,
        "dtype": "float64",
        "device": "cpu (cpu)",
        "engine": {"widths": [4, 8], "psis": True},
    }
    return new_manifest(**{**given, **changed})


def ids_of(i, n=CELLS, size=CHUNK):
    return np.array([f"cell µ{k}" for k in range(i * size, min((i + 1) * size, n))])


def arrays_of(i, n=CELLS, size=CHUNK, draws=DRAWS, parameters=2):
    """What an engine hands over for chunk i, the same each time; its first cell is flagged."""
    rng, cells = np.random.default_rng([7, i]), min(size, n - i * size)
    sizes = {"parameter": parameters, "probability": len(PROBABILITIES)}
    arrays = {}
    for name, (dtype, dims) in FIELDS.items():
        shape = (cells, *(sizes[d] for d in dims))
        arrays[name] = rng.normal(size=shape) if dtype == "<f8" else np.ones(shape, dtype)
    arrays["elpd_loo"] = np.full(cells, np.nan)
    arrays["status"] = np.where(np.arange(cells) == 0, CellStatus.ess, CellStatus.usable).astype(np.int8)
    if draws:
        arrays["draws"] = rng.normal(size=(cells, draws, parameters)).astype(np.float32)
    return arrays


def notes_of(i):
    return [(str(ids_of(i)[0]), "ess", f'bulk ESS 12, "tail" ESS 9, chunk {i}')] if i % 2 else []


def fill(run, chunks=None):
    for i in run.todo() if chunks is None else chunks:
        run.write(i, ids_of(i), arrays_of(i), notes_of(i), seconds=0.5)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results" / "screen"


@pytest.fixture
def part(out):
    """A run of which chunks 0 to 2 of 5 are done."""
    with start_run(out, a_manifest())[0] as run:
        fill(run, range(3))
    return out


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run; not to be changed."""
    out = tmp_path_factory.mktemp("batch") / "screen"
    with start_run(out, a_manifest())[0] as run:
        fill(run)
        run.collect()
    return out


def bits(folder):
    """Every file that matters, with the times taken out."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.suffix == ".lock":
            continue
        content = path.read_bytes()
        if path.suffix == ".json":
            tree = json.loads(content)
            content = {k: v for k, v in tree.items() if k not in ("created", "seconds", "check")}
        found[name] = content
    return found


def flip_bit(path, where, bit):
    content = bytearray(path.read_bytes())
    content[where % len(content)] ^= 1 << bit
    path.write_bytes(content)


def all_of(out):
    """All numbers and names that a finished run gives back, as text and bytes."""
    batch = load_batch(out)
    tree = batch.tree.load()
    arrays = {
        f"{g}/{k}": np.asarray(x).tobytes() for g in tree.children for k, x in tree[g].variables.items()
    }
    config = (out / "config.yaml").read_text()
    return batch.table.to_csv(), batch.flagged().to_csv(), batch.counts, batch.rungs, config, arrays


# -- going on ----------------------------------------------------------------------------------------


def test_a_run_is_begun_left_and_gone_on_with(out):
    run, resumed = start_run(out, a_manifest())
    assert not resumed and run.todo() == [0, 1, 2, 3, 4]
    fill(run, [0, 3])
    run.close()
    run, resumed = start_run(out, a_manifest())
    assert resumed and run.todo() == [1, 2, 4] and run.dropped == {}
    with pytest.raises(InputError, match="3 of 5 chunks are missing.*goes on where it stopped"):
        run.collect()
    fill(run)
    summary = run.collect()
    written = {name: (out / name).stat().st_ino for name in ("cells.parquet", "flagged.csv", "summary.json")}
    assert run.todo() == [] and run.collect() == summary == json.loads((out / "summary.json").read_text())
    assert written == {name: (out / name).stat().st_ino for name in written}  # nothing was gathered again
    assert summary["usable"] == 17 and summary["flagged"] == {"ess": 5} and summary["seconds"] == 2.5
    run.close()
    assert not [p for p in out.rglob("*") if p.name.endswith((".part", ".partial"))]


def test_an_empty_folder_is_as_good_as_none(out):
    out.mkdir(parents=True)
    run, resumed = start_run(out, a_manifest())
    assert not resumed and [p.name for p in out.parent.iterdir()] == ["screen"]
    run.close()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda p: (p / "chunks/000001.json").write_bytes(b'{"format": 1, "chu'), "record is damaged"),
        (lambda p: (p / "chunks/000001.json").write_bytes(b""), "record is damaged"),
        (lambda p: (p / "posterior.zarr/posterior/P_Na_rel/1.0").unlink(), "P_Na_rel/1.0 is missing"),
        (lambda p: os.truncate(p / "posterior.zarr/summary/mean/1.0", 20), "mean/1.0 is cut short"),
        (lambda p: flip(p / "posterior.zarr/summary/status/1", -1), "status/1 is damaged"),
        (lambda p: flip(p / "posterior.zarr/cell/1", -3), "cell/1 is damaged"),
        (lambda p: change_record(p, "usable", 5), "record is damaged"),
    ],
)
def test_damage_is_found_reported_and_mended(part, done, harm, says):
    harm(part)
    with start_run(part, a_manifest())[0] as run:
        assert run.todo() == [1, 3, 4]
        assert list(run.dropped) == [1] and says in run.dropped[1]
        fill(run)
        run.collect()
    assert bits(part) == bits(done)


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def change_record(out, status, number):
    path = out / "chunks/000001.json"
    record = json.loads(path.read_text())
    record["status"][status] = number
    path.write_text(json.dumps(record))


def test_sizes_alone_do_not_show_a_flipped_bit(part):
    flip(part / "posterior.zarr/summary/status/1", -1)
    with start_run(part, a_manifest())[0] as run:
        assert run.todo(verify=False) == [3, 4] and run.todo() == [1, 3, 4]


def test_lost_metadata_is_restored(part, done):
    (part / "posterior.zarr/.zattrs").unlink()
    (part / "posterior.zarr/posterior/P_Na_rel/.zarray").write_text("{}")
    (part / "posterior.zarr/summary/parameter/0").unlink()
    (part / "posterior.zarr/summary/mean/4.f00d.partial").touch()
    (part / ".summary.json.1.part").touch()
    with start_run(part, a_manifest())[0] as run:
        fill(run)
        run.collect()
    assert bits(part) == bits(done)


def test_a_finished_run_that_is_damaged_is_gathered_again(part, done):
    with start_run(part, a_manifest())[0] as run:
        fill(run)
        run.collect()
    (part / "posterior.zarr/summary/k_hat/2").unlink()
    (part / "cells.parquet").unlink()
    with start_run(part, a_manifest())[0] as run:
        assert run.todo() == [2]
        fill(run)
        run.collect()
    assert bits(part) == bits(done)


WORKER = """
    import os, random, signal, sys, time
    import numpy as np, pyarrow.parquet, yaml, zarr, numcodecs
    from pumpleak.batch.folder import start_run
    sys.path.insert(0, {tests!r})
    from test_folder import KILL_CELLS, KILL_CHUNK, a_manifest, arrays_of, ids_of

    def work(out):
        manifest = a_manifest(n_cells=KILL_CELLS, chunk=KILL_CHUNK, id_width=9)
        run, _ = start_run(out, manifest)
        log = os.open(out + ".log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for i in run.todo():
            os.write(log, b"%d %d\\n" % (i, os.path.exists(f"{{out}}/chunks/{{i:06d}}.json")))
            args = KILL_CELLS, KILL_CHUNK
            run.write(i, ids_of(i, *args), arrays_of(i, *args), seconds=time.time() % 1)
        run.collect()
        run.close()

    def forked(out, patience):
        pid = os.fork()
        if not pid:
            try:
                work(out)
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
        if patience is not None:
            time.sleep(patience)
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    out, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    began = time.time()
    assert forked(out + "-calm", None) == 0
    took = time.time() - began
    rng = random.Random(seed)
    ends = [forked(out, rng.uniform(0, 2.5 * took / kills)) for _ in range(kills)]
    ends.append(forked(out, None))
    print(*ends)
"""
KILL_CELLS, KILL_CHUNK = 120, 4


def test_killed_at_any_moment_it_goes_on(tmp_path):
    code = textwrap.dedent(WORKER).format(tests=str(Path(__file__).parent))
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run"), "20", "3"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    ends = [int(x) for x in ran.stdout.split()]
    assert ends[-1] == 0 and set(ends) <= {0, -9} and ends.count(-9) >= 10, ran.stderr
    log = [line.split() for line in (tmp_path / "run.log").read_text().splitlines()]
    n = KILL_CELLS // KILL_CHUNK
    assert {int(i) for i, _ in log} == set(range(n))
    assert all(recorded == "0" for _, recorded in log)  # nothing done was done again
    assert len(log) <= n + ends.count(-9)  # a kill costs the chunk at hand
    assert bits(tmp_path / "run") == bits(tmp_path / "run-calm")
    assert load_batch(tmp_path / "run").n_cells == KILL_CELLS


def test_a_full_disk_leaves_the_chunk_undone(part, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with start_run(part, a_manifest())[0] as run:
        with monkeypatch.context() as m:
            m.setattr("pumpleak.batch.folder.put_chunk", full)
            with pytest.raises(
                InputError, match="cannot be written: No space left.*goes on where it stopped"
            ):
                fill(run, [3])
        assert run.todo() == [3, 4] and run.dropped == {}
        with monkeypatch.context() as m:
            m.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
            with pytest.raises(InputError, match="No space left"):
                fill(run, [3])
        assert run.todo() == [3, 4]
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # refused by the kernel, midway in a file
            with pytest.raises(InputError, match="cannot be written: File too large"):
                fill(run, [3])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        fill(run)
        run.collect()
    assert load_batch(part).counts == {"usable": 17, "ess": 5}


# -- which run, and whose ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"config": {"model": "ghk", "quantities": {"P_Na_rel": {"median": 0.06}}}},
            "quantities.P_Na_rel.median: 0.05 -> 0.06",
        ),
        (
            {"data_sha256": "b" * 64, "n_cells": 23},
            "the table has changed: sha256 aaaaaaaaaaaa… -> bbbbbbbbbbbb….",
        ),
        ({"seed": 2}, "seed: 1 -> 2"),
        ({"chunk": 6}, "chunk: 5 -> 6"),
        ({"engine": {"widths": [4, 16], "psis": True}}, "engine.widths.1: 8 -> 16"),
        ({"dtype": "float32"}, 'dtype: "float64" -> "float32"'),
        ({"device": "gpu (H100)"}, 'device: "cpu (cpu)" -> "gpu (H100)"'),
    ],
)
def test_another_run_is_refused_and_says_what_differs(part, changed, says):
    before = bits(part)
    with pytest.raises(InputError) as error:
        start_run(part, a_manifest(**changed))
    assert says in str(error.value) and "--force to start afresh, or another --out" in str(error.value)
    assert bits(part) == before
    run, resumed = start_run(part, a_manifest(**changed), force=True)
    assert not resumed and len(run.todo()) == len(run.records)
    assert [p.name for p in part.parent.iterdir()] == ["screen"]
    run.close()


def test_another_version_is_refused(part):
    manifest = a_manifest()
    manifest["versions"]["jax"] = "0.1.0"
    with pytest.raises(InputError, match=r"versions.jax: \S+ -> \"0.1.0\""):
        start_run(part, manifest)


def test_what_does_not_matter_is_not_compared():
    other = a_manifest(data_file="moved.csv", config={**a_manifest()["config"], "data": "../moved.csv"})
    assert changes(a_manifest(), {**other, "created": "later"}) == []


def with_laws():
    law = lognormal(0.05, 3).as_dict()
    return a_manifest(parameters=[{**p, "law": law} for p in a_manifest()["parameters"]])


def test_a_run_written_before_priors_numbers_were_kept_is_gone_on_with(out):
    assert changes(a_manifest(), with_laws()) == changes(with_laws(), a_manifest()) == []
    run, _ = start_run(out, a_manifest())
    fill(run, [0])
    run.close()
    run, resumed = start_run(out, with_laws())
    assert resumed and len(run.todo()) == len(run.records) - 1
    run.close()


def test_a_manifest_keeps_priors_numbers_or_is_not_whole(out):
    start_run(out, with_laws())[0].close()
    manifest = json.loads((out / "manifest.json").read_text())
    assert prior_in(manifest["parameters"][0]) == lognormal(0.05, 3)
    manifest["parameters"][0]["law"]["b"] = "x"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest.json: .*: parameters.0.law is missing or wrong"):
        read_manifest(out)


def test_a_device_may_change_before_the_first_chunk(out):
    start_run(out, a_manifest())[0].close()
    run, resumed = start_run(out, a_manifest(device="gpu (H100)"))
    assert resumed and run.manifest["device"] == "gpu (H100)"
    fill(run, [0])
    run.close()
    with pytest.raises(InputError, match="device"):
        start_run(out, a_manifest())


@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_folder_is_never_touched(out, folder_listing, force):
    out.mkdir(parents=True)
    (out / "thesis.docx").write_text("years")
    for name in (None, "config.yaml", "summary.csv"):
        if name:
            (out / name).write_text("{}")
        with pytest.raises(InputError, match="holds .* is not replaced"):
            start_run(out, a_manifest(), force=force)
    assert set(folder_listing(out)) == {"thesis.docx", "config.yaml", "summary.csv"}
    assert os.listdir(out.parent) == ["screen"]
    with pytest.raises(InputError, match="is a file"):
        start_run(out / "thesis.docx", a_manifest(), force=force)


def test_force_spares_a_run_with_something_else_in_it(part):
    (part / "notes.txt").write_text("mine")
    before = bits(part)
    with pytest.raises(InputError, match="notes.txt, which is not of a batch run"):
        start_run(part, a_manifest(seed=2), force=True)
    assert bits(part) == before
    start_run(part, a_manifest())[0].close()  # going on removes nothing


def test_a_damaged_manifest_is_said(part):
    (part / "manifest.json").write_text('{"kind": "pump')
    with pytest.raises(InputError, match="manifest.json: cannot be read.*--force"):
        start_run(part, a_manifest())
    start_run(part, a_manifest(), force=True)[0].close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written|is a file"):
        start_run(tmp_path / "file" / "out", a_manifest())


def test_one_run_at_a_time(part):
    run = start_run(part, a_manifest())[0]
    who = rf"is being written by process {os.getpid()} on \S+ since 20\d\d-"
    for shard, force in (((1, 1), False), ((1, 1), True), ((1, 2), False)):
        with pytest.raises(InputError, match=who):
            start_run(part, a_manifest(), shard=shard, force=force)
    fill(run, [3])
    run.close()
    start_run(part, a_manifest())[0].close()


def test_shards_share_the_chunks(out, done):
    one = start_run(out, a_manifest(), shard=(1, 2))[0]
    two = start_run(out, a_manifest(), shard=(2, 2))[0]
    assert one.todo() == [0, 2, 4] and two.todo() == [1, 3]
    with pytest.raises(InputError, match=r"is being written by process \d+ .*, as shard 2 of 2"):
        start_run(out, a_manifest(), shard=(2, 2))
    with pytest.raises(InputError, match=r"is being written by process \d+ .*, as shard 1 of 2"):
        start_run(out, a_manifest(), shard=(3, 3))
    with pytest.raises(InputError, match=r"is being written by process \d+ .*, as shard 1 of 2"):
        start_run(out, a_manifest())
    with pytest.raises(InputError, match="would discard what the other shards"):
        start_run(out, a_manifest(), shard=(1, 2), force=True)
    with pytest.raises(InputError, match="no shard 3 of 2"):
        start_run(out, a_manifest(), shard=(3, 2))
    fill(two)
    fill(one)
    assert one.collect() == two.collect()
    one.close()
    two.close()
    assert bits(out) == bits(done)


# -- what an engine hands over -----------------------------------------------------------------------


def test_wrong_arrays_are_refused(part):
    with Run.open(part) as run:

        def refused(says, ids=None, **changed):
            arrays = {k: v for k, v in {**arrays_of(3), **changed}.items() if v is not None}
            with pytest.raises(ValueError, match=says):
                run.write(3, ids_of(3) if ids is None else ids, arrays)

        refused("mean is missing or unknown", mean=None)
        refused("extra is missing or unknown", extra=np.ones(5))
        refused("draws of a chunk: shape", draws=np.ones((5, DRAWS, 3), np.float32))
        refused("summary/sd of a chunk: shape", sd=np.ones((4, 2)))
        refused("status of a chunk: float64", status=np.zeros(5))
        refused("longer than the manifest's id_width", ids=["far too long", *"abcd"])
        refused("99. is not a valid CellStatus", status=np.full(5, 99, np.int8))
        assert run.todo() == [3, 4]


@pytest.mark.parametrize("name", ["cell", ".hidden", "", "a\\b", "P_Na∕P_K"])
def test_a_parameter_that_cannot_name_a_variable(name):
    rows = [{"name": n, "unit": "1", "prior": ""} for n in (*NAMES, name)]
    with pytest.raises(InputError, match="parameter cannot be called"):
        a_manifest(parameters=rows)


# -- reading -----------------------------------------------------------------------------------------


def test_it_reads_back_as_it_was_written(done):
    batch = load_batch(done)
    assert batch.title == "A screen" and batch.n_cells == CELLS and batch.parameters == NAMES
    assert batch.manifest == json.loads((done / "manifest.json").read_text())
    assert batch.counts == {"usable": 17, "ess": 5} and batch.usable == 17 / 22
    assert batch.headline == (
        "17 of 22 posteriors are usable (77.2 %); 5 were flagged for too few effective draws"
    )
    tree, ids = batch.tree, np.concatenate([ids_of(i) for i in range(5)])
    np.testing.assert_array_equal(tree["cell"], ids)
    for k, name in enumerate(("P_Na_rel", "P_Na∕P_K")):
        draws = tree["posterior"][name]
        assert draws.dims == ("cell", "draw") and draws.dtype == np.float32 and draws.attrs["units"] == "1"
        np.testing.assert_array_equal(
            draws, np.concatenate([arrays_of(i)["draws"] for i in range(5)])[..., k]
        )
    for name, (dtype, dims) in FIELDS.items():
        x = tree["summary"][name]
        assert x.dims == ("cell", *dims) and x.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(x, np.concatenate([arrays_of(i)[name] for i in range(5)]))
    assert list(tree["summary"]["parameter"].values) == list(NAMES)
    np.testing.assert_array_equal(tree["summary"]["probability"], PROBABILITIES)
    assert batch.verify() == {}


def test_the_table_and_what_was_flagged(done):
    batch = load_batch(done)
    table, ids = batch.table, np.concatenate([ids_of(i) for i in range(5)])
    assert list(table["cell"]) == list(ids) and list(table["status"][:2]) == ["ess", "usable"]
    assert table["usable"].sum() == 17 and set(table["rung"]) == {"importance"}
    quantile = np.concatenate([arrays_of(i)["quantile"] for i in range(5)])
    for k, name in enumerate(NAMES):
        for column, at in (("low", 0), ("median", 3), ("high", 6)):
            np.testing.assert_array_equal(table[f"{name}_{column}"], quantile[:, k, at])
    first = arrays_of(0)
    np.testing.assert_array_equal(
        table["P_Na_rel_ess"][:5], np.minimum(first["ess_bulk"], first["ess_tail"])[:, 0]
    )
    flagged = batch.flagged()
    pd.testing.assert_frame_equal(flagged, pd.read_csv(done / "flagged.csv", dtype=str))
    assert list(flagged["cell"]) == [f"cell µ{5 * i}" for i in range(5)] and set(flagged["status"]) == {"ess"}
    assert flagged["detail"][0] == CellStatus.words[CellStatus.ess]
    assert flagged["detail"][1] == 'bulk ESS 12, "tail" ESS 9, chunk 1'
    assert yaml.safe_load((done / "config.yaml").read_text()) == batch.manifest["config"]


def test_a_cell_is_an_arviz_posterior(done):
    batch = load_batch(done)
    cell = batch.cell("cell µ5")
    assert cell["posterior"].sizes == {"chain": 1, "draw": DRAWS}
    np.testing.assert_array_equal(cell["posterior"]["P_Na_rel"][0], arrays_of(1)["draws"][0, :, 0])
    assert cell.attrs["status"] == "ess" and cell.attrs["usable"] == 0 and cell.attrs["rung"] == "importance"
    assert cell.attrs["detail"].startswith("bulk ESS 12") and cell.attrs["cell"] == "cell µ5"
    assert batch.cell("cell µ21").attrs["detail"] == CellStatus.words[CellStatus.usable]
    np.testing.assert_array_equal(cell["summary"]["mean"], arrays_of(1)["mean"][0])
    assert list(arviz_stats.summary(cell, kind="stats").index) == ["P_Na_rel", "P_Na∕P_K"]
    with pytest.raises(InputError, match=r"no cell 'cell u5' \(did you mean 'cell µ5'\?\)"):
        batch.cell("cell u5")


def test_arviz_takes_a_few_cells(done):
    tree = load_batch(done).arviz()
    assert tree["posterior"]["P_Na_rel"].dims == ("chain", "draw", "cell")
    some = tree.sel(cell=["cell µ3", "cell µ21"])
    assert len(arviz_stats.summary(some, kind="stats")) == 4
    for of in (arviz_stats.ess, arviz_stats.hdi):
        assert of(some)["P_Na_rel"].sizes["cell"] == 2
    assert arviz_base.extract(some)["P_Na_rel"].shape == (2, DRAWS)
    x = np.concatenate([arrays_of(i)["draws"] for i in range(5)])[None, ..., 0].transpose(0, 2, 1)
    lazy = tree["posterior"]["P_Na_rel"]
    for key in (np.s_[:], np.s_[0], np.s_[0, 3], np.s_[:, 2:9:3, [4, 1]], np.s_[0, 3, 7], np.s_[0, :, -1]):
        np.testing.assert_array_equal(lazy[key].values, x[key])


def test_nothing_is_read_before_it_is_asked_for(done, monkeypatch):
    async def refuse(*_, **__):
        raise AssertionError("read")

    with monkeypatch.context() as m:
        m.setattr(zarr.storage.LocalStore, "get", refuse)
        assert load_batch(done).usable > 0
    tree = load_batch(done).arviz()
    assert not tree["posterior"]["P_Na_rel"].variable._in_memory


def test_netcdf_is_for_few_cells(done, tmp_path, monkeypatch):
    batch = load_batch(done)
    path = batch.to_netcdf(tmp_path / "deep" / "batch.nc")
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        np.testing.assert_array_equal(tree["posterior"]["P_Na_rel"], batch.arviz()["posterior"]["P_Na_rel"])
        assert list(tree["posterior"]["cell"].values) == list(batch.table["cell"])
    with pytest.raises(InputError, match="exists already"):
        batch.to_netcdf(path)
    monkeypatch.setattr("pumpleak.batch.results.NETCDF_CELLS", 21)
    with pytest.raises(InputError, match="22 cells are too many.*posterior.zarr"):
        batch.to_netcdf(tmp_path / "b.nc")


def test_in_memory_is_the_same_and_saves_the_same(done, tmp_path):
    of = range(5)
    batch = Batch.from_chunks(
        a_manifest(), map(ids_of, of), map(arrays_of, of), map(notes_of, of), seconds=[0.5] * 5
    )
    stored = load_batch(done)
    assert batch.headline == stored.headline and batch.verify() == {}
    pd.testing.assert_frame_equal(batch.table, stored.table)
    pd.testing.assert_frame_equal(batch.flagged(), stored.flagged())
    usable = batch.table[batch.table["usable"]]
    for name, row in batch.population.iterrows():
        medians = usable[f"{name}_median"]
        assert row["cells"] == len(usable) and list(row[["median", "low", "high"]]) == list(
            medians.quantile([0.5, 0.05, 0.95])
        )
        assert row["width"] == (usable[f"{name}_high"] - usable[f"{name}_low"]).median()
    for one, other in ((batch.tree, stored.tree), (batch.arviz(), stored.arviz())):
        for name in ("posterior", "summary"):
            xr.testing.assert_identical(one[name].to_dataset(), other[name].to_dataset())
        assert one.attrs == other.attrs
    xr.testing.assert_identical(batch.cell("cell µ5"), stored.cell("cell µ5"))
    saved = batch.save(tmp_path / "deep" / "saved")
    assert bits(saved) == bits(done)
    with pytest.raises(InputError, match="exists already"):
        batch.save(saved)
    batch.save(saved, force=True)
    assert os.listdir(saved.parent) == ["saved"]
    untimed = Batch.from_chunks(a_manifest(), map(ids_of, of), map(arrays_of, of))
    assert [json.loads((b.folder / "summary.json").read_text())["seconds"] for b in (batch, untimed)] == [
        2.5,
        0,
    ]
    with pytest.raises(ValueError, match="1 chunks, expected 5"):
        Batch.from_chunks(a_manifest(), [ids_of(0)], [arrays_of(0)])


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary folders."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def a_batch():
    of = range(5)
    return Batch.from_chunks(a_manifest(), map(ids_of, of), map(arrays_of, of), map(notes_of, of))


@pytest.mark.thorough
def test_a_temporary_folder_goes_with_what_reads_from_it(temporary):
    batch = a_batch()
    (around,) = temporary.iterdir()
    assert batch.path is None and batch.folder.parent == around and around.stat().st_mode & 0o777 == 0o700
    draws = batch.tree["posterior"]["P_Na_rel"]
    turned = batch.arviz()["posterior"]
    del batch
    gc.collect()
    expected = np.concatenate([arrays_of(i)["draws"] for i in range(5)])[..., 0]
    np.testing.assert_array_equal(draws.values, expected)
    del draws
    gc.collect()
    np.testing.assert_array_equal(turned["P_Na_rel"].values[0].T, expected)
    del turned
    gc.collect()
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_batch_that_is_copied_or_pickled_has_all_of_it(temporary, done, again):
    batch = a_batch()
    assert batch.tree["posterior"].sizes["cell"] == CELLS
    other = again(batch)
    del batch
    gc.collect()
    assert other.verify() == {} and other.path is None
    xr.testing.assert_identical(other.cell("cell µ5"), load_batch(done).cell("cell µ5"))
    del other
    gc.collect()
    assert os.listdir(temporary) == []
    assert again(load_batch(done)).path == done


def test_what_was_taken_from_a_tree_is_pickled_with_its_numbers(temporary):
    other = pickle.loads(pickle.dumps(a_batch().arviz()["posterior"]))
    gc.collect()
    assert len(os.listdir(temporary)) == 1
    expected = np.concatenate([arrays_of(i)["draws"] for i in range(5)])[None, ..., 0].transpose(0, 2, 1)
    np.testing.assert_array_equal(other["P_Na_rel"], expected)


@pytest.mark.thorough
def test_a_temporary_folder_is_gone_after_python_but_stays_after_a_fork(temporary):
    code = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_folder import a_batch
        batch = a_batch()
        pid = os.fork()
        if not pid:
            del batch  # the child's, and nothing else refers to it
            os._exit(0)
        os.waitpid(pid, 0)
        assert batch.verify() == {{}}
    """
    env = os.environ | {"TMPDIR": str(temporary)}
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=env, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert not [name for name in os.listdir(temporary) if name.startswith("pumpleak-")]


def test_a_run_is_saved_without_its_reports_and_locks(done, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(done, source)
    (source / "report.html").write_text("<p>")
    (source / "cells").mkdir()
    (source / "cells" / "A7.html").write_text("<p>")
    saved = load_batch(source).save(tmp_path / "saved")
    assert bits(saved) == bits(done) and load_batch(saved).verify() == {}
    assert not list(saved.rglob("*.lock"))
    assert load_batch(saved).save(saved, force=True) == saved and bits(saved) == bits(done)


def test_a_run_that_was_written_at_first_is_read_and_gone_on_with(tmp_path):
    """Of format 1, by the pumpleak that had Zarr write it."""
    with tarfile.open(Path(__file__).parents[1] / "data" / "batch_format_1.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    out = tmp_path / "run"
    batch, parts = load_batch(out), [arrays_of(i, 3, 2, 4) for i in range(2)]
    assert batch.verify() == {} and batch.counts == {"usable": 1, "ess": 2}
    tree = batch.tree
    assert list(tree["cell"].values) == ["cell µ0", "cell µ1", "cell µ2"]
    for name, k in (("P_Na_rel", 0), ("P_Na∕P_K", 1)):
        draws = np.concatenate([part["draws"] for part in parts])[..., k]
        np.testing.assert_array_equal(tree["posterior"][name], draws)
    for name in FIELDS:
        np.testing.assert_array_equal(tree["summary"][name], np.concatenate([part[name] for part in parts]))
    assert batch.cell("cell µ2").attrs["detail"] == "bulk ESS 12" and list(batch.table["cell"]) == list(
        tree["cell"].values
    )
    before = json.loads((out / "summary.json").read_text())
    (out / "posterior.zarr/summary/mean/1.0").unlink()
    with Run.open(out) as run:
        assert run.todo() == [1]
        run.write(1, ids_of(1, 3, 2), parts[1], [("cell µ2", "ess", "bulk ESS 12")], seconds=0.5)
        after = run.collect()
        assert before.items() <= after.items()  # to the bit
        assert set(after) - set(before) == {"run", "files", "check"} and run.collect() == after
    assert load_batch(out).verify() == {}


def test_no_draws_are_kept(tmp_path):
    manifest = a_manifest(draws=0)
    with start_run(tmp_path / "out", manifest)[0] as run:
        for i in run.todo():
            run.write(i, ids_of(i), arrays_of(i, draws=0))
        run.collect()
    batch = load_batch(tmp_path / "out")
    assert not batch.tree["posterior"].data_vars and batch.cell("cell µ5")["summary"]["mean"].shape == (2,)
    memory = Batch.from_chunks(manifest, map(ids_of, range(5)), (arrays_of(i, draws=0) for i in range(5)))
    xr.testing.assert_identical(memory.arviz(), batch.arviz())


def test_what_is_not_a_finished_run_is_refused(part, done, tmp_path):
    with pytest.raises(InputError, match="there is no such batch run"):
        load_batch(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is a folder, not the folder of a batch run"):
        load_batch(tmp_path)
    (tmp_path / "lost" / "posterior.zarr").mkdir(parents=True)
    with pytest.raises(InputError, match="manifest.json: cannot be read .No such file"):
        load_batch(tmp_path / "lost")
    with pytest.raises(InputError, match="2 of 5 chunks are missing.*goes on where it stopped"):
        load_batch(part)
    with start_run(part, a_manifest())[0] as run:
        fill(run)
    with pytest.raises(InputError, match="done, but not gathered"):
        load_batch(part)
    (tmp_path / "manifest.json").write_text('{"kind": "something"}')
    with pytest.raises(InputError, match="not a manifest of a batch run"):
        load_batch(tmp_path)
    (tmp_path / "manifest.json").write_text('{"kind": "pumpleak batch", "format": 99}')
    with pytest.raises(InputError, match="format 99"):
        load_batch(tmp_path)


def test_a_store_that_was_tampered_with_is_refused(done, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(done, out)
    meta = out / "posterior.zarr" / ".zmetadata"
    text = meta.read_text()
    tree = json.loads(text)
    tree["metadata"]["posterior/P_Na_rel/.zarray"] |= {"dtype": "|O", "filters": [{"id": "pickle"}]}
    for content in (json.dumps(tree), text.replace('"blosc"', '"pickle"'), text[:100]):
        meta.write_text(content)  # is not read: a codec can unpickle
        xr.testing.assert_equal(load_batch(out).cell("cell µ5"), load_batch(done).cell("cell µ5"))
    meta.write_text(text)
    flip(out / "posterior.zarr/posterior/P_Na_rel/1.0", -1)
    assert list(load_batch(out).verify()) == [1]
    with pytest.raises(InputError, match="P_Na_rel/1.0 is damaged"):
        load_batch(out).cell("cell µ5")
    (out / "posterior.zarr/posterior/P_Na_rel/1.0").unlink()
    with pytest.raises(InputError, match="P_Na_rel/1.0 is missing"):
        load_batch(out).tree["posterior"]["P_Na_rel"].load()
    # nor where it goes after the store was opened
    later = load_batch(shutil.copytree(done, tmp_path / "later")).tree["posterior"]["P_Na_rel"]
    later[:2].load()
    (tmp_path / "later/posterior.zarr/posterior/P_Na_rel/0.0").unlink()
    with pytest.raises(InputError, match="P_Na_rel/0.0 is damaged or missing"):
        later[3:].load()


def test_every_status_is_in_words():
    assert set(CellStatus.words) == set(CellStatus) and [r.name for r in Rung][:2] == ["none", "importance"]
    counts = {"usable": 9987, "ess": 9, "no_data": 4}
    assert headline(counts) == (
        "9,987 of 10,000 posteriors are usable (99.8 %); 9 were flagged for too few effective draws, 4 for having no readings"
    )
    assert headline({"usable": 9999, "k_hat": 1}).startswith(
        "9,999 of 10,000 posteriors are usable (99.9 %); 1 was"
    )
    assert headline({"usable": 3}) == "3 of 3 posteriors are usable (100 %)"


def test_no_spreadsheet_takes_a_cell_for_a_formula(out):
    names = ["=1+1", "+cmd", "@x", "-2", "-a", "'=quoted"]
    with start_run(out, a_manifest(n_cells=6, chunk=6, title=""))[0] as run:
        arrays = arrays_of(0, 6, 6) | {"status": np.full(6, CellStatus.ess, np.int8)}
        run.write(0, np.array(names), arrays, [("=1+1", "ess", "=HYPERLINK(1)")])
        run.collect()
    lines = (out / "flagged.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == ["'=1+1", "'+cmd", "'@x", "-2", "'-a", "''=quoted"]
    flagged = load_batch(out).flagged()
    assert list(flagged["cell"]) == names and flagged["detail"][0] == "=HYPERLINK(1)"


# -- damaged after it was finished -------------------------------------------------------------------


def _flips(done):
    """Every file of a finished run that says something, with a few places in it."""
    rng = np.random.default_rng(5)
    for path in sorted(p for p in done.rglob("*") if p.is_file() and p.suffix != ".lock"):
        yield path.relative_to(done), rng.integers(0, path.stat().st_size, 3), rng.integers(0, 8, 3)


@pytest.mark.thorough
def test_a_flipped_bit_of_a_finished_run_gives_no_other_number(done, tmp_path):
    right, found = all_of(done), {}
    for name, places, bits_of in _flips(done):
        for where, bit in zip(places, bits_of, strict=True):
            out = shutil.copytree(done, tmp_path / "run", dirs_exist_ok=True)
            flip_bit(out / name, int(where), int(bit))
            try:
                found[name, where] = all_of(out) == right
            except (InputError, UnicodeDecodeError):
                found[name, where] = None
            if found[name, where] is None and name.name not in (
                "manifest.json",
                ".zattrs",
                ".zgroup",
                ".zarray",
            ):
                with start_run(out, a_manifest())[0] as run:  # the same command again
                    fill(run)
                    run.collect()
                assert all_of(out) == right and load_batch(out).verify() == {}, name
    assert False not in found.values(), [k for k, v in found.items() if v is False]
    caught = {k[0].as_posix() for k, v in found.items() if v is None}
    assert caught >= {"cells.parquet", "flagged.csv", "config.yaml", "summary.json"}
    assert len({n for n in caught if n.startswith("posterior.zarr") and n.endswith(".0")}) >= 40


@pytest.mark.parametrize("cut", [0, 0.5])
@pytest.mark.parametrize("name", ["cells.parquet", "flagged.csv", "config.yaml", "summary.json"])
def test_what_is_gathered_is_gathered_again_where_it_is_cut_short(done, tmp_path, name, cut):
    out = shutil.copytree(done, tmp_path / "run")
    content = (out / name).read_bytes()
    (out / name).write_bytes(content[: int(cut * len(content))])
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load_batch(out)
    with start_run(out, a_manifest())[0] as run:
        assert run.todo() == []
        run.collect()
    assert bits(out) == bits(done)


def test_a_chunk_of_another_run_is_not_taken_for_one_of_this(done, out):
    other = a_manifest(config={"model": "ghk", "quantities": {"P_Na_rel": {"median": 0.5}}})
    with start_run(out, other)[0] as run:
        for i in run.todo():
            run.write(i, ids_of(i), {k: x + 1 if k == "mean" else x for k, x in arrays_of(i).items()})
        run.collect()
    for path in [
        *done.glob("posterior.zarr/*/*/2.0*"),
        *done.glob("posterior.zarr/cell/2*"),
        done / "chunks/000002.json",
    ]:
        shutil.copy(path, out / path.relative_to(done))
    batch = load_batch(out)
    assert batch.verify() == {2: "its record is of another run"}
    with pytest.raises(InputError, match="chunk 2 is not what was written: its record is of another run"):
        batch.tree.load()
    with start_run(out, other)[0] as run:
        assert run.todo() == [2] and run.dropped == {2: "its record is of another run"}


def test_swapped_chunks_are_not_read(done, tmp_path):
    out = shutil.copytree(done, tmp_path / "run")
    for path in [*out.glob("posterior.zarr/*/*/1.0*")]:
        twin = path.with_name(path.name.replace("1.", "2.", 1))
        content = path.read_bytes(), twin.read_bytes()
        twin.write_bytes(content[0])
        path.write_bytes(content[1])
    with pytest.raises(InputError, match="chunk [12] is not what was written"):  # whichever is read first
        load_batch(out).tree.load()
