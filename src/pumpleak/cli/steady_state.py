"""`pumpleak steady-state`. Heavy imports happen inside the commands."""

import warnings
from dataclasses import replace
from typing import Annotated

import typer

from ..errors import InputError, InputWarning
from ..physics.constants import LYSIS_RATIO
from ..quantities.names import kind
from ..quantities.units import split_unit
from ..text import fixed, shown, significant
from .cells import AskedCell, Output, exit_without_rest, read_cell
from .options import (
    AsJson,
    CellArgument,
    Compensation,
    Force,
    OutTable,
    PlotFile,
    PresetName,
    Ratio,
    Settings,
)
from .presets import print_compared
from .terminal import echo_lines, print_json, print_table, records


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
        bool, typer.Option("--all", help="Every steady state that there is, unstable ones too.")
    ] = False,
    max_volume_ratio: Ratio = LYSIS_RATIO,
    plot: PlotFile = None,
    out: OutTable = None,
    force: Force = False,
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
    if all_states and text:
        raise InputError("--all and --sweep do not go together", mend="Take one of them")
    if text is None and (plot or out):
        raise InputError(
            f"{'--plot' if plot else '--out'} goes with a sweep", mend="Add --sweep, e.g. K_o_mM=1:120:log50"
        )
    output = Output(out, plot, force, as_json)
    output.check()
    import jax

    with jax.enable_x64(True):
        asked = read_cell(config, preset, settings, compensation, max_volume_ratio)
        if text:
            _along(asked, text, output)
        elif all_states:
            _every_one(asked, as_json)
        else:
            _at_rest(asked, as_json, compare=settings is None)


def _at_rest(asked: AskedCell, as_json: bool, *, compare: bool) -> None:
    """Print the resting state, and (`compare`) what was measured beside it."""
    from ..cell.steady import plain_state, resting_state, usual_V_m
    from ..cell.words import compared, headline, state_dict

    near, bursts = usual_V_m(*asked.given), asked.max_volume_ratio
    state, others = resting_state(asked.cell, asked.bath, near=near, max_volume_ratio=bursts)
    state = plain_state(state)
    if others:
        levels = ", ".join(fixed(s.V_m, 1) for s in others)
        more = f"It has other stable levels too, at {levels} mV: --all lists every steady state."
        asked = replace(asked, notes=(*asked.notes, more))
    d = state_dict(state, asked.cell, asked.bath)
    if not state.ok:
        exit_without_rest(asked, d, as_json)
    rows = compared(state, asked.given.measured) if compare else []
    verdict = headline(state, asked.title)
    if as_json:
        head = {"title": asked.title, "verdict": verdict, "notes": asked.notes}
        print_json(head | d | {"compared": rows})
        return
    typer.secho(verdict, bold=True)
    _print_state(d, asked.notes)
    if rows:
        print_compared(rows)


def _print_state(d: dict, notes: tuple[str, ...]) -> None:
    """The words and tables of one state, given as by `state_dict`."""
    cost = f"ATP: {significant(d['atp_umol_cm2_s'] * 1e6, 4)} pmol/cm²/s, {significant(d['atp_mM_min'])} mM/min in the cell's volume."
    echo_lines(
        [
            *notes,
            f"Impermeants inside {significant(d['X_mM'], 4)} mM; slope conductance {significant(d['conductance_mS_cm2'])} mS/cm².",
            cost,
            f"Residual {significant(d['residual'], 1)} after {d['iterations']} step{'' if d['iterations'] == 1 else 's'}.",
        ]
    )
    cells = [
        (ion, *(shown(i[k], 4) for k in ("o_mM", "i_mM", "E_mV")), shown(i["driving_force_mV"], 3))
        for ion, i in d["ions"].items()
    ]
    print_table("Ions", ("ion", "outside [mM]", "inside [mM]", "E [mV]", "V_m − E [mV]"), cells)
    cells = [
        (name, shown(1e6 * m["rate_umol_cm2_s"], 4), shown(m["I_uA_cm2"], 4),
         ", ".join(f"{ion} {significant(1e6 * j, 4, sign=True)}" for ion, j in m["fluxes_umol_cm2_s"].items()))
        for name, m in d["mechanisms"].items()
    ]  # fmt: skip
    header = ("mechanism", "rate [pmol/cm²/s]", "current [µA/cm²]", "fluxes [pmol/cm²/s]")
    print_table("Mechanisms, outward positive", header, cells)


