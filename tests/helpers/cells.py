"""Cells that several test files look at, and every mechanism's rate once more in plain floats."""

import math

from pumpleak import (
    NCX,
    PMCA,
    Bath,
    Cell,
    ChordLeak,
    ConstantPump,
    Cotransporter,
    CubicPump,
    GHKLeak,
    HillPump,
    InwardRectifier,
    VoltagePump,
)
from pumpleak.physics.constants import F, R

KCC2, NKCC1 = {"K": 1, "Cl": 1}, {"Na": 1, "K": 1, "Cl": 2}
AE, NBC = {"Cl": 1, "HCO3": -1}, {"Na": 1, "HCO3": 2}
Z = {"Na": 1, "K": 1, "Cl": -1, "Ca": 2, "HCO3": -1}


def kelvin(kT):
    """Temperature at which RT/F is so many mV."""
    return kT * F / R / 1e3


def values(entries):
    """Plain numbers of a reference case's parameters or answers."""
    return {k: v["value"] if isinstance(v, dict) else v for k, v in entries.items()}


# -- cells -------------------------------------------------------------------------------------------


def ghk_neuron(P_Na=4e-8, P_K=1e-6, P_Cl=1e-6, J=0.008, KCC2_g=0.0, z_X=-1.0, **changes):
    """Goldman-Hodgkin-Katz leaks, a cubic pump and KCC2 [cm/s, µmol/cm²/s, mS/cm²]."""
    leaks = {f"leak_{i}": GHKLeak(i, P) for i, P in (("Na", P_Na), ("K", P_K), ("Cl", P_Cl))}
    kcc = {"KCC2": Cotransporter(KCC2, KCC2_g)}
    return Cell({**leaks, **kcc, "pump": CubicPump(J)}, **{"z_X": z_X, "X_i": 140.0} | changes)


def duesterwald(p, pump=None, **settings):
    """The single compartment of eLife 7:e39575 from a case's numbers; S/dm² are 10 mS/cm², A/dm² 1e4 µA/cm²."""
    pump = CubicPump(p["p_pump"] * 1e4 / F) if pump is None else pump
    leaks = {f"leak_{i}": ChordLeak(i, 10 * p[f"g_{i}"]) for i in ("Na", "K", "Cl")}
    kcc = {"KCC2": Cotransporter(KCC2, 10 * p["g_KCC2"])}
    usual = {"z_X": p["z_X"], "X_i": 154.95707953058}
    cell = Cell({**leaks, **kcc, "pump": pump}, **usual | settings)
    X_o = p["osm_out"] - p["Na_out"] - p["K_out"] - p["Cl_out"]
    return cell, Bath(T=kelvin(p["RT_over_F"]), Na_o=p["Na_out"], K_o=p["K_out"], Cl_o=p["Cl_out"], X_o=X_o)


def keener_sneyd(p, P, gamma=None):
    """Chord leaks, passive Cl⁻ and a constant pump of dimensionless rate P."""
    kT, g_Na = p.get("RT_over_F", 25.8), 0.02
    gamma = p["gamma"] if gamma is None else gamma
    leaks = {
        "leak_Na": ChordLeak("Na", g_Na),
        "leak_K": ChordLeak("K", g_Na / gamma),
        "leak_Cl": ChordLeak("Cl", 1.0),
    }
    Ce = p["Ne"] + p["Ke"]
    cell = Cell({**leaks, "pump": ConstantPump(P * g_Na * kT / F)}, z_X=p["zx"], X_i=Ce)
    return cell, Bath(T=kelvin(kT), Na_o=p["Ne"], K_o=p["Ke"], Cl_o=Ce)


def muscle():
    """A muscle fibre whose inward rectifier gives it two resting levels in low potassium."""
    mechanisms = {
        "leak_K": ChordLeak("K", 0.0195),
        "leak_Na": ChordLeak("Na", 0.012),
        "leak_Cl": ChordLeak("Cl", 0.002),
        "Kir": InwardRectifier(0.0787, V_half=28.0, V_slope=4.0),
        "pump": HillPump(4.937e-05, n_K=1.0),
    }
    cell = Cell(mechanisms, z_X=-1.007, X_i=146.381)
    return cell, Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=124.0, X_o=30.0)


