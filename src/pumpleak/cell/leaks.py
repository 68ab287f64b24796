"""Leaks: ways by which one ion runs down its own gradient, at no cost."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..physics.constants import F
from ..physics.nernst import thermal_voltage
from ..quantities.ions import valence
from .mechanisms import Mechanism, declared


class GHKLeak(Mechanism):
    """Constant-field leak of one ion.

        J = P [B(zu) c_i − B(−zu) c_o],  B(x) = x/(1 − e⁻ˣ)

    Attributes:
        ion: its name.
        P: permeability [cm s⁻¹], shape (...), >= 0.

    References:
        Goldman 1943, J. Gen. Physiol. 27:37-60, doi 10.1085/jgp.27.1.37.

    Example:
        >>> from pumpleak import Membrane
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"K": 4.0}, c_i={"K": 140.0})
        >>> print(f"{GHKLeak('K', P=1e-6).rate(m):.2e}")
        2.04e-05
    """

    rate_field = "P"
    ion: str = eqx.field(static=True)
    P: ArrayLike = declared("ghk_leak", "P")

    def rate(self, m):
        outward, inward = m.bernoulli(valence(self.ion))
        return self.P * (outward * m.c_i[self.ion] - inward * m.c_o[self.ion])

    @property
    def stoichiometry(self):
        return {self.ion: 1}


class ChordLeak(Mechanism):
    """Ohmic leak of one ion.

        J = g (V_m − E) / (z F)

    Attributes:
        ion: its name.
        g: conductance [mS cm⁻²], shape (...), >= 0.

    References:
        Hodgkin & Huxley 1952, J. Physiol. 116:449-472, doi 10.1113/jphysiol.1952.sp004717.

    Example:
        >>> from pumpleak import Membrane
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"K": 4.0}, c_i={"K": 140.0})
        >>> print(f"{ChordLeak('K', g=0.01).rate(m):.2e}")
        2.92e-06
    """

    rate_field = "g"
    ion: str = eqx.field(static=True)
    g: ArrayLike = declared("chord_leak", "g")

    def rate(self, m):
        z = valence(self.ion)
        driving = z * m.u + m.ln_i[self.ion] - m.ln_o[self.ion]
        return self.g * thermal_voltage(m.T) / (z * z * F) * driving

    @property
    def stoichiometry(self):
        return {self.ion: 1}


class InwardRectifier(Mechanism):
    """K⁺ conductance that opens with outside K⁺ and closes as V_m rises above E_K (Kir2-like).

        J = g √(K_o / 1 mM) (V_m − E_K) / F / (1 + exp((V_m − E_K − V_half)/V_slope))

    Attributes:
        g: conductance at 1 mM outside K⁺, fully open [mS cm⁻²], shape (...), >= 0.
        V_half: V_m − E_K at which half is open [mV].
        V_slope: e-fold steepness [mV], > 0.
        ion: its name.

    References:
        Hagiwara & Takahashi 1974, J. Membr. Biol. 18:61-80, doi 10.1007/BF01870103 (dependence on V_m − E_K
        and √K_o).

    Example:
        >>> from pumpleak import Membrane
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"K": 4.0}, c_i={"K": 140.0})
        >>> print(f"{InwardRectifier(g=0.1).rate(m):.2e}")
        7.67e-07
    """

    rate_field = "g"
    g: ArrayLike = declared("inward_rectifier", "g")
    V_half: ArrayLike = declared("inward_rectifier", "V_half")
    V_slope: ArrayLike = declared("inward_rectifier", "V_slope")
    ion: str = eqx.field(static=True, default="K")

    def rate(self, m):
        above = thermal_voltage(m.T) * (m.u + m.ln_i[self.ion] - m.ln_o[self.ion])
        opened = jax.nn.sigmoid((self.V_half - above) / self.V_slope)
        return self.g * jnp.exp(0.5 * m.ln_o[self.ion]) * above / F * opened

    @property
    def stoichiometry(self):
        return {self.ion: 1}
