"""Models of the membrane: which quantities each needs, and the potential it predicts from them.

A model is a name, a list of quantities and a pure function of their values. `ghk`, `mullins_noda`,
`chord` and `nernst` are here, `pump_leak` in a file of its own; `register_model` adds a user's own, and every engine then has it.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from ..errors import InputError, nearest
from ..physics.chord import chord_voltage
from ..physics.ghk import ghk_voltage
from ..physics.mullins_noda import mullins_noda_voltage
from ..physics.nernst import nernst_potential
from ..quantities.ions import valence
from ..quantities.quantity import Quantity, Setting
from . import pump_leak


class Prediction(NamedTuple):
    """What a model says of C conditions.

    Attributes:
        observables: name -> (C,) array; always ``V_m`` [mV].
        ok: (C,) bool; False where the model has no answer (the value there means nothing).
    """

    observables: dict[str, Any]
    ok: Any


@dataclass(frozen=True)
class Model:
    """A named model in one setting: its quantities and its prediction."""

    name: str
    setting: Setting
    quantities: tuple[Quantity, ...]
    equation: str
    _function: Callable[[Mapping[str, Any], Setting], Any]

    def predict(self, values: Mapping[str, Any]) -> Prediction:
        """Predict every observable from the quantities' values, each a scalar or shape (C,)."""
        out = self._function(values, self.setting)
        out = dict(out) if isinstance(out, Mapping) else {"V_m": out}
        ok = out.pop("ok", jnp.isfinite(out["V_m"]))
        for ion, z in zip(self.setting.ions, self.setting.z, strict=True):
            if f"{ion}_o" in values and f"E_{ion}" not in out:
                out[f"E_{ion}"] = nernst_potential(outside(values, ion), inside(values, ion), z, values["T"])
        return Prediction(out, ok)


def outside(values: Mapping[str, Any], ion: str):
    """Activity of an ion in the bath, gamma_o × concentration [mM]."""
    return values["gamma_o"] * values[f"{ion}_o"]


def inside(values: Mapping[str, Any], ion: str):
    """Activity of an ion in the cell: as given, or gamma_i × concentration [mM]."""
    return values[f"a{ion}_i"] if f"a{ion}_i" in values else values["gamma_i"] * values[f"{ion}_i"]


_TEMPERATURE = Quantity("T", "K", "temperature")


def ion_quantities(setting: Setting, ions: Iterable[str]) -> list[Quantity]:
    """Concentrations (or activities) of these ions on both sides, and the temperature."""
    out = []
    for ion in ions:
        out.append(Quantity(f"{ion}_o", "mM", f"{ion} in the bath"))
        if ion in setting.activities:
            out.append(Quantity(f"a{ion}_i", "mM", f"{ion} activity in the cell"))
        else:
            out.append(Quantity(f"{ion}_i", "mM", f"{ion} in the cell"))
    coefficients = [
        Quantity("gamma_o", "1", "activity coefficient in the bath", 1.0),
        Quantity("gamma_i", "1", "activity coefficient in the cell", 1.0),
    ]
    return [_TEMPERATURE, *out, *coefficients]


def _stack(values: Mapping[str, Any], names_or_arrays) -> Any:
    """Stack quantities, broadcast against each other, on a last axis."""
    arrays = [values[x] if isinstance(x, str) else x for x in names_or_arrays]
    return jnp.stack(jnp.broadcast_arrays(*arrays), axis=-1)


def _relative(setting: Setting, symbol: str, what: str) -> list[Quantity]:
    ref = setting.reference
    rel = [Quantity(f"{symbol}_{x}_rel", "1", f"{what} of {x} relative to {ref}") for x in setting.others]
    scale = [
        Quantity(f"{symbol}_{x}_scale", "1", f"factor on the {what} of {x} in this condition", 1.0)
        for x in setting.ions
    ]
    return rel + scale


def _weights(values: Mapping[str, Any], setting: Setting, symbol: str) -> list:
    return [
        values[f"{symbol}_{x}_scale"] * (1.0 if x == setting.reference else values[f"{symbol}_{x}_rel"])
        for x in setting.ions
    ]


def _ghk_quantities(setting: Setting) -> list[Quantity]:
    return [*_relative(setting, "P", "permeability"), *ion_quantities(setting, setting.ions)]


def _ghk(values, setting):
    P, c_o, c_i, T = (
        _stack(values, _weights(values, setting, "P")),
        _stack(values, [outside(values, x) for x in setting.ions]),
        _stack(values, [inside(values, x) for x in setting.ions]),
        values["T"],
    )
    return ghk_voltage(P, c_o, c_i, setting.z, T)


def _mullins_noda_quantities(setting: Setting) -> list[Quantity]:
    if sorted(setting.ions) != ["K", "Na"] or setting.reference != "K":
        raise InputError(
            f"the mullins_noda model has the ions K and Na, with K the reference, not {', '.join(setting.ions)}",
            mend="Cl is at equilibrium in it: set `ions: [K, Na]`, or choose the model ghk",
        )
    pump = [
        Quantity("r", "1", "Na:K coupling ratio of the pump", 1.5),
        Quantity("pump", "1", "1 where the pump runs, 0 where it is blocked", 1.0),
    ]
    return [*_ghk_quantities(setting), *pump]


