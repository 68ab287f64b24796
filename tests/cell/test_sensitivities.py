"""Sensitivities against stored digits and finite differences; remedies against the closed window of existence."""

import math

import equinox as eqx
import jax
import numpy as np
import pytest
from cells import duesterwald, keener_sneyd, values

from pumpleak import (
    Bath,
    Cell,
    ChordLeak,
    ConstantPump,
    Cotransporter,
    CubicPump,
    GHKLeak,
    HillPump,
    InputError,
    InputWarning,
    InwardRectifier,
    Mechanism,
    Status,
    change,
    remedies,
    sensitivities,
    steady_state,
)
from pumpleak.cell.existence import impossible, outrun
from pumpleak.cell.remedies import Remedy, _Candidate, _candidates, _edge, _emptied, _remedy, fate, why


@pytest.fixture(scope="module")
def neuron(reference_cases):
    return duesterwald(values(reference_cases["dus-sensitivities"]["parameters"]))


@pytest.fixture(scope="module")
def ks(reference_cases):
    """Numbers of a cell that exists for 0 < P < P_max."""
    return values(reference_cases["ks-existence-limits"]["parameters"])


# -- sensitivities -----------------------------------------------------------------------------------


@pytest.mark.thorough
def test_stored_digits(neuron, reference_cases):
    case = reference_cases["dus-sensitivities"]
    table = sensitivities(*neuron, compensation="inert")
    columns = {"Vm": "dV_m_mV", "Cl_in": "dCl_i_mM", "Na_in": "dNa_i_mM"}
    rows = {"g_KCC2": "KCC2.rate_constant", "p": "pump.J", "Na_out": "Na_o", "K_out": "K_o"}
    for key, value in case["expected"].items():
        of, by = key.removeprefix("d(").split(")/d ")
        by = by.removeprefix("ln ").split(" ")[0]
        got = table.loc[rows.get(by, by), columns[of]]
        assert got == pytest.approx(value["value"], rel=case["tolerance"]["rel"]), key
    assert table.loc["K_o", "meaning"] == "K outside, X_o falling"


def with_a_rectifier():
    """Two K conductances (no short name is free), a wall, a held ion."""
    mechanisms = {
        "Kir": InwardRectifier(0.08),
        "leak_K": ChordLeak("K", 0.02),
        "leak_Na": GHKLeak("Na", 4e-8),
        "leak_Cl": GHKLeak("Cl", 1e-6),
        "AE": Cotransporter({"Cl": 1, "HCO3": -1}, 1e-9, "mass_action"),
        "pump": CubicPump(0.008),
    }
    cell = Cell(mechanisms, z_X=-1.0, X_i=130.0, held={"HCO3": 15.0}, wall=20.0, factors={"pump": 0.5})
    return cell, Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=110.0, HCO3_o=24.0, X_o=25.0)


@pytest.mark.thorough
def test_every_row_is_a_finite_difference():
    cell, bath = with_a_rectifier()
    table = sensitivities(cell, bath)
    assert {"Kir.g", "leak_K.g", "Kir.V_half", "HCO3_i", "X_i", "wall", "pump.J", "T"} <= set(table.index)
    assert not {"g_K", "pump", "L_p", "C_m", "volume_to_area"} & set(table.index)
    assert table["per"]["Kir.V_half"] == "mV" and table["per"]["T"] == "K" and table["per"]["z_X"] == "1"
    for name, row in table.iterrows():
        h = 1e-4
        around = [
            math.exp(s * h) * row["value"] if row["per"] == "e-fold" else row["value"] + s * h
            for s in (-1, 1)
        ]
        low, high = (steady_state(*change(cell, bath, {name: v})) for v in around)
        expected = [high.V_m - low.V_m, np.log(high.volume / low.volume)]
        expected += [high.c_i[ion] - low.c_i[ion] for ion in ("K", "Na", "Cl")]
        got = row[["dV_m_mV", "dln_volume", "dK_i_mM", "dNa_i_mM", "dCl_i_mM"]].to_numpy(float)
        np.testing.assert_allclose(got, np.array(expected) / (2 * h), rtol=2e-6, atol=2e-6, err_msg=name)


@pytest.mark.thorough
def test_all_rates_together_change_nothing(neuron):
    for pair in (neuron, with_a_rectifier()):
        table = sensitivities(*pair)
        sums = table.loc[table["is_rate"], ["dV_m_mV", "dln_volume", "dK_i_mM"]].sum()
        assert table["is_rate"].sum() >= 4 and np.abs(sums).max() < 1e-9
        assert table.loc[table["is_rate"], "dV_m_mV"].abs().max() > 1


