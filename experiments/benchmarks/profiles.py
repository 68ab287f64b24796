"""Profile likelihoods, four unknowns at 40 points each: all at once beside a loop of SciPy's minimize.

    uv run python experiments/benchmarks/profiles.py

The loop has the same compiled density and its gradient (BFGS), and the same grid and warm starts. Seconds are CPU's.
"""

import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.optimize import minimize

from pumpleak import InputWarning, Swap, lognormal, make_problem, normal, read_table
from pumpleak.studies.identify.profiles import DROP, Profiler, best_points, likelihood_of, scanned

jax.config.update("jax_enable_x64", True)
RUNS = 20


def problem():
    K_o = np.array([1, 2.5, 5, 10, 20, 40, 80.0])
    Cl_o = np.where(np.arange(7) % 2, 150.0, 30.0)
    inside, outside = 140 + 0.04 * 10 + 0.3 * Cl_o, K_o + 0.04 * (150 - K_o) + 0.3 * 8
    noise = np.random.default_rng(1).normal(0, 0.5, 7)
    V_m = 8.314462618 / 96.48533212 * 295.15 * np.log(outside / inside) + noise
    table = pd.DataFrame({"K_o_mM": K_o, "Cl_o_mM": Cl_o, "V_m_mV": V_m, "V_m_sem_mV": 0.5})
    known = {"T": 295.15, "Na_i": 10.0, "Na_o": Swap("K_o", 150.0), "extra_V_m": 0.0}
    unknown = {
        "P_Na_rel": lognormal(0.05, 3), "P_Cl_rel": lognormal(0.3, 3), "K_i": lognormal(130, 1.3),
        "Cl_i": normal(8, 3),
    }  # fmt: skip
    return make_problem(read_table(table), known | unknown, ions=["K", "Na", "Cl"])


def objective(x, value, others, k, held):
    u = np.empty(len(others))
    u[others], u[k] = x, held
    height, slope = value(u)
    return float(height), np.asarray(slope)[others]


def loop(density, best, grid):
    """(P, 40) drops by one minimize after another, each from the point before."""
    value = jax.jit(jax.value_and_grad(density.potential))
    value(jnp.asarray(best))
    began = time.process_time()
    base, calls = float(value(best)[0]), 0
    drops = np.zeros(grid.shape)
    middle = grid.shape[1] // 2
    for k, row in enumerate(grid):
        others = np.arange(len(best)) != k
        for side in (range(middle - 1, -1, -1), range(middle + 1, len(row))):
            x = best[others]
            for j in side:
                found = minimize(
                    objective, x, (value, others, k, row[j]), jac=True, method="BFGS", options={"gtol": 1e-4}
                )
                x, drops[k, j], calls = found.x, found.fun - base, calls + found.nfev
    return drops, time.process_time() - began, calls


def crossings(grid, drop):
    """(P, 2) ends by straight lines in the root of twice the drop."""
    root, limit, middle = np.sqrt(2 * np.maximum(drop, 0)), np.sqrt(2 * DROP), grid.shape[1] // 2
    right = [np.interp(limit, r[middle:], g[middle:]) for r, g in zip(root, grid, strict=True)]
    left = [np.interp(limit, r[middle::-1], g[middle::-1]) for r, g in zip(root, grid, strict=True)]
    return np.column_stack([left, right])


def main() -> None:
    warnings.simplefilter("ignore", InputWarning)  # a low-chloride bath has another anion
    p = problem()
    starts = best_points(p)
    density, index = likelihood_of(p, starts[0]), np.arange(4)
    began = time.process_time()
    program = Profiler(density, scanned(starts[0]))
    mode = program.optimum(starts)
    found = program(mode, index)
    first = time.process_time() - began
    began = time.process_time()
    for _ in range(RUNS):
        found = program(mode, index)
    ours = (time.process_time() - began) / RUNS
    drops, theirs, calls = loop(density, found.best, found.value)
    ends = np.column_stack([found.low, found.high])
    both = np.isfinite(ends)
    width = (ends[:, 1] - ends[:, 0])[:, None]
    off = np.abs(crossings(found.value, found.drop) - crossings(found.value, drops))
    near = drops < 8
    print(
        f"all at once {1e3 * ours:.1f} ms CPU, first call {first:.1f} s; SciPy's loop {theirs:.2f} s, {calls} calls"
    )
    print(f"ratio {theirs / ours:.0f} (target 50)")
    print(f"drops differ by at most {np.abs(found.drop - drops)[near].max():.1e} nats where below 8;"
          f" ends by {np.nanmax(np.where(both, off / width, np.nan)):.1e} of the interval; {both.all(axis=1).sum()} two-sided")  # fmt: skip


if __name__ == "__main__":
    main()
