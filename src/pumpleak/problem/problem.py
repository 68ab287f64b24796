"""Problem: model + parameters + measurements, and the one joint density every engine uses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..data.measurements import Measurements
from ..lazy import dist, jax, jnp, numpyro
from ..models.base import Model, Prediction
from ..physics.arguments import computed
from ..quantities.names import kind as kind_of
from ..quantities.names import observable_unit
from .electrode import instrument_reading
from .layout import Layout
from .levels import Levels
from .noise import KINDS, Recording, standard_draws
from .own_seed import own_seed
from .parameters import Parameter, Site
from .vectors import sum_log, take

_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Slot:
    """Where one quantity's values come from, condition by condition.

    Attributes:
        index: (n,) positions among the latents, −1 where the value is known; None: all known.
        swap_for: the quantity it is swapped for, where `swapped`.
        swapped: (n,) bool; there the value is what is found here (the total) minus `swap_for`.
    """

    index: np.ndarray | None = None
    swap_for: str | None = None
    swapped: np.ndarray | None = None


class Arrays(NamedTuple):
    """The numbers of a problem, apart from its structure: what differs between cells of a batch.

    Attributes:
        known: quantity -> (n,) or scalar known values; n conditions or n rows.
        prior: site -> (4,) numbers of its prior.
        standard: site -> (2,) centre and scale of its prior on the unconstrained scale. Coordinates are
            measured in them, so that a temperature known to 1 K and a permeability ratio known to a factor
            of 3 are equally wide for the optimiser and for NUTS. Empty: those of the priors.
        value: (N,) readings [the observable's unit]. NaN: nothing was read.
        variance: (N,) known squared standard errors; NaN where the noise scale sigma stands in.
        count: (N,) readings behind each value.
        mask: (N,) bool; False: absent (a blank, or padding).
    """

    known: dict[str, Any]
    prior: dict[str, Any]
    standard: dict[str, Any]
    value: Any
    variance: Any
    count: Any
    mask: Any


@dataclass(frozen=True)
class Problem:
    """Model + parameters + measurements. Made by `make_problem` or `load_problem`.

    Attributes:
        model: what predicts the potential.
        parameters: the unknowns, one record each.
        measurements: the validated table.
        slots: quantity -> where its values come from; by condition for the model's quantities, by
            table row for the observation's (offsets and noise).
        condition: (R,) the condition of each table row; rows alike in all the model's quantities share one.
        first_row: (C,) a table row of each condition.
        noise: one of `problem.noise.KINDS`: ``normal``, ``student_t`` or ``outliers``.
        numbers: what its own numbers are; `arrays` has the standard ones too.
        title: for people.
        assumptions: the defaults that were used, in words, for the report.
        config: the resolved config, where there was one.
        recipe: the other arguments of `make_problem`: what makes the same problem of another table.
        recording: rounding and limits of single readings of V_m.
        centred: site of pooled offsets -> (levels,) bool: where True the unconstrained coordinate is the level's
            own value, not its offset. The density of the sites is the same.
        defaulted: quantities that nobody gave in some row, so that they have their default.
        unused: label columns of the table whose levels nothing tells apart.

    Example:
        >>> from pumpleak import load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> print(problem.n_readings, "reading of", *problem.observables, "|", problem.model.equation)
        1 reading of V_m | Goldman-Hodgkin-Katz: zero total constant-field current at fixed concentrations
    """

    model: Model
    parameters: tuple[Parameter, ...]
    measurements: Measurements
    slots: Mapping[str, Slot]
    condition: np.ndarray
    first_row: np.ndarray
    noise: str
    numbers: Arrays
    title: str = "untitled"
    assumptions: tuple[str, ...] = ()
    config: dict = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    recording: Recording = Recording()
    centred: Mapping[str, np.ndarray] = field(default_factory=dict)
    defaulted: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    # -- structure ---------------------------------------------------------------------------

    @cached_property
    def layout(self) -> Layout:
        """Where each number stands in the natural vector and in the sampled one."""
        return Layout(self.parameters)

    @cached_property
    def arrays(self) -> Arrays:
        """The numbers."""
        standard = self.numbers.standard or {s.name: np.array(s.prior.standard) for s in self.sites}
        return self.numbers._replace(standard=standard)

    @property
    def sites(self) -> tuple[Site, ...]:
        return self.layout.sites

    @property
    def observables(self) -> tuple[str, ...]:
        """The kinds of reading present, each once, in the table's order; of a plan those that have a column."""
        return self.measurements.observables

    @property
    def n_readings(self) -> int:
        return int(self.numbers.mask.sum())

    @property
    def seed(self) -> int:
        """The config's seed; without one the problem's own (`own_seed`)."""
        given = self.config.get("sampler", {}).get("seed")
        if given is not None:
            return int(given)
        setting = (self.model.name, self.model.setting.ions, self.noise, self.observables)
        unknowns = [(s.name, s.prior.kind, s.shape) for s in self.sites]
        return own_seed((setting, unknowns), self.arrays)

    @property
    def reading_names(self) -> tuple[str, ...]:
        m = self.measurements
        several = len(self.observables) > 1
        out = []
        for obs, row, ref in zip(m.observable, m.row, m.reference, strict=True):
            name = m.labels[row] if ref < 0 else f"{m.labels[row]} − {m.labels[ref]}"
            out.append(f"{name} ({obs})" if several else name)
        return tuple(out)

    def level_names(self, parameter: Parameter) -> tuple[str, ...]:
        """(R,) a parameter's level in each row; where it has none, the text of its column."""
        texts = Levels(self.measurements).texts(str(parameter.by)) or ("",) * len(self.measurements.labels)
        index = self.slots[parameter.quantity].index if parameter.quantity in self.slots else None
        if index is None:
            return texts
        place = index[self.condition] if len(index) == len(self.first_row) else index
        at = self.layout.of_parameters[parameter.name]
        return tuple(
            parameter.levels[k - at.start] if at.start <= k < at.stop else text
            for k, text in zip(place, texts, strict=True)
        )

    @property
    def concentrations(self) -> list[str]:
        """The model's concentrations and activities, any of which may be a figure's horizontal axis."""
        return [q.name for q in self.model.quantities if kind_of(q.name).side and q.unit == "mM"]

    def describe(self) -> dict[str, Any]:
        """What was understood, as plain data: for `check` and for messages."""
        return {
            "title": self.title,
            "model": self.model.name,
            "equation": self.model.equation,
            "ions": list(self.model.setting.ions),
            "noise": self.noise,
            "file": self.measurements.file,
            "rows": len(self.measurements.labels),
            "conditions": len(self.first_row),
            "readings": self.n_readings,
            "parameters": [
                {
                    "name": p.name,
                    "unit": p.unit,
                    "prior": str(p.prior) + (f", one each {p.by} ({_levels(p)})" if p.by else ""),
                    "source": p.source,
                }
                for p in self.parameters
            ],
            "unused_labels": list(self.unused),
            "assumptions": list(self.assumptions),
        }

    def unit_of(self, observable: str) -> str:
        return observable_unit(observable)

    # -- from sampled sites to readings ------------------------------------------------------

    def natural(self, sites: Mapping[str, Any], arrays: Arrays | None = None) -> dict[str, Any]:
        """Parameter -> natural values, shape () or (levels,), from the sampled sites."""
        arrays = self.arrays if arrays is None else arrays
        out: dict[str, Any] = {}
        for p in self.parameters:  # a parent stands before its children
            out[p.name] = p.from_sites(sites, out, arrays.prior.get(f"{p.name}_mean"))
        return out

    def element_values(self, u, arrays: Arrays | None = None) -> jax.Array:
        """(P,) natural values of every parameter's elements at a point u (D,), in the order of the layout."""
        return self.layout.ravel(self.natural(self.constrain(u, arrays), arrays))

    def values(self, natural: Mapping[str, Any], arrays: Arrays | None = None) -> dict[str, Any]:
        """Every quantity's values: scalars, or one a condition (model) or row (observation)."""
        arrays = self.arrays if arrays is None else arrays
        flat = None
        out: dict[str, Any] = {}
        for name, slot in self.slots.items():
            known = jnp.asarray(arrays.known[name])
            if slot.index is None:
                out[name] = known
                continue
            if flat is None:
                flat = self.layout.ravel(natural)
            if (slot.index == slot.index[0]).all():
                out[name] = flat[int(slot.index[0])]
            else:
                out[name] = take(flat, slot.index, known)
        for name, slot in self.slots.items():
            if slot.swap_for is not None:
                out[name] = jnp.where(slot.swapped, out[name] - out[slot.swap_for], out[name])
        return out

    def predict(self, natural: Mapping[str, Any], arrays: Arrays | None = None) -> Prediction:
        """The model's prediction for every condition, from natural parameter values."""
        return self._predict(self.values(natural, arrays))

    @computed()
    def _predict(self, values: Mapping[str, Any]) -> Prediction:
        prediction = self.model.predict(values)
        ok = prediction.ok
        for name, slot in self.slots.items():
            if slot.swap_for is not None:
                ok = ok & (values[name] >= 0)
        return Prediction(prediction.observables, ok)

    def by_row(self, values):
        """A value for each table row (R,) from a scalar, or from one a condition."""
        return take(jnp.broadcast_to(values, (len(self.first_row),)), self.condition)

    def reading_distribution(self, sites: Mapping[str, Any], arrays: Arrays | None = None):
        """Distribution of the N readings given the sites, and whether the model has an answer."""
        parts, ok = self.reading_parts(sites, arrays)
        return self.scattered(parts, arrays), ok

    def scattered(self, parts: Mapping[str, Any], arrays: Arrays | None = None):
        """The distribution with these `reading_parts`, as the readings were written down."""
        from .scatter import Recorded, scatter

        d = scatter(self.noise, parts["loc"], parts["scale"], parts)
        if self.recording.exact:
            return d
        return Recorded(d, self.single(arrays), self.recording)

    def single(self, arrays: Arrays | None = None):
        """(N,) bool: single readings of V_m, which were rounded and have limits; means and differences are apart."""
        m = self.measurements
        plain = (m.reference < 0) & (np.array(m.observable, dtype=object) == "V_m")
        return plain & ((self.arrays if arrays is None else arrays).count == 1)

    def simulate(self, rng: np.random.Generator, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """Readings with fresh noise, as they would have been written down, from many `reading_parts` (..., N)."""
        z = standard_draws(self.noise, rng, parts, parts["loc"].shape)
        value = parts["loc"] + parts["scale"] * z
        if self.recording.exact:
            return value
        return np.where(self.single(), self.recording.written(value), value)

    def reading_parts(self, sites: Mapping[str, Any], arrays: Arrays | None = None):
        """What is expected of the N readings: loc, scale and the noise's shape, each (N,), and whether there is an answer.

        A reading is what `instrument_reading` makes of the prediction; a difference is a reading minus that
        of its reference row. Its variance is its squared standard error, or sigma²/n where none is known,
        plus the extra scatter squared.
        """
        arrays = self.arrays if arrays is None else arrays
        m = self.measurements
        values = self.values(self.natural(sites, arrays), arrays)
        prediction = self._predict(values)
        kinds = self.observables
        n_rows = len(m.labels)
        rows = [instrument_reading(kind, prediction.observables, values, self.by_row) for kind in kinds]
        kind = np.array([kinds.index(o) for o in m.observable], dtype=int)
        place = kind * n_rows + np.asarray(m.row)
        readings = jnp.concatenate(rows)
        mean = take(readings, place)
        paired = m.reference >= 0
        if paired.any():
            reference = kind * n_rows + np.maximum(m.reference, 0)
            mean = mean - jnp.where(paired, take(readings, reference), 0.0)

        def per_reading(symbol):
            columns = [values[f"{symbol}_{k}"] for k in kinds]
            if len(kinds) == 1 and columns[0].ndim == 0:
                return columns[0]
            return take(jnp.concatenate([jnp.broadcast_to(c, (n_rows,)) for c in columns]), place)

        unknown = jnp.isnan(arrays.variance)
        own = per_reading("sigma") ** 2 / arrays.count
        variance = jnp.where(unknown, own, jnp.where(unknown, 1.0, arrays.variance))
        scale = jnp.broadcast_to(jnp.sqrt(variance + per_reading("extra") ** 2), mean.shape)
        ok = jnp.all(prediction.ok)
        mean = jnp.where(ok, mean, 0.0)
        shape = {q.name: jnp.broadcast_to(values[q.name], (n_rows,))[m.row] for q in KINDS[self.noise]}
        return {"loc": mean, "scale": scale, **shape}, ok

    # -- densities ---------------------------------------------------------------------------

    def joint(self, arrays: Arrays | None = None, observed: bool = True) -> None:
        """The joint density as a NumPyro model: priors, prediction, readings. The only one there is.

        Args:
            arrays: the numbers (of one cell, in a batch); the problem's own by default.
            observed: False leaves the readings to be drawn (predictive checks).
        """
        arrays = self.arrays if arrays is None else arrays
        sites = self._sample(arrays)
        if not len(self.measurements.row):
            return
        readings, ok = self.reading_distribution(sites, arrays)
        numpyro.factor("domain", jnp.where(ok, 0.0, -jnp.inf))
        value = jnp.where(arrays.mask, arrays.value, 0.0) if observed else None
        numpyro.sample("reading", readings.mask(arrays.mask).to_event(1), obs=value)

    def _sample(self, arrays: Arrays) -> dict[str, Any]:
        return {
            s.name: numpyro.sample(
                s.name, s.prior.numpyro(arrays.prior[s.name]).expand(s.shape).to_event(len(s.shape))
            )
            for s in self.sites
        }

    def log_likelihood(self, sites: Mapping[str, Any], arrays: Arrays | None = None):
        """Pointwise log-likelihood of the readings, shape (N,); 0 where nothing was read."""
        arrays = self.arrays if arrays is None else arrays
        readings, ok = self.reading_distribution(sites, arrays)
        value = jnp.where(arrays.mask, arrays.value, 0.0)
        return jnp.where(ok, jnp.where(arrays.mask, readings.log_prob(value), 0.0), -jnp.inf)

    def log_prior(self, sites: Mapping[str, Any], arrays: Arrays | None = None, *, measured_only=False):
        """Log prior density of the sites, on the natural scale.

        Args:
            measured_only: keep only the terms of inputs given as number ± sd, which are data.
        """
        arrays = self.arrays if arrays is None else arrays
        terms = [
            jnp.sum(s.prior.numpyro(arrays.prior[s.name]).log_prob(sites[s.name]))
            for s in self.sites
            if s.prior.measured or not measured_only
        ]
        return sum(terms, jnp.zeros(()))

    # -- unconstrained coordinates -----------------------------------------------------------

    @property
    def dimension(self) -> int:
        return sum(s.size for s in self.sites)

    def _split(self, u, arrays: Arrays) -> dict[str, Any]:
        """Sites on NumPyro's unconstrained scale from a point (D,)."""
        raw = self._raw(u, arrays)
        return self._offsets(raw, arrays)[0] if self.centred else raw

    def _raw(self, u, arrays: Arrays) -> dict[str, Any]:
        out = {}
        for name, part in self.layout.unravel_sites(u).items():
            centre, scale = arrays.standard[name]
            out[name] = centre + scale * part
        return out

    def _offsets(self, split: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Any]:
        """With offsets in place of the centred levels' own values, and ln |d offset/d value| of them all.

        A level's value t is in units of its prior's width about its middle; z = (t − t(mean))/spread.
        """
        split, stretch = dict(split), jnp.zeros(())
        sites: dict[str, Any] = {}
        natural: dict[str, Any] = {}
        for p in self.parameters:
            z = p.sites[-1].name
            for s in p.sites[:-1] if z in self.centred else ():
                sites[s.name] = s.prior.constrain(split[s.name], arrays.prior[s.name])
            if z in self.centred:
                middle, width = p.prior.standard
                mean, spread = p.prior.unbounded_traced(p.mean_in(sites, natural)), sites[f"{p.name}_spread"]
                own = (middle + width * split[z] - mean) / spread
                split[z] = jnp.where(self.centred[z], own, split[z])
                stretch = stretch + self.centred[z].sum() * (math.log(width) - jnp.log(spread))
            for s in p.sites:
                sites[s.name] = s.prior.constrain(split[s.name], arrays.prior[s.name])
            natural[p.name] = p.from_sites(sites, natural, arrays.prior.get(f"{p.name}_mean"))
        return split, stretch

    def constrain(self, u, arrays: Arrays | None = None) -> dict[str, Any]:
        """Sites from a point (D,) in unconstrained coordinates, each in units of its prior's width."""
        arrays = self.arrays if arrays is None else arrays
        split = self._split(u, arrays)
        return {s.name: s.prior.constrain(split[s.name], arrays.prior[s.name]) for s in self.sites}

    def unconstrain(self, sites: Mapping[str, np.ndarray]) -> np.ndarray:
        """Points (n, D) in unconstrained coordinates from n values of every site: inverts `constrain`."""
        parts = []
        for p in self.parameters:
            for s in p.sites:
                centre, scale = self.arrays.standard[s.name]
                x = np.asarray(sites[s.name])
                t = s.prior.unbounded(x)
                if s.name in self.centred:
                    middle, width = p.prior.standard
                    own = (p.prior.unbounded(self._natural_of(p, sites)) - middle) / width
                    t = np.where(self.centred[s.name], own, t)
                parts.append(((t - centre) / scale).reshape(len(x), s.size))
        return np.concatenate(parts, axis=1)

    def _natural_of(self, p: Parameter, sites: Mapping[str, np.ndarray]) -> np.ndarray:
        """One parameter's natural values (n, levels) at n points."""
        return np.asarray(
            jax.vmap(lambda s: self.natural(s)[p.name])({k: jnp.asarray(v) for k, v in sites.items()})
        )

    def potential(self, u, arrays: Arrays | None = None):
        """−log joint density at u in unconstrained coordinates, Jacobian included: what NUTS climbs.

        The density of `joint`, per unit of u, without the handlers through which NumPyro looks at a model and
        without logarithms of exponentials.
        """
        arrays = self.arrays if arrays is None else arrays
        prior = self.prior_potential(u, arrays)
        if not len(self.measurements.row):
            return prior
        readings, ok = self.reading_distribution(self.constrain(u, arrays), arrays)
        value = jnp.where(arrays.mask, arrays.value, 0.0)
        if isinstance(readings, dist.Normal):
            scale = jnp.where(arrays.mask, readings.scale, 1.0)
            miss = jnp.where(arrays.mask, (value - jnp.asarray(readings.loc)) / scale, 0.0)
            misfit = 0.5 * jnp.sum(miss**2 + arrays.mask * _LOG_2PI) + sum_log(scale)
        else:
            misfit = -jnp.sum(jnp.where(arrays.mask, readings.log_prob(value), 0.0))
        return prior + jnp.where(ok, misfit, jnp.inf)

    def prior_potential(self, u, arrays: Arrays | None = None):
        """−log prior density at u, Jacobian included: what `potential` is without any reading."""
        arrays = self.arrays if arrays is None else arrays
        raw = self._raw(u, arrays)
        split, stretch = self._offsets(raw, arrays) if self.centred else (raw, 0.0)
        terms = [
            jnp.sum(s.prior.potential(split[s.name], arrays.prior[s.name]))
            # NumPyro's density is per unit of its own scale; a unit of u is `scale` of them.
            - s.size * jnp.log(arrays.standard[s.name][1])
            for s in self.sites
        ]
        return sum(terms, jnp.zeros(())) - stretch

    def prior_draws(self, rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
        """n draws of every site from its prior, shape (n, ...)."""
        return {s.name: s.prior.quantile(rng.random((n, *s.shape))) for s in self.sites}


def _levels(p: Parameter) -> str:
    pooled = "" if p.spread is None else f", pooled, {p.name}_spread {p.spread}"
    return f"{len(p.levels)}{pooled}"
