"""What P_Na/P_K does a resting potential of -73 mV mean? Three answers, first exact, then honest.

    uv run python experiments/textbook_resting_potential/run.py

Writes a figure and a table to results/textbook_resting_potential/.
"""

from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from pumpleak import fit, infer, load_problem

HERE = Path(__file__).parent
OUT = Path("results/textbook_resting_potential")
MODELS = {
    "ghk": ("P_Na_rel", "permeability ratio, no pump current (GHK)"),
    "mullins_noda": ("P_Na_rel", "permeability ratio, 3:2 pump included (Mullins-Noda)"),
    "chord": ("g_Na_rel", "conductance ratio (chord)"),
}


def exact(model: str, ratio: str) -> float:
    """The ratio where every concentration is known exactly: the packaged textbook cell."""
    problem = load_problem(
        {
            "model": model,
            "data": {"dataset": "textbook_resting"},
            "quantities": {
                ratio: {"prior": "lognormal", "median": 0.05, "factor": 5},
                "sigma_V_m_mV": 0.01,
            },
        }
    )
    return fit(problem, method="ml")[ratio].value


def honest(model: str, ratio: str):
    """The posterior of the ratio where concentrations, temperature and electrode are uncertain."""
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    config["model"] = model
    config["data"] = str(HERE / config["data"])
    config["quantities"][ratio] = config["quantities"].pop("P_Na_rel")
    return infer(load_problem(config))


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    rows = []
    for y, (model, (ratio, meaning)) in enumerate(MODELS.items()):
        point, result = exact(model, ratio), honest(model, ratio)
        row = result.table.loc[ratio]
        rows.append(
            {"model": model, "exact": point, **row[["median", "low", "high", "contraction"]].to_dict()}
        )
        rows[-1]["usable"] = result.verdict.usable
        axes.plot([row["low"], row["high"]], [y, y], lw=5, alpha=0.4, color="C0", solid_capstyle="butt")
        axes.plot(row["median"], y, "o", color="C0")
        axes.plot(point, y, "k|", ms=18)
        axes.text(row["high"] * 1.08, y, f"{point:.3f}", va="center")
        axes.text(0.0062, y + 0.22, meaning, fontsize=8)
    axes.set(xscale="log", xlim=(0.006, 0.5), ylim=(-0.5, 2.6), yticks=[], xlabel="Na over K at -73 mV")
    axes.set_title("One potential, three ratios: exact (bar) and with honest inputs (95 %)", fontsize=10)
    figure.savefig(OUT / "ratios.png", dpi=150)
    table = pd.DataFrame(rows)
    table.to_csv(OUT / "ratios.csv", index=False)
    print(table.round(4).to_string(index=False))


if __name__ == "__main__":
    main()
