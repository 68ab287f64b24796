"""What a name means: its kind, what it is of, its side and unit. The one place where a name is taken apart."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import kinds
from .chemistry import is_solute
from .ions import is_ion

IONS = ("K", "Na", "Cl", "Ca", "Mg", "HCO3")  # those that a mistyped name is compared with
PARTS = ("sd", "sem", "n")
#: Endings of what is sampled in a quantity's place.
TAILS = ("total", "mean", "spread", "z")


@dataclass(frozen=True)
class Kind:
    """What a name means.

    Attributes:
        name: the quantity, without level and tail: ``Cl_o`` of ``Cl_o[wash]_total``.
        what: its kind in a word or two, ``concentration``; empty where the name does not tell.
        unit: canonical unit; None where the name does not tell.
        of: the ion or other substance it is of, for noise the observable; empty: none.
        side: ``o`` outside, ``i`` inside; empty: neither.
        ratio: ``rel`` to the reference's, ``scale`` on its own resting value; empty: neither.
        sign: ``any``, ``not negative`` or ``positive``.
        low, high: beyond these [canonical unit] it is a mistake.
        place: ``membrane``, ``bath``, ``inside``, ``electrode`` or ``noise``.
        column: whether a table reads it unasked.
        level: what stands in brackets: the solution or cell that it is of.
        tail: ``total``, ``mean``, ``spread`` or ``z``: what of it is sampled; empty: itself.
        symbol: the pattern of its symbol; empty: its name.
        spoken: in words; empty: its symbol.
    """

    name: str
    what: str = ""
    unit: str | None = None
    of: str = ""
    side: str = ""
    ratio: str = ""
    sign: kinds.Sign = "any"
    low: float = -math.inf
    high: float = math.inf
    place: str = ""
    column: bool = False
    level: str = ""
    tail: str = ""
    symbol: str = ""
    spoken: str = ""

    @property
    def is_noise(self) -> bool:
        """Whether it is the scale or the tails of a reading's scatter."""
        return self.place == "noise"

    @property
    def is_rate(self) -> bool:
        """Whether it is a permeability or conductance of the membrane, absolute or not."""
        return self.what in ("permeability", "conductance") and self.place == "membrane"

    @property
    def is_ratio(self) -> bool:
        """Whether it is a permeability or conductance over the reference's."""
        return self.is_rate and self.ratio == "rel" and not self.tail

    @property
    def is_quotient(self) -> bool:
        """Whether it is one number over another, so that ``3:2`` is 1.5 of it."""
        return bool(self.ratio) or self.what in ("stoichiometry", "volume")

    @property
    def of_bath(self) -> bool:
        """Whether all cells in a bath have the same: its concentrations, temperature and junction potential."""
        return self.side == "o" or self.place == "bath" or self.name == "LJP"

    @property
    def is_unasked_reading(self) -> bool:
        """Whether it is a potential of the cell: read where it is asked for, else no input of anything."""
        return self.column and self.what == "potential" and self.place == "membrane"

    @property
    def is_bystander(self) -> bool:
        """Whether it may stand in a bath without being any model's: an ion's concentration, a neutral solute's."""
        return self.is_bath_ion or self.what == "solute"

    @property
    def is_bath_ion(self) -> bool:
        """Whether it is the concentration of an ion in the bath."""
        return self.what == "concentration" and self.side == "o" and is_ion(self.of)


def kind(name: str) -> Kind:
    """What a parameter, a column or a key (without its unit) is called for.

    Args:
        name: as in ``K_o``, ``P_Na_rel[wild type]``, ``sigma_V_m``, ``Na_o_total``, ``pump.K_Na``.

    Returns:
        Its `Kind`; of a name that tells nothing, one with an empty `what` and the unit None.

    Example:
        >>> k = kind("Cl_o[wash]_total")
        >>> k.what, k.of, k.side, k.unit, k.level, k.tail
        ('concentration', 'Cl', 'o', 'mM', 'wash', 'total')
    """
    base, bracket, rest = name.partition("[")
    level, _, end = rest.rpartition("]") if bracket else ("", "", "")
    stem, _, last = base.rpartition("_")
    found = _bare(stem) if last in TAILS else None
    tail = last if found else ""
    found = found or _bare(base) or Kind(base)
    return replace(found, level=level, tail=end.removeprefix("_") or tail)


