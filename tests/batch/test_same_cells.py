"""Cells of one name in two groups: asked about whatever the order of rows, and told apart by several columns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumpleak import InputError, Latent, lognormal
from pumpleak.batch.latents import check_independent, own_recipe
from pumpleak.batch.same_cells import check_same_cells
from pumpleak.data.cell_table import CellTable

PRIOR = lognormal(0.03, 3)


def plates(order=None, column="plate", **more):
    rows = [(p, w, K) for p in ("P1", "P2") for w in ("A01", "A02") for K in (2.5, 10.0)]
    frame = pd.DataFrame(rows, columns=[column, "well", "K_o_mM"])
    frame = frame.assign(V_m_mV=-60.0 + np.arange(8), **more)
    return frame if order is None else frame.iloc[order].reset_index(drop=True)


def opened(frame, by="well"):
    return CellTable.open(frame, observables=("V_m",), by=by)


def checked(frame, by="well", same_cells=None, size=2, **quantities):
    recipe = {"quantities": quantities, "solutions": {}, "same_cells": same_cells}
    check_same_cells(opened(frame, by), recipe, size)


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(range(8)),
    column=st.sampled_from(["plate", "animal", "Date", "genotype", "slice no", "arm"]),
)
@pytest.mark.thorough
def test_wells_of_two_plates_are_never_merged(order, column):
    frame = plates(order, column)
    with pytest.raises(InputError, match=rf"well A0. is in {column} P. and in {column} P."):
        checked(frame)
    checked(frame, same_cells=[column])
    for by in ([column, "well"], f"{column},well"):
        table = opened(frame, by)
        checked(frame, by)
        (rows,) = table.chunks(9)
        assert sorted(rows.ids) == ["P1/A01", "P1/A02", "P2/A01", "P2/A02"]
        assert (np.diff(rows.start) == 2).all() and table.info.told_by == (column, "well")
        read = {
            i: sorted(rows.readings["V_m"].value[a:b])
            for i, a, b in zip(rows.ids, rows.start, rows.start[1:], strict=False)
        }
        own = frame.assign(id=frame[column] + "/" + frame["well"]).groupby("id")["V_m_mV"].apply(sorted)
        assert read == own.to_dict()


def test_parquet_is_streamed_by_several_columns(tmp_path):
    plates().to_parquet(tmp_path / "t.parquet")
    assert opened(tmp_path / "t.parquet", "plate,well").n_cells == 4
    with pytest.raises(InputError, match="plat"):
        opened(tmp_path / "t.parquet", ["plat", "well"])
    blank = plates(plate=["P1", "", *["P1"] * 2, *["P2"] * 4])
    with pytest.raises(InputError, match="without a cell's name"):
        opened(blank, ["plate", "well"])


@pytest.mark.parametrize(
    "labels", [{"line": "control"}, {"replicate": [1, 2] * 4}, {"note": ["dim", *[""] * 7]}]
)
def test_plain_tables_are_not_asked(labels):
    frame = plates(**labels)
    checked(frame.assign(well=frame["plate"] + frame["well"]))


def test_a_drug_of_each_well_is_asked_about_unless_it_is_used():
    frame = plates(drug=["none", "Ba"] * 4, K_o_mM=5.0)
    frame["well"] = frame["plate"] + frame["well"]
    with pytest.raises(InputError, match=r"If it is one, `same_cells: \[drug\]`"):
        checked(frame)
    checked(frame, P_Na_scale=Latent(lognormal(1, 3), by="drug", reference="none"))


def test_what_is_given_by_the_same_columns_is_each_cells_own():
    info = opened(plates(), ["plate", "well"]).info
    recipe = {"quantities": {"P_Na_rel": Latent(PRIOR, by=("plate", "well"))}, "solutions": {}}
    check_independent(recipe, info, "refuse")
    assert own_recipe(recipe, info)["quantities"]["P_Na_rel"] == Latent(PRIOR)
    with pytest.raises(InputError, match=r"by: \[plate, well\]"):
        check_independent({"quantities": {"P_Na_rel": Latent(PRIOR, by="well")}}, info, "refuse")
