"""The commands about cells: what they print is what the library says, bad input ends with 2, no rest with 3."""

import dataclasses
import json
import time

import jax
import numpy as np
import pandas as pd
import pytest

from pumpleak import (
    Bath,
    Cell,
    ChordLeak,
    Cotransporter,
    CubicPump,
    Event,
    InputError,
    change,
    load_preset,
    steady_state,
)
from pumpleak.cell import simulate as dynamics
from pumpleak.cell.steady import plain_state
from pumpleak.cell.words import heading
from pumpleak.physics.constants import LYSIS_RATIO
from pumpleak.reports.cell_figures import sweep_figure, time_course_figure
from pumpleak.text import tabulated

NEURON = ("steady-state", "--preset", "neuron")
SALINE = ("--set", "Cl_o_mM=148.5")  # nothing impermeant outside
SWOLLEN = ("--set", "pump=0", "--set", "Cl_o_mM=140")  # at rest beyond the volume at which membranes burst


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def from_json(ran, code=0):
    assert ran.code == code, ran
    return json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


# -- steady-state -------------------------------------------------------------------------------


def test_a_preset_in_json_and_in_words(cli, assert_close):
    d = from_json(cli(*NEURON, "--json"))
    # Düsterwald et al. 2018, eLife 7:e39575, at RT/F = 26.725 mV
    assert d["V_m_mV"] == pytest.approx(-72.6, abs=0.1) and d["stable"] is True
    assert [d["ions"][i]["i_mM"] for i in ("Na", "K", "Cl")] == pytest.approx([14.0, 122.88, 5.165], rel=1e-3)
    leaks = {f"leak_{i}": ChordLeak(i, g) for i, g in (("Na", 0.02), ("K", 0.07), ("Cl", 0.02))}
    pumps = {"pump": CubicPump(0.0103643), "KCC2": Cotransporter({"K": 1, "Cl": 1}, 0.02)}
    cell = Cell(leaks | pumps, z_X=-0.85, X_i=154.957, volume_to_area=2.5e-4, C_m=2.0)
    state = steady_state(cell, Bath(T=310.15, Na_o=145.0, K_o=3.5, Cl_o=119.0, X_o=29.5))
    assert_close(d["V_m_mV"], float(state.V_m), rtol=1e-9)
    assert_close(d["volume_rel"], float(state.volume), rtol=1e-9)
    for name, m in d["mechanisms"].items():
        assert_close(m["I_uA_cm2"], float(state.currents[name]), rtol=1e-6, atol=1e-12)
    assert_close(d["time_constants_s"], state.time_constants, rtol=1e-6)
    assert d["atp_umol_cm2_s"] == pytest.approx(d["mechanisms"]["pump"]["rate_umol_cm2_s"])
    assert d["atp_mM_min"] == pytest.approx(60 * d["atp_umol_cm2_s"] / (2.5e-4 * d["volume_rel"]))
    assert {r["quantity"]: r["agrees"] for r in d["compared"]}["V_m_mV"] is True
    ran = cli(*NEURON)
    assert ran.code == 0 and ran.err == ""
    for part in ("rests at −72.6 mV, stable", "leak_Cl", "Beside what was measured", "ATP", "E [mV]"):
        assert part in ran.out
    for ion in d["ions"].values():
        for k in ("E_mV", "driving_force_mV"):
            assert f" {tabulated(ion[k], digits=4)} │" in ran.out


def test_settings_and_compensations(cli):
    d = from_json(cli(*NEURON, "--set", "K_o_mM=10", "--set", "pump=0.3", "--json"))
    assert (d["bath"]["K_o_mM"], d["bath"]["Na_o_mM"], d["bath"]["X_o_mM"]) == (10.0, 138.5, 29.5)
    assert any("swapped for Na⁺" in note for note in d["notes"]) and d["compared"] == []
    assert -60 < d["V_m_mV"] < -40
    d = from_json(cli(*NEURON, "--set", "K_o_mM=10", "--compensation", "salt", "--json"))
    assert (d["bath"]["Na_o_mM"], d["bath"]["Cl_o_mM"]) == (145.0, 125.5)
    d = from_json(cli(*NEURON, "--set", "K_o_mM=10", "--compensation", "inert", "--json"))
    assert (d["bath"]["Na_o_mM"], d["bath"]["X_o_mM"]) == (145.0, 23.0)
    assert cli(*NEURON, "--set", "K_o_mM=10", "--compensation", "Cl", "--json").code == 0


