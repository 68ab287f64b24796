"""Priors as data: one small record that NumPyro samples, SciPy evaluates and the report prints."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from . import priors

KINDS = ("normal", "lognormal", "halfnormal", "uniform", "beta")


@dataclass(frozen=True)
class Prior:
    """What is believed of one unknown before the data, in canonical units.

    Made by `normal`, `lognormal`, `halfnormal`, `uniform` or `beta`, not directly.

    Attributes:
        kind: one of `KINDS`.
        a, b: mean and sd (normal); ln median and ln factor (lognormal); 0 and sd (halfnormal);
            the two shapes (beta); unused (uniform).
        lower, upper: the interval outside which the density is 0.
        measured: True for a number ± sd that somebody measured. Maximum likelihood keeps such a
            term, because it is data; it drops the other priors.

    Raises:
        ValueError: a number outside its domain, or bounds that are swapped.

    Example:
        >>> from pumpleak import lognormal
        >>> prior = lognormal(0.05, 3, upper=1.0)
        >>> print(prior.kind, "with", prior)
        lognormal with median 0.05, factor 3 within [0, 1]
    """

    kind: str
    a: float = 0.0
    b: float = 1.0
    lower: float = -math.inf
    upper: float = math.inf
    measured: bool = False

    def __post_init__(self):
        if math.isnan(self.a) or self.kind == "uniform" and not math.isfinite(self.upper - self.lower):
            numbers = f"{self.lower:g} and {self.upper:g}" if self.kind == "uniform" else f"{self.a:g}"
            raise ValueError(f"a {self.kind} prior needs finite numbers, not {numbers}")
        if not self.lower < self.upper:
            raise ValueError(
                f"the bounds of a {self.kind} prior are swapped or equal: "
                f"lower {self.lower:g}, upper {self.upper:g}"
            )
        if self.kind != "uniform" and not (math.isfinite(self.a) and 0 < self.b < math.inf):
            raise ValueError(f"a {self.kind} prior needs a spread above 0, not {self.b:g}")

    @property
    def params(self) -> np.ndarray:
        """The four numbers (a, b, lower, upper), which may differ from cell to cell in a batch."""
        return np.array([self.a, self.b, self.lower, self.upper])

    @property
    def truncated(self) -> bool:
        low = {"halfnormal": 0.0, "lognormal": 0.0, "beta": 0.0}.get(self.kind, -math.inf)
        high = 1.0 if self.kind == "beta" else math.inf
        return self.kind != "uniform" and (self.lower > low or self.upper < high)

    @property
    def positive(self) -> bool:
        return self.lower >= 0

    def numpyro(self, params: Any = None):
        """The NumPyro distribution; `params` (4,) stands in for the stored numbers when traced."""
        import numpyro.distributions as dist

        a, b, lower, upper = self.params if params is None else params
        bounds = {
            k: v
            for k, v in (("low", lower), ("high", upper))
            if math.isfinite({"low": self.lower, "high": self.upper}[k])
        }
        match self.kind:
            case "normal":
                return dist.TruncatedNormal(a, b, **bounds) if bounds else dist.Normal(a, b)
            case "halfnormal":
                return dist.TruncatedNormal(0.0, b, **bounds) if self.truncated else dist.HalfNormal(b)
            case "uniform":
                return dist.Uniform(lower, upper)
            case "beta":
                return dist.Beta(a, b)
        if not self.truncated:
            return dist.LogNormal(a, b)
        from .truncated import TruncatedLogNormal

        return TruncatedLogNormal(
            a, b, low=lower if self.lower > 0 else None, high=upper if math.isfinite(self.upper) else None
        )

    def constrain(self, t, params: Any = None):
        """The value, traced, from NumPyro's scale without bounds: what `bounded` is to arrays."""
        import numpyro.distributions as dist

        return dist.biject_to(self.numpyro(params).support)(t)

    def potential(self, t, params: Any = None):
        """−ln of the density per unit of the scale without bounds at t, traced."""
        import jax.numpy as jnp
        import numpyro.distributions as dist

        if self.kind in ("normal", "lognormal") and not self.truncated:
            a, b, *_ = self.params if params is None else params
            return 0.5 * ((t - a) / b) ** 2 + jnp.log(b) + 0.5 * math.log(2 * math.pi)
        prior = self.numpyro(params)
        transform = dist.biject_to(prior.support)
        x = transform(t)
        return -prior.log_prob(x) - transform.log_abs_det_jacobian(t, x)

    def scipy(self):
        """The same distribution as a frozen SciPy one (pdf, cdf, ppf), by another road."""
        from scipy import stats

        cut = (self.lower - self.a) / self.b, (self.upper - self.a) / self.b
        match self.kind:
            case "normal":
                return stats.truncnorm(*cut, self.a, self.b) if self.truncated else stats.norm(self.a, self.b)
            case "halfnormal":
                return stats.truncnorm(self.lower / self.b, self.upper / self.b, 0, self.b)
            case "uniform":
                return stats.uniform(self.lower, self.upper - self.lower)
            case "beta":
                return stats.beta(self.a, self.b)
        if not self.truncated:
            return stats.lognorm(self.b, scale=math.exp(self.a))
        return _TruncatedLogNormal(self)

    def whitening(self, x: np.ndarray) -> np.ndarray:
        """d x/d z where z is standard normal under this prior: φ(z)/p(x), z = Φ⁻¹(F(x)).

        Args:
            x: values of the unknown, inside the prior's support.

        Returns:
            The scale by which a derivative in x becomes one in prior-whitened coordinates.
        """
        from scipy import stats

        d = self.scipy()
        # The nearer tail keeps Φ⁻¹ accurate far out.
        below, above = d.cdf(x), d.sf(x)
        z = np.where(
            below < above,
            stats.norm.ppf(np.maximum(below, 1e-300)),
            -stats.norm.ppf(np.maximum(above, 1e-300)),
        )
        return stats.norm.pdf(z) / np.maximum(d.pdf(x), 1e-300)

    def quantile(self, q):
        return self.scipy().ppf(q)

    def unbounded(self, x):
        """x on the scale without bounds: ln above one bound, logit between two, as NumPyro has it."""
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            return np.log((x - self.lower) / (self.upper - x))
        if math.isfinite(self.upper):
            return np.log(self.upper - x)
        return np.log(x - self.lower) if math.isfinite(self.lower) else x

    def unbounded_traced(self, x):
        """`unbounded`, traced."""
        import numpyro.distributions as dist

        return dist.biject_to(self.numpyro().support).inv(x)

    def bounded(self, t):
        """The inverse of `unbounded`."""
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            return self.lower + (self.upper - self.lower) / (1 + np.exp(-t))
        if math.isfinite(self.upper):
            return self.upper - np.exp(t)
        return self.lower + np.exp(t) if math.isfinite(self.lower) else t

    @property
    def standard(self) -> tuple[float, float]:
        """Centre and half-width (16 to 84 %) on the scale without bounds."""
        low, mid, high = self.unbounded(self.quantile(np.array([0.1587, 0.5, 0.8413])))
        return float(mid), float(high - low) / 2

    def as_dict(self) -> dict[str, Any]:
        """Its kind and numbers for JSON, which `prior_in` reads; None for a bound that is infinite."""
        ends = {"lower": self.lower, "upper": self.upper}
        return {"kind": self.kind, "a": self.a, "b": self.b} | {
            k: v if math.isfinite(v) else None for k, v in ends.items()
        }

    def scaled(self, scale: float, shift: float = 0.0) -> "Prior":
        """The prior of scale·x + shift: how a prior changes its unit.

        Raises:
            ValueError: a kind that does not stay itself under a shift or a scale.
        """
        bounds = {"lower": self.lower * scale + shift, "upper": self.upper * scale + shift}
        match self.kind:
            case "normal":
                return replace(self, a=self.a * scale + shift, b=self.b * scale, **bounds)
            case "uniform":
                return replace(self, **bounds)
            case "lognormal" if shift == 0:
                return replace(self, a=self.a + math.log(scale), **bounds)
            case "halfnormal" if shift == 0:
                return replace(self, b=self.b * scale, **bounds)
        if scale == 1 and shift == 0:
            return self
        raise ValueError(f"a {self.kind} prior has no form in that unit: use normal or uniform")

    def __str__(self):
        cut = ""
        if self.truncated:
            if not math.isfinite(self.upper):
                cut = f" above {self.lower:g}"
            elif not math.isfinite(self.lower):
                cut = f" below {self.upper:g}"
            else:
                cut = f" within [{self.lower:g}, {self.upper:g}]"
        match self.kind:
            case "normal":
                return f"{self.a:g} ± {self.b:g}{cut}"
            case "lognormal":
                return f"median {math.exp(self.a):.4g}, factor {math.exp(self.b):.4g}{cut}"
            case "halfnormal":
                return f"half-normal, sd {self.b:g}{cut}"
            case "uniform":
                return f"uniform {self.lower:g} to {self.upper:g}"
        return f"beta({self.a:g}, {self.b:g})"


