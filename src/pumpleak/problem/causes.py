"""Why a problem has no finite density: which row, and which of its numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..quantities.names import kind
from ..text import listing
from .electrode import instrument_reading
from .problem import Problem

_POINTS = 16  # of the prior that are looked at


def no_answer(problem: Problem) -> InputError:
    """What is said of a problem that has no answer at points drawn from its prior: of the first row without any, why.

    Args:
        problem: the problem.

    Returns:
        The error, to be raised.
    """
    with jax.enable_x64(True):
        sites = problem.prior_draws(np.random.default_rng(0), _POINTS)
        values, ok, readings = jax.vmap(lambda s: _looked_at(problem, s))(
            {k: jnp.asarray(v) for k, v in sites.items()}
        )
    m = problem.measurements
    for row in range(len(m.labels)):
        at = problem.condition[row]
        if not np.asarray(ok)[:, at].any():
            zero = [
                q.name for q in problem.model.quantities if _is_zero(values[q.name], at) and _matters(q.name)
            ]
            why = f", where {_are(zero)} 0" if zero else ""
            mend = f"Give {'one of them' if len(zero) > 1 else zero[0]} above 0" if zero else None
            return _error(problem, row, f"the model {problem.model.name} has no answer here{why}", mend)
    for name, value in readings.items():
        for row in np.flatnonzero(~np.isfinite(value).any(0)):
            return _error(problem, int(row), f"no {name} can be expected here: it is infinite", None)
    return InputError(
        "the model has no answer at the points drawn from the prior",
        mend="Narrow the priors to where it has one",
    )


def _looked_at(problem: Problem, sites: dict[str, Any]) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """Every quantity, whether each condition has an answer, and every row's expected readings, at one point."""
    natural = problem.natural(sites)
    values, prediction = problem.values(natural), problem.predict(natural)
    n = len(problem.first_row)
    readings = {
        name: instrument_reading(name, prediction.observables, values, problem.by_row)
        for name in problem.observables
    }
    ok = jnp.broadcast_to(prediction.ok, (n,))
    return {k: jnp.broadcast_to(v, (n,)) if jnp.ndim(v) == 0 else v for k, v in values.items()}, ok, readings


def _is_zero(value: Any, at: int) -> bool:
    return bool((np.asarray(value)[:, at] == 0).all())


def _matters(name: str) -> bool:
    """Whether a model may have no answer for want of it: a concentration, or a permeability."""
    return kind(name).unit == "mM" or kind(name).is_rate


def _are(names: list[str]) -> str:
    return f"{listing(names)} {'is' if len(names) == 1 else 'are'}"


def _error(problem: Problem, row: int, text: str, mend: str | None) -> InputError:
    m = problem.measurements
    mend = mend or "Correct the row's numbers, or narrow the priors to where there is an answer"
    return InputError(text, mend=mend, file=m.file, row=int(m.file_rows[row]))
