"""Which latents of a recipe are one cell's, and which its neighbours share."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..data.cell_table import TableInfo
from ..errors import InputError
from ..problem.given import Davies, place_of
from ..problem.junction import Junction
from ..problem.parameters import Latent, Swap
from ..problem.priors import Prior
from ..problem.same_names import listed
from ..quantities.names import kind


def latent_of(spec: Any) -> Latent | None:
    """The latent behind what is written of a quantity (behind its total, of a swap)."""
    if isinstance(spec, Swap):
        return latent_of(spec.total)
    return Latent(spec) if isinstance(spec, Prior) else spec if isinstance(spec, Latent) else None


def entries(recipe: Mapping[str, Any]) -> list[tuple[str | None, str, Any]]:
    """(solution or None for every row, quantity, what is written of it), for all of a recipe."""
    out: list[tuple[str | None, str, Any]] = [(None, q, spec) for q, spec in recipe["quantities"].items()]
    for solution, given in (recipe.get("solutions") or {}).items():
        out += [(solution, q, spec) for q, spec in given.items()]
    return out


def shared_latents(recipe: Mapping[str, Any], table: TableInfo) -> list[tuple[str, str]]:
    """Latents that belong to more than one cell, and why: these make the cells' posteriors depend.

    Args:
        recipe: the arguments of `make_problem`, without the measurements.
        table: the cells.
    """
    out = []
    for solution, q, spec in entries(recipe):
        latent, place = latent_of(spec), place_of(q, solution)
        if latent is None or _is_of_cells(latent, table):
            continue
        levels = table.groups.get(str(latent.by or ""))
        if latent.by is None and kind(q).of_bath:
            out.append((place, "it is of the bath, which cells share"))
        elif levels is not None and levels.shared and (kind(q).of_bath or not levels.nested):
            out.append((place, f"a level of the column {latent.by} belongs to several cells"))
    for q in table.quantity_sd:
        if kind(q).of_bath:
            out.append((table.columns[q], "its sd is that of a bath, which cells share"))
    return out


def pooled_latents(recipe: Mapping[str, Any], by: str) -> dict[str, Latent]:
    """Latents pooled over the cells, by quantity (with its solution, where it is of one)."""
    out = {}
    for solution, q, spec in entries(recipe):
        latent = latent_of(spec)
        if latent is not None and latent.pooled and {by, by.rpartition(", ")[2]} & {*latent.columns}:
            out[q if solution is None else f"{q}[{solution}]"] = latent
    return out


def own_spec(spec: Any, table: TableInfo) -> Any:
    """What is written of a quantity, as it reads for one cell alone."""
    if isinstance(spec, Swap):
        return replace(spec, total=own_spec(spec.total, table))
    if not isinstance(spec, Latent) or spec.by is None:
        return spec
    levels = table.groups.get(str(spec.by))
    across = levels is not None and levels.shared and not levels.nested
    return Latent(spec.prior) if _is_of_cells(spec, table) or across else spec


def _is_of_cells(latent: Latent, table: TableInfo) -> bool:
    """Whether each cell has a value of its own, by the columns that tell cells apart."""
    return latent.columns in ((table.by,), table.told_by)


def _written(columns: tuple[str, ...]) -> str:
    return columns[0] if len(columns) == 1 else listed(columns)


def own_recipe(recipe: Mapping[str, Any], table: TableInfo) -> dict[str, Any]:
    """A recipe as it reads for one cell alone."""
    return dict(recipe) | {
        "quantities": {q: own_spec(s, table) for q, s in recipe["quantities"].items()},
        "solutions": {
            name: {q: own_spec(s, table) for q, s in given.items()}
            for name, given in (recipe.get("solutions") or {}).items()
        },
    }


def check_independent(recipe: Mapping[str, Any], table: TableInfo, shared: str) -> None:
    """Refuse a recipe by which cells hang together, or whose parts of each cell do in a way that a batch does not know.

    Args:
        recipe: the arguments of `make_problem`, without the measurements.
        table: the cells.
        shared: ``own`` lets each cell have its own of what they share.

    Raises:
        InputError: says which quantity, and why.
    """
    for solution, q, spec in entries(recipe):
        latent = latent_of(spec)
        if latent is not None and len(latent.columns) > 1 and not _is_of_cells(latent, table):
            raise InputError(
                f"{q} has levels within levels ({', '.join(latent.columns)}), so cells are not independent",
                mend="Infer the whole table jointly (`infer`), or give one column",
                column=place_of(q, solution),
            )
        if isinstance(spec, Davies):
            raise InputError(
                f"{q} is computed from each row's ions, which a batch does not do",
                mend=f"Compute it beforehand (`activity_coefficient`) and give it as a number or a column {q}",
                column=place_of(q, solution),
            )
        if isinstance(spec, Junction):
            raise InputError(
                f"{q} is computed from each row's bath, which a batch does not do",
                mend="Compute it beforehand (`junction_potential`) and give it as a column LJP_mV",
                column=place_of(q, solution),
            )
    found = shared_latents(recipe, table)
    if found and shared == "refuse":
        name, why = found[0]
        raise InputError(
            f"{name} is shared by cells ({why}), so their posteriors are not independent",
            mend="Infer the whole table jointly (`infer`); or write it as a known number; or, where each"
            f" cell truly had its own, write `by: {_written(table.told_by or (table.by,))}` or `batch: {{shared: own}}`",
            file=table.file if name in table.columns.values() else None,
            column=name,
        )
