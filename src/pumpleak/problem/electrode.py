"""Electrode: what the instrument makes of the membrane potential, and the quantities that belong to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..lazy import jnp
from ..models.base import coefficient, inside
from ..physics.arguments import computed
from ..physics.nernst import nernst_potential
from ..physics.numerics import as_floats
from ..quantities.names import kind as kind_of
from ..quantities.names import observable_unit
from ..quantities.quantity import Quantity
from .noise import KINDS

if TYPE_CHECKING:
    import jax
    from jax.typing import ArrayLike

#: What instruments make of V_m; every model that predicts V_m can be read so.
INSTRUMENTS = ("V_patch", "dye", "dye_log")
#: What an electrode reads, so that its junction, offset and drift are in it.
ON_ELECTRODES = ("V_m", "V_patch")
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
    observables = tuple(observables)
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
    if "V_patch" in observables:
        out.append(Quantity("K_pipette", "mM", "K in the pipette of a cell-attached patch"))
    if any(kind_of(obs).what == "dye" for obs in observables):
        out.append(Quantity("dye_F0", "1", "the dye's signal at 0 mV"))
        out.append(Quantity("dye_slope", "1", "the dye's relative change per 100 mV", None, free))
    for obs in observables:
        unit = observable_unit(obs)
        out += [
            Quantity(f"sigma_{obs}", unit, f"sd of one reading of {obs} where the table gives none"),
            Quantity(f"extra_{obs}", unit, f"scatter of {obs} beyond its standard error"),
        ]
    return [*out, *KINDS[noise]]


@computed()
def instrument_reading(
    kind: str, observables: Mapping[str, Any], values: Mapping[str, Any], by_row: Callable[[Any], Any]
) -> Any:
    """What is expected to be read of one observable in every table row.

    - ``V_m``, by an electrode inside: ``shunted V_m + LJP + V_offset + drift·time + drift_row·k`` in row k = 0, 1, …
    - ``V_patch``, the command at which the K⁺ current of a cell-attached patch reverses, as inside minus outside of
      the patch needs E_K of the pipette: ``V_m − (RT/F) ln(K_pipette/K_i)``, and the electrode's terms but for the
      shunt. With K_pipette = K_i it is V_m, without a hole in the cell.
    - ``dye``: ``F = dye_F0 (1 + dye_slope·V_m/100 mV)``; ``dye_log``, the logarithm of a signal or ratio:
      ``ln F = ln dye_F0 + dye_slope·V_m/100 mV``.
    - What a model predicts besides is read as it is.

    Args:
        kind: the observable.
        observables: the model's predictions, each a scalar or one value a condition.
        values: the quantities' values; those of the observation are scalars or one value a row.
        by_row: from a value a condition to a value a row, (R,).

    References:
        V_patch: Verheugen, Fricker & Miles 1999, J. Neurosci. 19:2546-2555. dye: Ehrenberg et al. 1988, Biophys. J.
        53:785-794 (Nernstian redistribution: ln F); Loew 1996, Pure Appl. Chem. 68:1405-1409 (in proportion to V_m).
    """
    if kind not in INSTRUMENTS and kind != "V_m":
        return by_row(observables[kind])
    V_m = by_row(observables["V_m"])
    if kind == "dye":
        return values["dye_F0"] * (1 + values["dye_slope"] * V_m / 100)
    if kind == "dye_log":
        return jnp.log(values["dye_F0"]) + values["dye_slope"] * V_m / 100
    electrode = values["LJP"] + values["V_offset"] + values["drift"] * values["time"] / _SECONDS
    electrode = electrode + values["drift_row"] * jnp.arange(len(V_m))
    if kind == "V_patch":
        outside = by_row(coefficient(values, "K", "o")) * values["K_pipette"]
        E_K = nernst_potential(
            outside, by_row(_inside_potassium(observables, values)), 1, by_row(values["T"])
        )
        return V_m - E_K + electrode
    return shunted_voltage(V_m, values["shunt_rel"], values["E_shunt"]) + electrode


def _inside_potassium(observables: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """K⁺ inside, as the model predicts it, or its activity, or its concentration as it is given."""
    if "K_i" in observables:
        return observables["K_i"]
    return inside(values, "K")
