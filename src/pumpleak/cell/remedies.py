"""What a cell's resting potential depends on, and what would give one that has none a steady state."""

import functools
import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError, InputWarning
from ..physics.constants import LYSIS_RATIO
from .cell import Bath, Cell
from .existence import impossible, ion_symbol, outrun, turnover, widest_potential
from .numbers import CellParameter, cell_parameters, change
from .steady import Status, steady_state

if TYPE_CHECKING:
    import pandas as pd

_TIMING = ("volume_to_area", "C_m", "L_p")  # how fast a cell gets there, never where
_POINTS = 100  # of a grid of factors, a direction
_LOWEST = 1e-6  # rate tried first in place of one that is 0


def sensitivities(cell: Cell, bath: Bath, *, compensation: str | None = None) -> "pd.DataFrame":
    """How the resting potential, the volume and the concentrations inside answer to every number of a cell.

        dV_m/d ln p  (per e-fold of p),  or dV_m/dp where p may be negative or has its own zero

    Derivatives of the steady state itself (implicit function theorem), concentrations and volume free to
    follow: not of V_m at fixed concentrations. Scaling all rates together changes nothing, so the rows of
    rates sum to 0.

    Args:
        cell: one cell (numbers, not arrays) that has a steady state.
        bath: its bath.
        compensation: how the bath stays neutral when one of its ions changes, as in `Bath.change`; the row
            of the compensating ion itself has the default. `meaning` says what moves along.

    Returns:
        A row for each number of `cell_parameters` that matters at rest and is not 0; the factor on a
        mechanism's rate is left out where its rate constant is listed, and X_i, which only sizes the cell,
        where the volume is free. Columns ``value``, ``unit``, ``meaning``, ``is_rate``, ``per`` (``e-fold``,
        or the unit of what changes by 1), ``dV_m_mV``, ``dln_volume`` and, for each free ion, ``dK_i_mM``
        and so on.

    Raises:
        InputError: arrays in `cell` or `bath`, an ion or compensation the bath lacks, or a cell without a
            steady state.

    Example:
        >>> from pumpleak import load_preset
        >>> table = sensitivities(*load_preset("neuron"))
        >>> print(table.loc[["K_o", "g_Na", "pump.J"], "dV_m_mV"].round(1).to_dict())
        {'K_o': 22.8, 'g_Na': 18.9, 'pump.J': 0.4}
    """
    import pandas as pd

    with jax.enable_x64(True):
        known, order = cell_parameters(cell, bath), cell.ions
        cell, bath = _one(cell, bath)
        rows = {name: p for name, p in known.items() if _matters(name, p, cell)}
        steps = {name: 1.0 if _per(name, p) != "e-fold" else float(p.value) for name, p in rows.items()}
        directions = [_direction(cell, bath, known, name, steps[name], compensation) for name in rows]
        stacked = jax.tree.map(lambda *a: jnp.stack(a), *directions)
        status, (dV, dw, dc) = jax.tree.map(np.asarray, _responses(cell, bath, stacked))
        outside = [bath for _, bath in jax.tree.map(float, directions)]
        if status != Status.converged:
            raise InputError(
                "the cell has no steady state in this bath, or none was found: there is nothing to differentiate",
                mend="Change the cell or the bath; `remedies` says what would give it one",
            )
    meanings = [p.meaning + _along(name, b) for (name, p), b in zip(rows.items(), outside, strict=True)]
    return pd.DataFrame(
        {
            "value": [float(p.value) for p in rows.values()],
            "unit": [p.unit for p in rows.values()],
            "meaning": meanings,
            "is_rate": [p.is_rate for p in rows.values()],
            "per": [_per(name, p) for name, p in rows.items()],
            "dV_m_mV": dV,
            "dln_volume": dw,
            **{f"d{ion}_i_mM": dc[ion] for ion in order},
        },
        index=pd.Index(rows, name="name"),
    )


@jax.jit
def _responses(cell: Cell, bath: Bath, directions):
    """Status, and the steady state's derivatives along each of the stacked directions."""

    def answer(cell, bath):
        state = steady_state(cell, bath)
        free = {ion: state.c_i[ion] for ion in cell.ions}
        return (state.V_m, jnp.log(state.volume), free), state.status

    def along(direction):
        _, slopes, status = jax.jvp(answer, (cell, bath), direction, has_aux=True)
        return status, slopes

    return jax.vmap(along, out_axes=(None, 0))(directions)


