"""Simulation-based calibration of the batch engine: thousands of replicates, each a cell of one batch.

The problems, checks and the negative control (twice the noise that the model is told of) are those of `sbc_nuts`.
All replicates are ranked, flagged ones too: a gate that hid failures would show as ranks that look right.

    uv run python experiments/benchmarks/sbc_batch.py [--model ghk|mullins_noda|chord|pump_leak] [--replicates 5000] [--engine auto]

Exits 1 if the calibrated run fails or the control passes.
"""

import argparse
import sys
import time
from collections import Counter

import jax
import numpy as np
from sbc_nuts import RANKS, judge, pump_leak_titration, simulate, titration

from pumpleak.batch_store import CellStatus, Rung
from pumpleak.ladder import Ladder, Settings

TITRATIONS = ("ghk", "mullins_noda", "chord")


def ranks(problem, ladder: Ladder, replicates: int, noise: float, seed: int):
    """Quantity -> ranks of the truths among the draws, and the arrays of the batch."""
    truth, readings = simulate(problem, np.random.default_rng(seed), replicates, noise)
    arrays = jax.tree.map(lambda a: np.broadcast_to(a, (replicates, *np.shape(a))), problem.arrays)
    ids = np.array([f"{noise:g} {seed} {i}" for i in range(replicates)])
    began = time.perf_counter()
    out = ladder.solve(problem, arrays._replace(value=readings), ids)
    seconds = time.perf_counter() - began
    draws = np.where(np.isfinite(out["draws"]), out["draws"], -np.inf)
    rank = {s.name: (draws[..., k] < truth[s.name][:, None]).sum(axis=1) for k, s in enumerate(problem.sites)}
    return rank, out, seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=(*TITRATIONS, "pump_leak"), default="ghk")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--replicates", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    problem = pump_leak_titration() if args.model == "pump_leak" else titration(args.model)
    ladder = Ladder(Settings(engine=args.engine, draws=RANKS, seed=args.seed))
    verdicts = {}
    for name, noise in (("calibrated", 1.0), ("control", 2.0)):
        found, out, seconds = ranks(problem, ladder, args.replicates, noise, args.seed)
        rows, verdicts[name] = judge(found)
        print(f"\n{name}: {noise:g} x the model's noise, {args.replicates:,} replicates in {seconds:.1f} s")
        print(f"  {dict(Counter(CellStatus(s).name for s in out['status']))}", end=" ")
        print(f"{dict(Counter(Rung(r).name for r in out['rung']))}")
        for row in rows:
            numbers = [row[k] for k in ("envelope_p", "chi2_p", "cover_50%", "cover_90%")]
            cells = "".join(f"{x:10.4f}" for x in numbers)
            print(f"  {row['quantity']:12s}{cells}  {'inside' if row['passed'] else 'OUTSIDE'}", flush=True)
    good = verdicts["calibrated"] and not verdicts["control"]
    print(f"\ncalibrated run: {'PASS' if verdicts['calibrated'] else 'FAIL (it should pass)'}")
    print(f"negative control: {'FAIL, as it should' if not verdicts['control'] else 'PASS (it should fail)'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    with jax.enable_x64(True):
        main()
