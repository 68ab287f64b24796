"""For every quantity of every row: where its value comes from."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, nearest
from ..models.protocols import RowProtocols
from ..quantities.quantity import Quantity
from .baths import bath_ion, bath_of, row_value
from .junction import Junction
from .parameters import Latent, Parameter, Pool, Swap
from .priors import Prior, halfnormal, normal
from .rules import bounded_below, known_variance

Spec = float | Prior | Latent | Swap | Junction


@dataclass
class _Column:
    """One quantity while it is resolved row by row."""

    known: np.ndarray
    index: np.ndarray
    swapped: np.ndarray
    other: str | None = None


class Builder:
    def __init__(self, measurements, quantities, solutions, model, observation):
        self.m = measurements
        self.quantities = quantities
        self.solutions = solutions
        self.model = model
        self.all = {q.name: q for q in (*model.quantities, *observation)}
        self.pool = Pool()
        self.assumptions: list[str] = []
        self.solution_of = measurements.groups.get("solution", ("",) * len(measurements.labels))

    def check_names(self) -> None:
        """Refuse quantities and solutions nobody knows; bath ions that merely are there are welcome."""
        places = [
            ("quantities", self.quantities),
            *((f"solutions.{s}", d) for s, d in self.solutions.items()),
        ]
        for place, given in places:
            for name in given:
                if name not in self.all and not bath_ion(name):
                    raise InputError(
                        f"the model {self.model.name} with ions {', '.join(self.model.setting.ions)} "
                        f"has no quantity '{name}'{nearest(name, self.all)}",
                        mend=f"Known here: {', '.join(self.all)}",
                        column=f"{place}.{name}",
                    )
        for name in self.solutions:
            if name not in self.solution_of:
                known = sorted({s for s in self.solution_of if s})
                raise InputError(
                    f"the table has no solution '{name}'{nearest(name, known)}",
                    mend=f"In {self.m.file} the column solution has: "
                    f"{', '.join(known) or 'nothing (there is no such column)'}",
                    column=f"solutions.{name}",
                )

    def check_activities(self) -> None:
        """Inside activities only mean something beside activities outside."""
        s = self.model.setting
        if not s.activities:
            return
        needed = ["gamma_o"] + (["gamma_i"] if set(s.ions) - s.activities else [])
        for gamma in needed:
            if not (
                gamma in self.quantities
                or gamma in self.m.quantities
                or any(gamma in d for d in self.solutions.values())
            ):
                raise InputError(
                    f"a{sorted(s.activities)[0]}_i is an activity, so {gamma} is needed beside it",
                    mend=f"Give {gamma}, the activity coefficient (about 0.75 in physiological saline)",
                    column=f"quantities.{gamma}",
                )

    def check_drift(self) -> None:
        """A drift in time needs the times."""
        rows = np.flatnonzero(self.given("drift") & ~self.given("time"))
        if len(rows):
            raise InputError(
                "drift is given, but not when this row was read",
                mend="Add a column time_min, or give drift_row_mV, the drift from row to row",
                file=self.m.file,
                row=int(self.m.file_rows[rows[0]]),
                column="time",
            )

    def given(self, name: str) -> np.ndarray:
        """(R,) bool: where table, solution or quantities say what this quantity is, so no default is used."""
        table = self.m.quantities.get(name, np.full(len(self.m.labels), np.nan))
        in_solution = np.array([name in self.solutions.get(s, {}) for s in self.solution_of], bool)
        return ~np.isnan(table) | in_solution | (name in self.quantities)

    def resolve(self, q: Quantity) -> _Column:
        n = len(self.m.labels)
        column = _Column(np.zeros(n), np.full(n, -1), np.zeros(n, bool))
        table = self.m.quantities.get(q.name, np.full(n, np.nan))
        for row in range(n):
            solution = self.solution_of[row]
            in_solution = self.solutions.get(solution, {}).get(q.name)
            spec = in_solution if in_solution is not None else self.quantities.get(q.name)
            place = f"solutions.{solution}" if in_solution is not None else "quantities"
            if not math.isnan(table[row]):
                if spec is not None:
                    raise InputError(
                        f"{q.name} is in the table ({table[row]:g} {q.unit}) and in the config ({place})",
                        mend="Keep one of the two",
                        file=self.m.file,
                        row=int(self.m.file_rows[row]),
                        column=q.name,
                    )
                self._from_table(column, q, row, float(table[row]))
            elif spec is not None:
                name = f"{q.name}[{solution}]" if in_solution is not None else q.name
                self._place(column, q, row, spec, name, f"{place}.{q.name}")
            else:
                self._default(column, q, row)
        return column

    def _from_table(self, column, q, row, value):
        if value < q.lower:
            raise InputError(
                f"{value:g}{_unit(q)} is not possible",
                mend=f"Give a number of at least {q.lower:g}{_unit(q)}",
                file=self.m.file,
                row=int(self.m.file_rows[row]),
                column=q.name,
            )
        sd = self.m.quantity_sd.get(q.name)
        if sd is None or math.isnan(sd[row]):
            column.known[row] = value
            return
        # The error belongs to the solution that was made up once, not to each row read in it.
        owner = self.solution_of[row] or f"{value:g}"
        prior = normal(value, float(sd[row]), measured=True)
        name = f"{q.name}[{owner}, {value:g}]" if self.solution_of[row] else f"{q.name}[{value:g}]"
        same = next((p.prior for p in self.pool.parameters if p.name == name), None)
        if same is not None and (same.a, same.b) != (prior.a, prior.b):
            name = f"{name[:-1]} ± {float(sd[row]):g}, row {int(self.m.file_rows[row])}]"
        self._place(column, q, row, prior, name, f"table column {q.name}")

    def _place(self, column, q, row, spec, name, place):
        if isinstance(spec, Swap):
            bath = {x.name for x in self.model.quantities if x.name.endswith("_o") and x.name != "gamma_o"}
            if spec.other not in bath - {q.name}:
                raise InputError(
                    f"{q.name} is to be swapped for '{spec.other}', which is not another ion of the bath here"
                    f"{nearest(spec.other, bath)}",
                    mend="Name another bath concentration, e.g. swap_for: K_o",
                    column=place,
                )
            if column.other not in (None, spec.other):
                raise InputError(
                    f"{q.name} is swapped for {column.other} in one solution and for {spec.other} in another",
                    mend="Give one of the two as a number or a prior",
                    column=place,
                )
            column.swapped[row], column.other = True, spec.other
            self._place(column, q, row, spec.total, f"{name}_total", place)
            return
        if isinstance(spec, Junction):
            self._junction(column, q, row, spec, place)
            return
        if isinstance(spec, Prior):
            spec = Latent(spec)
        if isinstance(spec, Latent):
            column.index[row] = self._latent(q, row, spec, name, place)
            return
        value = float(spec)
        if not math.isfinite(value) or not q.lower <= value <= q.upper:
            limit = f"at most {q.upper:g}" if value > q.upper else f"at least {q.lower:g}"
            raise InputError(
                f"{q.name} = {value:g}{_unit(q)} is not possible",
                mend=f"Give a number of {limit}{_unit(q)}",
                column=place,
            )
        column.known[row] = value

    def _junction(self, column, q, row, spec, place):
        """LJP from the pipette and this row's bath; of what is not known there, the prior's middle."""
        if q.name != "LJP":
            raise InputError(
                f"{q.name} is no junction potential", mend="Give `pipette:` to LJP alone", column=place
            )
        value = spec.LJP(
            bath_of(self.m, self.quantities, self.solutions, self.solution_of[row], row),
            row_value(self.m, self.quantities, self.solutions, self.solution_of[row], "T", row, middle=True),
        )
        owner = self.solution_of[row] or self.m.labels[row]
        self._say(f"LJP is computed by Henderson's equation; in {owner}: {value:.1f} mV.")
        if spec.sd is None:
            column.known[row] = value
            return
        name = f"LJP[{self.solution_of[row]}, {value:.4g}]" if self.solution_of[row] else f"LJP[{value:.4g}]"
        column.index[row] = self._latent(q, row, Latent(normal(value, spec.sd, measured=True)), name, place)

    def _latent(self, q, row, latent, name, place):
        prior = latent.prior
        # A concentration's normal prior stops at zero without being told, where it comes near it at all.
        if prior.lower < q.lower and not (prior.kind == "normal" and prior.a - 8 * prior.b > q.lower):
            prior = bounded_below(prior, q.lower)
        if prior.upper > q.upper:
            raise InputError(
                f"the prior {prior} of {q.name} reaches beyond {q.upper:g}",
                mend=f"Use a beta prior, or a uniform one up to {q.upper:g}",
                column=place,
            )
        parent, start, levels, by = None, 0, (), None
        for k, by in enumerate(latent.columns or (None,)):
            last = k + 1 >= len(latent.columns)
            levels, inside = self._levels(q, row, by, None if parent is None else str(parent.by), place)
            try:
                spread = None if by is None else latent.spread_of(by)
            except InputError as error:
                raise InputError(f"{q.name}: {error.problem}", mend=error.mend, column=place) from None
            own = name if last else f"{name}_{by}"
            parent = Parameter(own, q.name, q.unit, prior, place, by, levels, spread, parent, inside)
            start = self.pool.add(parent)
        return start + (levels.index(self.m.groups[by][row]) if by is not None else 0)

    def _levels(self, q, row, by, outer, place) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The levels of a column, and which level of the column around it each is in."""
        if by is None:
            return (), ()
        if by not in self.m.groups:
            raise InputError(
                f"{q.name} is given by '{by}', but {self.m.file} has no such column{nearest(by, self.m.groups)}",
                mend=f"Text columns there: {', '.join(self.m.groups) or 'none'}",
                column=place,
            )
        group = self.m.groups[by]
        if not group[row]:
            raise InputError(
                f"{q.name} is given by '{by}', and this row has none",
                mend=f"Fill in the column {by}",
                file=self.m.file,
                row=int(self.m.file_rows[row]),
                column=by,
            )
        levels = tuple(dict.fromkeys(x for x in group if x))
        if outer is None:
            return levels, ()
        around: dict[str, str] = {}
        for i, (x, o) in enumerate(zip(group, self.m.groups[outer], strict=True)):
            if x and around.setdefault(x, o) != o:
                raise InputError(
                    f"{by} {x} is in {outer} {around[x]} and in {outer} {o}",
                    mend=f"Give every {by} a name of its own, e.g. {o}-{x}",
                    file=self.m.file,
                    row=int(self.m.file_rows[i]),
                    column=by,
                )
        places = tuple(dict.fromkeys(x for x in self.m.groups[outer] if x))
        return levels, tuple(places.index(around[x]) if around[x] else 0 for x in levels)

    def _default(self, column, q, row):
        prior = self._default_noise(q)
        if prior is not None:
            column.index[row] = self._latent(q, row, Latent(prior), q.name, "default")
            self._say(f"{q.name}, the {q.meaning}, was not given: {prior} {q.unit}.")
        elif q.default is not None:
            column.known[row] = q.default
            if q.name in ("V_offset", "LJP"):
                self._say(f"{q.name} ({q.meaning}) was not given: 0 mV.")
            elif q.name in ("r", "nu", "outlier_share", "outlier_factor"):
                self._say(f"{q.name} ({q.meaning}) was not given: {q.default:g}.")
        elif q.name.startswith("sigma_dye") and self._without_error(q.name.removeprefix("sigma_")):
            raise self._missing(q, row)
        elif q.name.startswith(("sigma_", "extra_")):
            column.known[row] = 0.0
            if q.name.startswith("extra_"):
                self._say(
                    f"{q.name} ({q.meaning}) was not given: 0, for want of three readings with an error."
                )
        else:
            raise self._missing(q, row)

    def _say(self, text):
        if text not in self.assumptions:
            self.assumptions.append(text)

    def _default_noise(self, q: Quantity) -> Prior | None:
        """The noise nobody specified: sigma where a reading has no error, extra where three have one."""
        symbol, _, obs = q.name.partition("_")
        if symbol not in ("sigma", "extra") or obs.startswith("dye"):
            return None  # of a dye's scale nothing is known beforehand
        of = np.array([o == obs for o in self.m.observable], bool)
        known = np.isfinite(known_variance(self.m))
        if symbol == "sigma" and (of & ~known & np.isfinite(self.m.value)).any():
            return halfnormal(10.0)
        if symbol == "extra" and (of & known).sum() >= 3:
            return halfnormal(2.0)
        return None

    def _without_error(self, obs: str) -> bool:
        """Whether any reading of this observable comes without an error."""
        of = np.array([o == obs for o in self.m.observable], bool)
        return bool((of & np.isnan(known_variance(self.m)) & np.isfinite(self.m.value)).any())

    def _missing(self, q: Quantity, row: int) -> InputError:
        if q.name.startswith(("P_", "g_")):
            ion = q.name.split("_")[1]
            what = "permeability" if q.name[0] == "P" else "conductance"
            return InputError(
                f"ion {ion} has no {what}",
                mend=f"Give {q.name} (a number or a prior), or take {ion} out of `ions`",
                column=f"quantities.{q.name}",
            )
        suffix = {"mM": "_mM", "mV": "_mV", "K": "_degC"}.get(q.unit, "")
        return InputError(
            f"{q.name} ({q.meaning}) is neither a column of the table nor in the config",
            mend=f"Add a column {q.name}{suffix}, or `{q.name}{suffix}:` under quantities"
            + (f" or under solutions.{self.solution_of[row]}" if self.solution_of[row] else ""),
            file=self.m.file,
            row=int(self.m.file_rows[row]),
            column=f"{q.name}{suffix}",
        )


def _unit(q: Quantity) -> str:
    return "" if q.unit == "1" else f" {q.unit}"


def conditions(
    columns: list[_Column], n: int, protocols: RowProtocols | None, merge: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Rows alike in every model quantity (and protocol) are one condition: solved once."""
    if not merge:
        return np.arange(n), np.arange(n)
    seen: dict[tuple, int] = {}
    condition, first = np.zeros(n, int), []
    for row in range(n):
        key = tuple(
            (c.known[row] if c.index[row] < 0 else 0.0, int(c.index[row]), bool(c.swapped[row]))
            for c in columns
        )
        if protocols is not None:
            key += protocols.key(row)
        if key not in seen:
            seen[key] = len(first)
            first.append(row)
        condition[row] = seen[key]
    return condition, np.array(first, int)


def check_chains(columns: dict[str, _Column]) -> None:
    """Refuse an ion swapped for one that is itself swapped in the same row."""
    for name, column in columns.items():
        other = columns[column.other] if column.other is not None else column
        if other is not column and (column.swapped & other.swapped).any():
            raise InputError(
                f"{name} is swapped for {column.other}, which is itself swapped for {other.other}",
                mend=f"Give {column.other} as a number or a prior",
                column=f"quantities.{name}",
            )
