"""Posteriors with a few divergences: are those that are let off as good as those without one?

Two genotypes of two animals of two cells, three readings of each, scatters of animals and cells unknown: the commonest
design, whose few levels leave the scatters wide and the density bent. Experiments are simulated from the prior, each
is sampled by four chains of NUTS (offsets; acceptance 0.8, so that some diverge), and the truth's rank among the draws
is taken of every number. By what the chains ended with, 90 % intervals are counted that hold the truth:

* no divergence,
* divergences that are let off (fewer than 1 in 1,000 transitions, and the answer unmoved),
* divergences that are not.

    uv run python experiments/benchmarks/divergences.py --experiments 400
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import binom

from pumpleak import Latent, halfnormal, make_problem, normal, read_table
from pumpleak.engines.arrays import cores
from pumpleak.engines.gate import diagnose, failed
from pumpleak.inference.divergences import harmless
from pumpleak.studies.calibrate.replicates import nuts_chain, simulate_readings

CHAINS, STARTS = 4, 32


def design():
    """The problem, its readings placeholders."""
    rows = [
        {"genotype": g, "animal": f"{g}{a}", "cell": f"{g}{a}-{c}", "V_m_mV": -80.0}
        for g in ("wt", "ko")
        for a in (1, 2)
        for c in (1, 2)
        for _ in range(3)
    ]
    offset = Latent(
        normal(0, 20), by=("genotype", "animal", "cell"), pooled=("animal", "cell"), spread=halfnormal(5.0)
    )
    held = {"T": 295.15, "K_i": 140.0, "K_o": 5.0, "LJP": 0.0, "sigma_V_m": 1.0, "V_offset": offset}
    return make_problem(read_table(pd.DataFrame(rows)), held, model="nernst", ions=["K"])


def main(experiments: int, draws: int, target: float, seed: int) -> None:
    jax.config.update("jax_enable_x64", True)
    problem = design()
    rng = np.random.default_rng(seed)
    simulated = simulate_readings(problem, rng, experiments)
    starts = problem.unconstrain(problem.prior_draws(rng, STARTS * CHAINS * experiments))
    starts = starts.reshape(experiments, CHAINS, STARTS, -1)
    keys = jax.random.split(jax.random.key(seed), (experiments, CHAINS))
    chain = nuts_chain(problem, warmup=draws, draws=draws, target=target)

    def values(u):
        return problem.layout.ravel(problem.natural(problem.constrain(u)))

    def one(key, start, value):
        u, diverging, _ = jax.lax.map(lambda a: chain(*a, problem.arrays._replace(value=value)), (key, start))
        return jax.vmap(jax.vmap(values))(u), diverging

    program = jax.jit(one).lower(keys[0], starts[0], simulated.readings[0]).compile()
    truth = np.asarray(jax.vmap(lambda s: problem.layout.ravel(problem.natural(s)))(simulated.truth))

    def run(i: int):
        with jax.enable_x64(True):
            x, diverging = map(np.asarray, program(keys[i], starts[i], simulated.readings[i]))
        r_hat, bulk, tail = diagnose(x[None])
        if failed((bulk, tail), r_hat=r_hat):
            return "fails otherwise", None
        tree = xr.DataTree.from_dict(
            {
                "posterior": xr.Dataset({"x": (("chain", "draw", "element"), x)}),
                "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), diverging)}),
            }
        )
        low, high = np.quantile(x.reshape(-1, x.shape[-1]), (0.05, 0.95), axis=0)
        kind = "no divergence" if not diverging.any() else "banned" if harmless(tree) is None else "let off"
        return kind, (low <= truth[i]) & (truth[i] <= high)

    with ThreadPoolExecutor(cores()) as pool:
        ended = list(pool.map(run, range(experiments)))
    print(f"{experiments} experiments, {CHAINS} chains of {draws} draws, acceptance {target}")
    for kind in ("no divergence", "let off", "banned", "fails otherwise"):
        held = [h for k, h in ended if k == kind]
        if not held or held[0] is None:
            print(f"{kind:16} {len(held):4}")
            continue
        each = np.mean(held, axis=0)
        low, high = binom.ppf((0.005, 0.995), len(held), 0.9) / len(held)
        outside = int(np.sum((each < low) | (each > high)))
        print(
            f"{kind:16} {len(held):4}  90 % intervals hold the truth: mean {each.mean():.3f}, "
            f"by number {each.min():.3f} to {each.max():.3f}; {outside} of {len(each)} outside {low:.3f} to {high:.3f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=400)
    parser.add_argument("--draws", type=int, default=2000, help="of each chain, and as many of warm-up")
    parser.add_argument("--target", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    main(a.experiments, a.draws, a.target, a.seed)
