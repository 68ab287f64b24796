"""YAML files read as plain data, with the line of each key for messages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml

from ..errors import InputError, did_you_mean, nearest, unknown
from ..quantities.units import split_unit


def read_yaml(path: str | Path, *, start: str) -> tuple[dict, "Lines"]:
    """The mapping a YAML file holds; nothing in it is executed.

    Args:
        path: a YAML file.
        start: the mend where it is empty: what such a file begins with.

    Returns:
        The mapping, and where each of its keys stands in the file.

    Raises:
        InputError: not there, not text, not YAML, not a mapping, a key given twice.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        here = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise InputError(
            f"there is no such file{did_you_mean(nearest(path.name, here))}", mend="Check the path", file=path
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as text ({error})", mend="Give a YAML file", file=path) from None
    lines = Lines(path, text)
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is of a date that does not exist
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(
            f"is not valid YAML: {getattr(error, 'problem', None) or error}",
            mend="Check indentation, quotes and colons there",
            file=f"{path}{where}",
        ) from None
    if not isinstance(raw, dict):
        raise InputError("is empty or not a mapping", mend=start, file=path)
    return raw, lines


class Lines:
    """Line numbers of a YAML file's keys, for messages.

    Raises:
        InputError: a key is given twice, or a value holds itself.
    """

    def __init__(self, path: object = "config", text: str = ""):
        self.path = path
        self._lines: dict[tuple[str, ...], int] = {}
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader) if text else None
        except yaml.YAMLError:
            node = None
        except RecursionError:
            raise InputError(
                "is nested too deeply", mend="Write it out flat, without so many brackets", file=path
            ) from None
        if node is not None:
            self._walk(node, (), ())

    def _walk(self, node, path, above) -> None:
        if len(above) > 20 or node in above:
            raise InputError(
                "is nested too deeply, or holds itself",
                mend="Write it out flat, without & and *",
                file=f"{self.path}, line {node.start_mark.line + 1}",
            )
        above = (*above, node)
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                here = (*path, str(key.value))
                if here in seen:
                    raise InputError(
                        "is given twice",
                        mend="Keep one of the two",
                        file=f"{self.path}, line {key.start_mark.line + 1}",
                        key=".".join(here),
                    )
                seen.add(here)
                self._lines[here] = key.start_mark.line + 1
                self._walk(value, here, above)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                self._walk(value, (*path, str(i)), above)

    def error(self, problem: str, path: tuple[str, ...], mend: str | None = None) -> InputError:
        """An `InputError` at the key `path`, or at the innermost part of it the file has."""
        line = next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), None)
        where = f"{self.path}, line {line}" if line else self.path
        return InputError(problem, mend=mend, file=where, key=".".join(path) if path else None)

    def place(self, error: InputError, default: tuple[str, ...] = ()) -> InputError:
        """An error from further in, at the key it is about; as it is where it already names a file."""
        if error.file is not None:
            return error
        path, about = default, error.column if error.key is None else error.key
        for keys in self._lines:
            # K_i_mM in the file is K_i further in
            if about in (".".join(keys), ".".join((*keys[:-1], split_unit(keys[-1])[0]))):
                path = keys
        if not path and about is not None:
            path = tuple(about.split("."))
        return self.error(error.problem, path, error.mend)


def first_error(error: pydantic.ValidationError, lines: Lines, model: Any, prefix: tuple = ()) -> InputError:
    """What pydantic found first, at its key under `prefix` and in our words."""
    found = error.errors(include_url=False)
    # A union reports every branch: the mapping's complaint is the one to show where a mapping was given.
    first = next((e for e in found if e["loc"][:1] == found[0]["loc"][:1] and _of_branch(e)), found[0])
    if first["loc"][:1] == ("data",):
        first["loc"] = tuple(x for x in first["loc"] if x not in ("str", "DataSpec"))
    if first["loc"][:1] == ("cell",):
        return lines.error(
            f"{_clipped(first['input'])} is no cell",
            ("cell",),
            "Write `{preset: NAME}`, a cell file, or a cell itself",
        )
    path = (*prefix, *(str(x) for x in first["loc"]))
    if first["type"] == "extra_forbidden":
        return unknown_key(lines, path, _keys_at(model, first["loc"][:-1]))
    if first["loc"][-1] == "[key]":
        name = first["input"]
        return lines.error(f"the name {name!r} is not text", path[:-1], f'Write it in quotes: "{path[-2]}"')
    if first["type"] == "missing":
        return missing_key(lines, path)
    return will_not_do(lines, path, first)


def unknown_key(
    lines: Lines, path: tuple[str, ...], known: list[str], of: str = "", meant: str | None = None
) -> InputError:
    """The error of a key that is none of those known, ``of a normal prior``; the nearest is meant unless one is given."""
    return lines.place(unknown("key", path[-1], known, within=of, meant=meant), path)


def missing_key(lines: Lines, path: tuple[str, ...]) -> InputError:
    """The error of a key that is not there."""
    return lines.error(f"the key '{path[-1]}' is missing", path[:-1] or path, f"Add `{path[-1]}:`")


def will_not_do(
    lines: Lines, path: tuple[str, ...], found: Mapping[str, Any], mend: str | None = None
) -> InputError:
    """The error of a value of which pydantic found something, in pydantic's words."""
    shown = "a mapping" if isinstance(found["input"], dict) else _clipped(found["input"])
    return lines.error(f"{shown} will not do: {found['msg'][0].lower()}{found['msg'][1:]}", path, mend)


def _clipped(value: Any, longest: int = 60) -> str:
    """A value as it is written, cut where it is long."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


def _of_branch(error) -> bool:
    return "DataSpec" in error["loc"] and error["type"] != "model_type"


def _keys_at(model: Any, loc: tuple) -> list[str]:
    for part in loc:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if field is None:
            continue
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((a for a in options if hasattr(a, "model_fields")), model)
    return list(model.model_fields)
