"""A cell at rest as a sentence, as plain data and as a table: what the command line prints."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..physics.nernst import thermal_voltage
from ..quantities.names import kind
from ..quantities.units import split_unit
from ..text import fixed, significant
from .cell import Bath, Cell
from .events import after
from .march import Status
from .remedies import fate
from .steady import SteadyState, plain_state, resting_state, steady_state
from .sweep import Sweep

if TYPE_CHECKING:
    from .simulate import TimeCourse

_THERE = 0.05, 1e-3  # of V_m [mV] and of the volume: nearer than this, a course has arrived
_MOST_JUMPS = 5  # of a sweep that are put in words


def headline(state: SteadyState, title: str) -> str:
    """One sentence: where this cell rests, and whether it stays there."""
    words = f"{title}: rests at {fixed(state.V_m, 1)} mV"
    if bool(state.stable):
        slowest = state.time_constants
        back = (
            f", back within {duration(float(slowest[0]))} (1/e) of a small disturbance"
            if len(slowest)
            else ""
        )
        words += f", stable{back}"
    else:
        words += ", unstable: the slightest disturbance takes it elsewhere"
    return f"{words}, volume {fixed(float(state.volume), 3)} of the reference" + (
        ", at which the membrane bursts." if bool(state.lysis) else "."
    )


_TIMES = (
    (172800.0, 86400.0, "d"),
    (7200.0, 3600.0, "h"),
    (180.0, 60.0, "min"),
    (0.5, 1.0, "s"),
    (0.0, 1e-3, "ms"),
)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit that suits a time, and its seconds."""
    return next((scale, unit) for least, scale, unit in _TIMES if seconds >= least)


def duration(seconds: float) -> str:
    """``133 s``, ``2.2 h``: three digits in the unit that suits."""
    scale, unit = time_unit(seconds)
    return f"{significant(seconds / scale)} {unit}"


def ions_of(state: SteadyState, cell: Cell, bath: Bath) -> list[dict[str, Any]]:
    """A row an ion: outside and inside [mM], Nernst potential and driving force V_m − E [mV]."""
    return [
        {
            "ion": ion,
            "o_mM": float(c) if (c := bath.c.get(ion)) is not None else None,
            "i_mM": float(state.c_i[ion]),
            "E_mV": float(state.E[ion]) if ion in state.E else None,
            "driving_force_mV": float(state.V_m - state.E[ion]) if ion in state.E else None,
        }
        for ion in (*cell.ions, *cell.held)
    ]


def state_dict(state: SteadyState, cell: Cell, bath: Bath) -> dict[str, Any]:
    """Everything about one steady state as plain data, units in the keys."""
    out: dict[str, Any] = {"status": Status(int(state.status)).name}
    if not bool(state.ok):
        return out | {"residual": float(state.residual), "iterations": int(state.iterations)}
    per_volume = float(state.atp) / (float(state.volume) * float(cell.volume_to_area)) * 60
    return out | {
        "V_m_mV": float(state.V_m),
        "stable": bool(state.stable),
        "time_constants_s": [float(t) for t in state.time_constants],
        "volume_rel": float(state.volume),
        "lysis": bool(state.lysis),
        "X_mM": float(state.X),
        "ions": {row.pop("ion"): row for row in ions_of(state, cell, bath)},
        "mechanisms": {
            name: {
                "rate_umol_cm2_s": float(state.rates[name]),
                "I_uA_cm2": float(state.currents[name]),
                "fluxes_umol_cm2_s": {ion: float(j) for ion, j in state.fluxes[name].items()},
            }
            for name in cell.mechanisms
        },
        "atp_umol_cm2_s": float(state.atp),
        "atp_mM_min": per_volume,
        "conductance_mS_cm2": float(state.conductance),
        "bath": {f"{i}_o_mM": float(c) for i, c in bath.c.items()}
        | {"X_o_mM": float(bath.X_o), "T_degC": float(bath.T) - 273.15},
        "kT_e_mV": float(thermal_voltage(bath.T)),
        "residual": float(state.residual),
        "iterations": int(state.iterations),
    }


def heading(
    course: "TimeCourse", cell: Cell, bath: Bath, start: SteadyState, max_volume_ratio: float
) -> dict[str, Any]:
    """Where the end of a time course leads: the steady state of the cell in the bath that it ended in.

    Of several steady states it is the one that the search finds from the end's own concentrations.

    Args:
        course: of `simulate`.
        cell: the cell at its start.
        bath: its bath then.
        start: the steady state it started from.
        max_volume_ratio: volume over the reference volume at which the membrane bursts.

    Returns:
        Plain data: ``status``; where there is a steady state, its ``V_m_mV`` and ``volume_rel``, and what is still
        to go, ``V_m_to_go_mV`` and ``volume_to_go_rel``; ``text``, the same in words.
    """
    for event in course.events:
        cell, bath = after(cell, bath, event)
    V, v = float(course.V_m[-1]), float(course.volume[-1])
    end = start._replace(V_m=np.asarray(V), c_i={i: np.asarray(float(course.c_i[i][-1])) for i in start.c_i})
    state = plain_state(steady_state(cell, bath, max_volume_ratio=max_volume_ratio, start=end))
    if not (state.ok and state.stable):
        state = plain_state(resting_state(cell, bath, near=V, max_volume_ratio=max_volume_ratio)[0])
    out: dict[str, Any] = {"status": Status(int(state.status)).name}
    if not state.ok:
        return out | {"text": f"No steady state is ahead of it. {fate(cell, bath)}"}
    to_go = float(state.V_m) - V, float(state.volume) - v
    words = f"{fixed(float(state.V_m), 1)} mV at volume {fixed(float(state.volume), 3)} of the reference"
    if not state.stable:
        words += ", which is unstable"
    elif state.lysis:
        words += ", at which the membrane would have burst"
    if abs(to_go[0]) < _THERE[0] and abs(to_go[1]) < _THERE[1] * float(state.volume):
        text = f"It has arrived at a steady state: {words}."
    else:
        back = (
            f"; the last of it takes {duration(float(state.time_constants[0]))} (1/e)" if state.stable else ""
        )
        text = f"It is heading for a steady state, {words}: {fixed(to_go[0], 1, sign=True)} mV and {fixed(to_go[1], 3, sign=True)} of volume to go{back}."
    return out | {
        "V_m_mV": float(state.V_m),
        "volume_rel": float(state.volume),
        "stable": bool(state.stable),
        "V_m_to_go_mV": to_go[0],
        "volume_to_go_rel": to_go[1],
        "text": text,
    }


