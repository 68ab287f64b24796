"""Figures of a result, drawn from its tree alone.

Each function returns a new matplotlib `Figure`; neither the backend nor the settings in force are changed.
Names from data are drawn letter by letter as they are, never as mathematics.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from ..inference.answer import reference_ion
from ..inference.result import Result
from ..quantities.symbols import symbol
from ..text import fixed, significant
from .panels import Axis, axis_label, draw_pairs, look_near, name_panel, spread
from .reading import elements, pair_choice
from .style import BLUE, COLOURS, PALE, few_ticks, grid, styled, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..engines.information import Information

MAX_PANELS = 24
# -- parameters -------------------------------------------------------------------------------------


@styled
def plot_prior_posterior(result: Result) -> "Figure":
    """Prior (grey) against posterior (blue) of every parameter, the first 24.

    Args:
        result: of `infer`; its tree has a group `prior`.

    Returns:
        A matplotlib Figure.
    """
    rows = list(elements(result))[:MAX_PANELS]
    figure, axes = grid(len(rows))
    for ax, e in zip(axes, rows, strict=False):
        post = e.draws.ravel()
        prior = post if e.prior is None else e.prior.ravel()
        log = e.log(prior)
        if log:
            ax.set_xscale("log")
            prior = prior[prior > 0]
        wide = spread(ax, prior, log, 30, color=PALE, alpha=1)
        near = spread(ax, post, log, 40)
        ax.axvline(float(np.median(post)), color=BLUE, lw=1)
        look_near(ax, log, wide, near, below=0)
        name_panel(ax, Axis(e.symbol, e.unit, log))
    return figure


@styled
def plot_pairs(result: Result) -> "Figure":
    """Joint posterior of the (at most 5) parameters most determined by the data or most correlated.

    Args:
        result: of `infer`.

    Returns:
        A matplotlib Figure: draws below the diagonal (divergent ones red), rank correlation above it.
    """
    tree = result.tree
    table = tree["table"]
    contraction = {
        str(n): float(c) for n, c in zip(table["parameter"].values, table["contraction"].values, strict=True)
    }
    rows = pair_choice(list(elements(result)), contraction)
    stats = tree["sample_stats"]
    diverging = np.asarray(stats["diverging"]).ravel().astype(bool) if "diverging" in stats else None
    axes = [Axis(e.symbol, e.unit, e.log()) for e in rows]
    return draw_pairs(axes, np.stack([e.draws.ravel() for e in rows]), diverging)


@styled
def plot_ranks(result: Result) -> "Figure":
    """Rank histograms of each chain's draws among all draws, parameter by parameter (the first 24).

    Chains that explore alike give flat lines within the grey band, where 99 % of heights fall by chance for
    independent draws.

    Args:
        result: of `infer`.

    Returns:
        A matplotlib Figure.

    References:
        Vehtari et al. 2021, Bayesian Anal. 16:667, doi 10.1214/20-BA1221 (rank plots).
    """
    from scipy.stats import binom, rankdata

    rows = list(elements(result))[:MAX_PANELS]
    figure, axes = grid(len(rows), 1.3)
    bins = 15
    for ax, e in zip(axes, rows, strict=False):
        n = e.draws.shape[1]
        share = rankdata(e.draws, method="ordinal").reshape(e.draws.shape) / e.draws.size
        ax.axhspan(*(binom.ppf([0.005, 0.995], n, 1 / bins) * bins / n), color=PALE, lw=0)
        for c, chain in enumerate(share):
            height, edges = np.histogram(chain, bins, (0, 1))
            ax.stairs(height * bins / n, edges, color=COLOURS[c % len(COLOURS)], lw=1, baseline=None)
        ax.set_ylim(0, 2)
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 1], ["lowest", "highest"])
        for label, side in zip(ax.get_xticklabels(), ("left", "right"), strict=True):
            label.set_horizontalalignment(side)
        ax.set_yticks([0, 1, 2])
        ax.set_title(title(e.symbol), pad=3)
    return figure


@styled
def plot_traces(result: Result, most: int = 3) -> "Figure":
    """Draws in the order they were made, for the parameters with the fewest effective draws.

    Args:
        result: of `infer`.
        most: how many.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.figure import Figure

    table = result.tree["table"]
    ess = np.minimum(np.asarray(table["ess_bulk"]), np.asarray(table["ess_tail"]))
    order = dict(zip(map(str, table["parameter"].values), np.where(np.isfinite(ess), ess, -1), strict=True))
    rows = sorted(elements(result), key=lambda e: order[e.name])[:most]
    figure = Figure(figsize=(7.6, 1.6 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False).ravel()
    step = max(1, rows[0].draws.size // 1500)  # all of them would be an image of noise, and a heavy one
    for ax, e in zip(axes, rows, strict=True):
        at = np.arange(0, e.draws.shape[1], step)
        for c, chain in enumerate(e.draws):
            ax.plot(at, chain[at], color=COLOURS[c % len(COLOURS)], lw=0.6, alpha=0.8)
        if e.log():
            ax.set_yscale("log")
        few_ticks(ax, e.log(), "y")
        ax.set_ylabel(axis_label(e.symbol, e.unit), fontsize=8)
        ax.margins(x=0.01)
    axes[-1].set_xlabel("draw after warm-up" + (f" (one in {step} is drawn)" if step > 1 else ""))
    return figure


@styled
def plot_spectrum(result: Result) -> "Figure":
    """How much the readings say about each direction in parameter space, as a multiple of the prior.

    Args:
        result: of `infer`; its tree has a group `information`.

    Returns:
        A matplotlib Figure: eigenvalues of the Fisher information where every prior is standard normal,
        each labelled with the parameters its direction moves most. At 1 readings and prior weigh the same.
    """
    from ..inference.determined import information_of

    return draw_spectrum(information_of(result.tree), reference_ion(result.tree))


def draw_spectrum(info: "Information", reference: str) -> "Figure":
    """`plot_spectrum` of an information, where the ion `reference` has permeability 1."""
    from matplotlib.figure import Figure

    n = min(len(info.eigenvalues), MAX_PANELS)
    value = info.eigenvalues[:n]
    floor = 10 ** math.floor(math.log10(max(min(value.max(), 1.0) * 1e-4, 1e-6)))
    figure = Figure(figsize=(7.6, 0.27 * n + 0.75), layout="constrained")
    ax = figure.subplots()
    names = []
    for v in info.directions.T[:n]:
        top = [k for k in np.argsort(-np.abs(v)) if abs(v[k]) > 0.35][:3]
        names.append(", ".join(symbol(info.names[k], reference).math for k in top))
    shown = np.maximum(value, floor)
    ax.barh(
        range(n),
        shown - floor,
        left=floor,
        color=[BLUE if e >= 1 else "#b8b8b8" for e in value],
        height=0.65,
    )
    for y, e in enumerate(value):
        text = fixed(e, 0) if e >= 100 else significant(e, 2) if e >= floor else "≈ 0"
        ax.text(
            max(e, floor) * 1.12,
            y,
            text,
            va="center",
            fontsize=7.5,
            bbox={"fc": "white", "ec": "none", "pad": 0.8},
            zorder=5,
        )
    ax.axvline(1, color="black", lw=1)
    ax.set_xscale("log")
    ax.set_xlim(floor, max(shown.max(), 1) * 6)
    ax.set_yticks(range(n), names)
    ax.set_ylim(n - 0.4, -0.6)
    ax.set_xlabel("information, readings over prior")
    return figure
