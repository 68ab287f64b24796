"""YAML configs: plain data, checked by pydantic, with units in keys or values; each error has its line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.wanted import Wanted
from ..errors import check_kind
from ..files.yaml_lines import Lines, read_yaml
from ..quantities.language import unknown_name
from .schema import BatchSpec, Config, DataSpec, DesignSpec
from .specs import parse_spec, refuse_unfilled


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
    return lines.checked(Config, raw)


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
    return Lines().checked(kind, written | {k: v for k, v in given.items() if v is not None})


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
        >>> prior = {"prior": "lognormal", "median": 0.05, "factor": 3}
        >>> problem = load_problem({"data": {"dataset": "textbook_resting"}, "quantities": {"P_Na_rel": prior}})
        >>> print(*(p.name for p in problem.parameters))
        P_Na_rel sigma_V_m
    """
    from ..problem.build import make_problem
    from ..problem.rules import check_read

    s = understand(config)
    measurements = s.measurements()
    with s.lines.at():
        plan = not measurements.observable
        check_read(s.observables, measurements.observables, measurements.file, plan=plan)
        problem = make_problem(measurements, **s.recipe, config=s.resolved)
    choices = problem.concentrations
    if s.config.plot.x is not None and s.config.plot.x not in choices:
        with s.lines.at("plot", "x"):
            raise unknown_name("concentration", s.config.plot.x, choices, within="for the horizontal axis")
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
        wanted: what is said of its table's columns and blanks.
        own: the model's quantities: a user's model may have inputs that tables do not know.
        recipe: the arguments of `make_problem`, without the measurements.
        resolved: the config with every default filled in.
    """

    config: Config
    lines: Lines
    table: Path | None
    dataset: str | None
    observables: tuple[str, ...]
    wanted: Wanted
    own: tuple[str, ...]
    recipe: dict[str, Any]
    resolved: dict[str, Any]

    def measurements(self):
        """The table, read and checked."""
        from ..data.datasets import read_dataset
        from ..data.measurements import read_wanted

        with self.lines.at():
            if self.dataset is None:
                return read_wanted(self.table, self.observables, quantities=self.own, wanted=self.wanted)
            with self.lines.at("data", "dataset"):
                return read_dataset(self.dataset, self.observables, self.wanted)


def understand(config: str | Path | dict, otherwise: str | None = None) -> Understood:
    """All that a config says, checked, before its table is read.

    Args:
        config: as `load_problem`.
        otherwise: what stands in for its key `data` where it has none.

    Raises:
        InputError: as `read_config`; a model, cell or observable that is not known.
    """
    from ..models.registry import make_model
    from ..problem.noise import Recording
    from ..problem.rules import check_observables

    check_kind(config, (dict, str, Path), "a config", "Give the path of a YAML file, or the same as a dict")
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
    with lines.at("cell"):
        cell = None if checked.cell is None else _cell(checked.cell, base)
    with lines.at("ions"):
        model = make_model(checked.model, checked.ions, reference=checked.reference, cell=cell)
        check_observables(model, observables)
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
        "same_cells": checked.same_cells,
        "recording": Recording(
            **{k: v for k in Recording._fields if (v := getattr(checked, f"{k}_mV")) is not None}
        ),
        "title": checked.title,
    }
    return Understood(
        config=checked,
        lines=lines,
        table=None if data.file is None else base / data.file,
        dataset=data.dataset,
        observables=observables,
        wanted=Wanted.of(checked.model_dump()),
        own=tuple(q.name for q in model.quantities),
        recipe=recipe,
        resolved=checked.model_dump() | ({} if cell is None else {"cell": cell.config}),
    )


def _cell(given: str | dict, base: Path):
    """The cell that a config starts from: a preset's name, a file, or the cell itself."""
    from ..cell.load import list_presets, load_cell

    refuse_unfilled(given, f"Name a preset ({', '.join(list_presets())}) or a cell file")
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
