"""Who may write a run's folder, and which shard of it; a whole run is shard 1 of 1."""

import errno
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..files.locks import Lock, holding
from ..files.whole import note_written, rename_folder, scratch_folder, state_of
from .manifest import is_run
from .store import storing

Shard = tuple[int, int]
WHOLE: Shard = (1, 1)


def check_shard(shard: Shard) -> None:
    if not 1 <= shard[0] <= shard[1]:
        raise InputError(
            f"there is no shard {shard[0]} of {shard[1]}", mend="Count shards from 1, as in 3/16"
        )


def gate(out: Path) -> Path:
    """The file to lock while claiming a shard, or changing what belongs to none."""
    return out / "chunks" / "gate.lock"


def live_shards(out: Path) -> dict[Shard, Lock]:
    """The shards at work and their locks; call behind the gate, since looking takes each for a moment."""
    live = {}
    for path in sorted((out / "chunks").glob("shard-*-of-*.lock")):
        lock = Lock(path)
        if lock.take():
            lock.release()
        else:
            _, i, _, n = path.stem.split("-")
            live[int(i), int(n)] = lock
    return live


def claim(out: Path, shard: Shard) -> Lock:
    """The lock of a shard; call behind the gate.

    Raises:
        InputError: another process has it, or has a shard of another number of shards.
    """
    for (i, n), lock in live_shards(out).items():
        if (i, n) == shard or n != shard[1]:
            as_part = f", as shard {i} of {n}" if n > 1 else ""
            raise InputError(
                f"is being written by {lock.holder()}{as_part}",
                mend="Wait for it, stop it, or give another --out",
                file=out,
            )
    lock = Lock(out / "chunks" / f"shard-{shard[0]}-of-{shard[1]}.lock")
    lock.take()
    return lock


def install_run(out: Path, fill: Callable[[Path], object], *, force: bool = False) -> bool:
    """Put a run's folder at `out`, whole or not at all; False where there is one already, which stays.

    Args:
        out: absent or empty, or with `force` an earlier run.
        fill: called with a scratch folder, which then takes its place.
        force: replace an earlier run.
    """
    there, final, lock, seen = is_run(out, force), out.resolve(), None, None
    if there and not force:
        return False
    try:
        with storing(out, begun=False), scratch_folder(final) as scratch:
            fill(scratch)
            if there:
                (out / "chunks").mkdir(exist_ok=True)
                with holding(gate(out)):
                    lock = claim(out, WHOLE)
                is_run(out, force)  # still nothing else
                seen = state_of(final)
            try:
                rename_folder(scratch, final, seen=seen)
                note_written(out)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and is_run(out, force=False):
                    return False  # another process was first
                raise
    finally:
        if lock is not None:
            lock.release()
    return True