class _TruncatedLogNormal:
    """SciPy has no truncated lognormal; this is its truncated normal seen through exp."""

    def __init__(self, p: Prior):
        from scipy import stats

        low = -math.inf if p.lower <= 0 else (math.log(p.lower) - p.a) / p.b
        high = (math.log(p.upper) - p.a) / p.b
        self._log = stats.truncnorm(low, high, p.a, p.b)

    def pdf(self, x):
        return self._log.pdf(np.log(x)) / x

    def cdf(self, x):
        return self._log.cdf(np.log(x))

    def sf(self, x):
        return self._log.sf(np.log(x))

    def ppf(self, q):
        return np.exp(self._log.ppf(q))


def normal(mean: float, sd: float, *, lower=-math.inf, upper=math.inf, measured=False) -> Prior:
    """A normal prior, cut to [lower, upper] where these are given.

    Args:
        mean: in the unknown's canonical unit, finite.
        sd: its standard deviation, in the same unit, > 0.
        lower, upper: where it is cut, in the same unit.
        measured: True for a number ± sd that somebody measured; maximum likelihood then keeps it, as data.

    Returns:
        The `Prior`.

    Raises:
        ValueError: a number outside its domain, or bounds that are swapped.

    Example:
        >>> print(normal(10, 4, lower=0))
        10 ± 4 above 0
    """
    return Prior("normal", float(mean), float(sd), float(lower), float(upper), measured)


