"""One number of a cell run through many values: the steady state at each, one branch as long as it lasts."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.typing import ArrayLike

from ..errors import InputError, InputWarning, kind_of
from ..files.room import check_memory
from .cell import Bath, Cell, check_in_bath
from .march import Status
from .numbers import cell_parameters, change
from .steady import SteadyState, plain_state, resting_state, steady_state, steady_states, usual_V_m

if TYPE_CHECKING:
    import pandas as pd

_HOP_mV = 6.0  # between neighbours of a sweep; more is taken for another branch
_UNUSUAL = 2.5  # gaps over the median gap of a sweep, beyond which V_m is said to jump
_MOST_ASKED = 24  # values of a sweep that are searched for a second stable state
_APART = 1e-2, 1e-3  # of V_m [mV] and of the volume: beyond either, two states are two


@dataclass(frozen=True)
class Sweep:
    """The steady states of a cell along one of its numbers. Arrays have shape (n,).

    Attributes:
        name: the number, as in `cell_parameters`.
        values: its values, in the library's unit.
        cell: the cell with these values in it.
        bath: its bath, likewise.
        states: the `SteadyState` at each value; NaN where its `status` is not ``converged``.
        followed: whether the cell has several stable states somewhere, and the curve follows one of them from
            value to value as long as it lasts. Otherwise every value was solved from the common start.
        jumps: each i for which V_m jumps between values i and i + 1: there the branch ended; () unless `followed`.

    Example:
        >>> from pumpleak import load_preset, sweep
        >>> curve = sweep(*load_preset("neuron"), "K_o", [3.5, 10.0, 30.0])
        >>> print(curve.name, curve.values, curve.bath.c["Na"])
        K_o [ 3.5 10.  30. ] [145.  138.5 118.5]
    """

    name: str
    values: np.ndarray
    cell: Cell
    bath: Bath
    states: SteadyState
    followed: bool
    jumps: tuple[int, ...]

    @property
    def lost(self) -> dict[str, int]:
        """Why values have no steady state -> how many: ``no_steady_state``, ``not_converged``, ``invalid``."""
        counts = {s.name: int((self.states.status == s).sum()) for s in Status if s is not Status.converged}
        return {name: n for name, n in counts.items() if n}

    def table(self, key: str | None = None, shown: ArrayLike | None = None) -> "pd.DataFrame":
        """One row a value, with the unit in each column's name: ``V_m_mV``, ``K_i_mM``, ``volume_rel`` …

        Args:
            key: the first column's name with its unit; ``K_o_mM``, ``T_K``, ``pump`` by default.
            shown: the values in that unit, (n,).
        """
        import pandas as pd

        if key is None:
            unit = cell_parameters(self.cell, self.bath)[self.name].unit
            key = self.name if unit == "1" else f"{self.name}_{unit.replace('/', '_')}"
        s, n, ions = self.states, len(self.values), [*self.cell.ions, *self.cell.held]
        slowest = s.time_constants[..., 0] if s.time_constants.shape[-1] else np.full(n, np.nan)
        columns = (
            {
                key: self.values if shown is None else shown,
                "status": [Status(int(x)).name for x in np.broadcast_to(s.status, n)],
                "V_m_mV": s.V_m,
            }
            | {f"{ion}_i_mM": s.c_i[ion] for ion in ions}
            | {"X_mM": s.X, "volume_rel": s.volume}
            | {f"E_{ion}_mV": s.E[ion] for ion in ions if ion in s.E}
            | {f"I_{name}_uA_cm2": s.currents[name] for name in self.cell.mechanisms}
            | {"atp_umol_cm2_s": s.atp, "stable": s.stable, "slowest_s": slowest, "lysis": s.lysis}
        )
        return pd.DataFrame({k: np.broadcast_to(np.asarray(v), n) for k, v in columns.items()})


def sweep(
    cell: Cell,
    bath: Bath,
    name: str,
    values: Sequence[float] | np.ndarray,
    *,
    compensation: str | None = None,
    origin: tuple[Cell, Bath] | None = None,
    max_volume_ratio: float | None = None,
) -> Sweep:
    """The steady states of a cell as one of its numbers takes many values.

    All values are solved at once from the common start. Where that leaves one stable state for another, or for
    an unstable one, while the first was still there, they are solved once more: outwards from the value nearest to
    the cell's own, each from its neighbour's state. A branch that ends is a jump, and the resting state nearest to
    where it ended goes on.

    Args:
        cell: one cell (numbers, not arrays).
        bath: its bath.
        name: what to vary, as in `cell_parameters`: ``K_o``, ``pump``, ``P_Na`` …
        values: in the library's unit (mM, K, 1 …), (n,).
        compensation: how the bath stays neutral; see `Bath.change`.
        origin: the cell and bath it comes from; of several stable states, the one nearest to the V_m at which they
            rest is followed. `cell` and `bath` themselves by default.
        max_volume_ratio: volume over the reference volume beyond which a membrane bursts; see `steady_state`.

    Returns:
        A `Sweep`.

    Raises:
        InputError: an unknown name, values that are no row of numbers, or a bath they cannot make: one that
            cannot be balanced, or has none of an ion.

    Example:
        >>> from pumpleak import load_preset
        >>> curve = sweep(*load_preset("neuron"), "K_o", [3.5, 10.0, 30.0])
        >>> print(curve.states.V_m.round(1), curve.followed, curve.lost)
        [-72.6 -48.7 -24. ] False {}
    """
    check_in_bath(cell, bath)
    try:
        values = np.asarray(values, float)
    except (TypeError, ValueError):
        raise InputError(
            f"a sweep of {name} over {kind_of(values)} that holds no numbers",
            mend="Give a row of numbers, e.g. [3.5, 10.0, 30.0]",
        ) from None
    if values.ndim != 1 or not len(values):
        raise InputError(
            f"a sweep of {name} over an array of shape {values.shape}", mend="Give a row of numbers"
        )
    _check_room(cell, len(values), every=False)
    cells, baths = change(cell, bath, {name: values}, compensation=compensation)
    for ion, c in baths.c.items():
        if np.any(np.asarray(c) <= 0):
            raise InputError(
                f"the sweep of {name} takes {ion}_o to 0",
                mend="Sweep a little less far, or name another compensation (an ion, salt, or inert)",
            )

    def at(i: int) -> tuple[Cell, Bath]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)  # said for all values together, above
            return change(cell, bath, {name: float(values[i])}, compensation=compensation)

    states = plain_state(steady_state(cells, baths, max_volume_ratio=max_volume_ratio))
    several, jumps = _hops(states, at), ()
    if several:
        middle = int(np.argmin(np.abs(values - float(cell_parameters(cell, bath)[name].value))))
        near = usual_V_m(*(origin or (cell, bath)))
        states = _followed(at, len(values), middle, near, max_volume_ratio)
        jumps = _jumps(states)
    return Sweep(
        name=name, values=values, cell=cells, bath=baths, states=states, followed=several, jumps=jumps
    )


def every_state(
    cell: Cell,
    bath: Bath,
    name: str,
    values: Sequence[float] | np.ndarray,
    *,
    compensation: str | None = None,
    max_volume_ratio: float | None = None,
) -> Sweep:
    """Every steady state of a cell as one of its numbers takes many values.

    Args:
        cell, bath, name, values, compensation, max_volume_ratio: as `sweep` takes them.

    Returns:
        A `Sweep` in which a value stands once for each of its states, from the most negative V_m on; once, with a status that
        says so, where there is none.

    Raises:
        InputError: as `sweep`.
    """
    _check_room(cell, np.size(values), every=True)
    one = sweep(cell, bath, name, values, compensation=compensation, max_volume_ratio=max_volume_ratio)
    found: list[tuple[float, SteadyState]] = []
    for i, value in enumerate(one.values):
        here = jax.tree.map(lambda a, i=i: np.broadcast_to(a, one.values.shape)[i], (one.cell, one.bath))
        states = [plain_state(s) for s in steady_states(*here)]
        if max_volume_ratio is not None:
            states = [s._replace(lysis=np.asarray(s.volume > max_volume_ratio)) for s in states]
        states = states or [jax.tree.map(lambda a, i=i: a[i], one.states)]
        found += [(float(value), s) for s in states]
    repeated = np.array([value for value, _ in found])
    cells, baths = change(cell, bath, {name: repeated}, compensation=compensation)
    states = jax.tree.map(lambda *a: np.stack(a), *(s for _, s in found))
    return Sweep(name=name, values=repeated, cell=cells, bath=baths, states=states, followed=False, jumps=())


def _check_room(cell: Cell, n: int, *, every: bool) -> None:
    """Refuse a sweep of more values than memory holds: of each the lane of `steady_state`, or all that `steady_states` tried."""
    k = len(cell.ions)
    lane = 24 * (20 + 4 * k + 6 * k * k + (k + 4) * len(cell.mechanisms))
    check_memory(
        "a sweep of {} values", n, 8 * lane if every else lane, least=2, mend="Sweep over at most {} values"
    )


def _hops(states: SteadyState, at) -> bool:
    """Whether a sweep left one stable state for another, or for an unstable one, while that one was there.

    Only where it met an unstable state or jumped in V_m are all the steady states searched for.
    """
    ok, V, volume = (np.asarray(a) for a in (states.ok, states.V_m, states.volume))
    hop = np.flatnonzero(ok[1:] & ok[:-1] & (np.abs(np.diff(V)) > _HOP_mV))
    asked = np.unique(np.concatenate([hop, hop + 1, np.flatnonzero(ok & ~np.asarray(states.stable))]))
    if len(asked) > _MOST_ASKED:
        asked = asked[np.linspace(0, len(asked) - 1, _MOST_ASKED).round().astype(int)]

    def another(i) -> bool:
        return any(
            s.stable and (abs(s.V_m - V[i]) > _APART[0] or abs(s.volume / volume[i] - 1) > _APART[1])
            for s in steady_states(*at(i))
        )

    return any(another(i) for i in asked)


def _followed(at, n: int, middle: int, near: float | None, max_volume_ratio: float | None) -> SteadyState:
    """The n states once more, outwards from the one in the middle, each from its neighbour's stable state."""
    out: dict[int, Any] = {}
    for indices in (range(middle, n), range(middle - 1, -1, -1)):
        last = out.get(middle)
        if last is not None:
            near = float(last.V_m)
        for i in indices:
            here, state = at(i), None
            if last is not None and last.ok:
                state = plain_state(steady_state(*here, max_volume_ratio=max_volume_ratio, start=last))
                near = float(last.V_m)
            if state is None or not (state.ok and state.stable):
                state = plain_state(resting_state(*here, near=near, max_volume_ratio=max_volume_ratio)[0])
            out[i] = last = state
    return jax.tree.map(lambda *a: np.stack(a), *(out[i] for i in range(n)))


def _jumps(states: SteadyState) -> tuple[int, ...]:
    V, ok = np.asarray(states.V_m), np.asarray(states.ok)
    gaps = np.where(ok[1:] & ok[:-1], np.abs(np.diff(V)), 0)
    return tuple(int(i) for i in np.flatnonzero(gaps > max(_HOP_mV, _UNUSUAL * float(np.median(gaps)))))