def test_a_config_of_the_repository(cli):
    from pathlib import Path

    config = Path(__file__).parents[2] / "configs" / "cell_neuron_high_potassium.yaml"
    d = from_json(cli("steady-state", config, "--json"))
    assert d["bath"]["K_o_mM"] == 10.0 and d["bath"]["Na_o_mM"] == 138.5
    assert d["mechanisms"]["leak_Na"]["I_uA_cm2"] == pytest.approx(
        0.025 * (d["V_m_mV"] - d["ions"]["Na"]["E_mV"]), rel=1e-9
    )
    assert d["title"].startswith("Cortical neuron in 10 mM")


def test_a_sweep_is_the_loop_over_it(cli, here):
    ran = cli(*NEURON, "--sweep", "K_o_mM=2:50:log7", "--out", "a.csv", "--plot", "a.png")
    assert ran.code == 0 and "7 of 7 values" in ran.out and "Written: a.png, a.csv" in ran.out
    assert (here / "a.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv("a.csv")
    cell, bath = load_preset("neuron")
    np.testing.assert_allclose(table["K_o_mM"], np.geomspace(2, 50, 7), rtol=1e-12)
    for row in table.itertuples():
        one = steady_state(cell, bath.change(K_o=row.K_o_mM))
        np.testing.assert_allclose(
            [row.V_m_mV, row.K_i_mM, row.volume_rel, row.E_Na_mV, row.I_pump_uA_cm2],
            [one.V_m, one.c_i["K"], one.volume, one.E["Na"], one.currents["pump"]],
            rtol=1e-8,
        )
    rows = from_json(cli(*NEURON, "--sweep", "K_o_mM=2:50:log7", "--json"))["rows"]
    assert rows[3]["V_m_mV"] == pytest.approx(table["V_m_mV"][3], rel=1e-12)
    before = (here / "a.csv").read_bytes()
    again = cli(*NEURON, "--sweep", "K_o_mM=2:40:log7", "--out", "a.csv")
    assert again.code == 2 and "exists already" in again.err and (here / "a.csv").read_bytes() == before
    assert cli(*NEURON, "--sweep", "K_o_mM=2:40:log7", "--out", "a.csv", "--force").code == 0
    assert (here / "a.csv").read_bytes() != before


def test_a_sweep_across_the_edge_marks_what_is_beyond(cli):
    d = from_json(cli(*NEURON, *SALINE, "--sweep", "pump=0:0.001:lin7", "--json"))
    assert d["rows"][0]["status"] == "no_steady_state" and d["rows"][0]["V_m_mV"] is None
    assert all(r["status"] == "converged" for r in d["rows"][1:]) and "6 of 7" in d["verdict"]
    volumes = [r["volume_rel"] for r in d["rows"][1:]]
    assert volumes == sorted(volumes, reverse=True)


def test_every_steady_state(cli, monkeypatch):
    from pumpleak.cell import steady

    def two(cell, bath):
        found = steady_state(cell, bath)
        return [found, found._replace(V_m=found.V_m + 10, conductance=-found.conductance, volume=20.0)]

    monkeypatch.setattr(steady, "steady_states", two)
    d = from_json(cli(*NEURON, "--all", "--json"))
    assert d["verdict"] == "2 steady states, 1 stable" and [s["stable"] for s in d["states"]] == [True, False]
    ran = cli(*NEURON, "--all")
    assert ran.code == 0 and "−72.59" in ran.out and "−62.59" in ran.out and "unstable" in ran.out
    assert [s["lysis"] for s in d["states"]] == [False, True] and ran.out.count("burst") == 1
    assert "burst" not in cli(*NEURON, "--all", "--max-volume-ratio", "30").out
    monkeypatch.setattr(steady, "steady_states", lambda cell, bath: [])
    assert cli(*NEURON, "--all").code == 3


@pytest.mark.thorough
def test_every_steady_state_along_a_sweep(cli, here):
    muscle = ("steady-state", "--preset", "mammalian_muscle", "--all", "--sweep", "K_o_mM=6:1.5:lin2")
    d = from_json(cli(*muscle, "--out", "s.csv", "--plot", "s.png", "--json"))
    rows = [(r["K_o_mM"], round(r["V_m_mV"]), r["stable"]) for r in d["rows"]]
    assert rows == [(6, -79, True), (1.5, -109, True), (1.5, -86, False), (1.5, -67, True)]
    assert "of 2 values of K_o_mM, 1 has several steady states, 1 has one" in d["verdict"]
    assert "At K_o_mM 1.5: 3 steady states, 2 of them stable." in d["notes"]
    assert (here / "s.csv").read_text().count("\n") == 5 and (here / "s.png").stat().st_size


@pytest.mark.thorough
def test_what_is_missing_is_the_reason(cli):
    """The search gives no verdict of its own here; the structure does."""
    d = from_json(cli(*NEURON, "--set", "leak_Na=0", "--json"), code=3)
    assert d["why"].startswith("Nothing lets Na⁺ in") and "there is no steady state" in d["verdict"]
    assert [r["text"] for r in d["remedies"]] == ["leak_Na above 0"]


def test_beyond_the_bursting_volume(cli):
    d = from_json(cli(*NEURON, "--set", "pump=0", "--set", "X_o_mM=29.6", "--json"))
    assert 4 < d["volume_rel"] < LYSIS_RATIO and d["lysis"] is False
    d = from_json(cli(*NEURON, *SWOLLEN, "--json"))
    assert d["volume_rel"] > LYSIS_RATIO and d["lysis"] is True and "membrane bursts" in d["verdict"]
    ran = cli("simulate", *NEURON[1:], *SWOLLEN, "--event", "t=60s pump=1", "--for", "30d")
    assert ran.code == 2 and ran.out == "" and "Following" not in ran.err
    for part in (f"volume of {d['volume_rel']:.4g}", "bursts at 10", "larger --max-volume-ratio"):
        assert part in ran.err, ran.err


@pytest.mark.slow
def test_a_course_bursts_only_as_it_swells():
    """It does not start beyond the bursting volume, and bursts at once where an event's water takes it there."""
    cell, bath = load_preset("neuron")
    with jax.enable_x64(True):
        start = plain_state(steady_state(cell, bath))
        with pytest.raises(InputError, match="volume is 1 of the reference.*--max-volume-ratio"):
            dynamics.simulate(cell, bath, 1.0, start=start, max_volume_ratio=0.9)
        diluted = [Event(0.5, {"Na_o": 45.0}, compensation="salt")]
        course = dynamics.simulate(cell, bath, 1.0, start=start, events=diluted, max_volume_ratio=1.5)
    assert (course.ended, course.end) == ("lysis", 0.5) and course.volume[-1] > 1.5
    assert course.t[-1] == 0.5 and course.volume[-2] < 1.01
    with jax.enable_x64(True):
        again = dynamics.simulate(
            cell, bath, 3600.0, start=start, events=[Event(60.0, {"pump": 0})],
            max_volume_ratio=float(course.volume[0]),
        )  # fmt: skip
    assert again.ended == "lysis" and again.end > 0


def test_a_sweep_says_what_is_beyond_bursting(cli, here, monkeypatch):
    shown = []
    monkeypatch.setattr("pumpleak.cli.cells._draw", lambda path, figure, force: shown.append(figure))
    swept = (*NEURON, "--set", "Cl_o_mM=140", "--sweep", "pump=0:1:lin7")
    ran = cli(*swept, "--plot", "a.png")
    assert "1 of 7 values: beyond bursting, at a volume of more than 10 of" in " ".join(ran.out.split())
    assert ran.out.count("converged, burst") == 1
    np.testing.assert_array_equal(lines_of(shown[0].axes[-1])["bursts"], LYSIS_RATIO)
    ran = cli(*swept, "--plot", "a.png", "--max-volume-ratio", "1000")
    assert ran.code == 0 and "burst" not in ran.out and "bursts" not in lines_of(shown[1].axes[-1])


def test_a_jump_is_another_branch_only_where_one_is_there(cli, monkeypatch):
    """From pump = 0 to 0.17 V_m goes far, and there is one steady state at either."""
    from pumpleak.cell import sweep as along

    swept = (*NEURON, "--sweep", "pump=0:1:lin7", "--json")
    d = from_json(cli(*swept))
    assert d["rows"][1]["V_m_mV"] - d["rows"][0]["V_m_mV"] < -6
    assert not [n for n in d["notes"] if "Several" in n or "Between" in n]

    def two(cell, bath):
        found = plain_state(steady_state(cell, bath))
        return [found, found._replace(V_m=found.V_m + 40)]

    monkeypatch.setattr(along, "steady_states", two)
    assert any(n.startswith("Several steady states") for n in from_json(cli(*swept))["notes"])


def test_both_files_or_neither(cli, here, folder_listing, followed):
    nowhere = "cell.yaml/a.png"
    (here / "cell.yaml").write_text("")
    before = folder_listing(here)
    for command in ([*NEURON, "--sweep", "pump=0:1:lin7"], ["simulate", *NEURON[1:]]):
        for out, plot in (("left.csv", nowhere), ("new/left.csv", nowhere), ("cell.yaml/a.csv", "left.png")):
            ran = cli(*command, "--out", out, "--plot", plot)
            assert ran.code == 2 and "cannot be written" in ran.err and "Traceback" not in ran.err
            assert folder_listing(here) == before


@pytest.mark.thorough
def test_no_steady_state(cli, here, folder_listing):
    ran = cli(*NEURON, *SALINE, "--set", "pump=0")
    assert ran.code == 3 and ran.out == "" and "Traceback" not in ran.err
    for part in ("there is no steady state", "pump is off", "nearest change", "swells"):
        assert part in " ".join(ran.err.split()), ran.err
    d = from_json(cli(*NEURON, *SALINE, "--set", "pump=0", "--json"), code=3)
    assert d["status"] == "no_steady_state" and d["why"]
    offer = d["remedies"][0]
    mended = cli(*NEURON, *SALINE, "--set", f"{offer['name']}={1.01 * offer['value']}", "--json")
    assert from_json(mended)["status"] == "converged"
    words = " ".join(ran.err.split())
    to_give = words.split("nearest change that restores one: ")[1].split("(`--set ")[1].split("`)")[0]
    assert to_give.startswith("pump=") and offer["value"] <= float(to_give[5:]) <= 1.01 * offer["value"]
    assert offer["set"] == f"{offer['name']}={offer['value']!r}"
    assert [r["set"].split("=")[0] for r in d["remedies"]] == ["pump", "X_o_mM"]
    stricter = from_json(
        cli(*NEURON, *SALINE, "--set", "pump=0", "--max-volume-ratio", "2", "--json"), code=3
    )
    assert all(a["value"] > 2 * b["value"] for a, b in zip(stricter["remedies"], d["remedies"], strict=True))
    before = folder_listing(here)
    swept = (
        *NEURON,
        *SALINE,
        "--set",
        "pump=0",
        "--sweep",
        "pump=0:1e-30:lin7",
        "--out",
        "b.csv",
        "--plot",
        "b.png",
    )
    assert cli(*swept).code == 3 and folder_listing(here) == before
    ran = cli("simulate", *NEURON[1:], *SALINE, "--set", "pump=0", "--out", "c.csv")
    assert ran.code == 3 and "to start from" in ran.err and folder_listing(here) == before


# -- presets ------------------------------------------------------------------------------------


def test_presets(cli):
    rows = from_json(cli("presets", "list", "--json"))
    assert len(rows) == 9 and {r["name"] for r in rows} >= {"neuron", "red_blood_cell"}
    assert all(abs(r["V_m_mV"] - r["V_m_measured_mV"]) < 5 for r in rows)
    assert "squid_axon" in cli("presets", "list").out
    d = from_json(cli("presets", "show", "squid_axon", "--json"))
    by_path = {n["path"]: n for n in d["numbers"]}
    assert by_path["cell.volume_to_area_um"]["guess"] is True and by_path["bath.K_o_mM"]["value"] == 10.0
    assert by_path["cell.mechanisms.leak_Na.P_cm_s"]["source"].startswith("Hodgkin & Katz 1949")
    ran = cli("presets", "show", "squid_axon")
    assert ran.code == 0 and "guess" in ran.out and "Beside what was measured" in ran.out
    ran = cli("presets", "show", "squid_axn")
    assert ran.code == 2 and "did you mean 'squid_axon'" in ran.err


# -- simulate -----------------------------------------------------------------------------------


@pytest.fixture
def followed(monkeypatch):
    """What `simulate` was called with; it answers with an exponential, without integrating."""
    calls = []

    def simulate(cell, bath, duration, *, events=(), start=None, progress=None, **options):
        calls.append((cell, bath, duration, events, start, options))
        t = np.linspace(0, duration, 50)
        V = -70 + 60 * (1 - np.exp(-t / duration))
        c = {ion: np.full(50, float(x)) for ion, x in start.c_i.items()}
        E = {ion: np.full(50, float(x)) for ion, x in start.E.items()}
        currents = {k: 0 * t for k in cell.mechanisms}
        return dynamics.TimeCourse(
            t=t, V_m=V, c_i=c, X=0 * t + 100, volume=1 + t / duration, E=E, currents=currents,
            fluxes={ion: 0 * t for ion in c}, ended="lysis", end=float(duration), events=tuple(events),
            charge="neutral",
        )  # fmt: skip

    monkeypatch.setattr(dynamics, "simulate", simulate)
    return calls


def test_simulate_passes_on_what_was_asked(cli, here, followed):
    arguments = ["simulate", *NEURON[1:], "--set", "K_o_mM=4", "--event", "t=60s pump=0 K_o_mM=10", "--event"]
    arguments += ["t=30s T_degC=30", "--for", "2h", "--max-volume-ratio", "3", "--compensation", "salt"]
    ran = cli(*arguments, "--out", "a.csv", "--plot", "a.png")
    assert ran.code == 0, ran
    ((cell, bath, seconds, events, start, options),) = followed
    assert (
        seconds == 7200.0
        and bath.c["K"] == 4.0
        and bath.c["Cl"] == 119.5
        and options == {"max_volume_ratio": 3.0}
    )
    found = sorted((e.t, dict(e.changes), e.compensation) for e in events)
    assert found == [(30.0, {"T": 303.15}, "salt"), (60.0, {"pump": 0.0, "K_o": 10.0}, "salt")]
    assert float(start.V_m) == pytest.approx(float(steady_state(cell, bath).V_m), rel=1e-9)
    assert "swells until it bursts at 2 h" in ran.out and "K_o 4 → 10 mM" in " ".join(ran.out.split())
    table = pd.read_csv("a.csv")
    assert {"t_s", "V_m_mV", "K_i_mM", "volume_rel", "I_pump_uA_cm2"} <= set(table)
    assert (here / "a.png").read_bytes().startswith(b"\x89PNG")
    d = from_json(cli("simulate", *NEURON[1:], "--for", "5min", "--json"))
    assert d["ended"] == "lysis" and d["end_s"] == 300.0 and len(d["rows"]) == 50 and d["events"] == []
    assert followed[-1][-1] == {"max_volume_ratio": LYSIS_RATIO}


def test_simulate_says_where_its_end_leads(cli, followed):
    ahead = from_json(cli("simulate", *NEURON[1:], "--event", "t=60s K_o_mM=10", "--json"))
    settled, (_, bath, *_) = steady_state(*change(*load_preset("neuron"), {"K_o": 10.0})), followed[-1]
    h, last = ahead["heading"], ahead["rows"][-1]
    assert bath.c["K"] == 3.5 and h["status"] == "converged" and h["stable"] is True
    assert h["V_m_mV"] == pytest.approx(float(settled.V_m), abs=1e-6)
    assert h["V_m_to_go_mV"] == pytest.approx(h["V_m_mV"] - last["V_m_mV"])
    assert h["volume_to_go_rel"] == pytest.approx(float(settled.volume) - last["volume_rel"])
    assert h["text"].startswith(f"It is heading for a steady state, {h['V_m_mV']:.1f} mV at volume ")
    ran = cli("simulate", *NEURON[1:], *SALINE, "--event", "t=60s pump=0")
    words = " ".join(ran.out.split())
    assert ran.code == 0 and "No steady state is ahead of it. The pump is off and nothing impermeant" in words


def test_a_course_that_has_arrived(followed):
    with jax.enable_x64(True):
        cell, bath = load_preset("neuron")
        start = plain_state(steady_state(cell, bath))
        course = dynamics.simulate(cell, bath, 1.0, start=start)
        V, v = course.V_m, course.volume
        there = dataclasses.replace(
            course, V_m=0 * V + start.V_m + 0.01, volume=0 * v + start.volume, ended="duration"
        )
        got = heading(there, cell, bath, start, LYSIS_RATIO)
    assert got["text"].startswith("It has arrived at a steady state: -72.6 mV at volume 1.000")


@pytest.mark.slow
def test_simulate_in_earnest(cli, here):
    d = from_json(cli("simulate", *NEURON[1:], "--event", "t=60s pump=0", "--for", "1h", "--json"))
    assert d["rows"][0]["V_m_mV"] == pytest.approx(-72.593, abs=0.01) and d["rows"][-1]["V_m_mV"] > -60
    assert d["ended"] == "duration" and d["rows"][-1]["K_i_mM"] < 60


# -- figures ------------------------------------------------------------------------------------


def lines_of(ax):
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in ax.lines}


