"""`pumpleak steady-state`. Heavy imports happen inside the commands."""

import warnings
from dataclasses import replace
from typing import Annotated

import typer

from ..errors import InputError, InputWarning
from ..physics.constants import LYSIS_RATIO
from ..text import fixed
from .cells import AskedCell, Output, exit_without_rest, read_cell
from .options import (
    AsJson,
    CellArgument,
    Compensation,
    Force,
    OutTable,
    PlotFile,
    Plugin,
    PresetName,
    Ratio,
    Settings,
)
from .plugins import run_plugins
from .terminal import show


def steady_state(
    config: CellArgument = None,
    preset: PresetName = None,
    settings: Settings = None,
    compensation: Compensation = None,
    sweeps: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="NAME=START:STOP:logN",
            help="Many values in one go: K_o_mM=1:120:log50, pump=0:1:lin21.",
        ),
    ] = None,
    all_states: Annotated[
        bool,
        typer.Option(
            "--all", help="Every steady state that there is, unstable ones too; of each value of a sweep."
        ),
    ] = False,
    max_volume_ratio: Ratio = LYSIS_RATIO,
    plot: PlotFile = None,
    out: OutTable = None,
    force: Force = False,
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Where pumps, leaks, trapped charge and water balance: V_m, concentrations, volume, currents, cost.

    Exit code 3: there is no steady state, and it says why and what would restore one.
    """
    if len(sweeps or []) > 1:
        raise InputError(
            f"{len(sweeps or [])} sweeps are asked for", mend="Give one --sweep; --set holds other numbers"
        )
    text = sweeps[0] if sweeps else None
    if text is None and (plot or out):
        raise InputError(
            f"{'--plot' if plot else '--out'} goes with a sweep", mend="Add --sweep, e.g. K_o_mM=1:120:log50"
        )
    output = Output(out, plot, force, as_json)
    output.check()
    run_plugins(plugin)
    import jax

    with jax.enable_x64(True):
        asked = read_cell(config, preset, settings, compensation, max_volume_ratio)
        if text:
            _along(asked, text, output, every=all_states)
        elif all_states:
            _every_one(asked, as_json)
        else:
            _at_rest(asked, as_json, compare=settings is None)


def _at_rest(asked: AskedCell, as_json: bool, *, compare: bool) -> None:
    """Print the resting state, and (`compare`) what was measured beside it."""
    from ..cell.steady import plain_state, resting_state, usual_V_m
    from ..cell.words import compared, state_dict
    from ..reports.cell_documents import rest_document

    near, bursts = usual_V_m(*asked.given), asked.max_volume_ratio
    state, others = resting_state(asked.cell, asked.bath, near=near, max_volume_ratio=bursts)
    state = plain_state(state)
    if others:
        levels = ", ".join(fixed(s.V_m, 1) for s in others)
        more = f"It has other stable levels too, at {levels} mV: --all lists every steady state."
        asked = replace(asked, notes=(*asked.notes, more))
    if not state.ok:
        exit_without_rest(asked, state_dict(state, asked.cell, asked.bath), as_json)
    rows = compared(state, asked.given.measured) if compare else []
    show(rest_document(state, asked.cell, asked.bath, asked.title, asked.notes, rows), as_json)


def _every_one(asked: AskedCell, as_json: bool) -> None:
    """Print every steady state there is."""
    from ..cell.steady import plain_state, steady_states
    from ..reports.cell_documents import states_document

    cell, bath = asked.cell, asked.bath
    found = [plain_state(s) for s in steady_states(cell, bath)]
    found = [s._replace(lysis=s.volume > asked.max_volume_ratio) for s in found]
    if not found:
        exit_without_rest(asked, {"status": "no_steady_state"}, as_json)
    show(states_document(found, cell, bath, asked.title, asked.notes), as_json)


def _along(asked: AskedCell, text: str, output: Output, *, every: bool) -> None:
    """Print and write the states along a sweep, written NAME=START:STOP:logN: one branch, or `every` state."""
    import jax
    import numpy as np

    from ..cell.numbers import change
    from ..cell.settings import parse_sweep
    from ..cell.sweep import every_state, sweep
    from ..cell.words import all_words, bath_words, branch_words, sweep_words
    from ..reports.cell_documents import sweep_document

    cell, bath, compensation, bursts = asked.cell, asked.bath, asked.compensation, asked.max_volume_ratio
    axis = parse_sweep(text, cell, bath)
    how = {"compensation": compensation, "max_volume_ratio": bursts}
    if every:
        swept = every_state(cell, bath, axis.name, axis.values, **how)
        shown = dict(zip(axis.values.tolist(), axis.shown, strict=True))
        axis = axis._replace(shown=np.array([shown[x] for x in swept.values.tolist()]), values=swept.values)
    else:
        swept = sweep(cell, bath, axis.name, axis.values, origin=asked.given, **how)
    end = jax.tree.map(lambda a: np.ravel(a)[-1], swept.bath)
    words = bath_words(bath, end, compensation)
    verdict, findings = (
        all_words(swept, axis.key, axis.shown, asked.title)
        if every
        else sweep_words(swept, axis.key, axis.shown, asked.title, bursts)
    )
    notes = [*asked.notes, *branch_words(swept, axis.key, axis.shown)]
    notes += [words.replace("Bath:", "Bath at the sweep's end:")] if words else []
    notes += findings
    if not swept.states.ok.any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            first = change(cell, bath, {axis.name: float(axis.values[0])}, compensation=compensation)
        asked = replace(asked, cell=first[0], bath=first[1], notes=tuple(notes))
        where = f", anywhere along {text}"
        exit_without_rest(asked, {"status": "no_steady_state"}, output.as_json, where=where)

    def figure():
        from ..reports.cell_figures import sweep_figure

        return sweep_figure(
            swept.states,
            axis.shown,
            name=axis.name,
            unit=axis.unit,
            log=axis.log,
            title=asked.title,
            max_volume_ratio=bursts,
        )

    table = swept.table(axis.key, axis.shown)
    output.write(table, figure)
    show(sweep_document(table, axis.key, asked.title, verdict, notes), output.as_json, output.written())
