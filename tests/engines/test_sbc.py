"""Simulation-based calibration of the engines, the reduced runs of experiments/benchmarks/sbc_nuts.py and sbc_batch.py."""

import importlib.util
from pathlib import Path

import pytest

from pumpleak import calibrate

STUDY = Path(__file__).parents[2] / "experiments" / "benchmarks" / "sbc_nuts.py"
NUTS = {"engine": "nuts", "replicates": 120, "warmup": 500, "thin": 10, "seed": 7}


@pytest.fixture(scope="module")
def problem():
    spec = importlib.util.spec_from_file_location("sbc_nuts", STUDY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.titration()


@pytest.mark.slow
def test_the_posterior_of_simulated_titrations_is_calibrated(problem):
    study = calibrate(problem, **NUTS)
    assert study.passed, study.words()


@pytest.mark.slow
def test_readings_noisier_than_the_model_is_told_fail_the_calibration(problem):
    study = calibrate(problem, control="noise", **NUTS)
    assert study.passed and "is caught" in study.verdict, study.words()  # a control passes by failing
    rows = {row["name"]: row for row in study.numbers["quantities"]}
    assert not rows["extra_V_m"]["passed"]


@pytest.mark.slow
def test_so_are_the_batch_engines_with_its_flagged_replicates(problem):
    study = calibrate(problem, replicates=300, seed=7)
    assert study.passed, study.words()
    assert sum(study.numbers["status"].values()) == 300
