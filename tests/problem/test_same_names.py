"""A name that occurs in two groups is asked about, each way out gives what it says, and plain tables are left alone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumpleak import InputError, Latent, lognormal, make_problem, read_table
from pumpleak.problem.levels import Codes
from pumpleak.problem.same_names import _crossed, baths_of
from pumpleak.quantities.labels import unit_rank

PRIOR = lognormal(0.05, 3)
HELD = {"T": 298.15, "K_i": 140.0, "Na_i": 12.0, "Na_o": 120.0, "sigma_V_m": 1.0}


def table(K_o=(5.0, 20.0), **labels):
    """Two cells in each of two groups, every one in the same baths; labels by column, in rows of groups and cells."""
    rows = [
        {name: texts[k] for name, texts in labels.items()} for k in range(len(next(iter(labels.values()))))
    ]
    rows = [row | {"K_o_mM": K, "V_m_mV": -60.0 + k} for k, row in enumerate(rows) for K in K_o]
    return read_table(pd.DataFrame(rows))


def problem(m, by, pooled=False, **known):
    same = known.pop("same_cells", None)
    given = {**HELD, "P_Na_rel": Latent(PRIOR, by=by, pooled=pooled)} | known
    return make_problem(m, given, same_cells=same)


def levels(p, name="P_Na_rel"):
    return next(q.levels for q in p.parameters if q.name == name)


REUSED = [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("of", "column", "texts"),
    [
        ("cell", "genotype", ["WT", "WT", "KO", "KO"]),
        ("well", "plate", [1, 1, 2, 2]),
        ("cell", "Mouse ID", [11, 11, 12, 12]),
        ("cell", "date", ["2026-03-01", "2026-03-01", "2026-03-02", "2026-03-02"]),
        ("slice", "animal", ["a", "a", "b", "b"]),
        ("fibre", "muscle_type", ["fast", "fast", "slow", "slow"]),
        ("neuron", "genotype", ["", "", "KO", "KO"]),
        ("nr", "genotype", ["WT", "WT", "KO", "KO"]),  # whatever is counted afresh is a unit
        ("cell", "arm", ["x", "x", "y", "y"]),  # of no known kind, and every bath twice
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_reused_name_is_refused_and_both_ways_out_are_open(of, column, texts, turned):
    order = [0, 2, 1, 3] if turned else [0, 1, 2, 3]  # as sorted by group, and by cell
    m = table(**{of: [REUSED[k] for k in order], column: [texts[k] for k in order]})
    with pytest.raises(InputError, match=f"{of} . is in .* and in .*") as error:
        problem(m, of, pooled=True)
    assert "same_cells: [" in str(error.value) and f"{of}], pooled: [{of}]" in str(error.value)
    assert len(levels(problem(m, of, same_cells=[column]))) == 2
    assert len(levels(problem(m, of, same_cells=True))) == 2
    if "" not in texts:
        apart = {} if unit_rank(column) is not None else {"same_cells": False}
        assert bool(apart) == ("and `same_cells: false`" in str(error.value))
        names = levels(problem(m, (column, of), pooled=(of,), **apart))
        assert set(names) == {f"{t}-{k}" for t, k in zip(texts, REUSED, strict=True)}
        assert levels(problem(m, (column, of), **apart)) == names


@pytest.mark.parametrize(
    ("by", "labels", "K_o"),
    [
        ("cell", {"cell": ["a1", "a2", "b1", "b2"], "genotype": ["WT", "WT", "KO", "KO"]}, (5, 20)),
        ("cell", {"cell": REUSED, "solution": ["low", "low", "high", "high"]}, (5,)),
        ("genotype", {"cell": ["a", "b", "c", "d"], "genotype": ["WT", "WT", "KO", "KO"]}, (5,)),
        ("animal", {"cell": ["a", "b", "c", "d"], "animal": [1, 1, 2, 2], "depth": [31, 44, 52, 41]}, (5,)),
        ("drug", {"drug": ["none", "Ba", "none", "Ba"], "cell": ["a", "a", "b", "b"]}, (5,)),
        ("cell", {"cell": REUSED, "replicate": [1, 1, 2, 2]}, (5,)),
        ("cell", {"cell": REUSED, "mouse weight": [20, 20, 25, 25]}, (5, 20)),
        ("cell", {"cell": REUSED, "animal_age": [3, 3, 4, 4]}, (5, 20)),
        ("cell", {"cell": REUSED, "fibre diameter": [30, 30, 40, 40]}, (5, 20)),
        ("cell", {"cell": REUSED, "note": ["", "", "dim", ""]}, (5,)),
        ("cell", {"cell": REUSED, "access": [12, 13, 15, 11]}, (5,)),
        ("cell", {"cell": REUSED, "trace": ["t1", "t2", "t3", "t4"]}, (5,)),
        ("electrode", {"electrode": ["e", "f", "e", "f"], "animal": ["m", "m", "n", "n"]}, (5,)),
    ],
)
def test_plain_tables_are_not_asked(by, labels, K_o):
    assert problem(table(K_o, **labels), by).parameters


def paired(column="treatment"):
    return table((5.0,), cell=["c1", "c1", "c2", "c2"], **{column: ["control", "drug"] * 2})


@pytest.mark.parametrize("column", ["treatment", "drug", "condition", "group"])
def test_control_and_drug_in_one_cell_are_paired_by_the_line_that_is_offered_first(column):
    m = paired(column)
    with pytest.raises(InputError) as error:
        problem(m, (column, "cell"), pooled=("cell",))
    line = f"P_Na_scale: {{prior: lognormal, median: 1, factor: 3, by: {column}, reference: control}}"
    assert line in str(error.value) and str(error.value).index(line) < str(error.value).index(
        "same_cells: false"
    )
    assert "If one cell had both, write P_Na_rel `by: cell, pooled: true` and " in str(error.value)
    assert levels(problem(m, (column, "cell"), pooled=("cell",), same_cells=False))[0] == "control-c1"
    scale = Latent(lognormal(1, 3), by=column, reference="control")
    same = [column] if unit_rank(column) is None and column == "group" else None
    p = problem(m, "cell", pooled=True, P_Na_scale=scale, same_cells=same)
    assert levels(p) == ("c1", "c2") and levels(p, "P_Na_scale") == ("drug",)
    sites = {s.name: np.full(s.shape, 0.5) for s in p.sites} | {"P_Na_scale": np.array([7.0])}
    scales = np.asarray(p.values(p.natural(sites))["P_Na_scale"])[p.condition]
    assert scales.tolist() == [1.0, 7.0, 1.0, 7.0]


def test_a_drug_that_nobody_uses_is_asked_about_with_the_paired_way_first():
    with pytest.raises(InputError, match=r"If it is one, .*P_Na_scale.*reference: control.*If they are two"):
        problem(paired(), "cell")
    assert problem(paired(), "cell", same_cells=["treatment"])


def test_a_reference_is_a_level_and_its_quantity_has_a_default():
    with pytest.raises(InputError, match="no default .* Give P_Na_scale by: treatment"):
        make_problem(paired(), {**HELD, "P_Na_rel": Latent(PRIOR, by="treatment", reference="control")})
    with pytest.raises(InputError, match="level 'contrl'.*control"):
        problem(paired(), "cell", P_Na_scale=Latent(lognormal(1, 3), by="treatment", reference="contrl"))
    with pytest.raises(InputError, match="same_cells"):
        problem(paired(), "cell", same_cells=["treatmnt"])


def test_labels_are_a_column_as_any_other():
    m = read_table(pd.DataFrame({"label": ["A", "B", "A"], "K_o_mM": 5.0, "V_m_mV": [-60.0, -50.0, -61.0]}))
    assert levels(problem(m, "label")) == ("A", "B")
    bare = read_table(pd.DataFrame({"K_o_mM": [5.0, 5.0], "V_m_mV": [-60.0, -50.0]}))
    with pytest.raises(InputError, match="label"):
        problem(bare, "label")


@settings(max_examples=40, deadline=None)
@given(
    groups=st.integers(2, 3),
    cells=st.integers(1, 3),
    column=st.sampled_from(["genotype", "plate", "donor", "Date", "cell_line", "culture no"]),
    style=st.sampled_from(["{}", "c{}", "cell {}", "A0{}"]),
    seed=st.integers(0, 99),
)
def test_units_are_never_merged_in_silence(groups, cells, column, style, seed):
    """Whatever the order of rows: refused, or as many units as there are when told by both columns."""
    rows = [(f"g{g}", style.format(k)) for g in range(groups) for k in range(cells)]
    rng = np.random.default_rng(seed)
    own = rng.random() < 0.3
    rows = [(g, f"{g}_{c}" if own else c) for g, c in rng.permutation(rows)]
    m = table((5.0,), **{column: [g for g, _ in rows], "cell": [c for _, c in rows]})
    assert len(levels(problem(m, (column, "cell")))) == groups * cells
    if own:
        assert len(levels(problem(m, "cell"))) == groups * cells
    else:
        with pytest.raises(InputError, match="or two of one name"):
            problem(m, "cell")


@pytest.mark.parametrize("column", ["slice", "Mouse ID", "dish"])
def test_units_numbered_with_a_point_tell_cells_apart_as_whole_numbers_do(column):
    m = table(**{column: [1.1, 1.1, 2.1, 2.1], "cell": ["c1", "c2", "c1", "c2"]})
    assert set(m.groups[column]) == {"1.1", "2.1"}
    with pytest.raises(InputError, match=f"cell c1 is in {column} 1.1 and in {column} 2.1"):
        problem(m, "cell")
    assert len(levels(problem(m, (column, "cell")))) == 4
    assert len(levels(problem(m, "cell", same_cells=[column]))) == 2


@pytest.mark.parametrize("column", ["mouse weight", "animal_age", "cell size"])
def test_what_was_measured_of_a_unit_is_no_unit(column):
    assert column not in table(**{column: [20.5, 21.5], "cell": ["a", "b"]}).groups


@pytest.mark.parametrize(
    ("units", "others", "baths", "found"),
    [
        ("cabc", "xxyy", "0000", (0, 3)),  # each level is that of another unit too
        ("cabc", "xxyy", "0001", None),  # in another bath
        ("ccb", "xyx", "000", None),  # y is c's alone
        ("ccbb", "xyxy", "0000", (0, 1)),
        ("c-bc", "xxy-", "0000", None),  # blank
        ("ccbb", "1212", "0000", (0, 1)),  # numbers that every unit has
        ("ccbba", "12121", "00000", None),  # or not every one: noted at each reading
    ],
)
def test_a_unit_in_one_bath_under_two_levels_that_others_have_too(units, others, baths, found):
    def codes(texts):
        names = sorted(set(texts) - {"-"})
        return Codes(np.array([names.index(t) if t != "-" else -1 for t in texts]), tuple(names))

    assert _crossed(codes(units), codes(others), np.array([int(b) for b in baths])) == found


def test_baths_differ_by_what_is_in_them_and_what_is_blocked():
    names = ["K_o", "T", "K_i", "P_Na_rel", "P_Na_scale", "pump", "LJP", "V_offset"]
    columns = {q: np.array([k]) for k, q in enumerate(names)}
    assert {names[int(c[0])] for c in baths_of(columns)} >= {"K_o", "P_Na_scale", "pump"}
    assert not {names[int(c[0])] for c in baths_of(columns)} & {"K_i", "P_Na_rel", "V_offset"}
