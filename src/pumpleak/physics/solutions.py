"""Solutions in baths and pipettes: liquid junction potentials, ionic strength, activity coefficients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, InputWarning
from ..lazy import is_traced, jnp
from ..quantities.chemistry import is_solute
from ..quantities.ions import ion
from .arguments import check_arguments
from .constants import E_CHARGE, EPSILON_0, K_BOLTZMANN, N_AVOGADRO, ZERO_CELSIUS
from .nernst import thermal_voltage
from .numerics import as_floats, atanh_ratio, check_ion_axis

if TYPE_CHECKING:
    import jax
    from jax.typing import ArrayLike


def henderson_voltage(c_p: ArrayLike, c_b: ArrayLike, z: ArrayLike, u: ArrayLike, T: ArrayLike) -> jax.Array:
    """Liquid junction potential between two solutions by Henderson's equation, bath minus pipette.

        LJP = (RT/F) [Σ z u (b - p) / Σ z² u (b - p)] ln[Σ z² u p / Σ z² u b]

    V_m = reading - LJP. With S = Σ z² u c, ln(S_p/S_b) / (S_b - S_p) = -(2/(S_b + S_p)) atanh(y)/y with
    y = (S_b - S_p)/(S_b + S_p), which has no 0/0 where both solutions conduct equally well.

    Args:
        c_p: concentrations in the pipette [mM], shape (..., n), >= 0.
        c_b: concentrations in the bath [mM]; broadcasts with `c_p`, >= 0.
        z: valence of each ion, signed [1], shape (n,); an uncharged one counts nothing.
        u: mobility of each ion relative to K⁺ [1], Λ°/|z| over Λ°(K⁺), shape (n,), >= 0.
        T: temperature [K], shape (...), > 0.

    Returns:
        LJP [mV], shape (...); 0 for equal solutions; NaN, with derivatives 0, where one of them has no
        mobile ion.

    Raises:
        InputError: the last axes do not all count the same ions; or a known number cannot be what it is given
            for (`check_arguments`).

    References:
        Henderson 1907, Z. phys. Chem. 59U:118-127, doi 10.1515/zpch-1907-5908.
        Barry & Lynch 1991, J. Membr. Biol. 121:101-117, doi 10.1007/BF01870526.

    Example:
        >>> LJP = henderson_voltage(c_p=[50.0, 0.0, 50.0], c_b=[0.0, 50.0, 50.0], z=[1, 1, -1],
        ...                         u=[0.682, 1.0, 1.0382], T=298.15)
        >>> print(f"{LJP:.2f}")
        -4.36
    """
    check_arguments(kelvin=T, concentrations={"c_p": c_p, "c_b": c_b}, not_negative={"u": u})
    c_p, c_b, z, u, T = as_floats(c_p, c_b, z, u, T)
    if z.ndim != 1:
        raise InputError(f"valences z have shape {z.shape}", mend="Give one valence per ion")
    check_ion_axis(z, c_p=c_p, c_b=c_b, u=u)
    s_p, s_b = jnp.sum(z * z * u * c_p, axis=-1), jnp.sum(z * z * u * c_b, axis=-1)
    good = (s_p > 0) & (s_b > 0)
    s_p, s_b = jnp.where(good, s_p, 1), jnp.where(good, s_b, 1)
    current = jnp.sum(z * u * (c_b - c_p), axis=-1)
    value = -thermal_voltage(T) * current * 2 / (s_b + s_p) * atanh_ratio((s_b - s_p) / (s_b + s_p))
    return jnp.where(good, value, jnp.nan)


def junction_potential(
    pipette: Mapping[str, ArrayLike],
    bath: Mapping[str, ArrayLike],
    T: ArrayLike,
    mobility: Mapping[str, float] | None = None,
) -> jax.Array:
    """Liquid junction potential between pipette and bath, given as names and concentrations, bath minus
    pipette.

        V_m = reading - LJP

    Uncorrected whole-cell recordings with K-gluconate inside read 10 to 15 mV too positive.

    Args:
        pipette: concentration [mM] of each ion in the pipette, by name (see `ion_names`), shape (...), >= 0.
        bath: the same for the bath; an ion named in one of them only is absent from the other. Neutral solutes
            (``glucose``) count for nothing.
        T: temperature [K], shape (...), > 0.
        mobility: mobilities relative to K⁺ [1] that replace or add to the known ones, by name.

    Returns:
        LJP [mV], shape (...), by `henderson_voltage`.

    Raises:
        InputError: an ion is unknown, or its mobility is; a `mobility` names an ion in neither solution; a
            known number that cannot be what it is given for.

    References:
        Barry & Lynch 1991, doi 10.1007/BF01870526; mobilities as in `pumpleak.quantities.ions`.

    Example:
        >>> pipette = {"Cs": 135, "F": 135, "Na": 10, "Cl": 10}
        >>> LJP = junction_potential(pipette=pipette, bath={"Na": 145, "Cl": 145}, T=293.15)
        >>> print(f"{LJP:.2f}")
        8.74
    """
    names = [name for name in dict.fromkeys([*pipette, *bath]) if not is_solute(name)]
    if not names:
        raise InputError("neither solution names an ion", mend='Give one as in pipette={"K": 145, "Cl": 145}')
    given = dict(mobility or {})
    for name in given:
        if name not in names:
            raise InputError(f"mobility of '{name}', which is in neither solution", mend="Leave it out")
    ions = [ion(name) for name in names]
    u = [given.get(one.name, one.mobility) for one in ions]
    for one, value in zip(ions, u, strict=True):
        if value is None:
            raise InputError(f"no mobility is known for '{one.name}'", mend="Give it in mobility={...}")
    check_arguments(
        kelvin=T,
        concentrations={f"{n} in the pipette": c for n, c in pipette.items()}
        | {f"{n} in the bath": c for n, c in bath.items()},
        not_negative={f"mobility of {n}": m for n, m in given.items()},
    )
    columns = as_floats(*(pipette.get(n, 0.0) for n in names), *(bath.get(n, 0.0) for n in names))
    columns = jnp.broadcast_arrays(*columns)
    c_p, c_b = jnp.stack(columns[: len(names)], axis=-1), jnp.stack(columns[len(names) :], axis=-1)
    return henderson_voltage(c_p, c_b, [one.z for one in ions], u, T)


def ionic_strength(c: ArrayLike, z: ArrayLike) -> jax.Array:
    """Ionic strength of a solution.

        I = ½ Σ_j z_j² c_j

    Args:
        c: concentrations [mM], shape (..., n), >= 0.
        z: valence of each ion, signed [1], shape (n,).

    Returns:
        I [mM], shape (...).

    Raises:
        InputError: the last axis of `c` does not count the ions of `z`; or a known number cannot be what it
            is given for (`check_arguments`).

    References:
        Lewis & Randall 1921, J. Am. Chem. Soc. 43:1112-1154, doi 10.1021/ja01438a014.

    Example:
        >>> print(ionic_strength(c=[100.0, 200.0], z=[2, -1]))
        300.0
    """
    check_arguments(concentrations={"c": c})
    c, z = as_floats(c, z)
    if z.ndim != 1:
        raise InputError(f"valences z have shape {z.shape}", mend="Give one valence per ion")
    check_ion_axis(z, c=c)
    return 0.5 * jnp.sum(z * z * c, axis=-1)


def activity_coefficient(ionic_strength: ArrayLike, z: ArrayLike, T: ArrayLike) -> jax.Array:
    """Activity coefficient of one ion by Davies' equation: activity = γ c.

        log10 γ = -A z² [√I / (1 + √I) - 0.3 I],  I in mol/L
        A = e³ √(2 · 1000 N_A) / (8π ln 10 (ε₀ ε_r k T)^(3/2)),  0.51 at 25 °C

    with the permittivity ε_r(T) of water. Good to about 0.02 for monovalent ions up to 500 mM between 0 and
    100 °C; beyond 500 mM, and for ions of high valence, it is no more than an extrapolation.

    Args:
        ionic_strength: I [mM], shape (...), >= 0; up to 500.
        z: valence [1]; broadcasts with `ionic_strength`.
        T: temperature [K]; broadcasts with it, 273 to 373.

    Returns:
        γ [1], broadcast shape; 1 at I = 0, where the derivative in I is set to 0 (it is infinite).

    Raises:
        InputError: a known number cannot be what it is given for (`check_arguments`).

    Warns:
        InputWarning: a known (untraced) ionic strength is above 500 mM.

    References:
        Davies 1962, Ion Association, Butterworths, p. 41. Malmberg & Maryott 1956, J. Res. Natl. Bur. Stand.
        56:1-8, doi 10.6028/jres.056.001 (permittivity). Robinson & Stokes 1959, Electrolyte Solutions, ch. 9
        (A).

    Example:
        >>> print(f"{activity_coefficient(150.0, z=1, T=310.15):.3f}")
        0.754
    """
    check_arguments(kelvin=T, concentrations={"ionic strength": ionic_strength})
    I, z, T = as_floats(ionic_strength, z, T)
    if not is_traced(I) and I.size and np.max(np.asarray(I)) > 500:
        text = f"ionic strength {np.max(np.asarray(I)):g} mM is beyond the 500 mM of Davies' equation"
        warnings.warn(InputWarning(text), stacklevel=2)
    t = T - ZERO_CELSIUS
    epsilon_r = 87.740 + t * (-0.40008 + t * (9.398e-4 - t * 1.410e-6))
    # One Python number, so that e³ does not underflow in single precision.
    factor = E_CHARGE**3 * math.sqrt(2000 * N_AVOGADRO) / (8 * math.pi * math.log(10))
    factor /= (EPSILON_0 * K_BOLTZMANN) ** 1.5
    A = factor * (epsilon_r * T) ** -1.5
    some = I > 0
    root = jnp.where(some, jnp.sqrt(jnp.where(some, I, 1) * 1e-3), 0)
    return jnp.exp(-math.log(10) * A * z * z * (root / (1 + root) - 0.3e-3 * I))
