"""Judgements that once were wrong: each of these data sets got a false sentence or none."""

import numpy as np
import pandas as pd
import xarray as xr

from pumpleak import Prior, celsius, fit, infer, lognormal, make_problem, normal, read_table
from pumpleak.engines.fisher import fisher_information
from pumpleak.inference.curves import curve_dataset, horizontal_quantity
from pumpleak.inference.verdict import _data
from pumpleak.problem.layout import site_names

K_O = np.array([1.0, 2.5, 5, 10, 20, 40, 80, 120])
BATH = {"T": celsius(22), "K_i": 140.0, "Na_i": 12.0}


def titration(V_m, **columns):
    return read_table(pd.DataFrame({"K_o_mM": K_O, "Na_o_mM": 150 - K_O, "V_m_mV": V_m, **columns}))


def expected(P):
    return 25.4327 * np.log((K_O + P * (150 - K_O)) / (140 + P * 12))


def test_a_scatter_of_zero_does_not_cost_the_ratio_its_error():
    rng = np.random.default_rng(3)
    table = titration(expected(0.03) + 0.3 * rng.normal(size=8), V_m_sem_mV=1.0)
    problem = make_problem(table, BATH | {"P_Na_rel": lognormal(0.05, 4)})
    found = fit(problem, method="ml", starts=32)
    assert found["extra_V_m"].value < 1e-3 and np.isnan(found["extra_V_m"].se)
    # The weighted least-squares error, by hand.
    slope = (expected(0.0301) - expected(0.0299)) / 0.0002
    np.testing.assert_allclose(found["P_Na_rel"].se, 1 / np.sqrt((slope**2).sum()), rtol=0.15)


def test_flat_readings_without_errors_are_not_explained():
    rng = np.random.default_rng(1)
    problem = make_problem(titration(-60 + rng.normal(size=8)), BATH | {"P_Na_rel": lognormal(0.05, 4)})
    verdict = infer(problem, chains=2, warmup=500, draws=1000).verdict
    assert not verdict.fits and "next to nothing" in verdict.headline


def test_many_readings_tell_the_degrees_of_freedom():
    """Against the information by Monte Carlo: the variance of the score of Student-t in ν and ln s."""
    table = titration(expected(0.03), V_m_sem_mV=1.0)
    problem = make_problem(
        table,
        BATH | {"P_Na_rel": 0.03, "extra_V_m": 0.0, "nu": Prior("lognormal", np.log(4), np.log(3))},
        noise="student_t",
    )
    information = fisher_information(problem, {"nu": np.array(4.0)})
    assert site_names(problem) == ("nu",)
    from scipy import stats

    draws = stats.t(4).rvs(400_000, random_state=np.random.default_rng(0))
    score = (stats.t(4.01).logpdf(draws) - stats.t(3.99).logpdf(draws)) / 0.02
    # The prior stops at ν = 1, so its width at 4 is not quite 4 ln 3.
    whitened = 8 * score.var() * problem.sites[0].prior.whitening(np.array(4.0)) ** 2
    np.testing.assert_allclose(information.matrix[0, 0], whitened, rtol=0.03)


def test_measured_potassium_still_has_its_figure():
    table = titration(expected(0.03), V_m_sem_mV=1.0, K_o_sd_mM=0.05 * K_O)
    problem = make_problem(table, BATH | {"P_Na_rel": lognormal(0.05, 4)})
    assert horizontal_quantity(problem) == "K_o"
    u = np.zeros((20, problem.dimension))
    curve = curve_dataset(problem, u, np.random.default_rng(0))
    assert curve is not None
    np.testing.assert_allclose([curve["x"].min(), curve["x"].max()], [1, 120])


def test_what_cannot_be_answered_is_in_the_headline():
    table = read_table(
        pd.DataFrame(
            {
                "K_o_mM": [80.0, 100, 120],
                "Na_o_mM": [70.0, 50, 30],
                "V_m_mV": [-13.9, -8.4, -3.8],
                "V_m_sem_mV": 1.0,
            }
        )
    )
    problem = make_problem(
        table,
        {
            "T": celsius(22),
            "K_i": normal(140, 20),
            "Na_i": 12.0,
            "P_Na_rel": lognormal(0.05, 4),
            "extra_V_m": 0.0,
        },
    )
    verdict = infer(problem, chains=2, warmup=500, draws=600).verdict
    assert "next to nothing about P_Na_rel" in verdict.headline


def test_what_moved_is_not_called_the_prior():
    """A parameter as uncertain as before, but elsewhere, was told something by the data."""
    names = ["stayed", "moved", "narrowed"]
    table = pd.DataFrame(
        {"parameter": names, "contraction": [0.0, 0.0, 0.6], "shift": [0.1, 0.9, 0.9]}
    ).to_xarray()
    information = xr.Dataset(
        {"fisher": (("element", "other"), np.eye(3)), "slope": ("element", np.ones(3)),
         "positive": ("element", np.zeros(3, bool))},
        coords={"element": names},
    )  # fmt: skip
    tree = xr.DataTree.from_dict({"table": table, "information": information})
    words, _, narrowed, undetermined = _data(tree)
    assert "Moved by the data, though hardly narrowed: moved (+0.9 prior sd)." in words
    assert "The data said nothing about: stayed. What is reported is the prior." in words
    assert narrowed == ["narrowed"] and undetermined == ["stayed", "moved"]
