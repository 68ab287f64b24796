import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import (
    celsius,
    ghk_current,
    ghk_flux,
    ghk_voltage,
    nernst_potential,
    slope_conductance,
    transference_numbers,
)
from pumpleak.physics.constants import F, R

pytestmark = pytest.mark.usefixtures("strict_promotion")
mpmath.mp.dps = 40

# One of each way to solve: logs, logs with |z| = 2, quadratic with divalents of both signs, and the general
# root.
MIXES = {
    "monovalent": [1, 1, -1],
    "divalent": [2, 2, -2],
    "quadratic": [1, -1, 2, -2],
    "trivalent": [1, -1, 2, 3],
    "one-three": [1, 3, -1],
}
permeability = st.floats(-12.0, -4.0).map(lambda power: 10.0**power)
concentration = st.floats(-5.0, 2.8).map(lambda power: 10.0**power)
temperature = st.floats(273.0, 315.0)


@st.composite
def cells(draw, mix=None):
    z = MIXES[mix or draw(st.sampled_from(sorted(MIXES)))]
    columns = [np.array([draw(s) for _ in z]) for s in (permeability, concentration, concentration)]
    return (*columns, z, draw(temperature))


def random_cells(z, size, seed=0):
    """P, c_o, c_i of shape (size, n), T of shape (size,)."""
    rng = np.random.default_rng(seed)
    P = 10 ** rng.uniform(-8, -6, (size, len(z)))
    c_o, c_i = (10 ** rng.uniform(-1, 2.5, (size, len(z))) for _ in range(2))
    return tuple(map(jnp.asarray, (P, c_o, c_i, rng.uniform(280, 312, size))))


def exact_current(V, P, c_o, c_i, z, T):
    x = mpmath.mpf(z) * mpmath.mpf(F) * V / 1000 / (mpmath.mpf(R) * mpmath.mpf(T))
    P, c_o, c_i = map(mpmath.mpf, (float(P), float(c_o), float(c_i)))
    if x == 0:
        return z * mpmath.mpf(F) * P * (c_i - c_o)
    return z * mpmath.mpf(F) * P * x * (c_i - c_o * mpmath.exp(-x)) / -mpmath.expm1(-x)


def exact_voltage(P, c_o, c_i, z, T, I_pump=0.0, guess=None):
    """The zero of the summed currents in 40 digits, by a bracket around `guess` that it must straddle."""

    def total(V):
        return sum(exact_current(V, *ion, T) for ion in zip(P, c_o, c_i, z, strict=True)) + mpmath.mpf(I_pump)

    guess = mpmath.mpf(float(guess))
    reach = mpmath.mpf("1e-6") * (1 + abs(guess))
    assert total(guess - reach) < 0 < total(guess + reach)
    return mpmath.findroot(total, (guess - reach, guess + reach), solver="anderson", tol=1e-60, verify=False)


# Known values


def test_neuron_currents(reference_cases):
    case = reference_cases["neuron-ghk-current-6.3C"]
    T = celsius(case["parameters"]["T"]["value"])
    for point, want in zip(case["parameters"]["points"], case["expected"]["I_over_P"]["value"], strict=True):
        got = ghk_current(point["V_mV"], 1.0, point["c_out_mM"], point["c_in_mM"], point["z"], T)
        assert got * 1e-3 == pytest.approx(want, rel=case["tolerance"]["rel"])  # µA -> mA


@pytest.mark.parametrize(
    "name",
    [
        "squid-HK-ratios-KeenerSneyd-conc",
        "squid-HK-peak-KeenerSneyd-conc",
        "squid-HK-rest-400-50-52",
        "mammal-GHK-1-004-045",
        "ghk-ca-neuron-PCa10",
        "ghk-ca-channel-Lewis-like",
    ],
)
@pytest.mark.parametrize("solver", ["closed", "pump current 0", "traced z"])
def test_published_voltages(reference_cases, name, solver):
    case = reference_cases[name]
    value = {key: entry["value"] for key, entry in case["parameters"].items()}
    ions = {"K": 1, "Na": 1, "Cl": -1} | ({"Ca": 2} if "P_Ca" in value else {})
    args = [[float(value[form.format(i)]) for i in ions] for form in ("P_{}", "{}_out", "{}_in")]
    z, T = list(ions.values()), celsius(value["T"])
    if solver == "traced z":
        V_m = jax.jit(lambda z: ghk_voltage(*args, z, T))(jnp.asarray(z))
    else:
        V_m = ghk_voltage(*args, z, T, I_pump=None if solver == "closed" else 0.0)
    V_m = V_m * (8.314462618 / 96485.33212) / (R / F)  # the case rounds R and F to ten digits
    assert abs(V_m - case["expected"]["Vm"]["value"]) < case["tolerance"]["abs"]


