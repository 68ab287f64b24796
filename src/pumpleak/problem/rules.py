"""What a problem must obey: each rule once, for one table or many cells."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.measurements import Measurements
from ..errors import InputError, nearest
from ..models.base import Model
from .electrode import INSTRUMENTS
from .parameters import Parameter
from .priors import Prior
from .problem import Problem, Slot


def within_domain(parameters, slots: dict[str, Slot], known: dict) -> tuple[Parameter, ...]:
    """A swap's total is at least what it is swapped for: told to its prior, it is no cliff to fall off."""
    least: dict[int, float] = {}
    for slot in slots.values():
        if slot.index is None or slot.swapped is None or slot.swap_for is None:
            continue
        other = slots[slot.swap_for]
        taken = np.broadcast_to(known[slot.swap_for], slot.index.shape)
        for c in np.flatnonzero(slot.swapped & (slot.index >= 0)):
            if other.index is None or other.index[c] < 0:
                i = int(slot.index[c])
                least[i] = max(least.get(i, 0.0), float(taken[c]))
    out, start = [], 0
    for p in parameters:
        floor = max((least[i] for i in range(start, start + p.size) if i in least), default=-math.inf)
        near = not (p.prior.kind == "normal" and p.prior.a - 8 * p.prior.b > floor)
        out.append(replace(p, prior=bounded_below(p.prior, floor)) if floor > p.prior.lower and near else p)
        start += p.size
    return tuple(out)


def bounded_below(prior: Prior, lower: float) -> Prior:
    if prior.upper <= lower:
        raise InputError(f"the prior {prior} lies below the least possible value {lower:g}")
    return replace(prior, lower=lower)


def known_variance(m: Measurements) -> np.ndarray:
    """Known squared standard error of each reading; NaN where there is none."""
    sem = np.where(np.isfinite(m.sem), m.sem, m.sd / np.sqrt(np.where(np.isfinite(m.n), m.n, 1.0)))
    return sem**2


def check_observables(model: Model, names: Iterable[str]) -> None:
    """Refuse readings of what the model does not predict; it is traced, not run.

    Raises:
        InputError: names the first of them.
    """
    import jax

    model = replace(model, setting=replace(model.setting, protocols=None))  # what it predicts hangs on none
    inputs = {q.name: jax.ShapeDtypeStruct((), jax.numpy.result_type(float)) for q in model.quantities}
    found = [*jax.eval_shape(model.predict, inputs).observables]
    potassium = any("K_i" in names or "aK_i" in names for names in (found, inputs))
    found += [name for name in INSTRUMENTS if name != "V_patch" or potassium]
    for name in names:
        if name not in found:
            raise InputError(
                f"the model {model.name} does not predict {name}{nearest(name, found)}",
                mend=f"It predicts {', '.join(found)}",
                column="observables",
            )


def check_model_answers(problem: Problem) -> None:
    """Refuse readings the model does not predict, differences without an error, swaps below nothing."""
    check_observables(problem.model, problem.observables)
    m = problem.measurements
    for i in np.flatnonzero((m.reference >= 0) & np.isnan(problem.arrays.variance) & np.isfinite(m.value)):
        raise InputError(
            f"the difference d{m.observable[i]} = {m.value[i]:g} has no error",
            mend=f"Give d{m.observable[i]}_sem_mV, or d{m.observable[i]}_sd_mV with d{m.observable[i]}_n",
            file=m.file,
            row=int(m.file_rows[m.row[i]]),
            column=f"d{m.observable[i]}",
        )
    for name, slot in problem.slots.items():
        if slot.swap_for is None or slot.swapped is None:
            continue
        for c, row in enumerate(problem.first_row):
            total_known = slot.index is None or slot.index[c] < 0
            other = problem.slots[slot.swap_for]
            if slot.swapped[c] and total_known and (other.index is None or other.index[c] < 0):
                total = np.broadcast_to(problem.arrays.known[name], len(problem.first_row))[c]
                taken = np.broadcast_to(problem.arrays.known[slot.swap_for], len(problem.first_row))[c]
                if total < taken:
                    raise InputError(
                        f"{name} = {total:g} − {slot.swap_for} = {total - taken:g} mM is negative",
                        mend="Raise the total, or give the concentration itself",
                        file=problem.measurements.file,
                        row=int(problem.measurements.file_rows[row]),
                        column=name,
                    )


def swapped(template: Problem, slot: Any, *, latent: bool) -> np.ndarray:
    """Conditions in which a slot is a total (a latent or a number) minus a number."""
    if slot.swapped is None:
        return np.array([], int)
    other = template.slots[slot.swap_for].index
    total = np.full(slot.swapped.shape, False) if slot.index is None else slot.index >= 0
    known = np.full(slot.swapped.shape, True) if other is None else other < 0
    return np.flatnonzero(slot.swapped & (total == latent) & known)


def binds(prior: Prior, floor: np.ndarray) -> np.ndarray:
    """(M,) where a prior is to be cut at `floor`, as `make_problem` decides it."""
    far = prior.a - 8 * prior.b > floor if prior.kind == "normal" else False
    return (floor > prior.lower) & ~np.asarray(far, bool)
