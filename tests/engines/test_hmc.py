"""Chains of one trajectory length for all lanes: moments of known densities, acceptance, and what counts as lost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak.engines.hmc import run_chain, step_counts

WARMUP, DRAWS = 300, 1500
SD = np.array([1.0, 0.6])


def run(potential, start):
    counts = step_counts(WARMUP + DRAWS, 3)
    return jax.jit(lambda x, key: run_chain(potential, x, key, counts, WARMUP))(
        jnp.asarray(start), jax.random.key(2)
    )


@pytest.fixture(scope="module")
def normal():
    return run(lambda x: 0.5 * jnp.sum((x / SD) ** 2), [2.0, -1.0])


def test_draws_of_a_normal_have_its_moments(normal):
    x = np.asarray(normal.x)
    assert x.shape == (DRAWS, 2) and int(normal.divergences) == 0
    np.testing.assert_allclose(x.mean(axis=0) / SD, 0, atol=0.1)
    np.testing.assert_allclose(x.std(axis=0) / SD, 1, atol=0.08)
    np.testing.assert_allclose(((x / SD) ** 4).mean(axis=0), 3, atol=0.8)
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.1


def test_the_step_is_adapted_to_the_acceptance_that_is_aimed_at(normal):
    assert 0.8 < float(normal.acceptance) < 0.95  # 0.85 is aimed at
    assert 0.3 < float(normal.step_size) < 1.3  # of the narrower sd of 0.6, below the limit of 1.2


@pytest.mark.thorough
def test_a_wall_costs_no_divergence_and_lost_energy_does():
    walled = run(lambda x: jnp.where(x[0] > 0, 0.5 * x[0] ** 2, jnp.inf), [1.0])
    x = np.asarray(walled.x)
    assert int(walled.divergences) == 0 and x.min() > 0
    assert x.mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.1)
    spiked = run(lambda x: 0.5 * x[0] ** 2 + jnp.where(x[0] > 0, 0.0, 1e4), [1.0])
    assert int(spiked.divergences) > 0 and np.asarray(spiked.x).min() > 0


def test_counts_of_steps_are_jittered_and_repeat():
    counts = step_counts(1000, 3)
    assert (counts == step_counts(1000, 3)).all() and set(counts) == set(range(3, 13))
