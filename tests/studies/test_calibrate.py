"""Calibration: uniform where the posterior is right, in closed form too; each negative control is caught."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pumpleak import (
    InputError,
    calibrate,
    load_problem,
    load_study,
    lognormal,
    make_problem,
    normal,
    read_table,
    uniform,
)
from pumpleak.studies.calibrate.calibrate import LEVELS, Judged, _faults, _of_the_usable, _verdict, judge
from pumpleak.studies.calibrate.replicates import (
    LIKELIHOOD,
    RANKS,
    controlled,
    posterior_truths,
    read_again,
    simulate_readings,
)

N = 300  # one number, and one seed, for all: what is compiled then serves every test
MEAN, SD, READ_SD = 10.0, 3.0, 2.0  # prior of the level, and noise of its one reading, both normal


@pytest.fixture(scope="module")
def cell(titration):
    """GHK in four baths, P_Na/P_K and an offset unknown: every control shows, and the normal at the mode will do."""
    return load_problem(titration / "cells.yaml")


@pytest.fixture(scope="module")
def level(toys):
    """One normal unknown, read once with normal noise: a user's model, and the textbook's conjugate posterior."""
    table = read_table(
        pd.DataFrame({"x": [0.0], "V_m_mV": [9.0], "V_m_sem_mV": [READ_SD]}), quantities=("x",)
    )
    return make_problem(
        table, {"a": normal(MEAN, SD), "b": 0.0, "extra_V_m": 0.0}, model="line", title="Level"
    )


@pytest.fixture(scope="module")
def calibrated(cell):
    return calibrate(cell, "laplace", N)


def conjugate_ranks(rng, n, shift=0.0, scale=1.0):
    """Ranks of normal truths among draws of their exact posterior, whose mean (in sd) and sd are then bent."""
    truth = rng.normal(MEAN, SD, n)
    weight = SD**2 / (SD**2 + READ_SD**2)
    mean, sd = MEAN + weight * (rng.normal(truth, READ_SD) - MEAN), READ_SD * np.sqrt(weight)
    draws = mean[:, None] + sd * (shift + scale * rng.standard_normal((n, RANKS)))
    return (draws < truth[:, None]).sum(axis=1)


# -- the judge, against a posterior known in closed form -------------------------------------------


def test_exact_posteriors_fail_about_as_often_as_is_said():
    rng = np.random.default_rng(1)
    failed = sum(not judge({"a": conjugate_ranks(rng, 300)})[0].passed for _ in range(200))
    assert failed <= stats.binom.ppf(0.999, 200, 0.02)


def test_coverage_is_the_normal_distributions():
    """Intervals of a posterior too narrow by a third hold the truth as often as a normal has mass in them."""
    n = 20_000
    row = judge({"a": conjugate_ranks(np.random.default_rng(2), n, scale=2 / 3)})[0]
    for share, q in zip(row.cover, LEVELS, strict=True):
        exact = 2 * stats.norm.cdf(stats.norm.ppf((1 + q) / 2) * 2 / 3) - 1
        assert abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / n) + 0.01  # 99 draws blur the ends
    assert not row.passed and row.width > 3 and abs(row.lean) < 4


@pytest.mark.parametrize(
    ("bent", "lean", "width"), [({"shift": 0.5}, -1, 0), ({"scale": 2}, 0, -1), ({"scale": 0.5}, 0, 1)]
)
def test_bias_and_width_are_told_apart(bent, lean, width):
    row = judge({"a": conjugate_ranks(np.random.default_rng(3), 500, **bent)})[0]
    assert not row.passed
    assert (
        np.sign(row.lean) * (abs(row.lean) > 5) == lean and np.sign(row.width) * (abs(row.width) > 5) == width
    )


# -- the engine ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_users_conjugate_model_is_calibrated_and_its_numbers_are_the_textbooks(level):
    study = calibrate(level, "nuts", 2 * N, warmup=300, thin=8)
    assert (
        study.passed and f"of {2 * N} simulated" in study.verdict and study.verdict.endswith("is calibrated.")
    ), study.verdict
    row = study.numbers["quantities"][0]
    assert row["z_sd"] == pytest.approx(1, abs=0.1) and row["z"] == pytest.approx(0, abs=0.15)
    assert row["contraction"] == pytest.approx(SD**2 / (SD**2 + READ_SD**2), abs=0.05)


def test_a_cell_is_calibrated(calibrated):
    assert calibrated.passed, calibrated.verdict
    assert sum(calibrated.numbers["status"].values()) == N  # none is dropped
    assert [len(v) for v in calibrated.numbers["ranks"].values()] == [N] * 3
    assert [p.name for p in calibrated.pictures] == ["ranks", "coverage", "accuracy"]


@pytest.mark.parametrize("control", ["temperature", "pump"])
def test_each_control_is_caught(cell, control, monkeypatch):
    monkeypatch.setattr("pumpleak.studies.calibrate.calibrate.pictures", lambda *_, **__: ())
    study = calibrate(cell, "laplace", N, control=control)
    assert study.passed
    assert "is caught, as it should be" in study.verdict
    if control == "pump":  # GHK without it answers P_Na/P_K ÷ 1.5
        assert "biased about" in study.verdict and "P_Na/P_K (too low" in study.verdict


@pytest.mark.thorough
def test_local_calibration_adds_readings_to_those_there_are(cell, level):
    both = read_again(cell)
    assert both.n_readings == 2 * cell.n_readings and len(both.first_row) == len(cell.first_row)
    study = calibrate(level, "laplace", N, local=True)  # exact for a normal
    assert study.passed and "like this one" in study.verdict
    # Given one reading, a second removes v/(v + s²) of the variance v that is left.
    v = 1 / (1 / SD**2 + 1 / READ_SD**2)
    assert study.numbers["quantities"][0]["contraction"] == pytest.approx(v / (v + READ_SD**2), abs=0.05)


def test_students_noise_is_simulated_with_its_tails(toys):
    table = read_table(pd.DataFrame({"x": [0.0], "V_m_mV": [0.0], "V_m_sem_mV": [1.0]}), quantities=("x",))
    known = {"b": 0.0, "extra_V_m": 0.0, "nu": 3.0}
    made = make_problem(table, {"a": normal(0, 1e-6)} | known, model="line", noise="student_t")
    readings = simulate_readings(made, np.random.default_rng(1), 4000).readings[:, 0]
    assert stats.kstest(readings, stats.t(3).cdf).pvalue > 1e-3
    assert stats.kstest(readings, stats.norm.cdf).pvalue < 1e-3


def test_truths_without_an_answer_are_drawn_again(toys):
    table = read_table(pd.DataFrame({"V_m_mV": [1.0], "V_m_sem_mV": [1.0]}))
    made = make_problem(table, {"a": normal(0, 1), "extra_V_m": 0.0}, model="no_answer")
    found = simulate_readings(made, np.random.default_rng(1), 500)
    assert len(found.readings) == 500 and (found.truth["a"] > 0.5).all()
    assert found.share == pytest.approx(stats.norm.sf(0.5), abs=0.04)


# -- the command line, and what is refused ---------------------------------------------------------


def test_the_command_writes_and_prints(titration, cli, tmp_path):
    options = ("--engine", "laplace", "--replicates", N, "--out", tmp_path / "o")
    ran = cli("calibrate", titration / "cells.yaml", *options)
    assert ran.code == 0 and "engine laplace is calibrated" in ran.out and "90 % interval" in ran.out
    again = cli("calibrate", titration / "cells.yaml", *options)
    assert again.code == 2 and "exists already" in again.err
    assert load_study(tmp_path / "o").verb == "calibrate"


def test_json_and_the_exit_code_of_a_failed_check(titration, cli, monkeypatch):
    """The third control, twice the noise, is caught too: that is success; missed, or a fault without a control, is not."""
    monkeypatch.setattr("pumpleak.studies.calibrate.calibrate.pictures", lambda *_, **__: ())
    run = ("calibrate", titration / "cells.yaml", "--engine", "laplace", "--replicates", N, "--json")
    ran = cli(*run, "--control", "noise")
    found = json.loads(ran.out)
    assert ran.code == 0 and found["passed"] is True and found["numbers"]["control"] == "noise"
    monkeypatch.setattr(
        "pumpleak.studies.calibrate.calibrate.judge",
        lambda *given: [r._replace(passed=True) for r in judge(*given)],
    )
    ran = cli(*run, "--control", "noise")
    assert ran.code == 4 and "is NOT caught" in json.loads(ran.out)["verdict"]
    monkeypatch.setattr(
        "pumpleak.studies.calibrate.calibrate.judge",
        lambda *given: [r._replace(passed=False) for r in judge(*given)],
    )
    ran = cli(*run)
    assert ran.code == 4 and json.loads(ran.out)["passed"] is False


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--replicates", 19), "at least 20"),
        (("--engine", "importanc"), "did you mean 'importance'"),
        (("--control", "nois"), "did you mean 'noise'"),
    ],
)
def test_bad_options_are_said(titration, cli, options, says):
    ran = cli("calibrate", titration / "cells.yaml", *options)
    assert ran.code == 2 and says in ran.err and "Traceback" not in ran.err


def test_nothing_to_calibrate_is_said(titration, cli, tmp_path):
    text = (titration / "cells.yaml").read_text()
    known = text.replace("{prior: lognormal, median: 0.05, factor: 3}", "0.05").replace("{prior: normal, mean: 0, sd: 2}", "0")  # fmt: skip
    (tmp_path / "known.yaml").write_text(known.replace("cells.csv", str(titration / "cells.csv")))
    ran = cli("calibrate", tmp_path / "known.yaml", "--out", tmp_path / "o")
    assert ran.code == 2 and "nothing to infer" in ran.err and not (tmp_path / "o").exists()


def test_a_control_that_says_nothing_of_a_problem_is_refused(level, cell):
    with pytest.raises(InputError, match="has no T for the control"):
        controlled(level, "temperature")
    with pytest.raises(InputError, match="for the models ghk"):
        controlled(level, "pump")


def test_a_control_of_what_is_inferred_is_refused():
    """A pump or a temperature that the inference finds by itself is no lie."""
    frame = pd.DataFrame({"K_o_mM": [3.0, 10.0], "Na_o_mM": [147.0, 140.0], "V_m_mV": [-75.0, -60.0]})
    table = read_table(frame, quantities=("K_o", "Na_o"))
    known = {"T": 295.15, "K_i": 140.0, "Na_i": 10.0, "sigma_V_m": 1.0, "P_Na_rel": lognormal(0.04, 2)}
    for name, prior, control in (("pump", uniform(0, 1), "pump"), ("T", normal(295, 1), "temperature")):
        made = make_problem(table, known | {name: prior}, model="mullins_noda")
        with pytest.raises(InputError, match=f"`{control}` needs {name} to be a known number"):
            controlled(made, control)


@pytest.mark.thorough
def test_few_replicates_are_no_proof(level):
    found = calibrate(level, "laplace", 40)
    assert found.passed and found.verdict.endswith("is seen, as far as 40 experiments can tell.")


@pytest.mark.thorough
def test_truths_that_repeat_are_said(level, monkeypatch):
    from pumpleak.studies.calibrate import replicates

    real = replicates.quick_draws

    def few(*a, **k):
        drawn = real(*a, **k)
        return drawn._replace(engine={**drawn.engine, "usable": True, "ess": {"a": (30.0, 20.0)}})

    monkeypatch.setattr(replicates, "quick_draws", few)
    assert "20 effective draws" in posterior_truths(level, "laplace", 100, 1)[1]


def test_whether_the_fault_is_with_the_flagged_is_said():
    uniform = np.arange(1000) % 100
    assert "fault is with those it flags" in _of_the_usable({"a": uniform})
    assert "not with those it flags alone" in _of_the_usable({"a": np.full(1000, 3)})


@pytest.mark.parametrize(
    ("lean", "width", "said"),
    [
        (0.0, 5.0, "over-confident about a (its 90 % intervals hold the truth in 84 ± 3 %)"),
        (0.0, -5.0, "under-confident about a (its 90 % intervals hold the truth in 84 ± 3 %)"),
        (5.0, 0.0, "biased about a (too low by 0.4 posterior sd)"),
        (-5.0, 0.0, "biased about a (too high by 0.4 posterior sd)"),
        (2.9, -2.9, "wrong about a (uneven ranks, p = 0.002)"),
    ],
)
def test_which_way_an_engine_errs_is_said_in_a_whole_sentence(lean, width, said):
    row = Judged("a", "mV", 0.002, (0.4, 0.7, 0.84, 0.9), lean, width, -0.4, 1.2, 0.5, False)
    assert _faults([row], 200, "K") == [said]


# -- words of rows made up -----------------------------------------------------------------------------


def judged(name="a", cover=0.9, lean=0.0, width=0.0, z=0.0, p=0.4, passed=True):
    return Judged(name, "mV", p, (0.5, 0.8, cover, 0.95), lean, width, z, 1.0, 0.7, passed)


@pytest.mark.parametrize(
    ("rows", "n", "control", "words"),
    [
        ([judged()], 200, None, "90 % intervals of a hold the truth in 90.0 % of 200 simulated experiments from the prior "
            "(standard error 2.1): engine nuts is calibrated."),
        ([judged(), judged("b", 0.8765), judged(LIKELIHOOD, 0.1)], 199, None, "90 % intervals of a and b hold the truth in 87.6 to 90.0 % of "
            "199 simulated experiments from the prior (standard error 2.1): no fault of engine nuts is seen, as far as 199 "
            "experiments can tell."),
        ([judged(cover=0.6, width=5.0, passed=False), judged("b", lean=-4.0, z=0.62, passed=False)], 1000, None,
            "90 % intervals of a and b hold the truth in 60.0 to 90.0 % of 1,000 simulated experiments from the prior (standard "
            "error 0.9): engine nuts is not calibrated, but over-confident about a (its 90 % intervals hold the truth in 60 ± 2 %); "
            "biased about b (too high by 0.6 posterior sd)."),
        ([judged(cover=0.99, width=-5.0, lean=2.9, passed=False)], 100, None, "under-confident about a (its 90 % intervals hold the "
            "truth in 99 ± 1 %)."),
        ([judged(lean=3.5, width=7.1, z=-0.5, passed=False)], 100, None, "over-confident about a (its 90 % intervals hold the truth in "
            "90 ± 3 %)."),
        ([judged(lean=3.5, width=6.9, z=-0.5, passed=False)], 100, None, "; biased about a (too low by 0.5 posterior sd)."),
        ([judged(p=0.0012, passed=False)], 100, None, "but wrong about a (uneven ranks, p = 0.001)."),
        ([judged(), judged(LIKELIHOOD, passed=False)], 100, None, "but wrong about the readings (their likelihood among the draws is "
            "not ranked as it should be)."),
        ([judged(passed=False)], 100, "noise", "The negative control (twice the noise that the model is told of) is caught, as it "
            "should be. 90 % intervals of a hold"),
        ([judged()], 100, "noise", "is NOT caught: this check would miss such a fault here. 90 % intervals of a hold"),
    ],
)  # fmt: skip
def test_a_verdict_in_words(rows, n, control, words):
    assert words in _verdict(rows, n, "nuts", False, control, "K")
    assert "experiments like this one" in _verdict(rows, n, "nuts", True, control, "K")
