"""Columns as people head them: what a name plainly says, and what it may say.

``[K⁺]ₒ (mM)``, ``K+ out / mM`` and ``K_o_mM`` are one name; ``SEM``, ``s.e.m.`` and ``sem`` another. A name is taken
apart, not looked up: unit, ion with its charge, side, part, in any order and script. What a name may say but does not say
plainly (``Ko`` without a unit, ``bath``, ``pH``) is nobody's to decide but the user's.
"""

import re
import unicodedata
from statistics import NormalDist
from typing import NamedTuple

from ..errors import InputError
from .chemistry import is_solute, substance
from .ions import ion_names
from .labels import ATTRIBUTES
from .names import PARTS, kind, split_part
from .units import canonical_unit, plain_text, split_unit, unit_name, with_unit
from .words import (
    BESIDE_ERROR,
    BESIDE_VARIANCE,
    CELSIUS,
    CHANGED,
    CONCENTRATION,
    COUNT,
    DEVIATIONS,
    ELEMENTS,
    ERRORS,
    FAHRENHEIT,
    INTERVAL,
    ION,
    LEVEL_ENDS,
    MAY_BE,
    OTHER_SPREADS,
    PART_WORDS,
    PIPETTE,
    QUANTITIES,
    READING,
    SIDES,
    UNIT_WORDS,
    unqualified,
)

_COMMON = ("HCO3", "Na", "Cl", "Ca", "Mg", "K")  # those whose side is written into one word with them


_HARMLESS = ATTRIBUTES | set(
    "date day week month year batch passage input trace sweep index idx id donor gene".split()
)


_SAME = re.compile(
    r"[\w\s.,:;'\"#&°~*†‡§<>()\[\]{}]|(?<=\w)-(?=[^\W\d])|(?<=\s)-\s*$"
)  # what changes no number


class Spelled(NamedTuple):
    """A name taken apart: its words without the unit, and the unit; None: it has none that is known."""

    words: str
    unit: str | None


def plain_name(name: str) -> str | None:
    """The column that a name plainly is, as this library spells it; None where it is none, or is spelled so already.

    Args:
        name: of a column, as it is written.

    Examples:
        >>> plain_name("[K⁺]ₒ (mM)"), plain_name("Temp (°C)"), plain_name("S.E.M."), plain_name("Vm SD / mV")
        ('K_o_mM', 'T_degC', 'sem', 'V_m_sd_mV')
        >>> plain_name("Ko"), plain_name("K_o_mM"), plain_name("age")
        (None, None, None)
    """
    if is_spelled(name):
        return None
    text, unit = _without_unit(in_plain_letters(name))
    if (bare := _without_sign(text)) and _without_part(_words(bare)) in (("", "sem"), ("", "sd")):
        text = bare
    if _is_changed(text):
        return None
    stem, part = _without_part(_words(text))
    of = _quantity(stem, unit)
    if of is None and not part and (bare := unqualified(in_plain_letters(name))):
        plain = bare if is_spelled(bare) else plain_name(bare)
        good = plain and kind(split_unit(plain)[0]).what in ("potential", "concentration", "temperature")
        return plain if good else None
    if "extra" in stem.split():  # outside, or what was added to a bath
        return None
    if not stem and part:
        plain = with_unit(part, unit or "1") if part != "n" or unit in (None, "1") else None
    elif of is None or (part in ("n",) and unit not in (None, "1")):
        plain = None
    elif part == "n":
        plain = f"{of}_n"
    elif unit is None or canonical_unit(unit) != kind(of).unit:
        plain = None
    else:
        plain = with_unit(of if part is None else f"{of}_{part}", unit)
    return None if plain == name else plain


def _without_sign(text: str) -> str:
    """What follows the ± of an error; empty where there is none."""
    sign = re.match(r"\s*(±|\+/-|\+-)\s*", text)
    return text[sign.end() :] if sign else ""


class MayBe(NamedTuple):
    """What a name may say, in words; the column that it would be read as ('': none), its unit, and else what to do.

    Of what is made from a quantity, `of` is that.
    """

    what: str
    column: str
    unit: str | None
    mend: str = ""
    of: str = ""


def may_be(name: str) -> MayBe | None:
    """What a column of numbers may be by its name.

    ``{reading}`` in its column stands for the table's reading; a part of it has no unit.

    Args:
        name: of a column, as it is written, that is not plainly anything.

    Examples:
        >>> may_be("Kout").column, may_be("bath").column, may_be("err").column, may_be("age")
        ('K_o_mM', 'K_o_mM', '{reading}_sem', None)
    """
    text, unit = _without_unit(in_plain_letters(name))
    if spread := _no_error(text, unit):
        return spread
    found = None if _is_changed(text) or _exponent(text) else _plainly_may_be(text, unit)
    return found or _made_from(text, unit)


