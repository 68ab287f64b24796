"""Modules import in one direction, nothing heavy is loaded early, and no global setting changes."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pumpleak

FOLDER = Path(pumpleak.__file__).parent
#: A module may import from its own layer and those before it.
LAYERS = [
    {
        "_version",
        "errors",
        "constants",
        "_numerics",
        "_truncated",
        "_tables",
        "information",
        "compiled",
        "jsonable",
        "words",
    },
    {"files", "ions", "nernst", "ghk", "conductance", "charge", "donnan", "pumps", "solutions", "units"},
    {"yaml_lines", "cell_schema"},
    {
        "mechanisms",
        "cell",
        "cell_numbers",
        "steady",
        "dynamics",
        "events",
        "reasons",
        "steady_sensitivity",
        "cell_files",
        "cell_settings",
    },
    {"cell_words"},
    {
        "priors",
        "data",
        "datasets",
        "quantities",
        "electrode",
        "noise",
        "junction",
        "pump_leak",
        "protocols",
        "models",
        "parameters",
        "plain",
    },
    {"problem", "build", "config", "batch_source", "batch_table", "batch_problem"},
    {"plan", "populations"},
    {"curve", "fisher", "sampling", "psis", "modes"},
    {"results", "verdict", "fitting", "prediction", "starter", "tree"},
    {"frame"},
    {"profiles"},
    {"importance", "hmc"},
    {"batch_store"},
    {"rungs"},
    {"ladder", "batch_results"},
    {"quick"},
    {"replicates", "centring"},
    {"inference"},
    {"batch_chunk"},
    {"cluster"},
    {"batch"},
    {"figures", "reporting", "cell_figures", "batch_figures", "batch_report"},
    {"study"},
    {"contrasts"},
    {"identification_words", "identification_figures", "identification_batch"},
    {"identification"},
    {"refits", "equivalence", "comparison_words", "comparison_figures"},
    {"comparison"},
    {"variance_shares", "elasticities", "budget_figures"},
    {"posterior_budget"},
    {"error_budget"},
    {"candidates", "information_gain", "design_figures"},
    {"continuous_design"},
    {"design_words"},
    {"experiment_design"},
    {"calibration", "calibration_figures"},
    {"terminal", "plugins", "preset_cli", "cell_cli", "batch_cli", "study_cli", "cli"},
]
PHYSICS = {"ions", "nernst", "ghk", "conductance", "charge", "donnan", "pumps", "solutions"}
PHYSICS |= {"mechanisms", "cell", "cell_numbers", "steady"}
#: Calls inside functions up the layers, each for a reason.
LATE = {("results", "reporting")}


def relative_imports(path):
    """Modules of the package that a file imports, and whether inside a function."""
    module = path.parent.name if path.name == "__init__.py" else path.stem
    tree = ast.parse(path.read_text())
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    late = {id(inner) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for inner in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in typing:
            yield module, (node.module or "").split(".")[0], id(node) in late


def edges():
    files = [*FOLDER.glob("*.py"), FOLDER / "datasets" / "__init__.py"]
    return [e for f in files if f != FOLDER / "__init__.py" for e in relative_imports(f) if e[1]]


def test_every_module_has_a_layer():
    modules = {p.stem for p in FOLDER.glob("*.py")} - {"__init__", "__main__"} | {"datasets"}
    assert modules - set().union(*LAYERS) == set()


def test_imports_point_to_earlier_layers():
    layer = {m: k for k, names in enumerate(LAYERS) for m in names}
    upward = [(a, b) for a, b, late in edges() if layer[a] < layer[b] and not (late and (a, b) in LATE)]
    assert upward == []


def test_there_is_no_cycle():
    graph = {}
    for a, b, _ in edges():
        if a != b:
            graph.setdefault(a, set()).add(b)

    def visit(module, above):
        assert module not in above, f"cycle: {' → '.join([*above, module])}"
        for other in graph.get(module, ()):
            visit(other, [*above, module])

    for module in graph:
        visit(module, [])


def test_the_physics_needs_no_inference():
    allowed = PHYSICS | {"errors", "constants", "_numerics"}
    assert [(a, b) for a, b, _ in edges() if a in PHYSICS and b not in allowed] == []


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
    loaded = loaded_after("import pumpleak.ladder, pumpleak.batch_chunk")
    assert not {"xarray", "pydantic", "typer", "matplotlib"} & set(loaded), loaded
    assert not [m for m in loaded if m.startswith("arviz")], loaded


def test_help_does_not_wait_for_jax():
    code = (
        "import contextlib\nfrom pumpleak import cli\n"
        "for line in ('--help', '--version', 'infer --help', 'datasets list', 'steady-state --help',\n"
        "             'simulate --help', 'batch --help', 'presets list', 'presets show neuron'):\n"
        "    sys.argv = ['pumpleak', *line.split()]\n"
        "    with contextlib.suppress(SystemExit):\n        cli.main()\n"
        "    loaded = {'jax', 'numpyro'} & set(sys.modules)\n"
        "    assert not loaded, (line, loaded)"
    )
    loaded_after(code)


def test_importing_changes_no_setting_of_jax(fresh):
    assert fresh["settings unchanged"] is True and fresh["dtype of jnp.ones"] == "float32"


def test_no_export_is_called_like_a_module():
    """Whoever imports the module first would find it in the name's place."""
    modules = {p.stem for p in Path(pumpleak.__file__).parent.glob("*.py")}
    assert modules & set(pumpleak.__all__) - {"__init__"} == set()
