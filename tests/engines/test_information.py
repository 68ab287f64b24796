"""Fisher information against closed forms, and the words that come of it."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import Latent, lognormal, make_problem, normal, read_table, uniform
from pumpleak.engines.fisher import fisher_information, mean_information
from pumpleak.engines.information import Information
from pumpleak.text import significant

READ = pd.DataFrame({"V_m_mV": [1.0, 2.0, 1.5], "V_m_sem_mV": [0.1, 0.1, 0.2]})


def toy(model, quantities, table=READ, **options):
    return make_problem(
        read_table(table, quantities=("x",)), quantities | {"extra_V_m": 0.0}, model=model, **options
    )


def test_a_straight_lines_information(line, assert_close):
    sites = {"a": 0.7, "b": 1.1}
    info = fisher_information(line.problem, sites)
    assert_close(info.matrix, line.information, rtol=1e-9)
    assert info.names == ("a", "b") and not info.positive.any()
    contraction = 1 - np.diag(line.covariance) / [9.0, 1.0]
    assert_close(info.share, contraction, rtol=1e-9)
    assert_close(info.slope, np.array([3.0, 1.0]), rtol=1e-9)


def test_information_of_students_noise_and_of_an_inferred_scale(toys, assert_close):
    table = pd.DataFrame({"V_m_mV": [1.0, 2.0, 1.5]})
    quantities = {"a": normal(0, 3), "b": 0.0, "sigma_V_m": uniform(0, 10)}
    problem = make_problem(read_table(table), quantities, model="total")
    sites = {"a": 1.0, "sigma_V_m": 2.0}
    white = 10 * np.exp(-0.5 * 0.8416212335729143**2) / np.sqrt(2 * np.pi)  # Φ⁻¹(0.2) = −0.8416
    info = fisher_information(problem, sites)
    assert_close(info.matrix, np.diag([3 / 4 * 9, 2 * 3 / 4 * white**2]), rtol=1e-7, atol=1e-9)
    problem = make_problem(read_table(table), quantities, model="total", noise="student_t")  # nu = 4
    info = fisher_information(problem, sites)
    assert_close(info.matrix, np.diag([5 / 7 * 3 / 4 * 9, 8 / 7 * 3 / 4 * white**2]), rtol=1e-7, atol=1e-9)


def test_a_mean_over_points(toys, assert_close):
    problem = toy("product", {"a": lognormal(1, 2), "b": 1.0})
    points = np.array([0.5, 1.0, 4.0])
    # V = 10 ln a: dV/dz = 10 ln 2 everywhere
    expected = (10 * np.log(2)) ** 2 * (100 + 100 + 25)
    assert_close(mean_information(problem, {"a": points}).matrix, np.array([[expected]]), rtol=1e-9)


def test_a_sum_is_all_that_is_determined(toys):
    problem = toy("total", {"a": normal(0, 3), "b": normal(0, 3)})
    info = fisher_information(problem, {"a": 1.0, "b": 2.0})
    assert not info.full_rank
    assert info.share == pytest.approx([0.5, 0.5], abs=1e-3)
    assert info.words() == ["a and b trade off: only a + b is determined."]


def test_a_product_is_all_that_is_determined(toys):
    problem = toy("product", {"a": lognormal(1, 3), "b": lognormal(1, 2)})
    info = fisher_information(problem, {"a": 1.3, "b": 0.7})
    (words,) = info.words()
    assert words == "a and b trade off: only a · b is determined."


def test_a_parameter_that_nothing_depends_on(toys):
    problem = toy("line", {"a": normal(0, 3), "b": normal(0, 1)}, READ.assign(x=0.0))
    info = fisher_information(problem, {"a": 1.0, "b": 0.0})
    assert info.words() == ["b is not determined by these data; what was known before decides."]
    assert info.share[1] == pytest.approx(0, abs=1e-12)


def test_everything_determined_needs_no_words(line):
    table = pd.DataFrame({"x": [0.0, 1.0], "V_m_mV": [1.0, 2.0], "V_m_sem_mV": 0.1})
    problem = toy("line", {"a": normal(0, 3), "b": normal(0, 1)}, table)
    info = fisher_information(problem, {"a": 1.0, "b": 0.0})
    assert info.full_rank and info.words() == []


def test_a_blank_reading_informs_of_nothing(line):
    table = read_table(pd.DataFrame({"x": [0.0, 1.0], "V_m_mV": [1.0, np.nan], "V_m_sem_mV": [0.1, np.nan]}),
                       quantities=("x",))  # fmt: skip
    problem = make_problem(table, {"a": normal(0, 3), "b": normal(0, 1), "extra_V_m": 0.0}, model="line")
    info = fisher_information(problem, {"a": 1.0, "b": 0.0})
    assert info.matrix[1, 1] == 0 and info.matrix[0, 0] == pytest.approx(900)


def test_names_of_pooled_and_levelled_elements(toys):
    table = READ.assign(cell=["p", "q", "p"])
    problem = toy("total", {"a": Latent(normal(0, 3), by="cell", pooled=True), "b": normal(0, 1)}, table)
    assert problem.layout.site_names == ("a_mean", "a_spread", "a_z[p]", "a_z[q]", "b")
    info = fisher_information(
        problem, {"a_mean": 0.0, "a_spread": 1.0, "a_z": np.array([0.5, -0.5]), "b": 0.0}
    )
    assert info.matrix.shape == (5, 5) and info.matrix[2, 3] == 0


# -- words of a matrix made up: what is open along one direction ------------------------------------------


def open_along(v, *, names, slope, positive):
    """Information that says much in every direction but one."""
    v = np.array(v) / np.linalg.norm(v)
    matrix = 1e4 * (np.eye(len(v)) - np.outer(v, v))
    return Information.of(names, matrix, np.array(slope), np.array(positive))


@pytest.mark.parametrize("sign", [1, -1])
def test_three_that_move_together_are_told_by_factors_of_one_and_a_half_and_steps(sign):
    info = open_along(
        sign * np.array([1.0, 2.0, -1.0]),
        names=["a", "b", "c"],
        slope=[0.5, 0.5, 3.0],
        positive=[True, True, False],
    )
    (trade,) = info.trade_offs()
    # b moves by a factor of 1.5, a by its root, and c by 3·ln 1.5 steps: either way along the direction
    up = "moving a × 1.2, b × 1.5, c -1.2 together"
    down = "moving a × 0.82, b × 0.67, c +1.2 together"
    assert trade.moving in (up, down) and trade.names == ("a", "b", "c") and trade.fixed == ""
    assert trade.words() == f"a, b and c trade off: {trade.moving} changes next to nothing that was read."


def test_three_of_no_sign_are_told_by_steps_alone():
    info = open_along([1.0, 2.0, -1.0], names=["a", "b", "c"], slope=[0.5, 0.5, 3.0], positive=[False] * 3)
    (trade,) = info.trade_offs()
    root = np.sqrt(6)
    steps = [0.5 / root, 1.0 / root, -3 / root]
    either = [
        f"moving {', '.join(f'{n} {significant(k * x, 2, sign=True)}' for n, x in zip('abc', steps, strict=True))} together"
        for k in (1, -1)
    ]
    assert trade.moving in either


@pytest.mark.parametrize(
    ("v", "slope", "positive", "fixed"),
    [
        ([1.0, -1.0], [1.0, 1.0], [False, False], "a + b"),
        ([1.0, 1.0], [1.0, 1.0], [False, False], "a − b"),
        ([1.0, -1.0], [1.0, 2.0], [False, False], "a + 0.5·b"),
        ([1.0, -1.0], [1.0, 1.0], [True, True], "a · b"),
        ([1.0, -1.0], [1.0, 2.0], [True, True], "a · b^0.5"),
        ([1.0, 1.0], [1.0, 1.0], [True, True], "a · b^-1"),
        ([1.0, -1.0], [1.0, 1.0], [True, False], "ln a + b"),
        ([1.0, -1.0], [2.0, 1.0], [False, True], "0.5·a + ln b"),
    ],
)
def test_what_of_two_stays_determined(v, slope, positive, fixed):
    info = open_along(v, names=["a", "b"], slope=slope, positive=positive)
    (trade,) = info.trade_offs()
    assert trade.fixed == fixed and trade.words() == f"a and b trade off: only {fixed} is determined."


def test_the_prior_alone_decides_of_what_nothing_was_read():
    info = open_along([1.0, 0.0], names=["a", "b"], slope=[1.0, 1.0], positive=[False, False])
    assert info.words() == ["a is not determined by these data; what was known before decides."]
    assert not info.full_rank and info.trade_offs() == []
    pooled = open_along([1.0, 0.0], names=["a_z[p]", "b"], slope=[1.0, 1.0], positive=[False, False])
    assert pooled.words() == ["Single levels of a are set by their population, not by their own data."]


@pytest.mark.parametrize(
    ("v", "partners", "words"),
    [
        ([1.0, 0.1, -0.5, 0.2], (2,), "in the combination 0.5·a + c"),
        ([1.0, 0.4, -0.5, 0.2], (2, 1), "together with b and c"),
        ([1.0, 0.4, -0.5, 0.6], (3, 2, 1), "together with b, c and d"),
        ([1.0, 0.1, 0.0, -0.2], (3,), "in the combination 0.2·a + d"),  # the nearest, where none is near
    ],
)
def test_what_trades_off_with_one(v, partners, words):
    info = Information.of(list("abcd"), np.eye(4), np.ones(4), np.zeros(4, bool))
    assert info.combination(0, np.array(v)) == (partners, words)
