"""`pumpleak simulate`. Heavy imports happen inside the commands."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..physics.constants import LYSIS_RATIO
from ..text import significant
from .cells import AskedCell, Output, check_traces, exit_without_rest, read_cell
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
from .terminal import progress, show

if TYPE_CHECKING:
    from ..cell.events import Event
    from ..cell.steady import SteadyState


def simulate(
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
    plugin: Plugin = None,
    as_json: AsJson = False,
) -> None:
    """Follow a cell in time from its steady state: pump block, another bath, other permeabilities.

    After the course it says which steady state the end is heading for, and how far off that is. Exit code 3: there is no steady state to start from.
    """
    output = Output(out, plot, force, as_json)
    output.check()
    run_plugins(plugin)
    import jax

    from ..cell.settings import parse_duration

    seconds = parse_duration(length)
    if seconds == 0:
        raise InputError(f"--for {length} leaves no time", mend="Give a time above 0, e.g. 2h")
    with jax.enable_x64(True):
        from ..cell.simulate import simulate as follow
        from ..cell.words import heading
        from ..reports.cell_documents import course_document

        asked = read_cell(config, preset, settings, compensation, max_volume_ratio)
        planned, notes = _planned(asked, events or [], seconds, length)
        asked = replace(asked, notes=(*asked.notes, *notes))
        start = _start(asked, as_json)
        with progress("Following") as advance:
            course = follow(
                asked.cell,
                asked.bath,
                seconds,
                events=planned,
                start=start,
                max_volume_ratio=max_volume_ratio,
                progress=advance,
            )
            leads = heading(course, asked.cell, asked.bath, start, max_volume_ratio)

    def figure():
        from ..reports.cell_figures import time_course_figure

        return time_course_figure(course, title=asked.title)

    output.write(course.table(), figure)
    show(course_document(course, asked.title, asked.notes, leads), as_json, output.written())


def _planned(
    asked: AskedCell, texts: list[str], seconds: float, length: str
) -> tuple[list["Event"], list[str]]:
    """The events in the order given, and what each does to the bath; refused where one of them cannot be."""
    from ..cell.events import after, contradiction
    from ..cell.settings import parse_event
    from ..cell.words import bath_words

    plan: list[tuple[str, Event]] = []
    for text in texts:
        event = parse_event(text, asked.cell, asked.bath)
        if event.t >= seconds:
            raise InputError(f"the event '{text}' comes after the end ({length})", mend="Give a longer --for")
        plan.append((text, replace(event, compensation=event.compensation or asked.compensation)))
    if clash := contradiction([event for _, event in plan]):
        a, b, name = plan[clash[0]][0], plan[clash[1]][0], clash[2]
        raise InputError(
            f"the events '{a}' and '{b}' set {name} to different values at the same time",
            mend="Keep one of the two, or move one",
        )
    notes, (cell, bath) = [], (asked.cell, asked.bath)
    for text, event in sorted(plan, key=lambda p: p[1].t):
        try:
            cell, bath = after(cell, bath, event)
            check_traces(bath)
        except InputError as error:
            raise InputError(f"the event '{text}': {error.problem}", mend=error.mend) from None
        if words := bath_words(asked.bath, bath, event.compensation):
            notes.append(f"After {text}: {words[0].lower()}{words[1:]}")
    return [event for _, event in plan], notes


def _start(asked: AskedCell, as_json: bool) -> "SteadyState":
    """The state a cell rests in before anything is done to it."""
    from ..cell.steady import plain_state, resting_state, usual_V_m
    from ..cell.words import state_dict

    start = plain_state(resting_state(asked.cell, asked.bath, near=usual_V_m(*asked.given))[0])
    if not start.ok:
        found = state_dict(start, asked.cell, asked.bath)
        exit_without_rest(asked, found, as_json, where=", to start from")
    if start.volume > asked.max_volume_ratio:
        raise InputError(
            f"{asked.title} cannot be followed: it rests at a volume of {significant(float(start.volume), 4)} of the"
            f" reference, and the membrane bursts at {asked.max_volume_ratio:g}",
            mend="Start from a cell that lasts, or give a larger --max-volume-ratio",
        )
    return start
