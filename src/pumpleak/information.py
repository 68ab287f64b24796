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

    @classmethod
    def of(cls, names, matrix, slope, positive) -> "Information":
        eigenvalues, directions = np.linalg.eigh(matrix)
        return cls(
            tuple(names), matrix, np.maximum(eigenvalues[::-1], 0.0), directions[:, ::-1], slope, positive
        )

    @property
    def full_rank(self) -> bool:
        return bool((self.eigenvalues >= DETERMINED).all())

    @property
    def share(self) -> np.ndarray:
        """(D,) the data's share in each element's precision: 1 − [(1 + matrix)⁻¹]_ii, between 0 and 1."""
        return 1.0 - np.diag(np.linalg.inv(np.eye(len(self.names)) + self.matrix))

    def words(self) -> list[str]:
        """What the prior decides: parameters on their own, then each group that trades off.

        The weak directions span a subspace in which single eigenvectors mean little; a parameter that lies
        in it altogether is undetermined, and what is left of it are the true trade-offs.
        """
        weak = self.directions[:, self.eigenvalues < DETERMINED]
        inside = (weak**2).sum(axis=1)
        alone = inside > 0.9
        out = []
        if alone.any():
            names = [self.names[i] for i in np.flatnonzero(alone)]
            verb = "are" if len(names) > 1 else "is"
            out.append(f"{', '.join(names)} {verb} not determined by these data; the prior decides.")
        rest = np.where(alone, 0.0, 1.0)[:, None] * weak
        if not rest.size:
            return out
        left, size, _ = np.linalg.svd(rest, full_matrices=False)
        for v, s in zip(left.T, size, strict=True):
            members = [i for i in np.argsort(-np.abs(v)) if abs(v[i]) > 0.3]
            if s < 0.7 or len(members) < 2:
                continue
            names = [self.names[i] for i in sorted(members)]
            text = f"{', '.join(names[:-1])} and {names[-1]} trade off"
            if len(members) == 2:
                text += f": only {self._combination(*sorted(members), v)} is determined"
            out.append(text + ".")
        return out

    def _combination(self, i: int, j: int, v: np.ndarray) -> str:
        """What stays fixed along v in the (i, j) plane: a product of powers, or a sum."""
        a, b = -v[j] / self.slope[i], v[i] / self.slope[j]
        scale = a if abs(a) >= abs(b) else b
        a, b = a / scale, b / scale
        if self.positive[i] and self.positive[j]:
            return " · ".join(
                self.names[k] if abs(p - 1) < 0.005 else f"{self.names[k]}^{p:.2g}"
                for k, p in ((i, a), (j, b))
            )
        terms = [f"{p:+.2g}·{'ln ' if self.positive[k] else ''}{self.names[k]}" for k, p in ((i, a), (j, b))]
        return " ".join(terms).lstrip("+")


def _flatten(problem: Problem, sites) -> jax.Array:
    return jnp.concatenate([jnp.ravel(jnp.asarray(sites[s.name])) for s in problem.sites])


def _unflatten(problem: Problem, x) -> dict:
    out, start = {}, 0
    for s in problem.sites:
        out[s.name] = jnp.reshape(x[start : start + s.size], s.shape)
        start += s.size
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
    one = {k: np.asarray(v)[None] for k, v in sites.items()}
    return mean_information(problem, one)


def mean_information(problem: Problem, sites) -> Information:
    """`fisher_information` averaged over points: sites with a leading axis."""
    with jax.enable_x64(True):
        x = jax.vmap(lambda s: _flatten(problem, s))({k: jnp.asarray(v) for k, v in sites.items()})

        def location_scale(x):
            d, _ = problem.reading_distribution(_unflatten(problem, x))
            loc = d.loc + jnp.zeros_like(d.scale)
            nu = (
                jnp.broadcast_to(d.df, loc.shape)
                if problem.noise == "student_t"
                else jnp.full_like(loc, jnp.inf)
            )
            return (loc, jnp.log(d.scale)), (d.scale, nu)

        both = jax.jit(jax.vmap(jax.jacfwd(location_scale, has_aux=True)))(x)
    (d_loc, d_log), (scale, nu) = jax.tree.map(np.asarray, both)
    x = np.asarray(x)
    whiten, start = np.empty_like(x), 0
    for s in problem.sites:
        whiten[:, start : start + s.size] = s.prior.whitening(x[:, start : start + s.size])
        start += s.size
    finite = np.isfinite(nu)
    a = np.where(finite, (np.where(finite, nu, 0) + 1) / (np.where(finite, nu, 0) + 3), 1.0)
    b = np.where(finite, 2 * np.where(finite, nu, 0) / (np.where(finite, nu, 0) + 3), 2.0)
    there = np.asarray(problem.arrays.mask, float)
    d_loc, d_log = d_loc * whiten[:, None], d_log * whiten[:, None]
    matrix = np.einsum("pni,pn,pnj->ij", d_loc, there * a / scale**2, d_loc)
    matrix += np.einsum("pni,pn,pnj->ij", d_log, there * b, d_log)
    matrix /= len(x)
    positive = np.array(_positive_elements(problem)) & (x > 0).all(axis=0)
    slope = np.where(positive, whiten / np.where(positive, x, 1.0), whiten).mean(axis=0)
    return Information.of(site_names(problem), matrix, slope, positive)


def _positive_elements(problem: Problem) -> list[bool]:
    return [s.prior.positive for s in problem.sites for _ in range(s.size)]
