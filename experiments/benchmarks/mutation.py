"""Which small faults put into the code do the tests notice? A sample of mutants, with a fixed seed, in bounded time.

    uv run --group mutation python experiments/benchmarks/mutation.py --sample 300 --seed 1 --minutes 240 --out mutants
    uv run --group mutation python experiments/benchmarks/mutation.py --report --out mutants
    uv run --group mutation python experiments/benchmarks/mutation.py --again --out mutants      # after tests were added

Mutants are cosmic-ray's: a sign, a comparison, a number, a truth turned round, a loop that does not run. A place of the code
is drawn, then one of the mutants there. Each is put into a copy of the repository, and the tests that run its line
(`mutation_tests.py`) run until one fails, cheapest first and those of its own package before others. A catch counts where
the test that failed passes without the mutant. A test that takes ten times its processor time does not end: that is a catch.

`--out` is a folder: the copy, whose `src` stays as it was first; what each test runs, noted anew for each file of tests that has
changed; and the mutants tried, which are not tried again unless `--again` asks for those that nothing caught.
Mutants that change nothing anybody could notice are in `mutation_equivalent.csv`, each with the reason.
"""

import argparse
import ast
import csv
import json
import shutil
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mutation_tests import Chosen, Ended, Server, Tests, learn, within

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("mutation_equivalent.csv")
#: Arguments that refuse what sound code does not do: without them nothing changes.
GUARDS = ("strict", "frozen")
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


def places(source: Path, packages: tuple[str, ...]) -> Iterator[list[Place]]:
    """For each place in the code, the mutants there."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    known = [name for name in operator_names() if any(fnmatch(name, x) for x in OPERATORS)]
    for package in packages:
        for path in sorted((source / package).rglob("*.py")):
            module, tree = path.relative_to(source).as_posix(), get_ast_from_path(path)
            alone, found = left_alone(path.read_text()), defaultdict(list)
            for name in known:
                operator = get_operator(name)()
                spots = (s for node in ast_nodes(tree) for s in operator.mutation_positions(node))
                for occurrence, (start, _) in enumerate(spots):
                    if start[0] not in alone:
                        found[start].append(Place(module, start[0], name, occurrence))
            yield from found.values()


def drawn(source: Path, packages: tuple[str, ...], n: int, seed: int) -> list[Place]:
    rng, groups = np.random.default_rng(seed), list(places(source, packages))
    order = rng.permutation(len(groups))[:n]
    return [groups[i][int(rng.integers(len(groups[i])))] for i in order]


# -- one mutant -------------------------------------------------------------------


def imports(source: Path) -> dict[str, set[str]]:
    """Module -> the modules that import it, by their paths below the package."""
    out: dict[str, set[str]] = defaultdict(set)
    for path in source.rglob("*.py"):
        parts = path.relative_to(source).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = [*parts[: len(parts) - node.level], *(node.module or "").split(".")]
                stem = ".".join(x for x in base if x)
                for name in (stem, *(f"{stem}.{a.name}".strip(".") for a in node.names)):
                    out[f"{name.replace('.', '/')}.py"].add(path.relative_to(source).as_posix())
    return out


class Copy:
    """A copy of the repository that may be spoilt: the sources as they were first, the rest as it is now."""

    def __init__(self, folder: Path):
        self.root = folder / "copy"
        out = [".git", ".venv", "__pycache__", ".*_cache", "results", ".hypothesis", folder.name]
        first = not self.root.exists()
        if not first:
            out.append("src")
            shutil.rmtree(self.root / "tests")
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(*out), dirs_exist_ok=True)
        self.source = self.root / "src/pumpleak"

    def put(self, module: str, source: str) -> None:
        path = self.source / module
        path.write_text(source)
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            old.unlink()  # its time stamp has whole seconds


class Trial:
    """Puts mutants to the test."""

    def __init__(self, copy: Copy, server: Server, tests: Tests, seconds: float):
        self.copy, self.server, self.tests, self.seconds = copy, server, tests, seconds
        self.users, self.sound = imports(copy.source), dict[str, bool]()

    def run(self, names: list[str]) -> Ended:
        files = dict.fromkeys(name.partition("::")[0] for name in names)
        most = 300 + 10 * self.seconds
        return self.server.run(["-x", "-m", "", *files], Chosen(names), most, self.tests.seconds)

    def of(self, place: Place) -> dict:
        """What became of a mutant."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        source = (self.copy.source / place.module).read_text()
        mutated = mutate_code(source, get_operator(place.operator)(), place.occurrence)
        assert mutated is not None, place
        changed = [(a, b) for a, b in zip(source.splitlines(), mutated.splitlines(), strict=False) if a != b][:1]  # fmt: skip
        found = {"name": place.name, **place._asdict(), "change": changed, "outcome": "survived", "by": ""}
        began, users = time.monotonic(), sorted(self.users[place.module])
        *stages, beside = self.tests.stages(place.module, source, place.line, users)
        found["tests"] = sum(map(len, stages))
        for stage in [*stages, beside]:
            chosen = within(stage, self.seconds)
            if len(chosen) < len(stage) and stage is not beside:
                found["outcome"] = "dear tests untried"
            by = self.caught(place, source, mutated, [test.name for test in chosen])
            if by is not None:
                found |= {"outcome": "caught" if by else "out of time", "by": by}
                break
        return found | {"seconds": round(time.monotonic() - began, 1)}

    def caught(self, place: Place, source: str, mutated: str, names: list[str]) -> str | None:
        """The test that notices a mutant; "" where the time was up, None where none does."""
        while names:
            self.copy.put(place.module, mutated)
            try:
                ended = self.run(names)
            finally:
                self.copy.put(place.module, source)
            if ended.code in (_PASSED, _NONE):
                return None
            if ended.code is None:
                return ""
            if ended.code < 0:
                return f"{ended.last} does not end" if ended.code == -signal.SIGPROF else ended.last
            unsound = [name for name in ended.failed if not self.passes(name)]
            if not unsound:
                return (ended.failed or ["import"])[0]
            names = [name for name in names if name not in unsound]
        return None

    def passes(self, name: str) -> bool:
        """Whether a test passes without a mutant."""
        if name not in self.sound:
            self.sound[name] = self.run([name]).code == _PASSED
            if not self.sound[name]:
                print(f"fails by itself without any mutant: {name}")
        return self.sound[name]


