"""The models by name: which quantities each needs, and the potential it predicts from them.

A model is a name, a list of quantities and a pure function of their values. `ghk`, `mullins_noda`,
`chord` and `nernst` are in `membrane`, `pump_leak` in a file of its own; `register_model` adds a user's own, and every
engine then has it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import InputError, kind_of, unknown
from ..quantities.ions import valence
from ..quantities.quantity import Quantity, Setting, check_name
from .base import Model
from .membrane import (
    chord,
    chord_quantities,
    ghk,
    ghk_quantities,
    mullins_noda,
    mullins_noda_quantities,
    nernst,
    nernst_quantities,
)


class _Entry(NamedTuple):
    quantities: Callable[[Setting], Iterable[Quantity]]
    predict: Callable[[Mapping[str, Any], Setting], Any]
    equation: str


def _pump_leak_quantities(setting: Setting) -> Iterable[Quantity]:
    from .pump_leak import quantities  # with all of the cell, that other models do without

    return quantities(setting)


def _pump_leak(values: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    from .pump_leak import predict

    return predict(values, setting)


_REGISTRY: dict[str, _Entry] = {
    "ghk": _Entry(
        ghk_quantities,
        ghk,
        "Goldman-Hodgkin-Katz: zero total constant-field current at fixed concentrations",
    ),
    "mullins_noda": _Entry(
        mullins_noda_quantities,
        mullins_noda,
        "Mullins-Noda: V_m = (RT/F) ln[(r P_K K_o + P_Na Na_o)/(r P_K K_i + P_Na Na_i)]",
    ),
    "chord": _Entry(chord_quantities, chord, "chord conductance: V_m = (Σ g_j E_j − I_pump)/Σ g_j"),
    "nernst": _Entry(nernst_quantities, nernst, "Nernst: V_m = (RT/zF) ln(c_o/c_i), one ion's electrode"),
    "pump_leak": _Entry(
        _pump_leak_quantities,
        _pump_leak,
        "pump-leak cell: electroneutrality, no net flux of any ion, water balance; V_m by the protocol",
    ),
}


def register_model(name: str, *, quantities, equation: str = "a user's own model"):
    """Register a model of your own, usable wherever ``ghk`` is.

    Args:
        name: what configs call it.
        quantities: the `Quantity` records it needs, or a function of the `Setting` that lists them.
        equation: one line for the report.

    Returns:
        A decorator for ``predict(values, setting)``, a JAX-traceable function of a dict of arrays
        (each a scalar or one value a condition), which returns V_m [mV], or a dict of observables
        with ``V_m`` among them and, if the model may have no answer, a boolean ``ok``.

    Raises:
        ValueError: the name is taken.
        InputError: it cannot be printed.

    Example:
        >>> from pumpleak import Quantity, make_model, register_model
        >>> @register_model("half", quantities=[Quantity("E_rest", "mV", "resting level", lower=-200.0)])
        ... def half(values, setting):
        ...     return 0.5 * values["E_rest"]
        >>> print(make_model("half").predict({"E_rest": -90.0}).observables["V_m"])
        -45.0
    """
    if name in _REGISTRY:
        raise ValueError(f"a model named {name!r} is registered already")
    check_name(name, "a model")
    listing = quantities if callable(quantities) else lambda setting: quantities

    def decorate(predict):
        _REGISTRY[name] = _Entry(listing, predict, equation)
        return predict

    return decorate


def list_models() -> tuple[str, ...]:
    """Names of the registered models.

    Returns:
        The names; a user's own last.

    Example:
        >>> print(*list_models()[:5])
        ghk mullins_noda chord nernst pump_leak
    """
    return tuple(_REGISTRY)


def starting_cell(given: Any) -> Any:
    """The cell in its bath that a model starts from: as `load_preset` or `load_cell` gives it, or a preset's name.

    Raises:
        InputError: it is neither, or there is no such preset.
    """
    if given is None:
        return None
    from ..cell.cell import Bath, Cell
    from ..cell.load import list_presets, load_preset

    if isinstance(given, str):
        return load_preset(given)
    pair = list(given) if isinstance(given, Iterable) else []
    if len(pair) == 2 and isinstance(pair[0], Cell) and isinstance(pair[1], Bath):
        return given
    raise InputError(
        f"cell must be a cell in its bath, not {kind_of(given)}",
        mend=f"Give a preset's name ({', '.join(list_presets())}), or what load_preset or load_cell returns",
        column="cell",
    )


def make_model(
    name: str,
    ions: Iterable[str] = ("K", "Na"),
    *,
    reference: str | None = None,
    activities: Iterable[str] = (),
    coefficients: Iterable[str] = (),
    cell: Any = None,
) -> Model:
    """The named model for these ions.

    Args:
        name: a registered model.
        ions: the permeant ions.
        reference: the ion whose permeability is 1; the first ion by default.
        activities: ions whose inside value is an activity.
        coefficients: the activity coefficients of single ions that are inputs too, ``gamma_Ca_o``.
        cell: for pump_leak, (cell, bath) as from `load_preset`, or a preset's name: the numbers nobody gives.

    Returns:
        The `Model`.

    Raises:
        InputError: an unknown model or ion, an ion listed twice, a reference not among the ions.

    Example:
        >>> print(*(q.name for q in make_model("ghk", ["K", "Na"]).quantities))
        P_Na_rel P_K_scale P_Na_scale T K_o K_i Na_o Na_i gamma_o gamma_i
    """
    ions, cell = tuple(ions), starting_cell(cell)
    if name not in _REGISTRY:
        raise unknown("model", name, _REGISTRY, column="model", own=True)
    if cell is not None and name == "pump_leak":
        own = cell[0].ions
        if not (set(ions) <= {"K", "Na"} or set(ions) == set(own)):
            raise InputError(
                f"the ions of a pump-leak cell are its own, {', '.join(own)}, not {', '.join(ions)}",
                mend="Leave `ions` out",
                column="ions",
            )
        ions = tuple(own)
    if not ions or len(set(ions)) < len(ions):
        raise InputError(
            f"ions must be named once each, not {list(ions)}", mend="Write e.g. `ions: [K, Na, Cl]`"
        )
    for ion in ions:
        valence(ion)
    reference = reference or ions[0]
    if reference not in ions:
        raise InputError(
            f"the reference ion {reference} is not among the ions {', '.join(ions)}", column="reference"
        )
    setting = Setting(ions, reference, frozenset(activities), tuple(coefficients), cell)
    entry = _REGISTRY[name]
    return Model(name, setting, tuple(entry.quantities(setting)), entry.equation, entry.predict)
