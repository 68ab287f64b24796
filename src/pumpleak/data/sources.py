"""Where rows come from: Parquet streamed by row groups, everything else held in memory, each with its rows' numbers."""

import copy
import csv
import hashlib
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, InputWarning
from ..files.things import check_thing
from .arrow import blanked, blanks, is_nested, texts
from .header import TOP, check_top, repeated
from .raw import FORMATS, Line, as_text, check_widths, damaged, decoded, first_lines, text_lines, top_of
from .shifts import check_shifts
from .workbook import named_sheet, xlsx_lines

if TYPE_CHECKING:
    import pyarrow

_BATCH = 65_536


class Frame:
    """A table in memory.

    Attributes:
        file, sha256: what it is called in messages, and its digest.
        names: its columns, by the names that they are read by.
        n_rows: its rows.
        written: column -> its name in the file, where that is another.
        left_out: columns of the file that are not among `names`.
        separator: between columns of a text file; empty: it is none; None: its numbers are a program's (Parquet).
    """

    def __init__(
        self,
        table: "pyarrow.Table",
        row: np.ndarray,
        file: str,
        sha256: str,
        separator: str | None = "",
        *,
        written: Mapping[str, str] | None = None,
        left_out: Sequence[str] = (),
    ):
        self._table, self._row, self.file, self.sha256 = table, row, file, sha256
        self.separator = separator
        self.names, self.n_rows = list(table.column_names), len(row)
        self.written, self.left_out = dict(written or {}), tuple(left_out)

    def type_of(self, name: str) -> Any:
        return self._table.schema.field(name).type

    def whole(self) -> "Frame":
        """The table in memory, without rows that are wholly blank."""
        return self

    def blocks(self, columns: list[str]) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        """The whole table in pieces, each with its rows' numbers."""
        bounds = [(a, min(a + _BATCH, self.n_rows)) for a in range(0, self.n_rows, _BATCH)]
        return self.slices(bounds, columns)

    def slices(
        self, bounds: Iterable[tuple[int, int]], columns: list[str]
    ) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        """Rows a … b − 1 for each (a, b) of ascending `bounds`, with their numbers in the file."""
        table = self._table.select(columns)
        for a, b in bounds:
            yield table.slice(a, b - a), self._row[a:b]

    def reordered(self, order: np.ndarray) -> "Frame":
        """The same rows in another order."""
        return self._with(self._table.take(order), self._row[order])

    def renamed(self, read_as: Mapping[str, str], left_out: Sequence[str] = ()) -> "Frame":
        """The same rows, columns under other names, and without some."""
        table = self._table.drop_columns([name for name in left_out if name in self.names])
        other = self._with(
            table.rename_columns([read_as.get(name, name) for name in table.column_names]), self._row
        )
        other.written, other.left_out = _renaming(self, read_as, left_out)
        return other

    def without(self, missing: Sequence[str | float]) -> "Frame":
        """The same with blank cells where one of `missing` stands, as text or as number.

        Raises:
            InputWarning: it stands nowhere.
        """
        blank = [blanked(column, missing) for column in self._table.columns]
        _warn_unseen(missing, [seen for _, seen in blank], self.file)
        other = _frame(
            self.names, [column for column, _ in blank], self._row, self.file, self.sha256, self.separator
        )
        other.written, other.left_out = self.written, self.left_out
        return other

    def _with(self, table: "pyarrow.Table", row: np.ndarray) -> "Frame":
        return Frame(
            table, row, self.file, self.sha256, self.separator, written=self.written, left_out=self.left_out
        )


