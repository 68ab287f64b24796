"""The ions of a bath, and whether their charges balance."""

import math
from typing import Any

from ..errors import InputError
from ..quantities.ions import valence
from .parameters import Latent, Swap
from .priors import Prior


def bath_ion(name: str) -> bool:
    """True for ``<ion>_o`` of a known ion: part of the bath although the membrane does not pass it."""
    ion, _, side = name.rpartition("_")
    if side != "o":
        return False
    try:
        valence(ion)
    except InputError:
        return False
    return True


def charged_baths(m, quantities, solutions) -> list[str]:
    """Baths whose cations and anions are all given as numbers and carry a charge, in words."""
    n = len(m.labels)
    solution_of = m.groups.get("solution", ("",) * n)
    ions = {ion: valence(ion) for ion in _bath_ions(m, quantities, solutions)}
    charged: dict[str, str] = {}
    for row in range(n):
        charge, total = 0.0, {1: 0.0, -1: 0.0}
        for ion, z in ions.items():
            value = row_value(m, quantities, solutions, solution_of[row], f"{ion}_o", row)
            charge += z * value
            total[1 if z > 0 else -1] += abs(z) * value
        if min(total.values()) > 0 and abs(charge) > max(5.0, 0.05 * max(total.values())):
            bath = f"{charge:+.3g} mM ({total[1]:.4g} positive, {total[-1]:.4g} negative)"
            charged.setdefault(bath, f"row {int(m.file_rows[row])} ({m.labels[row]}) {bath}")
    return list(charged.values())


def _bath_ions(m, quantities, solutions) -> list[str]:
    """Ions of which anything says how much there is in a bath."""
    names = {*m.quantities, *quantities, *(q for d in solutions.values() for q in d)}
    return sorted(name[:-2] for name in names if bath_ion(name))


def bath_of(m, quantities, solutions, solution, row) -> dict[str, float]:
    """Ion -> its concentration [mM] in a row's bath."""
    at = (m, quantities, solutions, solution)
    ions = _bath_ions(m, quantities, solutions)
    return {ion: row_value(*at, f"{ion}_o", row, middle=True) for ion in ions}


def row_value(m, quantities, solutions, solution, name, row, *, middle=False) -> float:
    """A row's quantity where it is a plain number; else its prior's median, or NaN (which silences a check)."""
    table = m.quantities.get(name)
    if table is not None and not math.isnan(table[row]):
        return float(table[row])
    spec = solutions.get(solution, {}).get(name, quantities.get(name, 0.0))
    if isinstance(spec, Swap):
        other = row_value(m, quantities, solutions, solution, spec.other, row, middle=middle)
        return _middle(spec.total, middle) - other
    return _middle(spec, middle)


def _middle(spec: Any, middle: bool) -> float:
    if isinstance(spec, (int, float)):
        return float(spec)
    prior = spec.prior if isinstance(spec, Latent) else spec
    return float(prior.quantile(0.5)) if middle and isinstance(prior, Prior) else math.nan
