"""Figures of a batch: its population of cells, and one cell of it.

Each function returns a new matplotlib `Figure`; neither the backend nor the settings in force are changed.
What is drawn is a sample of the cells where there are many, made by `reports.batch_page`.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..problem.priors import Prior
from ..quantities.names import kind
from ..quantities.symbols import Symbol
from ..text import fixed, minus
from .panels import FEW, Axis, axis_label, draw_pairs, look_near, name_panel, prior_curve, scale, spread
from .style import BLUE, GREY, RED, few_ticks, grid, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_PANELS = 12


class Population(NamedTuple):
    """One parameter across the usable cells that have it; its arrays hold some thousand of them at most.

    Attributes:
        name, symbol, unit: of the parameter.
        prior: its prior as text, and `law` as data where the text can be read.
        log: whether a log axis shows it better.
        cells: how many have it.
        median: of the cells' medians; `band`, between which the middle 90 % of these lie.
        width: the median width of the cells' 95 % intervals, and `factor` the median ratio of their ends.
        untouched, determined: share of cells whose contraction is below 0.1, at least 0.9; NaN where unknown.
        medians: (≤ 20,000,) evenly chosen by rank, ascending.
        intervals: (≤ 200, 3) low, median, high of cells evenly chosen by the rank of their medians, ascending.
        clear: how many cells' intervals lie wholly outside the band.
        outlying: the (≤ 20) farthest of them: position of the cell, low, median, high.
    """

    name: str
    symbol: Symbol
    unit: str
    prior: str
    law: Prior | None
    log: bool
    cells: int
    median: float
    band: tuple[float, float]
    width: float
    factor: float
    untouched: float
    determined: float
    medians: np.ndarray
    intervals: np.ndarray
    clear: int
    outlying: list[tuple[int, float, float, float]]


class Marginal(NamedTuple):
    """One parameter of one cell: quantiles at 2.5, 25, 50, 75 and 97.5 %, and draws where they were kept."""

    name: str
    symbol: Symbol
    unit: str
    law: Prior | None
    log: bool
    quantiles: np.ndarray
    draws: np.ndarray


def on_log_axis(name: str, law: Prior | None, low: float, high: float) -> bool:
    """Whether values from `low` to `high` are best seen on a log axis: ratios, and what spreads twelvefold."""
    if law is not None:
        if law.form.highest_at_zero:  # what may well be 0
            return False
        ends = law.quantile(np.array([0.025, 0.975]))
        low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    if not 0 < low <= high < math.inf:
        return False
    k = kind(name)
    return bool(k.is_rate and k.ratio and k.tail in ("", "mean")) or high > 12 * low


def _columns(n: int) -> int:
    """How many small panels stand side by side, so that the last row is as full as can be."""
    return 3 if n < 4 or n in (5, 6, 9) else 4


@styled
def plot_populations(rows: Sequence[Population]) -> "Figure":
    """How the cells' medians are distributed (blue) against the prior (grey), the first 12 parameters.

    Args:
        rows: parameters that some cells have.

    Returns:
        A matplotlib Figure; the black bar has the length of a typical cell's 95 % interval.
    """
    rows = rows[:MAX_PANELS]
    figure, axes = grid(len(rows), 1.65, _columns(len(rows)))
    for ax, p in zip(axes, rows, strict=False):
        if p.log:
            ax.set_xscale("log")
        to, back = scale(p.log)
        prior = prior_curve(ax, p.law, p.log)
        near = spread(ax, p.medians, p.log, 60)
        low, middle, high = to(p.intervals).T
        centre = float(to(p.median))
        bar = centre - float(np.median(middle - low)), centre + float(np.median(high - middle))
        look_near(ax, p.log, prior, (min(near[0], bar[0]), max(near[1], bar[1])))
        y = ax.get_ylim()[0] / 2
        ax.plot(back(np.array(bar)), [y, y], color="black", lw=2.2, solid_capstyle="butt")
        ax.plot([p.median], [y], "o", color="white", mec="black", ms=4, mew=1)
        name_panel(ax, Axis(p.symbol, p.unit, p.log))
    return figure


@styled
def plot_caterpillars(rows: Sequence[Population]) -> "Figure":
    """The 95 % intervals of up to 200 cells, sorted by their medians, the first 12 parameters.

    Args:
        rows: parameters that some cells have.

    Returns:
        A matplotlib Figure; grey, the band of the middle 90 % of the medians; orange, intervals clear of it.
    """
    rows = rows[:MAX_PANELS]
    figure, axes = grid(len(rows), 1.85, 2 if len(rows) > 1 else 1)
    for ax, p in zip(axes, rows, strict=False):
        low, middle, high = p.intervals.T
        n = len(middle)
        x, band = np.arange(n), p.band
        if p.log:
            ax.set_yscale("log")
            low = np.maximum(low, 1e-300)
        out = (high < band[0]) | (low > band[1]) if p.cells >= FEW else np.zeros(n, bool)
        if p.cells >= FEW:
            ax.axhspan(*band, color="#e6e6e6", lw=0)
        width = min(2.2, 160 / n) if len(rows) > 1 else min(2.6, 320 / n)
        for which, colour in ((~out, BLUE), (out, RED)):
            ax.vlines(x[which], low[which], high[which], color=colour, alpha=0.5, lw=width)
            ax.plot(x[which], middle[which], ".", color=colour, ms=2.4 if n > 60 else 5)
        # A few endless intervals would press the rest into a line.
        to, back = scale(p.log)
        ends = to(np.array([np.quantile(low, 0.02), np.quantile(high, 0.98), middle[0], middle[-1], *band]))
        pad = 0.06 * (ends.max() - ends.min()) or 0.5 * abs(ends[0]) or 1.0
        ax.set_ylim(*back(np.array([ends.min() - pad, ends.max() + pad])))
        few_ticks(ax, p.log, "y")
        ax.set_xlim(-0.02 * n - 0.5, 1.02 * n - 0.5)
        ax.set_xticks([0, n - 1] if n > 1 else [0], ["1", f"{p.cells:,}"][: min(n, 2)])
        ax.set_xlabel("cell, by its median", labelpad=-8 if n > 1 else None)
        ax.set_ylabel(axis_label(p.symbol, p.unit))
    return figure


@styled
def plot_diagnostics(
    k_hat: np.ndarray, ess: np.ndarray, usable: np.ndarray, *, k_limit: float, ess_limit: float
) -> "Figure":
    """Pareto k-hat and least ESS of every cell, with the limits of what is usable.

    Args:
        k_hat: (N,), NaN where it was not computed (chains).
        ess: (N,), the least over the cell's parameters.
        usable: (N,) bool.
        k_limit: above it a cell is flagged.
        ess_limit: below it a cell is flagged.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = grid(2, 2.3, 2)
    k = np.clip(k_hat, -1.0, 2.0)
    log_ess = np.log10(np.clip(ess, 1.0, 1e7))
    for ax, values, limit, unit, step in (
        (axes[0], k, k_limit, "Pareto k-hat", 0.05),
        (axes[1], log_ess, math.log10(ess_limit), "least effective draws of the cell", 0.05),
    ):
        there = values[np.isfinite(values)]
        if not there.size:
            ax.text(
                0.5,
                0.5,
                "not computed for any cell",
                ha="center",
                va="center",
                transform=ax.transAxes,
                color=GREY,
            )
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_xlabel(unit)
            continue
        # Edges on the limit, so that no bar lies on both sides of it.
        first = math.floor((min(there.min(), limit) - limit) / step - 1e-9)
        last = math.ceil((max(there.max(), limit) - limit) / step + 1e-9)
        edges = limit + step * np.arange(first, last + 1)
        for which, colour, name in ((usable, BLUE, "usable"), (~usable, RED, "flagged")):
            chosen = values[which & np.isfinite(values)]
            if chosen.size:
                height = np.histogram(chosen, edges)[0]
                ax.stairs(height, edges, color=colour, lw=0, fill=True, label=f"{name} cells")
        if there.size > 500:
            ax.set_yscale("log")
            ax.set_ylim(bottom=0.5)
        else:
            ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.axvline(limit, color="black", lw=1, ls="--")
        ax.set_xlabel(unit)
        ax.set_ylabel("cells")
        if ax is axes[1]:
            low, high = ax.get_xlim()
            ticks = [n for d in range(8) for n in (10**d, 3 * 10**d) if low <= math.log10(n) <= high]
            ticks = [n for n in ticks if abs(math.log10(n / ess_limit)) > 0.2] if len(ticks) > 2 else ticks
            ticks = sorted({*ticks[:: 2 if len(ticks) > 7 else 1], int(ess_limit)})
            ax.set_xticks([math.log10(n) for n in ticks], [f"{n:,}" for n in ticks])
        else:
            apart = 0.2 if edges[-1] - edges[0] < 1.5 else 0.5
            ticks = apart * np.arange(round(-1 / apart), round(2 / apart) + 1)
            ticks = [x for x in ticks if edges[0] <= x <= edges[-1] and abs(x - limit) > 0.6 * apart]
            ax.set_xticks(sorted([*ticks, limit]), [minus(fixed(x, 1)) for x in sorted([*ticks, limit])])
    handles = {label: h for ax in axes for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend([*handles.values()], [*handles], loc="outside upper right", ncols=2)
    return figure


@styled
def plot_pairs(rows: Sequence[Population] | Sequence[Marginal], values: np.ndarray) -> "Figure":
    """Two parameters at a time, below the diagonal; rank correlations above it.

    Args:
        rows: parameters, P of them.
        values: (P, M), the medians of M cells or M draws of one cell; NaN where a cell lacks a parameter.

    Returns:
        A matplotlib Figure.
    """
    return draw_pairs([Axis(r.symbol, r.unit, r.log) for r in rows], values)


@styled
def plot_marginals(rows: Sequence[Marginal]) -> "Figure":
    """Each parameter of one cell by itself (blue) over its prior (grey), the first 12.

    Args:
        rows: the cell's parameters.

    Returns:
        A matplotlib Figure; black, median with 50 % and 95 % interval of the weighted points.
    """
    rows = rows[:MAX_PANELS]
    figure, axes = grid(len(rows), 1.65, _columns(len(rows)))
    for ax, m in zip(axes, rows, strict=False):
        if m.log:
            ax.set_xscale("log")
        to, _ = scale(m.log)
        prior = prior_curve(ax, m.law, m.log)
        near = float(to(m.quantiles[0])), float(to(m.quantiles[-1]))
        if m.draws.size:
            low, high = spread(ax, m.draws, m.log, 40)
            near = min(near[0], low), max(near[1], high)
        look_near(ax, m.log, prior, near)
        y = ax.get_ylim()[0] / 2
        for ends, width in ((m.quantiles[[0, 4]], 1.2), (m.quantiles[[1, 3]], 3.2)):
            ax.plot(ends, [y, y], color="black", lw=width, solid_capstyle="butt")
        ax.plot([m.quantiles[2]], [y], "o", color="white", mec="black", ms=4, mew=1)
        name_panel(ax, Axis(m.symbol, m.unit, m.log))
    return figure
