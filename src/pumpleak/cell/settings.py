"""Changes of a cell written as text: ``K_o_mM=10``, a sweep ``K_o_mM=1:120:log50``, an event ``t=60s pump=0``.

Names are those of `cell_parameters` with the unit behind them, as in files. Only numbers that have none go
without: a factor on a mechanism (``pump=0.3``), ``z_X``, ``pump.r``, mass-action rate constants.
"""

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError, unknown
from ..quantities.foreign_units import check_unit_of
from ..quantities.language import unknown_name
from ..quantities.names import kind
from ..quantities.numbers import decimal_number
from ..quantities.plausible import complaint, impossible
from ..quantities.symbols import unit_symbol
from ..quantities.units import plain_text, split_unit, to_canonical, written_name, written_names

if TYPE_CHECKING:
    from .cell import Bath, Cell
    from .events import Event

_TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_LANES = 100_000


def setting(key: str, value: float, cell: "Cell", bath: "Bath") -> tuple[str, float]:
    """The parameter's own name, and the value in the library's unit.

    Args:
        key: name with its unit, e.g. ``K_o_mM``, ``T_degC``, ``P_K_cm_s``, ``pump``.
        value: in that unit.
        cell: the cell that is to be changed.
        bath: its bath.

    Raises:
        InputError: an unknown name (the nearest is suggested), a wrong or missing unit, a value that the
            quantity cannot have.
    """
    name, unit = _resolve(key, cell, bath)
    return name, _possible(key, name, value, unit, cell)


def parse_setting(text: str, cell: "Cell", bath: "Bath") -> tuple[str, float]:
    """`setting` of ``NAME=VALUE``.

    Raises:
        InputError: not of that form, or as `setting`.
    """
    key, equals, value = text.partition("=")
    number = decimal_number(value)
    if not equals or not key.strip() or number is None:
        raise InputError(f"'{text}' is not NAME=NUMBER", mend="Write e.g. K_o_mM=10 or pump=0.3")
    return setting(key.strip(), number, cell, bath)


class SweepText(NamedTuple):
    """A sweep as read: one number and its many values.

    Attributes:
        key: as written, with its unit; labels the axis.
        name: the parameter.
        shown: values in the written unit, (n,).
        values: values in the library's unit, (n,).
        log: whether they are spaced evenly in the logarithm.
    """

    key: str
    name: str
    shown: np.ndarray
    values: np.ndarray
    log: bool

    @property
    def unit(self) -> str:
        """The written unit, for an axis; empty where there is none."""
        return unit_symbol(split_unit(self.key)[1] or "1")


def parse_sweep(text: str, cell: "Cell", bath: "Bath") -> SweepText:
    """A sweep written ``NAME=START:STOP:logN`` or ``NAME=START:STOP:linN``.

    Raises:
        InputError: not of that form, an unknown name or unit, ends that the quantity or a logarithm cannot
            have, too few or too many values.
    """
    key, _, rest = text.partition("=")
    key, parts = key.strip(), [p.strip() for p in rest.split(":")]
    spacing = re.fullmatch(r"(log|lin)?([0-9]+)", parts[2]) if len(parts) == 3 else None
    start, stop = (decimal_number(parts[0]), decimal_number(parts[1])) if spacing else (None, None)
    if spacing is None or start is None or stop is None:
        raise InputError(
            f"'{text}' is not a sweep", mend="Write NAME=START:STOP:logN or linN, e.g. K_o_mM=1:120:log50"
        )
    log, n = spacing[1] == "log", int(spacing[2])
    if not 2 <= n <= _MAX_LANES:
        raise InputError(f"a sweep of {n} values ('{text}')", mend=f"Take from 2 to {_MAX_LANES}")
    if start == stop:
        raise InputError(f"the sweep '{text}' begins where it ends", mend="Give two different ends")
    if log and (start <= 0 or stop <= 0):
        raise InputError(
            f"a logarithmic sweep cannot reach {min(start, stop):g} ('{text}')",
            mend="Begin above 0, or write lin instead of log",
        )
    shown = np.geomspace(start, stop, n) if log else np.linspace(start, stop, n)
    name, unit = _resolve(key, cell, bath)
    for end in (start, stop):
        _possible(key, name, end, unit, cell)
    return SweepText(key, name, shown, to_canonical(shown, unit)[0], log)


