"""How few ions set up a membrane potential."""

import math
from typing import NamedTuple

import jax
from jax.typing import ArrayLike

from ..errors import InputError
from .arguments import check_arguments
from .constants import N_AVOGADRO, F
from .numerics import as_floats


class ChargeMoved(NamedTuple):
    """What crosses a membrane to change its potential.

    Attributes:
        charge: charge per area [µC cm⁻²].
        amount: monovalent ions per area [µmol cm⁻²].
        ions: number of monovalent ions for the whole cell [1]; None where no size was given.
        fraction: those ions as a share of the ones in the cell [1]; None where no volume or concentration
            was.

    Example:
        >>> from pumpleak import charge_moved
        >>> print(f"{charge_moved(dV=100.0, C_m=1.0).charge:.2f} µC/cm²")
        0.10 µC/cm²
    """

    charge: jax.Array
    amount: jax.Array
    ions: jax.Array | None
    fraction: jax.Array | None


def charge_moved(
    C_m: ArrayLike,
    dV: ArrayLike,
    *,
    r_um: ArrayLike | None = None,
    area: ArrayLike | None = None,
    volume: ArrayLike | None = None,
    c: ArrayLike | None = None,
) -> ChargeMoved:
    """Charge that changes a membrane's potential by dV, and how small a share of the cell's ions it is.

        q = C_m dV,  n = q/F,  N = n N_A · area,  fraction = n · area / (c · volume)

    Args:
        C_m: membrane capacitance [µF cm⁻²], shape (...), > 0; about 1.
        dV: change of potential [mV], shape (...); its sign is that of the charge that enters.
        r_um: radius of a spherical cell [µm], shape (...), > 0: stands for `area` and `volume`.
        area: membrane area [cm²], shape (...), > 0.
        volume: cell volume [cm³], shape (...), > 0.
        c: concentration of the ions that move, inside [mM], shape (...), > 0.

    Returns:
        A `ChargeMoved`: charge [µC cm⁻²], amount [µmol cm⁻²], ions [1], fraction [1].

    Raises:
        InputError: `r_um` is given together with `area` or `volume`, or `c` or `volume` without what it
            needs; or a known number cannot be what it is given for (`check_arguments`).

    References:
        Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., Sinauer, ch. 1. Capacitance: Gentet, Stuart
        & Clements 2000, Biophys. J. 79:314-320, doi 10.1016/S0006-3495(00)76293-X (0.9 µF cm⁻²).

    Example:
        >>> moved = charge_moved(C_m=1.0, dV=-70.0, r_um=10.0, c=140.0)
        >>> print(f"{-moved.ions:.2e} ions, {-moved.fraction:.1e} of those inside")
        5.49e+06 ions, 1.6e-05 of those inside
    """
    sizes = {"C_m": C_m, "r_um": r_um, "area": area, "volume": volume}
    check_arguments(
        concentrations={} if c is None else {"c": c},
        potentials={"dV": dV},
        positive={name: x for name, x in sizes.items() if x is not None},
    )
    if r_um is not None:
        if area is not None or volume is not None:
            raise InputError(
                f"r_um = {r_um!r} beside an area or a volume", mend="Give either the radius or those"
            )
        (r_um,) = as_floats(r_um)
        r_cm = r_um * 1e-4
        area, volume = 4 * math.pi * r_cm**2, 4 / 3 * math.pi * r_cm**3
    if c is not None and volume is None:
        raise InputError(f"c = {c!r} without a volume", mend="Give r_um, or area and volume")
    if volume is not None and area is None:
        raise InputError(f"volume = {volume!r} without an area", mend="Give r_um, or area and volume")
    C_m, dV = as_floats(C_m, dV)
    charge = C_m * dV * 1e-3
    amount = charge / F
    ions = fraction = None
    if area is not None:
        charge, amount, area = as_floats(charge, amount, area)
        ions = amount * area * (1e-6 * N_AVOGADRO)
        if c is not None:
            amount, area, volume, c = as_floats(amount, area, volume, c)
            fraction = amount * area / (c * volume)
    return ChargeMoved(charge, amount, ions, fraction)
