"""Pooled levels integrated out, against the normal distribution's own algebra and a brute-force grid."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize

from pumpleak import (
    InputError,
    Latent,
    Recording,
    halfnormal,
    identify,
    lognormal,
    make_problem,
    normal,
    read_table,
)
from pumpleak.engines.fisher import fisher_information
from pumpleak.problem.populations import _blocks, marginal
from pumpleak.studies.identify.profiles import DROP

ERROR = 1.0


def one_way(cells=12, each=3, seed=2, read=True):
    """Readings a_j + e of cells with a_j ~ N(−60, 2²)."""
    rng = np.random.default_rng(seed)
    a = rng.normal(-60, 2, cells)
    frame = pd.DataFrame({"cell": [f"c{j}" for j in range(cells) for _ in range(each)]})
    if read:
        frame["V_m_mV"] = np.repeat(a, each) + ERROR * rng.standard_normal(cells * each)
        frame["V_m_sem_mV"] = ERROR
    return frame


def of(frame, **more):
    a = Latent(normal(-60, 10), by="cell", pooled=True, spread=halfnormal(4))
    table = read_table(frame, require_readings="V_m_mV" in frame)
    noise = {"extra_V_m": 0.0} if "V_m_mV" in frame else {"sigma_V_m": ERROR}
    return make_problem(table, {"a": a, "b": 0.0, **noise} | more, model="total")


def log_density(frame, mean, spread):
    """Of all readings: normal, with a covariance between those of one cell."""
    same = frame["cell"].to_numpy()[:, None] == frame["cell"].to_numpy()
    S = spread**2 * same + ERROR**2 * np.eye(len(frame))
    return stats.multivariate_normal.logpdf(frame["V_m_mV"], np.full(len(frame), mean), S)


@pytest.mark.thorough
def test_the_density_is_that_of_the_normal_distribution(toys):
    import jax

    frame = one_way()
    frame.loc[4, ["V_m_mV", "V_m_sem_mV"]] = np.nan  # a blank
    with jax.enable_x64(True):
        problem = marginal(of(frame))
        kept = frame.dropna()
        for mean, spread in [(-60.0, 2.0), (-62.0, 0.5), (-57.0, 1e-3)]:
            sites = {"a_mean": mean, "a_spread": spread}
            found = float(problem.log_likelihood(sites).sum())
            assert found == pytest.approx(log_density(kept, mean, spread), rel=1e-9)
    assert [s.name for s in problem.sites] == ["a_mean", "a_spread"]


def test_information_of_a_balanced_table_is_the_textbooks(toys):
    """J/(τ² + s²/n) about the mean; about the spread 2 τ² of J/(τ² + s²/n)² + J (n−1)/s⁴ × 0: only cells' means tell."""
    cells, each, spread = 12, 3, 2.0
    found = fisher_information(marginal(of(one_way(cells, each))), {"a_mean": -60.0, "a_spread": spread})
    v = spread**2 + ERROR**2 / each
    whiten = np.sqrt(np.diag(found.matrix) / [cells / v, 2 * spread**2 * cells / v**2])
    assert whiten[0] == pytest.approx(10.0)  # the prior's sd
    # Half-normal by rank: z = Φ⁻¹(2Φ(x/4) − 1).
    q = 2 * stats.norm.cdf(spread / 4) - 1
    slope = stats.norm.pdf(stats.norm.ppf(q)) / (2 * stats.norm.pdf(spread / 4) / 4)
    assert whiten[1] == pytest.approx(slope, rel=1e-6)
    assert abs(found.matrix[0, 1]) < 1e-9


@pytest.mark.slow
def test_profiles_of_a_population_agree_with_a_direct_search(toys):
    frame = one_way()
    found = identify(of(frame)).numbers
    assert set(found["verdicts"]) == {"a_mean", "a_spread"}
    assert set(found["verdicts"].values()) == {"determined"}
    best = minimize(lambda t: -log_density(frame, t[0], np.exp(t[1])), [-60.0, 0.5], tol=1e-10)
    height = -best.fun

    def drop(k, x):
        if k == 0:
            one = minimize(lambda t: -log_density(frame, x, np.exp(t[0])), [best.x[1]], tol=1e-10)
        else:
            one = minimize(lambda t: -log_density(frame, t[0], x), [best.x[0]], tol=1e-10)
        return height + one.fun - DROP

    top = [best.x[0], np.exp(best.x[1])]
    for k, name in enumerate(("a_mean", "a_spread")):
        curve = found["profiles"][name]
        low = brentq(lambda x, k=k: drop(k, x), top[k] - (4 if k == 0 else 1.9), top[k])
        high = brentq(lambda x, k=k: drop(k, x), top[k], top[k] + 6)
        assert [curve["low"], curve["high"]] == pytest.approx([low, high], rel=2e-3)


@pytest.mark.slow
def test_one_reading_a_cell_tells_scatter_and_spread_only_together(toys):
    """a_spread² + sigma² is all that is seen; the control is three readings a cell."""
    for each, kind in ((1, "together"), (4, "determined")):
        frame = one_way(30, each).drop(columns="V_m_sem_mV")
        found = identify(of(frame, sigma_V_m=lognormal(1, 3), extra_V_m=0.0)).numbers["verdicts"]
        assert found["a_mean"] == "determined"
        assert (found["a_spread"] == "determined") == (kind == "determined"), (each, found)


