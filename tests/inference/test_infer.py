"""Posteriors against closed forms; seeds, precision, the tree, and what the verdict says."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest

from pumpleak import (
    InputError,
    InputWarning,
    Latent,
    infer,
    load_problem,
    lognormal,
    make_problem,
    normal,
    predict,
    read_table,
    register_model,
    uniform,
)
from pumpleak.inference.findings import Finding, Kind
from pumpleak.inference.verdict import findings_of
from pumpleak.inference.words import say
from pumpleak.models.registry import Quantity

GROUPS = {
    "posterior", "prior", "posterior_predictive", "prior_predictive", "log_likelihood", "log_prior",
    "sample_stats", "observed_data", "membrane", "prior_membrane", "table", "information", "readings",
}  # fmt: skip


def draws(result, name):
    return np.asarray(result.tree["posterior"][name])


def test_the_posterior_of_a_straight_line(line, line_result):
    """Mean and covariance by linear algebra, within five Monte Carlo standard errors."""
    a, b = draws(line_result, "a"), draws(line_result, "b")
    ess = line_result.table["ess_bulk"].min()
    sd = np.sqrt(np.diag(line.covariance))
    assert ess > 400
    for x, mean, s in zip((a, b), line.mean, sd, strict=True):
        assert abs(x.mean() - mean) < 5 * s / np.sqrt(ess)
        assert abs(x.std() / s - 1) < 5 / np.sqrt(2 * ess)
    rho = line.covariance[0, 1] / sd.prod()
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1] - rho) < 5 / np.sqrt(ess)
    table = line_result.table
    z = 1.959963984540054
    np.testing.assert_allclose(table["low"], line.mean - z * sd, atol=0.15 * sd.max())
    np.testing.assert_allclose(table["high"], line.mean + z * sd, atol=0.15 * sd.max())
    np.testing.assert_allclose(table["contraction"], 1 - np.diag(line.covariance) / [9, 1], atol=0.06)
    np.testing.assert_allclose(table["prior_low"], [-3 * z, 2 - z], rtol=1e-9)


def test_a_problem_without_a_seed_has_its_own(toys, line):
    """It follows from the density: a title or a file's name does not change it, a reading does."""

    def problem(first=1.0, name="t.csv", title="", **changes):
        table = read_table(
            line.problem.measurements.to_frame().assign(V_m_mV=[first, 2.5, 2.0, 6.5]),
            quantities=("x",),
            file_label=name,
        )
        quantities = {"a": normal(0, 3), "b": normal(2, 1), "extra_V_m": 0.0} | changes
        return make_problem(table, quantities, model="line", title=title)

    own = problem().seed
    assert own == problem(name="other.csv", title="other").seed == line.problem.seed
    others = [problem(1.1), problem(a=normal(0, 3.0000001)), problem(b=2.0), problem(extra_V_m=0.1)]
    seeds = {own, *(p.seed for p in others), replace(line.problem, noise="student_t").seed}
    assert len(seeds) == 6 and all(0 <= s < 2**31 for s in seeds)
    assert replace(line.problem, config={"sampler": {"seed": 0}}).seed == 0


def test_predictive_draws_and_pointwise_likelihood(line, line_result):
    tree, x = line_result.tree, np.array([0.0, 1, 2, 5])
    X = np.column_stack([np.ones(4), x])
    sem = np.array([0.5, 1, 0.5, 2])
    replicate = np.asarray(tree["posterior_predictive"]["reading"]).reshape(-1, 4)
    expected = np.sqrt(np.diag(X @ line.covariance @ X.T) + sem**2)
    np.testing.assert_allclose(replicate.std(axis=0), expected, rtol=0.08)
    np.testing.assert_allclose(replicate.mean(axis=0), X @ line.mean, atol=0.2)
    a, b = draws(line_result, "a")[..., None], draws(line_result, "b")[..., None]
    value = np.asarray(tree["observed_data"]["reading"])
    by_hand = -0.5 * ((value - a - b * x) / sem) ** 2 - np.log(sem) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(np.asarray(tree["log_likelihood"]["reading"]), by_hand, rtol=1e-9)
    before = np.asarray(tree["prior_predictive"]["reading"]).reshape(-1, 4)
    np.testing.assert_allclose(before.std(axis=0), np.sqrt(9 + x**2 + sem**2), rtol=0.08)
    np.testing.assert_allclose(np.asarray(tree["membrane"]["V_m"]), a + b * x, rtol=1e-9)
    lp = by_hand.sum(-1) - 0.5 * (a[..., 0] / 3) ** 2 - np.log(3) - 0.5 * (b[..., 0] - 2) ** 2
    lp -= np.log(2 * np.pi)
    shift = np.asarray(tree["sample_stats"]["lp"]) - lp
    assert np.ptp(shift) < 1e-6


