"""What crosses a membrane: leaks, pumps, cotransporters and exchangers, each a rate law and a stoichiometry.

A `Mechanism` turns over at a rate [cycles: µmol cm⁻² s⁻¹] that depends on the `Membrane` it sits in; each
turn moves so many of each ion outward. A cell (`cell.py`) is a collection of them. To add one of your own,
subclass `Mechanism`, or wrap a plain function of (V_m, c_i, c_o, T) in `CustomMechanism`; nothing else
needs to know.
"""

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..errors import InputError
from ..physics.constants import F
from ..physics.nernst import thermal_voltage
from ..physics.numerics import bernoulli_pair
from ..quantities.ions import valence


class Membrane:
    """What a mechanism sees: the potential and the solutions on both sides.

    Attributes:
        u: F V_m / RT [1].
        T: temperature [K].
        c_i: ion name -> concentration inside [mM].
        c_o: ion name -> concentration outside [mM].
        ln_i: natural logarithms of `c_i`, exact also where `c_i` underflows.
        ln_o: those of `c_o`.
    """

    def __init__(
        self,
        u: ArrayLike,
        T: ArrayLike,
        c_o: Mapping[str, Any],
        *,
        c_i: Mapping[str, Any] | None = None,
        ln_i: Mapping[str, Any] | None = None,
        ln_o: Mapping[str, Any] | None = None,
    ):
        if ln_i is None:
            ln_i = {ion: jnp.log(c) for ion, c in (c_i or {}).items()}
        self.u, self.T, self.c_o, self.ln_i = u, T, c_o, ln_i
        self.c_i = {ion: jnp.exp(y) for ion, y in ln_i.items()} if c_i is None else c_i
        self._ln_o, self._pairs = ln_o, {}

    @cached_property
    def ln_o(self) -> Mapping[str, Any]:
        return {ion: jnp.log(c) for ion, c in self.c_o.items()} if self._ln_o is None else self._ln_o

    @property
    def V_m(self) -> jax.Array:
        """Membrane potential [mV]."""
        return thermal_voltage(self.T) * self.u

    def E(self, ion: str) -> jax.Array:
        """Nernst potential of an ion [mV]."""
        return thermal_voltage(self.T) / valence(ion) * (self.ln_o[ion] - self.ln_i[ion])

    def bernoulli(self, z: int) -> tuple[jax.Array, jax.Array]:
        """B(zu) and B(−zu), computed once for each |z|."""
        size = abs(z)
        if size not in self._pairs:
            self._pairs[size] = bernoulli_pair(self.u if size == 1 else size * self.u)
        plus, minus = self._pairs[size]
        return (plus, minus) if z > 0 else (minus, plus)


def quantity(unit: str, meaning: str, **default) -> Any:
    """A numeric field of a mechanism, with its unit: ``P: ArrayLike = quantity("cm/s", "permeability")``."""
    return eqx.field(metadata={"unit": unit, "meaning": meaning}, **default)


class Mechanism(eqx.Module):
    """One way across the membrane.

    Subclasses give `rate` and `stoichiometry`, and declare their numbers by `quantity`.

    Attributes:
        atp: molecules of ATP a cycle costs.
        one_way: whether it only ever turns forward, above 0 wherever there is some of each ion.
        rate_field: the number that the rate is proportional to.
    """

    atp: ClassVar[int] = 0
    one_way: ClassVar[bool] = False
    rate_field: ClassVar[str | None] = None

    @abstractmethod
    def rate(self, m: Membrane) -> Any:
        """Cycles per membrane area [µmol cm⁻² s⁻¹]."""

    @property
    @abstractmethod
    def stoichiometry(self) -> dict[str, Any]:
        """Ion name -> ions moved outward a cycle (negative: inward)."""

    def quantities(self) -> dict[str, dict[str, Any]]:
        """The numeric fields: name -> unit and meaning."""
        return {
            f.name: {"unit": f.metadata["unit"], "meaning": f.metadata["meaning"]}
            for f in dataclasses.fields(self)
            if "unit" in f.metadata
        }


