"""Outliers, rounding and limits: densities against SciPy, posteriors against quadrature, engines against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from scipy import integrate, stats

from pumpleak import InputError, Recording, beta, infer, make_problem, normal, read_table, uniform
from pumpleak.problem.noise import standard_draws, tail_below
from pumpleak.problem.scatter import Outliers, Recorded, information, scatter

T = 295.15
KNOWN = {"T": T, "K_i": 140.0, "K_o": 5.0, "LJP": 0.0, "extra_V_m": 0.0}
E_K = 1e3 * 8.314462618 * T / 96485.33212 * np.log(5 / 140)  # −84.75 mV
PRIOR = stats.norm(0, 5)
SD = 2.0


def offset_problem(readings, *, noise="normal", quantities=None, **recording):
    """E_K + V_offset, read with a known scatter of 2 mV: one unknown, on which a grid is exact."""
    frame = pd.DataFrame({"V_m_mV": readings, "V_m_sd_mV": SD, "V_m_n": 1})
    return make_problem(
        read_table(frame), {**KNOWN, "V_offset": normal(0, 5), **(quantities or {})}, model="nernst", ions=["K"],
        noise=noise, recording=Recording(**recording),
    )  # fmt: skip


def mixture(eps, k):
    class M:
        cdf = staticmethod(lambda z: (1 - eps) * stats.norm.cdf(z) + eps * stats.norm.cdf(z / k))
        pdf = staticmethod(lambda z: (1 - eps) * stats.norm.pdf(z) + eps * stats.norm.pdf(z / k) / k)

    return M


BASES = {
    "normal": (lambda loc, s: dist.Normal(loc, s), stats.norm),
    "student_t": (lambda loc, s: dist.StudentT(jnp.full_like(loc, 3.7), loc, s), stats.t(3.7)),
    "outliers": (lambda loc, s: Outliers(loc, s, 0.1, 6.0), mixture(0.1, 6.0)),
}


@pytest.mark.parametrize("kind", BASES)
def test_an_interval_has_the_probability_that_scipy_gives_it(kind):
    make, by_scipy = BASES[kind]
    loc = jnp.array([-80.0, -80.0, -80.0, -95.0, -60.0, -80.4])
    value = jnp.array([-79.0, -84.0, -71.0, -90.0, -60.0, -80.4])
    scale = jnp.array([1.5, 0.1, 3.0, 2.0, 4.0, 1.0])
    d = Recorded(make(loc, scale), jnp.array([True] * 5 + [False]), Recording(1.0, -90.0, -60.0))
    z = [
        (-79.5 + 80) / 1.5,
        (-78.5 + 80) / 1.5,
        (-71.5 + 80) / 3,
        (-70.5 + 80) / 3,
        (-89.5 + 95) / 2,
        -0.5 / 4,
    ]
    F = by_scipy.cdf(np.array(z))
    hand = [np.log(F[1] - F[0]), np.log(F[3] - F[2]), np.log(F[4]), np.log(1 - F[5])]
    found = np.asarray(jax.jit(d.log_prob)(value))
    np.testing.assert_allclose(found[[0, 2, 3, 4]], hand, rtol=1e-8)
    assert found[5] == pytest.approx(np.log(by_scipy.pdf(0.0)), rel=1e-12)  # not a single reading: as it is
    assert np.isfinite(found[1]) and found[1] < -5  # 40 scales away
    slope = jax.jit(
        jax.grad(lambda loc: Recorded(make(loc, scale), True, Recording(1.0, -90.0)).log_prob(value).sum())
    )(loc)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("nu", [4.0, 100.0, 1e4])
def test_a_floor_under_tails_of_every_weight(nu):
    """Down to where Student's t is all but normal, far out too; written to a step that the floor is no multiple of."""
    level = np.array([-80.0, -85.0, -90.0, -60.0])
    d = dist.StudentT(jnp.full(4, nu), jnp.asarray(level), jnp.full(4, 2.0))
    found = jax.jit(Recorded(d, True, Recording(0.0, -88.0)).log_prob)(jnp.full(4, -88.0))
    np.testing.assert_allclose(found, stats.t.logcdf((-88.0 - level) / 2, nu), rtol=1e-6)
    # −88 to the nearest 5 mV: all below −87.5 are written so, and −85 is the first above.
    step = jax.jit(Recorded(d, True, Recording(5.0, -88.0)).log_prob)(jnp.full(4, -88.0))
    np.testing.assert_allclose(step, stats.t.logcdf((-87.5 - level) / 2, nu), rtol=1e-6)