def test_textbook_minus_73_by_ghk(reference_cases):
    case = reference_cases["textbook-resting-minus73"]
    value = {key: entry["value"] for key, entry in case["parameters"].items()}
    # The case fixes the slope at 61.5 mV a decade: the temperature at which it is that.
    T = value["slope"] * 1e-3 * F / (R * np.log(10))
    ratio = case["expected"]["PNa_over_PK_GHK"]["value"]
    V_m = ghk_voltage(
        [1.0, ratio], [value["K_out"], value["Na_out"]], [value["K_in"], value["Na_in"]], [1, 1], T
    )
    assert V_m == pytest.approx(value["Vm"], rel=case["tolerance"]["rel"])


@given(cells(), st.floats(-150.0, 150.0))
def test_current_against_mpmath(cell, V_m):
    P, c_o, c_i, z, T = cell
    got = ghk_current(V_m, P, c_o, c_i, z, T)
    for j in range(len(z)):
        want = float(exact_current(V_m, P[j], c_o[j], c_i[j], z[j], T))
        scale = F * P[j] * (c_o[j] + c_i[j]) * (1 + abs(z[j] * V_m / 25))
        assert abs(got[j] - want) < 1e-14 * abs(z[j]) * scale + 1e-13 * abs(want)


@given(cells())
def test_voltage_against_mpmath(cell):
    V_m = ghk_voltage(*cell)
    want = float(exact_voltage(*cell, guess=V_m))
    np.testing.assert_allclose(V_m, want, rtol=1e-12, atol=1e-12 * 26)


@given(cells(), st.floats(-3.0, 2.0), st.sampled_from([-1, 1]))
def test_voltage_with_pump_current_against_mpmath(cell, power, sign):
    P, c_o, c_i, z, T = cell
    # A pump from a thousandth to a hundredfold of the larger leak.
    leak = F * np.sum(P * np.maximum(c_o, c_i))
    I_pump = float(sign * 10**power * leak)
    V_m = ghk_voltage(P, c_o, c_i, z, T, I_pump)
    want = float(exact_voltage(P, c_o, c_i, z, T, I_pump, guess=V_m))
    np.testing.assert_allclose(V_m, want, rtol=1e-11, atol=1e-12 * 26)


def beyond_breakdown(V_m, *rest):
    """`ghk_current` at potentials that it refuses where they are known: the equation holds there, no membrane does."""
    return jax.jit(lambda V: ghk_current(V, *rest))(V_m)


@pytest.mark.parametrize(
    "valences", [[1, 1], *(pytest.param(z, marks=pytest.mark.thorough) for z in ([1, -1], [1, 1, -1, 2]))]
)
def test_a_pump_moves_the_potential_by_the_slope_conductance(valences, assert_close):
    """dV/dI_pump = −1/Σ g: also at a current of exactly 0, where both directions meet, and on either side of V_m = 0."""
    n, T = len(valences), 310.0
    P, more, less = (
        np.array([1e-6, 4e-8, 2e-7, 1e-8])[:n],
        np.array([140.0, 15, 12, 1e-4])[:n],
        np.array([5.0, 145, 150, 2])[:n],
    )

    @jax.jit
    def slopes(I, c_o, c_i):
        f = lambda I: ghk_voltage(P, c_o, c_i, valences, T, I_pump=I)  # noqa: E731
        g = jnp.sum(slope_conductance(f(I), P, c_o, c_i, valences, T))
        return jax.jacfwd(f)(I), jax.jacrev(f)(I), -1 / g

    for c_o, c_i in ((less, more), (more, less)):
        for level in (-1e-9, 0.0, 1e-9):
            forward, reverse, expected = slopes(level, c_o, c_i)
            assert_close(forward, expected, rtol=1e-9)
            assert_close(reverse, expected, rtol=1e-9)


@pytest.mark.parametrize("I_pump", [1e-12, 1.0, 1e3, 1e9])
def test_outward_pump_pulls_below_E_K(I_pump):
    P, c_o, c_i, T = [1e-6, 1e-8], [5.0, 145.0], [140.0, 12.0], 310.0
    V_m = ghk_voltage(P, c_o, c_i, [1, 1], T, I_pump)
    currents = beyond_breakdown(V_m, P, c_o, c_i, [1, 1], T)
    assert jnp.sum(currents) + I_pump == pytest.approx(0, abs=1e-13 * max(I_pump, 1))
    assert (V_m < nernst_potential(5.0, 140.0, 1, T)) == (I_pump >= 1)


