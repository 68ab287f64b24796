"""What an uncertainty study found: a verdict in words, tables, numbers and figures, alike for every verb."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.things import check_thing
from ..files.whole import whole_folder
from ..text import plain
from . import html
from .document import Banner, Document, Lines, Picture, Section, Table, lines
from .provenance import origin_section

#: What a study's folder holds, besides its figures: each as ``.png`` and ``.svg``.
_FILES = ("study.json", "report.html")


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
        origins: where it is from, of each problem: config, data, seed, versions (`provenance.origin`).

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
    origins: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    def words(self) -> list[str]:
        """The verdict and the findings, one sentence or two each."""
        return [self.verdict, *self.findings]

    def as_dict(self) -> dict[str, Any]:
        """Plain data: for ``--json``, and ``study.json``."""
        tables = [
            {"title": t.title, "columns": [c._asdict() for c in t.columns], "rows": t.rows, "note": t.note}
            for t in self.tables
        ]
        return {
            "verb": self.verb,
            "title": self.title,
            "verdict": self.verdict,
            "findings": self.findings,
            "tables": tables,
            "pictures": [{"name": p.name, "caption": p.caption} for p in self.pictures],
            "numbers": self.numbers,
            "passed": self.passed,
            "trusted": self.trusted,
        }

    def document(self) -> Document:
        """As it is printed, and made a page of."""
        tables = [Section(f"table-{k}", t.title, (t,)) for k, t in enumerate(self.tables, 1)]
        pictures = [Section("figures", "Figures", self.pictures, detail=True)] if self.pictures else []
        where = [origin_section(self.origins)] if self.origins else []
        return Document(
            self.title,
            self.verdict,
            status=self._status,
            label=self.verb,
            findings=lines(*self.findings),
            sections=(*pictures, *tables, *where),
            names=tuple(dict.fromkeys(n for o in self.origins for n in o["names"])),
            reference=next((o["reference"] for o in self.origins), "K"),
            kind=self.verb,
            data=self.as_dict(),
        )

    def section(self) -> Section:
        """As a part of another page."""
        banner = Banner(self.verdict, self._status, self.verb)
        return Section(
            self.verb,
            self.verb.capitalize(),
            (banner, Lines("", self.findings), *self.pictures, *self.tables),
            detail=True,
        )

    @property
    def _status(self) -> str:
        return "bad" if self.passed is False or not self.trusted else "good"

    def save(self, out: str | Path, *, force: bool = False) -> Path:
        """Write a folder: ``study.json``, ``report.html`` and each figure as PNG and SVG; whole or not at all.

        Raises:
            InputError: the folder exists and `force` is False, holds anything else, or cannot be written.
        """
        out = Path(out)
        with whole_folder(out, force=force, own=own_files(out)) as scratch:
            for p in self.pictures:
                for kind in ("png", "svg"):
                    (scratch / f"{p.name}.{kind}").write_bytes(p.image(kind))
            data = plain(self.as_dict() | {"origins": self.origins})
            text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
            (scratch / "study.json").write_text(text + "\n", encoding="utf-8")
            (scratch / "report.html").write_text(html.render(self.document()), encoding="utf-8")
        return out


def own_files(out: Path) -> tuple[str, ...]:
    """Names of what a study's folder may hold."""
    if not os.path.isfile(out / "study.json"):
        return _FILES
    return (*_FILES, *(p.name for kind in ("png", "svg") for p in out.glob(f"*.{kind}")))


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
        This reading determines P_Na/P_K 0.0298 (0.0253 … 0.0346).
    """
    folder = Path(folder)
    check_thing(folder, "study")
    file = folder / "study.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        tables = [
            Table.of(t["title"], [(c["name"], c["unit"]) for c in t["columns"]], t["rows"], t["note"])
            for t in data.pop("tables")
        ]
        pictures = [
            Picture(p["name"], p["caption"], _images(folder, p["name"])) for p in data.pop("pictures")
        ]
        several = {k: tuple(data.get(k, ())) for k in ("findings", "origins")}
        return Study(**data | several, tables=tuple(tables), pictures=tuple(pictures))
    except FileNotFoundError as error:
        raise InputError(
            "holds no study" if not file.exists() else f"lacks {Path(error.filename).name}",
            mend="Give a folder that identify, calibrate, compare, design or sensitivity wrote with --out",
            file=folder,
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot be read: {error}", mend="Run the study again", file=file) from None


def _images(folder: Path, name: str) -> Callable[[str], bytes]:
    """A picture's files; folders of earlier versions hold PNG alone."""
    files = {kind: folder / f"{name}.{kind}" for kind in ("png", "svg")}
    found = {kind: file.read_bytes() for kind, file in files.items() if kind == "png" or file.is_file()}
    return found.__getitem__
