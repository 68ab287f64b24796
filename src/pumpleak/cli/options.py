"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from ..problem.settings import check_limits

ConfigFile = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A YAML config; `pumpleak init TABLE` writes one.")
]

AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON instead of tables.")]


def _number(text: str | float) -> float:
    """A number as configs take it: Python's own 1_0 and other alphabets' digits are refused."""
    from ..files.yaml_scalars import as_number

    try:
        return float(as_number(str(text)))
    except InputError as error:
        raise typer.BadParameter(f"{error.problem}. {error.mend}.") from None


def _whole(text: str | int) -> int:
    number = _number(text)
    if not number.is_integer():
        raise typer.BadParameter(f"{text} is not a whole number.")
    return int(str(text)) if str(text).isdigit() else int(number)


def number(words: str, *names: str, whole: bool = True, least: float | None = None) -> Any:
    """An option of a number.

    Args:
        words: of the help.
        names: of the option; its parameter's by default.
        whole: whether it has no decimals.
        least: what it is at least.
    """

    def check(value: float | None) -> float | None:
        if value is not None and least is not None and value < least:
            raise typer.BadParameter(f"{value:g} is less than {least:g}.")
        return value

    kind = "<int>" if whole else "<float>"
    return typer.Option(*names, parser=_whole if whole else _number, metavar=kind, callback=check, help=words)


def limited(name: str, words: str) -> Any:
    """An option of a number that has limits."""

    def check(value: int | None) -> int | None:
        if value is not None:
            try:
                check_limits(**{name: value})
            except InputError as error:
                raise InputError(f"--{error.problem}", mend=error.mend) from None
        return value

    return typer.Option(parser=_whole, metavar="<int>", callback=check, help=words)


Seed = Annotated[int | None, limited("seed", "Seed; the config's by default.")]

Plugin = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="A Python file that registers models of your own; it is executed."),
]

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

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]

OutTable = Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", help="Write the table here.")]

PlotFile = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw it here: png, svg or pdf.")
]

Ratio = Annotated[
    float,
    number(
        "Volume over the reference volume at which the membrane bursts.",
        "--max-volume-ratio",
        whole=False,
        least=1.0,
    ),
]
