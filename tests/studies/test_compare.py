"""`compare`: closed forms of linear models, a truth that wins, a null that does not, models that are one, bad input."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal as mvn

from pumpleak import (
    InputError,
    Latent,
    Recording,
    compare,
    load_problem,
    load_study,
    lognormal,
    make_problem,
    normal,
    read_table,
)
from pumpleak.studies.compare.compare import _averaged, _tables, same_readings
from pumpleak.studies.compare.refits import Refit
from pumpleak.studies.compare.words import Rival, Standing, _evidence, findings, verdict
from pumpleak.text import fixed

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
        assert (
            abs(fold["expected"] - mean) < 0.15 * sd
            and fold["unit"] == "mV"
            and abs(fold["sd"] / sd - 1) < 0.1
        )
        assert fold["read"] == pytest.approx(SLOPE[out].mean())
    loo = [left_out(SLOPE, PRIOR[name], 0.5, [i])[0] for i in range(7)]
    # The two readings at x = 1 are one condition: PSIS leaves out one of them.
    assert abs(r["elpd"] - sum(loo)) < 0.03 and r["refitted"] >= 5
    assert r["elpd_se"] == pytest.approx(np.sqrt(7 * np.var(loo, ddof=1)), rel=0.05)


def test_a_difference_and_an_elpd_have_their_errors_by_one_rule(study):
    """Against the formula, √(n s²) with n − 1 in s², of densities by linear algebra."""
    loo = {n: np.array([left_out(SLOPE, PRIOR[n], 0.5, [i])[0] for i in range(7)]) for n in PRIOR}
    best, other = study.numbers["models"]
    assert best["elpd_diff"] == best["elpd_diff_se"] == 0.0
    apart = loo["flat"] - loo["line"]
    assert other["elpd_diff"] == pytest.approx(apart.sum(), rel=0.01)
    assert other["elpd_diff_se"] == pytest.approx(np.sqrt(7 * np.var(apart, ddof=1)), rel=0.01)


def test_the_truth_wins(study):
    assert re.match(
        r"line is favoured over flat by \d+ ± \d+ nats \(elpd\)\. The data support line, and speak against flat\.",
        study.verdict,
    )
    assert study.numbers["survivors"] == ["line"]
    flat = next(w for w in study.findings if w.startswith("flat "))
    assert "at 'a' it is" in flat or "at 'g' it is" in flat  # a mean fails most at the ends of a line
    best, other = study.numbers["models"]
    assert best["weight"] == pytest.approx(1, abs=1e-3) and other["elpd_diff"] < -4
    assert "mV off" in flat


def test_words_tables_and_figures(study):
    assert [t.title.split(",")[0] for t in study.tables] == [
        "Models",
        "Each condition left out",
        "How well the densities are known",
    ]
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


@pytest.mark.thorough
def test_wrong_noise_is_caught(configs, cli, tmp_path):
    """Noise five times too small for readings that scatter at random: ranked lower, and the worst condition named."""
    files = [configs / f"{n}.yaml" for n in ("narrow", "flat")]
    ran = cli("compare", *files, "--json", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["verdict"].startswith("flat is favoured over narrow by ")
    assert "The data support flat, and speak against narrow. By flat a 0.99 mV (" in found["verdict"]
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
    assert re.search(r" nats apart \(elpd\)\. These data cannot decide between ", study.verdict)
    assert set(study.numbers["survivors"]) == {"flat", "line"}


def test_different_tables_are_refused(configs, cli, tmp_path):
    ran = cli("compare", configs / "flat.yaml", configs / "elsewhere.yaml", "--out", tmp_path / "out")
    assert ran.code == 2 and not ran.out and not (tmp_path / "out").exists()
    assert "V_m of 'd' is 0.8 in flat, 1.05 in elsewhere" in ran.err
    one = cli("compare", configs / "flat.yaml")
    assert one.code == 2 and "at least two configs" in one.err
    twice = cli("compare", configs / "flat.yaml", configs / "flat.yaml")
    assert twice.code == 2 and "flat.yaml: is given twice" in twice.err


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


# -- words where the best fails, rounded and mixed readings, pooled levels ---------------------------


def standing(name, diff, fits, z, weight=0.5, scattered=False):
    fold = Refit(np.array([0]), True, 0.0, 0.0, 0.0, 0.0, -70.0, -70.0 + z, 1.0, "mV")
    rival = Rival(name, True, fits, (), diff, 1.0, 1.0, 0.01, 0.1, 1, diff, 0.01, 0.5, (fold,), scattered)
    return Standing((rival,), diff, 1.0, weight)


def test_a_model_that_fits_survives_a_better_one_that_does_not():
    best, close, far = (
        standing("a", 0.0, False, 5),
        standing("b", -2.0, True, 1),
        standing("c", -9.0, True, 1),
    )
    assert "The data support b, and speak against a." in verdict([best, close], ["rest"])
    said = findings([best, close], ["rest"], (), {})
    assert (
        said[0].startswith("a predicts best, by less than a difference has to be, but fails")
        and "5.0 mV off" in said[0]
    )
    assert "No model survives: a predicts best, but at 'rest' it is 5.0 mV" in verdict([best, far], ["rest"])
    assert "what fits, c, predicts clearly worse" in verdict([best, far], ["rest"])
    none = verdict([best, standing("d", -1.0, False, 4)], ["rest"], "P_Na/P_K 0.03")
    assert "None of these models fits the data." in none and "P_Na/P_K" not in none


def test_scatter_beyond_the_standard_errors_is_said_once():
    def said(*needs):
        three = [standing(x, -k, True, 1, scattered=x in needs) for k, x in enumerate("abc")]
        return [t for t in findings(three, ["rest"], (), {}) if "scatter beyond" in t]

    assert said() == []
    assert len(one := said("b")) == 1 and one[0].startswith("b needs scatter")
    assert len(two := said("a", "c")) == 1 and two[0].startswith("a and c need scatter")


def test_an_average_that_is_one_models_says_so():
    two = [standing("a", 0.0, True, 1, 1.0), standing("b", -0.5, True, 1, 0.0)]
    quantiles = {"a": np.array([0.01, 0.02, 0.03]), "b": np.array([0.03, 0.05, 0.07])}
    average = {
        "P_Na_rel": {
            "median": 0.02,
            "low": 0.01,
            "high": 0.03,
            "weights": {"a": 1.0, "b": 0.0},
            "models": quantiles,
            "share": 1.0,
        }
    }
    said = " ".join(findings(two, ["rest"], (), average))
    assert "which is a's alone" in said and "between 0.02 and 0.05" in said
    average["P_Na_rel"]["weights"] = {"a": 0.6, "b": 0.4}
    average["P_Na_rel"]["share"] = 0.9
    said = " ".join(findings(two, ["rest"], (), average))
    assert (
        "alone" not in said and "Averaged over the models that have it (90 % of the weight), P_Na_rel" in said
    )


def of_numbers(name, k, **changes):
    """A model every number of which is its own."""
    lost = changes.pop("lost", False)
    fold = Refit(np.array([0]), not lost, 0.0, 0.0, -k, 0.1 * k, -70.0, -70.0 + k, 1.0 + k, "mV")
    own = Rival(
        name, True, True, (), -float(k), 1.0 + k, 2.0 + k, 0.01 * k, 0.1 * k, k, -10.0 * k, 0.02 * k, 0.05 * k,
        (fold,), False,
    )  # fmt: skip
    return replace(own, **changes)


def test_every_row_of_a_table_is_the_models_it_names():
    """Twins in the first place, two more behind: each line has its own model's numbers, and its place's rank and weight."""
    a, b, c, d = (of_numbers(x, k) for k, x in enumerate("abcd", 1))
    standings = [
        Standing((a, b), 0.0, 0.0, 0.6),
        Standing((c,), -5.0, 1.5, 0.3),
        Standing((d,), -9.0, 2.5, 0.1),
    ]
    models, folds, known = _tables(standings, ["rest"], {})
    assert models.rows == (
        (1, "a", 0.0, 0.0, 0.3, -10.0, 0.05, True),
        (1, "b", 0.0, 0.0, 0.3, -20.0, 0.1, True),
        (2, "c", -5.0, 1.5, 0.3, -30.0, pytest.approx(0.15), True),
        (3, "d", -9.0, 2.5, 0.1, -40.0, 0.2, True),
    )
    assert [r[1] for r in folds.rows] == list("abcd")
    for k, row in enumerate(folds.rows, 1):
        assert row[:3] == ("rest", "abcd"[k - 1], "mV") and row[4:6] == (-70.0 + k, 1.0 + k)
        assert row[7:9] == (-k, 1.0 - k) and row[9] == pytest.approx(0.1 * np.hypot(k, 1))
    assert [r[:3] for r in known.rows] == [(x, -float(k), 1.0 + k) for k, x in enumerate("abcd", 1)]
    plain = [s.as_dict() for s in standings]
    assert [p["names"] for p in plain] == [["a", "b"], ["c"], ["d"]]
    assert [p["worse"] for p in plain] == [False, True, True]
    assert plain[0]["rivals"][1]["log_evidence"] == -20.0 and plain[0]["rivals"][1]["folds"][0]["z"] == -2 / 3


def test_who_cannot_be_relied_on_is_who_is_named():
    """In whole sentences: those whose posterior fails, those whose refits fail, and nobody else."""
    fine, failed, refits = of_numbers("a", 1), of_numbers("b", 2, usable=False), of_numbers("c", 3, lost=True)
    two = [Standing((fine,), 0.0, 0.0, 0.5), Standing((of_numbers("d", 2),), -1.0, 1.0, 0.5)]
    assert verdict(two, ["rest"], "P_Na/P_K 0.03 (0.02 … 0.05)") == (
        "a and d are 1.0 ± 1.0 nats apart (elpd). These data cannot decide between a and d. "
        "By a P_Na/P_K 0.03 (0.02 … 0.05)."
    )
    three = [
        two[0],
        Standing((of_numbers("d", 2),), -5.8, 1.2, 0.1),
        Standing((of_numbers("e", 2),), -90.0, 9.0, 0.1),
    ]
    lead = "a is favoured over d, the next best, by 5.8 ± 1.2 nats (elpd). The data support a, and speak against d and e."
    assert verdict(three, ["rest"]) == lead
    bad = [two[0], Standing((failed,), -1.0, 1.0, 0.3), Standing((refits,), -9.0, 1.0, 0.2)]
    assert verdict(bad, ["rest"]) == (
        "Do not rely on this comparison: the posterior of b cannot be used. "
        "These data cannot decide between a and b. They speak against c."
    )
    caution = "Some refits of c did not pass their engine's gate; read their numbers with care."
    assert findings(bad, ["rest"], (), {})[-1] == caution
    assert not any("gate" in line for line in findings(two, ["rest"], (), {}))
    one = [Standing((fine, of_numbers("d", 2)), 0.0, 0.0, 1.0)]
    assert verdict(one, ["rest"]) == (
        "a and d are one model under different names, which no reading of this kind can tell apart; it fits these data."
    )


@pytest.mark.parametrize(
    ("diff", "se", "worse"), [(-3.9, 0.1, False), (-4.1, 2.0, True), (-4.1, 2.1, False), (-9.0, 4.4, True)]
)
def test_worse_is_more_than_four_nats_and_two_standard_errors(diff, se, worse):
    best, other = (
        Standing((of_numbers("a", 1),), 0.0, 0.0, 0.5),
        Standing((of_numbers("b", 2),), diff, se, 0.5),
    )
    assert other.worse == worse and other.survives != worse
    behind = f"{fixed(-diff, 1)} ± {fixed(se, 1)} nats"
    said = findings([best, other], ["rest"], (), {})[0]
    if worse:
        assert said == (
            f"b predicts readings it has not seen worse than a, by {behind}; at 'rest' it is 2.0 mV off "
            "(read -70, expected from the other conditions -68 ± 3.0 mV)."
        )
    else:
        why = (
            "less than two standard errors"
            if -diff > 4
            else "less than the 4 nats from which a difference begins to mean something"
        )
        assert said == f"b is {behind} behind a: {why}."


@pytest.mark.slow
def test_rounding_does_not_widen_what_is_expected(toys):
    """Steps of 2 mV: the sd is that of the mean as it was before rounding, in closed form to a few per cent."""
    x = np.array([0.0, 1.0, 2.0, 3.0])
    data = read_table(
        pd.DataFrame({"x": x, "V_m_mV": [2.0, 4.0, 6.0, 8.0], "V_m_sem_mV": 1.0}), quantities=("x",)
    )
    problem = make_problem(
        data, {"a": normal(0, 3), "b": normal(0, 3), "extra_V_m": 0.0}, model="line", recording=Recording(rounding=2.0)
    )  # fmt: skip
    found = compare({"one": problem, "two": make_problem(data, problem.recipe["quantities"] | {"b": 0.0}, model="line",
                                                        recording=Recording(rounding=2.0))}, seed=1)  # fmt: skip
    A = np.column_stack([np.ones(4), x])
    for k, fold in enumerate(rivals(found.numbers)["one"]["folds"]):
        rest = np.arange(4) != k
        # A rounding step of 2 mV adds 2²/12 to the variance of each reading, to good approximation.
        C = np.linalg.inv(A[rest].T @ A[rest] / (1 + 4 / 12) + np.eye(2) / 9)
        assert fold["sd"] == pytest.approx(np.sqrt(A[k] @ C @ A[k] + 1), rel=0.08)


@pytest.mark.slow
def test_readings_of_two_kinds_are_not_averaged(titration):
    rows = {"K_o_mM": [3.0, 10.0, 30.0], "Na_o_mM": [147.0, 140.0, 120.0], "V_m_mV": [-78.0, -62.0, -37.0],
            "V_m_sem_mV": 1.0, "dye_log": [0.2, 0.26, 0.35], "dye_log_sem": 0.02}  # fmt: skip
    known = {
        "T": 295.15,
        "K_i": 140.0,
        "Na_i": 10.0,
        "dye_F0": 1.6,
        "dye_slope": 0.35,
        "P_Na_rel": lognormal(0.04, 2),
    }
    table = read_table(pd.DataFrame(rows), ("V_m", "dye_log"), quantities=("K_o", "Na_o"))
    a = make_problem(table, known)
    b = make_problem(table, known | {"P_Na_rel": 0.2})
    found = compare({"free": a, "fixed": b}, engine="importance", seed=1)
    units = {f["unit"] for r in rivals(found.numbers).values() for f in r["folds"]}
    assert units <= {"mV", "1"} and found.verdict
    for fold in rivals(found.numbers)["free"]["folds"]:
        assert abs(fold["read"] - fold["expected"]) < 6 * fold["sd"]


@pytest.mark.slow
def test_pooled_levels_are_compared(titration):
    """One ratio for all cells against one for each, from a population: cells that differ speak for the second."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        [(f"c{c}", K, 150 - K, 25.4 * np.log((K + p * (150 - K)) / (140 + p * 10)) + rng.standard_normal())
         for c, p in enumerate((0.02, 0.04, 0.08, 0.03)) for K in (2.0, 10.0, 40.0)],
        columns=["cell", "K_o_mM", "Na_o_mM", "V_m_mV"],
    )  # fmt: skip
    table = read_table(frame, quantities=("K_o", "Na_o"))
    known = {"T": 295.15, "K_i": 140.0, "Na_i": 10.0, "sigma_V_m": 1.0}
    pooled = make_problem(table, known | {"P_Na_rel": Latent(lognormal(0.05, 2), by="cell", pooled=True)})
    one = make_problem(table, known | {"P_Na_rel": lognormal(0.05, 2)})
    found = compare({"pooled": pooled, "one": one}, engine="importance", seed=1)
    assert "The data support pooled, and speak against one." in found.verdict
    assert all(f["usable"] for f in rivals(found.numbers)["pooled"]["folds"])
    assert any("No ratio is averaged" in f for f in found.findings)


