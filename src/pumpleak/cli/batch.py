"""The command batch: many cells, a folder that survives being killed. Heavy imports happen inside the command."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError, Stopped
from ..reports.document import Code, Document, Section
from .devices import choose_device
from .options import AsJson, Plugin, Seed, number
from .plugins import run_plugins
from .terminal import cells_progress, show

_SHARDS = 16  # in the example of --plan


@dataclass(frozen=True)
class _Asked:
    """A batch as the command asked for it.

    Attributes:
        config: as for infer.
        data: the table of cells; the config's where None.
        folder: for the results.
        given: options that stand in for the config's section `batch`; None where not given.
        strict, force, device, workers, scheduler, plugins: as `infer_batch` takes them.
        shard: as written, I/N.
        as_json: print JSON.
    """

    config: Path
    data: Path | None
    folder: Path
    given: dict[str, Any]
    strict: bool
    force: bool
    device: str | None
    workers: int | None
    scheduler: str | None
    shard: str | None
    plugins: list[Path]
    as_json: bool

    def shared(self) -> dict[str, Any]:
        """What planning and running both take, by name."""
        return {
            "out": self.folder,
            "strict": self.strict,
            "force": self.force,
            "plugins": self.plugins,
            "device": self.device,
            **self.given,
        }

    def words(self) -> list[str]:
        """The words of a command that asks for the same again, without its folder."""
        plugins = self.plugins or None
        options = {
            "data": self.data,
            **self.given,
            "strict": self.strict,
            "device": self.device,
            "plugin": plugins,
        }
        return [str(self.config), *_options(options)]


def batch(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML config, as for infer.")],
    data: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="The table of cells; the config's by default.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Its levels are cells; `cell` by default. PLATE,WELL: those of both."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; results/CONFIG by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an earlier run; it must be there.")
    ] = False,
    engine: Annotated[
        str | None, typer.Option(help="auto (default), importance, hmc, nuts or laplace.")
    ] = None,
    draws: Annotated[int | None, number("Draws kept of each posterior; 200 by default.", least=0)] = None,
    loo: Annotated[
        bool | None, typer.Option("--loo", help="Leave-one-out predictive density of each cell.")
    ] = None,
    seed: Seed = None,
    chunk: Annotated[
        int | None, number("Cells computed and written together; timed by default.", least=1)
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at once where any cell cannot be used.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Discard an earlier run in the folder.")] = False,
    workers: Annotated[int | None, number("Local worker processes, by Dask (extra `dask`).", least=1)] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="An existing Dask cluster.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Compute share I of N: a task of a job array.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only begin the run; say how to run its shards.")
    ] = False,
    collect: Annotated[
        bool, typer.Option("--collect", help="Check and gather what the shards have written.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu or gpu; whichever JAX finds by default.")] = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Infer one posterior a cell of a table, judge each, and write them to a folder.

    Killed at any moment, the same command goes on where it stopped.
    """
    folder = out or Path("results") / config.stem
    _one_of({"--plan": plan, "--collect": collect, "--shard": shard is not None})
    _one_of({"--resume": resume, "--force": force})
    _one_of({"--workers": workers is not None, "--scheduler": scheduler is not None})
    if (resume or collect) and not (folder / "manifest.json").is_file():
        raise InputError(
            "there is no earlier run to go on with" if resume else "there is no run to collect",
            mend="Leave --resume out to begin one, or give its --out" if resume else "Give its --out",
            file=folder,
        )
    if device is not None:
        choose_device(device)
    if collect:
        _collect(folder, as_json)
        return
    run_plugins(plugin)
    asked = _Asked(
        config=config,
        data=data,
        folder=folder,
        strict=strict,
        force=force,
        device=device,
        workers=workers,
        scheduler=scheduler,
        shard=shard,
        plugins=plugin or [],
        as_json=as_json,
        given={"by": by, "engine": engine, "draws": draws, "loo": loo, "seed": seed, "chunk": chunk},
    )
    if plan:
        _plan(asked)
    else:
        _run(asked)


def _collect(folder: Path, as_json: bool) -> None:
    from ..batch.infer import collect_batch

    with _stopped_in_words():
        found = collect_batch(folder)
    _show_batch(found, folder, as_json)


