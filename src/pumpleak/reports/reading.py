"""What a result's figures and page read from its tree: readings, series, the reference ion."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..inference.answer import reference_ion
from ..inference.result import Result
from ..problem.priors import prior_in
from ..quantities.names import as_read, safe_name
from ..quantities.symbols import Symbol, symbol

MAX_READINGS = 60
MAX_PAIRS = 5


def has(tree: xr.DataTree, *groups: str) -> bool:
    """Whether the tree has all these groups."""
    return all(g in tree.children for g in groups)


def element_draws(group: xr.DataTree) -> dict[str, np.ndarray]:
    """Element name (its slashes as netCDF has them) -> draws (chain, draw)."""
    out = {}
    for name, values in group.data_vars.items():
        if set(values.dims) == {"chain", "draw"}:
            out[str(name)] = np.asarray(values.transpose("chain", "draw"))
            continue
        (level,) = (d for d in values.dims if d not in ("chain", "draw"))
        values = values.transpose("chain", "draw", level)
        for i, x in enumerate(values[level].values):
            out[safe_name(f"{name}[{x}]")] = np.asarray(values[..., i])
    return out


class Element(NamedTuple):
    """One number of the posterior, as people read it: its `draws` (chain, draw), and `prior` draws where they were kept."""

    name: str
    symbol: Symbol
    unit: str
    draws: np.ndarray
    prior: np.ndarray | None
    scale: bool

    def log(self, *others: np.ndarray) -> bool:
        """Whether the draws are positive and spread so wide that a log axis shows them better."""
        low = min(np.quantile(d, 0.025) for d in (self.draws, *others))
        high = max(np.quantile(d, 0.975) for d in (self.draws, *others))
        return self.scale and low > 0 and high > 12 * low


def elements(result: Result) -> Iterator[Element]:
    """The rows of the table with their draws."""
    tree, reference = result.tree, reference_ion(result.tree)
    post = element_draws(tree["posterior"])
    prior = element_draws(tree["prior"]) if has(tree, "prior") else {}
    table = tree["table"]
    laws = json.loads(table.attrs.get("laws", "{}"))
    for name, unit, text in zip(*(table[k].values for k in ("parameter", "unit", "prior")), strict=True):
        key = safe_name(str(name))
        if key in post:
            law = prior_in({"prior": str(text)} | ({"law": laws[str(name)]} if str(name) in laws else {}))
            # What may well be 0 is best seen on a linear axis.
            scale = law is None or not law.form.highest_at_zero
            shown, shift = as_read(str(name), str(unit))
            before = prior.get(key)
            yield Element(
                str(name),
                symbol(str(name), reference),
                shown,
                post[key] + shift,
                None if before is None else before + shift,
                scale,
            )


def series_and_x(tree: xr.DataTree) -> tuple[list[str], np.ndarray]:
    """The series of each table row, and its value on the horizontal axis (NaN where that is not known)."""
    rows = tree["rows"].to_dataset()
    return [str(s) for s in rows["series"].values], np.asarray(rows["x"])


class Readings(NamedTuple):
    """The readings, one array entry each; `bands` (5, N) are quantiles of the predicted reading."""

    names: list[str]
    observable: np.ndarray
    value: np.ndarray
    error: np.ndarray
    scatter: np.ndarray
    expected: np.ndarray
    bands: np.ndarray
    row: np.ndarray
    condition: np.ndarray
    paired: np.ndarray


def readings_of(tree: xr.DataTree) -> Readings:
    """The group `readings`, with predicted quantiles from `posterior_predictive` where that is kept."""
    r = tree["readings"].to_dataset()
    expected, scatter = np.asarray(r["expected"]), np.asarray(r["total_scatter"])
    levels = (0.025, 0.25, 0.5, 0.75, 0.975)
    if has(tree, "posterior_predictive"):
        draws = np.asarray(tree["posterior_predictive"]["reading"])
        bands = np.quantile(draws.reshape(-1, draws.shape[-1]), levels, axis=0)
    else:
        bands = expected + np.array([[-1.96], [-0.674], [0.0], [0.674], [1.96]]) * scatter
    return Readings(
        names=[str(n) for n in r["obs"].values],
        observable=r["observable"].values.astype(str),
        value=np.asarray(r["value"]),
        error=np.asarray(r["standard_error"]),
        scatter=scatter,
        expected=expected,
        bands=bands,
        row=np.asarray(r["row"]),
        condition=np.asarray(r["condition"]),
        paired=np.asarray(r["reference"]) >= 0,
    )


def pair_choice(rows: list[Element], contraction: dict[str, float]) -> list[Element]:
    """Those that the data determined most, or that are most correlated with another."""
    if len(rows) <= MAX_PAIRS:
        return rows
    tied = np.abs(rank_correlation(rows) - np.eye(len(rows))).max(axis=1)
    score = [max(t, contraction.get(e.name, 0.0)) for t, e in zip(tied, rows, strict=True)]
    return [rows[i] for i in sorted(np.argsort(score)[::-1][:MAX_PAIRS])]


def rank_correlation(rows: list[Element]) -> np.ndarray:
    return np.atleast_2d(np.corrcoef([np.argsort(np.argsort(e.draws.ravel())) for e in rows]))
