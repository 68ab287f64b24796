"""Every kind of reading through every verb: the unit it is shown in, and a number that is known by another road."""

import json
import re

import numpy as np
import pytest
import yaml

from pumpleak import ghk_voltage, nernst_potential

T, K_O, NA_O, P = 295.15, np.array([2.5, 10.0, 40.0]), np.array([147.5, 140.0, 110.0]), 0.04
V = np.array(
    [float(ghk_voltage([1.0, P], [k, na], [140.0, 10.0], [1, 1], T)) for k, na in zip(K_O, NA_O, strict=True)]
)
E_K = np.array([float(nernst_potential(k, 140.0, 1, T)) for k in K_O])
RATIO = {"K_i_mM": 140, "P_Na_rel": {"prior": "lognormal", "median": 0.05, "factor": 3}}
DYE = RATIO | {"dye_F0": 100, "dye_slope": 0.3}
INSIDE = {"P_Na_rel": P, "K_i_mM": {"prior": "lognormal", "median": 120, "factor": 1.5}}
#: Observable: its column, its unit as printed, what is read, its error, the quantities, the answer, and what the membrane answers with.
KINDS = {
    "V_m": ("V_m_mV", " mV", V, 1.0, RATIO, ("P_Na/P_K", P), ("V_m", "mV")),
    "dye": ("dye", "", 100 * (1 + 0.3 * V / 100), 0.5, DYE, ("P_Na/P_K", P), ("V_m", "mV")),
    "dye_log": ("dye_log", "", np.log(100) + 0.3 * V / 100, 0.005, DYE, ("P_Na/P_K", P), ("V_m", "mV")),
    "V_patch": (
        "V_patch_mV",
        " mV",
        V - float(nernst_potential(155.0, 140.0, 1, T)),
        1.0,
        RATIO | {"K_pipette_mM": 155},
        ("P_Na/P_K", P),
        ("V_m", "mV"),
    ),
    "E_K": ("E_K_mV", " mV", E_K, 1.0, INSIDE, ("K_i", 140.0), ("E_K", "mV")),
}


#: A minute each: of those that go alike, one is for everyday.
_MARKS = {k: pytest.mark.thorough if k in ("dye", "E_K") else pytest.mark.slow for k in KINDS}


@pytest.fixture(scope="module", params=[pytest.param(k, marks=m) for k, m in _MARKS.items()])
def asked(request, tmp_path_factory):
    """An observable with a folder that holds its table and its configs."""
    folder, of = tmp_path_factory.mktemp(request.param), request.param
    column, _, read, error, quantities, *_ = KINDS[of]
    sem = column.replace(of, f"{of}_sem")
    rows = [f"b{i},{K_O[i]},{NA_O[i]},{read[i]},{error}" for i in range(3)]
    head = f"label,K_o_mM,Na_o_mM,{column},{sem}"
    (folder / "t.csv").write_text("\n".join([head, *rows]))
    (folder / "plan.csv").write_text(
        "\n".join([head.rpartition(",")[0], *(r.rpartition(",")[0].rpartition(",")[0] + "," for r in rows)])
    )
    (folder / "cells.csv").write_text("\n".join([f"cell,{head}", *(f"{c},{r}" for c in "pq" for r in rows)]))
    known = {"T_degC": 22, "Na_i_mM": 10} | quantities
    config = {
        "model": "ghk",
        "ions": ["K", "Na"],
        "observables": [of],
        "quantities": known | {column.replace(of, f"extra_{of}"): 0},
    }
    planned = config | {"quantities": known | {column.replace(of, f"sigma_{of}"): error}}
    other = config | {"quantities": config["quantities"] | {"Na_i_mM": 12}}
    for name, data, c in (
        ("c", "t.csv", config),
        ("other", "t.csv", other),
        ("plan", "plan.csv", planned),
        ("cells", "cells.csv", config),
    ):
        (folder / f"{name}.yaml").write_text(
            yaml.safe_dump(c | {"data": data} | ({"batch": {"by": "cell"}} if name == "cells" else {}))
        )
    return of, folder


def number_after(text, name):
    """The number that a headline gives a name."""
    found = re.search(rf"{re.escape(name)} ([−-]?[\d.]+) ", text)
    assert found, text
    return float(found[1].replace("−", "-"))


def test_every_verb_answers_in_the_unit_of_what_is_read(asked, cli):
    of, folder = asked
    _, unit, read, error, _, (answer, true), membrane = KINDS[of]

    def said(verb, config="c", *options):
        ran = cli(verb, folder / f"{config}.yaml", *options, "--json")
        assert ran.code == 0, (verb, ran.err)
        return json.loads(ran.out)

    def answers(found, rel=0.02):
        assert number_after(found["headline"], answer) == pytest.approx(true, rel=rel), found["headline"]
        return found

    assert f"{answer} is to be inferred from 3 readings of {of} by" in said("check")["headline"]
    answers(said("fit", "c", "--starts", "32"))
    answers(said("infer", "c", "--engine", "importance", "--seed", "1", "--out", folder / "out"))
    after = said("predict", "c", "--from", folder / "out")
    assert number_after(after["headline"], of) == pytest.approx(min(read), abs=error)
    stem = f"{of}_reading{'_mV' if unit else ''}"
    np.testing.assert_allclose([r[stem] for r in after["rows"]], read, atol=error)
    answers(said("identify", "c", "--points", "8"))
    gain = answers(said("design", "c", "--from", folder / "out", "--rows", "1"))["numbers"]["candidates"]
    assert {c["observable"] for c in gain} <= {of, "K_i"} and max(c["gain"] for c in gain) > 0.1
    plan = said("design", "plan", "--rows", "1")
    assert {c["observable"] for c in plan["numbers"]["candidates"]} <= {of, "K_i"}
    assert max(c["gain"] for c in plan["numbers"]["candidates"]) > 1
    assert f"planned readings can be expected to determine {answer}." in said("identify", "plan")["headline"]
    budget = answers(said("sensitivity", "c", "--from", folder / "out", "--samples", "64"))["numbers"]
    assert (budget["of"], budget["unit"]) == membrane and budget["others"] == []
    if of == "E_K":  # dE_K/d ln K_i = −RT/F in every bath
        k = next(i for i, x in enumerate(budget["potential"]["inputs"]) if x["name"] == "K_i")
        slope = float(nernst_potential(1.0, np.e, 1, T))
        np.testing.assert_allclose(np.array(budget["potential"]["values"])[:, k], slope, rtol=1e-9)
    found = cli("compare", folder / "c.yaml", folder / "other.yaml", "--engine", "importance", "--json")
    folds = answers(json.loads(found.out))["numbers"]["models"][0]["rivals"][0]["folds"]
    assert {f["unit"] for f in folds} == {"mV" if unit else "1"}
    np.testing.assert_allclose(sorted(f["read"] for f in folds), sorted(read), rtol=1e-6)
    held = said("calibrate", "c", "--engine", "laplace", "--replicates", "30")
    assert held["headline"].startswith(f"90 % intervals of {answer} hold the truth in ")
    batch = answers(said("batch", "cells", "--engine", "importance", "--out", folder / "run"))
    assert "the median usable cell" in batch["headline"] and batch["usable"] == 2
