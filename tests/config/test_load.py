"""Configs: units in keys and values, priors, defaults filled in, files beside the config."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from pumpleak import InputError, InputWarning, Latent, Swap, load_problem
from pumpleak.config.load import Lines, read_config
from pumpleak.config.schema import FitSpec, SamplerSpec
from pumpleak.config.specs import parse_spec
from pumpleak.problem.settings import FIT, SAMPLER
from pumpleak.quantities.numbers import DASHES

CONFIGS = [
    p for p in sorted(Path(__file__).parents[2].glob("configs/*.yaml")) if not p.name.startswith("cell_")
]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_configs_that_come_with_it_are_in_order(path):
    if path.stem in ("ehrlich_ascites", "batch_screen"):  # a bath and a cell that are odd on purpose
        with pytest.warns(InputWarning):
            problem = load_problem(path)
    else:
        problem = load_problem(path)
    assert problem.n_readings and problem.parameters and problem.title != "untitled"
    assert (
        problem.config["sampler"].items()
        >= {"chains": 4, "warmup": 1000, "draws": 1000, "seed": None}.items()
    )


def spec(key, value):
    return parse_spec(key, value, Lines(), ("quantities", key))


@pytest.mark.parametrize(
    "key, value, name, number",
    [
        ("K_i_mM", 140, "K_i", 140.0),
        ("K_i_M", 0.14, "K_i", 140.0),
        ("K_i_µM", 140000, "K_i", 140.0),
        ("K_i", "0.14 M", "K_i", 140.0),
        ("K_i_mM", "140 mM", "K_i", 140.0),
        ("K_i", "1e2 mM", "K_i", 100.0),
        ("T_degC", 37, "T", 310.15),
        ("T", "37 °C", "T", 310.15),
        ("T_K", 310.15, "T", 310.15),
        ("LJP_V", 0.004, "LJP", 4.0),
        ("P_Na_rel", 0.05, "P_Na_rel", 0.05),
        ("pump", 0, "pump", 0.0),
    ],
)
def test_numbers_come_in_canonical_units(key, value, name, number):
    found, canonical = spec(key, value)
    assert found == name and canonical == pytest.approx(number, rel=1e-14)


@pytest.mark.parametrize("text", ["120 ± 10 mM", "0.12 ± 0.01 M", "120 +/- 10 mM"])
def test_a_measured_number_is_a_normal_that_is_data(text):
    _, prior = spec("K_i", text)
    assert (prior.kind, prior.measured) == ("normal", True)
    assert (prior.a, prior.b) == pytest.approx((120, 10))


def test_a_spread_in_degrees_is_one_in_kelvin():
    _, prior = spec("T", "37 ± 0.5 degC")
    assert (prior.a, prior.b) == pytest.approx((310.15, 0.5))


def test_priors_in_other_units():
    _, latent = spec("T_degC", {"prior": "normal", "mean": 37, "sd": 0.5})
    assert isinstance(latent, Latent) and (latent.prior.a, latent.prior.b) == pytest.approx((310.15, 0.5))
    _, latent = spec("K_i", {"prior": "lognormal", "median": 0.14, "factor": 1.2, "unit": "M"})
    assert latent.prior.quantile(0.5) == pytest.approx(140)
    _, latent = spec("LJP_V", {"prior": "uniform", "lower": -0.004, "upper": 0.004})
    assert (latent.prior.lower, latent.prior.upper) == pytest.approx((-4, 4))
    _, latent = spec("K_i_mM", {"prior": "normal", "mean": 140, "sd": 9, "lower": 120})
    assert latent.prior.lower == 120 and not latent.prior.measured


def test_levels_and_pooling():
    prior = {"prior": "lognormal", "median": 0.05, "factor": 3, "by": "cell"}
    assert spec("P_Na_rel", prior)[1].by == "cell" and not spec("P_Na_rel", prior)[1].pooled
    pooled = spec("P_Na_rel", prior | {"pooled": True})[1]
    assert pooled.pooled and pooled.spread is None
    assert spec("P_Na_rel", prior | {"spread": 0.2})[1].spread.b == 0.2


@pytest.mark.parametrize(
    "key, total",
    [("Na_o_mM", 150), ("Na_o_M", 0.15), ("Na_o", "150 mM"), ("Na_o_mM", "150 mM"), ("Na_o", "0.15 M")],
)
def test_a_swap_has_the_unit_of_its_key_or_its_total(key, total):
    name, swap = spec(key, {"swap_for": "K_o", "total": total})
    assert name == "Na_o" and isinstance(swap, Swap) and swap.other == "K_o"
    assert swap.total == pytest.approx(150.0)


def test_a_swap_without_a_unit_is_refused():
    with pytest.raises(InputError, match="needs a unit"):
        spec("Na_o", {"swap_for": "K_o", "total": 150})


TEXT = """\
model: ghk
data: {dataset: textbook_resting}
quantities:
  P_Na_rel:
    prior: lognormal
    median: 0.05
    factor: 3
