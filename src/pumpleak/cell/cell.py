"""A cell and its bath: mechanisms in a membrane around trapped charge, in a neutral solution."""

import warnings
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.typing import ArrayLike

from ..errors import InputError, InputWarning, check_kind, unknown
from ..quantities.ions import valence
from ..quantities.language import unknown_name
from ..quantities.names import kind
from .mechanisms import Mechanism, Membrane

_NEUTRAL = 0.1  # mM of charge that a bath may carry unexplained
_HIGHEST_CHARGE = 2.0  # of an impermeant outside
_COLDEST = 200.0  # K


class Bath(eqx.Module):
    """The solution outside, always neutral.

    What the named ions do not balance is carried by the impermeants outside (buffers, large anions, inert
    substitutes): their mean charge is −Σ z c_o / X_o.

    Args:
        T: temperature [K], > 0.
        X_o: osmolarity of everything outside that does not cross the membrane [mM], >= 0.
        **ions: concentrations ``K_o``, ``Na_o``, ``Cl_o`` … [mM], > 0; of neutral solutes as well, ``glucose_o``, which
            are added to X_o.

    Attributes:
        c: ion name -> concentration [mM].
        X_o: impermeants, neutral solutes among them [mM].
        T: temperature [K].

    Raises:
        InputError: an unknown ion, a concentration that is negative or not a number, or a charge the
            impermeants outside cannot carry.

    Example:
        >>> bath = Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=119.0, X_o=30.0)
        >>> high = bath.change(K_o=10.0)  # K+ for Na+
        >>> print(high.c["Na"], high.osmolarity)
        139.0 298.0
    """

    c: dict[str, ArrayLike]
    X_o: ArrayLike
    T: ArrayLike

    def __init__(self, *, T: ArrayLike, X_o: ArrayLike = 0.0, **ions: ArrayLike):
        self.c = {}
        neutral: dict[str, ArrayLike] = {}
        for name, value in ions.items():
            k = kind(name)
            ion = k.of
            if k.what == "solute":
                neutral[name] = value
                continue
            if k.side != "o" or k.what != "concentration" or not ion:
                raise InputError(
                    f"a bath has no '{name}'", mend="Name ions outside as K_o, Na_o, Cl_o; T; X_o"
                )
            valence(ion)
            self.c[ion] = value
        self.X_o, self.T = X_o, T
        self._check()
        for name, value in neutral.items():
            _check_not_negative(name, value)
            self.X_o = self.X_o + value  # no ion's charge is on it

    def _check(self):
        for name, value in [*((f"{i}_o", c) for i, c in self.c.items()), ("X_o", self.X_o), ("T", self.T)]:
            _check_not_negative(name, value)
        if _known(self.T) and np.any(np.asarray(self.T) < _COLDEST):
            raise InputError(
                f"T = {_worst(self.T)} K is colder than any bath",
                mend="Give kelvin: 273.15 + degrees Celsius",
            )
        if _known(self.charge) and _known(self.X_o):
            charged = np.argwhere(~np.asarray(self.neutral))
            if len(charged):
                shape, at = np.shape(self.neutral), tuple(charged[0])
                one = {ion: float(np.broadcast_to(c, shape)[at]) for ion, c in self.c.items()}
                worst = sum(valence(ion) * c for ion, c in one.items())
                raise InputError(
                    f"the bath is charged: its ions sum to {worst:+.4g} mM of charge"
                    f" ({', '.join(f'{i} {c:.6g}' for i, c in one.items())} mM)",
                    mend="Correct a concentration, or give X_o, the impermeant or inert ions that balance it"
                    " (and name the compensation of a change: an ion, salt, or inert)",
                )

    @property
    def charge(self) -> Any:
        """Σ z c_o of the named ions [mM]: minus the charge on the impermeants outside."""
        return sum(valence(ion) * c for ion, c in self.c.items())

    @property
    def neutral(self) -> Any:
        """Whether the impermeants outside can carry what charge the ions leave: at most 2 on each."""
        return abs(self.charge) <= _HIGHEST_CHARGE * self.X_o + _NEUTRAL

    @property
    def osmolarity(self) -> Any:
        """Π_o = Σ c_o + X_o [mM]."""
        return sum(self.c.values(), start=self.X_o)

    def change(self, compensation: str | None = None, **changes: Any) -> "Bath":
        """The bath with some concentrations changed and others changed to keep it neutral.

        Args:
            compensation: an ion that is swapped for the changed one; ``salt`` (added with Cl⁻, or Na⁺ for an
                anion, osmolarity rising); or ``inert`` (monovalent impermeants of the same charge take its place).
                By default cations are swapped for Na⁺, Na⁺ itself and anions for an inert substitute.
            **changes: ``K_o=10.0`` [mM] and the like; also ``X_o`` (uncharged osmolyte) and ``T`` [K].

        Raises:
            InputError: an ion not in the bath, an unknown compensation, or one that would make a
                concentration negative.
        """
        c: dict[str, Any] = dict(self.c)
        X_o: Any = self.X_o
        T = self.T
        named = {kind(name).of or name for name in changes}
        if compensation in named and named != {compensation}:
            raise InputError(
                f"{compensation}_o is set and is also to make room for others",
                mend="Name another compensation (an ion, salt, or inert), or leave one of them out",
            )
        for name, value in changes.items():
            if name in ("X_o", "T"):
                X_o, T = (value, T) if name == "X_o" else (X_o, value)
                continue
            ion = kind(name).of
            if name != f"{ion}_o" or ion not in c:
                known = [*(f"{i}_o" for i in c), "X_o", "T"]
                raise unknown_name("number", name, known, within="in the bath")
            added, z = value - c[ion], valence(ion)
            c[ion] = value
            partner = compensation or ("Na" if z > 0 and ion != "Na" and "Na" in c else "inert")
            if partner in named and partner != compensation:
                partner = "inert"  # what was asked for stays as asked
            if partner == "salt":
                partner = "Cl" if z > 0 else "Na"
                factor = -z / valence(partner)
            elif partner == "inert":
                X_o = X_o - abs(z) * added
                continue
            else:
                factor = -z / valence(partner)
            if partner == ion:
                raise InputError(f"{name} cannot be compensated by itself", mend="Name another, or inert")
            if partner not in c:
                within = f"in the bath, to make room for {name}"
                raise unknown("compensation", partner, [*c, "salt", "inert"], within=within)
            c[partner] = c[partner] + factor * added
        for name, value in [*((f"{i}_o", v) for i, v in c.items()), ("X_o", X_o)]:
            if _known(value) and np.any(np.asarray(value) < 0):
                asked = ", ".join(f"{k} = {_worst(v)}" for k, v in changes.items())
                raise InputError(
                    f"{asked} leaves {name} = {_worst(value)} mM",
                    mend="Change it by less, or name another compensation (an ion, salt, or inert)",
                )
        return Bath(T=T, X_o=X_o, **{f"{ion}_o": value for ion, value in c.items()})


