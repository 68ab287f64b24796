"""Levels within levels, centring, and contrasts: against linear algebra, quadrature and simulation."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pumpleak import (
    InputError,
    Latent,
    contrast,
    halfnormal,
    infer,
    load_result,
    lognormal,
    make_problem,
    normal,
    read_table,
)
from pumpleak.studies.calibrate.calibrate import judge
from pumpleak.studies.calibrate.replicates import infer_replicates, simulate_readings
from pumpleak.studies.contrast import _summary

CELLS = [("control", "c1", 3), ("control", "c2", 2), ("mutant", "m1", 3), ("mutant", "m2", 2)]
PER_CELL = 4
SIGMA, CELL_SD, ANIMAL_SD = 1.0, 3.0, 2.0
HELD = {"T": 295.15, "K_i": 140.0, "K_o": 5.0, "LJP": 0.0, "sigma_V_m": SIGMA}
E_K = 1e3 * 8.314462618 * 295.15 / 96485.33212 * np.log(5 / 140)


def table_of(rng=None, difference=4.0):
    """Offsets of cells in animals in genotypes, read four times each; what is inferred is linear."""
    rng = rng or np.random.default_rng(4)
    rows = []
    for genotype, animal, cells in CELLS:
        mean = (difference if genotype == "mutant" else 0.0) + ANIMAL_SD * rng.normal()
        for k in range(cells):
            own = mean + CELL_SD * rng.normal()
            rows += [
                {
                    "genotype": genotype,
                    "animal": animal,
                    "cell": f"{animal}-{k}",
                    "V_m_mV": E_K + own + SIGMA * e,
                }
                for e in rng.normal(size=PER_CELL)
            ]
    return pd.DataFrame(rows)


def nested(frame, spread=None, **latent):
    latent = {"by": ("genotype", "animal", "cell"), "pooled": ("animal", "cell"), **latent}
    given = {**HELD, "V_offset": Latent(normal(0, 20), spread=spread, **latent)}
    return make_problem(read_table(frame), given, model="nernst", ions=["K"], title="offsets")


def exact(frame, cell_sd, animal_sd):
    """Posterior mean and covariance of the genotypes' means, spreads known: generalised least squares."""
    y = frame["V_m_mV"].to_numpy() - E_K
    same = {
        c: (frame[c].to_numpy()[:, None] == frame[c].to_numpy()).astype(float) for c in ("animal", "cell")
    }
    noise = SIGMA**2 * np.eye(len(y)) + cell_sd**2 * same["cell"] + animal_sd**2 * same["animal"]
    X = np.stack([frame["genotype"] == g for g in ("control", "mutant")], axis=1).astype(float)
    W = np.linalg.inv(noise)
    covariance = np.linalg.inv(X.T @ W @ X + np.eye(2) / 20**2)
    return (
        covariance @ X.T @ W @ y,
        covariance,
        stats.multivariate_normal(np.zeros(len(y)), noise + 400 * X @ X.T).logpdf(y),
    )


