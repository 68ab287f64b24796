"""Arrow's columns as numbers and as text: the only place where a cell of a table, of whatever format, is read."""

import re
from typing import Any

import numpy as np

from .raw import as_text

#: What a cell must hold to be a number.
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

#: What a spreadsheet leaves where a formula fails.
SPREADSHEET_ERRORS = "#REF! #DIV/0! #N/A #NAME? #NULL! #NUM! #VALUE! #SPILL! #CALC!".split()


def is_nested(kind: Any) -> bool:
    """True for lists, structures and bytes, which are neither numbers nor text."""
    from pyarrow import types

    asked = (types.is_nested, types.is_binary, types.is_large_binary, types.is_binary_view)
    return any(is_it(kind) for is_it in (*asked, types.is_fixed_size_binary))


def _plain_array(column: Any) -> Any:
    """One array without chunks, dictionary or runs; text of any kind as strings."""
    import pyarrow
    from pyarrow import types

    array = column.combine_chunks() if isinstance(column, pyarrow.ChunkedArray) else column
    if isinstance(array, pyarrow.ChunkedArray):
        array = pyarrow.concat_arrays(array.chunks) if array.num_chunks else array.chunk(0)
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pyarrow.large_string()) if types.is_string_view(array.type) else array


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind)


def blanks(column: Any) -> np.ndarray:
    """(n,) bool: cells that hold nothing, NaN or spaces."""
    import pyarrow.compute as pc

    array = _plain_array(column)
    if _is_text(array.type):
        array = pc.if_else(pc.equal(pc.utf8_trim_whitespace(array), ""), None, array)
    return pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)


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
    elif _is_text(kind):
        array = pc.utf8_trim_whitespace(array)
    else:
        array = pyarrow.array([as_text(v) for v in array.to_pylist()], pyarrow.string())
    return pc.fill_null(array, "")


def texts(column: Any) -> np.ndarray:
    """(n,) the same as Python's texts."""
    return text_array(column).to_numpy(zero_copy_only=False)


def spreadsheet_errors(text: Any) -> np.ndarray:
    """Positions in an array of texts where a spreadsheet left an error."""
    import pyarrow
    import pyarrow.compute as pc

    return np.flatnonzero(pc.is_in(text, pyarrow.array(SPREADSHEET_ERRORS, text.type)))


def changes(array: Any, last: str | None) -> np.ndarray:
    """(n,) where a text differs from the one before it, `last` for the first."""
    import pyarrow.compute as pc

    out = np.ones(len(array), bool)
    out[0] = array[0].as_py() != last
    out[1:] = pc.not_equal(array[1:], array[:-1]).to_numpy(zero_copy_only=False)
    return out


def numbers(column: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """(n,) numbers, NaN where there is none, and where something else stands; None: no column of numbers."""
    import pyarrow
    import pyarrow.compute as pc
    from pyarrow import types

    array = _plain_array(column)
    kind = array.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind):
        values = array.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        wrong = np.isinf(values)
        return (np.where(wrong, np.nan, values), wrong) if wrong.any() else (values, wrong)
    if types.is_decimal(kind):  # rounded once, as its digits are
        array = array.cast(pyarrow.string())
    elif not _is_text(kind):
        return np.array([]), None
    text = pc.replace_substring(pc.utf8_trim_whitespace(array), "\u2212", "-")
    text = pc.if_else(pc.equal(text, ""), None, text)
    try:
        values = text.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
        if not (np.isnan(values) & pc.is_valid(text).to_numpy(zero_copy_only=False) | np.isinf(values)).any():
            return values, np.zeros(len(values), bool)
    except pyarrow.ArrowInvalid:
        pass
    right = pc.match_substring_regex(text, f"^{NUMBER.pattern}$")
    given = [float(v) if ok else None for v, ok in zip(text.to_pylist(), right.to_pylist(), strict=True)]
    values = np.array(given, float)
    wrong = pc.is_valid(text).to_numpy(zero_copy_only=False) & ~np.isfinite(values)
    return np.where(wrong, np.nan, values), wrong
