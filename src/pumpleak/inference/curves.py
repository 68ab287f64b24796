"""The model's prediction along one quantity, for the figure: bands of V_m against, say, K_o."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..models.base import Model
from ..models.protocols import Protocols, other_protocols
from ..problem.problem import Problem
from ..quantities.names import kind
from ..traced import program

POINTS = 60
DRAWS = 400
MOST_SERIES = 12  # more curves than that hide each other
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


def horizontal_quantity(problem: Problem) -> str | None:
    """The quantity for the horizontal axis: the config's choice, else K_o where it varies, else the
    concentration with the most distinct values; None where none varies."""
    chosen = problem.config.get("plot", {}).get("x")
    names = problem.concentrations
    if chosen in names:
        return chosen

    def distinct(name: str) -> int:
        values = best_values(problem, name)
        return len(np.unique(values)) if np.isfinite(values).all() else 1

    varying = [n for n in names if distinct(n) > 1]
    return max(varying, key=lambda n: (n == "K_o", distinct(n), kind(n).side == "o"), default=None)


def best_values(problem: Problem, name: str) -> np.ndarray:
    """A quantity's value in each condition: as known, or its prior's median where it is a latent (a K_o that
    was measured); NaN where it is swapped for another."""
    slot = problem.slots[name]
    x = np.array(np.broadcast_to(np.asarray(problem.arrays.known[name], float), len(problem.first_row)))
    if slot.index is not None:
        medians = np.array([e.parameter.prior.quantile(0.5) for e in problem.layout.elements])
        x = np.where(slot.index >= 0, medians[np.maximum(slot.index, 0)], x)
    if slot.swapped is not None:
        x = np.where(slot.swapped, np.nan, x)
    return x


def series_of(problem: Problem) -> list[str]:
    """The name of each condition's series: its solution, and its level of every column that has latents.

    Rows of several solutions that are one and the same condition to the model make one series of all.
    """
    m, of_model = problem.measurements, {q.name for q in problem.model.quantities}
    columns = {c: m.groups[c] for c in [c for c in ("series", "solution") if c in m.groups][:1]}
    for p in problem.parameters:
        if p.by and p.quantity in of_model:
            columns[p.by] = problem.level_names(p)
    parts: list[list[str]] = [[] for _ in problem.first_row]
    for texts in columns.values():
        members: list[set[str]] = [set() for _ in problem.first_row]
        for row, c in enumerate(problem.condition):
            members[c].add(texts[row])
        if all(len(names) == 1 for names in members):
            for c, names in enumerate(members):
                parts[c].append(names.pop())
    return [" · ".join(x for x in names if x) for names in parts]


def rows_dataset(problem: Problem) -> xr.Dataset:
    """Series and horizontal value of every table row, for figures; NaN where the value is not known."""
    name = horizontal_quantity(problem)
    x = np.full(len(problem.first_row), np.nan) if name is None else best_values(problem, name)
    series = np.array(series_of(problem), dtype=object)
    return xr.Dataset(
        {
            "x": ("row", x[problem.condition]),
            "series": ("row", series[problem.condition].astype(str)),
            "condition": ("row", problem.condition),
        },
        coords={"row": np.arange(len(problem.condition))},
        attrs={"x_name": name or ""},
    )


def curve_dataset(problem: Problem, u: np.ndarray, rng: np.random.Generator) -> xr.Dataset | None:
    """Quantiles of V_m (and of E_K) along the horizontal quantity, one curve a series.

    Between two conditions of a series every quantity runs straight from one's value to the next's, which
    is exact for a bath in which one ion is swapped for another. A series of one condition has no curve.

    Args:
        problem: the problem.
        u: (n, D) posterior draws in unconstrained coordinates.
        rng: picks the draws.

    Returns:
        Dims (series, x, quantile); None where nothing varies.
    """
    name = horizontal_quantity(problem)
    if name is None:
        return None
    x = best_values(problem, name)
    if not np.isfinite(x).all():
        return None
    series = np.array(series_of(problem), dtype=object)
    baths = [s for s in dict.fromkeys(series) if len(np.unique(x[series == s])) > 1]
    if not baths or len(baths) > MOST_SERIES:
        return None
    picks = rng.choice(len(u), size=min(DRAWS, len(u)), replace=False)
    grids, weights = [], []
    for s in baths:
        members = np.flatnonzero(series == s)
        _, first = np.unique(x[members], return_index=True)
        members = members[first]
        grid = _grid(x[members])
        # (POINTS, C): how much of each condition there is at each point.
        w = np.zeros((POINTS, len(x)))
        for column, c in enumerate(members):
            w[:, c] = np.interp(grid, x[members], np.eye(len(members))[column])
        grids.append(grid)
        weights.append(w)
    mix = np.concatenate(weights)
    model = _model_along(problem, mix)
    if model is None:
        return None

    def along(u):
        values = problem.values(problem.natural(problem.constrain(u)))
        n = len(problem.first_row)
        of_model = {q.name for q in problem.model.quantities}
        here = {k: jnp.broadcast_to(v, (n,)) for k, v in values.items() if k in of_model}
        moved = {k: mix @ v for k, v in here.items()}
        if model.setting.protocols is not None:  # the baselines come along
            moved = {k: jnp.concatenate([v, here[k]]) for k, v in moved.items()}
        prediction = model.predict(moved)
        return {
            k: jnp.where(prediction.ok, v, jnp.nan)[..., : len(mix)] if jnp.ndim(v) else v
            for k, v in prediction.observables.items()
        }

    lines = jax.tree.map(np.asarray, program(jax.vmap(along))(jnp.asarray(u[picks])))
    out = {}
    for key, value in lines.items():
        shaped = np.broadcast_to(value, (len(picks), mix.shape[0])).reshape(len(picks), len(baths), POINTS)
        shaped = np.where(np.isfinite(shaped), shaped, np.nan)
        out[key] = (
            ("series", "point", "quantile"),
            np.moveaxis(np.quantile(shaped, QUANTILES, axis=0), 0, -1),
        )
    return xr.Dataset(
        {**out, "x": (("series", "point"), np.array(grids))},
        coords={"series": [str(b) for b in baths], "quantile": list(QUANTILES)},
        attrs={"x_name": name},
    )


def protocols_dataset(problem: Problem, u: np.ndarray, rng: np.random.Generator) -> xr.Dataset | None:
    """Each condition's protocol, and what the other one would have given; None without protocols.

    Args:
        problem: the problem.
        u: (n, D) posterior draws in unconstrained coordinates.
        rng: picks the draws.

    Returns:
        By condition: kind, other_kind, baseline (in words), V_m and V_m_other (low, median, high) [mV], and
        `unanswered`, the share of draws in which the other has no answer.
    """
    protocols = problem.model.setting.protocols
    if protocols is None:
        return None
    other = other_protocols(protocols)
    model = replace(problem.model, setting=replace(problem.model.setting, protocols=other))
    picks = rng.choice(len(u), size=min(DRAWS, len(u)), replace=False)
    of_model = {q.name for q in problem.model.quantities}

    def both(u):
        values = problem.values(problem.natural(problem.constrain(u)))
        values = {k: v for k, v in values.items() if k in of_model}
        here, there = problem.model.predict(values), model.predict(values)
        return here.observables["V_m"], jnp.where(there.ok, there.observables["V_m"], jnp.nan)

    V_m, V_m_other = jax.tree.map(np.asarray, program(jax.vmap(both))(jnp.asarray(u[picks])))
    level = (QUANTILES[0], 0.5, QUANTILES[-1])
    answered = np.isfinite(V_m_other)
    labels = [problem.measurements.labels[problem.first_row[b]] for b in protocols.baseline]
    middle = [
        np.quantile(v[a], level) if a.any() else np.full(3, np.nan)
        for v, a in zip(V_m_other.T, answered.T, strict=True)
    ]
    return xr.Dataset(
        {
            "kind": ("condition", list(protocols.kind)),
            "other_kind": ("condition", list(other.kind)),
            "baseline": ("condition", labels),
            "V_m": (("condition", "level"), np.quantile(V_m, level, axis=0).T),
            "V_m_other": (("condition", "level"), np.array(middle)),
            "unanswered": ("condition", 1 - answered.mean(axis=0)),
        },
        coords={"level": ["low", "median", "high"]},
    )


def _model_along(problem: Problem, mix: np.ndarray) -> Model | None:
    """The model for the curve's points; with protocols, each has that of its series, and its baseline.

    None where conditions change in time: between two times there is no straight line.
    """
    protocols = problem.model.setting.protocols
    if protocols is None:
        return problem.model
    kinds, before = [], []
    for weights in mix:
        near = np.argsort(-weights)[: (weights > 0).sum()]
        acute = [c for c in near if protocols.kind[c] == "acute"]
        if any(protocols.kind[c] == "at" for c in near):
            return None
        kinds.append("acute" if acute else "steady")
        before.append(len(mix) + protocols.baseline[acute[0]] if acute else len(before))
    setting = replace(
        problem.model.setting,
        protocols=Protocols(
            (*kinds, *protocols.kind),
            np.concatenate([before, len(mix) + protocols.baseline]).astype(int),
            np.concatenate([np.argmax(mix, axis=1) + len(mix), len(mix) + protocols.versus]).astype(int),
        ),
    )
    return replace(problem.model, setting=setting)


def _grid(x: np.ndarray) -> np.ndarray:
    """From the least to the largest, in equal ratios; from zero where zero is among them."""
    positive = x[x > 0]
    low, high = positive.min(), positive.max()
    if low == high:
        return np.linspace(x.min(), high, POINTS)
    grid = np.geomspace(low, high, POINTS - (x.min() <= 0))
    return np.concatenate([[0.0], grid]) if x.min() <= 0 else grid
