"""Infer what sets a cell's resting potential.

Names are imported when first used, so that `pumpleak --help` answers before JAX is loaded. To export a name,
add it to `_EXPORTS` and, for type checkers and editors, to the block under `TYPE_CHECKING`; a test compares
the two.
"""

import importlib
from typing import TYPE_CHECKING

from ._version import __version__ as __version__

_EXPORTS = {
    "batch": ("infer_batch",),
    "batch_results": ("Batch", "load_batch"),
    "build": ("make_problem",),
    "calibration": ("calibrate",),
    "candidates": ("Candidate",),
    "cell": ("Bath", "Cell"),
    "cell_files": ("Preset", "list_presets", "load_cell", "load_preset"),
    "cell_numbers": ("CellParameter", "cell_parameters", "change"),
    "charge": ("ChargeMoved", "charge_moved"),
    "comparison": ("compare",),
    "conductance": ("chord_voltage",),
    "config": ("load_problem",),
    "contrasts": ("contrast",),
    "data": ("Measurements", "read_table"),
    "datasets": ("export_dataset", "list_datasets", "load_dataset", "show_dataset", "template_csv"),
    "donnan": ("DonnanEquilibrium", "donnan_equilibrium"),
    "dynamics": ("Event", "TimeCourse", "simulate"),
    "electrode": ("shunted_voltage",),
    "error_budget": ("sensitivity",),
    "errors": ("InputError", "InputWarning"),
    "experiment_design": ("design",),
    "fitting": ("Estimate", "Fit", "fit"),
    "ghk": ("ghk_current", "ghk_flux", "ghk_voltage", "slope_conductance", "transference_numbers"),
    "identification": ("identify",),
    "inference": ("infer",),
    "ions": ("Ion", "ion", "ion_names", "register_ion", "valence"),
    "junction": ("Junction",),
    "mechanisms": (
        "NCX",
        "PMCA",
        "ChordLeak",
        "ConstantPump",
        "Cotransporter",
        "CubicPump",
        "CustomMechanism",
        "GHKLeak",
        "HillPump",
        "InwardRectifier",
        "Mechanism",
        "Membrane",
        "VoltagePump",
        "ncx_four_state",
        "quantity",
    ),
    "models": ("Model", "Prediction", "Quantity", "Setting", "list_models", "make_model", "register_model"),
    "nernst": ("celsius", "driving_force", "nernst_potential", "thermal_voltage"),
    "noise": ("Recording",),
    "parameters": ("Latent", "Parameter", "Swap"),
    "prediction": ("predict",),
    "priors": ("Prior", "beta", "halfnormal", "lognormal", "normal", "uniform"),
    "problem": ("Problem",),
    "pumps": ("mullins_noda_voltage",),
    "reporting": ("report",),
    "results": ("Result", "load_result"),
    "steady_sensitivity": ("Remedy", "remedies", "sensitivities"),
    "solutions": ("activity_coefficient", "henderson_voltage", "ionic_strength", "junction_potential"),
    "starter": ("starter_config",),
    "study": ("Study", "load_study"),
    "steady": ("Status", "SteadyState", "steady_state", "steady_states"),
    "verdict": ("Verdict",),
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
    from .batch import infer_batch as infer_batch
    from .batch_results import Batch as Batch
    from .batch_results import load_batch as load_batch
    from .build import make_problem as make_problem
    from .calibration import calibrate as calibrate
    from .candidates import Candidate as Candidate
    from .cell import Bath as Bath
    from .cell import Cell as Cell
    from .cell_files import Preset as Preset
    from .cell_files import list_presets as list_presets
    from .cell_files import load_cell as load_cell
    from .cell_files import load_preset as load_preset
    from .cell_numbers import CellParameter as CellParameter
    from .cell_numbers import cell_parameters as cell_parameters
    from .cell_numbers import change as change
    from .charge import ChargeMoved as ChargeMoved
    from .charge import charge_moved as charge_moved
    from .comparison import compare as compare
    from .conductance import chord_voltage as chord_voltage
    from .config import load_problem as load_problem
    from .contrasts import contrast as contrast
    from .data import Measurements as Measurements
    from .data import read_table as read_table
    from .datasets import export_dataset as export_dataset
    from .datasets import list_datasets as list_datasets
    from .datasets import load_dataset as load_dataset
    from .datasets import show_dataset as show_dataset
    from .datasets import template_csv as template_csv
    from .donnan import DonnanEquilibrium as DonnanEquilibrium
    from .donnan import donnan_equilibrium as donnan_equilibrium
    from .dynamics import Event as Event
    from .dynamics import TimeCourse as TimeCourse
    from .dynamics import simulate as simulate
    from .electrode import shunted_voltage as shunted_voltage
    from .error_budget import sensitivity as sensitivity
    from .errors import InputError as InputError
    from .errors import InputWarning as InputWarning
    from .experiment_design import design as design
    from .fitting import Estimate as Estimate
    from .fitting import Fit as Fit
    from .fitting import fit as fit
    from .ghk import ghk_current as ghk_current
    from .ghk import ghk_flux as ghk_flux
    from .ghk import ghk_voltage as ghk_voltage
    from .ghk import slope_conductance as slope_conductance
    from .ghk import transference_numbers as transference_numbers
    from .identification import identify as identify
    from .inference import infer as infer
    from .ions import Ion as Ion
    from .ions import ion as ion
    from .ions import ion_names as ion_names
    from .ions import register_ion as register_ion
    from .ions import valence as valence
    from .junction import Junction as Junction
    from .mechanisms import NCX as NCX
    from .mechanisms import PMCA as PMCA
    from .mechanisms import ChordLeak as ChordLeak
    from .mechanisms import ConstantPump as ConstantPump
    from .mechanisms import Cotransporter as Cotransporter
    from .mechanisms import CubicPump as CubicPump
    from .mechanisms import CustomMechanism as CustomMechanism
    from .mechanisms import GHKLeak as GHKLeak
    from .mechanisms import HillPump as HillPump
    from .mechanisms import InwardRectifier as InwardRectifier
    from .mechanisms import Mechanism as Mechanism
    from .mechanisms import Membrane as Membrane
    from .mechanisms import VoltagePump as VoltagePump
    from .mechanisms import ncx_four_state as ncx_four_state
    from .mechanisms import quantity as quantity
    from .models import Model as Model
    from .models import Prediction as Prediction
    from .models import Quantity as Quantity
    from .models import Setting as Setting
    from .models import list_models as list_models
    from .models import make_model as make_model
    from .models import register_model as register_model
    from .nernst import celsius as celsius
    from .nernst import driving_force as driving_force
    from .nernst import nernst_potential as nernst_potential
    from .nernst import thermal_voltage as thermal_voltage
    from .noise import Recording as Recording
    from .parameters import Latent as Latent
    from .parameters import Parameter as Parameter
    from .parameters import Swap as Swap
    from .prediction import predict as predict
    from .priors import Prior as Prior
    from .priors import beta as beta
    from .priors import halfnormal as halfnormal
    from .priors import lognormal as lognormal
    from .priors import normal as normal
    from .priors import uniform as uniform
    from .problem import Problem as Problem
    from .pumps import mullins_noda_voltage as mullins_noda_voltage
    from .reporting import report as report
    from .results import Result as Result
    from .results import load_result as load_result
    from .solutions import activity_coefficient as activity_coefficient
    from .solutions import henderson_voltage as henderson_voltage
    from .solutions import ionic_strength as ionic_strength
    from .solutions import junction_potential as junction_potential
    from .starter import starter_config as starter_config
    from .steady import Status as Status
    from .steady import SteadyState as SteadyState
    from .steady import steady_state as steady_state
    from .steady import steady_states as steady_states
    from .steady_sensitivity import Remedy as Remedy
    from .steady_sensitivity import remedies as remedies
    from .steady_sensitivity import sensitivities as sensitivities
    from .study import Study as Study
    from .study import load_study as load_study
    from .verdict import Verdict as Verdict
