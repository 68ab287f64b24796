"""How what is read of the membrane, and the posterior's mode, answer to every single input: exact derivatives."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...engines.modes import Mode, find_modes, trial_points
from ...errors import InputError
from ...problem.build import observation_quantities
from ...problem.electrode import INSTRUMENTS
from ...problem.problem import Arrays, Problem
from ...quantities.names import kind
from ...quantities.quantity import Quantity
from ...traced import program

_NEWTON = 50  # steps at most from where the search for modes ended
_SMALL = 1e-7  # slope [nats a prior's width] of a mode


@dataclass(frozen=True)
class Input:
    """One number that an answer depends on.

    Attributes:
        name: of the quantity, or of the reading.
        kind: ``unknown``, ``known``, ``prior`` (the centre of an unknown's prior, a measured value among them)
            or ``reading``.
        per: what a derivative is per: ``e-fold``, or a unit.
        where: for a known number that differs from condition to condition, which one; "" for all alike.
    """

    name: str
    kind: str
    per: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.where})" if self.where else self.name


@dataclass(frozen=True)
class Slopes:
    """Derivatives of some answers by some inputs.

    Attributes:
        inputs: I of them.
        answers: A names.
        values: (A, I) d answer/d input: of what the membrane answers in its unit; of a positive parameter as d ln x.
    """

    inputs: tuple[Input, ...]
    answers: tuple[str, ...]
    values: np.ndarray


def posterior_mode(problem: Problem, arrays: Arrays | None = None, *, seed: int = 1):
    """The highest mode u (D,) of the posterior, and the exact Hessian (D, D) of `Problem.potential` there.

    Raises:
        InputError: no mode was found near the prior, or a condition is followed through time.
    """
    if problem.model.integrates:
        raise InputError(
            "what is followed through time (protocol at) has no second derivatives here",
            mend="Use `pumpleak identify`",
        )
    with jax.enable_x64(True):
        arrays = problem.arrays if arrays is None else arrays
        found = program(lambda a, t: find_modes(problem, a, t), Mode)(arrays, trial_points(problem, seed))

        @jax.jit
        def around(u):
            slope, H = jax.grad(problem.potential), jax.hessian(problem.potential)
            return problem.potential(u, arrays), slope(u, arrays), H(u, arrays)

        u = np.asarray(found.u[0])
        value, slope, H = map(np.asarray, around(u))
        for _ in range(_NEWTON):
            if not np.isfinite(value) or np.abs(slope).max() < _SMALL:
                break
            # A saddle is left by the sizes of its curvatures.
            size, axes = np.linalg.eigh(H)
            move = -axes @ ((axes.T @ slope) / np.maximum(np.abs(size), 1e-3))
            short = 1.0
            new = tuple(map(np.asarray, around(u + move)))
            while not new[0] <= value and short > 1e-9:
                short *= 0.5
                new = tuple(map(np.asarray, around(u + short * move)))
            u, (value, slope, H) = u + short * move, new
    if not (np.isfinite(value) and np.abs(slope).max() < 1e3 * _SMALL and np.linalg.eigvalsh(H)[0] > 0):
        raise InputError(
            "the posterior has no mode near its prior at which it could be differentiated",
            mend="Check the priors and the table's units with `pumpleak fit`",
        )
    return u, H


def answering(problem: Problem) -> tuple[str, ...]:
    """What the membrane answers with, of all that is read: V_m behind an electrode or a dye, else what is read itself."""
    return tuple(dict.fromkeys("V_m" if o in INSTRUMENTS else o for o in problem.observables))


def membrane_slopes(problem: Problem, u, of: str = "V_m") -> Slopes:
    """d`of`/d input in every condition at the point u: of the unknowns, and of the known numbers.

    A known number that differs between conditions moves in all of them by the same factor.

    Args:
        problem: the problem.
        u: (D,) where.
        of: V_m, or what else the model predicts, from `answering`.

    Returns:
        The `Slopes`, answers the conditions' labels [its unit per e-fold, or per unit].
    """
    with jax.enable_x64(True):
        known, inputs = _known(problem)
        x = problem.element_values(jnp.asarray(u))

        def predict(x, known):
            arrays = problem.arrays._replace(known=problem.arrays.known | known)
            answer = problem.predict(problem.layout.unravel(x), arrays).observables[of]
            return jnp.broadcast_to(answer, (len(problem.first_row),))

        by_x, by_known = program(problem.model.jacobian(predict, argnums=(0, 1)))(x, known)
    x = np.asarray(x)
    elements = problem.layout.elements
    per = [_per(e.unit, e.parameter.prior.positive and v > 0) for e, v in zip(elements, x, strict=True)]
    columns = [np.asarray(by_x) * np.where(np.array(per) == "e-fold", x, 1.0)]
    listed = [Input(e.name, "unknown", p) for e, p in zip(elements, per, strict=True)]
    for one in dict.fromkeys(i.name for i in inputs):
        slope, where = np.asarray(by_known[one]), _in_use(problem, one)
        value, unit = np.asarray(known[one]), _quantities(problem)[one].unit
        p = _per(unit, bool((value[where] > 0).all()))
        step = slope * (value if p == "e-fold" else 1.0)
        columns.append(np.where(where, step, 0.0).reshape(len(step), -1).sum(axis=1, keepdims=True))
        listed.append(Input(one, "known", p))
    labels = tuple(problem.measurements.labels[r] for r in problem.first_row)
    return Slopes(tuple(listed), labels, np.concatenate(columns, axis=1))


def mode_slopes(problem: Problem, u, H) -> Slopes:
    """d ln x̂/d input of every parameter's element x̂ at the posterior's mode, by the implicit function theorem.

        dû/d input = −H⁻¹ ∂²U/∂u ∂input

    with U the potential. The inputs are the known numbers, the centres of normal and lognormal priors (where
    a measured value stands), and the readings themselves.

    Args:
        problem: the problem.
        u, H: from `posterior_mode`.

    Returns:
        The `Slopes`, answers the elements: d ln x for positive ones, else dx in the unit.
    """
    with jax.enable_x64(True):
        known, listed = _known(problem)
        centred = [s for s in problem.sites if s.prior.form.gaussian]
        centre = {s.name: jnp.asarray(problem.arrays.prior[s.name][0]) for s in centred}
        arrays = problem.arrays
        value = jnp.where(jnp.asarray(arrays.mask), jnp.asarray(arrays.value), 0.0)

        def slope(known, centre, value):
            prior = {k: jnp.asarray(v) for k, v in arrays.prior.items()}
            prior |= {k: prior[k].at[0].set(a) for k, a in centre.items()}
            moved = arrays._replace(known=arrays.known | known, prior=prior, value=value)
            return jax.grad(problem.potential)(jnp.asarray(u), moved)

        mixed = program(jax.jacfwd(slope, argnums=(0, 1, 2)))(known, centre, value)
        J = np.asarray(program(jax.jacfwd(lambda u: problem.element_values(u)))(jnp.asarray(u)))
        x = np.asarray(problem.element_values(jnp.asarray(u)))
    by_known, by_centre, by_value = jax.tree.map(np.asarray, mixed)
    columns, inputs = [], []
    for i, flat in listed.items():
        number = np.ravel(np.asarray(known[i.name]))[flat]
        columns.append(by_known[i.name].reshape(len(u), -1)[:, flat] * (number if i.per == "e-fold" else 1.0))
        inputs.append(i)
    for s in centred:
        columns.append(by_centre[s.name])
        unit = next(p.unit for p in problem.parameters if s in p.sites)
        # A lognormal's centre is the ln of its median.
        inputs.append(Input(s.name, "prior", "e-fold" if s.prior.form.support[0] == 0 else unit))
    for r in np.flatnonzero(arrays.mask):
        columns.append(by_value[:, r])
        unit = problem.unit_of(problem.measurements.observable[r])
        inputs.append(Input(problem.reading_names[r], "reading", unit))
    dx = -J @ np.linalg.solve(H, np.stack(columns, axis=1))
    positive = np.array([e.parameter.prior.positive for e in problem.layout.elements])
    dx = dx / np.where(positive, x, 1.0)[:, None]
    return Slopes(tuple(inputs), problem.layout.element_names, dx)


def _per(unit: str, positive: bool) -> str:
    return unit if unit in ("mV", "K") or not positive else "e-fold"


def _quantities(problem: Problem) -> dict[str, Quantity]:
    observation = observation_quantities(problem.observables, problem.noise)
    return {q.name: q for q in (*problem.model.quantities, *observation)}


def _in_use(problem: Problem, name: str) -> np.ndarray:
    """Which entries of a quantity's known numbers are assumptions: not those that stand in for unknowns, nor
    factors and extras left at the 1 or 0 that switches them off."""
    index, value = problem.slots[name].index, np.asarray(problem.arrays.known[name], float)
    used = np.ones(value.shape, bool)
    if index is not None:
        used = index < 0 if value.ndim else np.asarray((index < 0).any())
    default = _quantities(problem)[name].default
    k = kind(name)
    if k.is_noise and k.of:
        default = 0.0
    off = default == 0 and k.what != "offset" or default == 1 and k.ratio != "rel"
    return used & (value != default) if off else used


def _known(problem: Problem) -> tuple[dict[str, Any], dict[Input, int]]:
    """The known numbers as JAX differentiates them, and each that is read as an `Input` with its place."""
    known, inputs, quantities = {}, {}, _quantities(problem)
    of_model = {q.name for q in problem.model.quantities}
    for name, value in problem.arrays.known.items():
        used, value = _in_use(problem, name), np.asarray(value, float)
        if not used.any():
            continue
        known[name] = jnp.asarray(value)
        for k in np.flatnonzero(used):
            where = ""
            if value.ndim:
                row = problem.first_row[k] if name in of_model else k
                where = problem.measurements.labels[row]
            inputs[Input(name, "known", _per(quantities[name].unit, np.ravel(value)[k] > 0), where)] = int(k)
    return known, inputs
