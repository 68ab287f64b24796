"""Which tests run which lines of the code, at what price; and tests run in processes that need not import JAX again.

`Server` forks a process for each run of tests. What takes seconds to import is imported before the fork, pumpleak and the tests
after it: each process reads them anew from the copy of the repository. `Recorder` notes the lines that each test runs, shared
fixtures apart, and their seconds of processor. `Tests` says from those notes which tests could notice that a line is changed.
"""

import ast
import gc
import gzip
import hashlib
import importlib
import importlib.machinery
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest

HEAVY = (
    "jax numpyro.infer numpyro.distributions optax equinox diffrax scipy.stats scipy.optimize scipy.linalg pandas pydantic "
    "pyarrow.parquet yaml xarray arviz_base arviz_stats matplotlib.pyplot jinja2 openpyxl typer rich h5netcdf zarr mpmath"
).split()
_LONGER, _GRACE = (
    10,
    30,
)  # no end: ten times the processor seconds that a test takes without a mutant, and thirty more
_ALWAYS = "-n 0 -p no:cacheprovider -W ignore::pytest.PytestAssertRewriteWarning".split()
_MEMORY = 12 * 2**30  # bytes
_TOOL = sys.monitoring.COVERAGE_ID
_DEAR = (0.5, 5.0)  # seconds of processor that part cheap tests from others


class Test(NamedTuple):
    """A test, its seconds of processor, those of the shared fixtures that it needs, and which test of its function it is."""

    name: str
    seconds: float
    fixtures: dict[str, float]
    nth: int

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]

    @property
    def price(self) -> float:
        return self.seconds + sum(self.fixtures.values())


# -- a process for a run of tests ------------------------------------------------------------------


class Ended(NamedTuple):
    """pytest's exit code, a signal's number below 0, or None where it was given up; tests that failed; the last begun."""

    code: int | None
    failed: list[str]
    last: str