def test_compensation(neuron):
    cell, bath = neuron
    swapped, salted = sensitivities(cell, bath), sensitivities(cell, bath, compensation="salt")
    assert swapped["meaning"]["K_o"] == "K outside, Na_o falling"
    assert salted["meaning"]["K_o"] == "K outside, Cl_o rising"
    # Swelling when the bath is diluted, as its osmolarity says: salt shrinks, a swap hardly does.
    assert salted["dln_volume"]["Na_o"] < -0.3 < abs(swapped["dln_volume"]["K_o"])
    # A compensating ion cannot make up for itself: its own row is the default's.
    by_Na = sensitivities(cell, bath, compensation="Na")
    assert by_Na["dV_m_mV"]["Na_o"] == pytest.approx(swapped["dV_m_mV"]["Na_o"], rel=1e-12)
    with pytest.raises(
        InputError, match="no compensation 'Mg' in the bath.* Known here: Cl, K, Na, salt, inert"
    ):
        sensitivities(cell, bath, compensation="Mg")


def test_double_precision_whatever_the_callers(neuron):
    expected = sensitivities(*neuron)
    with jax.enable_x64(False):
        got = sensitivities(*neuron)
    np.testing.assert_array_equal(got["dV_m_mV"], expected["dV_m_mV"])


@pytest.mark.thorough
def test_what_cannot_be_asked(neuron):
    cell, bath = neuron
    with pytest.raises(InputError, match="one cell in one bath"):
        sensitivities(cell, bath.change(K_o=np.array([3.0, 5.0])))
    stopped = change(cell, bath.change("inert", Cl_o=148.5), {"pump": 0.0})
    with pytest.raises(InputError, match="no steady state in this bath.* nothing to differentiate"):
        sensitivities(*stopped)


# -- remedies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opens", "expected"), [(True, [0.5, 30.0, 0.02]), (False, [2.0, 70.0, 0.9])])
def test_the_edges_of_a_window_are_found_to_five_digits(opens, expected):
    """Windows of values that work, in place of cells: looked for on a grid, then within its steps."""
    low, high = np.array([0.5, 30.0, 0.02])[:, None], np.array([2.0, 70.0, 0.9])[:, None]
    tried = [
        _Candidate("pump", 0.1, 0.1 * np.geomspace(1.1, 1000, 50)),
        _Candidate("leak", 1.0, np.geomspace(1.1, 1000, 50)),
        _Candidate("idle", 0.0, np.geomspace(1e-3, 10, 50)),
    ]
    ok = np.stack([(t.values >= a) & (t.values <= b) for t, a, b in zip(tried, low, high, strict=True)])
    first = ok.argmax(axis=1)
    past = first + np.array([np.argmin(row[k:]) for row, k in zip(ok, first, strict=True)])
    found = _edge(lambda x: (x >= low) & (x <= high), tried, first if opens else past, opens=opens)
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    inside = (found >= low[:, 0]) & (found <= high[:, 0])
    assert inside.all()  # to the side that works


@pytest.mark.parametrize(
    ("name", "present", "edge", "end", "text"),
    [
        ("pump", 2.0, 4.00001, None, "pump × 2.01 or more"),
        ("pump", 2.0, 4.00001, 9.9999, "pump × 2.01, up to 4.99"),
        ("pump", 2.0, 0.99999, None, "pump × 0.499 or less"),
        ("pump", 2.0, 0.99999, 0.50001, "pump × 0.499, down to 0.251"),
        ("pump", 0.0, 0.0123456, None, "pump = 0.0124 or more"),
        ("pump", 0.0, 0.0123456, 4.56789, "pump = 0.0124, up to 4.56"),
        ("pump", 0.0, 1e-9, None, "pump above 0"),
        ("pump", 0.0, 1e-9, 4.56789, "pump above 0, up to 4.56"),
        ("X_o", 10.0, 20.01, None, "X_o at least 20.1 mM"),
        ("X_o", 10.0, 20.01, 30.09, "X_o at least 20.1 mM and at most 30 mM"),
    ],
)
def test_a_remedy_is_said_rounded_to_the_side_that_works(name, present, edge, end, text):
    found = _remedy(_Candidate(name, present, np.array([])), edge, end)
    assert (found.name, found.value, found.text) == (name, edge, text)
    assert found.factor == (edge / present if present else math.inf)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.9, "pump is too strong (pump × 0.9): it takes out more Na⁺ than can leak in."),
        (1.2, "pump is too weak (pump × 0.9): the ions cannot settle, whatever the volume."),
        (None, "The ions cannot settle, whatever the volume."),
    ],
)
def test_a_pump_that_empties_or_cannot_hold_a_cell(neuron, factor, words):
    cell = neuron[0] if isinstance(neuron, tuple) else neuron
    pump = next(name for name, m in cell.mechanisms.items() if name.startswith("pump"))
    remedy = None if factor is None else Remedy(pump, factor, factor, "pump × 0.9")
    assert _emptied(cell, remedy) == words


