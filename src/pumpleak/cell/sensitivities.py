"""How V_m and the concentrations follow every number of a cell."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..quantities.names import kind
from ..traced import program
from .cell import Bath, Cell
from .march import Status
from .numbers import CellParameter, cell_parameters, change
from .steady import steady_state

if TYPE_CHECKING:
    import pandas as pd


_TIMING = ("volume_to_area", "C_m", "L_p")  # how fast a cell gets there, never where


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
        cell, bath = single(cell, bath)
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


def _responses_of(cell: Cell, bath: Bath, directions):
    """Status, and the steady state's derivatives along each of the stacked directions."""

    def answer(cell, bath):
        state = steady_state(cell, bath)
        free = {ion: state.c_i[ion] for ion in cell.ions}
        return (state.V_m, jnp.log(state.volume), free), state.status

    def along(direction):
        _, slopes, status = jax.jvp(answer, (cell, bath), direction, has_aux=True)
        return status, slopes

    return jax.vmap(along, out_axes=(None, 0))(directions)


_responses = program(_responses_of)


def _direction(cell, bath, known, name, step, compensation) -> tuple[Cell, Bath]:
    """How all numbers of cell and bath move together when the one called `name` moves by `step`."""
    k = kind(name)
    partner = None if k.side == "o" and compensation == k.of else compensation

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


def single(cell: Cell, bath: Bath) -> tuple[Cell, Bath]:
    """The cell and bath in double precision, refused where they are several."""
    cell.check(bath)
    if any(np.ndim(a) for a in jax.tree.leaves((cell, bath))):
        raise InputError("this takes one cell in one bath (numbers, not arrays)", mend="Loop over them")
    return jax.tree.map(lambda a: np.asarray(a, float)[()], (cell, bath))
