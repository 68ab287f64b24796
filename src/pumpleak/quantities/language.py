"""The field's language: what a name that nothing has most likely says, and what may be suggested for it.

A suggestion has the same ion, side, kind of quantity, part and unit as what was written, or is not made. A word with a
meaning of its own (a salt, a pipette's potential, a holding potential) is named for what it is, with what to write.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from ..errors import InputError, nearest, unknown
from .chemistry import (
    LEAVE_OUT,
    VARIES,
    Salt,
    choices,
    either,
    is_chemical,
    is_solute,
    misspelt,
    salt,
    substance,
    varies,
)
from .ions import ion_names, is_ion
from .names import is_named, kind
from .spellings import without_unit
from .units import canonical_unit, split_unit, with_unit
from .words import COMMAND, OF_PIPETTE, PIPETTE, QUANTITIES, SIDES

_SIDE_OF = {word: side for side, words in SIDES.items() for word in words}
_SIDE_OF |= {"0": "o"} | dict.fromkeys(PIPETTE, "pipette")  # K_0 may be meant as K_o
_SIDE_OF |= {re.sub(r"(.)\1", r"\1", word): side for word, side in _SIDE_OF.items()}  # extracelular
_PART_OF = {"sd": "sd", "std": "sd", "stdev": "sd", "sem": "sem", "se": "sem", "n": "n"}
_RATIOS = {"rel": "rel", "relative": "rel", "ratio": "rel", "scale": "scale"}
_LEADS = {
    "P": "permeability",
    "perm": "permeability",
    "g": "conductance",
    "G": "conductance",
    "E": "potential",
    "gamma": "activity coefficient",
    "γ": "activity coefficient",
}
#: How a quantity of an ion is called here, by its kind.
_FORMS = {
    "concentration": "{of}_{side}",
    "solute": "{of}_{side}",
    "activity": "a{of}_{side}",
    "activity coefficient": "gamma_{of}_{side}",
    "permeability": "P_{of}{ratio}",
    "conductance": "g_{of}{ratio}",
    "potential": "E_{of}",
}
_WORD_FOR = {word: name for name, words in QUANTITIES.items() for word in words.squeezed()}
_PIPETTE_POTENTIAL, _COMMAND = ({word.replace(" ", "") for word in words} for words in (OF_PIPETTE, COMMAND))


class Taken(NamedTuple):
    """What a written name says.

    Attributes:
        what: the kind of quantity; empty where it does not tell.
        of: the ion or solute that it is of, by its name here, or the word that stands in its place; empty: of none.
        side: ``o``, ``i`` or ``pipette``; empty: neither.
        ratio: ``rel`` or ``scale``; empty: neither.
        part: ``value``, ``sd``, ``sem`` or ``n``.
        unit: as written; None: without one.
        word: of what is of no ion, its name.
    """

    what: str = ""
    of: str = ""
    side: str = ""
    ratio: str = ""
    part: str = "value"
    unit: str | None = None
    word: str = ""


def taken(name: str) -> Taken:
    """What a written name says, whether or not anything is called so.

    Examples:
        >>> taken("K_cyt_mM")[:3], taken("P_Na_rell")[:2], taken("Vrest_mV").word
        (('concentration', 'K', 'i'), ('permeability', 'Na'), 'V_m')
    """
    return _taken(name, ion_names())


@lru_cache(maxsize=4096)
def _taken(name: str, ions: tuple[str, ...]) -> Taken:
    """The same while these are the ions that are known: of a hundred columns, each is held against every name there is."""
    stem, part, unit = _parts(name)
    if is_named(stem) and "." not in stem:
        k = kind(stem)
        of = "" if k.is_noise else k.of
        return Taken(k.what, of, k.side, k.ratio, part, unit, "" if of else stem)
    if (word := _WORD_FOR.get(_plain(stem))) is not None:
        return Taken(kind(word).what, part=part, unit=unit, word=word)
    return _of_ion(_tokens(stem), part, unit) or Taken(part=part, unit=unit, word=stem)


def _parts(name: str) -> tuple[str, str, str | None]:
    """The quantity, the part of it and the unit that a name has."""
    stem, unit = split_unit(name.partition("[")[0])
    base, _, last = stem.rpartition("_")
    part = _PART_OF.get(last.lower(), "value") if base else "value"
    return (base if part != "value" else stem), part, unit


def _of_ion(tokens: list[str], part: str, unit: str | None) -> Taken | None:
    """What tokens say that are a kind, an ion, a side and a ratio; None of any others."""
    lead = _LEADS.get(tokens[0], "") if len(tokens) > 1 else ""
    sides, ratios, words = [], [], []
    for k, token in enumerate(tokens[1:] if lead else tokens):
        if side := _side(token, last=k + bool(lead) == len(tokens) - 1):
            sides.append(side)
        elif ratio := _ratio(token):
            ratios.append(ratio)
        else:
            words.append(token)
    if len(words) != 1 or len(sides) > 1 or len(ratios) > 1:
        return None
    of, side, ratio = words[0], *(x[0] if x else "" for x in (sides, ratios))
    if not (is_chemical(of) or side or lead):
        return None
    if not lead and side and of[:1] == "a" and is_ion(of[1:]) and not is_chemical(of):
        lead, of = "activity", of[1:]
    in_mM = unit is not None and canonical_unit(unit) == "mM"
    what = lead or ("concentration" if not ratio and (side or in_mM) else "")
    of = substance(of) or of
    return Taken("solute" if is_solute(of) and what == "concentration" else what, of, side, ratio, part, unit)


def _tokens(stem: str) -> list[str]:
    """The parts of a name: ``K_gluconate_o`` is a salt and a side, ``Kout`` and ``PNa`` are two parts each."""
    tokens = [t for t in re.split(r"[_\s]+", stem) if t]
    if len(tokens) > 2 and salt("-".join(tokens[:-1])):
        return ["-".join(tokens[:-1]), tokens[-1]]
    out = []
    for token in tokens:
        glued = None if is_chemical(token) else re.fullmatch(r"([PgGE])([A-Z]\w*)", token)
        if glued and is_ion(glued[2]):
            out += [*glued.groups()]
            continue
        cut = next((i for i in range(1, len(token)) if _is_glued(token, i)), None)
        out += [token] if cut is None else [token[:cut], token[cut:]]
    return out


def _is_glued(token: str, cut: int) -> bool:
    """Whether it is an ion and a side in one: ``Ko``, ``Naout``."""
    return not is_chemical(token) and token[cut:] in _SIDE_OF and token[cut:] != "0" and is_ion(token[:cut])


def _side(token: str, last: bool) -> str:
    """The side that a token says: a single letter only at the end, and a small one."""
    if len(token) > 1:
        single = re.sub(r"(.)\1", r"\1", token)
        return _SIDE_OF.get(token.lower()) or _SIDE_OF.get(single, "") if not is_chemical(token) else ""
    return _SIDE_OF.get(token, "") if last else ""


def _ratio(token: str) -> str:
    known = token if token in _RATIOS else nearest(token, _RATIOS, 0.8)
    return _RATIOS[known] if known and not is_chemical(token) else ""


def _plain(word: str) -> str:
    return re.sub(r"[-_\s]", "", word).lower()


# -- what may be suggested -------------------------------------------------------------------------


def meant(name: str, known: Iterable[str]) -> str | None:
    """The known name that a written one stands for; None where none has its ion, side, kind, part and unit.

    Args:
        name: as written, with or without its unit.
        known: the names that there are.

    Examples:
        >>> meant("K_cyt_mM", ["K_o_mM", "K_i_mM"]), meant("K_out_uM", ["K_o_mM"]), meant("Mn_o", ["Mg_o"])
        ('K_i_mM', 'K_o_uM', None)
    """
    if named(name) is not None:
        return None
    written = taken(name)
    fits = {c: t for c in dict.fromkeys(known) if _keeps(written, t := taken(c))}
    if written.of:
        fits = dict(sorted(fits.items(), key=lambda fit: fit[1].ratio != written.ratio))
        same = [c for c, t in fits.items() if t.of == written.of]
        near = [] if same or is_chemical(written.of) else misspelt(written.of, {t.of for t in fits.values()})
        same = same or [c for c, t in fits.items() if [t.of] == near]
    else:
        words = [t.word for t in fits.values()]
        word = written.word if written.word in words else _nearest_word(written.word, words)
        same = [c for c, t in fits.items() if t.word == word]
    if "[" in name:  # of the solutions or cells that it is of, the one most like it
        same = [x for x in [nearest(name, [c for c in same if "[" in c])] if x]
    return _with_unit_of(written, same[0]) if same else None


def _keeps(written: Taken, known: Taken) -> bool:
    """Whether a known name is of the written one's kind, side, part and unit, as far as that tells them."""
    if written.part != known.part or bool(written.of) != bool(known.of):
        return False
    if written.unit is not None and canonical_unit(written.unit) != (
        _unit(known) or canonical_unit(written.unit)
    ):
        return False
    if not written.of:
        return True
    kinds = {"concentration", "solute"} if written.what in ("concentration", "solute") else {written.what}
    return known.what in kinds and written.side == known.side and written.ratio in ("", known.ratio)


