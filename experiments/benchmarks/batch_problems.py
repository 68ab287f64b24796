"""Two problems with one posterior a cell, for the benchmarks of batch inference.

Each cell is a potassium titration of one cell: GHK voltage at 310.15 K, four unknowns. `WELL_POSED` has eight
baths, two ions and known noise of 1 mV; `SKEWED` has six baths and three ions, so that P_Cl_rel is hardly
identified, and infers the noise. Unknowns are drawn from the priors.

    V = RT/F · ln((K_o + P_Na·Na_o + P_Cl·Cl_i) / (K_i + P_Na·Na_i + P_Cl·Cl_o)) + V_offset

with all P relative to P_K. Arrays of unknowns have the order of `Titration.names` in their last axis, and stand in
one of two scales: natural, or z, where each unknown's prior is a standard normal.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pumpleak import Problem, lognormal, make_problem, normal, read_table
from pumpleak.physics.constants import F, R
from pumpleak.problem.parameters import Swap

T = 310.15  # [K]
RT_F = 1e3 * R * T / F  # [mV]
TOTAL = 150.0  # K_o + Na_o [mM]


@dataclass(frozen=True)
class Unknown:
    """An unknown and its prior: normal with mean a and sd b, or so its logarithm.

    Attributes:
        name: as pumpleak calls it.
        unit: as an ending of a config's key.
        kind: ``normal`` or ``lognormal``.
        a, b: mean and sd, of the logarithm where lognormal.
    """

    name: str
    unit: str
    kind: str
    a: float
    b: float


@dataclass(frozen=True)
class Titration:
    """A problem: its baths, what is known and what is not.

    Attributes:
        name: key in `PROBLEMS`.
        title: for people.
        K_o: the baths [mM]; Na_o is `TOTAL` − K_o.
        unknowns: four of them.
        known: quantity -> value, of those not unknown: Na_i, Cl_i, Cl_o [mM], P_Cl_rel [1], V_offset, sigma_V_m
            [mV].
    """

    name: str
    title: str
    K_o: tuple[float, ...]
    unknowns: tuple[Unknown, ...]
    known: dict[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(u.name for u in self.unknowns)

    @property
    def infers_noise(self) -> bool:
        return "sigma_V_m" in self.names

    def natural(self, z, xp: Any = np) -> dict[str, Any]:
        """Unknown -> natural values, from z (..., 4)."""
        values = {u.name: u.a + u.b * z[..., i] for i, u in enumerate(self.unknowns)}
        return {
            u.name: xp.exp(values[u.name]) if u.kind == "lognormal" else values[u.name] for u in self.unknowns
        }

    def predict(self, values: dict[str, Any], xp: Any = np):
        """Readings without noise [mV], from natural values of shape (..., 1), or () for one cell.

        Args:
            values: unknown -> natural values.
            xp: whose ``log`` to use: numpy, jax.numpy or pymc.math.
        """
        v = self.known | values
        K_o = np.array(self.K_o)
        influx = K_o + v["P_Na_rel"] * (TOTAL - K_o)
        outflux = v["K_i"] + v["P_Na_rel"] * v["Na_i"]
        if "P_Cl_rel" in v:
            influx = influx + v["P_Cl_rel"] * v["Cl_i"]
            outflux = outflux + v["P_Cl_rel"] * v["Cl_o"]
        return RT_F * (xp.log(influx) - xp.log(outflux)) + v["V_offset"]

    def simulate(self, n: int, seed: int) -> dict[str, Any]:
        """n cells from the prior: ``readings`` (n, baths) [mV], and ``truth``, unknown -> (n,).

        Fewer cells are the first of more.
        """
        of_cells, of_readings = np.random.default_rng(seed).spawn(2)
        truth = self.natural(of_cells.standard_normal((n, len(self.unknowns))))
        columns = {name: value[:, None] for name, value in truth.items()}
        noise = of_readings.standard_normal((n, len(self.K_o))) * (self.known | columns)["sigma_V_m"]
        return {"readings": self.predict(columns) + noise, "truth": truth}

    def table(self, n: int, seed: int) -> pd.DataFrame:
        """The readings of `simulate` as a tidy table, one row a reading, cells ``cell 00000`` …"""
        readings = self.simulate(n, seed)["readings"]
        width = max(5, len(str(n - 1)))
        columns: dict[str, Any] = {
            "cell": np.repeat([f"cell {i:0{width}d}" for i in range(n)], len(self.K_o)),
            "K_o_mM": np.tile(self.K_o, n),
            "V_m_mV": readings.ravel(),
        }
        if not self.infers_noise:
            columns["V_m_sd_mV"] = self.known["sigma_V_m"]
        return pd.DataFrame(columns)

    def config(self) -> dict[str, Any]:
        """pumpleak's config of one cell, without its ``data``."""
        v = self.known
        chloride = "P_Cl_rel" in self.names
        quantities: dict[str, Any] = {
            "T": f"{T} K",
            "Na_o_mM": {"swap_for": "K_o", "total": TOTAL},
            "LJP_mV": 0,
            "extra_V_m_mV": 0,
        }
        quantities |= {"V_offset_mV": v["V_offset"]} if "V_offset" in v else {}
        quantities |= {"Na_i_mM": v["Na_i"]} if "Na_i" in v else {}
        quantities |= {"Cl_i_mM": v["Cl_i"], "Cl_o_mM": v["Cl_o"]} if chloride else {}
        for u in self.unknowns:
            prior = {"prior": u.kind}
            if u.kind == "normal":
                prior |= {"mean": u.a, "sd": u.b}
            else:
                prior |= {"median": round(math.exp(u.a), 12), "factor": round(math.exp(u.b), 12)}
            quantities[f"{u.name}_{u.unit}" if u.unit else u.name] = prior
        ions = ["K", "Na", "Cl"] if chloride else ["K", "Na"]
        return {"title": self.title, "model": "ghk", "ions": ions, "quantities": quantities}

    def problem(self) -> Problem:
        """The same of the first cell, made without a config, which needs pydantic; its recipe makes any cell's."""
        given: dict[str, Any] = {"T": T, "Na_o": Swap("K_o", TOTAL), "LJP": 0.0, "extra_V_m": 0.0}
        given |= {q: value for q, value in self.known.items() if q != "sigma_V_m"}
        for u in self.unknowns:
            given[u.name] = (
                normal(u.a, u.b) if u.kind == "normal" else lognormal(math.exp(u.a), math.exp(u.b))
            )
        ions = ("K", "Na", "Cl") if "P_Cl_rel" in self.names else ("K", "Na")
        table = self.table(1, 0).drop(columns="cell")
        return make_problem(read_table(table), given, ions=ions, title=self.title)

    def log_density(self, z: np.ndarray, readings: np.ndarray) -> np.ndarray:
        """Log posterior density of one cell at z, up to a constant.

        Args:
            z: (..., 4). |z| is bounded by 12, so that K_i stays positive and no exponential overflows; the prior
                has 1e-32 outside. There the density is 0.
            readings: of the cell [mV], (baths,).

        Returns:
            (...), −inf outside the bounds.
        """
        bounded = np.clip(z, -12.0, 12.0)
        values = {name: value[..., None] for name, value in self.natural(bounded).items()}
        sigma = (self.known | values)["sigma_V_m"]
        residuals = (readings - self.predict(values)) / sigma
        density = -0.5 * (residuals**2).sum(-1) - 0.5 * (bounded**2).sum(-1)
        if self.infers_noise:
            density = density - len(self.K_o) * np.log(sigma[..., 0])
        return np.where(np.abs(z).max(-1) <= 12.0, density, -np.inf)


