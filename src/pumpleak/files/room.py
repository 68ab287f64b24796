"""Memory and disk that a request will need, against what there is: said in a line before the work, not after it."""

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError

_SAFE = 0.8  # of what is free, that a proposal takes
_UNITS = ((15, "PB"), (12, "TB"), (9, "GB"), (6, "MB"))
_GROUPS = Path("/sys/fs/cgroup")
#: Limit, use, and what of the use is given back when asked for, of a control group: version 2, and version 1.
_LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory() -> float:
    """Bytes that this process may still take: of the machine, swap included, and of its control group; inf where none says."""
    return max(0.0, min(_of_the_machine(), *map(_of_the_group, _groups())))


def free_disk(folder: str | Path) -> float:
    """Bytes that are free where a folder is, or is to be; inf where nothing says."""
    folder = Path(folder).absolute()
    try:
        return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.is_dir())).free
    except (OSError, ValueError, StopIteration):
        return math.inf


def check_memory(asked: str, count: int, each: float, **how: Any) -> None:
    """Refuse a request that memory has no room for.

    Args:
        asked: what is asked for, with `{}` for how many: ``draws = {}``.
        count: how many are asked for.
        each: bytes that one takes: at least; what is near the limit may still not fit.
        **how: as `_check` takes it.

    Raises:
        InputError: says what it would take, what there is, and how many there is room for.
    """
    _check(asked, count, each, free_memory(), "memory", **how)


def check_disk(folder: str | Path, asked: str, count: int, each: float, **how: Any) -> None:
    """`check_memory`, of the disk that a folder is on."""
    _check(asked, count, each, free_disk(folder), "disk", file=folder, **how)


def _rounded_down(x: float) -> int:
    """To two digits, so that it is still no more."""
    step = 10 ** max(0, math.floor(math.log10(max(x, 1))) - 1)
    return int(x // step) * step


def _check(
    asked: str,
    count: int,
    each: float,
    free: float,
    of: str,
    *,
    mend: str,
    beside: float = 0.0,
    least: int = 1,
    rounded: Callable[[float], int] = _rounded_down,
    file: object = None,
) -> None:
    """As `check_memory`, with what is free, and of what.

    Args:
        mend: what to do about it, with `{}` for how many there is room for.
        beside: bytes that are needed in any case.
        least: the fewest that can be asked for.
        rounded: a number that can be asked for, at most the one given.
    """
    needed = beside + count * each
    if needed <= free:
        return
    room = (_SAFE * free - beside) / each if each else 0.0
    raise InputError(
        f"{asked.replace('{}', f'{count:,}')} would take {size(needed)} of {of}, and {size(free)} are free",
        mend=mend.replace("{}", str(rounded(room)))
        if room >= least
        else f"There is no room for {least} of them: free some {of}, or use another machine",
        file=file,
    )


def size(n: float) -> str:
    """Bytes as people say them.

    Examples:
        >>> size(1.5e10), size(2.5e7)
        ('15 GB', '25 MB')
    """
    power, unit = next((x for x in _UNITS if n >= 10 ** x[0]), _UNITS[-1])
    x = n / 10**power
    return f"{x:,.0f} {unit}" if x >= 10 else f"{x:.2g} {unit}"


def _of_the_machine() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kB = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return 1024.0 * (kB["MemAvailable"] + kB.get("SwapFree", 0))
    except (OSError, ValueError, KeyError, IndexError):
        return _all_of_it()


def _all_of_it() -> float:
    """The machine's whole memory, where it does not say what is free of it."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def _groups() -> list[Path]:
    """The folders of the control groups that this process is in, and those around them, as far as they can be seen."""
    found = [_GROUPS, _GROUPS / "memory"]
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            own = _GROUPS / kinds / path.lstrip("/")
            found += [own, *(around for around in own.parents if around.is_relative_to(_GROUPS))]
    return found


def _of_the_group(folder: Path) -> float:
    """What the limit of a group leaves; inf where it has none."""
    for limit, use, given_back in _LIMITS:
        try:
            most = float((folder / limit).read_text())  # "max": none
            used = float((folder / use).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
            again = next((float(x.split()[1]) for x in lines if x.startswith(f"{given_back} ")), 0.0)
        except (OSError, ValueError, IndexError):
            continue
        return most - used + again
    return math.inf
