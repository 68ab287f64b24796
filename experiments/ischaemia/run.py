"""The pump fails: what does a cell do, and does it stop?

    uv run python experiments/ischaemia/run.py

Draws ischaemia.png beside itself, and writes ends.csv (where each case and each preset has come to) to
results/ischaemia/. config.yaml says what is done.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from pumpleak import Bath, Cell, Event, donnan_equilibrium, load_preset, simulate, steady_state, valence

jax.config.update("jax_enable_x64", True)
HERE = Path(__file__).parent
OUT = Path("results") / HERE.name
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#999999")


def salt_only(bath: Bath) -> Bath:
    """The bath with its impermeants replaced by chloride, as near as neutrality and osmolarity allow."""
    positive = sum(valence(ion) * c for ion, c in bath.c.items() if valence(ion) > 0)
    other = sum(c for ion, c in bath.c.items() if valence(ion) < 0 and ion != "Cl")
    ions = {f"{ion}_o": c for ion, c in bath.c.items()} | {"Cl_o": positive - other}
    return Bath(T=bath.T, **ions)


def variant(preset, case: dict) -> tuple[Cell, Bath, Any]:
    """The cell and bath of a case, and the state it starts from: the preset's own composition."""
    cell, bath = preset
    if case.get("bath") == "salt":
        bath = salt_only(bath)
    names = ("mechanisms", "z_X", "X_i", "held", "volume_to_area", "C_m")
    parts = {name: getattr(cell, name) for name in names}
    rest = steady_state(cell, bath)
    if case.get("volume") == "fixed":
        parts["X_i"] = float(rest.X)
        fixed = Cell(**parts, volume="fixed")
        return fixed, bath, steady_state(fixed, bath)
    return Cell(**parts, wall=case.get("wall_mM")), bath, rest


def after(cell, bath, start, config, duration, **settings):
    off = Event(config["pump_off_at_s"], dict.fromkeys(pumps(cell), 0))
    limit = config["max_volume_ratio"] * float(start.volume)
    return simulate(cell, bath, duration, events=[off], start=start, max_volume_ratio=limit, **settings)


def pumps(cell) -> list[str]:
    """What burns ATP."""
    return [name for name, mechanism in cell.mechanisms.items() if mechanism.atp]


def end(name: str, cell, bath, start, config) -> dict:
    """Where it has come to, and how far that is from each ion's equilibrium."""
    course = after(cell, bath, start, config, config["settled_after_s"], n=60)
    off = steady_state(stopped(cell), bath)
    apart = max(abs(E[-1] - course.V_m[-1]) for E in course.E.values())
    return {
        "case": name,
        "V_m before [mV]": course.V_m[0],
        "ended": course.ended,
        "after [h]": (course.end - config["pump_off_at_s"]) / 3600,
        "V_m [mV]": course.V_m[-1],
        "volume, times": course.volume[-1] / course.volume[0],
        "largest |V_m − E| [mV]": apart,
        "steady state without pump": bool(off.ok),
        "its V_m [mV]": float(off.V_m),
    }


def stopped(cell: Cell) -> Cell:
    names = ("mechanisms", "z_X", "X_i", "held", "volume_to_area", "C_m", "wall", "volume")
    return Cell(**{name: getattr(cell, name) for name in names}, factors=dict.fromkeys(pumps(cell), 0.0))


def donnan(cell, bath) -> float:
    """V_m [mV] at which all ions are at equilibrium around what the cell of fixed volume has trapped."""
    c_o, z = zip(*((c, valence(ion)) for ion, c in bath.c.items()), strict=True)
    found = donnan_equilibrium(np.array(c_o), np.array(z), A_i=cell.X_i, z_A=cell.z_X, T=bath.T)
    return float(found.V_m)


def main() -> None:
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    OUT.mkdir(parents=True, exist_ok=True)
    preset = load_preset(config["preset"])
    figure = Figure(figsize=(7, 6.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    rows = []
    for colour, (name, case) in zip(COLOURS, config["cases"].items(), strict=True):
        cell, bath, start = variant(preset, case)
        rows.append(end(name, cell, bath, start, config))
        if case.get("volume") == "fixed":
            print(f"Donnan potential at fixed volume {donnan(cell, bath):.4f} mV")
        off = config["pump_off_at_s"]
        times = off + np.geomspace(10, config["duration_s"] - off, 400)
        course = after(cell, bath, start, config, config["duration_s"], times=times)
        hours = (course.t - off) / 3600
        style = {
            "color": colour,
            "label": name,
            "lw": 1.6,
            "ls": "--" if case.get("volume") == "fixed" else "-",
        }
        top.plot(hours, course.V_m, **style)
        middle.plot(hours, course.c_i["K"], **style)
        middle.plot(hours, course.c_i["Cl"], **style | {"lw": 0.9, "alpha": 0.8})
        bottom.plot(hours, course.volume / float(start.volume), **style)
        if course.ended == "lysis":
            bottom.plot(hours[-1], course.volume[-1] / float(start.volume), "x", color=colour, ms=8, mew=2)
    top.set(ylabel="$V_m$ [mV]")
    middle.set(ylabel="K⁺ (thick), Cl⁻ (thin)\ninside [mM]")
    bottom.set(
        ylabel="volume / resting volume", xlabel="hours after the pump stopped", yscale="log", xscale="log"
    )
    bottom.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    bottom.minorticks_off()
    bottom.set_xticks([0.01, 0.1, 1, 10, 100, 1000], ["0.01", "0.1", "1", "10", "100", "1000"])
    for axes in (top, middle, bottom):
        axes.spines[["top", "right"]].set_visible(False)
    top.set_title(f"{preset.title}: the pump stops", fontsize=10)
    bottom.legend(frameon=False, fontsize=8)
    figure.savefig(HERE / "ischaemia.png", dpi=90)
    for name in config["others"]:
        other = load_preset(name)
        cell, bath, start = variant(other, {})
        rows.append(end(name, cell, bath, start, config))
        cell, bath, start = variant(other, {"bath": "salt"})
        if bool(start.ok):
            rows.append(end(f"{name}, salt alone", cell, bath, start, config))
    table = pd.DataFrame(rows)
    table.to_csv(OUT / "ends.csv", index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
