"""Thousands of changed inputs through the command line: each is answered right, or refused in one line.

    uv run python experiments/benchmarks/fuzz.py --inputs 10000 --seed 1 --jobs 2
    uv run python experiments/benchmarks/fuzz.py --seed 1 --only 4711          # one of them again, and what it said

Tables, Parquet files, workbooks, configs, command lines, and results and batch runs on disk are changed in one or a few
places (`fuzz_inputs.py`) and given to `check`, `init`, `predict`, `report`, `infer --engine laplace` and others, in this process.
Counted as right are exit code 0, where the numbers read, or what is printed of a damaged result, are what they must be; and exit
code 2 with one line and nothing written. All else is a failure: a traceback, several lines, files left behind, another
exit code, no end within the seconds given, a number read as another. Each kind of failure is printed with its first input.
"""

import argparse
import contextlib
import io
import math
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import fuzz_inputs
import numpy as np

_LONGEST = 1300  # characters of a line
_SHOWN = 160


class Said(NamedTuple):
    code: int
    out: str
    err: str
    raised: str = ""


class Hung(BaseException):
    """Raised in a command that does not end."""


class Stock(NamedTuple):
    """What sound inputs need, made once.

    Attributes:
        folder: with a table, a config, a result and a batch run.
        command_on: of the result and of the run, what is asked of it.
        answers: what is answered before anything is damaged.
    """

    folder: Path
    command_on: dict[str, list[str]]
    answers: dict[str, str]


def ask(words: list[str], seconds: float) -> Said:
    """Run a command line in this process, as the console script would."""
    from pumpleak.cli.main import main
    from pumpleak.errors import InputWarning

    def ring(*_):
        raise Hung

    out, err, code, raised = io.StringIO(), io.StringIO(), 0, ""
    clocks = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, 20 * seconds),
    }
    before, shown = {number: signal.signal(number, ring) for number in clocks}, warnings.showwarning
    for clock, limit in clocks.values():
        signal.setitimer(clock, limit)
    sys.argv = ["pumpleak", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("default", InputWarning)
            main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except Hung:
        raised = f"no end within {seconds:g} s"
    except BaseException as error:  # noqa: BLE001 what a user would see as a traceback
        at = traceback.extract_tb(error.__traceback__)
        own = [f for f in at if "pumpleak" in f.filename] or list(at)
        raised = (
            f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}: {str(error)[:80]}"
        )
    finally:
        for number, (clock, _) in clocks.items():
            signal.setitimer(clock, 0)
            signal.signal(number, before[number])
        warnings.showwarning = shown
    return Said(code, out.getvalue(), err.getvalue(), raised)


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")
    }


# -- was it right ----------------------------------------------------------------------------------


def judge(one: fuzz_inputs.Input, said: Said, folder: Path, before: dict) -> tuple[str, str]:
    """'answered' or 'refused'; or 'failure' and what is wrong."""
    if said.raised:
        return "failure", said.raised
    steering = set("\x1b\x07\x9b\u202e\x00") & set(said.out + said.err)
    if steering:
        return "failure", f"steers the terminal: {steering}"
    if said.code == 0:
        wrong = misread(one, folder) or miscounted(one, said)
        return ("failure", wrong) if wrong else ("answered", "")
    if one.sound:
        return "failure", f"a sound input refused: {said.err[:_SHOWN]!r}"
    if said.code != 2:
        return "failure", f"exit code {said.code}: {said.err.strip().splitlines()[-1:]}"
    lines = [x for x in said.err.splitlines() if x and not x.startswith("Warning: ")]
    asked_nothing = not lines and said.out.split()[:2] == ["Usage:", "pumpleak"]  # so the help page is shown
    if not asked_nothing:
        if len(lines) != 1 or len(lines[0]) > _LONGEST or not lines[0].rstrip().endswith((".", "?", "!")):
            return "failure", f"{len(lines)} lines of refusal: {said.err[:_SHOWN]!r}"
        if said.out.strip():
            return "failure", f"half an answer before a refusal: {said.out[:_SHOWN]!r}"
    left = {k for k, v in listing(folder).items() if before.get(k, b"-") != v}
    if left:
        return "failure", f"left behind by a refusal: {sorted(left)[:3]}"
    return "refused", ""


def misread(one: fuzz_inputs.Input, folder: Path) -> str:
    """What was read as another number than it is; '' where nothing was."""
    if not (one.table or one.known) or one.command[-1] != "cells.yaml":
        return ""
    from pumpleak import load_problem
    from pumpleak.physics.constants import ZERO_CELSIUS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = load_problem(folder / "cells.yaml")
    m = problem.measurements
    for (row, column), may_be in one.table.items():
        name, _, unit = column.rpartition("_")
        if name in ("V_m", "V_m_sem"):
            at = np.flatnonzero((m.row == row) & (m.reference < 0))
            values = m.value if name == "V_m" else m.sem
            found = float(values[at[0]]) if len(at) else math.nan
        else:
            found = float(m.quantities[name][row]) if name in m.quantities else math.nan
            found -= ZERO_CELSIUS if unit == "degC" else 0.0
        if not like(found, may_be):
            return f"row {row + 2}, {column} read as {found!r}, may be {may_be or 'nothing'}"
    for name, may_be in one.known.items():
        if problem.slots[name].index is not None:  # as 5 ± 1, an unknown
            continue
        found = float(np.ravel(problem.arrays.known[name])[0])
        if not like(found, may_be):
            return f"{name} read as {found!r}, may be {may_be or 'nothing'}"
    return ""


