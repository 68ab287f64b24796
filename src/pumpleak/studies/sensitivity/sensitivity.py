"""Error budget: which input's uncertainty drives what is read of the membrane, and which one the inferred ratios."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...engines.arrays import in_chunks
from ...errors import InputError
from ...files.room import check_memory
from ...inference.answer import Estimate
from ...inference.infer import infer
from ...inference.result import Result, check_result, posterior_points
from ...problem.problem import Problem
from ...problem.rules import check_unknowns
from ...problem.settings import LIMITS, check_limits
from ...quantities.names import as_read, kind, observable_unit, spoken
from ...reports.document import Picture, Table
from ...reports.provenance import origin
from ...reports.reading import element_draws
from ...reports.study import Study
from ...text import in_unit, interval, percent, significant
from ..targets import is_ratio, named, sought
from .budget import REST, Budget, budget_of, elements_of
from .figures import budget_figure, slopes_figure, sobol_figure
from .shares import Sobol, bytes_of_a_point, sobol_shares
from .slopes import Slopes, answering, membrane_slopes, mode_slopes, posterior_mode

_CHUNK = 1024  # points a call of the compiled model
_ROWS, _COLUMNS = 12, 8  # shown of a table by condition
#: What a careful experimenter may be wrong by, in a number taken as known: 5 %, 1 mV, 1 K.
_SLIP = {"e-fold": np.log(1.05), "mV": 1.0, "K": 1.0}


class Answers(NamedTuple):
    """What moves one thing that the membrane answers with.

    Attributes:
        of, unit: V_m in mV, or what else is read.
        slopes: by its condition.
        sobol: over the priors.
    """

    of: str
    unit: str
    slopes: Slopes
    sobol: Sobol

    @property
    def per(self) -> str:
        """`unit` where numbers follow; blank where there is none."""
        return "" if self.unit == "1" else self.unit


def sensitivity(
    problem: Problem,
    result: Result | None = None,
    *,
    targets: Sequence[str] = (),
    engine: str = "auto",
    samples: int = 2048,
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Which input's uncertainty drives the answer.

    Three looks at the same question. *Budget*: of the posterior variance of ln x, x a ratio, the share that
    each uncertain input is answerable for, 1 − E[Var(ln x | input)]/Var(ln x) shared out by Shapley's rule so that
    correlated inputs' shares and the readings' own sum to 100 %. *Slopes*: ∂V_m/∂input in each condition
    [mV], of what else is read likewise, and d ln x̂/d input of the posterior's mode x̂ by the implicit function theorem, known numbers and
    readings included. *Sobol indices* of the same over the priors, first and total order.

    Args:
        problem: the problem; without readings only what would be read is looked at.
        result: its inference; made here where it is not given.
        targets: elements of the result's table; by default all permeability (or conductance) ratios.
        engine: of the inference made here, as `infer` has it.
        samples: points of the Sobol indices, a power of 2 from 64; the model is run (unknowns + 2) times as often.
        seed: of everything random; the config's by default.
        progress: as `infer` has it.

    Returns:
        The `Study`; `numbers` has ``budgets`` and ``mode``, and of V_m, or of what is read in its place, ``of``, ``unit``,
        ``potential`` (slopes) and ``sobol``; of what else is read the same in the list ``others``.

    Raises:
        InputError: nothing is uncertain, there is no such target, `samples` is no power of 2, or as `infer`.

    References:
        Saltelli et al. 2010, Comput. Phys. Commun. 181:259 (Sobol); Owen & Prieur 2017, SIAM/ASA J. Uncertainty
        Quantif. 5:986, doi 10.1137/16M1097717 (Shapley).

    Example:
        >>> from pumpleak import load_dataset, lognormal, make_problem, sensitivity
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> study = sensitivity(problem, engine="importance", samples=64, seed=1)
        >>> study.verdict.rpartition(": ")[2]
        'more or better readings help most.'
    """
    check_unknowns(problem, "nothing is uncertain", mend="Give one a prior, or `± sd`, and ask again")
    check_limits(samples=samples, **({} if seed is None else {"seed": seed}))
    if samples & (samples - 1):
        raise InputError(f"samples = {samples} is no power of 2 from 64", mend="Give e.g. 2048")
    check_memory(
        "samples = {}",
        samples,
        bytes_of_a_point(problem.dimension, len(problem.first_row)),
        least=LIMITS["samples"][0],
        rounded=lambda x: 1 << (int(x).bit_length() - 1),
        mend="Give at most {} samples",
    )
    seed = problem.seed if seed is None else seed
    chosen = _targets(problem, targets)
    reference = problem.model.setting.reference
    budgets, mode, trusted, no_mode = [], None, True, []
    if problem.n_readings:
        if result is None:
            result = infer(problem, engine=engine, seed=seed, progress=progress)
        check_result(problem, result)
        draws = element_draws(result.tree["posterior"])
        budgets = [budget_of(problem, draws, t) for t in chosen]
        trusted = result.verdict.usable
        try:
            u, H = posterior_mode(problem, seed=seed)
            mode = mode_slopes(problem, u, H)
        except InputError as e:
            u = np.median(posterior_points(problem, result), axis=0)
            no_mode = [f"How the likeliest value moves cannot be said: {e.problem}."]
    elif targets or result is not None:
        raise InputError("there is no reading that a ratio could be inferred from", mend="Leave targets out")
    else:
        u = np.zeros(problem.dimension)  # the priors' medians
    answers = [
        Answers(of, observable_unit(of), membrane_slopes(problem, u, of), _sobol(problem, of, samples, seed))
        for of in answering(problem)
    ]
    words = [_limits(problem, b) for b in budgets]
    findings = [
        *words[1:],
        *_slips(problem, budgets, mode),
        *(line for a in answers for line in _of_membrane(problem, a)),
        *no_mode,
    ]
    findings += [
        f"Knowing an input of {spoken(b.target, reference)} acts on more than its mean (regression curves by "
        f"{percent(b.bent)} of the variance): trust the column of what goes before the shares."
        for b in budgets
        if b.bent > 0.1
    ]
    caveat = "" if trusted else "The posterior cannot be trusted yet, and neither can these shares of it. "
    return Study(
        verb="sensitivity",
        title=problem.title,
        verdict=caveat + (words[0] if words else findings.pop(0)),
        findings=tuple(findings),
        tables=tuple(_tables(problem, budgets, answers, mode)),
        pictures=tuple(_pictures(problem, budgets, answers)),
        numbers=_numbers(problem, budgets, answers, mode),
        trusted=trusted,
        origins=(origin(problem, seed),),
    )


