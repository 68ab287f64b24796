"""What a problem must obey: each rule once, on arrays of any leading shape, with its message.

A rule says where it is broken and in which words, of one table or of many cells at once; whoever asks adds the
file, row and column, or the cell.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..data.measurements import Measurements, Reading
from ..errors import InputError, check_kind
from ..lazy import jax
from ..models.base import Model, has_nernst
from ..quantities.language import unknown_name
from ..quantities.names import kind, observable_unit
from ..quantities.plausible import complaint, impossible
from ..quantities.quantity import Quantity
from ..quantities.units import with_unit
from .electrode import INSTRUMENTS
from .layout import Layout
from .noise import Recording
from .parameters import Parameter
from .priors import Prior, halfnormal
from .problem import Problem, Slot

#: Noise of a potential that nobody specified [mV], where the readings ask for one.
NOISE_PRIORS = {"scatter": halfnormal(10.0), "extra scatter": halfnormal(2.0)}
#: The sd of that prior for what is no potential: its scale is that of the readings.
NOISE_SIZES = {
    "scatter": "a tenth of the largest reading",
    "extra scatter": "twice the middle standard error",
}
_SHARE, _ERRORS = 0.1, 2.0  # as 2 mV is about twice the error of a potential
_ENOUGH = 3  # readings with an error, before they can show scatter beyond it
_FAR = 8.0  # sd from which a normal prior needs no cut
_OFF_STEP = 1e-6  # of a rounding step that a reading may be off it


class Breach(NamedTuple):
    """Where a rule is broken.

    Attributes:
        column: the quantity or reading (``dV_m`` for a difference) that it is about.
        wrong: (...) bool.
        words: from a position in `wrong` to the problem and its mend.
    """

    column: str
    wrong: np.ndarray
    words: Callable[[Any], tuple[str, str | None]]

    def error(self, i: Any, **where: Any) -> InputError:
        """What is said of position i, with the file, row and column that `InputError` takes."""
        problem, mend = self.words(i)
        return InputError(problem, mend=mend, **where)


# -- numbers ---------------------------------------------------------------------------------------


def outside_domain(q: Quantity, value: np.ndarray, *, blanks: bool = False) -> Breach:
    """A number below or above what its quantity can be, in the model or in any cell (`plausible.impossible`).

    Args:
        q: the quantity.
        value: (...) [its unit].
        blanks: whether NaN stands for a blank, not for a number that is none.
    """
    k = kind(q.name)
    outside = ~(np.isfinite(value) & (value >= q.lower) & (value <= q.upper))
    wrong = outside | impossible(k, value) if k.unit == q.unit else outside
    unit = "" if q.unit == "1" else f" {q.unit}"

    def words(i) -> tuple[str, str]:
        if not outside[i]:
            problem, mend = complaint(k, value[i], q.unit, place="number")
            return f"{q.name} = {value[i]:g}{unit} {problem}", mend
        limit = f"at most {q.upper:g}" if value[i] > q.upper else f"at least {q.lower:g}"
        return f"{q.name} = {value[i]:g}{unit} is not possible", f"Give a number of {limit}{unit}"

    return Breach(q.name, wrong & ~np.isnan(value) if blanks else wrong, words)


def check_possible(q: Quantity, value: float, column: str | None = None) -> None:
    """Refuse a number that its quantity cannot be.

    Raises:
        InputError: says the least or the most that it can be.
    """
    breach = outside_domain(q, np.asarray(value, float))
    if breach.wrong:
        raise breach.error((), column=column)


def known_variance(r: Reading | Measurements) -> np.ndarray:
    """Known squared standard error of each reading; NaN where there is none."""
    sem = np.where(np.isfinite(r.sem), r.sem, r.sd / np.sqrt(np.where(np.isfinite(r.n), r.n, 1.0)))
    return sem**2


def without_error(r: Reading | Measurements) -> np.ndarray:
    """(...) bool: readings that come without an error."""
    return np.isfinite(r.value) & np.isnan(known_variance(r))


def difference_without_error(observable: str, r: Reading) -> Breach:
    """A difference, whose scatter no sigma describes, without an error of its own."""

    def words(i) -> tuple[str, str]:
        return (
            f"the difference d{observable} = {r.value[i]:g} has no error",
            f"Give d{observable}_sem_mV, or d{observable}_sd_mV with d{observable}_n",
        )

    return Breach(f"d{observable}", without_error(r), words)


def check_recording(recording: Recording) -> None:
    """Refuse a step below 0, and limits that are crossed.

    Raises:
        InputError: they do not go together.
    """
    step, floor, ceiling = recording
    if not (0 <= step < math.inf and floor < ceiling):
        raise InputError(
            f"rounding {step:g} mV, floor {floor:g} mV and ceiling {ceiling:g} mV do not go together",
            mend="Give a step above 0, and a floor below the ceiling",
            column="rounding_mV" if floor < ceiling else "floor_mV",
        )


def never_written(recording: Recording, r: Reading) -> Breach:
    """A single reading of V_m beyond the limits, or off the step, of what could be written down."""
    step, floor, ceiling = recording
    single = np.isfinite(r.value) & (np.isnan(r.n) | (r.n == 1))
    beyond = single & ~((floor <= r.value) & (r.value <= ceiling))
    off = np.zeros_like(single)
    if step:
        steps = r.value / step
        off = single & (floor < r.value) & (r.value < ceiling) & (np.abs(steps - np.round(steps)) > _OFF_STEP)

    def words(i) -> tuple[str, str]:
        y = r.value[i]
        if beyond[i]:
            side = f"below the floor, {floor:g}" if y < floor else f"above the ceiling, {ceiling:g}"
            return f"{y:g} mV is {side} mV", "A reading at a limit is written as the limit"
        return (
            f"{y:g} mV is not a multiple of {step:g} mV, to which readings are said to be rounded",
            "Correct rounding_mV, or leave it out",
        )

    return Breach("V_m", beyond | off, words)


def breaches(
    known: Iterable[Quantity],
    columns: Mapping[str, np.ndarray],
    readings: Mapping[str, Reading],
    differences: Mapping[str, Reading],
    recording: Recording,
) -> Iterator[Breach]:
    """Every rule about the numbers of a table, in the order in which they are told.

    Args:
        known: the problem's quantities.
        columns: quantity -> the table's numbers (..., R), NaN where blank.
        readings, differences: by observable, each (..., N), NaN where there is none.
        recording: of single readings of V_m.
    """
    for q in known:
        if q.name in columns:
            yield outside_domain(q, columns[q.name], blanks=True)
    for observable, r in differences.items():
        yield difference_without_error(observable, r)
    if "V_m" in readings and not recording.exact:
        yield never_written(recording, readings["V_m"])


# -- noise that nobody specified -------------------------------------------------------------------


def lacks_error(readings: Sequence[Reading]) -> np.ndarray:
    """(...) bool: whether any of an observable's readings, each (..., N), comes without an error: sigma is unknown."""
    return np.concatenate([without_error(r) for r in readings], axis=-1).any(-1)


