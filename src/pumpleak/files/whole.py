"""Files written whole or not at all, and nobody else's replaced."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError

#: What a result's folder holds; a folder with anything else in it is not ours to replace.
OWN = ("posterior.nc", "summary.csv", "data.csv", "config.yaml", "report.html")


def refuse_folder(out: Path, force: bool, own: Collection[str] = OWN) -> None:
    """Raise unless `out` can be made, or is an earlier result (or empty) and `force` allows to replace it.

    Raises:
        InputError: it is taken, says by what; or it is in no folder that may be written to.
    """
    if not out.exists():
        above = next((p for p in out.absolute().parents if p.exists()), Path("/"))
        try:
            with tempfile.TemporaryDirectory(dir=above):
                return
        except OSError:
            why = "may not be written to" if above.is_dir() else "is a file, not a folder"
            raise InputError(
                f"cannot be written: {above} {why}", mend="Give another --out", file=out
            ) from None
    if not out.is_dir():
        raise InputError("is a file, not a folder", mend="Give another --out", file=out)
    if not force:
        raise InputError("exists already", mend="Give --force to replace it, or another --out", file=out)
    foreign = sorted(p.name for p in out.iterdir() if p.name not in own)
    if foreign:
        raise InputError(
            f"holds {foreign[0]}, which is not of a result, and is not replaced",
            mend="Move it away, or give another --out",
            file=out,
        )


def _mend(error: OSError, other: str) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{'Free some space or give' if full else 'Give'} {other}"


@contextmanager
def whole_folder(out: str | Path, *, force: bool = False, own: Collection[str] = OWN) -> Iterator[Path]:
    """A scratch folder that takes the name `out` when the block ends well, and vanishes when it does not.

    Args:
        out: the folder.
        force: replace an earlier one.
        own: names of what an earlier one may hold.

    Raises:
        InputError: `out` exists and `force` is False, or it cannot be written.
    """
    out = Path(out)
    refuse_folder(out, force, own)
    scratch, made = None, absent_parents(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        yield scratch
        scratch.chmod(0o755)
        if out.exists():
            old = scratch.with_name(f"{scratch.name}-old")
            os.replace(out, old)
            try:
                os.replace(scratch, out)
            except BaseException:
                os.replace(old, out)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(scratch, out)
        made = []
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            mend=_mend(error, "another --out"),
            file=out,
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        remove_empty(made)


def absent_parents(path: Path) -> list[Path]:
    """The folders that must be made before `path` can be, innermost first."""
    return [p for p in path.parents if not p.exists()]


def remove_empty(folders: list[Path]) -> None:
    """Remove these folders as far as they are there and empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def whole_file(path: str | Path, write: Callable[[Path], None], *, force: bool = False) -> Path:
    """Have `write` fill a scratch file that then takes the name `path`; nothing is left of a failure.

    Raises:
        InputError: the file exists and `force` is False, or it cannot be written.
    """
    path = Path(path)
    if path.exists() and not force:
        raise InputError("exists already", mend="Give --force to replace it, or another name", file=path)
    scratch, made = path.with_name(f".{path.name}.{os.getpid()}.part"), absent_parents(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(scratch)
        os.replace(scratch, path)
        made = []
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            mend=_mend(error, "another name"),
            file=path,
        ) from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        remove_empty(made)
    return path
