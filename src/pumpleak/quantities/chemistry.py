"""What solutions are made of, as people write it: ions by other names, salts, neutral solutes, and words for several."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from math import gcd

from ..errors import InputError, unknown
from ..text import listing
from .ion_table import IONS

#: Solutes without a charge, by the names that they are known by here.
SOLUTES = (
    "glucose sucrose mannitol sorbitol fructose galactose mannose xylose lactose maltose trehalose raffinose inositol "
    "glycerol urea thiourea glycine betaine creatine ethanol DMSO PEG dextran"
).split()

#: Other names of ions and neutral solutes, in small letters without signs between their parts.
_OTHER_NAMES = {
    "H": "proton hydrogen",
    "Li": "lithium",
    "Na": "sodium natrium",
    "K": "potassium kalium",
    "Rb": "rubidium",
    "Cs": "cesium caesium",
    "Tl": "thallium",
    "Ag": "silver",
    "NH4": "ammonium",
    "Mg": "magnesium",
    "Ca": "calcium",
    "Sr": "strontium",
    "Ba": "barium",
    "Mn": "manganese",
    "Co": "cobalt",
    "Ni": "nickel",
    "Cu": "copper",
    "Zn": "zinc",
    "Cd": "cadmium",
    "Pb": "lead",
    "La": "lanthanum",
    "Gd": "gadolinium",
    "Al": "aluminium aluminum",
    "choline": "chol cholin",
    "NMDG": "nmg nmethyldglucamine nmethylglucamine",
    "TMA": "tetramethylammonium",
    "TEA": "tetraethylammonium",
    "TPA": "tetrapropylammonium",
    "TBA": "tetrabutylammonium",
    "Tris": "trisbase trish trizma",
    "OH": "hydroxide hydroxyl",
    "F": "fluoride",
    "Cl": "chloride",
    "Br": "bromide",
    "I": "iodide",
    "NO3": "nitrate",
    "NO2": "nitrite",
    "ClO4": "perchlorate",
    "ClO3": "chlorate",
    "BrO3": "bromate",
    "IO3": "iodate",
    "SCN": "thiocyanate rhodanide",
    "HCO3": "bicarbonate bicarb hydrogencarbonate",
    "CO3": "carbonate",
    "SO4": "sulfate sulphate",
    "H2PO4": "dihydrogenphosphate dihydrogenphosphat",
    "HPO4": "hydrogenphosphate",
    "formate": "hcoo formiate",
    "acetate": "ac oac ch3coo ethanoate",
    "propionate": "prop propanoate",
    "butyrate": "butanoate",
    "lactate": "",
    "aspartate": "asp",
    "glutamate": "glut",
    "isethionate": "ise iseth isothionate",
    "methanesulfonate": "mesylate mes meso3 ch3so3 methanesulphonate methylsulfonate methylsulphonate",
    "methylsulfate": "meso4 ch3so4 methylsulphate",
    "glucose": "glc dextrose dglucose",
    "glycerol": "glycerin glycerine",
    "sucrose": "saccharose",
}
_NAMED = {word: name for name, words in _OTHER_NAMES.items() for word in words.split() if word != "mes"}

#: Words that stand for more than one thing: what each may be.
_SEVERAL = {
    "glu": ("glutamate", "glucose", "gluconate"),
    "gluc": ("gluconate", "glucose"),
    "lac": ("lactate", "lactose"),
    "suc": ("sucrose", "succinate"),
    "man": ("mannitol", "mannose"),
    "gly": ("glycine", "glycerol"),
    "meso": ("methanesulfonate", "methylsulfate"),
    "ms": ("methanesulfonate", "methylsulfate"),
    "po4": ("HPO4", "H2PO4"),
    "phosphate": ("HPO4", "H2PO4"),
    "pi": ("HPO4", "H2PO4"),
    "phos": ("HPO4", "H2PO4"),
}

#: Anions whose charge depends on pH and on the Mg²⁺ or Ca²⁺ that they bind.
VARIES = "its charge hangs on pH and on what it binds"
LEAVE_OUT = "Leave it out, and count the cation that it was given with"
_VARIABLE = "atp adp amp camp gtp gdp egta edta bapta citrate phosphocreatine pcr malate fumarate".split()

_ELEMENTS = frozenset(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo "
    "Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl "
    "Pb Bi Po At Rn Fr Ra Ac Th Pa U".split()
)
#: Others that no word below is a misspelling of.
_OTHERS = frozenset(
    "co no glutarate glycolate malonate maleate valerate caproate oxalate adipate pivalate".split()
)

Salt = tuple[tuple[str, int], tuple[str, int]]


def is_solute(name: str) -> bool:
    """Whether a neutral solute is called so; what is registered as an ion is none."""
    return name in SOLUTES and name not in IONS


def substance(word: str) -> str | None:
    """The ion or neutral solute that a word plainly stands for; None where there is none, or more than one.

    Examples:
        >>> substance("potassium"), substance("MeSO4"), substance("Ca2+"), substance("cl"), substance("Glu")
        ('K', 'methylsulfate', 'Ca', 'Cl', None)
    """
    known = (*IONS, *SOLUTES)
    for form in (word, _uncharged(word)):
        if form in known:
            return form
    plain = _plain(form)
    if plain in _NAMED:
        return _NAMED[plain]
    if plain in _SEVERAL or form in _ELEMENTS or plain in _OTHERS:
        return None
    alike = [name for name in known if name.lower() == plain]
    return alike[0] if len(alike) == 1 else None


def choices(word: str) -> tuple[str, ...]:
    """What a word may stand for that stands for several ions or solutes; () for any other.

    Example:
        >>> choices("Glu")
        ('glutamate', 'glucose', 'gluconate')
    """
    return () if substance(word) else _SEVERAL.get(_plain(_uncharged(word)), ())


def varies(word: str) -> bool:
    """Whether it is an anion whose charge depends on pH and on what it binds."""
    return re.sub(r"^(na|k|cs|mg|tris|li)?\d?", "", _plain(word)) in _VARIABLE or _plain(word) in _VARIABLE


def is_chemical(word: str) -> bool:
    """Whether a word has a meaning in chemistry of its own, so that it is no misspelling of another."""
    if substance(word) or choices(word) or salt(word) or varies(word):
        return True
    return word in _ELEMENTS or word.lower() in _OTHERS or _is_formula(word)


def _is_formula(word: str) -> bool:
    """Whether it is made of elements, of one at least several: ``SO3``."""
    elements = re.findall(r"([A-Z][a-z]?)\d*", word)
    whole = re.fullmatch(r"(?:[A-Z][a-z]?\d*)+", word)
    return bool(whole and re.search(r"\d", word)) and _ELEMENTS.issuperset(elements)


@cache
def _salt_pattern(names: tuple[str, ...], any_case: bool) -> re.Pattern[str]:
    """Cation, its number, anion, its number; of what is known by these names and others."""
    other = [word for word, name in _NAMED.items() if name in names and len(word) > 1]
    words = {z: [_any_case(n) for n in names if IONS[n].z * z > 0] for z in (1, -1)}
    for z in words:
        words[z] += [f"(?i:{word})" for word in other if IONS[_NAMED[word]].z * z > 0]
    words[-1] += [f"(?i:{word})" for word in _SEVERAL]
    cation, anion = ("|".join(sorted(words[z], key=len, reverse=True)) for z in (1, -1))
    return re.compile(
        rf"(?P<c>\((?:{cation})\)|{cation})(?P<nc>[1-4]?)(?:[-_ .·]?H(?=Cl)|[-_ .·])?"
        rf"(?P<a>\((?:{anion})\)|{anion})(?P<na>[1-4]?)(?:[.·* ]?\d*H2O)?",
        re.IGNORECASE if any_case else 0,
    )


def _any_case(name: str) -> str:
    """An ion of several letters however their case is written; an element as it is written alone."""
    return f"(?i:{name})" if len(name) > 3 else name


def salt(word: str) -> Salt | None:
    """The ions of a salt, each with how many there are; None of what is none.

    Examples:
        >>> salt("K2SO4"), salt("Na-gluconate"), salt("CaCl2")
        ((('K', 2), ('SO4', 1)), (('Na', 1), ('gluconate', 1)), (('Ca', 1), ('Cl', 2)))
        >>> salt("HCO3"), salt("K2Cl")
        (None, None)
    """
    if substance(word):
        return None
    text = word.strip().translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
    match = _salt_pattern(tuple(IONS), False).fullmatch(text)
    if match is None and text in (text.lower(), text.upper()):
        match = _salt_pattern(tuple(IONS), True).fullmatch(text)
        match = match if match and len(match["a"]) > 1 else None  # nai is Na inside
    if match is None:
        return None
    cation, anion = (substance(match[g].strip("()")) or match[g].strip("()") for g in ("c", "a"))
    z, minus = IONS[cation].z, 1 if choices(anion) else -IONS[anion].z
    if match["nc"] or match["na"]:
        n, m = int(match["nc"] or 1), int(match["na"] or 1)
    else:  # as people write Ca-gluconate
        n, m = minus // gcd(z, minus), z // gcd(z, minus)
    return ((cation, n), (anion, m)) if n * z == m * minus else None


def _uncharged(word: str) -> str:
    """``Ca2+``, ``K⁺``, ``Cl-`` without the charge."""
    return re.sub(r"(?<=\w)(?:[0-9²³]?[-+⁺⁻−]+|[⁺⁻])$", "", word.strip("[]() "))


def _plain(word: str) -> str:
    return re.sub(r"[-_ ()]", "", word).lower()


def misspelt(word: str, known: Iterable[str]) -> list[str]:
    """The known words that it is a misspelling of: one letter from it, and of one beginning."""
    alike = [k for k in sorted(known) if k[:1].lower() == word[:1].lower()]
    return [k for k in alike if _one_letter(word, k)]


def _one_letter(a: str, b: str) -> bool:
    """Whether a letter was left out, put in, exchanged, or two were swapped."""
    if abs(len(a) - len(b)) > 1:
        return False
    i = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    swapped = a[i : i + 2] == b[i : i + 2][::-1] and a[i + 2 :] == b[i + 2 :]
    return swapped or a[i + 1 :] == b[i + 1 :] or a[i:] == b[i + 1 :] or a[i + 1 :] == b[i:]


def no_ion(name: str) -> InputError:
    """The error of an ion that there is not: of a salt its ions, of a neutral solute where it may stand."""
    of, said = substance(name), f"there is no ion '{name}'"
    if of in SOLUTES:
        return InputError(
            f"{said}: it carries no charge", mend=f"Leave it out; in a bath it may stand as {of}_o_mM"
        )
    if parts := salt(name):
        return InputError(
            f"{said}: it is a salt", mend=f"Name its ions, {listing([ion for ion, _ in parts])}"
        )
    if may := choices(name):
        return InputError(f"{said}: it may be {either(may)}", mend="Write which")
    if varies(name):
        return InputError(f"{said}: {VARIES}", mend=LEAVE_OUT)
    near = [] if is_chemical(name) else misspelt(name, IONS)
    likely = of or (near[0] if len(near) == 1 else "")
    mend = f"Known are {', '.join(IONS)}; others after register_ion(name, z, mobility) in Python"
    return unknown("ion", name, (), mend=mend, meant=likely)


def either(names: Sequence[str]) -> str:
    """``a, b or c``."""
    return listing(names).replace(" and ", " or ")
