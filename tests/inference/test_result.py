"""Results: written whole or not at all, read back as they were, judged in words."""

import json

import arviz_base
import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from pumpleak import InputError, infer, load_problem, load_result, make_problem, normal, read_table
from pumpleak.files.seal import unsealed
from pumpleak.inference.findings import Kind
from pumpleak.inference.result import Result
from pumpleak.inference.trust import trust_of
from pumpleak.inference.verdict import findings_of, judge
from pumpleak.quantities.names import safe_name
from pumpleak.reports.result_page import render


@pytest.fixture(scope="module")
def saved(inferred, tmp_path_factory):
    return inferred.save(tmp_path_factory.mktemp("results") / "deep" / "out")


def test_a_round_trip_changes_nothing(inferred, saved):
    assert {"posterior.nc", "summary.csv", "config.yaml"} <= {p.name for p in saved.iterdir()}
    for path in (saved, saved / "posterior.nc", str(saved)):
        again = load_result(path)
        assert set(again.tree.children) == set(inferred.tree.children)
        for name, group in inferred.tree.children.items():
            xr.testing.assert_equal(again.tree[name].to_dataset(), group.to_dataset())
        assert again.attrs.keys() == inferred.attrs.keys()
        assert again.verdict == inferred.verdict and again.title == inferred.title
        pd.testing.assert_frame_equal(again.table, inferred.table)


def test_plain_xarray_and_arviz_open_it(saved, inferred):
    with xr.open_datatree(saved / "posterior.nc") as tree:
        np.testing.assert_array_equal(tree["posterior"]["P_Na_rel"], inferred.tree["posterior"]["P_Na_rel"])
        frame = arviz_stats.summary(tree, var_names=["P_Na_rel", "V_offset"])
        assert list(frame.index) == ["P_Na_rel", "V_offset"]
        assert arviz_base.extract(tree)["P_Na_rel"].size == inferred.tree["posterior"]["P_Na_rel"].size


def test_a_flipped_bit_is_noticed(saved, inferred, tmp_path):
    content, rng = (saved / "posterior.nc").read_bytes(), np.random.default_rng(3)
    refused, places = 0, [*rng.integers(0, len(content), 40), *range(len(content) - 45, len(content), 5)]
    for where in places:
        flipped = bytearray(content)
        flipped[where] ^= 1 << int(rng.integers(8))
        (tmp_path / "posterior.nc").write_bytes(flipped)
        try:
            again = load_result(tmp_path)
        except InputError as error:
            refused += "posterior.nc: cannot be read as a result" in str(error)
        else:  # in the checksum's mark alone
            assert where > len(content) - 50 and again.table.equals(inferred.table)
    assert refused >= len(places) - 3


def test_a_file_without_a_checksum_is_of_an_older_version(saved, inferred, tmp_path):
    (tmp_path / "posterior.nc").write_bytes(unsealed((saved / "posterior.nc").read_bytes()))
    assert load_result(tmp_path).verdict == inferred.verdict


def test_the_summary_is_the_table(saved, inferred):
    summary = pd.read_csv(saved / "summary.csv", index_col="parameter")
    np.testing.assert_allclose(summary["median"], inferred.table["median"], rtol=1e-12)


def test_the_saved_config_repeats_the_run(saved, inferred):
    again = infer(load_problem(saved / "config.yaml"))
    np.testing.assert_allclose(
        again.tree["posterior"]["P_Na_rel"], inferred.tree["posterior"]["P_Na_rel"], rtol=1e-9
    )
    config = yaml.safe_load((saved / "config.yaml").read_text())
    assert config["sampler"]["draws"] == 300 and config["noise"] == "normal"


@pytest.mark.thorough
def test_the_saved_config_begins_with_what_became_of_the_columns(inferred, saved, tmp_path):
    (first, *_) = json.loads(inferred.attrs["columns"])
    assert first.startswith("Columns read: ") and "K_o_mM" in first
    assert (saved / "config.yaml").read_text().startswith(f"# {first}\n")
    tree = inferred.tree.copy()
    tree.attrs = inferred.attrs | {"columns": json.dumps(["Columns read: a\nb: [\x07."])}
    text = (Result(tree).save(tmp_path / "odd") / "config.yaml").read_text()
    assert yaml.safe_load(text) == yaml.safe_load((saved / "config.yaml").read_text())
    tree.attrs = {k: v for k, v in inferred.attrs.items() if k != "columns"}
    older = load_result(Result(tree).save(tmp_path / "older"))
    assert not (tmp_path / "older" / "config.yaml").read_text().startswith("#")
    assert "became of the table" in render(inferred) and "became of the table" not in render(older)


