"""Words: lists of names as a sentence has them."""

import math
from collections.abc import Sequence
from typing import Any


def listing(names: Sequence[str], most: int | None = None) -> str:
    """``a, b and c``; with `most`, the first so many ``and 5 more``, one left over being named as well."""
    names = list(names)
    if most is not None and len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plain(x: Any) -> Any:
    """Plain JSON: NaN and infinity become null."""
    if isinstance(x, dict):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if hasattr(x, "tolist"):
        return plain(x.tolist())
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x


def shown(value: Any) -> str:
    """A table's cell as text: three digits, blanks for what is not a number."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, str)):
        return str(value)
    number = float(value)
    if number in (float("inf"), float("-inf")):
        return "∞" if number > 0 else "−∞"
    return f"{number:.3g}"
