"""Which small faults put into the code do the tests notice? A sample of mutants, with a fixed seed, in bounded time.

    uv run --group mutation python experiments/benchmarks/mutation.py --sample 300 --seed 1 --minutes 240 --out mutants.jsonl
    uv run --group mutation python experiments/benchmarks/mutation.py --report mutants.jsonl

Mutants are cosmic-ray's: a sign, a comparison, a number, a truth turned round, a loop that does not run. A place of the code
is drawn, then one of the mutants there. Each is put into a copy of the repository and the tests run that could notice it,
cheapest first, until one fails: those that import the module or a name of it; the rest of its package; those of the modules
that import it; then the same files' dear ones (`-m thorough`). A catch counts where the test that failed passes without the
mutant. What has used up its seconds is told apart. What is in `--out` already is not run again.
"""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "quantities",
    "physics",
    "cell",
    "data",
    "models",
    "problem",
    "config",
    "engines",
    "inference",
    "batch",
    "studies",
)
#: Of cosmic-ray's operators: those whose mutants are valid code that does another thing.
OPERATORS = [
    f"core/Replace{kind}_{a}_{b}"
    for kind, pairs in {
        "ComparisonOperator": "Lt_LtE LtE_Lt Gt_GtE GtE_Gt Lt_GtE GtE_Lt Gt_LtE LtE_Gt Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is In_NotIn NotIn_In",
        "BinaryOperator": "Add_Sub Sub_Add Mul_Div Div_Mul BitAnd_BitOr BitOr_BitAnd Pow_Mul Mod_Mul FloorDiv_Mul",
        "UnaryOperator": "USub_UAdd Delete_USub Delete_Not Delete_Invert",
    }.items()
    for a, _, b in (pair.partition("_") for pair in pairs.split())
] + [
    f"core/{name}"
    for name in (
        "ReplaceAndWithOr ReplaceOrWithAnd ReplaceTrueWithFalse ReplaceFalseWithTrue NumberReplacer AddNot "
        "ReplaceBreakWithContinue ReplaceContinueWithBreak ZeroIterationForLoop"
    ).split()
]  # fmt: skip
_PASSED, _NONE = 0, 5  # pytest's exit codes: all passed, no test there


class Place(NamedTuple):
    """A mutant: an operator's n-th occurrence in a module, and where that is."""

    module: str
    line: int
    operator: str
    occurrence: int

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line} {self.operator.partition('/')[2]}#{self.occurrence}"


# -- mutants ---------------------------------------------------------------------------------------


def left_alone(source: str) -> set[int]:
    """Lines of annotations, of docstrings and of what only a type checker sees."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        parts: list = []
        if isinstance(node, ast.FunctionDef):
            of = [
                *node.args.args,
                *node.args.kwonlyargs,
                *node.args.posonlyargs,
                node.args.vararg,
                node.args.kwarg,
            ]
            parts = [node.returns, *(a.annotation for a in of if a is not None)]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts = [node]
        for part in parts:
            if part is not None and not isinstance(part, ast.Name):
                lines |= set(range(part.lineno, part.end_lineno + 1))
    return lines


def places(packages: tuple[str, ...]) -> Iterator[list[Place]]:
    """For each place in the code, the mutants there."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    known = [name for name in operator_names() if any(fnmatch(name, x) for x in OPERATORS)]
    for package in packages:
        for path in sorted((ROOT / "src/pumpleak" / package).rglob("*.py")):
            module, tree = path.relative_to(ROOT / "src/pumpleak").as_posix(), get_ast_from_path(path)
            alone, found = left_alone(path.read_text()), defaultdict(list)
            for name in known:
                operator = get_operator(name)()
                spots = (s for node in ast_nodes(tree) for s in operator.mutation_positions(node))
                for occurrence, (start, _) in enumerate(spots):
                    if start[0] not in alone:
                        found[start].append(Place(module, start[0], name, occurrence))
            yield from found.values()


def drawn(packages: tuple[str, ...], n: int, seed: int) -> list[Place]:
    rng, groups = np.random.default_rng(seed), list(places(packages))
    order = rng.permutation(len(groups))[:n]
    return [groups[i][int(rng.integers(len(groups[i])))] for i in order]


# -- the tests that could notice -------------------------------------------------------------------


def imports() -> dict[str, set[str]]:
    """Module -> the modules that import it, by their dotted names below pumpleak."""
    out: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "src/pumpleak").rglob("*.py"):
        parts = path.relative_to(ROOT / "src/pumpleak").with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = [*parts[: len(parts) - node.level], *(node.module or "").split(".")]
                stem = ".".join(x for x in base if x)
                for name in (stem, *(f"{stem}.{a.name}".strip(".") for a in node.names)):
                    out[name].add(".".join(parts))
    return out