# Properties


@given(concentration, concentration, permeability, st.sampled_from([-2, -1, 1, 2, 3]), temperature)
def test_one_permeant_ion_is_at_its_nernst_potential(c_o, c_i, P, z, T):
    want = nernst_potential(c_o, c_i, z, T)
    np.testing.assert_allclose(ghk_voltage([P], [c_o], [c_i], [z], T), want, rtol=1e-12, atol=1e-11)
    among = ghk_voltage([0.0, P, 0.0], [5.0, c_o, 9.0], [1.0, c_i, 3.0], [1, z, -2], T)
    np.testing.assert_allclose(among, want, rtol=1e-12, atol=1e-11)


@given(cells(), st.floats(-6.0, 6.0))
def test_scaling_all_permeabilities_changes_nothing(cell, power):
    P, *rest = cell
    np.testing.assert_allclose(
        ghk_voltage(P * 10**power, *rest), ghk_voltage(P, *rest), rtol=1e-12, atol=1e-11
    )


@given(cells())
def test_voltage_lies_between_the_extreme_nernst_potentials(cell):
    _, c_o, c_i, z, T = cell
    E = nernst_potential(c_o, c_i, z, T)
    slack = 1e-11 * (1 + np.max(np.abs(E)))
    assert np.min(E) - slack <= ghk_voltage(*cell) <= np.max(E) + slack


@given(cells())
def test_swapping_sides_flips_the_sign(cell):
    P, c_o, c_i, z, T = cell
    np.testing.assert_allclose(ghk_voltage(P, c_i, c_o, z, T), -ghk_voltage(*cell), rtol=1e-12, atol=1e-11)


@given(cells(), st.integers(0, 3), st.floats(0.1, 3.0))
def test_voltage_moves_towards_the_ion_that_becomes_more_permeant(cell, j, power):
    P, c_o, c_i, z, T = cell
    j %= len(z)
    before, E = ghk_voltage(*cell), nernst_potential(c_o, c_i, z, T)[j]
    after = ghk_voltage(P * np.where(np.arange(len(z)) == j, 10**power, 1.0), c_o, c_i, z, T)
    slack = 1e-11 * (1 + abs(E))
    assert min(before, E) - slack <= after <= max(before, E) + slack


@pytest.mark.parametrize("mix", MIXES)
def test_closed_forms_agree_with_the_general_root(mix, assert_close):
    z = MIXES[mix]
    P, c_o, c_i, T = random_cells(z, 200)
    assert_close(ghk_voltage(P, c_o, c_i, z, T), ghk_voltage(P, c_o, c_i, z, T, I_pump=0.0), atol=1e-11)


# Derivatives


OTHERS = [("quadratic", False), ("trivalent", False), ("quadratic", True)]


def thorough(*values):
    return pytest.param(*values, marks=pytest.mark.thorough)


@pytest.mark.parametrize(
    ("mix", "pump"),
    [
        ("monovalent", None),
        *(thorough(mix, None) for mix in ("divalent", "quadratic", "trivalent")),
        *(thorough(*pumped) for pumped in (("monovalent", 0.0), ("quadratic", 0.02))),
        ("one-three", -0.02),
    ],
)
@pytest.mark.thorough
def test_derivatives_against_finite_differences(mix, pump):
    z = MIXES[mix]
    P, c_o, c_i, T = (a[0] for a in random_cells(z, 1, seed=3))

    def f(logs):  # logs make steps and derivatives of one size
        P_, c_o_, c_i_, rest = jnp.split(jnp.exp(logs), np.cumsum([len(z)] * 3))
        current = None if pump is None else pump + 0.1 * (rest[1] - 1)
        return ghk_voltage(P_, c_o_, c_i_, z, rest[0], current)

    def differences(g):
        steps = 1e-3 * np.eye(x.size)
        return np.stack([(8 * (g(x + h) - g(x - h)) - g(x + 2 * h) + g(x - 2 * h)) / 12e-3 for h in steps])

    def with_itself(derivative):  # a Hessian's program computes the gradient on its way
        return lambda x: (derivative(x),) * 2

    x = np.concatenate([np.log(P), np.log(c_o), np.log(c_i), np.log(T)[None], np.zeros(1)])
    program = jax.jit(jax.jacfwd(with_itself(jax.jacrev(f)), has_aux=True))
    hessian, reverse = program(x)
    np.testing.assert_allclose(reverse, differences(jax.jit(f)), rtol=1e-8, atol=1e-8)
    second = differences(lambda x: program(x)[1])
    np.testing.assert_allclose(hessian, second, rtol=1e-8, atol=1e-8)
    if mix == "monovalent":  # the other order too, once by closed form and once by root
        other = jax.jit(jax.jacrev(with_itself(jax.jacfwd(f)), has_aux=True))
        hessian, forward = other(x)
        np.testing.assert_allclose(hessian, second, rtol=1e-8, atol=1e-8)
    else:
        forward = jax.jit(jax.jacfwd(f))(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-10)


