"""What the data determine: Fisher information of the readings, measured against the prior."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..text import significant

#: An eigenvalue of 1 means the readings say as much about a direction as the prior does.
DETERMINED = 1.0


class TradeOff(NamedTuple):
    """Parameters of which the readings know a combination, not each one.

    Attributes:
        names: the parameters.
        fixed: of two, what of them is determined, as a formula; "".
        moving: of more, what changes together without being noticed; "".
    """

    names: tuple[str, ...]
    fixed: str
    moving: str

    def words(self) -> str:
        """It in a sentence."""
        text = f"{', '.join(self.names[:-1])} and {self.names[-1]} trade off: "
        if self.fixed:
            return f"{text}only {self.fixed} is determined."
        return f"{text}{self.moving} changes next to nothing that was read."


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
        """From the matrix and what describes its elements: the rest is its eigenvectors."""
        eigenvalues, directions = np.linalg.eigh(matrix)
        return cls(
            tuple(names), matrix, np.maximum(eigenvalues[::-1], 0.0), directions[:, ::-1], slope, positive
        )

    @property
    def full_rank(self) -> bool:
        """Whether the readings say as much as the prior in every direction."""
        return bool((self.eigenvalues >= DETERMINED).all())

    @property
    def share(self) -> np.ndarray:
        """(D,) the data's share in each element's precision: 1 − [(1 + matrix)⁻¹]_ii, between 0 and 1."""
        return 1.0 - np.diag(np.linalg.inv(np.eye(len(self.names)) + self.matrix))

    def apart(self, i: int, stiffness: np.ndarray) -> tuple[float, float, np.ndarray]:
        """What the readings say of element i alone, and what is left where the others may follow it.

        Args:
            i: the element.
            stiffness: (D,) precision with which each of the others is known otherwise: the prior's is 1.

        Returns:
            The information with the others known exactly; that with the others moving as they like, the Schur
            complement; and (D,) the unit direction in which they then move, i among them.
        """
        others = np.arange(len(self.names)) != i
        towards = self.matrix[others, i]
        give = -np.linalg.solve(self.matrix[np.ix_(others, others)] + np.diag(stiffness[others]), towards)
        v = np.ones(len(self.names))
        v[others] = give
        alone = float(self.matrix[i, i])
        return alone, max(0.0, alone + float(towards @ give)), v / np.linalg.norm(v)

    def combination(self, i: int, v: np.ndarray) -> tuple[tuple[int, ...], str]:
        """The elements that trade off with i along v, and in words what of them stays determined."""
        order = [int(j) for j in np.argsort(-np.abs(v)) if j != i]
        partners = [j for j in order if abs(v[j]) > 0.3 * np.abs(v).max()][:3] or order[:1]
        if len(partners) == 1:
            a, b = sorted((i, *partners))
            return tuple(partners), f"in the combination {self._combination(a, b, v)}"
        names = [self.names[j] for j in sorted(partners)]
        return tuple(partners), f"together with {', '.join(names[:-1])} and {names[-1]}"

    @property
    def _weak(self) -> tuple[np.ndarray, np.ndarray]:
        """(D, W) the directions that the prior decides, and (D,) which elements lie in them altogether.

        The weak directions span a subspace in which single eigenvectors mean little; a parameter that lies
        in it altogether is undetermined, and what is left of it are the true trade-offs.
        """
        weak = self.directions[:, self.eigenvalues < DETERMINED]
        return weak, (weak**2).sum(axis=1) > 0.9

    def words(self) -> list[str]:
        """What the prior decides: parameters on their own, then each group that trades off."""
        _, alone = self._weak
        out = []
        if alone.any():
            names = [n for n in np.array(self.names)[alone] if not _is_offset(n)]
            if names:
                verb = "are" if len(names) > 1 else "is"
                out.append(
                    f"{', '.join(names)} {verb} not determined by these data; what was known before decides."
                )
            pooled = dict.fromkeys(n.split("_z[")[0] for n in np.array(self.names)[alone] if _is_offset(n))
            if pooled:
                out.append(
                    f"Single levels of {', '.join(pooled)} are set by their population, not by their own data."
                )
        return out + [t.words() for t in self.trade_offs()]

    def trade_offs(self) -> list[TradeOff]:
        """Each group of parameters that trades off."""
        weak, alone = self._weak
        rest = np.where(alone, 0.0, 1.0)[:, None] * weak
        if not rest.size:
            return []
        out = []
        left, size, _ = np.linalg.svd(rest, full_matrices=False)
        for v, s in zip(left.T, size, strict=True):
            members = [i for i in np.argsort(-np.abs(v)) if abs(v[i]) > 0.3]
            if s < 0.7 or len(members) < 2 or any(_is_offset(self.names[i]) for i in members):
                continue
            names = tuple(self.names[i] for i in sorted(members))
            two = len(members) == 2
            fixed = self._combination(min(members), max(members), v) if two else ""
            out.append(TradeOff(names, fixed, "" if two else self._together(sorted(members), v)))
        return out

    def _together(self, members: list[int], v: np.ndarray) -> str:
        """The open direction in the reader's units: factors for what is positive, steps for the rest."""
        step = v * self.slope
        logs = [abs(step[i]) for i in members if self.positive[i]]
        step = step * (np.log(1.5) / max(logs) if logs else 1.0)
        parts = [
            f"{self.names[i]} × {significant(np.exp(step[i]), 2)}"
            if self.positive[i]
            else f"{self.names[i]} {significant(step[i], 2, sign=True)}"
            for i in members
        ]
        return f"moving {', '.join(parts)} together"

    def _combination(self, i: int, j: int, v: np.ndarray) -> str:
        """What stays fixed along v in the (i, j) plane: a product of powers, or a sum."""
        a, b = -v[j] / self.slope[i], v[i] / self.slope[j]
        scale = a if abs(a) >= abs(b) else b
        a, b = a / scale, b / scale
        if self.positive[i] and self.positive[j]:
            return " · ".join(
                self.names[k] if abs(p - 1) < 0.005 else f"{self.names[k]}^{significant(p, 2)}"
                for k, p in ((i, a), (j, b))
            )
        text = ""
        for k, p in ((i, a), (j, b)):
            size = "" if abs(abs(p) - 1) < 0.005 else f"{significant(abs(p), 2)}·"
            term = f"{size}{'ln ' if self.positive[k] else ''}{self.names[k]}"
            text += f" {'+' if p > 0 else '−'} {term}" if text else f"{'' if p > 0 else '−'}{term}"
        return text


def _is_offset(name: str) -> bool:
    """A pooled level's standard-normal offset, which is no quantity a reader knows."""
    return "_z[" in name
