"""How a cell gets where it is going: potential, concentrations and volume against time.

State: amounts of the free ions and V_m (and the volume, where water takes its time), all per membrane area.

    d n_j/dt = −J_j,   n_j = c_j volume volume_to_area
    d(volume volume_to_area)/dt = L_p (Π_i − Π_o − wall (volume − 1)⁺), or at equilibrium at once
    C_m dV_m/dt = −F Σ z_j J_j + (what held ions bring as the volume changes)

``capacitive`` takes this as it stands, so that V_m = F × charge / C_m throughout. ``neutral`` is its limit
C_m → 0 with no charge inside at all: a capacitance so small that 25 mV take 1e-9 of the osmoles, and that
charge given back by all ions in proportion. Neutrality then holds to rounding, and V_m still chooses its
branch by its own dynamics where the current has several zeros.

Amounts, not their logarithms: Runge-Kutta methods conserve charge exactly where it is linear in the state.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx

from ..errors import InputError, check_kind, is_number, kind_of, unknown
from ..physics.constants import LYSIS_RATIO, F
from ..physics.nernst import thermal_voltage
from ..quantities.ions import valence
from ..traced import program
from .cell import Bath, Cell, check_in_bath
from .equations import floats
from .events import Event, in_order, stages_of, times_of
from .evolve import MV, SMALL, State, Stretched, System, integrate, water_is_slow
from .march import Status
from .steady import SteadyState, steady_state

if TYPE_CHECKING:
    import pandas as pd

_MAX_STEPS = 100_000  # of one block
_UNEVEN = 1e-4  # charge over osmoles that a start may bring, rounded or in single precision; it is removed
_AT_LIMIT = 1e-12  # of the bursting volume: a start this far above is rounding, and has yet to burst
_BLOCK = 40  # times a compiled program records before it reports progress


@dataclass(frozen=True)
class TimeCourse:
    """What a cell did. Arrays have shape (times,).

    Attributes:
        t: time [s]; the time of an event stands twice, before and after it (unless `times` were given).
        V_m: membrane potential [mV].
        c_i: ion -> concentration inside [mM].
        X: impermeants inside [mM].
        volume: volume over the reference volume [1].
        E: ion -> Nernst potential [mV].
        currents: mechanism -> current, outward positive [µA cm⁻²].
        fluxes: ion -> net outward flux over all mechanisms [µmol cm⁻² s⁻¹].
        ended: ``duration``; ``lysis`` where the volume reached `max_volume_ratio`; ``emptied`` where a pump
            took the last of an ion.
        end: when it ended [s].
        events: what was done, in order.
        charge: ``neutral`` or ``capacitive``.

    Example:
        >>> from pumpleak import load_preset, simulate
        >>> course = simulate(*load_preset("neuron"), 60.0, times=[0.0, 30.0, 60.0])
        >>> print(*course.table().columns[:3], course.V_m.round(1))
        t_s V_m_mV K_i_mM [-72.6 -72.6 -72.6]
    """

    t: np.ndarray
    V_m: np.ndarray
    c_i: dict[str, np.ndarray]
    X: np.ndarray
    volume: np.ndarray
    E: dict[str, np.ndarray]
    currents: dict[str, np.ndarray]
    fluxes: dict[str, np.ndarray]
    ended: str
    end: float
    events: tuple[Event, ...]
    charge: str

    def table(self) -> "pd.DataFrame":
        """One row a time, with the unit in each column's name: ``t_s``, ``V_m_mV``, ``K_i_mM`` …"""
        import pandas as pd

        return pd.DataFrame(
            {"t_s": self.t, "V_m_mV": self.V_m}
            | {f"{ion}_i_mM": c for ion, c in self.c_i.items()}
            | {"X_mM": self.X, "volume_rel": self.volume}
            | {f"E_{ion}_mV": E for ion, E in self.E.items()}
            | {f"I_{name}_uA_cm2": I for name, I in self.currents.items()}
        )


