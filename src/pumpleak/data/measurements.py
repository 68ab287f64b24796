"""Measured potentials: tidy tables in, validated arrays in the project's units out.

One row is one condition and holds at most one reading per observable. Columns say what they are by
name, and in which unit by their ending (`units` has the table):

- ``label``: the row's name; without one it is called ``row 2``, after its row in the file.
- ``V_m_mV``, ``V_m_V``: a reading. ``dV_m_mV`` with a column ``reference``: a paired difference from the
  row of that label.
- ``V_m_sd_mV``, ``V_m_sem_mV``, ``V_m_n``: its spread and number; with one reading column ``sd_mV``,
  ``sem_mV`` and ``n`` do.
- ``K_o_mM``, ``aK_i_mM``, ``T_degC``, ``P_Na_rel``, ``pump``, ``LJP_mV`` …: what was imposed or known,
  and ``K_o_sd_mM`` … its standard deviation where it was itself measured.
- text, whole numbers without a unit and names such as ``cell`` or ``solution``: labels that group rows.

A blank cell is a missing value. Rows are counted as a reader of the file counts them: the line number in
a text file (comment lines included), the sheet's row in XLSX, and in Parquet or a DataFrame the header is
row 1.
"""

import difflib
import math
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError, InputWarning, nearest
from ..quantities.units import canonical_unit, split_unit, spread_to_canonical, to_canonical, with_unit
from .raw import RawTable, read_raw

if TYPE_CHECKING:
    import pandas

_IONS = ("K", "Na", "Cl", "Ca", "Mg", "HCO3")  # those that a mistyped name is compared with
_DIMENSIONLESS = ("pump", "gamma_o", "gamma_i", "r")
_OF_ELECTRODE = {"shunt_rel": "1", "E_shunt": "mV", "drift": "mV/min", "drift_row": "mV", "time": "s"}
_OF_ELECTRODE |= {"K_pipette": "mM", "dye_F0": "1", "dye_slope": "1"}
_PARTS = ("sd", "sem", "n")
_GROUP_NAMES = (
    "solution saline bath series group condition treatment drug experiment preparation batch day date "
    "protocol baseline animal species cell fibre fiber well plate electrode pipette n_fibre n_cell"
).split()
_SYNONYMS = {
    "V_m": "vm em e_m vrest v_rest erest e_rest em_rest rmp mp pd potential".split(),
    "T": "temp temperature".split(),
}
_MAX_MV = 300.0
_MAX_MM = 5000.0
_T_RANGE_DEGC = (-5.0, 60.0)


