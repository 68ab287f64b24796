"""Files that are files: a device never ends, and a pipe may wait for ever."""

import stat
from pathlib import Path

from ..errors import InputError


def check_regular(path: Path, file: object) -> None:
    """Refuse to read what is there and is no file; what is not there is left to who opens it.

    Raises:
        InputError: it is a folder, a device, a pipe or a socket.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        what = kinds.get(stat.S_IFMT(mode), "a device")
        raise InputError(
            f"is {what}, not a file", mend="Give a file, e.g. save what a pipe brings into one", file=file
        )
