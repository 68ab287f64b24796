"""A document as one HTML page that needs nothing else: no script, no other file, whatever its names are."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..quantities.names import kind, spoken
from ..quantities.symbols import symbol
from ..text import minus
from .document import Document, Label, Marked, Name, Number, Picture, Share, cell_text

if TYPE_CHECKING:
    from markupsafe import Markup


def render(document: Document) -> str:
    """The page as text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    prose = prose_of(document.names, document.reference)
    names, reference = document.names, document.reference
    filters = {"prose": prose, "source": _source, "is_marked": is_marked, "hold": _hold}
    environment.filters |= filters | {
        "cell": lambda x: _cell(Name(x) if type(x) is str and x in names else x, prose, reference)
    }
    return environment.get_template("page.html.j2").render(document=document)


def write_page(document: Document, file: Path) -> None:
    """Write the page."""
    # An id from a damaged file may hold half a surrogate pair.
    file.write_bytes(render(document).encode("utf-8", "replace"))


# -- names and numbers ---------------------------------------------------------------------------------


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
    level = _markup(' <span class="of">({})</span>').format(s.of) if s.of else ""
    return _markup('<span class="sym" title="{}">{}{}</span>').format(name, body, level)


def prose_of(names: tuple[str, ...], reference: str) -> Callable[[str], "Markup"]:
    """A filter for sentences: parameters as symbols, powers as superscripts, `code` as code, − for minus."""
    from markupsafe import escape

    known = [n for n in dict.fromkeys(names) if symbol(n, reference).known]
    said = {spoken(n, reference): n for n in known if kind(n).is_ratio} | {n: n for n in known}
    choice = "|".join(map(re.escape, sorted(said, key=len, reverse=True))) or "(?!)"
    power = r"(?:\^(?P<power>-?[\d.]+(?:e[+-]?\d+)?))?"
    pattern = re.compile(rf"`(?P<code>[^`]+)`|(?<![\w\]])(?P<name>{choice})(?![\w\[]){power}")

    def filled(text: str) -> "Markup":
        out, last = [], 0
        for found in pattern.finditer(text):
            out.append(escape(minus(text[last : found.start()])))
            last = found.end()
            if found["code"]:
                out.append(_markup("<code>{}</code>").format(found["code"]))
                continue
            name = said[found["name"]]
            body = name_markup(name, reference)
            if found["power"]:
                bracket = "({})" if "/" in symbol(name, reference).body else "{}"
                body = _markup(bracket + "<sup>{}</sup>").format(body, minus(found["power"]))
            out.append(body)
        return _markup("").join([*out, escape(minus(text[last:]))])

    return filled


def raised(text: str) -> "Markup | str":
    """A number as `tabulated` has it, its power of ten raised."""
    parts = re.split(r"\^(−?\d+)", text)
    raised = [_markup("<sup>{}</sup>").format(x) if k % 2 else x for k, x in enumerate(parts)]
    return _markup("").join(raised) if len(parts) > 1 else text


# -- cells and pictures --------------------------------------------------------------------------------


def is_marked(cell: Any) -> bool:
    return isinstance(cell, Marked) or (isinstance(cell, Number) and cell.marked)


def _hold(row: tuple[Any, ...]) -> bool:
    """Whether a reader should stop at a row."""
    return any(map(is_marked, row))


def _cell(cell: Any, prose: Callable[[str], "Markup"], reference: str) -> "Markup | str":
    if isinstance(cell, Name):
        return _markup('{}<span class="code">{}</span>').format(name_markup(cell, reference), cell)
    if isinstance(cell, Label):
        return cell
    if isinstance(cell, str):
        return prose(cell)
    text = raised(cell_text(cell))
    if isinstance(cell, Share) and cell.value == cell.value:
        width = f"{100 * min(max(cell.value, 0.0), 1.0):.0f}%"
        return _markup('{}<span class="bar" aria-hidden="true"><i style="width:{}"></i></span>').format(
            text, width
        )
    return text


def _source(picture: Picture) -> str:
    """A picture for the ``src`` of an ``img``: as an image it can neither run anything nor clash with another's ids."""
    try:
        data, media = picture.image("svg"), "svg+xml"
    except KeyError:  # of a folder of an earlier version
        data, media = picture.image("png"), "png"
    return f"data:image/{media};base64,{base64.b64encode(data).decode()}"
