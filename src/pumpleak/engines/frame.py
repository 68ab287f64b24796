"""Coordinates in which one cell's posterior is nearly a standard normal, traced.

Where the noise is inferred, the posterior is a funnel: the smaller the noise, the narrower everything else. So
the noise's own coordinates t come first, from their marginal density, and the rest is measured about its mode
given t, by its curvature given t:

    u_rest = rest + L⁻ᵀ (L⁻¹ g + v),   L Lᵀ = Jᵀ W(t) J + P,   g = Jᵀ W(t) miss − prior's slope

with J the readings' slopes at the mode, W their precisions, P the prior's curvature. Without inferred noise
this is the usual frame of a mode.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..problem.parameters import is_noise
from ..problem.problem import Arrays, Problem
from ..problem.scatter import information
from .modes import look

_NEWTON_STEPS = 8
_STEP = 0.05  # of a prior's width
_LARGEST = 12  # other coordinates beyond which t is held: a factor for each point would be too dear


class _Frame(NamedTuple):
    """The frame of a mode: R readings, n coordinates of the noise, m others.

    Attributes:
        t, t_axes: (n,) where v = 0 lies, and its unit steps.
        rest: (m,) the other coordinates at the mode.
        slope, miss: (R, m) d reading/d rest, and (R,) reading − prediction, at the mode.
        prior_slope, prior_curve: (m,) of the prior's potential in them.
    """

    t: Any
    t_axes: Any
    rest: Any
    slope: Any
    miss: Any
    prior_slope: Any
    prior_curve: Any


class Frame:
    """The map v -> u of one cell at its mode; made inside the traced function that uses it.

    Points stand in columns. v is in the order of `order`: the noise's n coordinates, then the m others.
    """

    def __init__(self, problem: Problem, arrays: Arrays, mode_u):
        noise = noise_coordinates(problem)
        self.problem, self.arrays = problem, arrays
        self.order = np.argsort(~noise, kind="stable")
        self.back = np.argsort(self.order)
        self.n = int(noise.sum())
        self.frame = self._at(mode_u)
        if self.n:
            self.frame = self._centred()

    def to_u(self, v):
        """Points u (D, S) and ln |du/dv| (S,) of points v (D, S)."""
        f = self.frame
        t = f.t[:, None] + f.t_axes[:, None] * v[: self.n]
        L, pulled = self._conditional(t)
        x = _solve_upper(L, [p + row for p, row in zip(pulled, v[self.n :], strict=True)])
        rest = f.rest[:, None] + jnp.stack(x) if x else v[self.n :]
        size = jnp.sum(jnp.log(f.t_axes)) - sum(jnp.log(L[i][i]) for i in range(len(L)))
        u = jnp.concatenate([t, rest])[self.back]
        return u, jnp.broadcast_to(size, v.shape[1:])

    # -- making the frame --------------------------------------------------------------------

    def _at(self, mode_u) -> _Frame:
        x = mode_u[self.order]
        t, rest = x[: self.n], x[self.n :]
        seen = look(self.problem, self.arrays, mode_u)
        miss = jnp.where(self.arrays.mask & jnp.isfinite(seen.loc), self.arrays.value - seen.loc, 0.0)
        own, curve = jax.jvp(jax.grad(lambda rest: self._prior(t, rest)), (rest,), (jnp.ones_like(rest),))
        slope = seen.d_loc[:, self.order[self.n :]]
        return _Frame(
            t=t,
            t_axes=jnp.ones_like(t),
            rest=rest,
            slope=slope,
            miss=miss,
            prior_slope=own,
            prior_curve=jnp.clip(curve, 0.05, 1e6),
        )

    def _centred(self) -> _Frame:
        """With t at the mode of the noise's marginal density: Laplace's rule about the rest's linearised mode."""
        f = self.frame

        def height(t):
            weight, log_scale = self._precision(t[:, None])
            L, pulled = self._conditional(t[:, None])
            delta = jnp.concatenate([*_solve_upper(L, pulled), jnp.zeros(0)])
            miss = f.miss - f.slope @ delta
            fit = jnp.sum(0.5 * weight[:, 0] * miss**2 + jnp.where(self.arrays.mask, log_scale[:, 0], 0.0))
            pull = f.prior_slope @ delta + 0.5 * f.prior_curve @ delta**2
            return fit + self._prior(t, f.rest) + pull + sum(jnp.log(L[i][i][0]) for i in range(len(L)))

        # Differences, not derivatives of derivatives: few coordinates, and a quarter of the compile time.
        steps = _STEP * jnp.concatenate([jnp.zeros((1, self.n)), jnp.eye(self.n), -jnp.eye(self.n)])

        def step(state, _):
            t, _ = state
            middle, *sides = jnp.split(jax.vmap(height)(t + steps), [1, 1 + self.n])
            slope = (sides[0] - sides[1]) / (2 * _STEP)
            curve = (sides[0] - 2 * middle + sides[1]) / _STEP**2
            good = jnp.isfinite(slope) & jnp.isfinite(curve)
            curve = jnp.where(good, jnp.clip(jnp.abs(curve), 0.3, 1e8), 1.0)
            move = jnp.where(good, jnp.clip(-slope / curve, -0.7, 0.7), 0.0)
            return (t + move, curve), None

        (t, curve), _ = jax.lax.scan(step, (f.t, jnp.ones_like(f.t)), None, length=_NEWTON_STEPS)
        return f._replace(t=t, t_axes=1 / jnp.sqrt(curve))

    def _prior(self, t, rest):
        return self.problem.prior_potential(jnp.concatenate([t, rest])[self.back], self.arrays)

    def _precision(self, t):
        """Information of each reading (R, S) about its mean, and ln of its scale, at the noise's t (n, S).

        A rounded reading's scale does not fall below its step's.
        """
        f = self.frame

        def one(t):
            u = jnp.concatenate([t, f.rest])[self.back]
            d, _ = self.problem.reading_distribution(self.problem.constrain(u, self.arrays), self.arrays)
            weight = information(d)["loc", "loc"]
            return weight, jnp.log(d.scale) if self.problem.recording.exact else -0.5 * jnp.log(weight)

        weight, log_scale = jax.vmap(one, in_axes=1, out_axes=1)(t)
        return jnp.where(self.arrays.mask[:, None], weight, 0.0), log_scale

    def _conditional(self, t):
        """L and L⁻¹ g, as rows of (S,) arrays (S = 1 where nothing depends on t)."""
        f, m = self.frame, len(self.frame.rest)
        if not self.n or m > _LARGEST:
            t = f.t[:, None]
        weight, _ = self._precision(t)
        g = f.slope.T @ (weight * f.miss[:, None]) - f.prior_slope[:, None]
        H = [
            [
                (f.slope[:, i] * f.slope[:, j]) @ weight + (f.prior_curve[i] if i == j else 0.0)
                for j in range(i + 1)
            ]
            for i in range(m)
        ]
        L: list[list] = [[None] * m for _ in range(m)]
        pulled: list = []
        for i in range(m):
            for j in range(i + 1):
                pivot = H[i][j] - sum(L[i][k] * L[j][k] for k in range(j))
                L[i][j] = jnp.sqrt(jnp.maximum(pivot, 1e-10 * H[i][i])) if i == j else pivot / L[j][j]
            pulled.append((g[i] - sum(L[i][k] * pulled[k] for k in range(i))) / L[i][i])
        return L, pulled


def _solve_upper(L, rows):
    """x of Lᵀ x = rows."""
    m = len(L)
    x: list = [None] * m
    for i in reversed(range(m)):
        x[i] = (rows[i] - sum(L[j][i] * x[j] for j in range(i + 1, m))) / L[i][i]
    return x


def noise_coordinates(problem: Problem) -> np.ndarray:
    """(D,) bool: which coordinates belong to the noise."""
    return np.array([is_noise(c.parameter) for c in problem.layout.coordinates], bool)
