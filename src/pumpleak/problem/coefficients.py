"""Activity coefficients: which ions have their own, and Davies' equation from the ionic strength of a side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..lazy import plain_numbers
from ..physics.solutions import activity_coefficient, ionic_strength
from ..quantities.ions import is_ion, valence
from ..quantities.names import kind
from .given import Davies, Given, place_of


def own_coefficients(given: Given, ions: Sequence[str], activities: Sequence[str]) -> list[str]:
    """The ions' own activity coefficients of which a table or a config says anything: ``gamma_Ca_o``.

    Args:
        given: what they say.
        ions: the model's.
        activities: those whose inside value is an activity, which needs no coefficient.
    """
    names = [f"gamma_{ion}_{side}" for ion in ions for side in "oi" if side == "o" or ion not in activities]
    return [name for name in names if name in given.names]


def with_valences(
    quantities: Mapping[str, Any], ions: Sequence[str], activities: Sequence[str]
) -> dict[str, Any]:
    """`gamma_o: davies` said of each ion by its valence: those of more than one charge have coefficients of their own."""
    own = {
        f"gamma_{ion}_{side}": quantities[f"gamma_{side}"]
        for side in "oi"
        if isinstance(quantities.get(f"gamma_{side}"), Davies)
        for ion in ions
        if abs(valence(ion)) > 1 and (side == "o" or ion not in activities)
    }
    return own | dict(quantities)


def davies(given: Given, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An activity coefficient in some rows by Davies' equation, and the ionic strength of its side [mM], each (n,).

    Of an unknown concentration the prior's median is taken; what charge the ions leave, monovalent ones carry.

    Args:
        given: what the table and the config say.
        name: ``gamma_Ca_o``; of ``gamma_o`` the coefficient of a monovalent ion.
        rows: positions.

    Raises:
        InputError: no ion of that side is given.

    References:
        Davies 1962, Ion Association, Butterworths, p. 41 (`activity_coefficient`).
    """
    k = kind(name)
    side = {
        x: q.of for x in sorted(given.names) if (q := kind(x)).what == "concentration" and q.side == k.side
    }
    ions = [x for x, of in side.items() if is_ion(of)]
    if not ions:
        raise InputError(
            f"{name} is to follow from an ionic strength, and no ion is given on its side",
            mend=f"Give the ions as {'K_o, Na_o, Cl_o' if k.side == 'o' else 'K_i, Na_i, Cl_i'}, or {name} as a number",
            column=place_of(name),
        )
    c = np.stack([given.numbers(x, rows, middle=True) for x in ions], axis=-1)
    z = np.array([valence(side[x]) for x in ions])
    with plain_numbers():
        strength = np.asarray(ionic_strength(c, z)) + 0.5 * np.abs(c @ z)
        T = given.numbers("T", rows, middle=True)
        return np.asarray(activity_coefficient(strength, valence(k.of) if k.of else 1, T)), strength
