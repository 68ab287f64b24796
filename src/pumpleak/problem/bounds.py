"""The scale without bounds: ln above one bound, logit between two, the number itself where there is none."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..lazy import jnp, special


@dataclass(frozen=True)
class Bounds:
    """Where a number lies, for NumPy's arrays and for traced ones.

    Attributes:
        low, high: the bounds, numbers or arrays.
        below, above: whether there is one.
    """

    low: Any
    high: Any
    below: bool
    above: bool

    def free(self, x: Any) -> Any:
        """x on the scale without bounds, as NumPyro has it."""
        if self.below and self.above:
            return np.log((x - self.low) / (self.high - x))
        if self.above:
            return np.log(self.high - x)
        return np.log(x - self.low) if self.below else x

    def back(self, t: Any) -> Any:
        """The inverse of `free`."""
        if self.below and self.above:
            return self.low + (self.high - self.low) / (1 + np.exp(-t))
        if self.above:
            return self.high - np.exp(t)
        return self.low + np.exp(t) if self.below else t

    def moved(self, x: Any, by: Any) -> Any:
        """``back(free(x) + by)``, traced, and exact where `by` is 0."""
        low, high = self.low, self.high
        if self.below and self.above:
            return low + (high - low) * special.expit(special.logit((x - low) / (high - low)) + by)
        if self.below:
            return low + (x - low) * jnp.exp(by)
        return high - (high - x) * jnp.exp(by) if self.above else x + by
