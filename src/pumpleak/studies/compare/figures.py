"""Figures of a comparison of models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...quantities.symbols import plain
from ...reports.style import COLOURS, MARKERS
from .words import Standing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 40  # conditions with a name each
_WIDE = 40.0  # nats beyond which the axis is logarithmic away from 0


def plot_differences(standings: Sequence[Standing], labels: Sequence[str]) -> "Figure":
    """elpd less the best's: in all with its standard error, and by condition left out, with numerical errors."""
    from matplotlib.figure import Figure

    n = min(len(labels), _MOST)
    tall = max(2.4, 0.9 + 0.3 * max(n, len(standings)))
    figure = Figure(figsize=(8.5, tall), layout="constrained")
    total, by = figure.subplots(1, 2, width_ratios=[1, 1.4])
    for k, s in enumerate(standings):
        style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "ms": 5}
        total.errorbar(s.diff, -k, xerr=s.diff_se or None, capsize=3, ls="none", **style)
        if not k:
            by.axvline(0, color=style["color"], lw=1)
            continue
        pairs = list(zip(s.head.folds, standings[0].head.folds, strict=True))[:n]
        d = [a.elpd - b.elpd for a, b in pairs]
        e = [np.hypot(a.elpd_se, b.elpd_se) for a, b in pairs]
        y = -np.arange(n) - 0.5 * (k / len(standings) - 0.5)
        by.errorbar(d, y, xerr=e, ls="none", capsize=2, label=plain(s.name), **style)
    total.axvspan(-4, 0, color="#d9d9d9", alpha=0.5, lw=0)
    total.set_yticks(-np.arange(len(standings)), [plain(s.name) for s in standings])
    total.set(xlabel="elpd less the best's [nats], ± s.e.", title="In all (grey: no difference)")
    by.set_yticks(-np.arange(n), [plain(x, 24) for x in labels[:n]])
    by.set(xlabel=f"elpd less that of {plain(standings[0].name)} [nats]", title="By condition left out")
    for ax in (total, by):
        ax.margins(y=0.15)
        low, high = ax.get_xlim()
        if low < -_WIDE:
            ax.set_xscale("symlog", linthresh=_WIDE / 4, linscale=0.6)
            ax.set_xticks(
                [t for t in (-1e5, -1e4, -1000, -100, -10, 0, 10, 100, 1000) if 2 * low < t < 2 * high]
            )
            ax.xaxis.set_major_formatter("{x:,.0f}")
            ax.set_xlim(2 * low, max(2 * high, _WIDE / 4))
    if len(standings) > 2:
        figure.legend(
            *by.get_legend_handles_labels(), loc="outside lower right", ncols=min(4, len(standings) - 1)
        )
    return figure


def plot_left_out(standings: Sequence[Standing], labels: Sequence[str]) -> "Figure":
    """Read against expected from the other conditions, a panel a model."""
    from matplotlib.figure import Figure

    columns = len(standings) if len(standings) <= 4 else 3
    rows = -(-len(standings) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.4, 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    units = {f.unit for s in standings for f in s.head.folds}
    unit = units.pop() if len(units) == 1 else "own units"
    unit = "" if unit in ("", "1") else f" [{unit}]"
    for k, (ax, s) in enumerate(zip(panels, standings, strict=False)):
        folds = s.head.folds
        read, expected, sd = (np.array([getattr(f, w) for f in folds]) for w in ("read", "expected", "sd"))
        ax.errorbar(
            read,
            expected,
            yerr=sd,
            ls="none",
            capsize=2,
            ms=4,
            color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
        )
        ax.axline((read[0], read[0]), slope=1, color="#6b6b6b", lw=0.8, zorder=0)
        worst = s.head.worst
        if abs(folds[worst].z) > 2:
            side = -6 if read[worst] > np.median(read) else 6
            ax.annotate(
                plain(labels[worst], 24),
                (read[worst], expected[worst]),
                (side, 6),
                textcoords="offset points",
                ha="right" if side < 0 else "left",
                fontsize=7.5,
            )
        ax.set_title(plain(s.name))
        if k >= len(standings) - columns:
            ax.set_xlabel(f"read{unit}")
            ax.tick_params(labelbottom=True)
        if k % columns == 0:
            ax.set_ylabel(f"expected from the others{unit}")
    for ax in panels[len(standings) :]:
        ax.set_visible(False)
    return figure
