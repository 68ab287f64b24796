"""What is written of one quantity: a number, a prior, a swap, a junction."""

import datetime
import math
import numbers
from typing import Any

import pydantic

from ..errors import InputError, unknown
from ..files.yaml_lines import Lines, first_error, unknown_key, will_not_do
from ..problem.junction import Junction
from ..problem.parameters import Latent, Swap
from ..problem.priors import Prior, beta, halfnormal, lognormal, normal, uniform
from ..quantities.names import kind
from ..quantities.plausible import complaint, impossible
from ..quantities.units import canonical_unit, parse_quantity, split_unit, spread_to_canonical, to_canonical
from .schema import (
    BetaSpec,
    HalfnormalSpec,
    JunctionSpec,
    LognormalSpec,
    NormalSpec,
    PriorSpec,
    SwapSpec,
    UniformSpec,
)

_PRIOR = pydantic.TypeAdapter(PriorSpec)


def parse_spec(key: str, value: Any, lines: Lines, path: tuple[str, ...]):
    """A quantity's name, and what is known of it in canonical units.

    Args:
        key: as written, with or without its unit: ``K_i_mM`` or ``K_i``.
        value: a number, ``"120 ± 10 mM"``, a prior, or ``{swap_for: K_o, total: 150}``.

    Raises:
        InputError: no unit, two units, an unknown prior, bounds swapped, and so on.
    """
    name, unit = split_unit(key)
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, str, dict)):
        raise lines.error(
            f"{value if isinstance(value, datetime.date) else repr(value)} is not a number or a prior",
            path,
            "Give a number, '120 ± 10 mM' or a prior",
        )
    if isinstance(value, dict):
        unit = _one_unit(unit, value.get("unit"), lines, path)
        if "swap_for" in value:
            spec = _validate(SwapSpec, value, lines, path)
            total = parse_spec(f"{name}_{unit}" if unit else name, spec.total, lines, (*path, "total"))[1]
            return name, Swap(split_unit(spec.swap_for)[0], total)
        if "pipette" in value:
            spec = _validate(JunctionSpec, value, lines, path)
            pipette, bath = (_ions(getattr(spec, side), lines, (*path, side)) for side in ("pipette", "bath"))
            sd = None if spec.sd is None else spread_to_canonical(spec.sd, unit or "mV")[0]
            return name, Junction(pipette, bath, spec.balance, sd)
        _need_unit(name, unit, lines, path)
        return name, _prior(name, value, unit, lines, path)
    if isinstance(value, str):
        try:
            number, sd, given = parse_quantity(value)
        except InputError as error:
            raise lines.error(error.problem, path, error.mend) from None
        given = None if given == "1" else given
        unit = _one_unit(unit, given, lines, path)
    else:
        number, sd = float(value), None
    _need_unit(name, unit, lines, path)
    if not math.isfinite(number):
        raise lines.error(f"{number} is not a number", path, "Give a finite number")
    centre = to_canonical(number, unit or "1")[0]
    _plausible(name, number, unit, lines, path)
    if sd is None:
        return name, centre
    return name, normal(centre, spread_to_canonical(sd, unit or "1")[0], measured=True)


def _ions(given: dict[str, float], lines, path) -> dict[str, float]:
    """Ion -> mM, from keys with units such as ``K_mM``."""
    out = {}
    for key, value in given.items():
        name, unit = split_unit(key)
        if unit is None or canonical_unit(unit) != "mM":
            raise lines.error(f"{key} needs a unit", (*path, key), f"Write the key as {name}_mM")
        out[name] = to_canonical(value, unit)[0]
    return out


def _validate(model, value, lines, path):
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise first_error(error, lines, model, path) from None


def _one_unit(a: str | None, b: Any, lines, path) -> str | None:
    if b is not None:
        try:
            canonical_unit(str(b))
        except InputError as error:
            raise lines.error(error.problem, path, error.mend) from None
        b = str(b)
    if a and b and a != b:
        raise lines.error(f"has two units, {a} and {b}", path, "Keep one")
    return a or b