def test_a_small_step_is_no_step_and_nu_has_a_derivative():
    for make, _ in BASES.values():
        d = make(jnp.array([-80.0]), jnp.array([2.0]))
        near = jax.jit(Recorded(d, True, Recording(1e-3)).log_prob)(jnp.array([-77.3]))
        np.testing.assert_allclose(near, d.log_prob(jnp.array([-77.3])), atol=1e-6)

    @jax.jit
    def of(nu):
        d = dist.StudentT(nu, jnp.array(0.0), jnp.array(1.0))
        return Recorded(d, True, Recording(1.0, -2.0)).log_prob(jnp.array([-2.0, 1.0])).sum()

    difference = (of(4.0 + 1e-5) - of(4.0 - 1e-5)) / 2e-5
    assert float(jax.jit(jax.grad(of))(4.0)) == pytest.approx(float(difference), rel=1e-6)


def test_what_can_be_written_has_probability_one():
    values = jnp.arange(-90.0, -59.0)
    for make, _ in BASES.values():
        loc = jnp.full(len(values), -83.0)
        d = Recorded(make(loc, jnp.full_like(loc, 3.0)), True, Recording(1.0, -90.0, -60.0))
        assert float(jnp.exp(jax.jit(d.log_prob)(values)).sum()) == pytest.approx(1.0, abs=1e-9)


STEPS = [(0.0, 88.0), (0.5, 88.3), (1.0, 87.5), (2.0, 88.0), (5.0, 88.0), (10.0, 84.0)]


@pytest.mark.parametrize(("step", "limit"), STEPS)
def test_a_ceiling_is_a_floor_seen_from_below(step, limit):
    """Readings turned round have the same probabilities and tell as much, at every step and whether it divides the limit."""
    value = jnp.array([limit, -limit, 40.0, -40.0])
    loc, scale = jnp.array([86.0, -95.0, 38.0, -41.0]), jnp.array([3.0, 2.0, 4.0, 1.5])
    floor, ceiling = Recording(step, floor=-limit), Recording(step, ceiling=limit)
    low, high = floor.edges(-value)
    mirrored = ceiling.edges(value)
    np.testing.assert_allclose(mirrored[0], -high)
    np.testing.assert_allclose(mirrored[1], -low)
    raw = jnp.linspace(-120.0, 120.0, 997)
    np.testing.assert_allclose(ceiling.written(raw), -floor.written(-raw))
    above = Recorded(dist.Normal(loc, scale), True, ceiling)
    below = Recorded(dist.Normal(-loc, scale), True, floor)
    np.testing.assert_allclose(above.log_prob(value), below.log_prob(-value), rtol=1e-9)
    for key, kept in information(above).items():
        np.testing.assert_allclose(kept, information(below)[key], rtol=1e-12)


@pytest.mark.parametrize(("step", "limit"), STEPS[1:])
def test_all_that_can_be_written_below_a_ceiling_has_probability_one(step, limit):
    """And each value has that of the raw readings that `written` makes it of, by SciPy."""
    recording = Recording(step, ceiling=limit)
    values = np.unique(np.asarray(recording.written(jnp.linspace(-150.0, 150.0, 60_001))))
    inside = values[values < limit]
    loc = jnp.full(len(values), 80.0)
    log_p = jax.jit(Recorded(dist.Normal(loc, 6.0 + 0 * loc), True, recording).log_prob)
    p = np.exp(np.asarray(log_p(values)))
    p[:-1] *= step  # a density per mV, but of the last, which says "at least"
    assert values[-1] == limit and p.sum() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(
        p[:-1], np.diff(stats.norm.cdf([inside - step / 2, inside + step / 2], 80, 6), axis=0)[0], atol=1e-12
    )


