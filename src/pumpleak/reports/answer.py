"""The numbers that were asked for, in few words: ``P_Na_rel 0.0297 (0.0252 … 0.0344)``."""

from collections.abc import Sequence
from typing import NamedTuple

from ..quantities.names import kind
from .document import Number, Span

_MOST = 3


class Estimate(NamedTuple):
    """A quantity with its interval; `known`: the share of the prior's variance that the data removed."""

    name: str
    unit: str
    value: float
    low: float
    high: float
    decimals: int | None
    known: float

    def __str__(self) -> str:
        value, ends = Number(self.value, self.decimals), Span(self.low, self.high, self.decimals)
        unit = "" if self.unit in ("", "1") else f" {self.unit}"
        return f"{self.name} {value}{unit}" + ("" if str(ends) == "—" else f" ({ends})")


def answer(found: Sequence[Estimate]) -> str:
    """At most three of them: ratios before all else, as what a potential can tell, and the best known first."""
    ratios = [e for e in found if kind(e.name).is_ratio]
    chosen = sorted(ratios or found, key=lambda e: -e.known)
    more = f"; and {len(chosen) - _MOST} more" if len(chosen) > _MOST + 1 else ""
    return "; ".join(map(str, chosen[: _MOST if more else _MOST + 1])) + more
