"""What is done to a cell while it is followed: the stretches between events, and the times to record in each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import jax
import numpy as np

from ..errors import InputError, check_kind, is_number, kind_of
from ..files.room import check_memory
from ..quantities.names import kind
from .cell import Bath, Cell
from .numbers import change

_FIXED = {"z_X", "X_i", "volume_to_area", "C_m"}


@dataclass(frozen=True)
class Event:
    """Something done to a cell at a moment.

    Args:
        t: when [s], >= 0.
        changes: name, as in `cell_parameters`, -> new value: ``{"pump": 0}`` blocks the pump, ``{"K_o": 10}``
            changes the bath, ``{"leak_Na": 3}`` makes a leak three times what it was in the beginning.
        compensation: how the bath stays neutral; see `Bath.change`.

    Attributes:
        t, changes, compensation: as given.

    Raises:
        InputError: from `simulate`, where it changes what does not exist or cannot change.

    Example:
        >>> from pumpleak import load_preset, simulate
        >>> blocked = Event(60.0, {"pump": 0})
        >>> course = simulate(*load_preset("neuron"), 3600.0, events=[blocked])
        >>> print(course.events == (blocked,), course.ended)
        True duration
    """

    t: float
    changes: Mapping[str, float]
    compensation: str | None = None


def after(cell: Cell, bath: Bath, event: Event) -> tuple[Cell, Bath]:
    """The cell and bath once an event has happened.

    Args:
        cell: the cell before it; numbers without a shape.
        bath: its bath before it.
        event: what is done.

    Raises:
        InputError: nothing is changed, what cannot change while a cell is followed, an unknown name, a value that
            is not one finite number, or a bath that cannot be; it does not say which event.
    """
    check_kind(event.changes, Mapping, "a mapping of what changes", 'Name it, e.g. {"pump": 0}')
    if not event.changes:
        raise InputError("changes nothing", mend='Name what changes, e.g. {"pump": 0}')
    for name, value in event.changes.items():
        if name in _FIXED or kind(name).side == "i" and kind(name).of in cell.held:
            raise InputError(
                f"{name} cannot change while the cell is followed",
                mend="Change mechanisms, the wall, L_p, the bath or T, or simulate another cell",
            )
        if not is_number(value):
            raise InputError(f"{name} = {value} is not a number", mend="Give one number")
    return change(cell, bath, event.changes, compensation=event.compensation)


def contradiction(events: Sequence[Event]) -> tuple[int, int, str] | None:
    """Positions of two events at the same time that give the same name different values, and that name."""
    seen: dict[tuple[float, str], int] = {}
    for k, event in enumerate(events):
        for name, value in event.changes.items():
            first = seen.setdefault((event.t, name), k)
            if events[first].changes[name] != value:
                return first, k, name
    return None


def in_order(events: Sequence[Event]) -> tuple[Event, ...]:
    """The events by their times.

    Raises:
        InputError: one is none, or its time is no number.
    """
    mend = 'Give a list, e.g. [Event(60.0, {"pump": 0})]'
    if isinstance(events, str) or not isinstance(events, Iterable):
        raise InputError(f"events are asked for, not {kind_of(events)}", mend=mend)
    events = list(events)
    for event in events:
        check_kind(event, Event, "an event", mend)
        if isinstance(event.t, bool) or not isinstance(event.t, Real):
            raise InputError(f"an event's time is {kind_of(event.t)}", mend="Give a number of seconds")
    return tuple(sorted(events, key=lambda event: event.t))


Stages = list[tuple[float, Cell, Bath]]


def stages_of(cell: Cell, bath: Bath, duration: float, events: Sequence[Event]) -> Stages:
    """(start [s], cell, bath) of every stretch between events, which are in order.

    Raises:
        InputError: arrays in `cell` or `bath`, an event that is not within the simulation or cannot be, two that
            contradict each other, an ion that a bath has none of; says which event.
    """
    if any(np.shape(a) for a in jax.tree.leaves((cell, bath))):
        raise InputError("simulate takes one cell in one bath", mend="Loop over them")
    stages = [(0.0, cell, bath)]
    for event in events:
        where = f"event at t = {event.t:g} s"
        if not 0 <= event.t < duration:  # also refuses NaN
            raise InputError(
                f"{where} is outside of the simulation, 0 to {duration:g} s",
                mend="Move it, or simulate longer",
            )
        try:
            cell, bath = after(cell, bath, event)
        except InputError as error:
            raise InputError(f"{where}: {error.problem}", mend=error.mend) from None
        stages.append((float(event.t), cell, bath))
    if clash := contradiction(events):
        a, b, name = events[clash[0]], events[clash[1]], clash[2]
        raise InputError(
            f"events at t = {a.t:g} s: one sets {name} = {a.changes[name]:g}, another {b.changes[name]:g}",
            mend="Keep one of the two, or move one",
        )
    for t, _, b in stages:
        for ion in cell.ions:
            if not np.asarray(b.c[ion]) > 0:
                raise InputError(
                    f"{ion}_o = {b.c[ion]:g} mM from t = {t:g} s on",
                    mend="Give a trace instead: the laws need some of each ion on both sides",
                )
    return stages


def _bytes_a_time(cell: Cell) -> int:
    """What a recorded time takes: its state, what is observed of it and the table's row."""
    return 8 * 3 * (4 + 4 * len(cell.ions) + 2 * len(cell.held) + len(cell.mechanisms))


def times_of(
    stages: Stages, duration: float, n: int, times: Sequence[float] | None = None
) -> list[np.ndarray]:
    """For every stage the times to record [s], counted from its start; 0 stands for its first moment.

    Args:
        stages: of `stages_of`.
        duration: of the whole [s].
        n: about how many times, more of them where something has just been done; at least 2.
        times: the times themselves instead, rising, within 0 and `duration`.

    Raises:
        InputError: fewer than 2 times, or times that do not rise within the simulation.
    """
    ends = [*(t for t, _, _ in stages[1:]), duration]
    if times is None:
        check_kind(n, Integral, "a whole number n of times", "Give 2 or more, e.g. 200")
        if n < 2:
            raise InputError(f"n = {n} times are too few", mend="Give 2 or more")
        check_memory("n = {} times", n, _bytes_a_time(stages[0][1]), least=2, mend="Record at most {}")
        plans = []
        for k, ((t, _, _), end) in enumerate(zip(stages, ends, strict=True)):
            span = end - t
            if span == 0:  # only what was before anything was done is worth recording
                plans.append(np.zeros(1 if k == 0 else 0))
                continue
            count = max(2, round((n - 1) * span / duration))
            early = min(25, count // 4) + 8  # after a change fast things happen first
            grid = [np.linspace(0, span, count + 1), np.geomspace(span * 1e-5, span / count, early)[:-1]]
            plans.append(np.unique(np.concatenate(grid)))
        return plans
    try:
        given = np.asarray(times, float)
    except (TypeError, ValueError):
        raise InputError(
            f"times are {kind_of(times)} that holds no numbers",
            mend="Give rising times [s], e.g. [0.0, 30.0]",
        ) from None
    if (
        given.ndim != 1
        or not len(given)
        or not np.all(np.diff(given) > 0)
        or given[0] < 0
        or given[-1] > duration
    ):
        raise InputError(
            "times are not rising within the simulation",
            mend=f"Give times between 0 and {duration:g} s, each once",
        )
    plans = []
    for k, ((t, _, _), end) in enumerate(zip(stages, ends, strict=True)):
        inside = (given <= end) & ((given > t) if k else (given >= 0))
        if k == 0 and end == 0:
            inside = given == 0
        plans.append(given[inside] - t)
    return plans
