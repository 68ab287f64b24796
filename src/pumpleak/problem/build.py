"""Assemble a Problem: decide, for every quantity of every table row, where its value comes from."""

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.measurements import Measurements
from ..errors import InputError, InputWarning
from ..models.base import Model
from ..models.protocols import in_words, row_protocols
from ..models.registry import make_model
from .as_config import model_config, plain_config
from .baths import charged_baths
from .electrode import observation_quantities
from .noise import KINDS, Recording
from .parameters import Parameter
from .problem import Arrays, Problem, Slot
from .resolve import Builder, Spec, check_chains, conditions
from .rules import check_model_answers, known_variance, within_domain


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
            with levels), a `Swap`, or for LJP a `Junction`.
        model: a registered model's name, or a `Model`.
        ions: the permeant ions; the first is the reference unless `reference` names another.
        cell: for ``pump_leak``, the cell and bath to start from, as from `load_preset` or `load_cell`.
        protocol: for ``pump_leak``, of the rows without one in the table's column ``protocol``: ``steady``,
            ``acute`` (concentrations stay the baseline's) or ``at`` (after t, by the dynamics).
        baseline: for rows that are not ``steady`` and have none in the column ``baseline``: the label or
            solution of the row whose bath came before.
        solutions: the same for single solutions, by the table's ``solution`` column.
        noise: ``normal``, ``student_t``, or ``outliers``: normal, and a share of readings several times as wide.
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
        >>> from pumpleak import celsius, load_dataset, lognormal, make_problem
        >>> problem = make_problem(
        ...     load_dataset("textbook_resting"),
        ...     {"P_Na_rel": lognormal(0.05, 3)},
        ... )
    """
    if noise not in KINDS:
        raise InputError(f"noise must be one of {', '.join(KINDS)}, not {noise!r}", column="noise")
    recording = recording or Recording()
    _check_recording(measurements, recording)
    solutions, ions = solutions or {}, tuple(ions)
    recipe = {
        "quantities": quantities, "model": model, "ions": ions, "reference": reference, "cell": cell,
        "protocol": protocol, "baseline": baseline, "solutions": solutions, "noise": noise,
        "recording": recording, "title": title,
    }  # fmt: skip
    if isinstance(model, str):
        given = {*quantities, *measurements.quantities, *(q for s in solutions.values() for q in s)}
        activities = [ion for ion in ions if f"a{ion}_i" in given]
        model = make_model(model, ions, reference=reference, activities=activities, cell=cell)
    if model.name != "pump_leak" and (protocol or baseline or cell is not None):
        raise InputError(
            f"cell, protocol and baseline belong to the model pump_leak, not to {model.name}",
            mend="Write `model: pump_leak`, or leave them out",
            column="model",
        )
    observables = tuple(dict.fromkeys(measurements.observable)) or ("V_m",)
    observation = observation_quantities(observables, noise)
    builder = Builder(measurements, quantities, solutions, model, observation)
    builder.check_names()
    builder.check_activities()
    builder.check_drift()
    columns = {q.name: builder.resolve(q) for q in (*model.quantities, *observation)}
    check_chains(columns)
    charged = charged_baths(measurements, quantities, solutions)
    if charged and model.name == "pump_leak":
        builder.assumptions.append(
            f"Baths are balanced by monovalent ions that do not cross: {'; '.join(charged)}."
        )
    elif charged:
        warnings.warn(
            InputWarning(
                f"{measurements.file}: the ions given for a bath do not balance: {'; '.join(charged)}. "
                "If others carry the rest, name them too (e.g. Ca_o_mM, HCO3_o_mM under quantities); "
                "if not, a concentration is mistyped."
            ),
            stacklevel=2,
        )
    rows = None
    if model.setting.cell is not None:
        rows = row_protocols(measurements, protocol, baseline, builder.given("t"))
    condition, first_row = conditions(
        [columns[q.name] for q in model.quantities], len(measurements.labels), rows, merge
    )
    if rows is not None:
        protocols = rows.of_conditions(condition, first_row)
        model = replace(model, setting=replace(model.setting, protocols=protocols))
        builder.assumptions += in_words(protocols, [measurements.labels[row] for row in first_row])
    of_model = {q.name for q in model.quantities}
    slots, known = {}, {}
    for name, c in columns.items():
        rows = first_row if name in of_model else slice(None)
        index, swapped = c.index[rows], c.swapped[rows]
        values = c.known[rows]
        known[name] = values[0] if len(set(values.tolist())) == 1 else values
        slots[name] = Slot(
            index if (index >= 0).any() else None,
            c.other if swapped.any() else None,
            swapped if swapped.any() else None,
        )
    parameters = within_domain(tuple(builder.pool.parameters), slots, known)
    if config is None:
        setting = model.setting
        config = plain_config(
            quantities,
            solutions,
            {q.name: q.unit for q in (*model.quantities, *observation)},
            title=title,
            **model_config(model.name, setting.ions, setting.reference, observables, noise, recording),
        )
    problem = Problem(
        model,
        parameters,
        measurements,
        slots,
        condition,
        first_row,
        noise,
        _arrays(measurements, parameters, known),
        title,
        tuple(builder.assumptions),
        config,
        recipe,
        recording,
    )
    check_model_answers(problem)
    return problem


def _check_recording(m: Measurements, recording: Recording) -> None:
    """Refuse limits that are crossed or passed, and readings that are not multiples of the step."""
    step, floor, ceiling = recording
    if not (0 <= step < math.inf and floor < ceiling):
        raise InputError(
            f"rounding {step:g} mV, floor {floor:g} mV and ceiling {ceiling:g} mV do not go together",
            mend="Give a step above 0, and a floor below the ceiling",
            column="rounding_mV" if floor < ceiling else "floor_mV",
        )
    single = np.isnan(m.n) | (m.n == 1)
    for i in np.flatnonzero(single & (m.reference < 0) & np.isfinite(m.value)):
        if m.observable[i] != "V_m":
            continue
        y = m.value[i]
        problem = mend = ""
        if not floor <= y <= ceiling:
            side = f"below the floor, {floor:g}" if y < floor else f"above the ceiling, {ceiling:g}"
            problem, mend = f"{y:g} mV is {side} mV", "A reading at a limit is written as the limit"
        elif step and floor < y < ceiling and abs(y / step - round(y / step)) > 1e-6:
            problem = f"{y:g} mV is not a multiple of {step:g} mV, to which readings are said to be rounded"
            mend = "Correct rounding_mV, or leave it out"
        if problem:
            raise InputError(problem, mend=mend, file=m.file, row=int(m.file_rows[m.row[i]]), column="V_m")


def _arrays(m: Measurements, parameters: tuple[Parameter, ...], known: dict) -> Arrays:
    count = np.where(np.isfinite(m.n), m.n, 1.0)
    sites = [s for p in parameters for s in p.sites]
    prior = {s.name: s.prior.params for s in sites}
    standard = {s.name: np.array(s.prior.standard) for s in sites}
    return Arrays(
        known, prior, standard, np.asarray(m.value, float), known_variance(m), count, np.isfinite(m.value)
    )