class Server:
    """Forks processes that run tests of a copy of the repository."""

    def __init__(self, root: Path, scratch: Path):
        self.root, self.scratch = root, scratch
        programs = str(Path(tempfile.gettempdir()) / "pumpleak-mutation-programs")
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", programs)
        os.environ |= {"PYTHONPATH": str(root / "src"), "CI": "1", "JAX_PLATFORMS": "cpu"}
        os.environ |= {"OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(scratch)}
        for name in HEAVY:
            importlib.import_module(name)
        from jax._src import xla_bridge

        assert not xla_bridge._backends, "its threads would be lost in a fork"
        gc.collect()
        gc.freeze()  # else each process looks through all of this again

    def run(self, arguments: list[str], plugin: Any, most: float, sound: dict[str, float]) -> Ended:
        """Run pytest with a plugin for at most some seconds; `sound`: processor seconds that tests take without a mutant."""
        log = self.scratch / "begun.jsonl"
        log.write_text("")
        child = os.fork()
        if child == 0:
            self._in_child([*_ALWAYS, *arguments], [plugin, Watch(log, sound)])
        code = _awaited(child, most)
        notes = [json.loads(line) for line in log.read_text().splitlines()]
        begun = [name for what, name in notes if what == "begun"]
        return Ended(
            code, [name for what, name in notes if what == "failed"], begun[-1] if begun else "import"
        )

    def _in_child(self, arguments: list[str], plugins: list[Any]) -> None:
        code = 70
        try:
            os.setsid()
            gc.disable()
            out = os.open(self.scratch / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
            os.chdir(self.root)
            sys.path.insert(0, str(self.root / "src"))
            sys.argv, tempfile.tempdir = ["pytest"], None
            importlib.invalidate_caches()
            code = int(pytest.main(arguments, plugins=plugins))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _awaited(child: int, most: float) -> int | None:
    until, status = time.monotonic() + most, None
    while status is None and time.monotonic() < until:
        done, ended = os.waitpid(child, os.WNOHANG)
        status = ended if done else None
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and what it started
    if status is None:
        os.waitpid(child, 0)
        return None
    return os.waitstatus_to_exitcode(status)


class Watch:
    """Notes which tests begin and fail; a test that takes far longer than it should ends the process by SIGPROF."""

    def __init__(self, log: Path, sound: dict[str, float]):
        self.file, self.sound = log.open("a", buffering=1), sound

    def note(self, what: str, name: str) -> None:
        self.file.write(json.dumps([what, name]) + "\n")

    def pytest_collection_finish(self) -> None:
        import jax

        gc.enable()
        jax.config.update(
            "jax_persistent_cache_min_compile_time_secs", 0.0
        )  # many small programs, many processes

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self.note("begun", item.nodeid)
        if item.nodeid in self.sound:
            signal.setitimer(signal.ITIMER_PROF, _GRACE + _LONGER * self.sound[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.note("failed", report.nodeid)


class Chosen:
    """Only some tests, in an order."""

    def __init__(self, names: list[str]):
        self.order = {name: i for i, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((x for x in items if x.nodeid in self.order), key=lambda x: self.order[x.nodeid])


# -- what tests run --------------------------------------------------------------------------------


class Recorder:
    """Notes lines of the package and processor seconds by test, by shared fixture ("fixture x") and while importing ("")."""

    def __init__(self, source: Path, out: Path, key: dict[str, str]):
        self.source, self.out, self.key = f"{source}/", out, key
        self.at, self.since = "", 0.0
        self.lines: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.seconds: dict[str, float] = defaultdict(float)
        self.items: dict[str, pytest.Item] = {}
        self.passed: dict[str, bool] = {}

    def pytest_sessionstart(self) -> None:
        self.since = _clock()
        sys.monitoring.use_tool_id(_TOOL, "mutation")
        sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, self._line)
        loader: Any = importlib.machinery.SourceFileLoader
        read = loader.get_code

        def get_code(this: Any, fullname: str) -> CodeType:
            code = read(this, fullname)
            if code.co_filename.startswith(self.source):
                _watch(code)
            return code

        loader.get_code = get_code

    def _line(self, code: CodeType, line: int) -> Any:
        self.lines[self.at][code.co_filename.removeprefix(self.source)] |= 1 << line
        return sys.monitoring.DISABLE

    def go_to(self, at: str) -> None:
        now = _clock()
        self.seconds[self.at] += now - self.since
        self.at, self.since = at, now
        sys.monitoring.restart_events()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        self.items[item.nodeid] = item
        self.go_to(item.nodeid)
        out = yield
        self.go_to("")
        return out

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[Any]:
        before = self.at
        if fixturedef.scope != "function":
            self.go_to(f"fixture {fixturedef.argname}")
        out = yield
        if fixturedef.scope != "function":
            self.go_to(before)
        return out

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        good = report.passed if report.when == "call" else not report.failed and not report.skipped
        self.passed[report.nodeid] = self.passed.get(report.nodeid, True) and good

    def pytest_sessionfinish(self) -> None:
        tests = {
            name: [f for f in getattr(item, "fixturenames", ()) if f"fixture {f}" in self.lines]
            for name, item in self.items.items()
            if self.passed.get(name)
        }
        lines = {at: {m: f"{bits:x}" for m, bits in of.items()} for at, of in self.lines.items()}
        row = self.key | {"tests": tests, "seconds": self.seconds, "lines": lines}
        with gzip.open(self.out, "at") as file:
            file.write(json.dumps(row) + "\n")


def _watch(code: CodeType) -> None:
    sys.monitoring.set_local_events(_TOOL, code, sys.monitoring.events.LINE)
    for part in code.co_consts:
        if isinstance(part, CodeType):
            _watch(part)


def _clock() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def learn(server: Server, notes: Path) -> None:
    """Run every file of tests that is not in the notes as it stands; plain tests of all files first, then the thorough ones."""
    known = {(row["file"], row["marks"], row["digest"]) for row in _rows(notes)}
    for marks in ("not slow and not thorough", "thorough and not slow"):
        for file in _test_files(server.root):
            key = {"file": file, "marks": marks, "digest": _digest(server.root, file)}
            if tuple(key.values()) in known:
                continue
            began = time.monotonic()
            recorder = Recorder(server.root / "src/pumpleak", notes, key)
            ended = server.run(["-m", marks, file], recorder, 3600, {})
            print(f"{time.monotonic() - began:6.1f} s  {file} ({marks}): {ended.code}, failed: {ended.failed}", flush=True)  # fmt: skip


def _rows(notes: Path) -> Iterator[dict]:
    if notes.exists():
        with gzip.open(notes, "rt") as file:
            yield from map(json.loads, file)


def _test_files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in (root / "tests").rglob("test_*.py"))


def _digest(root: Path, file: str) -> str:
    texts = (root / file).read_bytes() + (root / "tests/conftest.py").read_bytes()
    return hashlib.sha256(texts).hexdigest()[:16]


# -- which tests could notice ----------------------------------------------------------------------


class Tests:
    """What the notes say of the tests as they stand."""

    def __init__(self, root: Path, notes: Path):
        digests = {file: _digest(root, file) for file in _test_files(root)}
        rows = {(r["file"], r["marks"]): r for r in _rows(notes) if digests.get(r["file"]) == r["digest"]}
        self.all: list[Test] = []
        self.runs: dict[str, list[tuple[Test, int]]] = defaultdict(list)
        self.imported: dict[str, int] = defaultdict(int)
        for row in rows.values():
            self._add(row)
        self.seconds = {test.name: test.price for test in self.all}

    def _add(self, row: dict) -> None:
        lines = {at: {m: int(bits, 16) for m, bits in of.items()} for at, of in row["lines"].items()}
        for module, bits in lines.get("", {}).items():
            self.imported[module] |= bits
        count: dict[str, int] = defaultdict(int)
        for name, fixtures in row["tests"].items():
            function = name.partition("[")[0]
            shared = {f: row["seconds"].get(f"fixture {f}", 0.0) for f in fixtures}
            test = Test(name, row["seconds"][name], shared, count[function])
            count[function] += 1
            self.all.append(test)
            of: dict[str, int] = defaultdict(int)
            for at in (name, *(f"fixture {f}" for f in fixtures)):
                for module, bits in lines.get(at, {}).items():
                    of[module] |= bits
            for module, bits in of.items():
                self.runs[module].append((test, bits))

    def that_run(self, module: str, source: str, line: int, users: list[str]) -> dict[str, tuple[Test, bool]]:
        """Those that run a statement, and whether they run its very line, or its body where it has one.

        Where it runs while the module is imported, those that run the module or its users.
        """
        lines, core = statement(source, line)
        mask = sum(1 << x for x in lines)
        found = {t.name: (t, bool(bits >> core & 1)) for t, bits in self.runs[module] if bits & mask}
        if self.imported[module] & mask or not in_function(source, line):
            for other in (module, *users):
                runs = (t for t, bits in self.runs[other] if bits & ~self.imported[other])
                found = {t.name: (t, True) for t in runs} | found
        return found

    def stages(self, module: str, source: str, line: int, users: list[str]) -> list[list[Test]]:
        """Tests to run one after another: cheap ones before dear ones, in each those of the module's package first.

        The last are the other tests of the package's files among them: what is compiled or cached runs a line once a process.
        """
        at = self.that_run(module, source, line, users)
        found = [test for test, _ in at.values()]
        package, *own = Path(module).with_suffix("").parts

        def rank(test: Test) -> int:
            path = Path(test.file)
            return 2 if path.parent.name != package else path.stem not in {f"test_{name}" for name in own}

        def stage(test: Test) -> tuple[bool, bool]:
            return test.price > _DEAR[0], rank(test) > 1

        def order(test: Test) -> tuple:
            aside = test.name in at and not at[test.name][1]
            return (
                *stage(test),
                aside,
                test.price > _DEAR[1],
                test.nth > 2,
                rank(test),
                test.file,
                test.price,
            )

        out: dict[tuple[bool, bool], list[Test]] = {}
        for test in sorted(found, key=order):
            out.setdefault(stage(test), []).append(test)
        names, files = {t.name for t in found}, {t.file for t in found if rank(t) < 2}
        beside = [
            t for t in self.all if t.name not in names and (t.file in files or not found and rank(t) == 0)
        ]
        return [*out.values(), sorted(beside, key=order)]


def within(tests: list[Test], seconds: float) -> list[Test]:
    """The first of them, as many as take so long together."""
    out, spent, made = [], 0.0, set()
    for test in tests:
        new = {(test.file, f): s for f, s in test.fixtures.items() if (test.file, f) not in made}
        spent += test.seconds + sum(new.values())
        if spent > seconds:
            break
        made |= set(new)
        out.append(test)
    return out


def statement(source: str, line: int) -> tuple[range, int]:
    """The lines of the statement that a line belongs to, and that line; of one with a body, its head's and the body's first."""
    over = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line)
    ]
    if not over:  # a decorator
        return range(line, line + 1), line
    node = max(over, key=lambda x: x.lineno)
    body = getattr(node, "body", None)
    if not body:
        return range(node.lineno, (node.end_lineno or line) + 1), line
    if line < body[0].lineno:
        return range(node.lineno, body[0].lineno), body[0].lineno
    return range(line, line + 1), line


def in_function(source: str, line: int) -> bool:
    """Whether a line is run when a function is called."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body[0].lineno <= line <= (node.end_lineno or line)
        for node in ast.walk(ast.parse(source))
    )
