"""What 1, 3 or 6 potassium concentrations, a chloride-free bath and a blocked pump each add, before any is read.

    uv run python experiments/identifiability/run.py

Draws identifiability.png; the table goes to results/identifiability/.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pumpleak import InputWarning, identify, load_problem, make_problem
from pumpleak.quantities.symbols import symbol
from pumpleak.reports.style import COLOURS

HERE = Path(__file__).parent
OUT = Path("results") / HERE.name
#: Rows of the plans: potassium concentrations in their order, then the odd one.
DESIGNS = {
    "1 K": [0],
    "3 K": [0, 1, 2],
    "6 K": range(6),
    "1 K + {}": [0, 6],
    "3 K + {}": [0, 1, 2, 6],
    "6 K + {}": range(7),
}
COLOUR = dict(zip(("P_Na_rel", "P_Cl_rel", "K_i", "Cl_i", "V_offset", "r"), COLOURS, strict=False))
PLANS = {"ghk.yaml": "Cl-free", "pump.yaml": "blocked pump"}


def main() -> None:
    warnings.simplefilter("ignore", InputWarning)  # a chloride-free bath has another anion
    OUT.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(8.2, 3.6), layout="constrained")
    rows = []
    for ax, (file, extra) in zip(figure.subplots(1, 2, sharey=True), PLANS.items(), strict=True):
        whole, left = load_problem(HERE / file), {}
        for name, which in DESIGNS.items():
            table = whole.measurements.select(np.isin(np.arange(7), list(which)))
            study = identify(make_problem(table, **whole.recipe, config=whole.config))
            name = name.format(extra)
            left[name] = {k: 1 - v for k, v in study.numbers["removed"].items()}
            rows += [
                {
                    "plan": file,
                    "design": name,
                    "parameter": r[0],
                    "verdict": r[2],
                    "removed_percent": r[3],
                    "gain": r[4],
                }
                for r in study.tables[0].rows
            ]
            print(f"{file} {name}: {study.verdict}")
        frame = pd.DataFrame(left)
        for parameter, line in frame.iterrows():
            y, style = 100 * line.to_numpy(), {"ms": 4, "lw": 1.2, "color": COLOUR[str(parameter)]}
            ax.plot([0, 1, 2], y[:3], "o-", label=symbol(str(parameter)).math, **style)
            ax.plot([3, 4, 5], y[3:], "o-", **style)
        ax.set_xticks(range(len(frame.columns)), frame.columns, rotation=30, ha="right")
        ax.axvline(2.5, color="#d9d9d9", lw=1)
        ax.set(yscale="log", ylim=(0.2, 130), title=whole.title.replace("Planned potassium titration, ", ""))
        ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=8, frameon=False, loc="lower left", ncols=2)
    figure.axes[0].set_ylabel("prior variance left [%]")
    figure.savefig(HERE / "identifiability.png", dpi=110)
    found = pd.DataFrame(rows)
    found.to_csv(OUT / "designs.csv", index=False)
    print(
        found.pivot(index=["plan", "parameter"], columns="design", values="removed_percent")
        .round(0)
        .to_string()
    )
    print(found.to_string())


if __name__ == "__main__":
    main()
