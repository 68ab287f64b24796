"""Programs that are traced once: what a run of the command line traced, the next one of the same structure reads.

`program` stands in for `jax.jit`. JAX keeps what XLA compiled, but not what Python traced, which takes as long. Where
`keep` was given a place, a traced program is written there (by `jax.export`, which knows no code but StableHLO's) under a
digest of all that it could depend on: the function's code, its closure with every number in it, its arguments' structure,
the package's own source and the versions of what it calls. What cannot be told so, a user's own model for one, is traced
each time. Programs in memory, in a library's use, are `jax.jit`'s.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import os
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from .lazy import is_traced, jax, np

#: Whose code is known by its version, besides this package's, which is known by its text.
_KNOWN = ("jax", "jaxlib", "numpyro", "optax", "equinox", "diffrax", "optimistix", "lineax", "numpy", "scipy")
_OWN = __name__.partition(".")[0]
_SETTING = ("JAX_", "XLA_", "EQX_")
_NEVER = b"cannot be kept"


class Store(Protocol):
    """Where programs are kept: bytes by name, which may be gone, and are otherwise as they were written."""

    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, content: bytes) -> None: ...


_store: Store | None = None


def keep(store: Store | None) -> None:
    """Keep programs there from here on; None: nowhere."""
    global _store
    _store = store


def program(function: Callable, *classes: type) -> Program:
    """`jax.jit(function)`, kept where `keep` says.

    Args:
        function: of positional arguments, trees of arrays; it gives tuples, lists and dictionaries of arrays.
        classes: the named tuples that it gives besides.
    """
    return Program(function, classes)


class Program:
    """A function that is traced once for arguments of one structure; see `program`."""

    def __init__(self, function: Callable, classes: tuple[type, ...] = ()):
        self.function = self.__wrapped__ = function
        self._classes = {c.__qualname__: c for c in classes}
        self._plain = jax.jit(function)
        self._kept: dict[str, _Kept | None] = {}
        self._of_function: str | None = None

    def __call__(self, *args: Any) -> Any:
        kept = self._find(args)
        return self._plain(*args) if kept is None else kept(*args)

    def lower(self, *args: Any) -> Any:
        """What compiles it for such arguments: ``program.lower(x).compile()(x)``, as of `jax.jit`."""
        kept = self._find(args)
        return self._plain.lower(*args) if kept is None else kept.lower(*args)

    def shapes(self, *args: Any) -> Any:
        """What it would give of such arguments: shapes and types in its structure."""
        kept = self._find(args)
        if kept is None:
            return jax.eval_shape(self.function, *args)
        out = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in kept.exported.out_avals]
        return _built(kept.structure, out, self._classes)

    def _find(self, args: tuple) -> _Kept | None:
        """What is kept for arguments of this structure, found or made; None where nothing can be."""
        if _store is None or is_traced(args):  # within another program it is differentiated and mapped
            return None
        try:
            if self._of_function is None:
                self._of_function = _told(_versions(), self.function)
            name = _told(self._of_function, _settings(), args=args)
        except _Untold:
            return None
        if name not in self._kept:
            content = _store.get(name)
            self._kept[name] = None if content == _NEVER else self._read(content) or self._made(name, args)
        return self._kept[name]

    def _read(self, content: bytes | None) -> _Kept | None:
        if content is None:
            return None
        try:
            head, _, body = content.partition(b"\n")
            return _Kept(jax.export.deserialize(bytearray(body)), json.loads(head), self._classes)
        except Exception:  # noqa: BLE001 - of another version, or of none: it is made again
            return None

    def _made(self, name: str, args: tuple) -> _Kept | None:
        assert _store is not None
        tree, found = jax.tree.structure(args), []

        def flat(*leaves: Any) -> list[Any]:
            out: list[Any] = []
            found[:] = [_taken(self.function(*jax.tree.unflatten(tree, leaves)), out, self._classes)]
            return out

        try:
            exported = jax.export.export(jax.jit(flat))(*jax.tree.leaves(args))
            _store.put(name, json.dumps(found[0]).encode() + b"\n" + bytes(exported.serialize()))
        except (_Untold, NotImplementedError, ValueError):
            # It gives what is no array, it calls back into Python (for which jax.export raises NotImplementedError),
            # or its arguments are refused: `jax.jit` then says so by itself.
            _store.put(name, _NEVER)
            return None
        return _Kept(exported, found[0], self._classes)


class _Kept:
    """A traced program of flat arguments, and the structure of what it gives."""

    def __init__(self, exported: Any, structure: Any, classes: Mapping[str, type]):
        self.exported, self.structure, self._classes = exported, structure, classes
        self._run = jax.jit(exported.call)

    def __call__(self, *args: Any) -> Any:
        return _built(self.structure, self._run(*jax.tree.leaves(args)), self._classes)

    def lower(self, *args: Any) -> _Lowered:
        return _Lowered(self, self._run.lower(*jax.tree.leaves(args)))


class _Lowered:
    def __init__(self, kept: _Kept, lowered: Any):
        self._kept, self._lowered = kept, lowered

    def compile(self) -> Callable:
        run, kept = self._lowered.compile(), self._kept
        return lambda *args: _built(kept.structure, run(*jax.tree.leaves(args)), kept._classes)


# -- the structure of what a program gives ---------------------------------------------------------


def _taken(x: Any, leaves: list[Any], classes: Mapping[str, type]) -> Any:
    """A tree's structure as JSON, its leaves put into the list."""
    if x is None:
        return None
    if isinstance(x, tuple) and type(x) is not tuple:
        if classes.get(type(x).__qualname__) is not type(x):
            raise _Untold(f"a {type(x).__qualname__} that was not named")
        return ["named", type(x).__qualname__, [_taken(part, leaves, classes) for part in x]]
    if isinstance(x, tuple | list):
        return [type(x).__name__, "", [_taken(part, leaves, classes) for part in x]]
    if type(x) is dict and all(isinstance(key, str) for key in x):
        return ["dict", "", {key: _taken(part, leaves, classes) for key, part in x.items()}]
    if not isinstance(x, jax.Array | np.ndarray | np.generic | int | float | bool):
        raise _Untold(f"a {type(x).__qualname__}")
    leaves.append(x)
    return len(leaves) - 1


