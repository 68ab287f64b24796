"""What the README promises, run as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

from pumpleak import infer, load_cell, load_problem, load_result, predict

ROOT = Path(__file__).parents[1]


@pytest.mark.thorough
def test_the_example_passes_its_own_gate_with_default_settings():
    verdict = infer(load_problem(ROOT / "configs" / "crayfish_muscle.yaml")).verdict
    assert verdict.usable and verdict.fits, verdict.lines()


@pytest.mark.thorough
@pytest.mark.filterwarnings("default")
def test_the_python_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cell, table = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    exec(compile(cell, "README.md", "exec"), {})
    assert "stable: True" in capsys.readouterr().out
    exec(compile(table, "README.md", "exec"), {})
    assert (tmp_path / "results/mine/report.html").is_file()
    # A problem made in Python is saved with a config that makes the same problem.
    saved = load_result(tmp_path / "results/mine")
    again = infer(load_problem(tmp_path / "results/mine/config.yaml"))
    np.testing.assert_allclose(again.table["median"], saved.table["median"], rtol=1e-6)


def test_every_shipped_config_is_in_order_and_the_purkinje_one_gives_the_published_e_k():
    for path in sorted((ROOT / "configs").glob("cell_*.yaml")):
        load_cell(path)
    for path in sorted(set((ROOT / "configs").glob("*.yaml")) - set((ROOT / "configs").glob("cell_*.yaml"))):
        with pytest.warns() if "ehrlich" in path.name or "batch" in path.name else _nothing():
            load_problem(path)
    table = predict(load_problem(ROOT / "configs" / "purkinje_fibre.yaml"))
    np.testing.assert_allclose(table["E_K_mV"], [-119.0, -100.6, -63.6], atol=0.6)


def _nothing():
    import contextlib

    return contextlib.nullcontext()
