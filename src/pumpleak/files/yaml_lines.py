"""YAML files read as plain data, with the line of each key for messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import pydantic
import yaml

from ..errors import InputError, did_you_mean, nearest, unknown
from ..quantities.units import split_unit
from .things import check_thing
from .yaml_scalars import PlainLoader, clipped, tagged, unprintable

M = TypeVar("M", bound=pydantic.BaseModel)


def read_yaml(path: str | Path, *, start: str, wanted: str = "config") -> tuple[dict, "Lines"]:
    """The mapping a YAML file holds; nothing in it is executed.

    Args:
        path: a YAML file.
        start: the mend where it is empty: what such a file begins with.
        wanted: what it should be, as `check_thing` has it.

    Returns:
        The mapping, and where each of its keys stands in the file.

    Raises:
        InputError: not there, not text, not YAML, not a mapping, a key given twice.
    """
    path = Path(path)
    check_thing(path, wanted)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        here = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise InputError(
            f"there is no such file{did_you_mean(nearest(path.name, here))}", mend="Check the path", file=path
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as text ({error})", mend="Give a YAML file", file=path) from None
    try:
        if tag := tagged(text):
            raise InputError(
                f"{tag[0]} says what kind of value follows, which is not read",
                mend="Leave it out",
                file=f"{path}, line {tag[1]}",
            )
        lines = Lines(path, text)
        raw = yaml.load(text, Loader=PlainLoader)
    except (yaml.YAMLError, ValueError, LookupError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
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
            node = yaml.compose(text, Loader=PlainLoader) if text else None
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
        if isinstance(node, yaml.ScalarNode) and unprintable(node.value):
            raise InputError(
                f"{clipped(node.value)} holds a character that cannot be printed",
                mend="Write plain text",
                file=f"{self.path}, line {node.start_mark.line + 1}",
            )
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for i, (key, value) in enumerate(node.value):
                if node.flow_style and i and _comma(node.value[i - 1][1], key, value):
                    before = node.value[i - 1][1].value
                    raise InputError(
                        f"'{before},{key.value}' has a decimal comma",
                        mend=f"Write {before}.{key.value}",
                        file=f"{self.path}, line {key.start_mark.line + 1}",
                        key=".".join((*path, str(node.value[i - 1][0].value))),
                    )
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
        """An error from further in, at the key it is about, else at the `default`; as it is where it names a file."""
        if error.file is not None:
            return error
        about = error.column if error.key is None else error.key
        if about is None:
            return self.error(error.problem, default, error.mend)
        path = tuple(about.split("."))
        for keys in self._lines:
            # K_i_mM in the file is K_i further in
            if about in (".".join(keys), ".".join((*keys[:-1], split_unit(keys[-1])[0]))):
                path = keys
        return self.error(error.problem, path, error.mend)

    @contextmanager
    def at(self, *path: str) -> Iterator[None]:
        """What is wrong with what is done within is wrong with the key `path`, unless it says where itself."""
        try:
            yield
        except InputError as error:
            raise self.place(error, path) from None

    def checked(self, model: type[M], value: Any, *path: str) -> M:
        """The `value` of the key `path` as a pydantic model has it.

        Raises:
            InputError: what pydantic found first, at its key and in our words.
        """
        try:
            return model.model_validate(value)
        except pydantic.ValidationError as error:
            keys, complaint = _complaint(error, model)
            raise self.error(complaint.problem, (*path, *keys), complaint.mend) from None


def _comma(before: yaml.Node, key: yaml.Node, value: yaml.Node) -> bool:
    """Whether ``{median: 0,05}`` was written: digits alone where a key should stand, after a whole number."""
    whole = all(isinstance(n, yaml.ScalarNode) for n in (before, key, value))
    return whole and before.value.lstrip("+-").isdigit() and key.value.isdigit() and not value.value


def _complaint(error: pydantic.ValidationError, model: Any) -> tuple[tuple[str, ...], InputError]:
    """The keys that lead to what pydantic found first, and what to say of it."""
    found = error.errors(include_url=False)
    # A misspelt key is also a missing one: what was written is the thing to name.
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    loc, what, given, more = first["loc"], first["type"], first["input"], first.get("ctx", {})
    path, _, branches = _walk(model, loc)
    if what in ("extra_forbidden", "missing", "invalid_key"):
        (*_, key), (_, inner, _) = path, _walk(model, loc[:-1])
        title = inner.model_config.get("title")
        if what == "missing":
            text = f"the key '{key}' is missing{f' in {title}' if title else ''}"
            return path[:-1] or path, InputError(text, mend=f"Add `{key}:`")
        known = list(inner.model_fields)
        return path, unknown(
            "key", key, known, within=f"of {title}" if title else "", meant=_meant(key, known)
        )
    if what.startswith("union_tag"):
        key, kinds = more["discriminator"].strip("'"), [x for b in branches for x in _tags(b)]
        if what == "union_tag_invalid":
            return (*path, key), unknown(key, more["tag"], kinds, own=key == "kind")
        listed = f"one of {', '.join(kinds)}"
        for odd in given:
            if nearest(str(odd), [key]):
                return (*path, str(odd)), unknown("key", odd, [key], mend=f"Give `{key}:`, {listed}")
        return path, InputError(f"does not say of which {key} it is", mend=f"Add `{key}:`, {listed}")
    if isinstance(own := more.get("error"), InputError):
        return path, own
    if loc[-1] == "[key]":
        return path[:-1], InputError(f"the name {given!r} is not text", mend=f'Write it in quotes: "{given}"')
    why = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    if what in ("dict_type", "model_type", "model_attributes_type"):
        why = "a mapping (`name: value`, one a line) belongs here"
    return path, InputError(
        f"{'a mapping' if isinstance(given, dict) else clipped(given)} will not do: {why}"
    )


def _meant(key: str, known: list[str]) -> str | None:
    """The known key most like it, or the only one of the same symbol: ``g_mS_cm2`` for ``g_K``."""
    alike = [k for k in known if k.split("_")[0] == key.split("_")[0]]
    return nearest(key, known) or (alike[0] if len(alike) == 1 else None)


def _walk(model: Any, loc: tuple) -> tuple[tuple[str, ...], Any, list]:
    """Along a place as pydantic has it: its keys, the innermost model there, and what may stand there.

    Pydantic also tells which branch of a union it took, which is no key.
    """
    path, inner, here = [], model, [model]
    for part in (x for x in loc if x != "[key]" and not str(x).startswith(("function-", "constrained-"))):
        taken = [b for b in here if part in _tags(b)] if len(here) > 1 else []
        if not taken:
            path.append(str(part))
            taken = [b for of in here for b in _below(of, part)]
        here = taken
        inner = next((b for b in here if hasattr(b, "model_fields")), inner)
    return tuple(path), inner, here


def _tags(branch: Any) -> tuple[str, ...]:
    """What a branch of a union is called: by the only values that one of its fields may have, or by its own name."""
    fields = getattr(branch, "model_fields", {}).values()
    literals = [
        x
        for f in fields
        if f.is_required() and get_origin(f.annotation) is Literal
        for x in get_args(f.annotation)
    ]
    return tuple(literals) or (getattr(branch, "__name__", ""),)


def _below(of: Any, part: Any) -> list:
    """What may stand under the key `part` of a model or a collection."""
    if hasattr(of, "model_fields"):
        field = of.model_fields.get(part)
        return [] if field is None else _branches(field.annotation)
    return _branches(get_args(of)[-1]) if get_args(of) else []


def _branches(annotation: Any) -> list:
    """What a type may be: the parts of a union, without what annotates them."""
    if get_origin(annotation) is Annotated:
        return _branches(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [b for part in get_args(annotation) for b in _branches(part)]
    return [annotation]
