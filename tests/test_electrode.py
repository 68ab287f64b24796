"""What electrodes, dyes and rounding make of V_m, against closed forms."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import (
    InputError,
    Latent,
    fit,
    halfnormal,
    make_problem,
    nernst_potential,
    normal,
    predict,
    read_table,
    shunted_voltage,
)

K_o = np.array([2.5, 5.0, 10.0, 20.0, 40.0, 80.0])
V = np.asarray(nernst_potential(K_o, 140.0, 1, 295.15))
QUIET = {"K_i": 140.0, "T": 295.15, "LJP": 0.0, "V_offset": 0.0, "extra_V_m": 0.0}


def nernst_problem(V_read, quantities, columns=None, **options):
    frame = pd.DataFrame({"K_o_mM": K_o, "V_m_mV": V_read, "V_m_sem_mV": 0.5} | (columns or {}))
    return make_problem(read_table(frame), {**QUIET, **quantities}, model="nernst", ions=["K"], **options)


def expected(problem, **sites):
    d, _ = problem.reading_distribution(sites)
    return np.asarray(d.loc)


def test_a_shunt_is_two_conductances_in_parallel(assert_close):
    from pumpleak import chord_voltage

    assert_close(shunted_voltage(-75.0, 0.5), np.asarray(-50.0))
    assert_close(shunted_voltage(-75.0, 0.0), np.asarray(-75.0))
    both = chord_voltage(np.array([2.0, 0.6]), np.array([-75.0, -10.0]))
    assert_close(shunted_voltage(-75.0, 0.3, -10.0), np.asarray(both))


def test_the_shunt_is_found_from_the_slope_against_potassium():
    """E_K/(1 + s) has 1/(1 + s) of Nernst's slope: least squares in closed form, and none where there is none."""
    read = np.asarray(shunted_voltage(V, 0.4)) + np.array([0.3, -0.4, 0.2, 0.1, -0.3, 0.1])
    problem = nernst_problem(read, {"shunt_rel": halfnormal(5.0)})
    found = fit(problem, starts=32).estimates[0]
    slope = (read @ V) / (V @ V)  # the prior is flat at this scale
    assert found.value == pytest.approx(1 / slope - 1, rel=2e-3)
    without = fit(nernst_problem(V, {"shunt_rel": halfnormal(5.0)}), starts=32).estimates[0]
    assert without.value < 0.01


def test_the_shunt_comes_before_offset_and_junction():
    problem = nernst_problem(V, {"shunt_rel": 0.25, "E_shunt": -10.0, "LJP": 3.0, "V_offset": normal(0, 2)})
    hand = (V + 0.25 * -10.0) / 1.25 + 3.0 + 1.5
    np.testing.assert_allclose(expected(problem, V_offset=1.5), hand, rtol=1e-12)
    read = predict(problem, fixed={"V_offset": 1.5})["V_m_reading_mV"]
    np.testing.assert_allclose(read, hand, rtol=1e-12)
    membrane = predict(problem)["V_m_mV"]  # the membrane itself has no electrode in it
    np.testing.assert_allclose(membrane, V, rtol=1e-12)


def test_drift_in_time_and_by_row(assert_close):
    minutes = {"time_min": [0.0, 10, 20, 30, 40, 50]}
    read = V + 0.1 * np.array(minutes["time_min"]) + 2.0
    problem = nernst_problem(read, {"V_offset": normal(0, 5), "drift": normal(0, 1)}, minutes)
    assert_close(expected(problem, V_offset=np.asarray(2.0), drift=np.asarray(0.1)), read)
    found = {e.name: e.value for e in fit(problem, starts=32).estimates}
    assert found["drift"] == pytest.approx(0.1, abs=1e-3) and found["V_offset"] == pytest.approx(2, abs=0.05)
    by_row = nernst_problem(V, {"drift_row": 0.5, "V_offset": normal(0, 1)})
    assert_close(expected(by_row, V_offset=np.asarray(0.0)), V + 0.5 * np.arange(6))
    hours = nernst_problem(V, {"drift": 0.1, "V_offset": normal(0, 1)}, {"time_s": np.arange(6) * 600.0})
    assert_close(expected(hours, V_offset=np.asarray(2.0)), read)


def test_a_drift_needs_times_and_a_shunt_is_not_negative(cli, tmp_path):
    with pytest.raises(InputError, match="not when this row was read.*time_min"):
        nernst_problem(V, {"drift": normal(0, 1)})
    with pytest.raises(InputError, match="at least 0"):
        nernst_problem(V, {"shunt_rel": -0.1})
    (tmp_path / "t.csv").write_text("K_o_mM,time,V_m_mV,V_m_sem_mV\n5,10:30,-80,1\n")
    (tmp_path / "c.yaml").write_text(
        "model: nernst\nions: [K]\ndata: t.csv\nquantities:\n  K_i_mM: 140\n  T_degC: 22\n"
        "  drift_mV_h: {prior: normal, mean: 0, sd: 5}\n"
    )
    ran = cli("check", tmp_path / "c.yaml")
    assert ran.code == 2 and "time_min" in ran.err  # a time of day is a label


def test_shunts_of_cells_are_pooled_like_any_quantity():
    problem = nernst_problem(
        V, {"shunt_rel": Latent(halfnormal(0.5), by="cell", pooled=True)}, {"cell": list("aabbcc")}
    )
    assert [p.element_names for p in problem.parameters][0] == tuple(f"shunt_rel[{x}]" for x in "abc")