def _direction(cell, bath, known, name, step, compensation) -> tuple[Cell, Bath]:
    """How all numbers of cell and bath move together when the one called `name` moves by `step`."""
    partner = None if compensation == name.removesuffix("_o") else compensation

    def moved(value):
        return change(cell, bath, {name: value}, compensation=partner)

    return jax.jvp(moved, (jnp.asarray(known[name].value, float),), (jnp.asarray(step, float),))[1]


def _along(name: str, moved: Bath) -> str:
    """What else of the bath moves, in words."""
    others = {**{f"{ion}_o": d for ion, d in moved.c.items()}, "X_o": moved.X_o}
    signs = {k: float(np.sign(np.asarray(d))) for k, d in others.items() if k != name}
    words = [f"{k} {'rising' if sign > 0 else 'falling'}" for k, sign in signs.items() if sign]
    return f", {' and '.join(words)}" if words else ""


def _matters(name: str, p: CellParameter, cell: Cell) -> bool:
    if name in cell.mechanisms:
        listed = cell.mechanisms[name].rate_field is not None
        return not listed and float(p.value) != 0
    if name in _TIMING or (name == "X_i" and cell.volume == "osmotic" and cell.wall is None):
        return False
    return _per(name, p) != "e-fold" or float(p.value) != 0


def _per(name: str, p: CellParameter) -> str:
    return p.unit if name == "z_X" or p.unit in ("K", "mV") else "e-fold"


def _one(cell: Cell, bath: Bath) -> tuple[Cell, Bath]:
    """The cell and bath in double precision, refused where they are several."""
    cell.check(bath)
    if any(np.ndim(a) for a in jax.tree.leaves((cell, bath))):
        raise InputError("this takes one cell in one bath (numbers, not arrays)", mend="Loop over them")
    return jax.tree.map(lambda a: np.asarray(a, float)[()], (cell, bath))


class Remedy(NamedTuple):
    """One change that gives a cell a steady state.

    Attributes:
        name: of a mechanism whose rate is multiplied, or ``X_o``.
        factor: the least change that will do, as a factor on the present value [1]; inf where that is 0.
        value: the number to set under this name: a factor on the rate [1], or X_o [mM].
        text: in words, rounded to the side that works.
    """

    name: str
    factor: float
    value: float
    text: str


def remedies(
    cell: Cell, bath: Bath, *, widest: float = 100.0, max_volume_ratio: float = LYSIS_RATIO
) -> list[Remedy]:
    """The smallest single changes that give a cell without a steady state one.

    Every mechanism's rate is tried faster and slower, and the bath's impermeants higher, on a logarithmic
    grid (4.7 % apart for the default `widest`; a narrower window is missed), its edge then found to 5 digits.
    A mechanism whose factor is 0 is tried from 1e-6 on; one whose rate constant is 0 has nothing to multiply.

    Args:
        cell: one cell (numbers, not arrays).
        bath: its bath.
        widest: largest factor, and largest divisor, to try, > 1. Outside, at most the bath's osmolarity is
            added.
        max_volume_ratio: volume over the reference volume up to which a steady state counts, beyond which
            membranes burst: at the very edge of existence it has no bound.

    Returns:
        Remedies, the factor nearest 1 first; empty where the cell has a steady state, or no single change
        within `widest` gives it one.

    Raises:
        InputError: arrays in `cell` or `bath`, an ion the bath lacks, or `widest` of 1 or less.
    """
    if not widest > 1:
        raise InputError(f"widest = {widest} leaves nothing to try", mend="Give a factor above 1")
    with jax.enable_x64(True):
        cell, bath = _one(cell, bath)
        if steady_state(cell, bath).status == Status.converged:
            return []
        if all(float(f) > 0 for f in cell.factors.values()) and impossible(cell):
            return []  # no factor and no impermeants turn nothing into something
        tried = _candidates(cell, bath, widest)
        ask = functools.partial(_exists, cell, bath, tried, max_volume_ratio)
        ok = ask(np.stack([t.values for t in tried]))
        first = np.where(ok.any(1), ok.argmax(1), -1)
        past = [
            k + int(np.argmin(row[k:])) if k >= 0 and not row[k:].all() else -1
            for k, row in zip(first, ok, strict=True)
        ]
        near = _edge(ask, tried, first, opens=True)
        far = _edge(ask, tried, np.array(past), opens=False)
    found = [
        _remedy(t, float(a), None if k < 0 else float(b))
        for t, i, k, a, b in zip(tried, first, past, near, far, strict=True)
        if i >= 0
    ]
    return sorted(found, key=_distance)


class _Candidate(NamedTuple):
    """Values to try under a name, nearest the present one first."""

    name: str
    present: float
    values: np.ndarray


