"""The batch engine, one structure at a time: hard posteriors against quadrature, and what neighbours must not do."""

from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats

from pumpleak import Quantity, make_problem, read_table, register_model
from pumpleak.engines.gate import PROBABILITIES, CellStatus, Rung, diagnose
from pumpleak.engines.importance import adapt, point_sets, standard, weigh
from pumpleak.engines.ladder import Ladder, Settings, _widths
from pumpleak.engines.modes import find_modes, trial_points
from pumpleak.engines.psis import psis
from pumpleak.engines.quantiles import binned, quantiles_of
from pumpleak.engines.rungs import _prior_variance
from pumpleak.models.registry import list_models
from pumpleak.physics.constants import F, R
from pumpleak.problem.parameters import Parameter
from pumpleak.problem.priors import beta, halfnormal, lognormal, normal, uniform
from pumpleak.problem.problem import Arrays

K_O = np.array([2.5, 5.0, 10.0, 20.0, 40.0, 80.0])


def batched(problem, n, **changes):
    arrays = jax.tree.map(lambda a: np.broadcast_to(a, (n, *np.shape(a))).copy(), problem.arrays)
    return arrays._replace(**changes)


@pytest.fixture(scope="module")
def ghk():
    table = pd.DataFrame(
        {"K_o_mM": K_O, "Na_o_mM": 150 - K_O, "V_m_mV": -70.0 + np.arange(6), "V_m_sd_mV": 1.0}
    )
    given = {
        "T": 310.15,
        "P_Na_rel": lognormal(0.05, 3),
        "K_i": normal(140, 20),
        "Na_i": 12.0,
        "extra_V_m": 0.0,
    }
    return make_problem(read_table(table), given)


def cells(problem):
    """Ordinary cells, then the hard ones: one reading, hardly any noise, nothing read, NaN."""
    rng = np.random.default_rng(4)
    n = 12
    P, K_i = 0.05 * 3 ** rng.standard_normal(n), rng.normal(140, 20, n)
    V = 26.7267 * np.log((K_O + P[:, None] * (150 - K_O)) / (K_i[:, None] + P[:, None] * 12))
    arrays = batched(problem, n, value=V + rng.standard_normal(V.shape))
    arrays.mask[8, 1:] = False
    arrays.variance[9] = 1e-6
    arrays.value[9] = V[9] + 1e-3 * rng.standard_normal(6)
    arrays.mask[10] = False
    arrays.value[11, 2] = np.nan
    return arrays, np.array([f"cell {i}" for i in range(n)])


@pytest.fixture(scope="module")
def ladder():
    return Ladder(Settings(engine="importance", loo=True))


@pytest.fixture(scope="module")
def solved(ghk, ladder):
    return ladder.solve(ghk, *cells(ghk))


def grid_posterior(problem, arrays, i, centre, width, points=400):
    """Marginal quantiles and evidence of a two-parameter posterior, on a grid in unconstrained coordinates."""
    axes = [np.linspace(c - w, c + w, points) for c, w in zip(centre, width, strict=True)]
    u = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    one = jax.tree.map(lambda a: a[i], arrays)
    height = -np.asarray(jax.jit(jax.vmap(lambda u: problem.potential(u, one)))(u)).reshape(points, points)
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    top = height.max()
    p = np.exp(height - top)
    evidence = top + np.log(p.sum() * cell)
    quantiles = []
    for k in (0, 1):
        cdf = np.cumsum(p.sum(axis=1 - k))
        quantiles.append(np.interp(PROBABILITIES, cdf / cdf[-1], axes[k] + (axes[k][1] - axes[k][0]) / 2))
    corners = np.zeros((len(PROBABILITIES), 2))
    corners[:, 0], corners[:, 1] = quantiles
    sites = jax.vmap(lambda u: problem.constrain(u, one))(corners)
    return np.stack([np.asarray(sites[s.name]) for s in problem.sites]), evidence


@pytest.mark.thorough
def test_posteriors_and_evidence_are_those_of_quadrature(ghk, solved):
    arrays, _ = cells(ghk)
    for i in (0, 3, 8, 9):
        start = {s.name: solved["mean"][i, [k]] for k, s in enumerate(ghk.sites)}
        centre = ghk.unconstrain(start)[0]
        spread = [np.log(3), 20.0]
        sd = [solved["sd"][i, 0] / solved["mean"][i, 0] / spread[0], solved["sd"][i, 1] / spread[1]]
        width = np.maximum(np.array(sd) * 8, 1e-4) if i != 8 else np.array([6.0, 5.0])
        quantile, evidence = grid_posterior(ghk, arrays, i, centre, width)
        assert abs(evidence - solved["log_evidence"][i]) < 0.05
        assert (np.abs(quantile - solved["quantile"][i]) < 0.15 * solved["sd"][i][:, None]).all()
        assert solved["status"][i] == CellStatus.usable and solved["k_hat"][i] <= 0.7


