"""A run's store as Zarr opens it to read: what is read is what was written, or is refused."""

from pathlib import Path
from typing import Any

from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore

from ..errors import InputError
from .manifest import read_manifest
from .records import Records, mark_of
from .store import STORE, frame
from .temporary import TemporaryRun


class Store(LocalStore):
    """The store of a run, not to be written; every chunk is compared with its record's checksum as it is read.

    What belongs to no chunk is made of the manifest and not read: metadata can name a codec that unpickles. A temporary
    folder stays as long as something reads from it, and goes along where that is pickled.
    """

    def __init__(self, home: Path | TemporaryRun):
        super().__init__(Path(home) / STORE, read_only=True)
        self.home = home
        manifest = read_manifest(Path(home))
        self._records, self._frame = Records(Path(home), manifest), frame(manifest)
        self._read: dict[int, dict] = {}

    def __reduce__(self):
        return Store, (self.home,)

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """A file of the store.

        Raises:
            InputError: it is of a chunk, and missing or not what was written: Zarr would read fill values, or what is there.
        """
        if key in self._frame:
            return (prototype or default_buffer_prototype()).buffer.from_bytes(self._frame[key])
        found = await super().get(key, prototype, byte_range)
        name, _, file = key.rpartition("/")
        if name not in self._records.arrays or byte_range is not None:
            return found
        i = int(file.partition(".")[0])
        record = self._read.get(i) or self._records.read(i, verify=False)
        if isinstance(record, str):
            wrong = record
        else:
            self._read[i] = record
            same = found is not None and mark_of(found.to_bytes()) == record["files"][key]
            wrong = "" if same else f"{key} is damaged or missing"
        if wrong:
            raise InputError(
                f"chunk {i} is not what was written: {wrong}",
                mend="The command that made it computes that chunk again",
                file=self.home if isinstance(self.home, Path) else None,
            )
        return found