# -- simulate ------------------------------------------------------------------------------------


def simulate(
    cell: Cell,
    bath: Bath,
    duration: float,
    *,
    events: Sequence[Event] = (),
    start: SteadyState | Mapping[str, float] | None = None,
    charge: str = "neutral",
    n: int = 200,
    times: Sequence[float] | None = None,
    max_volume_ratio: float | None = LYSIS_RATIO,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    progress: Callable[[int, int], None] | None = None,
) -> TimeCourse:
    """The time course of a cell to which things are done.

    Integrates the module's equations from event to event by an implicit Runge-Kutta method of order 5.

    Args:
        cell: the cell at the start; numbers without a shape.
        bath: its bath at the start.
        duration: how long to follow it [s], > 0.
        events: what is done and when, in any order; all before the end. What has been changed stays changed.
            The impermeants inside, ions held there, area and capacitance cannot be changed.
        start: a steady state of this cell (in any bath), or the concentration of each free ion inside [mM].
            These take the volume at which the impermeants make them neutral. None: the cell's steady state.
        charge: ``neutral`` (exactly) or ``capacitive``, V_m then being F times the charge inside over C_m.
        n: about how many times to record, more of them where something has just been done.
        times: the times to record instead [s], rising, within 0 and `duration`; at an event's own time, what
            was before it.
        max_volume_ratio: volume over the reference volume at which the membrane bursts, and the course ends.
            None: never.
        rtol: relative tolerance of the integration.
        atol: absolute tolerance, of amounts over their first ones and of V_m / 25 mV.
        progress: called with (times recorded, times in all).

    Returns:
        A `TimeCourse`; `ended` says whether the cell lasted.

    Raises:
        InputError: no steady state to start from, a start that cannot be neutral or is beyond
            `max_volume_ratio` already, an event that changes what does not exist or cannot change, events that
            contradict each other, arrays in `cell` or `bath`.
        RuntimeError: the integration could not go on.

    References:
        Kvaerno 2004, BIT 44:489-502, doi 10.1023/B:BITN.0000046811.70614.38 (the method). Fraser & Huang 2004,
        J. Physiol. 559:459-478, doi 10.1113/jphysiol.2004.065706 (V_m as the charge inside over capacitance).

    Example:
        >>> from pumpleak import load_preset
        >>> course = simulate(*load_preset("neuron"), 3600.0, events=[Event(60.0, {"pump": 0})])
        >>> print(course.ended, f"{course.V_m[0]:.1f} to {course.V_m[-1]:.1f} mV")
        duration -72.6 to -19.1 mV
    """
    if charge not in ("neutral", "capacitive"):
        raise unknown("treatment of charge", charge, ("neutral", "capacitive"))
    check_in_bath(cell, bath)
    if not (is_number(duration) and duration > 0):
        said = f"{duration} s" if isinstance(duration, (int, float)) else kind_of(duration)
        raise InputError(f"duration = {said}", mend="Give a positive number of seconds")
    check_kind(
        {} if start is None else start,
        (SteadyState, Mapping),
        "a steady state, or the concentrations inside, to start from",
        "Give what steady_state returned, or e.g. {'K': 120, 'Na': 12, 'Cl': 6}",
    )
    cell.check(bath)
    events = in_order(events)
    stages = stages_of(cell, bath, float(duration), events)
    plans = times_of(stages, float(duration), n, times)
    limit = np.inf if max_volume_ratio is None else float(max_volume_ratio)
    with jax.enable_x64(True):
        y, scale = jax.tree.map(np.asarray, _first(*stages[0][1:], start, charge))
        volume = _volume(*stages[0][1:], y, scale)
        if volume > limit * (1 + _AT_LIMIT):
            raise InputError(
                f"the start is beyond bursting: its volume is {volume:.4g} of the reference, and the membrane"
                f" bursts at {limit:g}",
                mend="Start from a cell that lasts, or give a larger max_volume_ratio (--max-volume-ratio)",
            )
        plan = _Plan(stages, plans, float(duration), charge == "neutral", _Stop(limit, rtol, atol))
        return _follow(plan, y, scale, events, progress)


