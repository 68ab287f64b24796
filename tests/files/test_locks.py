"""A lock is held by one, says by whom, and ends with its holder."""

import os

import pytest

from pumpleak import InputError
from pumpleak.files.locks import Lock, holding


def test_one_holds_it_and_says_who(tmp_path):
    first, second = Lock(tmp_path / "run.lock"), Lock(tmp_path / "run.lock")
    assert second.holder() == "another process"  # nobody has written down who
    assert first.take() and not second.take()
    assert f"process {os.getpid()} on" in second.holder()
    first.release()
    assert second.take() and not first.take()
    second.release()


def test_a_block_holds_it(tmp_path):
    other = Lock(tmp_path / "gate.lock")
    with holding(tmp_path / "gate.lock"):
        assert not other.take()
    assert other.take()
    other.release()


def test_no_link_is_followed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "run.lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(InputError, match="run.lock: is a symbolic link"):
        Lock(tmp_path / "run.lock").take()
    assert (tmp_path / "mine.txt").read_text() == "mine"