class ParquetFile:
    """A Parquet file, of which a batch of rows at a time is in memory; attributes and methods as of `Frame`."""

    separator = None
    _missing: tuple[str | float, ...] = ()

    def __init__(self, path: Path, file: str):
        import pyarrow
        import pyarrow.parquet

        self.file, self.sha256 = file, _read(path, file, lambda stream: hashlib.file_digest(stream, "sha256"))
        try:
            self._parquet = pyarrow.parquet.ParquetFile(path)
            columns = {name: name.strip() for name in self._parquet.schema_arrow.names}
            for name in [name for name, bare in columns.items() if not bare]:
                if blanks(self._parquet.read([name]).column(0)).all():
                    del columns[name]
            top = next(self._parquet.iter_batches(TOP, columns=list(columns)), None)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise damaged("Parquet", file, error) from None
        self.names = list(columns.values())
        self.written: dict[str, str] = {}
        self.left_out: tuple[str, ...] = ()
        if top is not None:
            shown = [[""] * len(top) if is_nested(c.type) else texts(c) for c in top.columns]
            check_top(
                [(1, self.names), *((i + 2, row) for i, row in enumerate(zip(*shown, strict=True)))], file
            )
        _check_header(self.names, file)
        self._stored = {bare: name for name, bare in columns.items()}
        meta = self._parquet.metadata
        self.n_rows = meta.num_rows
        sizes = [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]
        self._offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        _not_empty(self.n_rows, file)

    def type_of(self, name: str) -> Any:
        return self._parquet.schema_arrow.field(self._stored[name]).type

    def whole(self) -> Frame:
        blocks = [block for block, _ in self.blocks(self.names)]
        columns = [[block.column(j) for block in blocks] for j in range(len(self.names))]
        frame = _frame(self.names, [_joined(c) for c in columns], None, self.file, self.sha256, None)
        frame.written, frame.left_out = self.written, self.left_out
        return frame

    def renamed(self, read_as: Mapping[str, str], left_out: Sequence[str] = ()) -> "ParquetFile":
        """As `Frame.renamed`."""
        other = copy.copy(self)
        other.written, other.left_out = _renaming(self, read_as, left_out)
        kept = [name for name in self.names if name not in left_out]
        other.names = [read_as.get(name, name) for name in kept]
        other._stored = {read_as.get(name, name): self._stored[name] for name in kept}
        return other

    def without(self, missing: Sequence[str | float]) -> "ParquetFile":
        """As `Frame.without`."""
        seen = [
            blanked(column, missing)[1] for table, _ in self.blocks(self.names) for column in table.columns
        ]
        _warn_unseen(missing, seen, self.file)
        other = copy.copy(self)
        other._missing = tuple(missing)
        return other

    def _batches(self, at: int, columns: list[str]) -> Iterator[tuple[int, "pyarrow.RecordBatch"]]:
        """Batches of rows with their first row's position, from the row group that holds row `at`."""
        import pyarrow

        g = int(np.searchsorted(self._offsets, at, "right")) - 1
        groups, position = list(range(g, len(self._offsets) - 1)), int(self._offsets[g])
        stored = [self._stored[name] for name in columns]
        try:
            for batch in self._parquet.iter_batches(_BATCH, row_groups=groups, columns=stored):
                arrays = [batch.column(name) for name in stored]
                if self._missing:
                    arrays = [blanked(array, self._missing)[0] for array in arrays]
                yield position, pyarrow.RecordBatch.from_arrays(arrays, columns)
                position += len(batch)
        except (pyarrow.ArrowException, OSError) as error:
            raise damaged("Parquet", self.file, error) from None

    def blocks(self, columns: list[str]) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        import pyarrow

        for at, batch in self._batches(0, columns):
            if len(batch):
                yield pyarrow.Table.from_batches([batch]), np.arange(at + 2, at + 2 + len(batch))

    def slices(
        self, bounds: Iterable[tuple[int, int]], columns: list[str]
    ) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        import pyarrow

        stream, held = None, []
        for a, b in bounds:
            stream = self._batches(a, columns) if stream is None else stream
            while not held or held[-1][0] + len(held[-1][1]) < b:
                held.append(next(stream))
            held = [(at, batch) for at, batch in held if at + len(batch) > a]
            parts = [batch.slice(max(a - at, 0), b - max(a, at)) for at, batch in held if at < b]
            yield pyarrow.Table.from_batches(parts), np.arange(a + 2, b + 2)


def _warn_unseen(missing: Sequence[str | float], seen: Iterable[set[str | float]], file: str) -> None:
    """Tell of what stands for a blank and in no cell."""
    for mark in (mark for mark in missing if mark not in set().union(*seen)):
        warnings.warn(InputWarning(f"{file}: `missing` names {mark}, which stands in no cell"), stacklevel=6)


