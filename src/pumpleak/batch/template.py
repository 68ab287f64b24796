"""The problem that cells of one structure share, in names that hold for all of them."""

from dataclasses import replace

import numpy as np

from ..data.measurements import Measurements, Reading
from ..problem.parameters import Parameter
from ..problem.priors import Prior
from ..problem.problem import Problem
from ..problem.rules import sized_by_readings
from .block import Block
from .levels import LevelCodes
from .scheme import Scheme

_TINY = 1e-300


def make_template(block: Block, merged: bool, levels: LevelCodes, scheme: Scheme) -> Problem:
    """The structure that a block's first cell stands for.

    Args:
        block: cells of one structure.
        merged: whether rows alike are one condition.
        levels: what the numbers of levels stand for.
        scheme: what all cells have in common.

    Raises:
        InputError: there is no such problem; a row is its place in the cell, from 1 on.
    """
    m = _measurements(block, levels, scheme)
    gaps = any(np.isnan(v).any() for q, v in m.quantities.items() if q in scheme.of_model)
    problem = scheme.make(_without_floors(m, scheme), baseline=None, merge=merged and not gaps)
    parameters = tuple(
        replace(p, name=name, prior=_general(p))
        for p, name in zip(problem.parameters, _names(problem, m), strict=True)
    )
    # What was assumed is said of the first cell's own rows.
    return replace(problem, parameters=parameters, measurements=m, assumptions=())


def row_of(problem: Problem, p: Parameter) -> int:
    """The first row of a cell whose value a parameter from the table is."""
    index = problem.slots[p.quantity].index
    assert index is not None
    at = int(np.argmax(index == problem.layout.of_parameters[p.name].start))
    of_model = any(q.name == p.quantity for q in problem.model.quantities)
    return int(problem.first_row[at]) if of_model else at


def _without_floors(m: Measurements, scheme: Scheme) -> Measurements:
    """The rows with next to nothing of what another is swapped for: what a total must not fall below comes later, from
    each cell's numbers. What has an sd is no number that bounds anything."""

    def low(q: str) -> np.ndarray:
        values, sd = m.quantities[q], m.quantity_sd.get(q)
        return values * _TINY if sd is None else np.where(np.isnan(sd), values * _TINY, values)

    return replace(m, quantities=m.quantities | {q: low(q) for q in scheme.swapped_for if q in m.quantities})


def _general(p: Parameter) -> Prior:
    """A parameter's prior without what is the first cell's own."""
    prior = replace(p.prior, lower=0.0) if 0 < p.prior.lower < 1e-200 else p.prior
    if sized_by_readings(p):
        return replace(prior, b=1.0)
    return replace(prior, a=1.0, b=1.0) if p.from_table else prior


def _names(problem: Problem, m: Measurements) -> list[str]:
    """Parameters' names, without the numbers that `make_problem` tells inputs with an sd apart by."""
    solutions = m.groups.get("solution", ("",) * len(m.labels))
    names = []
    for p in problem.parameters:
        name = p.name
        if p.from_table:
            name, row = p.quantity, row_of(problem, p)
            alike = [x for x in problem.parameters if x.from_table and x.quantity == p.quantity]
            solutions_alike = [solutions[row_of(problem, x)] for x in alike]
            if len(alike) > 1 or any(x.name == name for x in problem.parameters):
                own = solutions[row] and solutions_alike.count(solutions[row]) == 1
                name = f"{name}[{solutions[row]}]" if own else f"{name}[row {row + 1}]"
        names.append(name)
    return names


def _measurements(block: Block, levels: LevelCodes, scheme: Scheme) -> Measurements:
    """The padded table of a block's first cell; rows are called by their place in the cell."""
    t, n = scheme.table, block.at.shape[1]
    present = [o for o, there in zip(t.observables, block.present[0], strict=True) if there]
    kinds = [(o, k, -1) for k in range(n) for o in present if o in block.readings]
    for o in present:
        if o in block.differences:
            found = np.flatnonzero(np.isfinite(block.differences[o].value[0]))
            kinds += [(o, int(k), int(block.reference[0, k])) for k in found]
    of = [(block.readings if ref < 0 else block.differences)[o] for o, _, ref in kinds]
    at = [k for _, k, _ in kinds]
    numbers = {
        part: np.array([getattr(r, part)[0, k] for r, k in zip(of, at, strict=True)], float)
        for part in Reading._fields
    }
    groups = {name: levels.called(name, level[0]) for name, level in block.levels.items()}
    if block.baseline is not None:
        groups["baseline"] = tuple(
            f"row {k + 1}" if k >= 0 else "of an unknown row" if k == -1 else "" for k in block.baseline[0]
        )
    return Measurements(
        labels=tuple(f"row {k + 1}" for k in range(n)),
        quantities={q: v[0] for q, v in block.quantities.items()},
        quantity_sd={q: v[0] for q, v in block.quantity_sd.items()},
        groups=groups,
        units=dict(t.units),
        observable=tuple(o for o, _, _ in kinds),
        row=np.array(at, int),
        reference=np.array([ref for _, _, ref in kinds], int),
        **numbers,
        file=t.file,
        sha256=t.sha256,
        file_rows=np.arange(1, n + 1),
    )