@dataclass(frozen=True, eq=False, repr=False)
class Measurements:
    """A validated table: R rows (conditions) and N readings, in canonical units, NaN where unknown.

    Attributes:
        labels: names of the rows, (R).
        quantities: inputs by name (``K_o``, ``T``, ``P_Na_rel`` …), each (R,).
        quantity_sd: standard deviations of inputs that were themselves measured, each (R,).
        groups: text columns by name (``solution``, ``cell`` …), each (R); blank is ''.
        units: canonical unit of every quantity and observable.
        observable: what was read (``V_m`` …), (N).
        row: row of each reading, int (N,).
        reference: row that a paired difference is taken from, int (N,); -1 for a plain reading.
        value: the reading or difference, (N,).
        sd: standard deviation of single readings, (N,).
        sem: standard error of the mean, (N,).
        n: number of readings behind the value, (N,).
        file: where the table came from.
        sha256: of the file's bytes, or of a DataFrame as CSV; a selection keeps its table's.
        file_rows: row numbers in the file, int (R,).
        ignored: columns that were not read.
    """

    labels: tuple[str, ...]
    quantities: dict[str, np.ndarray]
    quantity_sd: dict[str, np.ndarray]
    groups: dict[str, tuple[str, ...]]
    units: dict[str, str]
    observable: tuple[str, ...]
    row: np.ndarray
    reference: np.ndarray
    value: np.ndarray
    sd: np.ndarray
    sem: np.ndarray
    n: np.ndarray
    file: str
    sha256: str
    file_rows: np.ndarray
    ignored: tuple[str, ...] = ()

    def __repr__(self) -> str:
        seen = ", ".join(dict.fromkeys(self.observable)) or "nothing"
        return (
            f"Measurements({self.file}: {len(self.labels)} rows, {len(self.value)} readings of {seen}; "
            f"inputs {', '.join(self.quantities) or 'none'})"
        )

    def select(self, mask: Any = None, *, readings: Any = None) -> "Measurements":
        """The table with some rows or some readings only.

        Args:
            mask: rows to keep, bool (R,). The reference row of a kept difference stays, without its own
                readings where it was not asked for.
            readings: readings to keep, bool (N,), after `mask`'s rows; rows stay, so conditions without a
                reading may result.

        Raises:
            InputError: a mask has another length or is not boolean.
        """
        rows = _mask(mask, len(self.labels), "rows")
        keep = _mask(readings, len(self.value), "readings") & rows[self.row]
        rows = rows.copy()
        references = self.reference[keep]
        rows[references[references >= 0]] = True
        new_row = np.append(np.cumsum(rows) - 1, -1)  # the last entry serves reference -1
        return replace(
            self,
            labels=_pick(self.labels, rows),
            quantities={k: v[rows] for k, v in self.quantities.items()},
            quantity_sd={k: v[rows] for k, v in self.quantity_sd.items()},
            groups={k: _pick(v, rows) for k, v in self.groups.items()},
            observable=_pick(self.observable, keep),
            row=new_row[self.row[keep]],
            reference=new_row[references],
            value=self.value[keep],
            sd=self.sd[keep],
            sem=self.sem[keep],
            n=self.n[keep],
            file_rows=self.file_rows[rows],
        )

    def to_frame(self) -> "pandas.DataFrame":
        """A tidy pandas DataFrame in canonical units, which `read_table` reads to the same table."""
        import pandas

        columns: dict[str, Any] = {"label": list(self.labels)}
        columns |= {name: list(texts) for name, texts in self.groups.items()}
        if (self.reference >= 0).any():
            texts = [""] * len(self.labels)
            for row, reference in zip(self.row, self.reference, strict=True):
                if reference >= 0:
                    texts[row] = self.labels[reference]
            columns["reference"] = texts
        for name, values in self.quantities.items():
            columns[with_unit(name, self.units[name])] = values
            if name in self.quantity_sd:
                columns[with_unit(name + "_sd", self.units[name])] = self.quantity_sd[name]
        for name in dict.fromkeys(self.observable):
            columns |= self._reading_columns(name, False) | self._reading_columns(name, True)
        return pandas.DataFrame(columns)

    def _reading_columns(self, name: str, differences: bool) -> dict[str, np.ndarray]:
        chosen = (np.array(self.observable) == name) & ((self.reference >= 0) == differences)
        stem, unit = ("d" if differences else "") + name, self.units[name]
        parts = {
            with_unit(stem, unit): self.value,
            with_unit(stem + "_sd", unit): self.sd,
            with_unit(stem + "_sem", unit): self.sem,
            stem + "_n": self.n,
        }
        columns = {}
        for column, values in parts.items():
            if not np.isnan(values[chosen]).all():
                columns[column] = np.full(len(self.labels), np.nan)
                columns[column][self.row[chosen]] = values[chosen]
        return columns


def _mask(mask: Any, length: int, what: str) -> np.ndarray:
    if mask is None:
        return np.ones(length, bool)
    array = np.asarray(mask)
    if array.dtype != bool or array.shape != (length,):
        raise InputError(
            f"a mask of {what} has type {array.dtype} and shape {array.shape}",
            mend=f"Give {length} booleans",
        )
    return array


def _pick(texts: Sequence[str], mask: np.ndarray) -> tuple[str, ...]:
    return tuple(text for text, kept in zip(texts, mask, strict=True) if kept)


