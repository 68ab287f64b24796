"""The one joint density, against log densities written by hand with NumPy and SciPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import constants, stats

from pumpleak import (
    Latent,
    Swap,
    halfnormal,
    lognormal,
    make_problem,
    normal,
    read_table,
    uniform,
)

RT_F = 1e3 * constants.R / (constants.e * constants.N_A)  # mV per kelvin


def ghk(T, cations, anions=()):
    """Goldman's equation for univalent ions, each (P, out, in)."""
    top = sum(P * o for P, o, i in cations) + sum(P * i for P, o, i in anions)
    bottom = sum(P * i for P, o, i in cations) + sum(P * o for P, o, i in anions)
    return RT_F * T * np.log(top / bottom)


def lognormal_by_hand(median, factor):
    return stats.lognorm(math.log(factor), scale=median), 0.0, math.inf


def normal_by_hand(mean, sd):
    return stats.norm(mean, sd), -math.inf, math.inf


def half_by_hand(sd):
    return stats.halfnorm(scale=sd), 0.0, math.inf


def uniform_by_hand(low, high):
    return stats.uniform(low, high - low), low, high


def stretch(x, low, high):
    """ln dx/dt, t the scale without bounds."""
    if math.isfinite(low) and math.isfinite(high):
        return np.log((x - low) * (high - x) / (high - low))
    return np.log(x - low) if math.isfinite(low) else np.zeros_like(x)


def unit(d, low, high):
    """Half the width of the prior's middle 68 % on the scale without bounds: a unit of u."""
    x = d.ppf(np.array([0.1587, 0.8413]))
    if math.isfinite(low) and math.isfinite(high):
        x = np.log((x - low) / (high - x))
    elif math.isfinite(low):
        x = np.log(x - low)
    return (x[1] - x[0]) / 2


def check(problem, by_hand, log_likelihood, points=4):
    """potential(u) at prior draws is minus the sum of priors, Jacobians and likelihood by hand, a density per unit of u."""
    names = [s.name for s in problem.sites]
    assert names == list(by_hand)
    draws = problem.prior_draws(np.random.default_rng(0), points)
    u = problem.unconstrain(draws)
    potential, constrain = jax.jit(problem.potential), jax.jit(problem.constrain)
    likelihood = jax.jit(problem.log_likelihood)
    for k in range(points):
        sites = {n: draws[n][k] for n in names}
        back = constrain(u[k])
        for n in names:
            np.testing.assert_allclose(back[n], sites[n], rtol=1e-9, atol=1e-12, err_msg=n)
        expected = log_likelihood(sites)
        for n, (d, low, high) in by_hand.items():
            expected += np.sum(d.logpdf(sites[n]) + stretch(sites[n], low, high) + np.log(unit(d, low, high)))
        assert float(potential(u[k])) == pytest.approx(-expected, rel=1e-9, abs=1e-8)
        pointwise = np.asarray(likelihood(sites))
        assert pointwise.sum() == pytest.approx(log_likelihood(sites), rel=1e-9, abs=1e-9)


BATH = pd.DataFrame(
    {
        "T_degC": 22.0,
        "K_o_mM": [2.5, 5.0, 20.0],
        "K_i_mM": 140.0,
        "Na_o_mM": [147.5, 145.0, 130.0],
        "Na_i_mM": 10.0,
        "V_m_mV": [-86.0, -75.0, -46.0],
    }
)
T = 295.15


def bath_voltage(P, offset=0.0):
    return (
        np.array(
            [ghk(T, [(1, k, 140), (P, n, 10)]) for k, n in zip([2.5, 5, 20], [147.5, 145, 130], strict=True)]
        )
        + offset
    )


P_NA = {"P_Na_rel": lognormal(0.05, 3)}
QUIET = {"extra_V_m": 0.0, "LJP": 0.0, "V_offset": 0.0}
HAND_P = {"P_Na_rel": lognormal_by_hand(0.05, 3)}


