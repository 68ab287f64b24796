"""Rows of large tables as Arrow: Parquet streamed by row groups, everything else held in memory."""

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .raw import RawTable, _bytes, _check_header, _damaged, _delimiter, _is_comment, as_text, read_raw

if TYPE_CHECKING:
    import pyarrow

_BATCH = 65_536


class ParquetFile:
    """A Parquet file, of which a batch of rows at a time is in memory.

    Attributes:
        file: what it is called in messages.
        names: its columns.
        n_rows: its rows.
    """

    def __init__(self, path: Path, file: str):
        import pyarrow
        import pyarrow.parquet

        try:
            self._parquet = pyarrow.parquet.ParquetFile(path)
        except FileNotFoundError:
            raise InputError("there is no such file", mend="Check the path", file=file) from None
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise _damaged("Parquet", file, error) from None
        self.file, self._schema = file, self._parquet.schema_arrow
        self.names: list[str] = list(self._schema.names)
        _check_header(self.names, file)
        meta = self._parquet.metadata
        self.n_rows = meta.num_rows
        sizes = [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]
        self._offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        _not_empty(self.n_rows, file)

    def type_of(self, name: str) -> Any:
        return self._schema.field(name).type

    def _batches(self, at: int, columns: list[str]) -> Iterator[tuple[int, "pyarrow.RecordBatch"]]:
        """Batches of rows with their first row's position, from the row group that holds row `at`."""
        import pyarrow

        g = int(np.searchsorted(self._offsets, at, "right")) - 1
        groups, position = list(range(g, len(self._offsets) - 1)), int(self._offsets[g])
        try:
            for batch in self._parquet.iter_batches(_BATCH, row_groups=groups, columns=columns):
                yield position, batch
                position += len(batch)
        except (pyarrow.ArrowException, OSError) as error:
            raise _damaged("Parquet", self.file, error) from None

    def blocks(self, columns: list[str]) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        """The whole table in pieces, each with its rows' numbers."""
        import pyarrow

        for at, batch in self._batches(0, columns):
            if len(batch):
                yield pyarrow.Table.from_batches([batch]), np.arange(at + 2, at + 2 + len(batch))

    def slices(
        self, bounds: Iterable[tuple[int, int]], columns: list[str]
    ) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        """Rows a … b − 1 for each (a, b) of ascending `bounds`, with their numbers in the file."""
        import pyarrow

        stream, held = None, []
        for a, b in bounds:
            stream = self._batches(a, columns) if stream is None else stream
            while not held or held[-1][0] + len(held[-1][1]) < b:
                held.append(next(stream))
            held = [(at, batch) for at, batch in held if at + len(batch) > a]
            parts = [batch.slice(max(a - at, 0), b - max(a, at)) for at, batch in held if at < b]
            yield pyarrow.Table.from_batches(parts), np.arange(a + 2, b + 2)


class Frame:
    """A table in memory; attributes as of `ParquetFile`."""

    def __init__(self, table: "pyarrow.Table", row: np.ndarray, file: str):
        self._table, self._row, self.file = table, row, file
        self.names, self.n_rows = list(table.column_names), len(row)

    def type_of(self, name: str) -> Any:
        return self._table.schema.field(name).type

    def blocks(self, columns: list[str]) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        bounds = [(a, min(a + _BATCH, self.n_rows)) for a in range(0, self.n_rows, _BATCH)]
        return self.slices(bounds, columns)

    def slices(
        self, bounds: Iterable[tuple[int, int]], columns: list[str]
    ) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        table = self._table.select(columns)
        for a, b in bounds:
            yield table.slice(a, b - a), self._row[a:b]


def frame(table: "pyarrow.Table", row: np.ndarray, file: str) -> Frame:
    """A `Frame`, once its header and size are right."""
    _check_header(list(table.column_names), file)
    _not_empty(len(row), file)
    return Frame(table, row, file)


def _not_empty(n: int, file: str) -> None:
    if not n:
        raise InputError("the table is empty", mend="Give at least one row that is not blank", file=file)


