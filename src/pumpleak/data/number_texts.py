"""What stands in a cell where a number should: how it is to be written so that no number is lost."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..errors import InputError
from ..quantities.names import kind
from ..quantities.numbers import NUMBER, odd_number, plain_digits
from ..quantities.units import canonical_unit, to_canonical, unit_name, with_unit

#: One to three digits and a mark before exactly three more: a decimal number, or thousands.
TWO_WAYS = r"[+-]?[1-9][0-9]{0,2}%s[0-9]{3}"

#: What a spreadsheet leaves where a formula fails.
SPREADSHEET_ERRORS = "#REF! #DIV/0! #N/A #NAME? #NULL! #NUM! #VALUE! #SPILL! #CALC!".split()

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
#: The names of statistics, whole texts in any case.
SUMMARY = (
    r"(grand |group |sub)?(mean|average|avg|median|total|sum|s\.?e\.?m\.?|s\.?e\.?|s\.?d\.?|st\.? ?dev\.?|std\.?( ?dev\.?)?|"
    r"standard (deviation|error)( of the mean)?|n|count|min(imum)?|max(imum)?|range|var(iance)?|c\.?v\.?|iqr|"
    r"p|p[- ]values?|quartile|percentile|rms|rmse|mad|c\.?v\.? ?%|(95 ?% ?)?c\.?i\.?|skew(ness)?|kurtosis|"
    r"((un)?paired |student'?s? )?[tfz][- ]?test|(one|two)[- ]way anova|anova|wilcoxon|mann[- ]whitney|kruskal[- ]wallis|tukey|dunnett|"
    r"bonferroni|geo(metric)? ?mean|±|±? ?(s\.?e\.?m\.?|s\.?d\.?)|mittelwert|durchschnitt|stabw\.?|standard(abweichung|fehler)|mw|moyenne|"
    r"[ée]cart[- ]type|promedio|m[ée]dia|desviaci[óo]n est[áa]ndar|"
    "x\u0304|x\u0305)"  # a bar over it
    r"( ?(±|\+/-|and|&) ?(s\.?e\.?m\.?|s\.?d\.?|s\.?e\.?))?( ?\(.*\)| ?[=<>≤≥] ?[\d.]+)? ?[.:=]?"
)
#: Summary words that are also names people give to cells, baths and strains.
_SHORT = re.compile(
    r"[a-z]{1,2}|[a-z][ -]?test|[a-z][0-9]|min|max|mad|count|range|media|var|tukey", re.IGNORECASE
)


class Marks(NamedTuple):
    """How a file writes numbers.

    Attributes:
        comma: decimals have a comma.
        doubt: a point before three digits (``2.500``) may stand for thousands.
    """

    comma: bool = False
    doubt: bool = False


class Place(NamedTuple):
    """Which column a text stands in, and how its file writes numbers.

    Attributes:
        of: the quantity or reading.
        part: ``value``, ``sd``, ``sem`` or ``n``.
        unit: of the column.
        reading: whether it may have a standard error, too.
        comma: whether decimals have a comma.
    """

    of: str
    part: str = "value"
    unit: str = "1"
    reading: bool = True
    comma: bool = False

    def column(self, part: str) -> str:
        """The name of the column of another part of the same."""
        return f"{self.of}_n" if part == "n" else with_unit(f"{self.of}_{part}", self.unit)

    def write(self, number: str) -> str:
        """A number with the decimal mark of the file."""
        plain = _point(re.sub(r"\s", "", number).removeprefix("+"))
        return plain.replace(".", ",") if self.comma else plain


def summary_word(text: str) -> bool:
    """Whether a text is the name of a statistic: ``Mean``, ``s.e.m.``, ``n``, ``mean ± SD (n = 5)``."""
    return re.fullmatch(SUMMARY, plain_digits(text), re.IGNORECASE) is not None


def also_a_name(text: str) -> bool:
    """Whether a `summary_word` may as well be what a cell or a bath is called: ``n``, ``SD``, ``max``."""
    return _SHORT.fullmatch(plain_digits(text)) is not None


def summed_up(text: str) -> Iterator[tuple[str, str, bool]]:
    """The name and the statistic that a text may be made of, ``WT mean``, ``average of KO``, and whether the name is first."""
    words = re.split(r"[ _:,/-]+", plain_digits(text).strip(" .:="))
    for k in range(1, len(words)):
        before, behind = " ".join(words[:k]), " ".join(words[k:])
        if summary_word(behind):
            yield before, behind, True
        if summary_word(before):
            yield re.sub(r"^(of|for|over|in) ", "", behind), before, False


def spreadsheet_error(text: str) -> tuple[str, str]:
    """The problem and the mend for what a spreadsheet leaves where a formula fails."""
    return f"{text} is a spreadsheet's error", "Mend the formula in the spreadsheet and save again"


def missing_mend(text: str) -> str:
    """How to say once that a text or number stands where there is no value."""
    plain = re.fullmatch(r"[A-Za-z-][\w./ -]*", text) and not re.fullmatch(
        r"-|y|n|yes|no|on|off|true|false|null|none|nan", text, re.IGNORECASE
    )
    listed = text if plain else "'" + text.replace("'", "''") + "'"
    return f"Leave the cell blank where there is no value, or write `missing: [{listed}]` in the config"


def not_a_number(text: str, place: Place) -> tuple[str, str]:
    """The problem and the mend for text in a column of numbers."""
    tidy = _tidy(text)
    for rule in _RULES:
        if found := rule(text, tidy, place):
            return found
    return f"'{text}' is not a number", "Write the number alone; what else it says goes into a column of text"


def _tidy(text: str) -> str:
    raised = re.sub(r"10([⁺⁻]?[⁰¹²³⁴-⁹]+)", lambda m: "10^" + m[1].translate(_RAISED), text)
    raised = re.sub(r"[⁰¹²³⁴-⁹]+", lambda m: "^" + m[0].translate(_RAISED), raised)
    shown = "".join(c for c in raised if unicodedata.category(c) != "Cf")
    return re.sub(r"\s+", " ", plain_digits(unicodedata.normalize("NFKC", plain_digits(shown))))


# The rules: each looks at a text as written, the same tidied, and where it stands; the first that knows it answers.

_D = r"(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_V = rf"[+-]? ?{_D}"
_COUNT = r"(?:[nN] ?= ?)?[0-9]+(?: ?(?:cells?|fib(?:er|re)s?|animals?|rats?|mice|experiments?))?"
_MARKS = r"(?:\*+|[†‡§¶#‖]+|\^[0-9a-z]+|[\[(][a-z*†‡§]+[\])]|[a-e])"

Rule = Callable[[str, str, Place], tuple[str, str] | None]


def _point(number: str) -> str:
    return number.replace(",", ".")


def _no_value(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    if place.part == "n" and (m := re.fullmatch(r"[nN] ?= ?([0-9]+)", tidy)):
        return f"'{text}' says what its column's name does", f"Write {m[1]}"
    if place.part in ("sd", "sem") and (m := re.fullmatch(rf"(?:±|\+/?-) ?({_D})", tidy)):
        return f"'{text}' has a sign that its column's name stands for", f"Write {place.write(m[1])}"
    if tidy in SPREADSHEET_ERRORS:
        return spreadsheet_error(tidy)
    if summary_word(tidy):
        return f"'{text}' marks a summary of other rows, not a measurement", "Delete the row"
    if place.of == "pump" and not re.search(r"\d", tidy):
        return f"'{text}' is not a number", "Write 1 for a running and 0 for a blocked pump"
    if not re.search(r"\d", tidy):
        return f"'{text}' is not a number", missing_mend(text.strip())
    if NUMBER.fullmatch(_point(tidy)) and abs(float(_point(tidy))) == float("inf"):
        return f"'{text}' is too large for a number", "Check its exponent"
    return None


def _thousands(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    if re.fullmatch(TWO_WAYS % "[.,]", tidy):
        point = _point(tidy).rstrip("0").removesuffix(".") if tidy.endswith("0") else f"{_point(tidy)}0"
        both = (
            place.write(re.sub("[.,]", "", tidy)),
            place.write(point),
        )  # neither has three decimals: both are plain
        mark = "comma" if "," in tidy else "point"
        return (
            f"'{text}' has a {mark} that may stand for thousands or for decimals: {both[0]} or {both[1]}",
            f"Write {both[0]} or {both[1]}, whichever it is",
        )
    for mark, what in ((",", "commas"), (r"\.", "points"), (" ", "spaces"), ("['’_]", "marks")):
        decimal = "[.]" if mark == "," else "," if mark == r"\." else "[.,]"
        if re.fullmatch(rf"[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{decimal}[0-9]*)?", tidy):
            return (
                f"'{text}' has {what} between thousands",
                f"Write {place.write(_point(re.sub(mark, '', tidy)))}",
            )
    if not place.comma and re.fullmatch(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?", tidy):
        return f"'{text}' has a decimal comma", f"Write {_point(tidy)}"
    if place.comma and NUMBER.fullmatch(tidy):
        return (
            f"'{text}' has a decimal point, while other numbers of the file have a decimal comma",
            f"Write {place.write(tidy)}",
        )
    return None


def _typed(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    """Marks of a spreadsheet, of an accountant and of haste."""
    bare = re.fullmatch(r"""=?(?:'|"|=)?\s*([+-]?\s*.*?)\s*["']?""", tidy)
    if bare and bare[1] != tidy and re.fullmatch(_V, bare[1]):
        return f"'{text}' is text, not a number", f"Write {place.write(bare[1])}"
    if m := re.fullmatch(rf"([+-]) ({_D})", tidy):
        return f"'{text}' has a space after its sign", f"Write {place.write(m[1] + m[2])}"
    if m := re.fullmatch(rf"({_D}) ?-", tidy):
        return f"'{text}' has its sign behind it", f"Write {place.write('-' + m[1])}"
    if m := re.fullmatch(rf"(?:\(({_D})\)|[+-][+-]+ ?({_D}))", tidy):
        number = place.write(m[1] or m[2])
        what = "is in brackets" if m[1] else "has two signs"
        return f"'{text}' {what}: -{number} or {number}", f"Write -{number} or {number}, whichever it is"
    if m := re.fullmatch(rf"({_V}) ?[eE][+-]?", tidy):
        return (
            f"'{text}' has no exponent after its e",
            f"Write {place.write(m[1])}, or its exponent as in 1e-3",
        )
    if m := re.fullmatch(
        rf"({_V}) ?(?:[x×*] ?10 ?(?:\^|\*\*)? ?|· ?10 ?(?:\^|\*\*) ?|[dD]|[eE] ?)([+-]? ?[0-9]+)", tidy
    ):
        power = m[2].replace(" ", "").removeprefix("+")
        return f"'{text}' is a number with a power of ten", f"Write {place.write(m[1])}e{power}"
    if tidy != plain_digits(text) and NUMBER.fullmatch(tidy):
        return f"'{text}' has digits or signs of another alphabet", f"Write {place.write(tidy)}"
    return None


def _two_numbers(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    m = re.fullmatch(
        rf"({_V})[^\d±(+\-\[;/]*(?:±|\+ ?/ ?-|\+-|\\pm) ?({_D})[^\d]*?(?:[(\[;, ]+({_COUNT})[)\]]?)?", tidy
    )
    if m is not None:
        return f"'{text}' is two numbers", _split(place, m[1], m[2], m[3])
    if m := re.fullmatch(rf"({_V}) ?[^\d(\[]{{0,4}} ?[(\[] ?({_COUNT}) ?[)\]]", tidy):
        if not re.fullmatch(r"[0-9]+", m[2]):
            return f"'{text}' is two numbers", _split(place, m[1], "", m[2])
        return f"'{text}' is two numbers", _split(place, m[1], m[2], "", maybe_count=True)
    if m := re.fullmatch(rf"({_V}) ?[^\d(\[]{{0,4}} ?[(\[;] ?({_D})(?:[;,] ?({_COUNT}))? ?[)\]]?", tidy):
        return f"'{text}' is two numbers", _split(place, m[1], m[2], m[3])
    if m := re.fullmatch(rf"([+-]?{_D}) ?(?:-|to|\.\.\.?|/|:(?= )) ?([+-]?{_D})[^\d]*", tidy):
        if "/" not in tidy and not re.fullmatch(r"\d+-\d+-\d+.*", tidy):
            a, b = float(_point(m[1])), float(_point(m[2]))
            if a < 0 <= b and "to" not in tidy:  # -80 -82, -80-82: nobody knows whose the sign is
                return f"'{text}' is two numbers", "Write one of them; the other goes into a row of its own"
            middle = place.write(f"{(a + b) / 2:.6g}")
            return (
                f"'{text}' is a range",
                f"Write what was read, or the middle, {middle}{_half(place, abs(b - a))}",
            )
    return None


def _half(place: Place, width: float) -> str:
    if place.part != "value" or width <= 0:
        return ""
    return f", and {place.write(f'{width / 12**0.5:.2g}')} in a column {place.column('sd')}"


def _split(place: Place, value: str, spread: str, count: str | None, maybe_count: bool = False) -> str:
    """Where each of two or three numbers of a cell goes."""
    number = place.write(value)
    if place.part != "value":
        return f"Write {number}; what else the cell says goes into a column of its own"
    goes = []
    if spread:
        columns = [place.column(part) for part in ("sem", "sd") if part == "sd" or place.reading]
        columns += [place.column("n")] if maybe_count and place.reading else []
        what = ", whichever it is" if len(columns) > 1 else ""
        goes.append(f"{place.write(spread)} in a column {' or '.join(columns)}{what}")
    if count and place.reading and (digits := re.search(r"[0-9]+", count)):
        goes.append(f"{digits[0]} in a column {place.column('n')}")
    return f"Write {number}" + "".join(f", and {where}" for where in goes)


def _uncertain(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    if m := re.fullmatch(
        rf"(?:[~≈≅∼]|ca?\.?|circa|about|approx\.?|approximately|around) ?({_V})( ?\D*)", tidy, re.IGNORECASE
    ):
        number = _in_unit(m[1], m[2], place)
        if number is not None:
            return f"'{text}' is an approximate number", f"Write {number}"
    if m := re.fullmatch(rf"(<=?|>=?|≤|≥|=<|=>) ?({_V})( ?\D*)", tidy):
        problem, limit = f"'{text}' is a limit, not a value", float(_point(m[2].replace(" ", "")))
        if m[1][0] in "<≤=" and limit > 0 and place.part == "value" and not m[1].startswith("=>"):
            return (
                problem,
                f"Write the likeliest value, say the middle, {place.write(f'{limit / 2:.6g}')}{_half(place, limit)}",
            )
        return problem, f"Write the likeliest value; of {place.write(m[2])} only the limit is known"
    return None


def _with_unit(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    m = re.fullmatch(rf"({_V}) ?(\D.*)", tidy)
    if m is None or re.search(r"\d", m[2].replace("cm2", "").replace("cm^2", "").replace("s-1", "")):
        return None
    if m[2] in ("%", "percent", "per cent") and place.unit == "1" and place.part != "n":
        share = place.write(f"{float(_point(m[1].replace(' ', ''))) / 100:.6g}")
        return f"'{text}' is in per cent", f"Write {share}"
    number = _in_unit(m[1], m[2], place)
    if number is not None:
        return f"'{text}' is a number with its unit", f"Write {number}: the unit stands in the column's name"
    return None


def _in_unit(number: str, unit: str, place: Place) -> str | None:
    """A number written with a unit, in the column's; None where the unit is not of its kind."""
    unit, number = unit.strip(), number.replace(" ", "")
    if not unit:
        return place.write(number)
    try:
        here, there = unit_name(place.unit), unit_name(unit)
        if here == there:
            return place.write(number)
        if canonical_unit(here) != canonical_unit(there) or place.part != "value":
            return None
    except InputError:
        return None
    value, one, zero = (
        to_canonical(float(_point(number)), there)[0],
        to_canonical(1.0, here)[0],
        to_canonical(0.0, here)[0],
    )
    return place.write(f"{(value - zero) / (one - zero):.10g}")


