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
    charge = charge_of(baths(given))
    charged: dict[str, str] = {}
    for row in np.flatnonzero(np.broadcast_to(charge.matters, len(given.m.labels))):
        net, positive, negative = (x[row] for x in (charge.net, *charge))
        words = f"{net:+.3g} mM ({positive:.4g} positive, {negative:.4g} negative)"
        charged.setdefault(words, f"row {given.m.file_rows[row]} ({given.m.labels[row]}) {words}")
    return list(charged.values())


def baths(given: Given, *, middle: bool = False) -> dict[str, np.ndarray]:
    """Ion -> its concentration [mM] in the bath of every row, (R,), as `Given.numbers` has it."""
    ions = sorted(kind(name).of for name in given.names if kind(name).is_bath_ion)
    return {ion: given.numbers(f"{ion}_o", middle=middle) for ion in ions}
