"""What is found of a posterior, as data: `words` says it, and nothing that decides reads a sentence."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a finding says; `words.WORDS` has a sentence of each."""

    # whether the draws can be trusted
    chains_disagree = "chains disagree"
    few_draws = "few draws"
    loose_ends = "loose ends"
    diverged = "diverged"
    diverged_harmlessly = "diverged harmlessly"
    chains_agree = "chains agree"
    heavy_weights = "heavy weights"
    few_weighted = "few weighted draws"
    weights_hold = "weights hold"
    a_look = "a look"
    prior_without_answer = "prior without answer"
    left_domain = "left domain"
    after_importance = "after importance sampling"
    retried = "retried"
    # what the data determine; the first four are `LEVELS`
    determined = "determined"
    narrowed = "narrowed"
    barely_touched = "barely touched"
    untouched = "untouched"
    moved = "moved"
    trade_off = "trade off"
    far_from_prior = "far from prior"
    prior_conflict = "prior conflict"
    would_add = "would add"
    # whether the model fits
    clearly_fails = "clearly fails"
    strains = "strains"
    wrong_sign = "wrong sign"
    leans = "leans"
    unexplained = "unexplained"
    one_reading = "one reading"
    one_bath = "one bath"
    errors_too_small = "errors too small"
    extra_scatter = "extra scatter"
    wide_scatter = "wide scatter"
    taken_as_outlier = "taken as an outlier"
    scatters_more = "scatters more"
    levels_differ = "levels differ"
    order_matters = "order matters"
    as_expected = "as expected"
    no_test = "no test"
    inferred_scatter = "inferred scatter"
    decisive_readings = "decisive readings"
    rival_junction = "rival: junction potential"
    rival_others = "rivals: others"


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: what it says.
        parameters: the parameters, or the readings, that it is about.
        numbers: the figures behind it, by name.
    """

    kind: Kind
    parameters: tuple[str, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)
