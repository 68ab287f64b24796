"""Measured potentials: tidy tables in, validated arrays in the project's units out.

One row is one condition and holds at most one reading per observable. Columns say what they are by
name, and in which unit by their ending (`quantities.units` has the table):

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

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError, InputWarning
from ..quantities.names import PARTS, kind
from ..quantities.units import canonical_unit, spread_to_canonical, to_canonical, with_unit
from .columns import NUMBER, Column, Columns, named, not_a_number, plain_digits, reference_fault
from .raw import RawTable, read_raw

if TYPE_CHECKING:
    import pandas


class Reading(NamedTuple):
    """Readings of one kind [its canonical unit], each (...); NaN where there is none."""

    value: np.ndarray
    sd: np.ndarray
    sem: np.ndarray
    n: np.ndarray


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

    Example:
        >>> from pumpleak import load_dataset
        >>> table = load_dataset("textbook_resting")
        >>> print(table.labels, table.quantities["Na_o"], table.units["Na_o"])
        ('textbook',) [145.] mM
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

    def readings_of(self, observable: str, *, differences: bool = False) -> tuple[Reading, np.ndarray]:
        """An observable's plain readings or its differences, each (n,), and the row of each."""
        chosen = np.array([o == observable for o in self.observable], bool)
        chosen &= (self.reference >= 0) == differences
        return Reading(*(getattr(self, part)[chosen] for part in Reading._fields)), self.row[chosen]

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

    Returns:
        The `Measurements`: a row for each of the table's that is not blank.

    Raises:
        InputError: anything in the table is not right; the message names file, row, column and mend.
        InputWarning: an XLSX file holds other sheets, which were not read.

    Example:
        >>> import pandas as pd
        >>> table = read_table(pd.DataFrame({"T_degC": [37.0], "K_o_mM": [4.0], "V_m_V": [-0.07], "sem_V": [0.001]}))
        >>> print(table.quantities["T"], table.value, table.sem)
        [310.15] [-70.] [1.]
    """
    raw = read_raw(source, file_label, sheet)
    table = _Table(raw.file, raw.header, tuple(observables), frozenset(quantities), raw)
    if require_readings and not len(table.readings["value"]):
        wanted = " or ".join(named(o) for o in observables)
        raise InputError("the table holds no reading", mend=f"Add a column {wanted}", file=raw.file)
    return table.measurements()


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

    def _numbers(self, column: Column) -> np.ndarray:
        return np.array([self._number(column, i, t) for i, t in enumerate(self.texts(column.index))], float)

    def _number(self, column: Column, i: int, text: str) -> float:
        plain = plain_digits(text)
        if not plain:
            return math.nan
        if NUMBER.fullmatch(plain) and math.isfinite(float(plain)):
            return float(plain)
        problem, mend = not_a_number(text, plain, column)
        raise self.row_error(problem, mend, column.name, i)

    def _warn_of_volts(self, column: Column, numbers: np.ndarray) -> None:
        present = np.flatnonzero(np.abs(numbers) > 0)
        if kind(column.of).unit != "mV" or len(present) < 3 or np.median(np.abs(numbers[present])) <= 5:
            return
        for i in present[np.abs(numbers[present]) < 0.2]:
            doubt = self.row_error(
                f"{self._quote(column, i)} looks like volts among millivolts",
                "Check it; it is used as it stands",
                column.name,
                i,
            )
            warnings.warn(InputWarning(str(doubt)), stacklevel=2)

    def _quote(self, column: Column, i: int) -> str:
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
        for part in PARTS:
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
            if p == part and self.role(of) == "quantity"
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
            **{name: np.array(readings[name], float) for name in ("value", *PARTS)},
            file=self.raw.file,
            sha256=self.raw.sha256,
            file_rows=np.array(self.raw.rows, int),
            ignored=tuple(self.ignored),
        )
