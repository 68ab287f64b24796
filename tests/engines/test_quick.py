"""`infer` by the ladder of engines: the same kind of result as NUTS gives, and a gate of its own."""

import json

import jax
import numpy as np
import pandas as pd
import pytest

from pumpleak import InputError, infer, load_problem, load_result, make_problem, normal, predict, read_table
from pumpleak.engines import quick as module
from pumpleak.engines.gate import END, CellStatus, Rung
from pumpleak.reports.result_page import render


@pytest.fixture(scope="module")
def quick(titration):
    with jax.enable_x64(False):
        result = infer(load_problem(titration / "cells.yaml"), engine="importance", seed=2)
        assert not jax.config.jax_enable_x64
    return result


def poor(problem, *, k_hat=0.3, ess=(900.0, 120.0), end_error=0.02, usable=False, rung="adapted", draws=1000):
    """Draws as the ladder would make them, with a judgement of one's own."""
    from pumpleak.engines.nuts import Draws

    u = 0.3 * np.random.default_rng(0).standard_normal((1, draws, problem.dimension))
    about = {"usable": usable, "rung": rung, "k_hat": k_hat, "divergences": 0}
    about |= {
        "log_evidence": -9.0,
        "log_evidence_se": 0.01,
        "ess": {n: ess for n in problem.layout.element_names},
        "end_error": {n: end_error for n in problem.layout.element_names},
    }
    return Draws(u, {}, about)


@pytest.mark.thorough
def test_it_agrees_with_nuts(quick, inferred):
    """Mean, sd and quantiles within five Monte Carlo standard errors of NUTS's 600 draws."""
    for name, row in inferred.table.iterrows():
        x = np.asarray(quick.tree["posterior"][name])
        other = np.asarray(inferred.tree["posterior"][name]).ravel()
        assert x.dtype == np.float64 and x.shape == (1, 4000)
        error = 5 * row["sd"] / np.sqrt(min(row["ess_bulk"], row["ess_tail"]))
        assert abs(x.mean() - row["mean"]) < error
        assert abs(x.std() - row["sd"]) < error
        for q in (0.05, 0.5, 0.95):
            density = max(
                np.mean(np.abs(other - np.quantile(other, q)) < row["sd"] / 4) / (row["sd"] / 2), 1e-9
            )
            spread = np.sqrt(q * (1 - q) / min(row["ess_bulk"], row["ess_tail"])) / density
            assert abs(np.quantile(x, q) - np.quantile(other, q)) < 5 * spread


@pytest.mark.thorough
def test_the_line_and_its_evidence_are_those_of_linear_algebra(line):
    from scipy.stats import multivariate_normal

    result = infer(line.problem, engine="importance", seed=1)
    table, sd = result.table, np.sqrt(np.diag(line.covariance))
    np.testing.assert_allclose(table["mean"], line.mean, atol=0.02 * sd.max())
    np.testing.assert_allclose(table["sd"], sd, rtol=0.03)
    np.testing.assert_allclose(table["low"], line.mean - 1.96 * sd, atol=0.1 * sd.max())
    X = np.column_stack([np.ones(4), [0.0, 1, 2, 5]])
    cov = X @ np.diag([9.0, 1.0]) @ X.T + np.diag(np.square([0.5, 1, 0.5, 2]))
    exact = multivariate_normal.logpdf([1.0, 2.5, 2.0, 6.5], X @ [0, 2], cov)
    stats = result.tree["sample_stats"]
    assert abs(float(stats["log_evidence"]) - exact) < 5 * float(stats["log_evidence_se"]) + 1e-6


