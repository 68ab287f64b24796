"""Where each quantity of each row comes from: the table, its solution, the quantities, the default."""

import warnings

import numpy as np
import pandas as pd
import pytest

from pumpleak import (
    InputError,
    InputWarning,
    Latent,
    Swap,
    celsius,
    lognormal,
    make_problem,
    normal,
    read_table,
    uniform,
)
from pumpleak.models.protocols import row_protocols
from pumpleak.physics.ghk import ghk_voltage
from pumpleak.physics.mullins_noda import mullins_noda_voltage
from pumpleak.physics.nernst import nernst_potential
from pumpleak.problem.given import Given

BATH = pd.DataFrame(
    {
        "label": ["a", "b", "c"],
        "solution": ["A", "A", "B"],
        "T_degC": 22.0,
        "K_o_mM": [2.5, 5.0, 20.0],
        "K_i_mM": 140.0,
        "Na_o_mM": [147.5, 145.0, 130.0],
        "Na_i_mM": 10.0,
        "V_m_mV": [-86.0, -75.0, -46.0],
        "V_m_sem_mV": 1.0,
    }
)
P = {"P_Na_rel": lognormal(0.05, 3)}


def values(problem, name):
    """A known quantity's values, row by row."""
    slot = problem.slots[name]
    assert slot.index is None
    v = np.asarray(problem.arrays.known[name])
    of_model = name in {q.name for q in problem.model.quantities}
    rows = problem.condition if of_model else slice(None)
    return np.broadcast_to(v, len(problem.first_row) if of_model else len(BATH))[rows].tolist()


def build(drop=(), quantities=None, solutions=None, frame=BATH, extra=True, **options):
    table = read_table(frame.drop(columns=list(drop)))
    quiet = {"extra_V_m": 0.0} if extra else {}
    return make_problem(table, P | quiet | (quantities or {}), solutions=solutions, **options)


def test_table_solution_quantities_default():
    assert values(build(), "Na_i") == [10, 10, 10]  # the table
    problem = build(["Na_i_mM"], {"Na_i": 12.0}, {"B": {"Na_i": 7.0}})
    assert values(problem, "Na_i") == [12, 12, 7]  # the solution before the quantities
    assert values(build(), "gamma_o") == [1, 1, 1]  # the default
    assert values(build(), "LJP") == [0, 0, 0]


def test_a_blank_cell_of_the_table_is_filled_from_the_config():
    frame = BATH.assign(Na_i_mM=[10.0, np.nan, np.nan])
    with pytest.raises(InputError, match="row 2.*Na_i is in the table.*and in the config"):
        build(quantities={"Na_i": 12.0}, frame=frame)
    frame = frame.assign(solution=["A", "B", "B"])
    assert values(build(solutions={"B": {"Na_i": 7.0}}, frame=frame), "Na_i") == [10, 7, 7]


def test_one_prior_is_one_unknown_in_all_its_rows():
    problem = build(["Na_i_mM"], {"Na_i": normal(10, 2)}, {"B": {"Na_i": normal(7, 1)}})
    assert [p.name for p in problem.parameters] == ["P_Na_rel", "Na_i", "Na_i[B]"]
    assert problem.slots["Na_i"].index.tolist() == [1, 1, 2]
    assert [p.source for p in problem.parameters] == [
        "quantities.P_Na_rel",
        "quantities.Na_i",
        "solutions.B.Na_i",
    ]


def test_levels_of_a_column():
    frame = BATH.assign(cell=["q", "p", "q"])
    problem = build(["K_i_mM"], {"K_i": Latent(normal(140, 9), by="cell")}, frame=frame)
    assert problem.parameters[-1].levels == ("q", "p")
    assert problem.slots["K_i"].index.tolist() == [1, 2, 1]
    with pytest.raises(InputError, match="row 3, column cell.*this row has none"):
        build(["K_i_mM"], {"K_i": Latent(normal(140, 9), by="cell")}, frame=BATH.assign(cell=["q", "", "q"]))


def test_a_swap_of_known_numbers():
    problem = build(["Na_o_mM"], {"Na_o": Swap("K_o", 150.0)})
    out = problem.values({"P_Na_rel": 0.05})
    np.testing.assert_allclose(out["Na_o"], [147.5, 145, 130])
    with pytest.raises(InputError, match=r"row 4, column Na_o: Na_o = 15 − K_o = -5 mM is negative"):
        build(["Na_o_mM"], {"Na_o": Swap("K_o", 15.0)})


