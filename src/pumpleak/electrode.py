"""Electrode: what the instrument makes of the membrane potential, and the quantities that belong to it."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ._numerics import as_floats
from .noise import KINDS
from .quantities import Quantity, observable_unit

_SECONDS = 60.0  # in a minute: time is in s, drift in mV/min


def shunted_voltage(V_m: ArrayLike, shunt_rel: ArrayLike, E_shunt: ArrayLike = 0.0) -> jax.Array:
    """Potential of a cell whose membrane leaks around a sharp electrode.

        V = (g_in V_m + g_shunt E_shunt) / (g_in + g_shunt) = (V_m + s E_shunt) / (1 + s),  s = g_shunt / g_in

    Why small cells read too positive: with an input resistance of 1 GΩ and a seal of 2 GΩ around the tip
    s = 0.5, and −75 mV becomes −50 mV.

    Args:
        V_m: potential without the electrode [mV], shape (...).
        shunt_rel: conductance of the shunt over the cell's input conductance [1], shape (...), >= 0.
        E_shunt: potential at which no current crosses the shunt [mV]; 0, a hole in the membrane, by default.

    Returns:
        V [mV], shape (...).

    References:
        Ince et al. 1986, Biophys. J. 50:1203-1209 (microelectrodes in small cells beside the patch clamp).

    Example:
        >>> print(shunted_voltage(V_m=-75.0, shunt_rel=0.5))
        -50.0
    """
    V_m, shunt_rel, E_shunt = as_floats(V_m, shunt_rel, E_shunt)
    return (V_m + shunt_rel * E_shunt) / (1 + shunt_rel)


def observation_quantities(observables: Iterable[str], noise: str) -> list[Quantity]:
    """Quantities that belong to the reading, not to the membrane."""
    free = -math.inf
    out = [
        Quantity("V_offset", "mV", "reading minus V_m that belongs to the electrode", 0.0, free),
        Quantity("LJP", "mV", "liquid junction potential, bath minus pipette: reading − V_m", 0.0, free),
        Quantity("shunt_rel", "1", "conductance of the electrode's shunt over the cell's own", 0.0),
        Quantity("E_shunt", "mV", "potential at which the shunt passes no current", 0.0, free),
        Quantity("drift", "mV/min", "drift of the electrode's offset", 0.0, free),
        Quantity("drift_row", "mV", "drift of the electrode's offset from row to row", 0.0, free),
        Quantity("time", "s", "when the reading was taken, from when the offset was V_offset", 0.0, free),
    ]
    for obs in observables:
        unit = observable_unit(obs)
        out += [
            Quantity(f"sigma_{obs}", unit, f"sd of one reading of {obs} where the table gives none"),
            Quantity(f"extra_{obs}", unit, f"scatter of {obs} beyond its standard error"),
        ]
    return [*out, *KINDS[noise]]


def instrument_reading(
    kind: str, observables: Mapping[str, Any], values: Mapping[str, Any], by_row: Callable[[Any], Any]
) -> Any:
    """What is expected to be read of one observable in every table row.

    ``V_m`` is read as ``shunted V_m + LJP + V_offset + drift·time + drift_row·k`` in row k = 0, 1, …; what a
    model predicts besides is read as it is.

    Args:
        kind: the observable.
        observables: the model's predictions, each a scalar or one value a condition.
        values: the quantities' values; those of the observation are scalars or one value a row.
        by_row: from a value a condition to a value a row, (R,).
    """
    if kind != "V_m":
        return by_row(observables[kind])
    V_m = by_row(observables["V_m"])
    electrode = values["LJP"] + values["V_offset"] + values["drift"] * values["time"] / _SECONDS
    electrode = electrode + values["drift_row"] * jnp.arange(len(V_m))
    return shunted_voltage(V_m, values["shunt_rel"], values["E_shunt"]) + electrode
