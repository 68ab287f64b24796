"""The rungs of the ladder: what is done to one cell, traced; `ladder` runs them over many."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from ..problem.parameters import Parameter
from ..problem.problem import Arrays, Problem
from . import hmc
from .arrays import cholesky, inverse_lower
from .frame import Frame
from .gate import PARETO_K, PRINTED, PROBABILITIES, around, end_share
from .importance import Cloud, Mixture, adapt, at_modes, point_sets, several_modes, standard, turned, weigh
from .modes import Mode, find_modes, trial_points
from .nuts import traced_chain
from .psis import psis
from .quantiles import Bins, binned, quantiles_of

POINTS = 640  # of the first rung
ROUND = 2048  # of each round of adaptation
MANY = (8192, 32768)  # of the mixture, where what is missing is points
CHAINS, HMC_WARMUP, HMC_DRAWS = 4, 200, 600
NUTS_WARMUP, NUTS_DRAWS = 500, 2000
_ENDS = tuple(PROBABILITIES.index(q) for q in PRINTED)
_TAILS = (1, 5)  # 5 and 95 %, of PROBABILITIES


class Rungs:
    """One problem's rungs, each a function of one cell's arrays and key.

    Attributes:
        problem: the structure.
        n_draws: how many equal-weight draws are kept.
        with_loo: whether the leave-one-out density is computed.
        n_points: of the first rung, and of laplace.
        keep_u: whether the equal-weight draws come in unconstrained coordinates too, as ``u``.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int,
        n_draws: int,
        with_loo: bool,
        n_points: int = POINTS,
        keep_u: bool = False,
    ):
        self.problem, self.n_draws, self.with_loo = problem, n_draws, with_loo
        self.n_points, self.keep_u = n_points, keep_u
        self.trials = trial_points(problem, seed)
        self.points = point_sets(problem.dimension, n_points, seed, sets=max(1, 64 * POINTS // n_points))
        self.more = point_sets(problem.dimension, ROUND, seed + 1, sets=32)
        self.many = {n: point_sets(problem.dimension, n, seed + 2, sets=ROUND * 32 // n) for n in MANY}
        self.counts = hmc.step_counts(HMC_WARMUP + HMC_DRAWS, seed)
        self.rows = own_rows(problem)

    def importance(self, arrays: Arrays, key):
        """Points from a t in the frame of the mode; and for the next rung these points, all modes, and whether there
        are several."""
        modes = find_modes(self.problem, arrays, self.trials)
        frame = Frame(self.problem, arrays, modes.u[0])
        z = turned(jnp.asarray(self.points), _key(key, 1))
        cloud = weigh(partial(self._potential, arrays), standard(z.shape[0], z.dtype), z, to_u=frame.to_u)
        return self._read(arrays, cloud, _key(key, 2)), self._state(modes) | {"cloud": cloud}

    def _state(self, modes):
        return {"modes": modes, "several": several_modes(modes), "lost": ~jnp.isfinite(modes.potential[0])}

    def begin(self, cloud: Cloud, modes: Mode, several) -> Mixture:
        """The mixture that adaptation starts from: fitted to the first points, or, where they cannot have seen
        every mode, the modes'."""
        return jax.tree.map(lambda a, b: jnp.where(several, a, b), at_modes(modes, spread=1.3), adapt(cloud))

    def adapted(self, arrays: Arrays, key, mixture: Mixture, number):
        """A round of points from the mixture; a mixture fitted to them; and a start a chain among them."""
        k1, k2, k3 = jax.random.split(_key(key, 100 + number), 3)
        cloud = weigh(partial(self._potential, arrays), mixture, turned(jnp.asarray(self.more), k1))
        return self._read(arrays, cloud, k3), adapt(cloud), cloud.u[:, _picks(k2, cloud.weight, CHAINS)].T

    def more_points(self, n: int, arrays: Arrays, key, mixture: Mixture, number):
        """Many points from the mixture, and one fitted to them."""
        k1, k2 = jax.random.split(_key(key, 200 + number))
        cloud = weigh(partial(self._potential, arrays), mixture, turned(jnp.asarray(self.many[n]), k1))
        return self._read(arrays, cloud, k2), adapt(cloud)

    def laplace(self, arrays: Arrays, key):
        """Equal-weight normal points by the curvature at the mode, with the k̂ that their weights would have."""
        modes = find_modes(self.problem, arrays, self.trials)
        d = self.problem.dimension
        root = cholesky(modes.H[0])
        z = turned(jnp.asarray(self.points), _key(key, 1))
        square = jnp.sum(z * z, axis=0)
        # The t's points, drawn in to the normal's radius of the same rank, are normal points.
        radii = stats.chi.ppf((np.arange(self.n_points) + 0.5) / self.n_points, d)
        radius = jnp.asarray(radii)[jnp.argsort(jnp.argsort(square))]
        u = modes.u[0][:, None] + inverse_lower(root).T @ (z * (radius / jnp.sqrt(square)))
        height = jax.vmap(partial(self._potential, arrays), in_axes=1)(u)
        log_weight = 0.5 * radius**2 - height
        _, k_hat = psis(jnp.where(jnp.isfinite(log_weight), log_weight, -jnp.inf))
        evidence = 0.5 * d * np.log(2 * np.pi) - modes.potential[0] - jnp.sum(jnp.log(jnp.diag(root)))
        nan = jnp.full((), jnp.nan)
        cloud = Cloud(u, jnp.full(self.n_points, 1 / self.n_points), k_hat, evidence, nan)
        return self._read(arrays, cloud, _key(key, 2)), self._state(modes)

    def hmc(self, arrays: Arrays, key, mixture: Mixture, starts):
        """Four chains in the mixture's coordinates: u (chains, draws, D), and how often they diverged."""
        keys = jax.random.split(_key(key, 5), CHAINS)
        run = partial(
            hmc.run_chain, partial(self._whitened, arrays, mixture), counts=self.counts, warmup=HMC_WARMUP
        )
        chains = jax.vmap(lambda start, key: run(_whiten(mixture, start), key))(starts, keys)
        u = mixture.origin + chains.x @ mixture.axes.T
        return u, jnp.sum(chains.divergences)

    def nuts(self, arrays: Arrays, key, mixture: Mixture, start, chain):
        """One chain of NUTS in the mixture's coordinates: u (draws, D), and how often it diverged."""
        u, diverging = traced_chain(
            partial(self._whitened, arrays, mixture),
            _key(key, 7 + chain),
            _whiten(mixture, start),
            warmup=NUTS_WARMUP,
            draws=NUTS_DRAWS,
            target_accept=0.98,
        )
        return mixture.origin + u @ mixture.axes.T, jnp.sum(diverging)

    def beside_chains(self, arrays: Arrays, key, u) -> dict[str, Any]:
        """What chains do not say themselves: natural values, evidence by points from a mixture fitted to
        their draws, contraction, LOO."""
        flat = u.reshape(-1, u.shape[-1])
        flat = flat[:: max(1, len(flat) // ROUND)].T
        w = jnp.full(flat.shape[1], 1 / flat.shape[1])
        z = turned(jnp.asarray(self.more), _key(key, 6))
        fresh = weigh(partial(self._potential, arrays), adapt(Cloud(flat, w, 0.0, 0.0, 0.0)), z)
        good = fresh.k_hat <= PARETO_K
        elements = jax.vmap(partial(self._elements, arrays), in_axes=1, out_axes=1)(flat)
        return {
            "elements": jax.vmap(jax.vmap(partial(self._elements, arrays)))(u),
            "k_hat": fresh.k_hat,
            "log_evidence": jnp.where(good, fresh.log_evidence, jnp.nan),
            "log_evidence_se": jnp.where(good, fresh.log_evidence_se, jnp.nan),
            "contraction": self._contraction(arrays, flat, elements, w),
            **self._loo(arrays, flat, w),
        }

    def _whitened(self, arrays: Arrays, mixture: Mixture, x):
        """Potential in the coordinates in which the mixture was fitted."""
        value = self._potential(arrays, mixture.origin + mixture.axes @ x)
        return jnp.where(jnp.isnan(value), jnp.inf, value)

    # -- what is kept ----------------------------------------------------------------------------

    def _potential(self, arrays: Arrays, u):
        return self.problem.potential(u, arrays)

    def _elements(self, arrays: Arrays, u):
        """Natural values (P,) of a point (D,)."""
        return self.problem.element_values(u, arrays)

    def _read(self, arrays: Arrays, cloud: Cloud, key) -> dict[str, Any]:
        """What is kept of a cloud.

        The ESS of a mean is Σw(x−m)² / Σw²(x−m)²; that of a weighted quantile q at p is p(1−p) / Σw²(1[x≤q]−p)²,
        of which the tail's is the lesser at 5 and 95 %: as many independent draws would be as sure of it.
        √(Σw²(1[x≤q]−p)²) is the error of p itself, from which follows that of what is printed (`gate.end_errors`).
        """
        x = jax.vmap(partial(self._elements, arrays), in_axes=1, out_axes=1)(cloud.u)  # (P, S)
        w = cloud.weight
        x = jnp.where(w > 0, x, 0.0)
        mean = x @ w
        centred = x - mean[:, None]
        variance = centred**2 @ w
        y, bins = self._binned(cloud.u, x, w)
        y_quantile = quantiles_of(bins, jnp.array(PROBABILITIES, w.dtype))
        bulk = variance / jnp.maximum((centred**2) @ (w * w), 1e-300)
        at = (*_TAILS, *_ENDS)
        p = jnp.array(PROBABILITIES)[at, None]
        inside = (y <= y_quantile[:, at].T[..., None]).astype(w.dtype)
        error = (inside - p[..., None]) ** 2 @ (w * w)
        tail = (p * (1 - p) / jnp.maximum(error, 1e-300))[:2]
        quantile, end_error, printed_error = self._printed(arrays, bins, y_quantile, jnp.sqrt(error[2:]))
        picks = _picks(key, w, max(1, self.n_draws))
        return {
            "mean": mean,
            "sd": jnp.sqrt(variance),
            "quantile": quantile,
            "ess_bulk": jnp.minimum(bulk, len(w)),
            "ess_tail": jnp.minimum(jnp.min(tail, axis=0), len(w)),
            "end_error": end_error,
            "printed_error": printed_error,
            "r_hat": jnp.full_like(mean, jnp.nan),
            "contraction": self._contraction(arrays, cloud.u, x, w),
            "k_hat": cloud.k_hat,
            "log_evidence": cloud.log_evidence,
            "log_evidence_se": cloud.log_evidence_se,
            **self._loo(arrays, cloud.u, w),
            "divergences": jnp.zeros((), int),
            "draws": x[:, picks].T.astype(jnp.float32),
            **({"u": cloud.u[:, picks].T} if self.keep_u else {}),
        }

    def _binned(self, u, x, w):
        """Coordinates (P, S) that rise or fall with the elements, and their distributions.

        An element that is sampled itself is read off its coordinate, where no value is far off the others.
        """
        y = jnp.where((self.rows >= 0)[:, None], u[self.rows], x)
        return y, jax.vmap(binned, (0, None))(y, w)

    def _printed(self, arrays: Arrays, bins: Bins, found, error):
        """The elements' quantiles (P, Q) from those of their coordinates; the errors of what is printed (P,), from the
        errors (3, P) of its probabilities; and the same in the unit in which it is printed alone."""
        own, n = self.rows >= 0, found.shape[1]
        beside = [quantiles_of(bins, q.T) for q in around(error)[1:]]
        y = jnp.concatenate([found, *beside], axis=1)
        ends = jnp.zeros((self.problem.dimension, y.shape[1]), y.dtype).at[self.rows[own]].set(y[own])
        natural = jax.vmap(partial(self._elements, arrays), in_axes=1, out_axes=1)(ends)
        x = jnp.where(own[:, None], natural, y)
        share = [
            end_share(v[:, _ENDS].T, v[:, n : n + len(_ENDS)].T, v[:, n + len(_ENDS) :].T) for v in (x, y)
        ]
        return jnp.sort(x[:, :n], axis=1), jnp.max(jnp.fmin(*share), axis=0), jnp.max(share[0], axis=0)

    def _contraction(self, arrays: Arrays, u, x, w):
        """Share of the prior's variance that the data removed, on the scale without bounds."""
        out, layout = [], self.problem.layout
        for p in self.problem.parameters:
            own = u[layout.of_sites[p.name]] if p.spread is None else x[layout.of_parameters[p.name]]
            var = ((own - (own @ w)[:, None]) ** 2) @ w
            before = _prior_variance(p, arrays)
            out.append(1 - var / before)
        return jnp.concatenate(out)

    def _loo(self, arrays: Arrays, u, w) -> dict[str, Any]:
        """Σ ln p(y_i | the others) and the worst k̂, where asked for."""
        if not self.with_loo:
            nan = jnp.full((), jnp.nan, w.dtype)
            return {"elpd_loo": nan, "loo_k": nan}
        ll = jax.vmap(
            lambda u: self.problem.log_likelihood(self.problem.constrain(u, arrays), arrays),
            in_axes=1,
            out_axes=1,
        )(u)
        ll = jnp.where(jnp.isfinite(ll), ll, -1e10)

        def one(ll):
            smooth, k = psis(jnp.log(w) - ll)
            return jax.nn.logsumexp(smooth + ll), k

        elpd, k = jax.vmap(one)(ll)
        return {
            "elpd_loo": jnp.sum(jnp.where(arrays.mask, elpd, 0.0)),
            "loo_k": jnp.max(jnp.where(arrays.mask, k, -jnp.inf)),
        }


def _key(data, purpose):
    """A key of a cell's own, for one purpose."""
    return jax.random.fold_in(jax.random.wrap_key_data(data), purpose)


def _whiten(mixture: Mixture, u):
    return jax.scipy.linalg.solve_triangular(mixture.axes, u - mixture.origin, lower=True)


def _prior_variance(p: Parameter, arrays: Arrays):
    """Variance of a parameter's prior in its coordinate, of this cell (a pooled level's: of its natural value)."""
    if p.spread is not None:
        q = (np.arange(2000) + 0.5) / 2000
        if p.prior.bounded_by_numbers:  # at bounds that may be this cell's own
            return jnp.var(p.prior.numpyro(arrays.prior[f"{p.name}_mean"]).icdf(q))
        return float(np.var(p.prior.quantile(q)))
    params, (centre, scale) = arrays.prior[p.name], arrays.standard[p.name]
    if p.prior.gaussian:
        return (params[1] / scale) ** 2
    u = jnp.linspace(-30.0, 10.0, 401)  # wide for the logarithm of what may be 0
    height = -p.prior.potential(centre + scale * u, params)
    w = jax.nn.softmax(jnp.where(jnp.isfinite(height), height, -jnp.inf))
    return w @ (u - w @ u) ** 2


def own_rows(problem: Problem) -> np.ndarray:
    """(P,) which coordinate each element is a function of; −1 where of several (pooled levels)."""
    layout = problem.layout
    out = np.full(len(layout.elements), -1)
    for p in problem.parameters:
        if p.spread is None:
            out[layout.of_parameters[p.name]] = np.arange(problem.dimension)[layout.of_sites[p.name]]
    return out


def _picks(key, w, n: int):
    """(n,) places of equal-weight points among weighted ones (S,), in random order."""
    order = np.random.default_rng(n).permutation(n)
    places = (order + jax.random.uniform(key, dtype=w.dtype)) / n
    total = jnp.cumsum(w)
    return jnp.minimum(jnp.searchsorted(total, places * total[-1]), len(w) - 1)
