"""Infer what sets a cell's resting potential.

Names are imported when first used, so that `pumpleak --help` answers before JAX is loaded. To export a name,
add it to `_EXPORTS` and, for type checkers and editors, to the block under `TYPE_CHECKING`; a test compares
the two.
"""

import importlib
from typing import TYPE_CHECKING

from ._version import __version__ as __version__

_EXPORTS = {
    "charge": ("ChargeMoved", "charge_moved"),
    "conductance": ("chord_voltage",),
    "donnan": ("DonnanEquilibrium", "donnan_equilibrium"),
    "errors": ("InputError", "InputWarning"),
    "ghk": ("ghk_current", "ghk_flux", "ghk_voltage", "slope_conductance", "transference_numbers"),
    "ions": ("Ion", "ion", "ion_names", "register_ion", "valence"),
    "nernst": ("celsius", "driving_force", "nernst_potential", "thermal_voltage"),
    "pumps": ("mullins_noda_voltage",),
    "solutions": ("activity_coefficient", "henderson_voltage", "ionic_strength", "junction_potential"),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)


if TYPE_CHECKING:
    from .charge import ChargeMoved as ChargeMoved
    from .charge import charge_moved as charge_moved
    from .conductance import chord_voltage as chord_voltage
    from .donnan import DonnanEquilibrium as DonnanEquilibrium
    from .donnan import donnan_equilibrium as donnan_equilibrium
    from .errors import InputError as InputError
    from .errors import InputWarning as InputWarning
    from .ghk import ghk_current as ghk_current
    from .ghk import ghk_flux as ghk_flux
    from .ghk import ghk_voltage as ghk_voltage
    from .ghk import slope_conductance as slope_conductance
    from .ghk import transference_numbers as transference_numbers
    from .ions import Ion as Ion
    from .ions import ion as ion
    from .ions import ion_names as ion_names
    from .ions import register_ion as register_ion
    from .ions import valence as valence
    from .nernst import celsius as celsius
    from .nernst import driving_force as driving_force
    from .nernst import nernst_potential as nernst_potential
    from .nernst import thermal_voltage as thermal_voltage
    from .pumps import mullins_noda_voltage as mullins_noda_voltage
    from .solutions import activity_coefficient as activity_coefficient
    from .solutions import henderson_voltage as henderson_voltage
    from .solutions import ionic_strength as ionic_strength
    from .solutions import junction_potential as junction_potential
