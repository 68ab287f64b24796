"""How much of the crayfish answer is data, and how much is what was assumed?

    uv run python experiments/crayfish_muscle/run.py

Infers P_Na/P_K and P_Cl/P_K from the five solution means under one changed assumption at a time, and
writes the table and a figure to results/crayfish_muscle_assumptions/.
"""

import copy
from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from pumpleak import infer, load_problem

ROOT = Path(__file__).parents[2]
OUT = Path("results/crayfish_muscle_assumptions")
GLUCONATE = "K-gluconate, low chloride"


def variants(base: dict) -> dict[str, dict]:
    """The shipped config, and the same with one assumption changed."""

    def changed(**quantities) -> dict:
        config = copy.deepcopy(base)
        config["quantities"] |= quantities
        return config

    out = {"as shipped": base}
    out["K_i known: 150 mM"] = changed(K_i_mM=150)
    out["K_i vague: factor 2"] = changed(K_i_mM={"prior": "lognormal", "median": 150, "factor": 2})
    no_chloride = copy.deepcopy(base)
    no_chloride["ions"] = ["K", "Na"]
    del no_chloride["quantities"]["P_Cl_rel"], no_chloride["quantities"]["Cl_i_mM"]
    out["chloride impermeant"] = no_chloride
    out["no junction potential"] = copy.deepcopy(base)
    out["no junction potential"]["solutions"][GLUCONATE]["LJP_mV"] = 0
    out["no scatter beyond s.e."] = changed(extra_V_m_mV=0)
    out["Student-t noise"] = copy.deepcopy(base) | {"noise": "student_t"}
    electrogenic = copy.deepcopy(no_chloride) | {"model": "mullins_noda"}
    out["pump included (Mullins-Noda)"] = electrogenic
    return out


def main() -> None:
    base = yaml.safe_load((ROOT / "configs/crayfish_muscle.yaml").read_text())
    OUT.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, config in variants(base).items():
        result = infer(load_problem(config))
        row: dict = {"assumption": name}
        for ratio in ("P_Na_rel", "P_Cl_rel", "K_i"):
            if ratio in result.table.index:
                t = result.table.loc[ratio]
                row |= {ratio: t["median"], f"{ratio}_low": t["low"], f"{ratio}_high": t["high"]}
        v = result.verdict
        row |= {"elpd_loo": v.numbers["elpd_loo"], "usable": v.usable, "fits": v.fits}
        rows.append(row)
        print(f"{name}: {v.headline}")
    table = pd.DataFrame(rows)
    table.to_csv(OUT / "assumptions.csv", index=False)
    print(table.round(3).to_string(index=False))
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for y, row in table.iterrows():
        axes.plot([row["P_Na_rel_low"], row["P_Na_rel_high"]], [-y, -y], lw=5, alpha=0.4, color="C0")
        axes.plot(row["P_Na_rel"], -y, "o", color="C0")
    axes.set(xscale="log", xlabel=r"$P_\mathrm{Na}/P_\mathrm{K}$, median and 95 % interval")
    axes.set_yticks(-table.index, table["assumption"])
    figure.savefig(OUT / "assumptions.png", dpi=150)


if __name__ == "__main__":
    main()