def shows_scatter(readings: Sequence[Reading]) -> np.ndarray:
    """(...) bool: whether enough of an observable's readings have an error to show scatter beyond it."""
    return np.concatenate([np.isfinite(known_variance(r)) for r in readings], axis=-1).sum(-1) >= _ENOUGH


def has_usual_scatter(observable: str) -> bool:
    """Whether sigma has a default: of how a dye scatters nothing is known beforehand."""
    return kind(observable).what != "dye"


def default_noise(what: str, observable: str, readings: Sequence[Reading]) -> Prior:
    """The prior of noise that nobody specified: of a potential in mV, of anything else by the readings' own size."""
    if observable_unit(observable) == "mV":
        return NOISE_PRIORS[what]
    return halfnormal(float(noise_size(what, readings)))


def noise_of(what: str, observable: str, readings: Sequence[Reading]) -> Prior | None:
    """The noise nobody specified: sigma where a reading has no error, extra where three have one; None where there is none."""
    if what == "scatter" and not has_usual_scatter(observable):
        return None
    asked = lacks_error if what == "scatter" else shows_scatter
    return default_noise(what, observable, readings) if asked(readings) else None


def noise_size(what: str, readings: Sequence[Reading]) -> np.ndarray:
    """(...) the sd of that prior, of an observable's readings, each (..., N): a relative volume has not the scale of mM.

    Its scatter is of the order of a tenth of the largest reading; what is beyond the standard errors, twice the middle one.
    """
    value = np.concatenate([r.value for r in readings], axis=-1)
    there = np.isfinite(value)
    size = _SHARE * np.abs(np.where(there, value, 0.0)).max(-1)
    if what == "extra scatter":
        error = np.sqrt(np.concatenate([known_variance(r) for r in readings], axis=-1))
        known = np.where(there, error, np.nan)
        some = np.isfinite(known).any(-1, keepdims=True)
        size = _ERRORS * np.nanmedian(np.where(some, known, 1.0), axis=-1)
    return np.where(size > 0, size, 1.0)


