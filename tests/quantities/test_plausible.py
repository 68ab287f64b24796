"""Lawful but probably not meant: concentrations of another unit, in tables, configs and cells alike."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import InputError, InputWarning, lognormal, make_problem, read_table
from pumpleak.config.specs import parse_spec
from pumpleak.data.cell_table import CellTable
from pumpleak.files.yaml_lines import Lines
from pumpleak.quantities.names import kind
from pumpleak.quantities.plausible import doubt


@pytest.mark.parametrize("name", ["K_o", "Na_o", "Cl_i", "aK_i"])
def test_a_column_of_values_a_thousand_times_too_small_is_molar_or_named_otherwise(name):
    values = [0.004, 0.04, 0.14]
    with pytest.raises(InputError, match=f"looks like molar.*{name}_M; if it is meant, write 4 as {name}_uM"):
        read_table(pd.DataFrame({f"{name}_mM": values, "V_m_mV": -70.0}))
    for unit, factor in (("M", 1.0), ("uM", 1000.0)):  # the mend applied
        table = read_table(pd.DataFrame({f"{name}_{unit}": np.array(values) * factor, "V_m_mV": -70.0}))
        assert table.quantities[name].tolist() == pytest.approx(
            np.array(values) * (1000 if unit == "M" else 1)
        )


@pytest.mark.parametrize(
    "column, values",
    [("K_o_mM", [0.005, 5.0]), ("K_o_mM", [0.0, 0.0]), ("Na_o_mM", [0.0, 145.0]), ("Ca_i_mM", [1e-4, 2e-4]),
     ("K_i_mM", [400.0, 1400.0]), ("Na_o_mM", [460.0, 540.0]), ("Ca_o_mM", [1e-3, 2.0]), ("K_o_uM", [10.0, 50.0]),
     ("H_o_nM", [40.0, 100.0]), ("K_pipette_mM", [3000.0, 3000.0])],
)  # fmt: skip
def test_lawful_physiology_is_not_doubted(column, values):
    read_table(pd.DataFrame({column: values, "V_m_mV": -70.0}))  # a warning is an error


@pytest.mark.parametrize(
    "key, value, match",
    [("K_o_mM", 0.005, "looks like molar"), ("H_o_mM", 7.4, "looks like a pH.*39.81 as H_o_nM"),
     ("Ca_i_mM", 100.0, "much for free Ca"), ("Na_i_mM", 2000.0, "but those of brines"),
     ("K_i", {"prior": "lognormal", "median": 0.14, "factor": 1.2, "unit": "mM"}, "looks like molar")],
)  # fmt: skip
def test_one_value_of_a_table_or_a_config_is_warned_of(key, value, match):
    with pytest.warns(InputWarning, match=match):
        parse_spec(key, value, Lines(), ("quantities", key))
    if not isinstance(value, dict):
        with pytest.warns(InputWarning, match=f"row 2, column {key}: .*{match}"):
            read_table(pd.DataFrame({key: [value], "V_m_mV": -70.0}))


def test_each_cell_of_many_is_doubted_as_a_table_is():
    table = pd.DataFrame({"cell": ["a", "a", "b", "b"], "K_o_mM": [5.0, 20.0, 0.005, 0.02], "V_m_mV": -70.0})
    (rows,) = CellTable.open(table, observables=("V_m",), by="cell").chunks(10)
    assert [(b.cell, b.row) for b in rows.bad] == [(1, 4)] and "looks like molar" in rows.bad[0].message


BATH = {"label": ["a", "b"], "V_m_mV": [-70.0, -30.0], "V_m_sem_mV": 1.0}
KNOWN = {"T": 295.15, "P_Na_rel": lognormal(0.05, 3), "Na_i": 12.0}


def test_sides_that_were_mixed_up_are_warned_of():
    table = read_table(pd.DataFrame(BATH | {"K_o_mM": [145.0, 120.0], "Na_o_mM": 12.0}))
    with pytest.warns(
        InputWarning, match="more K outside than inside in every row .K_o 145, K_i 5 mM in row 2"
    ):
        make_problem(table, KNOWN | {"K_i": 5.0})
    make_problem(table, KNOWN | {"K_i": 145.0})  # symmetrical: no warning


def test_a_cation_that_replaces_none_is_remarked_on():
    table = read_table(pd.DataFrame(BATH | {"K_o_mM": [2.5, 60.0]}))
    (remark,) = [
        a for a in make_problem(table, KNOWN | {"K_i": 140.0, "Na_o": 145.0}).assumptions if "stays" in a
    ]
    assert "147.5 to 205 mM" in remark and "`Na_o_mM: {swap_for: K_o, total: 147.5}`" in remark
    _, swap = parse_spec("Na_o_mM", {"swap_for": "K_o", "total": 147.5}, Lines(), ())  # the mend applied
    mended = make_problem(table, KNOWN | {"K_i": 140.0, "Na_o": swap})
    assert not [a for a in mended.assumptions if "stays" in a]


@pytest.mark.parametrize(
    "name, unit, values, said",
    [
        ("V_offset", "uV", [2.0], "V_offset_mV"),
        ("E_K", "uV", [-80.0], "E_K_mV"),
        ("LJP", "uV", [4.0, 5.0], "LJP_mV"),
        ("K_o", "uM", [2.5, 5.0, 10.0], None),  # it was chosen
        ("LJP", "uV", [4000.0], None),
        ("LJP", "mV", [0.05], None),
    ],
)
def test_what_is_a_thousand_times_too_small_is_said_and_not_refused(name, unit, values, said):
    found = doubt(kind(name), values, unit)
    assert (found is None) == (said is None)
    if found:
        assert not found.sure and f"the name is {said}" in found.mend
