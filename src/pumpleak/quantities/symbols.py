"""How a quantity is printed."""

import re
from typing import NamedTuple

from .ions import valence


def ion_symbol(ion: str) -> str:
    """``Na⁺``, ``Ca²⁺``, ``Cl⁻``."""
    z = valence(ion)
    return ion + {1: "", 2: "²", 3: "³"}.get(abs(z), str(abs(z))) + ("⁺" if z > 0 else "⁻")


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
