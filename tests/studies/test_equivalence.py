"""Models that are one: each finds parameters with which it says what the other says, or they differ."""

from types import SimpleNamespace

import numpy as np
import pytest

from pumpleak import load_problem, lognormal
from pumpleak.studies.compare.equivalence import _seek, equivalence


def rival(folder, **changes):
    import yaml

    config = yaml.safe_load((folder / "cells.yaml").read_text())
    config["data"] = str(folder / "cells.csv")
    given = config["quantities"] | changes.pop("quantities", {})
    config["quantities"] = {k: v for k, v in given.items() if v is not None}
    return load_problem(config | changes)


def test_mullins_noda_is_ghk_under_another_name(titration):
    ghk, pump = rival(titration), rival(titration, model="mullins_noda")
    found = equivalence(("ghk", "pump"), (ghk, pump))
    assert found is not None and found.ratios == pytest.approx({"P_Na_rel": 1.5}, rel=1e-6)
    assert "P_Na_rel of pump = 1.5 × P_Na_rel of ghk" in found.words()


def test_what_differs_is_not_equivalent(titration):
    """A chord, another temperature, a pump blocked in one row, another noise: each has predictions of its own."""
    ghk = rival(titration)
    chord = rival(
        titration,
        model="chord",
        quantities={"P_Na_rel": None, "g_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}},
    )
    assert equivalence(("ghk", "chord"), (ghk, chord)) is None
    noisy = rival(titration, quantities={"extra_V_m_mV": 0.1})
    assert equivalence(("ghk", "noisy"), (ghk, noisy)) is None
    student = rival(titration, noise="student_t")
    assert equivalence(("ghk", "student"), (ghk, student)) is None
    vague = rival(titration, quantities={"P_Na_rel": {"prior": "lognormal", "median": 0.02, "factor": 5}})
    found = equivalence(("ghk", "vague"), (ghk, vague))
    assert found is not None and "differ in their priors alone" in found.words()


@pytest.mark.parametrize("of_the_other", [{"g": np.array(7.0)}, {"P": np.array(np.nan)}])
def test_a_parameter_that_the_other_cannot_start_is_looked_for_from_its_priors_middle(of_the_other):
    """The model says ln P; the other calls its own otherwise, or has a value there from which nothing is found."""
    problem = SimpleNamespace(
        sites=[SimpleNamespace(name="P", shape=(), prior=lognormal(0.05, 3))],
        unconstrain=lambda sites: np.log(sites["P"])[:, None],
        constrain=lambda u: {"P": np.exp(u[0])},
    )
    seeker = SimpleNamespace(
        problem=problem, own={"P"}, free=np.array([True]), says=lambda u: u, slope=lambda u: np.eye(1)
    )
    found = _seek(seeker, of_the_other, np.log([0.02]))
    assert found is not None and found["P"] == pytest.approx(0.02, rel=1e-9)
