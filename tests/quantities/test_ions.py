import subprocess
import sys

import pytest

import pumpleak.quantities.ions
from pumpleak import InputError, ion, ion_names, register_ion, valence
from pumpleak.quantities.ion_table import _VALUES


def test_valences_and_mobilities(reference_cases):
    wanted = {
        "Na": 1,
        "K": 1,
        "Cl": -1,
        "Ca": 2,
        "Mg": 2,
        "HCO3": -1,
        "NMDG": 1,
        "SO4": -2,
        "gluconate": -1,
        "La": 3,
    }
    assert {name: valence(name) for name in wanted} == wanted
    for name, mobility in reference_cases["ljp-henderson-sets"]["parameters"]["mobility_rel_K"].items():
        assert ion(name).mobility == mobility
    assert all(1 <= abs(valence(n)) <= 3 and 0.2 < (ion(n).mobility or 1) < 5 for n in ion_names())


def test_every_ion_has_the_charge_that_chemistry_gives_it():
    wanted = {
        1: "H Li Na K Rb Cs Tl Ag NH4 choline NMDG TMA TEA TPA TBA guanidinium methylammonium TPP Tris",
        2: "Mg Ca Sr Ba Mn Co Ni Cu Zn Cd Pb",
        3: "La Gd Al",
        -1: "OH F Cl Br I NO3 NO2 ClO4 ClO3 BrO3 IO3 SCN HCO3 H2PO4 formate acetate propionate butyrate benzoate "
        "pyruvate lactate aspartate glutamate gluconate HEPES MES MOPS isethionate methanesulfonate methylsulfate "
        "lactobionate cyclamate",
        -2: "SO4 CO3 succinate tartrate HPO4",
    }
    of = {name: z for z, names in wanted.items() for name in names.split()}
    assert {name: valence(name) for name in _VALUES} == of


def test_unknown_ion_names_the_nearest():
    with pytest.raises(InputError, match=r"no ion 'Gluconate' \(did you mean 'gluconate'\?\).*register_ion"):
        valence("Gluconate")


def test_registering(monkeypatch):
    monkeypatch.setattr(pumpleak.quantities.ions, "IONS", dict(pumpleak.quantities.ions.IONS))
    register_ion("taurine", -1)
    assert valence("taurine") == -1 and ion("taurine").mobility is None
    register_ion("Na", 1, 0.7)
    assert ion("Na").mobility == 0.7
    for wrong in (dict(z=0), dict(z=1.5), dict(z=1, mobility=-1.0), dict(z=1, mobility=float("nan"))):
        with pytest.raises(InputError, match="ion 'X'"):
            register_ion("X", **wrong)
    with pytest.raises(InputError, match="'Cl' is known with valence -1"):
        register_ion("Cl", 1)
    assert "X" not in ion_names() and "taurine" in ion_names()


def test_the_registry_needs_no_jax():
    code = "import sys, pumpleak; pumpleak.valence('Na'); assert 'jax' not in sys.modules, 'jax'"
    subprocess.run([sys.executable, "-c", code], check=True)
