"""Label columns that nothing is given by: which they are, in which order, and the line that would use them."""

import pandas as pd
import pytest

from pumpleak import read_table
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