def test_troubled_cells_have_a_status_and_touch_nobody(ghk, ladder, solved):
    arrays, ids = cells(ghk)
    assert Counter(solved["status"][:10]) == {CellStatus.usable: 10}
    assert solved["status"][10] == CellStatus.no_data and solved["status"][11] == CellStatus.no_answer
    assert np.isnan(solved["mean"][11]).all() and solved["rung"][11] == Rung.none
    assert solved["prior_dominated"][10] and not solved["prior_dominated"][:8].any()
    assert solved["log_evidence"][10] == pytest.approx(0, abs=0.05)
    well = np.arange(8)
    alone = ladder.solve(ghk, jax.tree.map(lambda a: a[well], arrays), ids[well])
    for name, values in alone.items():
        np.testing.assert_allclose(values, solved[name][well], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.thorough
def test_neither_order_nor_width_changes_a_cell(ghk, solved):
    arrays, ids = cells(ghk)
    turned = np.arange(12)[::-1]
    narrow = Ladder(Settings(engine="importance", loo=True, width=4))
    again = narrow.solve(ghk, jax.tree.map(lambda a: a[turned], arrays), ids[turned])
    for name in ("mean", "quantile", "log_evidence", "k_hat", "draws"):
        np.testing.assert_allclose(again[name][turned], solved[name], rtol=1e-7, atol=1e-9, err_msg=name)
    other = narrow.solve(ghk, arrays, np.array([f"other {i}" for i in range(12)]))
    assert not np.allclose(other["mean"][:8], solved["mean"][:8], rtol=1e-9)


def test_draws_are_the_posteriors(solved):
    spread = solved["draws"][:8].std(axis=1)
    np.testing.assert_allclose(spread, solved["sd"][:8], rtol=0.2)
    assert (solved["elpd_loo"][:8] < 0).all() and (solved["loo_k"][:8] < 1.2).all()


@pytest.mark.thorough
def test_both_modes_are_found_and_weighed():
    if "scale of a square" not in list_models():
        register_model("scale of a square", quantities=[Quantity("a", "1", "a number", lower=-100.0)])(
            lambda values, setting: values["a"] ** 2
        )
    table = read_table(pd.DataFrame({"V_m_mV": [4.0], "V_m_sd_mV": [0.2]}))
    problem = make_problem(table, {"a": normal(0.5, 2), "extra_V_m": 0.0}, model="scale of a square")
    out = Ladder(Settings()).solve(problem, batched(problem, 6), np.array(list("abcdef")))
    a = np.linspace(-10, 10, 200_001)
    p = np.exp(-0.5 * ((a**2 - 4) / 0.2) ** 2 - 0.5 * ((a - 0.5) / 2) ** 2)
    step = a[1] - a[0]
    evidence = np.log(p.sum() * step / (2 * np.sqrt(2 * np.pi)) / (0.2 * np.sqrt(2 * np.pi)))
    share = p[a > 0].sum() / p.sum()
    assert (out["status"] == CellStatus.usable).all() and (out["rung"] == Rung.adapted).all()
    np.testing.assert_allclose(out["log_evidence"], evidence, atol=0.03)
    np.testing.assert_allclose((out["draws"][..., 0] > 0).mean(axis=1), share, atol=0.02)


@pytest.mark.parametrize("noise", [1.0, 1e-3, 1e-5])
@pytest.mark.thorough
def test_modes_of_readings_with_hardly_any_noise_are_found(noise):
    """The scale of the noise lies many of Newton's steps below its prior."""
    off = np.array([1, -2, 1, 0.5, -1, 0.5]) * noise
    V = 1e3 * R * 310.15 / F * np.log((K_O + 0.05 * (150 - K_O)) / (140 + 0.05 * 12)) + off
    given = {"T": 310.15, "Na_i": 12.0, "P_Na_rel": lognormal(0.05, 3), "K_i": lognormal(130, 1.3)}
    table = pd.DataFrame({"K_o_mM": K_O, "Na_o_mM": 150 - K_O, "V_m_mV": V})
    problem = make_problem(read_table(table), given | {"sigma_V_m": halfnormal(5)})
    modes = jax.jit(lambda a, t: find_modes(problem, a, t))(problem.arrays, trial_points(problem, 1))
    natural = problem.natural(problem.constrain(modes.u[0], problem.arrays))
    assert 0.3 * noise < natural["sigma_V_m"] < 2 * noise
    assert np.abs(jax.grad(problem.potential)(modes.u[0], problem.arrays)).max() < 0.1


@pytest.mark.thorough
def test_weights_of_a_wrong_proposal_are_not_called_good():
    z = point_sets(2, 1024, 1, sets=1)[0]
    away = standard(2, z.dtype)._replace(origin=np.array([6.0, 0.0]))

    def potential(u):
        return 0.5 * u @ u

    assert float(weigh(potential, standard(2, z.dtype), z).k_hat) < 0.3
    bad = weigh(potential, away, z)
    assert float(bad.k_hat) > 0.7
    good = weigh(potential, adapt(weigh(potential, adapt(bad), z)), z)
    assert float(good.log_evidence) == pytest.approx(np.log(2 * np.pi), abs=0.05)


@pytest.mark.thorough
def test_psis_is_arvizs():
    rng = np.random.default_rng(0)
    for scale in (0.3, 1.0, 3.0):
        lw = scale * rng.standard_normal(1024)
        smooth, k = psis(lw)
        expected, k_expected = array_stats.psislw(-lw)
        assert float(k) == pytest.approx(k_expected, abs=1e-5)
        np.testing.assert_allclose(np.sort(smooth), np.sort(expected), atol=1e-5)
    assert float(psis(np.zeros(200))[1]) == -np.inf
    assert float(psis(np.full(200, -np.inf))[1]) == np.inf


def test_diagnostics_are_arvizs():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 4, 300, 2)).cumsum(axis=2) * 0.05 + rng.standard_normal((3, 4, 300, 2))
    r_hat, bulk, tail = diagnose(x)
    axes = {"chain_axis": 1, "draw_axis": 2}
    np.testing.assert_allclose(r_hat, array_stats.rhat(x, **axes), rtol=2e-3)
    np.testing.assert_allclose(bulk, array_stats.ess(x, **axes, method="bulk"), rtol=0.1)
    np.testing.assert_allclose(tail, array_stats.ess(x, **axes, method="tail", prob=(0.05, 0.95)), rtol=0.1)
    stuck = x.copy()
    stuck[0, :, :, 0] = 1.0
    r_hat, bulk, _ = diagnose(stuck)
    assert r_hat[0, 0] == np.inf and bulk[0, 0] == 0


