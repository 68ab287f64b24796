"""Assemble a Problem: decide, for every quantity of every table row, where its value comes from."""

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data.measurements import Measurements
from ..errors import InputError, InputWarning, nearest
from ..models.protocols import RowProtocols, in_words, row_protocols
from ..models.registry import Model, make_model
from ..quantities.ions import valence
from ..quantities.quantity import Quantity
from .as_config import model_config, plain_config
from .electrode import INSTRUMENTS, observation_quantities
from .junction import Junction
from .noise import KINDS, Recording
from .parameters import Latent, Parameter, Pool, Swap
from .priors import Prior, halfnormal, normal
from .problem import Arrays, Problem, Slot

Spec = float | Prior | Latent | Swap | Junction


@dataclass
class _Column:
    """One quantity while it is resolved row by row."""

    known: np.ndarray
    index: np.ndarray
    swapped: np.ndarray
    other: str | None = None


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
    builder = _Builder(measurements, quantities, solutions, model, observation)
    builder.check_names()
    builder.check_activities()
    builder.check_drift()
    columns = {q.name: builder.resolve(q) for q in (*model.quantities, *observation)}
    _check_chains(columns)
    charged = _charged_baths(measurements, quantities, solutions)
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
    condition, first_row = _conditions(
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
    parameters = _within_domain(tuple(builder.pool.parameters), slots, known)
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
    _check_model_answers(problem)
    return problem


class _Builder:
    def __init__(self, measurements, quantities, solutions, model, observation):
        self.m = measurements
        self.quantities = quantities
        self.solutions = solutions
        self.model = model
        self.all = {q.name: q for q in (*model.quantities, *observation)}
        self.pool = Pool()
        self.assumptions: list[str] = []
        self.solution_of = measurements.groups.get("solution", ("",) * len(measurements.labels))

    def check_names(self) -> None:
        """Refuse quantities and solutions nobody knows; bath ions that merely are there are welcome."""
        places = [
            ("quantities", self.quantities),
            *((f"solutions.{s}", d) for s, d in self.solutions.items()),
        ]
        for place, given in places:
            for name in given:
                if name not in self.all and not _bath_ion(name):
                    raise InputError(
                        f"the model {self.model.name} with ions {', '.join(self.model.setting.ions)} "
                        f"has no quantity '{name}'{nearest(name, self.all)}",
                        mend=f"Known here: {', '.join(self.all)}",
                        column=f"{place}.{name}",
                    )
        for name in self.solutions:
            if name not in self.solution_of:
                known = sorted({s for s in self.solution_of if s})
                raise InputError(
                    f"the table has no solution '{name}'{nearest(name, known)}",
                    mend=f"In {self.m.file} the column solution has: "
                    f"{', '.join(known) or 'nothing (there is no such column)'}",
                    column=f"solutions.{name}",
                )

    def check_activities(self) -> None:
        """Inside activities only mean something beside activities outside."""
        s = self.model.setting
        if not s.activities:
            return
        needed = ["gamma_o"] + (["gamma_i"] if set(s.ions) - s.activities else [])
        for gamma in needed:
            if not (
                gamma in self.quantities
                or gamma in self.m.quantities
                or any(gamma in d for d in self.solutions.values())
            ):
                raise InputError(
                    f"a{sorted(s.activities)[0]}_i is an activity, so {gamma} is needed beside it",
                    mend=f"Give {gamma}, the activity coefficient (about 0.75 in physiological saline)",
                    column=f"quantities.{gamma}",
                )

    def check_drift(self) -> None:
        """A drift in time needs the times."""
        rows = np.flatnonzero(self.given("drift") & ~self.given("time"))
        if len(rows):
            raise InputError(
                "drift is given, but not when this row was read",
                mend="Add a column time_min, or give drift_row_mV, the drift from row to row",
                file=self.m.file,
                row=int(self.m.file_rows[rows[0]]),
                column="time",
            )

    def given(self, name: str) -> np.ndarray:
        """(R,) bool: where table, solution or quantities say what this quantity is, so no default is used."""
        table = self.m.quantities.get(name, np.full(len(self.m.labels), np.nan))
        in_solution = np.array([name in self.solutions.get(s, {}) for s in self.solution_of], bool)
        return ~np.isnan(table) | in_solution | (name in self.quantities)

    def resolve(self, q: Quantity) -> _Column:
        n = len(self.m.labels)
        column = _Column(np.zeros(n), np.full(n, -1), np.zeros(n, bool))
        table = self.m.quantities.get(q.name, np.full(n, np.nan))
        for row in range(n):
            solution = self.solution_of[row]
            in_solution = self.solutions.get(solution, {}).get(q.name)
            spec = in_solution if in_solution is not None else self.quantities.get(q.name)
            place = f"solutions.{solution}" if in_solution is not None else "quantities"
            if not math.isnan(table[row]):
                if spec is not None:
                    raise InputError(
                        f"{q.name} is in the table ({table[row]:g} {q.unit}) and in the config ({place})",
                        mend="Keep one of the two",
                        file=self.m.file,
                        row=int(self.m.file_rows[row]),
                        column=q.name,
                    )
                self._from_table(column, q, row, float(table[row]))
            elif spec is not None:
                name = f"{q.name}[{solution}]" if in_solution is not None else q.name
                self._place(column, q, row, spec, name, f"{place}.{q.name}")
            else:
                self._default(column, q, row)
        return column

    def _from_table(self, column, q, row, value):
        if value < q.lower:
            raise InputError(
                f"{value:g}{_unit(q)} is not possible",
                mend=f"Give a number of at least {q.lower:g}{_unit(q)}",
                file=self.m.file,
                row=int(self.m.file_rows[row]),
                column=q.name,
            )
        sd = self.m.quantity_sd.get(q.name)
        if sd is None or math.isnan(sd[row]):
            column.known[row] = value
            return
        # The error belongs to the solution that was made up once, not to each row read in it.
        owner = self.solution_of[row] or f"{value:g}"
        prior = normal(value, float(sd[row]), measured=True)
        name = f"{q.name}[{owner}, {value:g}]" if self.solution_of[row] else f"{q.name}[{value:g}]"
        same = next((p.prior for p in self.pool.parameters if p.name == name), None)
        if same is not None and (same.a, same.b) != (prior.a, prior.b):
            name = f"{name[:-1]} ± {float(sd[row]):g}, row {int(self.m.file_rows[row])}]"
        self._place(column, q, row, prior, name, f"table column {q.name}")

    def _place(self, column, q, row, spec, name, place):
        if isinstance(spec, Swap):
            bath = {x.name for x in self.model.quantities if x.name.endswith("_o") and x.name != "gamma_o"}
            if spec.other not in bath - {q.name}:
                raise InputError(
                    f"{q.name} is to be swapped for '{spec.other}', which is not another ion of the bath here"
                    f"{nearest(spec.other, bath)}",
                    mend="Name another bath concentration, e.g. swap_for: K_o",
                    column=place,
                )
            if column.other not in (None, spec.other):
                raise InputError(
                    f"{q.name} is swapped for {column.other} in one solution and for {spec.other} in another",
                    mend="Give one of the two as a number or a prior",
                    column=place,
                )
            column.swapped[row], column.other = True, spec.other
            self._place(column, q, row, spec.total, f"{name}_total", place)
            return
        if isinstance(spec, Junction):
            self._junction(column, q, row, spec, place)
            return
        if isinstance(spec, Prior):
            spec = Latent(spec)
        if isinstance(spec, Latent):
            column.index[row] = self._latent(q, row, spec, name, place)
            return
        value = float(spec)
        if not math.isfinite(value) or not q.lower <= value <= q.upper:
            limit = f"at most {q.upper:g}" if value > q.upper else f"at least {q.lower:g}"
            raise InputError(
                f"{q.name} = {value:g}{_unit(q)} is not possible",
                mend=f"Give a number of {limit}{_unit(q)}",
                column=place,
            )
        column.known[row] = value

    def _junction(self, column, q, row, spec, place):
        """LJP from the pipette and this row's bath; of what is not known there, the prior's middle."""
        if q.name != "LJP":
            raise InputError(
                f"{q.name} is no junction potential", mend="Give `pipette:` to LJP alone", column=place
            )
        value = spec.LJP(
            _bath(self.m, self.quantities, self.solutions, self.solution_of[row], row),
            _row_value(self.m, self.quantities, self.solutions, self.solution_of[row], "T", row, middle=True),
        )
        owner = self.solution_of[row] or self.m.labels[row]
        self._say(f"LJP is computed by Henderson's equation; in {owner}: {value:.1f} mV.")
        if spec.sd is None:
            column.known[row] = value
            return
        name = f"LJP[{self.solution_of[row]}, {value:.4g}]" if self.solution_of[row] else f"LJP[{value:.4g}]"
        column.index[row] = self._latent(q, row, Latent(normal(value, spec.sd, measured=True)), name, place)

    def _latent(self, q, row, latent, name, place):
        prior = latent.prior
        # A concentration's normal prior stops at zero without being told, where it comes near it at all.
        if prior.lower < q.lower and not (prior.kind == "normal" and prior.a - 8 * prior.b > q.lower):
            prior = bounded_below(prior, q.lower)
        if prior.upper > q.upper:
            raise InputError(
                f"the prior {prior} of {q.name} reaches beyond {q.upper:g}",
                mend=f"Use a beta prior, or a uniform one up to {q.upper:g}",
                column=place,
            )
        parent, start, levels, by = None, 0, (), None
        for k, by in enumerate(latent.columns or (None,)):
            last = k + 1 >= len(latent.columns)
            levels, inside = self._levels(q, row, by, None if parent is None else str(parent.by), place)
            try:
                spread = None if by is None else latent.spread_of(by)
            except InputError as error:
                raise InputError(f"{q.name}: {error.problem}", mend=error.mend, column=place) from None
            own = name if last else f"{name}_{by}"
            parent = Parameter(own, q.name, q.unit, prior, place, by, levels, spread, parent, inside)
            start = self.pool.add(parent)
        return start + (levels.index(self.m.groups[by][row]) if by is not None else 0)

    def _levels(self, q, row, by, outer, place) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The levels of a column, and which level of the column around it each is in."""
        if by is None:
            return (), ()
        if by not in self.m.groups:
            raise InputError(
                f"{q.name} is given by '{by}', but {self.m.file} has no such column{nearest(by, self.m.groups)}",
                mend=f"Text columns there: {', '.join(self.m.groups) or 'none'}",
                column=place,
            )
        group = self.m.groups[by]
        if not group[row]:
            raise InputError(
                f"{q.name} is given by '{by}', and this row has none",
                mend=f"Fill in the column {by}",
                file=self.m.file,
                row=int(self.m.file_rows[row]),
                column=by,
            )
        levels = tuple(dict.fromkeys(x for x in group if x))
        if outer is None:
            return levels, ()
        around: dict[str, str] = {}
        for i, (x, o) in enumerate(zip(group, self.m.groups[outer], strict=True)):
            if x and around.setdefault(x, o) != o:
                raise InputError(
                    f"{by} {x} is in {outer} {around[x]} and in {outer} {o}",
                    mend=f"Give every {by} a name of its own, e.g. {o}-{x}",
                    file=self.m.file,
                    row=int(self.m.file_rows[i]),
                    column=by,
                )
        places = tuple(dict.fromkeys(x for x in self.m.groups[outer] if x))
        return levels, tuple(places.index(around[x]) if around[x] else 0 for x in levels)

    def _default(self, column, q, row):
        prior = self._default_noise(q)
        if prior is not None:
            column.index[row] = self._latent(q, row, Latent(prior), q.name, "default")
            self._say(f"{q.name}, the {q.meaning}, was not given: {prior} {q.unit}.")
        elif q.default is not None:
            column.known[row] = q.default
            if q.name in ("V_offset", "LJP"):
                self._say(f"{q.name} ({q.meaning}) was not given: 0 mV.")
            elif q.name in ("r", "nu", "outlier_share", "outlier_factor"):
                self._say(f"{q.name} ({q.meaning}) was not given: {q.default:g}.")
        elif q.name.startswith("sigma_dye") and self._without_error(q.name.removeprefix("sigma_")):
            raise self._missing(q, row)
        elif q.name.startswith(("sigma_", "extra_")):
            column.known[row] = 0.0
            if q.name.startswith("extra_"):
                self._say(
                    f"{q.name} ({q.meaning}) was not given: 0, for want of three readings with an error."
                )
        else:
            raise self._missing(q, row)

    def _say(self, text):
        if text not in self.assumptions:
            self.assumptions.append(text)

    def _default_noise(self, q: Quantity) -> Prior | None:
        """The noise nobody specified: sigma where a reading has no error, extra where three have one."""
        symbol, _, obs = q.name.partition("_")
        if symbol not in ("sigma", "extra") or obs.startswith("dye"):
            return None  # of a dye's scale nothing is known beforehand
        of = np.array([o == obs for o in self.m.observable], bool)
        known = np.isfinite(known_variance(self.m))
        if symbol == "sigma" and (of & ~known & np.isfinite(self.m.value)).any():
            return halfnormal(10.0)
        if symbol == "extra" and (of & known).sum() >= 3:
            return halfnormal(2.0)
        return None

    def _without_error(self, obs: str) -> bool:
        """Whether any reading of this observable comes without an error."""
        of = np.array([o == obs for o in self.m.observable], bool)
        return bool((of & np.isnan(known_variance(self.m)) & np.isfinite(self.m.value)).any())

    def _missing(self, q: Quantity, row: int) -> InputError:
        if q.name.startswith(("P_", "g_")):
            ion = q.name.split("_")[1]
            what = "permeability" if q.name[0] == "P" else "conductance"
            return InputError(
                f"ion {ion} has no {what}",
                mend=f"Give {q.name} (a number or a prior), or take {ion} out of `ions`",
                column=f"quantities.{q.name}",
            )
        suffix = {"mM": "_mM", "mV": "_mV", "K": "_degC"}.get(q.unit, "")
        return InputError(
            f"{q.name} ({q.meaning}) is neither a column of the table nor in the config",
            mend=f"Add a column {q.name}{suffix}, or `{q.name}{suffix}:` under quantities"
            + (f" or under solutions.{self.solution_of[row]}" if self.solution_of[row] else ""),
            file=self.m.file,
            row=int(self.m.file_rows[row]),
            column=f"{q.name}{suffix}",
        )


def _unit(q: Quantity) -> str:
    return "" if q.unit == "1" else f" {q.unit}"


def _within_domain(parameters, slots: dict[str, Slot], known: dict) -> tuple[Parameter, ...]:
    """A swap's total is at least what it is swapped for: told to its prior, it is no cliff to fall off."""
    least: dict[int, float] = {}
    for slot in slots.values():
        if slot.index is None or slot.swapped is None or slot.swap_for is None:
            continue
        other = slots[slot.swap_for]
        taken = np.broadcast_to(known[slot.swap_for], slot.index.shape)
        for c in np.flatnonzero(slot.swapped & (slot.index >= 0)):
            if other.index is None or other.index[c] < 0:
                i = int(slot.index[c])
                least[i] = max(least.get(i, 0.0), float(taken[c]))
    out, start = [], 0
    for p in parameters:
        floor = max((least[i] for i in range(start, start + p.size) if i in least), default=-math.inf)
        near = not (p.prior.kind == "normal" and p.prior.a - 8 * p.prior.b > floor)
        out.append(replace(p, prior=bounded_below(p.prior, floor)) if floor > p.prior.lower and near else p)
        start += p.size
    return tuple(out)


def bounded_below(prior: Prior, lower: float) -> Prior:
    if prior.upper <= lower:
        raise InputError(f"the prior {prior} lies below the least possible value {lower:g}")
    return replace(prior, lower=lower)


def _bath_ion(name: str) -> bool:
    """True for ``<ion>_o`` of a known ion: part of the bath although the membrane does not pass it."""
    ion, _, side = name.rpartition("_")
    if side != "o":
        return False
    try:
        valence(ion)
    except InputError:
        return False
    return True


def _conditions(
    columns: list[_Column], n: int, protocols: RowProtocols | None, merge: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Rows alike in every model quantity (and protocol) are one condition: solved once."""
    if not merge:
        return np.arange(n), np.arange(n)
    seen: dict[tuple, int] = {}
    condition, first = np.zeros(n, int), []
    for row in range(n):
        key = tuple(
            (c.known[row] if c.index[row] < 0 else 0.0, int(c.index[row]), bool(c.swapped[row]))
            for c in columns
        )
        if protocols is not None:
            key += protocols.key(row)
        if key not in seen:
            seen[key] = len(first)
            first.append(row)
        condition[row] = seen[key]
    return condition, np.array(first, int)


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


def known_variance(m: Measurements) -> np.ndarray:
    """Known squared standard error of each reading; NaN where there is none."""
    sem = np.where(np.isfinite(m.sem), m.sem, m.sd / np.sqrt(np.where(np.isfinite(m.n), m.n, 1.0)))
    return sem**2


def _arrays(m: Measurements, parameters: tuple[Parameter, ...], known: dict) -> Arrays:
    count = np.where(np.isfinite(m.n), m.n, 1.0)
    sites = [s for p in parameters for s in p.sites]
    prior = {s.name: s.prior.params for s in sites}
    standard = {s.name: np.array(s.prior.standard) for s in sites}
    return Arrays(
        known, prior, standard, np.asarray(m.value, float), known_variance(m), count, np.isfinite(m.value)
    )


def _check_chains(columns: dict[str, _Column]) -> None:
    """Refuse an ion swapped for one that is itself swapped in the same row."""
    for name, column in columns.items():
        other = columns[column.other] if column.other is not None else column
        if other is not column and (column.swapped & other.swapped).any():
            raise InputError(
                f"{name} is swapped for {column.other}, which is itself swapped for {other.other}",
                mend=f"Give {column.other} as a number or a prior",
                column=f"quantities.{name}",
            )


def _charged_baths(m, quantities, solutions) -> list[str]:
    """Baths whose cations and anions are all given as numbers and carry a charge, in words."""
    n = len(m.labels)
    solution_of = m.groups.get("solution", ("",) * n)
    ions = {ion: valence(ion) for ion in _bath_ions(m, quantities, solutions)}
    charged: dict[str, str] = {}
    for row in range(n):
        charge, total = 0.0, {1: 0.0, -1: 0.0}
        for ion, z in ions.items():
            value = _row_value(m, quantities, solutions, solution_of[row], f"{ion}_o", row)
            charge += z * value
            total[1 if z > 0 else -1] += abs(z) * value
        if min(total.values()) > 0 and abs(charge) > max(5.0, 0.05 * max(total.values())):
            bath = f"{charge:+.3g} mM ({total[1]:.4g} positive, {total[-1]:.4g} negative)"
            charged.setdefault(bath, f"row {int(m.file_rows[row])} ({m.labels[row]}) {bath}")
    return list(charged.values())


def _bath_ions(m, quantities, solutions) -> list[str]:
    """Ions of which anything says how much there is in a bath."""
    names = {*m.quantities, *quantities, *(q for d in solutions.values() for q in d)}
    return sorted(name[:-2] for name in names if _bath_ion(name))


def _bath(m, quantities, solutions, solution, row) -> dict[str, float]:
    """Ion -> its concentration [mM] in a row's bath."""
    at = (m, quantities, solutions, solution)
    ions = _bath_ions(m, quantities, solutions)
    return {ion: _row_value(*at, f"{ion}_o", row, middle=True) for ion in ions}


def _row_value(m, quantities, solutions, solution, name, row, *, middle=False) -> float:
    """A row's quantity where it is a plain number; else its prior's median, or NaN (which silences a check)."""
    table = m.quantities.get(name)
    if table is not None and not math.isnan(table[row]):
        return float(table[row])
    spec = solutions.get(solution, {}).get(name, quantities.get(name, 0.0))
    if isinstance(spec, Swap):
        other = _row_value(m, quantities, solutions, solution, spec.other, row, middle=middle)
        return _middle(spec.total, middle) - other
    return _middle(spec, middle)


def _middle(spec: Any, middle: bool) -> float:
    if isinstance(spec, (int, float)):
        return float(spec)
    prior = spec.prior if isinstance(spec, Latent) else spec
    return float(prior.quantile(0.5)) if middle and isinstance(prior, Prior) else math.nan


def check_observables(model: Model, names: Iterable[str]) -> None:
    """Refuse readings of what the model does not predict; it is traced, not run.

    Raises:
        InputError: names the first of them.
    """
    import jax

    model = replace(model, setting=replace(model.setting, protocols=None))  # what it predicts hangs on none
    inputs = {q.name: jax.ShapeDtypeStruct((), jax.numpy.result_type(float)) for q in model.quantities}
    found = [*jax.eval_shape(model.predict, inputs).observables]
    potassium = any("K_i" in names or "aK_i" in names for names in (found, inputs))
    found += [name for name in INSTRUMENTS if name != "V_patch" or potassium]
    for name in names:
        if name not in found:
            raise InputError(
                f"the model {model.name} does not predict {name}{nearest(name, found)}",
                mend=f"It predicts {', '.join(found)}",
                column="observables",
            )


def _check_model_answers(problem: Problem) -> None:
    """Refuse readings the model does not predict, differences without an error, swaps below nothing."""
    check_observables(problem.model, problem.observables)
    m = problem.measurements
    for i in np.flatnonzero((m.reference >= 0) & np.isnan(problem.arrays.variance) & np.isfinite(m.value)):
        raise InputError(
            f"the difference d{m.observable[i]} = {m.value[i]:g} has no error",
            mend=f"Give d{m.observable[i]}_sem_mV, or d{m.observable[i]}_sd_mV with d{m.observable[i]}_n",
            file=m.file,
            row=int(m.file_rows[m.row[i]]),
            column=f"d{m.observable[i]}",
        )
    for name, slot in problem.slots.items():
        if slot.swap_for is None or slot.swapped is None:
            continue
        for c, row in enumerate(problem.first_row):
            total_known = slot.index is None or slot.index[c] < 0
            other = problem.slots[slot.swap_for]
            if slot.swapped[c] and total_known and (other.index is None or other.index[c] < 0):
                total = np.broadcast_to(problem.arrays.known[name], len(problem.first_row))[c]
                taken = np.broadcast_to(problem.arrays.known[slot.swap_for], len(problem.first_row))[c]
                if total < taken:
                    raise InputError(
                        f"{name} = {total:g} − {slot.swap_for} = {total - taken:g} mM is negative",
                        mend="Raise the total, or give the concentration itself",
                        file=problem.measurements.file,
                        row=int(problem.measurements.file_rows[row]),
                        column=name,
                    )
