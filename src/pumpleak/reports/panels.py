"""What the figures of one posterior and of many cells share: grids of small panels, labels, densities, pairs."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..quantities.symbols import Symbol, plain
from ..text import fixed, minus
from .style import BLUE, GREY, PALE, RED, ZOOM, few_ticks, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..problem.priors import Prior

FEW = 20  # values; fewer are drawn each by itself
_POINTS = 4_000  # of a cloud


class Axis(NamedTuple):
    """A quantity along an axis; `log`: it is best seen on a log axis."""

    symbol: Symbol
    unit: str
    log: bool


def scale(log: bool) -> tuple[Callable, Callable]:
    """From values to the axis' scale, and back."""
    return (np.log, np.exp) if log else (np.asarray, np.asarray)


def axis_label(symbol: Symbol, unit: str) -> str:
    """Symbol and unit; on a second line what it belongs to, and of a long symbol the unit: axes are narrow."""
    text, unit = symbol._replace(of="").math, "" if unit in ("", "1") else f"({plain(unit, 16)})"
    between = "\n" if len(symbol.body) > 16 and not symbol.of else " "
    return f"{text}{between}{unit}".rstrip() + (f"\n{plain(symbol.of, 20)}" if symbol.of else "")


def name_panel(ax: "Axes", axis: Axis) -> None:
    """The quantity above a panel whose height means nothing, its unit below."""
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title(title(axis.symbol), pad=3)
    few_ticks(ax, axis.log)
    ax.set_xlabel("" if axis.unit == "1" else plain(axis.unit, 16), labelpad=1)


def prior_curve(ax: "Axes", law: "Prior | None", log: bool) -> tuple[float, float] | None:
    """The prior's density in grey on the axis' scale; between which values of that scale it lies."""
    if law is None:
        return None
    to, back = scale(log)
    ends = law.quantile(np.array([0.002, 0.998]))
    if log:
        ends = np.maximum(ends, 1e-300)
    t = np.linspace(to(ends[0]), to(ends[1]), 300)
    x = back(t)
    density = law.scipy().pdf(x) * (x if log else 1.0)
    if not np.isfinite(density).all():
        return None
    ax.fill_between(x, density, color=PALE, lw=0)
    ax.plot(x, density, color=GREY, lw=0.7)
    return float(t[0]), float(t[-1])


def spread(ax: "Axes", values: np.ndarray, log: bool, most: int, **style) -> tuple[float, float]:
    """Values as a density on the axis' scale, in `most` bins or fewer; between which values of that scale nearly all lie."""
    to, back = scale(log)
    t = to(values)
    low, high = map(float, np.quantile(t, [0.002, 0.998]))
    if len(values) < FEW or not high > low:
        for x in np.unique(values):
            ax.axvline(x, ymax=0.35, color=BLUE, lw=1)
        return low, high
    bins = int(min(most, max(8, 1.5 * math.sqrt(len(values)))))
    height, edges = np.histogram(t, np.linspace(low, high, bins + 1), density=True)
    ax.stairs(height, back(edges), **{"color": BLUE, "alpha": 0.55, "lw": 0, "fill": True} | style)
    return low, high


def look_near(
    ax: "Axes",
    log: bool,
    prior: tuple[float, float] | None,
    near: tuple[float, float],
    *,
    below: float = 0.14,
) -> None:
    """Show of a prior much wider than what is near only its near part; a share `below` of the height for a bar."""
    _, back = scale(log)
    span = near[1] - near[0]
    if prior is not None and span > 0 and prior[1] - prior[0] > ZOOM * span:
        middle = (near[0] + near[1]) / 2
        ax.set_xlim(*back(np.array([middle - 2 * span, middle + 2 * span])))
    elif span > 0 or prior is not None:
        ends = [*near, *(prior or ())]
        pad = 0.03 * (max(ends) - min(ends))
        ax.set_xlim(*back(np.array([min(ends) - pad, max(ends) + pad])))
    top = ax.get_ylim()[1]
    ax.set_ylim(-below * top, top)


def draw_pairs(axes: Sequence[Axis], values: np.ndarray, red: np.ndarray | None = None) -> "Figure":
    """Two quantities at a time below the diagonal, each alone on it, rank correlations above it.

    Args:
        axes: P of them.
        values: (P, M); NaN where there is none.
        red: (M,) bool, points to stand out.
    """
    from matplotlib.figure import Figure

    n = len(axes)
    figure = Figure(figsize=(7.6, 1.5 * n + 0.4 if n > 2 else 4), layout="constrained")
    panels = figure.subplots(n, n, squeeze=False)
    for i, below in enumerate(axes):
        for j, left in enumerate(axes):
            ax = panels[i, j]
            both = np.isfinite(values[i]) & np.isfinite(values[j])
            x, y = values[j][both], values[i][both]
            if j > i:
                _correlation(ax, x, y)
                continue
            if left.log:
                ax.set_xscale("log")
            if i == j:
                spread(ax, x, left.log, 30)
                ax.set_yticks([])
                ax.spines["left"].set_visible(False)
            else:
                if below.log:
                    ax.set_yscale("log")
                _cloud(ax, x, y, None if red is None else red[both])
                few_ticks(ax, below.log, "y")
                ax.yaxis.set_tick_params(labelleft=j == 0)
            few_ticks(ax, left.log)
            ax.xaxis.set_tick_params(labelbottom=i == n - 1, labelrotation=30 if i == n - 1 else 0)
            if i == n - 1:
                ax.set_xlabel(axis_label(left.symbol, left.unit))
        if i:
            panels[i, 0].set_ylabel(axis_label(below.symbol, below.unit))
    return figure


def _cloud(ax: "Axes", x: np.ndarray, y: np.ndarray, red: np.ndarray | None) -> None:
    many = len(x) > 300
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS)).astype(int))
    ax.scatter(
        x[at], y[at], s=4 if many else 10, color=BLUE, lw=0, alpha=0.25 if many else 0.6, rasterized=True
    )
    if red is not None and red.any():
        ax.scatter(x[red], y[red], s=8, color=RED, lw=0, rasterized=True)


def _correlation(ax: "Axes", x: np.ndarray, y: np.ndarray) -> None:
    from scipy.stats import spearmanr

    ax.set_axis_off()
    varied = len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
    r = float(spearmanr(x, y)[0]) if varied else math.nan
    text = "–" if math.isnan(r) else minus(fixed(r, 2, sign=True))
    text = text if text.strip("+−0.") else text[1:]
    size = 8 + (0 if math.isnan(r) else 5 * abs(r))
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=GREY, fontsize=size)
