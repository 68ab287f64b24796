"""What a table and a config say of a quantity, row by row."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..data.measurements import Measurements
from .alike import alike_rows, in_blocks
from .junction import Junction
from .parameters import Latent, Swap
from .priors import Prior


@dataclass(frozen=True)
class Davies:
    """What is said of an activity coefficient that is to follow from the ionic strength by Davies' equation.

    Example:
        >>> from pumpleak import Davies, load_dataset, lognormal, make_problem
        >>> said = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0, "gamma_o": Davies(), "gamma_i": Davies()}
        >>> problem = make_problem(load_dataset("textbook_resting"), said)
        >>> print(f"{float(problem.arrays.known['gamma_o']):.2f}")
        0.75
    """


Spec = float | Prior | Latent | Swap | Junction | Davies


@dataclass(frozen=True)
class Given:
    """A table, and what is written beside it.

    Attributes:
        m: the table.
        quantities: quantity -> what is written of it for every row.
        solutions: solution -> the same for its rows.
        same_cells: the columns under whose levels a name is one and the same cell; True: all, False: none, None: not said.
    """

    m: Measurements
    quantities: Mapping[str, Spec]
    solutions: Mapping[str, Mapping[str, Spec]]
    same_cells: bool | Sequence[str] | None = None

    @property
    def names(self) -> set[str]:
        """Quantities of which the table or the config says anything."""
        return {*self.m.quantities, *self.quantities, *(q for d in self.solutions.values() for q in d)}

    @cached_property
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

    def solution_saying(self, name: str) -> np.ndarray:
        """(R,) a number for the solution under which the config speaks of a row's quantity; −1: it does under none."""
        number = {s: k for k, (s, given) in enumerate(self.solutions.items()) if name in given}
        if not number:
            return np.full(len(self.m.labels), -1)
        return np.array([number.get(s, -1) for s in self.solution_of], int)

    def says(self, name: str) -> np.ndarray:
        """(R,) bool: where table, solution or quantities say what this quantity is, so no default is used."""
        return ~np.isnan(self.column(name)) | (self.solution_saying(name) >= 0) | (name in self.quantities)

    def numbers(self, name: str, rows: np.ndarray | None = None, *, middle: bool = False) -> np.ndarray:
        """A quantity in some rows where it is a plain number, 0 where nothing is said; else NaN, which silences a check.

        Args:
            rows: positions; default all.
            middle: take a prior's median for a number.
        """
        rows = np.arange(len(self.m.labels)) if rows is None else rows
        out = self.column(name)[rows]
        for part, spec in self._specs(name, rows, np.isnan(out)):
            if isinstance(spec, Swap):
                out[part] = _number(spec.total, middle) - self.numbers(spec.other, rows[part], middle=middle)
            else:
                out[part] = 0.0 if spec is None else _number(spec, middle)
        return out

    def _specs(
        self, name: str, rows: np.ndarray, blank: np.ndarray
    ) -> Iterator[tuple[np.ndarray, Spec | None]]:
        """Positions in `rows` that are blank in the table, by what the config says of them."""
        at = np.flatnonzero(blank)
        for part in alike_rows(len(at), [self.solution_saying(name)[rows[at]]]):
            yield at[part], self.spec(name, int(rows[at[part[0]]]))[0]

    def where(self, row: int) -> dict[str, Any]:
        """The file and row that a message about a row names."""
        return {"file": self.m.file, "row": int(self.m.file_rows[row])}

    def filled_down(self, blank: np.ndarray, row: int, mend: str) -> str:
        """The mend of a blank cell, which may be one of a block whose value stands in its first row alone."""
        if not in_blocks(blank, row):
            return mend
        down = "fill it down: write what that row has in the rows below it as well"
        return f"If it stands in the first row of each block alone, {down}. Else {mend[0].lower()}{mend[1:]}"


def place_of(quantity: str, solution: str | None = None) -> str:
    """The dotted path in a config under which a quantity stands, for messages."""
    return f"quantities.{quantity}" if solution is None else f"solutions.{solution}.{quantity}"


def _number(spec: Spec, middle: bool) -> float:
    if isinstance(spec, (int, float)):
        return float(spec)
    prior = spec.prior if isinstance(spec, Latent) else spec
    return prior.median if middle and isinstance(prior, Prior) else math.nan
