"""YAML configs: plain data, checked by pydantic, with units in keys or values; each error has its line."""

import datetime
import difflib
import math
import numbers
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from ..errors import InputError, nearest
from ..files.yaml_lines import Lines, read_yaml
from ..problem.junction import Junction
from ..problem.parameters import Latent, Swap
from ..problem.priors import Prior, beta, halfnormal, lognormal, normal, uniform
from ..quantities.quantity import observable_unit
from ..quantities.units import (
    canonical_unit,
    parse_quantity,
    split_unit,
    spread_to_canonical,
    to_canonical,
    with_unit,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Shared(_Strict):
    """What every prior may say beside its numbers."""

    unit: str | None = None
    by: str | list[str] | None = None
    pooled: bool | str | list[str] = False
    spread: Annotated[float, Field(gt=0)] | dict[str, Annotated[float, Field(gt=0)]] | None = None


class NormalSpec(_Shared):
    prior: Literal["normal"]
    mean: float
    sd: float = Field(gt=0)
    lower: float = -math.inf
    upper: float = math.inf
    measured: bool = False


class LognormalSpec(_Shared):
    prior: Literal["lognormal"]
    median: float = Field(gt=0)
    factor: float = Field(gt=1)
    lower: float = 0.0
    upper: float = math.inf


class HalfnormalSpec(_Shared):
    prior: Literal["halfnormal"]
    sd: float = Field(gt=0)
    upper: float = math.inf


class UniformSpec(_Shared):
    prior: Literal["uniform"]
    lower: float
    upper: float


class BetaSpec(_Shared):
    prior: Literal["beta"]
    a: float = Field(gt=0)
    b: float = Field(gt=0)


PriorSpec = Annotated[
    NormalSpec | LognormalSpec | HalfnormalSpec | UniformSpec | BetaSpec, Field(discriminator="prior")
]
_PRIOR = pydantic.TypeAdapter(PriorSpec)


class SwapSpec(_Strict):
    """``{swap_for: K_o, total: 150}``: this ion's concentration is the total minus the other's."""

    swap_for: str
    total: Any
    unit: str | None = None


class JunctionSpec(_Strict):
    """``{pipette: {K_mM: 140, …}, balance: Cl, sd: 1}``: a junction potential by Henderson's equation."""

    pipette: dict[str, float]
    bath: dict[str, float] = {}
    balance: str | None = None
    sd: float | None = Field(default=None, gt=0)
    unit: str | None = None


class DataSpec(_Strict):
    dataset: str | None = None
    file: str | None = None


class SamplerSpec(_Strict):
    """How `infer` runs: NUTS, or an engine of the batch's ladder."""

    engine: Literal["nuts", "auto", "importance", "hmc", "laplace"] = "nuts"
    chains: int = Field(default=4, ge=1, le=64)
    warmup: int = Field(default=1000, ge=50)
    draws: int = Field(default=1000, ge=50)
    target_accept: float = Field(default=0.95, gt=0.5, lt=1.0)
    seed: int = Field(default=1, ge=0)
    retry: bool = True


class FitSpec(_Strict):
    """How the optimiser runs."""

    starts: int = Field(default=64, ge=32, le=10_000)
    max_steps: int = Field(default=500, ge=10)
    seed: int = Field(default=1, ge=0)


class BatchSpec(_Strict):
    """How `batch` runs: one posterior a cell."""

    by: str | None = None
    shared: Literal["refuse", "own"] = "refuse"
    engine: Literal["auto", "importance", "hmc", "nuts", "laplace"] = "auto"
    draws: int = Field(default=200, ge=0, le=100_000)
    loo: bool = False
    seed: int = Field(default=1, ge=0)
    chunk: int | None = Field(default=None, ge=1)
    width: int | None = Field(default=None, ge=1)


class GridSpec(_Strict):
    """A ladder of baths: one ion's concentration from low to high [mM], another making room."""

    quantity: str = "K_o_mM"
    low: float = Field(default=1.0, gt=0)
    high: float = Field(default=120.0, gt=0)
    points: int = Field(default=12, ge=2, le=1000)
    log: bool = True
    swap: str | None = "Na_o"

    @pydantic.model_validator(mode="after")
    def _rises(self):
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) is not below high ({self.high:g})")
        return self

    @property
    def bounds(self) -> tuple[str, float, float]:
        """The ion's concentration without its unit, and the ends [mM]."""
        of, unit = split_unit(self.quantity)
        return of, *(to_canonical(x, unit or "mM")[0] for x in (self.low, self.high))


