"""What solutions are made of, as people write it."""

import pytest

from pumpleak import InputError, ion_names, valence
from pumpleak.quantities.chemistry import SOLUTES, choices, is_chemical, is_solute, salt, substance
from pumpleak.quantities.names import kind

SALTS = {
    "KCl": "K Cl",
    "NaCl": "Na Cl",
    "kcl": "K Cl",
    "NACL": "Na Cl",
    "K2SO4": "K K SO4",
    "CaCl2": "Ca Cl Cl",
    "MgCl2": "Mg Cl Cl",
    "CaCl2·2H2O": "Ca Cl Cl",
    "LaCl3": "La Cl Cl Cl",
    "Mg(NO3)2": "Mg NO3 NO3",
    "(NH4)2SO4": "NH4 NH4 SO4",
    "Na-gluconate": "Na gluconate",
    "Kgluconate": "K gluconate",
    "K_gluconate": "K gluconate",
    "Ca-gluconate": "Ca gluconate gluconate",
    "KMeSO4": "K methylsulfate",
    "CsMeSO3": "Cs methanesulfonate",
    "NaHCO3": "Na HCO3",
    "Na2HPO4": "Na Na HPO4",
    "KH2PO4": "K H2PO4",
    "choline-Cl": "choline Cl",
    "cholineCl": "choline Cl",
    "TEA-Cl": "TEA Cl",
    "NMDG-Cl": "NMDG Cl",
    "Tris-HCl": "Tris Cl",
    "K-aspartate": "K aspartate",
    "KAsp": "K aspartate",
    "KSCN": "K SCN",
    "NaOH": "Na OH",
    "sodium-chloride": "Na Cl",
    "K-formate": "K formate",
}


@pytest.mark.parametrize("name", SALTS)
def test_a_salt_is_its_ions(name):
    (cation, n), (anion, m) = salt(name) or pytest.fail(f"{name} is a salt")
    assert [cation] * n + [anion] * m == SALTS[name].split()
    assert n * valence(cation) + m * valence(anion) == 0


@pytest.mark.parametrize(
    "name", "K Cl HCO3 HPO4 H2PO4 SO4 HEPES K2Cl Ki nai cai Nao glucose V_m Fe dye ClO4 MeSO4".split()
)
def test_what_is_no_salt(name):
    assert salt(name) is None


@pytest.mark.parametrize(
    "word, name",
    [
        *((name, name) for name in (*ion_names(), *SOLUTES)),
        ("potassium", "K"),
        ("Ca2+", "Ca"),
        ("K⁺", "K"),
        ("Cl-", "Cl"),
        ("cl", "Cl"),
        ("Gluconate", "gluconate"),
        ("mesylate", "methanesulfonate"),
        ("MeSO4", "methylsulfate"),
        ("Asp", "aspartate"),
        ("bicarbonate", "HCO3"),
        ("cesium", "Cs"),
        ("dextrose", "glucose"),
        ("Glu", None),
        ("PO4", None),
        ("CO", None),
        ("Fe", None),
        ("ATP", None),
    ],
)
def test_a_word_and_what_it_stands_for(word, name):
    assert substance(word) == name


def test_a_word_for_several_says_which():
    assert choices("Glu") == ("glutamate", "glucose", "gluconate")
    assert choices("phosphate") == ("HPO4", "H2PO4") and choices("glutamate") == ()


def test_chemistry_is_no_misspelling():
    for word in "Fe SO3 glutarate ATP KCl Glu NH3 HSO4 malonate".split():
        assert is_chemical(word), word
    for word in "Kk Ka gluconat dye rest out".split():
        assert not is_chemical(word), word


@pytest.mark.parametrize("name", SOLUTES)
def test_a_neutral_solute_is_no_ion_and_may_stand_in_a_bath(name):
    assert is_solute(name) and kind(f"{name}_o").is_bystander and not kind(f"{name}_o").is_bath_ion
    with pytest.raises(InputError, match=f"no ion '{name}': it carries no charge.*{name}_o_mM"):
        valence(name)


@pytest.mark.parametrize(
    "name, part",
    [
        ("KCl", "it is a salt. Name its ions, K and Cl."),
        ("Glu", "it may be glutamate, glucose or gluconate"),
        ("ATP", "its charge hangs on pH"),
        ("Potassium", "did you mean 'K'?"),
        ("gluconat", "did you mean 'gluconate'?"),
        ("glutarate", "no ion 'glutarate'. Known are"),
        ("Fe", "no ion 'Fe'. Known are"),
        ("Va", "no ion 'Va'. Known are"),
    ],
)
def test_an_ion_that_there_is_not(name, part):
    with pytest.raises(InputError) as refused:
        valence(name)
    assert part in str(refused.value)
