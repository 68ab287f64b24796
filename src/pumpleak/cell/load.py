"""Cells from files and from the presets that come with the package: YAML in, a `Cell` in its `Bath` out.

A cell file has `cell:` and `bath:`, or starts from a preset: ``preset: neuron``, with `cell:` naming only what
differs, and `set:` for single numbers as on the command line. configs/README.md lists the keys.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ..errors import InputError, unknown
from ..files.yaml_lines import Lines, read_yaml
from ..files.yaml_scalars import PlainLoader
from ..quantities.foreign_units import check_unit_of
from ..quantities.language import named, unknown_name
from ..quantities.names import kind
from ..quantities.plausible import complaint, impossible
from ..quantities.units import canonical_unit, split_unit, to_canonical
from .declared import COTRANSPORTERS, KINDS
from .schema import CellFile, Measured, cell_file, known_ion

if TYPE_CHECKING:
    from .cell import Bath, Cell


class _CellInBath(NamedTuple):
    cell: "Cell"
    bath: "Bath"


class Preset(_CellInBath):
    """A cell in its bath, ``cell, bath = load_preset("neuron")``, and what is known about the two.

    Attributes:
        cell: the `Cell`.
        bath: its `Bath`.
        name: of a preset; empty for other cells.
        title: one line.
        about: what it is good for, and what is left out.
        measured: ``V_m_mV``, ``K_i_mM`` … -> what was measured in such cells (value, sd, range, source).
        sources: dotted path of a number in the file -> where it is from; guesses begin with "guess:".
        config: the whole file as plain data, which `load_cell` turns into the same cell again.

    Example:
        >>> from pumpleak import load_preset
        >>> squid = load_preset("squid_axon")
        >>> print(squid.title, squid.measured["V_m_mV"].value)
        Squid giant axon -62.0
    """

    name: str = ""
    title: str = "untitled cell"
    about: str = ""
    measured: Mapping[str, Measured] = {}
    sources: Mapping[str, str] = {}
    config: Mapping[str, Any] = {}


def list_presets() -> dict[str, str]:
    """Names of the cells that come with the package.

    Returns:
        Name -> title.

    Example:
        >>> list_presets()["squid_axon"]
        'Squid giant axon'
    """
    return {name: str(_raw(name)["title"]) for name in _names()}


def load_preset(name: str) -> Preset:
    """A cell that comes with the package, every number of it cited or marked as a guess.

    Args:
        name: one of `list_presets`.

    Returns:
        A `Preset`, which unpacks to (cell, bath).

    Raises:
        InputError: there is no such preset; the nearest name is suggested.

    Example:
        >>> cell, bath = load_preset("neuron")
        >>> bath.c["K"]
        3.5
    """
    return _build(read_preset(name), Lines(f"preset {name}"))


def load_cell(source: str | Path | Mapping[str, Any]) -> Preset:
    """The cell in its bath that a YAML file describes.

    Args:
        source: path of a cell file, or the same as a mapping.

    Returns:
        A `Preset`, which unpacks to (cell, bath).

    Raises:
        InputError: no such file, not YAML, a problem's config, an unknown key, kind, ion or preset, a number that
            is not possible, a charged bath, a mechanism whose ions the bath lacks, nothing impermeant; names file, line, key.

    Example:
        >>> cell, bath = load_cell({"preset": "neuron", "set": {"K_o_mM": 10, "pump": 0.3}})
        >>> print(bath.c["Na"], cell.factors["pump"])
        138.5 0.3
    """
    if isinstance(source, Mapping):
        raw, lines = dict(source), _Given()
    else:
        raw, lines = read_yaml(
            source, start="Start with `preset:`, or with `cell:` and `bath:`", wanted="cell"
        )
    return _build(check_cell(raw, lines), lines)


class _Given(Lines):
    """Keys of a cell given as plain data, under `cell` as in the config of a problem, which knows their lines."""

    def place(self, error: InputError, default: tuple[str, ...] = ()) -> InputError:
        return error if error.key is not None else self.error(error.problem, default, error.mend)

    def error(self, problem: str, path: tuple[str, ...], mend: str | None = None) -> InputError:
        return InputError(problem, mend=mend, key=".".join(("cell", *path)))


def read_preset(name: str) -> CellFile:
    """A preset's file, checked; builds nothing and needs no JAX.

    Raises:
        InputError: there is no such preset.
    """
    return check_cell(_raw(_known(name)), Lines(f"preset {name}"))


def check_cell(raw: Mapping[str, Any], lines: Lines) -> CellFile:
    """A cell file given as plain data, with its preset put in and every key checked.

    Raises:
        InputError: as `load_cell`, as far as can be told without building the cell.
    """
    if "data" in raw and "bath" not in raw:
        raise lines.error(
            "this describes a problem, a model and its data, not a cell",
            ("data",),
            "Give it to check, fit, infer or predict; steady-state and simulate take a file with `cell:` and `bath:`",
        )
    whole = _from_preset(dict(raw), lines) if "preset" in raw else dict(raw)
    for key in ("cell", "bath"):
        if key not in whole:
            known = [k for k in (*CellFile.model_fields, "preset") if k != "name"]
            odd = next((str(k) for k in raw if k not in known and k != "name"), None)
            if odd:
                with lines.at(odd):
                    raise unknown("key", odd, known)
            raise lines.error(
                f"has no `{key}:`", (), f"Add `{key}:`, or start from a preset: `preset: neuron`"
            )
    file = lines.checked(cell_file(), whole)
    _check_sources(file, lines)
    return file


def _check_sources(file: CellFile, lines: Lines) -> None:
    """Refuse the source of what the file does not have."""
    about = file.model_dump(exclude_none=True, include={"cell", "bath", "set", "measured", "at_rest"})
    known = set(_paths(about))
    for path in file.sources:
        if path not in known:
            without_unit = [k for k in known if k.startswith(f"{path}_")]
            mend = "Give the dotted path of a number of this file, such as cell.z_X or bath.K_o_mM"
            within = "that this could be the source of"
            with lines.at("sources", path):
                raise unknown("number", path, without_unit or known, within=within, mend=mend)


def _paths(data: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Dotted paths of all that nested mappings hold, sections included."""
    for key, value in data.items():
        yield f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{key}.")


