"""What a design found, in words, tables and numbers."""

from typing import Any, NamedTuple

import numpy as np

from ...inference.answer import Estimate
from ...problem.problem import Problem
from ...quantities.names import spoken
from ...quantities.units import split_unit
from ...reports.document import Picture, Table
from ...reports.provenance import origin
from ...reports.study import Study
from ...text import fixed, listing, percent, significant
from .candidates import Candidate
from .continuous import Continuous
from .figures import candidates_figure, sequence_figure
from .gain import Gain

_SHOWN = 20  # candidates in the table
_APART = 0.15  # nats from which the normal rule is said to be off
_ALIKE = 2.0  # standard errors within which two candidates cannot be told apart


class Ranked(NamedTuple):
    """What was found of the candidates, for words, tables and figures.

    Attributes:
        candidates: C of them.
        first: what each gives by itself.
        D, A: (C,) the normal approximation: nats, and the mean share of the targets' variance that is left.
        sequence: chosen one after another: (candidate, the `Gain` of all so far).
        targets: names of what is to be learnt.
        now: what is known of each now.
        ladder_of: what that ladder is in, e.g. ``K_o``; "" without one.
        ladder_D, chosen_D: of a ladder of as many rows, and of the sequence [nats]; NaN without a ladder.
        continuous: the jointly optimised ladder, if any.
        left_out: (label, reason).
    """

    candidates: list[Candidate]
    first: Gain
    D: np.ndarray
    A: np.ndarray
    sequence: list[tuple[int, Gain]]
    targets: tuple[str, ...]
    now: tuple[Estimate, ...]
    ladder_of: str
    ladder_D: float
    chosen_D: float
    continuous: Continuous | None
    left_out: list[tuple[str, str]]


def study_of(problem: Problem, found: Ranked, *, trusted: bool, seed: int) -> Study:
    """The `Study` of a design; `trusted`: whether the posterior that its gains start from is."""
    caveat = (
        "" if trusted else "The posterior these gains start from is not to be trusted yet (see `infer`). "
    )
    return Study(
        verb="design",
        title=problem.title,
        verdict=caveat + _verdict(problem, found),
        findings=tuple(_findings(problem, found)),
        tables=tuple(_tables(problem, found)),
        pictures=tuple(_pictures(problem, found)),
        numbers=_numbers(found),
        trusted=trusted,
        origins=(origin(problem, seed),),
    )


def _width(gain: float, p: int) -> str:
    """An interval's width afterwards, by the normal rule: e^(−nats/p) of what it is."""
    return percent(np.exp(-max(gain, 0.0) / p))


def _about(problem: Problem, found: Ranked) -> str:
    names = [spoken(n, problem.model.setting.reference) for n in found.targets]
    return listing(names)


def _now(problem: Problem, found: Ranked) -> str:
    """The targets, with what is known of them now."""
    reference = problem.model.setting.reference or "K"
    return listing([e.said(reference) for e in found.now], 3)


def _verdict(problem: Problem, found: Ranked) -> str:
    p, label = len(found.targets), [c.label for c in found.candidates]
    (c, gain), *rest = found.sequence
    interval = "the 95 % interval" if p == 1 else "the 95 % intervals"
    text = (
        f"Measure next: {label[c]}. It is expected to narrow {interval} of {_now(problem, found)} to about "
        f"{_width(gain.value[c], p)} of the present width ({fixed(gain.value[c], 2)} ± {fixed(gain.error[c], 2)} nats)."
    )
    if rest:
        last, total = rest[-1]
        then = ", then ".join(label[k] for k, _ in rest)
        text += f" After that: {then}; together {_width(total.value[last], p)}."
    return text


def _findings(problem: Problem, found: Ranked):
    best = found.sequence[0][0]
    p, label = len(found.targets), [c.label for c in found.candidates]
    difference = found.first.blocks[:, [best]] - found.first.blocks
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    close = [
        label[k]
        for k in np.argsort(-found.first.value)
        if k != best and difference[:, k].mean() < max(_ALIKE * error[k], 0.01)
    ]
    if close:
        more = f" and {len(close) - 4} more" if len(close) > 4 else ""
        yield f"As good, within the error: {', '.join(close[:4])}{more}."
    worst = int(np.argmin(found.first.value))
    if len(label) > 1:
        yield (
            f"Least is to be had from {label[worst]}: the interval would keep "
            f"{_width(max(found.first.value[worst], 0.0), p)} of its width."
        )
    if np.isfinite(found.ladder_D):
        n = len(found.sequence)
        these, ladder, best = (
            (f"these {n} give", f"a uniform ladder of {n}", f"the best {n} concentrations found together")
            if n > 1
            else ("this gives", "the middle of a ladder", "the best concentration")
        )
        yield (
            f"By the normal rule {these} {fixed(found.chosen_D, 2)} nats, {ladder} in {found.ladder_of} {fixed(found.ladder_D, 2)}"
            + (
                f", and {best}, {', '.join(significant(x) for x in found.continuous.values)} mM, "
                f"{fixed(found.continuous.D, 2)}."
                if found.continuous is not None
                else "."
            )
        )
    apart = np.abs(found.D - found.first.value)
    if apart.max() > _APART:
        k = int(apart.argmax())
        g = found.first
        sure = apart[k] > (g.high[k] - g.low[k]) / 2 + 2 * g.error[k]
        yield (
            f"The normal rule is {fixed(apart[k], 2)} nats off for {label[k]}: what is known now is not normal there. "
            "Trust the gain, and the ladder found by that rule less."
            if sure
            else f"The gain of {label[k]} is known only between {fixed(g.low[k], 2)} and {fixed(g.high[k], 2)} nats; by the normal rule "
            f"it is {fixed(found.D[k], 2)}."
        )
    c, total = found.sequence[-1]
    if total.high[c] - total.low[c] > 0.2:
        yield (
            f"The gain of the whole sequence is known only between {fixed(total.low[c], 2)} and {fixed(total.high[c], 2)} nats: "
            "that much information is hard to count."
        )
    if found.left_out:
        some = "; ".join(f"{name} ({why})" for name, why in found.left_out[:5])
        yield f"Left out: {some}{'; …' if len(found.left_out) > 5 else ''}."


