"""Models: what each asks for, what it predicts, and how a user's own joins them."""

import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak import (
    InputError,
    Quantity,
    Setting,
    chord_voltage,
    ghk_voltage,
    list_models,
    make_model,
    mullins_noda_voltage,
    nernst_potential,
    register_model,
)

CELL = {"T": 310.15, "K_o": 5.0, "K_i": 140.0, "Na_o": 145.0, "Na_i": 10.0, "gamma_o": 1.0, "gamma_i": 1.0}
REST = CELL | {"P_Na_rel": 0.05, "P_K_scale": 1.0, "P_Na_scale": 1.0}


def test_ghk_is_the_kernel_with_its_nernst_potentials():
    out = make_model("ghk").predict(REST)
    assert float(out.observables["V_m"]) == pytest.approx(
        float(ghk_voltage([1, 0.05], [5.0, 145.0], [140.0, 10.0], [1, 1], 310.15)), rel=1e-14
    )
    assert float(out.observables["E_K"]) == pytest.approx(float(nernst_potential(5.0, 140.0, 1, 310.15)))
    assert set(out.observables) == {"V_m", "E_K", "E_Na"} and bool(out.ok)


def test_a_condition_is_an_element():
    out = make_model("ghk").predict(REST | {"K_o": jnp.array([5.0, 20.0, 0.0])})
    assert out.observables["V_m"].shape == (3,) and bool(out.ok.all())
    assert np.isneginf(out.observables["E_K"][2])


def test_scale_multiplies_a_permeability():
    one = make_model("ghk").predict(REST | {"P_K_scale": 0.5})
    two = make_model("ghk").predict(REST | {"P_Na_rel": 0.1})
    assert float(one.observables["V_m"]) == pytest.approx(float(two.observables["V_m"]), rel=1e-13)


def test_the_reference_may_be_another_ion():
    model = make_model("ghk", ["K", "Na"], reference="Na")
    assert [q.name for q in model.quantities][0] == "P_K_rel"
    values = REST | {"P_K_rel": 20.0}
    out = model.predict(values).observables["V_m"]
    assert float(out) == pytest.approx(float(make_model("ghk").predict(REST).observables["V_m"]), rel=1e-13)


def test_activities_take_the_place_of_concentrations():
    model = make_model("ghk", activities=["K"])
    names = [q.name for q in model.quantities]
    assert "aK_i" in names and "K_i" not in names and "Na_i" in names
    values = {k: v for k, v in REST.items() if k != "K_i"} | {"aK_i": 105.0, "gamma_o": 0.75, "gamma_i": 0.7}
    expected = ghk_voltage([1, 0.05], [0.75 * 5, 0.75 * 145], [105.0, 7.0], [1, 1], 310.15)
    assert float(model.predict(values).observables["V_m"]) == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("pump, r", [(1.0, 1.5), (0.0, 1.0), (0.5, 1.25)])
def test_the_pump_sets_the_coupling_of_mullins_and_noda(pump, r):
    out = make_model("mullins_noda").predict(REST | {"r": 1.5, "pump": pump})
    expected = mullins_noda_voltage(1.0, 0.05, 5.0, 140.0, 145.0, 10.0, 310.15, r=r)
    assert float(out.observables["V_m"]) == pytest.approx(float(expected), rel=1e-13)


def test_chord_counts_the_pump_current():
    values = CELL | {"g_Na_rel": 0.1, "g_K_scale": 1.0, "g_Na_scale": 1.0, "I_pump_rel": 4.0, "pump": 1.0}
    model = make_model("chord")
    E = [nernst_potential(5.0, 140.0, 1, 310.15), nernst_potential(145.0, 10.0, 1, 310.15)]
    expected = chord_voltage([1.0, 0.1], E, I_pump=4.0)
    assert float(model.predict(values).observables["V_m"]) == pytest.approx(float(expected), rel=1e-13)
    blocked = chord_voltage([1.0, 0.1], E, I_pump=0.0)
    out = model.predict(values | {"pump": 0.0}).observables["V_m"]
    assert float(out) == pytest.approx(float(blocked), rel=1e-13)


def test_nernst_asks_for_one_ion():
    model = make_model("nernst", ["Cl"])
    assert {q.name for q in model.quantities} == {"T", "Cl_o", "Cl_i", "gamma_o", "gamma_i"}
    values = {"T": 310.15, "Cl_o": 120.0, "Cl_i": 12.0, "gamma_o": 1.0, "gamma_i": 1.0}
    assert float(model.predict(values).observables["V_m"]) == pytest.approx(-61.54, abs=0.01)


@pytest.mark.parametrize("name", ["ghk", "mullins_noda", "chord", "nernst"])
def test_every_model_predicts_from_exactly_its_quantities(name):
    model = make_model(name)
    assert name in list_models() and model.equation
    values = {q.name: 1.0 if q.unit == "1" else 310.0 if q.unit == "K" else 100.0 for q in model.quantities}
    assert np.isfinite(float(model.predict(values).observables["V_m"]))
    assert all(q.meaning and q.unit in ("1", "K", "mM", "mV") for q in model.quantities)


def test_a_users_own_model(toys):
    seen = []

    def listing(setting):
        seen.append(setting)
        return [Quantity("E_rest", "mV", "rest", -60.0, -200.0)]

    if "own" not in list_models():

        @register_model("own", quantities=listing, equation="V = E")
        def own(values, setting):
            return {"V_m": values["E_rest"], "twice": 2 * values["E_rest"], "ok": values["E_rest"] < 0}

        model = make_model("own", ["K"])
        assert seen == [Setting(("K",), "K")] and model.equation == "V = E"
        out = model.predict({"E_rest": jnp.array([-50.0, 5.0])})
        assert set(out.observables) == {"V_m", "twice"} and list(out.ok) == [True, False]
    with pytest.raises(ValueError, match="registered already"):
        register_model("own", quantities=[])


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("gkh",), "did you mean 'ghk'"),
        (("ghk", []), "named once each"),
        (("ghk", ["K", "K"]), "named once each"),
        (("ghk", ["K", "Xx"]), "Xx"),
        (("mullins_noda", ["K", "Na", "Cl"]), "Cl is at equilibrium"),
        (("mullins_noda", ["Na", "K"]), "K the reference"),
    ],
)
def test_what_is_no_model_is_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        make_model(*arguments)


def test_a_reference_that_is_no_ion_of_it_is_refused():
    with pytest.raises(InputError, match="Cl is not among the ions K, Na"):
        make_model("ghk", reference="Cl")


def test_a_model_of_a_users_own_needs_no_inside_and_no_temperature(monkeypatch):
    monkeypatch.setattr("pumpleak.models.registry._REGISTRY", {})
    register_model(
        "line", quantities=[Quantity("K_o", "mM", "K outside"), Quantity("b", "mV", "per decade")]
    )(lambda values, setting: values["b"] * jnp.log10(values["K_o"]))
    out = make_model("line").predict({"K_o": 10.0, "b": 50.0})
    assert set(out.observables) == {"V_m"} and float(out.observables["V_m"]) == pytest.approx(50.0)


@pytest.mark.parametrize("name", ["a\0b", "", " ", "a\nb", "\x1b[2J"])
def test_names_that_no_file_keeps_are_refused(name):
    with pytest.raises(InputError, match="cannot be called"):
        register_model(name, quantities=[])
    with pytest.raises(InputError, match="cannot be called"):
        Quantity(name, "1", "nothing")
