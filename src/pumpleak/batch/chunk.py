"""A chunk of cells: from rows of the table to the arrays that are kept, wherever that is computed."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..data.cell_rows import CellRows
from ..data.cell_table import TableInfo
from ..engines.gate import PROBABILITIES, CellStatus, Rung
from ..engines.ladder import Ladder, Settings
from ..errors import InputError
from ..problem.rules import sized_by_readings
from .problems import CellProblems
from .store import FIELDS


@dataclass(frozen=True)
class Job:
    """All that a process must know to solve any chunk of a run.

    Attributes:
        recipe: the arguments of `make_problem`, without the measurements.
        table: what the cells' table is.
        shared: what becomes of latents that cells share, as for `CellProblems`.
        settings: of the engine.
        names: the run's parameters, in the order of the arrays.
        plugins: Python files that register models, as (path, text): they are executed.
    """

    recipe: Mapping[str, Any]
    table: TableInfo
    shared: str
    settings: Settings
    names: tuple[str, ...]
    plugins: tuple[tuple[str, str], ...] = ()


class Chunk(NamedTuple):
    """What `Run.write` takes of a chunk."""

    ids: np.ndarray
    arrays: dict[str, np.ndarray]
    notes: list[tuple[str, str, str]]
    seconds: float

    @property
    def usable(self) -> int:
        return int((self.arrays["status"] == CellStatus.usable).sum())


class Solver:
    """Solves chunks; templates and compiled programs are made once each."""

    def __init__(
        self, job: Job, *, problems: CellProblems | None = None, ladder: Ladder | None = None
    ) -> None:
        self.job = job
        self.problems = problems or CellProblems(job.recipe, job.table, shared=job.shared)
        self.ladder = ladder or Ladder(job.settings)

    def __call__(self, rows: CellRows, progress: Callable[[int], None] = lambda done: None) -> Chunk:
        """The chunk's posteriors; `progress` hears how many of its cells are done."""
        began = time.perf_counter()
        buckets, bad = self.problems.split(rows)
        n, arrays = len(rows.ids), None
        done = len(bad)
        for template, members, numbers in buckets:
            found = self.ladder.solve(
                template, numbers, rows.ids[members], lambda n, before=done: progress(before + n)
            )
            names = template.layout.element_names
            if len(members) == n and names == self.job.names:  # the usual case, and half the work
                arrays = found
                break
            arrays = blank(n, len(self.job.names), self.job.settings.draws) if arrays is None else arrays
            self._put(arrays, found, members, names)
            done += len(members)
        if arrays is None:
            arrays = blank(n, len(self.job.names), self.job.settings.draws)
        notes = [(str(rows.ids[b.cell]), CellStatus.bad_input.name, b.message) for b in bad]
        return Chunk(rows.ids, arrays, notes, time.perf_counter() - began)

    def _put(self, arrays: dict, found: Mapping[str, np.ndarray], members: np.ndarray, names) -> None:
        """Cells of one structure into the arrays of the chunk, whose parameters are the run's."""
        place = [self.job.names.index(name) for name in names]
        for name, values in found.items():
            if name == "draws":
                arrays[name][members[:, None], :, place] = np.moveaxis(values, 2, 1)
            elif FIELDS[name][1]:
                arrays[name][members[:, None], place] = values
            else:
                arrays[name][members] = values


def blank(n: int, parameters: int, draws: int) -> dict[str, np.ndarray]:
    """The arrays of n cells of which nothing is known."""
    sizes = {"parameter": parameters, "probability": len(PROBABILITIES)}
    out = {}
    for name, (dtype, dims) in FIELDS.items():
        shape = (n, *(sizes[d] for d in dims))
        out[name] = np.full(shape, np.nan) if dtype == "<f8" else np.zeros(shape, dtype)
    out["status"][:], out["rung"][:] = CellStatus.bad_input, Rung.none
    if draws:
        out["draws"] = np.full((n, draws, parameters), np.nan, np.float32)
    return out


class Survey(NamedTuple):
    """What a first look at every cell finds.

    Attributes:
        parameters: name, unit and prior of every parameter that any cell has.
        bad: how many cells cannot be used.
        read: observables of which any cell has a reading.
        sample: of the commonest structure in the first chunk: template, arrays, ids; None: no cell is good.
    """

    parameters: list[dict[str, str]]
    bad: int
    read: set[str]
    sample: tuple | None


def survey(problems: CellProblems, chunks: Iterator[CellRows], *, strict: bool = False) -> Survey:
    """Look at every cell, without computing anything.

    Raises:
        InputError: no cell can be used; or `strict`, and one cannot.
    """
    bad, n, first, sample = 0, 0, None, None
    read: set[str] = set()
    for rows in chunks:
        for kinds in (rows.readings, rows.differences):
            read |= {o for o in {*kinds} - read if np.isfinite(kinds[o].value).any()}
        buckets, refused = problems.split(rows)
        n, bad = n + len(rows.ids), bad + len(refused)
        if refused and first is None:
            first = refused[0]
            if strict:
                raise InputError(
                    first.message.removesuffix("."),
                    mend=f"Mend cell {rows.ids[first.cell]}, or leave strict out: it is then flagged, and"
                    " the others go on",
                )
        if sample is None and buckets:
            template, members, arrays = max(buckets, key=lambda b: len(b.members))
            sample = template, arrays, rows.ids[members]
    if sample is None:
        assert first is not None
        raise InputError(
            f"not one of {n:,} cells can be used; the first: {first.message.removesuffix('.')}",
            mend="Mend the table" if n > 1 else None,
        )
    return Survey(parameter_rows(problems), bad, read, sample)


def parameter_rows(problems: CellProblems) -> list[dict[str, Any]]:
    """Name, unit and prior (its text and its numbers) of every parameter of the structures met so far, each name once.

    In the order of their quantities in the model, whichever structure was met first.
    """
    out: dict[str, dict[str, Any]] = {}
    place: dict[str, int] = {}
    for template in problems.structures:
        order = list(template.slots)
        for p in template.parameters:
            prior, law = str(p.prior), p.prior.as_dict()
            if p.from_table or sized_by_readings(p):
                whence = f"the table's column of {p.quantity}" if p.from_table else "the size of its readings"
                prior, law = f"each cell's own, from {whence}", None
            for name in p.element_names:
                out.setdefault(name, {"name": name, "unit": p.unit, "prior": prior, "law": law})
                place.setdefault(name, order.index(p.quantity))
    return sorted(out.values(), key=lambda row: place[row["name"]])
