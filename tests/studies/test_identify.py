"""Identify: profiles against closed forms and brute force, verdicts where the answer is known, plans, the command."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from pumpleak import InputError, Swap, identify, lognormal, make_problem, normal, read_table, uniform
from pumpleak.studies.identify.profiles import DROP, best_points, likelihood_of, profile

GAS, FARADAY = 8.314462618, 96.48533212


def voltage(K_o, Na_o, K_i, P, T=295.15):
    return GAS / FARADAY * T * np.log((K_o + P * Na_o) / (K_i + P * 10))


def membrane(K_o, quantities, V_m=None, sem=1.0):
    """Readings at these K_o of a cell of K_i 140 mM and P_Na/P_K 0.04, Na swapped for K."""
    K_o = np.atleast_1d(np.asarray(K_o, float))
    V_m = voltage(K_o, 150 - K_o, 140.0, 0.04) if V_m is None else V_m
    table = pd.DataFrame({"K_o_mM": K_o, "V_m_mV": V_m, "V_m_sem_mV": sem})
    known = {"T": 295.15, "Na_i": 10.0, "Na_o": Swap("K_o", 150.0), "extra_V_m": 0.0}
    return make_problem(read_table(table), known | quantities, title="membrane")


P_NA, K_I = lognormal(0.05, 3), lognormal(130, 1.3)


@pytest.fixture(scope="module")
def well_posed():
    problem = membrane([1, 2.5, 5, 10, 20, 60], {"P_Na_rel": P_NA, "K_i": K_I})
    return problem, identify(problem)


@pytest.fixture(scope="module")
def one_potential():
    return identify(membrane([5], {"P_Na_rel": P_NA, "K_i": K_I}, sem=0.5))


# -- profiles --------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_straight_lines_profiles_are_parabolas(line):
    starts = best_points(line.problem)
    width, middle = np.array([3.0, 1.0]), np.array([0.0, 2.0])
    for problem, mean, covariance in (
        (line.problem, line.mean, line.covariance),
        (likelihood_of(line.problem, starts[0]), line.ml, line.ml_covariance),
    ):
        found = profile(problem, starts, points=20)
        se = np.sqrt(np.diag(covariance))
        z = (middle[:, None] + width[:, None] * found.value - mean[:, None]) / se[:, None]
        inside = np.abs(z) < 5
        np.testing.assert_allclose(found.drop[inside], 0.5 * z[inside] ** 2, rtol=2e-3, atol=2e-3)
        for end, sign in ((found.low, -1), (found.high, 1)):
            np.testing.assert_allclose(
                middle + width * end, mean + sign * 1.959964 * se, atol=2e-3 * se.max()
            )
        assert not found.islands.any()


@pytest.mark.slow
def test_the_others_follow_along_the_ridge(line):
    """Of a normal density the other coordinate moves by covariance / variance."""
    found = profile(line.problem, best_points(line.problem), points=20)
    b = 2 + found.path[0, :, 1]
    a = 3 * found.value[0]
    slope = line.covariance[0, 1] / line.covariance[0, 0]
    near = np.abs(a - line.mean[0]) < 3
    np.testing.assert_allclose(b[near], (line.mean[1] + slope * (a - line.mean[0]))[near], atol=0.02)


@pytest.mark.thorough
def test_intervals_agree_with_a_brute_force_grid(well_posed):
    _, study = well_posed
    K_o = np.array([1, 2.5, 5, 10, 20, 60])
    read = voltage(K_o, 150 - K_o, 140.0, 0.04)
    P, K = np.exp(np.linspace(np.log(0.032), np.log(0.05), 1201)), np.linspace(130, 150, 1201)
    V = voltage(K_o[:, None, None], (150 - K_o)[:, None, None], K[None, None], P[None, :, None])
    misfit = 0.5 * ((V - read[:, None, None]) ** 2).sum(0)
    for name, grid, other in (("P_Na_rel", P, 1), ("K_i", K, 0)):
        drop = misfit.min(axis=other)
        allowed = grid[drop < DROP]
        curve = study.numbers["profiles"][name]
        np.testing.assert_allclose([curve["low"], curve["high"]], [allowed[0], allowed[-1]], rtol=1e-3)
        assert allowed[0] > grid[0] and allowed[-1] < grid[-1]


def test_too_small_a_drop_would_be_noticed(well_posed):
    """The control of the test above: 90 % intervals are not 95 % ones."""
    curve = well_posed[1].numbers["profiles"]["K_i"]
    at_90 = np.interp(1.353, curve["drop"][20:], curve["value"][20:])
    assert abs(at_90 / curve["high"] - 1) > 1e-3


# -- verdicts --------------------------------------------------------------------------------------


def row(study, name):
    return next(r for r in study.tables[0].rows if r[0] == name)


def test_enough_readings_determine_both(well_posed):
    study = well_posed[1]
    assert re.fullmatch(
        r"These 6 readings determine P_Na/P_K 0\.0\d+ \(.* … .*\) and K_i 1\d\d mM \(.* … .*\)\.",
        study.verdict,
    )
    assert row(study, "P_Na_rel")[3] == pytest.approx(0.04, rel=1e-3)
    assert min(study.numbers["eigenvalues"]) > 1 and min(study.numbers["removed"].values()) > 0.9
    assert any("absolute value no potential can tell" in s for s in study.findings)
    assert [p.name for p in study.pictures] == ["profiles", "spectrum"]


def test_one_potential_and_two_unknowns_are_only_a_combination(one_potential):
    assert set(one_potential.numbers["verdicts"].values()) == {"together"}
    assert "only in combination" in one_potential.verdict
    assert "in the combination P_Na_rel" in row(one_potential, "K_i")[2]
    assert sum(x >= 1 for x in one_potential.numbers["eigenvalues"]) == 1
    # E_K bounds what is inside: V_m >= E_K, whatever P_Na.
    low = one_potential.numbers["profiles"]["K_i"]["low"]
    V_m = voltage(5.0, 145.0, 140.0, 0.04)
    assert low == pytest.approx(5 * np.exp(-(V_m + 1.96 * 0.5) * FARADAY / GAS / 295.15), rel=0.02)


@pytest.mark.slow
def test_an_end_that_anothers_range_sets_is_not_determined():
    """An offset shared by all readings stands for K_i, and only its own range bounds that."""
    free = {"P_Na_rel": P_NA, "K_i": K_I, "V_offset": normal(0, 2)}
    study = identify(membrane([1, 2.5, 5, 10, 20, 60], free), points=20)
    assert study.numbers["verdicts"] == {"P_Na_rel": "determined", "K_i": "together", "V_offset": "together"}
    assert "only in the combination ln K_i − 0.04·V_offset" in row(study, "K_i")[2]


def test_what_would_help_is_what_the_algebra_says(one_potential):
    """With F of rank 1, halving the other's width lowers the variance as the closed form has it."""
    F = np.array(one_potential.numbers["information"])
    before = np.linalg.inv(np.eye(2) + F)
    after = np.linalg.inv(np.diag([1.0, 4.0]) + F)
    gain = one_potential.numbers["gain"]["P_Na_rel"]
    assert gain["by"] == "K_i known twice as well"
    assert gain["share"] == pytest.approx(1 - after[0, 0] / before[0, 0], rel=1e-9)
    assert "known twice as well: it would take away" in " ".join(one_potential.findings)


