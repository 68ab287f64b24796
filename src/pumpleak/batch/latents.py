"""Which latents of a recipe are one cell's, and which its neighbours share."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..data.cell_table import TableInfo
from ..problem.parameters import Latent, Swap
from ..problem.priors import Prior
from ..quantities.names import kind


def latent_of(spec: Any) -> Latent | None:
    """The latent behind what is written of a quantity (behind its total, of a swap)."""
    if isinstance(spec, Swap):
        return latent_of(spec.total)
    return Latent(spec) if isinstance(spec, Prior) else spec if isinstance(spec, Latent) else None


def entries(recipe: Mapping[str, Any]):
    """(where it stands, quantity, what is written of it), for all of a recipe."""
    for q, spec in recipe["quantities"].items():
        yield "quantities", q, spec
    for solution, given in (recipe.get("solutions") or {}).items():
        for q, spec in given.items():
            yield f"solutions.{solution}", q, spec


def shared_latents(recipe: Mapping[str, Any], table: TableInfo) -> list[tuple[str, str]]:
    """Latents that belong to more than one cell, and why: these make the cells' posteriors depend.

    Args:
        recipe: the arguments of `make_problem`, without the measurements.
        table: the cells.
    """
    out = []
    for place, q, spec in entries(recipe):
        latent = latent_of(spec)
        if latent is None or latent.by == table.by:
            continue
        levels = table.groups.get(latent.by or "")
        if latent.by is None and kind(q).of_bath:
            out.append((f"{place}.{q}", "it is of the bath, which cells share"))
        elif levels is not None and levels.shared and (kind(q).of_bath or not levels.nested):
            out.append((f"{place}.{q}", f"a level of the column {latent.by} belongs to several cells"))
    for q in table.quantity_sd:
        if kind(q).of_bath:
            out.append((table.columns[q], "its sd is that of a bath, which cells share"))
    return out


def pooled_latents(recipe: Mapping[str, Any], by: str) -> dict[str, Latent]:
    """Latents pooled over the cells, by quantity (with its solution, where it is of one)."""
    out = {}
    for place, q, spec in entries(recipe):
        latent = latent_of(spec)
        if latent is not None and latent.pooled and by in latent.columns:
            out[q if place == "quantities" else f"{q}[{place.partition('.')[2]}]"] = latent
    return out


def own_spec(spec: Any, table: TableInfo) -> Any:
    """What is written of a quantity, as it reads for one cell alone."""
    if isinstance(spec, Swap):
        return replace(spec, total=own_spec(spec.total, table))
    if not isinstance(spec, Latent) or spec.by is None:
        return spec
    levels = table.groups.get(spec.by)
    across = levels is not None and levels.shared and not levels.nested
    return Latent(spec.prior) if spec.by == table.by or across else spec
