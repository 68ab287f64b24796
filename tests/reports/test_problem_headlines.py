"""Headlines of `check` and `predict`: what is asked of which readings, and what is to be read, each in its unit."""

import json

import numpy as np
import pandas as pd
import pytest

from pumpleak import Latent, lognormal, make_problem, normal, read_table
from pumpleak.reports.problem_documents import predict_document
from pumpleak.reports.problem_headlines import check_headline, predict_headline

BATH = {"T_degC": 22.0, "K_i_mM": 140.0, "Na_i_mM": 10.0, "K_o_mM": [2.5, 40.0], "Na_o_mM": [147.5, 110.0]}
PRIOR = {"P_Na_rel": lognormal(0.05, 3)}
ORDER = " The config and its data are in order."


def problem(columns, observables=("V_m",), quantities=PRIOR, **given):
    table = read_table(pd.DataFrame(BATH | columns), list(observables), require_readings=False)
    return make_problem(table, quantities, **given)


READ = {"V_m_mV": [-71.6, -29.3]}
DYE = {"dye_F0": 100.0, "dye_slope": 0.3, "sigma_dye": 0.5}


@pytest.mark.parametrize(
    ("columns", "observables", "quantities", "said"),
    [
        (READ, ("V_m",), PRIOR, "P_Na/P_K is to be inferred from 2 readings of V_m by the model ghk."),
        (
            READ | {"dye": [80.0, np.nan]},
            ("V_m", "dye"),
            PRIOR | DYE | {"V_offset": normal(0, 2)},
            "P_Na/P_K and V_offset are to be inferred from 2 readings of V_m and 1 reading of dye by the model ghk.",
        ),
        (
            READ,
            ("V_m",),
            {"P_Na_rel": 0.04},
            "Nothing of the membrane is unknown; 2 readings of V_m can be predicted by the model ghk.",
        ),
        (
            {"dye": [np.nan, np.nan]},
            ("dye",),
            PRIOR | DYE,
            "There is no reading yet in a plan of 2 rows, and P_Na/P_K is unknown by the model ghk: it can be predicted, and its worth "
            "told by identify and design.",
        ),
    ],
)
def test_check_says_what_is_inferred_from_what(columns, observables, quantities, said):
    assert check_headline(problem(columns, observables, quantities)) == said + ORDER


def test_check_says_what_is_not_used_and_what_differs():
    columns = READ | {"cell": ["a", "b"], "day": ["Mon", "Tue"]}
    by = problem(columns, quantities=PRIOR | {"V_offset": Latent(normal(0, 2), by="cell")})
    assert check_headline(by).startswith("P_Na/P_K and V_offset (one each cell) are to be inferred from")
    assert check_headline(by).endswith(f"{ORDER} Not used: day.")


def predicted(**columns):
    whole = {k: [0.0, 0.0] for k in ("V_m_mV", "V_m_low_mV", "V_m_high_mV")} | {"no_answer": 0.0}
    return pd.DataFrame(whole | columns, index=["a", "b"])


V = {"V_m_mV": [-71.64, -29.28], "V_m_low_mV": [-73.35, -29.51], "V_m_high_mV": [-69.9, -29.04]}


def as_read(of, unit="", values=V):
    return {
        f"{of}_reading{part}{unit}": v for part, v in zip(("", "_low", "_high"), values.values(), strict=True)
    }


def test_predict_says_v_m_and_what_is_read_of_it_where_that_differs():
    plain = predicted(**V, **as_read("V_m", "_mV"))
    first = "V_m −71.6 mV (−73.3 … −69.9) at K_o 2.5 mM to −29.3 mV (−29.5 … −29.0) at K_o 40 mM"
    assert (
        predict_headline(plain, problem(READ), "the prior")
        == f"{first}, as it is read. Expected from the prior."
    )
    lower = predicted(**V, **as_read("V_m", "_mV", {k: [x - 10 for x in v] for k, v in V.items()}))
    said = predict_headline(lower, problem(READ), "the prior")
    assert said.startswith(f"{first}; as read V_m −81.6 mV (−83.3 … −79.9) at K_o 2.5 mM to −39.3 mV")
    document = predict_document(
        plain.assign(V_m_read_mV=float("nan")), problem(READ), "the posterior in x", trusted=False
    )
    assert document.status == "bad" and "not to be trusted" in document.headline


def test_a_dye_is_read_in_its_own_unit_and_a_known_number_has_no_interval():
    dye = {"": [78.5, 91.2], "_low": [78.0, 91.1], "_high": [79.0, 91.3]}
    known = {k: V["V_m_mV"] for k in V}
    table = predicted(**known, **as_read("dye", "", dye))
    found = predict_headline(table, problem({"dye": [80.0, 90.0]}, ("dye",), PRIOR | DYE), "the prior")
    assert found == (
        "V_m −71.6 mV at K_o 2.5 mM to −29.3 mV at K_o 40 mM; as read dye 78.5 (78.0 … 79.0) at K_o 2.5 mM to "
        "91.2 (91.1 … 91.3) at K_o 40 mM. Expected from the prior."
    )


def test_a_plan_reads_what_it_has_a_blank_column_for(tmp_path, cli):
    """In Python and by a config; what has no column is refused, and the mend is accepted."""
    plan = problem({"dye": [np.nan, np.nan]}, ("dye",), PRIOR | DYE)
    assert plan.observables == ("dye",) and not plan.n_readings
    frame = pd.DataFrame(BATH)
    quantities = {"P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}} | DYE
    config = {"data": "t.csv", "observables": ["dye"], "quantities": quantities}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    frame.to_csv(tmp_path / "t.csv", index=False)
    ran = cli("check", tmp_path / "c.yaml")
    assert (
        ran.code == 2
        and "has no reading of dye. Add a column dye, blank for a plan, or take dye out of observables"
        in ran.err
    )
    frame.assign(dye=None).to_csv(tmp_path / "t.csv", index=False)
    ran = cli("check", tmp_path / "c.yaml", "--json")
    found = json.loads(ran.out)
    assert (
        ran.code == 0
        and found["headline"].startswith("There is no reading yet in a plan of 2 rows")
        and found["readings"] == 0
    )
