"""Scalars of YAML files: a number is decimal, yes and no are true and false; all else is text.

YAML 1.1 reads ``3:2`` as 182, ``010`` as 8 and ``on`` as true. Here they are text: good names of cells and solutions, and
refused where a number belongs, with what to write.
"""

import json
import re
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, ValidationInfo

from ..errors import InputError
from ..quantities.numbers import decimal_number, odd_number, plain_digits

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
    if odd := odd_number(plain_digits(value)):
        raise InputError(odd[0], mend=odd[1])
    number = decimal_number(value)
    if number is not None:
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    raise InputError(f"{clipped(value)} is not a number", mend="Give a number")


def as_list(value: Any, info: ValidationInfo) -> Any:
    """A list as a file may hold it: a single name or number is a list of one.

    Raises:
        InputError: several in one text, or in braces, with the list to write.
    """
    if isinstance(value, dict) and value and all(x is None for x in value.values()):
        mend = f"Write `{info.field_name}: [{', '.join(map(str, value))}]`"
        raise InputError("braces hold names and values, and a list belongs here", mend=mend)
    if isinstance(value, str) and "," in value:
        several = f"`{info.field_name}: [{value.strip()}]`"
        mend = f"Write {several}, or for one name that has a comma `{info.field_name}: [{json.dumps(value)}]`"
        raise InputError(f"{clipped(value)} may be one name or several", mend=mend)
    return [value] if isinstance(value, str | int | float) and not isinstance(value, bool) else value


def as_names(value: Any, info: ValidationInfo) -> Any:
    """The same of names, which may be written as numbers."""
    if value is None:
        mend = f"Write `{info.field_name}: [...]` with names in it, or leave the key out"
        raise InputError("nothing stands here", mend=mend)
    found = as_list(value, info)
    return [as_name(x) for x in found] if isinstance(found, list) else found


def as_name(value: Any) -> Any:
    """A name, which may be written as a number."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def clipped(value: Any, longest: int = 60) -> str:
    """A value as it is written, cut where it is long."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


#: Numbers of a file, for pydantic's models.
Number = Annotated[float, BeforeValidator(as_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(as_number)]
#: Lists of names, of which one may stand alone.
Names = Annotated[list[str], BeforeValidator(as_names)]
