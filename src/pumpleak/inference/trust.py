"""Whether draws can be trusted: the gate of chains and of weighted points, and what it found."""

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..engines.gate import CellStatus, failed
from .divergences import harmless
from .findings import Finding, Kind
from .words import WEIGHTED

if TYPE_CHECKING:
    import xarray as xr


class Trust(NamedTuple):
    """What the gate says of a result's draws.

    Attributes:
        failed: what keeps them from being used, as it is told.
        rung: what made them.
        findings: the reasons, the gravest first.
        numbers: r_hat_max, ess_min and end_error_max (of what is a number), k_hat of weighted points; divergences and left_domain
            (transitions), chains, draws.
    """

    failed: tuple[CellStatus, ...]
    rung: str
    findings: tuple[Finding, ...]
    numbers: dict

    @property
    def usable(self) -> bool:
        """Whether nothing failed, and the draws are more than a look at a normal approximation."""
        return not self.failed and self.rung != "laplace"


def is_weighted(tree: "xr.DataTree") -> bool:
    """True where the draws were made from weighted points: there are no chains to compare."""
    return _rung(tree) in WEIGHTED


def _rung(tree: "xr.DataTree") -> str:
    return str(tree.attrs.get("rung", "nuts"))


def divergences(tree: "xr.DataTree") -> int:
    """How many draws diverged."""
    stats = tree["sample_stats"]
    return int(np.asarray(stats["diverging" if "diverging" in stats else "divergences"]).sum())


def trust_of(tree: "xr.DataTree") -> Trust:
    """Whether a result's draws can be trusted, and why."""
    return _of_weights(tree) if is_weighted(tree) else _of_chains(tree)


def _of_weights(tree: "xr.DataTree") -> Trust:
    """The gate of importance sampling: the weights' tail, and how many draws they are worth."""
    table, rung = tree["table"].to_dataset().to_dataframe(), _rung(tree)
    k_hat = float(tree["sample_stats"]["k_hat"])
    # A population's own mean and spread have none: its levels are judged.
    ess = table[["ess_bulk", "ess_tail"]].min(axis=1)
    least = float(ess.min())
    numbers = {"k_hat": k_hat, "ess_min": least, "divergences": 0, "left_domain": 0, "chains": 1}
    numbers["draws"] = tree["posterior"].sizes["draw"]
    ends = _end_errors(tree)
    numbers["end_error_max"] = max(ends.values(), default=0.0)
    wrong = failed(least, end_error=[*ends.values()], k_hat=k_hat)
    about, out = {"rung": rung, "k_hat": k_hat, "ess": least}, []
    if CellStatus.k_hat in wrong:
        out.append(Finding(Kind.heavy_weights, numbers=about))
    if CellStatus.ess in wrong:
        out.append(Finding(Kind.few_weighted, (str(ess.idxmin()),), about))
    out += _loose_ends(wrong, ends, rung)
    out += _without_answer(tree)
    if not wrong:
        out.append(Finding(Kind.weights_hold, numbers=about))
    if rung == "laplace":
        out.append(Finding(Kind.a_look, numbers={"correctable": not wrong}))
    return Trust(wrong, rung, tuple(out), numbers)


def _of_chains(tree: "xr.DataTree") -> Trust:
    """The gate of chains: R-hat, effective draws of bulk and tails, divergences."""
    table, stats, rung = tree["table"], tree["sample_stats"], _rung(tree)
    names = [str(n) for n in table["parameter"].values]
    r_hat, bulk, tail = (np.asarray(table[k]) for k in ("r_hat", "ess_bulk", "ess_tail"))
    ess, diverged = np.minimum(bulk, tail), divergences(tree)
    chains, draws = tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]
    ends = _end_errors(tree)
    outside = int(np.asarray(stats["left_domain"]).sum()) if "left_domain" in stats else 0
    numbers = {
        "r_hat_max": float(np.max(r_hat[np.isfinite(r_hat)], initial=-np.inf)),
        "ess_min": float(np.min(ess[np.isfinite(ess)], initial=np.inf)),
        "end_error_max": max(ends.values(), default=0.0),
        "divergences": diverged,
        "chains": chains,
        "draws": draws,
        "left_domain": outside,
    }
    wrong = failed(ess, end_error=[*ends.values()], r_hat=r_hat)
    # Where anything else is amiss, the draws cannot say what the divergences have cost.
    move = harmless(tree) if diverged and not wrong else None
    if diverged and move is None:
        wrong = (*wrong, CellStatus.divergent)
    out = []
    if CellStatus.r_hat in wrong:
        worst = int(np.argmax(np.where(np.isfinite(r_hat), r_hat, np.inf)))
        about = {"r_hat": float(r_hat[worst]), "rung": rung}
        out.append(Finding(Kind.chains_disagree, (names[worst],), about))
    if CellStatus.ess in wrong:
        worst = int(np.argmin(np.where(np.isfinite(ess), ess, -np.inf)))
        out.append(Finding(Kind.few_draws, (names[worst],), {"ess": float(ess[worst]), "rung": rung}))
    out += _loose_ends(wrong, ends, rung)
    out += _without_answer(tree)
    if outside:
        out.append(Finding(Kind.left_domain, numbers={"transitions": outside, "of": chains * draws}))
    if diverged:
        about = {"transitions": diverged, "of": chains * draws, "rung": rung}
        kind = Kind.diverged if move is None else Kind.diverged_harmlessly
        out.append(Finding(kind, numbers=about if move is None else about | {"move": move}))
    if not wrong:
        about = {"chains": chains, "draws": draws, "r_hat": numbers["r_hat_max"], "ess": numbers["ess_min"]}
        about["divergences"] = diverged
        out.append(Finding(Kind.chains_agree, numbers=about))
    return Trust(wrong, rung, (*out, *_before(tree)), numbers)


def _end_errors(tree: "xr.DataTree") -> dict[str, float]:
    """Parameter -> error of its interval's ends; none in results that are older than this measure."""
    table = tree["table"]
    if "end_error" not in table:
        return {}
    each = zip(table["parameter"].values, np.asarray(table["end_error"]), strict=True)
    return {str(name): float(x) for name, x in each if not np.isnan(x)}


def _loose_ends(wrong: tuple[CellStatus, ...], ends: dict[str, float], rung: str) -> list[Finding]:
    if CellStatus.ends not in wrong:
        return []
    worst = max(ends, key=lambda name: ends[name])
    return [Finding(Kind.loose_ends, (worst,), {"share": ends[worst], "rung": rung})]


def _without_answer(tree: "xr.DataTree") -> list[Finding]:
    share = float(tree.attrs.get("prior_without_answer", 0.0))
    return [Finding(Kind.prior_without_answer, numbers={"share": share})] if share > 0 else []


def _before(tree: "xr.DataTree") -> list[Finding]:
    """What was tried before these draws were made."""
    sampler, out = json.loads(str(tree.attrs["sampler"])), []
    if before := sampler.get("before"):
        out.append(Finding(Kind.after_importance, numbers={"found": before}))
    if sampler["retried"]:
        out.append(Finding(Kind.retried))
    return out