def ln_outliers(x, loc, log_scale, share, factor):
    z = (x - loc) / np.exp(log_scale)
    near, far = stats.norm.logpdf(z), stats.norm.logpdf(z / factor) - np.log(factor)
    return np.logaddexp(np.log1p(-share) + near, np.log(share) + far) - log_scale


INFORMED = {
    "normal": (lambda x, m, l: stats.norm.logpdf(x, m, np.exp(l)), ("loc", "log_scale"), ()),
    "student_t": (
        lambda x, m, l, nu: stats.t.logpdf(x, nu, m, np.exp(l)),
        ("loc", "log_scale", "nu"),
        (4.0,),
    ),
    "outliers": (ln_outliers, ("loc", "log_scale", "outlier_share", "outlier_factor"), (0.1, 6.0)),
}


@pytest.mark.parametrize(
    "kind", ["normal", "student_t", pytest.param("outliers", marks=pytest.mark.thorough)]
)
def test_information_is_the_expected_square_of_the_score(kind):
    """SciPy's densities and differences of their logarithms, integrated on a grid; what is not named is 0 or left to proposals."""
    ln_p, names, shape = INFORMED[kind]
    s, theta = 2.0, np.array([0.0, np.log(2.0), *shape])
    x = s * np.sinh(np.linspace(-14, 14, 40001))
    step = 1e-4 * np.eye(len(theta))
    score = [(ln_p(x, *(theta + h)) - ln_p(x, *(theta - h))) / 2e-4 for h in step]
    about = information(
        scatter(kind, jnp.array([0.0]), jnp.array([s]), dict(zip(names[2:], shape, strict=True)))
    )
    assert {("loc", "loc"), ("log_scale", "log_scale")} <= set(about)
    for (a, b), said in about.items():
        product = score[names.index(a)] * score[names.index(b)] * np.exp(ln_p(x, *theta))
        by_hand = integrate.trapezoid(product, x)
        assert float(np.ravel(said)[0]) == pytest.approx(by_hand, rel=1e-5), (a, b)


def test_what_is_cut_off_tells_only_that_it_is_lower():
    part = information(
        Recorded(dist.Normal(jnp.array([-80.0]), jnp.array([2.0])), True, Recording(floor=-80.0))
    )

    def censored(x):  # 1 − Φ(0) of the readings tell their value, the rest only that they are lower
        return stats.norm.pdf(x) * x**2

    hand = (integrate.quad(censored, 0, 20)[0] + 2 * stats.norm.pdf(0) ** 2) / 4
    assert float(part["loc", "loc"][0]) == pytest.approx(hand, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 3.0, 100.0])
def test_noise_below_the_step_tells_no_more_than_the_step(scale):
    """Proposals follow this: variance σ² + step²/12 (Sheppard), of whose logarithm σ moves a share."""
    step = 5.0
    about = information(
        Recorded(dist.Normal(jnp.array([-80.0]), jnp.array([scale])), True, Recording(rounding=step))
    )
    variance = scale**2 + step**2 / 12
    assert float(about["loc", "loc"][0]) == pytest.approx(1 / variance, rel=1e-9)
    assert float(about["log_scale", "log_scale"][0]) == pytest.approx(
        2 * (scale**2 / variance) ** 2, rel=1e-9
    )


