"""Where each number of a problem's parameters stands, in the natural vector and in the sampled one."""

import jax.numpy as jnp
import numpy as np

from pumpleak.problem.layout import Layout
from pumpleak.problem.parameters import Parameter
from pumpleak.problem.priors import halfnormal, lognormal, normal

A, B = Parameter("A", "A", "mV", normal(0, 1), "here"), Parameter("B", "B", "mM", lognormal(5, 2), "here")
BY = Parameter("P", "P", "1", lognormal(0.05, 3), "here", "cell", ("p", "q"))
POOLED = Parameter("Q", "Q", "mM", lognormal(1, 2), "here", "cell", ("p", "q"), halfnormal(0.5))
LAYOUT = Layout((A, POOLED, BY, B))


def test_the_natural_vector_goes_parameter_by_parameter_and_level_by_level():
    assert LAYOUT.element_names == ("A", "Q[p]", "Q[q]", "P[p]", "P[q]", "B")
    assert [e.index for e in LAYOUT.elements] == list(range(6))
    assert [e.unit for e in LAYOUT.elements] == ["mV", "mM", "mM", "1", "1", "mM"]
    assert [e.site.name for e in LAYOUT.elements] == ["A", "Q_z", "Q_z", "P", "P", "B"]
    assert [LAYOUT.of_parameters[p.name] for p in LAYOUT.parameters] == [
        slice(0, 1), slice(1, 3), slice(3, 5), slice(5, 6)
    ]  # fmt: skip
    natural = {"B": 5.0, "P": np.array([3.0, 4.0]), "Q": np.array([1.0, 2.0]), "A": 0.0}
    x = LAYOUT.ravel(natural)
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    back = LAYOUT.unravel(x)
    assert {k: (v.shape, v.tolist()) for k, v in back.items()} == {
        k: (np.shape(v), np.asarray(v).tolist()) for k, v in natural.items()
    }


def test_the_sampled_vector_has_a_populations_mean_and_spread_before_the_offsets():
    names = ("A", "Q_mean", "Q_spread", "Q_z[p]", "Q_z[q]", "P[p]", "P[q]", "B")
    assert LAYOUT.site_names == names
    assert [c.unit for c in LAYOUT.coordinates] == ["mV", "mM", "1", "1", "1", "1", "1", "mM"]
    assert [c.parameter.name for c in LAYOUT.coordinates] == ["A", *"QQQQ", *"PP", "B"]
    assert [names[LAYOUT.of_sites[s.name]] for s in LAYOUT.sites] == [
        names[:1], names[1:2], names[2:3], names[3:5], names[5:7], names[7:]
    ]  # fmt: skip
    x = jnp.arange(8.0)
    sites = LAYOUT.unravel_sites(x)
    assert {k: v.shape for k, v in sites.items()} == {s.name: s.shape for s in LAYOUT.sites}
    assert sites["Q_z"].tolist() == [3, 4] and float(sites["B"]) == 7
    assert LAYOUT.ravel_sites(sites).tolist() == x.tolist()