def _unit(known: Taken) -> str | None:
    if known.part == "n":
        return "1"
    return canonical_unit(known.unit) if known.unit else kind(_called(known) or known.word).unit


def _called(t: Taken) -> str | None:
    """How a quantity of an ion is called here; None of any other, and where its kind or side is open."""
    form = _FORMS.get(t.what)
    if not t.of or form is None or ("side" in form and t.side not in ("o", "i")):
        return None
    return form.format(of=t.of, side=t.side, ratio=f"_{t.ratio}" if t.ratio else "")


def own_name(name: str) -> str | None:
    """The name here, without a unit, of a quantity of a known ion or solute; None where that is open.

    Examples:
        >>> own_name("potassium_bath_mM"), own_name("K_pip_mM"), own_name("gluc_o_mM")
        ('K_o', None, None)
    """
    t = taken(name)
    called = _called(t) if is_ion(t.of) or is_solute(t.of) else None
    return called and called + ("" if t.part == "value" else f"_{t.part}")


def _with_unit_of(written: Taken, known: str) -> str:
    stem, unit = split_unit(known)
    return known if unit is None or written.unit is None else with_unit(stem, written.unit)


def _nearest_word(word: str, known: list[str]) -> str | None:
    """The known name of no ion that it is a misspelling of: another letter is another potential in ``V_x``."""
    known = [k for k in known if _ions_in(k) == _ions_in(word)]
    if exact := [k for k in known if _plain(k) == _plain(word)]:
        return exact[0]
    if len(_plain(word)) < 3:
        return None
    begun = {k for k in known if len(_plain(word)) > 3 and k.startswith(word)}
    alike = [k for k in known if k[:1].lower() == word[:1].lower()]
    return next(iter(begun)) if len(begun) == 1 else nearest(word, alike, 0.75)


