"""The report of a batch: one page for any number of cells, whatever their ids, and one for a single cell."""

import base64
import math
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import norm

from pumpleak import InputError, load_problem
from pumpleak.batch.folder import Run, start_run
from pumpleak.batch.manifest import new_manifest
from pumpleak.batch.results import Batch, CellStatus, Rung, load_batch
from pumpleak.batch.store import FIELDS
from pumpleak.engines.gate import PROBABILITIES
from pumpleak.problem import priors
from pumpleak.problem.priors import prior_in
from pumpleak.reports import batch_page as batch_report
from pumpleak.reports import batch_reading
from pumpleak.reports.batch_figures import MAX_PANELS, on_log_axis
from pumpleak.reports.batch_page import brief_document, render_batch, report_batch
from pumpleak.reports.batch_reading import file_name, share
from pumpleak.reports.cell_page import cell_document, render_cell
from pumpleak.reports.document import Code
from pumpleak.reports.panels import FEW

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (SCRIPT, "../../x", r"a$b_c^d\e", "naïve 細胞 \u202e", "q\"'; rm -rf", "x\ny")
PARAMETERS = (
    ("P_Na_rel", "1", "median 0.05, factor 3"),
    ("K_i", "mM", "140 ± 15 above 0"),
    ("V_offset[<i>day</i> $1]", "mV", "0 ± 2"),
    ("sigma_V_m", "mV", "half-normal, sd 2"),
)
#: Posterior sd of each in units of its prior: determined, untouched, in between.
WIDTH = (0.2, 0.97, 0.5, 0.6)
N = 120
POPULATION = (
    "verdict", "status", "parameters", "cells", "outlying", "pairs", "diagnostics", "flagged", "provenance",
)  # fmt: skip
CELL = ("verdict", "parameters", "priors", "pairs", "again", "provenance")


def arrays_of(n, parameters=PARAMETERS, draws=40, seed=0):
    """Chunks of an engine whose posteriors are normal in the prior's z; the first cell lies far out."""
    rng, P = np.random.default_rng(seed), len(parameters)
    sizes = {"parameter": P, "probability": len(PROBABILITIES)}
    arrays = {
        k: np.full((n, *(sizes[d] for d in dims)), np.nan if dtype == "<f8" else 0, dtype)
        for k, (dtype, dims) in FIELDS.items()
    }
    arrays["draws"] = np.empty((n, draws, P), np.float32)
    for j, (_, _, text) in enumerate(parameters):
        law = (prior_in({"prior": text}) or priors.normal(0, 1)).scipy()
        sd = WIDTH[j % len(WIDTH)]
        z = 0.3 * rng.normal(size=n)
        z[0] = 3.0 if j == 0 else 0.0
        arrays["quantile"][:, j] = law.ppf(norm.cdf(z[:, None] + sd * ndtri(np.array(PROBABILITIES))))
        arrays["draws"][..., j] = law.ppf(norm.cdf(z[:, None] + sd * rng.normal(size=(n, draws))))
        arrays["contraction"][:, j] = 1 - sd**2
    arrays["mean"] = arrays["quantile"][..., 3].copy()
    arrays["sd"] = (arrays["quantile"][..., -1] - arrays["quantile"][..., 0]) / 3.92
    arrays["ess_bulk"] = rng.uniform(500, 3000, (n, P))
    arrays["ess_tail"] = rng.uniform(500, 3000, (n, P))
    arrays["k_hat"] = rng.uniform(0, 0.6, n)
    arrays["log_evidence"], arrays["log_evidence_se"] = rng.normal(-20, 1, n), np.full(n, 0.02)
    arrays["elpd_loo"], arrays["loo_k"] = rng.normal(-15, 1, n), np.full(n, 0.4)
    arrays["rung"][:], arrays["n_readings"][:] = Rung.importance, 8
    if not draws:
        del arrays["draws"]
    return arrays


