"""Infer what sets a cell's resting potential.

Names are imported when first used, so that `pumpleak --help` answers before JAX is loaded. To export a name,
add it to `_EXPORTS` and, for type checkers and editors, to the block under `TYPE_CHECKING`; a test compares
the two.
"""

import importlib
from typing import TYPE_CHECKING

from ._version import __version__

_EXPORTS = {
    "batch.infer": ("infer_batch",),
    "batch.results": (
        "Batch",
        "load_batch",
    ),
    "cell.carriers": (
        "Cotransporter",
        "NCX",
        "ncx_four_state",
    ),
    "cell.cell": (
        "Bath",
        "Cell",
    ),
    "cell.events": ("Event",),
    "cell.leaks": (
        "ChordLeak",
        "GHKLeak",
        "InwardRectifier",
    ),
    "cell.load": (
        "Preset",
        "list_presets",
        "load_cell",
        "load_preset",
    ),
    "cell.march": ("Status",),
    "cell.mechanisms": (
        "CustomMechanism",
        "Mechanism",
        "Membrane",
        "quantity",
    ),
    "cell.numbers": (
        "CellParameter",
        "cell_parameters",
        "change",
    ),
    "cell.pumps": (
        "ConstantPump",
        "CubicPump",
        "HillPump",
        "PMCA",
        "VoltagePump",
    ),
    "cell.remedies": (
        "Remedy",
        "remedies",
    ),
    "cell.sensitivities": ("sensitivities",),
    "cell.simulate": (
        "TimeCourse",
        "simulate",
    ),
    "cell.steady": (
        "SteadyState",
        "steady_state",
        "steady_states",
    ),
    "cell.sweep": (
        "Sweep",
        "sweep",
    ),
    "config.load": ("load_problem",),
    "config.starter": ("starter_config",),
    "data.datasets": (
        "export_dataset",
        "list_datasets",
        "load_dataset",
        "show_dataset",
        "template_csv",
    ),
    "data.measurements": (
        "Measurements",
        "read_table",
    ),
    "errors": (
        "InputError",
        "InputWarning",
    ),
    "inference.fit": (
        "Estimate",
        "Fit",
        "fit",
    ),
    "inference.infer": ("infer",),
    "inference.predict": ("predict",),
    "inference.result": (
        "Result",
        "load_result",
    ),
    "inference.verdict": ("Verdict",),
    "models.base": (
        "Model",
        "Prediction",
    ),
    "models.registry": (
        "list_models",
        "make_model",
        "register_model",
    ),
    "physics.charge": (
        "ChargeMoved",
        "charge_moved",
    ),
    "physics.chord": ("chord_voltage",),
    "physics.donnan": (
        "DonnanEquilibrium",
        "donnan_equilibrium",
    ),
    "physics.ghk": (
        "ghk_current",
        "ghk_flux",
        "ghk_voltage",
        "slope_conductance",
        "transference_numbers",
    ),
    "physics.mullins_noda": ("mullins_noda_voltage",),
    "physics.nernst": (
        "celsius",
        "driving_force",
        "nernst_potential",
        "thermal_voltage",
    ),
    "physics.solutions": (
        "activity_coefficient",
        "henderson_voltage",
        "ionic_strength",
        "junction_potential",
    ),
    "problem.build": ("make_problem",),
    "problem.electrode": ("shunted_voltage",),
    "problem.given": ("Davies",),
    "problem.junction": ("Junction",),
    "problem.noise": ("Recording",),
    "problem.parameters": (
        "Latent",
        "Parameter",
        "Swap",
    ),
    "problem.priors": (
        "Prior",
        "beta",
        "halfnormal",
        "lognormal",
        "normal",
        "uniform",
    ),
    "problem.problem": ("Problem",),
    "quantities.ion_table": ("Ion",),
    "quantities.ions": (
        "ion",
        "ion_names",
        "register_ion",
        "valence",
    ),
    "quantities.quantity": (
        "Quantity",
        "Setting",
    ),
    "reports.result_page": ("report",),
    "reports.study": (
        "Study",
        "load_study",
    ),
    "studies.calibrate.calibrate": ("calibrate",),
    "studies.compare.compare": ("compare",),
    "studies.contrast": ("contrast",),
    "studies.design.candidates": ("Candidate",),
    "studies.design.design": ("design",),
    "studies.identify.identify": ("identify",),
    "studies.sensitivity.sensitivity": ("sensitivity",),
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
    from .batch.infer import infer_batch as infer_batch
    from .batch.results import Batch as Batch
    from .batch.results import load_batch as load_batch
    from .cell.carriers import NCX as NCX
    from .cell.carriers import Cotransporter as Cotransporter
    from .cell.carriers import ncx_four_state as ncx_four_state
    from .cell.cell import Bath as Bath
    from .cell.cell import Cell as Cell
    from .cell.events import Event as Event
    from .cell.leaks import ChordLeak as ChordLeak
    from .cell.leaks import GHKLeak as GHKLeak
    from .cell.leaks import InwardRectifier as InwardRectifier
    from .cell.load import Preset as Preset
    from .cell.load import list_presets as list_presets
    from .cell.load import load_cell as load_cell
    from .cell.load import load_preset as load_preset
    from .cell.march import Status as Status
    from .cell.mechanisms import CustomMechanism as CustomMechanism
    from .cell.mechanisms import Mechanism as Mechanism
    from .cell.mechanisms import Membrane as Membrane
    from .cell.mechanisms import quantity as quantity
    from .cell.numbers import CellParameter as CellParameter
    from .cell.numbers import cell_parameters as cell_parameters
    from .cell.numbers import change as change
    from .cell.pumps import PMCA as PMCA
    from .cell.pumps import ConstantPump as ConstantPump
    from .cell.pumps import CubicPump as CubicPump
    from .cell.pumps import HillPump as HillPump
    from .cell.pumps import VoltagePump as VoltagePump
    from .cell.remedies import Remedy as Remedy
    from .cell.remedies import remedies as remedies
    from .cell.sensitivities import sensitivities as sensitivities
    from .cell.simulate import TimeCourse as TimeCourse
    from .cell.simulate import simulate as simulate
    from .cell.steady import SteadyState as SteadyState
    from .cell.steady import steady_state as steady_state
    from .cell.steady import steady_states as steady_states
    from .cell.sweep import Sweep as Sweep
    from .cell.sweep import sweep as sweep
    from .config.load import load_problem as load_problem
    from .config.starter import starter_config as starter_config
    from .data.datasets import export_dataset as export_dataset
    from .data.datasets import list_datasets as list_datasets
    from .data.datasets import load_dataset as load_dataset
    from .data.datasets import show_dataset as show_dataset
    from .data.datasets import template_csv as template_csv
    from .data.measurements import Measurements as Measurements
    from .data.measurements import read_table as read_table
    from .errors import InputError as InputError
    from .errors import InputWarning as InputWarning
    from .inference.fit import Estimate as Estimate
    from .inference.fit import Fit as Fit
    from .inference.fit import fit as fit
    from .inference.infer import infer as infer
    from .inference.predict import predict as predict
    from .inference.result import Result as Result
    from .inference.result import load_result as load_result
    from .inference.verdict import Verdict as Verdict
    from .models.base import Model as Model
    from .models.base import Prediction as Prediction
    from .models.registry import list_models as list_models
    from .models.registry import make_model as make_model
    from .models.registry import register_model as register_model
    from .physics.charge import ChargeMoved as ChargeMoved
    from .physics.charge import charge_moved as charge_moved
    from .physics.chord import chord_voltage as chord_voltage
    from .physics.donnan import DonnanEquilibrium as DonnanEquilibrium
    from .physics.donnan import donnan_equilibrium as donnan_equilibrium
    from .physics.ghk import ghk_current as ghk_current
    from .physics.ghk import ghk_flux as ghk_flux
    from .physics.ghk import ghk_voltage as ghk_voltage
    from .physics.ghk import slope_conductance as slope_conductance
    from .physics.ghk import transference_numbers as transference_numbers
    from .physics.mullins_noda import mullins_noda_voltage as mullins_noda_voltage
    from .physics.nernst import celsius as celsius
    from .physics.nernst import driving_force as driving_force
    from .physics.nernst import nernst_potential as nernst_potential
    from .physics.nernst import thermal_voltage as thermal_voltage
    from .physics.solutions import activity_coefficient as activity_coefficient
    from .physics.solutions import henderson_voltage as henderson_voltage
    from .physics.solutions import ionic_strength as ionic_strength
    from .physics.solutions import junction_potential as junction_potential
    from .problem.build import make_problem as make_problem
    from .problem.electrode import shunted_voltage as shunted_voltage
    from .problem.given import Davies as Davies
    from .problem.junction import Junction as Junction
    from .problem.noise import Recording as Recording
    from .problem.parameters import Latent as Latent
    from .problem.parameters import Parameter as Parameter
    from .problem.parameters import Swap as Swap
    from .problem.priors import Prior as Prior
    from .problem.priors import beta as beta
    from .problem.priors import halfnormal as halfnormal
    from .problem.priors import lognormal as lognormal
    from .problem.priors import normal as normal
    from .problem.priors import uniform as uniform
    from .problem.problem import Problem as Problem
    from .quantities.ion_table import Ion as Ion
    from .quantities.ions import ion as ion
    from .quantities.ions import ion_names as ion_names
    from .quantities.ions import register_ion as register_ion
    from .quantities.ions import valence as valence
    from .quantities.quantity import Quantity as Quantity
    from .quantities.quantity import Setting as Setting
    from .reports.result_page import report as report
    from .reports.study import Study as Study
    from .reports.study import load_study as load_study
    from .studies.calibrate.calibrate import calibrate as calibrate
    from .studies.compare.compare import compare as compare
    from .studies.contrast import contrast as contrast
    from .studies.design.candidates import Candidate as Candidate
    from .studies.design.design import design as design
    from .studies.identify.identify import identify as identify
    from .studies.sensitivity.sensitivity import sensitivity as sensitivity