def sweep_words(
    swept: Sweep, key: str, written: np.ndarray, title: str, max_volume_ratio: float
) -> tuple[str, list[str]]:
    """A sweep in one sentence without its full stop, and what else is to be said of it, a sentence each.

    Args:
        swept: of `sweep`.
        key: the number's name with its unit, as it was written.
        written: its values in that unit, (n,).
        title: of the cell.
        max_volume_ratio: volume over the reference volume at which the membrane bursts.
    """
    n, states = len(written), swept.states
    V, there = states.V_m, np.flatnonzero(states.ok)
    verdict = f"{title}: {len(there)} of {n} values of {key} have a steady state"
    if len(there):
        first, last = there[0], there[-1]
        verdict += f"; V_m {fixed(V[first], 1)} mV at {significant(written[first], 4)}, {fixed(V[last], 1)} mV at {significant(written[last], 4)}"
    notes = [f"{k} values: {name.replace('_', ' ')}." for name, k in swept.lost.items()]
    if beyond := int(states.lysis.sum()):
        notes.append(
            f"{beyond} of {n} values: beyond bursting, at a volume of more than {significant(max_volume_ratio, 6)} of the reference."
        )
    if unstable := int((states.ok & ~states.stable).sum()):
        notes.append(
            f"{unstable} values: the state found is unstable; --all at such a value lists every one."
        )
    return verdict, notes


def all_words(swept: Sweep, key: str, written: np.ndarray, title: str) -> tuple[str, list[str]]:
    """Every steady state along a sweep in one sentence without its full stop, and what else is to be said, a sentence each.

    Args:
        swept: of `every_state`.
        key, written, title: as `sweep_words` takes them; `written` as often as there are states.
    """
    values, at = np.unique(written, return_inverse=True)
    there = np.bincount(at, swept.states.ok)
    stable = np.bincount(at, swept.states.ok & swept.states.stable)
    counts = {
        "several steady states": (there > 1).sum(),
        "one": (there == 1).sum(),
        "none": (there == 0).sum(),
    }
    said = ", ".join(f"{n} {'has' if n == 1 else 'have'} {what}" for what, n in counts.items() if n)
    notes = []
    for k in np.split(np.arange(len(values)), np.flatnonzero(np.diff(there)) + 1):
        if there[k[0]] > 1:
            ends = " to ".join(dict.fromkeys(significant(values[i], 4) for i in (k[0], k[-1])))
            most = int(stable[k].max())
            notes.append(f"At {key} {ends}: {int(there[k[0]])} steady states, {most} of them stable.")
    return f"{title}: of {len(values)} values of {key}, {said}", notes


def branch_words(swept: Sweep, key: str, written: np.ndarray) -> list[str]:
    """That a sweep follows one of several steady states, and where it could not; nothing where there was one."""
    if not swept.followed:
        return []
    V = swept.states.V_m
    return ["Several steady states: the curve follows one from value to value as long as it lasts."] + [
        f"Between {key} {significant(written[i], 4)} and {significant(written[i + 1], 4)} V_m goes from {fixed(V[i], 1)} to {fixed(V[i + 1], 1)} mV."
        for i in swept.jumps[:_MOST_JUMPS]
    ]


def compared(state: SteadyState, measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The model's number beside what was measured: ``V_m_mV``, ``K_i_mM``, …"""
    values = {name: _number_of(state, name) for name in measured}
    return [measured[name].beside(name, value) for name, value in values.items() if value is not None]


def _number_of(state: SteadyState, name: str) -> float | None:
    if name == "V_m_mV":
        return float(state.V_m)
    inside = kind(split_unit(name)[0])
    if inside.side == "i" and inside.of in state.c_i:
        return float(state.c_i[inside.of])
    return float(state.volume) if name == "volume_rel" else None


def bath_words(before: Bath, after: Bath, compensation: str | None) -> str | None:
    """What a change of the bath came to, and how it stayed neutral; None where nothing changed."""
    named = [(f"{ion}_o", before.c[ion], after.c[ion], " mM") for ion in before.c]
    named += [("X_o", before.X_o, after.X_o, " mM"), ("T", before.T - 273.15, after.T - 273.15, " °C")]
    changed = [(n, float(a), float(b), u) for n, a, b, u in named if float(a) != float(b)]
    if not changed:
        return None
    words = "Bath: " + ", ".join(
        f"{n} {significant(a, 6)} → {significant(b, 6)}{u}" for n, a, b, u in changed
    )
    ions = {kind(n).of for n, *_ in changed if kind(n).is_bath_ion}
    if not ions:
        return f"{words}."
    partner = "Na⁺" if len(ions) > 1 else "an inert ion, which X_o counts"
    how = {
        None: f"swapped for {partner}, unless said otherwise",
        "salt": "with a salt, so that osmolarity changes",
        "inert": "swapped for an inert ion, which X_o counts",
    }.get(compensation, f"swapped for {compensation}")
    return f"{words} ({how})."
