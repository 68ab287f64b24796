"""The batch engine on whatever JAX sees, a GPU or a CPU, in ten minutes: one table.

    uv run --extra cuda python experiments/benchmarks/gpu.py [--seconds 570] [--parts …] [--width 4096]
    python experiments/benchmarks/gpu.py          # with src on PYTHONPATH, where nothing can be installed

Usable posteriors a second and the usable share of the problems of `batch` and `batch_pump_leak`; a large table from
its Parquet file to written results; the share of the device's arithmetic and of its memory's bandwidth that the first
rung takes; and vmapped HMC beside it. It needs no network, and JAX, NumPyro, Optax, Equinox, Diffrax, pandas and
pyarrow; what wants more (pydantic, Zarr and xarray for the store, ArviZ for the peers) is skipped aloud.

Each part is a process of its own that is ended when its share of the time is over: what it had said by then is in the
table. A rate is of a run in which nothing compiled; compile time is what XLA took, in seconds of its own threads.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib import metadata
from pathlib import Path

#: Part -> its share of the time.
PARTS = {
    "well posed": 4,
    "skewed": 6,
    "end to end": 5,
    "acute": 4,
    "steady": 3,
    "peers": 2,
}
PILOT = {"acute": 64, "steady": 64}  # cells of the first run; else 256
MOST = 10_000  # cells of a timed run
TABLE = 200_000  # cells of the table, at most
CHUNK = 8192


def say(**found) -> None:
    """One line for the parent."""
    print(json.dumps(found), flush=True)


# -- one part, in its own process -----------------------------------------------------------------


class Part:
    """Its clock, its device's width of a block, and what XLA has compiled."""

    def __init__(self, seconds: float, width: int | None):
        import jax
        import jax.monitoring

        self.began, self.seconds = time.perf_counter(), seconds
        self.device = jax.local_devices()[0]
        self.width = width or (64 if self.device.platform == "cpu" else 4096)
        self.compiled = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._heard)
        packages = {p: metadata.version(p) for p in ("jax", "numpyro", "numpy")}
        say(
            machine=f"{len(jax.local_devices())} × {self.device.device_kind} ({self.device.platform}), "
            f"{len(os.sched_getaffinity(0))} cores; Python {platform.python_version()}, "
            + ", ".join(f"{p} {v}" for p, v in packages.items())
        )

    def _heard(self, event: str, seconds: float, **_) -> None:
        if event.endswith("backend_compile_duration"):
            self.compiled += seconds

    @property
    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self.began)

    def solve(self, ladder, template, arrays, ids):
        """Its arrays, seconds, and the seconds that XLA compiled for."""
        before, began = self.compiled, time.perf_counter()
        out = ladder.solve(template, arrays, ids)
        return out, time.perf_counter() - began, self.compiled - before


def rate(part: Part, name: str, draw, share: float = 1.0):
    """Usable posteriors a second, of a pilot and then of as many cells as there is time for.

    Args:
        draw: (n, seed) -> template, arrays and names of n cells.
        share: of the part's time.

    Returns:
        The ladder with its programs, the last cells, and cells a second.
    """
    from pumpleak.engines.gate import CellStatus, Rung
    from pumpleak.engines.ladder import Ladder, Settings

    ladder = Ladder(Settings(width=part.width))
    n, compiling = PILOT.get(name, 256), 0.0
    given = draw(n, 1)
    for _ in range(6):
        out, seconds, compiled = part.solve(ladder, *given)
        compiling += compiled
        clean = compiled < 0.02 * seconds
        usable = out["status"] == CellStatus.usable
        speed = n / seconds
        say(
            part=name,
            cells=n,
            per_second=float(usable.sum() / seconds) if clean else None,
            usable=float(usable.mean()),
            compile_s=compiling,
            run_s=seconds if clean else None,
            note=", ".join(f"{c} {Rung(r).name}" for r, c in sorted(Counter(out["rung"].tolist()).items())),
        )
        left = part.left - (1 - share) * part.seconds
        if not clean:  # once more, to time it
            if left < 1.2 * max(seconds - compiled, 0.3 * seconds):
                break
            continue
        more = min(MOST, int(0.4 * left * speed))
        if more < 2 * n:
            break
        n = more
        given = draw(n, 2)
    return ladder, given, speed


