"""`Problem.joint` and `Problem.potential` as what others build on: NumPyro's own samplers and densities."""

import jax
import numpy as np
import numpyro.handlers
import pandas as pd
import pytest
from numpyro.infer import MCMC, NUTS, Predictive
from numpyro.infer.util import log_density
from scipy import stats

from pumpleak import Latent, infer, load_problem, lognormal, make_problem, normal, read_table
from pumpleak.physics.constants import F, R


def by_hand(problem, sites, value, mask, sem=1.0):
    """ln of the titration's joint density by SciPy: P_Na/P_K lognormal, the offset normal, each reading about Goldman's."""
    P, offset = float(sites["P_Na_rel"]), float(sites["V_offset"])
    K_o, Na_o = np.array([2.5, 5, 20, 60]), np.array([147.5, 145, 130, 90])
    V_m = 1e3 * R * 295.15 / F * np.log((K_o + P * Na_o) / (140 + P * 10))
    prior = stats.lognorm(np.log(3), scale=0.05).logpdf(P) + stats.norm(0, 2).logpdf(offset)
    return prior + stats.norm(V_m + offset, sem).logpdf(value)[mask].sum()


def test_joint_is_prior_times_likelihood(titration):
    """Absolutely, not up to a constant: with the problem's own numbers, with a batch's, and with readings left out."""
    problem = load_problem(titration / "cells.yaml")
    own = problem.arrays
    gone = own._replace(
        mask=np.array([True, False, True, False]), value=np.where([1, 0, 1, 0], own.value, np.nan)
    )
    with jax.enable_x64(True):
        for P, offset in ((0.03, 0.5), (0.2, -3.0)):
            sites = {"P_Na_rel": np.float64(P), "V_offset": np.float64(offset)}
            for arrays in (own, own._replace(value=own.value + 2.5), gone):
                given = () if arrays is own else (arrays,)
                found = float(log_density(problem.joint, given, {}, sites)[0])
                value, mask = np.asarray(arrays.value), np.asarray(arrays.mask)
                assert found == pytest.approx(by_hand(problem, sites, value, mask), rel=1e-10)
                parts = problem.log_prior(sites, arrays) + problem.log_likelihood(sites, arrays).sum()
                assert float(parts) == pytest.approx(found, rel=1e-10)


def test_joint_without_a_reading_is_the_prior_and_without_an_answer_nothing(toys, titration):
    rows = pd.DataFrame({"T_degC": [22.0], "K_o_mM": 5.0, "Na_o_mM": 145.0})
    plan = make_problem(
        read_table(rows, require_readings=False), {"P_Na_rel": lognormal(0.05, 3), "K_i": 140.0, "Na_i": 10.0}
    )
    given = {p.name: np.float64(0.07) for p in plan.parameters}
    trace = numpyro.handlers.trace(numpyro.handlers.seed(plan.joint, 0)).get_trace()
    assert set(trace) == {s.name for s in plan.sites}
    expected = sum(p.prior.scipy().logpdf(0.07) for p in plan.parameters)
    assert float(log_density(plan.joint, (), {}, given)[0]) == pytest.approx(expected, rel=1e-9)
    table = read_table(pd.DataFrame({"label": ["r"], "V_m_mV": [1.0], "V_m_sem_mV": [1.0]}))
    lost = make_problem(table, {"a": normal(0, 1), "extra_V_m": 0.0}, model="no_answer")
    assert float(log_density(lost.joint, (), {}, {"a": np.float64(0.4)})[0]) == -np.inf
    there = stats.norm(0, 1).logpdf(0.6) + stats.norm(np.sqrt(0.6), 1).logpdf(1.0)
    assert float(log_density(lost.joint, (), {}, {"a": np.float64(0.6)})[0]) == pytest.approx(there, rel=1e-9)


def sampled(problem, draws=3000):
    """Sites by name, (chains, draws, …), of NumPyro's NUTS on the model `joint`."""
    with jax.enable_x64(True):
        mcmc = MCMC(
            NUTS(problem.joint, dense_mass=True, target_accept_prob=0.95),
            num_warmup=500,
            num_samples=draws,
            num_chains=2,
            chain_method="sequential",
            progress_bar=False,
        )
        mcmc.run(jax.random.key(7))
        assert mcmc.get_extra_fields()["diverging"].mean() < 0.01
        return jax.tree.map(np.asarray, mcmc.get_samples(group_by_chain=True))