def _need_unit(name: str, unit: str | None, lines, path) -> None:
    expected = kind(name).unit
    if unit is None:
        if expected in (None, "1"):
            return
        example = {"K": "degC"}.get(expected, expected)
        raise lines.error(
            f"{name} needs a unit", path, f"Write the key as {name}_{example}, or the value as '… {example}'"
        )
    if expected is not None and canonical_unit(unit) != expected:
        raise lines.error(f"{name} cannot be in {unit}", path, f"Its unit is {expected}")


def _plausible(name: str, number: float, unit: str | None, lines, path) -> None:
    k = kind(name)
    if impossible(k, to_canonical(number, unit or "1")[0]):
        problem, mend = complaint(k, number, unit or "1")
        raise lines.error(f"{name} = {number:g}{f' {unit}' if unit else ''} {problem}", path, mend)


def _prior(name: str, value: dict, unit: str | None, lines, path) -> Latent:
    if "prior" not in value:
        raise lines.error(
            f"does not say which prior (it has {', '.join(map(str, value))})",
            path,
            "Add e.g. `prior: lognormal` with median and factor, or `prior: normal` with mean and sd",
        )
    kinds = ["normal", "lognormal", "halfnormal", "uniform", "beta"]
    if value["prior"] not in kinds:
        raise lines.place(unknown("prior", value["prior"], kinds), path)
    try:
        spec = _PRIOR.validate_python(value)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        first_path = (*path, *(str(x) for x in first["loc"][1:]))
        model = {
            "normal": NormalSpec,
            "lognormal": LognormalSpec,
            "halfnormal": HalfnormalSpec,
            "uniform": UniformSpec,
            "beta": BetaSpec,
        }[value["prior"]]
        if first["type"] == "extra_forbidden":
            known = list(model.model_fields)
            raise unknown_key(lines, first_path, known, f"of a {value['prior']} prior") from None
        if first["type"] == "missing":
            raise lines.error(
                f"a {value['prior']} prior needs '{first_path[-1]}'", path, f"Add `{first_path[-1]}:`"
            ) from None
        raise will_not_do(lines, first_path, first) from None
    try:
        prior = _as_prior(spec)
        if unit and canonical_unit(unit) != unit:
            scale, shift = to_canonical(1.0, unit)[0] - to_canonical(0.0, unit)[0], to_canonical(0.0, unit)[0]
            prior = prior.scaled(scale, shift)
    except ValueError as error:
        raise lines.error(str(error).rstrip("."), path, "Mend the prior's numbers") from None
    if spec.prior in ("normal", "lognormal", "uniform"):
        middle = {"normal": "mean", "lognormal": "median", "uniform": "upper"}[spec.prior]
        number = getattr(spec, middle)
        _plausible(name, number, unit, lines, (*path, middle))
    if spec.by is None and (spec.pooled or spec.spread is not None):
        raise lines.error("pooled and spread go with `by:`", path, "Add e.g. `by: cell`")
    spread = spec.spread
    if isinstance(spread, dict):
        spread = {column: halfnormal(sd) for column, sd in spread.items()}
    elif spread is not None:
        spread = halfnormal(spread)
    by, pooled = (tuple(x) if isinstance(x, list) else x for x in (spec.by, spec.pooled))
    if isinstance(pooled, str):
        pooled = (pooled,)
    if spread is not None and not pooled:
        pooled = tuple(spread) if isinstance(spread, dict) else True
    return Latent(prior, by, pooled, spread)


def _as_prior(spec) -> Prior:
    match spec:
        case NormalSpec():
            return normal(spec.mean, spec.sd, lower=spec.lower, upper=spec.upper, measured=spec.measured)
        case LognormalSpec():
            return lognormal(spec.median, spec.factor, lower=spec.lower, upper=spec.upper)
        case HalfnormalSpec():
            return halfnormal(spec.sd, upper=spec.upper)
        case UniformSpec():
            return uniform(spec.lower, spec.upper)
    return beta(spec.a, spec.b)
