"""Double precision for every test, one comparison with tolerances by dtype, one Hypothesis profile."""

import atexit
import gc
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import hypothesis
import jax
import numpy as np
import pytest

from pumpleak.errors import InputWarning

jax.config.update("jax_enable_x64", True)

# A program that several tests, their subprocesses or a notebook's kernel need is compiled once in a run.
_PROGRAMS = tempfile.TemporaryDirectory(prefix="pumpleak-tests-")
atexit.register(_PROGRAMS.cleanup)
for _name, _value in {
    "jax_compilation_cache_dir": os.environ.get("JAX_COMPILATION_CACHE_DIR", _PROGRAMS.name),
    "jax_persistent_cache_min_compile_time_secs": 0.1,
}.items():
    os.environ[_name.upper()] = str(_value)
    jax.config.update(_name, _value)

# Files that take longest: begun last, one of them would run alone at the end.
DEAREST = (
    "test_notebooks",
    "cell/test_steady",
    "cell/test_simulate",
    "models/test_pump_leak",
    "inference/test_infer",
)


def pytest_collection_modifyitems(items):
    def rank(item):
        name = item.path.relative_to(Path(__file__).parent).with_suffix("").as_posix()
        return DEAREST.index(name) if name in DEAREST else len(DEAREST)

    items.sort(key=rank)


# Thousands of traced programs stay alive: the collector would walk through them all again and again.
gc.set_threshold(50_000, 20, 50)

hypothesis.settings.register_profile("local", deadline=None, max_examples=40, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

# Relative and absolute, by dtype: some hundred roundings.
TOLERANCES = {"float64": (1e-12, 1e-12), "float32": (2e-5, 2e-5)}


def _assert_close(actual, desired, *, rtol=None, atol=None):
    """Equal within tolerances of the coarser dtype; shapes must match, NaN equals NaN, inf equals inf."""
    actual, desired = np.asarray(actual), np.asarray(desired)
    coarse = np.float32 if np.float32 in (actual.dtype, desired.dtype) else np.float64
    default_rtol, default_atol = TOLERANCES[np.dtype(coarse).name]
    rtol = default_rtol if rtol is None else rtol
    atol = default_atol if atol is None else atol
    assert actual.shape == desired.shape, f"shape {actual.shape}, expected {desired.shape}"
    np.testing.assert_allclose(actual, desired, rtol=rtol, atol=atol)


@pytest.fixture(scope="session")
def assert_close():
    return _assert_close


@pytest.fixture(scope="session")
def reference_cases():
    """Independent numbers by case id: parameters in, answers out."""
    path = Path(__file__).parent / "data" / "reference_cases.json"
    return {case["id"]: case for case in json.loads(path.read_text(encoding="utf-8"))["cases"]}


@pytest.fixture
def strict_promotion():
    """No silent promotion between dtypes: what a test of an array function runs under."""
    with jax.numpy_dtype_promotion("strict"):
        yield


# -- the command line ----------------------------------------------------------------------------


class Ran(NamedTuple):
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs a command line in this process, as the console script would."""
    from pumpleak.cli import main as module

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pumpleak", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        with warnings.catch_warnings():
            warnings.simplefilter("default", InputWarning)  # the command line prints these
            try:
                module.main()
            except SystemExit as stop:
                code = stop.code or 0
        return Ran(code, *capsys.readouterr())

    return run


def listing(folder):
    """Every file and folder below `folder`, with the files' bytes."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None
        for p in Path(folder).rglob("*")
    }


@pytest.fixture(scope="session")
def folder_listing():
    return listing


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made but not drawn, which is most of a report's time."""
    monkeypatch.setattr("pumpleak.reports.style.image_of", lambda draw, kind: draw() and b"")


# -- a small problem that several files look at --------------------------------------------------

TITRATION = """\
label,T_degC,K_o_mM,K_i_mM,Na_o_mM,Na_i_mM,V_m_mV,V_m_sem_mV
a,22,2.5,140,147.5,10,-86.2,1
b,22,5,140,145,10,-75.3,1
c,22,20,140,130,10,-46.4,1
d,22,60,140,90,10,-20.3,1
"""


@pytest.fixture(scope="session")
def titration(tmp_path_factory):
    """A folder with cells.csv and cells.yaml: a potassium titration with P_Na/P_K unknown."""
    folder = tmp_path_factory.mktemp("titration")
    (folder / "cells.csv").write_text(TITRATION)
    (folder / "cells.yaml").write_text(
        "title: A titration\nmodel: ghk\nions: [K, Na]\ndata: cells.csv\nquantities:\n"
        "  P_Na_rel: {prior: lognormal, median: 0.05, factor: 3}\n"
        "  V_offset_mV: {prior: normal, mean: 0, sd: 2}\n"
        "  LJP_mV: 0\n  extra_V_m_mV: 0\n"
    )
    return folder


