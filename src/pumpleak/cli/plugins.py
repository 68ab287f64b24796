"""Plugins: Python files of a user's own that register models; they are executed."""

import os
import runpy
import traceback
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from ..files.things import check_thing
from ..traced import keep


def run_plugins(paths: Iterable[Path] | None) -> None:
    """Execute each file.

    Raises:
        InputError: it is not there, or fails; names the line.
    """
    if paths:
        keep(None)  # what a plugin registers may change what any program computes
    for path in paths or []:
        check_thing(path, "plugin")
        if not os.path.isfile(path):  # no error of a name that no file can have
            raise InputError("there is no such plugin", mend="Check the path", file=path)
        try:
            runpy.run_path(str(path))
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            frames = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
            line = error.lineno if isinstance(error, SyntaxError) else frames[-1] if frames else None
            raise InputError(
                f"fails with {type(error).__name__}: {str(error).rstrip('.')}",
                mend="Mend the plugin",
                file=f"{path}, line {line}" if line else path,
            ) from error