def test_swaps_in_a_circle_or_for_two_ions_are_refused():
    with pytest.raises(InputError, match="itself swapped for"):
        build(["Na_o_mM", "K_o_mM"], {"Na_o": Swap("K_o", 150.0), "K_o": Swap("Na_o", 150.0)})
    frame = BATH.assign(Cl_o_mM=150.0, Cl_i_mM=10.0)
    with pytest.raises(InputError, match="for K_o in one solution and for Cl_o in another"):
        build(
            ["Na_o_mM"],
            {"P_Cl_rel": 0.3},
            {"A": {"Na_o": Swap("K_o", 150.0)}, "B": {"Na_o": Swap("Cl_o", 300.0)}},
            frame=frame,
            ions=["K", "Na", "Cl"],
        )


def test_a_concentrations_prior_stops_at_zero():
    near, far = (build(["Na_i_mM"], {"Na_i": p}).parameters[-1].prior for p in (normal(10, 5), normal(10, 1)))
    assert near.lower == 0 and far.lower == -np.inf
    offset = build(quantities={"V_offset": normal(0, 2)}).parameters[-1].prior
    assert offset.lower == -np.inf


def test_noise_that_nobody_gave():
    single = BATH.drop(columns="V_m_sem_mV")
    names = [p.name for p in build(frame=single, extra=False).parameters]
    assert names == ["P_Na_rel", "sigma_V_m"]
    assert [p.name for p in build(extra=False).parameters] == ["P_Na_rel", "extra_V_m"]
    assert [p.name for p in build(frame=BATH.iloc[:2], extra=False).parameters] == ["P_Na_rel"]
    assert [p.name for p in build().parameters] == ["P_Na_rel"]
    assumptions = " ".join(build(extra=False).assumptions)
    assert "extra_V_m" in assumptions and "LJP" in assumptions


def test_a_model_without_a_pump_says_what_it_would_change():
    said = next(a for a in build().assumptions if "No pump current" in a)
    assert "(r = 1.5), P_Na/P_K is 1.5 times this" in said
    factor, K_o, Na_o, K_i, Na_i, T = 1.5, 5.0, 145.0, 140.0, 10.0, 295.15
    without = ghk_voltage([1.0, 0.05], [K_o, Na_o], [K_i, Na_i], [1, 1], T)
    assert np.isclose(mullins_noda_voltage(1.0, factor * 0.05, K_o, K_i, Na_o, Na_i, T, r=1.5), without)
    quantities = {"g_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0}
    chord = make_problem(read_table(BATH), quantities, model="chord").assumptions
    assert any("g_Na/g_K is 1.5 times this" in a for a in chord)
    E_K, E_Na = nernst_potential(K_o, K_i, 1, T), nernst_potential(Na_o, Na_i, 1, T)
    V = (E_K + 0.05 * E_Na) / 1.05  # rest by conductances, and then with I_Na = -r I_K
    assert np.isclose(-1.5 * (V - E_K) / (V - E_Na), factor * 0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"quantities": {"g_Na_rel": lognormal(0.05, 3), "I_pump_rel": -2.0}, "model": "chord"},  # it has one
        {"quantities": P, "model": "mullins_noda"},  # so has this
        {
            "quantities": {"P_K_rel": lognormal(0.05, 3)},
            "ions": ["Na", "K"],
        },  # a channel's reversal potential
        {"quantities": {"V_offset": normal(0, 1)}, "model": "nernst", "ions": ["K"]},
    ],
)
def test_a_pump_is_not_missed_where_there_is_one_or_none_matters(options):
    quantities = options.pop("quantities")
    assumptions = make_problem(read_table(BATH), quantities | {"extra_V_m": 0.0}, **options).assumptions
    assert not any("No pump current" in a for a in assumptions)


def test_activities_want_their_coefficient():
    frame = BATH.rename(columns={"K_i_mM": "aK_i_mM"})
    with pytest.raises(InputError, match="gamma_o and gamma_i are needed"):
        build(frame=frame)
    with pytest.raises(InputError, match="gamma_i is needed"):
        build(quantities={"gamma_o": 0.75}, frame=frame)
    problem = build(quantities={"gamma_o": 0.75, "gamma_i": 0.7}, frame=frame)
    assert "aK_i" in problem.slots and "K_i" not in problem.slots