def read_table(
    source: Any,
    observables: Sequence[str] = ("V_m",),
    file_label: str | None = None,
    *,
    quantities: Iterable[str] = (),
    require_readings: bool = True,
    sheet: str | None = None,
) -> Measurements:
    """A table of measurements, checked cell by cell and converted to canonical units.

    Args:
        source: path of a CSV, TSV, Parquet or XLSX file, or a pandas DataFrame.
        observables: what counts as a reading (``V_m``, ``E_K``, ``K_i`` …); other potentials are ignored.
        file_label: what to call the table in messages; default its path.
        quantities: names of further inputs than those known here (``ouabain`` for ``ouabain_uM``).
        require_readings: whether a table without a single reading is an error.
        sheet: sheet of an XLSX file; default the first that is not empty.

    Raises:
        InputError: anything in the table is not right; the message names file, row, column and mend.
        InputWarning: an XLSX file holds other sheets, which were not read.
    """
    raw = read_raw(source, file_label, sheet)
    table = _Table(raw.file, raw.header, tuple(observables), frozenset(quantities), raw)
    if require_readings and not len(table.readings["value"]):
        wanted = " or ".join(with_unit(o, _dimension(o) or "1") for o in observables)
        raise InputError("the table holds no reading", mend=f"Add a column {wanted}", file=raw.file)
    return table.measurements()


@dataclass(frozen=True)
class _Column:
    """What a column holds: the value, sd, sem or n (`part`) of `of`, in `unit`."""

    index: int
    name: str
    of: str
    part: str
    unit: str


class Fault(NamedTuple):
    """A value that cannot be: which row (counted from 0) of which column, why, and the mend."""

    row: int
    column: str
    problem: str
    mend: str


Numbers = Mapping[tuple[str, str], np.ndarray]
Quote = Callable[[_Column, int], str]