@contextmanager
def _stopped_in_words() -> Iterator[None]:
    """Have the command line say what a run that was stopped says of itself."""
    from ..batch.infer import BatchStopped

    try:
        yield
    except BatchStopped as stop:
        raise Stopped(str(stop)) from None


def _plan(asked: _Asked) -> None:
    from ..batch.plan import plan_batch

    say = None if asked.as_json else _tell
    manifest = plan_batch(asked.config, asked.data, say=say, **asked.shared())
    show(_plan_document(manifest, asked.folder, asked.words()), asked.as_json)


def _run(asked: _Asked) -> None:
    from ..batch.infer import infer_batch

    shard = None if asked.shard is None else _shard(asked.shard)
    with _stopped_in_words(), cells_progress() as (advance, say):
        found = infer_batch(
            asked.config,
            asked.data,
            workers=asked.workers,
            scheduler=asked.scheduler,
            shard=shard,
            progress=advance,
            say=None if asked.as_json else say,
            **asked.shared(),
        )
    if found is not None:
        _show_batch(found, asked.folder, asked.as_json)
    else:
        again = f"pumpleak batch {asked.config} --out {asked.folder} --collect"
        said = f"Shard {asked.shard} is done, in {asked.folder}/. When all are: {again}"
        data = {"out": str(asked.folder), "shard": asked.shard}
        show(Document(str(asked.folder), said, data=data), asked.as_json)


def _one_of(given: dict[str, bool]) -> None:
    there = [name for name, is_there in given.items() if is_there]
    if len(there) > 1:
        raise InputError(f"{' and '.join(there)} do not go together", mend=f"Leave {there[-1]} out")


def _shard(text: str) -> tuple[int, int]:
    first, _, n = text.partition("/")
    if not (re.fullmatch("[0-9]+/[0-9]+", text) and 1 <= int(first) <= int(n)):
        raise InputError(f"--shard {text} is not I/N", mend="Count from 1: --shard 3/16 is the third of 16")
    return int(first), int(n)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _options(given: dict[str, Any]) -> list[str]:
    """The words of a command that give these options again; None was not given."""
    out: list[str] = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None and one is not False:
                out += [f"--{name}"] if one is True else [f"--{name}", str(one)]
    return out


def _plan_document(manifest: dict, folder: Path, words: list[str]) -> Document:
    """What is planned, and how to run it: `words` are the command's arguments, without its folder."""
    cells, chunk = manifest["n_cells"], manifest["chunk"]
    n = -(-cells // chunk)
    shards = min(_SHARDS, n)
    again = shlex.join(["pumpleak", "batch", *words, "--out", str(folder)])
    collect = shlex.join(["pumpleak", "batch", words[0], "--out", str(folder), "--collect"])
    task = shlex.quote(f"{again} --shard $SLURM_ARRAY_TASK_ID/{shards}")
    code = (
        f"    sbatch --array=1-{shards} --wrap {task}",
        f"    seq {shards} | xargs -P 4 -I% {again} --shard %/{shards}",
    )
    return Document(
        str(folder),
        f"Begun in {folder}/: {cells:,} cells in {n:,} chunks of {chunk:,}; nothing is computed yet.",
        sections=(
            Section(
                "run",
                f"Run its shards wherever the folder can be reached, at most {n:,} of them, for example as a job array:",
                (Code("\n".join(code)),),
            ),
            Section("collect", "and gather them when all are done:", (Code(f"    {collect}"),)),
        ),
        data={"out": str(folder), "cells": cells, "chunk": chunk, "chunks": n},
    )


def _show_batch(batch, folder: Path, as_json: bool) -> None:
    from ..reports.batch_page import brief_document

    flagged = batch.n_cells - batch.counts.get("usable", 0)
    more = f"; flagged.csv lists what was flagged ({flagged:,}), and why" if flagged else ""
    closing = [
        f"\nWritten to {folder}/: cells.parquet (a row a cell), posterior.zarr, config.yaml{more}",
        f"A report of it: pumpleak report {folder}",
    ]
    show(brief_document(batch, folder), as_json, closing)
