"""A simulated dye-plate screen: which cells have a shifted P_Na/P_K, at a stated false-discovery rate?

    uv run python experiments/screen/run.py [--cells 100000] [--seed 0]

One plate in five is a control without shifted cells. Draws screen.png; the plates and a row a cell go to
results/screen/. `--spread 0.2` makes unshifted cells differ more, `--nu 5` gives them Student-t tails.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import brentq
from scipy.stats import false_discovery_control, norm

from pumpleak import celsius, ghk_voltage, infer_batch

HERE = Path(__file__).parent
OUT = Path("results") / HERE.name
K_O = np.array([2.5, 5.0, 10.0, 20.0, 40.0, 80.0])
PER_WELL, WELLS = 10, 96
MEDIAN, FACTOR = 0.03, 3.0  # the prior of P_Na_rel in screen.yaml
SHIFT, SHARE, PLATE_SD, NOISE = 1.8, 0.03, 0.1, 2.0
FDR = 0.05


def simulate(n: int, seed: int, spread: float, nu: float | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a reading, and the truth: a row a cell.

    Args:
        n: cells.
        seed: of everything random.
        spread: sd of ln P_Na_rel among the unshifted cells of a plate.
        nu: degrees of freedom of that population's Student-t, of the same sd; None: normal.
    """
    rng = np.random.default_rng(seed)
    index = np.arange(n)
    plate, well = index // (PER_WELL * WELLS), index // PER_WELL % WELLS
    names = [
        f"P{p + 1:03d}-{'ABCDEFGH'[w // 12]}{w % 12 + 1:02d}-{i % PER_WELL}"
        for i, p, w in zip(index, plate, well, strict=True)
    ]
    control = plate % 5 == 4
    shifted = (rng.random(n) < SHARE) & ~control
    z = rng.standard_normal(n) if nu is None else rng.standard_t(nu, n) * np.sqrt((nu - 2) / nu)
    of_plate = PLATE_SD * rng.standard_normal(plate.max() + 1)
    P = MEDIAN * np.exp(of_plate[plate] + spread * z + np.log(SHIFT) * shifted)
    K_i = 130 * np.exp(np.log(1.1) * rng.standard_normal(n))  # as screen.yaml believes
    Na_i = 12 * np.exp(np.log(1.3) * rng.standard_normal(n))
    outside = np.stack([K_O, 150 - K_O], -1)
    inside = np.stack([K_i, Na_i], -1)[:, None]
    ratios = np.stack([np.ones(n), P], -1)[:, None]
    V_m = np.asarray(ghk_voltage(ratios, outside, inside, (1, 1), celsius(25)))
    V_m = V_m + NOISE * rng.standard_normal(V_m.shape)
    truth = pd.DataFrame({"plate": plate, "control": control, "shifted": shifted, "P_Na_rel": P}, index=names)
    rows = pd.DataFrame({"cell": np.repeat(names, len(K_O)), "plate": np.repeat(plate, len(K_O)),
                         "K_o_mM": np.tile(K_O, n), "V_m_mV": V_m.ravel()})  # fmt: skip
    return rows, truth


