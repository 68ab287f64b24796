"""Files and folders take their name whole or not at all, and nothing is left of a failure."""

import errno
import os
import subprocess
import sys

import pytest

from pumpleak import InputError
from pumpleak.files.whole import (
    claimed_folder,
    is_scratch,
    put_text,
    rename_folder,
    scratch_file,
    scratch_folder,
    whole_file,
    whole_folder,
)


def test_whole_folder_and_file_leave_nothing_of_a_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "a" / "b" / "out") as folder:
        (folder / "x").write_text("x")
        raise KeyboardInterrupt

    def half(path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        whole_file(tmp_path / "a" / "file.txt", half)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_whole_or_stays(tmp_path, folder_listing, monkeypatch):
    out = tmp_path / "out"
    for text, force in (("old", False), ("new", True)):
        with whole_folder(out, force=force, own=("x",)) as folder:
            (folder / "x").write_text(text)
    assert (out / "x").read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["out"]
    before, rename, calls = folder_listing(tmp_path), os.rename, []

    def second_fails(a, b):
        calls.append(b)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        rename(a, b)

    with pytest.raises(InputError, match="Input/output error"):
        with whole_folder(out, force=True, own=("x",)) as folder:
            (folder / "x").write_text("newer")
            monkeypatch.setattr(os, "rename", second_fails)
    assert folder_listing(tmp_path) == before


def test_a_name_that_is_taken_is_not_taken_over(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with scratch_folder(tmp_path / "empty") as scratch:
        (scratch / "y").touch()
        rename_folder(scratch, tmp_path / "empty", seen=None)
    assert (tmp_path / "empty" / "y").is_file()
    with scratch_folder(tmp_path / "full") as scratch, pytest.raises(OSError):
        rename_folder(scratch, tmp_path / "full", seen=None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]


def _folder(path, text):
    path.mkdir(parents=True)
    (path / "x").write_text(text)


#: What another does to a name between its being claimed and the end of the work: before, meanwhile, with `force`.
MEANWHILE = {
    "a folder appears": (None, lambda out: _folder(out, "theirs"), False),
    "a file appears": (None, lambda out: out.write_text("theirs"), False),
    "a folder appears, with force": (None, lambda out: _folder(out, "theirs"), True),
    "a file is put into it": ("old", lambda out: (out / "notes.txt").write_text("theirs"), True),
    "its file is written anew": ("old", lambda out: (out / "x").write_text("theirs"), True),
    "it is another folder by now": (
        "old",
        lambda out: (out.rename(f"{out}-moved"), _folder(out, "theirs")),
        True,
    ),
    "it is gone": ("old", lambda out: out.rename(f"{out}-moved"), True),
}


@pytest.mark.parametrize("case", MEANWHILE)
def test_what_appears_meanwhile_is_not_replaced_and_the_result_is_kept(tmp_path, folder_listing, case):
    before, meanwhile, force = MEANWHILE[case]
    out = tmp_path / "out"
    if before:
        _folder(out, before)
    with pytest.raises(InputError, match="made or changed by another meanwhile.*is in .*out-2. Keep"):
        with claimed_folder(out, force=force, own=("x",)):
            meanwhile(out)
            theirs = folder_listing(tmp_path)
            with whole_folder(out, force=force, own=("x",)) as folder:
                (folder / "x").write_text("ours")
    there = folder_listing(tmp_path)
    assert (tmp_path / "out-2" / "x").read_text() == "ours"
    assert {k: v for k, v in there.items() if not k.startswith("out-2")} == {
        k: v for k, v in theirs.items() if not k.startswith(".")
    }


def test_one_claims_a_name_and_the_other_is_told_whose_it_is(tmp_path):
    out = tmp_path / "results" / "out"
    code = f"from pumpleak.files.whole import whole_folder\nwith whole_folder({str(out)!r}): pass"

    def another():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    with claimed_folder(out):
        assert f"is being written by process {os.getpid()} on" in another().stderr
        assert not out.exists()
    assert list(tmp_path.iterdir()) == []  # of an unused claim nothing stays
    assert another().returncode == 0
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    file = tmp_path / "a.txt"

    def write(path):
        path.write_text("ours")
        file.write_text("theirs")

    with pytest.raises(InputError, match="exists already"):
        whole_file(file, write)
    assert file.read_text() == "theirs" and list(tmp_path.iterdir()) == [file]
    whole_file(file, lambda path: path.write_text("ours"), force=True)
    assert file.read_text() == "ours" and list(tmp_path.iterdir()) == [file]


def test_names_that_no_file_can_have_are_refused(tmp_path):
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(InputError), claimed_folder(tmp_path / name):
            pass
        with pytest.raises(InputError):
            whole_file(tmp_path / name, lambda path: path.write_text("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    file = tmp_path / "a.json"
    put_text(file, "µ\n")
    with pytest.raises(KeyboardInterrupt), scratch_file(file) as scratch:
        scratch.write_text("half")
        assert is_scratch(scratch.name) and not is_scratch(file.name)
        raise KeyboardInterrupt
    assert file.read_bytes() == "µ\n".encode() and list(tmp_path.iterdir()) == [file]
