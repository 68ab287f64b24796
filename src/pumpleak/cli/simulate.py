"""`pumpleak simulate`."""

from typing import Annotated

import typer

from ..cell.sweep import own_rest
from ..errors import InputError
from ..physics.constants import LYSIS_RATIO
from .cells import changed, refuse_files, say_none, say_written, tried, write_both
from .options import CellArgument, Compensation, Force, OutTable, PlotFile, PresetName, Ratio, Settings
from .presets import AsJson
from .terminal import echo_lines, number, print_json, print_table, progress, records


def simulate_command(
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
    refuse_files(force, plot, out)
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

        given, cell, bath, note = changed(config, preset, settings, compensation)
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
            there = tried(*there, event, text)
            if words := bath_words(bath, there[1], event.compensation):
                notes.append(f"After {text}: {words[0].lower()}{words[1:]}")
        start = plain_state(resting_state(cell, bath, near=own_rest(given))[0])
        if not start.ok:
            title = f"{given.title}, to start from"
            say_none(title, cell, bath, max_volume_ratio, notes, as_json, state_dict(start, cell, bath))
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
    write_both(out, table, plot, figure, force)
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
    say_written(plot, out)


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
