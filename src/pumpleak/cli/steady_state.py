"""Commands about cells: steady-state, simulate, presets. Heavy imports happen inside the commands."""

import warnings
from typing import Annotated

import typer

from ..cell.sweep import followed, hops, jumps, own_rest
from ..errors import InputError, InputWarning
from ..physics.constants import LYSIS_RATIO
from .cells import changed, refuse_files, say_none, say_written, write_both
from .options import CellArgument, Compensation, Force, OutTable, PlotFile, PresetName, Ratio, Settings
from .presets import AsJson, presets, print_compared
from .simulate import simulate_command
from .terminal import echo_lines, number, print_json, print_table, records


def add_commands(app: typer.Typer) -> None:
    """Put this file's commands into the application."""
    app.command("steady-state")(_steady_state)
    app.command("simulate")(simulate_command)
    app.add_typer(presets, name="presets")


def _steady_state(
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
    sweep = sweeps[0] if sweeps else None
    if all_states and sweep:
        raise InputError("--all and --sweep do not go together", mend="Take one of them")
    if sweep is None and (plot or out):
        raise InputError(
            f"{'--plot' if plot else '--out'} goes with a sweep", mend="Add --sweep, e.g. K_o_mM=1:120:log50"
        )
    refuse_files(force, plot, out)
    import jax

    with jax.enable_x64(True):
        given, cell, bath, note = changed(config, preset, settings, compensation)
        notes = [note] if note else []
        if sweep:
            _sweep(given, cell, bath, sweep, compensation, max_volume_ratio, notes, plot, out, force, as_json)
        elif all_states:
            _all(given, cell, bath, max_volume_ratio, notes, as_json)
        else:
            _one(given, cell, bath, max_volume_ratio, notes, as_json, own=settings is None)


def _one(given, cell, bath, max_volume_ratio, notes, as_json, own) -> None:
    from ..cell.steady import resting_state
    from ..cell.words import compared, headline, ions_of, plain_state, state_dict

    state, others = resting_state(cell, bath, near=own_rest(given), max_volume_ratio=max_volume_ratio)
    state = plain_state(state)
    if others:
        levels = ", ".join(f"{s.V_m:.1f}" for s in others)
        notes = [*notes, f"It has other stable levels too, at {levels} mV: --all lists every steady state."]
    if not state.ok:
        say_none(given.title, cell, bath, max_volume_ratio, notes, as_json, state_dict(state, cell, bath))
    rows = compared(state, given.measured) if own else []
    d = state_dict(state, cell, bath)
    if as_json:
        print_json(
            {"title": given.title, "verdict": headline(state, given.title), "notes": notes}
            | d
            | {"compared": rows}
        )
        return
    typer.secho(headline(state, given.title), bold=True)
    cost = (
        f"ATP: {d['atp_umol_cm2_s'] * 1e6:.4g} pmol/cm²/s, {d['atp_mM_min']:.3g} mM/min in the cell's volume."
    )
    echo_lines(
        [
            *notes,
            f"Impermeants inside {d['X_mM']:.4g} mM; slope conductance {d['conductance_mS_cm2']:.3g} mS/cm².",
            cost,
            f"Residual {d['residual']:.1g} after {d['iterations']} step{'' if d['iterations'] == 1 else 's'}.",
        ]
    )
    cells = [
        (
            i["ion"],
            number(i["o_mM"], 4),
            number(i["i_mM"], 4),
            number(i["E_mV"], 4),
            number(i["driving_force_mV"], 3),
        )
        for i in ions_of(state, cell, bath)
    ]
    print_table("Ions", ("ion", "outside [mM]", "inside [mM]", "E [mV]", "V_m − E [mV]"), cells)
    cells = [
        (name, number(1e6 * m["rate_umol_cm2_s"], 4), number(m["I_uA_cm2"], 4),
         ", ".join(f"{ion} {1e6 * j + 0.0:+.4g}" for ion, j in m["fluxes_umol_cm2_s"].items()))
        for name, m in d["mechanisms"].items()
    ]  # fmt: skip
    header = ("mechanism", "rate [pmol/cm²/s]", "current [µA/cm²]", "fluxes [pmol/cm²/s]")
    print_table("Mechanisms, outward positive", header, cells)
    if rows:
        print_compared(rows)


def _all(given, cell, bath, max_volume_ratio, notes, as_json) -> None:
    from ..cell.steady import steady_states
    from ..cell.words import duration, plain_state, state_dict

    found = [plain_state(s) for s in steady_states(cell, bath)]
    found = [s._replace(lysis=s.volume > max_volume_ratio) for s in found]
    if not found:
        say_none(given.title, cell, bath, max_volume_ratio, notes, as_json, {"status": "no_steady_state"})
    words = f"{len(found)} steady state{'s' if len(found) > 1 else ''}, {sum(bool(s.stable) for s in found)} stable"
    if as_json:
        states = [state_dict(s, cell, bath) for s in found]
        print_json({"title": given.title, "verdict": words, "notes": notes, "states": states})
        return
    typer.secho(f"{given.title}: {words}.", bold=True)
    echo_lines(notes)
    ions = [*cell.ions, *cell.held]
    rows = [
        (f"{s.V_m:.2f}", ("stable" if s.stable else "unstable") + (", burst" if s.lysis else ""), *(number(float(s.c_i[i]), 4) for i in ions),
         f"{s.volume:.4f}", duration(float(s.time_constants[0])) if len(s.time_constants) else "")
        for s in found
    ]  # fmt: skip
    print_table("Steady states", ("V_m [mV]", "", *(f"{i}_i [mM]" for i in ions), "volume", "slowest"), rows)


def _sweep(given, cell, bath, text, compensation, max_volume_ratio, notes, plot, out, force, as_json) -> None:
    import jax
    import numpy as np

    from ..cell.march import Status
    from ..cell.numbers import change
    from ..cell.settings import parse_sweep
    from ..cell.steady import steady_state
    from ..cell.words import bath_words, plain_state, sweep_table

    swept = parse_sweep(text, cell, bath)
    many = change(cell, bath, {swept.name: swept.values}, compensation=compensation)
    for ion, c in many[1].c.items():
        if np.any(np.asarray(c) <= 0):
            raise InputError(
                f"the sweep {text} takes {ion}_o to 0",
                mend="Sweep a little less far, or name another --compensation (an ion, salt, or inert)",
            )
    states = plain_state(steady_state(*many, max_volume_ratio=max_volume_ratio))
    if hops(states, swept, cell, bath, compensation):
        states = followed(swept, given, cell, bath, compensation, max_volume_ratio)
        notes = [
            *notes,
            "Several steady states: the curve follows one from value to value as long as it lasts.",
        ]
        notes += jumps(swept, states)
    table = sweep_table(states, cell, swept.key, swept.shown)
    end = jax.tree.map(lambda a: np.ravel(a)[-1], many[1])
    if words := bath_words(bath, end, compensation):
        notes = [*notes, words.replace("Bath:", "Bath at the sweep's end:")]
    status = np.asarray(table["status"])
    lost = {name: int((status == name).sum()) for name in (s.name for s in Status) if name != "converged"}
    found = len(table) - sum(lost.values())
    verdict = f"{given.title}: {found} of {len(table)} values of {swept.key} have a steady state"
    if found:
        V = table["V_m_mV"]
        first, last = V.first_valid_index(), V.last_valid_index()
        verdict += f"; V_m {V[first]:.1f} mV at {table[swept.key][first]:.4g}, {V[last]:.1f} mV at {table[swept.key][last]:.4g}"
    notes = [*notes, *(f"{n} values: {name.replace('_', ' ')}." for name, n in lost.items() if n)]
    if beyond := int(table["lysis"].sum()):
        notes.append(
            f"{beyond} of {len(table)} values: beyond bursting, at a volume of more than {max_volume_ratio:g} of the reference."
        )
    if unstable := int(((status == "converged") & ~table["stable"]).sum()):
        notes.append(
            f"{unstable} values: the state found is unstable; --all at such a value lists every one."
        )
    if not found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            nearest = change(cell, bath, {swept.name: float(swept.values[0])}, compensation=compensation)
        title = f"{given.title}, anywhere along {text}"
        say_none(title, *nearest, max_volume_ratio, notes, as_json, {"status": "no_steady_state"})
    figure = None
    if plot:
        from ..reports.cell_figures import sweep_figure

        figure = sweep_figure(
            states, swept.shown, name=swept.name, unit=swept.unit, log=swept.log, title=given.title,
            max_volume_ratio=max_volume_ratio,
        )  # fmt: skip
    write_both(out, table, plot, figure, force)
    if as_json:
        print_json({"title": given.title, "verdict": verdict, "notes": notes, "rows": records(table)})
        return
    typer.secho(f"{verdict}.", bold=True)
    echo_lines(notes)
    columns = [swept.key, "V_m_mV", *(c for c in table if c.endswith("_i_mM")), "volume_rel", "status"]
    printed = table.assign(status=table["status"] + np.where(table["lysis"], ", burst", ""))
    shown = printed.iloc[np.unique(np.linspace(0, len(table) - 1, min(len(table), 25)).round().astype(int))]
    rows = [
        tuple(number(v, 4) if isinstance(v, float) else str(v).replace("_", " ") for v in r)
        for r in shown[columns].itertuples(index=False)
    ]
    print_table(
        f"{len(shown)} of {len(table)} values" if len(shown) < len(table) else "Sweep", tuple(columns), rows
    )
    say_written(plot, out)


# -- helpers ------------------------------------------------------------------------------------