def test_gradient_at_zero_pump_current_is_not_one_sided(assert_close):
    P, c_o, c_i = [1e-6, 1e-7, 2e-7], [5.0, 145.0, 120.0], [140.0, 12.0, 8.0]
    f = lambda I: ghk_voltage(P, c_o, c_i, [1, 1, -1], 310.0, I)  # noqa: E731
    resistance = 1 / np.sum(jax.jit(lambda V: slope_conductance(V, P, c_o, c_i, [1, 1, -1], 310.0))(f(0.0)))
    gradient, hessian = jax.jit(jax.grad(f)), jax.jit(jax.hessian(f))
    for h in (-1e-9, 0.0, 1e-9):
        assert_close(gradient(h), -resistance, rtol=1e-6)
    assert_close(hessian(0.0), hessian(1e-9), rtol=1e-6)


def test_flux_derivatives_are_finite_at_zero_and_one_volt():
    f = lambda V: ghk_current(V, 1e-6, 2.0, 1e-4, 2, 310.0)  # noqa: E731
    V_m = jnp.array([0.0, -0.0, 1e-12, 1000.0, -1000.0, 5e4, -5e4])
    found = [jax.jit(jax.vmap(g))(V_m) for g in (f, jax.grad(f), jax.jacfwd(f), jax.hessian(f))]
    assert np.all(np.isfinite(found))
    at_zero, slope, forward, curvature = (np.asarray(values)[0] for values in found)
    kT = 1e3 * R * 310.0 / F
    assert at_zero == pytest.approx(2 * F * 1e-6 * (1e-4 - 2.0), rel=1e-14)
    for first in (slope, forward):
        assert first == pytest.approx(4 * F * 1e-6 / kT * (1e-4 + 2.0) / 2, rel=1e-14)
    assert curvature == pytest.approx(8 * F * 1e-6 / kT**2 * (1e-4 - 2.0) / 6, rel=1e-14)


# Batches, transformations, dtypes


@pytest.mark.parametrize(
    ("mix", "pumped"),
    [("monovalent", False), *(thorough(*mix) for mix in OTHERS)],
)
def test_vmap_loop_jit_and_batch_agree(mix, pumped, assert_close):
    z = MIXES[mix]
    cells = random_cells(z, 16, seed=5)
    cells += (jnp.linspace(-0.1, 0.1, 16),) if pumped else ()
    f = lambda P, c_o, c_i, T, *I: ghk_voltage(P, c_o, c_i, z, T, *I)  # noqa: E731
    batched = np.asarray(f(*cells))
    assert batched.shape == (16,)
    cells = tuple(map(np.asarray, cells))
    compiled = jax.jit(f)
    assert_close(np.stack([compiled(*(a[k] for a in cells)) for k in range(4)]), batched[:4])
    assert_close(jax.jit(jax.vmap(f))(*cells), batched)
    assert_close(compiled(*(a.reshape(2, 8, *a.shape[1:]) for a in cells)), batched.reshape(2, 8))
    gradient = jax.grad(lambda *a: jnp.sum(f(*a)), argnums=(0, 1, 2, 3))
    value, one_by_one = jax.jit(jax.vmap(jax.value_and_grad(f, argnums=(0, 1, 2, 3))))(*cells)
    assert_close(value, batched)
    jax.tree.map(
        lambda a, b: assert_close(a, b, rtol=1e-11, atol=1e-11), one_by_one, jax.jit(gradient)(*cells)
    )


def test_arguments_broadcast(assert_close):
    P, c_o, c_i, T = random_cells([1, 1, -1], 5)
    got = ghk_voltage(P[0], c_o, c_i[0], [1, 1, -1], T[:, None], I_pump=jnp.zeros((1, 5)))
    assert got.shape == (5, 5)
    assert_close(got[3, 2], ghk_voltage(P[0], c_o[2], c_i[0], [1, 1, -1], T[3]), atol=1e-11)


