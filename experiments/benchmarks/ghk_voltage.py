"""How fast is `ghk_voltage`? Peers and pumpleak in one run; ratios, compile time apart, best of several.

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python experiments/benchmarks/ghk_voltage.py [--cells 4000000]

The bandwidth limit is the time of one jitted pass that sums the same arrays. The variable lets glibc ask for
huge pages: a gradient writes as many bytes as it reads, into fresh memory, whose page faults otherwise
dominate.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from pumpleak import ghk_voltage
from pumpleak.physics.constants import F, R

jax.config.update("jax_enable_x64", True)


def best(f, *args, repeats):
    """Seconds of the first call (compiling), and of the best later one."""
    start = time.perf_counter()
    jax.block_until_ready(f(*args))
    first = time.perf_counter() - start
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(f(*args))
        times.append(time.perf_counter() - start)
    return first, min(times)


def random_cells(size, n, seed=0):
    rng = np.random.default_rng(seed)
    P = 10 ** rng.uniform(-9, -6, (size, n))
    c_o, c_i = (rng.uniform(0.1, 150, (size, n)) for _ in range(2))
    return P, c_o, c_i, rng.uniform(280, 312, size)


def monovalent(size, repeats):
    cells = random_cells(size, 3)
    z = np.array([1, 1, -1])
    arrays = tuple(map(jnp.asarray, cells))

    def value(P, c_o, c_i, T):
        return ghk_voltage(P, c_o, c_i, (1, 1, -1), T)

    def value_and_gradient(*arrays):
        V_m, pull = jax.vjp(value, *arrays)
        return V_m, pull(jnp.ones_like(V_m))

    def numpy_value(P, c_o, c_i, T):
        into = np.sum(P * np.where(z > 0, c_o, c_i), axis=-1)
        out = np.sum(P * np.where(z > 0, c_i, c_o), axis=-1)
        return 1e3 * R * T / F * np.log(into / out)

    def jax_one_liner(P, c_o, c_i, T):
        into = jnp.sum(P * jnp.where(z > 0, c_o, c_i), axis=-1)
        out = jnp.sum(P * jnp.where(z > 0, c_i, c_o), axis=-1)
        return 1e3 * R * T / F * jnp.log(into / out)

    _, limit = best(jax.jit(lambda *a: sum(jnp.sum(x) for x in a)), *arrays, repeats=repeats)
    _, written = best(jax.jit(lambda *a: [x + 1 for x in (*a, a[3])]), *arrays, repeats=repeats)
    compile_value, t_value = best(jax.jit(value), *arrays, repeats=repeats)
    compile_gradient, t_gradient = best(jax.jit(value_and_gradient), *arrays, repeats=repeats)
    _, t_naive = best(jax.jit(jax_one_liner), *arrays, repeats=repeats)
    _, t_numpy = best(numpy_value, *cells, repeats=2)
    np.testing.assert_allclose(value(*arrays), numpy_value(*cells), rtol=1e-11, atol=1e-11)
    print(f"monovalent, {size:,} cells, 3 ions, float64")
    print(f"  bandwidth limit (one summing pass)   {1e3 * limit:8.1f} ms")
    print(f"  value                                {1e3 * t_value:8.1f} ms   compile {compile_value:.2f} s")
    print(
        f"  value and gradient in all inputs     {1e3 * t_gradient:8.1f} ms"
        f"   compile {compile_gradient:.2f} s"
    )
    print(f"  copying inputs to outputs of its size{1e3 * written:8.1f} ms")
    print(f"  NumPy                                {1e3 * t_numpy:8.1f} ms")
    print(f"  jitted one-liner with jnp.sum        {1e3 * t_naive:8.1f} ms")
    print(f"  share of the bandwidth limit         {limit / t_value:8.2f}      target 0.8")
    print(f"  value and gradient / value           {t_gradient / t_value:8.2f}      target 4")
    print(f"  value and gradient / copying         {t_gradient / written:8.2f}")
    print(f"  NumPy / value                        {t_numpy / t_value:8.1f}")


def scipy_voltage(P, c_o, c_i, z, T, I_pump):
    """The careful scalar loop that one would write: GHK currents by expm1, brentq between ±400 mV."""
    kT = 1e3 * R * T / F

    def total(V):
        x = z * V / kT
        x = np.where(x == 0, 1e-12, x)
        return np.sum(z * F * P * x * (c_i - c_o * np.exp(-x)) / -np.expm1(-x)) + I_pump

    return brentq(total, -400.0, 400.0, xtol=1e-11)


def mixed(name, z, size, sample, repeats, pump=False):
    cells = random_cells(size, len(z), seed=1)
    arrays = tuple(map(jnp.asarray, cells))
    I_pump = np.full(size, 0.05) if pump else np.zeros(size)
    extra = (jnp.asarray(I_pump),) if pump else ()

    def value(P, c_o, c_i, T, *I_pump):
        return ghk_voltage(P, c_o, c_i, z, T, *I_pump)

    def value_and_gradient(*arrays):
        V_m, pull = jax.vjp(value, *arrays)
        return V_m, pull(jnp.ones_like(V_m))

    compile_value, t_value = best(jax.jit(value), *arrays, *extra, repeats=repeats)
    compile_gradient, t_gradient = best(jax.jit(value_and_gradient), *arrays, *extra, repeats=repeats)
    P, c_o, c_i, T = cells
    start = time.perf_counter()
    loop = [scipy_voltage(P[k], c_o[k], c_i[k], np.array(z), T[k], I_pump[k]) for k in range(sample)]
    t_loop = (time.perf_counter() - start) * size / sample
    np.testing.assert_allclose(jax.jit(value)(*arrays, *extra)[:sample], loop, rtol=1e-9, atol=1e-9)
    print(f"{name}, z = {z}, {size:,} cells")
    print(f"  value                                {1e3 * t_value:8.1f} ms   compile {compile_value:.2f} s")
    print(
        f"  value and gradient                   {1e3 * t_gradient:8.1f} ms"
        f"   compile {compile_gradient:.2f} s"
    )
    print(f"  SciPy brentq loop ({sample} cells, scaled){1e3 * t_loop:9.0f} ms")
    print(f"  loop / value                         {t_loop / t_value:8.0f}      target 200")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=4_000_000)
    parser.add_argument("--mixed-cells", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=500, help="cells of the SciPy loop that are timed")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    print(f"jax {jax.__version__}, {jax.devices()}")
    monovalent(options.cells, options.repeats)
    shared = dict(size=options.mixed_cells, sample=options.sample, repeats=options.repeats)
    mixed("quadratic", (1, 1, -1, 2), **shared)
    mixed("trivalent root", (1, 1, -1, 2, 3), **shared)
    mixed("pump current root", (1, 1, -1, 2), **shared, pump=True)