# -- presets ------------------------------------------------------------------------------------


@cache
def _names() -> tuple[str, ...]:
    folder = resources.files(__package__) / "presets"
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")))


def _raw(name: str) -> dict[str, Any]:
    text = (resources.files(__package__) / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=PlainLoader)


def _known(name: str) -> str:
    if name not in _names():
        raise unknown("preset", name, _names())
    return name


def _from_preset(raw: dict, lines: Lines) -> dict:
    """The preset's file with what this one says put over it; sources of what was replaced are dropped."""
    with lines.at("preset"):
        base = _raw(_known(raw.pop("preset")))
    if not isinstance(raw.get("cell", {}), dict) or not isinstance(raw.get("bath", {}), dict):
        return base | raw  # refused with its place further on
    own, cell = raw.pop("cell", {}), dict(base["cell"])
    mechanisms, replaced = dict(cell["mechanisms"]), []
    for key, value in own.items():
        if key != "mechanisms" or not isinstance(value, dict):
            both = isinstance(value, dict) and isinstance(cell.get(key), dict)
            cell[key] = cell[key] | value if both else value
            replaced.append(f"cell.{key}")
            continue
        for name, spec in value.items():
            here = f"cell.mechanisms.{name}"
            if spec is None:
                if name not in mechanisms:
                    with lines.at("cell", "mechanisms", str(name)):
                        raise unknown("mechanism", name, mechanisms, within="in the preset to leave out")
                del mechanisms[name]
                replaced.append(here)
            elif isinstance(spec, dict) and name in mechanisms and "kind" not in spec:
                mechanisms[name] = mechanisms[name] | spec
                replaced += [f"{here}.{k}" for k in spec]
            else:
                if name not in mechanisms and isinstance(spec, dict) and "kind" not in spec:
                    mend = f"It has {', '.join(mechanisms)}; a new one needs its `kind:`"
                    with lines.at("cell", "mechanisms", str(name)):
                        raise unknown("mechanism", name, mechanisms, within="in the preset", mend=mend)
                mechanisms[name] = spec
                replaced.append(here)
    cell["mechanisms"] = mechanisms
    if "bath" in raw:
        replaced.append("bath")
    kept = {
        path: source
        for path, source in base["sources"].items()
        if not any(path == r or path.startswith(f"{r}.") for r in replaced)
    }
    changed = bool(replaced) or bool(raw.get("set"))
    out = {"title": base["title"] + (", changed" if changed else ""), "about": base["about"]}
    out |= {"cell": cell, "bath": base["bath"]}
    out |= {} if changed else {"measured": base["measured"]}
    sources = raw.pop("sources", {})
    return out | raw | {"sources": kept | sources if isinstance(sources, dict) else sources}


# -- building -------------------------------------------------------------------------------------