def _renaming(
    source: Frame | ParquetFile, read_as: Mapping[str, str], left_out: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """`written` and `left_out` of a source whose columns get other names, after what they were called before."""
    before: dict[str, str] = {name: str(source.written.get(name, name)) for name in source.names}
    names = {read_as.get(name, name): before[name] for name in source.names if name not in left_out}
    written = {name: there for name, there in names.items() if name != there}
    return written, (*source.left_out, *(before.get(name, name) for name in left_out))


def open_source(source: Any, file_label: str | None = None, sheet: str | None = None) -> Frame | ParquetFile:
    """A table file, or a pandas DataFrame, as rows on demand. Columns without a name and content are left out, and
    (but for Parquet, which `whole` is for) wholly blank rows.

    Args:
        source: path of a .csv, .tsv, .txt, .parquet or .xlsx file (``book.xlsx#Sheet``: that sheet), or a DataFrame (its index
            has no name and is ignored).
        file_label: what to call the table in messages; default the path, or ``<DataFrame>``.
        sheet: sheet of an XLSX file; default the first that is not empty.

    Raises:
        InputError: the file is missing, damaged, empty, ragged, not UTF-8 or of another format; a column
            has no name or the name of another.
        InputWarning: an XLSX file holds other sheets, which were not read.
    """
    if hasattr(source, "columns") and hasattr(source, "iloc"):
        return _data_frame(source, file_label or "<DataFrame>")
    if not isinstance(source, str | Path):
        raise InputError(
            f"a table cannot be read from {type(source).__name__}", mend="Give a path or a pandas DataFrame"
        )
    path, named = named_sheet(source)
    file, sheet = file_label or str(source), sheet or named
    ending = path.suffix.lower()
    if ending in (".parquet", ".pq"):
        return ParquetFile(path, file)
    if ending in (".csv", ".txt", ".tsv", ".tab"):
        return _text_frame(_read(path, file), file, tabs=ending in (".tsv", ".tab"))
    if ending in (".xlsx", ".xlsm"):
        data = _read(path, file)
        return _frame_of_lines(xlsx_lines(data, file, sheet), file, data, "")
    what = f"'{path.suffix}' is not a table format that is read" if path.suffix else "the name has no ending"
    _read(path, file)
    raise InputError(f"{what} ({FORMATS})", mend=f"Save the table as {FORMATS}", file=file)


def _read(path: Path, file: str, how: Any = None) -> Any:
    check_thing(path, "table", file)
    try:
        with path.open("rb") as stream:
            return stream.read() if how is None else how(stream).hexdigest()
    except FileNotFoundError:
        raise InputError("there is no such file", mend="Check the path", file=file) from None
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", mend="Give a readable file", file=file
        ) from None


def _text_frame(data: bytes, file: str, tabs: bool) -> Frame:
    """A CSV or TSV file by Arrow's reader where its lines are plain, else by the slow exact one."""
    import pyarrow
    import pyarrow.csv

    text = decoded(data, file)
    top = top_of(text, file, tabs)
    check_top(first_lines(text, file, top, TOP), file)
    names = top.header.split(top.separator)
    quoted = b'"' in data or b"\r" in data.replace(b"\r\n", b"")
    if top.header and not (quoted or re.search(rb"(?m)^[\s,;]*$", data.rstrip())):
        stored = [str(j) for j in range(len(names))]
        try:
            table = pyarrow.csv.read_csv(
                io.BytesIO(data),
                pyarrow.csv.ReadOptions(skip_rows=top.skipped + 1, column_names=stored),
                pyarrow.csv.ParseOptions(delimiter=top.separator),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(stored, pyarrow.string()), strings_can_be_null=False
                ),
            )
        except pyarrow.ArrowException:
            table = []
        if len(table) == data.count(b"\n") + (not data.endswith(b"\n")) - top.skipped - 1 > 0:
            row = np.arange(top.skipped + 2, top.skipped + 2 + len(table))
            return _text_columns(names, table.columns, row, file, data, top.separator)
    return _frame_of_lines(text_lines(text, file, top), file, data, top.separator)


