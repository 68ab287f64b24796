"""Priors: NumPyro and SciPy agree, scales without bounds invert, units change, nonsense is refused."""

import json
import math

import jax
import numpy as np
import pytest
from numpyro.distributions import biject_to
from scipy import integrate, stats

from pumpleak import Prior, beta, halfnormal, lognormal, normal, uniform
from pumpleak.problem.priors import prior_in

PRIORS = {
    "normal": normal(3, 2),
    "normal above": normal(3, 2, lower=1),
    "normal below": normal(3, 2, upper=4),
    "normal between": normal(3, 2, lower=1, upper=4),
    "lognormal": lognormal(0.05, 3),
    "lognormal above": lognormal(0.05, 3, lower=0.03),
    "lognormal below": lognormal(0.05, 3, upper=0.1),
    "lognormal between": lognormal(0.05, 3, lower=0.03, upper=0.1),
    "halfnormal": halfnormal(10),
    "halfnormal below": halfnormal(10, upper=7),
    "uniform": uniform(20, 60),
    "beta": beta(2, 5),
}


@pytest.fixture(params=PRIORS)
def prior(request):
    return PRIORS[request.param]


Q = np.array([1e-4, 0.01, 0.2, 0.5, 0.9, 0.999])


def test_numpyro_has_scipys_quantiles(prior, assert_close):
    if prior.kind != "beta":  # NumPyro's needs a package of its own
        assert_close(np.asarray(prior.numpyro().icdf(Q)), prior.quantile(Q), rtol=1e-9, atol=1e-9)


def test_numpyro_has_scipys_density(prior, assert_close):
    x = prior.quantile(Q)
    d = prior.scipy()
    expected = np.log(d.pdf(x))
    assert_close(np.asarray(prior.numpyro().log_prob(x)), expected, rtol=1e-9, atol=1e-9)


def test_the_density_is_one_in_all(prior):
    low, high = prior.quantile([1e-7, 1 - 1e-7])
    area = integrate.quad(prior.scipy().pdf, low, high, points=list(prior.quantile([0.1, 0.5, 0.9])))[0]
    assert abs(area - (1 - 2e-7)) < 1e-6


def test_the_support_is_the_bounds(prior):
    x = prior.quantile(np.array([1e-12, 1 - 1e-12]))
    assert (x >= prior.lower).all() and (x <= prior.upper).all()


def test_textbook_densities():
    """Straight from the formulas, not by way of SciPy's parameters."""
    x = 0.07
    ln = math.log(x / 0.05) / math.log(3)
    by_hand = -math.log(x) - math.log(math.log(3)) - 0.5 * math.log(2 * math.pi) - ln**2 / 2
    assert float(lognormal(0.05, 3).numpyro().log_prob(x)) == pytest.approx(by_hand, rel=1e-12)
    by_hand = math.log(2) - math.log(10) - 0.5 * math.log(2 * math.pi) - (7 / 10) ** 2 / 2
    assert float(halfnormal(10).numpyro().log_prob(7.0)) == pytest.approx(by_hand, rel=1e-12)
    mass = stats.norm.cdf(0.5) - stats.norm.cdf(-1)
    by_hand = stats.norm.logpdf(2.5, 3, 2) - math.log(mass)
    assert float(normal(3, 2, lower=1, upper=4).numpyro().log_prob(2.5)) == pytest.approx(by_hand, rel=1e-12)


def test_68_percent_of_a_lognormal_lies_within_its_factor():
    d = lognormal(0.05, 3).scipy()
    assert d.cdf(0.15) - d.cdf(0.05 / 3) == pytest.approx(0.6826894921, rel=1e-9)


def test_quantile_inverts_cdf(prior, assert_close):
    assert_close(prior.scipy().cdf(prior.quantile(Q)), Q, rtol=1e-8, atol=1e-12)
    assert_close(prior.scipy().sf(prior.quantile(Q)), 1 - Q, rtol=1e-8, atol=1e-12)


def test_unbounded_inverts_and_is_numpyros(prior, assert_close):
    x = prior.quantile(Q)
    t = prior.unbounded(x)
    assert np.isfinite(t).all()
    assert_close(prior.bounded(t), x, rtol=1e-10, atol=1e-12)
    assert_close(np.asarray(biject_to(prior.numpyro().support)(t)), x, rtol=1e-9, atol=1e-12)


def test_whitening_is_the_slope_against_a_standard_normal(prior, assert_close):
    q = np.array([0.001, 0.1, 0.5, 0.7, 0.99])
    z, h = stats.norm.ppf(q), 1e-5
    slope = (prior.quantile(stats.norm.cdf(z + h)) - prior.quantile(stats.norm.cdf(z - h))) / (2 * h)
    assert_close(prior.whitening(prior.quantile(q)), slope, rtol=1e-5)


def test_whitening_far_in_the_tail():
    assert normal(0, 2).whitening(np.array([-60.0, 60.0])) == pytest.approx(2.0, rel=1e-6)
    x = np.array([1e-5, 100.0])
    assert lognormal(0.05, 3).whitening(x) == pytest.approx(x * math.log(3), rel=1e-6)


