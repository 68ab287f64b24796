"""Priors as data: one small record that NumPyro samples, SciPy evaluates and the report prints."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError
from .bounds import Bounds
from .prior_kinds import KINDS, Numbers, PriorKind, kind_of_prior


@dataclass(frozen=True)
class Prior:
    """What is believed of one unknown before the data, in canonical units.

    Made by `normal`, `lognormal`, `halfnormal`, `uniform` or `beta`, not directly.

    Attributes:
        kind: one of ``normal``, ``lognormal``, ``halfnormal``, ``uniform``, ``beta``.
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
        self.form.check(self.written)
        if not self.lower < self.upper:
            raise InputError(
                f"the bounds of a {self.kind} prior are swapped or equal: "
                f"lower {self.lower:g}, upper {self.upper:g}",
                mend="Mend the prior's numbers",
            )

    @property
    def form(self) -> PriorKind:
        """What its kind is."""
        return kind_of_prior(self.kind)

    @property
    def written(self) -> dict[str, float]:
        """Its numbers as a config has them, apart from the bounds at which it is cut."""
        return self.form.written(self)

    @property
    def params(self) -> np.ndarray:
        """The four numbers (a, b, lower, upper), which may differ from cell to cell in a batch."""
        return np.array([self.a, self.b, self.lower, self.upper])

    def numbers(self, params: Any = None) -> Numbers:
        """Its own numbers, or others in their place, that its kind makes a distribution of."""
        own = self.a, self.b, self.lower, self.upper
        low, high = self.form.support
        a, b, lower, upper = own if params is None else params
        return Numbers(a, b, lower, upper, self.lower > low, self.upper < high)

    @property
    def bounded_by_numbers(self) -> bool:
        """Whether it ends at numbers of its own rather than where its kind does."""
        return bool(self.numbers().cuts)

    @property
    def truncated(self) -> bool:
        return self.bounded_by_numbers and not self.form.bounds_are_keys

    @property
    def gaussian(self) -> bool:
        """Whether it is normal on the scale without bounds."""
        return self.form.gaussian and not self.truncated

    @property
    def positive(self) -> bool:
        return self.lower >= 0

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.lower, self.upper, math.isfinite(self.lower), math.isfinite(self.upper))

    def numpyro(self, params: Any = None):
        """The NumPyro distribution; `params` (4,) stands in for the stored numbers when traced."""
        import numpyro.distributions as dist

        return self.form.numpyro(dist, self.numbers(self.params if params is None else params))

    def constrain(self, t, params: Any = None):
        """The value, traced, from NumPyro's scale without bounds: what `bounded` is to arrays."""
        import numpyro.distributions as dist

        return dist.biject_to(self.numpyro(params).support)(t)

    def potential(self, t, params: Any = None):
        """−ln of the density per unit of the scale without bounds at t, traced."""
        import jax.numpy as jnp
        import numpyro.distributions as dist

        if self.gaussian:
            a, b, *_ = self.params if params is None else params
            return 0.5 * ((t - a) / b) ** 2 + jnp.log(b) + 0.5 * math.log(2 * math.pi)
        prior = self.numpyro(params)
        transform = dist.biject_to(prior.support)
        x = transform(t)
        return -prior.log_prob(x) - transform.log_abs_det_jacobian(t, x)

    def scipy(self):
        """The same distribution as a frozen SciPy one (pdf, cdf, ppf), by another road."""
        from scipy import stats

        return self.form.scipy(stats, self.numbers())

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

    @property
    def median(self) -> float:
        """Its middle, as `quantile` has it but for the last digit."""
        if self.form.median is None:
            return float(self.quantile(0.5))
        return float(self.form.median(self.numbers()))

    def unbounded(self, x):
        """x on the scale without bounds: ln above one bound, logit between two, as NumPyro has it."""
        return self.bounds.free(x)

    def unbounded_traced(self, x):
        """`unbounded`, traced."""
        import numpyro.distributions as dist

        return dist.biject_to(self.numpyro().support).inv(x)

    def bounded(self, t):
        """The inverse of `unbounded`."""
        return self.bounds.back(t)

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
        if scale == 1 and shift == 0:
            return self
        return replace(self, **self.form.change_unit(self, scale, shift))

    def __str__(self):
        cut = ""
        if self.truncated:
            if not math.isfinite(self.upper):
                cut = f" above {self.lower:g}"
            elif not math.isfinite(self.lower):
                cut = f" below {self.upper:g}"
            else:
                cut = f" within [{self.lower:g}, {self.upper:g}]"
        return self.form.text.format(**self.written) + cut


def make_prior(kind: str, *, measured: bool = False, **written: float) -> Prior:
    """A prior by the name of its kind, its keys and its bounds, as a config has them.

    Raises:
        ValueError: no such kind, a number outside of its domain, or bounds that are swapped.
    """
    return Prior(kind, **kind_of_prior(kind).kept(written), measured=measured)


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
    return make_prior("normal", mean=mean, sd=sd, lower=lower, upper=upper, measured=measured)


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
    return make_prior("lognormal", median=median, factor=factor, lower=lower, upper=upper)


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
    return make_prior("halfnormal", sd=sd, upper=upper)


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
    return make_prior("uniform", lower=lower, upper=upper)


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
    return make_prior("beta", a=a, b=b)


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
        for kind in KINDS.values():
            if numbers := kind.read(body):
                by_nature = dict(zip(("lower", "upper"), kind.support, strict=True))
                more = {
                    k for k in given if k not in kind.cuts and not (kind.cuts and given[k] == by_nature[k])
                }
                return None if more else make_prior(kind.name, **numbers, **given)
    except ValueError:  # numbers that make no prior
        pass
    return None


def standard_of(prior: Prior, numbers: np.ndarray) -> np.ndarray:
    """(M, 2) centre and scale as `Prior.standard` has them, from the four numbers of each of M priors."""
    from scipy import stats

    each = prior.numbers([x[:, None] for x in numbers.T])
    x = prior.form.scipy(stats, each).ppf(np.array([0.1587, 0.5, 0.8413]))
    t = replace(prior.bounds, low=each.lower, high=each.upper).free(x)
    return np.stack([t[:, 1], (t[:, 2] - t[:, 0]) / 2], axis=1)
