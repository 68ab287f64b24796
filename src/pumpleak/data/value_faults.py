"""Values of a table's columns that cannot be, or that are not plainly what they stand for."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import unknown
from ..quantities.names import Kind, kind
from ..quantities.numbers import plain_digits
from ..quantities.plausible import Doubt, complaint, doubt, impossible, may_be_doubted
from ..quantities.units import spread_to_canonical, to_canonical, with_unit
from .columns import Column, Columns, named
from .sentinels import doubtful, sentinel_mend

Numbers = Mapping[tuple[str, str], np.ndarray]
Quote = Callable[[Column, int], str]


class Fault(NamedTuple):
    """A value that cannot be: which row (counted from 0) of which column, why, and the mend."""

    row: int
    column: str
    problem: str
    mend: str


def value_faults(columns: Columns, numbers: Numbers, quote: Quote, start: np.ndarray) -> Iterator[Fault]:
    """Every value that cannot be.

    Args:
        columns: what the columns are.
        numbers: by (quantity or reading, part), each (n,); NaN where blank.
        quote: the text of a column's value, with its unit.
        start: (C + 1,) where each of C groups of rows begins (and the last ends); readings of one group
            that are all below 0.2 mV look like volts.
    """
    whole = "column" if columns.by is None else "cell"
    for key, column in columns.columns.items():
        values = numbers[key]
        if columns.wanted.missing is None:
            yield from _sentinels(columns, column, values, quote, start)
        if column.part == "n":
            yield from _count_faults(column, values, quote)
        elif column.part != "value":
            yield from _spread_faults(kind(columns.name(column.of)), column, values, quote)
        else:
            yield from _of_values(columns, column, values, quote, start, whole)
    for (of, part), column in columns.columns.items():
        if part not in ("value", "n"):
            owner = columns.columns[of, "value"]
            for i in np.flatnonzero(~np.isnan(numbers[of, part]) & np.isnan(numbers[of, "value"])):
                problem = f"{quote(column, i)} is given but {owner.name} is blank"
                yield Fault(i, column.name, problem, "Fill in both or neither")
    for of, part in columns.columns:
        if part == "sem" and (of, "sd") in columns.columns:
            yield from _sem_faults(columns, of, numbers, quote)


def _sentinels(columns: Columns, column: Column, numbers, quote: Quote, start) -> Iterator[Fault]:
    """Numbers that may stand for a missing value."""
    base, role = columns.name(column.of), columns.role(column.of)
    k = replace(kind(base), sign="any") if role == "difference" else kind(base)
    for i in doubtful(column.part, k, column.unit, numbers, start, role == "reading"):
        problem = f"{quote(column, i)} may stand for a missing value"
        yield Fault(i, column.name, problem, sentinel_mend(f"{numbers[i]:g}"))


def _of_values(columns: Columns, column: Column, numbers, quote: Quote, start, whole: str) -> Iterator[Fault]:
    base, difference = columns.name(column.of), columns.role(column.of) == "difference"
    k = kind(base)
    if k.unit == "mV" and base in columns.observables and not difference and column.unit in ("mV", "uV"):
        yield from _volt_faults(column, numbers, quote, start, whole)
    if difference and k.unit != "mV":
        return
    values = (spread_to_canonical if difference else to_canonical)(numbers, column.unit)[0]
    for i in np.flatnonzero(impossible(k, values)):
        problem, mend = complaint(k, numbers[i], column.unit, stem=column.of, place="column")
        yield Fault(i, column.name, f"{quote(column, i)} {problem}", mend)
    if not difference:
        for found in _doubts(columns, column, numbers, start):
            if found.sure:
                yield Fault(found.at, column.name, f"{quote(column, found.at)} {found.problem}", found.mend)


def _doubts(columns: Columns, column: Column, numbers: np.ndarray, start: np.ndarray) -> Iterator[Doubt]:
    """What is implausible about the values of each group of rows taken together."""
    k = kind(column.of)
    for g in np.flatnonzero((np.diff(start) > 1) & may_be_doubted(k, numbers, column.unit, start)):
        found = doubt(k, numbers[start[g] : start[g + 1]], column.unit, column.of)
        if found is not None:
            yield found._replace(at=int(start[g]) + found.at)


def idle_reference(columns: Columns, text: str) -> tuple[str, str]:
    """Problem and mend of a reference in a row without a difference."""
    column = named(f"d{columns.observables[0]}")
    if not any(columns.role(of) == "difference" for of, _ in columns.columns):
        problem = f"'{text}' is given, but the table holds no difference that is taken from a row"
        return problem, f"If it is a citation, name the column source; else add {column}"
    return f"'{text}' is given, but the row holds no difference", f"Fill in {column} or leave it blank"


def _sem_faults(columns: Columns, of: str, numbers: Numbers, quote: Quote) -> Iterator[Fault]:
    """sem = sd / sqrt(n), up to 3 % and the rounding of the printed digits."""
    sd, sem = columns.columns[of, "sd"], columns.columns[of, "sem"]
    in_sd, in_sem = (spread_to_canonical(numbers[of, c.part], c.unit)[0] for c in (sd, sem))
    root = np.sqrt(numbers.get((of, "n"), np.full(len(in_sd), np.nan)))
    off = np.abs(in_sem - in_sd / root) > 0.03 * in_sem
    for i in np.flatnonzero(off | (in_sem > in_sd)):  # only these are worth a look at their digits
        digit_sd, digit_sem = (_half_digit(quote(c, i).split()[0], c) for c in (sd, sem))
        slack = digit_sem + digit_sd / (1.0 if math.isnan(root[i]) else root[i])
        if abs(in_sem[i] - in_sd[i] / root[i]) > 0.03 * in_sem[i] + slack:
            problem = f"is not {quote(sd, i)} / √{root[i] ** 2:g} = {in_sd[i] / root[i]:.3g}"
        elif in_sem[i] > in_sd[i] + slack:
            problem = f"is more than the sd, {quote(sd, i)}"
        else:
            continue
        yield Fault(i, sem.name, f"{quote(sem, i)} {problem}", "Leave out the one that is wrong")


def _count_faults(column: Column, numbers: np.ndarray, quote: Quote) -> Iterator[Fault]:
    present = ~np.isnan(numbers)
    for i in np.flatnonzero(present & ~((numbers >= 1) & (numbers == np.floor(numbers)))):
        problem = f"{quote(column, i)} is not a whole number >= 1"
        yield Fault(i, column.name, problem, "Give the number of readings behind the value")


def _spread_faults(k: Kind, column: Column, numbers: np.ndarray, quote: Quote) -> Iterator[Fault]:
    mend = f"Give a {column.part} > 0, or leave the cell blank where there is none"
    for i in np.flatnonzero(numbers <= 0):
        yield Fault(i, column.name, f"{quote(column, i)} is not above 0", mend)
    for i in np.flatnonzero(spread_to_canonical(numbers, column.unit)[0] > k.high):
        yield Fault(
            i,
            column.name,
            f"{quote(column, i)} is more than {k.name} itself can be",
            mend.replace("> 0", "that is smaller"),
        )


def _volt_faults(column: Column, numbers, quote: Quote, start, whole: str) -> Iterator[Fault]:
    size = np.where(np.abs(numbers) > 0, np.abs(numbers), 0.0)
    largest = np.maximum.reduceat(size, start[:-1])
    limit, looks, unit = (0.2, "volts", "V") if column.unit == "mV" else (200.0, "millivolts", "mV")
    for k in np.flatnonzero((largest > 0) & (largest < limit)):
        i = start[k] + int(np.argmax(size[start[k] : start[k + 1]] > 0))
        problem = f"{quote(column, i)} looks like {looks}, as does every value of the {whole}"
        yield Fault(i, column.name, problem, f"Name the column {with_unit(column.of, unit)}")


def reference_fault(text: str, labels: np.ndarray, rows: np.ndarray, i: int) -> tuple[str, str] | None:
    """Problem and mend of a difference whose reference is not exactly one other row; else None.

    Args:
        text: the reference as written.
        labels, rows: of the rows it may be.
        i: position of the difference's own row among them.
    """
    found = np.flatnonzero(labels == text).tolist()
    if not text:
        return "is blank, but the row holds a difference", "Give a row's label"
    if not found:
        return unknown("row labelled", text, labels.tolist()).problem, "Give a row's label"
    if len(found) > 1:
        several = " and ".join(str(rows[k]) for k in found)
        return f"rows {several} share the label '{text}'", "Give each row a label of its own"
    return (f"'{text}' is the row itself", "Give another row's label") if found == [i] else None


def _half_digit(text: str, column: Column) -> float:
    """Half a unit of the last digit that a cell shows, in canonical units."""
    mantissa, _, exponent = plain_digits(text).replace(",", ".").lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return spread_to_canonical(0.5 * 10.0**-digits, column.unit)[0]
