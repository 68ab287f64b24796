"""What is no problem, no table or no cell is refused by the verbs in one line that says what it is."""

import pandas as pd
import pytest

import pumpleak
from pumpleak import InputError, load_dataset, load_preset, lognormal, make_problem
from pumpleak.models.registry import make_model

KNOWN = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
OTHERS = [None, "x.yaml", 3, {"a": 1}, [1, 2], pd.DataFrame({"a": [1]}), object()]


@pytest.mark.parametrize("given", OTHERS, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize(
    "verb", ["fit", "infer", "predict", "identify", "sensitivity", "design", "calibrate"]
)
def test_verbs_take_problems(verb, given):
    with pytest.raises(InputError, match=r"a problem is asked for, not .*load_problem"):
        getattr(pumpleak, verb)(given)


@pytest.mark.parametrize("seed", ["one", 1.5, float("nan"), [1, 2], True, -1, 2**63])
def test_a_seed_is_a_whole_number(seed):
    problem = make_problem(load_dataset("textbook_resting"), KNOWN)
    for verb in ("fit", "infer", "calibrate"):
        with pytest.raises(InputError, match=r"seed (must be a whole number|= )"):
            getattr(pumpleak, verb)(problem, seed=seed)


@pytest.mark.parametrize("given", [None, 3, "x.yaml", [1, 2], {"a": "b"}], ids=str)
def test_compare_takes_several(given):
    with pytest.raises(InputError, match=r"(several problems are|a problem is)"):
        pumpleak.compare(given)


@pytest.mark.parametrize("given", OTHERS, ids=lambda x: type(x).__name__)
def test_a_problem_is_made_of_a_table_that_was_read(given):
    with pytest.raises(InputError, match=r"measurements must be .* not .*make_problem\(read_table"):
        make_problem(given, KNOWN)
    if not isinstance(given, dict):
        with pytest.raises(InputError, match="quantities must be a mapping"):
            make_problem(load_dataset("textbook_resting"), given)
    if not isinstance(given, str):
        with pytest.raises(InputError, match="model must be a model or its name"):
            make_problem(load_dataset("textbook_resting"), KNOWN, model=given)


@pytest.mark.parametrize("given", [3, {"a": 1}, [1, 2], (1,), object(), load_preset("neuron").cell])
def test_a_cell_is_a_preset_or_a_cell_in_its_bath(given):
    with pytest.raises(InputError, match=r"cell must be a cell in its bath, not .*neuron"):
        make_model("pump_leak", cell=given)
    with pytest.raises(InputError, match=r"cell must be a cell in its bath"):
        make_problem(load_dataset("textbook_resting"), KNOWN, model="pump_leak", cell=given)


def test_a_presets_name_is_that_preset():
    named, loaded = (make_model("pump_leak", cell=x) for x in ("neuron", load_preset("neuron")))
    cell, bath = load_preset("neuron")
    paired = make_model("pump_leak", cell=(cell, bath))
    assert named.quantities == loaded.quantities == paired.quantities
    assert named.setting.ions == loaded.setting.ions
    with pytest.raises(InputError, match="did you mean 'neuron'"):
        make_model("pump_leak", cell="neurone")