class DesignSpec(_Strict):
    """How `design` chooses what to measure next."""

    targets: list[str] = []
    candidates: list[dict[str, Any]] = []
    grid: GridSpec | None = None
    rows: int = Field(default=3, ge=1, le=20, strict=True)
    sem: float | None = Field(default=None, gt=0)
    most_mM: dict[str, Annotated[float, Field(gt=0)]] = {}
    osmolarity_mM: float | None = Field(default=None, gt=0)
    neutral: bool = False
    criterion: Literal["D", "A"] = "D"


class PlotSpec(_Strict):
    """The quantity on the horizontal axis of the report's figure; chosen from the data by default."""

    x: str | None = None


class Config(_Strict):
    """A whole config file."""

    title: str = "untitled"
    model: str = "ghk"
    ions: list[str] = ["K", "Na"]
    reference: str | None = None
    cell: str | dict[str, Any] | None = None
    protocol: Literal["steady", "acute", "at"] | None = None
    baseline: str | None = None
    data: str | DataSpec
    observables: list[str] = ["V_m"]
    quantities: dict[str, Any] = {}
    solutions: dict[str, dict[str, Any]] = {}
    noise: Literal["normal", "student_t", "outliers"] = "normal"
    rounding_mV: float | None = Field(default=None, gt=0)
    floor_mV: float | None = None
    ceiling_mV: float | None = None
    sampler: SamplerSpec = SamplerSpec()
    fit: FitSpec = FitSpec()
    batch: BatchSpec = BatchSpec()
    design: DesignSpec = DesignSpec()
    plot: PlotSpec = PlotSpec()


def read_config(path: str | Path, data: str | None = None) -> tuple[Config, Lines]:
    """Read and check a config file; nothing in it is executed.

    Args:
        path: a YAML file.
        data: what stands in for its key `data` where it has none.

    Returns:
        The checked config, and where each of its keys stands in the file.

    Raises:
        InputError: not there, not YAML, an unknown key (the nearest known one is suggested), a value of
            the wrong kind; names the file, the line and the key.
    """
    raw, lines = read_yaml(path, start="Start with `model:` and `data:`")
    return check_config(raw if data is None else {"data": data} | raw, lines), lines


def check_config(raw: dict, lines: Lines | None = None) -> Config:
    """Check a config given as plain data.

    Raises:
        InputError: as `read_config`.
    """
    lines = lines or Lines()
    if "data" not in raw and ("bath" in raw or "preset" in raw):
        key = "bath" if "bath" in raw else "preset"
        raise lines.error(
            "this describes a cell in its bath, not a problem",
            (key,),
            "Give it to steady-state or simulate; a problem names it as `cell:` and has `data:`",
        )
    try:
        return Config.model_validate(raw)
    except pydantic.ValidationError as error:
        raise _first_error(error, lines, Config) from None


def check_batch(written: dict, given: dict[str, Any]) -> BatchSpec:
    """The `batch` section of a config, with what was given beside it (None: not) in its place.

    Raises:
        InputError: a value that will not do.
    """
    return _check_section(BatchSpec, written, given)


def check_design(written: dict, given: dict[str, Any]) -> DesignSpec:
    """The same of the section `design`."""
    return _check_section(DesignSpec, written, given)


def _check_section(kind: Any, written: dict, given: dict[str, Any]):
    given = {k: v for k, v in given.items() if v is not None}
    try:
        return kind.model_validate(written | given)
    except pydantic.ValidationError as error:
        raise _first_error(error, Lines(), kind) from None


