"""What `steady-state` and `simulate` have to say of a cell: where it rests, along a sweep, through time, and where not."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cell.words import duration, headline, state_dict, time_unit
from ..quantities.names import kind
from ..quantities.units import split_unit
from ..text import fixed, significant
from .document import Document, Given, Label, Number, Section, Table, lines
from .preset_documents import compared_section

if TYPE_CHECKING:
    import pandas

    from ..cell.cell import Bath, Cell
    from ..cell.remedies import Remedy
    from ..cell.simulate import TimeCourse
    from ..cell.steady import SteadyState

_MOST_ROWS = 25  # of a sweep that are printed
_MOMENTS = 13  # of a time course


def rest_document(
    state: "SteadyState",
    cell: "Cell",
    bath: "Bath",
    title: str,
    notes: Sequence[str],
    compared: list[dict[str, Any]],
) -> Document:
    """One steady state: ions, mechanisms, cost, and `compared`, what was measured beside it."""
    d = state_dict(state, cell, bath)
    ions = [
        (
            Label(ion),
            *(Number(i[k], digits=4) for k in ("o_mM", "i_mM", "E_mV", "driving_force_mV")),
        )
        for ion, i in d["ions"].items()
    ]
    mechanisms = [
        (
            Label(name),
            Number(1e6 * m["rate_umol_cm2_s"], digits=4),
            Number(m["I_uA_cm2"], digits=4),
            ", ".join(
                f"{ion} {significant(1e6 * j, 4, sign=True)}" for ion, j in m["fluxes_umol_cm2_s"].items()
            ),
        )
        for name, m in d["mechanisms"].items()
    ]
    n = d["iterations"]
    more = (
        f"Impermeants inside {significant(d['X_mM'], 4)} mM; slope conductance {significant(d['conductance_mS_cm2'])} mS/cm².",
        f"ATP: {significant(d['atp_umol_cm2_s'] * 1e6, 4)} pmol/cm²/s, {significant(d['atp_mM_min'])} mM/min in the cell's volume.",
        f"Residual {significant(d['residual'], 1)} after {n} step{'' if n == 1 else 's'}.",
    )
    verdict = headline(state, title)
    tables = (
        Table.of("Ions", ("ion", "outside [mM]", "inside [mM]", "E [mV]", "V_m − E [mV]"), ions),
        Table.of(
            "Mechanisms, outward positive",
            ("mechanism", "rate [pmol/cm²/s]", "current [µA/cm²]", "fluxes [pmol/cm²/s]"),
            mechanisms,
        ),
    )
    sections = tuple(Section(t.title.split(",")[0].lower(), t.title, (t,)) for t in tables)
    return Document(
        title,
        verdict,
        findings=lines(*notes, *more),
        sections=(*sections, *compared_section(compared)),
        data={"title": title, "verdict": verdict, "notes": list(notes)} | d | {"compared": compared},
    )


def states_document(
    states: Sequence["SteadyState"], cell: "Cell", bath: "Bath", title: str, notes: Sequence[str]
) -> Document:
    """Every steady state there is."""
    ions = [*cell.ions, *cell.held]
    stable = sum(bool(s.stable) for s in states)
    words = f"{len(states)} steady state{'s' if len(states) > 1 else ''}, {stable} stable"
    rows = [
        (
            Number(s.V_m, 2),
            ("stable" if s.stable else "unstable") + (", burst" if s.lysis else ""),
            *(Number(float(s.c_i[i]), digits=4) for i in ions),
            Number(s.volume, digits=4),
            duration(float(s.time_constants[0])) if len(s.time_constants) else "",
        )
        for s in states
    ]
    columns = ("V_m [mV]", "", *(f"{i}_i [mM]" for i in ions), "volume", "slowest")
    found = [state_dict(s, cell, bath) for s in states]
    table = Table.of("Steady states", columns, rows)
    return Document(
        title,
        f"{title}: {words}.",
        findings=lines(*notes),
        sections=(Section("states", table.title, (table,)),),
        data={"title": title, "verdict": words, "notes": list(notes), "states": found},
    )


def sweep_document(
    table: "pandas.DataFrame", key: str, title: str, verdict: str, notes: Sequence[str]
) -> Document:
    """The states along a sweep of `key`, 25 of them at most."""
    columns = [key, "V_m_mV", *_inside(table), "volume_rel"]
    values = table[key].unique()
    which = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST_ROWS)).round().astype(int))
    rows = []
    for _, r in table[table[key].isin(values[which])].iterrows():
        status = r["status"].replace("_", " ") + (", burst" if r["lysis"] else "")
        status += ", unstable" if r["status"] == "converged" and not r["stable"] else ""
        rows.append((*(Number(float(r[c]), digits=4) for c in columns), status))
    head = "Sweep" if len(which) == len(values) else "Of the sweep"
    what = f"{head}: {len(which)} of {len(values)} values"
    data = {"title": title, "verdict": verdict, "notes": list(notes), "rows": _records(table)}
    made = Table.of(what, [*columns, "status"], rows)
    return Document(
        title, f"{verdict}.", findings=lines(*notes), sections=(Section("sweep", what, (made,)),), data=data
    )


def course_document(
    course: "TimeCourse", title: str, notes: Sequence[str], leads: dict[str, Any]
) -> Document:
    """A time course at 13 moments, and where its end leads (`cell.words.heading`)."""
    table = course.table()
    t = np.asarray(table["t_s"])
    scale, unit = time_unit(t[-1])
    which = np.unique([int(np.argmin(np.abs(t - at))) for at in np.linspace(0, t[-1], _MOMENTS)])
    columns = ["V_m_mV", *_inside(table), "volume_rel"]
    rows = [
        (Given(significant(r["t_s"] / scale, 4)), *(Number(float(r[c]), digits=4) for c in columns))
        for _, r in table.iloc[which].iterrows()
    ]
    ran = [{"t_s": e.t, "changes": dict(e.changes), "compensation": e.compensation} for e in course.events]
    verdict = f"{title}: {_ending(course)}"
    head = {"title": title, "verdict": verdict, "notes": list(notes), "ended": course.ended}
    head |= {"end_s": float(course.end), "heading": leads, "events": ran, "rows": _records(table)}
    made = Table.of("Time course", [f"t [{unit}]", *columns], rows, leads["text"])
    sections = (Section("course", made.title, (made,)),)
    return Document(title, verdict, findings=lines(*notes), sections=sections, data=head)


def no_rest_document(
    found: dict[str, Any],
    title: str,
    notes: Sequence[str],
    *,
    none: bool,
    why: str,
    remedies: Sequence[tuple[str, "Remedy", str]],
) -> Document:
    """That there is no steady state, why, and what would restore one.

    Args:
        found: what the search came to, as `state_dict`.
        title: of the cell, and where it has no rest.
        notes: on what was asked.
        none: there is none for certain; else none was found.
        why: in a sentence.
        remedies: the nearest first: the name to set, what it does, the value to set as one types it.
    """
    verdict = f"{title}: {'there is no steady state' if none else 'no steady state was found'}."
    said = [*notes, why]
    if remedies:
        name, first, value = remedies[0]
        said.append(f"The nearest change that restores one: {first.text} (`--set {name}={value}`).")
    if remedies[1:]:
        said.append(f"Others: {'; '.join(r.text for _, r, _ in remedies[1:5])}.")
    rows = [
        {"name": r.name, "factor": r.factor, "value": r.value, "set": f"{name}={r.value!r}", "text": r.text}
        for name, r, _ in remedies
    ]
    head = {"title": title, "verdict": verdict, "why": why, "remedies": rows, "notes": list(notes)}
    return Document(title, verdict, status="bad", findings=lines(*said), data=head | found)


def _inside(table: "pandas.DataFrame") -> list[str]:
    return [c for c in table if kind(split_unit(c)[0]).side == "i"]


def _records(table: "pandas.DataFrame") -> list[dict[str, Any]]:
    """Rows as plain data, as `DataFrame.to_json` has them."""
    return json.loads(table.reset_index().to_json(orient="records", double_precision=15))


def _ending(course: "TimeCourse") -> str:
    V, volume = course.V_m, course.volume
    words = f"V_m {fixed(V[0], 1)} → {fixed(V[-1], 1)} mV, volume {fixed(volume[0], 3)} → {fixed(volume[-1], 3)} of the reference"
    if course.ended == "duration":
        return f"{words} after {duration(float(course.end))}."
    why = {"lysis": "it swells until it bursts", "emptied": "a pump empties it of an ion"}.get(
        course.ended, course.ended
    )
    return f"{why} at {duration(float(course.end))}; {words}."
