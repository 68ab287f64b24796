import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import pumpleak

PHYSICS = ["charge", "conductance", "donnan", "ghk", "ions", "nernst", "pumps", "solutions"]


def run(code):
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_root_loads_no_jax():
    run("import sys, pumpleak; dir(pumpleak); assert 'jax' not in sys.modules")


def test_physics_loads_jax_and_equinox_only_and_leaves_jax_as_it_was():
    run(
        "import sys, pumpleak; pumpleak.ghk_voltage; import jax\n"
        "heavy = 'numpyro arviz arviz_base xarray pydantic pandas matplotlib optax scipy.stats'.split()\n"
        "loaded = set(heavy) & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "assert not jax.config.jax_enable_x64"
    )


def test_every_export_resolves():
    for name in pumpleak.__all__:
        assert getattr(pumpleak, name) is not None
    assert set(dir(pumpleak)) == set(pumpleak.__all__)
    with pytest.raises(AttributeError, match="no attribute 'ghk_volts'"):
        _ = pumpleak.ghk_volts


def test_type_checkers_see_the_exports_that_exist():
    tree = ast.parse(Path(pumpleak.__file__).read_text(encoding="utf-8"))
    (block,) = [n for n in tree.body if isinstance(n, ast.If)]
    seen = {(node.module, alias.asname) for node in block.body for alias in node.names}
    assert seen == {(module, name) for module, names in pumpleak._EXPORTS.items() for name in names}


@pytest.mark.parametrize("name", PHYSICS)
def test_docstring_examples(name):
    module = importlib.import_module(f"pumpleak.{name}")
    result = doctest.testmod(module)
    assert result.failed == 0 and result.attempted > 0
    for export in pumpleak._EXPORTS[name]:
        assert getattr(module, export).__doc__
