"""What a run is: written once, checked before anything of it is believed."""

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .._version import __version__
from ..errors import InputError
from ..files.whole import is_scratch
from ..problem.priors import prior_in
from ..quantities.names import safe_name

#: What is written: records name their run, and what is gathered has checksums; of 1, which is read as well, neither.
FORMAT = 2
FORMATS = (1, FORMAT)
KIND = "pumpleak batch"

#: What a finished run is made of.
RESULT = (
    "manifest.json",
    "posterior.zarr",
    "chunks",
    "cells.parquet",
    "flagged.csv",
    "summary.json",
    "config.yaml",
)

#: What a run's folder holds; a folder with anything else in it is not ours to replace. Older runs have run.lock.
OWN = (*RESULT, "run.lock", "report.html", "cells")

_VERSIONS = ("jax", "jaxlib", "numpyro", "numpy")

_AtLeastOne = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Parameter(_Strict):
    """A row of a manifest's parameters, an element each.

    Attributes:
        name: of the element.
        unit: of its numbers.
        prior: as text.
        law: as `prior_in` reads it; older manifests have the text alone.
    """

    name: str
    unit: str
    prior: str
    law: Any = None

    @field_validator("law")
    @classmethod
    def _makes_a_prior(cls, law: Any) -> Any:
        prior_in({"law": law})
        return law


class Manifest(_Strict):
    """What `manifest.json` must hold.

    Attributes:
        title: of the run.
        config: the resolved config.
        data_file: name of the table.
        data_sha256: of the table's bytes.
        n_cells: cells in it.
        id_width: characters of the longest cell id.
        parameters: in the order of the arrays.
        chunk: cells a chunk.
        draws: kept draws a cell; 0 keeps none.
        seed: of the run.
        dtype: what it is computed in.
        device: platform and kind, e.g. ``gpu (NVIDIA H100)``.
        engine: compile widths and whatever else of the engine decides the numbers.
        versions: of what computed it.
        created: when.
    """

    title: str = ""
    config: dict
    data_file: str
    data_sha256: str
    n_cells: _AtLeastOne
    id_width: _AtLeastOne
    parameters: list[Parameter]
    chunk: _AtLeastOne
    draws: Annotated[int, Field(ge=0)]
    seed: int
    dtype: str
    device: str
    engine: dict
    versions: dict
    created: str = ""


