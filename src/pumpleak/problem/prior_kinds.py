"""The kinds of prior, each declared once: its keys in a config, where it lies, its density, and how it is printed.

Everything else is read from the declaration: the functions that make a prior, the schema of configs and its messages,
the round trip to a config and to text, changes of unit, the traced density and the reference in configs/README.md.
"""

import math
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import InputError, unknown

_MEND = "Mend the prior's numbers"
_NUMBER = r"([-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|inf))"


@dataclass(frozen=True)
class Key:
    """A number of a prior as it is written.

    Attributes:
        kept: which number of `Prior` it is: a, b, lower or upper.
        above: what it must lie above.
        ln: whether its logarithm is kept.
        size: what it is in the quantity's unit: a value, a spread, or nothing of the sort: a pure number.
    """

    kept: Literal["a", "b", "lower", "upper"]
    above: float = -math.inf
    ln: bool = False
    size: Literal["value", "spread", "pure"] = "value"

    def to_kept(self, written: float) -> float:
        if not self.ln:
            return float(written)
        return math.log(written) if written > 0 else -math.inf if written == 0 else math.nan

    def to_written(self, kept: float) -> float:
        if not self.ln:
            return kept
        try:
            return math.exp(kept)
        except OverflowError:
            return math.inf

    def in_unit(self, kept: float, scale: float, shift: float) -> float:
        """What is kept once the quantity is scale·x + shift."""
        if self.size == "pure":
            return kept
        if self.ln:
            return kept + math.log(scale)
        return kept * scale + (shift if self.size == "value" else 0.0)


class Numbers(NamedTuple):
    """The numbers of one prior or, as arrays, of many: those of `Prior`, traced ones too.

    Attributes:
        a, b, lower, upper: as in `Prior`.
        cut_below, cut_above: whether the bounds are narrower than what the kind has by nature.
    """

    a: Any
    b: Any
    lower: Any
    upper: Any
    cut_below: bool
    cut_above: bool

    @property
    def cuts(self) -> dict[str, Any]:
        """The bounds that cut it, as NumPyro calls them."""
        ends = {"low": (self.lower, self.cut_below), "high": (self.upper, self.cut_above)}
        return {name: end for name, (end, cut) in ends.items() if cut}

    def whitened(self, *, log: bool = False) -> tuple[Any, Any]:
        """The bounds as so many b from a, of the logarithm where `log`."""
        ends = (self.lower, self.upper)
        if log:
            with np.errstate(divide="ignore"):
                ends = tuple(_ln(np.maximum(x, 0.0)) for x in ends)
        low, high = ((x - self.a) / self.b for x in ends)
        return low, high


