"""Refits: the posterior of a problem with some readings left out, and what it then expects of them."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ...engines.gate import failed
from ...engines.importance import Cloud, Mixture, adapt
from ...engines.ladder import cell_keys
from ...engines.rungs import MANY, Rungs
from ...inference.result import Result, posterior_points
from ...problem.noise import standard_draws
from ...problem.problem import Arrays, Problem
from ...traced import program

_POINTS = MANY[0]  # of each round
_ROUNDS = 6  # of fitting a mixture and drawing from it, at most
_REPEATS = 8  # further rounds, over which an evidence is averaged
_KEPT = 2000  # draws of each refit that predictions are made from


@dataclass(frozen=True)
class Refit:
    """A posterior without some readings, and those readings beside what it expects of them.

    Attributes:
        left_out: (k,) places of the readings among the problem's N.
        usable: Pareto k̂ ≤ 0.7 and 400 effective points.
        log_evidence, log_evidence_se: of the readings that stayed [nats].
        elpd, elpd_se: ln of the joint predictive density of those left out, and its Monte Carlo error [nats]; 0 where
            none was left out.
        read: mean of the readings left out, of the kind that is farthest off where there are several.
        expected, sd: mean and half the central 68 % interval of what was expected of it, noise included, before it is
            rounded.
        unit: of these.
    """

    left_out: np.ndarray
    usable: bool
    log_evidence: float
    log_evidence_se: float
    elpd: float
    elpd_se: float
    read: float
    expected: float
    sd: float
    unit: str = ""

    @property
    def z(self) -> float:
        """How many of its own standard deviations the expectation is off: (read − expected)/sd."""
        return (self.read - self.expected) / self.sd


class Refitter:
    """Refits one problem with readings left out, by one compiled program.

    Points are drawn from a mixture fitted to the draws of all readings, weighed by the posterior without some, and a
    mixture fitted to these, until their weights pass the gate of importance sampling; where they do not, once more from
    the modes without those readings, which may be far from all with them. What was left out then has the
    density p(y_out | y_in) = p(y)/p(y_in), a ratio of two evidences, each with a standard error. (Averaging
    p(y_out | draw) over the refit's draws gives the same, but hangs on a few draws where the model fails.)

    Args:
        problem: the problem.
        result: its posterior.
        seed: of the points.

    Attributes:
        whole: the refit that leaves out nothing.
        largest_p: posterior predictive p of the largest standardised residual, max |y − μ|/s over the readings:
            the share of replicates in which it is larger.
    """

    def __init__(self, problem: Problem, result: Result, *, seed: int):
        self.problem, self.seed = problem, seed
        self._arrays = jax.tree.map(np.asarray, problem.arrays)
        rungs = Rungs(problem, seed=seed, n_draws=_KEPT, with_loo=False, keep_u=True)
        self._round = program(partial(rungs.more_points, _POINTS), Cloud, Mixture)
        self._modes = program(partial(self._at_modes, rungs), Mixture)
        # What a draw expects of every reading, and with what scatter.
        self._follow = program(jax.vmap(lambda u: problem.reading_parts(problem.constrain(u))[0]))
        with jax.enable_x64(True):
            u = jnp.asarray(posterior_points(problem, result))
            u = u[np.linspace(0, len(u) - 1, _KEPT).round().astype(int)]
            cloud = Cloud(u.T, jnp.full(len(u), 1 / len(u)), 0.0, 0.0, 0.0)
            self._start = program(adapt, Mixture)(cloud)
        self.whole, drawn = self._refit(np.array([], int))
        there, value = self._arrays.mask, self._arrays.value
        worst, replicate = (
            (np.abs(x - drawn["loc"]) / drawn["scale"])[:, there].max(axis=1)
            for x in (value, problem.simulate(np.random.default_rng(seed), drawn))
        )
        self.largest_p = float((replicate >= worst).mean())

    def without(self, left: np.ndarray) -> Refit:
        """The refit without these readings, by their places (k,) among the N."""
        return self._refit(left)[0]

    def _refit(self, left: np.ndarray) -> tuple[Refit, dict[str, np.ndarray]]:
        mask = self._arrays.mask.copy()
        mask[left] = False
        arrays = self._arrays._replace(mask=mask)
        # The name is the seed of the points: the same readings left out, the same numbers.
        key = cell_keys(np.array(["without " + " ".join(map(str, left))]), self.seed)[0]
        with jax.enable_x64(True):
            found, mixture, usable = self._settle(arrays, key, self._start)
            if not usable:
                again, other, usable = self._settle(arrays, key, self._modes(arrays, key))
                if usable or again["k_hat"] < found["k_hat"]:
                    found, mixture = again, other
            drawn = jax.tree.map(np.asarray, self._follow(found["u"]))
            # The evidence with all readings is in every density: it has to be the surest.
            evidence, error = self._evidence(arrays, key, mixture, _REPEATS if len(left) else 2 * _REPEATS)
        if not len(left):
            return Refit(
                left_out=left,
                usable=usable,
                log_evidence=evidence,
                log_evidence_se=error,
                elpd=0.0,
                elpd_se=0.0,
                read=np.nan,
                expected=np.nan,
                sd=np.nan,
            ), drawn
        whole = self.whole
        elpd, elpd_se = whole.log_evidence - evidence, float(np.hypot(error, whole.log_evidence_se))
        return Refit(left, usable, evidence, error, elpd, elpd_se, *self._beside(left, drawn)), drawn

    def _beside(self, left: np.ndarray, drawn: dict[str, np.ndarray]) -> tuple[float, float, float, str]:
        """Mean of the readings left out, what was expected of it, its sd and unit; of several kinds the farthest off."""
        m = self.problem.measurements
        kinds = [(m.observable[i], bool(m.reference[i] >= 0)) for i in left]  # a difference is no reading
        z = standard_draws(self.problem.noise, np.random.default_rng(self.seed), drawn, drawn["loc"].shape)
        value = drawn["loc"] + drawn["scale"] * z
        limits = self.problem.recording._replace(rounding=0.0)
        cut = np.where(self.problem.single(), limits.written(value), value)
        found = []
        for kind in dict.fromkeys(kinds):
            mine = left[[k == kind for k in kinds]]
            low, high = np.quantile(value[:, mine].mean(axis=1), [0.1587, 0.8413])
            read, expected = self._arrays.value[mine].mean(), cut[:, mine].mean()
            found.append((float(read), float(expected), float(high - low) / 2, self.problem.unit_of(kind[0])))
        return max(found, key=lambda f: abs(f[0] - f[1]) / f[2])

    def _settle(self, arrays: Arrays, key, mixture: Mixture) -> tuple[dict, Mixture, bool]:
        """Rounds of points from a mixture and of fitting one to them; the last, what it was drawn from, and whether it
        passes the gate."""
        found, drawn_from, usable = {}, mixture, False
        for number in range(_ROUNDS):
            drawn_from = mixture
            found, mixture = self._round(arrays, key, drawn_from, number)
            usable = not failed(found["ess_bulk"], k_hat=found["k_hat"])
            if usable and number:
                break
        return found, drawn_from, usable

    def _evidence(self, arrays: Arrays, key, mixture: Mixture, n: int) -> tuple[float, float]:
        """ln of the mean evidence of n more rounds of points from a mixture, and its standard error by their spread."""
        rounds = [self._round(arrays, key, mixture, _ROUNDS + k)[0]["log_evidence"] for k in range(n)]
        logs = np.array([float(x) for x in rounds])
        share = np.exp(logs - logs.max())
        error = share.std(ddof=1) / np.sqrt(n) / share.mean()
        return float(logs.max() + np.log(share.mean())), float(error)

    @staticmethod
    def _at_modes(rungs: Rungs, arrays: Arrays, key) -> Mixture:
        _, state = rungs.importance(arrays, key)
        return rungs.begin(state["cloud"], state["modes"], state["several"])
