"""One record a chunk: that it is whole, and what it is made of."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import InputError
from .manifest import FORMAT


def n_chunks(manifest: Mapping) -> int:
    return -(-manifest["n_cells"] // manifest["chunk"])


def chunk_files(arrays: Mapping[str, tuple], i: int) -> list[str]:
    """The files of chunk i in the store, given the store's `layout`."""
    return [f"{name}/{'.'.join([str(i), *['0'] * len(sizes)])}" for name, (_, _, sizes) in arrays.items()]


def record_file(out: Path, i: int) -> Path:
    return out / "chunks" / f"{i:06d}.json"


def recorded(out: Path) -> set[int]:
    """The chunks that have a record, right or wrong."""
    names = (name.removesuffix(".json") for name in os.listdir(out / "chunks") if name.endswith(".json"))
    return {int(name) for name in names if name.isdigit()}


def checksum(record: Mapping) -> str:
    text = json.dumps({k: v for k, v in record.items() if k != "check"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_mark(path: Path, *, sync: bool = False) -> list:
    """A file's size and checksum, read back from it."""
    with path.open("rb", buffering=0) as f:
        if sync:
            os.fsync(f.fileno())
        digest = hashlib.file_digest(f, lambda: hashlib.blake2b(digest_size=16)).hexdigest()  # pyright: ignore
        return [f.tell(), digest]


def read_record(out: Path, i: int, files: list[str], *, verify: bool) -> dict | str:
    """The record of chunk i, or what is wrong with it or the files it vouches for.

    Args:
        out: the run's folder.
        i: the chunk.
        files: what the chunk has in the store.
        verify: compare checksums, not only sizes.
    """
    try:
        record = json.loads(record_file(out, i).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "it has no record"
    except (OSError, ValueError):
        return "its record is damaged"
    if not isinstance(record, dict) or record.get("check") != checksum(record) or record.get("chunk") != i:
        return "its record is damaged"
    if record.get("format") != FORMAT or list(record["files"]) != files:
        return "its record is of another run"
    for name in files:
        path, mark = out / "posterior.zarr" / name, record["files"][name]
        try:
            if path.stat().st_size != mark[0]:
                return f"{name} is cut short or has grown"
            if verify and file_mark(path) != mark:
                return f"{name} is damaged"
        except OSError as error:
            return f"{name} is missing" if isinstance(error, FileNotFoundError) else f"{name} cannot be read"
    return record


def incomplete(out: Path, missing: int, n: int) -> InputError:
    return InputError(
        f"is not complete: {missing:,} of {n:,} chunks are missing",
        mend="The command that began it goes on where it stopped",
        file=out,
    )
