"""What is written of one quantity: a number, a prior, a swap, a junction."""

import datetime
import math
import numbers
import warnings
from typing import Any

from ..errors import InputError, InputWarning
from ..files.yaml_lines import Lines
from ..problem.given import Davies
from ..problem.junction import Junction
from ..problem.parameters import Latent, Swap
from ..problem.prior_kinds import kind_of_prior
from ..problem.priors import halfnormal, make_prior, normal
from ..quantities.chemistry import is_solute
from ..quantities.foreign_units import check_unit_of, foreign_unit
from ..quantities.ions import is_ion, valence
from ..quantities.language import ends
from ..quantities.names import kind
from ..quantities.numbers import odd_number, plain_digits
from ..quantities.plausible import complaint, doubt, impossible
from ..quantities.units import (
    canonical_unit,
    parse_quantity,
    split_unit,
    spread_to_canonical,
    to_canonical,
    written_name,
)
from .schema import JunctionSpec, PriorSpec, SwapSpec, prior_spec

#: What a starter config has where only the user knows.
EDIT = "EDIT"


def refuse_unfilled(value: Any, mend: str = "Give a number, '120 ± 10 mM' or a prior") -> None:
    """Refuse what a starter config left to be filled in."""
    if isinstance(value, str) and value.split()[:1] == [EDIT]:
        raise InputError("is still to be filled in", mend=mend)


def parse_spec(key: str, value: Any, lines: Lines, path: tuple[str, ...]):
    """A quantity's name, and what is known of it in canonical units.

    Args:
        key: as written, with or without its unit: ``K_i_mM`` or ``K_i``.
        value: a number, ``"120 ± 10 mM"``, a prior, or ``{swap_for: K_o, total: 150}``.

    Raises:
        InputError: no unit, two units, an unknown prior, bounds swapped, and so on.
    """
    with lines.at(*path):
        return _parsed(key, value, lines, path)


def _parsed(key: str, value: Any, lines: Lines, path: tuple[str, ...]):
    name, unit = split_unit(key)
    refuse_unfilled(value)
    check_unit_of(key, value)
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, str, dict)):
        raise InputError(
            f"{value if isinstance(value, datetime.date) else repr(value)} is not a number or a prior",
            mend="Give a number, '120 ± 10 mM' or a prior",
        )
    if isinstance(value, dict):
        unit = _one_unit(name, unit, value.get("unit"))
        if "swap_for" in value:
            spec = lines.checked(SwapSpec, value, *path)
            total = parse_spec(f"{name}_{unit}" if unit else name, spec.total, lines, (*path, "total"))[1]
            return name, Swap(split_unit(spec.swap_for)[0], total)
        if "pipette" in value:
            spec = lines.checked(JunctionSpec, value, *path)
            pipette, bath = (_ions(getattr(spec, side), lines, (*path, side)) for side in ("pipette", "bath"))
            sd = None if spec.sd is None else spread_to_canonical(spec.sd, unit or "mV")[0]
            return name, Junction(pipette, bath, spec.balance, sd)
        _need_unit(name, unit)
        return name, _prior(name, value, unit, lines, path)
    if isinstance(value, str) and value.strip().lower() == "davies":
        return name, Davies()
    if isinstance(value, str):
        number, sd, given = parse_quantity(value, ratio=kind(name).is_quotient)
        unit = _one_unit(name, unit, None if given == "1" else given)
    else:
        number, sd = float(value), None
    _need_unit(name, unit)
    if not math.isfinite(number):
        raise InputError(f"{number} is not a number", mend="Give a finite number")
    _plausible(name, number, unit)
    centre = to_canonical(number, unit or "1")[0]
    if sd is None:
        return name, centre
    return name, normal(centre, spread_to_canonical(sd, unit or "1")[0], measured=True)


