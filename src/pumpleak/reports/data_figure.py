"""The figure of a result's readings, with the model's bands, along the quantity that was varied."""

import math
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from ..inference.findings import Kind
from ..inference.result import Result
from ..inference.unmodelled import labels_of, unmodelled_of
from ..quantities.names import kind as kind_of
from ..quantities.names import observable_unit
from ..quantities.symbols import plain, symbol
from .reading import MAX_READINGS, Readings, has, readings_of, series_and_x
from .style import BLUE, COLOURS, GREY, MARKERS, styled

_LEVELS = 6  # of a label that are told apart by colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def plot_data(result: Result) -> "Figure":
    """The readings with their errors against what the model expects of them.

    Readings stand along the quantity that the group `curve` chose, on the model's 50 % and 95 % bands, with
    residuals beneath; where there is none, and for paired differences, one line a reading.

    Args:
        result: of `infer`.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.figure import Figure

    tree, r = result.tree, readings_of(result.tree)
    along, x, series = on_curve(tree, r)
    levels = coloured_levels(tree)
    rest = [("reading", ~along & ~r.paired & (r.observable == o)) for o in dict.fromkeys(r.observable)]
    rest += [("difference", r.paired & (r.observable == o)) for o in dict.fromkeys(r.observable)]
    rest = [(kind, mask) for kind, mask in rest if mask.any()]
    heights = ([5.2] if has(tree, "curve") else []) + [_line_height(int(m.sum())) for _, m in rest]
    figure = Figure(figsize=(7.6, sum(heights)), layout="constrained")
    parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if has(tree, "curve"):
        _along_x(parts.pop(0), tree, r, series, x, along, levels)
    for part, (kind, mask) in zip(parts, rest, strict=True):
        _one_line_each(part.subplots(), r, np.flatnonzero(mask), kind, levels)
    return figure


class _Levels(NamedTuple):
    """A label column that nothing is given by: of each reading its level, and each level's colour."""

    column: str
    of: list[str]
    colour: dict[str, str]

    def handles(self, which: np.ndarray, marker: str = "o") -> list:
        """A legend's entries for the levels of these readings."""
        from matplotlib.lines import Line2D

        there = {self.of[i] for i in which}
        return [
            Line2D([], [], marker=marker, ls="", ms=4.5, color=c, label=plain(x or "(blank)", 28))
            for x, c in self.colour.items()
            if x in there
        ]


def coloured_levels(tree: xr.DataTree) -> _Levels | None:
    """The unused label by whose levels residuals are coloured: that in which they differ most surely; None without one."""
    labels = labels_of(tree)
    if not labels:
        return None
    differ = [f.parameters[0] for f in unmodelled_of(tree) if f.kind == Kind.levels_differ]
    column = (differ or sorted(labels, key=lambda c: len(set(labels[c]))))[0]
    text = [str(x) for x in labels[column]]
    common = sorted(dict.fromkeys(text), key=lambda x: -text.count(x))
    own = set(common if len(common) <= _LEVELS else common[: _LEVELS - 1])
    shown = [x for x in dict.fromkeys(text) if x in own]
    other = f"other ({len(common) - len(own)} more)"
    colour = dict(zip(shown, COLOURS[1:], strict=False)) | ({other: GREY} if len(own) < len(common) else {})
    return _Levels(column, [x if x in own else other for x in text], colour)


