"""A batch and the builder of one table refuse the same things in the same words, and else give the same density."""

import re
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from same_density import compare, member

from pumpleak import (
    Latent,
    Recording,
    Swap,
    load_problem,
    lognormal,
    make_problem,
    normal,
    read_table,
    uniform,
)
from pumpleak.batch.latents import own_recipe
from pumpleak.batch.plan import plan_batch
from pumpleak.batch.problems import CellProblems
from pumpleak.data.cell_table import CellTable
from pumpleak.errors import InputError, InputWarning

EXTRA = ("nu", "outlier_share")
some = st.sampled_from


@st.composite
def rows_of(draw, cell, columns):
    """The rows of one cell: blanks, impossible numbers and missing errors now and then."""
    n = draw(st.integers(1, 3))
    frame = pd.DataFrame({"cell": cell, "label": [f"s{i}" for i in range(n)]})
    for name, values in columns.items():
        frame[name] = [draw(some(values)) for _ in range(n)]
    for name in ("V_m", "E_K", "K_i", "K_o"):
        for part in ("sem_mV", "sd_mM"):
            value = f"{name}_{part[-2:]}"
            if f"{name}_{part}" in frame:  # an error belongs to a number
                frame.loc[frame[value].isna(), f"{name}_{part}"] = np.nan
    if "dV_m_mV" in frame:
        frame.loc[0, "dV_m_mV"] = np.nan
        frame.loc[frame["dV_m_mV"].isna(), "dV_m_sem_mV"] = np.nan
        before = [f"s{max(i - 1, 0)}" for i in range(n)]
        frame["reference"] = np.where(frame["dV_m_mV"].isna(), "", before)
    return frame


@st.composite
def cases(draw):
    """A table of a few cells, what counts as a reading, and a recipe."""
    nan = np.nan
    noise = draw(some(["normal", "normal", "student_t", "outliers"]))
    columns = {"K_o_mM": draw(some([[2.5, 5.0, 10.0], [5.0, 120.0], [5.0, 5.0, nan]]))}
    columns["V_m_mV"] = [-70.0, -60.5, -85.0, draw(some([-61.25, -95.0, nan]))]
    if draw(st.booleans()):
        columns["V_m_sem_mV"] = [1.0, 2.0, draw(some([nan, 1.5]))]
    observables = ("V_m",)
    if draw(st.booleans()):
        observables, columns["E_K_mV"] = ("V_m", "E_K"), [-90.0, -80.0, nan]
    if draw(some([False, False, True])):
        columns |= {"dV_m_mV": [5.0, nan], "dV_m_sem_mV": [1.0, draw(some([1.0, nan]))]}
    quantities = {"T": 295.0, "Na_i": draw(some([12.0, normal(12, 1), normal(10, 8)]))}
    model = draw(some(["ghk", "chord", "mullins_noda"]))
    symbol = "g" if model == "chord" else "P"
    quantities[f"{symbol}_Na_rel"] = draw(some([0.05, lognormal(0.05, 3)]))
    swap = draw(st.booleans())
    if swap:
        total = draw(
            some(
                [
                    100.0,
                    150.0,
                    lognormal(60, 2),
                    uniform(1, 8),
                    uniform(0.5, 200),
                    normal(60, 20),
                    normal(900, 3),
                ]
            )
        )
        latent = not isinstance(total, float) and draw(st.booleans())
        quantities["Na_o"] = Swap("K_o", Latent(total, by="fibre") if latent else total)
    else:
        columns["Na_o_mM"] = [140.0, draw(some([140.0, 120.0, nan]))]
    if draw(some([False, False, True])):
        columns["K_o_sd_mM"] = [0.5, draw(some([nan, 1.0]))]
    if draw(st.booleans()):
        columns |= {"K_i_mM": [120.0, 140.0], "K_i_sd_mM": [5.0, draw(some([5.0, 40.0, nan]))]}
    else:
        quantities["K_i"] = draw(some([120.0, normal(120, 20)]))
    if draw(st.booleans()):
        columns["fibre"] = ["a", draw(some(["b", ""]))]
        quantities["V_offset"] = Latent(normal(0, 2), by="fibre", pooled=draw(st.booleans()))
    elif draw(st.booleans()):
        quantities["V_offset"] = normal(0, 2)
    if draw(st.booleans()):
        columns["solution"] = ["wash", "test"]
    solutions = (
        draw(some([{}, {"test": {f"{symbol}_Na_scale": lognormal(0.5, 2)}}])) if "solution" in columns else {}
    )
    if noise == "student_t" and draw(st.booleans()):
        columns["nu"] = [4.0, draw(some([5.0, 0.5, nan]))]
    if noise == "outliers" and draw(st.booleans()):
        columns["outlier_share"] = [0.05, draw(some([0.1, 1.5]))]
    for name, value in (("sigma_V_m", 3.0), ("extra_V_m", normal(0, 1)), ("sigma_E_K", 2.0)):
        if draw(some([False, False, True])) and name.partition("_")[2] in observables:
            quantities[name] = value
    recipe = {"quantities": quantities, "solutions": solutions, "noise": noise, "model": model}
    recipe["recording"] = draw(some([None, None, Recording(0.5, -90.0), Recording(floor=-80.0)]))
    n = draw(st.integers(1, 3))
    frame = pd.concat([draw(rows_of(f"c{i}", columns)) for i in range(n)], ignore_index=True)
    if "solution" in frame and "test" not in set(frame["solution"]):
        recipe["solutions"] = {}
    return frame, observables, recipe


