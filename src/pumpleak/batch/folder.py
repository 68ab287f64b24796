"""The folder of a batch run: chunks of cells written so that a killed run goes on where it stopped.

::

    manifest.json        what is computed: config, table's sha256, seed, engine, versions
    posterior.zarr       group posterior: a variable a parameter, (cell, draw); group summary: the numbers
    chunks/000012.json   the record of chunk 12, written last: its existence says that the chunk is done
    chunks/shard-3-of-16.lock     who writes here: a task of a job array, or the whole run as shard 1 of 1
    cells.parquet, flagged.csv, summary.json, config.yaml     gathered at the end
    report.html, cells/A7.html      reports, of all cells and of one

Each chunk owns its files of the Zarr store, and its record names the run and holds their sizes and checksums: a chunk
that is missing, cut short, damaged or of another run is found on resuming and computed again. summary.json has those of
what is gathered, which is gathered again where it is not the same. Locks are the kernel's (``flock``,
Linux and macOS), which frees them when a process dies. A run without a folder of its own is one in a temporary folder.
"""

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..engines.gate import CellStatus, Rung, count
from ..errors import InputError
from ..files.locks import Lock, holding
from ..files.whole import is_scratch, note_written, put_text, scratch_file
from .claims import WHOLE, Shard, check_shard, claim, gate, install_run, live_shards
from .gathered import GATHERED, TABLE, cells_schema, cells_table, damaged, flagged_rows, sealed, summary_of
from .manifest import changes, is_run, read_manifest
from .records import Records, checksum, mark_of
from .store import (
    STORE,
    chunk_arrays,
    manifest_text,
    pack,
    put_chunk,
    put_frame,
    skeleton,
    storing,
    unpack,
)
from .temporary import TemporaryRun

#: A row group of cells.parquet has at least so many cells, where there are as many.
_ROWS = 1 << 16


