"""`compare`: closed forms of linear models, a truth that wins, a null that does not, models that are one, bad input."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal as mvn

from pumpleak import InputError, compare, load_problem, load_study, make_problem, normal, read_table
from pumpleak.comparison import same_readings
from pumpleak.equivalence import equivalence

X = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0])
SLOPE = 1 + 2 * X + np.array([0.3, -0.5, 0.6, 0.1, -0.4, 0.2, -0.1])
NULL = 1 + np.array([0.9, -1.1, 0.4, -0.2, 1.2, -0.8, -0.3])
LABELS = list("abcdefg")


def table(V):
    return pd.DataFrame({"label": LABELS, "x": X, "V_m_mV": V, "V_m_sem_mV": 0.5})


def gaussian(y, prior_cov, sd):
    """Prior predictive mean and covariance of a + b·x, a ~ N(0, 3)."""
    A = np.column_stack([np.ones_like(X), X])
    return mvn(np.zeros_like(y), A @ prior_cov @ A.T + sd**2 * np.eye(len(y)))


def left_out(y, prior_cov, sd, out):
    """ln p(y_out | the rest), and mean and sd of the mean of y_out given the rest."""
    cov = gaussian(y, prior_cov, sd).cov
    rest = np.setdiff1d(np.arange(len(y)), out)
    gain = cov[np.ix_(out, rest)] @ np.linalg.inv(cov[np.ix_(rest, rest)])
    mean, c = gain @ y[rest], cov[np.ix_(out, out)] - gain @ cov[np.ix_(rest, out)]
    return mvn(mean, c).logpdf(y[out]), mean.mean(), np.sqrt(c.mean())


@pytest.fixture(scope="module")
def study(toys):
    def problem(**q):
        data = read_table(table(SLOPE), quantities=("x",))
        return make_problem(data, {"a": normal(0, 3), "extra_V_m": 0.0} | q, model="line")

    return compare({"line": problem(b=normal(0, 3)), "flat": problem(b=0.0)}, seed=2)


def rivals(numbers):
    return {r["name"]: r for s in numbers["models"] for r in s["rivals"]}


PRIOR = {"line": np.diag([9.0, 9.0]), "flat": np.diag([9.0, 0.0])}


@pytest.mark.parametrize("name", ["line", "flat"])
def test_closed_forms(study, name):
    """Evidence, each reading's and each condition's density, and its prediction, as linear algebra has them."""
    r = rivals(study.numbers)[name]
    exact = gaussian(SLOPE, PRIOR[name], 0.5).logpdf(SLOPE)
    assert abs(r["log_evidence"] - exact) < 5 * r["log_evidence_se"] + 1e-6 and r["log_evidence_se"] < 0.03
    assert study.numbers["conditions"] == ["a", "b", "d", "e", "f", "g"]  # two rows at x = 1
    for fold, out in zip(r["folds"], [[0], [1, 2], [3], [4], [5], [6]], strict=True):
        assert fold["left_out"].tolist() == out and fold["usable"]
        elpd, mean, sd = left_out(SLOPE, PRIOR[name], 0.5, out)
        assert abs(fold["elpd"] - elpd) < 5 * fold["elpd_se"] + 1e-6
        assert abs(fold["expected"] - mean) < 0.15 * sd and abs(fold["sd"] / sd - 1) < 0.1
        assert fold["read"] == pytest.approx(SLOPE[out].mean())
    loo = [left_out(SLOPE, PRIOR[name], 0.5, [i])[0] for i in range(7)]
    assert abs(r["elpd"] - sum(loo)) < 0.02 * abs(sum(loo)) + 0.05
    assert r["elpd_se"] == pytest.approx(np.sqrt(7 * np.var(loo, ddof=1)), rel=0.05)


def test_the_truth_wins(study):
    assert study.verdict.startswith("The data support line, and speak against flat.")
    assert study.numbers["survivors"] == ["line"]
    flat = next(w for w in study.findings if w.startswith("flat "))
    assert "at 'a' it is" in flat or "at 'g' it is" in flat  # a mean fails most at the ends of a line
    best, other = study.numbers["models"]
    assert best["weight"] == pytest.approx(1, abs=1e-3) and other["elpd_diff"] < -4
    assert "mV off" in flat and "Traceback" not in flat


def test_words_tables_and_figures(study):
    assert [t.title.split(",")[0] for t in study.tables] == ["Models", "Each condition left out"]
    assert len(study.tables[1].rows) == 12 and [p.name for p in study.pictures] == ["differences", "left_out"]
    assert all(p.png.startswith(b"\x89PNG") for p in study.pictures)


# -- a null, and wrong noise, through the command line ----------------------------------------------


@pytest.fixture(scope="module")
def configs(toys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rivals")
    table(NULL).drop(columns="V_m_sem_mV").to_csv(folder / "table.csv", index=False)
    shifted = NULL.copy()
    shifted[3] += 0.25
    table(shifted).drop(columns="V_m_sem_mV").to_csv(folder / "other.csv", index=False)
    for name, b, sigma, data in (
        ("flat", "0", 1, "table"), ("line", "{prior: normal, mean: 0, sd: 0.3}", 1, "table"),
        ("narrow", "0", 0.2, "table"), ("elsewhere", "0", 1, "other"),
    ):  # fmt: skip
        (folder / f"{name}.yaml").write_text(
            f"title: Noise alone\nmodel: line\ndata: {data}.csv\nsampler: {{seed: 3}}\nquantities:\n"
            f"  a_mV: {{prior: normal, mean: 0, sd: 3}}\n  b_mV: {b}\n  sigma_V_m_mV: {sigma}\n  extra_V_m_mV: 0\n"
        )
    return folder


def test_wrong_noise_is_caught(configs, cli, tmp_path):
    """Noise five times too small for readings that scatter at random: ranked lower, and the worst condition named."""
    files = [configs / f"{n}.yaml" for n in ("narrow", "flat")]
    ran = cli("compare", *files, "--json", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["verdict"] == "The data support flat, and speak against narrow."
    r = rivals(found["numbers"])
    assert (
        r["narrow"]["elpd"] < r["flat"]["elpd"] - 4
        and r["narrow"]["largest_p"] < 0.01 < r["flat"]["largest_p"]
    )
    z = [abs(f["z"]) for f in r["narrow"]["folds"]]
    named = found["numbers"]["conditions"][int(np.argmax(z))]
    assert named == "e" and any(f"at '{named}' it is" in w for w in found["findings"] if "narrow" in w)
    study = load_study(tmp_path / "out")
    assert study.verdict == found["verdict"] and (tmp_path / "out" / "differences.png").is_file()
    again = cli("compare", *files, "--out", tmp_path / "out")
    assert again.code == 2 and "exists already" in again.err and "Traceback" not in again.err


@pytest.mark.slow
def test_a_null_decides_nothing(configs):
    """Between a mean and a line, noise alone decides nothing, whichever is ahead."""
    study = compare({n: load_problem(configs / f"{n}.yaml") for n in ("flat", "line")})
    assert study.verdict.startswith("These data cannot decide between ")
    assert set(study.numbers["survivors"]) == {"flat", "line"}


def test_different_tables_are_refused(configs, cli, tmp_path):
    ran = cli("compare", configs / "flat.yaml", configs / "elsewhere.yaml", "--out", tmp_path / "out")
    assert ran.code == 2 and not ran.out and not (tmp_path / "out").exists()
    assert "V_m of 'd' is 0.8 in flat, 1.05 in elsewhere" in ran.err
    one = cli("compare", configs / "flat.yaml")
    assert one.code == 2 and "at least two configs" in one.err


def test_the_first_difference_is_named(toys):
    def problem(**columns):
        data = pd.DataFrame({"label": LABELS, "x": X, "V_m_mV": NULL, "V_m_sem_mV": 0.5} | columns)
        return make_problem(read_table(data, quantities=("x",)), {"a": normal(0, 1), "b": 0.0}, model="line")

    first = problem()
    same_readings({"first": first, "again": problem()})
    for columns, message in (
        ({"V_m_sem_mV": [0.5] * 6 + [0.6]}, "standard error of V_m of 'g' is 0.5 in first, 0.6 in other"),
        ({"label": list("abcdefh")}, "first reads V_m of 'g', other reads V_m of 'h'"),
        ({"V_m_mV": [*NULL[:6], np.nan], "V_m_sem_mV": [0.5] * 6 + [np.nan]}, "only first reads V_m of 'g'"),
    ):
        with pytest.raises(InputError, match=message):
            same_readings({"first": first, "other": problem(**columns)})


# -- models that are one ----------------------------------------------------------------------------


def rival(folder, **changes):
    import yaml

    config = yaml.safe_load((folder / "cells.yaml").read_text())
    config["data"] = str(folder / "cells.csv")
    given = config["quantities"] | changes.pop("quantities", {})
    config["quantities"] = {k: v for k, v in given.items() if v is not None}
    return load_problem(config | changes)


def test_mullins_noda_is_ghk_under_another_name(titration):
    ghk, pump = rival(titration), rival(titration, model="mullins_noda")
    found = equivalence(("ghk", "pump"), (ghk, pump))
    assert found is not None and found.ratios == pytest.approx({"P_Na_rel": 1.5}, rel=1e-6)
    assert "P_Na_rel of pump = 1.5 × P_Na_rel of ghk" in found.words()


def test_what_differs_is_not_equivalent(titration):
    """A chord, another temperature, a pump blocked in one row, another noise: each has predictions of its own."""
    ghk = rival(titration)
    chord = rival(
        titration,
        model="chord",
        quantities={"P_Na_rel": None, "g_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}},
    )
    assert equivalence(("ghk", "chord"), (ghk, chord)) is None
    noisy = rival(titration, quantities={"extra_V_m_mV": 0.1})
    assert equivalence(("ghk", "noisy"), (ghk, noisy)) is None
    student = rival(titration, noise="student_t")
    assert equivalence(("ghk", "student"), (ghk, student)) is None
    vague = rival(titration, quantities={"P_Na_rel": {"prior": "lognormal", "median": 0.02, "factor": 5}})
    found = equivalence(("ghk", "vague"), (ghk, vague))
    assert found is not None and "differ in their priors alone" in found.words()
