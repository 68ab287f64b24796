"""Columns as people head them: one name in every spelling, and nothing where it is not plain."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumpleak.quantities import spellings
from pumpleak.quantities.spellings import is_harmless, may_be, plain_name

PLAIN = {
    "K_o_mM": "K.o.mM|K.o..mM.|K_e (mM)|[K+]o (mM)|[K⁺]ₒ (mM)|K+ out (mM)|[K]o [mM]|[K+]_o / mM|K_o (mmol/L)|Ko (mM)|Kout_mM|K out, mM|"
    "external K+ (mM)|bath K⁺ (mM)|Extracellular potassium (mM)|K_o/mmol L-1|Ｋ_ｏ (mM)",
    "Ca_o_mM": "[Ca2+]o (mM)|[Ca²⁺]ₒ (mM)|Ca++ out (mM)",
    "Cl_i_mM": "[Cl−]ᵢ (mM)|Cl- in (mM)|intracellular chloride (mM)|Cl_cyt (mM)",
    "HCO3_o_mM": "[HCO3-]o (mM)|HCO₃⁻ out (mM)",
    "Na_i_uM": "[Na+]i (µM)|Nai / uM",
    "V_m_mV": "Vm.mV|Vm..mV.|Vm (mV)|V_m (mV)|Vₘ (mV)|RMP (mV)|Em [mV]|membrane potential / mV|Vm_mV|V_rest (mV)",
    "V_m_V": "Vm (V)|V_m / V",
    "V_m_sem_mV": "Vm SEM (mV)|V_m s.e.m. (mV)|SEM of Vm (mV)|Vm_sem_mV",
    "V_m_sd_mV": "Vm SD (mV)|RMP st. dev. (mV)|Vm stdev / mV",
    "K_o_sd_mM": "[K+]o SD (mM)|K out s.d. (mM)",
    "LJP_mV": "LJP (mV)|ljp_mV|liquid junction potential (mV)|Junction potential / mV",
    "T_degC": "Temp (°C)|T (°C)|T (℃)|Temp_C|Temperature (deg C)|temperature_degC|bath temp (°C)",
    "T_K": "T (K)|Temperature [K]",
    "E_K_mV": "E_K (mV)|EK (mV)|E K / mV",
    "P_K_cm_s": "P_K (cm/s)|P_K [cm s-1]",
    "time_min": "time (min)|Time / min|time (minutes)",
    "sem": "SEM|S.E.M.|s.e.m.|SE|standard error|std err",
    "sd": "SD|S.D.|s.d.|stdev|Std. Dev.|standard deviation",
    "n": "N|n_cells|n (cells)|No. of cells|N cells",
    "sem_mV": "SEM (mV)|s.e.m. / mV",
}


@pytest.mark.parametrize("plain, name", [(k, name) for k, v in PLAIN.items() for name in v.split("|")])
def test_a_plain_name_is_one_in_every_spelling(plain, name):
    assert plain_name(name) == plain


@pytest.mark.parametrize("plain", [p for p in PLAIN if p not in ("sem", "sd", "n")])
def test_what_is_spelled_right_stays(plain):
    assert plain_name(plain) is None


@pytest.mark.parametrize(
    "name",
    "Ko|Kout|[K+]o|K (mM)|K pipette (mM)|[K+]pip (mM)|V_hold (mV)|V_p (mV)|holding (mV)|ΔVm (mV)|dVm (mV)|Vm change (mV)|"
    "V_m (mM)|K_o (mV)|pH|Conc|bath|Temp|time|LJP|age|Age (weeks)|T|KCl out (mM)|glucose (mM)|[K+]o (%)|% Vm|"
    "n (mV)|Vm n (mV)|K i o (mM)|Na/K|E_rev (mV)|V (mV)|VmR_mV|potassium (mM)|KO|Kir4.1|Kir 2.1 (mM)".split(
        "|"
    ),
)
def test_what_is_not_plain_is_not_guessed(name):
    assert plain_name(name) is None


@pytest.mark.parametrize(
    "name, column",
    [
        *(("Ko", "K_o_mM"), ("Kout", "K_o_mM"), ("[K+]o", "K_o_mM"), ("K_cyt", "K_i_mM"), ("K", "K_o_mM")),
        *(
            ("Conc", "K_o_mM"),
            ("bath", "K_o_mM"),
            ("chloride", "Cl_o_mM"),
            ("Temp", "T_degC"),
            ("Vj", "LJP_mV"),
        ),
        *(
            ("Em", "V_m_mV"),
            ("E_rev_sem_mV", "V_m_sem_mV"),
            ("err", "{reading}_sem"),
            ("count", "{reading}_n"),
        ),
        *(("pH", ""), ("V_hold", ""), ("V_p_sem_mV", ""), ("CI", ""), ("dVm", "dV_m_mV")),
    ],
)
def test_what_may_be_a_quantity_has_a_proposal_or_none(name, column):
    assert may_be(name).column == column


@pytest.mark.parametrize(
    "name",
    "age|donor|depth|weight|date|Rm|Ra|capacitance|KCNJ2|ATP1A1|x|dose|cell|time|sex|Cm (pF)|Rin (MOhm)|n_cell|dV/dt (V/s)|ΔF/F|CO2 (%)|age_sd|GFP+".split(
        "|"
    ),
)
def test_what_is_no_quantity_is_not_asked_about(name):
    assert plain_name(name) is None and may_be(name) is None


def test_values_of_what_is_plainly_something_else_are_not_looked_at():
    assert all(map(is_harmless, ("age", "Age (weeks)", "Rm_MOhm", "depth_um", "donor")))
    assert not any(map(is_harmless, ("x", "value", "K", "reading")))


@pytest.mark.parametrize(
    "name",
    "−LJP (mV);-Vm (mV);|Vm| (mV);√K_o (mM);-K_o (mM);%Na_o (mM);1/K_o (mM);log [K+]o (mM);ln K_o (mM);Δ[K+]o (mM);"
    "[K+]o (mM) x10;K_o² (mM);Vm (x10 mV);LJP (−mV);V_m−E_K (mV);max V_m mV;Vm_post;jp_corr;logK;√n;pK;pCa;pNa;pCl;"
    "n (%);SEM (%);SD (%);V_m_sd (%);K_o_sd (%);±;2×SEM (mV);SD²;SD (pooled);SEM (n=8);Vm_err;Temp (°F);T_F;Temp bath;Ecorr;"
    "pipette K;lower;heater".split(";"),
)
def test_what_is_made_from_a_quantity_is_asked_about_and_never_read_as_it(name):
    assert plain_name(name) is None and may_be(name).column == ""


@pytest.mark.parametrize(
    "name, column",
    [
        *(("P_Na/P_K", "P_Na_rel"), ("PNa/PK", "P_Na_rel"), ("PCl:PNa", "P_Cl_rel"), ("gNa/gK", "g_Na_rel")),
        *(("P(Na+)/P(K+)", "P_Na_rel"), ("P_Na / P_K", "P_Na_rel")),
    ],
)
def test_a_ratio_is_what_it_is_over_the_reference(name, column):
    assert plain_name(name) is None and may_be(name).column == column and "reference" in may_be(name).what


@pytest.mark.parametrize(
    "name, column",
    [
        ("sucrose", "sucrose_o_mM"),
        ("Gluc", ""),
        ("K conc", "K_o_mM"),
        ("Na concentration (mM)", "Na_o_mM"),
        ("urea", "urea_o_mM"),
        ("choline", "choline_o_mM"),
    ],
)
def test_solutes_without_a_side_may_be_in_the_bath(name, column):
    assert (may_be(name).column if may_be(name) else "") == column


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([n for names in PLAIN.values() for n in names.split("|")]),
    st.sampled_from("- − √ % Δ 1/ |  log_ ln_ sqrt_ abs_ 2× 10^ ∛ ± max_".split()),
)
def test_a_plain_name_with_a_sign_before_it_is_plain_no_more(name, sign):
    bare = sign == "±" and (plain_name(name) or "").partition("_")[0] in ("sem", "sd")  # ± SEM is the sem
    assert plain_name(sign + name) == (plain_name(name) if bare else None), sign + name


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([n for names in PLAIN.values() for n in names.split("|")]),
    st.sampled_from(["<{}>", "{}*", "~{}", " {} ", "{}†", "({})"]),
)
def test_stars_and_brackets_say_nothing_else(name, around):
    assert plain_name(around.format(name)) in (plain_name(name), None)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [("K", "+", "⁺"), ("Na", "+", "⁺"), ("Cl", "-", "⁻"), ("Ca", "2+", "²⁺"), ("HCO3", "-", "⁻")]
    ),
    st.sampled_from([("o", "ₒ", "out", "ext", "bath"), ("i", "ᵢ", "in", "int", "cyt")]),
    st.sampled_from(["mM", "uM", "µM", "nM"]),
    st.data(),
)
def test_no_spelling_is_another_ion_side_or_unit(ion, side, unit, data):
    draw = lambda *choices: data.draw(st.sampled_from(choices))  # noqa: E731
    charge, where = draw("", *ion[1:]), data.draw(st.sampled_from(side))
    stem = draw(
        f"[{ion[0]}{charge}]{where}", f"{ion[0]}{charge} {where}", f"{ion[0]}_{where}", f"{ion[0]} {where}"
    )
    name = stem + draw(f" ({unit})", f" [{unit}]", f" / {unit}", f"/{unit}", f", {unit}", f"({unit})")
    name = draw("", " ") + name + draw("", " ")
    right = f"{ion[0]}_{side[0]}_{unit.replace('µ', 'u')}"
    assert plain_name(name) in (right, None), name
    assert plain_name(name) == right or name.strip() == right, name


@pytest.mark.parametrize(
    "name", ["x" * 20_000, "5 " * 10_000, "a1" * 10_000, "1, 2 / 3 in " * 2000, "K+-" * 7000, "mM " * 7000]
)
def test_what_is_as_long_as_a_comment_is_looked_at_in_a_few_steps(name, monkeypatch):
    """A note or a slip of many words in a table: no quantity, and no more work than a name is."""
    tried = []
    known_unit = spellings._known_unit
    monkeypatch.setattr(spellings, "_known_unit", lambda *a: tried.append(a) or known_unit(*a))
    for ask in (plain_name, may_be, is_harmless):
        ask(name)
    assert plain_name(name) is None
    assert len(tried) <= 4 * 40 and all(len(x) <= 220 for a in tried for x in a)


def test_the_beginning_of_a_long_name_still_tells_what_it_is_about():
    """Blanks do not make a name of a longer one; and what is made from a quantity is still asked about."""
    assert plain_name("K_o (mM)" + " " * 300 + "corrected by hand") is None
    assert may_be("log [K]o (mM) " + "as it was measured by whoever was there " * 10) is not None
    assert is_harmless("age of the animal on the day, " + "as far as it is known " * 20)