@dataclass
class Columns(ABC):
    """What the columns of a table are, and which of their values cannot be; a subclass holds the values.

    Attributes:
        file, header: the table's name and its columns'.
        observables, extra: what counts as a reading, and further inputs.
        columns: (quantity or reading, part) -> its column.
        grouping: text columns by name -> whether they hold whole numbers.
        ignored: columns that are not read.
    """

    file: str
    header: list[str]
    observables: tuple[str, ...]
    extra: frozenset[str]
    columns: dict[tuple[str, str], _Column] = field(default_factory=dict, init=False)
    grouping: dict[str, bool] = field(default_factory=dict, init=False)
    ignored: list[str] = field(default_factory=list, init=False)

    def classify(self) -> None:
        """Decides what every column is.

        Raises:
            InputError: a name is mistyped, has no unit or another quantity's, or stands for two things.
        """
        for j, name in enumerate(self.header):
            self._classify(j, name)
        for (of, part), column in self.columns.items():
            if part != "value" and (of, "value") not in self.columns:
                value = with_unit(of, _dimension(_base(of)) or "1")
                raise self.error(
                    f"there is no column {value} that it belongs to", f"Add {value}", column.name
                )

    @abstractmethod
    def texts(self, j: int) -> list[str]:
        """Values of column j, or of some of its rows, as text."""

    def error(self, problem: str, mend: str, column: str, row: int | None = None) -> InputError:
        return InputError(problem, mend=mend, file=self.file, row=row, column=column)

    # What a column is.

    def kind(self, stem: str) -> str | None:
        if stem in self.observables:
            return "reading"
        if stem[:1] == "d" and stem[1:] in self.observables:
            return "difference"
        if stem in self.extra:
            return "quantity"
        base = stem.removeprefix("d")
        if base in ("V_m", "V_patch") or (base.startswith("E_") and _is_ion(base[2:])):
            return "unread"
        return "quantity" if _dimension(stem) else None

    def _classify(self, j: int, name: str) -> None:
        if name in ("label", "reference"):
            return
        stem, unit = split_unit(name)
        of, part = stem, "value"
        if stem in _PARTS:
            of, part = self._short_form(name, stem), stem
        elif not self.kind(stem):
            base, _, last = stem.rpartition("_")
            if last in _PARTS and self.kind(base):
                of, part = base, last
        kind = self.kind(of) if of else "unread"
        if of == "time" and unit is None:  # a time of day, or a number of a session: a label
            kind = None
        if kind is None:
            self._unknown(j, name, unit)
        elif kind == "unread":
            self.ignored.append(name)
        else:
            self._add(j, name, of, part, unit, kind)

    def _short_form(self, name: str, part: str) -> str:
        """The only reading column of the table, which a bare sd, sem or n belongs to; '' without any."""
        stems = [split_unit(other)[0] for other in self.header]
        owners = [stem for stem in stems if self.kind(stem) in ("reading", "difference")]
        if len(owners) > 1:
            choice = " or ".join(f"{owner}_{name}" for owner in owners)
            raise self.error("does not say whose it is", f"Name it {choice}", name)
        return owners[0] if owners else ""

    def _add(self, j: int, name: str, of: str, part: str, unit: str | None, kind: str) -> None:
        expected = _dimension(self.name(of)) or canonical_unit(unit or "1")
        full = of if part == "value" else f"{of}_{part}"
        if part == "n":
            expected = "1"
        if kind == "quantity" and part in ("sem", "n"):
            raise self.error(
                f"{of} is an input, which has an sd only",
                f"Name it {with_unit(of + '_sd', expected)}",
                name,
            )
        if canonical_unit(unit or "1") != expected:
            problem = "has no unit" if unit is None else f"{unit} is not a unit of {full}"
            raise self.error(problem, f"Name it {with_unit(full, expected)}", name)
        if (of, part) in self.columns:
            other = self.columns[of, part].name
            raise self.error(f"holds the same as column {other}", "Keep one of them", name)
        self.columns[of, part] = _Column(j, name, of, part, unit or "1")

    def _unknown(self, j: int, name: str, unit: str | None) -> None:
        """A group of rows, a column to ignore, or an error where it looks like a mistyped quantity."""
        texts = [text for text in self.texts(j) if text]
        numeric = bool(texts) and all(_NUMBER.fullmatch(_plain(text)) for text in texts)
        near = self._suggestion(name)
        timed = unit is not None and canonical_unit(unit) == "s"
        if unit is not None and not timed and (numeric or near):
            raise self.error(
                f"is not a known quantity{near}", "Rename it, or leave the unit out of a label's name", name
            )
        if name in _GROUP_NAMES or not numeric:
            self.grouping[name] = False
        elif self._suggestion(name, 0.75) or _is_ion(name.split("_")[0]):
            raise self.error(f"is not a known quantity{near}", "Give a quantity its name and unit", name)
        elif all(float(_plain(text)).is_integer() for text in texts):
            self.grouping[name] = True
        else:
            self.ignored.append(name)

    def _suggestion(self, name: str, cutoff: float = 0.6) -> str:
        stem = split_unit(name)[0]
        for known, synonyms in _SYNONYMS.items():
            if stem.lower() in synonyms:
                return f" (did you mean '{with_unit(known, _dimension(known) or '1')}'?)"
        known = self._known_columns()
        return nearest(name, known) if difflib.get_close_matches(name, known, n=1, cutoff=cutoff) else ""

    def _known_columns(self) -> list[str]:
        stems = [f"{ion}_{side}" for ion in _IONS for side in "oi"] + [f"a{ion}_i" for ion in _IONS]
        stems += [f"{p}_{ion}_{how}" for p in "Pg" for ion in _IONS for how in ("rel", "scale")]
        stems += ["LJP", "V_offset", "I_pump_rel", "T", *_DIMENSIONLESS, *_OF_ELECTRODE, *self.extra]
        readings = [*self.observables, *(f"d{o}" for o in self.observables)]
        stems += [stem + "_sd" for stem in stems] + readings
        stems += [f"{stem}_{part}" for stem in readings for part in ("sd", "sem")]
        return [with_unit(s, _dimension(_base(s)) or "1") for s in stems] + [f"{s}_n" for s in readings]

    def name(self, of: str) -> str:
        """The observable or quantity that a column is about: V_m for dV_m."""
        return of[1:] if self.kind(of) == "difference" else of

    # What it cannot hold.

    def faults(self, numbers: Numbers, quote: Quote, start: np.ndarray, whole: str) -> Iterator[Fault]:
        """Every value that cannot be.

        Args:
            numbers: by (quantity or reading, part), each (n,); NaN where blank.
            quote: the text of a column's value, with its unit.
            start: (C + 1,) where each of C groups of rows begins (and the last ends); readings of one group
                that are all below 0.2 mV look like volts.
            whole: what such a group is called.
        """
        for key, column in self.columns.items():
            values = numbers[key]
            if column.part == "n":
                yield from _count_faults(column, values, quote)
            elif column.part != "value":
                yield from _spread_faults(column, values, quote)
            else:
                yield from self._value_faults(column, values, quote, start, whole)
        for (of, part), column in self.columns.items():
            if part not in ("value", "n"):
                owner = self.columns[of, "value"]
                for i in np.flatnonzero(~np.isnan(numbers[of, part]) & np.isnan(numbers[of, "value"])):
                    problem = f"{quote(column, i)} is given but {owner.name} is blank"
                    yield Fault(i, column.name, problem, "Fill in both or neither")
        for of, part in self.columns:
            if part == "sem" and (of, "sd") in self.columns:
                yield from self._sem_faults(of, numbers, quote)

    def _value_faults(self, column: _Column, numbers, quote: Quote, start, whole: str) -> Iterator[Fault]:
        base, difference = self.name(column.of), self.kind(column.of) == "difference"
        dimension = _dimension(base)
        if dimension == "mV":
            if base in self.observables and not difference and column.unit == "mV":
                yield from _volt_faults(column, numbers, quote, start, whole)
            yield from _voltage_faults(column, numbers, quote)
        elif dimension == "K" and not difference:
            yield from _temperature_faults(column, numbers, quote)
        elif dimension not in (None, "mV/min") and not difference and base not in ("time", "dye_slope"):
            yield from _negative_faults(column, numbers, quote, dimension)

    def idle_reference(self, text: str) -> tuple[str, str]:
        """Problem and mend of a reference in a row without a difference."""
        column = f"d{self.observables[0]}"
        column = with_unit(column, _dimension(column[1:]) or "1")
        return f"'{text}' is given, but the row holds no difference", f"Fill in {column} or leave it blank"

    def _sem_faults(self, of: str, numbers: Numbers, quote: Quote) -> Iterator[Fault]:
        """sem = sd / sqrt(n), up to 3 % and the rounding of the printed digits."""
        sd, sem = self.columns[of, "sd"], self.columns[of, "sem"]
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


