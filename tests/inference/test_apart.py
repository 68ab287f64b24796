"""Readings that stand apart: found where they do, by a p that is right where they do not, with what outliers would give."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from replicates import posteriors
from scipy import stats

from pumpleak import celsius, infer, load_problem, lognormal, make_problem, normal, read_table
from pumpleak.inference.apart import (
    Linear,
    Noise,
    look_apart,
    one_bath,
    one_reading,
    outlier_probability,
    under_outliers,
)
from pumpleak.inference.findings import Kind
from pumpleak.inference.verdict import findings_of

K_O = np.array([2.5, 5, 5, 10, 20, 40, 80])
ALPHA = 0.005


def line(rng, n=6, *, sigma=None, error=0.0, scale=10.0, off=0.0, apart=0.0, k=2):
    """Readings linear in k unknowns, the first two of one bath; sigma: of its half-normal prior, or as given."""
    law = stats.halfnorm(scale=scale)
    slope = rng.normal(size=(n, k)) * np.array([20.0, 10.0])[:k]
    slope[1] = slope[0]
    true = law.rvs(random_state=rng) if sigma is None else sigma
    value = slope @ rng.normal(size=k) + np.hypot(error, true) * rng.normal(size=n)
    value[n // 2] += off
    value[:2] += [apart / 2, -apart / 2]
    known = np.full(n, max(error**2, 1e-9))
    return Linear(value, np.zeros(n), slope, known, np.ones((n, 1)), (Noise("sigma", law, scale / 2),))


def by_quadrature(model, i):
    """p of reading i given the others, by dense matrices over a fine grid of the noise."""
    law, n = model.noise[0].law, len(model.value)
    x = (np.arange(4000) + 0.5) / 4000
    rest, y = np.delete(np.arange(n), i), model.value
    weights, tails = [], []
    for phi in law.ppf(x):
        S = model.slope @ model.slope.T + np.diag(model.known + phi**2)
        inside = S[np.ix_(rest, rest)]
        gain = S[i, rest] @ np.linalg.inv(inside)
        miss, var = y[i] - gain @ y[rest], S[i, i] - gain @ S[rest, i]
        weights.append(stats.multivariate_normal.logpdf(y[rest], np.zeros(n - 1), inside))
        tails.append(2 * stats.norm.sf(abs(miss) / np.sqrt(var)))
    w = np.exp(np.array(weights) - max(weights))
    return w @ tails / w.sum()


def test_p_of_a_reading_is_that_of_dense_quadrature():
    rng = np.random.default_rng(1)
    for _ in range(3):
        model = line(rng, 6, off=10.0)
        found = one_reading(model)
        assert found.p == pytest.approx(by_quadrature(model, found.places[0]), rel=0.03)


@pytest.mark.parametrize("off", [0.0, 25.0])
def test_one_reading_and_one_bath_are_told_apart(off):
    rng, readings, baths = np.random.default_rng(2), 0, 0
    for _ in range(20):
        model = line(rng, 8, sigma=0.0, error=1.0, scale=2.0, off=off, apart=0.0 if off else 40.0)
        reading, (bath, looked) = one_reading(model), one_bath(model, [np.array([0, 1])])
        assert looked == 1
        least = min(8 * reading.p, bath.p)
        readings += 8 * reading.p == least < ALPHA and reading.places == (4,) and reading.probability > 0.5
        baths += bath.p == least < ALPHA and bath.rest_p > 0.01
    assert (readings, baths) == (20, 0) if off else readings == 0 and baths == 20


def test_too_few_readings_have_none_apart():
    few = one_reading(line(np.random.default_rng(3), 4))  # two unknowns and a scatter
    assert np.isnan(few.p) and few.sd > 0  # it is pointed at, and not called apart
    assert one_reading(line(np.random.default_rng(3), 2)) is None
    assert one_bath(line(np.random.default_rng(3), 8), [np.arange(5)]) == (
        None,
        0,
    )  # many have their own scatter


def test_an_outlier_has_the_mixture_s_probability():
    parts = {"loc": np.zeros((1, 2)), "scale": np.ones((1, 2)), "outlier_share": np.full((1, 2), 0.05)}
    parts["outlier_factor"] = np.full((1, 2), 5.0)
    wide, good = (0.05 * stats.norm.pdf(4, scale=5), 0.95 * stats.norm.pdf(4))
    np.testing.assert_allclose(outlier_probability(parts, np.array([4.0, 0.0]))[0], wide / (wide + good))


def test_answers_with_outliers_are_those_of_the_mixture_by_enumeration():
    model = line(np.random.default_rng(4), 6, sigma=0.0, error=1.0, scale=1e-3, off=12.0)
    (median, low, high) = under_outliers(model, {0: lambda z: z})[0]
    n, weights, means, sds = 6, [], [], []
    for i in range(-1, n):  # none, or one
        v = np.ones(n)
        if i >= 0:
            v[i] = 25.0
        S = model.slope @ model.slope.T + np.diag(v)
        weights.append(
            stats.multivariate_normal.logpdf(model.value, np.zeros(n), S) + (i >= 0) * np.log(0.05 / 0.95)
        )
        C = np.linalg.inv(np.eye(2) + (model.slope.T / v) @ model.slope)
        means.append((C @ (model.slope.T @ (model.value / v)))[0])
        sds.append(np.sqrt(C[0, 0]))
    w = np.exp(np.array(weights) - max(weights))
    for q, x in zip((0.025, 0.5, 0.975), (low, median, high), strict=True):
        assert w @ stats.norm.cdf(x, means, sds) / w.sum() == pytest.approx(q, abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [{}, {"sigma": 1.5}, {"error": 1.0, "scale": 2.0}, {"error": 1.0, "scale": 2.0, "sigma": 0.0}],
)
@pytest.mark.parametrize("n", [5, 6, 12])
def test_false_alarms_of_linear_models_are_one_in_a_hundred(given, n):
    rng, alarms = np.random.default_rng(5), []
    for _ in range(1500):
        model = line(rng, n, **given)
        reading, bath = one_reading(model), one_bath(model, [np.array([0, 1])])[0]
        alarms.append(min(n * reading.p, bath.p) < ALPHA)
    assert np.mean(alarms) < 0.01 + 3 * np.sqrt(0.01 * 0.99 / 1500)


# -- on real problems ----------------------------------------------------------------------------


def titration(moved, noise=1.0, **columns):
    V = 25.434 * np.log((K_O + 0.03 * (150 - K_O)) / (140 + 0.03 * 12)) + noise * np.random.default_rng(
        4
    ).normal(size=len(K_O))
    return read_table(
        pd.DataFrame({"K_o_mM": K_O, "Na_o_mM": 150 - K_O, "V_m_mV": V + np.array(moved), **columns})
    )


def judged(table, noise="normal", **known):
    given = {"T": celsius(22), "K_i": normal(140, 14), "Na_i": 12.0, "P_Na_rel": lognormal(0.05, 4)} | known
    result = infer(make_problem(table, given, noise=noise), engine="importance", seed=1)
    return result, {f.kind: f for f in findings_of(result.tree)}


OFF, CONTRARY = [0, 0, 0, 0, 25, 0, 0], [0, 20, -20, 0, 0, 0, 0]


@pytest.mark.thorough
def test_one_point_of_seven_is_named_with_what_outliers_would_give():
    result, found = judged(titration(OFF, V_m_sem_mV=1.0))
    one = found[Kind.one_reading]
    assert one.parameters == ("row 6",) and not result.verdict.fits and Kind.rival_others not in found
    assert "row 6 stands apart from the other readings" in result.verdict.headline
    other, kinds = judged(titration(OFF, V_m_sem_mV=1.0), noise="outliers")
    row = other.table.loc["P_Na_rel"]
    median, low, high = one.numbers["answers"]["P_Na_rel"]
    width = row["high"] - row["low"]
    np.testing.assert_allclose(
        [median, low, high], row[["median", "low", "high"]].astype(float), atol=0.15 * width
    )
    # The mixture put it aside: that is no failure of the model.
    assert kinds[Kind.taken_as_outlier].parameters == ("row 6",) and Kind.clearly_fails not in kinds
    assert other.verdict.fits and any("taken as an outlier" in line for line in other.verdict.misfit)


@pytest.mark.thorough
@pytest.mark.parametrize("columns", [{"V_m_sem_mV": 1.0}, {}])
def test_one_bath_that_contradicts_itself_is_said(columns):
    result, found = judged(titration(CONTRARY, **columns))
    assert set(found[Kind.one_bath].parameters) == {"row 3", "row 4"} and Kind.rival_junction not in found
    assert "readings of one bath, contradict each other" in result.verdict.headline


@pytest.mark.thorough
def test_an_artefact_among_single_readings_makes_their_scatter():
    result, found = judged(titration(OFF))
    assert found[Kind.one_reading].parameters == ("row 6",) and Kind.as_expected not in found
    assert result.verdict.numbers["but"] == "one reading stands apart"


@pytest.mark.thorough
def test_where_the_others_are_too_few_to_tell_the_reading_that_scatters_most_is_named_all_the_same():
    more = {"Na_i": normal(12, 5), "V_offset": normal(0, 3), "LJP": normal(0, 1), "K_i": normal(140, 20)}
    result, found = judged(titration(OFF), **more)
    said = found[Kind.wide_scatter]
    assert Kind.one_reading not in found and said.parameters == ("row 6",)
    assert "row 6 makes most of it" in result.verdict.headline
    assert any("With `noise: outliers` it is taken as an outlier" in line for line in result.verdict.misfit)


@pytest.mark.thorough
@pytest.mark.parametrize("known", [{}, {"extra_V_m": 0.0}])
def test_errors_a_thousandth_of_the_scatter_are_said_to_be_too_small(known):
    table = titration(np.zeros(7), 0.2, V_m_sem_mV=0.0002)
    result, found = judged(table, **known)
    assert 0.1 < found[Kind.errors_too_small].numbers["needed"] < 0.5 and Kind.rival_junction not in found
    assert "look too small" in result.verdict.headline and result.verdict.fits == (not known)


@pytest.mark.thorough
def test_so_are_those_a_thousandth_of_what_cells_scatter_by():
    result, found = judged(titration(np.zeros(7), 2.0, V_m_sem_mV=0.002))
    assert found[Kind.errors_too_small].numbers["needed"] > 1.0 and Kind.extra_scatter not in found
    assert "look too small" in result.verdict.headline


@pytest.mark.thorough
def test_scatter_far_beyond_the_errors_does_not_fit_within_them():
    zigzag = np.array([6.0, -7, -7, 5, -6, 7, -5])
    result, found = judged(titration(zigzag, V_m_sem_mV=0.5))
    assert found[Kind.extra_scatter].numbers["extra"] > 3 and Kind.rival_junction in found
    assert "does not fit within its errors" in result.verdict.headline


def alarms_of(problem, n, seed):
    """Share of data sets that the prior predicts of which a reading or a bath would be said to stand apart."""
    follow = jax.jit(
        jax.vmap(
            lambda u: (problem.natural(problem.constrain(u)), problem.reading_parts(problem.constrain(u))[0])
        )
    )
    there, alarms = problem.arrays.mask, []
    for readings, u in posteriors(problem, n, seed):
        natural, parts = jax.tree.map(np.asarray, follow(u))
        own = problem.arrays._replace(value=readings)
        found = look_apart(replace(problem, numbers=own), natural, {k: v[:, there] for k, v in parts.items()})
        alarms.append(bool((np.asarray(found["p"]) < ALPHA).any()))
    return np.mean(alarms)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["background_sodium_current", "purkinje_fibre"])
def test_false_alarms_of_real_problems_are_one_in_a_hundred(config):
    with jax.enable_x64(True):
        share = alarms_of(load_problem(f"configs/{config}.yaml"), 1000, 11)
    print(config, share)
    assert share < 0.01 + 3 * np.sqrt(0.01 * 0.99 / 1000)
