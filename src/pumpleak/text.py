"""Words and numbers as a reader gets them: one way to print a number in a sentence, a table, a figure and a page.

A sentence has its numbers from `significant`, `fixed` and `percent`, a table from `tabulated`. What is infinite is ∞; a
number that rounds to 0 has no sign unless signs are asked for. What is no number is a dash in a table, and nan in a
sentence, which would otherwise hide it. Sentences are made with hyphens, as a program matches them; where a person
reads them, `minus` makes these true minus signs. Counts are ``f"{n:,}"``; what repeats an input, as errors and priors
do, is ``f"{x:g}"``.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any


def listing(names: Sequence[str], most: int | None = None) -> str:
    """``a, b and c``; with `most`, the first so many ``and 5 more``, one left over being named as well."""
    names = list(names)
    if most is not None and len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def visible(text: str, *, several: bool = False) -> str:
    r"""Text as a terminal may get it: what would steer it, or turn the writing round, is shown as its escape.

    Args:
        text: with names of whatever file.
        several: line breaks stay, and begin new lines.

    Examples:
        >>> print(visible("wash \x1b[2J, K\u207a"))
        wash \x1b[2J, K⁺
    """
    kept = "\n" if several else ""
    if text.isprintable():
        return text
    return "".join(c if c in kept or not steers(c) else c.encode("unicode_escape").decode() for c in text)


def steers(character: str) -> bool:
    """Whether it prints nothing but does something: a control, a format, half of a pair, a separator of lines."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def one_line(text: str, longest: int = 1200) -> str:
    """A message as one line, its middle left out where it is too long to be read."""
    text = visible(text)
    cut = longest // 4
    return text if len(text) <= longest else f"{text[: longest - cut]} … {text[-cut:]}"


def guarded(text: str) -> str:
    """A cell of a CSV file that a spreadsheet does not take for a formula: an apostrophe goes before it.

    Examples:
        >>> guarded("=1+1"), guarded("-5"), guarded("A7"), unguarded(guarded("'=1"))
        ("'=1+1", '-5', 'A7', "'=1")
    """
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
        return text
    except ValueError:
        return f"'{text}"


def unguarded(text: str) -> str:
    """What `guarded` made of it, undone."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def plain(x: Any) -> Any:
    """Plain JSON: NaN and infinity become null."""
    if type(x) is float:  # nearly all that there is
        return x if math.isfinite(x) else None
    if type(x) in (str, int, bool):
        return x
    if isinstance(x, dict):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if hasattr(x, "tolist"):
        return plain(x.tolist())
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x


def significant(x: Any, digits: int = 3, *, sign: bool = False) -> str:
    """A number to so many significant digits; `sign`: a positive one has its sign too.

    Examples:
        >>> significant(-72.594), significant(0.0298, 2), significant(1.5, sign=True)
        ('-72.6', '0.03', '+1.5')
    """
    return _formatted(x, f".{digits}g", sign)


def fixed(x: Any, decimals: int, *, sign: bool = False) -> str:
    """A number with so many decimals; `sign`: a positive one has its sign too.

    Examples:
        >>> fixed(-72.594, 1), fixed(-0.04, 1), fixed(1.5, 2, sign=True), fixed(float("inf"), 2)
        ('-72.6', '0.0', '+1.50', '∞')
    """
    return _formatted(x, f".{decimals}f", sign)


def _formatted(x: Any, form: str, sign: bool) -> str:
    x = float(x) + 0.0  # −0 is 0
    if math.isinf(x):
        return "−∞" if x < 0 else "+∞" if sign else "∞"
    return format(x, f"+{form}" if sign else f"z{form}")


def counted(n: int, noun: str) -> str:
    """How many there are of what: a noun whose plural ends in s.

    Examples:
        >>> counted(1, "reading"), counted(4, "reading")
        ('1 reading', '4 readings')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def percent(share: Any, decimals: int = 0, *, close: bool = False) -> str:
    """A share between 0 and 1 in per cent, ``95 %``; `close`, as beside a name in a sentence: ``95%``.

    Examples:
        >>> percent(0.95), percent(0.0167, 2, close=True)
        ('95 %', '1.67%')
    """
    return f"{fixed(100 * share, decimals)}{'' if close else ' '}%"


def interval(low: Any, high: Any, digits: int = 3) -> str:
    """``0.0171 … 0.0787``; blank where either end is missing or infinite.

    Examples:
        >>> interval(0.01711, 0.0787), interval(1.0, float("inf"))
        ('0.0171 … 0.0787', '')
    """
    if any(x is None or not math.isfinite(x) for x in (low, high)):
        return ""
    return f"{significant(low, digits)} … {significant(high, digits)}"


def in_unit(number: str, unit: str) -> str:
    """A printed number with its unit, if it has one.

    Examples:
        >>> in_unit("−72.6", "mV"), in_unit("85.5", "1")
        ('−72.6 mV', '85.5')
    """
    return number if unit in ("", "1") else f"{number} {unit}"


def minus(text: str) -> str:
    """The hyphens before numbers as minus signs; those within names, between numbers and in `code` stay.

    Examples:
        >>> minus("V_m -72.6 mV in lab-2, 3-5 cells, 2e-05: `--set z_X=-0.8`")
        'V_m −72.6 mV in lab-2, 3-5 cells, 2e-05: `--set z_X=-0.8`'
    """
    return re.sub(r"`[^`]*`|(?<![\w.)\]])-(?=\d)", lambda found: found[0] if len(found[0]) > 1 else "−", text)


def tabulated(x: float | None, decimals: int | None = None, *, digits: int = 3) -> str:
    """A number for a table, where columns are compared down: a dash where there is none, no exponents.

    Args:
        x: the number.
        decimals: so many.
        digits: so many instead, where no decimals are given.

    Returns:
        Text with true minus signs. A power of ten, for what is too small or too large otherwise, follows a caret:
        ``1.20 × 10^−5``.

    Examples:
        >>> tabulated(-72.594, 1), tabulated(0.0298), tabulated(1.2e-5), tabulated(float("nan"))
        ('−72.6', '0.0298', '1.20 × 10^−5', '—')
    """
    if x is None or math.isnan(x):
        return "—"
    if math.isinf(x):
        return significant(x)
    small = decimals is None or decimals > 6
    if (small and 0 < abs(x) < 1e-3) or abs(x) >= 1e5:
        mantissa, _, power = f"{x:.{digits - 1}e}".partition("e")
        return f"{minus(mantissa)} × 10^{minus(str(int(power)))}"
    if decimals is None:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(x)))) if x else 0
    return minus(fixed(x, decimals))


def decimals_of(sd: float) -> int:
    """Decimals that show two digits of half a standard deviation: as many as a number so uncertain deserves.

    Examples:
        >>> decimals_of(3.0), decimals_of(0.02)
        (1, 3)
    """
    return min(max(0, 1 - math.floor(math.log10(sd / 2))), 8) if math.isfinite(sd) and sd > 0 else 2
