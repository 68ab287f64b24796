"""What a model's inputs and outputs are: names, units, and the choices made before it lists them."""

import math
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..text import steers
from .ions import valence


def check_name(name: str, what: str) -> None:
    """Refuse a name that no file could keep or nobody read: results are saved under it.

    Raises:
        InputError: it is empty, or holds a character that cannot be printed.
    """
    if not name.strip() or any(map(steers, name)):
        raise InputError(f"{what} cannot be called {name!r}", mend="Use letters, digits and _")


@dataclass(frozen=True)
class Quantity:
    """One input of a model.

    Attributes:
        name: its symbol, e.g. ``K_o`` or ``P_Na_rel``.
        unit: canonical unit: mM, mV, K, or 1.
        meaning: a few words for tables and messages.
        default: the value where nobody gives one; None: it must be given.
        lower, upper: the least and the largest value it can have.

    Example:
        >>> Quantity("K_o", "mM", "K in the bath").lower
        0.0
    """

    name: str
    unit: str
    meaning: str
    default: float | None = None
    lower: float = 0.0
    upper: float = math.inf

    def __post_init__(self):
        check_name(self.name, "a quantity")


@dataclass(frozen=True)
class Setting:
    """What a problem chooses before the model lists its quantities.

    Attributes:
        ions: names of the ions the membrane is taken to pass.
        reference: the ion whose permeability (or conductance) is 1.
        activities: the ions whose inside value is an activity, not a concentration.
        coefficients: the activity coefficients that ions have of their own, ``gamma_Ca_o``; others have their side's.
        cell: for pump_leak, the (cell, bath) that stands for every number nobody gives.
        protocols: for pump_leak, what each condition is: see `models.protocols.Protocols`.

    Example:
        >>> setting = Setting(ions=("K", "Na", "Cl"), reference="K")
        >>> print(setting.z, setting.others)
        (1, 1, -1) ('Na', 'Cl')
    """

    ions: tuple[str, ...]
    reference: str
    activities: frozenset[str] = frozenset()
    coefficients: tuple[str, ...] = ()
    cell: Any = None
    protocols: Any = None

    @property
    def z(self) -> tuple[int, ...]:
        return tuple(valence(ion) for ion in self.ions)

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(ion for ion in self.ions if ion != self.reference)