def _first_error(error: pydantic.ValidationError, lines: Lines, model: Any, prefix: tuple = ()) -> InputError:
    found = error.errors(include_url=False)
    # A union reports every branch: the mapping's complaint is the one to show where a mapping was given.
    first = next((e for e in found if e["loc"][:1] == found[0]["loc"][:1] and _of_branch(e)), found[0])
    if first["loc"][:1] == ("data",):
        first["loc"] = tuple(x for x in first["loc"] if x not in ("str", "DataSpec"))
    if first["loc"][:1] == ("cell",):
        raise lines.error(
            f"{_clipped(first['input'])} is no cell",
            ("cell",),
            "Write `{preset: NAME}`, a cell file, or a cell itself",
        )
    path = (*prefix, *(str(x) for x in first["loc"]))
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, first["loc"][:-1])
        return lines.error(
            f"unknown key '{path[-1]}'{nearest(path[-1], known)}", path, f"Known here: {', '.join(known)}"
        )
    shown = first["input"] if not isinstance(first["input"], dict) else "a mapping"
    if first["loc"][-1] == "[key]":
        return lines.error(f"the name {shown!r} is not text", path[:-1], f'Write it in quotes: "{path[-2]}"')
    if first["type"] == "missing":
        return lines.error(f"the key '{path[-1]}' is missing", path[:-1] or path, f"Add `{path[-1]}:`")
    return lines.error(
        f"{_clipped(shown)} will not do: {first['msg'][0].lower()}{first['msg'][1:]}", path, None
    )


def _clipped(value: Any, longest: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


def _of_branch(error) -> bool:
    return "DataSpec" in error["loc"] and error["type"] != "model_type"


def _keys_at(model: Any, loc: tuple) -> list[str]:
    for part in loc:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if field is None:
            continue
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((a for a in options if hasattr(a, "model_fields")), model)
    return list(model.model_fields)


# -- one quantity -------------------------------------------------------------------------------


def parse_spec(key: str, value: Any, lines: Lines, path: tuple[str, ...]):
    """A quantity's name, and what is known of it in canonical units.

    Args:
        key: as written, with or without its unit: ``K_i_mM`` or ``K_i``.
        value: a number, ``"120 ± 10 mM"``, a prior, or ``{swap_for: K_o, total: 150}``.

    Raises:
        InputError: no unit, two units, an unknown prior, bounds swapped, and so on.
    """
    name, unit = split_unit(key)
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, str, dict)):
        raise lines.error(
            f"{value if isinstance(value, datetime.date) else repr(value)} is not a number or a prior",
            path,
            "Give a number, '120 ± 10 mM' or a prior",
        )
    if isinstance(value, dict):
        unit = _one_unit(unit, value.get("unit"), lines, path)
        if "swap_for" in value:
            spec = _validate(SwapSpec, value, lines, path)
            total = parse_spec(f"{name}_{unit}" if unit else name, spec.total, lines, (*path, "total"))[1]
            return name, Swap(split_unit(spec.swap_for)[0], total)
        if "pipette" in value:
            spec = _validate(JunctionSpec, value, lines, path)
            pipette, bath = (_ions(getattr(spec, side), lines, (*path, side)) for side in ("pipette", "bath"))
            sd = None if spec.sd is None else spread_to_canonical(spec.sd, unit or "mV")[0]
            return name, Junction(pipette, bath, spec.balance, sd)
        _need_unit(name, unit, lines, path)
        return name, _prior(name, value, unit, lines, path)
    if isinstance(value, str):
        try:
            number, sd, given = parse_quantity(value)
        except InputError as error:
            raise lines.error(error.problem, path, error.mend) from None
        given = None if given == "1" else given
        unit = _one_unit(unit, given, lines, path)
    else:
        number, sd = float(value), None
    _need_unit(name, unit, lines, path)
    if not math.isfinite(number):
        raise lines.error(f"{number} is not a number", path, "Give a finite number")
    centre = to_canonical(number, unit or "1")[0]
    _plausible(name, centre, number, unit, lines, path)
    if sd is None:
        return name, centre
    return name, normal(centre, spread_to_canonical(sd, unit or "1")[0], measured=True)


