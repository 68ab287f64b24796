"""Every column of a table is said to be read, a label, of no use to the model, or not read: each once."""

import pandas as pd
import pytest

from pumpleak import load_problem
from pumpleak.problem.columns_used import columns_used

KNOWN = {"T_degC": 37, "Na_o_mM": 145, "Na_i_mM": 12, "K_i_mM": 140, "P_Na_rel": 0.05}


def used(tmp_path, **columns):
    table = pd.DataFrame({"label": ["a", "b"], "[K+]o (mM)": [5.0, 20.0], "V_m_mV": [-70.0, -50.0]} | columns)
    table.to_csv(tmp_path / "t.csv", index=False)
    problem = load_problem({"data": str(tmp_path / "t.csv"), "quantities": KNOWN})
    return columns_used(problem), problem, list(table.columns)


@pytest.mark.filterwarnings("ignore:.*do not balance:pumpleak.errors.InputWarning")
def test_every_column_is_one_of_them(tmp_path):
    found, problem, columns = used(
        tmp_path,
        drug=["x", "y"],
        age=[3.5, 4.5],
        P_Cl_rel=0.4,
        pump=[1, 0],
        time_min=[0.0, 5.0],
        SEM=1.0,
        N=5,
    )
    groups = [found.read, found.labels, found.unused_labels, found.idle, found.not_read]
    assert sorted(x for group in groups for x in group) == sorted(columns)
    assert found.read["[K+]o (mM)"] == "K_o [mM]" and found.read["SEM"] == "V_m_sem [mV]"
    assert set(found.idle) == {"P_Cl_rel", "pump", "time_min", "N"} and found.not_read == ("age",)
    assert any("P_Cl_rel and pump" in text for text in problem.assumptions)
    words = found.words()
    assert words[0].startswith("Columns read: label, [K+]o (mM) as K_o [mM], V_m_mV")
    assert words[-1] == "Columns that are not read: age."


def test_a_hundred_other_columns_are_one_line(tmp_path):
    found, _, _ = used(tmp_path, **{f"trace {k}": [0.5, k + 0.25] for k in range(100)})
    assert len(found.not_read) == 100 and found.words()[-1].endswith("and 88 more.")
