"""Simulation-based calibration of NUTS on a potassium titration: of GHK, or of a pump-leak cell.

Parameters are drawn from the prior, readings (means with standard errors, in eight baths) from the model, and
NUTS samples the posterior of each such table. If sampler and density are right, the rank of the true value
among near-independent posterior draws is uniform, for each parameter and for the log-likelihood (which notices
a posterior that ignores the data). Checked for each, at 99 % over all of them:

* the ranks' distribution function inside its simultaneous envelope, and their histogram by chi-square;
* 50 % and 90 % intervals cover as often as they say, within binomial error.

The negative control simulates readings with twice the noise that the model is told of; it must fail.

    uv run python experiments/benchmarks/sbc_nuts.py
    uv run python experiments/benchmarks/sbc_nuts.py --model pump_leak --replicates 200 --warmup 500 --thin 8

Exits 1 if the calibrated run fails or the control passes. Writes a figure of the ranks to results/.

References:
    Talts et al. 2018, arXiv:1804.06788. Modrak et al. 2023, Bayesian Anal., doi 10.1214/23-BA1404 (test
    quantities). Sailynoja et al. 2022, Stat. Comput. 32:32, doi 10.1007/s11222-022-10090-6 (envelopes).
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import NUTS
from scipy import stats

from pumpleak import Problem

BATHS = (1, 2.5, 5, 10, 20, 40, 80, 120)  # K_o [mM]
RANKS = 99  # posterior draws kept of each replicate: ranks 0 to 99
LEVEL = 0.01  # chance that a calibrated sampler fails a kind of check
STARTS = 32
_QUANTITIES = {
    "T": "22 degC",
    "P_Na_rel": {"prior": "lognormal", "median": 0.03, "factor": 3},
    "P_Cl_rel": {"prior": "lognormal", "median": 0.3, "factor": 3},
    "K_i_mM": {"prior": "lognormal", "median": 140, "factor": 1.25},
    "Na_i_mM": 12,
    "Cl_i_mM": 8,
    "Na_o_mM": {"swap_for": "K_o", "total": 150},
    "Cl_o_mM": 150,
    "V_offset_mV": 0,
    "LJP_mV": 0,
    "extra_V_m_mV": {"prior": "halfnormal", "sd": 3},
}


class Ranks(NamedTuple):
    """What the replicates gave.

    Attributes:
        rank: quantity -> (replicates,) draws below the truth, 0 to `RANKS`.
        divergences: over all replicates.
        autocorrelation: quantity -> lag-1 autocorrelation of the kept draws, over replicates.
        seconds: of compiling, and of sampling.
    """

    rank: dict[str, np.ndarray]
    divergences: int
    autocorrelation: dict[str, float]
    seconds: tuple[float, float]


def titration(model: str = "ghk") -> Problem:
    """The problem: eight baths, standard errors near 1 mV, four unknowns or three. Its readings are placeholders.

    Args:
        model: ``ghk``; ``mullins_noda``, which is it without Cl and with the pump; or ``chord``, with conductances.
    """
    from pumpleak import load_problem  # needs pydantic, which `simulate` does not

    rows = [f"{k} K,{k},0,{s},10" for k, s in zip(BATHS, (4, 3, 3, 2, 3, 3, 2, 4), strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "titration.csv"
        file.write_text("\n".join(["label,K_o_mM,V_m_mV,V_m_sd_mV,V_m_n", *rows]) + "\n")
        config = {"title": "Titration", "model": model, "ions": ["K", "Na", "Cl"], "data": {"file": str(file)}}
        quantities = dict(_QUANTITIES)
        if model == "mullins_noda":
            config["ions"].remove("Cl")
            quantities = {k: v for k, v in quantities.items() if "Cl" not in k}
        if model == "chord":
            quantities = {k.replace("P_", "g_", k.startswith("P_")): v for k, v in quantities.items()}
        return load_problem(config | {"quantities": quantities})


def pump_leak_titration() -> Problem:
    """A muscle cell: rest, five acute baths, an acute pump block, and one reading of Na_i."""
    from pumpleak import load_problem

    rows = ["rest,2.5,steady,1,0,2,10,0,1,10"]
    rows += [f"{k} K,{k},acute,1,0,2,10,,," for k in (5, 10, 20, 40, 80)]
    rows += ["ouabain,2.5,acute,0,0,2,10,,,"]
    header = "label,K_o_mM,protocol,pump,V_m_mV,V_m_sd_mV,V_m_n,Na_i_mM,Na_i_sd_mM,Na_i_n"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "titration.csv"
        file.write_text("\n".join([header, *rows]) + "\n")
        return load_problem(
            {
                "title": "Pump-leak titration",
                "model": "pump_leak",
                "cell": {"preset": "frog_muscle"},
                "baseline": "rest",
                "observables": ["V_m", "Na_i"],
                "data": {"file": str(file)},
                "quantities": {
                    "T": "18 degC",
                    "Na_o_mM": {"swap_for": "K_o", "total": 122.5},
                    "Cl_o_mM": 121,
                    "P_Na_rel": {"prior": "lognormal", "median": 0.02, "factor": 2},
                    "P_Cl_rel": {"prior": "lognormal", "median": 1, "factor": 2},
                    "pump_rel": {"prior": "lognormal", "median": 2, "factor": 2},
                    "z_X": {"prior": "normal", "mean": -1.4, "sd": 0.2},
                    "extra_V_m_mV": {"prior": "halfnormal", "sd": 1},
                },
            }
        )


def simulate(problem: Problem, rng: np.random.Generator, replicates: int, noise: float = 1.0):
    """Truths (site -> (replicates,)) from the prior, and readings (replicates, N) of each.

    Args:
        noise: the readings' scatter in units of the model's; anything but 1 is a lie.
    """
    truth = problem.prior_draws(rng, 2 * replicates)

    def moments(sites):
        readings, ok = problem.reading_distribution(sites)
        return readings.loc, readings.scale, ok

    loc, scale, ok = jax.jit(jax.vmap(moments))(truth)
    kept = np.flatnonzero(ok)[:replicates]  # the prior is conditioned on the model having an answer
    assert len(kept) == replicates
    truth, loc, scale = jax.tree.map(lambda a: np.asarray(a)[kept], (truth, loc, scale))
    return truth, np.asarray(loc + noise * scale * rng.standard_normal(loc.shape))


def sampler(problem: Problem, warmup: int, thin: int):
    """One chain on any readings: (key, candidates, readings) -> kept sites, log-likelihoods, divergences.

    The kernel, the starts and the density are those of `infer`; the readings are an argument, so that one
    compiled program serves every replicate.
    """

    def chain(key, candidates, value):
        arrays = problem.arrays._replace(value=value)

        def potential(u):
            return problem.potential(u, arrays)

        heights = jax.lax.map(potential, candidates)
        start = candidates[jnp.argmin(jnp.where(jnp.isfinite(heights), heights, jnp.inf))]
        target = problem.config["sampler"]["target_accept"]
        kernel = NUTS(potential_fn=potential, dense_mass=True, target_accept_prob=target)
        state = kernel.init(key, warmup, start, (), {})

        def step(state, _):
            state = kernel.sample(state, (), {})
            return state, (state.z, state.diverging)

        state, _ = jax.lax.scan(lambda s, _: (step(s, _)[0], None), state, None, length=warmup)
        _, (u, diverging) = jax.lax.scan(step, state, None, length=RANKS * thin)
        sites = jax.lax.map(lambda x: problem.constrain(x, arrays), u[thin - 1 :: thin])
        return sites, jax.lax.map(lambda s: problem.log_likelihood(s, arrays).sum(), sites), diverging.sum()

    return chain


def compute_ranks(
    problem: Problem, replicates: int, *, noise: float = 1.0, warmup: int = 500, thin: int = 10, seed: int = 1
) -> Ranks:
    """Simulate, sample and rank; replicates in threads, each a call of the one compiled program."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(seed)
        truth, readings = simulate(problem, rng, replicates, noise)
        candidates = problem.unconstrain(problem.prior_draws(rng, STARTS * replicates))
        candidates = candidates.reshape(replicates, STARTS, -1)
        keys = jax.random.split(jax.random.key(seed), replicates)
        begin = time.perf_counter()
        program = jax.jit(sampler(problem, warmup, thin)).lower(keys[0], candidates[0], readings[0]).compile()
        compiling = time.perf_counter() - begin

        def run(i):
            with jax.enable_x64(True):
                return jax.tree.map(np.asarray, program(keys[i], candidates[i], readings[i]))

        begin = time.perf_counter()
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            out = list(pool.map(run, range(replicates)))
        sampling = time.perf_counter() - begin
        arrays = problem.arrays

        def likelihood(sites, value):
            return problem.log_likelihood(sites, arrays._replace(value=value)).sum()

        truth["log likelihood"] = np.asarray(jax.jit(jax.vmap(likelihood))(truth, readings))
    kept = {k: np.stack([sites[k] for sites, _, _ in out]) for k in out[0][0]}
    kept["log likelihood"] = np.stack([ll for _, ll, _ in out])
    rank = {k: (v < truth[k][:, None]).sum(axis=1) for k, v in kept.items()}
    return Ranks(
        rank,
        int(sum(d for _, _, d in out)),
        {k: _lag_one(v) for k, v in kept.items()},
        (compiling, sampling),
    )


