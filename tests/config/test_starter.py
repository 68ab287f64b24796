"""A starter config: what it can tell from the columns, what it leaves to be filled in, and what it gives when that is."""

import re
import warnings

import pandas as pd
import pytest
import yaml

from pumpleak import InputError, InputWarning, load_problem
from pumpleak.config.starter import _observables, starter_config
from pumpleak.data.datasets import export_dataset, list_datasets, template_csv

TABLES = {
    "bare": "K_o_mM,V_m_mV\n5,-80\n20,-50\n",
    "only readings": "label,V_m_mV\na,-80\n",
    "activities": "T_degC,K_o_mM,aK_i_mM,V_m_mV\n37,4,130,-84\n",
    "all known": "T_degC,K_o_mM,K_i_mM,Na_o_mM,Na_i_mM,P_Na_rel,LJP_mV,V_offset_mV,V_m_mV\n37,5,140,145,10,0.05,0,0,-70\n",
    "chloride and calcium": "K_o_mM,Cl_o_mM,Ca_o_mM,V_m_mV\n5,125,2,-80\n",
    "odd names": 'solution,K_o_mM,V_m_mV\n"a: #b, ""c""",5,-80\n{x},20,-50\n',
    "biionic": "Na_o_mM,Ca_o_mM,Na_i_mM,Ca_i_mM,V_m_mV,V_m_sem_mV\n140,0,140,0,0.4,0.6\n0,110,140,0,26.9,1.3\n",
    "GABA": "Cl_i_mM,Cl_o_mM,V_m_mV,V_m_sem_mV\n4,133,-78.2,1.9\n40,133,-29.4,1.2\n",
    "protons": "H_i_nM,H_o_nM,Na_o_mM,Na_i_mM,V_m_mV\n316,1000,10,10,28.5\n3162,316,10,10,-54.6\n",
    "a dye": "K_o_mM,dye,dye_sem\n3,85,1\n30,95,1\n",
    "a dye without errors": "K_o_mM,dye\n3,85\n30,95\n",
    "a dye's logarithm": "K_o_mM,dye_log\n3,4.4\n30,4.6\n",
    "a patch": "V_patch_mV\n-78\n",
    "E_K beside V_m": "K_o_mM,V_m_mV,E_K_mV\n5,-80,-90\n20,-50,-55\n",
    "template": template_csv(),
}
FILL = {"T_degC": 25, "K_o_mM": 5, "Na_o_mM": 145, "Cl_o_mM": 125, "HCO3_o_mM": 26, "HCO3_i_mM": 16, "Ca_i_mM": 1e-4,
        "Cl_i_mM": 10, "dye_F0": 100, "dye_slope": 0.2, "sigma_dye": 1, "sigma_dye_log": 0.01, "K_pipette_mM": 150, "total": 150}  # fmt: skip


def filled(text):
    """The config as a user fills it in."""
    return re.sub(r"(\w+): EDIT\b", lambda found: f"{found[1]}: {FILL.get(found[1], 1)}", text)


