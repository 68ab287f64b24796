"""Columns of a table: what each is by its name and unit, and which of its values cannot be."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError
from ..quantities.foreign_units import check_unit_of
from ..quantities.ions import is_ion
from ..quantities.labels import is_dose, names_units
from ..quantities.language import in_doubt, meant, own_name, salt_of
from ..quantities.language import named as as_word
from ..quantities.names import (
    PARTS,
    base_name,
    column_names,
    column_unit,
    column_units,
    kind,
    split_part,
)
from ..quantities.resemblance import doubtful, is_in_mM, is_weak
from ..quantities.spellings import is_changed, is_harmless, may_count, no_error, plain_name, unit_of
from ..quantities.units import canonical_unit, split_unit, with_unit, written_name
from ..quantities.words import unqualified
from .arrow import is_nested, may_be_spelled, number_text, numbers, numbers_in_words, odd_dash, only_numbers
from .cell_ids import Joined
from .header import is_column_name
from .marks import NumberColumn, marks_of
from .number_texts import Marks, Place, not_a_number
from .questions import Question, Questions, in_words, is_counting, is_list, like_ladder, yaml_name
from .raw import as_text
from .sources import Frame, ParquetFile
from .wanted import SETTLED, Wanted

_GROUP_NAMES = (
    "solution saline bath series group condition treatment drug experiment preparation batch day date "
    "protocol baseline animal species cell fibre fiber well plate electrode pipette n_fibre n_cell"
).split()


_BATHS = ("bath", "saline", "solution", "condition", "treatment")  # whose numbers may be what was in them
_TEXT = {*_GROUP_NAMES, "label", "reference"} - {"n_fibre", "n_cell"}

_LABELS = ("time", "time_sd")  # which without a unit are labels anyway

_SAMPLE = 65_536  # rows that are looked at to tell what a column of an unknown name is


@dataclass(frozen=True)
class Column:
    """What a column holds: the value, sd, sem or n (`part`) of `of`, in `unit`."""

    name: str
    of: str
    part: str
    unit: str


def named(stem: str, spelt: Callable[[str, str], str] = with_unit) -> str:
    """The column of a name in its canonical unit: ``V_m_sem_mV`` of ``V_m_sem``; or as `spelt` writes name and unit."""
    unit = "1" if split_part(stem)[1] == "n" else kind(base_name(stem)).unit or "1"
    return spelt(stem, unit)


def as_column(of: str, part: str, unit: str) -> str:
    """A quantity or a part of it, with its unit: ``K_o [mM]``, ``V_m_n``."""
    stem = of if part == "value" else f"{of}_{part}"
    return stem if unit == "1" or part == "n" else f"{stem} [{unit.replace('degC', '°C')}]"


def _rivals(name: str, plain: str, spelt: Mapping[str, str]) -> list[str]:
    """The other columns that may be what a column is read as: the mean beside the peak, the nominal beside the measured."""
    of = split_unit(plain)[0]
    others = ((other, split_unit(read)[0], doubtful(other)) for other, read in spelt.items() if other != name)
    return [x for x, read, may in others if read == of or may and of in (may.of, split_unit(may.column)[0])]


@dataclass
class Columns:
    """What the columns of a table are, and which of their values cannot be: of one table or of many cells'.

    Attributes:
        source: the table.
        observables, extra: what counts as a reading, and further inputs.
        by: the column whose levels are cells; None: the table is one.
        wanted: what is said of the table beside it.
        columns: (quantity or reading, part) -> its column.
        grouping: text columns by name -> whether they hold whole numbers.
        ignored: columns that are not read.
        questions: columns that may be a quantity, and that nothing is said of.

    Raises:
        InputError: a column may be a quantity and is not plainly one (`Wanted.asks`); a name is mistyped, has no unit or another quantity's, or stands for two things; or a column of
            numbers holds none.
    """

    source: Frame | ParquetFile | Joined
    observables: tuple[str, ...]
    extra: frozenset[str]
    by: str | None = None
    wanted: Wanted = SETTLED
    columns: dict[tuple[str, str], Column] = field(default_factory=dict, init=False)
    grouping: dict[str, bool] = field(default_factory=dict, init=False)
    ignored: list[str] = field(default_factory=list, init=False)
    questions: list[Question] = field(default_factory=list, init=False)
    _unitless: set[str] = field(default_factory=set, init=False, repr=False)
    _others: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self):
        self.source = self.source.renamed(self._spelled())
        self.header = [name for name in self.source.names if name != self.by]
        self._questions = Questions(self.source)
        for name in self.header:
            self._classify(name)
        there = {*(of for of, _ in self.columns), *self._unitless}
        self._questions.add_by_values(
            self._others,
            unread=not any(self.role(of) in ("reading", "difference") for of in there),
            bathed=self._is_bathed(there),
        )
        self._questions.ask_about_salts()
        self.questions = self._questions.found
        if self.questions and self.wanted.asks:
            raise self.error(*in_words(self.questions), self.questions[0].column)
        for (of, part), column in [*self.columns.items()]:
            if of in self._unitless:
                del self.columns[of, part]
                self.ignored.append(column.name)
            elif part != "value" and (of, "value") not in self.columns:
                value = named(of)
                raise self.error(
                    f"there is no column {value} that it belongs to", f"Add {value}", column.name
                )
        for column in self.columns.values():
            self._check_type(column)

    def _is_bathed(self, there: set[str]) -> bool:
        """Whether the table has a ladder of concentrations, or K⁺ outside: a partner that makes up for it is none."""
        if not there.isdisjoint(("K_o", "aK_o")):
            return True
        of_ions = [of for of in there if kind(of).what in ("concentration", "activity")]
        columns = [self.columns[of, "value"] for of in of_ions if (of, "value") in self.columns]
        values = [numbers(self._sample(c.name)[0], self.marks)[0] for c in columns]
        return any(like_ladder(v[~np.isnan(v)]) for v in values)

    @property
    def needed(self) -> list[str]:
        """The columns that are read, `by` among them."""
        ignored = set(self.ignored)
        return [name for name in self.source.names if name not in ignored]

    @property
    def unread(self) -> tuple[str, ...]:
        """The columns that are not read, as they are called in the file."""
        written = self.source.written
        return (*(written.get(name, name) for name in self.ignored), *self.source.left_out)

    @property
    def read(self) -> dict[str, str]:
        """The columns that are read, as they are called in the file -> the quantity or reading, with its unit."""
        written = self.source.written
        names = {name: name for name in ("label", "reference") if name in self.source.names}
        names |= {c.name: as_column(of, part, c.unit) for (of, part), c in self.columns.items()}
        return {str(written.get(name, name)): names[name] for name in self.source.names if name in names}

    @property
    def texts(self) -> list[str]:
        """The columns of text: labels of rows and of groups."""
        named = [self.by, *self.grouping, "label"]
        return [name for name in named if name is not None and name in self.source.names]

    @property
    def units(self) -> dict[str, str]:
        """Canonical unit of every quantity and observable."""
        values = {of: c for (of, part), c in self.columns.items() if part == "value"}
        return {self.name(of): canonical_unit(c.unit) for of, c in values.items()}

    def error(self, problem: str, mend: str, column: str, row: int | None = None) -> InputError:
        written = self.source.written.get(column, column)
        return InputError(problem, mend=mend, file=self.source.file, row=row, column=written)

    def _sample(self, name: str) -> tuple[Any, np.ndarray]:
        """The first values of a column, and their rows' numbers."""
        table, row = next(self.source.slices([(0, min(_SAMPLE, self.source.n_rows))], [name]))
        return table.column(name), row

    def _check_type(self, column: Column) -> None:
        """Refuse a column of numbers that holds none."""
        kind = self.source.type_of(column.name)
        values, row = self._sample(column.name)
        found, wrong = (np.array([]), None) if is_nested(kind) else numbers(values, self.marks)
        if wrong is None:
            raise self.error(f"holds {kind}, not numbers", "Write numbers, one in each row", column.name)
        if wrong.any() and np.isnan(found).all():
            i = int(np.argmax(wrong))
            problem, mend = self.not_a_number(as_text(values[i].as_py()), column)
            problem = problem if wrong.sum() == 1 else f"not one value is a number: {problem}"
            raise self.error(problem, mend, column.name, int(row[i]))

    @cached_property
    def marks(self) -> Marks:
        """How the file writes numbers, as all of those that it has as text show."""
        return marks_of(self._number_texts, self.source.separator or "")

    def _number_texts(self) -> Iterator[NumberColumn]:
        for column, stored in self._stored_numbers():
            text = number_text(stored)
            if text is not None:
                value = kind(self.name(column.of)) if column.part == "value" else None
                yield NumberColumn(text, column.unit, value)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """How numbers were read, where that needs to be said."""
        odd = next((dash for _, stored in self._stored_numbers() if (dash := odd_dash(stored))), None)
        commas = f"The decimal commas of {self.source.file} are read as such (2,5 is 2.5)."
        dashes = f"The dashes of {self.source.file} are read as minus signs ({odd}77 is -77)."
        return (commas,) * self.marks.comma + (dashes,) * (odd is not None)

    def _stored_numbers(self) -> Iterator[tuple[Column, Any]]:
        """Every column of numbers that the file has as text, block by block."""
        stored = [c for c in self.columns.values() if may_be_spelled(self.source.type_of(c.name))]
        for table, _ in self.source.blocks([c.name for c in stored]) if stored else ():
            yield from ((column, table.column(column.name)) for column in stored)

    def not_a_number(self, text: str, column: Column) -> tuple[str, str]:
        """The problem and the mend for text in a column of numbers."""
        if text in (column.name, self.source.written.get(column.name)) or (
            unit_of(text) is not None and is_column_name(text)
        ):
            mend = "Save each table in a file of its own; where both have the same columns, delete this row"
            return f"'{text}' is a second header: two tables stand one below the other", mend
        reading = self.role(column.of) != "quantity"
        return not_a_number(text, Place(column.of, column.part, column.unit, reading, self.marks.comma))

    # What a column is.

    def role(self, stem: str) -> str | None:
        """What a table takes a name for: a reading, a difference, a quantity, or nothing that is read; None: a label."""
        if stem in self.observables:
            return "reading"
        if stem[:1] == "d" and stem[1:] in self.observables:
            return "difference"
        if stem in self.extra:
            return "quantity"
        potential = kind(stem.removeprefix("d"))
        if potential.name == stem.removeprefix("d") and potential.is_unasked_reading:
            return "unread"
        return "quantity" if column_unit(stem) else None

    def _spelled(self) -> dict[str, str]:
        """Columns whose names are plainly a quantity's in another spelling -> the name that says the same."""
        out: dict[str, str] = {}
        if not self.wanted.respells:
            return out
        counted = any(split_part(name)[1] == "n" or name == "n" for name in self.source.names)
        spelt = {name: plain_name(name) or name for name in self.source.names if name != self.by}
        for name in self.source.names:
            own = split_unit(name)[0]
            if name == self.by or own in self.extra or own in self.observables or own in _TEXT:
                continue
            plain = plain_name(name)
            if plain and unqualified(name) and _rivals(name, plain, spelt):
                continue
            taken = plain in self.source.names or plain in out.values() or plain == "n" and counted
            if plain is None or taken:
                continue
            out[name] = plain
        return out

    def _classify(self, name: str) -> None:
        if name in ("label", "reference"):
            return
        stem, unit = split_unit(name)
        of, part = stem, "value"
        if stem in PARTS:
            of, part = self._short_form(name, stem), stem
            if of and unit is None and part != "n":  # a spread has the unit of its readings
                unit = next(u for other, u in map(split_unit, self.header) if other == of)
        elif not self.role(stem):
            base, last = split_part(stem)
            if last in PARTS and self.role(base):
                of, part = base, last
        role = self.role(of) if of else "unread"
        if of == "time" and unit is None:  # a time of day, or a number of a session: a label
            role = None
        if role is None:
            self._unknown(name, unit)
        elif role == "unread":
            self.ignored.append(name)
        else:
            self._add(name, of, part, unit, role)

    @property
    def _reading(self) -> tuple[str, str] | None:
        """The first reading in the header, and its unit."""
        found = (split_unit(name) for name in self.header)
        return next(((of, unit or "1") for of, unit in found if of in self.observables), None)

    def _short_form(self, name: str, part: str) -> str:
        """The only reading column of the table, which a bare sd, sem or n belongs to; '' without any."""
        stems = [split_unit(other)[0] for other in self.header]
        owners = [stem for stem in stems if self.role(stem) in ("reading", "difference")]
        if len(owners) > 1:
            choice = " or ".join(f"{owner}_{name}" for owner in owners)
            raise self.error("does not say whose it is", f"Name it {choice}", name)
        return owners[0] if owners else ""

    def _add(self, name: str, of: str, part: str, unit: str | None, role: str) -> None:
        expected = kind(self.name(of)).unit or canonical_unit(unit or "1")
        full = of if part == "value" else f"{of}_{part}"
        if part == "n":
            expected = "1"
        if role == "quantity" and part in ("sem", "n"):
            raise self.error(*self._of_an_input(name, of, part, expected), name)
        if canonical_unit(unit or "1") != expected:
            right = written_name(full, expected)
            if unit is None and self.wanted.respells:
                self._unitless |= {of} if part == "value" else set()
                self._ask_for_unit(name, full, right)
                return
            problem = "has no unit" if unit is None else f"{unit} is not a unit of {full}"
            raise self.error(problem, f"Name it {right}", name)
        written = self.source.written.get(name, name)
        if part in ("sd", "sem") and (found := no_error(written)):
            mend = f"{found.mend}, and leave this one out: `ignore: [{yaml_name(written)}]`"
            raise self.error(f"is {found.what}, not the {part} that it would be read as", mend, name)
        if (of, part) in self.columns:
            other = self.columns[of, part].name
            raise self.error(f"holds the same as column {other}", "Keep one of them", name)
        self.columns[of, part] = Column(name, of, part, unit or "1")
        one_word = name == "n" or name == of and role == "quantity" and "_" not in of and kind(of).unit == "1"
        if one_word and name not in self.wanted.columns.values():
            values = numbers(self._sample(name)[0], self.marks)[0]
            self._questions.add_counter(name, full, values[~np.isnan(values)])

    def _ask_for_unit(self, name: str, full: str, right: str) -> None:
        """Ask about a quantity whose name has no unit, and needs one."""
        self.ignored.append(name)
        if not kind(full).is_rate:
            self._questions.add(name, "has no unit", right)
            return
        own = "the first of `ions`, whose own is 1 and has no column"
        mend = f"Name it {full}_rel if it is relative to the reference ({own}), {right} if it is absolute"
        self._questions.add(name, "has no unit", mend=mend)

    def _of_an_input(self, name: str, of: str, part: str, unit: str) -> tuple[str, str]:
        """What is said of an input's s.e. of the mean or count: its sd is the error of the very value."""
        spread = next((c for c in self.header if split_part(split_unit(c)[0]) == (of, "sd")), None)
        said = f"{of} is an input, whose sd is the error of its value"
        drop = f"`ignore: [{name}]`"
        if part == "sem" and spread is None:
            return (
                said,
                f"Name it {with_unit(of + '_sd', unit if unit != '1' else '1')}, which an s.e. of the mean is",
            )
        if part == "sem":
            return said, f"Keep this as {spread} if the sd is of single readings, and else write {drop}"
        if spread is None:
            return f"{said}, and a count alone gives none", f"Write {drop}"
        sd, n = (float(np.nanmax(numbers(self._sample(c)[0], self.marks)[0])) for c in (spread, name))
        mean = (
            f"divide {spread} by the root of this, {sd:g} by √{n:g} to {sd / np.sqrt(n):.3g}"
            if n > 0
            else "mend this"
        )
        return said, f"Where {spread} is the scatter of single readings, {mean}; then write {drop}"

    def _unknown(self, name: str, unit: str | None) -> None:
        """A group of rows, a column to ignore, or one to ask about where it may be a quantity."""
        try:
            if not is_in_mM(name):
                check_unit_of(name, place="column")
        except InputError as error:
            raise self.error(error.problem, error.mend or "", name) from None
        nested = is_nested(self.source.type_of(name))
        if is_dose(name) and not nested:
            self.grouping[name] = False
            return
        found = None if nested else only_numbers(self._sample(name)[0])
        values = np.array([]) if found is None else found[~np.isnan(found)]
        numeric = len(values) > 0
        spelled = (
            numeric or not nested and name not in _GROUP_NAMES and numbers_in_words(self._sample(name)[0])
        )
        harmless = is_harmless(name)
        near = None if harmless or is_changed(name) else self._suggestion(name)
        unit = unit or (None if harmless else unit_of(name))
        whole = numeric and bool((values == np.floor(values)).all())
        measured = unit is not None and canonical_unit(unit) in column_units() - {"s"}  # s: a time is a label
        if spelled and (salt := salt_of(name)):
            self._questions.add_salt(name, salt)
        elif spelled and (word := in_doubt(name) or (as_word(name) if measured else None)):
            self._questions.add(name, f"is not a known quantity: {word[0]}", mend=word[1])
        elif measured and (spelled or near):
            self._questions.add_by_name(name, near, self._reading)
        elif whole and self._lacks_count and may_count(name) and not is_list(values):
            of = self._reading[0] if self._reading else ""
            self._questions.add(name, "may be the number of readings behind a mean", of and f"{of}_n")
        elif spelled and name.lower() != "time" and (name not in _GROUP_NAMES or name in _BATHS):
            known = near or is_ion(name.split("_")[0]) or doubtful(name)
            if known and not ((name in _BATHS or is_weak(name)) and is_counting(values)):
                self._questions.add_by_name(name, near, self._reading)
            elif numeric:
                self._others[name] = values
        label = name in _GROUP_NAMES or names_units(name)
        if nested or numeric and not label and not (values == np.floor(values)).all():
            self.ignored.append(name)
        else:
            whole = bool((values == np.floor(values)).all())
            self.grouping[name] = numeric and whole and name not in _GROUP_NAMES

    @cached_property
    def _lacks_count(self) -> bool:
        """Whether the table has no number of readings."""
        parts = {
            split_part(stem)[1] if stem not in PARTS else stem for stem, _ in map(split_unit, self.header)
        }
        return "n" not in parts

    def _suggestion(self, name: str) -> str | None:
        """The column that a name most likely stands for, in the unit that it has."""
        unit, own = split_unit(name)[1], own_name(name)
        of, part = split_part(own or "")
        may = [own] if own and own != name and column_unit(of) and part in ("value", "sd") else []
        known = self._known_columns if unit else [x for x in self._known_columns if x not in _LABELS]
        found = meant(name, [*known, *may])
        return found and (with_unit(found, unit) if unit else named(found, written_name))

    @cached_property
    def _known_columns(self) -> list[str]:
        """Every column that a table may have but for other ions', without units."""
        stems = [*column_names(), *self.extra]
        readings = [*self.observables, *(f"d{o}" for o in self.observables)]
        stems += [stem + "_sd" for stem in stems] + readings
        return [*stems, *(f"{stem}_{part}" for stem in readings for part in PARTS)]

    def name(self, of: str) -> str:
        """The observable or quantity that a column is about: V_m for dV_m."""
        return of[1:] if self.role(of) == "difference" else of
