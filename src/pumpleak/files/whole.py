"""Files written whole or not at all, and nobody else's replaced."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError
from .locks import Lock

#: What a result's folder holds; a folder with anything else in it is not ours to replace.
OWN = ("posterior.nc", "summary.csv", "data.csv", "config.yaml", "report.html")


#: What this process has written, in order; whoever is stopped is told of it.
_WRITTEN: dict[Path, None] = {}


def note_written(path: Path) -> None:
    """Note that a file or folder has got its name, and stays whatever happens next."""
    _WRITTEN[path] = None


def forget_written() -> None:
    """Begin to note anew, as a command does."""
    _WRITTEN.clear()


def written() -> list[Path]:
    """What was written since, by its names."""
    return list(_WRITTEN)


def refuse_folder(out: Path, force: bool, own: Collection[str] = OWN) -> None:
    """Raise unless `out` can be made, or is an earlier result (or empty) and `force` allows to replace it.

    Raises:
        InputError: it is taken, says by what; or it is in no folder that may be written to.
    """
    if not out.exists():
        above = next((p for p in out.parents if p.exists()), Path("/"))
        try:
            with tempfile.TemporaryDirectory(dir=above):
                return
        except OSError as error:
            why = f"cannot be written: {in_the_way(out) or f'{above} may not be written to'}"
            raise InputError(why, mend=_mend(error, "another --out"), file=out) from None
    if not out.is_dir():
        raise InputError("is a file, not a folder", mend="Give another --out", file=out)
    foreign = sorted(p.name for p in out.iterdir() if p.name not in own)
    if foreign:
        raise InputError(
            f"holds {foreign[0]}, which is not of a result, and is not replaced",
            mend="Move it away, or give another --out",
            file=out,
        )
    if not force:
        raise InputError("exists already", mend="Give --force to replace it, or another --out", file=out)


def in_the_way(path: Path) -> str:
    """What stands where a folder is needed for `path` to be in, in words; empty: nothing."""
    above = next((p for p in path.parents if p.exists()), None)
    return f"{above} is a file, not a folder" if above is not None and not above.is_dir() else ""


def _mend(error: OSError, other: str) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{'Free some space or give' if full else 'Give'} {other}"


@contextmanager
def _said(path: Path, other: str) -> Iterator[None]:
    """An error of the disk in words, the file named."""
    if "\0" in str(path):
        raise InputError("cannot be written: no name holds a NUL", mend=f"Give {other}", file=path)
    try:
        yield
    except OSError as error:
        why = f"cannot be written: {in_the_way(path) or error.strerror or error}"
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


def state_of(folder: Path) -> Any:
    """What stands under a name, to tell later whether it is still the same; None: nothing, or an empty folder."""

    def mark(p: Path) -> tuple:
        s = p.lstat()
        return (p.name, s.st_ino, *(() if p.is_dir() else (s.st_size, s.st_mtime_ns)))

    try:
        return sorted(map(mark, folder.iterdir())) or None
    except FileNotFoundError:
        return None


def rename_folder(scratch: Path, out: Path, *, seen: Any) -> None:
    """Give a finished folder the name `out`, under which nothing has changed since it was looked at.

    Args:
        scratch: of `scratch_folder`.
        out: the name.
        seen: what `state_of` said of it then, which goes; it stays where the new folder cannot take its place.

    Raises:
        OSError: as `os.rename`; ``ENOTEMPTY`` or ``EEXIST`` where something else has the name by now.
    """
    scratch.chmod(0o755)
    if seen is None:
        os.rename(scratch, out)  # in one step
        return
    old = scratch.with_name(f"{scratch.name}-old")
    os.rename(out, old)
    try:
        if state_of(old) != seen:  # looked at where nobody else finds it any more
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        os.rename(scratch, out)
    except BaseException:
        os.rename(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)


#: What stood under a name when this process claimed it, by the name.
_CLAIMED: dict[Path, Any] = {}


@contextmanager
def claimed_folder(out: str | Path, *, force: bool = False, own: Collection[str] = OWN) -> Iterator[None]:
    """Keep the name `out` for a folder that `whole_folder` is to make, however long that takes.

    Args:
        out: the folder.
        force: replace an earlier one.
        own: names of what an earlier one may hold.

    Raises:
        InputError: as `refuse_folder`; another process is at it.
    """
    out = Path(out)
    with ExitStack() as held:
        with _said(out, "another --out"):
            refuse_folder(out, force, own)
            place = out.resolve()
            held.enter_context(_made_parents(place))
            held.enter_context(_own_lock(place, out))
            refuse_folder(out, force, own)  # who had it before may have made it
            _CLAIMED[place] = state_of(out)
        held.callback(_CLAIMED.pop, place)
        yield


@contextmanager
def _own_lock(place: Path, out: Path) -> Iterator[None]:
    """Hold the lock of a name, a file beside it; `out`: as it was given.

    Raises:
        InputError: another process has it.
    """
    lock = Lock(place.with_name(f".{place.name}.lock"))
    while True:
        if not lock.take():
            raise InputError(
                f"is being written by {lock.holder()}", mend="Wait for it, or give another --out", file=out
            )
        if lock.is_of_its_file():
            break
        lock.release()  # its holder has just gone, and the file with it
    try:
        yield
    finally:
        with suppress(OSError):
            lock.path.unlink()
        lock.release()


@contextmanager
def whole_folder(out: str | Path, *, force: bool = False, own: Collection[str] = OWN) -> Iterator[Path]:
    """A scratch folder that takes the name `out` when the block ends well, and vanishes when it does not.

    Args:
        out: the folder.
        force: replace an earlier one.
        own: names of what an earlier one may hold.

    Raises:
        InputError: `out` exists and `force` is False, or it cannot be written; or something else took the name, or
            changed what is there, since the folder was claimed: then the new one is kept beside it.
    """
    out = Path(out)
    place = out.resolve()
    with nullcontext() if place in _CLAIMED else claimed_folder(out, force=force, own=own):
        with _said(out, "another --out"), scratch_folder(place) as scratch:
            yield scratch
            try:
                rename_folder(scratch, place, seen=_CLAIMED[place])
                note_written(out)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.ENOENT):
                    raise
                beside = out.with_name(_kept_beside(scratch, place).name)
                raise InputError(
                    f"was made or changed by another meanwhile, and is not replaced: what was made here is in {beside}",
                    mend="Keep the one you want",
                    file=out,
                ) from None


def _kept_beside(scratch: Path, place: Path) -> Path:
    """A finished folder under the next free name beside the one that is taken."""
    k = 2
    while True:
        beside = place.with_name(f"{place.name}-{k}")
        try:
            if not os.path.lexists(beside):
                os.rename(scratch, beside)
                return beside
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        k += 1


class Taken(FileExistsError):
    """A file has the name that another was to get."""


@contextmanager
def scratch_file(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """A file beside `path` that takes its name when the block ends well, and vanishes when it does not.

    Raises:
        Taken: so is the name by then, and it is not to `replace` what has it.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    # Made here and nowhere else: where a link or another's file has the name, this fails.
    os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield scratch
        if replace or not _linked(scratch, path):
            os.replace(scratch, path)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def _linked(scratch: Path, path: Path) -> bool:
    """Whether `path` became the file's name, which only a free one does; False: there are no links here, and it is free."""
    try:
        os.link(scratch, path)
        return True
    except FileExistsError:
        raise Taken(errno.EEXIST, os.strerror(errno.EEXIST)) from None
    except OSError:
        if os.path.lexists(path):
            raise Taken(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        return False


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
    with _said(path, "another name"):
        check_taken(path, force)
        try:
            with _made_parents(path), scratch_file(path, replace=force) as scratch:
                write(scratch)
            note_written(path)
        except Taken:
            raise _taken(path) from None
    return path


def check_taken(path: Path, force: bool) -> None:
    """Refuse the name of a file that is there and not to be replaced (`force`), or of a folder.

    Raises:
        InputError: says which.
    """
    if path.is_dir():
        raise InputError("is a folder, not a file", mend="Give another name", file=path)
    if path.exists() and not force:
        raise _taken(path)


def _taken(path: Path) -> InputError:
    return InputError("exists already", mend="Give --force to replace it, or another name", file=path)