def exported() -> dict[str, tuple[str, ...]]:
    """Module -> the names of it that the root exports."""
    for node in ast.parse((ROOT / "src/pumpleak/__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_EXPORTS":
            return ast.literal_eval(node.value)
    return {}


class Tests:
    """Which test files could notice a change of a module."""

    def __init__(self):
        self.texts = {
            p.relative_to(ROOT).as_posix(): p.read_text() for p in (ROOT / "tests").glob("*/test_*.py")
        }
        self.importers, self.names = imports(), exported()

    def naming(self, module: str) -> list[str]:
        """Those that import a module or an exported name of it; the one called after it first."""
        package, _, last = module.rpartition(".")
        pattern = (
            rf"pumpleak\.{re.escape(module)}\b|from pumpleak\.{re.escape(package)} import [^\n]*\b{last}\b"
        )
        if self.names.get(module):
            pattern += rf"|from pumpleak import (\([^)]*|[^\n]*)\b({'|'.join(self.names[module])})\b"
        found = [p for p, text in self.texts.items() if re.search(pattern, text)]
        return sorted(
            found,
            key=lambda p: (
                Path(p).stem != f"test_{last}",
                Path(p).parent.name != package.split(".")[0],
                len(self.texts[p]),
            ),
        )

    def stages(self, module: str) -> list[list[str]]:
        """Files in the order in which they are worth running, each once."""
        own = [p for p in self.texts if Path(p).parent.name == module.split(".")[0]]
        beyond = [p for user in sorted(self.importers[module]) for p in self.naming(user)]
        seen: set[str] = set()
        out = []
        for files in (self.naming(module), own, beyond):
            out.append([p for p in dict.fromkeys(files) if p not in seen])
            seen |= set(files)
        return out


# -- running ---------------------------------------------------------------------------------------


class Copy:
    """A copy of the repository that may be spoilt."""

    def __init__(self, folder: Path):
        self.root = folder / "copy"
        out = [".git", ".venv", "__pycache__", ".*_cache", "results", ".hypothesis"]
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(*out))
        self.env = {**os.environ, "PYTHONPATH": str(self.root / "src"), "CI": "1", "JAX_PLATFORMS": "cpu"}
        self.env.setdefault(
            "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "pumpleak-mutation-programs")
        )
        self.sound: dict[str, bool] = {}

    def put(self, module: str, source: str) -> None:
        path = self.root / "src/pumpleak" / module
        path.write_text(source)
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            old.unlink()  # its time stamp has whole seconds

    def pytest(self, files: list[str], marks: str, seconds: float) -> tuple[int | None, list[str]]:
        """Exit code, None where the time is up; and the tests that failed."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            "-m",
            marks,
            *files,
        ]
        ran = subprocess.Popen(command, cwd=self.root, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip
        try:
            out = ran.communicate(timeout=max(1.0, seconds))[0]
        except subprocess.TimeoutExpired:
            os.killpg(ran.pid, 9)
            ran.communicate()
            return None, []
        return ran.returncode, re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", out, re.M)


def tried(copy: Copy, tests: Tests, place: Place, seconds: float) -> dict:
    """What became of a mutant."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (copy.root / "src/pumpleak" / place.module).read_text()
    mutated = mutate_code(source, get_operator(place.operator)(), place.occurrence)
    assert mutated is not None, place
    changed = [(a, b) for a, b in zip(source.splitlines(), mutated.splitlines(), strict=False) if a != b][:1]
    found = {"name": place.name, **place._asdict(), "change": changed, "outcome": "survived", "by": ""}
    began, stages = time.monotonic(), tests.stages(place.module.removesuffix(".py").replace("/", "."))
    dear = [*stages[0], *stages[1]]
    plain = "not slow and not thorough"
    try:
        for files, marks in [*((s, plain) for s in stages), (dear, "thorough and not slow")]:
            if not files:
                continue
            copy.put(place.module, mutated)
            left = seconds - (time.monotonic() - began)
            code, failed = copy.pytest(files, marks, left) if left > 1 else (None, [])
            copy.put(place.module, source)
            if code is None:
                found["outcome"] = "out of time"
                break
            if code not in (_PASSED, _NONE) and sound_without(copy, failed):
                found |= {"outcome": "caught", "by": (failed or ["import"])[0]}
                break
    finally:
        copy.put(place.module, source)
    return found | {"seconds": round(time.monotonic() - began, 1)}


def sound_without(copy: Copy, failed: list[str]) -> bool:
    """Whether the tests that failed pass without the mutant."""
    for test in failed:
        if "::" in test and test not in copy.sound:
            copy.sound[test] = copy.pytest([test], "slow or not slow", 600)[0] == _PASSED
            if not copy.sound[test]:
                print(f"fails without any mutant: {test}")
    return all(copy.sound.get(t, True) for t in failed)


def report(path: Path) -> None:
    """How many were caught; and the others, one a line."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    counts = Counter(r["outcome"] for r in rows)
    print(", ".join(f"{n} {what}" for what, n in counts.most_common()), f"of {len(rows)}")
    for row in rows:
        if row["outcome"] != "caught":
            print(f"{row['outcome']:12} {row['name']}")
            for a, b in row["change"]:
                print(f"    - {a.strip()}\n    + {b.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", nargs="+", default=PACKAGES)
    parser.add_argument("--minutes", type=float, default=240.0, help="after which no further mutant is begun")
    parser.add_argument("--seconds", type=float, default=240.0, help="of tests for one mutant")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--share", default="0/1", help="K/N: every N-th mutant from the K-th on")
    parser.add_argument("--report", type=Path, help="show what was found")
    arguments = parser.parse_args()
    if arguments.report:
        report(arguments.report)
        return
    began, tests = time.monotonic(), Tests()
    known = (
        {json.loads(x)["name"] for x in arguments.out.read_text().splitlines()}
        if arguments.out.exists()
        else set()
    )
    first, every = map(int, arguments.share.split("/"))
    with tempfile.TemporaryDirectory(prefix="pumpleak-mutation-") as scratch, arguments.out.open("a") as file:
        chosen, copy = drawn(tuple(arguments.packages), arguments.sample, arguments.seed), Copy(Path(scratch))
        for place in chosen[first::every]:
            if place.name in known:
                continue
            if time.monotonic() - began > 60 * arguments.minutes:
                break
            row = tried(copy, tests, place, arguments.seconds)
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"{row['outcome']:12} {row['seconds']:6.1f} s  {row['name']}  {row['by']}", flush=True)
    report(arguments.out)


if __name__ == "__main__":
    main()
