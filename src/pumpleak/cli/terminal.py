"""What commands print: tables, JSON, progress, complaints. Heavy imports happen inside."""

import contextlib
import json
import sys
from typing import Any

import typer

from ..text import plain


@contextlib.contextmanager
def progress(what: str):
    """A progress bar on standard error; yields a function of (done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description:<9}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(), TimeRemainingColumn(), console=console,
    )  # fmt: skip
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
        bar.update(task, total=bar.tasks[task].total or 1, completed=bar.tasks[task].total or 1)


@contextlib.contextmanager
def cells_progress():
    """A progress bar of cells on standard error; yields a function of (done, total, usable, flagged), and one
    of a line to print above the bar."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn(), console=Console(stderr=True),
    )  # fmt: skip
    with bar:
        task = bar.add_task("Looking at the table", total=None, words="")

        def advance(done: int, total: int, usable: int, flagged: int) -> None:
            words = f"{done:,}/{total:,} cells, {usable:,} usable, {flagged:,} flagged"
            bar.update(task, description="Inferring", completed=done, total=total, words=words)

        yield advance, lambda line: bar.console.print(line, highlight=False, markup=False, soft_wrap=True)


def echo_lines(lines, *, err: bool = False) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False, stderr=err)
    for line in lines:
        console.print(Padding(Text(f"• {line}"), (0, 0, 0, 2)))


def print_table(
    title: str, header: tuple[str, ...], rows: list[tuple], *, left: tuple[str, ...] = ()
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for i, name in enumerate(header):
        table.add_column(Text(name), justify="left" if i == 0 or name in left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def records(frame) -> list[dict]:
    return json.loads(frame.reset_index().to_json(orient="records", double_precision=15))


def print_json(data: Any) -> None:
    typer.echo(json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False))


def complain(text: str) -> None:
    typer.secho(text, err=True, fg="red" if sys.stderr.isatty() else None)
