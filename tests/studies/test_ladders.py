"""Ladders whose baths are chosen together: an optimum in closed form, what makes room; what is known of levels beforehand."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak.config.schema import DesignSpec
from pumpleak.studies.design import continuous
from pumpleak.studies.design import design as made_of


class Arrays(SimpleNamespace):
    def _replace(self, **changes):
        return Arrays(**vars(self) | changes)


@pytest.mark.thorough
@pytest.mark.parametrize(("best", "found"), [(20.0, 20.0), (400.0, 140.0)])
def test_a_bath_goes_where_its_slope_is_steepest_but_not_beyond_the_limits(monkeypatch, best, found):
    """The gain is ½ ln(1 + J²) of one unknown, and J² falls off on either side of `best` alike in ln K."""

    def slopes(joint, u, arrays):
        return 3 / (1 + (jnp.log(arrays.known["K_o"] / best) ** 2))[:, None]

    monkeypatch.setattr(continuous, "slopes_at", slopes)
    arrays = Arrays(known={"K_o": np.array([5.0])})
    problem = SimpleNamespace(measurements=SimpleNamespace(row=[0]), condition=np.array([0]), arrays=arrays)
    joint = SimpleNamespace(problem=problem, reading=np.array([0]))
    limits = {"low": 1.0, "high": 140.0}
    out = continuous.optimise(
        joint, np.zeros((2, 1)), np.eye(1), np.array([0]), of="K_o", swap=None, **limits
    )
    assert out.values == pytest.approx(found, rel=0.02) and 1 <= out.values[0] <= 140
    J = 3 / (1 + np.log(np.array([out.values[0], 5.0]) / best) ** 2)
    np.testing.assert_allclose([out.D, out.D_start], 0.5 * np.log(1 + J**2), rtol=1e-9)


@pytest.mark.parametrize(
    ("grid", "swap"), [(None, ""), ({}, "Na_o"), ({"swap": "Cs_o"}, "Cs_o"), ({"swap": None}, None)]
)
def test_what_makes_room_in_a_ladder_is_what_the_grid_says(monkeypatch, grid, swap):
    seen = []

    def asked_for(problem, bath, values, sem, of, swap):
        seen.append((of, swap))
        raise InterruptedError

    monkeypatch.setattr(made_of, "ladder", asked_for)
    problem = SimpleNamespace(model=SimpleNamespace(setting=SimpleNamespace(reference="K")))
    spec = DesignSpec(sem=1.0, grid=grid)
    with pytest.raises(InterruptedError):
        made_of._ladders(made_of._Asked(problem, spec, (), {}, {"K_o": 5.0}, np.random.default_rng(0)))
    assert seen == [("K_o", swap)]


def test_what_is_known_of_each_level_is_read_off_its_own_draws():
    """The second of two levels, in a site that stands third."""
    site = SimpleNamespace(name="P")
    levels = [SimpleNamespace(name=f"P[{x}]", unit="1", site=site, index=2 + k) for k, x in enumerate("ab")]
    layout = SimpleNamespace(coordinates=levels, of_sites={"P": slice(2, 4)})
    draws = np.stack([np.linspace(0, 1, 101), np.linspace(10, 20, 101)], axis=1)
    asked = SimpleNamespace(problem=SimpleNamespace(layout=layout), targets=("P[b]",), sites={"P": draws})
    (known,) = made_of._now(asked)
    assert known.name == "P[b]"
    np.testing.assert_allclose([known.low, known.value, known.high], [10.25, 15, 19.75])
