"""Residuals that differ by a label nobody uses, or move with the rows: seldom called out where nothing is, found where it is."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pumpleak import infer, lognormal, make_problem, read_table
from pumpleak.inference.findings import Kind
from pumpleak.inference.unmodelled import levels_p, order_p, unmodelled_of
from pumpleak.inference.words import say

BATHS = np.array([2.5, 5.0, 10.0, 20.0, 40.0])


def tree_of(rng, labels, bath, known=None, shift=0.0, tail=None):
    """A least-squares fit of a line in ln K to readings with scatter, as a result's tree has it."""
    X = np.stack([np.ones(len(bath)), np.log(bath), np.log(bath) ** 2], axis=1)
    noise = rng.standard_normal(len(bath)) if tail is None else rng.standard_t(tail, len(bath))
    value = X @ [-90.0, 15.0, 1.0] + 1.5 * noise + shift
    hat = X @ np.linalg.pinv(X)
    expected = hat @ value
    sigma = known or np.sqrt(((value - expected) ** 2).sum() / (len(bath) - 3))
    half = 1.96 * sigma * np.sqrt(np.diag(hat))
    readings = {"value": value, "expected": expected, "total_scatter": np.full(len(bath), sigma)}
    readings |= {"expected_low": expected - half, "expected_high": expected + half}
    readings |= {"row": np.arange(len(bath)), "reference": np.full(len(bath), -1)}
    readings |= {"observable": np.full(len(bath), "V_m")}
    tree = xr.DataTree.from_dict({"readings": xr.Dataset({k: ("obs", v) for k, v in readings.items()})})
    tree.attrs["unused"] = json.dumps({k: list(map(str, v)) for k, v in labels.items()})
    return tree


DESIGNS = {
    "eight cells": ({"cell": np.repeat(range(8), 5), "genotype": np.repeat([0, 1], 20)}, np.tile(BATHS, 8)),
    "two days": ({"day": np.tile([0, 1], 5)}, np.repeat(BATHS, 2)),
    "few": ({"drug": [0, 0, 0, 1, 1, 1]}, np.array([2.5, 10.0, 40.0] * 2)),
    "rows at random": ({}, np.random.default_rng(3).permutation(np.repeat(BATHS, 3))),
    "a label of the baths": ({"solution": np.repeat(range(5), 3)}, np.repeat(BATHS, 3)),
}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("tail", [None, 4])
def test_false_alarms_are_one_in_a_hundred_at_most(design, tail):
    rng = np.random.default_rng(7)
    labels, bath = DESIGNS[design]
    n = 500
    alarms = [bool(unmodelled_of(tree_of(rng, labels, bath, tail=tail))) for _ in range(n)]
    assert np.mean(alarms) < 0.01 + 3 * np.sqrt(0.01 * 0.99 / n)


def test_groups_and_drifts_are_found_by_name():
    rng = np.random.default_rng(8)
    labels, bath = DESIGNS["eight cells"]
    found = unmodelled_of(tree_of(rng, labels, bath, shift=np.repeat([-3.0, 3.0], 20)))
    assert found[0].kind == Kind.levels_differ and {f.parameters[0] for f in found} == {"cell", "genotype"}
    genotype = next(f for f in found if f.parameters == ("genotype",))
    assert genotype.numbers["off"]["0"] == pytest.approx(-3, abs=0.8)
    assert "by: genotype" in say(genotype) and "0 -" in say(genotype) and " mV (p" in say(genotype)
    bath = DESIGNS["rows at random"][1]
    (found,) = unmodelled_of(tree_of(rng, {}, bath, shift=np.linspace(-6, 6, 15)))
    assert found.kind == Kind.order_matters and found.numbers["moved"] == pytest.approx(12, abs=3.5)
    assert "drift" in say(found)
    upwards = np.sort(bath)  # a ladder measured upwards cannot tell a drift from its baths
    assert not unmodelled_of(tree_of(rng, {}, upwards, shift=np.linspace(-6, 6, 15)))


