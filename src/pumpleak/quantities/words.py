"""Words for quantities that have another name here: one table for headers, keys and what is said of them."""

from typing import NamedTuple


class Words(NamedTuple):
    """How people call one quantity, in small letters with single spaces.

    Attributes:
        plain: what a header is read as without a word.
        likely: what probably means it, and is asked about.
        loose: what may mean it where a column of numbers is called so.
    """

    plain: tuple[str, ...]
    likely: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    def squeezed(self) -> set[str]:
        """All but the loose ones, without spaces: as keys write them."""
        return {word.replace(" ", "").lower() for word in (*self.plain, *self.likely)}


def _of(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


QUANTITIES = {
    "V_m": Words(
        plain=_of(
            "v m, vm, em, v rest, vrest, rmp, resting potential, resting vm, resting v m, resting membrane potential, "
            "membrane potential, transmembrane potential, mean vm, mean v m"
        ),
        likely=_of(
            "e m, mp, pd, potential, em rest, e rest, erest, vm rest, rest, reversal, reversal potential, e rev, erev, v rev, "
            "vrev, e reversal, v reversal, zero current, zero current potential, v mem, e mem, v membrane, e membrane, "
            "membrane voltage"
        ),
        loose=_of("mv, v, membrane, resting, voltage"),
    ),
    "LJP": Words(
        plain=_of("ljp, liquid junction potential, junction potential"),
        likely=_of("jp, lj, vj, v j, ej, v lj, vlj, e lj, elj, vljp, junction, liquid junction"),
    ),
    "T": Words(
        plain=_of("T, temp, temperature, bath T, bath temp, bath temperature, recording temperature"),
        loose=_of("temps, celsius, kelvin, deg c, degc, °c"),
    ),
    "time": Words(plain=("time",)),
}
#: Potentials of the pipette.
OF_PIPETTE = _of("v p, vp, v pip, vpip, v pipette, v pipet, pipette potential, pipette voltage")
#: Potentials that were imposed.
COMMAND = _of(
    "v h, vh, v hold, vhold, v holding, holding, holding potential, hp, v cmd, vcmd, v com, v command, command, "
    "command potential, v clamp, clamp"
)
