"""What electrodes, dyes and rounding make of V_m, against closed forms."""

import jax
import numpy as np
import pandas as pd
import pytest

from pumpleak import (
    InputError,
    Junction,
    Latent,
    fit,
    halfnormal,
    make_problem,
    nernst_potential,
    normal,
    predict,
    read_table,
    shunted_voltage,
    uniform,
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
    grid = np.linspace(0, 1, 10_001)

    def likeliest(read):
        problem = nernst_problem(read, {"shunt_rel": halfnormal(5.0)})
        at = jax.jit(jax.vmap(lambda s: problem.log_likelihood({"shunt_rel": s}).sum()))
        return grid[np.argmax(np.asarray(at(grid)))]

    slope = (read @ V) / (V @ V)
    assert likeliest(read) == pytest.approx(1 / slope - 1, abs=1e-4)
    assert likeliest(V) == 0.0


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


# -- junction potentials ---------------------------------------------------------------------------

PIPETTE = {"K": 140.0, "gluconate": 120.0, "Cl": 20.0}


def test_a_junction_is_hendersons_in_every_bath(assert_close):
    from pumpleak import junction_potential

    columns = {"Na_o_mM": 150 - K_o, "Cl_o_mM": 150.0, "solution": list("abcdef")}
    known = nernst_problem(V, {"LJP": Junction(PIPETTE), "V_offset": normal(0, 1)}, columns)
    LJP = np.array(
        [float(junction_potential(PIPETTE, {"K": k, "Na": 150 - k, "Cl": 150.0}, 295.15)) for k in K_o]
    )
    assert LJP[0] > 14 and np.ptp(LJP) > 2
    assert_close(expected(known, V_offset=np.asarray(0.0)), V + LJP)
    assert any("Henderson" in a for a in known.assumptions)
    latent = nernst_problem(V, {"LJP": Junction(PIPETTE, balance="Cl", sd=1.5)}, columns)
    assert [(p.prior.a, p.prior.b, p.prior.measured) for p in latent.parameters] == [
        (pytest.approx(x), 1.5, True) for x in LJP
    ]
    assert latent.config["quantities"]["LJP_mV"]["sd"] == 1.5
    # a bath whose Na is a prior: its middle
    loose = nernst_problem(
        V, {"LJP": Junction(PIPETTE, balance="Cl"), "Na_o": normal(145, 3), "V_offset": normal(0, 1)}
    )
    assert expected(loose, V_offset=np.asarray(0.0))[0] - V[0] == pytest.approx(LJP[0], abs=0.1)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("side", ["pipette", "bath"])
def test_a_solution_is_neutral_within_two_percent_of_its_ions(side, sign):
    """140 mM of each sign, less what makes 1.98 or 2.02 % of all of them; the mend that is named gives an answer."""

    def LJP(share, **settings):
        more, less = 140.0, 140.0 * (1 - share) / (1 + share)
        ions = dict(zip(("K", "Cl") if sign > 0 else ("Cl", "K"), (more, less), strict=True))
        solutions = {"pipette": {"K": 120.0, "Cl": 120.0}, "bath": {"Na": 150.0, "Cl": 150.0}, side: ions}
        return Junction(solutions["pipette"], **settings).LJP(solutions["bath"], 295.15)

    assert np.isfinite(LJP(0.0198)) and np.isfinite(LJP(0.0))
    with pytest.raises(
        InputError, match=rf"the {side} has a charge of \{'+' if sign > 0 else '-'}"
    ) as refused:
        LJP(0.0202)
    assert "`balance: Cl`" in str(refused.value.mend)
    if sign > 0:
        assert LJP(0.0202, balance="Cl") == pytest.approx(LJP(0.0), abs=0.05)
    else:
        with pytest.raises(InputError, match="has a charge of"):
            LJP(0.0202, balance="Cl")  # of which there is too much already
        assert np.isfinite(LJP(0.0202, balance="Na"))


def test_junctions_that_cannot_be_are_refused(cli, tmp_path):
    with pytest.raises(InputError, match=r"bath has a charge of \+2.5 mM .*balance: Cl"):
        nernst_problem(V, {"LJP": Junction(PIPETTE)})
    with pytest.raises(InputError, match="pipette has a charge of"):
        nernst_problem(V, {"LJP": Junction({"K": 140.0})})
    with pytest.raises(InputError, match="K_i is no junction"):
        nernst_problem(V, {"K_i": Junction(PIPETTE)})
    (tmp_path / "t.csv").write_text("K_o_mM,Na_o_mM,V_m_mV,V_m_sem_mV\n5,145,-80,1\n")
    text = (
        "model: nernst\nions: [K]\ndata: t.csv\nquantities:\n  K_i_mM: 140\n  T_degC: 22\n"
        "  V_offset_mV: {prior: normal, mean: 0, sd: 2}\n"
        "  LJP: {pipette: {K_mM: 140, gluconate_mM: 120, Cl_mM: 20}, balance: Cl}\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    ran = cli("check", tmp_path / "c.yaml")
    assert ran.code == 0 and "14.6 mV" in ran.out
    (tmp_path / "c.yaml").write_text(text.replace("gluconate_mM", "gluconate"))
    ran = cli("check", tmp_path / "c.yaml")
    assert ran.code == 2 and "gluconate_mM" in ran.err
    (tmp_path / "c.yaml").write_text(text.replace("balance", "sdev"))
    ran = cli("check", tmp_path / "c.yaml")
    assert ran.code == 2 and "sdev" in ran.err
    (tmp_path / "c.yaml").write_text(text)
    (tmp_path / "t.csv").write_text("cell,K_o_mM,Na_o_mM,V_m_mV,V_m_sem_mV\na,5,145,-80,1\nb,5,145,-81,1\n")
    ran = cli("batch", tmp_path / "c.yaml", "--out", tmp_path / "out")
    assert ran.code == 2 and "LJP_mV" in ran.err and not (tmp_path / "out").exists()


# -- dyes and patches ------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_dye_is_calibrated_beside_the_electrode():
    """F at four clamped potentials gives slope and intercept by least squares; the fifth F then gives V_m."""
    F = 1.2 * (1 + 0.08 * V / 100)
    noisy = F + 1e-3 * np.array([1, -1, 0.5, 0.5, -1, 0.0])
    blank = np.array([*V[:5], np.nan])
    frame = pd.DataFrame(
        {
            "K_o_mM": [*K_o[:5], np.nan],
            "V_m_mV": blank,
            "V_m_sem_mV": [*[0.01] * 5, np.nan],
            "dye": noisy,
            "dye_sd": 1e-3,
            "solution": [*"abcde", "unknown"],
        }
    )
    table = read_table(frame, observables=("V_m", "dye"))
    quantities = {**QUIET, "dye_F0": normal(1, 1), "dye_slope": normal(0, 1), "extra_dye": 0.0}
    unknown = {"unknown": {"K_o": uniform(1, 500)}}
    problem = make_problem(table, quantities, solutions=unknown, model="nernst", ions=["K"])
    assert problem.unit_of("dye") == "1" and len(problem.observables) == 2
    found = {e.name: e for e in fit(problem, starts=32).estimates}
    b, a = np.polyfit(V[:5], noisy[:5], 1)
    assert found["dye_F0"].value == pytest.approx(a, rel=1e-4)
    assert found["dye_slope"].value == pytest.approx(100 * b / a, rel=1e-3)
    E_K = float(nernst_potential(found["K_o[unknown]"].value, 140.0, 1, 295.15))
    assert E_K == pytest.approx((noisy[5] - a) / b, abs=0.1)


def test_the_logarithm_of_a_dye(assert_close):
    quiet = {k: v for k, v in QUIET.items() if k != "extra_V_m"}
    frame = pd.DataFrame({"K_o_mM": K_o, "dye_log": 0.1 * np.arange(6), "dye_log_sd": 0.1})
    table = read_table(frame, observables=("dye_log",))
    quantities = {"dye_F0": 2.0, "dye_slope": -3.9, "K_i": normal(140, 5), "extra_dye_log": 0.0}
    problem = make_problem(table, {**quiet, **quantities}, model="nernst", ions=["K"])
    assert_close(expected(problem, K_i=np.asarray(140.0)), np.log(2.0) - 3.9 * V / 100)


def test_a_dye_needs_its_scatter_and_a_patch_its_potassium():
    table = read_table(pd.DataFrame({"K_o_mM": K_o, "dye": 1.0}), observables=("dye",))
    with pytest.raises(InputError, match="sigma_dye"):
        make_problem(table, {**QUIET, "dye_F0": 1.0, "dye_slope": 0.1}, model="nernst", ions=["K"])
    table = read_table(pd.DataFrame({"K_o_mM": K_o, "V_patch_mV": -70.0}), observables=("V_patch",))
    with pytest.raises(InputError, match="K_pipette"):
        make_problem(table, QUIET, model="nernst", ions=["K"])
    frame = pd.DataFrame({"Na_o_mM": [145.0], "Na_i_mM": [10.0], "V_patch_mV": [-70.0]})
    with pytest.raises(InputError, match="no observable 'V_patch'"):
        make_problem(
            read_table(frame, observables=("V_patch",)),
            {"T": 295.15, "K_pipette": 140.0},
            model="nernst",
            ions=["Na"],
        )


def test_a_cell_attached_patch_reverses_at_V_m_where_its_potassium_is_the_cells(assert_close):
    frame = pd.DataFrame({"K_o_mM": K_o, "V_patch_mV": V, "V_patch_sem_mV": 1.0})
    table = read_table(frame, observables=("V_patch",))

    def problem(**quantities):
        given = {**QUIET, "extra_V_patch": 0.0, "V_offset": normal(0, 1), "shunt_rel": 0.5, **quantities}
        given.pop("extra_V_m")
        return make_problem(table, given, model="nernst", ions=["K"])

    assert_close(expected(problem(K_pipette=140.0), V_offset=np.asarray(0.0)), V)  # whatever the shunt
    other = expected(problem(K_pipette=155.0, LJP=-3.0), V_offset=np.asarray(0.5))
    assert_close(other, V - float(nernst_potential(155.0, 140.0, 1, 295.15)) - 2.5, rtol=1e-10)
    # Activity coefficients of the baths, row by row, act on the membrane and on the patch alike.
    gamma = {"gamma_o": [0.7, 0.75, 0.8, 0.72, 0.78, 0.7]}
    table = read_table(frame.assign(**gamma), observables=("V_patch",), quantities=("gamma_o",))
    assert_close(expected(problem(K_pipette=140.0, gamma_i=0.75), V_offset=np.asarray(0.0)), V, rtol=1e-10)


def test_five_electrodes_in_one_muscle_agree_once_their_junctions_are_corrected():
    """The sartorius experiment: −62.4 … −90.7 mV with 0.03 … 3 M KCl, and −93 mV in the abstract's own words."""
    import importlib.util
    from pathlib import Path

    file = Path(__file__).parents[2] / "experiments/sartorius_electrodes/run.py"
    spec = importlib.util.spec_from_file_location("sartorius", file)
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    corrected = run.READ - np.asarray(run.electrode(0.0, run.CATIONS, run.ANIONS, run.KCl))
    assert np.ptp(run.READ) > 28 and np.ptp(corrected) < 1.5
    assert corrected.mean() == pytest.approx(-93.0, abs=1.5)
    wrong = run.READ - np.asarray(run.electrode(0.0, run.ANIONS, run.CATIONS, run.KCl))
    assert np.ptp(wrong) > 10  # a myoplasm whose anions move