@pytest.mark.slow
def test_levels_within_levels(toys):
    """Cells in animals: the same density as the covariance with both shared parts."""
    import jax

    rng = np.random.default_rng(3)
    animal = np.repeat(np.arange(5), 6)
    cell = np.repeat(np.arange(15), 2)
    y = (
        3
        + 2 * rng.standard_normal(5)[animal]
        + rng.standard_normal(15)[cell]
        + ERROR * rng.standard_normal(30)
    )
    frame = pd.DataFrame({"animal": [f"m{k}" for k in animal], "cell": [f"c{k}" for k in cell], "V_m_mV": y})
    frame["V_m_sem_mV"] = ERROR
    spread = {"animal": halfnormal(4), "cell": halfnormal(4)}
    a = Latent(normal(0, 10), by=("animal", "cell"), pooled=("animal", "cell"), spread=spread)
    whole = make_problem(read_table(frame), {"a": a, "b": 0.0, "extra_V_m": 0.0}, model="total")
    with jax.enable_x64(True):
        problem = marginal(whole)
        assert [s.name for s in problem.sites] == ["a_animal_mean", "a_animal_spread", "a_spread"]
        assert problem.blocks.shape == (5, 6)
        found = float(
            problem.log_likelihood({"a_animal_mean": 3.0, "a_animal_spread": 1.5, "a_spread": 0.7}).sum()
        )
    S = 1.5**2 * (animal[:, None] == animal) + 0.7**2 * (cell[:, None] == cell) + ERROR**2 * np.eye(30)
    assert found == pytest.approx(stats.multivariate_normal.logpdf(y, np.full(30, 3.0), S), rel=1e-9)
    assert set(identify(whole).numbers["verdicts"]) == {"a_animal_mean", "a_animal_spread", "a_spread"}


@pytest.mark.thorough
def test_a_plan_of_cells(toys):
    """More cells tell the spread; few hardly do."""
    many, few = (identify(of(one_way(n, 4, read=False))).numbers["removed"] for n in (40, 3))
    assert many["a_spread"] > 0.9 > 0.8 > few["a_spread"]


def test_a_difference_between_levels_is_refused(toys):
    frame = one_way(2, 1)
    frame = pd.DataFrame(
        {"label": ["one", "two"], "cell": frame["cell"], "reference": ["", "one"], "dV_m_mV": [np.nan, 3.0],
         "dV_m_sem_mV": [np.nan, 1.0], "V_m_mV": [2.0, np.nan], "V_m_sem_mV": [1.0, np.nan]}
    )  # fmt: skip
    with pytest.raises(InputError, match="a difference between two levels of a"):
        identify(of(frame))


@pytest.mark.thorough
def test_a_bent_population_with_a_big_spread_agrees_with_quadrature():
    """GHK over a factor of 3.3 between cells, rounded, with outliers and a floor: levels integrated on a grid."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(3)
    K, factor = np.array([1.0, 5.0, 20.0]), 25.4343  # RT/F at 295.15 K [mV]
    frame = pd.DataFrame(
        [(f"c{c}", k, factor * np.log((k + p * (145 - k)) / (140 + p * 10)) + rng.standard_normal())
         for c, p in enumerate(0.03 * np.exp(1.2 * rng.standard_normal(8))) for k in K],
        columns=["cell", "K_o_mM", "V_m_mV"],
    )  # fmt: skip
    frame["Na_o_mM"] = 145 - frame["K_o_mM"]
    known = {"T": 295.15, "K_i": 140.0, "Na_i": 10.0, "sigma_V_m": 1.0}
    known["P_Na_rel"] = Latent(lognormal(0.03, 3), by="cell", pooled=True, spread=halfnormal(1.5))
    z = np.linspace(-12, 12, 8001)
    for options, within in (
        ({}, 0.15),
        ({"noise": "outliers"}, 0.6),
        ({"recording": Recording(1.0, -90.0)}, 0.3),
    ):
        read = frame.copy()
        if "recording" in options:
            read["V_m_mV"] = np.round(read["V_m_mV"]).clip(-90)
        elif options:
            read.loc[10, "V_m_mV"] += 25.0
        whole = make_problem(read_table(read, quantities=("K_o", "Na_o")), known, **options)
        with jax.enable_x64(True):
            problem = marginal(whole)
            density = jax.jit(lambda s, problem=problem: problem.log_likelihood(s).sum())

            def given(z, mean, spread, whole=whole):
                return whole.log_likelihood(
                    {"P_Na_rel_mean": mean, "P_Na_rel_spread": spread, "P_Na_rel_z": jnp.full(8, z)}
                )

            by = jax.jit(jax.vmap(given, in_axes=(0, None, None)))
            for mean, spread in ((0.03, 1.2), (0.02, 0.8), (0.05, 1.6)):
                each = np.asarray(by(z, mean, spread)).reshape(len(z), 8, 3).sum(axis=2)
                top = each.max(axis=0)
                exact = (
                    top
                    + np.log((np.exp(each - top) * stats.norm.pdf(z)[:, None]).sum(axis=0) * (z[1] - z[0]))
                ).sum()
                found = float(density({"P_Na_rel_mean": mean, "P_Na_rel_spread": spread}))
                assert abs(found - exact) < within, (options, mean, spread, found, exact)


def test_blocks_are_readings_that_share_a_level_directly_or_through_others():
    cell, animal = np.array([0, 0, 1, 2, -1, -1]), np.array([0, -1, -1, 0, 1, -1])
    found = _blocks({"cell": cell, "animal": animal})
    assert found.tolist() == [[0, 1, 3], [2, -1, -1], [4, -1, -1], [5, -1, -1]]
    assert _blocks({"cell": np.array([0, 0])}).tolist() == [[0, 1]]