def _count_faults(column: _Column, numbers: np.ndarray, quote: Quote) -> Iterator[Fault]:
    present = ~np.isnan(numbers)
    for i in np.flatnonzero(present & ~((numbers >= 1) & (numbers == np.floor(numbers)))):
        problem = f"{quote(column, i)} is not a whole number >= 1"
        yield Fault(i, column.name, problem, "Give the number of readings behind the value")


def _spread_faults(column: _Column, numbers: np.ndarray, quote: Quote) -> Iterator[Fault]:
    mend = f"Give a {column.part} > 0, or leave the cell blank where there is none"
    for i in np.flatnonzero(numbers <= 0):
        yield Fault(i, column.name, f"{quote(column, i)} is not above 0", mend)


def _volt_faults(column: _Column, numbers, quote: Quote, start, whole: str) -> Iterator[Fault]:
    size = np.where(np.abs(numbers) > 0, np.abs(numbers), 0.0)
    largest = np.maximum.reduceat(size, start[:-1])
    for k in np.flatnonzero((largest > 0) & (largest < 0.2)):
        i = start[k] + int(np.argmax(size[start[k] : start[k + 1]] > 0))
        problem = f"{quote(column, i)} looks like volts, as does every value of the {whole}"
        yield Fault(i, column.name, problem, f"Name the column {column.name.removesuffix('mV')}V")


