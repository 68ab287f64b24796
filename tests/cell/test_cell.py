import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak import (
    Bath,
    Cell,
    ChordLeak,
    Cotransporter,
    GHKLeak,
    HillPump,
    InputError,
    InputWarning,
    cell_parameters,
    change,
    steady_state,
)

LEAKS = {f"leak_{ion}": GHKLeak(ion, P) for ion, P in (("Na", 4e-8), ("K", 1e-6), ("Cl", 1e-6))}


def a_bath(**changes):
    return Bath(**{"T": 310.15, "K_o": 4.0, "Na_o": 145.0, "Cl_o": 119.0, "X_o": 30.0} | changes)


def a_cell(**changes):
    mechanisms = {**LEAKS, "pump": HillPump(2e-5)}
    return Cell(changes.pop("mechanisms", mechanisms), **{"z_X": -1.0, "X_i": 140.0} | changes)


# -- baths -------------------------------------------------------------------------------------------


def test_impermeants_carry_what_the_ions_leave_over():
    bath = a_bath()
    assert bath.charge == 30.0
    assert bath.osmolarity == 298.0


@pytest.mark.parametrize(
    ("compensation", "expected"),
    [
        (None, {"K": 14.0, "Na": 135.0, "Cl": 119.0, "X_o": 30.0}),
        ("Na", {"K": 14.0, "Na": 135.0, "Cl": 119.0, "X_o": 30.0}),
        ("salt", {"K": 14.0, "Na": 145.0, "Cl": 129.0, "X_o": 30.0}),
        ("Cl", {"K": 14.0, "Na": 145.0, "Cl": 129.0, "X_o": 30.0}),
        ("inert", {"K": 14.0, "Na": 145.0, "Cl": 119.0, "X_o": 20.0}),
    ],
)
def test_a_change_is_compensated(compensation, expected):
    bath = a_bath().change(compensation, K_o=14.0)
    assert {**bath.c, "X_o": bath.X_o} == expected


def test_chloride_and_sodium_are_replaced_by_inert_ions():
    low = a_bath().change(Cl_o=19.0)
    assert (low.c["Cl"], low.X_o, low.osmolarity) == (19.0, 130.0, 298.0)
    low = a_bath().change(Na_o=100.0)
    assert (low.c["Na"], low.X_o, low.osmolarity) == (100.0, 75.0, 298.0)


def test_divalents_are_swapped_by_charge():
    bath = a_bath(Ca_o=2.0, Cl_o=123.0).change(Ca_o=5.0)
    assert bath.c["Na"] == 139.0
    assert a_bath(Ca_o=2.0, Cl_o=123.0).change("salt", Ca_o=5.0).c["Cl"] == 129.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: a_bath(X_o=0.0, Cl_o=100.0), r"charged: its ions sum to \+49 mM"),
        (lambda: a_bath(Cl_o=300.0), "charged"),
        (lambda: a_bath(Na_o=np.array([145.0, 400.0])), r"charged: its ions sum to \+285"),
        (lambda: a_bath(K_o=-1.0), "K_o = -1 is not possible"),
        (lambda: a_bath(T=float("nan")), "T = nan is not possible"),
        (lambda: a_bath(Kx_o=1.0), "Kx"),
        (lambda: a_bath(K_i=1.0), "a bath has no 'K_i'"),
        (lambda: a_bath().change(K_o=200.0), r"K_o = 200 leaves Na_o = -51 mM"),
        (lambda: a_bath().change(Ko=20.0), "no number 'Ko' in the bath"),
        (lambda: a_bath().change("Mg", K_o=20.0), "no compensation 'Mg' in the bath"),
        (lambda: a_bath().change("K", K_o=20.0), "cannot be compensated by itself"),
    ],
)
def test_impossible_baths(make, message):
    with pytest.raises(InputError, match=message):
        make()


# -- cells -------------------------------------------------------------------------------------------


