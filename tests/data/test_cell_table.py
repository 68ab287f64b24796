"""Cells of a table: each cell of a batch has the density that its own rows give; bad cells are told apart."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from same_density import compare, member

from pumpleak import Latent, Swap, celsius, lognormal, make_problem, normal, read_table, uniform
from pumpleak.batch.latents import pooled_latents, shared_latents
from pumpleak.batch.problems import CellProblems
from pumpleak.data import cell_table
from pumpleak.data.cell_table import CellTable
from pumpleak.errors import InputError

# Made-up baths do not balance.
pytestmark = pytest.mark.filterwarnings("ignore:.*do not balance:pumpleak.errors.InputWarning")

BASIC = {"T": celsius(22), "K_i": normal(120, 20), "Na_i": 12.0, "P_Na_rel": lognormal(0.05, 4)}


def recipe(quantities=None, **options):
    return {"quantities": BASIC if quantities is None else quantities, "noise": "normal"} | options


def cells(n=12, seed=0, rows=(4, 6), **columns):
    """A tidy table of n cells with differing numbers of rows; a column is a function of (rng, rows)."""
    rng = np.random.default_rng(seed)
    frames = []
    for c in range(n):
        k = int(rng.integers(*rows))
        base = {
            "K_o_mM": lambda r, k: r.choice([2.5, 5.0, 10.0, 20.0], k),
            "Na_o_mM": lambda r, k: r.normal(140, 5, k).round(1),
            "V_m_mV": lambda r, k: r.normal(-70, 10, k).round(2),
        }
        frames.append(
            pd.DataFrame(
                {"cell": f"c{c}"} | {x: f(rng, k) for x, f in (base | columns).items()}, index=range(k)
            )
        )
    return pd.concat(frames, ignore_index=True)


def split(table, given, size=1000, observables=("V_m",), **options):
    opened = CellTable.open(
        table, observables=observables, **{k: v for k, v in options.items() if k != "shared"}
    )
    problems = CellProblems(given, opened.info, shared=options.get("shared", "refuse"))
    return [(rows, *problems.split(rows)) for rows in opened.chunks(size)]


def same_density(frame, given, observables=("V_m",), chunk=1000, flagged=0, alone=None, **options):
    """Each cell's potential, at draws from its prior, is that of the problem of its rows alone."""
    seen = bad = 0
    templates = set()
    for rows, buckets, refused in split(frame, given, chunk, observables, **options):
        bad += len(refused)
        for template, members, arrays in buckets:
            templates.add(id(template))
            for k, position in enumerate(members):
                own = frame[frame["cell"] == rows.ids[position]].reset_index(drop=True)
                one = make_problem(read_table(own, observables, require_readings=False), **(alone or given))
                compare(one, template, member(arrays, k))
                seen += 1
    assert (seen, bad) == (frame["cell"].nunique() - flagged, flagged)
    return len(templates)


def with_blanks(values, share):
    return lambda r, k: np.where(r.random(k) < share, np.nan, values(r, k))


# The same density.


@pytest.mark.thorough
def test_rows_and_blanks():
    frame = cells(9, rows=(1, 9), V_m_mV=with_blanks(lambda r, k: r.normal(-70, 10, k), 0.3))
    assert same_density(frame, recipe(), chunk=7) < 30
    assert same_density(cells(4), recipe(noise="student_t"))


@pytest.mark.thorough
def test_a_cell_without_readings_is_a_member():
    frame = cells(3, rows=(3, 4), V_m_mV=lambda r, k: np.full(k, np.nan))
    frame.loc[0, "V_m_mV"] = -70.0
    same_density(frame, recipe())
    ((_, buckets, _),) = split(frame, recipe())
    assert sum(int(b.arrays.mask.sum()) for b in buckets) == 1


