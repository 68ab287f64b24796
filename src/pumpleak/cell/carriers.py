"""Carriers: cotransporters and exchangers, in which some ions pay for the way of others."""

import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..errors import unknown
from ..physics.constants import F
from ..physics.nernst import thermal_voltage
from ..quantities.ions import valence
from .mechanisms import Mechanism, declared, moved, quantity


class Cotransporter(Mechanism):
    """Coupled transport of several ions by its thermodynamic driving force or by mass action.

        thermodynamic:  J = g (RT/F) A / F,  A = Σ n_j ln(c_i/c_o) + u Σ n_j z_j
        mass_action:    J = k (e^(qu/2) Π inside − e^(−qu/2) Π outside),  q = Σ n_j z_j

    where "inside" is the product of what leaves from inside and enters from outside (c_i^n for n > 0,
    c_o^|n| for n < 0), "outside" its mirror image. Both stop exactly where A = 0. KCC2 is
    ``Cotransporter({"K": 1, "Cl": 1}, g)``, NKCC1 ``{"Na": 1, "K": 1, "Cl": 2}``, NCC ``{"Na": 1, "Cl": 1}``,
    Cl/HCO3 exchange ``{"Cl": 1, "HCO3": -1}``.

    Args:
        ions: ion name -> how many leave a cycle (negative: enter), not 0.
        rate_constant: g [mS cm⁻²] of the thermodynamic law, or k [cm s⁻¹ mM^(1−N)] of mass action, N ions on
            one side; shape (...), >= 0.
        law: ``thermodynamic`` or ``mass_action``.

    Attributes:
        ions: (ion, how many leave a cycle) of each.
        rate_constant: as given.
        law: as given.

    Raises:
        InputError: an unknown law or ion, no ions, or 0 of one.

    References:
        Düsterwald et al. 2018, eLife 7:e39575 (KCC2 driven by E_K − E_Cl).
        Keener & Sneyd 2009, Mathematical Physiology, 2nd ed., ch. 2 (mass action).

    Example:
        >>> KCC2 = Cotransporter({"K": 1, "Cl": 1}, rate_constant=0.002)
        >>> from pumpleak import Membrane
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"K": 4.0, "Cl": 119.0}, c_i={"K": 140.0, "Cl": 6.0})
        >>> print(f"{KCC2.rate(m):.2e}, charge {KCC2.charge}")
        3.15e-07, charge 0
    """

    rate_field = "rate_constant"
    ions: tuple[tuple[str, float], ...] = eqx.field(static=True)
    rate_constant: ArrayLike = quantity("", "mS/cm2 (thermodynamic) or cm/s mM^(1−N) (mass action)")
    law: str = eqx.field(static=True)

    def __init__(self, ions: Mapping[str, float], rate_constant: ArrayLike, law: str = "thermodynamic"):
        if law not in ("thermodynamic", "mass_action"):
            raise unknown("law", law, ("thermodynamic", "mass_action"), within="of a cotransporter")
        self.ions, self.rate_constant, self.law = moved(ions), rate_constant, law

    @property
    def charge(self) -> float:
        """Net charge moved outward a cycle."""
        return sum(n * valence(ion) for ion, n in self.ions)

    def rate(self, m):
        inside = outside = 0.0
        for ion, n in self.ions:
            y_i, y_o = (m.ln_i[ion], m.ln_o[ion]) if n > 0 else (m.ln_o[ion], m.ln_i[ion])
            inside, outside = inside + abs(n) * y_i, outside + abs(n) * y_o
        drive = self.charge * m.u
        if self.law == "thermodynamic":
            return self.rate_constant * thermal_voltage(m.T) / F * (inside - outside + drive)
        return self.rate_constant * (jnp.exp(inside + drive / 2) - jnp.exp(outside - drive / 2))

    @property
    def stoichiometry(self):
        return dict(self.ions)


