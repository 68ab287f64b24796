"""Times in the unit that suits them."""

import pytest

from pumpleak.cell.words import duration, time_unit


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.4999, "500 ms"),
        (0.5, "0.5 s"),
        (179.4, "179 s"),
        (179.999, "180 s"),
        (180.0, "3 min"),
        (7199.9, "120 min"),
        (7200.0, "2 h"),
        (172799.0, "48 h"),
        (172800.0, "2 d"),
        (864000.0, "10 d"),
    ],
)
def test_a_time_in_the_unit_that_suits(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("unit", "scale"), [("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0)]
)
def test_every_unit_has_its_seconds(unit, scale):
    assert time_unit(3.0 * scale if unit != "ms" else 0.1) == (scale, unit)
