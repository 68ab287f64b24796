"""Fisher information against closed forms, and the words that come of it."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import Latent, lognormal, make_problem, normal, read_table, uniform
from pumpleak.engines.fisher import fisher_information, mean_information

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