class NCX(Mechanism):
    """Na/Ca exchanger, a cycle moving 3 Na⁺ out and 1 Ca²⁺ in (reverse where negative).

        J = J_max [e^(ηu) Na_i³ Ca_o − e^((η−1)u) Na_o³ Ca_i]
            / [(K_Na³ + Na_o³)(K_Ca + Ca_o)(1 + k_sat e^((η−1)u))]

    It stops at E_NCX = 3 E_Na − 2 E_Ca.

    Attributes:
        J_max: cycle rate, saturated [µmol cm⁻² s⁻¹], shape (...), >= 0.
        K_Na: half-saturating outside Na⁺ [mM], > 0.
        K_Ca: half-saturating outside Ca²⁺ [mM], > 0.
        k_sat: saturation at very negative V_m [1], >= 0.
        eta: position of the energy barrier η [1], between 0 and 1.

    References:
        Luo & Rudy 1994, Circ. Res. 74:1071-1096, doi 10.1161/01.res.74.6.1071.

    Example:
        >>> from pumpleak import Membrane
        >>> inside, outside = {"Na": 10.0, "Ca": 1e-4}, {"Na": 140.0, "Ca": 1.8}
        >>> m = Membrane(u=-3.0, T=310.15, c_o=outside, c_i=inside)
        >>> print(f"E_NCX {3 * m.E('Na') - 2 * m.E('Ca'):.1f} mV, rate {NCX(J_max=1.0).rate(m):.1e}")
        E_NCX -50.3 mV, rate -7.0e-05
    """

    rate_field = "J_max"
    J_max: ArrayLike = declared("ncx", "J_max")
    K_Na: ArrayLike = declared("ncx", "K_Na")
    K_Ca: ArrayLike = declared("ncx", "K_Ca")
    k_sat: ArrayLike = declared("ncx", "k_sat")
    eta: ArrayLike = declared("ncx", "eta")

    def rate(self, m):
        Na_o, Ca_o = m.c_o["Na"], m.c_o["Ca"]
        u = jnp.clip(m.u, -40, 40)
        reverse = jnp.exp((self.eta - 1) * u)
        turn = jnp.exp(self.eta * u + 3 * m.ln_i["Na"]) * Ca_o - reverse * Na_o**3 * m.c_i["Ca"]
        return (
            self.J_max * turn / ((self.K_Na**3 + Na_o**3) * (self.K_Ca + Ca_o) * (1 + self.k_sat * reverse))
        )

    @property
    def stoichiometry(self):
        return {"Na": 3, "Ca": -1}


def ncx_four_state(
    Na_i: ArrayLike,
    Na_o: ArrayLike,
    Ca_i: ArrayLike,
    Ca_o: ArrayLike,
    forward: tuple[ArrayLike, ...] = (1.0, 1.0, 1.0, 1.0),
    backward: tuple[ArrayLike, ...] = (1.0, 1.0, 1.0, 1.0),
) -> jax.Array:
    """Turnover of a carrier that trades 3 Na⁺ for 1 Ca²⁺ in a ring of four states, Ca²⁺ out positive.

        J = (k1 k2 k3 k4 Ca_i Na_o³ − k₋1 k₋2 k₋3 k₋4 Ca_o Na_i³) / (sum of the ring's 16 trees)

    Inside the carrier takes Ca²⁺ and lets go of 3 Na⁺ (k1 Ca_i, back k₋1 Na_i³), turns outward (k2, k₋2),
    trades there (k3 Na_o³, k₋3 Ca_o) and turns back (k4, k₋4).

    Args:
        Na_i: inside [Na⁺], in units that suit the rate constants, shape (...), >= 0; likewise `Na_o`,
            `Ca_i` and `Ca_o`.
        forward: k1, k2, k3, k4.
        backward: k₋1, k₋2, k₋3, k₋4.

    Returns:
        Cycles per carrier and unit of time, broadcast shape; 0 where Ca_i Na_o³ / (Ca_o Na_i³) equals the
        backward constants' product over the forward ones'.

    References:
        Keener & Sneyd 2009, Mathematical Physiology, 2nd ed., ch. 2 (the scheme). King & Altman 1956,
        J. Phys. Chem. 60:1375-1378, doi 10.1021/j150544a010 (the sum over trees).

    Example:
        >>> print(f"{ncx_four_state(Na_i=1.0, Na_o=2.0, Ca_i=1.0, Ca_o=1.0):.4f}")
        0.1207
    """
    onward = [forward[0] * Ca_i, forward[1], forward[2] * Na_o**3, forward[3]]
    back = [backward[0] * Na_i**3, backward[1], backward[2] * Ca_o, backward[3]]
    trees: Any = 0.0
    for state in range(4):
        for cut in range(4):  # edges between the cut and the state point at it from both sides
            before = [(cut + 1 + k) % 4 for k in range((state - cut - 1) % 4)]
            after = [(state + k) % 4 for k in range((cut - state) % 4)]
            trees = trees + math.prod([onward[e] for e in before] + [back[e] for e in after])
    return jnp.asarray((math.prod(onward) - math.prod(back)) / trees)
