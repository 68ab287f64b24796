"""Columns that may be a quantity, by name or by values, and are not plainly one: the user is asked, never guessed for."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import did_you_mean
from ..quantities.language import SaltColumn
from ..quantities.names import base_name, kind
from ..quantities.resemblance import doubtful
from ..quantities.spellings import is_harmless, unit_of
from ..quantities.units import canonical_unit, split_unit, to_canonical, with_unit
from ..quantities.words import ION
from ..text import listing
from .sources import Frame, ParquetFile

_MOST_NAMED = 8  # doubtful columns that a message names


class Question(NamedTuple):
    """A column that is not read before the user has said what it is.

    Attributes:
        column: its name in the file.
        problem: why it is asked about.
        proposal: the name that it could be read by; '': none.
        mend: what to do about it, where that is more than to give it another name.
        about: the quantities that its numbers may be, or be made from.
    """

    column: str
    problem: str
    proposal: str = ""
    mend: str = ""
    about: tuple[str, ...] = ()


class Questions:
    """The columns of a table that are in doubt, as they are found.

    Args:
        source: the table.

    Attributes:
        found: one after the other.
    """

    def __init__(self, source: Frame | ParquetFile):
        self._source = source
        self.found: list[Question] = []
        self._salts: dict[str, SaltColumn] = {}

    def add(
        self, name: str, problem: str, proposal: str = "", mend: str = "", about: Sequence[str] = ()
    ) -> None:
        """Ask about a column; a proposal that the table has already is none."""
        about = tuple(about) or ((split_unit(proposal)[0],) if proposal else ())
        if proposal in self._source.names and proposal != name:
            problem, proposal = f"{problem}, and column {proposal} holds that already", ""
        self.found.append(Question(self._source.written.get(name, name), problem, proposal, mend, about))

    def add_by_name(self, name: str, near: str | None, reading: tuple[str, str] | None) -> None:
        """Ask about a column that may be a quantity by its name or its unit.

        Args:
            name: of the column.
            near: the known column that it may be a misspelling of.
            reading: the table's reading and its unit, if it has any.
        """
        found = doubtful(name)
        if found is None or near and not found.column:
            self.add(name, f"is not a known quantity{did_you_mean(near)}", near or "")
            return
        column = found.column
        if "{reading}" in column:
            column = column.format(reading=reading[0]) if reading else ""
            column = column if not reading or column.endswith("_n") else with_unit(column, reading[1])
        stem, unit = split_unit(column)
        own = unit_of(name)
        if own is not None and unit is not None and canonical_unit(own) == canonical_unit(unit):
            column = with_unit(stem, own)
        lacks = ", but its name has no unit" if own is None and found.unit is None and column else ""
        about = (found.of,) if found.of else ()
        self.add(name, f"may be {found.what}{lacks}", column, found.mend, about)

    def add_salt(self, name: str, found: SaltColumn) -> None:
        """Note a column of a salt: all of them are asked about together."""
        self._salts[name] = found

    def ask_about_salts(self) -> None:
        """Ask about columns of salts, with what each ion comes to in the sum of all."""
        if not self._salts:
            return
        sums: dict[str, list[str]] = {}
        for name, found in self._salts.items():
            side = "i" if found.side in ("i", "pipette") else "o"
            size = to_canonical(1.0, found.unit or "mM")[0]
            for ion, n in ((ion, n) for ion, n in found.parts if ion not in ("H", "OH")):
                times = "" if n * size == 1 else f"{n * size:g} × "
                sums.setdefault(f"{ion}_{side}_mM", []).append(
                    f"{times}{self._source.written.get(name, name)}"
                )
        there = [ion for ion in sums if ion in self._source.names]
        new = "; ".join(f"{ion} = {' + '.join(of)}" for ion, of in sums.items() if ion not in there)
        first, *others = self._salts
        mends = (
            [f"Give its ions columns of their own, each the sum of what all salts bring: {new}"]
            if new
            else []
        )
        if any(ion in ("H", "OH") for found in self._salts.values() for ion, _ in found.parts):
            mends.append("Of an acid or a base the other ion alone counts: H⁺ and OH⁻ are the pH's")
        if there:
            mends.append(f"See that {listing(there)} counts what it brings")
        if not self._salts[first].side:
            unit = "" if self._salts[first].unit else ", and mM is taken"
            mends.append(f"Of a pipette or a cell their names end in _i{unit}")
        about = [split_unit(ion)[0] for ion in sums]
        self.add(first, "is a salt", mend=". ".join(mends), about=about)
        for name in others:
            self.add(name, "is a salt")

    def add_counter(self, name: str, column: str, values: np.ndarray) -> None:
        """Ask about a quantity of one word, such as ``r`` or ``n``, where its numbers count the rows."""
        if not like_counter(values) or name == "n" and values.max() < 3:
            return
        what = "number of readings behind a mean" if name == "n" else kind(base_name(column)).what
        self.add(
            name,
            f"counts 1, 2, 3 … as the number of a replicate would, but may be {name}, the {what}",
            column,
        )

    def add_by_values(self, others: Mapping[str, np.ndarray], *, unread: bool, bathed: bool) -> None:
        """Ask about numbers that look like what the table lacks.

        Args:
            others: columns of numbers that are not read -> their values.
            unread: whether the table has no reading.
            bathed: whether it has a ladder of concentrations.
        """
        odd = {name: values for name, values in others.items() if not is_harmless(name)}
        potentials = [name for name, values in odd.items() if unread and like_potentials(values)]
        for name in potentials:
            if len(potentials) == 1:
                self.add(name, "looks like potentials, and the table has no reading", "V_m_mV")
            else:
                self.add(
                    name,
                    f"looks like potentials, as other columns do ({len(potentials)} in all), and the table has no reading",
                    mend="Give each reading a row of its own, in a column V_m_mV beside one for what differs (K_o_mM)",
                )
        bathed = bathed or bool(self._salts) or any(ION in question.problem for question in self.found)
        for name, values in odd.items():
            if not bathed and name not in potentials and like_ladder(values):
                self.add(name, "looks like a ladder of concentrations, and the table has none", "K_o_mM")


def in_words(questions: Sequence[Question]) -> tuple[str, str]:
    """The problem and the mend of all doubtful columns together: the keys that settle them, ready to be copied."""
    first, *others = questions
    problem = first.problem
    if others:
        names = ", ".join(d.column for d in others[:_MOST_NAMED])
        names += f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        problem += f"; to be settled too: {names}"
    ignore = f"`ignore: [{', '.join(yaml_name(d.column) for d in questions)}]`"
    it = "them" if others else "it"
    proposed = [d.proposal for d in questions]
    again = [d.column for k, d in enumerate(questions) if d.proposal and d.proposal in proposed[:k]]
    key = columns_key(questions)
    mends = [d.mend if d is first else f"{d.column}: {d.mend}" for d in questions if d.mend][:_MOST_NAMED]
    if key:
        twice = f" and `ignore: [{', '.join(map(yaml_name, again))}]`" if again else ""
        written = f"Write `{key}`{twice} if that is what {'they are' if others else 'it is'}"
        return (
            problem,
            f"{'. '.join([written, *mends])}. Else {ignore}" if mends else f"{written}, else {ignore}",
        )
    if mends:
        return problem, f"{'. '.join(mends)}. Leave out what is not to be read: {ignore}"
    return problem, f"Write {ignore} to leave {it} out, or `columns:` with the name that it is to be read by"


def columns_key(questions: Sequence[Question]) -> str:
    """The key `columns` that reads doubtful columns as what they may be; '' where none has such a proposal."""
    said: dict[str, str] = {}
    for question in questions:
        if question.proposal and question.proposal not in said.values():
            said[question.column] = question.proposal
    pairs = ", ".join(f"{yaml_name(name)}: {yaml_name(read)}" for name, read in said.items())
    return f"columns: {{{pairs}}}" if said else ""


def yaml_name(name: str) -> str:
    """A name as YAML takes it within brackets: quoted where it could be read as anything else."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)
    odd = name.lower() in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    return name if plain and not odd else json.dumps(name, ensure_ascii=False)


