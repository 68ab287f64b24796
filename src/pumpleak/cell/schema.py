"""What a cell file may say: pydantic models, one a mechanism, with units in the keys. Needs no JAX."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..errors import InputError, unknown
from ..quantities.ions import ion_names, valence
from ..quantities.names import kind
from ..quantities.units import split_unit

_TAKEN = ("T", "t", "z_X", "wall", "volume_to_area", "C_m", "L_p", "compensation")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise InputError(f"{str(value).lower()} is not a number", mend="Give a number")
    return value


def known_ion(value: Any) -> Any:
    """The value, if it names an ion.

    Raises:
        InputError: it does not; the message lists those that do.
    """
    valence(str(value))
    return value


def _plain_name(value: Any) -> Any:
    if not re.fullmatch(r"[^\W\d][\w+-]*", str(value)):
        raise InputError(
            f"the name {str(value)[:40]!r} will not do", mend="Use letters, digits, _ and -, a letter first"
        )
    if str(value) in _TAKEN or kind(str(value)).side:
        raise InputError(
            f"a mechanism cannot be called {value}: a number of the cell or bath is",
            mend="Choose another name",
        )
    return value


def _measured_name(value: Any) -> Any:
    """The value, if it is one of the numbers that a steady state is compared in."""
    name = str(value)
    if name not in ("V_m_mV", "volume_rel"):
        stem, unit = split_unit(name)
        k = kind(stem)
        if k.what != "concentration" or k.side != "i" or unit != "mM":
            names = ("V_m_mV", "volume_rel", *(f"{ion}_i_mM" for ion in ion_names()))
            mend = "Write the unit too: V_m_mV, K_i_mM, Na_i_mM …, or volume_rel"
            raise unknown("number", name, names, within="that the model is compared in", mend=mend)
        known_ion(k.of)
    return value


def _moves(value: float) -> float:
    if value == 0:
        raise InputError(
            "0 of an ion moves nothing",
            mend="Give how many a cycle moves, such as 1 or -1, or leave the ion out",
        )
    return value


def _low_to_high(value: tuple[float, float]) -> tuple[float, float]:
    low, high = value
    if low > high:
        raise InputError(f"the range {low:g} to {high:g} is reversed", mend=f"Write [{high:g}, {low:g}]")
    return value


def _one_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
NotNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
IonName = Annotated[str, BeforeValidator(known_ion)]
MechanismName = Annotated[str, BeforeValidator(_plain_name)]
MeasuredName = Annotated[str, BeforeValidator(_measured_name)]
Line = Annotated[str, BeforeValidator(_one_line)]


class GHKLeakSpec(_Strict):
    kind: Literal["ghk_leak"]
    ion: IonName
    P_cm_s: NotNegative


class ChordLeakSpec(_Strict):
    kind: Literal["chord_leak"]
    ion: IonName
    g_mS_cm2: NotNegative


class InwardRectifierSpec(_Strict):
    kind: Literal["inward_rectifier"]
    g_mS_cm2: NotNegative
    V_half_mV: Number = -15.0
    V_slope_mV: Positive = 10.0


class ConstantPumpSpec(_Strict):
    kind: Literal["constant_pump"]
    J_umol_cm2_s: NotNegative
    r: Positive = 1.5


class CubicPumpSpec(_Strict):
    kind: Literal["cubic_pump"]
    J_umol_cm2_s: NotNegative
    r: Positive = 1.5


class HillPumpSpec(_Strict):
    kind: Literal["hill_pump"]
    J_max_umol_cm2_s: NotNegative
    K_Na_mM: Positive = 10.0
    K_K_mM: Positive = 1.0
    r: Positive = 1.5
    n_Na: Positive = 3.0
    n_K: Positive = 2.0


class VoltagePumpSpec(_Strict):
    kind: Literal["voltage_pump"]
    J_max_umol_cm2_s: NotNegative
    K_Na_mM: Positive = 10.0
    K_K_mM: Positive = 1.5
    n_Na: Positive = 1.5
    r: Positive = 1.5


class _CotransportSpec(_Strict):
    """``law: thermodynamic`` takes g_mS_cm2, ``law: mass_action`` k [cm/s mM^(1−N), N ions on one side]."""

    law: Literal["thermodynamic", "mass_action"] = "thermodynamic"
    g_mS_cm2: NotNegative | None = None
    k: NotNegative | None = None

    @model_validator(mode="after")
    def _rate_of_its_law(self):
        needed, other = ("g_mS_cm2", "k") if self.law == "thermodynamic" else ("k", "g_mS_cm2")
        if getattr(self, needed) is None or getattr(self, other) is not None:
            raise InputError(
                f"a {self.law} cotransporter takes {needed}, not {other}"
                if getattr(self, other) is not None
                else f"a {self.law} cotransporter needs its rate, {needed}",
                mend=f"Give {needed} alone, or law: mass_action with k, law: thermodynamic with g_mS_cm2",
            )
        return self


class NamedCotransportSpec(_CotransportSpec):
    kind: Literal["kcc2", "nkcc1", "ncc", "ae"]


class CotransporterSpec(_CotransportSpec):
    kind: Literal["cotransporter"]
    ions: dict[IonName, Annotated[Number, AfterValidator(_moves)]] = Field(min_length=1)


class NCXSpec(_Strict):
    kind: Literal["ncx"]
    J_max_umol_cm2_s: NotNegative
    K_Na_mM: Positive = 87.5
    K_Ca_mM: Positive = 1.38
    k_sat: NotNegative = 0.1
    eta: Annotated[Number, Field(ge=0, le=1)] = 0.35


class PMCASpec(_Strict):
    kind: Literal["pmca"]
    J_max_umol_cm2_s: NotNegative
    K_Ca_mM: Positive = 5e-4
    n: Positive = 1.0


_SPECS = (
    GHKLeakSpec, ChordLeakSpec, InwardRectifierSpec, ConstantPumpSpec, CubicPumpSpec, HillPumpSpec,
    VoltagePumpSpec, NamedCotransportSpec, CotransporterSpec, NCXSpec, PMCASpec,
)  # fmt: skip
#: kind -> the model of its keys
KINDS: dict[str, type[_Strict]] = {
    kind: spec for spec in _SPECS for kind in get_args(spec.model_fields["kind"].annotation)
}
for _spec in _SPECS:
    _spec.model_config["title"] = " or ".join(get_args(_spec.model_fields["kind"].annotation))
MechanismSpec = Annotated[
    GHKLeakSpec | ChordLeakSpec | InwardRectifierSpec | ConstantPumpSpec | CubicPumpSpec | HillPumpSpec
    | VoltagePumpSpec | NamedCotransportSpec | CotransporterSpec | NCXSpec | PMCASpec,
    Field(discriminator="kind"),
]  # fmt: skip


class CellSpec(_Strict):
    """Membrane and inside; see `Cell`."""

    mechanisms: dict[MechanismName, MechanismSpec]
    z_X: Number
    X_i_mM: Number | None = None
    held: dict[str, Positive] = {}
    factors: dict[str, NotNegative] = {}
    volume: Literal["osmotic", "fixed"] = "osmotic"
    wall_mM: NotNegative | None = None
    volume_to_area_um: Positive = 1.0
    C_m_uF_cm2: Positive = 1.0
    L_p_cm_s_mM: Positive | None = None


class Measured(_Strict):
    """What was measured in such cells, to stand beside the model's number."""

    value: Number
    sd: Positive | None = None
    range: Annotated[tuple[Number, Number], AfterValidator(_low_to_high)] | None = None
    source: Line = ""

    def agrees(self, value: float) -> bool | None:
        """Whether `value` lies in the range, to 1 % of its width, or within 2 sd; None where neither is known."""
        if self.range is not None:
            low, high = self.range
            slack = 0.01 * (high - low)
            return low - slack <= value <= high + slack
        return None if self.sd is None else abs(value - self.value) <= 2 * self.sd

    def beside(self, quantity: str, value: float) -> dict[str, Any]:
        """The model's `value` of a quantity and what was measured, as plain data."""
        return {
            "quantity": quantity,
            "model": value,
            "measured": self.value,
            "range": list(self.range) if self.range else None,
            "sd": self.sd,
            "agrees": self.agrees(value),
            "source": self.source,
        }


class CellFile(_Strict):
    """A whole cell file, a preset it starts from already put in."""

    name: Line = ""
    title: Line = "untitled cell"
    about: Line = ""
    cell: CellSpec
    bath: dict[str, Number]
    set: dict[str, Number] = {}
    compensation: str | None = None
    measured: dict[MeasuredName, Measured] = {}
    at_rest: dict[MeasuredName, Number] = {}
    sources: dict[str, Line] = {}