def no_error(name: str) -> MayBe | None:
    """What a column is whose numbers are neither an sd nor an sem, though an error may be made of them; None of any other.

    Examples:
        >>> no_error("95% CI").mend
        "Write its half-width/1.96 (its whole width/3.92) in a column V_m_sem_mV"
        >>> no_error("SEM (%)").what, no_error("sem"), no_error("cell")
        ('the sem as a percentage', None, None)
    """
    return _no_error(*_without_unit(in_plain_letters(name)))


def _plainly_may_be(text: str, unit: str | None) -> MayBe | None:
    """What a name says whole, in words that are not this library's."""
    stem, part = _without_part(_words(text))
    of = _quantity(stem, unit)
    if of is not None and of != "time":
        k = kind(of)
        what = ION if k.what == "concentration" else f"{of} ({k.what})"
        column = with_unit(of, {"K": "degC"}.get(k.unit or "", k.unit or "1"))
    elif of := _substance(" ".join(t for t in stem.split() if t not in CONCENTRATION)):
        what, column = "a solute's concentration" if is_solute(of) else ION, f"{of}_o_mM"
    else:
        words = stem if stem else _words(text)
        what, column = next((x[:2] for x in MAY_BE if re.fullmatch(x[2], words)), ("", ""))
    if not what:
        return None
    if part and stem:
        stem, known = split_unit(column)
        column = column and (f"{stem}_n" if part == "n" else with_unit(f"{stem}_{part}", known or "1"))
        what = f"the {part} of {what}"
    mend = "" if "extra" not in stem.split() else "If it was added to a bath, give the sum with what that has"
    return MayBe(what, column, unit, mend)


def _substance(word: str) -> str | None:
    """The ion or solute that a column of numbers called so may be the concentration of; elements as they are written."""
    if len(word) < 3:
        return word if word in _ION_NAMES - {"I", "F", "H"} else None
    return substance(word)


def _ratio(text: str) -> MayBe | None:
    """What a header such as ``P_Na/P_K`` says: a quantity where its second ion is the reference."""
    bare = re.sub(r"[\s_()\[\]]", "", _CHARGED.sub(_uncharged, text))
    m = re.fullmatch(r"(?P<a>[PpGg])(?P<of>\w+)[/:][PpGg](?P<over>\w+)", bare)
    if m is None or not {m["of"], m["over"]} <= _ION_NAMES:
        return None
    letter = m["a"].upper() if m["a"] in "Pp" else "g"
    own, over = f"{letter}_{m['of']}", f"{letter}_{m['over']}"
    return MayBe(
        f"{own} over {over}, which {own}_rel is where {m['over']} is the reference", f"{own}_rel", "1"
    )


def _exponent(text: str) -> MayBe | None:
    """What ``pCa`` says, and ``pK``, which may be a permeability too."""
    m = re.fullmatch(r"p(?P<of>Ca|Na|K|Cl|Mg)", text.strip())
    if m is None:
        return None
    of = m["of"]
    mend = f"Write 10^(3 − p{of}) in a column {of}_o_mM, or name it P_{of}_rel, whichever it is"
    return MayBe(f"−log10 of the concentration of {of} in M, or its permeability", "", "1", mend, f"{of}_o")


def _made_from(text: str, unit: str | None) -> MayBe | None:
    """What a name tells of together with a sign or a word more: its numbers need not be that quantity's."""
    if found := _ratio(text) or _exponent(text):
        return found
    tokens = _words(text).split()
    if not _HARMLESS.isdisjoint(tokens):
        return None
    runs = (tokens[k : k + n] for n in (3, 2, 1) for k in range(len(tokens) - n + 1))
    of = next((q for run in runs if (q := _mentioned(run, unit))), "")
    spread = _spread(tokens, text)
    if (of == "T" or "T" in tokens and len(tokens) == 2) and not FAHRENHEIT.isdisjoint(tokens):
        return MayBe("a temperature in Fahrenheit", "", unit, "Write (F − 32)/1.8 in a column T_degC")
    if of and spread:
        mend = f"Give its sd, or the reading's s.e. of the mean, in {_usual(of)}'s unit"
        return MayBe(f"the error of {of} or made from it", "", unit, mend)
    if of:
        return MayBe(f"made from {of}", "", unit, f"Give {of} itself in a column {_usual(of)}", of)
    if spread:
        return _error(tokens, spread, unit, changed=_is_changed(text))
    return _from_ions(tokens, unit, changed=_is_changed(text))