class Run:
    """A batch run's folder, locked for writing; `with` or `close` unlocks it.

    Attributes:
        out: the folder.
        manifest: what is computed.
        records: of its chunks.
        shard: (i, n) where this is task i of a job array of n, counted from 1; the whole run is (1, 1).
        lasting: whether what is written must outlast a failure of the machine; not in a temporary folder.
        dropped: chunks whose record was found wrong by `todo`, and what was wrong; they are computed again.
    """

    def __init__(self, out: Path | TemporaryRun, manifest: dict, lock: Lock, shard: Shard):
        self.out, self.manifest, self.shard = Path(out), manifest, shard
        self.lasting = not isinstance(out, TemporaryRun)
        self.records = Records(self.out, manifest)
        self.dropped: dict[int, str] = {}
        self._lock = lock

    @classmethod
    def open(
        cls, home: str | Path | TemporaryRun, *, shard: Shard = WHOLE, manifest: dict | None = None
    ) -> "Run":
        """The run in a folder, which must be the one that `manifest` describes where that is given.

        Raises:
            InputError: there is none, it is another, or another process writes to it.
        """
        out = Path(home)
        if not is_run(out, force=False):
            raise InputError("there is no batch run", mend="Give the folder of a batch run", file=out)
        check_shard(shard)
        with storing(out):
            (out / "chunks").mkdir(exist_ok=True)
        with storing(out), holding(gate(out)):
            lock = claim(out, shard)
            try:
                found = read_manifest(out)
                if manifest is not None:
                    found = _same_or_refuse(out, found, manifest)
                run = cls(home, found, lock, shard)
                run._mend()
                return run
            except BaseException:
                lock.release()
                raise

    def close(self) -> None:
        """Let others write to the folder."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def chunks(self) -> range:
        """The chunks i-1, i-1+n, … of this run's shard (i, n)."""
        return range(self.shard[0] - 1, len(self.records), self.shard[1])

    def todo(self, *, verify: bool = True) -> list[int]:
        """The chunks that are still to be computed; wrong records are removed and listed in `dropped`.

        Args:
            verify: read the chunks' files again and compare their checksums, not only their sizes.

        Raises:
            InputError: a wrong record cannot be removed.
        """
        done = self.records.there()
        there = [i for i in self.chunks() if i in done]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            found = pool.map(lambda i: self.records.read(i, verify=verify), there)
            for i, record in zip(there, found, strict=True):
                if isinstance(record, str):
                    self.dropped[i] = record
                    done.discard(i)
                    with storing(self.out):
                        self.records.file(i).unlink(missing_ok=True)
        return [i for i in self.chunks() if i not in done]

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
        where = self.records.cells(i)
        parts = chunk_arrays(self.manifest, where.stop - where.start, ids, arrays)
        status, rung = (np.asarray(parts[f"summary/{k}"]) for k in ("status", "rung"))
        record: dict[str, Any] = {
            **self.records.mark,
            "chunk": i,
            "first": where.start,
            "cells": where.stop - where.start,
            "status": count(status, CellStatus),
            "rung": count(rung, Rung),
            "prior_dominated": int(np.asarray(parts["summary/prior_dominated"]).sum()),
            "seconds": round(float(seconds), 6),
            "notes": [[str(x) for x in note] for note in notes],
        }

        def put(name: str) -> tuple[str, list]:
            file, content = self.records.arrays[name].file(i), pack(parts[name], self.manifest["chunk"])
            put_chunk(self.out / STORE / file, content, sync=self.lasting)
            return file, mark_of(content)

        with storing(self.out):
            self.records.file(i).unlink(missing_ok=True)
            (self.out / "summary.json").unlink(missing_ok=True)
            with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
                record["files"] = dict(pool.map(put, self.records.arrays))
            record["check"] = checksum(record)
            put_text(self.records.file(i), json.dumps(record, ensure_ascii=False) + "\n", sync=self.lasting)

    def collect(self) -> dict:
        """Gather a run whose chunks are all done: cells.parquet, flagged.csv, config.yaml, summary.json.

        Chunk by chunk, so that memory stays flat. Done again only where a chunk was written since, or what was
        gathered is not what it was.

        Returns:
            What summary.json holds.

        Raises:
            InputError: chunks are missing, or the disk is full.
        """
        import yaml

        with storing(self.out), holding(self.out / "chunks" / "collect.lock"):
            records = self.records.complete()
            summary = summary_of(self.manifest, records)
            try:
                earlier = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                earlier = {}
            for name in (*GATHERED, "summary.json"):
                for path in self.out.glob(f".{name}.*.part"):
                    path.unlink(missing_ok=True)
            same = isinstance(earlier, dict) and "files" in earlier and summary.items() <= earlier.items()
            if same and not damaged(self.out, self.manifest, earlier):
                return earlier
            self._gather(records)
            config = yaml.safe_dump(self.manifest["config"], sort_keys=False, allow_unicode=True)
            put_text(self.out / "config.yaml", config)
            summary = sealed(self.out, self.manifest, summary)
            put_text(self.out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
            note_written(self.out)
        return summary

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
                    parts = {
                        name: unpack(self.out, self.records.arrays[name], record["chunk"], record["cells"])
                        for name in TABLE
                    }
                    flagged.writerows(flagged_rows(parts, record["notes"]))
                    waiting.append(cells_table(self.manifest, parts))
                    if sum(map(len, waiting)) >= _ROWS or record is records[-1]:
                        whole = pyarrow.concat_tables(waiting).combine_chunks()
                        parquet.write_table(whole, row_group_size=len(whole))
                        waiting = []

    def _mend(self) -> None:
        """Remove what killed processes left behind of this run's chunks, and restore the store's frame."""
        for path in self.out.glob(".manifest.json.*.part"):
            path.unlink(missing_ok=True)
        for folder in (self.out / "chunks", *(self.out / STORE / name for name in self.records.arrays)):
            with suppress(FileNotFoundError):
                for path in filter(lambda path: is_scratch(path.name), list(folder.iterdir())):
                    chunk = re.match(
                        r"\.?(\d+)\.", path.name
                    )  # none: of the frame, behind the gate as this is
                    if chunk is None or int(chunk[1]) in self.chunks():
                        path.unlink(missing_ok=True)
        put_frame(self.out, self.manifest)


def _same_or_refuse(out: Path, found: dict, manifest: dict) -> dict:
    """The run's manifest, if `manifest` is of the same; another device may take over before the first chunk is done.

    Raises:
        InputError: it is another.
    """
    different = changes(found, manifest)
    if not different:
        return found
    moved = {**found, "device": manifest["device"]}
    alone = len(live_shards(out)) <= 1 and not Records(out, found).there()
    if alone and not changes(moved, manifest):
        put_text(out / "manifest.json", manifest_text(moved))
        return moved
    more = f"; and {len(different) - 8} more" if len(different) > 8 else ""
    raise InputError(
        f"holds another run: {'; '.join(different[:8])}{more}",
        mend="Give --force to start afresh, or another --out",
        file=out,
    )


def start_run(
    home: str | Path | TemporaryRun, manifest: dict, *, force: bool = False, shard: Shard = WHOLE
) -> tuple[Run, bool]:
    """Begin the run that a manifest describes, or go on with it where the folder holds it already.

    Args:
        home: the folder; absent and empty are the same.
        manifest: see `new_manifest`.
        force: discard an earlier run, whatever it computes; never a folder that holds anything else.
        shard: (i, n): this process is task i of a job array of n, counted from 1; (1, 1) is the whole.

    Returns:
        The run, locked, and whether it was there already.

    Raises:
        InputError: the folder holds another run (says what differs) or anything else, another process
            writes to it, or it cannot be written.
    """
    out = Path(home)
    check_shard(shard)
    if force and shard != WHOLE:
        raise InputError(
            "--force with a shard would discard what the other shards have done",
            mend="Remove the folder once, or give another --out",
            file=out,
        )
    if force or not is_run(out, force=False):
        if install_run(out, lambda folder: skeleton(folder, manifest), force=force):
            return Run.open(home, shard=shard), False
    return Run.open(home, shard=shard, manifest=manifest), True
