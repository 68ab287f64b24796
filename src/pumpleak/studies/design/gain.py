"""What a measurement not yet made is expected to say: nested Monte Carlo, and the normal approximation."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

BLOCKS = 8  # replicates, from whose spread the error is read
#: Points of a block: simulated readings, those for their evidence, and a target's nuisances given it.
OUTER, INNER, GIVEN = 256, 2048, 32
_LANES = 8  # candidates at a time
DRAWS = BLOCKS * (OUTER + INNER)  # of which each block takes its own

#: Densities of C candidates' readings: (y (C,) at points, what was predicted there) -> log p.
LogProb = Callable[[Any, Any], Any]


class Points(NamedTuple):
    """What is predicted of C candidates at the points of all blocks (leading axis B).

    Attributes:
        y: (B, m, C) simulated readings.
        own: a tree of (B, m, C) arrays: what was predicted where they were simulated.
        fresh: the same, (B, n, C): other draws.
        given: the same, (B, m, l, C): the target as where a reading was simulated, all else drawn given it;
            None where everything is a target.
    """

    y: Any
    own: Any
    fresh: Any
    given: Any


class Known(NamedTuple):
    """Log-densities of what has been chosen to be measured already: (B, m), (B, m, n) and (B, m, l)."""

    own: Any
    fresh: Any
    given: Any


class Gain(NamedTuple):
    """Expected information gain about the target of each candidate, together with what was chosen before [nats].

    Attributes:
        value: (C,) the middle of the bounds.
        error: (C,) its standard error over replicates.
        low, high: (C,) lower and upper bound in expectation.
        blocks: (B, C) `value` of each replicate, for differences with common random numbers.
    """

    value: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    blocks: np.ndarray


def choose_points(rng: np.random.Generator, u: np.ndarray, targets: np.ndarray):
    """Points of all blocks from draws: own (B, m, D), fresh (B, n, D), and given (B, m, l, D) or None.

    A nuisance η is drawn given the target ψ of another point by moving a draw along the regression of η on ψ,

        η' = η + Σ_ηψ Σ_ψψ⁻¹ (ψ − ψ_draw),

    which is exact where the two are independent (a prior) and for a normal distribution.

    Args:
        rng: source of randomness.
        u: (M, D) equal-weight draws, M >= `DRAWS`.
        targets: (D,) bool.
    """
    order = rng.permutation(len(u))
    own = u[order[: BLOCKS * OUTER]].reshape(BLOCKS, OUTER, -1)
    fresh = u[order[BLOCKS * OUTER : DRAWS]].reshape(BLOCKS, INNER, -1)
    if targets.all():
        return own, fresh, None
    S = np.atleast_2d(np.cov(u, rowvar=False))
    B = np.linalg.solve(S[np.ix_(targets, targets)], S[np.ix_(targets, ~targets)])
    given = np.broadcast_to(fresh[:, None, :GIVEN], (BLOCKS, OUTER, GIVEN, u.shape[1])).copy()
    step = own[:, :, None, targets] - given[..., targets]
    given[..., ~targets] += step @ B
    given[..., targets] = own[:, :, None, targets]
    return own, fresh, given


def nothing_known(all_targets: bool) -> Known:
    """Before anything was chosen."""
    given = None if all_targets else np.zeros((BLOCKS, OUTER, GIVEN))
    return Known(np.zeros((BLOCKS, OUTER)), np.zeros((BLOCKS, OUTER, INNER)), given)


def control(points: Points, own_target: np.ndarray, fresh_target: np.ndarray) -> np.ndarray:
    """(B, C) control variates: what the normal rule's densities scatter by, whose mean is known to be 0.

    Of a reading y with mean m and variance v, (y − m)²/v has the mean 1; so has its square about the regression on the
    targets over the variance left. Half their difference follows ln p(y | ψ) − ln p(y) closely.

    Args:
        points: with trees that have ``loc`` and ``scale``, and readings with normal noise, as they are.
        own_target, fresh_target: (B, m, p) and (B, n, p) the targets at these points.
    """
    out = np.empty((len(own_target), points.y.shape[-1]))
    for b in range(len(out)):
        loc, noise = points.fresh["loc"][b], np.mean(points.fresh["scale"][b] ** 2, axis=0)
        X, X_own = (np.column_stack([np.ones(len(t)), t]) for t in (fresh_target[b], own_target[b]))
        beta, y = np.linalg.lstsq(X, loc, rcond=None)[0], points.y[b]
        if points.given is None:
            about = (y - points.own["loc"][b]) ** 2 / points.own["scale"][b] ** 2
        else:
            residual_variance = np.sum((loc - X @ beta) ** 2, axis=0) / (len(X) - X.shape[1])
            about = (y - X_own @ beta) ** 2 / (residual_variance + noise)
        whole = (y - loc.mean(axis=0)) ** 2 / (loc.var(axis=0, ddof=1) + noise)
        out[b] = 0.5 * (about - whole).mean(axis=0)
    return out


def expected_gain(log_prob: LogProb, points: Points, known: Known, adjust: Any = 0.0) -> Gain:
    """Expected information gain about a target ψ from each candidate's reading y.

        EIG = E[ln p(y | ψ) − ln p(y)]

    Both densities are averages over draws. Including the draw that y was simulated from in the second alone gives
    a lower bound in expectation, in the first alone an upper one.

    Args:
        log_prob: density of readings.
        points: what is predicted at the points.
        known: what was chosen before.
        adjust: (B, C) added to each replicate, of mean 0: `control`.

    References:
        Foster et al. 2020, AISTATS, PMLR 108:2959 (contrastive bounds); Rainforth et al. 2024, Stat. Sci. 39:100,
        doi 10.1214/23-STS915.
    """
    with jax.enable_x64(True):
        low, high = _bounds(log_prob, points, known)
    low, high = np.asarray(low) + adjust, np.asarray(high) + adjust
    middle = (low + high) / 2
    return Gain(
        middle.mean(axis=0),
        middle.std(axis=0, ddof=1) / np.sqrt(BLOCKS),
        low.mean(axis=0),
        high.mean(axis=0),
        middle,
    )


@partial(jax.jit, static_argnums=0)
def _bounds(log_prob: LogProb, points: Points, known: Known):
    """Lower and upper bound of each block and candidate, (B, C) each."""

    def block(args):
        points, known = args

        def one(c):
            y, own, fresh, given = c
            at_own = known.own + log_prob(y, own)
            at_fresh = known.fresh + log_prob(y[:, None], jax.tree.map(lambda a: a[None], fresh))
            without = logsumexp(at_fresh, axis=1) - np.log(INNER)
            with_own = jnp.logaddexp(logsumexp(at_fresh, axis=1), at_own) - np.log(INNER + 1)
            if given is None:
                return jnp.mean(at_own - with_own), jnp.mean(at_own - without)
            at_given = known.given + log_prob(y[:, None], given)
            low = logsumexp(at_given, axis=1) - np.log(GIVEN)
            high = jnp.logaddexp(logsumexp(at_given, axis=1), at_own) - np.log(GIVEN + 1)
            return jnp.mean(low - with_own), jnp.mean(high - without)

        first = jax.tree.map(lambda a: jnp.moveaxis(a, -1, 0), points)
        return jax.lax.map(one, tuple(first), batch_size=_LANES)

    return jax.lax.map(block, (points, known))


def choose(log_prob: LogProb, points: Points, known: Known, c: int) -> Known:
    """What is known once candidate `c` has been chosen."""
    with jax.enable_x64(True):
        y, own, fresh, given = (jax.tree.map(lambda a: jnp.asarray(a)[..., c], x) for x in points)
        return Known(
            known.own + log_prob(y, own),
            known.fresh + log_prob(y[..., None], jax.tree.map(lambda a: a[:, None], fresh)),
            None if given is None else known.given + log_prob(y[..., None], given),
        )


# -- the normal approximation ------------------------------------------------------------------------


def covariance_after(S, J):
    """Covariance (D, D) after readings with slopes J (n, D) in units of their errors: (S⁻¹ + JᵀJ)⁻¹."""
    G = J @ S
    return S - G.T @ jnp.linalg.solve(jnp.eye(J.shape[0]) + G @ J.T, G)


def normal_gain(S, J, targets):
    """Gain about the targets [nats], and the mean share of their variance that is left, of one set of readings.

        D = ½ ln |Σ_ψψ| / |Σ'_ψψ|,   A = tr(Σ_ψψ⁻¹ Σ'_ψψ)/p,   Σ' = (Σ⁻¹ + JᵀJ)⁻¹

    Exact for a normal posterior and readings linear in it: D is then the expected information gain.

    Args:
        S: (D, D) covariance before.
        J: (n, D) slopes of n readings, each over its standard error.
        targets: (p,) indices.

    References:
        Chaloner & Verdinelli 1995, Stat. Sci. 10:273, doi 10.1214/ss/1177009939.
    """
    S, targets = jnp.asarray(S), np.asarray(targets)
    before, after = (M[targets[:, None], targets] for M in (S, covariance_after(S, J)))
    D = 0.5 * (jnp.linalg.slogdet(before)[1] - jnp.linalg.slogdet(after)[1])
    return D, jnp.trace(jnp.linalg.solve(before, after)) / len(targets)
