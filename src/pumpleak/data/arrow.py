"""Arrow's columns as numbers and as text: the only place where a cell of a table, of whatever format, is read."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..quantities.numbers import DASHES, NUMBER, plain_digits
from .number_texts import SPREADSHEET_ERRORS, TWO_WAYS, Marks
from .raw import as_text

_HEAD = 100  # rows of a column that mostly tell what it holds
_LIKE_NUMBER = (
    rf"^(?:[nN] ?= ?)?[\s'\"±~≈<>≤≥=+({DASHES}-]*[.,]?[0-9]+([\s'’.,\pZ][0-9]+)*[.,]?(e[+-]?[0-9]+)?"
    r"(\s*[*†‡(\[)±+%;'\"°].*|[\s\pZ]+[A-Za-zµ].*|[\s\pZ]*)$"
)


def is_nested(kind: Any) -> bool:
    """True for lists, structures and bytes, which are neither numbers nor text."""
    from pyarrow import types

    asked = (types.is_nested, types.is_binary, types.is_large_binary, types.is_binary_view)
    return any(is_it(kind) for is_it in (*asked, types.is_fixed_size_binary))


def may_be_spelled(kind: Any) -> bool:
    """Whether a column may hold numbers as texts, with marks and dashes of any kind."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return _is_text(kind) or types.is_string_view(kind) or types.is_decimal(kind)


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


def matching(text: Any, pattern: str) -> np.ndarray:
    """(n,) bool: which of an array of texts have a pattern; each text that is there again is looked at once."""
    import pyarrow.compute as pc

    head = text[:1000]
    if len(text) == len(head) or 2 * pc.count_distinct(head).as_py() > len(head):
        found = pc.match_substring_regex(text, pattern)
    else:
        coded = (text.combine_chunks() if hasattr(text, "chunks") else text).dictionary_encode()
        found = pc.match_substring_regex(coded.dictionary, pattern).take(coded.indices)
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False)


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


def blanked(column: Any, missing: Iterable[str | float]) -> tuple[Any, set[str | float]]:
    """A column without what stands for a blank cell, as text or as number; and what of it stood there."""
    import pyarrow
    import pyarrow.compute as pc

    if is_nested(column.type):
        return column, set()
    array, text = _plain_array(column), texts(column)
    value = numbers_either(array)[0]
    seen, blank = set(), np.zeros(len(text), bool)
    for mark in missing:
        number = _number(mark)
        here = (text == str(mark).strip()) & (text != "")
        here |= value == number if number is not None and len(value) else False
        blank |= here
        seen |= {mark} if here.any() else set()
    if not blank.any():
        return array, seen
    return pc.if_else(pyarrow.array(blank), pyarrow.scalar(None, array.type), array), seen


def _number(mark: str | float) -> float | None:
    plain = plain_digits(str(mark)).replace(",", ".")
    return float(plain) if NUMBER.fullmatch(plain) else None


def odd_dash(column: Any) -> str | None:
    """The first dash in a column of text that is neither a hyphen nor a minus sign; None without any."""
    import pyarrow.compute as pc

    array = _plain_array(column)
    dashes = DASHES.replace("\u2212", "")
    if not _is_text(array.type) or not pc.any(pc.match_substring_regex(array, f"[{dashes}]")).as_py():
        return None
    found = array.filter(pc.match_substring_regex(array, f"[{dashes}]"))[0].as_py()
    return next(c for c in found if c in dashes)


def number_text(column: Any) -> Any:
    """Texts of a column of text as an Arrow array, stripped, dashes as minus signs; null where blank. Else None."""
    import pyarrow.compute as pc
    from pyarrow import types

    array = _plain_array(column)
    if types.is_decimal(array.type):  # rounded once, as its digits are
        array = array.cast("string")
    elif not _is_text(array.type):
        return None
    text = pc.utf8_trim_whitespace(array)
    if pc.any(pc.match_substring_regex(text, f"[{DASHES}]")).as_py():
        text = pc.replace_substring_regex(text, f"[{DASHES}]", "-")
    return pc.if_else(pc.equal(text, ""), None, text)


def numbers(column: Any, marks: Marks = Marks()) -> tuple[np.ndarray, np.ndarray | None]:  # noqa: B008
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
    if _is_text(kind) and marks == Marks():
        try:  # most columns have nothing but plain numbers
            values = array.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
            wrong = ~np.isfinite(values)
            if not wrong.any():
                return values, wrong
        except pyarrow.ArrowInvalid:
            pass
    text = number_text(array)
    if text is None:
        return np.array([]), None
    given = pc.is_valid(text).to_numpy(zero_copy_only=False)
    text = _with_points(text, marks)
    try:
        values = text.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
        wrong = given & ~np.isfinite(values)
    except pyarrow.ArrowInvalid:
        right = pc.match_substring_regex(text, f"^{NUMBER.pattern}$")
        found = [float(v) if ok else None for v, ok in zip(text.to_pylist(), right.to_pylist(), strict=True)]
        values = np.array(found, float)
        wrong = given & ~np.isfinite(values)
    return (np.where(wrong, np.nan, values) if wrong.any() else values), wrong


def numbers_either(column: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """The same of a column whose decimals have points or commas."""
    values, wrong = numbers(column)
    return numbers(column, Marks(comma=True)) if wrong is not None and wrong.any() else (values, wrong)


def only_numbers(column: Any) -> np.ndarray | None:
    """(n,) the numbers of a column that holds nothing else, NaN where blank; None of any other."""
    for part in (column[:_HEAD], column):
        values, wrong = numbers_either(part)
        if wrong is None or wrong.any():
            return None
    return values


def numbers_in_words(column: Any) -> bool:
    """Whether a column of text holds numbers in the main, if with marks beside them: ``~5``, ``'-71``, ``5 (3)``."""
    text = text_array(column[:_HEAD])
    there = np.sum(text.to_numpy(zero_copy_only=False) != "")
    return there > 0 and 2 * matching(text, _LIKE_NUMBER).sum() >= there


def _with_points(text: Any, marks: Marks) -> Any:
    """Numbers with decimal points; null where the mark is not that of the file, or may be another."""
    import pyarrow.compute as pc

    if marks.comma:
        point = pc.match_substring(text, ".")
        return pc.replace_substring(pc.if_else(point, None, text), ",", ".")
    if marks.doubt:
        return pc.if_else(pc.match_substring_regex(text, f"^{TWO_WAYS % r'[.]'}$"), None, text)
    return text