def _no_error(text: str, unit: str | None) -> MayBe | None:
    """A confidence interval, a variance, or a spread in per cent of its value: none is to be read as an error as it stands."""
    tokens = re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", " ", _words(text)).split()
    runs = (tokens[k : k + n] for n in (3, 2, 1) for k in range(len(tokens) - n + 1))
    of = next((q for run in runs if (q := _mentioned(run, unit))), "")
    error = with_unit(f"{of or 'V_m'}_{'sem' if of in ('', 'V_m') else 'sd'}", kind(of or "V_m").unit or "1")
    if not INTERVAL.isdisjoint(tokens):
        level = next((float(t) for t in tokens if t.isdigit() and 50 <= float(t) < 100), 95.0)
        z = round(NormalDist().inv_cdf(0.5 + level / 200), 3 if level > 98 else 2)
        known = not LEVEL_ENDS.isdisjoint(tokens)
        half = (
            f"(high − low)/{2 * z:.3g}" if known else f"its half-width/{z:.3g} (its whole width/{2 * z:.3g})"
        )
        what = (
            f"an end of a {level:g} % confidence interval" if known else f"a {level:g} % confidence interval"
        )
        return MayBe(what, "", unit, f"Write {half} in a column {error}")
    if not _HARMLESS.isdisjoint(tokens):
        return None
    if (
        tokens
        and not {"variance", "var"}.isdisjoint(tokens)
        and {*tokens} <= BESIDE_VARIANCE | {*of.split("_")}
    ):
        sd = error.replace("_sem", "_sd")
        return MayBe("a variance", "", unit, f"Write its square root in a column {sd}")
    spread = _spread(tokens, text)
    if spread and ("%" in text or not {"percent", "pct"}.isdisjoint(tokens)):
        return _share(of, spread, unit)
    return None


def _spread(tokens: list[str], text: str) -> str:
    """The word for an error among those of a name; '': none."""
    return next((t for t in tokens if t in ERRORS), "error" if "±" in text or "+/-" in text else "")


def _usual(of: str) -> str:
    """A quantity's name in the unit that people write it in."""
    unit = kind(of).unit or "1"
    return with_unit(of, "degC" if unit == "K" else unit)


def _share(of: str, spread: str, unit: str | None) -> MayBe:
    """A spread in per cent of its value; an input has an sd only."""
    part = "sd" if spread in DEVIATIONS or of not in ("", "V_m") else "sem"
    name = with_unit(f"{of or 'V_m'}_{part}", kind(of or "V_m").unit or "1")
    mend = f"Multiply it by |{of or 'the reading'}|/100, and name that {name}"
    return MayBe(f"the {'sd' if spread in DEVIATIONS else 'sem'} as a percentage", "", unit, mend)


def _error(tokens: list[str], spread: str, unit: str | None, *, changed: bool) -> MayBe | None:
    """An error of nothing that is named: the reading's, unless words beside it say that it is more or less than that."""
    beside = {t for t in tokens if t not in ERRORS and not t.isdigit()}
    if not beside <= BESIDE_ERROR:
        return None
    what, numbered = "a standard error or deviation", any(t.isdigit() for t in tokens)
    if beside <= {"bar", "bars"} and not (changed or numbered or spread in {*DEVIATIONS, *OTHER_SPREADS}):
        return MayBe(what, f"{READING}_sem", unit)
    mend = "Give one standard error or deviation in the reading's unit, in a column sem or sd"
    return MayBe(what, "", unit, mend)


def _from_ions(tokens: list[str], unit: str | None, *, changed: bool) -> MayBe | None:
    """What is made from concentrations, permeabilities or a number of readings."""
    if changed and " ".join(tokens) in PART_WORDS["n"]:
        return MayBe("made from the number of readings", "", unit, "Give that number itself in a column n")
    ions = [t for t in tokens if t in _ION_NAMES - {"I", "F", "H"} or t in ELEMENTS]
    rest = {t for t in tokens if t not in ions and not t.isdigit()}
    if ions and (changed or rest) and rest <= CHANGED | PIPETTE:
        where = " in the pipette" if rest & PIPETTE else ""
        mend = "" if where else "Give the concentration itself in a column such as K_o_mM"
        of = f"{ELEMENTS.get(ions[0], ions[0])}_{'i' if where else 'o'}"
        return MayBe(f"{ION}{where}, or made from one", "", unit, mend, of)
    return None


