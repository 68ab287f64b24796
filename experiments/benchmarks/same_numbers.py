"""Do all numbers stay as they were? Records what the library and the command line compute, and compares two records.

    uv run python experiments/benchmarks/same_numbers.py record OUT.json [--only 'infer:*' physics]
    uv run python experiments/benchmarks/same_numbers.py compare A.json B.json [--rtol 1e-12] [--only …] [--strict]

For a change of the code that should change no number: record before it and after it, on one machine with one set of
packages. Only the root's exports (`from pumpleak import …`) and the command line's ``--json`` are used, so the
script outlives any move of modules. Recorded, with fixed seeds:

* ``describe``, ``potential``, ``fit``, ``predict``, ``infer`` of every config in `configs/` (NUTS, short chains, not
  retried), ``engine`` (importance, hmc, laplace where that is cheap), ``batch`` (the plate, whole);
* ``data`` of every dataset, ``cell`` of every preset and cell file (steady states, sensitivities, a blocked pump in
  time), ``remedies`` of a cell without a steady state, ``physics`` in both precisions;
* ``study``: identify, sensitivity, design, compare, calibrate, contrast; ``text`` of what is generated; ``cli``.

Arrays of more than 64 numbers are kept as a SHA-256 digest of their bytes with moments, quantiles, a sum weighted by
position, and ends. A section that fails is recorded as its error, and the others go on.

`compare` counts what is bit-identical and what agrees within rtol (relative, of each number; NaN equals NaN), and lists
every other difference. It exits 1 where a number differs beyond rtol, is on one side only, a section has an error, or
nothing was compared. Other strings are listed, and fail with ``--strict`` alone, as do a digest's.
"""

import argparse
import contextlib
import dataclasses
import fnmatch
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr
import yaml

import pumpleak
from pumpleak import (
    Candidate,
    Event,
    InputWarning,
    activity_coefficient,
    calibrate,
    cell_parameters,
    celsius,
    change,
    charge_moved,
    chord_voltage,
    compare,
    contrast,
    design,
    donnan_equilibrium,
    driving_force,
    fit,
    ghk_current,
    ghk_flux,
    ghk_voltage,
    henderson_voltage,
    identify,
    infer,
    infer_batch,
    ion,
    ion_names,
    ionic_strength,
    junction_potential,
    list_datasets,
    list_models,
    list_presets,
    load_cell,
    load_dataset,
    load_preset,
    load_problem,
    load_result,
    load_study,
    mullins_noda_voltage,
    ncx_four_state,
    nernst_potential,
    predict,
    remedies,
    sensitivities,
    sensitivity,
    show_dataset,
    shunted_voltage,
    simulate,
    slope_conductance,
    starter_config,
    steady_state,
    steady_states,
    template_csv,
    thermal_voltage,
    transference_numbers,
)

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 64  # numbers of an array that are all kept
SEED = 7
CHAINS = {"chains": 2, "warmup": 150, "draws": 200, "seed": SEED, "retry": False}
VOLATILE = ("seconds", "created", "created_at")  # keys that time and place change
TEXTBOOK = "textbook_resting"
PLATE = "batch_screen"


# -- plain data ------------------------------------------------------------------------------------


