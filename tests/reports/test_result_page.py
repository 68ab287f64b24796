"""The report: from a result's tree to one page that needs nothing else, whatever its names are."""

import base64
import json
import re
import shutil
import subprocess
import warnings
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from pumpleak.cli.terminal import show
from pumpleak.errors import InputError
from pumpleak.inference.result import Result, load_result
from pumpleak.quantities.symbols import plain, symbol
from pumpleak.reports import result_page as reporting
from pumpleak.reports.data_figure import plot_data
from pumpleak.reports.document import Document, Picture, Section, cell_text
from pumpleak.reports.html import raised
from pumpleak.reports.panels import axis_label
from pumpleak.reports.posterior_figures import (
    MAX_PANELS,
    plot_pairs,
    plot_prior_posterior,
    plot_ranks,
    plot_spectrum,
)
from pumpleak.reports.reading import elements
from pumpleak.reports.result_page import render, report
from pumpleak.reports.result_tables import parameters_section
from pumpleak.text import tabulated

SCRIPT = "<script>alert(1)</script>"
MATHS = r"a$b_c^d\e"
UNICODE = r"naïve 細胞 Ω $\frac{"
SLASH = "x/y $"
SECTIONS = (
    "verdict", "data", "parameters", "priors", "pairs", "chains", "information", "misfit", "assumptions",
    "membrane", "reproduce",
)  # fmt: skip


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A saved result: names that bite, [K⁺]o of 0, a series of one condition and paired differences."""
    pandas = pytest.importorskip("pandas")
    from pumpleak.config.load import load_problem
    from pumpleak.inference.infer import infer

    folder = tmp_path_factory.mktemp("hostile")
    nan = float("nan")
    pandas.DataFrame(
        {
            "label": ["control", MATHS, UNICODE, SLASH, "a <b>change</b>"],
            "solution": [SCRIPT, SCRIPT, SCRIPT, SLASH, SCRIPT],
            "K_o_mM": [5.0, 40.0, 0.0, 5.0, 20.0],
            "V_m_mV": [-76.0, -31.0, -113.0, -70.0, nan],
            "V_m_sem_mV": [1.0, 1.0, 2.0, 1.0, nan],
            "dV_m_mV": [nan, nan, nan, nan, 28.0],
            "dV_m_sem_mV": [nan, nan, nan, nan, 1.0],
            "reference": ["", "", "", "", "control"],
        }
    ).to_csv(folder / "table.csv", index=False)
    config = {
        "title": f"{SCRIPT} & {MATHS}",
        "data": str(folder / "table.csv"),
        "quantities": {
            "T_degC": 20,
            "P_Na_rel": {"prior": "lognormal", "median": 0.02, "factor": 3},
            "K_i_mM": "140 ± 10 mM",
            "Na_i_mM": 10,
        },
        "solutions": {
            SCRIPT: {"Na_o_mM": {"prior": "normal", "mean": 140, "sd": 5}},
            SLASH: {"Na_o_mM": {"prior": "normal", "mean": 240, "sd": 5}},
        },
        "sampler": {"chains": 2, "warmup": 150, "draws": 150, "retry": False},
    }
    with warnings.catch_warnings(action="ignore"):
        infer(load_problem(config)).save(folder / "result")
    return folder / "result"


@pytest.fixture(scope="session")
def result(hostile):
    return load_result(hostile)


@pytest.fixture(scope="session")
def page(result):
    return render(result)


@pytest.fixture
def unrendered(monkeypatch):
    """Reports of one word, for what they are written to."""
    monkeypatch.setattr(reporting, "render", lambda result, studies: "new")


def without(result, *groups):
    tree = result.tree.copy()
    return Result(tree.drop_nodes(groups))


class _Tags(HTMLParser):
    """All tags with their attributes, and the text outside <style>."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def images(page):
    return [base64.b64decode(x) for x in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)]


def test_page_holds_every_section_in_order(page):
    found = [attrs["id"] for tag, attrs in _Tags(page).tags if tag == "section"]
    assert tuple(found) == SECTIONS
    assert {f"#{s}" for s in SECTIONS} <= {a.get("href") for t, a in _Tags(page).tags if t == "a"}
    assert "95\u00a0% equal-tailed" in page