def lognormal(median: float, factor: float, *, lower=0.0, upper=math.inf) -> Prior:
    """A lognormal prior by its median and factor: 68 % lies within median ÷ factor … median × factor.

    Args:
        median: > 0, in the unknown's canonical unit.
        factor: the geometric standard deviation [1], > 1 (95 % lies within factor^1.96 either way).
        lower, upper: where it is cut, in the unknown's unit.

    Returns:
        The `Prior`.

    Raises:
        ValueError: a median or factor outside its domain, or bounds that are swapped.

    Example:
        >>> print(lognormal(0.05, 3).quantile(0.8413).round(3))
        0.15
    """
    if not (median > 0 and factor > 1):
        raise ValueError(
            f"a lognormal prior needs median > 0 and factor > 1, not median {median:g}, factor {factor:g}"
        )
    return Prior("lognormal", math.log(median), math.log(factor), float(lower), float(upper))


def halfnormal(sd: float, *, upper=math.inf) -> Prior:
    """|x| of a normal with this sd: a scale that may well be 0.

    Args:
        sd: in the unknown's canonical unit, > 0.
        upper: where it is cut, in the same unit.

    Returns:
        The `Prior`.

    Raises:
        ValueError: a number outside its domain.

    Example:
        >>> print(halfnormal(2.0).quantile(0.95).round(2))
        3.92
    """
    return Prior("halfnormal", 0.0, float(sd), 0.0, float(upper))


def uniform(lower: float, upper: float) -> Prior:
    """Flat between two bounds.

    Args:
        lower, upper: in the unknown's canonical unit, finite, lower < upper.

    Returns:
        The `Prior`.

    Raises:
        ValueError: a bound that is not finite, or bounds that are swapped.

    Example:
        >>> print(uniform(0, 100).quantile(0.25))
        25.0
    """
    return Prior("uniform", 0.0, 1.0, float(lower), float(upper))


