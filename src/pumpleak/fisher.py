"""Fisher information of a problem's readings, in coordinates where every prior is standard normal."""

import jax
import jax.numpy as jnp
import numpy as np

from .information import Information
from .problem import Problem


def _flatten(problem: Problem, sites) -> jax.Array:
    return jnp.concatenate([jnp.ravel(jnp.asarray(sites[s.name])) for s in problem.sites])


def _unflatten(problem: Problem, x) -> dict:
    out, start = {}, 0
    for s in problem.sites:
        out[s.name] = jnp.reshape(x[start : start + s.size], s.shape)
        start += s.size
    return out


def site_names(problem: Problem) -> tuple[str, ...]:
    """Names of the sampled elements, in the order of the unconstrained coordinates."""
    out = []
    for p in problem.parameters:
        for s in p.sites:
            out += [f"{s.name}[{x}]" for x in p.levels] if s.shape else [s.name]
    return tuple(out)


def fisher_information(problem: Problem, sites) -> Information:
    """Fisher information of the readings at one point, in prior-whitened coordinates.

    For a location-scale likelihood with location μ(θ) and scale s(θ):
    ``I = a·(∂μ/s)ᵀ(∂μ/s) + b·(∂ln s)ᵀ(∂ln s)``, with (a, b) = (1, 2) for the normal and
    ((ν+1)/(ν+3), 2ν/(ν+3)) for Student-t. Whitening multiplies each column by dθ/dz, z standard
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
    with jax.enable_x64(True):
        x = jax.vmap(lambda s: _flatten(problem, s))({k: jnp.asarray(v) for k, v in sites.items()})

        def location_scale(x):
            d, _ = problem.reading_distribution(_unflatten(problem, x))
            loc = d.loc + jnp.zeros_like(d.scale)
            nu = (
                jnp.broadcast_to(d.df, loc.shape)
                if problem.noise == "student_t"
                else jnp.full_like(loc, jnp.inf)
            )
            return (loc, jnp.log(d.scale), jnp.where(jnp.isfinite(nu), nu, 0.0)), (d.scale, nu)

        both = jax.jit(jax.vmap(jax.jacfwd(location_scale, has_aux=True)))(x)
    (d_loc, d_log, d_nu), (scale, nu) = jax.tree.map(np.asarray, both)
    x = np.asarray(x)
    whiten, start = np.empty_like(x), 0
    for s in problem.sites:
        whiten[:, start : start + s.size] = s.prior.whitening(x[:, start : start + s.size])
        start += s.size
    finite = np.isfinite(nu)
    a = np.where(finite, (np.where(finite, nu, 0) + 1) / (np.where(finite, nu, 0) + 3), 1.0)
    b = np.where(finite, 2 * np.where(finite, nu, 0) / (np.where(finite, nu, 0) + 3), 2.0)
    there = np.asarray(problem.arrays.mask, float)
    d_loc, d_log = d_loc * whiten[:, None], d_log * whiten[:, None]
    matrix = np.einsum("pni,pn,pnj->ij", d_loc, there * a / scale**2, d_loc)
    matrix += np.einsum("pni,pn,pnj->ij", d_log, there * b, d_log)
    if finite.any():
        d_nu = d_nu * whiten[:, None]
        about_nu, cross = _degrees_of_freedom_information(nu)
        matrix += np.einsum("pni,pn,pnj->ij", d_nu, there * about_nu, d_nu)
        mixed = np.einsum("pni,pn,pnj->ij", d_nu, there * cross, d_log)
        matrix += mixed + mixed.T
    matrix /= len(x)
    positive = np.array(_positive_elements(problem)) & (x > 0).all(axis=0)
    slope = np.where(positive, whiten / np.where(positive, x, 1.0), whiten).mean(axis=0)
    return Information.of(site_names(problem), matrix, slope, positive)


def _degrees_of_freedom_information(nu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Student-t information of one reading about ν, and its cross term with ln s (Lange et al. 1989)."""
    from scipy.special import polygamma

    about_nu = (polygamma(1, nu / 2) - polygamma(1, (nu + 1) / 2)) / 4
    about_nu -= (nu + 5) / (2 * nu * (nu + 1) * (nu + 3))
    return about_nu, -2 / ((nu + 1) * (nu + 3))


def _positive_elements(problem: Problem) -> list[bool]:
    return [s.prior.positive for s in problem.sites for _ in range(s.size)]