def test_the_sweeps_figure_shows_the_states_and_where_there_is_none():
    with jax.enable_x64(True):
        cell, bath = load_preset("neuron")
        x = np.array([1e-3, 0.0, 5e-4, 6e-4, 7e-4, 8e-4, 9e-4])
        states = steady_state(*change(cell, bath.change(Cl_o=148.5), {"pump": x}))
    figure = sweep_figure(states, x, name="pump", title="a $t$ [b]")
    top, middle, bottom = figure.axes
    np.testing.assert_allclose(lines_of(top)["$V_m$"][1:], np.asarray(states.V_m)[[2, 3, 4, 5, 6, 0]])
    assert np.isnan(lines_of(top)["$V_m$"][0]) and len(lines_of(middle)) >= 3
    assert any("no steady state" in t.get_text() for t in top.texts)
    assert all(len(ax.patches) == 1 for ax in figure.axes)
    assert bottom.get_xlabel() and top.get_ylabel() == "potential [mV]"


def test_the_time_courses_figure_marks_events(cli, followed, monkeypatch):
    shown = []
    monkeypatch.setattr("pumpleak.cli.cells._draw", lambda path, figure, force: shown.append(figure))
    cli("simulate", *NEURON[1:], "--event", "t=60s pump=0", "--for", "5min", "--plot", "never.png")
    top, middle, bottom = shown[0].axes
    assert bottom.get_xlabel() == "time [min]" and any("pump = 0" in t.get_text() for t in top.texts)
    assert any("burst at 5 min" in t.get_text() for t in bottom.texts)
    assert time_course_figure.__doc__