def test_a_terminal_has_one_ess_the_lesser_and_a_temperature_stands_once_in_degrees(result, capsys):
    tree = result.tree.copy()
    table = tree["table"].to_dataset().isel(parameter=[0])
    tree["table"] = xr.DataTree(
        table.assign_coords(parameter=["T"]).assign(
            unit=("parameter", ["K"]), prior=("parameter", ["294.15 ± 1"]), contraction=("parameter", [-0.12]),
            ess_bulk=("parameter", [900.0]), ess_tail=("parameter", [800.0]),
            **{k: ("parameter", [x]) for k, x in {"median": 294.0, "low": 292.1, "high": 295.9, "sd": 1.0}.items()},
        )
    )  # fmt: skip
    shown = parameters_section(Result(tree)).blocks[0]
    assert [c.name for c in shown.columns][-2:] == ["ESS bulk", "ESS tail"]
    assert [cell_text(c) for c in shown.rows[0][:6]] == [
        "T",
        "°C",
        "20.85",
        "18.95 … 22.75",
        "21 ± 1",
        "−12 %",
    ]
    assert [c.name for c in shown.brief.columns] == [*(c.name for c in shown.columns[:-2]), "ESS"]
    (row,) = shown.brief.rows
    assert row[:-1] == shown.rows[0][:-2] and str(row[-1]) == "800"
    show(Document("t", "h", sections=(Section("s", "S", (shown,)),)))
    out = capsys.readouterr().out
    assert "ESS bulk" not in out and "ESS tail" not in out and out.count("°C") == 1 and "294" not in out


def test_page_asks_for_nothing(page):
    tags = _Tags(page).tags
    assert not [t for t, _ in tags if t in ("script", "iframe", "object", "embed", "form", "base")]
    for tag, attrs in tags:
        assert not [a for a in attrs if a.startswith("on")], tag
        for key in ("src", "href", "srcset", "action"):
            assert attrs.get(key, "#").startswith(("data:", "#")), (tag, attrs)
    assert "@import" not in page and "url(" not in page
    assert "http://" not in page and "https://" not in page
    for image in images(page):
        links = re.findall(rb'href="([^"]*)"', image)
        assert all(x.startswith((b"#", b"data:")) for x in links)


def test_figures_are_sound_and_described(page):
    found = images(page)
    assert len(found) == 6 and len(page) < 1_500_000
    for image in found:
        kinds = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(image).iter()}
        assert "path" in kinds and "script" not in kinds
    alts = [a["alt"] for t, a in _Tags(page).tags if t == "img"]
    assert len(alts) == 6 and all(alts)
    assert page.count("<figcaption>") == 6


def test_names_from_data_are_text(page):
    assert "<script" not in page and "<b>" not in page
    text = "".join(_Tags(page).text)
    for name in (SCRIPT, MATHS, UNICODE, SLASH, "a <b>change</b> − control"):
        assert name in text, name


@pytest.mark.parametrize(
    "name", [SCRIPT, MATHS, UNICODE, SLASH, "$x$", "\\$", "a\nb\x00\u202ec", "_{}^", "%"]
)
def test_names_are_drawn_as_they_are(name):
    from matplotlib.figure import Figure

    figure = Figure()
    text = figure.text(0, 0, plain(name))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.draw_without_rendering()
    shown, maths = text._preprocess_math(text.get_text())
    assert not maths
    assert shown == " ".join("".join(c if c.isprintable() else " " for c in name).split())


def test_long_names_are_shortened():
    assert plain("x" * 100, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("name", "body", "of"),
    [
        ("P_Na_rel", "P_{Na}/P_{K}", ""),
        ("K_i", "[K^{+}]_{i}", ""),
        ("Ca_o", "[Ca^{2+}]_{o}", ""),
        ("aK_i[130]", "a_{K,i}", "130"),
        ("Na_o[Na-free]", "[Na^{+}]_{o}", "Na-free"),
        ("Na_o[a]b]_total", "total of [Na^{+}]_{o}", "a]b"),
        ("K_i_mean", "population [K^{+}]_{i}", ""),
        ("extra_V_m", "extra scatter of V_{m}", ""),
        ("E_rest", "E_{rest}", ""),
        ("g_Cl_scale", "g_{Cl}/g_{Cl}^{rest}", ""),
        ("pump_rel", "pump rate", ""),
        ("z_X", "z_{X}", ""),
    ],
)
def test_symbols(name, body, of):
    assert symbol(name)[:3] == (body, of, True)


@pytest.mark.parametrize(
    ("name", "unit", "label"),
    [
        ("extra_V_m", "mV", "$extra~scatter~of~V_{m}$\n(mV)"),
        ("V_offset", "mV", "$V_{offset}$ (mV)"),
        ("LJP[a solution]", "mV", "$LJP$ (mV)\na solution"),
        ("P_Na_rel", "1", "$P_{Na}/P_{K}$"),
    ],
)
def test_labels_fit_a_narrow_axis(name, unit, label):
    assert axis_label(symbol(name), unit) == label


