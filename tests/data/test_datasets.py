"""The datasets load, say where they are from, and hold the published numbers."""

import math

import numpy as np
import pytest

from pumpleak.data.datasets import export_dataset, list_datasets, load_dataset, show_dataset, template_csv
from pumpleak.data.measurements import read_table
from pumpleak.errors import InputError

NAMES = {
    "crayfish_muscle",
    "purkinje_miura1977",
    "low_K_ventricular1998",
    "inab_2021",
    "ehrlich_gstrein1987",
    "textbook_resting",
}


def test_names():
    assert set(list_datasets()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_dataset_loads_and_says_where_it_is_from(name, tmp_path):
    about = show_dataset(name)
    m = load_dataset(name, observables=about.observables)
    assert len(m.value) and set(m.observable) == set(about.observables) and not m.ignored
    assert m.file == f"dataset {name}"
    text = str(about)
    assert about.citation in text and about.doi in text and all(c in text for c in about.caveats)
    path = export_dataset(name, tmp_path / "out.csv")
    exported = read_table(path, observables=about.observables)
    np.testing.assert_array_equal(exported.value, m.value)
    assert about.title in path.read_text(encoding="utf-8")


def test_crayfish_summaries():
    m = load_dataset("crayfish_muscle")
    assert list(m.n) == [16, 18, 15, 18, 17]
    np.testing.assert_allclose(m.value, [-70.912, -62.030, -43.398, -21.525, -72.657], atol=5e-4)
    np.testing.assert_allclose(m.sd, [8.710, 6.630, 7.073, 7.447, 12.710], atol=5e-4)
    assert list(m.quantities["K_o"]) == [5.4, 5.4, 40, 100, 5.4]
    assert m.groups["solution"][1] == "K-gluconate, low chloride"


def test_purkinje_potentials_imply_one_bath_activity():
    m = load_dataset("purkinje_miura1977", observables=("V_m", "E_K"))
    E_K = m.value[[o == "E_K" for o in m.observable]]
    RT_F = 8.314462618 * m.quantities["T"] / 96.48533212
    gamma = m.quantities["aK_i"] * np.exp(E_K / RT_F) / m.quantities["K_o"]
    np.testing.assert_allclose(gamma, 0.755, atol=0.005)
    assert load_dataset("purkinje_miura1977").observable == ("V_m",) * 3


def test_low_potassium_pairs():
    m = load_dataset("low_K_ventricular1998")
    assert len(m.value) == 16 and m.n[::2].sum() == 226
    np.testing.assert_array_equal(m.n[::2], m.n[1::2])
    assert list(m.quantities["K_o"][::2]) == [5.4] * 8 and m.quantities["K_o"][3] == 0
    assert (m.value[1::2] < m.value[::2] - 50).all()


def test_inab_temperature_agrees_with_the_printed_potentials():
    m = load_dataset("inab_2021")
    printed = {"Na": [-29, -23, 20, 38, 117], "K": [-61, -79, -104, -106, -106]}
    for ion, E in printed.items():
        RT_F = 8.314462618 * m.quantities["T"] / 96.48533212
        nernst = RT_F * np.log(m.quantities[f"{ion}_o"] / m.quantities[f"{ion}_i"])
        np.testing.assert_allclose(nernst, E, atol=0.5)


def test_ehrlich_differences():
    m = load_dataset("ehrlich_gstrein1987")
    assert list(m.value) == [-56.7, 18.4, 3.1, -2.5] and list(m.sem) == [0.7, 0.5, 1.3, 0.2]
    assert list(m.reference) == [-1, 0, 0, 0]
    assert [list(m.quantities[q]) for q in ("K_o", "Na_o", "Cl_o")] == [
        [5.4, 20, 5.4, 5.4],
        [141, 141, 21, 141],
        [128, 128, 128, 67],
    ]


def test_textbook_potentials_are_exact():
    q = {k: v[0] for k, v in load_dataset("textbook_resting").quantities.items()}
    slope = 8.314462618 * q["T"] / 96.48533212 * math.log(10)
    assert slope == pytest.approx(61.5, rel=1e-9)
    assert slope * math.log10(q["K_o"] / q["K_i"]) == pytest.approx(-90, rel=1e-9)
    assert slope * math.log10(q["Na_o"] / q["Na_i"]) == pytest.approx(60, rel=1e-9)


def test_unknown_dataset():
    with pytest.raises(InputError, match=r"no dataset 'crayfish' \(did you mean 'crayfish_muscle'\?\)"):
        load_dataset("crayfish")


def test_export_does_not_overwrite(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("mine")
    with pytest.raises(InputError, match=r"a\.csv: the file exists and is not overwritten"):
        export_dataset("inab_2021", path)
    assert path.read_text() == "mine"
    with pytest.raises(InputError, match="cannot be written"):
        export_dataset("inab_2021", tmp_path / "no" / "folder.csv")


def test_template_is_a_table(tmp_path):
    path = tmp_path / "template.csv"
    path.write_text(template_csv(), encoding="utf-8")
    m = read_table(path)
    assert len(m.value) == 5 and list(m.quantities) == ["T", "K_o", "Na_o", "Cl_o", "LJP"]
    assert (np.diff(m.value) > 0).all()
