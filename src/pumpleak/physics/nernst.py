"""Temperature, the thermal voltage, and the potential at which one ion is at equilibrium."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arguments import check_arguments
from .constants import ZERO_CELSIUS, F, R
from .numerics import as_floats, checked_valences, log_ratio, over_ions

if TYPE_CHECKING:
    import jax
    from jax.typing import ArrayLike


def celsius(t):
    """Temperature in K of a temperature in °C.

        T = t + 273.15

    Args:
        t: temperature [°C], any shape; a Python number stays one.

    Returns:
        Temperature T [K], same shape.

    Example:
        >>> celsius(37)
        310.15
    """
    return t + ZERO_CELSIUS


def thermal_voltage(T: ArrayLike) -> jax.Array:
    """Thermal voltage: 26.7 mV at 37 °C.

        RT/F

    Args:
        T: temperature [K], shape (...), > 0.

    Returns:
        RT/F [mV], shape (...).

    Raises:
        InputError: a known T is below 200 K: degrees Celsius, most likely.

    References:
        Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., Sinauer, ch. 1.

    Example:
        >>> print(f"{thermal_voltage(celsius(37)):.2f}")
        26.73
    """
    check_arguments(kelvin=T)
    (T,) = as_floats(T)
    return T * (1e3 * R / F)


def nernst_potential(c_o: ArrayLike, c_i: ArrayLike, z: ArrayLike, T: ArrayLike) -> jax.Array:
    """Nernst potential of an ion: the V_m at which it is at equilibrium across the membrane.

        E = (RT/zF) ln(c_o / c_i)

    Args:
        c_o: extracellular concentration [mM], shape (...) or, with several ions, (..., n); >= 0.
        c_i: intracellular concentration [mM]; broadcasts with `c_o`, >= 0.
        z: valence, signed [1], non-zero: one number, or one per ion with shape (n,).
        T: temperature [K], shape (...) without the ion axis, > 0.

    Returns:
        E [mV], shape of the concentrations. With no ions on one side it is infinite (+inf for a cation absent
        inside), with none on either side NaN; derivatives there are 0.

    Raises:
        InputError: a valence is 0 or not finite; or a known number cannot be what it is given for
            (`check_arguments`).

    References:
        Nernst 1888, Z. phys. Chem. 2U:613-637, doi 10.1515/zpch-1888-0274. Hille 2001, 3rd ed., ch. 1.

    Example:
        >>> print(f"{nernst_potential(c_o=5.0, c_i=140.0, z=1, T=celsius(37)):.2f}")
        -89.06
    """
    z = checked_valences(z)
    check_arguments(kelvin=T, concentrations={"c_o": c_o, "c_i": c_i})
    c_o, c_i, T, valences = as_floats(c_o, c_i, T, z)
    return over_ions(thermal_voltage(T), z) / valences * log_ratio(c_o, c_i)


def driving_force(V_m: ArrayLike, c_o: ArrayLike, c_i: ArrayLike, z: ArrayLike, T: ArrayLike) -> jax.Array:
    """Driving force on an ion: how far the membrane potential is from its Nernst potential.

        V_m - E_j

    Positive drives positive charge outward. At rest Ca²⁺ feels the largest one: about -197 mV, inward, with
    2 mM outside, 0.1 µM inside and V_m = -65 mV. It enters through any channel that lets it.

    Args:
        V_m: membrane potential [mV], shape (...).
        c_o: extracellular concentration [mM], shape (...) or (..., n), >= 0.
        c_i: intracellular concentration [mM]; broadcasts with `c_o`, >= 0.
        z: valence, signed [1], non-zero: one number, or one per ion with shape (n,).
        T: temperature [K], shape (...), > 0.

    Returns:
        V_m - E_j [mV], shape (...) or (..., n); infinite or NaN where the Nernst potential is.

    Raises:
        InputError: a valence is 0 or not finite; or a known number cannot be what it is given for
            (`check_arguments`).

    References:
        Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., Sinauer, ch. 1.

    Example:
        >>> print(f"{driving_force(V_m=-65.0, c_o=2.0, c_i=1e-4, z=2, T=celsius(37)):.0f}")
        -197
    """
    z = checked_valences(z)
    check_arguments(potentials={"V_m": V_m})
    V_m, c_o, c_i, T = as_floats(V_m, c_o, c_i, T)
    return over_ions(V_m, z) - nernst_potential(c_o, c_i, z, T)
