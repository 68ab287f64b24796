"""Predict: the equations themselves for fixed numbers, intervals from priors and posteriors."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import (
    InputError,
    Latent,
    Swap,
    ghk_voltage,
    load_problem,
    lognormal,
    make_problem,
    nernst_potential,
    normal,
    predict,
    read_table,
    uniform,
)
from pumpleak.quantities.names import observable_unit
from pumpleak.quantities.units import with_unit

BATH = pd.DataFrame({"label": ["a", "b"], "T_degC": 22.0, "K_o_mM": [5.0, 20.0], "K_i_mM": 140.0,
                     "Na_o_mM": [145.0, 130.0], "Na_i_mM": 10.0})  # fmt: skip


def direct(P):
    return [
        float(ghk_voltage([1.0, P], [k, n], [140.0, 10.0], [1, 1], 295.15)) for k, n in ((5, 145), (20, 130))
    ]


def unread(quantities, **options):
    return make_problem(read_table(BATH, require_readings=False), quantities, **options)


def test_fixed_numbers_give_the_equation_itself():
    table = predict(unread({"P_Na_rel": lognormal(0.05, 3)}), fixed={"P_Na_rel": 0.03})
    np.testing.assert_allclose(table["V_m_mV"], direct(0.03), rtol=1e-12)
    np.testing.assert_array_equal(table["V_m_low_mV"], table["V_m_high_mV"])
    np.testing.assert_allclose(table["E_K_mV"], [nernst_potential(k, 140.0, 1, 295.15) for k in (5.0, 20.0)])
    assert list(table.index) == ["a", "b"] and (table["no_answer"] == 0).all()
    assert table["V_m_read_mV"].isna().all()


def test_known_numbers_need_no_prior():
    table = predict(unread({"P_Na_rel": 0.03}))
    np.testing.assert_allclose(table["V_m_mV"], direct(0.03), rtol=1e-12)


def test_prior_quantiles_are_those_of_the_prior():
    """V_m rises with P, so its quantiles are V_m at P's quantiles."""
    table = predict(unread({"P_Na_rel": lognormal(0.05, 3)}), draws=20000)
    z = 1.959963984540054
    for column, P in (("V_m_low_mV", 0.05 * 3**-z), ("V_m_mV", 0.05), ("V_m_high_mV", 0.05 * 3**z)):
        np.testing.assert_allclose(table[column], direct(P), atol=1.0)


def test_the_posterior_is_narrower_than_the_prior(titration, inferred):
    problem = load_problem(titration / "cells.yaml")
    before, after = predict(problem), predict(problem, inferred)
    wide, narrow = (t["V_m_high_mV"] - t["V_m_low_mV"] for t in (before, after))
    assert (narrow < 0.5 * wide).all()
    membrane = np.asarray(inferred.tree["membrane"]["V_m"]).reshape(-1, 4)
    np.testing.assert_allclose(after["V_m_mV"], np.median(membrane, axis=0), atol=0.15)
    np.testing.assert_allclose(after["V_m_read_mV"], [-86.2, -75.3, -46.4, -20.3])


def test_draws_without_an_answer_are_counted(toys):
    problem = make_problem(read_table(BATH, require_readings=False), {"a": uniform(-1, 3)}, model="no_answer")
    np.testing.assert_allclose(
        predict(problem, draws=8000)["no_answer"], 1.5 / 4, atol=0.02
    )  # the model answers where a > 0.5


def test_the_total_of_a_swap_is_at_least_what_is_swapped():
    problem = make_problem(
        read_table(BATH.drop(columns="Na_o_mM"), require_readings=False),
        {"P_Na_rel": 0.03, "Na_o": Swap("K_o", uniform(0, 40))},
    )
    assert problem.parameters[0].prior.lower == 20
    table = predict(problem)
    assert (table["no_answer"] == 0).all() and np.isfinite(table["V_m_mV"]).all()


def test_the_seed_decides():
    problem = unread({"P_Na_rel": lognormal(0.05, 3)})
    one, two, other = predict(problem, seed=2), predict(problem, seed=2), predict(problem, seed=3)
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1])
def test_an_impossible_value_is_refused(value):
    with pytest.raises(InputError, match="P_Na_rel = .* is not possible"):
        predict(unread({"P_Na_rel": lognormal(0.05, 3)}), fixed={"P_Na_rel": value})


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="no parameter 'P_Cl_rel'. Known here: P_Na_rel"):
        predict(unread({"P_Na_rel": lognormal(0.05, 3)}), fixed={"P_Cl_rel": 0.1})


