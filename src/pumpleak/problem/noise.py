"""Noise: its kinds, what writing a reading down does to it, and what of them needs no density."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..lazy import jnp
from ..quantities.quantity import Quantity

#: Kind of noise -> the quantities that give its shape, beside a location and a scale.
KINDS: dict[str, tuple[Quantity, ...]] = {
    "normal": (),
    "student_t": (Quantity("nu", "1", "degrees of freedom of the Student-t noise", 4.0, 1.0),),
    "outliers": (
        Quantity("outlier_share", "1", "share of readings that are outliers", 0.05, upper=1.0),
        Quantity("outlier_factor", "1", "how many times as wide outliers scatter", 5.0, 1.0),
    ),
}
FAR = 1e4  # mV: beyond what any electrode reads


class Recording(NamedTuple):
    """What writing a single reading down does to it.

    Attributes:
        rounding: step to which it is rounded [mV]; 0: none. It says y − step/2 < reading < y + step/2.
        floor, ceiling: limits of the amplifier or the axis [mV]. A reading there says "at most" or "at least".

    Example:
        >>> low, high = Recording(rounding=1.0, floor=-90.0).edges(-70.0)
        >>> print(low, high)
        -70.5 -69.5
    """

    rounding: float = 0.0
    floor: float = -math.inf
    ceiling: float = math.inf

    @property
    def exact(self) -> bool:
        """Whether readings are taken as they stand."""
        return self == Recording()

    def written(self, value):
        """Readings as they are written down."""
        if self.rounding:
            value = self.rounding * jnp.round(value / self.rounding)
        return jnp.clip(value, self.floor, self.ceiling)

    def edges(self, value):
        """Least and largest reading that would have been written down as `value`; equal where it is exact."""
        step = self.rounding
        low, high = value - step / 2, value + step / 2
        if step and math.isfinite(self.floor):  # what is rounded to the step at or below the floor
            high = jnp.where(value <= self.floor, step * (math.floor(self.floor / step + 1e-9) + 0.5), high)
        if step and math.isfinite(self.ceiling):
            low = jnp.where(value >= self.ceiling, step * (math.ceil(self.ceiling / step - 1e-9) - 0.5), low)
        low = jnp.where(value <= self.floor, -FAR, low)
        return low, jnp.where(value >= self.ceiling, FAR, high)


def bytes_of_readings(kind: str, n: int) -> int:
    """What n readings take of memory at each of many points, when what is expected, drawn and made of them is kept."""
    return 8 * n * (4 + 4 * (2 + len(KINDS[kind])))


def standard_draws(kind: str, rng: np.random.Generator, shape: Mapping[str, Any], size: tuple[int, ...]):
    """Draws of one kind of noise about 0 with scale 1, as NumPy arrays of this size."""
    if kind == "student_t":
        return rng.standard_t(np.broadcast_to(shape["nu"], size))
    z = rng.standard_normal(size)
    if kind == "outliers":
        z = np.where(rng.random(size) < shape["outlier_share"], shape["outlier_factor"], 1.0) * z
    return z


def tail_below(kind: str, z, shape: Mapping[str, Any]):
    """Probability of a standardised reading below z, as NumPy arrays; above is the same of −z."""
    from scipy import stats

    if kind == "student_t":
        return stats.t.cdf(z, shape["nu"])
    below = stats.norm.cdf(z)
    if kind == "outliers":
        wide = stats.norm.cdf(z / shape["outlier_factor"])
        below = (1 - shape["outlier_share"]) * below + shape["outlier_share"] * wide
    return below
