"""Figures of a result, drawn from its tree alone.

Each function returns a new matplotlib `Figure`; neither the backend nor the settings in force are changed.
Names from data are drawn letter by letter as they are, never as mathematics.
"""

import functools
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from ..inference.result import Result, safe_name
from ..quantities.quantity import observable_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..engines.information import Information

MAX_PANELS = 24
MAX_READINGS = 60
MAX_PAIRS = 5
ZOOM = 15  # a posterior narrower than its prior by this much is shown with the prior's near part only
#: Okabe & Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00", "#000000")
MARKERS = "osD^vP"
GREY, _PALE, BLUE, _RED = "#6b6b6b", "#d9d9d9", COLOURS[0], COLOURS[1]
_STYLE = {
    "text.usetex": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "mathtext.fontset": "dejavusans",
    "mathtext.default": "regular",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "lines.linewidth": 1.4,
}


def styled(draw: Callable) -> Callable:
    """Draw under the house style, whatever the caller's settings, and leave those alone."""

    @functools.wraps(draw)
    def inside(*args, **kwargs):
        import matplotlib

        # A name in a script that the font lacks is no reason to stop.
        with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            return draw(*args, **kwargs)

    return inside


# -- names ----------------------------------------------------------------------------------------

_CHARGES = {"K": "+", "Na": "+", "Li": "+", "Rb": "+", "Cs": "+", "H": "+", "NH4": "+", "Cl": "−", "HCO3": "−",
            "F": "−", "Br": "−", "I": "−", "OH": "−", "Ca": "2+", "Mg": "2+", "Ba": "2+", "Sr": "2+"}  # fmt: skip
_SINGLE = {"T": "T", "LJP": "LJP", "V_offset": "V_{offset}", "V_m": "V_{m}", "nu": "ν", "r": "r", "pump": "pump",
           "pump_rel": "pump rate", "z_X": "z_{X}", "volume": "volume", "gamma_o": "γ_{o}", "gamma_i": "γ_{i}"}  # fmt: skip
_TAILS = {"_total": "total of {}", "_mean": "population {}", "_spread": "spread of {}", "_z": "offset of {}"}


class Symbol(NamedTuple):
    """A quantity as it is printed: `body` with ``_{}`` and ``^{}``, and the `of` it belongs to (plain text)."""

    body: str
    of: str = ""
    known: bool = True

    @property
    def math(self) -> str:
        """For matplotlib; what came from data is escaped."""
        body = f"${self.body.replace(' ', '~')}$" if self.known else plain(self.body)
        return f"{body} ({plain(self.of, 24)})" if self.of else body


def symbol(name: str, reference: str = "K") -> Symbol:
    """The symbol of a parameter or quantity: ``P_Na_rel`` is P_Na/P_K, ``Cl_o[wash]`` [Cl⁻]_o (wash).

    Args:
        name: an element's name in the table or the information.
        reference: the ion whose permeability is 1.
    """
    base, bracket, rest = name.partition("[")
    of, _, tail = rest.rpartition("]") if bracket else ("", "", "")
    if not bracket:
        tail = next((t for t in _TAILS if base.endswith(t) and _quantity(base[: -len(t)], reference)), "")
        base = base[: len(base) - len(tail)]
    else:
        inner = next((t for t in _TAILS if base.endswith(t)), "")
        tail, base = tail or inner, base[: len(base) - len(inner)]
    body = _quantity(base, reference)
    if body is None or (tail and tail not in _TAILS):
        return Symbol(name, known=False)
    return Symbol(_TAILS[tail].format(body) if tail else body, of)


def _quantity(name: str, reference: str) -> str | None:
    if name in _SINGLE:
        return _SINGLE[name]
    if found := re.fullmatch(r"(extra|sigma)_(\w+)", name):
        inner = _quantity(found[2], reference)
        return inner and {"extra": "extra scatter of {}", "sigma": "σ({})"}[found[1]].format(inner)
    if name == "I_pump_rel":
        return f"I_{{pump}}/g_{{{reference}}}"
    if found := re.fullmatch(r"([Pg])_([A-Za-z0-9]+)_(rel|scale)", name):
        symbol, ion, kind = found.groups()
        over = f"{symbol}_{{{reference}}}" if kind == "rel" else f"{symbol}_{{{ion}}}^{{rest}}"
        return f"{symbol}_{{{ion}}}/{over}"
    if found := re.fullmatch(r"E_([A-Za-z0-9]+)", name):
        return f"E_{{{found[1]}}}"
    if found := re.fullmatch(r"a?([A-Z][A-Za-z0-9]*)_([oi])", name):
        ion, side = found.groups()
        if name.startswith("a"):
            return f"a_{{{ion},{side}}}"
        digits = re.sub(r"(\d+)", r"_{\1}", ion)
        return f"[{digits}^{{{_CHARGES[ion]}}}]_{{{side}}}" if ion in _CHARGES else f"[{digits}]_{{{side}}}"
    return None


