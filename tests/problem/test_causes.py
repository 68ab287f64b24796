"""A problem without a finite density: what is at fault, and where."""

import warnings

import numpy as np
import pandas as pd
import pytest

from pumpleak import InputError, fit, identify, lognormal, make_problem, normal, read_table
from pumpleak.problem.causes import no_answer

FRAME = pd.DataFrame(
    {"K_o_mM": [5.0, 0.0, 20.0], "Na_o_mM": [145.0, 0.0, 130.0], "V_m_mV": [-80.0, -90.0, -50.0]}
)
SAID = {"T": 295.15, "K_i": 140.0, "Na_i": 10.0, "P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}


def build(frame=FRAME, **change):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_problem(
            read_table(frame, observables=tuple(change.pop("observables", ("V_m",)))), SAID | change
        )


@pytest.mark.thorough
def test_a_bath_without_ions():
    problem = build()
    error = no_answer(problem)
    assert str(error).startswith(
        "<DataFrame>, row 3: the model ghk has no answer here, where K_o and Na_o are 0. Give one"
    )
    with pytest.raises(InputError, match="where K_o and Na_o are 0"):
        fit(problem)
    mended = build(FRAME.assign(K_o_mM=[5.0, 1.0, 20.0]))
    assert np.isfinite(float(mended.potential(np.zeros(1))))


def test_a_cell_without_ions():
    with pytest.raises(InputError, match="row 2: .*K_i and Na_i are 0"):
        identify(build(K_i=0.0, Na_i=0.0))


def test_a_scatter_of_nothing():
    part = (
        "sigma_V_m = 0 mV would have every reading exact. Give the sd of one reading of V_m, or leave it out"
    )
    with pytest.raises(InputError, match=part):
        build(sigma_V_m=0.0)


def test_a_dye_of_no_signal():
    frame = pd.DataFrame({"K_o_mM": [5.0, 20.0], "Na_o_mM": 140.0, "dye_log": [0.0, 0.1]})
    said = {k: v for k, v in SAID.items() if k != "sigma_V_m"} | {
        "dye_slope": normal(0.1, 0.1),
        "sigma_dye_log": 0.1,
    }
    with pytest.raises(InputError, match="dye_F0 = 0 is not possible|dye_F0 = 0 is not above 0"):
        make_problem(read_table(frame, observables=["dye_log"]), said | {"dye_F0": 0.0})
