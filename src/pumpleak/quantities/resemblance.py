"""Headers that lost capitals, brackets or blanks on their way: ``ko_mm``, ``k_o_m_m``, ``low K``, ``[K+]b``.

What such a name resembles is proposed, and never read unasked.
"""

import re
from typing import NamedTuple

from .chemistry import substance
from .ions import is_ion
from .names import is_named, kind
from .spellings import MayBe, in_plain_letters, is_spelled, may_be, no_error, plain_name
from .units import split_unit, with_unit
from .words import ION, QUALIFIERS, SIDES, unqualified

_IONS = {ion.lower(): ion for ion in ("K", "Na", "Cl", "Ca", "Mg", "HCO3", "Rb", "Cs", "Li")} | {
    "sod": "Na",
    "chlor": "Cl",
}
_SIDE_OF = {word: side for side, words in SIDES.items() for word in words} | {"b": "o"}
_IN_MM = re.compile(r"(?P<stem>.+?)_?(?:m_?m|mmol_?l(?:_1)?)")
#: Units as a script that parts words at capitals leaves them.
_PARTED = (("_m_m", "_mM"), ("_u_m", "_uM"), ("_m_v", "_mV"), ("_deg_c", "_degC"))
_ADDED = set("added add additional plus supplemented supplement".split())
_BESIDE = (
    QUALIFIERS | _ADDED | set("low high medium normal free total set conc concentration level ion".split())
)


class _Resembled(NamedTuple):
    ion: str
    side: str
    in_mM: bool
    words: frozenset[str]


def doubtful(name: str) -> MayBe | None:
    """What a column of numbers may be by its name, however that came to be written; as `may_be`.

    Examples:
        >>> [doubtful(name).column for name in ("ko_mm", "k_out_m_m", "low K", "sem_m_v", "[K+]b (mM)")]
        ['K_o_mM', 'K_o_mM', 'K_o_mM', '{reading}_sem', 'K_o_mM']
        >>> doubtful("age"), doubtful("added K").column
        (None, '')
    """
    found = may_be(name)
    if found is not None and (found.column or no_error(name)):
        return found
    if name.lower().strip() == "pot":
        mend = f"Write `columns: {{{name}: K_o_mM}}` where it is potassium, and name a potential V_m_mV"
        return MayBe("potassium's concentration or a potential", "", None, mend, "K_o")
    return _parted(name) or _unqualified(name) or _of_ion(name) or found


def is_weak(name: str) -> bool:
    """Whether a name says an ion without its unit and capitals: numbers such as 0 and 1 (``KO``) are none of its."""
    found = _resembled(name)
    return found is not None and not found.in_mM and may_be(name) is None


def _parted(name: str) -> MayBe | None:
    """What a name says once its unit is written as one word."""
    low = name.lower()
    end = next(((old, new) for old, new in _PARTED if low.endswith(old)), None)
    if end is None:
        return None
    whole = name[: -len(end[0])] + end[1]
    plain = whole if is_spelled(whole) else plain_name(whole)
    return _proposal(plain) if plain else None


def _unqualified(name: str) -> MayBe | None:
    """What a name says but for a word such as mean: the table may have it twice, or it has no unit."""
    if plain := plain_name(name):
        return _proposal(plain)
    bare = unqualified(name)
    found = may_be(bare) if bare else None
    return found if found and found.column and "{reading}" not in found.column else None


def _proposal(plain: str) -> MayBe:
    stem, unit = split_unit(plain)
    if stem in ("sd", "sem"):
        return MayBe("a standard error or deviation", f"{{reading}}_{stem}", unit)
    k = kind(stem)
    return MayBe(ION if k.what == "concentration" else f"{stem} ({k.what})" if k.what else stem, plain, unit)


def _of_ion(name: str) -> MayBe | None:
    found = _resembled(name)
    if found is None:
        return None
    if found.words & _ADDED:
        mend = f"Add what the bath has without it, and name the sum {found.ion}_o_mM"
        return MayBe("what was added to the bath", "", "mM", mend, f"{found.ion}_o")
    return MayBe(ION, with_unit(f"{found.ion}_{found.side or 'o'}", "mM"), "mM" if found.in_mM else None)


def _resembled(name: str) -> _Resembled | None:
    """The ion and side that a name says, whatever its capitals; None where it has any other word."""
    text = re.sub(r"(?<=[A-Za-z0-9])\d?[+-]+(?![A-Za-z0-9])", "", in_plain_letters(name))
    text = re.sub(r"[\W_]+", "_", text).strip("_").lower()
    unit = _IN_MM.fullmatch(text)
    tokens = (unit["stem"] if unit else text).split("_")
    ions, sides, rest = [], [], set()
    for token in tokens:
        cut = next((k for k in range(1, len(token)) if token[:k] in _IONS and token[k:] in _SIDE_OF), None)
        if cut:
            ions.append(_IONS[token[:cut]])
            sides.append(_SIDE_OF[token[cut:]])
        elif token in _IONS or len(token) > 3 and is_ion(substance(token) or ""):
            ions.append(_IONS.get(token) or substance(token))
        elif token in _SIDE_OF:
            sides.append(_SIDE_OF[token])
        else:
            rest.add(token)
    if len(ions) != 1 or len(sides) > 1 or not rest <= _BESIDE:
        return None
    if not (unit or sides or rest):
        return None
    return _Resembled(ions[0], sides[0] if sides else "", bool(unit), frozenset(rest))


def own_stem(stem: str) -> str | None:
    """The quantity that a name without its unit resembles; None where it has a name of its own, or says no side.

    Example:
        >>> own_stem("k_o"), own_stem("naout"), own_stem("K_o"), own_stem("k")
        ('K_o', 'Na_o', None, None)
    """
    found = None if is_named(stem) else _resembled(stem)
    return f"{found.ion}_{found.side}" if found and found.side in ("o", "i") else None


def is_in_mM(name: str) -> bool:
    """Whether a name is an ion's with a unit that can only be mM: the mm of ``k_o_mm`` is no millimetre."""
    found = _resembled(name)
    return found is not None and found.in_mM
