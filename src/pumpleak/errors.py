"""What pumpleak says when something it was given is wrong."""

import difflib
from collections.abc import Iterable


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


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'K_o'?)"`` for the known name most like `name`; empty where none is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""