def test_unknown_names_stay_as_they_are():
    assert symbol("own_$thing[x]") == ("own_$thing[x]", "", False)
    assert symbol("own_$thing").math == r"own_\$thing"


def shown(x, decimals=None):
    return raised(tabulated(x, decimals))


def test_numbers():
    assert shown(-0.004, 2) == "0.00" and shown(-1.5, 1) == "−1.5"
    assert shown(float("nan")) == "—" and shown(float("-inf")) == "−∞"
    assert shown(0.0) == "0" and shown(123.4) == "123" and shown(0.0213) == "0.0213"
    assert shown(1.234e-5) == "1.23 × 10<sup>−5</sup>"


@pytest.mark.thorough
def test_report_needs_only_the_file(hostile, tmp_path, page):
    shutil.copy(hostile / "posterior.nc", tmp_path / "posterior.nc")
    assert report(tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_report_goes_where_it_is_told(hostile, tmp_path, unrendered):
    assert report(hostile / "posterior.nc", tmp_path / "new" / "a.html").is_file()
    assert report(hostile, tmp_path / "folder") == tmp_path / "folder" / "report.html"
    assert (tmp_path / "folder" / "report.html").is_file()


def test_report_overwrites_only_when_told(hostile, tmp_path, unrendered):
    old = tmp_path / "report.html"
    old.write_text("old")
    with pytest.raises(InputError, match="exists already"):
        report(hostile, tmp_path)
    assert old.read_text() == "old"
    report(hostile, tmp_path, force=True)
    assert old.read_text() == "new"


def test_report_says_what_it_misses(result, tmp_path):
    with pytest.raises(InputError, match="no such result"):
        report(tmp_path / "nothing")
    with pytest.raises(InputError, match="Say where"):
        report(result)


def test_zero_has_a_place_of_its_own(result, undrawn):
    upper, lower = plot_data(result).axes[:2]
    ticks = dict(
        zip(
            upper.get_xticks(),
            lower.xaxis.get_major_formatter().format_ticks(upper.get_xticks()),
            strict=True,
        )
    )
    (zero,) = (x for x, label in ticks.items() if label == "0")
    low, high = upper.get_xlim()
    assert low < zero < 5 and upper.get_xscale() == "log"
    drawn = [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in upper.lines
        if line.get_marker() == "o" and len(line.get_xdata())
    ]
    assert any(np.isclose(x, zero, rtol=0.1) and np.isclose(y, -113) for x, y in drawn)
    assert "0 stands apart" in render(result)


def test_paired_differences_have_their_own_panel(result, page):
    axes = plot_data(result).axes
    assert len(axes) == 3
    assert [t.get_text() for t in axes[2].get_yticklabels()] == ["a <b>change</b> − control"]
    assert "change of" in axes[2].get_xlabel()
    assert "Changes from the reference row" in page


def test_without_a_curve_readings_stand_by_name(result, undrawn):
    bare = without(result, "curve")
    labels = [t.get_text() for t in plot_data(bare).axes[0].get_yticklabels()]
    assert labels == [plain(n, 34) for n in ("control", MATHS, UNICODE, SLASH)]
    assert "Readings by name" in render(bare)


def test_missing_groups_become_sentences(result, undrawn):
    bare = without(
        result,
        "prior",
        "prior_predictive",
        "posterior_predictive",
        "log_likelihood",
        "information",
        "membrane",
        "curve",
    )
    bare.tree.attrs = {"pumpleak_version": "0.0.0"}
    text = render(bare)
    for sentence in (
        "holds no verdict", "no prior draws", "no Fisher information", "no predictive p", "no Pareto k",
        "no membrane potentials", "No config was kept",
    ):  # fmt: skip
        assert sentence in text


def test_weak_chains_are_marked(result, undrawn):
    tree = result.tree.copy()
    table = tree["table"].to_dataset()
    n = table.sizes["parameter"]
    table = table.assign(
        r_hat=("parameter", np.linspace(1.0, 1.2, n)), ess_bulk=("parameter", np.full(n, 500.0)),
        ess_tail=("parameter", np.full(n, 500.0)),
    )  # fmt: skip
    tree["table"] = xr.DataTree(table)
    section = render(Result(tree)).split('id="parameters"')[1].split("</table>")[0]
    assert section.count('class="flag"') == section.count('class="hot"') == n - 1


def section(page, name):
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


@pytest.fixture
def pump_leak(result):
    """The result as that of a pump-leak cell: concentrations and volume in it, a protocol for each condition."""
    tree = without(result, "prior", "information", "log_likelihood").tree
    membrane = tree["membrane"].to_dataset()
    zero = membrane["V_m"] * 0
    inside = {"Ca_i": zero + 1.2e-4, "K_i": zero + 123.4, "Na_i": zero + 9.87, "volume": zero + 1.034}
    tree["membrane"] = xr.DataTree(membrane.assign(inside))
    names = membrane["condition"].values
    n = len(names)
    V = np.tile([-80.0, -70.0, -60.0], (n, 1))
    protocols = xr.Dataset(
        {
            "kind": ("condition", ["acute"] * n),
            "other_kind": ("condition", ["steady"] * n),
            "baseline": ("condition", [names[0]] * n),
            "V_m": (("condition", "level"), V),
            "V_m_other": (("condition", "level"), V + 5),
            "unanswered": ("condition", np.zeros(n)),
        },
        coords={"condition": names, "level": ["low", "median", "high"]},
    )
    tree["protocols"] = xr.DataTree(protocols)
    readings = tree["readings"].to_dataset()
    observable = readings["observable"].values.astype("U6")
    observable[1] = "volume"
    tree["readings"] = xr.DataTree(readings.assign(observable=("obs", observable)))
    table = tree["table"].to_dataset()
    tree["table"] = xr.DataTree(table.assign(prior=("parameter", ["-1.3 ± 0.3"] * table.sizes["parameter"])))
    tree.attrs["equation"] = "V_m by the protocol"
    return Result(tree)


def test_what_is_inside_a_cell_has_its_own_table_and_digits(pump_leak, undrawn):
    page = render(pump_leak)
    potentials, inside = section(page, "membrane").split("<table")[1:]
    assert '<sub>m</sub></span> <span class="range">mV<' in potentials and ">mM<" not in potentials
    order = [inside.index(f'title="{name}"') for name in ("K_i", "Na_i", "Ca_i", "volume")]
    assert order == sorted(order) and ">mV<" not in inside
    for text in (">123<", ">9.87<", "1.20 × 10<sup>−4</sup>", ">1.03<"):
        assert text in inside, text
    assert re.findall(r'<td class="l">(\w*)</td>', section(page, "misfit"))[:2] == ["mV", ""]
    assert "V<sub>m</sub></span> by the protocol" in page.split("</header>")[0]
    assert "−1.3 ± 0.3" in section(page, "parameters")


def test_protocols_name_the_baseline_and_what_has_no_answer(pump_leak, undrawn):
    shown = section(render(pump_leak), "protocols")
    assert shown.count("acute, the baseline itself") == 1 and shown.count("acute, after control") >= 2
    assert "−70.0" in shown and "−65.0" in shown and "No answer" not in shown
    pump_leak.tree["protocols"]["unanswered"][0] = 0.25
    assert "<td>25</td>" in section(render(pump_leak), "protocols")


@pytest.mark.parametrize(
    ("usable", "fits", "numbers", "kind", "label"),
    [
        (True, True, {}, "good", "Usable, and the model fits"),
        (True, True, {"but": "nothing tests the model"}, "warn", "Usable, but nothing tests the model"),
        (True, False, {"conflict": [{"p": 1e-4}]}, "warn", "Usable, but the model does not fit"),
        (False, True, {"tested": False}, "bad", "Do not use"),
    ],
)
def test_banner_tells_the_verdict(result, undrawn, usable, fits, numbers, kind, label):
    bare = without(result, "prior", "information", "log_likelihood")
    verdict = json.loads(bare.tree.attrs["verdict"]) | {"usable": usable, "fits": fits}
    verdict["numbers"] |= {"but": ""} | numbers
    bare.tree.attrs["verdict"] = json.dumps(verdict | {"data": ["P_Na_rel^-0.5 and `code`: -3 <i>"]})
    text = render(bare)
    assert f'<div class="banner {kind}"' in text
    assert f">{label}<" in text
    assert "<sup>−0.5</sup> and <code>code</code>: −3 &lt;i&gt;" in text


def test_settings_and_backend_stay(result):
    import matplotlib

    before = dict(matplotlib.rcParams)
    for plot in (plot_data, plot_prior_posterior, plot_pairs, plot_ranks, plot_spectrum):
        figure = plot(result)
        assert figure.axes and figure.number is None if hasattr(figure, "number") else figure.axes
    assert dict(matplotlib.rcParams) == before


def test_a_result_without_its_priors_numbers_is_read_by_their_text(result):
    laws = json.loads(result.tree["table"].attrs["laws"])
    assert set(laws) == {str(x) for x in result.tree["table"]["parameter"].values}
    old = result.tree.copy()
    del old["table"].attrs["laws"]
    scales = {e.name: e.scale for e in elements(result)}
    assert scales == {e.name: e.scale for e in elements(Result(old))}
    assert scales == {name: law["kind"] != "halfnormal" for name, law in laws.items() if name in scales}


def test_many_parameters_are_capped():
    rng = np.random.default_rng(1)
    levels = [f"cell {i}" for i in range(30)]
    names = [f"K_i[{x}]" for x in levels]
    draws = xr.Dataset(
        {"K_i": (("chain", "draw", "cell"), rng.lognormal(5, 0.1, (2, 50, 30)))}, coords={"cell": levels}
    )
    table = xr.Dataset(
        {
            "unit": ("parameter", ["mM"] * 30),
            "prior": ("parameter", ["150 ± 15"] * 30),
            "contraction": ("parameter", np.linspace(0, 1, 30)),
        },
        coords={"parameter": names},
    )
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.eye(2, 50, dtype=bool))})
    tree = xr.DataTree.from_dict({"posterior": draws, "table": table, "sample_stats": stats})
    for plot in (plot_prior_posterior, plot_ranks):
        assert len([ax for ax in plot(Result(tree)).axes if ax.axison]) == MAX_PANELS
    assert len(plot_pairs(Result(tree)).axes) == 25


