"""The chord-conductance equation: ohmic leaks around their reversal potentials."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..errors import InputError
from .arguments import check_arguments
from .numerics import as_floats


def chord_voltage(g: ArrayLike, E: ArrayLike, I_pump: ArrayLike = 0.0) -> jax.Array:
    """The V_m at which ohmic leaks and a pump current add up to 0: the conductance-weighted mean of the E_j.

        Σ_j g_j (V_m - E_j) + I_pump = 0,  V_m = (Σ_j g_j E_j - I_pump) / Σ_j g_j

    Args:
        g: chord conductance of each ion [mS cm⁻²], shape (..., n), >= 0. Without pump current only ratios
            matter.
        E: reversal potential of each ion [mV]; broadcasts with `g`. Of an ion with g = 0 it is ignored, even
            where it is infinite or NaN.
        I_pump: current of an electrogenic pump [µA cm⁻²], shape (...), outward positive.

    Returns:
        V_m [mV], shape (...). Infinite where a conducting ion's E is, and where nothing conducts but a pump
        runs (-inf for an outward current); NaN where nothing conducts and no pump runs. Derivatives there
        are 0.

    Raises:
        InputError: `g` or `E` has no ion axis, or their shapes do not broadcast; or a known number cannot be
            what it is given for (`check_arguments`).

    References:
        Hodgkin & Horowicz 1959, J. Physiol. 148:127-160, doi 10.1113/jphysiol.1959.sp006278.
        Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., Sinauer, ch. 1.

    Example:
        >>> print(f"{chord_voltage(g=[1.0, 0.128], E=[-90.0, 60.0]):.1f}")
        -73.0
    """
    check_arguments(potentials={"E": E}, not_negative={"g": g})
    g, E, I_pump = as_floats(g, E, I_pump)
    if g.ndim == 0 or E.ndim == 0 or g.shape[-1] != E.shape[-1]:
        raise InputError(f"g has shape {g.shape} and E {E.shape}", mend="Put the same ions on both last axes")
    # Three guards: an ion that does not conduct, an ion with infinite E, and a lane without an answer.
    conducting = g > 0
    finite = jnp.all(jnp.isfinite(E) | (g == 0), axis=-1) & jnp.all(jnp.isfinite(g), axis=-1)
    E_safe = jnp.where(conducting & jnp.isfinite(E), E, 0)
    total = jnp.sum(g, axis=-1)
    good = finite & (total > 0) & jnp.isfinite(I_pump)
    value = (jnp.sum(g * E_safe, axis=-1) - I_pump) / jnp.where(good, total, 1)
    pull = jnp.sum(jnp.where(conducting, E, 0), axis=-1)  # inf, -inf, or NaN where they oppose
    limit = jnp.where(total > 0, pull, -I_pump / jnp.abs(total))
    return jnp.where(good, value, jax.lax.stop_gradient(jnp.where(finite & (total > 0), jnp.nan, limit)))
