"""Columns of salts: asked about together, and settled by the sums that the message gives."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from pumpleak import read_table
from pumpleak.data.cell_table import CellTable
from pumpleak.errors import InputError

V = [-84.0, -70.0, -60.0]

#: Columns -> what each ion comes to.
SALTS = {
    "two": ({"KCl (mM)": [5.0, 10, 20], "NaCl (mM)": [145.0, 140, 130]}, {"K_o": [5, 10, 20], "Na_o": [145, 140, 130], "Cl_o": [150] * 3}),
    "of two charges": ({"CaCl2 (mM)": [2.0, 3, 4], "NaCl": [140, 141, 142]}, {"Ca_o": [2, 3, 4], "Na_o": [140, 141, 142], "Cl_o": [144, 147, 150]}),
    "two of one cation": ({"K2SO4 [mM]": [1.0, 2, 3], "K-gluconate (mM)": [5.0, 5, 5]}, {"K_o": [7, 9, 11], "SO4_o": [1, 2, 3], "gluconate_o": [5] * 3}),
    "in words, with a side": ({"bath KCl / mM": [5.0, 6, 7], "sodium bicarbonate out (mM)": [26.0] * 3}, {"K_o": [5, 6, 7], "Cl_o": [5, 6, 7], "Na_o": [26] * 3, "HCO3_o": [26] * 3}),
    "in another unit": ({"CaCl₂ (µM)": [1500.0, 1600, 1700], "NaCl (mM)": [140.0] * 3}, {"Ca_o": [1.5, 1.6, 1.7], "Na_o": [140] * 3, "Cl_o": [143, 143.2, 143.4]}),
    "as names here": ({"KCl_o_mM": [5.0, 6, 7], "choline_chloride_o_mM": [145.0, 144, 143]}, {"K_o": [5, 6, 7], "Cl_o": [150] * 3, "choline_o": [145, 144, 143]}),
    "with charges": ({"K+ gluconate- (mM)": [5.0, 6, 7], "Na+-gluconate (mM)": [140.0] * 3}, {"K_o": [5, 6, 7], "Na_o": [140] * 3, "gluconate_o": [145, 146, 147]}),
    "inside": ({"KCl_i_mM": [140.0] * 3, "K_o_mM": [5.0, 6, 7]}, {"K_i": [140] * 3, "Cl_i": [140] * 3, "K_o": [5, 6, 7]}),
}  # fmt: skip


def test_acids_and_bases_bring_the_other_ion_alone():
    frame = pd.DataFrame({"HCl (mM)": [5.0, 6, 7], "NaOH (mM)": [3.0, 4, 5], "V_m_mV": V})
    with pytest.raises(InputError, match="the other ion alone counts") as caught:
        read_table(frame)
    better, ignore = mended(frame, caught.value)
    assert set(read_table(better, **ignore).quantities) == {"Cl_o", "Na_o"}


def mended(frame, error):
    """The table with the columns that the message gives, and the key that leaves the salts out."""
    sums = re.search(r"what all salts bring: (.*?)(?:\. )", error.mend)[1]
    more = {}
    for line in sums.split("; "):
        ion, _, terms = line.partition(" = ")
        more[ion] = sum(
            float(t.partition(" × ")[0]) * frame[t.partition(" × ")[2]] if " × " in t else frame[t]
            for t in terms.split(" + ")
        )
    return frame.assign(**more), yaml.safe_load(re.findall(r"`([^`]*)`", error.mend)[-1])


@pytest.mark.parametrize("case", SALTS)
def test_salts_are_split_and_summed_as_the_message_says(case):
    columns, right = SALTS[case]
    frame = pd.DataFrame({**columns, "Vm (mV)": V})
    with pytest.raises(InputError, match="is a salt") as caught:
        read_table(frame)
    assert caught.value.column == next(iter(columns))
    better, ignore = mended(frame, caught.value)
    m = read_table(better, **ignore)
    assert set(m.quantities) == set(right)
    for name, values in right.items():
        np.testing.assert_allclose(m.quantities[name], values, rtol=1e-12)


def test_an_ion_that_has_a_column_is_to_count_its_salts():
    frame = pd.DataFrame({"K_o_mM": [5.0, 6, 7], "KCl (mM)": [5.0, 6, 7], "V_m_mV": V})
    with pytest.raises(InputError, match="Cl_o_mM = KCl .mM.. See that K_o_mM counts what it brings"):
        read_table(frame)


def test_a_batch_asks_alike():
    frame = pd.DataFrame({"cell": ["a", "b", "c"], "KCl (mM)": [5.0, 6, 7], "NaCl (mM)": 140.0, "V_m_mV": V})
    messages = []
    for read in (read_table, lambda source: CellTable.open(source, observables=("V_m",))):
        with pytest.raises(InputError) as caught:
            read(frame)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", ["KO", "NaN count", "Nav1.5", "KCNQ", "NaCa exchanger"])
def test_what_is_no_salt_is_none(name):
    assert read_table(pd.DataFrame({name: [1, 0, 1], "K_o_mM": [5.0, 6, 7], "V_m_mV": V})).value.tolist() == V


@pytest.mark.parametrize(
    "name, parts",
    [
        ("K-Glu (mM)", ["whose Glu may be glutamate, glucose or gluconate", "by their full names"]),
        ("Na2ATP (mM)", ["what it binds", "count the cation"]),
        ("EGTA", ["what it binds", "Leave it out"]),
        ("KCl (g/L)", ["a salt in g/L", "Give its ions in mM"]),
        ("NaCl (% w/v)", ["a salt in % w/v"]),
        ("phosphate (mM)", ["HPO4 or H2PO4", "HPO4_o_mM"]),
        ("Gluc (mM)", ["gluconate or glucose", "gluconate_o_mM or glucose_o_mM"]),
    ],
)
def test_what_is_not_plain_is_told(name, parts):
    frame = pd.DataFrame({name: [5.5, 6, 7], "K_o_mM": [5.0, 6, 7], "V_m_mV": V})
    with pytest.raises(InputError) as caught:
        read_table(frame)
    assert not [part for part in parts if part not in str(caught.value)], str(caught.value)
    assert read_table(frame, ignore=[name]).ignored == (name,)


@pytest.mark.parametrize("name", ["ms", "amp", "pi", "gly", "ATPase", "glucagon"])
def test_short_words_are_no_solutes(name):
    assert read_table(pd.DataFrame({name: [5, 6, 7], "K_o_mM": [5.0, 6, 7], "V_m_mV": V})).value.tolist() == V