@pytest.mark.thorough
def test_errors_and_counts():
    frame = cells(
        10,
        V_m_mV=lambda r, k: r.normal(-70, 10, k),
        V_m_sd_mV=with_blanks(lambda r, k: r.uniform(1, 4, k), 0.4),
        V_m_n=lambda r, k: r.integers(1, 9, k),
    )
    same_density(frame, recipe())
    same_density(frame.rename(columns={"V_m_sd_mV": "V_m_sem_mV"}), recipe())


@pytest.mark.thorough
def test_swaps():
    base = {**BASIC, "P_Cl_rel": 0.3, "Cl_i": 10.0}
    known = recipe({**base, "Na_o": Swap("K_o", 150.0)}, ions=("K", "Na", "Cl"))
    frame = cells(5, Cl_o_mM=lambda r, k: np.full(k, 150.0)).drop(columns="Na_o_mM")
    same_density(frame, known)
    for total in (lognormal(60, 2), uniform(0.5, 200), normal(60, 20), normal(150, 3)):
        own = recipe({**base, "Na_o": Swap("K_o", Latent(total, by="cell"))}, ions=("K", "Na", "Cl"))
        same_density(frame, own)


@pytest.mark.thorough
def test_solutions():
    frame = cells(8, solution=lambda r, k: np.array(["Ringer", "Na-free"] * k)[:k], rows=(2, 7))
    given = recipe(solutions={"Na-free": {"P_Na_scale": lognormal(0.5, 2)}, "Ringer": {"Cl_o": 120.0}})
    same_density(frame, given)


@pytest.mark.parametrize("names", ["ab", "own"])
@pytest.mark.thorough
def test_levels_within_a_cell(names):
    def fibre(r, k):
        return [f"f{r.integers(2)}" if names == "ab" else f"f{r.integers(10**6)}" for _ in range(k)]

    frame = cells(10, fibre=fibre, rows=(2, 7))
    for pooled in (False, True):
        given = recipe(BASIC | {"V_offset": Latent(normal(0, 2), by="fibre", pooled=pooled)})
        same_density(frame, given)


@pytest.mark.thorough
def test_differences():
    def paired(r, k):
        return np.where(np.arange(k) < 1, np.nan, r.normal(5, 2, k))

    frame = cells(
        7,
        rows=(2, 6),
        label=lambda r, k: [f"s{i}" for i in range(k)],
        dV_m_mV=paired,
        dV_m_sem_mV=lambda r, k: np.where(np.arange(k) < 1, np.nan, 1.5),
        reference=lambda r, k: ["", *[f"s{i - 1}" for i in range(1, k)]],
    )
    same_density(frame, recipe())
    same_density(frame.drop(columns="V_m_mV"), recipe())


@pytest.mark.thorough
def test_inside_with_an_error():
    quantities = {q: s for q, s in BASIC.items() if q != "K_i"}
    frame = cells(
        20,
        K_i_mM=lambda r, k: np.full(k, r.normal(120, 5)),
        K_i_sd_mM=lambda r, k: np.full(k, r.uniform(5, 30)),
    )
    same_density(frame, recipe(quantities))
    ((_, buckets, _),) = split(frame, recipe(quantities))
    assert {p.name for b in buckets for p in b.template.parameters} >= {"K_i"}
    several = cells(
        12, K_i_mM=lambda r, k: r.choice([100.0, 120.0], k), K_i_sd_mM=lambda r, k: np.full(k, 9.0)
    )
    same_density(several, recipe(quantities))


@pytest.mark.thorough
def test_several_observables():
    frame = cells(7, E_K_mV=with_blanks(lambda r, k: r.normal(-90, 5, k), 0.5), rows=(2, 6))
    frame.loc[frame["cell"] == "c1", "E_K_mV"] = np.nan
    frame.loc[0, "V_m_mV"] = -70.0
    same_density(frame, recipe(), ("V_m", "E_K"))


