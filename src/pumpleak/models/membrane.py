"""Models of a membrane whose concentrations are given: GHK, Mullins-Noda, chord and Nernst."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InputError
from ..lazy import jnp
from ..physics.nernst import nernst_potential
from ..quantities.ions import valence
from ..quantities.names import kind
from ..quantities.quantity import Quantity, Setting
from .base import inside, outside

_TEMPERATURE = Quantity("T", "K", "temperature")


def ion_quantities(setting: Setting, ions: Iterable[str]) -> list[Quantity]:
    """Concentrations (or activities) of these ions on both sides, and the temperature."""
    out, ions = [], tuple(ions)
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
    for name in setting.coefficients:
        if kind(name).of not in ions:
            continue
        of, where = kind(name).of, "bath" if kind(name).side == "o" else "cell"
        coefficients.append(Quantity(name, "1", f"activity coefficient of {of} in the {where}"))
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


def ghk_quantities(setting: Setting) -> list[Quantity]:
    return [*_relative(setting, "P", "permeability"), *ion_quantities(setting, setting.ions)]


def ghk(values, setting):
    from ..physics.ghk import ghk_voltage

    P, c_o, c_i, T = (
        _stack(values, _weights(values, setting, "P")),
        _stack(values, [outside(values, x) for x in setting.ions]),
        _stack(values, [inside(values, x) for x in setting.ions]),
        values["T"],
    )
    return ghk_voltage(P, c_o, c_i, setting.z, T)


def mullins_noda_quantities(setting: Setting) -> list[Quantity]:
    if sorted(setting.ions) != ["K", "Na"] or setting.reference != "K":
        raise InputError(
            f"the mullins_noda model has the ions K and Na, with K the reference, not {', '.join(setting.ions)}",
            mend="Cl is at equilibrium in it: set `ions: [K, Na]`, or choose the model ghk",
        )
    pump = [
        Quantity("r", "1", "Na:K coupling ratio of the pump", 1.5),
        Quantity("pump", "1", "1 where the pump runs, 0 where it is blocked", 1.0),
    ]
    return [*ghk_quantities(setting), *pump]


def mullins_noda(values, setting):
    """A blocked pump carries no current, which is the equation at r = 1."""
    from ..physics.mullins_noda import mullins_noda_voltage

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


def chord_quantities(setting: Setting) -> list[Quantity]:
    current = [
        Quantity(
            "I_pump_rel", "mV", f"pump current over the conductance of {setting.reference}", 0.0, -math.inf
        ),
        Quantity("pump", "1", "1 where the pump runs, 0 where it is blocked", 1.0),
    ]
    return [*_relative(setting, "g", "conductance"), *ion_quantities(setting, setting.ions), *current]


def chord(values, setting):
    from ..physics.chord import chord_voltage

    E = [
        nernst_potential(outside(values, x), inside(values, x), z, values["T"])
        for x, z in zip(setting.ions, setting.z, strict=True)
    ]
    g = _stack(values, _weights(values, setting, "g"))
    return chord_voltage(g, _stack(values, E), I_pump=values["I_pump_rel"] * values["pump"])


def nernst_quantities(setting: Setting) -> list[Quantity]:
    return ion_quantities(setting, [setting.reference])


def nernst(values, setting):
    ion = setting.reference
    return nernst_potential(outside(values, ion), inside(values, ion), valence(ion), values["T"])
