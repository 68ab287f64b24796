"""The verdict: what can be believed of a posterior, in words first."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..engines.gate import ESS, PARETO_K, R_HAT
from ..engines.information import Information
from ..quantities.names import kind
from ..text import listing
from .misfit import misfit_of

if TYPE_CHECKING:
    import xarray as xr

_MOST_LEVELS = 6  # of one parameter that are named one by one
#: How much of a parameter's prior variance the data removed, in words.
LEVELS = ((0.9, "determined"), (0.5, "narrowed"), (0.1, "barely touched"), (-np.inf, "untouched"))
#: Rungs of the ladder of engines that weigh points, in words.
_WEIGHTED = {
    "importance": "importance sampling by points about the mode",
    "adapted": "importance sampling by points from a mixture fitted to earlier ones",
    "laplace": "a normal approximation at the mode (Laplace)",
}
_LOOK = "A quick look by a normal approximation, not the posterior"
_MOVED = 0.5  # prior sd by which a median must move to be more than the prior's


@dataclass(frozen=True)
class Verdict:
    """A judgement in words, the most important first.

    Attributes:
        usable: the draws can be trusted: bulk and tail ESS ≥ 400, and of chains R-hat ≤ 1.01 and no divergence,
            of weighted points Pareto k̂ ≤ 0.7. A normal approximation is never called usable.
        fits: the readings are what the model expects.
        headline: one sentence.
        data: what the data determine and what they do not.
        misfit: where the model fails, and rival explanations.
        chains: why the draws can or cannot be trusted.
        numbers: the figures behind it.

    Example:
        >>> from pumpleak import infer, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> print(infer(problem, engine="importance", seed=1).verdict.headline)
        The data determine P_Na_rel; the draws can be trusted and the model fits.
    """

    usable: bool
    fits: bool
    headline: str
    data: tuple[str, ...]
    misfit: tuple[str, ...]
    chains: tuple[str, ...]
    numbers: dict

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, d: dict) -> "Verdict":
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in d.items()})

    def lines(self) -> list[str]:
        """All of it, a sentence a line."""
        return [self.headline, *self.data, *self.misfit, *self.chains]


def judge(tree: "xr.DataTree") -> Verdict:
    """Judge a result's tree: its chains, what its data determine, and whether its model fits.

    Args:
        tree: as `infer` makes it.

    References:
        Vehtari et al. 2021, Bayesian Anal. 16:667 (R-hat, ESS); Vehtari, Gelman & Gabry 2017, Stat.
        Comput. 27:1413 (PSIS-LOO); Gelman, Meng & Stern 1996, Stat. Sinica 6:733 (predictive checks).
    """
    weighted = is_weighted(tree)
    usable, chains, numbers = _weights(tree) if weighted else _chains(tree)
    data, determined, narrowed, undetermined = _data(tree)
    fits, misfit, fit_numbers = misfit_of(tree)
    numbers |= fit_numbers | {"determined": determined, "undetermined": undetermined}
    fit = "the model fits only with extra scatter" if numbers["scattered"] else "the model fits"
    blind = [n for n in numbers["undetermined"] if kind(n).is_ratio]
    blind_text = f" They say next to nothing about {listing(gathered(blind))}." if blind else ""
    trust = "the draws can be trusted" if weighted else "the chains can be trusted"
    if not usable and not numbers["failure"]:
        headline = f"{_LOOK}; confirm these numbers with another engine before use."
    elif not usable:
        headline = f"Do not use these numbers: {numbers['failure']}."
    elif numbers["unexplained"]:
        headline = f"{_capital(trust)}, but the model explains next to nothing of what was read; its numbers mean little."
    elif not fits:
        headline = (
            f"{_capital(trust)}, but the model does not fit these data; read its numbers with that in mind."
        )
    elif determined:
        headline = f"The data determine {listing(gathered(determined))}; {trust} and {fit}."
    elif narrowed:
        headline = (
            f"{_capital(trust)} and {fit}; the data narrow {listing(gathered(narrowed))}, but not so far "
            "that the priors no longer matter."
        )
    else:
        headline = (
            f"{_capital(trust)} and {fit}, but these data say almost nothing: what is reported is the prior."
        )
    if usable:
        headline += blind_text
    return Verdict(usable, fits, headline, tuple(data), tuple(misfit), tuple(chains), numbers)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def gathered(names: Iterable[str]) -> list[str]:
    """Names in words: of a parameter with more levels than anybody reads, how many there are."""
    names = list(names)
    levels = Counter(n.partition("[")[0] for n in names if "[" in n)
    shown = [n.partition("[")[0] if levels[n.partition("[")[0]] > _MOST_LEVELS else n for n in names]
    return [f"{n} ({levels[n]} levels)" if levels[n] > _MOST_LEVELS else n for n in dict.fromkeys(shown)]


def is_weighted(tree: "xr.DataTree") -> bool:
    """True where the draws were made from weighted points: there are no chains to compare."""
    return str(tree.attrs.get("rung", "nuts")) in _WEIGHTED


def divergences(tree: "xr.DataTree") -> int:
    """How many draws diverged."""
    stats = tree["sample_stats"]
    return int(np.asarray(stats["diverging" if "diverging" in stats else "divergences"]).sum())


def _weights(tree) -> tuple[bool, list[str], dict]:
    """The gate of importance sampling: the weights' tail, and how many draws they are worth."""
    table, rung = tree["table"].to_dataset().to_dataframe(), str(tree.attrs["rung"])
    k_hat = float(tree["sample_stats"]["k_hat"])
    ess = table[["ess_bulk", "ess_tail"]].min(axis=1)
    numbers = {"k_hat": k_hat, "ess_min": float(ess.min()), "divergences": 0, "left_domain": 0, "chains": 1}
    numbers["draws"] = tree["posterior"].sizes["draw"]
    out, failures = [], []
    mend = "Run NUTS (--engine nuts; in a config, sampler.engine)."
    if not k_hat <= PARETO_K:
        what = (
            "posterior is not near a normal" if rung == "laplace" else "importance weights' tail is too heavy"
        )
        failures.append(f"the {what} (Pareto k-hat {k_hat:.2f})")
        out.append(
            f"Failed on the rung '{rung}', {_WEIGHTED[rung]}: the {what}, Pareto k-hat {k_hat:.2f} (at most "
            f"{PARETO_K} is needed). {mend}"
        )
    if not numbers["ess_min"] >= ESS:
        failures.append("too few effective draws")
        out.append(
            f"Failed on the rung '{rung}', {_WEIGHTED[rung]}: too few effective draws, {numbers['ess_min']:.0f} of "
            f"{ess.idxmin()} (at least {ESS:.0f} are needed). {mend}"
        )
    out += _edge(tree)
    numbers["failure"] = failures[0] if failures else ""
    if not failures:
        out.append(
            f"{_capital(_WEIGHTED[rung])}: Pareto k-hat {k_hat:.2f} (at most {PARETO_K} is needed), at least "
            f"{numbers['ess_min']:.0f} effective draws ({ESS:.0f} are needed). These are no chains, and have no R-hat."
        )
    if rung == "laplace":
        # A k-hat below the gate says that weights could correct these draws; nothing has.
        out.append(
            f"{_LOOK}: k-hat says that weights could make up for the difference, and none were used. {mend}"
            if not failures
            else f"{_LOOK}."
        )
    return not failures and rung != "laplace", out, numbers


