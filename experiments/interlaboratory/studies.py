"""Synthetic studies: what literature on resting potentials looks like, with truths that are known.

    uv run python experiments/interlaboratory/studies.py       # writes studies.csv and truth.csv, 60 studies

No number here was measured. Of each study, drawn independently:

* ln P_Na/P_K normal about ln 0.02 with sd 0.6 between studies; the rest of the cell from the priors of
  interlaboratory.yaml, which are therefore right; only that of P_Na/P_K is wider than the truth, and higher;
* its bath: K_o one of 2.5 to 10 mM, Na_o normal (142, 8) mM, Cl_o = 0.9 (K_o + Na_o), 18 to 37 °C;
* n of 3 to 80 cells, whose potentials scatter by 2 to 8 mV; given is their mean, and the standard error or (in
  one study of four) the standard deviation that those n cells show;
* one study of six also raises K_o, in place of Na_o, once or three times.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pumpleak import celsius, ghk_voltage

HERE = Path(__file__).parent
MEDIAN, SPREAD = 0.02, 0.6  # of P_Na/P_K between studies, the sd of its logarithm
BATHS = (2.5, 3.0, 3.5, 4.0, 4.7, 5.0, 5.4, 5.9, 10.0)  # [mM]
RAISED = (10.0, 20.0, 40.0, 80.0)  # [mM]


def simulate(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a study and bath as `pumpleak batch` takes it, and the truth, a row a study."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    width = max(2, len(str(n)))
    for i in range(n):
        name = f"synthetic {i + 1:0{width}d}"
        P_Na, P_Cl, K_i, Cl_i = np.exp(
            np.log([MEDIAN, 0.3, 140, 8])
            + np.array([SPREAD, *np.log([2, 1.2, 1.5])]) * rng.standard_normal(4)
        )
        offset = 4 * rng.standard_normal()
        T_degC = rng.choice([18, 20, 22, 25, 30, 33, 35, 37])
        K_o, total = rng.choice(BATHS), np.round(rng.normal(142, 8))
        baths = [K_o]
        if rng.random() < 1 / 6:
            higher = [k for k in RAISED if k > K_o]
            baths += sorted(rng.choice(higher, rng.choice([1, 3]), replace=False))
        Na_o = np.round(total + K_o - np.array(baths), 1)
        Cl_o = np.round(0.9 * (total + K_o))
        cells = int(np.round(np.exp(rng.uniform(np.log(3), np.log(80)))))
        scatter, gives_sd = rng.uniform(2, 8), rng.random() < 0.25
        for k, na in zip(baths, Na_o, strict=True):
            V_m = float(ghk_voltage(
                np.array([1, P_Na, P_Cl]), np.array([k, na, Cl_o]), np.array([K_i, 12, Cl_i]), (1, 1, -1),
                celsius(T_degC),
            ))  # fmt: skip
            seen = V_m + offset + scatter * rng.standard_normal(cells)
            sd = seen.std(ddof=1)
            rows.append({
                "study": name, "K_o_mM": k, "Na_o_mM": na, "Cl_o_mM": Cl_o, "T_degC": T_degC,
                "V_m_mV": round(seen.mean(), 1), "V_m_sem_mV": np.nan if gives_sd else round(sd / cells**0.5, 2),
                "V_m_sd_mV": round(sd, 1) if gives_sd else np.nan, "V_m_n": cells,
            })  # fmt: skip
        truth.append({"study": name, "baths": len(baths), "P_Na_rel": float(f"{P_Na:.4g}")})
    return pd.DataFrame(rows), pd.DataFrame(truth)


def main() -> None:
    table, truth = simulate(60, seed=0)
    table.to_csv(HERE / "studies.csv", index=False)
    truth.to_csv(HERE / "truth.csv", index=False)


if __name__ == "__main__":
    import jax

    jax.config.update("jax_enable_x64", True)
    main()
