"""The folder of a batch run: chunks of cells written so that a killed run goes on where it stopped.

::

    manifest.json        what is computed: config, table's sha256, seed, engine, versions
    posterior.zarr       group posterior: a variable a parameter, (cell, draw); group summary: the numbers
    chunks/000012.json   the record of chunk 12, written last: its existence says that the chunk is done
    run.lock             who writes here; chunks/shard-3-of-16.lock: the same for a task of a job array
    cells.parquet, flagged.csv, summary.json, config.yaml     gathered at the end
    report.html, cells/A7.html      reports, of all cells and of one

Each chunk owns its files of the Zarr store, and its record holds their sizes and checksums: a chunk that is
missing, cut short or damaged is found on resuming and computed again. Locks are the kernel's (``flock``,
Linux and macOS; not Windows), which frees them when a process dies.
"""

import csv
import datetime
import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._version import __version__
from ..engines.gate import PROBABILITIES, CellStatus, Rung, count, headline
from ..errors import InputError, InputWarning
from ..files.whole import absent_parents, remove_empty
from ..inference.result import safe_name

if TYPE_CHECKING:
    import pyarrow

FORMAT = 1
KIND = "pumpleak batch"
#: What a run's folder holds; a folder with anything else in it is not ours to replace.
OWN = (
    "manifest.json", "posterior.zarr", "chunks", "run.lock", "cells.parquet", "flagged.csv", "summary.json",
    "config.yaml", "report.html", "cells",
)  # fmt: skip
#: The arrays of a chunk beside `draws`: dtype, and the dimensions after `cell`.
FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("mean", "sd", "ess_bulk", "ess_tail", "r_hat", "contraction"), ("<f8", ("parameter",))),
    "quantile": ("<f8", ("parameter", "probability")),
    **dict.fromkeys(("k_hat", "log_evidence", "log_evidence_se", "elpd_loo", "loo_k"), ("<f8", ())),
    **dict.fromkeys(("status", "rung"), ("|i1", ())),
    "prior_dominated": ("|b1", ()),
    "n_readings": ("<i4", ()),
}
_VERSIONS = ("jax", "jaxlib", "numpyro", "numpy")
_REQUIRED = {
    "config": dict, "data_file": str, "data_sha256": str, "n_cells": int, "id_width": int, "parameters": list,
    "chunk": int, "draws": int, "seed": int, "dtype": str, "device": str, "engine": dict, "versions": dict,
}  # fmt: skip
#: A row group of cells.parquet has at least so many cells, where there are as many.
_ROWS = 1 << 16


CellStatus.words.update(
    {
        CellStatus.usable: "The posterior can be used.",
        CellStatus.k_hat: "The importance weights have too heavy a tail (Pareto k-hat), so the draws are not the posterior's.",
        CellStatus.ess: "Too few effective draws: the interval's ends are not to be trusted.",
        CellStatus.r_hat: "The chains disagree (R-hat), so the draws are not the posterior's.",
        CellStatus.divergent: "The sampler diverged: a part of the posterior may be missing.",
        CellStatus.no_answer: "The model has no answer where the posterior would be.",
        CellStatus.no_data: "The cell has no readings: its posterior is the prior.",
        CellStatus.bad_input: "A number of the cell's rows cannot be used.",
        CellStatus.failed: "The computation failed.",
        CellStatus.approximate: "Laplace's normal approximation, which nothing corrects: for a look.",
    }
)
# -- the manifest ----------------------------------------------------------------------------------


