"""Command line: parses, calls the Python verbs and prints. Heavy imports happen inside the commands."""

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from .._version import __version__
from ..errors import InputError, InputWarning, Stopped, unknown
from ..files.programs import keep_programs
from ..files.things import check_thing, thing_at
from ..files.whole import claimed_folder, forget_written, written
from ..text import listing
from .batch import batch
from .datasets import datasets
from .devices import cannot_start, quiet_devices
from .options import AsJson, ConfigFile, Force, Plugin, Seed, limited
from .plugins import run_plugins
from .presets import presets
from .simulate import simulate
from .steady_state import steady_state
from .studies import calibrate, compare, contrast, design, identify, sensitivity
from .terminal import complain, open_streams, progress, show, tell

_UsageError = typer.BadParameter.__mro__[1]  # of whichever click typer brings

app = typer.Typer(
    help="Infer what sets a cell's resting potential: P_Na/P_K and its kin from measured potentials, with honest uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(datasets, name="datasets")
app.command()(steady_state)
app.command()(simulate)
app.add_typer(presets, name="presets")
for command in (batch, identify, calibrate, compare, sensitivity, design, contrast):
    app.command()(command)


def main() -> None:
    """Entry point: one clear message and exit code 2 for whatever was wrong with the input."""
    warnings.showwarning = _show_warning
    open_streams()
    keep_programs()
    quiet_devices()
    forget_written()
    stopped = []

    def note(*_):
        stopped.append(True)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    sys.unraisablehook, hook = _heard_again(sys.unraisablehook), sys.unraisablehook
    try:
        # What a command ends with that says so, as --version does.
        code = app(prog_name="pumpleak", standalone_mode=False)
        if code == 130:  # typer's word for Ctrl-C
            complain(_stopped())
        sys.exit(code if isinstance(code, int) else 0)
    except _UsageError as error:
        _misused(error)
    except InputError as error:
        complain(str(error))
        sys.exit(2)
    except Stopped as stop:
        complain(str(stop))
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF):
            raise
        complain(f"The output cannot be written: {error.strerror}.")
        os._exit(1)  # what is not yet written cannot be either
    except Exception:
        if not stopped:
            if said := cannot_start():
                complain(said)
                sys.exit(2)
            raise
        # Ctrl-C while a library is being imported ends as any error of that import.
        complain(_stopped())
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook


def _heard_again(otherwise: Callable[..., object]) -> Callable[..., None]:
    """Ctrl-C that came while Python tidied up, where no exception can leave: it comes again a moment later."""

    def hook(found) -> None:
        if not issubclass(found.exc_type, KeyboardInterrupt):
            otherwise(found)
            return
        again = threading.Timer(0.05, signal.raise_signal, [signal.SIGINT])
        again.daemon = True
        again.start()

    return hook


def _stopped() -> str:
    names = [str(path) for path in written()]
    return f"Stopped. Written by then: {listing(names, 5)}." if names else "Stopped. Nothing was written."


def _misused(error) -> NoReturn:
    """What is wrong with a command line, in one line; the help where nothing is asked for."""
    said = error.format_message().strip()
    if not said:  # the help, which Rich has printed by now
        sys.exit(2)
    command = "pumpleak" if error.ctx is None else error.ctx.command_path
    complain(f"{command}: {said}{'' if said[-1] in '.?' else '.'} See: {command} --help.")
    sys.exit(2)


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    if issubclass(category, InputWarning):
        complain(f"Warning: {message}", "yellow")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"pumpleak {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def infer(
    ctx: typer.Context,
    config: ConfigFile,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; results/CONFIG by default.")
    ] = None,
    force: Force = False,
    engine: Annotated[
        str | None,
        typer.Option(
            help="nuts; or importance, auto (and NUTS where that fails), hmc, or laplace for a look."
        ),
    ] = None,
    seed: Seed = None,
    chains: Annotated[int | None, limited("chains", "Chains.")] = None,
    warmup: Annotated[int | None, limited("warmup", "Warm-up iterations a chain.")] = None,
    draws: Annotated[int | None, limited("draws", "Draws a chain.")] = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Sample the posterior, judge it, and write posterior.nc, summary.csv, report.html and the config."""
    folder = out or Path("results") / config.stem
    ctx.with_resource(claimed_folder(folder, force=force))  # before minutes are spent
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..inference.infer import infer as run
    from ..reports.html import write_page
    from ..reports.result_page import result_data, result_document

    problem = load_problem(config)
    with progress("Sampling") as advance:
        result = run(
            problem,
            engine=engine,
            seed=seed,
            chains=chains,
            warmup=warmup,
            draws=draws,
            progress=advance,
        )
    with progress("Writing"):
        document = result_document(result)
        result.save(folder, force=force, extra=lambda scratch: write_page(document, scratch / "report.html"))
    closing = [f"\nWritten to {folder}/: report.html, posterior.nc, summary.csv, config.yaml"]
    show(replace(document, data=result_data(result, folder)), as_json, closing)


@app.command()
def fit(
    config: ConfigFile,
    method: Annotated[str, typer.Option(help="map (posterior mode) or ml (maximum likelihood).")] = "map",
    starts: Annotated[int | None, limited("starts", "Starts, drawn from the prior.")] = None,
    seed: Seed = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Fit by gradient descent from many starts; say which combinations the data leave open."""
    if method not in ("map", "ml"):
        raise unknown("method", method, ("map", "ml"), within="for --method")
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..inference.fit import fit as run
    from ..reports.problem_documents import fit_document

    problem = load_problem(config)
    with progress("Fitting") as advance:
        found = run(problem, method=method, starts=starts, seed=seed, progress=advance)
    show(fit_document(found, problem.title), as_json)


