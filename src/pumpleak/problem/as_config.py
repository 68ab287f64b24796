"""A problem's inputs as plain data: the config that would have said the same."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..quantities.units import with_unit
from .given import Davies
from .junction import Junction
from .noise import Recording
from .parameters import Latent, Swap
from .priors import Prior


def plain_config(
    quantities: Mapping[str, Any],
    solutions: Mapping[str, Mapping[str, Any]],
    units: Mapping[str, str],
    **rest: Any,
) -> dict[str, Any]:
    """The config of a problem that was made in Python, so that its saved result can be run again.

    Args:
        quantities, solutions: as `make_problem` takes them.
        units: canonical unit of every quantity.
        rest: the other keys of the config.
    """

    def block(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {with_unit(name, units.get(name, "mM")): _plain(spec) for name, spec in specs.items()}

    return {
        **rest,
        "quantities": block(quantities),
        "solutions": {str(s): block(specs) for s, specs in solutions.items()},
    }


def model_config(
    name: str,
    ions: Iterable[str],
    reference: str,
    observables: Iterable[str],
    noise: str,
    recording: Recording,
) -> dict:
    """The keys of a config that choose the model and the readings."""
    return {
        "model": name,
        "ions": list(ions),
        "reference": reference,
        "observables": list(observables),
        "noise": noise,
        **{f"{k}_mV": v for k, v in recording._asdict().items() if v and math.isfinite(v)},
    }


def _plain(spec: Any) -> Any:
    if isinstance(spec, Davies):
        return "davies"
    if isinstance(spec, Swap):
        return {"swap_for": spec.other, "total": _plain(spec.total)}
    if isinstance(spec, Junction):
        sides = {
            side: {f"{k}_mM": float(v) for k, v in getattr(spec, side).items()}
            for side in ("pipette", "bath")
        }
        return sides | {k: v for k in ("balance", "sd") if (v := getattr(spec, k)) is not None}
    if isinstance(spec, Latent):
        out = _plain(spec.prior)
        if spec.by is not None:
            by, pooled = (list(x) if isinstance(x, tuple) else x for x in (spec.by, spec.pooled))
            out = out | {"by": by, "pooled": pooled}
            if isinstance(spec.spread, Mapping):
                out["spread"] = {column: spread.b for column, spread in spec.spread.items()}
            elif spec.spread is not None:
                out["spread"] = spec.spread.b
            if spec.reference is not None:
                out["reference"] = spec.reference
        return out
    if not isinstance(spec, Prior):
        return float(spec)
    out: dict[str, Any] = {"prior": spec.kind} | spec.written
    if spec.form.may_be_measured:
        out["measured"] = spec.measured
    return out | {k: v for k in spec.form.cuts if math.isfinite(v := getattr(spec, k))}