def on_curve(tree: xr.DataTree, r: Readings) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(N,) which readings stand on the model's curve, as V_m and Nernst potentials do, (N,) where; and the rows' series."""
    if not has(tree, "curve"):
        return np.zeros(len(r.value), bool), np.full(len(r.value), np.nan), []
    series, row_x = series_and_x(tree)
    x = row_x[r.row]
    membrane = [o == "V_m" or kind_of(o).what == "potential" and kind_of(o).of != "" for o in r.observable]
    return ~r.paired & np.isfinite(x) & np.array(membrane, bool), x, series


def _line_height(n: int) -> float:
    return 1.1 + 0.3 * min(n, MAX_READINGS)


class _Axis:
    """The horizontal axis: log for concentrations that span a factor of 3, with a place for 0 apart."""

    def __init__(self, x: np.ndarray, name: str):
        x = x[np.isfinite(x)]
        positive = x[x > 0]
        self.log = bool(kind_of(name).side) and len(positive) > 0 and x.min() >= 0
        self.log &= len(positive) < len(x) or positive.max() >= 3 * positive.min()
        self.low, self.high = (positive if self.log else x).min(), x.max()
        self.zero = self.log and (x == 0).any()
        decades = math.log10(self.high / self.low) if self.log else 0.0
        self.at_zero = self.low / 10 ** max(0.35, 0.18 * decades) if self.zero else math.nan

    def place(self, x: np.ndarray) -> np.ndarray:
        """Where a value is drawn."""
        return np.where(x == 0, self.at_zero, x) if self.zero else np.asarray(x)

    def moved(self, x: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Drawn values moved by a share of the axis, so that points at one place stand side by side."""
        low = self.at_zero if self.zero else self.low
        if self.log:
            return x * (self.high / low) ** share
        return x + (self.high - low or 1.0) * share

    def finish(self, ax: "Axes") -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

        low = self.at_zero if self.zero else self.low
        ends = self.moved(np.array([low, self.high]), np.array([-0.06, 0.06]))
        if not self.log:
            ax.set_xlim(*ends)
            return
        ax.set_xscale("log")
        ax.set_xlim(*ends)
        # The coarsest ticks of which there are three.
        for keep in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), range(1, 10)):
            ticks = [m * 10.0**e for e in range(-6, 6) for m in keep]
            ticks = [t for t in ticks if max(0.8 * self.low, ends[0]) <= t <= ends[1]]
            if len(ticks) > 2:
                break
        if self.zero:
            ticks.insert(0, self.at_zero)
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        zero = self.at_zero
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: "0" if math.isclose(v, zero) else f"{v:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_minor_locator(
            FixedLocator([m * 10.0**e for e in range(-6, 6) for m in range(1, 10) if m * 10.0**e >= self.low])
        )
        if self.zero:
            # Two strokes where the axis is broken between 0 and the least concentration.
            gap = math.log(math.sqrt(self.at_zero * self.low) / ends[0]) / math.log(ends[1] / ends[0])
            ax.plot(
                [gap - 0.005, gap + 0.005],
                [0, 0],
                transform=ax.transAxes,
                color="black",
                ls="",
                mew=0.9,
                ms=9,
                marker=[(-0.4, -1), (0.4, 1)],
                clip_on=False,
                zorder=9,
            )


def _along_x(part, tree, r: Readings, series: list[str], x, along, levels: _Levels | None) -> None:
    """Bands, E lines and readings along x, and residuals beneath where there are readings: by colour the `levels`."""
    curve = tree["curve"].to_dataset()
    name = str(curve.attrs["x_name"])
    axis = _Axis(np.concatenate([x[along], np.ravel(curve["x"])]), name)
    read = bool(along.any())
    upper, lower = part.subplots(2, 1, height_ratios=(3.2, 1), sharex=True) if read else [part.subplots()] * 2
    used = dict.fromkeys([*map(str, curve["series"].values), *(series[i] for i in r.row[along])])
    colour = {s: COLOURS[i % len(COLOURS)] for i, s in enumerate(used)}
    reach = [r.value[along], r.bands[0, along], r.bands[-1, along]]
    for i, s in enumerate(map(str, curve["series"].values)):
        xs, V = np.asarray(curve["x"][i]), np.asarray(curve["V_m"][i])
        _bands(upper, axis.place(xs), V, colour[s], broken=axis.zero and xs[0] == 0)
        reach += [V[:, 0], V[:, -1]]
    reach = np.concatenate(reach)
    low, high = np.nanmin(reach), np.nanmax(reach)
    handles = _nernst_lines(upper, axis, curve, name, (low, high))
    place, offset = _side_by_side(axis, x, along), _electrode(tree, r)
    seen: dict[str, int] = {}
    for i in np.flatnonzero(along):
        s, obs = series[r.row[i]], r.observable[i]
        c = colour[s] if obs == "V_m" else "black"
        mark = {
            "fmt": "s" if obs != "V_m" else MARKERS[list(used).index(s) % len(MARKERS)],
            "ms": 5,
            "color": c,
            "mfc": "white" if obs != "V_m" else c,
            "mew": 1,
        }
        value = r.value[i] - offset[i]
        if obs == "V_m" and s not in curve["series"].values:
            for k, width in ((0, 1.2), (1, 5)):
                upper.plot(
                    [place[i]] * 2,
                    r.bands[[k, 4 - k], i] - offset[i],
                    color=c,
                    lw=width,
                    alpha=0.35,
                    solid_capstyle="butt",
                    zorder=2,
                )
        _errors(upper, place[i], value, r.scatter[i], r.error[i], mark)
        beneath = (
            mark if levels is None else mark | dict.fromkeys(("color", "mfc"), levels.colour[levels.of[i]])
        )
        _errors(lower, place[i], r.value[i] - r.expected[i], r.scatter[i], r.error[i], beneath)
        label = (s or "readings") if obs == "V_m" else f"{symbol(obs).math}, as read"
        seen.setdefault(label, i)
        if seen[label] == i:
            handles.append(
                upper.plot(
                    [],
                    [],
                    **{k: v for k, v in mark.items() if k != "fmt"},
                    marker=mark["fmt"],
                    ls="",
                    label=plain(label, 28) if obs == "V_m" else label,
                )[0]
            )
    pad = 0.06 * (high - low or 10)
    bottom, top = upper.get_ylim()
    upper.set_ylim(max(bottom, low - (high - low) - pad), min(top, high + (high - low) + pad))
    axis.finish(upper)
    upper.set_ylabel("$V_m$ or $E$ (mV)")
    if read:
        axis.finish(lower)
        upper.tick_params(labelbottom=False)
        lower.axhline(0, color=GREY, lw=0.8)
        lower.set_ylabel("reading −\nexpected (mV)")
        if levels is not None:
            entries = levels.handles(np.flatnonzero(along))
            title, columns = plain(levels.column, 28), min(4, len(entries))
            lower.legend(handles=entries, title=title, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)
    unit = (kind_of(name).unit or "").replace("1", "")
    lower.set_xlabel(symbol(name).math + (f" ({unit})" if unit else ""))
    part.align_ylabels([upper, lower])
    part.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)), handletextpad=0.5)


