"""The numbers of mechanisms, each declared once with its unit, meaning, default and domain. Needs no JAX.

The fields of the classes, the schema of cell files, the check of a `Cell`, the mask of a traced one, the limits of
``--set``, the inputs of the model pump_leak and the table in configs/README.md are read from here. A `Mechanism` of your
own that names its `kind` joins with what its fields say.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..quantities.kinds import Sign
from ..quantities.units import written_name


@dataclass(frozen=True)
class Number:
    """A number of a mechanism.

    Attributes:
        unit: in plain text, as in ``cm/s``; ``1`` for a pure number, empty where it depends.
        meaning: a few words for tables.
        default: where nobody gives one; None: it must be given.
        sign: what it can be; empty: anything in mV, above 0 in mM, else at least 0.
        high: the most it can be.
        static: whether it is fixed while JAX compiles, and no parameter.
    """

    unit: str
    meaning: str
    default: float | None = None
    sign: Sign | None = None
    high: float = math.inf
    static: bool = False

    @property
    def domain(self) -> Sign:
        """What it can be."""
        by_unit: dict[str, Sign] = {"mV": "any", "mM": "positive"}
        return self.sign or by_unit.get(self.unit, "not negative")

    @property
    def words(self) -> str:
        """What it can be, in words; empty: anything."""
        low = {"any": "", "not negative": "at least 0", "positive": "above 0"}[self.domain]
        return f"{low} and at most {self.high:g}" if self.high < math.inf else low

    def impossible(self, value: Any) -> Any:
        """Where values, traced ones too, are outside of the domain; NaN is let pass."""
        low = value <= 0 if self.domain == "positive" else value < (0 if self.domain != "any" else -math.inf)
        return low | (value > self.high) if self.high < math.inf else low

    def key(self, name: str) -> str:
        """How a cell file writes it."""
        return written_name(name, self.unit)


@dataclass(frozen=True, eq=False)
class Declared:
    """A kind of mechanism as cell files have it.

    Attributes:
        module, name: where the class of this package is.
        numbers: field -> what it is, in the order of the fields.
        of_ion: whether an ion must be named.
        build: the class, where it is not this package's.
    """

    module: str
    name: str
    numbers: Mapping[str, Number]
    of_ion: bool = False
    build: Callable[..., Any] | None = None

    @property
    def keys(self) -> dict[str, str]:
        """Field -> its key in a cell file."""
        return {name: number.key(name) for name, number in self.numbers.items()}


_P = Number("cm/s", "permeability")
_CONDUCTANCE = Number("mS/cm2", "conductance")
_R = Number("1", "Na:K coupling ratio", 1.5, "positive")
_SATURATED = Number("umol/cm2/s", "cycle rate, saturated")

#: kind -> what is declared of it
KINDS: dict[str, Declared] = {
    "ghk_leak": Declared("leaks", "GHKLeak", {"P": _P}, of_ion=True),
    "chord_leak": Declared("leaks", "ChordLeak", {"g": _CONDUCTANCE}, of_ion=True),
    "inward_rectifier": Declared(
        "leaks",
        "InwardRectifier",
        {
            "g": Number("mS/cm2", "conductance at 1 mM outside K, fully open"),
            "V_half": Number("mV", "V_m − E_K at which half is open", -15.0),
            "V_slope": Number("mV", "e-fold steepness", 10.0, "positive"),
        },
    ),
    "constant_pump": Declared("pumps", "ConstantPump", {"J": Number("umol/cm2/s", "cycle rate"), "r": _R}),
    "cubic_pump": Declared(
        "pumps",
        "CubicPump",
        {
            "J": Number("umol/cm2/s", "cycle rate at Na_i = Na_o"),
            "r": _R,
        },
    ),
    "hill_pump": Declared(
        "pumps",
        "HillPump",
        {
            "J_max": _SATURATED,
            "K_Na": Number("mM", "dissociation constant of inside Na", 10.0),
            "K_K": Number("mM", "dissociation constant of outside K", 1.0),
            "r": _R,
            "n_Na": Number("1", "sites for Na", 3.0, "positive", static=True),
            "n_K": Number("1", "sites for K", 2.0, "positive", static=True),
        },
    ),
    "voltage_pump": Declared(
        "pumps",
        "VoltagePump",
        {
            "J_max": _SATURATED,
            "K_Na": Number("mM", "half-saturating inside Na", 10.0),
            "K_K": Number("mM", "half-saturating outside K", 1.5),
            "n_Na": Number("1", "Hill coefficient of Na", 1.5, "positive"),
            "r": _R,
        },
    ),
    "ncx": Declared(
        "carriers",
        "NCX",
        {
            "J_max": _SATURATED,
            "K_Na": Number("mM", "half-saturating outside Na", 87.5),
            "K_Ca": Number("mM", "half-saturating outside Ca", 1.38),
            "k_sat": Number("1", "saturation at very negative V_m", 0.1),
            "eta": Number("1", "position of the energy barrier", 0.35, high=1.0),
        },
    ),
    "pmca": Declared(
        "pumps",
        "PMCA",
        {
            "J_max": Number("umol/cm2/s", "rate, saturated"),
            "K_Ca": Number("mM", "half-saturating inside Ca", 5e-4),
            "n": Number("1", "Hill coefficient", 1.0, "positive"),
        },
    ),
}

#: kind of a cotransporter that has a name -> the ions that leave in a cycle
COTRANSPORTERS: dict[str, dict[str, int]] = {
    "kcc2": {"K": 1, "Cl": 1},
    "nkcc1": {"Na": 1, "K": 1, "Cl": 2},
    "ncc": {"Na": 1, "Cl": 1},
    "ae": {"Cl": 1, "HCO3": -1},
}
