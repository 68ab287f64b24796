"""For every quantity of every row: where its value comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.measurements import Reading
from ..errors import InputError, unknown
from ..models.base import Model
from ..models.protocols import RowProtocols
from ..quantities.language import unknown_name
from ..quantities.names import kind, observable_unit
from ..quantities.quantity import Quantity
from ..quantities.spellings import plain_name
from ..quantities.units import split_unit, written_name
from ..text import fixed, listing, significant
from .alike import alike, alike_rows
from .baths import baths
from .coefficients import davies
from .given import Davies, Given, Spec, place_of
from .junction import Junction
from .levels import Codes, Levels
from .parameters import Latent, Parameter, Pool, Swap
from .priors import Prior, normal
from .problem import Slot
from .rules import NOISE_PRIORS, NOISE_SIZES, check_possible, cut, lacks_error, noise_of
from .unknown import unknown_quantity


@dataclass
class Column:
    """One quantity while it is resolved, row by row.

    Attributes:
        known: (R,) its numbers, 0 where it is a latent.
        index: (R,) positions among the latents, −1 where it is known.
        swapped: (R,) bool: there it is a total, minus `other`.
        other: the quantity it is swapped for.
    """

    known: np.ndarray
    index: np.ndarray
    swapped: np.ndarray
    other: str | None = None

    @classmethod
    def empty(cls, n: int) -> "Column":
        return cls(np.zeros(n), np.full(n, -1), np.zeros(n, bool))

    def at(self, rows: Any) -> tuple[Slot, float | np.ndarray]:
        """Where the values of these rows come from, and what is known of them: one number where all are alike."""
        known, index, swapped = self.known[rows], self.index[rows], self.swapped[rows]
        slot = Slot(
            index if (index >= 0).any() else None,
            self.other if swapped.any() else None,
            swapped if swapped.any() else None,
        )
        return slot, known[0] if len(set(known.tolist())) == 1 else known


class Builder:
    """Resolves the quantities of a model and of its readings, and collects the unknowns and what was assumed.

    Attributes:
        given: what the table and the config say.
        solved: the quantities that make a condition: the model's, and bath ions that these are swapped for.
        all: these and the readings'.
        pool: the parameters found so far.
        assumptions: the defaults that were used so far, in words.
        defaulted: the quantities that have their default in some row.
        levels: of the table's label columns.
        chains: columns by which something is given, from the outermost on -> the first such quantity, and what is written of it.
    """

    def __init__(self, given: Given, model: Model, observation: Sequence[Quantity]):
        self.given, self.m, self.model = given, given.m, model
        self.solved = {q.name: q for q in (*model.quantities, *_partners(given, model))}
        self.all = self.solved | {q.name: q for q in observation}
        self.pool = Pool()
        self._possible: set[tuple[str, Prior]] = set()
        self.assumptions: dict[str, None] = {}
        self.solution_of = given.solution_of
        self.levels = Levels(self.m)
        self.chains: dict[tuple[str, ...], tuple[Quantity, Latent]] = {}
        self._read: dict[str, tuple[Reading, ...]] = {}
        self.defaulted: dict[str, None] = {}

    def check_names(self) -> None:
        """Refuse quantities and solutions nobody knows; bath ions that merely are there are welcome."""
        written = [(place_of(q), q, spec) for q, spec in self.given.quantities.items()]
        written += [
            (place_of(q, s), q, spec) for s, d in self.given.solutions.items() for q, spec in d.items()
        ]
        for place, name, spec in written:
            if name not in self.all and not kind(name).is_bystander:
                raise unknown_quantity(name, spec, self.all, self.model, place)
        for name in self.given.solutions:
            if name not in self.solution_of:
                raise no_solution(name, sorted({s for s in self.solution_of if s}), self.m.file)
        solutes = [name for name in sorted(self.given.names) if kind(name).what == "solute"]
        if solutes and "osmolyte_o" in self.all and "osmolyte_o" not in self.given.names:
            raise InputError(
                f"{listing(solutes)} would move water, of which the model {self.model.name} knows by osmolyte_o alone",
                mend="Give osmolyte_o_mM, all that is dissolved outside beyond the ions and their counter-ions",
                column=solutes[0],
            )

    def check_activities(self) -> None:
        """Activities of some ions only mean something beside activities of all, on both sides."""
        s = self.model.setting
        given = [f"a{ion}_i" for ion in sorted(s.activities)] + [x for x in s.coefficients if x in self.all]
        if not given:
            return
        ions = {ion for ion in s.ions if f"{ion}_o" in self.all}
        missing = [
            f"gamma_{side}"
            for side, ions in (("o", ions), ("i", ions - s.activities))
            if f"gamma_{side}" not in self.given.names
            and not all(f"gamma_{ion}_{side}" in s.coefficients for ion in ions)
        ]
        if missing:
            why = "is an activity" if given[0][0] == "a" else f"makes an activity of {kind(given[0]).of}"
            are = f"{listing(missing)} {'is' if len(missing) == 1 else 'are'}"
            raise InputError(
                f"{given[0]} {why}, so {are} needed beside it",
                mend=f"Give {listing(missing)}, the activity coefficient of the other ions (about 0.75 in physiological saline), "
                "or `davies`",
                column=place_of(missing[0]),
            )

    def check_drift(self) -> None:
        """A drift in time needs the times."""
        rows = np.flatnonzero(self.given.says("drift") & ~self.given.says("time"))
        if len(rows):
            raise InputError(
                "drift is given, but not when this row was read",
                mend="Add a column time_min, or give drift_row_mV, the drift from row to row",
                **self.given.where(rows[0]),
                column="time",
            )

    def resolve(self, q: Quantity) -> Column:
        """Where every row's value of a quantity comes from: rows of which the same is said are resolved at once.

        Raises:
            InputError: it is missing, given twice or impossible.
        """
        table = self.given.column(q.name)
        sd = self.m.quantity_sd.get(q.name, np.full(len(table), np.nan))
        blank, measured = np.isnan(table), ~np.isnan(sd) & ~np.isnan(table)
        column = Column.empty(len(table))
        column.known[~blank & ~measured] = table[~blank & ~measured]
        parts = [self.given.solution_saying(q.name), blank]
        if measured.any():
            parts += [np.where(measured, x, 0) for x in (table, sd, self.levels.codes("solution")[0])]
        for rows, name in self._named(q, alike_rows(len(table), parts), table, sd):
            row = int(rows[0])
            spec, solution = self.given.spec(q.name, row)
            if blank[row] and spec is None:
                self._default(column, q, rows)
            elif blank[row]:
                self._place(column, q, rows, spec, name, place_of(q.name, solution))
            elif spec is not None:
                twice = given_twice(q.name, place_of(q.name, solution), f" ({table[row]:g} {q.unit})")
                raise InputError(twice.problem, mend=twice.mend, **self.given.where(row), column=q.name)
            elif measured[row]:
                latent = Latent(normal(float(table[row]), float(sd[row]), measured=True))
                place = f"table column {q.name}"
                column.index[rows] = self._latent(q, rows, latent, name, place, from_table=True)
        return column

    def _named(
        self, q: Quantity, groups: list[np.ndarray], table: np.ndarray, sd: np.ndarray
    ) -> list[tuple[np.ndarray, str]]:
        """The groups in order of their first rows, and what a latent of theirs is called.

        The error of a number ± sd belongs to the solution that was made up once, not to each row read in it; but
        one with another sd than the first of its name is each row's own.
        """
        out: list[tuple[np.ndarray, str]] = []
        first: dict[str, tuple[float, float]] = {}
        for rows in groups:
            value, error, solution = table[rows[0]], sd[rows[0]], self.solution_of[rows[0]]
            if np.isnan(value):
                solution = self.given.spec(q.name, rows[0])[1]
                name = q.name if solution is None else f"{q.name}[{solution}]"
            else:
                name = f"{q.name}[{solution}, {value:g}]" if solution else f"{q.name}[{value:g}]"
            latent = np.isnan(value) or not np.isnan(error)
            if latent and first.setdefault(name, (value, error)) != (value, error) and not np.isnan(value):
                own = f"{name[:-1]} ± {error:g}, row"
                out += [(rows[k : k + 1], f"{own} {int(self.m.file_rows[i])}]") for k, i in enumerate(rows)]
            else:
                out.append((rows, name))
        return sorted(out, key=lambda group: group[0][0])

    def _place(
        self, column: Column, q: Quantity, rows: np.ndarray, spec: Spec, name: str, place: str
    ) -> None:
        if isinstance(spec, Swap):
            bath = {name for name, x in self.solved.items() if kind(name).side == "o" and x.unit == "mM"}
            if spec.other not in bath - {q.name}:
                absent = kind(spec.other).is_bath_ion and spec.other not in self.all
                own = f"Add a column {spec.other}_mM, or `{spec.other}_mM:` under quantities"
                raise unknown_name(
                    "bath concentration",
                    spec.other,
                    sorted(bath - {q.name}),
                    within=f"that {q.name} could be swapped for",
                    mend=own if absent else "Name another bath concentration, e.g. swap_for: K_o",
                    column=place,
                )
            if column.other not in (None, spec.other):
                raise InputError(
                    f"{q.name} is swapped for {column.other} in one solution and for {spec.other} in another",
                    mend="Give one of the two as a number or a prior",
                    column=place,
                )
            column.swapped[rows], column.other = True, spec.other
            self._place(column, q, rows, spec.total, f"{name}_total", place)
            return
        if isinstance(spec, Davies):
            self._davies(column, q, rows, place)
            return
        if isinstance(spec, Junction):
            self._junction(column, q, rows, spec, place)
            return
        if isinstance(spec, Prior):
            spec = Latent(spec)
        if isinstance(spec, Latent):
            column.index[rows] = self._latent(q, rows, spec, name, place)
            if spec.reference is not None:
                column.known[rows[column.index[rows] < 0]] = q.default
            return
        check_possible(q, spec, place)
        column.known[rows] = float(spec)

    def _junction(self, column: Column, q: Quantity, rows: np.ndarray, spec: Junction, place: str) -> None:
        """LJP from the pipette and each row's bath; of what is not known there, the prior's middle."""
        if q.name != "LJP":
            raise InputError(
                f"{q.name} is no junction potential", mend="Give `pipette:` to LJP alone", column=place
            )
        ions, T = baths(self.given, middle=True), self.given.numbers("T", middle=True)
        solution, value = self.levels.codes("solution")[0], np.full(len(T), np.nan)
        for part in alike_rows(len(rows), [x[rows] for x in (solution, T, *ions.values())]):
            alike, row = rows[part], int(rows[part[0]])
            value[alike] = spec.LJP({ion: float(c[row]) for ion, c in ions.items()}, float(T[row]))
            if spec.sd is None:
                continue
            of = f"{self.solution_of[row]}, " if self.solution_of[row] else ""
            latent = Latent(normal(float(value[row]), spec.sd, measured=True))
            column.index[alike] = self._latent(q, alike, latent, f"LJP[{of}{value[row]:.4g}]", place)
        for row in rows:
            owner = self.solution_of[row] or self.m.labels[row]
            self._say(f"LJP is computed by Henderson's equation; in {owner}: {fixed(value[row], 1)} mV.")
        if spec.sd is None:
            column.known[rows] = value[rows]

    def _davies(self, column: Column, q: Quantity, rows: np.ndarray, place: str) -> None:
        """An activity coefficient from the ionic strength of each row's bath, or of the inside."""
        if kind(q.name).what != "activity coefficient":
            raise InputError(
                f"{q.name} is no activity coefficient",
                mend="Give davies to gamma_o, gamma_i and the like",
                column=place,
            )
        column.known[rows], strength = davies(self.given, q.name, rows)
        gamma, I = (
            significant(x.max()) if np.ptp(x) < 1e-9 else f"{significant(x.min())} to {significant(x.max())}"
            for x in (column.known[rows], strength)
        )
        text = f"{q.name} is computed by Davies' equation: {gamma} at an ionic strength of {I} mM"
        self._say(f"{text}; what charge the ions leave, monovalent ones carry.")

    def _latent(
        self,
        q: Quantity,
        rows: np.ndarray,
        latent: Latent,
        name: str,
        place: str,
        *,
        from_table: bool = False,
    ) -> np.ndarray:
        """Positions of rows' values among the latents; their parameter, and those around it, join the pool."""
        # A concentration's normal prior stops at zero without being told, where it comes near it at all.
        prior = cut(latent.prior, q.lower, place)
        if (q.name, prior) not in self._possible:
            check_possible(q, prior.median, place)
            self._possible.add((q.name, prior))
        if prior.upper > q.upper:
            raise InputError(
                f"the prior {prior} of {q.name} reaches beyond {q.upper:g}",
                mend=f"Use a beta prior, or a uniform one up to {q.upper:g}",
                column=place,
            )
        columns, parent, start, by = latent.columns, None, 0, None
        self._check_reference(q, latent, place)
        code, levels = Codes(np.zeros(len(self.m.labels), int), ())
        for k, by in enumerate(columns or (None,)):
            last = k + 1 >= len(columns)
            try:
                spread = None if by is None else latent.spread_of(by)
            except InputError as error:
                raise InputError(f"{q.name}: {error.problem}", mend=error.mend, column=place) from None
            inside: tuple[int, ...] = ()
            if by is not None:
                self._check_filled(q, rows, by, place)
                self.chains.setdefault(columns[: k + 1], (q, latent))
                (code, levels), inside = self.levels.of(columns[: k + 1], latent.reference)
                if not levels:
                    return np.full(len(rows), -1)
            if not (last or latent.pooled):
                continue  # each innermost level has a value of its own
            inside = inside if parent is not None else ()
            own = name if last else f"{name}_{by}"
            parent = Parameter(
                name=own,
                quantity=q.name,
                unit=q.unit,
                prior=prior,
                source=place,
                by=by,
                levels=levels,
                spread=spread,
                parent=parent,
                parent_of=inside,
                from_table=from_table,
            )
            start = self.pool.add(parent)
        return np.where(code[rows] < 0, -1, start + code[rows])

    def _check_reference(self, q: Quantity, latent: Latent, place: str) -> None:
        """Refuse a reference level where the quantity has no value to take there, or that is no level."""
        if latent.reference is None:
            return
        if q.default is None:
            scale = f"P_{kind(q.name).of}_scale" if kind(q.name).is_ratio else "a quantity with a default"
            raise InputError(
                f"{q.name} has no default that its level {latent.reference} could have",
                mend=f"Give {scale} by: {latent.columns[0]} with this reference, a factor on {q.name}",
                column=place,
            )
        names = self.levels.codes(latent.columns[0]).names
        if latent.reference not in names:
            within = f"of {latent.columns[0]}"
            raise unknown("level", latent.reference, names, within=within, column=place)

    @property
    def used(self) -> set[str]:
        """The label columns that the config gives a quantity by."""
        return {c for columns in self.chains for c in columns}

    def _check_filled(self, q: Quantity, rows: np.ndarray, by: str, place: str) -> None:
        """Refuse a column that is not there, or is blank where it is needed."""
        if self.levels.texts(by) is None:
            raise unknown(
                "text column",
                by,
                self.m.groups,
                within=f"in {self.m.file} that {q.name} could be given by",
                column=place,
            )
        code = self.levels.codes(by).code
        blank = rows[code[rows] < 0]
        if len(blank):
            raise InputError(
                f"{q.name} is given by '{by}', and this row has none",
                mend=self.given.filled_down(code < 0, blank[0], f"Fill in the column {by}"),
                **self.given.where(blank[0]),
                column=by,
            )

    def _default(self, column: Column, q: Quantity, rows: np.ndarray) -> None:
        """What rows take where nobody says what this quantity is."""
        k = kind(q.name)
        noise = noise_of(k.what, k.of, self._readings(k.of)) if k.what in NOISE_PRIORS else None
        if noise is not None:
            column.index[rows] = self._latent(q, rows, Latent(noise), q.name, "default")
            unit = "" if q.unit == "1" else f" {q.unit}"
            size = "" if observable_unit(k.of) == "mV" else f" ({NOISE_SIZES[k.what]})"
            self._say(f"{q.name}, the {q.meaning}, was not given: {noise}{unit}{size}.")
        elif k.what == "activity coefficient" and k.of:  # what is not its own is its side's
            of_side = self.resolve(self.all[f"gamma_{k.side}"])
            column.known[rows], column.index[rows] = of_side.known[rows], of_side.index[rows]
        elif q.default is not None:
            column.known[rows] = q.default
            self.defaulted[q.name] = None
            if k.what == "offset":
                self._say(f"{q.name} ({q.meaning}) was not given: 0 mV.")
            elif k.is_noise or q.name == "r":
                self._say(f"{q.name} ({q.meaning}) was not given: {q.default:g}.")
        elif k.what not in NOISE_PRIORS or (k.what == "scatter" and self._lacks_error(k.of)):
            raise self._missing(q, int(rows[0]))
        elif k.what == "extra scatter":
            self._say(f"{q.name} ({q.meaning}) was not given: 0, for want of three readings with an error.")

    def _say(self, text: str) -> None:
        self.assumptions[text] = None

    def _readings(self, observable: str) -> tuple[Reading, ...]:
        if observable not in self._read:
            self._read[observable] = tuple(
                self.m.readings_of(observable, differences=d)[0] for d in (False, True)
            )
        return self._read[observable]

    def _lacks_error(self, observable: str) -> bool:
        return bool(lacks_error(self._readings(observable)))

    def _missing(self, q: Quantity, row: int) -> InputError:
        k = kind(q.name)
        if k.is_rate and q.name not in self.m.quantities:
            return InputError(
                f"ion {k.of} has no {k.what}",
                mend=f"Give {q.name} (a number or a prior), or take {k.of} out of `ions`",
                column=place_of(q.name),
            )
        written = written_name(q.name, q.unit)
        if q.name in self.m.quantities:
            in_bath = k.what == "concentration" and k.side == "o"
            mend = (
                "Write 0 where the ion was not in the bath, else how much there was"
                if in_bath
                else "Fill it in"
            )
            mend = self.given.filled_down(np.isnan(self.m.quantities[q.name]), row, mend)
            problem = f"{q.name} ({q.meaning}) is blank in this row, and a blank is not taken for 0"
            return InputError(problem, mend=mend, **self.given.where(row), column=written)
        held = [c for c in self.m.groups if plain_name(f"{c} ({split_unit(written)[1]})") == written]
        if held:
            return InputError(
                f"{q.name} ({q.meaning}) is needed, and column {held[0]} holds text, such as '{self.m.groups[held[0]][row]}'",
                mend=f"Write the numbers alone in a column {written}",
                **self.given.where(row),
                column=held[0],
            )
        return InputError(
            f"{q.name} ({q.meaning}) is neither a column of the table nor in the config",
            mend=f"Add a column {written}, or `{written}:` under quantities"
            + (f" or under solutions.{self.solution_of[row]}" if self.solution_of[row] else ""),
            **self.given.where(row),
            column=written,
        )