def _first(cell: Cell, bath: Bath, start, charge: str):
    """The state at the start, and the amounts that it is scaled by."""
    cell, bath = floats((cell, bath))
    if start is None:
        start = steady_state(cell, bath)
        if not bool(start.ok):
            raise InputError(
                f"this cell has no steady state to start from ({Status(int(start.status)).name})",
                mend="Give start, the concentrations inside, e.g. {'K': 120, 'Na': 12, 'Cl': 6}",
            )
    if isinstance(start, SteadyState):
        if np.shape(start.V_m) or not bool(start.ok):
            raise InputError("start is not one state that was found", mend="Give one whose ok is True")
        missing = [ion for ion in cell.ions if ion not in start.c_i]
        if missing:
            raise InputError(f"start has no {', '.join(missing)}", mend="Give a steady state of this cell")
        c, v, V = start.c_i, float(start.volume), float(start.V_m)
    else:
        c, v = _given(cell, start)
        V = None
    c = jnp.asarray([float(c[ion]) for ion in cell.ions])
    amounts = c * v
    system = System(cell, bath, amounts, neutral=True)
    charged = float(jnp.sum(system.z * amounts) + cell.z_X * cell.X_i)
    y = State(jnp.ones_like(c), jnp.asarray(-2.0 if V is None else V / MV), None)
    held = system.eq.held_charge
    if water_is_slow(cell):
        y = y._replace(volume=jnp.asarray(v))
    charged += float(held * system.look(y)[0])
    if abs(charged) > _UNEVEN * float(bath.osmolarity) * v:
        raise InputError(
            f"the start is charged: {charged / v:+.4g} mM inside", mend="Give a state of this very cell"
        )
    weight = system.z + held * system.look(y)[1]
    y = y._replace(amounts=y.amounts - system.share(weight, y) * charged / amounts)
    if V is None:
        y = y._replace(V=_REST[False](cell, bath, y, amounts))
    if charge == "capacitive":
        full = System(cell, bath, amounts, neutral=False)
        y = y._replace(amounts=y.amounts + full.share(weight, y) * y.V * full.capacity / amounts)
    return y, amounts


def _given(cell: Cell, start: Mapping[str, float]):
    """Concentrations somebody gave, and the volume at which the impermeants make them neutral."""
    for ion, c in start.items():
        if ion not in cell.ions:
            raise unknown("ion", ion, cell.ions, within="that this cell settles, as start has it")
        if not (is_number(c) and c > 0):
            raise InputError(f"start has {ion} = {c} mM", mend="Give a positive number")
    missing = [ion for ion in cell.ions if ion not in start]
    if missing:
        raise InputError(
            f"start has no {', '.join(missing)}", mend=f"Give all of {', '.join(cell.ions)} in mM"
        )
    mobile = sum(valence(ion) * float(c) for ion, c in start.items())
    mobile += sum(valence(ion) * float(c) for ion, c in cell.held.items())
    trapped = float(cell.z_X * cell.X_i)
    if cell.volume == "fixed" or trapped == 0:
        v = 1.0
        uneven = abs(mobile + trapped) > _UNEVEN * sum(start.values())
    else:
        uneven = mobile * trapped >= 0
        v = 1.0 if uneven else -trapped / mobile
    if uneven:
        raise InputError(
            f"the start is charged: ions inside sum to {mobile:+.4g} mM, which impermeants of {trapped:+.4g} mM"
            " cannot balance",
            mend="Correct a concentration, usually Cl",
        )
    return start, v


def _volume(cell: Cell, bath: Bath, y: State, scale) -> float:
    """Volume over the reference volume [1] in this bath, at once where water takes no time."""
    cell, bath = floats((cell, bath))
    return float(System(cell, bath, jnp.asarray(scale), neutral=True).look(y)[0])


