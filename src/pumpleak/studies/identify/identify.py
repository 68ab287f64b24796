"""Identification: what these data, or a planned experiment, can determine; and what would change that most cheaply."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ...engines.fisher import expected_information, fisher_information
from ...engines.information import DETERMINED, Information
from ...problem.build import make_problem
from ...problem.causes import no_answer
from ...problem.parameters import is_noise
from ...problem.populations import Marginal, marginal
from ...problem.problem import Problem
from ...problem.rules import check_problem, check_unknowns
from ...problem.settings import check_limits
from ...quantities.names import as_read
from ...reports.document import Picture, Table, unit_label
from ...reports.provenance import origin
from ...reports.study import Study
from ...text import interval, percent, significant
from ...traced import program
from .figures import plot_profiles
from .profiles import RANGE, Profile, best_points, held_noise, likelihood_of, profile
from .words import DETERMINES, MEASURED, NOT, ONE_SIDE, TOGETHER, Element, Finding, sentences, verdict_words

if TYPE_CHECKING:
    from ...batch.results import Batch

_WIDE = (
    1.959963984540054  # half a 95 % interval of a standard normal prior: wider than that, the prior said more
)
_DRAWS = 256  # of the prior, over which a plan's information is averaged
_ROUND_OFF = 1e-9  # information over the prior's: an eigenvalue below it is none
_WORTH = 0.05  # of the variance: what is less is not worth a sentence


def identify(problem: "Problem | Batch", *, points: int = 40, seed: int | None = None) -> Study:
    """What the readings determine of each unknown, by themselves and beside what was known before.

    By themselves: the profile likelihood (inputs given as number ± sd are data and stay) over 4 prior widths to
    either side, all others re-optimised; an end of the 95 % interval is where it has fallen by ½ χ²₁ = 1.92 nats.
    Beside the priors: the Fisher information F of the readings at the posterior's mode, in coordinates where
    every prior is standard normal; eigenvalues below 1 belong to the prior, 1 − [(1 + F)⁻¹]_ii is the share of
    variance removed, and halving another unknown's width raises its 1 to 4. A table without any reading is a plan:
    F is the one that leaves the variance expected over the prior, and there is no profile. Pooled levels are integrated
    out by Laplace's approximation (`Marginal`), in F to first order: their population's mean and spread are judged, and what is not pooled.

    Args:
        problem: a problem, or a `Batch`: then cells are counted by what their posteriors say.
        points: of each profile.
        seed: of the starts, and of a plan's draws from the prior.

    Returns:
        A `Study`: tables of verdicts [each in its parameter's unit] and of directions, the figures ``profiles``
        and ``spectrum``, and in `numbers` the curves (values, and nats below the best), the eigenvalues and F.

    Raises:
        InputError: nothing is unknown, points are too few, or the model has no answer near the prior.

    References:
        Raue et al. 2009, Bioinformatics 25:1923, doi 10.1093/bioinformatics/btp358 (profiles); Gutenkunst et al.
        2007, PLoS Comput. Biol. 3:e189, doi 10.1371/journal.pcbi.0030189 (sloppy directions).

    Example:
        >>> from pumpleak import identify, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> identify(problem).verdict
        'This reading determines P_Na/P_K 0.0298 (0.0253 … 0.0346).'
    """
    if not isinstance(problem, Problem):
        from ...batch.results import Batch
        from .batch import identify_batch

        if not isinstance(problem, Batch):
            check_problem(problem)
        return identify_batch(problem)
    check_limits(points=points, **({} if seed is None else {"seed": seed}))
    check_unknowns(problem, "there is nothing to determine")
    seed = problem.seed if seed is None else seed
    plan = not problem.n_readings
    with jax.enable_x64(True):
        problem = marginal(planned(problem) if plan else problem)
        elements = _elements(problem)
        if plan:
            information, found = expected_information(problem, _prior_points(problem, seed)), None
        else:
            starts = best_points(problem, seed)
            if not len(starts):
                raise no_answer(problem)
            sites = problem.constrain(jnp.asarray(starts[0]))
            information = fisher_information(problem, sites)
            index = np.array([e.index for e in elements])
            found = profile(likelihood_of(problem, starts[0]), starts, index=index, points=points)
        findings = [_judge(problem, information, elements, k, found) for k in range(len(elements))]
    return _study(problem, information, findings, found, plan, seed)


def _elements(problem: Problem) -> list[Element]:
    """The unknowns, without held noise."""
    held = held_noise(problem)
    return [
        Element(c.index, c.name, c.unit, c.site, is_noise(c.parameter))
        for c in problem.layout.coordinates
        if not held[c.index]
    ]


def _prior_points(problem: Problem, seed: int) -> dict[str, np.ndarray]:
    """Draws of the prior where the model has an answer; the noise at its middle: a mean over 1/σ² has no bound."""
    draws = problem.prior_draws(np.random.default_rng(seed), _DRAWS)
    for p in problem.parameters:
        if is_noise(p):
            draws |= {s.name: np.full_like(draws[s.name], s.prior.quantile(0.5)) for s in p.sites}
    ok = program(jax.vmap(lambda sites: problem.reading_distribution(sites)[1]))
    there = np.asarray(ok({k: jnp.asarray(v) for k, v in draws.items()}))
    if not there.any():
        raise no_answer(problem)
    return {k: v[there] for k, v in draws.items()}


# -- one unknown -----------------------------------------------------------------------------------


def natural(problem: Problem, e: Element, u):
    """Values of an unknown, in its unit, from its coordinate in prior widths."""
    centre, scale = problem.arrays.standard[e.site.name]
    return e.site.prior.bounded(centre + scale * np.asarray(u, float))


def _judge(
    problem: Problem, information: Information, elements: list[Element], k: int, found: Profile | None
) -> Finding:
    e = elements[k]
    kept = np.array([c.site.prior.measured for c in problem.layout.coordinates])
    alone, left, along = information.apart(e.index, np.where(kept, 1.0, RANGE**-2))
    measured = e.site.prior.measured
    best = low = high = None
    a, b = -np.inf, np.inf
    if found is None:
        kind = DETERMINES if left >= DETERMINED and not measured else NOT
    else:
        a, b = float(found.low[k]), float(found.high[k])
        kind = DETERMINES if b - a < 2 * _WIDE else ONE_SIDE if a > -_WIDE or b < _WIDE else NOT
        # ±1.96 widths are what an input's own error gives without any reading.
        kind = kind if not measured or b - a < _WIDE else MEASURED
        best = float(natural(problem, e, found.best[e.index]))
        low, high = (float(natural(problem, e, x)) if np.isfinite(x) else None for x in (a, b))
    if measured and kind == NOT:
        kind = MEASURED
    unit, shift = as_read(e.name, e.unit)
    unit = "" if unit == "1" else f" {unit}"
    words = {DETERMINES: "determined", MEASURED: "only as it was measured", NOT: "not by these data"}
    side = bound = ""
    if kind == ONE_SIDE:
        end = (high if b < _WIDE else low) or 0.0
        side = bound = f"at {'most' if b < _WIDE else 'least'} {significant(end + shift)}{unit}"
        words[ONE_SIDE] = f"determined on one side: {side}"
    if kind == DETERMINES and low is not None and high is not None:
        side = f"{interval(low + shift, high + shift)}{unit} while the others keep to their ranges"
    # An end that another's range sets, where the scan walls it in, is not the readings' doing.
    if kind != MEASURED and alone >= DETERMINED > left and len(elements) > 1:
        kind = TOGETHER
        words[TOGETHER] = f"only {information.combination(e.index, along)[1]}" + (f"; {side}" if side else "")
    mend, gain = ("", 0.0) if kind == DETERMINES or e.noise else _mend(information, elements, e)
    ends = natural(problem, e, np.array([-RANGE, RANGE]) if found is None else found.value[k, [0, -1]])
    removed = float(information.share[e.index])
    return Finding(
        element=e,
        kind=kind,
        words=words[kind],
        bound=bound,
        best=best,
        low=low,
        high=high,
        scanned=(float(ends.min()), float(ends.max())),
        removed=removed,
        mend=mend,
        gain=gain,
    )


def _mend(information: Information, elements: list[Element], e: Element) -> tuple[str, float]:
    """What lowers the posterior variance of an unknown most: another one known twice as well, or more of the same.

    With the posterior's covariance C = (1 + F)⁻¹ in prior widths, a precision raised by 3 at j takes
    3 C_ij² / (1 + 3 C_jj) off C_ii; twice as many readings make it (1 + 2 F)⁻¹.
    """
    one = np.eye(len(information.names))
    C = np.linalg.inv(one + information.matrix)
    i, now = e.index, C[e.index, e.index]
    offers = {
        f"{o.name} known twice as well": 3 * C[i, o.index] ** 2 / (1 + 3 * C[o.index, o.index]) / now
        for o in elements
        if o.index != i and not o.noise
    }
    offers["twice as many readings of each kind"] = (
        1 - np.linalg.inv(one + 2 * information.matrix)[i, i] / now
    )
    best = max(offers, key=lambda x: offers[x])
    return (best, float(offers[best])) if offers[best] >= _WORTH else ("", 0.0)


def _study(
    problem: Problem,
    information: Information,
    findings: list[Finding],
    found: Profile | None,
    plan: bool,
    seed: int,
) -> Study:
    curves = None if found is None else _curves(problem, findings, found)
    numbers = {
        "plan": plan,
        "readings": problem.n_readings,
        "eigenvalues": information.eigenvalues.tolist(),
        "names": list(information.names),
        "information": information.matrix.tolist(),
        "verdicts": {f.element.name: f.kind for f in findings},
        "removed": {f.element.name: f.removed for f in findings},
        "gain": {f.element.name: {"by": f.mend, "share": f.gain} for f in findings if f.mend},
    }
    islands = (
        [] if found is None else [f.element.name for f, i in zip(findings, found.islands, strict=True) if i]
    )
    held = found is not None and bool(held_noise(problem).any())
    return Study(
        verb="identify",
        title=problem.title,
        verdict=verdict_words(problem, findings, plan),
        findings=tuple(sentences(problem, information, findings, held=held, islands=islands)),
        tables=(_verdicts_table(problem, findings, plan), _directions_table(information)),
        pictures=tuple(_pictures(problem, information, findings, curves)),
        numbers=numbers if curves is None else numbers | {"profiles": curves},
        origins=(origin(problem, seed),),
    )


def _verdicts_table(problem: Problem, findings: list[Finding], plan: bool) -> Table:
    def shown(f: Finding, *values: float | None) -> list[float | None]:
        shift = as_read(f.element.name, f.element.unit)[1]
        return [x if x is None else x + shift for x in values]

    rows = [
        (
            f.element.name,
            unit_label(as_read(f.element.name, f.element.unit)[0]),
            f.words,
            *shown(f, f.best, f.low, f.high),
            interval(*shown(f, *f.scanned)),
            100 * f.removed,
            f"{f.mend} (−{percent(f.gain, close=True)})" if f.mend else "",
        )
        for f in findings
    ]
    columns = [
        "parameter",
        "unit",
        "determined?",
        "best",
        "from",
        "to",
        "scanned",
        ("prior variance removed", "%"),
        "cheapest gain in variance",
    ]
    if plan:
        rows, columns = [r[:3] + r[7:] for r in rows], columns[:3] + columns[7:]
        note = "Expected, averaged over the prior. Others may vary within ±4 prior widths."
    else:
        note = (
            "From, to: 95 % by the profile likelihood (1.92 nats), the priors left out except for inputs that were "
            "measured; —: no such end within the scanned range (±4 prior widths), beyond which the others are held back too. "
            "Prior variance removed: by the readings' information at the posterior's mode, exact where readings are linear in "
            "the unknowns; where they bend it may be a tenth off, and the contraction that infer prints is surer."
        )
    if isinstance(problem, Marginal):
        note += " Pooled levels are integrated out by Laplace's approximation: exact where a reading is linear in them."
    return Table.of("What the readings determine", columns, rows, note)


def _directions_table(information: Information) -> Table:
    return Table.of(
        "Directions, from the best known to the least",
        [("information over the prior's", "1"), "moves"],
        [
            (float(x) if x > _ROUND_OFF else 0.0, _names(information, k))
            for k, x in enumerate(information.eigenvalues)
        ],
        "Below 1 the prior decides.",
    )


def _curves(problem: Problem, findings: list[Finding], found: Profile) -> dict[str, dict[str, Any]]:
    """Every unknown's profile [its unit, and nats below the best], with the ends of its interval."""
    return {
        f.element.name: {
            "value": natural(problem, f.element, found.value[k]).tolist(),
            "drop": found.drop[k].tolist(),
            "low": f.low,
            "high": f.high,
        }
        for k, f in enumerate(findings)
    }


def _pictures(
    problem: Problem,
    information: Information,
    findings: list[Finding],
    curves: dict[str, dict[str, Any]] | None,
) -> Iterator[Picture]:
    from ...reports.posterior_figures import draw_spectrum

    reference = problem.model.setting.reference or "K"
    if curves is not None:
        priors = {f.element.name: (f.element.unit, f.element.site.prior) for f in findings}
        yield Picture.of(
            "profiles",
            "Profile likelihoods: how much worse the readings are explained [nats] as each unknown moves and all others "
            "follow. Dashed: 1.92, where 95 % intervals end (blue). Grey: what the prior itself objects.",
            lambda: plot_profiles(curves, priors, reference),
        )
    yield Picture.of(
        "spectrum",
        "Information of the readings in each direction over that of the prior; left of 1 the prior decides.",
        lambda: draw_spectrum(information, reference),
    )


def _names(information: Information, k: int) -> str:
    v = information.directions[:, k]
    return ", ".join(information.names[j] for j in np.argsort(-np.abs(v)) if abs(v[j]) > 0.35)


def planned(problem: Problem) -> Problem:
    """The problem with one reading of each observable in every row: what an experiment not yet done would read.

    The values are placeholders (0): only what does not depend on them, such as the Fisher information of a
    location-scale likelihood, may be asked of it. The error of a reading of V_m is ``sigma_V_m``, given or believed.

    Args:
        problem: whose table holds no reading.

    Returns:
        A `Problem` of the same quantities, with R readings of each observable of its config.
    """
    observables = tuple(problem.config.get("observables") or problem.observables)
    rows = len(problem.measurements.labels)
    n = rows * len(observables)
    blank = np.full(n, np.nan)
    table = replace(
        problem.measurements,
        observable=tuple(o for o in observables for _ in range(rows)),
        row=np.tile(np.arange(rows), len(observables)),
        reference=np.full(n, -1),
        value=np.zeros(n),
        sd=blank,
        sem=blank,
        n=blank,
    )
    return make_problem(table, **problem.recipe, config=problem.config)