def test_a_bath_that_carries_a_charge_is_warned_of():
    frame = BATH.assign(Cl_o_mM=[150.0, 15.0, 150.0], Cl_i_mM=10.0)
    with pytest.warns(InputWarning, match=r"row 3 \(b\) \+135 mM \(150 positive, 15 negative\)"):
        build(quantities={"P_Cl_rel": 0.3}, frame=frame, ions=["K", "Na", "Cl"])
    # named, though the membrane does not pass it: in order again, which a warning would fail
    build(
        quantities={"P_Cl_rel": 0.3},
        solutions={"A": {"HCO3_o": 0.0}},
        frame=frame.assign(Cl_o_mM=150.0),
        ions=["K", "Na", "Cl"],
    )


def test_what_was_understood():
    d = build(["K_i_mM"], {"K_i": Latent(normal(140, 9), by="solution")}).describe()
    assert (d["rows"], d["conditions"], d["readings"]) == (3, 3, 3)
    assert {p["name"]: p["prior"] for p in d["parameters"]}["K_i"] == "140 ± 9, one each solution (2)"


@pytest.mark.parametrize(
    "quantities, words",
    [
        ({"P_Cl_rel": 0.1}, "no quantity 'P_Cl_rel'"),
        ({"V_offset": np.nan}, "V_offset = nan mV"),
        ({"pump": 1.0}, "no quantity 'pump'"),
        ({"P_K_scale": -1.0}, "at least 0"),
        ({"P_K_scale": uniform(-2, -1)}, "below the least"),
    ],
)
def test_impossible_quantities_are_refused(quantities, words):
    with pytest.raises(InputError, match=words):
        build(quantities=quantities)


AT = pd.DataFrame({"label": ["rest", "now", "later"], "protocol": ["at", "acute", "at"], "V_m_mV": -80.0})


def test_what_is_at_a_time_must_say_which():
    m = read_table(AT)
    with pytest.raises(InputError, match="row 4, column protocol: 'later' is at.*Give t_s"):
        row_protocols(m, None, "rest", np.array([False, False, False]))  # one at rest needs none
    rows = row_protocols(m, None, "rest", np.array([False, False, True]))
    assert rows.kind == ["at", "acute", "at"] and rows.before == [0, 0, 0]
    with pytest.raises(InputError, match=r"Read the column t_min as a quantity: .*quantities=\['t'\]"):
        row_protocols(read_table(AT.assign(t_min=5.5)), None, "rest", np.zeros(3, bool))


def test_a_quantity_is_given_by_table_solution_or_config():
    frame = BATH.assign(t_s=[np.nan, 60.0, np.nan])
    for own, expected in (({}, [False, True, True]), ({"t": 5.0}, [True, True, True])):
        given = Given(read_table(frame, quantities=["t"]), own, {"B": {"t": 5.0}})
        assert given.says("t").tolist() == expected


def test_unknown_noise_is_refused():
    with pytest.raises(InputError, match="normal, student_t, outliers"):
        build(noise="cauchy")


def test_a_number_with_another_error_than_the_first_of_its_name_is_each_rows_own():
    frame = pd.concat([BATH] * 2, ignore_index=True).drop(columns="solution")
    frame["label"] = [f"s{i}" for i in range(6)]
    frame["K_o_mM"], frame["K_o_sd_mM"] = [5.0, 5.0, 6.0, 5.0, 5.0, 6.0], [0.1, 0.2, 0.1, 0.2, 0.1, 0.1]
    problem = build(frame=frame)
    of_K = [p.name for p in problem.parameters if p.quantity == "K_o"]
    assert of_K == ["K_o[5]", "K_o[5 ± 0.2, row 3]", "K_o[6]", "K_o[5 ± 0.2, row 5]"]
    assert problem.slots["K_o"].index[problem.condition].tolist() == [1, 2, 3, 4, 1, 3]  # after P_Na_rel


def test_rows_of_which_the_same_is_said_are_resolved_at_once(monkeypatch):
    """However many rows there are: a loop over them would take minutes for 100,000."""
    from pumpleak.problem.resolve import Builder

    called = []
    latent = Builder._latent
    monkeypatch.setattr(Builder, "_latent", lambda *a, **k: called.append(a[1].name) or latent(*a, **k))
    frame = pd.concat([BATH] * 50, ignore_index=True).drop(columns=["Na_i_mM", "K_i_mM"])
    given = {"Na_i": Latent(normal(10, 1), by="solution"), "K_i": normal(140, 10)}
    build(frame=frame, quantities=given, solutions={"B": {"K_i": normal(120, 10)}})
    assert sorted(called) == ["K_i", "K_i", "Na_i", "P_Na_rel"]


