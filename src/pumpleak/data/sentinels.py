"""Numbers that programs and people write where there is none: −99, 9999, 0 mV among readings far from 0."""

from collections.abc import Iterator

import numpy as np

from ..quantities.names import Kind
from ..quantities.plausible import impossible
from ..quantities.units import to_canonical

_NINES = (-99.0, *(sign * (10.0**k - 1) for k in range(3, 8) for sign in (1, -1)))
_NINES += tuple(sign * nines for nines in (999.9, 999.99, 9999.9, 9999.99) for sign in (1, -1))
_OF_POTENTIALS = (
    99.0,
    *(sign * nines for nines in (99.9, 99.99) for sign in (1, -1)),
)  # others are numbers like any
_NEAR = 10.0  # mV: a potential of -99 has others as near as this where it was read
_FAR = 20.0  # mV: from 0, of readings among which a 0 is none
_LARGER = {"value": 3.0, "sd": 10.0, "sem": 10.0}  # times the others


def doubtful(
    part: str, kind: Kind, unit: str, numbers: np.ndarray, start: np.ndarray, reading: bool
) -> Iterator[int]:
    """Rows whose number may stand for a missing value.

    Args:
        part: ``value``, ``sd``, ``sem`` or ``n``, of what kind, in which unit.
        kind, unit: as above.
        numbers: (n,) as written, NaN where blank.
        start: (C + 1,) where each of C groups of rows begins, and the last's end.
        reading: whether they are readings, of which 0 mV is doubtful too.
    """
    potential = part != "n" and kind.unit == "mV"
    nines = np.isin(numbers, (*_NINES, *_OF_POTENTIALS) if potential else _NINES)
    zero = (numbers == 0) & reading & potential & (part == "value")
    for i in np.flatnonzero(nines | zero):
        group = int(np.searchsorted(start, i, "right")) - 1
        rows = slice(start[group], start[group + 1])
        others = numbers[rows][~(nines | zero)[rows] & ~np.isnan(numbers[rows])]
        if zero[i]:
            enough = 3 if zero[rows].sum() == 1 else 2  # two are stranger than one
            others = to_canonical(others, unit)[0]
            if len(others) >= enough and np.abs(others).min() >= _FAR and len(set(np.sign(others))) == 1:
                yield int(i)
        elif _stands_out(part, kind, unit, float(numbers[i]), others):
            yield int(i)


def _stands_out(part: str, kind: Kind, unit: str, number: float, others: np.ndarray) -> bool:
    if part != "value":
        most = _LARGER.get(part, np.inf)
        return number < 0 or len(others) > 0 and number > most * np.abs(others).max()
    if bool(impossible(kind, to_canonical(number, unit)[0])):
        return True
    if not len(others):
        return False
    if kind.unit == "mV":
        return np.abs(to_canonical(others, unit)[0] - to_canonical(number, unit)[0]).min() > _NEAR
    return number > _LARGER["value"] * np.abs(others).max()


def sentinel_mend(text: str) -> str:
    """How to say what a doubtful number is."""
    return f"If it does, write `missing: [{text}]` in the config (missing=[{text}] in Python); if it was read, `missing: []`"
