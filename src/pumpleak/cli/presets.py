"""Commands about the cells that come with the package. None of them needs JAX."""

from typing import Any

import typer

from ..text import fixed, interval, shown, significant
from .options import AsJson
from .terminal import echo_lines, print_json, print_table

presets = typer.Typer(help="Cells that come with the package: list, show.", no_args_is_help=True)


@presets.command("list")
def _list(as_json: AsJson = False) -> None:
    """Names, titles, resting potentials of the model and as measured."""
    from ..cell.load import list_presets, read_preset

    found = {name: read_preset(name) for name in list_presets()}
    rows = []
    for name, file in found.items():
        m = file.measured["V_m_mV"]
        rows.append((name, file.title, file.at_rest["V_m_mV"], m))
    if as_json:
        print_json(
            [
                {
                    "name": n,
                    "title": t,
                    "V_m_mV": V,
                    "V_m_measured_mV": m.value,
                    "V_m_range_mV": m.range,
                    "agrees": m.agrees(V),
                }
                for n, t, V, m in rows
            ]
        )
        return
    cells = [
        (n, t, fixed(V, 1), shown(m.value, 6), _spread(m.range, m.sd), _agrees(m.agrees(V)))
        for n, t, V, m in rows
    ]
    print_table(
        "Presets, V_m at rest [mV]",
        ("name", "title", "model", "measured", "range", "agrees"),
        cells,
        left=("title",),
    )


@presets.command("show")
def _show(name: str, as_json: AsJson = False) -> None:
    """Every number of one with its source, guesses marked; and how it compares with what was measured."""
    from ..cell.load import read_preset

    file = read_preset(name)
    rows = list(_numbers(file.model_dump(exclude_none=True, include={"cell", "bath"}), file.sources))
    compared = [m.beside(q, file.at_rest[q]) for q, m in file.measured.items() if q in file.at_rest]
    if as_json:
        keys = ("path", "value", "guess", "source")
        numbers = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json(
            {"name": name, "title": file.title, "about": file.about, "compared": compared, "numbers": numbers}
        )
        return
    typer.secho(f"{file.title}: rests at {fixed(file.at_rest['V_m_mV'], 1)} mV.", bold=True)
    echo_lines([file.about])
    print_compared(compared)
    cells = [
        (path.removeprefix("cell."), str(value), "guess" if guess else "", source)
        for path, value, guess, source in rows
    ]
    print_table(
        f"{name}: every number and where it is from",
        ("number", "value", "", "source"),
        cells,
        left=("", "source"),
    )


def _numbers(data: Any, sources: dict[str, str], path: str = ""):
    """(path, value, whether it is a guess, source) of every number in a file."""
    for key, value in data.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict):
            yield from _numbers(value, sources, here)
        elif isinstance(value, (int, float)):
            source = sources.get(here, "the library's default")
            yield here, value, source.startswith("guess"), source


def print_compared(rows: list[dict]) -> None:
    """A table of `Measured.beside`."""
    cells = [
        (
            r["quantity"],
            shown(r["model"], 4),
            shown(r["measured"], 4),
            _spread(r["range"], r["sd"]),
            _agrees(r["agrees"]),
            r["source"],
        )
        for r in rows
    ]
    header = ("quantity", "model", "measured", "range", "agrees", "source")
    print_table("Beside what was measured", header, cells, left=("source",))


def _spread(limits, sd) -> str:
    return interval(limits[0], limits[1], 6) if limits else f"± {significant(sd, 6)}" if sd else ""


def _agrees(agrees: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[agrees]