# -- the targets -------------------------------------------------------------------------------------


def _targets(problem: Problem, targets: Sequence[str]) -> list[str]:
    """Names of the elements asked about; by default the ratios, a pooled one by its outermost population."""
    known = elements_of(problem)
    if targets:
        return named(targets, known)
    found = sought(problem, is_ratio, lambda q: kind(q).ratio == "rel")
    names = [[f"{p.name}_mean"] if p.spread is not None else p.element_names for p in found]
    return [n for group in names for n in group][:6] or [next(iter(known))]


# -- the membrane over the priors ------------------------------------------------------------------


def _sobol(problem: Problem, of: str, samples: int, seed: int) -> Sobol:
    with jax.enable_x64(True):

        def predict(x):
            prediction = problem.predict(problem.natural(problem.layout.unravel_sites(x)))
            return jnp.where(prediction.ok, prediction.observables[of], jnp.nan) + jnp.zeros(
                len(problem.first_row)
            )

        dists = [c.site.prior.scipy() for c in problem.layout.coordinates]
        return sobol_shares(lambda x: in_chunks(predict, x.T, _CHUNK).T, dists, n=samples, seed=seed)


# -- words -----------------------------------------------------------------------------------------


def _limits(problem: Problem, b: Budget) -> str:
    """A target with its interval, what limits it, and what knowing that would give."""
    reference = problem.model.setting.reference or "K"
    unit, shift = as_read(b.target, b.unit)
    unit = "" if unit == "1" else f" {unit}"
    said = Estimate(b.target, b.unit, b.median, b.low, b.high, None, 0.0).said(reference)
    best = b.shares[0]
    inputs = [s for s in b.shares if s.of_input]
    if best.name == REST or not inputs:
        text = (
            f"{said} is limited by the readings themselves, {percent(best.share)} of its variance: "
            "more or better readings help most"
        )
        if inputs:
            s = inputs[0]
            text += f"; of the inputs, {spoken(s.name, reference)} matters most ({percent(s.share)})"
        return text + "."
    s = inputs[0]
    name = spoken(s.name, reference)
    return (
        f"{said} is limited by {name.rstrip(',')}: {percent(s.share)} of its variance. Known exactly, it would narrow the "
        f"95 % interval to {interval(s.low + shift, s.high + shift)}{unit}, and the variance by {percent(s.removed)}; "
        f"the readings account for {percent(next(x.share for x in b.shares if x.name == REST))}."
    )


