"""Findings of a posterior in words: a sentence of each kind."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..engines.gate import END, ESS, PARETO_K, R_HAT
from ..quantities.names import as_read, kind, observable_unit
from ..text import counted, fixed, in_unit, interval, listing, percent, significant
from .findings import Finding, Kind

_MOST_LEVELS = 6  # of one parameter that are named one by one
#: Rungs of the ladder of engines that weigh points, in words.
WEIGHTED = {
    "importance": "importance sampling by points about the mode",
    "adapted": "importance sampling by points from a mixture fitted to earlier ones",
    "laplace": "a normal approximation at the mode (Laplace)",
}
LOOK = "A quick look by a normal approximation, not the posterior"
_NUTS = "Run NUTS (--engine nuts; in a config, sampler.engine)."


def say(finding: Finding) -> str:
    """The finding in a sentence or two."""
    return WORDS[finding.kind](finding)


def gathered(names: Iterable[str]) -> list[str]:
    """Names in words: of a parameter with more levels than anybody reads, how many there are."""
    names = list(names)
    levels = Counter(n.partition("[")[0] for n in names if "[" in n)
    shown = [n.partition("[")[0] if levels[n.partition("[")[0]] > _MOST_LEVELS else n for n in names]
    return [f"{n} ({levels[n]} levels)" if levels[n] > _MOST_LEVELS else n for n in dict.fromkeys(shown)]


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _names(f: Finding) -> str:
    return ", ".join(gathered(f.parameters))


# -- whether the draws can be trusted ------------------------------------------------------------------


def heavy(rung: str) -> str:
    """What is wrong with weights whose tail is heavy."""
    return "posterior is not near a normal" if rung == "laplace" else "importance weights' tail is too heavy"


def _mend(f: Finding, otherwise: str) -> str:
    return "Run NUTS (--engine nuts)." if f.numbers["rung"] == "hmc" else otherwise


def _chains_disagree(f: Finding) -> str:
    return (
        f"The chains disagree: R-hat of {f.parameters[0]} is {fixed(f.numbers['r_hat'], 3)} (at most {R_HAT} is needed). "
        + _mend(f, "Run more warm-up (sampler.warmup).")
    )


def _few_draws(f: Finding) -> str:
    return (
        f"Too few independent draws: {fixed(f.numbers['ess'], 0)} of {f.parameters[0]} (at least {fixed(ESS, 0)} are needed). "
        + _mend(f, "Raise sampler.draws.")
    )


def _loose_ends(f: Finding) -> str:
    what = (
        f"an end of the interval of {f.parameters[0]}, or its median, has a Monte Carlo error of "
        f"{percent(f.numbers['share'], 1, close=True)} of the interval's width (at most {percent(END)} is allowed)"
    )
    if f.numbers["rung"] in WEIGHTED:
        return _on_rung(f, what)
    return f"{capital(what)}: another run would print another end. {_mend(f, 'Raise sampler.draws.')}"


def _diverged(f: Finding) -> str:
    n, transitions = f.numbers["transitions"], f.numbers["of"]
    return (
        f"{n} of {transitions} transitions diverged ({percent(n / transitions, 1, close=True)}): part of the posterior may be missed. "
        + _mend(f, "Raise sampler.target_accept towards 0.99, or narrow the prior that lets a scale go to 0.")
    )


def _diverged_harmlessly(f: Finding) -> str:
    n, transitions = f.numbers["transitions"], f.numbers["of"]
    return (
        f"{n} of {transitions} transitions diverged ({percent(n / transitions, 1, close=True)}), which cost nothing that is printed: "
        f"were the draws around {'it' if n == 1 else 'them'} counted twice, no median and no interval's end would move by more than "
        f"{percent(f.numbers['move'], 1, close=True)} of the interval's width (at most {percent(END)} is allowed)."
    )


def _chains_agree(f: Finding) -> str:
    x = f.numbers
    none = "" if x.get("divergences") else ", no divergence"
    return (
        f"{x['chains']} chains of {x['draws']} draws agree: R-hat at most {fixed(x['r_hat'], 3)}, "
        f"at least {fixed(x['ess'], 0)} effective draws{none}."
    )


def _on_rung(f: Finding, what: str) -> str:
    rung = f.numbers["rung"]
    return f"Failed on the rung '{rung}', {WEIGHTED[rung]}: {what}. {_NUTS}"


def _heavy_weights(f: Finding) -> str:
    what = f"the {heavy(f.numbers['rung'])}, Pareto k-hat {fixed(f.numbers['k_hat'], 2)} (at most {PARETO_K} is needed)"
    return _on_rung(f, what)


def _few_weighted(f: Finding) -> str:
    what = f"too few effective draws, {fixed(f.numbers['ess'], 0)} of {f.parameters[0]} (at least {fixed(ESS, 0)} are needed)"
    return _on_rung(f, what)


def _weights_hold(f: Finding) -> str:
    x = f.numbers
    return (
        f"{capital(WEIGHTED[x['rung']])}: Pareto k-hat {fixed(x['k_hat'], 2)} (at most {PARETO_K} is needed), at least "
        f"{fixed(x['ess'], 0)} effective draws ({fixed(ESS, 0)} are needed). These are no chains, and have no R-hat."
    )


def _a_look(f: Finding) -> str:
    # A k-hat below the gate says that weights could correct these draws; nothing has.
    if f.numbers["correctable"]:
        return (
            f"{LOOK}: k-hat says that weights could make up for the difference, and none were used. {_NUTS}"
        )
    return f"{LOOK}."


def _prior_without_answer(f: Finding) -> str:
    return (
        f"The model has no answer in {percent(f.numbers['share'], 1, close=True)} of the prior draws (for a pump-leak cell: no steady "
        "state); the prior is conditioned on having one."
    )


def _left_domain(f: Finding) -> str:
    n, transitions = f.numbers["transitions"], f.numbers["of"]
    return (
        f"{n} of {transitions} transitions ({percent(n / transitions, 1, close=True)}) stopped at the edge of where the model has an answer. The density is 0 "
        "beyond it, and they count apart from divergences."
    )


def _after_importance(f: Finding) -> str:
    return (
        f"Importance sampling came first and did not pass its gate ({f.numbers['found']}; at most {PARETO_K}, at "
        f"least {fixed(ESS, 0)} and at most {percent(END)} are needed): these are NUTS's draws."
    )


# -- what the data determine ---------------------------------------------------------------------------


def _in_prior_sd(f: Finding) -> str:
    return ", ".join(f"{name} ({fixed(shift, 1, sign=True)} prior sd)" for name, shift in f.numbers.items())


def _odds(tail: float) -> str:
    """The share of a prior that lies at least as far out, as people say it."""
    n = 1 / max(tail, 1e-15)
    if n < 1e4:
        return f"1 in {float(significant(n, 2)):g}"
    power = str(round(math.log10(n))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{'less than ' if tail < 1e-15 else ''}1 in 10{power}"


def surprises(f: Finding) -> list[str]:
    """``K_i = 318 mM, which its prior puts at 1 in 10⁶``, each parameter that is in conflict."""
    out = []
    for name, place in zip(f.parameters, f.numbers["places"], strict=True):
        value, unit = place["median"], place["unit"]
        unit, shift = as_read(name, "" if unit == "1" else unit)
        shown = f"{name} = {significant(value + shift)} {unit}".rstrip()
        out.append(f"{shown}, which its prior puts at {_odds(place['prior_tail'])}")
    return out


def _prior_conflict(f: Finding) -> str:
    return (
        f"Data and priors contradict each other (p = {significant(f.numbers['p'], 2)}): {'; '.join(surprises(f))}. "
        "Commonly a junction potential that is missing or has the wrong sign, another temperature, a concentration or "
        "its unit, an ion that the model leaves out, or a prior that is too narrow."
    )


def _would_add(f: Finding) -> str:
    x = f.numbers
    return (
        f"One reading of {x['reading']} in '{x['condition']}', good to {percent(x['error'], close=True)}, would take about "
        f"{percent(x['share'], close=True)} of the variance that is left of {f.parameters[0]}."
    )


# -- whether the model fits ----------------------------------------------------------------------------


def _at(f: Finding, word: str) -> str:
    x = f.numbers
    return (
        f"The model {word} {f.parameters[0]}: read {significant(x['read'], 4)}, expected {significant(x['expected'], 4)} "
        f"(scatter {_measured(x, 'scatter', 2)}; predictive p = {significant(x['p'], 2)})."
    )


def _measured(x: Mapping[str, Any], key: str, digits: int) -> str:
    """A number of a finding in the unit of what was read."""
    return in_unit(significant(x[key], digits), x["unit"])


def _wrong_sign(f: Finding) -> str:
    x = f.numbers
    side = (
        f"at most {significant(x['most'], 2, sign=True)}"
        if x["read"] > 0
        else f"at least {significant(x['least'], 2, sign=True)}"
    )
    return (
        f"{f.parameters[0]} has the wrong sign for this model: measured {significant(x['read'], sign=True)} ± "
        f"{_measured(x, 'error', 2)}, and with any parameters the prior allows the model gives "
        f"{in_unit(side, x['unit'])}."
    )


def _leans(f: Finding) -> str:
    x = f.numbers
    return (
        f"The {x['readings']} readings alike to the model ({f.parameters[0]} among them) average {significant(x['read'], 4)}, where it "
        f"expects {_measured(x, 'expected', 4)} (predictive p = {significant(x['p'], 2)}): they lean to one side."
    )


def _unexplained(f: Finding) -> str:
    of = f" of {f.parameters[0]}" if f.parameters else ""
    return (
        f"The model explains only {percent(f.numbers['explained'], close=True)} of the spread between the readings{of}; the rest it "
        "calls scatter."
    )


def _p(p: float) -> str:
    """A p that has no floor: beyond one in a million nobody minds how far."""
    return f"p = {significant(p, 2)}" if p >= 1e-6 else "p below 1e-6"


def _extra_scatter(f: Finding) -> str:
    x = f.numbers
    return (
        f"The model does not fit within its errors: it takes {_measured(x, 'extra', 2)} of scatter beyond them "
        f"(typically {_measured(x, 'error', 2)}), so something it leaves out moves the readings by that much."
    )


def _one_reading(f: Finding) -> str:
    x = f.numbers
    text = (
        f"{f.parameters[0]} stands apart: read {in_unit(significant(x['read'][0], 4), x['unit'])}, where the other readings expect "
        f"{significant(x['expected'], 4)} ± {significant(x['sd'], 2)} ({_p(x['p'])}). Look that recording up."
    )
    return text + _as_outlier(x)


def _as_outlier(x: dict) -> str:
    """What `noise: outliers` would give, where it would put the reading aside; '' where it would not."""
    answers = "; ".join(
        f"{name} {significant(a[0])} ({interval(*a[1:])})" for name, a in list(x["answers"].items())[:3]
    )
    if not answers or not x["probability"] > 0.5:
        return ""
    return (
        f" With `noise: outliers` it is taken as an outlier (probability {significant(x['probability'], 2)}), and the "
        f"answer is about {answers}."
    )


def _one_bath(f: Finding) -> str:
    x = f.numbers
    apart = in_unit(significant(max(x["read"]) - min(x["read"]), 3), x["unit"])
    read = listing(
        [
            f"{n} ({in_unit(significant(y, 4), x['unit'])})"
            for n, y in zip(f.parameters, x["read"], strict=True)
        ]
    )
    return (
        f"Readings of one bath contradict each other: {read} differ by {apart}, "
        f"where readings scatter by {_measured(x, 'sd', 2)} ({_p(x['p'])}). With any "
        "parameters the model expects the same of them: look up these recordings, their solutions and their errors."
    )


def _errors_too_small(f: Finding) -> str:
    error, needed = (significant(f.numbers[k], 2) for k in ("error", "needed"))
    return (
        f"The standard errors (typically {error} mV) may be too small: {needed} mV would do, by which electrodes differ. Or "
        "something that the model leaves out moves the readings by so little."
    )


def _wide_scatter(f: Finding) -> str:
    x = f.numbers
    most = (
        f"; {f.parameters[0]} makes most of it: the others tell what it should be to {significant(x['without'], 2)} mV"
        if f.parameters
        else ""
    )
    return (
        f"Single readings scatter by {significant(x['median'], 2)} mV (sd), more than those of cells of one kind in one bath do "
        f"as a rule (up to {significant(x['usual'], 2)} mV){most}.{_as_outlier(x) if f.parameters else ''}"
    )


def _scatters_more(f: Finding) -> str:
    p = f.numbers["p"]
    said = "below 0.001" if p < 0.001 else f"= {significant(p, 2)}"
    return f"The readings together scatter more than the model allows (p {said})."


def _levels_differ(f: Finding) -> str:
    (column,), off = f.parameters, list(f.numbers["off"].items())
    shown = off if len(off) <= _MOST_LEVELS else [*off[:3], *off[-3:]]
    by = ", ".join(f"{x or '(blank)'} {significant(d, 2, sign=True)}" for x, d in shown)
    by = in_unit(by, f.numbers["unit"])
    return (
        f"Readings differ by {column}, which nothing is given by: on average they are off by {by} "
        f"(p = {significant(f.numbers['p'], 2)}). Give what may differ, `by: {column}`; the assumptions have the line."
    )


def _order_matters(f: Finding) -> str:
    x = f.numbers
    moved = in_unit(significant(x["moved"], 2, sign=True), x["unit"])
    drift = (
        " `drift_row_mV` or a column `time_min` with `drift_mV_min` describe a drift."
        if x["electrode"]
        else ""
    )
    return (
        f"Readings move by {moved} from the first row to the last beside what the model "
        f"expects (p = {significant(x['p'], 2)}): a drift, a rundown, or rows sorted by what is not said.{drift}"
    )


def _as_expected(f: Finding) -> str:
    x = f.numbers
    word = "Taken together the readings are" if x["least_p"] < 0.05 else "The readings are"
    return f"{word} what the model expects (predictive p from {significant(x['least_p'], 2)}, overall {significant(x['overall_p'], 2)})."


def _no_test(f: Finding) -> str:
    return (
        f"With {counted(f.numbers['unknowns'], 'unknown')} and {counted(f.numbers['readings'], 'reading')}, that it fits is no "
        "test of the model."
    )


def _inferred_scatter(f: Finding) -> str:
    (name,) = f.parameters
    scatter = in_unit(significant(f.numbers["median"], 2), observable_unit(kind(name).of))
    return (
        f"The scatter of single readings, {name} = {scatter}, was inferred "
        "from these readings: the model fits only if that is plausible for your cells."
    )


def _decisive_readings(f: Finding) -> str:
    return (
        f"Single readings decide much of the answer (Pareto k above {PARETO_K}): {', '.join(f.parameters)}; "
        "LOO is not reliable there."
    )


WORDS: dict[Kind, Callable[[Finding], str]] = {
    Kind.chains_disagree: _chains_disagree,
    Kind.few_draws: _few_draws,
    Kind.loose_ends: _loose_ends,
    Kind.diverged: _diverged,
    Kind.diverged_harmlessly: _diverged_harmlessly,
    Kind.chains_agree: _chains_agree,
    Kind.heavy_weights: _heavy_weights,
    Kind.few_weighted: _few_weighted,
    Kind.weights_hold: _weights_hold,
    Kind.a_look: _a_look,
    Kind.prior_without_answer: _prior_without_answer,
    Kind.left_domain: _left_domain,
    Kind.after_importance: _after_importance,
    Kind.retried: lambda f: (
        "These are the draws of a longer run with smaller steps: those before it did not pass this gate."
    ),
    Kind.determined: lambda f: f"Determined by the data (over 90 % of the prior variance gone): {_names(f)}.",
    Kind.narrowed: lambda f: f"Narrowed by the data, the prior still counts: {_names(f)}.",
    Kind.moved: lambda f: f"Moved by the data, though hardly narrowed: {_in_prior_sd(f)}.",
    Kind.barely_touched: lambda f: (
        f"Barely touched by the data; what is reported is nearly the prior: {_names(f)}."
    ),
    Kind.untouched: lambda f: f"The data said nothing about: {_names(f)}. What is reported is the prior.",
    Kind.trade_off: lambda f: f.numbers["of"].words(),
    Kind.far_from_prior: lambda f: f"Far from its prior, which deserves a second look: {_in_prior_sd(f)}.",
    Kind.prior_conflict: _prior_conflict,
    Kind.would_add: _would_add,
    Kind.clearly_fails: lambda f: _at(f, "clearly fails at"),
    Kind.strains: lambda f: _at(f, "strains at"),
    Kind.wrong_sign: _wrong_sign,
    Kind.leans: _leans,
    Kind.unexplained: _unexplained,
    Kind.one_reading: _one_reading,
    Kind.one_bath: _one_bath,
    Kind.errors_too_small: _errors_too_small,
    Kind.extra_scatter: _extra_scatter,
    Kind.wide_scatter: _wide_scatter,
    Kind.taken_as_outlier: lambda f: (
        f"{f.parameters[0]} is taken as an outlier (probability {significant(f.numbers['p'], 2)})."
    ),
    Kind.scatters_more: _scatters_more,
    Kind.levels_differ: _levels_differ,
    Kind.order_matters: _order_matters,
    Kind.as_expected: _as_expected,
    Kind.no_test: _no_test,
    Kind.inferred_scatter: _inferred_scatter,
    Kind.decisive_readings: _decisive_readings,
    Kind.rival_junction: lambda f: (
        "A rival explanation: no junction potential was corrected for. Changing the bath's ions changes it by "
        "millivolts; give LJP_mV for each solution (`junction_potential` computes it) and see whether the misfit stays."
    ),
    Kind.rival_others: lambda f: (
        "Other rivals: concentrations inside that moved with the bath, a permeability that depends on voltage or "
        "on the ion replaced, and transport the model leaves out (pump current, cotransport)."
    ),
}
