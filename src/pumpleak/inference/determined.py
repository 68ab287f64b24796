"""What the data determine of each parameter, and what one reading more would."""

from typing import TYPE_CHECKING

import numpy as np

from ..engines.information import Information
from ..quantities.names import kind as kind_of
from .findings import Finding, Kind

if TYPE_CHECKING:
    import xarray as xr

#: The least share of a parameter's prior variance that the data removed, and what it is called then.
LEVELS = (
    (0.9, Kind.determined),
    (0.5, Kind.narrowed),
    (0.1, Kind.barely_touched),
    (-np.inf, Kind.untouched),
)
_MOVED = 0.5  # prior sd by which a median must move to be more than the prior's
_FAR = 2.0  # prior sd from which it deserves a second look


def information_of(tree: "xr.DataTree") -> Information:
    """The averaged Fisher information kept in a result."""
    info = tree["information"]
    return Information.of(
        info["element"].values.tolist(),
        np.asarray(info["fisher"]),
        np.asarray(info["slope"]),
        np.asarray(info["positive"]).astype(bool),
    )


def determined_of(tree: "xr.DataTree") -> tuple[list[Finding], dict[Kind, list[str]]]:
    """What the data say of each parameter, and the parameters of each of `LEVELS`."""
    table = tree["table"]
    by_level: dict[Kind, list[str]] = {kind: [] for _, kind in LEVELS}
    far: dict[str, float] = {}
    moved: dict[str, float] = {}
    for name, c, shift in zip(
        map(str, table["parameter"].values), table["contraction"].values, table["shift"].values, strict=True
    ):
        level = next(kind for least, kind in LEVELS if c >= least)
        by_level[level].append(name)
        if level in (Kind.barely_touched, Kind.untouched) and abs(shift) > _MOVED:
            moved[name] = float(shift)
        if abs(shift) > _FAR:
            far[name] = float(shift)
    out = []
    for kind in (Kind.determined, Kind.narrowed, Kind.moved, Kind.barely_touched, Kind.untouched):
        if kind == Kind.moved:
            out += [Finding(kind, tuple(moved), moved)] if moved else []
        elif names := tuple(n for n in by_level[kind] if n not in moved):
            out.append(Finding(kind, names))
    for trade in information_of(tree).trade_offs():
        out.append(Finding(Kind.trade_off, trade.names, {"of": trade}))
    if far:
        out.append(Finding(Kind.far_from_prior, tuple(far), far))
    return out + _would_add(tree), by_level


def _would_add(tree: "xr.DataTree", error: float = 0.1) -> list[Finding]:
    """What one reading more would tell, of something inside a cell whose inside the model predicts.

    Among posterior draws a parameter and a quantity x that was not read have a correlation ρ; a reading of x
    with error σ takes about the share ρ² var(x) / (var(x) + σ²) of what variance the parameter has left.
    """
    if "protocols" not in tree.children:
        return []
    membrane = tree["membrane"].to_dataset()
    read = set(map(str, tree["readings"]["observable"].values))
    posterior = tree["posterior"].to_dataset()
    names = [str(v) for v in membrane.data_vars if kind_of(str(v)).side == "i" and str(v) not in read]
    rest = str(np.asarray(tree["protocols"]["baseline"])[0])
    if rest not in membrane["condition"].values:
        return []
    inside = {x: np.asarray(membrane[x].sel(condition=rest), float).ravel() for x in names}
    table, out = tree["table"].to_dataset().to_dataframe(), []
    for parameter in posterior.data_vars:
        name, draws = str(parameter), np.asarray(posterior[parameter], float)
        if draws.ndim != 2 or name not in table.index or table.loc[name, "contraction"] > 0.9:
            continue
        if kind_of(name).is_noise or kind_of(name).what == "offset":
            continue
        p = np.log(draws.ravel()) if (draws > 0).all() else draws.ravel()
        shares = {}
        for x, value in inside.items():
            if value.min() <= 0 or np.ptp(value) == 0 or np.ptp(p) == 0:
                continue
            y = np.log(value)
            shares[x] = float(np.corrcoef(p, y)[0, 1] ** 2 * y.var() / (y.var() + error**2))
        best = max(shares, key=lambda x: shares[x], default=None)
        if best is not None and shares[best] > 0.3:
            about = {"reading": best, "condition": rest, "error": error, "share": shares[best]}
            out.append(Finding(Kind.would_add, (name,), about))
    return out
