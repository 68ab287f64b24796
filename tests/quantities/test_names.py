"""What a name means, and that a new kind of quantity is one line of the table."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import read_table
from pumpleak.config.specs import parse_spec
from pumpleak.errors import InputError
from pumpleak.files.yaml_lines import Lines
from pumpleak.quantities import kinds
from pumpleak.quantities.names import (
    Kind,
    base_name,
    column_names,
    column_unit,
    kind,
    observable_unit,
    spoken,
)
from pumpleak.quantities.plausible import complaint, impossible
from pumpleak.quantities.symbols import symbol, unit_symbol


@pytest.mark.parametrize(
    "name, what, unit, of, side, place",
    [
        ("K_o", "concentration", "mM", "K", "o", "bath"),
        ("aK_i", "activity", "mM", "K", "i", "inside"),
        ("acetate_o", "concentration", "mM", "acetate", "o", "bath"),  # not the activity of "cetate"
        ("X_i", "concentration", "mM", "X", "i", "inside"),
        ("gamma_o", "activity coefficient", "1", "", "o", "bath"),
        ("T", "temperature", "K", "", "", "bath"),
        ("P_Na", "permeability", "cm/s", "Na", "", "membrane"),
        ("P_Na_rel", "permeability", "1", "Na", "", "membrane"),
        ("g_Cl_scale", "conductance", "1", "Cl", "", "membrane"),
        ("V_m", "potential", "mV", "", "", "membrane"),
        ("E_K", "potential", "mV", "K", "", "membrane"),
        ("E_shunt", "potential", "mV", "", "", "electrode"),
        ("LJP", "offset", "mV", "", "", "electrode"),
        ("K_pipette", "concentration", "mM", "", "", "electrode"),
        ("sigma_V_m", "scatter", "mV", "V_m", "", "noise"),
        ("extra_K_i", "extra scatter", "mM", "K_i", "", "noise"),
        ("nu", "tails", "1", "", "", "noise"),
        ("V_ATPase_scale", "factor", "1", "", "", "membrane"),
        ("V_ATPase.J_max", "constant", None, "", "", "membrane"),
    ],
)
def test_kind(name, what, unit, of, side, place):
    k = kind(name)
    assert (k.name, k.what, k.unit, k.of, k.side, k.place) == (name, what, unit, of, side, place)


def test_a_name_that_tells_nothing():
    assert kind("ouabain") == Kind("ouabain") and kind("ouabain").unit is None


@pytest.mark.parametrize(
    "name, base, level, tail",
    [
        ("Cl_o[Na-free]", "Cl_o", "Na-free", ""),
        ("Na_o[a]b]_total", "Na_o", "a]b", "total"),
        ("K_i_mean", "K_i", "", "mean"),
        ("sigma_V_m_spread", "sigma_V_m", "", "spread"),
        ("K_i_z[cell 3]", "K_i", "cell 3", "z"),
    ],
)
def test_levels_and_tails(name, base, level, tail):
    k = kind(name)
    assert (k.name, k.level, k.tail) == (base, level, tail)


def test_ratios_noise_and_what_the_bath_shares():
    assert [n for n in ("P_Na_rel", "g_K_rel[a]", "P_Na_rel_mean", "P_Na_scale", "shunt_rel", "pump_rel", "P_Na")
            if kind(n).is_ratio] == ["P_Na_rel", "g_K_rel[a]"]  # fmt: skip
    assert [n for n in ("sigma_V_m", "extra_E_K[x]", "nu", "outlier_share", "V_m", "number") if kind(n).is_noise] == [
        "sigma_V_m", "extra_E_K[x]", "nu", "outlier_share",
    ]  # fmt: skip
    assert [n for n in ("K_o", "T", "LJP", "gamma_o", "K_i", "V_offset") if kind(n).of_bath] == [
        "K_o", "T", "LJP", "gamma_o",
    ]  # fmt: skip
    assert kind("Na_o").is_bath_ion and not kind("X_o").is_bath_ion and not kind("aNa_o").is_bath_ion


def test_columns_are_named_by_the_table():
    assert all(column_unit(name) for name in column_names())
    assert (
        base_name("dV_m_sem") == "V_m" and base_name("drift") == "drift" and base_name("dye_F0") == "dye_F0"
    )
    assert column_unit("X_o") is None and column_unit("t") is None and column_unit("K_i_mean") is None


def test_words_and_units():
    assert spoken("P_Na_rel[wash]", "K") == "P_Na/P_K (wash)"
    assert spoken("LJP[wash]", "K") == "the junction potential (wash)"
    assert spoken("K_i", "K") == "K_i, K inside,"
    assert [observable_unit(x) for x in ("V_m", "E_K", "dye_log", "volume", "K_i", "Q")] == [
        "mV", "mV", "1", "1", "mM", "mM",
    ]  # fmt: skip
    assert [unit_symbol(u) for u in ("1", "degC", "uM", "umol/cm2/s", "cm/s")] == [
        "",
        "°C",
        "µM",
        "µmol/cm²/s",
        "cm/s",
    ]


@pytest.mark.parametrize(
    "name, number, unit, canonical, problem",
    [
        ("T", 310.0, "degC", 583.15, "looks like kelvin"),
        ("T", 37.0, "K", 37.0, "looks like degrees Celsius"),
        ("T", 80.0, "degC", 353.15, "no temperature of a living cell"),
        ("K_o", -5.0, "mM", -5.0, "is negative"),
        ("K_o", 6.0, "M", 6000.0, "more than water dissolves"),
        ("V_m", -60.0, "V", -60000.0, "is too large"),
        ("gamma_o", 0.0, "1", 0.0, "is not above 0"),
    ],
)
def test_what_cannot_be(name, number, unit, canonical, problem):
    assert impossible(kind(name), canonical)
    assert problem in complaint(kind(name), number, unit)[0]


def test_what_can_be():
    assert not impossible(kind("T"), np.array([268.15, 310.0, 333.15, np.nan])).any()
    assert not impossible(kind("z_X"), -1.0) and not impossible(kind("osmolyte_o"), -3.0)


def test_a_new_kind_is_one_line(monkeypatch):
    """A time constant: read as column and key with its unit, checked, and printed."""
    line = kinds.Rule("tau_m", "time constant", "s", "τ_{m}", "positive", high=10.0, column=True)
    frame = pd.DataFrame({"tau_m_ms": [20.0, 30.0], "V_m_mV": [-70.0, -60.0]})
    assert "tau_m" not in read_table(frame).quantities
    monkeypatch.setattr(kinds, "RULES", [*kinds.RULES, line])

    table = read_table(frame)
    assert table.units["tau_m"] == "s" and np.allclose(table.quantities["tau_m"], [0.02, 0.03])
    with pytest.raises(InputError, match=r"tau_m_mV: mV is not a unit of tau_m"):
        read_table(frame.rename(columns={"tau_m_ms": "tau_m_mV"}))
    with pytest.raises(InputError, match=r"column tau_m_ms: -20 ms is negative"):
        read_table(frame.assign(tau_m_ms=-20.0))

    assert parse_spec("tau_m_ms", 20, Lines(), ("tau_m_ms",)) == ("tau_m", 0.02)
    with pytest.raises(InputError, match="tau_m needs a unit"):
        parse_spec("tau_m", 20, Lines(), ("tau_m",))
    with pytest.raises(InputError, match=r"tau_m = 20 min is not plausible. Give one of at most 10 s"):
        parse_spec("tau_m_min", 20, Lines(), ("tau_m_min",))

    assert symbol("tau_m[cell 1]")[:2] == ("τ_{m}", "cell 1")
    with pytest.raises(InputError, match="did you mean 'tau_m_ms'"):
        read_table(frame.rename(columns={"tau_m_ms": "tua_m_ms"}))
