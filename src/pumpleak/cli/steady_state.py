"""Commands about cells: steady-state, simulate, presets. Heavy imports happen inside the commands."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError, InputWarning
from ..physics.constants import LYSIS_RATIO
from .presets import AsJson, presets, print_compared
from .terminal import complain, echo_lines, number, print_json, print_table, progress, records

CellArgument = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="A YAML file of a cell; or take --preset.")
]
PresetName = Annotated[str | None, typer.Option("--preset", metavar="NAME", help="A cell of `presets list`.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a number: K_o_mM=10, T_degC=25, P_K_cm_s=1e-6, pump=0.3."
    ),
]
Compensation = Annotated[
    str | None,
    typer.Option(
        metavar="ION|salt|inert", help="What keeps the bath neutral when an ion changes; Na for K by default."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
OutTable = Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", help="Write the table here.")]
PlotFile = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw it here: png, svg or pdf.")
]
Ratio = Annotated[
    float,
    typer.Option(
        "--max-volume-ratio", min=1.0, help="Volume over the reference volume at which the membrane bursts."
    ),
]
_FORMATS = (".png", ".svg", ".pdf")


def add_commands(app: typer.Typer) -> None:
    """Put this file's commands into the application."""
    app.command("steady-state")(_steady_state)
    app.command("simulate")(_simulate)
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
    _refuse_files(force, plot, out)
    import jax

    with jax.enable_x64(True):
        given, cell, bath, note = _changed(config, preset, settings, compensation)
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

    state, others = resting_state(cell, bath, near=_own_rest(given), max_volume_ratio=max_volume_ratio)
    state = plain_state(state)
    if others:
        levels = ", ".join(f"{s.V_m:.1f}" for s in others)
        notes = [*notes, f"It has other stable levels too, at {levels} mV: --all lists every steady state."]
    if not state.ok:
        _none(given.title, cell, bath, max_volume_ratio, notes, as_json, state_dict(state, cell, bath))
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
        _none(given.title, cell, bath, max_volume_ratio, notes, as_json, {"status": "no_steady_state"})
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

    from ..cell.numbers import change
    from ..cell.settings import parse_sweep
    from ..cell.steady import Status, steady_state
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
    if _hops(states, swept, cell, bath, compensation):
        states = _followed(swept, given, cell, bath, compensation, max_volume_ratio)
        notes = [
            *notes,
            "Several steady states: the curve follows one from value to value as long as it lasts.",
        ]
        notes += _jumps(swept, states)
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
        _none(title, *nearest, max_volume_ratio, notes, as_json, {"status": "no_steady_state"})
    figure = None
    if plot:
        from ..reports.cell_figures import sweep_figure

        figure = sweep_figure(
            states, swept.shown, name=swept.name, unit=swept.unit, log=swept.log, title=given.title,
            max_volume_ratio=max_volume_ratio,
        )  # fmt: skip
    _write(out, table, plot, figure, force)
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
    _written(plot, out)


def _own_rest(given) -> float | None:
    """V_m of the cell as its file has it, before any --set: where a changed cell comes from."""
    from ..cell.steady import steady_state

    state = steady_state(given.cell, given.bath)
    return float(state.V_m) if bool(state.ok) and bool(state.stable) else None


_HOP_mV = 6.0  # between neighbours of a sweep; more is taken for another branch


_MOST_ASKED = 24  # values of a sweep that are searched for a second stable state


def _hops(states, swept, cell, bath, compensation) -> bool:
    """Whether a sweep left one stable state for another, or for an unstable one, while that one was there.

    Only where it met an unstable state or jumped in V_m are all the steady states searched for.
    """
    import numpy as np

    from ..cell.numbers import change
    from ..cell.steady import steady_states

    ok, V, volume = (np.asarray(a) for a in (states.ok, states.V_m, states.volume))
    hop = np.flatnonzero(ok[1:] & ok[:-1] & (np.abs(np.diff(V)) > _HOP_mV))
    asked = np.unique(np.concatenate([hop, hop + 1, np.flatnonzero(ok & ~np.asarray(states.stable))]))
    if len(asked) > _MOST_ASKED:
        asked = asked[np.linspace(0, len(asked) - 1, _MOST_ASKED).round().astype(int)]

    def another(i) -> bool:
        here = change(cell, bath, {swept.name: float(swept.values[i])}, compensation=compensation)
        return any(
            s.stable and (abs(s.V_m - V[i]) > 1e-2 or abs(s.volume / volume[i] - 1) > 1e-3)
            for s in steady_states(*here)
        )

    return any(another(i) for i in asked)


