"""A posterior's variance, shared out among the inputs that are uncertain and the readings."""

from dataclasses import dataclass

import numpy as np

from ...inference.result import INTERVAL
from ...problem.parameters import Parameter, is_noise
from ...problem.priors import Prior
from ...problem.problem import Problem
from ...quantities.names import safe_name
from .shares import expected_given, explained, shapley_shares

MOST_GROUPS = 8  # inputs told apart in a budget: 2⁸ regressions; the least are taken together
REST, OTHERS = "the readings", "others"
_BLOCKS = 10  # of draws, from whose spread a share's error is read


@dataclass(frozen=True)
class Share:
    """One input's part in the uncertainty of a target.

    Attributes:
        name: the parameter; ``others``; ``the readings`` for what remains when all inputs are known.
        known: what the problem says of it.
        share: Shapley share of the posterior variance [1]; all of a target's sum to 1.
        error: Monte Carlo standard error of `share`.
        removed: share of the variance that goes when this input alone is known exactly; NaN for the readings.
        low, high: the 95 % interval that would be left.
    """

    name: str
    known: str
    share: float
    error: float
    removed: float
    low: float
    high: float

    @property
    def of_input(self) -> bool:
        """Whether it is one input's, which could be measured: neither the readings' nor that of several."""
        return self.name not in (REST, OTHERS)


@dataclass(frozen=True)
class Budget:
    """Where the uncertainty of one target comes from.

    Attributes:
        target, unit: an element of the table.
        log: whether the variance is that of its logarithm.
        median, low, high: of its posterior, 95 % equal-tailed.
        sd: of its posterior, of the logarithm where `log`.
        shares: the largest first, the others last.
        together: the inputs behind ``others``.
        bent: by how much the smooth regression explains more than the linear one, of the worst input.
    """

    target: str
    unit: str
    log: bool
    median: float
    low: float
    high: float
    sd: float
    shares: tuple[Share, ...]
    together: tuple[str, ...]
    bent: float


def elements_of(problem: Problem) -> dict[str, Parameter]:
    """Element name -> its parameter, populations' means and spreads among them."""
    out = {}
    for p in problem.parameters:
        own = p.element_names if p.spread is None else (*(s.name for s in p.sites[:-1]), *p.element_names)
        out |= dict.fromkeys(own, p)
    return out


def budget_of(problem: Problem, draws: dict[str, np.ndarray], target: str) -> Budget:
    """The `Budget` of one target, from draws (chain, draw) of every element of the posterior.

    Shares are exact for a normal posterior: of the covariance on the scale where it is nearest to one (ln of
    what is positive). What goes when one input is known is by regression, which may be curved. The levels and the
    population that a target belongs to are no inputs, and neither is the noise.

    Args:
        problem: the problem.
        draws: element, as the posterior names it -> its draws.
        target: one of `elements_of`.
    """
    elements = elements_of(problem)
    element = elements[target]

    log = element.prior.positive
    x = draws[safe_name(target)].ravel()
    y = np.log(np.maximum(x, 1e-300)) if log else x
    groups: dict[str, list[np.ndarray]] = {}
    for name, p in elements.items():
        if not (p.name in element.lineage or element.name in p.lineage or is_noise(p)):
            groups.setdefault(p.name, []).append(_scaled(draws[safe_name(name)].ravel(), p.prior))
    columns = {k: np.stack(v, axis=1) for k, v in groups.items()}
    together = _least(y, columns)
    if together:
        columns[OTHERS] = np.concatenate([columns.pop(k) for k in together], axis=1)
    wide = np.concatenate([y[:, None], *columns.values()], axis=1)
    places, start = [], 0
    for v in columns.values():
        places.append(list(range(start, start + v.shape[1])))
        start += v.shape[1]

    def shares(rows: np.ndarray) -> np.ndarray:
        covariance = np.atleast_2d(np.cov(rows, rowvar=False))
        found = shapley_shares(covariance, places)
        return np.append(found, max(0.0, 1.0 - found.sum()))

    found = shares(wide)
    blocks = np.array([shares(b) for b in np.array_split(wide, _BLOCKS)])
    error = blocks.std(axis=0, ddof=1) / np.sqrt(_BLOCKS)
    covariance = np.atleast_2d(np.cov(wide, rowvar=False))
    tails = [(1 - INTERVAL) / 2, 0.5, (1 + INTERVAL) / 2]
    back = np.exp if log else np.asarray
    by_name = {p.name: p for p in problem.parameters}
    rows, bent = [], 0.0
    for k, (name, columns_of) in enumerate(columns.items()):
        fitted = expected_given(y, columns_of)
        removed = float(fitted.var() / y.var()) if y.var() > 0 else 0.0
        bent = max(bent, removed - explained(covariance, places[k]))
        low, _, high = back(np.quantile(y - fitted + fitted.mean(), tails))
        text = str(by_name[name].prior) if name in by_name else f"{len(together)} inputs"
        if name in by_name and by_name[name].prior.measured:
            text += ", measured"
        rows.append(
            Share(
                name=name,
                known=text,
                share=float(found[k]),
                error=float(error[k]),
                removed=removed,
                low=float(low),
                high=float(high),
            )
        )
    text = f"{problem.n_readings} of them"
    rows.append(
        Share(
            name=REST,
            known=text,
            share=float(found[-1]),
            error=float(error[-1]),
            removed=np.nan,
            low=np.nan,
            high=np.nan,
        )
    )
    rows.sort(key=lambda s: (s.name == OTHERS, -s.share))
    low, median, high = np.quantile(x, tails)
    return Budget(
        target=target,
        unit=element.unit,
        log=log,
        median=float(median),
        low=float(low),
        high=float(high),
        sd=float(y.std()),
        shares=tuple(rows),
        together=tuple(together),
        bent=bent,
    )


def _scaled(x: np.ndarray, prior: Prior) -> np.ndarray:
    """Where a posterior is nearest to normal: ln of what is positive without an upper bound."""
    return np.log(np.maximum(x, 1e-300)) if prior.positive and not np.isfinite(prior.upper) else x


def _least(y: np.ndarray, columns: dict[str, np.ndarray]) -> list[str]:
    """The inputs that matter least, alone and beside all others, where there are too many to tell apart."""
    if len(columns) <= MOST_GROUPS:
        return []
    wide = np.concatenate([y[:, None], *columns.values()], axis=1)
    covariance = np.atleast_2d(np.cov(wide, rowvar=False))
    owner = np.repeat(np.arange(len(columns)), [v.shape[1] for v in columns.values()])
    together = explained(covariance, np.arange(len(owner)))
    worth = [
        explained(covariance, np.flatnonzero(owner == k))
        + together
        - explained(covariance, np.flatnonzero(owner != k))
        for k in range(len(columns))
    ]
    names = list(columns)
    return [names[k] for k in sorted(np.argsort(worth)[: len(columns) - MOST_GROUPS + 1])]