def _ions(given: dict[str, float], lines: Lines, path: tuple[str, ...]) -> dict[str, float]:
    """Ion -> mM, from keys with units such as ``K_mM``."""
    out = {}
    for key, value in given.items():
        name, unit = split_unit(key)
        with lines.at(*path, key):
            for ion, written in ends(key):
                if is_ion(ion) and (wrong := foreign_unit(f"{ion}_o", written, value)):
                    raise InputError(wrong[0], mend=(wrong[1] or "").replace(f"{ion}_o_", f"{ion}_"))
            if unit is None or canonical_unit(unit) != "mM":
                raise InputError(f"{key} needs a unit", mend=f"Write the key as {name}_mM")
            if not is_solute(name):
                valence(name)
        out[name] = to_canonical(value, unit)[0]
    return out


def _one_unit(name: str, a: str | None, b: Any) -> str | None:
    if b is not None:
        b = str(b)
        if wrong := foreign_unit(name, b):
            raise InputError(wrong[0], mend=wrong[1])
        canonical_unit(b)
    if a and b and a != b:
        raise InputError(f"has two units, {a} and {b}", mend="Keep one")
    return a or b


def _need_unit(name: str, unit: str | None) -> None:
    expected = kind(name).unit
    if unit is None:
        if expected in (None, "1"):
            return
        if kind(name).is_rate and not kind(name).ratio and expected is not None:
            absolute = f"; an absolute one is {written_name(name, expected)}"
            raise InputError(
                f"{name} needs a unit", mend=f"Write {name}_rel, over the reference ion's{absolute}"
            )
        example = {"K": "degC"}.get(expected, expected)
        mend = f"Write the key as {name}_{example}, or the value as '… {example}'"
        raise InputError(f"{name} needs a unit", mend=mend)
    if expected is not None and canonical_unit(unit) != expected:
        raise InputError(f"{name} cannot be in {unit}", mend=f"Its unit is {expected}")


def _plausible(name: str, number: float, unit: str | None) -> None:
    k = kind(name)
    if impossible(k, to_canonical(number, unit or "1")[0]):
        problem, mend = complaint(k, number, unit or "1")
        raise InputError(f"{name} = {number:g}{f' {unit}' if unit else ''} {problem}", mend=mend)
    found = doubt(k, number, unit or "1")
    if found is not None:
        warnings.warn(
            InputWarning(f"{name} = {number:g} {unit} {found.problem}. {found.mend}."), stacklevel=2
        )


def _prior(name: str, value: dict, unit: str | None, lines: Lines, path: tuple[str, ...]) -> Latent:
    if "prior" not in value:
        raise InputError(
            f"does not say which prior (it has {', '.join(map(str, value))})",
            mend="Add e.g. `prior: lognormal` with median and factor, or `prior: normal` with mean and sd",
        )
    form = kind_of_prior(str(value["prior"]))
    for key in {*form.keys, *form.cuts} & {*value}:
        ratio = kind(name).is_quotient
        if isinstance(value[key], str) and (odd := odd_number(plain_digits(value[key]), ratio=ratio)):
            with lines.at(*path, key):
                raise InputError(odd[0], mend=odd[1])
    spec = lines.checked(prior_spec(form), value, *path)
    written = spec.model_dump(exclude=set(PriorSpec.model_fields))
    prior = make_prior(written.pop("prior"), **written)
    if unit and canonical_unit(unit) != unit:
        zero = to_canonical(0.0, unit)[0]
        prior = prior.scaled(to_canonical(1.0, unit)[0] - zero, zero)
    if form.middle:
        with lines.at(*path, form.middle):
            _plausible(name, written[form.middle], unit)
    if spec.by is None and (spec.pooled or spec.spread is not None):
        raise InputError("pooled and spread go with `by:`", mend="Add e.g. `by: cell`")
    if spec.by is None and spec.reference is not None:
        raise InputError("reference goes with `by:`", mend="Add e.g. `by: treatment`, of which it is a level")
    spread = spec.spread
    if isinstance(spread, dict):
        spread = {column: halfnormal(sd) for column, sd in spread.items()}
    elif spread is not None:
        spread = halfnormal(spread)
    by, pooled = (tuple(x) if isinstance(x, list) else x for x in (spec.by, spec.pooled))
    if spread is not None and not pooled:
        pooled = tuple(spread) if isinstance(spread, dict) else True
    return Latent(prior, by, pooled, spread, spec.reference)