class GHKLeak(Mechanism):
    """Constant-field leak of one ion.

        J = P [B(zu) c_i − B(−zu) c_o],  B(x) = x/(1 − e⁻ˣ)

    References:
        Goldman 1943, J. Gen. Physiol. 27:37-60, doi 10.1085/jgp.27.1.37.
    """

    rate_field = "P"
    ion: str = eqx.field(static=True)
    P: ArrayLike = quantity("cm/s", "permeability")

    def rate(self, m):
        outward, inward = m.bernoulli(valence(self.ion))
        return self.P * (outward * m.c_i[self.ion] - inward * m.c_o[self.ion])

    @property
    def stoichiometry(self):
        return {self.ion: 1}


class ChordLeak(Mechanism):
    """Ohmic leak of one ion.

        J = g (V_m − E) / (z F)

    References:
        Hodgkin & Huxley 1952, J. Physiol. 116:449-472, doi 10.1113/jphysiol.1952.sp004717.
    """

    rate_field = "g"
    ion: str = eqx.field(static=True)
    g: ArrayLike = quantity("mS/cm2", "conductance")

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

    References:
        Hagiwara & Takahashi 1974, J. Membr. Biol. 18:61-80, doi 10.1007/BF01870103 (dependence on V_m − E_K
        and √K_o).
    """

    rate_field = "g"
    g: ArrayLike = quantity("mS/cm2", "conductance at 1 mM outside K, fully open")
    V_half: ArrayLike = quantity("mV", "V_m − E_K at which half is open", default=-15.0)
    V_slope: ArrayLike = quantity("mV", "e-fold steepness", default=10.0)
    ion: str = eqx.field(static=True, default="K")

    def rate(self, m):
        above = thermal_voltage(m.T) * (m.u + m.ln_i[self.ion] - m.ln_o[self.ion])
        opened = jax.nn.sigmoid((self.V_half - above) / self.V_slope)
        return self.g * jnp.exp(0.5 * m.ln_o[self.ion]) * above / F * opened

    @property
    def stoichiometry(self):
        return {self.ion: 1}


class _Pump(Mechanism):
    """Na/K-ATPase: a cycle moves 3 Na⁺ out and 3/r K⁺ in, net charge 3 − 3/r."""

    atp = 1
    one_way = True
    r: eqx.AbstractVar[ArrayLike]

    @property
    def stoichiometry(self):
        return {"Na": 3.0, "K": -3.0 / self.r}


_R = dict(default=1.5)


class ConstantPump(_Pump):
    """Na/K-ATPase that runs at one rate whatever the concentrations: J.

    It cannot run dry by itself: with constant-field leaks it may ask for more Na⁺ than leaks in, and then
    there is no steady state.
    """

    rate_field = "J"
    J: ArrayLike = quantity("umol/cm2/s", "cycle rate")
    r: ArrayLike = quantity("1", "Na:K coupling ratio", **_R)

    def rate(self, m):
        return self.J * jnp.ones_like(m.u)


class CubicPump(_Pump):
    """Na/K-ATPase cubic in inside Na⁺: J (Na_i/Na_o)³.

    References:
        Düsterwald et al. 2018, eLife 7:e39575, doi 10.7554/eLife.39575.
    """

    rate_field = "J"
    J: ArrayLike = quantity("umol/cm2/s", "cycle rate at Na_i = Na_o")
    r: ArrayLike = quantity("1", "Na:K coupling ratio", **_R)

    def rate(self, m):
        return self.J * jnp.exp(3 * (m.ln_i["Na"] - m.ln_o["Na"]))


class HillPump(_Pump):
    """Na/K-ATPase that saturates in inside Na⁺ and outside K⁺.

        J_max [Na_i/(Na_i + K_Na)]^n_Na [K_o/(K_o + K_K)]^n_K

    References:
        Garay & Garrahan 1973, J. Physiol. 231:297-325, doi 10.1113/jphysiol.1973.sp010234 (three equal
        inside Na⁺ and two equal outside K⁺ sites).
    """

    rate_field = "J_max"
    J_max: ArrayLike = quantity("umol/cm2/s", "cycle rate, saturated")
    K_Na: ArrayLike = quantity("mM", "dissociation constant of inside Na", default=10.0)
    K_K: ArrayLike = quantity("mM", "dissociation constant of outside K", default=1.0)
    r: ArrayLike = quantity("1", "Na:K coupling ratio", **_R)
    n_Na: float = eqx.field(static=True, default=3.0)
    n_K: float = eqx.field(static=True, default=2.0)

    def rate(self, m):
        sodium = _power(m.c_i["Na"] / (m.c_i["Na"] + self.K_Na), self.n_Na)
        return self.J_max * sodium * _power(m.c_o["K"] / (m.c_o["K"] + self.K_K), self.n_K)


class VoltagePump(_Pump):
    """Na/K-ATPase of the ventricular myocyte, slowed by hyperpolarisation.

        J_max f K_o/(K_o + K_K) / (1 + (K_Na/Na_i)^n_Na)
        f = 1/(1 + 0.1245 e^(−0.1u) + 0.0365 σ e^(−u)),  σ = (e^(Na_o/67.3 mM) − 1)/7

    References:
        Luo & Rudy 1994, Circ. Res. 74:1071-1096, doi 10.1161/01.res.74.6.1071.
    """

    rate_field = "J_max"
    J_max: ArrayLike = quantity("umol/cm2/s", "cycle rate, saturated")
    K_Na: ArrayLike = quantity("mM", "half-saturating inside Na", default=10.0)
    K_K: ArrayLike = quantity("mM", "half-saturating outside K", default=1.5)
    n_Na: ArrayLike = quantity("1", "Hill coefficient of Na", default=1.5)
    r: ArrayLike = quantity("1", "Na:K coupling ratio", **_R)

    def rate(self, m):
        sigma = jnp.expm1(m.c_o["Na"] / 67.3) / 7
        u = jnp.clip(m.u, -40, 40)  # beyond ±1 V the law says nothing, and e^(−u) must not overflow
        f = 1 / (1 + 0.1245 * jnp.exp(-0.1 * u) + 0.0365 * sigma * jnp.exp(-u))
        sodium = jax.nn.sigmoid(self.n_Na * (m.ln_i["Na"] - jnp.log(self.K_Na)))
        return self.J_max * f * sodium * m.c_o["K"] / (m.c_o["K"] + self.K_K)


class Cotransporter(Mechanism):
    """Coupled transport of several ions by its thermodynamic driving force or by mass action.

        thermodynamic:  J = g (RT/F) A / F,  A = Σ n_j ln(c_i/c_o) + u Σ n_j z_j
        mass_action:    J = k (e^(qu/2) Π inside − e^(−qu/2) Π outside),  q = Σ n_j z_j

    where "inside" is the product of what leaves from inside and enters from outside (c_i^n for n > 0,
    c_o^|n| for n < 0), "outside" its mirror image. Both stop exactly where A = 0. KCC2 is
    ``Cotransporter({"K": 1, "Cl": 1})``, NKCC1 ``{"Na": 1, "K": 1, "Cl": 2}``, NCC ``{"Na": 1, "Cl": 1}``,
    Cl/HCO3 exchange ``{"Cl": 1, "HCO3": -1}``.

    References:
        Düsterwald et al. 2018, eLife 7:e39575 (KCC2 driven by E_K − E_Cl).
        Keener & Sneyd 2009, Mathematical Physiology, 2nd ed., ch. 2 (mass action).
    """

    rate_field = "rate_constant"
    ions: tuple[tuple[str, float], ...] = eqx.field(static=True)
    rate_constant: ArrayLike = quantity("", "mS/cm2 (thermodynamic) or cm/s mM^(1−N) (mass action)")
    law: str = eqx.field(static=True)

    def __init__(self, ions: Mapping[str, float], rate_constant: ArrayLike, law: str = "thermodynamic"):
        if law not in ("thermodynamic", "mass_action"):
            raise InputError(f"a cotransporter's law is '{law}'", mend="Choose thermodynamic or mass_action")
        self.ions, self.rate_constant, self.law = _moved(ions), rate_constant, law

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

    References:
        Luo & Rudy 1994, Circ. Res. 74:1071-1096, doi 10.1161/01.res.74.6.1071.
    """

    rate_field = "J_max"
    J_max: ArrayLike = quantity("umol/cm2/s", "cycle rate, saturated")
    K_Na: ArrayLike = quantity("mM", "half-saturating outside Na", default=87.5)
    K_Ca: ArrayLike = quantity("mM", "half-saturating outside Ca", default=1.38)
    k_sat: ArrayLike = quantity("1", "saturation at very negative V_m", default=0.1)
    eta: ArrayLike = quantity("1", "position of the energy barrier", default=0.35)

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


