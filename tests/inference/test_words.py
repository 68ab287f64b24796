"""Every kind of finding in its whole sentence: numbers, units, limits, one and several, and each way on."""

import pytest

from pumpleak.inference.findings import Finding, Kind
from pumpleak.inference.words import say

CASES = [
    (
        Finding(Kind.chains_disagree, ("a", "b"), {"r_hat": 1.0234, "rung": "nuts"}),
        "The chains disagree: R-hat of a is 1.023 (at most 1.01 is needed). Run more warm-up (sampler.warmup).",
    ),
    (
        Finding(Kind.few_draws, ("a",), {"ess": 399.4, "rung": "hmc"}),
        "Too few independent draws: 399 of a (at least 400 are needed). Run NUTS (--engine nuts).",
    ),
    (
        Finding(Kind.loose_ends, ("a",), {"share": 0.0712, "rung": "nuts"}),
        "An end of the interval of a, or its median, has a Monte Carlo error of 7.1% of the interval's width (at most 5 % is allowed): another run would print another end. Raise sampler.draws.",
    ),
    (
        Finding(Kind.loose_ends, ("a",), {"share": 0.0712, "rung": "importance"}),
        "Failed on the rung 'importance', importance sampling by points about the mode: an end of the interval of a, or its median, has a Monte Carlo error of 7.1% of the interval's width (at most 5 % is allowed). Run NUTS (--engine nuts; in a config, sampler.engine).",
    ),
    (
        Finding(Kind.diverged, (), {"transitions": 12, "of": 4000, "rung": "nuts"}),
        "12 of 4000 transitions diverged (0.3%): part of the posterior may be missed. Raise sampler.target_accept towards 0.99, or narrow the prior that lets a scale go to 0.",
    ),
    (
        Finding(Kind.diverged, (), {"transitions": 12, "of": 4000, "rung": "hmc"}),
        "12 of 4000 transitions diverged (0.3%): part of the posterior may be missed. Run NUTS (--engine nuts).",
    ),
    (
        Finding(Kind.diverged_harmlessly, (), {"transitions": 1, "of": 8000, "move": 0.0021}),
        "1 of 8000 transitions diverged (0.0%), which cost nothing that is printed: were the draws around it counted twice, no median and no interval's end would move by more than 0.2% of the interval's width (at most 5 % is allowed).",
    ),
    (
        Finding(Kind.diverged_harmlessly, (), {"transitions": 3, "of": 8000, "move": 0.0021}),
        "3 of 8000 transitions diverged (0.0%), which cost nothing that is printed: were the draws around them counted twice, no median and no interval's end would move by more than 0.2% of the interval's width (at most 5 % is allowed).",
    ),
    (
        Finding(
            Kind.chains_agree,
            (),
            {"chains": 4, "draws": 1000, "r_hat": 1.0021, "ess": 1234.4, "divergences": 0},
        ),
        "4 chains of 1000 draws agree: R-hat at most 1.002, at least 1234 effective draws, no divergence.",
    ),
    (
        Finding(
            Kind.chains_agree,
            (),
            {"chains": 4, "draws": 1000, "r_hat": 1.0021, "ess": 1234.4, "divergences": 2},
        ),
        "4 chains of 1000 draws agree: R-hat at most 1.002, at least 1234 effective draws.",
    ),
    (
        Finding(Kind.heavy_weights, (), {"rung": "laplace", "k_hat": 0.912}),
        "Failed on the rung 'laplace', a normal approximation at the mode (Laplace): the posterior is not near a normal, Pareto k-hat 0.91 (at most 0.7 is needed). Run NUTS (--engine nuts; in a config, sampler.engine).",
    ),
    (
        Finding(Kind.few_weighted, ("a",), {"rung": "importance", "ess": 123.0}),
        "Failed on the rung 'importance', importance sampling by points about the mode: too few effective draws, 123 of a (at least 400 are needed). Run NUTS (--engine nuts; in a config, sampler.engine).",
    ),
    (
        Finding(Kind.weights_hold, (), {"rung": "adapted", "k_hat": 0.312, "ess": 987.6}),
        "Importance sampling by points from a mixture fitted to earlier ones: Pareto k-hat 0.31 (at most 0.7 is needed), at least 988 effective draws (400 are needed). These are no chains, and have no R-hat.",
    ),
    (
        Finding(Kind.a_look, (), {"correctable": True}),
        "A quick look by a normal approximation, not the posterior: k-hat says that weights could make up for the difference, and none were used. Run NUTS (--engine nuts; in a config, sampler.engine).",
    ),
    (
        Finding(Kind.a_look, (), {"correctable": False}),
        "A quick look by a normal approximation, not the posterior.",
    ),
    (
        Finding(Kind.prior_without_answer, (), {"share": 0.123}),
        "The model has no answer in 12.3% of the prior draws (for a pump-leak cell: no steady state); the prior is conditioned on having one.",
    ),
    (
        Finding(Kind.left_domain, (), {"transitions": 40, "of": 4000}),
        "40 of 4000 transitions (1.0%) stopped at the edge of where the model has an answer. The density is 0 beyond it, and they count apart from divergences.",
    ),
    (
        Finding(Kind.after_importance, (), {"found": "k-hat 0.81, 312 effective draws"}),
        "Importance sampling came first and did not pass its gate (k-hat 0.81, 312 effective draws; at most 0.7, at least 400 and at most 5 % are needed): these are NUTS's draws.",
    ),
    (
        Finding(Kind.determined, ("a[0]", "a[1]", "a[2]", "a[3]", "a[4]", "a[5]"), {}),
        "Determined by the data (over 90 % of the prior variance gone): a[0], a[1], a[2], a[3], a[4], a[5].",
    ),
    (
        Finding(Kind.moved, ("a", "b"), {"a": 0.94, "b": -1.26}),
        "Moved by the data, though hardly narrowed: a (+0.9 prior sd), b (-1.3 prior sd).",
    ),
    (
        Finding(Kind.far_from_prior, ("a",), {"a": -3.46}),
        "Far from its prior, which deserves a second look: a (-3.5 prior sd).",
    ),
    (
        Finding(Kind.barely_touched, ("a",), {}),
        "Barely touched by the data; what is reported is nearly the prior: a.",
    ),
    (
        Finding(
            Kind.prior_conflict,
            ("T", "K_i"),
            {
                "p": 2.34e-05,
                "places": [
                    {"median": 301.15, "unit": "K", "prior_tail": 0.00023142791020597085},
                    {"median": 318.2, "unit": "mM", "prior_tail": 1e-16},
                ],
            },
        ),
        "Data and priors contradict each other (p = 2.3e-05): T = 28 °C, which its prior puts at 1 in 4300; K_i = 318 mM, which its prior puts at less than 1 in 10¹⁵. Commonly a junction potential that is missing or has the wrong sign, another temperature, a concentration or its unit, an ion that the model leaves out, or a prior that is too narrow.",
    ),
    (
        Finding(
            Kind.prior_conflict,
            ("P_Na_rel",),
            {"p": 0.0123, "places": [{"median": 0.5432, "unit": "1", "prior_tail": 3e-07}]},
        ),
        "Data and priors contradict each other (p = 0.012): P_Na_rel = 0.543, which its prior puts at 1 in 10⁷. Commonly a junction potential that is missing or has the wrong sign, another temperature, a concentration or its unit, an ion that the model leaves out, or a prior that is too narrow.",
    ),
    (
        Finding(
            Kind.would_add, ("P_K",), {"reading": "Na_i", "condition": "rest", "error": 0.05, "share": 0.348}
        ),
        "One reading of Na_i in 'rest', good to 5%, would take about 35% of the variance that is left of P_K.",
    ),
    (
        Finding(
            Kind.strains,
            ("r7",),
            {"read": -61.23, "expected": -70.12, "scatter": 1.54, "p": 0.0123, "unit": "mV"},
        ),
        "The model strains at r7: read -61.23, expected -70.12 (scatter 1.5 mV; predictive p = 0.012).",
    ),
    (
        Finding(
            Kind.wrong_sign,
            ("low Cl − control",),
            {"read": -9.0, "error": 1.0, "least": 0.5, "most": 30.0, "unit": "mV"},
        ),
        "low Cl − control has the wrong sign for this model: measured -9 ± 1 mV, and with any parameters the prior allows the model gives at least +0.5 mV.",
    ),
    (
        Finding(
            Kind.leans,
            ("r7",),
            {"readings": 5, "read": -61.23, "expected": -70.12, "p": 0.0123, "unit": "mV"},
        ),
        "The 5 readings alike to the model (r7 among them) average -61.23, where it expects -70.12 mV (predictive p = 0.012): they lean to one side.",
    ),
    (
        Finding(Kind.unexplained, (), {"explained": 0.234}),
        "The model explains only 23% of the spread between the readings; the rest it calls scatter.",
    ),
    (
        Finding(Kind.unexplained, ("Na_i",), {"explained": 0.234}),
        "The model explains only 23% of the spread between the readings of Na_i; the rest it calls scatter.",
    ),
    (
        Finding(
            Kind.one_reading,
            ("r7",),
            {
                "read": [-61.23],
                "expected": -70.12,
                "sd": 1.54,
                "p": 1e-06,
                "unit": "mV",
                "answers": {},
                "probability": 0.9,
            },
        ),
        "r7 stands apart: read -61.23 mV, where the other readings expect -70.12 ± 1.5 (p = 1e-06). Look that recording up.",
    ),
    (
        Finding(
            Kind.one_reading,
            ("r7",),
            {
                "read": [-61.23],
                "expected": -70.12,
                "sd": 1.54,
                "p": 9.9e-07,
                "unit": "mV",
                "answers": {
                    "a": (1.0, 0.5, 2.0),
                    "b": (1.0, 0.5, 2.0),
                    "c": (1.0, 0.5, 2.0),
                    "d": (1.0, 0.5, 2.0),
                },
                "probability": 0.812,
            },
        ),
        "r7 stands apart: read -61.23 mV, where the other readings expect -70.12 ± 1.5 (p below 1e-6). Look that recording up. With `noise: outliers` it is taken as an outlier (probability 0.81), and the answer is about a 1 (0.5 … 2); b 1 (0.5 … 2); c 1 (0.5 … 2).",
    ),
    (
        Finding(
            Kind.one_reading,
            ("r7",),
            {
                "read": [-61.23],
                "expected": -70.12,
                "sd": 1.54,
                "p": 0.0012,
                "unit": "mV",
                "answers": {"a": (1.0, 0.5, 2.0)},
                "probability": 0.5,
            },
        ),
        "r7 stands apart: read -61.23 mV, where the other readings expect -70.12 ± 1.5 (p = 0.0012). Look that recording up.",
    ),
    (
        Finding(
            Kind.one_bath,
            ("r7", "r8", "r9"),
            {"read": [-61.23, -80.04, -70.0], "sd": 1.54, "p": 0.0012, "unit": "mV"},
        ),
        "Readings of one bath contradict each other: r7 (-61.23 mV), r8 (-80.04 mV) and r9 (-70 mV) differ by 18.8 mV, where readings scatter by 1.5 mV (p = 0.0012). With any parameters the model expects the same of them: look up these recordings, their solutions and their errors.",
    ),
    (
        Finding(Kind.errors_too_small, (), {"error": 0.123, "needed": 0.456}),
        "The standard errors (typically 0.12 mV) may be too small: 0.46 mV would do, by which electrodes differ. Or something that the model leaves out moves the readings by so little.",
    ),
    (
        Finding(Kind.extra_scatter, ("extra_V_m",), {"extra": 5.61, "error": 0.52, "unit": "mV"}),
        "The model does not fit within its errors: it takes 5.6 mV of scatter beyond them (typically 0.52 mV), so something it leaves out moves the readings by that much.",
    ),
    (
        Finding(Kind.wide_scatter, (), {"median": 12.34, "usual": 8.0}),
        "Single readings scatter by 12 mV (sd), more than those of cells of one kind in one bath do as a rule (up to 8 mV).",
    ),
    (
        Finding(
            Kind.wide_scatter,
            ("r7",),
            {
                "median": 12.34,
                "usual": 8.0,
                "without": 3.21,
                "answers": {"a": (1.0, 0.5, 2.0)},
                "probability": 0.71,
            },
        ),
        "Single readings scatter by 12 mV (sd), more than those of cells of one kind in one bath do as a rule (up to 8 mV); r7 makes most of it: the others tell what it should be to 3.2 mV. With `noise: outliers` it is taken as an outlier (probability 0.71), and the answer is about a 1 (0.5 … 2).",
    ),
    (Finding(Kind.taken_as_outlier, ("r7",), {"p": 0.987}), "r7 is taken as an outlier (probability 0.99)."),
    (
        Finding(Kind.scatters_more, (), {"p": 0.001}),
        "The readings together scatter more than the model allows (p = 0.001).",
    ),
    (
        Finding(Kind.levels_differ, ("cell",), {"off": {"a": 1.23, "": -2.34}, "p": 0.0012, "unit": "mV"}),
        "Readings differ by cell, which nothing is given by: on average they are off by a +1.2, (blank) -2.3 mV (p = 0.0012). Give what may differ, `by: cell`; the assumptions have the line.",
    ),
    (
        Finding(
            Kind.levels_differ,
            ("cell",),
            {
                "off": {"a": -2.0, "b": -1.0, "c": 0.0, "d": 1.0, "e": 2.0, "f": 3.0},
                "p": 0.0012,
                "unit": "mV",
            },
        ),
        "Readings differ by cell, which nothing is given by: on average they are off by a -2, b -1, c +0, d +1, e +2, f +3 mV (p = 0.0012). Give what may differ, `by: cell`; the assumptions have the line.",
    ),
    (
        Finding(
            Kind.levels_differ,
            ("cell",),
            {
                "off": {"a": -2.0, "b": -1.0, "c": 0.0, "d": 1.0, "e": 2.0, "f": 3.0, "g": 4.0, "h": 5.0},
                "p": 0.0012,
                "unit": "mV",
            },
        ),
        "Readings differ by cell, which nothing is given by: on average they are off by a -2, b -1, c +0, f +3, g +4, h +5 mV (p = 0.0012). Give what may differ, `by: cell`; the assumptions have the line.",
    ),
    (
        Finding(Kind.order_matters, (), {"moved": 4.56, "p": 0.0012, "unit": "mV", "electrode": True}),
        "Readings move by +4.6 mV from the first row to the last beside what the model expects (p = 0.0012): a drift, a rundown, or rows sorted by what is not said. `drift_row_mV` or a column `time_min` with `drift_mV_min` describe a drift.",
    ),
    (
        Finding(Kind.order_matters, (), {"moved": -4.56, "p": 0.0012, "unit": "mM", "electrode": False}),
        "Readings move by -4.6 mM from the first row to the last beside what the model expects (p = 0.0012): a drift, a rundown, or rows sorted by what is not said.",
    ),
    (
        Finding(Kind.as_expected, (), {"least_p": 0.0499, "overall_p": 0.312}),
        "Taken together the readings are what the model expects (predictive p from 0.05, overall 0.31).",
    ),
    (
        Finding(Kind.as_expected, (), {"least_p": 0.05, "overall_p": 0.312}),
        "The readings are what the model expects (predictive p from 0.05, overall 0.31).",
    ),
    (
        Finding(Kind.no_test, (), {"unknowns": 1, "readings": 2}),
        "With 1 unknown and 2 readings, that it fits is no test of the model.",
    ),
    (
        Finding(Kind.inferred_scatter, ("sigma_V_m",), {"median": 2.345}),
        "The scatter of single readings, sigma_V_m = 2.3 mV, was inferred from these readings: the model fits only if that is plausible for your cells.",
    ),
    (
        Finding(Kind.inferred_scatter, ("sigma_Na_i",), {"median": 2.345}),
        "The scatter of single readings, sigma_Na_i = 2.3 mM, was inferred from these readings: the model fits only if that is plausible for your cells.",
    ),
    (
        Finding(Kind.decisive_readings, ("r7", "r8"), {}),
        "Single readings decide much of the answer (Pareto k above 0.7): r7, r8; LOO is not reliable there.",
    ),
    (
        Finding(
            Kind.wrong_sign,
            ("b − a",),
            {"read": 9.0, "error": 1.0, "least": -30.0, "most": -0.54, "unit": "mV"},
        ),
        "b − a has the wrong sign for this model: measured +9 ± 1 mV, and with any parameters the prior allows the model gives at most -0.54 mV.",
    ),
    (
        Finding(
            Kind.wrong_sign,
            ("b − a",),
            {"read": -9.0, "error": 1.23, "least": 0.54, "most": 30.0, "unit": "mM"},
        ),
        "b − a has the wrong sign for this model: measured -9 ± 1.2 mM, and with any parameters the prior allows the model gives at least +0.54 mM.",
    ),
]


@pytest.mark.parametrize(("finding", "words"), CASES)
def test_a_finding_in_a_whole_sentence(finding, words):
    assert say(finding) == words
