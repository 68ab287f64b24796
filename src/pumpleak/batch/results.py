"""Batch results: many posteriors behind one object, read from their folder as far as they are asked for."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import IndexingSupport, LazilyIndexedArray, explicit_indexing_adapter

from ..engines.gate import CellStatus, Rung, headline
from ..errors import InputError, unknown
from ..files.things import check_thing
from ..files.whole import whole_file
from ..text import unguarded
from .claims import install_run
from .folder import start_run
from .gathered import damaged
from .manifest import RESULT, read_manifest
from .records import Records
from .store import attributes, n_chunks, unreadable
from .temporary import TemporaryRun

if TYPE_CHECKING:
    import pandas

__all__ = ["Batch", "CellStatus", "Rung", "load_batch"]

#: More cells than this are not put into one netCDF file, which is made in memory.
NETCDF_CELLS = 20_000


class Batch:
    """The posteriors of a batch run; made by `infer_batch`, `load_batch` or `from_chunks`.

    Nothing of the size of the cells is read before it is asked for. A run that was given no folder is in a
    temporary one, which goes with this object and what was taken from its `tree`; `save` copies it.

    Attributes:
        manifest: what was computed: config, table's sha256, parameters, engine, seed, versions.
        counts: cells by status name; those that none has are left out.

    Example:
        >>> import pandas as pd
        >>> from pumpleak import infer_batch
        >>> table = pd.DataFrame({"cell": ["a", "b"], "V_m_mV": [-70.0, -60.0], "V_m_sem_mV": 1.0, "T_degC": 37.0,
        ...     "K_o_mM": 4.0, "K_i_mM": 140.0, "Na_o_mM": 145.0, "Na_i_mM": 12.0})
        >>> config = {"quantities": {"P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}, "extra_V_m_mV": 0}}
        >>> batch = infer_batch(config, table)
        >>> print(batch.parameters, batch.n_cells, batch.usable)
        ('P_Na_rel',) 2 1.0
    """

    def __init__(self, home: Path | TemporaryRun, manifest: dict, counts: Mapping[str, int]):
        self.manifest, self.counts = manifest, dict(counts)
        self._home = home

    @property
    def path(self) -> Path | None:
        """The run's folder; None where it is a temporary one, which goes with this object."""
        return self._home if isinstance(self._home, Path) else None

    @property
    def folder(self) -> Path:
        """The folder that everything is read from, be it a temporary one."""
        return Path(self._home)

    @classmethod
    def from_chunks(
        cls,
        manifest: dict,
        ids: Iterable[Sequence[str] | np.ndarray],
        arrays: Iterable[Mapping[str, np.ndarray]],
        notes: Iterable[Iterable[tuple[str, str, str]]] | None = None,
        seconds: Iterable[float] | None = None,
    ) -> "Batch":
        """A batch in a temporary folder, of what `Run.write` would have been given chunk by chunk.

        Args:
            manifest: see `batch.manifest.new_manifest`.
            ids: of each chunk: its cells' ids.
            arrays: of each chunk.
            notes: of each chunk.
            seconds: of each chunk.

        Raises:
            ValueError: the arrays are not those of the chunks.
        """
        home, n = TemporaryRun(), n_chunks(manifest)
        chunks = list(zip(ids, arrays, notes or repeat(()), seconds or repeat(0.0), strict=False))
        if len(chunks) != n:
            raise ValueError(f"{len(chunks)} chunks, expected {n}")
        with start_run(home, manifest)[0] as run:
            for i, (*chunk, took) in enumerate(chunks):
                run.write(i, *chunk, seconds=took)
            run.collect()
        return open_batch(home)

    def __repr__(self) -> str:
        return f"<Batch {self.title or self.path or 'in a temporary folder'}: {self.headline}>"

    @property
    def title(self) -> str:
        return str(self.manifest.get("title", ""))

    @property
    def n_cells(self) -> int:
        return self.manifest["n_cells"]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters' names, in the order of the arrays; a variable's has no slash (`safe_name`)."""
        return tuple(p["name"] for p in self.manifest["parameters"])

    @property
    def usable(self) -> float:
        """The share of cells whose posterior can be used."""
        return self.counts.get("usable", 0) / self.n_cells

    @cached_property
    def rungs(self) -> dict[str, int]:
        """Cells by the rung that made their posterior; rungs that made none are left out."""
        return read_summary(self.folder)["rungs"]

    @cached_property
    def population(self) -> "pandas.DataFrame":
        """One row a parameter, over the usable cells that have it: `cells`; `median`, `low`, `high` are the median
        and the 5 and 95 % quantiles of their posterior medians; `width` is the median width of their 95 %
        intervals; and unit and prior."""
        import pandas

        rows = []
        for p in self.manifest["parameters"]:
            names = [f"{p['name']}_{k}" for k in ("median", "low", "high")]
            x = self._columns(["usable", *names])
            x = x.loc[x["usable"], names].dropna().to_numpy()
            q = np.quantile(x[:, 0], (0.5, 0.05, 0.95)) if len(x) else np.full(3, np.nan)
            width = np.median(x[:, 2] - x[:, 1]) if len(x) else np.nan
            rows.append((p["name"], p["unit"], len(x), *q, width, p["prior"]))
        columns = ["parameter", "unit", "cells", "median", "low", "high", "width", "prior"]
        return pandas.DataFrame(rows, columns=columns).set_index("parameter")

    def _columns(self, names: list[str]) -> "pandas.DataFrame":
        """Some columns of `table`."""
        return self.table.loc[:, names] if "table" in self.__dict__ else self._parquet(names)

    def _parquet(self, names: list[str] | None = None) -> "pandas.DataFrame":
        import pandas

        file = self.folder / "cells.parquet"
        try:
            return pandas.read_parquet(file, columns=names)
        except (OSError, ValueError) as error:
            raise unreadable(file, error) from None

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return headline(self.counts)

    @cached_property
    def table(self) -> "pandas.DataFrame":
        """One row a cell: status, rung, diagnostics, and each parameter's median, mean, sd, 95 % equal-tailed
        interval (low, high) and ESS (the lesser of bulk and tail)."""
        return self._parquet()

    @cached_property
    def tree(self) -> xr.DataTree:
        """Groups posterior, a variable a parameter with dims (cell, draw), and summary; values are read when used."""
        from .reading import Store

        return xr.open_datatree(
            Store(self._home), engine="zarr", chunks=None, zarr_format=2, consolidated=True
        )

    def arviz(self) -> xr.DataTree:
        """The same as ArviZ wants it: posterior with dims (chain, draw, cell), of one chain; still not read.

        A batch is for ArviZ one posterior of many variables: select cells first (`.sel(cell=[…])`).
        """
        tree = self.tree
        posterior = tree["posterior"].to_dataset()
        turned = {
            name: xr.Variable(("chain", "draw", "cell"), LazilyIndexedArray(_OneChain(x.variable)), x.attrs)
            for name, x in posterior.data_vars.items()
        }
        chain = {"chain": [0]} if turned else {}
        groups = {"/": xr.Dataset(attrs=tree.attrs)}
        groups["/posterior"] = xr.Dataset(turned, coords={**posterior.coords, **chain})
        return xr.DataTree.from_dict(groups | {"/summary": tree["summary"].to_dataset()})

    def cell(self, cell: str) -> xr.DataTree:
        """One cell's posterior (chain, draw) and summary; its status, rung and what was noted in `attrs`.

        Raises:
            InputError: there is no such cell.
        """
        k = self._position(str(cell))
        tree = self.arviz()
        one = {name: tree[name].to_dataset().isel(cell=k).load() for name in ("posterior", "summary")}
        status = CellStatus(int(one["summary"]["status"]))
        notes = [detail for name, _, detail in self._notes(k // self.manifest["chunk"]) if name == str(cell)]
        attrs = {
            "cell": str(cell),
            "status": status.name,
            "usable": int(status == CellStatus.usable),  # netCDF knows no booleans
            "rung": Rung(int(one["summary"]["rung"])).name,
            "detail": notes[0] if notes else CellStatus.words[status],
        }
        groups = {"/": xr.Dataset(attrs=attributes(self.manifest) | attrs)}
        return xr.DataTree.from_dict(groups | {f"/{name}": ds for name, ds in one.items()})

    def flagged(self) -> "pandas.DataFrame":
        """The cells that cannot be used: cell, status, detail."""
        import pandas

        table = pandas.read_csv(self.folder / "flagged.csv", dtype=str, keep_default_na=False)
        return table.map(unguarded)

    def to_netcdf(self, path: str | Path, *, force: bool = False) -> Path:
        """Write `arviz()` into one netCDF file, whole or not at all.

        Raises:
            InputError: there are more than 20,000 cells, the file exists, or it cannot be written.
        """
        if self.n_cells > NETCDF_CELLS:
            raise InputError(
                f"{self.n_cells:,} cells are too many for one netCDF file, which is made in memory"
                f" (at most {NETCDF_CELLS:,})",
                mend="Use posterior.zarr in the run's folder, which opens as fast however large it is",
                file=path,
            )
        # By way of memory: HDF5 crashes the interpreter where the disk is full.
        return whole_file(
            path, lambda p: p.write_bytes(bytes(self.arviz().to_netcdf(engine="h5netcdf"))), force=force
        )

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Copy the run into a folder, whole or not at all; locks and reports stay behind.

        Raises:
            InputError: the folder exists already (an earlier batch is replaced with `force`, nothing else ever),
                or it cannot be written.
        """
        path = Path(path)
        if not install_run(path, lambda folder: _copy_run(self.folder, folder), force=force):
            raise InputError("exists already", mend="Give --force to replace it, or another --out", file=path)
        return path

    def verify(self) -> dict[int | str, str]:
        """The chunks, and the files that belong to none, that are not what was written, and what is wrong; reads all."""
        found = {i: self._records.read(i, verify=True) for i in range(len(self._records))}
        chunks: dict[int | str, str] = {i: wrong for i, wrong in found.items() if isinstance(wrong, str)}
        return chunks | damaged(self.folder, self.manifest, read_summary(self.folder))

    @property
    def _records(self) -> Records:
        return Records(self.folder, self.manifest)

    def _notes(self, i: int) -> list[list[str]]:
        record = self._records.read(i, verify=True)
        if isinstance(record, str):
            raise InputError(
                f"chunk {i} is not what was written: {record}",
                mend="The command that made it computes that chunk again",
                file=self.path,
            )
        return record["notes"]

    @cached_property
    def _ids(self) -> np.ndarray:
        return np.asarray(self.tree["cell"].values, dtype=str)

    def _position(self, cell: str) -> int:
        there = np.flatnonzero(self._ids == cell)
        if there.size:
            return int(there[0])
        known, start = self._ids, cell
        while known.size > 5000 and start:  # a string's distance to a million others takes minutes
            alike = self._ids[np.char.startswith(self._ids, start)]
            known, start = (alike[:5000], "") if alike.size else (known, start[:-1])
        raise unknown("cell", cell, map(str, known[:5000]), mend="`table` lists the cells", file=self.path)


class _OneChain(BackendArray):
    """Draws stored as (cell, draw), seen as (chain, draw, cell) and read as far as they are indexed.

    xarray's own `expand_dims` reads everything.
    """

    def __init__(self, draws: xr.Variable):
        cells, n = draws.shape
        self.draws, self.shape, self.dtype = draws, (1, n, cells), draws.dtype

    def __getitem__(self, key):
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        chain, draw, cell = key
        part = self.draws.isel(draw=draw, cell=cell)
        return part.transpose(*[d for d in ("draw", "cell") if d in part.dims]).values[None][chain]


def load_batch(path: str | Path) -> Batch:
    """Open the folder of a finished batch run; of its cells nothing is read before it is asked for.

    What belongs to no chunk is compared with its checksums here, and every chunk with its own when it is read.

    Args:
        path: the folder, or the manifest in it.

    Returns:
        The `Batch`, as `infer_batch` returned it.

    Raises:
        InputError: it is not there, not of a batch run, not complete, or damaged.

    Example:
        >>> import tempfile
        >>> import pandas as pd
        >>> from pumpleak import infer_batch, load_batch
        >>> table = pd.DataFrame({"cell": ["a", "b"], "V_m_mV": [-70.0, -60.0], "V_m_sem_mV": 1.0, "T_degC": 37.0,
        ...     "K_o_mM": 4.0, "K_i_mM": 140.0, "Na_o_mM": 145.0, "Na_i_mM": 12.0})
        >>> config = {"quantities": {"P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}, "extra_V_m_mV": 0}}
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> _ = infer_batch(config, table, out=folder)
        >>> load_batch(folder).counts
        {'usable': 2}
    """
    path = Path(path)
    if path.is_file() and path.name == "manifest.json":
        path = path.parent
    check_thing(path, "run")
    if not path.is_dir():
        raise InputError(
            "there is no such batch run", mend="Give the folder that the batch run wrote", file=path
        )
    return open_batch(path)


def open_batch(home: Path | TemporaryRun) -> Batch:
    """`load_batch`, of what is a run's folder."""
    folder = Path(home)
    manifest = read_manifest(folder)
    records = Records(folder, manifest)
    missing = len(set(range(len(records))) - records.there())
    if missing:
        raise records.incomplete(missing)
    summary = read_summary(folder)
    try:
        counts = {"usable": summary["usable"], **summary["flagged"]} if summary else {}
        counts = {s.name: int(counts[s.name]) for s in CellStatus if counts.get(s.name)}
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(folder / "summary.json", error) from None
    if sum(counts.values()) != manifest["n_cells"]:
        raise InputError(
            "is not complete: its chunks are done, but not gathered",
            mend="The command that began it gathers them",
            file=folder,
        )
    for name, wrong in damaged(folder, manifest, summary).items():
        raise InputError(wrong, mend="The command that began the run gathers it again", file=folder / name)
    return Batch(home, manifest, counts)


def read_summary(folder: Path) -> dict:
    """What a run's summary.json holds; nothing where there is none.

    Raises:
        InputError: it cannot be read.
    """
    file = folder / "summary.json"
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        return {**summary}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise unreadable(file, error) from None


def _copy_run(source: Path, folder: Path) -> None:
    """What a finished run is made of, without its locks."""

    def copy(one: str, other: str) -> None:
        shutil.copyfile(one, other)
        with open(other, "rb+") as f:
            os.fsync(f.fileno())

    for name in RESULT:
        if (source / name).is_dir():
            ignore = shutil.ignore_patterns("*.lock", ".*.part")
            shutil.copytree(source / name, folder / name, ignore=ignore, copy_function=copy)
        else:
            copy(str(source / name), str(folder / name))
