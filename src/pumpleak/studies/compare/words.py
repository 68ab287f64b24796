"""What a comparison of models found, in words: who survives, who does not and where it fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...text import counted, fixed, in_unit, interval, listing, percent, significant
from .equivalence import Equivalence
from .refits import Refit

NATS = "nats"
LEAST = 4.0  # nats: below, a difference means nothing, whatever its standard error (Sivula et al. 2020)
_ALL = 0.995  # of the weight
_ALONE = 0.95  # of the weight: an average is then one model's answer
_FEW = 30  # readings below which a standard error is itself a guess


@dataclass(frozen=True)
class Rival:
    """One model, looked at on its own.

    Attributes:
        name: as given.
        usable, fits: by the verdict on its posterior; `misfit` says more.
        elpd, elpd_se, p_loo: leave-one-out [nats, nats, 1].
        elpd_error: numerical error of elpd [nats]; NaN where readings that share a condition are left out by PSIS.
        k_hat: the largest of PSIS; refitted: how many readings were left out exactly.
        log_evidence, log_evidence_se: [nats].
        largest_p: posterior predictive p of the largest standardised residual.
        folds: the refit without each condition.
        scattered: it fits only with scatter beyond the standard errors.
    """

    name: str
    usable: bool
    fits: bool
    misfit: tuple[str, ...]
    elpd: float
    elpd_se: float
    p_loo: float
    elpd_error: float
    k_hat: float
    refitted: int
    log_evidence: float
    log_evidence_se: float
    largest_p: float
    folds: tuple[Refit, ...]
    scattered: bool

    @property
    def worst(self) -> int:
        """The condition it predicts worst from the others."""
        return int(np.argmax([abs(f.z) for f in self.folds]))

    def failing(self, labels: Sequence[str]) -> str:
        """Where it fails, in words."""
        f = self.folds[self.worst]
        number = _number if f.unit == "mV" else partial(significant, digits=2)
        off, sd = (in_unit(number(x), f.unit) for x in (abs(f.read - f.expected), f.sd))
        return (
            f"at '{labels[self.worst]}' it is {off} off (read {significant(f.read)}, expected from the "
            f"other conditions {significant(f.expected)} ± {sd})"
        )


@dataclass(frozen=True)
class Standing:
    """A model, with those that are the same under other names, and how far it is behind the best.

    Attributes:
        rivals: the models that are one, by elpd.
        diff, diff_se: its elpd less the best's [nats]; 0 and 0 of the best.
        weight: by stacking.
    """

    rivals: tuple[Rival, ...]
    diff: float
    diff_se: float
    weight: float

    @property
    def head(self) -> Rival:
        """The one that stands for all that are the same."""
        return self.rivals[0]

    @property
    def name(self) -> str:
        """All their names, as ``a = b``."""
        return " = ".join(r.name for r in self.rivals)

    @property
    def worse(self) -> bool:
        """Clearly worse than the best: by more than 4 nats and two standard errors."""
        return -self.diff > max(LEAST, 2 * self.diff_se)

    @property
    def survives(self) -> bool:
        """Whether neither the ranking nor its own predictive check speaks against it."""
        return self.head.fits and not self.worse

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        rivals = []
        for r in self.rivals:
            own = {k: v for k, v in vars(r).items() if k not in ("folds", "misfit")}
            rivals.append(own | {"folds": [vars(f) | {"z": f.z} for f in r.folds]})
        return {
            "names": [r.name for r in self.rivals],
            "elpd_diff": self.diff,
            "elpd_diff_se": self.diff_se,
            "weight": self.weight,
            "worse": self.worse,
            "rivals": rivals,
        }


def _number(x: float) -> str:
    return fixed(x, 0 if abs(x) >= 10 else 1)


def _behind(s: Standing) -> str:
    return f"{_number(-s.diff)} ± {_number(s.diff_se)} nats"


def _lead(standings: Sequence[Standing]) -> str:
    """By how much the best model is favoured over the next."""
    best, second, *_ = standings
    if second.worse:
        nearest = ", the next best," if len(standings) > 2 else ""
        return f"{best.name} is favoured over {second.name}{nearest} by {_behind(second)} (elpd)."
    return f"{best.name} and {second.name} are {_behind(second)} apart (elpd)."


def verdict(standings: Sequence[Standing], labels: Sequence[str], answer: str = "") -> str:
    """The answer in a sentence or two.

    Args:
        standings: of all models, the best first.
        labels: of the conditions.
        answer: the ratios by the best model, with their intervals.
    """
    best, *others = standings
    alive = [s for s in standings if s.survives]
    out = []
    if names := [r.name for s in standings for r in s.rivals if not r.usable]:
        out.append(f"Do not rely on this comparison: the posterior of {listing(names)} cannot be used.")
    elif others:
        out.append(_lead(standings))
    if not others:
        word = "fits" if best.head.fits else "does not fit"
        out.append(
            f"{listing([r.name for r in best.rivals])} are one model under different names, which no reading of this "
            f"kind can tell apart; it {word} these data."
        )
        return " ".join([*out, *_by(best, answer)])
    if not any(s.head.fits for s in standings):
        out.append(
            f"None of these models fits the data. {best.name} comes closest, but {best.head.failing(labels)}."
        )
    elif not alive:
        out.append(
            f"No model survives: {best.name} predicts best, but {best.head.failing(labels)}; what fits, "
            f"{listing([s.name for s in others if s.head.fits])}, predicts clearly worse."
        )
    elif len(alive) == 1:
        gone = listing([s.name for s in standings if s not in alive])
        out.append(f"The data support {alive[0].name}, and speak against {gone}.")
    else:
        out.append(f"These data cannot decide between {listing([s.name for s in alive])}.")
        if gone := [s.name for s in standings if s not in alive]:
            out.append(f"They speak against {listing(gone)}.")
    return " ".join([*out, *_by(best, answer)])


def _by(best: Standing, answer: str) -> list[str]:
    return [f"By {best.head.name} {answer}."] if answer and best.head.fits else []


def findings(
    standings: Sequence[Standing],
    labels: Sequence[str],
    same: Sequence[Equivalence],
    averages: dict[str, dict[str, Any]],
) -> list[str]:
    """The rest, the most important first."""
    best, *others = standings
    out = [e.words() for e in same]
    if not best.head.fits and any(s.survives for s in others):
        out.append(
            f"{best.name} predicts best, by less than a difference has to be, but fails its own predictive check: "
            f"{best.head.failing(labels)}."
        )
    for s in others:
        out += [_beside_best(s, best, labels), *_one_condition(s, best, labels)]
    if scattered := [r.name for s in standings for r in s.rivals if r.scattered]:
        one = len(scattered) == 1
        out.append(
            f"{listing(scattered)} {'needs' if one else 'need'} scatter beyond the standard errors: "
            f"something {'it leaves' if one else 'they leave'} out moves the readings."
        )
    if others:
        out += _evidence(standings)
        out.append(
            f"Stacking gives {listing([f'{s.name} {percent(s.weight, close=True)}' for s in standings])} of the weight."
        )
    out += [_average(name, a, standings) for name, a in averages.items()]
    if others and not averages:
        out.append(
            "No ratio is averaged: no two models that carry most of the weight have one in common as a single number."
        )
    return out + _cautions(standings)


def _beside_best(s: Standing, best: Standing, labels: Sequence[str]) -> str:
    """How a model stands to the best one."""
    where = s.head.failing(labels)
    if s.worse:
        return f"{s.name} predicts readings it has not seen worse than {best.name}, by {_behind(s)}; {where}."
    if not s.head.fits:
        return f"{s.name} fails its own predictive check: {where}. It is {_behind(s)} behind {best.name}."
    why = (
        "less than the 4 nats from which a difference begins to mean something"
        if -s.diff <= LEAST
        else "less than two standard errors"
    )
    return f"{s.name} is {_behind(s)} behind {best.name}: {why}."


def _average(name: str, a: dict[str, Any], standings: Sequence[Standing]) -> str:
    """A ratio averaged over the models; and whether that is one model's answer where several survive."""
    some = f"the models that have it ({percent(a['share'])} of the weight)"
    text = (
        f"Averaged over {'the models' if a['share'] > _ALL else some}, {name} = {significant(a['median'], 2)} "
        f"({interval(a['low'], a['high'], 2)}, 95 %)"
    )
    heaviest = max(a["weights"], key=lambda m: a["weights"][m])
    alive = [r.name for s in standings if s.survives for r in s.rivals if r.name in a["models"]]
    if a["weights"][heaviest] > _ALONE and len(alive) > 1:
        medians = [a["models"][m][1] for m in alive]
        text += (
            f", which is {heaviest}'s alone: all of the stacking weight is its. The medians of the models that survive "
            f"lie between {significant(min(medians), 2)} and {significant(max(medians), 2)}"
        )
    return text + "."


