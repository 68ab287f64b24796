import ast
import doctest
import importlib
from pathlib import Path

import pytest

import pumpleak

PHYSICS = [
    "physics.charge",
    "physics.chord",
    "physics.donnan",
    "physics.ghk",
    "physics.mullins_noda",
    "physics.nernst",
    "physics.solutions",
    "quantities.ions",
]


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
