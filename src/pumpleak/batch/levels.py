"""Text columns as integers, by which structures are told apart, and back."""

from typing import NamedTuple

import numpy as np

from ..data.cell_rows import CellRows
from .alike import first_of
from .scheme import Scheme


class RowCodes(NamedTuple):
    """What the text columns of n rows hold.

    Attributes:
        groups: column -> (n,) a number for each level; 0 where blank, below 0 a solution of the recipe.
        baseline, label, solution: (n,) names in one numbering, −1 where blank; None where rows have no baselines.
    """

    groups: dict[str, np.ndarray]
    baseline: np.ndarray | None = None
    label: np.ndarray | None = None
    solution: np.ndarray | None = None


class LevelCodes:
    """Numbers of levels: a name keeps its own from chunk to chunk, unless each cell may have others."""

    def __init__(self, scheme: Scheme):
        self._scheme = scheme
        self._codes: dict[str, dict[str, int]] = {}
        self._own = [*scheme.recipe["solutions"]]

    def of(self, rows: CellRows) -> RowCodes:
        """The text columns of a chunk."""
        import pandas

        out = {}
        for name in self._scheme.groups:
            code, found = pandas.factorize(rows.groups[name])
            known = self._codes.setdefault(name, {"": 0})
            if self._keeps(name):
                out[name] = np.array([known.setdefault(x, len(known)) for x in found])[code]
            else:
                own = {"": 0} | ({x: -1 - k for k, x in enumerate(self._own)} if name == "solution" else {})
                out[name] = np.array([own.get(x, k + 1) for k, x in enumerate(found)])[code]
        default = self._scheme.recipe.get("baseline") or ""
        if not (self._scheme.dynamic and ("baseline" in rows.groups or default)):
            return RowCodes(out)
        blank = np.full(len(rows.row), "", object)
        base = rows.groups.get("baseline", blank)
        base = np.where(base == "", default, base)
        labels = blank if rows.labels is None else rows.labels
        code, found = pandas.factorize(np.concatenate([base, labels, rows.groups.get("solution", blank)]))
        return RowCodes(out, *np.split(np.where(found[code] == "", -1, code), 3))

    def within(self, name: str, code: np.ndarray) -> np.ndarray:
        """(M, S) a column's numbers by which cells of one structure are alike: those of levels that other cells call
        otherwise count them as they appear in the cell, from 1 on."""
        if self._keeps(name):
            return code
        first = first_of(code)
        new = (first == np.arange(code.shape[1])) & (code > 0)
        return np.where(code > 0, np.take_along_axis(np.cumsum(new, axis=1), first, axis=1), code)

    def called(self, name: str, level: np.ndarray) -> tuple[str, ...]:
        """The texts behind what `within` gives of one cell, (S,)."""
        if self._keeps(name):
            names = list(self._codes[name])
            return tuple(names[c] for c in level)
        return tuple(f"{name} {c}" if c > 0 else self._own[-1 - c] if c else "" for c in level)

    def steady(self, protocol: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
        """Bool of this shape: rows that are steady, by their protocol's number or the recipe's."""
        out = np.full(shape, self._scheme.recipe.get("protocol") == "steady")
        if protocol is None:
            return out
        return np.where(protocol == 0, out, protocol == self._codes["protocol"].get("steady", -1))

    def _keeps(self, group: str) -> bool:
        """Whether a column's levels keep their names: not where every cell may have others."""
        return self._scheme.table.groups[group].names is not None or group == "protocol"
