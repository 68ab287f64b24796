"""What the commands on one cell share: a cell as asked for, and where its answer goes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ..errors import InputError
from ..files.whole import check_taken, whole_file
from .terminal import show

if TYPE_CHECKING:
    from ..cell.cell import Bath, Cell
    from ..cell.load import Preset

_FORMATS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class AskedCell:
    """A cell as a command asked for it.

    Attributes:
        given: as its file has it.
        cell: with the settings in.
        bath: its bath, likewise.
        compensation: what keeps the bath neutral when an ion changes.
        max_volume_ratio: volume over the reference volume at which the membrane bursts.
        notes: what is to be said of it, a sentence each.
    """

    given: "Preset"
    cell: "Cell"
    bath: "Bath"
    compensation: str | None
    max_volume_ratio: float
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.given.title


def read_cell(
    config: Path | None,
    preset: str | None,
    settings: list[str] | None,
    compensation: str | None,
    max_volume_ratio: float,
) -> AskedCell:
    """The cell of a file or preset with the settings in, and words on what they did to the bath."""
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
    check_traces(bath)
    words = bath_words(given.bath, bath, compensation)
    return AskedCell(given, cell, bath, compensation, max_volume_ratio, (words,) if words else ())


def check_traces(bath: "Bath") -> None:
    """Refuse a bath that has none of an ion."""
    for ion, c in bath.c.items():
        if float(c) <= 0:
            raise InputError(
                f"{ion}_o comes to 0: a pump-leak cell needs a trace of every ion",
                mend="Change the bath by a little less, or name another --compensation (an ion, salt, or inert)",
            )


def exit_without_rest(asked: AskedCell, found: dict[str, Any], as_json: bool, *, where: str = "") -> NoReturn:
    """Say that there is no steady state, why, and what would restore one; exit with code 3.

    Args:
        asked: the cell.
        found: what the search came to, as `state_dict`.
        as_json: print JSON.
        where: follows the cell's title.
    """
    from ..cell.existence import impossible
    from ..cell.remedies import remedies, rounded, why
    from ..quantities.units import written_name
    from ..reports.cell_documents import no_rest_document

    cell, bath = asked.cell, asked.bath
    offers = remedies(cell, bath, max_volume_ratio=asked.max_volume_ratio)
    none = found["status"] == "no_steady_state" or (found["status"] == "not_converged" and impossible(cell))
    named = [
        (written_name(r.name, "mM" if r.name == "X_o" else "1"), r, rounded(r.value, up=r.factor > 1))
        for r in offers
    ]
    document = no_rest_document(
        found,
        f"{asked.title}{where}",
        asked.notes,
        none=none,
        why=why(cell, bath, known=offers),
        remedies=named,
    )
    show(document, as_json, err=not as_json)
    raise typer.Exit(3)


@dataclass(frozen=True)
class Output:
    """Where an answer goes: a table, a figure, JSON in place of words; `force` replaces files that are there."""

    table: Path | None
    plot: Path | None
    force: bool
    as_json: bool

    def check(self) -> None:
        """Refuse files that cannot be written, before anything is computed."""
        if self.plot and self.plot.suffix.lower() not in _FORMATS:
            raise InputError(
                f"cannot be drawn: '{self.plot.suffix}' is no format here",
                mend="Name it .png, .svg or .pdf",
                file=self.plot,
            )
        if self.table and self.table.suffix.lower() != ".csv":
            raise InputError("is not named .csv", mend="Give --out FILE.csv", file=self.table)
        for path in (self.plot, self.table):
            if path:
                check_taken(path, self.force)

    def write(self, table, figure: Callable[[], Any]) -> None:
        """Write the table and the figure, as far as asked for: both of them or neither.

        The table takes its name only after the figure has taken its own.
        """
        drawn = figure() if self.plot else None

        def draw() -> None:
            if self.plot:
                _draw(self.plot, drawn, self.force)

        def write(scratch: Path) -> None:
            table.to_csv(scratch, index=False)
            draw()

        if self.table:
            whole_file(self.table, write, force=self.force)
        else:
            draw()

    def written(self) -> list[str]:
        """What was, in words."""
        names = ", ".join(str(p) for p in (self.plot, self.table) if p)
        return [f"Written: {names}"] if names else []


def _draw(path: Path, figure, force: bool) -> None:
    from ..reports.cell_figures import save_figure

    kind = path.suffix.lower().removeprefix(".")
    whole_file(path, lambda p: save_figure(figure, p, kind), force=force)
