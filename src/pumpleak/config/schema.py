"""What a config may hold: a pydantic model for each section, unknown keys refused."""

import math
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    create_model,
    model_validator,
)

from ..errors import InputError
from ..files.yaml_scalars import Names, Number, Whole, as_list, as_name, as_names, clipped
from ..problem.prior_kinds import PriorKind
from ..problem.settings import FIT, LIMITS, SAMPLER
from ..quantities.units import split_unit, to_canonical


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _where_not_said(value: Any, info: ValidationInfo) -> Any:
    """Names, in place of which yes or no may stand."""
    said = isinstance(value, bool) or str(value).lower() in ("yes", "no", "on", "off")
    return value if said or value is None else as_names(value, info)


def _column(value: Any, info: ValidationInfo) -> Any:
    """A column or several; one stays as it is."""
    one = value is None or isinstance(value, str) and "," not in value
    return value if one else as_names(value, info)


class PriorSpec(_Strict):
    """What every prior may say beside its numbers."""

    unit: str | None = None
    by: Annotated[str | list[str] | None, BeforeValidator(_column)] = None
    pooled: Annotated[bool | list[str], BeforeValidator(_where_not_said)] = False
    spread: Annotated[Number, Field(gt=0)] | dict[str, Annotated[Number, Field(gt=0)]] | None = None
    reference: Annotated[str | None, BeforeValidator(as_name)] = None


@cache
def prior_spec(kind: PriorKind) -> type[PriorSpec]:
    """The model of a prior of this kind: its keys, the bounds that may be given, and what every prior may say."""
    fields: dict[str, Any] = {"prior": (Literal[kind.name], ...)}
    for name, key in kind.keys.items():
        fields[name] = (Number, Field() if key.above == -math.inf else Field(gt=key.above))
    for name, end in zip(("lower", "upper"), kind.support, strict=True):
        if name in kind.cuts:
            fields[name] = (Number, end)
    if kind.may_be_measured:
        fields["measured"] = (bool, False)
    model = create_model(f"{kind.name.title()}Spec", __base__=PriorSpec, **fields)
    model.model_config["title"] = f"a {kind.name} prior"
    return model


class SwapSpec(_Strict):
    """``{swap_for: K_o, total: 150}``: this ion's concentration is the total minus the other's."""

    swap_for: str
    total: Any
    unit: str | None = None


class JunctionSpec(_Strict):
    """``{pipette: {K_mM: 140, …}, balance: Cl, sd: 1}``: a junction potential by Henderson's equation."""

    pipette: dict[str, Number]
    bath: dict[str, Number] = {}
    balance: str | None = None
    sd: Number | None = Field(default=None, gt=0)
    unit: str | None = None


class DataSpec(_Strict):
    """Where the table is: one of the packaged datasets, or a file."""

    dataset: str | None = None
    file: str | None = None


def _a_cell(value: Any) -> Any:
    if not (
        value is None
        or isinstance(value, str)
        or isinstance(value, dict)
        and all(isinstance(k, str) for k in value)
    ):
        raise InputError(
            f"{clipped(value)} is no cell", mend="Write `{preset: NAME}`, a cell file, or a cell itself"
        )
    return value


def _one_mapping(value: Any) -> Any:
    """A list of mappings, of which one may stand alone."""
    return [value] if isinstance(value, dict) else value


def _limited(name: str, default: int | None) -> Any:
    low, high = LIMITS[name]
    return Field(default=default, ge=low, le=high)


class SamplerSpec(_Strict):
    """How `infer` runs: NUTS, or an engine of the batch's ladder."""

    engine: Literal["nuts", "auto", "importance", "hmc", "laplace"] = SAMPLER.engine
    chains: Whole = _limited("chains", SAMPLER.chains)
    warmup: Whole = _limited("warmup", SAMPLER.warmup)
    draws: Whole = _limited("draws", SAMPLER.draws)
    target_accept: Number = Field(default=SAMPLER.target_accept, gt=0.5, lt=1.0)
    seed: Whole | None = _limited("seed", SAMPLER.seed)
    retry: bool = SAMPLER.retry


