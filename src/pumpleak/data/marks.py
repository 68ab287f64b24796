"""Which decimal mark a file has, judged from all its numbers."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..quantities.plausible import impossible
from ..quantities.units import to_canonical
from .number_texts import TWO_WAYS, Marks

if TYPE_CHECKING:
    from ..quantities.names import Kind

_FEW = 1000
_DECIMAL = r"^[+-]?[0-9]*%s[0-9]+([eE][+-]?[0-9]+)?$"
_GROUPED = r"^[+-]?[0-9]{1,3}(%s[0-9]{3})+%s[0-9]*$"


class NumberColumn(NamedTuple):
    """A column of numbers: its texts (an Arrow array), its unit, and the kind of its values; None: an error or a count."""

    text: Any
    unit: str
    kind: "Kind | None"


def marks_of(read: Callable[[], Iterable[NumberColumn]], separator: str) -> Marks:
    """The decimal mark of a file.

    A number such as ``2.5`` or ``0,865`` tells. ``2.500`` does not, unless 2500 could not be: where no number tells, and
    columns are separated as in countries that write 2,5, its point may be that of thousands.

    Args:
        read: reads the file's columns of numbers, or parts of them one after the other.
        separator: between its columns; empty where it has no text.
    """
    import pyarrow.compute as pc

    local = separator in (";", "\t")
    commas = any(pc.any(pc.match_substring(c.text, ",")).as_py() for c in read())
    if not commas and (not local or any(_tells(c._replace(text=c.text[:_FEW]), ".") for c in read())):
        return Marks()
    comma, point = (any(_tells(c, mark) for c in read()) for mark in ",.")
    return Marks(comma=comma and not point, doubt=comma and point or local and not comma and not point)


def _tells(column: NumberColumn, mark: str) -> bool:
    """Whether some number of a column shows that its mark is that of decimals."""
    import pyarrow.compute as pc

    escaped, other = (r"\.", ",") if mark == "." else (",", r"\.")
    found = column.text.filter(pc.match_substring_regex(column.text, _DECIMAL % escaped))
    open_ = found.filter(pc.match_substring_regex(found, f"^{TWO_WAYS % escaped}$"))
    if (
        len(open_) < len(found)
        or pc.any(pc.match_substring_regex(column.text, _GROUPED % (other, escaped))).as_py()
    ):
        return True
    if column.kind is None or not len(open_):
        return False
    thousands = np.array(pc.replace_substring(open_, mark, "").to_pylist(), float)
    return bool(impossible(column.kind, to_canonical(thousands, column.unit)[0]).any())
