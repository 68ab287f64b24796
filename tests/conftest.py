"""Double precision for every test, one comparison with tolerances by dtype, one Hypothesis profile."""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import hypothesis
import jax
import numpy as np
import pytest

from pumpleak.errors import InputWarning

jax.config.update("jax_enable_x64", True)

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
    from pumpleak import cli as module

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

    return infer(load_problem(titration / "cells.yaml"), chains=2, warmup=200, draws=300, seed=3)