def test_draws_of_outliers_are_wide_as_often_as_they_should_be():
    d = Outliers(jnp.array([-80.0, 20.0]), jnp.array([2.0, 0.5]), 0.2, 10.0)
    x = np.asarray(d.sample(jax.random.key(1), (8000,)))
    z = (x - np.array([-80.0, 20.0])) / np.array([2.0, 0.5])
    for limit in (1.0, 4.0, 15.0):
        expected = 2 * mixture(0.2, 10.0).cdf(-limit)
        np.testing.assert_allclose((np.abs(z) > limit).mean(axis=0), expected, atol=0.02)
    np.testing.assert_allclose((z > 0).mean(axis=0), 0.5, atol=0.03)


# -- posteriors ------------------------------------------------------------------------------------

READ = [-86.0, -84.0, -83.0, -87.0, -60.0, -85.0]
CASES = {
    "outliers": dict(readings=READ, noise="outliers"),
    "outliers, share unknown": dict(
        readings=READ, noise="outliers", quantities={"outlier_share": beta(1, 9)}
    ),
    "rounded and cut off": dict(readings=[-85.0, -80.0, -85.0, -85.0], rounding=5.0, floor=-85.0),
    "Student-t, rounded": dict(
        readings=READ, noise="student_t", rounding=1.0, quantities={"nu": uniform(2, 20)}
    ),
}


def by_quadrature(problem):
    """Posterior mean and sd of V_offset from the density on a grid."""
    x = np.linspace(-30, 30, 1201)
    others = [s for s in problem.sites if s.name != "V_offset"]
    y = [s.prior.quantile((np.arange(80) + 0.5) / 80) for s in others] or [np.zeros(1)]
    at = jax.jit(
        jax.vmap(
            jax.vmap(
                lambda y, x: problem.log_likelihood({"V_offset": x} | {s.name: y for s in others}).sum(),
                (0, None),
            ),
            (None, 0),
        )
    )
    ll = np.asarray(at(jnp.asarray(y[0]), jnp.asarray(x)))
    w = np.exp(ll - ll.max()).mean(axis=1) * PRIOR.pdf(x)
    w /= w.sum()
    mean = w @ x
    return mean, np.sqrt(w @ (x - mean) ** 2)


def test_an_outlier_is_forgiven_and_a_normal_noise_forgives_nothing():
    """The good readings say −85 mV, and one says −60."""
    mean, sd = by_quadrature(offset_problem(**CASES["outliers"]))
    alone, alone_sd = by_quadrature(offset_problem([x for x in READ if x < -70]))
    assert abs(mean - alone) < 0.3 and sd == pytest.approx(alone_sd, rel=0.15)
    assert by_quadrature(offset_problem(READ))[0] > alone + 3


def test_a_floor_says_at_most():
    """Half of the readings at the floor: the true level lies near it; taken at their face, they pull it up."""
    rng = np.random.default_rng(1)
    read = np.maximum(rng.normal(E_K - 5.0, SD, 60), -88.0)
    mean, sd = by_quadrature(offset_problem(read, floor=-88.0))
    assert abs(mean + 5) < 3 * sd
    wrong, wrong_sd = by_quadrature(offset_problem(read))
    assert wrong + 5 > 3 * wrong_sd


@pytest.mark.thorough
@pytest.mark.parametrize(
    "case", [c if c == "rounded and cut off" else pytest.param(c, marks=pytest.mark.slow) for c in CASES]
)
def test_nuts_and_importance_sampling_agree_with_quadrature(case):
    problem = offset_problem(**CASES[case])
    mean, sd = by_quadrature(problem)
    chains = infer(problem, chains=2, warmup=300, draws=1000, seed=1, retry=False)
    cloud = infer(problem, engine="importance", seed=1)
    for result in (chains, cloud):
        row = result.table.loc["V_offset"]
        assert abs(row["mean"] - mean) < 0.12 * sd, result.attrs["engine"]
        assert row["sd"] == pytest.approx(sd, rel=0.1)
    replicates = np.asarray(chains.tree["posterior_predictive"]["reading"])
    if problem.recording.rounding:
        assert np.allclose(replicates % problem.recording.rounding, 0)
    assert replicates.min() >= problem.recording.floor


