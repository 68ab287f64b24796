"""Judgements that once were wrong: each of these data sets got a false sentence or none."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pumpleak import Prior, celsius, fit, infer, load_dataset, lognormal, make_problem, normal, read_table
from pumpleak.engines.fisher import fisher_information
from pumpleak.inference import misfit
from pumpleak.inference.curves import curve_dataset, horizontal_quantity
from pumpleak.inference.determined import _would_add, determined_of
from pumpleak.inference.findings import Finding, Kind
from pumpleak.inference.headline import decisive, headline
from pumpleak.inference.misfit import FINE, USUAL
from pumpleak.inference.verdict import findings_of
from pumpleak.inference.words import WORDS, say, surprises

K_O = np.array([1.0, 2.5, 5, 10, 20, 40, 80, 120])
BATH = {"T": celsius(22), "K_i": 140.0, "Na_i": 12.0}


def titration(V_m, **columns):
    return read_table(pd.DataFrame({"K_o_mM": K_O, "Na_o_mM": 150 - K_O, "V_m_mV": V_m, **columns}))


def expected(P):
    return 25.4327 * np.log((K_O + P * (150 - K_O)) / (140 + P * 12))


@pytest.mark.thorough
def test_a_scatter_of_zero_does_not_cost_the_ratio_its_error():
    rng = np.random.default_rng(3)
    table = titration(expected(0.03) + 0.3 * rng.normal(size=8), V_m_sem_mV=1.0)
    problem = make_problem(table, BATH | {"P_Na_rel": lognormal(0.05, 4)})
    found = fit(problem, method="ml", starts=32)
    assert found["extra_V_m"].value < 1e-3 and np.isnan(found["extra_V_m"].se)
    # The weighted least-squares error, by hand.
    slope = (expected(0.0301) - expected(0.0299)) / 0.0002
    np.testing.assert_allclose(found["P_Na_rel"].se, 1 / np.sqrt((slope**2).sum()), rtol=0.15)


@pytest.mark.thorough
def test_flat_readings_without_errors_are_not_explained():
    rng = np.random.default_rng(1)
    problem = make_problem(titration(-60 + rng.normal(size=8)), BATH | {"P_Na_rel": lognormal(0.05, 4)})
    result = infer(problem, chains=2, warmup=500, draws=1000)
    verdict = result.verdict
    assert verdict.usable and not verdict.fits
    (found,) = [f for f in findings_of(result.tree) if f.kind == Kind.unexplained]
    assert found.numbers["explained"] < 0.1 and say(found) in verdict.misfit
    assert verdict.headline.endswith(
        ". The computation can be trusted, but the model explains next to nothing of what was read; its numbers mean little."
    )


def test_many_readings_tell_the_degrees_of_freedom():
    """Against the information by Monte Carlo: the variance of the score of Student-t in ν and ln s."""
    table = titration(expected(0.03), V_m_sem_mV=1.0)
    problem = make_problem(
        table,
        BATH | {"P_Na_rel": 0.03, "extra_V_m": 0.0, "nu": Prior("lognormal", np.log(4), np.log(3))},
        noise="student_t",
    )
    information = fisher_information(problem, {"nu": np.array(4.0)})
    assert problem.layout.site_names == ("nu",)
    from scipy import stats

    draws = stats.t(4).rvs(400_000, random_state=np.random.default_rng(0))
    score = (stats.t(4.01).logpdf(draws) - stats.t(3.99).logpdf(draws)) / 0.02
    # The prior stops at ν = 1, so its width at 4 is not quite 4 ln 3.
    whitened = 8 * score.var() * problem.sites[0].prior.whitening(np.array(4.0)) ** 2
    np.testing.assert_allclose(information.matrix[0, 0], whitened, rtol=0.03)


def test_measured_potassium_still_has_its_figure():
    table = titration(expected(0.03), V_m_sem_mV=1.0, K_o_sd_mM=0.05 * K_O)
    problem = make_problem(table, BATH | {"P_Na_rel": lognormal(0.05, 4)})
    assert horizontal_quantity(problem) == "K_o"
    u = np.zeros((20, problem.dimension))
    curve = curve_dataset(problem, u, np.random.default_rng(0))
    assert curve is not None
    np.testing.assert_allclose([curve["x"].min(), curve["x"].max()], [1, 120])


@pytest.mark.thorough
def test_what_cannot_be_answered_is_in_the_headline():
    table = read_table(
        pd.DataFrame(
            {
                "K_o_mM": [80.0, 100, 120],
                "Na_o_mM": [70.0, 50, 30],
                "V_m_mV": [-13.9, -8.4, -3.8],
                "V_m_sem_mV": 1.0,
            }
        )
    )
    problem = make_problem(
        table,
        {
            "T": celsius(22),
            "K_i": normal(140, 20),
            "Na_i": 12.0,
            "P_Na_rel": lognormal(0.05, 4),
            "extra_V_m": 0.0,
        },
    )
    verdict = infer(problem, chains=2, warmup=500, draws=600).verdict
    assert verdict.numbers["undetermined"] == ["P_Na_rel"]
    assert verdict.headline.endswith(" They say next to nothing about P_Na/P_K.")


def test_what_moved_is_not_called_the_prior():
    """A parameter as uncertain as before, but elsewhere, was told something by the data."""
    names = ["stayed", "moved", "narrowed"]
    table = pd.DataFrame(
        {"parameter": names, "contraction": [0.0, 0.0, 0.6], "shift": [0.1, 0.9, 0.9]}
    ).to_xarray()
    information = xr.Dataset(
        {"fisher": (("element", "other"), np.eye(3)), "slope": ("element", np.ones(3)),
         "positive": ("element", np.zeros(3, bool))},
        coords={"element": names},
    )  # fmt: skip
    tree = xr.DataTree.from_dict({"table": table, "information": information})
    found, levels = determined_of(tree)
    moved = Finding(Kind.moved, ("moved",), {"moved": 0.9})
    assert found == [Finding(Kind.narrowed, ("narrowed",)), moved, Finding(Kind.untouched, ("stayed",))]
    assert levels[Kind.narrowed] == ["narrowed"] and levels[Kind.untouched] == ["stayed", "moved"]
    assert [say(f) for f in found] == [
        "Narrowed by the data, the prior still counts: narrowed.",
        "Moved by the data, though hardly narrowed: moved (+0.9 prior sd).",
        "The data said nothing about: stayed. What is reported is the prior.",
    ]


@pytest.mark.parametrize(
    ("name", "named"), [("P_Na_rel", True), ("V_offset", False), ("sigma_V_m", False), ("extra_V_m", False)]
)
def test_a_reading_inside_is_proposed_for_parameters_of_the_cell_alone(name, named):
    rng = np.random.default_rng(1)
    z = rng.standard_normal((2, 500))
    draws = xr.Dataset({name: (("chain", "draw"), np.exp(0.3 * z))})
    inside = np.exp(0.3 * z + 0.1 * rng.standard_normal(z.shape))[..., None]
    membrane = xr.Dataset({"Na_i": (("chain", "draw", "condition"), inside)}, coords={"condition": ["rest"]})
    table = xr.Dataset({"contraction": ("element", [0.2])}, coords={"element": [name]})
    tree = xr.DataTree.from_dict(
        {
            "protocols": xr.Dataset({"baseline": ("c", ["rest"])}),
            "membrane": membrane,
            "readings": xr.Dataset({"observable": ("obs", ["V_m"])}),
            "posterior": draws,
            "table": table,
        }
    )
    found = _would_add(tree)
    assert [f.parameters for f in found] == ([(name,)] if named else [])
    if named:  # ρ² · var/(var + 0.1²), by what was put in
        assert found[0].numbers["share"] == pytest.approx(0.9 * 0.1 / 0.11, abs=0.03)
        assert found[0].numbers["reading"] == "Na_i" and found[0].numbers["condition"] == "rest"


# -- findings in words -------------------------------------------------------------------------------


def test_every_kind_has_its_words():
    assert set(WORDS) == set(Kind)


@pytest.mark.parametrize(
    "finding, words",
    [
        (
            Finding(Kind.few_draws, ("a",), {"ess": 57.4, "rung": "nuts"}),
            "Too few independent draws: 57 of a (at least 400 are needed). Raise sampler.draws.",
        ),
        (
            Finding(Kind.chains_disagree, ("a",), {"r_hat": 1.2, "rung": "hmc"}),
            "The chains disagree: R-hat of a is 1.200 (at most 1.01 is needed). Run NUTS (--engine nuts).",
        ),
        (
            Finding(Kind.heavy_weights, (), {"rung": "adapted", "k_hat": 1.23, "ess": 20.0}),
            "Failed on the rung 'adapted', importance sampling by points from a mixture fitted to earlier ones: the "
            "importance weights' tail is too heavy, Pareto k-hat 1.23 (at most 0.7 is needed). Run NUTS (--engine nuts; "
            "in a config, sampler.engine).",
        ),
        (
            Finding(Kind.untouched, tuple(f"P_Na_rel[{i}]" for i in range(9))),
            "The data said nothing about: P_Na_rel (9 levels). What is reported is the prior.",
        ),
        (
            Finding(Kind.would_add, ("P_K",), {"reading": "Na_i", "condition": "rest", "error": 0.1, "share": 0.62}),
            "One reading of Na_i in 'rest', good to 10%, would take about 62% of the variance that is left of P_K.",
        ),
        (
            Finding(Kind.clearly_fails, ("r7",), {"read": -61.2, "expected": -70.0, "scatter": 1.5, "p": 2e-4, "unit": "mV"}),
            "The model clearly fails at r7: read -61.2, expected -70 (scatter 1.5 mV; predictive p = 0.0002).",
        ),
        (
            Finding(Kind.wrong_sign, ("low Cl − control",), {"read": 9.0, "error": 1.0, "least": -30.0, "most": -0.5, "unit": "mV"}),
            "low Cl − control has the wrong sign for this model: measured +9 ± 1 mV, and with any parameters the prior "
            "allows the model gives at most -0.5 mV.",
        ),
        (
            Finding(Kind.scatters_more, (), {"p": 0.0}),
            "The readings together scatter more than the model allows (p below 0.001).",
        ),
    ],
)  # fmt: skip
def test_a_finding_in_a_sentence(finding, words):
    assert say(finding) == words


LEVELS = dict.fromkeys((Kind.determined, Kind.narrowed, Kind.barely_touched, Kind.untouched), [])
UNFIT = "; the computation can be trusted, but "
PLACE = {"median": 318.2, "unit": "mM", "prior_tail": 1.2e-6}
NAMED = {"rest_fits": True}
CASES = [
    ([], True, "The data determine a; the computation can be trusted and the model fits."),
    ([Finding(Kind.no_test)], True, "The data determine a" + UNFIT + "nothing here can test the model."),
    (
        [Finding(Kind.no_test), Finding(Kind.prior_conflict, ("K_i",), {"p": 1e-5, "places": [PLACE]})],
        True,
        "The data determine a" + UNFIT + "the model fits only with K_i = 318 mM, which its prior puts at 1 in 10⁶.",
    ),
    (
        [Finding(Kind.extra_scatter, ("extra_V_m",), {"extra": 5.61, "error": 0.5, "unit": "mV"})],
        True,
        "The data determine a" + UNFIT + "the model does not fit within its errors: it takes 5.6 mV of scatter beyond them.",
    ),
    (
        [Finding(Kind.errors_too_small, (), {"error": 2e-4, "needed": 0.21})],
        True,
        "The data determine a" + UNFIT + "the standard errors (typically 0.0002 mV) look too small: 0.21 mV would do.",
    ),
    (
        [Finding(Kind.wide_scatter, ("row 4",), {"median": 9.02})],
        True,
        "The data determine a" + UNFIT + "single readings scatter by 9 mV, more than those of cells of one kind do; row 4 "
        "makes most of it.",
    ),
    (
        [Finding(Kind.leans), Finding(Kind.clearly_fails, ("row 1",))],
        False,
        "The computation can be trusted, but the model does not fit these data; read its numbers with that in mind.",
    ),
    (
        [Finding(Kind.wide_scatter, (), {"median": 9.0}), Finding(Kind.one_reading, ("row 4",), NAMED)],
        False,
        "The computation can be trusted, but row 4 stands apart from the other readings.",
    ),
    (
        [Finding(Kind.one_bath, ("row 3", "row 4"), {"rest_fits": False})],
        False,
        "The computation can be trusted, but row 3 and row 4, readings of one bath, contradict each other, and these do not "
        "fit the model either.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("found", "fits", "words"), CASES)
def test_the_headline_of_what_was_found(found, fits, words):
    usual = {"usable": True, "failure": "", "levels": LEVELS | {Kind.determined: ["a"]}}
    assert headline(**usual, but=decisive(found, fits=fits)) == words
    answered = headline(**usual, but=decisive(found, fits=fits), answer="P_Na/P_K 0.030 (0.018 … 0.050)")
    assert answered == f"P_Na/P_K 0.030 (0.018 … 0.050). {words}"


@pytest.mark.parametrize(
    "given, words",
    [
        (
            {"usable": False, "failure": "the chains disagree"},
            "Do not use these numbers: the chains disagree.",
        ),
        (
            {"usable": False},
            "A quick look by a normal approximation, not the posterior; confirm these numbers with another engine before "
            "use.",
        ),
        (
            {"levels": LEVELS | {Kind.untouched: ["P_Na_rel"]}},
            "The computation can be trusted and the model fits; these data say almost nothing, and what is reported is the "
            "prior. They say next to nothing about P_Na/P_K.",
        ),
    ],
)
def test_the_headline_of_draws_and_of_blind_data(given, words):
    usual = {"usable": True, "failure": "", "but": None, "levels": LEVELS, "answer": ""}
    assert headline(**usual | given) == words


def test_each_observables_scatter_explains_its_own_spread():
    """A flat V_m is unexplained beside a dye that is explained; 150 units between the two are no spread of either."""
    observable = np.repeat(["V_m", "dye"], 8)
    ladder = np.linspace(0, 8, 8)
    wiggle = np.array([1.0, -1, 1, -1, 1, -1, 1, -1])
    value = np.concatenate([-60 + wiggle, 85 + ladder + 0.1 * wiggle])
    expected = np.concatenate([np.full(8, -60.0), 85 + ladder])
    of = {"value": value, "expected": expected, "observable": observable}
    of |= {"condition": np.tile(np.arange(8), 2), "reference": np.full(16, -1)}
    readings = xr.Dataset({k: ("obs", v) for k, v in of.items()})
    draws = {n: (("chain", "draw"), np.ones((1, 4))) for n in ("sigma_V_m", "sigma_dye")}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(draws)})
    (found,) = misfit._unexplained(tree, readings)
    assert found.parameters == ("V_m",) and "between the readings of V_m" in say(found)
    tree.attrs |= {"defaulted": '["LJP"]', "model": "chord"}
    assert misfit._rivals(tree, readings)
    assert not misfit._rivals(tree, readings.isel(obs=slice(8, 16)))  # no junction is in a dye's reading


def test_what_has_no_unit_is_said_without_one():
    about = {"read": 85.2, "expected": 88.0, "scatter": 0.5, "p": 0.01, "unit": "1"}
    assert "expected 88 (scatter 0.5;" in say(Finding(Kind.strains, ("a",), about))
    about = {"extra": 0.8, "error": 0.2, "unit": "1"}
    extra = Finding(Kind.extra_scatter, ("extra_dye",), about)
    assert "it takes 0.8 of scatter beyond them (typically 0.2)" in say(extra)
    wrong = {"read": 5.0, "error": 1.0, "least": -3.0, "most": -1.0, "unit": "mM"}
    assert "± 1 mM" in say(Finding(Kind.wrong_sign, ("b − a",), wrong))
    scatter = Finding(Kind.inferred_scatter, ("sigma_K_i",), {"median": 4.0})
    assert "sigma_K_i = 4 mM" in say(scatter)


def test_the_thresholds_of_scatter_are_borne_out_by_printed_tables():
    """Control groups of cells of one kind in one solution: how they scatter, and how far their means lie apart."""
    table = load_dataset("low_K_ventricular1998")
    control = np.array([label.endswith("control") for label in table.labels])[table.row]
    scatter = (table.sem * np.sqrt(table.n))[control]
    assert control.sum() == 8 and 1.5 < scatter.min() < 1.6 and 4.5 < scatter.max() < 4.6 < USUAL
    means, errors = table.value[control], table.sem[control]
    assert np.sqrt(means.var(ddof=1) - (errors**2).mean()) == pytest.approx(0.91, abs=0.01)
    assert 0.9 < FINE < 1.1
    fibres = load_dataset("crayfish_muscle").sd
    assert (fibres.min(), fibres.max()) == (6.63, 12.71)  # impaled fibres: beyond USUAL, which is said


@pytest.mark.parametrize(
    "tail, words", [(0.3, "1 in 3.3"), (0.0077, "1 in 130"), (1.01e-4, "1 in 9900"), (1.2e-6, "1 in 10⁶")]
)
def test_odds_are_written_as_people_say_them(tail, words):
    found = Finding(Kind.prior_conflict, ("K_i",), {"p": 1e-5, "places": [PLACE | {"prior_tail": tail}]})
    assert surprises(found)[0].endswith(f"puts at {words}")


@pytest.mark.parametrize(
    ("extra", "beyond"), [(0.7, False), (1.4, False), (1.7, True), (2.2, True), (6.0, True)]
)
def test_extra_scatter_is_told_from_half_as_much_again_as_a_typical_error(extra, beyond):
    draws = extra * np.exp(0.1 * np.random.default_rng(0).standard_normal((4, 500)))
    before = np.abs(np.random.default_rng(1).standard_normal((4, 500)))
    readings = {"observable": np.full(3, "V_m"), "standard_error": np.array([1.0, 1.0, np.nan])}
    tree = xr.DataTree.from_dict(
        {
            "readings": xr.Dataset({k: ("obs", v) for k, v in readings.items()}),
            "posterior": xr.Dataset({"extra_V_m": (("chain", "draw"), draws)}),
            "prior": xr.Dataset({"extra_V_m": (("chain", "draw"), before)}),
        }
    )
    found = misfit._extra_scatter(tree, tree["readings"].to_dataset())
    assert [f.kind for f in found] == [Kind.extra_scatter] * beyond
    assert all(f.numbers["error"] == 1.0 and f.numbers["extra"] == np.median(draws) for f in found)


@pytest.mark.parametrize("differ", [True, False])
def test_readings_of_one_bath_may_differ_by_a_label(monkeypatch, differ):
    """One bath whose readings contradict each other is no finding beside a label whose levels differ."""
    bath = Finding(Kind.one_bath, ("K 5",), {"rest_fits": False})
    named = [Finding(Kind.levels_differ, ("genotype",))] if differ else []
    for helper in (
        "_unexplained",
        "_wide_scatter",
        "_errors_too_small",
        "_extra_scatter",
        "_one_by_one",
        "_leaning",
    ):
        monkeypatch.setattr(misfit, helper, lambda *_: [])
    monkeypatch.setattr(misfit, "_apart", lambda *_: [bath])
    monkeypatch.setattr(misfit, "unmodelled_of", lambda _: named)
    found = misfit._against(None, None, np.ones(2), 0.5, np.zeros(2, bool))
    assert found == (named if differ else [bath])
