"""One record a chunk: that it is whole, and what it is made of."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InputError
from .manifest import identity
from .store import STORE, Stored, layout, n_chunks


@dataclass(frozen=True)
class Records:
    """The records of a run's chunks, and whether the files they vouch for are what was written.

    Attributes:
        out: the run's folder.
        manifest: the run's.
    """

    out: Path
    manifest: dict

    @cached_property
    def arrays(self) -> dict[str, Stored]:
        """The store's `layout`."""
        return layout(self.manifest)

    @cached_property
    def mark(self) -> dict:
        """What of a record says which run it is of."""
        return {"format": self.manifest["format"]} | (
            {"run": identity(self.manifest)} if self.manifest["format"] > 1 else {}
        )

    def __len__(self) -> int:
        return n_chunks(self.manifest)

    def cells(self, i: int) -> slice:
        """The cells of chunk i, as positions in the table's order."""
        size = self.manifest["chunk"]
        return slice(i * size, min((i + 1) * size, self.manifest["n_cells"]))

    def file(self, i: int) -> Path:
        return self.out / "chunks" / f"{i:06d}.json"

    def there(self) -> set[int]:
        """The chunks that have a record, right or wrong."""
        try:
            names = os.listdir(self.out / "chunks")
        except FileNotFoundError:
            return set()
        numbers = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return {int(number) for number in numbers if number.isdigit()}

    def read(self, i: int, *, verify: bool) -> dict | str:
        """The record of chunk i, or what is wrong with it or the files it vouches for.

        Args:
            i: the chunk.
            verify: compare checksums, not only sizes.
        """
        try:
            record = json.loads(self.file(i).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return "it has no record"
        except (OSError, ValueError):
            return "its record is damaged"
        if (
            not isinstance(record, dict)
            or record.get("check") != checksum(record)
            or record.get("chunk") != i
        ):
            return "its record is damaged"
        files = [array.file(i) for array in self.arrays.values()]
        if any(record.get(k) != v for k, v in self.mark.items()) or list(record["files"]) != files:
            return "its record is of another run"
        for name in files:
            path, mark = self.out / STORE / name, record["files"][name]
            try:
                if path.stat().st_size != mark[0]:
                    return f"{name} is cut short or has grown"
                if verify and mark_of(path.read_bytes()) != mark:
                    return f"{name} is damaged"
            except OSError as error:
                missing = isinstance(error, FileNotFoundError)
                return f"{name} is missing" if missing else f"{name} cannot be read"
        return record

    def complete(self) -> list[dict]:
        """Every chunk's record.

        Raises:
            InputError: some are missing or wrong.
        """
        found = [self.read(i, verify=False) for i in range(len(self))]
        records = [record for record in found if isinstance(record, dict)]
        if len(records) < len(self):
            raise self.incomplete(len(self) - len(records))
        return records

    def incomplete(self, missing: int) -> InputError:
        return InputError(
            f"is not complete: {missing:,} of {len(self):,} chunks are missing",
            mend="The command that began it goes on where it stopped",
            file=self.out,
        )


def checksum(record: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in record.items() if k != "check"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def mark_of(content: bytes) -> list:
    """A file's size and checksum."""
    return [len(content), hashlib.blake2b(content, digest_size=16).hexdigest()]


def mark_of_file(path: Path) -> list:
    """`mark_of` of a file that may be large."""
    with path.open("rb") as f:
        digest = hashlib.file_digest(f, lambda: hashlib.blake2b(digest_size=16))
        return [f.tell(), digest.hexdigest()]
