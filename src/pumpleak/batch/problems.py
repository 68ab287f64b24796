"""Problems of many cells: cells of one structure share a template, and differ in its arrays alone."""

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.cell_scan import Levels
from ..data.cell_table import BadCell, CellRows, TableInfo
from ..data.measurements import Measurements, Reading
from ..errors import InputError, InputWarning
from ..problem.build import make_problem
from ..problem.electrode import observation_quantities
from ..problem.junction import Junction
from ..problem.noise import Recording
from ..problem.parameters import Parameter, Swap
from ..problem.priors import standard_of
from ..problem.problem import Arrays, Problem
from ..problem.resolve import given_twice, no_solution
from ..problem.rules import (
    all_below,
    breaches,
    far_above,
    floors,
    is_cut,
    known_variance,
    lacks_error,
    negative_swaps,
    shows_scatter,
)
from .block import COMMON, MOST_PATTERNS, SIZES, Block, alike_rows, bit_patterns, first_of, weights
from .latents import entries, latent_of, own_spec, shared_latents
from .numbers import Bucket, row_of
from .template import TINY, general


class CellProblems:
    """Turns rows of cells into templates and arrays; templates are made once for each structure.

    Args:
        recipe: the arguments of `make_problem`, without the measurements: `Problem.recipe`.
        table: what the cells' table is: `CellTable.info`.
        shared: ``refuse`` latents that cells share, or give each cell its ``own``.

    Raises:
        InputError: cells share a latent, or the recipe is wrong for every cell of such a table.
    """

    def __init__(self, recipe: Mapping[str, Any], table: TableInfo, *, shared: str = "refuse"):
        for place, q, spec in entries(recipe):
            latent = latent_of(spec)
            if latent is not None and len(latent.columns) > 1:
                raise InputError(
                    f"{q} has levels within levels ({', '.join(latent.columns)}), so cells are not independent",
                    mend="Infer the whole table jointly (`infer`), or give one column",
                    column=f"{place}.{q}",
                )
            if isinstance(spec, Junction):
                raise InputError(
                    f"{q} is computed from each row's bath, which a batch does not do",
                    mend="Compute it beforehand (`junction_potential`) and give it as a column LJP_mV",
                    column=f"{place}.{q}",
                )
        found = shared_latents(recipe, table)
        if found and shared == "refuse":
            name, why = found[0]
            of_table = name in table.columns.values()
            raise InputError(
                f"{name} is shared by cells ({why}), so their posteriors are not independent",
                mend="Infer the whole table jointly (`infer`); or write it as a known number; or, where each"
                f" cell truly had its own, write `by: {table.by}` or `batch: {{shared: own}}`",
                file=table.file if of_table else None,
                column=name,
            )
        self.table = table
        self.recipe: dict[str, Any] = dict(recipe)
        self.recipe["quantities"] = {q: own_spec(s, table) for q, s in recipe["quantities"].items()}
        self.recipe["solutions"] = {
            name: {q: own_spec(s, table) for q, s in given.items()}
            for name, given in (recipe.get("solutions") or {}).items()
        }
        specs = [spec for _, _, spec in entries(self.recipe)]
        self._swapped_for = {s.other for s in specs if isinstance(s, Swap)}
        used = {latent.by for latent in map(latent_of, specs) if latent is not None and latent.by}
        used |= {"solution"} if self.recipe["solutions"] or table.quantity_sd else set()
        self._codes: dict[str, dict[str, int]] = {}
        self._templates: dict[bytes, Problem | InputError] = {}
        self._finished: dict[bytes, Problem] = {}
        probe = self._probe()
        self._dynamic = probe.model.setting.cell is not None
        self._of_model = {q.name for q in probe.model.quantities}
        observation = observation_quantities(table.observables, self.recipe["noise"])
        every = (*probe.model.quantities, *observation)
        self._quantities = {q.name: q for q in every}
        given = {q for _, q, _ in entries(self.recipe)} | {"t"}
        default = {q.name: q.default for q in every if q.default is not None and q.name not in given}
        self._default: dict[str, float] = {q: v for q, v in default.items() if q in table.quantities}
        self._used = [g for g in table.groups if g in used or (g == "protocol" and self._dynamic)]

    # -- is the recipe right, whatever the rows hold ------------------------------------------

    def _probe(self) -> Problem:
        """A problem of made-up rows, one for each solution: what is wrong with it is wrong with every cell."""
        t = self.table
        levels = t.groups.get("solution", Levels((), True, False, False))
        solutions = ["", *self.recipe["solutions"]]
        if levels.names is not None:
            for name in self.recipe["solutions"]:
                if name not in levels.names:
                    raise no_solution(name, levels.names, t.file)
            solutions = [*levels.names, *([""] if levels.blank else [])] or [""]
        for place, q, _ in entries(self.recipe):
            if q in t.quantities:
                raise given_twice(q, f"{place}.{q}")
        try:
            return self._probe_of(solutions)
        except InputError as error:
            if error.row is None:
                raise
            for solution in solutions[1:] + solutions[:1]:
                try:
                    return self._probe_of([solution])
                except InputError:
                    continue
            raise InputError(
                error.problem, mend=error.mend, file=error.file, column=error.column, key=error.key
            ) from None

    def _probe_of(self, solutions: list[str]) -> Problem:
        solutions = solutions * 2 if len(solutions) == 1 else solutions
        t, n = self.table, len(solutions)
        scale = {"K": 300.0, "1": 1.0, "mM": 0.0}
        groups = {name: ("x",) * n for name in t.groups if name not in ("baseline", "protocol")}
        groups |= {"protocol": ("steady",) * n} if "protocol" in t.groups else {}
        if "solution" in t.groups or self.recipe["solutions"]:
            groups["solution"] = tuple(solutions)
        baseline = self.recipe.get("baseline")
        labels = [baseline if k == 0 and baseline else f"row {k}" for k in range(n)]
        if baseline in solutions:
            labels[0] = "row 0"
        kinds = [(o, -1) for o in t.readings] + [(o, 0) for o in t.differences]
        blank = np.full(len(kinds), np.nan)
        m = Measurements(
            labels=tuple(labels),
            quantities={q: np.full(n, scale.get(t.units[q], 0.0)) for q in t.quantities},
            quantity_sd={},
            groups=groups,
            units=dict(t.units),
            observable=tuple(o for o, _ in kinds),
            row=np.full(len(kinds), n - 1),
            reference=np.array([r for _, r in kinds], int),
            value=blank,
            sd=blank,
            sem=blank,
            n=blank,
            file=t.file,
            sha256=t.sha256,
            file_rows=np.arange(1, n + 1),
        )
        return self._make(m)

    def _make(self, m: Measurements, **options) -> Problem:
        """`make_problem` without what these rows have no part in."""
        recipe = self.recipe | options
        there = set(m.groups.get("solution", ()))
        recipe["solutions"] = {s: d for s, d in recipe["solutions"].items() if s in there}
        absent = tuple(f"_{o}" for o in self.table.observables if o not in m.observable)
        noise = ("sigma", "extra")
        recipe["quantities"] = {
            q: s
            for q, s in recipe["quantities"].items()
            if not (q.partition("_")[0] in noise and absent and q.endswith(absent))
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            return make_problem(m, config={}, **recipe)

    # -- chunks -----------------------------------------------------------------------------

    @property
    def structures(self) -> list[Problem]:
        """One problem for each structure met so far, in the order in which they were."""
        return [t for t in self._templates.values() if isinstance(t, Problem)]

    def split(self, rows: CellRows) -> tuple[list[Bucket], list[BadCell]]:
        """The cells of a chunk, by structure, and those that cannot be used, each with its message."""
        flagged = list(rows.bad)
        good = np.ones(len(rows.ids), bool)
        good[[b.cell for b in rows.bad]] = False
        sizes = np.array(SIZES)[np.searchsorted(SIZES, np.diff(rows.start))]
        codes = self._row_codes(rows)
        buckets = []
        for size in np.unique(sizes[good]):
            block = self._block(rows, np.flatnonzero(good & (sizes == size)), int(size), codes)
            block = self._usable(block, rows, flagged)
            if len(block.cells):
                signature = self._signature(block, COMMON * len(rows.ids))
                for chosen in alike_rows(signature):
                    merged = bool(signature[chosen[0], -1] >= 0)
                    key = np.int64(size).tobytes() + signature[chosen[0]].tobytes()
                    buckets += self._buckets(block.pick(chosen), key, merged, rows, flagged)
        return buckets, sorted(flagged, key=lambda b: b.cell)

    def _row_codes(self, rows: CellRows) -> dict[str, np.ndarray]:
        """Text columns as integers, 0 where blank; a name keeps its number from chunk to chunk."""
        import pandas

        out = {}
        for name in self._used:
            code, found = pandas.factorize(rows.groups[name])
            known = self._codes.setdefault(name, {"": 0})
            if self._named(name):
                out[name] = np.array([known.setdefault(x, len(known)) for x in found])[code]
            else:
                fixed = list(self.recipe["solutions"]) if name == "solution" else []
                own = {"": 0} | {x: -1 - k for k, x in enumerate(fixed)}
                out[name] = np.array([own.get(x, k + 1) for k, x in enumerate(found)])[code]
        if self._dynamic and ("baseline" in rows.groups or self.recipe.get("baseline")):
            base = rows.groups.get("baseline", np.full(len(rows.row), "", object))
            base = np.where(base == "", self.recipe.get("baseline") or "", base)
            labels = rows.labels if rows.labels is not None else np.full(len(base), "", object)
            solution = rows.groups.get("solution", np.full(len(base), "", object))
            code, found = pandas.factorize(np.concatenate([base, labels, solution]))
            code = np.where(found[code] == "", -1, code)
            out |= dict(zip(("_base", "_label", "_solution"), np.split(code, 3), strict=True))
        return out

    def _named(self, group: str) -> bool:
        """Whether a column's levels keep their names: not where every cell may have others."""
        return self.table.groups[group].names is not None or group == "protocol"

    def _block(self, rows: CellRows, cells: np.ndarray, size: int, codes: dict) -> Block:
        start, count = rows.start[cells], np.diff(rows.start)[cells]
        place = np.arange(size)
        real = place < count[:, None]
        at = start[:, None] + np.where(real, place, 0)

        def read(r: Reading) -> Reading:
            return Reading(*(np.where(real, part[at], np.nan) for part in r))

        quantities = {q: v[at] for q, v in rows.quantities.items()}
        for q, default in self._default.items():
            quantities[q] = np.where(np.isnan(quantities[q]), default, quantities[q])
        return Block(
            cells,
            at,
            real,
            quantities,
            {q: v[at] for q, v in rows.quantity_sd.items()},
            {g: v[at] for g, v in codes.items()},
            {o: read(r) for o, r in rows.readings.items()},
            {o: read(r) for o, r in rows.differences.items()},
            np.where(real & (rows.reference[at] >= 0), rows.reference[at] - start[:, None], -1),
        )

    def _usable(self, block: Block, rows: CellRows, flagged: list[BadCell]) -> Block:
        """The block without cells whose numbers cannot be; these are flagged."""
        good = np.ones(len(block.cells), bool)

        for breach in breaches(
            self._quantities.values(),
            block.quantities,
            block.readings,
            block.differences,
            self.recipe.get("recording") or Recording(),
        ):
            wrong = breach.wrong
            for c in np.flatnonzero(wrong.any(1) & good):
                k = int(np.argmax(wrong[c]))
                column = self.table.columns.get(breach.column, breach.column)
                flagged.append(self._bad(rows, block, c, k, column, *breach.words((c, k))))
            good &= ~wrong.any(1)
        return block if good.all() else block.pick(np.flatnonzero(good))

    def _bad(self, rows: CellRows, block: Block, c, k, column, problem, mend) -> BadCell:
        row = None if k is None else int(rows.row[block.at[c, k]])
        error = InputError(problem, mend=mend, file=self.table.file, row=row, column=column)
        return BadCell(int(block.cells[c]), row, column, str(error))

    # -- structure --------------------------------------------------------------------------

    def _signature(self, block: Block, common: float) -> np.ndarray:
        """(M, K) integers that are alike for cells of one structure; the last is −1 where no rows merge."""
        parts = [self._present(block), *self._noise_defaults(block)]
        parts += [np.where(np.isfinite(d.value), block.reference + 1, 0) for d in block.differences.values()]
        for q, values in block.quantities.items():
            if q in self._quantities and q not in self._default:
                parts.append(np.isnan(values))
        for q, sd in block.quantity_sd.items():
            if q in self._quantities:
                values = block.quantities[q]
                parts += [np.isnan(sd), first_of(bit_patterns(values)), first_of(bit_patterns(sd))]
                parts.append(far_above("normal", values, sd, self._quantities[q].lower))
        for name in self._used:
            code = block.codes[name]
            if not self._named(name):
                code = np.where(code > 0, self._ranks(code), code)
            parts.append(code)
        if "_base" in block.codes:
            parts.append(self._baselines(block))
        parts.append(self._merged(block, common))
        flat = [p.reshape(len(block.cells), -1).astype(np.int64) for p in parts]
        return np.concatenate(flat, axis=1)

    def _present(self, block: Block) -> np.ndarray:
        """(M, observables) whether a cell has any reading of each; the first stands in where it has none."""
        out = np.zeros((len(block.cells), len(self.table.observables)), bool)
        for r in (block.readings, block.differences):
            for o, reading in r.items():
                out[:, self.table.observables.index(o)] |= np.isfinite(reading.value).any(1)
        there = [o in block.readings for o in self.table.observables]
        if any(there):
            out[~out.any(1), there.index(True)] = True
        return out

    def _noise_defaults(self, block: Block) -> list[np.ndarray]:
        """For noise that nobody specified: is there a reading without an error, and are there 3 with one."""
        out = []
        for o in self.table.observables:
            of = [r[o] for r in (block.readings, block.differences) if o in r]
            if of and f"sigma_{o}" not in self.recipe["quantities"]:
                out.append(lacks_error(of))
            if of and f"extra_{o}" not in self.recipe["quantities"]:
                out.append(shows_scatter(of))
        return out

    def _ranks(self, code: np.ndarray) -> np.ndarray:
        """Levels numbered 1, 2 … as they appear in their cell."""
        first = first_of(code)
        new = (first == np.arange(code.shape[1])) & (code > 0)
        return np.take_along_axis(np.cumsum(new, axis=1), first, axis=1)

    def _baselines(self, block: Block) -> np.ndarray:
        """(M, S) the row that each row's baseline names; −1: none so called; −2: it names none."""
        base, label, solution = (block.codes[x] for x in ("_base", "_label", "_solution"))
        steady = np.full(base.shape, self.recipe.get("protocol") == "steady")
        if "protocol" in block.codes:
            kind = block.codes["protocol"]
            named = self._codes["protocol"].get("steady", -1)
            steady = np.where(kind == 0, steady, kind == named)
        out = np.empty_like(base)
        for i in range(base.shape[1]):
            name = base[:, i : i + 1]
            found = block.real & (name >= 0) & ((label == name) | (solution == name))
            best = np.where((found & steady).any(1), (found & steady).argmax(1), found.argmax(1))
            out[:, i] = np.where(found.any(1), best, np.where(name[:, 0] >= 0, -1, -2))
        return out

    def _merged(self, block: Block, common: float) -> np.ndarray:
        """(M, S) the first row alike in the table's numbers; −1 throughout where each row stays its own.

        To merge saves work but makes structures: only what at least `common` cells have alike is worth one.
        """
        columns = [v for q, v in block.quantities.items() if q in self._of_model]
        columns += [v for q, v in block.quantity_sd.items() if q in self._of_model]
        mixed = np.zeros(block.at.shape, np.uint64)
        for values, weight in zip(columns, weights(len(columns)), strict=True):
            bits = bit_patterns(values).view(np.uint64)
            mixed += (bits ^ (bits >> np.uint64(31))) * weight
        first = first_of(mixed)
        repeats = ((first < np.arange(first.shape[1])) & block.real).any(1)
        out = np.full(first.shape, -1)
        alike = [g for g in alike_rows(first) if repeats[g[0]] and len(g) >= common]
        if len(alike) <= MOST_PATTERNS:
            for g in alike:
                out[g] = first[g]
        return out

    # -- templates --------------------------------------------------------------------------

    def _buckets(
        self, block: Block, key: bytes, merged: bool, rows: CellRows, flagged: list[BadCell]
    ) -> list[Bucket]:
        if key not in self._templates:
            try:
                self._templates[key] = self._template(block, merged, rows)
            except InputError as error:
                self._templates[key] = error
        template = self._templates[key]
        if isinstance(template, InputError):
            flagged += [self._refused(template, rows, block, c) for c in range(len(block.cells))]
            return []
        known = self._known(template, block)
        good = np.ones(len(block.cells), bool)

        def refuse(breach, row: int | None) -> None:
            for c in np.flatnonzero(good & breach.wrong):
                flagged.append(self._bad(rows, block, c, row, breach.column, *breach.words(c)))
            good[breach.wrong] = False

        for k, breach in negative_swaps(template.slots, known, lead=1):
            refuse(breach, int(template.first_row[k]))
        least = floors(template.parameters, template.slots, known, lead=1)
        for i, floor in least.items():
            p = template.parameters[i]
            refuse(all_below(p.prior, floor, p.source), None)
        if not good.all():
            kept = np.flatnonzero(good)
            if not len(kept):
                return []
            block = block.pick(kept)
            known = {q: v[kept] for q, v in known.items()}
            least = {i: floor[kept] for i, floor in least.items()}
        return list(self._by_floor(template, block, key, known, least))

    def _by_floor(self, template: Problem, block: Block, key: bytes, known, floors):
        """A swap's total is at least what it is swapped for: where that bounds its prior is structure too."""
        if not floors:
            yield self._bucket(template, block, key, known, floors)
            return
        bounded = np.stack(
            [is_cut(template.parameters[i].prior, floor) for i, floor in floors.items()], axis=1
        )
        for chosen in alike_rows(bounded):
            own = {i: f[chosen] for k, (i, f) in enumerate(floors.items()) if bounded[chosen[0], k]}
            part = {q: v[chosen] for q, v in known.items()}
            yield self._bucket(
                template, block.pick(chosen), key + bounded[chosen[0]].tobytes() + b"floor", part, own
            )

    def _bucket(self, base: Problem, block: Block, key: bytes, known, floors) -> Bucket:
        if key not in self._finished:
            parameters = list(base.parameters)
            for i in floors:
                prior = parameters[i].prior
                parameters[i] = replace(parameters[i], prior=replace(prior, lower=float(prior.quantile(0.1))))
            template = replace(base, parameters=tuple(parameters))
            first = {i: f[:1] for i, f in floors.items()}
            arrays = self._arrays(
                template, block.pick(np.array([0])), {q: v[:1] for q, v in known.items()}, first
            )
            own = Arrays(*(row_of(x, 0) for x in arrays))
            # The structure's own priors are the same whichever cell it was met in first.
            sites = template.sites
            own = own._replace(
                prior={s.name: s.prior.params for s in sites},
                standard={s.name: np.array(s.prior.standard) for s in sites},
            )
            self._finished[key] = replace(template, arrays=own)
        template = self._finished[key]
        return Bucket(template, block.cells, self._arrays(template, block, known, floors))

    def _template(self, block: Block, merged: bool, rows: CellRows) -> Problem:
        """The structure that a block's first cell stands for, in names that hold for all of them."""
        m = self._measurements(block)
        # What a total must not fall below comes later, from each cell's numbers: here it is next to nothing.
        low = {q: v * TINY if q in self._swapped_for else v for q, v in m.quantities.items()}
        gaps = any(np.isnan(v).any() for q, v in m.quantities.items() if q in self._of_model)
        problem = self._make(replace(m, quantities=low), baseline=None, merge=merged and not gaps)
        names = self._names(problem, m)
        parameters = tuple(
            replace(p, name=name, prior=general(p)) for p, name in zip(problem.parameters, names, strict=True)
        )
        # What was assumed is said of the first cell's own rows.
        return replace(problem, parameters=parameters, measurements=m, assumptions=())

    def _names(self, problem: Problem, m: Measurements) -> list[str]:
        """Parameters' names, without the numbers that `make_problem` tells inputs with an sd apart by."""
        solutions = m.groups.get("solution", ("",) * len(m.labels))
        measured = [p for p in problem.parameters if p.from_table]
        names = []
        for p in problem.parameters:
            name = p.name
            if p.from_table:
                name, row = p.quantity, self._row_of(problem, p)
                alike = [x for x in measured if x.quantity == p.quantity]
                of = [solutions[self._row_of(problem, x)] for x in alike]
                if len(alike) > 1 or any(x.name == name for x in problem.parameters):
                    own = solutions[row] and of.count(solutions[row]) == 1
                    name = f"{name}[{solutions[row]}]" if own else f"{name}[row {row + 1}]"
            names.append(name)
        return names

    def _row_of(self, problem: Problem, p: Parameter) -> int:
        """The first row of a cell whose value this is."""
        start = sum(x.size for x in itertools.takewhile(lambda x: x is not p, problem.parameters))
        index = problem.slots[p.quantity].index
        assert index is not None
        at = int(np.argmax(index == start))
        return int(problem.first_row[at]) if p.quantity in self._of_model else at

    def _measurements(self, block: Block) -> Measurements:
        """The padded table of a block's first cell; rows are called by their place in the cell."""
        t, n = self.table, block.at.shape[1]
        present = [o for o, there in zip(t.observables, self._present(block)[0], strict=True) if there]
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
        return Measurements(
            labels=tuple(f"row {k + 1}" for k in range(n)),
            quantities={q: v[0] for q, v in block.quantities.items()},
            quantity_sd={q: v[0] for q, v in block.quantity_sd.items()},
            groups=self._levels(block),
            units=dict(t.units),
            observable=tuple(o for o, _, _ in kinds),
            row=np.array(at, int),
            reference=np.array([ref for _, _, ref in kinds], int),
            **numbers,
            file=t.file,
            sha256=t.sha256,
            file_rows=np.arange(1, n + 1),
        )

    def _levels(self, block: Block) -> dict[str, tuple[str, ...]]:
        """Text columns of a block's first cell; levels that other cells call otherwise are numbered."""
        out = {}
        for name in self._used:
            code = block.codes[name][:1]
            if self._named(name):
                called = list(self._codes[name])
                out[name] = tuple(called[c] for c in code[0])
            else:
                fixed = list(self.recipe["solutions"])
                rank = self._ranks(code)[0]
                out[name] = tuple(
                    f"{name} {rank[k]}" if c > 0 else fixed[-1 - c] if c else ""
                    for k, c in enumerate(code[0])
                )
        if "_base" in block.codes:
            found = self._baselines(block.pick(np.array([0])))[0]
            out["baseline"] = tuple(
                f"row {k + 1}" if k >= 0 else "of an unknown row" if k == -1 else "" for k in found
            )
        return out

    def _refused(self, error: InputError, rows: CellRows, block: Block, c: int) -> BadCell:
        """What made a structure impossible, told of one of its cells."""
        k = None if error.row is None else error.row - 1
        problem = error.problem
        if k is not None and rows.labels is not None:
            problem = problem.replace(f"'row {k + 1}'", f"'{rows.labels[block.at[c, k]]}'")
        return self._bad(rows, block, c, k, error.column or error.key, problem, error.mend)

    # -- numbers ----------------------------------------------------------------------------

    def _known(self, template: Problem, block: Block) -> dict[str, np.ndarray]:
        out = {}
        for q, slot in template.slots.items():
            base = np.asarray(template.arrays.known[q], float)
            if q not in block.quantities:
                out[q] = np.broadcast_to(base, (len(block.cells), *base.shape))
                continue
            values = block.quantities[q]
            values = values[:, template.first_row] if q in self._of_model else values
            held = np.isnan(values) if slot.index is None else np.isnan(values) | (slot.index >= 0)
            out[q] = np.where(held, base, values)
        return out

    def _arrays(self, template: Problem, block: Block, known, floors) -> Arrays:
        n = len(block.cells)
        prior, standard = {}, {}
        for i, p in enumerate(template.parameters):
            for j, s in enumerate(p.sites):
                numbers = np.broadcast_to(s.prior.params, (n, 4))
                own = j == 0 and (p.from_table or i in floors)
                if own:
                    numbers = numbers.copy()
                    if p.from_table:
                        row = self._row_of(template, p)
                        numbers[:, 0] = block.quantities[p.quantity][:, row]
                        numbers[:, 1] = block.quantity_sd[p.quantity][:, row]
                    if i in floors:
                        numbers[:, 2] = floors[i]
                    standard[s.name] = standard_of(s.prior, numbers)
                else:
                    standard[s.name] = np.broadcast_to(template.arrays.standard[s.name], (n, 2))
                prior[s.name] = numbers
        read = self._readings(template.measurements, block)
        mask = np.isfinite(read.value)
        return Arrays(
            known,
            prior,
            standard,
            read.value,
            # where nothing is read, any scale will do that divides
            np.where(mask, known_variance(read), 1.0),
            np.where(mask & np.isfinite(read.n), read.n, 1.0),
            mask,
        )

    def _readings(self, m: Measurements, block: Block) -> Reading:
        """(M, N) readings in the order of a template's."""
        n, plain = block.at.shape[1], m.reference < 0
        kinds = m.observable[: int(plain.sum()) // n]
        parts = []
        for part in Reading._fields:
            columns = [getattr(block.readings[o], part) for o in kinds]
            blocks = [np.stack(columns, axis=2).reshape(len(block.cells), -1)] if columns else []
            for j in np.flatnonzero(~plain):
                blocks.append(getattr(block.differences[m.observable[j]], part)[:, m.row[j], None])
            parts.append(blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1))
        return Reading(*parts)
