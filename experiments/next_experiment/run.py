"""Does the recommended design beat a uniform potassium ladder of as many baths?

    uv run python experiments/next_experiment/run.py

Asks `design` for three baths, simulates the same cells in these, in the jointly optimised ones and in two uniform
ladders (by concentration and by its logarithm), infers every cell with the batch engine, and compares the posterior
sds of ln P_Na/P_K. Writes results/next_experiment/; the figure is copied here by hand.
"""

import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from pumpleak import design, ghk_voltage, infer_batch, load_problem

HERE = Path(__file__).parent
OUT = Path("results/next_experiment")
CELLS, TOTAL, T, SEM = 200, 150.0, 295.15, 1.5


def simulated(K_o: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Cells drawn from the config's priors, read in these baths."""
    P = 0.03 * 2.5 ** rng.standard_normal(CELLS)
    K_i, Na_i = 140 * 1.2 ** rng.standard_normal(CELLS), 12 * 1.4 ** rng.standard_normal(CELLS)
    offset, rows = 3 * rng.standard_normal(CELLS), []
    for c in range(CELLS):
        with jax.enable_x64(True):
            weight = np.array([1.0, P[c]])
            out = np.stack([K_o, TOTAL - K_o], axis=1)
            V = np.asarray(ghk_voltage(weight, out, np.array([K_i[c], Na_i[c]]), np.array([1, 1]), T))
        V = V + offset[c] + SEM * rng.standard_normal(len(K_o))
        rows += [
            {"cell": f"{c}", "label": f"{c} {x:.3g}", "T_degC": T - 273.15, "K_o_mM": x, "Na_o_mM": TOTAL - x,
             "V_m_mV": v, "V_m_sem_mV": SEM}
            for x, v in zip(K_o, V, strict=True)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    problem = load_problem(HERE / "config.yaml")
    began = time.process_time()
    study = design(problem)
    seconds = time.process_time() - began
    study.save(OUT / "study", force=True)
    print(*study.words(), sep="\n")
    worst = max(c["gain_se"] for c in study.numbers["candidates"])
    print(
        f"{len(study.numbers['candidates'])} candidates: {seconds:.0f} CPU s, standard errors up to {worst:.3f} nats"
    )
    chosen = [study.numbers["candidates"][s["candidate"]]["row"]["K_o_mM"] for s in study.numbers["sequence"]]
    designs = {
        "recommended": np.sort(chosen),
        "optimised together": np.asarray(study.numbers["continuous"]["values"]),
        "uniform in ln K_o": np.geomspace(1, 120, 3),
        "uniform in K_o": np.linspace(1, 120, 3),
    }
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    del config["design"], config["title"]
    sds = {}
    for name, K_o in designs.items():
        cells = simulated(K_o, np.random.default_rng(1))  # the same cells in every design
        cells.to_csv(OUT / "cells.csv", index=False)
        batch = infer_batch(config | {"data": str(OUT / "cells.csv")}, by="cell", draws=400, seed=1)
        draws = batch.tree["posterior"]["P_Na_rel"]
        sds[name] = np.log(draws.transpose("cell", ...).values.reshape(CELLS, -1)).std(axis=1)
        print(
            f"{name:20s} K_o {', '.join(f'{x:.3g}' for x in K_o):18s} sd of ln P_Na/P_K: median "
            f"{np.median(sds[name]):.3f}, mean of squares' root {np.sqrt(np.mean(sds[name] ** 2)):.3f}"
        )
    pd.DataFrame(sds).to_csv(OUT / "sds.csv", index=False)
    first = sds["recommended"]
    for name in list(sds)[1:]:
        ratio = np.log(first / sds[name])
        error = ratio.std(ddof=1) / np.sqrt(len(ratio))
        print(f"recommended / {name}: {np.exp(ratio.mean()):.3f} (± {np.exp(ratio.mean()) * error:.3f})")
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for k, sd in enumerate(sds.values()):
        jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(sd))
        axes.plot(sd, -k + jitter, ".", ms=3, alpha=0.35, color="C1" if k < 2 else "C0")
        axes.plot(np.median(sd), -k, "|", ms=22, mew=2.5, color="black")
    names = [f"{n}\n{', '.join(f'{x:.3g}' for x in designs[n])} mM" for n in sds]
    axes.set_yticks([-k for k in range(len(sds))], names)
    axes.set(xlabel="posterior sd of ln P_Na/P_K, one dot a simulated cell, bar: median", xlim=(0, None))
    figure.savefig(OUT / "next_experiment.png", dpi=150)


if __name__ == "__main__":
    main()
