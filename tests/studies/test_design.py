"""Designs against closed forms: the information of a line, a ladder's optimum by brute force, limits, bad input."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pumpleak import (
    Candidate,
    InputError,
    Latent,
    Recording,
    design,
    load_problem,
    lognormal,
    make_problem,
    normal,
    read_table,
)
from pumpleak.config.schema import DesignSpec
from pumpleak.studies.design import design as made_of
from pumpleak.studies.design.candidates import candidates_of, joined, ladder, refused
from pumpleak.studies.design.continuous import Continuous, optimise, slopes_at
from pumpleak.studies.design.design import _targets
from pumpleak.studies.design.gain import (
    DRAWS,
    Points,
    choose_points,
    control,
    expected_gain,
    normal_gain,
    nothing_known,
)
from pumpleak.studies.design.words import _ladder_of

X, ERROR = np.array([0.0, 1.0, 5.0, -5.0]), 2.0


@pytest.fixture(scope="module")
def plan(toys):
    """The line a + b·x before any reading: a ~ N(0, 3²), b ~ N(2, 1²)."""
    table = read_table(pd.DataFrame({"x": [0.0]}), quantities=("x",), require_readings=False)
    return make_problem(table, {"a": normal(0, 3), "b": normal(2, 1), "extra_V_m": 0.0}, model="line")


CANDIDATES = [{"label": f"x = {x:g}", "x": float(x), "sem": ERROR} for x in X]


@pytest.fixture(scope="module")
def slope_first(plan):
    """What to read next for the slope b; and the intercept measured by itself among the candidates."""
    with jax.enable_x64(False):
        found = design(plan, [*CANDIDATES, {"measure": "a", "sem": 0.5}], targets=["b"], rows=2, seed=3)
        assert not jax.config.jax_enable_x64
    return found


def _information_of(density, s, x):
    """Mutual information of a + b·x and its reading by quadrature; `density`(y, m) on a grid of y."""
    y = np.linspace(-150, 150, 6001)
    m = 2 * x + np.sqrt(9 + x**2) * np.linspace(-7, 7, 281)
    w = stats.norm.pdf(np.linspace(-7, 7, 281)) * (14 / 280)
    p = density(y[:, None], m[None])
    mix = p @ w
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = np.where(p > 0, p * np.log(p / mix[:, None]), 0.0)
    return float((kl.sum(axis=0) * (y[1] - y[0])) @ w)


NOISES = {
    "student_t": ({"nu": 3.0}, lambda y, m: stats.t.pdf(y, 3, m, ERROR)),
    "outliers": (
        {"outlier_share": 0.2, "outlier_factor": 5.0},
        lambda y, m: 0.8 * stats.norm.pdf(y, m, ERROR) + 0.2 * stats.norm.pdf(y, m, 5 * ERROR),
    ),
}


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param("student_t", marks=pytest.mark.thorough),
        pytest.param("outliers", marks=pytest.mark.slow),
    ],
)
def test_information_under_tails_is_that_of_quadrature(toys, noise):
    shape, density = NOISES[noise]
    table = read_table(pd.DataFrame({"x": [0.0]}), quantities=("x",), require_readings=False)
    quantities = {"a": normal(0, 3), "b": normal(2, 1), "extra_V_m": 0.0, **shape}
    found = design(make_problem(table, quantities, model="line", noise=noise), CANDIDATES, rows=1, seed=4)
    for one, x in zip(found.numbers["candidates"], X, strict=True):
        true = _information_of(density, ERROR, x)
        assert abs(one["gain"] - true) < 4 * one["gain_se"] + 0.01, (x, true, one)
        assert one["gain"] < 0.5 * np.log1p((9 + x**2) / ERROR**2) - 0.04  # what normal noise would give


@pytest.mark.thorough
def test_information_of_rounded_and_cut_off_readings_is_that_of_their_probabilities(toys):
    """A step of 10 mV and a floor at −5 mV leave a reading few values: Σ p ln p over them."""
    table = read_table(pd.DataFrame({"x": [0.0]}), quantities=("x",), require_readings=False)
    quantities = {"a": normal(0, 3), "b": normal(2, 1), "extra_V_m": 0.0}
    recording = Recording(rounding=10.0, floor=-5.0)
    found = design(
        make_problem(table, quantities, model="line", recording=recording), CANDIDATES, rows=1, seed=4
    )
    edges = np.array(
        [-np.inf, *np.arange(5.0, 70.0, 10.0), np.inf]
    )  # −10 is written −5, and so is −5 … 0 as 0
    edges = np.insert(edges, 1, -5.0)
    z, w = np.linspace(-8, 8, 2001), stats.norm.pdf(np.linspace(-8, 8, 2001)) * (16 / 2000)
    for one, x in zip(found.numbers["candidates"], X, strict=True):
        m = 2 * x + np.sqrt(9 + x**2) * z
        p = np.diff(stats.norm.cdf(edges[:, None], m, ERROR), axis=0)
        mix = p @ w
        with np.errstate(divide="ignore", invalid="ignore"):
            true = np.where(p > 0, p * np.log(p / mix[:, None]), 0.0).sum(axis=0) @ w
        assert abs(one["gain"] - true) < 4 * one["gain_se"] + 0.01, (x, true, one)
        assert true < 0.5 * np.log1p((9 + x**2) / ERROR**2) - 0.1


def test_information_about_the_slope_is_that_of_the_normal_distribution(slope_first):
    """I(b; y) = ½ ln[(9 + x² + s²)/(9 + s²)], the intercept being a nuisance; of a alone nothing about b."""
    true = np.append(0.5 * np.log((9 + X**2 + ERROR**2) / (9 + ERROR**2)), 0.0)
    for k, one in enumerate(slope_first.numbers["candidates"]):
        assert abs(one["gain"] - true[k]) < 4 * one["gain_se"] + 0.01, one
        assert one["low"] - 4 * one["gain_se"] - 0.005 < true[k] < one["high"] + 4 * one["gain_se"] + 0.005
        assert one["gain_se"] < 0.02 and abs(one["D"] - true[k]) < 0.03


def test_a_second_row_at_the_other_end_tells_the_slope_from_the_intercept(slope_first):
    """x = 5 and x = −5 together: ½ ln of 1 + 2·25/s², as the intercept drops out of their difference."""
    first, second = slope_first.numbers["sequence"]
    assert {first["label"], second["label"]} == {"x = 5", "x = -5"}
    assert "Measure next: x = " in slope_first.verdict
    assert abs(second["gain"] - 0.5 * np.log(1 + 50 / ERROR**2)) < 4 * second["gain_se"] + 0.02


def test_gain_of_a_correlated_posterior_and_a_control():
    """Two targets of three correlated unknowns; and counting the wrong noise is found out."""
    rng = np.random.default_rng(5)
    S = np.array([[1.0, 0.6, -0.5], [0.6, 2.0, 0.3], [-0.5, 0.3, 1.5]])
    J = np.array([[1.0, 0.5, 0.8], [0.0, 0.0, 1.0]])
    u = rng.multivariate_normal(np.zeros(3), S, 2 * DRAWS)
    targets = np.array([True, True, False])
    own, fresh, given = choose_points(rng, u, targets)
    y = own @ J.T + stats.norm.rvs(size=own.shape[:2], random_state=rng)[..., None]

    def log_prob(y, loc):
        return -0.5 * (y - loc) ** 2

    found = expected_gain(log_prob, Points(y, own @ J.T, fresh @ J.T, given @ J.T), nothing_known(False))
    at = [{"loc": v @ J.T, "scale": np.ones((*v.shape[:-1], 2))} for v in (own, fresh, given)]
    adjust = control(Points(y, *at), own[..., :2], fresh[..., :2])
    assert (np.abs(adjust.mean(axis=0)) < 4 * adjust.std(axis=0, ddof=1) / np.sqrt(8)).all()
    better = expected_gain(
        log_prob, Points(y, own @ J.T, fresh @ J.T, given @ J.T), nothing_known(False), adjust
    )
    assert (better.error < found.error).all()
    for c in range(2):
        j = J[c]
        after = S - np.outer(S @ j, S @ j) / (1 + j @ S @ j)
        true = 0.5 * np.log(np.linalg.det(S[:2, :2]) / np.linalg.det(after[:2, :2]))
        assert abs(found.value[c] - true) < 4 * found.error[c] + 0.01
        assert abs(better.value[c] - true) < 4 * better.error[c] + 0.01
        D, A = normal_gain(S, j[None], np.array([0, 1]))
        assert abs(float(D) - true) < 1e-9
        assert abs(float(A) - np.trace(np.linalg.solve(S[:2, :2], after[:2, :2])) / 2) < 1e-9
    wrong = expected_gain(
        lambda y, loc: -0.5 * (y - loc) ** 2 / 9,
        Points(y, own @ J.T, fresh @ J.T, given @ J.T), nothing_known(False),
    )  # fmt: skip
    assert abs(wrong.value[0] - found.value[0]) > 0.1


@pytest.fixture(scope="module")
def titration_plan(titration):
    """The titration's config before anything was read, with one bath."""
    (titration / "plan.csv").write_text("label,T_degC,K_o_mM,K_i_mM,Na_o_mM,Na_i_mM\na,22,5,140,145,10\n")
    text = (titration / "cells.yaml").read_text().replace("cells.csv", "plan.csv")
    (titration / "plan.yaml").write_text(
        text + "design:\n  rows: 2\n  sem: 1\n  grid: {low: 2, high: 120, points: 4}\n"
        "  most_mM: {K_o_mM: 100}\n"
    )
    return load_problem(titration / "plan.yaml")


