"""A mechanism's number is declared once: cell files, checks, traced bounds, --set, messages and the reference follow."""

import json
import math

import equinox as eqx
import jax.numpy as jnp
import pytest

from pumpleak import (
    InputError,
    Mechanism,
    Status,
    cell_parameters,
    load_cell,
    load_problem,
    quantity,
    steady_state,
)
from pumpleak.cell.declared import KINDS
from pumpleak.cell.settings import parse_setting

LEAKS = {
    f"leak_{ion}": {"kind": "ghk_leak", "ion": ion, "P_cm_s": P} for ion, P in {"K": 1e-6, "Na": 4e-8}.items()
}
BATH = {"Na_o_mM": 145, "K_o_mM": 4, "Cl_o_mM": 119, "X_o_mM": 30, "T_degC": 37}


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setitem(KINDS, "chloride_gate", None)  # to be gone after the test

    class ChlorideGate(Mechanism):
        """The one declaration."""

        kind = "chloride_gate"
        rate_field = "P"
        ion: str = eqx.field(static=True)
        P: float = quantity("cm/s", "permeability, open")
        K_half: float = quantity("mM", "half-saturating outside Cl", default=20.0)
        slope: float = quantity("1", "steepness", default=2.0, sign="positive")
        share: float = quantity("1", "share that is open", default=0.5, high=1.0)
        V_shift: float = quantity("mV", "shift", default=-5.0)

        def rate(self, m):
            open_ = self.share / (1 + (self.K_half / m.c_o[self.ion]) ** self.slope)
            outward, inward = m.bernoulli(-1)
            return self.P * open_ * (outward * m.c_i[self.ion] - inward * m.c_o[self.ion])

        @property
        def stoichiometry(self):
            return {self.ion: 1}

    return ChlorideGate


def written(**gate):
    gate = {"kind": "chloride_gate", "ion": "Cl", "P_cm_s": 1e-7} | gate
    pump = {"kind": "constant_pump", "J_umol_cm2_s": 1e-7}
    cell = {"z_X": -0.9, "X_i_mM": 150.0, "mechanisms": LEAKS | {"gate": gate, "pump": pump}}
    return {"cell": cell, "bath": BATH}


def test_a_cell_file_may_name_it(declared):
    cell, _ = load_cell(written(slope=3))
    gate = cell.mechanisms["gate"]
    assert isinstance(gate, declared)
    assert (gate.ion, gate.P, gate.K_half, gate.slope, gate.share, gate.V_shift) == (
        "Cl",
        1e-7,
        20.0,
        3.0,
        0.5,
        -5.0,
    )


def test_it_is_written_back(declared):
    preset = load_cell(written(slope=3))
    config = json.loads(json.dumps(preset.config))
    assert config["cell"]["mechanisms"]["gate"] == {
        "kind": "chloride_gate", "ion": "Cl", "P_cm_s": 1e-7,
        "K_half_mM": 20.0, "slope": 3.0, "share": 0.5, "V_shift_mV": -5.0,
    }  # fmt: skip
    assert load_cell(config).cell.mechanisms["gate"] == preset.cell.mechanisms["gate"]


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"K_half": 3}, "gate.K_half: there is no key 'K_half' of chloride_gate (did you mean 'K_half_mM'?)"),
        ({"P_cm_s": -1}, "gate.P_cm_s: -1 will not do: input should be greater than or equal to 0"),
        ({"K_half_mM": 0}, "gate.K_half_mM: 0 will not do: input should be greater than 0"),
        ({"slope": 0}, "gate.slope: 0 will not do: input should be greater than 0"),
        ({"share": 1.5}, "gate.share: 1.5 will not do: input should be less than or equal to 1"),
        ({"ion": "Qq"}, "gate.ion: there is no ion 'Qq'"),
        ({"kind": "chloride_gat"}, "gate.kind: there is no kind 'chloride_gat' (did you mean 'chloride_gate'?)"),
    ],
)  # fmt: skip
def test_what_a_cell_file_cannot_say(declared, gate, words):
    with pytest.raises(InputError) as caught:
        load_cell(written(**gate))
    assert words in str(caught.value)


WRONG = {"P": -1.0, "K_half": 0.0, "slope": 0.0, "share": 1.5}
WORDS = {"P": "at least 0", "K_half": "above 0", "slope": "above 0", "share": "at least 0 and at most 1"}


@pytest.mark.parametrize("field", WRONG)
@pytest.mark.thorough
def test_a_number_that_cannot_be_is_refused_in_every_layer(declared, field):
    cell, bath = load_cell(written())
    mechanisms = dict(cell.mechanisms)
    numbers = {"ion": "Cl", "P": 1e-7} | {field: WRONG[field]}
    with pytest.raises(
        InputError, match=rf"gate: {field} = {WRONG[field]:g} is not possible. Give a number {WORDS[field]}"
    ):
        type(cell)(mechanisms | {"gate": declared(**numbers)}, z_X=-0.9, X_i=150.0)
    # traced, it is a status
    lanes = eqx.tree_at(
        lambda c: getattr(c.mechanisms["gate"], field),
        cell,
        jnp.array([getattr(cell.mechanisms["gate"], field), WRONG[field]]),
    )
    assert [int(s) for s in steady_state(lanes, bath).status] == [Status.converged, Status.invalid]
    name = next(n for n in cell_parameters(cell, bath) if n in (f"gate.{field}", f"{field}_Cl"))
    unit = {"P": "_cm_s", "K_half": "_mM"}.get(field, "")
    with pytest.raises(InputError, match=f"{field}.* = {WRONG[field]:g} is"):
        parse_setting(f"{name}{unit}={WRONG[field]}", cell, bath)


def test_it_can_be_set_in_its_unit(declared):
    cell, bath = load_cell(written())
    assert parse_setting("gate.K_half_uM=5000", cell, bath) == ("gate.K_half", 5.0)
    assert parse_setting("gate.V_shift_mV=-12", cell, bath) == ("gate.V_shift", -12.0)
    assert cell_parameters(cell, bath)["gate.share"][1:] == ("1", "share that is open (gate)", False)
    with pytest.raises(InputError, match="needs a unit"):
        parse_setting("gate.K_half=5", cell, bath)


def test_a_problem_has_its_numbers(declared):
    ratio = {"prior": "lognormal", "median": 0.05, "factor": 3}
    problem = load_problem({
        "model": "pump_leak", "ions": ["K", "Na", "Cl"], "cell": written(), "protocol": "steady",
        "data": {"dataset": "textbook_resting"}, "quantities": {"P_Na_rel": ratio, "Cl_o_mM": 119},
    })  # fmt: skip
    known = {q.name: q for q in problem.model.quantities}
    assert (known["gate_slope"].lower, known["gate_slope"].default, known["gate_K_half"].unit) == (
        0.0,
        2.0,
        "mM",
    )
    assert known["gate_V_shift"].lower == -math.inf
