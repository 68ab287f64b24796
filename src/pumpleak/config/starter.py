"""A first config, written from the user's own table, with a comment on every line to edit."""

from pathlib import Path

from ..data.measurements import Measurements, read_table
from ..quantities.names import kind

#: What a mammalian cell and its saline usually hold [mM]; the comments say that it is a guess.
_INSIDE = {"K": 140, "Na": 12, "Cl": 10, "Ca": 1e-4}
_OUTSIDE = {"K": 5, "Na": 145, "Cl": 125, "Ca": 2}
_RATIO = {"Na": 0.05, "Cl": 0.3, "Ca": 0.05}


def starter_config(table: str | Path, *, relative_to: str | Path = ".") -> str:
    """The text of a commented config for a table, ready for `pumpleak check`.

    Args:
        table: the user's table.
        relative_to: the folder the config will stand in.

    Returns:
        YAML; what only the user can know stands in lines marked EDIT.

    Raises:
        InputError: the table cannot be read.

    Example:
        >>> import tempfile
        >>> from pumpleak import export_dataset
        >>> folder = tempfile.mkdtemp()
        >>> table = export_dataset("textbook_resting", f"{folder}/mine.csv")
        >>> [line for line in starter_config(table, relative_to=folder).splitlines() if line.startswith("data")]
        ['data: "mine.csv"']
    """
    m = read_table(table)
    given = set(m.quantities)
    ions = [ion for ion in ("K", "Na", "Cl") if f"{ion}_o" in given or ion in ("K", "Na")]
    ions += sorted(
        k.of for k in map(kind, given) if k.side == "o" and k.what == "concentration" and k.of not in ions
    )
    lines = [
        f"# Starter config for {Path(table).name}. Lines marked EDIT hold a guess: put what you know.",
        "# A number is known; 120 ± 10 mM was measured; a prior says what is believed of an unknown.",
        f"title: {_quoted(Path(table).stem.replace('_', ' '))}",
        "model: ghk                 # ghk, mullins_noda, chord or nernst",
        f"ions: [{', '.join(ions)}]        # the first is the reference: its permeability is 1",
        f"data: {_quoted(_relative(table, relative_to))}",
        "",
        *_quantity_lines(ions, given),
        "",
        *_solution_lines(m),
        "# noise: student_t         # if single readings may be far off; normal is the default",
        "sampler: {seed: 1}         # 4 chains of 1000 + 1000 iterations",
    ]
    return "\n".join(lines) + "\n"


def _relative(table: str | Path, base: str | Path) -> str:
    table, base = Path(table).resolve(), Path(base).resolve()
    try:
        return table.relative_to(base).as_posix()
    except ValueError:
        return table.as_posix()


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _quantity_lines(ions: list[str], given: set[str]) -> list[str]:
    out = []

    def add(entry: str, note: str) -> None:
        out.append(f"  {entry:<68}# {note}")

    if "T" not in given:
        add("T_degC: 22", "EDIT: temperature of the bath")
    for ion in ions[1:]:
        if f"P_{ion}_rel" not in given:
            add(
                f"P_{ion}_rel: {{prior: lognormal, median: {_RATIO.get(ion, 0.1)}, factor: 4}}",
                f"EDIT: P_{ion}/P_{ions[0]}, 68 % within a factor of 4 of the median",
            )
    activity = [ion for ion in ions if f"a{ion}_i" in given]
    for ion in ions:
        if f"{ion}_i" not in given and ion not in activity:
            add(
                f"{ion}_i_mM: {{prior: lognormal, median: {_INSIDE.get(ion, 1)}, factor: 1.3}}",
                f"EDIT: {ion} inside; write `{ion}_i: {_INSIDE.get(ion, 1):g} ± {0.1 * _INSIDE.get(ion, 1):g} mM` if measured",
            )
        if f"{ion}_o" not in given:
            if ion == "Na" and "K_o" in given:
                entry = f"Na_o_mM: {{swap_for: K_o, total: {_OUTSIDE['Na'] + _OUTSIDE['K']}}}"
                add(entry, "EDIT: Na + K in the bath, where K replaces Na; else one number")
            else:
                add(f"{ion}_o_mM: {_OUTSIDE.get(ion, 1)}", f"EDIT: {ion} in the bath")
    if activity and "gamma_o" not in given:
        add("gamma_o: 0.75", "activity coefficient of the bath, since inside activities are given")
    if set(ions) - set(activity) and activity and "gamma_i" not in given:
        add("gamma_i: 0.75", "activity coefficient inside, for the ions given as concentrations")
    if "LJP" not in given:
        add("LJP_mV: 0", "EDIT: junction potential, bath minus pipette (V_m = reading − LJP), or a prior")
    if "V_offset" not in given:
        add(
            "V_offset_mV: {prior: normal, mean: 0, sd: 2}",
            "EDIT: what the electrode may be off by; 0 if corrected",
        )
    if not out:
        return ["quantities: {}             # the table says everything; noise has a default prior"]
    return ["quantities:                # what the table does not say; the unit stands in the key", *out]


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