def _bands(ax, x, q, colour, broken: bool) -> None:
    """50 % and 95 % bands and the median; the value at 0 stands apart where the axis is broken there."""
    start = 1 if broken else 0
    ax.fill_between(x[start:], q[start:, 0], q[start:, 4], color=colour, alpha=0.15, lw=0)
    ax.fill_between(x[start:], q[start:, 1], q[start:, 3], color=colour, alpha=0.3, lw=0)
    ax.plot(x[start:], q[start:, 2], color=colour)
    if broken:
        wide = x[0] * (x[1] / x[0]) ** np.array([-0.12, 0.12])
        for k, alpha in ((0, 0.15), (1, 0.3)):
            ax.fill_between(wide, q[0, k], q[0, 4 - k], color=colour, alpha=alpha, lw=0)
        ax.plot(wide, [q[0, 2]] * 2, color=colour)


def _nernst_lines(ax, axis: _Axis, curve: xr.Dataset, name: str, span: tuple[float, float]) -> list:
    """E_K, and the Nernst potential of the ion on the axis, where they come near the readings."""
    from matplotlib.patches import Patch

    ions = dict.fromkeys(["K", *re.findall(r"^([A-Za-z0-9]+)_[oi]$", name)])
    handles = [
        Patch(color=GREY, alpha=0.45, lw=0, label="model: 50 %"),
        Patch(color=GREY, alpha=0.18, lw=0, label="95 %"),
    ]
    for ion, dash in zip([i for i in ions if f"E_{i}" in curve], ("--", ":"), strict=False):
        shown: list[np.ndarray] = []
        for xs, q in zip(np.asarray(curve["x"]), np.asarray(curve[f"E_{ion}"]), strict=True):
            near = np.isfinite(q).all(axis=1) & (xs > 0)
            away = span[1] - span[0] + 20
            near &= (q[:, 2] > span[0] - away) & (q[:, 2] < span[1] + away)
            line = np.interp(np.linspace(0, 1, 30), np.linspace(0, 1, len(xs)), np.where(near, q[:, 2], 1e6))
            if near.sum() < 2 or any(np.allclose(line, o, atol=0.5) for o in shown):
                continue
            ax.fill_between(xs[near], q[near, 0], q[near, 4], color=GREY, alpha=0.12, lw=0)
            (drawn,) = ax.plot(
                xs[near], q[near, 2], color="black", ls=dash, lw=1.1, label=f"$E_{{{ion}}}$, median and 95 %"
            )
            handles += [] if shown else [drawn]
            shown.append(line)
    return handles


