"""The verdict: what can be believed of a posterior, in words first."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .answer import answer_of, reference_ion
from .conflict import conflict_of
from .determined import determined_of
from .findings import Finding, Kind
from .headline import DECISIVE, decisive, failure, headline
from .misfit import misfit_of
from .trust import trust_of
from .unmodelled import labels_of
from .words import say

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Verdict:
    """A judgement in words, the most important first.

    Attributes:
        usable: the draws can be trusted: bulk and tail ESS ≥ 400, and of chains R-hat ≤ 1.01 and no divergence
            (`harmless` ones apart), of weighted points Pareto k̂ ≤ 0.7. A normal approximation is never called usable.
        fits: the readings are what the model expects, with whatever parameters: `numbers` has under ``conflict`` those
            that stand where their priors hardly let them be.
        headline: the answer, and what is to be thought of it.
        data: what the data determine and what they do not.
        misfit: where the model fails, and rival explanations.
        chains: why the draws can or cannot be trusted.
        numbers: the figures behind it.

    Example:
        >>> from pumpleak import infer, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> answer, verdict = infer(problem, engine="importance", seed=1).verdict.headline.split(". ", 1)
        >>> print(verdict)
        The data determine P_Na/P_K; the computation can be trusted, but nothing here can test the model.
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


def findings_of(tree: "xr.DataTree") -> list[Finding]:
    """What a verdict is put in words from: of the data, of the fit, of the draws."""
    return [*_of_data(tree)[0], *misfit_of(tree)[1], *trust_of(tree).findings]


def _of_data(tree: "xr.DataTree") -> tuple[list[Finding], dict[Kind, list[str]]]:
    """What the data say, a conflict with priors first; what is far from its prior is not said again."""
    data, levels = determined_of(tree)
    conflict = conflict_of(tree)
    said = {name for f in conflict for name in f.parameters}
    data = [f for f in data if f.kind != Kind.far_from_prior or not said.issuperset(f.parameters)]
    return [*conflict, *data], levels


def judge(tree: "xr.DataTree") -> Verdict:
    """Judge a result's tree: its chains, what its data determine, and whether its model fits.

    Args:
        tree: as `infer` makes it.

    References:
        Vehtari et al. 2021, Bayesian Anal. 16:667 (R-hat, ESS); Vehtari, Gelman & Gabry 2017, Stat.
        Comput. 27:1413 (PSIS-LOO); Gelman, Meng & Stern 1996, Stat. Sinica 6:733 (predictive checks).
    """
    trust = trust_of(tree)
    data, levels = _of_data(tree)
    conflict = [f for f in data if f.kind == Kind.prior_conflict]
    fits, misfit, fit_numbers = misfit_of(tree)
    why = failure(trust.failed[0], trust.rung, trust.numbers.get("k_hat", 0.0)) if trust.failed else ""
    numbers = trust.numbers | fit_numbers | {"failure": why}
    numbers |= {"conflict": [f.numbers | {"parameters": list(f.parameters)} for f in conflict]}
    numbers |= {"determined": levels[Kind.determined]}
    numbers |= {"undetermined": levels[Kind.barely_touched] + levels[Kind.untouched]}
    but = decisive([*misfit, *conflict], fits=fits)
    numbers |= {"but": DECISIVE[but.kind] if but else ""}
    said = headline(
        usable=trust.usable,
        failure=why,
        but=but,
        levels=levels,
        answer=answer_of(tree),
        reference=reference_ion(tree),
        unused=[*labels_of(tree)],
    )
    of_data, of_fit, of_draws = (tuple(map(say, found)) for found in (data, misfit, trust.findings))
    return Verdict(
        usable=trust.usable,
        fits=fits,
        headline=said,
        data=of_data,
        misfit=of_fit,
        chains=of_draws,
        numbers=numbers,
    )
