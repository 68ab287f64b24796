"""Tables that tests write, read, and see refused."""

import numpy as np
import pytest

from pumpleak import read_table
from pumpleak.errors import InputError


def write(folder, text, name="cells.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(source, *parts, **options):
    """The message of the InputError that reading must raise, holding every part."""
    with pytest.raises(InputError) as caught:
        read_table(source, **options)
    message = str(caught.value)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in: {message}"
    assert message.endswith(".") and ".." not in message.replace("...", ""), message


def same(a, b):
    assert a.labels == b.labels and a.groups == b.groups and a.units == b.units
    assert a.observable == b.observable
    for name in ("row", "reference", "value", "sd", "sem", "n"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("quantities", "quantity_sd"):
        left, right = getattr(a, name), getattr(b, name)
        assert list(left) == list(right)
        for key in left:
            np.testing.assert_array_equal(left[key], right[key], err_msg=key)
