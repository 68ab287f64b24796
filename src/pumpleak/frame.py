"""Coordinates in which one cell's posterior is nearly a standard normal, traced.

Where the noise is inferred, the posterior is a funnel: the smaller the noise, the narrower everything else. So
the noise's own coordinates t come first, from their marginal density, and the rest is measured about its mode
given t, by its curvature given t:

    u_rest = rest + L⁻ᵀ (L⁻¹ g + v),   L Lᵀ = Jᵀ W(t) J + P,   g = Jᵀ W(t) miss − prior's slope

with J the readings' slopes at the mode, W their precisions, P the prior's curvature. Without inferred noise
this is the usual frame of a mode.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .modes import cholesky, inverse_lower
from .problem import Arrays, Problem

_NEWTON_STEPS = 6
_LARGEST = 12  # other coordinates beyond which t is held: a factor for each point would be too dear


class Frame:
    """The map v -> u of one cell, made inside the traced function that uses it.

    Points stand in columns. v is in the order of `order`: the noise's n coordinates, then the m others.
    """

    def __init__(self, problem: Problem, arrays: Arrays, mode_u):
        noise = _noise_coordinates(problem)
        self.problem, self.arrays = problem, arrays
        self.order = np.argsort(~noise, kind="stable")
        self.back = np.argsort(self.order)
        self.n = int(noise.sum())
        x = mode_u[self.order]
        self.t, self.rest = x[: self.n], x[self.n :]
        self.t_axes = jnp.eye(self.n, dtype=x.dtype)
        self._linearise()
        if self.n:
            self._centre()

    def to_u(self, v):
        """Points u (D, S) and ln |du/dv| (S,) of points v (D, S)."""
        t = self.t[:, None] + self.t_axes @ v[: self.n]
        L, pulled = self._conditional(t)
        x = _solve_upper(L, [p + row for p, row in zip(pulled, v[self.n :], strict=True)])
        rest = self.rest[:, None] + jnp.stack(x) if x else v[self.n :]
        size = jnp.sum(jnp.log(jnp.diag(self.t_axes))) - sum(jnp.log(L[i][i]) for i in range(len(L)))
        u = jnp.concatenate([t, rest])[self.back]
        return u, jnp.broadcast_to(size, v.shape[1:])

    def of_modes(self, u, H):
        """Where modes (M, D) lie in v, and the factors (M, D, D) of their inverse curvatures there."""
        x = u[:, self.order].T
        t = x[: self.n]
        L, pulled = self._conditional(t)
        m = len(L)
        wide = [[jnp.broadcast_to(L[i][j], u.shape[:1]) if j <= i else 0.0 for j in range(m)] for i in range(m)]
        apart = x[self.n :] - self.rest[:, None]
        v = [sum(wide[j][i] * apart[j] for j in range(i, m)) - pulled[i] for i in range(m)]
        t_back = inverse_lower(self.t_axes) if self.n else self.t_axes
        v = jnp.concatenate([t_back @ (t - self.t[:, None]), *(row[None] for row in v)])
        back = jnp.zeros((*u.shape, u.shape[1]), u.dtype).at[:, : self.n, : self.n].set(t_back)
        for i in range(m):
            for j in range(i, m):
                back = back.at[:, self.n + i, self.n + j].set(wide[j][i])
        covariance = jnp.linalg.inv(H[:, self.order][:, :, self.order])
        return v.T, jnp.linalg.cholesky(back @ covariance @ jnp.swapaxes(back, 1, 2))

    # -- making it ---------------------------------------------------------------------------

    def _linearise(self):
        def location(rest):
            return self._readings(self.t, rest).loc

        loc, slope = location(self.rest), jax.jacfwd(location)(self.rest)
        good = self.arrays.mask & jnp.isfinite(loc) & jnp.all(jnp.isfinite(slope), axis=1)
        self.miss = jnp.where(good, self.arrays.value - loc, 0.0)
        self.slope = jnp.where(good[:, None], slope, 0.0)
        own, curve = jax.jvp(
            jax.grad(lambda rest: self._prior(self.t, rest)), (self.rest,), (jnp.ones_like(self.rest),)
        )
        self.prior_slope, self.prior_curve = own, jnp.clip(curve, 0.05, 1e6)

    def _centre(self):
        """Put t at the mode of the noise's marginal density: Laplace's rule about the rest's linearised mode."""

        def height(t):
            weight, log_scale = self._precision(t[:, None])
            L, pulled = self._conditional(t[:, None])
            delta = jnp.concatenate([*_solve_upper(L, pulled), jnp.zeros(0)])
            left = self.miss - self.slope @ delta
            fit = jnp.sum(0.5 * weight[:, 0] * left**2 + jnp.where(self.arrays.mask, log_scale[:, 0], 0.0))
            pull = self.prior_slope @ delta + 0.5 * self.prior_curve @ delta**2
            return fit + self._prior(t, self.rest) + pull + sum(jnp.log(L[i][i][0]) for i in range(len(L)))

        def curved(t):
            values, vectors = jnp.linalg.eigh(jax.hessian(height)(t))
            good = jnp.all(jnp.isfinite(values))
            return (
                jnp.where(good, jnp.clip(jnp.abs(values), 0.3, 1e8), 1.0),
                jnp.where(good, vectors, jnp.eye(self.n, dtype=t.dtype)),
            )

        def step(t, _):
            values, vectors = curved(t)
            move = -vectors @ ((vectors.T @ jax.grad(height)(t)) / values)
            move = jnp.where(jnp.all(jnp.isfinite(move)), move, 0.0)
            return t + move * jnp.minimum(1.0, 0.7 / jnp.maximum(jnp.max(jnp.abs(move)), 1e-300)), None

        self.t, _ = jax.lax.scan(step, self.t, None, length=_NEWTON_STEPS)
        values, vectors = curved(self.t)
        self.t_axes = cholesky((vectors / values) @ vectors.T)

    def _readings(self, t, rest):
        u = jnp.concatenate([t, rest])[self.back]
        return self.problem.reading_distribution(self.problem.constrain(u, self.arrays), self.arrays)[0]

    def _prior(self, t, rest):
        return self.problem.prior_potential(jnp.concatenate([t, rest])[self.back], self.arrays)

    def _precision(self, t):
        """Information of each reading (R, S) about its mean, and ln of its scale, at the noise's t (n, S)."""

        def one(t):
            d = self._readings(t, self.rest)
            log_scale = jnp.broadcast_to(jnp.log(d.scale), self.miss.shape)
            nu = getattr(d, "df", None)
            tails = 0.0 if nu is None else jnp.log((nu + 1) / (nu + 3))
            return jnp.exp(tails - 2 * log_scale), log_scale

        weight, log_scale = jax.vmap(one, in_axes=1, out_axes=1)(t)
        return jnp.where(self.arrays.mask[:, None], weight, 0.0), log_scale

    def _conditional(self, t):
        """L and L⁻¹ g, as rows of (S,) arrays (S = 1 where nothing depends on t)."""
        m = len(self.rest)
        if not self.n or m > _LARGEST:
            t = self.t[:, None]
        weight, _ = self._precision(t)
        g = self.slope.T @ (weight * self.miss[:, None]) - self.prior_slope[:, None]
        H = [
            [
                (self.slope[:, i] * self.slope[:, j]) @ weight + (self.prior_curve[i] if i == j else 0.0)
                for j in range(i + 1)
            ]
            for i in range(m)
        ]
        L: list[list] = [[None] * m for _ in range(m)]
        pulled: list = []
        for i in range(m):
            for j in range(i + 1):
                left = H[i][j] - sum(L[i][k] * L[j][k] for k in range(j))
                L[i][j] = jnp.sqrt(jnp.maximum(left, 1e-10 * H[i][i])) if i == j else left / L[j][j]
            pulled.append((g[i] - sum(L[i][k] * pulled[k] for k in range(i))) / L[i][i])
        return L, pulled


def _solve_upper(L, rows):
    """x of Lᵀ x = rows."""
    m = len(L)
    x: list = [None] * m
    for i in reversed(range(m)):
        x[i] = (rows[i] - sum(L[j][i] * x[j] for j in range(i + 1, m))) / L[i][i]
    return x


def _noise_coordinates(problem: Problem) -> np.ndarray:
    """(D,) bool: which coordinates belong to the noise."""
    return np.array(
        [
            p.quantity.startswith(("sigma_", "extra_")) or p.quantity == "nu"
            for p in problem.parameters
            for s in p.sites
            for _ in range(s.size)
        ],
        bool,
    )
