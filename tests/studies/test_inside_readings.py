"""What a pump-leak cell holds, and its volume, through every verb: units, and numbers that `steady_state` gives."""

import json

import pytest
import yaml

from pumpleak import load_preset, steady_state
from pumpleak.cell.numbers import change

pytestmark = pytest.mark.thorough

TRUE, K_O = 0.35, {"rest": 3.5, "ten": 10.0, "twenty": 20.0}


@pytest.fixture(scope="module")
def held():
    """Condition -> (K_i [mM], volume over that of rest) of a neuron with a leakier membrane."""
    cell, bath = load_preset("neuron")
    out = {}
    for name, K_o in K_O.items():
        s = steady_state(*change(cell, bath.change(T=310.15), {"leak_Na": TRUE * 0.07 / 0.02, "K_o": K_o}))
        out[name] = float(s.c_i["K"]), float(s.volume)
    return {name: (K_i, volume / out["rest"][1]) for name, (K_i, volume) in out.items()}


@pytest.mark.parametrize("observable", ["K_i", "volume"])
def test_every_verb_takes_what_is_inside(observable, held, cli, tmp_path):
    column, sem, error = {
        "K_i": ("K_i_mM", "K_i_sem_mM", 1.0),
        "volume": ("volume", "volume_sem", 0.01),
    }[observable]
    values = {name: pair[observable == "volume"] for name, pair in held.items()}
    rows = [f"label,protocol,baseline,K_o_mM,Na_o_mM,{column},{sem}"]
    for name, K_o in K_O.items():
        first = name == "rest"
        read = "," if first and observable == "volume" else f"{values[name]},{error}"
        rows.append(f"{name},steady,{'' if first else 'rest'},{K_o},{148.5 - K_o},{read}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    prior = {"prior": "lognormal", "median": 0.3, "factor": 1.5}
    known = {
        "T_degC": 37,
        "Cl_o_mM": 119,
        "g_Na_rel": prior,
        column.replace(observable, f"extra_{observable}"): 0,
    }
    config = {"model": "pump_leak", "cell": {"preset": "neuron"}, "observables": [observable]}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config | {"data": "t.csv", "quantities": known}))

    def said(verb, *options):
        ran = cli(verb, tmp_path / "c.yaml", *options, "--json")
        assert ran.code == 0, (verb, ran.err)
        return json.loads(ran.out)

    def answers(found):
        value = float(found["headline"].split("g_Na/g_K ")[1].split(" ")[0])
        assert value == pytest.approx(TRUE, rel=0.06), found["headline"]  # the prior pulls a little
        return found

    n = 3 if observable == "K_i" else 2
    assert f"from {n} readings of {observable} by the model pump_leak" in said("check")["headline"]
    answers(said("fit", "--starts", "32"))
    answers(said("infer", "--engine", "importance", "--seed", "1", "--out", tmp_path / "out"))
    predicted = said("predict", "--from", tmp_path / "out")["headline"]
    unit = " mM" if observable == "K_i" else ""
    assert f"{observable} {values['rest']:.{0 if unit else 2}f}{unit}" in predicted
    answers(said("identify", "--points", "8"))
    answers(said("sensitivity", "--from", tmp_path / "out", "--samples", "64"))
    candidates = answers(said("design", "--from", tmp_path / "out", "--rows", "1"))["numbers"]["candidates"]
    gains = {c["label"]: c["gain"] for c in candidates if c["observable"] == observable}
    assert max(gains.values()) > 0.1  # a volume is over that of the first row, not over itself