def _slips(problem: Problem, budgets: list[Budget], mode: Slopes | None) -> list[str]:
    """What an error would do in a number that was taken as known."""
    out = []
    for b in budgets[:2]:
        if mode is None or b.target not in mode.answers or not b.log:
            continue
        row = mode.values[mode.answers.index(b.target)]
        known = [
            (abs(v) * _SLIP[i.per], v * _SLIP[i.per], i)
            for v, i in zip(row, mode.inputs, strict=True)
            if i.kind == "known" and i.per in _SLIP and kind(i.name).ratio != "scale"
        ]
        if not known:
            continue
        _, move, i = max(known, key=lambda k: k[0])
        slip = "5 %" if i.per == "e-fold" else f"1 {i.per}"
        out.append(
            f"Of what was taken as exactly known, {i} matters most: an error of {slip} in it would move "
            f"{spoken(b.target, problem.model.setting.reference)} by {significant(100 * np.expm1(move), 2, sign=True)} %, which is "
            f"{significant(abs(move) / b.sd, 2)} of its posterior sd."
        )
    return out


def _of_membrane(problem: Problem, a: Answers) -> list[str]:
    names, reference, sobol = problem.layout.site_names, problem.model.setting.reference, a.sobol
    k = int(np.argmax(sobol.total[0]))
    where = a.slopes.answers[0]
    out = [
        f"Before any reading, {a.of} in {where} is uncertain by {in_unit(significant(sobol.sd[0]), a.unit)} (sd), most of it by "
        f"{spoken(names[k], reference).rstrip(',')}: {percent(sobol.first[0, k])} alone, {percent(sobol.total[0, k])} with "
        "its interactions."
        if sobol.sd[0] > 0
        else f"Before any reading, {a.of} in {where} is known: nothing that is uncertain moves it."
    ]
    if sobol.lost.max() > 0.001:
        out.append(
            f"In up to {percent(sobol.lost.max(), 1, close=True)} of the prior's points the model has no answer; the indices take "
            f"{a.of} there at the mean of the rest."
        )
    return out


# -- tables, pictures, numbers ---------------------------------------------------------------------


def _tables(problem, budgets: list[Budget], answers: list[Answers], mode: Slopes | None):
    reference = problem.model.setting.reference
    yield from (_budget_table(b, reference) for b in budgets)
    if mode is not None and (moved := [b for b in budgets if b.target in mode.answers]):
        yield _mode_table(moved, mode)
    for a in answers:
        yield _slopes_table(a)
        yield from _sobol_table(problem, a)


def _slopes_table(a: Answers) -> Table:
    show = _spread_out(len(a.slopes.answers))
    electrode = "Of the membrane: what belongs to the electrode moves the reading, not V_m."
    return Table.of(
        f"What {a.of} answers to, one number at a time",
        ["input", "is", "step", *((a.slopes.answers[c], a.per) for c in show)],
        [
            (i.name, i.kind, _step(i.per, 10), *_ten(a.slopes)[show, k])
            for k in _strongest(a.slopes)
            for i in [a.slopes.inputs[k]]
        ],
        electrode if a.of == "V_m" else "",
    )


def _sobol_table(problem: Problem, a: Answers):
    names, show, total = problem.layout.site_names, _spread_out(len(a.slopes.answers)), a.sobol.total
    order = np.argsort(-total.max(axis=0))[:_ROWS]
    order = order[total.max(axis=0)[order] > 5e-4]
    if not order.size:
        return
    yield Table.of(
        f"Share of {a.of}'s prior variance, interactions included (total Sobol index)",
        ["unknown", *((a.slopes.answers[c], "%") for c in show)],
        [(names[k], *(100 * total[show, k])) for k in order],
        f"95 % intervals are up to ± {percent(a.sobol.total_error[np.ix_(show, order)].max(), 1)}.",
    )


def _budget_table(b: Budget, reference: str) -> Table:
    unit = "" if b.unit == "1" else b.unit
    rows = [
        (s.name, s.known, 100 * s.share, 100 * s.error, round(100 * s.removed, 6) + 0.0, s.low, s.high)
        for s in b.shares
    ]
    note = (
        f"Now {interval(b.low, b.high)}. Shares of the variance of "
        f"{'ln ' if b.log else ''}{b.target} add up to 100 %."
    )
    if b.together:
        note += f" Others: {', '.join(b.together)}."
    return Table.of(
        f"Where the uncertainty of {spoken(b.target, reference).rstrip(',')} comes from",
        [
            "input",
            "what is known of it",
            ("share", "%"),
            ("±", "%"),
            ("variance that goes if known", "%"),
            ("2.5 % then", unit),
            ("97.5 % then", unit),
        ],
        rows,
        note,
    )


