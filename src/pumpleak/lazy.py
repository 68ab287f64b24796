"""JAX, NumPyro and NumPy, imported when first used: to read a table and a config, and to say what was understood of them,
needs none of them, and importing them takes longer.

Modules take these names from here in place of importing the libraries, and annotate in strings
(``from __future__ import annotations``). Within `plain_numbers` the name `jnp` is NumPy, `special` is SciPy's.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

_plain: ContextVar[bool] = ContextVar("plain", default=False)


class _Later(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


class _Arrays(_Later):
    """A module of functions of arrays; within `plain_numbers`, the one of the same functions of NumPy's."""

    def __init__(self, name: str, plain: str):
        super().__init__(name)
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._plain), name) if _plain.get() else super().__getattr__(name)


if TYPE_CHECKING:
    import jax as jax
    import jax.numpy as jnp
    import jax.scipy.special as special
    import numpy as np
    import numpyro as numpyro
    import numpyro.distributions as dist
else:
    jax, numpyro, dist = _Later("jax"), _Later("numpyro"), _Later("numpyro.distributions")
    np = _Later("numpy")
    jnp, special = _Arrays("jax.numpy", "numpy"), _Arrays("jax.scipy.special", "scipy.special")


@contextlib.contextmanager
def plain_numbers() -> Iterator[None]:
    """Within it equations are worked out by NumPy, in double precision: a few numbers need no compiled program."""
    before = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(before)


def is_traced(x: Any) -> bool:
    """Whether a value, or one in a nest of lists, is not known because JAX is tracing."""
    if "jax" not in sys.modules:
        return False
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x))


def arrays_in(x: Any) -> list[Any]:
    """The arrays in a nest of tuples and lists."""
    if isinstance(x, tuple | list):
        return [array for part in x for array in arrays_in(part)]
    return [x] if hasattr(x, "dtype") else []
