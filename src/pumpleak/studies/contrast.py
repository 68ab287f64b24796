"""Contrast: how much a quantity differs between levels of a column, with an interval, from an inference's draws."""

from collections.abc import Collection, Sequence

import numpy as np

from ..errors import InputError, unknown
from ..inference.answer import called, reference_ion
from ..inference.result import INTERVAL, Result, check_is_result
from ..quantities.language import unknown_name
from ..quantities.names import safe_name
from ..reports.document import Picture, Table
from ..reports.provenance import origin_of_result
from ..reports.study import Study
from ..text import percent, significant

_MOST = 12  # levels that are all shown when none are named


def contrast(result: Result, parameter: str, between: str | Sequence[str] | None = None) -> Study:
    """Compare levels of one quantity: the first of `between` (or each but the last) with the last.

    Of a positive quantity the contrast is ``ln x_a − ln x_b``, and told as the ratio x_a/x_b; of any other it is
    x_a − x_b. It is taken draw by draw, so whatever the levels share (a bath, an offset, the pooled cells' spread) is
    in its interval. Levels of a population's column (``by: [genotype, cell]``) are compared as populations: their
    cells are pooled about them.

    Args:
        result: from `infer` or `load_result`.
        parameter: the quantity, e.g. ``P_Cl_rel``, or a parameter's own name, e.g. ``P_Cl_rel_genotype``.
        between: two levels or more, the last the reference, in a list or in one text with commas between them (a level
            may hold commas itself); all levels of the parameter by default, the first the reference.

    Returns:
        A `Study` with a row a contrast: its median and 95 % equal-tailed interval, that of the prior, the
        probability of being above 0, and how sure the sign is.

    Raises:
        InputError: there is no such parameter or level, or only one.

    References:
        Gelman, Hill & Yajima 2012, J. Res. Educ. Eff. 5:189-211, doi 10.1080/19345747.2011.618213 (partial pooling
        makes many comparisons cautious by itself).

    Example:
        >>> import pandas as pd
        >>> from pumpleak import Latent, contrast, infer, lognormal, make_problem, read_table
        >>> columns = {"T_degC": 22.0, "K_o_mM": 5.0, "K_i_mM": 140.0, "Na_o_mM": 145.0, "Na_i_mM": 10.0}
        >>> readings = {"genotype": ["mutant", "control"], "V_m_mV": [-60.0, -75.0], "V_m_sem_mV": [1.0, 1.0]}
        >>> table = read_table(pd.DataFrame(readings | columns))
        >>> prior = Latent(lognormal(0.05, 3), by="genotype")
        >>> result = infer(make_problem(table, {"P_Na_rel": prior, "extra_V_m": 0.0}), engine="importance", seed=1)
        >>> contrast(result, "P_Na_rel", ["mutant", "control"]).verdict.rpartition(": ")[2]
        'it is higher in mutant than in control.'
    """
    check_is_result(result)
    variable, levels = _find(result, parameter, between)
    unit = str(result.table.loc[f"{variable}[{levels[0]}]", "unit"])
    posterior, prior = (_levels(result, group, variable, levels) for group in ("posterior", "prior"))
    ratio = bool((prior > 0).all() and (posterior > 0).all())
    if ratio:
        posterior, prior = np.log(posterior), np.log(prior)
    reference = levels[-1]
    rows, numbers = [], {}
    for k, level in enumerate(levels[:-1]):
        found = _summary(posterior[:, k] - posterior[:, -1], prior[:, k] - prior[:, -1])
        numbers[level] = found | {"draws": len(posterior)}
        shown = np.exp if ratio else lambda x: x
        values = [float(shown(found[q])) for q in ("median", "low", "high", "prior_low", "prior_high")]
        rows.append(
            (f"{level} against {reference}", *values, found["above"], found["low"] * found["high"] > 0)
        )
    name = "ratio" if ratio else "difference"
    unit = "" if ratio or unit == "1" else unit
    columns = [("levels", ""), *((c, unit) for c in (name, "low", "high", "prior low", "prior high"))]
    table = Table.of(
        f"{variable}: {name}s between levels of {_column(result, variable)}",
        [*columns, ("probability of being higher", ""), ("told apart", "")],
        rows,
        f"Median and {percent(INTERVAL, close=True)} equal-tailed intervals; told apart: the interval does not hold "
        f"{'a ratio of 1' if ratio else 'a difference of 0'}. Draws that can be trusted, with 400 effective ones in the tails, "
        "place an end to within 7 % of half the interval (one standard error).",
    )
    said = called(variable, reference_ion(result.tree))
    words = [_words(said, level, reference, numbers[level], ratio, unit) for level in levels[:-1]]
    n_apart = sum(bool(row[-1]) for row in rows)
    if len(words) > 1:
        strongest = max(range(len(words)), key=lambda k: abs(_in_sd(numbers[levels[k]])))
        apart = f"{n_apart} of {len(rows)} levels are told apart from {reference} in {said}."
        words = [f"{words.pop(strongest)} {apart}", *words]
    if not result.verdict.usable:
        words.insert(0, f"Not yet to be believed. {result.verdict.headline}")
    picture = Picture.of(
        "contrast",
        f"{name.capitalize()}s of {variable} to that of {reference}, with the prior's.",
        lambda: _draw(rows, f"{name} of {variable}", unit, ratio),
    )
    return Study(
        verb="contrast",
        title=result.title,
        verdict=words[0],
        findings=tuple(words[1:]),
        tables=(table,),
        pictures=(picture,),
        numbers={
            "parameter": variable,
            "reference": reference,
            "scale": "ln" if ratio else unit,
            "contrasts": numbers,
        },
        trusted=result.verdict.usable,
        origins=(origin_of_result(result),),
    )


