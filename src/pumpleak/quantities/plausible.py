"""Which values a quantity can have: one rule for tables, configs, cell files, problems and what is set by hand."""

import numpy as np

from .names import Kind
from .units import to_canonical


def impossible(kind: Kind, value):
    """Where values cannot be: of the wrong sign, or a mistake.

    Args:
        kind: what the quantity is.
        value: in its canonical unit, a number or an array; NaN is let pass.

    Returns:
        bool, of the shape of `value`.
    """
    value = np.asarray(value, float)
    wrong = (value < kind.low) | (value > kind.high)
    if kind.sign != "any":
        wrong |= (value < 0) | ((value == 0) & (kind.sign == "positive"))
    return wrong


def complaint(kind: Kind, number: float, unit: str, *, stem: str = "", place: str = "key") -> tuple[str, str]:
    """Why a number that is `impossible` is so, to stand behind it (``-5 mM is negative``), and the mend.

    Args:
        kind: what the quantity is.
        number: as it was written.
        unit: in which unit; ``1``: none.
        stem: the written name without its unit; default the quantity's.
        place: what bears that name: a ``column``, a ``key``; or a ``number`` of Python's, in the canonical unit.
    """
    stem = stem or kind.name
    if kind.what == "temperature":
        for other, word in (("degC", "degrees Celsius"), ("K", "kelvin")):
            if other != unit and not impossible(kind, to_canonical(number, other)[0]):
                name = f"{stem}_{other}"
                mends = {"column": f"Name the column {name}", "number": f"Give celsius({number:g})"}
                return f"looks like {word}", mends.get(place, f"Write {name}: {number:g}")
        low, high = kind.low - 273.15, kind.high - 273.15
        return "is no temperature of a living cell", f"Give one from {low:g} to {high:g} degC"
    if kind.sign != "any" and number < 0:
        least = ">= 0" if place == "column" else f"of at least 0{'' if unit == '1' else f' {unit}'}"
        return "is negative", f"Give {'a concentration' if kind.unit == 'mM' else 'a number'} {least}"
    if kind.sign == "positive" and number == 0:
        return "is not above 0", "Give a number > 0: it cannot be 0"
    if kind.unit == "mM":
        mend = f"Give one of at most {kind.high:g} mM"
        if place != "number":
            mend += f", or name the {place} by the unit of its values, e.g. {stem}_uM"
        return "is more than water dissolves of a salt", mend
    if kind.unit == "mV":
        mend = f"A membrane potential lies within ±{kind.high:g} mV"
        return "is too large", f"If it is in mV, name the {place} {stem}_mV" if unit == "V" else mend
    limits = f"from {kind.low:g} to" if np.isfinite(kind.low) else "of at most"
    return "is not plausible", f"Give one {limits} {kind.high:g} {kind.unit or ''}".removesuffix(
        " 1"
    ).rstrip()
