"""What a request needs of memory and disk is compared with what there is."""

import math

import pytest

from pumpleak import InputError
from pumpleak.files import room
from pumpleak.files.room import check_disk, check_memory, free_disk, free_memory, size


def test_what_there_is(tmp_path):
    assert 1e6 < free_memory() < 1e16
    assert 0 <= free_disk(tmp_path / "not" / "yet") == pytest.approx(free_disk(tmp_path), rel=0.5)


@pytest.mark.parametrize("version", [0, 1])
def test_a_limit_of_a_control_group_counts(tmp_path, monkeypatch, version):
    limit, use, given_back = room._LIMITS[version]
    (tmp_path / limit).write_text("3000000000\n")
    (tmp_path / use).write_text("2500000000\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\n{given_back} 1500000000\n")
    assert room._of_the_group(tmp_path) == 2e9  # what the kernel keeps of files it gives back
    (tmp_path / limit).write_text("max\n")
    assert room._of_the_group(tmp_path) == room._of_the_group(tmp_path / "none") == math.inf
    monkeypatch.setattr(room, "_of_the_machine", lambda: 5e9)
    monkeypatch.setattr(room, "_groups", lambda: [tmp_path])
    assert free_memory() == 5e9


def test_what_does_not_fit_is_refused_with_what_would(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "free_memory", lambda: 1e9)
    how = {"mend": "Give --draws of at most {}"}
    check_memory("draws = {}", 1000, 1e6, **how)
    with pytest.raises(InputError) as refused:
        check_memory("draws = {}", 1001, 1e6, **how)
    assert str(refused.value) == (
        "draws = 1,001 would take 1 GB of memory, and 1 GB are free. Give --draws of at most 800."
    )
    check_memory("draws = {}", 800, 1e6, **how)
    with pytest.raises(InputError, match="no room for 1 of them: free some memory"):
        check_memory("draws = {}", 1, 1e6, beside=1e9, **how)
    with pytest.raises(InputError, match="no room for 900 of them"):
        check_memory("draws = {}", 1001, 1e6, least=900, **how)
    monkeypatch.setattr(room, "free_disk", lambda folder: 2e12)
    with pytest.raises(
        InputError, match=r"run: cells = 3,000,000 would take 3 TB of disk, and 2 TB are free"
    ):
        check_disk("run", "cells = {}", 3_000_000, 1e6, **how)


def test_where_nothing_is_known_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda: math.inf)
    check_memory("draws = {}", 10**12, 1e9, mend="Give at most {}")


def test_sizes_in_words():
    assert [size(x) for x in (1e3, 2.5e7, 1.5e10, 3e12, 4e15, 3.2e19)] == [
        "0.001 MB", "25 MB", "15 GB", "3 TB", "4 PB", "32,000 PB",
    ]  # fmt: skip
