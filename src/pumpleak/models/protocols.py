"""Read from a table what had time to settle in each row: its protocol, and the row it is over or after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..data.measurements import Measurements
from ..errors import InputError, unknown
from ..quantities.units import split_unit

PROTOCOLS = ("steady", "acute", "at")


@dataclass(frozen=True)
class Protocols:
    """What each of C conditions is: its protocol, and the condition whose bath came before it.

    Attributes:
        kind: a protocol for each condition.
        baseline: (C,) the condition whose bath and blockers the cell had settled in; itself where steady.
        versus: (C,) the condition whose volume that of a steady one is given over; itself where none is named.
    """

    kind: tuple[str, ...]
    baseline: np.ndarray
    versus: np.ndarray


def other_protocols(protocols: Protocols) -> Protocols:
    """The assumption not made: what is acute or at becomes steady; all steady, acute after the first."""
    n = len(protocols.kind)
    if set(protocols.kind) != {"steady"}:
        return Protocols(("steady",) * n, np.arange(n), np.arange(n))
    return Protocols(("steady", *["acute"] * (n - 1)), np.zeros(n, int), np.arange(n))


class RowProtocols(NamedTuple):
    """What each of n rows is.

    Attributes:
        kind: its protocol.
        before: the row whose bath the cell had settled in before; itself where steady.
        versus: the row whose volume that of a steady one is given over; itself where none is named.
    """

    kind: list[str]
    before: list[int]
    versus: list[int]

    @property
    def keys(self) -> list[np.ndarray]:
        """Rows alike in these (n,) (and in every quantity) are one condition."""
        steady = np.array([kind == "steady" for kind in self.kind], bool)
        versus = np.array(self.versus) != np.arange(len(steady))
        return [np.array(self.kind), np.where(steady, -1, self.before), versus]

    def of_conditions(self, condition: np.ndarray, first_row: np.ndarray) -> Protocols:
        """The same by condition.

        Args:
            condition: (n,) the condition of each row.
            first_row: (C,) the first row of each condition.
        """
        before, versus = (
            np.array([condition[rows[row]] for row in first_row], int) for rows in (self.before, self.versus)
        )
        return Protocols(tuple(self.kind[row] for row in first_row), before, versus)


def row_protocols(
    m: Measurements, default: str | None, baseline: str | None, timed: np.ndarray
) -> RowProtocols:
    """Every row's protocol and baseline, from the table's columns of these names, else as given.

    Args:
        m: the table.
        default: the protocol of rows without one.
        baseline: the label or solution of the baseline of rows that name none.
        timed: (n,) bool, the rows whose time t is given.

    Raises:
        InputError: a protocol is missing or not known, a row's baseline is missing or is no row, one that
            is `at` has no time, or a volume has none to be over.
    """
    n = len(m.labels)
    kinds = [text or default or "" for text in m.groups.get("protocol", ("",) * n)]
    for row, kind in enumerate(kinds):
        if kind not in PROTOCOLS:
            raise _unknown(m, row, kind)
    named = [name or baseline or "" for name in m.groups.get("baseline", ("",) * n)]
    before, versus, called = list(range(n)), list(range(n)), _rows_by_name(m, kinds)
    for row, kind in enumerate(kinds):
        if kind == "steady" and not named[row]:
            continue
        chosen = called.get(named[row])
        if chosen is None or not named[row]:
            raise _no_baseline(m, row, kind, named[row])
        if kind != "steady":
            before[row] = chosen
        elif kinds[chosen] == "steady":
            versus[row] = chosen
    protocols = RowProtocols(kinds, before, versus)
    _check_times(m, protocols, timed)
    _check_volumes(m, protocols)
    return protocols


def _unknown(m: Measurements, row: int, kind: str) -> InputError:
    mend = (
        "Write protocol: steady (concentrations settled too), acute (minutes: only V_m did) or"
        " at (with t), in the config or in a table column of that name"
    )
    if kind:
        place = {"file": m.file, "row": int(m.file_rows[row]), "column": "protocol"}
        return unknown("protocol", kind, PROTOCOLS, mend=mend, **place)
    problem = "no protocol is given, and the model pump_leak must know what had time to settle"
    return InputError(problem, mend=mend, file=m.file, column="protocol")


def _rows_by_name(m: Measurements, kinds: list[str]) -> dict[str, int]:
    """Label or solution -> the first row so called, a steady one rather than another."""
    solutions = m.groups.get("solution", ("",) * len(m.labels))
    rows = sorted(range(len(kinds)), key=lambda row: kinds[row] != "steady")
    return {name: row for row in reversed(rows) for name in (m.labels[row], solutions[row])}


def _no_baseline(m: Measurements, row: int, kind: str, name: str) -> InputError:
    if not name:
        return InputError(
            f"'{m.labels[row]}' is {kind}, but after what is not said",
            mend="Write baseline: with the label or solution of the row whose bath the cell had settled in",
            file=m.file,
            row=int(m.file_rows[row]),
            column="baseline",
        )
    solutions = dict.fromkeys(s for s in m.groups.get("solution", ()) if s)
    return unknown(
        "label or solution",
        name,
        [*m.labels, *solutions],
        within="in the table",
        mend="Name the row whose bath the cell had settled in",
        file=m.file,
        row=int(m.file_rows[row]),
        column="baseline",
    )


def _check_times(m: Measurements, protocols: RowProtocols, timed: np.ndarray) -> None:
    """Refuse a row that is `at` a time nobody gives: at 0 s it would be acute under another name.

    A row that is its own baseline stays at rest, whatever the time.
    """
    for row, kind in enumerate(protocols.kind):
        if kind != "at" or timed[row] or protocols.before[row] == row:
            continue
        own = "protocol" in m.groups and bool(m.groups["protocol"][row])
        mend = "Give t_s, the time since the change of bath, in a column of the table or under quantities"
        unread = next((name for name in (*m.ignored, *m.groups) if split_unit(name)[0] == "t"), None)
        if unread is not None:
            mend = f"Read the column {unread} as a quantity: read_table(…, quantities=['t'])"
        raise InputError(
            f"'{m.labels[row]}' is at, but at what time is not said",
            mend=mend,
            file=m.file if own else None,
            row=int(m.file_rows[row]) if own else None,
            column="protocol",
        )


def _check_volumes(m: Measurements, protocols: RowProtocols) -> None:
    """A volume is a ratio: refuse one where all is steady and no baseline is named that it is over."""
    rows = range(len(m.labels))
    if any(protocols.kind[row] != "steady" or protocols.versus[row] != row for row in rows):
        return
    for observable, row in zip(m.observable, m.row, strict=True):
        if observable == "volume":
            raise InputError(
                f"the volume of '{m.labels[row]}' is a ratio, and over what is not said",
                mend="Write baseline: with the label or solution of the row whose volume is 1",
                file=m.file,
                row=int(m.file_rows[row]),
                column="baseline",
            )


def in_words(protocols: Protocols, labels: Sequence[str]) -> list[str]:
    """The protocols in sentences, for the report.

    Args:
        protocols: of C conditions.
        labels: their C names.
    """
    kinds, out = protocols.kind, []
    if "steady" in kinds:
        out.append(
            f"{kinds.count('steady')} of {len(kinds)} conditions are taken as steady: concentrations and volume"
            " had settled in that bath."
        )
    for kind, text in (
        ("acute", "inside concentrations are those of the baseline"),
        ("at", "concentrations follow the dynamics for the time t from the baseline"),
    ):
        names = dict.fromkeys(
            labels[int(b)] for k, b in zip(kinds, protocols.baseline, strict=True) if k == kind
        )
        if names:
            out.append(
                f"{kinds.count(kind)} of {len(kinds)} conditions are taken as {kind}: {text} ({', '.join(names)})."
            )
    return out
