"""Cell files and presets: what is read is what was written, presets rest where they say, bad input is named."""

import copy
import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import yaml

from pumpleak import Bath, Event, InputError, InputWarning, list_presets, load_cell, load_preset, load_problem
from pumpleak.cell.load import read_preset
from pumpleak.cell.mechanisms import Membrane
from pumpleak.cell.settings import parse_duration, parse_event, parse_setting, parse_sweep
from pumpleak.cell.words import _number_of
from pumpleak.physics.nernst import thermal_voltage

PLAIN = {
    "cell": {
        "X_i_mM": 150.0,
        "z_X": -0.9,
        "volume_to_area_um": 2.5,
        "mechanisms": {
            "leak_K": {"kind": "ghk_leak", "ion": "K", "P_cm_s": "1e-6"},  # YAML reads 1e-6 as text
            "leak_Na": {"kind": "chord_leak", "ion": "Na", "g_mS_cm2": 0.02},
            "leak_Cl": {"kind": "chord_leak", "ion": "Cl", "g_mS_cm2": 0.02},
            "pump": {"kind": "hill_pump", "J_max_umol_cm2_s": 1e-4, "K_Na_mM": 12},
        },
    },
    "bath": {"Na_o_mM": 145, "K_o_uM": 4000, "Cl_o_mM": 119, "X_o_mM": 30, "T_degC": 37},
}


def changed(*path_and_value):
    """PLAIN with one entry replaced, or removed where the value is None."""
    *path, last, value = path_and_value
    out = copy.deepcopy(PLAIN)
    inner = out
    for key in path:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return out


# -- presets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_presets())
def test_a_preset_is_at_rest_where_it_says(name):
    """Not by the solver: charge, water and every flux balance at the concentrations the file gives."""
    file, (cell, bath) = read_preset(name), load_preset(name)
    c = {q.removesuffix("_i_mM"): v for q, v in file.at_rest.items() if q.endswith("_i_mM")}
    if name == "red_blood_cell":  # exchanged for Cl at equilibrium, and measured nowhere
        c["HCO3"] = c["Cl"] * bath.c["HCO3"] / bath.c["Cl"]
    assert set(c) == set(cell.ions)
    u = file.at_rest["V_m_mV"] / thermal_voltage(bath.T)
    here, near = (cell.rates(Membrane(v, bath.T, bath.c, c_i=c)) for v in (u, u + 0.04))
    for ion in cell.ions:
        turns = {k: m.stoichiometry[ion] for k, m in cell.mechanisms.items() if ion in m.stoichiometry}
        net, moved = (float(sum(n * r[k] for k, n in turns.items())) for r in (here, near))
        size = sum(abs(n * float(here[k])) for k, n in turns.items()) + abs(moved - net)  # of 1 mV
        assert abs(net) < 5e-4 * size + 1e-18, ion
    assert sum(c.values()) + cell.X_i == pytest.approx(float(bath.osmolarity), rel=2e-5)
    z = {"K": 1, "Na": 1, "Cl": -1, "HCO3": -1, "Ca": 2}
    charge = sum(z[i] * x for i, x in c.items()) + cell.z_X * cell.X_i
    assert abs(charge) < 2e-4 * float(bath.osmolarity)
    assert abs(file.at_rest["V_m_mV"] - file.measured["V_m_mV"].value) < 5


@pytest.mark.parametrize("name", list_presets())
def test_every_number_of_a_preset_has_a_source(name):
    raw = read_preset(name)
    numbers = set()

    def walk(data, path):
        for key, value in data.items():
            if isinstance(value, dict):
                walk(value, f"{path}.{key}")
            elif isinstance(value, (int, float)):
                numbers.add(f"{path}.{key}")

    walk(raw.model_dump(exclude_unset=True)["cell"], "cell")
    walk(raw.bath, "bath")
    assert numbers == set(raw.sources) and all(len(s) > 4 for s in raw.sources.values())
    assert all(m.source for m in raw.measured.values())
    assert raw.name == name and raw.title and raw.about


def test_a_preset_unpacks_and_repeats_itself():
    preset = load_preset("cardiac_myocyte")
    cell, bath = preset
    assert cell is preset.cell and bath is preset.bath
    assert preset.name == "cardiac_myocyte" and preset.measured["V_m_mV"].value == -85.0
    assert preset.sources["bath.K_o_mM"].startswith("Luo & Rudy")
    json.dumps(preset.config)  # plain data
    again = load_cell(preset.config)
    assert jax.tree.structure(tuple(again)) == jax.tree.structure(tuple(preset))
    assert jax.tree.leaves(tuple(again)) == jax.tree.leaves(tuple(preset))


