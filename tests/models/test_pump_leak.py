"""The pump-leak cell inside a Problem: protocols, observables, edges of existence, messages."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

from pumpleak import (
    Bath,
    Cell,
    ConstantPump,
    Cotransporter,
    GHKLeak,
    HillPump,
    InputError,
    Swap,
    infer,
    load_preset,
    load_problem,
    lognormal,
    make_problem,
    normal,
    read_table,
    steady_state,
)
from pumpleak.physics.constants import F, R

T = 310.15
LEAKS = {"leak_Na": GHKLeak("Na", 4e-8), "leak_K": GHKLeak("K", 1e-6), "leak_Cl": GHKLeak("Cl", 1e-6)}
CELL = Cell({**LEAKS, "pump": HillPump(2e-5, K_Na=15.0, K_K=1.0)}, z_X=-1.0, X_i=140.0)
BATH = Bath(T=T, K_o=4.0, Na_o=145.0, Cl_o=119.0, X_o=30.0)
TABLE = pd.DataFrame(
    {
        "label": ["rest", "10 K", "40 K", "ouabain"],
        "K_o_mM": [4.0, 10.0, 40.0, 4.0],
        "Cl_o_mM": 119.0,
        "pump": [1.0, 1.0, 1.0, 0.0],
        "protocol": ["steady", "acute", "acute", "acute"],
        "V_m_mV": [-76.0, -61.0, -29.0, -72.0],
        "V_m_sd_mV": 1.0,
        "V_m_n": 4,
    }
)
KNOWN = {"T": T, "Na_o": Swap("K_o", 149.0)}


def problem(table=TABLE, extra=None, **changes):
    given = {"model": "pump_leak", "cell": (CELL, BATH), "baseline": "rest"} | changes
    return make_problem(read_table(table), KNOWN | (extra or {}), **given)


def predicted(p, **natural):
    return jax.jit(lambda n: p.predict(n))({k: jnp.asarray(v) for k, v in natural.items()})


def test_steady_conditions_are_the_cells_steady_state():
    p = problem(TABLE.iloc[:1], {"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0})
    got = predicted(p, P_Na_rel=0.03)
    cell = Cell(CELL.mechanisms | {"leak_Na": GHKLeak("Na", 3e-8)}, z_X=-1.0, X_i=140.0)
    state = steady_state(cell, BATH)
    assert got.ok.all()
    np.testing.assert_allclose(got.observables["V_m"], state.V_m, rtol=1e-10)
    for ion in ("K", "Na", "Cl"):
        np.testing.assert_allclose(got.observables[f"{ion}_i"], state.c_i[ion], rtol=1e-9)
        np.testing.assert_allclose(got.observables[f"E_{ion}"], state.E[ion], rtol=1e-9)


def test_acute_conditions_have_the_baselines_concentrations_and_no_current():
    p = problem(extra={"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0})
    got = predicted(p, P_Na_rel=0.04).observables
    rest = steady_state(CELL, BATH)
    u_T = R * T / F * 1e3

    def current(V, K_o, pump):
        u = V / u_T
        B = lambda x: x / -np.expm1(-x)  # noqa: E731
        total = 1e-6 * (B(u) * rest.c_i["K"] - B(-u) * K_o)
        total += 4e-8 * (B(u) * rest.c_i["Na"] - B(-u) * (149 - K_o))
        total -= 1e-6 * (B(-u) * rest.c_i["Cl"] - B(u) * 119)
        Na = float(rest.c_i["Na"])
        return total + pump * 2e-5 * (Na / (Na + 15)) ** 3 * (K_o / (K_o + 1)) ** 2

    for i, (K_o, pump) in enumerate([(4.0, 1), (10.0, 1), (40.0, 1), (4.0, 0)]):
        np.testing.assert_allclose(
            got["V_m"][i], brentq(current, -150, 50, args=(K_o, pump), xtol=1e-12), atol=1e-8
        )
    np.testing.assert_allclose(got["K_i"], rest.c_i["K"], rtol=1e-10)
    assert got["V_m"][3] > got["V_m"][0] + 1  # the pump's own few millivolts are gone


def test_where_an_ion_is_held_acute_still_starts_from_rest():
    """Its holder's current stays as it was, so that nothing jumps when nothing is changed."""
    cell = Cell(
        CELL.mechanisms
        | {"AE": Cotransporter({"Cl": 1, "HCO3": -1}, 1e-3), "leak_HCO3": GHKLeak("HCO3", 1e-7)},
        z_X=-1.0,
        X_i=140.0,
        held={"HCO3": 15.0},
    )
    bath = Bath(T=T, K_o=4.0, Na_o=145.0, Cl_o=119.0, HCO3_o=24.0, X_o=6.0)
    table = TABLE.iloc[[0, 0]].assign(label=["rest", "again"], protocol=["steady", "acute"])
    p = problem(table, {"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0}, cell=(cell, bath))
    V_m = predicted(p, P_Na_rel=0.04).observables["V_m"]
    np.testing.assert_allclose(V_m[1], V_m[0], atol=1e-9)


@pytest.mark.thorough
def test_at_runs_from_the_baseline_to_the_new_steady_state():
    # Between them it passes through what SciPy integrates: that is tested with the dynamics themselves.
    table = TABLE.iloc[[0, 1, 1, 1]].assign(
        label=["rest", "now", "late", "settled"],
        protocol=["steady", "at", "at", "steady"],
        t_s=[0.0, 1e-6, 1e6, 0.0],
    )
    p = make_problem(
        read_table(table, quantities=["t"]),
        KNOWN | {"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0},
        model="pump_leak",
        cell=(CELL, BATH),
        baseline="rest",
    )
    got = predicted(p, P_Na_rel=0.04)
    assert got.ok.all()
    o = got.observables
    np.testing.assert_allclose(o["K_i"][1], o["K_i"][0], rtol=1e-5)
    for name in ("V_m", "K_i", "Na_i", "Cl_i"):
        np.testing.assert_allclose(o[name][2], o[name][3], rtol=1e-4)
    rest, settled = (steady_state(CELL, b) for b in (BATH, BATH.change(K_o=10.0)))
    np.testing.assert_allclose(o["volume"][2], settled.volume / rest.volume, rtol=1e-4)


@pytest.mark.thorough
def test_gradients_of_the_density_are_those_of_differences():
    unknown = {"P_Na_rel": lognormal(0.05, 3), "pump_rel": lognormal(1, 2), "z_X": normal(-1, 0.2)}
    p = problem(extra=unknown | {"pump_K_Na": lognormal(15, 1.3), "osmolyte_o": normal(10, 3)})
    f = jax.jit(p.potential)
    u = jnp.linspace(-0.5, 0.4, p.dimension)
    slope = jax.jit(jax.grad(p.potential))(u)
    for i, e in enumerate(1e-5 * np.eye(p.dimension)):
        np.testing.assert_allclose(slope[i], (f(u + e) - f(u - e)) / 2e-5, rtol=1e-6, atol=1e-6)


def test_without_a_steady_state_the_density_is_zero_and_gradients_stay_finite():
    p = problem(TABLE.iloc[:1].assign(Cl_o_mM=149.0), {"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0})
    u = p.unconstrain({"P_Na_rel": np.array([0.04, 50.0])})
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(p.potential)))(jnp.asarray(u))
    alone = jax.jit(jax.vmap(jax.value_and_grad(p.potential)))(jnp.asarray(u[[0, 0]]))
    assert np.isfinite(value[0]) and value[1] == np.inf and np.isfinite(slope).all()
    assert value[0] == alone[0][0] and (slope[0] == alone[1][0]).all()


@pytest.fixture(scope="module")
def at_the_edge():
    """One loose reading, and a prior half of which leaves the cell without a steady state."""
    row = TABLE.iloc[:1].assign(Cl_o_mM=149.0, V_m_mV=-20.0, V_m_sd_mV=15.0, V_m_n=1)
    p = problem(row, {"P_Na_rel": lognormal(1.0, 3)}, protocol="steady")
    return p, infer(p, chains=2, warmup=300, draws=200, retry=False)


@pytest.mark.thorough
def test_leaving_the_domain_is_counted_apart_from_diverging(at_the_edge):
    _, result = at_the_edge
    stats = result.tree["sample_stats"]
    assert int(stats["left_domain"].sum()) > 50
    assert int(stats["diverging"].sum()) == 0
    assert 0.2 < result.tree.attrs["prior_without_answer"] < 0.5
    said = " ".join(result.verdict.chains)
    assert "no steady state" in said and "conditioned" in said and "count apart from divergences" in said


@pytest.mark.thorough
def test_the_posterior_at_the_edge_is_the_truncated_one(at_the_edge):
    p, result = at_the_edge
    x = np.linspace(np.log(0.005), np.log(5), 2000)
    ok, V_m = jax.jit(
        jax.vmap(lambda v: (lambda q: (q.ok[0], q.observables["V_m"][0]))(p.predict({"P_Na_rel": v})))
    )(jnp.exp(x))
    density = np.where(ok, np.exp(-0.5 * ((V_m + 20) / 15) ** 2 - 0.5 * (x / np.log(3)) ** 2), 0)
    below = np.cumsum(density) / density.sum()
    draws = np.log(np.asarray(result.tree["posterior"]["P_Na_rel"]).ravel())
    for q in (0.1, 0.5, 0.9):
        assert abs(np.mean(draws < x[np.searchsorted(below, q)]) - q) < 0.06


@pytest.mark.thorough
def test_the_report_says_what_the_other_protocol_would_give(at_the_edge, tmp_path):
    p, result = at_the_edge
    group = result.tree["protocols"]
    assert group["kind"].values.tolist() == ["steady"]
    np.testing.assert_allclose(group["V_m"], group["V_m_other"])  # a lone condition is its own baseline


def test_inside_concentrations_and_volume_can_be_read():
    once = {"Na_i_mM": 13.0, "Na_i_sd_mM": 1.0, "Na_i_n": 4, "volume": 1.0, "volume_sd": 0.1, "volume_n": 4}
    table = TABLE.assign(**{name: [value, None, None, None] for name, value in once.items()})
    m = read_table(table, ["V_m", "Na_i", "volume"])
    p = make_problem(
        m, KNOWN | {"pump_rel": lognormal(1, 2)}, model="pump_leak", cell=(CELL, BATH), baseline="rest"
    )
    assert p.observables == ("V_m", "Na_i", "volume") and p.n_readings == 6
    assert [p.unit_of(o) for o in p.observables] == ["mV", "mM", "1"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cell": None}, "needs a cell to start from"),
        ({"baseline": None}, "after what is not said"),
        ({"baseline": "rset"}, "did you mean 'rest'"),
        ({"model": "ghk"}, "belong to the model pump_leak"),
        ({"ions": ["K", "Ca"]}, "are its own"),
        ({"reference": "Ca"}, "not among the ions"),
    ],
)
def test_what_is_missing_or_wrong_is_said(change, words):
    with pytest.raises(InputError, match=words):
        problem(extra={"P_Na_rel": lognormal(0.05, 3)}, **change)


def test_a_reference_is_a_leak_and_the_usable_ones_are_named():
    # Its K⁺ channel rectifies and NKCC1 moves several ions: neither has a permeability of its own.
    row = {"label": ["rest"], "V_m_mV": [-80.0], "V_m_sd_mV": 1.0, "V_m_n": 4}
    given = {"T": T, "extra_V_m": 0.0, "pump_rel": lognormal(1, 2)}
    astrocyte = load_preset("astrocyte")
    with pytest.raises(InputError, match="no leak of K .*`reference:` Na or Cl, which it has"):
        make_problem(
            read_table(pd.DataFrame(row)), given, model="pump_leak", cell=astrocyte, protocol="steady"
        )
    stopped = Cell(CELL.mechanisms, z_X=-1.0, X_i=140.0, factors={"leak_K": 0.0})
    with pytest.raises(InputError, match="rate above 0. Write `reference:` Na or Cl"):
        problem(cell=(stopped, BATH))


def test_a_protocol_is_never_implicit():
    with pytest.raises(InputError, match="no protocol is given"):
        problem(TABLE.drop(columns="protocol"))
    with pytest.raises(InputError, match="row 3.*no protocol 'acut'.*did you mean 'acute'"):
        problem(TABLE.assign(protocol=["steady", "acut", "acute", "acute"]))
    with pytest.raises(InputError, match="no quantity 'pmup_rel'.*did you mean 'pump_rel'"):
        problem(extra={"pmup_rel": 1.0})


def test_a_constant_pump_that_outruns_the_leak_has_no_answer():
    cell = Cell({**LEAKS, "pump": ConstantPump(1e-4)}, z_X=-1.0, X_i=140.0)
    p = problem(extra={"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0}, cell=(cell, BATH))
    assert not predicted(p, P_Na_rel=0.04).ok.any()


@pytest.mark.slow
def test_a_titration_with_a_blocked_pump_recovers_what_made_it(tmp_path):
    """V_m alone leaves the pump's rate to the prior; one reading of Na_i determines it."""
    truth = {"P_Na_rel": 0.03, "P_Cl_rel": 0.4, "pump_rel": 1.5}
    table = pd.concat(
        [TABLE.iloc[:1], *(TABLE.iloc[1:2].assign(label=f"{k} K", K_o_mM=float(k)) for k in (2, 8, 16, 32, 64)),
         TABLE.iloc[3:].assign(label="ouabain")]
    ).assign(V_m_sd_mV=0.5)  # fmt: skip
    unknown = {"P_Na_rel": lognormal(0.05, 3), "P_Cl_rel": lognormal(0.5, 2), "pump_rel": lognormal(1, 3)}
    made = predicted(problem(table, unknown | {"extra_V_m": 0.0}), **truth).observables
    rng = np.random.default_rng(3)
    table["V_m_mV"] = np.asarray(made["V_m"]) + 0.25 * rng.standard_normal(len(table))
    results = {}
    for name, observables in (("V_m", ["V_m"]), ("both", ["V_m", "Na_i"])):
        once = {"Na_i_mM": float(made["Na_i"][0]), "Na_i_sd_mM": 0.5, "Na_i_n": 4}
        t = table.assign(**{column: [value] + [None] * 6 for column, value in once.items()})
        m = read_table(t if len(observables) > 1 else table, observables)
        p = make_problem(
            m, KNOWN | unknown | {"extra_V_m": 0.0}, model="pump_leak", cell=(CELL, BATH), baseline="rest"
        )
        results[name] = infer(p)
        assert results[name].verdict.usable
    for name, value in truth.items():
        row = results["both"].table.loc[name]
        assert row["low"] < value < row["high"], name
    assert results["both"].table.loc["pump_rel", "contraction"] > 0.9
    assert (
        results["both"].table.loc["pump_rel", "contraction"]
        > results["V_m"].table.loc["pump_rel", "contraction"]
    )


def test_a_config_names_a_preset_and_repeats_itself(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE.to_csv(index=False))
    config = {
        "model": "pump_leak",
        "cell": {"preset": "frog_muscle"},
        "baseline": "rest",
        "data": {"file": str(tmp_path / "t.csv")},
        "quantities": {
            "T": "37 degC",
            "Na_o_mM": 120,
            "P_Na_rel": {"prior": "lognormal", "median": 0.02, "factor": 3},
            "pump_rel": 1.2,
        },
    }
    p = load_problem(config)
    again = load_problem(p.config | {"data": {"file": str(tmp_path / "t.csv")}})
    a, b = (predicted(q, P_Na_rel=0.02, extra_V_m=1.0).observables["V_m"] for q in (p, again))
    np.testing.assert_allclose(a, b, rtol=1e-12)
    assert any("acute" in text for text in p.assumptions)


def test_a_steady_volume_is_over_the_named_baselines():
    table = TABLE.iloc[[0, 2]].assign(protocol="steady", volume=[1.0, 1.2], volume_sd=0.1, volume_n=4)
    m = read_table(table, ["V_m", "volume"])
    extra = {"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0}
    p = make_problem(m, KNOWN | extra, model="pump_leak", cell=(CELL, BATH), baseline="rest")
    rest, swollen = (steady_state(CELL, b) for b in (BATH, BATH.change(K_o=40.0)))
    got = predicted(p, P_Na_rel=0.04).observables["volume"]
    np.testing.assert_allclose(got, [1.0, swollen.volume / rest.volume], rtol=1e-9)
    with pytest.raises(InputError, match="over what is not said"):
        make_problem(m, KNOWN | extra, model="pump_leak", cell=(CELL, BATH))


@pytest.mark.parametrize("name", ["squid_axon", "cardiac_myocyte", "neuron"])
def test_with_nothing_given_it_is_the_template(name):
    cell, bath = load_preset(name)
    row = {"label": ["rest"], "V_m_mV": [-70.0], "V_m_sd_mV": 1.0, "V_m_n": 4}
    given = {f"{ion}_o": c for ion, c in bath.c.items()} | {"T": bath.T, "extra_V_m": 0.0}
    p = make_problem(
        read_table(pd.DataFrame(row)),
        given | {"V_offset": normal(0, 1)},
        model="pump_leak",
        cell=(cell, bath),
        protocol="steady",
        ions=cell.ions,
    )
    got = predicted(p, V_offset=0.0).observables
    np.testing.assert_allclose(got["V_m"], steady_state(cell, bath).V_m, rtol=1e-9)


@pytest.mark.slow
def test_held_ions_acute_is_where_the_dynamics_begin():
    cell = Cell(
        CELL.mechanisms | {"leak_HCO3": GHKLeak("HCO3", 5e-7)}, z_X=-1.0, X_i=140.0, held={"HCO3": 12.0}
    )
    bath = Bath(T=T, K_o=4.0, Na_o=145.0, Cl_o=119.0, HCO3_o=24.0, X_o=6.0)
    table = TABLE.iloc[[0, 1, 1]].assign(
        label=["rest", "a", "b"], protocol=["steady", "acute", "at"], t_s=1e-6
    )
    p = make_problem(
        read_table(table, quantities=["t"]),
        KNOWN | {"P_Na_rel": lognormal(0.05, 3), "extra_V_m": 0.0},
        model="pump_leak",
        cell=(cell, bath),
        baseline="rest",
    )
    V_m = predicted(p, P_Na_rel=0.04).observables["V_m"]
    # Not closer: water that moves at once brings held ions, and their charge, with it.
    np.testing.assert_allclose(V_m[1], V_m[2], atol=0.5)


@pytest.mark.thorough
def test_two_leaks_of_one_ion_keep_their_own_rates():
    """A ratio names an ion's leak only where it has one of the reference's kind."""
    two = {"leak_Na": GHKLeak("Na", 2e-8), "NALCN": GHKLeak("Na", 5e-8)}
    cell = Cell(CELL.mechanisms | two, z_X=-1.0, X_i=140.0)
    p = problem(TABLE.iloc[:1], {"extra_V_m": 0.0, "pump_rel": lognormal(1, 2)}, cell=(cell, BATH))
    got = predicted(p, pump_rel=1.0)
    assert got.ok.all()
    np.testing.assert_allclose(got.observables["V_m"], steady_state(cell, BATH).V_m, rtol=1e-10)
    half = eqx.tree_at(lambda c: c.mechanisms["NALCN"].P, cell, 2.5e-8)
    p = problem(TABLE.iloc[:1], {"extra_V_m": 0.0, "NALCN_rel": lognormal(1, 2)}, cell=(cell, BATH))
    got = predicted(p, NALCN_rel=0.5)
    np.testing.assert_allclose(got.observables["V_m"], steady_state(half, BATH).V_m, rtol=1e-10)
