"""What there is no memory or disk for is refused before the work, and what is proposed instead is taken."""

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import pumpleak
from pumpleak import InputError, load_dataset, load_preset, lognormal, make_problem
from pumpleak.batch import plan
from pumpleak.cell import events, simulate, sweep
from pumpleak.cli.main import app
from pumpleak.files import room
from pumpleak.inference import infer, predict
from pumpleak.studies.calibrate import calibrate
from pumpleak.studies.sensitivity import sensitivity

CONFIG = {"quantities": {"P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}, "extra_V_m_mV": 0}}
CELLS = pd.DataFrame(
    {"cell": ["a", "b", "c"] * 20, "V_m_mV": -70.0, "V_m_sem_mV": 1.0, "T_degC": 37.0}
    | {"K_o_mM": 4.0, "K_i_mM": 140.0, "Na_o_mM": 145.0, "Na_i_mM": 12.0}
).sort_values("cell")  # fmt: skip


class Begun(Exception):
    """The work was begun: nothing was refused."""


@pytest.fixture
def free(monkeypatch):
    def give(memory=np.inf, disk=np.inf):
        monkeypatch.setattr(room, "free_memory", lambda: memory)
        monkeypatch.setattr(room, "free_disk", lambda folder: disk)

    return give


@pytest.fixture(scope="module")
def problem():
    return make_problem(load_dataset("textbook_resting"), {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0})


NEURON = load_preset("neuron")
MEMORY = {
    "infer": (infer, "_climb", lambda p, n: infer.infer(p, draws=n, engine="laplace"), 900_000, 50),
    "nuts": (infer, "chain_starts", lambda p, n: infer.infer(p, draws=n, warmup=50), 900_000, 50),
    "predict": (predict, "_of_draws", lambda p, n: predict.predict(p, draws=n), 1_000_000, 1),
    "calibrate": (calibrate, "_simulate", lambda p, n: calibrate.calibrate(p, "laplace", n), 1_000_000, 20),
    "hmc": (calibrate, "_simulate", lambda p, n: calibrate.calibrate(p, "hmc", n), 1_000_000, 20),
    "sensitivity": (sensitivity, "_targets", lambda p, n: sensitivity.sensitivity(p, samples=n), 2**24, 64),
    "simulate": (simulate, "_first", lambda p, n: simulate.simulate(*NEURON, 60.0, n=n), 5_000_000, 2),
    "sweep": (sweep, "change", lambda p, n: sweep.sweep(*NEURON, "K_o", np.linspace(3, 5, n)), 200_000, 2),
    "all": (sweep, "change", lambda p, n: sweep.every_state(*NEURON, "K_o", np.linspace(3, 5, n)), 50_000, 2),
    "chunk": (plan, "_sizes", lambda p, n: planned(n, draws=100_000), 60, 1),
}  # fmt: skip


def planned(n, **given):
    table = CELLS.assign(cell=[f"c{k}" for k in range(60)])
    return pumpleak.infer_batch(CONFIG | {"batch": {"width": 4}}, table, chunk=n, **given)


@pytest.mark.parametrize("verb", MEMORY)
def test_what_memory_has_no_room_for_is_refused_and_what_is_proposed_is_taken(
    free, monkeypatch, problem, verb
):
    module, begins, call, many, least = MEMORY[verb]
    free()

    def begin(*args, **kwargs):
        raise Begun

    monkeypatch.setattr(module, begins, begin)
    with pytest.raises(Begun):
        call(problem, many)
    free(memory=5e7)
    with pytest.raises(InputError, match=r"would take [\d.]+ [MG]B of memory, and 50 MB are free\.") as said:
        call(problem, many)
    assert re.search(rf"\b{many:,}\b", str(said.value))
    proposed = int(re.findall(r"\d+", said.value.mend)[0])
    assert least <= proposed < many
    with pytest.raises(Begun):
        call(problem, proposed)
    free(memory=10.0)
    with pytest.raises(InputError, match=f"no room for {least} of them: free some memory"):
        call(problem, least)


def test_ordinary_requests_fit_in_little(free, monkeypatch, problem):
    free(memory=3e8, disk=1e8)
    monkeypatch.setattr(infer, "chain_starts", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        infer.infer(problem)
    monkeypatch.setattr(calibrate, "_simulate", lambda asked: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        calibrate.calibrate(problem)
    assert len(events.times_of(events.stages_of(*NEURON, 60.0, ()), 60.0, 200)[0]) > 200


def test_a_block_of_long_cells_is_refused_with_a_width_that_fits(free, monkeypatch):
    monkeypatch.setattr(plan, "_sizes", lambda *args: 1 / 0)
    free(memory=6e6)
    with pytest.raises(InputError, match=r"blocks of 4 cells would take 7.3 MB of memory") as said:
        pumpleak.infer_batch(CONFIG, CELLS, draws=0)
    assert re.search(r"`batch: {width: (\d)}`", said.value.mend)[1] == "2"
    with pytest.raises(ZeroDivisionError):
        pumpleak.infer_batch(CONFIG | {"batch": {"width": 2}}, CELLS, draws=0)


def test_commands_say_it_in_a_line(free, monkeypatch, tmp_path):
    for module, begins in ((plan, "_sizes"), (calibrate, "_simulate")):
        monkeypatch.setattr(module, begins, lambda *args: 1 / 0)
    table, config = tmp_path / "cells.csv", tmp_path / "config.yaml"
    CELLS.to_csv(table, index=False)
    config.write_text(
        "data: cells.csv\nquantities:\n  P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}\n  extra_V_m_mV: 0\n"
    )
    free(memory=2e7, disk=1e5)
    out = ["--out", str(tmp_path / "run")]

    def refused(*words):
        found = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "500"})
        said = str(found.exception)
        assert isinstance(found.exception, InputError) and "\n" not in said, found.output
        assert not (tmp_path / "run").exists()
        return said

    said = refused("batch", config, "--draws", 100_000, *out)
    assert said.startswith(
        f"{tmp_path / 'run'}: draws = 100,000 of each of 3 cells would take 1.2 MB of disk, and 0.1 MB are"
    )
    kept = re.search(r"at most (\d+) draws of each \(--draws\)", said)[1]
    found = CliRunner().invoke(app, ["batch", str(config), "--draws", kept, *out])
    assert isinstance(found.exception, ZeroDivisionError)
    assert "}`), or fewer chains" in refused("infer", config, "--draws", 900_000, *out)
    assert "replicates = 900,000" in refused("calibrate", config, "--replicates", 900_000, *out)
    assert "samples = 16,777,216" in refused("sensitivity", config, "--samples", 2**24, *out)
    sweep_of = "K_o_mM=3:5:lin90000"
    assert "a sweep of 90,000 values" in refused("steady-state", "--preset", "neuron", "--sweep", sweep_of)
    assert "a sweep of 90,000" in refused("steady-state", "--preset", "neuron", "--sweep", sweep_of, "--all")
