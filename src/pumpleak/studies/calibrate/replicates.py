"""Replicates: experiments simulated from a problem, each inferred by one engine, and where the truths lie among the draws."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...engines.arrays import cores
from ...engines.gate import CellStatus
from ...engines.ladder import Ladder, Settings
from ...engines.nuts import traced_chain
from ...engines.quick import quick_draws
from ...engines.rungs import CHAINS, HMC_DRAWS
from ...errors import InputError, unknown
from ...models.registry import make_model
from ...problem.noise import bytes_of_readings
from ...problem.problem import Problem
from ...problem.settings import SAMPLER
from ...text import fixed
from ...traced import program

RANKS = 99  # posterior draws kept of each replicate: ranks 0 to 99
LIKELIHOOD = "log likelihood"
#: What a negative control simulates that the inference is not told of.
CONTROLS = {
    "noise": "twice the noise that the model is told of",
    "temperature": "a temperature 20 K above the one that the model is told of",
    "pump": "an electrogenic pump (r = 1.5) where the model has none, or none where it has one",
}
_ROUNDS = 10  # of prior draws, until enough have an answer
_STARTS = 32  # prior draws from which a chain takes its start


class Simulated(NamedTuple):
    """Truths, site -> (n, ...); readings (n, N) of each; and the share of the truths tried that have an answer."""

    truth: dict[str, np.ndarray]
    readings: np.ndarray
    share: float


class Inferred(NamedTuple):
    """Draws u (n, RANKS, D) of each replicate's posterior, NaN where there is none; and its status (n,)."""

    u: np.ndarray
    status: np.ndarray


def bytes_of_one(problem: Problem, engine: str) -> int:
    """What a replicate takes of memory: readings at two truths, the draws that are kept, of ``hmc`` all of them."""
    kept = 3 * RANKS * (2 * problem.dimension + 1)
    chains = 3 * CHAINS * HMC_DRAWS * problem.dimension if engine == "hmc" else 0
    return 2 * bytes_of_readings(problem.noise, problem.arrays.mask.size) + 8 * (kept + chains)


def simulate_readings(
    problem: Problem, rng: np.random.Generator, n: int, *, noise: float = 1.0, truth: dict | None = None
) -> Simulated:
    """Truths from the prior, conditioned on the model having an answer, and a reading of everything the table reads.

    Args:
        problem: the problem.
        rng: of everything random.
        n: how many.
        noise: the readings' scatter in units of the model's; anything but 1 is a lie.
        truth: sites (n, ...) to use in place of draws from the prior.

    Raises:
        InputError: the model has an answer almost nowhere in the prior.
    """

    at_truth, kept, found, tried = program(jax.vmap(problem.reading_parts)), [], 0, 0
    while found < n and tried < _ROUNDS * 2 * n:
        drawn = truth or problem.prior_draws(rng, 2 * n)
        parts, ok = at_truth(drawn)
        good = np.flatnonzero(ok)
        kept.append(jax.tree.map(lambda a, good=good: np.asarray(a)[good], (drawn, parts)))
        found, tried = found + len(good), tried + len(ok)
        if truth is not None:
            break
    if found < n:
        raise InputError(
            f"the model has an answer at only {found:,} of {tried:,} points drawn from its prior",
            mend="Narrow the priors to where it has one",
        )
    drawn, parts = jax.tree.map(lambda *a: np.concatenate(a)[:n], *kept)
    readings = problem.simulate(rng, parts | {"scale": noise * parts["scale"]})
    return Simulated(drawn, readings, found / tried)


