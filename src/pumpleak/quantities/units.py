"""Names, symbols and units: the only place where a value in another unit becomes the project's own.

Names follow the physiologist: ion first, compartment last (``o`` outside, ``i`` inside). Inside the
library every number is in the unit of this table; elsewhere a name carries its unit (``T_degC``,
``V_m_V``) and is converted here.

====================  ==========================================================  ==============
symbol                meaning                                                     unit
====================  ==========================================================  ==============
``K_o``, ``Na_i``     concentration of an ion outside, inside                     mM
``aK_i``              activity of an ion inside                                   mM
``gamma_o``           activity coefficient of the bath (``gamma_i``: of the cell) 1
``V_m``               membrane potential, inside minus outside                    mV
``dV_m``              paired difference: V_m minus V_m of the reference row       mV
``E_K``               Nernst potential of an ion                                  mV
``LJP``               liquid junction potential, bath minus pipette               mV
``V_offset``          offset of the electrode                                     mV
``shunt_rel``         conductance of an electrode's shunt over the cell's own     1
``drift``             drift of the electrode's offset                             mV/min
``T``                 temperature                                                 K
``P_K``               permeability                                                cm/s
``P_Na_rel``          permeability relative to that of K                          1
``P_Na_scale``        permeability in a condition over its own resting value      1
``g_K``               conductance per membrane area                               mS/cm2
``g_Na_rel``          conductance relative to that of K                           1
``pump``              activity of the Na/K pump, 1 normal and 0 blocked           1
``r``                 Na carried per K carried by the pump, 3/2 for 3:2           1
``z_K``               valence, signed                                             1
``I_K``, ``I_pump``   current, outward positive                                   uA/cm2
``J_Na``, ``J_pump``  flux, outward positive; J_pump counts cycles                umol/cm2/s
``C_m``               membrane capacitance                                        uF/cm2
====================  ==========================================================  ==============

A spread is named after its quantity: ``V_m_sd_mV``, ``V_m_sem_mV``, and ``V_m_n`` for the number of
readings behind a mean. 1 mM = 1 umol/cm3, so P*c is in umol/cm2/s and F*P*c in uA/cm2: only mV needs
a factor.

>>> to_canonical(37.0, "degC")
(310.15, 'K')
>>> split_unit("K_o_mM")
('K_o', 'mM')
"""

import math
import re

from ..errors import InputError, unknown
from .numbers import NUMBER, odd_number, plain_digits

# name: (canonical unit, scale, shift): canonical = (value + shift) * scale, or value / -scale where the
# scale is negative, so that 5 uM is 0.005 mM exactly, as typed, and not 0.005 rounded twice.
_UNITS: dict[str, tuple[str, float, float]] = {
    "1": ("1", 1.0, 0.0),
    "mV": ("mV", 1.0, 0.0),
    "V": ("mV", 1e3, 0.0),
    "uV": ("mV", -1e3, 0.0),
    "mM": ("mM", 1.0, 0.0),
    "uM": ("mM", -1e3, 0.0),
    "nM": ("mM", -1e6, 0.0),
    "M": ("mM", 1e3, 0.0),
    "K": ("K", 1.0, 0.0),
    "degC": ("K", 1.0, 273.15),
    "cm/s": ("cm/s", 1.0, 0.0),
    "um/s": ("cm/s", -1e4, 0.0),
    "m/s": ("cm/s", 1e2, 0.0),
    "mS/cm2": ("mS/cm2", 1.0, 0.0),
    "uS/cm2": ("mS/cm2", -1e3, 0.0),
    "S/m2": ("mS/cm2", -10.0, 0.0),
    "s": ("s", 1.0, 0.0),
    "ms": ("s", -1e3, 0.0),
    "min": ("s", 60.0, 0.0),
    "mV/min": ("mV/min", 1.0, 0.0),
    "mV/h": ("mV/min", -60.0, 0.0),
    # of cells and their mechanisms
    "umol/cm2/s": ("umol/cm2/s", 1.0, 0.0),
    "nmol/cm2/s": ("umol/cm2/s", -1e3, 0.0),
    "pmol/cm2/s": ("umol/cm2/s", -1e6, 0.0),
    "cm": ("cm", 1.0, 0.0),
    "um": ("cm", -1e4, 0.0),
    "uF/cm2": ("uF/cm2", 1.0, 0.0),
    "cm/s/mM": ("cm/s/mM", 1.0, 0.0),
}
#: Canonical unit -> the one in which its numbers are usually written.
_USUAL = {"K": "degC", "cm": "um"}

