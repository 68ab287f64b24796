"""Levels of one column that people may have meant to be one: ``WT`` and ``wt``, ``c1`` and ``C 1``, ``1`` and ``01``."""

import warnings
from collections.abc import Mapping, Sequence

from ..errors import InputWarning
from ..quantities.labels import is_of_readings, shown, twins
from ..text import listing

#: Rows of a table that people make, whose names are looked at.
MOST = 10_000
_NAMED = 3  # of a column


def near_names(columns: Mapping[str, Sequence[str]], file: str) -> tuple[str, ...]:
    """What is said of levels that are all but alike, a sentence a column.

    Args:
        columns: of labels -> their texts.
        file: for messages.

    Warns:
        InputWarning: the same.
    """
    out = []
    for column, texts in columns.items():
        found = [] if is_of_readings(column) or len(texts) > MOST else twins(x for x in texts if x)
        if found:
            pairs = [listing([shown(x) for x in names]) for names in found[:_NAMED]]
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            out.append(
                f"Column {column} holds {'; '.join(pairs)}{more}, which are taken for different levels: write one name in all "
                "rows of one."
            )
    for said in out:
        warnings.warn(InputWarning(f"{file}: {said}"), stacklevel=4)
    return tuple(out)
