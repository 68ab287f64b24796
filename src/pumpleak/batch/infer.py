"""Batch: one posterior a cell, chunk by chunk, in memory or in a folder that survives being killed."""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..config.load import BatchSpec, check_batch, understand
from ..data.cell_table import CellRows, CellTable
from ..engines.ladder import Ladder, Settings
from ..errors import InputError
from ..problem.problem import Problem
from .chunk import Chunk, Job, Solver, survey
from .folder import Run, chunk_files, earlier, layout, n_chunks, new_manifest, read_record, start_run
from .problems import CellProblems, pooled_latents
from .results import Batch, load_batch

_LOOK = 8192  # cells at a time in the first look at all of them
_SMALL = 1024  # cells below which there is one chunk and nothing is timed
_SECONDS = 20.0  # that a chunk should take
_SIZES = (256, 8192)  # of a chunk where nobody says
_WIDTH = 64

Progress = Callable[[int, int, int, int], None]


class BatchStopped(KeyboardInterrupt):
    """A batch run was interrupted; what is done is kept, and the same call goes on from there."""


def infer_batch(
    problem: Problem | str | Path | dict,
    data: Any = None,
    *,
    by: str | None = None,
    out: str | Path | None = None,
    engine: str | None = None,
    draws: int | None = None,
    loo: bool | None = None,
    seed: int | None = None,
    chunk: int | None = None,
    width: int | None = None,
    shared: str | None = None,
    strict: bool = False,
    force: bool = False,
    shard: tuple[int, int] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Batch | None:
    """Infer the posterior of every cell of a table, each by itself, and judge which can be used.

    Always in double precision. The table is read chunk by chunk; a run with a folder goes on where an earlier
    one of the same config and table stopped, however it ended. The numbers of a cell follow from its rows, its
    name and the seed: neither its neighbours nor the number of machines change them.

    Args:
        problem: a config of `infer` (a path or a dict), or a `Problem`.
        data: the table of cells, a path or a DataFrame; the config's or problem's own by default.
        by: the column whose levels are cells; ``cell`` by default.
        out: the run's folder; without one everything stays in memory.
        engine: ``auto``, ``importance``, ``hmc``, ``nuts`` or ``laplace``.
        draws: draws kept of each posterior; 200 by default, 0 keeps none.
        loo: compute the leave-one-out log predictive density of each cell.
        seed: of everything random.
        chunk: cells computed and written together; chosen by a timed probe by default.
        width: cells in a compiled block; chosen by the same probe.
        shared: ``refuse`` latents that cells share, or give each cell its ``own``.
        strict: refuse a table with a cell that cannot be used, before anything is computed.
        force: discard an earlier run in `out`.
        shard: (i, n): compute only this share of the chunks, as task i of n, counted from 1; see `plan_batch`
            and `collect_batch`.
        workers: so many local processes, by Dask.
        scheduler: address of an existing Dask cluster, ``tcp://HOST:8786``.
        plugins: Python files that register models, for workers to execute too.
        device: ``cpu`` or ``gpu``; whichever JAX uses by default.
        progress: called with (cells done, cells, usable, flagged).
        say: called with a line about what was chosen or found.

    Returns:
        The `Batch`; None for a shard.

    Raises:
        InputError: the config, table or a cell (`strict`) is wrong; cells share a latent; `out` holds anything
            else; the scheduler does not answer; there is no such device.
        BatchStopped: it was interrupted from the keyboard; says how much is done.
    """
    given = {
        "by": by, "engine": engine, "draws": draws, "loo": loo, "seed": seed, "chunk": chunk, "width": width,
        "shared": shared,
    }  # fmt: skip
    say = say or (lambda line: None)
    if shard is not None and out is None:
        raise InputError("a shard needs a folder that the others write to as well", mend="Give out")
    if shard is not None and (force or earlier(out) is None):
        # Each by itself would time and choose chunks of its own.
        raise InputError(
            "there is no run here whose shards could be computed",
            mend="Plan it first, once: `plan_batch`, or the command with --plan",
            file=out,
        )
    if workers is not None and scheduler is not None:
        raise InputError("workers and scheduler are two clusters", mend="Give one of them, not both")
    check_device(device)
    with jax.enable_x64(True):
        plan = _plan(problem, data, out, given, strict, force, plugins, workers, device, say)
        crew = _Crew(workers, scheduler, progress or (lambda *_: None), say)
        if out is None:
            return _in_memory(plan, crew)
        return _in_folder(plan, Path(out), shard, force, crew)


def plan_batch(
    problem: Problem | str | Path | dict,
    data: Any = None,
    *,
    out: str | Path,
    strict: bool = False,
    force: bool = False,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    say: Callable[[str], None] | None = None,
    **given: Any,
) -> dict:
    """Begin a run without computing anything: its shards can then run as tasks of a job array.

    Args:
        problem, data, out, strict, force, plugins, device, say, given: as `infer_batch` takes them.

    Returns:
        The run's manifest.

    Raises:
        InputError: as `infer_batch`.
    """
    check_device(device)
    with jax.enable_x64(True):
        plan = _plan(
            problem, data, out, given, strict, force, plugins, None, device, say or (lambda line: None)
        )
        run, _ = start_run(out, plan.manifest, force=force)
        with run:
            return run.manifest


def collect_batch(out: str | Path) -> Batch:
    """Check all that the shards of a run have written, and gather it.

    Raises:
        InputError: there is no run, chunks are missing or damaged (says which), or a shard is still at work.
    """
    with Run.open(out) as run:
        missing = run.todo()
        if missing:
            raise _missing(run, missing)
        run.collect()
    return load_batch(out)


def _missing(run: Run, missing: list[int]) -> InputError:
    shown = ", ".join(str(i) for i in missing[:20]) + (" …" if len(missing) > 20 else "")
    why = [f"; chunk {i} was damaged: {what}" for i, what in list(run.dropped.items())[:3]]
    return InputError(
        f"{len(missing):,} of {run.n_chunks:,} chunks are missing: {shown}{''.join(why)}",
        mend=f"Run the shards that have them (chunk c is of shard c mod n + 1, e.g. {missing[0]} of"
        f" {missing[0] % 16 + 1}/16), or the whole once more without a shard",
        file=run.out,
    )


def check_device(device: str | None) -> None:
    """Refuse a device that is not there.

    Raises:
        InputError: says what is there.
    """
    if device is None:
        return
    if device not in ("cpu", "gpu"):
        raise InputError(f"device must be cpu or gpu, not {device!r}", column="device")
    try:
        jax.local_devices(backend=device)
    except RuntimeError:
        there = f"{jax.default_backend()} ({jax.devices()[0].device_kind})"
        raise InputError(
            f"a {device} is asked for, but JAX computes on {there}",
            mend="Install JAX for it (`uv run --extra cuda …`) and check the driver, or leave it out",
        ) from None


# -- before anything is computed -------------------------------------------------------------------


class _Stated(NamedTuple):
    """What was given: the recipe, its table, what counts as a reading, the model's inputs, the config."""

    recipe: dict[str, Any]
    source: Any
    observables: tuple[str, ...]
    own: tuple[str, ...]
    config: dict[str, Any]
    place: Callable[[InputError], InputError]


def _stated(problem: Problem | str | Path | dict, data: Any) -> _Stated:
    if isinstance(problem, Problem):
        if not problem.recipe:
            raise InputError("this problem does not say how it was made", mend="Make it by make_problem")
        source = problem.measurements.to_frame() if data is None else data
        own = tuple(q.name for q in problem.model.quantities)
        return _Stated(problem.recipe, source, problem.observables, own, problem.config, lambda e: e)
    named = None if data is None else str(data) if isinstance(data, str | Path) else "a table in memory"
    u = understand(problem, named)  # what is given need not be named twice
    source = data
    if source is None:
        source = u.measurements().to_frame() if u.dataset is not None else u.table
    return _Stated(u.recipe, source, u.observables, u.own, u.resolved, u.lines.place)


@dataclass(frozen=True)
class _Plan:
    """A run that can begin: its table, what a process must know, and what is written down of it."""

    table: CellTable
    job: Job
    solver: Solver
    manifest: dict


def _plan(problem, data, out, given, strict, force, plugins, workers, device, say) -> _Plan:
    stated = _stated(problem, data)
    spec = check_batch(stated.config.get("batch") or {}, given)
    before = None if out is None else earlier(out, force=force)
    table = CellTable.open(stated.source, observables=stated.observables, quantities=stated.own, by=spec.by)
    if table.came_back is not None:
        cell, count = table.came_back
        say(
            f"{table.file}: the rows of cell {cell}{f' and {count - 1:,} others' if count > 1 else ''} are not together;"
            " each is taken as one cell. If two cells share a name, give them different ones."
        )
    try:
        problems = CellProblems(stated.recipe, table.info, shared=spec.shared)
        _not_pooled(stated.recipe, table.info.by)
    except InputError as error:
        raise stated.place(error) from None
    settings = Settings(spec.engine, spec.draws, spec.seed, spec.loo, spec.width or _WIDTH, device)
    look = before is None or strict
    found = survey(problems, table.chunks(min(_LOOK, table.n_cells)), strict=strict) if look else None
    if before is not None:  # goes on as it was begun
        parameters, size = before["parameters"], spec.chunk or before["chunk"]
        width = spec.width or before["engine"].get("width", _WIDTH)
        settings = replace(settings, width=width, device=device or before["device"].split()[0])
        check_device(settings.device)
        ladder = Ladder(settings)
    else:
        assert found is not None
        parameters = found.parameters
        settings, size, ladder = _sizes(spec, settings, found.sample, table.n_cells, workers, say)
    code = tuple((str(p), Path(p).read_text(encoding="utf-8")) for p in plugins)
    manifest = _manifest(stated, spec, table, settings, parameters, size, code)
    names = tuple(p["name"] for p in parameters)
    job = Job(problems.recipe, table.info, spec.shared, settings, names, code)
    return _Plan(table, job, Solver(job, problems=problems, ladder=ladder), manifest)


def _not_pooled(recipe: dict[str, Any], by: str) -> None:
    for name in pooled_latents(recipe, by):
        raise InputError(
            f"{name} is pooled over the cells: their posteriors hang together by the population's mean and"
            " spread, and cannot be computed one by one",
            mend="Infer the whole table jointly (`infer`); or leave `pooled` and `spread` out: each cell then"
            " has its own, from the prior as it is written",
            column=f"quantities.{name}",
        )


def _sizes(spec: BatchSpec, settings: Settings, sample, n: int, workers: int | None, say):
    """Settings with the width of a block, the cells of a chunk, and the ladder that was tried."""
    small = 1 << (n - 1).bit_length()
    if n <= _SMALL and settings.device is None and jax.default_backend() != "cpu":
        settings = replace(settings, device="cpu")
        say(
            f"On the CPU: {n:,} cells are too few for a {jax.default_backend()} (--device gpu has them there)."
        )
    if (spec.width and spec.chunk) or n <= _SMALL:
        settings = replace(settings, width=spec.width or min(_WIDTH, small))
        size = spec.chunk or _SMALL
        ladder = Ladder(settings)
    else:
        ladder = Ladder(settings)
        tried, seconds, words = ladder.probe(*sample)
        if spec.width is None:
            say(words)
            ladder, settings = tried, tried.settings
        size = spec.chunk or chunk_size(n, seconds)
    if spec.chunk is None and workers:
        size = min(size, max(16, -(-n // (4 * workers))))
    return settings, min(size, n), ladder


def chunk_size(n: int, seconds: float) -> int:
    """Cells of a chunk, a power of two: about 20 s of work, and some eight chunks or 1,024 cells at least.

    Args:
        n: cells in all.
        seconds: that one takes.
    """

    def floor(x: float) -> int:
        return 1 << max(0, int(x).bit_length() - 1)

    size = min(max(floor(_SECONDS / max(seconds, 1e-9)), _SIZES[0]), _SIZES[1])
    return min(size, max(_SMALL, floor(n / 8)))


def _manifest(
    stated: _Stated, spec: BatchSpec, table: CellTable, settings: Settings, parameters, size: int, code
) -> dict:
    path = stated.source if isinstance(stated.source, str | Path) else None
    settled = {"by": table.info.by, "chunk": size, "width": settings.width}
    data = stated.config.get("data") if path is None else str(Path(path).resolve())
    device = jax.local_devices(backend=settings.device)[0]
    engine: dict[str, Any] = {"engine": settings.engine, "loo": settings.loo, "width": settings.width}
    if code:  # a model's code decides its numbers
        engine["plugins"] = {Path(p).name: hashlib.sha256(text.encode()).hexdigest()[:12] for p, text in code}
    return new_manifest(
        config=stated.config | {"data": data, "batch": spec.model_dump() | settled},
        data_file=table.file if path is None else Path(path).name,
        data_sha256=table.sha256,
        n_cells=table.n_cells,
        id_width=table.id_width,
        parameters=parameters,
        chunk=size,
        draws=settings.draws,
        seed=settings.seed,
        dtype="float64",
        device=f"{device.platform} ({device.device_kind})",
        engine=engine,
        title=str(stated.recipe.get("title", "")),
    )


# -- computing -------------------------------------------------------------------------------------


class _Count:
    """Cells done, usable and flagged so far, told as they change."""

    def __init__(self, progress: Progress, total: int):
        self.progress, self.total = progress, total
        self.done = self.usable = 0

    def add(self, done: int, usable: int) -> None:
        self.done, self.usable = self.done + done, self.usable + usable
        self.tell()

    def tell(self, more: int = 0) -> None:
        self.progress(self.done + more, self.total, self.usable, self.done - self.usable)


class _Crew(NamedTuple):
    """Who computes, and who hears of it."""

    workers: int | None
    scheduler: str | None
    progress: Progress
    say: Callable[[str], None]

    def solve(self, plan: _Plan, todo: list[int], count: _Count) -> Generator[tuple[int, Chunk]]:
        """The chunks `todo` as they are done."""
        rows = _rows(plan, todo)
        if not todo:
            return
        if self.workers is None and self.scheduler is None:
            for i, cells in rows:
                yield i, plan.solver(cells, count.tell)
            return
        from .cluster import cluster, solve_chunks

        with (
            cluster(self.workers, self.scheduler) as client,
            closing(solve_chunks(client, plan.job, rows, self.say)) as found,
        ):
            yield from found


def _rows(plan: _Plan, todo: Iterable[int]) -> Iterator[tuple[int, CellRows]]:
    todo = list(todo)
    return zip(todo, plan.table.pick(todo, plan.manifest["chunk"]), strict=True)


def _in_memory(plan: _Plan, crew: _Crew) -> Batch:
    n = n_chunks(plan.manifest)
    count = _Count(crew.progress, plan.table.n_cells)
    found: dict[int, Chunk] = {}
    with closing(crew.solve(plan, list(range(n)), count)) as chunks:
        for i, chunk in chunks:
            found[i] = chunk
            count.add(len(chunk.ids), chunk.usable)
    ordered = [found[i] for i in range(n)]
    ids, arrays, notes, seconds = zip(*ordered, strict=True)
    return Batch.from_chunks(plan.manifest, ids, arrays, notes, seconds)


def _in_folder(plan: _Plan, out: Path, shard, force: bool, crew: _Crew) -> Batch | None:
    if crew.scheduler is not None:  # one that does not answer is no reason to begin
        from .cluster import cluster

        with cluster(None, crew.scheduler):
            pass
    run, resumed = start_run(out, plan.manifest, force=force, shard=shard)
    with run:
        todo = run.todo()
        mine = list(run.chunks())
        count = _Count(crew.progress, _cells(run, mine))
        for i in sorted(set(mine) - set(todo)):
            record = read_record(run.out, i, chunk_files(layout(run.manifest), i), verify=False)
            assert isinstance(record, dict)
            count.add(record["cells"], record["status"].get("usable", 0))
        for i, why in run.dropped.items():
            crew.say(f"Chunk {i} is computed again: {why}.")
        if not todo:
            crew.say("This run is finished already; nothing is computed again.")
        elif resumed and count.done:
            crew.say(f"Going on: {count.done:,} of {count.total:,} cells are done.")
        try:
            _fill(run, crew.solve(plan, todo, count), count)
        except KeyboardInterrupt:
            left = _cells(run, run.todo(verify=False))
            raise BatchStopped(
                f"Stopped: {count.total - left:,} of {count.total:,} cells are done and kept in {out}."
                " The same command goes on from there."
            ) from None
        if shard is not None:
            return None
        run.collect()
    return load_batch(out)


def _cells(run: Run, chunks: Iterable[int]) -> int:
    return sum(len(range(*run.cells(i).indices(run.manifest["n_cells"]))) for i in chunks)


def _fill(run: Run, chunks: Generator[tuple[int, Chunk]], count: _Count) -> None:
    """Write chunks as they come, one behind the computing of the next."""

    def write(i: int, chunk: Chunk) -> None:
        run.write(i, *chunk[:3], seconds=chunk.seconds)
        count.add(len(chunk.ids), chunk.usable)

    waiting: list[Future] = []
    writer = ThreadPoolExecutor(1, thread_name_prefix="pumpleak-writer")
    try:
        with closing(chunks):
            for i, chunk in chunks:
                while len(waiting) > 1 or (waiting and waiting[0].done()):
                    waiting.pop(0).result()
                waiting.append(writer.submit(write, i, chunk))
        for future in waiting:
            future.result()
    finally:
        writer.shutdown(cancel_futures=True)
