"""A run's store as Zarr opens it to read."""

from pathlib import Path

from zarr.storage import LocalStore

from .store import STORE
from .temporary import TemporaryRun


class Store(LocalStore):
    """The store of a run, not to be written.

    A temporary folder stays as long as something reads from it, and goes along where that is pickled.
    """

    def __init__(self, home: Path | TemporaryRun):
        super().__init__(Path(home) / STORE, read_only=True)
        self.home = home

    def __reduce__(self):
        return Store, (self.home,)