def test_the_scatter_of_what_is_no_potential_has_each_cells_own_size():
    """Twice the middle standard error of the cell's own readings, as of a table of that cell alone."""
    frame = cells(
        7,
        dye=lambda r, k: r.normal(90, 5, k).round(2),
        dye_sem=lambda r, k: r.uniform(0.1, 9, k),
        rows=(3, 6),
    )
    same_density(frame, recipe(BASIC | {"dye_F0": 100.0, "dye_slope": 0.2}), ("V_m", "dye"))


def test_defaults_where_a_column_is_blank():
    frame = cells(
        12,
        P_Na_scale=with_blanks(lambda r, k: r.choice([1.0, 2.0], k), 0.5),
        LJP_mV=with_blanks(lambda r, k: r.normal(3, 1, k), 0.5),
    )
    same_density(frame, recipe())


@pytest.mark.thorough
def test_pump_leak_acute():
    from pumpleak.cell.load import load_preset

    frame = cells(
        3,
        rows=(2, 5),
        label=lambda r, k: ["rest", *[f"x{i}" for i in range(1, k)]],
        protocol=lambda r, k: ["steady", *["acute"] * (k - 1)],
        baseline=lambda r, k: ["", *["rest"] * (k - 1)],
        K_o_mM=lambda r, k: [4.0, *r.choice([2.0, 10.0], k - 1)],
        Na_o_mM=lambda r, k: np.full(k, 145.0),
        Cl_o_mM=lambda r, k: np.full(k, 119.0),
    )
    given = recipe(
        {"T": celsius(37), "g_Na_rel": lognormal(0.05, 2)}, model="pump_leak", cell=load_preset("neuron")
    )
    same_density(frame, given)
    plain = frame.drop(columns=["protocol", "baseline"])
    same_density(plain, given | {"protocol": "acute", "baseline": "rest"})


def test_padding_counts_for_nothing():
    """Five rows stand in eight places... of six: the sixth repeats the first, and is not read."""
    frame = cells(1, rows=(5, 6))
    ((_, (bucket,), _),) = split(frame, recipe())
    assert bucket.arrays.value.shape == (1, 6) and bucket.arrays.mask.sum() == 5
    leaky = bucket.arrays._replace(
        mask=np.ones((1, 6), bool), value=np.nan_to_num(bucket.arrays.value, nan=-70.0)
    )
    one = make_problem(read_table(frame), **recipe())
    with pytest.raises(AssertionError):
        compare(one, bucket.template, member(leaky, 0))


@pytest.mark.thorough
def test_gradients_are_finite():
    import jax

    frame = cells(
        4, rows=(5, 6), V_m_sem_mV=lambda r, k: np.full(k, 1.0), V_m_mV=lambda r, k: r.normal(-70, 5, k)
    )
    frame.loc[[1, 3], ["V_m_mV", "V_m_sem_mV"]] = np.nan
    for _, buckets, _ in split(frame, recipe()):
        for template, _, arrays in buckets:
            u = np.zeros((len(arrays.mask), template.dimension))
            assert np.isfinite(jax.vmap(jax.grad(template.potential))(u, arrays)).all()


def test_few_templates():
    frame = cells(300, K_o_mM=lambda r, k: r.normal(5, 1, k).round(3))
    assert len({id(b.template) for _, buckets, _ in split(frame, recipe(), 50) for b in buckets}) <= 16


# Reading.


def parquet(folder, frame, name="cells.parquet", **options):
    path = folder / name
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, **options)
    return path


