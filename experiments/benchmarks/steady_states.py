"""Steady states of random neuron-like cells (GHK leaks, Hill pump, KCC2) beside four other roads to them.

    uv run python experiments/benchmarks/steady_states.py

One process, double precision, compile time apart, ratios printed. Peers on samples, per cell: SciPy's BDF in
time, SciPy's hybrid root finder with an analytic Jacobian from the same start, a vmapped Optimistix Newton,
and, for gradients, differentiation through a Diffrax integration.
"""

import math
import os
import resource
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pandas as pd
from jax.sharding import NamedSharding, PartitionSpec
from scipy.optimize import root

from pumpleak import (
    Bath,
    Cell,
    Cotransporter,
    GHKLeak,
    HillPump,
    Swap,
    infer,
    lognormal,
    make_problem,
    read_table,
    steady_state,
    thermal_voltage,
)
from pumpleak.cell.equations import Equations, starting_point, water
from pumpleak.cell.evolve import evolve
from pumpleak.engines.nuts import chain_starts, run_nuts
from pumpleak.physics.constants import F

sys.path.insert(0, str(Path(__file__).parents[1] / "steady_states"))
from settling import settle  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", os.cpu_count())
CELLS, T = 100_000, 310.15


def draw(n, seed=0):
    """Cells and baths with leaves of shape (n,)."""
    rng = np.random.default_rng(seed)

    def log_uniform(low, high):
        return 10 ** rng.uniform(low, high, n)

    X_o, K_o, Na_o = rng.uniform(5, 40, n), rng.uniform(1, 10, n), rng.uniform(100, 160, n)
    leaks = {"Na": log_uniform(-8, -6.8), "K": np.full(n, 1e-6), "Cl": log_uniform(-7.5, -5.5)}
    mechanisms = {f"leak_{ion}": GHKLeak(ion, P) for ion, P in leaks.items()}
    mechanisms["KCC2"] = Cotransporter({"K": 1, "Cl": 1}, log_uniform(-3, -1.5))
    mechanisms["pump"] = HillPump(
        log_uniform(-4.2, -3.2), K_Na=rng.uniform(8, 20, n), K_K=rng.uniform(0.5, 2, n)
    )
    cell = Cell(mechanisms, z_X=rng.uniform(-1.5, -0.5, n), X_i=np.full(n, 150.0))
    bath = Bath(T=np.full(n, T), K_o=K_o, Na_o=Na_o, Cl_o=Na_o + K_o - X_o, X_o=X_o)
    return jax.tree.map(lambda a: jnp.broadcast_to(jnp.asarray(a, float), (n,)), (cell, bath))


def first(cells, n):
    return jax.tree.map(lambda a: a[:n], cells)


def timed(f, *args, repeats=5):
    """Seconds to trace and compile, best seconds of a run, and its result."""
    began = time.perf_counter()
    compiled = jax.jit(f).lower(*args).compile()
    compile_s = time.perf_counter() - began
    runs = []
    for _ in range(repeats):
        began = time.perf_counter()
        out = jax.block_until_ready(compiled(*args))
        runs.append(time.perf_counter() - began)
    return compile_s, min(runs), out


def by_hand(cell, bath, start):
    """SciPy's root with the Jacobian written out, on plain floats; unknowns u, ln K, ln Na, ln Cl, w."""
    P = [float(cell.mechanisms[f"leak_{i}"].P) for i in ("K", "Na", "Cl")]
    o = [float(bath.c[i]) for i in ("K", "Na", "Cl")]
    pump, z_X, X_i = cell.mechanisms["pump"], float(cell.z_X), float(cell.X_i)
    g = float(cell.mechanisms["KCC2"].rate_constant) * float(thermal_voltage(bath.T)) / F
    J_max = float(pump.J_max) * (o[0] / (o[0] + float(pump.K_K))) ** 2
    K_Na, Pi_o, z = float(pump.K_Na), float(bath.osmolarity), (1, 1, -1)
    scale = 1 / (P[0] * 100)

    def B(x):
        """x/(1 − e⁻ˣ) and its slope."""
        if abs(x) < 1e-4:
            return 1 + x / 2, 0.5 + x / 6
        if x < -600:
            return 0.0, 0.0
        e = math.exp(-x)
        b = x / (1 - e)
        return b, (1 - b * e) / (1 - e)

    def equations(x):
        u, w = x[0], x[4]
        c = [math.exp(min(a, 300)) for a in x[1:4]]
        X = X_i * math.exp(min(-w, 300))
        f, J = np.zeros(5), np.zeros((5, 5))
        for j in range(3):
            (out, d_out), (back, d_back) = B(z[j] * u), B(-z[j] * u)
            f[1 + j] = P[j] * (out * c[j] - back * o[j])
            J[1 + j, 0] = P[j] * z[j] * (d_out * c[j] + d_back * o[j])
            J[1 + j, 1 + j] = P[j] * out * c[j]
        share = c[1] / (c[1] + K_Na)
        rate, slope = J_max * share**3, 3 * J_max * share**3 * (1 - share)
        f[1], f[2], J[1, 2], J[2, 2] = f[1] - 2 * rate, f[2] + 3 * rate, -2 * slope, J[2, 2] + 3 * slope
        kcc = g * (x[1] + x[3] - math.log(o[0] * o[2]))
        for j in (1, 3):
            f[j] += kcc
            J[j, 1] += g
            J[j, 3] += g
        f[1:4] *= scale
        J[1:4] *= scale
        f[0], f[4] = (c[0] + c[1] - c[2] + z_X * X) / Pi_o, (sum(c) + X) / Pi_o - 1
        J[0, 1:] = np.array([c[0], c[1], -c[2], -z_X * X]) / Pi_o
        J[4, 1:] = np.array([*c, -X]) / Pi_o
        return f, J

    return root(equations, start, jac=True, method="hybr", options={"xtol": 1e-12})


