"""What a run will do, before it does it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..config.load import check_batch, understand
from ..config.schema import BatchSpec
from ..data.cell_table import CellTable
from ..data.wanted import SETTLED, Wanted
from ..engines.gate import END
from ..engines.ladder import Ladder, Settings, bytes_in_block
from ..errors import InputError
from ..files.room import check_disk, check_memory
from ..problem.problem import Problem
from ..problem.rules import check_read
from .chunk import Job, Solver, survey
from .folder import start_run
from .latents import pooled_latents
from .manifest import earlier_manifest, new_manifest
from .problems import CellProblems
from .same_cells import check_same_cells
from .store import bytes_of_a_cell

_LOOK = 8192  # cells at a time in the first look at all of them
_SMALL = 1024  # cells below which there is one chunk and nothing is timed
_SECONDS = 20.0  # that a chunk should take
_SIZES = (256, 8192)  # of a chunk where nobody says
_WIDTH = 64


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
        plan = make_plan(
            problem,
            data,
            out=out,
            given=given,
            strict=strict,
            force=force,
            plugins=plugins,
            device=device,
            say=say or (lambda line: None),
        )
        run, _ = start_run(out, plan.manifest, force=force)
        with run:
            return run.manifest


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


class _Stated(NamedTuple):
    """What was given: the recipe, its table, how it is read, what counts as a reading, the model's inputs, the config."""

    recipe: dict[str, Any]
    source: Any
    wanted: Wanted
    observables: tuple[str, ...]
    own: tuple[str, ...]
    config: dict[str, Any]
    place: Callable[[InputError], InputError]


def _stated(problem: Problem | str | Path | dict, data: Any) -> _Stated:
    if isinstance(problem, Problem):
        if not problem.recipe:
            raise InputError("this problem does not say how it was made", mend="Make it by make_problem")
        own_table = data is None
        source = problem.measurements.to_frame() if own_table else data
        wanted = SETTLED if own_table else Wanted.of(problem.config)
        own = tuple(q.name for q in problem.model.quantities)
        return _Stated(problem.recipe, source, wanted, problem.observables, own, problem.config, lambda e: e)
    named = None if data is None else str(data) if isinstance(data, str | Path) else "a table in memory"
    u = understand(problem, named)  # what is given need not be named twice
    source, wanted = data, u.wanted
    if source is None and u.dataset is not None:
        source, wanted = u.measurements().to_frame(), SETTLED
    elif source is None:
        source = u.table
    return _Stated(u.recipe, source, wanted, u.observables, u.own, u.resolved, u.lines.place)


@dataclass(frozen=True)
class Plan:
    """A run that can begin: its table, what a process must know, and what is written down of it."""

    table: CellTable
    job: Job
    solver: Solver
    manifest: dict


def make_plan(problem, data, *, out, given, strict, force, plugins, device, say, workers=None) -> Plan:
    """The plan of a run, as `infer_batch` is asked for it; the table is looked through, and nothing written."""
    stated = _stated(problem, data)
    spec = check_batch(stated.config.get("batch") or {}, given)
    before = earlier_manifest(out, force=force)
    table = CellTable.open(
        stated.source,
        observables=stated.observables,
        quantities=stated.own,
        by=spec.by,
        wanted=stated.wanted,
    )
    try:
        check_same_cells(table, stated.recipe, min(_LOOK, table.n_cells))
    except InputError as error:
        raise stated.place(error) from None
    for note in table.info.notes:
        say(note)
    if table.came_back is not None:
        cell, count = table.came_back
        say(
            f"{table.file}: the rows of cell {cell}{f' and {count - 1:,} others' if count > 1 else ''} are not together;"
            " each is taken as one cell. If two cells share a name, give them different ones."
        )
    try:
        check_read(stated.observables, {*table.info.readings, *table.info.differences}, table.file)
        problems = CellProblems(stated.recipe, table.info, shared=spec.shared)
        _not_pooled(stated.recipe, table.info.by)
    except InputError as error:
        raise stated.place(error) from None
    settings = Settings(spec.engine, spec.draws, spec.seed, spec.loo, spec.width or _WIDTH, device)
    look = before is None or strict
    found = survey(problems, table.chunks(min(_LOOK, table.n_cells)), strict=strict) if look else None
    if found is not None and not isinstance(problem, Problem):  # cells of one may lack what its own table had
        try:
            check_read(stated.observables, found.read, table.file)
        except InputError as error:
            raise stated.place(error) from None
    if before is not None:  # goes on as it was begun
        parameters, size = before["parameters"], spec.chunk or before["chunk"]
        width = spec.width or before["engine"].get("width", _WIDTH)
        settings = replace(settings, width=width, device=device or before["device"].split()[0])
        check_device(settings.device)
        ladder = Ladder(settings)
    else:
        assert found is not None
        parameters = found.parameters
        if not force:  # an earlier run gives its place back
            _check_disk(out, table.n_cells, len(parameters), settings.draws)
        _check_memory(spec, settings, table.n_cells, len(parameters), found.sample)
        settings, size, ladder = _sizes(spec, settings, found.sample, table.n_cells, workers, say)
    code = tuple((str(p), Path(p).read_text(encoding="utf-8")) for p in plugins)
    manifest = _manifest(stated, spec, table, settings, parameters, size, code)
    names = tuple(p["name"] for p in parameters)
    job = Job(problems.recipe, table.info, spec.shared, settings, names, code)
    return Plan(table, job, Solver(job, problems=problems, ladder=ladder), manifest)


