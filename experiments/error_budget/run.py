"""What limits P_Na/P_K of the crayfish fibres, and does the budget keep its word?

    uv run python experiments/error_budget/run.py

Draws up the error budget of the shipped config, then checks its prediction: the inputs are one after another
declared known (at their posterior median), the inference is repeated, and the interval is compared with the one the
budget promised. Writes results/error_budget/; budget.png is copied here by hand.
"""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from pumpleak import infer, load_problem, sensitivity

ROOT = Path(__file__).parents[2]
OUT = Path("results/error_budget")
KNOWN = {"Cl_i": "Cl_i_mM", "K_i": "K_i_mM", "V_offset": "V_offset_mV"}


def main() -> None:
    config = yaml.safe_load((ROOT / "configs/crayfish_muscle.yaml").read_text())
    problem = load_problem(config)
    result = infer(problem, engine="auto")
    study = sensitivity(problem, result)
    study.save(OUT, force=True)
    print(*study.words(), sep="\n")
    rows = []
    for name, key in KNOWN.items():
        fixed = copy.deepcopy(config)
        fixed["quantities"][key] = float(result.table.loc[name, "median"])
        after = infer(load_problem(fixed), engine="auto")
        for b in study.numbers["budgets"]:
            promised = next(s for s in b["shares"] if s["name"] == name)
            x = np.log(np.asarray(after.tree["posterior"][b["target"]]))
            rows.append(
                {
                    "known": name, "of": b["target"], "share": promised["share"], "promised": promised["removed"],
                    "found": 1 - x.var() / b["sd"] ** 2, "usable": after.verdict.usable,
                }
            )  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_csv(OUT / "promises.csv", index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