def test_known_standard_errors_and_an_offset():
    table = read_table(BATH.assign(V_m_sem_mV=[1.0, 0.5, 2.0]))
    problem = make_problem(table, P_NA | QUIET | {"V_offset": normal(0, 2)})

    def by_hand(s):
        mean = bath_voltage(s["P_Na_rel"], s["V_offset"])
        return stats.norm(mean, [1.0, 0.5, 2.0]).logpdf(BATH.V_m_mV).sum()

    check(problem, HAND_P | {"V_offset": normal_by_hand(0, 2)}, by_hand)


def test_sd_and_n_give_the_standard_error_and_extra_scatter_adds_to_it():
    table = read_table(BATH.assign(V_m_sd_mV=[4.0, 4.0, 6.0], V_m_n=[16, 4, 9]))
    problem = make_problem(table, P_NA | {"LJP": 0.0, "V_offset": 0.0})
    sem = np.array([1.0, 2.0, 2.0])

    def by_hand(s):
        scale = np.sqrt(sem**2 + s["extra_V_m"] ** 2)
        return stats.norm(bath_voltage(s["P_Na_rel"]), scale).logpdf(BATH.V_m_mV).sum()

    check(problem, HAND_P | {"extra_V_m": half_by_hand(2)}, by_hand)


def test_single_readings_share_an_inferred_sigma():
    problem = make_problem(read_table(BATH.assign(V_m_n=[1, 4, 1])), P_NA)

    def by_hand(s):
        scale = s["sigma_V_m"] / np.sqrt([1, 4, 1])
        return stats.norm(bath_voltage(s["P_Na_rel"]), scale).logpdf(BATH.V_m_mV).sum()

    check(problem, HAND_P | {"sigma_V_m": half_by_hand(10)}, by_hand)
    assert any("sigma_V_m" in a for a in problem.assumptions)


def test_student_noise():
    table = read_table(BATH.assign(V_m_sem_mV=[1.0, 0.5, 2.0]))
    problem = make_problem(table, P_NA | QUIET, noise="student_t")

    def by_hand(s):
        return stats.t(4, bath_voltage(s["P_Na_rel"]), [1.0, 0.5, 2.0]).logpdf(BATH.V_m_mV).sum()

    check(problem, HAND_P, by_hand)
    problem = make_problem(table, P_NA | QUIET | {"nu": uniform(2, 30)}, noise="student_t")

    def by_hand_nu(s):
        return stats.t(s["nu"], bath_voltage(s["P_Na_rel"]), [1, 0.5, 2]).logpdf(BATH.V_m_mV).sum()

    check(problem, HAND_P | {"nu": uniform_by_hand(2, 30)}, by_hand_nu)


def test_paired_differences_cancel_what_both_rows_share():
    table = read_table(
        BATH.assign(
            label=["a", "b", "c"],
            V_m_mV=[-86.0, np.nan, np.nan],
            V_m_sem_mV=[1.0, np.nan, np.nan],
            dV_m_mV=[np.nan, 10.5, 39.0],
            dV_m_sem_mV=[np.nan, 0.4, 0.6],
            reference=["", "a", "b"],
        )
    )
    problem = make_problem(table, P_NA | QUIET | {"V_offset": normal(0, 2)})

    def by_hand(s):
        v = bath_voltage(s["P_Na_rel"])
        mean = [v[0] + s["V_offset"], v[1] - v[0], v[2] - v[1]]
        return stats.norm(mean, [1.0, 0.4, 0.6]).logpdf([-86.0, 10.5, 39.0]).sum()

    check(problem, HAND_P | {"V_offset": normal_by_hand(0, 2)}, by_hand)


