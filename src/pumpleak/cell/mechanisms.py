"""What crosses a membrane: what every leak, pump, cotransporter and exchanger is, a rate law and a stoichiometry.

A `Mechanism` turns over at a rate [cycles: µmol cm⁻² s⁻¹] that depends on the `Membrane` it sits in; each
turn moves so many of each ion outward. A cell (`cell.py`) is a collection of them. To add one of your own,
subclass `Mechanism`, or wrap a plain function of (V_m, c_i, c_o, T) in `CustomMechanism`; nothing else
needs to know. The package's own are in `leaks`, `pumps` and `carriers`.
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
from ..physics.nernst import thermal_voltage
from ..physics.numerics import bernoulli_pair
from ..quantities.ions import valence
from ..quantities.kinds import Sign
from .declared import KINDS, Declared, Number


class Membrane:
    """What a mechanism sees: the potential and the solutions on both sides.

    Args:
        u: F V_m / RT [1], shape (...).
        T: temperature [K], > 0.
        c_o: ion name -> concentration outside [mM], > 0.
        c_i: ion name -> concentration inside [mM], > 0.
        ln_i: natural logarithms of `c_i`, in its place.
        ln_o: those of `c_o`, where they are known already.

    Attributes:
        u: F V_m / RT [1].
        T: temperature [K].
        c_i: ion name -> concentration inside [mM].
        c_o: ion name -> concentration outside [mM].
        ln_i: natural logarithms of `c_i`, exact also where `c_i` underflows.
        ln_o: those of `c_o`.

    Example:
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"K": 4.0}, c_i={"K": 140.0})
        >>> print(f"{m.V_m:.1f} mV, E_K {m.E('K'):.1f} mV")
        -66.8 mV, E_K -95.0 mV
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
            self._pairs[size] = bernoulli_pair(jnp.asarray(self.u if size == 1 else size * self.u))
        plus, minus = self._pairs[size]
        return (plus, minus) if z > 0 else (minus, plus)


def quantity(
    unit: str, meaning: str, *, sign: Sign | None = None, high: float = math.inf, **default: float
) -> Any:
    """A numeric field of a `Mechanism` that you write, with its unit.

    Args:
        unit: its unit in plain text, as in ``cm/s``; ``1`` for a pure number.
        meaning: a few words for tables.
        sign: what it can be, ``any``, ``not negative`` or ``positive``; by its unit where not given: anything in mV,
            above 0 in mM, else at least 0.
        high: the most it can be.
        **default: ``default=…``, the value where nobody gives one; none: it must be given.

    Returns:
        What a dataclass takes for a field, to stand behind the field's name and type.

    Example:
        >>> class Exchanger(Mechanism):
        ...     rate_field = "J"
        ...     J: float = quantity("umol/cm2/s", "cycle rate", default=1e-6)
        ...     stoichiometry = {"Cl": 1, "HCO3": -1}
        ...     def rate(self, m):
        ...         return self.J * (m.c_i["Cl"] / m.c_o["Cl"] - m.c_i["HCO3"] / m.c_o["HCO3"])
        >>> Exchanger().quantities()["J"]
        {'unit': 'umol/cm2/s', 'meaning': 'cycle rate'}
    """
    return _field(Number(unit, meaning, default.get("default"), sign, high))


def declared(kind: str, name: str) -> Any:
    """The field of a number that `declared.KINDS` has."""
    return _field(KINDS[kind].numbers[name])


def _field(number: Number) -> Any:
    default = {} if number.default is None else {"default": number.default}
    return eqx.field(metadata={"number": number}, static=number.static, **default)


class Mechanism(eqx.Module):
    """One way across the membrane.

    Subclasses give `rate` and `stoichiometry`, and declare their numbers by `quantity`; numbers may be arrays
    of shape (...), and a cell's broadcast against each other.

    Attributes:
        atp: molecules of ATP a cycle costs [1].
        one_way: whether it only ever turns forward, above 0 wherever there is some of each ion.
        rate_field: the number that the rate is proportional to.
        kind: what cell files call it; empty: they cannot name it. Its numbers, and `ion` if it has that field, are keys.

    Example:
        >>> from pumpleak import Mechanism, quantity
        >>> class ChannelOfTwo(Mechanism):  # electroneutral loss of KCl, at a rate that K_i alone sets
        ...     k: float = quantity("cm/s", "rate constant")
        ...     stoichiometry = {"K": 1, "Cl": 1}
        ...     def rate(self, m):
        ...         return self.k * m.c_i["K"]
        >>> print(f"{ChannelOfTwo(1e-8).rate(Membrane(-2.5, 310.15, {'K': 4.0}, c_i={'K': 140.0})):.2e}")
        1.40e-06
    """

    atp: ClassVar[int] = 0
    one_way: ClassVar[bool] = False
    rate_field: ClassVar[str | None] = None
    kind: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        own = vars(cls)
        if kind := own.get("kind"):
            fields = {n: f.metadata for n, f in own.items() if isinstance(f, dataclasses.Field)}
            numbers = {n: meta["number"] for n, meta in fields.items() if "number" in meta}
            ion = own.get("ion", dataclasses.field())
            named = isinstance(ion, dataclasses.Field) and ion.default is dataclasses.MISSING
            of_ion = named and "ion" in own.get("__annotations__", ())
            KINDS[kind] = Declared(cls.__module__, cls.__name__, numbers, of_ion, cls)

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
            name: {"unit": number.unit, "meaning": number.meaning}
            for name, number in self.numbers().items()
            if not number.static
        }

    @classmethod
    def numbers(cls) -> dict[str, Number]:
        """What is declared of each number."""
        return {f.name: f.metadata["number"] for f in dataclasses.fields(cls) if "number" in f.metadata}


class CustomMechanism(Mechanism):
    """A mechanism from a plain function of (V_m, c_i, c_o, T).

    Args:
        function: ``f(V_m, c_i, c_o, T) -> rate`` [µmol cm⁻² s⁻¹], JAX-traceable; V_m in mV, T in K, c_i and
            c_o dicts of concentrations [mM].
        stoichiometry: ion name -> ions moved outward a cycle.
        scale: what the rate is multiplied by [1], shape (...).

    Attributes:
        function: as given.
        ions: (ion, how many leave a cycle) of each.
        scale: as given.

    Raises:
        InputError: an unknown ion, no ions, or 0 of one; when called, a function that asks for an ion that is
            not there, fails, or returns no rate.

    Example:
        >>> leak = CustomMechanism(lambda V_m, c_i, c_o, T: 1e-9 * (c_i["H"] - c_o["H"]), {"H": 1})
        >>> m = Membrane(u=-2.5, T=310.15, c_o={"H": 4e-5}, c_i={"H": 6e-5})
        >>> print(f"{leak.rate(m):.1e}")
        2.0e-14
    """

    rate_field = "scale"
    function: Callable = eqx.field(static=True)
    ions: tuple[tuple[str, float], ...] = eqx.field(static=True)
    scale: ArrayLike = quantity("1", "factor on the rate")

    def __init__(self, function: Callable, stoichiometry: Mapping[str, float], scale: ArrayLike = 1.0):
        self.function, self.ions, self.scale = function, moved(stoichiometry), scale

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


def moved(ions: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
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