def _side_by_side(axis: _Axis, x, along) -> np.ndarray:
    """Places on the axis, with readings at the same x moved apart."""
    out = np.full(len(x), np.nan)
    for value in np.unique(x[along]):
        same = np.flatnonzero(along & (x == value))
        step = min(0.02, 0.08 / max(len(same) - 1, 1))
        shares = step * (np.arange(len(same)) - (len(same) - 1) / 2)
        out[same] = axis.moved(axis.place(np.full(len(same), value)), shares)
    return out


def _electrode(tree, r: Readings) -> np.ndarray:
    """What the electrode adds to each reading, by the posterior mean: expected reading less the membrane's V_m."""
    if not has(tree, "membrane"):
        return np.zeros(len(r.value))
    V = np.asarray(tree["membrane"]["V_m"].mean(("chain", "draw")))[r.condition]
    added = np.where((r.observable == "V_m") & ~r.paired, r.expected - V, 0.0)
    return np.where(np.abs(added) > 1e-6, added, 0.0)


def electrode_shift(result: Result) -> float:
    """The largest amount [mV] by which `plot_data` moves a reading to show the membrane's potential."""
    return float(np.abs(_electrode(result.tree, readings_of(result.tree))).max(initial=0.0))


def _errors(ax, x, y, scatter, error, mark, horizontal: bool = False) -> None:
    """A point with its total scatter (thin) and its own standard error (thick)."""
    for size, width in ((scatter, 0.8), (error, 2.2)):
        if np.isfinite(size) and size > 0:
            bar = {"xerr": size} if horizontal else {"yerr": size}
            ax.errorbar(x, y, **bar, fmt="none", ecolor=mark["color"], elinewidth=width, zorder=3)
    ax.plot([x], [y], marker=mark["fmt"], ls="", **{k: v for k, v in mark.items() if k != "fmt"}, zorder=4)


def _one_line_each(ax, r: Readings, which: np.ndarray, kind: str, levels: _Levels | None) -> None:
    """Readings by name: predicted 50 % and 95 % intervals, and the measured value with its errors; by colour the `levels`."""
    note = ""
    if len(which) > MAX_READINGS:
        worst = np.argsort(-np.abs(r.value - r.expected)[which] / r.scatter[which])[:MAX_READINGS]
        note = f" (the {MAX_READINGS} farthest off, of {len(which)})"
        which = which[np.sort(worst)]
    obs = str(r.observable[which[0]])
    unit = "" if observable_unit(obs) == "1" else f" ({observable_unit(obs)})"
    mark = {"fmt": "o", "ms": 4.5, "color": "black"}
    ax.use_sticky_edges = False
    for y, i in enumerate(which):
        for k, width in ((0, 0.28), (1, 0.28)):
            ax.barh(
                y,
                r.bands[4 - k, i] - r.bands[k, i],
                left=r.bands[k, i],
                height=2 * width,
                color=BLUE,
                alpha=(0.2, 0.3)[k],
                lw=0,
                label=("model: 95 %", "50 %")[k] if y == 0 else None,
            )
        ax.plot([r.bands[2, i]] * 2, [y - 0.28, y + 0.28], color=BLUE, lw=1.4)
        own = mark if levels is None else mark | {"color": levels.colour[levels.of[i]]}
        _errors(ax, r.value[i], y, r.scatter[i], r.error[i], own, horizontal=True)
    if kind == "difference":
        ax.axvline(0, color=GREY, lw=0.8)
    if levels is None:
        ax.plot([], [], marker="o", ls="", ms=4.5, color="black", label="measured")
    ax.set_yticks(range(len(which)), [plain(r.names[i], 34) for i in which])
    ax.set_ylim(len(which) - 0.4, -0.6)
    body = symbol(obs).math
    ax.set_xlabel((f"change of {body}{unit}" if kind == "difference" else f"{body} as read{unit}") + note)
    drawn = ax.get_legend_handles_labels()[0] + ([] if levels is None else levels.handles(which))
    title = None if levels is None else f"measured, by {plain(levels.column, 28)}"
    ax.legend(handles=drawn, title=title, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