"""


def test_lines_know_where_every_key_stands(tmp_path):
    (tmp_path / "c.yaml").write_text(TEXT)
    config, lines = read_config(tmp_path / "c.yaml")
    assert config.model == "ghk" and config.quantities["P_Na_rel"]["median"] == 0.05
    for path, line in (("quantities.P_Na_rel.factor", 7), ("quantities.P_Na_rel.other", 4), ("model", 1)):
        assert f"line {line}," in str(lines.error("x", tuple(path.split("."))))


def test_a_table_stands_beside_its_config(titration, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    problem = load_problem(titration / "cells.yaml")
    assert problem.measurements.file == str(titration / "cells.csv")


def test_a_dict_is_a_config_too():
    problem = load_problem(yaml.safe_load(TEXT))
    assert [p.name for p in problem.parameters] == ["P_Na_rel", "sigma_V_m"]
    with pytest.raises(InputError, match="^config, quantities.K_i: K_i needs a unit"):
        load_problem(yaml.safe_load(TEXT) | {"quantities": {"K_i": 5}})


@pytest.mark.parametrize(
    "old, new, words",
    [
        (
            "protocol: acute",
            "protocol: at",
            "line 7, key protocol: '.*' is at, but at what time is not said. Give t_s, .*a column",
        ),
        (
            "data:",
            "observables: [V_m, K_i]\ndata:",
            "key observables: .*no reading of K_i. Add a column K_i_mM,",
        ),
        ("data:", "observables: [V_m, volume]\ndata:", "Add a column volume,"),
        ("data:", "observables: [V_m, E_K]\ndata:", "Add a column E_K_mV,"),
    ],
)
def test_what_a_whole_cells_table_must_have(tmp_path, old, new, words):
    text = next(p for p in CONFIGS if p.stem == "pump_leak_crayfish").read_text()
    (tmp_path / "c.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=f"c.yaml, .*{words}"):
        load_problem(tmp_path / "c.yaml")


def test_a_table_without_readings_serves_predictions(titration, tmp_path):
    text = (titration / "cells.csv").read_text().splitlines()
    (tmp_path / "cells.csv").write_text("\n".join(line.rsplit(",", 2)[0] for line in text) + "\n")
    (tmp_path / "cells.yaml").write_text((titration / "cells.yaml").read_text())
    problem = load_problem(tmp_path / "cells.yaml")
    assert problem.n_readings == 0 and len(problem.measurements.labels) == 4


def test_a_section_left_out_says_what_python_takes():
    assert SamplerSpec().model_dump() == asdict(SAMPLER) and FitSpec().model_dump() == asdict(FIT)


@pytest.mark.parametrize(
    "key, written, meant",
    [
        ("ions", "K", ["K"]),
        ("ignore", "x", ["x"]),
        ("ignore", "2019", ["2019"]),
        ("ignore", "[2019, y]", ["2019", "y"]),
        ("missing", "-99", [-99]),
        ("missing", "n.d.", ["n.d."]),
        ("observables", "V_m", ["V_m"]),
        ("same_cells", "drug", ["drug"]),
        ("same_cells", "true", True),
        ("same_cells", "no", False),
    ],
)
def test_one_name_is_a_list_of_one(key, written, meant, tmp_path):
    (tmp_path / "c.yaml").write_text(f"data: t.csv\n{key}: {written}\n")
    assert getattr(read_config(tmp_path / "c.yaml")[0], key) == meant


@pytest.mark.parametrize("key", ["ions", "ignore", "missing", "observables", "same_cells"])
@pytest.mark.parametrize("written", ["a, b", "{a, b}", '"a, b"'])
def test_several_in_one_text_are_refused_with_the_list(key, written, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(f"data: t.csv\n{key}: {written}\n")
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert f"line 2, key {key}: " in str(caught.value)
    mends = re.findall(r"`([^`]*)`", str(caught.value))
    assert mends[0] == f"{key}: [a, b]"
    for mend, meant in zip(mends, (["a", "b"], ["a, b"]), strict=False):
        path.write_text(f"data: t.csv\n{mend}\n")
        assert getattr(read_config(path)[0], key) == meant


@pytest.mark.parametrize("key", ["ions", "ignore", "observables"])
def test_a_list_that_is_not_there_is_told(key, tmp_path):
    (tmp_path / "c.yaml").write_text(f"data: t.csv\n{key}:\n")
    with pytest.raises(InputError, match=f"line 2, key {key}: nothing stands here.*leave the key out"):
        read_config(tmp_path / "c.yaml")


@pytest.mark.parametrize("key", ["by", "pooled"])
def test_so_are_those_of_a_prior(key):
    prior = {"prior": "lognormal", "median": 0.05, "factor": 3, "by": "cell"}
    with pytest.raises(InputError, match=rf"`{key}: .a, b.`"):
        spec("P_Na_rel", prior | {key: "a, b"})
    assert spec("P_Na_rel", prior | {"by": ["a", "b"], "pooled": "b"})[1].pooled == ("b",)


@pytest.mark.parametrize("dash", DASHES)
def test_every_dash_is_a_minus_sign(dash):
    assert spec("LJP_mV", f"{dash}3") == ("LJP", -3.0)
    assert spec("V_offset", f"{dash}3 ± 1 mV")[1].a == -3.0
    assert spec("V_offset_mV", {"prior": "normal", "mean": f"{dash}3.5", "sd": 2})[1].prior.a == -3.5


@pytest.mark.parametrize(
    "written, mend", [("１０", "Write 10"), ("１．５", "Write 1.5"), ("١٠", "Write 10"), ("–１", "Write -1")]
)
def test_digits_of_other_alphabets_are_refused(written, mend):
    for given in (written, {"prior": "normal", "mean": written, "sd": 2}):
        with pytest.raises(InputError, match=f"another alphabet. {mend}"):
            spec("LJP_mV", given)


@pytest.mark.parametrize("written", ["5²", "10⁻³", "½", "Ⅳ"])
def test_raised_digits_are_not_taken_for_plain_ones(written):
    with pytest.raises(InputError) as caught:
        spec("LJP_mV", written)
    assert "52" not in str(caught.value) and "10-3" not in str(caught.value)
