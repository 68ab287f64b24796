"""A time course as data: seven times, three observables, and unknowns at which the integrator finds nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from pumpleak import Event, fit, load_preset, lognormal, make_problem, read_table, simulate
from pumpleak.cell.numbers import change

pytestmark = pytest.mark.thorough

TIMES = 60.0 * np.array([0, 5, 10, 20, 40, 60, 120])
TRUE = {"g_Na_rel": 0.35, "pump_rel": 1.3}  # the template's are 0.286 and 1
ERRORS = {"V_m": 1.0, "Na_i": 1.5, "volume": 0.01}
BATH = {"T": 310.15, "Na_o": 145.0, "K_o": 3.5, "Cl_o": 119.0}


def readings(g_Na_rel, pump_rel):
    """Observable -> its value at each time under ouabain, as `simulate` follows such a neuron."""
    cell, bath = load_preset("neuron")
    cell, bath = change(cell, bath.change(T=BATH["T"]), {"leak_Na": g_Na_rel * 0.07 / 0.02, "pump": pump_rel})
    course = simulate(cell, bath, TIMES[-1], events=[Event(0.0, {"pump": 0})], times=TIMES)
    return {"V_m": course.V_m, "Na_i": course.c_i["Na"], "volume": course.volume / course.volume[0]}


@pytest.fixture(scope="module")
def problem():
    seen = readings(**TRUE)
    table = pd.DataFrame(
        {
            "label": "rest",
            "protocol": "steady",
            "baseline": "",
            "t_s": TIMES,
            "pump": 1.0,
            "V_m_mV": seen["V_m"],
        }
        | {"V_m_sd_mV": ERRORS["V_m"], "Na_i_mM": seen["Na_i"], "Na_i_sd_mM": ERRORS["Na_i"]}
        | {"volume": seen["volume"], "volume_sd": ERRORS["volume"]}
    )
    later = table["t_s"] > 0
    table.loc[later, ["label", "protocol", "baseline", "pump"]] = ["later", "at", "rest", 0.0]
    unknown = {"g_Na_rel": lognormal(0.3, 2), "pump_rel": lognormal(1, 2)}
    exact = {f"extra_{name}": 0.0 for name in ERRORS}
    return make_problem(
        read_table(table, quantities=["t", "pump"], observables=list(ERRORS)),
        BATH | unknown | exact,
        model="pump_leak",
        cell=load_preset("neuron"),
    )


def test_fit_finds_what_was_put_in_with_the_errors_of_the_readings(problem):
    done = []
    found = fit(problem, starts=32, seed=3, progress=lambda n, total: done.append((n, total)))
    assert done[-1] == (32, 32)
    got = [found[name] for name in TRUE]
    # By finite differences of `simulate`, the prior's own precision added.
    steps = [
        {n: v * (np.exp(s * 0.01) if n == name else 1) for n, v in TRUE.items()}
        for name in TRUE
        for s in (1, -1)
    ]
    seen = [np.concatenate([readings(**at)[o] / ERRORS[o] for o in ERRORS]) for at in steps]
    J = np.stack([(seen[0] - seen[1]) / 0.02, (seen[2] - seen[3]) / 0.02], axis=1)
    sd = np.sqrt(np.diag(np.linalg.inv(J.T @ J + np.eye(2) / np.log(2) ** 2)))
    for estimate, true, rel in zip(got, TRUE.values(), sd, strict=True):
        assert estimate.value == pytest.approx(true, abs=0.2 * rel * true)  # the prior pulls a little
        assert estimate.se / estimate.value == pytest.approx(rel, rel=0.03)


def test_what_cannot_be_followed_spoils_no_other_lane(problem):
    """A start far off has no answer, or one, but a slope that is a number; and its neighbours are not touched."""
    rng = np.random.default_rng(0)
    u = np.concatenate([rng.normal(size=(4, 2)), 8 * rng.normal(size=(8, 2)), 30 * rng.normal(size=(12, 2))])
    run = jax.value_and_grad(problem.potential)
    value, slope = map(np.asarray, jax.jit(jax.vmap(run))(jnp.asarray(u)))
    assert np.isfinite(slope).all() and np.isinf(value).any()
    alone = jax.jit(run)
    for k in (0, 1, 2, 3):
        v, g = alone(jnp.asarray(u[k]))
        assert v == pytest.approx(value[k], rel=1e-6) and g == pytest.approx(slope[k], rel=1e-4)