# -- report ----------------------------------------------------------------------------------------


def tried(path: Path) -> dict[str, dict]:
    """Name -> what became of a mutant at last."""
    rows = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {row["name"]: row for row in rows}


def equivalent() -> set[tuple[str, str, str]]:
    """Module, line before and line after of mutants that change nothing anybody could notice."""
    with EQUIVALENT.open(encoding="utf-8", newline="") as file:
        return {(row["module"], row["before"], row["after"]) for row in csv.DictReader(file)}


def report(path: Path) -> None:
    """How many were caught; and the others, one a line."""
    rows, same = list(tried(path).values()), equivalent()
    for row in rows:
        before, after = (text.strip() for text in row["change"][0])
        unguarded = any(before.replace(f"{x}=True", f"{x}=False") == after for x in GUARDS)
        if row["outcome"] != "caught" and (unguarded or (row["module"], before, after) in same):
            row["outcome"] = "equivalent"
    counts = Counter(row["outcome"] for row in rows)
    print(", ".join(f"{n} {what}" for what, n in counts.most_common()), f"of {len(rows)}")
    print(
        f"caught of those not equivalent: {counts['caught'] / max(1, len(rows) - counts['equivalent']):.1%}"
    )
    for package, of in groupby(sorted(rows, key=_package), key=_package):
        inside = Counter(row["outcome"] for row in of)
        print(f"  {package:12} {inside['caught']:3} of {inside.total() - inside['equivalent']:3}")
    for row in rows:
        if row["outcome"] not in ("caught", "equivalent"):
            print(f"{row['outcome']:12} {row['name']} ({row['tests']} tests run it)")
            for a, b in row["change"]:
                print(f"    - {a.strip()}\n    + {b.strip()}")


def _package(row: dict) -> str:
    return row["module"].partition("/")[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", nargs="+", default=PACKAGES)
    parser.add_argument("--minutes", type=float, default=240.0, help="after which no further mutant is begun")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="of processor for each of four stages of tests"
    )
    parser.add_argument("--out", type=Path, default=Path("mutants"), help="a folder")
    parser.add_argument("--again", action="store_true", help="try again what nothing caught")
    parser.add_argument("--report", action="store_true", help="only show what was found")
    arguments = parser.parse_args()
    record = arguments.out / "mutants.jsonl"
    if not arguments.report:
        try_all(arguments, record)
    report(record)


def try_all(arguments: argparse.Namespace, record: Path) -> None:
    began, copy = time.monotonic(), Copy(arguments.out.resolve())
    done = {n for n, row in tried(record).items() if row["outcome"] == "caught" or not arguments.again}
    chosen = drawn(copy.source, tuple(arguments.packages), arguments.sample, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="pumpleak-mutation-") as scratch, record.open("a") as file:
        server, notes = Server(copy.root, Path(scratch)), arguments.out.resolve() / "tests.jsonl.gz"
        learn(server, notes)
        trial = Trial(copy, server, Tests(copy.root, notes), arguments.seconds)
        for place in chosen:
            if place.name in done:
                continue
            if time.monotonic() - began > 60 * arguments.minutes:
                break
            row = trial.of(place)
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"{row['outcome']:12} {row['seconds']:6.1f} s  {row['name']}  {row['by']}", flush=True)


if __name__ == "__main__":
    main()