def flag(arrays, at, status, *, numbers=False):
    """Flag cells; of some there are no numbers at all."""
    arrays["status"][at] = status
    if not numbers:
        arrays["rung"][at] = Rung.none
        for name, x in arrays.items():
            if x.dtype.kind == "f":
                arrays[name][at] = np.nan


def a_manifest(n, parameters=PARAMETERS, draws=40, chunk=None, **changed):
    given = {
        "title": f"A screen {SCRIPT}",
        "config": {"model": "ghk", "ions": ["K", "Na"], "data": "screen.csv", "title": SCRIPT},
        "data_file": "screen.csv",
        "data_sha256": "a" * 64,
        "n_cells": n,
        "id_width": 40,
        "parameters": [dict(zip(("name", "unit", "prior"), p, strict=True)) for p in parameters],
        "chunk": chunk or n,
        "draws": draws,
        "seed": 1,
        "dtype": "float64",
        "device": "cpu (cpu)",
        "engine": {"engine": "auto", "points": 1024},
    }
    return new_manifest(**{**given, **changed})


def ids_of(n):
    names = np.array([f"A{k}" for k in range(n)], dtype="<U40")
    names[1 : 1 + len(HOSTILE)] = HOSTILE[: n - 1]
    return names


def in_memory(n=N, parameters=PARAMETERS, draws=40, change=None, notes=(), **manifest):
    arrays = arrays_of(n, parameters, draws)
    if change is not None:
        change(arrays)
    return Batch.from_chunks(
        a_manifest(n, parameters, draws, **manifest), [ids_of(n)], [arrays], [list(notes)], [1.5]
    )


def some_flagged(arrays):
    arrays["k_hat"][3], arrays["rung"][3] = np.inf, Rung.adapted
    flag(arrays, 3, CellStatus.k_hat, numbers=True)
    flag(arrays, slice(5, 8), CellStatus.bad_input)
    arrays["rung"][10], arrays["k_hat"][10], arrays["r_hat"][10] = Rung.hmc, np.nan, 1.002
    arrays["prior_dominated"][20] = True


NOTES = [
    (HOSTILE[2], "k_hat", f"k-hat of ∞ {SCRIPT}"),
    (HOSTILE[4], "bad_input", "row 7: V_m_mV is 'volts'"),
]


@pytest.fixture(scope="module")
def batch():
    return in_memory(change=some_flagged, notes=NOTES)


@pytest.fixture(scope="module")
def page(batch):
    return render_batch(batch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same as a finished run of three chunks; not to be changed, but for reports."""
    out, arrays, ids = tmp_path_factory.mktemp("batch") / "screen", arrays_of(N), ids_of(N)
    some_flagged(arrays)
    with start_run(out, a_manifest(N, chunk=50))[0] as run:
        for i in run.chunks():
            where = run.records.cells(i)
            part = {k: x[where] for k, x in arrays.items()}
            run.write(i, ids[where], part, NOTES if i == 0 else (), seconds=0.5)
        run.collect()
    return out


class Parsed(HTMLParser):
    """All tags with their attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.pieces = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th", "dd", "dt", "p", "li", "h2", "h3", "br", "span", "summary"):
            self.pieces.append(" ")

    def handle_data(self, data):
        self.pieces.append(data)

    @property
    def text(self):
        return "".join(self.pieces)


def section(page, name):
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def words(html):
    return " ".join(Parsed(html).text.split())


def images(page):
    return [base64.b64decode(x) for x in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)]


def check_page(page, sections):
    parsed = Parsed(page)
    assert tuple(a["id"] for tag, a in parsed.tags if tag == "section") == sections
    assert {f"#{s}" for s in sections} == {a["href"] for tag, a in parsed.tags if tag == "a"}
    assert not [t for t, _ in parsed.tags if t in ("script", "iframe", "object", "embed", "form", "base")]
    for tag, attrs in parsed.tags:
        assert not [a for a in attrs if a.startswith("on")], tag
        for key in ("src", "href", "srcset", "action"):
            assert attrs.get(key, "#").startswith(("data:", "#")), (tag, attrs)
    assert "@import" not in page and "url(" not in page and "://" not in page
    for image in images(page):
        kinds = {e.tag.rpartition("}")[2] for e in ElementTree.fromstring(image).iter()}
        assert "path" in kinds and "script" not in kinds
    assert "nan" not in words(page).split() and "None" not in parsed.text.replace("('batch', None)", "")


