"""What commands print: tables, JSON, progress, complaints. Heavy imports happen inside."""

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from ..reports.document import Block, Code, Document, Lines, Table, cell_text
from ..text import minus, one_line, plain, steers, visible

_COLOURS = {"good": "green", "warn": "yellow", "bad": "red"}
_RAISED = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def open_streams() -> None:
    """Have standard output and error take whatever is printed: a stream that was closed takes it to nowhere, and one
    whose encoding lacks a character gets its escape."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _gone_where_it_fails(bar: Any) -> Iterator[None]:
    """A bar that is not left standing, half done, above the message of what went wrong."""
    with bar:
        try:
            yield
        except BaseException:
            bar.live.transient = True
            raise


@contextlib.contextmanager
def progress(what: str):
    """A progress bar on standard error; yields a function of (done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with _gone_where_it_fails(bar):
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
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with _gone_where_it_fails(bar):
        task = bar.add_task("Looking at the table", total=None, words="")

        def advance(done: int, total: int, usable: int, flagged: int) -> None:
            words = f"{done:,}/{total:,} cells, {usable:,} usable, {flagged:,} flagged"
            bar.update(task, description="Inferring", completed=done, total=total, words=words)

        yield (
            advance,
            lambda line: bar.console.print(visible(line), highlight=False, markup=False, soft_wrap=True),
        )


def show(
    document: Document, as_json: bool = False, closing: Sequence[str] = (), *, err: bool = False
) -> None:
    """Print a document: the headline, the findings, and the tables that are more than detail; or its data.

    Args:
        document: of a verb.
        as_json: its data instead.
        closing: lines below, where it is not JSON.
        err: on standard error.
    """
    if as_json:
        print_json(document.plain_data)
        return
    from rich.padding import Padding
    from rich.text import Text

    console = _console(err)
    style = f"bold {_COLOURS.get(document.status, '')}"
    console.print(Text(_shown(document.headline), style=style), soft_wrap=True)
    for line in (x for found in document.findings if isinstance(found, Lines) for x in found.lines):
        console.print(Padding(Text(f"• {_shown(line)}"), (0, 0, 0, 2), expand=False))
    for section in document.sections:
        if not section.detail:
            for block in section.blocks:
                _print_block(block, section.title, console)
    for line in closing:
        console.print(Text(visible(line, several=True)), soft_wrap=True)


def _shown(text: str) -> str:
    return visible(minus(text))


def _print_block(block: Block, title: str, console) -> None:
    """A table, or text to copy under its section's title; a terminal has no room for more."""
    if isinstance(block, Table):
        _print_table(block.brief or block, console)
    if isinstance(block, Code):
        text = visible(f"{title}\n{block.text}", several=True)
        console.print(text, markup=False, soft_wrap=True)


def _print_table(table: Table, console) -> None:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid()
    for i, (name, unit) in enumerate(table.columns):
        head = name if unit in ("", "1") else f"{name} [{unit}]"
        grid.add_column(
            Text(visible(head)), justify="left" if i == 0 or table.is_text(i) else "right", overflow="fold"
        )
    for row in table.rows:
        grid.add_row(*(Text(_raised(visible(cell_text(cell)))) for cell in row))
    console.print(Text(_shown(table.title), style="italic"))
    console.print(grid)
    if table.note:
        console.print(Text(_shown(table.note)))


def _raised(text: str) -> str:
    """Powers of ten as a terminal can show them."""
    return re.sub(r"(?<=10)\^(−?\d+)", lambda found: found[1].translate(_RAISED), text)


def _console(err: bool = False):
    """Wide where nobody looks, for what reads it next."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(highlight=False, stderr=err, width=None if stream.isatty() else 140)


def print_json(data: Any) -> None:
    text = json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)
    # json escapes no more than what is below the space
    typer.echo("".join(json.dumps(c)[1:-1] if c != "\n" and steers(c) else c for c in text))


def complain(text: str, colour: str = "red") -> None:
    """One line on standard error."""
    typer.secho(one_line(text), err=True, fg=colour if sys.stderr.isatty() else None)


def tell(text: str) -> None:
    """One line on standard output."""
    typer.echo(one_line(text))
