"""Candidates for the next measurement: rows beside those of a problem, and inputs that could be measured by themselves."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...config.schema import DesignSpec
from ...data.measurements import read_table
from ...errors import InputError, InputWarning
from ...problem.build import make_problem
from ...problem.parameters import Swap, is_noise
from ...problem.problem import Problem
from ...problem.rules import check_possible
from ...quantities.ions import valence
from ...quantities.language import unknown_name
from ...quantities.names import kind, split_part
from ...quantities.units import (
    canonical_unit,
    parse_quantity,
    split_unit,
    spread_to_canonical,
    to_canonical,
    with_unit,
)
from ...text import in_unit, significant

if TYPE_CHECKING:
    import pandas as pd

LADDER = (1.0, 120.0, 12)  # mM of K⁺, and how many steps, where nobody gives a grid
_LEFT = 0.05  # share of Cl⁻ left where it is replaced by an anion that does not pass
_TWICE = 0.5  # of its present sd: how well an input is taken to be measured where nobody says
_ALIKE = 1.0  # mM within which two baths carry the same charge


@dataclass(frozen=True)
class Candidate:
    """One thing that could be measured next.

    Attributes:
        label: for people.
        row: table columns (units in their names) of a reading's condition; empty for a measured input.
        observable: what is read there, or the parameter's element that is measured.
        sem: standard error of the reading [its unit]; NaN: the noise the problem infers.
        n: readings behind it, where `sem` is NaN.
        cost: in any unit, alike for all.

    Example:
        >>> more_K = Candidate("20 mM K", {"T_degC": 22.0, "K_o_mM": 20.0, "Na_o_mM": 130.0}, sem=1.0)
        >>> print(more_K.observable, more_K.measures, Candidate("K inside", observable="K_i", sem=5.0).measures)
        V_m False True
    """

    label: str
    row: Mapping[str, Any] = field(default_factory=dict)
    observable: str = "V_m"
    sem: float = float("nan")
    n: float = 1.0
    cost: float = 1.0

    @property
    def measures(self) -> bool:
        """Whether an input is measured by itself, not a reading in a bath."""
        return not self.row


def candidates_of(problem: Problem, spec: DesignSpec, sd: Mapping[str, float], bath: Mapping[str, float]):
    """The candidates that a config's section ``design`` names, or a ladder, a blocked pump and measured inputs.

    Args:
        problem: the problem.
        spec: the section; with neither candidates nor a grid, the default.
        sd: present standard deviation of each parameter's element, in its unit.
        bath: quantity -> value in the first condition, as far as it is known or believed.

    Returns:
        A list of `Candidate`.

    Raises:
        InputError: a candidate that cannot be understood.
    """
    sem = usual_error(problem, spec)
    out = [_written(problem, one, k, spec) for k, one in enumerate(spec.candidates)]
    grid = spec.grid
    if grid is None and not spec.candidates:
        low, high, points = LADDER
        if f"{problem.model.setting.reference}_o" in bath:
            out += ladder(problem, bath, np.geomspace(low, high, points), sem)
        out += _blocked(problem, bath, sem) + _inputs(problem, sd)
    elif grid is not None:
        of, low, high = grid.bounds
        values = (np.geomspace if grid.log else np.linspace)(low, high, grid.points)
        out += ladder(problem, bath, values, sem, of, grid.swap)
    if not out:
        raise InputError(
            "there is nothing to choose from", mend="Add `candidates:` under design", key="design.candidates"
        )
    return out


def read_next(problem: Problem) -> str:
    """What is read of a bath where a candidate does not say: V_m where the problem has it, else the first it has."""
    return "V_m" if "V_m" in problem.observables else problem.observables[0]


def usual_error(problem: Problem, spec: DesignSpec, observable: str = "") -> float:
    """The error of a reading (by default of `read_next`) that gives none: the design's, or the median of the table's.

    NaN where neither says, and sigma stands in.
    """
    if spec.sem is not None:
        return spec.sem
    m = problem.measurements
    known = np.isfinite(problem.arrays.variance)
    known &= np.array(m.observable) == (observable or read_next(problem))
    return float(np.sqrt(np.median(problem.arrays.variance[known]))) if known.any() else float("nan")


def ladder(
    problem: Problem,
    bath: Mapping[str, float],
    values,
    sem: float,
    of: str | None = None,
    swap: str | None = "",
) -> list[Candidate]:
    """Baths in which one ion takes these values [mM], and another, ``Na_o`` by default, makes room.

    Where the config has it swapped for the first (``Na_o: {swap_for: K_o}``), it follows.

    Raises:
        InputError: the model has no such bath ion, or there is not enough to swap.
    """
    of = of or f"{problem.model.setting.reference}_o"
    known = [q.name for q in problem.model.quantities if kind(q.name).side == "o" and q.unit == "mM"]
    given = problem.recipe["quantities"]
    if swap == "":
        swap = next((x for x in ("Na_o",) if x in known and x != of), None)
    if swap and isinstance(given.get(swap), Swap) and given[swap].other == of:
        swap = None  # it makes room of itself
    for name in filter(None, (of, swap)):
        if name not in known:
            raise unknown_name("bath concentration", name, known, within="in the model", key="design.grid")
    total = bath[of] + bath[swap] if swap else np.inf
    out = []
    for x in values:
        row = {with_unit(of, "mM"): float(x)}
        if swap:
            if x > total:
                continue
            row[with_unit(swap, "mM")] = float(total - x)
        out.append(Candidate(f"{of} {significant(x)} mM", row, read_next(problem), sem))
    return out


def _blocked(problem: Problem, bath: Mapping[str, float], sem: float) -> list[Candidate]:
    """Chloride replaced by an anion that does not pass, and the pump blocked, where the model has them."""
    names, out, what = {q.name for q in problem.model.quantities}, [], read_next(problem)
    if bath.get("Cl_o", 0.0) > 0:
        out.append(Candidate("Cl replaced", {"Cl_o_mM": _LEFT * bath["Cl_o"]}, what, sem))
    if "pump" in names:
        out.append(Candidate("pump blocked", {"pump": 0.0}, what, sem))
    return out


def _inputs(problem: Problem, sd: Mapping[str, float]) -> list[Candidate]:
    """Each uncertain input measured by itself, to half its present standard deviation."""
    out = []
    for p in problem.parameters:
        if not (kind(p.quantity).is_ratio or is_noise(p) or p.levels):
            error = _TWICE * sd[p.name]
            well = in_unit(significant(error, 2), p.unit)
            out.append(Candidate(f"{p.name} measured ± {well}", {}, p.name, error))
    return out


def _written(problem: Problem, one: Mapping[str, Any], k: int, spec: DesignSpec) -> Candidate:
    """A candidate as the config has it."""
    one, place = dict(one), f"design.candidates.{k + 1}"
    cost, label = one.pop("cost", 1.0), one.pop("label", None)
    what, n = one.pop("measure", None), one.pop("n", None)
    errors = {x: one.pop(x) for x in list(one) if split_unit(x)[0] in ("sem", "sd")}
    numbers = {"cost": cost, **({} if n is None else {"n": n}), **errors}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < np.inf:
            raise InputError(
                f"{name} = {value!r} is not a number above 0", mend=f"Give a {name} above 0", key=place
            )
    _check_error_units(problem, errors, what or read_next(problem), place)
    error = next((spread_to_canonical(v, split_unit(x)[1] or "1")[0] for x, v in errors.items()), None)
    single = any(split_unit(x)[0] == "sd" for x in errors)
    if error is not None and single:
        error = error / np.sqrt(n or 1)
    elif error is None and np.isfinite(usual := usual_error(problem, spec, what or "")):
        error = usual
    elements = problem.layout.element_names
    if what is not None and what in elements and not one:
        if not errors:
            raise InputError(f"how well {what} would be measured is not said", mend="Give its sem", key=place)
        return Candidate(label or f"{what} measured", {}, what, float(error), cost=float(cost))
    if not one:
        mend = f"Give columns such as K_o_mM: 20, or measure: and one of {', '.join(sorted(elements))}"
        if what is None:
            raise InputError("neither a condition nor an input to measure is given", mend=mend, key=place)
        raise unknown_name("input", what, elements, within="to measure", mend=mend, key=place)
    text = label or ", ".join(
        f"{split_unit(x)[0]} {significant(v)}" if isinstance(v, float) else f"{x} {v}" for x, v in one.items()
    )
    return Candidate(
        text,
        one,
        what or read_next(problem),
        float("nan") if error is None else float(error),
        float(n or 1),
        float(cost),
    )


def _check_error_units(problem: Problem, errors: Mapping[str, Any], what: str, place: str) -> None:
    """Refuse an error in another unit than that of what is measured."""
    own = {e.name: e.unit for e in problem.layout.elements}.get(what) or problem.unit_of(what)
    for column in errors:
        name, unit = split_unit(column)
        if unit is not None and canonical_unit(unit) != own:
            raise InputError(
                f"{column} is an error in {unit}, and {what} {'has no unit' if own == '1' else f'is in {own}'}",
                mend=f"Write `{name}:` and the error {'as a plain number' if own == '1' else f'in {own}'}",
                key=place,
            )


# -- candidates as rows of one problem ---------------------------------------------------------------


@dataclass(frozen=True)
class Joint:
    """The problem with the candidates' rows beside its own.

    Attributes:
        problem: of all rows; the readings of the candidates stand for what would be read.
        reading: (C,) its reading for each candidate; −1 for a measured input.
        element: (C,) the parameters' element that is measured; −1 for a reading.
        sem: (C,) standard error of a measured input.
    """

    problem: Problem
    reading: np.ndarray
    element: np.ndarray
    sem: np.ndarray


def joined(problem: Problem, candidates: Sequence[Candidate], bath: Mapping[str, float]) -> Joint:
    """Put the candidates beside the problem's rows, so that one model predicts them all.

    What a candidate does not say is as in the first row: its bath, its temperature, and the text columns but
    for the solution. What is given as number ± sd there, or follows so (a computed junction potential), is an
    input of its own, known by that much.

    Raises:
        InputError: a candidate's column is unknown or impossible, or it brings a new unknown.
    """
    import pandas as pd

    names = {q.name for q in problem.model.quantities}
    rows = [c for c in candidates if not c.measures]
    own = problem.measurements.to_frame()
    given = problem.recipe["quantities"]
    asked = {split_part(split_unit(x)[0])[0] for c in rows for x in c.row}
    for x in sorted(asked - names - set(problem.measurements.groups) - {"drift_row"}):
        raise unknown_name("input", x, sorted(names), within="in the model", key="design.candidates")
    for name in sorted(asked & set(given)):
        if not isinstance(given[name], (int, float)):
            raise InputError(
                f"{name} is an unknown of the config, or follows from another, and a candidate cannot set it",
                mend=f"Leave {name} out of the candidates, or give it as numbers in the table",
                key="design.candidates",
            )
    # A number that the config gives once, and a candidate again, becomes a column.
    plain = {k: v for k, v in given.items() if k in asked and isinstance(v, (int, float))}
    constants = {_column(problem, name): value for name, value in plain.items()}
    own = own.assign(**constants)
    more = [constants | _row(problem, c, own, bath, given) for c in rows]
    frame = pd.concat([own, pd.DataFrame(more)], ignore_index=True) if more else own
    observables = tuple(dict.fromkeys((*problem.observables, *(c.observable for c in rows))))
    # A candidate's reading is a placeholder, 0, which stands for nothing missing.
    table = read_table(
        frame, observables, file_label="the candidates", quantities=names, require_readings=False, missing=()
    )
    recipe = problem.recipe | {"quantities": {k: v for k, v in given.items() if k not in plain}}
    with warnings.catch_warnings():
        # What replaces an ion is not among the model's, so that its charge would seem amiss.
        warnings.simplefilter("ignore", InputWarning)
        both = make_problem(table, **recipe, config=problem.config)
    both = _candidates_only(both, len(own))
    before = {s.name: s.shape for s in problem.sites}
    for s in both.sites:
        # The noise of an observable not read so far, and what is known ± sd of the candidate's own bath.
        welcome = s.prior.measured or kind(s.name).is_noise
        if before.get(s.name) != s.shape and not (welcome and s.name not in before):
            raise InputError(
                f"the candidates bring an unknown of their own, {s.name}",
                mend="Give candidates numbers, and levels that the table has",
                key="design.candidates",
            )
    elements = both.layout.element_names
    at = {r: i for i, r in enumerate(table.row.tolist()) if r >= len(own)}
    place, reading = len(own), []
    for c in candidates:
        reading.append(-1 if c.measures else at[place])
        place += not c.measures
    return Joint(
        both,
        np.array(reading),
        np.array([elements.index(c.observable) if c.measures else -1 for c in candidates]),
        np.array([c.sem for c in candidates]),
    )


def _column(problem: Problem, name: str, suffix: str = "") -> str:
    unit = {q.name: q.unit for q in problem.model.quantities}.get(split_part(name)[0], "1")
    return name + suffix if unit == "1" else with_unit(name + suffix, unit)


def _row(problem: Problem, c: Candidate, own: "pd.DataFrame", bath: Mapping[str, float], given) -> dict:
    """A candidate as a row of the table: what it says, the rest as in the first row."""
    m, said = problem.measurements, {split_unit(x)[0] for x in c.row}
    row: dict[str, Any] = {"label": c.label}
    row |= {name: texts[0] for name, texts in m.groups.items() if name != "solution" and name not in said}
    if row.get("baseline") == "":  # the first row is what the others come from: a volume is over its own
        row["baseline"] = m.labels[0]
    for name in m.quantities:
        if name not in said:
            row[_column(problem, name)] = bath.get(name, m.quantities[name][0])
    if "solution" not in said:
        # What only the first row's solution says of the bath has to be said again.
        for name, value in bath.items():
            if name not in said and name not in m.quantities and name not in given:
                row[_column(problem, name)] = value
    for column, value in c.row.items():
        row |= {column: value} if column in m.groups else _cells(problem, c, column, value)
    unit = problem.unit_of(c.observable)
    row[with_unit(c.observable, unit)] = 0.0
    if np.isfinite(c.sem):
        row[with_unit(f"{c.observable}_sem", unit)] = c.sem
    row[f"{c.observable}_n"] = c.n
    return row


def _cells(problem: Problem, c: Candidate, column: str, value: Any) -> dict[str, float]:
    """What a candidate says of one number, as the table's columns: it and its sd, if any."""
    name, unit = split_unit(column)
    q = {q.name: q for q in problem.model.quantities}.get(split_part(name)[0])
    convert, sd = spread_to_canonical if split_part(name)[1] == "sd" else to_canonical, None
    try:
        if isinstance(value, str):
            value, sd, written = parse_quantity(value)
            unit = unit if written == "1" else written
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise InputError(f"{value!r} is not a number", mend="Write e.g. 20, or 20 ± 1 mM in words")
        if unit is not None and q is not None and canonical_unit(unit) != q.unit:
            raise InputError(f"{name} is given in {unit}", mend=f"Give it in {q.unit}")
        number = convert(value, unit or "1")[0]
        if q is not None:
            check_possible(q, number)
    except InputError as e:
        raise InputError(f"{c.label}: {e.problem}", mend=e.mend, key=f"design.candidates.{column}") from None
    spread = {} if sd is None else {_column(problem, name, "_sd"): spread_to_canonical(sd, unit or "1")[0]}
    return {_column(problem, name): number, **spread}


