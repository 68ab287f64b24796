"""What an identification found, in words: which unknowns are determined, and what would help the others."""

from dataclasses import dataclass

from ...engines.information import DETERMINED, Information
from ...inference.answer import Estimate, called
from ...inference.words import gathered
from ...problem.parameters import Site
from ...problem.problem import Problem
from ...quantities.names import kind as kind_of
from ...text import listing, percent

#: Kinds of verdict, best first.
DETERMINES, ONE_SIDE, MEASURED, TOGETHER, NOT = "determined", "one side", "measured", "together", "not"
_MOST = 4  # unknowns that a sentence names


@dataclass(frozen=True)
class Element:
    """One sampled number: where it stands among the coordinates, and what it is to a reader."""

    index: int
    name: str
    unit: str
    site: Site
    noise: bool


@dataclass(frozen=True)
class Finding:
    """What was found of one element.

    Attributes:
        kind: a kind of verdict; `words`, the same in full.
        bound: of one that is determined on one side, ``at most 0.07``.
        best, low, high: in its unit; None where there is no such end within the scanned range.
        removed: share of the prior's variance that the readings remove.
        mend: what would lower its variance most, in words, and `gain`, by which share; '' for a determined one.
    """

    element: Element
    kind: str
    words: str
    bound: str
    best: float | None
    low: float | None
    high: float | None
    scanned: tuple[float, float]
    removed: float
    mend: str
    gain: float


def verdict_words(problem: Problem, findings: list[Finding], plan: bool) -> str:
    """The answer in one sentence, with what the readings by themselves say of each; the noise is left to the table."""
    reference = problem.model.setting.reference or "K"
    said = {f.element.name: _said(f, reference) for f in findings}
    sentence = {
        kind: [f.element.name for f in findings if f.kind == kind and not f.element.noise]
        for kind in (DETERMINES, ONE_SIDE, TOGETHER, NOT)
    }

    def named(kind: str) -> str:
        return listing([said.get(n) or called(n, reference) for n in gathered(sentence[kind])], _MOST)

    n, one = problem.n_readings, problem.n_readings == 1
    who = "This reading" if one else f"These {n} readings"
    if plan:
        who = "This planned reading" if one else f"These {n} planned readings"
        who += " can be expected to"
    verb = (lambda s, p: s) if plan or not one else (lambda s, p: p)
    parts = []
    if sentence[DETERMINES]:
        parts.append(f"{verb('determine', 'determines')} {named(DETERMINES)}")
    if sentence[ONE_SIDE]:
        parts.append(f"{verb('bound', 'bounds')} {named(ONE_SIDE)}")
    if sentence[TOGETHER]:
        parts.append(f"{verb('tell', 'tells')} {named(TOGETHER)} only in combination")
    if sentence[NOT]:
        parts.append(f"{verb('say', 'says')} next to nothing about {named(NOT)}")
    if not parts:
        parts.append(f"{verb('add', 'adds')} little to what was measured beforehand")
    return f"{who} {'; '.join(parts)}."


def _said(f: Finding, reference: str) -> str:
    """An unknown with the 95 % interval that the readings give it, or with the one end of it."""
    if f.kind == DETERMINES and f.best is not None and f.low is not None and f.high is not None:
        return Estimate(f.element.name, f.element.unit, f.best, f.low, f.high, None, f.removed).said(
            reference
        )
    name = called(f.element.name, reference)
    return f"{name} ({f.bound})" if f.kind == ONE_SIDE else name


def sentences(
    problem: Problem, information: Information, findings: list[Finding], *, held: bool, islands: list[str]
) -> list[str]:
    """The rest of it, the most important first.

    Args:
        held: the scatter was held at its prior's median.
        islands: names of what the readings allow a second region of.
    """
    out = []
    for f in findings:
        if f.kind == TOGETHER and not f.element.noise:
            out.append(f"{f.element.name} is determined {f.words}.")
    unanswered = [f for f in findings if f.kind in (ONE_SIDE, TOGETHER, NOT) and not f.element.noise]
    narrowed = [
        f"{f.element.name} ({percent(f.removed, close=True)})" for f in unanswered if f.removed >= 0.5
    ]
    if narrowed:
        out.append(
            f"Together with what was believed before, more than half of the prior's variance goes: {_listing(narrowed)}."
        )
    gains = [f for f in unanswered if f.mend]
    by: dict[str, list[Finding]] = {}
    for f in sorted(gains, key=lambda f: -f.gain):
        by.setdefault(f.mend, []).append(f)
    for mend, group in by.items():
        names = [f"{percent(f.gain, close=True)} of the variance of {f.element.name}" for f in group]
        out.append(f"Most would be gained by {mend}: it would take away {_listing(names)}.")
    idle = [f.element.name for f in unanswered if not f.mend]
    if idle:
        out.append(
            f"Neither more such readings nor any other unknown known twice as well would help with {_listing(idle)}: "
            "it has to be measured itself, or by another kind of experiment."
        )
    few = int((information.eigenvalues >= DETERMINED).sum())
    out.append(
        f"Of {len(information.names)} independent directions the readings decide {few}; the priors decide the rest."
    )
    ratios = [k.name for f in findings if (k := kind_of(f.element.name)).ratio == "rel" and k.is_rate]
    setting = problem.model.setting
    if (
        ratios
        and setting.cell is None
        and all(kind_of(o).what in ("potential", "dye") for o in problem.observables)
    ):
        what = "permeabilities" if ratios[0][0] == "P" else "conductances"
        reference = f"{ratios[0][0]}_{setting.reference or setting.ions[0]}"
        out.append(
            f"A resting potential fixes only ratios of {what}: all are relative to {reference}, whose absolute value no "
            "potential can tell."
        )
    if held:
        out.append(
            "With no more readings than unknowns their scatter cannot be told: it was held at its prior's median."
        )
    if islands:
        out.append(
            f"The readings allow a second region of {_listing(islands)}, beyond the interval given: see the figure."
        )
    return out


def _listing(names: list[str]) -> str:
    """The first few by name."""
    return listing(gathered(names), _MOST)
