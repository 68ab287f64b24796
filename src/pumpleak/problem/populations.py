"""Populations: what readings say of pooled levels' mean and spread, with the levels themselves integrated out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import constraints

from ..errors import InputError
from .parameters import Parameter, Site
from .problem import Arrays, Problem
from .scatter import information, location_information, scatter

# To the levels' mode: unless readings are normal their scatter is first widened by these (far from a mode, tails are flat),
# then as they are, at most so many steps, until none moves a level by more than this.
_WIDENED = (30.0, 10.0, 4.0, 2.0)
_STEPS, _STILL = 10, 1e-3
_CARRY = 3  # further ones, of Newton's method, which carry the derivative
_SHARES = (1.0, 0.5, 0.25, 0.1, 0.03)  # of a step that may be taken
_LEVEL = 1e-6  # nats that a step may lose


@dataclass(frozen=True)
class _Population(Parameter):
    """A pooled parameter without offsets of its own: every level lies ``_z`` spreads off the middle, 0 unless given."""

    @property
    def sites(self) -> tuple[Site, ...]:
        return super().sites[:-1]

    def from_sites(self, sites: Mapping[str, Any], natural: Mapping[str, Any], numbers: Any = None):
        z = jnp.broadcast_to(sites.get(f"{self.name}_z", 0.0), (len(self.levels),))
        return super().from_sites({**sites, f"{self.name}_z": z}, natural, numbers)


class _Laplace(dist.Distribution):
    """Normal readings one after another, and what their own density has beyond that of normal ones where they were read."""

    pytree_data_fields = ("loc", "scale", "beyond")

    def __init__(self, loc, scale, beyond, *, validate_args=None):
        self.loc, self.scale, self.beyond = loc, scale, beyond
        super().__init__(jnp.shape(loc), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.real

    def log_prob(self, value):
        return dist.Normal(self.loc, self.scale).log_prob(value) + self.beyond


@dataclass(frozen=True)
class Marginal(Problem):
    """A problem whose pooled levels are integrated out, by Laplace's approximation about their mode ẑ given the rest:

        ln p(y) = Σ_r ln p(y_r | ẑ) + ln N(ẑ; 0, 1) − ½ ln |1 + Gᵀ W G|,   G = ∂μ/∂z,   W the readings' information

    so that its unknowns are the populations' and what is not pooled. Exact where readings are linear in the offsets z
    and normal. It is computed as the density of normal readings, y* = μ + score/W with the covariance
    diag(1/W) + G Gᵀ, one after another in blocks that share a level, and what each one's own density has beyond
    the normal one: outliers, tails, rounding and limits enter by their own.

    Attributes:
        levels: pooled parameter -> (N,) level of each reading; −1: none.
        blocks: (B, m) readings that share a level, −1 where a block has fewer.

    References:
        Lindstrom & Bates 1990, Biometrics 46:673, doi 10.2307/2532087, and Wolfinger 1993, Biometrika 80:791, doi
        10.1093/biomet/80.4.791 (Laplace's approximation of nonlinear mixed effects); Mentré, Mallet & Baccar 1997,
        Biometrika 84:429, doi 10.1093/biomet/84.2.429 (a population's information, to first order).
    """

    levels: Mapping[str, np.ndarray] = field(default_factory=dict)
    blocks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), int))

    def reading_parts(self, sites: Mapping[str, Any], arrays: Arrays | None = None):
        if not self.levels:
            return super().reading_parts(sites, arrays)
        arrays = self.arrays if arrays is None else arrays
        at = self._at_mode(sites, arrays)
        L = jnp.linalg.cholesky(at["S"])
        there = self.blocks >= 0
        miss = jnp.where(there, jnp.where(arrays.mask, at["pseudo"] - at["linear"], 0.0)[self.blocks], 0.0)
        new = jax.scipy.linalg.solve_triangular(L, miss[..., None], lower=True)[..., 0]
        scale = jnp.diagonal(L, axis1=1, axis2=2)
        back = lambda x, blank: jnp.full_like(at["linear"], blank).at[self.blocks[there]].set(x[there])  # noqa: E731
        value = jnp.where(arrays.mask, arrays.value, 0.0)
        parts = {"loc": value - back(new * scale, 0.0), "scale": back(scale, 1.0)}
        parts["beyond"] = jnp.where(arrays.mask, at["beyond"], 0.0)
        return parts, at["ok"]

    def scattered(self, parts: Mapping[str, Any], arrays: Arrays | None = None):
        if not self.levels:
            return super().scattered(parts, arrays)
        return _Laplace(parts["loc"], parts["scale"], parts["beyond"])

    def population(self, sites: Mapping[str, Any]):
        """Mean (N,) of the readings and their covariance (B, m, m) in blocks, to first order about the populations' middle;
        1 on the diagonal of absent ones."""
        at = self._around(sites, self.arrays, self._middle, self._of_unit(sites, self.arrays))
        return at["loc"], at["S"]

    def _at_mode(self, sites, arrays):
        unit = self._of_unit(sites, arrays)
        held, held_unit = jax.tree.map(jax.lax.stop_gradient, (sites, unit))
        wider = (1.0,) * _STEPS if self._normal else (*_WIDENED, *(1.0,) * _STEPS)

        def step(state):
            z, k, _ = state
            new = self._newton(held, arrays, z, held_unit, jnp.array(wider)[k], far=not self._normal)
            return new, k + 1, jnp.max(jnp.array([jnp.max(jnp.abs(new[n] - z[n])) for n in z]))

        def on(state):
            return (state[1] <= len(wider) - _STEPS) | (state[1] < len(wider)) & (state[2] > _STILL)

        z, *_ = jax.lax.while_loop(on, step, (self._middle, 0, jnp.inf))
        z = jax.lax.stop_gradient(z)
        z, _ = jax.lax.scan(lambda z, _: (self._newton(sites, arrays, z, unit), None), z, None, length=_CARRY)
        return self._around(sites, arrays, z, unit)

    @property
    def _normal(self) -> bool:
        return self.noise == "normal" and self.recording.exact

    @property
    def _middle(self) -> dict[str, Any]:
        return {name: jnp.zeros(int(level.max(initial=-1)) + 1) for name, level in self.levels.items()}

    def _newton(self, sites, arrays, z, unit, wider=1.0, *, far=False):
        """The offsets towards their mode: z = Gᵀ S⁻¹ (y* − what z = 0 would give), as far as each block gains by it."""
        at, there = self._around(sites, arrays, z, unit, wider, far=far), self.blocks >= 0
        miss = jnp.where(there, jnp.where(arrays.mask, at["pseudo"] - at["linear"], 0.0)[self.blocks], 0.0)
        pulled = jnp.linalg.solve(at["S"], miss[..., None])[..., 0]
        pulled = jnp.zeros_like(at["linear"]).at[self.blocks[there]].set(pulled[there])
        block = np.zeros(len(pulled), int)
        block[self.blocks[there]] = np.nonzero(there)[0]
        step, owner = {}, {}
        for k, (name, level) in enumerate(self.levels.items()):
            pull = jnp.where(level >= 0, at["slope"][:, k] * pulled, 0.0)
            step[name] = jnp.zeros_like(z[name]).at[np.maximum(level, 0)].add(pull) - z[name]
            owner[name] = np.zeros(len(z[name]), int)
            owner[name][level[level >= 0]] = block[level >= 0]

        held = jax.tree.map(jax.lax.stop_gradient, (sites, z, step))

        def height(share):
            """−ln density of each block, (B,), its share of the step on."""
            sites, z, step = held
            moved = {name: x + share[owner[name]] * step[name] for name, x in z.items()}
            out = jnp.zeros(len(self.blocks)).at[block].add(-self._log_prob(sites, arrays, moved, wider))
            for name, x in moved.items():
                out = out.at[owner[name]].add(0.5 * x**2)
            return jnp.where(jnp.isfinite(out), out, jnp.inf)

        # The longest that loses nothing: at the mode itself none does, and a whole step carries the derivative.
        none, shares = jnp.zeros(len(self.blocks)), jnp.array((*_SHARES, 0.0))
        here = height(none)

        def shorter(state):
            k, taken = state
            good = height(jnp.where(taken > 0, taken, shares[k])) <= here + _LEVEL
            return k + 1, jnp.where((taken == 0) & good, shares[k], taken)

        _, taken = jax.lax.while_loop(
            lambda s: (s[0] < len(_SHARES)) & jnp.any(s[1] == 0), shorter, (0, none)
        )
        return {name: x + taken[owner[name]] * step[name] for name, x in z.items()}

    def _offset_parts(self, sites, arrays, z, wider):
        sites = {**sites, **{f"{name}_z": x for name, x in z.items()}}
        parts, ok = Problem.reading_parts(self, sites, arrays)
        return {**parts, "scale": parts["scale"] * wider}, ok

    def _log_prob(self, sites, arrays, z, wider):
        """(N,) ln p(y | z), 0 where nothing was read."""
        parts, _ = self._offset_parts(sites, arrays, z, wider)
        value = jnp.where(arrays.mask, arrays.value, parts["loc"])
        return jnp.where(arrays.mask, Problem.scattered(self, parts, arrays).log_prob(value), 0.0)

    def _of_unit(self, sites, arrays):
        """(N,) information about its location of each reading's noise at scale 1: offsets do not change it."""
        parts, _ = Problem.reading_parts(self, sites, arrays)
        return information(scatter(self.noise, 0.0, jnp.ones_like(parts["loc"]), parts))["loc", "loc"]

    def _around(self, sites, arrays, z, unit, wider=1.0, *, far=False) -> dict[str, Any]:
        """What is expected with these offsets, its slopes, pseudo-readings and their covariance."""

        def of(step):
            moved = {name: z[name] + step[k] for k, name in enumerate(self.levels)}
            parts, ok = self._offset_parts(sites, arrays, moved, wider)
            return parts["loc"], (parts, ok)

        slope, (parts, ok) = self.model.jacobian(of, has_aux=True)(jnp.zeros(len(self.levels)))
        slope = jnp.where(arrays.mask[:, None], slope, 0.0)
        loc, value = parts["loc"], jnp.where(arrays.mask, arrays.value, parts["loc"])

        def log_prob(loc):
            return Problem.scattered(self, {**parts, "loc": loc}, arrays).log_prob(value)

        about = location_information(Problem.scattered(self, parts, arrays), unit)
        score = jax.grad(lambda loc: jnp.where(arrays.mask, log_prob(loc), 0.0).sum())(loc)
        if far:  # a tail pulls as a wider normal distribution would
            miss = value - loc
            apart = jnp.abs(miss) > 0.5 * parts["scale"]
            about = jnp.where(
                apart, jnp.clip(score / jnp.where(apart, miss, 1.0), 1e-4 * about, about), about
            )
        variance = jnp.where(arrays.mask, 1 / about, 1.0)
        pseudo = loc + score * variance
        linear = loc - sum(
            slope[:, k] * jnp.where(level >= 0, z[name][np.maximum(level, 0)], 0.0)
            for k, (name, level) in enumerate(self.levels.items())
        )
        beyond = log_prob(loc) - dist.Normal(loc, jnp.sqrt(variance)).log_prob(pseudo)
        b = self.blocks
        S = jnp.eye(b.shape[1]) * jnp.where(b >= 0, variance[b], 1.0)[:, None]
        for k, level in enumerate(self.levels.values()):
            own = np.where(b >= 0, level[b], -1)
            same = (own[:, :, None] == own[:, None]) & (own >= 0)[:, None]
            S = S + jnp.where(same, slope[b, k][:, :, None] * slope[b, k][:, None], 0.0)
        return {
            "loc": loc,
            "linear": linear,
            "slope": slope,
            "pseudo": pseudo,
            "beyond": beyond,
            "S": S,
            "ok": ok,
        }


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
    n, out = len(problem.measurements.labels), None
    for child in problem.parameters:
        slot = problem.slots[child.quantity].index if child.quantity in problem.slots else None
        up = _up(child, p)
        if up is not None and slot is not None:
            place = slot[problem.condition] if child.quantity in of_model else np.broadcast_to(slot, (n,))
            at = problem.layout.of_parameters[child.name]
            mine = (place >= at.start) & (place < at.stop)
            level = np.where(mine, up[np.where(mine, place - at.start, 0)], -1)
            out = level if out is None else np.maximum(out, level)
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
