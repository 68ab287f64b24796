"""The store of a run: its arrays as Zarr 2 keeps them, written chunk by chunk.

Its files are written here and not by Zarr, whose hundreds of small awaited steps take a second for a few cells:
the format is a folder an array, with JSON that describes it and a compressed block a chunk. Zarr and xarray
read it.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..engines.gate import PROBABILITIES
from ..errors import InputError
from ..files.locks import open_own
from ..files.whole import in_the_way, put_bytes, put_text
from ..quantities.names import safe_name

STORE = "posterior.zarr"

#: The arrays of a chunk beside `draws`: dtype, and the dimensions after `cell`.
FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("mean", "sd", "ess_bulk", "ess_tail", "r_hat", "contraction"), ("<f8", ("parameter",))),
    "quantile": ("<f8", ("parameter", "probability")),
    **dict.fromkeys(("k_hat", "log_evidence", "log_evidence_se", "elpd_loo", "loo_k"), ("<f8", ())),
    **dict.fromkeys(("status", "rung"), ("|i1", ())),
    "prior_dominated": ("|b1", ()),
    "n_readings": ("<i4", ()),
}


class Stored(NamedTuple):
    """An array of the store that has a cell axis.

    Attributes:
        name: its path in the store.
        dtype: as NumPy and Zarr write it.
        dims: the dimensions after `cell`.
        sizes: theirs.
        about: its attributes beside the dimensions: a parameter's unit and prior.
    """

    name: str
    dtype: str
    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    about: dict[str, str]

    def file(self, i: int) -> str:
        """The file of chunk i, by its path in the store."""
        return f"{self.name}/{'.'.join([str(i), *['0'] * len(self.sizes)])}"


def bytes_of_a_cell(parameters: int, draws: int) -> tuple[int, int]:
    """What a cell takes uncompressed in the store: for each draw, and besides."""
    size = {"parameter": parameters, "probability": len(PROBABILITIES)}
    fields = sum(np.dtype(kind).itemsize * math.prod(size[d] for d in dims) for kind, dims in FIELDS.values())
    return 4 * parameters, fields


def layout(manifest: Mapping) -> dict[str, Stored]:
    """Every array that has a cell axis, by its path in the store."""
    size = {"parameter": len(manifest["parameters"]), "probability": len(PROBABILITIES)}
    arrays = [Stored("cell", f"<U{manifest['id_width']}", (), (), {})]
    for name, (dtype, dims) in FIELDS.items():
        arrays.append(Stored(f"summary/{name}", dtype, dims, tuple(size[d] for d in dims), {}))
    for p in manifest["parameters"] if manifest["draws"] else ():
        about = {"units": p["unit"], "prior": p["prior"]}
        name = f"posterior/{safe_name(p['name'])}"
        arrays.append(Stored(name, "<f4", ("draw",), (manifest["draws"],), about))
    return {a.name: a for a in arrays}


def n_chunks(manifest: Mapping) -> int:
    return -(-manifest["n_cells"] // manifest["chunk"])


def attributes(manifest: Mapping) -> dict[str, Any]:
    """What the store, and a tree made of it, says of the whole run."""
    return {
        "title": manifest.get("title", ""),
        "pumpleak_version": manifest["versions"].get("pumpleak", ""),
        "data_file": manifest["data_file"],
        "data_sha256": manifest["data_sha256"],
        "config": json.dumps(manifest["config"], ensure_ascii=False),
        "seed": manifest["seed"],
    }


@contextmanager
def storing(out: Path, *, begun: bool = True) -> Iterator[None]:
    """An error of the disk in words, and what helps.

    Args:
        out: the run's folder.
        begun: it was there, whole, before.
    """
    try:
        yield
    except OSError as error:
        if begun and isinstance(error, FileNotFoundError | NotADirectoryError):
            raise _gone(out, error) from error
        if way := in_the_way(out):
            raise InputError(f"cannot be written: {way}", mend="Give another --out", file=out) from error
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            mend="Free some space or mend the permissions; the same command then goes on where it stopped",
            file=out,
        ) from error


def _gone(out: Path, error: OSError) -> InputError:
    """What is said of a run that somebody moved, or took a part of, while it was written."""
    if is_moved(out):
        return InputError(
            "was moved, renamed or removed while the run worked",
            mend="If it was moved, put it back, or give the same command its new place as --out:"
            " it goes on from what is done",
            file=out,
        )
    return InputError(
        f"{Path(error.filename or out).name} was moved or removed while the run worked",
        mend="The same command computes again what went with it, and goes on",
        file=out,
    )


def is_moved(out: Path) -> bool:
    """Whether the folder of a run that had begun is no longer where it was."""
    return not (out / "manifest.json").is_file()


def unreadable(file: Path, error: Exception) -> InputError:
    return InputError(
        f"cannot be read ({type(error).__name__}: {error})",
        mend="The command that began the run makes it again once the file is removed",
        file=file,
    )


# -- a chunk -----------------------------------------------------------------------------------------


@cache
def _squeeze() -> Any:
    from numcodecs import Blosc

    # Faster than none on a disk, and a quarter smaller.
    return Blosc("lz4", clevel=1, shuffle=Blosc.SHUFFLE)


def pack(values: np.ndarray, size: int) -> bytes:
    """The file of a chunk; the table's last one is filled up to the size of the others.

    Blosc is single-threaded outside the main thread: call it there for the same bytes each time.
    """
    if len(values) == size:
        return _squeeze().encode(np.ascontiguousarray(values))
    blank = np.nan if values.dtype.kind == "f" else np.zeros((), values.dtype)[()]
    whole = np.full((size, *values.shape[1:]), blank, values.dtype)
    whole[: len(values)] = values
    return _squeeze().encode(whole)


def put_chunk(path: Path, content: bytes, *, sync: bool) -> None:
    """Write the file of a chunk in its place: it counts for nothing before there is a record of it."""
    with open(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as f:
        f.write(content)
        if sync:
            f.flush()
            os.fsync(f.fileno())


def unpack(out: Path, array: Stored, i: int, cells: int) -> np.ndarray:
    """The values of an array for the cells of chunk i, of which there are so many."""
    flat = np.frombuffer(_squeeze().decode((out / STORE / array.file(i)).read_bytes()), array.dtype)
    return flat.reshape(-1, *array.sizes)[:cells]


def chunk_arrays(
    manifest: Mapping, n: int, ids: Sequence[str] | np.ndarray, arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A chunk's arrays by their path in the store.

    Args:
        manifest: the run's.
        n: cells of the chunk.
        ids: of the cells.
        arrays: as `Run.write` takes them.

    Raises:
        ValueError: one is missing, unknown, or of the wrong shape or kind.
    """
    wanted = {*FIELDS, "draws"} if manifest["draws"] else set(FIELDS)
    wrong = sorted(wanted ^ set(arrays))
    if wrong:
        raise ValueError(f"arrays of a chunk: {', '.join(wrong)} is missing or unknown")
    given: dict[str, np.ndarray] = {"cell": np.asarray(ids, dtype=str)}
    given |= {f"summary/{k}": np.asarray(arrays[k]) for k in FIELDS}
    if manifest["draws"]:
        draws = np.asarray(arrays["draws"])
        shape = (n, manifest["draws"], len(manifest["parameters"]))
        if draws.shape != shape:
            raise ValueError(f"draws of a chunk: shape {draws.shape}, expected {shape}")
        for k, p in enumerate(manifest["parameters"]):
            given[f"posterior/{safe_name(p['name'])}"] = draws[..., k]
    for name, array in layout(manifest).items():
        x = given[name]
        if x.shape != (n, *array.sizes):
            raise ValueError(f"{name} of a chunk: shape {x.shape}, expected {(n, *array.sizes)}")
        if not np.can_cast(x.dtype, array.dtype, casting="same_kind"):
            raise ValueError(f"{name} of a chunk: {x.dtype} is not {np.dtype(array.dtype)}")
        if name == "cell" and x.dtype.itemsize // 4 > manifest["id_width"]:
            if np.char.str_len(x).max() > manifest["id_width"]:
                raise ValueError(f"a cell id is longer than the manifest's id_width {manifest['id_width']}")
        given[name] = x.astype(array.dtype, copy=False)
    return given


