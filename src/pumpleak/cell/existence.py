"""Why a cell cannot be at rest, as far as it can be told without solving anything."""

import numpy as np

from ..physics.nernst import thermal_voltage
from ..quantities.ions import valence
from ..quantities.symbols import ion_symbol
from .cell import Bath, Cell
from .leaks import GHKLeak
from .mechanisms import Membrane
from .pumps import PMCA, ConstantPump, CubicPump, HillPump, VoltagePump

_POTENTIALS = np.linspace(-10.0, 10.0, 401)  # F V_m/RT: within ±267 mV at 37 °C
_FALLING = (
    ConstantPump,
    CubicPump,
    HillPump,
    VoltagePump,
    PMCA,
)  # with the ion they take out, and with no other inside
_NEARLY_NONE = 1e-300  # of an ion's concentration outside


def turnover(cell: Cell, name: str) -> float:
    """What a mechanism's rate is proportional to: its rate constant times its factor; 1 times where it has none."""
    mechanism = cell.mechanisms[name]
    field = mechanism.rate_field
    return float(cell.factors[name]) * (1.0 if field is None else float(getattr(mechanism, field)))


def impossible(cell: Cell) -> str | None:
    """What keeps a cell from any steady state whatever its rates are, as a sentence; None where nothing does.

    At rest Σ n_jm r_m = 0 for every free ion j, n_jm being what mechanism m moves outward a cycle and r_m its
    rate, of either sign but above 0 for pumps. That, and a charge that something can balance, is all that is
    asked here: of mechanisms, only whether they turn at all.

    Args:
        cell: one cell (numbers, not arrays), all its numbers finite.
    """
    active = {n: m for n, m in cell.mechanisms.items() if turnover(cell, n) > 0}
    for ion in cell.ions:
        moving = {n: float(m.stoichiometry[ion]) for n, m in active.items() if ion in m.stoichiometry}
        if not moving:
            idle = " and ".join(n for n, m in cell.mechanisms.items() if ion in m.stoichiometry)
            return f"Nothing carries {ion_symbol(ion)} ({idle} at a rate of 0): any amount of it inside would stay."
        if all(active[n].one_way for n in moving) and (min(moving.values()) > 0 or max(moving.values()) < 0):
            pumps, plural = " and ".join(moving), len(moving) > 1
            if min(moving.values()) > 0:
                return f"Nothing lets {ion_symbol(ion)} in: {pumps} {'take' if plural else 'takes'} it out until none is left."
            return f"Nothing lets {ion_symbol(ion)} out: {pumps} {'bring' if plural else 'brings'} in ever more of it."
    if not any(sum(valence(i) * float(n) for i, n in m.stoichiometry.items()) for m in active.values()):
        return "Nothing that crosses the membrane carries charge: V_m could be anything."
    return _charged(cell) or _unmatched(cell, active)


def _charged(cell: Cell) -> str | None:
    """Free ions, held ones and impermeants all of one sign cannot be neutral together."""
    trapped = [float(cell.z_X) * float(cell.X_i), *(valence(ion) for ion in cell.held)]
    for sign, crossing, other in ((1, "cations", "negative"), (-1, "anions", "positive")):
        if all(sign * valence(ion) > 0 for ion in cell.ions) and all(
            sign * charge >= 0 for charge in trapped
        ):
            return f"Only {crossing} cross, and what is trapped inside is not {other}: nothing balances the charge."
    return None


def _unmatched(cell: Cell, active) -> str | None:
    """Whether rates exist that balance every ion while each pump runs: a linear programme."""
    pumps = [n for n, m in active.items() if m.one_way]
    if not pumps:
        return None
    from scipy.optimize import linprog

    moved = np.array([[float(m.stoichiometry.get(ion, 0)) for m in active.values()] for ion in cell.ions])
    moved = moved / np.maximum(np.abs(moved).max(axis=0), np.finfo(float).tiny)  # cycles of equal size
    slowest = np.array([[-float(n == p) for n in active] + [1.0] for p in pumps])  # t − r_pump ≤ 0
    found = linprog(
        [0.0] * len(active) + [-1.0],
        slowest,
        np.zeros(len(pumps)),
        np.column_stack([moved, np.zeros(len(moved))]),
        np.zeros(len(moved)),
        [(-1, 1)] * (len(active) + 1),
    )
    if found.status != 0 or -found.fun > 1e-9:
        return None
    return f"No mixture of the leaks and transporters carries back what {' and '.join(pumps)} {'move' if len(pumps) > 1 else 'moves'}."


def outrun(cell: Cell, bath: Bath) -> tuple[str, str, float] | None:
    """A pump that takes out more of an ion than can leak in, however little is left inside.

    Asked only of this library's pumps and where all else that moves the ion is a constant-field leak of it, so that its net outward flux
    falls with what is inside to a limit: positive in that limit at every potential within ±10 RT/F, it is always
    positive. (A chord leak has no limit: it grows with the logarithm of what is missing.)

    Args:
        cell: one cell (numbers, not arrays).
        bath: its bath.

    Returns:
        The pump, the ion, and the most of what it takes out that can leak in [1]; None where there is no such pump.
    """
    for ion in cell.ions:
        moving = {
            n: m for n, m in cell.mechanisms.items() if ion in m.stoichiometry and turnover(cell, n) > 0
        }
        pumps = [n for n, m in moving.items() if type(m) in _FALLING and float(m.stoichiometry[ion]) > 0]
        leaks = [n for n, m in moving.items() if isinstance(m, GHKLeak)]
        if not pumps or len(pumps) + len(leaks) < len(moving):
            continue
        ln_i = {ion: np.log(_NEARLY_NONE * float(bath.c[ion]))}
        here = Membrane(_POTENTIALS, bath.T, bath.c, ln_i=ln_i)
        rates = {n: float(cell.factors[n]) * moving[n].rate(here) for n in moving}
        out, back = (
            sum(float(moving[n].stoichiometry[ion]) * np.asarray(rates[n]) for n in ns)
            for ns in (pumps, leaks)
        )
        share = -back / np.maximum(out, np.finfo(float).tiny)
        if np.all(share < 1):
            return " and ".join(pumps), ion, float(share.max())
    return None


def widest_potential(bath: Bath) -> float:
    """The potential [mV] up to which `outrun` asked."""
    return float(_POTENTIALS[-1] * thermal_voltage(bath.T))
