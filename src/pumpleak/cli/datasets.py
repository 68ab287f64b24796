"""Commands about the measurements that come with the package."""

from pathlib import Path

import typer

from .options import AsJson
from .terminal import show, tell

datasets = typer.Typer(
    help="Packaged measurements: list, show, export; and a template for your own.", no_args_is_help=True
)


@datasets.command("list")
def _list(as_json: AsJson = False) -> None:
    """Names and titles."""
    from ..data.datasets import list_datasets
    from ..reports.document import Document, Label, Section, Table

    found = list_datasets()
    table = Table.of("Datasets", ("name", "title"), [(Label(n), Label(t)) for n, t in found.items()])
    show(Document("Datasets", "", sections=(Section("datasets", "Datasets", (table,)),), data=found), as_json)


@datasets.command("show")
def _show(name: str) -> None:
    """Source, licence, columns and caveats of one."""
    from ..data.datasets import show_dataset

    typer.echo(str(show_dataset(name)))


@datasets.command("export")
def _export(name: str, path: Path) -> None:
    """Write one as CSV, to edit or to use as a pattern."""
    from ..data.datasets import export_dataset

    tell(f"Written: {export_dataset(name, path)}")


@datasets.command("template")
def _template(path: Path) -> None:
    """Write a template table for a potassium titration."""
    from ..data.datasets import template_csv, write_new

    tell(f"Written: {write_new(path, template_csv())}")
