"""Is a cell's density in a batch that of the problem of its rows alone?"""

import numpy as np
import pytest

from pumpleak.problem.problem import Arrays


def member(arrays, k):
    """The arrays of the k-th of many cells."""
    return Arrays(*({q: v[k] for q, v in x.items()} if isinstance(x, dict) else x[k] for x in arrays))


def compare(one, template, arrays, *, tries=1):
    """The same parameters and priors, and the same values and potential at a draw from the prior.

    Of so many draws the first is taken at which the potential of `one` is finite: where a total is drawn below what it
    is swapped for there is no density. Where there is none at any of them, there is none in the batch either.
    """
    assert one.dimension == template.dimension
    # Noise comes in the order in which a table has readings: of one cell's rows it may be another than of the structure.
    order = [p.quantity for p in one.parameters]
    assert sorted(order) == sorted(p.quantity for p in template.parameters)
    theirs = sorted(template.parameters, key=lambda p: order.index(p.quantity))
    pairs = [
        (a, b)
        for p, q in zip(one.parameters, theirs, strict=True)
        for a, b in zip(p.sites, q.sites, strict=True)
    ]
    for a, b in pairs:
        np.testing.assert_allclose(a.prior.params, arrays.prior[b.name], rtol=1e-12)
        np.testing.assert_allclose(
            one.arrays.standard[a.name], arrays.standard[b.name], rtol=1e-9, atol=1e-12
        )
    rng = np.random.default_rng(1)
    for _ in range(tries):
        draws = one.prior_draws(rng, 1)
        u = one.unconstrain(draws)[0] if draws else np.zeros(0)
        expected = float(one.potential(u))
        if np.isfinite(expected):
            break
    swaps = any(slot.swap_for for slot in one.slots.values())
    assert np.isfinite(expected) or swaps, f"no density at any of {tries} draws"
    v, scales = np.zeros(template.dimension), 0.0
    for a, b in pairs:
        centre, scale = arrays.standard[b.name]
        own = (a.prior.unbounded(np.asarray(draws[a.name])) - centre) / scale
        v[template.layout.of_sites[b.name]] = np.ravel(own)
        scales += a.size * np.log(scale / one.arrays.standard[a.name][1])
    # A density is per unit of the coordinates, which are measured in the priors' widths.
    assert float(template.potential(v, arrays)) + scales == pytest.approx(expected, rel=1e-12, abs=1e-12)
    if draws:
        found, mine = template.element_values(v, arrays), one.element_values(u)
        for p, q in zip(one.parameters, theirs, strict=True):
            of, at = template.layout.of_parameters[q.name], one.layout.of_parameters[p.name]
            np.testing.assert_allclose(found[of], mine[at], rtol=1e-11)