def like(found: float, may_be: set[float]) -> bool:
    return any(
        (math.isnan(x) and math.isnan(found)) or math.isclose(found, x, rel_tol=1e-9, abs_tol=1e-9)
        for x in may_be
    )


def miscounted(one: fuzz_inputs.Input, said: Said) -> str:
    """Where a damaged result answers otherwise than it did."""
    if not one.answer or steady(said.out) == steady(one.answer):
        return ""
    return "another answer from damaged files"


def steady(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# -- running ---------------------------------------------------------------------------------------


def stocked(folder: Path) -> Stock:
    """A table, a config, a result of 200 draws, and a batch run of six cells."""
    os.chdir(folder)
    Path("cells.csv").write_text(fuzz_inputs.written(fuzz_inputs.ROWS))
    Path("cells.yaml").write_text(fuzz_inputs.CONFIG)
    Path("plate.yaml").write_text(fuzz_inputs.PLATE)
    rows = [f"c{c},{K},{-80 + c + 25 * math.log10(K):.1f}" for c in range(6) for K in (2.5, 10, 40)]
    Path("plate.csv").write_text("\n".join(["cell,K_o_mM,V_m_mV", *rows]) + "\n")
    commands = {
        "result": ["predict", "cells.yaml", "--from", "result", "--json"],
        "run": ["report", "run", "--cell", "c3", "--out", "page.html"],
    }
    answers = {}
    for words in (
        "infer cells.yaml --engine laplace --draws 200 --out result --seed 1".split(),
        "batch plate.yaml --engine laplace --draws 20 --chunk 2 --out run".split(),
    ):
        said = ask(words, 600)
        assert said.code == 0 and not said.raised, said
    for of, words in commands.items():
        said = ask(words, 600)
        assert said.code == 0 and not said.raised, said
        answers[of] = said.out
    Path("page.html").unlink()
    return Stock(folder, commands, answers)


def undrawn() -> None:
    """Figures are made and not drawn, which is most of a report's time."""
    from pumpleak.reports import style

    style.image_of = lambda draw, kind: draw() and b""


def run(share: int, jobs: int, arguments: argparse.Namespace) -> tuple[Counter, dict, float]:
    """Every `jobs`-th input from `share` on: counts by sort and outcome, failures by what is wrong."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    undrawn()
    began, counts, failures = time.monotonic(), Counter(), defaultdict(list)
    makers, weights = zip(*fuzz_inputs.MAKERS, strict=True)
    with tempfile.TemporaryDirectory(prefix="pumpleak-fuzz-") as scratch:
        (stock_folder := Path(scratch, "stock")).mkdir()
        stock, folder = cache(lambda: stocked(stock_folder)), Path(scratch, "here")
        chosen = (
            range(arguments.first + share, arguments.inputs, jobs)
            if arguments.only is None
            else [arguments.only]
        )
        for k in chosen:
            if time.monotonic() - began > arguments.minutes * 60:
                break
            os.chdir(scratch)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            rng = np.random.default_rng([arguments.seed, k])
            one = makers[int(rng.choice(len(makers), p=weights))](rng, folder, stock)
            os.chdir(folder)
            before = listing(folder)
            said = ask(one.command, arguments.seconds)
            outcome, wrong = judge(one, said, folder, before)
            counts[one.what.partition(":")[0].partition(",")[0], outcome] += 1
            if outcome == "failure":
                failures[re.sub(r"\d+", "N", wrong)[:120]].append((k, one.what, wrong))
                print(f"--only {k} ({one.what}): {wrong}", file=sys.stderr, flush=True)
            if arguments.only is not None:
                print(one, said, (outcome, wrong), sep="\n")
                if arguments.keep:
                    shutil.copytree(folder, arguments.keep, dirs_exist_ok=True)
        os.chdir("/")
    return counts, dict(failures), time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the input to begin with")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="of processor that a command may take; and twenty times as many by the clock",
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="after which no further input is begun"
    )
    parser.add_argument("--only", type=int, help="one input again")
    parser.add_argument("--keep", type=Path, help="where the files of --only go")
    arguments = parser.parse_args()
    jobs = arguments.jobs if arguments.only is None else 1
    if jobs == 1:
        parts = [run(0, 1, arguments)]
    else:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            parts = pool.starmap(run, [(k, jobs, arguments) for k in range(jobs)])
    counts, failures = Counter(), defaultdict(list)
    for found, failed, _ in parts:
        counts += found
        for what, where in failed.items():
            failures[what] += where
    sorts = sorted({sort for sort, _ in counts})
    outcomes = ("answered", "refused", "failure")
    print(
        f"seed {arguments.seed}, {counts.total():,} inputs in {max(t for *_, t in parts):.0f} s with {jobs} at once"
    )
    print(f"{'':14}" + "".join(f"{x:>10}" for x in outcomes))
    for sort in [*sorts, "all"]:
        row = [sum(n for (s, o), n in counts.items() if o == x and sort in (s, "all")) for x in outcomes]
        print(f"{sort:14}" + "".join(f"{n:10,}" for n in row))
    for where in sorted(failures.values(), key=len, reverse=True):
        k, what, wrong = min(where)
        print(f"{len(where):5} × {wrong}\n        first: --only {k} ({what})")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
