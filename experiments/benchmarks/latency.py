"""How long whole commands take: processor seconds over those of importing JAX and NumPyro, in one run.

    uv run python experiments/benchmarks/latency.py                       # all commands, three runs each, medians
    uv run python experiments/benchmarks/latency.py check predict --runs 1
    uv run python experiments/benchmarks/latency.py --out after.json --beside before.json

B is the processor time of ``python -c "import jax, numpyro"`` in the same environment, the median of runs before, between
and after the commands. *Cold*: in an empty cache of compiled programs, bytecode written. *Warm*: with the programs of the
run before. The aims are those this project set itself.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).with_name("pumpleak"))
#: name -> (arguments, aim warm, aim cold), in B; {out} is a new folder.
COMMANDS = {
    "help": ("--help", 0.2, 0.2),
    "presets": ("presets list", 0.2, 0.2),
    "datasets": ("datasets list", 0.2, 0.2),
    "check": ("check configs/crayfish_muscle.yaml", 0.7, 0.7),
    "predict": ("predict configs/crayfish_muscle.yaml", 1.8, 3.0),
    "fit": ("fit configs/crayfish_muscle.yaml", 2.5, 6.0),
    "infer-textbook": ("infer configs/textbook_resting.yaml --out {out}", 3.0, 5.0),
    "infer-crayfish": ("infer configs/crayfish_muscle.yaml --out {out}", 4.5, 9.0),
    "infer-pump-leak": ("infer configs/pump_leak_crayfish.yaml --out {out}", None, None),
    "infer-importance": ("infer configs/crayfish_muscle.yaml --engine importance --out {out}", None, None),
    "identify": ("identify configs/crayfish_muscle.yaml", 4.0, 9.0),
    "sensitivity": ("sensitivity configs/textbook_resting.yaml", 4.0, 8.0),
    "design": ("design configs/textbook_resting.yaml", 6.0, 10.0),
    "compare": ("compare configs/crayfish_muscle.yaml {scratch}/chord.yaml", None, None),
    "steady-state": ("steady-state --preset neuron --set K_o_mM=10", 1.8, 3.5),
    "simulate": ("simulate --preset neuron --event t=60s,pump=0 --for 2h", 3.0, 6.0),
}


def taken(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Processor and wall seconds of a command.

    Raises:
        RuntimeError: it fails; with what it said.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ran = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command[1:])}: {ran.stderr.strip()[-400:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def measured(name: str, scratch: Path, runs: int, env: dict[str, str]) -> dict[str, float]:
    """A command's cold run in a cache of its own, and the medians of its warm ones."""
    mine = env | {"XDG_CACHE_HOME": str(scratch / f"cache-{name}")}
    rows = []
    for k in range(1 + runs):
        out = scratch / f"{name}-{k}"
        words = [
            # An event's words hold a space.
            w.format(out=out, scratch=scratch).replace(",", " ")
            for w in COMMANDS[name][0].split(" ")
        ]
        rows.append(taken([PROGRAM, *words], mine))
        shutil.rmtree(out, ignore_errors=True)
    warm, wall = (statistics.median(x) for x in zip(*rows[1:], strict=True))
    shutil.rmtree(scratch / f"cache-{name}", ignore_errors=True)
    return {"cold": rows[0][0], "cold wall": rows[0][1], "warm": warm, "warm wall": wall}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commands", nargs="*", metavar="NAME", help=f"of: {', '.join(COMMANDS)}")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    parser.add_argument("--beside", type=Path, help="figures from before, to print beside these")
    given = parser.parse_args()
    if unknown := set(given.commands) - set(COMMANDS):
        parser.error(f"no such command: {', '.join(sorted(unknown))}")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and not k.startswith("JAX_")}
    base = [sys.executable, "-c", "import jax, numpyro"]
    with tempfile.TemporaryDirectory(prefix="pumpleak-latency-") as folder:
        scratch = Path(folder)
        text = (ROOT / "configs/crayfish_muscle.yaml").read_text()
        (scratch / "chord.yaml").write_text(
            text.replace("model: ghk", "model: chord").replace("  P_", "  g_")
        )
        taken(base, env)  # writes bytecode
        bases, rows = [taken(base, env)[0]], {}
        for name in given.commands or COMMANDS:
            try:
                rows[name] = measured(name, scratch, given.runs, env)
            except RuntimeError as error:
                print(error, file=sys.stderr)
            bases.append(taken(base, env)[0])
    B = statistics.median(bases)
    print(f"B = {B:.2f} s ({min(bases):.2f} to {max(bases):.2f}); {given.runs} warm runs each, medians\n")
    before = json.loads(given.beside.read_text()) if given.beside else {"B": 1.0, "rows": {}}
    print("| command | warm | aim | cold | aim | warm, wall s | cold, wall s | warm before | cold before |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        aims = [f"{a:g}" if a else "" for a in COMMANDS[name][1:]]
        was = before["rows"].get(name)
        old = [f"{was[k] / before['B']:.1f}" if was else "" for k in ("warm", "cold")]
        cells = [name, f"{row['warm'] / B:.1f}", aims[0], f"{row['cold'] / B:.1f}", aims[1]]
        cells += [f"{row['warm wall']:.1f}", f"{row['cold wall']:.1f}", *old]
        print("| " + " | ".join(cells) + " |")
    if given.out:
        given.out.write_text(json.dumps({"B": B, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