@pytest.mark.thorough
def test_a_parameter_the_readings_do_not_depend_on(toys):
    table = read_table(pd.DataFrame({"x": 0.0, "V_m_mV": [1.0, 2.0], "V_m_sem_mV": 0.1}), quantities=("x",))
    problem = make_problem(table, {"a": normal(0, 3), "b": normal(0, 1), "extra_V_m": 0.0}, model="line")
    study = identify(problem, points=20)
    assert study.numbers["verdicts"] == {"a": "determined", "b": "not"}
    assert re.fullmatch(
        r"These 2 readings determine a 1\.50 mV \(.* … .*\); say next to nothing about b\.", study.verdict
    )
    assert row(study, "b")[4:6] == (None, None) and study.numbers["removed"]["b"] == pytest.approx(
        0, abs=1e-9
    )
    assert any("has to be measured itself" in s for s in study.findings)


@pytest.mark.thorough
def test_at_high_potassium_sodium_is_bounded_from_above_only():
    """In 100 mM K+ little of V_m is sodium's: P_Na may be nothing, but not large."""
    study = identify(membrane([100], {"P_Na_rel": P_NA, "K_i": 140.0}, sem=1.0), points=20)
    assert study.numbers["verdicts"] == {"P_Na_rel": "one side"}
    assert re.fullmatch(r"This reading bounds P_Na/P_K \(at most 0\.\d+\)\.", study.verdict)
    curve = study.numbers["profiles"]["P_Na_rel"]
    P = np.exp(np.linspace(np.log(1e-5), 0, 20001))
    drop = 0.5 * (voltage(100, 50, 140.0, P) - voltage(100, 50, 140.0, 0.04)) ** 2
    assert curve["low"] is None and curve["high"] == pytest.approx(P[drop < DROP][-1], rel=0.01)


@pytest.mark.slow
def test_what_was_measured_beforehand_is_said_to_be_that(toys):
    """a + b is read; b is known from a measurement: a is determined, b is as it was."""
    table = read_table(pd.DataFrame({"V_m_mV": [3.0], "V_m_sem_mV": [0.1]}))
    problem = make_problem(
        table, {"a": uniform(-50, 50), "b": normal(1, 0.5, measured=True), "extra_V_m": 0.0}, model="total"
    )
    study = identify(problem, points=20)
    assert study.numbers["verdicts"] == {"a": "determined", "b": "measured"}
    curve = study.numbers["profiles"]["a"]
    half = 1.959964 * np.hypot(0.5, 0.1)
    assert (curve["low"], curve["high"]) == pytest.approx((2 - half, 2 + half), abs=0.005)


