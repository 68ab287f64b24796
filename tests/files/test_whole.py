"""Files and folders take their name whole or not at all, and nothing is left of a failure."""

import errno
import os

import pytest

from pumpleak import InputError
from pumpleak.files.whole import (
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
            (out / "x").write_text("old") if force else None
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
        rename_folder(scratch, tmp_path / "empty", replace=False)
    assert (tmp_path / "empty" / "y").is_file()
    with scratch_folder(tmp_path / "full") as scratch, pytest.raises(OSError):
        rename_folder(scratch, tmp_path / "full", replace=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    file = tmp_path / "a.json"
    put_text(file, "µ\n")
    with pytest.raises(KeyboardInterrupt), scratch_file(file) as scratch:
        scratch.write_text("half")
        assert is_scratch(scratch.name) and not is_scratch(file.name)
        raise KeyboardInterrupt
    assert file.read_bytes() == "µ\n".encode() and list(tmp_path.iterdir()) == [file]
