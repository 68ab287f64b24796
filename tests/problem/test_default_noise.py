"""Noise that nobody specified: half-normal, in mV of potentials, by the readings' own size of anything else."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import make_problem, read_table
from pumpleak.data.measurements import Reading
from pumpleak.problem.rules import default_noise

KNOWN = {"T": 295.15, "P_Na_rel": 0.05, "K_i": 140.0, "Na_i": 12.0, "K_o": 5.0, "Na_o": 145.0}


def readings(value, sem=None):
    value = np.asarray(value, float)
    none = np.full(value.shape, np.nan)
    return [Reading(value, none, none if sem is None else np.asarray(sem, float), none)]


@pytest.mark.parametrize("observable", ["V_m", "E_K", "V_patch"])
def test_of_potentials_it_is_in_mV_whatever_was_read(observable):
    for r in (readings([-70.0, -20.0]), readings([-70.0, -20.0], [5.0, 5.0])):
        assert str(default_noise("scatter", observable, r)) == "half-normal, sd 10"
        assert str(default_noise("extra scatter", observable, r)) == "half-normal, sd 2"


@pytest.mark.parametrize(
    "observable, value, sem, scatter, extra",
    [("volume", [1.0, 1.28], [0.01, 0.03], 0.128, 0.04), ("K_i", [140.0, 80.0], [4.0, 2.0], 14.0, 6.0),
     ("Ca_i", [1e-4, 2e-4], [1e-5, 1e-5], 2e-5, 2e-5), ("dye_log", [-0.3, 0.1], [0.01, 0.01], 0.03, 0.02)],
)  # fmt: skip
def test_of_anything_else_it_has_the_size_of_the_readings(observable, value, sem, scatter, extra):
    assert default_noise("scatter", observable, readings(value)).b == pytest.approx(scatter)
    assert default_noise("extra scatter", observable, readings(value, sem)).b == pytest.approx(extra)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_it_follows_the_readings_scale(scale):
    one, other = (
        default_noise(
            "extra scatter", "volume", readings(np.array([1.0, 2, 3]) * s, np.array([1.0, 2, 4]) * s)
        ).b
        for s in (1.0, scale)
    )
    assert other == pytest.approx(scale * one)


def test_it_is_said_among_the_assumptions():
    table = pd.DataFrame({"dye": [90.0, 91.0, 92.0], "dye_sem": [0.1, 0.2, 0.4]})
    problem = make_problem(read_table(table, ["dye"]), KNOWN | {"dye_F0": 100.0, "dye_slope": 0.2})
    (p,) = problem.parameters
    assert p.name == "extra_dye" and p.prior.b == pytest.approx(0.4)
    (said,) = [a for a in problem.assumptions if "extra_dye" in a]
    assert said.endswith("was not given: half-normal, sd 0.4 (twice the middle standard error).")
