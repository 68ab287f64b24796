"""Many laboratories' resting potentials: what each study says of P_Na/P_K, and how much studies differ.

    uv run python experiments/interlaboratory/run.py [--studies 60] [--seed 0]

The studies are synthetic (studies.py); `--studies` and `--seed` simulate others. Draws interlaboratory.png; a row a
study and the numbers go to results/interlaboratory/.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm
from studies import MEDIAN, SPREAD, simulate

from pumpleak import infer_batch

HERE = Path(__file__).parent
OUT = Path("results") / HERE.name
PRIOR = np.log(0.03), np.log(3.0)  # mean and sd of ln P_Na_rel in interlaboratory.yaml
COVER = 0.9
#: What a study's data did to the prior of ln P_Na_rel: least share of its variance removed, and colour.
LEVELS = {
    "determined": (0.9, "#004C80"),
    "narrowed": (0.5, "#56A0D3"),
    "mostly the prior": (-np.inf, "#E69F00"),
}


def per_study(batch, truth: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """A row a usable study, with its 90 % interval and contraction of P_Na_rel, and ln P_Na_rel of its draws."""
    summary, posterior = batch.tree["summary"].to_dataset(), batch.tree["posterior"].to_dataset()
    q = summary["quantile"].sel(parameter="P_Na_rel", probability=[0.05, 0.5, 0.95]).values
    found = pd.DataFrame(q, columns=["low", "median", "high"])
    found["study"] = summary["cell"].values.astype(str)
    found["contraction"] = summary["contraction"].sel(parameter="P_Na_rel").values
    found["level"] = [
        next(level for level, (least, _) in LEVELS.items() if c >= least) for c in found["contraction"]
    ]
    usable = batch.table.set_index("cell")["usable"]
    found = found.merge(truth, on="study", how="left")
    good = usable.loc[found["study"]].to_numpy()
    return found[good].reset_index(drop=True), np.log(posterior["P_Na_rel"].values[good].astype(float))


def population(draws: np.ndarray) -> dict:
    """Posterior of the population's median and spread, on a grid, from each study's draws.

    With a study's posterior p(x | y) ∝ p(y | x) π(x), x = ln P_Na_rel, its likelihood under a normal population is

        p(y | m, s) ∝ mean over its draws of N(x; m, s) / π(x)

    The draws are put into 800 bins, much narrower than any s. Priors: m flat, s half-normal with sd 1.

    Args:
        draws: ln P_Na_rel, (studies, draws).

    Returns:
        grids ``m`` and ``s`` and ``weight`` over both, which sums to 1; and 5, 50, 95 % quantiles of e^m and s.
    """
    m = np.linspace(np.log(0.005), np.log(0.2), 121)
    s = np.linspace(0.05, 1.5, 74)
    edges = np.linspace(draws.min(), draws.max() + 1e-9, 801)
    ratio = np.exp(-norm.logpdf(draws, *PRIOR))
    of_study = np.array([np.histogram(x, edges, weights=w)[0] for x, w in zip(draws, ratio, strict=True)])
    x = (edges[1:] + edges[:-1])[:, None, None] / 2
    likelihood = np.einsum("ib,bms->ims", of_study, norm.pdf(x, m[:, None], s), optimize=True)
    height = -0.5 * s**2 + np.log(likelihood + 1e-300).sum(axis=0)
    weight = np.exp(height - height.max())
    weight /= weight.sum()

    def quantiles(grid, mass):
        return np.interp((0.05, 0.5, 0.95), np.cumsum(mass) - mass / 2, grid)

    return {
        "m": m, "s": s, "weight": weight,
        "median": np.exp(quantiles(m, weight.sum(axis=1))), "spread": quantiles(s, weight.sum(axis=0)),
    }  # fmt: skip


def coverage(found: pd.DataFrame) -> dict:
    """How many intervals hold the truth, and the binomial error of that share were it as it should be."""
    inside = (found["low"] <= found["P_Na_rel"]) & (found["P_Na_rel"] <= found["high"])
    n = len(found)
    return {
        "studies": n,
        "covered": float(inside.mean()) if n else None,
        "binomial_error": float(np.sqrt(COVER * (1 - COVER) / n)) if n else None,
        "median_width_factor": float(np.sqrt(found["high"] / found["low"]).median()) if n else None,
    }


def draw(found: pd.DataFrame, of_all: dict, path: Path) -> None:
    figure = Figure(figsize=(9.5, 7.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    found = found.sort_values("median").reset_index(drop=True)
    median, spread = of_all["median"][1], of_all["spread"][1]
    left.axvspan(
        *median * np.exp(spread * norm.ppf([0.05, 0.95])), color="0.9", lw=0, label="population, 90 %"
    )
    left.axvline(median, color="0.6", lw=1)
    for label, (_, colour) in LEVELS.items():
        part = found[found["level"] == label]
        left.hlines(part.index, part["low"], part["high"], color=colour, lw=1.4)
        left.plot(part["median"], part.index, "o", color=colour, ms=3, label=f"{label} ({len(part)})")
    left.hlines(-2, *np.exp(PRIOR[0] + PRIOR[1] * norm.ppf([0.05, 0.95])), color="black", lw=1.4)
    left.text(np.exp(PRIOR[0]), -1.8, "the prior", fontsize=7, ha="center", va="bottom")
    several = found[found["baths"] > 1]
    left.plot(
        several["high"] * 1.12, several.index, marker=5, ls="", color="0.3", ms=4, label="several baths"
    )
    left.plot(found["P_Na_rel"], found.index, "|", color="black", ms=5, mew=1.2, label="truth")
    left.set(xscale="log", xlabel="P_Na/P_K: median and 90 % interval of each study", yticks=[],
             ylabel="synthetic studies, by their medians", ylim=(-3, len(found)))  # fmt: skip
    left.legend(fontsize=7, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.06))

    x = np.linspace(np.log(0.002), np.log(0.6), 400)
    rng = np.random.default_rng(0)
    picks = rng.choice(of_all["weight"].size, 2000, p=of_all["weight"].ravel())
    i, j = np.unravel_index(picks, of_all["weight"].shape)
    curves = norm.pdf(x, of_all["m"][i][:, None], of_all["s"][j][:, None])
    low, mid, high = np.quantile(curves, (0.05, 0.5, 0.95), axis=0)
    P = np.exp(x)
    right.fill_between(P, low, high, color="#0072B2", alpha=0.25, lw=0, label="population, 90 %")
    right.plot(P, mid, color="#0072B2", label="population, from the studies")
    right.plot(
        P, norm.pdf(x, np.log(MEDIAN), SPREAD), color="black", lw=1.2, ls="--", label="population, truth"
    )
    right.plot(P, norm.pdf(x, *PRIOR), color="black", lw=1, label="prior of each study")
    right.hist(found["median"], np.exp(np.linspace(x[0], x[-1], 21)), histtype="step", color="0.6",
               weights=np.full(len(found), 1 / len(found) / ((x[-1] - x[0]) / 20)),
               label="studies' medians")  # fmt: skip
    right.set(xscale="log", xlabel="P_Na/P_K", ylabel="density per unit of ln P_Na/P_K")
    right.set_ylim(0, 1.25 * right.get_ylim()[1])
    right.legend(fontsize=7, frameon=False, loc="upper right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    given.out.mkdir(parents=True, exist_ok=True)
    table, truth = simulate(given.studies, given.seed)

    began = time.perf_counter()
    batch = infer_batch(HERE / "interlaboratory.yaml", table, seed=given.seed, say=print)
    seconds = time.perf_counter() - began
    print(f"{batch.headline}; {seconds:.0f} s, compilation included.")

    found, draws = per_study(batch, truth)
    of_all = population(draws)
    several = found["baths"] > 1
    first = table.groupby("study", as_index=False).first()
    sem = first["V_m_sem_mV"].fillna(first["V_m_sd_mV"] / first["V_m_n"] ** 0.5)
    sem = found["study"].map(dict(zip(first["study"], sem, strict=True)))
    numbers = {
        "seconds": seconds,
        "usable": batch.usable,
        "rungs": batch.rungs,
        "all": coverage(found),
        "one potential": coverage(found[~several]),
        "one potential, standard error below 0.7 mV": coverage(found[~several & (sem < 0.7)]),
        "one potential, standard error above 1.5 mV": coverage(found[~several & (sem > 1.5)]),
        "several baths": coverage(found[several]),
        **{level: coverage(found[found["level"] == level]) for level in LEVELS},
        "population": {"median": list(of_all["median"]), "spread": list(of_all["spread"])},
        "truth": {"median": MEDIAN, "spread": SPREAD},
        "sd of ln of the studies' medians": float(np.log(found["median"]).std()),
        "contraction, 5, 50 and 95 % of studies": found["contraction"].quantile([0.05, 0.5, 0.95]).tolist(),
    }
    print(json.dumps(numbers, indent=1))
    (given.out / "found.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    found.to_csv(given.out / "studies.csv", index=False)
    draw(
        found, of_all, HERE / "interlaboratory.png" if given.out == OUT else given.out / "interlaboratory.png"
    )


if __name__ == "__main__":
    main()
