"""YAML as people write it: a number is a number or is refused with the right way to write it, never another number."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pumpleak import InputError, load_problem
from pumpleak.cell.load import load_cell
from pumpleak.files.yaml_lines import read_yaml
from pumpleak.files.yaml_scalars import PlainLoader, as_number
from pumpleak.quantities.numbers import odd_number

TABLE = "K_o_mM,V_m_mV\n4,-77\n8,-68\n"
CONFIG = """\
model: mullins_noda
ions: [K, Na]
data: cells.csv
quantities:
  T_degC: 37
  P_Na_rel: {prior: lognormal, median: 0.04, factor: 3}
  K_i_mM: 140
  Na_i_mM: 12
  Na_o_mM: 145
  r: 1.5
  sigma_V_m_mV: 2
sampler: {draws: 1000, target_accept: 0.9}
"""

#: What is written, and what it should have been; None where nobody can say.
ODD = {
    "3:2": 1.5,
    "3/2": 1.5,
    "1:25": 0.04,
    "2:30:10": None,
    "010": 10.0,
    "0145": 145.0,
    "-0100": -100.0,
    "00.5": 0.5,
    "0x1F": 31.0,
    "0b11": 3.0,
    "0o17": 15.0,
    "1_000": 1000.0,
    "2_500.5": 2500.5,
    "0,05": 0.05,
    "12,5": 12.5,
    "1,000": None,
    ".inf": None,
    "-.Inf": None,
    ".nan": None,
    "inf": None,
    "yes": None,
    "on": None,
    "off": None,
    "true": None,
    "2024-01-02": None,
    "１０": 10.0,
    "much": None,
}
#: Places for numbers in the config, as (old, new).
PLACES = {
    "quantities.K_i_mM": ("K_i_mM: 140", "K_i_mM: {}"),
    "quantities.r": ("r: 1.5", "r: {}"),
    "quantities.P_Na_rel.median": ("median: 0.04, factor: 3", "factor: 3, median: {}"),
    "quantities.sigma_V_m_mV": ("sigma_V_m_mV: 2", "sigma_V_m_mV: {{prior: halfnormal, sd: {}}}"),
    "sampler.draws": ("draws: 1000", "draws: {}"),
    "sampler.target_accept": ("target_accept: 0.9", "target_accept: {}"),
}


@pytest.fixture
def write(tmp_path):
    (tmp_path / "cells.csv").write_text(TABLE)

    def write(text):
        (tmp_path / "cells.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "cells.yaml"

    return write


@pytest.mark.parametrize("written", ODD)
@pytest.mark.parametrize("key", PLACES)
def test_no_odd_number_is_read_anywhere(write, key, written):
    old, new = PLACES[key]
    assert old in CONFIG
    with pytest.raises(InputError) as refused:
        load_problem(write(CONFIG.replace(old, new.format(written))))
    said = str(refused.value)
    assert f"cells.yaml, line {1 + CONFIG[: CONFIG.index(old)].count(chr(10))}" in said and "\n" not in said
    assert key in said or key.split(".")[-1] in said


@pytest.mark.parametrize(("written", "right"), [(w, r) for w, r in ODD.items() if r is not None])
def test_the_mend_gives_the_right_number(written, right):
    _, mend = odd_number(written)
    assert float(mend.removeprefix("Write ")) == pytest.approx(right, rel=1e-5)
    assert as_number(mend.removeprefix("Write ")) == pytest.approx(right, rel=1e-5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("K_i_mM: 140", "K_i_mM: {}"),
        ("K_i_mM: 140", "K_i_mM: {{prior: normal, mean: {}, sd: 5}}"),
        ("sigma_V_m_mV: 2", "sigma_V_m_mV: {}"),
    ],
)
def test_no_ratio_is_made_of_what_is_none(write, old, new):
    with pytest.raises(InputError, match="'140/150' is two numbers. Write the one that is meant"):
        load_problem(write(CONFIG.replace(old, new.format("140/150"))))


def test_a_mend_of_two_numbers_and_of_a_range_is_accepted(write):
    for text, mend in (("150 (5)", "150 ± 5"), ("[140-160]", "{prior: uniform, lower: 140, upper: 160}")):
        with pytest.raises(InputError, match="Write .*" + mend.replace("{", r"\{")):
            load_problem(write(CONFIG.replace("K_i_mM: 140", f'K_i_mM: "{text}"')))
        known = load_problem(write(CONFIG.replace("K_i_mM: 140", f"K_i_mM: {mend}")))
        assert "K_i" in [p.name for p in known.parameters]


def test_a_comma_that_means_two_things_offers_both():
    assert odd_number("1,000") == (
        "'1,000' has a comma that may stand for a point or for thousands",
        "Write 1.000 or 1000",
    )


@pytest.mark.parametrize(
    "written", ["140", "140.", "1.4e2", "+140", "1.4E+2", "'140'", "1400e-1", "140 mM", "140.0"]
)
def test_a_number_is_decimal_digits_with_point_sign_and_exponent(write, written):
    key = "K_i" if "mM" in written else "K_i_mM"
    problem = load_problem(write(CONFIG.replace("K_i_mM: 140", f"{key}: {written}")))
    values = problem.values({p.name: 0.04 for p in problem.parameters})
    assert float(values["K_i"]) == 140.0


def test_a_decimal_comma_in_braces_is_no_second_key(write):
    text = CONFIG.replace("median: 0.04", "median: 0,04")
    with pytest.raises(InputError, match=r"line 6, .*median: '0,04' has a decimal comma. Write 0.04"):
        load_problem(write(text))
    load_problem(write(text.replace("0,04", "0.04")))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_prints_is_read_as_itself(x):
    text = f"a: {x!r}\nb: {x:.17e}\nc: {x:.3g}\n"
    raw = yaml.load(text, Loader=PlainLoader)
    assert (raw["a"], raw["b"], raw["c"]) == (x, x, float(f"{x:.3g}"))


@given(st.text("0123456789.:,_/xXbBoOeE+-", max_size=8))
def test_a_text_is_a_number_in_one_way_or_in_none(text):
    try:
        number = as_number(text)
    except InputError as refused:
        assert refused.mend
        return
    assert number == float(text) and math.isfinite(number) or abs(float(text)) == math.inf
    assert "_" not in text and not (text.lstrip("+-").startswith("0") and text.lstrip("+-")[1:2].isdigit())


def test_names_of_cells_may_look_like_numbers(write):
    text = CONFIG + "solutions:\n  yes: {K_o_mM: 4}\n  010: {K_o_mM: 8}\n  12:30: {K_o_mM: 2}\n"
    raw, _ = read_yaml(write(text), start="")
    assert list(raw["solutions"]) == ["yes", "010", "12:30"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a: !!float ""', "line 1: !!float says what kind of value follows"),
        ("a: !!python/object:os.system x", "!!python/object:os.system says what kind"),
        ('a: "\\ud800"', "line 1: .* holds a character that cannot be printed"),
        ('a: "\\0"', "holds a character that cannot be printed"),
        ("a: !<tag:yaml.org,2002:int> 3", "says what kind of value follows"),
        ("%YAML 9.9\n---\na: 1", "is not valid YAML"),
        ('a: "\\UFFFFFFFF"', "is not valid YAML"),
        ("a: 1\n5: x\n", None),
        ("a: " + 400 * "9", None),
        ("? [a, b]\n: 1", "is not valid YAML|not text"),
        ("a: {b: [1, 2}", "is not valid YAML"),
        ("a: " + "[" * 100 + "]" * 100, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused_in_a_line(tmp_path, text, words):
    file = tmp_path / "x.yaml"
    file.write_text(text, encoding="utf-8")
    if words is None:
        read_yaml(file, start="Begin")
        return
    with pytest.raises(InputError, match=words) as refused:
        read_yaml(file, start="Begin")
    assert str(refused.value).startswith(str(file)) and "\n" not in str(refused.value)


CELL = (
    "preset: neuron\nset:\n  K_o_mM: 10\n  pump: 0.3\ncell:\n  mechanisms:\n    leak_Na: {g_mS_cm2: 0.025}\n"
)


@pytest.mark.parametrize("written", ODD)
@pytest.mark.parametrize("old", ["K_o_mM: 10", "pump: 0.3", "g_mS_cm2: 0.025"])
def test_a_cell_file_reads_no_odd_number_either(tmp_path, old, written):
    file = tmp_path / "cell.yaml"
    key = old.split(":")[0]
    file.write_text(CELL.replace(old, f"{key}: {written}", 1), encoding="utf-8")
    with pytest.raises(InputError, match=key) as refused:
        load_cell(file)
    assert "\n" not in str(refused.value)