def test_junction_potential_by_solution_and_offset_by_electrode():
    table = read_table(
        BATH.assign(V_m_sem_mV=1.0, solution=["A", "A", "B"], electrode=["x", "y", "x"]),
    )
    problem = make_problem(
        table,
        P_NA | {"extra_V_m": 0.0, "V_offset": Latent(normal(0, 2), by="electrode")},
        solutions={"A": {"LJP": 3.0}, "B": {"LJP": normal(5, 1)}},
    )

    def by_hand(s):
        offset = s["V_offset"][[0, 1, 0]]
        ljp = np.array([3.0, 3.0, s["LJP[B]"]])
        mean = bath_voltage(s["P_Na_rel"]) + ljp + offset
        return stats.norm(mean, 1).logpdf(BATH.V_m_mV).sum()

    hand = {"V_offset": normal_by_hand(0, 2), "LJP[B]": normal_by_hand(5, 1)}
    check(problem, HAND_P | hand, by_hand)
    assert len(problem.first_row) == 3  # offsets and junctions do not make conditions


def test_one_ion_swapped_for_another_and_activities():
    table = read_table(
        BATH.drop(columns=["Na_o_mM", "K_i_mM"]).assign(aK_i_mM=105.0, aK_i_sd_mM=2.0, V_m_sem_mV=1.0)
    )
    problem = make_problem(
        table,
        P_NA | QUIET | {"Na_o": Swap("K_o", normal(150, 3)), "gamma_o": 0.755, "gamma_i": 0.7},
    )

    def by_hand(s):
        k = np.array([2.5, 5, 20])
        na = s["Na_o_total"] - k
        v = ghk(T, [(1, 0.755 * k, s["aK_i[105]"]), (s["P_Na_rel"], 0.755 * na, 0.7 * 10)])
        return stats.norm(v, 1).logpdf(BATH.V_m_mV).sum()

    hand = {"aK_i[105]": normal_by_hand(105, 2), "Na_o_total": normal_by_hand(150, 3)}
    check(problem, HAND_P | hand, by_hand)


def test_partial_pooling_is_a_population_with_offsets():
    table = read_table(BATH.assign(V_m_sem_mV=1.0, cell=["p", "q", "p"]))
    problem = make_problem(
        table,
        QUIET | {"P_Na_rel": Latent(lognormal(0.05, 3), by="cell", pooled=True, spread=halfnormal(0.3))},
    )

    def by_hand(s):
        P = s["P_Na_rel_mean"] * np.exp(s["P_Na_rel_spread"] * s["P_Na_rel_z"])
        v = [bath_voltage(P[j])[i] for i, j in enumerate([0, 1, 0])]
        return stats.norm(v, 1).logpdf(BATH.V_m_mV).sum()

    hand = {
        "P_Na_rel_mean": lognormal_by_hand(0.05, 3),
        "P_Na_rel_spread": half_by_hand(0.3),
        "P_Na_rel_z": normal_by_hand(0, 1),
    }
    check(problem, hand, by_hand)
    assert [p.element_names for p in problem.parameters] == [("P_Na_rel[p]", "P_Na_rel[q]")]


def test_pooled_fraction_and_pooled_voltage():
    """Levels of a bounded quantity pool on the logit scale, of a free one as they are."""
    table = read_table(BATH.assign(V_m_sem_mV=1.0, cell=["p", "q", "p"]))
    problem = make_problem(
        table,
        {
            "extra_V_m": 0.0,
            "P_Na_rel": Latent(uniform(0.01, 0.5), by="cell", pooled=True),
            "V_offset": Latent(normal(1, 4), by="cell", pooled=True),
        },
    )

    def by_hand(s):
        fraction = (s["P_Na_rel_mean"] - 0.01) / 0.49
        logit = np.log(fraction / (1 - fraction)) + s["P_Na_rel_spread"] * s["P_Na_rel_z"]
        P = 0.01 + 0.49 / (1 + np.exp(-logit))
        offset = s["V_offset_mean"] + s["V_offset_spread"] * s["V_offset_z"]
        v = [bath_voltage(P[j])[i] + offset[j] for i, j in enumerate([0, 1, 0])]
        return stats.norm(v, 1).logpdf(BATH.V_m_mV).sum()

    hand = {
        "P_Na_rel_mean": uniform_by_hand(0.01, 0.5),
        "P_Na_rel_spread": half_by_hand(0.5),
        "P_Na_rel_z": normal_by_hand(0, 1),
        "V_offset_mean": normal_by_hand(1, 4),
        "V_offset_spread": half_by_hand(2.0),
        "V_offset_z": normal_by_hand(0, 1),
    }
    check(problem, hand, by_hand)