def alone(frame, observables, recipe):
    """The problem of one cell's rows, without what they have no part in."""
    m = read_table(frame.reset_index(drop=True), observables, quantities=EXTRA, require_readings=False)
    absent = {f"{s}_{o}" for s in ("sigma", "extra") for o in observables if o not in m.observable}
    if not m.observable:
        absent -= {"sigma_V_m", "extra_V_m"}
    there = set(m.groups.get("solution", ()))
    part = {
        "quantities": {q: s for q, s in recipe["quantities"].items() if q not in absent},
        "solutions": {s: d for s, d in recipe["solutions"].items() if s in there},
    }
    return make_problem(m, **recipe | part)


def words(error):
    """What is said, apart from where: a solution that the structure does not hang on is not named in a batch."""
    text = f"{error.problem}." + (f" {error.mend}." if error.mend else "")
    return re.sub(r" or under solutions\.\w+", "", text)


def agree(case, densities):
    """Every cell is refused or taken as its rows alone are."""
    frame, observables, recipe = case
    own, found = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        table = CellTable.open(frame, observables=observables, quantities=EXTRA)
        for cell, rows in frame.groupby("cell", sort=False):
            try:
                own[cell] = alone(rows, observables, own_recipe(recipe, table.info))
            except InputError as error:
                own[cell] = words(error)
        try:
            problems = CellProblems(recipe, table.info, shared="own")
        except InputError as error:  # of all cells; one may have a fault of its own that is told first
            assert all(isinstance(x, str) for x in own.values()), (own, words(error))
            return
        (rows,) = table.chunks(100)
        buckets, bad = problems.split(rows)
    for b in bad:
        found[rows.ids[b.cell]] = re.sub(r" or under solutions\.\w+", "", b.message)
    for bucket in buckets:
        for k, position in enumerate(bucket.members):
            found[rows.ids[position]] = (bucket.template, member(bucket.arrays, k))
    assert found.keys() == own.keys()
    for cell, mine in own.items():
        if isinstance(mine, str) or isinstance(found[cell], str):
            assert isinstance(mine, str) and isinstance(found[cell], str), (cell, mine, found[cell])
            assert found[cell].endswith(mine), (cell, mine, found[cell])
        elif densities:
            compare(mine, *found[cell], tries=50)
        else:
            assert mine.dimension == found[cell][0].dimension