def _built(structure: Any, leaves: Any, classes: Mapping[str, type]) -> Any:
    """The tree again."""
    if structure is None or isinstance(structure, int):
        return None if structure is None else leaves[structure]
    kind, name, parts = structure
    if kind == "dict":
        return {key: _built(part, leaves, classes) for key, part in parts.items()}
    out = [_built(part, leaves, classes) for part in parts]
    if kind == "named":
        return classes[name](*out)
    return tuple(out) if kind == "tuple" else out


# -- the name of a program -------------------------------------------------------------------------


class _Untold(Exception):
    """It cannot be told what a program depends on."""


def _told(*parts: Any, args: tuple = ()) -> str:
    """A digest of some things, and of arguments without their values.

    Raises:
        _Untold: of something it cannot be told what it is.
    """
    digest = _Digest()
    digest.feed(parts)
    digest.feed(args, values=False)
    return digest.hexdigest()


def _settings() -> tuple:
    """What of JAX a trace depends on."""
    device = jax.devices()[0]
    return bool(jax.config.jax_enable_x64), device.platform, device.device_kind


@functools.cache
def _versions() -> str:
    """This package's text, the versions of what is traced through, and what the environment says to those."""
    here, text = Path(__file__).parent, hashlib.blake2b(digest_size=16)
    for path in sorted(here.rglob("*.py")):
        text.update(path.relative_to(here).as_posix().encode() + b"\0" + path.read_bytes())
    found = {name: _version(name) for name in _KNOWN}
    said = {k: v for k, v in os.environ.items() if k.startswith(_SETTING) and "CACHE" not in k}
    return json.dumps([text.hexdigest(), found, sorted(said.items())])


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