def _ions(given: dict[str, float], lines, path) -> dict[str, float]:
    """Ion -> mM, from keys with units such as ``K_mM``."""
    out = {}
    for key, value in given.items():
        name, unit = split_unit(key)
        if unit is None or canonical_unit(unit) != "mM":
            raise lines.error(f"{key} needs a unit", (*path, key), f"Write the key as {name}_mM")
        out[name] = to_canonical(value, unit)[0]
    return out


def _validate(model, value, lines, path):
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise _first_error(error, lines, model, path) from None


def _one_unit(a: str | None, b: Any, lines, path) -> str | None:
    if b is not None:
        try:
            canonical_unit(str(b))
        except InputError as error:
            raise lines.error(error.problem, path, error.mend) from None
        b = str(b)
    if a and b and a != b:
        raise lines.error(f"has two units, {a} and {b}", path, "Keep one")
    return a or b


_DIMENSIONLESS_SUFFIX = ("_rel", "_scale")
_DIMENSIONLESS = {"pump", "gamma_o", "gamma_i", "r", "nu", "outlier_share", "outlier_factor", "z_X", "speed"}
_EXPECTED = {"_o": "mM", "_i": "mM"}


def _expected_unit(name: str) -> str | None:
    """The canonical unit a quantity of this name must have; None where the name does not tell."""
    if name == "K_pipette":
        return "mM"
    if name in ("T", "t", "time"):
        return "K" if name == "T" else "s"
    if name.startswith("drift"):
        return "mV/min" if name == "drift" else "mV"
    if name == "I_pump_rel" or name.startswith(
        ("V_", "E_", "LJP", "sigma_V", "extra_V", "sigma_E", "extra_E")
    ):
        return "mV"
    if name.endswith(_DIMENSIONLESS_SUFFIX) or name in _DIMENSIONLESS:
        return "1"
    return "mM" if name.endswith(("_o", "_i")) else None


def _need_unit(name: str, unit: str | None, lines, path) -> None:
    expected = _expected_unit(name)
    if unit is None:
        if expected in (None, "1"):
            return
        example = {"K": "degC"}.get(expected, expected)
        raise lines.error(
            f"{name} needs a unit", path, f"Write the key as {name}_{example}, or the value as '… {example}'"
        )
    if expected is not None and canonical_unit(unit) != expected:
        raise lines.error(f"{name} cannot be in {unit}", path, f"Its unit is {expected}")


def _plausible(name, value, number, unit, lines, path) -> None:
    if name == "T" and not 230 < value < 340:
        mend = "Check it"
        if 0 <= number < 60:
            mend = f"{number:g} looks like degrees Celsius: write T_degC: {number:g}"
        elif 230 < number < 340:
            mend = f"{number:g} looks like kelvin: write T_K: {number:g}"
        raise lines.error(f"a temperature of {number:g} {unit} is not one of a living cell", path, mend)
    if name.endswith(("_o", "_i")) and value < 0:
        raise lines.error(
            f"{name} = {number:g} {unit} is negative", path, "Give a concentration of at least 0"
        )
    if name in ("V_offset", "LJP") and abs(value) > 200:
        raise lines.error(f"{name} = {number:g} {unit} is too large", path, "Check its unit: mV or V")