def test_ions_are_those_that_move_and_are_not_held():
    cell = a_cell(
        mechanisms={
            **LEAKS,
            "AE": Cotransporter({"Cl": 1, "HCO3": -1}, 1e-9),
            "leak_Ca": GHKLeak("Ca", 1e-9),
        },
        held={"HCO3": 14.0},
    )
    assert cell.ions == ("K", "Na", "Cl", "Ca")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: a_cell(X_i=0.0), "without any, nothing balances water"),
        (lambda: a_cell(X_i=-1.0), "X_i = -1 mM"),
        (lambda: a_cell(volume="rigid"), "no kind of volume 'rigid'"),
        (lambda: a_cell(volume="fixed", wall=10.0), "a wall around a fixed volume"),
        (lambda: a_cell(volume_to_area=-1e-4), "volume_to_area = -0.0001 is not possible"),
        (lambda: a_cell(volume_to_area=np.array([1e-4, 0.0])), "volume_to_area = 0 .* number above 0"),
        (lambda: a_cell(wall=-5.0), "wall = -5 is not possible in a cell. Give a number of at least 0"),
        (lambda: a_cell(C_m=-1.0), "C_m = -1 is not possible"),
        (lambda: a_cell(L_p=-1e-7), "L_p = -1e-07 is not possible"),
        (lambda: a_cell(factors={"pump": -1.0}), "the factor on pump = -1 is not possible"),
        (lambda: change(a_cell(), a_bath(), {"C_m": -1.0}), "C_m = -1 is not possible"),
        (lambda: a_cell(mechanisms={"leak": 3.0}), "'leak' is a float, not a mechanism"),
        (lambda: a_cell(factors={"pomp": 0.5}), "no mechanism 'pomp'.*pump"),
        (lambda: steady_state(a_cell(mechanisms={}), a_bath()), "nothing crosses"),
        (
            lambda: steady_state(a_cell(mechanisms={**LEAKS, "leak_Ca": GHKLeak("Ca", 1e-9)}), a_bath()),
            "leak_Ca moves Ca, which the bath does not have",
        ),
        (
            lambda: steady_state(
                a_cell(mechanisms={"NCC": Cotransporter({"Na": 1, "Cl": 1}, 1.0)}), Bath(T=310, Na_o=1, X_o=1)
            ),
            "NCC moves Cl",
        ),
    ],
)
def test_impossible_cells(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_positive_impermeants_are_remarked_upon():
    with pytest.warns(InputWarning, match=r"z_X = 0.2"):
        a_cell(z_X=0.2)


def test_cells_are_trees_that_vmap_and_trace():
    cells = jax.vmap(lambda g: a_cell(mechanisms={"leak_K": ChordLeak("K", g)}))(jnp.array([1.0, 2.0]))
    assert cells.mechanisms["leak_K"].g.shape == (2,)
    assert jax.jit(lambda z: a_cell(z_X=z).z_X)(0.5) == 0.5  # a traced number is nobody's mistake


# -- their numbers by name ---------------------------------------------------------------------------


def test_numbers_by_name():
    cell, bath = a_cell(held={"HCO3": 14.0}, wall=5.0), a_bath()
    numbers = cell_parameters(cell, bath)
    assert numbers["P_K"].value == 1e-6 and numbers["P_K"].unit == "cm/s" and numbers["P_K"].is_rate
    assert numbers["pump"].value == 1.0 and numbers["pump"].is_rate
    assert not numbers["pump.K_Na"].is_rate
    assert {"z_X", "X_i", "wall", "HCO3_i", "K_o", "X_o", "T"} <= set(numbers)
    assert "L_p" not in numbers


def test_every_number_can_be_changed():
    cell, bath = a_cell(held={"HCO3": 14.0}, wall=5.0), a_bath()
    before = cell_parameters(cell, bath)
    for name, parameter in before.items():
        after = cell_parameters(*change(cell, bath, {name: parameter.value * 1.01}))
        changed = {n for n in before if after[n].value != before[n].value}
        compensated = {"K_o": {"Na_o"}, "Na_o": {"X_o"}, "Cl_o": {"X_o"}}.get(name, set())
        assert changed == {name} | compensated


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="no number 'P_Ka'.*P_K"):
        change(a_cell(), a_bath(), {"P_Ka": 1.0})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bath(T=37.0, K_o=4.0, Na_o=145.0, Cl_o=149.0), "T = 37 K is colder.*273.15"),
        (lambda: Bath(T=310.0, K_o="4", Na_o=145.0, Cl_o=149.0), "K_o = '4' is no number"),
        (lambda: a_cell(z_X="a"), "z_X = 'a' is no number"),
        (lambda: Cell([GHKLeak("K", 1e-6)], z_X=-1.0, X_i=140.0), "a list, and have no names"),
        (lambda: Cell({"leak": GHKLeak("K", None)}, z_X=-1.0, X_i=140.0), "leak: P = None is no number"),
        (lambda: Cell({"leak": GHKLeak("Kx", 1e-6)}, z_X=-1.0, X_i=140.0), "'Kx'.*'K'"),
        (
            lambda: Bath(T=310.0, K_o=np.array([4.0, 40.0]), Na_o=145.0, Cl_o=149.0),
            r"\+36 mM of charge \(K 40, Na 145, Cl 149 mM\)",
        ),
        (
            lambda: steady_state(a_bath(), a_cell()),
            "a cell is asked for, not a Bath. Give a Cell, then a Bath",
        ),
        (lambda: steady_state(a_cell(), a_bath(), max_volume_ratio=0.5), "max_volume_ratio = 0.5"),
    ],
)
def test_slips_in_python_have_one_clear_message(make, message):
    with pytest.raises(InputError, match=message):
        make()
