"""Residuals by colour: which unused label is shown, and its levels, the rare ones together."""

from types import SimpleNamespace

import numpy as np
import pytest

from pumpleak.inference.findings import Finding, Kind
from pumpleak.reports import data_figure
from pumpleak.reports.style import COLOURS, GREY


@pytest.fixture
def levels(monkeypatch):
    def of(labels, *differ):
        found = [Finding(Kind.levels_differ, (c,)) for c in differ]
        monkeypatch.setattr(data_figure, "labels_of", lambda _: {k: np.array(v) for k, v in labels.items()})
        monkeypatch.setattr(data_figure, "unmodelled_of", lambda _: found)
        return data_figure.coloured_levels(SimpleNamespace())

    return of


def test_the_label_that_differs_is_shown_else_that_of_fewest_levels(levels):
    labels = {"cell": ["a", "b", "c"], "genotype": ["KO", "WT", "WT"]}
    assert levels({}) is None
    assert levels(labels).column == "genotype" and levels(labels, "cell").column == "cell"
    found = levels(labels)
    assert found.of == ["KO", "WT", "WT"] and found.colour == {"KO": COLOURS[1], "WT": COLOURS[2]}


@pytest.mark.parametrize(("n", "own"), [(6, 6), (7, 5), (30, 5)])
def test_beyond_six_levels_the_rare_ones_are_one(levels, n, own):
    text = [f"L{k}" for k in range(n) for _ in range(2 + (k < 5))]
    found = levels({"cell": text})
    other = f"other ({n - own} more)"
    assert len(found.colour) == own + (own < n) and (found.colour.get(other) == GREY) is (own < n)
    assert set(found.of) == set(found.colour) and found.of[0] == "L0"


def test_a_level_is_no_mathematics_and_a_blank_is_said(levels):
    texts = [h.get_label() for h in levels({"x": ["$a_1$", ""]}).handles(np.array([0, 1]))]
    assert texts == [r"\$a_1\$", "(blank)"]
    assert [h.get_label() for h in levels({"x": ["$a_1$", ""]}).handles(np.array([1]))] == ["(blank)"]
