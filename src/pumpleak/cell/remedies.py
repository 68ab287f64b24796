"""What a cell's resting potential depends on, and what would give one that has none a steady state."""

import functools
import math
import warnings
from typing import Any, NamedTuple

import jax
import numpy as np

from ..errors import InputError, InputWarning
from ..physics.constants import LYSIS_RATIO
from ..quantities.symbols import ion_symbol
from ..text import fixed, significant
from .cell import Bath, Cell
from .existence import impossible, outrun, turnover, widest_potential
from .march import Status
from .numbers import change
from .sensitivities import single
from .steady import steady_state

_POINTS = 100  # of a grid of factors, a direction
_LOWEST = 1e-6  # rate tried first in place of one that is 0


class Remedy(NamedTuple):
    """One change that gives a cell a steady state.

    Attributes:
        name: of a mechanism whose rate is multiplied, or ``X_o``.
        factor: the least change that will do, as a factor on the present value [1]; inf where that is 0.
        value: the number to set under this name: a factor on the rate [1], or X_o [mM].
        text: in words, rounded to the side that works.

    Example:
        >>> from pumpleak import Bath, Cell, CubicPump, GHKLeak, change, remedies, steady_state
        >>> leaks = {f"leak_{ion}": GHKLeak(ion, P) for ion, P in {"Na": 4e-8, "K": 1e-6, "Cl": 1e-6}.items()}
        >>> cell = Cell({**leaks, "pump": CubicPump(0.008)}, z_X=-1.0, X_i=140.0, factors={"pump": 0.0})
        >>> bath = Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=149.0)
        >>> first = remedies(cell, bath)[0]
        >>> print(first.text, steady_state(*change(cell, bath, {first.name: first.value})).ok)
        pump = 2.57e-05 or more True
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

    Example:
        >>> from pumpleak import Bath, Cell, CubicPump, GHKLeak
        >>> leaks = {f"leak_{ion}": GHKLeak(ion, P) for ion, P in {"Na": 4e-8, "K": 1e-6, "Cl": 1e-6}.items()}
        >>> cell = Cell({**leaks, "pump": CubicPump(0.008)}, z_X=-1.0, X_i=140.0, factors={"pump": 0.0})
        >>> bath = Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=149.0)
        >>> print(*(remedy.text for remedy in remedies(cell, bath)), sep=", or ")
        pump = 2.57e-05 or more, or X_o at least 14.4 mM
    """
    if not widest > 1:
        raise InputError(f"widest = {widest} leaves nothing to try", mend="Give a factor above 1")
    with jax.enable_x64(True):
        cell, bath = single(cell, bath)
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
    return significant((math.ceil if up else math.floor)(x / step) * step)


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
        cell, bath = single(cell, bath)
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
            f" {significant(widest, 6)}-fold helps ({others[0].text}): the cell swells without bound."
        )
    return f"The cell swells without bound, and no single rate changed within {significant(widest, 6)}-fold would stop it."


def fate(cell: Cell, bath: Bath) -> str:
    """What becomes of a cell without a steady state, as one sentence; quicker than `why`, and says less.

    Args:
        cell: one cell (numbers, not arrays) whose `steady_state` is not ok.
        bath: its bath.

    Raises:
        InputError: arrays in `cell` or `bath`, or an ion the bath lacks.
    """
    with jax.enable_x64(True):
        cell, bath = single(cell, bath)
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
    held = f"only {significant(X_o)} mM of impermeants are" if X_o > 0 else "nothing impermeant is"
    absent = "The pump is off" if pumps else "There is no pump"
    return f"{absent} and {held} outside to hold the water back: the cell swells without bound."


def _distance(r: Remedy) -> float:
    return abs(math.log(r.factor))


def _outrun(found: tuple[str, str, float], bath: Bath, nearest: dict[str, Remedy]) -> str:
    pumps, ion, share = found
    text = f" ({nearest[pumps].text})" if pumps in nearest else ""
    return (
        f"{pumps} is too strong{text}: it takes out more {ion_symbol(ion)} than can leak in, whatever its concentration"
        f" inside. At most {significant(share, 2)} of it can, at any potential within ±{fixed(widest_potential(bath), 0)} mV."
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
