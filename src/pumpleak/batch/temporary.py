"""The folder of a run that was given none."""

import io
import os
import shutil
import tarfile
import tempfile
import weakref
from pathlib import Path

from ..errors import InputError


class TemporaryRun:
    """A folder for a run, which goes when nothing refers to this object any more, or Python ends.

    It stands for its path (`os.fspath`), and is pickled and copied with all that is in it.
    """

    def __init__(self) -> None:
        try:
            around = tempfile.mkdtemp(prefix="pumpleak-")  # where nobody else may look
        except OSError as error:
            raise InputError(
                f"a batch without a folder needs a temporary one, which cannot be made: {error.strerror}",
                mend="Set TMPDIR to a folder that can be written to, or give out",
            ) from error
        self._run = os.path.join(around, "run")
        weakref.finalize(self, _remove, around, os.getpid())

    def __fspath__(self) -> str:
        return self._run

    def __reduce__(self):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.add(self._run, ".")
        return _unpacked, (content.getvalue(),)


def _unpacked(content: bytes) -> TemporaryRun:
    run = TemporaryRun()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(Path(run), filter="data")
    return run


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:  # a forked child has the object as well
        shutil.rmtree(folder, ignore_errors=True)
