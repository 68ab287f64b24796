"""Measured potentials: tidy tables in, validated arrays in the project's units out.

One row is one condition and holds at most one reading per observable. Columns say what they are by
name, and in which unit by their ending (`quantities.units` has the table):

- ``label``: the row's name; without one it is called ``row 2``, after its row in the file.
- ``V_m_mV``, ``V_m_V``: a reading. ``dV_m_mV`` with a column ``reference``: a paired difference from the
  row of that label; several from one row may share its error (`references` of `read_table`).
- ``V_m_sd_mV``, ``V_m_sem_mV``, ``V_m_n``: its spread and number; with one reading column ``sd_mV``,
  ``sem_mV`` and ``n`` do.
- ``K_o_mM``, ``aK_i_mM``, ``T_degC``, ``P_Na_rel``, ``pump``, ``LJP_mV`` …: what was imposed or known,
  and ``K_o_sd_mM`` … its standard deviation where it was itself measured.
- text, whole numbers without a unit and names such as ``cell`` or ``solution``: labels that group rows.

A blank cell is a missing value, and so is what `missing` names. Decimals have a point, or a comma where all numbers of
the file show that it is one; every dash is a minus sign. Rows are counted as a reader of the file counts them: the line number in
a text file (comment lines included), the sheet's row in XLSX, and in Parquet or a DataFrame the header is
row 1.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, InputWarning
from ..quantities.names import kind
from ..quantities.plausible import doubt
from ..quantities.units import split_unit, with_unit
from ..text import counted, listing
from .cell_rows import CellRows, Reading, RowReader
from .columns import Columns, named
from .near_names import near_names
from .questions import Question
from .summaries import check_summaries
from .value_faults import Fault
from .wanted import AS_IT_STANDS, Wanted

if TYPE_CHECKING:
    import pandas


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
        read: columns that were read, as the file calls them -> as what, ``K_o [mM]``.
        ignored: columns that were not read.
        wanted: what was said of its columns and blanks.
        notes: how numbers were read, where that needs to be said.
        questions: columns that may be a quantity, where they were not asked about.

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
    read: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    wanted: Wanted = AS_IT_STANDS
    notes: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def observables(self) -> tuple[str, ...]:
        """What is read, each once, in the table's order; without any reading, as a plan has none, what has a blank column
        for it, or V_m."""
        columns = [name for name in self.units if name not in self.quantities]
        return tuple(dict.fromkeys(self.observable or columns)) or ("V_m",)

    def __repr__(self) -> str:
        seen = ", ".join(dict.fromkeys(self.observable)) or "nothing"
        return (
            f"Measurements({self.file}: {counted(len(self.labels), 'row')}, {counted(len(self.value), 'reading')} of {seen}; "
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
    columns: Mapping[str, str] | None = None,
    ignore: Iterable[str] = (),
    missing: Iterable[str | float] | None = None,
    references: str | None = None,
) -> Measurements:
    """A table of measurements, checked cell by cell and converted to canonical units.

    Args:
        source: path of a CSV, TSV, Parquet or XLSX file (``book.xlsx#Sheet``: that sheet), or a pandas DataFrame.
        observables: what counts as a reading (``V_m``, ``E_K``, ``K_i`` …); other potentials are ignored.
        file_label: what to call the table in messages; default its path.
        quantities: names of further inputs than those known here (``ouabain`` for ``ouabain_uM``).
        require_readings: whether a table without a single reading is an error.
        sheet: sheet of an XLSX file; default the first that is not empty.
        columns: a column's name in the file -> the name it is read by: ``{"[K+]o": "K_o_mM"}``.
        ignore: columns that are left out.
        missing: what stands for a blank cell, as text or as number: ``(-99, "n.d.")``; ``()`` says that nothing does,
            where a number such as -99 is asked about.
        references: of several differences from one row: ``own``, each has a reading of its own there, so that their errors
            are independent; ``shared``, all were taken from the reading that the table gives there, whose error they share.

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
    blank = None if missing is None else tuple(missing)
    wanted = Wanted(dict(columns or {}), tuple(ignore), blank, references=references)
    m = read_wanted(source, observables, file_label, quantities=quantities, sheet=sheet, wanted=wanted)
    if require_readings:
        check_any_reading(m, observables)
    return m


def read_wanted(
    source: Any,
    observables: Sequence[str],
    file_label: str | None = None,
    *,
    wanted: Wanted,
    quantities: Iterable[str] = (),
    sheet: str | None = None,
) -> Measurements:
    """`read_table`, of a table that may hold no reading.

    Args:
        source, observables, file_label, quantities, sheet: as `read_table` takes them.
        wanted: what is said of the table beside it.

    Raises:
        InputError: as `read_table`.
    """
    opened = wanted.open(source, file_label, sheet).whole()
    columns = Columns(opened, tuple(observables), frozenset(quantities), wanted=wanted)
    check_summaries(columns)
    ((table, row),) = columns.source.slices([(0, opened.n_rows)], columns.needed)
    reader = RowReader(columns, table, row, np.array([0, len(row)]))
    for fault in reader.faults():
        raise reader.error(fault)
    _warn_of_volts(reader)
    _warn_of_doubts(reader)
    return _measurements(reader.rows(np.array([""]), []), columns)


def check_any_reading(m: Measurements, observables: Sequence[str]) -> None:
    """Refuse a table without a single reading.

    Raises:
        InputError: says which columns would hold one.
    """
    if not len(m.value):
        names = " or ".join(named(o) for o in observables)
        read = [split_unit(name)[0] for name in m.ignored]
        read = [o for o in read if kind(o).what in ("potential", "dye", "volume")]
        other = f", or say what was read: `observables: [{', '.join(read)}]`" if read else ""
        raise InputError(
            f"the table holds no reading of {listing(observables)}{f', but {listing(read)}' if read else ''}",
            mend=f"Add a column {names}{other}",
            file=m.file,
        )


def _warn_of_volts(reader: RowReader) -> None:
    """Warn of a reading that looks like volts among millivolts."""
    for (of, part), column in reader.columns.columns.items():
        if part != "value" or of not in reader.columns.observables or column.unit != "mV":
            continue
        size = np.abs(reader.numbers_of(of))
        present = np.flatnonzero(size > 0)
        if kind(of).unit != "mV" or len(present) < 3 or np.median(size[present]) <= 5:
            continue
        for i in present[size[present] < 0.2]:
            problem = f"{reader.quote(column, i)} looks like volts among millivolts"
            doubt = reader.error(Fault(int(i), column.name, problem, "Check it; it is used as it stands"))
            warnings.warn(InputWarning(str(doubt)), stacklevel=4)


def _warn_of_doubts(reader: RowReader) -> None:
    """Warn of a concentration that is lawful but probably not meant in its unit."""
    for (of, part), column in reader.columns.columns.items():
        found = doubt(kind(of), reader.numbers_of(of), column.unit, of) if part == "value" else None
        if found is not None:
            problem = f"{reader.quote(column, found.at)} {found.problem}"
            warning = reader.error(Fault(found.at, column.name, problem, found.mend))
            warnings.warn(InputWarning(str(warning)), stacklevel=4)


def _measurements(rows: CellRows, columns: Columns) -> Measurements:
    """The only cell of a table, reading by reading: row by row, and in a row by observable, its difference last."""
    kinds = [(o, d) for o in columns.observables for d in (False, True)]
    kinds = [(o, d) for o, d in kinds if o in (rows.differences if d else rows.readings)]
    found = [(rows.differences if d else rows.readings)[o] for o, d in kinds]
    parts = {
        part: np.array([getattr(r, part) for r in found]).reshape(len(kinds), len(rows.row))
        for part in Reading._fields
    }
    row, k = np.nonzero(~np.isnan(parts["value"].T))
    paired = np.array([d for _, d in kinds], bool)
    assert rows.labels is not None
    groups = {name: tuple(texts) for name, texts in rows.groups.items()}
    return Measurements(
        labels=tuple(rows.labels),
        quantities=rows.quantities,
        quantity_sd=rows.quantity_sd,
        groups=groups,
        units=columns.units,
        observable=tuple(kinds[j][0] for j in k),
        row=row,
        reference=np.where(paired[k], rows.reference[row], -1),
        **{part: values[k, row] for part, values in parts.items()},
        file=columns.source.file,
        sha256=columns.source.sha256,
        file_rows=rows.row,
        read=columns.read,
        ignored=columns.unread,
        wanted=columns.wanted,
        notes=(*columns.notes, *near_names(groups, columns.source.file)),
        questions=tuple(columns.questions),
    )