def test_a_posterior_of_something_else_is_refused(inferred):
    table = read_table(BATH.drop(columns="K_i_mM"), require_readings=False)
    problem = make_problem(table, {"P_Na_rel": 0.03, "K_i": normal(140, 10)})
    with pytest.raises(InputError, match="none of this problem's parameters"):
        predict(problem, inferred)


def test_levels_of_another_table_are_not_taken_for_these(inferred):
    """A posterior by cell serves the same cells only."""
    import xarray as xr

    from pumpleak import Result

    tree = inferred.tree.copy()
    values = np.stack([np.full((2, 30), 5.0), np.full((2, 30), -5.0)], axis=-1)
    tree["posterior"] = xr.Dataset(
        {
            "V_offset": (("chain", "draw", "cell"), values),
            "K_i": (("chain", "draw"), np.full((2, 30), 120.0)),
        },
        coords={"cell": ["p", "q"]},
    )
    frame = BATH.drop(columns="K_i_mM").assign(cell=["q", "p"])
    quantities = {"P_Na_rel": 0.03, "K_i": normal(140, 10), "V_offset": Latent(normal(0, 1), by="cell")}
    problem = make_problem(read_table(frame, require_readings=False), quantities)
    from pumpleak.inference.predict import _posterior

    found = _posterior(problem, Result(tree), 10, np.random.default_rng(0))
    assert set(found) == {"K_i"}  # the order differs: not silently exchanged


READ = {"T": 307.15, "K_i": 140.0, "Na_i": 12.0, "K_o": 3.0, "Na_o": 150.0, "P_Na_rel": 0.04}


@pytest.mark.parametrize(
    "observable, more, makes",
    [
        ("V_m", {"LJP": 5.0, "shunt_rel": 0.1}, lambda V: V / 1.1 + 5),
        ("dye", {"dye_F0": 100.0, "dye_slope": 0.2, "LJP": 5.0}, lambda V: 100 * (1 + 0.2 * V / 100)),
        ("dye_log", {"dye_F0": 100.0, "dye_slope": 0.2}, lambda V: np.log(100) + 0.2 * V / 100),
        ("V_patch", {"K_pipette": 155.0, "V_offset": 1.0}, lambda V: V - nernst_potential(155, 140, 1, 307.15) + 1),
        ("E_K", {"LJP": 5.0}, lambda V: nernst_potential(3, 140, 1, 307.15)),
    ],
)  # fmt: skip
def test_each_observable_is_expected_as_its_instrument_reads_it(observable, more, makes):
    """Beside what was read, in its own unit: an electrode's terms are no part of a dye or of E_K."""
    column = with_unit(observable, observable_unit(observable))
    table = read_table(pd.DataFrame({column: [50.0]}), [observable])
    found = predict(make_problem(table, {**READ, **more, f"sigma_{observable}": 1.0})).iloc[0]
    V = float(ghk_voltage([1.0, 0.04], [3.0, 150.0], [140.0, 12.0], [1, 1], 307.15))
    unit = observable_unit(observable)
    for part in ("reading", "reading_low", "reading_high"):
        assert found[with_unit(f"{observable}_{part}", unit)] == pytest.approx(float(makes(V)), rel=1e-12)
    assert found[with_unit(f"{observable}_read", unit)] == 50.0
    assert found["V_m_mV"] == pytest.approx(V, rel=1e-12)


def test_a_difference_is_expected_as_one():
    table = pd.DataFrame({"label": ["a", "b"], "K_o_mM": [3.0, 10.0], "reference": ["", "a"],
                          "V_m_mV": [-70.0, np.nan], "dV_m_mV": [np.nan, 18.0], "dV_m_sem_mV": [np.nan, 1.0]})  # fmt: skip
    known = {k: v for k, v in READ.items() if k != "K_o"} | {"LJP": 5.0, "sigma_V_m": 1.0}
    found = predict(make_problem(read_table(table), known))
    a, b = found["V_m_reading_mV"]
    assert np.isnan(found["dV_m_reading_mV"]["a"]) and found["dV_m_read_mV"]["b"] == 18.0
    assert found["dV_m_reading_mV"]["b"] == pytest.approx(b - a, rel=1e-12)
