"""The store of a run: its arrays, its folder before the first chunk, and what a chunk puts into it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..engines.gate import PROBABILITIES
from ..errors import InputError
from ..files.whole import put_text
from ..quantities.names import safe_name

#: The arrays of a chunk beside `draws`: dtype, and the dimensions after `cell`.
FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("mean", "sd", "ess_bulk", "ess_tail", "r_hat", "contraction"), ("<f8", ("parameter",))),
    "quantile": ("<f8", ("parameter", "probability")),
    **dict.fromkeys(("k_hat", "log_evidence", "log_evidence_se", "elpd_loo", "loo_k"), ("<f8", ())),
    **dict.fromkeys(("status", "rung"), ("|i1", ())),
    "prior_dominated": ("|b1", ()),
    "n_readings": ("<i4", ()),
}


def layout(manifest: Mapping) -> dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]]:
    """Every array that has a cell axis: its path in the store, dtype, and the other dimensions with sizes."""
    size = {"parameter": len(manifest["parameters"]), "probability": len(PROBABILITIES)}
    arrays = {"cell": (f"<U{manifest['id_width']}", (), ())}
    for name, (dtype, dims) in FIELDS.items():
        arrays[f"summary/{name}"] = (dtype, dims, tuple(size[d] for d in dims))
    if manifest["draws"]:
        for p in manifest["parameters"]:
            arrays[f"posterior/{safe_name(p['name'])}"] = ("<f4", ("draw",), (manifest["draws"],))
    return arrays


@contextmanager
def storing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            mend="Free some space or mend the permissions; the same command then goes on where it stopped",
            file=out,
        ) from error


def manifest_text(manifest: dict) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def skeleton(folder: Path, manifest: dict) -> None:
    """A run's folder before its first chunk: manifest, locks and the store's metadata."""
    import zarr
    from numcodecs import Blosc

    # Faster than none on a disk, and a quarter smaller; Zarr runs it outside the main thread, where Blosc
    # is single-threaded, hence the same bytes each time.
    squeeze = Blosc("lz4", clevel=1, shuffle=Blosc.SHUFFLE)
    (folder / "chunks").mkdir()
    (folder / "run.lock").touch()
    put_text(folder / "manifest.json", manifest_text(manifest))
    store = str(folder / "posterior.zarr")
    attrs = {
        "title": manifest.get("title", ""),
        "pumpleak_version": manifest["versions"].get("pumpleak", ""),
        "data_file": manifest["data_file"],
        "data_sha256": manifest["data_sha256"],
        "config": json.dumps(manifest["config"], ensure_ascii=False),
        "seed": manifest["seed"],
    }
    root = zarr.open_group(store, mode="w", zarr_format=2, attributes=attrs)
    for name in ("posterior", "summary"):
        root.create_group(name)
    rows = {f"posterior/{safe_name(p['name'])}": p for p in manifest["parameters"]}
    for name, (dtype, dims, sizes) in layout(manifest).items():
        about = {"units": rows[name]["unit"], "prior": rows[name]["prior"]} if name in rows else {}
        # No fill value for whole numbers: xarray would mask them, and make floats of them.
        root.create_array(
            name,
            shape=(manifest["n_cells"], *sizes),
            chunks=(manifest["chunk"], *sizes),
            dtype=dtype,
            compressors=squeeze,
            filters=None,
            fill_value=np.nan if dtype[1] == "f" else None,
            attributes={"_ARRAY_DIMENSIONS": ["cell", *dims], **about},
        )
    coordinates = {
        "summary/parameter": np.array([p["name"] for p in manifest["parameters"]], dtype=str),
        "summary/probability": np.array(PROBABILITIES),
        "posterior/draw": np.arange(manifest["draws"]),
    }
    for name, values in coordinates.items():
        if values.size:
            array = root.create_array(
                name,
                shape=values.shape,
                chunks=values.shape,
                dtype=values.dtype,
                compressors=None,
                filters=None,
                fill_value=None,
                attributes={"_ARRAY_DIMENSIONS": [name.rpartition("/")[2]]},
                config={"write_empty_chunks": True},
            )
            array[:] = values
    zarr.consolidate_metadata(store, zarr_format=2)


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
    for name, (dtype, _, sizes) in layout(manifest).items():
        x = given[name]
        if x.shape != (n, *sizes):
            raise ValueError(f"{name} of a chunk: shape {x.shape}, expected {(n, *sizes)}")
        if not np.can_cast(x.dtype, dtype, casting="same_kind"):
            raise ValueError(f"{name} of a chunk: {x.dtype} is not {np.dtype(dtype)}")
        if name == "cell" and x.dtype.itemsize // 4 > manifest["id_width"]:
            if np.char.str_len(x).max() > manifest["id_width"]:
                raise ValueError(f"a cell id is longer than the manifest's id_width {manifest['id_width']}")
        given[name] = x.astype(dtype, copy=False)
    return given
