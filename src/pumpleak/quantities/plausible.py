"""Which values a quantity can have: one rule for tables, configs, cell files, problems and what is set by hand."""

from typing import NamedTuple

import numpy as np

from .names import Kind
from .units import to_canonical

#: Ions of which cells and salines hold millimolars [mM]: all of a column below the first, or one above the second,
#: is hardly meant. Plant roots take up K from 0.01 mM; squid axons hold 0.4 M, and only brines more than the second.
_FAINT, _BRINE = 0.2, 1500.0
_BULK = ("K", "Na", "Cl")
_MICROVOLTS = 200.0  # µV below which a potential may be in mV
_FREE_CA = 20.0  # mM of free Ca in a cell, beyond which it is another unit's number
_PH = (3.5, 11.0)


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
    if kind.what == "scatter" and number == 0:
        what = f"the sd of one reading of {kind.of}"
        return "would have every reading exact", f"Give {what}, or leave it out to have it inferred"
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


class Doubt(NamedTuple):
    """What is lawful but probably not meant: of which value, why, and what to write in either case.

    Attributes:
        at: its position among the values.
        problem: to stand behind the value: ``0.005 mM looks like molar``.
        mend: what to write, whether it is so or not.
        sure: whether several values say so.
    """

    at: int
    problem: str
    mend: str
    sure: bool = False


def may_be_doubted(kind: Kind, values: np.ndarray, unit: str, start: np.ndarray) -> np.ndarray:
    """(C,) which groups of rows, each from one of `start` (C + 1,) to the next, are worth a look by `doubt`."""
    if kind.unit == "mV" and unit == "uV":
        most = np.maximum.reduceat(np.where(np.isnan(values), 0.0, np.abs(values)), start[:-1])
        return (most >= 1) & (most < _MICROVOLTS)
    if kind.what not in ("concentration", "activity") or unit != "mM":
        return np.zeros(len(start) - 1, bool)
    most = np.maximum.reduceat(np.where(np.isnan(values), 0.0, values), start[:-1])
    bulk = kind.of in _BULK
    strange = (most < _FAINT) | (most > _BRINE) if bulk else np.full(len(most), kind.of in ("H", "OH", "Ca"))
    return strange & (most > 0)


def doubt(kind: Kind, values, unit: str, stem: str = "") -> Doubt | None:
    """What is implausible about the values of one quantity taken together, in the unit in which they were written.

    A concentration in another unit than mM (``K_o_uM``, ``K_o_M``) was chosen, and is not doubted. A potential in µV that
    would be usual in mV is said, and not refused.

    Args:
        kind: what the quantity is.
        values: (n,) or a number; NaN is let pass.
        unit: as written.
        stem: the written name without its unit; default the quantity's.
    """
    stem, values = stem or kind.name, np.atleast_1d(np.asarray(values, float))
    there = np.flatnonzero(np.abs(values) > 0)
    if not may_be_doubted(kind, values, unit, np.array([0, len(values)])).any():
        return None
    first, x = int(there[0]), np.abs(values[there])
    if unit == "uV":
        mend = f"If it is in mV, the name is {stem}_mV; it is used as it stands"
        return Doubt(first, "is small, and would be usual in mV", mend)
    if kind.of in _BULK and x.max() < _FAINT and 1000 * x.max() >= 1:
        several = " as does every value of it" if len(np.unique(x)) > 1 else ""
        mend = f"In molar the name is {stem}_M; if it is meant, write {1000 * x[0]:g} as {stem}_uM"
        return Doubt(first, f"looks like molar{several and ',' + several}", mend, len(np.unique(x)) > 1)
    if kind.of in ("H", "OH") and ((_PH[0] <= x) & (x <= _PH[1])).all():
        what, power = ("pH", 9 - x[0]) if kind.of == "H" else ("pOH", 9 - x[0])
        mend = f"If it is, write {10**power:.4g} as {stem}_nM; if not, {1000 * x[0]:g} as {stem}_uM"
        return Doubt(first, f"looks like a {what}", mend, len(np.unique(x)) > 1)
    if kind.of == "Ca" and kind.side == "i" and x.min() > _FREE_CA:
        mend = f"In nanomolar the name is {stem}_nM; if it is meant, write {x[0] / 1000:g} as {stem}_M"
        return Doubt(first, "is much for free Ca in a cell", mend)
    if kind.of in _BULK and x.max() > _BRINE:
        i = int(np.argmax(values == x.max()))
        mend = f"In micromolar the name is {stem}_uM; if it is meant, write {x.max() / 1000:g} as {stem}_M"
        return Doubt(i, "is more than any cell or saline but those of brines has", mend)
    return None