def controlled(problem: Problem, control: str | None) -> tuple[Problem, float]:
    """The problem to simulate from under a negative control, and the factor on its noise.

    Raises:
        InputError: there is no such control, or it says nothing of this problem.
    """
    if control is None:
        return problem, 1.0
    if control not in CONTROLS:
        raise unknown("control", control, CONTROLS)
    if control == "noise":
        return problem, 2.0
    arrays = problem.arrays
    if control == "temperature":
        _told(problem, control, "T")
        hotter = {**arrays.known, "T": np.asarray(arrays.known["T"], float) + 20.0}
        return replace(problem, numbers=arrays._replace(known=hotter)), 1.0
    setting, name = problem.model.setting, problem.model.name
    if name == "mullins_noda":
        _told(problem, control, "pump")
        blocked = {**arrays.known, "pump": np.zeros_like(np.asarray(arrays.known["pump"], float))}
        return replace(problem, numbers=arrays._replace(known=blocked)), 1.0
    if name != "ghk" or not {"K", "Na"} <= set(setting.ions) or setting.reference != "K":
        raise InputError(
            f"the control `pump` is for the models ghk (with K, the reference, and Na) and mullins_noda, not for this {name}",
            mend="Use the control `noise`",
        )
    # Where the pump keeps Na and K steady, the potential is Mullins and Noda's, whatever else crosses.
    other = make_model(
        "mullins_noda",
        ("K", "Na"),
        activities=setting.activities & {"K", "Na"},
        coefficients=setting.coefficients,
    )

    def pumped(values, _):
        found = other.predict({**values, "r": 1.5, "pump": 1.0})
        return {**found.observables, "ok": found.ok}

    return replace(problem, model=replace(problem.model, _function=pumped)), 1.0


def _told(problem: Problem, control: str, name: str) -> None:
    """Refuse a control of a quantity that is inferred: whatever it is, the inference would find it."""
    slot = problem.slots.get(name)
    if slot is None or slot.index is not None and (slot.index >= 0).any():
        raise InputError(
            f"the control `{control}` needs {name} to be a known number, and it is inferred here"
            if slot is not None
            else f"the model has no {name} for the control `{control}`",
            mend="Use the control `noise`",
        )


def read_again(problem: Problem) -> Problem:
    """The problem with every reading twice: as it was made, and as it would be made again in the same baths."""
    m, a = problem.measurements, problem.arrays

    def twice(x):
        return np.concatenate([x, x])

    fields = {name: twice(getattr(m, name)) for name in ("row", "reference", "value", "sd", "sem", "n")}
    arrays = {name: twice(getattr(a, name)) for name in ("value", "variance", "count", "mask")}
    return replace(
        problem,
        measurements=replace(m, observable=m.observable * 2, **fields),
        numbers=a._replace(**arrays),
    )


def posterior_truths(problem: Problem, engine: str, n: int, seed: int) -> tuple[dict[str, np.ndarray], str]:
    """n values of every site from the posterior of the readings there are, and what speaks against them, if anything."""
    drawn = quick_draws(problem, engine=engine, draws=n, seed=seed)
    about = drawn.engine or {}
    sites = jax.tree.map(np.asarray, program(jax.vmap(problem.constrain))(_evenly(np.asarray(drawn.u), n)))
    least = min((min(pair) for pair in about.get("ess", {}).values()), default=n)
    if not about["usable"]:
        return sites, "The posterior of the observed readings is itself not usable by the engine's gate."
    if least < 0.5 * n:
        return sites, (
            f"The truths come from {fixed(least, 0)} effective draws of the observed readings' posterior, fewer than there are "
            "replicates: ranks scatter more than independent ones, so a fault near the limit may be chance."
        )
    return sites, ""


