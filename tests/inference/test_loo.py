"""Readings left out one at a time: against linear algebra, and where ArviZ has no answer."""

import numpy as np
import pytest
from scipy.stats import norm

from pumpleak.inference.loo import loo_of, loo_pit_of


def left_out(line):
    """ln p and cumulative probability of each reading given the others, of the straight line in closed form."""
    m = line.problem.measurements
    x, sem, y = (np.array(v) for v in ([0.0, 1.0, 2.0, 5.0], m.sem, m.value))
    X, prior, centre = np.column_stack([np.ones(4), x]), np.diag([9.0, 1.0]), np.array([0.0, 2.0])
    density, below = [], []
    for i in range(4):
        rest = np.arange(4) != i
        W = np.diag(1 / sem[rest] ** 2)
        covariance = np.linalg.inv(X[rest].T @ W @ X[rest] + np.linalg.inv(prior))
        mean = covariance @ (X[rest].T @ W @ y[rest] + np.linalg.inv(prior) @ centre)
        law = norm(X[i] @ mean, np.sqrt(X[i] @ covariance @ X[i] + sem[i] ** 2))
        density.append(law.logpdf(y[i]))
        below.append(law.cdf(y[i]))
    return np.array(density), np.array(below)


def test_against_linear_algebra(line, line_result):
    density, below = left_out(line)
    found = loo_of(line_result.tree)
    # Of the readings that weights can leave out; those of 0.5 mV decide too much.
    sure = np.asarray(found.pareto_k) < 0.5
    assert sure.tolist() == [False, True, False, True]
    np.testing.assert_allclose(np.asarray(found.elpd_i)[sure], density[sure], atol=0.02)
    np.testing.assert_allclose(loo_pit_of(line_result.tree)[sure], below[sure], atol=0.02)
    assert found.elpd == pytest.approx(float(np.asarray(found.elpd_i).sum()))
    numbers = line_result.verdict.numbers
    assert numbers["elpd_loo"] == found.elpd and numbers["elpd_loo_se"] == found.se
    assert numbers["pareto_k_max"] == float(found.pareto_k.max())


def test_a_reading_that_no_parameter_moves_leaves_none_that_can_be_trusted(line_result):
    """Weights that are all alike cannot be smoothed; p_loo is then ln of the density of all readings together."""
    tree = line_result.tree.copy(deep=True)
    tree["log_likelihood"]["reading"][..., 1] = -1.5
    found = loo_of(tree)
    assert (
        np.isnan(found.elpd)
        and np.isinf(np.asarray(found.pareto_k)).all()
        and (np.asarray(found.elpd_i) == 0).all()
    )
    density = np.asarray(tree["log_likelihood"]["reading"])
    assert found.p == pytest.approx(np.log(np.exp(density).mean(axis=(0, 1))).sum())