def plain(x: Any) -> Any:
    """Anything as JSON with every number's full precision."""
    if x is None or isinstance(x, (str, bool, int)) and not hasattr(x, "dtype"):
        return x if not isinstance(x, int) or isinstance(x, bool) else int(x)
    if isinstance(x, float) and not hasattr(x, "dtype"):
        return x
    if isinstance(x, pd.DataFrame):
        return {"index": plain(x.index.to_numpy()), **{str(k): plain(x[k].to_numpy()) for k in x}}
    if isinstance(x, xr.DataTree):
        return {path: plain(node.to_dataset()) for path, node in x.subtree_with_keys}
    if isinstance(x, xr.Dataset):
        names = {str(k): plain(x[k].values) for k in (*x.data_vars, *x.coords)}
        return names | {f"@{k}": plain(v) for k, v in x.attrs.items() if k not in VOLATILE}
    if hasattr(x, "_asdict"):
        return plain(x._asdict())
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        return {f.name: plain(getattr(x, f.name)) for f in dataclasses.fields(x)}
    if isinstance(x, dict) or hasattr(x, "items"):
        return {str(k): plain(v) for k, v in x.items() if k not in VOLATILE}
    if isinstance(x, (list, tuple)):
        numeric = all(isinstance(v, (bool, int, float, np.number, np.bool_)) for v in x)
        return array(np.asarray(x)) if numeric and len(x) > LONGEST else [plain(v) for v in x]
    return array(np.asarray(x)) if hasattr(x, "__array__") else str(x)


def array(x: np.ndarray) -> Any:
    """An array as nested lists, or a long one as its digest and what sums it up."""
    if x.dtype.kind not in "biufc":
        return plain([v.item() if hasattr(v, "item") else v for v in x.ravel()])
    if x.dtype.kind == "c":
        return {"re": array(x.real), "im": array(x.imag)}
    if x.size <= LONGEST:
        return x.tolist()
    flat = np.where(np.isfinite(x), x, 0).astype(float).ravel()
    about = {
        "shape": list(x.shape),
        "dtype": str(x.dtype),
        "digest": "sha256:" + hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest(),
        "finite": int(np.isfinite(x).sum()),
        "mean": float(flat.mean()),
        "sd": float(flat.std()),
        "quantiles": np.quantile(flat, (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)).tolist(),
        "weighted": float(np.mean(flat * (1 + np.arange(flat.size) % 97 / 97))),
        "ends": [*flat[:4].tolist(), *flat[-4:].tolist()],
    }
    return about


# -- configs ---------------------------------------------------------------------------------------


def problem_configs() -> list[str]:
    return [p.stem for p in sorted(Path("configs").glob("*.yaml")) if "preset" not in yaml_of(p.stem)]


def yaml_of(stem: str) -> dict:
    return yaml.safe_load(Path(f"configs/{stem}.yaml").read_text(encoding="utf-8"))


def problem_of(stem: str, **changes):
    """The problem of a config, or of one with some of its keys changed."""
    if not changes:
        return load_problem(f"configs/{stem}.yaml")
    return load_problem(yaml_of(stem) | changes)


