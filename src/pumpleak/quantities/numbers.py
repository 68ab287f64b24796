"""Numbers as people write them that are none, or could be read in two ways: what is wrong, and how to write them."""

import re

_DIGITS = r"[0-9]+(?:\.[0-9]*)?"


def odd_number(text: str) -> tuple[str, str] | None:
    """What is wrong with a text that looks like a number, and the mend that keeps it; None where nothing is odd.

    Examples:
        >>> odd_number("3:2")
        ("'3:2' is a ratio, not a number", 'Write 1.5')
        >>> odd_number("0,05"), odd_number("37 degC")
        (("'0,05' has a decimal comma", 'Write 0.05'), None)
    """
    plain = text.strip()
    if m := re.fullmatch(rf"({_DIGITS})\s*[:/]\s*({_DIGITS})", plain):
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
    if re.fullmatch(r"[-+]?\.?(?:inf|infinity|nan)", plain, re.IGNORECASE):
        return f"'{text}' is not a finite number", "Give a finite number"
    return None
