"""How every figure looks: colours, markers, axes, legends."""

import contextlib
import functools
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from ..quantities.symbols import Symbol

ZOOM = 15  # a posterior narrower than its prior by this much is shown with the prior's near part only


#: Okabe & Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00", "#000000")
MARKERS = "osD^vP"
GREY, PALE, BLUE, RED = "#6b6b6b", "#d9d9d9", COLOURS[0], COLOURS[1]


STYLE = {
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
        with matplotlib.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            return draw(*args, **kwargs)

    return inside


@contextlib.contextmanager
def _symbols_read_once() -> Iterator[None]:
    """Within it a symbol is parsed once for all figures: matplotlib has a parser, which remembers 50, for each."""
    from matplotlib import textpath

    before, parser = textpath.MathTextParser, _parser()
    if parser is not None:
        textpath.MathTextParser = lambda output: parser
    try:
        yield
    finally:
        textpath.MathTextParser = before


@functools.cache
def _parser() -> Any:
    from matplotlib.mathtext import MathTextParser

    parse = getattr(getattr(MathTextParser, "_parse_cached", None), "__wrapped__", None)
    if parse is None:  # a version that goes about it otherwise
        return None
    return type("Remembers", (MathTextParser,), {"_parse_cached": functools.lru_cache(1000)(parse)})("path")


@styled
@_symbols_read_once()
def image_of(draw: Callable[[], Any], kind: str) -> bytes:
    """What `draw` returns, a matplotlib figure, as the bytes of a ``png`` or ``svg`` file."""
    import matplotlib

    figure = draw()
    # ArviZ's have no layout that keeps labels inside.
    whole = {"bbox_inches": "tight"} if kind == "png" or figure.get_layout_engine() is None else {}
    buffer = BytesIO()
    if kind == "png":
        figure.savefig(buffer, format=kind, dpi=150, **whole)
    for fonttype in ("path", "none") if kind == "svg" else ():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with matplotlib.rc_context({"svg.fonttype": fonttype, "svg.hashsalt": "pumpleak"}):
                buffer = BytesIO()
                figure.savefig(
                    buffer, format=kind, dpi=130, metadata={"Date": None, "Creator": None}, **whole
                )
        # A script that the font lacks is left to the reader's fonts.
        if not any("missing from" in str(w.message) for w in said):
            break
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(figure)  # ArviZ's are pyplot's, which keeps them
    return buffer.getvalue()


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