@dataclass(frozen=True, eq=False)
class PriorKind:
    """One kind of prior.

    Attributes:
        name: as configs have it.
        about: what it says, in a few words.
        keys: its numbers as they are written, in the order in which they are given.
        text: how it is printed, with its keys in braces; it is read back by the same pattern.
        numpyro: the NumPyro distribution of `numpyro.distributions` and `Numbers`, which may be traced.
        scipy: the same in SciPy's `stats`, of numbers or arrays.
        median: its median where it needs no distribution of SciPy's, whose import takes half a second; None: it does.
        support: where it lies by nature.
        cuts: the bounds that may be given besides its keys.
        may_be_measured: whether it can be what somebody measured.
        gaussian: whether it is normal, centre a and sd b, on the scale without bounds, unless it is cut.
        highest_at_zero: whether it says that a quantity may well be 0.
    """

    name: str
    about: str
    keys: Mapping[str, Key]
    text: str
    numpyro: Callable[[Any, Numbers], Any]
    scipy: Callable[[Any, Numbers], Any]
    median: Callable[[Numbers], float] | None = None
    support: tuple[float, float] = (-math.inf, math.inf)
    cuts: tuple[str, ...] = ()
    may_be_measured: bool = False
    gaussian: bool = False
    highest_at_zero: bool = False

    @property
    def bounds_are_keys(self) -> bool:
        """Whether it lies between two numbers of its own, as a uniform prior does."""
        return any(key.kept in ("lower", "upper") for key in self.keys.values())

    @property
    def middle(self) -> str:
        """The key whose value is most like one of the quantity's; empty where there is none."""
        return next((name for name, key in reversed(list(self.keys.items())) if key.size == "value"), "")

    def kept(self, written: Mapping[str, float]) -> dict[str, float]:
        """The numbers of `Prior` from the keys' and the bounds'.

        Raises:
            InputError: a number outside of its domain.
        """
        self.check({name: written[name] for name in self.keys})
        ends = dict(zip(("lower", "upper"), self.support, strict=True))
        ends |= {end: float(written[end]) for end in self.cuts if end in written}
        return ends | {key.kept: key.to_kept(written[name]) for name, key in self.keys.items()}

    def written(self, kept: Any) -> dict[str, float]:
        """The keys' numbers from those of a `Prior`."""
        return {name: key.to_written(getattr(kept, key.kept)) for name, key in self.keys.items()}

    def check(self, written: Mapping[str, float]) -> None:
        """Refuse numbers that make no prior.

        Raises:
            InputError: one that is not finite, or not above what its key says.
        """
        wrong = {name: x for name, x in written.items() if not self.keys[name].above < x < math.inf}
        if wrong:
            finite = all(map(math.isfinite, wrong.values()))
            least = [f"{name} > {key.above:g}" for name, key in self.keys.items() if key.above > -math.inf]
            needed = " and ".join(least) if finite and least else "finite numbers"
            found = ", ".join(f"{name} {x:g}" for name, x in written.items())
            raise InputError(f"a {self.name} prior needs {needed}, not {found}", mend=_MEND)

    def change_unit(self, kept: Any, scale: float, shift: float) -> dict[str, float]:
        """The numbers of the prior of scale·x + shift, a kind staying itself where its support does.

        Raises:
            InputError: it does not.
        """
        ends = [x for x in self.support if math.isfinite(x)]
        if [x * scale + shift for x in ends] != ends:
            raise InputError(
                f"a {self.name} prior has no form in that unit: use normal or uniform", mend=_MEND
            )
        bounds = {end: getattr(kept, end) * scale + shift for end in ("lower", "upper")}
        return bounds | {
            key.kept: key.in_unit(getattr(kept, key.kept), scale, shift) for key in self.keys.values()
        }

    def read(self, text: str) -> dict[str, float] | None:
        """The keys' numbers from what `text` made of them; None where it is not of this kind."""
        pattern = "".join(
            re.escape(before) + (_NUMBER if name else "")
            for before, name, _, _ in string.Formatter().parse(self.text)
        )
        found = re.fullmatch(pattern, text)
        return None if found is None else dict(zip(self.keys, map(float, found.groups()), strict=True))


#: name -> kind
KINDS: dict[str, PriorKind] = {}


def declare_prior(kind: PriorKind) -> PriorKind:
    """Add a kind of prior: configs, messages and results know it from here on."""
    KINDS[kind.name] = kind
    return kind


def kind_of_prior(name: str) -> PriorKind:
    """The kind of this name.

    Raises:
        InputError: there is none.
    """
    if name not in KINDS:
        raise unknown("prior", name, KINDS)
    return KINDS[name]


class _OfLogarithm:
    """A distribution of ln x as one of x: SciPy has no truncated lognormal."""

    def __init__(self, log: Any):
        self._log = log

    def pdf(self, x):
        return self._log.pdf(np.log(x)) / x

    def cdf(self, x):
        return self._log.cdf(np.log(x))

    def sf(self, x):
        return self._log.sf(np.log(x))

    def ppf(self, q):
        return np.exp(self._log.ppf(q))


# math and NumPy differ in the last digit: a single prior keeps math's.
def _ln(x: Any) -> Any:
    return np.log(x) if np.ndim(x) or not x > 0 else math.log(x)


def _exp(x: Any) -> Any:
    return np.exp(x) if np.ndim(x) else math.exp(x)


