"""The ladder of engines: each cell of a batch climbs only as far as it must until its posterior can be used.

1. importance: a t at the mode, 640 quasi-random points, PSIS;
2. adapted: two rounds of 2,048 fresh points from a mixture of t's fitted to the points before, then 8,192, then
   twice 32,768 from mixtures refitted to what came before;
3. hmc: four chains of vmapped HMC in the coordinates that the points gave;
4. nuts: four chains of NUTS.

A posterior is usable where Pareto k̂ ≤ 0.7 and the effective sample size is ≥ 400 for every parameter
(importance), or R-hat ≤ 1.01, bulk and tail ESS ≥ 400 and no divergence (chains); and where the Monte Carlo errors of
the median and of the interval's ends are at most 5 % of its width.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from ..errors import InputError
from ..problem.parameters import is_noise
from ..problem.problem import Arrays, Problem
from ..text import significant
from ..traced import program
from .arrays import cores
from .gate import ENGINES, PROBABILITIES, CellStatus, Rung, diagnose, end_errors, gate, loose
from .importance import Cloud, Mixture
from .modes import Mode
from .rungs import MANY, POINTS, ROUND, Rungs, own_rows

_ROUNDS = 2  # of adaptation
_LAST = (8192, 32768, 32768)  # points of the rounds after them
_SMALL, _CHAINS_WIDTH = (
    16,
    32,
)  # cells in a block of the second and third rung on a CPU, whose cache they must fit
_MEMORY = 16e9  # bytes that a block may take on a GPU
_LIGHT = 0.3  # Pareto k̂ below which the upper end of a heavy-tailed posterior was not found low
_INFORMED = 0.1  # contraction below which the prior is said to dominate


@dataclass(frozen=True)
class Settings:
    """How a batch is computed.

    Attributes:
        engine: ``auto`` climbs; the others stay on their rung.
        draws: equal-weight draws kept of each posterior.
        seed: of everything random.
        loo: whether to compute the leave-one-out log predictive density.
        width: cells in a compiled block of the first rung.
        device: ``cpu`` or ``gpu``; None: whichever JAX uses by default.
        points: of the first rung, and of laplace.
        keep_u: whether draws are kept in unconstrained coordinates too.
        close: whether weighted points climb on to their last rung until the interval's ends are known in the unit in
            which they are printed, too, and k̂ is small: a ratio's wide upper end asks for ten times the points.
    """

    engine: str = "auto"
    draws: int = 200
    seed: int = 1
    loo: bool = False
    width: int = 64
    device: str | None = None
    points: int = POINTS
    keep_u: bool = False
    close: bool = False


class Ladder:
    """Solves cells of any structure, with programs compiled once each."""

    def __init__(self, settings: Settings):
        if settings.engine not in ENGINES:
            raise InputError(
                f"engine must be one of {', '.join(ENGINES)}, not {settings.engine!r}", column="engine"
            )
        self.settings = settings
        self._programs: dict[int, _Programs] = {}
        self._lock = threading.Lock()

    def probe(self, template: Problem, arrays: Arrays, ids: np.ndarray) -> tuple["Ladder", float, str]:
        """Try widths of a block, and a GPU against the CPU where there is one, on a few cells.

        Returns:
            The fastest ladder (its programs compiled), the seconds that a cell took, and the choice in words.
        """
        tried = []
        for device in dict.fromkeys((self.settings.device or jax.default_backend(), "cpu")):
            if self.settings.device not in (None, device):
                continue
            for width in _widths(device, template, len(ids)):
                ladder = Ladder(replace(self.settings, width=width, device=device))
                some = _take((arrays, ids), slice(4 * width * jax.local_device_count(device)))
                ladder.solve(template, *some)  # compiles
                began = time.perf_counter()
                ladder.solve(template, *some)
                tried.append(((time.perf_counter() - began) / len(some[1]), ladder))
        seconds, best = min(tried, key=lambda t: t[0])
        settings = best.settings
        others = [
            f"{significant(1e3 * s)} ms in blocks of {x.settings.width} on the {x.settings.device}"
            for s, x in tried
            if x is not best
        ]
        words = f"A cell takes {significant(1e3 * seconds)} ms in blocks of {settings.width} on the {settings.device}"
        return best, seconds, words + (f" ({'; '.join(others)})." if others else ".")

    def solve(
        self,
        template: Problem,
        arrays: Arrays,
        ids: np.ndarray,
        progress: Callable[[int], None] = lambda done: None,
    ) -> dict[str, np.ndarray]:
        """Posteriors of cells of one structure.

        Args:
            template: their problem.
            arrays: their numbers, with a leading axis of C cells.
            ids: (C,) their names, from which their random numbers follow.
            progress: called with the number of cells so far that need no further rung.

        Returns:
            The arrays of a chunk (`batch.store.FIELDS` and ``draws``) over these C cells and the template's
            own parameters. With `keep_u` also ``divergences`` (C,), ``end_error`` (C, P), and ``u``, an array (draws, D) of each cell,
            or of chains all their draws (chains, draws, D).
        """
        with jax.enable_x64(True):
            with self._lock:
                programs = self._programs.get(id(template))
                if programs is None:
                    programs = self._programs[id(template)] = _Programs(template, self.settings)
            return programs.solve(arrays, cell_keys(ids, self.settings.seed), progress)


def cell_keys(ids: np.ndarray, seed: int) -> np.ndarray:
    """(C, 2) key data of each cell, from its name and the seed alone: neighbours and order change nothing."""
    digests = [hashlib.blake2b(f"{seed}:{i}".encode(), digest_size=8).digest() for i in ids]
    return np.frombuffer(b"".join(digests), np.uint32).reshape(-1, 2)


class _Programs:
    """The compiled rungs of one template, over a mesh of devices: each has its own cells, and asks nothing of another."""

    def __init__(self, problem: Problem, settings: Settings, devices: list | None = None):
        self.settings = settings
        self.devices = devices or jax.local_devices(backend=settings.device)
        mesh = jax.sharding.Mesh(np.array(self.devices), "cell")
        self.place = NamedSharding(mesh, PartitionSpec("cell"))
        rungs = Rungs(
            problem,
            seed=settings.seed,
            n_draws=settings.draws,
            with_loo=settings.loo,
            n_points=settings.points,
            keep_u=settings.keep_u,
        )
        first = rungs.laplace if settings.engine == "laplace" else rungs.importance
        self.first = self._over_cells(first)
        self.begin = self._over_cells(rungs.begin)
        self.more_points = {n: self._over_cells(partial(rungs.more_points, n)) for n in MANY}
        self.adapted = self._over_cells(rungs.adapted)
        self.hmc = self._over_cells(rungs.hmc)
        self.nuts = program(rungs.nuts)
        self.beside_chains = self._over_cells(rungs.beside_chains)
        self.inform = np.array([not is_noise(e.parameter) for e in problem.layout.elements], bool)
        self.rows = own_rows(problem)
        on_cpu = self.devices[0].platform == "cpu"
        self.small = _SMALL if on_cpu else max(1, settings.width // 4)
        self.chains_width = _CHAINS_WIDTH if on_cpu else settings.width
        self.compiled: set[int] = set()  # programs, by id, that have run

    def _over_cells(self, rung):
        """A rung of one cell as a program of a block of them, cut over the devices. Each runs its own loops to their own
        end; sharding a `vmap` alone would have every loop's condition ask all devices."""
        spec, mesh = self.place.spec, self.place.mesh
        block = jax.shard_map(jax.vmap(rung), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
        return program(block, Cloud, Mixture, Mode) if len(self.devices) == 1 else jax.jit(block)

    def solve(self, arrays: Arrays, keys: np.ndarray, progress) -> dict[str, np.ndarray]:
        n, engine = len(keys), self.settings.engine
        arrays = jax.tree.map(np.asarray, arrays)
        settled = [0]

        def hear(found) -> None:
            out, state = found
            done = state["lost"]
            if engine == "laplace":
                done = np.ones_like(done)
            elif engine in ("auto", "importance"):
                done = done | ((gate(out) == CellStatus.usable) & ~state["several"])
            settled[0] += int(done.sum())
            progress(settled[0])

        out, state = self._blocks(self.first, self.settings.width, (arrays, keys), hear)
        if "u" in out:
            out["u"] = _each(out["u"])
        out["status"] = gate(out)
        out["rung"] = np.full(n, Rung.laplace if engine == "laplace" else Rung.importance, np.int8)
        lost = state["lost"]
        if engine == "laplace":  # weights that would be good are not applied
            out["status"][out["status"] == CellStatus.usable] = CellStatus.approximate
        else:
            # Weights cannot tell of a mode that they have not seen.
            out["status"][state["several"]] = CellStatus.k_hat
            self._climb(out, np.flatnonzero(~lost), arrays, keys, state, lambda left: progress(n - left))
        progress(n)
        return self._finish(out, arrays, lost)

    def _climb(self, out: dict, chosen: np.ndarray, arrays, keys, state, left: Callable[[int], None]) -> None:
        """Take the cells `chosen` up as far as each must; `left` hears how many have to go on."""
        engine = self.settings.engine

        if engine in ("auto", "importance"):
            (chosen,) = self._left(out, chosen)
        if not len(chosen):
            return
        trail = _take((arrays, keys), chosen)
        given = _take((state["cloud"], state["modes"], state["several"]), chosen)
        mixture, starts = self._blocks(self.begin, self.small, given), None
        for number in range(_ROUNDS):
            number = np.full(len(chosen), number)
            found, mixture, starts = self._blocks(self.adapted, self.small, (*trail, mixture, number))
            _put(out, chosen, found, Rung.adapted, close=self.settings.close)
            if engine in ("auto", "importance"):
                chosen, trail, mixture, starts = self._left(out, chosen, trail, mixture, starts)
            left(len(chosen))
            if not len(chosen):
                return
        for number, n in enumerate(_LAST if engine in ("auto", "importance") else ()):
            given = (*trail, mixture, np.full(len(chosen), number))
            found, refitted = self._blocks(self.more_points[n], max(1, ROUND * self.small // n), given)
            _put(out, chosen, found, Rung.adapted, close=self.settings.close)
            chosen, trail, mixture, starts = self._left(out, chosen, trail, refitted, starts)
            left(len(chosen))
            if not len(chosen):
                return
        for rung, run in ((Rung.hmc, self.hmc), (Rung.nuts, self.nuts)):
            if engine in ("auto", rung.name):
                found = self._chains(run, trail, mixture, starts)
                _put(out, chosen, found, rung, close=self.settings.close)
                chosen, trail, mixture, starts = self._left(out, chosen, trail, mixture, starts)
            if not len(chosen):
                return

    def _left(self, out: dict, chosen: np.ndarray, *rest):
        """The cells, and what goes with them, that cannot be used yet, or are to be known better."""
        more = out["status"][chosen] != CellStatus.usable
        if self.settings.close:
            more |= _improvable({k: out[k][chosen] for k in ("printed_error", "k_hat")})
        return _take((chosen, *rest), np.flatnonzero(more))

    def _chains(self, chains, trail, mixture, starts) -> dict[str, np.ndarray]:
        """Run chains, judge them, and read what is kept off their draws."""
        if chains is self.hmc:
            u, divergences = self._blocks(chains, self.chains_width, (*trail, mixture, starts))
        else:
            u, divergences = self._one_by_one(chains, (*trail, mixture), starts)
        rest = self._blocks(self.beside_chains, self.small, (*trail, u))
        x = rest.pop("elements")
        r_hat, bulk, tail = diagnose(x)
        sampled = np.where(self.rows >= 0, u[..., self.rows], x)
        pooled = x.reshape(len(x), -1, x.shape[-1])
        picks = np.linspace(0, pooled.shape[1] - 1, max(1, self.settings.draws)).round().astype(int)
        return {
            "mean": pooled.mean(axis=1),
            "sd": pooled.std(axis=1),
            "quantile": np.moveaxis(np.quantile(pooled, PROBABILITIES, axis=1), 0, -1),
            "ess_bulk": bulk,
            "ess_tail": tail,
            "end_error": end_errors(x, sampled),
            "r_hat": r_hat,
            "divergences": divergences,
            "draws": pooled[:, picks].astype(np.float32),
            **({"u": u} if self.settings.keep_u else {}),
            **rest,
        }

    def _blocks(self, rung, width: int, given, hear: Callable[[Any], None] = lambda found: None):
        """Run a program over all given cells, `width` at a time on each device, on every core and device.

        `hear` is called with what was found of each block.
        """
        n = len(jax.tree.leaves(given)[0])
        width = min(width, self.settings.width) * len(self.devices)
        starts = range(0, n, width)

        def run(k: int):
            mine = np.arange(starts[k], min(starts[k] + width, n))
            padded = np.concatenate([mine, np.full(width - len(mine), mine[0])])
            with jax.enable_x64(True):
                block = jax.device_put(_take(given, padded), self.place)
                found = jax.tree.map(np.asarray, rung(*block))
            found = _take(found, slice(len(mine)))
            hear(found)
            return found

        first = []
        if id(rung) not in self.compiled:
            first.append(run(0))  # compiles, once
            self.compiled.add(id(rung))
        with ThreadPoolExecutor(max(1, cores() // len(self.devices))) as pool:
            parts = [*first, *pool.map(run, range(len(first), len(starts)))]
        return jax.tree.map(lambda *a: np.concatenate(a), *parts)

    def _one_by_one(self, chain, given, starts):
        """Run one chain for every cell and start, a chain to a core."""
        n, chains = starts.shape[:2]
        cpu = jax.local_devices(backend="cpu")[0]  # where one chain is fastest

        def run(k: int):
            cell, start = divmod(k, chains)
            with jax.enable_x64(True):
                job = jax.device_put((*_take(given, cell), starts[cell, start], np.int32(start)), cpu)
                found = chain(*job)
                return jax.tree.map(np.asarray, found)

        first = run(0)
        with ThreadPoolExecutor(cores()) as pool:
            parts = [first, *pool.map(run, range(1, n * chains))]
        u, divergences = (np.stack(a) for a in zip(*parts, strict=True))
        return u.reshape(n, chains, *u.shape[1:]), divergences.reshape(n, chains).sum(axis=1)

    def _finish(self, out: dict, arrays: Arrays, lost: np.ndarray) -> dict[str, np.ndarray]:
        if not self.settings.keep_u:
            del out["divergences"], out["end_error"]
        del out["printed_error"]
        n_readings = arrays.mask.sum(axis=1)
        out["n_readings"] = n_readings.astype(np.int32)
        out["prior_dominated"] = (
            out["contraction"][:, self.inform if self.inform.any() else slice(None)] < _INFORMED
        ).all(axis=1)
        out["status"][n_readings == 0] = CellStatus.no_data
        out["status"][lost] = CellStatus.no_answer
        out["rung"][lost] = Rung.none
        for values in out.values():
            if values.dtype.kind == "f":
                values[lost] = np.nan
        if not self.settings.draws:
            del out["draws"]
        return out


def bytes_in_block(template: Problem) -> int:
    """What a cell of a block takes of memory on the first rung."""
    return 8 * POINTS * (len(template.measurements.row) + 64 + template.dimension) * 4


def _widths(device: str, template: Problem, n: int) -> list[int]:
    """Widths of a block worth a try, within a memory limit; on a CPU a block must fit the cache."""
    if device == "cpu":
        return [64]
    a_cell = bytes_in_block(template)
    widths = [w for w in (1024, 4096, 16384) if w * a_cell < _MEMORY and w <= 2 * n]
    return widths or [256]


def _take(tree, which):
    return jax.tree.map(lambda a: a[which], tree)


def _improvable(found: dict) -> np.ndarray:
    """Whether more weighted points would tell cells' ends better: their errors are half of what is allowed, in the unit
    that is printed, or the tail of the weights is so heavy that it holds part of the posterior's own."""
    return loose(2 * found["printed_error"].max(axis=1)) | ~(found["k_hat"] <= _LIGHT)


def _put(out: dict, chosen: np.ndarray, found: dict, rung: Rung, *, close: bool) -> None:
    """Take what a rung found of the cells `chosen`; where ends are to be `close`, unless they are already, and more so."""
    status = gate(found)
    if close and (was := out["status"][chosen] == CellStatus.usable).any():
        error, before = (x["printed_error"].max(axis=1) for x in (found, _take(out, chosen)))
        better = ~was | ((status == CellStatus.usable) & (~_improvable(found) | (error < before)))
        chosen, found, status = _take((chosen, found, status), np.flatnonzero(better))
    for name, values in found.items():
        out[name][chosen] = _each(values) if name == "u" else values
    out["status"][chosen], out["rung"][chosen] = status, rung


def _each(values: np.ndarray) -> np.ndarray:
    """An object array of each cell's own array: a cloud's and chains' differ in shape."""
    out = np.empty(len(values), object)
    for i, value in enumerate(values):
        out[i] = value
    return out
