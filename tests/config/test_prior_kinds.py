"""A kind of prior is one declaration: config, check, densities, bounds, text, round trip and reference follow from it."""

import json
import math

import jax
import numpy as np
import pytest
import yaml
from numpyro.distributions import biject_to
from scipy import stats

from pumpleak import InputError, load_problem
from pumpleak.config.load import Lines
from pumpleak.config.specs import parse_spec
from pumpleak.problem.as_config import plain_config
from pumpleak.problem.prior_kinds import KINDS, Key, PriorKind, declare_prior
from pumpleak.problem.priors import make_prior, prior_in, standard_of

DECLARED = {
    "loguniform": PriorKind(
        "loguniform", "flat in the logarithm between two bounds",
        {"lower": Key("lower", above=0), "upper": Key("upper", above=0)},
        "log-uniform {lower:g} to {upper:g}",
        lambda dist, n: dist.LogUniform(n.lower, n.upper),
        lambda stats, n: stats.loguniform(n.lower, n.upper),
        support=(0.0, math.inf),
    ),
    "gamma": PriorKind(
        "gamma", "positive, with a mean of shape times scale",
        {"shape": Key("a", above=0, size="pure"), "scale": Key("b", above=0, size="spread")},
        "gamma of shape {shape:g}, scale {scale:g}",
        lambda dist, n: dist.Gamma(n.a, 1 / n.b),
        lambda stats, n: stats.gamma(n.a, scale=n.b),
        support=(0.0, math.inf),
    ),
}  # fmt: skip
WRITTEN = {
    "loguniform": {"prior": "loguniform", "lower": 1.0, "upper": 50.0},
    "gamma": {"prior": "gamma", "shape": 2.0, "scale": 4.0},
}
BY_HAND = {"loguniform": stats.loguniform(1, 50), "gamma": stats.gamma(2, scale=4)}
ON_THE_FREE_SCALE = {
    "loguniform": lambda x: np.log((x - 1) / (50 - x)),
    "gamma": np.log,
}
Q = np.array([0.01, 0.3, 0.5, 0.9])


@pytest.fixture(params=DECLARED)
def name(request, monkeypatch):
    monkeypatch.setitem(KINDS, request.param, None)  # to be gone after the test
    declare_prior(DECLARED[request.param])
    return request.param


#: Every kind of the library, as configs write it, beside SciPy's.
OWN = {
    "normal": ({"mean": 140, "sd": 9}, stats.norm(140, 9)),
    "normal, cut": (
        {"mean": 140, "sd": 90, "lower": 100, "upper": 200},
        stats.truncnorm(-4 / 9, 2 / 3, 140, 90),
    ),
    "lognormal": ({"median": 140, "factor": 1.5}, stats.lognorm(np.log(1.5), scale=140)),
    "halfnormal": ({"sd": 20}, stats.halfnorm(0, 20)),
    "uniform": ({"lower": 120, "upper": 160}, stats.uniform(120, 40)),
    "beta": ({"a": 2, "b": 5}, stats.beta(2, 5)),
}


def spec(value, key="K_i_mM"):
    return parse_spec(key, value, Lines(), ("quantities", key))[1]


def test_no_kind_of_the_library_is_left_out():
    assert {name.split(",")[0] for name in OWN} == set(KINDS)


@pytest.mark.parametrize("name", OWN)
def test_what_a_config_writes_is_scipys_prior(name, assert_close):
    """Through YAML, by both roads, to a config and back; of a fraction too."""
    numbers, by_scipy = OWN[name]
    kind = name.split(",")[0]
    key = "outlier_share" if kind == "beta" else "K_i_mM"
    text = f"{{prior: {kind}, " + ", ".join(f"{k}: {v}" for k, v in numbers.items()) + "}"
    prior = spec(yaml.safe_load(text), key).prior
    x = by_scipy.ppf(Q)
    assert prior.kind == kind
    assert_close(prior.quantile(Q), x, rtol=1e-9)
    assert_close(np.asarray(prior.numpyro(prior.params).log_prob(x)), by_scipy.logpdf(x), rtol=1e-7)
    assert_close(np.log(prior.scipy().pdf(x)), by_scipy.logpdf(x), rtol=1e-9)
    q, unit = key.partition("_mM")[:2]
    written = plain_config({q: prior}, {}, {q: "mM" if unit else "1"})["quantities"][key]
    assert spec(json.loads(json.dumps(written)), key).prior == prior


def test_a_config_may_name_it(name, assert_close):
    prior = spec(WRITTEN[name]).prior
    assert prior.kind == name
    assert_close(prior.quantile(Q), BY_HAND[name].ppf(Q), rtol=1e-12)


def test_its_middle_needs_no_distribution(name, assert_close):
    prior = spec(WRITTEN[name]).prior
    assert_close(prior.median, BY_HAND[name].ppf(0.5), rtol=1e-12)