@app.command()
def predict(
    config: ConfigFile,
    result: Annotated[
        Path | None,
        typer.Option("--from", help="A result of infer: predict from its posterior, not from the prior."),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Hold a parameter at a value, e.g. P_Na_rel=0.03."),
    ] = None,
    seed: Seed = None,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Predict every row of the table: the readings, V_m and the Nernst potentials."""
    values = dict(_assignment(text) for text in fixed or [])
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..inference.predict import predict as run
    from ..inference.result import load_result
    from ..reports.problem_documents import predict_document

    problem = load_problem(config)
    found = load_result(result) if result else None
    table = run(problem, found, fixed=values, seed=seed)
    source = f"the posterior in {result}" if result else "the prior"
    trusted = found is None or found.verdict.usable
    show(predict_document(table, problem, source, trusted=trusted), as_json)


@app.command()
def report(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="A folder written by infer or batch, or infer's posterior.nc."),
    ],
    cell: Annotated[
        str | None, typer.Option(metavar="ID", help="Of a batch: the report of this cell.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; report.html beside the result by default.")
    ] = None,
    study: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="What identify or its like wrote with --out: a section of the page."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write the self-contained HTML report of a result (again)."""
    if thing_at(result) == "run":
        if study:
            raise InputError("--study is for a result of infer", mend="Leave it out", file=result)
        from ..reports.batch_page import report_batch

        tell(f"Written: {report_batch(result, out, cell=cell, force=force)}")
        return
    if cell is not None:
        raise InputError("--cell is for the folder of a batch run", mend="Leave it out", file=result)
    from ..reports.result_page import report as run
    from ..reports.study import load_study

    found = [load_study(folder) for folder in study or []]
    tell(f"Written: {run(result, out, studies=found, force=force)}")


@app.command()
def init(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="Your table: CSV, TSV, Parquet or XLSX (BOOK.xlsx#SHEET).")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The config to write; TABLE's name with .yaml by default.")
    ] = None,
    force: Force = False,
    plugin: Plugin = None,
) -> None:
    """Write a commented starter config for your own table."""
    run_plugins(plugin)
    from ..config.starter import starter_config
    from ..data.workbook import named_sheet
    from ..files.whole import whole_file

    path, _ = named_sheet(table)
    check_thing(path, "table", table)
    target = out or path.with_suffix(".yaml")
    text = starter_config(table, relative_to=target.parent)
    whole_file(target, lambda path: path.write_text(text, encoding="utf-8"), force=force)
    tell(f"Written: {target}. Fill in what is marked EDIT, then: pumpleak check {target}")


@app.command()
def check(config: ConfigFile, plugin: Plugin = None, as_json: AsJson = False) -> None:
    """Validate a config and its data without running anything; show what was understood."""
    run_plugins(plugin)
    from ..config.load import load_problem
    from ..reports.problem_documents import check_document

    show(check_document(load_problem(config)), as_json)


# -- helpers of the commands ----------------------------------------------------------------------


def _assignment(text: str) -> tuple[str, float]:
    """A parameter and its value in the canonical unit: ``K_i=140``, ``K_i_mM=140`` and ``T_degC=37`` are given so."""
    from ..files.yaml_scalars import as_number
    from ..quantities.units import split_unit, to_canonical

    name, _, value = text.partition("=")
    stem, unit = split_unit(name.strip())
    try:
        number = float(as_number(value.strip()))
    except InputError:
        raise InputError(
            f"--set {text} is not NAME=NUMBER",
            mend="Write the number alone and its unit in the name, e.g. --set P_Na_rel=0.03 or --set K_i_mM=140",
        ) from None
    return (name.strip(), number) if unit is None else (stem, to_canonical(number, unit)[0])
