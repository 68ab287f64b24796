"""One muscle, five electrodes, five potentials: what junction potentials explain of the difference.

    uv run python experiments/sartorius_electrodes/run.py

Draws electrodes.png; the result goes to results/sartorius_electrodes/. About a minute.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pumpleak import (
    Quantity,
    henderson_voltage,
    infer,
    ion,
    lognormal,
    make_problem,
    normal,
    read_table,
    register_model,
)

HERE = Path(__file__).parent
KCl = np.array([30.0, 100.0, 300.0, 1000.0, 3000.0])  # mM in the electrode
READ = np.array([-62.4, -75.7, -83.0, -87.7, -90.7])  # mV, the abstract's
CATIONS, ANIONS = 5.6, 1.3  # mmho/cm, conductances of the myoplasm that the authors settled on
T = 293.15  # K; the abstract's temperature is not legible
LAMBDA_K = 66.0  # S cm²/mol, K⁺ at 20 °C (73.5 at 25 °C, 2 % less a degree): mmho/cm over it is mol/L
RINGER = {"Na": 115.0, "K": 2.5, "Ca": 1.8, "Cl": 121.1}  # mM
Z = jnp.array([1.0, 1.0, 2.0, -1.0, 1.0, -1.0])  # Na, K, Ca, Cl, and the myoplasm's cations and anions
U = jnp.array([*(ion(i).mobility for i in RINGER), 1.0, 1.0])


def electrode(V_m, cations, anions, KCl):
    """Reading [mV] of an electrode that was zeroed in Ringer: V_m, less its junction inside, plus that outside."""
    KCl, cations, anions = jnp.broadcast_arrays(*map(jnp.asarray, (KCl, cations, anions)))
    none = jnp.zeros_like(KCl)
    pipette = jnp.stack([none, KCl, none, KCl, none, none], axis=-1)
    c = [1e3 / LAMBDA_K * x for x in (cations, anions)]  # mM of K⁺'s mobility that would conduct as much
    inside = jnp.stack([none, none, none, none, *c], axis=-1)
    outside = jnp.array([*RINGER.values(), 0.0, 0.0])
    return V_m - henderson_voltage(pipette, inside, Z, U, T) + henderson_voltage(pipette, outside, Z, U, T)


@register_model(
    "electrodes",
    quantities=[
        Quantity("V_rest", "mV", "resting potential", None, -np.inf),
        Quantity("cations", "1", "conductance of the myoplasm's cations, mmho/cm"),
        Quantity("anions", "1", "conductance of the myoplasm's anions, mmho/cm"),
        Quantity("KCl", "1", "KCl in the electrode, mM"),
    ],
    equation="Henderson's equation at both junctions of an electrode",
)
def electrodes(values, setting):
    return electrode(values["V_rest"], values["cations"], values["anions"], values["KCl"])


def main():
    with jax.enable_x64(True):
        shift = np.asarray(electrode(0.0, CATIONS, ANIONS, KCl))
    corrected = READ - shift
    table = read_table(pd.DataFrame({"KCl": KCl, "V_m_mV": READ}), quantities=("KCl",))
    given = {
        "V_rest": normal(-80, 20),
        "cations": lognormal(6, 2),
        "anions": lognormal(2, 2),
        "V_offset": 0.0,
        "LJP": 0.0,
    }
    problem = make_problem(table, given, model="electrodes", title="Frog sartorius, five electrodes")
    result = infer(problem, seed=1)
    result.save("results/sartorius_electrodes", force=True)
    rows = result.table[["median", "low", "high", "contraction"]]
    print(result.verdict.headline, rows.round(3).to_string(), sep="\n")
    found = {
        "corrected_mV": corrected.round(1).tolist(),
        "mean_mV": round(float(corrected.mean()), 1),
        "range_mV": round(float(np.ptp(corrected)), 2),
        "correction_at_3M_mV": round(float(-shift[-1]), 1),
    }
    print(json.dumps(found))
    draw(corrected, rows)


def draw(corrected, rows):
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.subplots()
    low, mid, high = (rows.loc["V_rest", k] for k in ("low", "median", "high"))
    ax.axhspan(low, high, color="#56A0D3", alpha=0.25, lw=0)
    ax.axhline(mid, color="#004C80", lw=1)
    ax.text(3300, low - 0.5, f"V_rest, conductances inferred:\n{mid:.0f} ({low:.0f} … {high:.0f}) mV",
            ha="right", va="top", fontsize=8, color="#004C80")  # fmt: skip
    ax.plot(KCl, READ, "o-", color="#E69F00", label="as read")
    ax.plot(KCl, corrected, "s-", color="#333333", label="both junctions corrected, 5.6 and 1.3 mmho/cm")
    ax.set_xscale("log")
    ax.set_xticks(KCl, ["0.03", "0.1", "0.3", "1", "3"])
    ax.minorticks_off()
    ax.set(xlabel="KCl in the electrode (M)", ylabel="potential (mV)")
    ax.set_ylim(min(low - 5, -100), -55)
    ax.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    figure.savefig(HERE / "electrodes.png", dpi=150)


if __name__ == "__main__":
    main()
