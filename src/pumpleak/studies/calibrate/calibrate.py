"""Calibrate: whether an engine's intervals hold the truth as often as they say, in experiments simulated from a problem."""

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from ...engines.gate import ENGINES, CellStatus, headline
from ...errors import unknown
from ...files.room import check_memory
from ...inference.answer import called
from ...inference.infer import check_inferable
from ...problem.problem import Problem
from ...problem.settings import LIMITS, check_limits
from ...reports.document import Table
from ...reports.provenance import origin
from ...reports.study import Study
from ...text import fixed, listing, percent, significant
from .figures import pictures
from .replicates import (
    CONTROLS,
    LIKELIHOOD,
    RANKS,
    Simulated,
    bytes_of_one,
    controlled,
    infer_replicates,
    posterior_truths,
    read_again,
    simulate_readings,
    values_of,
)

LEVELS = (0.5, 0.8, 0.9, 0.95)
LEVEL = 0.01  # chance that a calibrated engine fails, half of it by its ranks and half by its coverage
FEWEST = LIMITS["replicates"][0]
_MANY = 200  # replicates from which an engine is called calibrated
_CLEAR = 3.0  # standard errors from which a lean or a width is named
_NAMED = 4  # quantities at most, of each kind of fault


class Judged(NamedTuple):
    """How the truths of one quantity lie among its posteriors.

    Attributes:
        name, unit: of the quantity.
        p: of the uniformity of its ranks.
        cover: share of replicates whose central 50, 80, 90 and 95 % intervals hold the truth.
        lean: mean rank, in standard errors from the middle; above 0 the posterior lies too low.
        width: squared distance of the ranks from the middle, likewise; above 0 the intervals are too narrow.
        z, z_sd: median and spread (half the width from 16 to 84 %) of (posterior mean − truth)/posterior sd, on the
            scale without bounds; a calibrated engine has about 0 and 1. NaN for the likelihood, as the next.
        contraction: mean share of the truths' variance that the readings remove.
        passed: whether ranks and coverage are what chance allows.
    """

    name: str
    unit: str
    p: float
    cover: tuple[float, ...]
    lean: float
    width: float
    z: float
    z_sd: float
    contraction: float
    passed: bool


