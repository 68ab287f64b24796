"""What CONTRIBUTING.md and every other page say of the tree is so: packages, rules, files, modules and names."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pumpleak

ROOT = Path(__file__).parents[1]
FOLDER = Path(pumpleak.__file__).parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def rows(title):
    """The cells of the table under a heading."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def literal(path, name):
    """The value of a name that a test assigns as plain data."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path.name} has no {name}")


def test_the_map_has_the_sentence_over_every_door():
    found = {name.strip("`"): sentence for name, sentence, _ in rows("The map")}
    for name, sentence in found.items():
        assert sentence == importlib.import_module(f"pumpleak.{name}").__doc__, name
    assert set(found) == {m.name for m in pkgutil.iter_modules([str(FOLDER)]) if m.ispkg}


def test_the_map_has_the_rule_that_the_imports_keep():
    table = literal(ROOT / "tests" / "test_imports.py", "MAY_IMPORT")
    found = {name.strip("`"): cell.replace(",", "") for name, _, cell in rows("The map")}
    assert list(found) == list(table)
    *others, last = table
    assert found.pop(last) == "all" and set(table.pop(last).split()) == set(others)
    assert found == table


def test_every_file_it_names_is_there():
    paths = set(re.findall(r"`((?:src|tests|experiments|\.ci)/[\w./]+|[\w.]+\.md)`", PAGE))
    paths |= set(re.findall(r"\btests/[\w/]+(?:\.py)?", PAGE))
    assert len(paths) > 25
    assert [p for p in sorted(paths) if not (ROOT / p).exists()] == []


def test_what_to_add_comes_with_a_test():
    for what, where, test in rows("Where to add"):
        assert re.search(r"`src/pumpleak/", where) and re.search(r"`tests/[\w/]+\.py`", test), what


# -- mentions of modules, files and names, wherever they stand --------------------------------------


def pages():
    """(place, text) of every page, config and notebook, and of every docstring and comment of the package."""
    for pattern in ("*.md", "configs/*.*", "experiments/**/*.md", "notebooks/*.ipynb"):
        for path in sorted(ROOT.glob(pattern)):
            if path.suffix in (".md", ".yaml", ".ipynb"):
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
    for path in sorted([*FOLDER.rglob("*.py"), *FOLDER.rglob("*.yaml"), *FOLDER.rglob("*.j2")]):
        yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def resolves(dotted):
    """Whether ``pumpleak.x.y`` is a module, or a name in one."""
    value = pumpleak
    for i, part in enumerate(dotted.split(".")[1:], 2):
        try:
            value = importlib.import_module(".".join(dotted.split(".")[:i]))
        except ModuleNotFoundError:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
    return True


def test_every_module_and_name_that_is_mentioned_resolves():
    """``pumpleak.x.y`` anywhere, and `package.module.name` as docstrings have it."""
    packages = "|".join(m.name for m in pkgutil.iter_modules([str(FOLDER)]) if m.ispkg)
    found = {
        (str(place), name)
        for place, text in pages()
        for name in [
            *re.findall(r"\bpumpleak(?:\.[A-Za-z]\w*)+", text),
            *(f"pumpleak.{name}" for name in re.findall(rf"`((?:{packages})\.\w+\.\w+)`", text)),
        ]
    }
    assert len(found) > 5
    assert sorted((place, name) for place, name in found if not resolves(name)) == []


def test_every_link_to_a_file_leads_somewhere():
    dead = []
    for place, text in pages():
        if place.suffix in (".md", ".ipynb"):
            for link in re.findall(r"\]\(([^)#\s]+)\)", text):
                if "://" not in link and not (ROOT / place.parent / link).exists():
                    dead.append((str(place), link))
    assert dead == []


def test_no_comment_or_docstring_names_a_file_of_the_package_that_is_gone():
    names = {p.name for p in ROOT.rglob("*.py") if ".venv" not in p.parts}
    found = {
        (str(place), name)
        for place, text in pages()
        if place.suffix == ".py"
        for name in re.findall(r"`(?:[\w/]+/)?(\w+\.py)`", text)
        if name not in names
    }
    assert found - {("src/pumpleak/cli/plugins.py", "my_model.py")} == set()