def new_manifest(
    *,
    config: dict,
    data_file: str,
    data_sha256: str,
    n_cells: int,
    id_width: int,
    parameters: Sequence[Mapping[str, str]],
    chunk: int,
    draws: int,
    seed: int,
    dtype: str,
    device: str,
    engine: Mapping[str, Any],
    title: str = "",
) -> dict:
    """What a run computes, as `start_run` takes it; the versions and the time are filled in.

    Args:
        config: the resolved config.
        data_file: name of the table.
        data_sha256: of the table's bytes.
        n_cells: cells in it.
        id_width: characters of the longest cell id.
        parameters: a row an element, in the order of the arrays: name, unit, prior (as text).
        chunk: cells a chunk.
        draws: kept draws a cell; 0 keeps none.
        seed: of the run.
        dtype: what it is computed in.
        device: platform and kind, e.g. ``gpu (NVIDIA H100)``.
        engine: compile widths and whatever else of the engine decides the numbers.
        title: of the run.
    """
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "title": title,
        "config": config,
        "data_file": data_file,
        "data_sha256": data_sha256,
        "n_cells": int(n_cells),
        "id_width": max(1, int(id_width)),
        "parameters": [{k: str(p[k]) for k in ("name", "unit", "prior")} for p in parameters],
        "chunk": int(chunk),
        "draws": int(draws),
        "seed": int(seed),
        "dtype": dtype,
        "device": device,
        "engine": dict(engine),
        "versions": {"pumpleak": __version__} | {p: metadata.version(p) for p in _VERSIONS},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    return check_manifest(json.loads(json.dumps(manifest)))


def check_manifest(manifest: Any, file: object = None) -> dict:
    """A manifest with everything in it that the folder's layout needs.

    Raises:
        InputError: it is not one, or is of another version's format.
    """
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise InputError("is not a manifest of a batch run", mend="Give the folder of a batch run", file=file)
    if manifest.get("format") != FORMAT:
        raise InputError(
            f"is of format {manifest.get('format')}, and this pumpleak reads format {FORMAT}",
            mend=f"Use pumpleak {manifest.get('versions', {}).get('pumpleak', 'of its time')}",
            file=file,
        )
    wrong = [k for k, kind in _REQUIRED.items() if not isinstance(manifest.get(k), kind)]
    wrong += [k for k in ("n_cells", "id_width", "chunk") if k not in wrong and manifest[k] < 1]
    if not wrong and manifest["draws"] < 0:
        wrong.append("draws")
    rows = manifest.get("parameters") or []
    if "parameters" not in wrong and not all(
        isinstance(p, dict) and all(isinstance(p.get(k), str) for k in ("name", "unit", "prior"))
        for p in rows
    ):
        wrong.append("parameters")
    if wrong:
        raise InputError(
            f"is not a whole manifest: {', '.join(wrong)} is missing or wrong",
            mend="Run again with --force, or give another folder",
            file=file,
        )
    names = Counter(safe_name(p["name"]) for p in rows)
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
    ignored = {"created", "data_sha256", "data_file", "config.data"}
    # stand outside the config too
    ignored |= {f"config.batch.{k}" for k in ("engine", "draws", "loo", "seed", "chunk", "width")}
    if lines:
        ignored |= {"n_cells", "id_width"}  # follow from it
    before, after = (_flat({**m, "parameters": {p["name"]: p for p in m["parameters"]}}) for m in (old, new))
    keys = [k for k in dict.fromkeys([*before, *after]) if before.get(k) != after.get(k) and k not in ignored]
    if any(k.startswith("config.") for k in keys):
        keys = [k for k in keys if not k.startswith("parameters.")]  # follow from the config
    return lines + [
        f"{k.removeprefix('config.')}: {before.get(k, 'absent')} -> {after.get(k, 'absent')}" for k in keys
    ]


def _flat(tree: Any, path: str = "") -> dict[str, str]:
    """Leaves by dotted path, as JSON text (so that NaN equals NaN and 1 is not True)."""
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    leaves = {k: v for key, x in items for k, v in _flat(x, f"{path}.{key}" if path else str(key)).items()}
    return leaves or {path: json.dumps(tree, ensure_ascii=False)}


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


# -- folders and locks -----------------------------------------------------------------------------


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
    return check_manifest(manifest, file)


def _is_run(out: Path, force: bool) -> bool:
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
    foreign = [n for n in names if n not in OWN and not _leftover(n)]
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