@pytest.mark.slow
def test_the_best_of_one_bath_is_the_best_of_a_fine_grid(titration_plan):
    """Adam through the model's derivatives against brute force, P_Na/P_K beside an offset."""
    u = np.random.default_rng(1).standard_normal((8, titration_plan.dimension))
    S, target, bath = np.diag([1.0, 4.0]), np.array([0]), {"K_o": 5.0, "Na_o": 145.0}
    grid = np.geomspace(1.0, 140.0, 60)
    many = joined(titration_plan, ladder(titration_plan, bath, grid, 1.0), bath)
    J = jax.vmap(lambda u: slopes_at(many, u))(jnp.asarray(u))
    D = np.array([[float(normal_gain(S, j[[c]], target)[0]) for c in range(60)] for j in np.asarray(J)])
    two = joined(titration_plan, ladder(titration_plan, bath, [30.0, 60.0], 1.0), bath)
    found = optimise(
        two, u, S, target, of="K_o", swap="Na_o", low=1.0, high=140.0, criterion="D"
    )  # two baths: the offset drops out of their difference
    one = joined(titration_plan, ladder(titration_plan, bath, [30.0], 1.0), bath)
    single = optimise(one, u, S, target, of="K_o", swap="Na_o", low=1.0, high=140.0)
    assert single.D > D.mean(axis=0).max() - 0.01
    assert abs(np.log(single.values[0] / grid[D.mean(axis=0).argmax()])) < 0.15
    assert found.D > found.D_start + 0.1 and found.values[1] > 50 and found.D > single.D


