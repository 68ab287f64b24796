"""Assemble a Problem: decide, for every quantity of every table row, where its value comes from."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.measurements import Measurements
from ..errors import InputError, InputWarning, kind_of
from ..models.base import Model
from ..models.protocols import in_words, row_protocols
from ..models.registry import make_model, starting_cell
from ..quantities.names import kind
from ..quantities.quantity import Quantity
from ..text import listing
from .as_config import model_config, plain_config
from .baths import charged_baths, turned_around, unevenly_filled
from .coefficients import own_coefficients, with_valences
from .electrode import observation_quantities
from .given import Given, Spec
from .noise import KINDS, Recording
from .parameters import Parameter
from .problem import Arrays, Problem, Slot
from .resolve import Builder, check_chains, conditions
from .rules import (
    breaches,
    check_observables,
    check_recording,
    cut,
    floors,
    known_variance,
    negative_swaps,
)
from .same_names import check_same_names
from .unused import said_of_many, said_of_unused, unused_labels


def make_problem(
    measurements: Measurements,
    quantities: Mapping[str, Spec],
    *,
    model: str | Model = "ghk",
    ions: Iterable[str] = ("K", "Na"),
    reference: str | None = None,
    cell: Any = None,
    protocol: str | None = None,
    baseline: str | None = None,
    solutions: Mapping[str, Mapping[str, Spec]] | None = None,
    noise: str = "normal",
    same_cells: bool | Sequence[str] | None = None,
    recording: Recording | None = None,
    title: str = "untitled",
    config: dict | None = None,
    merge: bool = True,
) -> Problem:
    """Join a model, what is known or believed of its quantities, and a table of readings.

    A quantity of a row is taken from the table's column; else from the row's solution; else from
    `quantities`; else from its default. Given twice, it is an error.

    Args:
        measurements: from `read_table` or `load_dataset`.
        quantities: name -> a number in canonical units (mM, mV, K, 1), a `Prior`, a `Latent` (a prior
            with levels), a `Swap`, for LJP a `Junction`, for an activity coefficient `Davies()`.
        model: a registered model's name, or a `Model`.
        ions: the permeant ions; the first is the reference unless `reference` names another.
        cell: for ``pump_leak``, the cell and bath to start from, as from `load_preset` or `load_cell`; or a preset's name.
        protocol: for ``pump_leak``, of the rows without one in the table's column ``protocol``: ``steady``,
            ``acute`` (concentrations stay the baseline's) or ``at`` (after t, by the dynamics).
        baseline: for rows that are not ``steady`` and have none in the column ``baseline``: the label or
            solution of the row whose bath came before.
        solutions: the same for single solutions, by the table's ``solution`` column.
        noise: ``normal``, ``student_t``, or ``outliers``: normal, and a share of readings several times as wide.
        same_cells: columns under whose levels a name is one and the same cell (drug, where each cell had control and
            drug); True: all, False: none. Asked for where a name occurs under several levels and could be two cells'.
        recording: of single readings of V_m: the step they were rounded to, and the least and the largest that
            could be read; `Recording`.
        title: for people.
        config: the resolved config to keep with the results.
        merge: whether rows alike in every model quantity are one condition, solved once.

    Returns:
        The `Problem`, which `fit`, `infer` and `predict` take.

    Raises:
        InputError: something is unknown, missing, given twice or impossible; says where and the mend.

    Example:
        >>> from pumpleak import load_dataset, lognormal, make_problem
        >>> problem = make_problem(load_dataset("textbook_resting"), {"P_Na_rel": lognormal(0.05, 3)})
        >>> print(*(p.name for p in problem.parameters))
        P_Na_rel sigma_V_m
    """
    _check_types(measurements, quantities, model)
    cell = starting_cell(cell)
    if noise not in KINDS:
        raise InputError(f"noise must be one of {', '.join(KINDS)}, not {noise!r}", column="noise")
    recording = recording or Recording()
    check_recording(recording)
    given, ions = Given(measurements, quantities, solutions or {}, same_cells), tuple(ions)
    recipe = {
        "quantities": quantities,
        "model": model,
        "ions": ions,
        "reference": reference,
        "cell": cell,
        "protocol": protocol,
        "baseline": baseline,
        "solutions": given.solutions,
        "noise": noise,
        "same_cells": same_cells,
        "recording": recording,
        "title": title,
    }
    if isinstance(model, str):
        activities = [ion for ion in ions if f"a{ion}_i" in given.names]
        given = replace(
            given,
            quantities=with_valences(quantities, ions, activities),
            solutions={s: with_valences(said, ions, activities) for s, said in given.solutions.items()},
        )
        own = own_coefficients(given, ions, activities)
        model = make_model(
            model, ions, reference=reference, activities=activities, coefficients=own, cell=cell
        )
    if protocol or baseline or cell is not None:
        _check_has_cell(model)
    observables = measurements.observables
    observation = observation_quantities(observables, noise)
    builder = Builder(given, model, observation)
    _check(builder, observables, recording)
    columns = {q.name: builder.resolve(q) for q in builder.all.values()}
    check_chains(columns)
    scales = [q for q in builder.all if kind(q).ratio == "scale" and kind(q).of]
    chains = {columns: (q.name, latent) for columns, (q, latent) in builder.chains.items()}
    check_same_names(given, builder.levels, chains, scales)
    assumptions = [
        *measurements.notes,
        *_of_no_use(builder),
        *builder.assumptions,
        *_without_pump(model, builder.defaulted),
        *_doubtful(given),
        *_charged(given, model),
    ]
    has_cell, of_model = model.setting.cell is not None, builder.solved
    rows = row_protocols(measurements, protocol, baseline, given.says("t")) if has_cell else None
    solved = [column for q, column in columns.items() if q in of_model]
    condition, first_row = conditions(solved, len(measurements.labels), rows, merge)
    if rows is not None:
        protocols = rows.of_conditions(condition, first_row)
        model = replace(model, setting=replace(model.setting, protocols=protocols))
        assumptions += in_words(protocols, [measurements.labels[row] for row in first_row])
    used = {c for chain in chains for c in chain} | ({"solution"} if given.solutions else set())
    used |= {"protocol", "baseline"} if has_cell else set()
    unused = unused_labels(measurements, used, condition)
    placed = {q: c.at(first_row if q in of_model else slice(None)) for q, c in columns.items()}
    slots, known = ({q: pair[k] for q, pair in placed.items()} for k in (0, 1))
    parameters = _swapped(builder.pool.parameters, slots, known, given, first_row)
    if unused:
        by = {q: chain for chain, (q, _) in chains.items()}
        said = said_of_unused(measurements, unused, parameters, by, scales)
        assumptions = [*said_of_many(measurements, unused), said, *assumptions]
    if config is None:
        units, setting = {q.name: q.unit for q in builder.all.values()}, model.setting
        keys = model_config(model.name, setting.ions, setting.reference, observables, noise, recording)
        keys |= measurements.wanted.as_config()
        keys |= {} if same_cells is None else {"same_cells": same_cells}
        config = plain_config(quantities, given.solutions, units, title=title, **keys)
    return Problem(
        model=model,
        parameters=parameters,
        measurements=measurements,
        slots=slots,
        condition=condition,
        first_row=first_row,
        noise=noise,
        numbers=_numbers(measurements, parameters, known),
        title=title,
        assumptions=tuple(assumptions),
        config=config,
        recipe=recipe,
        recording=recording,
        defaulted=tuple(builder.defaulted),
        unused=unused,
    )


def _check_types(measurements: object, quantities: object, model: object) -> None:
    """Refuse what is no table of readings, no quantities by name, or no model."""
    if not isinstance(measurements, Measurements):
        raise InputError(
            f"the measurements must be a table that was read, not {kind_of(measurements)}",
            mend="Read it first: make_problem(read_table(table), …), or load_dataset(name)",
        )
    if not isinstance(quantities, Mapping):
        raise InputError(
            f"the quantities must be a mapping of names to values, not {kind_of(quantities)}",
            mend='Write e.g. {"P_Na_rel": lognormal(0.05, 3), "K_i": 140.0}',
        )
    if not isinstance(model, str | Model):
        raise InputError(
            f"model must be a model or its name, not {kind_of(model)}",
            mend="Give a name of list_models()",
            column="model",
        )


def _of_no_use(builder: Builder) -> list[str]:
    """What is said of quantities of the table that a config would be refused for: the model has no use for them."""
    idle = [q for q in builder.m.quantities if q not in builder.all and not kind(q).is_bath_ion]
    return [f"The table's {listing(idle)} is of no use to the model {builder.model.name}."] if idle else []


def _check_has_cell(model: Model) -> None:
    """Refuse a cell or a protocol for a model that has no use for them."""
    if model.name != "pump_leak":
        raise InputError(
            f"cell, protocol and baseline belong to the model pump_leak, not to {model.name}",
            mend="Write `model: pump_leak`, or leave them out",
            column="model",
        )


def _check(builder: Builder, observables: Sequence[str], recording: Recording) -> None:
    """Refuse names that nobody knows, readings the model does not predict, and numbers that cannot be."""
    builder.check_names()
    builder.check_activities()
    check_observables(builder.model, observables)
    _check_numbers(builder.given, builder.all.values(), recording)
    builder.check_drift()


def _check_numbers(given: Given, known: Iterable[Quantity], recording: Recording) -> None:
    """Refuse a table with a number that cannot be."""
    m = given.m
    columns = {q: (values, np.arange(len(values))) for q, values in m.quantities.items()}
    kinds = {
        d: {o: m.readings_of(o, differences=d) for o in dict.fromkeys(m.observable)} for d in (False, True)
    }
    readings = {**columns, **kinds[False], **{f"d{o}": found for o, found in kinds[True].items()}}
    plain, differences = ({o: r for o, (r, _) in kinds[d].items()} for d in (False, True))
    for breach in breaches(known, m.quantities, plain, differences, recording):
        for i in np.flatnonzero(breach.wrong)[:1]:
            raise breach.error(i, **given.where(readings[breach.column][1][i]), column=breach.column)


def _without_pump(model: Model, defaulted: Iterable[str]) -> list[str]:
    """What a pump's current would change of K⁺ and Na⁺ in a model that has none.

    At rest with K⁺ and Na⁺ alone crossing, currents I_Na = −r I_K hold what I_Na = −I_K holds at a ratio r times less:
    Mullins & Noda 1963, J. Gen. Physiol. 47:117, doi 10.1085/jgp.47.1.117; of conductances likewise.
    """
    ions, symbol = model.setting, {"ghk": "P", "chord": "g"}.get(model.name)
    none = model.name == "ghk" or "I_pump_rel" in defaulted
    if symbol is None or not none or ions.reference != "K" or "Na" not in ions.ions:
        return []
    return [
        f"No pump current: of a cell at rest whose pump moves 3 Na+ for 2 K+ (r = 1.5), {symbol}_Na/{symbol}_K is 1.5 "
        "times this; a reversal potential of one current has none."
    ]


def _doubtful(given: Given) -> list[str]:
    """What is probably not meant of the baths: a warning where it would be a mistake, else a remark."""
    turned, uneven = turned_around(given), unevenly_filled(given)
    if turned:
        warnings.warn(InputWarning(f"{turned}."), stacklevel=3)
    return [uneven] * bool(uneven)


def _charged(given: Given, model: Model) -> list[str]:
    """What is assumed of baths whose ions carry a charge; a warning where the model has nothing to carry the rest."""
    charged = "; ".join(charged_baths(given))
    if not charged:
        return []
    if model.name == "pump_leak":
        return [f"Baths are balanced by monovalent ions that do not cross: {charged}."]
    warnings.warn(
        InputWarning(
            f"{given.m.file}: the ions given for a bath do not balance: {charged}. "
            "If others carry the rest, name them too (e.g. Ca_o_mM, HCO3_o_mM under quantities); "
            "if not, a concentration is mistyped."
        ),
        stacklevel=3,
    )
    return []


def _swapped(
    parameters: Sequence[Parameter],
    slots: Mapping[str, Slot],
    known: Mapping[str, Any],
    given: Given,
    first_row: np.ndarray,
) -> tuple[Parameter, ...]:
    """The parameters, cut where a total is at least what it is swapped for.

    Raises:
        InputError: a total is below that.
    """
    for k, breach in negative_swaps(slots, known):
        if breach.wrong:
            raise breach.error((), **given.where(first_row[k]), column=breach.column)
    out = list(parameters)
    for i, floor in floors(parameters, slots, known).items():
        out[i] = replace(out[i], prior=cut(out[i].prior, float(floor), out[i].source))
    return tuple(out)


def _numbers(m: Measurements, parameters: tuple[Parameter, ...], known: dict) -> Arrays:
    count = np.where(np.isfinite(m.n), m.n, 1.0)
    sites = [s for p in parameters for s in p.sites]
    prior = {s.name: s.prior.params for s in sites}
    return Arrays(
        known=known,
        prior=prior,
        standard={},
        value=np.asarray(m.value, float),
        variance=known_variance(m),
        count=count,
        mask=np.isfinite(m.value),
    )
