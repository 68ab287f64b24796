"""What an uncertainty study found: a verdict in words, tables, numbers and figures, alike for every verb."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..files.whole import whole_folder
from ..text import plain, shown
from .html import fill_template
from .style import styled

#: What a study's folder holds, besides its figures ``*.png``.
_FILES = ("study.json", "report.html")


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
        rows: text, numbers (None or NaN: a blank), True and False.
        note: a sentence under the table; '' for none.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    @classmethod
    def of(cls, title: str, columns: Sequence[str | tuple[str, str]], rows, note: str = "") -> "Table":
        """From columns as names, or names with units, and rows of any kind.

        Raises:
            ValueError: a row of another length.
        """
        made = tuple(Column(c) if isinstance(c, str) else Column(*c) for c in columns)
        rows = tuple(tuple(r) for r in rows)
        wrong = [r for r in rows if len(r) != len(made)]
        if wrong:
            raise ValueError(f"table {title!r}: {len(made)} columns, but a row of {len(wrong[0])}")
        return cls(title, made, rows, note)

    def text(self, row: int) -> tuple[str, ...]:
        """A row as it is shown."""
        return tuple(shown(x) for x in self.rows[row])

    def frame(self):
        """The table as a pandas DataFrame, units in the columns' names."""
        import pandas as pd

        names = [f"{c.name} [{c.unit}]" if c.unit else c.name for c in self.columns]
        return pd.DataFrame(list(self.rows), columns=names)


@dataclass(frozen=True)
class Picture:
    """A figure as PNG bytes, with a short name for its file, and its caption."""

    name: str
    caption: str
    png: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, caption: str, draw: Callable[[], Any]) -> "Picture":
        """From a function that returns a matplotlib figure; drawn in the package's style, off screen."""
        import matplotlib.pyplot as plt

        buffer = BytesIO()

        def save():
            figure = draw()
            figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
            plt.close(figure)  # ArviZ's are pyplot's, which keeps them

        styled(save)()
        return cls(name, caption, buffer.getvalue())

    def _repr_png_(self) -> bytes:
        """For a notebook."""
        return self.png

    @property
    def source(self) -> str:
        """For the ``src`` of an ``img``."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Study:
    """What a verb of uncertainty found about a problem. Words first.

    Attributes:
        verb: ``identify``, ``calibrate``, ``compare``, ``design``, ``sensitivity`` or ``contrast``.
        title: of the problem or problems.
        verdict: the answer, in one sentence or two.
        findings: further sentences, the most important first.
        tables, pictures: in the order in which to read them.
        numbers: all that a program would want, as plain data (`as_dict`).
        passed: of a check, whether it passed; None where nothing was checked.
        trusted: False where it rests on a posterior that its own gate refused.

    Example:
        >>> from pumpleak import identify, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> study = identify(problem)
        >>> print(study.verb, [table.title for table in study.tables])
        identify ['What the readings determine', 'Directions, from the best known to the least']
    """

    verb: str
    title: str
    verdict: str
    findings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    numbers: dict[str, Any] = field(default_factory=dict, repr=False)
    passed: bool | None = None
    trusted: bool = True

    def words(self) -> list[str]:
        """The verdict and the findings, one sentence or two each."""
        return [self.verdict, *self.findings]

    def as_dict(self) -> dict[str, Any]:
        """Plain data: for ``--json``, and ``study.json``."""
        out = asdict(self)
        out["pictures"] = [{"name": p.name, "caption": p.caption} for p in self.pictures]
        for table in out["tables"]:
            table["columns"] = [{"name": name, "unit": unit} for name, unit in table["columns"]]
        return out

    def save(self, out: str | Path, *, force: bool = False) -> Path:
        """Write a folder: ``study.json``, ``report.html`` and each figure as PNG; whole or not at all.

        Raises:
            InputError: the folder exists and `force` is False, holds anything else, or cannot be written.
        """
        out = Path(out)
        with whole_folder(out, force=force, own=own_files(out)) as scratch:
            for p in self.pictures:
                (scratch / f"{p.name}.png").write_bytes(p.png)
            text = json.dumps(plain(self.as_dict()), indent=1, ensure_ascii=False, allow_nan=False)
            (scratch / "study.json").write_text(text + "\n", encoding="utf-8")
            page = fill_template("study_report.html.j2", {"study": self, "title": self.title})
            (scratch / "report.html").write_text(page, encoding="utf-8")
        return out


def own_files(out: Path) -> tuple[str, ...]:
    """Names of what a study's folder may hold."""
    pictures = [p.name for p in out.glob("*.png")] if (out / "study.json").is_file() else []
    return (*_FILES, *pictures)


def load_study(folder: str | Path) -> Study:
    """Read a folder that `Study.save` wrote.

    Args:
        folder: as given to `Study.save`.

    Returns:
        The `Study`, its pictures included.

    Raises:
        InputError: there is none, or it is damaged.

    Example:
        >>> from pumpleak import identify, load_dataset, load_study, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> import tempfile
        >>> folder = identify(problem).save(tempfile.mkdtemp() + "/study")
        >>> print(load_study(folder).verdict)
        This reading determines P_Na_rel.
    """
    folder = Path(folder)
    file = folder / "study.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        tables = [
            Table.of(t["title"], [(c["name"], c["unit"]) for c in t["columns"]], t["rows"], t["note"])
            for t in data.pop("tables")
        ]
        pictures = [
            Picture(p["name"], p["caption"], (folder / f"{p['name']}.png").read_bytes())
            for p in data.pop("pictures")
        ]
        return Study(
            **data | {"findings": tuple(data["findings"])}, tables=tuple(tables), pictures=tuple(pictures)
        )
    except FileNotFoundError as error:
        raise InputError(
            "holds no study" if not file.exists() else f"lacks {Path(error.filename).name}",
            mend="Give a folder that identify, calibrate, compare, design or sensitivity wrote with --out",
            file=folder,
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot be read: {error}", mend="Run the study again", file=file) from None
