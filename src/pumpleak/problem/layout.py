"""The order of a problem's numbers in one vector: of its parameters' values, and of its sampled coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ..lazy import jnp
from .parameters import Parameter, Site

if TYPE_CHECKING:
    import jax


class Element(NamedTuple):
    """One number of a vector.

    Attributes:
        name: as people know it, e.g. ``P_Na_rel[control]``.
        parameter: the parameter that it is of.
        index: its place in the vector.
        site: the sampled site that it is of; of a pooled level's value, that of its offset.
        unit: canonical unit.
    """

    name: str
    parameter: Parameter
    index: int
    site: Site
    unit: str


@dataclass(frozen=True)
class Layout:
    """Where each number of a problem's parameters stands, in two vectors.

    The natural vector (P,) has every parameter's values, level by level. The sampled one (D,) has the sites: of a
    pooled parameter its population's mean and spread and the levels' offsets, of any other the same values. Both go
    through the parameters in their order.

    Attributes:
        parameters: in their order; names are unique.
    """

    parameters: tuple[Parameter, ...]

    @cached_property
    def of_parameters(self) -> dict[str, slice]:
        """Parameter's name -> where its values are in the natural vector."""
        return _in_a_row({p.name: p.size for p in self.parameters})

    @cached_property
    def of_sites(self) -> dict[str, slice]:
        """Site's name -> where its numbers are in the sampled vector."""
        return _in_a_row({s.name: s.size for s in self.sites})

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        return tuple(s for p in self.parameters for s in p.sites)

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The natural vector, element by element: the order of a batch's parameter axis."""
        named = [(name, p) for p in self.parameters for name in p.element_names]
        return tuple(Element(name, p, i, p.sites[-1], p.unit) for i, (name, p) in enumerate(named))

    @cached_property
    def coordinates(self) -> tuple[Element, ...]:
        """The sampled vector, element by element; a spread and an offset have the unit 1."""
        out: list[Element] = []
        for p in self.parameters:
            for s in p.sites:
                unit = p.unit if p.spread is None or s.name == f"{p.name}_mean" else "1"
                for name in [f"{s.name}[{x}]" for x in p.levels] if s.shape else [s.name]:
                    out.append(Element(name, p, len(out), s, unit))
        return tuple(out)

    @property
    def element_names(self) -> tuple[str, ...]:
        return tuple(e.name for e in self.elements)

    @property
    def site_names(self) -> tuple[str, ...]:
        """Names of the sampled elements."""
        return tuple(e.name for e in self.coordinates)

    def ravel(self, natural: Mapping[str, Any]) -> jax.Array:
        """(P,) from the natural values, () or (levels,), by parameter."""
        return jnp.concatenate([jnp.ravel(natural[p.name]) for p in self.parameters])

    def unravel(self, x) -> dict[str, Any]:
        """Parameter -> natural values, () or (levels,): inverts `ravel`."""
        return {
            p.name: jnp.reshape(x[self.of_parameters[p.name]], (p.size,) if p.levels else ())
            for p in self.parameters
        }

    def ravel_sites(self, sites: Mapping[str, Any]) -> jax.Array:
        """(D,) from the values of every site."""
        return jnp.concatenate([jnp.ravel(jnp.asarray(sites[s.name])) for s in self.sites])

    def unravel_sites(self, x) -> dict[str, Any]:
        """Site -> its values in its own shape: inverts `ravel_sites`."""
        return {s.name: jnp.reshape(x[self.of_sites[s.name]], s.shape) for s in self.sites}


def _in_a_row(sizes: Mapping[str, int]) -> dict[str, slice]:
    out, start = {}, 0
    for name, size in sizes.items():
        out[name] = slice(start, start + size)
        start += size
    return out
