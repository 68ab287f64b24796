"""Does every one of a million random cells get a steady state, or the right verdict that there is none?

    uv run python experiments/steady_states/existence.py

Solves the families of families.py, compares constant pumps with closed forms, asks how far each cell is from
the boundary of existence, checks every gradient, and integrates a sample in time (settling.py). Prints a
table and writes it to results/steady_states/existence.csv.
"""

import argparse
import os
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import yaml
from families import FAMILIES, draw, name
from settling import settle

from pumpleak import Status, steady_state, thermal_voltage
from pumpleak.physics.constants import F

jax.config.update("jax_enable_x64", True)
HERE, OUT = Path(__file__).parent, Path("results/steady_states")


def pumping(cell, factor):
    """The cell with its pump running so many times as fast."""
    rate = lambda c: getattr(c.mechanisms["pump"], c.mechanisms["pump"].rate_field)  # noqa: E731
    return eqx.tree_at(rate, cell, rate(cell) * factor)


@jax.jit
def at_the_edge(cells, key):
    """The same cells with pumps within 5 % of where a steady state begins or ceases to exist, if there is such."""
    cell, bath = cells
    verdict = lambda ln: steady_state(pumping(cell, jnp.exp(ln)), bath).ok  # noqa: E731
    inside = jnp.zeros_like(cell.X_i)
    beyond, here = jnp.full_like(inside, jnp.nan), verdict(inside)
    for step in (-4.0, 4.0, -2.0, 2.0, -1.0, 1.0):  # the nearest last
        beyond = jnp.where(verdict(inside + step) != here, step, beyond)

    def halve(_, ends):
        inside, beyond = ends
        middle = (inside + beyond) / 2
        same = verdict(middle) == here
        return jnp.where(same, middle, inside), jnp.where(same, beyond, middle)

    inside, beyond = jax.lax.fori_loop(0, 14, halve, (inside, jnp.nan_to_num(beyond)))
    near = inside + jnp.log1p(jax.random.uniform(key, inside.shape, minval=-0.05, maxval=0.05))
    return pumping(cell, jnp.where(beyond == 0, 1.0, jnp.exp(near))), bath


def cells_of(family, config, k):
    """Chunk k of a family: random cells, of which a few are moved to the edge of existence."""
    cells = draw(family, config["chunk"], config["seed"] + k)
    few = round(config["share_at_the_edge"] * config["chunk"])
    if not few:
        return cells
    edge = at_the_edge(jax.tree.map(lambda a: a[:few], cells), jax.random.key(k))
    return jax.tree.map(lambda a, b: a.at[:few].set(b), cells, edge)


def solved(cells):
    """Status, residual, share of impermeants, verdicts at 5 % more and less pump, and NaN counts."""
    cell, bath = cells
    state = steady_state(cell, bath)
    moved = [steady_state(pumping(cell, factor), bath) for factor in (1 / 1.05, 1.05)]

    def total(cells):
        s = steady_state(*cells)
        return jnp.sum(jnp.where(s.ok, s.V_m + s.volume + sum(s.c_i.values()), 0))

    gradient = jax.tree.leaves(jax.grad(total)(cells))
    values = [state.V_m, state.volume, state.X, *state.c_i.values(), *state.currents.values()]
    return {
        "state": state,
        "near": (moved[0].status != state.status) | (moved[1].status != state.status),
        "bad": jnp.any(jnp.stack([~jnp.isfinite(g) for g in gradient]), 0)
        | (state.ok & jnp.any(jnp.stack([~jnp.isfinite(v) for v in values]), 0)),
    }