def ranks(simulate_from, infer_with, n=400):
    """Posterior CDF at the truth, by a grid, over prior draws: uniform where the likelihood is that of the data."""
    rng = np.random.default_rng(3)
    truth = PRIOR.rvs(n, random_state=rng)
    parts = jax.jit(jax.vmap(lambda x: simulate_from.reading_parts({"V_offset": x})[0]))(jnp.asarray(truth))
    data = simulate_from.simulate(rng, {k: np.asarray(v) for k, v in parts.items()})
    grid = np.linspace(-25, 25, 401)

    def one(y):
        arrays = infer_with.arrays._replace(value=y)
        return jax.vmap(lambda x: infer_with.log_likelihood({"V_offset": x}, arrays).sum())(jnp.asarray(grid))

    ll = np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(data)))
    w = np.exp(ll - ll.max(axis=1, keepdims=True)) * PRIOR.pdf(grid)
    below = np.array([np.interp(t, grid, np.cumsum(x) / x.sum()) for t, x in zip(truth, w, strict=True)])
    return stats.kstest(below, "uniform").pvalue


def test_calibrated_with_negative_controls():
    template = [-85.0] * 3
    outliers = offset_problem(template, noise="outliers", quantities={"outlier_share": 0.2})
    rounded = offset_problem(template, rounding=5.0, floor=-90.0)
    t = offset_problem(template, noise="student_t", rounding=5.0)
    for problem in (outliers, rounded, t):
        assert ranks(problem, problem) > 0.01
    plain = offset_problem(template)
    assert ranks(outliers, plain) < 1e-3  # outliers that are not expected
    assert ranks(rounded, plain) < 1e-3  # a floor that is not told of


def test_standard_draws_have_the_tails_that_they_should():
    rng, shape = (
        np.random.default_rng(0),
        {"outlier_share": np.full(100_000, 0.1), "outlier_factor": np.full(100_000, 6.0)},
    )
    z = standard_draws("outliers", rng, shape, (100_000,))
    p = tail_below("outliers", z, shape)
    assert stats.kstest(p, "uniform").pvalue > 0.001


# -- what is refused -------------------------------------------------------------------------------


def test_bad_shares_steps_and_limits_are_refused():
    with pytest.raises(InputError, match="at most 1"):
        offset_problem(READ, noise="outliers", quantities={"outlier_share": 1.5})
    with pytest.raises(InputError, match="beta prior"):
        offset_problem(READ, noise="outliers", quantities={"outlier_share": uniform(0, 2)})
    with pytest.raises(InputError, match="not a multiple of 1 mV"):
        offset_problem([-71.0, -71.3], rounding=1.0)
    with pytest.raises(InputError, match="below the floor, -80 mV"):
        offset_problem([-71.0, -82.0], floor=-80.0)
    with pytest.raises(InputError, match="do not go together"):
        offset_problem(READ, floor=-50.0, ceiling=-90.0)


def test_the_config_says_it(cli, tmp_path):
    (tmp_path / "t.csv").write_text("V_m_mV\n-85\n-90\n-60\n")
    text = (
        "model: nernst\nions: [K]\ndata: t.csv\nnoise: outliers\nrounding_mV: 5\nfloor_mV: -90\n"
        "quantities:\n  T_degC: 22\n  K_i_mM: 140\n  K_o_mM: 5\n  outlier_factor: 4\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    ran = cli("check", tmp_path / "c.yaml", "--json")
    assert ran.code == 0 and '"outliers"' in ran.out
    from pumpleak import load_problem

    problem = load_problem(tmp_path / "c.yaml")
    assert problem.recording == Recording(5.0, -90.0) and problem.config["floor_mV"] == -90
    (tmp_path / "c.yaml").write_text(text.replace("rounding_mV: 5", "rounding_mV: 0"))
    ran = cli("check", tmp_path / "c.yaml")
    assert ran.code == 2 and "rounding_mV" in ran.err and "c.yaml:5" in ran.err.replace(", line ", ":")
