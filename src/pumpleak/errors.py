"""What pumpleak says when something it was given is wrong."""

import difflib
import math
from collections.abc import Iterable
from numbers import Real
from typing import Any


class InputError(ValueError):
    """Something the user gave is wrong: says where, what was found, and the mend.

    Reads as ``cells.csv, row 3, column K_o_mM: -5 mM is negative. Give a concentration >= 0.``
    The command line prints it without a traceback and exits with code 2.

    Args:
        problem: what is wrong, as a sentence without the full stop.
        mend: what to do about it, as a sentence without the full stop.
        file: the file it was found in.
        row: the row of that file, counted as a reader of the file counts them (the header is row 1).
        column: the column, or the dotted path of a config key.
        key: the dotted path of a key of a YAML file, in place of `column`.

    Attributes:
        problem, mend, file, row, column, key: as given.

    Example:
        >>> print(InputError("-5 mM is negative", mend="Give 0 or more", file="cells.csv", row=3, column="K_o_mM"))
        cells.csv, row 3, column K_o_mM: -5 mM is negative. Give 0 or more.
    """

    def __init__(
        self,
        problem: str,
        *,
        mend: str | None = None,
        file: object = None,
        row: int | None = None,
        column: str | None = None,
        key: str | None = None,
    ):
        where = [str(file)] if file is not None else []
        where += [f"row {row}"] if row is not None else []
        for what, name in (("column", column), ("key", key)):
            where += [name if "." in name else f"{what} {name}"] if name is not None else []
        text = f"{', '.join(where)}: {problem}." if where else f"{problem}."
        super().__init__(f"{text} {mend}." if mend else text)
        self.problem, self.mend, self.file, self.row = problem, mend, file, row
        self.column, self.key = column, key


class Stopped(Exception):
    """A command was interrupted from the keyboard after part of its work was kept; says which and how to go on."""


class InputWarning(UserWarning):
    """Something the user gave is legal but probably not meant; the command line prints it and goes on.

    Example:
        >>> import warnings
        >>> from pumpleak import Cell, GHKLeak
        >>> with warnings.catch_warnings(record=True) as seen:
        ...     warnings.simplefilter("always", InputWarning)
        ...     cell = Cell({"leak_K": GHKLeak("K", 1e-6)}, z_X=1.0, X_i=100.0)
        >>> print(seen[0].message)
        z_X = 1: impermeants inside are nearly always negative on average
    """


def unknown(
    what: str,
    name: object,
    known: Iterable[str],
    *,
    within: str = "",
    mend: str | None = None,
    meant: str | None = None,
    own: bool = False,
    **place: Any,
) -> InputError:
    """The error of a name that nothing has: ``there is no ion 'Kk' (did you mean 'K'?). Known here: K, Na.``

    Args:
        what: what it would be the name of.
        name: as it was given.
        known: the names that there are.
        within: where they are, ``in the bath``.
        mend: what to do about it, in place of the names that are known.
        meant: what to suggest, in place of the known name most like it; empty: nothing.
        own: whether users may have added some of their own.
        **place: `file`, `row`, `column` or `key` of an `InputError`.

    Returns:
        The error, to be raised.
    """
    names = list(known)
    if mend is None:
        mend = f"Known here: {', '.join(names) or 'none'}"
        mend += "; one of your own comes by --plugin FILE, the Python file that registers it" if own else ""
    suggestion = did_you_mean(nearest(str(name), names) if meant is None else meant)
    return InputError(f"there is no {what} '{name}'{within and f' {within}'}{suggestion}", mend=mend, **place)


def kind_of(given: object) -> str:
    """What something is that was to be something else: ``the text 'neuron'``, ``a DataFrame``."""
    if given is None:
        return "None"
    if isinstance(given, str):
        return f"the text {given!r}"
    name = type(given).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def check_kind(given: object, kind: type | tuple[type, ...], asked: str, mend: str) -> None:
    """Refuse what is of none of the kinds that will do.

    Args:
        given: what was given.
        kind: what it has to be an instance of.
        asked: what was asked for, in words: "a result".
        mend: where one comes from.

    Raises:
        InputError: says what was given instead.
    """
    if not isinstance(given, kind):
        raise InputError(f"{asked} is asked for, not {kind_of(given)}", mend=mend)


def is_number(given: object) -> bool:
    """Whether it is one finite number, and no text or truth value."""
    item = getattr(given, "item", None)  # of an array without a shape, as of NumPy's and JAX's own numbers
    value = item() if item is not None and getattr(given, "shape", None) == () else given
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))
    except OverflowError:  # a whole number of hundreds of digits
        return False


def nearest(name: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """The known name most like `name`; None where none is as much alike as this, between 0 and 1."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=alike)), None)


def did_you_mean(name: str | None) -> str:
    """``" (did you mean 'K_o'?)"``; empty for None."""
    return f" (did you mean '{name}'?)" if name else ""
