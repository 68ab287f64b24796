"""The numbers of many cells in the order of their template."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..data.measurements import Measurements, Reading
from ..problem.priors import standard_of
from ..problem.problem import Arrays, Problem
from ..problem.rules import known_variance, noise_size, sized_by_readings
from ..quantities.names import kind
from .block import Block
from .template import row_of

Known = dict[str, np.ndarray]
Floors = dict[int, np.ndarray]


class Bucket(NamedTuple):
    """Cells of one structure.

    Attributes:
        template: their common problem; the same object for the same structure in every chunk.
        members: (M,) their positions in the chunk.
        arrays: its numbers for each, with a leading axis of length M.
    """

    template: Problem
    members: np.ndarray
    arrays: Arrays


def known_numbers(template: Problem, block: Block) -> Known:
    """Quantity -> (M,) or (M, n) known values: the table's where it has them, else the template's."""
    of_model = {q.name for q in template.model.quantities}
    out = {}
    for q, slot in template.slots.items():
        base = np.asarray(template.arrays.known[q], float)
        if q not in block.quantities:
            out[q] = np.broadcast_to(base, (len(block.cells), *base.shape))
            continue
        values = block.quantities[q]
        values = values[:, template.first_row] if q in of_model else values
        held = np.isnan(values) if slot.index is None else np.isnan(values) | (slot.index >= 0)
        out[q] = np.where(held, base, values)
    return out


def finished(template: Problem, block: Block, known: Known, floors: Floors) -> Problem:
    """A template with numbers of its own, whose priors are cut where each cell's are.

    Args:
        template: from `make_template`.
        block, known: the cells and their known numbers.
        floors: parameter -> (M,) where its prior is cut; without those of which no cell's is.
    """
    parameters = list(template.parameters)
    for i in floors:  # at which number is each cell's own
        prior = parameters[i].prior
        parameters[i] = replace(parameters[i], prior=replace(prior, lower=float(prior.quantile(0.1))))
    template = replace(template, parameters=tuple(parameters))
    first = {i: f[:1] for i, f in floors.items()}
    arrays = arrays_of(template, block.pick(np.array([0])), {q: v[:1] for q, v in known.items()}, first)
    own = Arrays(*(_first(x) for x in arrays))
    # The structure's own priors are the same whichever cell it was met in first.
    return replace(
        template,
        numbers=own._replace(
            prior={s.name: s.prior.params for s in template.sites},
            standard={s.name: np.array(s.prior.standard) for s in template.sites},
        ),
    )


def _first(x: Any) -> Any:
    return {name: v[0] for name, v in x.items()} if isinstance(x, dict) else x[0]


def arrays_of(template: Problem, block: Block, known: Known, floors: Floors) -> Arrays:
    """The numbers of a block's cells, each with a leading axis of length M; arguments as for `finished`."""
    n = len(block.cells)
    prior, standard = {}, {}
    for i, p in enumerate(template.parameters):
        for j, s in enumerate(p.sites):
            numbers = np.broadcast_to(s.prior.params, (n, 4))
            sized = sized_by_readings(p)
            if j == 0 and (p.from_table or sized or i in floors):
                numbers = numbers.copy()
                if sized:
                    k = kind(p.quantity)
                    found = [r[k.of] for r in (block.readings, block.differences) if k.of in r]
                    numbers[:, 1] = noise_size(k.what, found)
                if p.from_table:
                    row = row_of(template, p)
                    numbers[:, 0] = block.quantities[p.quantity][:, row]
                    numbers[:, 1] = block.quantity_sd[p.quantity][:, row]
                if i in floors:
                    numbers[:, 2] = floors[i]
                standard[s.name] = standard_of(s.prior, numbers)
            else:
                standard[s.name] = np.broadcast_to(template.arrays.standard[s.name], (n, 2))
            prior[s.name] = numbers
    read = _readings(template.measurements, block)
    mask = np.isfinite(read.value)
    return Arrays(
        known=known,
        prior=prior,
        standard=standard,
        value=read.value,
        # where nothing is read, any scale will do that divides
        variance=np.where(mask, known_variance(read), 1.0),
        count=np.where(mask & np.isfinite(read.n), read.n, 1.0),
        mask=mask,
    )


def _readings(m: Measurements, block: Block) -> Reading:
    """(M, N) readings in the order of a template's."""
    (cells, n), plain = block.at.shape, m.reference < 0
    kinds = m.observable[: int(plain.sum()) // n]
    parts = []
    for part in Reading._fields:
        columns = [getattr(block.readings[o], part) for o in kinds]
        blocks = [np.stack(columns, axis=2).reshape(cells, -1) if columns else np.zeros((cells, 0))]
        for j in np.flatnonzero(~plain):
            blocks.append(getattr(block.differences[m.observable[j]], part)[:, m.row[j], None])
        parts.append(blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1))
    return Reading(*parts)
