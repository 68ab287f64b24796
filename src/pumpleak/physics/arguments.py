"""What the arguments of an equation can be: refused where the value is known, let pass while it is traced."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..lazy import is_traced
from ..quantities.names import kind
from ..quantities.plausible import complaint, impossible

if TYPE_CHECKING:
    from jax.typing import ArrayLike

_COLDEST = 200.0  # K: far below any solution's freezing point, far above any temperature in °C
_STRONGEST = (
    1000.0  # mV: lipid bilayers break down well below it (Crowley 1973, doi 10.1016/S0006-3495(73)86017-5)
)

_computed: ContextVar[bool] = ContextVar("computed", default=False)


@contextlib.contextmanager
def computed() -> Iterator[None]:
    """Within it nothing is refused: the numbers are a program's own, which a sampler may put anywhere, not a user's."""
    before = _computed.set(True)
    try:
        yield
    finally:
        _computed.reset(before)


def check_arguments(
    *,
    kelvin: ArrayLike | None = None,
    concentrations: dict[str, ArrayLike] | None = None,
    potentials: dict[str, ArrayLike] | None = None,
    not_negative: dict[str, ArrayLike] | None = None,
    positive: dict[str, ArrayLike] | None = None,
) -> None:
    """Refuse numbers that cannot be what they are handed over as. NaN passes: the equations answer it with NaN.

    Args:
        kelvin: the temperature T [K].
        concentrations: by the argument's name [mM].
        potentials: by name [mV]; infinite ones pass, as those of an absent ion.
        not_negative: permeabilities and what else is at least 0, by name.
        positive: what is above 0, by name.

    Raises:
        InputError: names the argument, its value and the mend.
    """
    if kelvin is not None and (found := _first(kelvin, lambda x: x < _COLDEST)) is not None:
        value, place = found
        problem, mend = complaint(kind("T"), value, "K", place="number")
        raise InputError(f"T{place} = {value:g} K {problem}", mend=mend)
    concentration = kind("K_o")
    for name, given in (concentrations or {}).items():
        if (found := _first(given, lambda x: impossible(concentration, x))) is not None:
            value, place = found
            problem, mend = complaint(concentration, value, "mM", place="number")
            raise InputError(f"{name}{place} = {value:g} mM {problem}", mend=mend)
    for name, given in (potentials or {}).items():
        if (found := _first(given, lambda x: (np.abs(x) > _STRONGEST) & np.isfinite(x))) is not None:
            value, place = found
            raise InputError(
                f"{name}{place} = {value:g} mV is more than any membrane bears",
                mend=f"Give mV, within ±{_STRONGEST:g}",
            )
    for name, given in (not_negative or {}).items():
        if (found := _first(given, lambda x: x < 0)) is not None:
            raise InputError(
                f"{name}{found[1]} = {found[0]:g} is negative", mend="Give a number of at least 0"
            )
    for name, given in (positive or {}).items():
        if (found := _first(given, lambda x: x <= 0)) is not None:
            raise InputError(f"{name}{found[1]} = {found[0]:g} is not above 0", mend="Give a number > 0")


def _first(given: ArrayLike, wrong) -> tuple[float, str] | None:
    """The first wrong value, and its place as ``[2]`` where there are several; None where none is wrong or known."""
    if _computed.get() or is_traced(given):
        return None
    values = np.asarray(given, float)
    at = np.argwhere(wrong(values))
    if not len(at):
        return None
    place = f"[{', '.join(map(str, at[0]))}]" if values.ndim else ""
    return float(values[tuple(at[0])]), place
