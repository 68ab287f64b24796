"""Scalars of YAML files: a number is decimal, yes and no are true and false; all else is text.

YAML 1.1 reads ``3:2`` as 182, ``010`` as 8 and ``on`` as true. Here they are text: good names of cells and solutions, and
refused where a number belongs, with what to write.
"""

import re
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field

from ..errors import InputError
from ..quantities.numbers import odd_number

_SIGN, _WHOLE, _POWER = r"[-+]?", r"(?:0|[1-9][0-9]*)", r"(?:[eE][-+]?[0-9]+)?"


class PlainLoader(yaml.SafeLoader):
    """The safe loader, with fewer kinds of plain scalars."""

    yaml_implicit_resolvers: dict = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", rf"{_SIGN}(?:0|[1-9][0-9]{{0,17}})", list("-+0123456789")),
    ("float", rf"{_SIGN}(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+){_POWER}", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def tagged(text: str) -> tuple[str, int] | None:
    """The first explicit tag (``!!float``) in a YAML text, and its line; None where there is none."""
    for event in yaml.parse(text, Loader=PlainLoader):
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            return tag.replace("tag:yaml.org,2002:", "!!"), event.start_mark.line + 1
    return None


def unprintable(text: str) -> bool:
    """Whether a text holds what no file can: half of a character, or a zero byte."""
    return any(0xD800 <= ord(c) <= 0xDFFF or c == "\0" for c in text)


def as_number(value: Any) -> Any:
    """A number as a file may hold it: written as one, or as text that can be read in one way alone.

    Raises:
        InputError: true, false, or a text that is no number, with what to write.
    """
    if isinstance(value, bool):
        raise InputError(f"{str(value).lower()} is not a number", mend="Give a number")
    if not isinstance(value, str):
        return value
    if odd := odd_number(value):
        raise InputError(odd[0], mend=odd[1])
    if _NUMBER.fullmatch(value.strip()):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    raise InputError(f"{clipped(value)} is not a number", mend="Give a number")


def clipped(value: Any, longest: int = 60) -> str:
    """A value as it is written, cut where it is long."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


_NUMBER = re.compile(rf"{_SIGN}(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+){_POWER}")
#: Numbers of a file, for pydantic's models.
Number = Annotated[float, BeforeValidator(as_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(as_number)]
