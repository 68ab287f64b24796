"""Commands of the uncertainty studies: what the data can say, whether to trust the answer, what to measure next."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..files.whole import claimed_folder
from .options import AsJson, ConfigFile, Force, Plugin, Seed, number
from .plugins import run_plugins
from .terminal import progress, show

Out = Annotated[Path | None, typer.Option(help="Folder to write study.json, report.html and the figures to.")]
From = Annotated[
    Path | None,
    typer.Option("--from", help="A result of infer on this config: its posterior, not a new one."),
]
Engine = Annotated[str, typer.Option(help="auto, importance, nuts, hmc, or laplace for a look.")]


def calibrate(
    ctx: typer.Context,
    config: ConfigFile,
    engine: Annotated[
        str, typer.Option(help="auto, importance, hmc or laplace (batch's), or nuts: one chain a replicate.")
    ] = "auto",
    replicates: Annotated[int, number("Simulated experiments, at least 20.")] = 1000,
    local: Annotated[
        bool, typer.Option("--local", help="Truths from the posterior of these data, not from the prior.")
    ] = False,
    control: Annotated[
        str | None,
        typer.Option(help="Simulate what must be caught: noise (twice it), temperature (+20 K) or pump."),
    ] = None,
    out: Out = None,
    force: Force = False,
    seed: Seed = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Simulate experiments, infer each, and say whether the intervals hold the truth as often as they claim.

    Exit code 4: they do not; or, with --control, the fault is not caught.
    """
    _claim(ctx, out, force)
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..studies.calibrate.calibrate import calibrate as run

    problem = load_problem(config)
    with progress("Replicates") as advance:
        study = run(problem, engine, replicates, local=local, control=control, seed=seed, progress=advance)
    _show(study, out, force, as_json)


def sensitivity(
    ctx: typer.Context,
    config: ConfigFile,
    result: From = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="What to draw up the budget of, e.g. P_Na_rel; all ratios by default."),
    ] = None,
    engine: Engine = "auto",
    samples: Annotated[int, number("Points of the Sobol indices, a power of 2.")] = 2048,
    out: Out = None,
    force: Force = False,
    seed: Seed = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Say which input's uncertainty drives V_m and the inferred ratios, and what knowing it exactly would give."""
    _claim(ctx, out, force)
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..inference.result import load_result
    from ..studies.sensitivity.sensitivity import sensitivity as run

    problem = load_problem(config)
    found = None if result is None else load_result(result)
    with progress("Sampling") as advance:
        study = run(
            problem, found, targets=target or (), engine=engine, samples=samples, seed=seed, progress=advance
        )
    _show(study, out, force, as_json)


def contrast(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A folder that infer wrote.")],
    parameter: Annotated[str, typer.Option(help="The quantity, e.g. P_Cl_rel.")],
    between: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Levels to compare, the last the reference, with or without commas of their own; all of a few by default.",
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compare levels of one quantity after infer: mutant and control, say, with an interval."""
    from ..inference.result import load_result
    from ..studies.contrast import contrast as run

    _show(run(load_result(result), parameter, between), out, force, as_json)


def compare(
    ctx: typer.Context,
    configs: Annotated[
        list[Path],
        typer.Argument(metavar="CONFIG CONFIG…", help="YAML configs of the same table, one a model."),
    ],
    engine: Annotated[
        str | None, typer.Option(help="Engine of the posteriors, as for infer; each config's by default.")
    ] = None,
    out: Out = None,
    force: Force = False,
    seed: Seed = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Say which of several models the same readings support, by how much, and where the others fail."""
    _claim(ctx, out, force)
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..quantities.names import unique_names
    from ..studies.compare.compare import compare as run

    for k, config in enumerate(configs):
        if config.resolve() in [c.resolve() for c in configs[:k]]:
            raise InputError("is given twice", mend="Give each config once", file=config)
    names = unique_names([config.stem for config in configs])
    problems = {name: load_problem(config) for name, config in zip(names, configs, strict=True)}
    with progress("Models") as advance:
        study = run(problems, engine=engine, seed=seed, progress=advance)
    _show(study, out, force, as_json)


def identify(
    ctx: typer.Context,
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A YAML config, or the folder of a finished batch.")
    ],
    points: Annotated[int, number("Points of each profile, at least 8.")] = 40,
    out: Out = None,
    force: Force = False,
    seed: Seed = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Say what these readings, or a table of planned ones, can determine, and what would help most."""
    _claim(ctx, out, force)
    run_plugins(plugin)
    from ..studies.identify.identify import identify as run

    if config.is_dir():
        from ..batch.results import load_batch as load
    else:
        from ..config.load import load_problem as load
    problem = load(config)
    with progress("Profiles"):
        study = run(problem, points=points, seed=seed)
    _show(study, out, force, as_json)


def design(
    ctx: typer.Context,
    config: ConfigFile,
    result: From = None,
    target: Annotated[
        list[str] | None, typer.Option(help="What to learn about, e.g. P_Na_rel; all ratios by default.")
    ] = None,
    rows: Annotated[int | None, number("How many measurements, one after another; 3.")] = None,
    engine: Engine = "auto",
    out: Out = None,
    force: Force = False,
    seed: Seed = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Say which solution, blocker or extra measurement to take next, by what it is expected to tell."""
    _claim(ctx, out, force)
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..inference.result import load_result
    from ..studies.design.design import design as run

    problem = load_problem(config)
    found = None if result is None else load_result(result)
    try:
        with progress("Weighing") as advance:
            study = run(
                problem,
                result=found,
                targets=target or None,
                rows=rows,
                engine=engine,
                seed=seed,
                progress=advance,
            )
    except InputError as e:
        if e.file is not None:
            raise
        raise InputError(e.problem, mend=e.mend, file=config, key=e.key) from None
    _show(study, out, force, as_json)


def _claim(ctx: typer.Context, out: Path | None, force: bool) -> None:
    """Keep the name of the folder until the command ends: what is wrong with it is said before minutes are spent."""
    if out is not None:
        from ..reports.study import own_files

        ctx.with_resource(claimed_folder(out, force=force, own=own_files(out)))


def _show(study, out: Path | None, force: bool, as_json: bool) -> None:
    """Print a study, and write it where asked.

    Raises:
        InputError: the folder is taken or cannot be written.
        typer.Exit: code 4 where a check failed.
    """
    if out is not None:
        study.save(out, force=force)
        figures = "".join(f", {p.name}.png" for p in study.pictures)
        closing = [f"\nWritten to {out}/: report.html, study.json{figures}"]
    else:
        closing = ["\nWith --out FOLDER: the figures and a report."] if study.pictures else []
    show(study.document(), as_json, closing)
    if study.passed is False:
        raise typer.Exit(4)