def same_rows(a, b):
    for x, y in zip(a, b, strict=True):
        if isinstance(x, dict):
            assert x.keys() == y.keys()
            for k in x:
                for p, q in zip(np.atleast_2d(x[k]), np.atleast_2d(y[k]), strict=True):
                    np.testing.assert_array_equal(p, q)
        elif x is not None and not isinstance(x, list):
            np.testing.assert_array_equal(x, y)
        else:
            assert x == y


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "xlsx", "frame"])
def test_formats(tmp_path, kind):
    frame = cells(9, fibre=lambda r, k: ["a"] * k)
    if kind == "frame":
        source = frame
    elif kind == "parquet":
        source = parquet(tmp_path, frame, row_group_size=5)
    else:
        source = tmp_path / f"cells.{kind}"
        if kind == "xlsx":
            frame.to_excel(source, index=False)
        else:
            frame.to_csv(source, index=False, sep="," if kind == "csv" else "\t")
    table = CellTable.open(source, observables=("V_m",))
    assert (table.n_cells, table.n_rows, table.id_width) == (9, len(frame), 2)
    assert table.sha256 == read_table(source).sha256
    chunks = list(table.chunks(4))
    assert [len(c.ids) for c in chunks] == [4, 4, 1]
    assert np.concatenate([c.ids for c in chunks]).tolist() == list(dict.fromkeys(frame["cell"]))
    np.testing.assert_array_equal(np.concatenate([c.row for c in chunks]), np.arange(2, 2 + len(frame)))
    np.testing.assert_allclose(np.concatenate([c.readings["V_m"].value for c in chunks]), frame["V_m_mV"])
    for i, chunk in enumerate(chunks):
        same_rows(table.chunk(i, 4), chunk)


