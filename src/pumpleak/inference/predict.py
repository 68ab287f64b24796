"""Predict: what a problem expects of each condition, under its prior or after an inference."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError, check_kind, is_number, kind_of
from ..files.room import check_memory
from ..problem.electrode import instrument_reading
from ..problem.problem import Problem
from ..problem.rules import check_problem
from ..problem.settings import check_limits
from ..quantities.language import unknown_name
from ..quantities.names import safe_name
from ..quantities.units import split_unit, with_unit
from ..traced import program
from .result import Result, check_is_result

if TYPE_CHECKING:
    import pandas

_QUANTILES = (0.025, 0.5, 0.975)


def predict(
    problem: Problem,
    result: Result | None = None,
    *,
    fixed: Mapping[str, float] | None = None,
    draws: int = 2000,
    seed: int | None = None,
) -> "pandas.DataFrame":
    """What the model expects of every row of the table: of each reading, and of the membrane behind it.

    Args:
        problem: the problem; its table need not hold readings.
        result: an inference whose posterior stands in for the prior, by parameter name; parameters it
            does not have keep their prior.
        fixed: parameters held at a value, in canonical units.
        draws: how many draws of the prior, or how many of the posterior's are used at most.
        seed: of the prior's draws; the problem's by default.

    Returns:
        One row a table row, each quantity with its median and 95 % equal-tailed interval:

        - what the model predicts: ``V_m_mV``, ``V_m_low_mV``, ``V_m_high_mV``, ``E_K_mV``, … of the membrane;
        - what is expected to be read of each observable, in its own unit, without the reading's own scatter:
          ``V_m_reading_mV``, ``dye_reading``, ``K_i_reading_mM``, … with ``…_reading_low…`` and ``…_reading_high…``, and
          beside it what was read, ``V_m_read_mV``; of paired differences the same as ``dV_m_reading_mV``, …;
        - ``no_answer``, the share of draws without an answer.

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

    check_problem(problem)
    check_kind(
        {} if fixed is None else fixed,
        Mapping,
        "a mapping of names to numbers",
        'Give e.g. {"P_Na_rel": 0.03}',
    )
    check_kind(draws, Integral, "a whole number of draws", "Give 1 or more, e.g. 2000")
    if draws < 1:
        raise InputError(f"draws = {draws} is too small", mend="Give at least 1")
    check_limits(**({} if seed is None else {"seed": seed}))
    if result is not None:
        check_is_result(result)
    fixed = dict(fixed or {})
    _check_fixed(problem, fixed)
    _check_room(problem, draws)
    rng = np.random.default_rng(problem.seed if seed is None else seed)
    with jax.enable_x64(True):
        sites = {k: jnp.asarray(v) for k, v in problem.prior_draws(rng, draws).items()}
        natural = {k: np.asarray(v) for k, v in jax.vmap(problem.natural)(sites).items()} if sites else {}
        natural |= _posterior(problem, result, draws, rng)
        for name, value in fixed.items():
            natural[name] = np.full_like(natural[name], value)
        if not natural:
            natural = {"": np.zeros(1)}  # nothing is unknown: one draw tells all
        observables, ok, readings = _of_draws(problem, natural)
    columns: dict[str, np.ndarray] = {}
    for kind, value in observables.items():
        columns |= _interval(kind, _over_draws(value, ok)[:, problem.condition], problem.unit_of(kind))
    answered, m = ok[:, problem.condition], problem.measurements
    for kind in problem.observables:
        value = readings[kind]
        read, difference = np.full((2, len(m.labels)), np.nan)
        expected = np.full((len(value), len(m.labels)), np.nan)
        for obs, row, ref, y in zip(m.observable, m.row, m.reference, m.value, strict=True):
            if obs == kind and ref < 0:
                read[row] = y
            elif obs == kind:
                difference[row], expected[:, row] = y, value[:, row] - value[:, ref]
        unit = problem.unit_of(kind)
        columns |= _interval(f"{kind}_reading", _over_draws(value, answered), unit)
        columns[with_unit(f"{kind}_read", unit)] = read
        if not np.isnan(difference).all():
            columns |= _interval(f"d{kind}_reading", _over_draws(expected, answered), unit)
            columns[with_unit(f"d{kind}_read", unit)] = difference
    columns["no_answer"] = (~ok).mean(axis=0)[problem.condition]
    return pd.DataFrame(columns, index=pd.Index(m.labels, name="row"))


def _check_room(problem: Problem, draws: int) -> None:
    """Refuse more draws than memory holds: of each, three arrays of what is predicted and read."""
    predicted = len(problem.first_row) * (1 + len(problem.model.setting.ions))
    read = len(problem.measurements.labels) * len(problem.observables)
    each = 8 * 3 * (predicted + read + problem.dimension)
    check_memory("draws = {}", draws, each, mend="Give at most {} draws")


def _interval(stem: str, low_middle_high: np.ndarray, unit: str) -> dict[str, np.ndarray]:
    low, middle, high = low_middle_high
    ends = {f"{stem}_low": low, f"{stem}_high": high}
    return {with_unit(name, unit): x for name, x in ({stem: middle} | ends).items()}


def _check_fixed(problem: Problem, fixed: Mapping[str, float]) -> None:
    """Refuse what is held and is no parameter, or is held where its prior has nothing."""
    priors = {p.name: p.prior for p in problem.parameters}
    for name, value in fixed.items():
        if name not in priors:
            stem = split_unit(name)[0]
            if stem in problem.slots and stem not in priors:
                raise InputError(
                    f"{stem} is known in these rows, not a parameter that can be held",
                    mend="Change it in the table or the config; what is expected of other baths says a table of them,"
                    f" with {problem.observables[0]} left blank",
                )
            raise unknown_name("parameter", name, sorted(priors))
        prior = priors[name]
        if not (is_number(value) and prior.lower <= value <= prior.upper):
            raise InputError(
                f"{name} = {value:g} is not possible"
                if isinstance(value, Real)
                else f"{name} = {kind_of(value)} is no number",
                mend=f"Give a value within the bounds of its prior: {prior}",
            )


def _of_draws(problem: Problem, natural: Mapping[str, np.ndarray]):
    """Observables and whether there is an answer, by draw and condition; what is read, by draw and row."""
    n, rows = len(problem.first_row), len(problem.measurements.labels)

    def one(natural):
        prediction, values = problem.predict(natural), problem.values(natural)
        observables = {k: jnp.broadcast_to(v, (n,)) for k, v in prediction.observables.items()}
        readings = {
            kind: jnp.broadcast_to(
                instrument_reading(kind, prediction.observables, values, problem.by_row), (rows,)
            )
            for kind in problem.observables
        }
        return observables, jnp.broadcast_to(prediction.ok, (n,)), readings

    drawn = {k: jnp.asarray(v) for k, v in natural.items()}
    return jax.tree.map(np.asarray, program(jax.vmap(one))(drawn))


def _over_draws(value: np.ndarray, ok: np.ndarray) -> np.ndarray:
    """Quantiles (3, n) over the draws that have an answer; NaN where none has."""
    usable = np.where(ok & np.isfinite(value), value, np.nan)
    some = np.isfinite(usable).any(axis=0)
    out = np.full((len(_QUANTILES), len(some)), np.nan)
    out[:, some] = np.nanquantile(usable[:, some], _QUANTILES, axis=0)
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