# -- all cells ---------------------------------------------------------------------------------------


def test_page_of_all_cells(page):
    check_page(page, POPULATION)
    assert len(images(page)) == 4 and len(page) < 2_000_000
    for _, attrs in (t for t in Parsed(page).tags if t[0] == "img"):
        assert attrs["alt"]


def test_verdict_comes_first_in_words(page):
    said = words(section(page, "verdict"))
    assert "116 of 120 posteriors are usable (96.6 %)" in said
    assert "3 were flagged for rows that cannot be used, 1 for importance weights" in said
    assert said.startswith("Usable, but for a few cells")
    assert "The data determine PNa/PK in all cells." in said
    assert (
        "The data say next to nothing about [K+]i in all cells: what is reported there is the prior." in said
    )
    assert "1 usable cell is marked as dominated by the prior" in said


def test_counts_by_status_and_rung(page):
    said = words(section(page, "status"))
    assert "usable 116 97 %" in said
    assert "bad_input 3 2.5 % A number of the cell's rows cannot be used." in said
    assert "adapted 1 0.8 % 0 %" in said and "hmc 1 0.8 % 100 %" in said and "none 3 2.5 %" in said
    assert "All chunks together took 1.5 s to compute, 12.5 ms a cell on average" in said


def test_table_of_parameters_is_that_of_the_usable_cells(batch, page):
    usable = batch.table[batch.table["usable"]]
    row = section(page, "parameters").split("<tr")[3]
    said = words(f"<tr{row}")
    median = usable["K_i_median"]
    low, high = np.quantile(median, [0.05, 0.95])
    assert said.startswith("[K+]i K_i mM 116")
    assert f"{np.median(median):.1f} {low:.1f} … {high:.1f}" in said
    assert f"{np.median(usable['K_i_high'] - usable['K_i_low']):.1f} 140 ± 15 above 0 100 % 0 %" in said


def test_outlying_cells_are_listed(page):
    said = words(section(page, "outlying"))
    assert re.search(r"PNa/PK: \d+ cells? \([\d.]+ %\) clear of", said)
    assert said.split("interval lies ")[2].split()[0] == "A0" and "above" in said


def test_few_cells_have_no_outliers(undrawn):
    rows = section(render_batch(in_memory(FEW - 1)), "outlying")
    assert f"fewer than {FEW} usable cells" in rows


def test_flagged_cells_are_listed_with_what_happened(batch, page):
    said = words(section(page, "flagged"))
    assert "The whole list, which is also Batch.flagged()." in said
    assert f"k-hat of ∞ {SCRIPT}" in said and "row 7: V_m_mV is 'volts'" in said
    assert "A number of the cell's rows cannot be used." in said


def test_names_from_data_are_text(page):
    assert "<script" not in page and "<i>" not in page.split("<nav")[0]
    said = Parsed(page).text
    for name in (f"A screen {SCRIPT}", HOSTILE[2], "<i>day</i> $1"):
        assert name in said


def test_folder_and_memory_give_one_page(folder, page):
    from_folder = render_batch(load_batch(folder))
    for name in ("verdict", "parameters", "cells", "outlying", "pairs", "diagnostics"):
        assert section(from_folder, name) == section(page, name), name
    assert "which is also flagged.csv in the run's folder" in words(from_folder)
    assert words(section(from_folder, "provenance")).startswith("Provenance Created 20")
    assert f"Folder {folder} Data screen.csv" in words(from_folder)


