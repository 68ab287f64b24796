"""Partial pooling of many cells in animals: how long one joint posterior takes, and what centring does.

    uv run python experiments/benchmarks/hierarchical.py [--cells 500] [--groups 20] [--plain]

Cells in groups (animals) of two genotypes, each read in three baths; P_Na/P_K differs between genotypes by a factor of 1.5,
between groups by 20 % and between cells by 35 %. `--plain` samples every level by its offset (non-centred).
"""

import argparse
import json
import time

import jax
import numpy as np
import pandas as pd

import pumpleak.engines.centring
from pumpleak import Latent, contrast, ghk_voltage, infer, lognormal, make_problem, normal, read_table

BATHS = np.array([2.5, 10.0, 40.0])
RATIO = 1.5


def table_of(cells: int, groups: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = np.arange(cells) % groups
    mutant = group % 2
    ln_P = np.log(0.04) + np.log(RATIO) * mutant + (0.2 * rng.normal(size=groups))[group]
    ln_P += 0.35 * rng.normal(size=cells)
    with jax.enable_x64(True):
        P = np.stack([np.ones(cells), np.exp(ln_P)], axis=-1)[:, None]
        c_o = np.stack([BATHS, 150 - BATHS], axis=-1)
        V = np.asarray(ghk_voltage(P, c_o, [140.0, 10.0], [1, 1], 310.15))
    V = V + 1.5 + 1.5 * rng.normal(size=V.shape)
    return pd.DataFrame(
        {
            "genotype": np.repeat(np.array(["control", "mutant"])[mutant], 3),
            "animal": np.repeat([f"a{g}" for g in group], 3),
            "cell": np.repeat([f"c{i}" for i in range(cells)], 3),
            "K_o_mM": np.tile(BATHS, cells),
            "Na_o_mM": np.tile(150 - BATHS, cells),
            "V_m_mV": V.ravel(),
        }
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--groups", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--draws", type=int, default=1000, help="of each of four chains, after 1,000 of warm-up"
    )
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()
    if args.plain:
        pumpleak.engines.centring.centred = lambda problem, start: problem
    levels = ("genotype", "animal", "cell")
    given = {
        "P_Na_rel": Latent(lognormal(0.05, 4), by=levels, pooled=levels[1:]),
        "K_i": 140.0,
        "Na_i": 10.0,
        "T": 310.15,
        "LJP": 0.0,
        "V_offset": normal(0, 3),
    }
    problem = make_problem(
        read_table(table_of(args.cells, args.groups, args.seed)), given, title="hierarchical"
    )
    wall, cpu = time.perf_counter(), time.process_time()
    result = infer(problem, seed=1, draws=args.draws, retry=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    table = result.table
    found = contrast(result, "P_Na_rel", ["mutant", "control"])
    steps = np.asarray(result.tree["sample_stats"]["n_steps"])
    print(
        json.dumps(
            {
                "unknowns": problem.dimension,
                "readings": problem.n_readings,
                "wall_s": round(wall, 1),
                "cpu_s": round(cpu, 1),
                "usable": result.verdict.usable,
                "headline": result.verdict.headline,
                "divergences": int(np.asarray(result.tree["sample_stats"]["diverging"]).sum()),
                "worst_r_hat": round(float(table["r_hat"].max()), 4),
                "least_ess": round(float(np.minimum(table["ess_bulk"], table["ess_tail"]).min())),
                "worst": str(table["ess_bulk"].idxmin()),
                "ess_spread": round(float(table.loc["P_Na_rel_spread", "ess_bulk"])),
                "ess_animal_spread": round(float(table.loc["P_Na_rel_animal_spread", "ess_bulk"])),
                "steps_a_draw": round(float(steps.mean()), 1),
                "contrast": found.verdict,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