def by_quadrature(frame, spread):
    """Mean and sd of mutant − control, over a grid of both spreads under half-normal priors of this sd."""
    grid = spread * stats.halfnorm.ppf((np.arange(60) + 0.5) / 60)
    means, variances, evidence = [], [], []
    for c in grid:
        for a in grid:
            mean, covariance, height = exact(frame, c, a)
            means.append(mean[1] - mean[0])
            variances.append(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
            evidence.append(height)
    w = np.exp(np.array(evidence) - max(evidence))
    w /= w.sum()
    mean = w @ means
    return mean, np.sqrt(w @ (np.array(variances) + (np.array(means) - mean) ** 2))


@pytest.fixture(scope="module")
def frame():
    return table_of()


@pytest.fixture(scope="module")
def result(frame):
    return infer(nested(frame, halfnormal(5.0)), seed=2, chains=4, warmup=500, draws=1000, retry=False)


def test_levels_within_levels_are_found_in_the_table(frame):
    problem = nested(frame)
    genotype, animal, cell = problem.parameters
    assert [p.name for p in problem.parameters] == ["V_offset_genotype", "V_offset_animal", "V_offset"]
    assert (genotype.size, animal.size, cell.size) == (2, 4, 10) and genotype.spread is None
    assert animal.parent_of == (0, 0, 1, 1) and cell.parent_of == (0, 0, 0, 1, 1, 2, 2, 2, 3, 3)
    sites = {"V_offset_genotype": jnp.array([1.0, 5.0]), "V_offset_animal_spread": jnp.array(2.0)}
    sites |= {"V_offset_animal_z": jnp.array([0.5, -0.5, 1.0, 0.0]), "V_offset_spread": jnp.array(3.0)}
    sites |= {"V_offset_z": jnp.arange(10.0)}
    found = problem.natural(sites)
    np.testing.assert_allclose(found["V_offset_animal"], [2.0, 0.0, 7.0, 5.0])
    np.testing.assert_allclose(
        found["V_offset"], np.repeat([2.0, 0.0, 7.0, 5.0], [3, 2, 3, 2]) + 3.0 * np.arange(10)
    )
    back = problem.parameters[2].to_sites(lambda name: np.asarray({**sites, **found}[name])[None])
    np.testing.assert_allclose(back["V_offset_z"][0], np.arange(10.0))
    one = nested(frame, by=("animal", "cell"), pooled=True)
    assert [s.name for s in one.sites][:3] == [
        "V_offset_animal_mean",
        "V_offset_animal_spread",
        "V_offset_animal_z",
    ]


@pytest.mark.thorough
def test_centred_coordinates_have_the_same_density():
    """A change of variables, level by level: potentials differ by the logarithm of its derivative."""
    plain = nested(table_of())
    mask = np.array([True, False] * 5)
    centred = replace(
        plain, centred={"V_offset_z": mask, "V_offset_animal_z": np.array([False, True, True, False])}
    )
    u = 0.5 * np.random.default_rng(0).normal(size=plain.dimension)
    sites = {k: np.asarray(v)[None] for k, v in plain.constrain(jnp.asarray(u)).items()}
    v = jnp.asarray(centred.unconstrain(sites)[0])
    for k, x in centred.constrain(v).items():
        np.testing.assert_allclose(x, sites[k][0], rtol=1e-10)
    to_u = jax.jacfwd(lambda v: jnp.asarray(_flat(plain, centred.constrain(v))))(v)
    stretch = (
        np.linalg.slogdet(np.asarray(to_u))[1]
        - np.linalg.slogdet(
            np.asarray(jax.jacfwd(lambda u: _flat(plain, plain.constrain(u)))(jnp.asarray(u)))
        )[1]
    )
    assert float(centred.potential(v)) == pytest.approx(
        float(plain.potential(jnp.asarray(u))) - stretch, rel=1e-10
    )


def _flat(problem, sites):
    return jnp.concatenate([jnp.ravel(sites[s.name]) for s in problem.sites])


@pytest.mark.thorough
def test_levels_are_centred_where_their_own_data_decide(frame):
    from pumpleak.engines.centring import centred

    start = jnp.zeros(nested(frame).dimension)
    assert centred(nested(frame, halfnormal(5.0)), start).centred["V_offset_z"].all()  # 3 mV against 1/√4
    few = frame.groupby("cell").head(1)
    one = nested(few, halfnormal(0.3))
    one = replace(one, numbers=one.arrays._replace(known={**one.arrays.known, "sigma_V_m": 5.0}))
    assert not centred(one, start).centred  # 0.3 mV against 5


@pytest.mark.thorough
@pytest.mark.thorough
def test_the_contrast_is_that_of_quadrature(result, frame):
    mean, sd = by_quadrature(frame, 5.0)
    study = contrast(result, "V_offset", ["mutant", "control"])
    found = study.numbers["contrasts"]["mutant"]
    assert result.verdict.chains and abs(found["median"] - mean) < 0.15 * sd
    assert found["sd"] == pytest.approx(sd, rel=0.12)
    assert study.tables[0].columns[1] == ("difference", "mV")
    turned = contrast(result, "V_offset_genotype", ["control", "mutant"]).numbers["contrasts"]["control"]
    assert turned["median"] == pytest.approx(-found["median"]) and turned["above"] == pytest.approx(
        1 - found["above"]
    )


@pytest.mark.thorough
def test_cells_taken_for_independent_are_too_sure(frame):
    """The negative control: without animals and cells the interval is that of 40 readings."""
    flat = nested(frame, by="genotype", pooled=False)
    found = contrast(infer(flat, seed=1, chains=2, warmup=300, draws=500, retry=False), "V_offset")
    sd = found.numbers["contrasts"]["mutant"]["sd"]
    assert sd == pytest.approx(SIGMA * np.sqrt(2 / 20), rel=0.1)
    assert sd < by_quadrature(frame, 5.0)[1] / 3


@pytest.mark.thorough
def test_a_ratio_is_told_of_what_is_positive(cli, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"K_o_mM": [5.0] * 6, "genotype": ["a"] * 3 + ["b"] * 3})
    frame["V_m_mV"] = 25.43 * np.log(5 / np.where(frame.genotype == "a", 140, 110)) + 0.2 * rng.normal(size=6)
    frame["V_m_sem_mV"] = 0.2
    given = {
        "T": 295.15,
        "LJP": 0.0,
        "V_offset": 0.0,
        "extra_V_m": 0.0,
        "K_i": Latent(lognormal(130, 1.5), by="genotype"),
    }
    problem = make_problem(read_table(frame), given, model="nernst", ions=["K"])
    result = infer(problem, seed=1, chains=2, warmup=300, draws=500, retry=False)
    result.save(tmp_path / "run")
    study = contrast(load_result(tmp_path / "run"), "K_i", ["b", "a"])
    ratio = np.exp(np.diff([frame.V_m_mV[:3].mean(), frame.V_m_mV[3:].mean()]) / -25.43)[0]
    assert study.numbers["scale"] == "ln" and study.tables[0].rows[0][1] == pytest.approx(ratio, rel=0.01)
    assert "lower in b than in a" in study.verdict and study.tables[0].rows[0][-1] is True
    ran = cli(
        "contrast",
        tmp_path / "run",
        "--parameter",
        "K_i",
        "--between",
        "b,a",
        "--json",
        "--out",
        tmp_path / "study",
    )
    assert ran.code == 0 and '"verb": "contrast"' in ran.out and (tmp_path / "study/contrast.png").is_file()
    from pumpleak.inference.verdict import Verdict

    # Of draws that its own gate refused, that is said first, and no page is green.
    refused = replace(
        Verdict.from_dict(json.loads(load_result(tmp_path / "run").tree.attrs["verdict"])), usable=False
    )
    monkeypatch.setattr(Verdict, "from_dict", lambda _: refused)
    ran = cli(
        "contrast", tmp_path / "run", "--parameter", "K_i", "--between", "b,a", "--out", tmp_path / "not"
    )
    assert ran.code == 0 and ran.out.strip().startswith("Not yet to be believed")
    assert 'class="banner bad"' in (tmp_path / "not/report.html").read_text()
    monkeypatch.undo()
    ran = cli("contrast", tmp_path / "run", "--parameter", "K_i", "--between", "b,z")
    assert ran.code == 2 and "no level 'z'" in ran.err
    ran = cli("contrast", tmp_path / "run", "--parameter", "P_Na_rel")
    assert ran.code == 2 and "K_i" in ran.err and "Traceback" not in ran.err