ways = {"suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large], "deadline": None}


@settings(max_examples=40, **ways)
@given(cases())
@pytest.mark.thorough
def test_the_same_is_refused_in_the_same_words(case):
    agree(case, densities=False)


@pytest.mark.thorough
@settings(max_examples=20, **ways)
@given(cases())
def test_the_same_density(case):
    agree(case, densities=True)


@pytest.mark.slow
@settings(max_examples=400, **ways)
@given(cases())
def test_the_same_density_of_many(case):
    agree(case, densities=True)


@pytest.mark.parametrize(
    "total", [lognormal(150, 1.2), uniform(80, 250), normal(150, 30)], ids=lambda p: p.kind
)
@pytest.mark.thorough
def test_a_total_pooled_within_a_cell_lies_above_that_cells_own_floor(total):
    rows = {"V_m_mV": [-70.0, -60.0, -40.0], "solution": ["a", "b", "b"]}
    cells = [
        pd.DataFrame({"cell": c, "K_o_mM": k, **rows}) for c, k in (("c1", [5, 9, 20]), ("c2", [60, 5, 70]))
    ]
    quantities = {"T": 295.0, "Na_i": 12.0, "K_i": 120.0, "P_Na_rel": 0.05, "sigma_V_m": 3.0}
    quantities["Na_o"] = Swap("K_o", Latent(total, by="solution", pooled=True))
    recipe = {"quantities": quantities, "solutions": {}, "noise": "normal", "model": "ghk", "recording": None}
    agree((pd.concat(cells, ignore_index=True), ("V_m",), recipe), densities=True)


@pytest.mark.parametrize("sd", [[0.5, 0.5], [0.5, None], [None, 0.5], [None, None]], ids=str)
@pytest.mark.parametrize("total", [150.0, lognormal(150, 1.2), 30.0], ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_what_is_swapped_for_may_be_the_first_of_the_unknowns(sd, total, first):
    """Potassium known, known ± sd in some rows or all, for a total that is known, unknown, or too little in one cell."""
    quantities = {"Na_o": Swap("K_o", total)}
    rest = {"T": 295.0, "K_i": 120.0, "Na_i": 12.0, "P_Na_rel": 0.05 if first else lognormal(0.05, 3)}
    quantities = quantities | rest if first else rest | quantities
    cells = [
        pd.DataFrame({"cell": c, "K_o_mM": k, "K_o_sd_mM": sd, "V_m_mV": [-70.0, -60.0], "V_m_sem_mV": 1.0})
        for c, k in (("c1", [5.0, 9.0]), ("c2", [20.0, 40.0]))
    ]
    recipe = {"quantities": quantities, "solutions": {}, "noise": "normal", "model": "ghk", "recording": None}
    agree(
        (pd.concat(cells, ignore_index=True).astype({"K_o_sd_mM": float}), ("V_m",), recipe), densities=True
    )


# One table and a cell of many are read alike, whatever stands in them.

ODD = (
    "++70 +5 -5 \u22125 --5 1e3 1E2 5. .5 1_0 \uff11\uff10 \u0663 inf nan Infinity 5,0 1.000,5 - ? . e5 5e 0x10 1d5 true"
    " 1e999 1e-400 0.30000000000000004 123456789012345678901234567890 N/A #N/A #DIV/0! None 2024-01-02 5mM"
).split() + ["", " ", " 5 ", "\u00a05", "\x1f5", "5\u200b", "5 mM", "5 \u00b1 1", "5 +- 1"]


@st.composite
def texts_of_a_cell(draw):
    """The columns of a cell, as texts, some of them odd."""
    n = draw(st.integers(1, 4))

    def column(*good):
        often = st.sampled_from(good)
        return draw(st.lists(st.one_of(often, often, st.sampled_from(ODD)), min_size=n, max_size=n))

    columns = {"cell": ["c"] * n, "V_m_mV": column("-70.25", "-61"), "K_o_mM": column("2.5", "10")}
    for name, good in (
        ("label", ["a", "b"]),
        ("solution", ["wash", "3.0"]),
        ("plate", ["1", "2.0"]),
        ("R_in", ["0.5", "3"]),
        ("V_m_sd_mV", ["2", "4.0"]),
        ("V_m_n", ["4"]),
        ("dV_m_mV", ["5", ""]),
        ("reference", ["a", ""]),
        ("T_degC", ["22"]),
    ):
        if draw(st.sampled_from([True, False, False])):
            columns[name] = column(*good)
    return columns


def stored(columns, kind, folder):
    """The columns in a file or a DataFrame; those of plain numbers as such where it is `typed`."""
    if kind == "csv" and not any(x.strip() != x or "," in x for xs in columns.values() for x in xs):
        path = folder / "t.csv"
        path.write_text(
            "\n".join(map(",".join, [list(columns), *zip(*columns.values(), strict=True)])) + "\n"
        )
        return path
    if kind in ("csv", "tsv"):
        pd.DataFrame(columns).to_csv(
            path := folder / f"t.{kind}", index=False, sep="\t" if kind == "tsv" else ","
        )
        return path
    if kind == "typed":
        columns = {
            k: [float(x) if x.isascii() and x.isdecimal() else x for x in v] for k, v in columns.items()
        }
    frame = pd.DataFrame(columns)
    if kind == "string_view":
        return pd.DataFrame({k: pd.array(v, pd.ArrowDtype(pa.string_view())) for k, v in columns.items()})
    if kind == "parquet":
        pq.write_table(pa.table(columns), path := folder / "t.parquet")
        return path
    return frame


def one_table(source, recipe):
    m = read_table(source, require_readings=False)
    return make_problem(m, **recipe)


def one_cell(source, recipe):
    """The template and the arrays of the only cell, or what is said of it."""
    table = CellTable.open(source, observables=("V_m",))
    problems = CellProblems(recipe, table.info)
    (rows,) = table.chunks(1)
    buckets, bad = problems.split(rows)
    return bad[0].message if bad else (buckets[0].template, member(buckets[0].arrays, 0))


def outcome(of, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        try:
            return of(*args)
        except InputError as error:
            return str(error)


KINDS_OF_STORE = ["csv", "tsv", "parquet", "frame", "typed", "string_view"]


def read_alike(columns, kind, folder):
    """One table and one cell are refused in the same words, or have the same density."""
    source = stored(columns, kind, folder)
    given = {"K_i": normal(120, 20), "Na_i": 12.0, "Na_o": 140.0, "P_Na_rel": lognormal(0.05, 3)}
    given |= {} if "T_degC" in columns else {"T": 295.0}
    recipe = {"quantities": given, "noise": "normal"}
    table, cell = outcome(one_table, source, recipe), outcome(one_cell, source, recipe)
    if not isinstance(table, str) and not isinstance(cell, str):
        compare(table, *cell, tries=5)
        return
    assert isinstance(table, str) and isinstance(cell, str), (columns, table, cell)
    table = table.replace("every value of the column", "every value of the cell")
    if "is in the table" not in table and "is neither a column" not in table:
        assert table == cell, columns


@settings(max_examples=100, **ways)
@given(texts_of_a_cell(), st.sampled_from(KINDS_OF_STORE))
@pytest.mark.thorough
def test_one_table_and_one_cell_read_the_same(tmp_path_factory, columns, kind):
    read_alike(columns, kind, tmp_path_factory.mktemp("odd"))


@pytest.mark.thorough
@settings(max_examples=1000, **ways)
@given(texts_of_a_cell(), st.sampled_from(KINDS_OF_STORE))
def test_many_tables_and_cells_read_the_same(tmp_path_factory, columns, kind):
    read_alike(columns, kind, tmp_path_factory.mktemp("odd"))


def concentration(source):
    return read_table(source).quantities["K_o"][1]


def concentration_of_cell(source):
    (rows,) = CellTable.open(source, observables=("V_m",)).chunks(1)
    return rows.bad[0].message if rows.bad else rows.quantities["K_o"][1]


@pytest.mark.parametrize("kind", KINDS_OF_STORE)
def test_a_number_is_what_a_reader_would_write_as_one(tmp_path, kind):
    plain = re.compile(r"\+?(\d+[.,]?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
    for text in ODD:
        source = stored({"cell": ["c"] * 2, "V_m_mV": ["-70", "-60"], "K_o_mM": ["7", text]}, kind, tmp_path)
        found, of_cell = outcome(concentration, source), outcome(concentration_of_cell, source)
        number = text.strip().replace(",", ".")  # no other number has a mark: a comma is that of decimals
        if plain.fullmatch(text.strip()) and float(number) < 3000:
            assert found == of_cell == float(number), text
        elif text.strip():
            assert isinstance(found, str) and found == of_cell, text
            assert "row 3, column K_o_mM: " in found, text
        else:
            assert np.isnan(found) and np.isnan(of_cell), text


@pytest.mark.parametrize("kind", KINDS_OF_STORE)
@pytest.mark.parametrize("V_m, K_o", [("-70,5", "2.5"), ("-70", "2.5"), ("-70.5", "7")])
def test_decimal_commas_beside_decimal_points_are_refused(tmp_path, kind, V_m, K_o):
    columns = {"cell": ["c"] * 2, "V_m_mV": [V_m, "-60"], "K_o_mM": [K_o, "5,0"]}
    source = stored(columns, kind, tmp_path)
    found, of_cell = outcome(concentration, source), outcome(concentration_of_cell, source)
    assert found == of_cell
    right, row, name = ("-70.5", 2, "V_m_mV") if "," in V_m else ("5.0", 3, "K_o_mM")
    assert f"row {row}, column {name}: " in found and f"has a decimal comma. Write {right}" in found
    columns = {name: [x.replace(",", ".") for x in texts] for name, texts in columns.items()}
    source = stored(columns, kind, tmp_path)
    assert outcome(concentration, source) == outcome(concentration_of_cell, source) == 5.0


@pytest.mark.parametrize("missing", [{}, {"E_K_mV": [""] * 2}])
def test_a_table_without_a_reading_that_is_asked_for_is_refused_alike(tmp_path, missing):
    columns = {"cell": ["c"] * 2, "V_m_mV": ["-70", "-60"], "K_o_mM": ["5", "9"], "Na_o_mM": ["140"] * 2}
    config = {
        "data": str(stored(columns | missing, "parquet", tmp_path)),
        "observables": ["V_m", "E_K"],
        "quantities": {
            "T": "22 degC",
            "K_i_mM": 120,
            "Na_i_mM": 12,
            "P_Na_rel": {"prior": "beta", "a": 1, "b": 9},
        },
    }
    said = outcome(load_problem, config)
    assert "t.parquet has no reading of E_K. Add a column E_K_mV, or take E_K out of observables" in said
    assert outcome(lambda: plan_batch(config, out=tmp_path / "run")) == said


def test_a_table_in_which_nothing_can_be_read_is_a_cell_without_readings(tmp_path):
    read_alike({"cell": ["c"] * 2, "K_o_mM": ["5", "9"]}, "csv", tmp_path)


def test_rows_alike_in_one_cell_of_many_stay_rows_of_their_own():
    """The first of forty-one cells has two rows alike: too few to be a structure, and no pattern for the others."""
    frame = pd.DataFrame(
        {"cell": np.repeat([f"c{i}" for i in range(41)], 2), "Na_o_mM": 140.0, "V_m_mV": -70.0}
    )
    frame["K_o_mM"] = 5.0 + np.where(frame.index % 2, frame.index // 2, 0)
    table = CellTable.open(frame, observables=("V_m",), quantities=EXTRA)
    known = {"T": 295.0, "Na_i": 12.0, "K_i": 120.0, "P_Na_rel": lognormal(0.05, 3)}
    recipe = {"quantities": known, "solutions": {}, "noise": "normal", "model": "ghk", "recording": None}
    (rows,) = table.chunks(100)
    (bucket,), bad = CellProblems(recipe, table.info, shared="own").split(rows)
    assert not bad and len(bucket.members) == 41 and bucket.template.condition.tolist() == [0, 1]
    np.testing.assert_allclose(bucket.arrays.known["K_o"][:, 1], 5.0 + np.arange(41))
