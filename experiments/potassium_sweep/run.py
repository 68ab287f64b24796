"""V_m against outside potassium: GHK, Mullins-Noda and the whole cell, beside two sets of measurements.

    uv run python experiments/potassium_sweep/run.py

Draws potassium_sweep.png: crayfish muscle (crayfish.yaml here) and ventricular myocyte (preset), each model made
to agree at rest. Numbers go to results/potassium_sweep/.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import brentq

from pumpleak import (
    Membrane,
    ghk_voltage,
    load_cell,
    load_dataset,
    load_preset,
    mullins_noda_voltage,
    steady_state,
    thermal_voltage,
    valence,
)

HERE = Path(__file__).parent
OUT = Path("results") / HERE.name
VOLTS = np.linspace(-200, 40, 4801)
COLOURS = {
    "GHK": "#D55E00",
    "Mullins-Noda": "#E69F00",
    "acute": "#0072B2",
    "steady": "#000000",
    "E_K": "#999999",
}


def levels(cell, bath, c_i) -> list[float]:
    """V_m [mV] at which the current is 0 and rises, inside concentrations as given."""
    membrane = Membrane(VOLTS / thermal_voltage(bath.T), bath.T, bath.c, c_i=c_i)
    current = np.asarray(sum(valence(ion) * j for ion, j in cell.fluxes(membrane).items()))
    k = np.flatnonzero((current[:-1] < 0) & (current[1:] >= 0))
    return list(VOLTS[k] - current[k] * (VOLTS[k + 1] - VOLTS[k]) / (current[k + 1] - current[k]))


def sweep(cell, bath, K_o, P_Cl) -> dict:
    """Each model's V_m [mV] along K_o [mM], K+ swapped for Na+."""
    rest = jax.tree.map(np.asarray, steady_state(cell, bath))
    baths = bath.change(K_o=K_o)
    c, T = rest.c_i, bath.T
    Na_o, Cl_o = baths.c["Na"], np.full_like(K_o, bath.c["Cl"])

    def ghk(K_o, Na_o, Cl_o, P_Na):
        outside = jnp.stack([K_o, Na_o, Cl_o], -1)
        inside = jnp.stack([c["K"], c["Na"], c["Cl"]])
        return ghk_voltage(jnp.stack([1.0, P_Na, P_Cl]), outside, inside, (1, 1, -1), T)

    def noda(K_o, Na_o, P_Na):
        return mullins_noda_voltage(1.0, P_Na, K_o, c["K"], Na_o, c["Na"], T)

    # P_Na/P_K of each so that all agree at rest.
    for_ghk = brentq(lambda p: float(ghk(bath.c["K"], bath.c["Na"], bath.c["Cl"], p) - rest.V_m), 1e-6, 2)
    for_noda = brentq(lambda p: float(noda(bath.c["K"], bath.c["Na"], p) - rest.V_m), 1e-6, 2)
    print(
        f"rest {rest.V_m:.1f} mV, K_i {c['K']:.0f}, Na_i {c['Na']:.1f}, Cl_i {c['Cl']:.1f} mM;"
        f" P_Na/P_K {for_ghk:.3f} (GHK), {for_noda:.3f} (Mullins-Noda)"
    )
    acute = [levels(cell, bath.change(K_o=float(k)), c) for k in K_o]
    return {
        "E_K": thermal_voltage(T) * np.log(K_o / c["K"]),
        "GHK": np.asarray(ghk(K_o, Na_o, Cl_o, for_ghk)),
        "Mullins-Noda": np.asarray(noda(K_o, Na_o, for_noda)),
        "acute": acute,
        "steady": np.asarray(steady_state(cell, baths).V_m),
        "rest": rest,
    }


