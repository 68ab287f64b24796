"""The problem that cells of one structure share."""

from dataclasses import replace

from ..problem.parameters import Parameter
from ..problem.priors import Prior

TINY = 1e-300


def general(p: Parameter) -> Prior:
    """A parameter's prior without what is the first cell's own."""
    prior = replace(p.prior, lower=0.0) if 0 < p.prior.lower < 1e-200 else p.prior
    return replace(prior, a=1.0, b=1.0) if p.from_table else prior