def test_the_result_is_of_the_same_kind(quick, inferred, titration, tmp_path):
    assert set(quick.tree.children) == set(inferred.tree.children)
    for group in ("posterior", "log_likelihood", "posterior_predictive", "membrane"):
        assert set(quick.tree[group].data_vars) == set(inferred.tree[group].data_vars)
    stats = quick.tree["sample_stats"]
    assert float(stats["k_hat"]) <= 0.7 and float(stats["ess"]) >= 400
    assert stats.attrs["rung"] == quick.attrs["rung"] == quick.attrs["engine"] == "importance"
    assert quick.table["r_hat"].isna().all() and (quick.table["ess_bulk"] <= 4000).all()
    verdict = quick.verdict
    assert (
        verdict.usable
        and "the computation can be trusted" in verdict.headline
        and np.isfinite(verdict.numbers["elpd_loo"])
    )
    assert any("Pareto k-hat" in w and "no R-hat" in w for w in verdict.chains)
    again = load_result(quick.save(tmp_path / "kept"))
    assert again.verdict == verdict
    pd.testing.assert_frame_equal(again.table, quick.table)
    assert json.loads(again.attrs["config"])["sampler"]["engine"] == "importance"
    problem = load_problem(titration / "cells.yaml")
    a, b = (predict(problem, r)["V_m_mV"] for r in (again, inferred))
    np.testing.assert_allclose(a, b, atol=0.3)


def test_a_failed_gate_names_the_rung_and_the_mend(titration, monkeypatch):
    problem = load_problem(titration / "cells.yaml")
    monkeypatch.setattr(module, "quick_draws", lambda p, **_: poor(p, k_hat=1.234))
    verdict = infer(problem, engine="importance").verdict
    assert not verdict.usable and "tail is too heavy (Pareto k-hat 1.23)" in verdict.headline
    assert verdict.headline.startswith("Do not use these numbers")
    failed = [w for w in verdict.chains if "Failed on the rung 'adapted'" in w]
    assert len(failed) == 2 and all("Run NUTS (--engine nuts" in w for w in failed)
    assert "120 of" in failed[1]


def test_ends_that_are_not_settled_are_refused_by_name(titration, monkeypatch):
    problem = load_problem(titration / "cells.yaml")
    monkeypatch.setattr(module, "quick_draws", lambda p, **_: poor(p, ess=(900.0, 900.0), end_error=0.081))
    verdict = infer(problem, engine="importance").verdict
    assert verdict.headline == "Do not use these numbers: too few draws to settle the ends of an interval."
    said = "an end of the interval of P_Na_rel, or its median, has a Monte Carlo error of 8.1% of the interval's width"
    assert any(said in w and "Run NUTS" in w for w in verdict.chains)


def test_auto_goes_on_to_nuts(titration, monkeypatch):
    problem = load_problem(titration / "cells.yaml")
    monkeypatch.setattr(module, "quick_draws", lambda p, **_: poor(p))
    result = infer(problem, engine="auto", chains=2, warmup=200, draws=300, seed=3, retry=False)
    assert (result.attrs["engine"], result.attrs["rung"]) == ("auto", "nuts")
    assert result.tree["posterior"].sizes["chain"] == 2 and result.table["r_hat"].notna().all()
    assert any(
        "came first and did not pass its gate (Pareto k-hat 0.30, at least 120 effective draws, errors of the interval's "
        "ends up to 2.0% of its width" in w
        for w in result.verdict.chains
    )


def test_chains_of_the_ladder_are_judged_as_chains(titration, undrawn, monkeypatch):
    problem = load_problem(titration / "cells.yaml")
    u = poor(problem, draws=2400).u.reshape(4, 600, -1)
    made = poor(problem, rung="hmc")
    about = {k: v for k, v in made.engine.items() if k != "ess"} | {"divergences": 3}
    monkeypatch.setattr(module, "quick_draws", lambda p, **_: made._replace(u=u, engine=about))
    result = infer(problem, engine="hmc")
    assert result.table["r_hat"].notna().all() and result.verdict.numbers["divergences"] == 3
    assert not result.verdict.usable
    assert any("3 of 2400 transitions diverged" in w and "Run NUTS" in w for w in result.verdict.chains)
    assert "which ones was not kept" in render(result)