def agree(x, other, sd, draws):
    """Means and quantiles within five Monte Carlo errors of the fewer effective draws."""
    x, other = np.asarray(x).ravel(), np.asarray(other).ravel()
    assert abs(x.mean() - other.mean()) < 5 * sd / np.sqrt(draws)
    assert 0.85 < x.std() / other.std() < 1.18
    for q in (0.1, 0.5, 0.9):
        assert abs(np.quantile(x, q) - np.quantile(other, q)) < 9 * sd / np.sqrt(draws)


@pytest.fixture(scope="module")
def by_numpyro(titration):
    return sampled(load_problem(titration / "cells.yaml"))


@pytest.mark.thorough
def test_numpyros_nuts_on_joint_is_the_librarys_posterior(titration, by_numpyro):
    result = infer(load_problem(titration / "cells.yaml"), engine="importance", draws=4000, seed=2)
    ours = result.tree["posterior"]
    assert {str(n) for n in ours.data_vars} == set(by_numpyro)
    for name, row in result.table.iterrows():
        agree(by_numpyro[name], ours[name], row["sd"], 800)


@pytest.mark.thorough
def test_the_comparison_can_fail(titration, by_numpyro, tmp_path):
    """Another prior, of which the readings leave a good part, is told apart by the same comparison."""
    text = (titration / "cells.yaml").read_text().replace("mean: 0, sd: 2", "mean: 3, sd: 2")
    (tmp_path / "cells.yaml").write_text(text)
    (tmp_path / "cells.csv").write_bytes((titration / "cells.csv").read_bytes())
    other = infer(load_problem(tmp_path / "cells.yaml"), engine="importance", seed=2).tree["posterior"]
    with pytest.raises(AssertionError):
        agree(by_numpyro["V_offset"], other["V_offset"], 2.0, 800)


def grouped():
    rows = [
        {"cell": c, "K_o_mM": K, "V_m_mV": V + shift}
        for c, shift in zip("abcd", (0.0, 2.0, -3.0, 1.0), strict=True)
        for K, V in ((2.5, -86.0), (10.0, -60.0), (40.0, -30.0))
    ]
    known = {
        "K_i": 140.0,
        "Na_i": 12.0,
        "Na_o": 140.0,
        "T": 293.15,
        "P_Na_rel": Latent(lognormal(0.03, 3), by="cell", pooled=True),
        "sigma_V_m": 1.0,
    }
    return make_problem(read_table(pd.DataFrame(rows)), known)


@pytest.mark.slow
def test_joint_of_a_pooled_problem_is_its_posterior_too():
    problem = grouped()
    draws = sampled(problem)
    result = infer(problem, seed=2)
    for name in set(draws) & {str(n) for n in result.tree["posterior"].data_vars}:
        ours = np.asarray(result.tree["posterior"][name])
        for k in np.ndindex(ours.shape[2:]):
            x = draws[name][(..., *k)]
            agree(np.log(np.abs(x)), np.log(np.abs(ours[(..., *k)])), np.log(np.abs(x)).std(), 500)


@pytest.mark.thorough
def test_the_potential_is_joints_density_and_jacobian(titration):
    """−potential(u) − log p(constrain(u)) depends on the coordinates alone: the same for other readings."""
    problem = load_problem(titration / "cells.yaml")
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        u = rng.standard_normal((5, problem.dimension))
        moved = problem.arrays._replace(value=problem.arrays.value + 1.5)
        for point in u:
            sites = problem.constrain(point)
            left = []
            for arrays in (problem.arrays, moved):
                log_p = log_density(problem.joint, (arrays,), {}, sites)[0]
                left.append(float(problem.potential(point, arrays) + log_p))
            assert left[0] == pytest.approx(left[1], abs=1e-9)


@pytest.mark.thorough
def test_joint_predicts_readings_where_they_are_left_open(titration):
    problem = load_problem(titration / "cells.yaml")
    with jax.enable_x64(True):
        drawn = Predictive(problem.joint, num_samples=200)(jax.random.key(1), observed=False)
        seen = numpyro.handlers.trace(numpyro.handlers.seed(problem.joint, 1)).get_trace()
    assert drawn["reading"].shape == (200, len(problem.measurements.value))
    assert seen["reading"]["is_observed"] and np.isfinite(drawn["reading"]).all()
