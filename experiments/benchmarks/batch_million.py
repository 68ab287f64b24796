"""A million cells from Parquet to Zarr: time, memory and what a cell costs beside a run of ten thousand.

    uv run python experiments/benchmarks/batch_million.py [--cells 10000 1000000] [--draws 200]

The well-posed problem of `batch_problems`, eight readings a cell. The table is written piece by piece and each run is a
process of its own, so that its peak of memory is its own; what compiling takes is within the time of the first chunk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from batch_problems import PROBLEMS

PIECE = 20_000  # cells written at a time


def write_table(path: Path, n: int) -> None:
    """n cells of the well-posed problem, a row a reading."""
    problem = PROBLEMS["well posed"]
    writer = None
    for start in range(0, n, PIECE):
        frame = problem.table(min(PIECE, n - start), seed=start)
        frame["cell"] = np.repeat(
            [f"cell {start + i:07d}" for i in range(frame["cell"].nunique())], len(problem.K_o)
        )
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def run(path: Path, out: Path, draws: int) -> None:
    """One run, in this process; prints what it took."""
    from pumpleak import infer_batch

    began, cpu = time.perf_counter(), time.process_time()
    first = []

    def progress(done: int, total: int, usable: int, flagged: int) -> None:
        if done and not first:
            first.append((time.perf_counter() - began, time.process_time() - cpu, done))

    batch = infer_batch(
        PROBLEMS["well posed"].config() | {"data": str(path)},
        str(path),
        out=out,
        draws=draws,
        progress=progress,
    )
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    n = batch.n_cells
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) / 2**30
    start = first[0] if first else (0.0, 0.0, 0)
    print(
        f"{n:,} cells: {wall:.1f} s, of processor {used:.1f} s; first chunk done after {start[0]:.1f} s;"
        f" after it {1e3 * (wall - start[0]) / max(1, n - start[2]):.3f} ms a cell"
        f" (processor {1e3 * (used - start[1]) / max(1, n - start[2]):.3f} ms);"
        f" {100 * batch.usable:.2f} % usable; peak {peak:.2f} GiB; on disk {size:.2f} GiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--run", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(*options.run, options.draws)
    for n in options.cells:
        with tempfile.TemporaryDirectory() as folder:
            table, out = Path(folder) / "cells.parquet", Path(folder) / "out"
            write_table(table, n)
            command = [sys.executable, __file__, "--draws", str(options.draws), "--run", str(table), str(out)]
            subprocess.run(command, check=True, env=os.environ)


if __name__ == "__main__":
    main()
