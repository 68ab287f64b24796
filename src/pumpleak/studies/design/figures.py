"""Figures of a design: what each candidate is expected to give, and what they give one after another."""

import textwrap
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...quantities.symbols import plain
from ...reports.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PALE = "#d9d9d9"
_MOST = 25  # candidates drawn one by one
_LINE = 36  # characters of a label before it is broken
_LADDER = 10  # baths from which they are drawn as a curve


def candidates_figure(
    labels: Sequence[str],
    x: np.ndarray,
    along: str,
    gain: np.ndarray,
    error: np.ndarray,
    D: np.ndarray,
    chosen: Collection[int],
) -> "Figure":
    """Each candidate's gain [nats]: a dot, the best on top, or a curve for a ladder of baths.

    Args:
        labels: the candidates' names.
        x, along: concentration of a ladder's baths [mM], NaN for what is none, and the axis' name.
        gain, error: with standard errors.
        D: by the normal rule.
        chosen: which are in the recommended sequence.
    """
    from matplotlib.figure import Figure

    curve = np.isfinite(x) if np.isfinite(x).sum() >= _LADDER else np.zeros(len(x), bool)
    rest = np.flatnonzero(~curve)
    rest = rest[np.argsort(-gain[rest])][:_MOST]
    texts = [textwrap.fill(plain(labels[k], 2 * _LINE), _LINE) for k in rest]
    lines = sum(t.count("\n") + 1.6 for t in texts)
    heights = ([2.8] if curve.any() else []) + ([0.9 + 0.15 * lines] if len(rest) else [])
    figure = Figure(figsize=(6.8, sum(heights)), layout="constrained")
    panels = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
    picked = np.array(sorted(chosen), int)
    if curve.any():
        axes, k = panels[0], np.flatnonzero(curve)[np.argsort(x[curve])]
        axes.fill_between(
            x[k], (gain - 2 * error)[k], (gain + 2 * error)[k], color=COLOURS[0], alpha=0.25, lw=0
        )
        axes.plot(x[k], gain[k], color=COLOURS[0], label="± 2 standard errors")
        axes.plot(x[k], D[k], "--", color="#6b6b6b", lw=1, label="by the normal rule")
        mine = picked[curve[picked]]
        axes.plot(x[mine], gain[mine], "o", color=COLOURS[1], label="in the recommended sequence")
        axes.set(xscale="log", xlabel=f"{plain(along)} [mM]", ylabel="expected information [nats]")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(bottom=min(0.0, (gain - 2 * error)[k].min()))
        axes.legend()
    if len(rest):
        axes, y = panels[-1], -np.arange(len(rest))
        colours = [COLOURS[1] if k in chosen else COLOURS[0] for k in rest]
        axes.hlines(y, 0, gain[rest], color=_PALE, lw=1)
        axes.errorbar(gain[rest], y, xerr=2 * error[rest], fmt="none", ecolor="#555555", lw=1)
        axes.scatter(gain[rest], y, s=24, color=colours, zorder=3)
        axes.plot(D[rest], y, "x", color="#6b6b6b", ms=5)
        axes.set_yticks(y, texts)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(left=min(0.0, 1.05 * (gain - 2 * error)[rest].min()))
        axes.set_xlabel("expected information [nats]; cross: normal rule")
    return figure


def sequence_figure(
    labels: Sequence[str], gain: Sequence[float], error: Sequence[float], ladder: float, p: int
) -> "Figure":
    """Width of the intervals, in per cent of today's, after each step of the sequence."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    axes = figure.subplots()
    width = 100 * np.exp(-np.array([0.0, *gain]) / p)
    x = np.arange(len(width))
    spread = 2 * np.array([0.0, *error]) / p * width
    axes.errorbar(x, width, yerr=spread, fmt="o-", color=COLOURS[1], ecolor="#555555", label="recommended")
    if np.isfinite(ladder):
        end = 100 * np.exp(-ladder / p)
        axes.plot(x[-1], end, "s", color=COLOURS[0], label=f"uniform ladder of {x[-1]} (normal rule)")
    axes.set_xticks(x, ["now", *(plain(t, 24) for t in labels)], rotation=20, ha="right")
    axes.set_ylabel("width of the 95 % interval\n[% of the present]")
    axes.set_ylim(0, 105)
    axes.legend()
    return figure