def test_laplace_is_a_look_and_never_usable(titration, monkeypatch):
    problem = load_problem(titration / "cells.yaml")
    monkeypatch.setattr(
        module, "quick_draws", lambda p, **_: poor(p, ess=(900.0, 900.0), usable=True, rung="laplace")
    )
    verdict = infer(problem, engine="laplace").verdict
    assert not verdict.usable and verdict.headline.startswith("A quick look by a normal approximation")


@pytest.mark.thorough
def test_a_posterior_of_points_too_few_is_refused(toys):
    """A ridge that points about its mode do not cover, by the engine itself."""
    table = read_table(pd.DataFrame({"label": "x", "V_m_mV": [0.0], "V_m_sem_mV": [0.01]}))
    problem = make_problem(table, {"a": normal(0, 4), "b": normal(0, 3), "extra_V_m": 0.0}, model="funnel")
    result = infer(problem, engine="laplace")
    assert not result.verdict.usable and result.verdict.numbers["k_hat"] > 0.7
    assert "not near a normal" in result.verdict.headline


def test_the_command_and_its_report(titration, cli, quick, undrawn, monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr("pumpleak.inference.infer.infer", lambda p, **k: given.update(k) or quick)
    ran = cli("infer", titration / "cells.yaml", "--engine", "importance", "--out", tmp_path / "out")
    assert ran.code == 0 and given["engine"] == "importance", ran.err
    assert "Pareto k-hat" in ran.out and "R-hat │" not in ran.out and "nan" not in ran.out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h2>Weights</h2>" in page and "R&#8209;hat" not in page and "No draw diverged" not in page


def test_an_engine_that_is_not_there_is_refused(titration, cli, tmp_path):
    with pytest.raises(InputError, match=r"no engine 'importence' \(did you mean 'importance'"):
        infer(load_problem(titration / "cells.yaml"), engine="importence")
    ran = cli("infer", titration / "cells.yaml", "--engine", "quick", "--out", tmp_path / "out")
    assert ran.code == 2 and "Known here: nuts, auto, importance, hmc, laplace" in ran.err
    text = (titration / "cells.yaml").read_text() + "sampler: {engine: quick}\n"
    (tmp_path / "wrong.yaml").write_text(text)
    ran = cli("check", tmp_path / "wrong.yaml")
    assert ran.code == 2 and "sampler.engine" in ran.err and "'quick' will not do" in ran.err


@pytest.mark.thorough
def test_no_answer_anywhere_is_refused(toys):
    from pumpleak import uniform

    read = read_table(pd.DataFrame({"label": ["x"], "V_m_mV": [1.0], "V_m_sem_mV": [1.0]}))
    with pytest.raises(InputError, match="no answer"):
        infer(make_problem(read, {"a": uniform(-9, 0.4)}, model="no_answer"), engine="importance")


def test_the_order_in_which_points_are_kept_says_nothing_of_the_ends(titration, monkeypatch):
    """Draws one after another by size: as a chain they would hardly have moved."""
    problem = load_problem(titration / "cells.yaml")
    n, p = 1000, len(problem.layout.element_names)
    u = np.sort(np.random.default_rng(0).standard_normal((1, n, problem.dimension)), axis=1)
    draws = np.sort(np.random.default_rng(0).standard_normal((1, n, p)), axis=1)

    class Weighted:
        def __init__(self, settings):
            pass

        def solve(self, problem, cell, ids):
            found = {k: np.zeros(1) for k in ("k_hat", "log_evidence", "log_evidence_se", "divergences")}
            found |= {"status": np.array([CellStatus.usable]), "rung": np.array([Rung.adapted])}
            found |= {k: np.full((1, p), 900.0) for k in ("ess_bulk", "ess_tail")}
            return found | {"u": u, "draws": draws, "end_error": np.zeros((1, p))}

    monkeypatch.setattr(module, "Ladder", Weighted)
    about = module.quick_draws(problem, engine="importance", draws=n, seed=1).engine
    assert about["usable"] and 0 < max(about["end_error"].values()) < END