@pytest.mark.parametrize(
    ("mix", "pumped"),
    [("monovalent", False), *(thorough(*mix) for mix in OTHERS)],
)
def test_single_precision(mix, pumped, assert_close):
    z = MIXES[mix]
    cells = random_cells(z, 100, seed=7)
    cells += (jnp.linspace(-0.1, 0.1, 100),) if pumped else ()
    f = lambda P, c_o, c_i, T, *I: ghk_voltage(P, c_o, c_i, z, T, *I)  # noqa: E731
    single = tuple(a.astype(jnp.float32) for a in cells)
    double = tuple(a.astype(jnp.float64) for a in single)

    @jax.jit
    def both(*cells):  # what one program computes on its way to the gradient
        def total(*cells):
            V_m = f(*cells)
            return jnp.sum(V_m), V_m

        return jax.grad(total, (0, 1, 2), has_aux=True)(*cells)

    (gradient, V_m), (exact_gradient, exact) = both(*single), both(*double)
    assert V_m.dtype == jnp.float32
    # Rounding of the inputs' sums, at most some 1e-6 of RT/F.
    assert_close(V_m, exact, rtol=3e-6, atol=2e-4)
    for a, b, x in zip(gradient, exact_gradient, map(np.asarray, double), strict=False):
        assert a.dtype == jnp.float32
        assert_close(np.asarray(a) * x.astype(np.float32), b * x, rtol=1e-4, atol=5e-3)
    assert jax.eval_shape(f, *single).dtype == jnp.float32
    current = jax.eval_shape(lambda V, P, c_o, c_i, T: ghk_current(V, P, c_o, c_i, z, T), V_m, *single[:4])
    assert current.dtype == jnp.float32


# Awkward points

#        permeant and present     only outside   only inside   nowhere      impermeant      NaN
LANES_O = [[5.0, 145.0, 120.0], [5.0, 0, 0.0], [0.0, 0, 9.0], [0.0, 0, 0], [5.0, 145, 120], [np.nan, 1, 1]]
LANES_I = [[140.0, 12.0, 8.0], [0.0, 0, 0.0], [140.0, 0, 0], [0.0, 0, 0], [140.0, 12, 8], [1.0, 1, 1]]
LANES_P = [[1.0, 0.04, 0.45]] * 4 + [[0.0, 0.0, 0.0]] + [[1.0, 0.04, 0.45]]


@pytest.mark.parametrize("solver", ["logs", "quadratic", "root", "traced z"])
def test_lanes_without_an_answer(solver):
    P, c_o, c_i = (jnp.asarray(a) for a in (LANES_P, LANES_O, LANES_I))
    z = jnp.array([1, 1, -1]) if solver == "traced z" else np.array([1, 1, -1])
    if solver == "quadratic":  # an absent, impermeant divalent chooses that closed form
        P, c_o, c_i = (jnp.pad(a, ((0, 0), (0, 1))) for a in (P, c_o, c_i))
        z = np.array([1, 1, -1, 2])
    pump = {"I_pump": 0.0} if solver == "root" else {}
    f = lambda P, c_o, c_i, z, T: ghk_voltage(P, c_o, c_i, z, T, **pump)  # noqa: E731
    f = jax.jit(f) if solver == "traced z" else f
    T = jnp.full(6, 310.0)
    V_m = f(P, c_o, c_i, z, T)
    np.testing.assert_array_equal(V_m[1:], [np.inf, -np.inf, np.nan, np.nan, np.nan])
    # Lane 1 again with the others made harmless: bit for bit the same value and gradient.
    gradient = jax.jit(jax.grad(lambda *a: jnp.sum(f(*a[:3], z, a[3])), (0, 1, 2, 3)))
    grads = gradient(P, c_o, c_i, T)
    healthy = [jnp.broadcast_to(a[:1], a.shape) for a in (P, c_o, c_i)]
    assert f(*healthy, z, T)[0] == V_m[0]
    for got, want in zip(grads, gradient(*healthy, T), strict=True):
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(got[1:5], 0)


