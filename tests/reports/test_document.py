"""A document: one description that a terminal, a page and JSON show alike, made without anything heavy."""

import json
import math
import re
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from pumpleak import make_problem, read_table
from pumpleak.cli.terminal import show
from pumpleak.inference.answer import Estimate, answer
from pumpleak.reports.cell_documents import course_document, sweep_document
from pumpleak.reports.document import (
    Code,
    Document,
    Label,
    Marked,
    Name,
    Number,
    Picture,
    Section,
    Share,
    Span,
    Table,
    cell_text,
    lines,
)
from pumpleak.reports.html import render
from pumpleak.reports.problem_documents import predict_document

CELLS = {
    Name("P_Na_rel"): "P_Na_rel",
    Label("lab -3"): "lab -3",
    "at -3 mV": "at −3 mV",
    Number(-72.594, 1): "−72.6",
    Number(0.0298, digits=2): "0.030",
    Span(0.01711, 0.0787): "0.0171 … 0.0787",
    Span(1.0, math.nan): "—",
    Share(-0.12): "−12 %",
    Share(-0.001): "0 %",
    60000: "60,000",
    math.nan: "—",
    None: "—",
}


@pytest.fixture
def document():
    table = Table.of(
        "Numbers", ["what", ("value", "mV"), "small"], [(Name("P_Na_rel"), -72.594, 1.2e-5)], "P_Na_rel: -1."
    )
    detail = Section("more", "More", (Table.of("Detail", ["x"], [("only on the page",)]),), detail=True)
    return Document(
        "A cell", "It rests at -72.6 mV. P_Na_rel 0.0298.", status="good", label="Usable",
        findings=lines("One at -3 mV: `--set V=-3`."), sections=(Section("numbers", "Numbers", (table,)), detail),
        names=("P_Na_rel",), data={"value": -72.594, "none": math.nan},
    )  # fmt: skip


@pytest.mark.parametrize(("cell", "text"), CELLS.items())
def test_cells(cell, text):
    assert cell_text(cell) == text


def test_a_terminal_has_the_headline_first_then_findings_and_tables(document, capsys):
    show(document, closing=["Written."])
    out = capsys.readouterr().out
    parts = ("It rests at −72.6 mV. P_Na_rel 0.0298.", "• One at −3 mV: `--set V=-3`.", "Numbers", "value [mV]",
             "−72.6", "1.20 × 10⁻⁵", "P_Na_rel: −1.", "Written.")  # fmt: skip
    at = [out.index(p) for p in parts if p != "−72.6"]
    assert at == sorted(at) and out.startswith(parts[0]) and out.count("−72.6") == 2
    assert "only on the page" not in out


def test_a_page_has_the_same_numbers_and_symbols(document):
    page = render(document)
    text = re.sub(r"<[^>]+>", "", page.split("<main>")[1])
    for part in (
        "It rests at −72.6 mV.",
        "PNa/PK 0.0298",
        "One at −3 mV: --set V=-3.",
        "1.20 × 10−5",
        "only on the page",
    ):
        assert part in text, part
    assert (
        '<th class="l" scope="row"><span class="sym" title="P_Na_rel">' in page
        and "P_Na_rel</span></th>" in page
    )
    assert re.findall('<section id="(.*?)">', page) == ["verdict", "numbers", "more"]
    assert all(f'href="#{name}"' in page for name in ("verdict", "numbers", "more"))


