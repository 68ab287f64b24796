"""Label columns that nothing is given by: all their rows share one value, and the line that would tell them apart."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ..data.measurements import Measurements
from ..quantities.labels import FINEST, is_attribute, is_condition, is_of_readings, unit_rank
from ..text import listing
from .levels import Codes, Levels
from .parameters import Parameter, is_noise
from .same_names import listed, paired_line, yaml_text

MANY_READINGS, MANY_LEVELS = 3000, 100  # from which one problem may have been meant as a batch


def unused_labels(
    m: Measurements, used: Collection[str], condition: np.ndarray | None = None
) -> tuple[str, ...]:
    """Label columns with more than one level that nothing is given by, from genotypes to cells, then what was done to them.

    Left out are counts of readings and notes on them, ages, weights and the like, columns in which every row has a text of its own, and names of baths
    and treatments whose rows the model tells apart as it is.

    Args:
        m: the table.
        used: columns that are used.
        condition: (R,) a number for each condition of the model's quantities; None: not known.
    """
    out, levels = [], Levels(m)
    for column in m.groups:
        code, names = levels.codes(column)
        n = len(names) + bool((code < 0).any())
        if (
            column in used
            or n < 2
            or is_of_readings(column)
            or is_attribute(column)
            or (n == len(code) and unit_rank(column) is None)
        ):
            continue
        if condition is not None and is_condition(column) and _one_level_each(code, condition):
            continue
        out.append(column)
    return tuple(sorted(out, key=_place))


def _place(column: str) -> int:
    """Where a column stands: units from coarse to fine, then what was done to them."""
    rank = unit_rank(column)
    return FINEST + 1 if rank is None else rank


def _one_level_each(code: np.ndarray, condition: np.ndarray) -> bool:
    pairs = np.unique(np.stack([condition, code]), axis=1)
    return len(np.unique(pairs[0])) == len(pairs[0])


def lines_that_use(
    m: Measurements, unused: Sequence[str], quantity: str, by: Sequence[str] = (), scale: str | None = None
) -> tuple[str, ...]:
    """Lines of a config that tell the levels of unused columns apart: units within units, and treatments of the same units.

    Args:
        m: the table.
        unused: the columns.
        quantity: what may differ between their levels.
        by: the columns that it is given by already.
        scale: the factor by which a treatment changes it; None: there is none.

    Example:
        >>> import pandas as pd
        >>> from pumpleak import read_table
        >>> rows = {"genotype": ["WT", "WT", "KO"], "cell": ["a", "b", "c"], "K_o_mM": 5.0, "V_m_mV": [-70.0, -71.0, -60.0]}
        >>> print(*lines_that_use(read_table(pd.DataFrame(rows)), ("genotype", "cell"), "P_Na_rel"))
        P_Na_rel: {…, by: [genotype, cell], pooled: [cell]}
    """
    levels = Levels(m)
    rank = {c: unit_rank(c) for c in (*by, *unused)}
    units = sorted((c for c, r in rank.items() if r is not None), key=_place)
    units = [c for k, c in enumerate(units) if k + 1 == len(units) or not _alike(levels, c, units[k + 1])]
    crossed, others = [], []
    for column in unused:
        if rank[column] is None:
            finest = levels.of(tuple(units))[0] if units else None
            within = finest is not None and scale is not None and _varies_within(finest, levels.codes(column))
            (crossed if within else others).append(column)
    chain = [*others[:1], *units]
    lines = []
    if chain and {*chain} - {*by}:
        pooled = f", pooled: {listed(chain[1:])}" if chain[1:] else ""
        lines.append(f"{quantity}: {{…, by: {listed(chain) if chain[1:] else yaml_text(chain[0])}{pooled}}}")
    lines += [paired_line(str(scale), column, levels) for column in crossed]
    return tuple(lines)


def _alike(levels: Levels, a: str, b: str) -> bool:
    """Whether two columns divide the rows in the same way."""
    pairs = np.unique(np.stack([levels.codes(a).code, levels.codes(b).code]), axis=1)
    return all(len(np.unique(side)) == len(side) for side in pairs)


def _varies_within(units: Codes, other: Codes) -> bool:
    pairs = np.unique(np.stack([units.code, other.code]), axis=1)
    return len(np.unique(pairs[0])) < len(pairs[0])


def said_of_many(m: Measurements, unused: Sequence[str]) -> list[str]:
    """Of very many readings, of very many units that nothing tells apart: that this may be a batch, and how it is run.

    Args:
        m, unused: as `lines_that_use` takes them.
    """
    if len(m.row) < MANY_READINGS or not unused:
        return []
    levels = Levels(m)
    units = sorted(
        (c for c in m.groups if unit_rank(c) is not None and len(levels.codes(c).names) > 1), key=_place
    )
    *around, finest = units or [max(unused, key=lambda c: len(levels.codes(c).names))]
    # Cells that are counted afresh in each dish are told apart by both.
    by = (*(c for c in around if _varies_within(levels.codes(finest), levels.codes(c))), finest)
    count = len(levels.of(by)[0].names)
    if finest not in unused or count < MANY_LEVELS:
        return []
    told = listed(by) if by[1:] else yaml_text(finest)
    return [
        f"{len(m.row):,} readings of {count:,} levels of {listing(list(by))}, which nothing differs between: is this a batch,"
        f" one posterior for each? Write `batch: {{by: {told}}}` into the config, and run it by `pumpleak batch`."
    ]


def said_of_unused(
    m: Measurements,
    unused: Sequence[str],
    parameters: Sequence[Parameter],
    by: Mapping[str, Sequence[str]],
    scales: Collection[str],
) -> str:
    """That columns are not used, and the lines that would use them.

    Args:
        m, unused: as `lines_that_use` takes them.
        parameters: the unknowns.
        by: quantity -> the columns that it is given by.
        scales: the model's factors on a permeability or conductance.
    """
    free = [p.quantity for p in parameters if not is_noise(p)]
    share = next((q for q in free if q.endswith("_rel")), free[0] if free else None)
    verb = "is" if len(unused) == 1 else "are"
    text = f"{listing(list(unused))} {verb} not used: nothing differs between their levels"
    if len(unused) == 1:
        text = text.replace("their levels", "its levels")
    if share is None:
        return f"{text}."
    own = share.removesuffix("_rel") + "_scale"
    scale = own if own in scales else None
    lines = lines_that_use(m, unused, share, by.get(share, ()), scale)
    return f"{text}. To tell them apart: {'; '.join(f'`{x}`' for x in lines)}." if lines else f"{text}."