def open_source(source: Any) -> Frame | ParquetFile:
    """A table file, or a DataFrame, as rows on demand.

    Raises:
        InputError: as `read_raw`.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None and path.suffix.lower() in (".parquet", ".pq"):
        return ParquetFile(path, str(source))
    if path is not None and path.suffix.lower() in (".csv", ".txt", ".tsv", ".tab"):
        return _text_frame(path)
    if path is None and hasattr(source, "iloc"):
        return _data_frame(source)
    return _raw_frame(read_raw(source))


def _raw_frame(raw: RawTable) -> Frame:
    import pyarrow

    columns = [pyarrow.array([line[j] for line in raw.cells]) for j in range(len(raw.header))]
    return Frame(pyarrow.table(columns, raw.header), np.array(raw.rows, int), raw.file)


def _data_frame(source: Any) -> Frame:
    import pyarrow

    try:
        source = source.set_axis([str(name) for name in source.columns], axis=1)
        table = pyarrow.Table.from_pandas(source, preserve_index=False)
    except pyarrow.ArrowException:  # a column of texts and numbers
        return _raw_frame(read_raw(source))
    return frame(table, np.arange(2, 2 + len(source)), "<DataFrame>")


def _text_frame(path: Path) -> Frame:
    """A CSV or TSV file by Arrow's reader where its lines are plain, else by the slow exact one."""
    import pyarrow
    import pyarrow.csv

    data = _bytes(path, str(path))
    head = data[:65_536].decode("utf-8-sig", "ignore").replace("\r\n", "\n").split("\n")
    skipped = next((i for i, line in enumerate(head) if not _is_comment(line)), 0)
    delimiter = _delimiter(head[skipped], path.suffix.lower() in (".tsv", ".tab"))
    names = [name.strip() for name in head[skipped].split(delimiter)]
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(data),
            pyarrow.csv.ReadOptions(skip_rows=skipped + 1, column_names=names),
            pyarrow.csv.ParseOptions(delimiter=delimiter),
            pyarrow.csv.ConvertOptions(
                column_types={n: pyarrow.string() for n in names}, strings_can_be_null=False
            ),
        )
    except (pyarrow.ArrowException, OSError):
        return _raw_frame(read_raw(path))
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    quoted = b'"' in data or b"\r" in data.replace(b"\r\n", b"")
    if lines != skipped + 1 + len(table) or quoted or re.search(rb"(?m)^[\s,;]*$", data.rstrip()):
        return _raw_frame(read_raw(path))
    return frame(table, np.arange(skipped + 2, skipped + 2 + len(table)), str(path))


# Arrow's columns as numbers and as text.


def is_nested(kind: Any) -> bool:
    """True for lists, structures and bytes, which are neither numbers nor text."""
    from pyarrow import types

    return types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind)


def _plain_array(column: Any) -> Any:
    """One array without chunks or dictionary."""
    import pyarrow
    from pyarrow import types

    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pyarrow.ChunkedArray):
            column = pyarrow.concat_arrays(column.chunks) if column.num_chunks else column.chunk(0)
    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def text_array(column: Any) -> Any:
    """Stripped texts as an Arrow array, as a reader would type the values; '' where there is none."""
    import pyarrow
    import pyarrow.compute as pc
    from pyarrow import types

    array = _plain_array(column)
    kind = array.type
    if types.is_floating(kind):
        blank = pc.fill_null(pc.is_nan(array), True)
        array = pc.if_else(blank, pyarrow.scalar(None, kind), array)
        whole = pc.all(pc.equal(array, pc.floor(array))).as_py()
        if whole is not False and (pc.max(pc.abs(array)).as_py() or 0) < 2**53:
            array, kind = array.cast(pyarrow.int64()), pyarrow.int64()
    if types.is_integer(kind) or types.is_null(kind):
        array = array.cast(pyarrow.string())
    elif types.is_string(kind) or types.is_large_string(kind):
        array = pc.utf8_trim_whitespace(array)
    else:
        array = pyarrow.array([as_text(v) for v in array.to_pylist()], pyarrow.string())
    return pc.fill_null(array, "")


def texts(column: Any) -> np.ndarray:
    """(n,) the same as Python's texts."""
    return text_array(column).to_numpy(zero_copy_only=False)


def changes(array: Any, last: str | None) -> np.ndarray:
    """(n,) where a text differs from the one before it, `last` for the first."""
    import pyarrow.compute as pc

    out = np.ones(len(array), bool)
    out[0] = array[0].as_py() != last
    out[1:] = pc.not_equal(array[1:], array[:-1]).to_numpy(zero_copy_only=False)
    return out


_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def numbers(column: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """(n,) numbers, NaN where there is none, and where something else stands; None: no column of numbers."""
    import pyarrow
    import pyarrow.compute as pc
    from pyarrow import types

    array = _plain_array(column)
    kind = array.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        values = array.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        wrong = np.isinf(values)
        return (np.where(wrong, np.nan, values), wrong) if wrong.any() else (values, wrong)
    if not (types.is_string(kind) or types.is_large_string(kind)):
        return np.array([]), None
    plain = pc.replace_substring(pc.utf8_trim_whitespace(array), "\u2212", "-")
    plain = pc.replace_substring_regex(pc.fill_null(plain, ""), r"^\+", "")
    right = pc.match_substring_regex(plain, _NUMBER)
    found = pc.if_else(right, plain, pyarrow.scalar(None, plain.type)).cast(pyarrow.float64())
    values = found.to_numpy(zero_copy_only=False)
    wrong = pc.not_equal(plain, "").to_numpy(zero_copy_only=False) & ~np.isfinite(values)
    return np.where(wrong, np.nan, values), wrong
