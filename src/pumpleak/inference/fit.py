"""Fit by gradient: the posterior's mode or the likelihood's, from many starts at once, with L-BFGS."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..engines.fisher import fisher_information
from ..engines.information import Information
from ..engines.minimise import Optimum, distinct_optima, from_starts, objective_of
from ..errors import InputError
from ..problem.causes import no_answer
from ..problem.problem import Problem
from ..problem.rules import check_problem, check_unknowns
from ..problem.settings import FIT, check_limits
from ..quantities.units import with_unit
from ..text import significant
from ..traced import program

Z95 = 1.959963984540054
# The least curvature from which an error is taken. Coordinates are in prior widths. A likelihood curved less than
# the prior would be says nothing of its own. A posterior may be curved a little less than its prior, where the
# likelihood is concave the wrong way; one ten times as wide is no peak.
_LEAST = {"ml": 0.99, "map": 0.01}
_STEP = 1e-3  # prior widths, of differences between slopes: an integration is good to 1e-7


@dataclass(frozen=True)
class Estimate:
    """One fitted parameter element, in its canonical unit.

    Attributes:
        name, unit: as in the problem.
        value: the best value.
        se: standard error by the delta method from the curvature at the optimum, on the scale without bounds:
            of a positive unknown se/value is that of ln x. ``map``: of the normal that touches the posterior at
            its mode; NaN at a bound, and where the mode is no peak (`Fit.no_peak`). ``ml``: of the likelihood;
            NaN at a bound, and where the data do not determine it.
        low, high: 95 % interval, symmetric on the scale without bounds; NaN likewise.
        share: the data's share in its precision, 0 (prior alone) to 1.
        at_bound: the name of the bound it lies at, or "".

    Example:
        >>> from pumpleak import fit, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> best = fit(problem).estimates[0]
        >>> print(f"{best.name}: {best.low:.4f} to {best.high:.4f}, of which the data's share is {best.share:.2f}")
        P_Na_rel: 0.0255 to 0.0349, of which the data's share is 0.99
    """

    name: str
    unit: str
    value: float
    se: float
    low: float
    high: float
    share: float
    at_bound: str


@dataclass(frozen=True)
class Fit:
    """What `fit` found.

    Attributes:
        problem: what was fitted.
        method: ``map`` or ``ml``.
        estimates: one a parameter element, at the best optimum.
        optima: the distinct optima, best first.
        waterfall: (starts,) objectives in rising order; inf where a start failed.
        failed: how many starts found no optimum.
        flat: the best objective is reached at clearly different values: a flat valley.
        information: what the data determine, at the best optimum.
        sites: natural values of the sampled sites at the best optimum.
        predicted: (N,) predicted readings there.
        no_peak: the elements along which the posterior (``map``) is flat or rises at the best optimum, or that the
            likelihood (``ml``) leaves open, each alone or with others; those at a bound apart. They have no errors.

    Example:
        >>> from pumpleak import fit, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> found = fit(problem)
        >>> print(found.method, len(found.optima), found.flat, found.predicted.round(1))
        map 1 False [-73.]
    """

    problem: Problem
    method: str
    estimates: tuple[Estimate, ...]
    optima: tuple[Optimum, ...]
    waterfall: np.ndarray
    failed: int
    flat: bool
    information: Information
    sites: dict[str, np.ndarray]
    predicted: np.ndarray
    no_peak: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Estimate:
        return next(e for e in self.estimates if e.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Plain data: the estimates, the optima and the finding in words."""
        return {
            "title": self.problem.title,
            "method": self.method,
            "words": self.words(),
            "estimates": [asdict(e) for e in self.estimates],
            "optima": [asdict(o) for o in self.optima],
            "starts": len(self.waterfall),
            "failed": self.failed,
            "flat": self.flat,
            "information": {"names": self.information.names, "eigenvalues": self.information.eigenvalues},
        }

    def words(self) -> list[str]:
        """The finding in sentences, the most important first."""
        n, k = len(self.waterfall), len(self.optima)
        out = []
        undetermined = self.information.words()
        if self.method == "ml" and self.no_peak:
            out.append(
                f"By the likelihood alone {', '.join(self.no_peak)} {'are' if len(self.no_peak) > 1 else 'is'} not "
                "determined: the interval is open, as others that nothing holds can make up for any value."
            )
            out += [t.words() for t in self.information.trade_offs()]
        elif self.information.full_rank:
            out.append("The data determine every parameter.")
        else:
            out += undetermined
            out.append(
                "Standard errors are given only for what the likelihood holds by itself."
                if self.method == "ml"
                else "Errors are the posterior's at its mode; where the data say little, they are the prior's."
            )
        if self.method == "map" and self.no_peak:
            out.append(
                f"At the best optimum the posterior is flat or rises along {', '.join(self.no_peak)}: no error is given "
                "there, and the other errors hold that direction fixed. Use infer for these."
            )
        if self.failed == n:
            return ["No start reached an optimum: the model has no answer anywhere near the prior."]
        found = f"{n - self.failed} of {n} starts reached an optimum"
        if self.flat:
            out.append(f"{found}; the best is a flat valley, reached at clearly different values.")
        elif k == 1:
            out.append(f"{found}, all the same one.")
        else:
            gap = self.optima[1].objective - self.optima[0].objective
            out.append(f"{found}; {k} distinct optima, the second worse by {significant(gap)} nats.")
        out += [f"{e.name} lies at {e.at_bound}." for e in self.estimates if e.at_bound]
        return out


