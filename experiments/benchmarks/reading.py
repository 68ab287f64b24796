"""How long a table takes to be read and understood, by its rows: to grow in proportion to them, and to the columns.

    uv run python experiments/benchmarks/reading.py [--rows 1000 10000 100000] [--command]

Prints the seconds of `read_table`, `make_problem` and `Problem.describe` for CSV tables of random cells: plain, with paired
differences, with levels, with an error of each bath, and with 100 further columns. With ``--command`` also the processor seconds
of `pumpleak check` on the plain table, beside those on a table of two rows: the bare start.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pumpleak import Latent, celsius, lognormal, make_problem, normal, read_table

KNOWN = {"T": celsius(22), "K_i": normal(120, 20), "Na_i": 12.0, "P_Na_rel": lognormal(0.05, 4)}
CONFIG = """\
data: table.csv
quantities: {T: 22 degC, K_i: 120 ± 20 mM, Na_i_mM: 12, P_Na_rel: {prior: lognormal, median: 0.05, factor: 4}}
"""


def plain(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": [f"s{i}" for i in range(n)],
            "K_o_mM": rng.uniform(2, 60, n).round(3),
            "Na_o_mM": rng.normal(140, 5, n).round(2),
            "V_m_mV": rng.normal(-60, 8, n).round(2),
        }
    )


def tables(n: int):
    """Name, table and quantities of each case."""
    rng = np.random.default_rng(1)
    frame = plain(n, rng)
    yield "plain", frame, KNOWN
    odd = np.arange(n) % 2 == 1
    yield (
        "differences",
        frame.assign(
            dV_m_mV=np.where(odd, rng.normal(5, 2, n).round(2), np.nan),
            dV_m_sem_mV=np.where(odd, 1.0, np.nan),
            reference=np.where(odd, np.roll(frame["label"], 1), ""),
        ),
        KNOWN,
    )
    groups = frame.assign(
        solution=[f"bath {i % 50}" for i in range(n)],
        fibre=[f"f{i // 4}" for i in range(n)],
        animal=[f"a{i // 400}" for i in range(n)],
        day=[f"day {i // 400 % 30}" for i in range(n)],
    )
    offset = Latent(normal(0, 2), by=("animal", "fibre"), pooled=True)
    yield "levels", groups, KNOWN | {"V_offset": offset}
    yield "errors of 20 baths", groups.assign(K_o_mM=np.arange(n) % 20 + 2.5, K_o_sd_mM=0.1), KNOWN
    extra = {f"note_{j}": rng.normal(size=n).round(3) for j in range(60)}
    extra |= {f"tag_{j}": rng.choice(["a", "b", "c"], n) for j in range(40)}
    yield "100 columns more", pd.concat([frame, pd.DataFrame(extra)], axis=1), KNOWN


def seconds(run):
    began = time.perf_counter()
    out = run()
    return out, time.perf_counter() - began


def check(folder: Path, frame: pd.DataFrame) -> float:
    """Processor seconds of `pumpleak check`."""
    frame.to_csv(folder / "table.csv", index=False)
    (folder / "table.yaml").write_text(CONFIG, encoding="utf-8")
    code = "from pumpleak.cli.main import main; main()"
    command = [sys.executable, "-c", code, "check", str(folder / "table.yaml")]
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--command", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        plain(2, np.random.default_rng(1)).to_csv(folder / "first.csv", index=False)
        make_problem(read_table(folder / "first.csv"), KNOWN)  # imports, and what JAX traces once
        print(f"{'':24}{'rows':>8}{'read_table':>12}{'make_problem':>14}{'describe':>10}  [s]")
        for n in options.rows:
            for name, frame, quantities in tables(n):
                path = folder / "table.csv"
                frame.to_csv(path, index=False)
                m, read = seconds(lambda path=path: read_table(path))
                problem, made = seconds(lambda m=m, q=quantities: make_problem(m, q))
                _, told = seconds(problem.describe)
                print(f"{name:24}{n:8}{read:12.3f}{made:14.3f}{told:10.3f}")
        if options.command:
            for n in (2, *options.rows):
                print(f"{'pumpleak check':24}{n:8}{check(folder, plain(n, np.random.default_rng(1))):12.2f}")


if __name__ == "__main__":
    main()
