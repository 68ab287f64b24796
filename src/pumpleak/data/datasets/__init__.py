"""Published measurements that come with the package, each with its source and its caveats."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from ...errors import InputError, unknown
from ...files.whole import in_the_way
from ..measurements import Measurements, check_any_reading, read_wanted
from ..wanted import Wanted


@dataclass(frozen=True)
class Dataset:
    """What a dataset is; printing it shows everything.

    Attributes:
        name: what `load_dataset` calls it.
        title: one line.
        citation: where the numbers are from.
        licence: on what terms they are here.
        observables: what was read.
        columns: what the columns hold.
        caveats: what to know before using it.
        doi: of the source; '' where it has none or none is known.
    """

    name: str
    title: str
    citation: str
    licence: str
    observables: tuple[str, ...]
    columns: str
    caveats: tuple[str, ...]
    doi: str = ""

    def __str__(self) -> str:
        source = f"{self.citation}. https://doi.org/{self.doi}" if self.doi else f"{self.citation}."
        lines = [self.name, self.title, "", f"Source: {source}", f"Licence: {self.licence}"]
        return "\n".join([*lines, f"Columns: {self.columns}", "Caveats:", *(f"- {c}" for c in self.caveats)])


@cache
def _catalogue() -> dict[str, Dataset]:
    text = (resources.files(__name__) / "datasets.toml").read_text(encoding="utf-8")
    tuples = ("observables", "caveats")
    return {
        name: Dataset(name=name, **{k: tuple(v) if k in tuples else v for k, v in entry.items()})
        for name, entry in tomllib.loads(text).items()
    }


def list_datasets() -> dict[str, str]:
    """Names of the datasets that come with the package.

    Returns:
        Name -> title.

    Example:
        >>> print(*list_datasets())
        crayfish_muscle purkinje_miura1977 low_K_ventricular1998 inab_2021 ehrlich_gstrein1987 textbook_resting
    """
    return {name: dataset.title for name, dataset in _catalogue().items()}


def show_dataset(name: str) -> Dataset:
    """What a dataset is: title, source, licence, columns and caveats; ``print(show_dataset(name))`` to read them.

    Args:
        name: one of `list_datasets`.

    Returns:
        A record with these as attributes.

    Raises:
        InputError: there is no such dataset; the nearest name is suggested.

    Example:
        >>> show_dataset("textbook_resting").observables
        ('V_m',)
    """
    if name not in _catalogue():
        raise unknown("dataset", name, _catalogue())
    return _catalogue()[name]


def load_dataset(name: str, observables: Sequence[str] | None = None) -> Measurements:
    """The measurements of a dataset.

    Args:
        name: one of `list_datasets`.
        observables: what to take as readings; default ``("V_m",)``, whatever else was read.

    Returns:
        The `Measurements`, in canonical units.

    Raises:
        InputError: there is no such dataset, or it has no such reading.

    Example:
        >>> load_dataset("textbook_resting").value
        array([-73.])
    """
    m = read_dataset(name, observables or ("V_m",), Wanted())
    check_any_reading(m, observables or ("V_m",))
    return m


def read_dataset(name: str, observables: Sequence[str], wanted: Wanted) -> Measurements:
    """`load_dataset`, of which there need be no reading.

    Args:
        name, observables: as `load_dataset` takes them.
        wanted: what is said of the table beside it.

    Raises:
        InputError: as `load_dataset`; a column that is named is not there.
    """
    show_dataset(name)
    with resources.as_file(resources.files(__name__) / f"{name}.csv") as path:
        return read_wanted(path, observables, f"dataset {name}", wanted=wanted)


def export_dataset(name: str, path: str | Path) -> Path:
    """Write a dataset's CSV, with its source and caveats as comments, to edit or to use as a pattern.

    Args:
        name: one of `list_datasets`.
        path: of the new file, ending in .csv.

    Returns:
        The path.

    Raises:
        InputError: there is no such dataset, the file exists, or it cannot be written.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> export_dataset("textbook_resting", f"{folder}/mine.csv").name
        'mine.csv'
    """
    comments = "".join(f"# {line}\n" if line else "#\n" for line in str(show_dataset(name)).split("\n"))
    table = (resources.files(__name__) / f"{name}.csv").read_text(encoding="utf-8")
    rows = [line for line in table.split("\n") if not line.startswith("#")]
    return write_new(path, comments + "\n".join(rows))


def write_new(path: str | Path, text: str) -> Path:
    """Writes UTF-8 text to a file that does not exist yet.

    Raises:
        InputError: the file exists, or it cannot be written.
    """
    try:
        with Path(path).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        folder = Path(path).is_dir()
        what = "is a folder, not a file" if folder else "the file exists and is not overwritten"
        raise InputError(what, mend="Choose another name", file=path) from None
    except OSError as error:
        why = in_the_way(Path(path)) or error.strerror
        raise InputError(f"cannot be written: {why}", mend="Check the path", file=path) from None
    return Path(path)


def template_csv() -> str:
    """A table for a potassium titration, with comments that say what each column is.

    Returns:
        The text of a CSV file, which `read_table` reads.

    Example:
        >>> template_csv().splitlines()[-2]
        '20 K,1,22,20,130,155,4.1,-43.0,2.6,6'
    """
    return _TEMPLATE


_TEMPLATE = """\
# A potassium titration: one row a condition, at most one reading a row. Replace the numbers by yours.
# Lines that start with # are comments and stand above the header. Decimals take a point; blank is missing.
#
# label       name of the row (optional)
# cell        text or whole numbers group rows: cell, solution, animal, electrode ...
# T_degC      temperature (or T_K)
# K_o_mM      concentration in the bath; every ion alike (Na_o_mM, Cl_o_mM), 0 is allowed
# K_o_sd_mM   its standard deviation, where it was itself measured; leave such a column out otherwise
# LJP_mV      junction potential, bath minus pipette; V_m = reading - LJP. Leave out where corrected
# V_m_mV      the reading, inside minus outside (or V_m_V)
# V_m_sd_mV   spread of single readings, or V_m_sem_mV: standard error of the mean
# V_m_n       number of readings behind the mean
#
# Further columns: K_i_mM or aK_i_mM (inside, where known), pump (1 running, 0 blocked), P_Cl_scale,
# and dV_m_mV with reference (a row's label) for a change measured in the same cell.
label,cell,T_degC,K_o_mM,Na_o_mM,Cl_o_mM,LJP_mV,V_m_mV,V_m_sd_mV,V_m_n
2.5 K,1,22,2.5,147.5,155,4.1,-81.3,3.1,6
5 K,1,22,5,145,155,4.1,-71.6,2.8,6
10 K,1,22,10,140,155,4.1,-58.2,2.5,6
20 K,1,22,20,130,155,4.1,-43.0,2.6,6
40 K,1,22,40,110,155,4.1,-26.9,2.4,5
"""
