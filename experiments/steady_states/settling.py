"""The same cells integrated in time by SciPy's BDF, from equations written anew in NumPy.

State: ln of the amounts of Na⁺ and K⁺, and u; Cl⁻ follows from the charge on a (tiny) capacitance. Time is
logarithmic, so that hundreds of cells whose rates span decades share their steps.
"""

import itertools

import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import block_diag

F, R = 96485.33212, 8.31446261815324
CAPACITY = 1e-6  # charge [mM] a unit of u holds: what electroneutrality would be at 0
EMPTY, BURST = 1e-6, 1000.0  # amount [mM] at which an ion is gone; volume at which a cell has burst
MOST_CALLS = 20_000  # of the equations, a batch; those too stiff for it are tried again in smaller ones


def B(x):
    small = np.abs(x) < 1e-5
    safe = np.where(small, 1, x)
    with np.errstate(over="ignore"):
        return np.where(small, 1 + x / 2, safe / -np.expm1(-safe))


def fluxes(p, u, c):
    """Outward fluxes [µmol cm⁻² s⁻¹] of Na, K, Cl; `p` holds a cell's numbers by name."""
    J = {}
    kT = R * p["T"] / F * 1e3  # mV
    E = {}
    for ion, z in (("Na", 1), ("K", 1), ("Cl", -1)):
        E[ion] = np.log(p[f"{ion}_o"] / c[ion]) / z
        if p["leaks"] == "chord":
            J[ion] = p[f"g_{ion}"] * kT * (u - E[ion]) / (z * F)
        else:
            J[ion] = p[f"P_{ion}"] * (B(z * u) * c[ion] - B(-z * u) * p[f"{ion}_o"])
    if p["pump"] == "constant":
        pump = p["J"]
    elif p["pump"] == "cubic":
        pump = p["J"] * (c["Na"] / p["Na_o"]) ** 3
    elif p["pump"] == "Hill":
        pump = p["J"] * (c["Na"] / (c["Na"] + p["K_Na"])) ** 3 * (p["K_o"] / (p["K_o"] + p["K_K"])) ** 2
    else:
        sigma = np.expm1(p["Na_o"] / 67.3) / 7
        v = np.clip(u, -40, 40)
        f = 1 / (1 + 0.1245 * np.exp(-0.1 * v) + 0.0365 * sigma * np.exp(-v))
        pump = p["J"] * f / (1 + (p["K_Na"] / c["Na"]) ** 1.5) * p["K_o"] / (p["K_o"] + p["K_K"])
    J["Na"], J["K"] = J["Na"] + 3 * pump, J["K"] - 2 * pump
    if "KCC2" in p:
        kcc = p["KCC2"] * kT / F * np.log(c["K"] * c["Cl"] / (p["K_o"] * p["Cl_o"]))
        inside = c["Na"] * c["K"] * c["Cl"] ** 2
        outside = p["Na_o"] * p["K_o"] * p["Cl_o"] ** 2
        if p["leaks"] == "chord":
            nkcc = p["NKCC1"] * kT / F * (np.log(inside) - np.log(outside))
        else:
            nkcc = p["NKCC1"] * (inside - outside)
        J["Na"], J["K"], J["Cl"] = J["Na"] + nkcc, J["K"] + kcc + nkcc, J["Cl"] + kcc + 2 * nkcc
    return J


def settle(p, duration, width=1e-4):
    """Concentrations, u and volume after `duration` [s], and which cells burst or lost an ion on the way.

    Amounts are per reference volume [mM]; `width` [cm] is that volume over the membrane's area.
    """
    n = len(p["z_X"])
    Pi_o = p["Na_o"] + p["K_o"] + p["Cl_o"] + p["X_o"]

    def unpack(x):
        Na, K, u = np.exp(np.clip(x[0::3], -300, 60)), np.exp(np.clip(x[1::3], -300, 60)), x[2::3]
        Cl = np.maximum(Na + K + p["z_X"] * p["X_i"] - CAPACITY * u, 1e-100)
        return Na, K, Cl, u, (Na + K + Cl + p["X_i"]) / Pi_o

    calls = itertools.count()

    def rhs(s, x):
        if next(calls) > MOST_CALLS:
            raise TimeoutError
        Na, K, Cl, u, volume = unpack(x)
        J = fluxes(p, u, {"Na": Na / volume, "K": K / volume, "Cl": Cl / volume})
        out = np.empty_like(x)
        out[0::3], out[1::3] = -J["Na"] / width / Na, -J["K"] / width / K
        out[2::3] = (J["Cl"] - J["Na"] - J["K"]) / width / CAPACITY
        # A cell that has burst, or lost an ion, has its own clock slowed down: where it goes stays the same.
        speed = np.exp(s - volume / (0.3 * BURST))
        if p["leaks"] == "GHK":
            least = np.minimum(np.minimum(Na, K), Cl)
            speed = speed * (least / (least + EMPTY)) ** 2
        return out * np.repeat(speed, 3)

    Na = np.full(n, 20.0)
    K = np.maximum(100.0, 20 - p["z_X"] * p["X_i"])
    start = np.stack([np.log(Na), np.log(K), np.full(n, -2.0)], 1).ravel()
    try:
        end = solve_ivp(
            rhs,
            (np.log(1e-9), np.log(duration)),
            start,
            method="BDF",
            rtol=1e-5,
            atol=1e-6,
            jac_sparsity=block_diag([np.ones((3, 3))] * n),
        )
        ok, last = end.success, end.y[:, -1]
    except TimeoutError:
        ok, last = False, np.full_like(start, np.nan)
    Na, K, Cl, u, volume = unpack(last)
    c = {"Na": Na / volume, "K": K / volume, "Cl": Cl / volume}
    lost = (np.minimum(np.minimum(Na, K), Cl) < 2 * EMPTY) & (p["leaks"] == "GHK")
    return {"c": c, "u": u, "volume": volume, "burst": volume > BURST, "lost": lost, "ok": ok}