def test_many_flagged_cells_are_counted_and_the_first_listed(tmp_path, undrawn):
    batch = in_memory(change=lambda a: flag(a, slice(0, 90), CellStatus.no_answer))
    batch.save(tmp_path / "screen")
    for each in (batch, load_batch(tmp_path / "screen")):
        said = section(render_batch(each), "flagged")
        assert "The first 50 of 90; the other 40 are in" in said and said.count("<tr>") == 51


def test_no_usable_cell(tmp_path):
    batch = in_memory(change=lambda a: flag(a, slice(None), CellStatus.no_answer))
    page = render_batch(batch)
    check_page(page, POPULATION)
    assert "Nothing here is usable" in page and "0 of 120 posteriors are usable" in page
    assert "No cell is usable, and so there is nothing to say" in page


@pytest.mark.parametrize("n", [1, 3])
def test_few_cells(n):
    check_page(render_batch(in_memory(n)), POPULATION)


@pytest.mark.parametrize("draws", [0, 40])
def test_one_parameter(draws):
    batch = in_memory(30, PARAMETERS[:1], draws)
    check_page(render_batch(batch), POPULATION)
    page = render_cell(batch, "A9")
    check_page(page, CELL)
    assert ("No draws of this cell were kept" in page) == (draws == 0)


def test_parameters_that_some_cells_lack(undrawn):
    def lack(arrays):
        for name in ("mean", "sd", "ess_bulk", "ess_tail", "contraction", "quantile", "draws"):
            if name == "draws":
                arrays[name][40:, :, 1] = np.nan
                arrays[name][:, :, 3] = np.nan
            else:
                arrays[name][40:, 1] = np.nan
                arrays[name][:, 3] = np.nan

    batch = in_memory(change=lack)
    said = words(section(render_batch(batch), "parameters"))
    assert "[K+]i K_i mM 40 " in said and "In no usable cell: σ(Vm)." in said
    assert "K_i" in section(render_cell(batch, "A20"), "parameters").split("Not of this cell")[0]
    assert "Not of this cell: " in render_cell(batch, "A50")


def test_parameters_that_some_cells_lack_are_drawn():
    def lack(arrays):
        for name in ("mean", "sd", "ess_bulk", "ess_tail", "contraction", "quantile"):
            arrays[name][2:, 1] = np.nan
        arrays["draws"][2:, :, 1] = np.nan

    batch = in_memory(40, change=lack)
    check_page(render_batch(batch), POPULATION)
    check_page(render_cell(batch, "A20"), CELL)


def test_many_parameters():
    parameters = [(f"E_x[{k}]", "mV", "0 ± 2") for k in range(MAX_PANELS + 18)]
    batch = in_memory(30, parameters)
    page = render_batch(batch)
    check_page(page, POPULATION)
    assert section(page, "parameters").count("E_x[") >= len(parameters)
    assert f"The first {MAX_PANELS} of {len(parameters)} parameters are drawn" in page


def test_priors_of_each_cells_own_are_not_drawn(undrawn):
    parameters = [("K_i", "mM", "each cell's own, of the table's column K_i"), *PARAMETERS[:1]]
    page = render_batch(in_memory(30, parameters))
    assert "each cell" in page and "No prior is drawn of" in page


def test_all_medians_alike():
    def alike(arrays):
        for name in ("quantile", "draws", "mean", "sd"):
            arrays[name][:] = arrays[name][:1]

    check_page(render_batch(in_memory(30, change=alike)), POPULATION)


def test_a_column_at_a_time(folder, monkeypatch, undrawn):
    """Neither the whole table nor the whole contraction is asked for."""
    monkeypatch.setattr(batch_reading, "_BLOCK", 1)
    monkeypatch.setattr(Batch, "table", property(lambda self: pytest.fail("the whole table was read")))
    said = words(section(render_batch(load_batch(folder)), "parameters"))
    assert "140 ± 15 above 0 100 % 0 %" in said


# -- one cell ----------------------------------------------------------------------------------------