class _Digest:
    """A digest of nested data, of functions with what they close over, and of objects of known code."""

    def __init__(self) -> None:
        self._hash, self._seen, self._held = hashlib.blake2b(digest_size=20), {}, []

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def _say(self, *words: str | bytes) -> None:
        for word in words:
            raw = word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word
            self._hash.update(len(raw).to_bytes(8, "little") + raw)

    def feed(self, x: Any, values: bool = True) -> None:
        """Add something; without `values`, arrays by their shapes and types alone, as arguments are."""
        if x is None or isinstance(x, str | bytes | bool | int | float | complex | np.dtype | type(...)):
            self._say(type(x).__name__, repr(x) if values or isinstance(x, str | bytes) else "")
        elif isinstance(x, np.ndarray | np.generic | jax.Array | jax.ShapeDtypeStruct):
            self._array(x, values)
        elif (id(x), values) in self._seen:
            self._say("again", str(self._seen[id(x), values]))
        else:
            self._seen[id(x), values] = len(self._seen)
            self._held.append(x)  # so that no other object comes to have its id
            self._compound(x, values)

    def _array(self, x: Any, values: bool) -> None:
        self._say("array", str(x.dtype), str(np.shape(x)), str(getattr(x, "weak_type", "")))
        if not values or isinstance(x, jax.ShapeDtypeStruct):
            return
        if isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            x = jax.random.key_data(x)
        x = np.asarray(x)
        if x.dtype == object:
            self.feed(x.tolist())
        else:
            self._say(np.ascontiguousarray(x).tobytes())

    def _compound(self, x: Any, values: bool) -> None:
        self._say(type(x).__module__, type(x).__qualname__)
        if isinstance(x, enum.Enum):
            self._say(x.name)
        elif isinstance(x, type):
            self._check_known(x.__module__)
            self._say(x.__module__, x.__qualname__)
        elif isinstance(x, Mapping):
            self._say(str(len(x)))
            for key, part in x.items():
                self.feed(key)
                self.feed(part, values)
        elif isinstance(x, tuple | list):
            self._say(str(len(x)))
            if values and all(type(part) in (str, int, float, bool) for part in x):  # a table's labels
                self._say(repr([*x]))
                return
            for part in x:
                self.feed(part, values)
        elif isinstance(x, jax.Device):
            self._say(x.platform, x.device_kind, str(x.id))
        elif isinstance(x, jax.sharding.PartitionSpec):
            self._say(repr(x))
        elif isinstance(x, jax.sharding.Mesh):
            self._say(repr(x.axis_names))
            self.feed(x.devices.tolist())
        elif type(x) is object:
            pass  # a mark that stands for itself
        elif isinstance(x, set | frozenset):
            self.feed(sorted(x, key=repr))
        elif isinstance(x, slice | range):
            self._say(repr(x))
        elif isinstance(x, types.FunctionType):
            self._function(x)
        elif isinstance(x, types.MethodType):
            self.feed(x.__self__, values)
            self.feed(x.__func__)
        elif isinstance(x, functools.partial):
            self.feed((x.func, x.args, x.keywords), values)
        elif isinstance(x, types.BuiltinFunctionType | np.ufunc | types.ModuleType):
            self._say(str(getattr(x, "__module__", "")), x.__name__)
        elif hasattr(x, "__wrapped__"):  # of jax.jit
            self.feed(x.__wrapped__)
        elif is_dataclass(x):
            self._check_known(type(x).__module__)
            for f in fields(x):
                if f.compare:
                    self._say(f.name)
                    self.feed(getattr(x, f.name), values or bool(f.metadata.get("static")))
        else:
            self._check_known(type(x).__module__)
            try:
                self.feed(vars(x), values)
            except TypeError:
                raise _Untold(f"a {type(x).__qualname__}") from None

    def _function(self, f: types.FunctionType) -> None:
        self._check_known(f.__module__)
        self._say(f.__module__, f.__qualname__)
        self._code(f.__code__)
        self.feed((f.__defaults__, f.__kwdefaults__))
        for cell in f.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # not yet filled: a function's own name
                content = None
            self.feed(content)

    def _code(self, code: types.CodeType) -> None:
        self._say(code.co_name, code.co_code, repr(code.co_names))
        for const in code.co_consts:
            if isinstance(const, types.CodeType):
                self._code(const)
            else:
                self.feed(const)

    def _check_known(self, module: str | None) -> None:
        if (module or "").partition(".")[0] not in (_OWN, *_KNOWN, "builtins", "functools", "collections"):
            raise _Untold(f"code of {module}")
