"""Tables whose right values are known, spelled at random: the right value, or a refusal that names the cell; never another."""

import re

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumpleak.data.cell_table import CellTable
from pumpleak.data.measurements import read_table
from pumpleak.errors import InputError
from pumpleak.quantities.numbers import DASHES

DIGITS = {
    "K_o_uM": (1, 40_000),
    "V_m_mV": (-95_000, -21_000),
    "V_m_sem_mV": (600, 4_000),
}  # in thousandths for V_m, sem


@st.composite
def numbers(draw, column):
    """A number and how many decimals it is written with."""
    low, high = DIGITS[column]
    if column == "K_o_uM":
        decimals = draw(st.sampled_from([0, 0, 1, 3]))
        return draw(st.integers(low, high)) if not decimals else round(
            draw(st.integers(low, high)) / 10**decimals, decimals
        ), decimals
    decimals = draw(st.integers(0, 3))
    return round(draw(st.integers(low, high)) / 1000, decimals), decimals


@st.composite
def written(draw, value, decimals, style):
    """A number as a person of one country writes it; every fifth one oddly."""
    mark, thousands = style
    text = f"{abs(value):,.{decimals}f}".replace(",", "T").replace(".", mark).replace("T", thousands)
    sign = draw(st.sampled_from(["-", "-", *DASHES])) if value < 0 else ""
    odd = draw(st.integers(0, 9))
    if odd == 0:
        return draw(
            st.sampled_from([f" {sign}{text}", f"{sign}{text} ", f"\u00a0{sign}{text}", f"{sign}{text}"])
        )
    if odd == 1:
        return draw(
            st.sampled_from(
                [
                    f"{sign} {text}",
                    f"'{sign}{text}",
                    f"{sign}{text}*",
                    f"~{sign}{text}",
                    f"{sign}{text} (3)",
                    f"{sign}{text} ± 2",
                ]
            )
        )
    return sign + text


@st.composite
def tables(draw):
    """The right values, and a file of them."""
    columns = list(DIGITS)
    size = draw(st.integers(1, 4))
    right = {c: [draw(numbers(c)) for _ in range(size)] for c in columns}
    style = draw(
        st.sampled_from([(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", " "), (".", "'")])
    )
    separator = draw(st.sampled_from([",", ";", "\t"]))
    quoted = draw(st.booleans())
    lines = [separator.join(["cell", *columns, "note"])]
    for i in range(size):
        fields = [
            f"c{i // 2}",
            *(draw(written(*right[c][i], style)) for c in columns),
            draw(st.sampled_from(["", "ok"])),
        ]
        if quoted:
            fields = [f'"{f}"' if separator in f else f for f in fields]
        lines.append(separator.join(fields))
    said = draw(st.sampled_from(["", f"sep={separator}\n", "# made up\n"])) if separator != "\t" else ""
    return {c: [value for value, _ in right[c]] for c in columns}, said + "\n".join(lines) + "\n"


def check(read, right, text):
    try:
        got = read()
    except InputError as error:
        message = str(error)
        assert re.search(r"row \d", message) and error.mend, message
        assert not re.search("leave .*blank", message, re.IGNORECASE), message
        return
    for (name, values), found in zip(right.items(), got, strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-12, err_msg=f"{name} of\n{text}")


def from_one(source):
    m = read_table(source)
    return m.quantities["K_o"] * 1000, m.value, m.sem


def from_many(source):
    (rows,) = CellTable.open(source, observables=("V_m",)).chunks(99)
    for bad in rows.bad:
        raise InputError(bad.message, mend="as it says")
    return rows.quantities["K_o"] * 1000, rows.readings["V_m"].value, rows.readings["V_m"].sem


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_the_right_value_or_a_refusal(tmp_path_factory, drawn):
    right, text = drawn
    path = tmp_path_factory.mktemp("spelled") / ("t.tsv" if "\t" in text else "t.csv")
    path.write_text(text, encoding="utf-8")
    check(lambda: from_one(path), right, text)
    check(lambda: from_many(path), right, text)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_the_same_as_texts_of_a_program(tmp_path_factory, drawn):
    right, text = drawn
    lines = [line for line in text.splitlines() if not line.startswith(("#", "sep="))]
    mark = next(m for m in ";\t," if m in lines[0])
    if any(len(line.split(mark)) != len(lines[0].split(mark)) for line in lines):
        return
    header, *rows = [line.split(mark) for line in lines]
    frame = pd.DataFrame([[cell.strip('"') for cell in row] for row in rows], columns=header)
    path = tmp_path_factory.mktemp("spelled") / "t.parquet"
    frame.to_parquet(path)
    for source in (frame, path):
        check(lambda source=source: from_one(source), right, text)
        check(lambda source=source: from_many(source), right, text)


def test_plain_tables_of_every_country_are_read(tmp_path):
    for separator, mark in ((",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ",")):
        text = "K_o_mM,V_m_mV,V_m_sem_mV\n2.5,-84.1,1.2\n10,-63.25,0.8\n"
        path = tmp_path / "t.csv"
        path.write_text(text.replace(".", "P").replace(",", separator).replace("P", mark))
        m = read_table(path)
        assert list(m.quantities["K_o"]) == [2.5, 10] and list(m.value) == [-84.1, -63.25]