def first_rung(part: Part, name: str, ladder, arrays, ids) -> None:
    """The first rung alone, beside a matrix product and an axpy of the same device in double precision.

    What a cell costs is XLA's own count, in which the body of a loop counts once: the search for modes is more. Its
    bytes are those of every operation, whether memory or a cache serves them.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    from pumpleak.engines.ladder import cell_keys

    (programs,) = ladder._programs.values()
    n = min(len(ids), 8 * part.width)
    given = jax.tree.map(lambda a: np.asarray(a)[:n], (arrays, cell_keys(ids[:n], 1)))
    block = jax.device_put(jax.tree.map(lambda a: np.resize(a, (part.width, *a.shape[1:])), given))

    def best(run, repeats=5) -> float:
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            jax.block_until_ready(run())
            times.append(time.perf_counter() - began)
        return min(times[1:])

    cost = programs.first.lower(*block).compile().cost_analysis() or {}
    cost = cost[0] if isinstance(cost, list) else cost
    flops, moved = (cost.get(k, np.nan) / part.width for k in ("flops", "bytes accessed"))
    alone = part.width / best(lambda: programs.first(*block))
    whole = n / best(lambda: programs._blocks(programs.first, part.width, given), repeats=3)
    size, length = (2048, 2**24) if part.device.platform == "cpu" else (8192, 2**28)
    a = jnp.ones((size, size))
    product = jax.jit(lambda a: a @ a)
    x, y = jnp.ones(length), jnp.ones(length)
    axpy = jax.jit(lambda x, y: 2.0 * x + y)
    peak = 2 * size**3 / best(lambda: product(a))
    bandwidth = 3 * 8 * length / best(lambda: axpy(x, y))
    say(
        part=name,
        roofline=f"first rung: {whole:,.0f} cells/s with transfers and on all cores, {alone:,.0f} a block alone on"
        f" one device ({part.width} cells); XLA counts {flops / 1e6:.2f} MFLOP and {moved / 1e6:.2f} MB a cell:"
        f" {100 * flops * whole / peak:.1f} % of the matrix product's {peak / 1e9:,.0f} GFLOP/s,"
        f" {100 * moved * whole / bandwidth:.0f} % of the axpy's {bandwidth / 1e9:,.0f} GB/s",
    )


def ghk(part: Part, name: str) -> None:
    ladder, (_, arrays, ids), _ = rate(part, name, cells_of(name), 0.8 if name == "well posed" else 1.0)
    if name == "well posed":
        first_rung(part, name, ladder, arrays, ids)


def cells_of(name: str):
    from batch import bucket
    from batch_problems import PROBLEMS

    templates = []

    def draw(n, seed):
        one, ids = bucket(PROBLEMS[name], n, seed)
        templates.append(one.template)  # of the first call: its programs are compiled
        return templates[0], one.arrays, ids

    return draw


def pump_leak(part: Part, name: str) -> None:
    import jax
    import numpy as np
    from batch_pump_leak import problem

    from pumpleak.studies.calibrate.replicates import simulate_readings

    made = problem(name)

    def draw(n, seed):
        readings = simulate_readings(made, np.random.default_rng(seed), n).readings
        arrays = jax.tree.map(lambda a: np.broadcast_to(a, (n, *np.shape(a))), made.arrays)
        return made, arrays._replace(value=readings), np.array([f"cell {i}" for i in range(n)])

    rate(part, name, draw)


def end_to_end(part: Part, name: str) -> None:
    """A table of well-posed cells from its file to written results, compiling and all."""
    from batch_problems import WELL_POSED

    _, _, speed = rate(part, "pilot", cells_of("well posed"), 0.4)
    n = int(min(TABLE, 0.4 * part.left * speed))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "cells.parquet"
        WELL_POSED.table(n, 3).to_parquet(table, index=False)
        try:
            import zarr  # noqa: F401

            from pumpleak import infer_batch
        except ImportError as error:
            say(part=name, skipped=f"infer_batch and its Zarr store: {error}")
            infer_batch = None
        began = time.perf_counter()
        if infer_batch is None:
            how, usable = "streamed to Parquet", streamed(part, table, Path(folder) / "out.parquet")
        else:
            config, out = WELL_POSED.config() | {"data": str(table)}, Path(folder) / "out"
            how, usable = "infer_batch", infer_batch(config, out=out, width=part.width, chunk=CHUNK).usable
        seconds = time.perf_counter() - began
    say(
        part=name, cells=n, per_second=usable * n / seconds, usable=usable, compile_s=None, run_s=seconds,
        note=f"{how}; reading, compiling (cached) and writing included",
    )  # fmt: skip


def streamed(part: Part, table: Path, out: Path) -> float:
    """The share of usable cells: chunks read, solved and their quantiles written."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from batch_problems import WELL_POSED

    from pumpleak.batch.chunk import Job, Solver
    from pumpleak.data.cell_table import CellTable
    from pumpleak.engines.gate import CellStatus
    from pumpleak.engines.ladder import Settings

    made = WELL_POSED.problem()
    cells = CellTable.open(table, observables=("V_m",))
    names = made.layout.element_names
    job = Job(made.recipe, cells.info, "refuse", Settings(width=part.width), names)
    solver, writer, usable = Solver(job), None, 0
    for rows in cells.chunks(CHUNK):
        chunk = solver(rows)
        columns = {"cell": chunk.ids, "status": chunk.arrays["status"]}
        for k, q in enumerate(names):
            columns |= {f"{q}_{p}": chunk.arrays["quantile"][:, k, p] for p in range(7)}
        piece = pa.table(columns)
        writer = writer or pq.ParquetWriter(out, piece.schema)
        writer.write_table(piece)
        usable += int((chunk.arrays["status"] == CellStatus.usable).sum())
    if writer is not None:
        writer.close()
    return usable / cells.n_cells


