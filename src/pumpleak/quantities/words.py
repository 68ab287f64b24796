"""Words for quantities that have another name here: one table for headers, keys and what is said of them."""

import re
from typing import NamedTuple


class Words(NamedTuple):
    """How people call one quantity, in small letters with single spaces.

    Attributes:
        plain: what a header is read as without a word.
        likely: what probably means it, and is asked about.
        loose: what may mean it where a column of numbers is called so.
    """

    plain: tuple[str, ...]
    likely: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    def squeezed(self) -> set[str]:
        """All but the loose ones, without spaces: as keys write them."""
        return {word.replace(" ", "").lower() for word in (*self.plain, *self.likely)}


def _of(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


QUANTITIES = {
    "V_m": Words(
        plain=_of(
            "v m, vm, em, v rest, vrest, rmp, resting potential, resting vm, resting v m, resting membrane potential, "
            "membrane potential, transmembrane potential, intracellular potential, mean vm, mean v m"
        ),
        likely=_of(
            "e m, mp, pd, potential, em rest, e rest, erest, vm rest, rest, reversal, reversal potential, e rev, erev, v rev, "
            "vrev, e reversal, v reversal, zero current, zero current potential, v mem, e mem, v membrane, e membrane, "
            "membrane voltage, δψ, δψ m, δψm, v rest corr, vm corr, vm corrected, v m corr, v m corrected, rmp corr, rmp corrected"
        ),
        loose=_of("mv, v, membrane, resting, voltage"),
    ),
    "LJP": Words(
        plain=_of("ljp, liquid junction potential, junction potential"),
        likely=_of("jp, lj, vj, v j, ej, v lj, vlj, e lj, elj, vljp, junction, liquid junction"),
    ),
    "T": Words(
        plain=_of("T, temp, temperature, bath T, bath temp, bath temperature, recording temperature"),
        loose=_of("temps, celsius, kelvin, deg c, degc, °c"),
    ),
    "time": Words(plain=("time",)),
}
#: Potentials of the pipette.
OF_PIPETTE = _of("v p, vp, v pip, vpip, v pipette, v pipet, pipette potential, pipette voltage")
#: Potentials that were imposed.
COMMAND = _of(
    "v h, vh, v hold, vhold, v holding, holding, holding potential, hp, v cmd, vcmd, v com, v command, command, "
    "command potential, v clamp, clamp"
)

#: Words for an error, in a column's name.
ERRORS = set(
    "sem se sd std stdev stderr err error errors uncertainty sigma σ ci variance var deviation".split()
)
#: Words that may stand beside one.
BESIDE_ERROR = set(
    "n x of the mean pooled bar bars total standard lower upper low high half width limit".split()
)
#: Words for a confidence interval.
INTERVAL = {"ci", "confidence", "credible", "lcl", "ucl", "lci", "uci"}
#: Words for one of its ends.
LEVEL_ENDS = set("low lo lower high hi upper from to min max lcl ucl lci uci ll ul end".split())
#: Words that may stand beside a variance.
BESIDE_VARIANCE = ERRORS | BESIDE_ERROR | {"v", "m", "vm"}
#: What is counted.
COUNTED = (
    "cells|fib(re|er)s|animals|mice|rats|frogs|muscles|oocytes|neurons|recordings|readings|impalements|obs|observations|"
    "experiments|measurements|preparations"
)
#: A count of it, as a pattern.
COUNT = re.compile(
    rf"(n|nb|no|nr|num|number|count|total)( of)? ({COUNTED})( \w+)?|({COUNTED})( \w+)?|nb|nr|num|no|total"
)
#: Words for what was done to numbers.
CHANGED = set(
    "log log10 log2 ln lg exp sqrt abs neg minus inverse ratio percent pct delta δ change x10 x100 x1000".split()
)
#: Words for a concentration.
CONCENTRATION = {"concentration", "conc", "concn", "concs"}
#: Words for a standard deviation.
DEVIATIONS = ("sd", "std", "stdev")
#: Words for degrees of Fahrenheit.
FAHRENHEIT = {"F", "f", "fahrenheit", "degf"}
#: Words for what is neither side for good: inside of a whole cell, outside of a patch.
PIPETTE = set("pip pipet pipette electrode".split())
#: Words for a spread or a number of readings, by the part that they are.
PART_WORDS = {
    "sem": ["sem", "se", "stderr", "standard error", "standard error of the mean", "std error", "std err"],
    "sd": ["sd", "stdev", "std", "stddev", "st dev", "std dev", "standard deviation"],
    "n": [
        *("n", "n cells", "ncells", "n fibres", "n fibers", "n obs", "nobs", "n readings"),
        *("number of cells", "no of cells", "number of readings"),
    ],
}
#: Ions by the names of their elements.
ELEMENTS = {"potassium": "K", "sodium": "Na", "chloride": "Cl", "calcium": "Ca", "magnesium": "Mg"}
#: Units as people write them.
UNIT_WORDS = {
    "mv": "mV",
    "millivolt": "mV",
    "millivolts": "mV",
    "mmol": "mM",
    "mmoll": "mM",
    "millimolar": "mM",
    "minutes": "min",
    "seconds": "s",
    "sec": "s",
}
#: The same of degrees Celsius.
CELSIUS = ("c", "deg c", "degc", "degrees c", "° c", "°c", "degree celsius", "degrees celsius", "celsius")
#: Words for the side of the membrane that a quantity is of.
SIDES = {
    "o": (
        "o out outside outer e ext external extern extracellular extra bath bathing superfusate perfusate acsf ringer"
    ).split(),
    "i": "i in inside inner int internal intern intracellular intra cyt cyto cytosol cytosolic cytoplasm cytoplasmic".split(),
}
#: Words for spreads of which none is the sd.
OTHER_SPREADS = set("mad rms rmse rmsd noise".split())
ERRORS |= OTHER_SPREADS


def any_of(words: Words) -> str:
    """The pattern of words that may mean a quantity and are not plainly it."""
    return "|".join(map(re.escape, (*words.likely, *words.loose)))


#: What the words of a column may say, and the column that it may be; of some there is none.
#: The table's reading, in such a column.
READING = "{reading}"
#: What a concentration is called.
ION = "an ion's concentration"
MAY_BE: list[tuple[str, str, str]] = [
    ("a junction potential", "LJP_mV", any_of(QUANTITIES["LJP"])),
    ("a temperature", "T_degC", any_of(QUANTITIES["T"])),
    ("a standard error or deviation", f"{READING}_sem", "err|error|errors|fehler|erreur|errore"),
    ("a standard error", f"{READING}_sem", "se (of )?(the )?mean"),
    (
        "a standard error",
        f"{READING}_sem",
        "standardfehler|erreur (standard|type)|errore standard|error estandar",
    ),
    (
        "a standard deviation",
        f"{READING}_sd",
        "standardabweichung|stabw|écart type|ecart type|deviazione standard|desviaci[oó]n (est[aá]ndar|t[ií]pica)",
    ),
    ("a measure of spread", "", "iqr|range|lower|upper"),
    (
        "the number of readings",
        f"{READING}_n",
        "count|counts|number|sample size|samples|replicates",
    ),
    ("a potential", "V_m_mV", any_of(QUANTITIES["V_m"])),
    ("a potential that is not V_m", "", "|".join((*OF_PIPETTE, *COMMAND))),
    ("a corrected potential, or the correction", "", "[ev] ?corr(ected)?"),
    ("a temperature, though not plainly the bath's", "", "heater|chamber|inline heater"),
    ("a difference of potentials", "dV_m_mV", "(d|δ|delta) ?(v ?m|v)|v ?m change"),
    (ION, "K_o_mM", "conc|concs|concentration|concentrations|molarity|mm|bath|ext|external|ladder"),
    (
        "the H⁺ concentration, 10^(9 − pH) nM",
        "",
        "p ?h|p ?h ?(o|out|ext|bath)|(external|extracellular|bath) ph",
    ),
    ("the H⁺ concentration inside, 10^(9 − pH) nM", "", "p ?h ?(i|in)|(internal|intracellular) ph"),
]
#: Words beside a quantity that leave it what it is, where the table has it once.
QUALIFIERS = set("mean avg average averaged nominal measured actual".split())
_QUALIFIED = re.compile(
    rf"[\s_.,-]*[(\[]?(?<![A-Za-z])({'|'.join(QUALIFIERS)})(?![A-Za-z])[)\]]?\.?[\s_.,-]*", re.IGNORECASE
)


def unqualified(name: str) -> str | None:
    """A name without a word such as mean or nominal; None where it has none, or nothing else.

    Example:
        >>> unqualified("mean RMP (mV)"), unqualified("K_o_mM_nominal"), unqualified("meander")
        ('RMP (mV)', 'K_o_mM', None)
    """
    bare, found = _QUALIFIED.subn(" ", name, count=1)
    return bare.strip() or None if found else None
