"""What a problem takes every quantity of every row to be, and where that comes from; for people, before anything is run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..lazy import jnp, plain_numbers
from ..models.base import has_nernst, inside, outside
from ..physics.arguments import computed
from ..physics.nernst import nernst_potential
from ..physics.solutions import ionic_strength
from ..quantities.ions import valence
from .alike import alike_rows
from .baths import baths, charge_of
from .electrode import INSTRUMENTS, instrument_reading, observation_quantities
from .given import Given, place_of
from .problem import Problem


@dataclass(frozen=True)
class Understood:
    """One quantity in the rows of which the same source speaks.

    Attributes:
        quantity, unit: its name and canonical unit.
        source: ``table``, the place in the config, or ``default``.
        rows: (n,) positions in the table.
        values: (n,) numbers; of an unknown, what its prior's middle gives.
        unknown: the prior of an unknown, in words; '' of a number.
    """

    quantity: str
    unit: str
    source: str
    rows: np.ndarray
    values: np.ndarray
    unknown: str = ""


@dataclass(frozen=True)
class Bath:
    """What the ions of alike rows come to.

    Attributes:
        rows: (n,) positions in the table.
        ions: ion -> its concentration in the bath [mM].
        positive, negative: charge of the cations and of the anions that were named [mM].
        ionic_strength: of those [mM].
        E: ion -> its Nernst potential [mV], where both sides are known or believed to be something.
    """

    rows: np.ndarray
    ions: dict[str, float]
    positive: float
    negative: float
    ionic_strength: float
    E: dict[str, float]


@dataclass(frozen=True)
class Corrected:
    """A reading, and the V_m of the membrane [mV] that it stands for where every unknown has its prior's middle."""

    reading: str
    observable: str
    unit: str
    value: float
    V_m: float


@dataclass(frozen=True)
class Understanding:
    """All that is taken to be known.

    Attributes:
        labels: of the table's rows.
        quantities: in the problem's order, and by source.
        baths: alike rows together.
        readings: those that an instrument makes of V_m.
    """

    labels: tuple[str, ...]
    quantities: tuple[Understood, ...]
    baths: tuple[Bath, ...]
    readings: tuple[Corrected, ...]

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        """Plain data; `most`: of rows, baths and readings only the first so many, besides how many there are."""

        def rows(x: Understood | Bath) -> dict[str, Any]:
            return {"n": len(x.rows), "rows": [self.labels[k] for k in x.rows[:most]]}

        quantities = [
            {k: getattr(q, k) for k in ("quantity", "unit", "source", "unknown")}
            | rows(q)
            | {"low": float(q.values.min()), "high": float(q.values.max())}
            | {"different": len(np.unique(q.values)), "values": q.values[:most].tolist()}
            for q in self.quantities
        ]
        return {
            "of": {"rows": len(self.labels), "baths": len(self.baths), "readings": len(self.readings)},
            "quantities": quantities,
            "baths": [vars(b) | rows(b) for b in self.baths[:most]],
            "readings": [vars(r) for r in self.readings[:most]],
        }


def understood(problem: Problem) -> Understanding:
    """What a problem takes to be known. Nothing is solved: it is read off the table and the config."""
    given = Given(
        problem.measurements, problem.recipe.get("quantities", {}), problem.recipe.get("solutions", {})
    )
    with plain_numbers(), computed(), np.errstate(all="ignore"):
        middle = _at(problem, {x.name: np.broadcast_to(x.prior.median, x.shape) for x in problem.sites})
        return Understanding(
            problem.measurements.labels,
            tuple(_quantities(problem, given, middle.values)),
            tuple(_baths(problem, given, middle.E)),
            tuple(_readings(problem, middle.lines)),
        )


class _Middle(NamedTuple):
    """What stands in each row (n,) where each unknown has its prior's median.

    Attributes:
        values: of each quantity.
        E: ion -> Nernst potential [mV].
        lines: what an instrument reads of V_m = 0 and of 1 mV; it is a straight line in V_m.
    """

    values: dict[str, Any]
    E: dict[str, Any]
    lines: dict[str, Any]


