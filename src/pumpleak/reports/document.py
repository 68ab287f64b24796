"""What a verb has to say, before it is known where it is read: a headline, findings, sections of tables and pictures.

A pure function of a verb's result makes a `Document`. `cli.terminal.show` prints one, `html.render` makes a page of one,
and its `data` is what ``--json`` gives; none of them knows a verb. Nothing heavy is imported here, and pictures are
drawn when they are looked at: a terminal looks at none.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..quantities.names import as_read
from ..text import minus, percent, tabulated

if TYPE_CHECKING:
    from ..problem.priors import Prior

# -- cells of a table ----------------------------------------------------------------------------------


class Name(str):
    """A quantity's name, as in the code; on a page its symbol as well."""


class Label(str):
    """What data or the code call something: shown letter by letter, where other text has its names as symbols."""


def unit_label(unit: str) -> Label:
    """A unit as a cell; what has none is left blank."""
    return Label("" if unit == "1" else unit)


def law_as_read(name: str, prior: "Prior | None") -> "Prior | None":
    """A quantity's prior in the unit in which people read it (`as_read`); as it is where it has no zero but its own."""
    shift = as_read(name, "K")[1]
    if prior is None or not shift:
        return prior
    try:
        return prior.scaled(1.0, shift)
    except ValueError:
        return None


def prior_as_read(name: str, text: str) -> str:
    """A quantity's prior, as `str` made it, in the unit in which people read it (`as_read`).

    Examples:
        >>> prior_as_read("T", "294.15 ± 1"), prior_as_read("K_i", "140 ± 10")
        ('21 ± 1', '140 ± 10')
    """
    if not as_read(name, "K")[1]:
        return text
    from ..problem.priors import prior_in

    prior = prior_in({"prior": text})
    shifted = law_as_read(name, prior)
    return text if prior is None else f"{text} K" if shifted is None else str(shifted)


class Marked(str):
    """Text that a reader should stop at."""


class Given(float):
    """A number as it was given, with all its digits."""

    def __str__(self) -> str:
        return f"{float(self):g}"


class Number(NamedTuple):
    """A number, to so many decimals where they are given, else to so many digits; `marked`: beyond a limit."""

    value: float | None
    decimals: int | None = None
    digits: int = 3
    marked: bool = False

    def __str__(self) -> str:
        return tabulated(self.value, self.decimals, digits=self.digits)


class Span(NamedTuple):
    """From one number to another, both printed alike."""

    low: float | None
    high: float | None
    decimals: int | None = None
    digits: int = 3

    def __str__(self) -> str:
        ends = [tabulated(x, self.decimals, digits=self.digits) for x in (self.low, self.high)]
        return "—" if "—" in ends else " … ".join(ends)


class Share(NamedTuple):
    """A share of a whole; on a page with a bar. Negative where more is left than there was."""

    value: float

    def __str__(self) -> str:
        return "—" if self.value != self.value else percent(self.value)


def cell_text(cell: Any) -> str:
    """A cell as it is printed, in a terminal and on a page alike.

    Floats have three digits and integers are counts; what is missing is a dash. A power of ten follows a caret, as
    `tabulated` has it.

    Examples:
        >>> cell_text(-72.594), cell_text(60000), cell_text(True), cell_text(float("nan")), cell_text("at -3 mV")
        ('−72.6', '60,000', 'yes', '—', 'at −3 mV')
    """
    if isinstance(cell, Name | Label):
        return str(cell)
    if hasattr(cell, "tolist"):  # NumPy's and JAX's numbers
        cell = cell.tolist()
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if cell is None or (isinstance(cell, float) and not isinstance(cell, Given)):
        return tabulated(cell)
    return minus(str(cell))


# -- blocks of a section -------------------------------------------------------------------------------


