"""How `infer` and `fit` run where neither the call nor the config says otherwise."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SamplerSettings:
    """The section `sampler` of a config, and the arguments of `infer`."""

    engine: Literal["nuts", "auto", "importance", "hmc", "laplace"] = "nuts"
    chains: int = 4
    warmup: int = 1000
    draws: int = 1000
    target_accept: float = 0.95
    seed: int = 1
    retry: bool = True


@dataclass(frozen=True)
class FitSettings:
    """The section `fit` of a config, and the arguments of `fit`."""

    starts: int = 64
    max_steps: int = 500
    seed: int = 1


SAMPLER = SamplerSettings()
FIT = FitSettings()

#: The fewest that there can be of each.
FEWEST = {"chains": 1, "warmup": 50, "draws": 50, "starts": 32, "max_steps": 10}
