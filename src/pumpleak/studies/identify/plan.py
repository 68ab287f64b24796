"""Plans: a table whose readings are still blank, as a problem that expects a reading in every row."""

from dataclasses import replace

import numpy as np

from ...problem.build import make_problem
from ...problem.problem import Problem


def planned(problem: Problem) -> Problem:
    """The problem with one reading of each observable in every row: what an experiment not yet done would read.

    The values are placeholders (0): only what does not depend on them, such as the Fisher information of a
    location-scale likelihood, may be asked of it. The error of a reading is ``sigma_V_m``, given or believed.

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
