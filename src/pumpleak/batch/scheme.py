"""What all cells of a table have in common: the recipe as it reads for one cell, tried on made-up rows."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.cell_scan import Levels
from ..data.cell_table import TableInfo
from ..data.measurements import Measurements
from ..errors import InputError, InputWarning
from ..problem.build import make_problem
from ..problem.electrode import observation_quantities
from ..problem.given import place_of
from ..problem.noise import Recording
from ..problem.parameters import Swap
from ..problem.problem import Problem
from ..problem.resolve import given_twice, no_solution
from ..quantities.names import kind
from ..quantities.quantity import Quantity
from .latents import check_independent, entries, latent_of, own_recipe


@dataclass(frozen=True)
class Scheme:
    """A recipe and a table of cells that go together. Made by `Scheme.of`.

    Attributes:
        recipe: the arguments of `make_problem`, without the measurements, as they read for one cell.
        table: what the cells' table is.
        quantities: every quantity by name: the model's, then the readings'.
        of_model: names of the model's.
        defaults: what blanks of a column stand for, where nothing else says it.
        swapped_for: quantities that another is swapped for.
        groups: text columns on which a structure hangs.
        dynamic: whether rows have protocols and baselines.
    """

    recipe: dict[str, Any]
    table: TableInfo
    quantities: dict[str, Quantity]
    of_model: frozenset[str]
    defaults: dict[str, float]
    swapped_for: frozenset[str]
    groups: tuple[str, ...]
    dynamic: bool

    @classmethod
    def of(cls, recipe: Mapping[str, Any], table: TableInfo, shared: str) -> "Scheme":
        """Checks whatever can be checked before a cell is read.

        Raises:
            InputError: cells share a latent (unless `shared` is ``own``), or the recipe is wrong for every cell.
        """
        check_independent(recipe, table, shared)
        own = own_recipe(recipe, table)
        problem = _probe(own, table)
        quantities = {
            q.name: q
            for q in (*problem.model.quantities, *observation_quantities(table.observables, own["noise"]))
        }
        written = entries(own)
        given = {q for _, q, _ in written} | {"t"}
        latents = [latent for _, _, spec in written if (latent := latent_of(spec)) is not None]
        used = {latent.by for latent in latents}
        used |= {"solution"} if own["solutions"] or table.quantity_sd else set()
        dynamic = problem.model.setting.cell is not None
        used |= {"protocol"} if dynamic else set()
        return cls(
            own,
            table,
            quantities,
            frozenset(q.name for q in problem.model.quantities),
            {
                name: q.default
                for name, q in quantities.items()
                if q.default is not None and name not in given and name in table.quantities
            },
            frozenset(spec.other for _, _, spec in written if isinstance(spec, Swap)),
            tuple(g for g in table.groups if g in used),
            dynamic,
        )

    @property
    def recording(self) -> Recording:
        return self.recipe.get("recording") or Recording()

    def make(self, m: Measurements, **options: Any) -> Problem:
        """`make_problem` without what these rows have no part in."""
        return _make(self.recipe | options, self.table, m)


def _noise_of(quantity: str, observables: set[str]) -> bool:
    """Whether a quantity is the noise of one of these."""
    k = kind(quantity)
    return k.is_noise and k.of in observables


def _make(recipe: dict[str, Any], table: TableInfo, m: Measurements) -> Problem:
    there = set(m.groups.get("solution", ()))
    absent = {o for o in table.observables if o not in m.observable}
    part = {
        "solutions": {s: d for s, d in recipe["solutions"].items() if s in there},
        "quantities": {q: s for q, s in recipe["quantities"].items() if not _noise_of(q, absent)},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return make_problem(m, config={}, **(recipe | part))


def _probe(recipe: dict[str, Any], table: TableInfo) -> Problem:
    """A problem of made-up rows, one for each solution: what is wrong with it is wrong with every cell."""
    levels = table.groups.get("solution", Levels((), True, False, False))
    solutions = ["", *recipe["solutions"]]
    if levels.names is not None:
        for name in recipe["solutions"]:
            if name not in levels.names:
                raise no_solution(name, levels.names, table.file)
        solutions = [*levels.names, *([""] if levels.blank else [])] or [""]
    for solution, q, _ in entries(recipe):
        if q in table.quantities:
            raise given_twice(q, place_of(q, solution))
    try:
        return _make(recipe, table, _made_up(recipe, table, solutions))
    except InputError as error:
        if error.row is None:
            raise
        for solution in solutions[1:] + solutions[:1]:
            try:
                return _make(recipe, table, _made_up(recipe, table, [solution]))
            except InputError:
                continue
        raise InputError(
            error.problem, mend=error.mend, file=error.file, column=error.column, key=error.key
        ) from None


def _made_up(recipe: dict[str, Any], table: TableInfo, solutions: list[str]) -> Measurements:
    """Rows of these solutions (two at least) with a number in every column and nothing read."""
    solutions = solutions * 2 if len(solutions) == 1 else solutions
    n = len(solutions)
    plausible = {"K": 300.0, "1": 1.0, "mM": 0.0}
    groups = {name: ("x",) * n for name in table.groups if name not in ("baseline", "protocol")}
    groups |= {"protocol": ("steady",) * n} if "protocol" in table.groups else {}
    if "solution" in table.groups or recipe["solutions"]:
        groups["solution"] = tuple(solutions)
    baseline = recipe.get("baseline")
    labels = [f"row {k}" for k in range(n)]
    if baseline and baseline not in solutions:
        labels[0] = baseline
    kinds = [(o, -1) for o in table.readings] + [(o, 0) for o in table.differences]
    blank = np.full(len(kinds), np.nan)
    return Measurements(
        labels=tuple(labels),
        quantities={q: np.full(n, plausible.get(table.units[q], 0.0)) for q in table.quantities},
        quantity_sd={},
        groups=groups,
        units=dict(table.units),
        observable=tuple(o for o, _ in kinds),
        row=np.full(len(kinds), n - 1),
        reference=np.array([r for _, r in kinds], int),
        value=blank,
        sd=blank,
        sem=blank,
        n=blank,
        file=table.file,
        sha256=table.sha256,
        file_rows=np.arange(1, n + 1),
    )