@pytest.mark.thorough
def test_the_closed_window_of_a_constant_pump(ks, reference_cases):
    P_max = reference_cases["ks-existence-limits"]["expected"]["P_max"]["value"]
    cell, bath = keener_sneyd(ks, 15.0)
    all_found = remedies(cell, bath, max_volume_ratio=math.inf)
    found = {r.name: r for r in all_found}
    pump = found["pump"]
    assert set(found) == {"pump", "leak_K", "X_o"} and all_found[-1].name == "X_o"
    assert pump.factor * 15 == pytest.approx(P_max, rel=1e-5)
    assert pump.text == "pump × 0.948 or less"
    # Only P = p F/(g_Na RT/F) and γ = g_Na/g_K count: α(P, γ) = 1 in closed form.
    Ne, Ke, gamma = 437, 20, 0.11
    exponent = math.log((Ne + Ke - Ne * math.exp(-45)) / Ke)
    assert found["leak_K"].factor == pytest.approx(30 * gamma / exponent, rel=1e-5)
    A = Ne * math.exp(-45) + Ke * math.exp(30 * gamma)  # 2 √(A Cl_o) < Π_o, all of Cl outside
    assert found["X_o"].factor == math.inf
    assert found["X_o"].value == pytest.approx(2 * math.sqrt(A * (Ne + Ke)) - 2 * (Ne + Ke), rel=1e-5)
    assert why(cell, bath, known=all_found).startswith(
        "The pump is too strong for the leaks (pump × 0.948 or"
    )


@pytest.mark.thorough
def test_every_remedy_is_the_edge(ks):
    for P, largest in ((15.0, 100.0), (0.0, 100.0), (1e-4, 20.0)):
        cell, bath = keener_sneyd(ks, P)
        if P == 0:
            cell, bath = change(*keener_sneyd(ks, 5.0), {"pump": 0.0})
        found = remedies(cell, bath, max_volume_ratio=largest)
        assert found or P == 1e-4
        assert [abs(math.log(r.factor)) for r in found] == sorted(abs(math.log(r.factor)) for r in found)
        for r in found:
            now = bath.X_o if r.name == "X_o" else cell.factors[r.name]
            better, worse = (r.value + s * 1e-4 * (r.value - now) for s in (1, -1))
            assert steady_state(*change(cell, bath, {r.name: better})).volume <= largest
            state = steady_state(*change(cell, bath, {r.name: worse}))
            assert not state.ok or state.volume > largest


@pytest.mark.thorough
def test_a_window_has_two_ends(ks, reference_cases):
    cell, bath = change(*keener_sneyd(ks, 5.0), {"pump": 0.0})
    pump = next(r for r in remedies(cell, bath, max_volume_ratio=math.inf) if r.name == "pump")
    P_max = reference_cases["ks-existence-limits"]["expected"]["P_max"]["value"]
    start, end = pump.text.split(", up to ")
    assert start == "pump above 0" and float(end) == pytest.approx(P_max / 5, rel=0.01)
    assert pump.factor == math.inf and float(end) * 5 <= P_max
    held = next(
        r for r in remedies(cell, bath) if r.name == "pump"
    )  # where it may not swell more than tenfold
    assert float(held.text.removeprefix("pump = ").split(", up to ")[0]) >= held.value > 1e-3
    sentence = "The pump is off and nothing impermeant is outside to hold the water back: the cell swells"
    assert why(cell, bath).startswith(sentence)


def ghk(P_Na, J_max, K_Na=10.0, AE=0.0, HCO3_i=1e-9, **bath):
    """One structure for all, so that it is compiled once."""
    leaks = {"leak_Na": GHKLeak("Na", P_Na), "leak_K": GHKLeak("K", 1e-6), "leak_Cl": GHKLeak("Cl", 1e-6)}
    exchange = Cotransporter({"Cl": 1, "HCO3": -1}, AE, "mass_action")
    pump = HillPump(J_max, K_Na=K_Na)
    cell = Cell({**leaks, "AE": exchange, "pump": pump}, z_X=-1.0, X_i=140.0, held={"HCO3": HCO3_i})
    return cell, Bath(T=310.15, K_o=4.0, Na_o=145.0, **{"HCO3_o": 1e-9, "Cl_o": 149.0} | bath)


