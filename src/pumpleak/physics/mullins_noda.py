"""The electrogenic sodium pump's mark on the resting potential."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from .arguments import check_arguments
from .nernst import thermal_voltage
from .numerics import as_floats, log_ratio


def mullins_noda_voltage(
    P_K: ArrayLike,
    P_Na: ArrayLike,
    K_o: ArrayLike,
    K_i: ArrayLike,
    Na_o: ArrayLike,
    Na_i: ArrayLike,
    T: ArrayLike,
    r: ArrayLike = 1.5,
) -> jax.Array:
    """Steady V_m of a cell whose Na/K pump moves r Na⁺ out for each K⁺ in, Cl⁻ at equilibrium.

        V_m = (RT/F) ln[(r P_K K_o + P_Na Na_o) / (r P_K K_i + P_Na Na_i)]

    It holds where the pump exactly undoes both leaks (J_Na + r J_K = 0), so the pump's rate drops out. r = 1
    is an electroneutral pump and the GHK voltage; a 3:2 pump lowers V_m by at most (RT/F) ln 1.5, 10.8 mV at
    37 °C.

    Args:
        P_K: permeability to K⁺ [cm s⁻¹], shape (...), >= 0; only the ratio to `P_Na` matters.
        P_Na: permeability to Na⁺ [cm s⁻¹], shape (...), >= 0.
        K_o: extracellular [K⁺] [mM], shape (...), >= 0.
        K_i: intracellular [K⁺] [mM], shape (...), >= 0.
        Na_o: extracellular [Na⁺] [mM], shape (...), >= 0.
        Na_i: intracellular [Na⁺] [mM], shape (...), >= 0.
        T: temperature [K], shape (...), > 0.
        r: coupling ratio, Na⁺ out per K⁺ in [1], shape (...), > 0; 3/2 by default.

    Returns:
        V_m [mV], the shape all arguments broadcast to; infinite where one side is empty, NaN where both are,
        and derivatives 0 there.

    Raises:
        InputError: a known number cannot be what it is given for (`check_arguments`).

    References:
        Mullins & Noda 1963, J. Gen. Physiol. 47:117-132, doi 10.1085/jgp.47.1.117.

    Example:
        >>> inside, outside = dict(K_i=140.0, Na_i=12.0), dict(K_o=4.0, Na_o=145.0)
        >>> V_m = mullins_noda_voltage(P_K=1.0, P_Na=0.04, T=310.15, **inside, **outside)
        >>> print(f"{V_m:.2f}")
        -77.01
    """
    check_arguments(
        kelvin=T,
        concentrations={"K_o": K_o, "K_i": K_i, "Na_o": Na_o, "Na_i": Na_i},
        not_negative={"P_K": P_K, "P_Na": P_Na},
        positive={"r": r},
    )
    P_K, P_Na, K_o, K_i, Na_o, Na_i, T, r = as_floats(P_K, P_Na, K_o, K_i, Na_o, Na_i, T, r)
    u = log_ratio(r * P_K * K_o + P_Na * Na_o, r * P_K * K_i + P_Na * Na_i)
    finite = jnp.isfinite(u)
    return jnp.where(finite, thermal_voltage(T) * jnp.where(finite, u, 0), jax.lax.stop_gradient(u))
