"""A folder is a batch run, nothing yet, or something else, of which the first thing found is named."""

import pytest

from pumpleak import InputError
from pumpleak.batch.manifest import is_run


@pytest.mark.parametrize(
    ("names", "force", "found"),
    [
        ([], False, False),
        (["manifest.json", "run.lock", "chunks"], True, True),
        (["manifest.json", "notes.txt"], False, True),
        (["b.txt", "a.txt", "c.txt"], False, "holds a.txt and no batch run, and is not replaced"),
        (["a.txt", "chunks"], True, "holds a.txt and no batch run, and is not replaced"),
        (["chunks", "cells.parquet"], False, "holds cells.parquet and no batch run, and is not replaced"),
        (
            ["manifest.json", "b.txt", "a.txt"],
            True,
            "holds a.txt, which is not of a batch run, and is not replaced",
        ),
    ],
)
def test_a_folder_is_a_run_or_says_what_it_holds(tmp_path, names, force, found):
    for name in names:
        (tmp_path / name).touch()
    if isinstance(found, bool):
        assert is_run(tmp_path, force) is found
    else:
        with pytest.raises(InputError) as error:
            is_run(tmp_path, force)
        assert found in str(error.value) and "Move it away, or give another --out" in str(error.value)


def test_what_is_not_there_is_no_run_and_a_file_is_refused(tmp_path):
    assert is_run(tmp_path / "none", False) is False
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, not a folder"):
        is_run(tmp_path / "file", True)
