"""Figures of a design: what each candidate is expected to give, and what they give one after another."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .figures import COLOURS, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 25  # candidates drawn


def candidates_figure(
    labels: Sequence[str], gain: np.ndarray, error: np.ndarray, D: np.ndarray, chosen: Collection[int]
) -> "Figure":
    """A dot for each candidate's gain [nats], the best on top; a cross for the normal rule's."""
    from matplotlib.figure import Figure

    order = np.argsort(-gain)[:_MOST]
    figure = Figure(figsize=(6.8, 1.2 + 0.23 * len(order)), layout="constrained")
    axes = figure.subplots()
    y = -np.arange(len(order))
    colours = [COLOURS[1] if k in chosen else COLOURS[0] for k in order]
    axes.hlines(y, 0, gain[order], color="#d9d9d9", lw=1)
    axes.errorbar(gain[order], y, xerr=2 * error[order], fmt="none", ecolor="#555555", lw=1)
    axes.scatter(gain[order], y, s=24, color=colours, zorder=3)
    axes.plot(D[order], y, "x", color="#6b6b6b", ms=5, label="by the normal rule")
    axes.plot([], [], "o", color=COLOURS[1], label="in the recommended sequence")
    axes.plot([], [], "o", color=COLOURS[0], label="other candidates")
    axes.set_yticks(y, [plain(labels[k]) for k in order])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=min(0.0, gain[order].min()))
    axes.set_xlabel("expected information about the targets [nats]")
    axes.legend(loc="lower right")
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