def infer_replicates(
    problem: Problem,
    readings: np.ndarray,
    *,
    engine: str,
    seed: int,
    warmup: int,
    thin: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Inferred:
    """The posterior of each replicate by one engine, with programs compiled once for all.

    Args:
        problem: the problem; its readings are replaced.
        readings: (n, N).
        engine: ``nuts``, a chain each as `infer` builds it but for the coordinates of pooled levels, which are their
            offsets here; or an engine of the ladder.
        seed: of everything random.
        warmup, thin: of ``nuts``: iterations before the first draw, and for each draw kept.
        progress: called with the number of replicates done.
    """
    if engine == "nuts":
        return _by_nuts(problem, readings, seed, warmup, thin, progress)
    n = len(readings)
    ladder = Ladder(Settings(engine=engine, draws=RANKS, seed=seed, keep_u=True))
    arrays = jax.tree.map(lambda a: np.broadcast_to(a, (n, *np.shape(a))), problem.arrays)
    out = ladder.solve(problem, arrays._replace(value=readings), np.arange(n).astype(str), progress)
    u = np.stack([_evenly(np.asarray(x), RANKS) for x in out["u"]])
    u[out["status"] == CellStatus.no_answer] = np.nan
    return Inferred(u, out["status"])


def _evenly(u: np.ndarray, n: int) -> np.ndarray:
    """n points (n, D) of draws (…, D), evenly over all chains."""
    flat = u.reshape(-1, u.shape[-1])
    return flat[np.linspace(0, len(flat) - 1, n).round().astype(int)]


def nuts_chain(problem: Problem, *, warmup: int, draws: int, target: float) -> Callable:
    """One chain of NUTS as `infer` runs it, for any readings of one problem, to be compiled once.

    Returns:
        (key, candidates (n, D), arrays) -> u (draws, D), which of them diverged, and whether any candidate is possible.
    """

    def chain(key, candidates, arrays):
        def potential(u):
            return problem.potential(u, arrays)

        heights = jax.lax.map(potential, candidates)
        start = candidates[jnp.argmin(jnp.where(jnp.isfinite(heights), heights, jnp.inf))]
        u, diverging = traced_chain(potential, key, start, warmup=warmup, draws=draws, target_accept=target)
        return u, diverging, jnp.isfinite(heights).any()

    return chain


def _by_nuts(problem: Problem, readings, seed: int, warmup: int, thin: int, progress) -> Inferred:
    """A chain for each replicate, replicates in threads: kernel, starts and density are those of `infer`, with offsets
    for pooled levels: which of them suit their own values better hangs on the readings, and one program serves all."""
    n = len(readings)
    target = problem.config.get("sampler", {}).get("target_accept", SAMPLER.target_accept)
    candidates = problem.unconstrain(problem.prior_draws(np.random.default_rng([seed, 1]), _STARTS * n))
    candidates = candidates.reshape(n, _STARTS, -1)
    keys = jax.random.split(jax.random.key(seed), n)
    chain = nuts_chain(problem, warmup=warmup, draws=RANKS * thin, target=target)

    def thinned(key, candidates, value):
        u, diverging, answered = chain(key, candidates, problem.arrays._replace(value=value))
        return u[thin - 1 :: thin], diverging.sum(), answered

    compiled = program(thinned).lower(keys[0], candidates[0], readings[0]).compile()
    done = []

    def run(i: int):
        with jax.enable_x64(True):
            out = jax.tree.map(np.asarray, compiled(keys[i], candidates[i], readings[i]))
        done.append(i)
        progress(len(done))
        return out

    with ThreadPoolExecutor(cores()) as pool:
        u, diverged, answered = (np.stack(a) for a in zip(*pool.map(run, range(n)), strict=True))
    status = np.where(diverged > 0, CellStatus.divergent, CellStatus.usable)
    u[~answered] = np.nan
    return Inferred(u, np.where(answered, status, CellStatus.no_answer))


def values_of(problem: Problem, truth: dict, u: np.ndarray, readings: np.ndarray) -> tuple[dict, dict]:
    """Each quantity at the truth (n,), and at the draws (n, RANKS): every parameter's elements, and the log-likelihood.

    Ranks of the likelihood notice what those of parameters cannot: a posterior that ignores the data (Modrák et al.
    2023, Bayesian Anal., doi 10.1214/23-BA1404).
    """

    def look(sites, value):
        natural = problem.natural(sites)
        fit = problem.log_likelihood(sites, problem.arrays._replace(value=value)).sum()
        return jnp.append(problem.layout.ravel(natural), fit)

    def draws(given):
        u, value = given
        return jax.vmap(lambda x: look(problem.constrain(x), value))(u)

    at_truth = np.asarray(program(jax.vmap(look))(truth, readings))
    at_draws = np.asarray(program(lambda *a: jax.lax.map(draws, a))(u, readings))
    names = [*problem.layout.element_names, LIKELIHOOD]
    return {k: at_truth[:, i] for i, k in enumerate(names)}, {
        k: at_draws[..., i] for i, k in enumerate(names)
    }