def _ions_in(name: str) -> set[str]:
    return {token for token in re.split(r"[._]", name) if is_ion(token)}


# -- what has a meaning of its own -----------------------------------------------------------------


def named(name: str, amount: float | None = None) -> tuple[str, str] | None:
    """What a written name is that is none of a quantity here, and what to write; None where it has no such meaning.

    Args:
        name: as written, with or without its unit.
        amount: its value, where it is one number.

    Examples:
        >>> named("K2SO4_o_mM", 5)[1]
        'Write K_o_mM: 10 and SO4_o_mM: 5, each added to what other salts bring'
        >>> named("V_p_mV")[0]
        'it is a potential of the pipette'
    """
    t = taken(name)
    if t.word:
        return _potential(_plain(_parts(name)[0]))
    if not t.side and is_ion(t.of) and t.what in ("concentration", "activity", "activity coefficient"):
        sides = [_called(t._replace(side=side)) or "" for side in "oi"]
        sides = [with_unit(x, t.unit or kind(x).unit or "1") for x in sides]
        return "it does not say on which side of the membrane", f"Write {either(sides)}"
    if not t.of or t.what not in ("", "concentration", "solute"):
        return None
    if may := choices(t.of):
        names = [_in_mM(t._replace(side=t.side or "o"), x) for x in may if substance(x)]
        return f"{t.of} may be {either(may)}", f"Write {either(names)}"
    if parts := salt(t.of):
        return _salt(t, parts, amount)
    if varies(t.of):
        return VARIES, LEAVE_OUT
    if is_solute(t.of) and t.side != "o":
        mend = (
            "leave it out"
            if t.side
            else f"write {_in_mM(t._replace(side='o'), t.of)} where it is in the bath"
        )
        return f"{t.of} carries no charge", mend[0].upper() + mend[1:]
    if t.side == "pipette" and is_chemical(t.of):
        inside, outside = (with_unit(f"{t.of}_{side}", t.unit or "mM") for side in "io")
        mend = f"Write {inside} (whole cell, outside-out) or {outside} (inside-out, cell-attached)"
        return "a pipette's solution is inside or outside", mend
    return None


class SaltColumn(NamedTuple):
    """A salt whose concentration a column holds.

    Attributes:
        parts: its ions, each with how many there are.
        side: ``o``, ``i`` or ``pipette``; empty: it does not say.
        unit: as written; None: without one.
    """

    parts: Salt
    side: str
    unit: str | None


def salt_of(name: str) -> SaltColumn | None:
    """The salt that a column is headed by, in any spelling; None of any other, and where its ions are not plain.

    Examples:
        >>> salt_of("KCl (mM)")
        SaltColumn(parts=(('K', 1), ('Cl', 1)), side='', unit='mM')
        >>> salt_of("bath CaCl₂").side, salt_of("K_o_mM")
        ('o', None)
    """
    word, side, unit = _solute(name)
    parts = salt(word)
    if parts is None or any(choices(ion) for ion, _ in parts):
        return None
    return SaltColumn(parts, side, unit)


