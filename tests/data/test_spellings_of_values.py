"""Tables whose right values are known, spelled at random: the right value, or a refusal that names the cell; never another."""

import re
import warnings

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumpleak.data.cell_table import CellTable
from pumpleak.data.measurements import read_table
from pumpleak.errors import InputError, InputWarning
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


#: How people head a column, and what one of its numbers is in the unit above.
HEADERS = {
    "K_o_uM": {
        "K_o_uM": 1,
        "[K+]o (µM)": 1,
        "[K⁺]ₒ / uM": 1,
        "K out (µmol/L)": 1,
        "Ko_nM": 1e-3,
        "bath K+ (nM)": 1e-3,
    },
    "V_m_mV": {"V_m_mV": 1, "Vm (mV)": 1, "RMP [mV]": 1, "membrane potential / mV": 1, "V_m_uV": 1e-3},
    "V_m_sem_mV": {"V_m_sem_mV": 1, "SEM": 1, "Vm SEM (mV)": 1, "s.e.m. (mV)": 1},
}
#: What is never read as one of these.
OTHERS = {
    "K_o_uM": [
        "K_o",
        "log K_o (µM)",
        "-K_o (µM)",
        "KCl (µM)",
        "Δ[K+]o (µM)",
        "K_o (x10 µM)",
        "K pipette (µM)",
        "K_o² (µM)",
    ],
    "V_m_mV": [
        "Vm",
        "-Vm (mV)",
        "|Vm| (mV)",
        "V_p (mV)",
        "ΔVm (mV)",
        "Vm (x10 mV)",
        "V_hold (mV)",
        "Vm−E_K (mV)",
    ],
    "V_m_sem_mV": ["SEM (%)", "2×SEM (mV)", "V_m_sem (µM)", "SEM²", "V_m_sem"],
}
FOOTERS = ["mean", "Average", "Mean ± SEM", "WT mean", "c0 mean", "mean of c0", "KO_average", "Mittelwert"]


@st.composite
def headers(draw):
    """For each column its name and the factor of its numbers; None: nothing may be read under it."""
    odd = draw(st.sampled_from([None] * 9 + list(DIGITS)))
    usual = {c: draw(st.sampled_from(list(HEADERS[c].items()))) for c in DIGITS}
    if usual["V_m_mV"][0] == "V_m_uV" and usual["V_m_sem_mV"][0] == "SEM":  # it has the unit of its reading
        usual["V_m_sem_mV"] = ("SEM", 1e-3)
    return usual | ({odd: (draw(st.sampled_from(OTHERS[odd])), None)} if odd else {})


@st.composite
def tables(draw):
    """The right values, None where nothing may be read, and a file of them."""
    names = draw(headers())
    size = draw(st.integers(1, 4))
    right = {c: [draw(numbers(c)) for _ in range(size)] for c in DIGITS}
    blank = {(c, i) for c in ("K_o_uM", "V_m_sem_mV") for i in range(1, size) if draw(st.integers(0, 7)) == 0}
    style = draw(
        st.sampled_from([(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", " "), (".", "'")])
    )
    separator = draw(st.sampled_from([",", ";", "\t"]))
    quoted = draw(st.booleans())
    groups = draw(st.lists(st.sampled_from(["WT", "wt", "WT ", "KO", "к o"]), min_size=size, max_size=size))
    rows = [["cell", "genotype", *(names[c][0] for c in DIGITS), "note"]]
    for i in range(size):
        values = ["" if (c, i) in blank else draw(written(*right[c][i], style)) for c in DIGITS]
        rows.append([f"c{i // 2}", groups[i], *values, draw(st.sampled_from(["", "ok"]))])
    footer = draw(st.sampled_from([None] * 9 + FOOTERS))
    if footer:
        rows.append([footer, "", *rows[-1][2:]])
    quote = lambda f: f'"{f}"' if quoted and separator in f else f  # noqa: E731
    lines = [separator.join(map(quote, row)) for row in rows]
    said = draw(st.sampled_from(["", f"sep={separator}\n", "# made up\n"])) if separator != "\t" else ""
    readable = not footer and all(factor is not None for _, factor in names.values())
    values = {
        c: [np.nan if (c, i) in blank else x * (names[c][1] or 1) for i, (x, _) in enumerate(right[c])]
        for c in DIGITS
    }
    return values if readable else None, said + "\n".join(lines) + "\n"


def check(read, right, text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            got = read()
    except InputError as error:
        message = str(error)
        assert re.search(r"row \d|column \S", message) and error.mend, message
        assert not re.search("leave .*blank", message, re.IGNORECASE), message
        return
    assert right is not None, f"read as {got}:\n{text}"
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
