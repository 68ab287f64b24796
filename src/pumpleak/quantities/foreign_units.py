"""Units that are none of a quantity here, though people write them: what they count, and the number to write instead."""

import re

from ..errors import InputError
from .ions import is_ion, valence
from .language import ends, own_name
from .names import kind
from .resemblance import own_stem
from .units import is_unit, quantity_parts, split_unit

#: Grams in a mole.
_MASSES = {
    "Li": 6.94,
    "Na": 22.990,
    "K": 39.098,
    "Rb": 85.468,
    "Cs": 132.905,
    "NH4": 18.039,
    "Mg": 24.305,
    "Ca": 40.078,
    "Ba": 137.327,
    "F": 18.998,
    "Cl": 35.453,
    "Br": 79.904,
    "I": 126.904,
    "HCO3": 61.017,
    "NO3": 62.005,
    "SO4": 96.06,
    "lactate": 89.07,
    "glucose": 180.156,
    "sucrose": 342.297,
    "mannitol": 182.172,
    "urea": 60.056,
}
_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_PER = {"": 1.0, "l": 1.0, "dl": 0.1, "ml": 1e-3, "ul": 1e-6}  # litres

_EQUIVALENTS = re.compile(r"(?P<prefix>[mun]?)(?:eq|val)(?:/l)?|(?P<normal>[mun]?)N(?:/l)?")
_MOLAL = re.compile(r"[mun]?mol/kg|[mun]?molal")
_OSMOTIC = re.compile(r"[mun]?osm(?:ol)?(?:/(?:l|kg))?")
_MASS = re.compile(r"(?P<prefix>[mun]?)g/(?P<per>l|dl|ml|ul)|(?P<share>m?g%)")
_NOT_PER_LITRE = {
    "m": ("is a metre, or moles per kilogram", None),
    "%": ("may be of mass or of volume", None),
    "mm": ("is a millimetre", 1.0),
    "mol": ("is an amount", 1e3),
    "mmol": ("is an amount", 1.0),
    "umol": ("is an amount", 1e-3),
}


def foreign_unit(
    name: str, unit: str, number: float | None = None, *, place: str = "key"
) -> tuple[str, str] | None:
    """What is wrong with a unit that is none of a quantity's, and the mend; None of any other unit.

    Args:
        name: the quantity, without its unit.
        unit: as written.
        number: its value in that unit, where it is one number.
        place: what the name is of, a ``key`` or a ``column``.

    Examples:
        >>> foreign_unit("Ca_o", "mEq/L", 4.0)
        ('mEq/L counts charges, of which Ca has 2', 'Write Ca_o_mM: 2')
        >>> foreign_unit("K_o", "mM")
    """
    if is_unit(unit):
        return None
    plain = _plain(unit)
    of = kind(name).of
    in_mM = kind(name).unit == "mM"
    if plain in ("%", "percent") and kind(name).unit == "1":
        mend = "Divide by 100" if number is None else f"Write {name}: {number / 100:.6g}"
        return f"{unit} is no unit of {name}, which is a ratio", mend
    if not in_mM:
        return None
    if m := _EQUIVALENTS.fullmatch(plain):
        z = abs(valence(of)) if is_ion(of) else 1
        factor = _PREFIX[m["prefix"] or m["normal"] or ""] * 1e3 / z
        return f"{unit} counts charges, of which {of} has {z}", _write(name, number, factor, place)
    if _MOLAL.fullmatch(plain):
        factor = _PREFIX[plain[: plain.index("mol")]] * 1e3
        mend = _write(name, number, factor, place)
        return f"{unit} is per kilogram of water, in a dilute saline within 2 % of mM", mend
    if _OSMOTIC.fullmatch(plain):
        return f"{unit} counts all that is dissolved", f"Give what there is of {of} alone, as {name}_mM"
    if m := _MASS.fullmatch(plain):
        grams = {"mg%": 1e-2, "g%": 10.0}.get(m["share"] or "")
        grams = _PREFIX[m["prefix"] or ""] / _PER[m["per"]] if grams is None else grams
        mass = _MASSES.get(of)
        if mass is None:
            mend = f"Divide by the grams in a mole of {of}, and write {name}_mM"
            return f"{unit} is a mass", mend
        return f"{unit} is a mass; a mole of {of} has {mass:g} g", _write(
            name, number, 1e3 * grams / mass, place
        )
    if plain in _NOT_PER_LITRE and ("m" not in plain or unit.strip().islower()):
        why, factor = _NOT_PER_LITRE[plain]
        return f"{unit} {why}", _write(name, number, factor, place)
    return None


def _write(name: str, number: float | None, factor: float | None, place: str) -> str:
    """To write a number in mM that is `factor` times what it was; None: the factor is not known."""
    if factor is None:
        return f"Write {name}_mM or {name}_M"
    if number is not None:
        return f"Write {name}_mM: {factor * number:.6g}"
    times = "" if factor == 1 else f"Multiply by {factor:.6g} and "
    return f"{times}{'n' if times else 'N'}ame the {place} {name}_mM"


def check_unit_of(name: str, value: object = None, *, place: str = "key") -> None:
    """Refuse a name, or a text, whose unit is none of a quantity's here.

    Args:
        name: as written, with its unit.
        value: what is said of it, where that is known.
        place: what the name is of.

    Raises:
        InputError: says what the unit counts, and what to write.
    """
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    stem, unit = split_unit(name)
    said = [] if unit else [(*x, number) for x in ends(stem) if x[1] != "N"]  # K_i_N is a count
    if isinstance(value, str) and (found := quantity_parts(value)):
        said.append((stem, found[2] or "", found[0] if found[1] is None else None))
    for quantity, written, amount in said:
        owner = own_stem(quantity) or (quantity if kind(quantity).unit else own_name(quantity))
        if owner and written and (wrong := foreign_unit(owner, written, amount, place=place)):
            raise InputError(wrong[0], mend=wrong[1])


def _plain(unit: str) -> str:
    """A unit in small letters but for N, its parts joined by a slash: ``mEq L-1``, ``meq_l`` and ``mEq/L`` are one."""
    text = unit.strip().replace("\u00b5", "u").replace("\u03bc", "u")
    text = text if re.fullmatch(r"[mun]?N", text) else text.lower()
    text = (
        re.sub(r"(?:[ ·._*]|(?<=q)|(?<=l))(l|kg|dl|ml)(?:\^?-1|⁻¹)?$", r"/\1", text)
        if "/" not in text
        else text
    )
    return re.sub(r"\s", "", text).replace("litre", "l").replace("liter", "l")