def hybr(cells, answer, n):
    """Seconds a cell, and the share that ended in the steady state."""
    began, good = time.perf_counter(), 0
    u, y = starting_point(Equations(*first(cells, n)))
    w = water(Equations(*first(cells, n)), y)
    starts = np.stack([np.asarray(a) for a in (u, *y, w)], 1)
    problems = [(*jax.tree.map(lambda a, i=i: float(a[i]), cells), starts[i]) for i in range(n)]
    began = time.perf_counter()
    for i, problem in enumerate(problems):
        found = by_hand(*problem)
        good += found.success and abs(found.x[0] * float(thermal_voltage(T)) - answer.V_m[i]) < 1e-6
    return (time.perf_counter() - began) / n, good / n


def bdf(cells, answer, n):
    seconds, good = 0.0, 0
    for i in range(n):
        cell, bath = jax.tree.map(lambda a, i=i: np.asarray(a[i : i + 1]), cells)
        m = cell.mechanisms
        p = {"pump": "Hill", "leaks": "GHK", "z_X": cell.z_X, "X_i": cell.X_i, "X_o": bath.X_o, "T": bath.T}
        p |= {f"{ion}_o": c for ion, c in bath.c.items()} | {f"P_{i}": m[f"leak_{i}"].P for i in bath.c}
        p |= {"J": m["pump"].J_max, "K_Na": m["pump"].K_Na, "K_K": m["pump"].K_K}
        p |= {"KCC2": m["KCC2"].rate_constant, "NKCC1": np.zeros(1)}
        began = time.perf_counter()
        end = settle(p, 1e9)
        seconds += time.perf_counter() - began
        good += abs(end["u"][0] * float(thermal_voltage(T)) - float(answer.V_m[i])) < 0.05
    return seconds / n, good / n


def newton(cells):
    """Optimistix's Newton on the same equations from the same start, one cell a lane."""

    def one(cell, bath):
        eq = Equations(cell, bath)
        u, y = starting_point(eq)

        def rows(x, _):
            charge, *net, water = eq.residual(tuple(x))
            return jnp.stack([charge / eq.Pi_o, *(1e4 * j for j in net), water / eq.Pi_o])

        solver = optimistix.Newton(rtol=1e-10, atol=1e-10)
        start = jnp.stack([u, *y, water(eq, y)])
        out = optimistix.root_find(rows, solver, start, max_steps=64, throw=False)
        return out.value[0] * thermal_voltage(bath.T)

    return jax.vmap(one)(*cells)


def through_time(cell, bath, start, volume, t):
    """V_m in the end of an integration, one cell."""
    V_m, *_ = evolve(cell, bath, start, volume, t)
    return V_m


def on_all_cores(cells):
    """Seconds with a share of the cells on each core."""
    mesh = jax.make_mesh((jax.device_count(),), ("cells",))
    spec = PartitionSpec("cells")
    shared = jax.device_put(cells, NamedSharding(mesh, spec))
    solve = jax.shard_map(
        lambda c: steady_state(*c), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
    )
    return timed(solve, shared)[1]


def titration():
    """A K⁺ titration of one cell, six conditions; P_Na_rel, P_Cl_rel, pump_rel and the noise unknown."""
    K_o = [2.5, 5.0, 10.0, 20.0, 40.0, 80.0]
    table = pd.DataFrame({"label": [f"{k:g} K" for k in K_o], "K_o_mM": K_o, "V_m_n": 5, "V_m_sd_mV": 1.0})
    table["V_m_mV"] = [-84.0, -71.0, -56.0, -40.0, -23.0, -6.0]
    cell, bath = jax.tree.map(lambda a: float(a[0]), draw(1))
    known = {"T": T, "Na_o": Swap("K_o", 145.0), "Cl_o": 119.0}
    free = {"P_Na_rel": lognormal(0.05, 3), "P_Cl_rel": lognormal(0.5, 3), "pump_rel": lognormal(1.0, 3)}
    free["extra_V_m"] = 0.5
    return make_problem(
        read_table(table),
        known | free,
        model="pump_leak",
        cell=(cell, bath),
        protocol="acute",
        baseline="5 K",
    )