def test_limits():
    spec = DesignSpec(most_mM={"K_o_mM": 100}, osmolarity_mM=20, neutral=True)
    bath = {"K_o": 5.0, "Na_o": 145.0, "Cl_o": 150.0}
    baths = {
        "K_o": np.array([10, 120, 5, 60, 5, np.nan]), "Na_o": np.array([140, 30, 145, 145, -1, np.nan]),
        "Cl_o": np.array([150, 150, 100, 205, 150, np.nan]),
    }  # fmt: skip
    found = refused(spec, baths, bath)
    assert found[0] == "" and found[5] == ""
    assert (
        "above 100" in found[1]
        and "osmolarity" in found[2]
        and "osmolarity" in found[3]
        and "below 0" in found[4]
    )
    assert "balance" in refused(DesignSpec(neutral=True), baths, bath)[2]
    assert refused(DesignSpec(), baths, bath)[2] == ""


def test_command(cli, titration_plan, titration, tmp_path):
    done = cli("design", titration / "plan.yaml", "--json", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["verb"] == "design" and (tmp_path / "out" / "candidates.png").is_file()
    labels = [c["label"] for c in found["numbers"]["candidates"]]
    assert len(labels) == 3 and found["numbers"]["left_out"][0]["reason"].startswith("K_o 120 mM is above")
    assert any(x.startswith("Left out: ") and "K_o 120 mM is above" in x for x in found["findings"])
    # Little potassium says most of sodium's share.
    assert found["numbers"]["sequence"][0]["label"] == "K_o 2 mM"
    assert found["numbers"]["continuous"]["D"] >= found["numbers"]["ladder"]["D"] - 1e-6


@pytest.mark.parametrize(
    "section, said",
    [
        ("{row: 3}", "no key 'row'"),
        ("{rows: 0}", "will not do"),
        ("{targets: [P_Na]}", "did you mean 'P_Na_rel'"),
        ("{candidates: [{K_mM: 5}]}", "no input 'K'"),
        ("{candidates: [{measure: V_off, sem: 1}]}", "did you mean 'V_offset'"),
        ("{candidates: [{K_o_mM: 5, cost: -1}]}", "cost = -1"),
        ("{candidates: [{measure: V_offset}]}", "how well V_offset would be measured"),
        ("{grid: {swap: Cl_o}}", "no bath concentration 'Cl_o'"),
        ("{most_mM: {Qq_o_mM: 50}}", "no concentration 'Qq_o'"),
        ("{most_mM: {K_o_mM: -50}}", "greater than 0"),
        ("{grid: {low: 100, high: 1}}", "low (100) is not below high (1)"),
        ("{rows: true}", "rows"),
        ("{grid: {low: 5}, most_mM: {K_o_mM: 1}}", "no candidate can be made up"),
    ],
)
def test_what_will_not_do_is_said(cli, titration, titration_plan, tmp_path, section, said):
    text = (
        (titration / "plan.yaml")
        .read_text()
        .split("design:")[0]
        .replace("plan.csv", str(titration / "plan.csv"))
    )
    (tmp_path / "bad.yaml").write_text(f"{text}design: {section}\n")
    done = cli("design", tmp_path / "bad.yaml", "--out", tmp_path / "out")
    assert done.code == 2 and said in " ".join(done.err.split()) and "bad.yaml" in done.err, done.err
    assert not (tmp_path / "out").exists()


def test_candidates_as_records(plan):
    found = design(
        plan, [Candidate("far", {"x": 8.0}, sem=1.0), Candidate("near", {"x": 0.5}, sem=1.0)], rows=1
    )
    assert found.numbers["targets"] == ["a", "b"] and found.numbers["sequence"][0]["label"] == "far"
    true = 0.5 * np.log1p(9 + 64.0)
    best = found.numbers["candidates"][0]
    assert abs(best["gain"] - true) < 4 * best["gain_se"] + 0.03
    with pytest.raises(InputError, match="no input 'y' in the model"):
        design(plan, [{"y": 3.0}])


@pytest.mark.thorough
def test_the_optimised_ladder_keeps_to_the_limits(titration, titration_plan):
    """As does the uniform one beside it, in the grid's own unit."""
    text = (titration / "plan.yaml").read_text().split("design:")[0]
    (titration / "limits.yaml").write_text(
        f"{text}design:\n  rows: 2\n  sem: 1\n  grid: {{quantity: K_o_uM, low: 2000, high: 120000, points: 5}}\n"
        "  most_mM: {K_o_uM: 60000, Na_o: 140}\n"
    )
    found = design(load_problem(titration / "limits.yaml")).numbers
    values = found["continuous"]["values"]
    # 150 mM in all, so that Na_o <= 140 leaves K_o >= 10.
    assert 9.99 < min(values) < 11 and 57 < max(values) < 60.01
    assert found["continuous"]["D"] > found["ladder"]["D"] - 1e-6
    kept = [c["row"]["K_o_mM"] for c in found["candidates"]]
    assert kept and min(kept) >= 10 and max(kept) <= 60 and found["left_out"]


@pytest.mark.thorough
def test_a_ladder_where_the_config_swaps_sodium_already(titration, titration_plan):
    """Na_o follows K_o by itself, in the candidates and in the limits; to set it beside that is refused."""
    rows = [line.split(",") for line in (titration / "plan.csv").read_text().split()]
    keep = [k for k, name in enumerate(rows[0]) if name != "Na_o_mM"]
    (titration / "swapped.csv").write_text("\n".join(",".join(r[k] for k in keep) for r in rows) + "\n")
    text = (titration / "plan.yaml").read_text().split("design:")[0].replace("plan.csv", "swapped.csv")
    text = text.replace("quantities:", "quantities:\n  Na_o_mM: {swap_for: K_o, total: 150}")
    (titration / "swapped.yaml").write_text(
        f"{text}design: {{rows: 2, sem: 1, neutral: true, osmolarity_mM: 20}}\n"
    )
    problem = load_problem(titration / "swapped.yaml")
    found = design(problem).numbers
    assert not found["left_out"] and "Na_o_mM" not in found["candidates"][0]["row"]
    assert min(found["continuous"]["values"]) < 2 and found["continuous"]["D"] > found["ladder"]["D"] - 1e-6
    with pytest.raises(InputError, match="Na_o is an unknown of the config, or follows from another"):
        design(problem, [{"K_o_mM": 2.0, "Na_o_mM": 148.0}])


@pytest.mark.thorough
def test_a_bath_known_with_an_error_says_less(titration_plan):
    """Written `± sd`, as of a junction potential computed for it: an input of its own, alike in equal baths."""
    exact, rough, twice = (
        Candidate("exact", {"K_o": "2 mM", "Na_o": "148 mM"}, sem=0.5),
        Candidate("rough", {"K_o": "2 ± 0.5 mM", "Na_o": "148 mM"}, sem=0.5),
        Candidate("rough", {"K_o_mM": 2.0, "K_o_sd_uM": 500.0, "Na_o_mM": 148.0}, sem=0.5),
    )
    one = design(titration_plan, [exact, rough, twice], rows=1, targets=["P_Na_rel"]).numbers["candidates"]
    assert one[0]["gain"] > one[1]["gain"] + 4 * one[1]["gain_se"]
    assert one[1]["gain"] == pytest.approx(one[2]["gain"], abs=1e-9)


@pytest.mark.slow
def test_a_junction_potential_computed_for_each_bath(titration, titration_plan):
    text = (titration / "plan.yaml").read_text().split("design:")[0]
    junction = "LJP: {pipette: {K_mM: 140, Cl_mM: 140}, bath: {Cl_mM: 150}, sd: 1}"
    assert "LJP_mV: 0" in text
    text = text.replace("LJP_mV: 0", junction)
    (titration / "junction.yaml").write_text(text + "design: {sem: 1, rows: 2}\n")
    found = design(load_problem(titration / "junction.yaml"))
    assert found.numbers["continuous"] is not None and len(found.numbers["candidates"]) > 10


@pytest.mark.parametrize("sem", [1.0, 3.0])
def test_a_ladder_is_optimised_at_the_error_and_within_the_limits_given(titration_plan, monkeypatch, sem):
    """What the optimiser gets: as many baths as rows, read with that error, potassium no higher than allowed."""
    seen = {}

    def caught(joint, u, S, targets, **settings):
        seen.update(settings, joint=joint, S=S, targets=targets)
        return Continuous(np.ones(3), 0.0, 0.0, 0.25)

    monkeypatch.setattr(made_of, "optimise", caught)
    rng = np.random.default_rng(0)
    sites = titration_plan.prior_draws(rng, 256)
    spec = DesignSpec(rows=3, sem=sem, criterion="A", grid={"low": 2, "high": 120}, most_mM={"K_o_mM": 100})
    bath = made_of._bath(titration_plan, sites)
    asked = made_of._Asked(titration_plan, spec, ("P_Na_rel",), sites, bath, rng)
    of, uniform, found = made_of._ladders(asked)
    joint = seen["joint"]
    np.testing.assert_allclose(np.sqrt(joint.problem.arrays.variance[joint.reading]), sem)
    K_o = joint.problem.arrays.known["K_o"][
        joint.problem.condition[joint.problem.measurements.row[joint.reading]]
    ]
    assert of == seen["of"] == "K_o" and seen["swap"] == "Na_o" and seen["criterion"] == "A"
    assert seen["low"] == pytest.approx(2, rel=0.03) and seen["high"] == pytest.approx(100, rel=0.03)
    np.testing.assert_allclose(K_o, np.geomspace(seen["low"], seen["high"], 3))
    names = joint.problem.layout.site_names
    assert [names[k] for k in seen["targets"]] == ["P_Na_rel"] and uniform == 0.25 and found.D == 0.0
    np.testing.assert_allclose(np.sqrt(np.diag(seen["S"])), 1.0, rtol=0.25)  # the prior, in its own widths


def test_the_bath_that_candidates_start_from_is_the_median_of_the_first():
    """Of an unknown with a level for each solution: of draws along each level, not along all of them."""
    frame = pd.DataFrame({"solution": ["a", "b"], "K_o_mM": [5.0, 20.0], "V_m_mV": [-70.0, -45.0]})
    known = {"T": 295.15, "K_i": 140.0, "Na_i": 10.0, "sigma_V_m": 1.0, "P_Na_rel": lognormal(0.05, 2)}
    known["Na_o"] = Latent(normal(145, 3), by="solution")
    problem = make_problem(read_table(frame, quantities=("K_o",)), known)
    rng = np.random.default_rng(0)
    sites = {
        "P_Na_rel": rng.lognormal(size=201),
        "Na_o": np.stack([140 + rng.random(201), 100 + rng.random(201)], 1),
    }
    bath = made_of._bath(problem, sites)
    assert bath == {"K_o": 5.0, "Na_o": pytest.approx(np.median(sites["Na_o"][:, 0]), rel=1e-12)}


@pytest.fixture(scope="module")
def genotypes():
    """Cells in genotypes, each genotype with its own P_Na/P_K, cells pooled about it."""
    frame = pd.DataFrame(
        {"genotype": list("aabb"), "cell": list("1234"), "K_o_mM": 5.0, "Na_o_mM": 145.0, "V_m_mV": [-70.0, -68, -75, -77]}
    )  # fmt: skip
    latent = Latent(lognormal(0.05, 2), by=("genotype", "cell"), pooled=("cell",))
    known = {"T": 295.15, "K_i": 140.0, "Na_i": 10.0, "P_Na_rel": latent, "sigma_V_m": 1.0}
    table = read_table(frame, quantities=("K_o", "Na_o"))
    return make_problem(table, known)


def test_of_pooled_levels_the_outermost_is_asked_about(genotypes):
    assert _targets(genotypes, ()) == ("P_Na_rel_genotype[a]", "P_Na_rel_genotype[b]")


@pytest.mark.slow
def test_a_design_for_pooled_levels(genotypes):
    """A reading of a genotype's only two cells says something of it, and hardly anything of the other."""
    found = design(genotypes, [{"K_o_mM": 2.0, "sem": 0.5}], rows=1, engine="laplace").numbers
    assert found["targets"] == ["P_Na_rel_genotype[a]", "P_Na_rel_genotype[b]"]
    one = design(
        genotypes, [{"K_o_mM": 2.0, "sem": 0.5}], rows=1, engine="laplace", targets=["P_Na_rel_genotype[b]"]
    )
    assert found["candidates"][0]["gain"] > one.numbers["candidates"][0]["gain"] + 0.02
    assert one.numbers["candidates"][0]["gain"] < 0.03


def test_one_unknown_is_no_special_case():
    rng = np.random.default_rng(6)
    own, fresh, given = choose_points(rng, rng.standard_normal((2 * DRAWS, 1)), np.array([True]))
    assert own.shape[-1] == fresh.shape[-1] == 1 and given is None
    D, A = normal_gain(np.array([[4.0]]), np.array([[1.0]]), np.array([0]))
    assert float(D) == pytest.approx(0.5 * np.log(5.0)) and float(A) == pytest.approx(0.2)


def test_a_candidate_is_read_as_the_table_is():
    """Of a dye's table, by the dye and with its error; beside V_m, with the error of what it measures."""
    frame = pd.DataFrame(
        {"K_o_mM": [5.0, 20.0], "Na_o_mM": [145.0, 130.0], "dye": [86.0, 91.0], "dye_sem": 0.5}
    )
    known = {
        "T": 310.0,
        "K_i": 140.0,
        "Na_i": 10.0,
        "P_Na_rel": lognormal(0.05, 3),
        "dye_F0": 100.0,
        "dye_slope": 0.2,
    }
    bath, numbers = {"K_o": 5.0, "Na_o": 145.0}, {"quantities": ("K_o", "Na_o")}
    problem = make_problem(read_table(frame, ("dye",), **numbers), known)
    for spec in (DesignSpec(), DesignSpec(candidates=[{"K_o_mM": 40, "Na_o_mM": 110}])):
        made = candidates_of(problem, spec, {}, bath)
        assert {c.observable for c in made} == {"dye"} and {c.sem for c in made} == {0.5}
        assert joined(problem, made, bath).problem.n_readings == len(made)
    both = frame.assign(V_m_mV=[-68.0, -44.0], V_m_sem_mV=2.0)
    problem = make_problem(read_table(both, ("V_m", "dye"), **numbers), known)
    asked = [{"K_o_mM": 40, "Na_o_mM": 110}, {"K_o_mM": 40, "Na_o_mM": 110, "measure": "dye"}]
    made = candidates_of(problem, DesignSpec(candidates=asked), {}, bath)
    assert [(c.observable, c.sem) for c in made] == [("V_m", 2.0), ("dye", 0.5)]
    for measured, key, said in (("dye", "sem_mV", "dye has no unit"), ("V_m", "sem_mM", "V_m is in mV")):
        row = {"K_o_mM": 40, "Na_o_mM": 110, "measure": measured}
        with pytest.raises(InputError, match=said):
            candidates_of(problem, DesignSpec(candidates=[row | {key: 1}]), {}, bath)
        (mended,) = candidates_of(problem, DesignSpec(candidates=[row | {"sem": 1}]), {}, bath)
        assert mended.sem == 1.0
    (volts,) = candidates_of(problem, DesignSpec(candidates=[row | {"sem_uV": 1500}]), {}, bath)
    assert volts.sem == 1.5


def test_a_constant_that_one_candidate_changes_stays_in_the_others():
    frame = pd.DataFrame(
        {"K_o_mM": [5.0, 20.0], "Na_o_mM": [145.0, 130.0], "V_m_mV": [-68, -44], "V_m_sem_mV": 1.0}
    )
    known = {"T": 310.0, "K_i": 140.0, "Na_i": 10.0, "P_Na_rel": lognormal(0.05, 3), "gamma_o": 0.75}
    problem = make_problem(read_table(frame, quantities=("K_o", "Na_o")), known)
    bath = {"K_o": 5.0, "Na_o": 145.0}
    asked = DesignSpec(candidates=[{"gamma_o": 0.5}, {"K_o_mM": 40, "Na_o_mM": 110}])
    both = joined(problem, candidates_of(problem, asked, {}, bath), bath).problem
    by_row = np.broadcast_to(both.arrays.known["gamma_o"], len(both.first_row))[both.condition]
    np.testing.assert_allclose(by_row, [0.75, 0.75, 0.5, 0.75])  # not the 1 of a row that says nothing


def test_baths_lie_along_the_column_that_most_begin_with():
    baths = [Candidate(f"{K}", {"K_o_mM": K, "Na_o_mM": 150.0 - K}) for K in (2.0, 5.0, 10)]
    x, along = _ladder_of([*baths, Candidate("K_i", observable="K_i"), Candidate("Na", {"Na_o_mM": 10.0})])
    np.testing.assert_array_equal(x, [2.0, 5.0, 10.0, np.nan, np.nan])
    assert along == "K_o"
    for row in ({"K_o_mM": 0.0}, {"K_o_mM": "high"}, {"K_o_mM": -1.0}):  # no place on a logarithmic axis
        x, along = _ladder_of([*baths, Candidate("odd", row)])
        assert np.isnan(x).all() and along == "K_o" and len(x) == 4
    x, along = _ladder_of([Candidate("K_i", observable="K_i")])
    assert np.isnan(x).all() and along == ""
