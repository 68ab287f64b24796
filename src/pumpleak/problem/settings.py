"""How `infer` and `fit` run where neither the call nor the config says otherwise."""

from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from ..errors import InputError, kind_of


@dataclass(frozen=True)
class SamplerSettings:
    """The section `sampler` of a config, and the arguments of `infer`."""

    engine: Literal["nuts", "auto", "importance", "hmc", "laplace"] = "nuts"
    chains: int = 4
    warmup: int = 1000
    draws: int = 1000
    target_accept: float = 0.95
    seed: int | None = None  # the problem's own: `Problem.seed`
    retry: bool = True


@dataclass(frozen=True)
class FitSettings:
    """The section `fit` of a config, and the arguments of `fit`."""

    starts: int = 64
    max_steps: int = 500
    seed: int = 1


SAMPLER = SamplerSettings()
FIT = FitSettings()

#: The fewest and the most that there can be of each; a seed has 63 bits in JAX.
LIMITS = {
    "chains": (1, 64),
    "warmup": (50, 1_000_000),
    "draws": (50, 1_000_000),
    "starts": (32, 10_000),
    "max_steps": (10, 1_000_000),
    "seed": (0, 2**63 - 1),
    "replicates": (20, 1_000_000),
    "points": (8, 10_000),
    "samples": (64, 2**24),
}


def check_limits(**given: int) -> None:
    """Refuse what is beyond its `LIMITS`, before hours are spent or memory runs out.

    Raises:
        InputError: says which, and the limit.
    """
    for name, value in given.items():
        low, high = LIMITS[name]
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise InputError(
                f"{name} must be a whole number, not {value if isinstance(value, float) else kind_of(value)}",
                mend=f"Give one from {low} to {high}",
            )
        if not low <= value <= high:
            end = f"at least {low}" if value < low else f"at most {high}"
            raise InputError(
                f"{name} = {value} is too {'small' if value < low else 'large'}", mend=f"Give {end}"
            )