# -- bad input ----------------------------------------------------------------------------------

BAD = {
    "nothing asked for": (["steady-state"], ["CONFIG or a --preset"]),
    "both": (["steady-state", "cell.yaml", "--preset", "neuron"], ["both a CONFIG and a --preset"]),
    "unknown preset": (["steady-state", "--preset", "nuron"], ["'nuron'", "did you mean 'neuron'"]),
    "no such file": (["steady-state", "cel.yaml"], ["cel.yaml", "no such file", "did you mean 'cell.yaml'"]),
    "truncated": (["steady-state", "truncated.yaml"], ["truncated.yaml", "not valid YAML"]),
    "empty": (["steady-state", "empty.yaml"], ["empty", "preset:"]),
    "a folder": (["steady-state", "."], ["is a folder, not a cell's file"]),
    "unknown ion": (["steady-state", "ion.yaml"], ["ion.yaml, line 5", "no ion 'Kk'"]),
    "charged": (["steady-state", "charged.yaml"], ["charged.yaml, line 6", "bath is charged"]),
    "no water balance": (["steady-state", "dry.yaml"], ["dry.yaml, line 3", "nothing balances water"]),
    "unknown number": ([*NEURON, "--set", "Ko_mM=3"], ["'Ko_mM'", "did you mean 'K_o_mM'"]),
    "wrong unit": ([*NEURON, "--set", "K_o_mV=3"], ["K_o cannot be in mV"]),
    "not a number": ([*NEURON, "--set", "pump=none"], ["pump=none", "NAME=NUMBER"]),
    "set twice": ([*NEURON, "--set", "pump=1", "--set", "pump=2"], ["pump is set twice"]),
    "more than the bath has": ([*NEURON, "--set", "K_o_mM=200"], ["leaves Na_o = -51.5"]),
    "all that the bath has": ([*NEURON, "--set", "K_o_mM=148.5"], ["Na_o comes to 0", "--compensation"]),
    "unknown compensation": ([*NEURON, "--set", "K_o_mM=5", "--compensation", "slat"], ["'slat'", "'salt'"]),
    "itself": ([*NEURON, "--set", "K_o_mM=5", "--compensation", "K"], ["compensated by itself"]),
    "not a sweep": ([*NEURON, "--sweep", "K_o_mM=1:20"], ["not a sweep", "K_o_mM=1:120:log50"]),
    "a log sweep from 0": ([*NEURON, "--sweep", "pump=0:1:log5"], ["cannot reach 0"]),
    "a sweep past the bath": ([*NEURON, "--sweep", "K_o_mM=1:200:lin5"], ["leaves Na_o = -51.5"]),
    "a sweep to all of it": ([*NEURON, "--sweep", "K_o_mM=1:148.5:lin5"], ["takes Na_o to 0"]),
    "a setting in other digits": ([*NEURON, "--set", "K_o_mM=１０"], ["K_o_mM=１０", "NAME=NUMBER"]),
    "a setting with underscores": ([*NEURON, "--set", "K_o_mM=1_0"], ["K_o_mM=1_0", "NAME=NUMBER"]),
    "a volume in other digits": ([*NEURON, "--max-volume-ratio", "１０"], ["--max-volume-ratio", "Write 10"]),
    "a length beyond all": (["simulate", *NEURON[1:], "--for", "1e308min"], ["'1e308min' is not a time"]),
    "two sweeps": (
        [*NEURON, "--sweep", "pump=0:1:lin5", "--sweep", "K_o_mM=1:2:lin2"], ["2 sweeps", "Give one --sweep"],
    ),
    "a misspelt rate": (["steady-state", "rate.yaml"], ["rate.yaml, line 5", "no key 'P_K'", "'P_cm_s'"]),
    "a problem": (["steady-state", "problem.yaml"], ["problem.yaml, line 2", "describes a problem", "infer"]),
    "a problem simulated": (["simulate", "problem.yaml"], ["describes a problem"]),
    "no unit": ([*NEURON, "--set", "K_o=3"], ["K_o needs a unit", "K_o_mM"]),
    "a figure of nothing": ([*NEURON, "--plot", "a.png"], ["--plot goes with a sweep"]),
    "a figure of no format": ([*NEURON, "--sweep", "pump=0:1:lin5", "--plot", "a.bmp"], ["'.bmp'", ".png"]),
    "a table of no format": ([*NEURON, "--sweep", "pump=0:1:lin5", "--out", "a.xls"], [".csv"]),
    "a file that is there": ([*NEURON, "--sweep", "pump=0:1:lin5", "--out", "there.csv"], ["exists already"]),
    "event without time": (["simulate", *NEURON[1:], "--event", "pump=0"], ["no time", "t=60s pump=0"]),
    "time without unit": (["simulate", *NEURON[1:], "--event", "t=60 pump=0"], ["'60' is not a time", "90s"]),
    "event after the end": (
        ["simulate", *NEURON[1:], "--event", "t=3h pump=0", "--for", "2h"],
        ["after the end (2h)"],
    ),
    "impossible event": (
        ["simulate", *NEURON[1:], "--event", "t=1s K_o_mM=200", "--out", "b.csv"],
        ["the event 't=1s K_o_mM=200'", "leaves Na_o = -51.5"],
    ),
    "what no event can change": (
        ["simulate", *NEURON[1:], "--event", "t=1s z_X=-1"], ["the event 't=1s z_X=-1': z_X cannot change"],
    ),
    "unknown event": (["simulate", *NEURON[1:], "--event", "t=1s pmp=0"], ["'pmp'", "did you mean 'pump'"]),
    "events at odds": (
        ["simulate", *NEURON[1:], "--event", "t=60s pump=0", "--event", "t=1min pump=1 K_o_mM=5"],
        ["the events 't=60s pump=0' and 't=1min pump=1 K_o_mM=5' set pump to different values"],
    ),
    "no time at all": (["simulate", *NEURON[1:], "--for", "0s"], ["leaves no time"]),
    "a length in words": (["simulate", *NEURON[1:], "--for", "long"], ["'long' is not a time"]),
}  # fmt: skip

