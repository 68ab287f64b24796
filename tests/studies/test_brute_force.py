"""What inverts a matrix or drops a direction, against sums over a grid of both unknowns."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import design, identify, infer, lognormal, make_problem, normal, read_table, sensitivity

pytestmark = pytest.mark.thorough

T, NA_I = 295.15, 10.0
V_T = 8.314462618 * T / 96485.33212 * 1e3
Z = np.linspace(-6, 6, 801)
TABLES = {
    "one reading": ([5.0], [-70.0], 1.0, (0.05, 3), (140.0, 10.0)),
    "two readings": ([2.5, 40.0], [-78.0, -31.0], 1.0, (0.05, 3), (140.0, 15.0)),
}


def potential(P, K_i, K_o):
    return V_T * np.log((K_o + P * (150 - K_o)) / (K_i + P * NA_I))


class Grid:
    """The posterior of P_Na/P_K and K_i, their prior scores on the axes."""

    def __init__(self, K_o, V, sem, P, K_i):
        self.a, self.b = np.meshgrid(Z, Z, indexing="ij")
        self.P, self.K_i = P[0] * P[1] ** self.a, K_i[0] + K_i[1] * self.b
        with np.errstate(invalid="ignore"):
            misfit = sum(
                ((v - potential(self.P, self.K_i, k)) / sem) ** 2 for k, v in zip(K_o, V, strict=True)
            )
        height = np.where(np.isfinite(misfit), -0.5 * (self.a**2 + self.b**2 + misfit), -np.inf)
        self.p = np.exp(height - height.max())
        self.p /= self.p.sum()

    def variance(self, x):
        return np.sum(self.p * (x - np.sum(self.p * x)) ** 2)

    def explained_by_K_i(self):
        """Share of the variance of ln P that knowing K_i takes away."""
        x, p = np.log(self.P), self.p.sum(axis=0)
        mean = np.sum(self.p * x, axis=0) / np.maximum(p, 1e-300)
        return np.sum(p * (mean - np.sum(p * mean)) ** 2) / self.variance(x)

    def gain(self, K_o, sd):
        """Information [nats] about both unknowns that a reading with this sd is expected to bring."""
        mu = potential(self.P, self.K_i, K_o)
        with np.errstate(invalid="ignore"):
            there = self.p > 1e-13
        weight, at = np.histogram(mu[there], bins=3000, weights=self.p[there])
        y = np.linspace(at[0] - 6 * sd, at[-1] + 6 * sd, 3000)
        middle = (at[1:] + at[:-1]) / 2
        density = np.exp(-0.5 * ((y[:, None] - middle) / sd) ** 2) @ weight / (np.sqrt(2 * np.pi) * sd)
        entropy = -np.sum(density * np.log(np.maximum(density, 1e-300))) * (y[1] - y[0])
        return entropy - 0.5 * np.log(2 * np.pi * np.e * sd**2)


@pytest.fixture(scope="module", params=TABLES)
def asked(request):
    K_o, V, sem, P, K_i = TABLES[request.param]
    frame = {"K_o_mM": K_o, "Na_o_mM": 150 - np.array(K_o), "V_m_mV": V, "V_m_sem_mV": sem}
    known = {"T": T, "Na_i": NA_I, "P_Na_rel": lognormal(*P), "K_i": normal(*K_i), "extra_V_m": 0.0}
    return make_problem(read_table(pd.DataFrame(frame)), known), Grid(K_o, V, sem, P, K_i)


def test_identify_removes_the_variance_that_is_removed(asked):
    problem, grid = asked
    removed = identify(problem, points=20).numbers["removed"]
    assert removed["P_Na_rel"] == pytest.approx(1 - grid.variance(grid.a), abs=0.02)
    assert removed["K_i"] == pytest.approx(1 - grid.variance(grid.b), abs=0.02)


def test_sensitivity_says_what_knowing_an_input_takes_away(asked):
    problem, grid = asked
    result = infer(problem, engine="importance", seed=1)
    (budget,) = sensitivity(problem, result, targets=["P_Na_rel"], samples=64, seed=1).numbers["budgets"]
    (of_K_i,) = [row for row in budget["shares"] if row["name"] == "K_i"]
    assert of_K_i["removed"] == pytest.approx(grid.explained_by_K_i(), abs=0.05)


@pytest.mark.parametrize("K_o", [60.0, 3.0])
def test_design_expects_the_information_that_a_reading_brings(asked, K_o):
    problem, grid = asked
    result = infer(problem, engine="importance", seed=1)
    one = {"K_o_mM": K_o, "Na_o_mM": 150 - K_o, "label": "more", "sem": 1.0}
    found = design(problem, [one], result=result, targets=["P_Na_rel", "K_i"], rows=1, seed=1)
    (row,) = found.numbers["candidates"]
    assert row["gain"] == pytest.approx(grid.gain(K_o, 1.0), abs=3 * row["gain_se"] + 0.03)