@pytest.mark.thorough
def test_reasons():
    # A pump that never runs dry asks for more Na than can leak in; water would not be the trouble.
    greedy = ghk(4e-8, 2e-5, K_Na=1e-30, Cl_o=119.0, X_o=30.0)
    found = remedies(*greedy)
    assert [r.name for r in found] == ["pump", "leak_Na"] and found[0].factor < 1 < found[1].factor
    sentence = f"pump is too strong ({found[0].text}): it takes out more Na⁺ than can leak in."
    assert why(*greedy, known=found) == sentence
    # P_Na/P_K beyond what a 3:2 pump can hold (between 1.4 and 1.6), however fast.
    leaky = ghk(1.7e-6, 1e-3)
    found = {r.name: r for r in remedies(*leaky, max_volume_ratio=math.inf)}
    assert set(found) == {"leak_Na", "leak_K", "X_o"}
    assert 1.4 < 1.7 * found["leak_Na"].factor < 1.6
    assert found["leak_Na"].factor * found["leak_K"].factor == pytest.approx(1, rel=1e-4)
    assert "too large for the stoichiometry of pump" in why(*leaky)
    # K leaks a hundredth of what the pump needs; nearly stopping the pump would do, but is not the point.
    tight = change(*ghk(4e-8, 1e-5, Cl_o=119.0, X_o=30.0), {"leak_K": 0.01})
    found = remedies(*tight)
    assert [r.name for r in found] == ["leak_K", "leak_Na", "X_o", "pump"]
    assert why(*tight, known=found).startswith(f"The leaks do not suit pump ({found[0].text})")
    # Cl brought in against HCO3, which something holds high inside, and a pump that does not keep up.
    weak = ghk(4e-8, 1e-6, AE=4e-8, HCO3_i=30.0, HCO3_o=24.0, Cl_o=125.0)
    found = remedies(*weak)
    assert why(*weak, known=found).startswith("The pump is too weak for the leaks (pump × ")
    assert "no single rate changed within 1.01-fold" in why(*weak, widest=1.01)


LEAKS = {ion: GHKLeak(ion, P) for ion, P in (("Na", 4e-8), ("K", 1e-6), ("Cl", 1e-6))}
STRUCTURES = {
    "Nothing lets Na⁺ in: pump takes it out": {"K": 1, "Cl": 1, "pump": 1},
    "Nothing lets K⁺ out: pump brings in": {"Na": 1, "Cl": 1, "pump": 1},
    "Nothing carries Cl⁻ (Cl at a rate of 0)": {"Na": 1, "K": 1, "Cl": 0, "pump": 1},
    "Nothing carries Na⁺ (Na and pump at a rate of 0)": {"Na": 0, "K": 1, "Cl": 1, "pump": 0},
    "No mixture of the leaks and transporters carries back what pump moves": {"Cl": 1, "pump": 1, "NKCC1": 1},
    "": {"Na": 1, "K": 1, "Cl": 1, "pump": 1},
}


@pytest.mark.parametrize("sentence", STRUCTURES)
def test_what_is_missing_is_said_before_any_factor(sentence):
    """From what carries what alone; nothing is solved or compiled."""
    all_of = {**LEAKS, "pump": HillPump(2e-5), "NKCC1": Cotransporter({"Na": 1, "K": 1, "Cl": 2}, 1e-3)}
    factors = STRUCTURES[sentence]
    cell = Cell({name: all_of[name] for name in factors}, z_X=-1.0, X_i=140.0, factors=factors)
    assert (impossible(cell) or "").startswith(sentence) and bool(impossible(cell)) == bool(sentence)


def test_one_kind_of_charge_cannot_be_balanced():
    mechanisms = {"Na": LEAKS["Na"], "K": LEAKS["K"], "pump": HillPump(2e-5)}
    assert impossible(Cell(mechanisms, z_X=-1.0, X_i=140.0)) is None
    assert impossible(Cell(mechanisms, z_X=0.0, X_i=140.0, held={"Cl": 5.0})) is None
    cell = Cell(mechanisms, z_X=0.0, X_i=140.0)
    assert (
        impossible(cell)
        == "Only cations cross, and what is trapped inside is not negative: nothing balances the charge."
    )
    bath = Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=119.0, X_o=30.0)
    assert (
        not steady_state(cell, bath).ok and why(cell, bath) == impossible(cell) and remedies(cell, bath) == []
    )


