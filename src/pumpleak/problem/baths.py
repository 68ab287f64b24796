"""The ions of a bath, and whether their charges balance."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..quantities.ions import valence
from ..quantities.names import kind
from .given import Given

_FAINT = 5.0  # mM of charge that rounded concentrations leave
_SLIGHT = 0.05  # and of the larger side


class Charge(NamedTuple):
    """What the ions of baths carry [mM of charge], each (...): NaN where a concentration is not a number."""

    positive: np.ndarray
    negative: np.ndarray

    @property
    def net(self) -> np.ndarray:
        return self.positive - self.negative

    @property
    def matters(self) -> np.ndarray:
        """(...) bool: both signs are given, and more is left over than rounding leaves."""
        both = np.minimum(self.positive, self.negative) > 0
        most = np.maximum(self.positive, self.negative)
        return both & (np.abs(self.net) > np.maximum(_FAINT, _SLIGHT * most))


def charge_of(bath: Mapping[str, np.ndarray]) -> Charge:
    """The charge of baths: ion -> concentration [mM], each (...)."""
    sides = {sign: np.zeros(()) for sign in (1, -1)}
    for ion, concentration in bath.items():
        z = valence(ion)
        sides[1 if z > 0 else -1] = sides[1 if z > 0 else -1] + abs(z) * np.asarray(concentration)
    return Charge(sides[1], sides[-1])


def charged_baths(given: Given) -> list[str]:
    """Baths whose cations and anions are all given as numbers and carry a charge, in words."""
    rows = range(len(given.m.labels))
    bath = {ion: np.array([given.number(f"{ion}_o", row) for row in rows]) for ion in _bath_ions(given)}
    charge = charge_of(bath)
    charged: dict[str, str] = {}
    for row in np.flatnonzero(np.broadcast_to(charge.matters, len(rows))):
        net, positive, negative = (x[row] for x in (charge.net, *charge))
        words = f"{net:+.3g} mM ({positive:.4g} positive, {negative:.4g} negative)"
        charged.setdefault(words, f"row {given.m.file_rows[row]} ({given.m.labels[row]}) {words}")
    return list(charged.values())


def bath_of(given: Given, row: int) -> dict[str, float]:
    """Ion -> its concentration [mM] in a row's bath; of what is not known, its prior's middle."""
    return {ion: given.number(f"{ion}_o", row, middle=True) for ion in _bath_ions(given)}


def _bath_ions(given: Given) -> list[str]:
    """Ions of which anything says how much there is in a bath."""
    return sorted(kind(name).of for name in given.names if kind(name).is_bath_ion)