def chord_closed_form(cell, bath):
    """2 √(A Cl_o) < Π_o, A = Na_o e^(−3P) + K_o e^(2Pγ): whether a constant pump balances chord leaks."""
    current = F * np.asarray(cell.mechanisms["pump"].J) / np.asarray(thermal_voltage(bath.T))
    A = np.asarray(bath.c["Na"]) * np.exp(-3 * current / np.asarray(cell.mechanisms["leak_Na"].g))
    rise = np.minimum(2 * current / np.asarray(cell.mechanisms["leak_K"].g), 600)
    A = A + np.asarray(bath.c["K"]) * np.exp(rise)
    return 2 * np.sqrt(A * np.asarray(bath.c["Cl"])) < np.asarray(bath.osmolarity)


def constant_ghk_roots(cell, bath, points=4001):
    """Steady states of a constant pump over constant-field leaks: all inside follows from u, which is scanned.

    Where the scan's grid is too coarse to see the narrow range of u that leaves every concentration positive,
    that range is scanned again on its own.
    """
    g = lambda a: np.asarray(a)[:, None]  # noqa: E731
    P, J = {i: g(cell.mechanisms[f"leak_{i}"].P) for i in ("Na", "K")}, g(cell.mechanisms["pump"].J)

    def B(x):
        small = np.abs(x) < 1e-6
        safe = np.where(small, 1, x)
        return np.where(small, 1 + x / 2, safe / -np.expm1(-safe))

    def scan(u):
        Na = (P["Na"] * B(-u) * g(bath.c["Na"]) - 3 * J) / (P["Na"] * B(u))
        K = (P["K"] * B(-u) * g(bath.c["K"]) + 2 * J) / (P["K"] * B(u))
        Cl = g(bath.c["Cl"]) * np.exp(u)
        X = g(bath.osmolarity) - Na - K - Cl
        possible = (Na > 0) & (X > 0)
        charge = np.sign(Na + K - Cl + g(cell.z_X) * X)
        cross = possible[:, 1:] & possible[:, :-1] & (charge[:, 1:] != charge[:, :-1])
        return Na, X, cross

    u = np.linspace(-30, 30, points)[None] + 0 * J
    Na, X, cross = scan(u)
    found = cross.any(1)
    # Na > 0 up to some u; X > 0 in a range; zoom on where the smaller of both is largest, twice.
    for _ in range(3):
        worth = np.minimum(Na / g(bath.osmolarity), X / g(bath.osmolarity))
        best = np.argmax(worth, 1)
        low = u[np.arange(len(u)), np.maximum(best - 2, 0)]
        high = u[np.arange(len(u)), np.minimum(best + 2, points - 1)]
        u = np.linspace(low, high, points).T
        Na, X, cross = scan(u)
        found |= cross.any(1)
    return found


def numbers(family, cell, bath):
    """A family's numbers by name, for settling.py."""
    leaf = {ion: cell.mechanisms[f"leak_{ion}"] for ion in ("Na", "K", "Cl")}
    p = {
        "pump": family[0],
        "leaks": family[1],
        "z_X": cell.z_X,
        "X_i": cell.X_i,
        "X_o": bath.X_o,
        "T": bath.T,
    }
    p |= {f"{ion}_o": c for ion, c in bath.c.items()}
    p |= {f"{'g' if family[1] == 'chord' else 'P'}_{i}": jax.tree.leaves(m)[0] for i, m in leaf.items()}
    pump = cell.mechanisms["pump"]
    p["J"] = getattr(pump, pump.rate_field)
    p |= {k: getattr(pump, k) for k in ("K_Na", "K_K") if hasattr(pump, k)}
    p |= {k: cell.mechanisms[k].rate_constant for k in ("KCC2", "NKCC1") if k in cell.mechanisms}
    return {k: v if isinstance(v, str) else np.asarray(v) for k, v in p.items()}