def new_manifest(**computed: Any) -> dict:
    """What a run computes, as `start_run` takes it.

    Args:
        computed: the fields of `Manifest` but the versions and the time, which are filled in.

    Raises:
        InputError: a field is missing or wrong, or a parameter has a name that no array can have.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    versions = {"pumpleak": __version__} | {p: metadata.version(p) for p in _VERSIONS}
    given = computed | {"versions": versions, "created": now}
    order = [name for name in Manifest.model_fields if name in given]
    manifest = {"kind": KIND, "format": FORMAT} | {name: given[name] for name in [*order, *given]}
    return checked(json.loads(json.dumps(manifest)))


def checked(manifest: Any, file: object = None) -> dict:
    """A manifest with everything in it that the folder's layout needs.

    Raises:
        InputError: it is not one, or is of another version's format.
    """
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise InputError("is not a manifest of a batch run", mend="Give the folder of a batch run", file=file)
    if manifest.get("format") not in FORMATS:
        raise InputError(
            f"is of format {manifest.get('format')}, and this pumpleak reads formats 1 and {FORMAT}",
            mend=f"Use pumpleak {manifest.get('versions', {}).get('pumpleak', 'of its time')}",
            file=file,
        )
    try:
        Manifest.model_validate(manifest)
    except ValidationError as error:
        wrong = dict.fromkeys(".".join(map(str, e["loc"])) for e in error.errors())
        raise InputError(
            f"is not a whole manifest: {', '.join(wrong)} is missing or wrong",
            mend="Run again with --force, or give another folder",
            file=file,
        ) from None
    names = Counter(safe_name(p["name"]) for p in manifest["parameters"])
    bad = {x for x, n in names.items() if n > 1 or x in ("cell", "draw", "chain") or not _is_file_name(x)}
    if bad:
        raise InputError(
            f"a parameter cannot be called '{min(bad)}' here", mend="Give it a name of its own", file=file
        )
    return manifest


def _is_file_name(name: str) -> bool:
    """Whether a Zarr array can be called so: a folder takes the name."""
    plain = name.isprintable() and not name.startswith(".") and "\\" not in name
    return bool(name) and plain and len(name.encode()) <= 200


def changes(old: Mapping, new: Mapping) -> list[str]:
    """What differs between two manifests and decides the numbers: ``dotted.key: old -> new``, a line each.

    Where a table lies does not matter, its bytes do; nor does the time.
    """
    lines = []
    if old["data_sha256"] != new["data_sha256"]:
        lines.append(
            f"the table has changed: sha256 {old['data_sha256'][:12]}… -> {new['data_sha256'][:12]}…"
        )
    ignored = {"created", "data_sha256", "data_file", "config.data", "format"}
    ignored |= {"config.sampler.seed"}  # of `infer`
    # stand outside the config too
    ignored |= {f"config.batch.{k}" for k in ("engine", "draws", "loo", "seed", "chunk", "width")}
    if lines:
        ignored |= {"n_cells", "id_width"}  # follow from it
    before, after = (_flat({**m, "parameters": _printed(m["parameters"])}) for m in (old, new))
    keys = [k for k in dict.fromkeys([*before, *after]) if before.get(k) != after.get(k) and k not in ignored]
    if any(k.startswith("config.") for k in keys):
        keys = [k for k in keys if not k.startswith("parameters.")]  # follow from the config
    return lines + [
        f"{k.removeprefix('config.')}: {before.get(k, 'absent')} -> {after.get(k, 'absent')}" for k in keys
    ]


def identity(manifest: Mapping) -> str:
    """A digest of all that a run is, the same wherever and whenever it is made."""
    what = {k: v for k, v in manifest.items() if k not in ("created", "data_file")}
    text = json.dumps(what, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _printed(parameters: Sequence[Mapping]) -> dict[str, dict]:
    """Rows by name, without the priors' numbers: older manifests have their text alone."""
    return {p["name"]: {k: v for k, v in p.items() if k != "law"} for p in parameters}


def _flat(tree: Any, path: str = "") -> dict[str, str]:
    """Leaves by dotted path, as JSON text (so that NaN equals NaN and 1 is not True); an empty table or list has none."""
    if tree in ({}, []):
        return {}
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    leaves = {k: v for key, x in items for k, v in _flat(x, f"{path}.{key}" if path else str(key)).items()}
    return leaves or {path: json.dumps(tree, ensure_ascii=False)}


def read_manifest(out: Path) -> dict:
    """The manifest in a run's folder.

    Raises:
        InputError: it is not there or cannot be read.
    """
    file = out / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read ({error.strerror if isinstance(error, OSError) else 'it is damaged'})",
            mend="Start the run afresh with --force, or give another --out",
            file=file,
        ) from None
    return checked(manifest, file)


def is_run(out: Path, force: bool) -> bool:
    """Whether `out` holds a run, and not nothing.

    Raises:
        InputError: it holds something else.
    """
    if not out.exists():
        return False
    if not out.is_dir():
        raise InputError("is a file, not a folder", mend="Give another --out", file=out)
    names = sorted(p.name for p in out.iterdir())
    if not names:
        return False
    foreign = [n for n in names if n not in OWN and not is_scratch(n)]
    if "manifest.json" not in names:
        raise InputError(
            f"holds {(foreign or names)[0]} and no batch run, and is not replaced",
            mend="Move it away, or give another --out",
            file=out,
        )
    if force and foreign:
        raise InputError(
            f"holds {foreign[0]}, which is not of a batch run, and is not replaced",
            mend="Move it away, or give another --out",
            file=out,
        )
    return True


def earlier_manifest(out: str | Path, *, force: bool = False) -> dict | None:
    """The manifest of the run in `out`; None where there is none, or `force` would replace it.

    Raises:
        InputError: it holds something else, or the manifest cannot be read.
    """
    out = Path(out)
    return read_manifest(out) if is_run(out, force) and not force else None