def _tables(problem: Problem, found: Ranked):
    p, g = len(found.targets), found.first
    order = np.argsort(-g.value)[:_SHOWN]
    yield Table.of(
        f"What each is expected to say of {_about(problem, found).rstrip(',')}",
        [
            "candidate",
            ("gain", "nats"),
            ("±", "nats"),
            ("at least", "nats"),
            ("at most", "nats"),
            "cost",
            ("gain by normal rule", "nats"),
            ("width kept", "%"),
            ("variance kept (A)", "%"),
        ],
        [
            (
                found.candidates[k].label,
                g.value[k],
                g.error[k],
                g.low[k],
                g.high[k],
                found.candidates[k].cost,
                found.D[k],
                100 * np.exp(-max(g.value[k], 0.0) / p),
                100 * found.A[k],
            )
            for k in order
        ],
        "Gain: expected information about the targets. Bounds are those of nested Monte Carlo, in expectation; "
        "approximate where they start from a posterior's draws, whose own error ± leaves out, or a target's nuisances. A gain below 0 is their error about none."
        + (f" The best {_SHOWN} of {len(g.value)}; study.json has all." if len(g.value) > _SHOWN else ""),
    )
    rows, before = [], 0.0
    for step, (k, gain) in enumerate(found.sequence, start=1):
        total = gain.value[k]
        rows.append(
            (step, found.candidates[k].label, total - before, total, gain.error[k], 100 * np.exp(-total / p))
        )
        before = total
    yield Table.of(
        "One after another: what adds most, given those before",
        ["step", "take", ("adds", "nats"), ("together", "nats"), ("±", "nats"), ("width kept", "%")],
        rows,
    )


def _pictures(problem: Problem, found: Ranked):
    g = found.first
    x, along = _ladder_of(found.candidates)
    yield Picture.of(
        "candidates",
        "Expected information about the targets from each candidate by itself; bars are two standard errors.",
        lambda: candidates_figure(
            [c.label for c in found.candidates],
            x,
            along,
            g.value,
            g.error,
            found.D,
            {k for k, _ in found.sequence},
        ),
    )
    values = [gain.value[k] for k, gain in found.sequence]
    yield Picture.of(
        "sequence",
        "What the recommended measurements are expected to give one after another.",
        lambda: sequence_figure(
            [found.candidates[k].label for k, _ in found.sequence],
            values,
            [gain.error[k] for k, gain in found.sequence],
            found.ladder_D,
            len(found.targets),
        ),
    )


def _ladder_of(candidates: list[Candidate]) -> tuple[np.ndarray, str]:
    """What the commonest first column of the candidates' baths says of each, NaN elsewhere; and its name."""
    first = [next(iter(c.row), "") for c in candidates]
    column = max(filter(None, first), key=first.count, default="")
    values = [
        c.row[column] if f == column and column else np.nan for f, c in zip(first, candidates, strict=True)
    ]
    numbers = all(isinstance(v, (int, float)) and (v > 0 or v != v) for v in values)
    return np.array(values if numbers else [np.nan] * len(values), float), split_unit(column)[0]


def _numbers(found: Ranked) -> dict[str, Any]:
    g = found.first
    return {
        "targets": list(found.targets),
        "candidates": [
            {
                "label": c.label,
                "row": dict(c.row),
                "observable": c.observable,
                "sem": c.sem,
                "cost": c.cost,
                "gain": g.value[k],
                "gain_se": g.error[k],
                "low": g.low[k],
                "high": g.high[k],
                "D": found.D[k],
                "A": found.A[k],
            }
            for k, c in enumerate(found.candidates)
        ],
        "sequence": [
            {
                "candidate": k,
                "label": found.candidates[k].label,
                "gain": gain.value[k],
                "gain_se": gain.error[k],
                "low": gain.low[k],
                "high": gain.high[k],
            }
            for k, gain in found.sequence
        ],
        "ladder": {"D": found.ladder_D, "sequence_D": found.chosen_D},
        "continuous": None if found.continuous is None else found.continuous._asdict(),
        "left_out": [{"label": name, "reason": why} for name, why in found.left_out],
    }
