"""The numbers of a cell and its bath by name: to list, to change, and to ask what depends on them.

Names: a mechanism's own name stands for a factor on its rate (``pump`` = 0.3: three tenths of it);
``pump.J_max`` for one of its numbers, ``P_K`` or ``g_Cl`` for that of a leak (``Kir.g`` and ``leak_K.g``
where two would share one); ``z_X``, ``X_i``, ``wall``, ``volume_to_area``, ``C_m``, ``L_p`` for the cell's;
``K_i`` for a held ion's inside concentration; ``K_o``, ``X_o``, ``T`` for the bath's.
"""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
from jax.typing import ArrayLike

from ..errors import InputWarning
from ..quantities.language import unknown_name
from ..quantities.names import kind
from .cell import Bath, Cell, check_in_bath
from .declared import Number

_CELL = {
    "z_X": ("1", "mean charge of the impermeants inside"),
    "X_i": ("mM", "impermeants inside at the reference volume"),
    "wall": ("mM", "stiffness of the wall, as an osmolarity"),
    "volume_to_area": ("cm", "reference volume over membrane area"),
    "C_m": ("uF/cm2", "membrane capacitance"),
    "L_p": ("cm/s/mM", "water permeability"),
}


class CellParameter(NamedTuple):
    """One number of a cell or its bath.

    Attributes:
        value: the number, or an array of shape (...).
        unit: its unit; ``1`` for a pure number.
        meaning: in a few words.
        is_rate: whether a mechanism's rate is proportional to it.

    Example:
        >>> from pumpleak import cell_parameters, load_preset
        >>> cell_parameters(*load_preset("neuron"))["z_X"]
        CellParameter(value=-0.85, unit='1', meaning='mean charge of the impermeants inside', is_rate=False)
    """

    value: Any
    unit: str
    meaning: str
    is_rate: bool


def cell_parameters(cell: Cell, bath: Bath) -> dict[str, CellParameter]:
    """Every number of a cell and its bath that can be changed, by name.

    Args:
        cell: the cell.
        bath: its bath.

    Returns:
        Name -> `CellParameter`, mechanisms first.

    Example:
        >>> from pumpleak import load_preset
        >>> table = cell_parameters(*load_preset("squid_axon"))
        >>> print(*list(table)[:4], *list(table)[-3:])
        leak_K leak_Na leak_Cl pump Cl_o X_o T
    """
    check_in_bath(cell, bath)
    out: dict[str, CellParameter] = {}
    for name in cell.mechanisms:
        out[name] = CellParameter(cell.factors[name], "1", f"factor on the rate of {name}", True)
    for parameter, (name, field) in _places(cell).items():
        mechanism = cell.mechanisms[name]
        what = mechanism.quantities()[field]
        rate = field == mechanism.rate_field
        out[parameter] = CellParameter(
            getattr(mechanism, field), what["unit"], f"{what['meaning']} ({name})", rate
        )
    for field, (unit, meaning) in _CELL.items():
        value = getattr(cell, field)
        if value is not None:
            out[field] = CellParameter(value, unit, meaning, False)
    for ion, c in cell.held.items():
        out[f"{ion}_i"] = CellParameter(c, "mM", f"{ion} inside, held", False)
    for ion, c in bath.c.items():
        out[f"{ion}_o"] = CellParameter(c, "mM", f"{ion} outside", False)
    out["X_o"] = CellParameter(bath.X_o, "mM", "impermeants outside", False)
    out["T"] = CellParameter(bath.T, "K", "temperature", False)
    return out


def change(
    cell: Cell, bath: Bath, changes: Mapping[str, ArrayLike], *, compensation: str | None = None
) -> tuple[Cell, Bath]:
    """The cell and bath with some numbers changed.

    Args:
        cell: the cell.
        bath: its bath.
        changes: name (as in `cell_parameters`) -> new value.
        compensation: how the bath stays neutral; see `Bath.change`.

    Returns:
        The new cell and bath.

    Raises:
        InputError: an unknown name, or a bath that cannot be balanced.

    Example:
        >>> from pumpleak import load_preset
        >>> cell, bath = change(*load_preset("neuron"), {"K_o": 10.0, "pump": 0.3})
        >>> print(bath.c["Na"], cell.factors["pump"])
        138.5 0.3
    """
    known = cell_parameters(cell, bath)
    factors, mechanisms, held, fields, outside = (
        dict(cell.factors),
        dict(cell.mechanisms),
        dict(cell.held),
        {},
        {},
    )
    places = _places(cell)
    for name, value in changes.items():
        if name not in known:
            raise unknown_name("number", name, known, within="in this cell and bath")
        if name in factors:
            factors[name] = value
        elif name in places:
            owner, field = places[name]
            mechanisms[owner] = eqx.tree_at(lambda m, f=field: getattr(m, f), mechanisms[owner], value)
        elif name in _CELL:
            fields[name] = value
        elif kind(name).side == "i":
            held[kind(name).of] = value
        else:
            outside[name] = value
    parts = {f: getattr(cell, f) for f in (*_CELL, "volume")} | fields
    with warnings.catch_warnings():
        if "z_X" not in fields:  # it was said when the cell was made
            warnings.simplefilter("ignore", InputWarning)
        cell = Cell(mechanisms, held=held, factors=factors, **parts)
    return cell, bath.change(compensation, **outside) if outside else bath


def declared_of(name: str, cell: Cell) -> Number | None:
    """What is declared of a mechanism's number; None of other numbers."""
    if name not in (places := _places(cell)):
        return None
    owner, field = places[name]
    return cell.mechanisms[owner].numbers()[field]


def _places(cell: Cell) -> dict[str, tuple[str, str]]:
    """Public name -> mechanism and field: ``P_K`` for a leak's own rate if only one has it, else ``leak_K.P``."""
    fields = [(name, field) for name, m in cell.mechanisms.items() for field in m.quantities()]
    short = {}
    for name, field in fields:
        mechanism = cell.mechanisms[name]
        ion = getattr(mechanism, "ion", None)
        if ion is not None and field == mechanism.rate_field:
            short.setdefault(f"{field}_{ion}", []).append((name, field))
    alone = {places[0]: brief for brief, places in short.items() if len(places) == 1}
    return {alone.get((name, field), f"{name}.{field}"): (name, field) for name, field in fields}
