"""The tree of a result: everything that is known after sampling, by ArviZ's groups and a few of our own."""

import datetime
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import arviz_base
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from .._version import __version__
from ..engines.fisher import mean_information
from ..engines.gate import CellStatus, end_errors, failed
from ..engines.nuts import Draws
from ..problem.columns_used import columns_used
from ..problem.noise import tail_below
from ..problem.problem import Problem
from ..problem.understood import understood
from ..quantities.names import safe_name, unique_names
from ..text import plain
from ..traced import program
from .apart import look_apart, outlier_probability
from .curves import curve_dataset, protocols_dataset, rows_dataset
from .result import Result, element_table
from .verdict import judge

N_PRIOR = 2000
_MOST_KNOWN = 200  # rows, baths and readings of what was known beforehand
_MOST_SLOPES = 1e7  # of readings in coordinates, over points: 80 MB
_SAMPLER = ("engine", "chains", "warmup", "draws", "target_accept", "seed", "retry")
_VERSIONS = ("jax", "numpyro", "arviz-base", "arviz-stats", "xarray", "numpy", "scipy")


def failing(problem: Problem, drawn: Draws) -> tuple[CellStatus, ...]:
    """What fails of the verdict's gate, on the coordinates that were sampled; any divergence does."""
    sites = jax.vmap(jax.vmap(lambda u: problem.layout.ravel_sites(problem.constrain(u))))(
        jnp.asarray(drawn.u)
    )
    axes = {"chain_axis": 0, "draw_axis": 1}
    r_hat = array_stats.rhat(drawn.u, **axes)
    ess = [array_stats.ess(drawn.u, **axes, method="bulk")]
    ess.append(array_stats.ess(drawn.u, **axes, method="tail", prob=(0.05, 0.95)))
    return failed(
        ess,
        end_error=end_errors(np.asarray(sites), drawn.u),
        r_hat=r_hat,
        divergences=int(drawn.stats["diverging"].sum()),
    )


def gather(problem: Problem, drawn: Draws, rng: np.random.Generator, settings: dict) -> Result:
    """The result of a finished run: its tree, with the verdict on it.

    Args:
        problem: what was sampled.
        drawn: its draws.
        rng: of the prior's draws and the predictive noise.
        settings: how it was sampled.
    """
    tree = _tree(problem, drawn, rng, settings)
    tree.attrs["verdict"] = json.dumps(judge(tree).as_dict())
    return Result(tree)


def _tree(problem: Problem, drawn: Draws, rng: np.random.Generator, settings: dict) -> xr.DataTree:
    """Everything that is known after sampling, by group."""
    chains, draws, _ = drawn.u.shape
    n = chains * draws
    u = drawn.u.reshape(n, -1)
    prior_u = problem.unconstrain(problem.prior_draws(rng, 2 * N_PRIOR))
    # One program for both: posterior and prior draws in one array.
    both = jax.tree.map(np.asarray, _follow(problem, jnp.concatenate([u, prior_u])))
    post = jax.tree.map(lambda a: a[:n].reshape(chains, draws, *a.shape[1:]), both)
    # The prior is conditioned on the model having an answer.
    answered = np.flatnonzero(both["ok"][n:])
    prior = jax.tree.map(lambda a: a[n:][answered[:N_PRIOR]][None], both)
    coords, dims = _coords(problem)
    dims |= {k: ["condition"] for k in post["state"]}
    tree = arviz_base.from_dict(_groups(problem, drawn, rng, post, prior), coords=coords, dims=dims)
    tree["table"] = element_table(problem, _parameters(problem, post), _parameters(problem, prior))
    if drawn.engine is not None:
        _tell_engine(tree, drawn.engine)
    tree["information"] = _information_dataset(problem, post["sites"])
    tree["readings"] = _readings_dataset(problem, post, prior, coords["obs"])
    apart = look_apart(problem, *_flat(problem, post))
    if apart is not None:
        tree["apart"] = apart
    tree["rows"] = rows_dataset(problem)
    curve = curve_dataset(problem, u, rng)
    if curve is not None:
        tree["curve"] = curve
    protocols = protocols_dataset(problem, u, rng)
    if protocols is not None:
        tree["protocols"] = protocols.assign_coords(condition=coords["condition"])
    tree.attrs = _provenance(problem, settings, drawn)
    tree.attrs["prior_without_answer"] = 1 - len(answered) / (2 * N_PRIOR)
    return tree


