"""Ions by name: looked up, and registered."""

from ..errors import InputError
from .chemistry import no_ion
from .ion_table import IONS, Ion


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
        return IONS[name]
    except KeyError:
        raise no_ion(name) from None


def ion_names() -> tuple[str, ...]:
    """The names of all ions known by now, registered ones included.

    Returns:
        The names, cations first, registered ones last.

    Example:
        >>> "Na" in ion_names()
        True
    """
    return tuple(IONS)


def is_ion(name: str) -> bool:
    """Whether an ion is called so."""
    return name in IONS


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
    if name in IONS and IONS[name].z != z:
        raise InputError(
            f"ion '{name}' is known with valence {IONS[name].z}, not {z}", mend="Choose another name"
        )
    IONS[name] = Ion(name, z, mobility)
    return IONS[name]