def _at(problem: Problem, sites: Mapping[str, Any]) -> _Middle:
    of_readings, n = _of_readings(problem), len(problem.measurements.labels)
    values = {
        k: jnp.broadcast_to(v if k in of_readings else problem.by_row(v), (n,))
        for k, v in problem.values(problem.natural(sites, problem.numbers), problem.numbers).items()
    }
    s = problem.model.setting
    E = {
        ion: nernst_potential(outside(values, ion), inside(values, ion), z, values["T"])
        for ion, z in zip(s.ions, s.z, strict=True)
        if has_nernst(values, ion)
    }
    lines = {
        kind: [
            jnp.broadcast_to(instrument_reading(kind, {"V_m": jnp.full(n, V)}, values, lambda x: x), (n,))
            for V in (0.0, 1.0)
        ]
        for kind in problem.observables
        if kind == "V_m" or kind in INSTRUMENTS and (kind != "V_patch" or has_nernst(values, "K"))
    }
    return _Middle(values, {ion: jnp.broadcast_to(x, (n,)) for ion, x in E.items()}, lines)


def _of_readings(problem: Problem) -> dict[str, str]:
    """The quantities that have a value a row, not one a condition, with their units."""
    return {q.name: q.unit for q in observation_quantities(problem.observables, problem.noise)}


def _quantities(problem: Problem, given: Given, values: Mapping[str, np.ndarray]) -> Iterator[Understood]:
    of_readings = _of_readings(problem)
    units = {q.name: q.unit for q in problem.model.quantities} | of_readings
    for name, slot in problem.slots.items():
        by_row = slice(None) if name in of_readings else problem.condition
        index, swapped = np.full(len(values[name]), -1), np.zeros(len(values[name]), bool)
        if slot.index is not None:
            index[:] = slot.index[by_row]
        if slot.swapped is not None:
            swapped[:] = slot.swapped[by_row]
        in_table = ~np.isnan(given.column(name))
        said = given.solution_saying(name)
        for rows in alike_rows(len(index), [in_table, np.where(in_table, -1, said), index >= 0]):
            row = int(rows[0])
            if in_table[row]:
                source = "table"
            else:
                spec, solution = given.spec(name, row)
                source = "default" if spec is None else place_of(name, solution)
            unknown = _prior_words(problem, index[rows], slot.swap_for if swapped[row] else None)
            yield Understood(name, units.get(name, "mM"), source, rows, values[name][rows], unknown)


def _prior_words(problem: Problem, index: np.ndarray, other: str | None) -> str:
    """The prior of what stands at these places among the unknowns; '' where it is a number."""
    if (index < 0).all():
        return ""
    parameters = (problem.layout.elements[k].parameter for k in np.unique(index[index >= 0]))
    of = {id(p): p for p in parameters}  # one of many levels is dear to compare by its content
    first = next(iter(of.values()))
    words = str(first.prior) if len(of) == 1 else f"{len(of)} values, each with its own sd"
    return words + (f", one each {first.by}" if first.by else "") + (f", minus {other}" if other else "")


def _baths(problem: Problem, given: Given, E: Mapping[str, np.ndarray]) -> Iterator[Bath]:
    n = len(problem.measurements.labels)
    ions = {ion: np.broadcast_to(c, (n,)) for ion, c in baths(given, middle=True).items()}
    E = {ion: E[ion] for ion in problem.model.setting.ions if ion in E}  # programs sort names
    charge = charge_of(ions)
    for rows in alike_rows(n, [*ions.values(), *E.values()]) if ions else ():
        k = int(rows[0])
        c = {ion: float(x[k]) for ion, x in ions.items()}
        strength = ionic_strength(np.array([*c.values()]), np.array([valence(ion) for ion in c]))
        positive, negative = (float(np.broadcast_to(x, (n,))[k]) for x in charge)
        yield Bath(rows, c, positive, negative, float(strength), {ion: float(x[k]) for ion, x in E.items()})


def _readings(problem: Problem, lines: Mapping[str, Sequence[np.ndarray]]) -> Iterator[Corrected]:
    """What each instrument makes of V_m: two points of a straight line undo it."""
    m = problem.measurements
    units = {kind: problem.unit_of(kind) for kind in set(m.observable)}
    stands_for = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for kind, line in lines.items():
            at_0, at_1 = (np.asarray(x)[m.row] for x in line)
            stands_for[kind] = (np.asarray(m.value) - at_0) / (at_1 - at_0)
    read = zip(problem.reading_names, m.observable, m.reference, m.value, strict=True)
    for k, (name, kind, reference, y) in enumerate(read):
        if kind in lines and reference < 0:
            yield Corrected(name, kind, units[kind], float(y), float(stands_for[kind][k]))