def in_doubt(name: str) -> tuple[str, str] | None:
    """What a header of a solute says that its numbers cannot be read as, and the mend; None of any other.

    Examples:
        >>> in_doubt("K-Glu (mM)")[0], in_doubt("NaATP (mM)")[0]
        ('it is a salt, whose Glu may be glutamate, glucose or gluconate', 'its charge hangs on pH and on what it binds')
        >>> in_doubt("KCl (g/L)")
        ('it is a salt in g/L', 'Give its ions in mM')
    """
    if salt_of(name) is None and (units := [u for stem, u in ends(name) if salt_of(stem)]):
        return f"it is a salt in {units[0]}", "Give its ions in mM"
    word, side, unit = _solute(name)
    if unit is None and len(word) < 4 and (word.islower() or len(word) < 3):  # ms and amp are times and sizes
        return None
    parts = salt(word)
    if choices(word) or varies(word) or parts and any(choices(ion) for ion, _ in parts):
        return named("_".join(x for x in (word, side, unit or "mM") if x))
    return None


def _solute(name: str) -> tuple[str, str, str | None]:
    """A header's words but for its side and unit, joined, and these."""
    text, unit = without_unit(name)
    tokens = [
        re.sub(r"(?<=[A-Za-z])\d?\++(?=-|$)|(?<=\w)-+$", "", t)
        for t in re.split(r"[\s_\[\](){}]+", text)
        if t
    ]
    sides = {k: side for k, t in enumerate(tokens) if (side := _side(t, last=k == len(tokens) - 1))}
    word = "-".join(t for k, t in enumerate(tokens) if k not in sides)
    return (word if len(sides) < 2 else ""), next(iter(sides.values()), ""), unit


def ends(name: str) -> list[tuple[str, str]]:
    """A name's beginnings, with what follows each, which may be a unit."""
    brackets = re.fullmatch(r"(.+?)[\s_]*[(\[](.+)[)\]]", name)
    if brackets:
        return [(brackets[1], brackets[2])]
    return [(name[: at.start()], name[at.end() :]) for at in re.finditer("_", name)]


def _potential(plain: str) -> tuple[str, str] | None:
    """What is said of a potential that is not the membrane's."""
    if plain in _PIPETTE_POTENTIAL:
        mend = (
            "Write V_m_mV: minus this in an inside-out patch, this in an outside-out one or a whole cell, the cell's V_m "
            "minus this in a cell-attached one"
        )
        return "it is a potential of the pipette", mend
    if plain in _COMMAND:
        return (
            "it is a potential that was imposed",
            "Write V_m_mV where no current flowed at it, or leave it out",
        )
    if plain != "ljp" and _WORD_FOR.get(plain) == "LJP":
        return "it is a junction potential", "Write LJP_mV, bath minus pipette: V_m is the reading minus LJP"
    return None


def _salt(t: Taken, parts: tuple[tuple[str, int], ...], amount: float | None) -> tuple[str, str]:
    """What is said of a salt: its ions, with how much of each."""
    names = [_in_mM(t, ion) for ion, _ in parts]
    for ion, _ in parts:
        if may := choices(ion):
            return f"it is a salt, whose {ion} may be {either(may)}", "Write its ions by their full names"
    if amount is not None:
        names = [f"{name}: {n * amount:g}" for name, (_, n) in zip(names, parts, strict=True)]
    else:
        times = [f"{name} ({n} times its value)" for name, (_, n) in zip(names, parts, strict=True)]
        names = [x if n > 1 else name for x, name, (_, n) in zip(times, names, parts, strict=True)]
    return "it is a salt", f"Write {' and '.join(names)}, each added to what other salts bring"


def _in_mM(t: Taken, of: str) -> str:
    """The name of a concentration on the side, if any, and in the unit of another."""
    return with_unit(f"{of}_{t.side}" if t.side in ("o", "i") else of, t.unit or "mM")


# -- messages --------------------------------------------------------------------------------------


def unknown_name(
    what: str,
    name: str,
    known: Iterable[str],
    *,
    within: str = "",
    mend: str | None = None,
    amount: float | None = None,
    **place: Any,
) -> InputError:
    """The error of a quantity's name that nothing has, as `unknown`; of a word of the field's, what that is.

    Args:
        what, name, known, within, mend: as `unknown` takes them.
        amount: its value, where it is one number.
        **place: `file`, `row`, `column` or `key` of an `InputError`.
    """
    if found := named(name, amount):
        why, own = found
        return InputError(f"there is no {what} '{name}'{within and f' {within}'}: {why}", mend=own, **place)
    known = list(known)
    return unknown(what, name, known, within=within, mend=mend, meant=meant(name, known) or "", **place)