def calibrate(
    problem: Problem,
    engine: str = "auto",
    replicates: int = 1000,
    *,
    local: bool = False,
    control: str | None = None,
    seed: int | None = None,
    warmup: int = 1000,
    thin: int = 15,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Simulation-based calibration of exactly this problem and one engine.

    Truths are drawn from the prior, conditioned on the model having an answer; every reading of the table is simulated
    from each; the engine infers each replicate; and the truth is ranked among 99 draws of its posterior. Averaged over
    the prior the rank is uniform, whatever model and data, if the engine is right. That is judged by ArviZ's test of
    uniformity, by exact binomial tests of the intervals' coverage, and, in words, by the ranks' mean and spread.
    Replicates whose posterior the engine itself flags are counted, and ranked like the others.

    Args:
        problem: the problem; its readings' values matter only with `local`.
        engine: ``auto``, ``importance``, ``hmc`` or ``laplace`` of the batch's ladder; ``nuts``, one chain a replicate,
            pooled levels by their offsets (`infer` chooses their coordinates by the readings).
        replicates: at least 20.
        local: posterior calibration: truths from the posterior given the readings there are, replicate readings added to
            these, and the posterior given both. It asks of the neighbourhood of these data, not of all the prior.
        control: simulate what the inference is not told of, ``noise`` (twice it), ``temperature`` (20 K more) or
            ``pump``; the calibration must then fail.
        seed: of everything random; the config's by default.
        warmup, thin: of ``nuts`` alone: iterations before the first draw, and for each draw kept.
        progress: called with (replicates done, replicates).

    Returns:
        A `Study`; `passed` says whether the engine is calibrated or, of a control, the fault was caught. `numbers` holds the ranks (0 to 99) of each quantity.

    Raises:
        InputError: nothing to infer, no reading, an unknown engine or control, too few replicates, or a prior in which
            the model has no answer.

    References:
        Talts et al. 2018, arXiv:1804.06788; Modrák et al. 2023, Bayesian Anal., doi 10.1214/23-BA1404 (the likelihood as
        a quantity); Säilynoja et al. 2022, Stat. Comput. 32:32, doi 10.1007/s11222-022-10090-6 (bands of the ranks);
        Säilynoja, Schmitt, Bürkner & Vehtari 2025, arXiv:2502.03279 (posterior calibration); Schad, Betancourt &
        Vasishth 2021, Psychol. Methods 26:103, doi 10.1037/met0000275 (z-score and contraction).

    Example:
        >>> from pumpleak import calibrate, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> study = calibrate(problem, "laplace", 100, seed=1)
        >>> print(study.verb, study.tables[0].title)
        calibrate How often intervals hold the truth, in 100 simulated experiments
    """
    check_inferable(problem)
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    check_limits(replicates=replicates, **({} if seed is None else {"seed": seed}))
    check_memory(
        "replicates = {}",
        replicates,
        bytes_of_one(problem, engine),
        least=FEWEST,
        mend="Give at most {} replicates",
    )
    seed = problem.seed if seed is None else seed
    asked = _Asked(problem, engine, replicates, local, control, seed)
    with jax.enable_x64(True):
        simulated, notes = _simulate(asked)
        target, readings = problem, simulated.readings
        if local:
            target = read_again(problem)
            readings = np.concatenate(
                [np.broadcast_to(problem.arrays.value, readings.shape), readings], axis=1
            )
        found = infer_replicates(
            target,
            readings,
            engine=engine,
            seed=seed,
            warmup=warmup,
            thin=thin,
            progress=lambda done: progress(done, replicates) if progress else None,
        )
        at_truth, at_draws = values_of(target, simulated.truth, found.u, readings)
    return _study(asked, simulated, found.status, at_truth, at_draws, notes)


class _Asked(NamedTuple):
    """What `calibrate` was asked for."""

    problem: Problem
    engine: str
    replicates: int
    local: bool
    control: str | None
    seed: int


def _simulate(asked: _Asked) -> tuple[Simulated, list[str]]:
    """Truths and their readings; and what a reader has to know of them."""
    problem, seed = asked.problem, asked.seed
    source, noise = controlled(problem, asked.control)
    truth, notes = None, []
    if asked.local:
        truth, doubt = posterior_truths(problem, asked.engine, asked.replicates, seed)
        notes += [doubt] if doubt else []
    rng = np.random.default_rng(seed)
    simulated = simulate_readings(source, rng, asked.replicates, noise=noise, truth=truth)
    if simulated.share < 1:
        notes.append(
            f"The model has an answer in {percent(simulated.share, 1, close=True)} of the prior; truths are drawn from that part."
        )
    return simulated, notes


def _study(
    asked: _Asked,
    simulated: Simulated,
    status: np.ndarray,
    at_truth: dict[str, np.ndarray],
    at_draws: dict[str, np.ndarray],
    notes: list[str],
) -> Study:
    problem, engine, n, local, control, seed = asked
    # A replicate without a posterior has NaN for draws: rank 0, which no interval holds.
    ranks = {k: (v < at_truth[k][:, None]).sum(axis=1) for k, v in at_draws.items()}
    z, contraction = _accuracy(problem, at_truth, at_draws)
    rows = judge(ranks, problem, z, contraction)
    counts = Counter(CellStatus(s).name for s in status)
    passed = all(row.passed for row in rows)
    usable = status == CellStatus.usable
    if not passed and FEWEST <= usable.sum() < n:
        notes = [*notes, _of_the_usable({k: rank[usable] for k, rank in ranks.items()})]
    pits = {row.name: pit(ranks[row.name]) for row in sorted(rows, key=lambda row: row.p)}
    numbers = {
        "engine": engine,
        "replicates": n,
        "local": local,
        "control": control,
        "seed": seed,
        "status": dict(counts),
        "prior_with_answer": simulated.share,
        "quantities": [
            row._asdict() | {"cover": dict(zip(map(str, LEVELS), row.cover, strict=True))} for row in rows
        ],
        "ranks": {k: v.tolist() for k, v in ranks.items()},
    }
    return Study(
        verb="calibrate",
        title=problem.title,
        verdict=_verdict(rows, n, engine, local, control, problem.model.setting.reference or "K"),
        findings=(*_findings(rows, n, engine, counts), *notes),
        tables=(_table(rows, n),),
        pictures=pictures(pits, z, contraction, level=LEVEL),
        numbers=numbers,
        passed=passed is (control is None),
        origins=(origin(problem, seed),),
    )


# -- judging ---------------------------------------------------------------------------------------


def pit(rank: np.ndarray) -> np.ndarray:
    """Ranks spread over their cells: continuous, and uniform on (0, 1) if the ranks are."""
    return (rank + np.random.default_rng(0).random(len(rank))) / (RANKS + 1)


def judge(
    ranks: dict[str, np.ndarray],
    problem: Problem | None = None,
    z: dict | None = None,
    shrunk: dict | None = None,
) -> list[Judged]:
    """A row for each quantity: name -> (replicates,) ranks, 0 to 99.

    Args:
        ranks: of the truths.
        problem: for the units.
        z, shrunk: name -> (replicates,) z-scores and contractions, where there are.
    """
    from arviz_stats.base import array_stats
    from scipy.stats import binomtest

    units = {e.name: e.unit for e in problem.layout.elements} if problem else {}
    alpha, out = LEVEL / 2 / len(ranks), []
    for name, rank in ranks.items():
        x, n = pit(rank), len(rank)
        p = float(array_stats.uniformity_test(x, method="pot_c")[0])
        inside = [int((np.abs(x - 0.5) <= level / 2).sum()) for level in LEVELS]
        passed = p >= alpha and all(
            binomtest(k, n, level).pvalue >= alpha / len(LEVELS)
            for k, level in zip(inside, LEVELS, strict=True)
        )
        low, mid, high, shrink = (math.nan,) * 4
        if z is not None and shrunk is not None and name in z:
            low, mid, high = np.nanquantile(z[name], (0.1587, 0.5, 0.8413))
            shrink = np.nanmean(shrunk[name])
        out.append(
            Judged(
                name=name,
                unit=units.get(name, "nats"),
                p=p,
                cover=tuple(k / n for k in inside),
                lean=float((x.mean() - 0.5) * math.sqrt(12 * n)),
                width=float((((x - 0.5) ** 2).mean() - 1 / 12) * math.sqrt(180 * n)),
                z=float(mid),
                z_sd=float(high - low) / 2,
                contraction=float(shrink),
                passed=bool(passed),
            )
        )
    return out


def _accuracy(problem: Problem, at_truth: dict, at_draws: dict) -> tuple[dict, dict]:
    """z-score and contraction of every parameter's element in each replicate, on the scale without bounds."""
    z, contraction = {}, {}
    for p in problem.parameters:
        for name in p.element_names:
            with np.errstate(divide="ignore", invalid="ignore"):
                truth, draws = (p.prior.unbounded(at[name]) for at in (at_truth, at_draws))
                sd = draws.std(axis=1, ddof=1)
                z[name] = (draws.mean(axis=1) - truth) / sd
                contraction[name] = 1 - sd**2 / np.var(truth)
    return z, contraction


# -- words -----------------------------------------------------------------------------------------


def _faults(rows: list[Judged], n: int, reference: str) -> list[str]:
    """What is wrong with the quantities that failed: the gravest kind of fault first, its quantities together."""
    kinds: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: -max(abs(row.lean), abs(row.width))):
        if row.name == LIKELIHOOD:
            continue
        cover = row.cover[LEVELS.index(0.9)]
        name = called(row.name, reference)
        held = f"{name} (its 90 % intervals hold the truth in {_percent(cover, n)})"
        known = False
        if abs(row.width) > _CLEAR:
            kinds.setdefault(f"{'over' if row.width > 0 else 'under'}-confident about", []).append(held)
            known = True
        if abs(row.lean) > _CLEAR and abs(row.lean) > 0.5 * abs(row.width):
            side = "low" if row.lean > 0 else "high"
            kinds.setdefault("biased about", []).append(
                f"{name} (too {side} by {fixed(abs(row.z), 1)} posterior sd)"
            )
            known = True
        if not known:
            kinds.setdefault("wrong about", []).append(f"{name} (uneven ranks, p = {significant(row.p, 1)})")
    out = [f"{kind} {listing(names, _NAMED)}" for kind, names in kinds.items()]
    if not out:  # the likelihood alone
        out = ["wrong about the readings (their likelihood among the draws is not ranked as it should be)"]
    return out