def test_levels_and_order_of_other_readings_are_told_in_their_own_unit():
    """Of a dye no mV and no electrode's drift; of several observables in what they have in common, their scatter."""
    rng = np.random.default_rng(8)
    labels, bath = DESIGNS["eight cells"]
    tree = tree_of(rng, labels, bath, shift=np.repeat([-3.0, 3.0], 20))
    tree["readings"]["observable"] = xr.DataArray(np.full(40, "dye"), dims="obs")
    assert "mV" not in say(unmodelled_of(tree)[0])
    mixed = np.tile(["V_m", "dye"], 20)
    scale = np.where(mixed == "dye", 0.01, 1.0)
    for name in ("value", "expected", "total_scatter", "expected_low", "expected_high"):
        tree["readings"][name] = tree["readings"][name] * scale
    tree["readings"]["observable"] = xr.DataArray(mixed, dims="obs")
    genotype = next(f for f in unmodelled_of(tree) if f.parameters == ("genotype",))
    assert "times their scatter" in say(genotype) and abs(genotype.numbers["off"]["0"]) > 0.5
    tree = tree_of(rng, {}, DESIGNS["rows at random"][1], shift=np.linspace(-6, 6, 15))
    assert "drift_row_mV" in say(unmodelled_of(tree)[0])
    tree["readings"]["observable"] = xr.DataArray(np.full(15, "dye"), dims="obs")
    (found,) = unmodelled_of(tree)
    assert "mV" not in say(found) and "a drift, a rundown" in say(found)


def test_what_cannot_be_tested_is_not():
    z = np.array([0.1, -0.2, 0.3])
    assert levels_p(z, np.array(["a", "b", "c"]), 1.0) == 1.0
    assert levels_p(z, np.array(["a", "a", "a"]), 0.0) == 1.0
    assert levels_p(np.zeros(8), np.array(list("aaaabbbb")), 1.0) == 1.0
    assert order_p(z, np.arange(3.0), np.ones(3), 2.0)[0] == 1.0
    tree = tree_of(np.random.default_rng(1), {}, np.repeat(BATHS, 2))
    del tree.attrs["unused"]
    assert unmodelled_of(tree) == []


def groups(difference, seed=2):
    """Eight cells of two genotypes, by the GHK equation written out."""
    rng, rows = np.random.default_rng(seed), []
    for k in range(8):
        genotype = "KO" if k > 3 else "WT"
        P = 0.03 * (difference if k > 3 else 1.0)
        for K in BATHS:
            V = 25.26 * np.log((K + P * (150 - K)) / (140 + P * 12)) + rng.normal(0, 0.7)
            rows.append(
                {
                    "genotype": genotype,
                    "cell": f"{genotype}-{k}",
                    "K_o_mM": K,
                    "Na_o_mM": 150 - K,
                    "V_m_mV": V,
                }
            )
    m = read_table(pd.DataFrame(rows))
    known = {"T": 293.15, "Na_i": 12.0, "P_Na_rel": lognormal(0.05, 3), "K_i": lognormal(140, 1.3)}
    return make_problem(m, known)


def test_unused_labels_are_named_with_the_line_that_uses_them():
    problem = groups(1.0)
    assert problem.unused == ("genotype", "cell") and problem.describe()["unused_labels"] == [
        "genotype",
        "cell",
    ]
    assert "`P_Na_rel: {…, by: [genotype, cell], pooled: [cell]}`" in problem.assumptions[0]


@pytest.mark.thorough
@pytest.mark.parametrize(("difference", "differs"), [(1.0, False), (3.0, True)])
def test_a_verdict_names_the_group_that_differs(difference, differs):
    with jax.enable_x64(True):
        verdict = infer(groups(difference), engine="importance", seed=1).verdict
    assert "Not used: genotype and cell." in verdict.headline
    assert verdict.fits is not differs
    assert ("readings differ by genotype" in verdict.headline) is differs
    assert not any("rival" in line for line in verdict.misfit)


def test_readings_that_all_were_taken_up_tell_no_levels_apart():
    z, level = np.array([1.0, -2.0, 2.0]), np.array(["a", "b", "b"])
    assert levels_p(z, level, 0.0) < 1.0
    assert levels_p(z, level, 1.0) == 1.0