def _leftover(name: str) -> bool:
    """Whether a file is the scratch file of a process that was killed."""
    return name.endswith(".partial") or (name.startswith(".") and name.endswith(".part"))


def earlier(out: str | Path, *, force: bool = False) -> dict | None:
    """The manifest of the run in `out`; None where there is none, or `force` would replace it.

    Raises:
        InputError: it holds something else, or the manifest cannot be read.
    """
    out = Path(out)
    return read_manifest(out) if _is_run(out, force) and not force else None


@contextmanager
def _storing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            mend="Free some space or mend the permissions; the same command then goes on where it stopped",
            file=out,
        ) from error


def _put(path: Path, text: str) -> None:
    """Write a small file whole: it is on the disk before it takes its name."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with scratch.open("w", encoding="utf-8", newline="") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.replace(scratch, path)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


class _Lock:
    """An advisory lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path):
        self.path, self.fd = path, -1

    def take(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Whether it was got; an exclusive holder writes down who it is."""
        try:
            import fcntl
        except ImportError:
            raise InputError("batch runs need the file locks of Linux or macOS", file=self.path) from None

        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP):
                os.close(fd)
                raise
            import warnings

            warnings.warn(
                f"{self.path.parent}: this file system has no locks ({error.strerror}); see to it that no"
                " second run writes here.",
                InputWarning,
                stacklevel=2,
            )
        except BaseException:
            os.close(fd)
            raise
        self.fd = fd
        if not shared:
            now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            who = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
            with suppress(OSError):  # a full disk locks as well
                os.ftruncate(fd, 0)
                os.pwrite(fd, who.encode(), 0)
        return True

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def holder(self) -> str:
        """Who holds it, by what it wrote down."""
        try:
            who = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {who['pid']} on {who['host']} since {who['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


@contextmanager
def _holding(path: Path) -> Iterator[None]:
    lock = _Lock(path)
    lock.take(wait=True)
    try:
        yield
    finally:
        lock.release()


def _live_shards(chunks: Path) -> list[_Lock]:
    """The locks of shards at work; call behind the gate, since looking takes each for a moment."""
    live = []
    for path in sorted(chunks.glob("shard-*-of-*.lock")):
        lock = _Lock(path)
        if lock.take(shared=True):
            lock.release()
        else:
            live.append(lock)
    return live


def _shard_lock(chunks: Path, shard: tuple[int, int]) -> _Lock:
    return _Lock(chunks / f"shard-{shard[0]}-of-{shard[1]}.lock")


# -- the run ---------------------------------------------------------------------------------------


class Run:
    """A batch run's folder, locked for writing; `with` or `close` unlocks it.

    Attributes:
        out: the folder.
        manifest: what is computed.
        shard: (i, n) where this is task i of a job array of n, counted from 1.
        dropped: chunks whose record was found wrong by `todo`, and what was wrong; they are computed again.
    """

    def __init__(self, out: Path, manifest: dict, locks: list[_Lock], shard: tuple[int, int] | None = None):
        self.out, self.manifest, self.shard = out, manifest, shard
        self.dropped: dict[int, str] = {}
        self._locks = locks
        self._layout = layout(manifest)
        self._arrays: dict[str, Any] = {}

    @classmethod
    def create(
        cls, out: str | Path, manifest: dict, *, force: bool = False, shard: tuple[int, int] | None = None
    ) -> "Run":
        """A new run in `out`, which is absent or empty, or (`force`) an earlier run to be replaced.

        Raises:
            InputError: it is taken, or cannot be written.
        """
        out = Path(out)
        if not install(out, check_manifest(manifest), force=force):
            raise taken(out)
        return cls.open(out, shard=shard)

    @classmethod
    def open(
        cls, out: str | Path, *, shard: tuple[int, int] | None = None, manifest: dict | None = None
    ) -> "Run":
        """The run in `out`, which must be the one that `manifest` describes where that is given.

        Raises:
            InputError: there is none, it is another, or another process writes to it.
        """
        out = Path(out)
        if not _is_run(out, force=False):
            raise InputError("there is no batch run", mend="Give the folder of a batch run", file=out)
        _check_shard(shard)
        with _storing(out):
            (out / "chunks").mkdir(exist_ok=True)
        with _storing(out), _holding(_gate(out)):
            locks = _lock(out, shard)
            try:
                run = cls(out, read_manifest(out), locks, shard)
                if manifest is not None:
                    run._same_or_refuse(manifest)
                run._mend()
                return run
            except BaseException:
                for lock in locks:
                    lock.release()
                raise

    def close(self) -> None:
        """Let others write to the folder."""
        while self._locks:
            self._locks.pop().release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def n_chunks(self) -> int:
        return n_chunks(self.manifest)

    def cells(self, i: int) -> slice:
        """The cells of chunk i, as positions in the table's order."""
        size = self.manifest["chunk"]
        return slice(i * size, min((i + 1) * size, self.manifest["n_cells"]))

    def chunks(self, shard: tuple[int, int] | None = None) -> range:
        """The chunks of a shard (of this run's own where none is given), or all."""
        shard = shard or self.shard
        _check_shard(shard)
        return range(self.n_chunks) if shard is None else range(shard[0] - 1, self.n_chunks, shard[1])

    def todo(self, shard: tuple[int, int] | None = None, *, verify: bool = True) -> list[int]:
        """The chunks that are still to be computed; wrong records are removed and listed in `dropped`.

        Args:
            shard: (i, n): only chunks i-1, i-1+n, …; this run's own shard where not given.
            verify: read the chunks' files again and compare their checksums, not only their sizes.

        Raises:
            InputError: a wrong record cannot be removed.
        """
        chunks = self.chunks(shard)
        done = _records(self.out)
        there = [i for i in chunks if i in done]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for i, record in zip(there, pool.map(lambda i: self._record(i, verify), there), strict=True):
                if isinstance(record, str):
                    self.dropped[i] = record
                    done.discard(i)
                    with _storing(self.out):
                        _record_file(self.out, i).unlink(missing_ok=True)
        return [i for i in chunks if i not in done]

    def write(
        self,
        i: int,
        ids: Sequence[str] | np.ndarray,
        arrays: Mapping[str, np.ndarray],
        notes: Iterable[tuple[str, str, str]] = (),
        *,
        seconds: float = 0.0,
    ) -> None:
        """Store chunk i, its record last.

        Args:
            i: the chunk.
            ids: its cells' ids.
            arrays: those of `FIELDS`, and `draws` (cell, draw, parameter) where draws are kept.
            notes: (cell id, status name, detail) of flagged cells.
            seconds: what computing it took.

        Raises:
            InputError: the disk is full or refuses; the chunk counts as not done.
            ValueError: the arrays are not those of this chunk.
        """
        where = self.cells(i)
        parts = chunk_arrays(self.manifest, where.stop - where.start, ids, arrays)
        status, rung = (np.asarray(parts[f"summary/{k}"]) for k in ("status", "rung"))
        record: dict[str, Any] = {
            "format": FORMAT,
            "chunk": i,
            "first": where.start,
            "cells": where.stop - where.start,
            "status": count(status, CellStatus),
            "rung": count(rung, Rung),
            "prior_dominated": int(np.asarray(parts["summary/prior_dominated"]).sum()),
            "seconds": round(float(seconds), 6),
            "notes": [[str(x) for x in note] for note in notes],
        }
        with _storing(self.out):
            _record_file(self.out, i).unlink(missing_ok=True)
            (self.out / "summary.json").unlink(missing_ok=True)
            for name, values in parts.items():
                self._array(name)[where] = values
            with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
                names = self._files(i)
                marks = pool.map(lambda name: _mark(self.out / "posterior.zarr" / name, sync=True), names)
                record["files"] = dict(zip(names, marks, strict=True))
            record["check"] = _check(record)
            _put(_record_file(self.out, i), json.dumps(record, ensure_ascii=False) + "\n")

    def collect(self) -> dict:
        """Gather a run whose chunks are all done: cells.parquet, flagged.csv, config.yaml, summary.json.

        Chunk by chunk, so that memory stays flat. Done again only where a chunk was written since.

        Returns:
            What summary.json holds.

        Raises:
            InputError: chunks are missing, or the disk is full.
        """
        import yaml

        with _storing(self.out), _holding(self.out / "chunks" / "collect.lock"):
            found = [self._record(i, verify=False) for i in range(self.n_chunks)]
            records = [record for record in found if isinstance(record, dict)]
            if len(records) < self.n_chunks:
                raise incomplete(self.out, self.n_chunks - len(records), self.n_chunks)
            summary = _summary(self.manifest, records)
            try:
                earlier = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                earlier = {}
            products = ("cells.parquet", "flagged.csv", "config.yaml")
            self._mend(consolidated=True)
            if earlier == summary and all((self.out / name).is_file() for name in products):
                return summary
            self._gather(records)
            config = yaml.safe_dump(self.manifest["config"], sort_keys=False, allow_unicode=True)
            _put(self.out / "config.yaml", config)
            _put(self.out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
        return summary

    def _same_or_refuse(self, manifest: dict) -> None:
        """Raise unless `manifest` is this run's; another device may take over before the first chunk is done."""
        different = changes(self.manifest, manifest)
        moved = {**self.manifest, "device": manifest["device"]}
        if different and not changes(moved, manifest) and not _records(self.out):
            if self.shard is None or len(_live_shards(self.out / "chunks")) == 1:
                self.manifest = moved
                _put(self.out / "manifest.json", _text(moved))
                return
        if different:
            more = f"; and {len(different) - 8} more" if len(different) > 8 else ""
            raise InputError(
                f"holds another run: {'; '.join(different[:8])}{more}",
                mend="Give --force to start afresh, or another --out",
                file=self.out,
            )

    def _gather(self, records: list[dict]) -> None:
        """cells.parquet and flagged.csv."""
        import pyarrow
        import pyarrow.parquet

        names = ("cells.parquet", "flagged.csv")
        scratch = [self.out / f".{name}.{os.getpid()}.part" for name in names]
        schema = cells_schema(self.manifest)
        waiting: list[Any] = []
        try:
            with (
                pyarrow.parquet.ParquetWriter(scratch[0], schema, compression="zstd") as parquet,
                scratch[1].open("w", encoding="utf-8", newline="") as f,
            ):
                flagged = csv.writer(f, lineterminator="\n")
                flagged.writerow(("cell", "status", "detail"))
                for record in records:
                    where = self.cells(record["chunk"])
                    parts = {name: self._array(name)[where] for name in _TABLE}
                    flagged.writerows(flagged_rows(parts, record["notes"]))
                    waiting.append(cells_table(self.manifest, parts))
                    if sum(map(len, waiting)) >= _ROWS or record is records[-1]:
                        whole = pyarrow.concat_tables(waiting).combine_chunks()
                        parquet.write_table(whole, row_group_size=len(whole))
                        waiting = []
            for path, name in zip(scratch, names, strict=True):
                os.replace(path, self.out / name)
        finally:
            for path in scratch:
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            import zarr

            # Every chunk's file must exist, be it full of the fill value: its record names it.
            self._arrays[name] = zarr.open_array(
                str(self.out / "posterior.zarr"),
                path=name,
                mode="r+",
                zarr_format=2,
                config={"write_empty_chunks": True},
            )
        return self._arrays[name]

    def _files(self, i: int) -> list[str]:
        return chunk_files(self._layout, i)

    def _record(self, i: int, verify: bool) -> dict | str:
        """The record of a done chunk, or why it is not done."""
        return read_record(self.out, i, self._files(i), verify=verify)

    def _mend(self, *, consolidated: bool = False) -> None:
        """Remove what killed processes left behind of this run's chunks, and restore the store's metadata."""
        mine = self.chunks()
        for name in self._layout:
            with suppress(FileNotFoundError):
                for path in list((self.out / "posterior.zarr" / name).iterdir()):
                    head = path.name.partition(".")[0]
                    ours = self.shard is None or (head.isdigit() and int(head) in mine)
                    if ours and _leftover(path.name):
                        path.unlink(missing_ok=True)
        if self.shard is None:
            for path in [*self.out.glob(".*.part"), *(self.out / "chunks").glob(".*.part")]:
                path.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="pumpleak-") as folder:
            _skeleton(Path(folder), self.manifest)
            for path in Path(folder, "posterior.zarr").rglob(".z*"):
                there = self.out / path.relative_to(folder)
                if path.name == ".zmetadata" and not consolidated:
                    continue
                text = path.read_text(encoding="utf-8")
                if not there.is_file() or there.read_bytes() != text.encode():
                    there.parent.mkdir(parents=True, exist_ok=True)
                    _put(there, text)
            for name in ("summary/parameter", "summary/probability", "posterior/draw"):
                source, there = (Path(root, "posterior.zarr", name, "0") for root in (folder, self.out))
                if source.is_file() and (not there.is_file() or there.read_bytes() != source.read_bytes()):
                    scratch = there.with_name(f".0.{os.getpid()}.part")
                    shutil.copyfile(source, scratch)
                    os.replace(scratch, there)


def start_run(
    out: str | Path, manifest: dict, *, force: bool = False, shard: tuple[int, int] | None = None
) -> tuple[Run, bool]:
    """Begin the run that a manifest describes, or go on with it where the folder holds it already.

    Args:
        out: the folder; absent and empty are the same.
        manifest: see `new_manifest`.
        force: discard an earlier run, whatever it computes; never a folder that holds anything else.
        shard: (i, n): this process is task i of a job array of n, counted from 1.

    Returns:
        The run, locked, and whether it was there already.

    Raises:
        InputError: the folder holds another run (says what differs) or anything else, another process
            writes to it, or it cannot be written.
    """
    out = Path(out)
    manifest = check_manifest(json.loads(json.dumps(manifest)))
    _check_shard(shard)
    if force and shard is not None:
        raise InputError(
            "--force with a shard would discard what the other shards have done",
            mend="Remove the folder once, or give another --out",
            file=out,
        )
    if force or not _is_run(out, force=False):
        if install(out, manifest, force=force):
            return Run.open(out, shard=shard), False
    return Run.open(out, shard=shard, manifest=manifest), True


def _check_shard(shard: tuple[int, int] | None) -> None:
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise InputError(
            f"there is no shard {shard[0]} of {shard[1]}", mend="Count shards from 1, as in 3/16"
        )


def _gate(out: Path) -> Path:
    return out / "chunks" / "gate.lock"


def _lock(out: Path, shard: tuple[int, int] | None) -> list[_Lock]:
    """The locks of a whole run or of a shard; call behind the gate.

    Raises:
        InputError: another process holds them.
    """
    chunks, whole = out / "chunks", _Lock(out / "run.lock")

    def refuse(lock: _Lock, what: str = "is being written") -> InputError:
        whole.release()
        return InputError(
            f"{what} by {lock.holder()}", mend="Wait for it, stop it, or give another --out", file=out
        )

    if shard is None:
        if not whole.take():
            live = _live_shards(chunks)
            raise refuse(live[0], f"is being written, {live[0].path.stem},") if live else refuse(whole)
        return [whole]
    if not whole.take(shared=True):
        raise refuse(whole)
    own = _shard_lock(chunks, shard)
    if not own.take():
        raise refuse(own, f"is being written, {own.path.stem},")
    other = [x for x in _live_shards(chunks) if not x.path.stem.endswith(f"-of-{shard[1]}")]
    if other:
        own.release()
        raise refuse(other[0], f"is being written in another number of shards, {other[0].path.stem},")
    return [whole, own]


def install(
    out: Path, manifest: dict, *, force: bool = False, fill: Callable[[Path], object] | None = None
) -> bool:
    """Put a new run's folder at `out`, whole or not at all; False where there is one already, which stays.

    Args:
        out: absent or empty, or with `force` an earlier run.
        manifest: the run's.
        force: replace an earlier run.
        fill: called with the scratch folder before it takes its name.
    """
    there, lock, made = _is_run(out, force), None, []
    if there and not force:
        return False
    final, scratch, old = out.resolve(), None, None
    try:
        with _storing(out):
            made = absent_parents(final)
            final.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
            _skeleton(scratch, manifest)
            if fill is not None:
                fill(scratch)
            scratch.chmod(0o755)
            if there:
                (out / "chunks").mkdir(exist_ok=True)
                with _holding(_gate(out)):
                    lock = _lock(out, None)[0]
                old = scratch.with_name(f"{scratch.name}-old")
                os.rename(final, old)
                try:
                    os.rename(scratch, final)
                except BaseException:
                    os.rename(old, final)
                    raise
            else:
                try:
                    os.rename(scratch, final)  # onto nothing or an empty folder, in one step
                except OSError as error:
                    if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and _is_run(out, force=False):
                        return False
                    raise
            made = []
    finally:
        for folder in (scratch, old):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.release()
        remove_empty(made)
    return True


def _text(manifest: dict) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _skeleton(folder: Path, manifest: dict) -> None:
    """A run's folder before its first chunk: manifest, locks and the store's metadata."""
    import zarr
    from numcodecs import Blosc

    # Faster than none on a disk, and a quarter smaller; Zarr runs it outside the main thread, where Blosc
    # is single-threaded, hence the same bytes each time.
    squeeze = Blosc("lz4", clevel=1, shuffle=Blosc.SHUFFLE)
    (folder / "chunks").mkdir()
    (folder / "run.lock").touch()
    _put(folder / "manifest.json", _text(manifest))
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


# -- chunks and their records ------------------------------------------------------------------------


def n_chunks(manifest: Mapping) -> int:
    return -(-manifest["n_cells"] // manifest["chunk"])


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


def chunk_files(arrays: Mapping[str, tuple], i: int) -> list[str]:
    """The files of chunk i in the store, given the store's `layout`."""
    return [f"{name}/{'.'.join([str(i), *['0'] * len(sizes)])}" for name, (_, _, sizes) in arrays.items()]


def _record_file(out: Path, i: int) -> Path:
    return out / "chunks" / f"{i:06d}.json"


def _records(out: Path) -> set[int]:
    """The chunks that have a record, right or wrong."""
    names = (name.removesuffix(".json") for name in os.listdir(out / "chunks") if name.endswith(".json"))
    return {int(name) for name in names if name.isdigit()}


def _check(record: Mapping) -> str:
    text = json.dumps({k: v for k, v in record.items() if k != "check"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _mark(path: Path, *, sync: bool = False) -> list:
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
        record = json.loads(_record_file(out, i).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "it has no record"
    except (OSError, ValueError):
        return "its record is damaged"
    if not isinstance(record, dict) or record.get("check") != _check(record) or record.get("chunk") != i:
        return "its record is damaged"
    if record.get("format") != FORMAT or list(record["files"]) != files:
        return "its record is of another run"
    for name in files:
        path, mark = out / "posterior.zarr" / name, record["files"][name]
        try:
            if path.stat().st_size != mark[0]:
                return f"{name} is cut short or has grown"
            if verify and _mark(path) != mark:
                return f"{name} is damaged"
        except OSError as error:
            return f"{name} is missing" if isinstance(error, FileNotFoundError) else f"{name} cannot be read"
    return record


def taken(out: Path) -> InputError:
    return InputError("exists already", mend="Give --force to replace it, or another --out", file=out)


def incomplete(out: Path, missing: int, n: int) -> InputError:
    return InputError(
        f"is not complete: {missing:,} of {n:,} chunks are missing",
        mend="The command that began it goes on where it stopped",
        file=out,
    )


def _summary(manifest: Mapping, records: list[dict]) -> dict:
    counts, rungs = Counter(), Counter()
    for record in records:
        counts.update(record["status"])
        rungs.update(record["rung"])
    mark = hashlib.blake2b(digest_size=16)
    for record in records:
        mark.update(json.dumps(record["files"]).encode())
    by_code = {s.name: counts[s.name] for s in CellStatus if counts[s.name]}
    return {
        "headline": headline(by_code),
        "n_cells": manifest["n_cells"],
        "usable": counts["usable"],
        "flagged": {k: v for k, v in by_code.items() if k != "usable"},
        "rungs": {r.name: rungs[r.name] for r in Rung if rungs[r.name]},
        "prior_dominated": sum(r["prior_dominated"] for r in records),
        "seconds": round(sum(r["seconds"] for r in records), 3),
        "chunks": len(records),
        "fingerprint": mark.hexdigest(),  # the same for runs that are bit for bit the same
    }


# -- tables ----------------------------------------------------------------------------------------

#: What cells.parquet is made of.
_TABLE = ("cell",) + tuple(
    f"summary/{k}"
    for k in (
        "status", "rung", "prior_dominated", "k_hat", "log_evidence", "n_readings", "mean", "sd", "quantile",
        "ess_bulk", "ess_tail",
    )
)  # fmt: skip
_OF_PARAMETER = ("median", "mean", "sd", "low", "high", "ess")


def cells_schema(manifest: Mapping) -> "pyarrow.Schema":
    """The columns of cells.parquet."""
    import pyarrow as pa

    word = pa.dictionary(pa.int8(), pa.string())
    columns = [
        ("cell", pa.string()), ("status", word), ("rung", word), ("usable", pa.bool_()),
        ("prior_dominated", pa.bool_()), ("k_hat", pa.float64()), ("log_evidence", pa.float64()),
        ("n_readings", pa.int32()),
    ]  # fmt: skip
    columns += [(f"{p['name']}_{k}", pa.float64()) for p in manifest["parameters"] for k in _OF_PARAMETER]
    return pa.schema(columns)


def cells_table(manifest: Mapping, parts: Mapping[str, np.ndarray]) -> "pyarrow.Table":
    """Rows of cells.parquet: a cell each, its intervals 95 % equal-tailed, its ESS the lesser of bulk and tail.

    Args:
        manifest: the run's.
        parts: arrays by their path in the store.
    """
    import pyarrow as pa

    part = {name.rpartition("/")[2]: parts[name] for name in _TABLE}
    low, median, high = (PROBABILITIES.index(q) for q in (0.025, 0.5, 0.975))
    ess = np.minimum(part["ess_bulk"], part["ess_tail"])
    columns = [part["cell"]]
    for name, kind in (("status", CellStatus), ("rung", Rung)):
        codes = np.ascontiguousarray(part[name])
        columns.append(pa.DictionaryArray.from_arrays(codes, [x.name for x in kind]))
    columns += [part["status"] == CellStatus.usable, part["prior_dominated"]]
    columns += [part[k] for k in ("k_hat", "log_evidence", "n_readings")]
    for p in range(len(manifest["parameters"])):
        q = part["quantile"][:, p]
        columns += [q[:, median], part["mean"][:, p], part["sd"][:, p], q[:, low], q[:, high], ess[:, p]]
    schema = cells_schema(manifest)
    columns = [
        x if isinstance(x, pa.Array) else pa.array(np.ascontiguousarray(x), type=field.type)
        for x, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def flagged_rows(
    parts: Mapping[str, np.ndarray], notes: Iterable[Sequence[str]]
) -> Iterator[tuple[str, str, str]]:
    """Rows of flagged.csv: every cell that is not usable, with its note or else what its status means."""
    detail = {cell: text for cell, _, text in notes}
    status = parts["summary/status"]
    for k in np.flatnonzero(status != CellStatus.usable):
        cell, what = str(parts["cell"][k]), CellStatus(int(status[k]))
        yield cell, what.name, detail.get(cell) or CellStatus.words[what]
