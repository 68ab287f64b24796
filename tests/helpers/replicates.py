"""Data sets that a problem's own prior predicts, and the posterior of each."""

import jax
import numpy as np

from pumpleak.engines.gate import CellStatus
from pumpleak.engines.ladder import Ladder, Settings
from pumpleak.studies.calibrate.replicates import simulate_readings


def posteriors(problem, n, seed):
    """The readings and the draws (unconstrained) of each of n data sets whose posterior is usable: nearly all."""
    simulated = simulate_readings(problem, np.random.default_rng(seed), n)
    arrays = jax.tree.map(lambda a: np.broadcast_to(a, (n, *np.shape(a))), problem.arrays)
    ladder = Ladder(Settings(engine="importance", draws=1000, seed=seed, keep_u=True))
    out = ladder.solve(problem, arrays._replace(value=simulated.readings), np.arange(n).astype(str))
    usable = np.flatnonzero(out["status"] == CellStatus.usable)
    assert len(usable) > 0.9 * n
    return [(simulated.readings[i], np.asarray(out["u"][i]).reshape(-1, problem.dimension)) for i in usable]
