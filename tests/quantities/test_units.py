"""Units: what is written, split off a name and converted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumpleak.errors import InputError
from pumpleak.quantities.units import (
    canonical_unit,
    parse_quantity,
    split_unit,
    spread_to_canonical,
    to_canonical,
    with_unit,
)


@pytest.mark.parametrize(
    "text, value, sd, unit",
    [
        ("37 degC", 37.0, None, "degC"),
        ("37 °C", 37.0, None, "degC"),
        ("120 ± 10 mM", 120.0, 10.0, "mM"),
        ("120 +- 10 mM", 120.0, 10.0, "mM"),
        ("120 +/- 10 mM", 120.0, 10.0, "mM"),
        ("120±10mM", 120.0, 10.0, "mM"),
        ("120 mM ± 10 mM", 120.0, 10.0, "mM"),
        ("5 µM", 5.0, None, "uM"),
        ("5 μM", 5.0, None, "uM"),
        ("5 uM", 5.0, None, "uM"),
        ("0.12 M", 0.12, None, "M"),
        ("4 mmol/L", 4.0, None, "mM"),
        ("−73 mV", -73.0, None, "mV"),
        ("1e-6 cm/s", 1e-6, None, "cm/s"),
        ("0.5", 0.5, None, "1"),
        ("0.03 ± 0.01", 0.03, 0.01, "1"),
    ],
)
def test_parse_quantity(text, value, sd, unit):
    assert parse_quantity(text) == (value, sd, unit)


@pytest.mark.parametrize(
    "text, part",
    [
        ("mM", "'mM' is not a quantity. Write a number and a unit"),
        ("5 10 mM", "is not a quantity"),
        ("nan mM", "is not a quantity"),
        ("5,4 mM", "is not a quantity"),
        ("150 (5)", "two numbers. Write '150 ± 5' if the second is its standard deviation, else 150 alone"),
        ("150 (5) mM", "Write '150 ± 5 mM' if"),
        ("150 [5 mM]", "Write '150 ± 5 mM' if"),
        (
            "150 [140-160]",
            "`{prior: uniform, lower: 140, upper: 160}` if nothing else is known of it, else '150 ± its sd'",
        ),
        ("140 to 160 mM", "`{prior: uniform, lower: 140, upper: 160, unit: mM}`"),
        ("150·5", "raised point. Write 150.5"),
        ("5 furlong", "no unit 'furlong'"),
        ("5 m/sec", "did you mean 'm/s'"),
        ("5 mM ± 1 uM", "in another unit"),
        ("5 ± 0 mM", "is not above 0"),
        ("5 ± -1 mM", "is not above 0"),
        ("1e999 mM", "too large"),
    ],
)
def test_parse_quantity_refuses(text, part):
    with pytest.raises(InputError) as caught:
        parse_quantity(text)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "value, unit, expected",
    [
        (37.0, "degC", (310.15, "K")),
        (-0.073, "V", (-73.0, "mV")),
        (250.0, "µV", (0.25, "mV")),
        (5.0, "uM", (0.005, "mM")),
        (100.0, "nM", (1e-4, "mM")),
        (0.12, "M", (120.0, "mM")),
        (0.5, "1", (0.5, "1")),
        (2.0, "um/s", (2e-4, "cm/s")),
        (10.0, "S/m2", (1.0, "mS/cm2")),
        (2.0, "min", (120.0, "s")),
    ],
)
def test_to_canonical(value, unit, expected):
    assert to_canonical(value, unit) == expected


def test_spread_is_scaled_but_not_shifted():
    assert spread_to_canonical(0.5, "degC") == (0.5, "K")
    assert spread_to_canonical(0.001, "V") == (1.0, "mV")


def test_arrays_convert_elementwise():
    values, unit = to_canonical(np.array([0.0, 25.0]), "degC")
    assert unit == "K"
    np.testing.assert_allclose(values, [273.15, 298.15], rtol=1e-15)


@pytest.mark.parametrize(
    "name, parts",
    [
        ("K_o_mM", ("K_o", "mM")),
        ("K_o_µM", ("K_o", "uM")),
        ("K_o_uM", ("K_o", "uM")),
        ("T_degC", ("T", "degC")),
        ("T_°C", ("T", "degC")),
        ("T_K", ("T", "K")),
        ("T_sd_K", ("T_sd", "K")),
        ("P_K", ("P_K", None)),
        ("E_K", ("E_K", None)),
        ("E_K_mV", ("E_K", "mV")),
        ("V_m_mV", ("V_m", "mV")),
        ("V_m_V", ("V_m", "V")),
        ("P_Na_rel", ("P_Na_rel", None)),
        ("P_K_cm_s", ("P_K", "cm/s")),
        ("g_K_mS/cm2", ("g_K", "mS/cm2")),
        ("pump", ("pump", None)),
        ("mM", ("mM", None)),
    ],
)
def test_split_unit(name, parts):
    assert split_unit(name) == parts


@given(
    st.sampled_from(["K_o", "V_m", "P_K", "T", "T_sd"]),
    st.sampled_from("mV mM degC cm/s mS/cm2".split()),
)
def test_split_undoes_with(name, unit):
    assert split_unit(with_unit(name, unit)) == (name, unit)


def test_dimensionless_names_have_no_ending():
    assert with_unit("P_Na_rel", "1") == "P_Na_rel"


def test_unknown_unit():
    with pytest.raises(InputError, match="no unit 'mmol'"):
        canonical_unit("mmol")


@pytest.mark.parametrize(
    "text", ["5*", "5 *", "5**", "5^", "5\u00b7", "5 mM*", "5 mM *", "5 *mM", "140 \u00b1 3 mM*", "5 ^mM ^"]
)
def test_a_sign_that_stands_between_nothing_is_no_unit(text):
    """A mark of significance, say, which nobody meant as a product."""
    with pytest.raises(ValueError, match="there is no unit|is not a quantity"):
        parse_quantity(text)
    assert parse_quantity(text.translate(dict.fromkeys(map(ord, "*^\u00b7"))).strip())[0] in (
        5.0,
        140.0,
    )  # the mend


@pytest.mark.parametrize(
    "unit", ["mmol L-1", "mmol\u00b7L-1", "mmol*L-1", "mmol * L^-1", "mmol.l\u207b\u00b9"]
)
def test_a_sign_that_stands_between_two_units_is_read(unit):
    assert parse_quantity(f"5 {unit}") == (5.0, None, "mM")


def test_a_ratio_is_told_to_be_written_only_where_one_is_meant():
    with pytest.raises(InputError, match=r"'3:2' is a ratio, not a number. Write 1.5"):
        parse_quantity("3:2")
    with pytest.raises(InputError, match=r"'140/150' is two numbers. Write the one that is meant"):
        parse_quantity("140/150", ratio=False)
