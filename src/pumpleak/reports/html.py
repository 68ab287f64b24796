"""From values to HTML: templates filled, symbols and numbers marked up, figures put into the page."""

import base64
import re
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inference.result import Result
from ..quantities.names import observable_unit
from ..quantities.symbols import symbol
from ..text import minus, tabulated
from .posterior_figures import MAX_PANELS
from .reading import has, reference_ion
from .style import STYLE

if TYPE_CHECKING:
    from markupsafe import Markup


def fill_template(template: str, page: dict[str, Any]) -> str:
    """A template of the package with everything that it shows filled in, and escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(page)


def ion_markup(name: str) -> str:
    """An ion's body as a symbol's: ``K^{+}``."""
    found = re.fullmatch(r"\[(.*)\]_\{o\}", symbol(f"{name}_o").body)
    return found[1] if found else name


def sub(body: str) -> "Markup":
    """A symbol's body as HTML, with subscripts and superscripts."""
    from markupsafe import escape

    text = str(escape(body))
    for mark, tag in (("_", "sub"), (r"\^", "sup")):
        text = re.sub(mark + r"\{([^{}]*)\}", rf"<{tag}>\1</{tag}>", text)
    return _markup(text)


def _markup(text: str) -> "Markup":
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - only ever given text that is escaped


def name_markup(name: str, reference: str) -> "Markup":
    """A parameter's symbol as HTML; its name in the code is the tooltip."""
    from markupsafe import escape

    s = symbol(name, reference)
    body = sub(s.body) if s.known else escape(name)
    of = _markup(' <span class="of">({})</span>').format(s.of) if s.of else ""
    return _markup('<span class="sym" title="{}">{}{}</span>').format(name, body, of)


def prose(result: Result) -> Callable[[str], "Markup"]:
    """`prose_of` the names in a result."""
    tree = result.tree
    names = ["V_m", *(str(n) for n in tree["table"]["parameter"].values)]
    if has(tree, "membrane"):
        names += [str(n) for n in tree["membrane"].data_vars]
    if has(tree, "information"):
        names += [str(n) for n in tree["information"]["element"].values]
    return prose_of(names, reference_ion(tree))


def prose_of(names: list[str], reference: str) -> Callable[[str], "Markup"]:
    """A filter for sentences: parameters as symbols, powers as superscripts, `code` as code, − for minus."""
    from markupsafe import escape

    names = sorted({n for n in names if symbol(n, reference).known}, key=len, reverse=True)
    power = r"(?:\^(?P<power>-?[\d.]+(?:e[+-]?\d+)?))?"
    pattern = re.compile(
        rf"`(?P<code>[^`]+)`|(?<![\w\]])(?P<name>{'|'.join(map(re.escape, names))})(?![\w\[]){power}"
    )

    def filled(text: str) -> "Markup":
        out, last = [], 0
        for found in pattern.finditer(text):
            out.append(escape(minus(text[last : found.start()])))
            last = found.end()
            if found["code"]:
                out.append(_markup("<code>{}</code>").format(found["code"]))
                continue
            body = name_markup(found["name"], reference)
            if found["power"]:
                bracket = "({})" if "/" in symbol(found["name"], reference).body else "{}"
                body = _markup(bracket + "<sup>{}</sup>").format(body, minus(found["power"]))
            out.append(body)
        return _markup("").join([*out, escape(minus(text[last:]))])

    return filled


def number(x: float | None, decimals: int | None = None) -> "Markup | str":
    """A number as `tabulated` has it, powers of ten raised."""
    text, _, power = tabulated(x, decimals).partition("^")
    return _markup("{}<sup>{}</sup>").format(text, power) if power else text


def as_read(x: float, observable: str) -> "Markup | str":
    """What can be read of a cell: potentials to 0.1 mV, the rest to three digits."""
    return number(x, 1 if observable_unit(observable) == "mV" else None)


def as_image(figure, alt: str, caption: str) -> dict[str, str]:
    """A figure with its words; as an image it can neither run anything nor clash with another's ids."""
    return {"src": _data_uri(figure), "alt": alt, "caption": caption}


def _data_uri(figure) -> str:
    """A figure as an SVG data URI."""
    import matplotlib

    for fonttype in ("path", "none"):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with matplotlib.rc_context({**STYLE, "svg.fonttype": fonttype, "svg.hashsalt": "pumpleak"}):
                buffer = BytesIO()
                figure.savefig(buffer, format="svg", dpi=130, metadata={"Date": None, "Creator": None})
        # A script that the font lacks is left to the reader's fonts.
        if not any("missing from" in str(w.message) for w in said):
            break
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def capped(result: Result) -> str:
    n = result.tree.sizes.get("parameter", 0) or result.tree["table"].sizes["parameter"]
    return f" The first {MAX_PANELS} of {n} parameters are shown." if n > MAX_PANELS else ""