def _edge(tree) -> list[str]:
    edge = float(tree.attrs.get("prior_without_answer", 0.0))
    if edge <= 0:
        return []
    return [
        f"The model has no answer in {edge:.1%} of the prior draws (for a pump-leak cell: no steady state); "
        "the prior is conditioned on having one."
    ]


def _chains(tree) -> tuple[bool, list[str], dict]:
    table, stats = tree["table"], tree["sample_stats"]
    r_hat, bulk, tail = (np.asarray(table[k]) for k in ("r_hat", "ess_bulk", "ess_tail"))
    names = table["parameter"].values
    diverged = divergences(tree)
    n_chains, n_draws = tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]
    hmc = str(tree.attrs.get("rung")) == "hmc"
    ess = np.minimum(bulk, tail)
    numbers = {
        "r_hat_max": float(np.max(r_hat[np.isfinite(r_hat)], initial=-np.inf)),
        "ess_min": float(np.min(ess[np.isfinite(ess)], initial=np.inf)),
        "divergences": diverged,
        "chains": n_chains,
        "draws": n_draws,
    }
    stuck = not (np.isfinite(r_hat).all() and np.isfinite(ess).all())
    out, failures = [], []
    if stuck or numbers["r_hat_max"] > R_HAT:
        failures.append("the chains disagree")
        worst = names[int(np.argmax(np.where(np.isfinite(r_hat), r_hat, np.inf)))]
        out.append(
            f"The chains disagree: R-hat of {worst} is {r_hat.max():.3f} (at most {R_HAT} is needed). "
            + ("Run NUTS (--engine nuts)." if hmc else "Run more warm-up (sampler.warmup).")
        )
    if stuck or numbers["ess_min"] < ESS:
        failures.append("too few independent draws")
        worst = names[int(np.argmin(np.where(np.isfinite(ess), ess, -np.inf)))]
        out.append(
            f"Too few independent draws: {numbers['ess_min']:.0f} of {worst} (at least {ESS:.0f} are needed). "
            + ("Run NUTS (--engine nuts)." if hmc else "Raise sampler.draws.")
        )
    out += _edge(tree)
    left = int(np.asarray(stats["left_domain"]).sum()) if "left_domain" in stats else 0
    numbers["left_domain"] = left
    if left:
        out.append(
            f"{left} of {n_chains * n_draws} transitions ({left / (n_chains * n_draws):.1%}) stopped at the edge of "
            "where the model has an answer. The density is 0 beyond it, and they count apart from divergences."
        )
    if diverged:
        failures.append("some transitions diverged, so part of the posterior may be missed")
        share = diverged / (n_chains * n_draws)
        out.append(
            f"{diverged} of {n_chains * n_draws} transitions diverged ({share:.1%}): part of the posterior "
            "may be missed. "
            + (
                "Run NUTS (--engine nuts)."
                if hmc
                else "Raise sampler.target_accept towards 0.99, or narrow the prior that lets a scale go to 0."
            )
        )
    numbers["failure"] = failures[0] if failures else ""
    if not failures:
        out.append(
            f"{n_chains} chains of {n_draws} draws agree: R-hat at most {numbers['r_hat_max']:.3f}, "
            f"at least {numbers['ess_min']:.0f} effective draws, no divergence."
        )
    sampler = json.loads(str(tree.attrs["sampler"]))
    if before := sampler.get("before"):
        out.append(
            f"Importance sampling came first and did not pass its gate ({before}; at most {PARETO_K} and at least "
            f"{ESS:.0f} are needed): these are NUTS's draws."
        )
    if sampler["retried"]:
        out.append(
            "A first run did not pass this gate; these are the draws of a second, longer one with smaller steps."
        )
    return not failures, out, numbers