def test_pump_current_decides_where_one_side_is_empty():
    one_sided = lambda c_o, c_i, I: ghk_voltage([1e-6], [c_o], [c_i], [1], 310.0, I)  # noqa: E731
    gradient = jax.jit(jax.grad(one_sided, (0, 1, 2)))
    assert one_sided(5.0, 0.0, -1.0) == np.inf  # only inward currents
    assert one_sided(0.0, 5.0, 1.0) == -np.inf  # only outward currents
    for c_o, c_i, I in ((5.0, 0.0, 0.1), (0.0, 5.0, -0.1), (5.0, 0.0, 1e-6), (5.0, 0.0, 1e4)):
        V_m = one_sided(c_o, c_i, I)
        current = beyond_breakdown(V_m, 1e-6, c_o, c_i, 1, 310.0)
        assert current + I == pytest.approx(0, abs=1e-12 * abs(I))
        assert np.all(np.isfinite(gradient(c_o, c_i, I)))
    assert np.isnan(ghk_voltage([0.0], [5.0], [140.0], [1], 310.0, I_pump=1.0))


@pytest.mark.parametrize("pump", [None, 0.0])
def test_equal_concentrations_give_zero(pump, assert_close):
    c = jnp.array([140.0, 12.0, 3.0])
    f = lambda c_o: ghk_voltage([1.0, 0.5, 0.2], c_o, c, [1, -1, 2], 310.0, pump)  # noqa: E731
    assert_close(f(c), np.float64(0.0))
    step = 1e-4 * np.array([1.0, 0, 0])
    assert_close(jax.jit(jax.grad(f))(c)[0], (f(c + step) - f(c - step)) / 2e-4, rtol=1e-7)


def test_zero_permeability_has_the_right_one_sided_gradient(assert_close):
    for z in MIXES.values():
        P, c_o, c_i, T = (a[0] for a in random_cells(z, 1, seed=11))
        f = lambda p: ghk_voltage(P.at[1].set(p), c_o, c_i, z, T)  # noqa: B023, E731
        h = 1e-5 * P[1]
        assert_close(jax.grad(f)(0.0), (-3 * f(0.0) + 4 * f(h) - f(2 * h)) / (2 * h), rtol=1e-6)


@pytest.mark.parametrize(
    ("P", "z", "words"),
    [
        ([1.0, 2.0], [1, 0], "z = \\[1, 0\\]"),
        ([1.0, 2.0], [1, 1, 1], "P has shape \\(2,\\), but z has 3 ions"),
        ([1.0, 2.0], 1, "one valence per ion"),
        (1.0, [1, 1], "P has shape \\(\\)"),
        (np.ones((3, 2)), [1, 1], "broadcast"),
    ],
)
def test_wrong_structure_is_refused(P, z, words):
    c = np.ones((4, np.size(z))) if np.ndim(P) == 2 else np.ones(2)
    with pytest.raises(ValueError, match=words):
        ghk_voltage(P, c, c, z, 310.0)


# Conductance


def test_slope_conductance_is_the_slope(assert_close):
    z = [1, -1, 2]
    P, c_o, c_i, T = random_cells(z, 4)
    V_m, h = jnp.array([-80.0, 0.0, 1e-7, 40.0]), 1e-3
    kernels = (slope_conductance, transference_numbers)
    g, t = jax.jit(lambda V: [k(V, P, c_o, c_i, z, T) for k in kernels])(V_m)
    current = jax.jit(lambda V: ghk_current(V, P, c_o, c_i, z, T))
    assert_close(g, (current(V_m + h) - current(V_m - h)) / (2 * h), rtol=1e-7)
    assert_close(t, g / np.sum(g, axis=-1, keepdims=True))


def test_transference_numbers_where_nothing_conducts():
    P = jnp.array([[1.0, 2.0], [0.0, 0.0]])
    f = jax.jit(lambda P: transference_numbers(-70.0, P, [5.0, 145.0], [140.0, 12.0], [1, 1], 310.0))
    assert np.all(np.isnan(f(P)[1])) and np.sum(f(P)[0]) == pytest.approx(1, abs=1e-15)
    gradient = jax.jit(jax.grad(lambda P: f(P)[0, 0] + jnp.sum(f(P)[1])))(P)
    assert np.all(np.isfinite(gradient)) and gradient[0, 0] > 0


def test_flux_takes_one_ion_or_many(assert_close):
    V_m = jnp.array([-80.0, 0.0])
    many = ghk_flux(V_m, [1e-6, 1e-7], [5.0, 2.0], [140.0, 1e-4], [1, 2], 310.0)
    assert many.shape == (2, 2)
    assert_close(many[:, 1], ghk_flux(V_m, 1e-7, 2.0, 1e-4, 2, 310.0))
