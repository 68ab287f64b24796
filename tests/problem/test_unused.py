"""Label columns that nothing is given by: which they are, in which order, and the line that would use them."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from pumpleak import Latent, lognormal, make_problem, read_table
from pumpleak.batch.plan import plan_batch
from pumpleak.problem.unused import lines_that_use, unused_labels

UNITS = {
    "genotype": list("wwwwkkkk"),
    "date": list("12121212"),
    "animal": list("aabbccdd"),
    "slice": list("pqrstuvw"),
    "cell": list("abacabac"),
}
OTHERS = {"shade": list("xyxyxyxy"), "flavour": list("xxyyxxyy")}


def labelled(**columns):
    return read_table(pd.DataFrame({"K_o_mM": 5.0, "V_m_mV": [-70.0 - k for k in range(8)], **columns}))


@pytest.mark.parametrize(
    "names", [list(UNITS), list(UNITS)[::-1], ["cell", "genotype", "slice", "date", "animal"]]
)
def test_from_genotypes_to_cells_and_then_what_was_done_to_them(names):
    m = labelled(shade=OTHERS["shade"], **{name: UNITS[name] for name in names}, flavour=OTHERS["flavour"])
    assert unused_labels(m, ()) == (*UNITS, "shade", "flavour")
    assert unused_labels(m, ("animal", "shade")) == ("genotype", "date", "slice", "cell", "flavour")


def test_columns_that_tell_nothing_are_left_out():
    m = labelled(
        drug=["x"] * 8,
        age=list("12121212"),
        sweep=list("12341234"),
        note=list("abcdefgh"),
        tag=list("stuvwxyz"),
    )
    assert unused_labels(m, ()) == ()
    assert unused_labels(labelled(shade=["x", "", "x", "", "x", "x", "x", "x"]), ()) == (
        "shade",
    )  # blank is a level


@pytest.mark.parametrize("names", [["genotype", "cell"], ["cell", "genotype"]])
def test_the_line_goes_from_the_coarsest_to_the_finest(names):
    m = labelled(**{name: UNITS[name] for name in names})
    assert lines_that_use(m, names, "P_Na_rel") == ("P_Na_rel: {…, by: [genotype, cell], pooled: [cell]}",)


def many(**columns):
    K_o = np.tile([2.5, 5.0, 10.0, 20.0], 800)
    table = pd.DataFrame({"K_o_mM": K_o, "Na_o_mM": 150 - K_o, "V_m_mV": -70.0 + K_o, **columns})
    return table.assign(K_i_mM=140.0, Na_i_mM=10.0, T_degC=37.0)


def batches(table, **quantities):
    """The remark that a table may be a batch, and its `batch:` section; None: there is none."""
    problem = make_problem(
        read_table(table), {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0, **quantities}
    )
    said = [a for a in problem.assumptions if "is this a batch" in a]
    assert len(said) < 2 and all("\n" not in a for a in said)
    return (said[0], yaml.safe_load(re.search(r"`(batch: \{.*?\})`", said[0])[1])) if said else None


COUNTED = np.repeat(np.arange(160), 20)
NAMES = {
    "cell": ({"cell": [f"c{k}" for k in COUNTED]}, "cell"),
    "wells of plates": (
        {"plate": [f"p{k // 40}" for k in COUNTED], "well": [f"w{k % 40}" for k in COUNTED]},
        ["plate", "well"],
    ),
    "cells that the mice only hold": (
        {"mouse": [f"m{k // 40}" for k in COUNTED], "cell": [f"c{k}" for k in COUNTED]},
        "cell",
    ),
    "no known word": ({"Tag: #": [f"x{k}y" for k in COUNTED], "side": ["l", "r"] * 1600}, "Tag: #"),
}


@pytest.mark.parametrize("name", NAMES)
def test_very_many_readings_of_very_many_cells_may_be_a_batch_and_the_line_says_how(name, tmp_path):
    columns, by = NAMES[name]
    table = many(**columns)
    said, config = batches(table)
    assert said.startswith("3,200 readings of 160 levels of ") and config == {"batch": {"by": by}}
    prior = {"prior": "lognormal", "median": 0.05, "factor": 3}
    config |= {"quantities": {"P_Na_rel": prior, "sigma_V_m_mV": 1.0}}
    assert plan_batch(config, table, out=tmp_path / "run")["n_cells"] == 160


def test_few_readings_few_levels_and_levels_that_are_told_apart_are_no_batch():
    cells = [f"c{k}" for k in COUNTED]
    assert batches(many(cell=cells)[:2900]) is None
    assert batches(many(cell=[f"c{k % 50}" for k in COUNTED])) is None
    assert batches(many(note=cells, side=["l", "r"] * 1600)) is None
    each = {"P_Na_rel": Latent(lognormal(0.05, 3), by="cell")}
    assert batches(many(cell=cells), **each) is None
    assert batches(many(cell=cells, animal=[f"m{k // 4}" for k in COUNTED]), **each) is None
