"""Figures of an error budget: shares of a variance, slopes by condition, Sobol indices."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...quantities.symbols import plain, symbol
from ...reports.style import COLOURS
from ...text import fixed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REST = "#bdbdbd"


def label(name: str, reference: str) -> str:
    """A parameter's name as figures print it."""
    return symbol(name, reference).math


def budget_figure(
    shares: Sequence[Sequence[tuple[str, float, bool]]], targets: Sequence[str], reference: str
) -> "Figure":
    """A bar for each target, cut into the shares of its variance, the largest first.

    Args:
        shares: of each target: name, share, and whether it is one input's (else it is grey).
        targets: their names.
        reference: the ion whose permeability is 1.
    """
    from matplotlib.figure import Figure

    rows = max(len(s) for s in shares)
    figure = Figure(figsize=(7.2, 0.5 + len(targets) * (0.35 + 0.2 * rows)), layout="constrained")
    panels = figure.subplots(len(targets), 1, squeeze=False)[:, 0]
    for axes, target, parts in zip(panels, targets, shares, strict=True):
        size = 100 * np.array([s for _, s, _ in parts])
        y = -np.arange(len(parts))
        colours = [COLOURS[0] if of_input else _REST for *_, of_input in parts]
        axes.barh(y, size, color=colours, height=0.72)
        for k, s in zip(y, size, strict=True):
            axes.text(s + 0.8, k, f"{fixed(s, 0)} %" if s >= 1 else "< 1 %", va="center", fontsize=8)
        names = [label(n, reference) if of_input else n for n, _, of_input in parts]
        axes.set_yticks(y, names)
        axes.set_xlim(0, max(1.0, 1.12 * size.max()))
        axes.set_title(f"What the uncertainty of {label(target, reference)} comes from", loc="left")
        axes.tick_params(axis="y", length=0)
    panels[-1].set_xlabel("share of the posterior variance [%]")
    return figure


def slopes_figure(
    names: Sequence[str],
    steps: Sequence[str],
    conditions: Sequence[str],
    values: np.ndarray,
    of: tuple[str, str],
    reference: str,
) -> "Figure":
    """A heat map of d`of`/d input (inputs in rows, conditions in columns), with its numbers; `of`: a name and its unit."""
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    n, c = values.shape
    figure = Figure(figsize=(min(12, 2.6 + 0.85 * c), 1.3 + 0.3 * n), layout="constrained")
    axes = figure.subplots()
    most = max(np.abs(values).max(), 1e-12)
    decimals = max(2, min(6, 1 - math.floor(math.log10(most))))  # two digits of the largest at least
    axes.imshow(values, cmap="RdBu_r", norm=Normalize(-most, most), aspect="auto")
    for i in range(n):
        for j in range(c):
            colour = "white" if abs(values[i, j]) > 0.6 * most else "black"
            none = abs(values[i, j]) < 0.5 * 10.0**-decimals
            text = "0" if none else fixed(values[i, j], decimals, sign=True)
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set_yticks(range(n), [f"{label(x, reference)}  {s}" for x, s in zip(names, steps, strict=True)])
    turned = max(map(len, conditions)) > 9
    axes.set_xticks(
        range(c),
        [plain(x, 22) for x in conditions],
        rotation=30 if turned else 0,
        ha="right" if turned else "center",
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    unit = f" [{of[1]}]" if of[1] else ""
    axes.set_title(f"What moves {label(of[0], reference)} by how much{unit}", loc="left")
    return figure


def sobol_figure(names: Sequence[str], first, total, of: tuple[str, str], reference: str) -> "Figure":
    """Bars of first and total order indices, each (values, half-widths); `of`: a name and the condition in which."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 1.1 + 0.34 * len(names)), layout="constrained")
    axes = figure.subplots()
    y = -np.arange(len(names), dtype=float)
    for (values, error), shift, colour, what in (
        (first, 0.18, COLOURS[0], "alone"),
        (total, -0.18, COLOURS[4], "with its interactions"),
    ):
        size = 100 * np.maximum(values, 0)
        axes.barh(y + shift, size, height=0.34, color=colour, label=what)
        low = np.minimum(100 * error, size)
        axes.errorbar(size, y + shift, xerr=[low, 100 * error], fmt="none", ecolor="#333333", lw=0.8)
    axes.set_yticks(y, [label(x, reference) for x in names])
    name, condition = of
    axes.set_xlabel(f"share of the prior variance of {label(name, reference)} in {plain(condition)} [%]")
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right")
    return figure