def test_page_of_one_cell(batch):
    page = render_cell(batch, "A9")
    check_page(page, CELL)
    assert len(images(page)) == 2
    said = words(section(page, "verdict"))
    assert said.startswith("Usable The posterior can be used. The data determine PNa/PK.")
    assert "about [K+]i: what is reported is the prior." in said
    assert "Readings 8" in said and "Log evidence −" in said and "(largest Pareto k 0.40)" in said
    row = batch.table.set_index("cell").loc["A9"]
    assert f"{row['K_i_median']:.1f} {row['K_i_low']:.1f} … {row['K_i_high']:.1f}" in words(page)


@pytest.mark.parametrize("cell", HOSTILE)
def test_page_of_a_cell_whose_id_bites(batch, cell, undrawn):
    page = render_cell(batch, cell)
    check_page(page, CELL)
    assert "<script" not in page and cell in Parsed(page).text


def test_flagged_cell_says_so_first(batch, undrawn):
    said = words(section(render_cell(batch, HOSTILE[2]), "verdict"))
    assert said.startswith("Do not use (k_hat) The importance weights have too heavy a tail")
    assert "Pareto k-hat ∞" in said and "k-hat of ∞" in said
    page = render_cell(batch, HOSTILE[4])
    assert "There are no numbers of this cell." in page and "There is nothing to draw." in page


def test_the_same_by_infer(tmp_path, monkeypatch, undrawn):
    config = {
        "data": "screen.csv",
        "quantities": {"P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}, "K_i_mM": 140, "Na_i_mM": 10,
                       "T_degC": 22},
    }  # fmt: skip
    ids = ids_of(8).tolist()
    table = pd.DataFrame(
        [(c, k, 150 - k, -80 + 10 * i) for c in ids for i, k in enumerate((3.0, 10.0))],
        columns=["cell", "K_o_mM", "Na_o_mM", "V_m_mV"],
    )
    monkeypatch.chdir(tmp_path)
    table.to_csv("screen.csv", index=False)
    batch = in_memory(8, config=config)
    batch.save("screen")
    for cell in (*HOSTILE, "A7"):
        (again,) = (s for s in cell_document(load_batch("screen"), cell).sections if s.id == "again")
        python, command = (b.text for b in again.blocks if isinstance(b, Code))
        with warnings.catch_warnings(action="ignore"):
            exec(python, {})
            problem = load_problem(command.split()[-1])
        assert len(problem.arrays.value) == 2
        assert pd.read_csv(f"{file_name(cell)}.csv")["cell"].unique().tolist() == [cell]


# -- files -------------------------------------------------------------------------------------------


@pytest.fixture
def unrendered(monkeypatch):
    monkeypatch.setattr(batch_report, "render_batch", lambda batch: "all")
    monkeypatch.setattr(batch_report, "render_cell", lambda batch, cell: f"cell {cell}")


def test_where_reports_are_written(tmp_path, unrendered):
    run = in_memory(8).save(tmp_path / "screen")
    assert report_batch(run) == run / "report.html" and (run / "report.html").read_text() == "all"
    assert report_batch(load_batch(run), cell="A7") == run / "cells" / "A7.html"
    with pytest.raises(InputError, match="exists already"):
        report_batch(run)
    with pytest.raises(InputError, match="exists already"):
        report_batch(run, cell="A7")
    report_batch(run, cell="A7", force=True)
    assert report_batch(run, tmp_path / "else.html") == tmp_path / "else.html"
    assert report_batch(run, tmp_path / "there", cell="A7") == tmp_path / "there" / "A7.html"
    with pytest.raises(InputError, match="has no folder of its own"):
        report_batch(in_memory(8))
    assert report_batch(in_memory(8), tmp_path / "memory") == tmp_path / "memory" / "report.html"


def test_reports_leave_the_folder_a_runs(tmp_path, unrendered):
    run = in_memory(8).save(tmp_path / "screen")
    report_batch(run)
    for cell in ids_of(8):
        report_batch(run, cell=str(cell))
    Run.open(run).close()
    start_run(run, a_manifest(8), force=True)[0].close()
    assert not (run / "cells").exists() and not (run / "report.html").exists()


