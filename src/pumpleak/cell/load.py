"""Cells from files and from the presets that come with the package: YAML in, a `Cell` in its `Bath` out.

A cell file has `cell:` and `bath:`, or starts from a preset: ``preset: neuron``, with `cell:` naming only what
differs, and `set:` for single numbers as on the command line. configs/README.md lists the keys.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic
import yaml

from ..errors import InputError, nearest, unknown
from ..files.yaml_lines import Lines, missing_key, read_yaml, unknown_key, will_not_do
from ..quantities.names import kind
from ..quantities.plausible import complaint, impossible
from ..quantities.units import canonical_unit, split_unit, to_canonical
from .schema import KINDS, CellFile, CellSpec, Measured, known_ion

if TYPE_CHECKING:
    from .cell import Bath, Cell

_CLASSES = {
    "ghk_leak": "GHKLeak",
    "chord_leak": "ChordLeak",
    "inward_rectifier": "InwardRectifier",
    "constant_pump": "ConstantPump",
    "cubic_pump": "CubicPump",
    "hill_pump": "HillPump",
    "voltage_pump": "VoltagePump",
    "ncx": "NCX",
    "pmca": "PMCA",
}
_COTRANSPORT = {
    "kcc2": {"K": 1, "Cl": 1},
    "nkcc1": {"Na": 1, "K": 1, "Cl": 2},
    "ncc": {"Na": 1, "Cl": 1},
    "ae": {"Cl": 1, "HCO3": -1},
}


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
        raw, lines = read_yaml(source, start="Start with `preset:`, or with `cell:` and `bath:`")
    return _build(check_cell(raw, lines), lines)


class _Given(Lines):
    """Keys of a cell given as plain data, under `cell` as in the config of a problem, which knows their lines."""

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
                raise unknown_key(lines, (odd,), known)
            raise lines.error(
                f"has no `{key}:`", (), f"Add `{key}:`, or start from a preset: `preset: neuron`"
            )
    try:
        file = CellFile.model_validate(whole)
    except pydantic.ValidationError as error:
        raise _complaint(error, lines, whole) from None
    _check_sources(file, lines)
    return file


def _check_sources(file: CellFile, lines: Lines) -> None:
    """Refuse the source of what the file does not have."""
    about = file.model_dump(exclude_none=True, include={"cell", "bath", "set", "measured", "at_rest"})
    known = set(_paths(about))
    for path in file.sources:
        if path not in known:
            without_unit = [k for k in known if k.startswith(f"{path}_")]
            missing = unknown(
                "number",
                path,
                without_unit or known,
                within="that this could be the source of",
                mend="Give the dotted path of a number of this file, such as cell.z_X or bath.K_o_mM",
            )
            raise lines.place(missing, ("sources", path))


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
    return yaml.safe_load(text)


def _known(name: str) -> str:
    if name not in _names():
        raise unknown("preset", name, _names())
    return name


def _from_preset(raw: dict, lines: Lines) -> dict:
    """The preset's file with what this one says put over it; sources of what was replaced are dropped."""
    try:
        base = _raw(_known(raw.pop("preset")))
    except InputError as error:
        raise lines.error(error.problem, ("preset",), error.mend) from None
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
                    missing = unknown("mechanism", name, mechanisms, within="in the preset to leave out")
                    raise lines.place(missing, ("cell", "mechanisms", str(name)))
                del mechanisms[name]
                replaced.append(here)
            elif isinstance(spec, dict) and name in mechanisms and "kind" not in spec:
                mechanisms[name] = mechanisms[name] | spec
                replaced += [f"{here}.{k}" for k in spec]
            else:
                if name not in mechanisms and isinstance(spec, dict) and "kind" not in spec:
                    mend = f"It has {', '.join(mechanisms)}; a new one needs its `kind:`"
                    missing = unknown("mechanism", name, mechanisms, within="in the preset", mend=mend)
                    raise lines.place(missing, ("cell", "mechanisms", str(name)))
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


# -- what pydantic found, in our words ------------------------------------------------------------


def _complaint(error: pydantic.ValidationError, lines: Lines, whole: dict) -> InputError:
    found = error.errors(include_url=False)
    # A misspelt key is also a missing one: what was written is the thing to name.
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    loc = [str(x) for x in first["loc"] if x != "[key]"]
    kind = loc.pop(3) if loc[:2] == ["cell", "mechanisms"] and len(loc) > 3 else None
    path, what = tuple(loc), first["type"]
    if what == "extra_forbidden":
        model = KINDS[kind] if kind else {"cell": CellSpec, "measured": Measured}.get(loc[0], CellFile)
        known = list((CellFile if len(loc) == 1 else model).model_fields)
        return unknown_key(lines, path, known, f"of {kind}" if kind else "", _meant(path[-1], known))
    if what == "union_tag_not_found":
        odd = next((str(k) for k in first["input"] if nearest(str(k), ["kind"])), None)
        if odd:
            mend = f"Kinds: {', '.join(KINDS)}"
            return lines.place(unknown("key", odd, ["kind"], mend=mend), (*path, odd))
        return lines.error(
            "does not say of which kind it is", path, f"Add `kind:`, one of {', '.join(KINDS)}"
        )
    if what == "union_tag_invalid":
        tag = str(first.get("ctx", {}).get("tag"))
        return lines.place(unknown("kind", tag, KINDS), (*path, "kind"))
    if what == "missing":
        return missing_key(lines, path)
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, InputError):
        return lines.error(inner.problem, path, inner.mend)
    if what in ("dict_type", "model_type", "model_attributes_type"):
        first["msg"] = "a mapping (`name: value`, one a line) belongs here"
    mend = "Write `name: {kind: …}` for each" if path[-1] == "mechanisms" else "Correct it"
    return will_not_do(lines, path, first, mend)