def test_weighted_quantiles_are_those_of_sorting():
    rng = np.random.default_rng(2)
    x, w = np.exp(2 * rng.standard_normal(2000)), rng.random(2000)
    order = np.argsort(x)
    cdf = np.cumsum(w[order]) / w.sum()
    expected = np.interp(PROBABILITIES, cdf, x[order])
    bins = jax.tree.map(lambda a: a[None], binned(np.log(x), w / w.sum()))
    (found,) = quantiles_of(bins, np.array(PROBABILITIES))
    np.testing.assert_allclose(found, np.log(expected), atol=0.02)


@pytest.mark.parametrize(("device", "tried"), [("cpu", [64]), (None, [64]), ("gpu", [1024, 4096])])
def test_the_fastest_width_is_taken_and_said(ghk, monkeypatch, device, tried):
    """By a clock that goes as fast as told: each width runs twice, compiling untimed, on four blocks at most."""
    now, runs = [0.0], []
    took = {64: 0.004, 1024: 0.003, 4096: 0.0015}

    def solve(self, template, arrays, ids, progress=None):
        runs.append((self.settings.width, self.settings.device, len(ids)))
        first = [r[0] for r in runs].count(self.settings.width) == 1
        now[0] += 100.0 if first else took[self.settings.width] * len(ids)

    monkeypatch.setattr(Ladder, "solve", solve)
    monkeypatch.setattr("pumpleak.engines.ladder.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("pumpleak.engines.ladder.jax.local_device_count", lambda place: 2)
    n = 9000
    arrays, ids = batched(ghk, n), np.arange(n).astype(str)
    best, seconds, words = Ladder(Settings(device=device)).probe(ghk, arrays, ids)
    place = device or "cpu"
    assert runs == [(w, place, min(n, 4 * 2 * w)) for w in tried for _ in (0, 1)]
    quickest = min(tried, key=took.__getitem__)
    assert (best.settings.width, best.settings.device) == (quickest, place)
    assert seconds == pytest.approx(took[quickest])
    assert (
        words
        == {
            64: "A cell takes 4 ms in blocks of 64 on the cpu.",
            4096: "A cell takes 1.5 ms in blocks of 4096 on the gpu (3 ms in blocks of 1024 on the gpu).",
        }[quickest]
    )


@pytest.mark.parametrize(
    ("n", "widths"), [(511, [256]), (512, [1024]), (2048, [1024, 4096]), (10**6, [1024, 4096])]
)
def test_widths_worth_a_try_follow_from_the_cells_and_the_memory(ghk, n, widths):
    assert _widths("gpu", ghk, n) == widths and _widths("cpu", ghk, n) == [64]


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ["hmc", "nuts", "laplace"])
def test_the_other_engines_agree(ghk, solved, engine):
    arrays, ids = cells(ghk)
    four = jax.tree.map(lambda a: a[:4], arrays)
    out = Ladder(Settings(engine=engine)).solve(ghk, four, ids[:4])
    rung = {"hmc": Rung.hmc, "nuts": Rung.nuts, "laplace": Rung.laplace}[engine]
    assert (out["rung"] == rung).all()
    assert (np.abs(out["mean"] - solved["mean"][:4]) < 0.3 * solved["sd"][:4]).all()
    np.testing.assert_allclose(out["log_evidence"], solved["log_evidence"][:4], atol=0.1)


