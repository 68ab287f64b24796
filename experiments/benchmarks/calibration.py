"""Calibrating 1,000 replicates of a GHK titration with four unknowns, beside two peers on the same joint density.

* pumpleak: `calibrate(problem)`, engine auto, on every core.
* simuk 0.3, ArviZ's simulation-based calibration, with NumPyro's NUTS as it comes (1,000 + 1,000): each replicate is
  traced and compiled anew. A few replicates, extrapolated.
* the loop one would write: NumPyro NUTS, one chain of 1,000 + 1,000, compiled once, data swapped. Some replicates,
  extrapolated.

CPU seconds, as the cores are shared; pumpleak's first call, which compiles, is told apart from the second, which finds
the programs in JAX's cache.

    uv run --group bench python experiments/benchmarks/calibration.py
"""

import argparse
import os
import tempfile
import time
import warnings

import jax
import numpy as np
import numpyro
from numpyro.infer import NUTS
from sbc_nuts import titration

from pumpleak import calibrate
from pumpleak.replicates import simulate_readings

TARGETS = {"simuk": 100, "compiled loop": 10}
STEPS = 1000  # of warm-up, and as many draws, of both peers


def cpu(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(problem, engine: str, replicates: int) -> tuple[float, float]:
    """CPU seconds to compile, and for a replicate."""
    with tempfile.TemporaryDirectory() as folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        first, second = (cpu(lambda: calibrate(problem, engine, replicates)) for _ in range(2))
        jax.config.update("jax_compilation_cache_dir", None)
    return first - second, second / replicates


def model_of(problem):
    """`Problem.joint` as simuk wants a model: an argument of the observed site's name."""

    def model(reading=None):
        arrays = problem.arrays if reading is None else problem.arrays._replace(value=reading)
        problem.joint(arrays, observed=reading is not None)

    return model


def simuk(problem, replicates: int) -> float:
    """CPU seconds a replicate."""
    from simuk import SBC

    kernel = NUTS(model_of(problem))
    settings = {"num_warmup": STEPS, "num_samples": max(STEPS, replicates), "progress_bar": False}
    study = SBC(
        kernel,
        num_simulations=replicates,
        sample_kwargs=settings,
        seed=1,
        data_dir={"reading": problem.arrays.value},
    )
    with warnings.catch_warnings(action="ignore"):
        return cpu(study.run_simulations) / replicates


def compiled_loop(problem, replicates: int) -> tuple[float, float]:
    """CPU seconds to compile, and for a replicate."""
    readings = simulate_readings(problem, np.random.default_rng(1), replicates).readings
    kernel = NUTS(model_of(problem))

    @jax.jit
    def run(key, reading):
        mcmc = numpyro.infer.MCMC(kernel, num_warmup=STEPS, num_samples=STEPS, progress_bar=False)
        mcmc.run(key, reading=reading)
        return mcmc.get_samples()

    keys = jax.random.split(jax.random.key(1), replicates + 1)
    compiling = cpu(lambda: jax.block_until_ready(run(keys[-1], readings[0])))
    running = cpu(lambda: [jax.block_until_ready(run(k, r)) for k, r in zip(keys, readings, strict=False)])
    return compiling, running / replicates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--engine", default="auto", help="pumpleak's")
    parser.add_argument("--loop", type=int, default=30, help="replicates of the compiled loop")
    parser.add_argument("--simuk", type=int, default=3, help="replicates of simuk; 0: left out")
    options = parser.parse_args()
    problem = titration()
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; CPU seconds")
    compiling, mine = ours(problem, options.engine, options.replicates)
    print(
        f"pumpleak, {options.engine}: compiling {compiling:.1f}, then {mine:.4f} a replicate ({options.replicates} run)"
    )
    found = {}
    compiling, found["compiled loop"] = compiled_loop(problem, options.loop)
    print(f"compiled loop: compiling {compiling:.1f}, then {found['compiled loop']:.3f} ({options.loop} run)")
    if options.simuk:
        found["simuk"] = simuk(problem, options.simuk)
        print(f"simuk: {found['simuk']:.2f} a replicate, compiling in each ({options.simuk} run)")
    for name, seconds in found.items():
        ratio, target = seconds / mine, TARGETS[name]
        print(
            f"{name} / pumpleak: {ratio:.0f}, target {target}, {'met' if ratio >= target else 'MISSED'} "
            f"(1,000 replicates extrapolated: {1000 * seconds:.0f} s)"
        )


if __name__ == "__main__":
    with jax.enable_x64(True):
        main()
