"""Fisher information of a problem's readings, in coordinates where every prior is standard normal."""

import jax
import jax.numpy as jnp
import numpy as np

from ..problem.populations import Marginal
from ..problem.problem import Problem
from ..problem.scatter import information
from ..traced import program
from .information import Information


def fisher_information(problem: Problem, sites) -> Information:
    """Fisher information of the readings at one point, in prior-whitened coordinates.

    For a location-scale likelihood with location μ(θ) and scale s(θ):
    ``I = a·(∂μ/s)ᵀ(∂μ/s) + b·(∂ln s)ᵀ(∂ln s)``, with (a, b) = (1, 2) for the normal and
    ((ν+1)/(ν+3), 2ν/(ν+3)) for Student-t; `problem.scatter.information` has the others. Whitening multiplies each column by dθ/dz, z standard
    normal under the prior, so that the prior's information is the identity.

    Args:
        problem: the problem.
        sites: natural values of every sampled site.

    Returns:
        The `Information`.

    References:
        Lehmann & Casella, *Theory of Point Estimation*, 2nd ed., section 2.5 (location-scale families);
        Lange, Little & Taylor 1989, J. Am. Stat. Assoc. 84:881 (ν of Student-t).
    """
    one = {k: np.asarray(v)[None] for k, v in sites.items()}
    return mean_information(problem, one)


def mean_information(problem: Problem, sites) -> Information:
    """`fisher_information` averaged over points: sites with a leading axis."""
    matrices, slope, positive = _at_points(problem, sites)
    return Information.of(problem.layout.site_names, matrices.mean(axis=0), slope, positive)


def expected_information(problem: Problem, sites) -> Information:
    """The information that leaves the variance expected over points: ``F = [mean (1 + F_point)⁻¹]⁻¹ − 1``.

    One reading's information has rank 1 at each point, in a direction that turns from point to point: the mean of
    the information has full rank, as though it told them all; the mean of what stays unknown does not say so.

    Args:
        problem: the problem.
        sites: natural values with a leading axis of points, such as draws of the prior.
    """
    matrices, slope, positive = _at_points(problem, sites)
    one = np.eye(matrices.shape[-1])
    remaining = np.linalg.inv(one + matrices).mean(axis=0)
    return Information.of(problem.layout.site_names, np.linalg.inv(remaining) - one, slope, positive)


def _at_points(problem: Problem, sites) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Information at each point (P, D, D), mean slope (D,), and which elements are positive (D,)."""
    information = _of_population if isinstance(problem, Marginal) else _of_readings
    with jax.enable_x64(True):
        x = jax.vmap(lambda s: problem.layout.ravel_sites(s))({k: jnp.asarray(v) for k, v in sites.items()})
        matrix = np.asarray(
            program(lambda x: jax.lax.map(lambda x: information(problem, x), x, batch_size=32))(x)
        )
    x = np.asarray(x)
    whiten = np.empty_like(x)
    for s in problem.sites:
        at = problem.layout.of_sites[s.name]
        whiten[:, at] = s.prior.whitening(x[:, at])
    matrix = matrix * whiten[:, :, None] * whiten[:, None]
    positive = np.array([c.site.prior.positive for c in problem.layout.coordinates]) & (x > 0).all(axis=0)
    slope = np.where(positive, whiten / np.where(positive, x, 1.0), whiten).mean(axis=0)
    return matrix, slope, positive


def _of_readings(problem: Problem, x):
    """Information (D, D) about the sites at x, of readings that are independent given them."""

    def parts(x):
        out, _ = problem.reading_parts(problem.layout.unravel_sites(x))
        about = information(problem.scattered(out))
        out["log_scale"] = jnp.log(out.pop("scale"))
        return out, about

    slopes, about = problem.model.jacobian(parts, has_aux=True)(x)
    matrix = jnp.zeros((len(x), len(x)))
    for (a, b), value in about.items():
        term = slopes[a].T @ ((problem.arrays.mask * value)[:, None] * slopes[b])
        matrix += term if a == b else term + term.T
    return matrix


def _of_population(problem: Marginal, x):
    """The same of normal readings with a covariance of their own, in blocks: ∂μᵀ Σ⁻¹ ∂μ + ½ tr(Σ⁻¹ ∂Σ Σ⁻¹ ∂Σ)."""

    def parts(x):
        at = problem.population(problem.layout.unravel_sites(x))
        return at, at

    (d_loc, d_S), (_, S) = problem.model.jacobian(parts, has_aux=True)(x)
    b = problem.blocks
    d_loc = jnp.where((problem.arrays.mask[b] & (b >= 0))[..., None], d_loc[b], 0.0)  # (B, m, D)
    L = jnp.linalg.cholesky(S)
    W = jax.scipy.linalg.solve_triangular(L, jnp.broadcast_to(jnp.eye(L.shape[1]), L.shape), lower=True)
    J = jnp.einsum("bmn,bni->bmi", W, d_loc)
    A = jnp.einsum("bmn,bnki,blk->bmli", W, d_S, W)
    return jnp.einsum("bmi,bmj->ij", J, J) + 0.5 * jnp.einsum("bmni,bmnj->ij", A, A)