def _text_columns(names, columns, row: np.ndarray, file: str, data: bytes, separator: str) -> Frame:
    if separator == ",":
        check_shifts([name.strip() for name in names], columns, row, file)
    return _frame(names, columns, row, file, hashlib.sha256(data).hexdigest(), separator)


def _frame_of_lines(lines: list[Line], file: str, data: bytes, separator: str) -> Frame:
    """A frame of lines of text with their numbers, the header first."""
    import pyarrow

    if len(lines) < 2:
        raise InputError("the table is empty", mend="Give a header and at least one row", file=file)
    check_widths(lines, file, separator)
    (_, header), *body = lines
    columns = [pyarrow.array(c, pyarrow.string()) for c in zip(*(f for _, f in body), strict=True)]
    return _text_columns(header, columns, np.array([row for row, _ in body], int), file, data, separator)


def _data_frame(source: Any, file: str) -> Frame:
    if any(isinstance(name, tuple) for name in source.columns):
        mend = "Give it one row of names, e.g. frame.columns = frame.columns.get_level_values(-1)"
        raise InputError("the columns have names of several levels", mend=mend, file=file)
    if unread := [str(name) for name in source.index.names if name is not None]:
        problem = f"the index holds {' and '.join(unread)}, and an index is not read"
        raise InputError(problem, mend="Make it a column: frame.reset_index()", file=file)
    names = [str(name) for name in source.columns]
    columns = [source.iloc[:, j] for j in range(source.shape[1])]
    texts = [[as_text(value) for value in column.tolist()] for column in columns]
    stream = io.StringIO()
    csv.writer(stream).writerows([names, *zip(*texts, strict=True)])
    sha256 = hashlib.sha256(stream.getvalue().encode()).hexdigest()
    check_top(
        [(1, names), *((i + 2, row) for i, row in enumerate(islice(zip(*texts, strict=True), TOP)))], file
    )
    arrays = [_typed(column, text) for column, text in zip(columns, texts, strict=True)]
    return _frame(names, arrays, None, file, sha256)


def _typed(column: Any, text: list[str]) -> Any:
    """A column of a DataFrame as Arrow has it; as text, where it holds texts and numbers."""
    import pyarrow

    try:
        array = pyarrow.array(column, from_pandas=True)
    except (pyarrow.ArrowException, OverflowError, TypeError, ValueError):
        return pyarrow.array(text, pyarrow.string())
    extended = isinstance(array.type, pyarrow.BaseExtensionType)
    return pyarrow.array(text, pyarrow.string()) if extended else array


def _joined(chunks: list[Any]) -> Any:
    import pyarrow

    return pyarrow.chunked_array([part for c in chunks for part in c.chunks])


def _frame(
    header: Sequence[str],
    columns: Sequence[Any],
    row: Any,
    file: str,
    sha256: str,
    separator: str | None = "",
) -> Frame:
    """A frame of columns, without what is wholly blank; `row` are its rows' numbers, default from 2 on."""
    import pyarrow

    names = [name.strip() for name in header]
    kept = [j for j, name in enumerate(names) if name or not blanks(columns[j]).all()]
    names = [names[j] for j in kept]
    _check_header(names, file)
    table = pyarrow.table([columns[j] for j in kept], names)
    row = np.arange(2, 2 + len(table)) if row is None else row
    blank = np.arange(len(table))
    for column in table.columns:
        blank = blank[blanks(column if len(blank) == len(table) else column.take(blank))]
        if not len(blank):
            return Frame(table, row, file, sha256, separator)
    filled = np.setdiff1d(np.arange(len(table)), blank)
    _not_empty(len(filled), file)
    return Frame(table.take(filled), row[filled], file, sha256, separator)


def _check_header(names: list[str], file: str) -> None:
    for j, name in enumerate(names):
        if not name:
            raise InputError(
                f"column {j + 1} has no name", mend="Name it, or drop it if it is a row index", file=file
            )
        if name in names[:j]:
            raise repeated(name, names.count(name), file)


def _not_empty(n: int, file: str) -> None:
    if not n:
        raise InputError("the table is empty", mend="Give at least one row that is not blank", file=file)
