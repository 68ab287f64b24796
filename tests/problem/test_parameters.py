"""A latent's columns, which of them are pooled, and the spread between their levels."""

import pandas as pd
import pytest

from pumpleak import InputError, Latent, halfnormal, lognormal, make_problem, normal, read_table

PRIOR = lognormal(0.05, 3)
NARROW, WIDE = halfnormal(0.2), halfnormal(2)


@pytest.mark.parametrize(
    ("latent", "refused"),
    [
        (Latent(PRIOR, pooled=("cell",)), "cell is pooled, but is not among the columns (none)"),
        (Latent(PRIOR, by="animal", pooled=("cell",)), "cell is pooled, but is not among the columns animal"),
        (
            Latent(PRIOR, by=("animal", "cell"), pooled=("cell",), spread={"litter": WIDE}),
            "litter is pooled, but is not among the columns animal, cell",
        ),
        (
            Latent(PRIOR, by=("animal", "slice", "cell"), pooled=("slice",)),
            "levels of cell lie within others, and are not pooled",
        ),
        (
            Latent(PRIOR, by=("animal", "slice", "cell"), pooled=("litter", "cell")),
            "levels of slice lie within others, and are not pooled",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_pooled_is_refused_with_the_columns(latent, refused):
    with pytest.raises(InputError) as error:
        latent.spread_of("cell")
    assert str(error.value).startswith(refused + ".") and "Pool every column but the first" in str(
        error.value
    )


def test_which_columns_have_a_spread():
    both = ("animal", "cell")
    assert [Latent(PRIOR, by=both, pooled=True, spread=NARROW).spread_of(c) for c in both] == [NARROW] * 2
    assert [Latent(PRIOR, by=both, pooled=("cell",), spread=NARROW).spread_of(c) for c in both] == [
        None,
        NARROW,
    ]
    assert [Latent(PRIOR, by=both, spread=NARROW).spread_of(c) for c in both] == [None, None]
    given = Latent(PRIOR, by=both, pooled=True, spread={"cell": WIDE})
    assert given.spread_of("cell") == WIDE
    assert given.spread_of("animal") == Latent(PRIOR, by="cell", pooled=True).spread_of("cell") != WIDE


def test_each_row_has_its_level_by_name():
    rows = {
        "cell": list("pqrp"),
        "day": list("mtmm"),
        "K_o_mM": [5.0, 5.0, 5.0, 20.0],
        "V_m_mV": [-80.0, -81, -79, -50],
    }
    said = {"T": 295.15, "Na_i": 10.0, "Na_o": 140.0, "sigma_V_m": 1.0, "LJP": 0.0}
    said |= {
        "K_i": Latent(normal(140, 10), by="cell"),
        "P_Na_rel": Latent(PRIOR, by="day"),
        "V_offset": normal(0, 1),
    }
    problem = make_problem(read_table(pd.DataFrame(rows)), said)
    named = {p.name: problem.level_names(p) for p in problem.parameters if p.by}
    assert named == {"K_i": ("p", "q", "r", "p"), "P_Na_rel": ("m", "t", "m", "m")}