def _chromium(folder, *arguments):
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("Chromium is not installed: the page is not tried in a browser")
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr --v=0"
    ).split()
    return subprocess.run(
        [binary, *flags, f"--user-data-dir={folder / 'profile'}", *map(str, arguments)],
        capture_output=True, timeout=50, check=True,
    )  # fmt: skip


def test_browser_shows_the_page(page, tmp_path):
    """No script runs and nothing is asked for: the page's policy would have the browser complain of either."""
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    shot = tmp_path / "page.png"
    done = _chromium(tmp_path, "--window-size=1000,900", f"--screenshot={shot}", file.as_uri())
    assert b"CONSOLE" not in done.stderr
    assert shot.stat().st_size > 20_000
    # The same page with a picture from elsewhere, to see that the complaint would be heard.
    file.write_text(
        page.replace("</main>", '<img src="https://example.invalid/x.png"></main>'), encoding="utf-8"
    )
    done = _chromium(tmp_path, "--dump-dom", file.as_uri())
    assert b"CONSOLE" in done.stderr
    shown = _Tags(done.stdout.decode())
    assert [a["id"] for t, a in shown.tags if t == "section"] == list(SECTIONS)
    assert "script" not in {t for t, _ in shown.tags}
    assert SCRIPT in "".join(shown.text)


