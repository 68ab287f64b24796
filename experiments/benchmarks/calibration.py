"""Calibrating 1,000 replicates of a GHK titration with four unknowns, beside two peers on the same joint density.

* pumpleak: `calibrate(problem)`, engine auto, on every core.
* simuk 0.3, ArviZ's simulation-based calibration, with NumPyro's NUTS as it comes (1,000 + 1,000): each replicate is
  traced and compiled anew. A few replicates, extrapolated.
* a vectorised loop: NumPyro NUTS, one chain of 1,000 + 1,000 a replicate, `vmap` over some replicates, compiled once.
* the same chains one after another, compiled once, data swapped. Extrapolated, as the others.

The peers' chains are taken as they end, unjudged; pumpleak's replicates are taken to its gate. CPU seconds. What a study
costs once (compiling, tracing, figures) is told apart from what a replicate costs, which is what ten times the replicates
cost more.

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
from pumpleak.studies.calibrate.replicates import simulate_readings

TARGETS = {"simuk": 100, "vectorised loop": 10, "one after another": None}
STEPS = 1000  # of warm-up, and as many draws, of both peers


def cpu(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(problem, engine: str, replicates: int) -> tuple[float, float, float]:
    """CPU seconds to compile, of a study besides its replicates, and for a replicate."""
    with tempfile.TemporaryDirectory() as folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        cold, few, many = (
            cpu(lambda n=n: calibrate(problem, engine, n)) for n in (replicates, replicates, 10 * replicates)
        )
        jax.config.update("jax_compilation_cache_dir", None)
    each = (many - few) / (9 * replicates)
    return cold - few, few - replicates * each, each


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


def loops(problem, one_by_one: int, together: int) -> dict[str, tuple[float, float]]:
    """CPU seconds to compile, and for a replicate, of chains one after another and of a block of them by `vmap`."""
    readings = simulate_readings(problem, np.random.default_rng(1), max(one_by_one, together)).readings
    kernel = NUTS(model_of(problem))

    def run(key, reading):
        mcmc = numpyro.infer.MCMC(kernel, num_warmup=STEPS, num_samples=STEPS, progress_bar=False)
        mcmc.run(key, reading=reading)
        return mcmc.get_samples()

    def timed(function, *given):
        began = time.process_time()
        program = jax.jit(function).lower(*(x[0] for x in given)).compile()
        compiling = time.process_time() - began
        return compiling, cpu(lambda: [jax.block_until_ready(program(*x)) for x in zip(*given, strict=True)])

    keys = jax.random.split(jax.random.key(1), len(readings))
    alone = timed(run, keys[:one_by_one], readings[:one_by_one])
    block = timed(jax.vmap(run), keys[None, :together], readings[None, :together])
    return {
        "one after another": (alone[0], alone[1] / one_by_one),
        "vectorised loop": (block[0], block[1] / together),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--engine", default="auto", help="pumpleak's")
    parser.add_argument("--loop", type=int, default=100, help="replicates one after another")
    parser.add_argument("--together", type=int, default=100, help="replicates of the vectorised loop")
    parser.add_argument("--simuk", type=int, default=3, help="replicates of simuk; 0: left out")
    options = parser.parse_args()
    problem = titration()
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; CPU seconds", flush=True)
    compiling, study, mine = ours(problem, options.engine, options.replicates)
    print(
        f"pumpleak, {options.engine}: compiling {compiling:.1f}, a study {study:.1f}, {mine:.4f} a replicate "
        f"({options.replicates} and {10 * options.replicates} run)",
        flush=True,
    )
    found = {}
    for name, (compiling, found[name]) in loops(problem, options.loop, options.together).items():
        print(f"{name}: compiling {compiling:.1f}, {found[name]:.4f} a replicate", flush=True)
    if options.simuk:
        found["simuk"] = simuk(problem, options.simuk)
        print(f"simuk: {found['simuk']:.2f} a replicate, compiling in each ({options.simuk} run)")
    whole = study + 1000 * mine
    for name, seconds in found.items():
        ratio, target = seconds / mine, TARGETS[name]
        aim = "" if target is None else f", target {target}, {'met' if ratio >= target else 'MISSED'}"
        print(
            f"{name} / pumpleak, a replicate: {ratio:.1f}{aim}; "
            f"1,000 replicates: {1000 * seconds:.0f} s against {whole:.0f} s"
        )


if __name__ == "__main__":
    with jax.enable_x64(True):
        main()