def _lag_one(draws: np.ndarray) -> float:
    """Mean lag-1 autocorrelation of (replicates, draws), freed of the bias of short series, −1/n."""
    x = draws - draws.mean(axis=1, keepdims=True)
    return float(np.mean((x[:, 1:] * x[:, :-1]).sum(axis=1) / (x * x).sum(axis=1)) + 1 / draws.shape[1])


def envelope_p_value(rank: np.ndarray, simulations: int = 20_000, seed: int = 0) -> float:
    """Chance of ranks whose distribution function strays as far as these from the uniform's somewhere.

    How far is counted at every rank by the binomial tail there, so that the ends weigh as much as the
    middle; the least tail is compared with that of uniform ranks. Below α: outside the simultaneous
    1 − α envelope.
    """
    n, grid = len(rank), np.arange(1, RANKS + 1)
    # Tail of every possible count at every rank, once.
    chance = grid / (RANKS + 1)
    counts = np.arange(n + 1)[:, None]
    tail = np.minimum(stats.binom.cdf(counts, n, chance), stats.binom.sf(counts - 1, n, chance))

    def least(histograms):
        below = np.cumsum(histograms, axis=1)[:, :-1]
        return tail[below, np.arange(RANKS)].min(axis=1)

    uniform = np.random.default_rng(seed).multinomial(
        n, np.full(RANKS + 1, 1 / (RANKS + 1)), size=simulations
    )
    seen = least(np.bincount(rank, minlength=RANKS + 1)[None])[0]
    return float((1 + (least(uniform) <= seen).sum()) / (1 + simulations))