@pytest.fixture(scope="session")
def inferred(titration):
    """The posterior of `titration`: 2 chains of 200 + 300."""
    from pumpleak import infer, load_problem

    return infer(load_problem(titration / "cells.yaml"), chains=2, warmup=200, draws=300, seed=3, retry=False)


FRESH = """\
import json, jax, jax.numpy as jnp, numpy as np
before = dict(jax.config.values)
import pumpleak
for name in pumpleak.__all__:
    getattr(pumpleak, name)
import pumpleak.cli.main
unchanged, dtype = dict(jax.config.values) == before, str(jnp.ones(2).dtype)
problem = pumpleak.load_problem({config!r})
result = pumpleak.infer(problem, chains=2, warmup=200, draws=300, seed=3, retry=False)
draws = np.asarray(result.tree["posterior"]["P_Na_rel"])
print(json.dumps({{
    "settings unchanged": unchanged, "dtype of jnp.ones": dtype,
    "x64 at the end": bool(jax.config.jax_enable_x64), "dtype of draws": str(draws.dtype),
    "draws": draws.ravel().tolist(), "predicted": pumpleak.predict(problem)["V_m_mV"].iloc[0],
}}))
"""


@pytest.fixture(scope="session")
def fresh(titration):
    """What a Python saw that set nothing in JAX, imported all of pumpleak and sampled as `inferred` does."""
    code = FRESH.format(config=str(titration / "cells.yaml"))
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout.splitlines()[-1])


# -- a model whose posterior is known in closed form ----------------------------------------------


@pytest.fixture(scope="session")
def toys():
    """Registers the toy models `line` (a + b·x), `total` (a + b), `product` (a·b), `square` and `two_wells`."""
    import jax.numpy as jnp

    from pumpleak import Quantity, register_model
    from pumpleak.models.registry import list_models

    if "line" in list_models():
        return
    free = [Quantity(q, "mV", q, None, -np.inf) for q in ("a", "b")]
    positive = [Quantity(q, "1", q) for q in ("a", "b")]
    x = Quantity("x", "1", "abscissa", None, -np.inf)
    register_model("line", quantities=[*free, x])(lambda v, _: v["a"] + v["b"] * v["x"])
    register_model("total", quantities=free)(lambda v, _: v["a"] + v["b"])
    register_model("product", quantities=positive)(lambda v, _: 10 * jnp.log(v["a"] * v["b"]))
    register_model("two_wells", quantities=[free[0]])(lambda v, _: (v["a"] ** 2 - 4) * 3 + 0.5 * v["a"])
    register_model("square", quantities=[free[0]])(lambda v, _: v["a"] ** 2)
    register_model("funnel", quantities=free)(lambda v, _: v["b"] * jnp.exp(v["a"] / 2))
    register_model("no_answer", quantities=[free[0]])(
        lambda v, _: {"V_m": jnp.sqrt(jnp.maximum(v["a"], 0.1)), "ok": v["a"] > 0.5}
    )


LINE = {"x": [0.0, 1.0, 2.0, 5.0], "V_m_mV": [1.0, 2.5, 2.0, 6.5], "V_m_sem_mV": [0.5, 1.0, 0.5, 2.0]}


class Line(NamedTuple):
    """The straight line's problem, and its posterior and likelihood by linear algebra."""

    problem: object
    mean: np.ndarray
    covariance: np.ndarray
    ml: np.ndarray
    ml_covariance: np.ndarray
    information: np.ndarray


@pytest.fixture(scope="session")
def line(toys):
    import pandas as pd

    from pumpleak import make_problem, normal, read_table

    table = read_table(pd.DataFrame(LINE), quantities=("x",))
    quantities = {"a": normal(0, 3), "b": normal(2, 1), "extra_V_m": 0.0}
    problem = make_problem(table, quantities, model="line", title="line")
    X = np.column_stack([np.ones(4), LINE["x"]])
    W = np.diag(1 / np.array(LINE["V_m_sem_mV"]) ** 2)
    y, prior_mean, prior = np.array(LINE["V_m_mV"]), np.array([0.0, 2.0]), np.diag([9.0, 1.0])
    fisher = X.T @ W @ X
    covariance = np.linalg.inv(fisher + np.linalg.inv(prior))
    mean = covariance @ (X.T @ W @ y + np.linalg.inv(prior) @ prior_mean)
    ml_covariance = np.linalg.inv(fisher)
    white = np.diag([3.0, 1.0])
    return Line(problem, mean, covariance, ml_covariance @ X.T @ W @ y, ml_covariance, white @ fisher @ white)


@pytest.fixture(scope="session")
def line_result(line):
    from pumpleak import infer

    return infer(line.problem, chains=4, warmup=300, draws=1000, seed=5)


@pytest.fixture
def plate(tmp_path, monkeypatch):
    """A folder with the config of a plate and its table, and an engine that takes no time; it is the working one."""
    import fake_ladder
    import plates

    plates.write(tmp_path)
    fake_ladder.install(monkeypatch.setattr)
    monkeypatch.chdir(tmp_path)
    return tmp_path