def sized_by_readings(p: Parameter) -> bool:
    """Whether a parameter's prior has its size from the readings, so that each cell of a batch has its own."""
    k = kind(p.quantity)
    return p.source == "default" and k.what in NOISE_PRIORS and observable_unit(k.of) != "mV"


# -- swaps -----------------------------------------------------------------------------------------


def swapped(slots: Mapping[str, Slot], slot: Slot, *, latent: bool) -> np.ndarray:
    """Conditions in which a slot is a total (a latent or a number) minus a number."""
    if slot.swapped is None or slot.swap_for is None:
        return np.array([], int)
    other = slots[slot.swap_for].index
    total = np.full(slot.swapped.shape, False) if slot.index is None else slot.index >= 0
    known = np.full(slot.swapped.shape, True) if other is None else other < 0
    return np.flatnonzero(slot.swapped & (total == latent) & known)


def negative_swaps(
    slots: Mapping[str, Slot], known: Mapping[str, np.ndarray], lead: int = 0
) -> Iterator[tuple[int, Breach]]:
    """Concentrations that are a known total minus a known other, and negative; with the condition of each.

    Args:
        slots: of the problem.
        known: quantity -> (..., C) or (...) its values.
        lead: how many axes stand before the conditions: 1 for a block of cells.
    """
    for name, slot in slots.items():
        for k in swapped(slots, slot, latent=False):
            total, taken = (np.asarray(_at(known[q], k, lead)) for q in (name, slot.swap_for))

            def words(i, name=name, slot=slot, total=total, taken=taken) -> tuple[str, str]:
                remaining = total[i] - taken[i]
                return (
                    f"{name} = {total[i]:g} − {slot.swap_for} = {remaining:g} mM is negative",
                    "Raise the total, or give the concentration itself",
                )

            yield int(k), Breach(name, total < taken, words)


def floors(
    parameters: Sequence[Parameter],
    slots: Mapping[str, Slot],
    known: Mapping[str, np.ndarray],
    lead: int = 0,
) -> dict[int, np.ndarray]:
    """Parameter, by its position -> (...) the least that it can be: a total is at least what it is swapped for.

    Told to its prior, that is no cliff for a sampler to fall off.

    Args:
        parameters, slots: of the problem.
        known, lead: as `negative_swaps` takes them.
    """
    elements, place = Layout(tuple(parameters)).elements, {p.name: i for i, p in enumerate(parameters)}
    out: dict[int, np.ndarray] = {}
    for slot in slots.values():
        for k in swapped(slots, slot, latent=True):
            assert slot.index is not None
            i = place[elements[slot.index[k]].parameter.name]
            out[i] = np.maximum(out.get(i, 0.0), _at(known[slot.swap_for], k, lead))
    return out


def _at(x: Any, k: int, lead: int) -> Any:
    """(...) the value in condition k, or the only one."""
    return x if np.ndim(x) == lead else x[..., k]


# -- where a prior is cut --------------------------------------------------------------------------