def test_both_roads_have_its_density(name, assert_close):
    prior, x = spec(WRITTEN[name]).prior, BY_HAND[name].ppf(Q)
    expected = BY_HAND[name].logpdf(x)
    assert_close(np.log(prior.scipy().pdf(x)), expected, rtol=1e-12, atol=1e-12)
    traced = jax.jit(lambda p, x: prior.numpyro(p).log_prob(x))(prior.params, x)
    assert_close(np.asarray(traced), expected, rtol=1e-9, atol=1e-12)


def test_its_bounds_make_the_free_scale(name, assert_close):
    prior, x = spec(WRITTEN[name]).prior, BY_HAND[name].ppf(Q)
    assert_close(prior.unbounded(x), ON_THE_FREE_SCALE[name](x), rtol=1e-9)
    assert_close(prior.bounded(prior.unbounded(x)), x, rtol=1e-12)
    assert_close(np.asarray(biject_to(prior.numpyro().support)(prior.unbounded(x))), x, rtol=1e-9)
    assert_close(np.asarray(prior.constrain(prior.unbounded(x), prior.params)), x, rtol=1e-9)
    assert_close(standard_of(prior, prior.params[None])[0], np.array(prior.standard), rtol=1e-12)


def test_it_goes_to_a_config_and_back(name):
    prior = spec(WRITTEN[name]).prior
    written = plain_config({"K_i": prior}, {}, {"K_i": "mM"})["quantities"]["K_i_mM"]
    assert written == WRITTEN[name]
    assert spec(json.loads(json.dumps(written))).prior == prior


def test_it_is_kept_with_a_result(name):
    prior = spec(WRITTEN[name]).prior
    assert prior_in(json.loads(json.dumps({"prior": str(prior), "law": prior.as_dict()}))) == prior


def test_it_is_printed_and_read_back(name):
    prior = spec(WRITTEN[name]).prior
    expected = {"loguniform": "log-uniform 1 to 50", "gamma": "gamma of shape 2, scale 4"}
    assert str(prior) == expected[name]
    assert prior_in({"prior": str(prior)}) == prior


def test_it_changes_its_unit(name, assert_close):
    numbers = WRITTEN[name] | {k: 1e-3 * v for k, v in WRITTEN[name].items() if k not in ("prior", "shape")}
    assert_close(spec(numbers, "K_i_M").prior.quantile(Q), BY_HAND[name].ppf(Q), rtol=1e-12)
    with pytest.raises(InputError, match="no form in that unit"):
        make_prior(name, **{k: v for k, v in WRITTEN[name].items() if k != "prior"}).scaled(1.0, 273.15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sd": 2}, "quantities.K_i_mM.sd: there is no key 'sd' of a {name} prior"),
        ({"{first}": None}, "the key '{first}' is missing in a {name} prior"),
        ({"{first}": -1}, "quantities.K_i_mM.{first}: -1 will not do: input should be greater than 0"),
        ({"{first}": "much"}, "'much' is not a number"),
        ({"prior": "{name}s"}, "there is no prior '{name}s' (did you mean '{name}'?)"),
        ({"measured": True}, "no key 'measured' of a {name} prior"),
    ],
)
def test_what_will_not_do_is_said(name, change, words):
    first = next(iter(DECLARED[name].keys))
    put = lambda x: x.format(name=name, first=first) if isinstance(x, str) else x  # noqa: E731
    value = WRITTEN[name] | {put(k): put(v) for k, v in change.items()}
    with pytest.raises(InputError) as caught:
        spec({k: v for k, v in value.items() if v is not None})
    assert put(words) in str(caught.value)


def test_numbers_that_make_none_are_refused_in_python_too(name):
    first = next(iter(DECLARED[name].keys))
    with pytest.raises(InputError, match=rf"a {name} prior needs {first} > 0 and .*, not {first} 0"):
        make_prior(name, **{k: v for k, v in WRITTEN[name].items() if k != "prior"} | {first: 0.0})


@pytest.mark.thorough
def test_a_problem_has_it(name, assert_close):
    value = {
        "prior": name,
        **({"lower": 1e-3, "upper": 1.0} if name == "loguniform" else {"shape": 2.0, "scale": 0.03}),
    }
    problem = load_problem({"data": {"dataset": "textbook_resting"}, "quantities": {"P_Na_rel": value}})
    prior = problem.parameters[0].prior
    u = np.zeros(len(problem.layout.coordinates))
    at = problem.constrain(u)["P_Na_rel"]
    assert_close(np.asarray(at), prior.bounded(prior.standard[0]), rtol=1e-9)
    assert np.isfinite(jax.grad(problem.potential)(u)).all()
    assert spec(problem.config["quantities"]["P_Na_rel"], "P_Na_rel").prior == prior