class _Stop(NamedTuple):
    """When a course ends of itself, and how closely it is followed."""

    limit: float  # volume over the reference volume
    rtol: float
    atol: float


@dataclass(frozen=True)
class _Plan:
    """What is to be followed: (start [s], cell, bath) of each stage, the times to record after it [s], the end [s]."""

    stages: Sequence[tuple[float, Cell, Bath]]
    times: Sequence[np.ndarray]
    duration: float
    neutral: bool
    stop: _Stop

    def span(self, k: int) -> float:
        """How long stage k lasts [s]."""
        end = self.stages[k + 1][0] if k + 1 < len(self.stages) else self.duration
        return end - self.stages[k][0]


def _follow(plan: _Plan, y: State, scale, events, progress) -> TimeCourse:
    """From stage to stage until the cell bursts or time is up."""
    total, done = sum(map(len, plan.times)), 0
    parts, ended, end = [], "duration", plan.duration

    def recorded(n: int) -> None:
        nonlocal done
        done += n
        if progress:
            progress(min(done, total), total)

    for k, (_, cell, bath) in enumerate(plan.stages):
        cell, bath = floats((cell, bath))
        points, y, went, when = _stage(
            plan=plan, k=k, cell=cell, bath=bath, y=y, scale=scale, recorded=recorded
        )
        if points:
            t = np.concatenate([a for a, _ in points])
            ys = jax.tree.map(lambda *a: np.concatenate([np.asarray(x) for x in a]), *[b for _, b in points])
            parts.append((t, jax.tree.map(np.asarray, _OBSERVE(cell, bath, ys, scale))))
        if went != "duration":
            ended, end = went, when
            break
    if progress:
        progress(total, total)
    t = np.concatenate([a for a, _ in parts])
    watched = jax.tree.map(lambda *a: np.concatenate(a), *[b for _, b in parts])
    cell = plan.stages[0][1]  # tree operations sort names; the cell's own order reads better
    ions = [*cell.ions, *cell.held]
    orders = {"c_i": ions, "E": ions, "fluxes": cell.ions, "currents": cell.mechanisms}
    for field, names in orders.items():
        watched[field] = {name: watched[field][name] for name in names if name in watched[field]}
    done_events = tuple(event for event in events if event.t <= end)
    charge = "neutral" if plan.neutral else "capacitive"
    return TimeCourse(t, **watched, ended=ended, end=end, events=done_events, charge=charge)


def _stage(plan: _Plan, k: int, cell: Cell, bath: Bath, y: State, scale, recorded):
    """One stage, block by block: (times, states) that were recorded, the last state, how it ended, and when [s]."""
    t0, span, times = plan.stages[k][0], plan.span(k), plan.times[k]
    if plan.neutral:  # the potential jumps with what is done
        y = y._replace(V=np.asarray(_REST[True](cell, bath, y, scale)))
    points = [_point(t0, y)] if len(times) and times[0] == 0 else []
    if k > 0 and _volume(cell, bath, y, scale) > plan.stop.limit * (1 + _AT_LIMIT):
        return [_point(t0, y)], y, "lysis", t0  # by water that came at once with an event
    rest, clock, dt = times[times > 0], 0.0, None
    while clock < span:
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        stop = span if len(rest) == 0 else block[-1]
        before = np.linspace(clock, block[0] if len(block) else stop, _BLOCK - len(block) + 2)[1:-1]
        ts = np.concatenate([before, block]) if len(block) < _BLOCK else block
        dt = min(1e-3, 1e-3 * (stop - clock)) if dt is None else min(dt, stop - clock)
        out = _BLOCK_PROGRAM(cell, bath, y, scale, plan.neutral, (clock, stop, ts, dt), plan.stop)
        reached, y, path, steps, burst, went, small = jax.tree.map(np.asarray, out)
        dt = float(reached - clock) / max(int(steps), 1)
        keep = np.isfinite(path.V) & (ts >= block[0] if len(block) else np.zeros(len(ts), bool))
        points.append((t0 + ts[keep], jax.tree.map(lambda a, keep=keep: a[keep], path)))
        clock = float(reached)
        if not (burst or went) or not math.isfinite(clock):
            raise RuntimeError(
                f"the integration could not go on at t = {t0 + clock:g} s; other tolerances (rtol, atol) may help"
            )
        recorded(int(keep.sum()))
        if burst:
            end = t0 + clock
            return [*points, _point(end, y)], y, "emptied" if small else "lysis", end
    return points, y, "duration", t0 + span