def test_provenance(inferred):
    attrs = inferred.attrs
    assert len(attrs["data_sha256"]) == 64 and attrs["model"] == "ghk" and attrs["ions"] == "K, Na"
    assert json.loads(attrs["versions"]).keys() >= {"python", "jax", "numpyro"}
    assert json.loads(attrs["sampler"])["draws"] == 300
    assert json.loads(attrs["units"]) == {"P_Na_rel": "1", "V_offset": "mV"}
    assert "K_o_mM" in attrs["data_csv"] and attrs["created"].startswith("20")


def test_force_replaces_a_result_and_nothing_else(inferred, tmp_path, folder_listing):
    out = inferred.save(tmp_path / "out")
    (out / "report.html").write_text("old")
    with pytest.raises(InputError, match="exists already.*--force"):
        inferred.save(out)
    inferred.save(out, force=True)
    assert not (out / "report.html").exists() and (out / "posterior.nc").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    (out / "thesis.docx").write_text("mine")
    before = folder_listing(tmp_path)
    with pytest.raises(InputError, match="thesis.docx.*not replaced"):
        inferred.save(out, force=True)
    assert folder_listing(tmp_path) == before


def test_a_failure_within_keeps_the_old(inferred, tmp_path, folder_listing):
    out = inferred.save(tmp_path / "out")
    before = folder_listing(tmp_path)

    def fail(folder):
        (folder / "half").write_text("half")
        raise RuntimeError("report failed")

    with pytest.raises(RuntimeError):
        inferred.save(out, force=True, extra=fail)
    assert folder_listing(tmp_path) == before


def test_a_tree_of_anothers_is_refused(tmp_path, inferred):
    tree = inferred.tree.copy()
    tree.attrs = {}
    (tmp_path / "x.nc").write_bytes(bytes(tree.to_netcdf(engine="h5netcdf")))
    with pytest.raises(InputError, match="provenance"):
        load_result(tmp_path / "x.nc")


def test_a_name_with_a_slash_survives():
    assert "/" not in safe_name("K_i[a/b]")


# -- the verdict on trees that are made bad --------------------------------------------------------


def changed(result, group, **values):
    """A copy of the result's tree with other values in a group."""
    tree = result.tree.copy(deep=True)
    old = tree[group].to_dataset()
    new = {k: (old[k].dims, np.broadcast_to(v, old[k].shape)) for k, v in values.items()}
    tree[group] = xr.DataTree(old.assign(new))
    return tree


def test_one_divergence_is_a_remark_and_one_in_a_thousand_a_ban(line_result):
    diverging = np.zeros(line_result.tree["sample_stats"]["diverging"].shape, bool)
    diverging[0, 3] = True
    verdict = judge(changed(line_result, "sample_stats", diverging=diverging))
    assert verdict.usable and verdict.numbers["divergences"] == 1
    told, agree = verdict.chains
    assert told.startswith(
        "1 of 4000 transitions diverged (0.0%), which cost nothing that is printed: were the draws around it"
    )
    assert told.endswith("of the interval's width (at most 5 % is allowed).") and agree.endswith(
        "effective draws."
    )
    diverging[:, 5] = True
    verdict = judge(changed(line_result, "sample_stats", diverging=diverging))
    assert not verdict.usable and verdict.numbers["divergences"] == 5
    assert verdict.chains == (
        "5 of 4000 transitions diverged (0.1%): part of the posterior may be missed. Raise sampler.target_accept "
        "towards 0.99, or narrow the prior that lets a scale go to 0.",
    )


