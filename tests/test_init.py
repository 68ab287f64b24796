import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import pumpleak

#: Examples that sample, or compile for long.
DEAR = set(
    "simulate Event TimeCourse sweep Sweep remedies Remedy infer infer_batch Batch load_batch Result load_result"
    " Verdict report Study load_study identify sensitivity design compare calibrate contrast".split()
)
NAMES = [pytest.param(n, marks=pytest.mark.slow) if n in DEAR else n for n in pumpleak._MODULES]


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


@pytest.fixture
def own_registries(monkeypatch):
    """What an example registers is gone after it."""
    from pumpleak.models import registry
    from pumpleak.quantities import ions

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(ions, "IONS", dict(ions.IONS))


@pytest.mark.parametrize("name", NAMES)
def test_docstring_examples(name, own_registries, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"pumpleak.{pumpleak._MODULES[name]}")
    export, runner = getattr(module, name), doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder().find(export, name, module=module):
        runner.run(test)
    result = runner.summarize(verbose=False)
    assert result.failed == 0 and result.attempted > 0


@pytest.mark.parametrize("name", pumpleak._MODULES)
def test_docstrings_say_what_goes_in_and_what_comes_out(name):
    export = getattr(pumpleak, name)
    text = inspect.getdoc(export) or ""
    assert "SKIP" not in text
    headings = set(re.findall(r"^(\w+):$", text, re.M))
    if inspect.isclass(export):
        fields = not issubclass(export, Warning) and getattr(export, "__dataclass_fields__", True) != {}
        assert "Example" in headings and ("Attributes" in headings) >= fields
        return
    takes = inspect.signature(export).parameters
    assert {"Example", "Returns"} <= headings, name
    assert "Args" in headings or not takes
