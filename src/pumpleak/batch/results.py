"""Batch results: many posteriors behind one object, read from their folder as far as they are asked for."""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core.indexing import IndexingSupport, LazilyIndexedArray, explicit_indexing_adapter

from ..engines.gate import PROBABILITIES, CellStatus, Rung, count, headline
from ..errors import InputError, unknown
from ..files.whole import whole_file
from ..quantities.names import safe_name
from .claims import install_run
from .folder import Run
from .gathered import cells_table, flagged_rows
from .manifest import read_manifest
from .records import chunk_files, incomplete, n_chunks, read_record
from .store import chunk_arrays, layout

if TYPE_CHECKING:
    import pandas

__all__ = ["Batch", "CellStatus", "Rung", "load_batch"]

#: More cells than this are not put into one netCDF file, which is made in memory.
NETCDF_CELLS = 20_000


class Batch:
    """The posteriors of a batch run; made by `load_batch` or `from_chunks`.

    Nothing of the size of the cells is read before it is asked for.

    Attributes:
        manifest: what was computed: config, table's sha256, parameters, engine, seed, versions.
        path: the run's folder; None where it is in memory alone.
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

    def __init__(self, manifest: dict, counts: Mapping[str, int], *, path: Path | None = None, _parts=None):
        self.manifest, self.counts, self.path = manifest, dict(counts), path
        self._parts: dict[str, np.ndarray] = _parts or {}
        self._notes: list[list[list[str]]] = []
        self._seconds: list[float] = []

    @classmethod
    def from_chunks(
        cls,
        manifest: dict,
        ids: Iterable[Sequence[str] | np.ndarray],
        arrays: Iterable[Mapping[str, np.ndarray]],
        notes: Iterable[Iterable[tuple[str, str, str]]] | None = None,
        seconds: Iterable[float] | None = None,
    ) -> "Batch":
        """A batch in memory, of what `Run.write` would have been given chunk by chunk.

        Args:
            manifest: see `batch.manifest.new_manifest`.
            ids: of each chunk: its cells' ids.
            arrays: of each chunk.
            notes: of each chunk.
            seconds: of each chunk.

        Raises:
            ValueError: the arrays are not those of the chunks.
        """
        n, size, cells = n_chunks(manifest), manifest["chunk"], manifest["n_cells"]
        found = [
            chunk_arrays(manifest, min(size, cells - i * size), names, given)
            for i, (names, given) in enumerate(zip(ids, arrays, strict=True))
        ]
        if len(found) != n:
            raise ValueError(f"{len(found)} chunks, expected {n}")
        parts = {name: np.concatenate([part[name] for part in found]) for name in layout(manifest)}
        batch = cls(manifest, count(parts["summary/status"], CellStatus), _parts=parts)
        batch._notes = [[[str(x) for x in note] for note in chunk] for chunk in notes or [()] * n]
        batch._seconds = [float(s) for s in seconds] if seconds is not None else [0.0] * n
        return batch

    def __repr__(self) -> str:
        return f"<Batch {self.title or self.path or 'in memory'}: {self.headline}>"

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
        if self.path is None:
            return count(self._parts["summary/rung"], Rung)
        return json.loads((self.path / "summary.json").read_text(encoding="utf-8"))["rungs"]

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
        if self.path is None or "table" in self.__dict__:
            return self.table.loc[:, names]
        import pandas

        try:
            return pandas.read_parquet(self.path / "cells.parquet", columns=names)
        except (OSError, ValueError) as error:
            raise unreadable(self.path / "cells.parquet", error) from None

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return headline(self.counts)

    @cached_property
    def table(self) -> "pandas.DataFrame":
        """One row a cell: status, rung, diagnostics, and each parameter's median, mean, sd, 95 % equal-tailed
        interval (low, high) and ESS (the lesser of bulk and tail)."""
        if self.path is None:
            return cells_table(self.manifest, self._parts).to_pandas()
        import pandas

        try:
            return pandas.read_parquet(self.path / "cells.parquet")
        except (OSError, ValueError) as error:
            raise unreadable(self.path / "cells.parquet", error) from None

    @cached_property
    def tree(self) -> xr.DataTree:
        """Groups posterior, a variable a parameter with dims (cell, draw), and summary; values are read when used."""
        if self.path is not None:
            _check_store(self.path, self.manifest)
            store = str(self.path / "posterior.zarr")
            return xr.open_datatree(store, engine="zarr", chunks=None, zarr_format=2, consolidated=True)
        groups: dict[str, dict] = {"": {}, "posterior": {}, "summary": {}}
        units = {f"posterior/{safe_name(p['name'])}": p for p in self.manifest["parameters"]}
        for name, (_, dims, _) in layout(self.manifest).items():
            about = {"units": units[name]["unit"], "prior": units[name]["prior"]} if name in units else {}
            group, _, variable = name.rpartition("/")
            groups[group][variable] = (("cell", *dims), self._parts[name], about)
        draws = {"draw": np.arange(self.manifest["draws"])} if self.manifest["draws"] else {}
        axes = {"parameter": list(self.parameters), "probability": list(PROBABILITIES)}
        return xr.DataTree.from_dict(
            {
                "/": xr.Dataset(coords=groups[""], attrs=self._attrs()),
                "/posterior": xr.Dataset(groups["posterior"], coords=draws),
                "/summary": xr.Dataset(groups["summary"], coords=axes),
            }
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
        notes = [
            detail for name, _, detail in self._chunk_notes(k // self.manifest["chunk"]) if name == str(cell)
        ]
        attrs = {
            "cell": str(cell),
            "status": status.name,
            "usable": int(status == CellStatus.usable),  # netCDF knows no booleans
            "rung": Rung(int(one["summary"]["rung"])).name,
            "detail": notes[0] if notes else CellStatus.words[status],
        }
        groups = {"/": xr.Dataset(attrs=self._attrs() | attrs)}
        return xr.DataTree.from_dict(groups | {f"/{name}": ds for name, ds in one.items()})

    def flagged(self) -> "pandas.DataFrame":
        """The cells that cannot be used: cell, status, detail."""
        import pandas

        if self.path is not None:
            return pandas.read_csv(self.path / "flagged.csv", dtype=str, keep_default_na=False)
        notes = [note for chunk in self._notes for note in chunk]
        rows = list(flagged_rows(self._parts, notes))
        return pandas.DataFrame(rows, columns=["cell", "status", "detail"], dtype=str)

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
        """Write a batch in memory into a folder as a run would have, whole or not at all.

        Raises:
            InputError: the folder exists already (an earlier batch is replaced with `force`, nothing else ever),
                or it cannot be written.
        """
        path = Path(path)
        if self.path is not None:
            raise InputError("is in a folder already", mend="Copy that", file=self.path)

        def fill(folder: Path) -> None:
            run = Run(folder, self.manifest, [])
            for i in range(run.n_chunks):
                part = {k.rpartition("/")[2]: x[run.cells(i)] for k, x in self._parts.items()}
                ids = part.pop("cell")
                names = [safe_name(p) for p in self.parameters]
                if self.manifest["draws"]:
                    part["draws"] = np.stack([part.pop(name) for name in names], axis=-1)
                run.write(i, ids, part, self._notes[i], seconds=self._seconds[i])
            run.collect()

        if not install_run(path, self.manifest, force=force, fill=fill):
            raise InputError("exists already", mend="Give --force to replace it, or another --out", file=path)
        return path

    def verify(self) -> dict[int, str]:
        """The chunks on the disk that are not what was written, and what is wrong; reads all of it."""
        if self.path is None:
            return {}
        arrays = layout(self.manifest)
        found = {
            i: read_record(self.path, i, chunk_files(arrays, i), verify=True)
            for i in range(n_chunks(self.manifest))
        }
        return {i: wrong for i, wrong in found.items() if isinstance(wrong, str)}

    def _attrs(self) -> dict[str, Any]:
        m = self.manifest
        return {
            "title": self.title,
            "pumpleak_version": m["versions"].get("pumpleak", ""),
            "data_file": m["data_file"],
            "data_sha256": m["data_sha256"],
            "config": json.dumps(m["config"], ensure_ascii=False),
            "seed": m["seed"],
        }

    def _chunk_notes(self, i: int) -> list[list[str]]:
        if self.path is None:
            return self._notes[i]
        record = read_record(self.path, i, chunk_files(layout(self.manifest), i), verify=True)
        if isinstance(record, str):
            raise InputError(
                f"chunk {i} is not what was written: {record}",
                mend="The command that made it computes that chunk again",
                file=self.path,
            )
        return record["notes"]

    @cached_property
    def _ids(self) -> np.ndarray:
        return np.asarray(self._parts["cell"] if self.path is None else self.tree["cell"].values, dtype=str)

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
    """Open the folder of a finished batch run; only its manifest and counts are read.

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
    if not path.is_dir():
        raise InputError(
            "there is no such batch run", mend="Give the folder that the batch run wrote", file=path
        )
    if not (path / "manifest.json").is_file():
        raise InputError(
            "is not a batch run's folder: it has no manifest.json",
            mend="Give the folder that the batch run wrote",
            file=path,
        )
    manifest = read_manifest(path)
    n = n_chunks(manifest)
    there = _names(path / "chunks")
    missing = sum(f"{i:06d}.json" not in there for i in range(n))
    if missing:
        raise incomplete(path, missing, n)
    try:
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
        counts = {"usable": summary["usable"], **summary["flagged"]}
        counts = {s.name: int(counts[s.name]) for s in CellStatus if counts.get(s.name)}
        whole = sum(counts.values()) == manifest["n_cells"] and (path / "cells.parquet").is_file()
    except FileNotFoundError:
        whole, counts = False, {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(path / "summary.json", error) from None
    if not whole:
        raise InputError(
            "is not complete: its chunks are done, but not gathered",
            mend="The command that began it gathers them",
            file=path,
        )
    return Batch(manifest, counts, path=path)


def unreadable(file: Path, error: Exception) -> InputError:
    return InputError(
        f"cannot be read ({type(error).__name__}: {error})",
        mend="The command that began the run makes it again once the file is removed",
        file=file,
    )


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _check_store(path: Path, manifest: Mapping) -> None:
    """Refuse a store whose metadata is not what the run wrote, or whose chunks' files are not all there.

    A Zarr store can name a codec that unpickles, and reads what is missing as fill values.
    """
    file = path / "posterior.zarr" / ".zmetadata"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["metadata"]
        arrays = {key.removesuffix("/.zarray"): x for key, x in found.items() if key.endswith("/.zarray")}
        codecs = {(x["compressor"] or {"id": ""})["id"] for x in arrays.values()}
        kinds = {np.dtype(x["dtype"]).kind for x in arrays.values()}
        filters = [x["filters"] for x in arrays.values() if x["filters"]]
        foreign = codecs - {"", "blosc"} or kinds - set("Ufib") or filters
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(file, error) from None
    expected = layout(manifest)
    shapes = {
        name: ([manifest["n_cells"], *sizes], [manifest["chunk"], *sizes], dtype)
        for name, (dtype, _, sizes) in expected.items()
    }
    extra = set(arrays) - set(expected) - {"summary/parameter", "summary/probability", "posterior/draw"}
    wrong = [
        name
        for name, what in shapes.items()
        if name not in arrays or tuple(arrays[name][k] for k in ("shape", "chunks", "dtype")) != what
    ]
    if foreign or extra or wrong:
        raise InputError(
            "is not what the run wrote", mend="The command that made it mends it, or --force", file=file
        )
    for name, (_, _, sizes) in expected.items():
        there = _names(path / "posterior.zarr" / name)
        tail = ".0" * len(sizes)
        missing = [
            i for i in range(math.ceil(manifest["n_cells"] / manifest["chunk"])) if f"{i}{tail}" not in there
        ]
        if missing:
            raise InputError(
                f"posterior.zarr/{name} lacks chunk {missing[0]}",
                mend="The command that made it computes that chunk again",
                file=path,
            )