def _followed(swept, given, cell, bath, compensation, max_volume_ratio):
    """The sweep once more, each value from its neighbour's stable state."""
    import jax
    import numpy as np

    from ..cell.numbers import cell_parameters, change
    from ..cell.steady import resting_state, steady_state
    from ..cell.words import plain_state

    own = float(cell_parameters(cell, bath)[swept.name].value)
    middle = int(np.argmin(np.abs(swept.values - own)))
    out: dict[int, Any] = {}
    for indices in (range(middle, len(swept.values)), range(middle - 1, -1, -1)):
        last = out.get(middle)
        near = _own_rest(given) if last is None else float(last.V_m)
        for i in indices:
            here = change(cell, bath, {swept.name: float(swept.values[i])}, compensation=compensation)
            state = None
            if last is not None and last.ok:
                state = plain_state(steady_state(*here, max_volume_ratio=max_volume_ratio, start=last))
                near = float(last.V_m)
            if state is None or not (state.ok and state.stable):
                state = plain_state(resting_state(*here, near=near, max_volume_ratio=max_volume_ratio)[0])
            out[i] = last = state
    states = [out[i] for i in range(len(swept.values))]
    return jax.tree.map(lambda *a: np.stack(a), *states)


def _jumps(swept, states) -> list[str]:
    import numpy as np

    V, ok = np.asarray(states.V_m), np.asarray(states.ok)
    gaps = np.where(ok[1:] & ok[:-1], np.abs(np.diff(V)), 0)
    where = np.flatnonzero(gaps > max(_HOP_mV, 2.5 * float(np.median(gaps))))
    return [
        f"Between {swept.key} {swept.shown[i]:.4g} and {swept.shown[i + 1]:.4g} V_m goes from {V[i]:.1f} to {V[i + 1]:.1f} mV."
        for i in where[:5]
    ]


