"""Names of the field in configs: what is accepted, what is refused with a mend that works."""

import pandas as pd
import pytest

from pumpleak import InputError, load_problem

pytestmark = pytest.mark.filterwarnings("ignore:.*do not balance")
ROWS = pd.DataFrame({"K_o_mM": [5.0, 20.0], "Na_o_mM": [145.0, 130.0], "V_m_mV": [-70.0, -45.0]})
KNOWN = {
    "T_degC": 22,
    "K_i_mM": 140,
    "Na_i_mM": 12,
    "sigma_V_m_mV": 1,
    "P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 4},
}


@pytest.fixture
def problem(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def build(quantities, frame=ROWS, **keys):
        frame.to_csv("table.csv", index=False)
        return load_problem({"data": "table.csv", "quantities": KNOWN | quantities, **keys})

    return build


@pytest.mark.parametrize("name", ["glucose_o_mM", "sucrose_o_mM", "mannitol_o_uM", "formate_o_mM", "Cs_o_mM"])
def test_what_merely_is_in_a_bath_is_welcome(problem, name):
    plain = problem({})
    assert problem({name: 10}).slots.keys() == plain.slots.keys()
    assert problem({}, ROWS.assign(**{name: 10.0})).slots.keys() == plain.slots.keys()


@pytest.mark.parametrize(
    "written, value, mend, quantities",
    [
        ("KCl_o_mM", 5, "Write K_o_mM: 5 and Cl_o_mM: 5", {"K_o_mM": 5, "Cl_o_mM": 5}),
        ("K2SO4_o_mM", 2.5, "Write K_o_mM: 5 and SO4_o_mM: 2.5", {"K_o_mM": 5, "SO4_o_mM": 2.5}),
        ("K_gluconate_o_mM", 5, "Write K_o_mM: 5 and gluconate_o_mM: 5", {"K_o_mM": 5, "gluconate_o_mM": 5}),
        ("K_bath_mM", 5, "did you mean 'K_o'", {"K_o_mM": 5}),
        ("K_ext_M", 0.005, "did you mean 'K_o'", {"K_o_M": 0.005}),
        ("K_pip_mM", 5, "or K_o_mM (inside-out, cell-attached)", {"K_o_mM": 5}),
        ("potassium_out_mM", 5, "did you mean 'K_o'", {"K_o_mM": 5}),
    ],
)
def test_the_mend_is_accepted(problem, written, value, mend, quantities):
    frame = ROWS.drop(columns="K_o_mM")
    with pytest.raises(InputError) as refused:
        problem({written: value}, frame)
    assert mend in str(refused.value)
    assert float(problem(quantities, frame).arrays.known["K_o"]) == 5.0


@pytest.mark.parametrize(
    "written, part",
    [
        ("V_p_mV", "it is a potential of the pipette"),
        ("Vhold_mV", "it is a potential that was imposed"),
        ("Vj_mV", "Write LJP_mV, bath minus pipette"),
        ("E_rev_mV", "What was read stands in the table, as V_m_mV"),
        ("K_i_sd_mM", "Write it with its quantity, K_i: 140"),
        ("gamma_Na_out", "did you mean 'gamma_Na_o'"),
        ("gamma_Na", "Write gamma_Na_o or gamma_Na_i"),
        ("P_Cl", "Write P_Cl_rel, over the reference ion's"),
        ("Glu_o_mM", "Glu may be glutamate, glucose or gluconate"),
    ],
)
def test_words_of_the_field_are_named(problem, written, part):
    with pytest.raises(InputError, match=part):
        problem({written: 5})


def test_a_junction_takes_neutral_solutes_and_names_salts(problem):
    pipette = {"K_mM": 140, "gluconate_mM": 120, "Cl_mM": 20}
    bath = {"Cl_mM": 150}
    plain = problem({"LJP": {"pipette": pipette, "bath": bath}}).arrays.known["LJP"]
    sweet = problem(
        {"LJP": {"pipette": pipette | {"glucose_mM": 10, "sucrose_mM": 5}, "bath": bath}}
    ).arrays.known["LJP"]
    assert (plain == sweet).all() and plain[0] > 10
    with pytest.raises(InputError, match="mEq_L counts charges, of which Ca has 2. Write Ca_mM: 2"):
        problem({"LJP": {"pipette": {"Ca_mEq_L": 4}}})
    with pytest.raises(InputError, match="no ion 'KCl': it is a salt. Name its ions, K and Cl"):
        problem({"LJP": {"pipette": {"KCl_mM": 140}}})