def test_comments_and_blank_lines_keep_row_numbers(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("# made up\ncell,K_o_mM,V_m_mV\na,5,-70\n\na,-5,-60\nb,5,-70\n")
    (chunk,) = CellTable.open(path, observables=("V_m",)).chunks(10)
    assert chunk.row.tolist() == [3, 5, 6]
    assert (
        chunk.bad[0].message == f"{path}, row 5, column K_o_mM: -5 mM is negative. Give a concentration >= 0."
    )


@pytest.mark.parametrize("kind", ["parquet", "xlsx", "frame"])
def test_what_is_wholly_blank_is_left_out(tmp_path, kind):
    """As of a CSV file: a table and a batch skip such rows, and columns without a name."""
    frame = pd.DataFrame(
        {"cell": ["a", None, "b"], "": None, " K_o_mM": [5.0, np.nan, 9.0], "V_m_mV": [-70, None, -60]}
    )
    source = tmp_path / f"cells.{kind}"
    if kind == "parquet":
        parquet(tmp_path, frame)
    elif kind == "xlsx":
        frame.to_excel(source, index=False)
    source = frame if kind == "frame" else source
    (chunk,) = CellTable.open(source, observables=("V_m",)).chunks(10)
    assert chunk.ids.tolist() == ["a", "b"] and chunk.row.tolist() == [2, 4]
    m = read_table(source)
    assert m.groups == {"cell": ("a", "b")} and m.file_rows.tolist() == [2, 4]
    np.testing.assert_array_equal(m.quantities["K_o"], chunk.quantities["K_o"])
    frame[""] = [1.0, None, None]
    for read in (read_table, lambda s: CellTable.open(s, observables=("V_m",))):
        with pytest.raises(InputError, match="column 2 has no name"):
            read(frame if kind != "parquet" else parquet(tmp_path, frame))


def test_whole_numbers_as_ids():
    frame = cells(3).assign(cell=lambda f: f["cell"].str[1:].astype(int))
    for column in (frame["cell"], frame["cell"].astype(float)):
        (chunk,) = CellTable.open(frame.assign(cell=column), observables=("V_m",)).chunks(5)
        assert chunk.ids.tolist() == ["0", "1", "2"]


def test_interleaved_cells_are_sorted_or_refused(tmp_path, monkeypatch):
    frame = cells(6, rows=(3, 4))
    mixed = frame.sort_values("V_m_mV", ignore_index=True)
    (chunk,) = CellTable.open(parquet(tmp_path, mixed), observables=("V_m",)).chunks(10)
    assert chunk.ids.tolist() == list(dict.fromkeys(mixed["cell"]))
    assert (mixed["V_m_mV"].to_numpy()[chunk.row - 2] == chunk.readings["V_m"].value).all()
    monkeypatch.setattr(cell_table, "MOST_SORTED", len(mixed))
    assert CellTable.open(parquet(tmp_path, mixed), observables=("V_m",))
    monkeypatch.setattr(cell_table, "MOST_SORTED", len(mixed) - 1)
    with pytest.raises(InputError, match="appears again, after other cells. Sort the table by cell"):
        CellTable.open(parquet(tmp_path, mixed), observables=("V_m",))


def test_streaming_holds_little(tmp_path):
    n = 200_000
    frame = pd.DataFrame({"cell": np.arange(n) // 4, "K_o_mM": 5.0, "Na_o_mM": 140.0, "V_m_mV": -70.0})
    path = parquet(tmp_path, frame, row_group_size=20_000)
    table = CellTable.open(path, observables=("V_m",))
    del frame
    before = pa.total_allocated_bytes()
    most = 0
    for chunk in table.chunks(1000):
        most = max(most, pa.total_allocated_bytes() - before)
        assert len(chunk.ids) == 1000
    assert most < 20e6


# What is wrong with a cell, and what with the file.

WRONG = [
    ("K_o_mM", -5.0, "K_o_mM: -5 mM is negative. Give a concentration >= 0."),
    ("K_o_mM", 6000.0, "6000 mM is more than water dissolves"),
    ("K_o_mM", "5.4 mM", "'5.4 mM' is a number with its unit. Write 5.4"),
    ("K_o_mM", np.inf, "'inf' is not a number"),
    ("V_m_mV", -700.0, "-700 mV is too large"),
    ("V_m_mV", -0.07, "-0.07 mV looks like volts, as does every value of the cell. Name the column V_m_V"),
    ("T_degC", 80.0, "80 degC is no temperature of a living cell"),
    ("T_degC", 300.0, "looks like kelvin"),
    ("V_m_sd_mV", 0.0, "0 mV is not above 0"),
    ("V_m_sem_mV", -1.0, "-1 mV is not above 0"),
    ("V_m_n", 2.5, "2.5 is not a whole number >= 1"),
    ("K_o_mM", np.nan, "K_o (K in the bath) is blank in this row"),
    ("V_m_mV", np.nan, "is given but V_m_mV is blank"),
]


@pytest.mark.parametrize("column, value, message", WRONG)
@pytest.mark.parametrize("stored", ["parquet", "frame"])
def test_a_bad_cell_is_told_and_the_others_go_on(tmp_path, column, value, message, stored):
    frame = pd.DataFrame(
        {"cell": ["a", "b", "b", "c"], "T_degC": 22.0, "K_o_mM": 5.0, "Na_o_mM": 140.0, "V_m_mV": -70.0}
    ).assign(V_m_sd_mV=2.0, V_m_sem_mV=1.0, V_m_n=4.0)
    rows = [1, 2] if message.startswith("-0.07") else [2]
    frame[column] = frame[column].astype(object if isinstance(value, str) else float)
    frame.loc[rows, column] = value
    if isinstance(value, str):
        frame[column] = frame[column].astype(str)
    given = recipe({q: s for q, s in BASIC.items() if q != "T"})
    source = parquet(tmp_path, frame) if stored == "parquet" else frame
    ((rows, buckets, flagged),) = split(source, given)
    assert [b.cell for b in flagged] == [1]
    assert flagged[0].message.startswith(
        f"{source if stored == 'parquet' else '<DataFrame>'}, row {flagged[0].row}"
    )
    assert message in flagged[0].message and flagged[0].row == (3 if "volts" in message else 4)
    assert sorted(int(m) for b in buckets for m in b.members) == [0, 2]


def test_swaps_below_nothing_flag_the_cell():
    frame = cells(5, rows=(2, 4)).drop(columns="Na_o_mM")
    frame.loc[frame["cell"] == "c2", "K_o_mM"] = 160.0
    given = recipe({**BASIC, "Na_o": Swap("K_o", 150.0)})
    same_density(frame, given, flagged=1)
    ((_, _, flagged),) = split(frame, given)
    assert "Na_o = 150 − K_o = -10 mM is negative" in flagged[0].message and flagged[0].cell == 2


@pytest.mark.parametrize(
    "change, message",
    [
        ({"reference": ["", "s9"]}, "there is no row labelled 's9'"),
        ({"reference": ["", "s1"]}, "'s1' is the row itself"),
        ({"label": ["s0", "s0"], "reference": ["", "s0"]}, "share the label 's0'"),
        ({"reference": ["", ""]}, "is blank, but the row holds a difference"),
        ({"reference": ["s1", "s0"]}, "the row holds no difference"),
        ({"dV_m_sem_mV": np.nan}, "the difference dV_m = 5 has no error"),
    ],
)
def test_references(change, message):
    good = pd.DataFrame(
        {"cell": "a", "label": ["s0", "s1"], "K_o_mM": [5.0, 9.0], "Na_o_mM": 140.0, "V_m_mV": -70.0}
    )
    good = good.assign(dV_m_mV=[np.nan, 5.0], dV_m_sem_mV=[np.nan, 1.0], reference=["", "s0"])
    frame = pd.concat([good, good.assign(cell="b", **change)], ignore_index=True)
    ((_, buckets, flagged),) = split(frame, recipe())
    assert [b.cell for b in flagged] == [1] and message in flagged[0].message
    assert [b.members.tolist() for b in buckets] == [[0]]


def test_blank_levels_flag_the_cell():
    frame = cells(4, fibre=lambda r, k: [f"f{i}" for i in range(k)], rows=(2, 4))
    frame.loc[frame["cell"] == "c1", "fibre"] = ["f0"] + [""] * ((frame["cell"] == "c1").sum() - 1)
    given = recipe(BASIC | {"V_offset": Latent(normal(0, 2), by="fibre")})
    ((_, _, flagged),) = split(frame, given)
    assert [b.cell for b in flagged] == [1] and "V_offset is given by 'fibre'" in flagged[0].message


@pytest.mark.parametrize(
    "change, message",
    [
        ({"K_o_mM": [[5.0]] * 3}, "column K_o_mM: holds list<"),
        ({"K_o_mM": ["a", "b", "c"]}, "column K_o_mM: not one value is a number: 'a' is not a number"),
        ({"K_o_mM": [True, False, True]}, "column K_o_mM: holds bool, not numbers"),
        ({"V_m": -70.0}, "column V_m: has no unit, and column V_m_mV holds that already"),
        ({"K_0_mM": 5.0}, "column K_0_mM: is not a known quantity (did you mean 'K_o_mM'?)"),
        ({"K_o_uM": 5.0}, "column K_o_uM: holds the same as column K_o_mM"),
        ({"cell": ["a", "", "b"]}, "row 3, column cell: a row without a cell's name"),
        ({"cell": ["a", None, "b"]}, "row 3, column cell: a row without a cell's name"),
    ],
)
def test_a_bad_column_is_an_error(tmp_path, change, message):
    frame = pd.DataFrame({"cell": ["a", "b", "b"], "K_o_mM": 5.0, "V_m_mV": -70.0}).assign(**change)
    for source in (frame, parquet(tmp_path, frame)):
        with pytest.raises(InputError) as caught:
            CellTable.open(source, observables=("V_m",))
        assert message in str(caught.value)


def test_no_column_of_cells():
    frame = cells(3).rename(columns={"cell": "clone"})
    with pytest.raises(InputError, match=r"no column 'cell'.*`batch: \{by: COLUMN\}`.*--by COLUMN.*clone"):
        CellTable.open(frame, observables=("V_m",))
    assert CellTable.open(frame, observables=("V_m",), by="clone").n_cells == 3


def test_damaged_files(tmp_path):
    whole = parquet(tmp_path, cells(50)).read_bytes()
    for name, data in {"cut": whole[: len(whole) // 2], "text": b"cell,V_m_mV\na,-70\n"}.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(data)
        with pytest.raises(InputError, match="is not a whole Parquet file"):
            CellTable.open(path, observables=("V_m",))
    with pytest.raises(InputError, match="there is no such file"):
        CellTable.open(tmp_path / "none.parquet", observables=("V_m",))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"quantities": BASIC | {"P_Nb_rel": 1.0}}, "no quantity 'P_Nb_rel'"),
        ({"quantities": {"T": 295.0, "K_i": 120.0, "Na_i": 12.0}}, "ion Na has no permeability"),
        ({"quantities": {**BASIC, "K_o": 5.0}}, "is in the table"),
        ({"quantities": {q: s for q, s in BASIC.items() if q != "K_i"}}, "K_i (K in the cell) is neither"),
        ({"model": "gkh"}, "there is no model 'gkh'"),
        ({"solutions": {"Ringer": {"Cl_o": 1.0}}}, "no solution 'Ringer'"),
        ({"quantities": BASIC | {"V_offset": Latent(normal(0, 2), by="fiber")}}, "no text column 'fiber'"),
    ],
)
def test_a_wrong_config_stops(change, message):
    table = CellTable.open(cells(3), observables=("V_m",))
    with pytest.raises(InputError) as caught:
        CellProblems(recipe() | change, table.info)
    assert message in str(caught.value) and "row" not in str(caught.value).split(":")[0]


# What cells share.


@pytest.mark.parametrize(
    "quantities, columns, why",
    [
        ({"T": normal(295, 1)}, {}, "of the bath"),
        ({"Cl_o": normal(120, 5)}, {}, "of the bath"),
        ({}, {"K_o_sd_mM": lambda r, k: np.full(k, 0.1)}, "K_o_mM is shared"),
        ({"V_offset": Latent(normal(0, 2), by="electrode")}, {"electrode": None}, "column electrode"),
    ],
)
def test_shared_latents(quantities, columns, why):
    frame = cells(8, **{k: v for k, v in columns.items() if v})
    if "electrode" in columns:
        frame["electrode"] = np.where(frame["cell"] < "c4", "e1", "e2")
    table = CellTable.open(frame, observables=("V_m",))
    given = recipe({**BASIC, **quantities})
    assert len(shared_latents(given, table.info)) == 1
    with pytest.raises(InputError, match=why) as caught:
        CellProblems(given, table.info)
    assert "not independent" in str(caught.value) and "shared: own" in str(caught.value)
    same_density(frame, given, shared="own")


def test_pooled_latents_have_the_name_of_their_quantity_and_its_solution():
    pooled, own = (Latent(lognormal(0.05, 4), by="cell", pooled=p) for p in (True, False))
    given = recipe(BASIC | {"P_Na_rel": pooled, "K_i": own}) | {
        "solutions": {"high": {"LJP": pooled, "Na_i": own}}
    }
    assert set(pooled_latents(given, "cell")) == {"P_Na_rel", "LJP[high]"}
    assert pooled_latents(given, "animal") == {} and set(pooled_latents(given, "animal, cell")) == {
        "P_Na_rel",
        "LJP[high]",
    }


@pytest.mark.thorough
def test_latents_of_a_cell_are_not_shared():
    frame = cells(8, fibre=lambda r, k: [f"f{i % 2}" for i in range(k)])
    table = CellTable.open(frame, observables=("V_m",))
    latents = {"T": Latent(normal(295, 1), by="cell"), "V_offset": Latent(normal(0, 2), by="fibre")}
    given = recipe(BASIC | latents)
    assert shared_latents(given, table.info) == []
    same_density(frame, given)
    pooled = recipe(BASIC | {"P_Na_rel": Latent(lognormal(0.05, 4), by="cell", pooled=True)})
    assert list(pooled_latents(pooled, "cell")) == ["P_Na_rel"]
    same_density(frame, pooled, alone=recipe())
