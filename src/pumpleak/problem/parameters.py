"""Parameters: one row for each unknown, read alike by fit, inference, report and messages."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..quantities.names import kind
from .priors import Prior, halfnormal


@dataclass(frozen=True)
class Latent:
    """An unknown as a user writes it: a prior, and whether each level of a column has its own.

    Attributes:
        prior: the prior, in the quantity's canonical unit.
        by: a column of the table; each of its levels has a value of its own. None: one shared value. Several
            columns, from the outermost to the innermost (genotype, animal, cell): levels within levels.
        pooled: the levels come from one population, whose spread is inferred (partial pooling): of the level
            that they are in, where there are several columns. Or the columns of which this is so; the first
            may be left out, and then has values of its own, each with the prior.
        spread: the prior of that spread, on the log scale for a lognormal prior, on the logit scale
            for a bounded one, else in the quantity's unit. Or one for each column.
        reference: the level of the first column at which the quantity has its default, so that the others are told
            against it: a drug's factor ``P_Na_scale`` against the same cells' control.

    Example:
        >>> from pumpleak import lognormal
        >>> Latent(lognormal(0.05, 3), by=("genotype", "cell"), pooled=("cell",)).columns
        ('genotype', 'cell')
    """

    prior: Prior
    by: str | tuple[str, ...] | None = None
    pooled: bool | tuple[str, ...] = False
    spread: Prior | Mapping[str, Prior] | None = None
    reference: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it is given by, from the outermost to the innermost."""
        return () if self.by is None else (self.by,) if isinstance(self.by, str) else tuple(self.by)

    def spread_of(self, column: str) -> Prior | None:
        """Prior of the spread between the levels of a column; None where they are not pooled.

        Raises:
            InputError: levels lie within others that are not their population.
        """
        pooled = self.pooled if isinstance(self.pooled, tuple) else self.columns if self.pooled else ()
        loose = [c for c in self.columns[1:] if c not in pooled] if pooled else []
        unknown = [
            c
            for c in (*pooled, *(self.spread if isinstance(self.spread, Mapping) else ()))
            if c not in self.columns
        ]
        if loose or unknown:
            raise InputError(
                f"levels of {loose[0]} lie within others, and are not pooled"
                if loose
                else f"{unknown[0]} is pooled, but is not among the columns {', '.join(self.columns) or '(none)'}",
                mend="Pool every column but the first, e.g. `by: [genotype, cell]`, `pooled: [cell]`",
            )
        if column not in pooled:
            return None
        given = self.spread.get(column) if isinstance(self.spread, Mapping) else self.spread
        return given or default_spread(self.prior)


@dataclass(frozen=True)
class Swap:
    """A bath ion that replaces another: its concentration is total − the other's.

    Attributes:
        other: the quantity it is swapped for, e.g. ``K_o``.
        total: their sum [mM]: a number, a prior or a `Latent`.

    Example:
        >>> Swap("K_o", total=150.0).other  # of Na_o: 150 mM less what there is of K
        'K_o'
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
        parent, parent_of: the parameter whose levels are the populations' means, and which of them is each
            level's (levels,); None: one population, with a mean of its own.
        from_table: its prior is a number ± sd of the table's, so that each cell of a batch has its own.

    Example:
        >>> from pumpleak import load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> (parameter,) = make_problem(load_dataset("textbook_resting"), known).parameters
        >>> print(parameter.name, parameter.unit, "|", parameter.prior)
        P_Na_rel 1 | median 0.05, factor 3
    """

    name: str
    quantity: str
    unit: str
    prior: Prior
    source: str
    by: str | None = None
    levels: tuple[str, ...] = ()
    spread: Prior | None = None
    parent: "Parameter | None" = None
    parent_of: tuple[int, ...] = ()
    from_table: bool = False

    @property
    def size(self) -> int:
        return max(1, len(self.levels))

    @property
    def lineage(self) -> tuple[str, ...]:
        """Its own name and those of the parameters whose levels its own lie in."""
        return (self.name, *(self.parent.lineage if self.parent is not None else ()))

    @property
    def element_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}[{x}]" for x in self.levels) or (self.name,)

    @property
    def sites(self) -> tuple[Site, ...]:
        """What is sampled for it: itself, or the population's mean (a parent's own), spread and standard-normal offsets."""
        if self.spread is None:
            return (Site(self.name, self.prior, (len(self.levels),) if self.levels else ()),)
        of_population = (Site(f"{self.name}_spread", self.spread),)
        if self.parent is None:
            of_population = (Site(f"{self.name}_mean", self.prior), *of_population)
        return (*of_population, Site(f"{self.name}_z", Prior("normal", 0.0, 1.0), (len(self.levels),)))

    def mean(self, of: Callable[[str], Any]):
        """The mean of each level's population, () or (levels,), from a site's or parameter's values by name."""
        if self.parent is None:
            return of(f"{self.name}_mean")
        return of(self.parent.name)[..., np.array(self.parent_of)]

    def mean_in(self, sites: Mapping[str, Any], natural: Mapping[str, Any]):
        return self.mean(lambda name: natural[name] if name in natural else sites[name])

    def from_sites(self, sites: Mapping[str, Any], natural: Mapping[str, Any], numbers: Any = None):
        """Natural values, shape () or (levels,), from the sampled sites and the parents' natural values.

        Pooled levels are non-centred: t(value_j) = t(mean) + spread·z_j, with t = ln, logit or the
        identity as the prior is positive, bounded or free.

        Args:
            sites, natural: by name.
            numbers: (4,) stand in for the prior's own: in a batch, each cell's bounds.
        """
        if self.spread is None:
            return sites[self.name]
        *_, low, high = self.prior.params if numbers is None else numbers
        by = sites[f"{self.name}_spread"] * sites[f"{self.name}_z"]
        return replace(self.prior.bounds, low=low, high=high).moved(self.mean_in(sites, natural), by)

    def to_sites(self, of: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
        """Sites (n, ...) from the natural values (n, ...) of parameters, populations' means and spreads, by name."""
        if self.spread is None:
            return {self.name: of(self.name)}
        out = {s.name: of(s.name) for s in self.sites[:-1]}
        mean = self.mean(of)
        mean = mean if self.parent is not None else mean[:, None]
        z = self.prior.unbounded(of(self.name)) - self.prior.unbounded(mean)
        return out | {f"{self.name}_z": z / out[f"{self.name}_spread"][:, None]}


def is_noise(parameter: Parameter) -> bool:
    """True for the scale or tails of a reading's noise."""
    return kind(parameter.quantity).is_noise


def is_noise_scale(parameter: Parameter) -> bool:
    """True for the scale of a reading's noise, in the unit of what is read."""
    k = kind(parameter.quantity)
    return k.is_noise and bool(k.of)


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