def like_potentials(values: np.ndarray) -> bool:
    """Whether numbers look like membrane potentials [mV]: within 150 of 0, and half of them well below it."""
    return len(values) > 0 and bool((np.abs(values) <= 150).all() and np.median(values) <= -15)


def like_ladder(values: np.ndarray) -> bool:
    """Whether numbers look like a ladder of concentrations: 2.5, 5, 10, 20, 40 … of two digits each, not 1, 2, 3."""
    steps = np.unique(values)
    if (
        len(steps) < 3
        or steps[0] < 0
        or (np.diff(steps) == np.diff(steps)[0]).all()
        and np.diff(steps)[0] == 1
    ):
        return False
    steps = steps[steps > 0]
    ratio = steps[1:] / steps[:-1]
    short = all(float(f"{x:.2g}") == x for x in steps.tolist())
    return (
        len(steps) >= 3
        and short
        and bool((ratio >= 1.25).all() and (ratio <= 4).all())
        and steps[-1] >= 4 * steps[0]
    )


def like_counter(values: np.ndarray) -> bool:
    """Whether numbers count rows: 1, 2, 3, 1, 2, 3 … or 1, 1, 2, 2, 3, 3 …, from 0 or from 1."""
    if len(values) < 2 or not (values == np.floor(values)).all():
        return False
    first = values[0]
    if first not in (0.0, 1.0) or values.max() < 2:
        return False
    rises, falls = np.diff(values) == 1, values[1:] == first
    if (rises | falls).all():
        return True
    levels, each = np.unique(values, return_counts=True)
    in_turn = (np.diff(values) >= 0).all() and (np.diff(levels) == 1).all()
    return bool(in_turn and (each == each[0]).all())


def is_list(values: np.ndarray) -> bool:
    """Whether whole numbers count from 0 or from 1, as the names of cells do: 6, 6, 7, 8 may be how many there were."""
    return is_counting(values) and (not len(values) or float(values.min()) <= 1)


def is_counting(values: np.ndarray) -> bool:
    """Whether whole numbers are those of a list, 1, 2, 3 …, in any order."""
    return bool((np.diff(np.unique(values)) == 1).all() and (values == np.floor(values)).all())
