"""The pump-leak cell as a model of a Problem: its quantities, and what it predicts under each protocol.

A condition's **protocol** says what had time to settle: ``steady`` (concentrations and volume too), ``acute``
(only V_m: inside concentrations are still those of the baseline condition), ``at`` (t seconds after the
change from the baseline, by the dynamics). Steady potentials fix only ratios of rates, so all are relative
to the reference ion's leak, which stays as in the template.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..cell.cell import Bath, Cell
from ..cell.leaks import ChordLeak, GHKLeak
from ..cell.mechanisms import Membrane
from ..cell.steady import steady_state
from ..errors import InputError
from ..physics.nernst import thermal_voltage
from ..physics.numerics import monotone_root
from ..quantities.ions import valence
from ..quantities.names import kind as kind_of
from ..quantities.quantity import Quantity, Setting

_BRACKET = 25.0  # |u| within which the current must change sign: 670 mV at 37 °C


def quantities(setting: Setting) -> list[Quantity]:
    """What a template cell needs to know: rates relative to the reference leak, constants, bath, charge.

    Raises:
        InputError: no template, or no leak of the reference ion in it.
    """
    cell, bath = _template(setting)
    reference = _reference(setting)
    rates, scales, constants = [], [], []
    for name, mechanism in cell.mechanisms.items():
        rel, scale, ratio = _names(cell, name, reference)
        about = f"rate of {name}"
        if ratio:
            about = {"P": "permeability", "g": "conductance"}[rel[0]] + f" of {mechanism.ion}"
            default = float(_rate(cell, name) / _rate(cell, reference))
            rates.append(Quantity(rel, "1", f"{about} relative to {setting.reference}", default))
        else:
            rates.append(Quantity(rel, "1", f"{about} relative to the template's", 1.0))
        if name == reference:
            rates.pop()
        if scale == "pump":
            scales.append(Quantity(scale, "1", "1 where the pump runs, 0 where it is blocked", 1.0))
        else:
            scales.append(Quantity(scale, "1", f"factor on the {about} in this condition", 1.0))
        for field, what in mechanism.quantities().items():
            if field != mechanism.rate_field:
                lower = -np.inf if mechanism.numbers()[field].domain == "any" else 0.0
                value = float(getattr(mechanism, field))
                constants.append(
                    Quantity(f"{name}_{field}", what["unit"], f"{what['meaning']} of {name}", value, lower)
                )
    outside = [Quantity(f"{ion}_o", "mM", f"{ion} in the bath") for ion in cell.ions]
    outside += [
        Quantity(f"{ion}_o", "mM", f"{ion} in the bath", float(c))
        for ion, c in bath.c.items()
        if ion not in cell.ions
    ]
    held = [Quantity(f"{ion}_i", "mM", f"{ion} in the cell, held", float(c)) for ion, c in cell.held.items()]
    extra = float(bath.X_o - abs(bath.charge))  # as in the template: counter-ions are taken as monovalent
    rest = [
        Quantity(
            "osmolyte_o", "mM", "osmolytes outside beyond the ions and their counter-ions", extra, -np.inf
        ),
        Quantity("z_X", "1", "mean charge of the impermeants inside", float(cell.z_X), -np.inf),
        Quantity("t", "s", "time since the change of bath, where the protocol is at", 0.0),
        Quantity("speed", "1", "factor on all rates at once, which only time courses feel", 1.0),
    ]
    if cell.volume == "fixed" or cell.wall is not None:
        rest.append(Quantity("X_i", "mM", "impermeants inside at the reference volume", float(cell.X_i)))
    return [*rates, *scales, *constants, Quantity("T", "K", "temperature"), *outside, *held, *rest]


def predict(values: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    """V_m [mV], inside concentrations [mM], Nernst potentials [mV], volume over the baseline's, and `ok`."""
    protocols = setting.protocols
    if protocols is not None:
        shape = (len(protocols.kind),)
    else:
        shape = jnp.broadcast_shapes(*(jnp.shape(v) for v in values.values()))
    of_cell = {
        k
        for k in values
        if kind_of(k).place != "bath" and kind_of(k).ratio != "scale" and k not in ("pump", "t")
    }
    one_cell = all(jnp.ndim(values[k]) == 0 for k in of_cell)
    values = {k: jnp.broadcast_to(v, shape) for k, v in values.items()}
    before, settled, each = values, None, None
    if protocols is not None and (protocols.baseline != np.arange(len(protocols.kind))).any():
        # The cell is this condition's, the bath and the blockers are the baseline's.
        before = {k: v if k in of_cell else v[protocols.baseline] for k, v in values.items()}
        if one_cell:  # which settles in each baseline once
            settled, each = np.unique(protocols.baseline, return_inverse=True)
    cell, bath = _fill(before if settled is None else {k: v[settled] for k, v in values.items()}, setting)
    rest = steady_state(cell, bath)
    if each is not None:
        rest = rest._replace(
            V_m=rest.V_m[each],
            c_i={ion: c[each] if jnp.ndim(c) else c for ion, c in rest.c_i.items()},
            volume=rest.volume[each],
            status=rest.status[each],
        )
    ok = rest.ok
    # Where there is no steady state, something harmless stands in: the sum of gradients stays finite.
    inside = {ion: jnp.where(ok, c, 1.0) for ion, c in rest.c_i.items()}
    V_m = jnp.where(ok, rest.V_m, 0.0)
    size = jnp.where(ok, rest.volume, 1.0)
    volume = size
    if protocols is not None:  # what is acute has kept its volume
        volume = jnp.where(
            np.array([k == "steady" for k in protocols.kind]), size / size[protocols.versus], 1.0
        )
    if protocols is not None and before is not values:
        now, now_bath = _fill(values, setting)
        kind = np.array(protocols.kind)
        if (kind == "acute").any():
            V_acute, found = _acute(now, now_bath, inside, V_m / thermal_voltage(before["T"]))
            V_m, ok = jnp.where(kind == "acute", V_acute, V_m), ok & (found | (kind != "acute"))
        if (kind == "at").any():
            later = np.flatnonzero(kind == "at")
            state = _later(values, setting, later, _State(V_m, inside, volume, ok), size)
            V_m, inside, volume, ok = state
    V_T = thermal_voltage(values["T"])
    E = {
        f"E_{ion}": V_T / valence(ion) * jnp.log(values[f"{ion}_o"] / c)
        for ion, c in inside.items()
        if f"{ion}_o" in values
    }
    concentrations = {f"{ion}_i": c for ion, c in inside.items() if ion in cell.ions}
    return {"V_m": V_m, **concentrations, "volume": volume, **E, "ok": ok}