def _voltage_faults(column: _Column, numbers: np.ndarray, quote: Quote) -> Iterator[Fault]:
    mend = f"A membrane potential lies within ±{_MAX_MV:g} mV"
    if column.unit == "V":
        mend = f"If it is in mV, name the column {column.name.removesuffix('V')}mV"
    for i in np.flatnonzero(np.abs(to_canonical(numbers, column.unit)[0]) > _MAX_MV):
        yield Fault(i, column.name, f"{quote(column, i)} is too large", mend)


def _temperature_faults(column: _Column, numbers: np.ndarray, quote: Quote) -> Iterator[Fault]:
    degC = to_canonical(numbers, column.unit)[0] - 273.15
    low, high = _T_RANGE_DEGC
    for i in np.flatnonzero((degC < low) | (degC > high)):
        problem, mend = "is no temperature of a living cell", f"Give one from {low:g} to {high:g} degC"
        if column.unit == "K" and numbers[i] < 200:
            problem, mend = "looks like degC", "Name the column T_degC"
        elif column.unit == "degC" and numbers[i] > 200:
            problem, mend = "looks like kelvin", "Name the column T_K"
        yield Fault(i, column.name, f"{quote(column, i)} {problem}", mend)


def _negative_faults(column: _Column, numbers, quote: Quote, dimension: str) -> Iterator[Fault]:
    what = "a concentration" if dimension == "mM" else "a number"
    for i in np.flatnonzero(numbers < 0):
        yield Fault(i, column.name, f"{quote(column, i)} is negative", f"Give {what} >= 0")
    if column.of in ("r", "gamma_o", "gamma_i"):
        for i in np.flatnonzero(numbers == 0):
            yield Fault(i, column.name, f"{quote(column, i)} is not above 0", "Give a number > 0")
    if dimension == "mM":
        for i in np.flatnonzero(to_canonical(numbers, column.unit)[0] > _MAX_MM):
            problem = f"{quote(column, i)} is more than water dissolves of a salt"
            yield Fault(i, column.name, problem, "Name the column by the unit of its values")


def reference_fault(text: str, labels: Sequence[str], rows: Sequence[int], i: int) -> tuple[str, str] | None:
    """Problem and mend of a difference whose reference is not exactly one other row; else None.

    Args:
        text: the reference as written.
        labels, rows: of the rows it may be.
        i: position of the difference's own row among them.
    """
    found = [k for k, label in enumerate(labels) if label == text]
    if not text:
        return "is blank, but the row holds a difference", "Give a row's label"
    if not found:
        return f"no row has the label '{text}'{nearest(text, labels)}", "Give a row's label"
    if len(found) > 1:
        several = " and ".join(str(rows[k]) for k in found)
        return f"rows {several} share the label '{text}'", "Give each row a label of its own"
    return (f"'{text}' is the row itself", "Give another row's label") if found == [i] else None


