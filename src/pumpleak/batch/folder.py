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
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..engines.gate import CellStatus, Rung, count
from ..errors import InputError
from ..files.locks import Lock, holding
from ..files.whole import is_scratch, put_text, scratch_file
from .claims import check_shard, gate, install_run, live_shards, take_locks
from .gathered import TABLE, cells_schema, cells_table, flagged_rows, summary_of
from .manifest import FORMAT, changes, is_run, read_manifest
from .records import (
    checksum,
    chunk_files,
    file_mark,
    incomplete,
    n_chunks,
    read_record,
    record_file,
    recorded,
)
from .store import chunk_arrays, layout, manifest_text, skeleton, storing

#: A row group of cells.parquet has at least so many cells, where there are as many.
_ROWS = 1 << 16


class Run:
    """A batch run's folder, locked for writing; `with` or `close` unlocks it.

    Attributes:
        out: the folder.
        manifest: what is computed.
        shard: (i, n) where this is task i of a job array of n, counted from 1.
        dropped: chunks whose record was found wrong by `todo`, and what was wrong; they are computed again.
    """

    def __init__(self, out: Path, manifest: dict, locks: list[Lock], shard: tuple[int, int] | None = None):
        self.out, self.manifest, self.shard = out, manifest, shard
        self.dropped: dict[int, str] = {}
        self._locks = locks
        self._layout = layout(manifest)
        self._arrays: dict[str, Any] = {}

    @classmethod
    def open(
        cls, out: str | Path, *, shard: tuple[int, int] | None = None, manifest: dict | None = None
    ) -> "Run":
        """The run in `out`, which must be the one that `manifest` describes where that is given.

        Raises:
            InputError: there is none, it is another, or another process writes to it.
        """
        out = Path(out)
        if not is_run(out, force=False):
            raise InputError("there is no batch run", mend="Give the folder of a batch run", file=out)
        check_shard(shard)
        with storing(out):
            (out / "chunks").mkdir(exist_ok=True)
        with storing(out), holding(gate(out)):
            locks = take_locks(out, shard)
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
        check_shard(shard)
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
        done = recorded(self.out)
        there = [i for i in chunks if i in done]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for i, record in zip(there, pool.map(lambda i: self._record(i, verify), there), strict=True):
                if isinstance(record, str):
                    self.dropped[i] = record
                    done.discard(i)
                    with storing(self.out):
                        record_file(self.out, i).unlink(missing_ok=True)
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
        with storing(self.out):
            record_file(self.out, i).unlink(missing_ok=True)
            (self.out / "summary.json").unlink(missing_ok=True)
            for name, values in parts.items():
                self._array(name)[where] = values
            with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
                names = self._files(i)
                marks = pool.map(lambda name: file_mark(self.out / "posterior.zarr" / name, sync=True), names)
                record["files"] = dict(zip(names, marks, strict=True))
            record["check"] = checksum(record)
            put_text(record_file(self.out, i), json.dumps(record, ensure_ascii=False) + "\n")

    def collect(self) -> dict:
        """Gather a run whose chunks are all done: cells.parquet, flagged.csv, config.yaml, summary.json.

        Chunk by chunk, so that memory stays flat. Done again only where a chunk was written since.

        Returns:
            What summary.json holds.

        Raises:
            InputError: chunks are missing, or the disk is full.
        """
        import yaml

        with storing(self.out), holding(self.out / "chunks" / "collect.lock"):
            found = [self._record(i, verify=False) for i in range(self.n_chunks)]
            records = [record for record in found if isinstance(record, dict)]
            if len(records) < self.n_chunks:
                raise incomplete(self.out, self.n_chunks - len(records), self.n_chunks)
            summary = summary_of(self.manifest, records)
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
            put_text(self.out / "config.yaml", config)
            put_text(self.out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
        return summary

    def _same_or_refuse(self, manifest: dict) -> None:
        """Raise unless `manifest` is this run's; another device may take over before the first chunk is done."""
        different = changes(self.manifest, manifest)
        moved = {**self.manifest, "device": manifest["device"]}
        if different and not changes(moved, manifest) and not recorded(self.out):
            if self.shard is None or len(live_shards(self.out / "chunks")) == 1:
                self.manifest = moved
                put_text(self.out / "manifest.json", manifest_text(moved))
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

        schema = cells_schema(self.manifest)
        waiting: list[Any] = []
        with (
            scratch_file(self.out / "cells.parquet") as table,
            scratch_file(self.out / "flagged.csv") as rows,
        ):
            with (
                pyarrow.parquet.ParquetWriter(table, schema, compression="zstd") as parquet,
                rows.open("w", encoding="utf-8", newline="") as f,
            ):
                flagged = csv.writer(f, lineterminator="\n")
                flagged.writerow(("cell", "status", "detail"))
                for record in records:
                    where = self.cells(record["chunk"])
                    parts = {name: self._array(name)[where] for name in TABLE}
                    flagged.writerows(flagged_rows(parts, record["notes"]))
                    waiting.append(cells_table(self.manifest, parts))
                    if sum(map(len, waiting)) >= _ROWS or record is records[-1]:
                        whole = pyarrow.concat_tables(waiting).combine_chunks()
                        parquet.write_table(whole, row_group_size=len(whole))
                        waiting = []

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
                    if ours and is_scratch(path.name):
                        path.unlink(missing_ok=True)
        if self.shard is None:
            for path in [*self.out.glob(".*.part"), *(self.out / "chunks").glob(".*.part")]:
                path.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="pumpleak-") as folder:
            skeleton(Path(folder), self.manifest)
            for path in Path(folder, "posterior.zarr").rglob(".z*"):
                there = self.out / path.relative_to(folder)
                if path.name == ".zmetadata" and not consolidated:
                    continue
                text = path.read_text(encoding="utf-8")
                if not there.is_file() or there.read_bytes() != text.encode():
                    there.parent.mkdir(parents=True, exist_ok=True)
                    put_text(there, text)
            for name in ("summary/parameter", "summary/probability", "posterior/draw"):
                source, there = (Path(root, "posterior.zarr", name, "0") for root in (folder, self.out))
                if source.is_file() and (not there.is_file() or there.read_bytes() != source.read_bytes()):
                    with scratch_file(there) as scratch:
                        shutil.copyfile(source, scratch)


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
    check_shard(shard)
    if force and shard is not None:
        raise InputError(
            "--force with a shard would discard what the other shards have done",
            mend="Remove the folder once, or give another --out",
            file=out,
        )
    if force or not is_run(out, force=False):
        if install_run(out, manifest, force=force):
            return Run.open(out, shard=shard), False
    return Run.open(out, shard=shard, manifest=manifest), True
