"""What is said of a table beside the table: which column is read as what, which is left out, which cells are blank."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, unknown
from .sources import Frame, ParquetFile, open_source


@dataclass(frozen=True)
class Wanted:
    """How a table is to be read; nothing said of it means: as it stands.

    Attributes:
        columns: a column's name in the file -> the name it is read by, as a header would have it.
        ignore: columns that are left out.
        missing: what stands for a blank cell, as text or as number; None: nothing was said, so that numbers such as -99
            are asked about.
        references: of differences from one row: ``own``, each has a reading of its own there, or ``shared``, all were
            taken from the one that the table gives; None: nothing was said.
        asks: whether a column that may be a quantity is refused until it is in `columns` or `ignore`.
        respells: whether a name that is plainly a quantity's in another spelling is read as that.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    missing: tuple[str | float, ...] | None = None
    asks: bool = True
    respells: bool = True
    references: str | None = None

    def as_config(self) -> dict[str, Any]:
        """The keys of a config that say the same."""
        said = {"columns": dict(self.columns), "ignore": list(self.ignore), "references": self.references}
        missing = {} if self.missing is None else {"missing": list(self.missing)}
        return {key: value for key, value in said.items() if value} | missing

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Wanted":
        """That of a config's keys ``columns``, ``ignore``, ``missing`` and ``references``, where it has them."""
        columns, ignore, missing = (config.get(key) for key in ("columns", "ignore", "missing"))
        blank = None if missing is None else tuple(missing)
        return cls(dict(columns or {}), tuple(ignore or ()), blank, references=config.get("references"))

    def open(
        self, source: Any, file_label: str | None = None, sheet: str | None = None
    ) -> Frame | ParquetFile:
        """The rows of a table, its columns under the names that they are read by.

        Args:
            source, file_label, sheet: as `open_source` takes them.

        Raises:
            InputError: as `open_source`; a column that is named here is not there, or two would have one name.
            InputWarning: what `missing` names stands in no cell.
        """
        opened = open_source(source, file_label, sheet)
        self._check(opened)
        opened = opened.renamed(self.columns, self.ignore)
        return opened.without(self.missing) if self.missing else opened

    def _check(self, source: Frame | ParquetFile) -> None:
        """Refuse what cannot be done to these columns."""
        for key, names in (("columns", self.columns), ("ignore", self.ignore)):
            for name in names:
                if name not in source.names:
                    raise unknown("column", name, source.names, within=f"in {source.file}", key=key)
        for name in self.ignore:
            if name in self.columns:
                raise InputError(
                    f"column {name} is to be read as {self.columns[name]}, and to be left out",
                    mend="Keep it in one of columns and ignore",
                    key="ignore",
                )
        kept = [name for name in source.names if name not in {*self.columns, *self.ignore}]
        taken = dict(zip(kept, kept, strict=True))
        for name, read in self.columns.items():
            if read in taken:
                raise InputError(
                    f"columns {taken[read]} and {name} would both be read as {read}",
                    mend=f"Map one of them, and put the other in `ignore: [{taken[read]}]`",
                    key="columns",
                )
            taken[read] = name


#: Nothing said: a table as it stands.
AS_IT_STANDS = Wanted()
#: Of a table that was read before: its columns are what their names say.
SETTLED = Wanted(missing=(), asks=False, respells=False)
