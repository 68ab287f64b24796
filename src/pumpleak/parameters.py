"""Parameters: one row for each unknown, read alike by fit, inference, report and messages."""

import math
from dataclasses import dataclass, field

import numpy as np

from .priors import Prior, halfnormal


@dataclass(frozen=True)
class Latent:
    """An unknown as a user writes it: a prior, and whether each level of a column has its own.

    Attributes:
        prior: the prior, in the quantity's canonical unit.
        by: a column of the table; each of its levels has a value of its own. None: one shared value.
        pooled: the levels come from one population, whose spread is inferred (partial pooling).
        spread: the prior of that spread, on the log scale for a lognormal prior, on the logit scale
            for a bounded one, else in the quantity's unit.
    """

    prior: Prior
    by: str | None = None
    pooled: bool = False
    spread: Prior | None = None


@dataclass(frozen=True)
class Swap:
    """A bath ion that replaces another: its concentration is total − the other's.

    Attributes:
        other: the quantity it is swapped for, e.g. ``K_o``.
        total: their sum [mM]: a number, a prior or a `Latent`.
    """

    other: str
    total: "float | Prior | Latent"


@dataclass(frozen=True)
class Site:
    """One sampled site of the joint density: a block of independent numbers with one prior."""

    name: str
    prior: Prior
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Parameter:
    """One unknown of a problem: a number, or one for each level of a column.

    Attributes:
        name: unique, e.g. ``P_Na_rel`` or ``Cl_o[Na-free]``.
        quantity: the model quantity it is a value of.
        unit: canonical unit.
        prior: its prior.
        source: where that came from: a config key, a table column, or "default".
        by, levels: the column and its levels, where each has its own value.
        spread: prior of the population's spread; None: the levels are not pooled.
    """

    name: str
    quantity: str
    unit: str
    prior: Prior
    source: str
    by: str | None = None
    levels: tuple[str, ...] = ()
    spread: Prior | None = None

    @property
    def size(self) -> int:
        return max(1, len(self.levels))

    @property
    def element_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}[{x}]" for x in self.levels) or (self.name,)

    @property
    def sites(self) -> tuple[Site, ...]:
        """What is sampled for it: itself, or a population mean, spread and standard-normal offsets."""
        if self.spread is None:
            return (Site(self.name, self.prior, (len(self.levels),) if self.levels else ()),)
        return (
            Site(f"{self.name}_mean", self.prior),
            Site(f"{self.name}_spread", self.spread),
            Site(f"{self.name}_z", Prior("normal", 0.0, 1.0), (len(self.levels),)),
        )

    def from_sites(self, sites: dict):
        """Natural values, shape () or (levels,), from the sampled sites.

        Pooled levels are non-centred: t(value_j) = t(mean) + spread·z_j, with t = ln, logit or the
        identity as the prior is positive, bounded or free.
        """
        if self.spread is None:
            return sites[self.name]
        import jax.numpy as jnp
        from jax.scipy.special import expit, logit

        mean, spread, z = (sites[s.name] for s in self.sites)
        low, high = self.prior.lower, self.prior.upper
        if np.isfinite(low) and np.isfinite(high):
            return low + (high - low) * expit(logit((mean - low) / (high - low)) + spread * z)
        if np.isfinite(low):
            return low + (mean - low) * jnp.exp(spread * z)
        if np.isfinite(high):
            return high - (high - mean) * jnp.exp(spread * z)
        return mean + spread * z

    def to_sites(self, natural: np.ndarray, *population: np.ndarray) -> dict[str, np.ndarray]:
        """Sites from natural values (n, ...), and of pooled levels from the population's mean and spread (n,)."""
        if self.spread is None:
            return {self.name: natural}
        mean, spread = population
        z = (self.prior.unbounded(natural) - self.prior.unbounded(mean)[:, None]) / spread[:, None]
        return dict(zip((s.name for s in self.sites), (mean, spread, z), strict=True))


@dataclass
class Pool:
    """Collects parameters while a problem is assembled, each quantity's latent once."""

    parameters: list[Parameter] = field(default_factory=list)
    _start: dict[str, int] = field(default_factory=dict)
    size: int = 0

    def add(self, parameter: Parameter) -> int:
        """Position of the parameter's first element among the latents; added on first sight."""
        if parameter.name not in self._start:
            self._start[parameter.name] = self.size
            self.parameters.append(parameter)
            self.size += parameter.size
        return self._start[parameter.name]


def default_spread(prior: Prior) -> Prior:
    """Half-normal with sd 0.5 on a log or logit scale (65 % between levels), else half the prior's sd."""
    return halfnormal(0.5 if np.isfinite(prior.lower) else 0.5 * prior.b)
