"""Design: which solution, blocker or extra measurement to take next, by what it is expected to say."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy.stats import norm, qmc

from ...config.load import check_design
from ...config.schema import DesignSpec
from ...engines.arrays import in_chunks
from ...engines.quick import quick_draws
from ...errors import InputError
from ...inference.answer import Estimate
from ...inference.infer import infer
from ...inference.result import Result, posterior_points
from ...problem.noise import KINDS, standard_draws
from ...problem.problem import Problem
from ...problem.rules import check_problem, check_unknowns
from ...problem.scatter import Recorded, scatter
from ...quantities.names import kind as kind_of
from ...quantities.units import split_unit
from ...reports.study import Study
from ...traced import program
from ..targets import is_ratio, named, sought
from .candidates import LADDER, Candidate, Joint, candidates_of, joined, ladder, refused, usual_error
from .continuous import Continuous, optimise, slopes_at
from .gain import (
    BLOCKS,
    DRAWS,
    GIVEN,
    INNER,
    OUTER,
    Gain,
    Points,
    choose,
    choose_points,
    control,
    expected_gain,
    normal_gain,
    nothing_known,
)
from .words import Ranked, study_of

_AVERAGED = 64  # draws over which derivatives are averaged
_FINE = 200  # steps by which the limits of a ladder are looked for
_LOST = 0.02  # share of draws without an answer from which a candidate is left out


class _Asked(NamedTuple):
    """What is asked, and what is known now.

    Attributes:
        problem, spec: as they were given.
        targets: names of what is to be learnt.
        sites: draws of every sampled site: of the posterior, or of the prior.
        bath: concentrations of the first condition's bath [mM], at the draws' medians.
        rng: of everything random from here on.
    """

    problem: Problem
    spec: DesignSpec
    targets: tuple[str, ...]
    sites: dict[str, np.ndarray]
    bath: dict[str, float]
    rng: np.random.Generator


class _Possible(NamedTuple):
    """The candidates that keep to the limits and have an answer.

    Attributes:
        candidates: C of them.
        joint: their problem.
        u: draws in its coordinates, at which all of them have an answer.
        left_out: (label, reason) of the others.
    """

    candidates: list[Candidate]
    joint: Joint
    u: np.ndarray
    left_out: list[tuple[str, str]]


def design(
    problem: Problem,
    candidates: Sequence[Candidate | Mapping[str, Any]] | None = None,
    *,
    result: Result | None = None,
    targets: Sequence[str] | None = None,
    rows: int | None = None,
    engine: str = "auto",
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Study:
    """Which measurement to take next, and which after that.

    Every candidate is a further row of the problem's table, or one of its inputs measured by itself. What it is
    expected to say of the targets ψ is the mutual information of ψ and its reading y,

        EIG = E[ln p(y | ψ) − ln p(y)]  [nats],

    over what is known now: the posterior where the problem has readings, else the prior. All candidates are judged
    at the same draws and the same noise, so that their differences are known better than themselves. Beside it
    stands the normal approximation by exact derivatives (D- and A-optimality). The sequence takes, row by row,
    what adds most per cost; where there is a ladder of baths, as many rows of it are also optimised together.

    Args:
        problem: the problem, with readings or without.
        candidates: `Candidate` records, or mappings as in the config's section ``design``; the config's by
            default, and without any a potassium ladder, chloride replaced, a blocked pump and measured inputs.
        result: the problem's inference; made here where it is not given and there are readings.
        targets: sampled elements to learn about; all permeability (or conductance) ratios by default.
        rows: length of the sequence.
        engine: of the inference made here, as `infer` has it.
        seed: of everything random; the config's by default.
        progress: as `infer` has it.
        settings: the other keys of the section ``design``.

    Returns:
        The `Study`; `numbers` has ``candidates``, ``sequence``, ``ladder`` and ``continuous``.

    Raises:
        InputError: a candidate or setting that will not do, no candidate that can be made up, or nothing to learn.

    References:
        Lindley 1956, Ann. Math. Stat. 27:986 (expected information); Foster et al. 2020, PMLR 108:2959 (bounds).

    Example:
        >>> from pumpleak import design, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> bath = {"T_degC": 37.0, "K_o_mM": 20.0, "K_i_mM": 140.0, "Na_o_mM": 130.0, "Na_i_mM": 15.0}
        >>> study = design(problem, [{**bath, "label": "20 mM K", "sem": 1.0}], rows=1, engine="importance", seed=1)
        >>> print(", ".join(f"{c['label']}: {c['gain']:.1f} nats" for c in study.numbers["sequence"]))
        20 mM K: 0.1 nats
    """
    plain = [c for c in candidates or () if not isinstance(c, Candidate)]
    given = settings | {"targets": targets, "rows": rows, "candidates": [dict(c) for c in plain] or None}
    check_problem(problem)
    spec = check_design(problem.config.get("design", {}), given)
    seed = problem.seed if seed is None else seed
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        sites, trusted = _draws(problem, rng, result, engine, seed, progress)
        asked = _Asked(problem, spec, _targets(problem, spec.targets), sites, _bath(problem, sites), rng)
        made = [c for c in candidates or () if isinstance(c, Candidate)]
        if not made or plain:
            made += candidates_of(problem, spec, _spreads(problem, sites), asked.bath)
        found = _rank(asked, _possible(asked, made))
    return study_of(problem, found, trusted=trusted, seed=seed)


# -- what is known now -----------------------------------------------------------------------------


def _draws(
    problem: Problem, rng: np.random.Generator, result: Result | None, engine: str, seed: int, progress
) -> tuple[dict[str, np.ndarray], bool]:
    """Draws of every site of the posterior, or of the prior where there are no readings; whether to trust them."""
    check_unknowns(problem, "there is nothing to learn", mend="Give one a prior")
    if not problem.n_readings:
        if result is not None:
            raise InputError("a plan without readings has no result", mend="Leave the result out")
        return problem.prior_draws(rng, DRAWS), True
    u, usable = None, False
    if result is None and engine in ("auto", "importance"):
        found = quick_draws(problem, engine="importance", draws=DRAWS, seed=seed)
        u, usable = found.u.reshape(-1, problem.dimension), bool((found.engine or {})["usable"])
    if u is None or (engine == "auto" and not usable):
        if result is None:
            engine = "nuts" if engine == "auto" else engine
            result = infer(problem, engine=engine, seed=seed, progress=progress)
        u, usable = posterior_points(problem, result), result.verdict.usable
    u = u[rng.permutation(len(u))]
    if len(u) < DRAWS:
        u = u[rng.integers(0, len(u), DRAWS)]
    sites = program(jax.vmap(problem.constrain))(jnp.asarray(u))
    return {k: np.asarray(v) for k, v in sites.items()}, usable


def _targets(problem: Problem, names: Sequence[str]) -> tuple[str, ...]:
    known = problem.layout.site_names
    if names:
        return tuple(named(names, known))
    # Of pooled levels the population's mean.
    targets_known = {p.sites[0].name for p in sought(problem, is_ratio)}
    return tuple(n for n in known if n.split("[")[0] in targets_known or n in targets_known)


def _now(asked: _Asked) -> Iterator[Estimate]:
    """What is known of each target before anything more is measured."""
    layout = asked.problem.layout
    for c in layout.coordinates:
        if c.name in asked.targets:
            draws = asked.sites[c.site.name].reshape(len(asked.sites[c.site.name]), -1)
            x = draws[:, c.index - layout.of_sites[c.site.name].start]
            low, median, high = map(float, np.quantile(x, (0.025, 0.5, 0.975)))
            yield Estimate(c.name, c.unit, median, low, high, None, 0.0)


def _spreads(problem: Problem, sites: dict) -> dict[str, float]:
    """Present sd of every parameter without levels, in its unit."""
    return {p.name: float(np.std(sites[p.name])) for p in problem.parameters if p.name in sites}


def _bath(problem: Problem, sites: dict) -> dict[str, float]:
    """Concentrations in the first condition's bath [mM], at the draws' medians."""
    middle = {k: jnp.asarray(np.median(v, axis=0)) for k, v in sites.items()}
    values = problem.values(problem.natural(middle))
    return {
        q.name: float(np.ravel(np.asarray(values[q.name]))[0])
        for q in problem.model.quantities
        if kind_of(q.name).side == "o" and q.unit == "mM" and q.name != "osmolyte_o"
    }


# -- which candidates can be made up ---------------------------------------------------------------


def _possible(asked: _Asked, made: list[Candidate]) -> _Possible:
    problem, spec, _, sites, bath, rng = asked
    joint = joined(problem, made, bath)
    u = _coordinates(joint, sites, rng)
    reasons = np.array(refused(spec, _baths(joint, u, bath), bath) or [""] * len(made), dtype=object)
    ok = _answered(joint, u)
    lost = np.array([np.mean(~ok[:, r]) if r >= 0 else 0.0 for r in joint.reading])
    reasons[(reasons == "") & (lost > _LOST)] = "the model has no answer there"
    left_out = [(c.label, r) for c, r in zip(made, reasons, strict=True) if r]
    if left_out:
        made = [c for c, r in zip(made, reasons, strict=True) if not r]
        if not made:
            raise InputError(
                f"no candidate can be made up; the first: {left_out[0][0]}, {left_out[0][1]}",
                mend="Widen the limits under design, or change the candidates",
                key="design",
            )
        joint = joined(problem, made, bath)
        u = _coordinates(joint, sites, rng)
        ok = _answered(joint, u)
    u = u[ok.all(axis=1)]
    return _Possible(made, joint, u if len(u) >= DRAWS else u[rng.integers(0, len(u), DRAWS)], left_out)


def _coordinates(joint: Joint, sites: dict, rng) -> np.ndarray:
    n = len(next(iter(sites.values())))
    prior = joint.problem.prior_draws(rng, n)
    return joint.problem.unconstrain({k: sites.get(k, v) for k, v in prior.items()})


def _baths(joint: Joint, u: np.ndarray, bath) -> dict[str, np.ndarray]:
    problem = joint.problem
    values = problem.values(problem.natural(problem.constrain(jnp.asarray(np.median(u, axis=0)))))
    rows = np.asarray(problem.measurements.row)[joint.reading]
    return {
        name: np.where(joint.reading >= 0, np.asarray(problem.by_row(values[name]))[rows], np.nan)
        for name in bath
    }


def _answered(joint: Joint, u: np.ndarray) -> np.ndarray:
    """(M, N) whether the model has an answer for each reading at each draw."""
    problem = joint.problem

    def ok(u):
        answer = problem.predict(problem.natural(problem.constrain(u))).ok
        return problem.by_row(answer)[np.asarray(problem.measurements.row)]

    return in_chunks(ok, u)


# -- what they would say ---------------------------------------------------------------------------


def _predictor(joint: Joint):
    """u (D,) -> what is predicted of each candidate, (C,) each."""
    problem, measured = joint.problem, joint.reading < 0
    shapes = [q.name for q in KINDS[problem.noise]]
    written = np.asarray(problem.single())[joint.reading] & ~measured

    def predict(u):
        parts, _ = problem.reading_parts(problem.constrain(u))
        out = {k: parts[k][joint.reading] for k in ("loc", "scale", *shapes)}
        own = problem.element_values(u)[joint.element]
        out["loc"] = jnp.where(measured, own, out["loc"])
        out["scale"] = jnp.where(measured, joint.sem, out["scale"])
        return out | {"measured": jnp.asarray(measured), "written": jnp.asarray(written)}

    def log_prob(y, at):
        readings = scatter(problem.noise, at["loc"], at["scale"], at)
        if not problem.recording.exact:
            readings = Recorded(readings, at["written"], problem.recording)
        value = readings.log_prob(y)
        if not shapes:
            return value
        return jnp.where(at["measured"], dist.Normal(at["loc"], at["scale"]).log_prob(y), value)

    return predict, log_prob


def _rank(asked: _Asked, possible: _Possible) -> Ranked:
    made, joint, u, left_out = possible
    targets = np.array([n in asked.targets for n in joint.problem.layout.site_names])
    first, sequence = _sequence(asked, possible, targets)
    S = np.atleast_2d(np.cov(u, rowvar=False))
    index = np.flatnonzero(targets)
    J = _chunked_slopes(joint, u[:_AVERAGED])
    gains = program(jax.vmap(jax.vmap(lambda j: normal_gain(S, j[None], index))))
    D, A = (np.asarray(x).mean(axis=0) for x in gains(J))
    D_of = program(jax.vmap(lambda j: normal_gain(S, j, index)[0]))
    chosen_D = float(np.mean(D_of(J[:, [c for c, _ in sequence]])))
    of, uniform, continuous = _ladders(asked)
    return Ranked(
        candidates=made,
        first=first,
        D=D,
        A=A,
        sequence=sequence,
        targets=asked.targets,
        now=tuple(_now(asked)),
        ladder_of=of,
        ladder_D=uniform,
        chosen_D=chosen_D,
        continuous=continuous,
        left_out=left_out,
    )


def _sequence(asked: _Asked, possible: _Possible, targets: np.ndarray) -> tuple[Gain, list[tuple[int, Gain]]]:
    """What each candidate gives by itself; and, row by row, the one that adds most per cost, with all gains so far."""
    made, joint, u, _ = possible
    rng, noise, recording = asked.rng, joint.problem.noise, joint.problem.recording
    predict, log_prob = _predictor(joint)
    own, fresh, given = choose_points(rng, u, targets)
    counts = [BLOCKS * OUTER, BLOCKS * INNER, 0 if given is None else BLOCKS * OUTER * GIVEN]
    together = np.concatenate([x.reshape(-1, u.shape[1]) for x in (own, fresh, given) if x is not None])
    flat = in_chunks(predict, together)
    cuts = np.cumsum(counts)[:2]
    shapes = ((BLOCKS, OUTER), (BLOCKS, INNER), (BLOCKS, OUTER, GIVEN))
    at_own, at_fresh, at_given = (
        jax.tree.map(lambda a, k=k: np.split(a, cuts)[k].reshape(*shapes[k], -1), flat) for k in range(3)
    )
    cost = np.array([c.cost for c in made])
    state, sequence, before = nothing_known(given is None), [], np.zeros(len(made))
    first, carried = None, np.zeros((BLOCKS, 1))
    for _ in range(asked.spec.rows):
        z = _noise(noise, rng, at_own)
        y = at_own["loc"] + at_own["scale"] * z
        if not recording.exact:
            y = np.where(at_own["written"], recording.written(y), y)
        points = Points(y, at_own, at_fresh, None if given is None else at_given)
        adjust = np.zeros((BLOCKS, len(made)))
        if noise == "normal" and recording.exact:
            adjust = control(points, own[..., targets], fresh[..., targets])
        gain = expected_gain(log_prob, points, state, adjust + carried)
        first = gain if first is None else first
        c = int(np.argmax((gain.value - before) / cost))
        sequence.append((c, gain))
        state, before = choose(log_prob, points, state, c), np.full(len(made), gain.value[c])
        carried = carried + adjust[:, [c]]
    assert first is not None
    return first, sequence


def _noise(kind: str, rng: np.random.Generator, at: dict) -> np.ndarray:
    """Standard noise of the simulated readings, alike for all candidates; quasi-random where it is normal."""
    if kind == "normal":
        points = [qmc.Sobol(1, rng=rng).random(OUTER) for _ in range(BLOCKS)]
        shuffled = [rng.permutation(p[:, 0]) for p in points]
        return norm.ppf(np.clip(shuffled, 1e-9, 1 - 1e-9))[..., None]
    one = {k: v[..., :1] for k, v in at.items()}
    z = np.asarray(standard_draws(kind, rng, one, one["loc"].shape))
    return np.where(at["measured"], rng.standard_normal(z.shape), z)


def _chunked_slopes(joint: Joint, u: np.ndarray) -> np.ndarray:
    """(K, C, D) slopes of the candidates' readings over their standard errors."""
    measured = joint.reading < 0

    def slopes(u):
        J = slopes_at(joint, u)[joint.reading]
        own = jax.jacfwd(lambda u: joint.problem.element_values(u))(u)[joint.element]
        error = np.where(measured, joint.sem, 1.0)
        return jnp.where(measured[:, None], own / error[:, None], J)

    return np.asarray(program(jax.vmap(slopes))(jnp.asarray(u)))