def _point(t: float, y: State) -> tuple[np.ndarray, State]:
    """One time and its state, as a row of one."""
    return np.asarray([t]), jax.tree.map(lambda a: np.asarray(a)[None], y)


def _rest_of(nearest: bool, cell, bath, y, scale):
    return System(cell, bath, scale, neutral=True).rest(y, nearest)


_REST = {nearest: program(partial(_rest_of, nearest)) for nearest in (False, True)}


def _block_of(cell, bath, y, scale, neutral, times, stop: _Stop):
    """From t0 to t1, or to where the cell bursts or is emptied: when, the state, those at `ts`, and how.

    `times` is (t0, t1, ts, dt), the last of them the first step to try [s].
    """
    t0, t1, ts, dt = times
    limit, rtol, atol = stop
    system = System(cell, bath, scale, neutral)
    length = t1 - t0

    def room(y):
        """Above 0 while the cell lasts: up to the largest volume, and down to nothing of an ion."""
        v = system.water(y.amounts * scale)[0] if y.volume is None else y.volume
        return 1 + 2 * _AT_LIMIT - v / limit, jnp.min(y.amounts * scale) / system.eq.Pi_o - SMALL

    event = diffrax.Event(
        lambda t, y, args, **_: jnp.minimum(*room(y)), optx.Bisection(1e-10, 1e-10), direction=False
    )
    ts = jnp.clip((ts - t0) / length, 0, 1)
    save = diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=ts), diffrax.SubSaveAt(t1=True)])
    out = integrate(
        Stretched(system, length),
        y,
        dt / length,
        rtol,
        atol,
        _MAX_STEPS,
        ts,
        saveat=save,
        event=event,
        adjoint=diffrax.ForwardMode(),
    )
    ys: Any = out.ys
    path, last = ys[0], jax.tree.map(lambda a: a[-1], ys[1])
    burst = out.result == diffrax.RESULTS.event_occurred
    went = out.result == diffrax.RESULTS.successful
    swollen, emptied = room(last)
    reached: Any = out.ts
    return t0 + reached[1][-1] * length, last, path, out.stats["num_steps"], burst, went, emptied < swollen


_BLOCK_PROGRAM = program(_block_of, State)


def _observed(cell, bath, ys, scale):
    system = System(cell, bath, scale, neutral=True)

    def one(y):
        v, _, _, ln_c = system.look(y)
        V_m = y.V * MV
        m = system.eq.membrane(V_m / thermal_voltage(bath.T), tuple(ln_c))
        rates = cell.rates(m)
        inside = dict(zip(cell.ions, jnp.exp(ln_c), strict=True)) | cell.held
        currents = {
            name: F * rates[name] * sum(valence(i) * k for i, k in mechanism.stoichiometry.items())
            for name, mechanism in cell.mechanisms.items()
        }
        return dict(
            V_m=V_m,
            c_i=inside,
            X=cell.X_i / v,
            volume=v,
            E={ion: m.E(ion) for ion in inside if ion in bath.c},
            currents=currents,
            fluxes=cell.fluxes(m, rates),
        )

    return jax.vmap(one)(ys)


_OBSERVE = program(_observed)
