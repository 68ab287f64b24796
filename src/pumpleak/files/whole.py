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
def _said(path: Path, other: str) -> Iterator[None]:
    """An error of the disk in words, the file named."""
    try:
        yield
    except OSError as error:
        why = f"cannot be written: {error.strerror or error}"
        raise InputError(why, mend=_mend(error, other), file=path) from error


@contextmanager
def _made_parents(path: Path) -> Iterator[None]:
    """The folders that `path` is to be in; those made for it go again where nothing came to be in them."""
    made = [p for p in path.parents if not p.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out`, to be filled and then renamed by `rename_folder`; without that it vanishes."""
    with _made_parents(out):
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def rename_folder(scratch: Path, out: Path, *, replace: bool) -> None:
    """Give a finished folder the name `out`, of which there is none or an empty one.

    Args:
        scratch: of `scratch_folder`.
        out: the name.
        replace: whatever has the name goes; it stays where the new folder cannot take its place.

    Raises:
        OSError: as `os.rename`; ``ENOTEMPTY`` or ``EEXIST`` where the name is taken.
    """
    scratch.chmod(0o755)
    if not replace:
        os.rename(scratch, out)  # in one step
        return
    old = scratch.with_name(f"{scratch.name}-old")
    os.rename(out, old)
    try:
        os.rename(scratch, out)
    except BaseException:
        os.rename(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)


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
    with _said(out, "another --out"), scratch_folder(out) as scratch:
        yield scratch
        rename_folder(scratch, out, replace=out.exists())


@contextmanager
def scratch_file(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its name when the block ends well, and vanishes when it does not."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def is_scratch(name: str) -> bool:
    """Whether a file is what `scratch_file` (or Zarr) leaves of a process that was killed."""
    return name.endswith(".partial") or (name.startswith(".") and name.endswith(".part"))


def put_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write a small file whole: with `sync` it is on the disk before it takes its name."""
    with scratch_file(path) as scratch, scratch.open("wb") as f:
        f.write(content)
        f.flush()
        if sync:
            os.fsync(f.fileno())


def put_text(path: Path, text: str, *, sync: bool = True) -> None:
    """`put_bytes` of a text."""
    put_bytes(path, text.encode(), sync=sync)


def whole_file(path: str | Path, write: Callable[[Path], None], *, force: bool = False) -> Path:
    """Have `write` fill a scratch file that then takes the name `path`; nothing is left of a failure.

    Raises:
        InputError: the file exists and `force` is False, or it cannot be written.
    """
    path = Path(path)
    if path.exists() and not force:
        raise InputError("exists already", mend="Give --force to replace it, or another name", file=path)
    with _said(path, "another name"), _made_parents(path), scratch_file(path) as scratch:
        write(scratch)
    return path