def _lognormal_numpyro(dist, n: Numbers):
    if not n.cuts:
        return dist.LogNormal(n.a, n.b)
    from .truncated import TruncatedLogNormal

    return TruncatedLogNormal(n.a, n.b, **n.cuts)


def _lognormal_scipy(stats, n: Numbers):
    if not n.cuts:
        return stats.lognorm(n.b, scale=_exp(n.a))
    return _OfLogarithm(stats.truncnorm(*n.whitened(log=True), n.a, n.b))


def _median_between(low: float, high: float) -> float:
    """Median of a standard normal variable that is known to lie between two bounds."""
    if low + high > 0:  # in the lower tail probabilities keep their digits
        return -_median_between(-high, -low)
    below, above = (0.5 * math.erfc(-x / math.sqrt(2)) for x in (low, high))
    middle = 0.5 * (below + above)
    # Beyond 38 sd there is nothing left to halve: all of it is at the nearer bound.
    return NormalDist().inv_cdf(middle) if middle > 0 else high


def _median_normal(n: Numbers) -> float:
    return n.a + n.b * _median_between(*n.whitened()) if n.cuts else n.a


def _median_lognormal(n: Numbers) -> float:
    return _exp(n.a + n.b * _median_between(*n.whitened(log=True)) if n.cuts else n.a)


declare_prior(
    PriorKind(
        name="normal",
        about="68 % within the sd of the mean; bounds optional",
        keys={"mean": Key("a"), "sd": Key("b", above=0, size="spread")},
        text="{mean:g} ± {sd:g}",
        numpyro=lambda dist, n: dist.TruncatedNormal(n.a, n.b, **n.cuts) if n.cuts else dist.Normal(n.a, n.b),
        scipy=lambda stats, n: stats.truncnorm(*n.whitened(), n.a, n.b) if n.cuts else stats.norm(n.a, n.b),
        median=_median_normal,
        cuts=("lower", "upper"),
        may_be_measured=True,
        gaussian=True,
    )
)
declare_prior(
    PriorKind(
        name="lognormal",
        about="68 % within the factor of the median; bounds optional",
        keys={"median": Key("a", above=0, ln=True), "factor": Key("b", above=1, ln=True, size="pure")},
        text="median {median:.4g}, factor {factor:.4g}",
        numpyro=_lognormal_numpyro,
        scipy=_lognormal_scipy,
        median=_median_lognormal,
        support=(0.0, math.inf),
        cuts=("lower", "upper"),
        gaussian=True,
    )
)
declare_prior(
    PriorKind(
        name="halfnormal",
        about="a scale that may well be 0",
        keys={"sd": Key("b", above=0, size="spread")},
        text="half-normal, sd {sd:g}",
        numpyro=lambda dist, n: (
            dist.TruncatedNormal(0.0, n.b, low=n.lower, **n.cuts) if n.cuts else dist.HalfNormal(n.b)
        ),
        scipy=lambda stats, n: stats.truncnorm(n.lower / n.b, n.upper / n.b, 0, n.b),
        median=lambda n: n.b * _median_between(n.lower / n.b, n.upper / n.b),
        support=(0.0, math.inf),
        cuts=("upper",),
        highest_at_zero=True,
    )
)
declare_prior(
    PriorKind(
        name="uniform",
        about="flat between two bounds",
        keys={"lower": Key("lower"), "upper": Key("upper")},
        text="uniform {lower:g} to {upper:g}",
        numpyro=lambda dist, n: dist.Uniform(n.lower, n.upper),
        scipy=lambda stats, n: stats.uniform(n.lower, n.upper - n.lower),
        median=lambda n: n.lower + 0.5 * (n.upper - n.lower),
    )
)
declare_prior(
    PriorKind(
        name="beta",
        about="a fraction; mean a/(a + b)",
        keys={"a": Key("a", above=0, size="pure"), "b": Key("b", above=0, size="pure")},
        text="beta({a:g}, {b:g})",
        numpyro=lambda dist, n: dist.Beta(n.a, n.b),
        scipy=lambda stats, n: stats.beta(n.a, n.b),
        support=(0.0, 1.0),
    )
)