def _mullins_noda(values, setting):
    """A blocked pump carries no current, which is the equation at r = 1."""
    P = dict(zip(setting.ions, _weights(values, setting, "P"), strict=True))
    r = 1.0 + (values["r"] - 1.0) * values["pump"]
    return mullins_noda_voltage(
        P["K"],
        P["Na"],
        outside(values, "K"),
        inside(values, "K"),
        outside(values, "Na"),
        inside(values, "Na"),
        values["T"],
        r=r,
    )


def _chord_quantities(setting: Setting) -> list[Quantity]:
    current = [
        Quantity(
            "I_pump_rel", "mV", f"pump current over the conductance of {setting.reference}", 0.0, -math.inf
        ),
        Quantity("pump", "1", "1 where the pump runs, 0 where it is blocked", 1.0),
    ]
    return [*_relative(setting, "g", "conductance"), *ion_quantities(setting, setting.ions), *current]


def _chord(values, setting):
    E = [
        nernst_potential(outside(values, x), inside(values, x), z, values["T"])
        for x, z in zip(setting.ions, setting.z, strict=True)
    ]
    g = _stack(values, _weights(values, setting, "g"))
    return chord_voltage(g, _stack(values, E), I_pump=values["I_pump_rel"] * values["pump"])


def _nernst_quantities(setting: Setting) -> list[Quantity]:
    return ion_quantities(setting, [setting.reference])


def _nernst(values, setting):
    ion = setting.reference
    return nernst_potential(outside(values, ion), inside(values, ion), valence(ion), values["T"])


class _Entry(NamedTuple):
    quantities: Callable[[Setting], Iterable[Quantity]]
    predict: Callable[[Mapping[str, Any], Setting], Any]
    equation: str


_REGISTRY: dict[str, _Entry] = {
    "ghk": _Entry(
        _ghk_quantities,
        _ghk,
        "Goldman-Hodgkin-Katz: zero total constant-field current at fixed concentrations",
    ),
    "mullins_noda": _Entry(
        _mullins_noda_quantities,
        _mullins_noda,
        "Mullins-Noda: V_m = (RT/F) ln[(r P_K K_o + P_Na Na_o)/(r P_K K_i + P_Na Na_i)]",
    ),
    "chord": _Entry(_chord_quantities, _chord, "chord conductance: V_m = (Σ g_j E_j − I_pump)/Σ g_j"),
    "nernst": _Entry(_nernst_quantities, _nernst, "Nernst: V_m = (RT/zF) ln(c_o/c_i), one ion's electrode"),
    "pump_leak": _Entry(pump_leak.quantities, pump_leak.predict, pump_leak.EQUATION),
}


def register_model(name: str, *, quantities, equation: str = "a user's own model"):
    """Register a model of your own, usable wherever ``ghk`` is.

    Args:
        name: what configs call it.
        quantities: the `Quantity` records it needs, or a function of the `Setting` that lists them.
        equation: one line for the report.

    Returns:
        A decorator for ``predict(values, setting)``, a JAX-traceable function of a dict of arrays
        (each a scalar or one value a condition), which returns V_m [mV], or a dict of observables
        with ``V_m`` among them and, if the model may have no answer, a boolean ``ok``.

    Raises:
        ValueError: the name is taken.

    Example:
        >>> from pumpleak import Quantity, register_model
        >>> @register_model("half", quantities=[Quantity("E_rest", "mV", "resting level", lower=-200.0)])
        ... def half(values, setting):
        ...     return 0.5 * values["E_rest"]
    """
    if name in _REGISTRY:
        raise ValueError(f"a model named {name!r} is registered already")
    listing = quantities if callable(quantities) else lambda setting: quantities

    def decorate(predict):
        _REGISTRY[name] = _Entry(listing, predict, equation)
        return predict

    return decorate


def list_models() -> tuple[str, ...]:
    """Names of the registered models."""
    return tuple(_REGISTRY)


def make_model(
    name: str,
    ions: Iterable[str] = ("K", "Na"),
    *,
    reference: str | None = None,
    activities: Iterable[str] = (),
    cell: Any = None,
) -> Model:
    """The named model for these ions.

    Args:
        name: a registered model.
        ions: the permeant ions.
        reference: the ion whose permeability is 1; the first ion by default.
        activities: ions whose inside value is an activity.
        cell: for pump_leak, (cell, bath) as from `load_preset`: the numbers nobody gives.

    Raises:
        InputError: an unknown model or ion, an ion listed twice, a reference not among the ions.
    """
    ions = tuple(ions)
    if name not in _REGISTRY:
        raise InputError(
            f"there is no model '{name}'{nearest(name, _REGISTRY)}",
            mend=f"Models: {', '.join(_REGISTRY)}",
            column="model",
        )
    if cell is not None and name == "pump_leak":
        own = cell[0].ions
        if not (set(ions) <= {"K", "Na"} or set(ions) == set(own)):
            raise InputError(
                f"the ions of a pump-leak cell are its own, {', '.join(own)}, not {', '.join(ions)}",
                mend="Leave `ions` out",
                column="ions",
            )
        ions = tuple(own)
    if not ions or len(set(ions)) < len(ions):
        raise InputError(
            f"ions must be named once each, not {list(ions)}", mend="Write e.g. `ions: [K, Na, Cl]`"
        )
    for ion in ions:
        valence(ion)
    reference = reference or ions[0]
    if reference not in ions:
        raise InputError(
            f"the reference ion {reference} is not among the ions {', '.join(ions)}", column="reference"
        )
    setting = Setting(ions, reference, frozenset(activities), cell)
    entry = _REGISTRY[name]
    return Model(name, setting, tuple(entry.quantities(setting)), entry.equation, entry.predict)