def test_an_ion_is_swapped_for_one_that_is_none_of_the_models():
    """NMDG for Na: what of 145 mM is not NMDG is Na, as two columns say it."""
    frame = pd.DataFrame({"NMDG_o_mM": [0.0, 72.5, 145.0], "K_o_mM": 5.0, "V_m_mV": [-70.0, -76.0, -84.0]})
    said = {"T": 295.15, "P_Na_rel": 0.05, "K_i": 140.0, "Na_i": 12.0, "sigma_V_m": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        swapped = make_problem(read_table(frame), said | {"Na_o": Swap("NMDG_o", 145.0)})
        plain = make_problem(read_table(frame.assign(Na_o_mM=[145.0, 72.5, 0.0])), said)
        total = make_problem(read_table(frame), said | {"Na_o": Swap("NMDG_o", normal(145, 3))})
    V_m = [p.by_row(p.predict({}).observables["V_m"]) for p in (swapped, plain)]
    np.testing.assert_allclose(*V_m, rtol=1e-12)
    assert [p.name for p in total.parameters] == ["Na_o_total"]
    with pytest.raises(InputError, match="Add a column NMDG_o_mM, or `NMDG_o_mM:` under quantities"):
        make_problem(read_table(frame[["K_o_mM", "V_m_mV"]]), said | {"Na_o": Swap("NMDG_o", 145.0)})
    with pytest.raises(InputError, match="no bath concentration 'NaCl_o'.*it is a salt"):
        make_problem(read_table(frame), said | {"Na_o": Swap("NaCl_o", 145.0)})


KNOWN = {"T": celsius(22), "K_i": 120.0, "Na_i": 12.0, "P_Na_rel": lognormal(0.05, 4)}


@pytest.mark.parametrize(
    "name, unit, first, second, other",
    [
        ("K_o", "mM", 5.0, 10.0, "write 0 where the ion was not in the bath"),
        ("Na_o", "mM", 145.0, 140.0, "write 0 where the ion was not in the bath"),
        ("T", "degC", 22.0, 30.0, "fill it in"),
        ("K_i", "mM", 120.0, 130.0, "fill it in"),
        ("P_Na_rel", "1", 0.05, 0.1, "fill it in"),
    ],
)
def test_a_quantity_in_the_first_row_of_each_block_is_to_be_filled_down(name, unit, first, second, other):
    column = name if unit == "1" else f"{name}_{unit}"
    frame = pd.DataFrame({"V_m_mV": [-77.0, -76, -78, -63, -62], "K_o_mM": 5.0, "Na_o_mM": 145.0})
    frame[column] = [first, np.nan, np.nan, second, np.nan]
    quantities = {q: spec for q, spec in KNOWN.items() if q != name}
    with pytest.raises(InputError) as caught:
        make_problem(read_table(frame), quantities)
    said = str(caught.value)
    assert f"row 3, column {column}: " in said and "a blank is not taken for 0" in said
    assert "fill it down: write what that row has in the rows below it as well" in said and other in said
    frame[column] = frame[column].ffill()
    kept = read_table(frame).quantities[name]
    assert np.allclose(kept - kept[0], [0, 0, 0, second - first, second - first])
    make_problem(read_table(frame), quantities)


def test_a_column_that_gives_a_quantity_is_to_be_filled_down_too():
    frame = pd.DataFrame(
        {
            "V_m_mV": [-77.0, -76, -63, -62],
            "saline": ["A", "", "B", ""],
            "Na_o_mM": 145.0,
            "cell": list("abab"),
        }
    )
    quantities = {**KNOWN, "K_o": Latent(lognormal(5, 2), by="saline")}
    with pytest.raises(InputError, match="row 3, column saline: .* fill it down: write what that row has"):
        make_problem(read_table(frame), quantities)
    frame["saline"] = list("AABB")
    make_problem(read_table(frame), quantities)


def test_a_blank_among_many_is_not_said_to_be_one_of_a_block():
    frame = pd.DataFrame(
        {"V_m_mV": [-77.0, -63, -50, -40], "K_o_mM": [5.0, 10, np.nan, 40], "Na_o_mM": 145.0}
    )
    with pytest.raises(InputError, match="row 4, column K_o_mM: ") as caught:
        make_problem(read_table(frame), KNOWN)
    assert "fill it down" not in str(caught.value)


@pytest.mark.parametrize("given", [{"protocol": "acute"}, {"baseline": "a"}, {"cell": "neuron"}], ids=str)
@pytest.mark.parametrize("model", ["ghk", "mullins_noda"])
def test_what_belongs_to_a_cell_is_refused_by_models_without_one(given, model):
    with pytest.raises(
        InputError, match="cell, protocol and baseline belong to the model pump_leak, not to " + model
    ):
        build(model=model, **given)