@dataclass
class _Table(Columns):
    """A raw table on its way to `Measurements`; keeps the text, so that messages can quote it."""

    raw: RawTable

    def __post_init__(self):
        self.classify()
        self.groups = {name: self._group(name, whole) for name, whole in self.grouping.items()}
        self.numbers = {key: self._numbers(column) for key, column in self.columns.items()}
        for fault in self.faults(self.numbers, self._quote, np.array([0, len(self.raw.rows)]), "column"):
            raise self.row_error(fault.problem, fault.mend, fault.column, fault.row)
        for (of, part), column in self.columns.items():
            if part == "value" and of in self.observables and column.unit == "mV":
                self._warn_of_volts(column, self.numbers[of, part])
        self.labels = self._labels()
        self.readings = self._long_form()

    def texts(self, j: int) -> list[str]:
        return [line[j] for line in self.raw.cells]

    def row_error(self, problem: str, mend: str, column: str, i: int) -> InputError:
        return self.error(problem, mend, column, self.raw.rows[i])

    def _group(self, name: str, whole: bool) -> tuple[str, ...]:
        texts = self.texts(self.header.index(name))
        return tuple(text.removesuffix(".0") if whole else text for text in texts)

    def _numbers(self, column: _Column) -> np.ndarray:
        return np.array([self._number(column, i, t) for i, t in enumerate(self.texts(column.index))], float)

    def _number(self, column: _Column, i: int, text: str) -> float:
        plain = _plain(text)
        if not plain:
            return math.nan
        if _NUMBER.fullmatch(plain) and math.isfinite(float(plain)):
            return float(plain)
        problem, mend = not_a_number(text, plain, column)
        raise self.row_error(problem, mend, column.name, i)

    def _warn_of_volts(self, column: _Column, numbers: np.ndarray) -> None:
        present = np.flatnonzero(np.abs(numbers) > 0)
        if _dimension(column.of) != "mV" or len(present) < 3 or np.median(np.abs(numbers[present])) <= 5:
            return
        for i in present[np.abs(numbers[present]) < 0.2]:
            doubt = self.row_error(
                f"{self._quote(column, i)} looks like volts among millivolts",
                "Check it; it is used as it stands",
                column.name,
                i,
            )
            warnings.warn(InputWarning(str(doubt)), stacklevel=2)

    def _quote(self, column: _Column, i: int) -> str:
        text = self.raw.cells[i][column.index]
        return text if column.unit == "1" else f"{text} {column.unit}"

    # What comes out.

    def _labels(self) -> tuple[str, ...]:
        given = [""] * len(self.raw.rows)
        if "label" in self.raw.header:
            given = self.texts(self.raw.header.index("label"))
        return tuple(text or f"row {row}" for text, row in zip(given, self.raw.rows, strict=True))

    def _reference(self, i: int, column: str) -> int:
        if "reference" not in self.raw.header:
            raise self.row_error(
                "a difference needs to say from which row",
                "Add a column reference with the label of that row",
                column,
                i,
            )
        text = self.raw.cells[i][self.raw.header.index("reference")]
        fault = reference_fault(text, self.labels, self.raw.rows, i)
        if fault is not None:
            raise self.row_error(*fault, "reference", i)
        return self.labels.index(text)

    def _long_form(self) -> dict[str, list]:
        names = ("observable", "row", "reference", "value", "sd", "sem", "n")
        readings: dict[str, list] = {name: [] for name in names}
        differs = np.zeros(len(self.raw.rows), bool)
        for i in range(len(self.raw.rows)):
            for observable in self.observables:
                for of in (observable, f"d{observable}"):
                    if (of, "value") in self.columns and not np.isnan(self.numbers[of, "value"][i]):
                        differs[i] |= of != observable
                        self._append(readings, i, observable, of)
        self._check_idle_references(differs)
        return readings

    def _append(self, readings: dict[str, list], i: int, observable: str, of: str) -> None:
        column = self.columns[of, "value"]
        convert = to_canonical if of == observable else spread_to_canonical
        readings["observable"].append(observable)
        readings["row"].append(i)
        readings["reference"].append(-1 if of == observable else self._reference(i, column.name))
        readings["value"].append(convert(self.numbers[of, "value"][i], column.unit)[0])
        for part in _PARTS:
            spread = self.columns.get((of, part))
            value = math.nan if spread is None else self.numbers[of, part][i]
            readings[part].append(value if spread is None else spread_to_canonical(value, spread.unit)[0])

    def _check_idle_references(self, differs: np.ndarray) -> None:
        if "reference" in self.raw.header:
            for i, text in enumerate(self.texts(self.raw.header.index("reference"))):
                if text and not differs[i]:
                    raise self.row_error(*self.idle_reference(text), "reference", i)

    def _inputs(self, part: str) -> dict[str, np.ndarray]:
        convert = to_canonical if part == "value" else spread_to_canonical
        return {
            of: convert(self.numbers[of, part], column.unit)[0]
            for (of, p), column in self.columns.items()
            if p == part and self.kind(of) == "quantity"
        }

    def measurements(self) -> Measurements:
        readings = self.readings
        units = {self.name(of): canonical_unit(c.unit) for (of, p), c in self.columns.items() if p == "value"}
        return Measurements(
            labels=self.labels,
            quantities=self._inputs("value"),
            quantity_sd=self._inputs("sd"),
            groups=self.groups,
            units=units,
            observable=tuple(readings["observable"]),
            row=np.array(readings["row"], int),
            reference=np.array(readings["reference"], int),
            **{name: np.array(readings[name], float) for name in ("value", *_PARTS)},
            file=self.raw.file,
            sha256=self.raw.sha256,
            file_rows=np.array(self.raw.rows, int),
            ignored=tuple(self.ignored),
        )


