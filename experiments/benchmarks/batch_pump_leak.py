"""Usable posteriors a second of a pump-leak cell: six baths, four parameters, acute or steady, beside NUTS.

    uv run python experiments/benchmarks/batch_pump_leak.py [--cells 1000] [--nuts-cells 20]

NUTS is NumPyro's, by `Ladder(engine="nuts")`'s own fourth rung on the same density: one chain to a core.
"""

import argparse
import time
from collections import Counter

import jax
import numpy as np
import pandas as pd

from pumpleak import Bath, Cell, GHKLeak, HillPump, lognormal, make_problem, normal, read_table
from pumpleak.engines.gate import CellStatus, Rung
from pumpleak.engines.ladder import Ladder, Settings
from pumpleak.studies.calibrate.replicates import simulate_readings

K_O = (2.5, 5.0, 10.0, 20.0, 40.0, 80.0)


def frog_muscle():
    """The preset of that name, its numbers written out: reading a preset needs pydantic."""
    mechanisms = {
        "leak_K": GHKLeak("K", 7.6e-07),
        "leak_Na": GHKLeak("Na", 7.6e-09),
        "leak_Cl": GHKLeak("Cl", 1.52e-06),
        "pump": HillPump(1.723e-05, K_Na=10.0, K_K=1.0),
    }
    cell = Cell(mechanisms, z_X=-1.552, X_i=95.0619, volume_to_area=25e-4, C_m=6.7)
    return cell, Bath(T=291.15, K_o=2.5, Na_o=120.0, Cl_o=121.0, X_o=4.8)


def problem(protocol: str):
    """Frog muscle in six baths: all steady, or five acute ones after the first."""
    table = pd.DataFrame({"label": [f"{k} K" for k in K_O], "K_o_mM": K_O, "V_m_mV": -70.0, "V_m_sd_mV": 1.0})
    table["Na_o_mM"] = 122.5 - table["K_o_mM"]
    table["protocol"] = ["steady", *[protocol] * 5]
    given = {
        "T": 291.15, "Cl_o": 121.0, "P_Na_rel": lognormal(0.02, 1.5), "P_Cl_rel": lognormal(1, 1.5),
        "pump_rel": lognormal(2, 1.5), "z_X": normal(-1.4, 0.1), "extra_V_m": 0.0,
    }  # fmt: skip
    return make_problem(
        read_table(table), given, model="pump_leak", cell=frog_muscle(), baseline=f"{K_O[0]} K"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--nuts-cells", type=int, default=20)
    options = parser.parse_args()
    for protocol in ("acute", "steady"):
        made = problem(protocol)
        readings = simulate_readings(made, np.random.default_rng(1), options.cells).readings
        rates = {}
        for engine, n in (("auto", options.cells), ("nuts", options.nuts_cells)):
            if not n:
                continue
            ladder = Ladder(Settings(engine=engine))
            arrays = jax.tree.map(lambda a, n=n: np.broadcast_to(a, (n, *np.shape(a))), made.arrays)
            arrays, ids = arrays._replace(value=readings[:n]), np.array([f"cell {i}" for i in range(n)])
            began = time.perf_counter()
            ladder.solve(made, arrays, ids)
            cold = time.perf_counter() - began
            began = time.perf_counter()
            out = ladder.solve(made, arrays, ids)
            run = time.perf_counter() - began
            usable = out["status"] == CellStatus.usable
            rates[engine] = usable.sum() / run
            print(
                f"{protocol} {engine}: {rates[engine]:.3g} usable/s, {100 * usable.mean():.2f} % of {n:,} usable,"
                f" compile {cold - run:.1f} s, run {run:.1f} s"
                f" {dict(Counter(Rung(r).name for r in out['rung']))}"
                f" {dict(Counter(CellStatus(s).name for s in out['status'][~usable]))}",
                flush=True,
            )
        if len(rates) == 2:
            print(f"{protocol}: {rates['auto'] / max(rates['nuts'], 1e-9):.3g} × NUTS")


if __name__ == "__main__":
    with jax.enable_x64(True):
        main()
