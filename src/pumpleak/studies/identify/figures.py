"""The figure of profile likelihoods."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...problem.priors import Prior
from ...quantities.names import as_read
from ...quantities.symbols import symbol
from ...reports.batch_figures import on_log_axis
from ...reports.posterior_figures import MAX_PANELS
from ...reports.style import BLUE, GREY, few_ticks, grid, title
from ...text import fixed
from .profiles import DROP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOP = 5.0  # nats shown


def plot_profiles(
    curves: Mapping[str, Mapping[str, Any]], of: Mapping[str, tuple[str, Prior]], reference: str
) -> "Figure":
    """A panel an unknown, the first 24: its profile, where it passes 1.92 nats, and the prior's own objection.

    Args:
        curves: name -> ``value`` (G,) [the unknown's unit], ``drop`` (G,) [nats], ``low``, ``high`` (None: none).
        of: name -> unit and prior.
        reference: the ion whose permeability is 1.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = list(curves)[:MAX_PANELS]
    figure, axes = grid(len(names), height=1.75)
    for k, (ax, name) in enumerate(zip(axes, names, strict=False)):
        unit, prior = of[name]
        unit, shift = as_read(name, unit)
        curve = curves[name]
        value, drop = np.array(curve["value"]) + shift, np.array(curve["drop"])
        there = np.isfinite(drop)
        likely = value[there & (drop < 2 * _TOP)]
        likely = likely if len(likely) > 1 else value
        log = on_log_axis(name, prior, float(likely.min()), float(likely.max()))
        if log:
            ax.set_xscale("log")
        ends = [
            likely.min() if curve["low"] is None else curve["low"] + shift,
            likely.max() if curve["high"] is None else curve["high"] + shift,
        ]
        if curve["low"] is not None or curve["high"] is not None:
            ax.axvspan(*ends, color=BLUE, alpha=0.12, lw=0)
        density = prior.scipy()
        width = (likely.max() / likely.min()) ** 0.05 if log else 0.05 * np.ptp(likely)
        span = (
            (likely.min() / width, likely.max() * width)
            if log
            else (likely.min() - width, likely.max() + width)
        )
        x = np.geomspace(*span, 200) if log else np.linspace(*span, 200)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Per unit of the scale shown, so that a lognormal's is the parabola it is.
            objection = -(np.log(density.pdf(x - shift)) + (np.log(x) if log else 0.0))
        ax.plot(x, objection - np.nanmin(objection), color=GREY, lw=0.9)
        ax.plot(value[there], drop[there], color=BLUE, lw=1.4, marker=".", ms=3)
        ax.axhline(DROP, color="black", lw=0.8, ls="--")
        ax.set_ylim(-0.15, _TOP)
        ax.set_xlim(*span)
        ax.set_title(title(symbol(name, reference)), pad=3)
        few_ticks(ax, log)
        ax.set_xlabel("" if unit == "1" else unit, labelpad=1)
        if k % 4 == 0:
            ax.set_ylabel("nats")
    handles = [
        Line2D([], [], color=BLUE, lw=1.4, marker=".", ms=3, label="the readings (profile)"),
        Line2D([], [], color=GREY, lw=0.9, label="the prior"),
        Line2D([], [], color="black", lw=0.8, ls="--", label=f"{fixed(DROP, 2)} nats"),
        Patch(color=BLUE, alpha=0.12, lw=0, label="95 % by the readings"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    return figure