def test_what_a_good_run_is_told(line_result):
    verdict = line_result.verdict
    assert verdict.usable and verdict.fits and verdict.numbers["divergences"] == 0
    assert verdict.headline.endswith("; the computation can be trusted and the model fits.")
    agree = next(f for f in findings_of(line_result.tree) if f.kind == Kind.chains_agree)
    assert agree.numbers["chains"] == 4 and agree.numbers["draws"] == 1000
    assert line_result.attrs["dtype"] == "float64" and line_result.attrs["seed"] == 5


SHORT = {"chains": 2, "warmup": 60, "draws": 60, "retry": False}


@pytest.fixture(scope="module")
def short(line):
    return infer(line.problem, **SHORT, seed=3)


def test_the_same_seed_gives_the_same_draws_whatever_the_precision(line, short):
    """Bit for bit, also where JAX's global setting is single precision, which stays as it is."""
    with jax.enable_x64(False):
        again = infer(line.problem, **SHORT, seed=3)
        assert not jax.config.jax_enable_x64
    assert jax.config.jax_enable_x64 and draws(again, "a").dtype == np.float64
    for group in ("posterior", "posterior_predictive", "prior", "sample_stats"):
        for name in short.tree[group].data_vars:
            np.testing.assert_array_equal(again.tree[group][name], short.tree[group][name], err_msg=name)
    pd.testing.assert_frame_equal(again.table, short.table)


@pytest.mark.thorough
def test_double_precision_whatever_the_global_setting(titration, inferred, fresh):
    assert fresh["x64 at the end"] is False and fresh["dtype of draws"] == "float64"
    np.testing.assert_array_equal(fresh["draws"], draws(inferred, "P_Na_rel").ravel())
    assert fresh["predicted"] == predict(load_problem(titration / "cells.yaml"))["V_m_mV"].iloc[0]


def test_the_tree_has_every_group(inferred):
    assert GROUPS <= set(inferred.tree.children)
    assert inferred.tree["posterior"]["P_Na_rel"].dims == ("chain", "draw")
    assert set(inferred.tree["membrane"].data_vars) == {"V_m", "E_K", "E_Na"}
    assert inferred.tree["curve"].attrs["x_name"] == "K_o"
    assert {"diverging", "energy", "lp", "n_steps", "acceptance_rate"} <= set(
        inferred.tree["sample_stats"].data_vars
    )


def test_contraction_of_the_determined_and_of_the_untouched(toys):
    table = read_table(
        pd.DataFrame({"x": 0.0, "V_m_mV": [1.0, 1.2, 0.9], "V_m_sem_mV": 0.1}), quantities=("x",)
    )
    problem = make_problem(table, {"a": normal(0, 3), "b": normal(0, 1), "extra_V_m": 0.0}, model="line")
    result = infer(problem, chains=2, warmup=300, draws=1000)
    table = result.table
    assert table.loc["a", "contraction"] > 0.99
    assert abs(table.loc["b", "contraction"]) < 0.1
    assert Finding(Kind.untouched, ("b",)) in findings_of(result.tree)
    assert result.verdict.numbers["determined"] == ["a"]
    assert result.verdict.numbers["undetermined"] == ["b"]


