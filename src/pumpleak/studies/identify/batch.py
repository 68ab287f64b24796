"""What a batch's posteriors say of each unknown: cells counted by how much of the prior's variance is gone."""

import numpy as np

from ...batch.results import Batch
from ...engines.gate import CellStatus
from ...inference.answer import called
from ...inference.determined import LEVELS
from ...reports.document import Table
from ...reports.provenance import origin_of_batch
from ...reports.study import Study
from ...text import listing


def identify_batch(batch: Batch) -> Study:
    """`identify` of a batch: each usable cell by its stored contraction, the share of prior variance removed.

    Args:
        batch: as `load_batch` opens it.

    Returns:
        The `Study`: for each parameter how many usable cells determine it (over 90 % of its prior's variance gone),
        narrow it (over half), barely touch it and leave it untouched (under 10 %).
    """
    summary = batch.tree["summary"]
    usable = np.asarray(summary["status"]) == CellStatus.usable
    contraction = np.asarray(summary["contraction"])[usable]
    words = [kind.value for _, kind in LEVELS]
    least = np.array([level for level, _ in LEVELS])
    rows, numbers = [], {}
    for name, removed in zip(batch.parameters, contraction.T, strict=True):
        removed = removed[np.isfinite(removed)]
        # The first level that a cell reaches, the highest first.
        counts = np.bincount((removed[:, None] < least).sum(axis=1), minlength=len(least)).tolist()
        middle = 100 * float(np.median(removed)) if len(removed) else None
        rows.append((name, len(removed), *counts, middle))
        numbers[name] = dict(zip(words, counts, strict=True))
    columns = ["parameter", "cells", *words, ("median of prior variance removed", "%")]
    note = "Over 90 %, 50 %, 10 % of the prior's variance removed, and less; a cell that cannot be used is not counted."
    origin = origin_of_batch(batch)
    parts = [
        f"{called(name, origin['reference'])} in {r[2]:,} of {r[1]:,}"
        for name, r in zip(batch.parameters, rows, strict=True)
        if r[1]
    ]
    verdict = (
        f"Determined among the usable cells: {listing(parts)}."
        if parts
        else "No cell can be used: nothing is determined."
    )
    return Study(
        "identify",
        batch.title or "a batch",
        verdict,
        (batch.headline,),
        (Table.of("Cells by what their readings determine", columns, rows, note),),
        numbers={"cells": batch.n_cells, "usable": int(usable.sum()), "verdicts": numbers},
        origins=(origin,),
    )