def test_json_is_the_data(document, capsys):
    show(document, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == {"headline": document.headline, "value": -72.594, "none": None}
    assert next(iter(found)) == "headline"


def test_a_row_with_a_marked_cell_is_marked():
    rows = [("a", Number(1.0, marked=True)), ("b", 2.0), (Marked("c"), 3.0)]
    page = render(Document("t", "h", sections=(Section("s", "S", (Table.of("S", ["x", "y"], rows),)),)))
    assert page.count('<tr class="flag">') == 2 and page.count('class="hot"') == 1


def test_names_are_not_taken_for_markup():
    bad = "<b>`x`</b>"
    code = Section("s", bad, (Code(bad, bad), bad, Table.of(bad, [(bad, bad)], [(Label(bad),)])))
    assert "<b>" not in render(Document(bad, bad, "good", bad, bad, lines(bad), (code,), (bad,)))


def test_a_picture_is_drawn_when_it_is_looked_at():
    from matplotlib.figure import Figure

    drawn = []
    picture = Picture.of("p", "A picture", lambda: drawn.append(1) or Figure(figsize=(1, 1)))
    document = Document("t", "h", sections=(Section("s", "S", (picture,)),))
    show(document)
    assert not drawn
    assert "data:image/svg+xml;base64," in render(document) and len(drawn) == 1
    assert picture.png is picture.png and picture.png.startswith(b"\x89PNG") and len(drawn) == 2


def test_the_answer_is_of_ratios_and_of_few():
    def of(name, known):
        return Estimate(name, "mM" if name == "K_i" else "1", 0.0298, 0.018, 0.05, 3, known)

    assert answer([of("K_i", 0.9), of("P_Na_rel", 0.5)], "K") == "P_Na/P_K 0.030 (0.018 … 0.050)"
    assert answer([of("K_i", 0.9)], "K") == "K_i 0.030 mM (0.018 … 0.050)"
    warm = Estimate("T", "K", 294.15, 292.15, 296.15, 1, 0.9)
    assert answer([warm], "K") == "T 21.0 °C (19.0 … 23.0)"
    many = answer([of(f"P_Na_rel[{k}]", k / 10) for k in range(6)], "Cl")
    assert many.startswith("P_Na/P_Cl (5) ") and many.endswith("; and 3 more")


def test_small_potentials_keep_four_digits():
    potentials = {
        "V_m_reading_mV": -70.912,
        "V_m_reading_low_mV": -71.0,
        "V_m_reading_high_mV": -70.8,
        "V_m_read_mV": float("nan"),
        "V_m_mV": -0.36081,
        "V_m_low_mV": -1.2345,
        "V_m_high_mV": 0.40694,
    }
    table = pd.DataFrame(
        [potentials | {"E_K_mV": 0.40694, "E_K_low_mV": 0.1, "E_K_high_mV": 0.9, "no_answer": 0.0}],
        index=["a"],
    )
    row = {"T_K": 300.0, "K_o_mM": 5.0, "K_i_mM": 140.0, "V_m_mV": -70.0}
    problem = make_problem(read_table(pd.DataFrame([row])), {"sigma_V_m": 1.0}, model="nernst", ions=["K"])
    sections = predict_document(table, problem, "the prior").sections
    rows = [[cell_text(c) for c in section.blocks[0].rows[0]] for section in sections]
    assert rows[0] == ["a", "V_m", "—", "−70.91", "−71.00 … −70.80", "mV"]
    assert rows[1] == ["a", "−0.3608", "−1.234 … 0.4069", "0.4069"]
    swept = pd.DataFrame(
        [{"K_o_mM": 5.0, "V_m_mV": -0.36081, "volume_rel": 1.0, "status": "ok", "lysis": False}]
    )
    (row,) = sweep_document(swept, "K_o_mM", "t", "v", ()).sections[0].blocks[0].rows
    assert cell_text(row[1]) == "−0.3608"
    course = SimpleNamespace(
        table=lambda: pd.DataFrame({"t_s": [0.0, 1.0], "V_m_mV": [-0.36081, 0.40694], "volume_rel": 1.0}),
        V_m=[-0.36081, 0.40694], volume=[1.0, 1.0], ended="duration", end=1.0, events=(), charge="neutral",
    )  # fmt: skip
    rows = course_document(course, "t", (), {"text": "It stays."}).sections[0].blocks[0].rows
    assert [cell_text(r[1]) for r in rows] == ["−0.3608", "0.4069"]


def test_documents_need_nothing_heavy():
    code = (
        "import sys\n"
        "import pumpleak.reports.problem_documents, pumpleak.reports.preset_documents, pumpleak.cli.terminal\n"
        "heavy = ('matplotlib', 'jinja2', 'jax', 'xarray', 'pandas', 'arviz_base', 'numpy')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