def _not_pooled(recipe: dict[str, Any], by: str) -> None:
    for name in pooled_latents(recipe, by):
        raise InputError(
            f"{name} is pooled over the cells: their posteriors hang together by the population's mean and"
            " spread, and cannot be computed one by one",
            mend="Infer the whole table jointly (`infer`); or leave `pooled` and `spread` out: each cell then"
            " has its own, from the prior as it is written",
            column=f"quantities.{name}",
        )


def _check_disk(out: Any, n: int, parameters: int, draws: int) -> None:
    """Refuse a run that the disk of its folder has no room for."""
    a_draw, rest = bytes_of_a_cell(parameters, draws)
    check_disk(
        Path(out),
        f"draws = {{}} of each of {n:,} cells",
        draws,
        n * a_draw,
        beside=n * rest,
        least=0,
        mend="Keep at most {} draws of each (--draws), or give an --out where there is more",
    )


def _check_memory(spec: BatchSpec, settings: Settings, n: int, parameters: int, sample) -> None:
    """Refuse a chunk, of which three are kept at a time, or a block on the CPU that memory has no room for."""
    a_draw, rest = bytes_of_a_cell(parameters, settings.draws)
    size = min(n, spec.chunk or _SIZES[1])
    check_memory(
        "a chunk of {} cells",
        size,
        3 * (settings.draws * a_draw + rest),
        mend="Give at most {} cells a chunk (--chunk)",
    )
    if (settings.device or jax.default_backend()) == "cpu":
        check_memory(
            "blocks of {} cells",
            min(settings.width, 1 << (n - 1).bit_length()),
            bytes_in_block(sample[0]),
            mend="Write `batch: {width: {}}`",
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
    told = table.info.told_by
    settled = {"by": table.info.by if len(told) == 1 else list(told), "chunk": size, "width": settings.width}
    data = stated.config.get("data") if path is None else str(Path(path).resolve())
    device = jax.local_devices(backend=settings.device)[0]
    engine: dict[str, Any] = {"engine": settings.engine, "loo": settings.loo, "width": settings.width}
    engine["end_error"] = END  # of the gate; runs without one were judged without it
    if code:  # a model's code decides its numbers
        engine["plugins"] = {Path(p).name: hashlib.sha256(text.encode()).hexdigest()[:12] for p, text in code}
    return new_manifest(
        config=stated.config | {"data": data, "batch": spec.model_dump() | settled},
        data_file=table.file if path is None else Path(path).name,
        data_sha256=table.sha256,
        n_cells=table.n_cells,
        id_width=max(1, table.id_width),
        parameters=parameters,
        chunk=size,
        draws=settings.draws,
        seed=settings.seed,
        dtype="float64",
        device=f"{device.platform} ({device.device_kind})",
        engine=engine,
        title=str(stated.recipe.get("title", "")),
    )