def _half_digit(text: str, column: _Column) -> float:
    """Half a unit of the last digit that a cell shows, in canonical units."""
    mantissa, _, exponent = _plain(text).lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return spread_to_canonical(0.5 * 10.0**-digits, column.unit)[0]


def _base(stem: str) -> str:
    """The quantity behind a name: ``dV_m_sem`` is about ``V_m``."""
    base, _, last = stem.rpartition("_")
    name = base if last in _PARTS else stem
    return name[1:] if name[:1] == "d" and _dimension(name) is None else name


def _dimension(name: str) -> str | None:
    """The canonical unit of a known name; None for a name that is not known."""
    if name in ("V_m", "V_patch", "LJP", "V_offset", "I_pump_rel"):
        return "mV"
    if name == "T":
        return "K"
    if name in _DIMENSIONLESS:
        return "1"
    if name in _OF_ELECTRODE:
        return _OF_ELECTRODE[name]
    for pattern, unit in _PATTERNS:
        match = pattern.fullmatch(name)
        if match and _is_ion(match[1]):
            return unit
    return None


_PATTERNS = (
    (re.compile(r"a?(.+)_[oi]"), "mM"),
    (re.compile(r"[Pg]_(.+)_(?:rel|scale)"), "1"),
    (re.compile(r"P_(.+)"), "cm/s"),
    (re.compile(r"g_(.+)"), "mS/cm2"),
    (re.compile(r"E_(.+)"), "mV"),
)


def _is_ion(name: str) -> bool:
    from ..quantities.ions import valence

    try:
        valence(name)
    except InputError:
        return False
    return True


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def _plain(text: str) -> str:
    return text.strip().replace("\u2212", "-")


def not_a_number(text: str, plain: str, column: _Column) -> tuple[str, str]:
    """The problem and the mend for text in a column of numbers."""
    spread = with_unit(f"{column.of}_sd", "1" if column.unit == "1" else column.unit)
    blank = "Leave the cell blank where there is no value"
    if re.fullmatch(r"[+-]?\d+(,\d+)+(\.\d+)?", plain):
        return (
            f"'{text}' is written with a comma",
            f"Write {plain.replace(',', '.')} if it is a decimal comma",
        )
    if re.fullmatch(r"[+-]?(nan|inf(inity)?)|n/?a|n\.?d\.?|none|null|-+|\?|\.", plain, re.IGNORECASE):
        return f"'{text}' is not a number", blank
    if _NUMBER.fullmatch(plain):
        return f"'{text}' is too large for a number", "Check its exponent"
    if "±" in plain or "+/-" in plain or "+-" in plain:
        return f"'{text}' is two numbers", f"Write the spread in a column {spread} (or _sem)"
    if re.match(r"\d{4}-\d\d-\d\d", plain):
        return f"'{text}' is a date", "Turn the cell into a number; spreadsheets take 5.4 for a date"
    if column.of == "pump":
        return f"'{text}' is not a number", "Write 1 for a running and 0 for a blocked pump"
    if re.match(_NUMBER.pattern + r"\s*\D+$", plain):
        return f"'{text}' is not a number", "Write the number alone: its unit stands in the column's name"
    return f"'{text}' is not a number", blank
