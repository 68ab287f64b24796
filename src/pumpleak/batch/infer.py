"""Batch: one posterior a cell, chunk by chunk, in a folder that survives being killed or a temporary one."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..data.cell_rows import CellRows
from ..errors import InputError
from ..problem.problem import Problem
from .chunk import Chunk
from .claims import WHOLE
from .folder import Run, start_run
from .manifest import earlier_manifest
from .plan import Plan, check_device, make_plan
from .results import Batch, load_batch, open_batch
from .store import is_moved
from .temporary import TemporaryRun

Progress = Callable[[int, int, int, int], None]


class BatchStopped(KeyboardInterrupt):
    """A batch run was interrupted; what is done is kept, and the same call goes on from there."""


def infer_batch(
    problem: Problem | str | Path | dict,
    data: Any = None,
    *,
    by: str | Sequence[str] | None = None,
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
        by: the column whose levels are cells, or several that tell them apart; ``cell`` by default.
        out: the run's folder; without one it is a temporary one, which goes with the `Batch` (`save` copies it).
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

    Example:
        >>> import pandas as pd
        >>> from pumpleak import infer_batch
        >>> table = pd.DataFrame({"cell": ["a", "b"], "V_m_mV": [-70.0, -60.0], "V_m_sem_mV": 1.0, "T_degC": 37.0,
        ...     "K_o_mM": 4.0, "K_i_mM": 140.0, "Na_o_mM": 145.0, "Na_i_mM": 12.0})
        >>> config = {"quantities": {"P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}, "extra_V_m_mV": 0}}
        >>> batch = infer_batch(config, table)
        >>> print(batch.counts, batch.table["P_Na_rel_median"].round(2).tolist())
        {'usable': 2} [0.04, 0.08]
    """
    given = {
        "by": by,
        "engine": engine,
        "draws": draws,
        "loo": loo,
        "seed": seed,
        "chunk": chunk,
        "width": width,
        "shared": shared,
    }
    say = say or (lambda line: None)
    if shard is not None and out is None:
        raise InputError("a shard needs a folder that the others write to as well", mend="Give out")
    if shard is not None and (force or earlier_manifest(out) is None):
        # Each by itself would time and choose chunks of its own.
        raise InputError(
            "there is no run here whose shards could be computed",
            mend="Plan it first, once: `plan_batch`, or the command with --plan",
            file=out,
        )
    if workers is not None and scheduler is not None:
        raise InputError("workers and scheduler are two clusters", mend="Give one of them, not both")
    check_device(device)
    home = TemporaryRun() if out is None else Path(out)
    begun: list[Run] = []
    with _told_when_stopped(home, begun), jax.enable_x64(True):
        plan = make_plan(
            problem,
            data,
            out=home,
            given=given,
            strict=strict,
            force=force,
            plugins=plugins,
            device=device,
            say=say,
            workers=workers,
        )
        crew = _Crew(workers, scheduler, progress or (lambda *_: None), say, Path(home))
        with _temporary_in_words(home):
            _compute(plan, home, shard, force, crew, begun)
        return open_batch(home) if shard is None else None


@contextmanager
def _temporary_in_words(home: Path | TemporaryRun) -> Iterator[None]:
    """Say of a temporary folder that cannot be written what helps there: nothing of it is gone on with."""
    try:
        yield
    except InputError as error:
        if isinstance(home, TemporaryRun) and isinstance(error.__cause__, OSError):
            gone = isinstance(error.__cause__, FileNotFoundError)
            more = "" if gone else "Free some space there, "
            mend = f"{more}{'set' if more else 'Set'} TMPDIR to another folder, or give out"
            raise InputError(error.problem, mend=mend, file=error.file) from error.__cause__
        raise


@contextmanager
def _told_when_stopped(home: Path | TemporaryRun, begun: list[Run]) -> Iterator[None]:
    """Say of a run that is interrupted, wherever it stands, what of it is kept.

    Args:
        home: its folder.
        begun: the run, as soon as there is one.
    """
    try:
        yield
    except KeyboardInterrupt:
        said = None if isinstance(home, TemporaryRun) else _what_is_kept(home, begun)
        if said is None:
            raise
        raise BatchStopped(said) from None