def _ladders(asked: _Asked) -> tuple[str, float, Continuous | None]:
    """A uniform ladder of as many rows between the limits, and that ladder optimised; where there is such a ladder."""
    problem, spec, targets, sites, bath, rng = asked
    reference = problem.model.setting.reference
    grid = spec.grid
    if grid is None and (spec.candidates or f"{reference}_o" not in bath):
        return "", float("nan"), None
    of, low, high = grid.bounds if grid is not None else (f"{reference}_o", *LADDER[:2])
    sem = usual_error(problem, spec)
    swap = "" if grid is None else grid.swap
    fine = ladder(problem, bath, np.geomspace(low, high, _FINE), sem, of, swap)
    joint = joined(problem, fine, bath)
    baths = _baths(joint, _coordinates(joint, sites, rng)[:_AVERAGED], bath)
    allowed = [x for x, reason in zip(baths[of], refused(spec, baths, bath), strict=True) if not reason]
    if not allowed or allowed[0] == allowed[-1]:
        return "", float("nan"), None
    low, high = allowed[0], allowed[-1]  # every limit leaves an interval
    steps = np.geomspace(low, high, spec.rows) if spec.rows > 1 else [np.sqrt(low * high)]
    joint = joined(problem, ladder(problem, bath, steps, sem, of, swap), bath)
    u = _coordinates(joint, sites, rng)
    u = u[_answered(joint, u).all(axis=1)]
    if len(u) < _AVERAGED:
        return "", float("nan"), None
    found = optimise(
        joint,
        jnp.asarray(u[:_AVERAGED]),
        np.atleast_2d(np.cov(u, rowvar=False)),
        np.flatnonzero([n in targets for n in joint.problem.layout.site_names]),
        of=of,
        swap=next((split_unit(k)[0] for k in fine[0].row if split_unit(k)[0] != of), None),
        low=low,
        high=high,
        criterion=spec.criterion,
    )
    return of, found.D_start, found
