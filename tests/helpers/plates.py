"""A plate of cells for tests of the batch: its config, its table, and what identifies a run's numbers."""

import json
from pathlib import Path

import fake_ladder
import numpy as np
import pandas as pd
import yaml

FAKE = Path(fake_ladder.__file__)
CONFIG = {
    "title": "A plate",
    "data": "cells.csv",
    "quantities": {
        "T_degC": 25,
        "P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3},
        "K_i_mM": {"prior": "lognormal", "median": 130, "factor": 1.2},
        "Na_i_mM": 12,
        "Na_o_mM": 140,
    },
    "batch": {"draws": 4},
}
N = 90


def table(n=N, seed=0):
    """Cells of 2 to 5 readings, some with a standard error, one in volts, one without a reading."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(n):
        sem = 2.0 if c % 3 == 0 else np.nan
        for k in rng.choice([2.5, 5.0, 10.0, 20.0, 40.0], 2 + c % 4, replace=False):
            rows.append((f"c{c:03d}", k, round(-70 + 30 * np.log10(k) + rng.normal(0, 3), 1), sem))
    t = pd.DataFrame(rows, columns=["cell", "K_o_mM", "V_m_mV", "V_m_sem_mV"])
    t.loc[t["cell"] == "c007", "V_m_mV"] /= 1000
    t.loc[t["cell"] == "c011", ["V_m_mV", "V_m_sem_mV"]] = np.nan
    return t


def write(folder, frame=None, **changed):
    (table() if frame is None else frame).to_csv(folder / "cells.csv", index=False)
    (folder / "plate.yaml").write_text(yaml.safe_dump(CONFIG | changed))


def fingerprint(folder):
    return json.loads((Path(folder) / "summary.json").read_text())["fingerprint"]


KILLED = """
import sys
sys.argv = ["pumpleak", "batch", "plate.yaml", "--out", sys.argv[1], "--chunk", "4", "--plugin", {fake!r}]
from pumpleak.cli.main import main
main()
"""


def same(a, b, **tolerance):
    """Cells' rows are the same, whatever their order."""
    a, b = (x.table.set_index("cell").sort_index() for x in (a, b))
    pd.testing.assert_frame_equal(a, b, **tolerance)