def _meant(key: str, known: list[str]) -> str | None:
    """`nearest`, or the one known key of the same symbol: ``g_mS_cm2`` for ``g_K``."""
    alike = [k for k in known if k.split("_")[0] == key.split("_")[0]]
    return nearest(key, known) or (alike[0] if len(alike) == 1 else None)


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
    held = dict(_concentration(k, v, "i", lines, ("cell", "held")) for k, v in spec.held.items())
    bath_numbers = {}
    for key, value in file.bath.items():
        name, number = _bath_number(key, value, lines)
        if name in bath_numbers:
            raise lines.error(f"{name} is given twice", ("bath", key), "Keep one of the two")
        bath_numbers[name] = number
    if "T" not in bath_numbers:
        raise lines.error("the bath has no temperature", ("bath",), "Add `T_degC:`")
    try:
        bath = Bath(**bath_numbers)
    except InputError as error:
        raise lines.error(error.problem, ("bath",), error.mend) from None
    try:
        cell = Cell(
            {name: _mechanism(m) for name, m in spec.mechanisms.items()},
            z_X=spec.z_X, X_i=X_i, held=held, factors=spec.factors, volume=spec.volume, wall=spec.wall_mM,
            volume_to_area=spec.volume_to_area_um / 1e4, C_m=spec.C_m_uF_cm2, L_p=spec.L_p_cm_s_mM,
        )  # fmt: skip
        cell.check(bath)
    except InputError as error:
        key = {"impermeants": "X_i_mM", "a factor": "factors", "a wall": "wall_mM"}
        key = next((k for start, k in key.items() if error.problem.startswith(start)), "mechanisms")
        raise lines.error(error.problem, ("cell", key), error.mend) from None
    try:
        check_compensation(file.compensation, bath)
    except InputError as error:
        raise lines.error(error.problem, ("compensation",), error.mend) from None
    changes = {}
    for key, value in file.set.items():
        try:
            name, number = setting(key, value, cell, bath)
        except InputError as error:
            raise lines.error(error.problem, ("set", key), error.mend) from None
        if name in changes:
            raise lines.error(f"{name} is given twice", ("set", key), "Keep one of the two")
        changes[name] = number
    if changes:
        try:
            cell, bath = change(cell, bath, changes, compensation=file.compensation)
        except InputError as error:
            raise lines.error(error.problem, ("set",), error.mend) from None
    return _with(Preset(cell, bath), file)


def _with(preset: Preset, file: CellFile) -> Preset:
    preset.name, preset.title, preset.about = file.name, file.title, file.about
    preset.measured, preset.sources = file.measured, file.sources
    preset.config = file.model_dump(exclude_none=True, exclude={"at_rest"}, mode="json")
    return preset


def _mechanism(spec: Any):
    from . import carriers, leaks, pumps

    fields = spec.model_dump(exclude={"kind"})
    if spec.kind in _CLASSES:
        name = _CLASSES[spec.kind]
        module = next(m for m in (leaks, pumps, carriers) if hasattr(m, name))
        return getattr(module, name)(**{split_unit(k)[0]: v for k, v in fields.items()})
    ions = _COTRANSPORT.get(spec.kind) or {i: int(n) if n == int(n) else n for i, n in fields["ions"].items()}
    rate = fields["g_mS_cm2"] if spec.law == "thermodynamic" else fields["k"]
    return carriers.Cotransporter(ions, rate, spec.law)


def _bath_number(key: str, value: float, lines: Lines) -> tuple[str, float]:
    name, unit = split_unit(key)
    if name != "T":
        ion, number = _concentration(key, value, "o", lines, ("bath",))
        return f"{ion}_o", number
    if unit is None or canonical_unit(unit) != "K":
        raise lines.error("the temperature needs its unit", ("bath", key), "Write T_degC or T_K")
    T = float(to_canonical(value, unit)[0])
    if impossible(kind(name), T):
        problem, mend = complaint(kind(name), value, unit)
        raise lines.error(f"T = {value:g} {unit} {problem}", ("bath", key), mend)
    return "T", T


def _concentration(key: str, value: float, side: str, lines: Lines, path: tuple) -> tuple[str, float]:
    """Ion (or X) and concentration [mM] of ``K_o_mM: 5``."""
    name, unit = split_unit(key)
    k = kind(name)
    ion, where = k.of, "outside" if side == "o" else "inside"
    if k.what != "concentration" or k.side != side or not ion:
        usual = [f"{i}_{side}_mM" for i in ("K", "Na", "Cl", "Ca", "HCO3", "X")]
        mend = f"Write K_{side}_mM, Na_{side}_mM, Cl_{side}_mM …" + (
            "; X_o_mM; T_degC" if side == "o" else ""
        )
        raise lines.place(unknown("concentration", key, usual, within=where, mend=mend), (*path, key))
    if unit is None or canonical_unit(unit) != "mM":
        raise lines.error(f"{name} needs its unit", (*path, key), f"Write {name}_mM")
    if ion != "X":
        try:
            known_ion(ion)
        except InputError as error:
            raise lines.error(error.problem, (*path, key), error.mend) from None
    if value < 0 or (value == 0 and ion != "X"):
        raise lines.error(
            f"{name} = {value:g} {unit} is not possible here",
            (*path, key),
            "Give a concentration above 0: a trace, such as 0.001, where there is nearly none",
        )
    number = float(to_canonical(value, unit)[0])
    if impossible(k, number):
        problem, mend = complaint(k, value, unit)
        raise lines.error(f"{name} = {value:g} {unit} {problem}", (*path, key), mend)
    return ion, number
