"""What stands at a path that was to be something else: which thing it is, and the way that works for it."""

import os
import re
import shlex
import stat
from pathlib import Path

from ..errors import InputError

#: Things by what a folder has, and by how a file's name ends.
_FOLDERS = {"manifest.json": "run", "posterior.zarr": "run", "posterior.nc": "result", "study.json": "study"}
_SUFFIXES = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".parquet", ".pq"), "table"),
    **dict.fromkeys((".yaml", ".yml"), "config"),
    **dict.fromkeys((".html", ".htm"), "page"),
    ".nc": "posterior",
    ".py": "plugin",
}
_SPECIAL = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
_SPOKEN = {
    "run": "the folder of a batch run",
    "result": "the folder of a result of infer",
    "study": "the folder of a study",
    "folder": "a folder",
    "table": "a table",
    "config": "a config",
    "cell": "a cell's file",
    "page": "a page",
    "posterior": "a result of infer",
    "plugin": "a Python file",
    "pipe": "a pipe",
    "socket": "a socket",
    "device": "a device",
}
#: What is wanted: how it is called, what does as well, how such a file is named, and where to find one otherwise.
_WANTED = {
    "config": ("a config", ("cell",), "*.y*ml", "Give a YAML config; `pumpleak init TABLE` writes one"),
    "cell": ("a cell's file", ("config",), "*.y*ml", "Give a file with `cell:` and `bath:`, or a --preset"),
    "table": ("a table", (), "*.[ctpx]*", "Give a table: CSV, TSV, Parquet or XLSX"),
    "result": ("a result of infer", ("result", "posterior"), "*/posterior.nc", "Give a folder that `pumpleak infer` wrote"),
    "run": ("the folder of a batch run", ("run",), "*/manifest.json", "Give a folder that `pumpleak batch` wrote"),
    "study": ("the folder of a study", ("study",), "*/study.json", "Give a folder that identify, calibrate, compare, design or sensitivity wrote with --out"),
    "plugin": ("a Python file", (), "*.py", "Give the Python file that registers the model"),
}  # fmt: skip
#: (what is there, what is wanted) -> the way that works; `{}` is the path, `{/}` the folder that it is in.
_WAYS = {
    ("run", "config"): "Give the config that it ran: {}/config.yaml",
    ("result", "config"): "Give the config that it was made of: {}/config.yaml",
    ("study", "config"): "Give the config that it is a study of",
    ("table", "config"): "Have a config written for it: pumpleak init {}",
    ("posterior", "config"): "Give the config that it was made of: {/}/config.yaml",
    ("table", "cell"): "Give a file with `cell:` and `bath:`, or a --preset; to infer from this table, see pumpleak init {}",
    ("run", "table"): "Give the table that it ran, or for what it found {}/cells.parquet",
    ("result", "table"): "Give its table: {}/data.csv",
    ("config", "table"): "To look at what it says and reads: pumpleak check {}",
    ("cell", "table"): "To find where it rests: pumpleak steady-state {}",
    ("run", "result"): "Each of its cells has a posterior by itself, in {}/cells.parquet and posterior.zarr; for one of all cells"
    " together infer the table with `by: cell` at what differs, and give that result",
    ("study", "result"): "Its page is {}/report.html; in the page of a result it is a section by"
    " `pumpleak report RESULT --study {}`",
    ("config", "result"): "Infer first, pumpleak infer {}, and give the folder that it writes",
    ("cell", "result"): "To find where it rests: pumpleak steady-state {}",
    ("table", "result"): "Have a config written for it, pumpleak init {}; pumpleak infer then writes a result",
    ("study", "run"): "Give the config that it is a study of, or a folder that `pumpleak batch` wrote",
    ("result", "run"): "Its page: pumpleak report {}; the config that it was made of: {}/config.yaml",
}  # fmt: skip


def thing_at(path: str | Path) -> str:
    """What stands there: a key of `_SPOKEN`; empty: nothing, or a file of no kind that is known by its name."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    if not stat.S_ISREG(mode):
        there = next((kind for name, kind in _FOLDERS.items() if os.path.exists(path / name)), None)
        return there or _SPECIAL.get(stat.S_IFMT(mode), "device")
    kind = _SUFFIXES.get(path.suffix.lower(), "")
    return "cell" if kind == "config" and _of_a_cell(path) else kind


def check_thing(path: str | Path, wanted: str, file: object = None) -> None:
    """Refuse what is another thing than the one wanted; what is not there, or may be it, is left to who opens it.

    Args:
        path: where it should be.
        wanted: a key of `_WANTED`.
        file: what it is called in the message; the path by default.

    Raises:
        InputError: says what it is, and the way that works.
    """
    path, found = Path(path), thing_at(path)
    called, others, _, _ = _WANTED[wanted]
    if found in ("", wanted, *others):
        return
    raise InputError(f"is {_SPOKEN[found]}, not {called}", mend=_way(path, found, wanted), file=file or path)


def _way(path: Path, found: str, wanted: str) -> str:
    if found in ("pipe", "socket", "device"):
        return "Save what it brings into a file, and give that"
    if thing_at(path.parent) == wanted:
        return f"Give the folder that it is in: {shlex.quote(str(path.parent))}"
    said = _WAYS.get((found, wanted))
    if said is not None:
        return said.replace("{/}", shlex.quote(str(path.parent))).replace("{}", shlex.quote(str(path)))
    _, _, pattern, otherwise = _WANTED[wanted]
    around = path if found == "folder" else path.parent if wanted in _FOLDERS.values() else None
    inside = [] if around is None else sorted(around.glob(pattern))[:20]
    one = next((p for p in inside if thing_at(p) == wanted or p.name in _FOLDERS), None)
    if one is None:
        return otherwise
    return f"{otherwise}, e.g. {one.parent if one.name in _FOLDERS else one}"


def _of_a_cell(path: Path) -> bool:
    """Whether a YAML file describes a cell in its bath, by the keys at its margin."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            keys = set(re.findall(r"^(\w+):", stream.read(100_000), re.MULTILINE))
    except OSError:
        return False
    return "data" not in keys and bool(keys & {"bath", "preset"})
