"""What a label column's name says of its levels: units such as cells and animals, what was done to them, or counts."""

import re
import unicodedata
from collections.abc import Iterable

#: Words for what is measured, from the coarsest to the finest: names of one are often counted afresh in each above it.
_UNITS = (
    "genotype strain line species sex construct mutation mutant transfection variant allele clone gene isoform region "
    "layer tissue type kind celltype diet stage cohort background zygosity",
    "date day session preparation prep experiment batch passage experimenter rig lab week month year",
    "animal mouse mice rat fish fly larva frog rabbit pig dog donor patient subject litter pup embryo plant individual "
    "specimen",
    "slice dish coverslip plate culture section organoid explant chamber",
    "cell neuron myocyte cardiomyocyte fibre fiber oocyte egg well patch roi axon astrocyte tubule",
)
#: Words for what was done to a cell, or for its bath: a cell has several, one after another.
_CONDITIONS = (
    "solution saline bath medium buffer treatment drug condition dose concentration conc blocker inhibitor agonist "
    "antagonist compound toxin ligand peptide protocol baseline phase epoch stimulus wash perfusion state intervention"
)
#: What is added to baths to block or open what lets ions through: of how much of it, levels are told as of any treatment.
_DRUGS = (
    "ouabain strophanthidin digoxin digitoxin digitalis ttx tetrodotoxin saxitoxin aminopyridine dids sits bumetanide "
    "furosemide amiloride benzamil glibenclamide glyburide tolbutamide diazoxide pinacidil cromakalim nifedipine verapamil "
    "diltiazem charybdotoxin iberiotoxin apamin dendrotoxin picrotoxin bicuculline gabazine strychnine cnqx niflumic "
    "carbenoxolone carbachol atropine nicotine muscarine acetylcholine adrenaline noradrenaline isoproterenol forskolin "
    "insulin veratridine aconitine valinomycin gramicidin nystatin amphotericin monensin cyanide dinitrophenol"
)
#: Words for the order of readings, and for notes beside them.
_READINGS = (
    "replicate rep repeat repetition trial sweep trace order step time minute index frame point episode file filename "
    "note notes comment remark quality row reading label reference"
)
_RANK = {word: rank for rank, words in enumerate(_UNITS) for word in words.split()}
_KNOWN = {**_RANK, **dict.fromkeys(_CONDITIONS.split(), "condition")}
_KNOWN |= dict.fromkeys(_DRUGS.split(), "condition")
_KNOWN |= dict.fromkeys(_READINGS.split(), "reading")
_NAMES = {*_RANK, "recording"}
#: Words for what is measured of a unit beside its potential: no names of units, and no quantities of the model.
ATTRIBUTES = frozenset(
    "age weight depth mass length height diameter width radius area size dob div rm ra rs rin rseries rinput access "
    "resistance resistances seal cap capacitance cm cslow tau rise decay rate freq frequency current amplitude latency gain "
    "bmi".split()
)
#: The rank of cells and of all that is as fine.
FINEST = len(_UNITS) - 1


def _known(column: str) -> int | str | None:
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower())
    if not ATTRIBUTES.isdisjoint(words):
        return None
    found = [_KNOWN.get(w, _KNOWN.get(w.removesuffix("s"))) for w in words]
    return next((x for x in reversed(found) if x is not None), None)


def unit_rank(column: str) -> int | None:
    """How fine the units are that a column names, from 0 (genotypes) to `FINEST` (cells); None: it names no units.

    Example:
        >>> unit_rank("Mouse ID"), unit_rank("well"), unit_rank("drug")
        (2, 4, None)
    """
    found = _known(column)
    return found if isinstance(found, int) else None


def names_units(column: str) -> bool:
    """Whether a column is by its whole name one of units, so that 1.1 in it is no number: ``slice``, ``Mouse ID``.

    Example:
        >>> names_units("Mouse ID"), names_units("mouse weight"), names_units("recording")
        (True, False, True)
    """
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower())
    told = [w for w in words if w not in ("id", "no", "nr", "num", "number", "name", "code")]
    return bool(told) and all(w in _NAMES or w.removesuffix("s") in _NAMES for w in told)


def is_condition(column: str) -> bool:
    """Whether a column says what was done to a cell, or its bath."""
    return _known(column) == "condition"


def is_dose(column: str) -> bool:
    """Whether a column is called after a drug: its numbers are levels of a treatment, in whatever unit.

    Example:
        >>> is_dose("ouabain (µM)"), is_dose("TTX"), is_dose("4-AP_mM"), is_dose("drug")
        (True, True, True, False)
    """
    words = re.findall(r"4-?ap(?![a-z])|[a-z]+", column.lower())
    return any(w in _DRUGS.split() or w.startswith("4") for w in words)


def is_of_readings(column: str) -> bool:
    """Whether a column counts readings, or holds notes on them."""
    return _known(column) == "reading"


def is_attribute(column: str) -> bool:
    """Whether a column is by its name an age, a weight, a resistance … of what it is beside.

    Example:
        >>> is_attribute("mouse weight"), is_attribute("mouse")
        (True, False)
    """
    return not ATTRIBUTES.isdisjoint(re.findall(r"[a-z]+", column.replace("_", " ").lower()))


def is_bath_label(column: str) -> bool:
    """Whether a column names baths, of which the table or the config says what is in them."""
    return column in ("solution", "saline", "bath", "protocol", "baseline")


def are_counted(levels: tuple[str, ...]) -> bool:
    """Whether levels are numbered, as the cells of an animal are: 1, 2, 3; A01; c1, c2."""
    return bool(levels) and all(re.fullmatch(r"[^\W\d]{0,6}[ _.#-]?\d{1,4}", x) for x in levels)


#: Letters of other alphabets that look like Latin ones.
_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧοναι", "ABESIJKMHOPCTYXaesijopcyxABEZHIKMNOPTYXovai"
)


def twins(levels: Iterable[str]) -> list[tuple[str, ...]]:
    """Levels that differ in case, blanks, signs between words, leading zeros or letters that look alike alone.

    Examples:
        >>> twins(["WT", "KO", "wt ", "c1", "C 1", "c2"])
        [('WT', 'wt '), ('c1', 'C 1')]
        >>> twins(["1", "01", "1.0", "11", "1-1", "+/-", "-/-"])
        [('1', '01', '1.0')]
    """
    found: dict[str, list[str]] = {}
    for level in dict.fromkeys(levels):
        found.setdefault(_bare(level), []).append(level)
    return [tuple(names) for key, names in found.items() if key and len(names) > 1]


def _bare(level: str) -> str:
    """A level without what people are careless of."""
    text = unicodedata.normalize("NFKC", level).translate(_ALIKE).casefold()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf").strip()
    if re.fullmatch(r"[+-]?\d+\.?\d*", text):
        return f"{float(text):g}"
    text = re.sub(r"(?<=\w)[\s_-]+(?=[^\W\d_])|(?<=[^\W\d_])[\s_-]+(?=\w)", "", text)
    return re.sub(r"(?<!\d)0+(?=\d)", "", " ".join(text.split()))


def shown(level: str) -> str:
    """A level in quotes, with the code of each letter that is not what it looks like."""
    odd = dict.fromkeys(
        c for c in level if not c.isascii() and c.translate(_ALIKE) != c or unicodedata.category(c) == "Cf"
    )
    codes = ", ".join(f"U+{ord(c):04X}" for c in odd)
    return f"'{level}'" + (f" (with {codes})" if codes else "")