def peers(part: Part, name: str) -> None:
    from batch_peers import PEERS
    from batch_problems import PROBLEMS

    for problem in PROBLEMS.values():
        try:
            import arviz_stats  # noqa: F401

            found = PEERS["numpyro_vmapped_hmc"](problem, problem.simulate(200, 2)["readings"])
        except ImportError as error:
            say(part=name, skipped=f"vmapped HMC ({problem.name}), which is judged by ArviZ: {error}")
            continue
        say(
            part=f"vmapped HMC, {problem.name}", cells=200, per_second=found.rate,
            usable=float(found.usable.mean()), compile_s=found.compile_s, run_s=found.run_s,
            note=json.dumps(found.settings),
        )  # fmt: skip


def measure(name: str, seconds: float, width: int | None) -> None:
    import jax

    with jax.enable_x64(True):
        part = Part(seconds, width)
        run = {"end to end": end_to_end, "acute": pump_leak, "steady": pump_leak, "peers": peers}.get(
            name, ghk
        )
        run(part, name)


# -- all of them ----------------------------------------------------------------------------------


def lines_of(name: str, seconds: float, width: int | None, cache: str) -> tuple[list[dict], bool]:
    """What a part said, and whether it came to its end."""
    command = [sys.executable, __file__, "--part", name, "--seconds", f"{seconds:.0f}"]
    command += ["--width", str(width)] if width else []
    cached = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5"}
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ | cached, timeout=seconds)
        text, whole = ran.stdout, ran.returncode == 0
    except subprocess.TimeoutExpired as late:
        text, whole = late.stdout or b"", False
    return [json.loads(line) for line in text.decode().splitlines() if line.startswith("{")], whole


def shown(value: float | None, width: int) -> str:
    text = "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text:>{width}s}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=570, help="for everything")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--width", type=int, help="cells in a block of the first rung; 4096 on a GPU, else 64"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        measure(given.part, given.seconds, given.width)
        return
    end, left, rows, machine = time.perf_counter() + given.seconds, list(given.parts), {}, None
    with tempfile.TemporaryDirectory() as cache:
        while left:
            share = PARTS[left[0]] / sum(PARTS[p] for p in left)
            name = left.pop(0)
            seconds = share * (end - time.perf_counter())
            found, whole = lines_of(name, seconds, given.width, cache)
            for line in found:
                if "machine" in line:
                    if machine is None:
                        print(f"{line['machine']}; {datetime.date.today():%d %B %Y}", flush=True)
                    machine = line["machine"]
                elif "skipped" in line:
                    print(f"{name}: skipped {line['skipped']}", flush=True)
                elif "roofline" in line:
                    print(f"{line['part']}: {line['roofline']}", flush=True)
                elif line["part"] != "pilot" and (
                    line["per_second"] is not None or rows.get(line["part"], {}).get("per_second") is None
                ):
                    rows[line["part"]] = line  # what was timed is kept
            if not whole:
                print(f"{name}: stopped after {seconds:.0f} s; what it had found by then counts", flush=True)
    print(f"\n{'':26s}{'cells':>9s}{'usable/s':>10s}{'usable':>9s}{'compile s':>11s}{'run s':>8s}")
    for name, row in rows.items():
        cells = [f"{row['cells']:>9,}", shown(row["per_second"], 10), f"{row['usable']:>9.2%}"]
        cells += [shown(row["compile_s"], 11), shown(row["run_s"], 8)]
        print(f"{name:26s}{''.join(cells)}  {row['note']}")


if __name__ == "__main__":
    main()