def test_a_blocked_channel_with_chloride():
    """P_scale known in the table for one ion, inferred for another; chloride is an anion."""
    table = read_table(
        BATH.assign(Cl_o_mM=[150.0, 150, 150], Cl_i_mM=12.0, P_K_scale=[1, 0.5, 1], V_m_sem_mV=1.0,
                    treatment=["no", "drug", "drug"], solution=["A", "B", "B"])
    )  # fmt: skip
    problem = make_problem(
        table,
        P_NA | QUIET | {"P_Cl_rel": 0.3},
        ions=["K", "Na", "Cl"],
        solutions={"B": {"P_Cl_scale": uniform(0, 1)}},
    )

    def by_hand(s):
        scale = np.array([1.0, s["P_Cl_scale[B]"], s["P_Cl_scale[B]"]])
        v = ghk(
            T,
            [(np.array([1, 0.5, 1]), np.array([2.5, 5, 20]), 140), (s["P_Na_rel"], np.array([147.5, 145, 130]), 10)],
            [(0.3 * scale, np.array([150.0, 150, 150]), 12.0)],
        )  # fmt: skip
        return stats.norm(v, 1).logpdf(BATH.V_m_mV).sum()

    check(problem, HAND_P | {"P_Cl_scale[B]": uniform_by_hand(0, 1)}, by_hand)


def test_a_blocked_pump_leaves_goldmans_equation():
    table = read_table(BATH.assign(pump=[1, 1, 0], V_m_sem_mV=1.0))
    problem = make_problem(table, P_NA | QUIET | {"r": uniform(1, 2)}, model="mullins_noda")

    def by_hand(s):
        r, P = np.array([s["r"], s["r"], 1.0]), s["P_Na_rel"]
        k, na = np.array([2.5, 5, 20]), np.array([147.5, 145, 130])
        v = RT_F * T * np.log((r * k + P * na) / (r * 140 + P * 10))
        return stats.norm(v, 1).logpdf(BATH.V_m_mV).sum()

    check(problem, HAND_P | {"r": uniform_by_hand(1, 2)}, by_hand)


def test_two_observables_are_read_with_their_own_errors():
    table = read_table(BATH.assign(V_m_sem_mV=1.0, E_K_mV=[-102, -84, -50], E_K_sem_mV=0.5).drop(
        columns="K_i_mM"), observables=("V_m", "E_K"))  # fmt: skip
    problem = make_problem(table, P_NA | QUIET | {"extra_E_K": 0.0, "V_offset": 3.0, "K_i": normal(140, 10)})

    def by_hand(s):
        k, na = np.array([2.5, 5, 20]), np.array([147.5, 145, 130])
        v = ghk(T, [(1, k, s["K_i"]), (s["P_Na_rel"], na, 10)]) + 3.0
        e = RT_F * T * np.log(k / s["K_i"])
        return stats.norm(v, 1).logpdf(BATH.V_m_mV).sum() + stats.norm(e, 0.5).logpdf([-102, -84, -50]).sum()

    check(problem, HAND_P | {"K_i": normal_by_hand(140, 10)}, by_hand)


def test_a_draw_without_an_answer_has_no_density(toys):
    table = read_table(pd.DataFrame({"label": ["r"], "V_m_mV": [1.0], "V_m_sem_mV": [1.0]}))
    problem = make_problem(table, QUIET | {"a": normal(0, 1)}, model="no_answer")  # it answers where a > 0.5
    u = problem.unconstrain({"a": np.array([1.0, -1.0])})
    height, slope = jax.jit(jax.vmap(jax.value_and_grad(problem.potential)))(u)
    assert np.isfinite(height[0]) and height[1] == np.inf
    assert np.isfinite(slope).all()
    assert (np.asarray(problem.log_likelihood({"a": jnp.asarray(-1.0)})) == -np.inf).all()


