"""Pumps: ways that cost ATP, and only ever turn forward."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from .mechanisms import Mechanism, declared


class _Pump(Mechanism):
    """Na/K-ATPase: a cycle moves 3 Na⁺ out and 3/r K⁺ in, net charge 3 − 3/r."""

    atp = 1
    one_way = True
    r: eqx.AbstractVar[ArrayLike]

    @property
    def stoichiometry(self):
        return {"Na": 3.0, "K": -3.0 / self.r}


class ConstantPump(_Pump):
    """Na/K-ATPase that runs at one rate whatever the concentrations: J.

    It cannot run dry by itself: with constant-field leaks it may ask for more Na⁺ than leaks in, and then
    there is no steady state.

    Attributes:
        J: cycle rate [µmol cm⁻² s⁻¹], shape (...), >= 0.
        r: Na:K coupling ratio [1], > 0: a cycle moves 3 Na⁺ out and 3/r K⁺ in.

    Example:
        >>> ConstantPump(J=1e-6).stoichiometry
        {'Na': 3.0, 'K': -2.0}
    """

    rate_field = "J"
    J: ArrayLike = declared("constant_pump", "J")
    r: ArrayLike = declared("constant_pump", "r")

    def rate(self, m):
        return self.J * jnp.ones_like(m.u)


class CubicPump(_Pump):
    """Na/K-ATPase cubic in inside Na⁺: J (Na_i/Na_o)³.

    Attributes:
        J: cycle rate at Na_i = Na_o [µmol cm⁻² s⁻¹], shape (...), >= 0.
        r: Na:K coupling ratio [1], > 0: a cycle moves 3 Na⁺ out and 3/r K⁺ in.

    References:
        Düsterwald et al. 2018, eLife 7:e39575, doi 10.7554/eLife.39575.

    Example:
        >>> from pumpleak import Membrane
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"Na": 145.0}, c_i={"Na": 14.5})
        >>> print(f"{CubicPump(J=1e-2).rate(m):.2e}")
        1.00e-05
    """

    rate_field = "J"
    J: ArrayLike = declared("cubic_pump", "J")
    r: ArrayLike = declared("cubic_pump", "r")

    def rate(self, m):
        return self.J * jnp.exp(3 * (m.ln_i["Na"] - m.ln_o["Na"]))


class HillPump(_Pump):
    """Na/K-ATPase that saturates in inside Na⁺ and outside K⁺.

        J_max [Na_i/(Na_i + K_Na)]^n_Na [K_o/(K_o + K_K)]^n_K

    Attributes:
        J_max: cycle rate, saturated [µmol cm⁻² s⁻¹], shape (...), >= 0.
        K_Na: dissociation constant of inside Na⁺ [mM], > 0.
        K_K: dissociation constant of outside K⁺ [mM], > 0.
        r: Na:K coupling ratio [1], > 0: a cycle moves 3 Na⁺ out and 3/r K⁺ in.
        n_Na: sites for Na⁺ [1]; a plain number.
        n_K: sites for K⁺ [1]; a plain number.

    References:
        Garay & Garrahan 1973, J. Physiol. 231:297-325, doi 10.1113/jphysiol.1973.sp010234 (three equal
        inside Na⁺ and two equal outside K⁺ sites).

    Example:
        >>> from pumpleak import Membrane
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"K": 1.0}, c_i={"Na": 10.0})  # both half saturated
        >>> print(HillPump(J_max=32.0).rate(m))
        1.0
    """

    rate_field = "J_max"
    J_max: ArrayLike = declared("hill_pump", "J_max")
    K_Na: ArrayLike = declared("hill_pump", "K_Na")
    K_K: ArrayLike = declared("hill_pump", "K_K")
    r: ArrayLike = declared("hill_pump", "r")
    n_Na: float = declared("hill_pump", "n_Na")
    n_K: float = declared("hill_pump", "n_K")

    def rate(self, m):
        sodium = _power(m.c_i["Na"] / (m.c_i["Na"] + self.K_Na), self.n_Na)
        return self.J_max * sodium * _power(m.c_o["K"] / (m.c_o["K"] + self.K_K), self.n_K)


class VoltagePump(_Pump):
    """Na/K-ATPase of the ventricular myocyte, slowed by hyperpolarisation.

        J_max f K_o/(K_o + K_K) / (1 + (K_Na/Na_i)^n_Na)
        f = 1/(1 + 0.1245 e^(−0.1u) + 0.0365 σ e^(−u)),  σ = (e^(Na_o/67.3 mM) − 1)/7

    Attributes:
        J_max: cycle rate, saturated [µmol cm⁻² s⁻¹], shape (...), >= 0.
        K_Na: half-saturating inside Na⁺ [mM], > 0.
        K_K: half-saturating outside K⁺ [mM], > 0.
        n_Na: Hill coefficient of Na⁺ [1], > 0.
        r: Na:K coupling ratio [1], > 0: a cycle moves 3 Na⁺ out and 3/r K⁺ in.

    References:
        Luo & Rudy 1994, Circ. Res. 74:1071-1096, doi 10.1161/01.res.74.6.1071.

    Example:
        >>> from pumpleak import Membrane
        >>> inside, outside = {"Na": 10.0}, {"Na": 140.0, "K": 5.4}
        >>> rates = [VoltagePump(J_max=1.0).rate(Membrane(u, 310.15, outside, c_i=inside)) for u in (-3.0, 0.0)]
        >>> print(f"{rates[0]:.3f} {rates[1]:.3f}")
        0.206 0.337
    """

    rate_field = "J_max"
    J_max: ArrayLike = declared("voltage_pump", "J_max")
    K_Na: ArrayLike = declared("voltage_pump", "K_Na")
    K_K: ArrayLike = declared("voltage_pump", "K_K")
    n_Na: ArrayLike = declared("voltage_pump", "n_Na")
    r: ArrayLike = declared("voltage_pump", "r")

    def rate(self, m):
        sigma = jnp.expm1(m.c_o["Na"] / 67.3) / 7
        u = jnp.clip(m.u, -40, 40)  # beyond ±1 V the law says nothing, and e^(−u) must not overflow
        f = 1 / (1 + 0.1245 * jnp.exp(-0.1 * u) + 0.0365 * sigma * jnp.exp(-u))
        sodium = jax.nn.sigmoid(self.n_Na * (m.ln_i["Na"] - jnp.log(self.K_Na)))
        return self.J_max * f * sodium * m.c_o["K"] / (m.c_o["K"] + self.K_K)


class PMCA(Mechanism):
    """Plasma-membrane Ca²⁺-ATPase: J_max Ca_i^n/(Ca_i^n + K_Ca^n) Ca²⁺ out, one ATP each.

    Protons it may bring back are not followed: pH is taken as held.

    Attributes:
        J_max: rate, saturated [µmol cm⁻² s⁻¹], shape (...), >= 0.
        K_Ca: half-saturating inside Ca²⁺ [mM], > 0.
        n: Hill coefficient [1], > 0.

    References:
        Luo & Rudy 1994, Circ. Res. 74:1071-1096, doi 10.1161/01.res.74.6.1071 (sarcolemmal Ca²⁺ pump, n = 1).

    Example:
        >>> from pumpleak import Membrane
        >>> m = Membrane(u=-3.0, T=310.15, c_o={"Ca": 1.8}, c_i={"Ca": 5e-4})
        >>> print(f"{PMCA(J_max=2.0).rate(m):.3f}")
        1.000
    """

    atp = 1
    one_way = True
    rate_field = "J_max"
    J_max: ArrayLike = declared("pmca", "J_max")
    K_Ca: ArrayLike = declared("pmca", "K_Ca")
    n: ArrayLike = declared("pmca", "n")

    def rate(self, m):
        return self.J_max * jax.nn.sigmoid(self.n * (m.ln_i["Ca"] - jnp.log(self.K_Ca)))

    @property
    def stoichiometry(self):
        return {"Ca": 1}


def _power(x, n):
    """x^n, by multiplication where n is a small whole number."""
    return x ** int(n) if n == int(n) and 0 < n < 5 else x**n