@pytest.mark.parametrize(
    ("unit", "said"), [("1", "0.04 off (read 4.5,"), ("mM", "0.04 mM off"), ("mV", "0.0 mV off")]
)
def test_how_far_off_is_said_in_the_readings_own_unit(unit, said):
    fold = Refit(np.array([0]), True, 0.0, 0.0, 0.0, 0.0, 4.5, 4.54, 0.01, unit)
    own = {"usable": True, "fits": False, "misfit": (), "scattered": False, "refitted": 0, "folds": (fold,)}
    zero = ("elpd", "elpd_se", "p_loo", "elpd_error", "k_hat", "log_evidence", "log_evidence_se", "largest_p")
    assert said in Rival("one", **own, **dict.fromkeys(zero, 0.0)).failing(["wash"])


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (
            [-10.0, -12.0],
            ["Evidence agrees with the ranking: a before b by 2.0 nats, too little to mean much."],
        ),
        (
            [-16.0, -12.0],
            ["By evidence the order is another: b before a by 4.0 nats, which hangs on the priors too."],
        ),
        (
            [-10.0, np.nan, -14.0],
            ["Evidence agrees with the ranking: a before c by 4.0 nats, which hangs on the priors too."],
        ),
        ([-10.0, np.nan], []),
    ],
)
def test_evidence_is_beside_the_ranking(evidence, words):
    heads = [SimpleNamespace(name=n, log_evidence=e) for n, e in zip("abc", evidence, strict=False)]
    assert _evidence([SimpleNamespace(head=head) for head in heads]) == words