def _every_one(asked: AskedCell, as_json: bool) -> None:
    """Print every steady state there is."""
    from ..cell.steady import plain_state, steady_states
    from ..cell.words import duration, state_dict

    cell, bath = asked.cell, asked.bath
    found = [plain_state(s) for s in steady_states(cell, bath)]
    found = [s._replace(lysis=s.volume > asked.max_volume_ratio) for s in found]
    if not found:
        exit_without_rest(asked, {"status": "no_steady_state"}, as_json)
    words = f"{len(found)} steady state{'s' if len(found) > 1 else ''}, {sum(bool(s.stable) for s in found)} stable"
    if as_json:
        states = [state_dict(s, cell, bath) for s in found]
        print_json({"title": asked.title, "verdict": words, "notes": asked.notes, "states": states})
        return
    typer.secho(f"{asked.title}: {words}.", bold=True)
    echo_lines(asked.notes)
    ions = [*cell.ions, *cell.held]
    rows = [
        (fixed(s.V_m, 2), ("stable" if s.stable else "unstable") + (", burst" if s.lysis else ""), *(shown(float(s.c_i[i]), 4) for i in ions),
         fixed(s.volume, 4), duration(float(s.time_constants[0])) if len(s.time_constants) else "")
        for s in found
    ]  # fmt: skip
    print_table("Steady states", ("V_m [mV]", "", *(f"{i}_i [mM]" for i in ions), "volume", "slowest"), rows)


def _along(asked: AskedCell, text: str, output: Output) -> None:
    """Print and write the states along a sweep, written NAME=START:STOP:logN."""
    import jax
    import numpy as np

    from ..cell.numbers import change
    from ..cell.settings import parse_sweep
    from ..cell.sweep import sweep
    from ..cell.words import bath_words, branch_words, sweep_words

    cell, bath, compensation, bursts = asked.cell, asked.bath, asked.compensation, asked.max_volume_ratio
    axis = parse_sweep(text, cell, bath)
    swept = sweep(
        cell, bath, axis.name, axis.values,
        compensation=compensation, origin=asked.given, max_volume_ratio=bursts,
    )  # fmt: skip
    end = jax.tree.map(lambda a: np.ravel(a)[-1], swept.bath)
    words = bath_words(bath, end, compensation)
    verdict, findings = sweep_words(swept, axis.key, axis.shown, asked.title, bursts)
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
            swept.states, axis.shown, name=axis.name, unit=axis.unit, log=axis.log, title=asked.title,
            max_volume_ratio=bursts,
        )  # fmt: skip

    table = swept.table(axis.key, axis.shown)
    output.write(table, figure)
    if output.as_json:
        print_json({"title": asked.title, "verdict": verdict, "notes": notes, "rows": records(table)})
        return
    typer.secho(f"{verdict}.", bold=True)
    echo_lines(notes)
    _print_sweep(table, axis.key)
    output.echo_written()


def _print_sweep(table, key: str) -> None:
    """At most 25 rows of a sweep's table."""
    import numpy as np

    columns = [
        key,
        "V_m_mV",
        *(c for c in table if kind(split_unit(c)[0]).side == "i"),
        "volume_rel",
        "status",
    ]
    printed = table.assign(status=table["status"] + np.where(table["lysis"], ", burst", ""))
    rows = printed.iloc[np.unique(np.linspace(0, len(table) - 1, min(len(table), 25)).round().astype(int))]
    cells = [
        tuple(shown(v, 4) if isinstance(v, float) else str(v).replace("_", " ") for v in r)
        for r in rows[columns].itertuples(index=False)
    ]
    title = f"{len(rows)} of {len(table)} values" if len(rows) < len(table) else "Sweep"
    print_table(title, tuple(columns), cells)
