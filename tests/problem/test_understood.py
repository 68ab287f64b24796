"""What is known, before anything is run: each quantity of each row and where it comes from, baths, corrected readings."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import Swap, lognormal, make_problem, nernst_potential, normal, read_table
from pumpleak.problem.understood import understood

TABLE = {
    "label": ["a", "b", "c"],
    "solution": ["", "wash", "wash"],
    "K_o_mM": [2.5, 10.0, 20.0],
    "V_m_mV": -70.0,
}
KNOWN = {"T": 307.15, "P_Na_rel": lognormal(0.05, 3), "K_i": 140.0, "Na_i": lognormal(12.0, 1.5),
         "Na_o": Swap("K_o", 150.0)}  # fmt: skip


def problem_of(quantities, observables=("V_m",), solutions=None, table=TABLE):
    known = KNOWN | {f"sigma_{o}": 1.0 for o in observables} | quantities
    return make_problem(read_table(pd.DataFrame(table), list(observables)), known, solutions=solutions or {})


def found(problem, name):
    """Of each source: where from, the rows, the values, and the prior in words."""
    return [
        (q.source, q.rows.tolist(), q.values.tolist(), q.unknown)
        for q in understood(problem).quantities
        if q.quantity == name
    ]


def test_every_quantity_of_every_row_has_its_value_and_where_that_is_from():
    problem = problem_of({"LJP": 3.0}, solutions={"wash": {"LJP": -2.0}})
    rows = [0, 1, 2]
    assert found(problem, "K_o") == [("table", rows, [2.5, 10.0, 20.0], "")]
    assert found(problem, "Na_o") == [("quantities.Na_o", rows, [147.5, 140.0, 130.0], "")]
    assert found(problem, "gamma_o") == [("default", rows, [1.0] * 3, "")]
    assert found(problem, "LJP") == [
        ("quantities.LJP", [0], [3.0], ""),
        ("solutions.wash.LJP", [1, 2], [-2.0, -2.0], ""),
    ]
    ((source, _, values, prior),) = found(problem, "P_Na_rel")
    assert (source, prior) == ("quantities.P_Na_rel", "median 0.05, factor 3")
    assert values == pytest.approx([0.05] * 3)
    assert all(sum(len(q[1]) for q in found(problem, name)) == 3 for name in problem.slots)


def test_a_quantity_known_in_some_rows_only_is_told_apart():
    blank = dict(TABLE, K_o_mM=[2.5, np.nan, np.nan])
    problem = problem_of({"Na_o": 150.0}, solutions={"wash": {"K_o": normal(40, 2)}}, table=blank)
    first, second = found(problem, "K_o")
    assert first == ("table", [0], [2.5], "") and second[0] == "solutions.wash.K_o" and second[3] == "40 ± 2"


def test_a_swap_for_what_is_unknown_says_so():
    problem = problem_of({"Na_o": Swap("K_o", normal(150, 5))})
    ((_, _, values, prior),) = found(problem, "Na_o")
    assert prior == "150 ± 5, minus K_o" and values == pytest.approx([147.5, 140.0, 130.0])


def test_baths_have_their_charge_strength_and_nernst_potentials():
    first, *_ = understood(problem_of({"Cl_o": 150.0})).baths
    assert first.rows.tolist() == [0] and first.ions == {"Cl": 150.0, "K": 2.5, "Na": 147.5}
    assert (first.positive, first.negative, first.ionic_strength) == (150.0, 150.0, 150.0)
    E = [nernst_potential(o, i, 1, 307.15) for o, i in ((2.5, 140.0), (147.5, 12.0))]
    assert [first.E["K"], first.E["Na"]] == pytest.approx([float(x) for x in E])


@pytest.mark.parametrize(
    "observable, read, quantities, V_m",
    [
        ("V_m", -79.2, {"LJP": -14.0}, -65.2),
        ("V_m", -79.2, {"LJP": 14.0}, -93.2),
        ("V_m", -50.0, {"shunt_rel": 0.5, "V_offset": normal(0, 2)}, -75.0),
        ("dye", 85.45, {"dye_F0": 100.0, "dye_slope": 0.2, "LJP": 5.0}, -72.75),
        ("dye_log", 0.3, {"dye_F0": 1.0, "dye_slope": -0.5}, -60.0),
        ("V_patch", -78.0, {"K_pipette": 140.0, "LJP": 4.0}, -82.0),
    ],
)
def test_a_reading_stands_beside_the_potential_it_stands_for(observable, read, quantities, V_m):
    name = observable if observable.startswith("dye") else f"{observable}_mV"
    table = {k: v for k, v in TABLE.items() if k != "V_m_mV"} | {name: read}
    (first, *_) = understood(problem_of(quantities, [observable], table=table)).readings
    assert (first.reading, first.value) == ("a", read) and first.V_m == pytest.approx(V_m)
