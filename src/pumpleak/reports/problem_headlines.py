"""The headlines of `check` and `predict`: what is asked of which readings, and what is to be read."""

import math
from collections import Counter
from typing import TYPE_CHECKING

from ..inference.answer import Estimate, called
from ..quantities.names import kind
from ..quantities.units import with_unit
from ..text import in_unit, listing, significant

if TYPE_CHECKING:
    import pandas

    from ..problem.problem import Problem

_MOST = 5  # unknowns that are named
_SAME = 1e-9  # mV by which what is read may differ from the membrane's and be called the same


def check_headline(problem: "Problem") -> str:
    """What is to be inferred from which readings by which model; then that all is in order, and what is not used."""
    names = [
        called(p.name, reference_of(problem)) + (f" (one each {p.by})" if p.by else "")
        for p in problem.parameters
        if not kind(p.quantity).is_noise
    ]
    unknown, many = listing(names, _MOST) if names else "", len(names) > 1
    model = f"by the model {problem.model.name}"
    if not problem.n_readings:
        rows = len(problem.measurements.labels)
        of = f"a plan of {rows} row{'s' * (rows > 1)}"
        what = f"{unknown} {'are' if many else 'is'} unknown" if unknown else "nothing is unknown"
        text = f"There is no reading yet in {of}, and {what} {model}: it can be predicted"
        text += ", and its worth told by identify and design" if unknown else ""
    elif unknown:
        text = f"{unknown} {'are' if many else 'is'} to be inferred from {readings_in_words(problem)} {model}"
    else:
        text = f"Nothing of the membrane is unknown; {readings_in_words(problem)} can be predicted {model}"
    unused = f" Not used: {listing(list(problem.unused))}." if problem.unused else ""
    return f"{text}. The config and its data are in order.{unused}"


def reference_of(problem: "Problem") -> str:
    """The ion whose permeability is 1."""
    return problem.model.setting.reference or "K"


def readings_in_words(problem: "Problem") -> str:
    """How many readings there are of what: ``5 readings of V_m, 3 of its changes and 1 reading of K_i``."""
    m = problem.measurements
    there = Counter(
        (o, reference >= 0)
        for o, reference, used in zip(m.observable, m.reference, problem.numbers.mask, strict=True)
        if used
    )
    parts = []
    for (observable, change), n in there.items():
        what = f"change{'s' * (n > 1)} in" if change else f"reading{'s' * (n > 1)} of"
        parts.append(f"{n:,} {what} {observable}")
    return listing(parts)


def predict_headline(table: "pandas.DataFrame", problem: "Problem", source: str) -> str:
    """V_m of the rows where it is least and most, what is to be read there, and from what this is known.

    Args:
        table: of `predict`.
        problem: that it is of.
        source: what the parameters were drawn from, in words.
    """
    parts = []
    kinds = [k for o in problem.observables for k in (o, f"d{o}")]
    if with_unit("V_m", "mV") in table:
        same = "V_m" in problem.observables
        same = same and not (table["V_m_mV"] - table["V_m_reading_mV"]).abs().max() > _SAME
        kinds = [k for k in kinds if not (same and k == "V_m")]
        parts.append(_ends(table, problem, "V_m", "V_m") + (", as it is read" if same else ""))
    read = [_ends(table, problem, f"{k}_reading", k) for k in kinds if _stem(problem, k) in table]
    if read:
        parts.append(f"{'as read' if parts else 'As read'} {listing(read)}")
    return f"{'; '.join(parts)}. Expected from {source}."


def _stem(problem: "Problem", kind: str) -> str:
    return with_unit(f"{kind}_reading", _unit(problem, kind))


def _unit(problem: "Problem", kind: str) -> str:
    observable = kind[1:] if kind not in (*problem.observables, "V_m") else kind
    return problem.unit_of(observable)


def _ends(table: "pandas.DataFrame", problem: "Problem", stem: str, name: str) -> str:
    """A quantity with its interval; of several rows where it is least and where it is most."""
    unit = _unit(problem, name)
    columns = [with_unit(f"{stem}{part}", unit) for part in ("", "_low", "_high")]
    found = {k: tuple(map(float, x)) for k, x in enumerate(table[columns].to_numpy()) if math.isfinite(x[0])}
    if not found:
        return f"{name} has no answer"
    (first, least), (last, most) = (pick(found.items(), key=lambda item: item[1][0]) for pick in (min, max))
    if first == last or all(map(_alike, least, most)):
        where = place_in_words(problem, first) if len(table) == 1 else "in every row"
        return f"{_said(name, unit, least)} {where}"
    ends = [
        f"{_said(n, unit, x)} {place_in_words(problem, k)}"
        for n, x, k in ((name, least, first), ("", most, last))
    ]
    return " to ".join(x.lstrip() for x in ends)


def _said(name: str, unit: str, values: tuple[float, ...]) -> str:
    """A number with its interval, which is left out where nothing is uncertain."""
    value, low, high = values
    if _alike(low, high):
        low = high = math.nan
    return Estimate(name, unit, value, low, high, 1 if unit == "mV" else None, 1.0).said("K")


def _alike(x: float, y: float) -> bool:
    return math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-9)


def place_in_words(problem: "Problem", row: int) -> str:
    """Where a row of the table is: its label, or what of its bath differs from row to row; alone, what its bath has of K."""
    m = problem.measurements
    label, number = m.labels[row], f"row {m.file_rows[row]}"
    if label != number and label != f"row {row + 1}":
        return f"in '{label}'"
    bath = {n: x for n, x in m.quantities.items() if kind(n).of_bath and math.isfinite(x[row])}
    varied = [n for n, x in bath.items() if len(set(x.tolist())) > 1] or [n for n in bath if n == "K_o"]
    if not varied:
        return f"in {label}"
    return f"at {varied[0]} {in_unit(significant(bath[varied[0]][row], 4), kind(varied[0]).unit or '1')}"