def test_a_rate_of_0_has_no_factor():
    """Only a factor of 0 is raised; a rate constant of 0 stays 0 whatever it is multiplied by."""
    cell, bath = ghk(4e-8, 0.0)
    assert "pump" not in {t.name for t in _candidates(cell, bath, 100.0)}
    stopped, bath = change(*ghk(4e-8, 2e-5), {"pump": 0.0})
    assert "pump" in {t.name for t in _candidates(stopped, bath, 100.0)}
    least = _remedy(_Candidate("pump", 0.0, np.array([1e-6])), 1e-9, None)
    assert least.text == "pump above 0" and least.value == 1e-9


def test_a_pump_that_takes_out_more_than_can_ever_leak_in():
    """At Na_i = 0 and −10 RT/F a leak brings in 10/(1 − e⁻¹⁰) P Na_o, and no more at any higher potential."""

    def cell(leak, pump):
        return Cell({**LEAKS, "Na": leak, "pump": pump}, z_X=-1.0, X_i=140.0)

    bath = Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=119.0, X_o=30.0)
    most = 10 / (1 - math.exp(-10)) * 4e-8 * 145 / 3
    pump, ion, share = outrun(cell(LEAKS["Na"], ConstantPump(1e3 * most)), bath)
    assert (pump, ion) == ("pump", "Na") and share == pytest.approx(1e-3, rel=1e-12)
    assert outrun(cell(LEAKS["Na"], ConstantPump(0.999 * most)), bath) is None
    assert outrun(cell(LEAKS["Na"], HillPump(1e3 * most)), bath) is None  # runs dry by itself
    assert outrun(cell(ChordLeak("Na", 1e-6), ConstantPump(1e3 * most)), bath) is None  # grows without limit
    said = why(
        cell(LEAKS["Na"], ConstantPump(1e3 * most)), bath, known=[]
    )  # no factor within a hundred helps
    assert said == (
        "pump is too strong: it takes out more Na⁺ than can leak in, whatever its concentration inside."
        " At most 0.001 of it can, at any potential within ±267 mV."
    )


def test_nothing_to_mend(neuron):
    assert remedies(*neuron) == [] and why(*neuron) == "The cell has a steady state."
    cell, bath = neuron
    cold = eqx.tree_at(lambda b: b.T, bath, 0.0)
    assert "not finite" in why(cell, cold)
    with pytest.raises(InputError, match="widest = 1"):
        remedies(cell, bath, widest=1)


class Competing(Mechanism):
    """A user's pump on which K⁺ inside competes with Na⁺."""

    one_way = True
    J: float

    def rate(self, m):
        return self.J * (m.c_i["Na"] / (m.c_i["Na"] + 10 * (1 + m.c_i["K"] / 50))) ** 3

    @property
    def stoichiometry(self):
        return {"Na": 3, "K": -2}


@pytest.mark.thorough
def test_what_is_not_known_is_not_claimed():
    """Of a pump whose law nobody knows, and of cells whose search ended nowhere, nothing is said to be shown."""
    bath = Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=119.0, X_o=30.0)
    leaks = {"leak_Na": GHKLeak("Na", 4e-8), "leak_K": GHKLeak("K", 1e-6), "leak_Cl": GHKLeak("Cl", 1e-6)}
    own = Cell({**leaks, "pump": Competing(1e-5)}, z_X=-1.0, X_i=140.0, held={"HCO3": 400.0})
    assert outrun(own, bath) is None
    assert fate(own, bath).endswith(".")
    # K⁺ alone, against held anions: it loses water until no cation is left.
    with pytest.warns(InputWarning, match="z_X"):
        shrinks = Cell({"leak_K": GHKLeak("K", 1e-6)}, z_X=0.1, X_i=100.0, held={"HCO3": 15.0})
    assert steady_state(shrinks, bath).status == Status.not_converged
    assert "nothing shows" in why(shrinks, bath) and "nothing shows" in fate(shrinks, bath)
    neutral = Cell({"KCC2": Cotransporter({"K": 1, "Cl": 1}, 1e-3)}, z_X=-1.0, X_i=140.0)
    assert "V_m could be anything" in impossible(neutral)
    odd = Cell({**leaks, "pump": ConstantPump(1e-20, r=1e-10)}, z_X=-1.0, X_i=140.0)
    assert impossible(odd) is None