def _acute(cell: Cell, bath: Bath, inside, u_rest):
    """V_m at which the free ions carry no net current, with the concentrations of rest."""
    ends = [_current(cell, bath, jnp.full_like(u_rest, s * _BRACKET), inside) for s in (-1, 1)]
    found = (ends[0] < 0) & (ends[1] > 0)
    size = jax.lax.stop_gradient(jnp.where(found, ends[1] - ends[0], 1.0))

    def balance(u):
        return jnp.where(found, _current(cell, bath, u, inside) / size, u)

    span = jnp.full_like(u_rest, _BRACKET)
    start = jnp.clip(jax.lax.stop_gradient(u_rest), -span, span)
    return thermal_voltage(bath.T) * monotone_root(balance, -span, span, start), found


def _current(cell: Cell, bath: Bath, u, inside):
    """Net outward charge of the free ions [µmol cm⁻² s⁻¹]; that of held ones is returned by their holder."""
    fluxes = cell.fluxes(Membrane(u, bath.T, bath.c, c_i=inside))
    return sum(valence(ion) * fluxes[ion] for ion in cell.ions)


class _State(NamedTuple):
    """What is predicted of each condition."""

    V_m: Any
    inside: dict[str, Any]
    volume: Any
    ok: Any


def _later(values: Mapping[str, Any], setting: Setting, which: np.ndarray, before: _State, size) -> _State:
    """The conditions `which`, t seconds after their baseline gave way to their own bath.

    `size` is the volume at the start over the template's reference; the volume comes back over the start's.
    """
    from ..cell.evolve import evolve

    # One lane at a time in the integrator's steps, all of them in one program.
    picked = {k: v[which] for k, v in values.items()}
    cell, bath = _fill(picked, setting)

    def one(cell, bath, c, size, t, V_m):
        return evolve(cell, bath, c, size, t, start_V_m=V_m)

    start = {ion: c[which] for ion, c in before.inside.items() if ion in cell.ions}
    V, c, grown, found = jax.vmap(one)(cell, bath, start, size[which], picked["t"], before.V_m[which])
    at, there = jnp.asarray(which), before.ok[which] & found

    def put(into, new, harmless):
        return into.at[at].set(jnp.where(there, new, harmless))

    return _State(
        put(before.V_m, V, 0.0),
        {ion: put(a, c[ion], 1.0) if ion in c else a for ion, a in before.inside.items()},
        put(before.volume, grown / size[which], 1.0),
        before.ok.at[at].set(there),
    )