def _what_is_kept(home: Path, begun: list[Run]) -> str | None:
    """What stands in the folder of a run that ends here; None: nothing."""
    if not begun:
        there = (home / "manifest.json").is_file()
        return f"Stopped. What an earlier run left in {home} is as it was." if there else None
    if is_moved(home):
        return (
            f"Stopped. {home} was moved, renamed or removed meanwhile: if it was moved, put it back, or give the same"
            " command its new place as --out; it goes on from what is done."
        )
    run = begun[0]
    done = _cells(run, (i for i in run.chunks() if isinstance(run.records.read(i, verify=False), dict)))
    return (
        f"Stopped: {done:,} of {_cells(run, run.chunks()):,} cells are done and kept in {home}."
        " The same command goes on from there."
    )


def collect_batch(out: str | Path) -> Batch:
    """Check all that the shards of a run have written, and gather it.

    Raises:
        InputError: there is no run, chunks are missing or damaged (says which), or a shard is still at work.
    """
    begun: list[Run] = []
    with _told_when_stopped(Path(out), begun):
        with Run.open(out) as run:
            begun.append(run)
            missing = run.todo()
            if missing:
                raise _missing(run, missing)
            run.collect()
        return load_batch(out)


def _missing(run: Run, missing: list[int]) -> InputError:
    shown = ", ".join(str(i) for i in missing[:20]) + (" …" if len(missing) > 20 else "")
    why = [f"; chunk {i} was damaged: {what}" for i, what in list(run.dropped.items())[:3]]
    return InputError(
        f"{len(missing):,} of {len(run.records):,} chunks are missing: {shown}{''.join(why)}",
        mend=f"Run the shards that have them (chunk c is of shard c mod n + 1, e.g. {missing[0]} of"
        f" {missing[0] % 16 + 1}/16), or the whole once more without a shard",
        file=run.out,
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
    run: Path

    def solve(self, plan: Plan, todo: list[int], count: _Count) -> Generator[tuple[int, Chunk]]:
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
            cluster(self.workers, self.scheduler, self.run) as client,
            closing(solve_chunks(client, plan.job, rows, self.say)) as found,
        ):
            yield from found


def _rows(plan: Plan, todo: Iterable[int]) -> Iterator[tuple[int, CellRows]]:
    todo = list(todo)
    return zip(todo, plan.table.pick(todo, plan.manifest["chunk"]), strict=True)


def _compute(
    plan: Plan,
    home: Path | TemporaryRun,
    shard: tuple[int, int] | None,
    force: bool,
    crew: _Crew,
    begun: list[Run],
) -> None:
    """Compute what is missing of a run, or of one of its shards, and gather it where it is whole."""
    if crew.scheduler is not None:  # one that does not answer is no reason to begin
        from .cluster import cluster

        with cluster(None, crew.scheduler, crew.run):
            pass
    run, resumed = start_run(home, plan.manifest, force=force, shard=shard or WHOLE)
    begun.append(run)
    with run:
        todo = run.todo()
        mine = list(run.chunks())
        count = _Count(crew.progress, _cells(run, mine))
        for i in sorted(set(mine) - set(todo)):
            record = run.records.read(i, verify=False)
            assert isinstance(record, dict)
            count.add(record["cells"], record["status"].get("usable", 0))
        for i, why in run.dropped.items():
            crew.say(f"Chunk {i} is computed again: {why}.")
        if not todo:
            crew.say("This run is finished already; nothing is computed again.")
        elif resumed and count.done:
            crew.say(f"Going on: {count.done:,} of {count.total:,} cells are done.")
        _fill(run, crew.solve(plan, todo, count), count)
        if shard is None:
            run.collect()


def _cells(run: Run, chunks: Iterable[int]) -> int:
    spans = map(run.records.cells, chunks)
    return sum(span.stop - span.start for span in spans)


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
