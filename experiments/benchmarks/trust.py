"""Does the batch engine give the posterior? Random cells of each model against long NUTS, and against quadrature.

    uv run python experiments/benchmarks/trust.py [--models ghk mullins_noda chord pump_leak] [--cells 200]
        [--pump-leak-cells 50] [--seed 1]

Cells are drawn from the prior. Of every cell the 5, 50 and 95 % quantiles of each parameter are compared:

    z = (q_engine − q_NUTS) / √(s_engine² + s_NUTS²)

with s_NUTS the Monte Carlo error of a quantile of the chains (ArviZ), and s_engine = √(p (1 − p) / ESS) / density,
ESS the tail's at 5 and 95 % and the bulk's at 50 %, the density read off the chains about the quantile. Asked:

* |z| < 4.5 everywhere, and > 2.6 in at most 1.5 % of comparisons (normal errors: 0.001 and 0.9 %);
* the rms of q_engine − q_NUTS at most 0.12 posterior sd;
* with one, two and three unknowns, the evidence within 0.05 nats of quadrature.

NUTS is NumPyro's on the same density, 4 × (1,000 + 2,000) by default, one compiled program for all cells of a model
and a chain to a core. Cells that fail its gate (R-hat ≤ 1.01, ESS ≥ 400, no divergence) are run once more, twice as
long and with smaller steps. Cells that fail again, or that the engine flags, are counted and compared apart, and may
be no more than a tenth. The control is `engine="laplace"`: unweighted normal points at the mode, of which all cells
count. Exits 1 if a target is missed or the control meets all of them.

References:
    Vehtari et al. 2021, Bayesian Anal. 16:667, doi 10.1214/20-BA1221 (Monte Carlo error of quantiles).
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from arviz_stats.base import array_stats
from trust_problems import NAMES, problem

from pumpleak import Problem
from pumpleak.engines.gate import ESS, PROBABILITIES, R_HAT, CellStatus, Rung, diagnose
from pumpleak.engines.ladder import Ladder, Settings
from pumpleak.studies.calibrate.replicates import nuts_chain, simulate_readings

P = (0.05, 0.5, 0.95)
CHAINS, CANDIDATES = 4, 32
WORST, OFTEN, SHARE, RMS, NATS = 4.5, 2.6, 0.015, 0.12, 0.05
FREE = (1, 2, 3)  # unknowns of the problems whose evidence is integrated


class Reference(NamedTuple):
    """What long chains say of C cells.

    Attributes:
        quantile, error, density: (C, P, 3) at `P`; the density per unit of the parameter.
        sd: (C, P).
        good: (C,) whether the chains pass their gate.
    """

    quantile: np.ndarray
    error: np.ndarray
    density: np.ndarray
    sd: np.ndarray
    good: np.ndarray


def cells(made: Problem, n: int, seed: int):
    """n cells from the prior, as the ladder takes them: their arrays and names."""
    readings = simulate_readings(made, np.random.default_rng(seed), n).readings
    arrays = jax.tree.map(lambda a: np.broadcast_to(a, (n, *np.shape(a))), made.arrays)
    return arrays._replace(value=readings), np.array([f"cell {i}" for i in range(n)])


# -- NUTS -----------------------------------------------------------------------------------------


def chain(made: Problem, warmup: int, draws: int, target: float):
    """One chain on any cell: (key, candidates, arrays) -> natural values (draws, P), divergences."""
    sample = nuts_chain(made, warmup=warmup, draws=draws, target=target)

    def run(key, candidates, arrays):
        u, diverged, _ = sample(key, candidates, arrays)
        return jax.lax.map(lambda x: made.element_values(x, arrays), u), diverged.sum()

    return run


def long_chains(made: Problem, arrays, options) -> Reference:
    """Four chains of every cell; cells that fail their gate once more, twice as long at acceptance 0.998."""
    w, d, target = options.warmup, options.draws, options.target_accept
    found = chains(made, arrays, w, d, target, options.seed)
    bad = np.flatnonzero(~found.good)
    if len(bad):
        some = jax.tree.map(lambda a: a[bad], arrays)
        again = chains(made, some, 2 * w, 2 * d, max(0.998, target), options.seed + 1)
        for mine, theirs in zip(found, again, strict=True):
            mine[bad] = theirs
    return found


def chains(made: Problem, arrays, warmup: int, draws: int, target: float, seed: int) -> Reference:
    """Four chains of every cell, each a call of the one compiled program, a chain to a core."""
    n = len(arrays.value)
    rng = np.random.default_rng([seed, 1])
    candidates = made.unconstrain(made.prior_draws(rng, CANDIDATES * CHAINS * n))
    candidates = candidates.reshape(n * CHAINS, CANDIDATES, -1)
    keys = jax.random.split(jax.random.key(seed), n * CHAINS)
    began = time.perf_counter()
    one = jax.tree.map(lambda a: a[0], arrays)
    program = jax.jit(chain(made, warmup, draws, target)).lower(keys[0], candidates[0], one).compile()
    compiled = time.perf_counter()

    def run(job: int):
        with jax.enable_x64(True):
            one = jax.tree.map(lambda a: a[job // CHAINS], arrays)
            return jax.tree.map(np.asarray, program(keys[job], candidates[job], one))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(run, range(n * CHAINS)))
    sampled = time.perf_counter()
    x = np.stack([x for x, _ in found]).reshape(n, CHAINS, draws, -1)
    diverged = np.reshape([d for _, d in found], (n, CHAINS)).sum(axis=1)
    r_hat, bulk, tail = diagnose(x)
    good = (r_hat <= R_HAT).all(axis=1) & (np.minimum(bulk, tail) >= ESS).all(axis=1) & (diverged == 0)
    print(
        f"  NUTS, 4 × ({warmup:,} + {draws:,}) at {target}: {(~good).sum()} of {n} cells fail its gate; compiled in"
        f" {compiled - began:.0f} s, sampled in {sampled - compiled:.0f} s"
    )
    pooled = x.reshape(n, -1, x.shape[-1])
    return Reference(
        np.moveaxis(np.quantile(pooled, P, axis=1), 0, -1),
        np.stack([quantile_errors(x, p) for p in P], axis=-1),
        np.stack([density(pooled, p) for p in P], axis=-1),
        pooled.std(axis=1),
        good,
    )


def quantile_errors(x: np.ndarray, p: float) -> np.ndarray:
    """Monte Carlo errors (C, P) of a quantile of chains x (C, chains, draws, P)."""
    return np.array(
        [[array_stats.mcse(c[..., k], method="quantile", prob=p) for k in range(c.shape[-1])] for c in x]
    )


def density(pooled: np.ndarray, p: float) -> np.ndarray:
    """Density (C, P) at the p-quantile of draws (C, S, P): 0.04 over the distance of two quantiles about it."""
    low, high = np.quantile(pooled, (p - 0.02, p + 0.02), axis=1)
    return 0.04 / (high - low)


# -- compared -------------------------------------------------------------------------------------


class Compared(NamedTuple):
    """z and the difference in posterior sd of every comparison, (C, P, 3)."""

    z: np.ndarray
    apart: np.ndarray

    def of(self, chosen: np.ndarray) -> "Compared":
        return Compared(self.z[chosen], self.apart[chosen])

    @property
    def worst(self) -> float:
        return float(np.abs(self.z).max(initial=0))

    @property
    def often(self) -> float:
        return float((np.abs(self.z) > OFTEN).mean()) if self.z.size else 0.0

    @property
    def rms(self) -> float:
        return float(np.sqrt((self.apart**2).mean())) if self.apart.size else 0.0

    @property
    def verdicts(self) -> dict[str, tuple[str, bool]]:
        """Target -> what was found, and whether it is met; a number that is none meets nothing."""
        return {
            f"largest |z| < {WORST}": (f"{self.worst:.2f}", self.worst < WORST),
            f"|z| > {OFTEN} in ≤ {SHARE:.1%}": (f"{self.often:.2%}", self.often <= SHARE),
            f"rms ≤ {RMS} posterior sd": (f"{self.rms:.3f}", self.rms <= RMS),
        }

    def __str__(self) -> str:
        rms_z = np.sqrt((self.z**2).mean()) if self.z.size else 0.0
        return (
            f"{self.z.size:,} comparisons: rms z {rms_z:.2f}, largest |z| {self.worst:.2f}, |z| > {OFTEN} in"
            f" {self.often:.2%}, rms {self.rms:.3f} sd"
        )


def compare(out: dict[str, np.ndarray], long: Reference) -> Compared:
    """The engine's quantiles beside those of long chains."""
    quantile = out["quantile"][..., [PROBABILITIES.index(p) for p in P]]
    ess = np.stack([out["ess_tail"], out["ess_bulk"], out["ess_tail"]], axis=-1)
    p = np.array(P)
    own = np.sqrt(p * (1 - p) / ess) / long.density
    apart = quantile - long.quantile
    return Compared(apart / np.hypot(own, long.error), apart / long.sd[..., None])