def _cautions(standings: Sequence[Standing]) -> list[str]:
    """What to read the numbers with care for: few readings, refits that failed."""
    out = []
    n = sum(len(f.left_out) for f in standings[0].head.folds)
    if n < _FEW and len(standings) > 1:
        out.append(
            f"With {counted(n, 'reading')} a standard error of a difference is rough; differences below {fixed(LEAST, 0)} nats count as none."
        )
    lost = [r.name for s in standings for r in s.rivals if not all(f.usable for f in r.folds)]
    if lost:
        out.append(
            f"Some refits of {listing(lost)} did not pass their engine's gate; read their numbers with care."
        )
    return out


def _one_condition(s: Standing, best: Standing, labels: Sequence[str]) -> list[str]:
    """Says so where a difference that might count hangs on one condition."""
    d = np.array([a.elpd - b.elpd for a, b in zip(s.head.folds, best.head.folds, strict=True)])
    worst = int(np.argmin(d))
    if len(d) < 2 or -s.diff <= LEAST or -d[worst] < 0.8 * -d[d < 0].sum():
        return []
    return [
        f"Nearly all of what separates {s.name} from {best.name} is '{labels[worst]}' ({_number(-d[worst])} nats)."
    ]


def _evidence(standings: Sequence[Standing]) -> list[str]:
    heads = [s.head for s in standings if np.isfinite(s.head.log_evidence)]
    if len(heads) < 2:
        return []
    a, b, *_ = sorted(heads, key=lambda r: -r.log_evidence)
    by = a.log_evidence - b.log_evidence
    tail = "too little to mean much" if by < np.log(20) else "which hangs on the priors too"
    agree = (
        "Evidence agrees with the ranking" if a is standings[0].head else "By evidence the order is another"
    )
    return [f"{agree}: {a.name} before {b.name} by {_number(by)} nats, {tail}."]
