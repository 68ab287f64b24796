"""A name that occurs in two groups: one cell seen in both, or two that are called alike."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, unknown
from ..quantities.labels import are_counted, is_attribute, is_condition, is_of_readings, unit_rank
from ..quantities.names import kind
from .alike import alike
from .given import Given
from .levels import Codes, Levels
from .parameters import Latent

_FEW = 12  # levels of a column of whole numbers that may be groups
_REFERENCE = (
    r"^(control|ctrl|con|vehicle|baseline|before|pre|none|no |wt$|wild)|untreated|saline|\bacsf\b|ringer"
)
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"}


class Reuse(NamedTuple):
    """A level that occurs under two levels of another column.

    Attributes:
        column: that other column.
        level, first, second: the level's name, and under which two it occurs; "" is a blank.
        row: of the second.
    """

    column: str
    level: str
    first: str
    second: str
    row: int


def reused_name(
    of: str,
    units: Codes,
    others: Mapping[str, Codes],
    baths: np.ndarray,
    *,
    used: Collection[str] = (),
    always: bool = False,
) -> Reuse | None:
    """A unit that is found under several levels of a column which is likely to tell it from another of its name.

    A unit of a coarser kind (genotype, animal, plate, date) always tells. What was done to a cell (drug, solution) tells
    nothing where the config uses it; else, as a column of an unknown kind, it is doubtful where a cell has one bath
    twice, under two levels that other cells have as well.

    Args:
        of: the column whose levels are the units.
        units: they, as the config tells them apart.
        others: the other label columns.
        baths: (R,) a number for each bath.
        used: columns that the config uses.
        always: whether `of` holds units whatever it is called, as the cells of a batch.
    """
    rank = unit_rank(of)
    if (
        rank is None
        and not always
        and (is_condition(of) or is_of_readings(of) or not are_counted(units.names))
    ):
        return None
    for column, other in others.items():
        coarse = unit_rank(column)
        if is_of_readings(column) or is_attribute(column) or len(other.names) + (other.code < 0).any() < 2:
            continue
        if coarse is not None:
            if (rank is None or coarse < rank) and (found := under_two(units, other, column)):
                return found
        elif rank == 0 and are_counted(other.names):
            continue  # cells of a genotype, whatever they are called
        elif column != "solution" and not (is_condition(column) and column in used):
            crossed = _crossed(units, other, baths)
            if crossed is not None:
                return Reuse(column, units.names[units.code[crossed[1]]], *_named(other, crossed), crossed[1])
    return None


def under_two(units: Codes, other: Codes, column: str) -> Reuse | None:
    """The first unit that another column has under two names."""
    rows = np.flatnonzero(units.code >= 0)
    code = units.code[rows]
    first = np.zeros(len(units.names), int)
    first[code[::-1]] = rows[::-1]
    for i in rows[other.code[rows] != other.code[first[code]]][:1]:
        at = (int(first[units.code[i]]), int(i))
        return Reuse(column, units.names[units.code[i]], *_named(other, at), at[1])
    return None


def _named(other: Codes, rows: tuple[int, int]) -> tuple[str, str]:
    a, b = ("" if other.code[i] < 0 else other.names[other.code[i]] for i in rows)
    return a, b


def _crossed(units: Codes, other: Codes, baths: np.ndarray) -> tuple[int, int] | None:
    """Two rows of one unit in one bath, under two levels that other units have too; None: there are none."""
    rows = np.flatnonzero((units.code >= 0) & (other.code >= 0))
    pairs = np.unique(np.stack([other.code[rows], units.code[rows]]), axis=1)
    common = np.bincount(pairs[0], minlength=len(other.names)) > 1
    if all(
        x.lstrip("-").isdigit() for x in other.names
    ):  # or a number noted at each reading would be a group
        full = len(pairs[0]) == len(np.unique(pairs[0])) * len(np.unique(pairs[1]))
        if len(other.names) > _FEW or not full:
            return None
    rows = rows[common[other.code[rows]]]
    seen: dict[tuple[int, int], int] = {}
    for i in rows:
        j = seen.setdefault((int(units.code[i]), int(baths[i])), int(i))
        if other.code[j] != other.code[i]:
            return j, int(i)
    return None


def check_same_names(
    given: Given, levels: Levels, chains: Mapping[tuple[str, ...], tuple[str, Latent]], scales: Sequence[str]
) -> None:
    """Refuse a name that occurs in two groups, where nobody says whether it is one cell.

    Args:
        given: what the table and the config say.
        levels: of the table's label columns.
        chains: columns by which quantities are given, from the outermost on -> the first of them, and what is written.
        scales: the model's factors on a permeability or conductance.

    Raises:
        InputError: names row, level and both groups, and what to write of one cell and of two.
    """
    m = given.m
    same, used = said_same(given.same_cells, m.groups), {c for columns in chains for c in columns}
    baths = alike(len(m.labels), [*baths_of(m.quantities), levels.codes("solution").code])[0]
    for columns, (quantity, latent) in chains.items():
        crossed = len(columns) > 1 and given.same_cells is not False
        if crossed and (unit_rank(columns[-2]) is None or columns[-2] in same):
            units = levels.of((*columns[:-2], columns[-1]), None)[0]
            found = under_two(units, levels.codes(columns[-2]), columns[-2])
            if found is not None and found.first:
                pooled = ", pooled: true" if latent.pooled else ""
                by = columns[-1] if len(columns) == 2 else listed([*columns[:-2], columns[-1]])
                line = f"{quantity} `by: {by}{pooled}` and {_factor(quantity, columns[-2], levels, scales)}"
                mends = [
                    f"If one {columns[-1]} had both, write {line}",
                    "If they are two, `same_cells: false`",
                ]
                raise refusal(found, columns[-1], mends, **given.where(found.row))
        units = levels.of(columns, latent.reference)[0]
        within = {c for other in chains if other[: len(columns)] == columns for c in other}
        others = {c: levels.codes(c) for c in m.groups if c not in within and c not in same}
        found = reused_name(columns[-1], units, others, baths, used={*used, "protocol", "baseline"})
        if found is not None:
            by = apart(columns, found.column)
            pooled = f", pooled: {listed(by[by.index(found.column) + 1 :])}" if latent.pooled else ""
            one = f"`same_cells: {listed([found.column])}`"
            if is_condition(found.column):
                one += f", and what {found.column} changes {_factor(quantity, found.column, levels, scales)}"
            two = f"If they are two, write {quantity} `by: {listed(by)}{pooled}`"
            if unit_rank(found.column) is None:  # or it would be asked about as one cell that had both
                two += " and `same_cells: false`"
            mends = [two, f"If it is one, {one}"]
            mends = mends[::-1] if is_condition(found.column) else mends
            raise refusal(found, columns[-1], mends, **given.where(found.row))


def baths_of(quantities: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The columns by which a cell's baths differ, and what is blocked in them."""
    return [v for q, v in quantities.items() if kind(q).of_bath or kind(q).ratio == "scale" or q == "pump"]