def _mode_table(budgets: list[Budget], mode: Slopes) -> Table:
    """Of targets that are among the mode's answers: by how much [%, or their unit] a step of each input moves them."""
    steps = np.array([0.01 if i.per == "e-fold" else 1.0 for i in mode.inputs])
    moves = mode.values[[mode.answers.index(b.target) for b in budgets]] * steps
    moves = moves * np.where([b.log for b in budgets], 100.0, 1.0)[:, None]
    order = np.argsort(-np.abs(moves).max(axis=0))[: 2 * _ROWS]
    return Table.of(
        "How far the likeliest value moves with each number that went in",
        [
            "input",
            "is",
            "step",
            *((b.target, "%" if b.log else "" if b.unit == "1" else b.unit) for b in budgets),
        ],
        [
            (str(mode.inputs[i]), mode.inputs[i].kind, _step(mode.inputs[i].per), *moves[:, i])
            for i in order
            if np.abs(moves[:, i]).max() > 0
        ],
        "Per 1 %, this is the elasticity d ln x/d ln input.",
    )


def _pictures(problem, budgets: list[Budget], answers: list[Answers]):
    reference = problem.model.setting.reference
    if budgets:
        shares = [[(s.name, s.share, s.of_input) for s in b.shares] for b in budgets]
        yield Picture.of(
            "budget",
            "Shares of the posterior variance; what is blue could be measured, grey is the readings' own.",
            lambda: budget_figure(shares, [b.target for b in budgets], reference),
        )
    for k, a in enumerate(answers):
        yield from _pictures_of(problem, a, f"_{a.of}" if k else "")


def _pictures_of(problem: Problem, a: Answers, suffix: str):
    reference, potential, sobol = problem.model.setting.reference, a.slopes, a.sobol
    order, show = _strongest(potential), _spread_out(len(potential.answers))
    inputs = [potential.inputs[k] for k in order]
    if order.size:
        yield Picture.of(
            f"slopes{suffix}",
            f"How far {a.of} moves in each condition when one number changes and the others stay.",
            lambda: slopes_figure(
                [i.name for i in inputs],
                [_step(i.per, 10) for i in inputs],
                [potential.answers[c] for c in show],
                _ten(potential)[np.ix_(show, order)].T,
                (a.of, a.per),
                reference,
            ),
        )
    names = problem.layout.site_names
    best = np.argsort(-sobol.total[0])[:_ROWS]
    best = best[(sobol.total[0, best] > 1e-3) | (np.arange(len(best)) == 0)]
    yield Picture.of(
        f"sobol{suffix}",
        f"Which unknown makes {a.of} uncertain before any reading: Sobol indices with 95 % intervals.",
        lambda: sobol_figure(
            [names[k] for k in best],
            (sobol.first[0, best], sobol.first_error[0, best]),
            (sobol.total[0, best], sobol.total_error[0, best]),
            (a.of, potential.answers[0]),
            reference,
        ),
    )


def _step(per: str, percent: int = 1) -> str:
    return f"+{percent} %" if per == "e-fold" else "+1" if per == "1" else f"+1 {per}"


def _ten(potential: Slopes) -> np.ndarray:
    """The change [its unit] when a positive number grows by 10 %, or another by 1 of its unit."""
    return potential.values * np.array([np.log(1.1) if i.per == "e-fold" else 1.0 for i in potential.inputs])


def _strongest(potential: Slopes) -> np.ndarray:
    size = np.abs(_ten(potential)).max(axis=0)
    order = np.argsort(-size)[:_ROWS]
    return order[size[order] > 1e-9]


def _spread_out(n: int) -> np.ndarray:
    """Which of n conditions are shown: at most 8, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, _COLUMNS)).round().astype(int))


def _numbers(problem, budgets, answers: list[Answers], mode: Slopes | None) -> dict[str, Any]:
    def slopes(s: Slopes) -> dict[str, Any]:
        return {"inputs": [asdict(i) for i in s.inputs], "answers": list(s.answers), "values": s.values}

    names = list(problem.layout.site_names)
    first, *others = (
        {
            "of": a.of,
            "unit": a.unit,
            "potential": slopes(a.slopes),
            "sobol": {"names": names, "conditions": list(a.slopes.answers)} | a.sobol._asdict(),
        }
        for a in answers
    )
    mode_numbers = None if mode is None else slopes(mode)
    return {"budgets": [asdict(b) for b in budgets], "mode": mode_numbers} | first | {"others": others}