def _simulate(
    config: CellArgument = None,
    preset: PresetName = None,
    settings: Settings = None,
    events: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            metavar="'t=60s pump=0'",
            help="What happens when; several assignments an event, several events.",
        ),
    ] = None,
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 90s, 5min, 2h.")] = "1h",
    compensation: Compensation = None,
    max_volume_ratio: Ratio = LYSIS_RATIO,
    plot: PlotFile = None,
    out: OutTable = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Follow a cell in time from its steady state: pump block, another bath, other permeabilities.

    After the course it says which steady state the end is heading for, and how far off that is. Exit code 3: there is no steady state to start from.
    """
    _refuse_files(force, plot, out)
    import jax

    from ..cell.settings import parse_duration, parse_event
    from ..cell.words import bath_words, heading, plain_state, state_dict

    seconds = parse_duration(length)
    if seconds == 0:
        raise InputError(f"--for {length} leaves no time", mend="Give a time above 0, e.g. 2h")
    with jax.enable_x64(True):
        from ..cell.events import Event, contradiction
        from ..cell.simulate import simulate
        from ..cell.steady import resting_state

        given, cell, bath, note = _changed(config, preset, settings, compensation)
        notes = [note] if note else []
        plan, there = [], (cell, bath)
        for text in events or []:
            event = parse_event(text, cell, bath)
            if event.t >= seconds:
                raise InputError(
                    f"the event '{text}' comes after the end ({length})", mend="Give a longer --for"
                )
            plan.append((text, Event(event.t, event.changes, event.compensation or compensation)))
        if clash := contradiction([e for _, e in plan]):
            a, b, name = plan[clash[0]][0], plan[clash[1]][0], clash[2]
            raise InputError(
                f"the events '{a}' and '{b}' set {name} to different values at the same time",
                mend="Keep one of the two, or move one",
            )
        for text, event in sorted(plan, key=lambda p: p[1].t):
            there = _tried(*there, event, text)
            if words := bath_words(bath, there[1], event.compensation):
                notes.append(f"After {text}: {words[0].lower()}{words[1:]}")
        start = plain_state(resting_state(cell, bath, near=_own_rest(given))[0])
        if not start.ok:
            title = f"{given.title}, to start from"
            _none(title, cell, bath, max_volume_ratio, notes, as_json, state_dict(start, cell, bath))
        if start.volume > max_volume_ratio:
            raise InputError(
                f"{given.title} cannot be followed: it rests at a volume of {float(start.volume):.4g} of the"
                f" reference, and the membrane bursts at {max_volume_ratio:g}",
                mend="Start from a cell that lasts, or give a larger --max-volume-ratio",
            )
        with progress("Following") as advance:
            course = simulate(
                cell, bath, seconds, events=[e for _, e in plan], start=start,
                max_volume_ratio=max_volume_ratio, progress=advance,
            )  # fmt: skip
            leads = heading(course, cell, bath, start, max_volume_ratio)
    table = course.table()
    figure = None
    if plot:
        from ..reports.cell_figures import time_course_figure

        figure = time_course_figure(course, title=given.title)
    _write(out, table, plot, figure, force)
    verdict = f"{given.title}: {_ending(course)}"
    if as_json:
        ran = [
            {"t_s": e.t, "changes": dict(e.changes), "compensation": e.compensation} for e in course.events
        ]
        head = {
            "title": given.title,
            "verdict": verdict,
            "notes": notes,
            "ended": course.ended,
            "end_s": float(course.end),
            "heading": leads,
        }
        print_json(head | {"events": ran, "rows": records(table)})
        return
    _print_course(verdict, notes, table)
    typer.echo(leads["text"])
    _written(plot, out)


def _ending(course) -> str:
    from ..cell.words import duration

    V, volume = course.V_m, course.volume
    words = f"V_m {V[0]:.1f} → {V[-1]:.1f} mV, volume {volume[0]:.3f} → {volume[-1]:.3f} of the reference"
    if course.ended == "duration":
        return f"{words} after {duration(float(course.end))}."
    why = {"lysis": "it swells until it bursts", "emptied": "a pump empties it of an ion"}.get(
        course.ended, course.ended
    )
    return f"{why} at {duration(float(course.end))}; {words}."


def _print_course(verdict: str, notes: list[str], table) -> None:
    import numpy as np

    from ..cell.words import time_unit

    typer.secho(verdict, bold=True)
    echo_lines(notes)
    t = np.asarray(table["t_s"])
    scale, unit = time_unit(t[-1])
    rows = table.iloc[np.unique([int(np.argmin(np.abs(t - at))) for at in np.linspace(0, t[-1], 13)])]
    columns = ["V_m_mV", *(c for c in table if c.endswith("_i_mM")), "volume_rel"]
    shown = [
        (f"{r['t_s'] / scale:.4g}", *(number(float(r[c]), 4) for c in columns)) for _, r in rows.iterrows()
    ]
    print_table("Time course", (f"t [{unit}]", *columns), shown)


# -- helpers ------------------------------------------------------------------------------------


def _changed(config, preset, settings, compensation):
    """What was asked for: the `Preset`, cell and bath with the settings in, and words on the bath's change."""
    from ..cell.load import load_cell, load_preset
    from ..cell.numbers import change
    from ..cell.settings import check_compensation, parse_setting
    from ..cell.words import bath_words

    if (config is None) == (preset is None):
        what = (
            "a CONFIG or a --preset is needed" if config is None else "both a CONFIG and a --preset are given"
        )
        raise InputError(what, mend="Give one, e.g. --preset neuron; `pumpleak presets list` names them")
    given = load_cell(config) if preset is None else load_preset(preset)
    cell, bath = given
    check_compensation(compensation, bath)
    changes: dict[str, float] = {}
    for text in settings or []:
        name, value = parse_setting(text, cell, bath)
        if name in changes:
            raise InputError(f"--set {text}: {name} is set twice", mend="Keep one of the two")
        changes[name] = value
    if changes:
        cell, bath = change(cell, bath, changes, compensation=compensation)
    _check_bath(bath)
    return given, cell, bath, bath_words(given.bath, bath, compensation)


