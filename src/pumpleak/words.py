"""Words: lists of names as a sentence has them."""

from collections.abc import Sequence


def listing(names: Sequence[str], most: int | None = None) -> str:
    """``a, b and c``; with `most`, the first so many ``and 5 more``, one left over being named as well."""
    names = list(names)
    if most is not None and len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
