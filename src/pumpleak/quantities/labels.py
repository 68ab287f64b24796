"""What a label column's name says of its levels: units such as cells and animals, what was done to them, or counts."""

import re

#: Words for what is measured, from the coarsest to the finest: names of one are often counted afresh in each above it.
_UNITS = (
    "genotype strain line species sex construct mutation mutant transfection variant allele clone gene isoform region "
    "layer tissue type celltype diet stage cohort background zygosity",
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
#: Words for the order of readings, and for notes beside them.
_READINGS = (
    "replicate rep repeat repetition trial sweep trace order step time minute index frame point episode file filename "
    "note notes comment remark quality row reading label reference"
)
_RANK = {word: rank for rank, words in enumerate(_UNITS) for word in words.split()}
_KNOWN = {**_RANK, **dict.fromkeys(_CONDITIONS.split(), "condition")}
_KNOWN |= dict.fromkeys(_READINGS.split(), "reading")
_NAMES = {*_RANK, "recording"}
#: The rank of cells and of all that is as fine.
FINEST = len(_UNITS) - 1


def _known(column: str) -> int | str | None:
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower())
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


def is_of_readings(column: str) -> bool:
    """Whether a column counts readings, or holds notes on them."""
    return _known(column) == "reading"


def is_bath_label(column: str) -> bool:
    """Whether a column names baths, of which the table or the config says what is in them."""
    return column in ("solution", "saline", "bath", "protocol", "baseline")


def are_counted(levels: tuple[str, ...]) -> bool:
    """Whether levels are numbered, as the cells of an animal are: 1, 2, 3; A01; c1, c2."""
    return bool(levels) and all(re.fullmatch(r"[^\W\d]{0,6}[ _.#-]?\d{1,4}", x) for x in levels)
