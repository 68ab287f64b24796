"""Error budgets against closed forms: a normal posterior, Ishigami's function, GHK's derivatives, differences."""

import json
from itertools import permutations
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pumpleak import (
    InputError,
    Latent,
    design,
    infer,
    load_problem,
    lognormal,
    make_problem,
    normal,
    read_table,
    sensitivity,
)
from pumpleak.inference.result import check_result
from pumpleak.studies.sensitivity import sensitivity as made_of
from pumpleak.studies.sensitivity.budget import REST, Budget, Share, budget_of
from pumpleak.studies.sensitivity.sensitivity import Answers, _limits, _slips, _step
from pumpleak.studies.sensitivity.shares import Sobol, expected_given, explained, shapley_shares, sobol_shares
from pumpleak.studies.sensitivity.slopes import Input, Slopes, membrane_slopes, mode_slopes, posterior_mode

# -- shares of a variance ---------------------------------------------------------------------------


def covariance_of(seed=0, m=4):
    A = np.random.default_rng(seed).standard_normal((m + 1, m + 1))
    return A @ A.T


def test_shapley_shares_are_the_average_over_all_orders():
    S = covariance_of()
    groups, by_order = [[0], [1, 2], [3]], np.zeros(3)
    for order in permutations(range(3)):
        known = []
        for g in order:
            before = explained(S, known)
            known = known + groups[g]
            by_order[g] += (explained(S, known) - before) / 6
    found = shapley_shares(S, groups)
    np.testing.assert_allclose(found, by_order, atol=1e-12)
    np.testing.assert_allclose(found.sum(), explained(S, range(4)), atol=1e-12)


def test_independent_inputs_share_by_their_squares_and_twins_alike():
    c = np.array([3.0, 2.0, 0.0])
    S = np.block([[np.array([[25.0]]), c[None]], [c[:, None], np.eye(3)]])
    np.testing.assert_allclose(shapley_shares(S, [[0], [1], [2]]), [9 / 25, 4 / 25, 0], atol=1e-12)
    twins = np.array([[2.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(shapley_shares(twins, [[0], [1]]), [0.25, 0.25], atol=1e-9)
    with pytest.raises(ValueError, match="too many"):
        shapley_shares(np.eye(14), [[i] for i in range(13)])


def test_what_goes_when_an_input_is_known_is_seen_where_it_is_curved():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4000, 2))
    y = x[:, 0] ** 2 + 0.5 * rng.standard_normal(4000)
    share = [expected_given(y, x[:, [k]]).var() / y.var() for k in (0, 1)]
    assert abs(share[0] - 2 / 2.25) < 0.03  # Var(x²) = 2
    assert share[1] < 0.01  # what has nothing to do with it
    assert explained(np.cov(np.column_stack([y, x[:, 0]]).T), [0]) < 0.02


def ishigami(x):
    return np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])


def test_what_varies_little_in_its_unit_explains_as_much():
    """H in the bath varies by 1e-8 mM, the temperature by 1 K: the share of each is that of standardised inputs."""
    x = np.random.default_rng(0).normal(size=(4000, 3)) @ [[1, 0.4, 0], [0, 1, 0.3], [0, 0, 1]]
    y = x @ [1.0, 2.0, -1.0]
    plain = np.cov(np.column_stack([y, x]).T)
    units = np.cov(np.column_stack([y, x * [1.0, 1e-8, 1e-3]]).T)
    for members in ([0], [1], [0, 1], [0, 1, 2]):
        residual = (
            y
            - np.column_stack([np.ones(len(x)), x[:, members]])
            @ np.linalg.lstsq(np.column_stack([np.ones(len(x)), x[:, members]]), y, rcond=None)[0]
        )
        exact = 1 - residual.var() / y.var()  # by least squares
        assert explained(plain, members) == pytest.approx(exact, abs=1e-9)
        assert explained(units, members) == pytest.approx(exact, abs=1e-9)


def test_sobol_indices_are_ishigamis():
    found = sobol_shares(ishigami, [stats.uniform(-np.pi, 2 * np.pi)] * 3, n=4096, seed=1)
    for got, error, true in (
        (found.first[0], found.first_error[0], [0.3139, 0.4424, 0.0]),
        (found.total[0], found.total_error[0], [0.5576, 0.4424, 0.2437]),
    ):
        assert (np.abs(got - true) < 2 * error + 0.005).all() and (error < 0.06).all()
    np.testing.assert_allclose(
        found.sd[0], np.sqrt(0.5 + 49 / 8 + 0.1 * np.pi**4 / 5 + np.pi**8 / 1800), rtol=0.02
    )