_ALIASES = {
    "": "1",
    "°C": "degC",
    "℃": "degC",
    "celsius": "degC",
    "kelvin": "K",
    "mmol/l": "mM",
    "mmol/L": "mM",
    "mol/l": "M",
    "mol/L": "M",
    "umol/l": "uM",
    "umol/L": "uM",
    "nmol/l": "nM",
    "nmol/L": "nM",
    "mol/m3": "mM",
    "mM/l": "mM",
    "mM/L": "mM",
    "cm s-1": "cm/s",
    "mS/cm^2": "mS/cm2",
    "uS/cm^2": "uS/cm2",
    "S/m^2": "S/m2",
    # in column and key names, where a slash is awkward
    **{unit.replace("/", "_"): unit for unit in _UNITS if "/" in unit},
}

_QUANTITY = re.compile(
    rf"(?P<value>{NUMBER.pattern})\s*(?P<unit1>[^\d\s,+±-][^,+±]*?)?\s*"
    rf"(?:(?:±|\+/-|\+-)\s*(?P<sd>{NUMBER.pattern})\s*(?P<unit2>[^\d\s,+±-][^,+±]*)?)?"
)


def plain_text(text: str) -> str:
    """`text` stripped, with either micro sign written u and the Unicode minus written -."""
    return text.strip().replace("\u00b5", "u").replace("\u03bc", "u").replace("\u2212", "-")


def unit_name(unit: str) -> str:
    """The name used here for a unit written in any accepted way (``µM``, ``°C``, ``mmol/L``).

    Raises:
        InputError: the unit is not known.
    """
    name = plain_text(unit)
    name = _ALIASES.get(name) or (name if name in _UNITS else _spelt(name))
    if name not in _UNITS:
        raise unknown("unit", unit, _UNITS, meant=_alike(name))
    return name


def is_unit(unit: str) -> bool:
    """Whether a unit is known, in any way of writing it."""
    try:
        unit_name(unit)
    except InputError:
        return False
    return True


def _spelt(unit: str) -> str:
    """A unit with powers written as they are here: ``mmol L-1`` and ``mmol·l⁻¹`` are mmol/L, ``cm s^-1`` cm/s."""
    text = unit.replace("⁻¹", "-1").replace("⁻²", "-2").replace("²", "2").replace("^", "")
    parts = re.split(r"\s*[·*\s]\s*|(?<=mol)\.(?=l)", text, flags=re.IGNORECASE)
    if not all(parts):
        return unit  # a sign without what it stands between: 5*, 5 mM*
    joined = "".join(
        p if i == 0 else f"/{p[:-2]}{p[-1].replace('1', '')}" if p[-2:-1] == "-" else p
        for i, p in enumerate(parts)
    )
    return _ALIASES.get(joined, joined)


def _alike(unit: str) -> str:
    """The known unit that differs from it by the case of letters or by how a second is written; empty: none."""
    plain = lambda u: u.lower().replace("sec", "s").replace(" ", "")  # noqa: E731
    return next((u for u in (*_UNITS, *_ALIASES) if u and plain(u) == plain(unit)), "")


def canonical_unit(unit: str) -> str:
    """The unit of the same kind that the library computes in: mV, mM, K, 1, cm/s, mS/cm2, s or mV/min.

    Raises:
        InputError: the unit is not known.
    """
    return _UNITS[unit_name(unit)][0]


def to_canonical(value, unit: str):
    """A value and its canonical unit; degC is shifted as well as scaled.

    Args:
        value: number or array, in `unit`.
        unit: any accepted unit.

    Returns:
        The value in the canonical unit, and that unit's name.

    Raises:
        InputError: the unit is not known.
    """
    canonical, scale, shift = _UNITS[unit_name(unit)]
    return _scaled(value + shift, scale), canonical


def spread_to_canonical(spread, unit: str):
    """A spread or a difference (sd, sem, dV_m) and its canonical unit: scaled, never shifted.

    Args:
        spread: number or array, in `unit`; 1 degC of spread is 1 K.
        unit: any accepted unit.

    Raises:
        InputError: the unit is not known.
    """
    canonical, scale, _ = _UNITS[unit_name(unit)]
    return _scaled(spread, scale), canonical


def _scaled(value, scale):
    return value * scale if scale > 0 else value / -scale


def split_unit(name: str) -> tuple[str, str | None]:
    """A column's or key's name without its unit suffix, and the unit; None where it has no suffix.

    ``K_o_mM`` gives ``("K_o", "mM")`` and ``P_Na_rel`` gives ``("P_Na_rel", None)``. The K of ``P_K`` is an
    ion: K is read as kelvin only after a temperature (``T_K``, ``T_sd_K``). µ and u both serve.
    """
    plain = plain_text(name)
    for suffix in _SUFFIXES:
        stem = plain.removesuffix("_" + suffix)
        if stem and stem != plain and (suffix != "K" or re.fullmatch(r"T(_.*)?", stem)):
            return stem, _ALIASES.get(suffix, suffix)
    return plain, None


