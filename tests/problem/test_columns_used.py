"""Every column of a table is said to be read, a label, of no use to the model, or not read: each once."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import pumpleak
from pumpleak import load_problem
from pumpleak.problem.columns_used import columns_used

KNOWN = {"T_degC": 37, "Na_o_mM": 145, "Na_i_mM": 12, "K_i_mM": 140, "P_Na_rel": 0.05}


def used(tmp_path, **columns):
    table = pd.DataFrame({"label": ["a", "b"], "[K+]o (mM)": [5.0, 20.0], "V_m_mV": [-70.0, -50.0]} | columns)
    table.to_csv(tmp_path / "t.csv", index=False)
    problem = load_problem({"data": str(tmp_path / "t.csv"), "quantities": KNOWN})
    return columns_used(problem), problem, list(table.columns)


@pytest.mark.filterwarnings("ignore:.*do not balance:pumpleak.errors.InputWarning")
def test_every_column_is_one_of_them(tmp_path):
    found, problem, columns = used(
        tmp_path,
        drug=["x", "y"],
        age=[3.5, 4.5],
        P_Cl_rel=0.4,
        pump=[1, 0],
        time_min=[0.0, 5.0],
        SEM=1.0,
        N=5,
    )
    groups = [found.read, found.labels, found.unused_labels, found.other_labels, found.idle, found.not_read]
    assert sorted(x for group in groups for x in group) == sorted(columns)
    assert found.read["[K+]o (mM)"] == "K_o [mM]" and found.read["SEM"] == "V_m_sem [mV]"
    assert set(found.idle) == {"P_Cl_rel", "pump", "time_min", "N"} and found.not_read == ("age",)
    assert any("P_Cl_rel and pump" in text for text in problem.assumptions)
    words = found.words()
    assert words[0].startswith("Columns read: label, [K+]o (mM) as K_o [mM], V_m_mV")
    assert words[-1] == "Columns that are not read: age."


def test_a_hundred_other_columns_are_one_line(tmp_path):
    found, _, _ = used(tmp_path, **{f"trace {k}": [0.5, k + 0.25] for k in range(100)})
    assert len(found.not_read) == 100 and found.words()[-1].endswith("and 88 more.")


def density(config, table, path):
    """What became of the columns of a table, and −log density at a fixed point; the table is written to a file."""
    table.to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pumpleak.InputWarning)
        problem = load_problem(config | {"data": str(path)})
    return columns_used(problem), float(problem.potential(np.linspace(-0.3, 0.4, problem.dimension)))


def nudged(values):
    """A column moved by a small lawful step: whole numbers stay whole."""
    return values + 1 if (values.dropna() % 1 == 0).all() else values * 1.0003


def check_against_density(config, table, path):
    """What is listed as read changes the density, and what is listed as anything else does not."""
    said, before = density(config, table, path)
    for name in table.columns:
        if table[name].dtype.kind not in "if" or name in (
            *said.labels,
            *said.unused_labels,
            *said.other_labels,
        ):
            continue
        _, after = density(config, table.assign(**{name: nudged(table[name])}), path)
        assert np.isfinite(after)
        assert (after != before) == (name in said.read), name


CONFIGS = Path(__file__).parents[2] / "configs"
TABLES = Path(pumpleak.__file__).parent / "data" / "datasets"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    sorted(p.name for p in CONFIGS.glob("*.yaml") if "data:" in p.read_text() and "batch" not in p.name),
)
def test_shipped_columns_that_are_read_change_the_density(name, tmp_path):
    config = yaml.safe_load((CONFIGS / name).read_text())
    data = config["data"]
    source = TABLES / f"{data['dataset']}.csv" if isinstance(data, dict) else CONFIGS / data
    check_against_density(config, pd.read_csv(source, comment="#"), tmp_path / "t.csv")


EXTRA = {
    "P_Cl_rel": 0.4,
    "Ca_o_mM": 2.0,
    "Cl_o_mM": 120.0,
    "pump": [0.5, 0.25],
    "r": [1.5, 1.25],
    "g_Na_rel": 0.1,
    "time_min": [1.0, 6.0],
    "LJP_mV": 3.0,
    "V_offset_mV": 1.0,
    "T_degC": [20.0, 30.0],
    "K_i_mM": [140.0, 150.0],
    "K_o_sd_mM": 0.5,
    "E_K_mV": [-90.0, -55.0],
    "aK_o_mM": [3.5, 14.5],
    "gamma_o": 0.75,
    "E_shunt_mV": -5.0,
}


@pytest.mark.thorough
def test_every_kind_of_column_is_listed_as_the_density_has_it(tmp_path):
    table = pd.DataFrame(
        {"label": ["a", "b"], "K_o_mM": [5.0, 20.0], "V_m_mV": [-70.0, -50.0], "V_m_sem_mV": 2.0}
    )
    for name, values in EXTRA.items():
        known = {k: v for k, v in KNOWN.items() if k != name}
        check_against_density({"quantities": known}, table.assign(**{name: values}), tmp_path / "t.csv")


def test_a_reading_that_is_not_asked_for_comes_with_the_line_that_reads_it(tmp_path):
    more = {"E_K_mV": [-90.0, -55.0], "E_K_sem_mV": 1.0, "E_Cl (mV)": -60.0}
    found, _, _ = used(tmp_path, **more, V_m_sem_mV=1.0)
    assert found.observables == ("V_m", "E_K")
    assert "`observables: [V_m, E_K]` reads E_K_mV and E_K_sem_mV." in found.words()[-1]
    again = load_problem(
        {"data": str(tmp_path / "t.csv"), "quantities": KNOWN, "observables": list(found.observables)}
    )
    assert columns_used(again).read["E_K_mV"] == "E_K [mV]" and len(again.measurements.value) == 4
    left = load_problem(
        {"data": str(tmp_path / "t.csv"), "quantities": KNOWN, "ignore": ["E_K_mV", "E_K_sem_mV"]}
    )
    assert columns_used(left).observables == ()


def test_labels_are_used_only_where_something_is_given_by_them(tmp_path):
    found, _, _ = used(tmp_path, Rin=[200, 300], Notes=["ok", "noisy"], cell=["a", "a"])
    assert found.labels == () and set(found.other_labels) == {"Rin", "Notes", "cell"}
    by = {"prior": "lognormal", "median": 0.05, "factor": 3, "by": "cell"}
    problem = load_problem({"data": str(tmp_path / "t.csv"), "quantities": KNOWN | {"P_Na_rel": by}})
    assert columns_used(problem).labels == ("cell",)
    assert "Labels that nothing is given by: Rin and Notes." in columns_used(problem).words()


@pytest.mark.filterwarnings("ignore:.*do not balance:pumpleak.errors.InputWarning")
def test_a_concentration_of_the_config_that_nothing_uses_is_said(tmp_path):
    used(tmp_path)
    config = {"data": str(tmp_path / "t.csv"), "quantities": KNOWN | {"Cl_o_mM": 150, "glucose_o_mM": 10}}
    said = columns_used(load_problem(config)).words()
    assert "Quantities of the config that the model does not use: Cl_o and glucose_o." in said
    davies = config | {"quantities": config["quantities"] | {"gamma_o": "davies"}}
    assert columns_used(load_problem(davies)).idle_given == ("glucose_o",)