def is_named(name: str) -> bool:
    """Whether a quantity is called so, rather than might be by the form of its name."""
    return _bare(name, kinds.RULES) is not None


def _bare(name: str, rules: Sequence[kinds.Rule] | None = None) -> Kind | None:
    """The kind of a name without level and tail; None where it tells nothing."""
    for rule in (*kinds.RULES, *kinds.FORMS) if rules is None else rules:
        match = rule.match(name)
        if match is None:
            continue
        groups = {"of": "", "side": "", "ratio": rule.ratio, **match.groupdict()}
        if rule.of_ion and not is_ion(groups["of"]) or rule.of_solute and not is_solute(groups["of"]):
            continue
        unit = rule.unit
        if rule.place == "noise" and groups["of"]:
            unit = kind(groups["of"]).unit
        place = rule.place or {"o": "bath", "i": "inside"}.get(groups["side"], "membrane")
        column = rule.column and (rule.of_solute or not groups["of"] or is_ion(groups["of"]))
        return Kind(
            name,
            rule.what,
            unit,
            sign=rule.sign,
            low=rule.low,
            high=rule.high,
            place=place,
            column=column,
            symbol=rule.symbol,
            spoken=rule.spoken,
            **groups,
        )
    return None


def observable_unit(name: str) -> str:
    """Canonical unit of what is read; where the name does not tell, mV for V… and E…, else mM."""
    return kind(name).unit or ("mV" if name[0] in "VE" else "mM")


def as_read(name: str, unit: str) -> tuple[str, float]:
    """The unit in which people read a quantity, and what to add to its number: a temperature is read in °C.

    Examples:
        >>> as_read("T", "K"), as_read("K_i", "mM")
        (('°C', -273.15), ('mM', 0.0))
    """
    k = kind(name)
    if k.what == "temperature" and unit == "K" and k.tail in ("", "mean"):
        return "°C", -273.15
    return unit, 0.0


def column_unit(name: str) -> str | None:
    """Canonical unit of a quantity that tables read unasked; None of any other."""
    k = kind(name)
    return k.unit if k.column and k.name == name else None


def column_units() -> set[str]:
    """Canonical units of all that tables read unasked."""
    return {rule.unit for rule in kinds.RULES if rule.column and rule.unit not in (None, "1")}


def split_part(stem: str) -> tuple[str, str]:
    """A column's quantity and part: ``("V_m", "sem")`` of ``V_m_sem``, ``("V_m", "value")`` of ``V_m``."""
    base, _, last = stem.rpartition("_")
    return (base, last) if base and last in PARTS else (stem, "value")


def base_name(stem: str) -> str:
    """The quantity behind a name: ``dV_m_sem`` is about ``V_m``."""
    name = split_part(stem)[0]
    return name[1:] if name[:1] == "d" and column_unit(name) is None else name


def column_names() -> list[str]:
    """Quantities that tables read unasked, for the ions that a mistyped name is compared with."""
    out = []
    for rule in kinds.RULES:
        if not rule.column or rule.what == "potential" and not rule.place:
            continue
        patterns = [rule.pattern]
        for group, choices in ((r"\(\?P<of>[^)]*\)", IONS), (r"\(\?P<side>[^)]*\)", ("o", "i"))):
            patterns = [
                re.sub(group, c, p) for p in patterns for c in (choices if re.search(group, p) else ("",))
            ]
        out += patterns
    return list(dict.fromkeys(out))


def spoken(name: str, reference: str) -> str:
    """A parameter in words: ``P_Na_rel`` is P_Na/P_K, ``LJP[wash]`` the junction potential (wash)."""
    k = kind(name)
    level = f" ({k.level})" if k.level else ""
    if k.is_ratio:
        symbol = k.name[0]
        return f"{symbol}_{k.of}/{symbol}_{reference}{level}"
    if k.spoken and not k.tail:
        return k.spoken + level
    side = {"i": "inside", "o": "in the bath"}.get(k.side)
    if side and not level and not k.tail:
        return f"{name}, {k.name[:-2]} {side},"
    return name


def safe_name(name: str) -> str:
    """A parameter's name as netCDF takes it: no slash (the division slash looks the same)."""
    return name.replace("/", "\u2215")


def unique_names(names: list[str]) -> list[str]:
    """Names made unique by a number where they repeat."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out
