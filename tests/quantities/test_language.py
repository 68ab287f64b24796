"""What may be suggested for a name that nothing has: the same ion, side, kind, part and unit, or nothing."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumpleak import InputError, ion_names, read_table
from pumpleak.quantities.chemistry import SOLUTES, is_chemical
from pumpleak.quantities.ions import is_ion
from pumpleak.quantities.language import meant, named, own_name, taken, unknown_name
from pumpleak.quantities.names import kind
from pumpleak.quantities.units import canonical_unit, split_unit

IONS = ("K", "Na", "Cl", "Ca", "Mg", "gluconate", "HCO3")
KNOWN = [
    *(f"{ion}_{side}_mM" for ion in IONS for side in "oi"),
    *(f"a{ion}_i_mM" for ion in IONS),
    *(f"P_{ion}_{ratio}" for ion in IONS for ratio in ("rel", "scale")),
    *(f"E_{ion}_mV" for ion in IONS),
    *(f"gamma_{ion}_{side}" for ion in IONS for side in "oi"),
    *"V_m_mV V_m_sd_mV V_m_sem_mV V_m_n LJP_mV V_offset_mV T_degC pump r time_s drift_mV_min shunt_rel".split(),
]


@pytest.mark.parametrize(
    "written, suggestion",
    [
        ("K_cyt_mM", "K_i_mM"),
        ("K_out_mM", "K_o_mM"),
        ("K_out_uM", "K_o_uM"),
        ("K_ext_M", "K_o_M"),
        ("Na_bath_mM", "Na_o_mM"),
        ("Cl_intra_mM", "Cl_i_mM"),
        ("K_0_mM", "K_o_mM"),
        ("Ko_mM", "K_o_mM"),
        ("K_oo_mM", "K_o_mM"),
        ("K_outt_mM", "K_o_mM"),
        ("K_extracelular_mM", "K_o_mM"),
        ("Naout_mM", "Na_o_mM"),
        ("potassium_out_mM", "K_o_mM"),
        ("gluconat_o_mM", "gluconate_o_mM"),
        ("Kk_o_mM", "K_o_mM"),
        ("aNa_in_mM", "aNa_i_mM"),
        ("PNa_rel", "P_Na_rel"),
        ("P_Na_rell", "P_Na_rel"),
        ("P_Na", "P_Na_rel"),
        ("gamma_Ca_out", "gamma_Ca_o"),
        ("E_rev_mV", "V_m_mV"),
        ("Vrest_mV", "V_m_mV"),
        ("RMP_mV", "V_m_mV"),
        ("E_reversal_mV", "V_m_mV"),
        ("Vmem_mV", "V_m_mV"),
        ("Vm_sem_mV", "V_m_sem_mV"),
        ("V_m_se_mV", "V_m_sem_mV"),
        ("E_rev_n", "V_m_n"),
        ("temp_degC", "T_degC"),
        ("V_ofset_mV", "V_offset_mV"),
        ("pmup", "pump"),
        # never another ion, side, kind, part or unit
        ("MeSO4_o_mM", None),
        ("formate_o_mM", None),
        ("Mn_o_mM", None),
        ("Co_o_mM", None),
        ("Fe_o_mM", None),
        ("glucose_o_mM", None),
        ("glutarate_o_mM", None),
        ("Cs_i_mM", None),
        ("K_mM", None),
        ("K_pip_mM", None),
        ("KCl_o_mM", None),
        ("Glu_o_mM", None),
        ("P_Li_rel", None),
        ("E_Cs_mV", None),
        ("g_Na_rel", None),
        ("V_p_mV", None),
        ("V_h_mV", None),
        ("V_hold_mV", None),
        ("V_n", None),
        ("V_s_mV", None),
        ("V_j_mV", None),
        ("K_i_n", None),
        ("K_o_mV", None),
        ("Vb_o_mM", None),
    ],
)
def test_a_suggestion_keeps_what_was_meant(written, suggestion):
    assert meant(written, KNOWN) == suggestion


@pytest.mark.parametrize(
    "written, why, mend",
    [
        ("V_p_mV", "a potential of the pipette", "minus this in an inside-out patch"),
        ("Vpip_mV", "a potential of the pipette", "minus this in an inside-out patch"),
        ("V_hold_mV", "was imposed", "where no current flowed"),
        ("Vcmd_mV", "was imposed", "where no current flowed"),
        ("Vj_mV", "a junction potential", "LJP_mV, bath minus pipette"),
        ("V_LJ_mV", "a junction potential", "LJP_mV, bath minus pipette"),
        ("KCl_o_mM", "a salt", "Write K_o_mM and Cl_o_mM"),
        ("K2SO4_out_uM", "a salt", "Write K_o_uM (2 times its value) and SO4_o_uM"),
        ("K_gluconate_i_mM", "a salt", "Write K_i_mM and gluconate_i_mM"),
        ("KGlu_i_mM", "Glu may be glutamate, glucose or gluconate", "full names"),
        (
            "Glu_o_mM",
            "Glu may be glutamate, glucose or gluconate",
            "glutamate_o_mM, glucose_o_mM or gluconate_o_mM",
        ),
        ("phosphate_o_mM", "phosphate may be HPO4 or H2PO4", "HPO4_o_mM or H2PO4_o_mM"),
        ("glucose_mM", "no charge", "Write glucose_o_mM where it is in the bath"),
        ("sucrose_cyt_mM", "no charge", "Leave it out"),
        ("K_mM", "on which side", "Write K_o_mM or K_i_mM"),
        ("sodium_uM", "on which side", "Write Na_o_uM or Na_i_uM"),
        ("EGTA_i_mM", "hangs on pH", "Leave it out"),
        (
            "K_pip_mM",
            "inside or outside",
            "K_i_mM (whole cell, outside-out) or K_o_mM (inside-out, cell-attached)",
        ),
    ],
)
def test_a_word_with_a_meaning_of_its_own_is_named(written, why, mend):
    found = named(written)
    assert found and why in found[0] and mend in found[1]
    error = unknown_name("quantity", written, KNOWN)
    assert "did you mean" not in str(error) and found[1] in str(error)


@pytest.mark.parametrize("name", [n for n in KNOWN if n != "pump"])
def test_what_is_known_has_no_other_meaning(name):
    assert named(name) is None and meant(name, KNOWN) == name


def test_amounts_of_a_salt():
    assert "K_o_mM: 10 and SO4_o_mM: 5" in str(unknown_name("quantity", "K2SO4_o", (), amount=5.0))


# -- random names ----------------------------------------------------------------------------------

_SIDE_WORDS = {"o": "o out bath ext extracellular".split(), "i": "i in cyt intracellular".split()}


@st.composite
def _names(draw) -> tuple[str, str, str, str]:
    """A name of a concentration, an activity or a permeability, misspelt or not, and its kind, ion and side."""
    of = draw(st.sampled_from([*ion_names(), *SOLUTES, "Fe", "KCl", "K2SO4", "NaAsp", "Glu", "ATP", "dye"]))
    side = draw(st.sampled_from("oi"))
    word, unit = draw(st.sampled_from(_SIDE_WORDS[side])), draw(st.sampled_from(["mM", "uM", "M"]))
    form = draw(
        st.sampled_from(
            ["{of}_{word}_{unit}", "a{of}_{word}_{unit}", "P_{of}_rel", "E_{of}_mV", "gamma_{of}_{word}"]
        )
    )
    name = form.format(of=of, word=word, unit=unit)
    at, typo = draw(st.integers(0, len(of))), draw(st.sampled_from(["", "", "x", "K", "a", "-1"]))
    wrong = of if not typo else of[:at] + of[at + 1 :] if typo == "-1" else of[:at] + typo + of[at:]
    return (form.format(of=wrong, word=word, unit=unit) if typo else name), form[:2], wrong, side


@settings(max_examples=200, deadline=None)
@given(_names())
def test_whatever_is_suggested_is_what_was_meant(case):
    written, form, of, side = case
    suggestion = meant(written, KNOWN)
    if (
        suggestion is None or not of or form == "{o" and of[0] == "a" and is_ion(of[1:])
    ):  # aK_o is an activity
        return
    stem, unit = split_unit(suggestion)
    k = kind(stem)
    if stem == "V_m" and written == "E_M_mV":
        return
    assert k.what == {"{o": "concentration", "a{": "activity", "P_": "permeability", "E_": "potential"}.get(
        form, "activity coefficient"
    )
    assert k.side == (side if "o" in form or "a{" in form or "ga" in form else "")
    assert (
        k.of == of
        or not is_chemical(of)
        and abs(len(k.of) - len(of)) <= 1
        and k.of[0].lower() == of[0].lower()
        or (taken(written).of == k.of)
    )
    assert canonical_unit(unit or "1") == (k.unit or "1")
    assert split_unit(written)[1] == unit


@settings(max_examples=60, deadline=None)
@given(_names())
def test_a_suggested_column_is_accepted(case):
    frame = pd.DataFrame({case[0]: [0.5, 0.75], "V_m_mV": [-70.0, -60.0]})
    try:
        read_table(frame)
    except InputError as refused:
        if "did you mean '" in refused.problem:
            name = refused.problem.partition("did you mean '")[2].partition("'")[0]
            if name not in frame:
                table = read_table(frame.rename(columns={case[0]: name}))
                assert (
                    split_unit(name)[0] in table.quantities or name in table.ignored
                )  # E_Ba: read where it is asked for


def test_own_names_of_other_ions():
    assert own_name("caesium_bath_mM") == "Cs_o" and own_name("iodide_out_mM") == "I_o"
    assert own_name("K_mM") is None and own_name("Kx_o_mM") is None