def beta(a: float, b: float) -> Prior:
    """A beta prior on a fraction between 0 and 1.

    Args:
        a, b: its two shapes [1], > 0; the mean is a/(a + b).

    Returns:
        The `Prior`.

    Raises:
        ValueError: a shape outside its domain.

    Example:
        >>> print(beta(1, 9).quantile(0.5).round(3))
        0.074
    """
    if not (a > 0 and b > 0):
        raise ValueError(f"a beta prior needs both shapes above 0, not {a:g} and {b:g}")
    return Prior("beta", float(a), float(b), 0.0, 1.0)


_NUMBER = r"([-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|inf))"


def prior_in(row: Mapping[str, Any]) -> Prior | None:
    """The prior of a row that is kept of a parameter; None where each cell has its own.

    Args:
        row: under ``law`` what `Prior.as_dict` made of it, or None; rows written before that was kept have
            its text alone, under ``prior``.

    Raises:
        ValueError: it makes no prior.
    """
    if "law" not in row:
        return _prior_of(row["prior"])
    law = row["law"]
    if law is None:
        return None
    if not isinstance(law, Mapping) or law.get("kind") not in KINDS:
        raise ValueError("not the kind and the numbers of a prior")
    ends = {"lower": -math.inf, "upper": math.inf}
    try:
        numbers = {k: float(law[k]) for k in ("a", "b")}
        return Prior(
            law["kind"], **numbers, **{k: e if law[k] is None else float(law[k]) for k, e in ends.items()}
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not the numbers of a prior ({error})") from None


def _prior_of(text: str) -> Prior | None:
    """A prior from what `str` made of it, to the digits that were printed; None where it is something else."""
    found = re.fullmatch(r"(.*?)(?: above (\S+)| below (\S+)| within \[(\S+), (\S+)\])?", text.strip())
    if found is None:
        return None
    body, above, below, low, high = found.groups()
    try:
        bounds = {"lower": low or above, "upper": high or below}
        given = {k: float(x) for k, x in bounds.items() if x is not None}
        if body.startswith("half-normal"):
            given.pop("lower", None)
        for pattern, make in (
            (rf"{_NUMBER} ± {_NUMBER}", priors.normal),
            (rf"median {_NUMBER}, factor {_NUMBER}", priors.lognormal),
            (rf"half-normal, sd {_NUMBER}", priors.halfnormal),
            (rf"uniform {_NUMBER} to {_NUMBER}", priors.uniform),
            (rf"beta\({_NUMBER}, {_NUMBER}\)", priors.beta),
        ):
            if numbers := re.fullmatch(pattern, body):
                return make(*map(float, numbers.groups()), **given)
    except (ValueError, TypeError):  # numbers that make no prior
        pass
    return None


def standard_of(prior: Prior, numbers: np.ndarray) -> np.ndarray:
    """(M, 2) centre and scale as `Prior.standard` has them, from the four numbers of each of M priors."""
    a, b, lower, upper = (x[:, None] for x in numbers.T)
    q = np.array([0.1587, 0.5, 0.8413])
    if prior.kind == "uniform":
        x = lower + q * (upper - lower)
    elif prior.kind == "beta":
        x = np.array([replace(prior, lower=v).quantile(q) for v in lower[:, 0]])
    else:
        log = prior.kind == "lognormal"
        with np.errstate(divide="ignore"):
            low, high = (
                ((np.log(v) if log else v) - a) / b for v in (np.maximum(lower, 0) if log else lower, upper)
            )
        # the nearer tail keeps its digits
        below = ndtri(ndtr(low) + q * (ndtr(high) - ndtr(low)))
        above = -ndtri(ndtr(-high) + (1 - q) * (ndtr(-low) - ndtr(-high)))
        z = np.where(low > 0, above, below)
        x = np.exp(a + b * z) if log else a + b * z
    finite = np.isfinite(prior.lower), np.isfinite(prior.upper)
    if all(finite):
        t = np.log((x - lower) / (upper - x))
    else:
        t = np.log(upper - x) if finite[1] else np.log(x - lower) if finite[0] else x
    return np.stack([t[:, 1], (t[:, 2] - t[:, 0]) / 2], axis=1)