def test_what_cannot_be_nested_is_refused(frame, cli, tmp_path):
    assert [p.levels for p in nested(frame.assign(cell="1")).parameters][-1] == (
        "c1-1",
        "c2-1",
        "m1-1",
        "m2-1",
    )  # a name in several animals is a cell of each
    assert [len(p.levels) for p in nested(frame, pooled=False).parameters] == [10]
    with pytest.raises(InputError, match="levels of animal lie within others, and are not pooled"):
        nested(frame, pooled=("cell",))
    with pytest.raises(InputError, match="litter is pooled, but is not among"):
        nested(frame, pooled=("animal", "cell", "litter"))
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = (
        "model: nernst\nions: [K]\ndata: t.csv\nquantities:\n  T_degC: 22\n  K_i_mM: 140\n  K_o_mM: 5\n"
        "  V_offset_mV: {prior: normal, mean: 0, sd: 20, by: [genotype, animal, cell], spread: {animal: 3, cell: 4}}\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    from pumpleak import load_problem

    problem = load_problem(tmp_path / "c.yaml")
    assert [None if p.spread is None else p.spread.b for p in problem.parameters[:3]] == [None, 3.0, 4.0]
    one = text.replace(
        "[genotype, animal, cell], spread: {animal: 3, cell: 4}", "[animal, cell], pooled: cell"
    )
    (tmp_path / "one.yaml").write_text(one)
    assert [p.spread is None for p in load_problem(tmp_path / "one.yaml").parameters[:2]] == [True, False]
    ran = cli("check", tmp_path / "c.yaml")
    assert ran.code == 0
    ran = cli("batch", tmp_path / "c.yaml", "--out", tmp_path / "out")
    assert ran.code == 2 and "levels within levels" in ran.err


@pytest.mark.thorough
def test_many_levels_are_counted_in_words(result):
    from pumpleak.inference.words import gathered

    names = [f"P[c{i}]" for i in range(7)]
    assert gathered(["T", *names, "Q[a]"]) == ["T", "P (7 levels)", "Q[a]"]
    assert "V_offset (10 levels)" in result.verdict.headline + " ".join(result.verdict.data)


@pytest.mark.slow
def test_contrasts_are_calibrated():
    """Ranks of mutant − control among the draws are uniform; of a model that knows of no animals they pile up at the ends."""
    known = nested(table_of(), halfnormal(4.0))
    simulated = simulate_readings(known, np.random.default_rng(7), 200)
    truth = np.asarray(simulated.truth["V_offset_genotype"])
    rank = {}
    for name, latent in (("animals", {}), ("none", {"by": ("genotype", "cell"), "pooled": ("cell",)})):
        problem = nested(table_of(), halfnormal(4.0), **latent)
        with jax.enable_x64(True):
            found = infer_replicates(problem, simulated.readings, engine="nuts", seed=1, warmup=400, thin=5)
            x = np.asarray(jax.vmap(jax.vmap(problem.constrain))(found.u)["V_offset_genotype"])
        apart = truth[:, 1] - truth[:, 0]
        rank[name] = (x[..., 1] - x[..., 0] < apart[:, None]).sum(axis=1)
    (good,), (bad,) = judge({"contrast": rank["animals"]}), judge({"contrast": rank["none"]})
    assert good.passed, good
    assert not bad.passed and bad.width > 5 and bad.cover[2] < 0.85, bad


def test_levels_with_commas_are_told_apart_in_one_text():
    from pumpleak.studies.contrast import _listed

    known = {"0", "0.1", "10 µM, pH 7.4", "a", "a,b", "b", "it's"}
    assert _listed("10 µM, pH 7.4,0", known) == ("10 µM, pH 7.4", "0")
    assert _listed("0.1, 10 µM, pH 7.4", known) == ("0.1", "10 µM, pH 7.4")
    assert _listed('"10 µM, pH 7.4", 0', known) == ("10 µM, pH 7.4", "0")
    assert _listed("it's,0.1,0", known) == ("it's", "0.1", "0")
    assert _listed("0, z", known) == ("0", "z")  # refused by name
    with pytest.raises(InputError, match=r"a \| b and as a,b|a,b and as a \| b"):
        _listed("a,b", known)


def test_a_contrast_is_summed_up_by_its_quantiles():
    draws, prior = np.linspace(-1, 3, 4001), np.linspace(-10, 30, 4001)
    found = _summary(draws, prior)
    expected = {"median": 1.0, "low": -0.9, "high": 2.9, "prior_low": -9.0, "prior_high": 29.0, "above": 0.75}
    assert {k: found[k] for k in expected} == pytest.approx(expected, abs=1e-3)
    assert found["sd"] == pytest.approx(4 / np.sqrt(12), rel=1e-3)
