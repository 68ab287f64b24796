"""How figures become files."""

import contextlib

import matplotlib
from matplotlib import textpath
from matplotlib.figure import Figure

from pumpleak.reports import style


def figure():
    out = Figure(figsize=(3, 2), layout="constrained")
    ax = out.add_subplot(xlabel="$P_{Na}/P_{K}$", ylabel="$[K^{+}]_o$ (wash)", title="$P_{Na}/P_{K}$")
    ax.plot([1, 2], [3, 4])
    return out


def test_symbols_that_are_parsed_once_look_the_same(monkeypatch):
    before = textpath.MathTextParser
    twice = [style.image_of(figure, "svg") for _ in range(2)]
    assert textpath.MathTextParser is before
    monkeypatch.setattr(style, "_parser", lambda: None)
    assert {*twice, style.image_of(figure, "svg")} == {twice[0]}


def test_symbols_are_parsed_once_for_all_figures(monkeypatch):
    parsed, parse = [], matplotlib._mathtext.Parser.parse
    monkeypatch.setattr(
        matplotlib._mathtext.Parser, "parse", lambda self, s, *a: parsed.append(s) or parse(self, s, *a)
    )
    style._parser.cache_clear()
    for _ in range(2):
        style.image_of(figure, "svg")
    assert sorted(parsed) == ["$P_{Na}/P_{K}$", "$[K^{+}]_o$ (wash)"]


def test_a_figure_that_fails_leaves_matplotlib_as_it_was():
    before = textpath.MathTextParser
    with contextlib.suppress(ZeroDivisionError):
        style.image_of(lambda: 1 / 0, "svg")
    assert textpath.MathTextParser is before