# -- files --------------------------------------------------------------------------------------


def test_units_become_the_librarys(tmp_path):
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(PLAIN))
    cell, bath = load_cell(path)
    assert float(cell.volume_to_area) == pytest.approx(2.5e-4, rel=1e-15)
    assert bath.c["K"] == 4.0 and bath.T == 310.15 and bath.X_o == 30.0
    assert cell.mechanisms["leak_K"].P == 1e-6 and cell.mechanisms["pump"].K_Na == 12.0
    assert cell.mechanisms["pump"].K_K == 1.0  # the default
    assert jax.tree.leaves(tuple(load_cell(PLAIN))) == jax.tree.leaves((cell, bath))


KINDS = {
    "inward_rectifier": ({"g_mS_cm2": 0.3, "V_half_mV": -20}, {"g": 0.3, "V_half": -20.0, "V_slope": 10.0}),
    "constant_pump": ({"J_umol_cm2_s": 1e-5, "r": 2}, {"J": 1e-5, "r": 2.0}),
    "cubic_pump": ({"J_umol_cm2_s": 0.01}, {"J": 0.01, "r": 1.5}),
    "voltage_pump": ({"J_max_umol_cm2_s": 1e-5, "n_Na": 2}, {"J_max": 1e-5, "n_Na": 2.0, "K_K": 1.5}),
    "ncx": ({"J_max_umol_cm2_s": 0.02, "eta": 0.5}, {"J_max": 0.02, "eta": 0.5, "k_sat": 0.1}),
    "pmca": ({"J_max_umol_cm2_s": 1e-6, "K_Ca_mM": 1e-3}, {"J_max": 1e-6, "K_Ca": 1e-3, "n": 1.0}),
    "kcc2": ({"g_mS_cm2": 0.02}, {"rate_constant": 0.02, "ions": (("K", 1), ("Cl", 1))}),
    "nkcc1": (
        {"law": "mass_action", "k": 1e-12},
        {"rate_constant": 1e-12, "law": "mass_action", "ions": (("Na", 1), ("K", 1), ("Cl", 2))},
    ),
    "ncc": ({"g_mS_cm2": 0.02}, {"ions": (("Na", 1), ("Cl", 1))}),
    "ae": ({"g_mS_cm2": 0.02}, {"ions": (("Cl", 1), ("HCO3", -1))}),
    "cotransporter": (
        {"ions": {"K": 1, "Cl": 3}, "law": "mass_action", "k": 1e-9},
        {"rate_constant": 1e-9, "ions": (("K", 1), ("Cl", 3))},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_mechanism(kind):
    written, expected = KINDS[kind]
    raw = changed("cell", "mechanisms", "it", {"kind": kind} | written)
    raw["bath"] |= {"Ca_o_mM": 0.01, "HCO3_o_mM": 0.01}
    it = load_cell(raw).cell.mechanisms["it"]
    assert {name: getattr(it, name) for name in expected} == expected


def test_a_file_may_start_from_a_preset():
    own = {
        "preset": "neuron",
        "title": "mine",
        "cell": {
            "z_X": -1.0,
            "factors": {"KCC2": 2},
            "mechanisms": {
                "leak_K": {"g_mS_cm2": 0.1},
                "leak_Cl": None,
                "Kir": {"kind": "inward_rectifier", "g_mS_cm2": 0.01},
            },
        },
        "set": {"K_o_mM": 10, "pump": 0.5, "T_degC": 30},
        "compensation": "salt",
    }
    preset = load_cell(own)
    cell, bath = preset
    assert list(cell.mechanisms) == ["leak_Na", "leak_K", "pump", "KCC2", "Kir"]
    assert cell.mechanisms["leak_K"].g == 0.1 and cell.mechanisms["leak_Na"].g == 0.02
    assert (cell.z_X, cell.X_i, cell.factors["KCC2"], cell.factors["pump"]) == (-1.0, 154.957, 2.0, 0.5)
    assert (bath.c["K"], bath.c["Na"], bath.c["Cl"]) == (10.0, 145.0, 125.5)
    assert bath.T == pytest.approx(303.15)
    assert "cell.z_X" not in preset.sources and "cell.X_i_mM" in preset.sources
    assert "cell.mechanisms.leak_K.g_mS_cm2" not in preset.sources and not preset.measured
    assert jax.tree.leaves(tuple(load_cell(preset.config))) == jax.tree.leaves((cell, bath))


def test_held_ions_and_a_fixed_volume():
    raw = changed("cell", "held", {"Cl_i_mM": 7})
    raw["cell"] |= {"volume": "fixed", "L_p_cm_s_mM": 1e-7}
    cell = load_cell(raw).cell
    assert cell.held == {"Cl": 7.0} and cell.ions == ("K", "Na") and cell.L_p == 1e-7
    del raw["cell"]["X_i_mM"]
    assert load_cell(raw).cell.X_i == 0.0


def test_a_positive_impermeant_charge_is_warned_of():
    with pytest.warns(InputWarning, match="z_X = 0.5"):
        load_cell(changed("cell", "z_X", 0.5))


LEAK = ("cell", "mechanisms", "leak_K")
BAD = {
    "unknown preset": ({"preset": "nuron"}, ["'nuron'", "did you mean 'neuron'"]),
    "unknown mechanism of a preset": (
        {"preset": "neuron", "cell": {"mechanisms": {"leek_K": {"g_mS_cm2": 1}}}},
        ["no mechanism 'leek_K'", "did you mean 'leak_K'"],
    ),
    "unknown key": (changed("sett", {}), ["no key 'sett'", "did you mean 'set'"]),
    "unknown key of the cell": (changed("cell", "zX", 1), ["no key 'zX'", "z_X"]),
    "nothing": ({}, ["has no `cell:`", "preset: neuron"]),
    "only a typing error": ({"bahth": {}, "cell": {}}, ["'bahth'", "did you mean 'bath'"]),
    "unknown kind": (changed(*LEAK, "kind", "ghk_lek"), ["'ghk_lek'", "did you mean 'ghk_leak'"]),
    "no kind": (changed(*LEAK, "kind", None), ["leak_K", "`kind:`"]),
    "a misspelt rate": (
        changed("cell", "mechanisms", "leak_Na", {"kind": "chord_leak", "ion": "Na", "g_Na": 1}),
        ["leak_Na.g_Na", "no key 'g_Na' of chord_leak", "did you mean 'g_mS_cm2'"],
    ),
    "a misspelt kind": (
        changed("cell", "mechanisms", "leak_K", {"kindd": "ghk_leak", "ion": "K", "P_cm_s": 1}),
        ["leak_K.kindd", "no key 'kindd'", "did you mean 'kind'", "ghk_leak"],
    ),
    "a problem": ({"model": "ghk", "data": "a.csv", "quantities": {}}, ["describes a problem", "infer", "`bath:`"]),
    "unknown ion": (
        changed(*LEAK, "ion", "Kk"), ["cell.cell.mechanisms.leak_K.ion", "no ion 'Kk'", "'K'", "Na, K, Rb"]
    ),
    "unknown ion outside": (changed("bath", "Kk_o_mM", 4), ["no ion 'Kk'", "Na, K, Rb"]),
    "ion not in the bath": (changed(*LEAK, "ion", "Ca"), ["leak_K moves Ca", "Ca_o"]),
    "cotransporter without its ions": (
        changed("cell", "mechanisms", "AE1", {"kind": "ae", "g_mS_cm2": 1}),
        ["AE1 moves HCO3", "bath does not have"],
    ),
    "negative permeability": (changed(*LEAK, "P_cm_s", -1), ["leak_K.P_cm_s", "-1", "greater than or equal"]),
    "not a number": (changed(*LEAK, "P_cm_s", True), ["leak_K.P_cm_s", "true is not a number"]),
    "not finite": (changed(*LEAK, "P_cm_s", float("inf")), ["leak_K.P_cm_s", "inf"]),
    "no rate": (changed(*LEAK, "P_cm_s", None), ["'P_cm_s' is missing"]),
    "another unit": (changed(*LEAK, "P_um_s", 1), ["no key 'P_um_s' of ghk_leak", "P_cm_s"]),
    "a number for a mechanism": (changed("cell", "mechanisms", "leak_K", 3), ["leak_K", "mapping"]),
    "no mechanisms": (changed("cell", "mechanisms", {}), ["nothing crosses"]),
    "a list": (changed("cell", "mechanisms", [1]), ["cell.mechanisms", "mapping"]),
    "no impermeants": (changed("cell", "X_i_mM", 0), ["X_i", "nothing balances water", "volume: fixed"]),
    "impermeants left out": (changed("cell", "X_i_mM", None), ["no impermeants", "X_i_mM", "volume: fixed"]),
    "charged bath": (changed("bath", "Cl_o_mM", 20), ["bath is charged", "+129", "X_o"]),
    "no temperature": (changed("bath", "T_degC", None), ["no temperature", "T_degC"]),
    "kelvin": (changed("bath", "T_degC", 310), ["310", "T_K"]),
    "no unit": (changed("bath", "Ca_o", 2), ["Ca_o needs its unit", "Ca_o_mM"]),
    "wrong unit": (changed("bath", "Ca_o_mV", 2), ["Ca_o", "Ca_o_mM"]),
    "inside for outside": (changed("bath", "Ca_i_mM", 2), ["Ca_i_mM", "no concentration 'Ca_i_mM' outside. Write K_o_mM"]),
    "a concentration of 0": (changed("bath", "K_o_uM", 0), ["K_o = 0", "above 0"]),
    "a concentration twice": (changed("bath", "K_o_mM", 4), ["K_o is given twice"]),
    "held and unknown": (changed("cell", "held", {"Xy_i_mM": 1}), ["no ion 'Xy'"]),
    "a factor for nothing": (changed("cell", "factors", {"pmp": 2}), ["'pmp'", "did you mean 'pump'"]),
    "a name with a space": (
        changed("cell", "mechanisms", "a b", {"kind": "pmca", "J_max_umol_cm2_s": 1}),
        ["'a b'", "letters"],
    ),
    "a name that is a number of the cell": (
        changed("cell", "mechanisms", "K_o", {"kind": "kcc2", "g_mS_cm2": 1}),
        ["cannot be called K_o"],
    ),
    "the other law's rate": (
        changed("cell", "mechanisms", "KCC2", {"kind": "kcc2", "k": 1}),
        ["takes g_mS_cm2, not k", "mass_action"],
    ),
    "unknown ion of a cotransporter": (
        changed("cell", "mechanisms", "X1", {"kind": "cotransporter", "ions": {"Kx": 1}, "g_mS_cm2": 1}),
        ["no ion 'Kx'"],
    ),
    "an impossible setting": ({"preset": "neuron", "set": {"K_o_mM": 500}}, ["set", "Na_o = -351.5"]),
    "an unknown setting": ({"preset": "neuron", "set": {"K_oo_mM": 5}}, ["set.K_oo_mM", "'K_o_mM'"]),
    "an unknown compensation": (
        {"preset": "neuron", "set": {"K_o_mM": 5}, "compensation": "Naa"},
        ["compensation", "'Naa'", "did you mean 'Na'"],
    ),
    "a mechanism of no preset left out": (
        {"preset": "neuron", "cell": {"mechanisms": {"pmup": None}}},
        ["cell.mechanisms.pmup", "no mechanism 'pmup' in the preset to leave out", "did you mean 'pump'", "leak_Na, leak_K"],
    ),
    "an ion that does not move": (
        changed("cell", "mechanisms", "X1", {"kind": "cotransporter", "ions": {"K": 0, "Cl": 1}, "g_mS_cm2": 1}),
        ["mechanisms.X1.ions.K", "0 of an ion moves nothing", "leave the ion out"],
    ),
    "measured without value": (changed("measured", {"V_m_mV": {"sd": 3}}), ["'value' is missing"]),
    "measured without unit": (
        changed("measured", {"V_m": {"value": -70}}), ["measured.V_m", "'V_m'", "did you mean 'V_m_mV'", "unit"]
    ),
    "measured and unknown": (changed("measured", {"Kk_i_mM": {"value": 1}}), ["measured.Kk_i_mM", "no ion 'Kk'"]),
    "a reversed range": (
        changed("measured", {"V_m_mV": {"value": -70, "range": [-60, -80]}}),
        ["measured.V_m_mV.range", "-60 to -80 is reversed", "[-80, -60]"],
    ),
    "the source of nothing": (
        changed("sources", {"cell.zX": "me"}), ["sources.cell.zX", "no number 'cell.zX'", "did you mean 'cell.z_X'"]
    ),
    "a source without the unit": (
        {"preset": "neuron", "sources": {"cell.mechanisms.pump.J": "me"}}, ["did you mean 'cell.mechanisms.pump.J_umol_cm2_s'"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_refused(what):
    raw, parts = BAD[what]
    with pytest.raises(InputError) as caught:
        load_cell(raw)
    missing = [p for p in parts if p not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
    assert "pydantic" not in str(caught.value) and str(caught.value).endswith(".")


def test_an_error_names_file_and_line(tmp_path):
    path = tmp_path / "cell.yaml"
    path.write_text("preset: neuron\ncell:\n  mechanisms:\n    leak_K:\n      g_mS_cm2: -3\n")
    with pytest.raises(InputError, match=r"cell.yaml, line 5, cell.mechanisms.leak_K.g_mS_cm2: -3"):
        load_cell(path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("sources: {cell.zX: me}\n", "line 2, sources.cell.zX: there is no"),
        ("measured: {V_m: {value: -70}}\n", "line 2, measured.V_m: "),
        ("baht: {K_o_mM: 4}\n", "line 2, key baht: there is no key 'baht'"),
    ],
)
def test_a_key_is_called_a_key_and_has_its_line(tmp_path, text, place):
    path = tmp_path / "cell.yaml"
    path.write_text("preset: neuron\n" + text)
    with pytest.raises(InputError, match=rf"cell\.yaml, {place}"):
        load_cell(path)


def test_a_factor_for_nothing_is_placed_where_it_stands(tmp_path):
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(changed("cell", "factors", {"pumpp": 2}), sort_keys=False))
    line = path.read_text().splitlines().index("  factors:") + 1
    with pytest.raises(InputError, match=rf"line {line}, cell\.factors: there is no mechanism 'pumpp'"):
        load_cell(path)


def test_what_a_file_has_may_be_given_a_source():
    sources = {"cell.z_X": "me", "bath": "us", "set.pump": "them"}
    preset = load_cell({"preset": "neuron", "set": {"pump": 0.5}, "sources": sources})
    assert preset.sources.items() >= sources.items()


def test_a_problems_config_gives_the_line_of_its_cell(tmp_path):
    path = tmp_path / "problem.yaml"
    path.write_text("model: pump_leak\ndata: a.csv\ncell:\n  preset: nuron\n")
    with pytest.raises(
        InputError, match=r"problem.yaml, line 4, cell.preset: .* 'nuron' .*did you mean 'neuron'"
    ):
        load_problem(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "preset: neuron\nset: {pump: 0.3}\n",
            "line 1, key preset: this describes a cell.*Give it to steady-state",
        ),
        ("bath: {K_o_mM: 4}\ncell: {}\n", "line 1, key bath: this describes a cell in its bath"),
        (
            "model: pump_leak\ndata: a.csv\ncell: 3\n",
            r"line 3, key cell: 3 is no cell\. Write `{preset: NAME}`",
        ),
    ],
)
def test_a_cell_is_no_problem(tmp_path, text, words):
    path = tmp_path / "problem.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_problem(path)


# -- settings, sweeps, events ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def neuron():
    return load_preset("neuron")


@pytest.mark.parametrize(
    "text, name, value",
    [
        ("K_o_mM=10", "K_o", 10.0),
        ("K_o_uM=500", "K_o", 0.5),
        ("T_degC=25", "T", 298.15),
        ("T_K=300", "T", 300.0),
        ("pump=0.3", "pump", 0.3),
        ("g_K_mS_cm2=0.1", "g_K", 0.1),
        ("leak_K.g_S_m2=1", "g_K", 0.1),
        ("KCC2.g_mS_cm2=0.03", "KCC2.rate_constant", 0.03),
        ("KCC2.rate_constant_mS_cm2=0.03", "KCC2.rate_constant", 0.03),
        ("pump.J_pmol_cm2_s=5", "pump.J", 5e-6),
        ("volume_to_area_um=5", "volume_to_area", 5e-4),
        ("z_X=-1.2", "z_X", -1.2),
    ],
)
def test_settings(neuron, text, name, value):
    found = parse_setting(text, *neuron)
    assert found[0] == name and found[1] == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    "text, parts",
    [
        ("T=25", ["needs a unit", "T_degC"]),
        ("volume_to_area=5", ["needs a unit", "volume_to_area_um"]),
        ("K_o=10", ["K_o needs a unit", "K_o_mM or K_o_uM"]),
        ("g_K=0.1", ["needs a unit", "g_K_mS_cm2"]),
        ("pump.J=1e-6", ["needs a unit", "pump.J_umol_cm2_s"]),
        ("KCC2.rate_constant=0.03", ["needs a unit", "KCC2.rate_constant_mS_cm2"]),
        ("K_o_mV=3", ["K_o cannot be in mV", "K_o_mM"]),
        ("Ko_mM=3", ["'Ko_mM'", "did you mean 'K_o_mM'"]),
        ("pmp=2", ["did you mean 'pump'"]),
        ("pump=-1", ["negative"]),
        ("pump=much", ["NAME=NUMBER"]),
        ("pump=nan", ["NAME=NUMBER"]),
        ("pump", ["NAME=NUMBER"]),
        ("K_o_mM=0", ["trace"]),
        ("pump.r=0", ["cannot be 0"]),
        ("T_degC=310", ["310", "T_K"]),
    ],
)
def test_bad_settings(neuron, text, parts):
    with pytest.raises(InputError) as caught:
        parse_setting(text, *neuron)
    assert all(p in str(caught.value) for p in parts), caught.value


def test_sweeps(neuron):
    sweep = parse_sweep("K_o_mM=1:100:log3", *neuron)
    np.testing.assert_allclose(sweep.values, [1, 10, 100], rtol=1e-14)
    assert (sweep.name, sweep.unit, sweep.log) == ("K_o", "mM", True)
    sweep = parse_sweep("T_degC=7:37:lin4", *neuron)
    np.testing.assert_allclose(sweep.shown, [7, 17, 27, 37])
    np.testing.assert_allclose(sweep.values, [280.15, 290.15, 300.15, 310.15])
    assert sweep.unit == "°C" and parse_sweep("pump=1:0:3", *neuron).unit == ""
    bad = ["K_o_mM", "K_o_mM=1:2", "K_o_mM=1:x:log5", "K_o_mM=0:9:log5", "K_o_mM=1:2:cos5", "pump=1:1:lin5"]
    bad += ["pump=0:1:lin1", "pump=0:1:lin999999999", "nothing=0:1:lin5", "pump=-1:1:lin5", "K_o_mM=0:5:lin6"]
    for text in bad:
        with pytest.raises(InputError):
            parse_sweep(text, *neuron)


def test_events_and_times(neuron):
    event = parse_event("t=2min pump=0 K_o_mM=10 compensation=salt", *neuron)
    assert event == Event(120.0, {"pump": 0.0, "K_o": 10.0}, "salt")
    assert [parse_duration(t) for t in ("90s", "1.5 min", "2h", "500ms", "1d")] == [90, 90, 7200, 0.5, 86400]
    for text in (
        "pump=0",
        "t=60 pump=0",
        "t=60s",
        "t=-1s pump=0",
        "t=1s t=2s pump=0",
        "t=1s pump=0 pump=1",
        "t=1s 3",
    ):
        with pytest.raises(InputError):
            parse_event(text, *neuron)


def test_a_neutral_solute_of_a_bath_counts_as_osmolarity_and_not_as_charge():
    (_, plain), (_, sweet) = (
        load_cell(changed("bath", "T_degC", 37)),
        load_cell(changed("bath", "glucose_o_uM", 500)),
    )
    assert float(sweet.X_o) == pytest.approx(float(plain.X_o) + 0.5) and sweet.c == plain.c
    with pytest.raises(InputError, match=r"bath\.NaCl_o_mM: .* a salt\. Write Na_o_mM: 5 and Cl_o_mM: 5"):
        load_cell(changed("bath", "NaCl_o_mM", 5))
    with pytest.raises(InputError, match="the bath is charged"):
        Bath(T=310.0, K_o=5.0, Na_o=145.0, Cl_o=120.0, glucose_o=100.0)
    with pytest.raises(InputError, match="glucose_o = -1"):
        Bath(T=310.0, K_o=5.0, Cl_o=5.0, glucose_o=-1.0)


def test_a_measured_number_stands_beside_the_models_own_of_that_name():
    state = SimpleNamespace(V_m=-71.0, c_i={"K": 130.0, "Na": 12.0}, volume=1.07)
    names = ("V_m_mV", "K_i_mM", "Na_i_mM", "volume_rel", "Cl_i_mM", "K_o_mM", "pH_i")
    assert [_number_of(state, name) for name in names] == [-71.0, 130.0, 12.0, 1.07, None, None, None]