# -- what belongs to no chunk ------------------------------------------------------------------------


def manifest_text(manifest: dict) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _coordinates(manifest: Mapping) -> dict[str, np.ndarray]:
    values = {
        "summary/parameter": np.array([p["name"] for p in manifest["parameters"]], dtype=str),
        "summary/probability": np.array(PROBABILITIES, "<f8"),
        "posterior/draw": np.arange(manifest["draws"], dtype="<i8"),
    }
    return {name: x for name, x in values.items() if x.size}


def _metadata(manifest: Mapping) -> dict[str, Any]:
    """The store's metadata by their file's path in it."""
    found: dict[str, Any] = {".zgroup": {"zarr_format": 2}, ".zattrs": attributes(manifest)}

    def add(name: str, shape, chunks, dtype: str, dims, compressor, about) -> None:
        found[f"{name}/.zarray"] = {
            "shape": list(shape),
            "chunks": list(chunks),
            "dtype": dtype,
            # None for whole numbers: xarray would mask them, and make floats of them.
            "fill_value": "NaN" if compressor and dtype[1] == "f" else None,
            "order": "C",
            "filters": None,
            "dimension_separator": ".",
            "compressor": compressor,
            "zarr_format": 2,
        }
        found[f"{name}/.zattrs"] = {"_ARRAY_DIMENSIONS": list(dims), **about}

    for group in ("posterior", "summary"):
        found[f"{group}/.zgroup"], found[f"{group}/.zattrs"] = {"zarr_format": 2}, {}
    cells, chunk, squeeze = manifest["n_cells"], manifest["chunk"], _squeeze().get_config()
    for name, a in layout(manifest).items():
        add(name, (cells, *a.sizes), (chunk, *a.sizes), a.dtype, ("cell", *a.dims), squeeze, a.about)
    for name, x in _coordinates(manifest).items():
        add(name, x.shape, x.shape, x.dtype.str, [name.rpartition("/")[2]], None, {})
    return found


def frame(manifest: Mapping) -> dict[str, bytes]:
    """The files of the store that belong to no chunk, by their path in it."""
    metadata = _metadata(manifest)
    texts: dict[str, Any] = {**metadata, ".zmetadata": {"zarr_consolidated_format": 1, "metadata": metadata}}
    files = {name: json.dumps(content, indent=2).encode() for name, content in texts.items()}
    return files | {f"{name}/0": x.tobytes() for name, x in _coordinates(manifest).items()}


def put_frame(out: Path, manifest: Mapping, *, sync: bool = True) -> None:
    """Write what is not there of the store's frame, or is not what it was."""
    for name, content in frame(manifest).items():
        path = out / STORE / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            put_bytes(path, content, sync=sync)


def skeleton(folder: Path, manifest: dict) -> None:
    """A run's folder before its first chunk: the manifest and the store's frame."""
    (folder / "chunks").mkdir()
    put_text(folder / "manifest.json", manifest_text(manifest))
    put_frame(folder, manifest, sync=False)
