"""Is a cell's density in a batch that of the problem of its rows alone?"""

import numpy as np
import pytest

from pumpleak.problem.problem import Arrays


def member(arrays, k):
    """The arrays of the k-th of many cells."""
    return Arrays(*({q: v[k] for q, v in x.items()} if isinstance(x, dict) else x[k] for x in arrays))


def compare(one, template, arrays):
    """The same parameters, priors and potential, at a draw from the prior."""
    assert one.dimension == template.dimension
    assert [p.quantity for p in one.parameters] == [p.quantity for p in template.parameters]
    draws = one.prior_draws(np.random.default_rng(1), 1)
    u, v, scales = one.unconstrain(draws) if draws else np.zeros((1, 0)), [], 0.0
    for a, b in zip(one.sites, template.sites, strict=True):
        np.testing.assert_allclose(a.prior.params, arrays.prior[b.name], rtol=1e-12)
        np.testing.assert_allclose(
            one.arrays.standard[a.name], arrays.standard[b.name], rtol=1e-9, atol=1e-12
        )
        centre, scale = arrays.standard[b.name]
        v.append(((a.prior.unbounded(np.asarray(draws[a.name])) - centre) / scale).reshape(1, -1))
        scales += a.size * np.log(scale / one.arrays.standard[a.name][1])
    expected = float(one.potential(u[0]))
    found = float(template.potential(np.concatenate([np.zeros((1, 0)), *v], axis=1)[0], arrays))
    assert not np.isnan(expected)  # it is infinite where a total is less than what it is swapped for
    # A density is per unit of the coordinates, which are measured in the priors' widths.
    assert found + scales == pytest.approx(expected, rel=1e-12, abs=1e-12)
