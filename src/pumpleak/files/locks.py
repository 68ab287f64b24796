"""Locks that end with their process."""

import datetime
import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, InputWarning

#: What a file system without locks answers.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


def open_own(path: Path, flags: int) -> int:
    """Open a file that is written to under a name that others can foresee; no symbolic link is followed.

    Raises:
        InputError: it is one.
    """
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise InputError(
            "is a symbolic link, and none is followed where something is written",
            mend="Remove it",
            file=path,
        ) from None


class Lock:
    """An advisory lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path):
        self.path, self.fd = path, -1

    def take(self, *, wait: bool = False) -> bool:
        """Whether it was got; the holder writes down who it is. Where there are no locks, it is got with a warning.

        Raises:
            InputError: the file is a symbolic link: what it points to would be overwritten.
        """
        fd = open_own(self.path, os.O_RDWR | os.O_CREAT)
        try:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return False
        except (ImportError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                os.close(fd)
                raise
            import warnings

            why = error.strerror if isinstance(error, OSError) else "Linux and macOS have them"
            warnings.warn(
                f"{self.path.parent}: there are no locks here ({why}); see to it that no second run writes here.",
                InputWarning,
                stacklevel=2,
            )
        except BaseException:
            os.close(fd)
            raise
        self.fd = fd
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        who = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
        with suppress(OSError):  # a full disk locks as well
            os.ftruncate(fd, 0)
            os.write(fd, who.encode())
        return True

    def is_of_its_file(self) -> bool:
        """Whether the file that is locked still has its name: the holder before may have removed it."""
        try:
            here, there = os.fstat(self.fd), self.path.lstat()
        except OSError:
            return False
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def holder(self) -> str:
        """Who holds it, by what it wrote down."""
        try:
            who = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {who['pid']} on {who['host']} since {who['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


@contextmanager
def holding(path: Path) -> Iterator[None]:
    lock = Lock(path)
    lock.take(wait=True)
    try:
        yield
    finally:
        lock.release()