def test_points_without_an_answer_are_counted_and_a_constant_has_no_shares():
    found = sobol_shares(
        lambda x: np.stack([np.where(x[0] > 0.9, np.nan, x[0] + x[1]), 0 * x[0]]),
        [stats.uniform()] * 2, n=256, seed=1,
    )  # fmt: skip
    assert abs(found.lost[0] - 0.1) < 0.02 and (found.first[1] == 0).all()
    with pytest.raises(ValueError, match="power of 2"):
        sobol_shares(ishigami, [stats.uniform()] * 3, n=1000, seed=1)


# -- slopes -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def problem(titration):
    return load_problem(titration / "cells.yaml")


@pytest.fixture(scope="module")
def mode(problem):
    return posterior_mode(problem)


def test_slopes_of_the_potential_are_the_ghk_equations(problem):
    """V = V_T ln[(K_o + α Na_o)/(K_i + α Na_i)]: its logarithmic derivatives by hand."""
    found = membrane_slopes(problem, np.zeros(problem.dimension))
    K_o, Na_o, K_i, Na_i = np.array([2.5, 5, 20, 60]), np.array([147.5, 145, 130, 90]), 140.0, 10.0
    a, T = 0.05, 295.15
    V_T = 8.31446261815324 / 96485.33212331001 * T * 1e3
    out, inside = K_o + a * Na_o, K_i + a * Na_i
    V = V_T * np.log(out / inside)
    true = {
        "P_Na_rel": V_T * a * (Na_o / out - Na_i / inside), "K_o": V_T * K_o / out, "Na_o": V_T * a * Na_o / out,
        "K_i": np.full(4, -V_T * K_i / inside), "Na_i": np.full(4, -V_T * a * Na_i / inside), "T": V / T,
        "V_offset": np.zeros(4), "LJP": np.zeros(4),
    }  # fmt: skip
    by_name = {i.name: found.values[:, k] for k, i in enumerate(found.inputs)}
    assert by_name.keys() == true.keys()  # factors left at 1 are no inputs
    for name, value in true.items():
        np.testing.assert_allclose(by_name[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


def test_the_mode_of_a_line_moves_as_linear_algebra_says(line):
    u, H = posterior_mode(line.problem)
    found = mode_slopes(line.problem, u, H)
    X, W = np.column_stack([np.ones(4), [0.0, 1, 2, 5]]), np.diag(1 / np.array([0.5, 1, 0.5, 2]) ** 2)
    by = {(i.kind, str(i)): found.values[:, k] for k, i in enumerate(found.inputs)}
    readings = np.stack([v for (kind, _), v in by.items() if kind == "reading"], axis=1)
    np.testing.assert_allclose(readings, line.covariance @ X.T @ W, atol=1e-8)
    centres = np.stack([by["prior", "a"], by["prior", "b"]], axis=1)
    np.testing.assert_allclose(centres, line.covariance @ np.diag([1 / 9, 1.0]), atol=1e-8)
    np.testing.assert_allclose(by["known", "LJP"], -(line.covariance @ X.T @ W).sum(axis=1), atol=1e-8)


def test_the_mode_of_a_titration_moves_as_finite_differences_say(problem, mode):
    found = mode_slopes(problem, *mode)
    row = found.values[found.answers.index("P_Na_rel")]
    by = {(i.kind, str(i)): v for i, v in zip(found.inputs, row, strict=True)}

    @jax.jit
    def newton(u, known):
        at = problem.arrays._replace(known=problem.arrays.known | known)
        slope, H = jax.grad(problem.potential)(u, at), jax.hessian(problem.potential)(u, at)
        return u - jnp.linalg.solve(H, slope)

    names = ("LJP", "K_i", "K_o")
    base_known = {k: jnp.asarray(problem.arrays.known[k], float) for k in names}

    def ln_ratio(**known):
        u = jnp.asarray(mode[0])
        for _ in range(6):
            u = newton(u, base_known | {k: jnp.asarray(v, float) for k, v in known.items()})
        return float(jnp.log(problem.constrain(u)["P_Na_rel"]))

    for name, step in (("LJP", 0.05), ("K_i", 1e-3)):
        base = float(problem.arrays.known[name])
        moved = [ln_ratio(**{name: base + s * step * max(base, 1.0)}) for s in (-1, 1)]
        difference = (moved[1] - moved[0]) / (2 * step)
        assert abs(by["known", name] - difference) < 1e-3 * abs(difference), name
    K_o = np.array(problem.arrays.known["K_o"])
    ends = [ln_ratio(K_o=K_o * np.array([np.exp(s * 1e-3), 1, 1, 1])) for s in (-1, 1)]
    assert abs(by["known", "K_o (a)"] - (ends[1] - ends[0]) / 2e-3) < 1e-3 * abs(by["known", "K_o (a)"])


# -- budgets ----------------------------------------------------------------------------------------


def test_the_budget_of_a_normal_posterior_is_the_squared_correlation(line):
    x = np.random.default_rng(3).multivariate_normal(line.mean, line.covariance, 20_000)
    b = budget_of(line.problem, {"a": x[None, :, 0], "b": x[None, :, 1]}, "a")
    rho2 = line.covariance[0, 1] ** 2 / (line.covariance[0, 0] * line.covariance[1, 1])
    of = {s.name: s for s in b.shares}
    assert abs(of["b"].share - rho2) < 4 * of["b"].error + 1e-3 and abs(of["b"].removed - rho2) < 0.02
    assert abs(sum(s.share for s in b.shares) - 1) < 1e-9 and of[REST].share > 0
    width = 2 * 1.96 * np.sqrt(line.covariance[0, 0] * (1 - rho2))
    assert abs(of["b"].high - of["b"].low - width) < 0.03 * width
    # Negative control: inputs dealt out anew know nothing of the target.
    strange = budget_of(line.problem, {"a": x[None, :, 0], "b": x[None, ::-1, 1]}, "a")
    assert {s.name: s.share for s in strange.shares}["b"] < 0.01


def test_a_result_of_another_problem_is_refused(line, problem, inferred):
    with pytest.raises(InputError, match="of another problem"):
        sensitivity(line.problem, inferred)
    with pytest.raises(InputError, match="of another problem"):
        design(line.problem, result=inferred)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("factor: 3", "factor: 2", "the prior of P_Na_rel is another"),
        ("LJP_mV: 0", "LJP_mV: 5", "known numbers, standard errors or the noise are others"),
        ("extra_V_m_mV: 0", "extra_V_m_mV: 1", "known numbers, standard errors or the noise are others"),
        ("", "", "was -"),  # the first reading itself, by 20 mV
    ],
)
def test_a_result_of_the_same_unknowns_but_other_facts_is_refused(
    titration, inferred, tmp_path, old, new, said
):
    text, table = (titration / "cells.yaml").read_text(), (titration / "cells.csv").read_text()
    assert old in text
    (tmp_path / "cells.yaml").write_text(text.replace(old, new))
    first = float(pd.read_csv(titration / "cells.csv")["V_m_mV"][0])
    written = next(x for x in (f"{first:g}", f"{first}", f"{first:.1f}") if x in table)
    (tmp_path / "cells.csv").write_text(table if old else table.replace(written, f"{first + 20:g}", 1))
    check_result(load_problem(titration / "cells.yaml"), inferred)
    with pytest.raises(InputError, match=said):
        check_result(load_problem(tmp_path / "cells.yaml"), inferred)


