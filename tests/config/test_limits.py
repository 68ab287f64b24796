"""The fewest and the most that a config may ask for: the last lawful number is taken, the next one refused."""

import pytest
from pydantic import ValidationError

from pumpleak.config.schema import Config
from pumpleak.errors import InputError

JUST = 1e-9
# section and key: the least and the most that are taken, and the step to the next number; None: no end
ENDS = {
    "sampler.chains": (1, 64, 1),
    "sampler.warmup": (50, 1_000_000, 1),
    "sampler.draws": (50, 1_000_000, 1),
    "sampler.target_accept": (0.5 + JUST, 1 - JUST, JUST),
    "sampler.seed": (0, 2**63 - 1, 1),
    "fit.starts": (32, 10_000, 1),
    "fit.max_steps": (10, 1_000_000, 1),
    "fit.seed": (0, 2**63 - 1, 1),
    "batch.draws": (0, 100_000, 1),
    "batch.seed": (0, 2**63 - 1, 1),
    "batch.chunk": (1, None, 1),
    "batch.width": (1, None, 1),
    "design.rows": (1, 20, 1),
    "design.sem": (JUST, None, JUST),
    "design.osmolarity_mM": (JUST, None, JUST),
    "design.grid.points": (2, 1000, 1),
    "design.grid.low": (JUST, 120 - JUST, JUST),
    "design.grid.high": (1 + JUST, None, JUST),
    "rounding_mV": (JUST, None, JUST),
}


def said(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return Config.model_validate({"data": "cells.csv", **value})


@pytest.mark.parametrize("path", ENDS)
def test_the_last_lawful_number_is_taken_and_the_next_refused(path):
    least, most, step = ENDS[path]
    for end, beyond in ((least, least - step), *([(most, most + step)] if most is not None else [])):
        found = said(path, end)
        for key in path.split("."):
            found = getattr(found, key)
        assert found == end
        with pytest.raises((ValidationError, InputError)):
            said(path, beyond)