def test_a_ratio_is_averaged_over_the_models_that_have_it_at_their_weights():
    x = np.linspace(0, 1, 2001)
    looked = {
        "a": SimpleNamespace(ratios={"P_Na_rel": x}),
        "b": SimpleNamespace(ratios={"P_Na_rel": 10 + x}),
        "c": SimpleNamespace(ratios={"P_Ca_rel": x}),
    }
    of = [(0.75, "a"), (0.2, "b"), (0.05, "c")]
    standings = [SimpleNamespace(weight=w, rivals=(SimpleNamespace(name=n),)) for w, n in of]
    (name, found), *more = _averaged(looked, standings).items()
    assert name == "P_Na_rel" and not more and found["share"] == pytest.approx(0.95)
    assert found["weights"] == {"a": 0.75, "b": 0.2}
    # Of 0.75 / 0.95 of the mixture, all below 1, the half is 0.5 · 0.95 / 0.75 of a's distribution.
    assert found["median"] == pytest.approx(0.5 * 0.95 / 0.75, abs=2e-3)
    assert found["low"] == pytest.approx(0.025 * 0.95 / 0.75, abs=2e-3)
    assert found["high"] == pytest.approx(11 - 0.025 * 0.95 / 0.2, abs=2e-3)
    np.testing.assert_allclose(found["models"]["b"], [10.025, 10.5, 10.975], atol=1e-3)
