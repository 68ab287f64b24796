"""How a quantity is printed."""

import re
from typing import NamedTuple

from .ions import is_ion, valence
from .names import Kind, kind


def ion_symbol(ion: str) -> str:
    """``Na⁺``, ``Ca²⁺``, ``Cl⁻``."""
    z = valence(ion)
    return ion + {1: "", 2: "²", 3: "³"}.get(abs(z), str(abs(z))) + ("⁺" if z > 0 else "⁻")


_TAILS = {"total": "total of {}", "mean": "population {}", "spread": "spread of {}", "z": "offset of {}"}


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
    k = kind(name)
    body = _body(k, reference)
    if body is None or (k.tail and k.tail not in _TAILS):
        return Symbol(name, known=False)
    return Symbol(_TAILS[k.tail].format(body) if k.tail else body, k.level)


def _body(k: Kind, reference: str) -> str | None:
    """The symbol of a kind without level and tail; None where it has none."""
    ion_name = k.of
    if k.is_noise and ion_name:
        inner = _body(kind(ion_name), reference)
        if inner is None:
            return None
        ion_name = inner
    elif ion_name and not ion_name.isalnum():
        return None
    return (
        k.symbol % {"of": ion_name, "ion": _charged(ion_name), "side": k.side, "ref": reference}
        if k.symbol
        else None
    )


def _charged(ion: str) -> str:
    """``Ca^{2+}``, ``SO_{4}^{2−}``; of what is no ion its name."""
    body = re.sub(r"(\d+)", r"_{\1}", ion)
    if not is_ion(ion):
        return body
    z = valence(ion)
    return f"{body}^{{{abs(z) if abs(z) > 1 else ''}{'+' if z > 0 else '−'}}}"


def unit_symbol(unit: str) -> str:
    """A unit as an axis has it: ``°C``, ``µM``, ``µmol/cm²/s``; empty where there is none."""
    text = {"1": "", "degC": "°C"}.get(unit, unit).replace("cm2", "cm²").replace("m2", "m²")
    return f"µ{text[1:]}" if text[:1] == "u" else text


def plain(text: str, longest: int = 40) -> str:
    """Text from data for a figure: one line, shortened, and no sign of it taken for mathematics."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(text) > longest:
        text = text[: longest - 1].rstrip() + "…"
    return text.replace("$", r"\$")