def started(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_text(text)
    return starter_config(tmp_path / name, relative_to=tmp_path)


def loaded(tmp_path, config):
    (tmp_path / "c.yaml").write_text(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return load_problem(tmp_path / "c.yaml")


@pytest.mark.parametrize("name", TABLES)
def test_it_is_refused_until_it_is_filled_in_and_is_in_order_then(name, tmp_path):
    text = started(tmp_path, TABLES[name], "my cells: #1.csv")
    assert (": EDIT" in text) == (name not in ("all known", "template"))
    if ": EDIT" in text:
        with pytest.raises(InputError, match="is still to be filled in"):
            loaded(tmp_path, text)
    problem = loaded(tmp_path, filled(text))
    assert problem.n_readings
    config = yaml.safe_load(text)
    assert config["title"] == "my cells: #1" and config["data"] == "my cells: #1.csv"


@pytest.mark.parametrize("name", list_datasets())
def test_so_is_that_of_every_dataset(name, tmp_path):
    export_dataset(name, tmp_path / "t.csv")
    assert loaded(tmp_path, filled(starter_config(tmp_path / "t.csv", relative_to=tmp_path))).n_readings


@pytest.mark.parametrize(
    "name, ions, observables",
    [
        ("bare", ["K", "Na"], ["V_m"]),
        ("biionic", ["Na", "Ca"], ["V_m"]),
        ("GABA", ["Cl", "HCO3"], ["V_m"]),
        ("protons", ["Na", "H"], ["V_m"]),
        ("chloride and calcium", ["K", "Na", "Cl", "Ca"], ["V_m"]),
        ("a dye", ["K", "Na"], ["dye"]),
        ("a patch", ["K", "Na"], ["V_patch"]),
        ("E_K beside V_m", ["K", "Na"], ["V_m", "E_K"]),
    ],
)
def test_ions_reference_and_readings_come_from_the_columns(name, ions, observables, tmp_path):
    config = yaml.safe_load(started(tmp_path, TABLES[name]))
    assert config["ions"] == ions and config.get("observables", ["V_m"]) == observables
    said = {key.partition("_")[0] for key in config["quantities"]}
    assert ("K" in said) <= ("K" in ions)  # no word of an ion that is not there


@pytest.mark.parametrize(
    "columns, ions",
    [
        ("K_o_mM,Na_o_mM,HEPES_o_mM,Mg_o_mM", ["K", "Na"]),
        ("Na_o_mM,Cl_o_mM,Tris_o_mM,gluconate_o_mM,HPO4_o_mM", ["Na", "Cl"]),
        ("K_o_mM,Na_o_mM,Ca_o_mM,La_o_mM", ["K", "Na", "Ca"]),
        ("K_o_mM,Na_o_mM,TEA_o_mM,P_TEA_rel", ["K", "Na", "TEA"]),
        ("Na_o_mM,Na_i_mM,Mg_o_mM,Mg_i_mM", ["Na", "Mg"]),
        ("Na_o_mM,choline_o_mM", ["Na", "choline"]),
    ],
)
def test_buffers_and_large_ions_are_in_the_bath_only_where_others_carry_the_current(columns, ions, tmp_path):
    n = columns.count(",") + 1
    text = started(tmp_path, f"{columns},V_m_mV\n{'5,' * n}-80\n")
    assert yaml.safe_load(text)["ions"] == ions
    more = re.search(r"^# (ions: \[.*\])$", text, re.MULTILINE)
    assert (more is None) == all(f"{ion}_o" not in columns or ion in ions for ion in ("HEPES", "Tris", "La"))
    assert more is None or len(yaml.safe_load(more[1])["ions"]) == len(ions) + 1


def test_what_stands_alone_in_a_bath_carries_the_current(tmp_path):
    text = started(tmp_path, "K_i_mM,K_o_mM,NMDG_o_mM,V_m_mV\n140,0,140,-80\n140,10,130,-50\n")
    assert yaml.safe_load(text)["ions"] == ["K", "Na", "NMDG"]


def test_no_number_is_made_up(tmp_path):
    """What is written as known is a neutral default; a bath and a temperature are asked for."""
    for table in TABLES.values():
        quantities = yaml.safe_load(started(tmp_path, table))["quantities"]
        assert all(
            q in ("LJP_mV", "gamma_o", "gamma_i")
            for q, v in quantities.items()
            if isinstance(v, (int, float))
        )


def test_of_protons_the_prior_spans_decades(tmp_path):
    prior = loaded(tmp_path, filled(started(tmp_path, TABLES["protons"]))).parameters[0].prior
    for P in (1e2, 2.5e5, 1e7):  # a quarter to three quarters of a decade's share at least
        assert 0.02 < prior.scipy().cdf(P) < 0.98


def test_of_calcium_over_sodium_the_prior_holds_what_is_common(tmp_path):
    prior = loaded(tmp_path, filled(started(tmp_path, TABLES["biionic"]))).parameters[0].prior
    assert all(0.02 < prior.scipy().cdf(P) < 0.98 for P in (0.1, 1.0, 10.0))


LABELLED = {
    "cell,K_o_mM": "by: cell, pooled: true",
    "genotype,K_o_mM": "by: genotype}",
    "genotype,cell,K_o_mM": "by: [genotype, cell], pooled: [cell]",
    "drug,cell,K_o_mM": 'P_Na_scale: {prior: lognormal, median: 1, factor: 3, by: drug, reference: "a1"}',
}


@pytest.mark.parametrize("header", LABELLED)
def test_labels_with_several_levels_have_a_line_that_uses_them(header, tmp_path):
    n = header.count(",")
    rows = [
        ",".join([f"{'ab'[k // 2]}{i + 1}" if i == 0 else f"x{k}" for i in range(n)] + ["5,-70"])
        for k in range(4)
    ]
    text = started(tmp_path, f"{header},V_m_mV\n" + "\n".join(rows) + "\n")
    (line, *_) = [x for x in text.splitlines() if x.startswith("#   ") and LABELLED[header] in x]
    config = yaml.safe_load(filled(text))
    key, spec = next(iter(yaml.safe_load(line.removeprefix("#   ").partition("  # ")[0]).items()))
    if "cell" in header and "drug" in header:
        config["quantities"]["P_Na_rel"] |= {"by": "cell", "pooled": True}
    config["quantities"][key] = spec
    problem = loaded(tmp_path, yaml.safe_dump(config))
    assert any(p.by for p in problem.parameters)


@pytest.mark.parametrize(
    "table, match",
    [
        (
            "Cell ID,2.5 mM K,5 mM K\nc1,-82.1,-72.3\n",
            "2.5 mM K and 5 mM K hold the readings of one bath each.*K_o_mM",
        ),
        ("V (mV),I 5K (pA),I 20K (pA)\n-120,-92.4,-181.5\n", "hold currents.*reverses"),
        ("cell,K_o_mM\na,5\n", "no column holds a reading"),
        ("K_o_mM,E_shift_mV\n5,-80\n", "no column holds a reading"),
    ],
)
def test_a_table_without_readings_is_told_what_to_become(table, match, tmp_path):
    with pytest.raises(InputError, match=match):
        started(tmp_path, table)


def settled(text):
    """A starter config with the lines that say what doubtful columns are."""
    return re.sub(r"^# (columns: \{.*\})$", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "header, ions",
    [
        *((f"K_o_mM,{x}_mV", ["K", "Na"]) for x in ("E_rev", "E_m", "E_rest", "Erev")),
        *(("K_o,V_m", ["K", "Na"]), ("Na_o,Ca_o,V_m", ["Na", "Ca"]), ("K_o,V_m,V_m_sem,T", ["K", "Na"])),
        *(("Cl_o,Vm", ["Cl", "HCO3"]), ("K_o_mM,V_m,SEM", ["K", "Na"]), ("[K+]o,E_m", ["K", "Na"])),
    ],
)
def test_names_that_are_in_doubt_get_a_config_that_is_in_order_once_they_are_settled(header, ions, tmp_path):
    n = header.count(",")
    rows = "".join(f"{','.join(str(20 + k + 2 * j) for j in range(n))},-{80 - 10 * k}\n" for k in range(2))
    last = {"SEM": "2", "T": "22"}.get(header.rpartition(",")[2])
    if last:
        rows = "".join(f"{20 + 2 * k},-80{',2' * (n - 1) if last == '2' else ',2,22'}\n" for k in range(2))
    text = started(tmp_path, f"{header}\n{rows}")
    assert yaml.safe_load(text)["ions"] == ions
    with pytest.raises(InputError):
        loaded(tmp_path, filled(text))
    problem = loaded(tmp_path, filled(settled(text)))
    assert problem.n_readings == 2 and not problem.measurements.ignored


def test_names_of_files_and_levels_write_no_keys(tmp_path):
    name = "a\n  K_o_mM: 99\u2028b\x85c\x1b[2J.csv"
    text = started(tmp_path, 'solution,"x\u2028y: 1",K_o_mM,V_m_mV\n"s\u2028: 1",a,5,-80\nb,b,20,-50\n', name)
    assert not set("\u2028\x85\x1b") & set(text)
    config = yaml.safe_load(text)
    assert config["data"] == name and "K_o_mM" not in config and "K_o_mM" not in config["quantities"]


def test_a_sheet_that_is_named_is_named_in_the_config(tmp_path):
    with pd.ExcelWriter(tmp_path / "b.xlsx") as book:
        pd.DataFrame({"V_m_mV": [-70]}).to_excel(book, sheet_name="one", index=False)
        pd.DataFrame({"K_o_mM": [5, 6], "V_m_mV": [-80, -79]}).to_excel(
            book, sheet_name="the other", index=False
        )
    text = starter_config(tmp_path / "b.xlsx#the other", relative_to=tmp_path)
    assert yaml.safe_load(text)["data"] == "b.xlsx#the other"
    assert loaded(tmp_path, filled(text)).n_readings == 2


def test_ions_come_from_what_columns_are_made_from_and_from_salts(tmp_path):
    text = started(tmp_path, "log[K]o (mM),Na_o_mM,V_m_mV\n0.4,145,-84\n0.7,142,-77\n1.0,137,-63\n")
    assert yaml.safe_load(text)["ions"] == ["K", "Na"]
    text = started(tmp_path, "KCl (mM),NaCl (mM),V_m_mV\n5,145,-84\n10,140,-77\n")
    config = yaml.safe_load(text)
    assert config["ions"] == ["K", "Na", "Cl"] and not {"K_o_mM", "Na_o_mM", "Cl_o_mM"} & {
        *config["quantities"]
    }


def test_a_time_course_is_of_a_cell_whose_concentrations_move(tmp_path):
    table = "label,protocol,baseline,t_s,pump,V_m_mV,Na_i_mM,volume\nrest,steady,,,1,-70,13,1\nlate,at,rest,600,0,-60,30,1.02\n"
    text = started(tmp_path, table)
    config = yaml.safe_load(text)
    assert config["model"] == "pump_leak" and config["observables"] == ["V_m", "Na_i", "volume"]
    with pytest.raises(InputError, match="key cell: is still to be filled in. Name a preset .*neuron"):
        loaded(tmp_path, text)


def test_the_path_is_relative_to_the_config(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv").write_text(TABLES["bare"])
    text = starter_config(tmp_path / "data" / "t.csv", relative_to=tmp_path)
    assert yaml.safe_load(text)["data"] == "data/t.csv"
    elsewhere = yaml.safe_load(starter_config(tmp_path / "data" / "t.csv", relative_to="/elsewhere"))["data"]
    assert elsewhere == str(tmp_path / "data" / "t.csv")


def test_columns_that_may_be_quantities_are_proposed_and_have_no_default(tmp_path):
    text = started(tmp_path, "Ko,Vj,Vm (mV),SEM\n2.5,4,-84,1\n20,4,-50,1\n")
    assert "# columns: {Ko: K_o_mM, Vj: LJP_mV}\n# ignore: [Ko, Vj]\n" in text
    assert "LJP_mV:" not in text.replace("# columns", "") and "\n  K_o_mM" not in text


def test_columns_that_are_not_read_are_named_and_taken_for_nothing(tmp_path):
    text = started(tmp_path, "kappa,K_o_mM,V_m_mV\n2.5,5,-70\n3.7,10,-60\n")
    assert '# Not read: "kappa".' in text and "# columns:" not in text


def test_what_is_made_from_a_quantity_is_told_in_a_starter_and_not_proposed(tmp_path):
    text = started(tmp_path, "log[K]o (mM),Na_o_mM,V_m_mV\n0.4,145,-84\n0.7,142,-77\n1.0,137,-63\n")
    assert '# ignore: ["log[K]o (mM)"]' in text and "# columns:" not in text
    assert '# "log[K]o (mM)" may be made from K_o. Give K_o itself in a column K_o_mM.' in text


def test_what_was_read_is_found_in_columns_of_values_and_of_differences():
    columns = ["K_o", "dV_m", "E_K", "V_patch", "volume", "Na_i", "V_m"]
    assert _observables(columns, timed=False) == ["V_m", "E_K", "V_patch"]
    assert _observables(columns, timed=True) == ["V_m", "E_K", "V_patch", "volume", "Na_i"]
    assert _observables(["K_o", "dV_m"], timed=False) == ["V_m"] and _observables(["K_o"], timed=False) == []
