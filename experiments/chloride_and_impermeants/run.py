"""What sets the driving force for chloride: impermeant charge, or KCC2? After Düsterwald et al. 2018.

    uv run python experiments/chloride_and_impermeants/run.py

Adds impermeants, changes their mean charge and scales KCC2 in the neuron preset (config.yaml); draws
chloride.png here; numbers go to results/chloride_and_impermeants/.
"""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from pumpleak import change, load_preset, sensitivities, steady_state

HERE = Path(__file__).parent
OUT = Path("results") / HERE.name


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    OUT.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    cell, bath = load_preset(config["preset"])

    def at(**changes):
        """State, driving force for Cl- [mV], with numbers changed."""
        state = steady_state(*change(cell, bath, changes))
        return state, np.asarray(state.V_m - state.E["Cl"])

    def words(**changes):
        s, force = at(**changes)
        return f"V_m {float(s.V_m):.2f}, E_Cl {float(s.E['Cl']):.2f}, V_m - E_Cl {force:.2f} mV, volume {float(s.volume):.3f}"

    rest, force = at()
    print("at rest:", words())
    print("added impermeants of the cell's own mean charge:")
    for more in config["added_X"]:
        print(f"  +{more:.0%}:", words(X_i=cell.X_i * (1 + more)))
    print("a tenth more impermeants of another charge z, so that the mean is (z_X + 0.1 z)/1.1:")
    for z in (-3.0, -2.0, -0.85, 0.0):
        print(f"  z {z:+.2f}:", words(X_i=1.1 * cell.X_i, z_X=(cell.z_X + 0.1 * z) / 1.1))
    print("mean charge of all:")
    for z in (-0.75, -0.85, -0.95, -1.5):
        print(f"  z_X {z:+.2f}:", words(z_X=z), "| without KCC2:", words(z_X=z, KCC2=0.0))
    print("KCC2:")
    for factor in (0.0, 0.1, 0.5, 1.0, 2.0, 10.0, 100.0):
        print(f"  × {factor:g}:", words(KCC2=factor))
    table = sensitivities(cell, bath)
    moved = (
        table["dCl_i_mM"] / float(rest.c_i["Cl"]) * float(25.6926 * bath.T / 298.15)
    )  # dE_Cl = (RT/F) d ln Cl_i
    print("sensitivities of V_m - E_Cl [mV per e-fold; z_X per 0.1]:")
    shift = (table["dV_m_mV"] - moved)[["g_Na", "g_K", "g_Cl", "KCC2.rate_constant", "pump.J", "z_X", "K_o"]]
    print((shift * np.where(shift.index == "z_X", 0.1, 1)).round(3).to_string())

    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    by_charge, by_KCC2 = figure.subplots(1, 2, sharey=True)
    grid = config["z_X"]
    z = np.linspace(grid["from"], grid["to"], grid["points"])
    grid = config["KCC2"]
    k = np.geomspace(grid["from"], grid["to"], grid["points"])
    frames = []
    for axes, name, x in ((by_charge, "z_X", z), (by_KCC2, "KCC2", k)):
        state, force = at(**{name: x})
        axes.plot(x, state.V_m, color="black", label="V_m")
        axes.plot(x, state.E["Cl"], color="#009E73", label="E_Cl")
        axes.plot(x, state.E["K"], color="#0072B2", lw=1, ls=":", label="E_K")
        axes.fill_between(
            x, state.V_m, state.E["Cl"], color="#009E73", alpha=0.15, lw=0, label="driving force for Cl"
        )
        axes.plot(cell.z_X if name == "z_X" else 1.0, rest.V_m, "o", color="black", mfc="white")
        axes.spines[["top", "right"]].set_visible(False)
        frames.append(pd.DataFrame({"changed": name, "value": x, "V_m_mV": state.V_m, "E_Cl_mV": state.E["Cl"],
                                    "volume_rel": state.volume, "driving_force_mV": force}))  # fmt: skip
    pd.concat(frames).to_csv(OUT / "sweeps.csv", index=False)
    by_charge.set(
        xlabel="mean charge of impermeants z_X", ylabel="mV", title="Impermeant charge moves both together"
    )
    by_KCC2.set(xscale="log", xlabel="KCC2, times its normal rate", title="KCC2 sets the gap")
    by_charge.legend(fontsize=8, frameon=False, loc="lower right", ncols=2)
    by_charge.set(ylim=(-112, -50))
    figure.savefig(HERE / "chloride.png", dpi=110)


if __name__ == "__main__":
    main()
