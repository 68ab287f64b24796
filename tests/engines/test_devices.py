"""A batch over a mesh of one, two and four devices (a CPU seen as so many): the same numbers, on all of them, and none asks another."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

# One process has four devices and sends the same 48 cells, eight at a time on each, over the first one, two and four.
BATCH = """\
import json, sys
import jax, numpy as np, pandas as pd
from pumpleak import lognormal, make_problem, read_table
from pumpleak.engines.ladder import Settings, _Programs, cell_keys

jax.config.update("jax_enable_x64", True)
K_o, n = np.array([5.0, 20.0]), 48
table = pd.DataFrame({"K_o_mM": K_o, "Na_o_mM": 150 - K_o, "V_m_mV": -70.0, "V_m_sd_mV": 1.0})
given = {"T": 310.15, "P_Na_rel": lognormal(0.05, 2), "K_i": 140.0, "Na_i": 12.0, "extra_V_m": 0.0}
problem = make_problem(read_table(table), given)
P = 0.05 * 2 ** np.random.default_rng(1).standard_normal((n, 1))
V_m = 26.7267 * np.log((K_o + P * (150 - K_o)) / (140 + P * 12))
arrays = jax.tree.map(lambda a: np.broadcast_to(a, (n, *np.shape(a))), problem.arrays)._replace(value=V_m)
keys = cell_keys(np.array([f"cell {i}" for i in range(n)]), 1)

settings, every, said = Settings(engine="importance", draws=4, width=8), jax.local_devices(), {}
said["there"] = len(every)
for devices in (1, 2, 4):
    programs, used, made = _Programs(problem, settings, every[:devices]), set(), []
    first = programs.first

    def watched(*block):
        if not made:
            made.append(first.lower(*block).compile())
            said[f"text {devices}"] = made[0].as_text()
        found = made[0](*block)
        used.update(str(d) for x in jax.tree.leaves(found) for d in x.devices())
        return found

    programs.first = watched
    out = programs.solve(arrays, keys, lambda done: None)
    np.savez(f"{sys.argv[1]}/{devices}.npz", **out)
    said[devices] = sorted(used)
print(json.dumps(said))
"""
# Each device compiles its own: without the compiler's dearest passes.
FLAGS = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"


pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """What the process said of its devices, and by their number the cells' arrays."""
    folder = tmp_path_factory.mktemp("devices")
    ran = subprocess.run(
        [sys.executable, "-c", BATCH, str(folder)],
        env=os.environ | {"XLA_FLAGS": FLAGS, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1]), {n: dict(np.load(folder / f"{n}.npz")) for n in (1, 2, 4)}


def test_every_device_is_used(solved):
    said, _ = solved
    assert said["there"] == 4
    assert [len(said[str(n)]) for n in (1, 2, 4)] == [1, 2, 4]


def test_no_device_asks_another(solved):
    said, _ = solved
    for n in (1, 2, 4):
        assert " while(" in said[f"text {n}"]
        assert not re.search(r"all-reduce|all-gather|all-to-all|collective-permute", said[f"text {n}"])


def test_numbers_do_not_depend_on_the_devices(solved):
    _, found = solved
    assert (found[1]["status"] == 0).all() and len(set(found[1]["rung"])) == 1
    for n in (2, 4):
        assert found[n].keys() == found[1].keys()
        for name, values in found[1].items():
            np.testing.assert_allclose(
                found[n][name], values, rtol=1e-9, atol=1e-12, err_msg=f"{name}, {n} devices"
            )