def log_ratio(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Estimate of ln P_Na_rel and its sd, of each cell: the posterior's with the prior taken out.

    A posterior is drawn towards its prior's median, the more so the less its cell says.
    """
    m = np.log(table["P_Na_rel_median"].to_numpy())
    s = np.log(table["P_Na_rel_high"] / table["P_Na_rel_low"]).to_numpy() / (2 * norm.ppf(0.975))
    there = 1 / s**2
    prior = 1 / np.log(FACTOR) ** 2
    left = np.maximum(there - prior, 1e-3 * there)
    return (m * there - np.log(MEDIAN) * prior) / left, left**-0.5


def spread_between(d: np.ndarray, s: np.ndarray) -> float:
    """Sd of the population that, with the cells' own sd s, explains the median |d|; 0 where s alone does."""

    def excess(tau: float) -> float:
        return float(np.median(np.abs(d) / np.hypot(tau, s)) - norm.ppf(0.75))

    return brentq(excess, 0, 10) if excess(0) > 0 else 0.0


def call(cells: pd.DataFrame, tau: float | None = None) -> tuple[pd.DataFrame, float]:
    """Fold, z, p and q of each cell (Benjamini-Hochberg, two-sided), and the spread tau of the population.

    The spread is estimated from these cells where none is given.
    """
    y, s = log_ratio(cells)
    d = y - pd.Series(y, index=cells.index).groupby(cells["plate"]).transform("median").to_numpy()
    tau = spread_between(d, s) if tau is None else tau
    z = d / np.hypot(tau, s)
    p = np.maximum(2 * norm.sf(np.abs(z)), 1e-300)
    q = false_discovery_control(p)
    return cells.assign(log2_fold=d / np.log(2), own_sd=s, z=z, p=p, q=q, called=q <= FDR), tau


def score(cells: pd.DataFrame, tau: float) -> dict:
    called, shifted = cells["called"], cells["shifted"]
    return {
        "cells": len(cells),
        "shifted": int(shifted.sum()),
        "called": int(called.sum()),
        "false": int((called & ~shifted).sum()),
        "realised_FDR": float((called & ~shifted).sum() / max(called.sum(), 1)),
        "power": float((called & shifted).sum() / shifted.sum()) if shifted.any() else None,
        "population_sd": tau,
        "median_own_sd": float(cells["own_sd"].median()),
        "sd_of_z_unshifted": float(cells.loc[~shifted, "z"].std()),
    }


def draw(screen: pd.DataFrame, control: pd.DataFrame, path: Path) -> None:
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    kinds = {
        "not shifted, not called": (~screen["shifted"] & ~screen["called"], "#BBBBBB", ".", 2),
        "shifted, missed": (screen["shifted"] & ~screen["called"], "#E69F00", ".", 3),
        "shifted, called": (screen["shifted"] & screen["called"], "#0072B2", ".", 3),
        "not shifted, called": (~screen["shifted"] & screen["called"], "#D55E00", "x", 4),
    }
    for label, (which, colour, marker, size) in kinds.items():
        part = screen[which]
        left.plot(part["log2_fold"], -np.log10(part["q"]), marker, color=colour, ms=size, mew=0.8,
                  label=f"{label} ({len(part):,})")  # fmt: skip
    left.axhline(-np.log10(FDR), color="black", lw=0.8, ls=":")
    left.axvline(np.log2(SHIFT), color="black", lw=0.8, ls=":")
    left.set(xlabel="log₂ fold of P_Na/P_K against the plate's median", ylabel="−log₁₀ q", ylim=(-0.1, None))
    left.legend(fontsize=7, frameon=False, loc="upper left", markerscale=1.5)
    bins = np.arange(-6, 9.01, 0.25)
    for cells, label, colour in ((screen, "screen", "#0072B2"), (control, "control plates", "black")):
        right.hist(cells["z"], bins, density=True, histtype="step", color=colour, label=label)
    right.plot(bins, norm.pdf(bins), ":", color="#D55E00", label="N(0, 1): the null")
    right.set(yscale="log", ylim=(1e-5, 1), xlabel="z", ylabel="density")
    right.legend(fontsize=7, frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spread", type=float, default=0.1)
    parser.add_argument("--nu", type=float)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if given.cells < 5 * PER_WELL * WELLS:
        parser.error(f"at least five plates ({5 * PER_WELL * WELLS:,} cells): the fifth is the control")
    jax.config.update("jax_enable_x64", True)
    given.out.mkdir(parents=True, exist_ok=True)
    rows, truth = simulate(given.cells, given.seed, given.spread, given.nu)
    rows.to_parquet(given.out / "plates.parquet", index=False)

    began = time.perf_counter()
    batch = infer_batch(HERE / "screen.yaml", given.out / "plates.parquet", seed=given.seed, say=print)
    seconds = time.perf_counter() - began
    print(f"{batch.headline}; {seconds:.0f} s, compilation included.")

    cells = truth.join(batch.table.set_index("cell"))
    cells = cells[cells["usable"]]
    screen, tau = call(cells[~cells["control"]])
    control, tau_control = call(cells[cells["control"]])
    found = {
        "seconds": seconds,
        "usable": batch.usable,
        "rungs": batch.rungs,
        "screen": score(screen, tau),
        "control": score(control, tau_control),
        "screen, spread of the control plates": score(*call(cells[~cells["control"]], tau_control)),
        "screen, no spread: posteriors alone": score(*call(cells[~cells["control"]], 0.0)),
    }
    print(json.dumps(found, indent=1))
    (given.out / "found.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    columns = ["plate", "shifted", "P_Na_rel", "P_Na_rel_median", "P_Na_rel_low", "P_Na_rel_high",
               "log2_fold", "own_sd", "z", "p", "q", "called"]  # fmt: skip
    pd.concat([screen, control])[columns].to_parquet(given.out / "cells.parquet")
    draw(screen, control, HERE / "screen.png" if given.out == OUT else given.out / "screen.png")


if __name__ == "__main__":
    main()