def _build(file: CellFile, lines: Lines) -> Preset:
    from .cell import Bath, Cell
    from .numbers import change
    from .settings import check_compensation, setting

    spec = file.cell
    if not spec.mechanisms:
        raise lines.error("nothing crosses this cell's membrane", ("cell", "mechanisms"), "Give it a leak")
    X_i = spec.X_i_mM
    if X_i is None:
        if spec.volume == "osmotic":
            raise lines.error(
                "the cell has no impermeants inside: nothing would balance water",
                ("cell",),
                "Add `X_i_mM:`, the concentration of what cannot leave the cell, or `volume: fixed`",
            )
        X_i = 0.0
    held = _named(spec.held, partial(_concentration, side="i"), lines, "cell", "held")
    bath_numbers = _named(file.bath, _bath_number, lines, "bath")
    with lines.at("bath"):
        if "T" not in bath_numbers:
            raise InputError("the bath has no temperature", mend="Add `T_degC:`")
        bath = Bath(**bath_numbers)
    try:
        cell = Cell(
            {name: _mechanism(m) for name, m in spec.mechanisms.items()},
            z_X=spec.z_X,
            X_i=X_i,
            held=held,
            factors=spec.factors,
            volume=spec.volume,
            wall=spec.wall_mM,
            volume_to_area=spec.volume_to_area_um / 1e4,
            C_m=spec.C_m_uF_cm2,
            L_p=spec.L_p_cm_s_mM,
        )
        cell.check(bath)
    except InputError as error:
        key = {"impermeants": "X_i_mM", "a factor": "factors", "a wall": "wall_mM"}
        key = next((k for words, k in key.items() if words in error.problem), "mechanisms")
        raise lines.error(error.problem, ("cell", key), error.mend) from None
    with lines.at("compensation"):
        check_compensation(file.compensation, bath)
    changes = _named(file.set, partial(setting, cell=cell, bath=bath), lines, "set")
    if changes:
        with lines.at("set"):
            cell, bath = change(cell, bath, changes, compensation=file.compensation)
    return _with(Preset(cell, bath), file)


def _named(
    given: Mapping[str, float],
    read: Callable[[str, float], tuple[str, float]],
    lines: Lines,
    *path: str,
) -> dict[str, float]:
    """Own names and numbers of a section's keys, each of which `read` makes of a key and its value."""
    out = {}
    for key, value in given.items():
        with lines.at(*path, key):
            name, number = read(key, value)
            if name in out:
                raise InputError(f"{name} is given twice", mend="Keep one of the two")
        out[name] = number
    return out


def _with(preset: Preset, file: CellFile) -> Preset:
    preset.name, preset.title, preset.about = file.name, file.title, file.about
    preset.measured, preset.sources = file.measured, file.sources
    preset.config = file.model_dump(exclude_none=True, exclude={"at_rest"}, mode="json")
    return preset


def _mechanism(spec: Any):
    from .carriers import Cotransporter

    if declared := KINDS.get(spec.kind):
        build = declared.build or getattr(import_module(f".{declared.module}", __package__), declared.name)
        ion = {"ion": spec.ion} if declared.of_ion else {}
        return build(**ion, **{name: getattr(spec, key) for name, key in declared.keys.items()})
    ions = COTRANSPORTERS.get(spec.kind) or {i: int(n) if n == int(n) else n for i, n in spec.ions.items()}
    rate = spec.g_mS_cm2 if spec.law == "thermodynamic" else spec.k
    return Cotransporter(ions, rate, spec.law)


def _bath_number(key: str, value: float) -> tuple[str, float]:
    """The argument of `Bath`, and its number, of what a file says of it."""
    name, unit = split_unit(key)
    if name != "T":
        ion, number = _concentration(key, value, "o")
        return f"{ion}_o", number
    if unit is None or canonical_unit(unit) != "K":
        raise InputError("the temperature needs its unit", mend="Write T_degC or T_K")
    return "T", _possible(name, value, unit)


def _concentration(key: str, value: float, side: str) -> tuple[str, float]:
    """Ion (or X) and concentration [mM] of ``K_o_mM: 5``."""
    name, unit = split_unit(key)
    check_unit_of(key, value)
    if found := named(key, value):
        raise InputError(f"{name} is no concentration here: {found[0]}", mend=found[1])
    k = kind(name)
    ion, where = k.of, "outside" if side == "o" else "inside"
    if k.what not in ("concentration", "solute") or k.side != side or not ion:
        usual = [f"{i}_{side}_mM" for i in ("K", "Na", "Cl", "Ca", "HCO3", "X")]
        mend = f"Write K_{side}_mM, Na_{side}_mM, Cl_{side}_mM …" + (
            "; X_o_mM; T_degC" if side == "o" else ""
        )
        raise unknown_name("concentration", key, usual, within=where, mend=mend)
    if unit is None or canonical_unit(unit) != "mM":
        raise InputError(f"{name} needs its unit", mend=f"Write {name}_mM")
    if ion != "X" and k.what != "solute":
        known_ion(ion)
    if value < 0 or (value == 0 and ion != "X" and k.what != "solute"):
        raise InputError(
            f"{name} = {value:g} {unit} is not possible here",
            mend="Give a concentration above 0: a trace, such as 0.001, where there is nearly none",
        )
    return ion, _possible(name, value, unit)


def _possible(name: str, value: float, unit: str) -> float:
    """The value in the canonical unit, if such a quantity can have it."""
    number = float(to_canonical(value, unit)[0])
    if impossible(kind(name), number):
        problem, mend = complaint(kind(name), value, unit)
        raise InputError(f"{name} = {value:g} {unit} {problem}", mend=mend)
    return number
