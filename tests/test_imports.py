"""Who may import whom: packages in one direction, nothing heavy early, no private name across a package."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pumpleak

FOLDER = Path(pumpleak.__file__).parent
GROUND = {"errors", "lazy", "text", "traced", "_version"}
#: A package may import itself, the ground and these; imports for type checkers count.
MAY_IMPORT = {
    "quantities": "",
    "files": "quantities",
    "physics": "quantities",
    "cell": "quantities files physics",
    "data": "quantities files",
    "models": "quantities physics cell data",
    "problem": "quantities physics data models",
    "config": "quantities files cell data models problem",
    "engines": "problem",
    "inference": "quantities files models problem engines",
    "batch": "quantities files data problem config engines",
    "reports": "quantities files cell problem engines inference batch",
    "studies": "quantities files data models problem config engines inference batch reports",
    "cli": "quantities files physics cell data models problem config engines inference batch reports studies",
}
#: Imports against the table that are still to go.
EXCEPTIONS: set[tuple[str, str]] = set()
#: Libraries that only some rooms may use, by the start of a module's name.
LIBRARIES = {
    "matplotlib": (
        "reports.",
        "studies.calibrate.figures",
        "studies.compare.figures",
        "studies.design.figures",
        "studies.identify.figures",
        "studies.sensitivity.figures",
        "studies.contrast",
    ),
    "jinja2": ("reports.",),
    "xarray": ("inference.", "batch.", "reports.", "studies.", "cli."),
    "arviz": ("inference.", "batch.", "reports.", "studies.", "cli."),
}


def module_of(path):
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(FOLDER.rglob("*.py"))}
MODULES = {m for m in FILES if m}
PACKAGES = {m for m in MODULES if FILES[m].name == "__init__.py"}


def imported(module):
    """(module, name) of all that a module imports from the package, wherever it stands; name "" for a module."""
    base = module.split(".") if module in PACKAGES else module.split(".")[:-1]
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = base[: len(base) - node.level + 1]
            target = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                inner = f"{target}.{alias.name}".strip(".")
                yield (inner, "") if inner in MODULES else (target, alias.name)


def package_of(module):
    return module.split(".")[0]


EDGES = sorted({(a, b) for a in MODULES for b, _ in imported(a) if a != b})


def test_every_package_has_a_row_and_one_sentence_over_its_door():
    assert {p for p in PACKAGES if "." not in p} == set(MAY_IMPORT)
    assert {m for m in MODULES if "." not in m and m not in PACKAGES} == GROUND
    for package in PACKAGES - {"data.datasets"}:
        body = ast.parse(FILES[package].read_text()).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), package
        assert len(ast.get_docstring(ast.parse(FILES[package].read_text())).splitlines()) == 1, package


def test_packages_import_as_the_table_says():
    allowed = {p: {p, *names.split(), *GROUND} for p, names in MAY_IMPORT.items()} | {
        g: GROUND for g in GROUND
    }
    against = {(a, b) for a, b in EDGES if package_of(b) not in allowed[package_of(a)]}
    assert against == EXCEPTIONS


def test_the_table_has_one_direction():
    order = list(MAY_IMPORT)
    for package, names in MAY_IMPORT.items():
        assert all(order.index(n) < order.index(package) for n in names.split()), package


def test_there_is_no_cycle():
    graph = {}
    for a, b in EDGES:
        graph.setdefault(a, set()).add(b)
    done = set()

    def visit(module, above):
        assert module not in above, f"cycle: {' → '.join([*above, module])}"
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, [*above, module])
            done.add(module)

    for module in graph:
        visit(module, [])


def test_no_study_imports_a_sister():
    studies = [
        (a.split("."), b.split("."))
        for a, b in EDGES
        if a.startswith("studies.") and b.startswith("studies.")
    ]
    assert [(a, b) for a, b in studies if len(b) > 2 and a[1] != b[1]] == []


def test_no_private_name_crosses_a_package():
    crossing = [
        f"{module} ← {other}.{name}"
        for module in MODULES
        for other, name in imported(module)
        if name.startswith("_") and name != "__version__" and package_of(other) != package_of(module)
    ]
    assert crossing == []


def test_libraries_stay_in_their_rooms():
    found = []
    for module in MODULES:
        for node in ast.walk(ast.parse(FILES[module].read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for library, rooms in LIBRARIES.items():
                if any(n == library or n.startswith((f"{library}.", f"{library}_")) for n in names):
                    if not module.startswith(rooms):
                        found.append((module, library))
    assert found == []


SCRIPT = """
import json, sys
{code}
heavy = (
    "jax numpyro arviz arviz_base arviz_stats arviz_plots xarray pydantic pandas matplotlib typer optax scipy.stats"
).split()
print(json.dumps([m for m in heavy if m in sys.modules]))
"""


def loaded_after(code):
    out = subprocess.run([sys.executable, "-c", SCRIPT.format(code=code)], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout.splitlines()[-1])


def test_importing_loads_nothing_heavy():
    assert loaded_after("import pumpleak\ndir(pumpleak)") == []


def test_the_physics_loads_jax_alone_and_leaves_it_as_it_was():
    code = (
        "import pumpleak\npumpleak.ghk_voltage([1.0, 0.05], [5.0, 145.0], [140.0, 10.0], [1, 1], 310.0)\n"
        "import jax\nassert not jax.config.jax_enable_x64"
    )
    assert loaded_after(code) == ["jax"]


def test_the_batch_engine_needs_neither_reports_nor_configs():
    loaded = loaded_after("import pumpleak.engines.ladder, pumpleak.batch.chunk")
    assert not {"xarray", "pydantic", "typer", "matplotlib"} & set(loaded), loaded
    assert not [m for m in loaded if m.startswith("arviz")], loaded


def test_help_does_not_wait_for_jax():
    code = (
        "import contextlib\nfrom pumpleak.cli import main as cli\n"
        "for line in ('--help', '--version', 'infer --help', 'datasets list', 'steady-state --help',\n"
        "             'simulate --help', 'batch --help', 'presets list', 'presets show neuron'):\n"
        "    sys.argv = ['pumpleak', *line.split()]\n"
        "    with contextlib.suppress(SystemExit):\n        cli.main()\n"
        "    loaded = {'jax', 'numpyro'} & set(sys.modules)\n"
        "    assert not loaded, (line, loaded)"
    )
    loaded_after(code)


def test_check_needs_neither_jax_nor_scipy():
    code = (
        "import contextlib, os\nfrom pumpleak.cli import main as cli\n"
        "for name in ('crayfish_muscle', 'textbook_resting', 'purkinje_fibre'):\n"
        f"    sys.argv = ['pumpleak', 'check', os.path.join({str(FOLDER.parents[1])!r}, 'configs', name + '.yaml'), '--json']\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):\n        cli.main()\n"
        "assert 'pumpleak.problem.understood' in sys.modules\n"
        "assert 'scipy' not in sys.modules"
    )
    assert not {"jax", "numpyro", "matplotlib", "xarray"} & set(loaded_after(code))


def test_importing_changes_no_setting_of_jax(fresh):
    assert fresh["settings unchanged"] is True and fresh["dtype of jnp.ones"] == "float32"


def test_no_export_is_called_like_a_module():
    """Whoever imports the module first would find it in the name's place."""
    assert {m for m in MODULES if "." not in m} & set(pumpleak.__all__) == set()