def judge(ranks: dict[str, np.ndarray]) -> tuple[list[dict], bool]:
    """A row of tests for each quantity, and whether all of them pass."""
    rows, good = [], True
    alpha = LEVEL / len(ranks)
    for name, rank in ranks.items():
        n = len(rank)
        row = {"quantity": name, "envelope_p": envelope_p_value(rank)}
        histogram = np.bincount(rank * 20 // (RANKS + 1), minlength=20)
        row["chi2_p"] = float(stats.chisquare(histogram).pvalue)
        passed = row["envelope_p"] >= alpha and row["chi2_p"] >= alpha
        for share in (0.5, 0.9):
            # The central `share` of the 100 equally likely ranks.
            low = round((1 - share) / 2 * (RANKS + 1))
            inside = int(((rank >= low) & (rank <= RANKS - low)).sum())
            row[f"cover_{share:.0%}"] = inside / n
            exact = (RANKS + 1 - 2 * low) / (RANKS + 1)
            passed &= stats.binomtest(inside, n, exact).pvalue >= alpha / 2
        row["passed"] = bool(passed)
        good &= row["passed"]
        rows.append(row)
    return rows, good


def plot(runs: dict[str, Ranks], file: Path, seed: int = 0) -> None:
    """Distribution functions of the ranks less the uniform's, marked where they stray; one file a run."""
    import arviz_base
    import arviz_plots
    import matplotlib

    matplotlib.use("Agg")
    rng = np.random.default_rng(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    for name, run in runs.items():
        # Ranks are discrete; spread over their cells they are continuous, as the envelope has it.
        pit = {k: (v + rng.random(len(v))) / (RANKS + 1) for k, v in run.rank.items()}
        data = arviz_base.from_dict({"prior_sbc": pit}, sample_dims=["simulation"])
        figure = arviz_plots.plot_ecdf_pit(
            data,
            group="prior_sbc",
            sample_dims=["simulation"],
            envelope_prob=1 - LEVEL,
            backend="matplotlib",
            col_wrap=len(pit),
        )
        figure.savefig(file.with_name(f"{file.stem}_{name}{file.suffix}"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("ghk", "pump_leak"), default="ghk")
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--thin", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    args.figure = args.figure or Path(f"results/sbc_{args.model}.png")
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("pumpleak", "jax", "numpyro", "numpy"))
    print(f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores; {versions}")
    problem = {"ghk": titration, "pump_leak": pump_leak_titration}[args.model]()
    runs, verdicts = {}, {}
    for name, noise in (("calibrated", 1.0), ("control", 2.0)):
        run = runs[name] = compute_ranks(
            problem, args.replicates, noise=noise, warmup=args.warmup, thin=args.thin, seed=args.seed
        )
        rows, verdicts[name] = judge(run.rank)
        print(
            f"\n{name}: readings simulated with {noise:g} x the model's noise, {args.replicates} replicates"
        )
        print(f"compiled in {run.seconds[0]:.1f} s, sampled in {run.seconds[1]:.1f} s; ", end="")
        print(f"{run.divergences} divergences in {args.replicates * RANKS * args.thin} draws")
        columns = ("envelope p", "chi2 p", "50 % covers", "90 % covers", "lag-1 corr.")
        print(f"{'':16s}" + "".join(f"{c:>13s}" for c in columns) + "  verdict")
        for row in rows:
            key = row["quantity"]
            numbers = (
                row["envelope_p"],
                row["chi2_p"],
                row["cover_50%"],
                row["cover_90%"],
                run.autocorrelation[key],
            )
            cells = "".join(f"{x:13.4f}" for x in numbers)
            print(f"{key:16s}{cells}  {'inside' if row['passed'] else 'OUTSIDE'}")
    error = [np.sqrt(p * (1 - p) / args.replicates) for p in (0.5, 0.9)]
    print(f"\nMonte Carlo error of the coverages: {error[0]:.3f} and {error[1]:.3f}")
    plot(runs, args.figure)
    print(f"figures: {args.figure.with_name(args.figure.stem)}_*{args.figure.suffix}")
    good = verdicts["calibrated"] and not verdicts["control"]
    print(f"calibrated run: {'PASS' if verdicts['calibrated'] else 'FAIL (it should pass)'}")
    print(f"negative control: {'FAIL, as it should' if not verdicts['control'] else 'PASS (it should fail)'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
