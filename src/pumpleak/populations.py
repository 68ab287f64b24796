"""Populations: what readings say of pooled levels' mean and spread, with the levels themselves integrated out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from .errors import InputError
from .noise import information
from .parameters import Parameter, Site
from .problem import Arrays, Problem


@dataclass(frozen=True)
class _Population(Parameter):
    """A pooled parameter without offsets of its own: every level lies ``_z`` spreads off the middle, 0 unless given."""

    @property
    def sites(self) -> tuple[Site, ...]:
        return super().sites[:-1]

    def from_sites(self, sites: Mapping[str, Any], natural: Mapping[str, Any]):
        z = jnp.broadcast_to(sites.get(f"{self.name}_z", 0.0), (len(self.levels),))
        return super().from_sites({**sites, f"{self.name}_z": z}, natural)


@dataclass(frozen=True)
class Marginal(Problem):
    """A problem whose pooled levels are integrated out, to first order in their offsets z ~ N(0, 1):

        y ~ N(μ, Σ),   Σ = diag(s²) + Σ_p g_p g_pᵀ ∘ [same level of p],   g = ∂μ/∂z at z = 0

    so that its unknowns are the populations' and what is not pooled. Exact where readings are linear in the
    offsets. Noise with tails, rounding and limits enter by the variance of the same information. The density
    is that of one reading after another, each given those before it in its block: mean and scatter
    of a normal.

    Attributes:
        levels: pooled parameter -> (N,) level of each reading; −1: none.
        blocks: (B, m) readings that share a level, −1 where a block has fewer.

    References:
        Beal & Sheiner 1982, Crit. Rev. Biomed. Eng. 8:195 (first-order population likelihood); Mentré, Mallet &
        Baccar 1997, Biometrika 84:429, doi 10.1093/biomet/84.2.429 (its information).
    """

    levels: Mapping[str, np.ndarray] = field(default_factory=dict)
    blocks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), int))

    def reading_parts(self, sites: Mapping[str, Any], arrays: Arrays | None = None):
        if not self.levels:
            return super().reading_parts(sites, arrays)
        arrays = self.arrays if arrays is None else arrays
        parts, ok = self._middle(sites, arrays)
        loc, S = self.population(sites, arrays)
        miss = jnp.where(arrays.mask, arrays.value - loc, 0.0)[self.blocks]
        L = jnp.linalg.cholesky(S)
        new = jax.scipy.linalg.solve_triangular(
            L, jnp.where(self.blocks >= 0, miss, 0.0)[..., None], lower=True
        )
        scale = jnp.diagonal(L, axis1=1, axis2=2)
        there = self.blocks >= 0
        place = self.blocks[there]
        expected = jnp.zeros_like(loc).at[place].set((miss - new[..., 0] * scale)[there])
        return {
            **parts, "loc": loc + expected, "scale": jnp.ones_like(loc).at[place].set(scale[there]),
        }, ok  # fmt: skip

    def scattered(self, parts: Mapping[str, Any], arrays: Arrays | None = None):
        return dist.Normal(parts["loc"], parts["scale"]) if self.levels else super().scattered(parts, arrays)

    def population(self, sites: Mapping[str, Any], arrays: Arrays | None = None):
        """Mean (N,) of the readings and their covariance (B, m, m) in blocks; 1 on the diagonal of absent ones."""
        arrays = self.arrays if arrays is None else arrays

        def of(z):
            given = {**sites, **{f"{name}_z": z[k] for k, name in enumerate(self.levels)}}
            return self._middle(given, arrays)[0]["loc"]

        zero = jnp.zeros(len(self.levels))
        slope = jnp.where(arrays.mask[:, None], jax.jacfwd(of)(zero), 0.0)
        parts, _ = self._middle(sites, arrays)
        about = information(super().scattered(parts, arrays))["loc", "loc"]
        variance = jnp.where(arrays.mask, 1 / about, 1.0)
        b = self.blocks
        S = jnp.eye(b.shape[1]) * jnp.where(b >= 0, variance[b], 1.0)[:, None]
        for k, level in enumerate(self.levels.values()):
            own = np.where(b >= 0, level[b], -1)
            same = (own[:, :, None] == own[:, None]) & (own >= 0)[:, None]
            S = S + jnp.where(same, slope[b, k][:, :, None] * slope[b, k][:, None], 0.0)
        return parts["loc"], S

    def _middle(self, sites, arrays):
        return Problem.reading_parts(self, sites, arrays)


def marginal(problem: Problem) -> Problem:
    """The problem with its pooled levels integrated out; itself where none are pooled.

    Raises:
        InputError: a reading is a difference between two levels.
    """
    pooled = [p for p in problem.parameters if p.spread is not None]
    if not pooled:
        return problem
    levels = {p.name: _levels(problem, p) for p in pooled}
    m = problem.measurements
    rows, reference = np.asarray(m.row), np.asarray(m.reference)
    for name, level in levels.items():
        if any(level[r] != level[f] for r, f in zip(rows, reference, strict=True) if f >= 0):
            raise InputError(
                f"a reading is a difference between two levels of {name}",
                mend="Give the potentials themselves, or let the reference have the same level",
                file=m.file,
            )
    levels = {name: level[rows] for name, level in levels.items()}
    given = {f.name: getattr(problem, f.name) for f in fields(Problem)}
    parameters = tuple(
        _Population(**{f.name: getattr(p, f.name) for f in fields(Parameter)}) if p in pooled else p
        for p in problem.parameters
    )
    return Marginal(
        **given | {"parameters": parameters, "centred": {}}, levels=levels, blocks=_blocks(levels)
    )


def _levels(problem: Problem, p: Parameter) -> np.ndarray:
    """(R,) the level of a pooled parameter that each table row has; −1: none."""
    of_model = {q.name for q in problem.model.quantities}
    n, out, start = len(problem.measurements.labels), None, 0
    for child in problem.parameters:
        slot = problem.slots[child.quantity].index if child.quantity in problem.slots else None
        up = _up(child, p)
        if up is not None and slot is not None:
            place = slot[problem.condition] if child.quantity in of_model else np.broadcast_to(slot, (n,))
            mine = (place >= start) & (place < start + child.size)
            level = np.where(mine, up[np.where(mine, place - start, 0)], -1)
            out = level if out is None else np.maximum(out, level)
        start += child.size
    return np.full(n, -1) if out is None else out


def _up(child: Parameter, p: Parameter) -> np.ndarray | None:
    """(levels,) which level of p each level of a parameter lies in; None where it is no descendant."""
    if child.name == p.name:
        return np.arange(p.size)
    if child.parent is None:
        return None
    above = _up(child.parent, p)
    return None if above is None else above[np.array(child.parent_of)]


def _blocks(levels: Mapping[str, np.ndarray]) -> np.ndarray:
    """(B, m) readings that share a level, directly or through others; −1 pads."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(next(iter(levels.values())))
    rows, columns, start = [], [], n
    for level in levels.values():
        there = np.flatnonzero(level >= 0)
        rows.append(there)
        columns.append(start + level[there])
        start += int(level.max(initial=-1)) + 1
    i, j = np.concatenate(rows), np.concatenate(columns)
    _, which = connected_components(
        coo_array((np.ones(len(i)), (i, j)), shape=(start, start)), directed=False
    )
    groups = [np.flatnonzero(which[:n] == k) for k in np.unique(which[:n])]
    out = np.full((len(groups), max(map(len, groups))), -1)
    for k, members in enumerate(groups):
        out[k, : len(members)] = members
    return out
