"""Figures of a cell: its steady states along a sweep, and its course in time.

Each function returns a new matplotlib `Figure`; neither the backend nor the settings in force are changed.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..cell.words import time_unit
from ..quantities.symbols import plain, symbol
from ..text import significant
from .style import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..cell.simulate import TimeCourse
    from ..cell.steady import SteadyState

#: One colour an ion wherever it stands; black is V_m.
_ION_COLOURS = {"K": "#0072B2", "Na": "#D55E00", "Cl": "#009E73", "HCO3": "#E69F00", "Ca": "#CC79A7"}
_OTHERS = ("#56B4E9", "#7A5C00", "#882255", "#44AA99")
_GREY, _PALE = "#6b6b6b", "#ececec"


@styled
def sweep_figure(
    states: "SteadyState",
    x: Any,
    *,
    name: str,
    unit: str = "",
    log: bool = False,
    title: str = "",
    max_volume_ratio: float | None = None,
) -> "Figure":
    """V_m with the Nernst potentials, inside concentrations, and volume along a sweep.

    Stretches without a steady state are shaded and named; unstable states are open circles, off the line. Where a value has
    several states, all are circles.

    Args:
        states: `steady_state` of a cell or bath with one number given as an array, shape (n,).
        x: that number, in the unit it is to be shown in, shape (n,).
        name: what it is called, e.g. ``K_o``.
        unit: its unit.
        log: a logarithmic axis.
        title: above the figure.
        max_volume_ratio: volume over the reference volume at which the membrane bursts; a line where a state
            is beyond it. None: never.
    """
    figure, panels = _panels(title)
    x, ok = np.asarray(x, float), np.asarray(states.ok)
    order = np.argsort(x, kind="stable")
    joined = len(np.unique(x)) == len(x)
    x, ok, stable = x[order], ok[order], np.asarray(states.stable)[order]

    def draw(ax, y, **style):
        y = np.broadcast_to(np.asarray(y, float), (len(order),))[order]
        kept = ok & stable
        ax.plot(x, np.where(kept & joined, y, np.nan), **style)
        lone = kept if not joined else kept & ~np.append(kept[1:], False) & ~np.append(False, kept[:-1])
        ax.plot(x[lone], y[lone], "o", markersize=3, color=style["color"])
        ax.plot(x[ok & ~stable], y[ok & ~stable], "o", markersize=3, color=style["color"], fillstyle="none")

    _fill(panels, states.V_m, states.E, states.c_i, states.volume, draw)
    _shade(panels, x, ok, log, bool((np.asarray(states.status) == 1).any()))
    volume = np.broadcast_to(np.asarray(states.volume, float), ok.shape)[order]
    if max_volume_ratio is not None and (volume[ok] > max_volume_ratio).any():
        _bursting(panels[-1], max_volume_ratio)
    for ax in panels:
        ax.set_xlim(x[0], x[-1])
        if log:
            ax.set_xscale("log")
    if log:
        from matplotlib.ticker import FuncFormatter, LogLocator

        axis = panels[-1].xaxis
        if x[-1] < 100 * x[0]:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.set_minor_formatter("")
    panels[-1].set_xlabel(f"{_named(name)} [{unit}]" if unit else _named(name))
    return figure


@styled
def time_course_figure(course: "TimeCourse", *, title: str = "") -> "Figure":
    """V_m with the Nernst potentials, inside concentrations, and volume against time, events marked.

    Args:
        course: of `simulate`.
        title: above the figure.
    """
    figure, panels = _panels(title)
    t = np.asarray(course.t, float)
    scale, unit = time_unit(t[-1])
    _fill(
        panels,
        course.V_m,
        course.E,
        course.c_i,
        course.volume,
        lambda ax, y, **style: ax.plot(t / scale, y, **style),
    )
    for event in course.events:
        for ax in panels:
            ax.axvline(event.t / scale, color=_GREY, linewidth=0.8, linestyle=(0, (1, 2)))
        what = ", ".join(f"{name} = {significant(value, 4)}" for name, value in event.changes.items())
        late = event.t > 0.6 * t[-1]
        panels[0].annotate(
            plain(what),
            (event.t / scale, 1.0),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color=_GREY,
            xytext=(-3 if late else 3, 2),
            textcoords="offset points",
            ha="right" if late else "left",
            va="bottom",
        )
    if course.ended != "duration":
        words = {"lysis": "burst", "emptied": "emptied of an ion"}.get(course.ended, course.ended)
        panels[-1].annotate(
            f"{words} at {significant(course.end / scale)} {unit}",
            (course.end / scale, 1.0),
            color="#D55E00",
            fontsize=8,
            xycoords=("data", "axes fraction"),
            xytext=(-4, -10),
            textcoords="offset points",
            ha="right",
        )
    panels[-1].set_xlim(0, max(t[-1], 1e-9) / scale)
    panels[-1].set_xlabel(f"time [{unit}]")
    return figure


@styled
def save_figure(figure: "Figure", path: Any, kind: str) -> None:
    """Write a figure of this file; `kind` is png, svg or pdf."""
    figure.savefig(path, format=kind, dpi=150)


def _panels(title: str) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 7.2), layout="constrained")
    panels = list(figure.subplots(3, 1, sharex=True, height_ratios=(1.35, 1.2, 0.8)))
    if title:
        figure.suptitle(plain(title, 90), fontsize=10)
    return figure, panels


def _fill(panels, V_m, E, c_i, volume, draw) -> None:
    top, middle, bottom = panels
    E, c_i = ({ion: d[ion] for ion in sorted(d, key=_usual_order)} for d in (E, c_i))
    colours = {ion: _ION_COLOURS.get(ion) or _OTHERS[k % len(_OTHERS)] for k, ion in enumerate(c_i)}
    for ion, e in E.items():
        draw(top, e, color=colours.get(ion, _GREY), label=f"$E_{{{ion}}}$", linewidth=1.1)
    draw(top, V_m, color="black", label="$V_m$", linewidth=2.0)
    for ion, c in c_i.items():
        draw(middle, c, color=colours[ion], label=_named(f"{ion}_i"))
    draw(bottom, volume, color="black")
    top.set_ylabel("potential [mV]")
    middle.set_ylabel("inside [mM]")
    middle.set_yscale("log")
    from matplotlib.ticker import FuncFormatter

    middle.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    bottom.set_ylabel("volume / reference")
    v = np.asarray(volume, float)
    if np.nanmax(v, initial=1) > 20 * np.nanmin(v, initial=1):
        bottom.set_yscale("log")
        bottom.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    else:
        bottom.set_ylim(*_room(v))
    for ax in (top, middle):
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _usual_order(ion: str):
    known = list(_ION_COLOURS)
    return known.index(ion) if ion in known else len(known), ion


def _room(volume) -> tuple[float, float]:
    """Limits that do not blow a change of a tenth of a per cent up to the whole axis."""
    v = volume[np.isfinite(volume)]
    if not len(v):
        return 0.9, 1.1
    low, high = min(v.min(), 1.0), max(v.max(), 1.0)
    margin = max(0.05 * (high - low), 0.02)
    return max(0.0, low - margin), high + margin


def _shade(panels, x, ok, log, none: bool) -> None:
    """Grey where there is no answer, half-way to the next that has one."""
    if ok.all():
        return
    at = np.log(x) if log else x
    edges = np.concatenate([[at[0]], (at[1:] + at[:-1]) / 2, [at[-1]]])
    edges = np.exp(edges) if log else edges
    for k in np.flatnonzero(~ok):
        for ax in panels:
            ax.axvspan(edges[k], edges[k + 1], color=_PALE, linewidth=0, zorder=0)
    runs = np.split(np.flatnonzero(~ok), np.flatnonzero(np.diff(np.flatnonzero(~ok)) > 1) + 1)
    widest = max(runs, key=len)
    low, high = edges[widest[0]], edges[widest[-1] + 1]
    middle = float(np.sqrt(low * high) if log else (low + high) / 2)
    panels[0].annotate(
        "no steady state" if none else "no answer",
        (middle, 0.5),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="center",
        fontsize=8,
        color=_GREY,
        rotation=90 if len(widest) < 0.2 * len(x) else 0,
    )


def _bursting(ax, ratio: float) -> None:
    ax.axhline(ratio, color="#D55E00", linewidth=0.8, linestyle=(0, (4, 2)), label="bursts")
    ax.annotate(
        f"bursts above {significant(ratio, 6)}",
        (0.0, ratio),
        xycoords=("axes fraction", "data"),
        color="#D55E00",
        fontsize=8,
        xytext=(3, 2),
        textcoords="offset points",
    )


def _named(name: str) -> str:
    return symbol(name).math