def _fill(values: Mapping[str, Any], setting: Setting) -> tuple[Cell, Bath]:
    """The template with these values in it; the bath is neutral by monovalent counter-ions."""
    cell, bath = _template(setting)
    reference = _reference(setting)
    like = jnp.zeros_like(values["T"])
    unit = _rate(cell, reference)
    mechanisms, factors = {}, {}
    for name, mechanism in cell.mechanisms.items():
        rel, scale, ratio = _names(cell, name, reference)
        rate = getattr(mechanism, mechanism.rate_field) * cell.factors[name]
        if name != reference:
            rate = unit * values[rel] if ratio else rate * values[rel]
        for field in mechanism.quantities():
            value = rate if field == mechanism.rate_field else values[f"{name}_{field}"]
            mechanism = eqx.tree_at(lambda m, f=field: getattr(m, f), mechanism, value + like)
        mechanisms[name] = mechanism
        factors[name] = values[scale] * values["speed"]
    ions = {ion: values[f"{ion}_o"] for ion in bath.c}
    charge = sum(valence(ion) * c for ion, c in ions.items())
    X_o = jnp.maximum(jnp.abs(charge) + values["osmolyte_o"], 0)
    numbers = {
        "z_X": values["z_X"],
        "X_i": values.get("X_i", cell.X_i + like),
        "held": {ion: values[f"{ion}_i"] for ion in cell.held},
        "wall": None if cell.wall is None else cell.wall + like,
        "volume_to_area": cell.volume_to_area + like,
        "C_m": cell.C_m + like,
        "L_p": None if cell.L_p is None else cell.L_p + like,
    }
    filled = Cell(mechanisms, factors=factors, volume=cell.volume, **numbers)
    return filled, Bath(T=values["T"], X_o=X_o, **{f"{ion}_o": c for ion, c in ions.items()})


def _template(setting: Setting) -> tuple[Cell, Bath]:
    if setting.cell is None:
        raise InputError(
            "the model pump_leak needs a cell to start from",
            mend="Add e.g. `cell: {preset: neuron}` to the config, or cell=load_preset('neuron')",
            column="cell",
        )
    cell, bath = setting.cell
    return cell, bath


def _reference(setting: Setting) -> str:
    """The reference ion's leak, whose rate stays the template's: the first of them that is not 0."""
    cell, _ = _template(setting)
    leaks = {
        name: mechanism.ion
        for name, mechanism in cell.mechanisms.items()
        if isinstance(mechanism, GHKLeak | ChordLeak) and float(_rate(cell, name)) > 0
    }
    for name, ion in leaks.items():
        if ion == setting.reference:
            return name
    usable = [ion for ion in cell.ions if ion in leaks.values()]
    raise InputError(
        f"the cell has no leak of {setting.reference} for the others to be relative to: a ghk_leak or chord_leak,"
        " its rate above 0",
        mend=f"Write `reference:` {' or '.join(usable)}, which it has"
        if usable
        else "Give the cell such a leak",
        column="reference",
    )


def _rate(cell: Cell, name: str):
    mechanism = cell.mechanisms[name]
    return getattr(mechanism, mechanism.rate_field) * cell.factors[name]


def _names(cell: Cell, name: str, reference: str) -> tuple[str, str, bool]:
    """Names of a mechanism's relative rate and of a condition's factor on it, and whether it is a ratio to the
    reference's rate: so are those of leaks of its kind, where they are the only one of their ion."""

    def symbol(name):
        mechanism = cell.mechanisms[name]
        alike = type(mechanism) is type(cell.mechanisms[reference])
        return f"{mechanism.rate_field}_{mechanism.ion}" if alike else None

    own = symbol(name)
    if own and (name == reference or [symbol(n) for n in cell.mechanisms].count(own) == 1):
        return f"{own}_rel", f"{own}_scale", True
    return f"{name}_rel", "pump" if name == "pump" else f"{name}_scale", False
