"""Simulation-based calibration, the reduced run of experiments/benchmarks/sbc_nuts.py."""

import importlib.util
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[1] / "experiments" / "benchmarks" / "sbc_nuts.py"
REPLICATES, WARMUP, THIN = 120, 500, 10


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("sbc_nuts", STUDY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def problem(study):
    return study.titration()


@pytest.mark.slow
def test_the_posterior_of_simulated_titrations_is_calibrated(study, problem):
    run = study.compute_ranks(problem, REPLICATES, warmup=WARMUP, thin=THIN, seed=7)
    rows, good = study.judge(run.rank)
    assert good, rows
    assert run.divergences < 0.01 * REPLICATES * study.RANKS * THIN


@pytest.mark.slow
def test_readings_noisier_than_the_model_is_told_fail_the_calibration(study, problem):
    run = study.compute_ranks(problem, REPLICATES, noise=2.0, warmup=WARMUP, thin=THIN, seed=7)
    rows, good = study.judge(run.rank)
    assert not good, rows
    assert not next(row for row in rows if row["quantity"] == "extra_V_m")["passed"]