class Cell(eqx.Module):
    """Mechanisms in a membrane around water, ions and impermeants.

    Args:
        mechanisms: name -> `Mechanism`, e.g. ``{"leak_K": GHKLeak("K", 1e-6), "pump": HillPump(1e-4)}``.
        z_X: mean charge of the impermeants inside [1].
        X_i: their concentration at the reference volume [mM], > 0; in a cell of fixed volume, simply theirs.
        held: ion -> concentration inside [mM] of ions that something else keeps constant (HCO3 by CO2 and
            pH, buffered Ca). Whatever holds them returns their charge as well.
        factors: mechanism name -> factor on its rate [1]; 1 unless given.
        volume: ``osmotic`` (water follows) or ``fixed``.
        wall: pressure of a stretched membrane or wall as an osmolarity: Π_i − Π_o = wall × (volume − 1) above
            the reference volume [mM]; None: no wall.
        volume_to_area: reference volume over membrane area [cm]; sets how fast things change.
        C_m: membrane capacitance [µF cm⁻²], for the dynamics with a capacitive charge.
        L_p: water permeability [cm s⁻¹ mM⁻¹]: d(volume/area)/dt = L_p (Π_i − Π_o); None: water is at
            equilibrium at once.

    Raises:
        InputError: a mechanism without its name or type, an impermeant concentration that is not positive,
            an osmotic cell without impermeants, an unknown `volume`, a factor for no mechanism, a wall, area,
            capacitance, water permeability or factor that is negative (or 0 where that cannot be).

    Attributes:
        mechanisms, z_X, X_i, held, factors, wall, volume_to_area, C_m, L_p, volume: as given; `factors` names
            every mechanism.

    Example:
        >>> from pumpleak import GHKLeak, HillPump
        >>> leaks = {f"leak_{ion}": GHKLeak(ion, P) for ion, P in {"Na": 4e-8, "K": 1e-6, "Cl": 1e-6}.items()}
        >>> cell = Cell({**leaks, "pump": HillPump(3e-5)}, z_X=-0.9, X_i=140.0)
        >>> print(*cell.ions, cell.factors["pump"])
        K Na Cl 1.0
    """

    mechanisms: dict[str, Mechanism]
    z_X: ArrayLike
    X_i: ArrayLike
    held: dict[str, ArrayLike]
    factors: dict[str, ArrayLike]
    wall: ArrayLike | None
    volume_to_area: ArrayLike
    C_m: ArrayLike
    L_p: ArrayLike | None
    volume: str = eqx.field(static=True)

    def __init__(
        self,
        mechanisms: Mapping[str, Mechanism],
        *,
        z_X: ArrayLike,
        X_i: ArrayLike,
        held: Mapping[str, ArrayLike] | None = None,
        factors: Mapping[str, ArrayLike] | None = None,
        volume: str = "osmotic",
        wall: ArrayLike | None = None,
        volume_to_area: ArrayLike = 1e-4,
        C_m: ArrayLike = 1.0,
        L_p: ArrayLike | None = None,
    ):
        _check_mechanisms(mechanisms)
        for name, value in {"z_X": z_X, "X_i": X_i, **(held or {})}.items():
            _refuse_text(name, value)
        if volume not in ("osmotic", "fixed"):
            raise unknown("kind of volume", volume, ("osmotic", "fixed"))
        if volume == "fixed" and wall is not None:
            raise InputError("a wall around a fixed volume has nothing to do", mend="Leave one of them out")
        _check_impermeants(z_X, X_i, volume)
        factors = dict(factors or {})
        for name in factors:
            if name not in mechanisms:
                raise unknown("mechanism", name, mechanisms, within="that a factor could be on")
        _refuse_negative({"wall": wall, **{f"the factor on {name}": f for name, f in factors.items()}})
        _refuse_negative({"volume_to_area": volume_to_area, "C_m": C_m, "L_p": L_p}, nor_zero=True)
        self.mechanisms = dict(mechanisms)
        self.z_X, self.X_i = z_X, X_i
        self.held = dict(held or {})
        self.factors = {name: factors.get(name, 1.0) for name in mechanisms}
        self.volume, self.wall = volume, wall
        self.volume_to_area, self.C_m, self.L_p = volume_to_area, C_m, L_p

    @property
    def ions(self) -> tuple[str, ...]:
        """The ions whose inside concentrations the cell settles by itself."""
        moved = {ion: None for m in self.mechanisms.values() for ion in m.stoichiometry}
        return tuple(sorted((i for i in moved if i not in self.held), key=_usual_order))

    def rates(self, m: Membrane) -> dict[str, Any]:
        """Mechanism name -> cycles [µmol cm⁻² s⁻¹], factors included."""
        return {name: self.factors[name] * mech.rate(m) for name, mech in self.mechanisms.items()}

    def fluxes(self, m: Membrane, rates: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ion -> net outward flux over all mechanisms [µmol cm⁻² s⁻¹]."""
        rates = self.rates(m) if rates is None else rates
        out: dict[str, Any] = {}
        for name, mechanism in self.mechanisms.items():
            for ion, n in mechanism.stoichiometry.items():
                term = rates[name] if isinstance(n, int) and n == 1 else n * rates[name]
                out[ion] = out[ion] + term if ion in out else term
        return out

    def check(self, bath: Bath) -> None:
        """Refuse a bath in which this cell cannot be solved.

        Raises:
            InputError: an ion that a mechanism moves is not in the bath, or held without being there.
        """
        for name, mechanism in self.mechanisms.items():
            for ion in mechanism.stoichiometry:
                if ion not in bath.c:
                    raise InputError(
                        f"the mechanism {name} moves {ion}, which the bath does not have",
                        mend=f"Give {ion}_o, or leave {name} out",
                    )
        if not self.ions:
            raise InputError("nothing crosses this cell's membrane", mend="Give it a leak")
        for ion in self.held:
            valence(ion)


def check_in_bath(cell: object, bath: object) -> None:
    """Refuse what is no cell in its bath.

    Raises:
        InputError: says what it is.
    """
    mend = 'Give a Cell, then a Bath, e.g. by cell, bath = load_preset("neuron")'
    check_kind(cell, Cell, "a cell", mend)
    check_kind(bath, Bath, "a bath", mend)


def _check_mechanisms(mechanisms: Mapping[str, Mechanism]) -> None:
    """Refuse what has no names, what is no mechanism, and numbers of one that cannot be."""
    if not isinstance(mechanisms, Mapping):
        raise InputError(
            f"mechanisms are a {type(mechanisms).__name__}, and have no names",
            mend='Give a dict: {"leak_K": GHKLeak("K", 1e-6), …}',
        )
    for name, mechanism in mechanisms.items():
        if not isinstance(mechanism, Mechanism):
            raise InputError(
                f"'{name}' is a {type(mechanism).__name__}, not a mechanism",
                mend="Use GHKLeak, ChordLeak, HillPump, Cotransporter, … or CustomMechanism",
            )
        for ion in mechanism.stoichiometry:
            valence(ion)
        for field in mechanism.quantities():
            _refuse_text(f"{name}: {field}", getattr(mechanism, field))
        for field, number in mechanism.numbers().items():
            value = getattr(mechanism, field)
            if _known(value) and np.any(wrong := number.impossible(np.asarray(value))):
                worst = _worst(np.asarray(value)[wrong])
                raise InputError(
                    f"{name}: {field} = {worst} is not possible", mend=f"Give a number {number.words}"
                )


def _check_impermeants(z_X: ArrayLike, X_i: ArrayLike, volume: str) -> None:
    """Refuse an osmotic cell without impermeants; warn of a positive charge on them."""
    if _known(X_i) and not np.all(np.asarray(X_i) > (0 if volume == "osmotic" else -1e-300)):
        raise InputError(
            f"impermeants inside X_i = {_worst(X_i)} mM"
            + (": without any, nothing balances water" if volume == "osmotic" else ""),
            mend="Give the concentration of what cannot leave the cell, or volume: fixed",
        )
    if _known(z_X) and np.any(np.asarray(z_X) > 0):
        warnings.warn(
            InputWarning(
                f"z_X = {float(np.max(np.asarray(z_X))):.6g}: impermeants inside are nearly always negative on average"
            ),
            stacklevel=3,
        )


def _check_not_negative(name: str, value: Any) -> None:
    _refuse_text(name, value)
    if _known(value) and not np.all(np.isfinite(value) & (np.asarray(value) >= 0)):
        raise InputError(
            f"{name} = {_worst(value)} is not possible in a bath",
            mend="Give a number of at least 0 (mM; T in K)",
        )


def _refuse_text(name: str, value: Any) -> None:
    if value is None or isinstance(value, (str, bytes)):
        raise InputError(f"{name} = {value!r} is no number", mend="Give a number or an array")


def _refuse_negative(named: Mapping[str, Any], *, nor_zero: bool = False) -> None:
    for name, value in named.items():
        if _known(value) and np.any(np.asarray(value) <= 0 if nor_zero else np.asarray(value) < 0):
            raise InputError(
                f"{name} = {_worst(value)} is not possible in a cell",
                mend=f"Give a number {'above' if nor_zero else 'of at least'} 0",
            )


_ORDER = ("K", "Na", "Cl", "HCO3", "Ca", "Mg")


def _usual_order(ion: str):
    return (_ORDER.index(ion) if ion in _ORDER else len(_ORDER), ion)


def _known(value: Any) -> bool:
    """True for numbers, False for what is being traced (or is no number at all, inside tree operations)."""
    return not isinstance(value, jax.core.Tracer) and isinstance(
        value, (int, float, np.ndarray, np.generic, jax.Array)
    )


def _worst(value: Any) -> str:
    """The value, or the extreme one of several, for a message."""
    return f"{float(np.min(np.asarray(value))):.6g}"