def _candidates(cell: Cell, bath: Bath, widest: float) -> list[_Candidate]:
    span = np.geomspace(widest ** (1 / _POINTS), widest, _POINTS)
    out = []
    for name in cell.mechanisms:
        present = float(cell.factors[name])
        if turnover(cell, name) == 0 and present > 0:
            continue
        if present == 0:
            out.append(_Candidate(name, present, np.geomspace(_LOWEST, widest, _POINTS)))
        else:
            out += [_Candidate(name, present, present * span), _Candidate(name, present, present / span)]
    if cell.volume == "osmotic":
        added = float(bath.osmolarity) * np.geomspace(1e-4, 1, _POINTS)
        out.append(_Candidate("X_o", float(bath.X_o), float(bath.X_o) + added))
    return out


def _exists(cell: Cell, bath: Bath, tried: list[_Candidate], largest: float, values) -> np.ndarray:
    """Whether each candidate's values (a row each) give a steady state: one call, all rows."""
    names = np.array([t.name for t in tried])[:, None]
    factors = {m: np.where(names == m, values, cell.factors[m]) for m in cell.mechanisms}
    changed, _ = change(cell, bath, factors)
    bath = bath.change(X_o=np.where(names == "X_o", values, bath.X_o))
    state = steady_state(changed, bath)
    return np.asarray(state.ok) & (np.asarray(state.volume) <= largest)


def _edge(ask, tried, index, opens: bool) -> np.ndarray:
    """The value that still works nearest to where existence begins (`opens`) or ends, for each candidate.

    `index` is of the grid's first value on the other side of that edge; −1: no edge, an idle row.
    """
    rows = np.arange(len(tried))
    grid = np.stack([np.concatenate([[max(t.present, 0.0)], t.values]) for t in tried])
    low, high = grid[rows, np.maximum(index, 0)], grid[rows, np.maximum(index, 0) + 1]
    low = np.where(low == 0, high * 1e-3, low)
    for _ in range(2):
        share = np.linspace(0, 1, _POINTS)
        values = low[:, None] ** (1 - share) * high[:, None] ** share
        ok = ask(values)
        k = np.clip(np.argmax(ok if opens else ~ok, axis=1), 1, _POINTS - 1)
        low, high = values[rows, k - 1], values[rows, k]
    return high if opens else low


def _remedy(t: _Candidate, edge: float, end: float | None) -> Remedy:
    up = edge > t.present
    factor = edge / t.present if t.present > 0 else math.inf
    if t.name == "X_o":
        text = f"X_o at least {rounded(edge, up=True)} mM"
        text += "" if end is None else f" and at most {rounded(end, up=False)} mM"
        return Remedy(t.name, factor, edge, text)
    if t.present == 0 and edge < 2e-3 * _LOWEST:  # the least that was tried
        text = f"{t.name} above 0"
        text += "" if end is None else f", up to {rounded(end, up=False)}"
        return Remedy(t.name, factor, edge, text)
    scale = t.present or 1.0
    shown = f"{t.name} {'×' if t.present > 0 else '='} {rounded(edge / scale, up=up)}"
    if end is None:
        shown += " or more" if up else " or less"
    else:
        shown += f", {'up' if up else 'down'} to {rounded(end / scale, up=not up)}"
    return Remedy(t.name, factor, edge, shown)


def rounded(x: float, *, up: bool) -> str:
    """Three digits, rounded towards what works."""
    step = 10.0 ** (math.floor(math.log10(x)) - 2)
    return f"{(math.ceil if up else math.floor)(x / step) * step:.3g}"