@pytest.mark.parametrize(
    "cell",
    [
        normal(130, 20),
        normal(12, 4, lower=0),
        lognormal(0.05, 3),
        lognormal(0.05, 3, upper=0.2),
        halfnormal(3),
        uniform(1, 5),
        beta(2, 5),
    ],
    ids=str,
)
def test_contraction_is_measured_by_the_cells_own_prior(cell):
    """The template's numbers are another cell's."""
    other = replace(cell, a=1.0, b=1.0) if cell.kind == "normal" else cell
    parameter = Parameter("x", "x", "1", other, "test")
    centre, scale = cell.standard
    arrays = Arrays({}, {"x": cell.params}, {"x": np.array([centre, scale])}, *[None] * 4)
    q = (np.arange(20_000) + 0.5) / 20_000
    expected = np.var((cell.unbounded(cell.quantile(q)) - centre) / scale)
    assert float(_prior_variance(parameter, arrays)) == pytest.approx(expected, rel=2e-3)


def hard(case):
    """A problem of two unknowns whose posterior is no normal, and what NUTS would be asked about it."""
    given = {"T": 310.15, "Na_i": 12.0, "V_offset": 0.0, "LJP": 0.0, "extra_V_m": 0.0}
    given |= {"P_Na_rel": lognormal(0.05, 3), "K_i": lognormal(140, 1.3)}
    K_o, noise, sem = K_O, "normal", 1.0
    if case == "banana":  # low baths' readings fix K_i + 12 P over K_o + 150 P, and little else
        K_o, given["K_i"], given["P_Na_rel"] = np.array([1.0, 2.0]), lognormal(140, 3), lognormal(0.05, 10)
    if (
        case == "bound at the mode"
    ):  # readings that agree to the digit: the scatter beyond their errors may be 0
        given |= {"K_i": 140.0, "extra_V_m": halfnormal(3)}
    if case == "outliers":
        given["nu"], noise = 4.0, "student_t"
    if case == "200 readings":
        K_o, sem = np.tile(np.linspace(1, 100, 20), 10), 1e-3
    V = 26.7267 * np.log((K_o + 0.05 * (150 - K_o)) / (140 + 0.05 * 12))
    if case != "bound at the mode":
        V = V + sem * np.random.default_rng(1).standard_normal(len(K_o))
    if case == "outliers":
        V[[1, 4]] += [-40, 25]
    table = pd.DataFrame({"K_o_mM": K_o, "Na_o_mM": 150 - K_o, "V_m_mV": V, "V_m_sd_mV": sem})
    return make_problem(read_table(table), given, noise=noise)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["banana", "bound at the mode", "outliers", "200 readings"])
def test_hard_posteriors_are_those_of_quadrature(case):
    problem = hard(case)
    out = Ladder(Settings(keep_u=True, draws=2000)).solve(
        problem, batched(problem, 8), np.arange(8).astype(str)
    )
    assert (out["status"] == CellStatus.usable).all()
    u = np.concatenate(list(out["u"]))
    width = 1.3 * np.abs(u - u.mean(axis=0)).max(axis=0)
    expected, evidence = grid_posterior(problem, batched(problem, 1), 0, u.mean(axis=0), width, points=1200)
    for k, p in enumerate(problem.parameters):
        found, known = np.log(out["quantile"][:, k]), np.log(expected[k])
        error = ((found - known) / ((known[5] - known[1]) / 3.29))[:, 1:6]
        assert np.abs(error).max() < 0.4 and np.sqrt((error**2).mean()) < 0.12, (case, p.name)
    np.testing.assert_allclose(out["log_evidence"], evidence, atol=0.1)
