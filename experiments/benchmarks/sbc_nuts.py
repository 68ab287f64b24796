"""Simulation-based calibration of NUTS on a potassium titration: of GHK, or of a pump-leak cell.

`pumpleak calibrate` on readings (means with standard errors) in eight baths, and its negative control, which simulates
twice the noise that the model is told of and must fail. `sbc_batch.py` is the same by the batch engine.

    uv run python experiments/benchmarks/sbc_nuts.py
    uv run python experiments/benchmarks/sbc_nuts.py --model pump_leak --replicates 200 --warmup 500 --thin 8

Exits 1 if the calibrated run fails or the control passes. Writes both studies, with figures, to results/.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from pumpleak import Problem, calibrate

BATHS = (1, 2.5, 5, 10, 20, 40, 80, 120)  # K_o [mM]
_QUANTITIES = {
    "T": "22 degC",
    "P_Na_rel": {"prior": "lognormal", "median": 0.03, "factor": 3},
    "P_Cl_rel": {"prior": "lognormal", "median": 0.3, "factor": 3},
    "K_i_mM": {"prior": "lognormal", "median": 140, "factor": 1.25},
    "Na_i_mM": 12,
    "Cl_i_mM": 8,
    "Na_o_mM": {"swap_for": "K_o", "total": 150},
    "Cl_o_mM": 150,
    "V_offset_mV": 0,
    "LJP_mV": 0,
}


_SIGMA = {"extra_V_m_mV": 0, "sigma_V_m_mV": {"prior": "halfnormal", "sd": 3}}
_DYE = {
    "dye_F0": {"prior": "lognormal", "median": 1, "factor": 1.1},
    "dye_slope": {"prior": "normal", "mean": 0.3, "sd": 0.05},
    "sigma_dye": 0.01,
}
#: How the readings come about, and what is unknown of that: quantities, and keys of the config.
NOISES: dict[str, tuple[dict, dict]] = {
    "extra": ({"extra_V_m_mV": {"prior": "halfnormal", "sd": 3}}, {}),
    "known": ({"extra_V_m_mV": 0}, {}),
    "sigma": (_SIGMA, {}),
    "student_t": ({"extra_V_m_mV": 0}, {"noise": "student_t"}),
    "outliers": ({"extra_V_m_mV": 0}, {"noise": "outliers"}),
    "offset": ({"extra_V_m_mV": 0, "V_offset_mV": {"prior": "normal", "mean": 0, "sd": 3}}, {}),
    "junction": ({"extra_V_m_mV": 0, "LJP_mV": {"prior": "normal", "mean": 3, "sd": 2}}, {}),
    "shunt": ({"extra_V_m_mV": 0, "shunt_rel": {"prior": "halfnormal", "sd": 0.3}}, {}),
    "drift": ({"extra_V_m_mV": 0, "drift_row_mV": {"prior": "normal", "mean": 0, "sd": 0.5}}, {}),
    "rounded": (_SIGMA, {"rounding_mV": 5}),
    "cut_off": (_SIGMA, {"floor_mV": -60}),
    "dye": ({"extra_V_m_mV": 0} | _DYE, {"observables": ["V_m", "dye"]}),
}


def _load(config: dict, lines: list[str], noise: str) -> Problem:
    """The problem of a config and its table: where single readings are meant, those of V_m have no errors."""
    from pumpleak import load_problem  # needs pydantic, which gpu.py does without

    quantities, keys = NOISES[noise]
    if "observables" in config and "observables" in keys:
        keys = {"observables": [*config["observables"], *keys["observables"][1:]]}
    rows = [line.split(",") for line in lines]
    if "sigma_V_m_mV" in quantities:
        rows = [[x for h, x in zip(rows[0], r, strict=True) if h not in ("V_m_sd_mV", "V_m_n")] for r in rows]
    if noise == "dye":
        rows = [[*row, "dye" if row is rows[0] else "1"] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "titration.csv"
        file.write_text("\n".join(",".join(r) for r in rows) + "\n")
        config = config | keys | {"data": {"file": str(file)}}
        return load_problem(config | {"quantities": config["quantities"] | quantities})


def titration(model: str = "ghk", noise: str = "extra") -> Problem:
    """The problem: eight baths, standard errors near 1 mV, four unknowns or three. Its readings are placeholders.

    Args:
        noise: one of `NOISES`.
        model: ``ghk``; ``mullins_noda``, which is it without Cl and with the pump; or ``chord``, with conductances.
    """
    rows = [f"{k} K,{k},0,{s},10" for k, s in zip(BATHS, (4, 3, 3, 2, 3, 3, 2, 4), strict=True)]
    config = {"title": "Titration", "model": model, "ions": ["K", "Na", "Cl"]}
    quantities = dict(_QUANTITIES)
    if model == "mullins_noda":
        config["ions"] = ["K", "Na"]
        quantities = {k: v for k, v in quantities.items() if "Cl" not in k}
    if model == "chord":
        quantities = {k.replace("P_", "g_", k.startswith("P_")): v for k, v in quantities.items()}
    return _load(config | {"quantities": quantities}, ["label,K_o_mM,V_m_mV,V_m_sd_mV,V_m_n", *rows], noise)


def pump_leak_titration(noise: str = "extra") -> Problem:
    """A muscle cell: rest, five acute baths, an acute pump block, and one reading of Na_i."""
    rows = ["rest,2.5,steady,1,0,2,10,0,1,10"]
    rows += [f"{k} K,{k},acute,1,0,2,10,,," for k in (5, 10, 20, 40, 80)]
    rows += ["ouabain,2.5,acute,0,0,2,10,,,"]
    header = "label,K_o_mM,protocol,pump,V_m_mV,V_m_sd_mV,V_m_n,Na_i_mM,Na_i_sd_mM,Na_i_n"
    config = {
        "title": "Pump-leak titration",
        "model": "pump_leak",
        "cell": {"preset": "frog_muscle"},
        "baseline": "rest",
        "observables": ["V_m", "Na_i"],
        "quantities": {
            "T": "18 degC",
            "Na_o_mM": {"swap_for": "K_o", "total": 122.5},
            "Cl_o_mM": 121,
            "P_Na_rel": {"prior": "lognormal", "median": 0.02, "factor": 2},
            "P_Cl_rel": {"prior": "lognormal", "median": 1, "factor": 2},
            "pump_rel": {"prior": "lognormal", "median": 2, "factor": 2},
            "z_X": {"prior": "normal", "mean": -1.4, "sd": 0.2},
        },
    }
    return _load(config, [header, *rows], noise)


PROBLEMS = {
    "ghk": titration,
    "mullins_noda": lambda: titration("mullins_noda"),
    "chord": lambda: titration("chord"),
    "pump_leak": pump_leak_titration,
}


def main(engine: str = "nuts", replicates: int = 500) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=PROBLEMS, default="ghk")
    parser.add_argument("--engine", default=engine)
    parser.add_argument("--replicates", type=int, default=replicates)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--thin", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    out = args.out or Path(f"results/sbc_{args.engine}_{args.model}")
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("pumpleak", "jax", "numpyro", "numpy"))
    print(f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores; {versions}")
    problem, passed = PROBLEMS[args.model](), {}
    for control in (None, "noise"):
        began = time.process_time()
        study = calibrate(
            problem,
            args.engine,
            args.replicates,
            control=control,
            seed=args.seed,
            warmup=args.warmup,
            thin=args.thin,
        )
        passed[control] = study.passed
        print(f"\n{time.process_time() - began:.1f} CPU s, compiling and all", *study.words(), sep="\n")
        print(study.tables[0].frame().to_string(index=False, float_format="%.3g"), flush=True)
        print(f"written to {study.save(out / (control or 'calibrated'), force=True)}/")
    print(f"\ncalibrated run: {'PASS' if passed[None] else 'FAIL (it should pass)'}")
    print(f"negative control: {'caught, as it should be' if passed['noise'] else 'NOT caught'}")
    sys.exit(0 if passed[None] and passed["noise"] else 1)


if __name__ == "__main__":
    main()