@pytest.fixture(scope="module")
def study(problem, inferred):
    with jax.enable_x64(False):
        found = sensitivity(problem, inferred, samples=256)
        assert not jax.config.jax_enable_x64
    return found


def test_a_study_of_a_titration(study, problem):
    """One ratio, one offset: the two are correlated, and what is left is the readings'."""
    assert study.verdict.startswith(("P_Na/P_K ", "The posterior cannot be trusted"))
    (b,) = study.numbers["budgets"]
    assert {s["name"] for s in b["shares"]} == {"V_offset", REST}
    assert abs(sum(s["share"] for s in b["shares"]) - 1) < 1e-9
    assert [p.name for p in study.pictures] == ["budget", "slopes", "sobol"]
    assert any("taken as exactly known" in f for f in study.findings)
    assert study.numbers["sobol"]["names"] == ["P_Na_rel", "V_offset"]
    total = study.numbers["sobol"]["total"]
    np.testing.assert_allclose(total[:, 0], 1, atol=0.05)
    np.testing.assert_allclose(total[:, 1], 0, atol=1e-9)  # the offset moves readings, not V_m


def test_without_readings_it_speaks_of_the_potential(titration):
    text = (titration / "cells.yaml").read_text().replace("cells.csv", str(titration / "blank.csv"))
    rows = [line.split(",")[:6] for line in (titration / "cells.csv").read_text().split()]
    (titration / "blank.csv").write_text("\n".join(",".join(r) for r in rows) + "\n")
    (titration / "blank.yaml").write_text(text)
    study = sensitivity(load_problem(titration / "blank.yaml"), samples=64)
    assert "V_m in a is uncertain" in study.verdict and study.numbers["budgets"] == []
    with pytest.raises(InputError, match="no reading"):
        sensitivity(load_problem(titration / "blank.yaml"), targets=["P_Na_rel"])


