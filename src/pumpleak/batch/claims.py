"""Who may write a run's folder, and which shard of it."""

import errno
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..files.locks import Lock, holding
from ..files.whole import rename_folder, scratch_folder
from .manifest import is_run
from .store import skeleton, storing


def live_shards(chunks: Path) -> list[Lock]:
    """The locks of shards at work; call behind the gate, since looking takes each for a moment."""
    live = []
    for path in sorted(chunks.glob("shard-*-of-*.lock")):
        lock = Lock(path)
        if lock.take(shared=True):
            lock.release()
        else:
            live.append(lock)
    return live


def _shard_lock(chunks: Path, shard: tuple[int, int]) -> Lock:
    return Lock(chunks / f"shard-{shard[0]}-of-{shard[1]}.lock")


def check_shard(shard: tuple[int, int] | None) -> None:
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise InputError(
            f"there is no shard {shard[0]} of {shard[1]}", mend="Count shards from 1, as in 3/16"
        )


def gate(out: Path) -> Path:
    return out / "chunks" / "gate.lock"


def take_locks(out: Path, shard: tuple[int, int] | None) -> list[Lock]:
    """The locks of a whole run or of a shard; call behind the gate.

    Raises:
        InputError: another process holds them.
    """
    chunks, whole = out / "chunks", Lock(out / "run.lock")

    def refuse(lock: Lock, what: str = "is being written") -> InputError:
        whole.release()
        return InputError(
            f"{what} by {lock.holder()}", mend="Wait for it, stop it, or give another --out", file=out
        )

    if shard is None:
        if not whole.take():
            live = live_shards(chunks)
            raise refuse(live[0], f"is being written, {live[0].path.stem},") if live else refuse(whole)
        return [whole]
    if not whole.take(shared=True):
        raise refuse(whole)
    own = _shard_lock(chunks, shard)
    if not own.take():
        raise refuse(own, f"is being written, {own.path.stem},")
    other = [x for x in live_shards(chunks) if not x.path.stem.endswith(f"-of-{shard[1]}")]
    if other:
        own.release()
        raise refuse(other[0], f"is being written in another number of shards, {other[0].path.stem},")
    return [whole, own]


def install_run(
    out: Path, manifest: dict, *, force: bool = False, fill: Callable[[Path], object] | None = None
) -> bool:
    """Put a new run's folder at `out`, whole or not at all; False where there is one already, which stays.

    Args:
        out: absent or empty, or with `force` an earlier run.
        manifest: the run's.
        force: replace an earlier run.
        fill: called with the scratch folder before it takes its name.
    """
    there, final, locks = is_run(out, force), out.resolve(), []
    if there and not force:
        return False
    try:
        with storing(out), scratch_folder(final) as scratch:
            skeleton(scratch, manifest)
            if fill is not None:
                fill(scratch)
            if there:
                (out / "chunks").mkdir(exist_ok=True)
                with holding(gate(out)):
                    locks = take_locks(out, None)
            try:
                rename_folder(scratch, final, replace=there)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and is_run(out, force=False):
                    return False  # another process was first
                raise
    finally:
        for lock in locks:
            lock.release()
    return True