def _percent(share: float, n: int) -> str:
    """A share of n replicates with its binomial standard error."""
    return f"{fixed(100 * share, 0)} ± {fixed(max(1.0, 100 * math.sqrt(share * (1 - share) / n)), 0)} %"


def _verdict(rows, n: int, engine: str, local: bool, control: str | None, reference: str) -> str:
    failed = [row for row in rows if not row.passed]
    judged = [row for row in rows if row.name != LIKELIHOOD]
    cover = [100 * row.cover[LEVELS.index(0.9)] for row in judged]
    span = fixed(min(cover), 1) + (f" to {fixed(max(cover), 1)}" if len(cover) > 1 else "")
    of = listing([called(row.name, reference) for row in judged], _NAMED)
    where = f"{n:,} simulated experiments {'like this one' if local else 'from the prior'}"
    text = (
        f"90 % intervals of {of} hold the truth in {span} % of {where} "
        f"(standard error {fixed(100 * math.sqrt(0.09 / n), 1)})"
    )
    if failed:
        text += f": engine {engine} is not calibrated, but {'; '.join(_faults(failed, n, reference))}"
    elif n >= _MANY:
        text += f": engine {engine} is calibrated"
    else:
        text += f": no fault of engine {engine} is seen, as far as {n} experiments can tell"
    if control is None:
        return f"{text}."
    outcome = "caught, as it should be" if failed else "NOT caught: this check would miss such a fault here"
    return f"The negative control ({CONTROLS[control]}) is {outcome}. {text}."


