"""Double precision for every test, one comparison with tolerances by dtype, one Hypothesis profile."""

import json
import os
from pathlib import Path

import hypothesis
import jax
import numpy as np
import pytest

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
