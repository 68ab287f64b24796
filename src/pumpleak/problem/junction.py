"""Junction: a pipette's liquid junction potential computed from the solutions, known or with an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import InputError
from ..lazy import plain_numbers
from ..physics.solutions import junction_potential
from ..quantities.chemistry import is_solute
from ..quantities.ions import valence

_NEUTRAL = 0.02  # of the ions' charge


@dataclass(frozen=True)
class Junction:
    """What is said of ``LJP`` where Henderson's equation is to give it, in the bath of every row.

    Attributes:
        pipette: ion -> its concentration in the pipette [mM].
        bath: ions of the bath that are neither the table's nor the config's ``<ion>_o`` [mM].
        balance: an ion that carries whatever charge is left on either side, e.g. ``Cl``.
        sd: standard deviation of the computed value [mV]: then each solution's LJP is a latent about it. None:
            it is taken as known.

    References:
        `henderson_voltage`; of its errors, Neher 1992, Methods Enzymol. 207:123-131,
        doi 10.1016/0076-6879(92)07008-C.

    Example:
        >>> pipette = Junction({"K": 140, "gluconate": 120, "Cl": 20}, balance="Cl")
        >>> print(f"{pipette.LJP({'Na': 145, 'K': 5}, 295.15):.2f}")
        14.62
    """

    pipette: Mapping[str, float]
    bath: Mapping[str, float] = field(default_factory=dict)
    balance: str | None = None
    sd: float | None = None

    def LJP(self, bath: Mapping[str, float], T: float) -> float:
        """The junction potential [mV], bath minus pipette, in a bath with these ions [mM] at T [K].

        Raises:
            InputError: a side is not neutral, or an ion or its mobility is not known.
        """
        pipette = self._neutral("pipette", self.pipette)
        bath = self._neutral("bath", {**bath, **self.bath})
        with plain_numbers():
            return float(junction_potential(pipette, bath, T))

    def _neutral(self, side: str, ions: Mapping[str, float]) -> dict[str, float]:
        out = {ion: float(c) for ion, c in ions.items() if not is_solute(ion)}
        charge = sum(valence(ion) * c for ion, c in out.items())
        if self.balance is not None:
            z = valence(self.balance)
            if charge * z <= 0:
                out[self.balance] = out.get(self.balance, 0.0) - charge / z
                return out
        if abs(charge) > _NEUTRAL * sum(abs(valence(ion)) * c for ion, c in out.items()):
            where = (
                "under pipette" if side == "pipette" else "as <ion>_o under quantities, or under LJP's bath"
            )
            raise InputError(
                f"the {side} has a charge of {charge:+.3g} mM ({', '.join(f'{i} {c:g}' for i, c in out.items())})",
                mend=f"Name the ions that carry the rest {where}, or write `balance: Cl`",
                column="LJP",
            )
        return out