def _follow(problem: Problem, u: jax.Array) -> dict[str, Any]:
    """What each of many points stands for: its parameters, the membrane's state, its readings and densities."""

    def follow(u):
        sites = problem.constrain(u)
        values = problem.values(problem.natural(sites))
        prediction = problem._predict(values)
        parts, _ = problem.reading_parts(sites)
        n = len(problem.first_row)
        state = {k: jnp.broadcast_to(v, (n,)) for k, v in prediction.observables.items()}
        prior = {s.name: s.prior.numpyro().log_prob(sites[s.name]) for s in problem.sites}
        return {
            "sites": sites,
            "natural": problem.natural(sites),
            "ok": jnp.all(prediction.ok),
            "state": state,
            "parts": parts,
            "log_likelihood": problem.log_likelihood(sites),
            "log_prior": prior,
        }

    return program(jax.vmap(follow))(u)


def _coords(problem: Problem) -> tuple[dict[str, list], dict[str, list[str]]]:
    """Coordinates of the tree's dimensions, and the dimensions of readings and of parameters with levels."""
    names = np.array(problem.reading_names, dtype=object)[problem.arrays.mask].tolist()
    conditions = [problem.measurements.labels[r] for r in problem.first_row]
    coords = {"obs": unique_names(names), "condition": unique_names(conditions)}
    dims = {"reading": ["obs"]}
    for p in problem.parameters:
        if p.levels:
            dimension = _level_dimension(str(p.by))
            if coords.get(dimension, list(p.levels)) != list(
                p.levels
            ):  # another's, who has others of this column
                dimension = _level_dimension(f"{p.by} of {p.name}")
            coords[dimension] = list(p.levels)
            for name in {p.name, p.sites[-1].name}:
                dims[safe_name(name)] = [dimension]
    return coords, dims


def _parameters(problem: Problem, part: dict) -> dict[str, np.ndarray]:
    """A part's parameters, and the centre and spread of those that are pooled."""
    out = {safe_name(k): v for k, v in part["natural"].items()}
    extra = [s.name for p in problem.parameters if p.spread is not None for s in p.sites[:-1]]
    return out | {safe_name(k): part["sites"][k] for k in extra}


def _groups(problem: Problem, drawn: Draws, rng: np.random.Generator, post: dict, prior: dict) -> dict:
    """The groups by ArviZ's names, and the membrane's of our own."""
    there = problem.arrays.mask
    return {
        "posterior": _parameters(problem, post),
        "log_likelihood": {"reading": post["log_likelihood"][..., there]},
        "log_prior": {safe_name(k): v for k, v in post["log_prior"].items()},
        "posterior_predictive": {"reading": problem.simulate(rng, post["parts"])[..., there]},
        "prior": _parameters(problem, prior),
        "prior_predictive": {"reading": problem.simulate(rng, prior["parts"])[..., there]},
        "sample_stats": drawn.stats,
        "observed_data": {"reading": np.asarray(problem.arrays.value)[there]},
        # What the membrane itself does, without electrode offsets and noise.
        "membrane": post["state"],
        "prior_membrane": prior["state"],
    }


def _tell_engine(tree: xr.DataTree, engine: dict) -> None:
    """What the ladder of engines says of its draws, in place of what chains say."""
    about = {k: engine[k] for k in ("k_hat", "log_evidence", "log_evidence_se", "divergences")}
    if "ess" in engine:
        table = tree["table"].to_dataset()
        # Independent draws have no R-hat; a population's own mean and spread are judged by its levels.
        ess = np.array([engine["ess"].get(str(n), (np.nan, np.nan)) for n in table["parameter"].values])
        table["r_hat"] = ("parameter", np.full(len(ess), np.nan))
        table["ess_bulk"], table["ess_tail"] = ("parameter", ess[:, 0]), ("parameter", ess[:, 1])
        ends = [engine["end_error"].get(str(n), np.nan) for n in table["parameter"].values]
        table["end_error"] = ("parameter", np.array(ends))
        tree["table"] = table
        about["ess"] = float(np.nanmin(ess))
    tree["sample_stats"] = xr.Dataset(about, attrs={"rung": engine["rung"]})


def _level_dimension(column: str) -> str:
    """The dimension of a column's levels: its name, unless the tree has one of that name for itself."""
    return safe_name(f"{column} level" if column in ("chain", "draw", "obs", "condition") else column)


def _information_dataset(problem: Problem, sites, points: int = 50) -> xr.Dataset:
    """Fisher information averaged over posterior draws, so that it does not hang on one point."""
    flat = {k: v.reshape(-1, *v.shape[2:]) for k, v in sites.items()}
    total = len(next(iter(flat.values())))
    # Of many levels a few points will do, which are all that fits in memory.
    points = int(np.clip(_MOST_SLOPES / (problem.arrays.mask.size * problem.dimension), 4, points))
    picks = np.linspace(0, total - 1, min(points, total)).astype(int)
    mean = mean_information(problem, {k: v[picks] for k, v in flat.items()})
    return xr.Dataset(
        {
            "fisher": (("element", "element_2"), mean.matrix),
            "slope": ("element", mean.slope),
            "positive": ("element", mean.positive.astype(np.int8)),
        },
        coords={"element": list(mean.names), "element_2": list(mean.names)},
    )


