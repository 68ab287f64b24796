"""Monte Carlo errors of the interval's ends and the median: against many seeds, and runs with too few draws."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pumpleak import halfnormal, lognormal, make_problem, normal, read_table
from pumpleak.batch.manifest import changes
from pumpleak.engines.gate import END, PRINTED, CellStatus, Rung, end_errors, failed, gate, loose
from pumpleak.engines.importance import Cloud
from pumpleak.engines.ladder import Ladder, Settings, _put
from pumpleak.engines.rungs import Rungs

SEEDS = 200


def chains(rng, n, draws, rho):
    """Four chains each of n replicates, autoregressive and standard normal: (n, 4, draws, 1)."""
    x = np.empty((n, 4, draws, 1))
    x[:, :, 0] = rng.standard_normal((n, 4, 1))
    for i in range(1, draws):
        x[:, :, i] = rho * x[:, :, i - 1] + np.sqrt(1 - rho**2) * rng.standard_normal((n, 4, 1))
    return x


def errors_over_seeds(quantiles):
    """Largest sd over replicates (n, 3) of the ends and the median, as a share of the interval's width."""
    return quantiles.std(axis=0).max() / np.ptp(quantiles.mean(axis=0))


#: What is printed of a normal coordinate, and which unit is the kinder: a wide logarithm's upper end is read by its
#: ratio, the lower end of a scatter that may be 0 by its difference.
SHAPES = {
    "as it is": lambda z: (z, z),
    "a wide logarithm": lambda z: (np.exp(2 * z), z),
    "a scatter that may be 0": lambda z: (y := stats.halfnorm.ppf(stats.norm.cdf(z)), np.log(y)),
}


@pytest.mark.parametrize("rho", [0.0, 0.8])
@pytest.mark.parametrize("shape", SHAPES)
def test_errors_of_chains_are_the_spread_over_seeds(shape, rho):
    z = chains(np.random.default_rng(1), SEEDS, 1000, rho)
    units = SHAPES[shape](z)
    found = end_errors(*units)[:, 0]
    shares = []
    for x in units:
        q = np.quantile(x.reshape(SEEDS, -1), PRINTED, axis=1).T
        shares.append(q.std(axis=0) / np.ptp(q.mean(axis=0)))
    expected = np.minimum(*shares).max()
    assert 1 / 1.25 < np.median(found) / expected < 1.25


def test_few_draws_are_caught_and_the_defaults_are_not():
    """Some 190 independent draws settle a normal's ends to 5 % of its width; fewer tell little of their own error."""
    rng = np.random.default_rng(2)
    assert loose(end_errors(*2 * [chains(rng, 20, 25, 0.0)])).mean() > 0.7
    assert not loose(end_errors(*2 * [chains(rng, 20, 250, 0.0)])).any()
    slow, quick = chains(rng, 20, 500, 0.95), chains(rng, 20, 1000, 0.3)
    assert loose(end_errors(slow, slow)).mean() > 0.6 and not loose(end_errors(quick, quick)).any()


def test_chains_that_never_moved_have_no_ends():
    still = np.ones((1, 4, 50, 1))
    assert end_errors(still, still) == np.inf and loose(np.nan)
    assert end_errors(still.astype(np.float32), still.astype(np.float32)).dtype.kind == "f"


def test_a_median_between_two_modes_is_caught():
    """Draws enough for both ends, and hardly any where the median is."""
    rng = np.random.default_rng(3)
    side = np.where(rng.random((1, 4, 500, 1)) < 0.5, -1.0, 1.0)
    x = 5 * side + rng.standard_normal(side.shape)
    assert loose(end_errors(x, x)).all()


def test_single_precision_is_judged_alike():
    x = chains(np.random.default_rng(4), 3, 300, 0.5)
    np.testing.assert_allclose(end_errors(x, x), end_errors(*2 * [x.astype(np.float32)]), rtol=1e-3)


def test_the_gate_names_it_after_what_is_graver():
    good = {"ess": [900.0], "r_hat": [1.0]}
    assert failed(**good, end_error=[END]) == ()
    assert failed(**good, end_error=[0.051]) == (CellStatus.ends,)
    assert failed([300.0], end_error=[np.nan], r_hat=[1.2]) == (
        CellStatus.r_hat,
        CellStatus.ess,
        CellStatus.ends,
    )
    ess = np.full((2, 1), 900.0)
    cells = {
        "k_hat": np.array([0.1, 0.9]),
        "ess_bulk": ess,
        "ess_tail": ess,
        "r_hat": np.full((2, 1), np.nan),
    }
    cells |= {"divergences": np.zeros(2, int), "end_error": np.full((2, 1), 0.06)}
    assert gate(cells).tolist() == [CellStatus.ends, CellStatus.k_hat]


@pytest.fixture(scope="module")
def one():
    """An unknown that is sampled as it is, and what `Rungs` reads of its clouds."""
    table = read_table(pd.DataFrame({"label": "x", "K_o_mM": [5.0], "V_m_mV": [-70.0], "V_m_sd_mV": 1.0}))
    known = {"T": 310.15, "P_Na_rel": 0.03, "K_i": 140.0, "Na_i": 12.0, "Na_o": 145.0, "extra_V_m": 0.0}
    return make_problem(table, known | {"V_offset": normal(0, 5), "LJP": 0.0})


