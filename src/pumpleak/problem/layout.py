"""The order of a problem's numbers in one vector."""

import jax
import jax.numpy as jnp

from .problem import Problem


def flatten(problem: Problem, sites) -> jax.Array:
    return jnp.concatenate([jnp.ravel(jnp.asarray(sites[s.name])) for s in problem.sites])


def unflatten(problem: Problem, x) -> dict:
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


def element_names(problem: Problem) -> tuple[str, ...]:
    """Names of the parameters' elements, in the order of a batch's parameter axis."""
    return tuple(name for p in problem.parameters for name in p.element_names)


def element_values(problem: Problem, u) -> jax.Array:
    """(P,) natural values of every parameter's elements at a point u, traced."""
    natural = problem.natural(problem.constrain(u))
    return jnp.concatenate([jnp.ravel(natural[p.name]) for p in problem.parameters])