# -- evidence -------------------------------------------------------------------------------------


def evidence(made: Problem, arrays) -> tuple[np.ndarray, np.ndarray]:
    """ln ∫ e^−potential du of every cell by a tensor grid, and how much its last refinement changed it.

    The trapezoid rule over ± 9 sd about the mean of the mass that the grid before it found, in the directions of
    that mass's covariance; the first grid spans the prior. For smooth densities that vanish at its ends it errs by
    e^(−2π²/h²), h the step in sd.
    """
    d = made.dimension
    nodes = {1: 401, 2: 121, 3: 49}[d]
    t = np.linspace(-9, 9, nodes)
    x = np.stack(np.meshgrid(*[t] * d, indexing="ij"), axis=-1).reshape(-1, d)
    heights = jax.jit(lambda u, arrays: jax.lax.map(lambda v: -made.potential(v, arrays), u, batch_size=4096))
    found, changed = [], []
    for i in range(len(arrays.value)):
        one = jax.tree.map(lambda a, i=i: a[i], arrays)
        centre, root, values = np.zeros(d), 0.75 * np.eye(d), []
        for _ in range(12):
            u = centre + x @ root.T
            height = np.asarray(heights(u, one))
            height = np.where(np.isnan(height), -np.inf, height)
            top = height.max()
            w = np.exp(height - top)
            total = w.sum()
            step = np.log(t[1] - t[0]) * d + np.linalg.slogdet(root)[1]
            values.append(top + np.log(total) + step)
            w /= total
            centre = w @ u
            # A posterior narrower than a step fills one node: widen what it says by a third of the step.
            cell = root * (t[1] - t[0]) / 3
            cov = (u - centre).T @ ((u - centre) * w[:, None]) + cell @ cell.T
            root = np.linalg.cholesky(cov)
            if len(values) > 2 and abs(values[-1] - values[-2]) < 1e-4:
                break
        found.append(values[-1])
        changed.append(abs(values[-1] - values[-2]))
    return np.array(found), np.array(changed)