def variants() -> dict[str, Callable[[], Any]]:
    """Small problems of the models and noises that no config has."""
    known = {"sigma_V_m_mV": 1}
    return {
        "chord": lambda: problem_of(
            TEXTBOOK,
            model="chord",
            quantities=known | {"g_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 4}},
        ),
        "mullins_noda": lambda: problem_of(TEXTBOOK, model="mullins_noda"),
        "student_t": lambda: problem_of("purkinje_fibre", noise="student_t"),
        "outliers": lambda: problem_of("background_sodium_current", noise="outliers"),
    }


def made(name: str):
    return variants()[name]() if name in variants() else problem_of(name)


def describe(name: str) -> dict:
    problem = made(name)
    return {
        "describe": problem.describe(),
        "config": problem.config,
        "measurements": problem.measurements,
        "reading_names": problem.reading_names,
        "dimension": problem.dimension,
        "seed": problem.seed,
        "arrays": problem.arrays,
        "condition": problem.condition,
        "first_row": problem.first_row,
        "slots": {k: [s.index, s.swap_for, s.swapped] for k, s in problem.slots.items()},
    }


def potential(name: str) -> dict:
    """Densities, gradients and predictions at points drawn from the prior."""
    problem = made(name)
    with jax.enable_x64(True):
        sites = problem.prior_draws(np.random.default_rng(SEED), 6)
        u = problem.unconstrain(sites)

        def one(u):
            sites = problem.constrain(u)
            natural = problem.natural(sites)
            value, slope = jax.value_and_grad(problem.potential)(u)
            return {
                "potential": value,
                "gradient": slope,
                "prior_potential": problem.prior_potential(u),
                "log_likelihood": problem.log_likelihood(sites),
                "log_prior": problem.log_prior(sites),
                "natural": natural,
                "prediction": problem.predict(natural),
                "parts": problem.reading_parts(sites),
            }

        found = jax.jit(jax.vmap(one))(u)
        return plain({"sites": sites, "u": u, **found})


def fitted(name: str, method: str = "map") -> dict:
    found = fit(made(name), method=method, starts=32, seed=SEED)
    return {
        "as_dict": found.as_dict(),
        "waterfall": found.waterfall,
        "sites": found.sites,
        "predicted": found.predicted,
        "information": found.information,
    }


def result_of(result) -> dict:
    return {"table": result.table, "verdict": result.verdict.as_dict(), "tree": result.tree}


@cache
def chains(name: str):
    return infer(made(name), **CHAINS)


def inferred(name: str) -> dict:
    """A short run of NUTS, what predictions follow from it, and the same result read back from its folder."""
    problem, result = made(name), chains(name)
    with tempfile.TemporaryDirectory() as folder:
        back = load_result(result.save(Path(folder) / "result"))
        summary = (Path(folder) / "result" / "summary.csv").read_text()
    return result_of(result) | {
        "predict": predict(problem, result, draws=300, seed=SEED),
        "read_back": back.table,
        "summary_csv": summary,
    }


def by_engine(name: str, engine: str) -> dict:
    return result_of(infer(made(name), engine=engine, chains=2, draws=200, seed=SEED))


def batch() -> dict:
    found = infer_batch(f"configs/{PLATE}.yaml", seed=SEED, chunk=60, width=32, loo=True)
    return {
        "table": found.table,
        "population": found.population,
        "rungs": found.rungs,
        "counts": found.counts,
        "headline": found.headline,
        "flagged": found.flagged(),
        "posterior": found.tree["posterior"].to_dataset(),
        "summary": found.tree["summary"].to_dataset(),
    }


# -- data, cells, physics --------------------------------------------------------------------------


def state_of(state) -> dict:
    if not bool(state.ok):
        return plain(state)
    more = {k: getattr(state, k) for k in ("eigenvalues", "time_constants", "stable")}
    return plain(state) | plain(more)


def cell(source: str) -> dict:
    """One preset or cell file: its numbers, its steady states, what they depend on, and a blocked pump in time."""
    given = load_preset(source) if source in list_presets() else load_cell(f"configs/{source}.yaml")
    inside, bath = given
    out: dict[str, Any] = {
        "about": [given.name, given.title, given.about, given.measured, given.sources, given.config],
        "parameters": cell_parameters(inside, bath),
        "sensitivities": sensitivities(inside, bath),
    }
    with jax.enable_x64(True):
        out["steady_state"] = state_of(steady_state(inside, bath))
        out["steady_states"] = [state_of(s) for s in steady_states(inside, bath)]
        K_o = np.linspace(2.0, 30.0, 6)
        changed = change(inside, bath, {"K_o": K_o})
        out["sweep"] = plain(steady_state(*changed, max_volume_ratio=10.0))
    if source == "neuron":
        out["single"] = plain(steady_state(inside, bath))  # as a user without `jax_enable_x64` has it
    times = [0.0, 1.0, 10.0, 60.0, 300.0, 600.0]
    out["simulate"] = simulate(inside, bath, 600.0, events=[Event(5.0, {"pump": 0})], times=times)
    return out


def mended() -> dict:
    out = {}
    for name, changes in (("neuron", {"pump": 0.0}), ("squid_axon", {"pump": 0.0})):
        inside, bath = change(*load_preset(name), changes)
        with jax.enable_x64(True):
            state = steady_state(inside, bath)
        out[name] = {"state": plain(state), "remedies": remedies(inside, bath)}
    return out


def physics(double: bool) -> dict:
    """The functions on seeded grids; in single precision as a user without ``jax_enable_x64`` has them."""
    rng = np.random.default_rng(SEED)
    n = 40

    def drawn(low, high, *shape):
        return np.exp(rng.uniform(math.log(low), math.log(high), (n, *shape)))

    T = rng.uniform(278.0, 313.0, n)
    V, P = rng.uniform(-120.0, 60.0, n), drawn(1e-9, 1e-5, 3)
    o, i, z = drawn(0.5, 160, 3), drawn(0.5, 160, 3), [1, 1, -1]
    o4, i4, P4 = drawn(0.5, 160, 4), drawn(0.5, 160, 4), drawn(1e-9, 1e-5, 4)
    pump, g = rng.uniform(-0.5, 0.5, n), drawn(1e-3, 1.0, 3)
    E = rng.uniform(-100, 60, (n, 3))
    with jax.enable_x64(double):
        found = {
            "celsius": celsius(np.linspace(0, 40, 5)),
            "thermal_voltage": thermal_voltage(T),
            "nernst_potential": nernst_potential(o, i, z, T),
            "driving_force": driving_force(V, o, i, z, T),
            "ghk_flux": ghk_flux(V, P, o, i, z, T),
            "ghk_current": ghk_current(V, P, o, i, z, T),
            "slope_conductance": slope_conductance(V, P, o, i, z, T),
            "transference_numbers": transference_numbers(V, P, o, i, z, T),
            "ghk_voltage": ghk_voltage(P, o, i, z, T),
            "ghk_voltage, divalent": ghk_voltage(P4, o4, i4, [1, 1, -1, 2], T),
            "ghk_voltage, trivalent": ghk_voltage(P4, o4, i4, [1, 1, -1, 3], T),
            "ghk_voltage, pump": ghk_voltage(P, o, i, z, T, I_pump=pump),
            "ghk_voltage, gradient": jax.grad(lambda P: ghk_voltage(P, o, i, z, T).sum())(jax.numpy.asarray(P)),
            "mullins_noda_voltage": mullins_noda_voltage(
                P[:, 0], P[:, 1], o[:, 0], i[:, 0], o[:, 1], i[:, 1], T, r=rng.uniform(1, 2, n)
            ),
            "chord_voltage": chord_voltage(g, E, I_pump=pump),
            "shunted_voltage": shunted_voltage(V, g[:, 0], E[:, 0]),
            "donnan_equilibrium": donnan_equilibrium(o, z, drawn(1, 200), rng.uniform(-2, 0.5, n), T),
            "donnan_equilibrium, divalent": donnan_equilibrium(o4, [1, 1, -1, 2], drawn(1, 200), -1.0, T),
            "ionic_strength": ionic_strength(o4, [1, 1, -1, 2]),
            "activity_coefficient": activity_coefficient(drawn(1, 490), rng.integers(1, 3, n), T),
            "henderson_voltage": henderson_voltage(o, i, z, [1.0, 0.68, 1.04], T),
            "junction_potential": junction_potential(
                {"K": o[:, 0], "Cl": o[:, 0]}, {"Na": i[:, 0], "K": 4.0, "Cl": i[:, 0] + 4.0}, T
            ),
            "charge_moved": charge_moved(drawn(0.5, 2), V, r_um=drawn(2, 50), c=drawn(50, 200)),
            "ncx_four_state": ncx_four_state(i[:, 0], o[:, 0], 1e-3 * i[:, 1], o[:, 1]),
        }  # fmt: skip
        return plain(found)


# -- studies ---------------------------------------------------------------------------------------


def told(study) -> dict:
    """A study's numbers and words, and those read back from its folder."""
    with tempfile.TemporaryDirectory() as folder:
        back = load_study(study.save(Path(folder) / "study"))
    return {"as_dict": study.as_dict(), "read_back": back.numbers, "passed": back.passed}


def next_bath() -> dict:
    problem = problem_of(TEXTBOOK)
    baths = [{"K_o": 2.0, "Na_o": 147.0}, {"K_o": 20.0, "Na_o": 129.0}]
    candidates = [Candidate(f"K {b['K_o']:g}", b, sem=1.0) for b in baths]
    return told(design(problem, candidates, rows=2, seed=SEED))


def studies() -> dict[str, Callable[[], dict]]:
    def against():
        models = {"ghk": problem_of(TEXTBOOK), **{k: made(k) for k in ("chord", "mullins_noda")}}
        return told(compare(models, seed=SEED))

    def between():
        return told(contrast(chains("fibres_in_animals"), "P_Na_rel", between=["mutant", "control"]))

    return {
        "identify": lambda: told(identify(problem_of(TEXTBOOK), points=20, seed=SEED)),
        "sensitivity": lambda: told(sensitivity(problem_of(TEXTBOOK), samples=256, seed=SEED)),
        "design": next_bath,
        "compare": against,
        "calibrate": lambda: told(calibrate(problem_of(TEXTBOOK), replicates=40, seed=SEED)),
        "contrast": between,
    }


# -- text and command line -------------------------------------------------------------------------


def text() -> dict:
    tables = [Path("configs/batch_screen_cells.csv"), Path("configs/fibres_in_animals.csv")]
    return {
        "models": list_models(),
        "exports": sorted(pumpleak.__all__),
        "datasets": {name: str(show_dataset(name)) for name in list_datasets()},
        "ions": {name: ion(name) for name in ion_names()},
        "template": template_csv(),
        "starter": {t.name: starter_config(t) for t in tables},
    }


COMMANDS = {
    "datasets": "datasets list --json",
    "presets": "presets list --json",
    "check": "check configs/crayfish_muscle.yaml --json",
    "predict": "predict configs/purkinje_fibre.yaml --seed 7 --set P_Na_rel=0.02 --json",
    "fit": f"fit configs/{TEXTBOOK}.yaml --method ml --seed 7 --json",
    "infer": f"infer configs/{TEXTBOOK}.yaml --engine importance --seed 7 --draws 100 --out TEMPORARY/infer --json",
    "identify": f"identify configs/{TEXTBOOK}.yaml --seed 7 --out TEMPORARY/identify --json",
    "batch": f"batch configs/{PLATE}.yaml --seed 7 --chunk 60 --out TEMPORARY/batch --json",
    "steady-state": "steady-state configs/cell_neuron_high_potassium.yaml --json",
    "all steady states": "steady-state --preset mammalian_muscle --set K_o_mM=1 --all --json",
    "no steady state": "steady-state --preset neuron --set pump=0 --json",
    "sweep": "steady-state --preset neuron --sweep K_o_mM=1:120:log6 --json",
    "simulate": "simulate --preset neuron --event t=60s,pump=0 --for 10min --json",
}  # fmt: skip


def command(words: str) -> dict:
    """The JSON that a command prints, with its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        # An event's assignments stand in one argument.
        argv = [w.replace("TEMPORARY", folder).replace("s,", "s ") for w in words.split()]
        script = "import sys; from importlib.metadata import entry_points as e; sys.argv[0] = 'pumpleak';"
        script += "sys.exit(next(iter(e(group='console_scripts', name='pumpleak'))).load()())"
        done = subprocess.run(
            [sys.executable, "-c", script, *argv], capture_output=True, text=True, timeout=400
        )
        out = done.stdout.replace(folder, "TEMPORARY")
    if not out.strip():
        raise RuntimeError(f"exit code {done.returncode}, nothing printed: {done.stderr[-400:]}")
    return {"code": done.returncode, "json": json.loads(out)}


# -- record ----------------------------------------------------------------------------------------


def sections() -> dict[str, Callable[[], Any]]:
    names = problem_configs()
    out: dict[str, Callable[[], Any]] = {"text": text}
    out |= {f"physics:{64 if d else 32} bit": partial(physics, d) for d in (True, False)}
    out |= {f"data:{name}": partial(load_dataset, name) for name in list_datasets()}
    out |= {f"describe:{name}": partial(describe, name) for name in (*names, *variants())}
    out |= {f"potential:{name}": partial(potential, name) for name in (*names, *variants())}
    out |= {
        f"predict:{name}": partial(lambda n: predict(made(n), draws=400, seed=SEED), name) for name in names
    }
    out |= {f"cell:{name}": partial(cell, name) for name in (*list_presets(), "cell_neuron_high_potassium")}
    out |= {"remedies": mended}
    out |= {f"fit:{name}": partial(fitted, name) for name in names}
    out |= {"fit ml:purkinje_fibre": partial(fitted, "purkinje_fibre", "ml")}
    out |= {f"infer:{name}": partial(inferred, name) for name in (*names, *variants())}
    out |= {f"engine:{e}": partial(by_engine, TEXTBOOK, e) for e in ("importance", "hmc", "laplace")}
    out |= {"engine:laplace, crayfish": partial(by_engine, "crayfish_muscle", "laplace")}
    out |= {f"batch:{PLATE}": batch}
    out |= {f"study:{name}": run for name, run in studies().items()}
    out |= {f"cli:{name}": partial(command, words) for name, words in COMMANDS.items()}
    return out


def chosen(names, only: list[str]) -> list[str]:
    """Those that a pattern or the part before the colon names."""
    return [n for n in names if not only or any(fnmatch.fnmatch(n, p) or n.split(":")[0] == p for p in only)]


def record(out: Path, only: list[str]) -> int:
    out = out.resolve()
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    os.chdir(ROOT)  # what is said of files is then the same in every checkout
    packages = ("jax", "jaxlib", "numpy", "numpyro", "arviz-stats", "pumpleak")
    about = {"python": platform.python_version(), "machine": platform.machine(), "cores": str(os.cpu_count())}
    about |= {p: importlib.metadata.version(p) for p in packages}
    found, failed, begun = {}, 0, time.perf_counter()
    all_of_them = sections()
    for name in chosen(all_of_them, only):
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                value = {"value": plain(all_of_them[name]())}
            except Exception as error:
                value, failed = {"error": f"{type(error).__name__}: {error}"}, failed + 1
        value["warnings"] = [str(w.message) for w in heard if issubclass(w.category, InputWarning)]
        found[name] = value
        # After each, so that what was done is there when the rest was stopped.
        out.write_text(json.dumps({"about": about, "sections": found}, indent=0), encoding="utf-8")
        size = sum(isinstance(x, (int, float)) for _, x in leaves(value))
        print(
            f"{time.perf_counter() - start:7.1f} s  {size:6d} numbers  {name}"
            + (f"  FAILED: {value['error'][:200]}" if "error" in value else ""),
            flush=True,
        )
    total = sum(isinstance(x, (int, float)) for _, x in leaves(found))
    print(
        f"{len(found)} sections ({failed} failed), {total} numbers, {time.perf_counter() - begun:.0f} s: {out}"
    )
    return 1 if failed else 0


# -- compare ---------------------------------------------------------------------------------------


def leaves(x: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, truth value, string and null with where it stands."""
    if isinstance(x, (dict, list)):
        items = x.items() if isinstance(x, dict) else enumerate(x)
        if not x:
            yield path, "{}" if isinstance(x, dict) else "[]"
        for key, value in items:
            yield from leaves(value, f"{path}/{key}")
    else:
        yield path, x


def identical(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a.hex() == b.hex()  # told apart: 0.0 and -0.0; NaN is 'nan'
    return type(a) is type(b) and a == b


def close(a: Any, b: Any, rtol: float) -> bool:
    if isinstance(a, bool) or isinstance(b, bool) or not all(isinstance(x, (int, float)) for x in (a, b)):
        return False
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b or (math.isnan(a) and math.isnan(b))
    return abs(a - b) <= rtol * max(abs(a), abs(b))


def differences(a_file: Path, b_file: Path, rtol: float, only: list[str], strict: bool, most: int) -> int:
    a_all, b_all = (json.loads(p.read_text(encoding="utf-8")) for p in (a_file, b_file))
    for key in a_all["about"]:
        if a_all["about"][key] != b_all["about"].get(key):
            print(f"Recorded with another {key}: {a_all['about'][key]}, {b_all['about'].get(key)}")
    A, B = a_all["sections"], b_all["sections"]
    same = near = 0
    worst, worst_at = 0.0, ""
    numbers: list[str] = []
    words: list[str] = []
    digests: list[str] = []
    broken: list[str] = []
    strings = 0
    for name in chosen(sorted({*A, *B}), only):
        if name not in A or name not in B:
            broken.append(f"{name}: only in {'A' if name in A else 'B'}")
            continue
        errors = [f"{name}: {w}: {s[name]['error']}" for w, s in (("A", A), ("B", B)) if "error" in s[name]]
        if errors:
            broken += errors
            continue
        a, b = (dict(leaves(s[name], name)) for s in (A, B))
        for path in (*a, *(p for p in b if p not in a)):
            x, y = a.get(path, "absent"), b.get(path, "absent")
            if isinstance(x, str) and isinstance(y, str):
                strings += 1
                if x != y:
                    into = digests if path.endswith("/digest") else words
                    into.append(f"{path}: {x[:300]!r}, {y[:300]!r}")
            elif identical(x, y):
                same += 1
            elif close(x, y, rtol):
                near += 1
                error = abs(x - y) / max(abs(x), abs(y)) if math.isfinite(x) and x != y else 0.0
                worst, worst_at = max((worst, worst_at), (error, path))
            else:
                numbers.append(f"{path}: {x!r}, {y!r}")
    for title, rows in (
        ("Sections that cannot be compared", broken),
        (f"Numbers that differ by more than {rtol:g}", numbers),
        ("Long arrays whose bytes differ (their sums are compared as numbers)", digests),
        ("Words that differ", words),
    ):
        if rows:
            print(f"\n{title}: {len(rows)}")
            print("\n".join(f"  {row}" for row in rows[:most]))
            if len(rows) > most:
                print(f"  … and {len(rows) - most} more (--most)")
    print(
        f"\n{same} numbers bit-identical, {near} within {rtol:g}"
        + (f" (at most {worst:.1e}: {worst_at})" if near else "")
        + f", {len(numbers)} beyond it; {strings} strings, {len(words)} differ, {len(digests)} digests differ."
    )
    bad = bool(broken or numbers or not same + near) or (strict and bool(words or digests))
    print("DIFFERENT" if bad else "The same.")
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("record")
    one.add_argument("out", type=Path)
    two = verbs.add_parser("compare")
    two.add_argument("a", type=Path)
    two.add_argument("b", type=Path)
    two.add_argument("--rtol", type=float, default=1e-12)
    two.add_argument("--strict", action="store_true", help="words and digests count as well")
    two.add_argument("--most", type=int, default=200, help="differences listed of each kind")
    for verb in (one, two):
        verb.add_argument("--only", nargs="+", default=[], help="sections, e.g. physics 'infer:*'")
    args = parser.parse_args()
    with contextlib.suppress(BrokenPipeError):
        if args.verb == "record":
            return record(args.out, args.only)
        return differences(args.a, args.b, args.rtol, args.only, args.strict, args.most)
    return 1


if __name__ == "__main__":
    sys.exit(main())