def with_unit(name: str, unit: str) -> str:
    """The column name of a quantity in a unit: ``with_unit("P_K", "cm/s")`` is ``"P_K_cm_s"``."""
    return name if unit == "1" else f"{name}_{unit.replace('/', '_')}"


def written_name(name: str, unit: str) -> str:
    """A quantity's name with the unit in which people write it: ``T_degC``, ``K_o_mM``, ``pump``."""
    return next(iter(written_names(name, unit)), name)


def written_names(name: str, unit: str) -> tuple[str, ...]:
    """A quantity's name with every unit that it can be written in, the usual one first; none without a unit.

    Args:
        name: the quantity.
        unit: its canonical unit.
    """
    units = [u for u, (canonical, *_) in _UNITS.items() if canonical == unit and unit != "1"]
    units.sort(key=lambda u: u != _USUAL.get(unit, unit))
    return tuple(with_unit(name, u) for u in units)


_SUFFIXES = sorted(
    [u for u in _UNITS if u != "1"] + [a for a in _ALIASES if "_" in a] + ["°C"], key=len, reverse=True
)


def quantity_parts(text: str) -> tuple[float, float | None, str | None] | None:
    """The value, standard deviation and unit that a text is made of, known or not; None of any other text."""
    match = _QUANTITY.fullmatch(plain_text(plain_digits(text)))
    if match is None:
        return None
    return (
        float(match["value"]),
        None if match["sd"] is None else float(match["sd"]),
        match["unit1"] or match["unit2"],
    )


def parse_quantity(text: str, *, ratio: bool = True) -> tuple[float, float | None, str]:
    """The value, standard deviation and unit of a quantity written in words.

    ``"37 degC"`` gives ``(37.0, None, "degC")``; ``"120 ± 10 mM"`` (also ``+/-`` and ``+-``) gives
    ``(120.0, 10.0, "mM")``; a bare number has unit ``"1"``. Nothing is converted.

    Args:
        text: as written.
        ratio: whether it may be a ratio, which ``3:2`` is told to be written as.

    Raises:
        InputError: the text is not a quantity, the unit is not known, or the sd is not above 0.
    """
    if odd := odd_number(plain_digits(text), ratio=ratio) or _beside(plain_digits(text)):
        raise InputError(odd[0], mend=odd[1])
    match = _QUANTITY.fullmatch(plain_text(plain_digits(text)))
    if match is None:
        raise InputError(
            f"'{text}' is not a quantity", mend="Write a number and a unit, as in '37 degC' or '120 ± 10 mM'"
        )
    units = [unit_name(u) for u in (match["unit1"], match["unit2"]) if u]
    if len(set(units)) > 1:
        raise InputError(f"'{text}' has its spread in another unit", mend="Write both in one unit")
    sd = None if match["sd"] is None else float(match["sd"])
    if sd is not None and sd <= 0:
        raise InputError(f"the spread of '{text}' is not above 0", mend="Leave '± …' out if it is exact")
    value = float(match["value"])
    if not math.isfinite(value):
        raise InputError(f"'{text}' is too large", mend="Check its exponent")
    return value, sd, units[0] if units else "1"


def _beside(text: str) -> tuple[str, str] | None:
    """What is said of a number with another in brackets, ``150 (5) mM``, and of a range."""
    number = NUMBER.pattern
    first = rf"(?P<first>{number})\s*"
    last = r"\s*(?P<unit>[^\d\s()\[\]]\S*)?"
    inner = r"\s*(?P<inner>[^\d\s()\[\]]\S*?)?"
    ends = rf"({number})\s*(?:-|,\s|;|to|\.\.\.?|…)\s*({number})"
    if m := re.fullmatch(rf"(?:(?:{first})?[(\[]\s*{ends}\s*[)\]]|{ends}){last}", text):
        low, high = sorted(float(x) for x in m.groups()[1:5] if x)
        unit = f", unit: {m['unit']}" if m["unit"] else ""
        prior = f"{{prior: uniform, lower: {low:g}, upper: {high:g}{unit}}}"
        other = f"'{m['first'] or f'{(low + high) / 2:g}'} ± its sd'"
        return f"'{text}' has a range", f"Write `{prior}` if nothing else is known of it, else {other}"
    if m := re.fullmatch(rf"{first}[(\[]\s*(?P<second>{number}){inner}\s*[)\]]{last}", text):
        unit = f" {m['unit'] or m['inner']}" if m["unit"] or m["inner"] else ""
        spread = f"'{m['first']} ± {m['second'].lstrip('+-')}{unit}' if the second is its standard deviation"
        return f"'{text}' is two numbers", f"Write {spread}, else {m['first']}{unit} alone"
    return None
