"""Changes of a cell written as text: ``K_o_mM=10``, a sweep ``K_o_mM=1:120:log50``, an event ``t=60s pump=0``.

Names are those of `cell_parameters` with the unit behind them, as in files. Only numbers that have none go
without: a factor on a mechanism (``pump=0.3``), ``z_X``, ``pump.r``, mass-action rate constants.
"""

import math
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError, nearest

if TYPE_CHECKING:
    from .cell import Bath, Cell

#: canonical unit -> accepted suffixes, preferred first, each with scale and shift: canonical = (x + shift) scale
_SUFFIXES: dict[str, dict[str, tuple[float, float]]] = {
    "1": {},
    "mM": {"mM": (1, 0), "uM": (1e-3, 0), "nM": (1e-6, 0), "M": (1e3, 0)},
    "mV": {"mV": (1, 0), "V": (1e3, 0)},
    "K": {"degC": (1, 273.15), "K": (1, 0)},
    "cm/s": {"cm_s": (1, 0), "um_s": (1e-4, 0), "m_s": (100, 0)},
    "mS/cm2": {"mS_cm2": (1, 0), "uS_cm2": (1e-3, 0), "S_m2": (0.1, 0)},
    "umol/cm2/s": {"umol_cm2_s": (1, 0), "nmol_cm2_s": (1e-3, 0), "pmol_cm2_s": (1e-6, 0)},
    "cm": {"um": (1e-4, 0), "cm": (1, 0)},
    "uF/cm2": {"uF_cm2": (1, 0)},
    "cm/s/mM": {"cm_s_mM": (1, 0)},
}
_ANY_SIGN = ("z_X", ".V_half")
_NOT_ZERO = ("volume_to_area", "C_m", "L_p", ".r", ".n", ".n_Na", ".V_slope", ".K_Na", ".K_K", ".K_Ca")
_TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_LANES = 100_000
_PRINTED = {"degC": "°C", "um": "µm", "uM": "µM", "cm_s_mM": "cm/s/mM"}


def written_name(name: str, unit: str) -> str:
    """A parameter's name with its preferred unit: ``K_o_mM``, ``T_degC``, ``pump``."""
    suffixes = _SUFFIXES.get(unit, {})
    return f"{name}_{next(iter(suffixes))}" if suffixes else name


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
    name, scale, shift = _resolve(key, cell, bath)
    number = (value + shift) * scale
    _possible(key, name, value, number)
    return name, number


def parse_setting(text: str, cell: "Cell", bath: "Bath") -> tuple[str, float]:
    """`setting` of ``NAME=VALUE``.

    Raises:
        InputError: not of that form, or as `setting`.
    """
    key, equals, value = text.partition("=")
    number = _number(value)
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
        suffixes = [s for table in _SUFFIXES.values() for s in table if self.key.endswith(f"_{s}")]
        suffix = max(suffixes, key=len, default="") if self.key != self.name else ""
        return _PRINTED.get(suffix, suffix.replace("_", "/").replace("cm2", "cm²").replace("umol", "µmol"))


def parse_sweep(text: str, cell: "Cell", bath: "Bath") -> SweepText:
    """A sweep written ``NAME=START:STOP:logN`` or ``NAME=START:STOP:linN``.

    Raises:
        InputError: not of that form, an unknown name or unit, ends that the quantity or a logarithm cannot
            have, too few or too many values.
    """
    key, _, rest = text.partition("=")
    key, parts = key.strip(), [p.strip() for p in rest.split(":")]
    spacing = re.fullmatch(r"(log|lin)?(\d+)", parts[2]) if len(parts) == 3 else None
    start, stop = (_number(parts[0]), _number(parts[1])) if spacing else (None, None)
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
    name, scale, shift = _resolve(key, cell, bath)
    for end in (start, stop):
        _possible(key, name, end, (end + shift) * scale)
    return SweepText(key, name, shown, (shown + shift) * scale, log)


class EventText(NamedTuple):
    """An event as read: when [s], which parameters take which values, and how the bath stays neutral."""

    t: float
    changes: dict[str, float]
    compensation: str | None


def parse_event(text: str, cell: "Cell", bath: "Bath") -> EventText:
    """An event written ``t=60s pump=0``; several assignments, and ``compensation=salt``, may follow.

    Raises:
        InputError: no time, a time without unit, nothing that changes, or as `parse_setting`.
    """
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
    return EventText(t, changes, compensation)


def parse_duration(text: str) -> float:
    """Seconds of ``90s``, ``5min``, ``2h`` (also ms, d).

    Raises:
        InputError: no number, no unit, or a time below 0.
    """
    found = re.fullmatch(r"(.*?)\s*(ms|s|min|h|d)", text.strip())
    number = _number(found[1]) if found else None
    if found is None or number is None:
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
        raise InputError(
            f"the compensation '{compensation}' is not known here{nearest(compensation, known)}",
            mend=f"Name one of {', '.join(known)}",
        )


def _resolve(key: str, cell: "Cell", bath: "Bath") -> tuple[str, float, float]:
    """Parameter, and how a value in the written unit becomes the library's."""
    from .numbers import cell_parameters

    plain = key.replace("µ", "u").replace("μ", "u")
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
        suffixes = _SUFFIXES.get(unit, {})
        for suffix, (scale, shift) in suffixes.items():
            if plain == f"{written}_{suffix}":
                return name, scale, shift
        if plain == written:
            if suffixes:
                raise InputError(
                    f"{key} needs a unit", mend=f"Write {' or '.join(f'{written}_{s}' for s in suffixes)}"
                )
            return name, 1.0, 0.0
    for written, _, unit in sorted(names, key=lambda n: -len(n[0])):
        rest = plain.removeprefix(f"{written}_")
        if rest != plain and any(rest in s for s in _SUFFIXES.values()):
            raise InputError(f"{written} cannot be in {rest}", mend=f"Write {written_name(written, unit)}")
    full = {written: written_name(written, unit) for written, _, unit in names}
    stem = re.sub(r"_(mM|uM|mV|degC|cm_s|mS_cm2)$", "", plain)
    listed = [full[written] for written, name, _ in names[: len(parameters)]]  # no second names
    raise InputError(
        f"this cell and bath have no '{key}'{nearest(plain, full.values()) or nearest(stem, full)}",
        mend=f"They have {', '.join(dict.fromkeys(listed))}",
    )


def _possible(key: str, name: str, value: float, number: float) -> None:
    if name == "T" and not 230 < number < 340:
        mend = (
            f"{value:g} looks like kelvin: write T_K"
            if 230 < value < 340
            else "Check its unit: T_degC or T_K"
        )
        raise InputError(f"a temperature of {key} = {value:g} is not one of a living cell", mend=mend)
    if number < 0 and not name.endswith(_ANY_SIGN):
        raise InputError(f"{key} = {value:g} is negative", mend="Give a number of at least 0")
    if number == 0 and name.endswith(_NOT_ZERO):
        raise InputError(f"{key} cannot be 0", mend="Give a number above 0")
    if number == 0 and re.fullmatch(r"\w+_[io]", name) and name not in ("X_o", "X_i"):
        raise InputError(
            f"{key} = 0: a pump-leak cell needs a trace of every ion",
            mend="Give a small number such as 0.001",
        )


def _number(text: str) -> float | None:
    try:
        value = float(text.replace("−", "-"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
