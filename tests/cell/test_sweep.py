"""A sweep is the loop over it, follows one branch as long as it lasts, and is what the command prints."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
from cells import muscle

from pumpleak import InputError, Status, Sweep, change, load_preset, steady_state, steady_states, sweep
from pumpleak.cell.words import branch_words, sweep_words


@pytest.fixture(scope="module")
def down():
    """Potassium taken from a muscle fibre that has two resting levels in little of it."""
    return sweep(*muscle(), "K_o", np.geomspace(4.0, 0.5, 9))


@pytest.mark.thorough
def test_a_sweep_is_the_loop_over_it():
    cell, bath = load_preset("neuron")
    found = sweep(cell, bath, "K_o", [2.0, 5.0, 50.0], compensation="Cl")
    assert isinstance(found, Sweep) and found.lost == {} and found.jumps == () and not found.followed
    for i, K_o in enumerate(found.values):
        here = change(cell, bath, {"K_o": K_o}, compensation="Cl")
        assert found.bath.c["K"][i] == K_o and found.bath.c["Cl"][i] == bath.c["Cl"] + K_o - bath.c["K"]
        one = steady_state(*here)
        np.testing.assert_allclose(found.states.V_m[i], one.V_m, rtol=1e-10)
        np.testing.assert_allclose(found.states.c_i["Cl"][i], one.c_i["Cl"], rtol=1e-9)
    table = found.table()
    assert list(table)[:3] == ["K_o_mM", "status", "V_m_mV"] and list(table["K_o_mM"]) == [2.0, 5.0, 50.0]
    assert list(found.table("K_o_uM", 1e3 * found.values)["K_o_uM"]) == [2e3, 5e3, 5e4]


def test_one_branch_is_followed_until_it_ends(down):
    assert down.followed and down.states.ok.all() and down.states.stable.all()
    for i, K_o in enumerate(down.values):  # each is a stable state, though not the only one
        levels = [s.V_m for s in steady_states(*change(*muscle(), {"K_o": float(K_o)})) if s.stable]
        assert np.min(np.abs(np.array(levels) - down.states.V_m[i])) < 1e-3
    (jump,) = down.jumps
    assert down.states.V_m[jump + 1] - down.states.V_m[jump] > 20
    back = sweep(*muscle(), "K_o", down.values[::-1])  # from the cell's own 4 mM outwards, in either order
    np.testing.assert_allclose(back.states.V_m[::-1], down.states.V_m, rtol=1e-9)
    assert back.jumps == (len(down.values) - 2 - jump,)
    words = branch_words(down, "K_o_mM", down.values)
    assert words[0].startswith("Several steady states") and words[1].startswith("Between K_o_mM")
    assert f"to {down.states.V_m[jump + 1]:.1f} mV" in words[1]


@pytest.mark.thorough
def test_it_comes_from_where_it_is_said_to():
    """In little potassium a fibre rests at either level, by where it was before."""
    low = change(*muscle(), {"K_o": 2.0})
    lower, upper = (float(s.V_m) for s in steady_states(*low) if s.stable)
    for origin, level in ((muscle(), lower), (change(*low, {"Kir": 0.0}), upper)):
        found = sweep(*low, "K_o", [2.0, 3.0, 4.0], origin=origin)
        assert found.followed and found.states.V_m[0] == pytest.approx(level, abs=1e-3)


@pytest.mark.thorough
def test_what_is_lost_is_counted():
    cell, bath = change(*load_preset("neuron"), {"Cl_o": 148.5})  # nothing impermeant outside
    found = sweep(cell, bath, "pump", [0.0, 1e-30, 1e-3], max_volume_ratio=1.0)
    assert found.lost == {"no_steady_state": 2} and list(found.states.ok) == [False, False, True]
    assert list(found.states.status) == [Status.no_steady_state] * 2 + [Status.converged]
    assert np.isnan(found.states.V_m[:2]).all() and list(found.states.lysis) == [False, False, True]
    verdict, notes = sweep_words(found, "pump", found.values, "Neuron", 1.0)
    assert verdict.startswith("Neuron: 1 of 3 values of pump have a steady state; V_m ")
    assert notes[0] == "2 values: no steady state." and notes[1].startswith("1 of 3 values: beyond bursting")


def test_the_command_prints_it(cli):
    """`--sweep` after `--set` follows from the cell as its file has it."""
    ran = cli("steady-state", "--preset", "mammalian_muscle", "--set", "T_degC=36", "--sweep", "K_o_mM=6:0.6:log5", "--json")  # fmt: skip
    printed = json.loads(ran.out)
    given = load_preset("mammalian_muscle")
    with jax.enable_x64(True):
        cell, bath = change(*given, {"T": 309.15})
        found = sweep(cell, bath, "K_o", np.geomspace(6.0, 0.6, 5), origin=given, max_volume_ratio=10.0)
    rows = pd.DataFrame(printed["rows"]).drop(columns="index")
    pd.testing.assert_frame_equal(rows, found.table(), check_dtype=False, rtol=1e-12)
    assert found.followed == any(n.startswith("Several") for n in printed["notes"])
    assert sum(n.startswith("Between") for n in printed["notes"]) == len(found.jumps)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("K_out", [1.0, 2.0], "no number 'K_out'.*did you mean 'K_o'"),
        ("K_o", [[1.0, 2.0]], "shape"),
        ("K_o", 3.0, "shape"),
        ("K_o", [], "shape"),
        ("K_o", [1.0, 148.5], "takes Na_o to 0"),
    ],
)
def test_what_cannot_be_swept_is_refused(name, values, words):
    with pytest.raises(InputError, match=words):
        sweep(*load_preset("neuron"), name, values)
