"""Leaky and closed channels in muscle, and its two resting levels in low potassium.

    uv run python experiments/channelopathy/run.py

Scales P_Na, P_K and P_Cl of a preset (config.yaml) and follows V_m; draws the zero-current levels at fixed inside
concentrations in channelopathy.png; writes numbers to results/channelopathy/.
"""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from pumpleak import Membrane, change, load_preset, steady_state, steady_states, thermal_voltage, valence

HERE = Path(__file__).parent
OUT = Path("results") / HERE.name
VOLTS = np.linspace(-130, 0, 5201)
GROUPS = {"K": ("Kir", "leak_K"), "Na": ("leak_Na",), "Cl": ("leak_Cl",)}
COLOURS = {"K": "#0072B2", "Na": "#D55E00", "Cl": "#009E73"}


def current(cell, bath, c_i) -> np.ndarray:
    """Net current [arbitrary, outward positive] at VOLTS, inside concentrations as given."""
    membrane = Membrane(VOLTS / thermal_voltage(bath.T), bath.T, bath.c, c_i=c_i)
    return 96485 * np.asarray(sum(valence(ion) * j for ion, j in cell.fluxes(membrane).items()))


def levels(cell, bath, c_i) -> list[tuple[float, bool]]:
    """V_m [mV] of no current, and whether the current rises there (stable)."""
    I = current(cell, bath, c_i)
    k = np.flatnonzero(I[:-1] * I[1:] < 0)
    V = VOLTS[k] - I[k] * (VOLTS[k + 1] - VOLTS[k]) / (I[k + 1] - I[k])
    return [(float(v), bool(I[j + 1] > I[j])) for v, j in zip(V, k, strict=True)]


def followed(pairs, start) -> np.ndarray:
    """V_m [mV] and volume along cells in baths, each solved from the one before: stays on its branch."""
    out = []
    for cell, bath in pairs:
        state = steady_state(cell, bath, start=start)
        start = state if bool(state.ok) and float(state.conductance) > 0 else start
        out.append((float(state.V_m), float(state.volume)))
    return np.array(out)


def both_ways(make, values, normal, rest) -> np.ndarray:
    """`followed` from the normal value outwards in both directions."""
    up, down = values[values >= normal], values[values < normal][::-1]
    return np.concatenate([followed(map(make, down), rest)[::-1], followed(map(make, up), rest)])


