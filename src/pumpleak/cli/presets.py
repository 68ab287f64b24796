"""Commands about the cells that come with the package. None of them needs JAX."""

import typer

from .options import AsJson
from .terminal import show

presets = typer.Typer(help="Cells that come with the package: list, show.", no_args_is_help=True)


@presets.command("list")
def _list(as_json: AsJson = False) -> None:
    """Names, titles, resting potentials of the model and as measured."""
    from ..cell.load import list_presets, read_preset
    from ..reports.preset_documents import presets_document

    show(presets_document({name: read_preset(name) for name in list_presets()}), as_json)


@presets.command("show")
def _show(name: str, as_json: AsJson = False) -> None:
    """Every number of one with its source, guesses marked; and how it compares with what was measured."""
    from ..cell.load import read_preset
    from ..reports.preset_documents import preset_document

    show(preset_document(name, read_preset(name)), as_json)
