"""Predict: what a problem expects of each condition, under its prior or after an inference."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError, unknown
from ..problem.electrode import instrument_reading
from ..problem.problem import Problem
from ..quantities.names import safe_name
from .result import Result

if TYPE_CHECKING:
    import pandas

_quantiles = partial(np.nanquantile, q=(0.025, 0.5, 0.975), axis=0)
_median = partial(np.nanmedian, axis=0)


def predict(
    problem: Problem,
    result: Result | None = None,
    *,
    fixed: Mapping[str, float] | None = None,
    draws: int = 2000,
    seed: int = 1,
) -> "pandas.DataFrame":
    """What the model expects of every row of the table: V_m and the ions' Nernst potentials.

    Args:
        problem: the problem; its table need not hold readings.
        result: an inference whose posterior stands in for the prior, by parameter name; parameters it
            does not have keep their prior.
        fixed: parameters held at a value, in canonical units.
        draws: how many draws of the prior, or how many of the posterior's are used at most.
        seed: of the prior's draws.

    Returns:
        One row a table row: for each observable its median and 95 % equal-tailed interval (columns
        ``V_m_mV``, ``V_m_low_mV``, ``V_m_high_mV``, …), the expected reading ``V_m_reading_mV`` (the median of
        V_m as the electrode reads it), the share of draws without an answer
        (``no_answer``), and the reading where there is one.

    Raises:
        InputError: `fixed` names a parameter the problem does not have.

    Example:
        >>> from pumpleak import load_dataset, lognormal, make_problem, predict
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> table = predict(problem, fixed={"P_Na_rel": 0.04})
        >>> print(table[["V_m_mV", "E_K_mV", "E_Na_mV"]].round(1).iloc[0].tolist())
        [-69.0, -90.0, 60.0]
    """
    import pandas as pd

    fixed = dict(fixed or {})
    _check_fixed(problem, fixed)
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        sites = {k: jnp.asarray(v) for k, v in problem.prior_draws(rng, draws).items()}
        natural = {k: np.asarray(v) for k, v in jax.vmap(problem.natural)(sites).items()} if sites else {}
        natural |= _posterior(problem, result, draws, rng)
        for name, value in fixed.items():
            natural[name] = np.full_like(natural[name], value)
        if not natural:
            natural = {"": np.zeros(1)}  # nothing is unknown: one draw tells all
        observables, ok, reading = _of_draws(problem, natural)
    columns: dict[str, np.ndarray] = {}
    for kind, value in observables.items():
        unit = problem.unit_of(kind)
        low, middle, high = _over_draws(value, ok, _quantiles)[:, problem.condition]
        columns |= {f"{kind}_{unit}": middle, f"{kind}_low_{unit}": low, f"{kind}_high_{unit}": high}
    columns["V_m_reading_mV"] = _over_draws(reading, ok[:, problem.condition], _median)
    columns["no_answer"] = (~ok).mean(axis=0)[problem.condition]
    m = problem.measurements
    for kind in problem.observables:
        read = np.full(len(m.labels), np.nan)
        for obs, row, ref, value in zip(m.observable, m.row, m.reference, m.value, strict=True):
            if obs == kind and ref < 0:
                read[row] = value
        columns[f"{kind}_read_{problem.unit_of(kind)}"] = read
    return pd.DataFrame(columns, index=pd.Index(m.labels, name="row"))


def _check_fixed(problem: Problem, fixed: Mapping[str, float]) -> None:
    """Refuse what is held and is no parameter, or is held where its prior has nothing."""
    priors = {p.name: p.prior for p in problem.parameters}
    for name, value in fixed.items():
        if name not in priors:
            raise unknown("parameter", name, sorted(priors))
        prior = priors[name]
        if not (np.isfinite(value) and prior.lower <= value <= prior.upper):
            raise InputError(
                f"{name} = {value:g} is not possible",
                mend=f"Give a value within the bounds of its prior: {prior}",
            )


def _of_draws(problem: Problem, natural: Mapping[str, np.ndarray]):
    """Observables and whether there is an answer, by draw and condition; V_m as it is read, by draw and row."""
    n = len(problem.first_row)

    def one(natural):
        prediction, values = problem.predict(natural), problem.values(natural)
        observables = {k: jnp.broadcast_to(v, (n,)) for k, v in prediction.observables.items()}
        reading = instrument_reading("V_m", prediction.observables, values, problem.by_row)
        return observables, jnp.broadcast_to(prediction.ok, (n,)), reading

    drawn = {k: jnp.asarray(v) for k, v in natural.items()}
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(drawn))


def _over_draws(value: np.ndarray, ok: np.ndarray, summary: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A summary over the draws that have an answer; NaN where none has."""
    usable = np.where(ok & np.isfinite(value), value, np.nan)
    some = np.isfinite(usable).any(axis=0)
    found = summary(usable[:, some])
    out = np.full((*found.shape[:-1], len(some)), np.nan)
    out[..., some] = found
    return out


def _posterior(problem: Problem, result: Result | None, draws: int, rng) -> dict[str, np.ndarray]:
    if result is None:
        return {}
    posterior = result.tree["posterior"]
    out = {}
    picks = None
    for p in problem.parameters:
        if safe_name(p.name) not in posterior:
            continue
        values = np.asarray(posterior[safe_name(p.name)])
        values = values.reshape(-1, *values.shape[2:])
        variable = posterior[safe_name(p.name)]
        levels = tuple(map(str, variable[variable.dims[2]].values)) if variable.ndim > 2 else ()
        if levels != p.levels:
            continue
        if picks is None:
            picks = rng.choice(len(values), size=draws, replace=draws > len(values))
        out[p.name] = values[picks]
    if not out and problem.parameters:
        raise InputError(
            f"the result '{result.title}' has none of this problem's parameters",
            mend=f"Give a result with any of {', '.join(p.name for p in problem.parameters)}",
        )
    return out
