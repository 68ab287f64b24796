"""The slope and curvature that a search for modes climbs by."""

import jax
import numpy as np
import pandas as pd
import pytest

from pumpleak import lognormal, make_problem, normal, read_table
from pumpleak.engines.fisher import fisher_information
from pumpleak.engines.modes import look


@pytest.mark.parametrize("noise", ["normal", pytest.param("student_t", marks=pytest.mark.thorough)])
def test_curvature_is_the_readings_information_and_the_priors(toys, noise):
    """Another road: `fisher_information` has coordinates in which every prior's curvature is 1, nearly these."""
    table = read_table(
        pd.DataFrame({"x": [0.0, 1.0, 2.0, 5.0], "V_m_mV": [1.0, 2.5, 2.0, 6.5]}), quantities=("x",)
    )
    said = {"a": normal(0, 3), "b": normal(2, 1), "sigma_V_m": lognormal(1, 2)}
    said |= {"nu": 5.0} if noise == "student_t" else {}
    problem = make_problem(table, said, model="line", noise=noise)
    sites = {"a": 0.7, "b": 1.2, "sigma_V_m": 0.8}
    u = problem.unconstrain({k: np.array([v]) for k, v in sites.items()})[0]
    found = jax.jit(lambda u: look(problem, problem.arrays, u))(u)
    information = fisher_information(problem, sites)
    assert information.names == ("a", "b", "sigma_V_m") == problem.layout.site_names
    np.testing.assert_allclose(found.H, information.matrix + np.eye(3), rtol=1e-3, atol=1e-9)
    slope = jax.grad(lambda u: problem.potential(u, problem.arrays))(u)
    np.testing.assert_allclose(found.slope, slope, rtol=1e-9)