def is_cut(prior: Prior, floor: Any) -> np.ndarray:
    """(...) bool: where a prior is to be cut at `floor`: not where it ends above, nor where it never comes near."""
    return (floor > prior.lower) & ~far_above(prior.kind, prior.a, prior.b, floor)


def far_above(kind: str, a: Any, b: Any, floor: Any) -> np.ndarray:
    """(...) bool: a normal prior so many sd above `floor` that it need not be told."""
    return np.asarray((kind == "normal") & (a - _FAR * b > floor))


def all_below(prior: Prior, floor: np.ndarray, column: str) -> Breach:
    """A prior that ends at or below the least possible value."""
    words = lambda i: (f"the prior {prior} lies below the least possible value {floor[i]:g}", None)  # noqa: E731
    return Breach(column, np.asarray(prior.upper <= floor), words)


def cut(prior: Prior, floor: float, column: str) -> Prior:
    """A prior cut at the least possible value, where it comes near it.

    Raises:
        InputError: nothing of it is left.
    """
    breach = all_below(prior, np.asarray(floor), column)
    if breach.wrong:
        raise breach.error((), column=column)
    return replace(prior, lower=float(floor)) if is_cut(prior, floor) else prior


# -- problems --------------------------------------------------------------------------------------


def readable(model: Model, names: Collection[str]) -> list[str]:
    """What may be read where this model holds: what it predicts, and what instruments show of that.

    Args:
        model: it is traced, not run, unless what any model of this package predicts holds all the names.
        names: what is asked after.
    """
    model = replace(model, setting=replace(model.setting, protocols=None))  # what it predicts hangs on none
    inputs = [q.name for q in model.quantities]
    found = ["V_m", *(f"E_{ion}" for ion in model.setting.ions if has_nernst(inputs, ion))]
    if not model.own or not set(names) <= {*found, *INSTRUMENTS} - {"V_patch"}:
        shapes = {name: jax.ShapeDtypeStruct((), jax.numpy.result_type(float)) for name in inputs}
        found = [*jax.eval_shape(model.predict, shapes).observables]
    potassium = bool({"K_i", "aK_i"} & {*found, *inputs})
    return found + [name for name in INSTRUMENTS if name != "V_patch" or potassium]


def check_observables(model: Model, names: Sequence[str]) -> None:
    """Refuse readings of what the model does not predict.

    Raises:
        InputError: names the first of them.
    """
    found = readable(model, names)
    for name in names:
        if name not in found:
            within = f"that the model {model.name} predicts"
            raise unknown_name("observable", name, found, within=within, column="observables")


def check_read(observables: Sequence[str], read: Iterable[str], file: str, *, plan: bool = False) -> None:
    """Refuse a table without a reading of what is asked for; a plan, without any, has a blank column for it, or V_m.

    Args:
        observables: what counts as a reading.
        read: what was read in any row; of a plan what has a column.
        file: the table.
        plan: it has no reading at all.

    Raises:
        InputError: names the first that is missing.
    """
    found = set(read)
    absent = [o for o in observables if o not in found]
    if absent and (found or absent != ["V_m"]):
        column = with_unit(absent[0], observable_unit(absent[0]))
        raise InputError(
            f"the table {file} has no reading of {absent[0]}",
            mend=f"Add a column {column},{' blank for a plan,' if plan else ''} or take {absent[0]} out of observables",
            column="observables",
        )


def check_problem(problem: object) -> None:
    """Refuse what is no problem.

    Raises:
        InputError: says what it is.
    """
    check_kind(
        problem,
        Problem,
        "a problem",
        "Make it by load_problem(config) or make_problem(read_table(table), quantities)",
    )


def check_unknowns(problem: Problem, nothing: str, *, mend: str = "Give one a prior, or use predict") -> None:
    """Refuse a problem of which everything is known.

    Args:
        problem: the problem.
        nothing: what there is not then: "there is nothing to fit".
        mend: what to do about it.

    Raises:
        InputError: every quantity is a known number.
    """
    check_problem(problem)
    if not problem.parameters:
        raise InputError(f"every quantity is a known number: {nothing}", mend=mend)
