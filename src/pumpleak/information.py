"""What the data determine: Fisher information of the readings, measured against the prior."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from .problem import Problem

#: An eigenvalue of 1 means the readings say as much about a direction as the prior does.
DETERMINED = 1.0


@dataclass(frozen=True)
class Information:
    """The readings' Fisher information in coordinates where every prior is standard normal.

    Attributes:
        names: (D,) sampled elements, e.g. ``P_Na_rel`` or ``K_i_z[cell 3]``.
        matrix: (D, D) information; the prior's own is the identity.
        eigenvalues: (D,) falling; below 1 the prior decides.
        directions: (D, D) unit eigenvectors in the columns.
        slope: (D,) d ln x/dz where the value is positive, else dx/dz: turns a direction into words.
        positive: (D,) bool.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    eigenvalues: np.ndarray
    directions: np.ndarray
    slope: np.ndarray
    positive: np.ndarray

    @property
    def full_rank(self) -> bool:
        return bool((self.eigenvalues >= DETERMINED).all())

    @property
    def share(self) -> np.ndarray:
        """(D,) the data's share in each element's precision: 1 − [(1 + matrix)⁻¹]_ii, between 0 and 1."""
        return 1.0 - np.diag(np.linalg.inv(np.eye(len(self.names)) + self.matrix))

    def words(self) -> list[str]:
        """One sentence for each direction the prior decides, naming what trades off and what is known."""
        out, alone = [], []
        for value, v in zip(self.eigenvalues, self.directions.T, strict=True):
            if value >= DETERMINED:
                continue
            members = [i for i in np.argsort(-np.abs(v)) if abs(v[i]) > 0.35]
            if len(members) == 1:
                alone.append(self.names[members[0]])
                continue
            names = [self.names[i] for i in members]
            text = f"{', '.join(names[:-1])} and {names[-1]} trade off"
            if len(members) == 2:
                i, j = members
                text += f": only {self._combination(i, j, v)} is determined"
            out.append(text + ".")
        if alone:
            s = len(alone) > 1
            out.insert(0, f"{', '.join(alone)} {'are' if s else 'is'} not determined by these data; the prior decides.")
        return out

    def _combination(self, i: int, j: int, v: np.ndarray) -> str:
        """What stays fixed along v in the (i, j) plane: a product of powers, or a sum."""
        a, b = -v[j] / self.slope[i], v[i] / self.slope[j]
        scale = a if abs(a) >= abs(b) else b
        a, b = a / scale, b / scale
        if self.positive[i] and self.positive[j]:
            return " · ".join(
                self.names[k] if abs(p - 1) < 0.005 else f"{self.names[k]}^{p:.2g}" for k, p in ((i, a), (j, b))
            )
        terms = [f"{p:+.2g}·{'ln ' if self.positive[k] else ''}{self.names[k]}" for k, p in ((i, a), (j, b))]
        return " ".join(terms).lstrip("+")


def _flatten(problem: Problem, sites) -> jax.Array:
    return jnp.concatenate([jnp.ravel(jnp.asarray(sites[s.name])) for s in problem.sites])


def _unflatten(problem: Problem, x) -> dict:
    out, start = {}, 0
    for s in problem.sites:
        size = int(np.prod(s.shape))
        out[s.name] = jnp.reshape(x[start : start + size], s.shape)
        start += size
    return out


def site_names(problem: Problem) -> tuple[str, ...]:
    """Names of the sampled elements, in the order of the unconstrained coordinates."""
    out = []
    for p in problem.parameters:
        for s in p.sites:
            out += [f"{s.name}[{x}]" for x in p.levels] if s.shape else [s.name]
    return tuple(out)


def fisher_information(problem: Problem, sites) -> Information:
    """Fisher information of the readings at one point, in prior-whitened coordinates.

    For a location-scale likelihood with location μ(θ) and scale s(θ):
    ``I = a·(∂μ/s)ᵀ(∂μ/s) + b·(∂ln s)ᵀ(∂ln s)``, with (a, b) = (1, 2) for the normal and
    ((ν+1)/(ν+3), 2ν/(ν+3)) for Student-t. Whitening multiplies each column by dθ/dz, z standard
    normal under the prior, so that the prior's information is the identity.

    Args:
        problem: the problem.
        sites: natural values of every sampled site.

    Returns:
        The `Information`.

    References:
        Lehmann & Casella, *Theory of Point Estimation*, 2nd ed., section 2.5 (location-scale families).
    """
    with jax.enable_x64(True):
        x = _flatten(problem, sites)

        def location_scale(x):
            d, _ = problem.reading_distribution(_unflatten(problem, x))
            return d.loc + jnp.zeros_like(d.scale), jnp.log(d.scale)

        d, _ = problem.reading_distribution(_unflatten(problem, x))
        d_loc, d_log = jax.jacfwd(location_scale)(x)
        nu = np.asarray(d.df) if problem.noise == "student_t" else None
        scale = np.asarray(jnp.broadcast_to(d.scale, d_loc.shape[:1]))
    d_loc, d_log, x = (np.asarray(a) for a in (d_loc, d_log, x))
    a, b = (1.0, 2.0) if nu is None else ((nu + 1) / (nu + 3), 2 * nu / (nu + 3))
    whiten, start = np.empty_like(x), 0
    for s in problem.sites:
        size = int(np.prod(s.shape))
        whiten[start : start + size] = s.prior.whitening(x[start : start + size])
        start += size
    there = problem.arrays.mask
    d_loc, d_log = d_loc[there] * whiten, d_log[there] * whiten
    weights = [np.broadcast_to(w, there.shape)[there] for w in (a / scale**2, b)]
    matrix = (d_loc.T * weights[0]) @ d_loc + (d_log.T * weights[1]) @ d_log
    eigenvalues, directions = np.linalg.eigh(matrix)
    positive = x > 0
    for s_positive, name in zip(_positive_elements(problem), range(len(x)), strict=True):
        positive[name] &= s_positive
    slope = np.where(positive, whiten / np.where(positive, x, 1.0), whiten)
    return Information(
        site_names(problem),
        matrix,
        np.maximum(eigenvalues[::-1], 0.0),
        directions[:, ::-1],
        slope,
        positive,
    )


def _positive_elements(problem: Problem) -> list[bool]:
    return [s.prior.positive for s in problem.sites for _ in range(int(np.prod(s.shape)))]
