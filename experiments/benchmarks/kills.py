"""Killed, stopped and doubled runs: each goes on, and ends as one that nobody disturbed.

    uv run python experiments/benchmarks/kills.py --kill 20 --kill-workers 10 --interrupt 12 --interrupt-workers 10 --terminate 8 --move 6 --twice 4

A batch of 48 small cells in chunks of 2 is begun as the command line does it, by the real engine on its Laplace rung, and
disturbed at a random moment of its work: by SIGKILL or SIGINT (plain, and with two worker processes, which get it too, as
from a terminal), SIGTERM, its folder moved away, or a second run into the same folder. The same command is then given until it
ends. Counted is how often that is with exit code 0 and the numbers of an undisturbed run (`summary.json`'s
fingerprint and the files gathered); and whether what was printed was one line without a traceback, with exit code 130 after
SIGINT and 2 after the folder went. At last eight threads infer at once what one infers alone.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

CONFIG = """\
title: A plate
data: cells.csv
quantities: {T_degC: 25, P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}, K_i_mM: 130, Na_i_mM: 12, Na_o_mM: 140}
"""
#: As long as a chunk of harder cells takes.
SLOW = """\
import time
from pumpleak.engines.ladder import Ladder

solve = Ladder.solve


def slow(self, *arguments, **more):
    out = solve(self, *arguments, **more)
    time.sleep(0.15)
    return out