def test_command(cli, titration, inferred, tmp_path):
    config, run = titration / "cells.yaml", tmp_path / "run"
    inferred.save(run)
    done = cli("sensitivity", config, "--from", run, "--samples", 64, "--json", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert json.loads(done.out)["verb"] == "sensitivity"
    assert (tmp_path / "out" / "budget.png").is_file()
    for words, said in (
        (["--target", "P_Na"], "did you mean 'P_Na_rel'"),
        (["--samples", 100], "power of 2"),
        (["--from", tmp_path / "none"], "no such result"),
    ):
        done = cli("sensitivity", config, *words, "--out", tmp_path / "bad")
        assert done.code == 2 and said in " ".join(done.err.split()) and "Traceback" not in done.err
        assert not (tmp_path / "bad").exists()


def test_nothing_uncertain_is_said(titration):
    text = (titration / "cells.yaml").read_text()
    text = text.replace("{prior: lognormal, median: 0.05, factor: 3}", "0.05")
    text = text.replace("{prior: normal, mean: 0, sd: 2}", "0").replace(
        "cells.csv", str(titration / "cells.csv")
    )
    (titration / "sure.yaml").write_text(text)
    with pytest.raises(InputError, match="nothing is uncertain"):
        sensitivity(load_problem(titration / "sure.yaml"))


@pytest.mark.slow
def test_shares_of_a_posterior_by_importance(line):
    """The whole road: draws by the ladder, shares by the closed form."""
    result = infer(line.problem, engine="importance")
    study = sensitivity(line.problem, result, targets=["a"], samples=64)
    rho2 = line.covariance[0, 1] ** 2 / (line.covariance[0, 0] * line.covariance[1, 1])
    share = {s["name"]: s for s in study.numbers["budgets"][0]["shares"]}["b"]
    assert abs(share["share"] - rho2) < 4 * share["error"] + 0.01


def test_one_output_of_one_input_is_all_its_own():
    found = sobol_shares(lambda x: x**2, [stats.norm(1, 1)], n=512, seed=1)
    np.testing.assert_allclose(found.first, [[1.0]], atol=0.1)
    np.testing.assert_allclose(found.total, [[1.0]], atol=0.1)


@pytest.fixture(scope="module")
def nested():
    """Cells within genotypes, each genotype with its own P_Na/P_K."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        [(g, f"{g}{c}", K, 150 - K, v + shift + rng.standard_normal())
         for g, shift in (("a", 0), ("b", 6)) for c in range(3) for K, v in ((2.0, -75), (10.0, -60), (40.0, -31))],
        columns=["genotype", "cell", "K_o_mM", "Na_o_mM", "V_m_mV"],
    )  # fmt: skip
    latent = Latent(lognormal(0.05, 2), by=("genotype", "cell"), pooled=("cell",))
    known = {"T": 295.15, "K_i": normal(140, 10), "Na_i": 10.0, "P_Na_rel": latent, "sigma_V_m": 1.0}
    problem = make_problem(read_table(frame, quantities=("K_o", "Na_o")), known)
    return problem, infer(problem, engine="laplace", seed=2)


@pytest.mark.slow
def test_of_levels_within_levels_the_outermost_is_asked_about(nested):
    found = sensitivity(*nested, samples=64)
    budgets = found.numbers["budgets"]
    assert [b["target"] for b in budgets] == ["P_Na_rel_genotype[a]", "P_Na_rel_genotype[b]"]
    # Its own cells are no inputs that could be measured.
    assert all({s["name"] for s in b["shares"]} == {"K_i", REST} for b in budgets)
    cell = sensitivity(*nested, targets=["P_Na_rel[a1]"], samples=64).numbers["budgets"][0]
    assert {s["name"] for s in cell["shares"]} == {"K_i", REST}


@pytest.mark.parametrize("first", [REST, "V_offset"])
def test_what_limits_is_the_largest_share_in_a_whole_sentence(problem, first):
    """The readings before the inputs, or an input before the readings: the numbers are those of whoever is named."""

    def share(name, of):
        return Share(name, "0 ± 2", of, 0.01, 0.42, 0.025, 0.041)

    largest, least = (0.62, 0.38) if first == REST else (0.38, 0.62)
    shares = sorted((share(REST, largest), share("V_offset", least)), key=lambda s: -s.share)
    budget = Budget("P_Na_rel", "1", True, 0.031, 0.021, 0.047, 0.2, tuple(shares), (), 0.0)
    said = _limits(problem, budget)
    if first == REST:
        assert said == (
            "P_Na/P_K 0.0310 (0.0210 … 0.0470) is limited by the readings themselves, 62 % of its variance: more or better "
            "readings help most; of the inputs, the electrode offset matters most (38 %)."
        )
    else:
        assert said == (
            "P_Na/P_K 0.0310 (0.0210 … 0.0470) is limited by the electrode offset: 62 % of its variance. Known exactly, it would narrow the "
            "95 % interval to 0.025 … 0.041, and the variance by 42 %; the readings account for 38 %."
        )
    alone = Budget("P_Na_rel", "1", True, 0.031, 0.021, 0.047, 0.2, (share(REST, 1.0),), (), 0.0)
    assert _limits(problem, alone).endswith("100 % of its variance: more or better readings help most.")


def test_without_a_mode_the_rest_is_still_said(problem, inferred, monkeypatch):
    def none(*_, **__):
        raise InputError("the posterior has no mode", mend="Mend")

    monkeypatch.setattr("pumpleak.studies.sensitivity.sensitivity.posterior_mode", none)
    found = sensitivity(problem, inferred, samples=64)
    assert found.numbers["mode"] is None and found.numbers["budgets"]
    assert any("cannot be said: the posterior has no mode" in f for f in found.findings)


# -- words of slopes made up ---------------------------------------------------------------------------


def test_a_slip_in_what_was_taken_as_known_is_said_of_the_number_that_matters_most():
    inputs = (
        Input("K_i", "known", "e-fold"),
        Input("T", "known", "K"),
        Input("P_Cl_rel", "unknown", "e-fold"),
    )
    values = np.array([[0.5, 0.04, 9.0], [-1.0, 0.02, 9.0], [0.0, 0.01, 9.0]])
    mode = Slopes(inputs, ("P_Na_rel", "P_Ca_rel", "c"), values)
    problem = SimpleNamespace(model=SimpleNamespace(setting=SimpleNamespace(reference="K")))
    of = [
        SimpleNamespace(target=t, log=log, sd=0.1)
        for t, log in (("V_offset", True), ("P_Na_rel", True), ("P_Ca_rel", True), ("P_Na_rel", False))
    ]
    (said,) = _slips(problem, of, mode)  # the first is no answer, and only two are looked at
    assert (
        "T matters most: an error of 1 K in it" in said
        and "+4.1 %" in said
        and "0.4 of its posterior sd" in said
    )
    (said,) = _slips(problem, [of[2], of[3]], mode)
    assert "K_i matters most: an error of 5 % in it" in said and "-4.8 %" in said and "0.49 of its" in said
    assert _slips(problem, of, None) == []


@pytest.mark.parametrize(("per", "words"), [("e-fold", "+1 %"), ("1", "+1"), ("mV", "+1 mV")])
def test_a_step_is_a_per_cent_or_one_of_its_unit(per, words):
    assert _step(per) == words and _step("e-fold", 10) == "+10 %"


def test_the_bars_of_sobol_indices_are_all_of_the_first_condition(monkeypatch):
    shares = [np.array([[0.2, 0.7], [0.9, 0.1]]) + 0.01 * k for k in range(4)]  # condition, unknown
    sobol = Sobol(*shares, sd=np.ones(2), lost=np.zeros(2))
    slopes = Slopes((Input("K_o", "known", "mM"),), ("rest", "high K"), np.zeros((2, 1)))
    problem = SimpleNamespace(
        model=SimpleNamespace(setting=SimpleNamespace(reference="K")),
        layout=SimpleNamespace(site_names=("a", "b")),
    )
    monkeypatch.setattr(made_of, "sobol_figure", lambda *drawn: drawn)
    monkeypatch.setattr(made_of.Picture, "of", lambda name, caption, draw: draw())
    ((names, first, total, of, _),) = made_of._pictures_of(problem, Answers("V_m", "mV", slopes, sobol), "")
    assert names == ["b", "a"] and of == ("V_m", "rest")
    np.testing.assert_allclose(first, [[0.7, 0.2], [0.72, 0.22]])
    np.testing.assert_allclose(total, [[0.71, 0.21], [0.73, 0.23]])