def draw_levels(axes, cell, bath, c_i, K_o, *, color, label):
    found = [(k, v, s) for k in K_o for v, s in levels(cell, bath.change(K_o=float(k)), c_i)]
    for stable in (True, False):
        part = [(k, v) for k, v, s in found if s is stable]
        if part:
            axes.plot(
                *zip(*part, strict=True),
                ".",
                ms=3 if stable else 1,
                color=color,
                label=label if stable else None,
            )
    count = pd.DataFrame(found, columns=["K_o_mM", "V_m_mV", "stable"])
    several = count[count["stable"]].groupby("K_o_mM").size()
    both = several[several > 1].index
    print(
        f"{label}: two stable levels from K_o {both.min():.2f} to {both.max():.2f} mM"
        if len(both)
        else f"{label}: one level"
    )
    return count


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    OUT.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    cell, bath = load_preset(config["preset"])
    rest = jax.tree.map(np.asarray, steady_state(cell, bath))
    print(
        f"rest {rest.V_m:.1f} mV; K_i {rest.c_i['K']:.0f}, Na_i {rest.c_i['Na']:.1f}, Cl_i {rest.c_i['Cl']:.1f} mM"
    )
    figure = Figure(figsize=(10.5, 3.8), layout="constrained")
    scaled, curves, low = figure.subplots(1, 3)

    grid = config["factors"]
    factors = np.geomspace(grid["from"], grid["to"], grid["points"])
    table = {"factor": factors}
    for ion, names in GROUPS.items():
        V, volume = both_ways(
            lambda f, n=names: change(cell, bath, dict.fromkeys(n, f)), factors, 1.0, rest
        ).T
        table |= {f"steady_{ion}": V, f"volume_{ion}": volume}
        acute = [levels(change(cell, bath, dict.fromkeys(names, f))[0], bath, rest.c_i) for f in factors]
        scaled.plot(factors, V, color=COLOURS[ion], label=f"{ion}, steady")
        x, y = zip(
            *[(f, v) for f, many in zip(factors, acute, strict=True) for v, s in many if s], strict=True
        )
        scaled.plot(x, y, ".", ms=3, color=COLOURS[ion], label=f"{ion}, at once")
        for f in (0.1, 0.5, 2.0, 10.0):
            k = np.argmin(np.abs(np.log(factors / f)))
            at_once = [
                round(v, 1)
                for v, s in levels(change(cell, bath, dict.fromkeys(names, f))[0], bath, rest.c_i)
                if s
            ]
            print(f"{ion} leaks × {f}: steady {V[k]:.1f} mV (volume {volume[k]:.2f}), at once {at_once}")
    pd.DataFrame(table).to_csv(OUT / "scaled.csv", index=False)
    scaled.set(xscale="log", xlabel="factor on the leak", ylabel="V_m [mV]", title="Leaks scaled, 4 mM K")
    scaled.set(ylim=(-130, 10))
    gone = {ion: factors[np.isfinite(table[f"steady_{ion}"])] for ion in GROUPS}
    print("steady state for factors", {ion: f"{f.min():.2f} to {f.max():.2f}" for ion, f in gone.items()})
    scaled.legend(fontsize=6, frameon=False, loc="lower center", ncols=3)

    for K_o, color in zip(config["curves_at_K_o_mM"], ("black", "#0072B2"), strict=True):
        I = current(cell, bath.change(K_o=K_o), rest.c_i)
        curves.plot(VOLTS, I, color=color, label=f"{K_o:g} mM")
        for v, s in levels(cell, bath.change(K_o=K_o), rest.c_i):
            curves.plot(v, 0, "o", color=color, mfc=color if s else "white", ms=6)
            print(f"K_o {K_o:g}: {'stable' if s else 'unstable'} at {v:.1f} mV")
    curves.axhline(0, color="#999999", lw=0.8)
    curves.set(xlim=(-115, -40), ylim=(-0.4, 0.6), xlabel="V_m [mV]", ylabel="net current [µA/cm²]",
               title="Inside as at rest, K outside:")  # fmt: skip
    curves.legend(fontsize=7, frameon=False)

    grid = config["low_K_mM"]
    K_o = np.linspace(grid["from"], grid["to"], grid["points"])
    leaky = change(cell, bath, {"leak_Na": config["leaky_Na"]})[0]
    draw_levels(low, cell, bath, rest.c_i, K_o, color="#0072B2", label="at once")
    draw_levels(
        low, leaky, bath, rest.c_i, K_o, color="#D55E00", label=f"at once, Na leak × {config['leaky_Na']:g}"
    )
    V, _ = both_ways(lambda k: (cell, bath.change(K_o=float(k))), K_o, bath.c["K"], rest).T
    low.plot(K_o, V, color="black", label="steady, from rest")
    upper = jax.tree.map(np.asarray, steady_states(cell, bath.change(K_o=2.0))[-1])
    V_up, _ = both_ways(lambda k: (cell, bath.change(K_o=float(k))), K_o, 2.0, upper).T
    apart = V_up > V + 1
    print(f"depolarised steady level from K_o {K_o[apart].min():.2f} to {K_o[apart].max():.2f} mM")
    low.plot(K_o[apart], V_up[apart], "--", color="black", label="steady, the other level")
    for k in config["steady_below_K_o_mM"]:
        for text, c in (("normal", cell), ("leaky", leaky)):
            words = [f"{float(s.V_m):.1f} ({'stable' if s.stable else 'unstable'}, K_i {float(s.c_i['K']):.0f}, volume {float(s.volume):.2f})"
                     for s in steady_states(c, bath.change(K_o=k))]  # fmt: skip
            print(f"steady_states, {text}, K_o {k:g}:", "; ".join(words))
    low.set(xlabel="K outside [mM]", title="Two levels in low K")
    low.legend(fontsize=7, frameon=False, loc="lower right")
    for axes in (scaled, curves, low):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "channelopathy.png", dpi=110)


if __name__ == "__main__":
    main()
