"""What the commands on one cell share: settings applied, tables and figures written."""

from pathlib import Path

import typer

from ..errors import InputError
from .terminal import complain, echo_lines, print_json

_FORMATS = (".png", ".svg", ".pdf")


def changed(config, preset, settings, compensation):
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


def tried(cell, bath, event, text: str):
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


def say_none(title, cell, bath, max_volume_ratio, notes, as_json, d) -> None:
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


def refuse_files(force: bool, plot: Path | None, out: Path | None) -> None:
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


def write_both(out: Path | None, table, plot: Path | None, figure, force: bool) -> None:
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


def say_written(*paths: Path | None) -> None:
    names = ", ".join(str(p) for p in paths if p)
    if names:
        typer.echo(f"Written: {names}")