CELL = """\
cell:
  z_X: -0.8
  X_i_mM: 100
  mechanisms:
    leak_K: {kind: ghk_leak, ion: K, P_cm_s: 1.0e-6}
bath: {K_o_mM: 145, Cl_o_mM: 145, T_degC: 37}
"""


@pytest.mark.parametrize("what", BAD)
def test_bad_input(cli, here, folder_listing, what):
    (here / "cell.yaml").write_text(CELL)
    (here / "ion.yaml").write_text(CELL.replace("ion: K,", "ion: Kk,"))
    (here / "rate.yaml").write_text(CELL.replace("P_cm_s", "P_K"))
    (here / "problem.yaml").write_text("model: ghk\ndata: a.csv\nquantities: {}\n")
    (here / "charged.yaml").write_text(CELL.replace("Cl_o_mM: 145", "Cl_o_mM: 15"))
    (here / "dry.yaml").write_text(CELL.replace("X_i_mM: 100", "X_i_mM: 0"))
    (here / "truncated.yaml").write_text(CELL[:70] + "{")
    (here / "empty.yaml").write_text("")
    (here / "there.csv").write_text("mine")
    arguments, parts = BAD[what]
    before = folder_listing(here)
    ran = cli(*arguments)
    assert ran.code == 2, ran
    missing = [p for p in parts if p not in ran.err]
    assert not missing, f"{missing} not in: {ran.err}"
    assert "Traceback" not in ran.err and "Following" not in ran.err
    assert ran.out == "" and folder_listing(here) == before


def test_a_warning_is_printed_once(cli, here):
    (here / "cell.yaml").write_text("preset: neuron\ncell: {z_X: 0.2}\n")
    ran = cli("steady-state", "cell.yaml", "--set", "K_o_mM=4", "--json")
    assert ran.code in (0, 3) and ran.err.count("Warning: z_X = 0.2") == 1


def test_names_from_files_are_shown_as_they_are(cli, here):
    (here / "cell.yaml").write_text('preset: neuron\ntitle: "[red]a <b> \\e[31m $x$"\n')
    ran = cli("steady-state", "cell.yaml")
    assert ran.code == 0 and "[red]a <b>" in ran.out and "\x1b" not in ran.out


@pytest.mark.parametrize("command", ["steady-state", "simulate", "presets"])
def test_help_is_quick(cli, command):
    started = time.process_time()
    assert "Usage" in cli(command, "--help").out
    assert time.process_time() - started < 0.5