@pytest.mark.parametrize(
    "column, value, kind, worst, words",
    [("r_hat", [1.0, 1.011], Kind.chains_disagree, "b", "R-hat of b is 1.011"),
     ("ess_bulk", [399.0, 4e3], Kind.few_draws, "a", "399 of a"),
     ("ess_tail", [4e3, 20.0], Kind.few_draws, "b", "20 of b"),
     ("r_hat", [1.0, np.nan], Kind.chains_disagree, "b", "R-hat of b is nan"),
     ("ess_bulk", [np.nan, 4e3], Kind.few_draws, "a", "nan of a"),
     ("end_error", [0.02, 0.062], Kind.loose_ends, "b", "An end of the interval of b, or its median, has a Monte Carlo error of 6.2%"),
     ("end_error", [np.inf, 0.02], Kind.loose_ends, "a", "∞% of the interval's width (at most 5 % is allowed)")],
)  # fmt: skip
def test_every_gate_closes(line_result, column, value, kind, worst, words):
    tree = changed(line_result, "table", **{column: np.array(value)})
    trust, verdict = trust_of(tree), judge(tree)
    assert not trust.usable and [(f.kind, f.parameters) for f in trust.findings] == [(kind, (worst,))]
    reason = {
        "r_hat": "the chains disagree",
        "end_error": "too few draws to settle the ends of an interval",
    }.get(column, "too few independent draws")
    assert not verdict.usable and verdict.headline == f"Do not use these numbers: {reason}."
    assert words in verdict.chains[0]


def test_just_inside_the_gates(line_result):
    edge = changed(line_result, "table", r_hat=1.01, ess_bulk=400.0, ess_tail=400.0, end_error=0.05)
    assert judge(edge).usable


def test_a_result_from_before_the_ends_were_watched_is_judged_by_the_rest(line_result):
    tree = line_result.tree.copy(deep=True)
    tree["table"] = xr.DataTree(tree["table"].to_dataset().drop_vars("end_error"))
    assert judge(tree).usable and trust_of(tree).numbers["end_error_max"] == 0


@pytest.mark.thorough
def test_one_outlier_among_many_readings_is_named(toys):
    rng = np.random.default_rng(0)
    x = np.tile([0.0, 1.0, 2.0, 3.0], 60)
    read = 1 + 0.5 * x + rng.normal(size=len(x))
    read[100] += 8
    table = pd.DataFrame(
        {"label": [f"r{i}" for i in range(len(x))], "x_mV": x, "V_m_mV": read, "V_m_sem_mV": 1.0}
    )
    problem = make_problem(
        read_table(table, quantities=["x"]),
        {"a": normal(0, 5), "b": normal(0, 5), "extra_V_m": 0.0},
        model="line",
    )
    result = infer(problem, chains=2, warmup=300, draws=400, retry=False)
    assert not result.verdict.fits
    apart = [f for f in findings_of(result.tree) if f.kind == Kind.one_reading]
    assert [f.parameters for f in apart] == [("r100",)]
    assert apart[0].numbers["read"] == [read[100]] and apart[0].numbers["p"] < 1e-4


def test_far_from_its_prior_is_told(line_result):
    tree = changed(line_result, "table", shift=np.array([2.4, 0.1]))
    (found,) = [f for f in findings_of(tree) if f.kind == Kind.far_from_prior]
    assert found.parameters == ("a",) and found.numbers == {"a": 2.4}
    assert "Far from its prior, which deserves a second look: a (+2.4 prior sd)." in judge(tree).data


def test_a_junction_potential_is_a_rival_only_where_nobody_gave_one(line_result):
    tree = changed(line_result, "observed_data", reading=np.full(4, 80.0))
    for defaulted, expected in ((["LJP"], True), (["V_offset"], False)):
        tree.attrs["defaulted"] = json.dumps(defaulted)
        tree.attrs["assumptions"] = json.dumps(["LJP is computed by Henderson's equation; in a: 3.1 mV."])
        kinds = {f.kind for f in findings_of(tree)}
        assert Kind.scatters_more in kinds and (Kind.rival_junction in kinds) == expected


def test_a_verdict_survives_json(line_result):
    assert type(line_result.verdict).from_dict(json.loads(json.dumps(line_result.verdict.as_dict()))) == (
        line_result.verdict
    )
    assert isinstance(line_result, Result)
