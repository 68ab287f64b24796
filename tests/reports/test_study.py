"""A study: written whole, read back alike, shown in words, tables and figures, escaped in its page."""

import json
import math
import re
from dataclasses import replace

import pytest

from pumpleak import InputError, Study, load_dataset, load_study, lognormal, make_problem
from pumpleak.reports.document import Document, Picture, Table
from pumpleak.reports.html import render
from pumpleak.reports.provenance import origin


def draw():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    return figure


@pytest.fixture(scope="module")
def study():
    table = Table.of(
        "What is <b>known</b>",
        ["parameter", ("sd", "mV")],
        [("<i>x</i>", 0.123456), ("y", math.nan)],
        "A note.",
    )
    picture = Picture.of("spectrum", "How far <down>", draw)
    return Study(
        "identify",
        "A & B",
        "The data say <nothing>.",
        ("One.",),
        (table,),
        (picture,),
        {"x": [1.0, math.inf]},
    )


def test_saved_and_read_back(study, tmp_path):
    study.save(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "report.html",
        "spectrum.png",
        "spectrum.svg",
        "study.json",
    ]
    again = load_study(tmp_path / "out")
    assert again.words() == study.words() and again.pictures == study.pictures
    assert again.tables[0].rows == (("<i>x</i>", 0.123456), ("y", None))
    assert again.numbers == {"x": [1.0, None]}
    assert json.loads((tmp_path / "out" / "study.json").read_text())["tables"][0]["columns"][1] == {
        "name": "sd", "unit": "mV",
    }  # fmt: skip


def test_names_from_data_are_escaped(study, tmp_path):
    page = (study.save(tmp_path / "out") / "report.html").read_text()
    for bad in ("<i>x</i>", "<nothing>", "<b>known</b>", "<down>"):
        assert bad not in page
    assert "0.123" in page and "data:image/svg+xml;base64," in page


def test_nothing_else_is_replaced(study, tmp_path):
    out = study.save(tmp_path / "out")
    with pytest.raises(InputError, match="exists already"):
        study.save(out)
    study.save(out, force=True)
    (out / "mine.txt").write_text("")
    with pytest.raises(InputError, match=r"mine\.txt"):
        study.save(out, force=True)


@pytest.mark.parametrize("spoil", ["nothing", "truncated", "no picture"])
def test_what_is_not_a_study_is_said(study, tmp_path, spoil):
    out = study.save(tmp_path / "out")
    if spoil == "nothing":
        (out / "study.json").unlink()
    if spoil == "truncated":
        (out / "study.json").write_text((out / "study.json").read_text()[:40])
    if spoil == "no picture":
        (out / "spectrum.png").unlink()
    with pytest.raises(InputError, match="study"):
        load_study(out)


def test_a_frame_has_units(study):
    assert list(study.tables[0].frame().columns) == ["parameter", "sd [mV]"]


def test_a_folder_of_an_earlier_version_is_read_and_shown(study, tmp_path):
    out = study.save(tmp_path / "out")
    (out / "spectrum.svg").unlink()
    data = json.loads((out / "study.json").read_text())
    del data["origins"]
    (out / "study.json").write_text(json.dumps(data))
    old = load_study(out)
    assert old == replace(study, tables=old.tables, numbers=old.numbers) and old.origins == ()
    assert "data:image/png;base64," in render(old.document())


def test_a_page_has_the_way_around_symbols_and_where_it_is_from(study):
    known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
    problem = make_problem(load_dataset("textbook_resting"), known)
    table = Table.of("Ratios", ["ratio", "best"], [("P_Na_rel", 0.03)])
    found = replace(
        study, verdict="P_Na/P_K is known.", tables=(table,), pictures=(), origins=(origin(problem, 7),)
    )
    page = render(found.document())
    assert re.findall('<section id="(.*?)">', page) == ["verdict", "table-1", "provenance"]
    assert page.count('<span class="sym" title="P_Na_rel">P<sub>Na</sub>/P<sub>K</sub></span>') == 2
    assert page.count('<span class="code">P_Na_rel</span>') == 1
    for part in (
        'href="#table-1"',
        problem.measurements.sha256,
        "<dt>Seed</dt><dd>7</dd>",
        "textbook_resting",
    ):
        assert part in page, part


def test_as_a_section_of_another_page(study):
    section = study.section()
    assert section.id == "identify" and section.detail
    page = render(Document("t", "h", sections=(section,)))
    assert (
        page.count('class="banner') == 2 and "The data say &lt;nothing&gt;." in page and "<h3>What is" in page
    )
