"""Error budget: which input's uncertainty drives V_m, and which one the inferred ratios."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...engines.arrays import in_chunks
from ...errors import InputError
from ...inference.infer import infer
from ...inference.result import Result, check_result, posterior_points
from ...problem.problem import Problem
from ...problem.rules import check_unknowns
from ...quantities.names import kind, spoken
from ...reports.document import Picture, Table
from ...reports.provenance import origin
from ...reports.reading import element_draws
from ...reports.study import Study
from ...text import interval, percent, significant
from ..targets import is_ratio, named, sought
from .budget import REST, Budget, budget_of, elements_of
from .figures import budget_figure, slopes_figure, sobol_figure
from .shares import Sobol, sobol_shares
from .slopes import Slopes, mode_slopes, posterior_mode, potential_slopes

_CHUNK = 1024  # points a call of the compiled model
_ROWS, _COLUMNS = 12, 8  # shown of a table by condition
#: What a careful experimenter may be wrong by, in a number taken as known: 5 %, 1 mV, 1 K.
_SLIP = {"e-fold": np.log(1.05), "mV": 1.0, "K": 1.0}


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
    [mV], and d ln x̂/d input of the posterior's mode x̂ by the implicit function theorem, known numbers and
    readings included. *Sobol indices* of V_m over the priors, first and total order.

    Args:
        problem: the problem; without readings only V_m is looked at.
        result: its inference; made here where it is not given.
        targets: elements of the result's table; by default all permeability (or conductance) ratios.
        engine: of the inference made here, as `infer` has it.
        samples: points of the Sobol indices, a power of 2 from 64; the model is run (unknowns + 2) times as often.
        seed: of everything random; the config's by default.
        progress: as `infer` has it.

    Returns:
        The `Study`; `numbers` has ``budgets``, ``potential``, ``mode`` and ``sobol``.

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
    if samples < 64 or samples & (samples - 1):
        raise InputError(f"samples = {samples} is no power of 2 from 64", mend="Give e.g. 2048")
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
    potential = potential_slopes(problem, u)
    sobol = _sobol(problem, samples, seed)
    words = [_limits(problem, b) for b in budgets]
    findings = [
        *words[1:],
        *_slips(problem, budgets, mode),
        *_of_potential(problem, potential, sobol),
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
        tables=tuple(_tables(problem, budgets, potential, mode, sobol)),
        pictures=tuple(_pictures(problem, budgets, potential, sobol)),
        numbers=_numbers(problem, budgets, potential, mode, sobol),
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


# -- V_m over the priors ---------------------------------------------------------------------------


def _sobol(problem: Problem, samples: int, seed: int) -> Sobol:
    with jax.enable_x64(True):

        def predict(x):
            prediction = problem.predict(problem.natural(problem.layout.unravel_sites(x)))
            return jnp.where(prediction.ok, prediction.observables["V_m"], jnp.nan) + jnp.zeros(
                len(problem.first_row)
            )

        dists = [c.site.prior.scipy() for c in problem.layout.coordinates]
        return sobol_shares(lambda x: in_chunks(predict, x.T, _CHUNK).T, dists, n=samples, seed=seed)


# -- words -----------------------------------------------------------------------------------------


def _limits(problem: Problem, b: Budget) -> str:
    """What limits a target, and what knowing it would give."""
    reference = problem.model.setting.reference
    target = spoken(b.target, reference)
    unit = "" if b.unit == "1" else f" {b.unit}"
    is_now = f"{target}, {significant(b.median)}{unit} ({interval(b.low, b.high)}),"
    best = b.shares[0]
    inputs = [s for s in b.shares if s.of_input]
    if best.name == REST or not inputs:
        text = (
            f"What limits {is_now} are the readings themselves, {percent(best.share)} of its variance: "
            "more or better readings help most"
        )
        if inputs:
            s = inputs[0]
            text += f"; of the inputs, {spoken(s.name, reference)} matters most ({percent(s.share)})"
        return text + "."
    s = inputs[0]
    name = spoken(s.name, reference)
    return (
        f"What limits {is_now} is {name.rstrip(',')}: {percent(s.share)} of its variance. Known exactly, it would narrow the "
        f"95 % interval to {interval(s.low, s.high)}{unit}, and the variance by {percent(s.removed)}; "
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


def _of_potential(problem: Problem, potential: Slopes, sobol: Sobol) -> list[str]:
    names, reference = problem.layout.site_names, problem.model.setting.reference
    k = int(np.argmax(sobol.total[0]))
    out = [
        f"Before any reading, V_m in {potential.answers[0]} is uncertain by {significant(sobol.sd[0])} mV (sd), most of it by "
        f"{spoken(names[k], reference)}: {percent(sobol.first[0, k])} alone, {percent(sobol.total[0, k])} with "
        "its interactions."
    ]
    if sobol.lost.max() > 0.001:
        out.append(
            f"In up to {percent(sobol.lost.max(), 1, close=True)} of the prior's points the model has no answer; the indices take V_m "
            "there at the mean of the rest."
        )
    return out


# -- tables, pictures, numbers ---------------------------------------------------------------------


def _tables(problem, budgets: list[Budget], potential: Slopes, mode: Slopes | None, sobol: Sobol):
    reference = problem.model.setting.reference
    yield from (_budget_table(b, reference) for b in budgets)
    if mode is not None and (moved := [b for b in budgets if b.target in mode.answers]):
        yield _mode_table(moved, mode)
    show = _spread_out(len(potential.answers))
    yield Table.of(
        "What V_m answers to, one number at a time",
        ["input", "is", "step", *((potential.answers[c], "mV") for c in show)],
        [
            (i.name, i.kind, _step(i.per, 10), *_ten(potential)[show, k])
            for k in _strongest(potential)
            for i in [potential.inputs[k]]
        ],
        "Of the membrane: what belongs to the electrode moves the reading, not V_m.",
    )
    names = problem.layout.site_names
    order = np.argsort(-sobol.total.max(axis=0))[:_ROWS]
    order = order[sobol.total.max(axis=0)[order] > 5e-4]
    yield Table.of(
        "Share of V_m's prior variance, interactions included (total Sobol index)",
        ["unknown", *((potential.answers[c], "%") for c in show)],
        [(names[k], *(100 * sobol.total[show, k])) for k in order],
        f"95 % intervals are up to ± {percent(sobol.total_error[np.ix_(show, order)].max(), 1)}.",
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
        f"Where the uncertainty of {spoken(b.target, reference)} comes from",
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


def _pictures(problem, budgets: list[Budget], potential: Slopes, sobol: Sobol):
    reference = problem.model.setting.reference
    if budgets:
        shares = [[(s.name, s.share, s.of_input) for s in b.shares] for b in budgets]
        yield Picture.of(
            "budget",
            "Shares of the posterior variance; what is blue could be measured, grey is the readings' own.",
            lambda: budget_figure(shares, [b.target for b in budgets], reference),
        )
    order, show = _strongest(potential), _spread_out(len(potential.answers))
    inputs = [potential.inputs[k] for k in order]
    yield Picture.of(
        "slopes",
        "How far V_m moves in each condition when one number changes and the others stay.",
        lambda: slopes_figure(
            [i.name for i in inputs],
            [_step(i.per, 10) for i in inputs],
            [potential.answers[c] for c in show],
            _ten(potential)[np.ix_(show, order)].T,
            reference,
        ),
    )
    names = problem.layout.site_names
    best = np.argsort(-sobol.total[0])[:_ROWS]
    best = best[(sobol.total[0, best] > 1e-3) | (np.arange(len(best)) == 0)]
    yield Picture.of(
        "sobol",
        "Which unknown makes V_m uncertain before any reading: Sobol indices with 95 % intervals.",
        lambda: sobol_figure(
            [names[k] for k in best],
            (sobol.first[0, best], sobol.first_error[0, best]),
            (sobol.total[0, best], sobol.total_error[0, best]),
            potential.answers[0],
            reference,
        ),
    )


def _step(per: str, percent: int = 1) -> str:
    return f"+{percent} %" if per == "e-fold" else "+1" if per == "1" else f"+1 {per}"


def _ten(potential: Slopes) -> np.ndarray:
    """V_m's change [mV] when a positive number grows by 10 %, or another by 1 of its unit."""
    return potential.values * np.array([np.log(1.1) if i.per == "e-fold" else 1.0 for i in potential.inputs])


def _strongest(potential: Slopes) -> np.ndarray:
    size = np.abs(_ten(potential)).max(axis=0)
    order = np.argsort(-size)[:_ROWS]
    return order[size[order] > 1e-9]


def _spread_out(n: int) -> np.ndarray:
    """Which of n conditions are shown: at most 8, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, _COLUMNS)).round().astype(int))


def _numbers(problem, budgets, potential: Slopes, mode: Slopes | None, sobol: Sobol) -> dict[str, Any]:
    def slopes(s: Slopes) -> dict[str, Any]:
        return {"inputs": [asdict(i) for i in s.inputs], "answers": list(s.answers), "values": s.values}

    names = problem.layout.site_names
    return {
        "budgets": [asdict(b) for b in budgets],
        "potential": slopes(potential),
        "mode": None if mode is None else slopes(mode),
        "sobol": {"names": list(names), "conditions": list(potential.answers)} | sobol._asdict(),
    }
