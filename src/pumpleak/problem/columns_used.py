"""What became of each column of a table: read, and as what; a label, used or not; of no use to the model; not read."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..quantities.ions import is_ion
from ..quantities.names import kind, split_part
from ..quantities.spellings import plain_name
from ..quantities.units import split_unit
from ..text import listing
from .given import Davies
from .junction import Junction
from .parameters import Latent, Swap
from .rules import readable

if TYPE_CHECKING:
    from .problem import Problem

#: A quantity that matters only where another is said.
_NEEDS = {"time": "drift", "E_shunt": "shunt_rel"}
_MOST = 12  # columns of a line that are named


class ColumnsUsed(NamedTuple):
    """Every column of a table once, as the file calls it.

    Attributes:
        read: columns -> as what they are read, ``K_o [mM]``.
        labels: those that tell levels apart.
        unused_labels: those whose levels nothing tells apart.
        other_labels: notes, counts, and what the model tells apart without them.
        idle: columns -> as what they are read, though the model has no use for it.
        not_read: the others.
        idle_given: quantities of the config that the model has no use for.
        observables: what `observables` of the config would have to name for those that are readings to be read; empty
            without any.
    """

    read: dict[str, str]
    labels: tuple[str, ...]
    unused_labels: tuple[str, ...]
    idle: dict[str, str]
    not_read: tuple[str, ...]
    other_labels: tuple[str, ...] = ()
    idle_given: tuple[str, ...] = ()
    observables: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """A line for each of these that there are."""
        read = [
            x if split_unit(x)[0] == as_.split(" [")[0] else f"{x} as {as_}" for x, as_ in self.read.items()
        ]
        said = [
            ("Columns read", read),
            ("Labels that are used", self.labels),
            ("Labels that are not used", self.unused_labels),
            ("Labels that nothing is given by", self.other_labels),
            ("Columns that the model does not use", self.idle),
            ("Quantities of the config that the model does not use", self.idle_given),
            ("Columns that are not read", self.not_read),
        ]
        lines = [f"{what}: {listing(list(names), _MOST)}." for what, names in said if names]
        if self.observables:
            known = {name: _stem(name) for name in self.not_read}
            those = [
                name for name, stem in known.items() if {stem, split_part(stem)[0]} & {*self.observables}
            ]
            lines[-1] += f" `observables: [{', '.join(self.observables)}]` reads {listing(those, _MOST)}."
        return lines


def columns_used(problem: "Problem") -> ColumnsUsed:
    """What became of each column of a problem's table."""
    m = problem.measurements
    idle = {name: as_ for name, as_ in m.read.items() if _is_idle(problem, as_.split(" [")[0])}
    labels = {name: name in _telling(problem) for name in m.groups if name not in problem.unused}
    return ColumnsUsed(
        {name: as_ for name, as_ in m.read.items() if name not in idle},
        tuple(name for name, tells in labels.items() if tells),
        problem.unused,
        idle,
        m.ignored,
        tuple(name for name, tells in labels.items() if not tells),
        tuple(name for name in _said(problem) if not _matters(problem, name)),
        _observables(problem),
    )


def _said(problem: "Problem") -> dict[str, list[Any]]:
    """What the config says of each quantity, for all rows and of single solutions."""
    out: dict[str, list[Any]] = {}
    for said in (problem.recipe.get("quantities", {}), *problem.recipe.get("solutions", {}).values()):
        for name, spec in said.items():
            out.setdefault(name, []).append(spec.total if isinstance(spec, Swap) else spec)
    return out


def _telling(problem: "Problem") -> set[str]:
    """The label columns by which anything is given."""
    specs = [spec for said in _said(problem).values() for spec in said]
    columns = {c for spec in specs if isinstance(spec, Latent) for c in spec.columns}
    columns |= {"solution"} if problem.recipe.get("solutions") else set()
    return columns | ({"protocol", "baseline"} if problem.model.setting.cell is not None else set())


def _matters(problem: "Problem", of: str) -> bool:
    """Whether the density depends on a quantity: the model has it, or what follows from a whole solution."""
    specs = [spec for said in _said(problem).values() for spec in said]
    of_solutions = any(isinstance(spec, Davies | Junction) for spec in specs)
    return of in problem.slots or of_solutions and kind(of).what == "concentration" and is_ion(kind(of).of)


def _stem(name: str) -> str:
    """The quantity and part of a column, in whatever spelling it is written."""
    return split_unit(plain_name(name) or name)[0]


def _observables(problem: "Problem") -> tuple[str, ...]:
    """The observables by which every column that is a reading, and that the model predicts, would be read."""
    asked = problem.config.get("observables") or problem.observables
    m = problem.measurements
    stems = dict.fromkeys(_stem(name) for name in m.ignored if name not in m.wanted.ignore)
    others = [stem for stem in stems if kind(stem).is_unasked_reading and stem not in asked]
    predicted = readable(problem.model, others) if others else []
    others = [stem for stem in others if stem in predicted]
    return (*asked, *others) if others else ()


def _is_idle(problem: "Problem", stem: str) -> bool:
    """Whether the density does not depend on a column: its quantity is not the model's, or its spread is not used."""
    m, (of, part) = problem.measurements, split_part(stem)
    of, part = (stem, "value") if stem in m.quantities else (of, part)
    if of in m.quantities:
        partner = _NEEDS.get(of)
        unsaid = partner is not None and partner not in {*m.quantities, *problem.recipe.get("quantities", {})}
        return not _matters(problem, of) or unsaid
    with_sem = bool(np.isfinite(m.sem).all())
    return with_sem and problem.recording.exact and part in ("sd", "n")