def test_numbers_may_be_traced(prior, assert_close):
    """A batch changes a prior's numbers without compiling again."""
    x = prior.quantile(0.4)
    traced = jax.jit(lambda p, x: prior.numpyro(p).log_prob(x))(prior.params, x)
    assert_close(np.asarray(traced), np.asarray(prior.numpyro().log_prob(x)), rtol=1e-12)
    drawn = prior.numpyro().sample(jax.random.key(0), (200,))
    assert ((drawn >= prior.lower) & (drawn <= prior.upper)).all()


@pytest.mark.parametrize("key", ["normal", "normal between", "uniform"])
def test_degrees_celsius_become_kelvin(key, assert_close):
    prior = PRIORS[key]
    moved = prior.scaled(1.0, 273.15)
    assert_close(moved.quantile(Q), prior.quantile(Q) + 273.15, rtol=1e-12)


@pytest.mark.parametrize("key", [k for k in PRIORS if k != "beta"])
def test_molar_becomes_millimolar(key, assert_close):
    prior = PRIORS[key]
    assert_close(prior.scaled(1e3).quantile(Q), 1e3 * prior.quantile(Q), rtol=1e-9)


def test_measured_survives_a_change_of_unit():
    assert normal(0.12, 0.01, measured=True).scaled(1e3).measured


@pytest.mark.parametrize("make", [lambda: lognormal(300, 1.1), lambda: halfnormal(3), lambda: beta(2, 2)])
def test_a_shift_that_changes_the_kind_is_refused(make):
    with pytest.raises(ValueError, match="normal or uniform"):
        make().scaled(1.0, 273.15)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: normal(0, 0), "sd > 0"),
        (lambda: normal(0, -1), "sd > 0, not mean 0, sd -1"),
        (lambda: normal(math.nan, 1), "nan"),
        (lambda: normal(math.inf, 1), "normal prior"),
        (lambda: normal(0, 1, lower=2, upper=1), "swapped"),
        (lambda: normal(0, 1, lower=math.nan), "bounds"),
        (lambda: lognormal(0, 2), "median > 0"),
        (lambda: lognormal(-1, 2), "median > 0"),
        (lambda: lognormal(1, 1), "factor > 1"),
        (lambda: lognormal(1, math.nan), "finite numbers, not median 1, factor nan"),
        (lambda: halfnormal(0), "sd > 0"),
        (lambda: uniform(2, 2), "swapped or equal"),
        (lambda: uniform(0, math.inf), "finite"),
        (lambda: uniform(math.nan, 1), "finite"),
        (lambda: beta(0, 1), "a > 0 and b > 0"),
    ],
)
def test_a_prior_that_is_none_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_what_a_prior_says_of_itself():
    texts = {k: str(p) for k, p in PRIORS.items()}
    assert texts["normal"] == "3 ± 2"
    assert texts["normal above"] == "3 ± 2 above 1"
    assert texts["normal below"] == "3 ± 2 below 4"
    assert texts["normal between"] == "3 ± 2 within [1, 4]"
    assert texts["lognormal"] == "median 0.05, factor 3"
    assert texts["uniform"] == "uniform 20 to 60"
    assert texts["beta"] == "beta(2, 5)"
    assert isinstance(PRIORS["beta"], Prior)


# -- as kept with a result or a run ------------------------------------------------------------------


def test_a_kept_prior_is_read_back_to_the_last_digit(prior):
    row = json.loads(json.dumps({"prior": str(prior), "law": prior.as_dict()}, allow_nan=False))
    assert prior_in(row) == prior


def test_a_cells_own_prior_is_none():
    assert prior_in({"prior": "140 ± 9", "law": None}) is None


@pytest.mark.parametrize(
    "law",
    ["140 ± 9", {}, {"kind": "cauchy", "a": 0, "b": 1, "lower": None, "upper": None}, normal(0, 1).as_dict() | {"b": -1},
     normal(0, 1).as_dict() | {"a": None}, {"kind": "normal", "a": 0, "b": 1}],
)  # fmt: skip
def test_what_is_kept_and_makes_no_prior(law):
    with pytest.raises(ValueError):
        prior_in({"prior": "", "law": law})


PRINTED = {
    **PRIORS,
    "negative": normal(-3.5, 2),
    "small": normal(0, 1e-7, lower=-2, upper=3),
    "lognormal up to 50": lognormal(12, 1.5, upper=50),
    "uniform about 0": uniform(-1, 1.5),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_printed_prior_is_read_back_to_its_digits(name, assert_close):
    prior = PRINTED[name]
    found = prior_in({"prior": str(prior)})
    assert found is not None and found.kind == prior.kind
    assert_close(found.quantile([0.1, 0.5, 0.9]), prior.quantile([0.1, 0.5, 0.9]), rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(
    "text", ["", "each cell's own", "lognormal(0.05, 3)", "5 ± -1", "uniform 3 to 1", "a\nb", "median x, factor 3",
             "beta(1, 2) above 0", "1..2 ± 3"]
)  # fmt: skip
def test_what_is_no_printed_prior(text):
    assert prior_in({"prior": text}) is None
