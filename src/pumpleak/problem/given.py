"""What a table and a config say of a quantity, row by row."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.measurements import Measurements
from .junction import Junction
from .parameters import Latent, Swap
from .priors import Prior

Spec = float | Prior | Latent | Swap | Junction


@dataclass(frozen=True)
class Given:
    """A table, and what is written beside it.

    Attributes:
        m: the table.
        quantities: quantity -> what is written of it for every row.
        solutions: solution -> the same for its rows.
    """

    m: Measurements
    quantities: Mapping[str, Spec]
    solutions: Mapping[str, Mapping[str, Spec]]

    @property
    def names(self) -> set[str]:
        """Quantities of which the table or the config says anything."""
        return {*self.m.quantities, *self.quantities, *(q for d in self.solutions.values() for q in d)}

    @property
    def solution_of(self) -> tuple[str, ...]:
        """(R,) the solution of each row; '' without one."""
        return self.m.groups.get("solution", ("",) * len(self.m.labels))

    def column(self, name: str) -> np.ndarray:
        """(R,) the table's numbers, NaN where it has none."""
        return self.m.quantities.get(name, np.full(len(self.m.labels), np.nan))

    def spec(self, name: str, row: int) -> tuple[Spec | None, str | None]:
        """What the config says of a row's quantity, and the solution under which it does; None: under all."""
        solution = self.solution_of[row]
        own = self.solutions.get(solution, {}).get(name)
        return (self.quantities.get(name), None) if own is None else (own, solution)

    def says(self, name: str) -> np.ndarray:
        """(R,) bool: where table, solution or quantities say what this quantity is, so no default is used."""
        in_solution = np.array([name in self.solutions.get(s, {}) for s in self.solution_of], bool)
        return ~np.isnan(self.column(name)) | in_solution | (name in self.quantities)

    def number(self, name: str, row: int, *, middle: bool = False) -> float:
        """A row's quantity where it is a plain number, 0 where nothing is said; else NaN, which silences a check.

        Args:
            middle: take a prior's median for a number.
        """
        table = self.column(name)[row]
        if not math.isnan(table):
            return float(table)
        spec, _ = self.spec(name, row)
        if isinstance(spec, Swap):
            return _number(spec.total, middle) - self.number(spec.other, row, middle=middle)
        return 0.0 if spec is None else _number(spec, middle)

    def where(self, row: int) -> dict[str, Any]:
        """The file and row that a message about a row names."""
        return {"file": self.m.file, "row": int(self.m.file_rows[row])}


def place_of(quantity: str, solution: str | None = None) -> str:
    """The dotted path in a config under which a quantity stands, for messages."""
    return f"quantities.{quantity}" if solution is None else f"solutions.{solution}.{quantity}"


def _number(spec: Spec, middle: bool) -> float:
    if isinstance(spec, (int, float)):
        return float(spec)
    prior = spec.prior if isinstance(spec, Latent) else spec
    return float(prior.quantile(0.5)) if middle and isinstance(prior, Prior) else math.nan