def parse_event(text: str, cell: "Cell", bath: "Bath") -> "Event":
    """An event written ``t=60s pump=0``; several assignments, and ``compensation=salt``, may follow.

    Raises:
        InputError: no time, a time without unit, nothing that changes, or as `parse_setting`.
    """
    from .events import Event

    form = 'Write e.g. --event "t=60s pump=0 K_o_mM=10"'
    words = text.split()
    when = [w for w in words if w.startswith("t=")]
    if len(when) != 1:
        raise InputError(f"the event '{text}' has {'no time' if not when else 'two times'}", mend=form)
    t = parse_duration(when[0][2:])
    changes, compensation = {}, None
    for word in words:
        if word.startswith("t="):
            continue
        if word.startswith("compensation="):
            compensation = word.removeprefix("compensation=")
            check_compensation(compensation, bath)
            continue
        name, value = parse_setting(word, cell, bath)
        if name in changes:
            raise InputError(f"the event '{text}' sets {name} twice", mend="Keep one of the two")
        changes[name] = value
    if not changes:
        raise InputError(f"the event '{text}' changes nothing", mend=form)
    return Event(t, changes, compensation)


def parse_duration(text: str) -> float:
    """Seconds of ``90s``, ``5min``, ``2h`` (also ms, d).

    Raises:
        InputError: no number, no unit, or a time below 0.
    """
    found = re.fullmatch(r"(.*?)\s*(ms|s|min|h|d)", text.strip())
    number = decimal_number(found[1]) if found else None
    if found is None or number is None or math.isinf(number * _TIMES[found[2]]):
        raise InputError(f"'{text}' is not a time", mend="Write a number and s, min or h, e.g. 90s or 2h")
    if number < 0:
        raise InputError(f"a time of {text} is before the start", mend="Count from 0")
    return number * _TIMES[found[2]]


def check_compensation(compensation: str | None, bath: "Bath") -> None:
    """Refuse what cannot keep a bath neutral.

    Raises:
        InputError: neither an ion of the bath nor salt nor inert.
    """
    known = [*bath.c, "salt", "inert"]
    if compensation is not None and compensation not in known:
        raise unknown("compensation", compensation, known)


def _resolve(key: str, cell: "Cell", bath: "Bath") -> tuple[str, str]:
    """The parameter, and the unit that is written behind it; ``1``: none."""
    from .numbers import cell_parameters

    plain = plain_text(key)
    check_unit_of(key)
    stem, suffix = split_unit(key)
    parameters = cell_parameters(cell, bath)
    names = [(name, name, p.unit) for name, p in parameters.items()]  # as written, as known, unit
    for owner, mechanism in cell.mechanisms.items():
        law = getattr(mechanism, "law", None)
        if law is not None:  # as in files: g of a thermodynamic cotransporter, k of mass action
            field, unit = ("g", "mS/cm2") if law == "thermodynamic" else ("k", "")
            names = [
                (f"{owner}.{field}", n, unit) if n == f"{owner}.rate_constant" else (w, n, u)
                for w, n, u in names
            ]
            names.append((f"{owner}.rate_constant", f"{owner}.rate_constant", unit))
        ion, field = getattr(mechanism, "ion", None), mechanism.rate_field
        if f"{field}_{ion}" in parameters:  # leak_K.P is P_K
            names.append((f"{owner}.{field}", f"{field}_{ion}", parameters[f"{field}_{ion}"].unit))
    for written, name, unit in names:
        units = written_names(written, unit)
        if stem == written and plain in units and suffix is not None:
            return name, suffix
        if plain == written:
            if units:
                raise InputError(f"{key} needs a unit", mend=f"Write {' or '.join(units)}")
            return name, "1"
        if stem == written and suffix is not None:
            raise InputError(f"{written} cannot be in {suffix}", mend=f"Write {written_name(written, unit)}")
    full = {written: written_name(written, unit) for written, _, unit in names}
    listed = dict.fromkeys(full[written] for written, name, _ in names[: len(parameters)])  # no second names
    mend = f"Known here: {', '.join(listed)}"
    raise unknown_name("number", key, full.values(), within="in this cell and bath", mend=mend)


def _possible(key: str, name: str, value: float, unit: str, cell: "Cell") -> float:
    """The value in the library's unit, if the parameter can have it."""
    number = to_canonical(value, unit)[0]
    from .numbers import declared_of

    k = kind(name)
    if declared := declared_of(name, cell):
        k = replace(k, sign=declared.domain, low=-math.inf, high=declared.high)
    elif name in cell.factors or not k.what:  # whatever a mechanism is called; what has no kind is a size
        k = replace(k, what="factor", of="", side="", sign="not negative", low=0.0, high=math.inf)
    if impossible(k, number):
        problem, mend = complaint(k, value, unit)
        raise InputError(f"{key} = {value:g} {problem}", mend=mend)
    if number == 0 and k.what == "concentration" and k.of != "X":
        raise InputError(
            f"{key} = 0: a pump-leak cell needs a trace of every ion",
            mend="Give a small number such as 0.001",
        )
    return number
