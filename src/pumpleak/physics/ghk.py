"""Goldman, Hodgkin and Katz: flux, current, conductance, and the potential at which no current flows.

With u = FV/RT and B(x) = x/(1 - e⁻ˣ), an ion's outward flux is J = P [B(zu) c_i - B(-zu) c_o]. An anion
inside acts on the current like a cation of the same |z| outside, so only |z| matters once the sides are
swapped; below, "outflux" and "influx" are the two positive parts of the current that grow and fall with V_m.

References:
    Goldman 1943, J. Gen. Physiol. 27:37-60, doi 10.1085/jgp.27.1.37.
    Hodgkin & Katz 1949, J. Physiol. 108:37-77, doi 10.1113/jphysiol.1949.sp004310.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..errors import InputError
from .arguments import check_arguments
from .constants import F
from .nernst import thermal_voltage
from .numerics import (
    as_floats,
    bernoulli_pair,
    check_ion_axis,
    checked_valences,
    log_ratio,
    monotone_root,
    over_ions,
)


def ghk_flux(
    V_m: ArrayLike, P: ArrayLike, c_o: ArrayLike, c_i: ArrayLike, z: ArrayLike, T: ArrayLike
) -> jax.Array:
    """Passive electrodiffusive flux of an ion through the membrane, outward positive.

        J = P [B(zu) c_i - B(-zu) c_o],  B(x) = x / (1 - e⁻ˣ),  u = F V_m / RT

    Args:
        V_m: membrane potential [mV], shape (...).
        P: permeability [cm s⁻¹], shape (...) or, with several ions, (..., n); >= 0.
        c_o: extracellular concentration [mM]; broadcasts with `P`, >= 0.
        c_i: intracellular concentration [mM]; broadcasts with `P`, >= 0.
        z: valence, signed [1], non-zero: one number, or one per ion with shape (n,).
        T: temperature [K], shape (...), > 0.

    Returns:
        J [µmol cm⁻² s⁻¹], shape (...) or (..., n). At V_m = 0 it is P (c_i - c_o); value and first two
        derivatives are finite at every V_m.

    Raises:
        InputError: a valence is 0 or not finite; or a known number cannot be what it is given for
            (`check_arguments`).

    References:
        Goldman 1943, doi 10.1085/jgp.27.1.37. Hodgkin & Katz 1949, doi 10.1113/jphysiol.1949.sp004310.

    Example:
        >>> print(f"{ghk_flux(V_m=0.0, P=1e-6, c_o=5.0, c_i=140.0, z=1, T=310.15):.6f}")
        0.000135
    """
    z = checked_valences(z)
    check_arguments(
        kelvin=T, concentrations={"c_o": c_o, "c_i": c_i}, potentials={"V_m": V_m}, not_negative={"P": P}
    )
    V_m, P, c_o, c_i, T, valences = as_floats(V_m, P, c_o, c_i, T, z)
    outward, inward = bernoulli_pair(valences * over_ions(V_m / thermal_voltage(T), z))
    return P * (outward * c_i - inward * c_o)


def ghk_current(
    V_m: ArrayLike, P: ArrayLike, c_o: ArrayLike, c_i: ArrayLike, z: ArrayLike, T: ArrayLike
) -> jax.Array:
    """Current density carried by an ion through the membrane, outward positive.

        I = z F J

    Args:
        V_m: membrane potential [mV], shape (...).
        P: permeability [cm s⁻¹], shape (...) or (..., n), >= 0.
        c_o: extracellular concentration [mM]; broadcasts with `P`, >= 0.
        c_i: intracellular concentration [mM]; broadcasts with `P`, >= 0.
        z: valence, signed [1], non-zero: one number, or one per ion with shape (n,).
        T: temperature [K], shape (...), > 0.

    Returns:
        I [µA cm⁻²], shape (...) or (..., n); value and first two derivatives are finite at every V_m.

    Raises:
        InputError: a valence is 0 or not finite; or a known number cannot be what it is given for
            (`check_arguments`).

    References:
        Goldman 1943, doi 10.1085/jgp.27.1.37. Hodgkin & Katz 1949, doi 10.1113/jphysiol.1949.sp004310.

    Example:
        >>> print(f"{ghk_current(V_m=-65.0, P=1e-6, c_o=5.0, c_i=140.0, z=1, T=279.45):.3f}")
        1.233
    """
    (valences,) = as_floats(z)
    flux = ghk_flux(V_m, P, c_o, c_i, z, T)
    return valences.astype(flux.dtype) * F * flux


def slope_conductance(
    V_m: ArrayLike, P: ArrayLike, c_o: ArrayLike, c_i: ArrayLike, z: ArrayLike, T: ArrayLike
) -> jax.Array:
    """Slope conductance of an ion: how steeply its GHK current rises with V_m.

        g_j = dI_j/dV_m = (z² F² / RT) P [B'(zu) c_i + B'(-zu) c_o]

    Permeability is not conductance. P is a property of the membrane alone; g also needs ions to carry the
    current and changes with V_m. With equal P for K⁺ and Na⁺ at rest, the two conductances differ: see the
    example.

    Args:
        V_m: membrane potential [mV], shape (...).
        P: permeability [cm s⁻¹], shape (...) or (..., n), >= 0.
        c_o: extracellular concentration [mM]; broadcasts with `P`, >= 0.
        c_i: intracellular concentration [mM]; broadcasts with `P`, >= 0.
        z: valence, signed [1], non-zero: one number, or one per ion with shape (n,).
        T: temperature [K], shape (...), > 0.

    Returns:
        g [mS cm⁻²], shape (...) or (..., n), >= 0.

    Raises:
        InputError: a valence is 0 or not finite; or a known number cannot be what it is given for
            (`check_arguments`).

    References:
        Hodgkin & Katz 1949, doi 10.1113/jphysiol.1949.sp004310. Hille 2001, 3rd ed., ch. 14.

    Example:
        >>> P, c_o, c_i = [1e-6, 1e-6], [5.0, 145.0], [140.0, 15.0]
        >>> g = slope_conductance(V_m=-70.0, P=P, c_o=c_o, c_i=c_i, z=[1, 1], T=310.15)
        >>> print(f"K {g[0]:.4f}, Na {g[1]:.4f} mS/cm2")
        K 0.0880, Na 0.4561 mS/cm2
    """
    check_arguments(potentials={"V_m": V_m})  # the rest is known to `ghk_flux`, V_m no longer
    V_m, P, c_o, c_i, T = as_floats(V_m, P, c_o, c_i, T)
    return jax.jvp(lambda V: ghk_current(V, P, c_o, c_i, z, T), (V_m,), (jnp.ones_like(V_m),))[1]


def transference_numbers(
    V_m: ArrayLike, P: ArrayLike, c_o: ArrayLike, c_i: ArrayLike, z: ArrayLike, T: ArrayLike
) -> jax.Array:
    """Transference numbers: each ion's share of the membrane's slope conductance.

        t_j = g_j / Σ_k g_k

    A share of conductance, not of permeability: with P_K = P_Na, Na⁺ has the greater share at rest (example).

    Args:
        V_m: membrane potential [mV], shape (...).
        P: permeability [cm s⁻¹], shape (..., n), >= 0; only ratios matter.
        c_o: extracellular concentration [mM]; broadcasts with `P`, >= 0.
        c_i: intracellular concentration [mM]; broadcasts with `P`, >= 0.
        z: valence of each ion, signed [1], shape (n,), non-zero.
        T: temperature [K], shape (...), > 0.

    Returns:
        t [1], shape (..., n), sums to 1 over the ions; NaN, with derivatives 0, where nothing conducts.

    Raises:
        InputError: a valence is 0 or not finite, or the last axis does not count the ions of `z`; or a known
            number cannot be what it is given for (`check_arguments`).

    References:
        Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., Sinauer, ch. 14.

    Example:
        >>> P, c_o, c_i = [1.0, 1.0], [5.0, 145.0], [140.0, 15.0]
        >>> t = transference_numbers(V_m=-70.0, P=P, c_o=c_o, c_i=c_i, z=[1, 1], T=310.15)
        >>> print(f"K {t[0]:.3f}, Na {t[1]:.3f}")
        K 0.162, Na 0.838
    """
    P, c_o, c_i = as_floats(P, c_o, c_i)
    check_ion_axis(_ion_valences(z), P=P, c_o=c_o, c_i=c_i)
    g = slope_conductance(V_m, P, c_o, c_i, z, T)
    total = jnp.sum(g, axis=-1, keepdims=True)
    conducts = total > 0
    return jnp.where(conducts, g / jnp.where(conducts, total, 1), jnp.nan)


def ghk_voltage(
    P: ArrayLike,
    c_o: ArrayLike,
    c_i: ArrayLike,
    z: ArrayLike,
    T: ArrayLike,
    I_pump: ArrayLike | None = None,
) -> jax.Array:
    """Goldman-Hodgkin-Katz voltage: the V_m at which the ions' GHK currents and the pump's add up to 0.

        Σ_j z_j F P_j [B(z_j u) c_i,j - B(-z_j u) c_o,j] + I_pump = 0,  V_m = (RT/F) u

    Without pump current and with one |z| it is (RT/zF) ln(influx/outflux), the textbook's equation; with |z|
    = 1 and 2, of either sign, a quadratic in e^u; both closed forms are chosen while tracing, from the
    values of `z`. Otherwise, also where `z` is traced or a pump current is given (even 0), a bracketed
    Newton iteration with the implicit derivative. All forms have right derivatives of any order, forward and
    reverse.

    Args:
        P: permeability [cm s⁻¹], shape (..., n), >= 0. Without a pump current only ratios matter.
        c_o: extracellular concentration [mM]; broadcasts with `P`, >= 0.
        c_i: intracellular concentration [mM]; broadcasts with `P`, >= 0.
        z: valence of each ion, signed [1], shape (n,), non-zero.
        T: temperature [K], shape (...), > 0.
        I_pump: current of an electrogenic pump [µA cm⁻²], shape (...), outward positive; None for no pump.

    Returns:
        V_m [mV], shape (...). Where no V_m balances the currents it is the limit towards which they drive it:
        +inf where the net current is inward at every V_m (nothing can carry charge out: only an ion absent
        inside is permeant, and no pump current opposes it), -inf where it is outward at every V_m, and NaN
        where no permeant ion is present on either side, whatever the pump does. Derivatives there are 0, so
        such a lane does not spoil its neighbours. A NaN argument gives NaN in its own lane. An outward pump
        current can pull V_m below every Nernst potential.

    Raises:
        InputError: a valence is 0, `z` is not one per ion, or shapes do not match; or a known number cannot
            be what it is given for (`check_arguments`).

    References:
        Goldman 1943, doi 10.1085/jgp.27.1.37. Hodgkin & Katz 1949, doi 10.1113/jphysiol.1949.sp004310.
        Spangler 1972, Ala. J. Med. Sci. 9:218-223, and Lewis 1979, J. Physiol. 286:417-445,
        doi 10.1113/jphysiol.1979.sp012629 (divalents).

    Example:
        >>> V_m = ghk_voltage(P=[1.0, 0.04], c_o=[5.0, 145.0], c_i=[140.0, 15.0], z=[1, 1], T=310.15)
        >>> print(f"{V_m:.2f}")
        -68.59
    """
    z = _ion_valences(z)
    check_arguments(kelvin=T, concentrations={"c_o": c_o, "c_i": c_i}, not_negative={"P": P})
    pump = () if I_pump is None else (I_pump,)
    P, c_o, c_i, T, valences, *pump = as_floats(P, c_o, c_i, T, z, *pump)
    check_ion_axis(z, P=P, c_o=c_o, c_i=c_i)
    sizes, influx, outflux = _charge_weights(P, c_o, c_i, z, valences)
    if pump:
        u = _balanced_potential(as_floats(*sizes, P)[:-1], influx, outflux, pump[0] / F)
    elif len(sizes) == 1:
        u = log_ratio(influx[0], outflux[0]) / sizes[0]
    elif isinstance(z, np.ndarray) and len(sizes) == 2 and sizes[1] == 2 * sizes[0]:
        u = _quadratic_potential(influx, outflux) / sizes[0]
    else:
        u = _balanced_potential(as_floats(*sizes, P)[:-1], influx, outflux, jnp.zeros((), P.dtype))
    # The product would turn the zero derivative of an infinite u into 0 · inf.
    finite = jnp.isfinite(u)
    scaled = thermal_voltage(T) * jnp.where(finite, u, 0)
    return jnp.where(finite, scaled, jax.lax.stop_gradient(u))


def _ion_valences(z):
    z = checked_valences(z)
    if z.ndim != 1 or z.shape[0] == 0:
        raise InputError(
            f"valences z have shape {z.shape}", mend="Give one valence per ion, as in z=[1, 1, -1]"
        )
    return z


def _charge_weights(P, c_o, c_i, z, valences):
    """|z| in ascending order, with Σ P c [µmol cm⁻² s⁻¹] of the ions that flow in and that flow out.

    Ions of one |z| share their exponentials, so they are added up first. Traced valences stay one by one.
    """
    source = jnp.where(valences > 0, c_o, c_i)  # where the charge that depolarises comes from
    sink = jnp.where(valences > 0, c_i, c_o)
    if not isinstance(z, np.ndarray):
        n = z.shape[0]
        parts = [(abs(valences[j]), P[..., j] * source[..., j], P[..., j] * sink[..., j]) for j in range(n)]
        return tuple(map(list, zip(*parts, strict=True)))
    sizes = sorted({float(abs(value)) for value in z})
    influx, outflux = [], []
    for size in sizes:
        (j,) = np.nonzero(np.abs(z) == size)
        j = slice(None) if len(j) == len(z) else j
        influx.append(ion_sum(P[..., j], source[..., j]))
        outflux.append(ion_sum(P[..., j], sink[..., j]))
    return sizes, influx, outflux


def _quadratic_potential(influx, outflux):
    """u from monovalents [0] and divalents [1]: a x² + b x - c = 0 for x = e^u.

    With B(2u) = 2 B(u) / (1 + e^-u): a = M_out + 4 D_out, b = M_out - M_in, c = M_in + 4 D_in, and the
    positive root is x = √(c/a) e^-asinh(b / 2√(ac)): no difference of large numbers, nothing overflows.
    """
    a, c = outflux[0] + 4 * outflux[1], influx[0] + 4 * influx[1]
    good = (a > 0) & (c > 0)
    b = jnp.where(good, outflux[0] - influx[0], 0)
    middle = 2 * jnp.sqrt(jnp.where(good, a, 1)) * jnp.sqrt(jnp.where(good, c, 1))
    half = 0.5 * log_ratio(c, a)
    return jnp.where(good, jnp.where(good, half, 0) - jnp.arcsinh(b / middle), half)


@jax.jit  # so that calls outside any jit do not compile the loop again each time
def _balanced_potential(sizes, influx, outflux, pump):
    """u at which Σ s [out_s B(su) - in_s B(-su)] + pump = 0, for any |z| = s and a pump flux of charge."""
    arrays = jnp.broadcast_arrays(*influx, *outflux, pump)
    n = len(sizes)
    influx, outflux, pump = arrays[:n], arrays[n : 2 * n], arrays[-1]

    def total(weights, power=1):
        return sum(size**power * weight for size, weight in zip(sizes, weights, strict=True))

    total_in, total_out = total(influx), total(outflux)
    # Towards u = ±inf the current is u · Σ s² out or u · Σ s² in, or tends to the pump's.
    known = jnp.isfinite(total_in) & jnp.isfinite(total_out) & jnp.isfinite(pump)
    known &= (total_in >= 0) & (total_out >= 0) & (total_in + total_out > 0)
    always_in = known & (total_out == 0) & (pump <= 0)
    always_out = known & (total_in == 0) & (pump >= 0)
    solvable = known & ~always_in & ~always_out

    # Turn every lane so that its root is at v = ±u >= 0; a lane without a root gets a harmless one at 0.
    turned = total_out - total_in + pump > 0
    inward = [jnp.where(solvable, jnp.where(turned, b, a), 1) for a, b in zip(influx, outflux, strict=True)]
    outward = [jnp.where(solvable, jnp.where(turned, a, b), 1) for a, b in zip(influx, outflux, strict=True)]
    pump = jnp.where(solvable, jnp.where(turned, -pump, pump), 0)
    pump_out = jnp.where(pump >= 0, pump, 0)
    pump_in = jnp.where(pump >= 0, 0, -pump)

    def imbalance(v):
        # Logs of the two positive sides: a straight line of slope s for one |z|, nearly straight otherwise.
        out, into = pump_out, pump_in
        for size, a, b in zip(sizes, inward, outward, strict=True):
            plus, minus = bernoulli_pair(size * v)
            out = out + size * b * plus
            into = into + size * a * minus
        return jnp.log(out) - jnp.log(into)

    smallest, largest = jnp.min(jnp.stack(sizes)), jnp.max(jnp.stack(sizes))
    sum_in, sum_out = total(inward), total(outward)
    # B(x) >= 1 and B(-x) <= e^(-x/2) for x >= 0 bound v where the pump helps the outflux; where it opposes,
    # the straight line that the outflux approaches from above does.
    ratio = (sum_in + pump_in) / (sum_out + pump_out)
    slope = total(outward, power=2)
    slope = jnp.where(slope > 0, slope, 1)
    gain = jnp.log(jnp.maximum(ratio, 1))
    high = jnp.where(
        pump >= 0,
        2 / smallest * gain,
        (total(jnp.maximum(a - b, 0) for a, b in zip(inward, outward, strict=True)) + pump_in) / slope,
    )
    slack = 1e-3  # room for rounding at the ends; the function is defined and increasing beyond them
    high = high * (1 + slack) + slack
    start = jnp.minimum(gain / largest, high)
    v = monotone_root(imbalance, jnp.full_like(high, -slack), high, start)
    u = jnp.where(turned, -v, v)
    limit = jnp.where(always_in, jnp.inf, jnp.where(always_out, -jnp.inf, jnp.nan))
    return jnp.where(solvable, u, limit)


@jax.custom_jvp
def ion_sum(w: jax.Array, x: jax.Array) -> jax.Array:
    """Σ_j w_j x_j over the last axis, unrolled: XLA's CPU reduction over 3 ions is 5 times slower."""
    n = max(w.shape[-1], x.shape[-1])
    return sum((w[..., j] * x[..., j] for j in range(1, n)), start=w[..., 0] * x[..., 0])


@ion_sum.defjvp
def _ion_sum_jvp(primals, tangents):
    # A reduction here: its transpose is a broadcast, that of the unrolled sum a chain of padded copies.
    (w, x), (dw, dx) = primals, tangents
    return ion_sum(w, x), jnp.sum(dw * x + w * dx, axis=-1)
