"""Centring: which pooled levels NUTS moves by their own value, and which by their offset from the population."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from ..problem.problem import Problem
from ..traced import program
from .fisher import fisher_information
from .minimise import minimise

_OUTWEIGHS = 10.0  # not 1: a spread near 0 costs a centred level more than a correlation costs the other
_STEPS = 100  # L-BFGS steps to a point where the noise and the spreads are about right


def centred(problem: Problem, start) -> Problem:
    """The problem in coordinates that suit each pooled level: the same density of sites, and the same sites.

    A level's offset z from its population, standard normal, has the Fisher information I_j·spread² from the
    readings (of levels that hold others: what those pass on, Σ I/(1 + I·spread²)). Well above 1 the level's own data
    outweigh its population: then its value hardly hangs on the spread, and is the coordinate (centred). Else z is
    (non-centred), and the funnel that a small spread makes of the values is avoided.

    Args:
        problem: the problem.
        start: (D,) a point to begin from, in its own coordinates.

    References:
        Papaspiliopoulos, Roberts & Sköld 2007, Stat. Sci. 22:59-73, doi 10.1214/088342307000000014; Betancourt &
        Girolami 2013, arXiv:1312.0906.
    """
    u, *_ = program(lambda u: minimise(problem.potential, u, _STEPS))(jnp.asarray(start))
    sites = {k: np.asarray(v) for k, v in problem.constrain(u).items()}
    about = dict(
        zip(problem.layout.site_names, np.diag(fisher_information(problem, sites).matrix), strict=True)
    )
    chosen: dict[str, np.ndarray] = {}
    through: dict[
        str, np.ndarray
    ] = {}  # parent -> information of its levels, which the readings have of its children
    for p in reversed(problem.parameters):
        if p.spread is None:
            continue
        z, variance = p.sites[-1].name, float(sites[f"{p.name}_spread"]) ** 2
        of_value = through.get(p.name, np.array([about[f"{z}[{x}]"] for x in p.levels]) / variance)
        if p.parent is not None:
            passed = of_value / (1 + of_value * variance)  # what is left of it behind the spread
            place = np.array(p.parent_of)
            through[p.parent.name] = np.bincount(place, passed, len(p.parent.levels))
        own = of_value * variance > _OUTWEIGHS
        if own.any():
            chosen[z] = own
    return replace(problem, centred=chosen)
