"""Numbers as people write them: what is one, what is none or could be read in two ways, and how to write it."""

import math
import re
import unicodedata

#: Every dash that is read as a minus sign.
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"

#: What a number is, whoever reads it: decimal digits with a sign, a point and an exponent.
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_AS_MINUS = str.maketrans(dict.fromkeys(DASHES, "-"))
_RAISED_POINTS = "\u00b7\u2219\u22c5\u2027\u30fb\u0387"
_DIGITS = r"[0-9]+(?:\.[0-9]*)?"


def plain_digits(text: str) -> str:
    """A text stripped, with every dash as the minus sign of a program."""
    return text.strip().translate(_AS_MINUS)


def decimal_number(text: str) -> float | None:
    """The number that a text is; None where it is none, or not finite.

    Examples:
        >>> decimal_number("\u20133"), decimal_number("1_0"), decimal_number("1e999")
        (-3.0, None, None)
    """
    plain = plain_digits(text)
    value = float(plain) if NUMBER.fullmatch(plain) else math.nan
    return value if math.isfinite(value) else None


def other_digits(text: str) -> str | None:
    """A number in digits or signs of another alphabet or width, in plain ones; None of any other text, and of raised ones.

    Examples:
        >>> other_digits("\uff11\uff10"), other_digits("10"), other_digits("5\u00b2")
        ('10', None, None)
    """
    if text.isascii():
        return None
    written = plain_digits(text)
    plain = "".join(map(_plain_character, written))
    return plain if plain != written and NUMBER.fullmatch(plain) else None


def _plain_character(c: str) -> str:
    """A digit of any alphabet, and a sign of double width, as a program writes it."""
    wide = unicodedata.decomposition(c).startswith("<wide>")
    return str(unicodedata.decimal(c, unicodedata.normalize("NFKC", c) if wide else c))


def odd_number(text: str, *, ratio: bool = True) -> tuple[str, str] | None:
    """What is wrong with a text that looks like a number, and the mend that keeps it; None where nothing is odd.

    Args:
        text: as written.
        ratio: whether it may be a ratio, one number over another; else ``70/73`` is two numbers, of which none is chosen.

    Examples:
        >>> odd_number("3:2")
        ("'3:2' is a ratio, not a number", 'Write 1.5')
        >>> odd_number("0,05"), odd_number("37 degC")
        (("'0,05' has a decimal comma", 'Write 0.05'), None)
        >>> odd_number("-71·6"), odd_number("70/73", ratio=False)[1]
        (("'-71·6' has a raised point", 'Write -71.6'), 'Write the one that is meant')
    """
    plain = text.strip()
    if digits := other_digits(plain):
        return f"'{text}' has digits or signs of another alphabet", f"Write {digits}"
    if m := re.fullmatch(rf"([-+]?{_DIGITS})\s*[:/]\s*([-+]?{_DIGITS})", plain):
        if not ratio:
            return f"'{text}' is two numbers", "Write the one that is meant"
        a, b = float(m[1]), float(m[2])
        mend = f"Write {a / b:.6g}" if b else "Give a decimal number"
        return f"'{text}' is a ratio, not a number", mend
    if re.fullmatch(rf"{_DIGITS}(?::{_DIGITS})+", plain):
        return f"'{text}' is a time of day or a ratio, not a number", "Give a decimal number"
    if m := re.fullmatch(r"([-+]?)0+([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)", plain):
        return f"'{text}' begins with 0, which many programs read as octal", f"Write {m[1]}{m[2]}"
    if m := re.fullmatch(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+)", plain):
        return f"'{text}' is not a decimal number", f"Write {m[1]}{int(m[2], 0)}"
    if re.fullmatch(r"[-+]?[0-9]+(?:_[0-9]+)+(?:\.[0-9_]*)?", plain):
        return f"'{text}' has underscores", f"Write {plain.replace('_', '')}"
    if re.fullmatch(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+", plain):
        point, none = plain.replace(",", ".", 1), plain.replace(",", "")
        return f"'{text}' has a comma that may stand for a point or for thousands", f"Write {point} or {none}"
    if re.fullmatch(r"[-+]?[0-9]*,[0-9]+", plain):
        return f"'{text}' has a decimal comma", f"Write {plain.replace(',', '.')}"
    if m := re.fullmatch(rf"([-+]?[0-9]*)[{_RAISED_POINTS}](10)?([0-9]*)", plain):
        power = (
            f" or {m[1]}e{m[3]}, whichever it is" if m[1] and m[2] and m[3] else ""
        )  # 5·10³ without its raised 3
        if m[2] or m[3]:
            return f"'{text}' has a raised point", f"Write {m[1]}.{m[2] or ''}{m[3]}{power}"
    if re.fullmatch(r"[-+]?\.?(?:inf|infinity|nan)", plain, re.IGNORECASE):
        return f"'{text}' is not a finite number", "Give a finite number"
    return None