def test_too_few_draws_are_refused(short):
    verdict = short.verdict
    assert not verdict.usable and verdict.headline.startswith("Do not use these numbers: ")
    (few,) = [f for f in findings_of(short.tree) if f.kind == Kind.few_draws]
    assert few.numbers["ess"] < 400 and say(few) in verdict.chains


@pytest.mark.thorough
def test_a_run_that_fails_the_gate_is_run_again_longer(line, short):
    result = infer(line.problem, **SHORT | {"retry": True}, seed=4)
    assert not np.array_equal(draws(result, "a")[:, :60], draws(short, "a"))  # another seed
    assert result.verdict.numbers["draws"] == 120 and draws(result, "a").shape == (2, 120)


def test_divergences_are_refused(toys):
    """A funnel: the scale of b hangs on a, and nothing but the prior holds them."""
    table = read_table(pd.DataFrame({"label": "x", "V_m_mV": [0.0], "V_m_sem_mV": [0.01]}))
    problem = make_problem(table, {"a": normal(0, 4), "b": normal(0, 3), "extra_V_m": 0.0}, model="funnel")
    result = infer(problem, chains=2, warmup=100, draws=1000, target_accept=0.6, retry=False)
    assert not result.verdict.usable and result.verdict.numbers["divergences"] > 0
    (found,) = [f for f in findings_of(result.tree) if f.kind == Kind.diverged]
    assert found.numbers["transitions"] == result.verdict.numbers["divergences"]
    assert "sampler.target_accept" in say(found)


@pytest.mark.thorough
def test_ehrlich_cells_have_the_wrong_sign():
    """Two of three responses go where a passive membrane cannot: the report must say so."""
    from pathlib import Path

    config = Path(__file__).parents[2] / "configs" / "ehrlich_ascites.yaml"
    with pytest.warns(InputWarning, match="do not balance"):
        problem = load_problem(config)
    result = infer(problem)  # as the notebook does: one compilation
    assert result.verdict.usable and not result.verdict.fits
    said = "The computation can be trusted, but the model does not fit these data; read its numbers with that in mind."
    assert said in result.verdict.headline
    found = findings_of(result.tree)
    wrong = [f.parameters[0] for f in found if f.kind == Kind.wrong_sign]
    assert sorted(wrong) == ["low Cl − control", "low Na − control"]
    assert Kind.rival_junction in {f.kind for f in found}


def simulate(rng, P=0.03, offset=1.0):
    """A titration made by the model itself, read with 1 mV of error."""
    K_o = np.array([1.0, 2.5, 5, 10, 20, 40, 80])
    v = 25.433 * np.log((K_o + P * (150 - K_o)) / (140 + P * 10)) + offset
    return pd.DataFrame({"T_K": 25.433 * 96.48533212 / 8.314462618, "K_o_mM": K_o, "Na_o_mM": 150 - K_o,
                         "K_i_mM": 140.0, "Na_i_mM": 10.0, "V_m_mV": v + rng.standard_normal(7),
                         "V_m_sem_mV": 1.0})  # fmt: skip


PRIORS = {"P_Na_rel": lognormal(0.05, 3), "V_offset": normal(0, 2), "LJP": 0.0, "extra_V_m": 0.0}


@pytest.mark.thorough
def test_data_made_by_the_model_fit_it():
    problem = make_problem(read_table(simulate(np.random.default_rng(2))), PRIORS)
    result = infer(problem, warmup=400, draws=500)
    verdict = result.verdict
    assert verdict.usable and verdict.fits, verdict.lines()
    row = result.table.loc["P_Na_rel"]
    assert row["low"] < 0.03 < row["high"] and row["contraction"] > 0.9


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    """20 sets drawn from the prior: of 40 intervals of 95 %, 34 or more cover (P < 0.002 of fewer)."""
    rng = np.random.default_rng(7)
    covered = 0
    for k in range(20):
        P, offset = np.exp(np.log(0.05) + np.log(3) * rng.standard_normal()), 2 * rng.standard_normal()
        problem = make_problem(read_table(simulate(rng, P, offset)), PRIORS)
        table = infer(problem, warmup=400, draws=500, seed=k).table
        for name, truth in (("P_Na_rel", P), ("V_offset", offset)):
            covered += table.loc[name, "low"] < truth < table.loc[name, "high"]
    assert covered >= 34


