"""The problems of `trust`: a table of six baths for each model, and how many of its unknowns are unknown."""

from typing import Any

import numpy as np
import pandas as pd
from batch_pump_leak import problem as pump_leak

from pumpleak import Problem, lognormal, make_problem, normal, read_table
from pumpleak.problem.priors import Prior

K_O = np.array([2.5, 5.0, 10.0, 20.0, 40.0, 80.0])  # [mM]
T = 310.15  # [K]

#: model -> ions, what is known, and its unknowns in the order in which `problem` frees them.
MODELS: dict[str, tuple[tuple[str, ...], dict[str, float], dict[str, Prior]]] = {
    "ghk": (
        ("K", "Na", "Cl"),
        {"Na_i": 12.0, "Cl_i": 8.0, "Cl_o": 150.0},
        {
            "P_Na_rel": lognormal(0.05, np.e),
            "P_Cl_rel": lognormal(0.3, np.e),
            "K_i": lognormal(140, 1.16),
            "sigma_V_m": lognormal(2, 2),
        },
    ),
    "mullins_noda": (
        ("K", "Na"),
        {"Na_i": 12.0},
        {
            "P_Na_rel": lognormal(0.03, 3),
            "r": lognormal(1.5, 1.2),
            "K_i": normal(140, 15),
            "sigma_V_m": lognormal(1, 2),
        },
    ),
    "chord": (
        ("K", "Na", "Cl"),
        {"Na_i": 12.0, "Cl_i": 8.0, "Cl_o": 150.0},
        {
            "g_Na_rel": lognormal(0.05, 2),
            "g_Cl_rel": lognormal(0.3, 2),
            "I_pump_rel": normal(3, 2),
            "sigma_V_m": lognormal(2, 2),
        },
    ),
}
NAMES = (*MODELS, "pump_leak")


def problem(model: str, free: int | None = None) -> Problem:
    """A cell in six baths, Na_o = 150 mM − K_o; its readings are placeholders.

    In the models with a pump it is blocked in a second look at two of the baths.

    Args:
        model: one of `NAMES`; ``pump_leak`` is frog muscle in acute baths, as in `batch_pump_leak`.
        free: only its first so many unknowns are, the others are known to be their priors' medians; None: all.
    """
    if model == "pump_leak":
        return pump_leak("acute")
    ions, known, unknowns = MODELS[model]
    pumped = model != "ghk"
    table = pd.DataFrame({"K_o_mM": np.append(K_O, K_O[[1, 3]]) if pumped else K_O})
    table["Na_o_mM"] = 150 - table["K_o_mM"]
    table["V_m_mV"] = -70.0
    if pumped:
        table["pump"] = [1, 1, 1, 1, 1, 1, 0, 0]
    given: dict[str, Any] = known | {"T": T, "extra_V_m": 0.0}
    given |= {"K_i": 140.0} if "K_i" not in unknowns else {}
    for i, (name, prior) in enumerate(unknowns.items()):
        given[name] = prior if free is None or i < free else float(prior.quantile(0.5))
    return make_problem(read_table(table), given, model=model, ions=ions)