def show(axes, K_o, found, title):
    labels = {"E_K": "E_K", "GHK": "GHK, inside fixed", "Mullins-Noda": "Mullins-Noda, inside fixed",
              "steady": "whole cell, steady"}  # fmt: skip
    for key, label in labels.items():
        axes.plot(K_o, found[key], color=COLOURS[key], lw=1.5, ls=":" if key == "E_K" else "-", label=label)
    x, y = zip(*[(k, v) for k, many in zip(K_o, found["acute"], strict=True) for v in many], strict=True)
    axes.plot(x, y, ".", ms=3, color=COLOURS["acute"], label="whole cell, acute")
    axes.set(xscale="log", xlabel="K outside [mM]", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    OUT.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)

    cell, bath = load_cell(HERE / "crayfish.yaml")
    K_o = np.geomspace(0.5, 150, 121)
    found = sweep(cell, bath, K_o, P_Cl=0.7)
    show(left, K_o, found, "Crayfish muscle, 21 °C")
    gluconate = bath.change("inert", Cl_o=40.0)
    low_Cl = [levels(cell, gluconate.change(K_o=float(k)), found["rest"].c_i)[0] for k in K_o]
    left.plot(K_o, low_Cl, "--", color=COLOURS["acute"], lw=1.2, label="the same, 40 mM Cl outside")
    data = load_dataset("crayfish_muscle").to_frame()
    for solution, marker in zip(data["solution"].unique(), "osD", strict=True):
        part = data[data["solution"] == solution]
        left.errorbar(part["K_o_mM"], part["V_m_mV"], part["V_m_sd_mV"] / np.sqrt(part["V_m_n"]), fmt=marker,
                      color="black", mfc="white", ms=6, zorder=5, label=f"measured: {solution.split(',')[0]}")  # fmt: skip
    left.set(ylabel="V_m [mV]", ylim=(-150, 55))
    table = pd.DataFrame({"K_o_mM": K_o} | {k: found[k] for k in ("E_K", "GHK", "Mullins-Noda", "steady")})
    table.assign(acute=[a[0] for a in found["acute"]], acute_low_Cl=low_Cl).to_csv(
        OUT / "crayfish.csv", index=False
    )
    at = [5.4, 40.0, 100.0]
    print(pd.DataFrame({"K_o": at} | {
        "acute, 40 Cl": [levels(cell, gluconate.change(K_o=k), found["rest"].c_i)[0] for k in at],
        "acute": [levels(cell, bath.change(K_o=k), found["rest"].c_i)[0] for k in at],
        "steady": [float(steady_state(cell, bath.change(K_o=k)).V_m) for k in at],
    }).round(1).to_string())  # fmt: skip

    cell, bath = load_preset("cardiac_myocyte")
    K_o = np.geomspace(0.05, 40, 121)
    found = sweep(cell, bath, K_o, P_Cl=0.0)
    show(right, K_o, found, "Ventricular myocyte, 37 °C")
    data = load_dataset("low_K_ventricular1998").to_frame()
    x = np.maximum(data["K_o_mM"], 0.05)
    right.errorbar(x, data["V_m_mV"], data["V_m_sem_mV"], fmt="o", color="black", mfc="white", ms=5, zorder=5,
                   label="measured (0 K drawn at 0.05)")  # fmt: skip
    right.set(ylim=(-220, 10))
    frame = pd.DataFrame({"K_o_mM": K_o} | {k: found[k] for k in ("E_K", "GHK", "Mullins-Noda", "steady")})
    frame.assign(acute=[" ".join(f"{v:.2f}" for v in a) for a in found["acute"]]).to_csv(
        OUT / "heart.csv", index=False
    )
    for k in (0.1, 0.3, 0.5, 1.0, 2.0, 5.4, 20.0):
        state = steady_state(cell, bath.change(K_o=k))
        print(k, "steady", round(float(state.V_m), 1), "acute", np.round(levels(cell, bath.change(K_o=k), found["rest"].c_i), 1),
              "E_K", round(float(thermal_voltage(bath.T) * np.log(k / found["rest"].c_i["K"])), 1))  # fmt: skip
    for axes in (left, right):
        axes.legend(
            fontsize=7,
            frameon=False,
            loc="lower right" if axes is right else "upper left",
            ncols=1 if axes is right else 2,
        )
    figure.savefig(HERE / "potassium_sweep.png", dpi=110)


if __name__ == "__main__":
    main()
