"""Random cells of every mechanism family, far wider than physiology."""

import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from pumpleak import (
    Bath,
    Cell,
    ChordLeak,
    ConstantPump,
    Cotransporter,
    CubicPump,
    GHKLeak,
    HillPump,
    InputWarning,
    VoltagePump,
)

PUMPS = ("constant", "cubic", "Hill", "voltage")
LEAKS = ("chord", "GHK")
FAMILIES = list(itertools.product(PUMPS, LEAKS, (False, True)))  # True: with KCC2 and NKCC1


def draw(family, n, seed):
    """Cells and baths of one family, with leaves of shape (n,); rates log-uniform over four decades."""
    pump_law, leak_law, cotransport = family
    rng = np.random.default_rng([seed, FAMILIES.index(family)])

    def decades(centre):
        return 10 ** (np.log10(centre) + rng.uniform(-2, 2, n))

    X_o = np.where(rng.random(n) < 0.5, 0, rng.uniform(0, 60, n))
    K_o, Na_o, T = rng.uniform(1, 10, n), rng.uniform(100, 160, n), rng.uniform(278, 313, n)
    bath = Bath(T=T, K_o=K_o, Na_o=Na_o, Cl_o=Na_o + K_o - X_o, X_o=X_o)
    chord = leak_law == "chord"
    Leak = ChordLeak if chord else GHKLeak
    mechanisms = {f"leak_{ion}": Leak(ion, decades(0.005 if chord else 1e-7)) for ion in ("Na", "K", "Cl")}
    mechanisms["pump"] = {
        "constant": lambda: ConstantPump(decades(1e-6)),
        "cubic": lambda: CubicPump(decades(1e-3)),
        "Hill": lambda: HillPump(decades(1e-5), K_Na=rng.uniform(8, 20, n), K_K=rng.uniform(0.5, 2, n)),
        "voltage": lambda: VoltagePump(decades(1e-5), K_Na=rng.uniform(8, 20, n), K_K=rng.uniform(0.5, 2, n)),
    }[pump_law]()
    if cotransport:
        mechanisms["KCC2"] = Cotransporter({"K": 1, "Cl": 1}, decades(1e-3))
        ions = {"Na": 1, "K": 1, "Cl": 2}
        if chord:
            mechanisms["NKCC1"] = Cotransporter(ions, decades(1e-4))
        else:
            mechanisms["NKCC1"] = Cotransporter(ions, decades(1e-11), "mass_action")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # z_X up to +0.5
        cell = Cell(mechanisms, z_X=rng.uniform(-2, 0.5, n), X_i=np.full(n, 150.0))
    return jax.tree.map(lambda a: jnp.broadcast_to(jnp.asarray(a, float), (n,)), (cell, bath))


def name(family):
    return f"{family[0]} pump, {family[1]} leaks" + (", KCC2 and NKCC1" if family[2] else "")
