"""What `check`, `fit` and `predict` have to say of a problem."""

import json
import math
from typing import TYPE_CHECKING

from ..quantities.names import as_read
from ..text import percent
from .answer import Estimate, answer
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

if TYPE_CHECKING:
    import pandas

    from ..inference.fit import Fit
    from ..problem.problem import Problem


def check_document(problem: "Problem") -> Document:
    """What was understood of a config and its data."""
    d = problem.describe()
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
        "The config and its data are in order.",
        status="good",
        findings=lines(
            f"{d['title']}: {d['readings']} readings in {d['rows']} rows ({d['conditions']} conditions) of {d['file']}.",
            f"{d['equation']}; ions {', '.join(d['ions'])}; noise {d['noise']}.",
            *d["assumptions"],
        ),
        sections=(Section("unknowns", "Unknowns", (table,)),),
        data=d,
    )


def fit_document(found: "Fit", title: str) -> Document:
    """Estimates with their errors, and the other optima."""
    headline, *more = found.words()
    estimates, rows = [], []
    for e in found.estimates:
        unit, shift = as_read(e.name, e.unit)
        value, low, high = (x + shift for x in (e.value, e.low, e.high))
        estimates.append(
            Estimate(name=e.name, unit=unit, value=value, low=low, high=high, decimals=None, known=e.share)
        )
        rows.append((Name(e.name), unit_label(unit), value, e.se, Span(low, high), Share(e.share)))
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
        headline,
        answer=answer([e for e in estimates if math.isfinite(e.low)]),
        findings=lines(*more),
        sections=(Section("estimates", "Estimates", tuple(tables)),),
        data=found.as_dict(),
    )


def predict_document(table: "pandas.DataFrame", title: str, source: str) -> Document:
    """What is expected of every row of the table [mV].

    Args:
        table: of `predict`.
        title: of the problem.
        source: what the parameters were drawn from, in words.
    """
    kinds = [c[: -len("_low_mV")] for c in table.columns if c.endswith("_low_mV")]
    columns, rows = ["row", "read", "expected reading"], []
    for kind in kinds:
        columns += [kind, "95 % interval"] if kind == "V_m" else [kind]
    for name, r in table.iterrows():
        cells = [
            Label(name),
            *(Number(r.get(c, math.nan), digits=4) for c in ("V_m_read_mV", "V_m_reading_mV")),
        ]
        for kind in kinds:
            cells.append(Number(r[f"{kind}_mV"], digits=4))
            if kind == "V_m":
                cells.append(Span(r["V_m_low_mV"], r["V_m_high_mV"], digits=4))
        rows.append(tuple(cells))
    expected, lost = table["V_m_reading_mV"], table["no_answer"].max()
    ends = Span(expected.min(), expected.max(), 1)
    span = f"a reading of {ends.low:.1f} mV" if ends.low == ends.high else f"readings of {ends} mV"
    none = [f"Up to {percent(lost, 1, close=True)} of the draws have no answer in some row."] * bool(lost > 0)
    return Document(
        title,
        f"{title}: {source} expects {span}.",
        findings=lines(*none),
        sections=(
            Section("rows", "Rows", (Table.of(f"{title}: predicted from {source} [mV]", columns, rows),)),
        ),
        data={"rows": json.loads(table.reset_index().to_json(orient="records", double_precision=15))},
    )
