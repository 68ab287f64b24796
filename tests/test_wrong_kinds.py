"""What is none of the kind that a function takes is refused in one line that says what it was given, and what to give."""

import numpy as np
import pytest

import pumpleak as pl
from pumpleak.errors import is_number


@pytest.fixture(scope="module")
def cell():
    return pl.load_preset("neuron")


@pytest.fixture(scope="module")
def problem():
    known = {"P_Na_rel": pl.lognormal(0.05, 3), "sigma_V_m": 1.0}
    return pl.make_problem(pl.load_dataset("textbook_resting"), known)


OF_A_CELL = {
    "a preset's name": (lambda c: pl.simulate("neuron", c[1], 60.0), "a cell is asked for, not the text 'neuron'"),
    "no bath": (lambda c: pl.steady_state(c[0], {"K_o": 4.0}), "a bath is asked for, not a dict"),
    "exchanged": (lambda c: pl.steady_states(c[1], c[0]), "a cell is asked for, not a Bath"),
    "of numbers": (lambda c: pl.cell_parameters(c, None), "a cell is asked for, not a Preset"),
    "of a sweep": (lambda c: pl.sweep("neuron", c[1], "K_o", [3.5]), "a cell is asked for"),
    "sweep of text": (lambda c: pl.sweep(*c, "K_o", "1:120"), "holds no numbers. Give a row of numbers"),
    "sweep of names": (lambda c: pl.sweep(*c, "K_o", ["low", "high"]), "holds no numbers. Give a row of numbers"),
    "start of steady_state": (lambda c: pl.steady_state(*c, start={"K": 120}), "a steady state to start from is asked for, not a dict"),
    "duration": (lambda c: pl.simulate(*c, "1h"), "duration = the text '1h'. Give a positive number of seconds"),
    "duration yes": (lambda c: pl.simulate(*c, True), "Give a positive number of seconds"),
    "start": (lambda c: pl.simulate(*c, 60.0, start="neuron"), "to start from is asked for, not the text 'neuron'"),
    "start of texts": (lambda c: pl.simulate(*c, 60.0, start={"K": "120", "Na": 12, "Cl": 6}), "start has K = 120 mM"),
    "one event": (lambda c: pl.simulate(*c, 60.0, events=pl.Event(1.0, {"pump": 0})), "events are asked for, not an Event"),
    "event of a dict": (lambda c: pl.simulate(*c, 60.0, events=[{"t": 1.0}]), "an event is asked for, not a dict"),
    "event text": (lambda c: pl.simulate(*c, 60.0, events="t=1s pump=0"), "events are asked for, not the text"),
    "event's time": (lambda c: pl.simulate(*c, 60.0, events=[pl.Event("1s", {"pump": 0})]), "an event's time is the text '1s'"),
    "event's changes": (lambda c: pl.simulate(*c, 60.0, events=[pl.Event(1.0, "pump=0")]), "a mapping of what changes is asked for"),
    "event's value": (lambda c: pl.simulate(*c, 60.0, events=[pl.Event(1.0, {"pump": "off"})]), "pump = off is not a number"),
    "n": (lambda c: pl.simulate(*c, 60.0, n="200"), "a whole number n of times is asked for, not the text '200'"),
    "times": (lambda c: pl.simulate(*c, 60.0, times=["start", "end"]), "holds no numbers. Give rising times"),
}  # fmt: skip


@pytest.mark.parametrize("which", OF_A_CELL)
def test_of_a_cell(cell, which):
    ask, said = OF_A_CELL[which]
    with pytest.raises(pl.InputError) as refused:
        ask(cell)
    assert said in str(refused.value) and "\n" not in str(refused.value)


OF_A_PROBLEM = {
    "predict of a path": (lambda p: pl.predict("c.yaml"), "a problem is asked for, not the text 'c.yaml'"),
    "result": (lambda p: pl.predict(p, "result"), "a result is asked for, not the text 'result'. Make it by infer"),
    "draws": (lambda p: pl.predict(p, draws=2000.0), "a whole number of draws is asked for, not a float"),
    "no draws": (lambda p: pl.predict(p, draws=0), "draws = 0 is too small. Give at least 1"),
    "seed": (lambda p: pl.predict(p, seed="1"), "seed must be a whole number, not the text '1'"),
    "fixed": (lambda p: pl.predict(p, fixed=["P_Na_rel"]), "a mapping of names to numbers is asked for, not a list"),
    "fixed text": (lambda p: pl.predict(p, fixed={"P_Na_rel": "0.03"}), "P_Na_rel = the text '0.03' is no number"),
    "contrast": (lambda p: pl.contrast("run", "P_Na_rel"), "a result is asked for, not the text 'run'"),
    "replicates": (lambda p: pl.calibrate(p, replicates="many"), "replicates must be a whole number, not the text 'many'"),
    "few replicates": (lambda p: pl.calibrate(p, replicates=5), "replicates = 5 is too small. Give at least 20"),
    "samples": (lambda p: pl.sensitivity(p, samples=2.5), "samples must be a whole number, not 2.5"),
    "odd samples": (lambda p: pl.sensitivity(p, samples=100), "samples = 100 is no power of 2 from 64. Give e.g. 2048"),
    "many samples": (lambda p: pl.sensitivity(p, samples=2**40), "samples = 1099511627776 is too large"),
    "points": (lambda p: pl.identify(p, points="40"), "points must be a whole number, not the text '40'"),
    "many points": (lambda p: pl.identify(p, points=10**9), "points = 1000000000 is too large. Give at most 10000"),
    "targets": (lambda p: pl.sensitivity(p, targets=[5], samples=64), "the name of a target is asked for, not an int"),
    "a config": (lambda p: pl.load_problem(5), "a config is asked for, not an int. Give the path of a YAML file"),
    "a batch": (lambda p: pl.infer_batch(5), "a config is asked for, not an int"),
}  # fmt: skip


@pytest.mark.parametrize("which", OF_A_PROBLEM)
def test_of_a_problem(problem, which):
    ask, said = OF_A_PROBLEM[which]
    with pytest.raises(pl.InputError) as refused:
        ask(problem)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_a_number():
    assert all(map(is_number, (5, -5.0, np.float32(5), np.int8(5), np.array(5.0))))
    assert not any(map(is_number, ("5", True, np.True_, None, [5], np.array([5.0]), np.nan, np.inf, 10**400)))
