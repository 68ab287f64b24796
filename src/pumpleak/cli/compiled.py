"""Compiled programs, kept between runs of the command line: the second run on a problem's shape starts at once."""

import hashlib
import os
import platform
from pathlib import Path

_MOST = 2 * 2**30  # bytes; what was used longest ago goes first
_WORTH = 0.3  # seconds of compiling from which a program is kept


def keep_programs() -> None:
    """Tell JAX, before it is imported, to keep what it compiles in the user's cache folder.

    A folder for each kind of processor: machines of a cluster may share a home. What the environment says already
    stands (``JAX_COMPILATION_CACHE_DIR``, or ``JAX_ENABLE_COMPILATION_CACHE=false`` for none).
    """
    from platformdirs import user_cache_path

    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = user_cache_path("pumpleak") / f"programs-{_processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MOST))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(_WORTH))


def _processor() -> str:
    """A short name of what this machine's processor can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about = sorted({x for x in lines if x.startswith(("model name", "flags", "Features", "CPU part"))})
    except OSError:
        about = [platform.machine(), platform.processor()]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:12]