def nuts_compile():
    """Seconds of tracing and compiling for NUTS (starting points and chains), and for all of `infer`."""
    spent = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: spent.append(seconds) if name.startswith("/jax/core/compile") else None
    )
    problem, few = titration(), {"warmup": 50, "draws": 50, "target_accept": 0.8, "seed": 1}
    candidates = problem.unconstrain(problem.prior_draws(np.random.default_rng(1), 256))
    spent.clear()
    run_nuts(problem.potential, chain_starts(problem.potential, jnp.asarray(candidates), 4), **few)
    chains = sum(spent)
    spent.clear()
    infer(titration(), chains=4, retry=False, **few)
    return chains, sum(spent)


def total(cells):
    return jnp.sum(steady_state(*cells).V_m)


def main():
    cells = draw(CELLS)
    compile_s, run_s, state = timed(lambda c: steady_state(*c), cells)
    cell_s = run_s / CELLS
    one_compile, one_s, _ = timed(lambda c: steady_state(*c), jax.tree.map(lambda a: a[0], cells))
    print(f"{CELLS:,} cells: {1e6 * cell_s:.2f} µs a cell, all converged: {bool(state.ok.all())}")
    cores_s = on_all_cores(cells)
    print(
        f"on {jax.device_count()} cores: {1e6 * cores_s / CELLS:.2f} µs a cell (aim 2), {run_s / cores_s:.2f} x one"
    )
    print(
        f"compile: {compile_s:.2f} s for {CELLS:,} cells, {one_compile:.2f} s for one (then {1e6 * one_s:.0f} µs)"
    )

    grad_compile, grad_s, slopes = timed(jax.value_and_grad(total), cells)
    one_grad, *_ = timed(jax.value_and_grad(total), jax.tree.map(lambda a: a[0], cells))
    vmap_s = timed(jax.vmap(lambda c: steady_state(*c)), cells)[1]
    print(f"the same by vmap: ratio {vmap_s / run_s:.2f}")
    numbers = len(jax.tree.leaves(cells))
    print(
        f"V_m and its gradient in all {numbers} numbers / solve: {grad_s / run_s:.2f} (aim <= 3); compile "
        f"{grad_compile:.2f} s, one cell {one_grad:.2f} s"
    )

    scipy_s, good = bdf(cells, state, 20)
    print(
        f"SciPy BDF to the steady state, 20 cells: ratio {scipy_s / cell_s:,.0f} (aim 5,000), agree {good:.0%}"
    )
    scipy_s, good = hybr(cells, state, 300)
    print(
        f"SciPy root(hybr), analytic Jacobian, 300 cells: ratio {scipy_s / cell_s:,.0f} (aim 200), agree {good:.0%}"
    )
    n = 10_000
    own_compile, own_s, own = timed(lambda c: steady_state(*c).V_m, first(cells, n))
    peer_compile, peer_s, peer = timed(newton, first(cells, n))
    agree = float(jnp.mean(jnp.abs(peer - own) < 1e-6))
    print(
        f"vmapped Optimistix Newton, {n:,} cells: ratio {peer_s / own_s:.1f} (aim 2), agree {agree:.0%};"
        f" compile {peer_compile:.1f} s beside {own_compile:.1f} s"
    )

    chains, whole = nuts_compile()
    print(
        f"tracing and compiling for a titration of 6 conditions: NUTS {chains:.1f} s (aim 25), all of infer "
        f"{whole:.1f} s"
    )

    n = 32
    few = first(cells, n)
    start = neutral_start(first(state.c_i, n))
    through = jax.vmap(jax.value_and_grad(through_time, argnums=(0, 1)), in_axes=(0, 0, 0, 0, None))
    peer_compile, peer_s, (V, _) = timed(through, *few, start, state.volume[:n], 1e6, repeats=2)
    print(
        f"gradient through a Diffrax integration, {n} cells: ratio {peer_s / n / (grad_s / CELLS):,.0f} (aim 100), "
        f"agree {float(jnp.mean(jnp.abs(V - state.V_m[:n]) < 1e-2)):.0%}; compile {peer_compile:.1f} s"
    )

    for n in (1_000, 10_000, 100_000, 1_000_000):
        some = draw(n)
        began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _, run_s, _ = timed(lambda c: steady_state(*c), some, repeats=3)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began
        print(f"{n:>9,} cells: {1e6 * run_s / n:.2f} µs a cell; peak memory grew by {grown / 1024:.0f} MiB")


def neutral_start(c):
    """Half as much Na⁺ again as at rest, and less K⁺ by as much: away from the steady state, and neutral."""
    moved = 0.5 * c["Na"]
    return {**c, "Na": c["Na"] + moved, "K": c["K"] - moved}


if __name__ == "__main__":
    main()
