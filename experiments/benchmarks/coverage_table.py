"""How often 50 and 90 % intervals hold the truth, over models, engines and measurement models (kinds of noise).

A covering design: every pair of a model and an engine, a model and a noise, an engine and a noise occurs at least once.
Each row is one `calibrate`; its coverage is that of all its unknowns together. `laplace` is reported, not expected to
pass, and its rows do not count in the exit code.

    uv run python experiments/benchmarks/coverage_table.py                      # 500 replicates, 200 of NUTS on pump_leak
    uv run python experiments/benchmarks/coverage_table.py --replicates 60 --models ghk mullins_noda chord

Exits 1 if a row fails. Writes results/coverage.csv.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sbc_nuts import NOISES, pump_leak_titration, titration

from pumpleak import calibrate
from pumpleak.engines.gate import ENGINES
from pumpleak.studies.calibrate.replicates import LIKELIHOOD

MODELS = ("ghk", "mullins_noda", "chord", "pump_leak")


def pair_cover(*factors: tuple) -> list[tuple]:
    """Rows in which every pair of two factors' levels occurs: each time the row with most pairs not yet seen."""
    rows = list(itertools.product(*factors))

    def pairs(row):
        return set(itertools.combinations(enumerate(row), 2))

    left, out = set().union(*map(pairs, rows)), []
    while left:
        out.append(max(rows, key=lambda row: len(pairs(row) & left)))
        left -= pairs(out[-1])
    return sorted(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=tuple(NOISES))
    parser.add_argument("--out", type=Path, default=Path("results/coverage.csv"))
    options = parser.parse_args()
    rows = []
    for model, engine, noise in pair_cover(
        tuple(options.models), tuple(options.engines), tuple(options.noises)
    ):
        problem = pump_leak_titration(noise) if model == "pump_leak" else titration(model, noise)
        slow = (model, engine) == ("pump_leak", "nuts")
        n = min(options.replicates, 200) if slow else options.replicates
        began = time.process_time()
        study = calibrate(problem, engine, n)
        found = [q for q in study.numbers["quantities"] if q["name"] != LIKELIHOOD]
        cover = {level: 100 * np.mean([q["cover"][level] for q in found]) for level in ("0.5", "0.9")}
        rows.append(
            {
                "model": model, "engine": engine, "noise": noise, "replicates": n, "unknowns": len(found),
                "50 %": cover["0.5"], "90 %": cover["0.9"],
                "flagged": n - study.numbers["status"].get("usable", 0),
                "passed": study.passed, "CPU s": time.process_time() - began,
            }
        )  # fmt: skip
        print(
            pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1, float_format="%.1f"),
            flush=True,
        )
        if not study.passed:
            print(f"    {study.verdict}", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(options.out, index=False)
    failed = [row for row in rows if not row["passed"] and row["engine"] != "laplace"]
    print(f"{len(rows)} rows, {len(failed)} failed (laplace apart); written to {options.out}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