def information_of(tree: "xr.DataTree") -> Information:
    """The averaged Fisher information kept in a result."""
    info = tree["information"]
    return Information.of(
        info["element"].values.tolist(),
        np.asarray(info["fisher"]),
        np.asarray(info["slope"]),
        np.asarray(info["positive"]).astype(bool),
    )


def _data(tree) -> tuple[list[str], list[str], list[str], list[str]]:
    table = tree["table"]
    by_level: dict[str, list[str]] = {word: [] for _, word in LEVELS}
    conflict, moved = [], {}
    for name, c, shift in zip(
        table["parameter"].values, table["contraction"].values, table["shift"].values, strict=True
    ):
        level = next(word for least, word in LEVELS if c >= least)
        by_level[level].append(str(name))
        if level in ("barely touched", "untouched") and abs(shift) > _MOVED:
            moved[str(name)] = f"{name} ({shift:+.1f} prior sd)"
        if abs(shift) > 2:
            conflict.append(f"{name} ({shift:+.1f} prior sd)")
    out = []
    if names := by_level["determined"]:
        out.append(
            f"Determined by the data (over 90 % of the prior variance gone): {', '.join(gathered(names))}."
        )
    if names := by_level["narrowed"]:
        out.append(f"Narrowed by the data, the prior still counts: {', '.join(gathered(names))}.")
    if moved:
        out.append(f"Moved by the data, though hardly narrowed: {', '.join(moved.values())}.")
    if names := [n for n in by_level["barely touched"] if n not in moved]:
        out.append(
            f"Barely touched by the data; what is reported is nearly the prior: {', '.join(gathered(names))}."
        )
    if names := [n for n in by_level["untouched"] if n not in moved]:
        out.append(
            f"The data said nothing about: {', '.join(gathered(names))}. What is reported is the prior."
        )
    trade = [w for w in information_of(tree).words() if "trade off" in w]
    out += trade
    if conflict:
        out.append(f"Far from its prior, which deserves a second look: {', '.join(conflict)}.")
    out += _would_add(tree)
    undetermined = by_level["barely touched"] + by_level["untouched"]
    return out, by_level["determined"], by_level["narrowed"], undetermined


def _would_add(tree, error: float = 0.1) -> list[str]:
    """What one reading more would tell, of something inside a cell whose inside the model predicts.

    Among posterior draws a parameter and a quantity x that was not read have a correlation ρ; a reading of x
    with error σ takes about the share ρ² var(x) / (var(x) + σ²) of what variance the parameter has left.
    """
    if "protocols" not in tree.children:
        return []
    membrane, read = tree["membrane"].to_dataset(), set(map(str, tree["readings"]["observable"].values))
    names = [str(v) for v in membrane.data_vars if kind(str(v)).side == "i" and str(v) not in read]
    rest = str(tree["protocols"]["baseline"].values[0])
    if rest not in membrane["condition"].values:
        return []
    table, out = tree["table"].to_dataset().to_dataframe(), []
    for parameter in tree["posterior"].data_vars:
        draws = np.asarray(tree["posterior"][parameter], float)
        name = str(parameter)
        if draws.ndim != 2 or name not in table.index or table.loc[name, "contraction"] > 0.9:
            continue
        if kind(name).is_noise or kind(name).what == "offset":
            continue
        p = np.log(draws.ravel()) if (draws > 0).all() else draws.ravel()
        shares = {}
        for x in names:
            value = np.asarray(membrane[x].sel(condition=rest), float).ravel()
            if value.min() <= 0 or np.ptp(value) == 0 or np.ptp(p) == 0:
                continue
            y = np.log(value)
            shares[x] = np.corrcoef(p, y)[0, 1] ** 2 * y.var() / (y.var() + error**2)
        best = max(shares, key=lambda x: shares[x], default=None)
        if best is not None and shares[best] > 0.3:
            out.append(
                f"One reading of {best} in '{rest}', good to {error:.0%}, would take about {shares[best]:.0%} of the "
                f"variance that is left of {name}."
            )
    return out
