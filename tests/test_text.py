"""Numbers as a reader gets them: the same digits, signs and blanks wherever they are printed."""

import doctest
import math

import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak import text as module
from pumpleak.reports.document import cell_text
from pumpleak.reports.html import raised
from pumpleak.text import (
    decimals_of,
    fixed,
    interval,
    listing,
    minus,
    percent,
    plain,
    significant,
    tabulated,
)

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, jnp.asarray], ids=lambda f: f.__name__)
def test_of_whatever_holds_a_number(kind):
    x = kind(-72.625)
    assert significant(x) == "-72.6" and cell_text(x) == "−72.6"
    assert fixed(x, 1) == "-72.6" and fixed(x, 2) == "-72.62"
    assert tabulated(float(x), 1) == "−72.6" and percent(kind(0.25)) == "25 %"


@pytest.mark.parametrize(
    "x, digits, text",
    [(0.0298, 2, "0.03"), (1234.5, 3, "1.23e+03"), (1234.5, 6, "1234.5"), (2e-5, 3, "2e-05"), (7, 3, "7")],
)
def test_significant_digits(x, digits, text):
    assert significant(x, digits) == text
    assert significant(x, digits, sign=True) == f"+{text}"
    assert significant(-x, digits, sign=True) == significant(-x, digits) == f"-{text}"


def test_what_rounds_to_nothing_has_no_sign_of_its_own():
    assert (
        fixed(-0.04, 1) == "0.0"
        and significant(-0.0) == cell_text(-0.0) == "0"
        and tabulated(-0.04, 1) == "0.0"
    )
    assert fixed(-0.0, 1, sign=True) == "+0.0" and significant(-0.0, sign=True) == "+0"
    assert fixed(-0.04, 1, sign=True) == "-0.0"  # asked for, the sign says which way


def test_a_table_has_a_dash_where_a_sentence_says_nan():
    assert cell_text(None) == cell_text(NAN) == "—" and interval(NAN, 1.0) == interval(0.0, None) == ""
    assert significant(NAN) == fixed(NAN, 2) == "nan" and percent(NAN) == "nan %"
    assert tabulated(None) == tabulated(NAN) == "—"


def test_infinity():
    for text in (significant, cell_text, tabulated, lambda x: fixed(x, 2)):
        assert text(INF) == "∞" and text(-INF) == "−∞"
    assert fixed(INF, 1, sign=True) == "+∞" and interval(1.0, INF) == ""


def test_a_table_s_cell_that_is_no_number():
    assert [cell_text(x) for x in (True, np.False_, "K_o", np.int64(60000))] == ["yes", "no", "K_o", "60,000"]


def test_percent_is_as_format_has_it():
    for share in (0.0, 0.005, 0.0167, 0.5, 0.95, 0.999, 1.0):
        for decimals in (0, 1, 2):
            assert percent(share, decimals, close=True) == f"{share:.{decimals}%}"
            assert percent(share, decimals) == f"{share:.{decimals}%}".replace("%", " %")


def test_interval():
    assert interval(-72.625, 0.0171) == "-72.6 … 0.0171" and interval(1234.5, 2e4, 5) == "1234.5 … 20000"


@pytest.mark.parametrize(
    "text, true",
    [
        ("-70 mV", "−70 mV"),
        ("(-0.5 to -0.2)", "(−0.5 to −0.2)"),
        ("lab-2, 3-5 cells, a.b-1, K[1]-2", "lab-2, 3-5 cells, a.b-1, K[1]-2"),
        ("1e-05", "1e-05"),
        ("- and -K", "- and -K"),
    ],
)
def test_minus(text, true):
    assert minus(text) == true


@pytest.mark.parametrize(
    "x, decimals, text, marked",
    [
        (-72.625, 1, "−72.6", "−72.6"),
        (0.0298, None, "0.0298", "0.0298"),
        (130.0, None, "130", "130"),
        (0, None, "0", "0"),
        (-1.2e-5, None, "−1.20 × 10^−5", "−1.20 × 10<sup>−5</sup>"),
        (1.2e-5, 4, "0.0000", "0.0000"),
        (1.2e-5, 7, "1.20 × 10^−5", "1.20 × 10<sup>−5</sup>"),
        (123456.0, 1, "1.23 × 10^5", "1.23 × 10<sup>5</sup>"),
    ],
)
def test_a_page_s_table_and_its_markup(x, decimals, text, marked):
    assert tabulated(x, decimals) == text
    assert str(raised(tabulated(x, decimals))) == marked


@pytest.mark.parametrize(
    "sd, decimals", [(3.0, 1), (30.0, 0), (0.02, 3), (1e-12, 8), (0.0, 2), (NAN, 2), (INF, 2)]
)
def test_decimals_that_an_error_deserves(sd, decimals):
    assert decimals_of(sd) == decimals


def test_the_examples_run():
    found = doctest.testmod(module)
    assert found.attempted > 5 and not found.failed


def test_listing_and_plain():
    assert listing(["a"]) == "a" and listing(["a", "b", "c"]) == "a, b and c"
    assert listing(list("abcde"), 2) == "a, b and 3 more" and listing(list("abc"), 2) == "a, b and c"
    assert plain({1: (NAN, np.arange(2)), "x": [INF]}) == {"1": [None, [0, 1]], "x": [None]}
