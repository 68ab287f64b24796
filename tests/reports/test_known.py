"""What is known, as tables: a line for what is alike, a screenful in a terminal, all of it in JSON."""

import numpy as np
import pandas as pd

from pumpleak import lognormal, make_problem, read_table
from pumpleak.problem.understood import understood
from pumpleak.reports.document import cell_text
from pumpleak.reports.known import known_tables
from pumpleak.reports.problem_documents import check_document


def problem_of(n, **quantities):
    table = pd.DataFrame({"K_o_mM": np.linspace(2.5, 40, n), "V_m_mV": -70.0, "V_m_sem_mV": 1.0})
    known = {"T": 295.15, "P_Na_rel": lognormal(0.05, 3), "K_i": 140.0, "Na_i": 12.0, "Na_o": 145.0}
    return make_problem(read_table(table), known | quantities)


def rows_of(table):
    return [[cell_text(c) for c in row] for row in table.rows]


def test_what_is_alike_is_one_line_and_what_varies_has_its_range():
    quantities, *_ = known_tables(understood(problem_of(5)).as_dict())
    rows = {row[0]: row[1:] for row in rows_of(quantities)}
    assert rows["T"] == ["22", "°C", "all", "quantities.T"]
    assert rows["K_o"] == ["2.5 … 40 (5 values)", "mM", "all", "table"]
    assert rows["P_Na_rel"][0] == "unknown: median 0.05, factor 3"
    assert "gamma_o 1" in quantities.note and "taken as it was read" in quantities.note


def test_a_terminal_has_a_screenful_and_json_has_all():
    document = check_document(problem_of(40, LJP=5.0))
    tables = document.sections[0].blocks
    assert sum(len((t.brief or t).rows) for t in tables) < 60
    assert "The first 12 of 40; --json has all." in tables[-1].brief.note
    known = document.data["known"]
    assert len(known["readings"]) == 40 and known["readings"][0]["V_m"] == -75.0
    assert next(q for q in known["quantities"] if q["quantity"] == "K_o")["values"][-1] == 40.0


def test_a_result_that_does_not_say_has_no_table():
    assert known_tables({}) == []