def _of_the_usable(ranks: dict[str, np.ndarray]) -> str:
    """Whether the fault is with the replicates that the engine flags itself."""
    rows = judge(ranks)
    cover = [100 * row.cover[LEVELS.index(0.9)] for row in rows if row.name != LIKELIHOOD]
    text = (
        f"Of the {len(ranks[rows[0].name]):,} that the engine itself calls usable, 90 % intervals hold the truth in "
        f"{fixed(min(cover), 0)} to {fixed(max(cover), 0)} %"
    )
    if all(row.passed for row in rows):
        return f"{text}: the fault is with those it flags."
    return f"{text}: the fault is not with those it flags alone."


def _findings(rows, n: int, engine: str, counts: Counter) -> list[str]:
    from scipy.stats import norm

    # What is off by so many standard errors is found in four of five studies.
    reach = (norm.isf(LEVEL / 2 / len(rows) / len(LEVELS) / 2) + norm.isf(0.2)) * math.sqrt(0.09 / n)
    out = [
        f"A 90 % interval that holds the truth in less than {fixed(max(0.0, 90 - 100 * reach), 0)} % of experiments would probably "
        "have been noticed; smaller faults not."
    ]
    text = headline(counts)
    flagged = n - counts.get("usable", 0)
    if engine == "laplace":
        text += "; the normal at the mode is a look, never called usable elsewhere"
    out.append(f"{text}{'; the flagged ones are counted with the others' if flagged else ''}.")
    weak = [row.name for row in rows if row.contraction < 0.1]
    if weak:
        out.append(
            f"The readings hardly narrow {', '.join(weak)} (by less than 10 % of the variance), of which little is tested."
        )
    return out


def _table(rows, n: int) -> Table:
    errors = " / ".join(fixed(100 * math.sqrt(q * (1 - q) / n), 1) for q in LEVELS)
    return Table.of(
        f"How often intervals hold the truth, in {n:,} simulated experiments",
        [
            "quantity",
            *((f"{percent(q, close=True)} interval", "%") for q in LEVELS),
            ("uniform ranks", "p"),
            ("error, median", "posterior sd"),
            ("error, spread", "posterior sd"),
            ("contraction", "% of variance"),
            "calibrated",
        ],
        [
            (
                row.name,
                *(100 * c for c in row.cover),
                row.p,
                row.z,
                row.z_sd,
                100 * row.contraction,
                row.passed,
            )
            for row in rows
        ],
        f"Chance moves the coverage by ± {errors} % (one binomial standard error). The error is posterior mean − truth, in "
        "posterior sd on the scale without bounds: 0 and about 1 where calibrated.",
    )
