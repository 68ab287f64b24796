"""Units that are none of a quantity here: refused with the number to write, which is then accepted."""

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import InputError, load_cell, read_table, valence
from pumpleak.config.specs import parse_spec
from pumpleak.files.yaml_lines import Lines
from pumpleak.quantities.foreign_units import foreign_unit
from pumpleak.quantities.units import unit_name

EQUIVALENTS = ["mEq/L", "meq/l", "mEq", "meq", "mEq L-1", "mEq·L⁻¹", "mval", "mval/l", "mEq_L", "mN"]


def said(key, value):
    return parse_spec(key, value, Lines(), (key,))


@pytest.mark.parametrize(
    "key, value, mM",
    [
        *(("Ca_o", f"4 {unit}", 2.0) for unit in EQUIVALENTS if "_" not in unit),
        ("K_o", "5 mEq/L", 5.0),
        ("SO4_o", "2 mEq/L", 1.0),
        ("La_o", "3000 µEq/L", 1.0),
        ("K_o", "0.1 N", 100.0),
        ("K_o_mEq_L", 5, 5.0),
        ("Ca_o_meq", 4, 2.0),
        ("Ca_o_mEq/L", 4, 2.0),
        ("K_o", "5 mmol/kg", 5.0),
        ("K_o", "0.005 mol/kg", 5.0),
        ("Ca_o", "10 mg/dL", 2.49513),
        ("K_o", "195.49 mg/L", 5.0),
        ("Mg_o", "2.4305 mg%", 1.0),
        ("K_o", "5 mm", 5.0),
        ("K_o", "5 mmol", 5.0),
        ("X_i", "5 mEq/L", 5.0),
    ],
)
def test_the_number_of_the_mend(key, value, mM):
    with pytest.raises(InputError) as refused:
        said(key, value)
    name, number = re.search(r"Write (\w+_mM): ([\d.]*\d)", str(refused.value)).groups()
    assert said(name, float(number)) == (name.removesuffix("_mM"), pytest.approx(mM, rel=1e-5))


@pytest.mark.parametrize(
    "key, value, part",
    [
        ("K_o", "300 mOsm", "counts all that is dissolved. Give what there is of K alone, as K_o_mM"),
        ("K_o", "300 mosm/kg", "counts all that is dissolved"),
        ("K_o", "0.9 %", "of mass or of volume. Write K_o_mM"),
        ("K_o", "5 m", "a metre, or moles per kilogram. Write K_o_mM or K_o_M"),
        ("gluconate_o", "5 g/L", "Divide by the grams in a mole of gluconate"),
        ("P_Na_rel", "5 %", "Write P_Na_rel: 0.05"),
        ("K_o", "5 furlong", "no unit 'furlong'. Known here"),
    ],
)
def test_others(key, value, part):
    with pytest.raises(InputError) as refused:
        said(key, value)
    assert part in str(refused.value)


def test_of_a_prior():
    with pytest.raises(InputError, match="mEq/L counts charges, of which Ca has 2"):
        said("Ca_o", {"prior": "normal", "mean": 4, "sd": 1, "unit": "mEq/L"})


@pytest.mark.parametrize("unit", [u for u in EQUIVALENTS if u != "mN"])
@pytest.mark.parametrize("form", ["Ca_o_{}", "Ca_o ({})", "Ca_o [{}]", "Ca_bath_{}"])
def test_in_a_table(unit, form):
    frame = pd.DataFrame({form.format(unit): [4, 5], "V_m_mV": [-70.0, -60.0]})
    with pytest.raises(InputError, match=r"Multiply by 0\.5 and name the column Ca_o_mM"):
        read_table(frame)


def test_in_a_bath():
    with pytest.raises(InputError, match=r"bath\.K_o_mEq_L: .*Write K_o_mM: 4"):
        load_cell({"preset": "neuron", "bath": {"K_o_mEq_L": 4, "T_degC": 37}})


@given(
    st.sampled_from(["K_o", "Ca_i", "SO4_o", "La_o", "gluconate_i"]),
    st.floats(1e-3, 1e3),
    st.sampled_from(EQUIVALENTS),
)
def test_charges_over_valence(name, number, unit):
    _, mend = foreign_unit(name, unit, number) or pytest.fail("it is a foreign unit")
    written = float(mend.partition(": ")[2])
    assert written == pytest.approx(number / abs(valence(name[:-2])), rel=1e-5)


@pytest.mark.parametrize(
    "written, unit",
    [
        ("mmol L-1", "mM"),
        ("mmol·L⁻¹", "mM"),
        ("mmol l^-1", "mM"),
        ("µmol/L", "uM"),
        ("nmol/l", "nM"),
        ("mol m-3", "mM"),
        ("cm s⁻¹", "cm/s"),
        ("um s-1", "um/s"),
        ("mS cm-2", "mS/cm2"),
        ("mS/cm²", "mS/cm2"),
        ("umol cm-2 s-1", "umol/cm2/s"),
    ],
)
def test_other_ways_of_writing_a_unit(written, unit):
    assert unit_name(written) == unit


@pytest.mark.parametrize(
    "written, part",
    [("m/sec", "did you mean 'm/s'"), ("MV", "did you mean 'mV'"), ("mEq/V", "no unit 'mEq/V'. K")],
)
def test_a_suggested_unit_differs_by_case_alone(written, part):
    with pytest.raises(InputError, match=part):
        unit_name(written)


@pytest.mark.parametrize(
    ("unit", "factor"), [("mmol/kg", 1), ("µmol/kg", 1e-3), ("mol/kg", 1e3), ("molal", 1e3)]
)
def test_a_molality_is_told_as_the_concentration_that_it_nearly_is(unit, factor):
    problem, mend = foreign_unit("K_o", unit, 5.0)
    assert "per kilogram of water" in problem and mend == f"Write K_o_mM: {5 * factor:.6g}"
    named = foreign_unit("K_o", unit)[1]
    assert named == (
        "Name the key K_o_mM" if factor == 1 else f"Multiply by {factor:g} and name the key K_o_mM"
    )
