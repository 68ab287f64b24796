"""The numbers that were asked for, in few words: ``P_Na/P_K 0.0297 (0.0252 … 0.0344)``."""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..quantities.names import as_read, kind, spoken
from ..text import decimals_of, interval, tabulated

if TYPE_CHECKING:
    import xarray as xr

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

    def said(self, reference: str) -> str:
        """In words; a ratio as one of its symbols, a temperature in °C."""
        unit, shift = as_read(self.name, self.unit)
        value, low, high = (tabulated(x + shift, self.decimals) for x in (self.value, self.low, self.high))
        unit = "" if unit in ("", "1") else f" {unit}"
        ends = f" ({low} … {high})" if interval(self.low, self.high) else ""
        return f"{called(self.name, reference)} {value}{unit}{ends}"


def called(name: str, reference: str) -> str:
    """A parameter in a sentence: a ratio as one of its symbols, ``P_Na/P_K``, any other by its name."""
    return spoken(name, reference) if kind(name).is_ratio and kind(name).of else name


def answer(found: Sequence[Estimate], reference: str) -> str:
    """At most three of them: ratios before all else, as what a potential can tell, the scatter last; the best known first."""
    ratios = [e for e in found if kind(e.name).is_ratio]
    wanted = ratios or [e for e in found if not kind(e.name).is_noise] or found
    chosen = sorted(wanted, key=lambda e: -e.known)
    more = f"; and {len(chosen) - _MOST} more" if len(chosen) > _MOST + 1 else ""
    return "; ".join(e.said(reference) for e in chosen[: _MOST if more else _MOST + 1]) + more


def answer_of(tree: "xr.DataTree") -> str:
    """The answer of a result: medians with their 95 % intervals."""
    table = tree["table"].to_dataset()
    columns = (table[k].values for k in ("parameter", "unit", "median", "low", "high", "sd", "contraction"))
    found = [
        Estimate(
            str(name), str(unit), float(median), float(low), float(high), decimals_of(float(sd)), float(known)
        )
        for name, unit, median, low, high, sd, known in zip(*columns, strict=True)
        if math.isfinite(median)
    ]
    return answer(found, reference_ion(tree))


def reference_ion(tree: "xr.DataTree") -> str:
    """The ion whose permeability is 1."""
    config = json.loads(str(tree.attrs.get("config", "{}")))
    return config.get("reference") or str(tree.attrs.get("ions", "K")).split(", ")[0]
