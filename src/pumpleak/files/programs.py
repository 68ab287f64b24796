"""Compiled programs, kept between runs of the command line: the second run on a problem's shape starts at once.

JAX believes whatever stands under a program's name: a file that took another's place would compute something else. Each
is therefore kept with a checksum of its name and content, and what does not match is removed and compiled again.
"""

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ..traced import keep

_MOST = 2 * 2**30  # bytes; what was used longest ago goes first
_WORTH = 0.3  # seconds of compiling from which a program is kept
_OURS = "PUMPLEAK_PROGRAMS"  # in the environment: the folder whose files have checksums
_STORE = "jax._src.lru_cache"  # how JAX reads and writes its files
_MARK = 32  # bytes
_MOST_TRACED = 1000  # programs, of some hundred kilobytes each


def keep_programs() -> None:
    """Tell JAX, before it is imported, to keep what it compiles in the user's cache folder.

    A folder for each kind of processor: machines of a cluster may share a home. What the environment says already
    stands (``JAX_COMPILATION_CACHE_DIR``, whose files other programs may share and have no checksums; or
    ``JAX_ENABLE_COMPILATION_CACHE=false`` for none).
    """
    from platformdirs import user_cache_path

    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        check_programs()  # of the process that started this one
        return
    folder = user_cache_path("pumpleak") / f"programs-{_processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ[_OURS] = str(folder)
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MOST))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(_WORTH))
    check_programs()
    if os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "").lower() in ("0", "n", "no", "f", "false", "off"):
        return
    # Equinox would call back into Python, which no kept program can; what it finds becomes NaN, which is looked for.
    os.environ.setdefault("EQX_ON_ERROR", "nan")
    keep(TracedFolder(folder / "traced"))


class TracedFolder:
    """Traced programs on disk, each with a checksum of its name and content; those not used for longest go first."""

    def __init__(self, folder: Path):
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            found = path.read_bytes()
        except OSError:
            return None
        content, mark = found[:-_MARK], found[-_MARK:]
        if mark != _mark(name, content):
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def put(self, name: str, content: bytes) -> None:
        with suppress(OSError):  # a full disk is no reason to stop: it is traced again
            self._folder.mkdir(parents=True, exist_ok=True)
            scratch = self._folder / f"{name}.{os.getpid()}"
            scratch.write_bytes(content + _mark(name, content))
            scratch.replace(self._folder / name)
            files = sorted(((f.stat().st_mtime, f) for f in self._folder.iterdir()), reverse=True)
            for _, old in files[_MOST_TRACED:]:
                old.unlink(missing_ok=True)


def check_programs() -> None:
    """Have this process check the programs that it reads from the folder of `keep_programs`, if it does read there."""
    ours = os.environ.get(_OURS)
    if ours is None or ours != os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    if _STORE in sys.modules:
        _seal(sys.modules[_STORE])
    elif not any(isinstance(finder, _OnImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OnImport())


class _OnImport(importlib.abc.MetaPathFinder):
    """Waits for JAX to be imported, which not every command does."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != _STORE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            run = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _seal(module)

            loader.exec_module = exec_module
        return spec


def _seal(module: ModuleType) -> None:
    """Have JAX's store of files write each with its checksum, and return none without."""
    store: Any = getattr(module, "LRUCache", None)
    if store is None or not {"get", "put"} <= set(vars(store)) or hasattr(store, "pumpleak"):
        return
    get, put, suffix = store.get, store.put, getattr(module, "_CACHE_SUFFIX", "-cache")

    def checked(self: Any, key: str) -> bytes | None:
        try:
            found = get(self, key)
        except OSError:
            return None
        if found is None:
            return None
        value, mark = found[:-_MARK], found[-_MARK:]
        if mark == _mark(key, value):
            return value
        with suppress(OSError):
            (Path(str(self.path)) / f"{key}{suffix}").unlink()
        return None

    def marked(self: Any, key: str, value: bytes) -> None:
        put(self, key, value + _mark(key, value))

    store.get, store.put, store.pumpleak = checked, marked, True


def _mark(key: str, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_MARK, key=hashlib.blake2b(key.encode()).digest()).digest()


def _processor() -> str:
    """A short name of what this machine's processor can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about = sorted({x for x in lines if x.startswith(("model name", "flags", "Features", "CPU part"))})
    except OSError:
        about = [platform.machine(), platform.processor()]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:12]