def _find(result: Result, parameter: str, between: str | Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    """The parameter's variable and the levels to compare, the reference last."""
    posterior = result.tree["posterior"]
    known = {
        str(n): tuple(map(str, posterior[v.dims[2]].values))
        for n, v in posterior.data_vars.items()
        if v.ndim > 2
    }
    own = [v for v in known if v == safe_name(parameter) or v.startswith(f"{safe_name(parameter)}_")]
    if not own:
        mend = None if known else "Give a quantity by: a column"
        raise unknown_name("parameter", parameter, known, within="with levels", mend=mend)
    if between is None:
        variable = min(own, key=lambda v: len(known[v]))
        found = known[variable]
        if not 2 <= len(found) <= _MOST:
            raise InputError(
                f"{variable} has {len(found)} levels",
                mend="Name those to compare, two at least, the reference last",
            )
        return variable, (*found[1:], found[0])
    if isinstance(between, str):
        between = _listed(between, {x for v in own for x in known[v]})
    if len(set(between)) < 2 or len(set(between)) < len(between):
        raise InputError(
            "a contrast is between two levels or more", mend="Name each once, the reference last"
        )
    for variable in own:
        if set(between) <= set(known[variable]):
            return variable, tuple(between)
    every = [x for v in own for x in known[v]]
    lost = next((b for b in between if b not in every), between[0])
    mend = "; ".join(f"{v} has {', '.join(known[v][:_MOST])}" for v in own)
    raise unknown("level", lost, every, within=f"of {parameter}", mend=mend)


def _listed(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The levels that a text lists with commas between them, which may stand in a level's own name too.

    Raises:
        InputError: the commas can be read in two ways.
    """
    pieces = text.split(",")
    ways: list[list[tuple[str, ...]]] = [[()]]  # of reading the first k pieces as levels
    for end in range(1, len(pieces) + 1):
        found = []
        for start in range(end):
            level = _named(",".join(pieces[start:end]), known)
            found += [(*way, level) for way in ways[start] if level is not None]
        ways.append(found[:2])
    if len(ways[-1]) > 1:
        first, second = (" | ".join(way) for way in ways[-1])
        raise InputError(
            f"the levels in '{text}' can be read as {first} and as {second}",
            mend="In Python, give `contrast` a list; or give the levels names without commas",
        )
    return ways[-1][0] if ways[-1] else tuple(x.strip() for x in pieces)


def _named(text: str, known: Collection[str]) -> str | None:
    """The level that a text means: itself, or without blanks or quotes around it; None: none."""
    bare = text.strip()
    quoted = bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"" else bare
    return next((x for x in (text, bare, quoted) if x in known), None)


def _levels(result: Result, group: str, variable: str, levels: Sequence[str]) -> np.ndarray:
    """Draws (S, levels) in this order."""
    values = result.tree[group][variable]
    names = list(map(str, values[values.dims[2]].values))
    return np.asarray(values).reshape(-1, len(names))[:, [names.index(x) for x in levels]]


def _column(result: Result, variable: str) -> str:
    return str(result.tree["posterior"][variable].dims[2])


def _summary(draws: np.ndarray, prior: np.ndarray) -> dict[str, float]:
    tail = (1 - INTERVAL) / 2
    low, median, high = np.quantile(draws, [tail, 0.5, 1 - tail])
    prior_low, prior_high = np.quantile(prior, [tail, 1 - tail])
    found = {"median": median, "low": low, "high": high, "sd": draws.std(ddof=1), "above": (draws > 0).mean()}
    found |= {"prior_low": prior_low, "prior_high": prior_high}
    return {k: float(v) for k, v in found.items()}


def _in_sd(found: dict[str, float]) -> float:
    return found["median"] / found["sd"] if found["sd"] > 0 else 0.0


def _words(variable: str, level: str, reference: str, found: dict, ratio: bool, unit: str) -> str:
    median, low, high = ((np.exp(found[k]) if ratio else found[k]) for k in ("median", "low", "high"))
    at, low, high = (significant(x, 2, sign=not ratio) for x in (median, low, high))
    range_ = f"({percent(INTERVAL, close=True)}: {low} to {high})"
    times = f"{at} times that of {reference} {range_}"
    size = times if ratio else f"that of {reference} {at} {unit} {range_}".replace("  ", " ")
    if found["low"] * found["high"] <= 0:
        return f"{variable} of {level} is {size}: the two are not told apart."
    way = "higher" if found["median"] > 0 else "lower"
    return f"{variable} of {level} is {size}: it is {way} in {level} than in {reference}."


def _draw(rows, name: str, unit: str, ratio: bool):
    from matplotlib.figure import Figure

    from ..reports.style import few_ticks

    figure = Figure(figsize=(6.0, 1.2 + 0.45 * len(rows)), layout="constrained")
    ax = figure.subplots()
    for k, (_, median, low, high, prior_low, prior_high, *_) in enumerate(rows):
        ax.plot(
            [prior_low, prior_high],
            [k, k],
            color="#CCCCCC",
            lw=7,
            solid_capstyle="butt",
            label="prior, 95 %" if k == 0 else None,
        )
        ax.plot([low, high], [k, k], color="#004C80", lw=2, label="posterior, 95 %" if k == 0 else None)
        ax.plot(median, k, "o", color="#004C80")
    ends = np.array([row[2:6] for row in rows])
    if ratio:
        ax.set_xscale("log")
        reach = np.log(ends[:, :2]).ravel()
        span = max(np.ptp([*reach, 0.0]), 0.3)
        ax.set_xlim(*np.exp([min(*reach, 0.0) - 0.5 * span, max(*reach, 0.0) + 0.5 * span]))
        few_ticks(ax, log=True)
    ax.axvline(1.0 if ratio else 0.0, color="#333333", lw=0.8, ls=":")
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(f"{name} ({unit})" if unit else name)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure
