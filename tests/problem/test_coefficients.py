"""Activity coefficients of single ions: which value every row has, and what follows from it."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pumpleak import (
    Davies,
    InputError,
    activity_coefficient,
    fit,
    ghk_voltage,
    load_preset,
    load_problem,
    lognormal,
    make_problem,
    nernst_potential,
    normal,
    read_table,
)
from pumpleak.problem.coefficients import davies

CA = [0.3, 1.0, 10.0, 50.0]
FRAME = pd.DataFrame(
    {"label": list("abcd"), "Ca_o_mM": CA, "Na_o_mM": 105.0, "V_m_mV": [-6.7, -5.2, 6.4, 23.5]}
)
SAID = {
    "T": 298.15,
    "P_Cs_rel": 1.0,
    "P_Ca_rel": 5.0,
    "Cs_i": 140.0,
    "Na_i": 0.0,
    "Cs_o": 0.0,
    "Ca_i": 0.0,
    "sigma_V_m": 1.0,
}
BOTH = {"gamma_o": 0.77, "gamma_i": 0.75}


def build(said, frame=FRAME, **keys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_problem(read_table(frame), SAID | said, ions=["Na", "Cs", "Ca"], **keys)


def voltage(problem):
    return np.asarray(problem.by_row(problem.predict({}).observables["V_m"]))


def expected(gamma_Na, gamma_Ca, gamma_in=0.75):
    """V_m with activities put for concentrations."""
    a_o = np.stack(np.broadcast_arrays(gamma_Na * 105.0, 0.0, gamma_Ca * np.array(CA)), axis=-1)
    return np.asarray(
        ghk_voltage([1.0, 1.0, 5.0], a_o, np.array([0.0, gamma_in * 140.0, 0.0]), [1, 1, 2], 298.15)
    )


def test_a_coefficient_of_its_own_is_the_ions_alone():
    assert_allclose(voltage(build(BOTH | {"gamma_Ca_o": 0.31})), expected(0.77, 0.31), rtol=1e-10)
    assert_allclose(voltage(build(BOTH)), expected(0.77, 0.77), rtol=1e-10)


def test_from_a_column_whose_blanks_have_their_sides():
    frame = FRAME.assign(gamma_Ca_o=[0.36, 0.35, None, 0.29])
    assert_allclose(
        voltage(build(BOTH, frame)), expected(0.77, np.array([0.36, 0.35, 0.77, 0.29])), rtol=1e-10
    )


def test_from_a_prior():
    problem = build(BOTH | {"gamma_Ca_o": normal(0.31, 0.02)})
    assert [p.name for p in problem.parameters] == ["gamma_Ca_o"]
    V_m = problem.by_row(problem.predict({"gamma_Ca_o": np.array(0.31)}).observables["V_m"])
    assert_allclose(V_m, expected(0.77, 0.31), rtol=1e-10)


def test_davies_is_each_ions_by_its_valence():
    problem = build({"gamma_o": Davies(), "gamma_i": Davies()})
    strength = np.array([0.5 * (4 * c + 105 + (2 * c + 105)) for c in CA])  # monovalent anions carry the rest
    one, two = (np.asarray(activity_coefficient(strength, z, 298.15)) for z in (1, 2))
    assert_allclose(problem.arrays.known["gamma_Ca_o"], two, rtol=1e-10)
    inside = float(activity_coefficient(140.0, 1, 298.15))
    assert_allclose(voltage(problem), expected(one, two, inside), rtol=1e-10)
    assert any(
        "Davies' equation: 0.295 to 0.365 at an ionic strength of 106 to 255 mM" in x
        for x in problem.assumptions
    )


def test_davies_of_one_ion_beside_numbers():
    problem = build(BOTH | {"gamma_Ca_o": Davies()})
    assert_allclose(problem.arrays.known["gamma_Ca_o"][0], 0.365, atol=1e-3)
    assert problem.arrays.known["gamma_o"] == 0.77


@pytest.mark.parametrize(
    "said, part",
    [
        (
            {"gamma_Ca_o": 0.31},
            "gamma_Ca_o makes an activity of Ca, so gamma_o and gamma_i are needed beside it",
        ),
        ({"gamma_Ca_o": 0.31, "gamma_o": 0.77}, "gamma_i is needed beside it"),
        (BOTH | {"gamma_Ca_o": 0.0}, "gamma_Ca_o = 0 is not above 0"),
        (BOTH | {"gamma_K_o": 0.7}, "no quantity 'gamma_K_o' in the model ghk with ions Na, Cs, Ca"),
        (BOTH | {"LJP": Davies()}, "LJP is no activity coefficient"),
    ],
)
def test_what_is_refused(said, part):
    with pytest.raises(InputError, match=part):
        build(said)


@pytest.mark.parametrize("model", ["ghk", "chord", "nernst", "mullins_noda"])
def test_every_model_of_given_concentrations_takes_them(model):
    """A coefficient does as its concentration does."""
    frame = pd.DataFrame({"K_o_mM": [5.0, 20.0], "V_m_mV": [-80.0, -50.0]})
    said = {"T": 310.15, "K_i": 140.0, "Na_o": 145.0, "Na_i": 10.0, "sigma_V_m": 1.0}
    ratio = {"chord": {"g_Na_rel": 0.05}, "nernst": {}}.get(model, {"P_Na_rel": 0.05})
    if model == "nernst":
        said = {k: v for k, v in said.items() if not k.startswith("Na")}
    side = {"gamma_o": 1.0, "gamma_i": 1.0}

    def V_m(**change):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return voltage(make_problem(read_table(frame), said | ratio | side | change, model=model))

    assert_allclose(V_m(gamma_K_i=0.7), V_m(K_i=140.0 * 0.7), rtol=1e-10)
    assert abs(V_m(gamma_K_i=0.7) - V_m())[0] > 4


@pytest.mark.parametrize("side", ["o", "i"])
def test_a_side_without_ions_is_told_which_would_do(side):
    given = SimpleNamespace(names={"T", "gamma_o", "gamma_i", f"K_{'i' if side == 'o' else 'o'}"})
    for name in (f"gamma_{side}", f"gamma_Ca_{side}"):
        with pytest.raises(InputError) as error:
            davies(given, name, np.arange(2))
        mend = f"Give the ions as K_{side}, Na_{side}, Cl_{side}, or {name} as a number"
        assert mend in str(error.value) and "no ion is given on its side" in str(error.value)


def test_in_a_config_and_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("table.csv", index=False)
    quantities = {k: v for k, v in SAID.items() if k not in ("T", "sigma_V_m")}
    quantities = {f"{k}_mM" if k[-2:] in ("_o", "_i") else k: v for k, v in quantities.items()}
    quantities |= {
        "T_degC": 25,
        "sigma_V_m_mV": 1,
        "gamma_o": "davies",
        "gamma_i": 0.75,
        "gamma_Ca_o": "Davies",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = load_problem({"data": "table.csv", "ions": ["Na", "Cs", "Ca"], "quantities": quantities})
        assert_allclose(problem.arrays.known["gamma_Ca_o"][0], 0.365, atol=1e-3)
        again = load_problem(problem.config)
    assert_allclose(voltage(again), voltage(problem), rtol=1e-12)
    saved = build({"gamma_o": Davies(), "gamma_i": 0.75}).config["quantities"]
    assert saved["gamma_o"] == "davies" and "gamma_Ca_o" not in saved


@pytest.mark.thorough
def test_a_ratio_by_concentrations_and_by_activities():
    """Ca²⁺ through a channel: 4.27 by concentrations; 0.77/0.31 times that where activities are put for them."""
    frame = pd.DataFrame(
        {
            "Ca_o_mM": [0.3, 1.0, 3.0, 10.0, 20.0, 50.0],
            "Na_o_mM": 105.0,
            "V_m_mV": [-6.7, -5.2, -1.6, 6.4, 13.1, 23.5],
            "V_m_sem_mV": 0.8,
            "V_m_n": 6,
        }
    )
    said = {k: v for k, v in SAID.items() if k != "sigma_V_m"} | {"P_Ca_rel": lognormal(5, 4)}

    def ratio(**more):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fit(make_problem(read_table(frame), said | more, ions=["Na", "Cs", "Ca"]))[
                "P_Ca_rel"
            ].value

    assert ratio() == pytest.approx(4.27, abs=0.01)
    assert ratio(gamma_o=0.77, gamma_i=0.77, gamma_Ca_o=0.31) == pytest.approx(10.6, abs=0.02)


def test_one_ion_alone_needs_no_others():
    frame = pd.DataFrame({"K_o_mM": [5.0], "V_m_mV": [-80.0], "V_m_sem_mV": 1.0})
    said = {"T": 310.15, "K_i": 140.0, "gamma_K_o": 0.7, "gamma_K_i": 0.75, "gamma_Na_o": 0.5}
    problem = make_problem(
        read_table(frame), {k: v for k, v in said.items() if "Na" not in k}, model="nernst"
    )
    E = float(nernst_potential(0.7 * 5, 0.75 * 140, 1, 310.15))
    assert_allclose(voltage(problem), [E], rtol=1e-12)
    with pytest.raises(InputError, match="no quantity 'gamma_Na_o' in the model nernst"):
        make_problem(read_table(frame), said, model="nernst")


def test_a_cell_that_settles_has_no_coefficients_and_knows_osmolytes_by_one_name():
    frame = pd.DataFrame(
        {
            "K_o_mM": [3.5, 10.0],
            "Na_o_mM": [145.0, 138.5],
            "Cl_o_mM": 119.0,
            "protocol": "steady",
            "V_m_mV": [-70.0, -60.0],
            "V_m_sem_mV": 1.0,
        }
    )
    settle = dict(model="pump_leak", cell=load_preset("neuron"))
    with pytest.raises(InputError, match="no quantity 'gamma_K_o' in the model pump_leak"):
        make_problem(read_table(frame), {"gamma_K_o": 0.75}, **settle)
    sweet = read_table(frame.assign(sucrose_o_mM=[0.0, 50.0]))
    with pytest.raises(InputError, match="sucrose_o would move water.*Give osmolyte_o_mM"):
        make_problem(sweet, {"T": 310.15}, **settle)
    table = read_table(
        frame.assign(sucrose_o_mM=[0.0, 50.0], osmolyte_o_mM=[29.5, 79.5]), quantities=["osmolyte_o"]
    )
    assert make_problem(table, {"T": 310.15}, **settle).arrays.known["osmolyte_o"].tolist() == [29.5, 79.5]
