"""Ions by name: signed valence and, where known, electrical mobility relative to K⁺.

Mobility is the generalised mobility u = (Λ°/|z|) / Λ°(K⁺) that the Henderson equation takes: limiting
equivalent conductivities at 25 °C over |z|, K⁺ = 1.

References:
    Barry & Lynch 1991, J. Membr. Biol. 121:101-117, doi 10.1007/BF01870526 (definition; Table 1).
    JPCalc's ionic mobility tables, UNSW Medicine, which extend that Table 1 and
    Ng & Barry 1995, J. Neurosci. Methods 56:37-41, doi 10.1016/0165-0270(94)00087-W (values).
    Lange's Handbook of Chemistry, 15th ed., Table 8.32 (the few marked L).
"""

from typing import NamedTuple

from ..errors import InputError, unknown


class Ion(NamedTuple):
    """One ion.

    Attributes:
        name: as in ``Na``, ``gluconate``.
        z: signed valence [1].
        mobility: electrical mobility relative to K⁺, Λ°/|z| over Λ°(K⁺) [1]; None where not known.

    References:
        Barry & Lynch 1991, J. Membr. Biol. 121:101-117, doi 10.1007/BF01870526 (generalised mobility).

    Example:
        >>> Ion("guanidinium", 1, None).z
        1
    """

    name: str
    z: int
    mobility: float | None


# From the JPCalc tables unless marked L: Lange's limiting equivalent conductivity over 73.5 |z|.
_VALUES = {
    # cations
    "H": (1, 4.757),
    "Li": (1, 0.526),
    "Na": (1, 0.682),
    "K": (1, 1.0),
    "Rb": (1, 1.059),
    "Cs": (1, 1.05),
    "Tl": (1, 1.02),
    "Ag": (1, 0.842),
    "NH4": (1, 1.001),
    "choline": (1, 0.51),
    "NMDG": (1, 0.33),
    "TMA": (1, 0.611),
    "TEA": (1, 0.444),
    "Tris": (1, 0.4),
    "Mg": (2, 0.361),
    "Ca": (2, 0.4048),  # L
    "Sr": (2, 0.4045),  # L
    "Ba": (2, 0.4347),  # L
    "Mn": (2, 0.364),
    "Co": (2, 0.367),
    "Ni": (2, 0.337),
    "Cu": (2, 0.365),
    "Zn": (2, 0.3592),  # L
    "Cd": (2, 0.37),
    "Pb": (2, 0.48),
    "La": (3, 0.316),
    "Gd": (3, 0.305),
    "Al": (3, 0.2766),  # L
    # anions
    "OH": (-1, 2.69),
    "F": (-1, 0.753),
    "Cl": (-1, 1.0382),
    "Br": (-1, 1.063),
    "I": (-1, 1.0456),
    "NO3": (-1, 0.972),
    "ClO4": (-1, 0.916),
    "SCN": (-1, 0.901),
    "HCO3": (-1, 0.605),
    "H2PO4": (-1, 0.45),
    "acetate": (-1, 0.556),
    "propionate": (-1, 0.487),
    "lactate": (-1, 0.528),
    "aspartate": (-1, 0.3),
    "glutamate": (-1, 0.26),
    "gluconate": (-1, 0.33),
    "HEPES": (-1, 0.3),
    "MES": (-1, 0.37),
    "MOPS": (-1, 0.35),
    "isethionate": (-1, 0.52),
    "methanesulfonate": (-1, 0.664),
    "SO4": (-2, 0.544),
    "HPO4": (-2, 0.39),
}

_ions = {name: Ion(name, z, mobility) for name, (z, mobility) in _VALUES.items()}


def ion(name: str) -> Ion:
    """Everything known about the ion called `name`.

    Args:
        name: as in ``"Na"``, ``"Ca"``, ``"gluconate"``; see `ion_names`.

    Returns:
        An `Ion` with its signed valence [1] and its mobility relative to K⁺ [1] or None.

    Raises:
        InputError: no ion has that name; the message gives the nearest one that exists.

    Example:
        >>> ion("Ca").z
        2
    """
    try:
        return _ions[name]
    except KeyError:
        mend = f"Known are {', '.join(_ions)}; others after register_ion(name, z, mobility) in Python"
        raise unknown("ion", name, _ions, mend=mend) from None


def ion_names() -> tuple[str, ...]:
    """The names of all ions known by now, registered ones included.

    Returns:
        The names, cations first, registered ones last.

    Example:
        >>> "Na" in ion_names()
        True
    """
    return tuple(_ions)


def valence(name: str) -> int:
    """Signed valence of an ion.

    Args:
        name: see `ion_names`.

    Returns:
        z [1].

    Raises:
        InputError: no ion has that name; the message gives the nearest one that exists.

    Example:
        >>> valence("SO4")
        -2
    """
    return ion(name).z


def register_ion(name: str, z: int, mobility: float | None = None) -> Ion:
    """Adds an ion for this Python process, or gives a known one another mobility.

    Args:
        name: what to call it.
        z: signed valence [1], a non-zero integer.
        mobility: electrical mobility relative to K⁺, Λ°/|z| over Λ°(K⁺) [1], > 0; None where not known.

    Returns:
        The registered `Ion`.

    Raises:
        InputError: `z` is no non-zero integer, `mobility` is not positive, or `name` is known with another z.

    Example:
        >>> register_ion("pyruvate", -1).z
        -1
    """
    if isinstance(z, bool) or not isinstance(z, int) or z == 0:
        raise InputError(f"ion '{name}': valence {z!r} is no non-zero integer", mend="Give a signed integer")
    if mobility is not None and not mobility > 0:
        raise InputError(
            f"ion '{name}': mobility {mobility!r} is not positive", mend="Give Λ°/|z| relative to K⁺"
        )
    if name in _ions and _ions[name].z != z:
        raise InputError(
            f"ion '{name}' is known with valence {_ions[name].z}, not {z}", mend="Choose another name"
        )
    _ions[name] = Ion(name, z, mobility)
    return _ions[name]