Ladder.solve = slow
"""
CELLS, CHUNK = 48, 2
MOVE = -1  # in place of a signal: the folder is moved away
RUN = "import sys; sys.argv[0] = 'pumpleak'; from pumpleak.cli.main import main; main()"


def command(out: str, workers: bool) -> list[str]:
    words = ["batch", "plate.yaml", "--out", out, "--chunk", str(CHUNK), "--engine", "laplace", "--draws", "20", "--plugin", "slow.py"]  # fmt: skip
    return [sys.executable, "-c", RUN, *words, *(["--workers", "2"] if workers else [])]


def begun(folder: Path, out: str, workers: bool = False) -> subprocess.Popen:
    with open(folder / "said.txt", "w") as said:
        return subprocess.Popen(
            command(out, workers), cwd=folder, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )


def done(folder: Path, out: str) -> int:
    """How many chunks have a record."""
    return len(list((folder / out / "chunks").glob("*.json")))


def answer(folder: Path, out: str):
    """What a run has found: its fingerprint, and the tables gathered."""
    summary = json.loads((folder / out / "summary.json").read_text())
    flagged = (folder / out / "flagged.csv").read_text()
    return summary["fingerprint"], pd.read_parquet(folder / out / "cells.parquet").to_csv(), flagged


def disturbed(folder: Path, out: str, send: int, workers: bool, rng: random.Random) -> dict:
    """Begin a run, disturb it once after one to twenty chunks, then let it end."""
    process = begun(folder, out, workers)
    goal, began = (
        rng.randint(1, CELLS // CHUNK - (send != signal.SIGINT) * 4),
        time.monotonic(),
    )  # SIGINT: to the end
    while process.poll() is None and done(folder, out) < goal and time.monotonic() - began < 300:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.2))
    hit = process.poll() is None
    if hit and send == MOVE:
        (folder / out).rename(folder / f"{out}-elsewhere")
    elif hit and (workers or send == signal.SIGKILL):
        os.killpg(process.pid, send)  # workers too, as a machine that fails, or a terminal
    elif hit:
        process.send_signal(send)
    code = process.wait(timeout=300)
    lines = (folder / "said.txt").read_text().splitlines()
    said = [
        x for x in lines if x.strip() and " left: 0:00:00" not in x
    ]  # but for the bar of work that was done
    if hit and send == MOVE:
        (folder / f"{out}-elsewhere").rename(folder / out)
    kept = done(folder, out)
    again = begun(folder, out, workers).wait(timeout=600)
    told = {signal.SIGINT: 130, MOVE: 2}.get(send)
    ended = not hit or told is None or code == 0  # 0: it was done before it noticed
    clean = "Traceback" not in "".join(said) and (ended or (code == told and len(said) <= 1 + workers))
    return {"hit": hit, "code": code, "kept": kept, "again": again, "clean": clean, "said": said[-3:]}


def twice(folder: Path, out: str) -> dict:
    """Two runs into one folder at the same time: one does the work, the other is told so in a line, or goes on after it."""
    first, second = begun(folder, out), begun(folder, out)
    codes = sorted((first.wait(timeout=600), second.wait(timeout=600)))
    return {
        "hit": True,
        "code": codes,
        "clean": codes in ([0, 0], [0, 2]),
        "again": 0,
        "kept": CELLS // CHUNK,
        "said": "",
    }


def threads(n: int = 8) -> int:
    """How many of n threads infer what one infers alone."""
    from pumpleak import infer, load_dataset, lognormal, make_problem

    known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
    problem = make_problem(load_dataset("textbook_resting"), known)
    alone = [infer(problem, engine="importance", seed=k).table for k in range(n)]
    found: list = [None] * n

    def work(k: int) -> None:
        found[k] = infer(problem, engine="importance", seed=k).table

    workers = [threading.Thread(target=work, args=(k,)) for k in range(n)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return sum(a.equals(b) for a, b in zip(alone, found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, n in (
        ("kill", 20),
        ("kill-workers", 10),
        ("interrupt", 12),
        ("interrupt-workers", 10),
        ("terminate", 8),
        ("move", 6),
        ("twice", 4),
    ):
        parser.add_argument(f"--{name}", type=int, default=n)
    parser.add_argument("--seed", type=int, default=1)
    given = vars(parser.parse_args())
    rng, failed = random.Random(given["seed"]), 0
    with tempfile.TemporaryDirectory(prefix="pumpleak-kills-") as scratch:
        folder, noise = Path(scratch), np.random.default_rng(1)
        rows = [
            f"c{c:03d},{K},{-75 + 28 * np.log10(K) + noise.normal(0, 2):.1f}"
            for c in range(CELLS)
            for K in (2.5, 10, 40)
        ]
        (folder / "cells.csv").write_text("\n".join(["cell,K_o_mM,V_m_mV", *rows]) + "\n")
        (folder / "plate.yaml").write_text(CONFIG)
        (folder / "slow.py").write_text(SLOW)
        assert begun(folder, "calm").wait() == 0, (folder / "said.txt").read_text()
        calm = answer(folder, "calm")
        kinds = {
            "kill": (signal.SIGKILL, False), "kill_workers": (signal.SIGKILL, True),
            "interrupt": (signal.SIGINT, False), "interrupt_workers": (signal.SIGINT, True),
            "terminate": (signal.SIGTERM, False), "move": (MOVE, False), "twice": (0, False),
        }  # fmt: skip
        print(f"{'':14}{'tried':>7}{'hit':>7}{'the same':>10}{'clean':>7}   seed {given['seed']}")
        for kind, (send, workers) in kinds.items():
            began, rounds = time.monotonic(), []
            for k in range(given[kind]):
                out = f"{kind}-{k}"
                one = twice(folder, out) if kind == "twice" else disturbed(folder, out, send, workers, rng)
                one["same"] = one["again"] == 0 and answer(folder, out) == calm
                rounds.append(one)
                if not (one["same"] and one["clean"]):
                    failed += 1
                    print(kind, k, one)
            hit, same, clean = (sum(r[x] for r in rounds) for x in ("hit", "same", "clean"))
            print(
                f"{kind:14}{len(rounds):7}{hit:7}{same:10}{clean:7}   {time.monotonic() - began:.0f} s",
                flush=True,
            )
    alike = threads()
    print(f"threads       {8:7}{8:7}{alike:10}")
    sys.exit(bool(failed or alike < 8))


if __name__ == "__main__":
    main()
