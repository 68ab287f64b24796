"""Conflict between priors and data: calibrated where there is none, found where it is known to be, and said first."""

import re

import jax
import numpy as np
import pandas as pd
import pytest
from replicates import posteriors
from scipy.special import ndtri

from pumpleak import infer, load_problem, lognormal, make_problem, normal, read_table
from pumpleak.inference.conflict import conflict_p
from pumpleak.inference.findings import Kind

BATHS = np.array([2.5, 5.0, 10.0, 20.0, 40.0, 80.0])


def linear(rng, slopes, noise, shift=0.0, draws=2000):
    """Posterior draws of standard normal unknowns from readings slopes·z + noise, the truth moved by `shift`."""
    n, k = slopes.shape
    truth = rng.standard_normal(k) + shift
    y = slopes @ truth + noise * rng.standard_normal(n)
    covariance = np.linalg.inv(np.eye(k) + slopes.T @ slopes / noise**2)
    return rng.multivariate_normal(covariance @ slopes.T @ y / noise**2, covariance, draws)


def test_p_is_uniform_where_the_model_is_linear():
    rng = np.random.default_rng(1)
    slopes = np.array([[1.0, 0.3, 0.0], [0.2, 1.0, 0.02]])
    found = [conflict_p(linear(rng, slopes, 0.5)) for _ in range(600)]
    together, first = np.array([p for _, p in found]), np.array([each[0] for each, _ in found])
    assert abs(np.mean(together < 0.5) - 0.5) < 4 * np.sqrt(0.25 / 600)
    assert abs(np.mean(together < 0.05) - 0.05) < 4 * np.sqrt(0.05 / 600)
    assert np.mean(first < 0.5) < 0.5 and 0.005 < np.mean(first < 0.05) < 0.05  # never too small


def test_a_truth_four_sd_out_is_found():
    rng = np.random.default_rng(2)
    slopes = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = [conflict_p(linear(rng, slopes, 0.2, shift=np.array([4.0, 0.0]))) for _ in range(100)]
    assert np.mean([p < 0.005 for _, p in found]) > 0.7
    assert np.mean([each[0] < each[1] for each, _ in found]) > 0.95


def test_what_the_data_do_not_touch_cannot_be_in_conflict():
    z = np.random.default_rng(3).standard_normal((4000, 2)) + [0.02, -0.03]
    each, together = conflict_p(z)
    assert together == 1.0 and (each > 0.8).all()


def titration(K_i=140.0, P_Cl=0.0, shift=0.0):
    """Readings to 0.5 mV of a cell of known truth, by the GHK equation written out."""
    RTF = 8.314462618 * 293.15 / 96485.33212 * 1e3
    V = RTF * np.log((BATHS + 0.03 * 120 + P_Cl * 20.0) / (K_i + 0.03 * 12 + P_Cl * 125.0))
    noise = np.random.default_rng(5).normal(0, 0.5, len(V))
    return read_table(pd.DataFrame({"K_o_mM": BATHS, "V_m_mV": V + noise + shift, "V_m_sem_mV": 0.5}))


def judged(table, **known):
    given = {"T": 293.15, "Na_o": 120.0, "Na_i": 12.0, "P_Na_rel": lognormal(0.03, 2), "K_i": normal(140, 14)}
    given |= {"extra_V_m": 0.0, "LJP": 0.0, "V_offset": normal(0, 1)} | known
    return infer(make_problem(table, given), engine="importance", seed=1).verdict


@pytest.mark.thorough
def test_nothing_is_said_where_priors_hold_the_truth():
    verdict = judged(titration())
    assert verdict.fits and not verdict.numbers["conflict"] and "prior puts" not in verdict.headline


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("table", "known"),
    [
        (titration(K_i=220.0), {}),  # a prior wrong by nearly 6 sd
        (titration(shift=-14.0), {}),  # a junction potential that was not corrected
        (titration(shift=-28.0), {"LJP": 0.0}),  # one of the wrong sign
        (titration(P_Cl=0.5), {}),  # a chloride conductance read by K⁺ and Na⁺ alone
    ],
)
def test_a_known_conflict_is_in_the_headline_with_its_value(table, known):
    verdict = judged(table, **known)
    assert verdict.usable
    (found,) = verdict.numbers["conflict"]
    assert found["p"] < 1e-3
    name, place = found["parameters"][0], found["places"][0]
    assert f"only with {name} = {place['median']:.3g}" in verdict.headline
    assert re.search("which its prior puts at (less than )?1 in", verdict.headline)
    assert any("junction potential that is missing or has the wrong sign" in line for line in verdict.data)


@pytest.mark.thorough
def test_one_reading_tests_nothing_and_the_headline_says_so():
    table = read_table(pd.DataFrame({"K_o_mM": [5.0], "V_m_mV": [-73.0]}))
    verdict = judged(table, sigma_V_m=1.0)
    assert "but nothing here can test the model" in verdict.headline and "model fits" not in verdict.headline


def test_a_result_of_an_earlier_version_is_judged_as_then(inferred):
    from pumpleak.inference.verdict import findings_of, judge

    tree = inferred.tree.copy()
    tree["table"] = tree["table"].to_dataset().drop_vars("prior_p")
    assert judge(tree).numbers["conflict"] == []
    assert all(f.kind != Kind.prior_conflict for f in findings_of(tree))


def rate(problem, n, seed):
    """Share of data sets that the prior predicts of which a conflict would be said."""
    constrain, noise = jax.jit(jax.vmap(problem.constrain)), []
    for s in problem.sites:
        noise += [s.name.startswith(("sigma", "extra"))] * s.size
    alarms = []
    for _, u in posteriors(problem, n, seed):
        sites = constrain(u)
        z = [
            ndtri(
                np.clip(s.prior.scipy().cdf(np.asarray(sites[s.name]).reshape(len(u), -1)), 1e-16, 1 - 1e-16)
            )
            for s in problem.sites
        ]
        each, together = conflict_p(np.concatenate(z, axis=1))
        alone = each[~np.array(noise)]
        alarms.append(min(together, alone.min() * len(alone)) < 0.005)
    return np.mean(alarms)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["textbook_resting", "purkinje_fibre"])
def test_false_alarms_are_one_in_a_hundred(config):
    with jax.enable_x64(True):
        share = rate(load_problem(f"configs/{config}.yaml"), 1000, 11)
    print(config, share)
    assert share < 0.01 + 3 * np.sqrt(0.01 * 0.99 / 1000)