WELL_POSED = Titration(
    name="well posed",
    title="Eight baths, known noise",
    K_o=(2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 120.0),
    unknowns=(
        Unknown("P_Na_rel", "", "lognormal", math.log(0.05), math.log(3)),
        Unknown("K_i", "mM", "normal", 140.0, 10.0),
        Unknown("Na_i", "mM", "lognormal", math.log(12), math.log(1.3)),
        Unknown("V_offset", "mV", "normal", 0.0, 2.0),
    ),
    known={"sigma_V_m": 1.0},
)
SKEWED = Titration(
    name="skewed",
    title="Six baths, chloride hardly identified, noise inferred",
    K_o=(2.5, 5.0, 10.0, 20.0, 40.0, 80.0),
    unknowns=(
        Unknown("P_Na_rel", "", "lognormal", math.log(0.05), 1.0),
        Unknown("P_Cl_rel", "", "lognormal", math.log(0.3), 1.0),
        Unknown("K_i", "mM", "lognormal", math.log(140), 0.15),
        Unknown("sigma_V_m", "mV", "lognormal", math.log(2), 0.7),
    ),
    known={"Na_i": 12.0, "Cl_i": 8.0, "Cl_o": TOTAL, "V_offset": 0.0},
)
PROBLEMS = {p.name: p for p in (WELL_POSED, SKEWED)}
