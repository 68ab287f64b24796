"""Fit: closed forms, recovery, several optima, flat valleys, bounds, failures."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import (
    InputError,
    Latent,
    Swap,
    fit,
    load_problem,
    lognormal,
    make_problem,
    normal,
    read_table,
    uniform,
)


def test_the_mode_of_a_straight_line(line, assert_close):
    found = fit(line.problem)
    assert_close(np.array([e.value for e in found.estimates]), line.mean, rtol=1e-6)
    se = np.sqrt(np.diag(line.covariance))
    assert_close(np.array([e.se for e in found.estimates]), se, rtol=1e-6)
    assert_close(np.array([e.high - e.low for e in found.estimates]), 2 * 1.959963984540054 * se, rtol=1e-6)
    assert len(found.optima) == 1 and found.failed == 0 and not found.flat
    assert found.optima[0].starts == 64 and "64 of 64" in " ".join(found.words())
    assert_close(found.waterfall, np.full(64, found.waterfall[0]), rtol=1e-9)
    predicted = line.mean[0] + line.mean[1] * np.array([0, 1, 2, 5])
    assert_close(found.predicted, predicted, rtol=1e-6)


def test_maximum_likelihood_is_weighted_least_squares(line, assert_close):
    found = fit(line.problem, method="ml")
    assert_close(np.array([e.value for e in found.estimates]), line.ml, rtol=1e-6)
    assert_close(np.array([e.se for e in found.estimates]), np.sqrt(np.diag(line.ml_covariance)), rtol=1e-6)


def test_maximum_likelihood_keeps_what_was_measured(toys, assert_close):
    """b = 1 ± 0.5 is data: it decides b, and its error enters that of a."""
    table = read_table(pd.DataFrame({"V_m_mV": [3.0], "V_m_sem_mV": [0.1]}))
    quantities = {"a": uniform(-50, 50), "b": normal(1, 0.5, measured=True), "extra_V_m": 0.0}
    found = fit(make_problem(table, quantities, model="total"), method="ml")
    assert_close(np.array([found["a"].value, found["b"].value]), np.array([2.0, 1.0]), rtol=1e-5)
    assert_close(np.array([found["a"].se, found["b"].se]), np.array([np.hypot(0.5, 0.1), 0.5]), rtol=1e-4)


def voltage(K_o, Na_o, K_i, P, T=310.15):
    return 8.314462618 / 96.48533212 * T * np.log((K_o + P * Na_o) / (K_i + P * 10))


def test_permeabilities_are_recovered_from_readings_without_noise():
    K_o = np.array([1.0, 2.5, 5, 10, 20, 40, 100])
    frame = pd.DataFrame({"K_o_mM": K_o, "T_degC": 37.0, "Na_i_mM": 10.0, "V_m_sem_mV": 0.1,
                          "V_m_mV": voltage(K_o, 150 - K_o, 132.0, 0.017)})  # fmt: skip
    quantities = {"P_Na_rel": lognormal(0.1, 4), "K_i": lognormal(100, 2), "Na_o": Swap("K_o", 150.0),
                  "extra_V_m": 0.0}  # fmt: skip
    problem = make_problem(read_table(frame), quantities)
    for method, within in (("ml", 1e-5), ("map", 3e-3)):
        found = fit(problem, method=method)
        assert found["P_Na_rel"].value == pytest.approx(0.017, rel=within)
        assert found["K_i"].value == pytest.approx(132.0, rel=within)
        assert found["P_Na_rel"].share > 0.99 and "determine every parameter" in found.words()[0]


def textbook(model, quantities):
    config = {"model": model, "data": {"dataset": "textbook_resting"}, "quantities": quantities}
    return load_problem(config | {"title": "textbook"})


@pytest.mark.parametrize(
    "model, name, expected", [("ghk", "P_Na_rel", 0.030), ("mullins_noda", "P_Na_rel", 0.045), ("chord", "g_Na_rel", 0.128)]
)  # fmt: skip
def test_the_textbooks_cell(model, name, expected):
    """-73 mV between -90 and +60: 0.030 by Goldman, 1.5 times that with the pump, 17/133 by conductances."""
    prior = {"prior": "lognormal", "median": 0.05, "factor": 4}
    found = fit(textbook(model, {name: prior, "sigma_V_m_mV": 1}), method="ml")
    assert found[name].value == pytest.approx(expected, abs=0.0005)


def well(quantities, reading, **options):
    table = read_table(pd.DataFrame({"V_m_mV": [reading], "V_m_sem_mV": [0.5]}))
    return make_problem(
        table, quantities | {"extra_V_m": 0.0}, model=options.pop("model", "two_wells"), **options
    )


def test_two_optima_are_reported_as_two(toys):
    found = fit(well({"a": normal(0, 2)}, 0.0))
    assert len(found.optima) == 2 and not found.flat and found.failed == 0
    assert sum(o.starts for o in found.optima) == 64 and min(o.starts for o in found.optima) > 5
    ends = sorted(float(o.values["a"]) for o in found.optima)
    # the roots of 3 a² + a/2 − 12, shifted a little by the prior
    assert ends == pytest.approx([-2.085, 1.918], abs=0.01)
    assert found.optima[0].objective < found.optima[1].objective
    assert any("2 distinct optima" in w for w in found.words())
    assert (np.diff(found.waterfall) >= 0).all()


def test_a_flat_valley_is_reported(toys):
    """Only a + b is told and the likelihood has no other wish."""
    problem = well({"a": uniform(-50, 50), "b": uniform(-50, 50)}, 3.0, model="total")
    found = fit(problem, method="ml")
    assert found.flat and len(found.optima) == 1
    words = " ".join(found.words())
    assert "flat valley" in words and "a and b trade off" in words
    assert all(np.isnan(e.se) and np.isnan(e.low) for e in found.estimates)


def test_starts_that_fail_are_counted(toys):
    """Half the prior has no answer: those starts end nowhere."""
    found = fit(well({"a": normal(0.5, 1)}, 1.5, model="no_answer"))
    assert 10 < found.failed < 54
    assert np.isinf(found.waterfall).sum() == found.failed == 64 - sum(o.starts for o in found.optima)
    assert f"{64 - found.failed} of 64 starts" in " ".join(found.words())
    assert found["a"].value > 0.5 and np.isfinite(found["a"].se)


def test_no_start_with_an_answer_is_an_error(toys):
    with pytest.raises(InputError, match="no answer near the prior"):
        fit(well({"a": normal(-60, 1)}, 1.5, model="no_answer"))


def test_an_estimate_at_its_bound_says_so(toys):
    problem = well({"a": uniform(0, 1), "b": 0.0}, 30.0, model="total")
    found = fit(problem, method="ml")
    assert found["a"].value == pytest.approx(1.0, abs=1e-3)
    assert found["a"].at_bound == "its upper bound 1" and np.isnan(found["a"].se)
    assert "a lies at its upper bound 1." in found.words()


def test_pooled_levels_have_no_maximum_likelihood(toys):
    table = read_table(pd.DataFrame({"V_m_mV": [3.0, 4.0], "V_m_sem_mV": 0.1, "cell": ["p", "q"]}))
    a = Latent(normal(0, 3), by="cell", pooled=True)
    problem = make_problem(table, {"a": a, "b": 0.0, "extra_V_m": 0.0}, model="total")
    with pytest.raises(InputError, match="pooled levels of a"):
        fit(problem, method="ml")
    found = fit(problem, starts=32)
    assert [e.name for e in found.estimates] == ["a[p]", "a[q]"]
    assert [e.value for e in found.estimates] == pytest.approx([3.0, 4.0], abs=0.1)


def test_the_same_seed_gives_the_same_fit(line):
    one, two, other = (fit(line.problem, seed=s, starts=32) for s in (3, 3, 4))
    np.testing.assert_array_equal(one.waterfall, two.waterfall)
    assert not np.array_equal(one.waterfall, other.waterfall)


def test_refused_settings(line, toys):
    with pytest.raises(ValueError, match="at least 32 starts, not 5"):
        fit(line.problem, starts=5)
    with pytest.raises(ValueError, match="'bayes'"):
        fit(line.problem, method="bayes")
    with pytest.raises(InputError, match="nothing to fit"):
        fit(well({"a": 1.0}, 1.0))
    blank = read_table(pd.DataFrame({"label": ["x"], "V_m_mV": [np.nan]}), require_readings=False)
    with pytest.raises(InputError, match="V_m_mV"):
        fit(make_problem(blank, {"a": normal(0, 1)}, model="two_wells"))