@pytest.mark.slow
def test_scatter_that_cannot_be_told_is_held(toys):
    """Two readings, two unknowns and their scatter: the likelihood has no bound unless sigma is held."""
    table = read_table(pd.DataFrame({"x": [0.0, 1.0], "V_m_mV": [1.0, 2.0]}), quantities=("x",))
    problem = make_problem(
        table, {"a": normal(0, 3), "b": normal(0, 1), "sigma_V_m": lognormal(0.5, 2)}, model="line"
    )
    study = identify(problem, points=20)
    assert any("scatter cannot be told" in s for s in study.findings)
    curve = study.numbers["profiles"]["a"]
    assert (curve["low"], curve["high"]) == pytest.approx((1 - 0.98, 1 + 0.98), abs=0.01)


# -- plans -----------------------------------------------------------------------------------------


def plan(K_o, **quantities):
    table = pd.DataFrame({"K_o_mM": K_o, "V_m_mV": np.full(len(K_o), np.nan)})
    known = {"T": 295.15, "Na_i": 10.0, "Na_o": Swap("K_o", 150.0), "P_Na_rel": P_NA, "K_i": K_I}
    return make_problem(read_table(table, require_readings=False), known | quantities)


def test_a_plan_is_judged_by_what_it_can_be_expected_to_tell():
    enough, few = (identify(plan(K_o, sigma_V_m=1.0)) for K_o in ([1, 5, 20, 60], [5]))
    assert enough.verdict == "These 4 planned readings can be expected to determine P_Na/P_K and K_i."
    assert set(few.numbers["verdicts"].values()) == {"together"} and few.numbers["plan"]
    assert [p.name for p in few.pictures] == ["spectrum"]
    # The variance left, averaged over the prior, by finite differences of the formula.
    K_o, rng, h = np.array([1, 5, 20, 60.0]), np.random.default_rng(1), 1e-5
    z = rng.standard_normal((20000, 2))

    def V(z):
        return voltage(K_o, 150 - K_o, 130 * 1.3 ** z[:, 1:], 0.05 * 3 ** z[:, :1])

    J = np.stack([(V(z + h * e) - V(z - h * e)) / (2 * h) for e in np.eye(2)], axis=-1)
    left = np.linalg.inv(np.eye(2) + np.einsum("pni,pnj->pij", J, J)).mean(axis=0)
    removed = [enough.numbers["removed"][name] for name in ("P_Na_rel", "K_i")]
    np.testing.assert_allclose(1 - np.array(removed), np.diag(left), rtol=0.25)


def test_a_scatter_not_given_is_taken_at_its_priors_middle():
    study = identify(plan([1, 5, 20, 60]))
    assert "sigma_V_m" in study.numbers["verdicts"] and np.isfinite(study.numbers["eigenvalues"]).all()


# -- the command, and what is refused --------------------------------------------------------------


def test_the_command_prints_and_writes(titration, tmp_path, cli):
    done = cli("identify", titration / "cells.yaml", "--points", 8, "--json", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["verb"] == "identify" and found["numbers"]["verdicts"]["P_Na_rel"] == "determined"
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [
        "profiles.png",
        "profiles.svg",
        "report.html",
        "spectrum.png",
        "spectrum.svg",
        "study.json",
    ]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: text.replace("prior: lognormal, median: 0.05, factor: 3", "prior: lognormel"), "lognorm"),
        (lambda text: text.replace("{prior: lognormal, median: 0.05, factor: 3}", "0.05").replace(
            "{prior: normal, mean: 0, sd: 2}", "0"), "nothing to determine"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message(titration, tmp_path, cli, change, words):
    (tmp_path / "cells.csv").write_text((titration / "cells.csv").read_text())
    (tmp_path / "bad.yaml").write_text(change((titration / "cells.yaml").read_text()))
    done = cli("identify", tmp_path / "bad.yaml", "--out", tmp_path / "out")
    assert done.code == 2 and words in done.err and "Traceback" not in done.err
    assert not (tmp_path / "out").exists()


def test_too_few_points_and_no_answer_are_refused(toys):
    table = read_table(pd.DataFrame({"V_m_mV": [3.0], "V_m_sem_mV": [0.1]}))
    problem = make_problem(table, {"a": uniform(-2, 0.2), "extra_V_m": 0.0}, model="no_answer")
    with pytest.raises(InputError, match="points = 4"):
        identify(problem, points=4)
    with pytest.raises(InputError, match="no answer"):
        identify(problem)


def test_a_batch_is_counted():
    """Cells by their stored contraction; one that cannot be used is left out."""
    from pumpleak.studies.identify.batch import identify_batch

    class Fake:
        parameters, n_cells, title, headline = ("P_Na_rel",), 4, "plate", "3 of 4 can be used."
        manifest = {"config": {}}
        tree = {"summary": {"status": np.array([0, 0, 0, 1]),
                            "contraction": np.array([[0.95], [0.6], [0.05], [0.99]])}}  # fmt: skip

    study = identify_batch(Fake())
    assert study.verdict == "Determined among the usable cells: P_Na/P_K in 1 of 3."
    assert study.tables[0].rows == (("P_Na_rel", 3, 1, 1, 0, 1, pytest.approx(60)),)