def fit(
    problem: Problem,
    *,
    method: Literal["map", "ml"] = "map",
    starts: int | None = None,
    max_steps: int | None = None,
    seed: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Fit a problem's parameters by gradient descent (L-BFGS) from many starts under one `vmap`.

    ``map`` climbs the potential that NUTS samples (the posterior density on the unconstrained scale);
    ``ml`` the likelihood, with the terms of measured inputs (number ± sd), which are data.

    Args:
        problem: the problem.
        method: ``map`` or ``ml``.
        starts: how many starts, drawn from the prior; at least 32.
        max_steps: L-BFGS steps a start.
        seed: of the starts.
        progress: called with the number of starts that have ended and how many there are.

    Returns:
        The `Fit`: estimates, waterfall of optima, and in words what the data leave open.

    Raises:
        ValueError: fewer than 32 starts, or an unknown method.
        InputError: no reading or no parameter to fit, or no start reached an optimum.

    References:
        Liu & Nocedal 1989, Math. Program. 45:503, doi 10.1007/BF01589116 (L-BFGS).

    Example:
        >>> from pumpleak import fit, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> best = fit(problem)["P_Na_rel"]
        >>> print(f"{best.value:.4f} ± {best.se:.4f}")
        0.0298 ± 0.0024
    """
    check_problem(problem)
    settings = asdict(FIT) | problem.config.get("fit", {})
    given = {"starts": starts, "max_steps": max_steps, "seed": seed}
    settings |= {k: v for k, v in given.items() if v is not None}
    _check(problem, method, settings["starts"])
    check_limits(seed=settings["seed"])
    with jax.enable_x64(True):
        objective = objective_of(problem, method)
        rng = np.random.default_rng(settings["seed"])
        u0 = jnp.asarray(problem.unconstrain(problem.prior_draws(rng, settings["starts"])))
        u, value, gradient = from_starts(
            objective,
            u0,
            settings["max_steps"],
            apart=problem.model.integrates,
            progress=lambda done: progress(done, len(u0)),
        )
        good = np.isfinite(value) & (gradient < 1e-3 * (1 + np.abs(value)))
        if not np.isfinite(value).any():
            raise no_answer(problem)
        if not good.any():
            raise InputError(
                f"none of {settings['starts']} starts reached an optimum",
                mend="Check the priors and the table's units",
            )
        order = np.argsort(np.where(good, value, np.inf))
        u, value = u[order], np.where(good, value, np.inf)[order]
        sites = {k: np.asarray(v) for k, v in problem.constrain(jnp.asarray(u[0])).items()}
        information = fisher_information(problem, sites)
        groups, flat = distinct_optima(objective, u[: good.sum()], value[: good.sum()], information.full_rank)
        estimates, no_peak = _estimates(problem, method, u[0], sites, information, objective)
        predicted = np.asarray(program(lambda sites: problem.reading_distribution(sites)[0].loc)(sites))
        optima = tuple(_optimum(problem, u[g[0]], value[g[0]], len(g)) for g in groups)
    failed = int((~good).sum())
    return Fit(
        problem=problem,
        method=method,
        estimates=estimates,
        optima=optima,
        waterfall=value,
        failed=failed,
        flat=flat,
        information=information,
        sites=sites,
        predicted=predicted,
        no_peak=no_peak,
    )


def _check(problem: Problem, method: str, starts: int) -> None:
    """Refuse a fit that cannot be, or that too few starts would make."""
    if method not in ("map", "ml"):
        raise ValueError(f"method must be 'map' or 'ml', not {method!r}")
    check_limits(starts=starts)
    if not problem.n_readings:
        raise InputError(
            "there is no reading to fit",
            mend=f"Fill in a column {' or '.join(with_unit(o, problem.unit_of(o)) for o in problem.observables)}",
            file=problem.measurements.file,
        )
    pooled = [p.name for p in problem.parameters if p.spread is not None]
    if method == "ml" and pooled:
        raise InputError(
            f"the pooled levels of {', '.join(pooled)} have no maximum likelihood without their population",
            mend="Use the method map, or leave out pooled",
        )
    check_unknowns(problem, "there is nothing to fit")


def _optimum(problem: Problem, u: np.ndarray, objective: float, starts: int) -> Optimum:
    """What `starts` starts found at the point `u`."""
    natural = problem.natural(problem.constrain(jnp.asarray(u)))
    return Optimum(float(objective), starts, {k: np.asarray(v) for k, v in natural.items()})


def _estimates(
    problem, method, u, sites, information, objective
) -> tuple[tuple[Estimate, ...], tuple[str, ...]]:
    """Estimates with errors from the curvature at the optimum; the elements along which a mode is no peak."""
    u = jnp.asarray(u)
    jacobian = np.asarray(program(jax.jacfwd(lambda u: problem.element_values(u)))(u))
    x = np.asarray(problem.element_values(u))
    hessian = _hessian(objective, u, problem.model.integrates)
    covariance, open_directions = _covariance(hessian, _LEAST[method])
    share_of = dict(zip(problem.layout.site_names, information.share, strict=True))
    out, no_peak, k = [], [], 0
    for p in problem.parameters:
        for name in p.element_names:
            prior = p.prior
            bound = _at_bound(x[k], prior)
            own = [v for n, v in share_of.items() if n.split("[")[0] in {s.name for s in p.sites}]
            share = share_of[name] if name in share_of else np.mean(own)
            row = jacobian[k]
            size = row @ row
            variance = row @ covariance @ row
            # What is left out may move a prior width or more. That must be little beside what is kept: an unknown
            # that the data hold tightly in one direction may owe its error to another.
            left_open = ((row @ open_directions) ** 2).sum() > 0.05 * min(size, variance)
            if left_open and not bound:
                no_peak.append(name)
            se = float(np.sqrt(variance)) if size > 0 and not left_open and not bound else np.nan
            low, high = _interval(x[k], se, prior)
            out.append(
                Estimate(
                    name=name,
                    unit=p.unit,
                    value=float(x[k]),
                    se=se,
                    low=low,
                    high=high,
                    share=float(share),
                    at_bound=bound,
                )
            )
            k += 1
    return tuple(out), tuple(no_peak)


def _hessian(objective, u, integrates: bool) -> np.ndarray:
    """Second derivatives (D, D) at u; where time is followed, central differences of slopes, to some 1e-6."""
    if not integrates:
        return np.asarray(program(jax.hessian(objective))(u))
    slope, step = program(jax.grad(objective)), _STEP * jnp.eye(len(u))
    rows = [(np.asarray(slope(u + e)) - np.asarray(slope(u - e))) / (2 * _STEP) for e in step]
    return (np.array(rows) + np.array(rows).T) / 2


def _covariance(hessian: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Covariance on the directions curved by more than `least`, and the other directions, in columns.

    One flat direction, such as a scatter of 0, must not cost the other parameters their errors.
    """
    # A coordinate without a curvature of its own is held where it is; what is left must be finite.
    lost = ~np.isfinite(np.diag(hessian))
    lost |= (~np.isfinite(hessian) & ~lost).any(axis=1)
    values, vectors = np.linalg.eigh(np.where(lost[:, None] | lost, 0.0, hessian))
    kept = values > max(least, len(values) * np.finfo(float).eps * values.max())
    return (vectors[:, kept] / values[kept]) @ vectors[:, kept].T, vectors[:, ~kept]


def _at_bound(x: float, prior) -> str:
    width = prior.upper - prior.lower
    scale = width if np.isfinite(width) else max(abs(prior.quantile(0.5)), 1e-300)
    if np.isfinite(prior.lower) and x - prior.lower < 1e-4 * scale:
        return f"its lower bound {significant(prior.lower, 6)}"
    if np.isfinite(prior.upper) and prior.upper - x < 1e-4 * scale:
        return f"its upper bound {significant(prior.upper, 6)}"
    return ""


def _interval(x: float, se: float, prior) -> tuple[float, float]:
    """95 %, symmetric on the scale without bounds."""
    if not np.isfinite(se):
        return float("nan"), float("nan")
    step = 1e-6 * se
    slope = (prior.unbounded(x + step) - prior.unbounded(x - step)) / (2 * step)
    ends = prior.bounded(prior.unbounded(x) + np.array([-1, 1]) * Z95 * se * slope)
    return float(ends.min()), float(ends.max())