# -- rate laws ---------------------------------------------------------------------------------------


def built(p):
    """Mechanisms by name from their constants: ``{"GHK": {"Na": 5e-8}, "Hill": 3e-5}``."""
    out = {f"GHK_{i}": GHKLeak(i, P) for i, P in p.get("GHK", {}).items()}
    out |= {f"chord_{i}": ChordLeak(i, g) for i, g in p.get("chord", {}).items()}
    makers = {
        "constant": ConstantPump,
        "cubic": CubicPump,
        "Hill": HillPump,
        "voltage": VoltagePump,
        "Kir": InwardRectifier,
        "NCX": NCX,
        "PMCA": PMCA,
        "KCC2": lambda g: Cotransporter(KCC2, g),
        "NKCC1": lambda k: Cotransporter(NKCC1, k, "mass_action"),
        "AE": lambda k: Cotransporter(AE, k, "mass_action"),
        "NBC": lambda k: Cotransporter(NBC, k, "mass_action"),
    }
    return out | {k: makers[k](p[k]) for k in p if k in makers}


def laws(p, u, i, o, T):
    """Rate and stoichiometry of the same at V = u RT/F, in plain floats, written from the publications."""
    kT = R * T / F * 1e3
    E = {ion: kT / Z[ion] * math.log(o[ion] / i[ion]) for ion in i}
    V, out = kT * u, {}
    for ion, P in p.get("GHK", {}).items():
        x = Z[ion] * u
        out[f"GHK_{ion}"] = P * x * (i[ion] - o[ion] * math.exp(-x)) / -math.expm1(-x), {ion: 1}
    for ion, g in p.get("chord", {}).items():
        out[f"chord_{ion}"] = g * (V - E[ion]) / (Z[ion] * F), {ion: 1}
    pumps = {
        "constant": lambda J: J,
        "cubic": lambda J: J * (i["Na"] / o["Na"]) ** 3,
        "Hill": lambda J: J / (1 + 10 / i["Na"]) ** 3 / (1 + 1 / o["K"]) ** 2,
        "voltage": lambda J: (
            J
            / (1 + 0.1245 * math.exp(-0.1 * u) + 0.0365 * math.expm1(o["Na"] / 67.3) / 7 * math.exp(-u))
            / (1 + (10 / i["Na"]) ** 1.5)
            * o["K"]
            / (o["K"] + 1.5)
        ),
    }
    for law, make in pumps.items():
        if law in p:
            out[law] = make(p[law]), {"Na": 3, "K": -2}
    if "KCC2" in p:
        out["KCC2"] = p["KCC2"] * (E["Cl"] - E["K"]) / F, KCC2
    if "NKCC1" in p:
        inside, outside = (s["Na"] * s["K"] * s["Cl"] ** 2 for s in (i, o))
        out["NKCC1"] = p["NKCC1"] * (inside - outside), NKCC1
    if "AE" in p:
        out["AE"] = p["AE"] * (i["Cl"] * o["HCO3"] - o["Cl"] * i["HCO3"]), AE
    if "NBC" in p:  # one negative charge goes out with each cycle
        inside, outside = (s["Na"] * s["HCO3"] ** 2 for s in (i, o))
        out["NBC"] = p["NBC"] * (math.exp(-u / 2) * inside - math.exp(u / 2) * outside), NBC
    if "Kir" in p:
        open_ = 1 / (1 + math.exp((V - E["K"] + 15) / 10))
        out["Kir"] = p["Kir"] * math.sqrt(o["K"]) * open_ * (V - E["K"]) / F, {"K": 1}
    if "NCX" in p:
        e, r = math.exp(0.35 * u), math.exp(-0.65 * u)
        turn = e * i["Na"] ** 3 * o["Ca"] - r * o["Na"] ** 3 * i["Ca"]
        over = (87.5**3 + o["Na"] ** 3) * (1.38 + o["Ca"]) * (1 + 0.1 * r)
        out["NCX"] = p["NCX"] * turn / over, {"Na": 3, "Ca": -1}
    if "PMCA" in p:
        out["PMCA"] = p["PMCA"] * i["Ca"] / (i["Ca"] + 5e-4), {"Ca": 1}
    return out