def _candidates_only(both: Problem, n_own: int) -> Problem:
    """The readings of the problem itself are no longer of interest: only the candidates' are there."""
    there = np.asarray(both.measurements.row) >= n_own
    return replace(both, numbers=both.arrays._replace(mask=there & both.arrays.mask))


def refused(spec: DesignSpec, baths: Mapping[str, np.ndarray], bath: Mapping[str, float]) -> list[str]:
    """Why each candidate's bath cannot be made up, "" where it can.

    Args:
        spec: with ``most_mM``, ``osmolarity_mM`` and ``neutral``.
        baths: ion in the bath, e.g. ``K_o`` -> (C,) concentration [mM]; NaN for a measured input.
        bath: the same of the first condition.

    Raises:
        InputError: a limit on an ion that the bath does not have.
    """
    n = len(next(iter(baths.values()))) if baths else 0
    out = [""] * n
    units = {k: split_unit(k) for k in spec.most_mM}
    most = {units[k][0]: to_canonical(v, units[k][1] or "mM")[0] for k, v in spec.most_mM.items()}
    for x in sorted(most.keys() - baths) if baths else ():
        raise unknown_name("concentration", x, sorted(baths), within="in the bath", key="design.most_mM")
    for k in range(n):
        here = {name: values[k] for name, values in baths.items()}
        if any(np.isnan(v) for v in here.values()):
            continue
        change = {name: v - bath[name] for name, v in here.items()}
        charge = sum(valence(kind(name).of) * d for name, d in change.items())
        over = [name for name, limit in most.items() if here.get(name, 0.0) > limit]
        if min(here.values()) < 0:
            out[k] = "a concentration below 0"
        elif over:
            out[k] = f"{over[0]} {significant(here[over[0]])} mM is above {significant(most[over[0]], 6)}"
        elif spec.osmolarity_mM is not None and abs(sum(change.values())) > spec.osmolarity_mM:
            out[k] = f"osmolarity changes by {significant(sum(change.values()), sign=True)} mM"
        elif spec.neutral and abs(charge) > _ALIKE:
            out[k] = f"its ions do not balance: {significant(charge, sign=True)} mM"
    return out