_MONTH = (
    r"(?:jan(?:uary?)?|feb(?:ruary?)?|m[aä]r(?:ch|z)?|apr(?:il)?|ma[iy]|jun[ei]?|jul[iy]?|aug(?:ust)?|sept?(?:ember)?|"
    r"o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
_DATE = re.compile(
    rf"\d{{4}}-\d\d?-\d\d?|\d\d?[./]\d\d?[./]\d{{2,4}}|\d\d?[-. ]+{_MONTH}\b|{_MONTH}[- .]+\d", re.IGNORECASE
)


def _over(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    """Two numbers with a slash or a colon between them: a ratio where the quantity is one."""
    m = re.fullmatch(rf"({_V}) ?[/:] ?({_V})", tidy)
    if place.part == "n":
        m = re.fullmatch(r"(?:[nN] ?= ?)?([0-9]+)\D{0,12}?(?:[/:]|of|from|in)\D{0,12}?([0-9]+)\D{0,12}", tidy)
    if m is None or place.part == "value" and kind(place.of).is_quotient:
        return None
    if place.part == "n":
        most, least = sorted((m[1], m[2]), key=lambda x: float(_point(x.replace(" ", ""))), reverse=True)
        said = f", the number of readings behind the value ({most} cells of {least} animals?)"
        return f"'{text}' is two numbers", f"Write {place.write(most)}{said}"
    mend = "Write one of them; the other goes into a row of its own"
    return f"'{text}' is two numbers", mend if place.part == "value" else "Write the one that is meant"


def _other(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    if _DATE.match(tidy):
        return f"'{text}' is a date", "Turn the cell into a number; spreadsheets take 5.4 for a date"
    if odd := odd_number(_point(tidy) if place.comma else tidy):
        return odd[0].replace(f"'{tidy}'", f"'{text}'"), odd[1].replace(".", "," if place.comma else ".")
    if m := re.fullmatch(rf"({_V}) ?({_MARKS})", tidy):
        return (
            f"'{text}' is a number with a mark",
            f"Write {place.write(m[1])}; what the mark says goes into a column of text",
        )
    digits = tidy.translate(str.maketrans("OolIS", "00115"))
    if digits != tidy and re.fullmatch(_V, digits):
        return (
            f"'{text}' has letters among its digits",
            f"Write the digits, {place.write(digits)} if O is 0 and l is 1",
        )
    if m := re.fullmatch(rf"({_V}) ?\D+", tidy):
        unit = "" if place.unit == "1" else f" in {place.unit}"
        return (
            f"'{text}' is not a number",
            f"Write the number alone{unit}: its unit stands in the column's name",
        )
    return None


def _among_words(text: str, tidy: str, place: Place) -> tuple[str, str] | None:
    """One number among words: ``nominal 0``."""
    m = re.fullmatch(rf"\D*?(?<![\w.,])({_D}|[+-]{_D})(?![\w.,])\D*", tidy)
    if m is None:
        return None
    mend = f"Write {place.write(m[1])}; what else it says goes into a column of text"
    return f"'{text}' is a number among words", mend


_RULES: tuple[Rule, ...] = (
    _no_value,
    _thousands,
    _typed,
    _over,
    _two_numbers,
    _uncertain,
    _with_unit,
    _other,
    _among_words,
)
