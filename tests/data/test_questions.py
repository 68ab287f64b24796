"""Columns that may be a quantity: asked about together, and settled by what the message proposes."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from tables import refused

from pumpleak import read_table
from pumpleak.data.cell_table import CellTable
from pumpleak.data.measurements import read_wanted
from pumpleak.data.questions import like_counter, like_ladder, like_potentials
from pumpleak.data.wanted import Wanted
from pumpleak.errors import InputError

K, V = [2.5, 5.0, 10.0, 20.0, 40.0], [-84.0, -77.0, -63.0, -47.0, -30.0]


def table(**columns):
    return pd.DataFrame({"K_o_mM": K, "V_m_mV": V} | columns)


def mended(frame):
    """The table read with the first mend of its message, and with the last."""
    with pytest.raises(InputError) as caught:
        read_table(frame)
    keys = [yaml.safe_load(key) for key in re.findall(r"`([^`]*)`", str(caught.value))]
    return [read_table(frame, **key) for key in keys if list(key.values())[0]]


@pytest.mark.parametrize(
    "column, values, read",
    [
        ("Ko", K, lambda m: m.quantities["K_o"]),
        ("Conc", K, lambda m: m.quantities["K_o"]),
        ("bath", K, lambda m: m.quantities["K_o"]),
        ("my ladder", K, lambda m: m.quantities["K_o"]),
        ("solution", K, lambda m: m.quantities["K_o"]),
        ("Em", V, lambda m: m.value),
        ("y", V, lambda m: m.value),
        ("Temp", [22.0] * 5, lambda m: m.quantities["T"] - 273.15),
        ("Vj", [4.1] * 5, lambda m: m.quantities["LJP"]),
        ("err", [1.5] * 5, lambda m: m.sem),
        ("r", [1, 2, 3, 1, 2], lambda m: m.quantities["r"]),
        ("n", [1, 2, 3, 4, 5], lambda m: m.n),
    ],
)
def test_what_the_message_proposes_settles_it(column, values, read):
    frame = table().drop(columns="K_o_mM" if values is K else "V_m_mV" if values is V else [])
    frame[column] = values
    as_quantity, left_out = mended(frame) if values is not V else (mended_one(frame), None)
    np.testing.assert_allclose(read(as_quantity), values, rtol=1e-12)
    assert left_out is None or column in left_out.ignored and column not in left_out.groups


def mended_one(frame):
    """Where the reading itself is in doubt, only the first mend leaves a table with readings."""
    with pytest.raises(InputError, match="columns") as caught:
        read_table(frame)
    return read_table(frame, **yaml.safe_load(re.findall(r"`([^`]*)`", str(caught.value))[0]))


def test_all_doubts_are_settled_by_one_message():
    frame = pd.DataFrame({"Ko": K, "Vm": V, "Temp": 22.0, "err": 1.0, "count": 8, "pH": 7.4})
    with pytest.raises(InputError, match="to be settled too: Vm, Temp, err, count, pH") as caught:
        read_table(frame)
    columns, _ = re.findall(r"`([^`]*)`", str(caught.value))
    m = read_table(frame, **yaml.safe_load(columns), ignore=["pH", "err", "count"])
    assert m.quantities["K_o"].tolist() == K and m.value.tolist() == V


def test_what_is_there_already_is_not_proposed_again():
    refused(table(Kout=K), "column Kout", "column K_o_mM holds that already", "`ignore: [Kout]`")
    refused(table(**{"RMP (mV)": V}), 'ignore: ["RMP (mV)"]')


@pytest.mark.parametrize("name", ["pH", "V_hold", "CI", "drug_uM", "V_p_mV"])
def test_what_has_no_column_is_left_out_by_name(name):
    refused(table(**{name: [7.0, 7.1, 7.2, 7.3, 7.4]}), f"column {name}", f"`ignore: [{name}]`")
    assert read_table(table(**{name: 7.4}), ignore=[name]).ignored == (name,)


@pytest.mark.parametrize(
    "name",
    ["cells", "nb", "# cells", "number of fibres", "fibers impaled", "n animals", "#", "No.", "neurons"],
)
@pytest.mark.parametrize("spread", [{}, {"V_m_sd_mV": 2.0}])
@pytest.mark.parametrize("counts", [[25, 31, 8, 12, 9], [6, 6, 7, 8, 8]])
def test_counts_are_asked_about_beside_a_spread_and_without(name, spread, counts):
    as_count, left_out = mended(table(**spread, **{name: counts}))
    assert as_count.n.tolist() == counts and left_out.n is None or np.isnan(left_out.n).all()
    assert name in read_table(table(**{name: [1, 1, 2, 2, 3]})).groups  # numbers of a list: names


@pytest.mark.parametrize(
    "name, mend", [("SEM (%)", "100"), ("V_m_sd (%)", "100"), ("Temp (F)", "1.8"), ("-LJP (mV)", "LJP_mV")]
)
def test_what_changes_a_number_is_refused_with_how_to_undo_it(name, mend):
    refused(table(**{name: [3.0, 4.0, 5.5, 6.0, 7.0]}), f"column {name}", mend, "`ignore: [")


@pytest.mark.parametrize("name", ["σ (mV)", "threshold (mV)", "Kpip (mM)"])
def test_a_unit_in_brackets_is_enough_to_ask(name):
    refused(table(**{name: [3.0, 4.0, 5.5, 6.0, 7.0]}), f"column {name}", "`ignore: [")


@pytest.mark.parametrize("name", ["T", "t"])
def test_a_temperature_without_a_unit_is_told_the_usual_one(name):
    refused(table(**{name: [22, 23, 22, 23, 22]}), f"column {name}", "T_degC")


def test_a_hundred_other_columns_are_no_chore():
    rng = np.random.default_rng(0)
    other = {f"GENE{k}": rng.poisson(30, 5) for k in range(100)} | {"age": K, "donor": [1, 2, 3, 4, 5]}
    other |= {"depth_um": [30.5, 40, 51, 60, 70], "weight": [20.5] * 5, "Rm (MΩ)": K, "date": "2024-01-02"}
    other |= {
        "Age": [12.5] * 5,
        "Rin (MOhm)": K,
        "Cm (pF)": K,
        "n_cell": [3, 4, 5, 6, 7],
        "sex": [0, 1, 0, 1, 1],
    }
    m = read_table(table(**other))
    assert set(m.ignored) >= {"age", "depth_um", "weight", "Rm (MΩ)"} and "donor" in m.groups
    assert read_table(pd.DataFrame({"age": K, "V_m_mV": V})).ignored == ("age",)  # no ladder of ages


def test_times_without_a_unit_are_labels():
    m = read_table(table(time=[1, 2, 3, 4, 5], Time=["09:30"] * 5))
    assert m.groups == {"time": ("1", "2", "3", "4", "5"), "Time": ("09:30",) * 5}


def test_a_spread_has_the_unit_of_its_reading():
    volts = pd.DataFrame({"K_o_mM": K, "V_m_V": [v / 1000 for v in V], "SEM": 0.001, "N": 9})
    m = read_table(volts)
    assert m.value.tolist() == V and m.sem.tolist() == [1.0] * 5 and m.n.tolist() == [9.0] * 5


@pytest.mark.parametrize(
    "values, counts", [([0, 1, 0, 1, 1], False), ([1.5] * 5, False), ([1, 1, 1, 1, 1], False)]
)
def test_a_pump_that_runs_or_not_is_no_counter(values, counts):
    name = "pump" if max(values) == 1 else "r"
    assert read_table(table(**{name: values})).quantities[name].tolist() == values
    assert like_counter(np.array(values, float)) == counts


@pytest.mark.parametrize("name", ["r", "pump", "n"])
@pytest.mark.parametrize("values", [[1, 2, 3, 1, 2], [0, 1, 2, 0, 1], [1, 2, 3, 4, 5]])
def test_a_quantity_that_counts_is_asked_about(name, values):
    frame = table(**{name: values})
    if name == "n" and max(values) < 3:
        return
    refused(frame, f"column {name}", "1, 2, 3 …", "`columns: {", "`ignore: [")
    assert read_table(frame, columns={name: "replicate"}).groups["replicate"] == tuple(map(str, values))


def test_cells_of_a_batch_are_asked_about_alike():
    frame = pd.concat([table(cell=c, Ko=K, r=[1, 2, 3, 4, 5]).drop(columns="K_o_mM") for c in "ab"])
    with pytest.raises(InputError, match="column Ko: may be an ion's concentration.*too: r"):
        CellTable.open(frame, observables=["V_m"], wanted=Wanted())
    said = Wanted({"Ko": "K_o_mM"}, ("r",))
    (rows,) = CellTable.open(frame, observables=["V_m"], wanted=said).chunks(5)
    assert rows.quantities["K_o"].tolist() == K * 2 and rows.groups == {}


def test_spellings_are_read_alike_in_a_batch(tmp_path):
    frame = pd.concat([table(cell=c, SEM=1.0, N=4) for c in "ab"]).rename(columns={"K_o_mM": "[K⁺]ₒ (mM)"})
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (frame, tmp_path / "t.parquet"):
        (rows,) = CellTable.open(source, observables=["V_m"]).chunks(5)
        assert rows.quantities["K_o"].tolist() == K * 2 and rows.readings["V_m"].n.tolist() == [4.0] * 10


def test_values_that_look_like_something():
    assert (
        like_potentials(np.array(V))
        and not like_potentials(np.array(K))
        and not like_potentials(np.array([]))
    )
    assert like_ladder(np.array(K)) and like_ladder(np.array([1, 3, 10, 30.0]))
    for other in (
        [1, 2, 3, 4, 5, 6.0],
        [31, 17, 4, 88.0],
        [101, 102, 103.0],
        [5.0, 5.0],
        [2.513, 5.02, 10.04, 20.1],
    ):
        assert not like_ladder(np.array(other))


@pytest.mark.parametrize(
    "name, texts",
    [
        ("error", ["±2", "±3", "±2", "±2", "±1"]),
        ("K conc", ["5 mM", "10 mM", "20 mM", "~40 mM", "80 mM"]),
        ("junction", ["4 mV"] * 5),
        ("temp", ["22 °C"] * 5),
        ("KCl (mM)", ["5*", "6", "7", "8", "9 (3)"]),
        ("count", ["n=3", "n=4", "n=5", "n=6", "n = 7"]),
    ],
)
def test_numbers_with_marks_are_asked_about_too(name, texts):
    refused(table(**{name: texts}), f"column {name}", "`ignore: [")


@pytest.mark.parametrize(
    "name", ["ouabain_uM", "ouabain (µM)", "TTX", "[TTX] / nM", "4-AP (mM)", "bumetanide conc"]
)
@pytest.mark.parametrize("doses", [[0, 10, 0, 10, 0], [0, 0.5, 0, 0.5, 0], ["no", "yes", "no", "yes", "no"]])
def test_doses_of_drugs_are_labels_of_treatments(name, doses):
    for m in (
        read_table(table(**{name: doses})),
        read_wanted(table(**{name: doses}), ("V_m",), wanted=Wanted(asks=False)),
    ):
        assert len(set(m.groups[name])) == 2 and not m.questions and not m.ignored and "K_o" in m.quantities
    cells = CellTable.open(table(**{name: doses}).assign(cell="a"), observables=("V_m",))
    assert name in cells.info.groups


def test_a_permeability_without_a_unit_is_told_of_the_reference():
    refused(
        table(P_Na=[0.05] * 5),
        "column P_Na: has no unit",
        "P_Na_rel if it is relative to the reference",
        "P_Na_cm_s",
    )
    assert (
        read_table(table(P_Na=0.05), columns={"P_Na": "P_Na_rel"}).quantities["P_Na_rel"].tolist()
        == [0.05] * 5
    )


NA = [147.5, 145.0, 140.0, 130.0, 110.0]


@pytest.mark.parametrize(
    "name",
    [
        *("ko_mm", "ko", "KO", "KomM", "k+_mm", "kmm", "low K", "aCSF K+", "k_o_m_m", "ko_m_m", "k_out_m_m"),
        *("k_o_mm", "Kout mm", "[K+]b (mM)", "kext_mm", "high K+", "k_bath", "potassium_m_m", "K_O", "pot"),
        *("extra K (mM)", "K extra (mM)", "my ladder"),
    ],
)
def test_potassium_in_whatever_letters_is_asked_about_beside_sodium(name):
    frame = pd.DataFrame({"Na_o_mM": NA, "V_m_mV": V, name: K})
    as_potassium, *_ = mended(frame)
    assert as_potassium.quantities["K_o"].tolist() == K


@pytest.mark.parametrize("name", ["cl_o_m_m", "clo_mm", "cl_out", "clout_mm", "CL_O_MM"])
def test_whole_concentrations_are_no_labels(name):
    as_chloride, left_out = mended(table(**{name: [130, 135, 140, 145, 150]}))
    assert as_chloride.quantities["Cl_o"][0] == 130 and name not in left_out.groups


@pytest.mark.parametrize("name", ["added K", "added K (mM)", "K added (mM)", "additional K+ (mM)"])
def test_what_was_added_to_a_bath_is_never_read_as_the_whole(name):
    frame = pd.DataFrame({"Na_o_mM": NA, "V_m_mV": V, name: [0, 5, 10, 20, 40]})
    refused(frame, f"column {name}", "what was added to the bath", "name the sum K_o_mM")


@pytest.mark.parametrize("name", ["KO", "low K", "ki", "high K", "ko"])
def test_flags_with_an_ions_letters_are_labels(name):
    assert name in read_table(table(**{name: [0, 1, 0, 1, 1]})).groups


@pytest.mark.parametrize(
    "name, part",
    [
        *(("sem_m_v", "sem"), ("v_m_sem_m_v", "sem"), ("Standardfehler", "sem"), ("Fehler", "sem")),
        *(("sd_m_v", "sd"), ("Standardabweichung", "sd"), ("écart-type", "sd")),
    ],
)
def test_errors_in_other_letters_and_languages_are_asked_about(name, part):
    error = [1.2, 1.1, 1.0, 1.3, 1.2]
    as_error, _ = mended(table(**{name: error}))
    assert getattr(as_error, part).tolist() == error


@pytest.mark.parametrize("name", ["MAD", "rms", "RMSE", "mad_mv", "noise"])
def test_spreads_that_are_no_sd_are_not_proposed_as_one(name):
    error = refused(table(**{name: [1.2, 1.1, 1.0, 1.3, 1.2]}), f"column {name}", "`ignore: [")
    assert "columns: {" not in str(error)


@pytest.mark.parametrize("name", ["stim", "tome", "timer", "step"])
def test_a_word_like_time_is_no_time(name):
    assert name in read_table(table(**{name: [3, 6, 12, 24, 48]})).groups


@pytest.mark.parametrize(
    "name",
    [
        *("mean RMP (mV)", "V_m (mV) mean", "V_m_mV_mean", "average Vm (mV)", "intracellular potential (mV)"),
        *("Vm [mean] (mV)", "RMP_mean_mV", "VM_MV"),
    ],
)
def test_a_mean_is_the_reading_where_it_is_the_only_one(name):
    frame = table().drop(columns="V_m_mV")
    m = read_table(frame.assign(**{name: V, "± s.e.m. (mV)": 1.5}))
    assert m.value.tolist() == V and m.sem.tolist() == [1.5] * 5
    refused(frame.assign(**{name: V, "peak Vm (mV)": V}), "peak Vm (mV)")


@pytest.mark.parametrize(
    "name", ["Vm mean", "V_rest_corr_mV", "Vm_corrected_mV", "ΔΨ (mV)", "v_m_m_v", "mean Em"]
)
def test_a_reading_in_doubt_gets_the_right_line(name):
    assert mended_one(table().drop(columns="V_m_mV").assign(**{name: V})).value.tolist() == V


@pytest.mark.parametrize(
    "name",
    [
        *("K_o_mM_nominal", "K_o_mM_measured", "K_o_mmolL", "K_O_MM", "KO_MM", "K_superfusate_mM"),
        *("nominal [K+]o (mM)", "ACSF K (mM)"),
    ],
)
def test_a_bath_in_other_words_is_read_where_there_is_one(name):
    m = read_table(pd.DataFrame({name: K, "Na_o_mM": NA, "V_m_mV": V}))
    assert m.quantities["K_o"].tolist() == K
    refused(pd.DataFrame({name: K, "Kout": K, "V_m_mV": V}), "Kout")


def test_nominal_and_measured_are_settled_by_one_mend():
    frame = pd.DataFrame({"K_o_mM_nominal": K, "K_o_mM_measured": [k + 0.1 for k in K], "V_m_mV": V})
    with pytest.raises(InputError, match="K_o_mM_nominal.*K_o_mM_measured") as caught:
        read_table(frame)
    columns, ignore, _ = (yaml.safe_load(key) for key in re.findall(r"`([^`]*)`", str(caught.value)))
    assert read_table(frame, **columns, **ignore).quantities["K_o"].tolist() == K