# -- structure -------------------------------------------------------------------------------------


def test_an_error_of_the_bath_belongs_to_the_solution_not_to_each_row():
    """Two rows of one solution move together; two solutions move apart."""
    table = read_table(
        BATH.assign(
            solution=["A", "A", "B"], K_o_mM=[5.0, 5.0, 20.0], K_o_sd_mM=[0.5, 0.5, 1.0],
            Na_o_mM=[145.0, 145, 130], V_m_sem_mV=1.0,
        )
    )  # fmt: skip
    problem = make_problem(table, P_NA | QUIET)
    assert [p.name for p in problem.parameters] == ["P_Na_rel", "K_o[A, 5]", "K_o[B, 20]"]
    assert all(p.prior.measured for p in problem.parameters[1:])
    assert list(problem.condition) == [0, 0, 1]
    sites = {k: jnp.asarray(v) for k, v in problem.prior_draws(np.random.default_rng(0), 500).items()}
    sites["P_Na_rel"] = jnp.full(500, 0.05)
    readings = np.asarray(jax.jit(jax.vmap(lambda s: problem.reading_distribution(s)[0].loc))(sites))
    r = np.corrcoef(readings.T)
    assert r[0, 1] == pytest.approx(1.0) and abs(r[0, 2]) < 0.15


def test_two_errors_of_one_value_are_two_parameters():
    table = read_table(BATH.assign(K_i_sd_mM=[2.0, 2.0, 20.0], V_m_sem_mV=1.0))
    problem = make_problem(table, P_NA | QUIET)
    sds = [p.prior.b for p in problem.parameters if p.quantity == "K_i"]
    assert sorted(sds) == [2.0, 20.0]


def test_rows_alike_are_one_condition():
    table = read_table(pd.concat([BATH, BATH, BATH.assign(P_K_scale=0.5)]).fillna({"P_K_scale": 1.0}))
    problem = make_problem(table, P_NA)
    assert len(problem.first_row) == 6
    np.testing.assert_array_equal(problem.condition, [0, 1, 2, 0, 1, 2, 3, 4, 5])


def test_the_batch_numbers_stand_in_for_the_problems_own():
    """Arrays of another cell give that cell's density, without another structure."""
    table = read_table(BATH.assign(V_m_sem_mV=1.0))
    other = read_table(BATH.assign(V_m_sem_mV=2.0, V_m_mV=[-80.0, -70, -40], Na_i_mM=15.0))
    one, two = (make_problem(t, P_NA | QUIET) for t in (table, other))
    u = jnp.array([0.3])
    assert float(one.potential(u, two.arrays)) == pytest.approx(float(two.potential(u)), rel=1e-12)
    assert float(one.potential(u)) != float(two.potential(u))


def test_a_masked_reading_says_nothing():
    table = read_table(BATH.assign(V_m_sem_mV=1.0))
    problem = make_problem(table, P_NA | QUIET)
    u = jnp.array([0.3])
    arrays = problem.arrays._replace(
        mask=np.array([True, False, True]), value=np.array([-86.0, np.nan, -46.0])
    )
    fewer = make_problem(table.select(readings=np.array([True, False, True])), P_NA | QUIET)
    assert float(problem.potential(u, arrays)) == pytest.approx(float(fewer.potential(u)), rel=1e-12)


def test_without_a_reading_the_density_is_the_prior():
    table = read_table(BATH.drop(columns="V_m_mV"), require_readings=False)
    problem = make_problem(table, P_NA)
    check(problem, HAND_P, lambda s: 0.0)


def test_coordinates_are_measured_in_prior_widths():
    table = read_table(BATH.drop(columns="T_degC").assign(V_m_sem_mV=1.0))
    problem = make_problem(table, P_NA | QUIET | {"T": normal(295.15, 0.5)})
    u = problem.unconstrain(problem.prior_draws(np.random.default_rng(1), 4000))
    np.testing.assert_allclose(u.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(u.std(axis=0), 1, atol=0.05)
