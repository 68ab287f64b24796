"""A first config, written from the user's own table: what its columns say, and a line to fill in for the rest."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.measurements import Measurements, read_wanted
from ..data.questions import columns_key, yaml_name
from ..data.sources import open_source
from ..data.wanted import Wanted
from ..errors import InputError
from ..problem.electrode import INSTRUMENTS
from ..problem.rules import has_usual_scatter, lacks_error
from ..quantities.ion_table import HARDLY_PERMEANT
from ..quantities.labels import FINEST, is_bath_label, is_condition, is_of_readings, unit_rank
from ..quantities.names import kind, observable_unit, split_part
from ..quantities.spellings import plain_name
from ..quantities.units import split_unit, written_name
from ..text import listing, visible
from .specs import EDIT

#: What is believed of the inside of a cell before anything is read: median [mM] and factor.
_INSIDE = {"K": (140, 1.3), "Na": (12, 1.3), "Cl": (10, 1.5)}
_SALINE = {"K": "5", "Na": "145", "Cl": "125", "Ca": "2", "HCO3": "26"}
#: Median and factor of a permeability over that of K. Proton channels pass H 10³ to 10⁷ times as well.
_RATIO = {"Na": (0.05, 4), "Cl": (0.3, 4), "H": (1e4, 1000)}
_ANY_RATIO = (0.5, 10)  # over another ion's, or of another ion: one decade either way
_REFERENCES = ("K", "Na", "Cl")
_WIDE = re.compile(r"\s*\d+(\.\d+)?\s*(mM)?\s*\[?(K|Na|Cl|Ca)\b")


def starter_config(table: str | Path, *, relative_to: str | Path = ".") -> str:
    """The text of a commented config for a table.

    Ions, reference and what counts as a reading come from its columns. What no column holds and nobody else can know
    (the temperature, a bath's ions) is marked EDIT, which `pumpleak check` refuses until it is filled in; unknowns have a
    wide prior.

    Args:
        table: the user's table.
        relative_to: the folder the config will stand in.

    Returns:
        YAML.

    Raises:
        InputError: the table cannot be read, or holds no reading.

    Example:
        >>> import tempfile
        >>> from pumpleak import export_dataset
        >>> folder = tempfile.mkdtemp()
        >>> table = export_dataset("textbook_resting", f"{folder}/mine.csv")
        >>> [line for line in starter_config(table, relative_to=folder).splitlines() if line.startswith("data")]
        ['data: "mine.csv"']
    """
    names = open_source(table).names
    stems = [split_part(split_unit(plain_name(name) or name)[0])[0] for name in names]
    timed = "protocol" in stems
    observables = _observables(stems, timed)
    m = read_wanted(table, observables or ("V_m",), quantities=("t",), wanted=Wanted(asks=False))
    if not len(m.value):
        _check_shape(names, m)
        asked = [name for q in m.questions for name in q.about]
        observables = [o for o in asked if o in ("V_m", *observables)]
    if not observables:
        raise InputError(
            "no column holds a reading",
            mend="Name what was read V_m_mV, V_patch_mV, dye, or E_K_mV and the like",
            file=m.file,
        )
    written = _lines(m, list(dict.fromkeys(observables)), timed, Path(table), Path(relative_to))
    return "\n".join(map(visible, written)) + "\n"


def _observables(stems: Sequence[str], timed: bool) -> list[str]:
    """What the table has readings of; in a time course also what is inside, and the volume."""
    names = [s[1:] if s[:1] == "d" and s[1:] == "V_m" else s for s in stems]
    found = {"V_m"} & set(names) | set(INSTRUMENTS) & set(names)
    found |= {s for s in names if s.startswith("E_") and kind(s).is_unasked_reading}
    if timed:
        found |= {
            s
            for s in names
            if kind(s).what == "volume" or kind(s).what == "concentration" and kind(s).side == "i"
        }
    return [s for s in dict.fromkeys(names) if s in found]


def _check_shape(names: Sequence[str], m: Measurements) -> None:
    """Refuse a table whose readings stand otherwise than in a column, with the table that it should become."""
    file = m.file
    wide = {name: found[3] for name in names if (found := _WIDE.match(name))}
    if wide:
        ion = next(iter(wide.values()))
        raise InputError(
            f"the columns {listing(list(wide), 3)} hold the readings of one bath each",
            mend=f"Put one reading in a row: a column {ion}_o_mM with the bath, a column V_m_mV with the reading, and "
            f"the label ({names[0]}) again in each row",
            file=file,
        )
    currents = [name for name in names if re.search(r"\b[pn]A\b", name)]
    if currents:
        raise InputError(
            f"the columns {listing(currents, 3)} hold currents",
            mend="Give the potential at which each bath's current reverses: a row for each, with its ions (K_o_mM, …) "
            "and V_m_mV",
            file=file,
        )


def _column_lines(m: Measurements) -> list[str]:
    """The keys that settle what may be a quantity: `check` asks until they are written."""
    if not m.questions:
        return []
    key = columns_key(m.questions)
    ignore = ", ".join(yaml_name(q.column) for q in m.questions)
    return [
        "# EDIT: these columns may be quantities. Say what each is, or leave it out:",
        *([f"# {key}"] if key else []),
        f"# ignore: [{ignore}]",
        *(f"# {_quoted(q.column)} {q.problem}. {q.mend}." for q in m.questions if q.mend),
    ]


def _lines(m: Measurements, observables: list[str], timed: bool, table: Path, base: Path) -> list[str]:
    asked = [name for q in m.questions for name in q.about]  # no default for what a column may hold
    given, found = {*m.quantities, *asked}, _ions([*m.quantities, *asked, *observables])
    bystanders = [] if timed else _bystanders(m, found)
    ions = [ion for ion in found if ion not in bystanders]
    model = [
        "model: pump_leak           # a cell whose concentrations move",
        f"cell: {EDIT}                 # the cell to start from: a preset (pumpleak presets), e.g. neuron, or a cell file",
    ]
    if not timed:
        model = [
            "model: ghk                 # ghk, mullins_noda, chord or nernst",
            f"ions: [{', '.join(ions)}]        # the first is the reference: its permeability is 1",
        ]
    if bystanders:
        model += [
            f"# In the bath only: {listing(bystanders)}. What crosses the membrane too is added, e.g.",
            f"# ions: [{', '.join([*ions, bystanders[0]])}]",
        ]
    quantities = _pump_leak_lines(ions, given) if timed else _quantity_lines(ions, given)
    quantities += _instrument_lines(observables, given) + _scatter_lines(m, observables)
    head = "quantities:                # what the table does not say; the unit stands in the key"
    if not quantities:
        head = "quantities: {}             # the table says everything; noise has a default prior"
    return [
        f"# Starter config for {table.name}. Fill in what is marked EDIT: nothing runs before.",
        "# A number is known; 120 ± 10 mM was measured; a prior says what is believed of an unknown.",
        f"title: {_quoted(table.stem.replace('_', ' '))}",
        *model,
        f"data: {_quoted(_relative(table, base))}",
        *_column_lines(m),
        *([] if observables == ["V_m"] else [f"observables: [{', '.join(observables)}]"]),
        *_unread_lines(m),
        *(f"# {note}" for note in m.notes),
        "",
        head,
        *quantities,
        *_by_lines(m, ions, timed),
        "",
        *_solution_lines(m),
        "# noise: student_t         # if single readings may be far off; normal is the default",
        "# sampler: {draws: 2000}   # 4 chains of 1000 + 1000 iterations; `seed:` for draws other than the problem's own",
    ]


def _unread_lines(m: Measurements) -> list[str]:
    """Columns that are not read, and how one of them would be."""
    if not m.ignored:
        return []
    return [
        f"# Not read: {listing([_quoted(name) for name in m.ignored], 8)}.",
        "# One that is a quantity in its own unit is read by `columns:`, its name there and the quantity's with the unit.",
    ]


def _ions(names: Sequence[str]) -> list[str]:
    """The ions that quantities are about, the reference first; with the partner that is nearly always there."""
    kinds = [kind(name) for name in names]
    found = [
        k.of
        for k in kinds
        if k.what in ("concentration", "activity") and k.side or k.is_rate or k.name[:2] == "E_"
    ]
    found = list(dict.fromkeys(ion for ion in found if ion))
    first = [ion for ion in _REFERENCES if ion in found][:1]
    partner = {"K": ["Na"], "Cl": ["HCO3"]}.get(first[0] if first else "K", [])
    if not found:
        return ["K", "Na"]
    if len(found) > 1 and first == ["Cl"]:
        partner = []
    return list(dict.fromkeys([*first, *partner, *found]))


def _bystanders(m: Measurements, ions: Sequence[str]) -> list[str]:
    """Those of the ions that channels hardly pass and of which the table has the bath alone, where others carry the current."""
    few = [ion for ion in ions if ion in HARDLY_PERMEANT and not _elsewhere(m, ion)]
    carried = [m.quantities[f"{ion}_o"] for ion in ions if ion not in few and f"{ion}_o" in m.quantities]
    if len(ions) - len(few) < 2 or (carried and (np.max(carried, axis=0) == 0).any()):
        return []
    return few


def _elsewhere(m: Measurements, ion: str) -> bool:
    """Whether a table has more of an ion than its concentration in the bath."""
    return any(kind(name).of == ion for name in m.quantities if name != f"{ion}_o")


def _relative(table: str | Path, base: str | Path) -> str:
    table, base = Path(table).resolve(), Path(base).resolve()
    try:
        return table.relative_to(base).as_posix()
    except ValueError:
        return table.as_posix()


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _entry(text: str, note: str) -> str:
    return f"  {text:<68}# {note}"


def _prior(ion: str, reference: str) -> str:
    median, factor = _RATIO.get(ion, _ANY_RATIO) if reference == "K" or ion == "H" else _ANY_RATIO
    return f"prior: lognormal, median: {median:g}, factor: {factor:g}"


def _temperature(given: set[str]) -> list[str]:
    return [] if "T" in given else [_entry(f"T_degC: {EDIT}", "temperature of the bath, e.g. 22 or 37")]


def _quantity_lines(ions: list[str], given: set[str]) -> list[str]:
    out, reference = _temperature(given), ions[0]
    for ion in ions[1:]:
        if f"P_{ion}_rel" not in given:
            factor = _prior(ion, reference).rpartition(" ")[2]
            note = f"P_{ion}/P_{reference}: 68 % within a factor of {factor} of the median"
            out.append(_entry(f"P_{ion}_rel: {{{_prior(ion, reference)}}}", note))
    activity = [ion for ion in ions if f"a{ion}_i" in given]
    for ion in ions:
        if f"{ion}_i" not in given and ion not in activity:
            out.append(_inside(ion, reference))
        if f"{ion}_o" not in given:
            out.append(_outside(ion, given))
    if activity and "gamma_o" not in given:
        out.append(
            _entry("gamma_o: 0.75", "activity coefficient of the bath, since inside activities are given")
        )
    if set(ions) - set(activity) and activity and "gamma_i" not in given:
        out.append(
            _entry("gamma_i: 0.75", "activity coefficient inside, for the ions given as concentrations")
        )
    return out


def _inside(ion: str, reference: str) -> str:
    """A belief about a cell's own ions; what a pipette or a vesicle holds, only the user knows."""
    if reference == "K" and ion in _INSIDE:
        median, factor = _INSIDE[ion]
        text = f"{ion}_i_mM: {{prior: lognormal, median: {median}, factor: {factor}}}"
        return _entry(
            text,
            f"{ion} inside; write `{ion}_i: {median} ± {median / 10:g} mM` if measured, a number if dialysed",
        )
    return _entry(f"{ion}_i_mM: {EDIT}", f"{ion} inside")


def _outside(ion: str, given: set[str]) -> str:
    if ion == "Na" and "K_o" in given:
        text = f"Na_o_mM: {{swap_for: K_o, total: {EDIT}}}"
        return _entry(text, "Na + K in the bath where K replaces Na, e.g. 150; else Na_o_mM as one number")
    usual = f", e.g. {_SALINE[ion]}" if ion in _SALINE else ""
    note = f"{ion} in the bath{usual}"
    if ion == "HCO3":
        note += "; if chloride alone crosses, take HCO3 out of ions and of these lines"
    return _entry(f"{ion}_o_mM: {EDIT}", note)


def _pump_leak_lines(ions: list[str], given: set[str]) -> list[str]:
    out = _temperature(given)
    out += [
        _outside(ion, set()) for ion in dict.fromkeys(("K", "Na", "Cl", *ions)) if f"{ion}_o" not in given
    ]
    note = "the pump's rate relative to the cell's; leaks are P_Na_rel or g_Na_rel, as the cell has them"
    return [*out, _entry("pump_rel: {prior: lognormal, median: 1, factor: 2}", note)]


def _instrument_lines(observables: Sequence[str], given: set[str]) -> list[str]:
    """What the instruments add, and what they need."""
    out = []
    if {"V_m", "V_patch"} & set(observables):
        if "LJP" not in given:
            note = "EDIT: junction potential, bath minus pipette (V_m = reading − LJP), or a prior; 0 if corrected"
            out.append(_entry("LJP_mV: 0", note))
        if "V_offset" not in given:
            note = "EDIT: what the electrode may be off by; 0 if corrected"
            out.append(_entry("V_offset_mV: {prior: normal, mean: 0, sd: 2}", note))
    if "V_patch" in observables and "K_pipette" not in given:
        out.append(_entry(f"K_pipette_mM: {EDIT}", "K in the pipette"))
    if any(kind(o).what == "dye" for o in observables):
        if "dye_F0" not in given:
            out.append(_entry(f"dye_F0: {EDIT}", "the dye's signal at 0 mV, a number or a prior"))
        if "dye_slope" not in given:
            out.append(_entry(f"dye_slope: {EDIT}", "its relative change per 100 mV, a number or a prior"))
    return out


def _scatter_lines(m: Measurements, observables: Sequence[str]) -> list[str]:
    """The scatter of readings that have no error, where it has no default."""
    out = []
    for o in observables:
        read = [m.readings_of(o, differences=d)[0] for d in (False, True)]
        if not has_usual_scatter(o) and lacks_error(read):
            name = written_name(f"sigma_{o}", observable_unit(o))
            out.append(_entry(f"{name}: {EDIT}", f"the sd of one reading of {o}, a number or a prior"))
    return out


def _by_lines(m: Measurements, ions: list[str], timed: bool) -> list[str]:
    """For columns of labels with several levels, the line that uses them, to be put in the place of the one above."""
    levels = {
        name: len({x for x in texts if x}) for name, texts in m.groups.items() if not is_bath_label(name)
    }
    labels = [name for name, n in levels.items() if n > 1 and not is_of_readings(name)]
    if not labels or timed or len(ions) < 2:
        return []
    ion = ions[1]
    prior = _prior(ion, ions[0])
    ranks = {name: rank for name in labels if (rank := unit_rank(name)) is not None}
    units = sorted(ranks, key=lambda name: ranks[name])
    done = [name for name in labels if is_condition(name)]
    rest = [name for name in labels if name not in ranks and name not in done]
    out = [
        f"# Labels that nothing uses yet: {', '.join(labels)}. A value for each level of one, in place of the line above:"
    ]
    if units:
        out.append(f"#   P_{ion}_rel: {{{prior}, {_by(units)}}}")
    for name in done:
        first = next(x for x in m.groups[name] if x)
        if units and ranks[units[-1]] == FINEST:
            scale = (
                f"prior: lognormal, median: 1, factor: 3, by: {yaml_name(name)}, reference: {_quoted(first)}"
            )
            out.append(
                f"#   P_{ion}_scale: {{{scale}}}   # and this beside it: its factor on each cell's own"
            )
        else:
            out.append(f"#   P_{ion}_rel: {{{prior}, by: {yaml_name(name)}}}")
    out += [f"#   P_{ion}_rel: {{{prior}, by: {yaml_name(name)}}}" for name in rest]
    return out


def _by(units: Sequence[str]) -> str:
    """The levels of units, from the coarsest: groups such as genotypes have values of their own, others a population."""
    names = [yaml_name(name) for name in units]
    if len(units) > 1:
        return f"by: [{', '.join(names)}], pooled: [{', '.join(names[1:])}]"
    return f"by: {names[0]}" + ("" if unit_rank(units[0]) == 0 else ", pooled: true")


def _solution_lines(m: Measurements) -> list[str]:
    names = sorted({s for s in m.groups.get("solution", ()) if s})
    if not names:
        return []
    out = [
        "# What differs between the solutions of the table's column `solution` goes here, e.g.",
        "# solutions:",
    ]
    for name in names:
        out += [f"#   {_quoted(name)}:", "#     Cl_o_mM: 20"]
    return [*out, ""]
