"""What is given for another thing is told what it is, and the way that works for it."""

import os

import pytest

from pumpleak import InputError
from pumpleak.files.things import check_thing, thing_at
from pumpleak.files.whole import check_taken, in_the_way, refuse_folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with one of each thing."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "run/manifest.json",
        "result/posterior.nc",
        "study/study.json",
        "dir/own.yaml",
        "dir/own.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("data: t.csv\n")
    for name in ("t.csv", "t.parquet", "page.html", "own.py", "odd.dat"):
        (tmp_path / name).write_text("x")
    (tmp_path / "c.yaml").write_text("title: x\ndata: t.csv\n")
    (tmp_path / "cell.yaml").write_text("title: x\npreset: neuron\n")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


def test_each_thing_is_known(place):
    found = {name: thing_at(name) for name in sorted(os.listdir(place))}
    assert found == {
        "c.yaml": "config", "cell.yaml": "cell", "dir": "folder", "empty": "folder", "fifo": "pipe", "odd.dat": "",
        "own.py": "plugin", "page.html": "page", "result": "result", "run": "run", "study": "study", "t.csv": "table",
        "t.parquet": "table",
    }  # fmt: skip
    assert thing_at("nowhere") == thing_at("a\0b") == "" and thing_at("/dev/null") == "device"


@pytest.mark.parametrize(
    ("path", "wanted", "said"),
    [
        ("run", "config", "the folder of a batch run, not a config. Give the config that it ran: run/config.yaml"),
        ("result", "config", "of a result of infer, not a config. Give the config that it was made of: result/config.yaml"),
        ("dir", "config", "a folder, not a config. Give a YAML config; .*, e.g. dir/own.yaml"),
        ("empty", "config", "a folder, not a config. Give a YAML config; `pumpleak init TABLE` writes one.$"),
        ("t.parquet", "config", "a table, not a config. Have a config written for it: pumpleak init t.parquet"),
        ("t.csv", "cell", "a table, not a cell's file. Give a file with `cell:` and `bath:`"),
        ("run", "cell", "the folder of a batch run, not a cell's file"),
        ("dir", "table", "a folder, not a table. Give a table: CSV"),
        ("result", "table", "Give its table: result/data.csv"),
        ("c.yaml", "table", "a config, not a table. .*pumpleak check c.yaml"),
        ("run", "result", "a batch run, not a result of infer. .*run/cells.parquet.*`by: cell`"),
        ("study", "result", "a study, not a result of infer. Its page is study/report.html"),
        ("c.yaml", "result", "a config, not a result of infer. Infer first, pumpleak infer c.yaml"),
        ("cell.yaml", "result", "a cell's file, not a result of infer. .*pumpleak steady-state cell.yaml"),
        (".", "result", "a folder, not a result of infer. .* wrote, e.g. result"),
        ("result", "run", "a result of infer, not the folder of a batch run"),
        ("result", "study", "wrote with --out, e.g. study"),
        ("dir", "plugin", "a folder, not a Python file. .*e.g. dir/own.py"),
        ("t.csv", "plugin", "a table, not a Python file"),
        ("fifo", "table", "a pipe, not a table. Save what it brings into a file"),
        ("/dev/zero", "config", "a device, not a config"),
    ],
)  # fmt: skip
def test_another_thing_is_refused_with_the_way_that_works(place, path, wanted, said):
    with pytest.raises(InputError, match=said) as refused:
        check_thing(path, wanted)
    assert str(refused.value).startswith(f"{path}: is ")


def test_what_may_be_it_passes(place):
    for path, wanted in (
        ("c.yaml", "config"), ("cell.yaml", "config"), ("c.yaml", "cell"), ("odd.dat", "table"), ("nowhere", "result"),
        ("result", "result"), ("result/posterior.nc", "result"), ("run", "run"), ("study", "study"), ("own.py", "plugin"),
        ("odd.dat", "plugin"), ("t.csv", "table"),
    ):  # fmt: skip
        check_thing(path, wanted)


def test_a_file_of_the_folder_that_is_wanted_names_the_folder(place):
    (place / "result" / "summary.csv").write_text("x")
    with pytest.raises(InputError, match="is a table.*Give the folder that it is in: result"):
        check_thing("result/summary.csv", "result")


def test_a_file_where_a_folder_is_needed_is_named(place):
    out = place / "t.csv" / "x" / "y"
    assert in_the_way(out) == f"{place / 't.csv'} is a file, not a folder" and not in_the_way(
        place / "new" / "x"
    )
    with pytest.raises(InputError, match="t.csv is a file, not a folder. Give another --out"):
        refuse_folder(out, force=False)
    for force in (False, True):
        with pytest.raises(InputError, match="dir: is a folder, not a file. Give another name"):
            check_taken(place / "dir", force)


def test_force_is_offered_only_where_it_helps(place):
    for force in (False, True):
        with pytest.raises(
            InputError, match="dir: holds own.py, which is not of a result, and is not replaced"
        ):
            refuse_folder(place / "dir", force=force)
    with pytest.raises(InputError, match="exists already. Give --force"):
        refuse_folder(place / "result", force=False)
    refuse_folder(place / "result", force=True)
