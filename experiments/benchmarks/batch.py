"""Usable posteriors a second: pumpleak's batch engine beside its peers, two GHK problems of four parameters.

    uv run --group bench python experiments/benchmarks/batch.py [--cells 10000] [--peer-cells 24]

The same cells, model and cores for everyone, in one process run; compile time apart. Peers that take one cell at a
time are given fewer. Without the `bench` group, peers that are missing are skipped aloud.
"""

import argparse
import json
import os
import time
import warnings
from collections import Counter

import jax
from batch_problems import PROBLEMS

from pumpleak.batch.problems import CellProblems
from pumpleak.data.cell_table import CellTable
from pumpleak.engines.gate import CellStatus, Rung
from pumpleak.engines.ladder import Ladder, Settings


def bucket(problem, n: int, seed: int):
    """The cells of a problem as the engine takes them."""
    table = problem.table(n, seed)
    cells = CellTable.open(table, observables=("V_m",))
    (rows,) = cells.chunks(n)
    ((one,), _) = CellProblems(problem.problem().recipe, cells.info).split(rows)
    return one, rows.ids


def pumpleak(problem, n: int):
    """Compile seconds, run seconds, of processor, and the arrays of n cells: compiled first, then on other cells."""
    ladder = Ladder(Settings())
    first, ids = bucket(problem, n, seed=1)
    began = time.perf_counter()
    ladder.solve(first.template, first.arrays, ids)
    cold = time.perf_counter() - began
    fresh, ids = bucket(problem, n, seed=2)
    began, cpu = time.perf_counter(), time.process_time()
    out = ladder.solve(first.template, fresh.arrays, ids)
    run, cpu = time.perf_counter() - began, time.process_time() - cpu
    return cold - run, run, cpu, out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--peer-cells", type=int, default=24, help="for peers that go one by one")
    parser.add_argument("--vmapped-cells", type=int, default=200, help="for vmapped peers")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--cores", type=int, help="so many only, where the system lets a process choose")
    options = parser.parse_args()
    if options.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    warnings.simplefilter("ignore")
    print(f"JAX {jax.__version__} on {jax.devices()[0].device_kind}, {len(jax.devices())} device(s)")
    for name, problem in PROBLEMS.items():
        compiled, run, cpu, out = pumpleak(problem, options.cells)
        usable = out["status"] == CellStatus.usable
        rate = usable.sum() / run
        print(f"\n{name}: {options.cells:,} cells, {problem.title}")
        print(
            f"  pumpleak: {rate:,.0f} usable/s, {100 * usable.mean():.2f} % usable, compile {compiled:.1f} s,"
            f" run {run:.1f} s ({1e3 * run / options.cells:.3f} ms a cell, of processor {1e3 * cpu / options.cells:.3f})"
        )
        print(f"    rungs {dict(Counter(Rung(r).name for r in out['rung']))}")
        print(f"    flagged {dict(Counter(CellStatus(s).name for s in out['status'][~usable]))}", flush=True)
        if options.no_peers:
            continue
        for peer, found in peers(problem, options):
            print(
                f"  {peer}: {found.rate:.3g} usable/s ({100 * found.usable.mean():.0f} % of {len(found.usable)}),"
                f" compile {found.compile_s:.1f} s: pumpleak {rate / max(found.rate, 1e-9):,.0f} ×"
                f"  {json.dumps(found.settings)}",
                flush=True,
            )


def peers(problem, options):
    """Each peer's result as it comes; those that are not installed are named."""
    import batch_peers

    for name, peer in batch_peers.PEERS.items():
        n = options.vmapped_cells if "vmapped" in name else options.peer_cells
        try:
            yield name, peer(problem, problem.simulate(n, 2)["readings"])
        except ImportError as error:
            print(f"  {name}: skipped ({error})")


if __name__ == "__main__":
    with jax.enable_x64(True):
        main()
