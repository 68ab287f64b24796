"""Cells told apart by several columns, such as plate and well: a table with one more column, which holds their names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrow import text_array
from .sources import Frame, ParquetFile

if TYPE_CHECKING:
    import pyarrow


class Joined:
    """A table with a column of names made of others' texts, ``P1/A01``; blank where one of them is.

    Args:
        source: the table; its attributes and methods are those of `Frame`.
        columns: those that tell cells apart, from the outermost to the innermost.
    """

    def __init__(self, source: Frame | ParquetFile, columns: tuple[str, ...]):
        self._source, self.columns = source, columns
        self.name = ", ".join(columns)
        self.names = [*source.names, self.name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # or a copy in the making would look for its source here
            raise AttributeError(name)
        return getattr(self._source, name)

    def type_of(self, name: str) -> Any:
        return self._source.type_of(self.columns[0] if name == self.name else name)

    def whole(self) -> "Joined":
        return Joined(self._source.whole(), self.columns)

    def reordered(self, order: np.ndarray) -> "Joined":
        return Joined(self._source.whole().reordered(order), self.columns)

    def renamed(self, read_as: Mapping[str, str], left_out: Sequence[str] = ()) -> "Joined":
        columns = tuple(read_as.get(name, name) for name in self.columns)
        return Joined(self._source.renamed(read_as, left_out), columns)

    def blocks(self, columns: list[str]) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        for table, row in self._source.blocks(self._needed(columns)):
            yield self._with_names(table, columns), row

    def slices(
        self, bounds: Iterable[tuple[int, int]], columns: list[str]
    ) -> Iterator[tuple["pyarrow.Table", np.ndarray]]:
        for table, row in self._source.slices(bounds, self._needed(columns)):
            yield self._with_names(table, columns), row

    def _needed(self, columns: list[str]) -> list[str]:
        if self.name not in columns:
            return columns
        return list(dict.fromkeys([*(c for c in columns if c != self.name), *self.columns]))

    def _with_names(self, table: "pyarrow.Table", columns: list[str]) -> "pyarrow.Table":
        import pyarrow
        import pyarrow.compute as pc

        if self.name not in columns:
            return table
        parts = [text_array(table.column(c)).cast(pyarrow.large_string()) for c in self.columns]
        names = pc.binary_join_element_wise(*parts, pyarrow.scalar("/", pyarrow.large_string()))
        for part in parts:
            names = pc.if_else(pc.equal(part, ""), part, names)
        return table.append_column(self.name, names).select(columns)