class Column(NamedTuple):
    """A column's name and unit; '' where it has none."""

    name: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words under one title.

    Attributes:
        title: for people.
        columns: one for each cell of a row.
        rows: text, numbers (None or NaN: a dash), True and False, and the cells above.
        note: a sentence under the table; '' for none.
        lead: what a reader of a page needs to know first.
        shut: on a page only the title is seen until a reader opens it.
        brief: what a terminal has in its place, where it has no room for all columns.
    """

    kind: ClassVar = "table"
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    lead: str = ""
    shut: bool | None = None
    brief: "Table | None" = None

    @classmethod
    def of(
        cls, title: str, columns: Sequence[str | tuple[str, str]], rows, note: str = "", **more: Any
    ) -> "Table":
        """From columns as names, or names with units, and rows of any kind.

        Raises:
            ValueError: a row of another length.
        """
        made = tuple(Column(c) if isinstance(c, str) else Column(*c) for c in columns)
        rows = tuple(tuple(r) for r in rows)
        wrong = [r for r in rows if len(r) != len(made)]
        if wrong:
            raise ValueError(f"table {title!r}: {len(made)} columns, but a row of {len(wrong[0])}")
        return cls(title, made, rows, note, **more)

    def is_text(self, column: int) -> bool:
        """Whether a column holds words, which stand at the left; a share or an interval is none, though it be text."""
        return any(c.isalpha() for row in self.rows if isinstance(row[column], str) for c in row[column])

    def frame(self):
        """The table as a pandas DataFrame, units in the columns' names."""
        import pandas as pd

        names = [f"{c.name} [{c.unit}]" if c.unit else c.name for c in self.columns]
        return pd.DataFrame(list(self.rows), columns=names)


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with a short name for its file, its caption, and what it shows for who cannot see it.

    Attributes:
        image: of a format, ``png`` or ``svg``, the file's bytes.
    """

    kind: ClassVar = "picture"
    name: str
    caption: str
    image: Callable[[str], bytes] = field(repr=False)
    alt: str = ""

    @classmethod
    def of(cls, name: str, caption: str, draw: Callable[[], Any], alt: str = "") -> "Picture":
        """From a function that returns a matplotlib figure; drawn off screen, once for each format asked for."""
        from . import style

        return cls(name, caption, functools.cache(lambda kind: style.image_of(draw, kind)), alt)

    @property
    def png(self) -> bytes:
        return self.image("png")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Picture):
            return NotImplemented
        return (self.name, self.caption, self.png) == (other.name, other.caption, other.png)

    def __hash__(self) -> int:
        return hash((self.name, self.caption))

    def _repr_png_(self) -> bytes:
        """For a notebook."""
        return self.png


@dataclass(frozen=True)
class Lines:
    """Sentences, one below the other, under a heading where it is not ''."""

    kind: ClassVar = "lines"
    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What is known about something: pairs of what and how much; those without a value are left out."""

    kind: ClassVar = "facts"
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, *pairs: tuple[str, Any]) -> "Facts":
        return cls(tuple((k, str(v)) for k, v in pairs if v not in (None, "")))


@dataclass(frozen=True)
class Code:
    """Text to copy; with a `summary`, on a page only that is seen until a reader opens it."""

    kind: ClassVar = "code"
    text: str
    summary: str = ""


@dataclass(frozen=True)
class Note:
    """A remark in small print."""

    kind: ClassVar = "note"
    text: str


@dataclass(frozen=True)
class Banner:
    """A judgement: `status` is good, warn or bad, and '' where nothing was judged."""

    kind: ClassVar = "banner"
    headline: str
    status: str = ""
    label: str = ""


Block = str | Table | Picture | Lines | Facts | Code | Note | Banner


@dataclass(frozen=True)
class Section:
    """Blocks under a title; a string is a paragraph.

    Attributes:
        id: its address in the page.
        title: above it.
        blocks: in the order in which to read them.
        short: its title in the navigation, where that is another.
        detail: for a page only.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    short: str = ""
    detail: bool = False


@dataclass(frozen=True)
class Document:
    """What a verb has to say.

    Attributes:
        title: of the problem, the cell or the batch.
        headline: the answer and the verdict on it, in a sentence or two.
        status: good, warn or bad; '' where nothing was judged.
        label: the status in words.
        lead: what the page is about, under its title.
        findings: further sentences, the most important first.
        sections: what they rest on.
        names: the quantities whose names stand in the sentences.
        reference: the ion whose permeability is 1.
        kind: what the page is called, besides its title.
        data: all of it as plain data.
    """

    title: str
    headline: str
    status: str = ""
    label: str = ""
    lead: str = ""
    findings: tuple["Lines | Facts", ...] = ()
    sections: tuple[Section, ...] = ()
    names: tuple[str, ...] = ()
    reference: str = "K"
    kind: str = "report"
    data: Any = field(default=None, repr=False)

    @property
    def plain_data(self) -> Any:
        """Its data with the headline before all else, which is the same wherever it is read."""
        if not isinstance(self.data, dict) or not self.headline:
            return self.data
        return {"headline": self.headline} | self.data | {"headline": self.headline}

    @property
    def banner(self) -> Banner:
        return Banner(self.headline, self.status, self.label)


def lines(*sentences: str) -> tuple[Lines, ...]:
    """Findings without a heading."""
    return (Lines("", sentences),) if sentences else ()


def detail(id: str, title: str, *blocks: Block, short: str = "") -> Section:
    """A section for a page only."""
    return Section(id, title, blocks, short, detail=True)
