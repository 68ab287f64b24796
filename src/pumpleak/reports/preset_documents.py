"""What `presets` has to say of the cells that come with the package. Nothing here needs JAX."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..text import fixed
from .document import Document, Given, Label, Number, Section, Table, lines

if TYPE_CHECKING:
    from ..cell.schema import CellFile


def presets_document(files: "Mapping[str, CellFile]") -> Document:
    """Each preset's resting potential, of the model and as measured."""
    rows, data, agree = [], [], []
    for name, file in files.items():
        m, V = file.measured["V_m_mV"], file.at_rest["V_m_mV"]
        agrees = m.agrees(V)
        agree += [] if agrees is None else [agrees]
        rows.append(
            (Label(name), Label(file.title), Number(V, 1), Given(m.value), _spread(m.range, m.sd), agrees)
        )
        data.append(
            {
                "name": name,
                "title": file.title,
                "V_m_mV": V,
                "V_m_measured_mV": m.value,
                "V_m_range_mV": m.range,
                "agrees": agrees,
            }
        )
    title = "Presets, V_m at rest [mV]"
    table = Table.of(title, ("name", "title", "model", "measured", "range", "agrees"), rows)
    return Document(
        "Presets",
        f"{len(files)} presets; of {len(agree)} whose V_m was measured with its range, {sum(agree)} agree with it.",
        sections=(Section("presets", title, (table,)),),
        data=data,
    )


def preset_document(name: str, file: "CellFile") -> Document:
    """Every number of a preset with its source, guesses marked; and how it compares with what was measured."""
    numbers = list(_numbers(file.model_dump(exclude_none=True, include={"cell", "bath"}), file.sources))
    compared = [m.beside(q, file.at_rest[q]) for q, m in file.measured.items() if q in file.at_rest]
    rows = [
        (Label(path.removeprefix("cell.")), Label(value), Label("guess" if guess else ""), Label(source))
        for path, value, guess, source in numbers
    ]
    title = f"{name}: every number and where it is from"
    table = Table.of(title, ("number", "value", "", "source"), rows)
    keys = ("path", "value", "guess", "source")
    return Document(
        file.title,
        f"{file.title}: rests at {fixed(file.at_rest['V_m_mV'], 1)} mV.",
        findings=lines(file.about),
        sections=(*compared_section(compared), Section("numbers", title, (table,))),
        data={
            "name": name,
            "title": file.title,
            "about": file.about,
            "compared": compared,
            "numbers": [dict(zip(keys, row, strict=True)) for row in numbers],
        },
    )


def _numbers(data: Mapping[str, Any], sources: Mapping[str, str], path: str = "") -> Iterator[tuple]:
    """(path, value, whether it is a guess, source) of every number in a file."""
    for key, value in data.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict):
            yield from _numbers(value, sources, here)
        elif isinstance(value, (int, float)):
            source = sources.get(here, "the library's default")
            yield here, value, source.startswith("guess"), source


def compared_section(rows: list[dict[str, Any]]) -> tuple[Section, ...]:
    """Of `Measured.beside`; none where nothing was measured."""
    cells = [
        (
            Label(r["quantity"]),
            Number(r["model"], digits=4),
            Given(r["measured"]),
            _spread(r["range"], r["sd"]),
            r["agrees"],
            Label(r["source"]),
        )
        for r in rows
    ]
    header = ("quantity", "model", "measured", "range", "agrees", "source")
    title = "Beside what was measured"
    return (Section("measured", title, (Table.of(title, header, cells),)),) if rows else ()


def _spread(limits: Any, sd: float | None) -> str:
    if limits:
        return f"{limits[0]:g} … {limits[1]:g}"
    return f"± {sd:g}" if sd else ""
