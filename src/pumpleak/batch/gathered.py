"""What is gathered of a finished run: its summary, the table of cells, what was flagged."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..engines.gate import PROBABILITIES, CellStatus, Rung, headline
from ..text import guarded
from .manifest import identity
from .records import checksum, mark_of_file

if TYPE_CHECKING:
    import pyarrow


#: What is gathered of a finished run, beside summary.json.
GATHERED = ("cells.parquet", "flagged.csv", "config.yaml")


def sealed(out: Path, manifest: Mapping, summary: Mapping) -> dict:
    """A summary that also says of which run it is, what the gathered files hold, and that it is itself whole."""
    files = {name: mark_of_file(out / name) for name in GATHERED}
    whole = {**summary, "run": identity(manifest), "files": files}
    return whole | {"check": checksum(whole)}


def damaged(out: Path, manifest: Mapping, summary: Mapping) -> dict[str, str]:
    """What is wrong with the files of a finished run that belong to no chunk, by their names.

    Args:
        out: the run's folder.
        manifest: the run's.
        summary: what its summary.json holds; one of an older version has no checksums, and nothing can be compared.
    """
    if "files" not in summary:
        return {name: "is missing" for name in GATHERED if not (out / name).is_file()}
    if summary.get("check") != checksum(summary):
        return {"summary.json": "is damaged"}
    if summary["run"] != identity(manifest):
        return {"manifest.json": "is damaged, or of another run"}
    found = {}
    for name, mark in summary["files"].items():
        try:
            if mark_of_file(out / name) != mark:
                found[name] = "is damaged"
        except FileNotFoundError:
            found[name] = "is missing"
        except OSError as error:
            found[name] = f"cannot be read ({error.strerror})"
    return found


def summary_of(manifest: Mapping, records: list[dict]) -> dict:
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


CellStatus.words.update(
    {
        CellStatus.usable: "The posterior can be used.",
        CellStatus.k_hat: "The importance weights have too heavy a tail (Pareto k-hat), so the draws are not the posterior's.",
        CellStatus.ess: "Too few effective draws: the interval's ends are not to be trusted.",
        CellStatus.ends: "Too few draws to settle the interval: an end, or the median, has a Monte Carlo error above 5 % of its width.",
        CellStatus.r_hat: "The chains disagree (R-hat), so the draws are not the posterior's.",
        CellStatus.divergent: "The sampler diverged: a part of the posterior may be missing.",
        CellStatus.no_answer: "The model has no answer where the posterior would be.",
        CellStatus.no_data: "The cell has no readings: its posterior is the prior.",
        CellStatus.bad_input: "A number of the cell's rows cannot be used.",
        CellStatus.failed: "The computation failed.",
        CellStatus.approximate: "Laplace's normal approximation, which nothing corrects: for a look.",
    }
)

#: What cells.parquet is made of.
TABLE = ("cell",) + tuple(
    f"summary/{k}"
    for k in (
        "status",
        "rung",
        "prior_dominated",
        "k_hat",
        "log_evidence",
        "n_readings",
        "mean",
        "sd",
        "quantile",
        "ess_bulk",
        "ess_tail",
    )
)


_OF_PARAMETER = ("median", "mean", "sd", "low", "high", "ess")


def cells_schema(manifest: Mapping) -> "pyarrow.Schema":
    """The columns of cells.parquet."""
    import pyarrow as pa

    word = pa.dictionary(pa.int8(), pa.string())
    columns = [
        ("cell", pa.string()),
        ("status", word),
        ("rung", word),
        ("usable", pa.bool_()),
        ("prior_dominated", pa.bool_()),
        ("k_hat", pa.float64()),
        ("log_evidence", pa.float64()),
        ("n_readings", pa.int32()),
    ]
    columns += [(f"{p['name']}_{k}", pa.float64()) for p in manifest["parameters"] for k in _OF_PARAMETER]
    return pa.schema(columns)


def cells_table(manifest: Mapping, parts: Mapping[str, np.ndarray]) -> "pyarrow.Table":
    """Rows of cells.parquet: a cell each, its intervals 95 % equal-tailed, its ESS the lesser of bulk and tail.

    Args:
        manifest: the run's.
        parts: arrays by their path in the store.
    """
    import pyarrow as pa

    part = {name.rpartition("/")[2]: parts[name] for name in TABLE}
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
    """Rows of flagged.csv: every cell that is not usable, with its note or else what its status means.

    A spreadsheet takes none of it for a formula (`text.guarded`).
    """
    detail = {cell: text for cell, _, text in notes}
    status = parts["summary/status"]
    for k in np.flatnonzero(status != CellStatus.usable):
        cell, what = str(parts["cell"][k]), CellStatus(int(status[k]))
        yield guarded(cell), what.name, guarded(detail.get(cell) or CellStatus.words[what])