def _mentioned(tokens: list[str], unit: str | None) -> str:
    """The potential, temperature or concentration that neighbouring words of a name are; '': none."""
    words = " ".join(tokens)
    if words in ("T", "time"):
        return "T" if words == "T" and unit in ("degC", "K") else ""
    if words == "jp":
        return "LJP"
    return _quantity(words, unit) or ""


def is_changed(name: str) -> bool:
    """Whether a name has a sign of what was done to numbers: ``-Vm (mV)``, ``√K_o``, ``SD (%)``."""
    return _is_changed(_without_unit(in_plain_letters(name)).words)


def _is_changed(text: str) -> bool:
    """Whether a stem has a sign of what is done to numbers: − √ % | / × ± … where it is no ion's charge."""
    return bool(_SAME.sub("", _CHARGED.sub(_uncharged, text)))


def may_count(name: str) -> bool:
    """Whether a column of whole numbers may be how many readings it is of: ``cells``, ``no. of fibres``."""
    return bool(COUNT.fullmatch(_words(in_plain_letters(name).replace("#", " no "))))


def without_unit(name: str) -> Spelled:
    """A header in plain letters without its unit, and the unit.

    Example:
        >>> without_unit("K⁺-gluconate [mM]")
        Spelled(words='K+-gluconate', unit='mM')
    """
    return _without_unit(in_plain_letters(name))


def unit_of(name: str) -> str | None:
    """The unit that a column's name has, however it is written; None without one that is known."""
    return _without_unit(in_plain_letters(name)).unit


def is_harmless(name: str) -> bool:
    """Whether a column is by its name an age, a weight, a resistance …, whose values are never taken for a quantity's."""
    return any(word in _HARMLESS for word in _words(_without_unit(in_plain_letters(name))[0]).split())


def is_spelled(name: str) -> bool:
    """Whether a name is this library's own: a quantity in its unit, or a bare part."""
    stem, unit = split_unit(name)
    base, part = (stem, "value") if kind(stem).column else split_part(stem)
    own = kind(base.removeprefix("d") if kind(base).what == "" else base)
    return stem in PARTS or (own.column and (unit is not None or own.unit == "1" or part == "n"))


def in_plain_letters(name: str) -> str:
    """In plain letters: sub- and superscripts, full-width letters, dashes and spaces of any kind. Of what is too long for a
    name, a comment say, the beginning, which is no plain name."""
    name = name if len(name) <= _LONGEST else f"{name[:_LONGEST]} etc"
    text = re.sub(r"([²³])(?![⁺⁻+−-])", r"^\1", name)
    text = unicodedata.normalize("NFKC", text)
    text = "".join("-" if unicodedata.category(c) == "Pd" else c for c in text)
    return " ".join(plain_text(text).replace("º", "°").split())


def _known_unit(text: str, stem: str) -> str | None:
    """The unit that a text is, as it is written in names; None where it is none."""
    text = text.strip().strip(".")
    temperature = not {"temp", "temperature", "T"}.isdisjoint(_words(stem).split())
    if text.lower() in CELSIUS and (temperature or text.lower() != "c"):
        return "degC"
    if text.lower() in ("k", "kelvin"):
        return "K" if temperature else None
    if text == "MM" and stem.isupper():
        return "mM"
    form = re.sub(r"\s*/\s*", "/", text)
    form = re.sub(r"[ ·.]*([A-Za-z]+)\^?-1$", r"/\1", form)
    form = re.sub(r"/(litre|liter|dm3|dm\^3)$", "/L", form)
    try:
        return unit_name(UNIT_WORDS.get(form.lower() if form != "M" else form, form)) if form else None
    except InputError:
        return None


def _without_unit(text: str) -> Spelled:
    """A folded name without its unit, and the unit: in brackets, after a slash, a comma, a space or an underscore."""
    brackets = re.fullmatch(r"(?P<stem>.*\S)\s*[(\[{](?P<unit>[^()\[\]{}]*)[)\]}]", text)
    if brackets and (unit := _known_unit(brackets["unit"], brackets["stem"])):
        return Spelled(brackets["stem"], unit)
    stem, unit = split_unit(text)
    if unit is not None:
        return Spelled(stem, unit)
    for match in re.finditer(r"\s*/\s*|\s*,\s*|\s+in\s+|\s+|_|\.+", text):
        stem, rest = text[: match.start()], text[match.end() :]
        dotted = match[0][0] == "." and len(rest.strip(".")) < 2  # S.E.M. has no unit
        if dotted or not stem or len(rest) > _LONGEST_UNIT:
            continue
        if (unit := _known_unit(rest, stem)) and not (unit == "K" and match[0] in ("_", " ")):
            return Spelled(stem, unit)
    return Spelled(text, None)


