"""What `check`, `fit` and `predict` have to say of a problem."""

import json
import math
from typing import TYPE_CHECKING

from ..inference.answer import Estimate, answer
from ..quantities.names import as_read
from ..quantities.units import split_unit, with_unit
from ..text import counted, percent, plain
from .document import (
    Document,
    Label,
    Name,
    Number,
    Section,
    Share,
    Span,
    Table,
    lines,
    prior_as_read,
    unit_label,
)
from .known import known_tables
from .problem_headlines import check_headline, predict_headline

if TYPE_CHECKING:
    import pandas

    from ..inference.fit import Fit
    from ..problem.problem import Problem

_WITHOUT_SCATTER = (
    "Expected: the median and a 95 % interval of what the instrument reads, without a reading's own scatter."
)


def check_document(problem: "Problem") -> Document:
    """What was understood of a config and its data."""
    from ..problem.columns_used import columns_used
    from ..problem.understood import understood

    columns = columns_used(problem)
    d = problem.describe()
    known = plain(understood(problem).as_dict())
    rows = [
        (
            Name(p["name"]),
            unit_label(as_read(p["name"], p["unit"])[0]),
            prior_as_read(p["name"], p["prior"]),
            Label(p["source"]),
        )
        for p in d["parameters"]
    ]
    table = Table.of("Unknowns", ("parameter", "unit", "prior", "from"), rows)
    return Document(
        d["title"],
        check_headline(problem),
        status="good",
        findings=lines(
            *columns.words(),
            f"{d['title']}: {counted(d['readings'], 'reading')} in {counted(d['rows'], 'row')} "
            f"({counted(d['conditions'], 'condition')}) of {d['file']}.",
            f"{d['equation']}; ions {', '.join(d['ions'])}; noise {d['noise']}.",
            *d["assumptions"],
        ),
        sections=(
            Section("known", "What is known", tuple(known_tables(known))),
            *([Section("unknowns", "Unknowns", (table,))] if rows else []),
        ),
        data={"columns": columns._asdict()} | d | {"known": known},
    )


def fit_document(found: "Fit", title: str) -> Document:
    """Estimates with their errors, and the other optima."""
    headline, *more = found.words()
    estimates, rows = [], []
    for e in found.estimates:
        unit, shift = as_read(e.name, e.unit)
        value, low, high = (x + shift for x in (e.value, e.low, e.high))
        if math.isfinite(e.low):
            estimates.append(Estimate(e.name, e.unit, e.value, e.low, e.high, None, e.share))
        rows.append((Name(e.name), unit_label(unit), value, e.se, Span(low, high), Share(e.share)))
    numbers = answer(estimates, found.problem.model.setting.reference)
    what = "posterior mode" if found.method == "map" else "maximum likelihood"
    tables = [
        Table.of(
            f"{title}: {what}",
            ("parameter", "unit", "value", "s.e.", "95 % interval", "from the data"),
            rows,
        )
    ]
    if len(found.optima) > 1:
        best = found.optima[0].objective
        optima = [(Number(o.objective - best), o.starts) for o in found.optima[:10]]
        tables.append(Table.of("Optima", ("above the best [nats]", "starts"), optima))
    return Document(
        title,
        f"{numbers}. {headline}" if numbers else headline,
        findings=lines(*more),
        sections=(Section("estimates", "Estimates", tuple(tables)),),
        data=found.as_dict(),
    )


def predict_document(
    table: "pandas.DataFrame", problem: "Problem", source: str, *, trusted: bool = True
) -> Document:
    """What is expected of every row of the table: of each reading, and of the membrane.

    Args:
        table: of `predict`.
        problem: that it is of.
        source: what the parameters were drawn from, in words.
        trusted: False where that is a posterior which its own gate refused.
    """
    title = problem.title
    stems = dict(map(split_unit, table.columns))
    found = [(s.removesuffix("_low"), unit or "1") for s, unit in stems.items() if s.endswith("_low")]
    readings = [(s.removesuffix("_reading"), unit) for s, unit in found if s.endswith("_reading")]
    membrane = [(s, unit) for s, unit in found if not s.endswith("_reading")]
    membrane.sort(key=lambda kind: kind[0] != "V_m")
    lost = table["no_answer"].max()
    none = [f"Up to {percent(lost, 1, close=True)} of the draws have no answer in some row."] * bool(lost > 0)
    caveat = "" if trusted else " That posterior is not to be trusted (see its report), and neither is this."
    return Document(
        title,
        predict_headline(table, problem, source) + caveat,
        status="" if trusted else "bad",
        findings=lines(*none),
        sections=(
            Section(
                "rows", "Rows", (_readings(table, readings, f"{title}: readings expected from {source}"),)
            ),
            Section("membrane", "Membrane", (_membrane(table, membrane, f"{title}: the membrane"),)),
        ),
        data={"rows": json.loads(table.reset_index().to_json(orient="records", double_precision=15))},
    )


def _readings(table: "pandas.DataFrame", kinds: list[tuple[str, str]], title: str) -> Table:
    """Each observable of each row: what was read, and what is expected to be."""
    rows = []
    for name, r in table.iterrows():
        for kind, unit in kinds:
            read, *expected = (
                float(r[with_unit(f"{kind}_{part}", unit)])
                for part in ("read", "reading", "reading_low", "reading_high")
            )
            if kind[:1] == "d" and math.isnan(read):
                continue  # a row without a difference
            middle, low, high = expected
            cells = (Number(read, digits=4), Number(middle, digits=4), Span(low, high, digits=4))
            rows.append((Label(name), Label(kind), *cells, unit_label(unit)))
    columns = ("row", "of", "read", "expected reading", "95 % interval", "unit")
    return Table.of(title, columns, rows, note=_WITHOUT_SCATTER)


def _membrane(table: "pandas.DataFrame", kinds: list[tuple[str, str]], title: str) -> Table:
    columns = [
        c for kind, unit in kinds for c in ((kind, "" if unit == "1" else unit), *["95 %"] * (kind == "V_m"))
    ]
    rows = []
    for name, r in table.iterrows():
        cells: list = [Label(name)]
        for kind, unit in kinds:
            middle, low, high = (float(r[with_unit(f"{kind}{part}", unit)]) for part in ("", "_low", "_high"))
            cells.append(Number(middle, digits=4))
            if kind == "V_m":
                cells.append(Span(low, high, digits=4))
        rows.append(tuple(cells))
    return Table.of(title, ["row", *columns], rows)