@pytest.mark.thorough
def test_levels_have_names_in_the_tree():
    """`by: condition` is a column's name like any other, though the tree has a dimension of that name."""
    frame = simulate(np.random.default_rng(2)).assign(condition=[*"pqpqpqp"], draw=[*"uuuvvvv"])
    quantities = PRIORS | {
        "V_offset": Latent(normal(0, 2), by="condition"),
        "P_Na_rel": Latent(lognormal(0.05, 3), by="draw", pooled=True),
    }
    result = infer(make_problem(read_table(frame), quantities), **SHORT)
    names = set(result.table.index)
    assert {
        "V_offset[p]",
        "V_offset[q]",
        "P_Na_rel_mean",
        "P_Na_rel_spread",
        "P_Na_rel[u]",
        "P_Na_rel[v]",
    } == names
    assert result.tree["posterior"]["V_offset"].dims == ("chain", "draw", "condition level")
    assert result.tree["log_prior"]["V_offset"].shape == result.tree["posterior"]["V_offset"].shape
    assert result.tree["membrane"]["V_m"].dims == ("chain", "draw", "condition")


@pytest.mark.thorough
def test_a_model_of_ones_own_with_a_column_of_its_own(tmp_path, toys):
    import jax.numpy as jnp

    from pumpleak import fit
    from pumpleak.models.registry import list_models

    if "light" not in list_models():
        listed = [Quantity("E_dark", "mV", "in the dark", None, -200.0), Quantity("gain", "1", "gain"),
                  Quantity("flash", "1", "photons")]  # fmt: skip
        register_model("light", quantities=listed)(
            lambda v, _: v["E_dark"] - v["gain"] * jnp.log1p(v["flash"])
        )
    flash = np.array([0.0, 10, 100, 1000])
    (tmp_path / "rod.csv").write_text(
        "flash,V_m_mV,V_m_sem_mV\n" + "".join(f"{f:g},{-40 - 4 * np.log1p(f):.6f},0.2\n" for f in flash)
    )
    (tmp_path / "rod.yaml").write_text(
        "model: light\ndata: rod.csv\nquantities:\n  E_dark: {prior: normal, mean: -45, sd: 10, unit: mV}\n"
        "  gain: {prior: lognormal, median: 3, factor: 2}\n  extra_V_m_mV: 0\n"
    )
    problem = load_problem(tmp_path / "rod.yaml")
    found = fit(problem, method="ml", starts=32)
    assert found["gain"].value == pytest.approx(4, rel=1e-4)
    assert found["E_dark"].value == pytest.approx(-40, rel=1e-4)
    result = infer(problem, chains=2, warmup=300, draws=300, retry=False)
    assert abs(result.table.loc["gain", "median"] - 4) < 0.2
    table = predict(problem, fixed={"gain": 4.0, "E_dark": -40.0})
    np.testing.assert_allclose(table["V_m_mV"], -40 - 4 * np.log1p(flash), rtol=1e-9)


def test_nothing_to_infer_is_refused(toys):
    read = pd.DataFrame({"label": ["x"], "V_m_mV": [1.0], "V_m_sem_mV": [1.0]})
    with pytest.raises(InputError, match="nothing to infer"):
        infer(make_problem(read_table(read), {"a": 1.0}, model="two_wells"))
    blank = read_table(read.assign(V_m_mV=np.nan, V_m_sem_mV=np.nan), require_readings=False)
    with pytest.raises(InputError, match="no reading to infer from.*V_m_mV"):
        infer(make_problem(blank, {"a": normal(0, 1)}, model="two_wells"))
    with pytest.raises(InputError, match="no answer"):
        infer(make_problem(read_table(read), {"a": uniform(-9, 0.4)}, model="no_answer"), **SHORT)