# -- a model --------------------------------------------------------------------------------------


def solve(made: Problem, arrays, ids, engine: str, seed: int):
    began = time.perf_counter()
    out = Ladder(Settings(engine=engine, draws=0, seed=seed)).solve(made, arrays, ids)
    return out, time.perf_counter() - began


def tally(kind, values) -> str:
    return ", ".join(f"{n} {kind(v).name}" for v, n in sorted(Counter(values.tolist()).items()))


def quantiles(model: str, n: int, options) -> tuple[dict, bool]:
    """Verdicts by target for the engine, and whether the control failed."""
    made = problem(model)
    arrays, ids = cells(made, n, options.seed)
    print(f"\n{model}: {n} cells of {', '.join(made.layout.element_names)}")
    long = long_chains(made, arrays, options)
    out, seconds = solve(made, arrays, ids, options.engine, options.seed)
    usable = out["status"] == CellStatus.usable
    print(
        f"  engine {options.engine}: {tally(CellStatus, out['status'])}; {tally(Rung, out['rung'])};", end=" "
    )
    print(f"{seconds:.0f} s, compiling included")
    both = compare(out, long)
    print(f"  {both.of(usable & long.good)}")
    for why, chosen in (
        ("flagged by the engine", ~usable & long.good),
        ("NUTS fails its gate", usable & ~long.good),
        ("both", ~usable & ~long.good),
    ):
        if chosen.any():
            print(f"  apart, {why} ({chosen.sum()} cells): {both.of(chosen)}")
    control, _ = solve(made, arrays, ids, "laplace", options.seed)
    wrong = compare(control, long).of(long.good)
    print(f"  control, engine laplace: {wrong}", flush=True)
    counted = f"{(usable & long.good).sum()} of {n}", (usable & long.good).mean() >= 0.9
    return (
        both.of(usable & long.good).verdicts | {"cells compared ≥ 90 %": counted},
        not all(met for _, met in wrong.verdicts.values()),
    )


def integrals(model: str, n: int, options) -> tuple[str, bool]:
    """The largest error of the evidence with one, two and three unknowns, and whether that is small enough."""
    worst = 0.0
    for free in FREE:
        made = problem(model, free)
        arrays, ids = cells(made, n, options.seed + free)
        exact, changed = evidence(made, arrays)
        out, _ = solve(made, arrays, ids, options.engine, options.seed)
        usable = out["status"] == CellStatus.usable
        apart = np.abs(out["log_evidence"] - exact)[usable]
        own = apart / np.maximum(out["log_evidence_se"][usable], 1e-12)  # in its own standard errors
        worst = max(worst, float(apart.max()))
        print(
            f"  evidence, {free} unknown{'s' * (free > 1)}: largest error {apart.max():.4f} nats, rms"
            f" {np.sqrt((apart**2).mean()):.4f}; {own.max():.1f} and {np.sqrt((own**2).mean()):.2f} of the engine's own"
            f" errors; {(apart > NATS).sum()} above {NATS}; {usable.sum()} of {n} usable; quadrature good to"
            f" {changed.max():.1g}",
            flush=True,
        )
    return f"{worst:.4f}", worst <= NATS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--pump-leak-cells", type=int, default=50)
    parser.add_argument("--evidence-cells", type=int, help="as many as --cells by default")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--target-accept", type=float, default=0.98)
    options = parser.parse_args()
    rows, good = [], True
    for model in options.models:
        n = min(options.cells, options.pump_leak_cells) if model == "pump_leak" else options.cells
        verdicts, control_failed = quantiles(model, n, options)
        if model != "pump_leak":
            few = options.cells if options.evidence_cells is None else options.evidence_cells
            if few:
                verdicts[f"evidence within {NATS} nats"] = integrals(model, few, options)
        verdicts["control misses a target"] = "misses" if control_failed else "meets all", control_failed
        rows += [(model, target, *found) for target, found in verdicts.items()]
    print(f"\n{'model':14s}{'target':32s}{'found':>14s}")
    for model, target, found, met in rows:
        good &= met
        print(f"{model:14s}{target:32s}{found:>14s}  {'met' if met else 'MISSED'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    with jax.enable_x64(True):
        main()