def paired_line(quantity: str, column: str, levels: Levels) -> str:
    """The line of a config that says what a column changes in the same cells, against its first level."""
    names = levels.codes(column).names
    reference = next((x for x in names if re.search(_REFERENCE, x, re.IGNORECASE)), names[0])
    prior = (
        f"prior: lognormal, median: 1, factor: 3, by: {yaml_text(column)}, reference: {yaml_text(reference)}"
    )
    return f"{quantity}: {{{prior}}}"


def _factor(quantity: str, column: str, levels: Levels, scales: Sequence[str]) -> str:
    """What a column changes, as a line of its own: the factor on this quantity, or an example where it has none."""
    own = quantity.removesuffix("_rel") + "_scale"
    if own in scales:
        return f"`{paired_line(own, column, levels)}`"
    return f"`by: {column}`" + (f", e.g. `{paired_line(scales[0], column, levels)}`" if scales else "")


def apart(of: Sequence[str], column: str) -> list[str]:
    """The columns by which units are told apart with one more, from the coarsest to the finest."""

    def rank(c: str) -> int:
        found = unit_rank(c)
        return -1 if found is None else found

    outer = sorted((*of[:-1], column), key=rank)
    return [*outer, of[-1]]


def refusal(found: Reuse, of: str, mends: Sequence[str], **where: Any) -> InputError:
    """What is said of a name that occurs in two groups."""
    first, second = (
        f"{found.column} {x}" if x else f"no {found.column}" for x in (found.first, found.second)
    )
    problem = f"{of} {found.level} is in {first} and in {second}: one {of}, or two of one name"
    return InputError(problem, mend=". ".join(mends), column=of, **where)


def said_same(same_cells: bool | Sequence[str] | None, columns: Collection[str]) -> set[str]:
    """The columns across which a name is one unit, as the config says.

    Raises:
        InputError: it names a column that the table does not have.
    """
    if isinstance(same_cells, bool) or same_cells is None:
        return set(columns) if same_cells else set()
    for name in same_cells:
        if name not in columns:
            raise unknown("text column", name, columns, within="in the table", column="same_cells")
    return set(same_cells)


def listed(columns: Sequence[str]) -> str:
    """A list of columns as YAML has it."""
    return f"[{', '.join(map(yaml_text, columns))}]"


def yaml_text(text: str) -> str:
    """A text as YAML reads it back, quoted where it must be."""
    plain = re.fullmatch(r"[^\W\d_]([\w .-]*\w)?", text) and text.lower() not in _YAML_WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
