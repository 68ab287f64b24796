"""Quick: the batch's ladder of engines on one problem, beside NUTS."""

from typing import Any

import jax
import numpy as np

from ..problem.causes import no_answer
from ..problem.problem import Problem
from .gate import CellStatus, Rung, end_errors, loose
from .ladder import Ladder, Settings
from .nuts import Draws
from .rungs import own_rows

POINTS = 8192  # of the first rung: compiling is dear, points are not


def quick_draws(problem: Problem, *, engine: str, draws: int, seed: int) -> Draws:
    """Draws of one problem's posterior by the ladder of engines.

    Args:
        problem: the problem.
        engine: ``importance`` (a t at the mode, then mixtures fitted to the points before), ``hmc`` (four chains)
            or ``laplace`` (a normal at the mode).
        draws: equal-weight draws to keep of weighted points; chains keep their own 4 × 600.
        seed: of everything random.

    Returns:
        The `Draws`, u of shape (1, draws, D) or (4, 600, D), whether or not they can be used. Their `engine` says:
        usable, rung, k_hat [1], log_evidence and log_evidence_se [nats], divergences; and of weighted points ess, element
        name -> (bulk, tail) effective draws, and end_error, element name -> error of the interval's ends, as `end_errors`.

    Raises:
        InputError: there is no such engine, or the model has no answer anywhere near the prior.
    """
    ladder = Ladder(
        Settings(
            engine=engine,
            draws=draws,
            seed=seed,
            points=POINTS,
            width=1,
            device="cpu",
            keep_u=True,
            close=engine == "importance",
        )
    )
    cell = jax.tree.map(lambda a: np.asarray(a)[None], problem.arrays)
    found = {k: v[0] for k, v in ladder.solve(problem, cell, np.array([""])).items()}
    if found["status"] == CellStatus.no_answer:
        raise no_answer(problem)
    rung = Rung(int(found["rung"]))
    about: dict[str, Any] = {k: float(found[k]) for k in ("k_hat", "log_evidence", "log_evidence_se")}
    about |= {"rung": rung.name, "divergences": int(found["divergences"])}
    about["usable"] = bool(found["status"] == CellStatus.usable)
    u = found["u"]
    if rung != Rung.hmc:
        u = u[None]
        ess = np.fmin([found["ess_bulk"], found["ess_tail"]], u.shape[1]).T  # no more than are kept
        names = problem.layout.element_names
        about["ess"] = dict(zip(names, ess.tolist(), strict=True))
        # What is printed is read off the draws that are kept: their error comes on top.
        kept = np.asarray(found["draws"], float)[None]
        rows = own_rows(problem)
        own = end_errors(kept, np.where(rows >= 0, u[..., rows], kept), independent=True)
        error = np.hypot(found["end_error"], own)
        about["end_error"] = dict(zip(names, error.tolist(), strict=True))
        about["usable"] &= not np.any(loose(error))
    return Draws(np.asarray(u), {}, about)