def _uncharged(match: re.Match[str]) -> str:
    """An ion without its charge: Ca of ``Ca2+``, HCO3 of ``HCO3-``; what is no ion, as it is."""
    ion = match["ion"]
    found = next((x for x in (ion, ion[:-1] if ion[-1:].isdigit() else ion) if x in _ION_NAMES), None)
    return f" {found} " if found else match[0]


def _words(text: str) -> str:
    """A stem as words with single spaces, without dots, brackets and charges, in small letters but for ions and T."""
    text = re.sub(r"(?<![A-Za-z])(?:[A-Za-z]\.){2,}", lambda m: m[0].replace(".", "") + " ", text)
    text = _CHARGED.sub(_uncharged, text)
    text = re.sub(r"(?i:(log10|log2|log|ln|lg|sqrt))(?=[A-Z])", r"\1 ", text)
    text = re.sub(r"\b([gpP])(?=(?:Na|K|Cl|Ca|Mg)\b)", r"\1 ", text)
    words = re.sub(r"[\W_]+", " ", text.replace("°", "deg ")).split()
    return " ".join(w if w in _ION_NAMES or w == "T" or _glued(w, None) else w.lower() for w in words)


def _without_part(words: str) -> tuple[str, str | None]:
    """The words without those that say that it is a spread or a number of readings, and which part it is."""
    for part, spellings in PART_WORDS.items():
        for spelling in sorted(spellings, key=len, reverse=True):
            if words == spelling:
                return "", part
            if words.endswith(f" {spelling}"):
                return words.removesuffix(f" {spelling}"), part
            for start in (f"{spelling} of ", f"{spelling} "):
                if words.startswith(start) and (part != "n" or start.endswith("of ")):
                    return words.removeprefix(start), part
    return words, None


def _quantity(words: str, unit: str | None) -> str | None:
    """The quantity that words are, written with this unit (None: none); None where they are none."""
    for name, known in QUANTITIES.items():
        if words in known.plain and (name != "time" or unit is not None):
            return name
    tokens = words.split()
    if len(tokens) == 1:
        return _glued(tokens[0], unit)
    if len(tokens) == 2 and tokens[0] in ("e", "p", "g") and tokens[1] in _ION_NAMES:
        return f"{tokens[0] if tokens[0] == 'g' else tokens[0].upper()}_{tokens[1]}"
    if len(tokens) == 2 and tokens[0][:1] == "a" and tokens[1] in ("o", "i"):
        ion = next((x for x in _COMMON if x.lower() == tokens[0][1:]), None)
        return ion and f"a{ion}_{tokens[1]}"
    ions = [k for k, t in enumerate(tokens) if t in _ION_NAMES or t in ELEMENTS]
    said = [(k, side) for k, t in enumerate(tokens) for side, spelt in SIDES.items() if t in spelt]
    if len(ions) != 1 or len(said) != 1 or len(tokens[said[0][0]]) == 1 and said[0][0] < ions[0]:
        return None
    rest = {t for k, t in enumerate(tokens) if k not in (ions[0], said[0][0])}
    ion = ELEMENTS.get(tokens[ions[0]], tokens[ions[0]])
    return f"{ion}_{said[0][1]}" if rest <= CONCENTRATION else None


def _glued(word: str, unit: str | None) -> str | None:
    """The concentration or Nernst potential of a word such as ``Ko``, ``Kout``, ``Nai``; with a unit ``ko`` and ``EK`` too."""
    return _GLUED_WITH_UNIT.get(word.lower()) if unit else _GLUED.get(word)


def _glued_words() -> tuple[dict[str, str], dict[str, str]]:
    plain: dict[str, str] = {}
    small: dict[str, str] = {}
    for ion in _COMMON:
        for side, spelt in SIDES.items():
            for end in spelt:
                plain.setdefault(ion + end, f"{ion}_{side}")
                small.setdefault(ion.lower() + end, f"{ion}_{side}")
        small.setdefault(f"e{ion.lower()}", f"E_{ion}")
    return plain, small


_GLUED, _GLUED_WITH_UNIT = _glued_words()
_LONGEST, _LONGEST_UNIT = 200, 40  # characters of a name, and of the unit in it
_ION_NAMES = set(ion_names())
_CHARGED = re.compile(r"(?P<ion>[A-Za-z][A-Za-z0-9]*)(?:[+-][0-9]|[+-]+)")