def _flat(problem: Problem, post) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Natural values, and parts of the readings that are there, of all draws in a row."""
    there = problem.arrays.mask
    natural = {k: np.asarray(v).reshape(-1, *v.shape[2:]) for k, v in post["natural"].items()}
    parts = {k: v.reshape(-1, v.shape[-1])[:, there] for k, v in post["parts"].items()}
    return natural, parts


def _readings_dataset(problem: Problem, post, prior, names) -> xr.Dataset:
    """The readings with their errors and what the posterior expects of each."""
    m, there = problem.measurements, problem.arrays.mask
    _, parts = _flat(problem, post)
    loc, scale = parts["loc"], parts["scale"]
    before = prior["parts"]["loc"].reshape(-1, problem.arrays.mask.size)[:, there]
    return xr.Dataset(
        {
            "value": ("obs", np.asarray(problem.arrays.value)[there]),
            "standard_error": ("obs", np.sqrt(problem.arrays.variance)[there]),
            "expected": ("obs", loc.mean(axis=0)),
            "expected_low": ("obs", np.quantile(loc, 0.025, axis=0)),
            "expected_high": ("obs", np.quantile(loc, 0.975, axis=0)),
            "prior_least": ("obs", before.min(axis=0)),
            "prior_most": ("obs", before.max(axis=0)),
            "predictive_p": ("obs", _predictive_p(problem, parts)),
            "total_scatter": ("obs", np.median(scale, axis=0)),
            **(
                {
                    "outlier_probability": (
                        "obs",
                        outlier_probability(parts, np.asarray(problem.arrays.value)[there]),
                    )
                }
                if problem.noise == "outliers"
                else {}
            ),
            "observable": ("obs", np.array(m.observable, dtype=object)[there].astype(str)),
            "row": ("obs", np.asarray(m.row)[there]),
            "reference": ("obs", np.asarray(m.reference)[there]),
            "condition": ("obs", problem.condition[np.asarray(m.row)[there]]),
        },
        coords={"obs": names},
        attrs={"outlier_share": float(parts["outlier_share"].mean())} if problem.noise == "outliers" else {},
    )


def _predictive_p(problem: Problem, parts) -> np.ndarray:
    """Two-sided posterior predictive p of each reading: the tail probability averaged over the draws.

    A rounded reading, or one at a limit, is as extreme as the nearer edge of the interval that it stands for.
    """
    there = problem.arrays.mask
    value = np.asarray(problem.arrays.value)[there]
    low, high = value, value
    if not problem.recording.exact:
        single = problem.single()[there]
        low, high = (np.where(single, e, value) for e in problem.recording.edges(value))
    above, below = (
        tail_below(problem.noise, side / parts["scale"], parts).mean(axis=0)
        for side in (parts["loc"] - low, high - parts["loc"])
    )
    return np.minimum(2 * np.minimum(above, below), 1.0)


def _provenance(problem: Problem, settings: dict, drawn: Draws) -> dict:
    """How to reproduce it; plain text and numbers, since netCDF knows no others."""
    m = problem.measurements
    device = jax.devices()[0]
    units = {p.name: p.unit for p in problem.parameters}
    rows = [
        {"name": p.name, "unit": p.unit, "prior": str(p.prior), "source": p.source, "by": p.by or ""}
        for p in problem.parameters
    ]
    return {
        "title": problem.title,
        "model": problem.model.name,
        "equation": problem.model.equation,
        "ions": ", ".join(problem.model.setting.ions),
        "noise": problem.noise,
        "pumpleak_version": __version__,
        "versions": json.dumps(
            {"python": platform.python_version()} | {p: metadata.version(p) for p in _VERSIONS}
        ),
        "device": f"{device.platform} ({device.device_kind})",
        "dtype": "float64",
        "seed": settings["seed"],
        "engine": settings["engine"],
        "rung": "nuts" if drawn.engine is None else drawn.engine["rung"],
        "sampler": json.dumps(
            settings if drawn.engine is None else {k: settings[k] for k in ("engine", "seed", "retried")}
        ),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data_file": Path(m.file).name,
        "data_sha256": m.sha256,
        "data_csv": m.to_frame().to_csv(index=False),
        "columns": json.dumps(columns_used(problem).words()),
        "config": json.dumps(problem.config | {"sampler": {k: settings[k] for k in _SAMPLER}}),
        "units": json.dumps(units),
        "parameters": json.dumps(rows),
        "assumptions": json.dumps(problem.assumptions),
        "unused": json.dumps({c: m.groups[c] for c in problem.unused}),
        "known": json.dumps(plain(understood(problem).as_dict(_MOST_KNOWN))),
        "defaulted": json.dumps(problem.defaulted),
    }
