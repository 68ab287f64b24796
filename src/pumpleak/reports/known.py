"""Tables of what a problem takes to be known: its quantities, its baths, and its readings as read and as corrected."""

import math
from collections.abc import Mapping
from typing import Any

from ..quantities.names import as_read, kind
from ..text import listing, minus
from .document import Label, Name, Number, Table, prior_as_read, unit_label

_LINES, _FEW = 24, 12  # of a table in a terminal: of quantities; of baths and readings
_ROW_NAMES = 3  # of those a line is about
_AS_READ = "V_m is taken as it was read: no junction potential, offset, shunt or drift is known to add to it."
_AT_THE_MIDDLE = "Where something is unknown, E and V_m are at the middle of its prior."


def known_tables(known: Mapping[str, Any]) -> list[Table]:
    """What is known, as `Understanding.as_dict` has it; nothing of results that do not say."""
    if not known:
        return []
    baths, readings = [_baths(known)] * bool(known["baths"]), [_readings(known)] * _corrected(known)
    return [_quantities(known), *baths, *readings]


def _table(title: str, columns, rows: list[tuple], note: str, total: int, most: int) -> Table:
    """The table, and for a terminal its first lines."""
    brief = None
    if total > most:
        more = f"The first {most} of {total}; --json has all."
        brief = Table.of(title, columns, rows[:most], f"{note} {more}".strip())
    return Table.of(title, columns, rows, note, brief=brief)


def _rows(entry: Mapping[str, Any], known: Mapping[str, Any]) -> Label:
    of = known["of"]["rows"]
    if entry["n"] == of:
        return Label("all" if of > 1 else entry["rows"][0])
    names = entry["rows"]
    rest = [f"{entry['n'] - _ROW_NAMES} more"] if entry["n"] > _ROW_NAMES + 1 else names[_ROW_NAMES:]
    return Label(listing([*names[:_ROW_NAMES], *rest]))


def _quantities(known: Mapping[str, Any]) -> Table:
    rows, defaults = [], []
    for q in known["quantities"]:
        name, source = q["quantity"], q["source"]
        unit, shift = as_read(name, q["unit"])
        if source == "default" and not q["unknown"]:
            of = f" ({_rows(q, known)})" if q["n"] < known["of"]["rows"] else ""
            if kind(name).what not in ("scatter", "extra scatter"):  # those are told among the assumptions
                defaults.append(f"{name} {_value(q, shift)}{'' if unit == '1' else f' {unit}'}{of}")
            continue
        value = f"unknown: {prior_as_read(name, q['unknown'])}" if q["unknown"] else _value(q, shift)
        rows.append((Name(name), Label(minus(value)), unit_label(unit), _rows(q, known), Label(source)))
    notes = [f"Not given, and so at a default: {'; '.join(defaults)}."] * bool(defaults)
    if known["readings"] and not _corrected(known):
        notes.append(_AS_READ)
    columns = ("quantity", "value", "unit", "rows", "from")
    title = "Every quantity as it was understood"
    return _table(title, columns, rows, " ".join(notes), len(rows), _LINES)


def _value(q: Mapping[str, Any], shift: float) -> str:
    """One number, the few that there are, or from which to which and how many."""
    values = list(dict.fromkeys(x + shift for x in q["values"]))
    if q["different"] == 1:
        return f"{values[0]:.6g}"
    if q["different"] <= 3 and len(values) == q["different"]:
        return ", ".join(f"{x:.6g}" for x in values)
    return f"{q['low'] + shift:.6g} … {q['high'] + shift:.6g} ({q['different']} values)"


def _baths(known: Mapping[str, Any]) -> Table:
    ions = list(dict.fromkeys(ion for b in known["baths"] for ion in b["E"]))
    rows = []
    for b in known["baths"]:
        named = ", ".join(f"{ion} {c:.4g}" for ion, c in b["ions"].items())
        charge = f"+{b['positive']:.4g} −{b['negative']:.4g}"
        E = (Number(b["E"].get(ion, math.nan), 1) for ion in ions)
        rows.append((_rows(b, known), Label(named), Label(charge), Number(b["ionic_strength"]), *E))
    columns = [
        "rows",
        ("ions", "mM"),
        ("charge", "mM"),
        ("ionic strength", "mM"),
        *((f"E_{ion}", "mV") for ion in ions),
    ]
    return _table("Baths", columns, rows, _AT_THE_MIDDLE, known["of"]["baths"], _FEW)


def _corrected(known: Mapping[str, Any]) -> bool:
    """Whether any reading is not the V_m that it stands for."""
    return any(
        r["observable"] != "V_m" or r["V_m"] is None or not math.isclose(r["V_m"], r["value"], abs_tol=1e-9)
        for r in known["readings"]
    )


def _readings(known: Mapping[str, Any]) -> Table:
    rows = [
        (Label(r["reading"]), Number(r["value"], digits=4), unit_label(r["unit"]), Number(r["V_m"], digits=4))
        for r in known["readings"]
    ]
    columns = ("reading", "as read", "unit", ("V_m", "mV"))
    note = (
        "V_m: of the membrane, without what the instrument adds (junction potential, offset, shunt, drift)."
    )
    title = "Readings as read, and the V_m that they stand for"
    return _table(title, columns, rows, note, known["of"]["readings"], _FEW)