class FitSpec(_Strict):
    """How the optimiser runs."""

    starts: Whole = _limited("starts", FIT.starts)
    max_steps: Whole = _limited("max_steps", FIT.max_steps)
    seed: Whole = _limited("seed", FIT.seed)


class BatchSpec(_Strict):
    """How `batch` runs: one posterior a cell."""

    by: str | list[str] | None = None
    shared: Literal["refuse", "own"] = "refuse"
    engine: Literal["auto", "importance", "hmc", "nuts", "laplace"] = "auto"
    draws: Whole = Field(default=200, ge=0, le=100_000)
    loo: bool = False
    seed: Whole = _limited("seed", 1)
    chunk: Whole | None = Field(default=None, ge=1)
    width: Whole | None = Field(default=None, ge=1)


class GridSpec(_Strict):
    """A ladder of baths: one ion's concentration from low to high [mM], another making room."""

    quantity: str = "K_o_mM"
    low: Number = Field(default=1.0, gt=0)
    high: Number = Field(default=120.0, gt=0)
    points: Whole = Field(default=12, ge=2, le=1000)
    log: bool = True
    swap: str | None = "Na_o"

    @model_validator(mode="after")
    def _rises(self):
        if self.low >= self.high:
            raise InputError(f"low ({self.low:g}) is not below high ({self.high:g})")
        return self

    @property
    def bounds(self) -> tuple[str, float, float]:
        """The ion's concentration without its unit, and the ends [mM]."""
        of, unit = split_unit(self.quantity)
        return of, *(to_canonical(x, unit or "mM")[0] for x in (self.low, self.high))


class DesignSpec(_Strict):
    """How `design` chooses what to measure next."""

    targets: Names = []
    candidates: Annotated[list[dict[str, Any]], BeforeValidator(_one_mapping)] = []
    grid: GridSpec | None = None
    rows: Whole = Field(default=3, ge=1, le=20)
    sem: Number | None = Field(default=None, gt=0)
    most_mM: dict[str, Annotated[Number, Field(gt=0)]] = {}
    osmolarity_mM: Number | None = Field(default=None, gt=0)
    neutral: bool = False
    criterion: Literal["D", "A"] = "D"


class PlotSpec(_Strict):
    """The quantity on the horizontal axis of the report's figure; chosen from the data by default."""

    x: str | None = None


class Config(_Strict):
    """A whole config file."""

    title: str = "untitled"
    model: str = "ghk"
    ions: Names = ["K", "Na"]
    reference: str | None = None
    cell: Annotated[str | dict[str, Any] | None, BeforeValidator(_a_cell)] = None
    protocol: Literal["steady", "acute", "at"] | None = None
    baseline: str | None = None
    data: Annotated[
        Annotated[str, Tag("str")] | Annotated[DataSpec, Tag("DataSpec")],
        Discriminator(lambda given: "str" if isinstance(given, str) else "DataSpec"),
    ]
    columns: dict[str, str] = {}
    ignore: Names = []
    missing: Annotated[list[str | int | float] | None, BeforeValidator(as_list)] = None
    references: Literal["own", "shared"] | None = None
    same_cells: Annotated[bool | list[str] | None, BeforeValidator(_where_not_said)] = None
    observables: Names = ["V_m"]
    quantities: dict[str, Any] = {}
    solutions: dict[str, dict[str, Any]] = {}
    noise: Literal["normal", "student_t", "outliers"] = "normal"
    rounding_mV: Number | None = Field(default=None, gt=0)
    floor_mV: Number | None = None
    ceiling_mV: Number | None = None
    sampler: SamplerSpec = SamplerSpec()
    fit: FitSpec = FitSpec()
    batch: BatchSpec = BatchSpec()
    design: DesignSpec = DesignSpec()
    plot: PlotSpec = PlotSpec()
