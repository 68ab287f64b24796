"""The ions of a bath, and whether their charges balance."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..quantities.ions import valence
from ..quantities.names import kind
from .given import Given

_FAINT = 5.0  # mM of charge that rounded concentrations leave
_SLIGHT = 0.05  # and of the larger side
_TURNED = 3.0  # times as much K outside as inside, in every row
_UNEVEN = 1.25  # times as many cations in one bath as in another


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


def turned_around(given: Given) -> str:
    """What makes one think that the two sides were mixed up, in words; '' where nothing does."""
    out, inside = (given.numbers(name, middle=True) for name in ("K_o", "K_i"))
    if not {"K_o", "K_i"} <= given.names or not (out > _TURNED * inside).all() or not (inside > 0).all():
        return ""
    return (
        f"{given.m.file}: there is more K outside than inside in every row (K_o {out[0]:g}, K_i {inside[0]:g} mM in row "
        f"{given.m.file_rows[0]}). If the sides were mixed up, K_o is the bath's and K_i the cell's; if it is meant, go on"
    )


def unevenly_filled(given: Given) -> str:
    """A cation that is added to the bath and replaces none, in words; '' where there is none."""
    cations = {ion: c for ion, c in baths(given, middle=True).items() if valence(ion) == 1}
    moving = [ion for ion, c in cations.items() if np.ptp(c) > 0]
    if len(cations) < 2 or len(moving) != 1:
        return ""
    (ion,), total = moving, sum(cations.values())
    if not total.max() > _UNEVEN * total.min():
        return ""
    most = max((other for other in cations if other != ion), key=lambda other: cations[other][0])
    c, held, low = cations[ion], cations[most][0], float(total.min())
    return (
        f"{ion} goes from {c.min():g} to {c.max():g} mM in the bath while {most} stays {held:g} mM: the baths hold "
        f"{total.min():g} to {total.max():g} mM of monovalent cations. If one replaces the other, write "
        f"`{most}_o_mM: {{swap_for: {ion}_o, total: {low:g}}}`."
    )