def _tried(cell, bath, event, text: str):
    """The cell and bath after an event, so that what cannot be is refused before anything runs."""
    from ..cell.events import after

    try:
        cell, bath = after(cell, bath, event)
        _check_bath(bath)
    except InputError as error:
        raise InputError(f"the event '{text}': {error.problem}", mend=error.mend) from None
    return cell, bath


def _check_bath(bath) -> None:
    for ion, c in bath.c.items():
        if float(c) <= 0:
            raise InputError(
                f"{ion}_o comes to 0: a pump-leak cell needs a trace of every ion",
                mend="Change the bath by a little less, or name another --compensation (an ion, salt, or inert)",
            )


def _none(title, cell, bath, max_volume_ratio, notes, as_json, d) -> None:
    """Say that there is no steady state, why, and what would restore one; exit with code 3."""
    from ..cell.existence import impossible
    from ..cell.remedies import remedies, rounded, why
    from ..cell.settings import written_name

    found = remedies(cell, bath, max_volume_ratio=max_volume_ratio)
    reason = why(cell, bath, known=found)
    none = d["status"] == "no_steady_state" or (d["status"] == "not_converged" and impossible(cell))
    verdict = f"{title}: {'there is no steady state' if none else 'no steady state was found'}."
    names = [written_name(r.name, "mM" if r.name == "X_o" else "1") for r in found]
    if as_json:
        offers = [
            {
                "name": r.name,
                "factor": r.factor,
                "value": r.value,
                "set": f"{name}={r.value!r}",
                "text": r.text,
            }
            for name, r in zip(names, found, strict=True)
        ]
        print_json(
            {"title": title, "verdict": verdict, "why": reason, "remedies": offers, "notes": notes} | d
        )
    else:
        complain(verdict)
        echo_lines([*notes, reason], err=True)
        if found:
            given = f"--set {names[0]}={rounded(found[0].value, up=found[0].factor > 1)}"
            echo_lines([f"The nearest change that restores one: {found[0].text} ({given})."], err=True)
        if found[1:]:
            echo_lines([f"Others: {'; '.join(r.text for r in found[1:5])}."], err=True)
    raise typer.Exit(3)


def _refuse_files(force: bool, plot: Path | None, out: Path | None) -> None:
    """Say so before anything is computed."""
    if plot and plot.suffix.lower() not in _FORMATS:
        raise InputError(
            f"cannot be drawn: '{plot.suffix}' is no format here",
            mend="Name it .png, .svg or .pdf",
            file=plot,
        )
    if out and out.suffix.lower() != ".csv":
        raise InputError("is not named .csv", mend="Give --out FILE.csv", file=out)
    for path in (plot, out):
        if path and path.exists() and (not force or path.is_dir()):
            raise InputError("exists already", mend="Give --force to replace it, or another name", file=path)


def _write(out: Path | None, table, plot: Path | None, figure, force: bool) -> None:
    """Write the table and the figure, as far as asked for: both of them or neither.

    The table takes its name only after the figure has taken its own.
    """
    from ..files.whole import whole_file

    def draw() -> None:
        if plot:
            _draw(plot, figure, force)

    def write(scratch: Path) -> None:
        table.to_csv(scratch, index=False)
        draw()

    if out:
        whole_file(out, write, force=force)
    else:
        draw()


def _draw(path: Path, figure, force: bool) -> None:
    from ..files.whole import whole_file
    from ..reports.cell_figures import save_figure

    kind = path.suffix.lower().removeprefix(".")
    whole_file(path, lambda p: save_figure(figure, p, kind), force=force)


def _written(*paths: Path | None) -> None:
    names = ", ".join(str(p) for p in paths if p)
    if names:
        typer.echo(f"Written: {names}")
