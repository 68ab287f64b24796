"""Infer: sample a problem's posterior with NUTS, or by the ladder of engines."""

import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ..engines.gate import ENGINES, CellStatus
from ..engines.nuts import Draws, chain_starts, run_nuts
from ..errors import InputError, unknown
from ..files.room import check_memory
from ..problem.noise import bytes_of_readings
from ..problem.problem import Problem
from ..problem.rules import check_problem, check_unknowns
from ..problem.settings import LIMITS, SAMPLER, check_limits
from ..quantities.units import with_unit
from ..text import percent

if TYPE_CHECKING:
    from .result import Result

_STARTS = 32  # prior draws from which each chain takes its start


def infer(
    problem: Problem,
    *,
    engine: str | None = None,
    chains: int | None = None,
    warmup: int | None = None,
    draws: int | None = None,
    target_accept: float | None = None,
    seed: int | None = None,
    retry: bool | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "Result":
    """Sample the posterior of a problem, and judge whether it can be trusted.

    Always in double precision, whatever JAX's global setting. The same seed gives the same draws on the
    same machine and versions.

    Args:
        problem: the problem.
        engine: ``nuts``, the default; ``importance``, weighted points, which are judged by Pareto k̂ ≤ 0.7, 400
            effective draws and errors of the interval's ends of at most 5 % of its width; ``auto``, the same, and NUTS where they fail; ``hmc``, four short chains;
            ``laplace``, a look by the normal at the mode, never called usable. From the config, as what follows. Of weighted points
            chains × draws equal-weight draws are kept, as one chain.
        chains, warmup, draws, target_accept: how NUTS runs; from the config, else 4 chains of
            1,000 + 1,000 iterations at 0.95.
        seed: of everything random; from the config, else the problem's own (`own_seed`).
        retry: where the chains fail the verdict's gate, run twice as long with smaller steps, and where they still
            diverge and nothing else is amiss, once more with smaller ones; the default.
        progress: called with (iterations done, iterations in all).

    Returns:
        The `Result`: a DataTree (posterior, prior, predictive draws, log-likelihood, diagnostics,
        data), a table and a verdict in words.

    Raises:
        InputError: there is nothing to infer, the model has no answer anywhere near the prior, or there is no
            such engine.

    References:
        Hoffman & Gelman 2014, J. Mach. Learn. Res. 15:1593 (NUTS); Vehtari et al. 2021, Bayesian
        Anal. 16:667, doi 10.1214/20-BA1221 (R-hat, ESS).

    Example:
        >>> from pumpleak import infer, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> result = infer(problem, engine="importance", seed=1)
        >>> print(result.table["median"].round(3).to_dict(), result.verdict.usable)
        {'P_Na_rel': 0.03} True
    """
    check_problem(problem)
    settings = asdict(SAMPLER) | problem.config.get("sampler", {})
    given = {
        "engine": engine,
        "chains": chains,
        "warmup": warmup,
        "draws": draws,
        "target_accept": target_accept,
        "seed": seed,
        "retry": retry,
    }
    settings |= {k: v for k, v in given.items() if v is not None}
    settings["seed"] = problem.seed if settings["seed"] is None else settings["seed"]
    if settings["engine"] not in ENGINES:
        raise unknown("engine", settings["engine"], ENGINES)
    check_inferable(problem)
    check_limits(**{name: settings[name] for name in ("chains", "warmup", "draws", "seed")})
    _check_room(problem, settings)
    with jax.enable_x64(True), ThreadPoolExecutor(1) as background:
        # ArviZ and its stack take seconds to import: they load while XLA compiles.
        loading = background.submit(importlib.import_module, ".gather", __package__)
        rng = np.random.default_rng(settings["seed"])
        settings["retried"] = False
        if settings["engine"] != "nuts":
            drawn = _climb(problem, settings)
            tree, judged = loading.result(), drawn.engine or {}
            if settings["engine"] != "auto" or judged["usable"]:
                return tree.gather(problem, drawn, rng, settings)
            least = min(min(pair) for pair in judged["ess"].values())
            ends = percent(max(judged["end_error"].values()), 1, close=True)
            settings["before"] = (
                f"Pareto k-hat {judged['k_hat']:.2f}, at least {least:.0f} effective draws, errors of the interval's ends "
                f"up to {ends} of its width"
            )
        candidates = problem.unconstrain(problem.prior_draws(rng, _STARTS * settings["chains"]))
        starts = chain_starts(problem, jnp.asarray(candidates), settings["chains"])
        if any(p.spread is not None for p in problem.parameters):
            problem, starts = _centred(problem, starts)
        drawn = _sample(problem, starts, settings, progress)
        tree = loading.result()
        wrong = tree.failing(problem, drawn) if settings["retry"] else ()
        if wrong:
            # Smaller steps and more of them: what the verdict would ask of the user.
            settings |= {k: 2 * settings[k] for k in ("warmup", "draws")}
            drawn = _again(problem, starts, settings, progress)
            wrong = tree.failing(problem, drawn)
        if wrong == (CellStatus.divergent,):
            drawn = _again(problem, starts, settings, progress)
        return tree.gather(problem, drawn, rng, settings)


def check_inferable(problem: Problem) -> None:
    """Refuse a problem without an unknown or without a reading.

    Raises:
        InputError: says which.
    """
    check_unknowns(problem, "there is nothing to infer")
    if not problem.n_readings:
        raise InputError(
            "there is no reading to infer from",
            mend=f"Fill in a column {' or '.join(with_unit(o, problem.unit_of(o)) for o in problem.observables)}",
            file=problem.measurements.file,
        )


def _check_room(problem: Problem, settings: dict) -> None:
    """Refuse more draws than memory holds: of each what `gather` makes of it, and of warm-up what `run_nuts` keeps."""
    chains, point = settings["chains"], 8 * (problem.dimension + 10)
    each = (
        bytes_of_readings(problem.noise, problem.arrays.mask.size)
        + 6 * point
        + 8 * 2 * len(problem.first_row) * (1 + len(problem.model.setting.ions))
    )
    warmup = 2 * point * settings["warmup"] if settings["engine"] == "nuts" else 0
    check_memory(
        f"draws = {{}} in each of {chains} chains",
        settings["draws"],
        chains * each,
        beside=chains * warmup,
        least=LIMITS["draws"][0],
        mend="Give at most {} draws (--draws, or `sampler: {draws: {}}`), or fewer chains",
    )


def _centred(problem: Problem, starts):
    """The problem in the coordinates that suit its pooled levels, and the starts in them."""
    from ..engines.centring import centred

    sites = jax.vmap(problem.constrain)(starts)
    problem = centred(problem, starts[0])
    return problem, jnp.asarray(problem.unconstrain({k: np.asarray(v) for k, v in sites.items()}))


def _climb(problem: Problem, settings: dict) -> Draws:
    from ..engines.quick import quick_draws

    engine = "importance" if settings["engine"] == "auto" else settings["engine"]
    return quick_draws(
        problem, engine=engine, draws=settings["chains"] * settings["draws"], seed=settings["seed"]
    )


def _again(problem: Problem, starts, settings: dict, progress) -> Draws:
    """Another run with smaller steps: 0.95 goes to 0.99, 0.99 to 0.995."""
    settings |= {"target_accept": max(0.99, (1 + settings["target_accept"]) / 2), "retried": True}
    return _sample(problem, starts, settings, progress)


def _sample(problem: Problem, starts, settings: dict, progress) -> Draws:
    total = settings["chains"] * (settings["warmup"] + settings["draws"])
    return run_nuts(
        problem.potential,
        starts,
        progress=lambda done: progress(done, total) if progress else None,
        **{k: settings[k] for k in ("warmup", "draws", "target_accept", "seed")},
    )
