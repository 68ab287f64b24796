"""A checksum behind the end of a file, where its own format does not look: HDF5 and ZIP do not."""

import hashlib

_MARK = b"\nblake2b "
_LENGTH = len(_MARK) + 32 + 1


def sealed(content: bytes) -> bytes:
    """A file's content with its checksum behind it."""
    return content + _MARK + _digest(content) + b"\n"


def unsealed(content: bytes) -> bytes:
    """The content without its checksum; one that has none, of an older version, as it is.

    Raises:
        ValueError: it is not what was sealed.
    """
    body, seal = content[:-_LENGTH], content[-_LENGTH:]
    if not seal.startswith(_MARK):
        return content
    if seal[len(_MARK) : -1] != _digest(body):
        raise ValueError("its checksum is another: it is damaged")
    return body


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()
