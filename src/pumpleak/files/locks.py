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


class Lock:
    """An advisory lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path):
        self.path, self.fd = path, -1

    def take(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Whether it was got; an exclusive holder writes down who it is."""
        try:
            import fcntl
        except ImportError:
            raise InputError("batch runs need the file locks of Linux or macOS", file=self.path) from None

        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP):
                os.close(fd)
                raise
            import warnings

            warnings.warn(
                f"{self.path.parent}: this file system has no locks ({error.strerror}); see to it that no"
                " second run writes here.",
                InputWarning,
                stacklevel=2,
            )
        except BaseException:
            os.close(fd)
            raise
        self.fd = fd
        if not shared:
            now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            who = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
            with suppress(OSError):  # a full disk locks as well
                os.ftruncate(fd, 0)
                os.pwrite(fd, who.encode(), 0)
        return True

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