@pytest.mark.parametrize(
    "cell", [*HOSTILE, ".", "..", ".hidden", "/etc/passwd", "a/b", "x" * 300, "", "a\x00b", "𝄞"]
)
def test_ids_make_safe_file_names(tmp_path, cell):
    name = file_name(cell)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) and len(name) < 80
    assert (tmp_path / f"{name}.html").resolve().parent == tmp_path.resolve()


def test_file_names_of_different_ids_differ():
    ids = ["A7", "A 7", "A/7", "A-7", "A_7", *HOSTILE]
    ids += [file_name(x) for x in ids if file_name(x) != x]
    assert len({file_name(x) for x in ids}) == len(ids) and file_name("A7") == "A7"


def test_unknown_cell(folder):
    with pytest.raises(InputError, match="there is no cell 'A1000'"):
        report_batch(folder, cell="A1000")
    assert not (folder / "cells" / "A1000.html").exists()


def test_unfinished_run(tmp_path):
    with start_run(tmp_path / "screen", a_manifest(8))[0]:
        pass
    with pytest.raises(InputError, match="is not complete: 1 of 1 chunks are missing"):
        report_batch(tmp_path / "screen")
    with pytest.raises(InputError, match="there is no such batch run"):
        report_batch(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["cells.parquet", "flagged.csv", "summary.json"])
def test_damaged_run(tmp_path, name, undrawn):
    run = in_memory(30, change=some_flagged).save(tmp_path / "screen")
    batch = load_batch(run)
    (run / name).write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match=rf"{name}.*cannot be read"):
        report_batch(batch)
    assert not (run / "report.html").exists()


def test_table_of_another_run(tmp_path, undrawn):
    run = in_memory(30).save(tmp_path / "screen")
    other = in_memory(8).save(tmp_path / "other")
    (run / "cells.parquet").write_bytes((other / "cells.parquet").read_bytes())
    with pytest.raises(InputError, match="cells.parquet: is damaged"):
        report_batch(run)


def test_whole_or_not_at_all(tmp_path, monkeypatch, unrendered):
    run = in_memory(8).save(tmp_path / "screen")

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        report_batch(run, cell="A7")
    assert not (run / "cells").exists()


# -- pieces ------------------------------------------------------------------------------------------


def test_ratios_have_log_axes():
    assert on_log_axis("P_Na_rel", None, 0.04, 0.06) and on_log_axis("g_Cl_scale[a]", None, 0.9, 1.1)
    assert not on_log_axis("P_Na_rel", None, -0.1, 0.06) and not on_log_axis("K_i", None, 130, 150)
    assert on_log_axis("Na_i", priors.lognormal(12, 4), 10, 14)
    assert not on_log_axis("sigma_V_m", priors.halfnormal(2), 0.01, 5)


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 9, "0 %"), (9, 9, "100 %"), (1, 10**6, "< 0.1 %"), (999_999, 10**6, "> 99.9 %"), (99_689, 10**5, "99.6 %"),
     (1, 3, "33 %"), (1, 40, "2.5 %"), (0, 0, "—")],
)  # fmt: skip
def test_shares(part, whole, said):
    assert share(part, whole).replace("\u00a0", " ") == said


def test_a_terminal_has_the_headlines_decimal(batch):
    statuses, rungs = brief_document(batch, Path("out")).sections[0].blocks
    said = {r[0]: r[2].replace("\u00a0", " ") for r in (*statuses.rows, *rungs.rows)}
    assert batch.counts["usable"] == 116
    assert said["usable"] == "96.6 %" and "(96.6 %)" in batch.headline
    for name, count in batch.rungs.items():
        assert said[name] == f"{math.floor(1000 * count / 120) / 10:.1f} %"


def test_caller_s_matplotlib_is_left_alone(batch):
    import matplotlib

    before = dict(matplotlib.rcParams)
    render_cell(batch, "A9")
    assert dict(matplotlib.rcParams) == before