@pytest.mark.parametrize("heavy", [False, True])
def test_errors_of_weighted_points_are_the_spread_over_seeds(one, heavy):
    """Independent points of a t, weighted to a normal; `heavy`, of a normal that is too narrow."""
    n = 640
    rng = np.random.default_rng(5)
    proposal = stats.norm(scale=0.8) if heavy else stats.t(6, scale=1.15)
    u = proposal.rvs((SEEDS, 1, n), random_state=rng)
    w = stats.norm.pdf(u[:, 0]) / proposal.pdf(u[:, 0])
    cloud = Cloud(u, w / w.sum(axis=1, keepdims=True), *np.zeros((3, SEEDS)))
    rungs = Rungs(one, seed=1, n_draws=10, with_loo=False)
    keys = np.zeros((SEEDS, 2), np.uint32)
    out = jax.jit(jax.vmap(rungs._read, (None, 0, 0)))(one.arrays, cloud, keys)
    expected = errors_over_seeds(np.asarray(out["quantile"])[:, 0, [0, 3, 6]])
    found = np.median(out["end_error"])
    assert 1 / 1.25 < found / expected < 1.25
    few = jax.jit(jax.vmap(rungs._read, (None, 0, 0)))(
        one.arrays,
        Cloud(u[..., :60], w[:, :60] / w[:, :60].sum(axis=1, keepdims=True), *np.zeros((3, SEEDS))),
        keys,
    )
    assert loose(few["end_error"]).mean() > 0.7


def test_a_rung_that_knows_less_is_not_taken():
    """Cells: better known, worse, no longer usable, and usable at last."""
    ess, none = np.full((4, 1), 900.0), np.full((4, 1), np.nan)
    was = {
        "k_hat": np.array([0.5, 0.1, 0.5, 0.9]),
        "printed_error": np.full((4, 1), 0.04),
        "end_error": 0 * ess,
    }
    was |= {"ess_bulk": ess, "ess_tail": ess, "r_hat": none, "divergences": np.zeros(4, int)}
    found = was | {
        "k_hat": np.array([0.2, 0.2, 0.8, 0.6]),
        "printed_error": np.array([[0.02], [0.05], [0.01], [0.09]]),
    }
    out = {k: v.copy() for k, v in was.items()} | {"status": gate(was), "rung": np.ones(4, np.int8)}
    _put(out, np.arange(4), found, Rung.adapted, close=True)
    assert (out["rung"] == Rung.adapted).tolist() == [True, False, False, True]
    assert out["k_hat"].tolist() == [0.2, 0.1, 0.5, 0.6] and (out["status"] == CellStatus.usable).all()


def test_a_run_that_was_judged_without_is_not_gone_on_with():
    before = {
        "data_sha256": "x",
        "parameters": [],
        "config": {"sampler": {"seed": 1}},
        "engine": {"width": 64},
    }
    now = before | {"config": {"sampler": {"seed": None}}, "engine": {"width": 64, "end_error": END}}
    assert changes(before, now) == ["engine.end_error: absent -> 0.05"]


@pytest.mark.slow
def test_the_ends_of_a_dyes_heavy_tailed_ratio_are_those_of_quadrature():
    """Two readings of a dye whose scatter is inferred: weights of the first points have k-hat near 0.5, and put the upper
    end low in seed after seed."""
    table = pd.DataFrame({"K_o_mM": [3.0, 30.0], "dye": [85.0, 95.0]})
    given = {
        "T": 307.15,
        "K_i": 140.0,
        "Na_i": 12.0,
        "Na_o": 150.0,
        "LJP": 5.0,
        "dye_F0": 100.0,
        "dye_slope": 0.2,
    }
    given |= {"P_Na_rel": lognormal(0.04, 10), "sigma_dye": halfnormal(9.5)}
    problem = make_problem(read_table(table, observables=("dye",)), given)
    n = 8
    ladder = Ladder(Settings(engine="importance", points=8192, width=1, keep_u=True, close=True))
    cells = jax.tree.map(lambda a: np.broadcast_to(a, (n, *np.shape(a))).copy(), problem.arrays)
    out = ladder.solve(problem, cells, np.arange(n).astype(str))
    assert (out["status"] == CellStatus.usable).all()
    axes = [np.linspace(-9, 9, 1201), np.linspace(-14, 6, 1201)]
    u = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    height = -np.asarray(jax.jit(jax.vmap(problem.potential))(u)).reshape(1201, 1201)
    mass = np.exp(height - height.max())
    for k in (0, 1):
        cdf = np.cumsum(mass.sum(axis=1 - k))
        corners = np.zeros((3, 2))
        corners[:, k] = np.interp(PRINTED, cdf / cdf[-1], axes[k] + (axes[k][1] - axes[k][0]) / 2)
        known = np.asarray(jax.vmap(problem.element_values)(corners))[:, k]
        off = (out["quantile"][:, k][:, [0, 3, 6]] - known) / np.ptp(known)
        assert np.abs(off).max() < END and np.abs(off.mean(axis=0)).max() < END / 3