def _prior(name: str, value: dict, unit: str | None, lines, path) -> Latent:
    if "prior" not in value:
        raise lines.error(
            f"does not say which prior (it has {', '.join(map(str, value))})",
            path,
            "Add e.g. `prior: lognormal` with median and factor, or `prior: normal` with mean and sd",
        )
    kinds = ["normal", "lognormal", "halfnormal", "uniform", "beta"]
    if value["prior"] not in kinds:
        close = difflib.get_close_matches(str(value["prior"]), kinds, n=1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise lines.error(f"unknown prior '{value['prior']}'{hint}", path, f"Priors: {', '.join(kinds)}")
    try:
        spec = _PRIOR.validate_python(value)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        first_path = (*path, *(str(x) for x in first["loc"][1:]))
        model = {"normal": NormalSpec, "lognormal": LognormalSpec, "halfnormal": HalfnormalSpec,
                 "uniform": UniformSpec, "beta": BetaSpec}[value["prior"]]  # fmt: skip
        if first["type"] == "extra_forbidden":
            known = list(model.model_fields)
            raise lines.error(
                f"unknown key '{first_path[-1]}' of a {value['prior']} prior{nearest(first_path[-1], known)}",
                first_path, f"Known here: {', '.join(known)}",
            ) from None  # fmt: skip
        if first["type"] == "missing":
            raise lines.error(
                f"a {value['prior']} prior needs '{first_path[-1]}'", path, f"Add `{first_path[-1]}:`"
            ) from None
        raise lines.error(
            f"{first['input']!r} will not do: {first['msg'][0].lower()}{first['msg'][1:]}", first_path
        ) from None
    try:
        prior = _as_prior(spec)
        if unit and canonical_unit(unit) != unit:
            scale, shift = to_canonical(1.0, unit)[0] - to_canonical(0.0, unit)[0], to_canonical(0.0, unit)[0]
            prior = prior.scaled(scale, shift)
    except ValueError as error:
        raise lines.error(str(error).rstrip("."), path, "Mend the prior's numbers") from None
    if spec.prior in ("normal", "lognormal", "uniform"):
        middle = {"normal": "mean", "lognormal": "median", "uniform": "upper"}[spec.prior]
        number = getattr(spec, middle)
        _plausible(name, to_canonical(number, unit or "1")[0], number, unit, lines, (*path, middle))
    if spec.by is None and (spec.pooled or spec.spread is not None):
        raise lines.error("pooled and spread go with `by:`", path, "Add e.g. `by: cell`")
    spread = spec.spread
    if isinstance(spread, dict):
        spread = {column: halfnormal(sd) for column, sd in spread.items()}
    elif spread is not None:
        spread = halfnormal(spread)
    by, pooled = (tuple(x) if isinstance(x, list) else x for x in (spec.by, spec.pooled))
    if isinstance(pooled, str):
        pooled = (pooled,)
    if spread is not None and not pooled:
        pooled = tuple(spread) if isinstance(spread, dict) else True
    return Latent(prior, by, pooled, spread)


def _as_prior(spec) -> Prior:
    match spec:
        case NormalSpec():
            return normal(spec.mean, spec.sd, lower=spec.lower, upper=spec.upper, measured=spec.measured)
        case LognormalSpec():
            return lognormal(spec.median, spec.factor, lower=spec.lower, upper=spec.upper)
        case HalfnormalSpec():
            return halfnormal(spec.sd, upper=spec.upper)
        case UniformSpec():
            return uniform(spec.lower, spec.upper)
    return beta(spec.a, spec.b)


# -- a whole problem ----------------------------------------------------------------------------


def load_problem(config: str | Path | dict):
    """The `Problem` a config describes, with its data read and checked.

    Args:
        config: path of a YAML config, or the same as a dict (data files then relative to here).

    Returns:
        The problem; ``problem.config`` is the resolved config with every default filled in.

    Raises:
        InputError: as `read_config`, `read_table` and `make_problem`.

    Example:
        >>> from pumpleak import load_problem
        >>> problem = load_problem({
        ...     "data": {"dataset": "textbook_resting"},
        ...     "quantities": {"P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}},
        ... })
    """
    from ..problem.build import make_problem

    s = understand(config)
    measurements = s.measurements()
    try:
        problem = make_problem(measurements, **s.recipe, config=s.resolved)
    except InputError as error:
        raise s.lines.place(error) from None
    absent = [o for o in s.observables if o not in problem.measurements.observable]
    if absent and (problem.measurements.observable or absent != ["V_m"]):
        raise s.lines.error(
            f"the table {problem.measurements.file} has no reading of {absent[0]}",
            ("observables",),
            f"Add a column {with_unit(absent[0], observable_unit(absent[0]))}, or take {absent[0]} out of observables",
        )
    choices = problem.concentrations
    if s.config.plot.x is not None and s.config.plot.x not in choices:
        raise s.lines.error(
            f"'{s.config.plot.x}' cannot be the horizontal axis{nearest(s.config.plot.x, choices)}",
            ("plot", "x"),
            f"Choose one of {', '.join(choices)}",
        )
    return problem


@dataclass(frozen=True)
class Understood:
    """What a config says, apart from its table.

    Attributes:
        config: as it was written, checked.
        lines: where each of its keys stands.
        table: path of its table; None where it names a packaged one.
        dataset: the packaged table's name.
        observables: what counts as a reading.
        own: the model's quantities: a user's model may have inputs that tables do not know.
        recipe: the arguments of `make_problem`, without the measurements.
        resolved: the config with every default filled in.
    """

    config: Config
    lines: Lines
    table: Path | None
    dataset: str | None
    observables: tuple[str, ...]
    own: tuple[str, ...]
    recipe: dict[str, Any]
    resolved: dict[str, Any]

    def measurements(self):
        """The table, read and checked."""
        from ..data.datasets import load_dataset
        from ..data.measurements import read_table

        if self.dataset is None:
            return read_table(self.table, self.observables, quantities=self.own, require_readings=False)
        try:
            return load_dataset(self.dataset, observables=self.observables)
        except InputError as error:
            raise self.lines.place(error, ("data", "dataset")) from None


def understand(config: str | Path | dict, otherwise: str | None = None) -> Understood:
    """All that a config says, checked, before its table is read.

    Args:
        config: as `load_problem`.
        otherwise: what stands in for its key `data` where it has none.

    Raises:
        InputError: as `read_config`; a model, cell or observable that is not known.
    """
    from ..models.registry import make_model
    from ..problem.build import check_observables
    from ..problem.noise import Recording

    if isinstance(config, dict):
        lines, base = Lines(), Path()
        checked = check_config(config if otherwise is None else {"data": otherwise} | config)
    else:
        checked, lines = read_config(config, otherwise)
        base = Path(config).parent
    data = checked.data if isinstance(checked.data, DataSpec) else DataSpec(file=checked.data)
    if (data.dataset is None) == (data.file is None):
        raise lines.error(
            "needs either a file or a dataset",
            ("data",),
            "Write `data: table.csv` or `data: {dataset: NAME}`",
        )
    observables = tuple(checked.observables)
    if not observables:
        raise lines.error("names nothing that was read", ("observables",), "Write `observables: [V_m]`")
    try:
        cell = None if checked.cell is None else _cell(checked.cell, base)
        model = make_model(checked.model, checked.ions, reference=checked.reference, cell=cell)
        check_observables(model, observables)
    except InputError as error:
        raise lines.place(error, ("ions",) if error.column is None else ()) from None
    recipe = {
        "quantities": _specs(checked.quantities, lines, ("quantities",)),
        "model": checked.model,
        "ions": tuple(checked.ions),
        "reference": checked.reference,
        "cell": cell,
        "protocol": checked.protocol,
        "baseline": checked.baseline,
        "solutions": {s: _specs(d, lines, ("solutions", s)) for s, d in checked.solutions.items()},
        "noise": checked.noise,
        "recording": Recording(
            **{k: v for k in Recording._fields if (v := getattr(checked, f"{k}_mV")) is not None}
        ),
        "title": checked.title,
    }
    return Understood(
        checked,
        lines,
        None if data.file is None else base / data.file,
        data.dataset,
        observables,
        tuple(q.name for q in model.quantities),
        recipe,
        checked.model_dump() | ({} if cell is None else {"cell": cell.config}),
    )


def _cell(given: str | dict, base: Path):
    """The cell that a config starts from: a preset's name, a file, or the cell itself."""
    from ..cell.load import list_presets, load_cell

    if isinstance(given, str):
        given = {"preset": given} if given in list_presets() else {"file": given}
    if set(given) == {"file"}:
        return load_cell(base / str(given["file"]))
    return load_cell(given)


def _specs(raw: dict[str, Any], lines: Lines, path: tuple[str, ...]) -> dict:
    out: dict = {}
    for key, value in raw.items():
        name, spec = parse_spec(str(key), value, lines, (*path, str(key)))
        if name in out:
            raise lines.error(f"{name} is given twice", (*path, str(key)), "Keep one of the two")
        out[name] = spec
    return out
