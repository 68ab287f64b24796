"""Gibbs-Donnan equilibrium: permeant ions around trapped charge, no pump."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..errors import InputError
from .arguments import check_arguments
from .nernst import thermal_voltage
from .numerics import as_floats, check_ion_axis, checked_valences, log_ratio, monotone_root


class DonnanEquilibrium(NamedTuple):
    """A Gibbs-Donnan equilibrium.

    Attributes:
        V_m: potential inside minus outside [mV], shape (...).
        c_i: concentrations of the permeant ions inside [mM], shape (..., n).
        osmotic_excess: osmolarity inside minus outside, impermeant included [mM], shape (...).

    Example:
        >>> from pumpleak import donnan_equilibrium
        >>> print(f"{donnan_equilibrium([150.0, 150.0], [1, -1], A_i=100.0, z_A=-1.0, T=310.15).V_m:.2f} mV")
        -8.75 mV
    """

    V_m: jax.Array
    c_i: jax.Array
    osmotic_excess: jax.Array


def donnan_equilibrium(
    c_o: ArrayLike, z: ArrayLike, A_i: ArrayLike, z_A: ArrayLike, T: ArrayLike
) -> DonnanEquilibrium:
    """Equilibrium of permeant ions with an impermeant one inside, at fixed volume.

        c_i,j = c_o,j e^(-z_j u),  Σ_j z_j c_i,j + z_A A_i = 0,  V_m = (RT/F) u

    With one |z| a quadratic in e^(|z|u), otherwise one monotone equation by a bracketed Newton iteration
    with the implicit derivative. If the bath is neutral, osmotic_excess > 0 always: water would enter,
    unless a wall, a pump or impermeants outside hold it back.

    Args:
        c_o: extracellular concentrations of the permeant ions [mM], shape (..., n), >= 0.
        z: their valences, signed [1], shape (n,), non-zero.
        A_i: concentration of the impermeant inside [mM], shape (...), >= 0.
        z_A: its mean charge [1], shape (...), any real number.
        T: temperature [K], shape (...), > 0.

    Returns:
        A `DonnanEquilibrium`: V_m [mV], c_i [mM] (..., n), osmotic_excess [mM]. All NaN, with derivatives 0,
        where no permeant ion can balance the charge (as with z_A A_i < 0 and no permeant cation outside).

    Raises:
        InputError: a valence is 0, `z` is not one per ion, or shapes do not match; or a known number cannot
            be what it is given for (`check_arguments`).

    References:
        Donnan 1911, Z. Elektrochem. 17:572-581, in English J. Membr. Sci. 100:45-55 (1995),
        doi 10.1016/0376-7388(94)00297-C. Sperelakis (ed.) 2012, Cell Physiology Source Book, 4th ed., ch. 9.

    Example:
        >>> state = donnan_equilibrium(c_o=[150.0, 150.0], z=[1, -1], A_i=100.0, z_A=-1.0, T=310.15)
        >>> print(f"{state.V_m:.2f} mV, K {state.c_i[0]:.1f} mM, excess {state.osmotic_excess:.1f} mM")
        -8.75 mV, K 208.1 mM, excess 116.2 mM
    """
    z = checked_valences(z)
    if z.ndim != 1 or z.shape[0] == 0:
        raise InputError(
            f"valences z have shape {z.shape}", mend="Give one valence per ion, as in z=[1, 1, -1]"
        )
    check_arguments(kelvin=T, concentrations={"c_o": c_o, "A_i": A_i})
    c_o, valences, A_i, z_A, T = as_floats(c_o, z, A_i, z_A, T)
    check_ion_axis(z, c_o=c_o)
    charge = z_A * A_i
    positive = jnp.sum(jnp.where(valences > 0, valences * c_o, 0), axis=-1)
    negative = jnp.sum(jnp.where(valences < 0, -valences * c_o, 0), axis=-1)
    solvable = jnp.where(charge > 0, negative > 0, positive > 0) & ((negative > 0) | (charge < 0))
    solvable &= jnp.isfinite(positive + negative + charge)
    # A lane without an equilibrium gets a harmless one: the same ions at 1 mM, no trapped charge.
    safe_charge = jnp.where(solvable, charge, 0)
    safe_c = jnp.where(solvable[..., None], c_o, 1 / jnp.abs(valences))
    if isinstance(z, np.ndarray) and len(set(np.abs(z).tolist())) == 1:
        safe_positive, safe_negative = jnp.where(solvable, positive, 1), jnp.where(solvable, negative, 1)
        u = _one_size(safe_positive, safe_negative, safe_charge) / float(abs(z[0]))
    else:
        u = _any_sizes(safe_c, valences, safe_charge)
    c_i = safe_c * jnp.exp(-valences * u[..., None])
    excess = jnp.sum(c_i - safe_c, axis=-1) + A_i
    V_m = thermal_voltage(T) * u
    return DonnanEquilibrium(
        jnp.where(solvable, V_m, jnp.nan),
        jnp.where(solvable[..., None], c_i, jnp.nan),
        jnp.where(solvable, excess, jnp.nan),
    )


def _one_size(positive, negative, charge):
    """|z| u from negative y² - charge y - positive = 0, y = e^(|z|u): by the stable root of each sign."""
    two_roots = 4 * positive * negative
    width = jnp.sqrt(jnp.square(charge) + two_roots)
    up = charge > 0
    # Where one kind of ion is absent only one of the two forms exists; the other's operands are replaced.
    raised = log_ratio((jnp.where(up, charge, 0) + jnp.where(up, width, 2)) / 2, jnp.where(up, negative, 1))
    lowered = log_ratio(jnp.where(up, 1, positive), (jnp.where(up, 2, width) - jnp.where(up, 0, charge)) / 2)
    return jnp.where(up, raised, lowered)


@jax.jit  # so that calls outside any jit do not compile the loop again each time
def _any_sizes(c_o, z, charge):
    """u at which positive and negative charge inside are equal: their logs grow apart with u."""
    plus = jnp.where(charge >= 0, charge, 0)
    minus = jnp.where(charge >= 0, 0, -charge)
    c_o, plus = jnp.broadcast_arrays(c_o, plus[..., None])
    c_o, minus = jnp.broadcast_arrays(c_o, minus[..., None])
    cations = jnp.concatenate([jnp.where(z > 0, z * c_o, 0), plus[..., :1]], axis=-1)
    anions = jnp.concatenate([jnp.where(z < 0, -z * c_o, 0), minus[..., :1]], axis=-1)
    exponents = jnp.concatenate([z, jnp.zeros_like(z[:1])])

    def imbalance(u):
        powers = -exponents * u[..., None]
        return _log_sum(anions, powers) - _log_sum(cations, powers)

    # At least one side holds no trapped charge, so the slope is between the least |z| and twice the greatest.
    at_zero = imbalance(jnp.zeros(anions.shape[:-1], anions.dtype))
    near, far = -at_zero / (2 * jnp.max(jnp.abs(z))), -at_zero / jnp.min(jnp.abs(z))
    slack = 1e-3  # room for rounding
    return monotone_root(imbalance, jnp.minimum(near, far) - slack, jnp.maximum(near, far) + slack, near)


def _log_sum(weights, powers):
    """ln Σ w e^p over the last axis, for weights of which some are 0."""
    present = weights > 0
    top = jax.lax.stop_gradient(jnp.max(jnp.where(present, powers, -jnp.inf), axis=-1))
    # An absent term counts nothing but has a derivative in its weight; it alone can be above the top.
    terms = weights * jnp.exp(jnp.minimum(powers - top[..., None], 80))
    return top + jnp.log(jnp.sum(terms, axis=-1))