def test_readings_without_a_unit_stand_on_an_axis_without_one():
    from matplotlib.figure import Figure

    from pumpleak.reports.data_figure import _one_line_each
    from pumpleak.reports.reading import Readings

    def axis(observable, kind):
        n = {f: np.ones(1) for f in Readings._fields} | {"bands": np.ones((5, 1))}
        n |= {"names": ["a"], "observable": np.array([observable])}
        ax = Figure().subplots()
        _one_line_each(ax, Readings(**n), np.array([0]), kind, None)
        return ax.get_xlabel()

    assert axis("dye", "reading").endswith("as read") and axis("volume", "difference").startswith("change of")
    assert "(1)" not in axis("volume", "difference") and axis("K_i", "reading").endswith("(mM)")


def test_a_dye_stands_on_no_axis_of_mV(result):
    """No empty panel of residuals, and a caption of what is drawn."""
    tree = without(result).tree
    plain_ones = np.asarray(tree["readings"]["reference"]) < 0
    names = np.where(plain_ones, "dye", np.asarray(tree["readings"]["observable"]).astype(str))
    tree["readings"]["observable"] = xr.DataArray(names, dims="obs")
    dyes = Result(tree)
    labels = [ax.get_ylabel() for ax in plot_data(dyes).findobj(lambda a: hasattr(a, "get_ylabel"))]
    assert "$V_m$ or $E$ (mV)" in labels and not any("expected" in text for text in labels)
    caption, before = (
        next(b.caption for b in reporting._data(r).blocks if isinstance(b, Picture)) for r in (dyes, result)
    )
    assert "Readings by name: bars" in caption and "Below: reading less" not in caption
    assert "Below: reading less" in before
