"""What a cell file may say: pydantic models, one a mechanism, with units in the keys. Needs no JAX."""

import math
import re
from functools import lru_cache
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)

from ..errors import InputError
from ..files.yaml_scalars import Number
from ..quantities.ions import ion_names, valence
from ..quantities.kinds import Sign
from ..quantities.language import unknown_name
from ..quantities.names import kind
from ..quantities.units import split_unit
from .declared import COTRANSPORTERS, KINDS, Declared

_TAKEN = ("T", "t", "z_X", "wall", "volume_to_area", "C_m", "L_p", "compensation")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
            raise unknown_name("number", name, names, within="that the model is compared in", mend=mend)
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


NotNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
IonName = Annotated[str, BeforeValidator(known_ion)]
MechanismName = Annotated[str, BeforeValidator(_plain_name)]
MeasuredName = Annotated[str, BeforeValidator(_measured_name)]
Line = Annotated[str, BeforeValidator(_one_line)]


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


class CotransporterSpec(_CotransportSpec):
    kind: Literal["cotransporter"]
    ions: dict[IonName, Annotated[Number, AfterValidator(_moves)]] = Field(min_length=1)


_DOMAINS: dict[Sign, Any] = {"any": Number, "not negative": NotNegative, "positive": Positive}


def _mechanism_spec(name: str, declared: Declared) -> type[_Strict]:
    """The model of a mechanism's keys."""
    fields: dict[str, Any] = {"kind": (Literal[name], ...)}
    if declared.of_ion:
        fields["ion"] = (IonName, ...)
    for field, number in declared.numbers.items():
        domain = _DOMAINS[number.domain]
        domain = Annotated[domain, Field(le=number.high)] if number.high < math.inf else domain
        fields[number.key(field)] = (domain, ... if number.default is None else number.default)
    return _titled(name, create_model(name, __base__=_Strict, **fields))


def _titled[M: BaseModel](title: str, model: type[M]) -> type[M]:
    model.model_config["title"] = title
    return model


class CellSpec(_Strict):
    """Membrane and inside, but for what its mechanisms are; see `Cell`."""

    mechanisms: dict[MechanismName, Any]
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
    """A whole cell file, a preset it starts from already put in; `cell_file` has its mechanisms as well."""

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


def cell_file() -> type[CellFile]:
    """The model of a whole cell file with every kind of mechanism that is declared."""
    return _cell_file(tuple(KINDS.items()))


@lru_cache(maxsize=8)
def _cell_file(kinds: tuple[tuple[str, Declared], ...]) -> type[CellFile]:
    specs: list[Any] = [_mechanism_spec(name, declared) for name, declared in kinds]
    for name in COTRANSPORTERS:
        fields: dict[str, Any] = {"kind": (Literal[name], ...)}
        specs.append(_titled(name, create_model(name, __base__=_CotransportSpec, **fields)))
    specs.append(_titled("cotransporter", CotransporterSpec))
    one: Any = Annotated[Union[tuple(specs)], Field(discriminator="kind")]  # noqa: UP007
    mechanisms: dict[str, Any] = {"mechanisms": (dict[MechanismName, one], ...)}
    cell: dict[str, Any] = {"cell": (create_model("CellSpec", __base__=CellSpec, **mechanisms), ...)}
    return create_model("CellFile", __base__=CellFile, **cell)
