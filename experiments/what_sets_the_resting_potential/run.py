"""What sets the resting potential: the sensitivities of every preset in one figure.

    uv run python experiments/what_sets_the_resting_potential/run.py

Adds up `sensitivities` by kind of mechanism, beside what happens at once when the pump stops, and writes
sensitivities.png here and the tables to results/what_sets_the_resting_potential/.
"""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pumpleak import (
    Membrane,
    list_presets,
    load_preset,
    sensitivities,
    steady_state,
    thermal_voltage,
    valence,
)

HERE = Path(__file__).parent
OUT = Path("results") / HERE.name
DOUBLED = np.log(2)
KINDS = ["K leaks", "Na leaks", "Cl leaks", "Ca leak", "Na/K pump", "Cl carriers", "Ca carriers"]
BATHS = {"K_o": "K outside", "Na_o": "Na outside", "Cl_o": "Cl outside", "z_X": "charge z_X +0.1"}
AT_ONCE = "pump stops,\nat once"


def kind(mechanism) -> str:
    ions = mechanism.stoichiometry
    if mechanism.atp and "Na" in ions:
        return "Na/K pump"
    if len(ions) == 1 and not mechanism.atp:
        (ion,) = ions
        return "Ca leak" if ion == "Ca" else f"{ion} leaks"
    return "Cl carriers" if "Cl" in ions else "Ca carriers"


def pump_stops(cell, bath, state) -> float:
    """Change of V_m [mV] when the pump stops and concentrations are still those of rest."""
    V = np.linspace(-150, 60, 21_001)
    membrane = Membrane(V / thermal_voltage(bath.T), bath.T, bath.c, c_i=state.c_i)
    rates = cell.rates(membrane)
    on = [n for n, m in cell.mechanisms.items() if kind(m) != "Na/K pump"]
    current = sum(
        valence(ion) * n * rates[name]
        for name in on
        for ion, n in cell.mechanisms[name].stoichiometry.items()
    )
    crossings = V[1:][np.diff(np.sign(current)) > 0]
    return float(crossings[np.argmin(np.abs(crossings - state.V_m))] - state.V_m)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    OUT.mkdir(parents=True, exist_ok=True)
    rows, everything = {}, []
    for name in list_presets():
        cell, bath = load_preset(name)
        state, table = steady_state(cell, bath), sensitivities(cell, bath)
        everything.append(table.assign(preset=name))
        by_kind = dict.fromkeys(KINDS, np.nan)
        rates = iter(table.index[table["is_rate"]])
        for mechanism in cell.mechanisms.values():
            change = DOUBLED * table.loc[next(rates), "dV_m_mV"]
            by_kind[kind(mechanism)] = np.nansum([by_kind[kind(mechanism)], change])
        bath_rows = {
            text: table.loc[key, "dV_m_mV"] * (0.1 if key == "z_X" else DOUBLED)
            for key, text in BATHS.items()
        }
        rows[f"{name.replace('_', ' ')}  ({state.V_m:.0f} mV)"] = (
            by_kind | bath_rows | {AT_ONCE: pump_stops(cell, bath, state)}
        )
    table = pd.DataFrame(rows).T
    table.to_csv(OUT / "by_kind.csv")
    pd.concat(everything).to_csv(OUT / "sensitivities.csv")
    print(table.round(1).rename(columns={AT_ONCE: "pump stops"}).to_string())
    draw(table)


def draw(table: pd.DataFrame) -> None:
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    values = table.to_numpy(float)
    image = axes.imshow(values, cmap="RdBu_r", vmin=-20, vmax=20, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "0"
            axes.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize=8,
                color="white" if abs(value) > 14 else "black",
            )
    for x in (6.5, 10.5):
        axes.axvline(x, color="black", lw=1.5)
    axes.set_xticks(
        range(len(table.columns)), table.columns, rotation=40, ha="right", rotation_mode="anchor", fontsize=8
    )
    axes.set_yticks(range(len(table)), table.index, fontsize=8)
    axes.set_title("Change of the steady V_m [mV] per doubling (linearised); red depolarises", fontsize=10)
    figure.colorbar(image, shrink=0.8, label="mV")
    figure.savefig(HERE / "sensitivities.png", dpi=110)


if __name__ == "__main__":
    main()