def plain(text: str, longest: int = 40) -> str:
    """Text from data for a figure: one line, shortened, and no sign of it taken for mathematics."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(text) > longest:
        text = text[: longest - 1].rstrip() + "…"
    return text.replace("$", r"\$")


# -- what the tree holds ----------------------------------------------------------------------------


def has(tree: xr.DataTree, *groups: str) -> bool:
    """Whether the tree has all these groups."""
    return all(g in tree.children for g in groups)


def reference_ion(tree: xr.DataTree) -> str:
    """The ion whose permeability is 1."""
    config = json.loads(str(tree.attrs.get("config", "{}")))
    return config.get("reference") or str(tree.attrs.get("ions", "K")).split(", ")[0]


def element_draws(group: xr.DataTree) -> dict[str, np.ndarray]:
    """Element name (its slashes as netCDF has them) -> draws (chain, draw)."""
    out = {}
    for name, values in group.data_vars.items():
        if set(values.dims) == {"chain", "draw"}:
            out[str(name)] = np.asarray(values.transpose("chain", "draw"))
            continue
        (level,) = (d for d in values.dims if d not in ("chain", "draw"))
        values = values.transpose("chain", "draw", level)
        for i, x in enumerate(values[level].values):
            out[safe_name(f"{name}[{x}]")] = np.asarray(values[..., i])
    return out


class Element(NamedTuple):
    """One number of the posterior: its `draws` (chain, draw), and `prior` draws where they were kept."""

    name: str
    symbol: Symbol
    unit: str
    draws: np.ndarray
    prior: np.ndarray | None
    scale: bool

    def log(self, *others: np.ndarray) -> bool:
        """Whether the draws are positive and spread so wide that a log axis shows them better."""
        low = min(np.quantile(d, 0.025) for d in (self.draws, *others))
        high = max(np.quantile(d, 0.975) for d in (self.draws, *others))
        return self.scale and low > 0 and high > 12 * low


def elements(result: Result) -> Iterator[Element]:
    """The rows of the table with their draws."""
    tree, reference = result.tree, reference_ion(result.tree)
    post = element_draws(tree["posterior"])
    prior = element_draws(tree["prior"]) if has(tree, "prior") else {}
    table = tree["table"]
    for name, unit, text in zip(*(table[k].values for k in ("parameter", "unit", "prior")), strict=True):
        key = safe_name(str(name))
        if key in post:
            # What may well be 0 is best seen on a linear axis.
            scale = not str(text).startswith("half-normal")
            yield Element(
                str(name), symbol(str(name), reference), str(unit), post[key], prior.get(key), scale
            )


def series_and_x(tree: xr.DataTree) -> tuple[list[str], np.ndarray]:
    """The series of each table row, and its value on the horizontal axis (NaN where that is not known)."""
    rows = tree["rows"].to_dataset()
    return [str(s) for s in rows["series"].values], np.asarray(rows["x"])


class Readings(NamedTuple):
    """The readings, one array entry each; `bands` (5, N) are quantiles of the predicted reading."""

    names: list[str]
    observable: np.ndarray
    value: np.ndarray
    error: np.ndarray
    scatter: np.ndarray
    expected: np.ndarray
    bands: np.ndarray
    row: np.ndarray
    condition: np.ndarray
    paired: np.ndarray


def readings_of(tree: xr.DataTree) -> Readings:
    """The group `readings`, with predicted quantiles from `posterior_predictive` where that is kept."""
    r = tree["readings"].to_dataset()
    expected, scatter = np.asarray(r["expected"]), np.asarray(r["total_scatter"])
    levels = (0.025, 0.25, 0.5, 0.75, 0.975)
    if has(tree, "posterior_predictive"):
        draws = np.asarray(tree["posterior_predictive"]["reading"])
        bands = np.quantile(draws.reshape(-1, draws.shape[-1]), levels, axis=0)
    else:
        bands = expected + np.array([[-1.96], [-0.674], [0.0], [0.674], [1.96]]) * scatter
    return Readings(
        [str(n) for n in r["obs"].values], r["observable"].values.astype(str), np.asarray(r["value"]),
        np.asarray(r["standard_error"]), scatter, expected, bands, np.asarray(r["row"]),
        np.asarray(r["condition"]), np.asarray(r["reference"]) >= 0,
    )  # fmt: skip


# -- data and model ---------------------------------------------------------------------------------


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
    along, x, series = np.zeros(len(r.value), bool), np.full(len(r.value), np.nan), []
    if has(tree, "curve"):
        series, row_x = series_and_x(tree)
        x = row_x[r.row]
        in_mV = (r.observable == "V_m") | np.char.startswith(r.observable, "E_")
        along = ~r.paired & np.isfinite(x) & in_mV
    rest = [("reading", ~along & ~r.paired & (r.observable == o)) for o in dict.fromkeys(r.observable)]
    rest += [("difference", r.paired & (r.observable == o)) for o in dict.fromkeys(r.observable)]
    rest = [(kind, mask) for kind, mask in rest if mask.any()]
    heights = ([5.2] if has(tree, "curve") else []) + [_line_height(int(m.sum())) for _, m in rest]
    figure = Figure(figsize=(7.6, sum(heights)), layout="constrained")
    parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if has(tree, "curve"):
        _along_x(parts.pop(0), tree, r, series, x, along)
    for part, (kind, mask) in zip(parts, rest, strict=True):
        _one_line_each(part.subplots(), r, np.flatnonzero(mask), kind)
    return figure


def _line_height(n: int) -> float:
    return 1.1 + 0.3 * min(n, MAX_READINGS)


class _Axis:
    """The horizontal axis: log for concentrations that span a factor of 3, with a place for 0 apart."""

    def __init__(self, x: np.ndarray, name: str):
        x = x[np.isfinite(x)]
        positive = x[x > 0]
        self.log = name[-2:] in ("_o", "_i") and len(positive) > 0 and x.min() >= 0
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
            ax.plot([gap - 0.005, gap + 0.005], [0, 0], transform=ax.transAxes, color="black", ls="", mew=0.9, ms=9,
                    marker=[(-0.4, -1), (0.4, 1)], clip_on=False, zorder=9)  # fmt: skip


def _along_x(part, tree, r: Readings, series: list[str], x, along) -> None:
    """Bands, E lines and readings along x, and residuals beneath."""
    curve = tree["curve"].to_dataset()
    name = str(curve.attrs["x_name"])
    axis = _Axis(np.concatenate([x[along], np.ravel(curve["x"])]), name)
    upper, lower = part.subplots(2, 1, height_ratios=(3.2, 1), sharex=True)
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
        mark = {"fmt": "s" if obs != "V_m" else MARKERS[list(used).index(s) % len(MARKERS)], "ms": 5, "color": c,
                "mfc": "white" if obs != "V_m" else c, "mew": 1}  # fmt: skip
        value = r.value[i] - offset[i]
        if obs == "V_m" and s not in curve["series"].values:
            for k, width in ((0, 1.2), (1, 5)):
                upper.plot([place[i]] * 2, r.bands[[k, 4 - k], i] - offset[i], color=c, lw=width, alpha=0.35,
                           solid_capstyle="butt", zorder=2)  # fmt: skip
        _errors(upper, place[i], value, r.scatter[i], r.error[i], mark)
        _errors(lower, place[i], r.value[i] - r.expected[i], r.scatter[i], r.error[i], mark)
        label = (s or "readings") if obs == "V_m" else f"{symbol(obs).math}, as read"
        seen.setdefault(label, i)
        if seen[label] == i:
            handles.append(upper.plot([], [], **{k: v for k, v in mark.items() if k != "fmt"}, marker=mark["fmt"],
                                      ls="", label=plain(label, 28) if obs == "V_m" else label)[0])  # fmt: skip
    pad = 0.06 * (high - low or 10)
    bottom, top = upper.get_ylim()
    upper.set_ylim(max(bottom, low - (high - low) - pad), min(top, high + (high - low) + pad))
    axis.finish(upper)
    axis.finish(lower)
    upper.tick_params(labelbottom=False)
    lower.axhline(0, color=GREY, lw=0.8)
    upper.set_ylabel("$V_m$ or $E$ (mV)")
    lower.set_ylabel("reading −\nexpected (mV)")
    unit = {"T": "K"}.get(name, "mM" if name[-2:] in ("_o", "_i") else "")
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


def _one_line_each(ax, r: Readings, which: np.ndarray, kind: str) -> None:
    """Readings by name: predicted 50 % and 95 % intervals, and the measured value with its errors."""
    note = ""
    if len(which) > MAX_READINGS:
        worst = np.argsort(-np.abs(r.value - r.expected)[which] / r.scatter[which])[:MAX_READINGS]
        note = f" (the {MAX_READINGS} farthest off, of {len(which)})"
        which = which[np.sort(worst)]
    obs = str(r.observable[which[0]])
    unit = observable_unit(obs)
    mark = {"fmt": "o", "ms": 4.5, "color": "black"}
    ax.use_sticky_edges = False
    for y, i in enumerate(which):
        for k, width in ((0, 0.28), (1, 0.28)):
            ax.barh(y, r.bands[4 - k, i] - r.bands[k, i], left=r.bands[k, i], height=2 * width, color=BLUE,
                    alpha=(0.2, 0.3)[k], lw=0, label=("model: 95 %", "50 %")[k] if y == 0 else None)  # fmt: skip
        ax.plot([r.bands[2, i]] * 2, [y - 0.28, y + 0.28], color=BLUE, lw=1.4)
        _errors(ax, r.value[i], y, r.scatter[i], r.error[i], mark, horizontal=True)
    if kind == "difference":
        ax.axvline(0, color=GREY, lw=0.8)
    ax.plot([], [], marker="o", ls="", ms=4.5, color="black", label="measured")
    ax.set_yticks(range(len(which)), [plain(r.names[i], 34) for i in which])
    ax.set_ylim(len(which) - 0.4, -0.6)
    body = symbol(obs).math
    ax.set_xlabel(
        (f"change of {body} ({unit})" if kind == "difference" else f"{body} as read ({unit})") + note
    )
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


# -- parameters -------------------------------------------------------------------------------------


def grid(n: int, height: float = 1.55, columns: int = 4):
    from matplotlib.figure import Figure

    columns = min(columns, max(n, 2))
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(7.6, height * rows + 0.35), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[n:]:
        ax.set_axis_off()
    return figure, axes


def title(s: Symbol) -> str:
    text = s.math
    return text.replace(" (", "\n(", 1) if s.of else text


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
        to: Callable = np.log if log else np.asarray
        back: Callable = np.exp if log else np.asarray
        spans = []
        for draws, bins, style in (
            (prior, 30, {"color": _PALE, "lw": 0, "fill": True}),
            (post, 40, {"color": BLUE, "alpha": 0.55, "lw": 0, "fill": True}),
        ):
            t = to(draws)
            low, high = np.quantile(t, [0.002, 0.998])
            spans.append(high - low)
            height, edges = np.histogram(
                t, np.linspace(low, high if high > low else low + 1e-9, bins + 1), density=True
            )
            ax.stairs(height, back(edges), **style)
        ax.axvline(float(np.median(post)), color=BLUE, lw=1)
        if spans[0] > ZOOM * spans[1] > 0:
            middle, reach = float(to(np.median(post))), 4 * spans[1]
            ax.set_xlim(back(middle - reach), back(middle + reach))
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(title(e.symbol), pad=3)
        few_ticks(ax, log)
        ax.set_xlabel("" if e.unit == "1" else e.unit, labelpad=1)
    return figure


def few_ticks(ax, log: bool, which: str = "x") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    axis = ax.xaxis if which == "x" else ax.yaxis
    if not log:
        axis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
        return
    low, high = sorted(ax.get_xlim() if which == "x" else ax.get_ylim())
    if high / low < 8:
        locator = MaxNLocator(3, min_n_ticks=2)
    else:
        locator = LogLocator(numticks=4) if high / low > 30 else LogLocator(subs=(1, 3), numticks=5)
    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_formatter(NullFormatter())
    if high / low > 1e4 or high / low < 8:
        axis.set_minor_locator(NullLocator())


def _pair_choice(rows: list[Element], contraction: dict[str, float]) -> list[Element]:
    """Those that the data determined most, or that are most correlated with another."""
    if len(rows) <= MAX_PAIRS:
        return rows
    tied = np.abs(_rank_correlation(rows) - np.eye(len(rows))).max(axis=1)
    score = [max(t, contraction.get(e.name, 0.0)) for t, e in zip(tied, rows, strict=True)]
    return [rows[i] for i in sorted(np.argsort(score)[::-1][:MAX_PAIRS])]


def _rank_correlation(rows: list[Element]) -> np.ndarray:
    return np.atleast_2d(np.corrcoef([np.argsort(np.argsort(e.draws.ravel())) for e in rows]))


@styled
def plot_pairs(result: Result) -> "Figure":
    """Joint posterior of the (at most 5) parameters most determined by the data or most correlated.

    Args:
        result: of `infer`.

    Returns:
        A matplotlib Figure: draws below the diagonal (divergent ones red), rank correlation above it.
    """
    from matplotlib.figure import Figure

    tree = result.tree
    table = tree["table"]
    contraction = {
        str(n): float(c) for n, c in zip(table["parameter"].values, table["contraction"].values, strict=True)
    }
    rows = _pair_choice(list(elements(result)), contraction)
    n = len(rows)
    figure = Figure(figsize=(7.6, 1.5 * n + 0.3 if n > 2 else 4), layout="constrained")
    axes = figure.subplots(n, n, squeeze=False)
    total = rows[0].draws.size
    stats = tree["sample_stats"]
    diverging = (
        np.asarray(stats["diverging"]).ravel().astype(bool) if "diverging" in stats else np.zeros(total, bool)
    )
    picks = np.unique(np.linspace(0, total - 1, min(total, 1200)).astype(int))
    ranks, logs = _rank_correlation(rows), [e.log() for e in rows]
    for i, below in enumerate(rows):
        for j, left in enumerate(rows):
            ax, x, y = axes[i, j], left.draws.ravel(), below.draws.ravel()
            if j > i:
                ax.set_axis_off()
                ax.text(0.5, 0.5, f"{ranks[i, j]:+.2f}".replace("-", "−"), ha="center", va="center",
                        transform=ax.transAxes, fontsize=8 + 5 * abs(ranks[i, j]), color=GREY)  # fmt: skip
                continue
            if logs[j]:
                ax.set_xscale("log")
            if i == j:
                edges = np.geomspace(x.min(), x.max(), 31) if logs[j] else 30
                ax.hist(x, edges, color=BLUE, alpha=0.55, lw=0)
                ax.set_yticks([])
                ax.spines["left"].set_visible(False)
            else:
                if logs[i]:
                    ax.set_yscale("log")
                ax.scatter(x[picks], y[picks], s=3, color=BLUE, alpha=0.25, lw=0, rasterized=True)
                if diverging.any():
                    ax.scatter(x[diverging], y[diverging], s=8, color=_RED, lw=0, rasterized=True)
                few_ticks(ax, logs[i], "y")
                ax.yaxis.set_tick_params(labelleft=j == 0)
            few_ticks(ax, logs[j])
            ax.xaxis.set_tick_params(labelbottom=i == n - 1, labelrotation=30 if i == n - 1 else 0)
            if i == n - 1:
                ax.set_xlabel(_with_unit(left))
        if i:
            axes[i, 0].set_ylabel(_with_unit(below))
    return figure


def _with_unit(e: Element) -> str:
    """A label for a narrow axis: symbol and unit, and what it belongs to on a second line, as is a long one's unit."""
    text, unit = e.symbol._replace(of="").math, "" if e.unit == "1" else f"({e.unit})"
    if not e.symbol.of and len(e.symbol.body) > 16:
        return f"{text}\n{unit}".rstrip()
    return f"{text} {unit}".rstrip() + (f"\n{plain(e.symbol.of, 16)}" if e.symbol.of else "")


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
        ax.axhspan(*(binom.ppf([0.005, 0.995], n, 1 / bins) * bins / n), color=_PALE, lw=0)
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
        ax.set_ylabel(_with_unit(e), fontsize=8)
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
    from ..inference.verdict import information_of

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
        text = f"{e:.0f}" if e >= 100 else f"{e:.2g}" if e >= floor else "≈ 0"
        ax.text(max(e, floor) * 1.12, y, text, va="center", fontsize=7.5,
                bbox={"fc": "white", "ec": "none", "pad": 0.8}, zorder=5)  # fmt: skip
    ax.axvline(1, color="black", lw=1)
    ax.set_xscale("log")
    ax.set_xlim(floor, max(shown.max(), 1) * 6)
    ax.set_yticks(range(n), names)
    ax.set_ylim(n - 0.4, -0.6)
    ax.set_xlabel("information, readings over prior")
    return figure