class PMCA(Mechanism):
    """Plasma-membrane Ca²⁺-ATPase: J_max Ca_i^n/(Ca_i^n + K_Ca^n) Ca²⁺ out, one ATP each.

    Protons it may bring back are not followed: pH is taken as held.

    References:
        Luo & Rudy 1994, Circ. Res. 74:1071-1096, doi 10.1161/01.res.74.6.1071 (sarcolemmal Ca²⁺ pump, n = 1).
    """

    atp = 1
    one_way = True
    rate_field = "J_max"
    J_max: ArrayLike = quantity("umol/cm2/s", "rate, saturated")
    K_Ca: ArrayLike = quantity("mM", "half-saturating inside Ca", default=5e-4)
    n: ArrayLike = quantity("1", "Hill coefficient", default=1.0)

    def rate(self, m):
        return self.J_max * jax.nn.sigmoid(self.n * (m.ln_i["Ca"] - jnp.log(self.K_Ca)))

    @property
    def stoichiometry(self):
        return {"Ca": 1}


class CustomMechanism(Mechanism):
    """A mechanism from a plain function of (V_m, c_i, c_o, T).

    Args:
        function: ``f(V_m, c_i, c_o, T) -> rate`` [µmol cm⁻² s⁻¹], JAX-traceable; V_m in mV, T in K, c_i and
            c_o dicts of concentrations [mM].
        stoichiometry: ion name -> ions moved outward a cycle.
        scale: what the rate is multiplied by.

    Example:
        >>> urchin = CustomMechanism(lambda V_m, c_i, c_o, T: 1e-9 * (c_i["H"] - c_o["H"]), {"H": 1})
    """

    rate_field = "scale"
    function: Callable = eqx.field(static=True)
    ions: tuple[tuple[str, float], ...] = eqx.field(static=True)
    scale: ArrayLike = quantity("1", "factor on the rate")

    def __init__(self, function: Callable, stoichiometry: Mapping[str, float], scale: ArrayLike = 1.0):
        self.function, self.ions, self.scale = function, _moved(stoichiometry), scale

    def rate(self, m):
        name = getattr(self.function, "__name__", "function")
        try:
            value = self.function(m.V_m, m.c_i, m.c_o, m.T)
            if value is None:
                raise TypeError("it returns nothing")
            value = jnp.asarray(value)
        except KeyError as error:
            raise InputError(
                f"the custom mechanism {name} asks for {error}, which the cell or the bath does not have",
                mend=f"Inside are {', '.join(m.c_i)}; outside {', '.join(m.c_o)}",
            ) from None
        except (TypeError, jax.errors.JAXTypeError) as error:
            raise InputError(
                f"the custom mechanism {name} failed: {str(error).splitlines()[0]}",
                mend="It is called as f(V_m, c_i, c_o, T) with JAX arrays, and returns one rate: use jax.numpy",
            ) from error
        if value.ndim > jnp.ndim(m.u):
            raise InputError(
                f"the custom mechanism {name} returns {value.ndim - jnp.ndim(m.u)} dimensions too many",
                mend="It returns one rate",
            )
        return self.scale * value

    @property
    def stoichiometry(self):
        return dict(self.ions)


def _moved(ions: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Ions and how many of each a cycle moves, checked."""
    if not isinstance(ions, Mapping) or not ions:
        raise InputError(f"the ions moved are {ions!r}", mend='Say how many of each, e.g. {"K": 1, "Cl": 1}')
    for ion, n in ions.items():
        valence(ion)
        if not isinstance(n, (int, float)) or not math.isfinite(n) or n == 0:
            raise InputError(
                f"{n!r} of {ion} is not a number of ions that a cycle moves", mend="Give e.g. 1 or -1"
            )
    return tuple(ions.items())


def _power(x, n):
    """x^n, by multiplication where n is a small whole number."""
    return x ** int(n) if n == int(n) and 0 < n < 5 else x**n


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