def why(
    cell: Cell,
    bath: Bath,
    *,
    widest: float = 100.0,
    max_volume_ratio: float = LYSIS_RATIO,
    known: list[Remedy] | None = None,
) -> str:
    """Why a cell has no steady state, as one sentence: what is missing first, then what is too much or too little.

    Args:
        cell: one cell (numbers, not arrays).
        bath: its bath.
        widest: as in `remedies`.
        max_volume_ratio: as in `remedies`.
        known: what `remedies` said, if it was asked before.

    Returns:
        A sentence.

    Raises:
        InputError: as in `remedies`.
    """
    with jax.enable_x64(True):
        cell, bath = _one(cell, bath)
        status = int(steady_state(cell, bath).status)
        if status == Status.converged:
            return "The cell has a steady state."
        if status == Status.invalid:
            return "A number is not finite, or a concentration or the temperature is not above 0."
        if reason := impossible(cell):
            return reason
        if known is None:
            known = remedies(cell, bath, widest=widest, max_volume_ratio=max_volume_ratio)
        nearest: dict[str, Remedy] = {}
        for r in known:
            nearest.setdefault(r.name, r)
        if reason := _shown(cell, bath, status, nearest):
            return reason
    running = [n for n in _pumps(cell) if turnover(cell, n) > 0]
    pump = next((nearest[n] for n in running if n in nearest), None)
    names = " and ".join(running)
    others = [r for n, r in nearest.items() if n in cell.mechanisms and n not in running]
    if pump is not None and others and _distance(pump) > 1.5 * _distance(others[0]):
        return f"The leaks do not suit {names} ({others[0].text}): the cell swells without bound."
    if pump is not None:
        verdict = "weak" if pump.factor > 1 else "strong"
        return f"The pump is too {verdict} for the leaks ({pump.text}): the cell swells without bound."
    if others:
        return (
            f"Leaks and transporters are too large for the stoichiometry of {names}, and no rate of it within"
            f" {widest:g}-fold helps ({others[0].text}): the cell swells without bound."
        )
    return f"The cell swells without bound, and no single rate changed within {widest:g}-fold would stop it."


def fate(cell: Cell, bath: Bath) -> str:
    """What becomes of a cell without a steady state, as one sentence; quicker than `why`, and says less.

    Args:
        cell: one cell (numbers, not arrays) whose `steady_state` is not ok.
        bath: its bath.

    Raises:
        InputError: arrays in `cell` or `bath`, or an ion the bath lacks.
    """
    with jax.enable_x64(True):
        cell, bath = _one(cell, bath)
        status = int(steady_state(cell, bath).status)
        return impossible(cell) or _shown(cell, bath, status, {}) or "The cell swells without bound."


def _shown(cell: Cell, bath: Bath, status: int, nearest: dict[str, Remedy]) -> str | None:
    """What keeps the cell from a steady state, other than a running pump that swelling gets the better of."""
    if found := outrun(cell, bath):
        return _outrun(found, bath, nearest)
    if status == Status.not_converged:
        return "The search for a steady state did not end, though nothing shows that there is none."
    pumps = _pumps(cell)
    if cell.volume == "fixed" or ("X_o" not in nearest and not _settles_in_a_box(cell, bath)):
        return _emptied(cell, next((nearest[n] for n in pumps if n in nearest), None))
    if not any(turnover(cell, n) > 0 for n in pumps):
        return _unpumped(bath, bool(pumps))
    return None


def _pumps(cell: Cell) -> list[str]:
    """Those of Na⁺ where there are any, else all that cost ATP."""
    ions = {n: m.stoichiometry for n, m in cell.mechanisms.items() if m.atp}
    return [n for n in ions if "Na" in ions[n]] or list(ions)


def _unpumped(bath: Bath, pumps: bool) -> str:
    X_o = float(np.asarray(bath.X_o))
    held = f"only {X_o:.3g} mM of impermeants are" if X_o > 0 else "nothing impermeant is"
    absent = "The pump is off" if pumps else "There is no pump"
    return f"{absent} and {held} outside to hold the water back: the cell swells without bound."


def _distance(r: Remedy) -> float:
    return abs(math.log(r.factor))


def _outrun(found: tuple[str, str, float], bath: Bath, nearest: dict[str, Remedy]) -> str:
    pumps, ion, share = found
    text = f" ({nearest[pumps].text})" if pumps in nearest else ""
    return (
        f"{pumps} is too strong{text}: it takes out more {ion_symbol(ion)} than can leak in, whatever its concentration"
        f" inside. At most {share:.2g} of it can, at any potential within ±{widest_potential(bath):.0f} mV."
    )


def _settles_in_a_box(cell: Cell, bath: Bath) -> bool:
    """Whether the ions settle where water cannot move: if not, water is not the trouble."""
    parts: dict[str, Any] = {f: getattr(cell, f) for f in ("z_X", "X_i", "held", "factors")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # of z_X, said when the cell was made
        boxed = Cell(cell.mechanisms, volume="fixed", **parts)
    return bool(steady_state(boxed, bath).ok)


def _emptied(cell: Cell, pump: Remedy | None) -> str:
    if pump is None:
        return "The ions cannot settle, whatever the volume."
    moved = cell.mechanisms[pump.name].stoichiometry
    out = " and ".join(ion_symbol(ion) for ion, n in moved.items() if float(n) > 0)
    if pump.factor < 1:
        return f"{pump.name} is too strong ({pump.text}): it takes out more {out} than can leak in."
    return f"{pump.name} is too weak ({pump.text}): the ions cannot settle, whatever the volume."