def _partners(given: Given, model: Model) -> list[Quantity]:
    """Bath ions that are none of the model's, and that one of the model's is swapped for: ``NMDG_o``."""
    said = [*given.quantities.values(), *(spec for d in given.solutions.values() for spec in d.values())]
    others = dict.fromkeys(spec.other for spec in said if isinstance(spec, Swap))
    known = {q.name for q in model.quantities}
    names = [x for x in others if kind(x).is_bath_ion and x in given.names and x not in known]
    return [Quantity(x, "mM", f"{kind(x).of} in the bath") for x in names]


def given_twice(quantity: str, place: str, number: str = "") -> InputError:
    """What is said of a quantity that the table has a number of, and the config too."""
    return InputError(
        f"{quantity} is in the table{number} and in the config ({place})",
        mend="Keep one of the two",
        column=quantity,
    )


def no_solution(name: str, known: Sequence[str], file: str) -> InputError:
    """What is said of a solution of the config that is not in the table."""
    return unknown(
        "solution",
        name,
        known,
        within="in the table",
        mend=f"In {file} the column solution has: {', '.join(known) or 'nothing (there is no such column)'}",
        column=f"solutions.{name}",
    )


def conditions(
    columns: list[Column], n: int, protocols: RowProtocols | None, merge: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Rows alike in every model quantity (and protocol) are one condition: solved once."""
    if not merge:
        return np.arange(n), np.arange(n)
    parts = [x for c in columns for x in (np.where(c.index < 0, c.known, 0.0), c.index, c.swapped)]
    return alike(n, parts if protocols is None else [*parts, *protocols.keys])


def check_chains(columns: dict[str, Column]) -> None:
    """Refuse an ion swapped for one that is itself swapped in the same row."""
    for name, column in columns.items():
        other = columns[column.other] if column.other is not None else column
        if other is not column and (column.swapped & other.swapped).any():
            raise InputError(
                f"{name} is swapped for {column.other}, which is itself swapped for {other.other}",
                mend=f"Give {column.other} as a number or a prior",
                column=f"quantities.{name}",
            )