def integrated(family, cells, state, picked, config):
    """How the sampled cells end in time: settled where solved, swollen or emptied where not, else."""
    ends = dict.fromkeys(("settled", "swollen", "emptied", "else"), 0)
    batches = [picked[k : k + 20] for k in range(0, len(picked), 20)]
    while batches:
        few = batches.pop()
        cell, bath, some = jax.tree.map(lambda a, few=few: np.asarray(a)[few], (*cells, state))
        end = settle(numbers(family, cell, bath), config["seconds_simulated"])
        if not end["ok"] and len(few) > 1:  # one that is too stiff stops all of its batch
            batches += np.array_split(few, min(4, len(few)))
            continue
        tiny = 1e-300  # chord leaks can ask for concentrations that underflow
        logs = [np.log((end["c"][i] + tiny) / (some.c_i[i] + tiny)) for i in end["c"]]
        drift = np.max(np.abs(logs), 0)
        same = (drift < 1e-3) & (np.abs(end["u"] * thermal_voltage(bath.T) - some.V_m) < 0.05)
        swollen, emptied = end["burst"] & ~same, end["lost"] & ~same
        for key, found in (("settled", same), ("swollen", swollen), ("emptied", emptied & ~swollen)):
            ends[key] += int(found.sum())
        ends["else"] += int((~same & ~swollen & ~emptied).sum())
    return ends


def study(family, config):
    chunk, rng = config["chunk"], np.random.default_rng(config["seed"])
    run, parts = jax.jit(solved), []
    started = time.time()
    for k in range(config["lanes_per_family"] // chunk):
        cells = cells_of(family, config, k)
        out = jax.tree.map(np.asarray, run(cells))
        status, ok = out["state"].status, out["state"].status == Status.converged
        row = {f"{s.name}": int((status == s).sum()) for s in Status}
        row |= {"within 5 %": int(out["near"].sum()), "not finite": int(out["bad"].sum())}
        row |= {"X below 5 %": int((ok & (out["state"].X < 0.05 * cells[1].osmolarity)).sum())}
        row |= {"worst residual": float(out["state"].residual[ok].max()), "wrong verdicts": 0}
        row |= {"steps": float(out["state"].iterations.sum())}
        if family == ("constant", "chord", False):
            row["wrong verdicts"] = int((chord_closed_form(*cells) != ok).sum())
        if family == ("constant", "GHK", False):
            blocks = [jax.tree.map(lambda a, i=i: a[i : i + 500], cells) for i in range(0, chunk, 500)]
            roots = np.concatenate([constant_ghk_roots(*b) for b in blocks])
            row["wrong verdicts"] = int((roots & ~ok).sum())  # a solved lane is a root, however narrow
        parts.append(row)
    table = pd.DataFrame(parts)
    total = table.sum().to_dict()
    total["worst residual"] = table["worst residual"].max()
    total["seconds"] = round(time.time() - started, 1)
    for verdict in (Status.converged, Status.no_steady_state):
        few = np.flatnonzero((status == verdict) & ~(out["state"].volume > 200))
        few = rng.choice(few, min(config["sample"], len(few)), replace=False)
        ends = integrated(family, cells, out["state"], few, config)
        total |= {f"{verdict.name}: {k}": int(v) for k, v in ends.items()}
    return pd.Series(total)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default=HERE / "config.yaml")
    parser.add_argument("--families", type=int, nargs="*", default=range(len(FAMILIES)))
    parser.add_argument("--sample", type=int)
    parser.add_argument("--lanes", type=int)
    options = parser.parse_args()
    config = yaml.safe_load(Path(options.config).read_text())
    config["sample"] = config["sample"] if options.sample is None else options.sample
    config["lanes_per_family"] = options.lanes or config["lanes_per_family"]
    config["chunk"] = min(config["chunk"], config["lanes_per_family"])
    rows = {}
    for k in options.families:
        rows[name(FAMILIES[k])] = study(FAMILIES[k], config)
        print(name(FAMILIES[k]), rows[name(FAMILIES[k])].to_dict(), flush=True)
    table = pd.DataFrame(rows).T
    OUT.mkdir(parents=True, exist_ok=True)
    table.to_csv(OUT / "existence.csv")
    with pd.option_context("display.width", 250, "display.max_columns", 50):
        print(table.to_string())
        print(table.drop(columns=["worst residual"]).sum().to_string())


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main()
