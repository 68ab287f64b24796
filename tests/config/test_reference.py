"""configs/README.md lists every prior and every number of a mechanism as they are declared."""

from pathlib import Path

import pytest

from pumpleak.config.reference import mechanism_rows, prior_rows

README = (Path(__file__).parents[2] / "configs/README.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("| `prior:` | keys, [optional] | |", prior_rows()),
        ("| `kind` | key | number | default | domain |", mechanism_rows()),
    ],
)
def test_the_reference_says_what_is_declared(header, rows):
    start = README.index(header) + 2
    end = next(i for i, line in enumerate(README[start:], start) if not line.startswith("|"))
    assert README[start:end] == rows, "put in their place:\n" + "\n".join(rows)
